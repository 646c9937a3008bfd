"""Check (start, stop] intervals, within a row and within a subject, as R's survcheck does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EndpointError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class IntervalCheck:
    """Faults between consecutive intervals of the same subject.

    Attributes
    ----------
    overlap : int
        Intervals that start before the subject's previous one ended.
    gap : int
        Intervals that start after the subject's previous one ended, in the same state; allowed, the subject was
        not observed.
    duplicate : int
        Intervals equal to the subject's previous one.
    n_subjects : int
        Subjects with an overlap, a duplicate, a jump or a teleport.
    jump : int
        Intervals that begin, after a gap, in another state than the previous one ended in.
    teleport : int
        Intervals that follow without a gap and begin in another state than the previous one ended in.
    """

    overlap: int
    gap: int
    duplicate: int
    n_subjects: int
    jump: int = 0
    teleport: int = 0


def classify_intervals(
    start: FloatArray,
    stop: FloatArray,
    subject: IntArray,
    state: IntArray | None = None,
    event: IntArray | None = None,
) -> IntervalCheck:
    """Classify how each interval follows the subject's previous one.

    Parameters
    ----------
    start, stop : array of shape (n_rows,)
        Intervals (start, stop].
    subject : array of shape (n_rows,)
        Code of the subject.
    state, event : array of shape (n_rows,) or None
        State in which each interval begins, and code of the state its event leads to (0 for no event); given
        together, changes of state without an event are found.

    Returns
    -------
    IntervalCheck
        Counts by fault.
    """
    order = np.lexsort((stop, start, subject))
    begin, end, who = start[order], stop[order], subject[order]
    same = who[1:] == who[:-1]
    duplicate = same & (begin[1:] == begin[:-1]) & (end[1:] == end[:-1])
    overlap = same & ~duplicate & (begin[1:] < end[:-1])
    gap = same & (begin[1:] > end[:-1])
    moved = np.zeros(len(same), dtype=bool)
    if state is not None and event is not None:
        began = state[order]
        ended = np.where(event[order] > 0, event[order], began)
        moved = same & ~duplicate & ~overlap & (began[1:] != ended[:-1])
    at_fault = np.unique(who[1:][duplicate | overlap | moved])
    return IntervalCheck(
        int(overlap.sum()),
        int((gap & ~moved).sum()),
        int(duplicate.sum()),
        len(at_fault),
        int((moved & gap).sum()),
        int((moved & ~gap).sum()),
    )


def check_intervals(
    start: FloatArray,
    stop: FloatArray,
    subject: IntArray | None,
    *,
    columns: tuple[str | None, str],
    id_name: str | None,
) -> None:
    """Raise when times are negative or zero, intervals are empty, or a subject's intervals overlap.

    Parameters
    ----------
    start, stop : array of shape (n_rows,)
        Intervals (start, stop].
    subject : array of shape (n_rows,) or None
        Code of the subject; None when every row is a subject.
    columns : tuple of str
        Names of the columns of start (None for none) and stop.
    id_name : str or None
        Name of the subject column.
    """
    start_name, stop_name = columns
    n = len(stop)
    negative = int(((start < 0) | (stop < 0)).sum())
    if negative:
        raise EndpointError(
            f"Times in {', '.join(c for c in columns if c)} are negative.",
            evidence=f"{negative} of {n} rows",
            remedy="Check the dates; leave rows before the origin out, or give origin=.",
        )
    empty = int((start >= stop).sum())
    if empty and start_name is None:
        raise EndpointError(
            f"Times in {stop_name!r} are zero, so those rows are never at risk.",
            evidence=f"{empty} of {n} rows",
            remedy=f'Give an event on the day of the origin half a day: frame["{stop_name}"].clip(lower=0.5)',
        )
    if empty:
        raise EndpointError(
            f"Intervals end at or before they start ({start_name!r} >= {stop_name!r}).",
            evidence=f"{empty} of {n} rows",
            remedy="An interval is (start, stop]: correct the rows, or leave out who enters after leaving.",
        )
    if subject is not None:
        _check_subjects(start, stop, subject, str(id_name))


def _check_subjects(start: FloatArray, stop: FloatArray, subject: IntArray, id_name: str) -> None:
    missing = int((subject < 0).sum())
    if missing:
        raise EndpointError(
            f"The subject column {id_name!r} has missing values.",
            evidence=f"{missing} of {len(subject)} rows",
            remedy=f'frame = frame[frame["{id_name}"].notna()]',
        )
    found = classify_intervals(start, stop, subject)
    if found.overlap or found.duplicate:
        raise EndpointError(
            "Intervals of the same subject overlap, so the subject would be at risk twice.",
            evidence=f"{found.overlap} overlap, {found.duplicate} duplicate, {found.gap} gap (allowed); "
            f"{found.n_subjects} subjects by {id_name!r}",
            remedy=f'Look at frame.sort_values(["{id_name}", start]) and keep one row per time; '
            "co.counting_process() makes such rows from first days.",
        )
