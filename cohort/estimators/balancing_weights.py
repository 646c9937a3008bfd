"""Weights from probabilities of exposure: whom each weighted group stands for, and how they move with the model."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Target = Literal["ate", "att", "overlap", "matching", "imaged"]


def balancing_weights(
    probability: FloatArray, group: IntArray, target: Target, focal: int = 1
) -> tuple[FloatArray, FloatArray]:
    """Weight each patient by h(x) / P(own group | x).

    Parameters
    ----------
    probability : array of shape (n, k)
        Probability of each group.
    group : array of shape (n,)
        Own group.
    target : {'ate', 'att', 'overlap', 'matching', 'imaged'}
        Tilting function h: 1; the probability of the focal group; the harmonic mean of the probabilities
        (over k); their minimum. ``imaged`` is 1 for the focal group, and no weight for the others.
    focal : int, default=1
        Group that ``att`` and ``imaged`` refer to.

    Returns
    -------
    weight : array of shape (n,)
        Weights; 0 for those who stand for nobody.
    slope : array of shape (n, k - 1)
        Derivative of the log weight by each linear predictor, from the second group on.

    References
    ----------
    .. [1] Li F, Li F (2019). Propensity score weighting for causal inference with multiple treatments.
       Ann Appl Stat 13:2389-2415. doi:10.1214/19-AOAS1282
    """
    n, k = probability.shape
    own = (group[:, None] == np.arange(k)[None, :]).astype(float)
    # log w = log h - log e_own; share: derivative of log h by each log e
    share = np.zeros((n, k))
    tilt = np.ones(n)
    if target == "att":
        tilt, share[:, focal] = probability[:, focal], 1.0
    elif target == "overlap":
        inverse = 1 / probability
        tilt = 1 / inverse.sum(axis=1)
        share = tilt[:, None] * inverse
    elif target == "matching":
        lowest = probability.argmin(axis=1)
        tilt, share[np.arange(n), lowest] = probability[np.arange(n), lowest], 1.0
    weight = tilt / (probability * own).sum(axis=1)
    if target == "imaged":
        weight = np.where(group == focal, weight, 0.0)
    change = share - own
    slope = change[:, 1:] - probability[:, 1:] * change.sum(axis=1, keepdims=True)
    return weight, slope


def stabilize(weight: FloatArray, group: IntArray, n_group: int) -> FloatArray:
    """Multiply each weight by the share of its group, so that weights average about 1.

    Parameters
    ----------
    weight : array of shape (n,)
        Weights.
    group : array of shape (n,)
        Codes.
    n_group : int
        Number of groups.

    Returns
    -------
    array of shape (n,)
        Stabilized weights.
    """
    shares = np.bincount(group, minlength=n_group) / len(group)
    return np.asarray(weight * shares[group])


def truncate_weights(weight: FloatArray, quantiles: tuple[float, float]) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Set weights outside two quantiles of the positive weights to these quantiles.

    Parameters
    ----------
    weight : array of shape (n,)
        Weights; zeros stay.
    quantiles : tuple of float
        Lower and upper quantile, such as (0.01, 0.99).

    Returns
    -------
    weight : array of shape (n,)
        Truncated weights.
    changed : array of shape (n,)
        Whose weight was moved.
    """
    positive = weight > 0
    low, high = np.quantile(weight[positive], quantiles)
    out = np.where(positive, np.clip(weight, low, high), 0.0)
    return out, out != weight


def effective_sample_size(weight: FloatArray) -> float:
    """Return Kish's effective sample size, (sum w)^2 / sum w^2; 0 without weight.

    Parameters
    ----------
    weight : array of shape (n,)
        Weights.

    Returns
    -------
    float
        Patients of equal weight that would give the same variance of a mean.
    """
    total = float(np.sum(weight**2))
    return float(np.sum(weight) ** 2 / total) if total > 0 else 0.0
