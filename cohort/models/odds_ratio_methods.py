"""Fit a logistic regression by one of its methods, with the inference that goes with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.firth_prediction import Predictor
from cohort.estimators.logistic import LogisticFit, fit_logistic
from cohort.estimators.logistic_profile import profile_limits
from cohort.models.odds_ratio_checks import Plan, Rows, check_fit
from cohort.models.odds_ratio_clusters import fit_by_gee, fit_robust, fit_with_random_intercept
from cohort.models.odds_ratio_inference import Estimated, concordance, estimated, likelihood_ratio, limits_t
from cohort.models.odds_ratio_predictions import firth_predictors
from cohort.models.odds_ratio_result import METHODS
from cohort.models.odds_ratio_sets import fit_exactly, fit_within_sets
from cohort.models.odds_ratio_weights import fit_weighted

FloatArray = NDArray[np.float64]
EVENTS_PER_PARAMETER = 10
FEW_CLUSTERS = 40


def estimate_by(plan: Plan, rows: Rows, outcome: str, conf_level: float) -> Estimated:
    """Fit by the method of a plan.

    Parameters
    ----------
    plan : Plan
        Method and options.
    rows : Rows
        What is fitted.
    outcome : str
        Name of the outcome, for messages.
    conf_level : float
        Confidence level.

    Returns
    -------
    Estimated
        Estimates and inference.
    """
    fits: dict[str, Callable[[Plan, Rows, str, float], Estimated]] = {
        "ml": _likelihood,
        "firth": _likelihood,
        "exact": fit_exactly,
        "conditional": fit_within_sets,
        "gee": fit_by_gee,
        "random_intercept": fit_with_random_intercept,
    }
    fit = fits[plan.method] if rows.weight is None else fit_weighted
    found = fit(plan, rows, outcome, conf_level)
    notes = (*found.notes, *_sparse_note(plan, rows), *_few_clusters_note(plan, rows))
    return replace(found, notes=notes)


def _likelihood(plan: Plan, rows: Rows, outcome: str, conf_level: float) -> Estimated:
    """Maximize the likelihood, or Firth's; with clusters the variance is a sandwich."""
    X, y = rows.X, rows.y
    fit = fit_logistic(X, y, "firth" if plan.method == "firth" else "none")
    check_fit(fit, rows, outcome)
    null = _null(X, y, fit)
    p = X.shape[1]
    if rows.cluster is not None:
        found = fit_robust(plan, rows, fit, conf_level)
    elif plan.limits == "wald":
        df = np.full(p, np.inf)
        four = limits_t(fit.estimate, fit.std_error, df, conf_level)
        found = estimated(fit.estimate, four, df, fit.covariance)
    else:
        profile = profile_limits(X, y, fit, conf_level)
        four = (profile.conf_low, profile.conf_high, profile.statistic, profile.p_value)
        found = estimated(fit.estimate, four, np.full(p, np.inf), fit.covariance)
    if rows.cluster is None:
        statistic, p_value = likelihood_ratio(fit.log_likelihood, null.log_likelihood, p - 1)
        words = "penalized likelihood ratio" if plan.method == "firth" else "likelihood ratio"
        found = replace(found, test=words, statistic_global=statistic, p_value_global=p_value)
    predictors = {"none": Predictor(fit.estimate, found.covariance)}
    return replace(
        found,
        predictors=firth_predictors(X, y, fit) if plan.method == "firth" else predictors,
        how=f"{METHODS[plan.method]}, {plan.limits if not np.isfinite(found.df).any() else 't'} limits{found.how}",
        log_likelihood=fit.log_likelihood,
        log_likelihood_null=null.log_likelihood,
        aic=np.nan if plan.method == "firth" else 2 * p - 2 * fit.log_likelihood,
        concordance=concordance(X @ fit.estimate, y),
        iterations=fit.iterations,
    )


def _null(X: FloatArray, y: FloatArray, fit: LogisticFit) -> LogisticFit:
    """Fit the intercept with all other coefficients held at 0 (same penalty)."""
    free = np.zeros(X.shape[1], dtype=bool)
    free[0] = True
    return fit_logistic(X, y, fit.penalty, None, free)


def _sparse_note(plan: Plan, rows: Rows) -> tuple[str, ...]:
    """Say that events are few for the asymptotics of a method."""
    parameters = sum(term != "Intercept" for term in rows.terms)
    fewer = min(rows.y.sum(), len(rows.y) - rows.y.sum())
    if plan.method == "exact" or not parameters or fewer / parameters >= EVENTS_PER_PARAMETER:
        return ()
    advice = {
        "ml": "" if rows.weight is not None else '; consider method="firth"',
        "conditional": '; consider method="exact" with the same strata',
    }.get(plan.method, "")
    return (
        f"sparse data: {fewer / parameters:.1f} events per parameter (under {EVENTS_PER_PARAMETER}){advice}",
    )


def _few_clusters_note(plan: Plan, rows: Rows) -> tuple[str, ...]:
    if plan.variance != "robust" or rows.cluster is None:
        return ()
    n_cluster = len(np.unique(rows.cluster))
    better = {"ml": "bias_reduced", "gee": "mancl_derouen"}.get(plan.method) if rows.weight is None else None
    if n_cluster >= FEW_CLUSTERS:
        return ()
    advice = f'; consider variance="{better}"' if better else ""
    return (f"few clusters: {n_cluster} (under {FEW_CLUSTERS}), so robust limits are too narrow{advice}",)
