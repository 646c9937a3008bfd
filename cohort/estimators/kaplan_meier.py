"""Kaplan-Meier estimator with Greenwood's variance; limits and quantiles as R survival computes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from cohort.estimators.aalen_johansen import RiskTable, survival_steps

FloatArray = NDArray[np.float64]
ConfType = Literal["log-log", "log", "plain"]
TOLERANCE = float(np.sqrt(np.finfo(float).eps))


@dataclass(frozen=True, slots=True)
class KaplanMeierCurve:
    """Survival as a right-continuous step function.

    Attributes
    ----------
    time : array of shape (n_times,)
        Distinct times of event or censoring, ascending.
    survival : array of shape (n_times,)
        Probability of no event up to and including the time.
    std_error : array of shape (n_times,)
        Greenwood's standard error of the survival; NaN once survival is 0.
    """

    time: FloatArray
    survival: FloatArray
    std_error: FloatArray


def kaplan_meier_curve(table: RiskTable) -> KaplanMeierCurve:
    """Estimate survival; the one-cause case of the Aalen-Johansen estimator, any event counts.

    Parameters
    ----------
    table : RiskTable
        Counts at each distinct time.

    Returns
    -------
    KaplanMeierCurve
        Survival with Greenwood's standard error.

    Examples
    --------
    >>> from cohort.estimators.aalen_johansen import risk_table
    >>> kaplan_meier_curve(risk_table([0, 0, 0, 0], [2, 2, 3, 5], [1, 0, 1, 0])).survival
    array([0.75 , 0.375, 0.375])
    """
    n, d = table.n_risk.astype(float), table.n_event.sum(axis=1).astype(float)
    survival = survival_steps(n, d)[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.sqrt(np.cumsum(d / (n * (n - d))))
        error = np.where(survival > 0, survival * greenwood, np.nan)
    return KaplanMeierCurve(table.time, survival, error)


def probability_limits(
    p: FloatArray, std_error: FloatArray, conf_type: ConfType, conf_level: float
) -> tuple[FloatArray, FloatArray]:
    """Return confidence limits of a probability over time.

    Parameters
    ----------
    p, std_error : array of shape (n,)
        Estimates with their standard errors.
    conf_type : {'log-log', 'log', 'plain'}
        Scale on which the limits are symmetric: log(-log p), log p, or p.
    conf_level : float
        Confidence level.

    Returns
    -------
    low, high : array of shape (n,)
        Limits within 0 and 1; NaN where the scale does not exist (0, and for log-log also 1).
    """
    z = ndtri(0.5 + conf_level / 2)
    if conf_type == "plain":
        return np.maximum(p - z * std_error, 0.0), np.minimum(p + z * std_error, 1.0)
    if conf_type == "log":
        inside = np.where(p > 0, p, np.nan)
        factor = np.exp(z * std_error / inside)
        return inside / factor, np.minimum(inside * factor, 1.0)
    inside = np.where((p > 0) & (p < 1), p, np.nan)
    width = z * std_error / (inside * -np.log(inside))
    return inside ** np.exp(width), inside ** np.exp(-width)


def curve_quantile(time: FloatArray, probability: FloatArray, p: FloatArray) -> FloatArray:
    """Return the times at which a rising step function reaches each probability.

    Where the function is exactly p on an interval, its midpoint (as R ``quantile.survfit``); on the last
    interval, the midpoint up to the last time.

    Parameters
    ----------
    time : array of shape (n_times,)
        Times of the steps, ascending.
    probability : array of shape (n_times,)
        1 - S from each step on; NaN values are passed over.
    p : array of shape (n,)
        Probabilities, between 0 and 1.

    Returns
    -------
    array of shape (n,)
        Times; NaN where p is never reached.
    """
    x, y = np.r_[0.0, time], np.r_[0.0, probability]
    first = np.unique(y, return_index=True, equal_nan=True)[1]
    keep = np.sort(first)
    last_value, last_time = y[keep[-1]], x[-1]
    keep = keep[~np.isnan(y[keep])]
    order = keep[np.argsort(y[keep], kind="stable")]
    steps, at = y[order], np.r_[x[order], np.nan]
    reached = at[np.searchsorted(steps + TOLERANCE, p, side="left")]
    passed = at[np.searchsorted(steps - TOLERANCE, p, side="left")]
    out = np.asarray((reached + passed) / 2, dtype=float)
    on_last = np.abs(p - last_value) < TOLERANCE
    out[on_last] = (reached[on_last] + last_time) / 2
    return out
