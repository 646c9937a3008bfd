"""Logistic regression within sets: conditional likelihood, and exact conditional inference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.conditional_logistic import fit_conditional
from cohort.estimators.exact_logistic import exact_distribution, exact_inference
from cohort.models.odds_ratio_checks import Plan, Rows, check_sets, not_converged
from cohort.models.odds_ratio_inference import Estimated, estimated, likelihood_ratio, limits_t, wald_test
from cohort.models.odds_ratio_result import METHODS

FloatArray = NDArray[np.float64]
ONE_VALUE = "given the other covariates its statistic can take one value only"


def fit_within_sets(plan: Plan, rows: Rows, outcome: str, conf_level: float) -> Estimated:
    """Compare cases and controls within their sets."""
    assert rows.sets is not None
    check_sets(rows, outcome)
    fit = fit_conditional(rows.X, rows.y, rows.sets)
    if not fit.converged:
        raise not_converged(fit.iterations, rows)
    df, n_set = np.full(len(fit.estimate), np.inf), len(fit.sets)
    covariance, words = fit.covariance, ""
    statistic, p_value = likelihood_ratio(fit.log_likelihood, fit.log_likelihood_null, len(df))
    test = "likelihood ratio"
    if rows.cluster is not None:
        first = np.unique(rows.sets, return_index=True)[1]
        owner = rows.cluster[first][fit.sets]
        scores = np.column_stack([np.bincount(owner, column) for column in fit.residuals.T])
        covariance = covariance @ (scores.T @ scores) @ covariance
        n_cluster = len(np.unique(owner))
        words = f", robust to {n_cluster} clusters"
        padded = np.pad(fit.estimate, (1, 0)), np.pad(covariance, ((1, 0), (1, 0)))
        (statistic, p_value), test = wald_test(*padded, n_cluster), "robust Wald, chi-squared"
    four = limits_t(fit.estimate, np.sqrt(np.diag(covariance)), df, conf_level)
    return replace(
        estimated(fit.estimate, four, df, covariance),
        how=f"{METHODS['conditional']} of {n_set} sets, wald limits{words}",
        test=test,
        statistic_global=statistic,
        p_value_global=p_value,
        log_likelihood=fit.log_likelihood,
        log_likelihood_null=fit.log_likelihood_null,
        aic=2 * len(df) - 2 * fit.log_likelihood,
        iterations=fit.iterations,
    )


def fit_exactly(plan: Plan, rows: Rows, outcome: str, conf_level: float) -> Estimated:
    """Estimate each coefficient from the exact distribution of its statistic, given the others."""
    sets = np.zeros(len(rows.y), dtype=np.intp) if rows.sets is None else rows.sets
    p = rows.X.shape[1]
    found = [
        exact_inference(exact_distribution(rows.X, rows.y, sets, j), conf_level, plan.limits == "mid_p")
        for j in range(p)
    ]
    estimate = np.array([one.estimate for one in found])
    known = np.isfinite(estimate)
    covariance = np.full((p, p), np.nan)
    np.fill_diagonal(covariance, np.array([one.std_error for one in found]) ** 2)
    median = [name for name, one in zip(rows.names, found, strict=True) if one.median_unbiased]
    four = tuple(
        np.where(known, [getattr(one, name) for one in found], np.nan)
        for name in ("conf_low", "conf_high", "p_value")
    )
    within = "" if rows.sets is None else f" within {int(sets.max()) + 1} strata"
    limits = "exact" if plan.limits == "exact" else "mid-p"
    return Estimated(
        estimate=estimate,
        conf_low=four[0],
        conf_high=four[1],
        statistic=np.full(p, np.nan),
        p_value=four[2],
        df=np.full(p, np.inf),
        covariance=covariance,
        reasons=tuple("" if one else ONE_VALUE for one in known),
        how=f"{METHODS['exact']}{within}, {limits} limits",
        test="none",
        statistic_global=np.nan,
        p_value_global=np.nan,
        notes=(f"median unbiased, as the statistic is at its extreme: {', '.join(median)}",)
        if median
        else (),
    )
