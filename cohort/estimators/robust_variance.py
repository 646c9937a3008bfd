"""Score residuals and the grouped sandwich variance of the partial likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import BLOCK, CoxProblem
from cohort.estimators.partial_likelihood import RiskState, hazard_sums

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def score_residuals(problem: CoxProblem, state: RiskState) -> FloatArray:
    """Compute each row's weighted share of the score (scaled columns).

    Lin and Wei (1989), equation 2.7; for tied events as Therneau and Grambsch (2000), section 7.1.2: an
    event's own term is the mean over the d risk sets of Efron's approximation.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the coefficients.

    Returns
    -------
    array of shape (n, p)
        Rows of ``problem.sets.rows``; their sum is the score.
    """
    sets, Z = problem.sets, problem.Z
    a = hazard_sums(problem, state, 1, 1)
    q = hazard_sums(problem, state, 2, 2)
    # b = sum_l c zbar and b1 = sum_l c f zbar, with c = w/phi and zbar = (S1 - f D1)/phi.
    b = q[0][:, None] * state.S1
    A = sets.spread(a[0])
    if len(q) > 1:
        b -= q[1][:, None] * state.D1
        A[sets.death] -= a[1][sets.death_group]
    B = sets.spread(b)
    if len(q) > 1:
        b1 = q[1][:, None] * state.S1 - q[2][:, None] * state.D1
        B[sets.death] -= b1[sets.death_group]
    # -r (z A - B), in place
    for begin in range(0, len(B), BLOCK):
        block = slice(begin, begin + BLOCK)
        B[block] -= Z[block] * A[block, None]
        B[block] *= state.r[block, None]
    zbar = a[0][:, None] * state.S1
    if len(a) > 1:
        zbar -= a[1][:, None] * state.D1
    zbar /= problem.dead_weight[:, None]
    own = Z[sets.death] - zbar[sets.death_group]
    B[sets.death] += problem.weight[sets.death, None] * own
    return B


def grouped_variance(
    residuals: FloatArray, covariance: FloatArray, group: IntArray | None
) -> tuple[FloatArray, int]:
    """Compute the sandwich variance V (sum over groups of their residuals' outer product) V.

    Parameters
    ----------
    residuals : array of shape (n, p)
        Weighted score residuals.
    covariance : array of shape (p, p)
        Model-based covariance V.
    group : array of shape (n,) or None
        Group codes from 0; None for every row on its own.

    Returns
    -------
    array of shape (p, p)
        Sandwich covariance.
    int
        Number of groups.

    Raises
    ------
    EstimationError
        With a single group: its residuals sum to zero, and so would the variance.
    """
    if group is None:
        return covariance @ (residuals.T @ residuals) @ covariance, len(residuals)
    n_group = int(group.max()) + 1
    if n_group < 2:
        raise EstimationError(
            "cluster-robust standard errors need several clusters",
            evidence=f"1 cluster of {len(group)} rows",
            remedy="leave cluster= out, or name the column of the groups that are independent of each other",
        )
    sums = np.column_stack([np.bincount(group, column, minlength=n_group) for column in residuals.T])
    return covariance @ (sums.T @ sums) @ covariance, n_group


def wald_statistic(b: FloatArray, covariance: FloatArray, n_group: int | None) -> float:
    """Return b' V^-1 b; NaN when fewer groups than coefficients, or as many, leave V without full rank."""
    if n_group is not None and n_group <= len(b):
        return float("nan")
    try:
        return float(b @ np.linalg.solve(covariance, b))
    except np.linalg.LinAlgError:
        return float("nan")
