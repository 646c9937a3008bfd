"""Survival and incidence curves standardized to a population (g-computation), with their variance over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.hazard_influence import FittedHazard, hazard_integrals

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

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
    """Some times of one level: incidence of each patient, and what its derivatives are made of."""

    times: slice
    incidence: FloatArray
    direct: FloatArray
    later: tuple[FloatArray, ...]
    by_coefficient: tuple[FloatArray, ...]


def standardized_incidence(
    causes: Sequence[FittedHazard],
    settings: Sequence[FloatArray],
    cluster: IntArray | None = None,
    with_variance: bool = True,
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

    Returns
    -------
    StandardizedCurve
        Curves with their covariance.

    Notes
    -----
    The incidence of a patient sums exp(-sum_k Lambda_k(s-)) dLambda_1(s); with one cause it is 1 - exp(-Lambda).
    Its mean R over the patients has the influence R(x_i) - R, for whom the sample holds, plus its derivatives by
    the coefficients and by each increment of the baseline hazards times the influence of the patient on these. The
    covariance sums the outer products of influences (of clusters), without a factor [1]_.

    References
    ----------
    .. [1] Ozenne BMH, Scheike TH, Stærk L, Gerds TA (2020). On the estimation of average treatment effects with
       right-censored time to event outcome and competing risks. Biom J 62:751-763. doi:10.1002/bimj.201800298
    """
    grid = np.unique(np.concatenate([one.time for one in causes]))
    k = len(settings)
    estimate, covariance = np.empty((len(grid), k)), np.full((len(grid), k, k), np.nan)
    steps = [_blocks(causes, Z, grid, with_variance) for Z in settings]
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
    causes: Sequence[FittedHazard], Z: FloatArray, grid: FloatArray, derivatives: bool
) -> Iterator[_Block]:
    """Walk through time in blocks, keeping each patient's hazards and incidence from one to the next."""
    n, alone = len(Z), len(causes) == 1
    with np.errstate(over="ignore"):
        risk = [np.exp((Z - one.center) @ one.coefficients) for one in causes]
    increments = [_on_grid(one, grid) for one in causes]
    before = [np.concatenate([[0.0], np.cumsum(d)[:-1]]) for d in increments]
    F, moved = np.zeros(n), [np.zeros(n) for _ in causes]
    step = max(1, _ENTRIES // max(n, 1))
    for begin in range(0, len(grid), step):
        at = slice(begin, min(begin + step, len(grid)))
        survival = np.exp(-sum(np.outer(r, H[at]) for r, H in zip(risk, before, strict=True)))
        if alone:
            hazard = np.outer(risk[0], before[0][at] + increments[0][at])
            incidence = -np.expm1(-hazard)
            slope = risk[0][:, None] * np.exp(-hazard)
            direct, later = slope.mean(axis=0), (np.zeros(at.stop - at.start),)
            by = ((Z - causes[0].center).T @ (slope * (before[0][at] + increments[0][at])) / n,)
            yield _Block(at, incidence, direct, later, by)
            continue
        density = survival * risk[0][:, None]
        dF = density * increments[0][at]
        incidence = F[:, None] + np.cumsum(dF, axis=1)
        if derivatives:
            laters: list[FloatArray] = []
            slopes: list[FloatArray] = []
            for k, one in enumerate(causes):
                path = moved[k][:, None] + np.cumsum(dF * before[k][at], axis=1)
                moved[k] = path[:, -1]
                change = (incidence if k == 0 else 0.0) - risk[k][:, None] * path
                laters.append(risk[k] @ incidence / n)
                slopes.append((Z - one.center).T @ change / n)
            yield _Block(at, incidence, density.mean(axis=0), tuple(laters), tuple(slopes))
        else:
            yield _Block(at, incidence, np.zeros(0), (), ())
        F = incidence[:, -1]


def _on_grid(one: FittedHazard, grid: FloatArray) -> FloatArray:
    out = np.zeros(len(grid))
    out[np.searchsorted(grid, one.time)] = one.increments
    return out


class _Memory:
    """Derivatives by the hazard increments of times already passed, of one level."""

    def __init__(self, causes: Sequence[FittedHazard], n_times: int) -> None:
        self.direct = np.zeros(n_times)
        self.later = [np.zeros(n_times) for _ in causes]

    def influence(
        self, causes: Sequence[FittedHazard], grid: FloatArray, block: _Block, cluster: IntArray | None
    ) -> FloatArray:
        """Return the influence of patients (or clusters) on the mean incidence at the times of a block."""
        at = block.times
        self.direct[at] = block.direct
        own = (block.incidence - block.incidence.mean(axis=0)) / len(block.incidence)
        passed = grid[:, None] <= grid[at]
        for k, one in enumerate(causes):
            self.later[k][at] = block.later[k]
            if len(causes) == 1:
                g = block.direct * passed
            else:
                # an increment at u raises F at u itself (cause 1), and takes survival from all later increments
                g = ((self.direct[:, None] if k == 0 else 0.0) + self.later[k][:, None]) - block.later[k]
                g = g * passed
            g = g[np.searchsorted(grid, one.time)]
            own = own + hazard_integrals(one, g) + one.dfbeta @ block.by_coefficient[k]
        if cluster is None:
            return np.asarray(own)
        sums = np.zeros((int(cluster.max()) + 1, own.shape[1]))
        np.add.at(sums, cluster, own)
        return sums
