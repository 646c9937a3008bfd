"""Exact inference for two-by-two tables: conditional odds ratio, and Fisher, Boschloo and Barnard tests."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import gammaln

from cohort.estimators.contingency import Measure, TwoByTwoCounts

FloatArray = NDArray[np.float64]
TIE = 1e-7  # tables whose statistics agree to this relative distance are as extreme as each other
MAX_TABLES = 1_000_000


def conditional_odds_ratio(table: TwoByTwoCounts, conf_level: float = 0.95) -> dict[str, Measure]:
    """Return the conditional odds ratio with exact and mid-p limits.

    Parameters
    ----------
    table : TwoByTwoCounts
        The counts.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    dict of str to Measure
        By method: ``exact`` (limits of Cornfield, as R ``fisher.test``) and ``mid_p`` (Rothman). The
        estimate is the conditional maximum likelihood one; the p-value is twice the smaller tail.
    """
    reason = ""
    if min(table.exposed, table.unexposed, table.a + table.c, table.b + table.d) == 0:
        reason = "a margin is zero: the table says nothing of the odds ratio"
    elif _n_possible(table) > MAX_TABLES:
        reason = "more than a million possible tables: see score"
    if reason:
        return dict.fromkeys(("exact", "mid_p"), Measure(math.nan, reason=reason))
    support, weight = _noncentral(table)
    return conditional_limits(table.a, support, weight, conf_level)


def conditional_limits(
    observed: int,
    support: NDArray[np.int64],
    log_weight: FloatArray,
    conf_level: float,
    log_null: FloatArray | None = None,
) -> dict[str, Measure]:
    """Return the odds ratio of a count whose distribution given the margins is known.

    Parameters
    ----------
    observed : int
        Exposed with the event.
    support : array of shape (k,)
        Possible values, in ascending order.
    log_weight : array of shape (k,)
        Logarithm of their weights at odds ratio 1.
    conf_level : float
        Confidence level.
    log_null : array of shape (k,), optional
        The same weights where they were computed for odds ratio 1; used for the p-values.

    Returns
    -------
    dict of str to Measure
        By method: ``exact`` and ``mid_p``.
    """
    null = log_weight if log_null is None else log_null
    estimate = _conditional_estimate(observed, support, log_weight)
    reason = "" if 0 < estimate < math.inf else "a cell is zero: the estimate is at its boundary"
    tail = 0.5 - conf_level / 2
    out = {}
    for method, own in (("exact", 1.0), ("mid_p", 0.5)):
        low, high = (_tail_root(observed, support, log_weight, own, tail, side) for side in (1, -1))
        tails = [_tail(observed, support, null, own, side, 0.0) for side in (1, -1)]
        out[method] = Measure(estimate, math.nan, low, high, min(1.0, 2 * min(tails)), reason)
    return out


def fisher_p_value(table: TwoByTwoCounts) -> float:
    """Return the two-sided p-value of Fisher's exact test: all tables no more probable than this one.

    Parameters
    ----------
    table : TwoByTwoCounts
        The counts.

    Returns
    -------
    float
        The p-value, as R ``fisher.test``; NaN above a million possible tables.

    Examples
    --------
    >>> round(fisher_p_value(TwoByTwoCounts(3, 1, 1, 3)), 6)
    0.485714
    """
    if _n_possible(table) > MAX_TABLES:
        return math.nan
    support, weight = _noncentral(table)
    probability = _normalize(weight)
    observed = probability[int(table.a - support[0])]
    return float(min(1.0, probability[probability <= observed * (1 + TIE)].sum()))


def barnard_p_value(table: TwoByTwoCounts) -> float:
    """Return the two-sided p-value of Barnard's unconditional exact test with the pooled z statistic.

    Tables whose statistic equals the observed one count as extreme, also when rounding makes it smaller;
    the p-value is the largest over the common risk.

    Parameters
    ----------
    table : TwoByTwoCounts
        The counts.

    Returns
    -------
    float
        The p-value; NaN when a group is empty or the tables are too many.
    """
    if not _feasible(table):
        return math.nan
    x1, x0 = np.arange(table.exposed + 1.0)[:, None], np.arange(table.unexposed + 1.0)[None, :]
    pooled = (x1 + x0) / table.n
    variance = pooled * (1 - pooled) * (1 / table.exposed + 1 / table.unexposed)
    distance = np.abs(x1 / table.exposed - x0 / table.unexposed)
    z = np.divide(distance, np.sqrt(variance), out=np.zeros_like(distance), where=variance > 0)
    return largest_probability(z >= z[table.a, table.c] * (1 - TIE))


def boschloo_p_value(table: TwoByTwoCounts) -> float:
    """Return the two-sided p-value of Boschloo's test: Fisher's p-value as statistic, without conditioning.

    Parameters
    ----------
    table : TwoByTwoCounts
        The counts.

    Returns
    -------
    float
        The p-value, never above Fisher's; NaN when a group is empty or the tables are too many.
    """
    if not _feasible(table):
        return math.nan
    n1, n0 = table.exposed, table.unexposed
    p = np.empty((n1 + 1, n0 + 1))
    for m in range(table.n + 1):
        support, weight = _noncentral(
            TwoByTwoCounts(min(m, n1), n1 - min(m, n1), m - min(m, n1), n0 - m + min(m, n1))
        )
        probability = _normalize(weight)
        order = np.argsort(probability, kind="stable")
        ordered = probability[order]
        total = np.cumsum(ordered)
        # all tables of this margin that are no more probable, ties included
        p[support, m - support] = total[np.searchsorted(ordered, probability * (1 + TIE), side="right") - 1]
    return largest_probability(p <= p[table.a, table.c] * (1 + TIE))


def _feasible(table: TwoByTwoCounts) -> bool:
    cells = (table.exposed + 1) * (table.unexposed + 1)
    return table.exposed > 0 and table.unexposed > 0 and cells <= MAX_TABLES


def _n_possible(table: TwoByTwoCounts) -> int:
    """Count the tables with the margins of this one."""
    return min(table.exposed, table.unexposed, table.a + table.c, table.b + table.d) + 1


def _log_choose(n: int, k: NDArray[np.int64]) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=float)


def _noncentral(table: TwoByTwoCounts) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the possible values of a given the margins, and their log weights at odds ratio 1."""
    events = table.a + table.c
    support = np.arange(max(0, events - table.unexposed), min(table.exposed, events) + 1)
    return support, _log_choose(table.exposed, support) + _log_choose(table.unexposed, events - support)


def _normalize(log_weight: FloatArray) -> FloatArray:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def _tail(
    a: int, support: NDArray[np.int64], weight: FloatArray, own: float, side: int, log_psi: float
) -> float:
    """Return the probability beyond a (side 1: above) plus a share of that of a itself."""
    probability = _normalize(weight + support * log_psi)
    beyond = support > a if side > 0 else support < a
    return float(probability[beyond].sum() + own * probability[support == a].sum())


def _tail_root(
    a: int, support: NDArray[np.int64], weight: FloatArray, own: float, tail: float, side: int
) -> float:
    """Solve for the odds ratio at which the tail has the given probability."""
    if side > 0 and a == support[0]:
        return 0.0
    if side < 0 and a == support[-1]:
        return math.inf
    return math.exp(_root(lambda x: side * (_tail(a, support, weight, own, side, x) - tail)))


def _conditional_estimate(a: int, support: NDArray[np.int64], weight: FloatArray) -> float:
    if a == support[0]:
        return 0.0
    if a == support[-1]:
        return math.inf
    return math.exp(_root(lambda x: float(_normalize(weight + support * x) @ support) - a))


def _root(rising: Callable[[float], float]) -> float:
    """Find the root of a rising function of the log odds ratio."""
    span = 2.0
    while rising(span) < 0 or rising(-span) > 0:
        span *= 2
    return float(brentq(rising, -span, span, xtol=1e-14, rtol=8 * np.finfo(float).eps))


def largest_probability(extreme: NDArray[np.bool_]) -> float:
    """Maximize the probability of the extreme tables over the common risk: a grid, then its best peaks."""
    n1, n0 = extreme.shape[0] - 1, extreme.shape[1] - 1
    choose1, choose0 = _log_choose(n1, np.arange(n1 + 1)), _log_choose(n0, np.arange(n0 + 1))
    region = extreme.astype(float)

    def probability(risk: FloatArray) -> FloatArray:
        log_odds, log_rest = np.log(risk) - np.log1p(-risk), np.log1p(-risk)
        first = np.exp(choose1 + np.outer(log_odds, np.arange(n1 + 1)) + n1 * log_rest[:, None])
        second = np.exp(choose0 + np.outer(log_odds, np.arange(n0 + 1)) + n0 * log_rest[:, None])
        return np.asarray(((first @ region) * second).sum(axis=1))

    grid = np.sin(np.linspace(0, np.pi / 2, max(400, 2 * (n1 + n0)) + 2)[1:-1]) ** 2
    height = probability(grid)
    peaks = np.argsort(height)[::-1][:8]
    best = float(height.max())
    for i in peaks:
        bounds = (grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)])
        found = minimize_scalar(
            lambda x: -float(probability(np.array([x]))[0]),
            bounds=bounds,
            method="bounded",
            options={"xatol": 1e-10},
        )
        best = max(best, -float(found.fun))
    return min(best, 1.0)
