"""Logistic regression of weighted patients, with a sandwich variance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cohort.estimators.logistic import MAX_HALVINGS, MAX_ITERATIONS, STEP_TOLERANCE, LogisticFit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def fit_weighted_logistic(
    X: FloatArray, y: FloatArray, weight: FloatArray, cluster: IntArray | None = None
) -> LogisticFit:
    """Maximize the weighted log-likelihood; the covariance is a sandwich.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix with its intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    weight : array of shape (n,)
        Weights, above 0.
    cluster : array of shape (n,) or None
        Codes from 0 of patients who count together; None for each on its own.

    Returns
    -------
    LogisticFit
        Estimates; ``log_likelihood`` is the weighted one, which is no likelihood of data. ``converged`` is False
        under separation.

    Notes
    -----
    Inverse of the weighted information, times the sum over clusters of the outer products of their weighted scores
    with the factor G/(G-1) (n/(n-1) without clusters), times the inverse, as R ``survey::svyglm`` [1]_. The weights
    are taken as known.

    References
    ----------
    .. [1] Binder DA (1983). On the variances of asymptotically normal estimators from complex surveys.
       Int Stat Rev 51:279-292.

    Examples
    --------
    >>> X = np.array([[1.0, 0], [1, 0], [1, 1], [1, 1]])
    >>> fit = fit_weighted_logistic(X, np.array([0.0, 1, 0, 1]), np.array([3.0, 1, 1, 3]))
    >>> np.exp(fit.estimate).round(6)
    array([0.333333, 9.      ])
    """
    w = weight / weight.mean()
    beta = np.zeros(X.shape[1])
    scale = np.sqrt(np.mean(X**2, axis=0))
    value, converged, iteration = _log_likelihood(X, y, w, beta), False, 0
    while not converged and iteration < MAX_ITERATIONS:
        iteration += 1
        pi = expit(X @ beta)
        information = X.T @ (X * (w * pi * (1 - pi))[:, None])
        try:
            step = np.linalg.solve(information, X.T @ (w * (y - pi)))
        except np.linalg.LinAlgError:
            break
        for halving in range(MAX_HALVINGS):
            proposed = beta + step / 2**halving
            new = _log_likelihood(X, y, w, proposed)
            if new >= value - 1e-12 * (1 + abs(value)):
                beta, value = proposed, new
                break
        converged = bool(np.max(np.abs(step) * scale) < STEP_TOLERANCE)
    covariance = _sandwich(X, y, w, beta, cluster)
    return LogisticFit(beta, covariance, value * float(weight.mean()), converged, iteration, "none")


def _log_likelihood(X: FloatArray, y: FloatArray, w: FloatArray, beta: FloatArray) -> float:
    eta = X @ beta
    return float(w @ (y * eta - np.logaddexp(0.0, eta)))


def _sandwich(
    X: FloatArray, y: FloatArray, w: FloatArray, beta: FloatArray, cluster: IntArray | None
) -> FloatArray:
    pi = expit(X @ beta)
    scores = X * (w * (y - pi))[:, None]
    if cluster is not None:
        scores = np.column_stack([np.bincount(cluster, column) for column in scores.T])
    try:
        bread = np.linalg.inv(X.T @ (X * (w * pi * (1 - pi))[:, None]))
    except np.linalg.LinAlgError:
        return np.full((len(beta), len(beta)), np.nan)
    n = len(scores)
    factor = n / (n - 1) if n > 1 else np.nan
    return np.asarray(factor * bread @ (scores.T @ scores) @ bread, dtype=np.float64)
