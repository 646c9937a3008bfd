"""Which counts of a table to hide so that none below the disclosure threshold can be read or computed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def hidden_cells(
    counts: NDArray[np.int64], min_cell: int, total: int | None = None, *, add_up: bool = True
) -> NDArray[np.bool_]:
    """Mark the counts to hide: the small ones, and others so that no difference gives them away.

    Counts from 1 to ``min_cell - 1`` are hidden. While a row or column has exactly one hidden count beside
    others that are shown, the smallest shown count of at least ``min_cell`` in it is hidden as well.

    Parameters
    ----------
    counts : array of shape (categories, columns)
        Patients; the categories of a column add up to a printed number of patients.
    min_cell : int
        Smallest count that may be shown; 0 or 1 hides nothing.
    total : int, optional
        Position of the column that is the sum of the others; without it rows are not protected.

    add_up : bool, default=True
        Whether the counts of a column add up to a printed number.

    Returns
    -------
    array of bool of shape (categories, columns)
        True where the count is hidden.

    Examples
    --------
    >>> hidden_cells(np.array([[2], [9], [30]]), 5).ravel().tolist()
    [True, True, False]
    """
    hidden = (counts > 0) & (counts < min_cell)
    changed = bool(hidden.any())
    while changed:
        changed = _protect(hidden, counts, min_cell) if add_up else False
        if total is not None and counts.shape[1] > 2:
            changed |= _protect(hidden.T, counts.T, min_cell)
    return hidden


def _protect(hidden: NDArray[np.bool_], counts: NDArray[np.int64], min_cell: int) -> bool:
    """Hide one more count in every column that has exactly one hidden; tell whether any was."""
    changed = False
    for column in np.flatnonzero(hidden.sum(axis=0) == 1):
        free = np.flatnonzero(~hidden[:, column] & (counts[:, column] >= max(min_cell, 1)))
        if free.size:
            hidden[free[np.argmin(counts[free, column])], column] = True
            changed = True
    return changed


def count_text(count: int, min_cell: int) -> str:
    """Text of a hidden count: that it is below the threshold, or not.

    Examples
    --------
    >>> count_text(2, 5), count_text(9, 5)
    ('<5', '≥5')
    """
    return f"<{min_cell}" if count < min_cell else f"≥{min_cell}"
