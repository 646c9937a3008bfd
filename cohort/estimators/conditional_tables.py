"""Distribution of a statistic over all tables of counts with the same margins, row by row."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# What row i adds to the statistic: columns used by the rows before (s, c) and its own cells (k, c) to (s, k).
Step = Callable[[IntArray, IntArray, int], FloatArray]
Distribution = tuple[FloatArray, FloatArray]  # values in ascending order, and their probabilities
MAX_STEPS = 5_000_000
_BLOCK = 200_000
_SAME = 1e-9  # partial sums closer than this are the same sum


def conditional_distribution(
    rows: IntArray, columns: IntArray, step: Step, max_steps: int = MAX_STEPS
) -> Distribution | None:
    """Find the values a sum over rows can take given both margins, with their probabilities.

    Parameters
    ----------
    rows : array of shape (r,)
        Row totals; the last row is never enumerated, so put the largest there.
    columns : array of shape (c,)
        Column totals.
    step : callable
        What a row adds to the statistic.
    max_steps : int
        Most pairs of a partial table and a row that are looked at.

    Returns
    -------
    values, probability : array of shape (k,)
        In ascending order of the value; None when it would take more steps.

    Notes
    -----
    Rows follow a multivariate hypergeometric distribution given those before. Partial tables with the same columns
    used and the same partial sum are one state, as in the network algorithm of Mehta and Patel (1983).

    Examples
    --------
    >>> sizes = np.array([2, 2])
    >>> conditional_distribution(sizes, sizes, lambda used, x, i: np.tile(i * x[:, 1] * 1.0, (len(used), 1)))
    (array([0., 1., 2.]), array([0.16666667, 0.66666667, 0.16666667]))
    """
    log_factorial = gammaln(np.arange(int(rows.sum()) + 2) + 1.0)
    used = np.zeros((1, len(columns)), dtype=np.int64)
    value, probability = np.zeros(1), np.ones(1)
    taken = 0
    for i, total in enumerate(rows.tolist()):
        if i == len(rows) - 1:
            value = value + of_each(step, used, columns - used, i)
            break
        if math.comb(total + len(columns) - 1, len(columns) - 1) > max_steps:
            return None
        cells = _compositions(total, columns)
        taken += len(used) * len(cells)
        if taken > max_steps:
            return None
        used, value, probability = _add_row(used, value, probability, cells, columns, step, i, log_factorial)
    values, position = np.unique(np.rint(value / _SAME), return_inverse=True)
    return values * _SAME, np.bincount(position.ravel(), probability).astype(float)


def extreme_share(distribution: Distribution | None, seen: float, center: float | None = None) -> float:
    """Return the probability of values at least as large, or as far from a center, ties included.

    Parameters
    ----------
    distribution : tuple of arrays or None
        Values and probabilities.
    seen : float
        Observed value.
    center : float, optional
        Expected value; None compares the values themselves.

    Returns
    -------
    float
        Probability; NaN without a distribution.
    """
    if distribution is None:
        return math.nan
    values, probability = distribution
    slack = 1e-7 * max(1.0, abs(seen))
    far = values >= seen - slack if center is None else np.abs(values - center) >= abs(seen - center) - slack
    return float(min(probability[far].sum(), 1.0))


def _compositions(total: int, columns: IntArray) -> IntArray:
    """List all ways to put a row total into columns that hold at most their totals."""
    found, left = np.zeros((1, 0), dtype=np.int64), np.array([total])
    for j, most in enumerate(columns.tolist()):
        rest = int(columns[j + 1 :].sum())
        low, high = np.maximum(left - rest, 0), np.minimum(left, most)
        ways = np.maximum(high - low + 1, 0)
        origin = np.repeat(np.arange(len(found)), ways)
        x = np.arange(len(origin)) - np.repeat(np.cumsum(ways) - ways, ways) + low[origin]
        found, left = np.column_stack([found[origin], x]), left[origin] - x
    return found


def _add_row(
    used: IntArray,
    value: FloatArray,
    probability: FloatArray,
    cells: IntArray,
    columns: IntArray,
    step: Step,
    i: int,
    log_factorial: FloatArray,
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Add a row to all partial tables and join those that are one state."""
    place = np.cumprod([1, *(columns[:-1] + 1).tolist()])
    parts = []
    block = max(1, _BLOCK // len(cells))
    for start in range(0, len(used), block):
        mine = slice(start, start + block)
        left = columns - used[mine]
        fits = (cells[None] <= left[:, None]).all(axis=2)
        s, k = np.nonzero(fits)
        rest = left[s] - cells[k]
        ways = (log_factorial[left[s]] - log_factorial[cells[k]] - log_factorial[rest]).sum(axis=1)
        size, total = left.sum(axis=1)[s], cells[k].sum(axis=1)
        ways -= log_factorial[size] - log_factorial[total] - log_factorial[size - total]
        sums = value[mine][s] + step(used[mine], cells, i)[s, k]
        parts.append(((columns - rest) @ place, sums, probability[mine][s] * np.exp(ways)))
        if len(parts) > 1:
            parts = [_joined(parts)]
    code, value, probability = _joined(parts)
    return (code[:, None] // place) % (columns + 1), value, probability


def _joined(parts: list[tuple[IntArray, FloatArray, FloatArray]]) -> tuple[IntArray, FloatArray, FloatArray]:
    code, value, probability = (np.concatenate(one) for one in zip(*parts, strict=True))
    order = np.lexsort((value, code))
    code, value, probability = code[order], value[order], probability[order]
    new = np.ones(len(code), dtype=bool)
    new[1:] = (np.diff(code) != 0) | (np.diff(value) > _SAME)
    first = np.flatnonzero(new)
    return code[first], value[first], np.add.reduceat(probability, first)


def of_each(step: Step, used: IntArray, cells: IntArray, i: int) -> FloatArray:
    """Return what its own cells of row i add to each partial table."""
    out = np.empty(len(used))
    for start in range(0, len(used), 100):
        mine = slice(start, start + 100)
        out[mine] = np.diagonal(step(used[mine], cells[mine], i))
    return out
