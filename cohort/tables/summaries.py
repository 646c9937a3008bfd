"""The numbers of descriptive tables, from arrays: quantiles, spread, standardized differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]
Sample = TypeVar("Sample")


def quantiles(values: FloatArray, probabilities: Sequence[float] = (0.25, 0.5, 0.75)) -> FloatArray:
    """Compute sample quantiles as SAS does by default (type 2 of Hyndman and Fan).

    The empirical distribution is inverted; where it is flat, the two neighbours are averaged.

    Parameters
    ----------
    values : array of shape (n,)
        Numbers without NaN.
    probabilities : sequence of float, default=(0.25, 0.5, 0.75)
        Probabilities between 0 and 1.

    Returns
    -------
    array of shape (len(probabilities),)
        Quantiles in the unit of the values; NaN for an empty sample.

    Examples
    --------
    >>> quantiles(np.array([1.0, 2.0, 3.0, 4.0])).tolist()
    [1.5, 2.5, 3.5]
    """
    if values.size == 0:
        return np.full(len(probabilities), np.nan)
    return np.quantile(values, probabilities, method="averaged_inverted_cdf")


def numeric_summary(values: FloatArray) -> dict[str, float]:
    """Compute mean, standard deviation, quartiles and range of a sample.

    Parameters
    ----------
    values : array of shape (n,)
        Numbers without NaN.

    Returns
    -------
    dict of str to float
        ``mean, sd, median, q1, q3, min, max`` in the unit of the values; NaN where the sample is too small.
    """
    q1, median, q3 = quantiles(values)
    empty = values.size == 0
    return {
        "mean": math.nan if empty else float(np.mean(values)),
        "sd": float(np.std(values, ddof=1)) if values.size > 1 else math.nan,
        "median": float(median),
        "q1": float(q1),
        "q3": float(q3),
        "min": math.nan if empty else float(np.min(values)),
        "max": math.nan if empty else float(np.max(values)),
    }


def smd_means(first: FloatArray, second: FloatArray) -> float:
    """Compute the absolute standardized difference of two means.

    Parameters
    ----------
    first, second : array of shape (n,)
        Samples without NaN, in the same unit.

    Returns
    -------
    float
        ``|mean1 - mean2| / sqrt((var1 + var2) / 2)``, unitless; NaN when a sample has fewer than two values
        or neither varies.
    """
    if min(first.size, second.size) < 2:
        return math.nan
    spread = math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 2)
    return abs(float(np.mean(first) - np.mean(second))) / spread if spread > 0 else math.nan


def smd_ranks(first: FloatArray, second: FloatArray) -> float:
    """Compute the standardized difference of the ranks in the joint sample, for skewed variables.

    Parameters
    ----------
    first, second : array of shape (n,)
        Samples without NaN, in the same unit.

    Returns
    -------
    float
        `smd_means` of the midranks, unitless [1]_.

    References
    ----------
    .. [1] Yang D, Dalton JE (2012). A unified approach to measuring the effect size between two groups using
       SAS. SAS Global Forum 2012, paper 335.
    """
    if min(first.size, second.size) < 2:
        return math.nan
    ranks = stats.rankdata(np.concatenate([first, second]))
    return smd_means(ranks[: first.size], ranks[first.size :])


def smd_levels(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Compute the standardized difference of two distributions over the same categories.

    Parameters
    ----------
    first, second : array of shape (k,)
        Patients per category.

    Returns
    -------
    float
        ``sqrt((p1 - p2)' S^-1 (p1 - p2))`` over all but one category, S the mean of the two multinomial
        covariances (Yang and Dalton 2012), unitless; NaN when a group is empty or the groups do not overlap.
    """
    if not first.sum() or not second.sum():
        return math.nan
    seen = (first + second) > 0
    shares = [(counts[seen] / counts.sum())[1:] for counts in (first, second)]
    difference = shares[0] - shares[1]
    covariance = sum((np.diag(p) - np.outer(p, p)) / 2 for p in shares)
    if not difference.size or not np.any(difference):
        return 0.0
    inverse = np.linalg.pinv(covariance, hermitian=True)
    # a difference outside the range of S is infinitely many standard deviations: groups are separated
    if not np.allclose(covariance @ inverse @ difference, difference, rtol=0, atol=1e-10):
        return math.nan
    return math.sqrt(float(difference @ inverse @ difference))


def largest_pair(measure: Callable[[Sample, Sample], float], groups: Sequence[Sample]) -> float:
    """Return the largest value of a measure over all pairs of groups; NaN when one pair has none."""
    values = [measure(first, second) for first, second in combinations(groups, 2)]
    return math.nan if not values or any(math.isnan(value) for value in values) else max(values)
