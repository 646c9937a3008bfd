"""The parts of the linked frame: each patient's grades, onset, CRS, imaging and late neurotoxicity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.dictionary.states import PRESENCE
from cohort.neurotox.crs import grade_crs
from cohort.neurotox.days import says_something
from cohort.neurotox.episodes import icans_episodes
from cohort.neurotox.icans import GRADING_KEY, grade_icans
from cohort.neurotox.mri import mri_findings
from cohort.neurotox.patient_grades import OpenDays, patient_crs, patient_icans
from cohort.study.keys import KEYS, row_of, shared_keys, take_rows

if TYPE_CHECKING:
    from cohort.registry.registry import Registry

GRADING_OPTIONS = ("population", "age_boundary", "unscanned", "reported")
ONSET_COLUMNS = (
    "icans_onset_day",
    "icans_onset_day_lower",
    "icans_onset_day_upper",
    "icans_peak_day",
    "icans_resolved_day",
    "icans_duration_days",
    "icans_ongoing",
)
LATE_EVENTS = (
    "movement_disorder",
    "cranial_nerve_palsy",
    "myelopathy",
    "stroke",
    "gbs",
    "pml",
    "peripheral_neuropathy",
    "encephalitis",
    "late_seizure",
    "other_neurotoxicity",
)
LAST_ASSESSED = "icans_last_assessed_day"
NO_YES = ["no", "yes"]
_END = float("inf")
LINK_FACTS = {
    LAST_ASSESSED: ColumnFacts("follow_up", _END, label="Last neurological assessment", unit="days"),
    "late_neurotoxicity": ColumnFacts("follow_up", _END, label="Late neurotoxicity"),
    "late_neurotoxicity_day": ColumnFacts("follow_up", _END, label="Day of late neurotoxicity", unit="days"),
}


def icans_summary(
    registry: Registry,
    base: pd.DataFrame,
    graded: pd.DataFrame | None,
    episodes: pd.DataFrame | None,
    window: tuple[int, int],
    open_days: OpenDays = "widen",
) -> pd.DataFrame:
    """Return each patient's maximum grades in the window, and the first episode that begins in it.

    Parameters
    ----------
    registry : Registry
        Registry; its assessments are graded when ``graded`` is not given, as the episodes were.
    base : DataFrame of shape (n_patients, n_columns)
        The population with its keys.
    graded, episodes : DataFrame or None
        Output of ``grade_icans`` and ``icans_episodes``.
    window : tuple of int
        First and last day.
    open_days : {'widen', 'ignore'}, default='widen'
        What days whose grade is not determined do to the maximum, as in ``patient_icans``.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        Grades, onset and the last assessed day, with facts; missing for patients without assessment.
    """
    if graded is None:
        graded = _graded(registry, base, episodes)
    if episodes is None:
        episodes = icans_episodes(graded)
    grades = patient_icans(graded, window, open_days)
    out = _aligned(base, grades)
    first = episodes[episodes["icans_onset_day"].between(*window)]
    keys = shared_keys(episodes)
    first = first.sort_values([*keys, "icans_onset_day"], kind="stable").drop_duplicates(keys)
    onset = take_rows(first[list(ONSET_COLUMNS)], row_of(base, first, keys))
    last = _last_assessed(base, graded)
    joined = pd.concat([out, onset, last], axis=1)
    joined.attrs = {
        **grades.attrs,
        GRADING_KEY: episodes.attrs.get(GRADING_KEY, {}) | grades.attrs[GRADING_KEY],
    }
    return declare_facts(joined, LINK_FACTS)


def crs_summary(
    registry: Registry, base: pd.DataFrame, graded: pd.DataFrame | None, window: tuple[int, int]
) -> pd.DataFrame:
    """Return each patient's maximum CRS grade in the window.

    Parameters
    ----------
    registry : Registry
        Registry; its assessments are graded when ``graded`` is not given.
    base : DataFrame of shape (n_patients, n_columns)
        The population with its keys.
    graded : DataFrame or None
        Output of ``grade_crs``.
    window : tuple of int
        First and last day.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        The grades with facts; missing for patients without assessment.
    """
    graded = grade_crs(registry.crs_assessment) if graded is None else graded
    return _aligned(base, patient_crs(graded, window))


def imaging_summary(
    registry: Registry, base: pd.DataFrame, findings: pd.DataFrame | None, window: tuple[int, int]
) -> pd.DataFrame:
    """Return each patient's imaging; who has no record was not imaged where the source records imaging.

    Parameters
    ----------
    registry : Registry
        Registry; its examinations are summarised when ``findings`` is not given.
    base : DataFrame of shape (n_patients, n_columns)
        The population with its keys.
    findings : DataFrame or None
        Output of ``mri_findings``.
    window : tuple of int
        First and last day.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        The findings with facts. Without a record, ``mri_status`` is ``not_imaged`` where the source collects
        examinations and ``unknown`` where it does not; findings are ``not_imaged`` or missing alike.
    """
    if findings is None:
        findings = mri_findings(registry.mri_exam, registry.mri_finding, window=window)
    rows = row_of(base, findings, shared_keys(findings))
    out = _aligned(base, findings)
    exams = registry.mri_exam.drop_duplicates(list(KEYS))
    recorded = row_of(base, exams, list(KEYS)) >= 0
    absent = (rows < 0) | (~recorded & (out["mri_status"] == "unknown").to_numpy(dtype=bool))
    recorded_here = collected(registry, "mri_exam", base["source"])
    none = absent & recorded_here
    fill = {"mri_status": ("not_imaged", "unknown"), "baseline_mri": ("no", "unknown")}
    for name, (when_collected, otherwise) in fill.items():
        if name in out.columns:
            out[name] = _filled(_filled(out[name], absent & ~recorded_here, otherwise), none, when_collected)
    if "mri_n_exams" in out.columns:
        out["mri_n_exams"] = out["mri_n_exams"].astype("Int64").mask(none, 0)
    for name in out.columns:
        values = out[name]
        if isinstance(values.dtype, pd.CategoricalDtype) and set(values.cat.categories) == set(PRESENCE):
            out[name] = _filled(values, none, "not_imaged")
    return out


def late_neurotoxicity(registry: Registry, base: pd.DataFrame, after_day: int) -> pd.DataFrame:
    """Return whether and when a patient first had late neurotoxicity, after the acute window.

    Parameters
    ----------
    registry : Registry
        Registry with its events.
    base : DataFrame of shape (n_patients, n_columns)
        The population with its keys.
    after_day : int
        Last day of the acute window; events up to it are not late.

    Returns
    -------
    DataFrame of shape (n_patients, 2)
        ``late_neurotoxicity``: yes; no when the source collects events and reports none for the patient; else
        missing. ``late_neurotoxicity_day``: the first day; missing when none or undated.
    """
    event = registry.event
    event = event[event["event_type"].isin(LATE_EVENTS)]
    day = event["event_day"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    said = event["occurred"].astype("string").fillna("").to_numpy(dtype=object)
    happened = (said == "yes") | ((said == "") & ~np.isnan(day))
    late = happened & ~(day <= after_day)  # an undated event is late neurotoxicity without a day
    keys = list(KEYS)
    first = (
        event[late].sort_values([*keys, "event_day"], na_position="last", kind="stable").drop_duplicates(keys)
    )
    rows = row_of(base, first, keys)
    unsure = row_of(base, event[(said == "") & np.isnan(day)].drop_duplicates(keys), keys) >= 0
    asked = collected(registry, "event", base["source"])
    codes = np.where(rows >= 0, 1, np.where(asked & ~unsure, 0, -1)).astype(np.int8)
    out = pd.DataFrame(
        {
            "late_neurotoxicity": pd.Categorical.from_codes(codes, categories=pd.Index(NO_YES)),
            "late_neurotoxicity_day": take_rows(first[["event_day"]], rows)["event_day"].astype("Int64"),
        }
    )
    return declare_facts(out, LINK_FACTS)


def collected(registry: Registry, table: str, source: pd.Series) -> NDArray[np.bool_]:
    """Whether the source of each row collects a table.

    Parameters
    ----------
    registry : Registry
        The registry.
    table : str
        Name of a canonical table.
    source : Series of shape (n_rows,)
        Sources.

    Returns
    -------
    array of bool of shape (n_rows,)
        True where the source collects it.
    """
    names = source.astype(str)
    known = {name: registry.collected(table, name) for name in names.unique()}
    return np.asarray(names.map(known), dtype=bool)


def _graded(registry: Registry, base: pd.DataFrame, episodes: pd.DataFrame | None) -> pd.DataFrame:
    """Grade the registry's assessments with the options the episodes were made with."""
    made_with = {} if episodes is None else episodes.attrs.get(GRADING_KEY, {})
    options = {name: made_with[name] for name in GRADING_OPTIONS if name in made_with}
    frame = registry.neuro_assessment
    if options.get("population") == "by_age" and "age_years" not in frame.columns:
        ages = registry.infusion.drop_duplicates(list(KEYS))
        frame = frame.assign(
            age_years=take_rows(ages[["age_years"]], row_of(frame, ages, list(KEYS))).to_numpy()
        )
    return grade_icans(frame, **options)


def _last_assessed(base: pd.DataFrame, graded: pd.DataFrame) -> pd.DataFrame:
    """Return the last day on which a patient's neurological state is known."""
    keys = shared_keys(graded)
    days = [c for c in ("assessment_day", "period_end_day") if c in graded.columns]
    spoken = graded.loc[says_something(graded), [*keys, *days]]
    last = spoken[days].max(axis=1) if days else pd.Series(pd.NA, index=spoken.index, dtype="Int64")
    known = spoken[keys].assign(**{LAST_ASSESSED: last.astype("Int64")})
    latest = known.sort_values([*keys, LAST_ASSESSED], na_position="first", kind="stable")
    latest = latest.drop_duplicates(keys, keep="last")
    return take_rows(latest[[LAST_ASSESSED]], row_of(base, latest, keys))


def _aligned(base: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Return the summary's columns for each patient of the base, with its facts."""
    keys = shared_keys(summary)
    out = take_rows(summary.drop(columns=keys), row_of(base, summary, keys))
    out.attrs = summary.attrs
    return out


def _filled(values: pd.Series, where: NDArray[np.bool_], label: str) -> pd.Series:
    """Set a label where told, adding it to the categories when they lack it."""
    if isinstance(values.dtype, pd.CategoricalDtype) and label not in values.cat.categories:
        values = values.cat.add_categories([label])
    return values.mask(where, label)
