"""The worst ICANS grade of each patient in a window, with bounds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import declare_derived
from cohort.errors import StudyError
from cohort.neurotox.columns import Flags, Numbers, group_codes, int64, key_columns, no_yes
from cohort.neurotox.days import (
    BOUNDS,
    bound_values,
    day_numbers,
    is_period,
    require_graded,
    says_something,
    take_keys,
    worst_per,
)
from cohort.neurotox.icans import BLIND, GRADING_KEY

SEVERE_FROM = 3


def patient_icans(graded: pd.DataFrame, window: tuple[float, float] = (0, 30)) -> pd.DataFrame:
    """Summarize graded assessments as one maximum grade per patient in a window.

    The bounds are the maxima of the bounds of the assessments made in the window. A day without assessment
    widens nothing (patients are assessed while ICANS is possible); an assessed day whose grade is open does.
    A patient without any assessment in the window has missing grades.

    Parameters
    ----------
    graded : DataFrame of shape (n_assessments, n_columns)
        Output of `grade_icans`, with ``assessment_day`` for daily rows.
    window : tuple of two floats, default=(0, 30)
        First and last day since infusion, both included.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        One row per patient and infusion in the frame: ``any_icans`` and ``severe_icans`` (grade 3 or more) as
        no/yes, missing when the bounds allow both; ``icans_grade`` with bounds; each also with the suffix
        ``_imaging_blind``; ``icans_days_assessed`` and ``icans_days_determined`` in the window.

    Raises
    ------
    StudyError
        When the frame was not graded or the window ends before it begins.

    See Also
    --------
    icans_episodes : Onset and duration from the same frame.

    Notes
    -----
    A registry's maximum over a period counts by its reported onset: inside the window as reported; after the
    window as grade 0 within it; before the window, or without an onset day, as reported (counted in
    ``attrs["cohort_grading"]``). A period that begins after the window says nothing about it.

    Examples
    --------
    >>> import pandas as pd
    >>> from cohort.neurotox.icans import grade_icans
    >>> days = pd.DataFrame({"patient_id": ["A", "A"], "assessment_day": [3, 4], "grading_system": "ASTCT2019",
    ...                      "reported_icans_grade": [0, 3]})
    >>> patient_icans(grade_icans(days))[["icans_grade", "severe_icans", "severe_icans_imaging_blind"]]
       icans_grade severe_icans severe_icans_imaging_blind
    0            3          yes                        NaN
    """
    require_graded(graded, "patient_icans")
    if window[1] < window[0]:
        raise StudyError("the window ends before it begins", evidence=f"window={window}", remedy="write (first, last)")
    names = key_columns(graded)
    group, keys = group_codes(graded, names)
    rows, bounds, counts = _rows_in_window(graded, window)
    order = np.argsort(group[rows], kind="stable")
    rows, bounds = rows[order], {name: values[order] for name, values in bounds.items()}
    starts, worst = worst_per(group[rows], bounds)
    present = group[rows[starts]]
    spread = {name: _spread(values, present, len(keys)) for name, values in worst.items()}
    assessed, determined = _day_counts(graded, group, rows, len(keys))
    frame = pd.DataFrame(
        {
            **take_keys(keys, names, np.arange(len(keys))),
            **_grade_columns(spread, ""),
            **_grade_columns(spread, BLIND),
            "icans_days_assessed": int64(assessed),
            "icans_days_determined": int64(determined),
        }
    )
    frame.attrs = {
        **graded.attrs,
        GRADING_KEY: {**graded.attrs.get(GRADING_KEY, {}), "window": [float(day) for day in window], **counts},
    }
    return declare_derived(frame, window_end=float(window[1]))


def _rows_in_window(
    graded: pd.DataFrame, window: tuple[float, float]
) -> tuple[NDArray[np.intp], dict[str, Numbers], dict[str, int]]:
    """Return the rows that speak about the window, their bounds there, and how many periods lack an onset."""
    day, onset = day_numbers(graded, "assessment_day"), day_numbers(graded, "icans_onset_day")
    period, speaks = is_period(graded), says_something(graded)
    daily_here = ~period & speaks & (day >= window[0]) & (day <= window[1])
    begins = day_numbers(graded, "period_start_day")
    period_here = period & speaks & ~(begins > window[1])
    rows = np.flatnonzero(daily_here | period_here)
    bounds = bound_values(graded, rows)
    later = period[rows] & (onset[rows] > window[1])
    undated = period[rows] & np.isnan(onset[rows]) & (bounds["icans_grade_lower"] >= 1)
    return (
        rows,
        {name: np.where(later, 0.0, values) for name, values in bounds.items()},
        {"n_period_without_onset": int(undated.sum()), "n_period_onset_after_window": int(later.sum())},
    )


def _spread(values: Numbers, present: NDArray[np.int64], n: int) -> Numbers:
    """Place each patient's value at its number; NaN for patients without assessment."""
    out = np.full(n, np.nan)
    out[present] = values
    return out


def _grade_columns(bounds: dict[str, Numbers], suffix: str) -> dict[str, pd.Series]:
    """Return the grade, its bounds and the two yes/no summaries of one variant."""
    lower, upper = bounds[f"icans_grade_lower{suffix}"], bounds[f"icans_grade_upper{suffix}"]
    return {
        f"any_icans{suffix}": no_yes(lower >= 1, upper == 0),
        f"icans_grade{suffix}": int64(lower, np.asarray(lower != upper, dtype=bool)),
        f"icans_grade_lower{suffix}": int64(lower),
        f"icans_grade_upper{suffix}": int64(upper),
        f"severe_icans{suffix}": no_yes(lower >= SEVERE_FROM, upper < SEVERE_FROM),
    }


def _day_counts(
    graded: pd.DataFrame, group: NDArray[np.int64], rows: NDArray[np.intp], n: int
) -> tuple[Numbers, Numbers]:
    """Count each patient's days with a daily assessment, and those on which every assessment is determined."""
    rows = rows[~is_period(graded)[rows]]
    day = day_numbers(graded, "assessment_day")[rows]
    order = np.lexsort((day, group[rows]))
    rows, day = rows[order], day[order]
    if not rows.size:
        return np.zeros(n), np.zeros(n)
    new_day: Flags = np.r_[True, (np.diff(group[rows]) != 0) | (np.diff(day) != 0)]
    starts = np.flatnonzero(new_day)
    lower = np.maximum.reduceat(graded[BOUNDS[0]].to_numpy(dtype=float)[rows], starts)
    upper = np.maximum.reduceat(graded[BOUNDS[1]].to_numpy(dtype=float)[rows], starts)
    patient = group[rows[starts]]
    return (
        np.bincount(patient, minlength=n).astype(float),
        np.bincount(patient, weights=(lower == upper).astype(float), minlength=n),
    )
