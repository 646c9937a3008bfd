"""Logistic regression with a normal random intercept, by adaptive Gauss-Hermite quadrature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logsumexp

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
POINTS = 25
MAX_ITERATIONS = 100
MAX_HALVINGS = 30
STEP_TOLERANCE = 1e-9
START = 0.7


@dataclass(frozen=True, slots=True)
class RandomInterceptFit:
    """Fitted logistic-normal regression.

    Attributes
    ----------
    estimate : array of shape (p,)
        Log odds ratios within a cluster.
    covariance : array of shape (p, p)
        Block of the inverse observed information that also holds the standard deviation.
    sd : float
        Standard deviation of the intercepts; 0 at the boundary.
    sd_std_error : float
        Its standard error; NaN at the boundary.
    log_likelihood : float
        Maximized log-likelihood.
    converged : bool
        Whether the last Newton step was negligible.
    iterations : int
        Newton steps taken.
    """

    estimate: FloatArray
    covariance: FloatArray
    sd: float
    sd_std_error: float
    log_likelihood: float
    converged: bool
    iterations: int


@dataclass(frozen=True, slots=True)
class _State:
    log_likelihood: float
    score: FloatArray
    information: FloatArray


def fit_random_intercept(
    X: ArrayLike, y: ArrayLike, cluster: ArrayLike, initial: FloatArray, covariance: FloatArray
) -> RandomInterceptFit:
    """Fit by Newton steps on the coefficients and the standard deviation together.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix with its intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    cluster : array of shape (n,)
        Cluster codes.
    initial : array of shape (p,)
        Maximum likelihood estimate without a random intercept, where the search starts.
    covariance : array of shape (p, p)
        Its covariance, returned at the boundary.

    Returns
    -------
    RandomInterceptFit
        The fit.

    Notes
    -----
    Nodes are placed at the mode of each cluster's intercept, with the curvature there (Pinheiro and Bates).
    Score and information are posterior means over the nodes (Louis 1982).

    References
    ----------
    .. [1] Pinheiro JC, Bates DM (1995). Approximations to the log-likelihood function in the nonlinear
       mixed-effects model. J Comput Graph Stat 4:12-35. doi:10.1080/10618600.1995.10474663
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    position = np.unique(np.asarray(cluster), return_inverse=True)[1]
    order = np.argsort(position, kind="stable")
    X, y, position = X[order], y[order], position[order]
    starts = np.flatnonzero(np.diff(position, prepend=-1))
    nodes = np.polynomial.hermite.hermgauss(POINTS)
    scale = np.append(np.sqrt(np.mean(X**2, axis=0)), 1.0)
    theta = np.append(initial, START)
    modes = np.zeros(len(starts))
    state = _state(X, y, position, starts, theta, modes, nodes)
    converged, iteration = False, 0
    while not converged and iteration < MAX_ITERATIONS:
        iteration += 1
        step = _ascent(state)
        for halving in range(MAX_HALVINGS):
            proposed = theta + step / 2**halving
            new = _state(X, y, position, starts, proposed, modes, nodes)
            if new.log_likelihood >= state.log_likelihood - 1e-12 * (1 + abs(state.log_likelihood)):
                theta, state = proposed, new
                break
        converged = bool(np.max(np.abs(step) * scale) < STEP_TOLERANCE)
        if abs(theta[-1]) < 1e-5 or np.abs(X @ theta[:-1]).max() > 500:
            break
    null = float(y @ (X @ initial) - np.logaddexp(0.0, X @ initial).sum())
    if abs(theta[-1]) < 1e-4 or state.log_likelihood <= null + 1e-9:
        return RandomInterceptFit(initial.copy(), covariance, 0.0, np.nan, null, True, iteration)
    if not converged:
        blank = np.full_like(covariance, np.nan)
        return RandomInterceptFit(
            theta[:-1], blank, abs(theta[-1]), np.nan, state.log_likelihood, False, iteration
        )
    V = np.asarray(np.linalg.inv(state.information), dtype=float)
    return RandomInterceptFit(
        theta[:-1],
        V[:-1, :-1],
        float(abs(theta[-1])),
        float(np.sqrt(V[-1, -1])),
        state.log_likelihood,
        True,
        iteration,
    )


def _ascent(state: _State) -> FloatArray:
    """Return a Newton step; where the information is indefinite, a step along its positive part."""
    values, vectors = np.linalg.eigh(state.information)
    values = np.maximum(np.abs(values), 1e-8 * np.abs(values).max())
    return np.asarray(vectors @ ((vectors.T @ state.score) / values))


def _state(
    X: FloatArray,
    y: FloatArray,
    position: IntArray,
    starts: IntArray,
    theta: FloatArray,
    modes: FloatArray,
    nodes: tuple[FloatArray, FloatArray],
) -> _State:
    """Evaluate the likelihood and its derivatives; ``modes`` (of standard normal intercepts) is updated."""
    fixed, sd = X @ theta[:-1], theta[-1]
    curvature = _find_modes(fixed, y, position, starts, sd, modes)
    z, weight = nodes
    u = modes[:, None] + np.sqrt(2 / curvature)[:, None] * z  # (G, K)
    eta = fixed[:, None] + sd * u[position]
    log_joint = np.add.reduceat(y[:, None] * eta - np.logaddexp(0.0, eta), starts) - u**2 / 2
    log_term = log_joint + np.log(weight) + z**2 - np.log(curvature)[:, None] / 2 - np.log(np.pi) / 2
    log_cluster = logsumexp(log_term, axis=1)
    posterior = np.exp(log_term - log_cluster[:, None])
    pi = expit(eta)
    residual = y[:, None] - pi
    W = pi * (1 - pi)
    total = np.add.reduceat(residual, starts)  # (G, K)
    by_beta = np.stack([np.add.reduceat(residual * x[:, None], starts) for x in X.T], axis=2)
    s = np.concatenate([by_beta, (total * u)[:, :, None]], axis=2)  # complete-data scores (G, K, p + 1)
    mean = np.einsum("gk,gkp->gp", posterior, s)
    second = np.einsum("gk,gkp,gkq->pq", posterior, s, s, optimize=True) - mean.T @ mean
    p = X.shape[1]
    expected = np.empty((p + 1, p + 1))
    row_weight = W * posterior[position]
    expected[:p, :p] = X.T @ (X * row_weight.sum(axis=1)[:, None])
    expected[:p, p] = expected[p, :p] = X.T @ (row_weight * u[position]).sum(axis=1)
    expected[p, p] = float((row_weight * u[position] ** 2).sum())
    return _State(float(log_cluster.sum()), mean.sum(axis=0), expected - second)


def _find_modes(
    fixed: FloatArray, y: FloatArray, position: IntArray, starts: IntArray, sd: float, modes: FloatArray
) -> FloatArray:
    """Move ``modes`` to the maxima of the clusters' joint densities; return the curvatures there."""
    for _ in range(50):
        pi = expit(fixed + sd * modes[position])
        slope = sd * np.add.reduceat(y - pi, starts) - modes
        curvature = sd**2 * np.add.reduceat(pi * (1 - pi), starts) + 1
        step = slope / curvature
        # the density is log-concave with curvature at least 1: a bounded step cannot run away
        modes += np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    pi = expit(fixed + sd * modes[position])
    return np.asarray(sd**2 * np.add.reduceat(pi * (1 - pi), starts) + 1)
