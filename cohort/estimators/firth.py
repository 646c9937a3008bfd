"""Firth's penalty for the partial likelihood: finite estimates under monotone likelihood.

Firth (1993), Heinze and Schemper (2001): maximize l(b) + log|I(b)|/2, whose score is
U_j + tr(I^-1 dI/db_j)/2. dI/db_j is a sum of third central moments over the risk sets. With V = I^-1,
h_i = z_i' V z_i and zbar the mean of a risk set,

    tr(V dI/db_j) = sum_gl w E[(z - zbar)' V (z - zbar) (z_j - zbar_j)]
                  = sum_gl w { E[h z_j] - 2 E[z_j z'] V zbar - zbar_j E[h] + 2 zbar_j zbar' V zbar },

and every expectation is a risk-set sum, so that the penalty too is linear in the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import CoxProblem
from cohort.estimators.partial_likelihood import (
    Maximum,
    RiskState,
    evaluate,
    hazard_sums,
    information,
    require_information,
    score,
)

FloatArray = NDArray[np.float64]

_MAX_ITERATIONS = 500
_MAX_HALVINGS = 25
# Most that one step may change any row's linear predictor.
_MAX_STEP = 5.0
# Squared length of a step, in standard errors, at which the estimate has all its digits; and below which steps
# that no longer shrink are rounding.
_DECREMENT = 1e-22
_ROUNDING = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class ProfileLimits:
    """Profile penalized-likelihood inference for each coefficient (Heinze and Schemper 2001).

    Attributes
    ----------
    conf_low, conf_high : array of shape (p,)
        Limits; infinite when the profile never falls far enough.
    statistic, p_value : array of shape (p,)
        Penalized likelihood-ratio test of zero, one degree of freedom.
    conf_level : float
        Confidence level.
    """

    conf_low: FloatArray
    conf_high: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    conf_level: float


@dataclass(frozen=True, slots=True, eq=False)
class _Penalized:
    """Penalized likelihood at one value: risk-set sums, information, its inverse, value, and score."""

    state: RiskState
    information: FloatArray
    V: FloatArray
    value: float
    score: FloatArray


def maximize_penalized(problem: CoxProblem) -> Maximum:
    """Maximize the partial likelihood with Firth's penalty.

    Parameters
    ----------
    problem : CoxProblem
        Data.

    Returns
    -------
    Maximum
        Estimate, the unpenalized information there, and penalized log-likelihoods.

    Raises
    ------
    EstimationError
        When a column carries no information, or the maximum is not found.
    """
    p = problem.Z.shape[1]
    require_information(problem, information(problem, evaluate(problem, np.zeros(p))))
    null = _evaluate(problem, np.zeros(p))
    top, iterations = _climb(problem, null, np.arange(p))
    U = score(problem, null.state)
    return Maximum(top.state, top.information, top.value, null.value, float(U @ null.V @ U), iterations)


def _evaluate(problem: CoxProblem, b: FloatArray) -> _Penalized:
    state = evaluate(problem, b)
    info = information(problem, state)
    sign, logdet = np.linalg.slogdet(info)
    if not (np.isfinite(state.log_likelihood) and sign > 0):
        nothing = np.full_like(info, np.nan)
        return _Penalized(state, info, nothing, -np.inf, nothing[0])
    V = np.asarray(np.linalg.inv(info), dtype=float)
    # The determinant of the information of the columns as given, not as scaled.
    value = state.log_likelihood + logdet / 2 + float(np.log(problem.scale).sum())
    return _Penalized(state, info, V, value, score(problem, state) + penalty_score(problem, state, V) / 2)


def penalty_score(problem: CoxProblem, state: RiskState, V: FloatArray) -> FloatArray:
    """Return tr(V dI/db_j) for each coefficient; shape (p,)."""
    sets, Z, r = problem.sets, problem.Z, state.r
    h = np.einsum("ij,ij->i", Z @ V, Z)
    a = hazard_sums(problem, state, 1, 1)
    q = hazard_sums(problem, state, 2, 2)
    k = hazard_sums(problem, state, 3, 3)
    S1, D1 = state.S1, state.D1
    b = q[0][:, None] * S1
    A, Sh = sets.spread(a[0]), sets.sums_of(r * h)
    s = np.einsum("ij,ij->i", S1 @ V, S1)
    if len(q) == 1:
        B = sets.spread(b @ V)
        mean_terms = (2 * s * k[0] - q[0] * Sh) @ S1
    else:
        A[sets.death] -= a[1][sets.death_group]
        B = sets.spread((b - q[1][:, None] * D1) @ V)
        b1 = q[1][:, None] * S1 - q[2][:, None] * D1
        B[sets.death] -= (b1 @ V)[sets.death_group]
        Dh = np.bincount(sets.death_group, (r * h)[sets.death], minlength=sets.n_times)
        m, d = np.einsum("ij,ij->i", S1 @ V, D1), np.einsum("ij,ij->i", D1 @ V, D1)
        mean_terms = (2 * (s * k[0] - 2 * m * k[1] + d * k[2]) - q[0] * Sh + q[1] * Dh) @ S1
        mean_terms -= (2 * (s * k[1] - 2 * m * k[2] + d * k[3]) - q[1] * Sh + q[2] * Dh) @ D1
    row_terms = r * (h * A - 2 * np.einsum("ij,ij->i", Z, B))
    return np.asarray(row_terms @ Z + mean_terms)


def _climb(problem: CoxProblem, at: _Penalized, free: NDArray[np.intp]) -> tuple[_Penalized, int]:
    """Maximize over the free coefficients by Newton steps with the unpenalized information."""
    if not len(free):
        return at, 0
    before = np.inf
    for iteration in range(1, _MAX_ITERATIONS + 1):
        block = at.information[np.ix_(free, free)]
        step = np.asarray(np.linalg.solve(block, at.score[free]), dtype=float)
        decrement = float(at.score[free] @ step)
        if decrement < _DECREMENT or before / 2 < decrement < _ROUNDING:
            return at, iteration
        before = decrement
        whole = np.zeros(len(at.V))
        whole[free] = step
        longest = float(np.abs(problem.Z @ whole).max())
        step *= min(1.0, _MAX_STEP / max(longest, _MAX_STEP))
        following = _halved(problem, at, free, step)
        if following is None:
            return at, iteration
        at = _less_overshoot(problem, at, following, free)
    raise EstimationError(
        "the penalized likelihood did not converge",
        evidence=f"{_MAX_ITERATIONS} steps, {len(problem.sets.death)} events, {problem.Z.shape[1]} columns",
        remedy="use fewer columns",
    )


def _halved(
    problem: CoxProblem, at: _Penalized, free: NDArray[np.intp], step: FloatArray
) -> _Penalized | None:
    slack = 1e-12 * (1 + abs(at.value))
    b = at.state.b.copy()
    for _ in range(_MAX_HALVINGS):
        b[free] = at.state.b[free] + step
        following = _evaluate(problem, b.copy())
        if following.value >= at.value - slack:
            return following
        step = step / 2
    return None


def _less_overshoot(
    problem: CoxProblem, at: _Penalized, following: _Penalized, free: NDArray[np.intp]
) -> _Penalized:
    """Go back to where the slope along the step is zero (secant) when the step went far past it.

    The penalty adds curvature that the unpenalized information lacks: up to as much again with one event.
    """
    moved = (following.state.b - at.state.b)[free]
    before, after = float(at.score[free] @ moved), float(following.score[free] @ moved)
    if after >= -before / 4:
        return following
    b = at.state.b.copy()
    b[free] += moved * before / (before - after)
    nearer = _evaluate(problem, b)
    return nearer if nearer.value >= following.value else following


def profile_limits(problem: CoxProblem, maximum: Maximum, conf_level: float) -> ProfileLimits:
    """Find where the profile penalized likelihood has fallen by half the chi-squared quantile.

    Parameters
    ----------
    problem, maximum : CoxProblem, Maximum
        Data, and the penalized maximum.
    conf_level : float
        Confidence level.

    Returns
    -------
    ProfileLimits
        Limits and tests on the scale of the columns as given.
    """
    top = _evaluate(problem, maximum.state.b)
    drop = float(stats.chi2.ppf(conf_level, 1)) / 2
    p = len(problem.scale)
    low, high, statistic = np.empty(p), np.empty(p), np.empty(p)
    for j in range(p):
        low[j] = _limit(problem, top, j, -1.0, drop)
        high[j] = _limit(problem, top, j, 1.0, drop)
        statistic[j] = 2 * (top.value - _profile(problem, top, j, 0.0).value)
    scale = problem.scale
    return ProfileLimits(
        low / scale, high / scale, statistic, np.asarray(stats.chi2.sf(statistic, 1)), conf_level
    )


def _profile(problem: CoxProblem, near: _Penalized, j: int, value: float) -> _Penalized:
    """Maximize over the other coefficients with coefficient j held, starting on the ridge of a near one."""
    others = np.flatnonzero(np.arange(len(near.V)) != j)
    b = near.state.b + near.V[:, j] / near.V[j, j] * (value - near.state.b[j])
    b[j] = value
    start = _evaluate(problem, b)
    if not np.isfinite(start.value):
        b = near.state.b.copy()
        b[j] = value
        start = _evaluate(problem, b)
    return _climb(problem, start, others)[0]


def _limit(problem: CoxProblem, top: _Penalized, j: int, side: float, drop: float) -> float:
    """Solve for one limit: Newton's method on the profile (its slope is score j), kept inside a bracket."""
    target = top.value - drop
    inside, outside = float(top.state.b[j]), np.inf
    at, value = top, inside + side * float(np.sqrt(2 * drop * top.V[j, j]))
    for _ in range(100):
        at = _profile(problem, at, j, value)
        gap = at.value - target
        if abs(gap) < 1e-11 * (1 + abs(target)):
            return float(value)
        if gap > 0:
            inside = value
        else:
            outside = value
        following = value - gap / at.score[j]
        if not min(inside, outside) < following < max(inside, outside):
            following = (inside + outside) / 2 if np.isfinite(outside) else value + side * np.sqrt(at.V[j, j])
        value = float(following)
    return side * float(np.inf)
