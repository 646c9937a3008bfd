"""Profile (penalized) likelihood limits and likelihood-ratio tests of a logistic regression."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri

from cohort.errors import EstimationError
from cohort.estimators.logistic import LogisticFit, fit_logistic, logistic_state

FloatArray = NDArray[np.float64]
MAX_STEPS = 60
ROOT_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class ProfileLimits:
    """Likelihood-based inference on each coefficient.

    Attributes
    ----------
    conf_low, conf_high : array of shape (p,)
        Limits: where twice the drop of the profile log-likelihood is the chi-squared quantile.
    statistic : array of shape (p,)
        Likelihood-ratio chi-squared of a coefficient of 0, 1 degree of freedom.
    p_value : array of shape (p,)
        Its p-value.
    """

    conf_low: FloatArray
    conf_high: FloatArray
    statistic: FloatArray
    p_value: FloatArray


def profile_limits(
    X: FloatArray,
    y: FloatArray,
    fit: LogisticFit,
    conf_level: float = 0.95,
    columns: Sequence[int] | None = None,
) -> ProfileLimits:
    """Invert the likelihood-ratio test of every coefficient.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix with its intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    fit : LogisticFit
        The fit, with or without Firth's penalty; the profile uses the same.
    conf_level : float, default=0.95
        Confidence level.
    columns : sequence of int, optional
        Coefficients of interest, all by default; the others are NaN in the answer.

    Returns
    -------
    ProfileLimits
        Limits and tests; a limit that is not reached is infinite.

    Raises
    ------
    EstimationError
        The likelihood of the other coefficients has no maximum that can be found.

    Notes
    -----
    The slope of the profile log-likelihood is the score of the held coefficient (the others have score 0),
    so each limit is found by Newton steps kept inside a bracket.
    """
    p = len(fit.estimate)
    drop = float(chdtri(1, 1 - conf_level)) / 2
    low, high, statistic = (np.full(p, np.nan) for _ in range(3))
    for j in range(p) if columns is None else columns:
        held = _hold(X, y, fit, j, 0.0, fit.estimate)
        statistic[j] = max(2 * (fit.log_likelihood - held.log_likelihood), 0.0)
        low[j] = _limit(X, y, fit, j, drop, -1)
        high[j] = _limit(X, y, fit, j, drop, 1)
    return ProfileLimits(low, high, statistic, np.asarray(chdtrc(1, statistic)))


def _hold(
    X: FloatArray, y: FloatArray, fit: LogisticFit, j: int, value: float, start: FloatArray
) -> LogisticFit:
    """Maximize over all coefficients but j, which is held.

    When that fails from the given start (the information may be singular there), the profile is entered along
    its tangent at the estimate, and last from no effect of the others.
    """
    free = np.ones(len(start), dtype=bool)
    free[j] = False
    tangent = fit.estimate + (value - fit.estimate[j]) * fit.covariance[:, j] / fit.covariance[j, j]
    for near in (start, tangent, np.zeros(len(start))):
        with contextlib.suppress(np.linalg.LinAlgError):
            held = fit_logistic(X, y, fit.penalty, np.where(free, near, value), free)
            if held.converged:
                return held
    raise EstimationError(
        "the profile of the likelihood cannot be followed",
        evidence=f"{len(start)} coefficients from {len(y)} observations",
        remedy="leave covariates out of the formula, or center and scale them",
    )


def _limit(X: FloatArray, y: FloatArray, fit: LogisticFit, j: int, drop: float, side: int) -> float:
    """Solve for the value of coefficient j at which the profile has dropped; infinite when it never does."""
    error = float(fit.std_error[j])
    inside, outside = float(fit.estimate[j]), side * math.inf
    value = inside + side * error * float(np.sqrt(2 * drop))
    start = fit.estimate
    for _ in range(MAX_STEPS):
        held = _hold(X, y, fit, j, value, start)
        excess = held.log_likelihood - (fit.log_likelihood - drop)
        if excess > 0:
            inside = value
        else:
            outside = value
        slope = float(logistic_state(X, y, held.estimate, fit.penalty).score[j])
        proposed = value - excess / slope if slope * side < 0 else math.nan
        step = _bracketed(proposed, inside, outside, side, error)
        if abs(step - value) <= ROOT_TOLERANCE * max(1.0, abs(value)):
            return step
        if abs(step - fit.estimate[j]) > 1e4 * error:
            return side * math.inf
        value, start = step, held.estimate
    return value


def _bracketed(proposed: float, inside: float, outside: float, side: int, error: float) -> float:
    """Keep a Newton step within the bracket; without one, within ten standard errors of where it was."""
    if np.isinf(outside):
        far = inside + side * 10 * error
        return far if not (proposed - inside) * side > 0 else side * min(side * proposed, side * far)
    between = (inside - proposed) * (outside - proposed) <= 0
    return proposed if between else (inside + outside) / 2
