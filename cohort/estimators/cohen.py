"""Cohen's kappa of two raters, weighted or not, with the large-sample variance of 1969."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.agreement import ONE_CATEGORY, Coefficient

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def cohen_kappa(first: IntArray, second: IntArray, W: FloatArray) -> Coefficient:
    """Return (weighted) kappa of two raters with the influence of each unit.

    Parameters
    ----------
    first, second : array of shape (n,)
        Category codes; -1 where not rated. Units rated by both are used.
    W : array of shape (q, q)
        Agreement weights, 1 on the diagonal.

    Returns
    -------
    Coefficient
        The sum of squared influences is the variance of Fleiss, Cohen and Everitt (1969, equation 8).
    """
    both = (first >= 0) & (second >= 0)
    n, q = int(both.sum()), len(W)
    if n < 2:
        return Coefficient(float("nan"), np.zeros(len(first)), n, "fewer than two units are rated by both")
    i, j = first[both], second[both]
    p = np.bincount(i * q + j, minlength=q * q).reshape(q, q) / n
    row, column = p.sum(axis=1), p.sum(axis=0)
    observed, expected = float((W * p).sum()), float(row @ W @ column)
    if 1 - expected < 1e-12:
        return Coefficient(float("nan"), np.zeros(len(first)), n, ONE_CATEGORY)
    kappa = (observed - expected) / (1 - expected)
    margins = (W @ column)[i] + (W.T @ row)[j]
    each = W[i, j] - margins * (1 - kappa) - (kappa - expected * (1 - kappa))
    influence = np.zeros(len(first))
    influence[both] = each / (1 - expected) / n
    return Coefficient(kappa, influence, n)


def two_by_two_indices(table: FloatArray) -> tuple[float, float]:
    """Return the prevalence index and the bias index of two raters on present and absent.

    Parameters
    ----------
    table : array of shape (2, 2)
        Units by the first (rows) and the second rater; absent, present.

    Returns
    -------
    prevalence_index, bias_index : float
        |a - d|/n and |b - c|/n (Byrt, Bishop and Carlin 1993).
    """
    n = table.sum()
    return float(abs(table[0, 0] - table[1, 1]) / n), float(abs(table[0, 1] - table[1, 0]) / n)
