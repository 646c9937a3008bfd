"""Makes one row of what several forms or visits say about one key, where a mapping declares how."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.mapping_model import Merge
from cohort.dictionary.read import Table, Variable
from cohort.registry.engine import STATUSES
from cohort.registry.sql_block import output_columns

Rows = NDArray[np.integer]
Codes = NDArray[np.integer]
Mask = NDArray[np.bool_]
# Without a value in any row, the status that asks for most attention is kept.
_NO_VALUE = (
    "unmapped",
    "unparsed",
    "out_of_range",
    "no_unit",
    "missing:unknown",
    "missing:not_reported",
    "missing:not_done",
    "missing:blank",
    "missing:not_applicable",
    "missing:not_collected",
)
# A row with one of these says nothing that could still change the answer.
_SETTLED = ("missing:not_applicable", "missing:not_collected")
_RANK = np.array([_NO_VALUE.index(one) if one in _NO_VALUE else len(_NO_VALUE) for one in STATUSES])


def merge_rows(frame: pd.DataFrame, table: Table, merge: Merge) -> tuple[pd.DataFrame, int, int]:
    """Make one row of the rows of each key.

    Parameters
    ----------
    frame : DataFrame
        A harmonized table of one source.
    table : Table
        Its keys and variables.
    merge : Merge
        Variables whose earliest, latest or highest value is wanted; in all others the rows must agree.

    Returns
    -------
    merged : DataFrame
        Rows of keys that disagree are all kept.
    n_merged : int
        Rows that went into another.
    n_apart : int
        Rows that were kept apart because they disagree.
    """
    keys = list(table.primary_key)
    shared = frame.duplicated(keys, keep=False).to_numpy() & frame[keys].notna().all(axis=1).to_numpy()
    if not shared.any():
        return frame, 0, 0
    rows = frame[shared].reset_index(drop=True)
    group = rows.groupby(keys, sort=False, observed=True).ngroup().to_numpy(dtype=np.intp)
    merger = _Merger(rows, group, merge)
    made = merger.merged([one for one in table.variables.values() if f"{one.name}__status" in rows])
    apart = merger.apart[group]
    where = np.flatnonzero(shared)
    head = where[_first(np.ones(len(rows), dtype=bool), group, len(merger.apart))]
    kept = pd.concat([frame[~shared], rows[apart].set_axis(where[apart]), made.set_axis(head[~merger.apart])])
    n_merged = int((~apart).sum() - (~merger.apart).sum())
    return kept.sort_index(kind="stable").reset_index(drop=True), n_merged, int(apart.sum())


class _Merger:
    """Chooses, for every key and variable, the row that speaks; notes keys whose rows disagree."""

    def __init__(self, rows: pd.DataFrame, group: Rows, merge: Merge) -> None:
        self.rows, self.group, self.merge = rows, group, merge
        self.n = int(group.max()) + 1
        self.apart = np.zeros(self.n, dtype=bool)

    def merged(self, variables: list[Variable]) -> pd.DataFrame:
        """Return one row for each key whose rows agree."""
        base = _first(np.ones(len(self.rows), dtype=bool), self.group, self.n)
        columns = {str(name): self.rows[name].take(base) for name in self.rows}
        for variable in variables:
            for name, column in self._columns(variable):
                columns[name] = column
        made = pd.DataFrame({name: one.array for name, one in columns.items()})
        return made[~self.apart]

    def _columns(self, variable: Variable) -> Iterator[tuple[str, pd.Series]]:
        name = variable.name
        status = self.rows[f"{name}__status"].cat.codes.to_numpy()
        if name in self.merge.highest:
            chosen = self._highest(variable, status)
        elif variable.schema.role == "order":
            chosen = _first(np.ones(len(status), dtype=bool), self.group, self.n)
        elif name in (*self.merge.earliest, *self.merge.latest):
            yield from self._extreme(variable, status)
            return
        else:
            chosen = self._agreed(variable, status)
        for column in output_columns(variable):
            yield column, self.rows[column].take(chosen)

    def _agreed(self, variable: Variable, status: Codes) -> Rows:
        """Take the value that all rows with a value share; a complete date may lie within an incomplete one."""
        ok, partial = status == _code("ok"), status == _code("partial")
        known = _first(ok, self.group, self.n)
        values = pd.factorize(self.rows[variable.name])[0]
        beside = known[self.group]
        self._differ(ok & (values != values[beside]))
        partly = _first(partial, self.group, self.n)
        low, high = self._bounds(variable)
        inside = (low <= low[beside]) & (low[beside] <= high)
        self._differ(partial & (beside >= 0) & ~inside)
        other = partly[self.group]
        same = (low == low[other]) & (high == high[other])
        self._differ(partial & (beside < 0) & ~same)
        return np.where(known >= 0, known, np.where(partly >= 0, partly, self._silent(status)))

    def _differ(self, rows: Mask) -> None:
        self.apart[self.group[rows]] = True

    def _silent(self, status: Codes) -> Rows:
        """Take, of rows without a value, the one whose status asks for most attention."""
        order = np.lexsort((np.arange(len(status)), _RANK[status], self.group))
        starts = np.searchsorted(self.group[order], np.arange(self.n))
        return order[starts]

    def _bounds(self, variable: Variable) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return the least and the greatest value that each row can mean, as numbers."""
        names = output_columns(variable)[2:] or (variable.name, variable.name)
        low, high = (_numbers(self.rows[name]) for name in names)
        return low, high

    def _extreme(self, variable: Variable, status: Codes) -> Iterator[tuple[str, pd.Series]]:
        """Take the earliest or latest day: of intervals, the interval of the earliest or latest."""
        low, high = self._bounds(variable)
        dated = ((status == _code("ok")) | (status == _code("partial"))) & ~np.isnan(low) & ~np.isnan(high)
        earliest = variable.name in self.merge.earliest
        ends = pd.DataFrame({"low": low, "high": high})[dated].groupby(self.group[dated])
        found = (ends.min() if earliest else ends.max()).reindex(np.arange(self.n))
        chosen = _first(dated, self.group, self.n)
        if earliest:  # a row with an event that nobody dated may be the earliest
            undated = _first(~dated & ~_among(status, _SETTLED), self.group, self.n)
            chosen = np.where(undated >= 0, -1, chosen)
        given = chosen >= 0
        row = np.where(given, chosen, self._least_said(status, dated))
        sharp = given & (found["low"] == found["high"]).to_numpy()
        codes = np.where(given, np.where(sharp, _code("ok"), _code("partial")), status[row])
        kinds = self.rows[f"{variable.name}__status"].cat.categories
        yield variable.name, pd.Series(found["low"].where(sharp)).astype("Int64")
        yield f"{variable.name}__status", pd.Series(pd.Categorical.from_codes(codes, categories=kinds))
        for name, side in zip(output_columns(variable)[2:], ("low", "high"), strict=False):
            yield name, pd.Series(found[side].where(given)).astype("Int64")

    def _least_said(self, status: Codes, dated: Mask) -> Rows:
        """Take, of rows without a day, the one whose status asks for most attention."""
        return self._silent(np.where(dated, np.int8(_code("missing:not_collected")), status))

    def _highest(self, variable: Variable, status: Codes) -> Rows:
        """Take the highest category; below the top, a row without an answer leaves it open."""
        ok = status == _code("ok")
        codes = np.where(ok, self.rows[variable.name].cat.codes.to_numpy(), -1)
        order = np.lexsort((np.arange(len(codes)), -codes, self.group))
        best = order[np.searchsorted(self.group[order], np.arange(self.n))]
        open_ = _first(~ok & ~_among(status, _SETTLED), self.group, self.n) >= 0
        top = codes[best] == len(variable.codes) - 1
        settled = (codes[best] >= 0) & (top | ~open_)
        without = self._silent(np.where(ok, np.int8(_code("missing:not_collected")), status))
        return np.where(settled, best, without)


def _code(status: str) -> int:
    return STATUSES.index(status)


def _among(status: Codes, names: tuple[str, ...]) -> Mask:
    return np.isin(status, [_code(one) for one in names])


def _first(wanted: Mask, group: Rows, n: int) -> Rows:
    """Return the first wanted row of each group, -1 without one."""
    found = np.full(n, -1, dtype=np.intp)
    rows = np.flatnonzero(wanted)[::-1]
    found[group[rows]] = rows
    return found


def _numbers(column: pd.Series) -> NDArray[np.floating]:
    """Return numbers and days as numbers; texts as the number of the text."""
    if pd.api.types.is_datetime64_any_dtype(column):
        days = column.astype("datetime64[s]").astype("int64") // 86_400
        return np.where(column.isna(), np.nan, days.to_numpy(dtype=float))
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    codes = pd.factorize(column)[0]
    return np.where(codes < 0, np.nan, codes.astype(float))
