"""Predicted risks of a logistic regression, with limits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from cohort.errors import EstimationError
from cohort.estimators.firth_prediction import Predictor, flac, flic
from cohort.estimators.logistic import LogisticFit
from cohort.estimators.rubin import t_quantile
from cohort.models.new_rows import Coding, new_matrix

FloatArray = NDArray[np.float64]
NO_PREDICTION = {
    "exact": "it conditions on the number of patients with the outcome, so it has no intercept",
    "conditional": "it compares patients within matched sets, so it has no intercept",
    "random_intercept": "the intercept of the cluster of a new patient is not known",
}


def firth_predictors(X: FloatArray, y: FloatArray, fit: LogisticFit) -> dict[str, Predictor]:
    """Return what may predict after Firth's penalty, the default first."""
    return {
        "flic": flic(X, y, fit),
        "flac": flac(X, y, fit),
        "none": Predictor(fit.estimate, fit.covariance),
    }


def choose_predictor(predictors: Mapping[str, Predictor], correction: str | None, method: str) -> Predictor:
    """Find the coefficients that predict.

    Parameters
    ----------
    predictors : mapping of str to Predictor
        By correction, the default first; empty when the method predicts nothing.
    correction : str or None
        Correction; None takes the default.
    method : str
        Method of the fit.

    Returns
    -------
    Predictor
        Coefficients.

    Raises
    ------
    EstimationError
        When the method has no predictions, the correction is not known, or its search failed.
    """
    if not predictors:
        raise EstimationError(
            f'method="{method}" predicts no risks: {NO_PREDICTION[method]}',
            evidence=f"method={method!r}",
            remedy='method="firth", or "gee" with cluster=',
        )
    name = next(iter(predictors)) if correction is None else correction
    if name not in predictors:
        raise EstimationError(
            f'correction {name!r} does not go with method="{method}"',
            evidence=f"corrections: {', '.join(predictors)}",
            remedy=f'correction="{next(iter(predictors))}"',
        )
    chosen = predictors[name]
    if not np.isfinite(chosen.covariance).all():
        raise EstimationError(
            f"predictions with correction {name!r} have no limits",
            evidence=f"method={method!r}, {len(chosen.estimate)} coefficients",
            remedy="another correction or variance, or fewer covariates",
        )
    return chosen


def predicted_risks(
    predictor: Predictor, coding: Coding, frame: pd.DataFrame, df: float, conf_level: float
) -> pd.DataFrame:
    """Predict the risk of new patients.

    Parameters
    ----------
    predictor : Predictor
        Coefficients, the intercept first.
    coding : Coding
        How the fit coded its covariates.
    frame : DataFrame
        Patients with the columns of the formula.
    df : float
        Degrees of freedom of the limits; infinite for normal ones.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        ``estimate, std_error, conf_low, conf_high, reason``; index as ``frame``.
    """
    X, complete = new_matrix(coding, frame)
    X = np.column_stack([np.ones(len(X)), X])
    eta = X @ predictor.estimate
    error = np.sqrt(np.einsum("ij,jk,ik->i", X, predictor.covariance, X))
    half = t_quantile(1 - (1 - conf_level) / 2, np.full(len(eta), df)) * error
    risk = expit(eta)
    out = np.full((len(frame), 4), np.nan)
    out[complete] = np.column_stack([risk, risk * expit(-eta) * error, expit(eta - half), expit(eta + half)])
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    found = pd.DataFrame(out, index=frame.index, columns=columns)
    return found.assign(reason=np.where(complete, "", "a covariate is missing"))
