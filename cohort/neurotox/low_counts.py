"""Days at or below a count, per patient: a grid of days, its gaps, and how long an episode lasted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cohort.neurotox.columns import Flags, Numbers

Days = NDArray[np.int64]


def lowest_by_day(
    patient: NDArray[np.int64], day: Numbers, count: Numbers, n: int, window: tuple[int, int]
) -> Numbers:
    """Return the lowest count of every patient and day of the window, NaN where none was taken."""
    first, last = window
    grid = np.full((n, last - first + 1), np.inf)
    whole = np.floor(day)
    inside = ~np.isnan(count) & (whole >= first) & (whole <= last)
    np.minimum.at(grid, (patient[inside], (whole[inside] - first).astype(np.intp)), count[inside])
    return np.where(np.isinf(grid), np.nan, grid)


def interpolated(grid: Numbers, max_gap_days: int) -> Numbers:
    """Fill days without a count by the straight line between the counts around, at most max_gap_days apart."""
    n, width = grid.shape
    columns = np.broadcast_to(np.arange(width), (n, width))
    known = ~np.isnan(grid)
    before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, columns, width)[:, ::-1], axis=1)[:, ::-1]
    fill = ~known & (before >= 0) & (after < width) & (after - before <= max_gap_days)
    row, column = np.nonzero(fill)
    left, right = before[row, column], after[row, column]
    share = (column - left) / (right - left)
    filled = grid.copy()
    filled[row, column] = (1 - share) * grid[row, left] + share * grid[row, right]
    return filled


def longest_episode(low: Flags, end_gap_days: int) -> Days:
    """Return the days from the first to the last low day of each patient's longest episode.

    Parameters
    ----------
    low : array of bool of shape (n_patients, n_days)
        Whether the count was low.
    end_gap_days : int
        Consecutive days without a low count that end an episode; shorter gaps belong to it.

    Returns
    -------
    array of int of shape (n_patients,)
        Days, both ends included; 0 without a low day.
    """
    n, width = low.shape
    start = np.zeros(n, dtype=np.int64)
    last = np.full(n, -(width + end_gap_days + 1), dtype=np.int64)
    longest = np.zeros(n, dtype=np.int64)
    for day in range(width):
        here = low[:, day]
        begins = here & (day - last - 1 >= end_gap_days)
        start[begins] = day
        last[here] = day
        longest = np.where(here, np.maximum(longest, day - start + 1), longest)
    return longest


def second_lowest(grid: Numbers) -> Numbers:
    """Return the second lowest count of each patient, NaN with fewer than two days measured."""
    if grid.shape[1] < 2:
        return np.full(grid.shape[0], np.nan)
    return np.asarray(np.partition(np.where(np.isnan(grid), np.inf, grid), 1, axis=1)[:, 1], dtype=float)
