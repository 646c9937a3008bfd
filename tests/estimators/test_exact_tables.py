"""Exact inference for two-by-two tables: by hand, against R, and as properties."""

from __future__ import annotations

from math import comb, inf, isnan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.estimators.contingency import TwoByTwoCounts
from cohort.estimators.exact_tables import (
    barnard_p_value,
    boschloo_p_value,
    conditional_odds_ratio,
    fisher_p_value,
)

FOLDER = Path(__file__).parents[1] / "reference/two_by_two"
EXPECTED, TABLES = pd.read_csv(FOLDER / "expected.csv"), pd.read_csv(FOLDER / "data.csv")
TESTS = {"fisher": fisher_p_value, "barnard": barnard_p_value, "boschloo": boschloo_p_value}


def table_number(number):
    return TwoByTwoCounts(*(int(v) for v in TABLES.iloc[number - 1]))


def test_conditional_by_hand():
    # margins 4 4 4 4: weights of a = 0..4 are 1 16 36 16 1; a = 3
    # Fisher (1 + 16 + 16 + 1)/70; exact twice 17/70; mid-p twice (1 + 8)/70
    table = TwoByTwoCounts(3, 1, 1, 3)
    np.testing.assert_allclose(fisher_p_value(table), 34 / 70, rtol=1e-13)
    both = conditional_odds_ratio(table)
    np.testing.assert_allclose(both["exact"].p_value, 34 / 70, rtol=1e-13)
    np.testing.assert_allclose(both["mid_p"].p_value, 18 / 70, rtol=1e-13)
    # the estimate makes the expectation 3: sum (a - 3) w psi^a = 0
    psi = both["exact"].estimate
    weights = [comb(4, a) * comb(4, 4 - a) * psi**a for a in range(5)]
    np.testing.assert_allclose(sum(a * w for a, w in enumerate(weights)) / sum(weights), 3, rtol=1e-12)
    # the upper limit makes P(a <= 3) = 0.025
    psi = both["exact"].conf_high
    weights = [comb(4, a) * comb(4, 4 - a) * psi**a for a in range(5)]
    np.testing.assert_allclose(sum(weights[:4]) / sum(weights), 0.025, rtol=1e-10)


def test_unconditional_by_hand():
    # 2 of 2 against 0 of 2: only that table and its mirror are as extreme; 2 p^2 (1-p)^2 is at most 1/8
    table = TwoByTwoCounts(2, 0, 0, 2)
    np.testing.assert_allclose([barnard_p_value(table), boschloo_p_value(table)], [1 / 8, 1 / 8], rtol=1e-12)
    np.testing.assert_allclose(fisher_p_value(table), 2 / 6, rtol=1e-13)


@pytest.mark.parametrize("test", TESTS)
def test_p_values_equal_r(test):
    """fisher.test, and unconditional tests by enumeration, in make.R."""
    rows = EXPECTED[EXPECTED["method"] == test]
    assert len(rows) >= 8
    got = [TESTS[test](table_number(number)) for number in rows["table"]]
    np.testing.assert_allclose(got, rows["value"], rtol=1e-9)


@pytest.mark.parametrize("method", ["exact", "mid_p", "fisher.test"])
def test_conditional_equals_r(method):
    """fisher.test itself stops within 0.7 % of its upper limits; its equations are solved to 1e-10 in make.R."""
    rows = EXPECTED[EXPECTED["method"].eq(method) & EXPECTED["term"].eq("odds_ratio")]
    assert len(rows) >= 14
    for number, quantity, value in zip(rows["table"], rows["quantity"], rows["value"], strict=True):
        key = "exact" if method == "fisher.test" else method
        got = getattr(conditional_odds_ratio(table_number(number))[key], quantity)
        np.testing.assert_allclose(got, value, rtol=8e-3 if method == "fisher.test" else 1e-9)


def test_ties_count_as_extreme():
    # scipy.stats.barnard_exact gives 0.0390 here, because rounding drops tables whose z is the same
    table = TwoByTwoCounts(7, 12, 8, 3)
    z = {}
    for x1 in range(20):
        for x0 in range(12):
            pooled = (x1 + x0) / 30
            spread = pooled * (1 - pooled) * (1 / 19 + 1 / 11)
            z[x1, x0] = 0 if spread == 0 else (x1 / 19 - x0 / 11) ** 2 / spread
    extreme = [key for key, value in z.items() if value >= z[7, 8] * (1 - 1e-9)]
    risk = np.linspace(0.001, 0.999, 4001)
    total = sum(
        comb(19, x1) * comb(11, x0) * risk ** (x1 + x0) * (1 - risk) ** (30 - x1 - x0) for x1, x0 in extreme
    )
    np.testing.assert_allclose(barnard_p_value(table), total.max(), rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.integers(0, 9)] * 4).filter(lambda t: t[0] + t[1] > 0 and t[2] + t[3] > 0))
def test_symmetries(cells):
    a, b, c, d = cells
    for test in TESTS.values():
        expected = test(TwoByTwoCounts(a, b, c, d))
        for other in ((c, d, a, b), (b, a, d, c)):
            np.testing.assert_allclose(test(TwoByTwoCounts(*other)), expected, rtol=1e-7)
    assert boschloo_p_value(TwoByTwoCounts(a, b, c, d)) <= fisher_p_value(TwoByTwoCounts(a, b, c, d)) + 1e-9
    first, second = (conditional_odds_ratio(TwoByTwoCounts(*t)) for t in ((a, b, c, d), (c, d, a, b)))
    for method in ("exact", "mid_p"):
        m, mirrored = first[method], second[method]
        if 0 < m.estimate < inf:
            np.testing.assert_allclose(m.estimate * mirrored.estimate, 1, rtol=1e-9)
            assert m.conf_low <= m.estimate <= m.conf_high


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(0, 15)] * 4).filter(lambda t: t[0] + t[1] > 0 and t[2] + t[3] > 0))
def test_mid_p_limits_lie_within_exact_ones(cells):
    both = conditional_odds_ratio(TwoByTwoCounts(*cells))
    exact, mid = both["exact"], both["mid_p"]
    if not isnan(exact.estimate):
        assert exact.conf_low <= mid.conf_low
        assert mid.conf_high <= exact.conf_high


def test_size_of_unconditional_tests():
    """Never above 5% at any common risk: the definition, checked by enumeration for 6 and 5 patients."""
    risk = np.linspace(0.01, 0.99, 99)
    for test in (barnard_p_value, boschloo_p_value):
        size = np.zeros_like(risk)
        for a in range(7):
            for c in range(6):
                if test(TwoByTwoCounts(a, 6 - a, c, 5 - c)) <= 0.05:
                    size += comb(6, a) * comb(5, c) * risk ** (a + c) * (1 - risk) ** (11 - a - c)
        assert 0.01 < size.max() <= 0.05 + 1e-9


def test_what_does_not_exist():
    for m in conditional_odds_ratio(TwoByTwoCounts(0, 5, 0, 4)).values():
        assert isnan(m.estimate)
        assert "a margin is zero" in m.reason
    zero = conditional_odds_ratio(TwoByTwoCounts(0, 5, 3, 4))["exact"]
    assert (zero.estimate, zero.conf_low) == (0, 0)
    assert zero.reason == "a cell is zero: the estimate is at its boundary"
    assert isnan(barnard_p_value(TwoByTwoCounts(0, 0, 3, 4)))
    assert isnan(boschloo_p_value(TwoByTwoCounts(600, 600, 500, 500)))
    assert fisher_p_value(TwoByTwoCounts(0, 0, 3, 4)) == 1


def test_huge_counts_are_refused_with_a_reason_not_with_the_memory():
    table = TwoByTwoCounts(10**12, 10**12, 10**12, 10**12 + 5)
    assert isnan(fisher_p_value(table))
    assert "more than a million possible tables" in conditional_odds_ratio(table)["exact"].reason
