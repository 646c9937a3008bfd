"""Harrell's concordance of a risk score with survival, and its infinitesimal jackknife variance.

Pairs are as in R's ``survival::concordance``: a row with an event at t is compared with every row of its
stratum that is still at risk after t, those censored at t included; events at the same time are not compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Concordance:
    """Agreement between risk and the order of events.

    Attributes
    ----------
    estimate, std_error : float
        Share of comparable pairs in which the row with the earlier event has the higher risk, ties in risk
        counting one half; NaN without comparable pairs.
    concordant, discordant, tied_risk : float
        Weighted numbers of pairs.
    """

    estimate: float
    std_error: float
    concordant: float
    discordant: float
    tied_risk: float


def concordance(
    risk: FloatArray,
    start: FloatArray | None,
    stop: FloatArray,
    event: NDArray[np.bool_],
    *,
    stratum: IntArray | None = None,
    weight: FloatArray | None = None,
    group: IntArray | None = None,
) -> Concordance:
    """Count concordant pairs in O(n log G) for n rows and G event times.

    Parameters
    ----------
    risk : array of shape (n,)
        Higher means earlier event; values that differ by rounding only count as tied.
    start, stop, event : array of shape (n,)
        Follow-up (start, stop]; ``start`` None for everyone from the beginning.
    stratum, weight, group : array of shape (n,) or None
        Stratum codes, case weights, and groups for the variance.

    Returns
    -------
    Concordance
        Estimate, standard error and counts.
    """
    high_key, low_key = _keys(start, stop, event)
    rank = _dense_rank(risk)
    w = np.ones(len(risk)) if weight is None else weight
    dying = np.where(event, w, 0.0)
    pairs = _compare(high_key, rank, stratum, dying, w)
    if low_key is None:
        return _summarize(w, event, pairs, group)
    # A row is compared at event times before its end, but not at those up to its entry.
    late = np.flatnonzero(low_key > 0)
    rows = np.concatenate([np.arange(len(w)), late])
    early = _compare(
        np.concatenate([high_key, low_key[late]]),
        rank[rows],
        None if stratum is None else stratum[rows],
        np.concatenate([dying, np.zeros(len(late))]),
        np.concatenate([np.zeros(len(w)), w[late]]),
    )
    return _summarize(w, event, _less(pairs, early, late), group)


def _less(pairs: _Pairs, early: _Pairs, late: IntArray) -> _Pairs:
    """Take away the pairs in which the other row had not entered yet."""
    n = len(pairs.as_event)
    as_other, n_other = pairs.as_other.copy(), pairs.n_other.copy()
    as_other[late] -= early.as_other[n:]
    n_other[late] -= early.n_other[n:]
    return _Pairs(
        pairs.as_event - early.as_event[:n],
        as_other,
        pairs.n_event - early.n_event[:n],
        n_other,
        pairs.tied - early.tied,
    )


def _keys(
    start: FloatArray | None, stop: FloatArray, event: NDArray[np.bool_]
) -> tuple[IntArray, IntArray | None]:
    """Code follow-up by event times: an event by its own position, anything else by those it has reached."""
    moments = np.unique(stop[event])
    high = np.searchsorted(moments, stop, "right")
    high[event] -= 1
    low = (
        None if start is None or not (start >= moments[0]).any() else np.searchsorted(moments, start, "right")
    )
    return high, low


def _dense_rank(risk: FloatArray) -> IntArray:
    """Rank scores; those that agree to ten digits of the largest are tied."""
    size = float(np.abs(risk - risk.mean()).max())
    rounded = np.round((risk - risk.mean()) / size, 10) if size > 0 else np.zeros(len(risk))
    order = np.argsort(rounded)
    rank = np.empty(len(risk), dtype=np.intp)
    steps = np.zeros(len(risk), dtype=np.intp)
    steps[1:] = np.cumsum(np.diff(rounded[order]) > 0)
    rank[order] = steps
    return rank


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Weighted pairs of every row, with those it is compared with in both roles.

    Attributes
    ----------
    as_event, as_other : array of shape (n,)
        Concordant minus discordant pairs, of the row as the event and as the one it is compared with.
    n_event, n_other : array of shape (n,)
        All pairs, in the same roles.
    tied : float
        Pairs of equal risk.
    """

    as_event: FloatArray
    as_other: FloatArray
    n_event: FloatArray
    n_other: FloatArray
    tied: float


def _compare(
    key: IntArray,
    rank: IntArray,
    stratum: IntArray | None,
    event_weight: FloatArray,
    other_weight: FloatArray,
) -> _Pairs:
    """Compare every event with the rows of larger key in its stratum, by divide and conquer on key bits.

    Two keys differ first at one bit, counted from the top; there the event has 0 and its comparators 1. At
    each bit rows are held by stratum, key prefix and rank, so that a cumulative sum counts comparators of
    lower risk.
    """
    n = len(key)
    as_event, as_other, n_event, n_other, tied = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), 0.0
    order = np.argsort(rank, kind="stable") if stratum is None else np.lexsort((rank, stratum))
    node = np.zeros(n, dtype=np.intp) if stratum is None else stratum[order]
    for bit in range(int(key.max()).bit_length() - 1, -1, -1):
        high = ((key[order] >> bit) & 1).astype(bool)
        begin, end = _runs(node)
        tie_begin, tie_end = _runs(node, rank[order])
        low_rows, high_rows = np.flatnonzero(~high), np.flatnonzero(high)

        others = _cumulative(np.where(high, other_weight[order], 0.0))
        rows, at = order[low_rows], low_rows
        total = others[end[at]] - others[begin[at]]
        as_event[rows] += others[tie_begin[at]] + others[tie_end[at]] - others[begin[at]] - others[end[at]]
        n_event[rows] += total
        tied += float(event_weight[rows] @ (others[tie_end[at]] - others[tie_begin[at]]))

        events = _cumulative(np.where(high, 0.0, event_weight[order]))
        rows, at = order[high_rows], high_rows
        as_other[rows] += events[begin[at]] + events[end[at]] - events[tie_begin[at]] - events[tie_end[at]]
        n_other[rows] += events[end[at]] - events[begin[at]]

        place = _stable_split(high, begin, end)
        order, node = _scatter(order, place), _scatter(2 * node + high, place)
    return _Pairs(as_event, as_other, n_event, n_other, tied)


def _cumulative(values: FloatArray) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(values)])


def _scatter(values: IntArray, place: IntArray) -> IntArray:
    out = np.empty_like(values)
    out[place] = values
    return out


def _stable_split(high: NDArray[np.bool_], begin: IntArray, end: IntArray) -> IntArray:
    """Return the new position of each element when every run puts its low before its high elements."""
    ones = np.concatenate([[0], np.cumsum(high)])
    ones_before = ones[:-1] - ones[begin]
    position = np.arange(len(high))
    zeros_in_run = (end - begin) - (ones[end] - ones[begin])
    return np.asarray(np.where(high, begin + zeros_in_run + ones_before, position - ones_before))


def _runs(*labels: IntArray) -> tuple[IntArray, IntArray]:
    """Return for each element where its run of equal labels begins, and one past where it ends."""
    n = len(labels[0])
    change = np.zeros(n, dtype=bool)
    for label in labels:
        change[1:] |= label[1:] != label[:-1]
    change[0] = True
    starts = np.flatnonzero(change)
    sizes = np.diff(np.append(starts, n))
    begin = np.repeat(starts, sizes)
    return begin, begin + np.repeat(sizes, sizes)


def _summarize(w: FloatArray, event: NDArray[np.bool_], pairs: _Pairs, group: IntArray | None) -> Concordance:
    n_pairs = float(w[event] @ pairs.n_event[event])
    if not n_pairs > 0:
        return Concordance(np.nan, np.nan, 0.0, 0.0, 0.0)
    difference = float(w[event] @ pairs.as_event[event])
    somer = difference / n_pairs
    # Infinitesimal jackknife of Somers' D; concordance is (D + 1)/2.
    sign = np.where(event, pairs.as_event, 0.0) + pairs.as_other
    number = np.where(event, pairs.n_event, 0.0) + pairs.n_other
    influence = w * (sign - somer * number) / n_pairs
    if group is not None:
        influence = np.asarray(np.bincount(group, influence), dtype=float)
    untied = n_pairs - pairs.tied
    return Concordance(
        estimate=(somer + 1) / 2,
        std_error=float(np.sqrt(influence @ influence)) / 2,
        concordant=(untied + difference) / 2,
        discordant=(untied - difference) / 2,
        tied_risk=pairs.tied,
    )
