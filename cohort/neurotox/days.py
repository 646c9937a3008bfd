"""Assessments as patient-days: which rows say something, and the worst grade of each day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.neurotox.columns import NO_YES, Flags, Numbers, read_levels, read_numbers, require_columns

GRADES = ("icans_grade", "icans_grade_imaging_blind")
BOUNDS = (
    "icans_grade_lower",
    "icans_grade_upper",
    "icans_grade_lower_imaging_blind",
    "icans_grade_upper_imaging_blind",
)
ASSESSMENT_TYPES = {"daily": 0, "period_maximum": 1}


def require_graded(graded: pd.DataFrame, what: str) -> None:
    """Refuse a frame that grade_icans has not seen."""
    require_columns(graded, ["patient_id", *BOUNDS, "icans_grade_source"], f"{what} (of grade_icans output)")


def is_period(graded: pd.DataFrame) -> Flags:
    """Whether each row is the maximum of a reporting period; without ``assessment_type`` every row is daily."""
    return read_levels(graded, "assessment_type", ASSESSMENT_TYPES) == ASSESSMENT_TYPES["period_maximum"]


def says_something(graded: pd.DataFrame) -> Flags:
    """Whether a row assessed or reported anything, or says that the patient was sedated.

    A blank row is a day without assessment. A sedated patient was seen and could not be graded: that day is
    assessed and its grade open.
    """
    sedated = read_levels(graded, "sedated", NO_YES) == 1
    return np.asarray((graded["icans_grade_source"] != "none").to_numpy(dtype=bool) | sedated, dtype=bool)


def day_numbers(graded: pd.DataFrame, column: str) -> Numbers:
    """Return a day column as floats, NaN where missing or absent."""
    return read_numbers(graded, column, -np.inf, np.inf, step=None)


def bound_values(graded: pd.DataFrame, rows: NDArray[np.intp]) -> dict[str, Numbers]:
    """Return the four bounds of the given rows as floats."""
    return {name: graded[name].to_numpy(dtype=np.float64, na_value=np.nan)[rows] for name in BOUNDS}


def worst_per(codes: NDArray[np.int64], values: dict[str, Numbers]) -> tuple[NDArray[np.intp], dict[str, Numbers]]:
    """Return the maxima of each value over runs of equal sorted codes, and where each run starts."""
    if not codes.size:
        return np.empty(0, dtype=np.intp), {name: np.empty(0) for name in values}
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    return starts, {name: np.maximum.reduceat(column, starts) for name, column in values.items()}


def sorted_days(group: NDArray[np.int64], day: Numbers, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the given rows in order of patient and day."""
    return rows[np.lexsort((day[rows], group[rows]))]


def daily_maxima(
    graded: pd.DataFrame, group: NDArray[np.int64], keep: Flags
) -> tuple[NDArray[np.int64], Numbers, dict[str, Numbers]]:
    """Return patient number, day and worst bounds of every assessed patient-day, sorted."""
    day = day_numbers(graded, "assessment_day")
    rows = sorted_days(group, day, np.flatnonzero(keep & ~np.isnan(day)))
    if not rows.size:
        return np.empty(0, dtype=np.int64), np.empty(0), worst_per(np.empty(0, dtype=np.int64), bound_values(graded, rows))[1]
    new_day = np.r_[True, (np.diff(group[rows]) != 0) | (np.diff(day[rows]) != 0)]
    starts, maxima = worst_per(np.cumsum(new_day).astype(np.int64), bound_values(graded, rows))
    first = rows[starts]
    return group[first], day[first], maxima


def take_keys(keys: pd.DataFrame, names: Sequence[str], codes: NDArray[np.int64]) -> dict[str, pd.Series]:
    """Return the key columns of the numbered patients."""
    return {name: keys[name].take(codes).reset_index(drop=True) for name in names}
