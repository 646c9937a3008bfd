"""Findings against the baseline examination: new, pre-existing, worse, resolved, or no prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.dictionary.derived import Taxonomy
from cohort.neurotox.columns import Flags, Numbers
from cohort.neurotox.mri_reads import ABSENT, NOT_ASSESSABLE, PRESENT

CHANGES = ("new", "pre_existing", "worse", "resolved", "no_prior")
NEW, PRE_EXISTING, WORSE, RESOLVED, NO_PRIOR = range(len(CHANGES))
_SAID_NEW, _SAID_INCREASED, _SAID_THERE_BEFORE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class PatientReads:
    """What one set of examinations showed each patient, shape (n_patients, n_findings) each.

    Attributes
    ----------
    state : array of int8
        State of the finding; -1 without an examination.
    extent, lesion_count : array of int8
        Ranks; -1 where not recorded.
    change : array of int8
        The reader's change from prior on the first examination that shows the finding.
    first_day : array of float
        First day present; NaN where it is not.
    """

    state: NDArray[np.int8]
    extent: NDArray[np.int8]
    lesion_count: NDArray[np.int8]
    change: NDArray[np.int8]
    first_day: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ExamReads:
    """What each examination showed, shape (n_exams, n_findings) each; see PatientReads."""

    state: NDArray[np.int8]
    extent: NDArray[np.int8]
    lesion_count: NDArray[np.int8]
    change: NDArray[np.int8]


def per_patient(
    reads: ExamReads, patient: NDArray[np.int64], day: Numbers, use: Flags, n_patients: int
) -> PatientReads:
    """Take the most positive state of the examinations used, per patient and finding."""
    n_findings = reads.state.shape[1]
    shape = (n_patients, n_findings)
    state, extent, lesion_count, change = (np.full(shape, -1, dtype=np.int8) for _ in range(4))
    out = PatientReads(state, extent, lesion_count, change, first_day=np.full(shape, np.nan))
    rows = np.flatnonzero(use)
    if not rows.size:
        return out
    rows = rows[np.argsort(patient[rows], kind="stable")]
    starts = np.flatnonzero(np.r_[True, np.diff(patient[rows]) != 0])
    who = patient[rows[starts]]
    present = reads.state[rows] == PRESENT
    when = np.where(present, np.where(np.isnan(day[rows]), np.inf, day[rows])[:, None], np.inf)
    first = np.minimum.reduceat(when, starts, axis=0)
    at_first = present & (when == np.repeat(first, np.diff(np.r_[starts, rows.size]), axis=0))
    for name in ("state", "extent", "lesion_count"):
        getattr(out, name)[who] = np.maximum.reduceat(getattr(reads, name)[rows], starts, axis=0)
    out.change[who] = np.maximum.reduceat(np.where(at_first, reads.change[rows], -1), starts, axis=0)
    out.first_day[who] = np.where(np.isinf(first), np.nan, first)
    return out


def latest_baseline(
    reads: ExamReads, patient: NDArray[np.int64], day: Numbers, baseline: Flags, n_patients: int
) -> PatientReads:
    """Take, per patient and finding, the last baseline day on which the finding could be judged."""
    rows = np.flatnonzero(baseline)
    rows = rows[np.lexsort((np.where(np.isnan(day[rows]), -np.inf, day[rows]), patient[rows]))]
    judged = reads.state[rows] > NOT_ASSESSABLE
    when = np.where(judged, np.where(np.isnan(day[rows]), -1e9, day[rows])[:, None], -np.inf)
    if not rows.size:
        return per_patient(reads, patient, day, baseline, n_patients)
    starts = np.flatnonzero(np.r_[True, np.diff(patient[rows]) != 0])
    last = np.repeat(np.maximum.reduceat(when, starts, axis=0), np.diff(np.r_[starts, rows.size]), axis=0)
    chosen = judged & (when == last)
    only = ExamReads(
        state=np.where(chosen, reads.state[rows], NOT_ASSESSABLE).astype(np.int8),
        extent=np.where(chosen, reads.extent[rows], -1).astype(np.int8),
        lesion_count=np.where(chosen, reads.lesion_count[rows], -1).astype(np.int8),
        change=np.full(reads.change[rows].shape, -1, dtype=np.int8),
    )
    return per_patient(only, patient[rows], day[rows], np.ones(rows.size, dtype=bool), n_patients)


def compare(now: PatientReads, before: PatientReads) -> NDArray[np.int8]:
    """Return the change of each finding as a position in CHANGES; -1 where there is none to tell.

    Without a baseline examination the change is ``no_prior`` whatever the reader wrote. Where the baseline
    examination does not tell, the reader's comparison on the first examination with the finding is used.
    """
    here = now.state == PRESENT
    has_baseline = before.state >= 0
    was_absent, was_present = before.state == ABSENT, before.state == PRESENT
    grown = ((now.extent > before.extent) & (before.extent >= 0)) | (
        (now.lesion_count > before.lesion_count) & (before.lesion_count >= 0)
    )
    by_reader = has_baseline & ~was_absent & ~was_present
    conditions = [
        here & was_absent,
        here & was_present & (grown | (now.change == _SAID_INCREASED)),
        here & was_present,
        here & by_reader & (now.change == _SAID_NEW),
        here & by_reader & (now.change == _SAID_INCREASED),
        here & by_reader & (now.change == _SAID_THERE_BEFORE),
        here,
        (now.state == ABSENT) & was_present,
    ]
    choices = [NEW, WORSE, PRE_EXISTING, NEW, WORSE, PRE_EXISTING, NO_PRIOR, RESOLVED]
    return np.select(conditions, choices, default=-1).astype(np.int8)


def compare_composites(
    change: NDArray[np.int8], now: NDArray[np.int8], before: NDArray[np.int8], taxonomy: Taxonomy
) -> NDArray[np.int8]:
    """Return the change of each composite: worse when it was there and a member is new or worse."""
    position = {code: i for i, code in enumerate(taxonomy.codes)}
    columns = []
    for i, composite in enumerate(taxonomy.composites):
        members = change[:, [position[code] for code in taxonomy.members(composite)]]
        here, was = now[:, i] == PRESENT, before[:, i]
        grown = np.isin(members, (NEW, WORSE)).any(axis=1)
        conditions = [
            here & (was == ABSENT),
            here & (was == PRESENT) & grown,
            here & (was == PRESENT),
            here,
            (now[:, i] == ABSENT) & (was == PRESENT),
        ]
        columns.append(np.select(conditions, [NEW, WORSE, PRE_EXISTING, NO_PRIOR, RESOLVED], default=-1))
    return np.stack(columns, axis=1).astype(np.int8)
