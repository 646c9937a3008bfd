"""Cox regression from arrays to one frozen result: estimate, variance, tests, baseline and concordance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.baseline import BaselineHazard, baseline_hazard, last_times
from cohort.estimators.concordance import Concordance, concordance
from cohort.estimators.cox_problem import CoxProblem, Ties, build_problem
from cohort.estimators.firth import ProfileLimits, maximize_penalized, profile_limits
from cohort.estimators.partial_likelihood import Maximum, maximize
from cohort.estimators.proportional_hazards import (
    TRANSFORMS,
    ProportionalHazardsTest,
    Transform,
    proportional_hazards_tests,
    transformed_times,
)
from cohort.estimators.robust_variance import grouped_variance, score_residuals, wald_statistic

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Penalty = Literal["firth"]


@dataclass(frozen=True, slots=True, eq=False)
class CoxFit:
    """A fitted Cox model.

    Attributes
    ----------
    coefficients : array of shape (p,)
        Log hazard ratios.
    covariance, model_covariance : array of shape (p, p)
        The reported covariance (sandwich when robust), and the inverse information.
    log_likelihood, log_likelihood_null : float
        At the estimate and at zero, penalized when there is a penalty.
    score_test, wald_test : float
        Chi-squared statistics with p degrees of freedom; the Wald test uses the reported covariance, and is NaN
        when that has no full rank (no more clusters than coefficients).
    n_event : int
        Rows with the event.
    n_cluster : int or None
        Groups of the sandwich variance.
    iterations : int
        Steps to convergence.
    concordance : Concordance
        Harrell's concordance of the linear predictor.
    baseline : BaselineHazard
        Cumulative baseline hazard.
    proportional_hazards : Mapping of str to ProportionalHazardsTest
        Tests by transformation of time; empty with a penalty.
    profile : ProfileLimits or None
        Profile penalized-likelihood limits and tests.
    """

    coefficients: FloatArray
    covariance: FloatArray
    model_covariance: FloatArray
    log_likelihood: float
    log_likelihood_null: float
    score_test: float
    wald_test: float
    n_event: int
    n_cluster: int | None
    iterations: int
    concordance: Concordance
    baseline: BaselineHazard
    proportional_hazards: Mapping[Transform, ProportionalHazardsTest]
    profile: ProfileLimits | None


def fit_cox(
    X: FloatArray,
    start: FloatArray | None,
    stop: FloatArray,
    event: NDArray[np.bool_],
    *,
    stratum: IntArray | None = None,
    weight: FloatArray | None = None,
    offset: FloatArray | None = None,
    cluster: IntArray | None = None,
    robust: bool = False,
    ties: Ties = "efron",
    penalty: Penalty | None = None,
    profile_level: float | None = None,
    terms: Sequence[Sequence[int]] | None = None,
    names: tuple[str, ...] = (),
) -> CoxFit:
    """Fit a Cox model.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates, without a constant.
    start, stop : array of shape (n,)
        Each row is at risk in (start, stop]; ``start`` None for everyone from the beginning.
    event : array of shape (n,)
        Whether the row ends in the event.
    stratum, weight, offset : array of shape (n,) or None
        Stratum codes from 0, case weights, and a part of the linear predictor with coefficient one.
    cluster : array of shape (n,) or None
        Codes from 0 of the groups of the sandwich variance.
    robust : bool, default=False
        Sandwich variance with every row as its own group when there is no ``cluster``.
    ties : {'efron', 'breslow'}, default='efron'
        Approximation for tied event times.
    penalty : {'firth'} or None, default=None
        Firth's penalty, half the log determinant of the information.
    profile_level : float or None, default=None
        Confidence level of profile penalized-likelihood limits; None leaves them out.
    terms : sequence of sequence of int or None
        Columns of each term, for the test of proportional hazards; None for one column each.
    names : tuple of str, default=()
        Names of the columns, for messages.

    Returns
    -------
    CoxFit
        Estimates, variance, tests, baseline hazard and concordance.

    Raises
    ------
    EstimationError
        When the data are not valid or the likelihood has no maximum; the column is named.
    """
    if penalty not in (None, "firth"):
        raise EstimationError(
            "the penalty is unknown", evidence=f"penalty={penalty!r}", remedy='write "firth" or None'
        )
    problem = build_problem(
        X, start, stop, event, stratum=stratum, weight=weight, offset=offset, ties=ties, names=names
    )
    maximum = maximize(problem) if penalty is None else maximize_penalized(problem)
    V = np.asarray(np.linalg.inv(maximum.information), dtype=float)
    sandwich, n_cluster = V, None
    if robust or cluster is not None:
        rows = problem.sets.rows
        residuals = score_residuals(problem, maximum.state)
        sandwich, n_cluster = grouped_variance(residuals, V, None if cluster is None else cluster[rows])
        n_cluster = len(np.unique(cluster)) if cluster is not None else n_cluster
    b, scale = maximum.state.b, np.outer(problem.scale, problem.scale)
    coefficients = b / problem.scale
    risk = X @ coefficients if offset is None else X @ coefficients + offset
    profile = None
    if penalty is not None and profile_level is not None:
        profile = profile_limits(problem, maximum, profile_level)
    return CoxFit(
        coefficients=coefficients,
        covariance=sandwich / scale,
        model_covariance=V / scale,
        log_likelihood=maximum.log_likelihood,
        log_likelihood_null=maximum.log_likelihood_null,
        score_test=maximum.score_test,
        wald_test=wald_statistic(b, sandwich, n_cluster),
        n_event=len(problem.sets.death),
        n_cluster=n_cluster,
        iterations=maximum.iterations,
        concordance=concordance(risk, start, stop, event, stratum=stratum, weight=weight, group=cluster),
        baseline=baseline_hazard(
            problem,
            maximum.state,
            last_times(stop, stratum),
            0.0 if offset is None else float(offset[problem.sets.rows].mean()),
        ),
        proportional_hazards={}
        if penalty
        else _proportional_hazards(problem, maximum, terms, start, stop, event),
        profile=profile,
    )


def _proportional_hazards(
    problem: CoxProblem,
    maximum: Maximum,
    terms: Sequence[Sequence[int]] | None,
    start: FloatArray | None,
    stop: FloatArray,
    event: NDArray[np.bool_],
) -> dict[Transform, ProportionalHazardsTest]:
    """Test every named transformation now, because a result does not keep the patients."""
    groups = [list(columns) for columns in terms] if terms else [[j] for j in range(problem.Z.shape[1])]
    transformed = {
        transform: transformed_times(transform, problem, start, stop, event)
        for transform in TRANSFORMS
        if transform != "log" or problem.sets.time[0] > 0
    }
    return proportional_hazards_tests(problem, maximum.state, maximum.information, transformed, groups)
