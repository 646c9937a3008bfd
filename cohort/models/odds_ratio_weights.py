"""Logistic regression of weighted patients: odds ratios of the population that the weights make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.clustered_logistic import resting_on_one_cluster
from cohort.estimators.firth_prediction import Predictor
from cohort.estimators.weighted_logistic import fit_weighted_logistic
from cohort.models.given_weights import GivenWeights, weights_of_rows
from cohort.models.odds_ratio_checks import Plan, Rows, check_fit
from cohort.models.odds_ratio_inference import Estimated, estimated, limits_t, wald_test


def data_with_weights(weights: GivenWeights, data: pd.DataFrame, plan: Plan) -> tuple[str, pd.DataFrame]:
    """Return the column of weights and a frame that has it; a weight of 0 is none.

    Parameters
    ----------
    weights : str, Series or InverseProbabilityWeights
        The weights.
    data : DataFrame
        One row per patient.
    plan : Plan
        Method and options, which must go with weights.

    Returns
    -------
    name : str
        The column.
    data : DataFrame
        A copy with the column.

    Raises
    ------
    EstimationError
        For a method or limits that have no weights.
    """
    if plan.method != "ml" or plan.limits != "wald" or plan.variance == "bias_reduced":
        raise EstimationError(
            "weights go with maximum likelihood, Wald limits and a robust variance",
            evidence=f"method={plan.method!r}, limits={plan.limits!r}, variance={plan.variance!r}",
            remedy='co.odds_ratio(..., method="ml", limits="wald", weights=...)',
        )
    name = weights if isinstance(weights, str) else "inverse_probability_weight"
    while not isinstance(weights, str) and name in data.columns:
        name += "_"
    values = weights_of_rows(weights, data)
    return name, data.assign(**{name: np.where(values > 0, values, np.nan)})


def fit_weighted(plan: Plan, rows: Rows, outcome: str, conf_level: float) -> Estimated:
    """Maximize the weighted likelihood, with robust limits and a robust global test.

    Parameters
    ----------
    plan : Plan
        Method and options.
    rows : Rows
        What is fitted, with weights.
    outcome : str
        Name of the outcome, for messages.
    conf_level : float
        Confidence level.

    Returns
    -------
    Estimated
        Estimates and inference.
    """
    assert rows.weight is not None
    fit = fit_weighted_logistic(rows.X, rows.y, rows.weight, rows.cluster)
    check_fit(fit, rows, outcome)
    covariance, words, n = fit.covariance, "robust", len(rows.y)
    if rows.cluster is not None:
        lone = resting_on_one_cluster(rows.X, fit.estimate, rows.cluster)
        covariance = np.where(lone[:, None] | lone[None, :], np.nan, covariance)
        n = int(rows.cluster.max()) + 1
        words = f"robust to {n} clusters"
    df = np.full(len(fit.estimate), np.inf)
    four = limits_t(fit.estimate, np.sqrt(np.diag(covariance)), df, conf_level)
    statistic, p_value = wald_test(fit.estimate, covariance, n)
    return replace(
        estimated(fit.estimate, four, df, covariance),
        how=f"weighted maximum likelihood, wald limits, {words}",
        test="robust Wald, chi-squared",
        statistic_global=statistic,
        p_value_global=p_value,
        iterations=fit.iterations,
        predictors={"none": Predictor(fit.estimate, covariance)},
    )
