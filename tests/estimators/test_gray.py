"""Gray's test: its score by hand, and as properties; R in tests/models/test_cumulative_incidence."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.estimators.gray import gray_test
from cohort.estimators.logrank import logrank_test

ROWS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2), st.integers(0, 2)), min_size=8, max_size=40)


def test_score_by_hand():
    # group 0: day 1 event, day 3 competing; group 1: day 2 event, day 4 event; nobody censored
    # R_k = n_k (1 - F)/S counts those without the event of interest, also after a competing one
    # day 1: R = 2, 2; day 2: R = 1, 2; day 4: R0 = 0 (nobody left under observation), R1 = 1
    # score of group 0: 1 - (1/2 + 1/3 + 0) = 1/6
    test = gray_test([1, 3, 2, 4], [1, 2, 1, 1], [0, 0, 1, 1])
    np.testing.assert_allclose(test.score, [1 / 6, -1 / 6], rtol=1e-13)


def test_competing_patients_stay_in_the_denominator():
    # group 0: competing on day 1, event on day 3, event on day 4; group 1: event on day 2, censored on day 4
    # day 2: group 0 has n = 2, S- = 2/3, F- = 0: R = 3; group 1 has R = 2; day 2 expected in group 0: 3/5
    # day 3: R0 = 3; group 1 n = 1, S- = 1/2, F- = 1/2: R1 = 1; expected 3/4
    # day 4: group 0 n = 1, S- = 1/3, F- = 1/3: R0 = 2; R1 = 1; expected 2/3; score 2 - 121/60 = -1/60
    test = gray_test([1, 3, 4, 2, 4], [2, 1, 1, 1, 0], [0, 0, 0, 1, 1])
    np.testing.assert_allclose(test.score[0], -1 / 60, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_without_competing_events_the_score_is_the_logrank_score(rows):
    time, event, group = np.array(rows).T
    event = (event > 0).astype(int)
    gray = gray_test(time, event, group)
    logrank = logrank_test(np.zeros(len(time)), time, event, group)
    np.testing.assert_allclose(gray.score, logrank.score, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_row_order_and_unit_do_not_matter(rows, random):
    time, event, group = np.array(rows).T
    order = list(range(len(rows)))
    random.shuffle(order)
    first = gray_test(time, event, group, state=2)
    second = gray_test(time[order] * 7.0, event[order], group[order], state=2)
    np.testing.assert_allclose(first.statistic, second.statistic, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(first.score.sum(), 0, atol=1e-9)


def test_one_group_says_why():
    test = gray_test([1, 2, 3], [1, 2, 0], [0, 0, 0])
    assert np.isnan(test.p_value)
    assert test.reason == "one group: nothing to compare"


def test_size_under_the_null():
    """Rejections at 5% with tied days, competing events and censoring; 500 data sets, seed fixed."""
    rng = np.random.default_rng(20261122)
    n_sets, rejected = 500, 0
    for _ in range(n_sets):
        relapse, death, censor = (np.ceil(rng.exponential(scale, 120)) for scale in (40, 60, 80))
        time = np.minimum(np.minimum(relapse, death), censor)
        event = np.where(time == relapse, 1, np.where(time == death, 2, 0))
        rejected += gray_test(time, event, rng.integers(0, 2, 120)).p_value < 0.05
    assert abs(rejected / n_sets - 0.05) < 3 * np.sqrt(0.05 * 0.95 / n_sets)
