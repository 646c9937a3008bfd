"""Cluster-robust variance of a logistic regression: bias-reduced, and where it means nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

FloatArray = NDArray[np.float64]
LONE = 1e-9


def bias_reduced_covariance(
    X: FloatArray, y: FloatArray, beta: FloatArray, cluster: ArrayLike
) -> tuple[FloatArray, FloatArray, int]:
    """Return the bias-reduced (CR2) covariance and degrees of freedom.

    The residuals on the scale of the outcome, whose working variance is that of the model, are regressed on
    the derivatives of the fitted risks, as R clubSandwich does.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix.
    y : array of shape (n,)
        Outcome, 0 or 1.
    beta : array of shape (p,)
        Maximum likelihood estimate.
    cluster : array of shape (n,)
        Cluster codes.

    Returns
    -------
    covariance : array of shape (p, p)
        Sandwich with each cluster's residuals multiplied by the adjustment matrix of Pustejovsky and Tipton.
    df : array of shape (p,)
        Satterthwaite degrees of freedom of each coefficient.
    n_cluster : int
        Number of clusters.

    References
    ----------
    .. [1] Bell RM, McCaffrey DF (2002). Bias reduction in standard errors for linear regression with
       multi-stage samples. Survey Methodology 28:169-181.
    .. [2] Pustejovsky JE, Tipton E (2018). Small-sample methods for cluster-robust variance estimation and
       hypothesis testing in fixed effects models. J Bus Econ Stat 36:672-683.
       doi:10.1080/07350015.2016.1247004
    """
    codes, position = np.unique(np.asarray(cluster), return_inverse=True)
    pi = expit(X @ beta)
    V = np.maximum(pi * (1 - pi), 1e-300)
    M = np.asarray(np.linalg.inv(X.T @ (X * V[:, None])), dtype=float)
    residual = y - pi
    p = X.shape[1]
    scores = np.empty((len(codes), p))
    # d: variance of each cluster's adjusted contribution; b: its part explained by the estimated coefficients
    d, b = np.empty((len(codes), p)), np.empty((len(codes), p, p))
    for g in range(len(codes)):
        rows = np.flatnonzero(position == g)
        v = V[rows]
        D, root = X[rows] * v[:, None], np.sqrt(v)
        B = root[:, None] * (np.diag(v) - D @ M @ D.T) * root
        A = root[:, None] * _inverse_root(B) * root
        contribution = A.T @ X[rows]  # A' V^-1 D
        scores[g] = contribution.T @ residual[rows]
        a = contribution @ M
        d[g] = (a**2 * v[:, None]).sum(axis=0)
        b[g] = D.T @ a
    covariance = M @ (scores.T @ scores) @ M
    return covariance, _degrees(d, b, M), len(codes)


def resting_on_one_cluster(X: FloatArray, beta: FloatArray, cluster: ArrayLike) -> NDArray[np.bool_]:
    """Tell which coefficients could not be estimated if some one cluster were left out.

    Their sandwich variance is meaningless: the model fits that cluster perfectly, so it adds nothing to the variance.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix.
    beta : array of shape (p,)
        Estimate.
    cluster : array of shape (n,)
        Cluster codes.

    Returns
    -------
    array of shape (p,)
        Whether each coefficient rests on one cluster alone.
    """
    position = np.unique(np.asarray(cluster), return_inverse=True)[1]
    order = np.argsort(position, kind="stable")
    eta = X[order] @ beta
    Z = X[order] * np.sqrt(np.maximum(expit(eta) * expit(-eta), 1e-300))[:, None]
    scale = np.sqrt((Z**2).sum(axis=0))
    Z = Z / scale
    # leverage of a cluster: in coordinates where the whole information is the identity, its own information; an
    # eigenvalue of 1 is a direction that no other cluster informs
    root = np.linalg.inv(np.linalg.cholesky(Z.T @ Z)).T
    Z = Z @ root
    starts = np.flatnonzero(np.diff(position[order], prepend=-1))
    trace = np.add.reduceat((Z**2).sum(axis=1), starts)
    lone = np.zeros(X.shape[1], dtype=bool)
    for g in np.flatnonzero(trace > 1 - LONE).tolist():
        own = Z[starts[g] :] if g + 1 == len(starts) else Z[starts[g] : starts[g + 1]]
        values, vectors = np.linalg.eigh(own.T @ own)
        directions = root @ vectors[:, values > 1 - LONE]
        lone |= (np.abs(directions) > 1e-6 * np.abs(root).max()).any(axis=1)
    return lone


def _degrees(d: FloatArray, b: FloatArray, M: FloatArray) -> FloatArray:
    """Match the first two moments: (sum of eigenvalues)^2 over the sum of their squares."""
    df = np.empty(d.shape[1])
    for j in range(len(df)):
        G = np.diag(d[:, j]) - b[:, :, j] @ M @ b[:, :, j].T
        df[j] = np.trace(G) ** 2 / (G**2).sum()
    return df


def _inverse_root(B: FloatArray) -> FloatArray:
    """Return the symmetric (pseudo-)inverse square root."""
    values, vectors = np.linalg.eigh(B)
    positive = values > 1e-12 * values.max()
    roots = np.where(positive, 1 / np.sqrt(np.where(positive, values, 1.0)), 0.0)
    return np.asarray((vectors * roots) @ vectors.T)
