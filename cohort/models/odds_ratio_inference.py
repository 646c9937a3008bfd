"""Inference that methods of logistic regression share: limits, global tests, concordance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc
from scipy.stats import rankdata

from cohort.estimators.firth_prediction import Predictor
from cohort.estimators.rubin import t_quantile, t_tail

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Estimated:
    """What a method found.

    Attributes
    ----------
    estimate, conf_low, conf_high, statistic, p_value, df : array of shape (p,)
        On the log scale; degrees of freedom of t limits, infinite for normal ones.
    covariance : array of shape (p, p)
        Covariance.
    reasons : tuple of str
        Why something of a coefficient is missing.
    how : str
        Method, limits and variance in words.
    test : str
        What the global test is.
    statistic_global, p_value_global : float
        Global test that all coefficients but the intercept are 0.
    log_likelihood, log_likelihood_null : float
        Of the model and of the model without covariates; NaN where there is no likelihood.
    aic, concordance, correlation, intercept_sd : float
        NaN where they do not exist.
    iterations : int
        Steps taken.
    notes : tuple of str
        What a reader should be told.
    predictors : mapping of str to Predictor
        Coefficients that predict risks, by correction, the default first; empty where nothing does.
    """

    estimate: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    df: FloatArray
    covariance: FloatArray
    reasons: tuple[str, ...]
    how: str
    test: str
    statistic_global: float
    p_value_global: float
    log_likelihood: float = np.nan
    log_likelihood_null: float = np.nan
    aic: float = np.nan
    concordance: float = np.nan
    correlation: float = np.nan
    intercept_sd: float = np.nan
    iterations: int = 0
    notes: tuple[str, ...] = ()
    predictors: Mapping[str, Predictor] = field(default_factory=dict)


def limits_t(
    estimate: FloatArray, std_error: FloatArray, df: FloatArray, conf_level: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Compute Wald limits, statistics and p-values of the t distribution.

    Parameters
    ----------
    estimate, std_error, df : array of shape (p,)
        Estimates, standard errors, degrees of freedom (infinite: normal).
    conf_level : float
        Confidence level.

    Returns
    -------
    conf_low, conf_high, statistic, p_value : array of shape (p,)
        NaN where the standard error is zero or missing.
    """
    se = np.where(std_error > 0, std_error, np.nan)
    half = t_quantile(1 - (1 - conf_level) / 2, df) * se
    statistic = np.asarray(estimate / se)
    return estimate - half, estimate + half, statistic, t_tail(statistic, df)


def estimated(
    estimate: FloatArray,
    four: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    df: FloatArray,
    covariance: FloatArray,
) -> Estimated:
    """Arrange estimates and inference (``four``: limits, statistic, p-value); the method adds the rest."""
    low, high, statistic, p_value = four
    none = ("",) * len(estimate)
    return Estimated(estimate, low, high, statistic, p_value, df, covariance, none, "", "", np.nan, np.nan)


def likelihood_ratio(model: float, null: float, df: int) -> tuple[float, float]:
    """Compare log-likelihoods: chi-squared statistic and p-value."""
    statistic = max(2 * (model - null), 0.0)
    return statistic, float(chdtrc(df, statistic)) if df else np.nan


def wald_test(
    estimate: FloatArray, covariance: FloatArray, n_cluster: int, residual_df: float = np.inf
) -> tuple[float, float]:
    """Test all coefficients but the first; NaN when the clusters are too few for it."""
    b, V = estimate[1:], covariance[1:, 1:]
    if not len(b) or not np.isfinite(V).all() or n_cluster <= len(b):
        return np.nan, np.nan
    scale = np.sqrt(np.diag(V))
    if not scale.all() or np.linalg.cond(V / np.outer(scale, scale)) > 1e12:
        return np.nan, np.nan
    statistic = float(b @ np.linalg.solve(V, b))
    if np.isfinite(residual_df):
        return statistic, float(fdtrc(len(b), residual_df, statistic / len(b)))
    return statistic, float(chdtrc(len(b), statistic))


def concordance(eta: FloatArray, y: FloatArray) -> float:
    """Return the share of concordant pairs, ties counting half."""
    n1 = float(y.sum())
    n0 = len(y) - n1
    return float((rankdata(eta)[y == 1].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))
