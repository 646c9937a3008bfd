"""Examinations against the onset of ICANS and the first corticosteroid."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import declare_derived
from cohort.neurotox.columns import KEYS, Numbers, category, int64, read_numbers, require_columns
from cohort.neurotox.mri_exams import read_exams

_EPISODE_COLUMNS = (
    "icans_onset_day",
    "icans_last_day",
    "icans_grade",
    "icans_grade_lower",
    "icans_grade_upper",
)
CORTICOSTEROIDS = ("corticosteroid", "dexamethasone", "methylprednisolone", "prednisone")
_TO_STEROID = ("before", "same_day", "after", "no_steroid")


def mri_timing(
    mri_exam: pd.DataFrame, episodes: pd.DataFrame, treatment: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Relate every dated examination to the nearest ICANS episode, and to the first corticosteroid, of its patient.

    Parameters
    ----------
    mri_exam : DataFrame of shape (n_exams, n_columns)
        Examinations with ``patient_id``, ``exam_id`` and ``exam_day``; those not made or undated are left
        out.
    episodes : DataFrame of shape (n_episodes, n_columns)
        Output of `icans_episodes`.
    treatment : DataFrame of shape (n_courses, n_columns), optional
        Courses of drugs with ``patient_id``, ``drug`` and ``start_day`` (and ``route``): the first systemic
        corticosteroid from the day of infusion on, whatever its intent, gives two more columns. Edema and
        enhancement fade under steroids, so that a clean scan after them says less.

    Returns
    -------
    DataFrame of shape (n_dated_exams, n_columns)
        Keys, ``exam_id``, ``mri_day``, ``icans_onset_day`` of the episode whose onset is nearest (ties: the
        earlier episode), ``days_from_onset`` (negative before onset), ``during_icans`` (no/yes; missing when
        the end of the episode is not known), and the peak grade of that episode with its bounds. Examinations
        of patients without an episode of known onset have these missing. With ``treatment`` also
        ``steroid_first_day`` and ``mri_to_steroid``: ``before``, ``same_day``, ``after`` or ``no_steroid``; missing
        where a course without a day could change the answer, or where the source lists no treatments at all.
        Sorted by keys, day and examination.

    Raises
    ------
    StudyError
        When a key column is missing.

    See Also
    --------
    mri_findings : One row per patient, with findings.

    Examples
    --------
    >>> import pandas as pd
    >>> exams = pd.DataFrame({"patient_id": ["A", "B"], "exam_id": ["1", "2"], "exam_day": [9, 5]})
    >>> episodes = pd.DataFrame({"patient_id": ["A"], "icans_onset_day": [6], "icans_last_day": [10],
    ...                          "icans_grade": [2], "icans_grade_lower": [2], "icans_grade_upper": [2]})
    >>> mri_timing(exams, episodes)[["patient_id", "mri_day", "days_from_onset", "icans_grade"]]
      patient_id  mri_day  days_from_onset  icans_grade
    0          A        9                3            2
    1          B        5             <NA>         <NA>
    """
    require_columns(mri_exam, ["patient_id", "exam_id", "exam_day"], "mri_exam")
    require_columns(episodes, ["patient_id", *_EPISODE_COLUMNS], "episodes")
    keys = [key for key in KEYS if key in mri_exam.columns and key in episodes.columns]
    exams = _dated(mri_exam)
    nearest = _nearest(exams, episodes, keys)
    onset, last = (_taken(episodes, name, nearest) for name in ("icans_onset_day", "icans_last_day"))
    day = read_numbers(exams, "exam_day", -np.inf, np.inf, step=None)
    during = np.where(np.isnan(last) | np.isnan(onset), -1, (day >= onset) & (day <= last))
    during = np.where(day < onset, 0, during).astype(np.int8)
    identity = [key for key in (*KEYS, "exam_id") if key in exams.columns]
    frame = pd.DataFrame(
        {
            **{name: exams[name] for name in identity},
            "mri_day": int64(day),
            "icans_onset_day": int64(onset),
            "days_from_onset": int64(day - onset),
            "during_icans": category(during, ("no", "yes")),
            **{name: int64(_taken(episodes, name, nearest)) for name in _EPISODE_COLUMNS[2:]},
            **({} if treatment is None else _to_steroid(exams, day, treatment)),
        }
    )
    return declare_derived(frame)


def _dated(mri_exam: pd.DataFrame) -> pd.DataFrame:
    """Return the examinations that were made on a known day, sorted by keys, day and examination."""
    exams = read_exams(mri_exam, (-np.inf, np.inf))
    needed = [name for name in (*KEYS, "exam_day", "exam_id") if name in mri_exam.columns]
    dated = mri_exam.loc[exams.done & ~np.isnan(exams.day), needed]
    return dated.sort_values(needed, kind="stable", ignore_index=True)


def _nearest(exams: pd.DataFrame, episodes: pd.DataFrame, keys: list[str]) -> NDArray[np.intp]:
    """Return the row of the episode whose onset is nearest to each examination; -1 without one."""
    out = np.full(len(exams), -1, dtype=np.intp)
    onset = read_numbers(episodes, "icans_onset_day", -np.inf, np.inf, step=None)
    rows = np.flatnonzero(~np.isnan(onset))
    day = read_numbers(exams, "exam_day", -np.inf, np.inf, step=None)
    if not len(rows) or not len(day):
        return out
    both = pd.concat([exams[keys], episodes[keys].iloc[rows]], ignore_index=True)
    patient = both.groupby(keys, sort=False, observed=True, dropna=False).ngroup().to_numpy(dtype=np.int64)
    exam_patient, onset_patient = patient[: len(day)], patient[len(day) :]
    # One line of time, patient after patient: the onsets just before and after an examination are neighbours in it.
    earliest = min(day.min(), onset[rows].min())
    span = max(day.max(), onset[rows].max()) - earliest + 1
    line = onset_patient * span + (onset[rows] - earliest)
    order = np.argsort(line, kind="stable")
    rows, onset_patient, line = rows[order], onset_patient[order], line[order]
    after = _search(line, exam_patient * span + (day - earliest))
    # of episodes with the same onset the first row
    begins = np.flatnonzero(np.diff(line, prepend=-np.inf))
    first = np.repeat(begins, np.diff(begins, append=len(line)))
    before, after = first[np.maximum(after - 1, 0)], np.minimum(after, len(rows) - 1)
    distance = []
    for place in (before, after):
        own = onset_patient[place] == exam_patient
        distance.append(np.where(own, np.abs(day - onset[rows[place]]), np.inf))
    chosen = np.where(distance[0] <= distance[1], before, after)
    found = np.minimum(distance[0], distance[1]) < np.inf
    out[found] = rows[chosen[found]]
    return out


def _search(line: Numbers, at: Numbers) -> NDArray[np.intp]:
    """Search for sorted places, so that memory is read in order."""
    order = np.argsort(at)
    out = np.empty(len(at), dtype=np.intp)
    out[order] = np.searchsorted(line, at[order])
    return out


def _taken(episodes: pd.DataFrame, column: str, rows: NDArray[np.intp]) -> Numbers:
    """Return the values of the chosen episodes; NaN where there is none."""
    values = np.append(read_numbers(episodes, column, -np.inf, np.inf, step=None), np.nan)
    return values[rows]


def _to_steroid(exams: pd.DataFrame, day: Numbers, treatment: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the day of the first systemic corticosteroid, and whether each examination came before or after it."""
    require_columns(treatment, ["patient_id", "drug", "start_day"], "treatment")
    keys = [key for key in KEYS if key in exams.columns and key in treatment.columns]
    start = read_numbers(treatment, "start_day", -np.inf, np.inf, step=None)
    steroid = treatment["drug"].astype("string").isin(CORTICOSTEROIDS).to_numpy(dtype=bool) & ~(start < 0)
    if "route" in treatment.columns:
        local = (treatment["route"].astype("string") == "intrathecal").fillna(False)
        steroid &= ~local.to_numpy(dtype=bool)
    courses = treatment.loc[steroid, keys].assign(_first=start[steroid], _undated=np.isnan(start[steroid]))
    courses = courses.groupby(keys, observed=True, as_index=False).agg({"_first": "min", "_undated": "max"})
    found = exams[keys].merge(courses, on=keys, how="left", validate="many_to_one")
    first = found["_first"].to_numpy(dtype=float)
    undated = found["_undated"].astype("boolean").fillna(False).to_numpy(dtype=bool)
    if "source" in keys:
        recorded = exams["source"].isin(treatment["source"].unique()).to_numpy(dtype=bool)
    else:
        recorded = np.full(len(exams), len(treatment) > 0)
    relation = np.select(
        [day > first, undated, day == first, day < first, recorded], [2, -1, 1, 0, 3], default=-1
    )
    return {"steroid_first_day": int64(first, undated), "mri_to_steroid": category(relation, _TO_STEROID)}
