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
from cohort.estimators.profile_search import Held, find_limit

FloatArray = NDArray[np.float64]
MAX_HALVINGS = 6


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
        ridge = _ridge(X, y, fit, j)
        held = _hold(ridge, ridge.top, 0.0)
        statistic[j] = max(2 * (ridge.top.log_likelihood - held.log_likelihood), 0.0)
        low[j] = _limit(ridge, drop, -1)
        high[j] = _limit(ridge, drop, 1)
    return ProfileLimits(low, high, statistic, np.asarray(chdtrc(1, statistic)))


@dataclass(frozen=True, slots=True)
class _Ridge:
    """The profile of one coefficient, in columns that do not depend on the units of the covariates.

    Attributes
    ----------
    Z : array of shape (n, p)
        What of the column of interest the others do not explain, then an orthogonal basis of the others. The
        coefficient of the first is that of the column of interest; likelihoods differ by a constant.
    y : array of shape (n,)
        Outcome.
    top : LogisticFit
        The fit in these columns.
    """

    Z: FloatArray
    y: FloatArray
    top: LogisticFit


def _ridge(X: FloatArray, y: FloatArray, fit: LogisticFit, j: int) -> _Ridge:
    others = np.linalg.qr(np.delete(X, j, axis=1))[0] * math.sqrt(len(y))
    own = X[:, j] - others @ (others.T @ X[:, j]) / len(y)
    Z = np.column_stack([own, others])
    start = np.r_[fit.estimate[j], others.T @ (X @ fit.estimate) / len(y)]
    return _Ridge(Z, y, fit_logistic(Z, y, fit.penalty, start))


def _hold(ridge: _Ridge, near: LogisticFit, value: float, halvings: int = MAX_HALVINGS) -> LogisticFit:
    """Maximize over all coefficients but the first, which is held.

    The profile is entered from a fit nearby, along its tangent there or straight; when neither arrives, by way
    of the value half-way.
    """
    free = np.arange(len(near.estimate)) > 0
    moved = value - near.estimate[0]
    straight = np.where(free, near.estimate, value)
    tangent = near.estimate + moved * near.covariance[:, 0] / near.covariance[0, 0]
    for start in (np.where(free, tangent, value), straight):
        with contextlib.suppress(np.linalg.LinAlgError):
            if np.isfinite(start).all():
                held = fit_logistic(ridge.Z, ridge.y, near.penalty, start, free)
                if held.converged:
                    return held
    if halvings:
        middle = _hold(ridge, near, value - moved / 2, halvings - 1)
        return _hold(ridge, middle, value, halvings - 1)
    raise EstimationError(
        "the profile of the likelihood cannot be followed",
        evidence=f"{len(near.estimate)} coefficients from {len(ridge.y)} observations",
        remedy="leave covariates out of the formula",
    )


def _limit(ridge: _Ridge, drop: float, side: int) -> float:
    """Solve for the value of the coefficient at which the profile has dropped; infinite when it never does."""
    near = top = ridge.top

    def hold(value: float, _: FloatArray) -> Held:
        nonlocal near
        near = _hold(ridge, near, value)
        slope = float(logistic_state(ridge.Z, ridge.y, near.estimate, top.penalty).score[0])
        return Held(near.log_likelihood, slope, near.estimate)

    first = float(np.sqrt(2 * drop))
    return find_limit(hold, top.estimate, 0, float(top.std_error[0]), top.log_likelihood - drop, side, first)
