"""What each patient contributes to the coefficients and the baseline hazard of a Cox or Fine-Gray model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.cox_problem import CoxProblem, Ties, assemble, build_problem
from cohort.estimators.partial_likelihood import RiskState, hazard_sums, maximize
from cohort.estimators.risk_sets import build_risk_sets
from cohort.estimators.robust_variance import score_residuals
from cohort.estimators.subdistribution import add_psi, estimated_weights, influence, passing
from cohort.estimators.subdistribution_sets import (
    Observation,
    SubdistributionRiskSets,
    observation_by_group,
    with_stayers,
)

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class FittedHazard:
    """A fitted proportional hazard, with the patients it rests on.

    Attributes
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the estimate.
    coefficients : array of shape (p,)
        Log hazard ratios.
    center : array of shape (p,)
        Covariates at which the baseline hazard is.
    time, increments : array of shape (G,)
        Event times, and the increments of that baseline hazard.
    mean_increments : array of shape (G, p)
        Increments times the mean covariates, minus ``center``, of the risk set.
    dfbeta : array of shape (n, p)
        Influence of each row on the coefficients; empty when it was not asked for.
    observations : tuple of Observation
        Distributions of censoring in the weights of a subdistribution hazard; empty for a hazard.
    weight : array of shape (n,)
        Case weights.
    """

    problem: CoxProblem
    state: RiskState
    coefficients: FloatArray
    center: FloatArray
    time: FloatArray
    increments: FloatArray
    mean_increments: FloatArray
    dfbeta: FloatArray
    observations: tuple[Observation, ...]
    weight: FloatArray


def fit_hazard(
    X: FloatArray,
    stop: FloatArray,
    event: BoolArray,
    *,
    competing: BoolArray | None = None,
    weight: FloatArray | None = None,
    ties: Ties = "efron",
    names: tuple[str, ...] = (),
    with_influence: bool = True,
) -> FittedHazard:
    """Fit the hazard of an event, or with ``competing`` its subdistribution hazard.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates, without a constant.
    stop : array of shape (n,)
        Time of event or censoring, followed from time 0.
    event : array of shape (n,)
        Whether the row ends in the event.
    competing : array of shape (n,) or None
        Whether it ends in a competing event, for Fine and Gray's model.
    weight : array of shape (n,) or None
        Case weights.
    ties : {'efron', 'breslow'}, default='efron'
        Approximation for ties; Fine and Gray's model always has Breslow's.
    names : tuple of str, default=()
        Names of the columns, for messages.
    with_influence : bool, default=True
        Whether the influence on the coefficients is computed.

    Returns
    -------
    FittedHazard
        The fit.
    """
    w = np.ones(len(stop)) if weight is None else weight
    observations: tuple[Observation, ...] = ()
    if competing is None:
        problem = build_problem(X, None, stop, event, weight=weight, ties=ties, names=names)
    else:
        observations = observation_by_group(None, stop, ~(event | competing), w, None, False)
        base = build_risk_sets(
            None, stop, event, None, None if weight is None else weight > 0, keep=competing
        )
        sets = with_stayers(base, stop, competing, None, observations)
        problem = assemble(sets, X, weight, None, "breslow", names or tuple(map(str, range(X.shape[1]))))
    maximum = maximize(problem)
    state = maximum.state
    q = hazard_sums(problem, state, 2, 1)
    mean = q[0][:, None] * state.S1
    if len(q) > 1:
        mean -= q[1][:, None] * state.D1
    own = np.zeros((0, X.shape[1]))
    if with_influence:
        V = np.asarray(np.linalg.inv(maximum.information), dtype=float)
        own = _scores(problem, state, observations, w) @ V / problem.scale
    return FittedHazard(
        problem=problem,
        state=state,
        coefficients=state.b / problem.scale,
        center=problem.center,
        time=problem.sets.time,
        increments=hazard_sums(problem, state, 1, 0)[0],
        mean_increments=mean * problem.scale,
        dfbeta=own,
        observations=observations,
        weight=w,
    )


def _scores(
    problem: CoxProblem, state: RiskState, observations: tuple[Observation, ...], w: FloatArray
) -> FloatArray:
    """Return each of the caller's rows' share of the score."""
    if observations:
        return influence(problem, state, observations, w)
    own = np.zeros((problem.sets.n_rows, problem.Z.shape[1]))
    own[problem.sets.rows] = score_residuals(problem, state)
    return own


def hazard_integrals(fitted: FittedHazard, g: FloatArray) -> FloatArray:
    """Return the influence of each row on integrals of given functions over the baseline hazard.

    Parameters
    ----------
    fitted : FittedHazard
        The fit, with its influence.
    g : array of shape (G, m)
        Values of m functions at the event times, taken as known.

    Returns
    -------
    array of shape (n, m)
        Derivatives of the integrals by the case weights, the change of the coefficients included.

    Notes
    -----
    A row adds its own event, takes r times the integral of g/S0 over the hazard while it is at risk (tied events by
    Efron's approximation as in `score_residuals`), and moves the coefficients, on which the hazard depends; of a
    subdistribution hazard also the estimated weights (Fine and Gray 1999, section 5).
    """
    problem, state = fitted.problem, fitted.state
    sets, r = problem.sets, state.r
    q = hazard_sums(problem, state, 2, 1)
    local = sets.spread(g * q[0][:, None])
    if len(q) > 1:
        local[sets.death] -= (g * q[1][:, None])[sets.death_group]
    local *= -r[:, None]
    per_event = g * (fitted.increments / problem.dead_weight)[:, None]
    local[sets.death] += problem.weight[sets.death, None] * per_event[sets.death_group]
    out = np.zeros((sets.n_rows, g.shape[1]))
    out[sets.rows] = local
    if isinstance(sets, SubdistributionRiskSets):
        load = -g / state.S0[:, None]
        for some, estimated, rows in estimated_weights(sets, fitted.observations):
            per_risk = passing(problem, state, some, estimated, None, load)
            add_psi(out, per_risk, rows, estimated, fitted.weight)
    return out - fitted.dfbeta @ (fitted.mean_increments.T @ g)
