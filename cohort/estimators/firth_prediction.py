"""Predictions from Firth's logistic regression without its bias towards one half: FLIC and FLAC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cohort.estimators.logistic import LogisticFit, logistic_state

FloatArray = NDArray[np.float64]
MAX_ITERATIONS = 100
MAX_HALVINGS = 30
STEP_TOLERANCE = 1e-11


@dataclass(frozen=True, slots=True)
class Predictor:
    """Coefficients that predict risks.

    Attributes
    ----------
    estimate : array of shape (p,)
        Coefficients; NaN when they could not be found.
    covariance : array of shape (p, p)
        Their covariance.
    """

    estimate: FloatArray
    covariance: FloatArray


def flic(X: FloatArray, y: FloatArray, fit: LogisticFit) -> Predictor:
    """Replace the intercept of a Firth fit so that predicted risks average to the observed share.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix with its intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    fit : LogisticFit
        Fit with Firth's penalty.

    Returns
    -------
    Predictor
        The slopes of the fit with an intercept by maximum likelihood.

    Notes
    -----
    The covariance is the inverse information at these coefficients, to first order their joint one.

    References
    ----------
    .. [1] Puhr R, Heinze G, Nold M, Lusa L, Geroldinger A (2017). Firth's logistic regression with rare events:
       accurate effect estimates and predictions? Stat Med 36:2302-2317. doi:10.1002/sim.7273
    """
    slopes = X[:, 1:] @ fit.estimate[1:]
    intercept = _maximum(np.ones((len(y), 1)), y, np.ones(len(y)), slopes, fit.estimate[:1])
    return _with_information(X, np.concatenate([intercept, fit.estimate[1:]]))


def flac(X: FloatArray, y: FloatArray, fit: LogisticFit) -> Predictor:
    """Tell observed from pseudo-observations of a Firth fit by a covariate of their own.

    Firth's estimate is maximum likelihood of the data augmented by every patient with both outcomes, weighted by
    half the hat value each. A covariate that is 1 for the pseudo-observations takes up their share of events; risks
    are predicted for 0.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix with its intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    fit : LogisticFit
        Fit with Firth's penalty.

    Returns
    -------
    Predictor
        Coefficients without that of the added covariate; the covariance counts the observed patients only.

    References
    ----------
    .. [1] Puhr R, Heinze G, Nold M, Lusa L, Geroldinger A (2017). Firth's logistic regression with rare events:
       accurate effect estimates and predictions? Stat Med 36:2302-2317. doi:10.1002/sim.7273
    """
    Q = logistic_state(X, y, fit.estimate, "firth").hat_root
    h = (Q**2).sum(axis=1)
    added = np.repeat([0.0, 1.0, 1.0], len(y))
    Z = np.column_stack([np.vstack([X, X, X]), added])
    weight = np.concatenate([np.ones(len(y)), h / 2, h / 2])
    start = np.append(fit.estimate, 0.0)
    estimate = _maximum(Z, np.concatenate([y, y, 1 - y]), weight, np.zeros(len(Z)), start)
    return _with_information(X, estimate[:-1])


def _with_information(X: FloatArray, estimate: FloatArray) -> Predictor:
    pi = expit(X @ estimate)
    try:
        covariance = np.linalg.inv(X.T @ (X * (pi * (1 - pi))[:, None]))
    except np.linalg.LinAlgError:
        covariance = np.full((len(estimate),) * 2, np.nan)
    return Predictor(estimate, np.asarray(covariance, dtype=float))


def _maximum(
    Z: FloatArray, y: FloatArray, weight: FloatArray, offset: FloatArray, start: FloatArray
) -> FloatArray:
    """Maximize a weighted likelihood with an offset by halved Newton steps; NaN when that fails."""
    beta, scale = start.copy(), np.sqrt(np.mean(Z**2, axis=0))
    value = _log_likelihood(Z @ beta + offset, y, weight)
    for _ in range(MAX_ITERATIONS):
        pi = expit(Z @ beta + offset)
        information = Z.T @ (Z * (weight * pi * (1 - pi))[:, None])
        try:
            step = np.linalg.solve(information, Z.T @ (weight * (y - pi)))
        except np.linalg.LinAlgError:
            break
        for halving in range(MAX_HALVINGS):
            proposed = beta + step / 2**halving
            new = _log_likelihood(Z @ proposed + offset, y, weight)
            if new >= value - 1e-12 * (1 + abs(value)):
                beta, value = proposed, new
                break
        if np.max(np.abs(step) * scale) < STEP_TOLERANCE:
            return beta
    return np.full_like(start, np.nan)


def _log_likelihood(eta: FloatArray, y: FloatArray, weight: FloatArray) -> float:
    return float(weight @ (y * eta - np.logaddexp(0.0, eta)))
