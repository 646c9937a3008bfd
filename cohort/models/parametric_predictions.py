"""Survival and quantiles of given patients from a parametric model, with limits by the delta method."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from cohort.errors import EstimationError
from cohort.estimators.parametric_likelihood import ParametricFit, log_survival
from cohort.models.new_rows import Coding, new_matrix

FloatArray = NDArray[np.float64]
_BISECTIONS = 120
_FARTHEST = 60.0


def new_design(coding: Coding | None, data: pd.DataFrame | None) -> tuple[list[str], FloatArray]:
    """Return labels and design, with the constant, of patients to predict for.

    Parameters
    ----------
    coding : Coding or None
        How the fit coded covariates; None when it has none.
    data : DataFrame or None
        The patients.

    Returns
    -------
    labels : list of str
        Labels of the patients; one empty label without covariates.
    X : array of shape (n, 1 + p)
        Their design.
    """
    if coding is None:
        return [""], np.ones((1, 1))
    if data is None:
        raise EstimationError(
            "the model has covariates: whose curve?",
            evidence=f"formula {coding.right}",
            remedy="give data= with one row per patient to predict for",
        )
    X, complete = new_matrix(coding, data)
    if not complete.all():
        raise EstimationError(
            "some patients lack a covariate",
            evidence=f"{int((~complete).sum())} of {len(data)} rows",
            remedy="leave them out, or say what value to assume",
        )
    return [str(label) for label in data.index], np.column_stack([np.ones(len(X)), X])


def survival_rows(
    fit: ParametricFit, labels: list[str], X: FloatArray, times: FloatArray, conf_level: float
) -> pd.DataFrame:
    """Return survival of patients at times.

    Parameters
    ----------
    fit : ParametricFit
        The model.
    labels : list of str
        Labels of the patients.
    X : array of shape (n, 1 + p)
        Their design.
    times : array of shape (k,)
        Times.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        One row per patient and time.
    """
    n, k = len(X), len(times)
    rows, when = np.repeat(X, k, axis=0), np.tile(times, n)
    value, gradient = log_survival(fit.distribution, rows, np.maximum(when, 0), fit.coefficients)
    spread = np.sqrt(np.einsum("ij,jk,ik->i", gradient, fit.covariance, gradient))
    S = np.exp(value)
    z = ndtri(0.5 + conf_level / 2)
    inside = np.where(value < 0, value, np.nan)
    factor = np.exp(z * spread / -inside)
    return pd.DataFrame(
        {
            "strata": np.repeat(np.array(labels, dtype=object), k),
            "time": when,
            "estimate": S,
            "std_error": S * spread,
            "conf_low": np.where(value < 0, np.exp(inside * factor), 1.0),
            "conf_high": np.where(value < 0, np.exp(inside / factor), 1.0),
            "reason": "",
        }
    )


def quantile_rows(
    fit: ParametricFit, labels: list[str], X: FloatArray, p: float, conf_level: float
) -> pd.DataFrame:
    """Return the times by which a share of such patients has had the event.

    Parameters
    ----------
    fit : ParametricFit
        The model.
    labels : list of str
        Labels of the patients.
    X : array of shape (n, 1 + p)
        Their design.
    p : float
        Share with the event.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        One row per patient; the limits are symmetric on the log scale.
    """
    log_t = _solve(fit, X, float(np.log1p(-p)))
    known = np.isfinite(log_t)
    t = np.exp(np.where(known, log_t, 0.0))
    gradient = log_survival(fit.distribution, X, t, fit.coefficients)[1]
    step = 1e-5
    slope = (
        log_survival(fit.distribution, X, t * np.exp(step), fit.coefficients)[0]
        - log_survival(fit.distribution, X, t * np.exp(-step), fit.coefficients)[0]
    ) / (2 * step)
    moved = gradient / slope[:, None]
    error = np.where(known, np.sqrt(np.einsum("ij,jk,ik->i", moved, fit.covariance, moved)), np.nan)
    z = ndtri(0.5 + conf_level / 2)
    estimate = np.where(known, t, np.nan)
    return pd.DataFrame(
        {
            "strata": labels,
            "term": f"{p:g}",
            "estimate": estimate,
            "std_error": error,
            "conf_low": estimate * np.exp(-z * error),
            "conf_high": estimate * np.exp(z * error),
            "reason": np.where(known, "", "never reached"),
        }
    )


def _solve(fit: ParametricFit, X: FloatArray, target: float) -> FloatArray:
    """Return the log time at which log survival reaches the target, by bisection; NaN where it never does."""
    low, high = np.full(len(X), -_FARTHEST), np.full(len(X), _FARTHEST)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            value = log_survival(fit.distribution, X, np.exp(middle), fit.coefficients)[0]
            early = np.nan_to_num(value, nan=-np.inf) > target
            low, high = np.where(early, middle, low), np.where(early, high, middle)
    return np.where(np.abs(low) > _FARTHEST - 1, np.nan, low)
