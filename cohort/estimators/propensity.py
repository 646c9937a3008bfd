"""Probability of the exposure that each patient had, for two groups (logistic) or several (multinomial)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, log_softmax

from cohort.estimators.logistic import Penalty, fit_logistic

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
MAX_ITERATIONS = 100
STEP_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class PropensityFit:
    """Fitted model of the exposure.

    Attributes
    ----------
    estimate : array of shape (k - 1, p)
        Log odds ratios of each group against the first.
    covariance : array of shape ((k - 1) p, (k - 1) p)
        Inverse of the information, coefficients of the second group first.
    probability : array of shape (n, k)
        Probability of each group.
    log_likelihood : float
        Maximized (penalized under Firth) log-likelihood.
    converged : bool
        Whether the last Newton step was negligible.
    iterations : int
        Newton steps.
    """

    estimate: FloatArray
    covariance: FloatArray
    probability: FloatArray
    log_likelihood: float
    converged: bool
    iterations: int


def fit_propensity(X: FloatArray, group: IntArray, n_group: int, penalty: Penalty = "none") -> PropensityFit:
    """Fit a logistic (two groups) or multinomial model of the group.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix with its intercept.
    group : array of shape (n,)
        Codes 0 to n_group - 1; the first is the reference.
    n_group : int
        Number of groups.
    penalty : {'none', 'firth'}, default='none'
        Penalty, for two groups only.

    Returns
    -------
    PropensityFit
        The fit; ``converged`` is False under separation without a penalty.
    """
    if n_group > 2:
        return _multinomial(X, group, n_group)
    fit = fit_logistic(X, (group == 1).astype(float), penalty)
    eta = X @ fit.estimate
    probability = np.column_stack([expit(-eta), expit(eta)])
    return PropensityFit(
        fit.estimate[None, :], fit.covariance, probability, fit.log_likelihood, fit.converged, fit.iterations
    )


def _multinomial(X: FloatArray, group: IntArray, n_group: int) -> PropensityFit:
    p = X.shape[1]
    beta = np.zeros((n_group - 1, p))
    indicator = (group[:, None] == np.arange(1, n_group)[None, :]).astype(float)
    scale = np.tile(np.sqrt(np.mean(X**2, axis=0)), n_group - 1)
    log_likelihood, probability = _state(X, group, beta)
    converged, iteration = False, 0
    information = _information(X, probability)
    while not converged and iteration < MAX_ITERATIONS:
        iteration += 1
        score = ((indicator - probability[:, 1:]).T @ X).ravel()
        try:
            step = cho_solve(cho_factor(information), score)
        except np.linalg.LinAlgError:
            break
        for halving in range(30):
            proposed = beta + step.reshape(beta.shape) / 2**halving
            new, moved = _state(X, group, proposed)
            if new >= log_likelihood - 1e-12 * (1 + abs(log_likelihood)):
                beta, log_likelihood, probability = proposed, new, moved
                break
        information = _information(X, probability)
        converged = bool(np.max(np.abs(step) * scale) < STEP_TOLERANCE)
    try:
        covariance = np.asarray(np.linalg.inv(information))
    except np.linalg.LinAlgError:
        covariance = np.full_like(information, np.nan)
    return PropensityFit(beta, covariance, probability, log_likelihood, converged, iteration)


def _state(X: FloatArray, group: IntArray, beta: FloatArray) -> tuple[float, FloatArray]:
    eta = np.column_stack([np.zeros(len(X)), X @ beta.T])
    log_p = np.asarray(log_softmax(eta, axis=1), dtype=float)
    return float(log_p[np.arange(len(X)), group].sum()), np.exp(log_p)


def _information(X: FloatArray, probability: FloatArray) -> FloatArray:
    k, p = probability.shape[1] - 1, X.shape[1]
    e = probability[:, 1:]
    out = np.empty((k * p, k * p))
    for i in range(k):
        for j in range(k):
            w = e[:, i] * ((i == j) - e[:, j])
            out[i * p : (i + 1) * p, j * p : (j + 1) * p] = X.T @ (X * w[:, None])
    return out
