"""Krippendorff's alpha at four levels of measurement, with the influence of each unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.agreement import FEW_UNITS, ONE_CATEGORY, Coefficient, missing_coefficient

FloatArray = NDArray[np.float64]


def krippendorff_distances(scores: FloatArray, n: FloatArray, level: str) -> FloatArray:
    """Return Krippendorff's squared differences between categories.

    Parameters
    ----------
    scores : array of shape (q,)
        Values of the categories, increasing.
    n : array of shape (q,)
        Pairable ratings per category; ordinal differences depend on them.
    level : {'nominal', 'ordinal', 'interval', 'ratio'}
        Level of measurement.

    Returns
    -------
    array of shape (q, q)
        Krippendorff 2011, section D.
    """
    if level == "nominal":
        return np.asarray(1.0 - np.eye(len(scores)))
    places = middle_ranks(n) if level == "ordinal" else scores
    difference = places[:, None] - places[None, :]
    if level != "ratio":
        return np.asarray(difference**2)
    total = scores[:, None] + scores[None, :]
    return np.divide(difference, total, out=np.zeros_like(difference), where=total != 0) ** 2


def middle_ranks(n: FloatArray) -> FloatArray:
    """Return the places of the categories whose squared distances are the ordinal differences.

    Parameters
    ----------
    n : array of shape (..., q)
        Ratings per category.

    Returns
    -------
    array of shape (..., q)
        Ratings below the category and half of those in it.
    """
    return np.asarray(np.cumsum(n, axis=-1) - n / 2)


def krippendorff_alpha(r: FloatArray, scores: FloatArray, level: str) -> Coefficient:
    """Return Krippendorff's alpha from the units with two ratings or more.

    Parameters
    ----------
    r : array of shape (n, q)
        Ratings per unit and category.
    scores : array of shape (q,)
        Values of the categories.
    level : {'nominal', 'ordinal', 'interval', 'ratio'}
        Level of measurement.

    Returns
    -------
    Coefficient
        Krippendorff 2011; the influence is the derivative by the weight of the unit, through the ordinal
        differences as well.
    """
    ri = r.sum(axis=1)
    used = np.where(ri[:, None] >= 2, r, 0.0)
    if (ri >= 2).sum() < 2:
        return missing_coefficient(r, FEW_UNITS)
    n = used.sum(axis=0)
    total = float(n.sum())
    distance = krippendorff_distances(scores, n, level)
    expected = float(n @ distance @ n)
    if expected == 0:
        return missing_coefficient(r, ONE_CATEGORY)
    scaled = used / np.maximum(ri - 1, 1)[:, None]
    apart = ((scaled @ distance) * used).sum(axis=1)
    of_expected = 2 * (used @ (distance @ n))
    of_apart = apart
    if level == "ordinal":
        together = scaled.T @ used
        of_apart = apart + _through_ranks(used, n, together)
        of_expected = of_expected + _through_ranks(used, n, np.outer(n, n))
    ratio = float(apart.sum()) / expected
    # alpha = 1 - (total - 1) ratio; each term is the derivative by the unit's weight
    change = used.sum(axis=1) * ratio + (total - 1) * (of_apart - ratio * of_expected) / expected
    two = ri >= 2  # the factor total - 1 leaves a sum of order 1/n, which is taken off
    return Coefficient(
        1 - (total - 1) * ratio, np.where(two, change[two].mean() - change, 0.0), int(two.sum())
    )


def _through_ranks(used: FloatArray, n: FloatArray, pairs: FloatArray) -> FloatArray:
    """Differentiate sum(pairs * (M_c - M_k)^2) by each unit's part of the middle ranks M."""
    M = middle_ranks(n)
    rows = (pairs * (M[:, None] - M[None, :])).sum(axis=1)
    return np.asarray(4 * (middle_ranks(used) @ rows))
