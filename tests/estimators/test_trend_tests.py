"""Tests of trend: by hand, against R, and as properties.

References (tests/reference/trend/make.R): R stats ``prop.trend.test``, ``cor.test(method = "kendall")``, coin 1.4-2
``independence_test`` and ``wilcox_test`` (asymptotic and exact), sandwich 3.0-2 ``vcovHC``, and the enumeration of all
tables. Everything is direct: 1e-10; coin's exact p-values are sums of float counts: 1e-9.
"""

from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.estimators.conditional_tables import conditional_distribution, extreme_share
from cohort.estimators.trend_tests import (
    cochran_armitage,
    jonckheere_terpstra,
    linear_by_linear,
    trend_slope,
)

REFERENCE = Path(__file__).parents[1] / "reference/trend"
DATA = pd.read_csv(REFERENCE / "data.csv")
EXPECTED = pd.read_csv(REFERENCE / "expected.csv").set_index(["set", "method", "quantity"])["value"]
SETS = DATA["set"].unique().tolist()


def counted(x, y):
    u, i = np.unique(x, return_inverse=True)
    v, j = np.unique(y, return_inverse=True)
    table = np.zeros((len(u), len(v)), dtype=np.int64)
    np.add.at(table, (i, j), 1)
    return table, u.astype(float), v.astype(float)


def reference_set(k):
    rows = DATA[DATA["set"] == k]
    return counted(rows["score"], rows["outcome"])


def compare(got, k, method, quantity, rtol=1e-10):
    if (k, method, quantity) not in EXPECTED.index:
        return 0
    np.testing.assert_allclose(got, EXPECTED.loc[k, method, quantity], rtol=rtol)
    return 1


def test_equals_r():
    compared = 0
    for k in SETS:
        table, u, v = reference_set(k)
        linear, ranked = linear_by_linear(table, u, v), jonckheere_terpstra(table)
        slope = trend_slope(table, u, v)
        compared += compare(slope.estimate, k, "slope", "estimate")
        compared += compare(slope.std_error, k, "slope", "std_error")
        for method, found in (("linear_by_linear", linear), ("jonckheere_terpstra", ranked)):
            compared += compare(found.statistic, k, method, "statistic")
            compared += compare(found.p_value, k, method, "p_value")
            compared += compare(found.p_exact, k, f"{method}_exact", "p_value")
        compared += compare(linear.p_exact, k, "linear_exact_coin", "p_value", 1e-9)
        compared += compare(ranked.p_exact, k, "jonckheere_exact_coin", "p_value", 1e-9)
        if len(v) == 2:
            found = cochran_armitage(table, u)
            compared += compare(found.statistic, k, "cochran_armitage", "statistic")
            compared += compare(found.p_value, k, "cochran_armitage", "p_value")
            assert found.p_exact == linear.p_exact
    assert compared == len(EXPECTED)


def test_by_hand():
    # 0/2, 1/2, 2/2 with the event at scores 0, 1, 2. T = sum of scores of the 3 events = 5, expected 3.
    # Of C(6,3) = 20 choices from {0,0,1,1,2,2} the sum is 5 in 2 (one 1, both 2) and 1 in 2: p = 4/20.
    table = np.array([[2, 0], [1, 1], [0, 2]])
    found = cochran_armitage(table, np.array([0.0, 1, 2]))
    # z = (5 - 3) / sqrt(p q S), p = q = 1/2, S = 4: 2
    np.testing.assert_allclose([found.statistic, found.p_exact], [2, 0.2], rtol=1e-14)
    # slope 2 / 4; residuals 0, +-1/2, 0: the middle has no weight, the ends no residual, so the error would be 0
    slope = trend_slope(table, np.array([0.0, 1, 2]), np.array([0.0, 1]))
    np.testing.assert_allclose(slope.estimate, 0.5, rtol=1e-14)
    assert math.isnan(slope.std_error)
    # scores 0 and 1, risks 1/4 and 3/4, leverage 1/4: residuals squared 4 * 3/16 in either group, so
    # HC3 = 2 * 1/4 * (3/4) / (3/4)^2 / (8 * 1/4)^2 = 1/6
    slope = trend_slope(np.array([[3, 1], [1, 3]]), np.array([0.0, 1]), np.array([0.0, 1]))
    np.testing.assert_allclose([slope.estimate, slope.std_error**2], [0.5, 1 / 6], rtol=1e-14)


def test_exact_equals_all_orders_of_the_patients():
    x, y = np.array([0, 0, 1, 2, 2, 3.5]), np.array([0, 1, 1, 0, 2, 2])
    table, u, v = counted(x, y)
    orders = np.array(list(permutations(y)))
    centered = x - x.mean()
    sums = orders @ centered
    far = np.abs(sums) >= abs(y @ centered) - 1e-9
    np.testing.assert_allclose(linear_by_linear(table, u, v).p_exact, far.mean(), rtol=1e-12)
    signs = np.sign(x[:, None] - x[None])
    s = np.array([(signs * np.sign(o[:, None] - o[None])).sum() / 2 for o in orders])
    seen = (signs * np.sign(y[:, None] - y[None])).sum() / 2
    np.testing.assert_allclose(
        jonckheere_terpstra(table).p_exact, (np.abs(s) >= abs(seen) - 1e-9).mean(), rtol=1e-12
    )


tables = st.lists(
    st.lists(st.integers(0, 4), min_size=2, max_size=3).map(lambda row: [*row, 0][:3]),
    min_size=2,
    max_size=4,
).map(np.array)


@settings(max_examples=60, deadline=None)
@given(tables, st.floats(0.1, 5), st.floats(-3, 3))
def test_properties(table, scale, shift):
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape, default=0) < 2 or table.sum() < 4:
        return
    u, v = np.arange(table.shape[0]) * 1.0, np.arange(table.shape[1]) * 1.0
    linear, ranked = linear_by_linear(table, u, v), jonckheere_terpstra(table)
    moved = linear_by_linear(table, scale * u + shift, v)
    np.testing.assert_allclose(
        [moved.statistic, moved.p_exact], [linear.statistic, linear.p_exact], rtol=1e-7, atol=1e-12
    )
    for one, other in (
        (linear, linear_by_linear(table.T, v, u)),
        (ranked, jonckheere_terpstra(table.T)),
    ):
        np.testing.assert_allclose(other.statistic, one.statistic, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(other.p_exact, one.p_exact, rtol=1e-9)
        assert 0 < one.p_exact <= 1
    for one, other in (
        (linear, linear_by_linear(table[::-1], u, v)),
        (ranked, jonckheere_terpstra(table[::-1])),
    ):
        np.testing.assert_allclose(other.statistic, -one.statistic, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(other.p_exact, one.p_exact, rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(tables)
def test_probabilities_sum_to_one(table):
    table = table[table.sum(axis=1) > 0]
    if not len(table):
        return
    found = conditional_distribution(
        table.sum(axis=1), table.sum(axis=0), lambda used, x, i: np.tile(x[:, 0] * (i + 1.0), (len(used), 1))
    )
    assert found is not None
    np.testing.assert_allclose(found[1].sum(), 1, rtol=1e-12)
    assert (np.diff(found[0]) > 0).all()


def test_random_tables_agree_with_all_tables_and_with_their_seed():
    table, u, v = reference_set(4)
    small, us, vs = reference_set(8)
    found = linear_by_linear(small, us, vs, 40_000, 3)
    # Monte-Carlo error: four standard errors
    slack = 4 * math.sqrt(found.p_exact * (1 - found.p_exact) / 40_000)
    assert abs(found.p_random - found.p_exact) < slack
    ranked = jonckheere_terpstra(small, 40_000, 3)
    assert abs(ranked.p_random - ranked.p_exact) < slack
    assert linear_by_linear(table, u, v, 999, 7) == linear_by_linear(table, u, v, 999, 7)
    assert linear_by_linear(table, u, v, 999, 7).p_random >= 1 / 1000


def test_too_many_tables_are_not_enumerated():
    table = np.full((5, 5), 40)
    found = jonckheere_terpstra(table, 99, 1)
    assert math.isnan(found.p_exact)
    assert found.p_random == 1.0
    assert math.isnan(extreme_share(None, 3.0))
    assert conditional_distribution(np.array([50, 50]), np.array([50, 50]), None, max_steps=10) is None


def test_a_single_patient_at_the_end_has_no_robust_error():
    table = np.array([[5, 5], [0, 1]])
    slope = trend_slope(table, np.array([0.0, 1]), np.array([0.0, 1]))
    assert math.isnan(slope.std_error)
    assert slope.reason.startswith("a single patient decides")
    perfect = trend_slope(np.array([[5, 0], [0, 5]]), np.array([0.0, 1]), np.array([0.0, 1]))
    assert perfect.estimate == 1
    assert perfect.reason.startswith("no scatter about the line")


@pytest.mark.slow
def test_the_level_is_held():
    check_level(4000, 40)


def test_the_level_is_held_in_few():
    check_level(300, 40)


def check_level(simulations, n):
    """Under the null with about 4 events in 40 the exact test stays below 5%, also given the margins."""
    rng = np.random.default_rng(20261126)
    rejected = 0
    for _ in range(simulations):
        x, y = rng.integers(0, 4, n), rng.random(n) < 0.1
        if 0 < y.sum() < n:
            table, u, _ = counted(x, y)
            rejected += cochran_armitage(table, u).p_exact <= 0.05
    assert rejected / simulations < 0.05 + 3 * math.sqrt(0.05 * 0.95 / simulations)
