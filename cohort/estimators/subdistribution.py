"""Fine and Gray's model of the subdistribution hazard, and its variance for estimated weights.

A patient with a competing event stays at risk of the event of interest, with the weight of being still (and, with
late entry, already) under observation (Fine and Gray 1999, section 4; Geskus 2011). Two conventions are in use:

- ``ties="breslow"``, as R's ``crr``: a patient with an event at u is at risk of censoring at u, case weights count
  patients in the estimated distributions too, and the variance accounts for the estimated weights.
- ``ties="efron"``, as R's ``finegray`` followed by ``coxph``: events come before censoring at the same time, the
  estimated distributions count every row once, and the sandwich variance takes the weights as known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.baseline import BaselineHazard, baseline_hazard, last_times
from cohort.estimators.cox_problem import BLOCK, CoxProblem, Ties, assemble, check_arrays
from cohort.estimators.observation_weights import ProductLimit
from cohort.estimators.partial_likelihood import RiskState, hazard_sums, maximize
from cohort.estimators.risk_sets import build_risk_sets
from cohort.estimators.robust_variance import grouped_variance, score_residuals, wald_statistic
from cohort.estimators.subdistribution_sets import (
    Observation,
    Stayers,
    SubdistributionRiskSets,
    observation_by_group,
    with_stayers,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
_MONOTONE_REMEDY = "merge the sparse categories, or describe the groups with cumulative_incidence"
# Rows are put in order of time first when looking their times up would leave the processor's cache.
_SORT_ABOVE = 20_000
_Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True, eq=False)
class FineGrayFit:
    """A fitted Fine-Gray model.

    Attributes
    ----------
    coefficients : array of shape (p,)
        Log subdistribution hazard ratios.
    covariance : array of shape (p, p)
        Sandwich covariance.
    log_likelihood, log_likelihood_null : float
        Log pseudo-likelihood at the estimate and at zero.
    wald_test : float
        Chi-squared statistic with p degrees of freedom; NaN without full rank.
    n_event, n_competing : int
        Events of interest, and competing events.
    n_curtailed : int
        Competing events whose weight falls to zero before the last event time, because the follow-up of their
        censoring group ends.
    n_cluster : int or None
        Groups of the sandwich variance, None when every row is its own.
    iterations : int
        Newton steps.
    baseline : BaselineHazard
        Cumulative baseline subdistribution hazard.
    """

    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float
    log_likelihood_null: float
    wald_test: float
    n_event: int
    n_competing: int
    n_curtailed: int
    n_cluster: int | None
    iterations: int
    baseline: BaselineHazard


def fit_fine_gray(
    X: FloatArray,
    stop: FloatArray,
    interest: BoolArray,
    competing: BoolArray,
    *,
    start: FloatArray | None = None,
    stratum: IntArray | None = None,
    weight: FloatArray | None = None,
    offset: FloatArray | None = None,
    cluster: IntArray | None = None,
    censoring_group: IntArray | None = None,
    ties: Ties = "breslow",
    names: tuple[str, ...] = (),
) -> FineGrayFit:
    """Fit a Fine-Gray model.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates, without a constant; one row per patient.
    stop : array of shape (n,)
        Times of event or censoring.
    interest, competing : array of shape (n,)
        Whether the row ends in the event of interest, or in a competing event; otherwise it is censored.
    start : array of shape (n,) or None
        Late entry: each row is under observation in (start, stop].
    stratum : array of shape (n,) or None
        Codes from 0 of strata with their own baseline.
    weight, offset : array of shape (n,) or None
        Case weights, and a part of the linear predictor with coefficient one.
    cluster : array of shape (n,) or None
        Codes from 0 of the groups of the sandwich variance.
    censoring_group : array of shape (n,) or None
        Codes from 0 of groups with their own distributions of censoring and entry.
    ties : {'breslow', 'efron'}, default='breslow'
        Approximation for tied event times, and the conventions that go with it.
    names : tuple of str, default=()
        Names of the columns, for messages.

    Returns
    -------
    FineGrayFit
        Estimates, with the variance of Fine and Gray (1999), section 5, or with Efron's approximation that of
        Lin and Wei (1989).

    Raises
    ------
    EstimationError
        When the data are not valid or the likelihood has no maximum; the column is named.
    """
    names = names or tuple(f"x{j}" for j in range(X.shape[1]))
    check_arrays(X, start, stop, weight, offset, ties, names)
    if len(stop) > _SORT_ABOVE:
        order = np.argsort(stop)
        X = np.ascontiguousarray(X)[order]
        stop, interest, competing = stop[order], interest[order], competing[order]
        start, weight, offset = (None if v is None else v[order] for v in (start, weight, offset))
        stratum, cluster, censoring_group = (
            None if v is None else v[order] for v in (stratum, cluster, censoring_group)
        )
    w = np.ones(len(stop)) if weight is None else weight
    observations = observation_by_group(
        start,
        stop,
        ~(interest | competing),
        np.where(w > 0, 1.0, 0.0) if ties == "efron" else w,
        censoring_group,
        ties == "efron",
    )
    base = build_risk_sets(
        start, stop, interest, stratum, None if weight is None else weight > 0, keep=competing
    )
    sets = with_stayers(base, stop, competing, stratum, observations)
    problem = assemble(sets, X, weight, offset, ties, names)
    del X  # the copy in order of time
    maximum = maximize(problem, _MONOTONE_REMEDY)
    own = influence(problem, maximum.state, observations, w if ties == "breslow" else None)
    V = np.asarray(np.linalg.inv(maximum.information), dtype=float)
    sandwich, n_cluster = grouped_variance(own, V, cluster)
    b = maximum.state.b
    return FineGrayFit(
        coefficients=b / problem.scale,
        covariance=sandwich / np.outer(problem.scale, problem.scale),
        log_likelihood=maximum.log_likelihood,
        log_likelihood_null=maximum.log_likelihood_null,
        wald_test=wald_statistic(b, sandwich, n_cluster),
        n_event=len(sets.death),
        n_competing=int((competing & (w > 0)).sum()),
        n_curtailed=sum(int((some.observed[sets.end[some.since] - 1] == 0).sum()) for some in sets.stayers),
        n_cluster=None if cluster is None else n_cluster,
        iterations=maximum.iterations,
        baseline=baseline_hazard(
            problem,
            maximum.state,
            last_times(stop, stratum),
            0.0 if offset is None else float(offset[sets.rows].mean()),
        ),
    )


def influence(
    problem: CoxProblem,
    state: RiskState,
    observations: Sequence[Observation],
    weight: FloatArray | None,
) -> FloatArray:
    """Compute each row's share of the score, eta + psi of Fine and Gray (1999), section 5; shape (n, p).

    psi is the part of a row in the estimated weights: it counts through the rows with a competing event
    before u whose weight at t >= u contains the censoring (or entry) at u.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data with `SubdistributionRiskSets`, and sums at the coefficients (scaled columns).
    observations : sequence of Observation
        Distributions of censoring and entry by group.
    weight : array of shape (n,) or None
        Case weights; None takes the estimated weights as known and leaves psi out.

    Returns
    -------
    array of shape (n, p)
        One row for each of the caller's rows.
    """
    sets = problem.sets
    assert isinstance(sets, SubdistributionRiskSets)
    own = np.zeros((sets.n_rows, problem.Z.shape[1]))
    own[sets.rows] = score_residuals(problem, state)
    if weight is None:
        return own
    zbar = state.S1 / state.S0[:, None]
    for some, estimated, rows in estimated_weights(sets, observations):
        add_psi(own, passing(problem, state, some, estimated, problem.Z, zbar), rows, estimated, weight)
    return own


def estimated_weights(
    sets: SubdistributionRiskSets, observations: Sequence[Observation]
) -> list[tuple[Stayers, ProductLimit, IntArray]]:
    """Pair the rows that stay with each estimated distribution in their weights, and the rows it rests on.

    Parameters
    ----------
    sets : SubdistributionRiskSets
        Risk sets.
    observations : sequence of Observation
        Distributions of censoring and entry by group.

    Returns
    -------
    list of (Stayers, ProductLimit, array)
        Those with anything to estimate.
    """
    pairs = [
        (some, estimated, one.rows)
        for some, one in zip(sets.stayers, observations, strict=True)
        for estimated in (one.censoring, one.entry)
        if estimated is not None
    ]
    return [
        (some, estimated, rows) for some, estimated, rows in pairs if len(some.rows) and len(estimated.time)
    ]


def add_psi(
    own: FloatArray, per_risk: FloatArray, rows: IntArray, estimated: ProductLimit, weight: FloatArray
) -> None:
    """Add psi of one group's rows, block by block so that nothing of the size of the data is made.

    psi is the integral over u of q(u)/Y(u) dM_i(u), M_i the martingale of censoring, or in reversed time of entry,
    where the weights grow instead of fall.

    Parameters
    ----------
    own : array of shape (n, p)
        Influence of the caller's rows; added to in place.
    per_risk : array of shape (k, p)
        Values of q(u); scaled in place.
    rows : array of shape (m,)
        Rows that the distribution rests on.
    estimated : ProductLimit
        The distribution.
    weight : array of shape (n,)
        Case weights.
    """
    per_risk *= ((-1.0 if estimated.reversed else 1.0) / estimated.n_risk)[:, None]
    compensator = _from_zero(per_risk * (estimated.n_event / estimated.n_risk)[:, None])
    first, last = estimated.covered.T
    late = bool(first.any())
    for begin in range(0, len(rows), BLOCK):
        block = slice(begin, begin + BLOCK)
        psi = -compensator[last[block]]
        if late:
            psi += compensator[first[block]]
        mine = np.flatnonzero(estimated.own[block] >= 0)
        psi[mine] += per_risk[estimated.own[block][mine]]
        psi *= weight[rows[block], None]
        own[rows[block]] += psi


def passing(
    problem: CoxProblem,
    state: RiskState,
    some: Stayers,
    estimated: ProductLimit,
    Z: FloatArray | None,
    load: FloatArray,
) -> FloatArray:
    """Return q(u), the share of a sum over risk sets that rests on weights which contain the moment u.

    q(u) = sum over X_i < u (for entry <= u) of r_i/GH(X_i-) times the sum over t >= u (entry > u) in their stratum
    of GH(t-) a(t) (z_i - load(t)), with a the hazard increments. For the score load is zbar.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data with `SubdistributionRiskSets`, and sums at the coefficients (scaled columns).
    some : Stayers
        Rows with a competing event.
    estimated : ProductLimit
        A distribution in their weights.
    Z : array of shape (n, p) or None
        What each row contributes; None for zero.
    load : array of shape (G, p)
        What is subtracted at each event time.

    Returns
    -------
    array of shape (k, p)
        One row for each moment of the distribution.
    """
    sets = problem.sets
    assert isinstance(sets, SubdistributionRiskSets)
    GHa = some.observed * hazard_sums(problem, state, 1, 0)[0]
    out = np.zeros((len(estimated.time), load.shape[1]))
    side: _Side = "right" if estimated.reversed else "left"
    firsts = np.unique(sets.begin)
    for first in firsts.tolist():
        last = int(sets.end[first])
        rows = np.flatnonzero((some.since >= first) & (some.since < last)) if len(firsts) > 1 else slice(None)
        ends = some.end[rows]
        order = np.argsort(ends, kind="stable")
        who, ends = some.rows[rows][order], ends[order]
        w = state.r[who] * some.weight[rows][order]
        stayed = np.searchsorted(ends, estimated.time, side)
        later = np.searchsorted(sets.time[first:last], estimated.time, side)
        a = GHa[first:last, None]
        if Z is not None:
            out += _from_zero(w[:, None] * Z[who])[stayed] * _to_end(a)[later]
        out -= _from_zero(w[:, None])[stayed] * _to_end(a * load[first:last])[later]
    return out


def _from_zero(values: FloatArray) -> FloatArray:
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])


def _to_end(values: FloatArray) -> FloatArray:
    return np.concatenate([np.cumsum(values[::-1], axis=0)[::-1], np.zeros((1, values.shape[1]))])
