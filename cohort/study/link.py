"""Link grades, imaging and other summaries to the population: one row per patient, columns with facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from cohort.dictionary.derived import declare_derived, printed_unit
from cohort.dictionary.facts import FACTS_KEY, declare_facts, declared_facts
from cohort.errors import StudyError
from cohort.neurotox.icans import GRADING_KEY
from cohort.neurotox.patient_grades import OpenDays
from cohort.study.keys import KEYS, key_index, require_unique_patients, row_of, shared_keys, take_rows
from cohort.study.linked_summaries import (
    collected,
    crs_summary,
    icans_summary,
    imaging_summary,
    late_neurotoxicity,
)

if TYPE_CHECKING:
    from cohort.registry.registry import Registry

ABOUT = "__"  # columns about a value: its status, the interval it lies in


def link_frames(
    registry: Registry,
    population: pd.DataFrame,
    frames: Sequence[pd.DataFrame],
    window: tuple[int, int],
    open_days: OpenDays = "widen",
) -> pd.DataFrame:
    """Link summaries to a population.

    Parameters
    ----------
    registry : Registry
        Registry the population is drawn from; summaries that are not given are made from it.
    population : DataFrame
        Infusions of the study, one per patient.
    frames : sequence of DataFrame
        Frames to link, recognised by their columns.
    window : tuple of int
        First and last day of the patient's maximum grades, of the onset and of MRI made here.
    open_days : {'widen', 'ignore'}, default='widen'
        What days whose grade is not determined do to the maximum ICANS grade.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        The analysis frame; its facts are in ``attrs``.

    Raises
    ------
    StudyError
        When patients have several infusions, or a frame cannot be linked.
    """
    require_unique_patients(population)
    base = population.drop(columns=[c for c in population.columns if ABOUT in c]).reset_index(drop=True)
    known = {
        name: replace(fact, unit=printed_unit(fact.unit)) for name, fact in declared_facts(population).items()
    }
    base.attrs = {}
    given = _recognise(frames)
    parts = [
        icans_summary(registry, base, given.graded, given.episodes, window, open_days),
        crs_summary(registry, base, given.crs, window),
        imaging_summary(registry, base, given.imaging, window),
        late_neurotoxicity(registry, base, after_day=window[1]),
    ]
    linked = base
    for part in parts:
        linked = _beside(linked, part)
    linked = declare_derived(linked, float(window[1]))
    known |= {name: fact for part in parts for name, fact in declared_facts(part).items()}
    linked = declare_facts(linked, known)
    for frame in given.others:
        linked = link_other(linked, frame)
    linked.attrs = {
        FACTS_KEY: linked.attrs[FACTS_KEY],
        GRADING_KEY: dict(parts[0].attrs.get(GRADING_KEY, {})),
    }
    return linked


def imaging_counts(
    registry: Registry, population: pd.DataFrame, window: tuple[int, int]
) -> pd.DataFrame | None:
    """Count who was imaged in the window, and why the others were not.

    Parameters
    ----------
    registry : Registry
        Registry the population is drawn from.
    population : DataFrame
        Infusions of the study.
    window : tuple of int
        First and last day.

    Returns
    -------
    DataFrame or None
        Columns ``group``, ``reason`` and ``n``, for the flow diagram; None when no source collects imaging.
    """
    if not collected(registry, "mri_exam", population["source"]).any():
        return None
    imaging = imaging_summary(registry, population.reset_index(drop=True), None, window)
    group = imaging["mri_status"].astype(object)
    reason = imaging["mri_not_done_reason"].astype(object).where(imaging["mri_not_done_reason"].notna(), "")
    reason = reason.where(group == "not_imaged", "").where(
        (group != "not_imaged") | (reason != ""), "reason not recorded"
    )
    counts = pd.DataFrame({"group": group, "reason": reason}).value_counts(["group", "reason"], sort=False)
    out = counts.rename("n").reset_index()
    return out.sort_values(["group", "n", "reason"], ascending=[True, False, True], ignore_index=True)


@dataclass(frozen=True, slots=True)
class _Given:
    """The frames to link, by what they hold."""

    graded: pd.DataFrame | None
    episodes: pd.DataFrame | None
    crs: pd.DataFrame | None
    imaging: pd.DataFrame | None
    others: tuple[pd.DataFrame, ...]


def _recognise(frames: Sequence[pd.DataFrame]) -> _Given:
    """Tell frames apart by the columns that only their makers write."""
    known: dict[str, pd.DataFrame] = {}
    others = []
    for frame in frames:
        kind = next((kind for kind, marks in _MARKS.items() if marks <= set(frame.columns)), "")
        if not kind:
            others.append(frame)
        elif kind in known:
            raise StudyError(
                f"Two frames to link hold {kind}.",
                evidence=f"both have the columns {', '.join(sorted(_MARKS[kind]))}",
                remedy="Link one of them; rename the columns of the other.",
            )
        else:
            known[kind] = frame
    return _Given(
        known.get("graded"), known.get("episodes"), known.get("crs"), known.get("imaging"), tuple(others)
    )


_MARKS = {
    "graded": {"icans_grade_source", "icans_grade_lower"},
    "episodes": {"episode_number", "icans_onset_day"},
    "crs": {"crs_grade_lower", "crs_grade_upper"},
    "imaging": {"mri_status"},
}


def _beside(linked: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """Put the columns of a part beside the linked ones, which they replace when they have the same name."""
    kept = linked.drop(columns=[c for c in part.columns if c in linked.columns])
    out = pd.concat([kept, part], axis=1)
    out.attrs = linked.attrs
    return out


def link_other(linked: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Link a frame with one row per patient.

    Parameters
    ----------
    linked : DataFrame of shape (n_patients, n_columns)
        Frame to link to.
    frame : DataFrame
        Frame to link, with unique keys.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns + n_new)
        The columns side by side, with the facts of both.

    Raises
    ------
    StudyError
        When keys repeat or a column is in both frames.
    """
    keys = shared_keys(frame)
    repeated = key_index(frame, keys).duplicated(keep=False)
    if repeated.any():
        raise StudyError(
            "A frame to link has several rows per patient.",
            evidence=f"{int(repeated.sum())} of {len(frame)} rows share {', '.join(keys)} with another; "
            f"columns: {', '.join(str(c) for c in frame.columns[:12])}",
            remedy="Summarise it first: co.icans_episodes(), co.mri_findings(), "
            'cohort.study.summaries.summarize() or frame.groupby("patient_id", as_index=False).max()',
        )
    columns = [c for c in frame.columns if c not in KEYS and ABOUT not in str(c)]
    twice = [str(c) for c in columns if c in linked.columns]
    if twice:
        raise StudyError(
            "A frame to link has columns that the linked frame has already.",
            evidence=", ".join(twice),
            remedy=f'frame.rename(columns={{"{twice[0]}": "other_name"}}) or frame.drop(columns=...)',
        )
    part = take_rows(frame[columns], row_of(linked, frame, keys))
    out = _beside(linked, part)
    return declare_facts(out, declared_facts(frame))
