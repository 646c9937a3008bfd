"""Which counts of a table to hide so that none below the disclosure threshold can be read or computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.study.disclosure import suppress


def hidden_cells(
    counts: NDArray[np.int64], min_cell: int, total: int | None = None, *, add_up: bool = True
) -> NDArray[np.bool_]:
    """Mark the counts to hide: the small ones, and others so that no difference gives them away.

    Parameters
    ----------
    counts : array of shape (categories, columns)
        Patients.
    min_cell : int
        Smallest count that may be shown; 0 or 1 hides nothing.
    total : int, optional
        Position of the column that is the sum of the others; without it rows are not protected.
    add_up : bool, default=True
        Whether the categories of a column add up to a printed number of patients.

    Returns
    -------
    array of bool of shape (categories, columns)
        True where the count is hidden.

    Examples
    --------
    >>> hidden_cells(np.array([[2], [9], [30]]), 5).ravel().tolist()
    [True, True, False]
    """
    names = [f"column {position}" for position in range(counts.shape[1])]
    frame = pd.DataFrame(counts, columns=names).assign(line=np.arange(len(counts)))
    sums = None if total is None or len(names) < 3 else names[total]
    found = suppress(frame, min_cell, names, by=() if add_up else ("line",), total=sums)
    return np.asarray(found.hidden.to_numpy(dtype=bool))


def count_text(count: int, min_cell: int) -> str:
    """Text of a hidden count: that it is below the threshold, or not.

    Examples
    --------
    >>> count_text(2, 5), count_text(9, 5)
    ('<5', '≥5')
    """
    return f"<{min_cell}" if count < min_cell else f"≥{min_cell}"
