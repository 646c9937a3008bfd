"""Step-down max-T of Westfall and Young: many associations tested by permuting one side once for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
TIE = 1e-9  # statistics that agree to this distance are as extreme as each other
_CELLS = 3_000_000  # numbers gathered at a time


@dataclass(frozen=True, slots=True, eq=False)
class MaxT:
    """Permutation p-values of many associations.

    Attributes
    ----------
    statistic : array of shape (p, q)
        Standardized linear statistic of each pair; NaN where the pair has no variance.
    p_value : array of shape (p, q)
        Two-sided permutation p-value of each pair alone.
    p_adjusted : array of shape (p, q)
        Step-down max-T adjusted within its family; never below ``p_value``, and monotone in the statistic.
    n_permutations : int
        Permutations used.
    complete : bool
        Whether these are all permutations there are, so that p-values are exact.
    """

    statistic: FloatArray
    p_value: FloatArray
    p_adjusted: FloatArray
    n_permutations: int
    complete: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Columns whose products give every sum of a pair, each distinct column once.

    Scores with missing values as 0, their squares, and who is known: for yes/no columns without missing values
    these are two columns, not three.
    """

    columns: FloatArray
    score: IntArray
    square: IntArray
    known: IntArray


def max_t(
    X: FloatArray,
    Y: FloatArray,
    *,
    stratum: IntArray | None = None,
    family: IntArray | None = None,
    n_permutations: int = 10_000,
    seed: int = 0,
) -> MaxT:
    """Test every column of X against every column of Y, and adjust by the distribution of the largest statistic.

    The rows of Y are permuted within strata, all columns together, so that the correlation among the columns
    of X and among those of Y is kept. The statistic of a pair is the sum of products of its scores, minus its
    mean and divided by its standard deviation under permutation, over the rows where both are known (r times
    the root of n - 1 without strata).

    Parameters
    ----------
    X : array of shape (n, p)
        Scores of the exposures (0/1, or ranks), NaN for unknown.
    Y : array of shape (n, q)
        Scores of the outcomes, NaN for unknown.
    stratum : array of shape (n,) or None, default=None
        Codes from 0; rows are permuted within a stratum.
    family : array of shape (p, q) or None, default=None
        Code of the family of each pair, negative for a pair that takes no part; None for one family.
    n_permutations : int, default=10000
        Random permutations; where there are no more than these in all, each is used once.
    seed : int, default=0
        Seed of the permutations.

    Returns
    -------
    MaxT
        Statistics and p-values. With random permutations p is (1 + as extreme) / (1 + permutations).

    Raises
    ------
    EstimationError
        When there is no permutation to make.

    Notes
    -----
    Algorithm 4.1 of Westfall and Young [1]_ as in box 2 of Ge, Dudoit and Speed [2]_; the standardization is
    that of Strasser and Weber (1999) as in R ``coin``. Permuting whole rows of Y also moves who is unknown: the
    null hypothesis is that rows of X and Y are unrelated within strata, missing values included.

    References
    ----------
    .. [1] Westfall PH, Young SS (1993). Resampling-based multiple testing. Wiley.
    .. [2] Ge Y, Dudoit S, Speed TP (2003). Test 12:1-77.

    Examples
    --------
    >>> x, y = np.array([[0.0], [0], [1], [1]]), np.array([[1.0], [2], [3], [4]])
    >>> max_t(x, y).p_value.round(4).tolist()  # 8 of 24 orders separate the groups
    [[0.3333]]
    """
    n = len(X)
    if n_permutations < 1 or n < 2:
        raise EstimationError(
            "there is nothing to permute",
            evidence=f"{n} rows, {n_permutations} permutations",
            remedy="give at least two rows and permutations=10_000",
        )
    members = _members(n, stratum)
    families = np.zeros((X.shape[1], Y.shape[1]), dtype=np.intp) if family is None else family
    left, right = _sums(X), _sums(Y)
    identity = np.arange(n)[None, :]
    observed = _statistics(left, right, members, identity)[0]
    complete = _n_orders(members) <= n_permutations
    orders = _all_orders(members, n) if complete else _random_orders(members, n, n_permutations, seed)
    count = _Counter(observed, families)
    for block in _blocks(orders, max(_CELLS // (n * right.columns.shape[1]), 1)):
        count.add(_statistics(left, right, members, block))
    p, adjusted = count.p_values(complete)
    return MaxT(observed, p, adjusted, count.n, complete)


def linear_statistics(X: FloatArray, Y: FloatArray, stratum: IntArray | None = None) -> FloatArray:
    """Return the standardized linear statistic of every pair of columns, without permuting.

    Parameters
    ----------
    X, Y : array of shape (n, p) and (n, q)
        Scores, NaN for unknown.
    stratum : array of shape (n,) or None, default=None
        Codes from 0.

    Returns
    -------
    array of shape (p, q)
        As :class:`MaxT` has it; standard normal in large samples when the pair is unrelated.
    """
    identity = np.arange(len(X))[None, :]
    return np.asarray(_statistics(_sums(X), _sums(Y), _members(len(X), stratum), identity)[0])


def _members(n: int, stratum: IntArray | None) -> list[IntArray]:
    codes = np.zeros(n, dtype=np.intp) if stratum is None else np.asarray(stratum, dtype=np.intp)
    return [np.flatnonzero(codes == s) for s in range(int(codes.max(initial=0)) + 1)]


class _Counter:
    """Counts permutations as extreme as observed, pair by pair and along the step-down order of each family."""

    def __init__(self, observed: FloatArray, families: IntArray) -> None:
        self.shape = observed.shape
        self.size = np.abs(observed).ravel()
        known = ~np.isnan(self.size) & (families.ravel() >= 0)
        self.raw = np.zeros(self.size.shape, dtype=np.int64)
        self.stepped = np.zeros(self.size.shape, dtype=np.int64)
        self.orders = [
            members[np.argsort(-self.size[members], kind="stable")]
            for code in np.unique(families.ravel()[known])
            for members in [np.flatnonzero(known & (families.ravel() == code))]
        ]
        self.known = known
        self.n = 0

    def add(self, statistics: FloatArray) -> None:
        """Count a block of shape (k, p, q)."""
        z = np.abs(statistics).reshape(len(statistics), -1)
        z = np.where(np.isnan(z), 0.0, z)
        bar = self.size * (1 - TIE) - TIE
        self.raw += (z >= bar).sum(axis=0)
        for order in self.orders:
            # u_k = max(|t_k|, ..., |t_m|): successive maxima from the least significant pair upwards.
            u = np.maximum.accumulate(z[:, order[::-1]], axis=1)[:, ::-1]
            self.stepped[order] += (u >= bar[order]).sum(axis=0)
        self.n += len(z)

    def p_values(self, complete: bool) -> tuple[FloatArray, FloatArray]:
        """Return raw and adjusted p-values of shape (p, q)."""
        one = 0 if complete else 1
        raw, adjusted = ((c + one) / (self.n + one) for c in (self.raw, self.stepped))
        for order in self.orders:
            adjusted[order] = np.maximum.accumulate(adjusted[order])
        raw, adjusted = (np.where(self.known, v, np.nan) for v in (raw, adjusted))
        return raw.reshape(self.shape), adjusted.reshape(self.shape)


def _sums(scores: FloatArray) -> _Sums:
    known = ~np.isnan(scores)
    filled = np.where(known, scores, 0.0)
    # Centering and scaling keep squares of large ranks accurate; yes/no scores stay 0/1, so squares are shared.
    binary = np.isin(filled, (0.0, 1.0)).all(axis=0)
    size = np.maximum(known.sum(axis=0), 1)
    center = np.where(binary, 0.0, filled.sum(axis=0) / size)
    filled = np.where(known, filled - center, 0.0)
    spread = np.sqrt((filled**2).sum(axis=0) / size)
    filled = filled / np.where(binary | (spread == 0), 1.0, spread)
    stacked = np.concatenate([filled, filled**2, known.astype(float)], axis=1)
    columns, which = np.unique(stacked, axis=1, return_inverse=True)
    first, second, third = np.split(np.asarray(which).ravel(), 3)
    return _Sums(np.ascontiguousarray(columns.T), first, second, third)


def _statistics(left: _Sums, right: _Sums, members: Sequence[IntArray], orders: IntArray) -> FloatArray:
    """Return the statistics of each order of the rows of the right side, shape (k, p, q)."""
    k, p, q = len(orders), len(left.score), len(right.score)
    total, variance = np.zeros((k, p, q)), np.zeros((k, p, q))
    for rows in members:
        if len(rows) < 2:
            continue
        gathered = right.columns[:, orders[:, rows]]
        # Every sum over the rows of the stratum, for each distinct column of either side.
        table = gathered.reshape(-1, len(rows)) @ left.columns[:, rows].T
        table = np.moveaxis(table.reshape(len(right.columns), k, -1), 0, 2)
        a, a2, m = left.score[:, None], left.square[:, None], left.known[:, None]
        b, b2, w = right.score[None, :], right.square[None, :], right.known[None, :]
        n = table[:, m, w]
        size = np.maximum(n, 1.0)
        sa, sb = table[:, a, w], table[:, m, b]
        total += table[:, a, b] - sa * sb / size
        spread = (table[:, a2, w] - sa**2 / size) * (table[:, m, b2] - sb**2 / size)
        variance += np.where(n > 1, spread, 0.0) / np.maximum(n - 1, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = left.columns.shape[1] * 1e-12
        return np.where(variance > scale, total / np.sqrt(np.maximum(variance, 0.0)), np.nan)


def _n_orders(members: Sequence[IntArray]) -> float:
    return math.exp(min(sum(math.lgamma(len(rows) + 1) for rows in members), 60.0)) * (1 - 1e-9)


def _all_orders(members: Sequence[IntArray], n: int) -> Iterator[IntArray]:
    for parts in product(*(permutations(rows.tolist()) for rows in members)):
        order = np.empty(n, dtype=np.intp)
        for rows, part in zip(members, parts, strict=True):
            order[rows] = part
        yield order


def _random_orders(members: Sequence[IntArray], n: int, k: int, seed: int) -> Iterator[IntArray]:
    rng = np.random.default_rng(seed)
    for _ in range(k):
        order = np.empty(n, dtype=np.intp)
        for rows in members:
            order[rows] = rng.permutation(rows)
        yield order


def _blocks(orders: Iterator[IntArray], size: int) -> Iterator[IntArray]:
    held: list[IntArray] = []
    for order in orders:
        held.append(order)
        if len(held) == size:
            yield np.stack(held)
            held = []
    if held:
        yield np.stack(held)
