"""Count pairs that two orders agree on: in blocks where one order has few values, by its bits where it has many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.risk_sets import total_by_group

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

_Number = TypeVar("_Number", np.intp, np.float64)

# Rows per block, cells of the table held at once, and bits of the keys it has columns for.
_BLOCK = 64
_TABLE = 1 << 20
_DIGITS = 10
_BEFORE = np.tri(_BLOCK, k=-1, dtype=bool)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Weighted pairs of every row, with those it is compared with in both roles.

    Attributes
    ----------
    as_event, as_other : array of shape (n,)
        Concordant minus discordant pairs, of the row as the event and as the one it is compared with.
    n_event, n_other : array of shape (n,)
        All pairs, in the same roles.
    tied : float
        Pairs of equal rank.
    """

    as_event: FloatArray
    as_other: FloatArray
    n_event: FloatArray
    n_other: FloatArray
    tied: float

    def plus(self, other: Pairs, sign: float = 1.0) -> Pairs:
        """Add (or with ``sign=-1`` subtract) the pairs of the same rows."""
        return Pairs(
            self.as_event + sign * other.as_event,
            self.as_other + sign * other.as_other,
            self.n_event + sign * other.n_event,
            self.n_other + sign * other.n_other,
            self.tied + sign * other.tied,
        )


def compare(
    key: IntArray,
    n_key: int,
    rank: IntArray,
    event_weight: FloatArray,
    other_weight: FloatArray,
    stratum: IntArray | None = None,
) -> Pairs:
    """Compare every event with the rows of larger key in its stratum; concordant when their rank is lower.

    Parameters
    ----------
    key : array of shape (n,)
        Order of follow-up, 0 to ``n_key - 1``.
    n_key : int
        Number of keys.
    rank : array of shape (n,)
        Dense rank of the risk.
    event_weight, other_weight : array of shape (n,)
        Weight of each row as the event (zero when it has none), and as the one compared with.
    stratum : array of shape (n,) or None
        Stratum codes from 0.

    Returns
    -------
    Pairs
        Sums for every row.
    """
    weights = (rank, event_weight, other_weight)
    n_strata = 1 if stratum is None else int(stratum.max()) + 1
    if stratum is not None and n_strata > 1 << _DIGITS:
        return _compare_by_bits(key, (n_key - 1).bit_length(), *weights, stratum)
    whole = key if stratum is None else key + n_key * stratum
    shift = max(0, (n_strata * n_key - 1).bit_length() - _DIGITS)
    pairs = _compare_in_blocks(whole >> shift, *weights)
    if shift:
        pairs = pairs.plus(_compare_by_bits(whole, shift, *weights, whole >> shift))
    # Larger keys of later strata were counted too.
    return pairs if stratum is None else pairs.plus(_compare_in_blocks(stratum, *weights), -1.0)


def _compare_in_blocks(
    key: IntArray, rank: IntArray, event_weight: FloatArray, other_weight: FloatArray
) -> Pairs:
    """Count with a table of keys by blocks of rows in rank order, and directly within each block.

    Rows of equal rank stand in order of key: an event's tied comparators then all come after it, and
    a row's tied events before it, so that positions before and after mean strictly lower and higher rank.
    """
    n, n_key = len(key), int(key.max()) + 1
    order = np.argsort(rank * n_key + key)
    k, e, o = key[order], event_weight[order], other_weight[order]
    lower, higher = np.empty(n), np.empty(n)
    others_so_far, events_left = np.zeros(n_key), total_by_group(k, e, n_key)
    step = _BLOCK * max(1, _TABLE // (_BLOCK * n_key))
    row = np.repeat(np.arange(step // _BLOCK), _BLOCK)
    for begin in range(0, n, step):
        part = slice(begin, min(begin + step, n))
        block = row[: part.stop - part.start]
        n_block = int(block[-1]) + 1
        cell = block * n_key + k[part]
        # Row b of the first table holds comparators before block b, of the second events after block b - 1.
        others = _running(cell + n_key, o[part], n_block + 1, others_so_far)
        events = _running(cell + n_key, -e[part], n_block + 1, events_left)
        up_to = others[:-1].cumsum(axis=1)
        below = events[1:].cumsum(axis=1).ravel()[cell] - events.ravel()[cell + n_key]
        inside = _within_blocks(k[part], e[part], o[part], n_block)
        lower[part] = up_to[block, -1] - up_to.ravel()[cell] + inside[0]
        higher[part] = below + inside[1]
        others_so_far, events_left = others[-1].copy(), events[-1].copy()
    n_event = _larger(total_by_group(k, o, n_key))[k]
    n_other = _smaller(total_by_group(k, e, n_key))[k]
    tied_event, tied_other = _tied(rank[order], k, e, o)
    out = np.empty((4, n))
    out[:, order] = 2 * lower + tied_event - n_event, 2 * higher + tied_other - n_other, n_event, n_other
    return Pairs(out[0], out[1], out[2], out[3], float(e @ tied_event))


def _running(cell: IntArray, values: FloatArray, n_row: int, first: FloatArray) -> FloatArray:
    """Return totals by row and key, accumulated over the rows from the first."""
    n_key = len(first)
    table = total_by_group(cell, values, n_row * n_key).reshape(n_row, n_key)
    table[0] = first
    return np.cumsum(table, axis=0, out=table)


def _within_blocks(k: IntArray, e: FloatArray, o: FloatArray, n_block: int) -> tuple[FloatArray, FloatArray]:
    """Sum, within each block, comparators before each event and events after each comparator."""
    size, shape = len(k), (n_block, _BLOCK)
    keys, events, others = np.zeros(shape, dtype=np.int32), np.zeros(shape), np.zeros(shape)
    for padded, values in ((keys, k), (events, e), (others, o)):
        padded.reshape(-1)[:size] = values
    # pair[b, i, j]: row j stands before row i and has the larger key
    pair = ((keys[:, None, :] > keys[:, :, None]) & _BEFORE).astype(float)
    before_event = np.matmul(pair, others[:, :, None]).reshape(-1)[:size]
    after_other = np.matmul(events[:, None, :], pair).reshape(-1)[:size]
    return before_event, after_other


def _larger(totals: FloatArray) -> FloatArray:
    """Sum over larger keys."""
    return np.asarray(totals[::-1].cumsum()[::-1] - totals)


def _smaller(totals: FloatArray) -> FloatArray:
    """Sum over smaller keys."""
    return np.asarray(totals.cumsum() - totals)


def _tied(rank: IntArray, k: IntArray, e: FloatArray, o: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum, among rows of equal rank in order of key, comparators of larger and events of smaller key."""
    begin, end = _runs(rank)
    same_begin, same_end = _runs(rank, k)
    others, events = _cumulative(o), _cumulative(e)
    return others[end] - others[same_end], events[same_begin] - events[begin]


def _compare_by_bits(
    key: IntArray,
    n_bits: int,
    rank: IntArray,
    event_weight: FloatArray,
    other_weight: FloatArray,
    node: IntArray,
) -> Pairs:
    """Compare within nodes, by the low bits of the key.

    Two keys differ first at one bit, counted from the top; there the event has 0 and its comparators 1. At
    each bit rows stand by node, key prefix and rank, so that a cumulative sum counts those of lower rank.
    """
    original = np.lexsort((rank, node))
    node, key, rank = node[original], key[original], rank[original]
    e, o = event_weight[original], other_weight[original]
    n, tied = len(key), 0.0
    sums = np.zeros((4, n))
    place = np.arange(n)
    for bit in range(n_bits - 1, -1, -1):
        high = ((key >> bit) & 1).astype(bool)
        begin, end = _runs(node)
        tie_begin, tie_end = _runs(node, rank)
        others, events = _cumulative(np.where(high, o, 0.0)), _cumulative(np.where(high, 0.0, e))
        total = others[end] - others[begin]
        sums[0, place] += np.where(
            high, 0.0, others[tie_begin] + others[tie_end] - others[begin] - others[end]
        )
        sums[2, place] += np.where(high, 0.0, total)
        tied += float(np.where(high, 0.0, e) @ (others[tie_end] - others[tie_begin]))
        sums[1, place] += np.where(
            high, events[begin] + events[end] - events[tie_begin] - events[tie_end], 0.0
        )
        sums[3, place] += np.where(high, events[end] - events[begin], 0.0)
        to = _stable_split(high, begin, end)
        place, key, rank, node = (_scatter(v, to) for v in (place, key, rank, 2 * node + high))
        e, o = _scatter(e, to), _scatter(o, to)
    out = np.empty((4, n))
    out[:, original] = sums
    return Pairs(out[0], out[1], out[2], out[3], tied)


def _cumulative(values: FloatArray) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(values)])


def _scatter(values: NDArray[_Number], place: IntArray) -> NDArray[_Number]:
    out = np.empty_like(values)
    out[place] = values
    return out


def _stable_split(high: NDArray[np.bool_], begin: IntArray, end: IntArray) -> IntArray:
    """Return the new position of each element when every run puts its low before its high elements."""
    ones = np.concatenate([[0], np.cumsum(high)])
    ones_before = ones[:-1] - ones[begin]
    zeros_in_run = (end - begin) - (ones[end] - ones[begin])
    return np.asarray(np.where(high, begin + zeros_in_run + ones_before, np.arange(len(high)) - ones_before))


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
