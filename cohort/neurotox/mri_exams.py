"""Examinations as arrays: made or not, when, baseline or in the window, and what each could show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import Finding, Taxonomy
from cohort.errors import RangeError
from cohort.neurotox.columns import NO_YES, Flags, Levels, Numbers, read_levels, read_numbers

STATUS = {"done": 1, "not_done": 0, "unknown": -1}
INDICATIONS = {"baseline": 1, "symptom_driven": 0, "scheduled": 2, "staging": 2, "other_unknown": 2}
MODALITIES = {
    name: position
    for position, name in enumerate(
        ("mr_brain", "mr_spine", "mr_brain_spine", "ct_brain", "angiography", "pet_fdg")
    )
}
QUALITY = {"diagnostic": 1, "limited": 1, "non_diagnostic": 0}
RESULTS = {"normal": 0, "abnormal_related": 1, "abnormal_unrelated": 2, "indeterminate": 3}
BASELINE_MAX_AGE_DAYS = 90
_NO_SEQUENCES = (MODALITIES["ct_brain"], MODALITIES["pet_fdg"])


@dataclass(frozen=True, slots=True)
class Exams:
    """Examinations that were made or not, one entry per row of ``mri_exam``.

    Attributes
    ----------
    day : array of float of shape (n,)
        Day since infusion; NaN where unknown.
    done, not_done, status_unknown : array of bool of shape (n,)
        Whether the examination was made; a row without a status was made.
    baseline, in_window : array of bool of shape (n,)
        Made as baseline (not older than 90 days), or made in the window and no baseline.
    not_done_here, baseline_not_done : array of bool of shape (n,)
        Rows that say no examination was made in the window, or at baseline.
    result : array of int8 of shape (n,)
        Overall result, as in RESULTS; -1 where missing.
    complete : array of bool of shape (n,)
        Whether a finding without a row is absent: overall normal, or declared as a complete reading.
    """

    day: Numbers
    done: Flags
    not_done: Flags
    status_unknown: Flags
    baseline: Flags
    in_window: Flags
    not_done_here: Flags
    baseline_not_done: Flags
    result: Levels
    complete: Flags


def read_exams(mri_exam: pd.DataFrame, window: tuple[float, float]) -> Exams:
    """Read status, day and kind of every examination."""
    day = read_numbers(mri_exam, "exam_day", -np.inf, np.inf, step=None)
    status = read_levels(mri_exam, "exam_status", STATUS)
    says_unknown = _says_unknown(mri_exam)
    not_done = status == 0
    done = ~not_done & ~says_unknown
    is_baseline = read_levels(mri_exam, "is_baseline", NO_YES)
    indication = read_levels(mri_exam, "indication", INDICATIONS)
    declared = (is_baseline == 1) | ((is_baseline < 0) & (indication == INDICATIONS["baseline"]))
    young = np.isnan(day) | ((day <= 0) & (day >= -BASELINE_MAX_AGE_DAYS))
    by_day = (day < 0) | ((day == 0) & (is_baseline != 0) & (indication != INDICATIONS["symptom_driven"]))
    before = young & (declared | by_day)
    inside = (day >= window[0]) & (day <= window[1])
    result = read_levels(mri_exam, "overall_result", RESULTS)
    return Exams(
        day=day,
        done=done,
        not_done=not_done,
        status_unknown=says_unknown,
        baseline=done & before,
        in_window=done & inside & ~before,
        not_done_here=not_done & ~before & (inside | np.isnan(day)),
        baseline_not_done=not_done & before,
        result=result,
        complete=(result == RESULTS["normal"]) | (read_levels(mri_exam, "findings_complete", NO_YES) == 1),
    )


def _says_unknown(mri_exam: pd.DataFrame) -> Flags:
    """Whether the row says that nobody knows if an examination was made."""
    if "exam_status" not in mri_exam.columns:
        return np.zeros(len(mri_exam), dtype=bool)
    return np.asarray((mri_exam["exam_status"] == "unknown").fillna(False).to_numpy(dtype=bool))


def assessable(mri_exam: pd.DataFrame, taxonomy: Taxonomy) -> NDArray[np.int8]:
    """Return per examination and finding whether it could be judged: 1 yes, 0 no, -1 not recorded."""
    modality = read_levels(mri_exam, "modality", MODALITIES)
    useless = read_levels(mri_exam, "quality", QUALITY) == 0
    acquired = _acquisitions(mri_exam, modality)
    out = np.empty((len(mri_exam), len(taxonomy.findings)), dtype=np.int8)
    for column, finding in enumerate(taxonomy.findings):
        could = _could_show(finding, acquired, len(mri_exam))
        out[:, column] = np.where(useless | _elsewhere(finding, modality), 0, could)
    return out


def _acquisitions(mri_exam: pd.DataFrame, modality: Levels) -> Callable[[str], Levels]:
    """Return a lookup of what was acquired: 1 yes, 0 no, -1 not recorded."""
    contrast = read_levels(mri_exam, "contrast", NO_YES)
    known: dict[str, Levels] = {"contrast": contrast}

    def lookup(name: str) -> Levels:
        if name not in known:
            known[name] = read(name)
        return known[name]

    def read(name: str) -> Levels:
        if name.startswith("modality:"):
            wanted = MODALITIES[name.removeprefix("modality:")]
            return np.where(modality < 0, -1, modality == wanted).astype(np.int8)
        values = read_levels(mri_exam, name, NO_YES)
        values = np.where((values < 0) & np.isin(modality, _NO_SEQUENCES), 0, values)
        if name == "sequence_t1_post":
            values = np.where((values < 0) & (contrast == 0), 0, values)
        return values.astype(np.int8)

    return lookup


def _could_show(finding: Finding, acquired: Callable[[str], Levels], n: int) -> Levels:
    """Return whether one of the sets of acquisitions that the finding needs is complete."""
    best = np.full(n, 0 if finding.needs_any else 1, dtype=np.int8)
    for needed in finding.needs_any:
        parts = np.stack([acquired(name) for name in needed])
        every = np.where((parts == 0).any(axis=0), 0, np.where((parts < 0).any(axis=0), -1, 1))
        best = np.where((best == 1) | (every == 1), 1, np.where((best < 0) | (every < 0), -1, 0)).astype(
            np.int8
        )
    return best


def _elsewhere(finding: Finding, modality: Levels) -> Flags:
    """Whether the examination shows another part of the nervous system."""
    wrong = {"brain": ("mr_spine",), "spine": ("mr_brain", "ct_brain", "pet_fdg"), "any": ()}[finding.region]
    return np.isin(modality, [MODALITIES[name] for name in wrong])


def check_window(window: tuple[float, float]) -> None:
    """Refuse a window that ends before it begins."""
    if window[1] < window[0]:
        raise RangeError(
            "the window ends before it begins", evidence=f"window={window}", remedy="write (first, last)"
        )
