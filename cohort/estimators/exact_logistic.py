"""Exact conditional logistic regression: the distribution of sufficient statistics, and inference from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MAX_STATES = 1_000_000
MAX_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class ExactDistribution:
    """Conditional distribution of one sufficient statistic, given the sets' totals and the other statistics.

    Attributes
    ----------
    support : array of shape (k,)
        Values the statistic can take, rising.
    log_count : array of shape (k,)
        Logarithm of the (relative) number of outcomes with each value: the distribution at a log odds ratio 0.
    observed : float
        Value observed.
    """

    support: FloatArray
    log_count: FloatArray
    observed: float

    def probability(self, beta: float) -> FloatArray:
        """Return the distribution at a log odds ratio.

        Parameters
        ----------
        beta : float
            Log odds ratio.

        Returns
        -------
        array of shape (k,)
            Probabilities of the support.
        """
        log_weight = self.log_count + beta * (self.support - self.observed)
        return np.asarray(np.exp(log_weight - logsumexp(log_weight)))

    def tail(self, beta: float, side: int, own: float) -> float:
        """Return the probability beyond the observed value plus a share of its own.

        Parameters
        ----------
        beta : float
            Log odds ratio.
        side : {1, -1}
            Above or below.
        own : float
            Share of the observed value: 1 for exact, 0.5 for mid-p.

        Returns
        -------
        float
            The tail.
        """
        probability = self.probability(beta)
        beyond = side * (self.support - self.observed) > 0
        return float(probability[beyond].sum() + own * probability[self.support == self.observed].sum())


@dataclass(frozen=True, slots=True)
class ExactInference:
    """Exact inference on one log odds ratio.

    Attributes
    ----------
    estimate : float
        Conditional maximum likelihood estimate; the median unbiased one at an extreme; NaN when the
        distribution has one value.
    std_error : float
        From the conditional information; NaN for a median unbiased estimate.
    conf_low, conf_high : float
        Limits; infinite on the side of the extreme.
    p_value : float
        Twice the smaller tail, at most 1.
    median_unbiased : bool
        Whether the estimate is the median unbiased one.
    """

    estimate: float
    std_error: float
    conf_low: float
    conf_high: float
    p_value: float
    median_unbiased: bool


def exact_distribution(X: ArrayLike, y: ArrayLike, sets: ArrayLike, column: int) -> ExactDistribution:
    """Count the outcomes by the statistic of one column, given the others and the sets' totals.

    Patients of equal covariates enter together, one group after the other; partial sums that can no longer
    reach the conditions are dropped (multivariate shift algorithm of Hirji, Mehta and Patel 1987).

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates without intercept; values of at most six decimals.
    y : array of shape (n,)
        Outcome, 0 or 1.
    sets : array of shape (n,)
        Codes of the sets, from 0; all 0 for one intercept.
    column : int
        Column of interest; the others are conditioned on.

    Returns
    -------
    ExactDistribution
        The distribution.

    Raises
    ------
    EstimationError
        When the values have too many decimals, or the partial sums become too many.

    References
    ----------
    .. [1] Hirji KF, Mehta CR, Patel NR (1987). Computing distributions for exact logistic regression.
       J Am Stat Assoc 82:1110-1117. doi:10.1080/01621459.1987.10478547

    Examples
    --------
    >>> exact_distribution([[1], [1], [0], [0]], [1, 1, 0, 0], [0, 0, 0, 0], 0).support
    array([0., 1., 2.])
    """
    X, y, codes = np.asarray(X, dtype=float), np.asarray(y, dtype=float), np.asarray(sets, dtype=np.intp)
    whole, scale = _whole_numbers(X)
    others = np.array([j for j in range(X.shape[1]) if j != column], dtype=np.intp)
    order = np.concatenate([others, [column]]).astype(np.intp)
    # the last column is the one of interest; the target holds for the others
    steps, totals = _steps(whole[:, order], y, codes)
    target = (whole[:, order] * y[:, None].astype(np.int64)).sum(axis=0)
    taken = np.zeros(1, dtype=np.int64)
    sums = np.zeros((1, len(order)), dtype=np.int64)
    log_count = np.zeros(1)
    for step in steps:
        if step.first:
            taken = np.zeros(len(sums), dtype=np.int64)
        taken, sums, log_count = _shift(step, taken, sums, log_count, totals[step.stratum], target[:-1])
    order_of_sums = np.argsort(sums[:, -1])
    unit = scale[column]
    return ExactDistribution(
        sums[order_of_sums, -1] / unit, log_count[order_of_sums], float(target[-1] / unit)
    )


def exact_inference(
    distribution: ExactDistribution, conf_level: float, mid_p: bool = False
) -> ExactInference:
    """Estimate a log odds ratio from its exact distribution.

    Parameters
    ----------
    distribution : ExactDistribution
        Conditional distribution of its statistic.
    conf_level : float
        Confidence level.
    mid_p : bool, default=False
        Whether the observed value counts half in the tails (limits and p-value).

    Returns
    -------
    ExactInference
        The estimate, limits and p-value.
    """
    support, observed = distribution.support, distribution.observed
    if len(support) == 1:
        return ExactInference(math.nan, math.nan, -math.inf, math.inf, 1.0, False)
    own, outside = (0.5 if mid_p else 1.0), 0.5 - conf_level / 2
    lowest, highest = observed == support[0], observed == support[-1]
    span = float(support[-1] - support[0])
    low = -math.inf if lowest else _root(lambda b: distribution.tail(b, 1, own) - outside, span)
    high = math.inf if highest else _root(lambda b: outside - distribution.tail(b, -1, own), span)
    p_value = min(1.0, 2 * min(distribution.tail(0.0, side, own) for side in (1, -1)))
    if lowest or highest:
        # the likelihood has no maximum: the value at which the observed statistic is the median
        side = 1 if highest else -1
        estimate = _root(lambda b: side * (distribution.tail(b, side, 1.0) - 0.5), span)
        return ExactInference(estimate, math.nan, low, high, p_value, True)
    estimate = _root(lambda b: float(distribution.probability(b) @ (support - observed)), span)
    variance = distribution.probability(estimate) @ (support - observed) ** 2
    return ExactInference(estimate, float(1 / np.sqrt(variance)), low, high, p_value, False)


@dataclass(frozen=True, slots=True)
class _Step:
    """One group of equal patients, and what may still be added after it."""

    stratum: int
    first: bool
    size: int
    x: IntArray  # (p,)
    least: IntArray  # (p - 1, remaining + 1): smallest further sums of the others by number of events to come
    most: IntArray


def _whole_numbers(X: FloatArray) -> tuple[IntArray, IntArray]:
    """Return each column as whole numbers, and by what it was multiplied."""
    whole, scale = np.empty(X.shape, dtype=np.int64), np.ones(X.shape[1], dtype=np.int64)
    for j, values in enumerate(X.T):
        for decimals in range(MAX_DECIMALS + 1):
            scaled = values * 10**decimals
            nearest = np.round(scaled)
            near = np.abs(scaled - nearest) <= 1e-9 + 1e-12 * np.abs(scaled)
            if near.all() and np.abs(nearest).max() < 2**40:
                break
        else:
            raise EstimationError(
                "an exact distribution needs covariates of few decimals",
                evidence=f"a column has more than {MAX_DECIMALS} decimals",
                remedy='round the column, cut it into categories, or use method="firth"',
            )
        whole[:, j], scale[j] = nearest.astype(np.int64), 10**decimals
        divisor = int(np.gcd.reduce(whole[:, j])) or 1
        common = math.gcd(divisor, int(scale[j]))
        whole[:, j], scale[j] = whole[:, j] // common, scale[j] // common
    return whole, scale


def _steps(whole: IntArray, y: FloatArray, codes: NDArray[np.intp]) -> tuple[list[_Step], list[int]]:
    """List groups of equal patients by set, with bounds on what the later ones add."""
    totals: list[int] = []
    groups: list[tuple[int, bool, int, IntArray, IntArray]] = []
    later = []  # per set: smallest and largest sums it adds
    for stratum, code in enumerate(np.unique(codes).tolist()):
        mine = whole[codes == code]
        totals.append(int(y[codes == code].sum()))
        rows, counts = np.unique(mine, axis=0, return_counts=True)
        remaining = np.repeat(rows, counts, axis=0)
        for k, (row, count) in enumerate(zip(rows, counts.tolist(), strict=True)):
            remaining = remaining[count:]
            groups.append((stratum, k == 0, count, row, remaining[:, :-1]))
        ordered = np.sort(mine[:, :-1], axis=0)
        m = totals[-1]
        later.append((ordered[:m].sum(axis=0), ordered[len(ordered) - m :].sum(axis=0)))
    least_later = np.cumsum([low for low, _ in later][::-1], axis=0)[::-1]
    most_later = np.cumsum([high for _, high in later][::-1], axis=0)[::-1]
    zero = np.zeros(whole.shape[1] - 1, dtype=np.int64)
    steps = []
    for stratum, first, count, row, remaining in groups:
        after = stratum + 1 < len(totals)
        low = least_later[stratum + 1] if after else zero
        high = most_later[stratum + 1] if after else zero
        ordered = np.sort(remaining, axis=0)
        least = np.vstack([zero, np.cumsum(ordered, axis=0)]) + low
        most = np.vstack([zero, np.cumsum(ordered[::-1], axis=0)]) + high
        steps.append(_Step(stratum, first, count, row, least, most))
    return steps, totals


def _shift(
    step: _Step, taken: IntArray, sums: IntArray, log_count: FloatArray, total: int, target: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Add one group: every partial sum with every number of its events, equal sums merged."""
    events = np.arange(min(step.size, total) + 1)
    if len(taken) * len(events) > 4 * MAX_STATES:
        raise _too_many(len(taken) * len(events))
    ways = gammaln(step.size + 1) - gammaln(events + 1) - gammaln(step.size - events + 1)
    now = (taken[:, None] + events).ravel()
    to_come = total - now
    remaining = len(step.least) - 1
    feasible = (to_come >= 0) & (to_come <= remaining)
    added = (sums[:, None, :] + events[:, None] * step.x).reshape(-1, len(step.x))
    come = np.clip(to_come, 0, remaining)
    nuisance = added[:, :-1]
    feasible &= (nuisance + step.least[come] <= target).all(axis=1)
    feasible &= (nuisance + step.most[come] >= target).all(axis=1)
    weight = (log_count[:, None] + ways).ravel()
    return _merge(now[feasible], added[feasible], weight[feasible])


def _merge(taken: IntArray, sums: IntArray, log_count: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Add up the counts of equal partial sums."""
    states = np.column_stack([taken, sums])
    low = states.min(axis=0)
    width = states.max(axis=0) - low + 1
    if float(np.prod(width.astype(float))) < 2.0**62:
        radix = np.concatenate([[1], np.cumprod(width[:-1])])
        _, first, inverse = np.unique((states - low) @ radix, return_index=True, return_inverse=True)
    else:
        _, first, inverse = np.unique(states, axis=0, return_index=True, return_inverse=True)
    if len(first) > MAX_STATES:
        raise _too_many(len(first))
    top = np.full(len(first), -np.inf)
    np.maximum.at(top, inverse.ravel(), log_count)
    relative = np.exp(log_count - top[inverse.ravel()])
    return taken[first], sums[first], top + np.log(np.bincount(inverse.ravel(), weights=relative))


def _too_many(n: int) -> EstimationError:
    return EstimationError(
        "the exact distribution is too large to compute",
        evidence=f"over {n:,} partial sums of the sufficient statistics (limit {MAX_STATES:,})",
        remedy='method="firth", or fewer covariates, rounded or cut into categories',
    )


def _root(rising: Callable[[float], float], span: float) -> float:
    """Find the root of a rising or falling function of the log odds ratio, whose statistic has this span."""
    width = 2.0 / span
    sign = 1.0 if rising(width) > rising(-width) else -1.0
    while sign * rising(width) < 0 or sign * rising(-width) > 0:
        width *= 2
    return float(brentq(rising, -width, width, xtol=1e-13 / span, rtol=8 * np.finfo(float).eps, maxiter=500))
