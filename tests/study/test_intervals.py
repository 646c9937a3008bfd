"""Intervals of a subject: overlap, gap and duplicate as in R's survcheck."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.study.intervals import IntervalCheck, classify_intervals


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([(0, 5), (5, 9)], IntervalCheck(0, 0, 0, 0)),
        ([(0, 5), (6, 9)], IntervalCheck(0, 1, 0, 0)),
        ([(0, 5), (4, 9)], IntervalCheck(1, 0, 0, 1)),
        ([(0, 5), (0, 5)], IntervalCheck(0, 0, 1, 1)),
        ([(0, 5), (0, 5), (5, 6), (7, 8)], IntervalCheck(0, 1, 1, 1)),
        ([(0, 5), (0, 3)], IntervalCheck(1, 0, 0, 1)),
    ],
)
def test_each_fault_is_counted_once(intervals: list[tuple[float, float]], expected: IntervalCheck) -> None:
    start, stop = np.array(intervals, dtype=float).T
    assert classify_intervals(start, stop, np.zeros(len(start), dtype=np.int64)) == expected


def test_order_of_rows_and_other_subjects_do_not_matter() -> None:
    start, stop = np.array([5.0, 0.0, 0.0]), np.array([9.0, 5.0, 99.0])
    assert classify_intervals(start, stop, np.array([1, 1, 2])) == IntervalCheck(0, 0, 0, 0)


def test_states_that_change_without_an_event_are_jumps_after_a_gap_and_teleports_without() -> None:
    # As survival::survcheck(istate=): patient 1 is fine; 2 teleports from s0 to a at 5; 3 jumps over (5, 7];
    # 4 has an overlap, and is not judged further.
    start = np.array([0.0, 5, 0, 5, 0, 7, 0, 4])
    stop = np.array([5.0, 9, 5, 9, 5, 9, 5, 9])
    subject = np.array([1, 1, 2, 2, 3, 3, 4, 4])
    event = np.array([1, 0, 0, 0, 0, 2, 0, 0])
    state = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    found = classify_intervals(start, stop, subject, state, event)
    assert found == IntervalCheck(overlap=1, gap=0, duplicate=0, n_subjects=3, jump=1, teleport=1)
    assert classify_intervals(start, stop, subject) == IntervalCheck(1, 1, 0, 1)
