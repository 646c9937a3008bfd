"""Groups of patients for curves: a column aligned to an endpoint, with everyone left out accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import binary_states, is_three_state
from cohort.errors import EstimationError
from cohort.models.design import align_columns

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

IntArray = NDArray[np.int64]
MAX_GROUPS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Rows of an endpoint by group.

    Attributes
    ----------
    names : tuple of str
        Names of the groups that have rows, in order of the categories; one empty name without ``by``.
    codes : array of shape (n_kept,)
        Position in ``names`` of each row kept.
    rows : array of shape (n_kept,)
        Positions of the rows kept, in the endpoint.
    strata : array of shape (n_kept,) or None
        Codes of the strata of a stratified test.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out.
    empty : tuple of str
        Categories without a row.
    """

    names: tuple[str, ...]
    codes: IntArray
    rows: NDArray[np.intp]
    strata: IntArray | None
    left_out: tuple[tuple[str, str, int], ...]
    empty: tuple[str, ...]


def make_groups(
    endpoint: Endpoint, by: str | None = None, data: pd.DataFrame | None = None, strata: str | None = None
) -> Groups:
    """Group the rows of an endpoint by a column.

    Of a finding (absent, present, and kinds of not known) only absent and present are groups; the others are
    left out with their reason.

    Parameters
    ----------
    endpoint : Endpoint
        The endpoint whose rows are grouped.
    by : str, optional
        Column of ``data`` or of the endpoint's frame.
    data : DataFrame, optional
        Aligned to the endpoint by index label.
    strata : str, optional
        Column of the strata of a stratified test.

    Returns
    -------
    Groups
        The rows by group.

    Raises
    ------
    EstimationError
        When a column is unknown, has too many values, or leaves nobody.
    """
    wanted = [name for name in dict.fromkeys((by, strata)) if name is not None]
    n = len(endpoint.stop)
    if not wanted:
        _require_rows(n, endpoint.name)
        return Groups(("",), np.zeros(n, dtype=np.int64), np.arange(n), None, (), ())
    frame, present = align_columns(wanted, data, endpoint)
    left_out = [] if present.all() else [("", "no row in data", int((~present).sum()))]
    keep, coded = present.copy(), {}
    for name in wanted:
        codes, labels, reasons = code_groups(frame[name])
        bad = keep & (codes < 0)
        left_out += [(name, reason, count) for reason, count in _count(reasons[bad])]
        keep &= ~bad
        coded[name] = (codes, labels)
    rows = np.flatnonzero(keep)
    _require_rows(len(rows), endpoint.name)
    inner = None if strata is None else coded[strata][0][rows]
    if by is None:
        return Groups(("",), np.zeros(len(rows), dtype=np.int64), rows, inner, tuple(left_out), ())
    codes, labels = coded[by]
    used, compact = np.unique(codes[rows], return_inverse=True)
    names = tuple(labels[k] for k in used)
    empty = tuple(label for label in labels if label not in names)
    return Groups(names, compact.astype(np.int64), rows, inner, tuple(left_out), empty)


def code_groups(column: pd.Series) -> tuple[IntArray, tuple[str, ...], NDArray[np.object_]]:
    """Code a column as groups.

    Parameters
    ----------
    column : Series of shape (n,)
        Category, text, boolean or a number with few values.

    Returns
    -------
    codes : array of shape (n,)
        Position of the label; -1 where the group is not known.
    labels : tuple of str
        Names of the groups.
    reasons : array of shape (n,)
        Why the group is not known; empty text where it is.

    Raises
    ------
    EstimationError
        When a number has more than 20 values.
    """
    missing = column.isna().to_numpy()
    reasons: NDArray[np.object_] = np.where(missing, "missing", "").astype(object)
    if is_three_state(column):
        values = binary_states(column)[0]
        text = column.astype(object).where(column.notna(), "missing").to_numpy(dtype=object)
        reasons = np.where(np.isnan(values), text, "").astype(object)
        labels = ("absent", "present") if {"absent", "present"} & set(text) else ("no", "yes")
        return np.asarray(np.where(np.isnan(values), -1, values), dtype=np.int64), labels, reasons
    if isinstance(column.dtype, pd.CategoricalDtype):
        position = np.asarray(column.cat.codes, dtype=np.int64)
        return position, tuple(map(str, column.cat.categories)), reasons
    codes, values_ = pd.factorize(column, sort=True)
    if len(values_) > MAX_GROUPS:
        raise EstimationError(
            f"column {column.name} has too many values to be groups",
            evidence=f"{len(values_)} distinct values, dtype {column.dtype}",
            remedy=f'cut it into groups, for example pd.cut(data["{column.name}"], [0, 40, 60, 100])',
        )
    return np.asarray(codes, dtype=np.int64), tuple(_label(value) for value in values_), reasons


def _label(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _count(reasons: NDArray[np.object_]) -> list[tuple[str, int]]:
    found, counts = np.unique(reasons.astype(str), return_counts=True)
    return sorted(((str(r), int(n)) for r, n in zip(found, counts, strict=True)), key=lambda x: (-x[1], x[0]))


def _require_rows(n: int, name: str) -> None:
    if not n:
        raise EstimationError(
            f"no patient is left to estimate {name} from",
            evidence="0 rows with follow-up and a known group",
            remedy="check the endpoint's excluded rows and the missing values of by=",
        )
