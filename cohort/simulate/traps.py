"""Bookkeeping of the faults that the simulator puts into its files on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

TRAP_COLUMNS = ("name", "source", "file", "table", "column", "n", "reported_as")


class TrappedFile:
    """Rows of one file, all text, into which faults are written where no other fault is.

    Parameters
    ----------
    frame : DataFrame
        The rows; changed in place.
    source, file : str
        Name of the source and of the file or sheet within it.
    rng : Generator
        Chooses the rows.

    Attributes
    ----------
    frame : DataFrame
        The rows with the faults so far.
    log : list of tuple
        One entry per fault, in the order of ``TRAP_COLUMNS``.
    """

    def __init__(self, frame: pd.DataFrame, source: str, file: str, rng: np.random.Generator) -> None:
        self.frame = frame
        self.source = source
        self.file = file
        self.log: list[tuple[str, str, str, str, str, int, str]] = []
        self._rng = rng
        self._used = np.zeros(len(frame), dtype=bool)

    def write(
        self,
        name: str,
        table: str,
        column: str,
        values: Sequence[str],
        reported_as: str,
        n: int = 3,
        where: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.intp]:
        """Overwrite a column of a few filled rows with the values in turn, and return the rows' positions.

        Parameters
        ----------
        name : str
            Name of the fault.
        table : str
            Canonical table concerned.
        column : str
            Column of the file.
        values : sequence of str
            What to write, in turn.
        reported_as : str
            Status or table in which harmonization has to report the fault.
        n : int, default=3
            Number of rows at most.
        where : array of shape (rows,) or None, default=None
            Eligible rows; None for those with a value in the column.

        Returns
        -------
        array of shape (m,)
            Positions of the rows.
        """
        eligible = self.frame[column].ne("").to_numpy() if where is None else where
        chosen = self.choose(eligible, n)
        self.put(column, chosen, np.array(values, dtype=object)[np.arange(len(chosen)) % len(values)])
        self.note(name, table, column, len(chosen), reported_as)
        return chosen

    def put(self, column: str, rows: NDArray[np.intp], values: NDArray[np.object_]) -> None:
        """Overwrite some rows of a column.

        Parameters
        ----------
        column : str
            Column of the file.
        rows : array of shape (m,)
            Positions of the rows.
        values : sequence of str
            What to write, in turn.
        """
        cells = self.frame[column].to_numpy(dtype=object, copy=True)
        cells[rows] = values
        self.frame[column] = cells

    def choose(self, eligible: NDArray[np.bool_], n: int) -> NDArray[np.intp]:
        """Choose up to n eligible rows (a tenth of them at most, but one at least) that no fault has touched.

        Parameters
        ----------
        eligible : array of shape (rows,)
            Whether a row may be chosen.
        n : int, default=3
            Number of rows at most.

        Returns
        -------
        array of shape (m,)
            Their positions, in order.
        """
        free = np.flatnonzero(eligible & ~self._used)
        chosen = np.sort(self._rng.permutation(free)[: min(n, max(1, len(free) // 10))])
        self._used[chosen] = True
        return chosen

    def note(self, name: str, table: str, column: str, n: int, reported_as: str) -> None:
        """Record a fault and how harmonization has to report it.

        Parameters
        ----------
        name : str
            Name of the fault.
        table : str
            Canonical table concerned.
        column : str
            Column of the file.
        n : int, default=3
            Number of rows at most.
        reported_as : str
            Status or table in which harmonization has to report the fault.
        """
        self.log.append((name, self.source, self.file, table, column, int(n), reported_as))

    def duplicate(self, table: str, column: str, change: Mapping[str, str], n: int = 3) -> None:
        """Append exact copies of a few rows, and copies of others whose value in one column is another one.

        Parameters
        ----------
        table : str
            Canonical table the rows belong to.
        column : str
            Column that differs in the conflicting copies.
        change : mapping of str to str
            What each value of that column becomes in the conflicting copy.
        n : int, default=3
            Copies of each kind at most.
        """
        eligible = self.frame[column].isin(list(change)).to_numpy()
        exact = self.choose(eligible, n)
        conflicting = self.choose(eligible, n)
        altered = self.frame.iloc[conflicting].copy()
        altered[column] = altered[column].map(change)
        self.note("duplicate_exact", table, "", len(exact), "audit")
        self.note("duplicate_conflicting", table, column, len(conflicting), "conflicts")
        self.frame = pd.concat([self.frame, self.frame.iloc[exact], altered], ignore_index=True)
        self._used = np.concatenate([self._used, np.ones(len(exact) + len(altered), dtype=bool)])


def trap_table(files: Sequence[TrappedFile]) -> pd.DataFrame:
    """Return the faults of all files as one table with the columns ``TRAP_COLUMNS``.

    Parameters
    ----------
    files : sequence of TrappedFile
        Files with their faults.

    Returns
    -------
    DataFrame
        One row per fault that was set at least once.
    """
    rows = [row for file in files for row in file.log if row[5] > 0]
    return pd.DataFrame(rows, columns=list(TRAP_COLUMNS))
