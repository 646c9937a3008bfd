"""Logistic regression by generalized estimating equations, with small-sample variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

FloatArray = NDArray[np.float64]
Correlation = Literal["exchangeable", "independence"]
Variance = Literal["robust", "mancl_derouen", "kauermann_carroll"]
MAX_ITERATIONS = 200
STEP_TOLERANCE = 1e-10
LARGEST = 0.9999


@dataclass(frozen=True, slots=True)
class GeeFit:
    """Fitted estimating equations.

    Attributes
    ----------
    estimate : array of shape (p,)
        Log odds ratios, averaged over the population.
    covariance : array of shape (p, p)
        Sandwich covariance, corrected as asked.
    correlation : float
        Working correlation within a cluster; 0 under independence.
    n_cluster : int
        Number of clusters.
    converged : bool
        Whether the last step was negligible.
    iterations : int
        Steps taken.
    """

    estimate: FloatArray
    covariance: FloatArray
    correlation: float
    n_cluster: int
    converged: bool
    iterations: int


@dataclass(frozen=True, slots=True)
class _Clusters:
    """Rows sorted by cluster."""

    position: NDArray[np.intp]
    size: NDArray[np.intp]

    def sums(self, values: FloatArray) -> FloatArray:
        starts = np.cumsum(self.size) - self.size
        return np.asarray(np.add.reduceat(values, starts, axis=0))


def fit_gee(
    X: ArrayLike,
    y: ArrayLike,
    cluster: ArrayLike,
    correlation: Correlation = "exchangeable",
    variance: Variance = "mancl_derouen",
    initial: FloatArray | None = None,
) -> GeeFit:
    """Fit estimating equations with an exchangeable or an independent working correlation.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix with its intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    cluster : array of shape (n,)
        Cluster codes.
    correlation : {'exchangeable', 'independence'}, default='exchangeable'
        Working correlation within clusters.
    variance : {'robust', 'mancl_derouen', 'kauermann_carroll'}, default='mancl_derouen'
        ``robust`` is the sandwich of Liang and Zeger; the others enlarge each cluster's residuals by its
        leverage, and remove most of the sandwich's bias with few clusters.
    initial : array of shape (p,), optional
        Starting values; zeros by default.

    Returns
    -------
    GeeFit
        The fit.

    Notes
    -----
    Scale and correlation are moments of the Pearson residuals without subtracting parameters, as R geepack.

    References
    ----------
    .. [1] Liang KY, Zeger SL (1986). Longitudinal data analysis using generalized linear models.
       Biometrika 73:13-22. doi:10.1093/biomet/73.1.13
    .. [2] Mancl LA, DeRouen TA (2001). A covariance estimator for GEE with improved small-sample properties.
       Biometrics 57:126-134. doi:10.1111/j.0006-341X.2001.00126.x
    .. [3] Kauermann G, Carroll RJ (2001). A note on the efficiency of sandwich covariance matrix estimation.
       J Am Stat Assoc 96:1387-1396. doi:10.1198/016214501753382309
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    position = np.unique(np.asarray(cluster), return_inverse=True)[1]
    order = np.argsort(position, kind="stable")
    X, y = X[order], y[order]
    clusters = _Clusters(position[order], np.bincount(position))
    beta = np.zeros(X.shape[1]) if initial is None else initial.copy()
    scale = np.sqrt(np.mean(X**2, axis=0))
    converged, iteration, rho = False, 0, 0.0
    while not converged and iteration < MAX_ITERATIONS:
        iteration += 1
        Z, e = _standardized(X, y, beta)
        if correlation == "exchangeable":
            rho = _correlation(e, clusters)
        information, score = _equations(Z, e, clusters, rho)
        try:
            step = np.linalg.solve(information, score)
        except np.linalg.LinAlgError:
            break
        beta = beta + step
        if not np.isfinite(beta).all() or np.abs(X @ beta).max() > 500:
            break
        converged = bool(np.max(np.abs(step) * scale) < STEP_TOLERANCE)
    if not converged:
        return GeeFit(beta, np.full((len(beta),) * 2, np.nan), rho, len(clusters.size), False, iteration)
    Z, e = _standardized(X, y, beta)
    rho = _correlation(e, clusters) if correlation == "exchangeable" else 0.0
    covariance = _sandwich(Z, e, clusters, rho, variance)
    return GeeFit(beta, covariance, rho, len(clusters.size), True, iteration)


def _standardized(X: FloatArray, y: FloatArray, beta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the covariates times the standard deviation of the outcome, and Pearson residuals."""
    eta = X @ beta
    pi = expit(eta)
    spread = np.sqrt(np.maximum(pi * expit(-eta), 1e-300))
    return X * spread[:, None], (y - pi) / spread


def _correlation(e: FloatArray, clusters: _Clusters) -> float:
    """Return the mean product of two residuals of a cluster over their mean square."""
    pairs = float((clusters.size * (clusters.size - 1.0)).sum())
    if pairs == 0:
        return 0.0
    products = float((clusters.sums(e) ** 2).sum() - (e**2).sum())
    rho = products / pairs / float(np.mean(e**2))
    # the working matrix of the largest cluster must stay positive definite
    return min(max(rho, -LARGEST / (float(clusters.size.max()) - 1.0)), LARGEST)


def _inverse(sums: FloatArray, size: FloatArray, rho: float) -> FloatArray:
    """Return what 1 (1 + (n - 1) rho) leaves of cluster sums in the inverse of an exchangeable matrix."""
    return np.asarray(rho * sums / (1 + (size - 1) * rho))


def _equations(
    Z: FloatArray, e: FloatArray, clusters: _Clusters, rho: float
) -> tuple[FloatArray, FloatArray]:
    """Return sum Z' R^-1 Z and sum Z' R^-1 e."""
    size = clusters.size.astype(float)
    sums, residual = clusters.sums(Z), clusters.sums(e)
    information = (Z.T @ Z - sums.T @ _inverse(sums, size[:, None], rho)) / (1 - rho)
    score = (Z.T @ e - sums.T @ _inverse(residual, size, rho)) / (1 - rho)
    return information, score


def _sandwich(
    Z: FloatArray, e: FloatArray, clusters: _Clusters, rho: float, variance: Variance
) -> FloatArray:
    size = clusters.size.astype(float)
    M = np.asarray(np.linalg.inv(_equations(Z, e, clusters, rho)[0]), dtype=float)
    if variance == "robust":
        sums = clusters.sums(Z)
        own = clusters.sums(Z * e[:, None])
        U = (own - sums * _inverse(clusters.sums(e), size, rho)[:, None]) / (1 - rho)
        return np.asarray(M @ (U.T @ U) @ M)
    ends = np.cumsum(clusters.size)
    U = np.empty((len(size), Z.shape[1]))
    for g, end in enumerate(ends.tolist()):
        rows = slice(end - int(size[g]), end)
        z, n = Z[rows], size[g]
        weighted = (z - _inverse(z.sum(axis=0), n, rho)) / (1 - rho)  # R^-1 Z
        U[g] = weighted.T @ _enlarged(e[rows], z, weighted, M, variance)
    return np.asarray(M @ (U.T @ U) @ M)


def _enlarged(
    e: FloatArray, z: FloatArray, weighted: FloatArray, M: FloatArray, variance: Variance
) -> FloatArray:
    """Multiply residuals by (I - H)^-1, or its square root; H = z M weighted' has rank p at most."""
    # I - H and its powers act as the identity outside the columns of z: with K = M weighted' z,
    # f(I - H) e = e + z g(K) M weighted' e where g(k) = (f(1 - k) - 1) / k.
    K = M @ weighted.T @ z
    inner = M @ (weighted.T @ e)
    if variance == "mancl_derouen":
        return np.asarray(e + z @ np.linalg.solve(np.eye(len(K)) - K, inner))
    k, vectors = np.linalg.eig(K)
    k = np.real(k)
    small = np.abs(k) < 1e-12
    g = np.where(small, 0.5, ((1 - k) ** -0.5 - 1) / np.where(small, 1.0, k))
    return np.asarray(e + z @ np.real(vectors @ (g * np.linalg.solve(vectors, inner))))
