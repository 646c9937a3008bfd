"""Check (start, stop] intervals, within a row and within a subject, as R's survcheck does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EndpointError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# How an interval may follow the subject's previous one; the names are those of survcheck.
FAULTS = ("", "overlap", "gap", "jump", "teleport", "duplicate")


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


def flag_intervals(
    start: FloatArray,
    stop: FloatArray,
    subject: IntArray,
    state: IntArray | None = None,
    event: IntArray | None = None,
) -> IntArray:
    """Say of every interval how it follows the subject's previous one, in order of stop and start.

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
    array of shape (n_rows,)
        Position in ``FAULTS``; 0 when the interval follows well, or is the first.
    """
    order = np.lexsort((start, stop, subject))
    begin, end, who = start[order], stop[order], subject[order]
    same = np.zeros(len(order), dtype=bool)
    same[1:] = who[1:] == who[:-1]
    before = np.where(same, np.roll(end, 1), begin)
    duplicate = same & (begin == np.roll(begin, 1)) & (end == before)
    overlap = same & ~duplicate & (begin < before)
    gap = same & (begin > before)
    moved = np.zeros(len(order), dtype=bool)
    if state is not None and event is not None:
        moved = same & ~duplicate & ~overlap & (state[order] != _expected(same, state[order], event[order]))
    flag = np.zeros(len(order), dtype=np.int64)
    for code, rows in enumerate((overlap, gap & ~moved, moved & gap, moved & ~gap, duplicate), start=1):
        flag[order[rows]] = code
    return flag


def _expected(same: NDArray[np.bool_], state: IntArray, event: IntArray) -> IntArray:
    """Return the state a subject is in by its first row and its events since, whatever later rows say."""
    value = np.where(same, np.roll(event, 1), state)
    known = ~same | (value > 0)
    return np.asarray(value[np.maximum.accumulate(np.where(known, np.arange(len(state)), 0))])


def classify_intervals(
    start: FloatArray,
    stop: FloatArray,
    subject: IntArray,
    state: IntArray | None = None,
    event: IntArray | None = None,
) -> IntervalCheck:
    """Count how intervals follow the subject's previous one.

    Parameters
    ----------
    start, stop, subject, state, event : array of shape (n_rows,)
        As for :func:`flag_intervals`.

    Returns
    -------
    IntervalCheck
        Counts by fault.
    """
    flag = flag_intervals(start, stop, subject, state, event)
    overlap, gap, jump, teleport, duplicate = np.bincount(flag, minlength=len(FAULTS))[1:].tolist()
    at_fault = len(np.unique(subject[(flag > 0) & (flag != FAULTS.index("gap"))]))
    return IntervalCheck(overlap, gap, duplicate, at_fault, jump, teleport)


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
            remedy=f'co.interval_faults(frame, id="{id_name}", start=..., stop=...) names the rows: keep one row per '
            "time; co.counting_process() makes such rows from first days.",
        )
