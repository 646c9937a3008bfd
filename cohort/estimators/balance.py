"""How alike two weighted samples are in one covariate: mean difference, variance ratio, distributions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Balance:
    """Balance of one covariate.

    Attributes
    ----------
    means : tuple of float
        Weighted means of the first and second sample.
    difference : float
        Second minus first mean, divided by the scale; NaN when the scale is 0 and the means differ.
    variance_ratio : float
        Weighted variance of the second sample over that of the first; NaN when either is 0.
    ks : float
        Largest difference of the weighted distribution functions.
    """

    means: tuple[float, float]
    difference: float
    variance_ratio: float
    ks: float


def compare(x: FloatArray, first: FloatArray, second: FloatArray, scale: float) -> Balance:
    """Compare a covariate between two weighted samples.

    Parameters
    ----------
    x : array of shape (n,)
        Values, complete.
    first, second : array of shape (n,)
        Weights of each patient in the two samples, 0 for those who are not in it.
    scale : float
        Standard deviation that the difference is measured in.

    Returns
    -------
    Balance
        The measures; NaN when a sample is empty.
    """
    totals = first.sum(), second.sum()
    if min(totals) <= 0:
        return Balance((np.nan, np.nan), np.nan, np.nan, np.nan)
    means = float(first @ x / totals[0]), float(second @ x / totals[1])
    gap = means[1] - means[0]
    difference = gap / scale if scale > 0 else (0.0 if abs(gap) < 1e-12 else np.nan)
    variances = weighted_variance(x, first), weighted_variance(x, second)
    ratio = variances[1] / variances[0] if min(variances) > 0 else np.nan
    return Balance(means, difference, ratio, _ks(x, first / totals[0], second / totals[1]))


def weighted_variance(x: FloatArray, w: FloatArray) -> float:
    """Return the variance under weights, with the factor that makes it the usual one (n - 1) for equal weights.

    Parameters
    ----------
    x, w : array of shape (n,)
        Values and weights.

    Returns
    -------
    float
        The variance; 0 when fewer than two patients have weight.
    """
    total, squares = float(w.sum()), float(np.sum(w**2))
    if total <= 0 or total**2 - squares <= 1e-12 * total**2:
        return 0.0
    mean = float(w @ x) / total
    return float(w @ (x - mean) ** 2) * total / (total**2 - squares)


def _ks(x: FloatArray, first: FloatArray, second: FloatArray) -> float:
    values, position = np.unique(x, return_inverse=True)
    steps = np.bincount(position, weights=second - first, minlength=len(values))
    return float(np.max(np.abs(np.cumsum(steps))))
