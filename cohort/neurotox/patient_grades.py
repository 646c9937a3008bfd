"""The worst grade of each patient in a window, with bounds: ICANS and CRS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import declare_derived
from cohort.errors import StudyError
from cohort.neurotox.columns import Flags, Numbers, group_codes, int64, key_columns, no_yes
from cohort.neurotox.days import (
    CRS,
    ICANS,
    Graded,
    bound_values,
    daily_maxima,
    day_numbers,
    is_period,
    onset_interval,
    require_graded,
    run_starts,
    says_something,
    take_keys,
    worst_per,
)
from cohort.neurotox.icans import GRADING_KEY

SEVERE_FROM = 3
OpenDays = Literal["widen", "ignore"]


def patient_icans(
    graded: pd.DataFrame,
    window: tuple[float, float] = (0, 30),
    open_days: OpenDays = "widen",
) -> pd.DataFrame:
    """Summarize graded assessments as one maximum ICANS grade per patient in a window.

    The bounds are the maxima of the bounds of the assessments made in the window. A day without assessment
    widens nothing (patients are assessed while ICANS is possible); an assessed day whose grade is open does.
    A patient without any assessment in the window has missing grades.

    Parameters
    ----------
    graded : DataFrame of shape (n_assessments, n_columns)
        Output of `grade_icans`, with ``assessment_day`` for daily rows.
    window : tuple of two floats, default=(0, 30)
        First and last day since infusion, both included.
    open_days : {'widen', 'ignore'}, default='widen'
        Assessed days whose grade is open from 0 (ICE missed on one day, a sedated patient): they widen the
        bounds, or count as not assessed. ``ignore`` takes for granted that nothing worse happened on them.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        One row per patient and infusion in the frame: ``any_icans`` and ``severe_icans`` (grade 3 or more) as
        no/yes, missing when the bounds allow both; ``icans_grade`` with bounds; each also with the suffix
        ``_imaging_blind``; ``icans_days_assessed`` and ``icans_days_determined`` in the window.

    Raises
    ------
    StudyError
        When the frame was not graded, the window ends before it begins, or an option is unknown.

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
    >>> days = pd.DataFrame({"patient_id": ["A", "A"], "assessment_day": [3, 4],
    ...                      "grading_system": "ASTCT2019", "reported_icans_grade": [0, 3]})
    >>> patient_icans(grade_icans(days))[["icans_grade", "severe_icans", "severe_icans_imaging_blind"]]
       icans_grade severe_icans severe_icans_imaging_blind
    0            3          yes                        NaN
    """
    if open_days not in ("widen", "ignore"):
        raise StudyError(
            "open_days= has no such option", evidence=repr(open_days), remedy="use widen or ignore"
        )
    return _summary(graded, ICANS, window, ignore_open=open_days == "ignore")


def patient_crs(graded: pd.DataFrame, window: tuple[float, float] = (0, 30)) -> pd.DataFrame:
    """Summarize graded assessments as one maximum CRS grade per patient in a window.

    Parameters
    ----------
    graded : DataFrame of shape (n_assessments, n_columns)
        Output of `grade_crs`, with ``assessment_day`` for daily rows.
    window : tuple of two floats, default=(0, 30)
        First and last day since infusion, both included.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        One row per patient and infusion: ``any_crs``, ``crs_grade`` with bounds, ``severe_crs`` (grade 3 or
        more), ``crs_onset_day`` (first day in the window known with CRS) and the days assessed and
        determined.

    Raises
    ------
    StudyError
        When the frame was not graded or the window ends before it begins.

    See Also
    --------
    patient_icans : The rules, which are the same.
    """
    return _summary(graded, CRS, window)


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What speaks about the window: patient-days and period maxima, one entry each.

    ``first_day`` is the day, or the reported onset, of entries known with the toxicity; NaN for the others.
    """

    patient: NDArray[np.int64]
    bounds: dict[str, Numbers]
    first_day: Numbers
    day_of: NDArray[np.int64]
    determined_day_of: NDArray[np.int64]
    counts: dict[str, int | str]


def _summary(
    graded: pd.DataFrame, toxicity: Graded, window: tuple[float, float], ignore_open: bool = False
) -> pd.DataFrame:
    """Take the maxima of the bounds over what speaks about the window."""
    name = toxicity.name
    require_graded(graded, toxicity, f"patient_{name}")
    if window[1] < window[0]:
        raise StudyError(
            "the window ends before it begins", evidence=f"window={window}", remedy="write (first, last)"
        )
    names = key_columns(graded)
    group, keys = group_codes(graded, names)
    spoken = _speaking(graded, toxicity, group, window, ignore_open)
    n = len(keys)
    worst = _maxima(spoken.patient, spoken.bounds, n)
    columns: dict[str, pd.Series] = {}
    for variant in toxicity.variants:
        columns |= _grade_columns(worst, name, variant)
    if toxicity is CRS:
        columns["crs_onset_day"] = _first_day(spoken.patient, spoken.first_day, n)
    columns[f"{name}_days_assessed"] = int64(np.bincount(spoken.day_of, minlength=n))
    columns[f"{name}_days_determined"] = int64(np.bincount(spoken.determined_day_of, minlength=n))
    frame = pd.DataFrame({**take_keys(keys, names, np.arange(n)), **columns})
    options = {**graded.attrs.get(GRADING_KEY, {}), "window": [float(end) for end in window], **spoken.counts}
    frame.attrs = {**graded.attrs, GRADING_KEY: options}
    return declare_derived(frame, window_end=float(window[1]))


def _speaking(
    graded: pd.DataFrame,
    toxicity: Graded,
    group: NDArray[np.int64],
    window: tuple[float, float],
    ignore_open: bool,
) -> _Spoken:
    """Collect the assessed days of the window, and the period maxima that reach into it."""
    speaks, period = says_something(graded, toxicity), is_period(graded)
    lower, upper = toxicity.bounds[:2]
    day = day_numbers(graded, "assessment_day")
    patient, days, daily = daily_maxima(
        graded, toxicity, group, ~period & speaks & (day >= window[0]) & (day <= window[1])
    )
    is_open = (daily[lower] == 0) & (daily[upper] > 0)
    if ignore_open:
        patient, days, daily = patient[~is_open], days[~is_open], _rows(daily, ~is_open)

    rows = np.flatnonzero(period & speaks & ~(day_numbers(graded, "period_start_day") > window[1]))
    onset = day_numbers(graded, f"{toxicity.name}_onset_day")[rows]
    later = onset_interval(graded, toxicity)[0][rows] > window[1]
    reported = bound_values(graded, toxicity, rows)
    reported = {key: np.where(later, 0.0, values) for key, values in reported.items()}
    bounds = {key: np.r_[daily[key], reported[key]] for key in daily}
    return _Spoken(
        patient=np.r_[patient, group[rows]],
        bounds=bounds,
        first_day=np.where(bounds[lower] >= 1, np.r_[days, onset], np.nan),
        day_of=patient,
        determined_day_of=patient[daily[lower] == daily[upper]],
        counts={
            "n_open_days": int(is_open.sum()),
            "open_days": "ignore" if ignore_open else "widen",
            "n_period_without_onset": int((np.isnan(onset) & (reported[lower] >= 1)).sum()),
            "n_period_onset_after_window": int(later.sum()),
        },
    )


def _rows(values: dict[str, Numbers], keep: Flags) -> dict[str, Numbers]:
    """Return the rows to keep of every array."""
    return {name: column[keep] for name, column in values.items()}


def _maxima(patient: NDArray[np.int64], values: dict[str, Numbers], n: int) -> dict[str, Numbers]:
    """Return each patient's maxima; NaN for patients without a row."""
    order = np.argsort(patient, kind="stable")
    starts = run_starts(patient[order])
    who = patient[order[starts]] if starts.size else np.empty(0, dtype=np.int64)
    out = {}
    for name, column in worst_per(starts, {name: column[order] for name, column in values.items()}).items():
        spread = np.full(n, np.nan)
        spread[who] = column
        out[name] = spread
    return out


def _first_day(patient: NDArray[np.int64], day: Numbers, n: int) -> pd.Series:
    """Return each patient's earliest finite day."""
    known = ~np.isnan(day)
    first = np.full(n, np.inf)
    np.minimum.at(first, patient[known], day[known])
    return int64(np.where(np.isinf(first), np.nan, first))


def _grade_columns(bounds: dict[str, Numbers], name: str, variant: str) -> dict[str, pd.Series]:
    """Return the grade, its bounds and the two yes/no summaries of one variant."""
    lower, upper = bounds[f"{name}_grade_lower{variant}"], bounds[f"{name}_grade_upper{variant}"]
    return {
        f"any_{name}{variant}": no_yes(lower >= 1, upper == 0),
        f"{name}_grade{variant}": int64(lower, np.asarray(lower != upper, dtype=bool)),
        f"{name}_grade_lower{variant}": int64(lower),
        f"{name}_grade_upper{variant}": int64(upper),
        f"severe_{name}{variant}": no_yes(lower >= SEVERE_FROM, upper < SEVERE_FROM),
    }
