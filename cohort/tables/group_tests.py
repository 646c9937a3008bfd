"""Tests that compare groups in a descriptive table, chosen by a stated rule and always named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]
MAX_TABLES = 2_000_000
MONTE_CARLO_TABLES = 100_000
MONTE_CARLO_SEED = 20_190_401


class GroupTest(NamedTuple):
    """A p-value with the name of its test."""

    p_value: float
    name: str


def compare_numbers(groups: Sequence[FloatArray], *, ranks: bool) -> GroupTest:
    """Compare a numeric variable between groups.

    Parameters
    ----------
    groups : sequence of arrays
        One sample without NaN per group, in the same unit.
    ranks : bool
        True where the table shows medians: Wilcoxon's rank-sum test (two groups; exact up to 8 values per
        group without ties) or Kruskal and Wallis'. False where it shows means: Welch's t test or one-way
        analysis of variance.

    Returns
    -------
    GroupTest
        The p-value and its name; NaN when a group has fewer than two values or nothing varies.
    """
    two = len(groups) == 2
    if ranks:
        name = "Wilcoxon rank-sum test" if two else "Kruskal-Wallis test"
    else:
        name = "Welch t test" if two else "One-way analysis of variance"
    pooled = np.concatenate(groups) if groups else np.empty(0)
    if len(groups) < 2 or min(group.size for group in groups) < 2 or np.ptp(pooled) == 0:
        return GroupTest(math.nan, name)
    if not ranks and any(np.ptp(group) == 0 for group in groups):
        return GroupTest(math.nan, name)
    if two and ranks:
        return GroupTest(float(stats.mannwhitneyu(groups[0], groups[1]).pvalue), name)
    if two:
        return GroupTest(float(stats.ttest_ind(groups[0], groups[1], equal_var=False).pvalue), name)
    found = stats.kruskal(*groups) if ranks else stats.f_oneway(*groups)
    return GroupTest(float(found.pvalue), name)


def compare_counts(table: NDArray[np.int64]) -> GroupTest:
    """Compare the distribution over categories between groups.

    Pearson's chi-squared test without continuity correction; Fisher's exact test (Freeman and Halton's beyond
    2 x 2) when an expected count is under 5.

    Parameters
    ----------
    table : array of shape (categories, groups)
        Patients; rows and columns without patients are left out.

    Returns
    -------
    GroupTest
        The p-value and its name; NaN when fewer than two categories or groups are left.
    """
    kept = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(kept.shape) < 2:
        return GroupTest(math.nan, "Chi-squared test")
    expected = np.outer(kept.sum(axis=1), kept.sum(axis=0)) / kept.sum()
    if expected.min() >= 5:
        return GroupTest(float(stats.chi2_contingency(kept, correction=False).pvalue), "Chi-squared test")
    if kept.shape == (2, 2):
        return GroupTest(float(stats.fisher_exact(kept).pvalue), "Fisher exact test")
    if kept.shape[1] == 2:
        kept = kept.T
    elif kept.shape[0] != 2:
        return _monte_carlo(kept)
    smallest_first = kept[:, np.argsort(kept.sum(axis=0), kind="stable")]
    if float(np.prod(smallest_first.sum(axis=0)[:-1] + 1.0)) > MAX_TABLES:
        return _monte_carlo(kept)
    return GroupTest(_freeman_halton(smallest_first), "Fisher-Freeman-Halton exact test")


def _freeman_halton(table: NDArray[np.int64]) -> float:
    """Sum the probabilities of all 2 x k tables with these margins that are as rare as this one."""
    margins = table.sum(axis=0)
    first_row, total = int(table[0].sum()), int(table.sum())
    used = np.zeros(1, dtype=np.int64)
    log_weight = np.zeros(1)
    for margin in margins[:-1]:
        choice = np.arange(margin + 1)
        used = (used[:, None] + choice).ravel()
        log_weight = (log_weight[:, None] + _log_choose(int(margin), choice)).ravel()
        possible = used <= first_row
        used, log_weight = used[possible], log_weight[possible]
    last = first_row - used
    possible = last <= margins[-1]
    log_p = log_weight[possible] + _log_choose(int(margins[-1]), last[possible])
    log_p -= _log_choose(total, np.array([first_row]))[0]
    log_seen = sum(
        float(_log_choose(int(m), np.array([x]))[0]) for m, x in zip(margins, table[0], strict=True)
    )
    log_seen -= float(_log_choose(total, np.array([first_row]))[0])
    # tables whose probability equals the observed one up to rounding count as equally rare (as R does, 1e-7)
    return min(1.0, float(np.exp(log_p[log_p <= log_seen + 1e-7]).sum()))


def _log_choose(n: int, k: NDArray[np.int64]) -> FloatArray:
    """Logarithm of the binomial coefficient."""
    from scipy.special import gammaln

    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=float)


def _monte_carlo(table: NDArray[np.int64]) -> GroupTest:
    """Compare chi-squared with that of random tables with the same margins, from a fixed seed."""
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    random_table = stats.random_table(table.sum(axis=1), table.sum(axis=0))
    drawn = random_table.rvs(MONTE_CARLO_TABLES, random_state=np.random.default_rng(MONTE_CARLO_SEED))
    chi2 = ((drawn - expected) ** 2 / expected).sum(axis=(1, 2))
    seen = float(((table - expected) ** 2 / expected).sum())
    p = (1 + int((chi2 >= seen * (1 - 1e-12)).sum())) / (1 + MONTE_CARLO_TABLES)
    return GroupTest(p, f"Chi-squared test from {MONTE_CARLO_TABLES:,} random tables")
