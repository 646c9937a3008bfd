"""Weights from probabilities of exposure: whom each weighted group stands for."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Target = Literal["ate", "att", "overlap", "matching", "imaged"]


def balancing_weights(probability: FloatArray, group: IntArray, target: Target, focal: int = 1) -> FloatArray:
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
    array of shape (n,)
        Weights; 0 for those who stand for nobody.

    References
    ----------
    .. [1] Li F, Li F (2019). Propensity score weighting for causal inference with multiple treatments.
       Ann Appl Stat 13:2389-2415. doi:10.1214/19-AOAS1282
    """
    tilt = np.ones(len(group))
    if target == "att":
        tilt = probability[:, focal]
    elif target == "overlap":
        tilt = 1 / (1 / probability).sum(axis=1)
    elif target == "matching":
        tilt = probability.min(axis=1)
    weight = tilt / probability[np.arange(len(group)), group]
    return np.where(group == focal, weight, 0.0) if target == "imaged" else weight


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


def truncate_weights(
    weight: FloatArray, quantiles: tuple[float, float]
) -> tuple[FloatArray, NDArray[np.bool_]]:
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
