"""Cumulative baseline hazard of a Cox-family model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.cox_problem import CoxProblem
from cohort.estimators.partial_likelihood import RiskState, hazard_sums
from cohort.estimators.risk_sets import RiskSets

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class BaselineHazard:
    """Cumulative hazard of a patient whose covariates and offset are all zero, at each event time.

    Attributes
    ----------
    stratum : array of shape (G,)
        Stratum codes.
    time : array of shape (G,)
        Event times.
    n_risk, n_event : array of shape (G,)
        Rows at risk just before, and with the event.
    cumulative_hazard : array of shape (G,)
        Breslow's estimate, or Efron's with Efron's approximation.
    centered : array of shape (G,)
        The same for covariates at ``center`` and the mean offset: it neither overflows nor vanishes when zero
        lies far from the data.
    center : array of shape (p,)
        Means of the covariates over the rows at risk at some event.
    """

    stratum: IntArray
    time: FloatArray
    n_risk: FloatArray
    n_event: IntArray
    cumulative_hazard: FloatArray
    centered: FloatArray
    center: FloatArray


def baseline_hazard(problem: CoxProblem, state: RiskState, mean_offset: float = 0.0) -> BaselineHazard:
    """Cumulate the hazard of each stratum at one value of the coefficients.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the coefficients.
    mean_offset : float, default=0.0
        What was subtracted from the offsets.

    Returns
    -------
    BaselineHazard
        Sums of events by weighted risk: Breslow (1972), Efron (1977) with his approximation.
    """
    sets = problem.sets
    total = np.cumsum(hazard_sums(problem, state, 1, 0)[0])
    before = np.concatenate([[0.0], total])[np.searchsorted(sets.stratum, sets.stratum, "left")]
    with np.errstate(over="ignore", under="ignore"):
        at_zero = np.exp(-(problem.center / problem.scale) @ state.b - mean_offset)
        return BaselineHazard(
            stratum=sets.stratum,
            time=sets.time,
            n_risk=np.rint(RiskSets.sums_of(sets, np.ones(len(sets.rows)))),
            n_event=sets.n_death,
            cumulative_hazard=(total - before) * at_zero,
            centered=total - before,
            center=problem.center,
        )
