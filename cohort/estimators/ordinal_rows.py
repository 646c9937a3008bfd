"""Rows of a regression on ordered grades that may be known only between two bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that share the bounds of their grade.

    Attributes
    ----------
    lower, upper : int
        Lowest and highest grade that the rows may have, counted from 0.
    rows : slice
        Where they are.
    """

    lower: int
    upper: int
    rows: slice


@dataclass(frozen=True, slots=True, eq=False)
class OrdinalRows:
    """Rows sorted by the bounds of their grades; rows of which nothing is known are left out.

    The linear predictor of threshold j is e_j = Z a_j + N b, so that with Z = 1 and N = -X it is the usual
    theta_j - x'beta, whose coefficients are log odds of a higher grade.

    Attributes
    ----------
    Z : array of shape (n, q)
        Columns whose coefficients differ by threshold: ones, then minus the non-proportional covariates.
    N : array of shape (n, p)
        Minus the covariates whose coefficients are common to all thresholds.
    weight : array of shape (n,)
        Case weights.
    pieces : tuple of Piece
        Rows by bounds.
    n_threshold : int
        Number of thresholds K; grades are 0 to K.
    order : array of shape (n,)
        Positions of the rows as they were given.
    """

    Z: FloatArray
    N: FloatArray
    weight: FloatArray
    pieces: tuple[Piece, ...]
    n_threshold: int
    order: IntArray

    @property
    def n_parameter(self) -> int:
        """Number of parameters: K q + p.

        Returns
        -------
        int
            The thresholds' coefficients come first, threshold by threshold.
        """
        return int(self.n_threshold * self.Z.shape[1] + self.N.shape[1])

    def split(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the thresholds' coefficients, shape (K, q), and the common ones, shape (p,).

        Parameters
        ----------
        parameters : array of shape (K q + p,)
            All parameters.

        Returns
        -------
        array of shape (K, q)
            Coefficients by threshold.
        array of shape (p,)
            Common coefficients.
        """
        cut = self.n_threshold * self.Z.shape[1]
        return parameters[:cut].reshape(self.n_threshold, -1), parameters[cut:]

    def block(self, threshold: int) -> slice:
        """Return where the coefficients of a threshold stand.

        Parameters
        ----------
        threshold : int
            Threshold, counted from 0.

        Returns
        -------
        slice
            Positions among the parameters.
        """
        q = self.Z.shape[1]
        return slice(threshold * q, (threshold + 1) * q)


def arrange_rows(
    lower: IntArray,
    upper: IntArray,
    X: FloatArray,
    varying: FloatArray | None = None,
    weight: FloatArray | None = None,
    n_threshold: int | None = None,
) -> OrdinalRows:
    """Sort rows by their bounds.

    Parameters
    ----------
    lower, upper : array of shape (n,)
        Bounds of the grade, counted from 0, every grade between 0 and the highest being possible.
    X : array of shape (n, p)
        Covariates with one coefficient.
    varying : array of shape (n, r), optional
        Covariates with one coefficient per threshold.
    weight : array of shape (n,), optional
        Case weights, 1 by default.
    n_threshold : int, optional
        Number of thresholds; the highest grade by default.

    Returns
    -------
    OrdinalRows
        The rows.
    """
    top = int(upper.max()) if n_threshold is None else n_threshold
    known = np.flatnonzero((lower > 0) | (upper < top))
    code = lower[known] * (top + 1) + upper[known]
    order = known[np.argsort(code, kind="stable")]
    codes, starts = np.unique(lower[order] * (top + 1) + upper[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    pieces = tuple(
        Piece(*divmod(int(c), top + 1), slice(int(s), int(e)))
        for c, s, e in zip(codes, starts, ends, strict=True)
    )
    ones = np.ones((len(order), 1))
    return OrdinalRows(
        Z=ones if varying is None else np.hstack([ones, -varying[order]]),
        N=-X[order],
        weight=np.ones(len(order)) if weight is None else weight[order],
        pieces=pieces,
        n_threshold=top,
        order=order,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Grades that the data can tell apart.

    Attributes
    ----------
    lower, upper : array of shape (n,)
        Bounds on this scale, counted from 0.
    members : tuple of tuple of int
        Grades behind each category; several when they are never told apart.
    never : tuple of int
        Grades without any evidence of their own: the likelihood gives them probability 0.
    """

    lower: IntArray
    upper: IntArray
    members: tuple[tuple[int, ...], ...]
    never: tuple[int, ...]


def reduce_scale(lower: IntArray, upper: IntArray) -> Scale:
    """Leave out grades that no row supports, and join those that no row tells apart.

    Between neighbors a < b a threshold needs rows whose bounds end at a and rows whose bounds begin at b. When
    no row begins at b, every row that may be b may also be a, and the likelihood is largest with b impossible;
    likewise for a when no row ends at a. With exact grades this leaves out the grades that do not occur.

    Parameters
    ----------
    lower, upper : array of shape (n,)
        Bounds of the grades, whole numbers.

    Returns
    -------
    Scale
        The categories, and the bounds on their scale.

    Examples
    --------
    >>> scale = reduce_scale(np.array([0, 1, 3, 3]), np.array([0, 1, 4, 4]))
    >>> scale.members, scale.never, scale.upper.tolist()
    (((0,), (1,), (3, 4)), (2,), [0, 1, 2, 2])
    """
    first, last = int(lower.min()), int(upper.max())
    low, high = lower - first, upper - first
    begins = np.bincount(low, minlength=last - first + 1)
    ends = np.bincount(high, minlength=last - first + 1)
    kept: list[list[int]] = [[grade] for grade in range(last - first + 1)]
    never: list[int] = []
    position = 0
    while position < len(kept) - 1:
        a, b = kept[position][0], kept[position + 1][0]
        if begins[b] and ends[a]:
            position += 1
            continue
        if begins[b]:  # no row ends at a
            never += kept.pop(position)
            begins[b] += begins[a]
        elif ends[a]:  # no row begins at b
            never += kept.pop(position + 1)
            ends[a] += ends[b]
        else:
            kept[position] += kept.pop(position + 1)
            ends[a] = ends[b]
        position = max(position - 1, 0)
    return _on_scale(low, high, kept, never, first)


def _on_scale(low: IntArray, high: IntArray, kept: list[list[int]], never: list[int], first: int) -> Scale:
    """Code bounds by category: a lower bound moves up, an upper bound down, to the next category kept."""
    lowest = np.array([members[0] for members in kept])
    highest = np.array([max(members) for members in kept])
    return Scale(
        lower=np.searchsorted(highest, low, "left").astype(np.intp),
        upper=(np.searchsorted(lowest, high, "right") - 1).astype(np.intp),
        members=tuple(tuple(sorted(grade + first for grade in members)) for members in kept),
        never=tuple(sorted(grade + first for grade in never)),
    )
