"""Intervals cut at times: what a coefficient that changes with time needs of (start, stop] rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Intervals cut into pieces, in the order of the rows they come from.

    Attributes
    ----------
    origin : array of shape (m,)
        Row each piece comes from.
    start, stop : array of shape (m,)
        The pieces (start, stop].
    last : array of shape (m,)
        Whether the piece is the last of its row, at whose end the event of the row stands.
    """

    origin: IntArray
    start: FloatArray
    stop: FloatArray
    last: NDArray[np.bool_]


def count_pieces(start: FloatArray, stop: FloatArray, cuts: FloatArray) -> IntArray:
    """Count the pieces into which each interval would be cut.

    Parameters
    ----------
    start, stop : array of shape (n,)
        Intervals (start, stop].
    cuts : array of shape (k,)
        Distinct ascending times.

    Returns
    -------
    array of shape (n,)
        One, and one more for each cut strictly inside.
    """
    inside = np.searchsorted(cuts, stop, side="left") - np.searchsorted(cuts, start, side="right")
    return np.asarray(np.maximum(inside, 0) + 1, dtype=np.intp)


def cut_intervals(start: FloatArray, stop: FloatArray, cuts: FloatArray) -> Pieces:
    """Cut intervals at every time that lies strictly inside them.

    Parameters
    ----------
    start, stop : array of shape (n,)
        Intervals (start, stop].
    cuts : array of shape (k,)
        Distinct ascending times.

    Returns
    -------
    Pieces
        The pieces; a time that is cut at belongs to the piece that ends there.

    Examples
    --------
    >>> pieces = cut_intervals(np.array([0.0, 2.0]), np.array([5.0, 3.0]), np.array([2.0, 3.0]))
    >>> pieces.origin.tolist(), pieces.start.tolist(), pieces.stop.tolist()
    ([0, 0, 0, 1], [0.0, 2.0, 3.0, 2.0], [2.0, 3.0, 5.0, 3.0])
    """
    n_pieces = count_pieces(start, stop, cuts)
    origin = np.repeat(np.arange(len(stop)), n_pieces)
    first = np.cumsum(n_pieces) - n_pieces
    step = np.arange(len(origin)) - first[origin]
    last = step == n_pieces[origin] - 1
    begin = np.searchsorted(cuts, start, side="right")[origin] + step
    padded = np.concatenate([cuts, [np.nan]])
    return Pieces(
        origin=origin,
        start=np.where(step == 0, start[origin], padded[begin - 1]),
        stop=np.where(last, stop[origin], padded[np.minimum(begin, len(cuts))]),
        last=last,
    )
