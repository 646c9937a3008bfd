"""Grambsch and Therneau's test of proportional hazards, in the exact score form of survival 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import CoxProblem
from cohort.estimators.partial_likelihood import RiskState, hazard_sums, weighted_information

FloatArray = NDArray[np.float64]
Transform = Literal["km", "identity", "rank", "log"]
TRANSFORMS: tuple[Transform, ...] = ("km", "identity", "rank", "log")


@dataclass(frozen=True, slots=True, eq=False)
class ProportionalHazardsTest:
    """Score tests that coefficients do not change with a function of time.

    Attributes
    ----------
    statistic, df, p_value : array of shape (n_terms + 1,)
        Chi-squared statistics by term; the last is the global test. NaN where the events tell nothing of it.
    """

    statistic: FloatArray
    df: FloatArray
    p_value: FloatArray


def proportional_hazards_tests(
    problem: CoxProblem,
    state: RiskState,
    fitted_information: FloatArray,
    transformed: Mapping[Transform, FloatArray],
    terms: Sequence[Sequence[int]],
) -> dict[Transform, ProportionalHazardsTest]:
    """Test b(t) = b + theta g(t) against theta = 0, by term and globally, for several g.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the estimate.
    fitted_information : array of shape (p, p)
        Information at the estimate.
    transformed : Mapping of str to array of shape (G,)
        Transformed event times g, minus their mean over the events.
    terms : sequence of sequence of int
        Columns of each term.

    Returns
    -------
    dict of str to ProportionalHazardsTest
        For each g statistics by term, then global.
    """
    residuals = schoenfeld_sums(problem, state)
    weights = [weight for g in transformed.values() for weight in (g, g * g)]
    blocks = weighted_information(problem, state, weights)
    return {
        name: _score_tests(fitted_information, blocks[2 * k], blocks[2 * k + 1], residuals.T @ g, terms)
        for k, (name, g) in enumerate(transformed.items())
    }


def _score_tests(
    info: FloatArray, cross: FloatArray, squared: FloatArray, U: FloatArray, terms: Sequence[Sequence[int]]
) -> ProportionalHazardsTest:
    """Test theta of each term, with b free: chi-squared U' (I_tt - I_tb I_bb^-1 I_bt)^-1 U."""
    remaining = squared - cross @ np.linalg.solve(info, cross)
    statistic, df = [], []
    for columns in [*terms, list(range(len(U)))]:
        statistic.append(_quadratic(U[columns], remaining[np.ix_(columns, columns)]))
        df.append(float(len(columns)))
    x, nu = np.array(statistic), np.array(df)
    return ProportionalHazardsTest(x, nu, np.asarray(stats.chi2.sf(x, nu)))


def _quadratic(u: FloatArray, variance: FloatArray) -> float:
    """Return u' V^-1 u; NaN where nothing is left to test with, as when all events share one time."""
    try:
        np.linalg.cholesky(variance)
    except np.linalg.LinAlgError:
        return float("nan")
    return float(u @ np.linalg.solve(variance, u))


def schoenfeld_sums(problem: CoxProblem, state: RiskState) -> FloatArray:
    """Sum Schoenfeld residuals (weighted, scaled columns) at each event time; shape (G, p)."""
    sets = problem.sets
    observed = sets.death_sums(problem.weight, problem.Z)[1]
    a = hazard_sums(problem, state, 1, 1)
    out = observed - a[0][:, None] * state.S1
    return out + a[1][:, None] * state.D1 if len(a) > 1 else out


def transformed_times(
    transform: Transform,
    problem: CoxProblem,
    start: FloatArray | None,
    stop: FloatArray,
    event: NDArray[np.bool_],
) -> FloatArray:
    """Transform the event times as `cox.zph` does, and center them over the events.

    Parameters
    ----------
    transform : {'km', 'identity', 'rank', 'log'}
        ``km`` is one minus the Kaplan-Meier estimate just before the time, without strata or weights; ``rank``
        the mean rank among all rows' times.
    problem : CoxProblem
        Gives the event times.
    start, stop, event : array of shape (n,)
        All rows of the fit.

    Returns
    -------
    array of shape (G,)
        Centered transformed times.
    """
    time = problem.sets.time
    if transform == "identity":
        g = time.copy()
    elif transform == "log":
        g = np.log(time)
    elif transform == "rank":
        sorted_stop = np.sort(stop)
        g = (np.searchsorted(sorted_stop, time, "left") + np.searchsorted(sorted_stop, time, "right") + 1) / 2
    elif transform == "km":
        g = _one_minus_survival_before(time, start, stop, event)
    else:
        raise EstimationError(
            "the transformation of time is unknown",
            evidence=f"transform={transform!r}",
            remedy=f"write one of {', '.join(TRANSFORMS)}",
        )
    return np.asarray(g - g @ problem.sets.n_death / problem.sets.n_death.sum())


def _one_minus_survival_before(
    time: FloatArray, start: FloatArray | None, stop: FloatArray, event: NDArray[np.bool_]
) -> FloatArray:
    moments, d = np.unique(stop[event], return_counts=True)
    at_risk = len(stop) - np.searchsorted(np.sort(stop), moments, "left")
    if start is not None:
        at_risk = at_risk - (len(start) - np.searchsorted(np.sort(start), moments, "left"))
    S = np.concatenate([[1.0], np.cumprod(1 - d / at_risk)])
    return np.asarray(1 - S[np.searchsorted(moments, time, "left")])
