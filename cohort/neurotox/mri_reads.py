"""Readings as arrays: one state per examination and finding, by a declared rule for several readers."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import Taxonomy
from cohort.neurotox.columns import Levels, read_levels
from cohort.neurotox.mri_exams import RESULTS, Exams

Readers = Literal["any", "majority", "first"]
NOT_ASSESSABLE, ABSENT, INDETERMINATE, PRESENT = range(4)
STATES = {
    "not_assessable": NOT_ASSESSABLE,
    "absent": ABSENT,
    "indeterminate": INDETERMINATE,
    "present": PRESENT,
}
EXTENT = {name: rank for rank, name in enumerate(("punctate", "focal", "multifocal", "confluent", "diffuse"))}
LESION_COUNT = {name: rank for rank, name in enumerate(("1", "2-4", "5-9", "10_or_more"))}
CHANGE = {
    "new": 1,
    "increased": 2,
    "stable": 3,
    "unchanged": 3,
    "decreased": 3,
    "resolved": 0,
    "no_prior": 0,
}


def read_states(
    mri_finding: pd.DataFrame, exam: NDArray[np.int64], n_exams: int, taxonomy: Taxonomy, readers: Readers
) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.int8], NDArray[np.int8]]:
    """Return state, extent, lesion count and change per examination and finding; -1 without a reading.

    ``exam`` numbers the examination of each reading; -1 where there is none. Several readers: ``any`` takes
    the most positive state, ``majority`` the most frequent among present, absent and indeterminate (a tie is
    indeterminate), ``first`` the reader first in order of ``reader_id``.
    """
    codes = read_levels(mri_finding, "finding_code", {code: i for i, code in enumerate(taxonomy.codes)})
    state = read_levels(mri_finding, "presence", STATES)
    use = (exam >= 0) & (codes >= 0) & (state >= 0)
    n_cells = n_exams * len(taxonomy.codes)
    cell = exam * len(taxonomy.codes) + codes
    if readers == "first":
        use &= _is_first_reader(mri_finding, cell, use)
    counts = np.bincount(cell[use] * 4 + state[use], minlength=4 * n_cells).reshape(n_cells, 4)
    states = _majority(counts) if readers == "majority" else _most_positive(counts)
    shape = (n_exams, len(taxonomy.codes))
    seen = use & (state == PRESENT)
    return (
        states.reshape(shape),
        _highest(cell, read_levels(mri_finding, "extent", EXTENT), seen, n_cells).reshape(shape),
        _highest(cell, read_levels(mri_finding, "lesion_count", LESION_COUNT), seen, n_cells).reshape(shape),
        _highest(cell, _agreed_change(mri_finding), seen, n_cells).reshape(shape),
    )


def _most_positive(counts: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the highest state that any reader gave; -1 without a reading."""
    given = counts > 0
    return np.where(given.any(axis=1), 3 - np.argmax(given[:, ::-1], axis=1), -1).astype(np.int8)


def _majority(counts: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the most frequent judgment; a tie is indeterminate, and without a judgment not assessable."""
    judged = counts[:, ABSENT:]
    most = judged.max(axis=1)
    tied = (judged == most[:, None]).sum(axis=1) > 1
    chosen = np.where(tied, INDETERMINATE, ABSENT + np.argmax(judged, axis=1))
    chosen = np.where(most == 0, NOT_ASSESSABLE, chosen)
    return np.where(counts.sum(axis=1) == 0, -1, chosen).astype(np.int8)


def _is_first_reader(
    mri_finding: pd.DataFrame, cell: NDArray[np.int64], use: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether each reading is by the first reader of its examination and finding, in order of reader_id."""
    if "reader_id" not in mri_finding.columns:
        return use
    reader = mri_finding["reader_id"].astype("string").fillna("\uffff")
    rank = reader.rank(method="dense").to_numpy(dtype=float)
    first = pd.Series(np.where(use, rank, np.inf)).groupby(cell).transform("min").to_numpy(dtype=float)
    return np.asarray(use & (rank == first), dtype=bool)


def _highest(
    cell: NDArray[np.int64], level: Levels, seen: NDArray[np.bool_], n_cells: int
) -> NDArray[np.int8]:
    """Return the highest level per cell among readings that saw the finding; -1 without one."""
    out = np.full(n_cells, -1, dtype=np.int8)
    rows = np.flatnonzero(seen & (level >= 0))
    rows = rows[np.argsort(level[rows], kind="stable")]
    out[cell[rows]] = level[rows]
    return out


def _agreed_change(mri_finding: pd.DataFrame) -> Levels:
    """Return the change from prior: 1 new, 2 increased, 3 there before and not increased; else -1."""
    change = read_levels(mri_finding, "change_from_prior", CHANGE)
    return np.where(change == 0, -1, change).astype(np.int8)


def judge(
    states: NDArray[np.int8], could_show: NDArray[np.int8], exams: Exams, taxonomy: Taxonomy
) -> tuple[NDArray[np.int8], int]:
    """Return the final state of findings, and how many were seen without the acquisition they need.

    A finding without a reading is absent when the whole reading was normal or complete, else nobody looked
    for it: not assessable. Absent and indeterminate need an acquisition that can show the finding; what was
    seen stays present.
    """
    inferable = np.array([not finding.reported_only for finding in taxonomy.findings])
    unread = np.where(exams.complete[:, None] & inferable[None, :], ABSENT, NOT_ASSESSABLE)
    final = np.where(states < 0, unread, states)
    blind = could_show == 0
    n_contradictory = int(((final == PRESENT) & blind).sum())
    return np.where(blind & (final != PRESENT), NOT_ASSESSABLE, final).astype(np.int8), n_contradictory


def compose(
    states: NDArray[np.int8], recorded: NDArray[np.bool_], exams: Exams, taxonomy: Taxonomy
) -> NDArray[np.int8]:
    """Return the states of the composites, one column each.

    ``recorded`` says per examination which findings its source records at all; only those decide absence.
    """
    position = {code: i for i, code in enumerate(taxonomy.codes)}
    columns = []
    for composite in taxonomy.composites:
        members = [position[code] for code in taxonomy.members(composite)]
        part, here = states[:, members], recorded[:, members]
        absent = part == ABSENT
        if composite.absent_when == "all":
            is_absent = (absent | ~here).all(axis=1) & absent.any(axis=1)
        else:
            is_absent = absent.any(axis=1)
        state = np.where(is_absent, ABSENT, NOT_ASSESSABLE)
        if isinstance(composite.any_of, str):
            state = np.where(exams.result == RESULTS["normal"], ABSENT, state)
        state = np.where((part == INDETERMINATE).any(axis=1), INDETERMINATE, state)
        state = np.where((part == PRESENT).any(axis=1), PRESENT, state)
        if isinstance(composite.any_of, str):
            state = np.where(exams.result == RESULTS["abnormal_related"], PRESENT, state)
        columns.append(state.astype(np.int8))
    return np.stack(columns, axis=1)
