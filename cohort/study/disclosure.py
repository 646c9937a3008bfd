"""Disclosure control: small counts leave no table, and cannot be computed from the counts that remain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import SmallCellError, StudyError

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Suppressed:
    """Counts with the small ones taken out.

    Attributes
    ----------
    frame : DataFrame
        The frame with suppressed counts missing.
    hidden : DataFrame of bool
        Which counts were suppressed, by row and count column.
    n_primary : int
        Counts suppressed because they are small.
    n_complementary : int
        Counts suppressed because a small one could be computed from them.
    n_exposed : int
        Small counts that can still be computed from a printed total, because nothing else was left to hide.
    """

    frame: pd.DataFrame
    hidden: pd.DataFrame
    n_primary: int
    n_complementary: int
    n_exposed: int

    @property
    def note(self) -> str:
        """A sentence for the foot of the table; empty when nothing was suppressed.

        Returns
        -------
        str
            The sentence.
        """
        if not self.n_primary:
            return ""
        more = (
            f" and {self.n_complementary} from which they could be computed" if self.n_complementary else ""
        )
        return f"{self.n_primary} small counts{more} are not shown."


def suppress(
    frame: pd.DataFrame,
    min_cell: int = 5,
    count_columns: Sequence[str] = (),
    by: Sequence[str] = (),
    total: str | None = None,
) -> Suppressed:
    """Take small counts out of a table of counts.

    Counts from 1 to ``min_cell - 1`` are suppressed. Where exactly one count of a column (within ``by``) is
    suppressed, it could be computed from the column's total, so the smallest other count is suppressed as
    well; the same along the row where ``total`` is the sum of the other count columns.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Table of counts; the rows of a group partition its patients.
    min_cell : int, default=5
        Smallest count that may be shown; 0 or 1 suppresses nothing.
    count_columns : sequence of str
        Columns with counts.
    by : sequence of str, default=()
        Columns that name the group of rows that add up to one total.
    total : str, optional
        Count column that is the sum of the others.

    Returns
    -------
    Suppressed
        The table without small counts, and what was taken out.

    Raises
    ------
    StudyError
        When a column is missing or does not hold counts.

    Examples
    --------
    >>> table = pd.DataFrame({"grade": [0, 1, 2, 3], "n": [40, 12, 9, 2]})
    >>> suppress(table, count_columns=["n"]).frame["n"].tolist()
    [40, 12, <NA>, <NA>]
    """
    counts = _counts(frame, count_columns, by, total)
    primary = (counts > 0) & (counts < min_cell)
    hidden = primary.copy()
    groups = _groups(frame, by)
    position = None if total is None else list(count_columns).index(total)
    changed = bool(primary.any())
    while changed:
        changed = any([_protect_columns(hidden, counts, rows) for rows in groups])
        if position is not None:
            changed |= _protect_rows(hidden, counts)
    out = frame.copy()
    for k, column in enumerate(count_columns):
        out[column] = frame[column].astype("Int64").mask(hidden[:, k])
    return Suppressed(
        out,
        pd.DataFrame(hidden, index=frame.index, columns=list(count_columns)),
        int(primary.sum()),
        int((hidden & ~primary).sum()),
        _exposed(hidden, primary, groups, position is not None),
    )


def require_no_small_cells(
    frame: pd.DataFrame, min_cell: int, count_columns: Sequence[str], what: str
) -> None:
    """Refuse to let a table with small counts leave.

    Parameters
    ----------
    frame : DataFrame
        Table about to be written.
    min_cell : int
        Smallest count that may be shown.
    count_columns : sequence of str
        Columns with counts.
    what : str
        Name of the table.

    Raises
    ------
    SmallCellError
        When a count from 1 to ``min_cell - 1`` is in it.
    """
    counts = _counts(frame, count_columns, (), None)
    n = int(((counts > 0) & (counts < min_cell)).sum())
    if n:
        raise SmallCellError(
            f"{what} holds counts below the disclosure threshold.",
            evidence=f"{n} counts from 1 to {min_cell - 1} in {', '.join(count_columns)}",
            remedy=f"suppress(frame, min_cell={min_cell}, count_columns={list(count_columns)!r}).frame",
        )


def _counts(
    frame: pd.DataFrame, count_columns: Sequence[str], by: Sequence[str], total: str | None
) -> NDArray[np.float64]:
    """Return the counts as floats, NaN where missing."""
    absent = [c for c in (*count_columns, *by) if c not in frame.columns]
    if absent or not count_columns or (total is not None and total not in count_columns):
        raise StudyError(
            "suppress() needs the columns with counts, and total= among them.",
            evidence=f"not in the frame: {', '.join(absent)}" if absent else f"total={total!r}",
            remedy='suppress(frame, min_cell=5, count_columns=["n"], by=["variable"])',
        )
    counts = frame[list(count_columns)].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    whole = np.isnan(counts) | ((counts >= 0) & (np.mod(counts, 1) == 0))
    if not whole.all():
        raise StudyError(
            "A count column holds values that are not counts.",
            evidence=f"{int((~whole).sum())} values are negative or not whole",
            remedy="Give the columns with numbers of patients only.",
        )
    return np.asarray(counts, dtype=np.float64)


def _groups(frame: pd.DataFrame, by: Sequence[str]) -> list[NDArray[np.intp]]:
    """Return the positions of the rows of each group."""
    if not by:
        return [np.arange(len(frame))]
    codes = frame.groupby(list(by), sort=False, dropna=False, observed=True).ngroup().to_numpy()
    return [np.flatnonzero(codes == k) for k in range(int(codes.max(initial=-1)) + 1)]


def _protect_columns(hidden: BoolArray, counts: NDArray[np.float64], rows: NDArray[np.intp]) -> bool:
    """Hide the smallest other count of each column of the group with exactly one hidden."""
    changed = False
    for column in np.flatnonzero(hidden[rows].sum(axis=0) == 1):
        free = rows[~hidden[rows, column] & (counts[rows, column] > 0)]
        if len(free):
            hidden[free[np.argmin(counts[free, column])], column] = True
            changed = True
    return changed


def _protect_rows(hidden: BoolArray, counts: NDArray[np.float64]) -> bool:
    """Hide the smallest other count of each row with exactly one hidden."""
    changed = False
    for row in np.flatnonzero(hidden.sum(axis=1) == 1):
        free = np.flatnonzero(~hidden[row] & (counts[row] > 0))
        if len(free):
            hidden[row, free[np.argmin(counts[row, free])]] = True
            changed = True
    return changed


def _exposed(hidden: BoolArray, primary: BoolArray, groups: list[NDArray[np.intp]], has_total: bool) -> int:
    """Count small counts that are alone in their column or row and so follow from its total."""
    alone = np.zeros_like(hidden)
    for rows in groups:
        alone[rows] = hidden[rows] & (hidden[rows].sum(axis=0) == 1)
    if has_total:
        alone |= hidden & (hidden.sum(axis=1, keepdims=True) == 1)
    return int((alone & primary).sum())
