"""Log-rank test: by hand and as properties; R in tests/models/test_kaplan_meier."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.estimators.logrank import logrank_test, quadratic_test, trend_test
from cohort.estimators.logrank_weights import TimeWeights
from cohort.estimators.pairwise_logrank import pairwise_logrank

ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(0, 1), st.integers(0, 2)),
    min_size=6,
    max_size=30,
)


def test_by_hand():
    # deaths on days 1 2 3 4 in groups 0 1 0 1; expected in group 0: 1/2 + 1/3 + 1/2 = 4/3, observed 2
    # variance 1/4 + 2/9 + 1/4 = 13/18; (2/3)^2 / (13/18) = 8/13
    test = logrank_test(np.zeros(4), [1, 2, 3, 4], [1, 1, 1, 1], [0, 1, 0, 1])
    np.testing.assert_allclose(test.score, [2 / 3, -2 / 3], rtol=1e-14)
    np.testing.assert_allclose(test.statistic, 8 / 13, rtol=1e-14)
    assert test.df == 1


def test_ties_by_hand():
    # day 1: one death in each group among 2 + 2 at risk: expected 1, variance 2 * 2/4 * 2/4 * (4-2)/(4-1) = 1/3
    # day 2: one death in group 1, 1 + 1 at risk: expected 1/2, variance 1/4
    test = logrank_test(np.zeros(4), [1, 2, 1, 2], [1, 0, 1, 1], [0, 0, 1, 1])
    np.testing.assert_allclose(test.statistic, (1 / 2) ** 2 / (1 / 3 + 1 / 4), rtol=1e-14)


def test_delayed_entry_by_hand():
    # group 0: (0,2] event, (2,3] event; group 1: (0,3] event, (1,4] censored
    # day 2: at risk 1 + 2, one death in group 0; day 3: at risk 1 + 2, one death in each group
    # score: (1 - 1/3) + (1 - 2/3) = 1; variance 2/9 + 2 * 1/3 * 2/3 * (3-2)/(3-1) = 4/9
    test = logrank_test([0, 2, 0, 1], [2, 3, 3, 4], [1, 1, 1, 0], [0, 0, 1, 1])
    np.testing.assert_allclose(test.statistic, 1 / (4 / 9), rtol=1e-14)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_scores_sum_to_zero_and_order_of_groups_does_not_matter(rows):
    start, length, event, group = np.array(rows).T
    first = logrank_test(start, start + length, event, group)
    second = logrank_test(start, start + length, event, group.max() - group)
    np.testing.assert_allclose(first.score.sum(), 0, atol=1e-10)
    assert (first.reason == "") == (second.reason == "")
    np.testing.assert_allclose(first.statistic, second.statistic, rtol=1e-7, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_two_strata_of_the_same_patients_double_the_statistic(rows):
    start, length, event, group = np.array(rows).T
    once = logrank_test(start, start + length, event, group)
    twice = logrank_test(
        *(np.r_[v, v] for v in (start, start + length, event, group)), np.repeat([0, 1], len(rows))
    )
    np.testing.assert_allclose(twice.statistic, 2 * once.statistic, rtol=1e-7, atol=1e-9)


def test_one_group_and_no_events_say_why():
    one = logrank_test(np.zeros(2), [1, 2], [1, 1], [0, 0])
    assert np.isnan(one.p_value)
    assert one.reason == "one group: nothing to compare"
    none = logrank_test(np.zeros(2), [1, 2], [0, 0], [0, 1])
    assert np.isnan(none.statistic)
    assert none.reason == "no event while two groups were at risk"


def test_group_never_at_risk_loses_its_degree_of_freedom():
    # group 2 leaves before the first event: two groups are compared
    test = logrank_test(np.zeros(5), [3, 4, 5, 6, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 2])
    assert test.df == 1
    two = logrank_test(np.zeros(4), [3, 4, 5, 6], [1, 1, 1, 0], [0, 1, 0, 1])
    np.testing.assert_allclose(test.statistic, two.statistic, rtol=1e-14)


def test_quadratic_form_by_hand():
    test = quadratic_test(np.array([2.0, -2.0]), np.array([[4.0, -4.0], [-4.0, 4.0]]))
    assert test.statistic == 1.0
    np.testing.assert_allclose(test.p_value, 0.31731050786291404, rtol=1e-12)


def test_weights_and_trend_by_hand():
    # deaths on days 1 to 6 in groups 2 2 1 1 0 0, scores = groups; observed - mean score of those at risk:
    # 2 - 1 + 2 - 4/5 + 1 - 1/2 + 1 - 1/3 = 101/30; variances 2/3 + 14/25 + 1/4 + 2/9 = 1529/900
    three = logrank_test(np.zeros(6), np.arange(1, 7), np.ones(6), [2, 2, 1, 1, 0, 0])
    trend = trend_test(three, [0, 1, 2])
    np.testing.assert_allclose(trend.statistic, (101 / 30) ** 2 / (1529 / 900), rtol=1e-14)
    assert trend.df == 1
    # Gehan: weights 4 3 2 of the example above: 4/2 - 3/3 + 2/2 = 2; 16/4 + 9 * 2/9 + 4/4 = 7
    gehan = logrank_test(np.zeros(4), [1, 2, 3, 4], [1] * 4, [0, 1, 0, 1], weights=TimeWeights("gehan"))
    np.testing.assert_allclose(gehan.statistic, 2**2 / 7, rtol=1e-14)


def test_equal_scores_say_why():
    three = logrank_test(np.zeros(6), np.arange(1, 7), np.ones(6), [2, 2, 1, 1, 0, 0])
    assert trend_test(three, [1, 1, 1]).reason == "the groups at risk have the same score"


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from(["gehan", "tarone-ware", "peto", "fleming-harrington"]))
def test_a_pair_of_two_groups_is_the_whole_test(rows, kind):
    start, length, event, group = np.array(rows).T
    group = np.minimum(group, 1)
    weights = TimeWeights(kind, *((0.5, 1.0) if kind == "fleming-harrington" else ()))
    whole = logrank_test(start, start + length, event, group, weights=weights)
    pairs = pairwise_logrank(start, start + length, event, group, weights=weights)
    assert len(pairs) == group.max()
    for pair in pairs:
        np.testing.assert_allclose(pair.test.statistic, whole.statistic, rtol=1e-10)
