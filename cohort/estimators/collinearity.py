"""Which column of a cross-product matrix the columns before it explain."""

from __future__ import annotations

import contextlib

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def first_dependent(gram: FloatArray, tolerance: float = 1e-10) -> tuple[int, FloatArray] | None:
    """Find the first column that the columns before it explain, with their weights.

    Parameters
    ----------
    gram : array of shape (p, p)
        Cross-products; columns should be of comparable size.
    tolerance : float, default=1e-10
        Share of a column's sum of squares that must be its own.

    Returns
    -------
    tuple of (int, array) or None
        Position, and weights of the columns before it; None when all columns are independent.

    Examples
    --------
    >>> first_dependent(np.array([[1.0, 1.0], [1.0, 1.0]]))
    (1, array([1.]))
    """
    with contextlib.suppress(np.linalg.LinAlgError):
        # The squared pivots of Cholesky's decomposition are what each column has of its own.
        own = np.diag(np.linalg.cholesky(gram)) ** 2
        if (own > tolerance * np.maximum(np.diag(gram), tolerance)).all():
            return None
    for j in range(len(gram)):
        weights = np.linalg.solve(gram[:j, :j], gram[:j, j])
        if not gram[j, j] - gram[:j, j] @ weights > tolerance * max(gram[j, j], tolerance):
            return j, np.asarray(weights, dtype=float)
    return None
