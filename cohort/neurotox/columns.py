"""Columns of a plain frame as arrays: labels to levels, numbers to floats, impossible values refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import RangeError, StudyError

Levels = NDArray[np.int8]
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

UNASSESSED = np.int8(-1)
NO_YES: Mapping[str, int] = {"no": 0, "yes": 1}
KEYS = ("source", "patient_id", "infusion_number")


def read_levels(frame: pd.DataFrame, column: str, levels: Mapping[str, int]) -> Levels:
    """Return the level of each label, -1 where it is missing or the column does not exist."""
    if column not in frame.columns:
        return np.full(len(frame), UNASSESSED)
    values = frame[column]
    if pd.api.types.is_bool_dtype(values.dtype) and set(levels) == set(NO_YES):
        return np.asarray(
            values.astype("boolean").astype("Int8").to_numpy(dtype=np.int8, na_value=-1), np.int8
        )
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, labels = values.cat.codes.to_numpy(), values.cat.categories
    else:
        codes, labels = pd.factorize(values)
    of_label = np.array([levels.get(label, -2) for label in labels] + [-1], dtype=np.int8)
    found = of_label[codes]
    n_unknown = int((found == -2).sum())
    if n_unknown:
        raise RangeError(
            f"column {column!r} holds labels that it does not have",
            evidence=f"{column}: {n_unknown} of {len(frame)} rows",
            remedy=f"recode to {', '.join(levels)}; leave missing what was not assessed",
        )
    return found


def read_numbers(
    frame: pd.DataFrame, column: str, low: float, high: float, step: float | None = 1.0, unit: str = ""
) -> Numbers:
    """Return the column as floats, NaN where missing or absent; refuse what lies outside low to high."""
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    try:
        values = np.asarray(
            frame[column].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), float
        )
    except (TypeError, ValueError):
        raise RangeError(
            f"column {column!r} is not numeric",
            evidence=f"{column} has dtype {frame[column].dtype}",
            remedy="convert it to numbers first; leave missing what was not assessed",
        ) from None
    check_range(column, values, low, high, step, unit)
    return values


def check_range(
    name: str, values: Numbers, low: float, high: float, step: float | None = None, unit: str = ""
) -> None:
    """Raise RangeError, with counts, when values lie outside low to high or off the step."""
    known = values[~np.isnan(values)]
    bad = (known < low) | (known > high)
    if step is not None:
        with np.errstate(invalid="ignore"):
            bad |= np.mod(known, step) != 0
    if bad.any():
        steps = {None: "", 1.0: " in whole numbers", 0.5: " in whole or half points"}.get(
            step, f" in steps of {step}"
        )
        raise RangeError(
            f"column {name!r} holds impossible values",
            evidence=f"{name}: {int(bad.sum())} of {known.size} values; allowed {low:g} to {high:g}{steps}"
            + (f" {unit}" if unit else ""),
            remedy="correct them at the source or set them to missing; harmonize() marks them out_of_range",
        )


def require_columns(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Raise StudyError naming the columns that the frame lacks."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise StudyError(
            f"{what} needs columns that the frame does not have",
            evidence=f"missing: {', '.join(missing)}",
            remedy="pass the frame as harmonize() or the preceding step returns it",
        )


def key_columns(frame: pd.DataFrame) -> list[str]:
    """Return the key columns that the frame has, in the fixed order."""
    require_columns(frame, ["patient_id"], "neurotoxicity per patient")
    return [key for key in KEYS if key in frame.columns]


def group_codes(frame: pd.DataFrame, keys: Sequence[str]) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Return each row's number among the distinct keys in sorted order, and the table of keys."""
    if not len(frame):
        return np.empty(0, dtype=np.int64), frame[list(keys)].reset_index(drop=True)
    codes = frame.groupby(list(keys), sort=True, observed=True, dropna=False).ngroup().to_numpy()
    _, first = np.unique(codes, return_index=True)
    return codes.astype(np.int64), frame[list(keys)].iloc[first].reset_index(drop=True)


def int64(values: NDArray[np.generic], missing: Flags | None = None) -> pd.Series:
    """Return whole numbers as nullable Int64, missing where flagged or NaN."""
    floats = np.asarray(values, dtype=np.float64)
    mask = np.isnan(floats) if missing is None else np.isnan(floats) | missing
    return pd.Series(pd.arrays.IntegerArray(np.where(mask, 0, floats).astype(np.int64), mask.copy()))


def category(codes: NDArray[np.integer[Any]] | NDArray[np.bool_], labels: Sequence[str]) -> pd.Series:
    """Return a category series from positions in the labels; -1 is missing."""
    return pd.Series(pd.Categorical.from_codes(np.asarray(codes, dtype=np.int8), dtype=_dtype(tuple(labels))))


@lru_cache(maxsize=32)
def _dtype(labels: tuple[str, ...]) -> pd.CategoricalDtype[Any]:
    """Return the category dtype of the labels."""
    return pd.CategoricalDtype(list(labels))


def no_yes(yes: Flags, no: Flags) -> pd.Series:
    """Return a no/yes category; missing where neither flag holds."""
    return category(np.where(yes, 1, np.where(no, 0, -1)), ("no", "yes"))
