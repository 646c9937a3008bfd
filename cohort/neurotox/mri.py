"""Imaging findings, one row per patient: imaged or why not, what was seen, and what is new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import Taxonomy, declare_derived, finding_taxonomy
from cohort.dictionary.states import PRESENCE
from cohort.errors import StudyError
from cohort.neurotox.columns import KEYS, category, int64, require_columns
from cohort.neurotox.mri_changes import (
    CHANGES,
    ExamReads,
    PatientReads,
    compare,
    compare_composites,
    latest_baseline,
    per_patient,
)
from cohort.neurotox.mri_exams import Exams, assessable, check_window, read_exams
from cohort.neurotox.mri_patients import imaging_status, number_patients
from cohort.neurotox.mri_reads import Readers, compose, judge, read_states
from cohort.neurotox.mri_select import Rule, select_exams

IMAGING_KEY = "cohort_imaging"
_TO_PRESENCE = np.array(
    [PRESENCE.index(label) for label in ("not_assessable", "absent", "indeterminate", "present")]
)
_NOT_IMAGED = PRESENCE.index("not_imaged")


@dataclass(frozen=True, slots=True)
class _Reading:
    """Every examination's final states, of findings and composites, its number, and counts for the report."""

    findings: ExamReads
    composites: NDArray[np.int8]
    number: NDArray[np.int64]
    counts: dict[str, int]


def mri_findings(
    mri_exam: pd.DataFrame,
    mri_finding: pd.DataFrame,
    window: tuple[float, float] = (0, 30),
    rule: Rule = "any",
    patients: pd.DataFrame | pd.Series | None = None,
    readers: Readers = "any",
    anchor: float | pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Summarize imaging as one row per patient, with every kind of not knowing kept apart.

    A finding is absent only where an examination was made that can show it, and somebody looked. What nobody
    looked for, or what the acquired sequences cannot show, is ``not_assessable``; who was not imaged is
    ``not_imaged``; where nobody knows whether imaging was done the finding is missing.

    Parameters
    ----------
    mri_exam : DataFrame of shape (n_exams, n_columns)
        Examinations, made or not made; ``patient_id`` and ``exam_id`` are needed, all else is used if there.
    mri_finding : DataFrame of shape (n_readings, n_columns)
        One row per examination, finding and reader: ``patient_id, exam_id, finding_code, presence`` and more.
    window : tuple of two floats, default=(0, 30)
        First and last day since infusion, both included. A baseline examination on day 0 is not in it.
    rule : {'any', 'worst', 'first', 'nearest'}, default='any'
        Which examinations of the window count: all of them (present beats indeterminate beats absent); the
        one with the most findings (ties: the earliest); those of the first day; those of the day nearest to
        the anchor (ties: the later day).
    patients : DataFrame or Series, optional
        Keys of the patients to have a row (``registry.infusion``, or a Series of ``patient_id``); by default
        those in ``mri_exam``.
    readers : {'any', 'majority', 'first'}, default='any'
        How several readers of one examination agree on a state.
    anchor : float or DataFrame, optional
        For ``rule="nearest"``: a day since infusion, or episodes with ``icans_onset_day`` (the first counts).
        Patients without an anchor use their first examination.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        Keys, ``mri_status`` (imaged, not_imaged, unknown), ``mri_not_done_reason``, ``mri_n_exams``,
        ``mri_first_day``, ``baseline_mri`` (no, yes, unknown); per finding and composite its state, the first
        day present among the examinations used (``_first_day``) and ``_change`` (new, pre_existing, worse,
        resolved, no_prior; missing where the finding is not there). ``attrs["cohort_imaging"]`` has options
        and counts.

    Raises
    ------
    RangeError
        When a label is unknown or the window ends before it begins.
    StudyError
        When a key column or the anchor is missing, or an option is unknown.

    See Also
    --------
    icans_episodes : The anchor for ``rule="nearest"``.

    Notes
    -----
    A finding without a row is absent when the whole reading was normal (``overall_result``) or declared
    complete (a column ``findings_complete``), else not assessable. Baseline is an examination declared so or
    made on day 0 or before, not older than 90 days (on day 0 not when driven by symptoms or declared
    otherwise); without one a finding is ``no_prior``, never new. A patient with examinations, but none in the
    window, was not imaged; a patient without any row, or with an examination of unknown day and none in the
    window, is unknown.

    Composites: ``cerebral_edema`` (focal or diffuse) and ``hemorrhage`` are absent when every member that the
    source records is; ``any_abnormal_finding`` when something was looked for and nothing found.

    Examples
    --------
    >>> import pandas as pd
    >>> exams = pd.DataFrame({"patient_id": ["A", "B"], "exam_id": ["1", "2"], "exam_day": [5, 6]})
    >>> readings = pd.DataFrame({"patient_id": ["A", "B"], "exam_id": ["1", "2"],
    ...                          "finding_code": "flair_deep", "presence": ["present", "absent"]})
    >>> mri_findings(exams, readings)[["patient_id", "mri_status", "flair_deep", "flair_deep_change"]]
      patient_id mri_status flair_deep flair_deep_change
    0          A     imaged    present          no_prior
    1          B     imaged     absent               NaN
    """
    check_window(window)
    _check_options(mri_exam, mri_finding, rule, readers, anchor)
    taxonomy = finding_taxonomy()
    exams = read_exams(mri_exam, window)
    who = number_patients(mri_exam, patients)
    reading = _read(mri_exam, mri_finding, exams, taxonomy, readers)
    mine = who.of_exam >= 0
    use = select_exams(
        exams, who, mine & exams.in_window, rule, anchor, reading.findings.state, reading.number
    )
    status = imaging_status(mri_exam, exams, who)

    now = per_patient(reading.findings, who.of_exam, exams.day, use, who.n)
    before = latest_baseline(reading.findings, who.of_exam, exams.day, mine & exams.baseline, who.n)
    blank = np.full(reading.composites.shape, -1, dtype=np.int8)
    composites = ExamReads(reading.composites, blank, blank, blank)
    now_composites = per_patient(composites, who.of_exam, exams.day, use, who.n)
    before_composites = latest_baseline(composites, who.of_exam, exams.day, mine & exams.baseline, who.n)
    change = compare(now, before)
    composite_change = compare_composites(change, now_composites.state, before_composites.state, taxonomy)
    unknown = status["mri_status"].to_numpy() == "unknown"
    frame = pd.DataFrame(
        {
            **{name: who.keys[name].reset_index(drop=True) for name in who.keys.columns},
            **status,
            **_state_columns(taxonomy.codes, now, change, unknown),
            **_state_columns(
                [one.value for one in taxonomy.composites], now_composites, composite_change, unknown
            ),
        }
    )
    frame.attrs = {
        **mri_exam.attrs,
        IMAGING_KEY: {
            "window": [float(day) for day in window],
            "rule": rule,
            "readers": readers,
            **reading.counts,
        },
    }
    return declare_derived(frame, window_end=float(window[1]))


def _check_options(
    mri_exam: pd.DataFrame, mri_finding: pd.DataFrame, rule: str, readers: str, anchor: object
) -> None:
    """Refuse options that do not exist and frames without their keys."""
    require_columns(mri_exam, ["patient_id", "exam_id"], "mri_exam")
    require_columns(mri_finding, ["patient_id", "exam_id", "finding_code", "presence"], "mri_finding")
    allowed = {
        "rule": (rule, ("any", "worst", "first", "nearest")),
        "readers": (readers, ("any", "majority", "first")),
    }
    for name, (given, options) in allowed.items():
        if given not in options:
            raise StudyError(
                f"{name}= has no such option", evidence=repr(given), remedy=f"use one of {', '.join(options)}"
            )
    if (rule == "nearest") != (anchor is not None):
        raise StudyError(
            "rule='nearest' and anchor= belong together",
            evidence=f"rule={rule!r}, anchor {'missing' if anchor is None else 'given'}",
            remedy='mri_findings(..., rule="nearest", anchor=episodes) or anchor=14',
        )


def _read(
    mri_exam: pd.DataFrame, mri_finding: pd.DataFrame, exams: Exams, taxonomy: Taxonomy, readers: Readers
) -> _Reading:
    """Bring readings to their examinations and judge each finding there."""
    keys = [key for key in (*KEYS, "exam_id") if key in mri_exam.columns and key in mri_finding.columns]
    exam_number, of_reading, n_numbers = _match(mri_exam[keys], mri_finding[keys])
    states, extent, lesion_count, change = read_states(mri_finding, of_reading, n_numbers, taxonomy, readers)
    judged, n_contradictory = judge(states[exam_number], assessable(mri_exam, taxonomy), exams, taxonomy)
    recorded = _recorded_by_source(mri_exam, states[exam_number])
    return _Reading(
        findings=ExamReads(judged, extent[exam_number], lesion_count[exam_number], change[exam_number]),
        composites=compose(judged, recorded, exams, taxonomy),
        number=exam_number,
        counts={
            "n_exams_done": int(exams.done.sum()),
            "n_exams_without_day": int((exams.done & np.isnan(exams.day)).sum()),
            "n_readings": len(mri_finding),
            "n_readings_without_exam": int((of_reading < 0).sum()),
            "n_present_without_sequence": n_contradictory,
        },
    )


def _match(
    exam_keys: pd.DataFrame, reading_keys: pd.DataFrame
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the examination number of each exam row and reading (-1 without), and how many there are."""
    both = pd.concat([exam_keys.astype(object), reading_keys.astype(object)], ignore_index=True)
    codes = both.groupby(list(both.columns), sort=True, dropna=False).ngroup().to_numpy(dtype=np.int64)
    ours = np.unique(codes[: len(exam_keys)])
    number = np.full(int(codes.max(initial=-1)) + 1, -1, dtype=np.int64)
    number[ours] = np.arange(ours.size)
    numbered = number[codes]
    return numbered[: len(exam_keys)], numbered[len(exam_keys) :], ours.size


def _recorded_by_source(mri_exam: pd.DataFrame, states: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return per examination which findings its source records anywhere."""
    if "source" not in mri_exam.columns or not len(mri_exam):
        return np.broadcast_to((states >= 0).any(axis=0), states.shape)
    source, _ = pd.factorize(mri_exam["source"], use_na_sentinel=False)
    seen = np.zeros((source.max() + 1, states.shape[1]), dtype=bool)
    np.logical_or.at(seen, source, states >= 0)
    return seen[source]


def _state_columns(
    names: tuple[str, ...] | list[str],
    reads: PatientReads,
    change: NDArray[np.int8],
    unknown: NDArray[np.bool_],
) -> dict[str, pd.Series]:
    """Return state, first day present and change of each finding."""
    columns = {}
    for i, name in enumerate(names):
        state = reads.state[:, i]
        code = np.where(state < 0, np.where(unknown, -1, _NOT_IMAGED), _TO_PRESENCE[np.maximum(state, 0)])
        columns[name] = category(code, PRESENCE)
        columns[f"{name}_first_day"] = int64(reads.first_day[:, i])
        columns[f"{name}_change"] = category(change[:, i], CHANGES)
    return columns
