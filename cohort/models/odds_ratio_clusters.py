"""Logistic regression of clustered patients: estimating equations, a random intercept, robust variances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from cohort.errors import EstimationError
from cohort.estimators.clustered_logistic import bias_reduced_covariance, resting_on_one_cluster
from cohort.estimators.firth_prediction import Predictor
from cohort.estimators.logistic import LogisticFit, fit_logistic, robust_covariance
from cohort.estimators.logistic_gee import fit_gee
from cohort.estimators.random_intercept import fit_random_intercept
from cohort.format import fixed
from cohort.models.odds_ratio_checks import Plan, Rows, check_fit, not_converged
from cohort.models.odds_ratio_inference import (
    Estimated,
    concordance,
    estimated,
    likelihood_ratio,
    limits_t,
    wald_test,
)
from cohort.models.odds_ratio_result import METHODS

FloatArray = NDArray[np.float64]
LONE_CLUSTER = "rests on one cluster alone, so its robust variance means nothing"
_VARIANCES = {
    "robust": "robust to",
    "bias_reduced": "bias-reduced (CR2) robust to",
    "mancl_derouen": "Mancl-DeRouen variance of",
    "kauermann_carroll": "Kauermann-Carroll variance of",
}


def fit_robust(plan: Plan, rows: Rows, fit: LogisticFit, conf_level: float) -> Estimated:
    """Give a maximum likelihood fit its cluster-robust variance."""
    assert rows.cluster is not None
    df = np.full(len(fit.estimate), np.inf)
    if plan.variance == "bias_reduced":
        covariance, df, _ = bias_reduced_covariance(rows.X, rows.y, fit.estimate, rows.cluster)
    else:
        covariance = robust_covariance(rows.X, rows.y, fit, rows.cluster)[0]
    lone = resting_on_one_cluster(rows.X, fit.estimate, rows.cluster)
    return _sandwiched(fit.estimate, covariance, df, lone, conf_level, plan, rows)


def fit_by_gee(plan: Plan, rows: Rows, outcome: str, conf_level: float) -> Estimated:
    """Solve estimating equations; corrected variances take t with clusters less coefficients."""
    assert rows.cluster is not None
    n_cluster, p = int(rows.cluster.max()) + 1, rows.X.shape[1]
    if n_cluster <= p:
        raise EstimationError(
            "there are no more clusters than coefficients",
            evidence=f"{n_cluster} clusters, {p} coefficients with the intercept",
            remedy='leave covariates out, or method="random_intercept"',
        )
    start = fit_logistic(rows.X, rows.y)
    check_fit(start, rows, outcome)
    lone = resting_on_one_cluster(rows.X, start.estimate, rows.cluster)
    if lone.any():
        raise EstimationError(
            f"{', '.join(n for n, one in zip(rows.names, lone, strict=True) if one)} {LONE_CLUSTER}",
            evidence=f"{n_cluster} clusters",
            remedy='leave the covariate that only one cluster has out, or method="random_intercept"',
        )
    assert plan.correlation
    assert plan.variance in ("robust", "mancl_derouen", "kauermann_carroll")
    fit = fit_gee(rows.X, rows.y, rows.cluster, plan.correlation, plan.variance, start.estimate)
    if not fit.converged:
        raise not_converged(fit.iterations, rows)
    residual = np.inf if plan.variance == "robust" else float(n_cluster - p)
    found = _sandwiched(
        fit.estimate, fit.covariance, np.full(p, residual), lone, conf_level, plan, rows, residual
    )
    rho = f", correlation {fixed(fit.correlation, 2)}" if plan.correlation == "exchangeable" else ""
    kind = "wald" if np.isinf(residual) else f"t({residual:g})"
    return replace(
        found,
        how=f"{METHODS['gee']} ({plan.correlation}{rho}), {kind} limits{found.how}",
        correlation=fit.correlation,
        predictors={"none": Predictor(fit.estimate, fit.covariance)},
        concordance=concordance(rows.X @ fit.estimate, rows.y),
        iterations=fit.iterations,
    )


def fit_with_random_intercept(plan: Plan, rows: Rows, outcome: str, conf_level: float) -> Estimated:
    """Integrate a normal intercept of each cluster out of the likelihood."""
    assert rows.cluster is not None
    X, y = rows.X, rows.y
    start = fit_logistic(X, y)
    check_fit(start, rows, outcome)
    fit = fit_random_intercept(X, y, rows.cluster, start.estimate, start.covariance)
    if not fit.converged:
        raise not_converged(fit.iterations, rows)
    alone = fit_logistic(X[:, :1], y)
    null = fit_random_intercept(X[:, :1], y, rows.cluster, alone.estimate, alone.covariance)
    df = np.full(X.shape[1], np.inf)
    four = limits_t(fit.estimate, np.sqrt(np.diag(fit.covariance)), df, conf_level)
    statistic, p_value = likelihood_ratio(fit.log_likelihood, null.log_likelihood, X.shape[1] - 1)
    n_cluster = int(rows.cluster.max()) + 1
    # median odds ratio of two patients alike from two clusters (Larsen and Merlo 2005)
    median = float(np.exp(np.sqrt(2) * fit.sd * norm.ppf(0.75)))
    said = (
        f"odds ratios compare patients of one cluster; standard deviation of the intercepts {fixed(fit.sd, 2)}, "
        f"median odds ratio between clusters {fixed(median, 2)}"
        if fit.sd
        else "clusters vary no more than by chance: the estimates are those of maximum likelihood"
    )
    return replace(
        estimated(fit.estimate, four, df, fit.covariance),
        how=f"{METHODS['random_intercept']} of {n_cluster} clusters, wald limits",
        test="likelihood ratio",
        statistic_global=statistic,
        p_value_global=p_value,
        log_likelihood=fit.log_likelihood,
        log_likelihood_null=null.log_likelihood,
        aic=2 * (X.shape[1] + 1) - 2 * fit.log_likelihood,
        concordance=concordance(X @ fit.estimate, y),
        intercept_sd=fit.sd,
        iterations=fit.iterations,
        notes=(said,),
    )


def _sandwiched(
    estimate: FloatArray,
    covariance: FloatArray,
    df: FloatArray,
    lone: NDArray[np.bool_],
    conf_level: float,
    plan: Plan,
    rows: Rows,
    residual_df: float = np.inf,
) -> Estimated:
    """Give a robust covariance its limits, and the global Wald test."""
    assert rows.cluster is not None
    n_cluster = int(rows.cluster.max()) + 1
    covariance = np.where(lone[:, None] | lone[None, :], np.nan, covariance)
    four = limits_t(estimate, np.sqrt(np.diag(covariance)), df, conf_level)
    statistic, p_value = wald_test(estimate, covariance, n_cluster, residual_df)
    kind = f"F with {residual_df:g} residual df" if np.isfinite(residual_df) else "chi-squared"
    words = f"{_VARIANCES[plan.variance]} {n_cluster} clusters"
    return replace(
        estimated(estimate, four, df, covariance),
        reasons=tuple(LONE_CLUSTER if one else "" for one in lone),
        how=f", {words}",
        test=f"robust Wald, {kind}",
        statistic_global=statistic,
        p_value_global=p_value,
    )
