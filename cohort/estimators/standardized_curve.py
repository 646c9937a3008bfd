"""Survival and incidence curves standardized to a population (g-computation), with their variance over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.hazard_influence import FittedHazard, hazard_integrals

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Within = Literal["exponential", "left"]

# Entries of an array (patients, times) held at once.
_ENTRIES = 2_000_000


@dataclass(frozen=True, slots=True)
class StandardizedCurve:
    """Mean predicted curves of all patients, each with the exposure set to one level.

    Attributes
    ----------
    time : array of shape (T,)
        Event times of all causes.
    estimate : array of shape (T, k)
        Probability that the event has happened by then, at each level.
    covariance : array of shape (T, k, k)
        Covariance of the levels' estimates at one time; NaN when it was not asked for.
    """

    time: FloatArray
    estimate: FloatArray
    covariance: FloatArray


@dataclass(frozen=True, slots=True)
class _Block:
    """Some times of one level: incidence of each patient, and by cause what its derivatives are made of."""

    times: slice
    incidence: FloatArray
    direct: tuple[FloatArray, ...]
    later: tuple[FloatArray, ...]
    by_coefficient: tuple[FloatArray, ...]


def standardized_incidence(
    causes: Sequence[FittedHazard],
    settings: Sequence[FloatArray],
    cluster: IntArray | None = None,
    with_variance: bool = True,
    within: Within = "exponential",
    entries: int = _ENTRIES,
) -> StandardizedCurve:
    """Standardize the cumulative incidence of the first of several causes.

    Parameters
    ----------
    causes : sequence of FittedHazard
        Cause-specific hazards of all events, the event of interest first; or one subdistribution hazard, or the
        hazard of the only event.
    settings : sequence of array of shape (n, p)
        Covariates of all patients with the exposure set to each level.
    cluster : array of shape (n,) or None
        Codes from 0 of patients who count together.
    with_variance : bool, default=True
        Whether the variance is computed.
    within : {'exponential', 'left'}, default='exponential'
        How increments of hazards at one time act. ``exponential``: as constant hazards over the step, so that the
        incidences of all causes and survival sum to 1, as R ``survfit`` of a multi-state ``coxph`` (its matrix
        exponential). ``left``: the increment times the survival before it, as ``riskRegression`` with
        ``product.limit = FALSE``, which is too high where many events share their time.
    entries : int, optional
        Entries of an array (patients, times) held at once.

    Returns
    -------
    StandardizedCurve
        Curves with their covariance.

    Notes
    -----
    With S(s-) = exp(-sum_k Lambda_k(s-)) and increments a_k at s, A their sum, the incidence of a patient sums
    S(s-) (1 - exp(-A)) a_1/A over s; with one cause it is 1 - exp(-Lambda). The influence of patient i on its mean R
    over the patients is R(x_i) - R (the sample varies too), plus the derivatives of R by the coefficients and by each
    increment of the baseline hazards times the influence of the patient on these. The covariance sums the outer
    products of influences (of clusters), without a factor [1]_.

    References
    ----------
    .. [1] Ozenne BMH, Scheike TH, Stærk L, Gerds TA (2020). On the estimation of average treatment effects with
       right-censored time to event outcome and competing risks. Biom J 62:751-763. doi:10.1002/bimj.201800298
    """
    grid = np.unique(np.concatenate([one.time for one in causes]))
    k = len(settings)
    estimate, covariance = np.empty((len(grid), k)), np.full((len(grid), k, k), np.nan)
    steps = [_blocks(causes, Z, grid, with_variance, within, entries) for Z in settings]
    memory = [_Memory(causes, len(grid)) for _ in settings]
    for blocks in zip(*steps, strict=True):
        at = blocks[0].times
        estimate[at] = np.column_stack([block.incidence.mean(axis=0) for block in blocks])
        if not with_variance:
            continue
        own = [
            some.influence(causes, grid, block, cluster) for some, block in zip(memory, blocks, strict=True)
        ]
        for a in range(k):
            for b in range(a, k):
                covariance[at, a, b] = covariance[at, b, a] = np.einsum("it,it->t", own[a], own[b])
    return StandardizedCurve(grid, estimate, covariance)


def _blocks(
    causes: Sequence[FittedHazard],
    Z: FloatArray,
    grid: FloatArray,
    derivatives: bool,
    within: Within,
    entries: int,
) -> Iterator[_Block]:
    """Walk through time in blocks, keeping each patient's hazards and incidence from one to the next."""
    n = len(Z)
    with np.errstate(over="ignore"):
        risk = [np.exp((Z - one.center) @ one.coefficients) for one in causes]
    increments = [_on_grid(one, grid) for one in causes]
    before = [np.concatenate([[0.0], np.cumsum(d)[:-1]]) for d in increments]
    F, moved = np.zeros(n), [np.zeros(n) for _ in causes]
    step = max(1, entries // max(n, 1))
    for begin in range(0, len(grid), step):
        at = slice(begin, min(begin + step, len(grid)))
        survival = np.exp(-sum(np.outer(r, H[at]) for r, H in zip(risk, before, strict=True)))
        a = [np.outer(r, d[at]) for r, d in zip(risk, increments, strict=True)]
        share, slopes = _one_step(a, within, derivatives)
        dF = survival * share
        incidence = F[:, None] + np.cumsum(dF, axis=1)
        F = incidence[:, -1]
        direct: list[FloatArray] = []
        later: list[FloatArray] = []
        by: list[FloatArray] = []
        for k, slope in enumerate(slopes):
            # an increment of hazard k acts at once, and takes survival from all that comes later
            own = survival * slope * risk[k][:, None]
            change = own * increments[k][at] - risk[k][:, None] * (dF * before[k][at])
            path = moved[k][:, None] + np.cumsum(change, axis=1)
            moved[k] = path[:, -1]
            direct.append(own.mean(axis=0))
            later.append(risk[k] @ incidence / n)
            by.append((Z - causes[k].center).T @ path / n)
        yield _Block(at, incidence, tuple(direct), tuple(later), tuple(by))


def _one_step(
    a: Sequence[FloatArray], within: Within, derivatives: bool
) -> tuple[FloatArray, list[FloatArray]]:
    """Return the share of those free of any event who have the first within a step, and its slopes by each a."""
    if within == "left":
        nothing = [np.zeros_like(a[0]) for _ in a[1:]]
        return a[0], [np.ones_like(a[0]), *nothing] if derivatives else []
    A = a[0] if len(a) == 1 else np.sum(a, axis=0)
    some = A > 0
    gone = -np.expm1(-A)
    ratio = np.divide(gone, A, out=np.ones_like(A), where=some)
    if not derivatives:
        return a[0] * ratio, []
    # derivative of (1 - exp(-A))/A
    bend = np.divide(1 - gone - ratio, A, out=np.full_like(A, -0.5), where=some)
    return a[0] * ratio, [(ratio if k == 0 else 0.0) + a[0] * bend for k in range(len(a))]


def _on_grid(one: FittedHazard, grid: FloatArray) -> FloatArray:
    out = np.zeros(len(grid))
    out[np.searchsorted(grid, one.time)] = one.increments
    return out


class _Memory:
    """Derivatives by the hazard increments of times already passed, of one level."""

    def __init__(self, causes: Sequence[FittedHazard], n_times: int) -> None:
        self.direct = [np.zeros(n_times) for _ in causes]
        self.later = [np.zeros(n_times) for _ in causes]

    def influence(
        self, causes: Sequence[FittedHazard], grid: FloatArray, block: _Block, cluster: IntArray | None
    ) -> FloatArray:
        """Return the influence of patients (or clusters) on the mean incidence at the times of a block."""
        at = block.times
        own = (block.incidence - block.incidence.mean(axis=0)) / len(block.incidence)
        passed = grid[:, None] <= grid[at]
        for k, one in enumerate(causes):
            self.direct[k][at], self.later[k][at] = block.direct[k], block.later[k]
            g = ((self.direct[k] + self.later[k])[:, None] - block.later[k]) * passed
            g = g[np.searchsorted(grid, one.time)]
            own = own + hazard_integrals(one, g) + one.dfbeta @ block.by_coefficient[k]
        if cluster is None:
            return np.asarray(own)
        sums = np.zeros((int(cluster.max()) + 1, own.shape[1]))
        np.add.at(sums, cluster, own)
        return sums
