"""Trend in a table of ordered rows and ordered columns: asymptotic, exact and by random tables."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import random_table

from cohort.estimators.conditional_tables import (
    Distribution,
    Step,
    conditional_distribution,
    extreme_share,
    of_each,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_BLOCK_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class TrendTest:
    """A test of trend.

    Attributes
    ----------
    statistic : float
        Standardized statistic z; positive when high scores go with high outcomes.
    p_value : float
        Two-sided p-value, of the normal distribution.
    p_exact : float
        Two-sided p-value given both margins: the probability of a statistic as far from its expectation; NaN where
        there are too many tables.
    p_random : float
        The same from random tables, (1 + as far) / (1 + tables); NaN without.
    """

    statistic: float
    p_value: float
    p_exact: float
    p_random: float


@dataclass(frozen=True, slots=True)
class Slope:
    """Least-squares slope of the outcome on the score.

    Attributes
    ----------
    estimate : float
        Change of the mean outcome (of the risk, for 0 and 1) per unit of the score.
    std_error : float
        Robust standard error (HC3); NaN when it does not exist.
    reason : str
        Why; empty when it does.
    """

    estimate: float
    std_error: float
    reason: str


def trend_slope(table: IntArray, row_scores: FloatArray, column_scores: FloatArray) -> Slope:
    """Fit the line of the outcome on the score.

    Parameters
    ----------
    table : array of shape (r, c)
        Patients by score and outcome.
    row_scores, column_scores : array of shape (r,) and (c,)
        Their values.

    Returns
    -------
    Slope
        Slope with the standard error HC3 of MacKinnon and White (1985), as R ``sandwich::vcovHC``.
    """
    n = table.sum()
    rows = table.sum(axis=1)
    x = row_scores - rows @ row_scores / n
    y = column_scores - table.sum(axis=0) @ column_scores / n
    spread = float(rows @ x**2)
    slope = float(x @ table @ y) / spread
    leverage = 1 / n + x**2 / spread
    if (leverage >= 1 - 1e-12).any():
        return Slope(slope, math.nan, "a single patient decides the slope: no robust standard error")
    squares = (table * (y - slope * x[:, None]) ** 2).sum(axis=1)
    variance = float(x**2 @ (squares / (1 - leverage) ** 2)) / spread**2
    if variance <= 1e-24 * float(table.sum(axis=0) @ y**2) / spread:
        return Slope(slope, math.nan, "no scatter about the line: no robust standard error")
    return Slope(slope, math.sqrt(variance), "")


def cochran_armitage(table: IntArray, scores: FloatArray, random: int = 0, seed: int = 0) -> TrendTest:
    """Test the trend of a risk over ordered groups.

    Parameters
    ----------
    table : array of shape (r, 2)
        Patients without and with the event, by group.
    scores : array of shape (r,)
        Scores of the groups.
    random : int, default=0
        Random tables.
    seed : int, default=0
        Their seed.

    Returns
    -------
    TrendTest
        The asymptotic statistic squared is that of R ``prop.trend.test``.

    Examples
    --------
    >>> found = cochran_armitage(np.array([[9, 1], [7, 3], [5, 5]]), np.array([0.0, 1, 2]))
    >>> round(found.statistic, 3), round(found.p_value, 4), round(found.p_exact, 4)
    (1.952, 0.051, 0.0903)
    """
    n = int(table.sum())
    other = linear_by_linear(table, scores, np.array([0.0, 1.0]), random, seed)
    z = other.statistic * math.sqrt(n / (n - 1))  # variance with the divisor n instead of n - 1
    return TrendTest(z, float(2 * ndtr(-abs(z))), other.p_exact, other.p_random)


def linear_by_linear(
    table: IntArray, row_scores: FloatArray, column_scores: FloatArray, random: int = 0, seed: int = 0
) -> TrendTest:
    """Test the linear association of row and column scores (Mantel 1963; Agresti 2002, equation 3.15).

    Parameters
    ----------
    table : array of shape (r, c)
        Counts.
    row_scores, column_scores : array of shape (r,) and (c,)
        Scores.
    random : int, default=0
        Random tables.
    seed : int, default=0
        Their seed.

    Returns
    -------
    TrendTest
        The statistic is the correlation times the root of n - 1, as R ``coin::lbl_test``.
    """
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    n = int(table.sum())
    u = row_scores - rows @ row_scores / n
    v = column_scores - columns @ column_scores / n
    u, v = u / np.abs(u).max(), v / np.abs(v).max()
    seen = float(u @ table @ v)
    z = seen / math.sqrt(float(rows @ u**2) * float(columns @ v**2) / (n - 1))

    exact = (
        _exact_linear(rows, columns, u, v)
        if _states(columns) <= _states(rows)
        else _exact_linear(columns, rows, v, u)
    )
    drawn = _random_statistics(table, lambda used, x, i: _linear(used, x @ v * u[i]), random, seed)
    return _test(z, extreme_share(exact, seen, 0.0), drawn, seen)


def jonckheere_terpstra(table: IntArray, random: int = 0, seed: int = 0) -> TrendTest:
    """Test whether outcomes rise over ordered groups, by the order of all pairs of patients.

    Parameters
    ----------
    table : array of shape (r, c)
        Counts, rows and columns in their order.
    random : int, default=0
        Random tables.
    seed : int, default=0
        Their seed.

    Returns
    -------
    TrendTest
        The statistic is Kendall's S (concordant less discordant pairs; Jonckheere's J is half of S and the pairs of
        different groups together) with its variance for ties in both, without continuity correction, as R
        ``cor.test(method = "kendall", exact = FALSE)``.
    """
    seen = float(sum(_pairs(table[:i].sum(axis=0)[None], table[i][None])[0, 0] for i in range(len(table))))
    variance = _variance_of_s(table.sum(axis=1), table.sum(axis=0))
    z = seen / math.sqrt(variance) if variance > 0 else math.nan
    # S is the same when both orders are turned round, or rows and columns exchanged: enumerate the cheapest.
    ways = [one for t in (table, table.T) for one in (t, t[::-1, ::-1])]
    best = min(ways, key=lambda t: (_states(t.sum(axis=0)), -int(t[-1].sum())))
    exact = conditional_distribution(best.sum(axis=1), best.sum(axis=0), lambda used, x, i: _pairs(used, x))
    drawn = _random_statistics(table, lambda used, x, i: _pairs(used, x), random, seed)
    return _test(z, extreme_share(exact, seen, 0.0), drawn, seen)


def _states(columns: IntArray) -> float:
    """Return the logarithm of the number of ways in which columns can be used up."""
    return float(np.log(columns + 1.0).sum())


def _exact_linear(rows: IntArray, columns: IntArray, u: FloatArray, v: FloatArray) -> Distribution | None:
    order = np.argsort(rows, kind="stable")
    scores = u[order]
    return conditional_distribution(rows[order], columns, lambda used, x, i: _linear(used, x @ v * scores[i]))


def _linear(used: IntArray, sums: FloatArray) -> FloatArray:
    return np.broadcast_to(sums, (len(used), len(sums)))


def _pairs(used: IntArray, x: IntArray) -> FloatArray:
    """Count pairs of a row with the rows before: later rows higher, less later rows lower."""
    before = np.cumsum(used, axis=1)
    weight = (before - used) - (before[:, -1:] - before)
    return np.asarray(weight @ x.T, dtype=float)


def _variance_of_s(rows: IntArray, columns: IntArray) -> float:
    """Return the variance of Kendall's S with ties (Kendall 1970, equation 4.4)."""
    n = float(rows.sum())
    if n < 3:
        return 0.0
    t, u = rows.astype(float), columns.astype(float)
    whole = n * (n - 1) * (2 * n + 5)
    first = (whole - sum(float((k * (k - 1) * (2 * k + 5)).sum()) for k in (t, u))) / 18
    threes = [float((k * (k - 1) * (k - 2)).sum()) for k in (t, u)]
    twos = [float((k * (k - 1)).sum()) for k in (t, u)]
    second = threes[0] * threes[1] / (9 * n * (n - 1) * (n - 2))
    return first + second + twos[0] * twos[1] / (2 * n * (n - 1))


def _random_statistics(table: IntArray, step: Step, random: int, seed: int) -> FloatArray:
    """Return the statistic of random tables with the margins of this one."""
    if not random:
        return np.empty(0)
    rng = np.random.default_rng(seed)
    source = random_table(table.sum(axis=1), table.sum(axis=0))
    block = max(1, _BLOCK_CELLS // table.size)
    parts = []
    for start in range(0, random, block):
        drawn = source.rvs(min(block, random - start), random_state=rng).astype(np.int64)
        before = np.cumsum(drawn, axis=1) - drawn
        parts.append(np.sum([of_each(step, before[:, i], drawn[:, i], i) for i in range(len(table))], axis=0))
    return np.concatenate(parts)


def _test(z: float, p_exact: float, drawn: FloatArray, seen: float) -> TrendTest:
    far = int((np.abs(drawn) >= abs(seen) - 1e-7 * max(1.0, abs(seen))).sum())
    p_random = (1 + far) / (1 + len(drawn)) if len(drawn) else math.nan
    return TrendTest(z, float(2 * ndtr(-abs(z))), p_exact, p_random)
