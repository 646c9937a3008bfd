"""Entropy balancing: the weights closest to equal that match means exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MAX_ITERATIONS = 200
TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class EntropyBalance:
    """Weights of one group.

    Attributes
    ----------
    weight : array of shape (n,)
        Weights, mean 1.
    imbalance : float
        Largest difference of a weighted mean from its target, in standard deviations of the group.
    converged : bool
        Whether the means match within 1e-10; False when no weights can match them.
    iterations : int
        Newton steps.
    """

    weight: FloatArray
    imbalance: float
    converged: bool
    iterations: int


def entropy_balance(X: FloatArray, target: FloatArray) -> EntropyBalance:
    """Find the weights of smallest entropy divergence from equal weights whose means are the target.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates of the group, without intercept.
    target : array of shape (p,)
        Means to match.

    Returns
    -------
    EntropyBalance
        The weights.

    Notes
    -----
    Newton's method on the convex dual, log of the mean of exp(lambda' (x - target)) [1]_, equation 9, with halved
    steps. A target outside the convex hull of the rows has no solution: the dual is then unbounded.

    References
    ----------
    .. [1] Hainmueller J (2012). Entropy balancing for causal effects. Polit Anal 20:25-46.
       doi:10.1093/pan/mpr025
    """
    spread = X.std(axis=0)
    Z = (X - target) / np.where(spread > 0, spread, 1.0)
    coefficient = np.zeros(X.shape[1])
    value, w = _dual(Z, coefficient)
    iteration = 0
    gradient = w @ Z
    while np.max(np.abs(gradient)) >= TOLERANCE and iteration < MAX_ITERATIONS:
        iteration += 1
        hessian = (Z * w[:, None]).T @ Z - np.outer(gradient, gradient)
        step = -np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
        for halving in range(40):
            new, proposed = _dual(Z, coefficient + step / 2**halving)
            if new <= value + 1e-4 * float(gradient @ step) / 2**halving + 1e-15:
                break
        coefficient, value, w = coefficient + step / 2**halving, new, proposed
        gradient = w @ Z
    imbalance = float(np.max(np.abs(gradient)))
    return EntropyBalance(w * len(X), imbalance, imbalance < TOLERANCE, iteration)


def _dual(Z: FloatArray, coefficient: FloatArray) -> tuple[float, FloatArray]:
    eta = Z @ coefficient
    top = float(eta.max())
    w = np.exp(eta - top)
    total = float(w.sum())
    return top + float(np.log(total / len(Z))), w / total
