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
    offset : float
        Mean of their offsets.
    variance : array of shape (G,)
        Variance of ``centered`` were the coefficients known.
    mean_hazard : array of shape (G, p)
        Cumulated product of the increments of ``centered`` and the mean of the covariates, minus ``center``, in the
        risk set: minus the derivative of ``centered`` by the coefficients.
    last_time : array of shape (n_strata,)
        End of follow-up in each stratum.
    """

    stratum: IntArray
    time: FloatArray
    n_risk: FloatArray
    n_event: IntArray
    cumulative_hazard: FloatArray
    centered: FloatArray
    center: FloatArray
    offset: float
    variance: FloatArray
    mean_hazard: FloatArray
    last_time: FloatArray

    def at(self, stratum: int, times: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return ``centered``, ``variance`` and ``mean_hazard`` of one stratum at times; 0 before its first event."""
        first, last = np.searchsorted(self.stratum, [stratum, stratum + 1])
        position = np.searchsorted(self.time[first:last], times, "right")
        values = (self.centered, self.variance, self.mean_hazard)
        hazard, variance, mean_hazard = (
            np.concatenate([np.zeros((1, *v.shape[1:])), v[first:last]])[position] for v in values
        )
        return hazard, variance, mean_hazard


def baseline_hazard(
    problem: CoxProblem, state: RiskState, last_time: FloatArray, mean_offset: float = 0.0
) -> BaselineHazard:
    """Cumulate the hazard of each stratum at one value of the coefficients.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the coefficients.
    last_time : array of shape (n_strata,)
        End of follow-up in each stratum.
    mean_offset : float, default=0.0
        What was subtracted from the offsets.

    Returns
    -------
    BaselineHazard
        Sums of events by weighted risk: Breslow (1972), Efron (1977) with his approximation.
    """
    sets = problem.sets
    begin = np.searchsorted(sets.stratum, sets.stratum, "left")
    q = hazard_sums(problem, state, 2, 1)
    mean_hazard = q[0][:, None] * state.S1
    if len(q) > 1:
        mean_hazard -= q[1][:, None] * state.D1
    mean_hazard *= problem.scale
    centered = _within(hazard_sums(problem, state, 1, 0)[0], begin)
    with np.errstate(over="ignore", under="ignore"):
        at_zero = np.exp(-(problem.center / problem.scale) @ state.b - mean_offset)
        return BaselineHazard(
            stratum=sets.stratum,
            time=sets.time,
            n_risk=np.rint(RiskSets.sums_of(sets, np.ones(len(sets.rows)))),
            n_event=sets.n_death,
            cumulative_hazard=centered * at_zero,
            centered=centered,
            center=problem.center,
            offset=mean_offset,
            variance=_within(q[0], begin),
            mean_hazard=_within(mean_hazard, begin),
            last_time=last_time,
        )


def last_times(stop: FloatArray, stratum: IntArray | None) -> FloatArray:
    """Return the end of follow-up in each stratum."""
    if stratum is None:
        return np.array([stop.max()])
    last = np.full(int(stratum.max()) + 1, -np.inf)
    np.maximum.at(last, stratum, stop)
    return last


def _within(increments: FloatArray, begin: IntArray) -> FloatArray:
    """Cumulate from the first event time of each stratum."""
    total = np.zeros((len(increments) + 1, *increments.shape[1:]))
    np.cumsum(increments, axis=0, out=total[1:])
    return total[1:] if begin[-1] == 0 else total[1:] - total[begin]
