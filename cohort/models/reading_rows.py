"""From rows of unit, rater and rating to a frame with one column per rater."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.closest import closest_names
from cohort.errors import EstimationError

IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Wide:
    """Ratings with one column per rater.

    Attributes
    ----------
    frame : DataFrame of shape (n, n_raters)
        One row per unit.
    cluster : array of shape (n,) or None
        Cluster codes from 0.
    left_out : tuple of (str, str, int)
        Rows without a unit or a rater.
    """

    frame: pd.DataFrame
    cluster: IntArray | None
    left_out: tuple[tuple[str, str, int], ...]


def require_columns_of(data: pd.DataFrame, wanted: Sequence[str]) -> None:
    """Refuse a frame without the columns.

    Parameters
    ----------
    data : DataFrame
        The frame.
    wanted : sequence of str
        Columns.

    Raises
    ------
    EstimationError
        With the names that are close.
    """
    known = [str(name) for name in data.columns]
    absent = [name for name in wanted if known.count(name) != 1]
    if absent:
        close = [
            f"{name}: did you mean {found[0]}?" for name in absent if (found := closest_names(name, known))
        ]
        raise EstimationError(
            f"the frame does not have column {', '.join(absent)} once",
            evidence=f"{len(known)} columns, {len(data)} rows",
            remedy="; ".join(close) or "name columns of the frame",
        )


def spread(data: pd.DataFrame, unit: Sequence[str], rater: str, rating: str, cluster: str | None) -> Wide:
    """Spread rows of readings over columns of raters.

    Parameters
    ----------
    data : DataFrame
        One row per unit and rater.
    unit : sequence of str
        Columns that identify a unit.
    rater, rating : str
        Columns of the rater and of the rating.
    cluster : str or None
        Column that groups units; it may be one of ``unit``.

    Returns
    -------
    Wide
        Ratings keep their dtype; a unit that a rater did not rate is missing.

    Raises
    ------
    EstimationError
        For unknown columns, two ratings of a unit by a rater, or a unit in two clusters.
    """
    require_columns_of(data, list(dict.fromkeys([*unit, rater, rating, *([cluster] if cluster else [])])))
    keep, left_out = np.ones(len(data), dtype=bool), []
    for name in (*unit, rater):
        bad = data[name].isna().to_numpy() & keep
        left_out += [(name, "missing", int(bad.sum()))] if bad.any() else []
        keep &= ~bad
    rows = data[keep]
    number = rows.groupby(list(unit), sort=False, observed=True).ngroup().to_numpy().astype(np.intp)
    codes, raters = pd.factorize(rows[rater].astype(str), sort=True)
    who = codes.astype(np.intp)
    _refuse_repeats(number, who, unit, rater)
    n = int(number.max()) + 1 if len(rows) else 0
    values = rows[rating]
    if pd.api.types.is_bool_dtype(values.dtype):
        values = values.astype("boolean")
    columns = {
        str(name): values[who == k].set_axis(number[who == k]).reindex(range(n))
        for k, name in enumerate(raters)
    }
    frame = pd.DataFrame(columns, index=range(n))
    groups = None if cluster is None else _cluster_of(rows[cluster], number, n)
    return Wide(frame, groups, tuple(left_out))


def _refuse_repeats(number: IntArray, who: IntArray, unit: Sequence[str], rater: str) -> None:
    repeats = int(pd.DataFrame({"unit": number, "rater": who}).duplicated().sum())
    if repeats:
        raise EstimationError(
            "a rater rated a unit more than once",
            evidence=f"{repeats} of {len(number)} rows are repeats of {', '.join(unit)}, {rater}",
            remedy="keep one rating per unit and rater, or name every column that identifies a unit in unit=",
        )


def _cluster_of(column: pd.Series, number: IntArray, n: int) -> IntArray:
    codes = cluster_codes(column)
    first = np.zeros(n, dtype=np.intp)
    first[number[::-1]] = codes[::-1]
    n_mixed = len(np.unique(number[first[number] != codes]))
    if n_mixed:
        raise EstimationError(
            f"units belong to several values of {column.name}",
            evidence=f"{n_mixed} of {n} units",
            remedy=f'name the columns that identify a unit, with "{column.name}" among them',
        )
    return first


def cluster_codes(column: pd.Series) -> IntArray:
    """Give each cluster a number.

    Parameters
    ----------
    column : Series of shape (n,)
        Cluster of each unit.

    Returns
    -------
    array of shape (n,)
        Codes from 0.

    Raises
    ------
    EstimationError
        When a cluster is missing, or there is only one.
    """
    codes = pd.factorize(column)[0]
    if (codes < 0).any():
        raise EstimationError(
            f"cluster column {column.name} is missing for some units",
            evidence=f"{int((codes < 0).sum())} of {len(codes)}",
            remedy=f'leave them out: data.dropna(subset=["{column.name}"])',
        )
    if len(codes) and codes.max() < 1:
        raise EstimationError(
            "limits that respect clusters need at least two",
            evidence=f"one value of {column.name}",
            remedy="leave cluster= out, or name the column of patients",
        )
    return codes.astype(np.intp)
