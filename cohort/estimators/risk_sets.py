"""Who is at risk at which event time, as two adjoint linear maps of cumulative sums.

The partial likelihood, its derivatives, its residuals and its tests touch the n x G matrix R of risk weights
(row i at risk at event time g) only through the products ``R' v`` (`RiskSets.sums`) and ``R c``
(`RiskSets.spread`). Neither is ever formed: both are one pass over the rows and a cumulative sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Rows are sorted by time only when the table of event times outgrows the processor's cache.
_SORT_ABOVE = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class RiskSets:
    """Risk sets of n rows at G distinct event times (stratum by stratum, ascending).

    Attributes
    ----------
    rows : array of shape (n,)
        Positions in the caller's data of the rows that are at risk at some event time.
    low, high : array of shape (n,)
        Row i is at risk at event times ``low[i] <= g < high[i]``.
    end : array of shape (G,)
        One past the last event time of the stratum of g.
    time : array of shape (G,)
        The event times.
    stratum : array of shape (G,)
        Stratum of each event time.
    death : array of shape (E,)
        Positions (in ``rows``) of the rows with an event.
    death_group : array of shape (E,)
        Their event times.
    n_death : array of shape (G,)
        Events at each event time.
    truncated : bool
        Whether some row enters after the first event time of its stratum.
    n_rows : int
        Rows of the caller's data.
    """

    rows: IntArray
    low: IntArray
    high: IntArray
    end: IntArray
    time: FloatArray
    stratum: IntArray
    death: IntArray
    death_group: IntArray
    n_death: IntArray
    truncated: bool
    n_rows: int
    _leave: sparse.csc_array
    _leaving: IntArray | None
    _enter: sparse.csc_array | None
    _entering: IntArray
    _die: sparse.csc_array

    @property
    def n_times(self) -> int:
        """Number of distinct event times."""
        return len(self.time)

    def sums(self, v: FloatArray, Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ``R' v`` of shape (G,) and ``R' (v Z)`` of shape (G, p)."""
        self._leave.data[:] = v if self._leaving is None else v[self._leaving]
        first = self._leave @ Z
        if self._enter is not None:
            self._enter.data[:] = v[self._entering]
            first -= self._enter @ Z
        return self.sums_of(v), self._accumulate(first)

    def sums_of(self, v: FloatArray) -> FloatArray:
        """Return ``R' v`` of shape (G,)."""
        if self._leaving is None:
            zeroth = total_by_group(self.high - 1, v, self.n_times)
        else:
            zeroth = total_by_group(self.high[self._leaving] - 1, v[self._leaving], self.n_times)
        if self._enter is not None:
            zeroth -= total_by_group(self.low[self._entering] - 1, v[self._entering], self.n_times)
        return self._accumulate(zeroth)

    def death_sums(self, v: FloatArray, Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the same sums over the rows that have their event at each event time."""
        dying = v[self.death]
        self._die.data[:] = dying
        return total_by_group(self.death_group, dying, self.n_times), np.asarray(self._die @ Z)

    def spread(self, c: FloatArray) -> FloatArray:
        """Return ``R c``: for each row the sum of ``c`` over the event times it is at risk at."""
        total = np.zeros((len(c) + 1, *c.shape[1:]))
        np.cumsum(c, axis=0, out=total[1:])
        out = np.take(total, self.high, axis=0)
        if self.truncated or self.end[0] != self.n_times:
            out -= np.take(total, self.low, axis=0)
        return out

    def _accumulate(self, values: FloatArray) -> FloatArray:
        """Sum from the last event time of each stratum backwards, so that small risk sets stay exact."""
        total = np.empty((len(values) + 1, *values.shape[1:]))
        total[-1] = 0
        np.cumsum(values[::-1], axis=0, out=total[:-1][::-1])
        return total[:-1] if self.end[0] == self.n_times else total[:-1] - total[self.end]


def total_by_group(group: IntArray, values: FloatArray, n_group: int) -> FloatArray:
    """Sum values by group code; shape (n_group,)."""
    return np.asarray(np.bincount(group, values, minlength=n_group), dtype=np.float64)


def require_event(event: NDArray[np.bool_]) -> None:
    """Raise when there is no event."""
    if not event.any():
        raise EstimationError(
            "there is no event",
            evidence=f"0 events in {len(event)} rows",
            remedy="check which state of the endpoint is meant with event=, and how events are coded",
        )


def build_risk_sets(
    start: FloatArray | None,
    stop: FloatArray,
    event: NDArray[np.bool_],
    stratum: IntArray | None = None,
    use: NDArray[np.bool_] | None = None,
    keep: NDArray[np.bool_] | None = None,
) -> RiskSets:
    """Find the event times, and for every row those at which it is at risk.

    A row is at risk at event time t when ``start < t <= stop``: entry at an event time comes after it,
    censoring at an event time comes after it too.

    Parameters
    ----------
    start : array of shape (n,) or None
        Entry times; None when every row is at risk from the beginning.
    stop : array of shape (n,)
        Times of event or censoring.
    event : array of shape (n,)
        Whether the row ends in the event.
    stratum : array of shape (n,) or None
        Stratum codes from 0.
    use : array of shape (n,) or None
        Rows to use; None for all.
    keep : array of shape (n,) or None
        Rows to keep although no event time falls into their follow-up.

    Returns
    -------
    RiskSets
        The maps between rows and event times.

    Raises
    ------
    EstimationError
        Without any event.
    """
    if use is not None:
        event = event & use
    require_event(event)
    groups, low, high, first = _positions(start, stop, event, stratum)
    wanted = high > low if keep is None else (high > low) | keep
    rows = np.flatnonzero(wanted if use is None else wanted & use)
    if len(groups.time) > _SORT_ABOVE:
        # Keys without ties: the fastest sort is not stable, and the order must not depend on the processor.
        rows = rows[np.argsort(high[rows] * np.intp(len(high)) + rows)]
    low, high, happened = low[rows], high[rows], event[rows]
    G = len(groups.time)
    death = np.flatnonzero(happened)
    truncated = bool((low > first[rows]).any()) if start is not None else False
    entering = np.flatnonzero((low > first[rows]) & (high > low)) if truncated else np.empty(0, dtype=np.intp)
    death_group = high[death] - 1
    leaving = None if keep is None or (high > low).all() else np.flatnonzero(high > low)
    left = np.arange(len(rows)) if leaving is None else leaving
    return RiskSets(
        rows=rows,
        low=low,
        high=high,
        end=groups.end,
        time=groups.time,
        stratum=groups.stratum,
        death=death,
        death_group=death_group,
        n_death=np.bincount(death_group, minlength=G),
        truncated=truncated,
        n_rows=len(stop),
        _leave=incidence(high[left] - 1, left, len(rows), G),
        _leaving=leaving,
        _enter=incidence(low[entering] - 1, entering, len(rows), G) if truncated else None,
        _entering=entering,
        _die=incidence(death_group, death, len(rows), G),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Distinct event times, stratum by stratum, and one past the last of each stratum."""

    time: FloatArray
    stratum: IntArray
    end: IntArray


def _positions(
    start: FloatArray | None, stop: FloatArray, event: NDArray[np.bool_], stratum: IntArray | None
) -> tuple[_Groups, IntArray, IntArray, IntArray]:
    """Return the event times, and for each row ``low``, ``high`` and the first event time of its stratum."""
    moments, stop_code, start_code = time_codes(start, stop, event)
    K = len(moments)
    if stratum is None:
        base, n_strata = np.zeros(1, dtype=np.intp), 1
    else:
        base, n_strata = stratum * K, int(stratum.max()) + 1
    keys = stop_code + base
    if n_strata * K <= 8 * len(stop) + 1024:
        happened = np.zeros(n_strata * K, dtype=bool)
        happened[keys[event]] = True
        before = np.zeros(n_strata * K + 1, dtype=np.intp)
        np.cumsum(happened, out=before[1:])
        group_keys = np.flatnonzero(happened)
        high, first = before[keys + 1], before[base]
        low = first if start_code is None else before[start_code + base + 1]
    else:
        group_keys = np.unique(keys[event])
        high, first = np.searchsorted(group_keys, keys, "right"), np.searchsorted(group_keys, base, "left")
        low = first if start_code is None else np.searchsorted(group_keys, start_code + base, "right")
    group_stratum, code = np.divmod(group_keys, K)
    end = np.searchsorted(group_stratum, group_stratum, "right")
    shape = stop.shape
    return (
        _Groups(moments[code], group_stratum, end),
        np.broadcast_to(low, shape),
        high,
        np.broadcast_to(first, shape),
    )


def time_codes(
    start: FloatArray | None, stop: FloatArray, event: NDArray[np.bool_]
) -> tuple[FloatArray, IntArray, IntArray | None]:
    """Code times by the moments they have reached: -1 before the first, k at or after moment k.

    Whole days in a short span are their own code; any other times are ranked among the event times.
    """
    low, high = float(stop.min()), float(stop.max())
    days = stop.astype(np.intp)
    if high - low < 4 * len(stop) + 1024 and np.array_equal(days, stop):
        origin = int(low)
        moments = np.arange(origin, int(high) + 1, dtype=float)
        codes = days - origin
        if start is None:
            return moments, codes, None
        entry = np.clip(np.floor(start), origin - 1, high).astype(np.intp) - origin
        return moments, codes, entry
    moments = np.unique(stop[event])
    codes = _reached(moments, stop)
    return moments, codes, None if start is None else _reached(moments, start)


def _reached(moments: FloatArray, times: FloatArray) -> IntArray:
    """Return the last moment at or before each time; sorted times make the search walk through memory in order."""
    order = np.argsort(times)
    codes = np.empty(len(times), dtype=np.intp)
    codes[order] = np.searchsorted(moments, times[order], "right") - 1
    return codes


def incidence(groups: IntArray, columns: IntArray, n: int, G: int) -> sparse.csc_array:
    """Return the G x n matrix with an entry at (groups[k], columns[k]), columns ascending; its data come later."""
    counts = np.zeros(n + 1, dtype=np.intp)
    counts[1:] = np.bincount(columns, minlength=n)
    return sparse.csc_array((np.zeros(len(columns)), groups, np.cumsum(counts)), shape=(G, n))
