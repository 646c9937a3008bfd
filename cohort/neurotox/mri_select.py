"""Which examinations of the window an imaging summary uses."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import StudyError
from cohort.neurotox.columns import KEYS, Flags, Numbers, read_numbers, require_columns
from cohort.neurotox.mri_exams import Exams
from cohort.neurotox.mri_patients import Patients, positions
from cohort.neurotox.mri_reads import PRESENT

Rule = Literal["any", "worst", "first", "nearest"]


def select_exams(
    exams: Exams,
    who: Patients,
    candidates: Flags,
    rule: Rule,
    anchor: float | pd.DataFrame | None,
    states: NDArray[np.int8],
    exam_number: NDArray[np.int64],
) -> Flags:
    """Return which examinations count; those of one day are taken together unless the rule is ``worst``."""
    if rule == "any":
        return candidates
    rows = np.flatnonzero(candidates)
    patient, day = who.of_exam[rows], exams.day[rows]
    if rule == "worst":
        n_present = (states[rows] == PRESENT).sum(axis=1)
        return _keep_first(
            candidates.size, rows, patient, np.lexsort((exam_number[rows], day, -n_present, patient))
        )
    target = _anchors(anchor, who)[patient] if rule == "nearest" else np.full(rows.size, -np.inf)
    # Twice the distance, one less when after the anchor: ties go to the later day, days on one side stay in
    # order.
    distance = np.where(np.isfinite(target), 2 * np.abs(day - target) - (day >= target), day)
    best = np.full(who.n, np.inf)
    np.minimum.at(best, patient, distance)
    out = np.zeros(candidates.size, dtype=bool)
    out[rows[distance == best[patient]]] = True
    return out


def _keep_first(
    size: int, rows: NDArray[np.intp], patient: NDArray[np.int64], order: NDArray[np.intp]
) -> Flags:
    """Keep the first row of each patient in the given order."""
    out = np.zeros(size, dtype=bool)
    if rows.size:
        ordered = patient[order]
        out[rows[order[np.r_[True, np.diff(ordered) != 0]]]] = True
    return out


def _anchors(anchor: float | pd.DataFrame | None, who: Patients) -> Numbers:
    """Return each patient's anchor day; infinite where there is none."""
    if not isinstance(anchor, pd.DataFrame):
        return np.full(who.n, np.inf if anchor is None else float(anchor))
    require_columns(anchor, ["patient_id", "icans_onset_day"], "anchor=")
    names = [key for key in KEYS if key in who.keys.columns and key in anchor.columns]
    days = read_numbers(anchor, "icans_onset_day", -np.inf, np.inf, step=None)
    known = ~np.isnan(days)
    keys = who.keys[names]
    if keys.duplicated().any():
        raise StudyError(
            "anchor= does not tell the infusions of a patient apart",
            evidence=f"keys of anchor: {', '.join(names)}; of the summary: {', '.join(who.keys.columns)}",
            remedy="pass the frame of icans_episodes with all its key columns",
        )
    place = positions(anchor, keys)
    use = known & (place >= 0)
    first = np.full(who.n, np.inf)
    np.minimum.at(first, place[use], days[use])
    return first
