"""Kaplan-Meier: by hand, against exact fractions, and as properties; R in tests/models/test_kaplan_meier."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.estimators.aalen_johansen import aalen_johansen, risk_table
from cohort.estimators.kaplan_meier import curve_quantile, kaplan_meier_curve, probability_limits

ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 8), st.integers(0, 1)), min_size=1, max_size=25)
TIED = ([5, 5, 10, 10, 12, 20, 20, 25], [1, 0, 1, 1, 0, 1, 0, 1])


def test_tied_times_by_hand():
    # 8 at risk at 5: 7/8; 6 at risk at 10: 7/8 * 4/6 = 7/12; 3 at risk at 20: 7/12 * 2/3 = 7/18; 1 at 25: 0
    table = risk_table(np.zeros(8), *TIED)
    curve = kaplan_meier_curve(table)
    assert table.at_risk(np.array([0.0, 5, 10, 20, 25])).tolist() == [8, 8, 6, 3, 1]
    np.testing.assert_allclose(curve.survival, [7 / 8, 7 / 12, 7 / 12, 7 / 18, 0], rtol=1e-15)
    # Greenwood at 20: 1/(8*7) + 2/(6*4) + 1/(3*2)
    expected = 7 / 18 * np.sqrt(1 / 56 + 1 / 12 + 1 / 6)
    np.testing.assert_allclose(curve.std_error[3], expected, rtol=1e-14)
    assert np.isnan(curve.std_error[-1])


def test_one_cause_of_aalen_johansen():
    # Greenwood's variance of 1 - F is that of S
    table = risk_table(np.zeros(8), *TIED)
    curve, incidence = kaplan_meier_curve(table), aalen_johansen(table, "greenwood")
    np.testing.assert_allclose(1 - incidence.incidence[:, 0], curve.survival, atol=1e-15)
    np.testing.assert_allclose(incidence.incidence_std_error[:-1, 0], curve.std_error[:-1], rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_one_cause_always(rows):
    start, length, event = np.array(rows).T
    table = risk_table(start, start + length, event)
    curve, incidence = kaplan_meier_curve(table), aalen_johansen(table, "greenwood")
    alive = curve.survival > 0
    np.testing.assert_allclose(1 - incidence.incidence[:, 0], curve.survival, atol=1e-12)
    np.testing.assert_allclose(
        incidence.incidence_std_error[alive, 0], curve.std_error[alive], rtol=1e-7, atol=1e-10
    )


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.001, 0.2), st.sampled_from(["log-log", "log", "plain"]))
def test_limits_bracket(p, error, conf_type):
    low, high = probability_limits(np.array([p]), np.array([error]), conf_type, 0.95)
    assert 0 <= low[0] <= p <= high[0] <= 1


def test_limits_by_hand():
    # S = 1/2, SE = 1/10, z = 1.959964: plain 0.5 -/+ 0.195996; log 0.5 exp(-/+ 0.391993);
    # log-log: 0.391993 / log 2 = 0.565526, exp(+/- 0.565526) = 1.760373, 0.568061, 0.5 to these powers
    p, error = np.array([0.5]), np.array([0.1])
    got = {
        t: [float(v[0]) for v in probability_limits(p, error, t, 0.95)] for t in ("plain", "log", "log-log")
    }
    np.testing.assert_allclose(got["plain"], [0.3040036, 0.6959964], rtol=1e-6)
    np.testing.assert_allclose(got["log"], [0.337854, 0.739965], rtol=2e-6)
    np.testing.assert_allclose(got["log-log"], [0.295172, 0.674523], rtol=2e-6)


def test_median_is_the_midpoint_when_survival_is_one_half():
    # deaths on days 1 2 3 4 of four patients: S = 1/2 on [2, 3), median 2.5; first quartile 1.5
    curve = kaplan_meier_curve(risk_table(np.zeros(4), [1, 2, 3, 4], [1, 1, 1, 1]))
    got = curve_quantile(curve.time, 1 - curve.survival, np.array([0.25, 0.5, 0.6, 0.999]))
    np.testing.assert_allclose(got, [1.5, 2.5, 3.0, 4.0])


def test_quantile_on_the_last_interval_and_beyond():
    # S = 1/2 from day 2 to the last follow-up on day 4: midpoint 3 as R; 0.75 is never reached
    curve = kaplan_meier_curve(risk_table(np.zeros(4), [1, 2, 3, 4], [1, 1, 0, 0]))
    got = curve_quantile(curve.time, 1 - curve.survival, np.array([0.5, 0.75]))
    assert got[0] == 3.0
    assert np.isnan(got[1])


@pytest.mark.parametrize("conf_type", ["log-log", "log", "plain"])
def test_limits_at_the_ends(conf_type):
    low, high = probability_limits(np.array([1.0, 0.0]), np.array([0.0, np.nan]), conf_type, 0.95)
    assert np.isnan(low[1])
    assert np.isnan(high[1])
    assert np.isnan(low[0]) if conf_type == "log-log" else low[0] == high[0] == 1


def test_coverage_of_log_log_limits():
    """95% limits at day 20 of exponential survival with 40 patients and censoring; 600 data sets, seed fixed."""
    rng = np.random.default_rng(20261122)
    truth, covered, n_sets = np.exp(-20 / 30), 0, 600
    for _ in range(n_sets):
        event, censor = rng.exponential(30, 40), rng.uniform(5, 80, 40)
        table = risk_table(np.zeros(40), np.minimum(event, censor), event <= censor)
        curve = kaplan_meier_curve(table)
        low, high = probability_limits(curve.survival, curve.std_error, "log-log", 0.95)
        at = np.searchsorted(curve.time, 20, side="right") - 1
        covered += bool(low[at] <= truth <= high[at])
    assert abs(covered / n_sets - 0.95) < 3 * np.sqrt(0.95 * 0.05 / n_sets)
