"""Residuals of a Cox model at given coefficients, row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.cox_problem import CoxProblem
from cohort.estimators.partial_likelihood import RiskState, cumulative_hazard, hazard_sums
from cohort.estimators.robust_variance import score_residuals

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def martingale_residuals(problem: CoxProblem, state: RiskState) -> FloatArray:
    """Compute events minus expected events of each row, Therneau and Grambsch (2000), section 4.2.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the coefficients.

    Returns
    -------
    array of shape (n_rows,)
        In the caller's order; NaN for rows of weight zero, 0 for rows at risk at no event.
    """
    sets = problem.sets
    expected = np.exp(state.eta) * cumulative_hazard(problem, hazard_sums(problem, state, 1, 1))
    own = -expected
    own[sets.death] += 1.0
    return _to_rows(problem, own)


def deviance_residuals(martingale: FloatArray, event: NDArray[np.bool_]) -> FloatArray:
    """Return martingale residuals made symmetric, Therneau and Grambsch (2000), section 4.3."""
    expected = np.where(event, event - martingale, 1.0)
    with np.errstate(invalid="ignore"):
        log = np.where(event & (expected > 0), np.log(np.where(expected > 0, expected, 1.0)), 0.0)
        return np.asarray(np.sign(martingale) * np.sqrt(np.maximum(-2 * (martingale + log), 0.0)))


def score_rows(problem: CoxProblem, state: RiskState, weighted: bool) -> FloatArray:
    """Return each row's share of the score, in the units of the covariates.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the coefficients.
    weighted : bool
        Whether it is multiplied by the weight of the row; the weighted shares sum to the score.

    Returns
    -------
    array of shape (n_rows, p)
        In the caller's order.
    """
    own = score_residuals(problem, state) * problem.scale
    return _to_rows(problem, own if weighted else own / problem.weight[:, None])


def schoenfeld_residuals(problem: CoxProblem, state: RiskState) -> tuple[IntArray, FloatArray]:
    """Compute covariates of each event minus their mean among those at risk.

    With Efron's approximation the mean of tied events is that over their risk sets.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the coefficients.

    Returns
    -------
    rows : array of shape (E,)
        The caller's rows with an event, in their order.
    residuals : array of shape (E, p)
        In the units of the covariates.
    """
    sets = problem.sets
    a = hazard_sums(problem, state, 1, 1)
    zbar = a[0][:, None] * state.S1
    if len(a) > 1:
        zbar -= a[1][:, None] * state.D1
    zbar /= problem.dead_weight[:, None]
    rows = sets.rows[sets.death]
    order = np.argsort(rows)
    return rows[order], ((problem.Z[sets.death] - zbar[sets.death_group]) * problem.scale)[order]


def _to_rows(problem: CoxProblem, own: FloatArray) -> FloatArray:
    """Put rows in the caller's order; those at risk at no event have 0, those of weight zero NaN."""
    out = np.zeros((problem.sets.n_rows, *own.shape[1:]))
    out[problem.sets.rows] = own
    return out
