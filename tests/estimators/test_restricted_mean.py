"""Restricted mean survival and time lost: by hand and as properties; R in tests/models/test_kaplan_meier."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.estimators.aalen_johansen import risk_table
from cohort.estimators.restricted_mean import restricted_mean_lost, restricted_mean_survival

ROWS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2)), min_size=2, max_size=30)


def test_survival_by_hand():
    # days 1 (death) 2 (censored) 3 (death), horizon 3: area 1 + 2 * 2/3 = 7/3
    # variance (4/3)^2 / (3 * 2) = 8/27; the death on day 3 has no area after it
    mean = restricted_mean_survival(risk_table(np.zeros(3), [1, 2, 3], [1, 0, 1]), 3)
    np.testing.assert_allclose([mean.estimate, mean.std_error**2], [7 / 3, 8 / 27], rtol=1e-14)


def test_lost_by_hand():
    # days 1 (event 1) 2 (event 2) 3 (none), horizon 3, all observed: means of (2, 0, 0) and (0, 1, 0),
    # with the variances of a mean: ((4/3)^2 + 2 (2/3)^2)/9 = 8/27 and ((2/3)^2 + 2 (1/3)^2)/9 = 2/27
    table = risk_table(np.zeros(3), [1, 2, 3], [1, 2, 0], 2)
    means = [restricted_mean_lost(table, 3, k, "greenwood") for k in (0, 1)]
    np.testing.assert_allclose([m.estimate for m in means], [2 / 3, 1 / 3], rtol=1e-14)
    np.testing.assert_allclose([m.std_error**2 for m in means], [8 / 27, 2 / 27], rtol=1e-13)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from(["aalen", "greenwood"]))
def test_survival_and_losses_fill_the_horizon(rows, variance):
    stop, event = np.array(rows).T
    table = risk_table(np.zeros(len(rows)), stop, event, 2)
    tau = float(stop.max())
    total = restricted_mean_survival(table, tau).estimate
    total += sum(restricted_mean_lost(table, tau, k, variance).estimate for k in (0, 1))
    np.testing.assert_allclose(total, tau, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2)), min_size=3, max_size=30))
def test_without_censoring_it_is_the_variance_of_a_mean(rows):
    stop, event = np.array(rows).T
    event = np.maximum(event, 1)
    table = risk_table(np.zeros(len(rows)), stop, event, 2)
    lost = np.where(event == 1, 9.0 - stop, 0.0)
    mean = restricted_mean_lost(table, 9.0, 0, "greenwood")
    np.testing.assert_allclose(mean.estimate, lost.mean(), rtol=1e-12)
    np.testing.assert_allclose(mean.std_error, lost.std() / np.sqrt(len(rows)), rtol=1e-9, atol=1e-9)


def test_beyond_follow_up_says_why():
    censored = restricted_mean_survival(risk_table(np.zeros(2), [2, 4], [1, 0]), 5)
    assert np.isnan(censored.estimate)
    assert censored.reason == "follow-up ends at 4, before 5"
    # the last patient died: survival is 0 from then on, area 2 + 2/2
    dead = restricted_mean_survival(risk_table(np.zeros(2), [2, 4], [1, 1]), 5)
    assert dead.estimate == 3
    assert restricted_mean_survival(risk_table([], [], []), 5).reason == "no patients"


def test_before_the_first_time():
    mean = restricted_mean_survival(risk_table(np.zeros(2), [2, 4], [1, 0]), 1)
    assert (mean.estimate, mean.std_error) == (1, 0)
