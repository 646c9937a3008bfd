"""Assessments as patient-days: which rows say something, and the worst grade of each day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.neurotox.columns import NO_YES, Flags, Numbers, read_levels, read_numbers, require_columns

ASSESSMENT_TYPES = {"daily": 0, "period_maximum": 1}
BLIND = "_imaging_blind"


@dataclass(frozen=True, slots=True)
class Graded:
    """Names of the columns of a graded toxicity.

    Attributes
    ----------
    name : str
        Toxicity, as in ``icans_onset_day``.
    variants : tuple of str
        Suffixes of the grade's variants; empty for the grade itself.
    """

    name: str
    variants: tuple[str, ...]

    @property
    def bounds(self) -> tuple[str, ...]:
        """Columns of the lower and upper bounds, variant by variant."""
        return tuple(
            f"{self.name}_grade_{end}{variant}" for variant in self.variants for end in ("lower", "upper")
        )

    @property
    def source(self) -> str:
        """Column that says where the grade comes from."""
        return f"{self.name}_grade_source"


ICANS = Graded("icans", ("", BLIND))
CRS = Graded("crs", ("",))


def require_graded(graded: pd.DataFrame, toxicity: Graded, what: str) -> None:
    """Refuse a frame that has not been graded."""
    require_columns(
        graded, ["patient_id", *toxicity.bounds, toxicity.source], f"{what} (of grade_{toxicity.name} output)"
    )


def is_period(graded: pd.DataFrame) -> Flags:
    """Whether each row is the maximum of a period; without ``assessment_type`` every row is daily."""
    kind = read_levels(graded, "assessment_type", ASSESSMENT_TYPES)
    return np.asarray(kind == ASSESSMENT_TYPES["period_maximum"], dtype=bool)


def says_something(graded: pd.DataFrame, toxicity: Graded = ICANS) -> Flags:
    """Whether a row assessed or reported anything, or says that the patient was sedated.

    A blank row is a day without assessment. A sedated patient was seen and could not be graded: that day is
    assessed and its grade open.
    """
    sedated = read_levels(graded, "sedated", NO_YES) == 1
    return np.asarray((graded[toxicity.source] != "none").to_numpy(dtype=bool) | sedated, dtype=bool)


def day_numbers(graded: pd.DataFrame, column: str) -> Numbers:
    """Return a day column as floats, NaN where missing or absent."""
    return read_numbers(graded, column, -np.inf, np.inf, step=None)


def onset_interval(graded: pd.DataFrame, toxicity: Graded) -> tuple[Numbers, Numbers]:
    """Return the earliest and latest day of each reported onset.

    These are the day itself; of a partial date its interval; without a date the reporting period.
    """
    onset = f"{toxicity.name}_onset_day"
    day = day_numbers(graded, onset)
    ends = []
    for end, edge in (("__from", "period_start_day"), ("__to", "period_end_day")):
        partial, period = day_numbers(graded, onset + end), day_numbers(graded, edge)
        ends.append(np.where(np.isnan(day), np.where(np.isnan(partial), period, partial), day))
    return ends[0], ends[1]


def bound_values(graded: pd.DataFrame, toxicity: Graded, rows: NDArray[np.intp]) -> dict[str, Numbers]:
    """Return the bounds of the given rows as floats."""
    return {name: graded[name].to_numpy(dtype=np.float64, na_value=np.nan)[rows] for name in toxicity.bounds}


def run_starts(*sorted_columns: NDArray[np.generic]) -> NDArray[np.intp]:
    """Return where each run of rows equal in all columns starts."""
    size = sorted_columns[0].size
    if not size:
        return np.empty(0, dtype=np.intp)
    changes = [column[1:] != column[:-1] for column in sorted_columns]
    return np.flatnonzero(np.r_[True, np.logical_or.reduce(changes)])


def worst_per(starts: NDArray[np.intp], values: dict[str, Numbers]) -> dict[str, Numbers]:
    """Return the maxima of each value over the runs that begin at the given rows."""
    return {
        name: np.maximum.reduceat(column, starts) if starts.size else np.empty(0)
        for name, column in values.items()
    }


def daily_maxima(
    graded: pd.DataFrame, toxicity: Graded, group: NDArray[np.int64], keep: Flags
) -> tuple[NDArray[np.int64], Numbers, dict[str, Numbers]]:
    """Return patient number, day and worst bounds of every assessed patient-day, sorted."""
    day = day_numbers(graded, "assessment_day")
    rows = np.flatnonzero(keep & ~np.isnan(day))
    rows = rows[np.lexsort((day[rows], group[rows]))]
    starts = run_starts(group[rows], day[rows])
    first = rows[starts]
    return group[first], day[first], worst_per(starts, bound_values(graded, toxicity, rows))


def take_keys(keys: pd.DataFrame, names: Sequence[str], codes: NDArray[np.int64]) -> dict[str, pd.Series]:
    """Return the key columns of the numbered patients."""
    return {name: keys[name].take(codes).reset_index(drop=True) for name in names}
