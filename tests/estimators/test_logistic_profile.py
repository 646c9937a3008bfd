"""Profile likelihood limits: closed form, defining equation and coverage; R in tests/models/test_odds_ratio."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from cohort.estimators.logistic import fit_logistic
from cohort.estimators.logistic_profile import profile_limits

DROP = 3.841458820694124 / 2


def test_one_proportion_by_hand():
    # 3 of 8: limits solve 3 log p + 5 log(1 - p) = 3 log(3/8) + 5 log(5/8) - drop
    X, y = np.ones((8, 1)), np.repeat([1.0, 0.0], [3, 5])
    limits = profile_limits(X, y, fit_logistic(X, y))

    def excess(p):
        return 3 * np.log(p / 0.375) + 5 * np.log((1 - p) / 0.625) + DROP

    expected = [brentq(excess, 1e-9, 0.375), brentq(excess, 0.375, 1 - 1e-9)]
    got = 1 / (1 + np.exp(-np.array([limits.conf_low[0], limits.conf_high[0]])))
    np.testing.assert_allclose(got, expected, rtol=1e-8)
    # against p = 1/2: 2 (3 log(3/4) + 5 log(5/4))
    np.testing.assert_allclose(limits.statistic, 2 * (3 * np.log(0.75) + 5 * np.log(1.25)), rtol=1e-10)


@pytest.mark.parametrize("penalty", ["none", "firth"])
def test_limits_solve_their_equation(penalty):
    rng = np.random.default_rng(7)
    X = np.column_stack([np.ones(50), rng.normal(size=50), rng.integers(0, 2, 50)])
    y = (rng.random(50) < 0.3).astype(float)
    fit = fit_logistic(X, y, penalty)
    limits = profile_limits(X, y, fit)
    for j in range(3):
        free = np.arange(3) != j
        for value in (limits.conf_low[j], limits.conf_high[j]):
            start = fit.estimate.copy()
            start[j] = value
            held = fit_logistic(X, y, penalty, start, free)
            np.testing.assert_allclose(fit.log_likelihood - held.log_likelihood, DROP, rtol=1e-9)
        assert limits.conf_low[j] < fit.estimate[j] < limits.conf_high[j]


def test_finite_limits_under_separation():
    x = np.repeat([1.0, 0.0], [4, 12])
    y = np.r_[np.ones(4), np.tile([0.0, 1.0, 0.0], 4)]
    X = np.column_stack([np.ones(16), x])
    limits = profile_limits(X, y, fit_logistic(X, y, "firth"))
    assert np.isfinite([limits.conf_low, limits.conf_high]).all()
    assert limits.conf_low[1] > 0


def test_limits_are_found_where_the_estimate_is_a_start_too_far_off():
    """Four coefficients of five patients: from the estimate, the information at the first step is singular."""
    X = np.array([[1, 1, 63.8, 0], [1, 0, 56.3, 0], [1, 0, 58.6, 0], [1, 1, 59.4, 0], [1, 0, 24.6, 1]])
    y = np.array([1, 1, 0, 1, 0], dtype=float)
    fit = fit_logistic(X, y, "firth")
    limits = profile_limits(X, y, fit)
    assert (limits.conf_low < fit.estimate).all()
    assert (fit.estimate < limits.conf_high).all()
    # score and drop solved with 50 digits, age in decades from its mean
    np.testing.assert_allclose(limits.conf_high[1], 22.473498008781423, rtol=1e-9)
    assert (limits.statistic < 2 * DROP).all()  # no test at 5% rejects, as no interval excludes 0


@pytest.mark.parametrize("seed", range(25))
def test_limits_do_not_depend_on_units(seed):
    """Few patients, ages and laboratory values as given: every limit is found, and the same in other units."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 12))
    X = np.column_stack([np.ones(n), rng.normal(60, 15, n).round(1), rng.exponential(1000, n).round()])
    y = (np.arange(n) < max(1, n // 4)).astype(float)
    limits = profile_limits(X, y, fit_logistic(X, y, "firth"))
    Z = np.column_stack([np.ones(n), (X[:, 1] - 60) / 10, X[:, 2] / 1000])
    other = profile_limits(Z, y, fit_logistic(Z, y, "firth"))
    for at, again in ((limits.conf_low, other.conf_low), (limits.conf_high, other.conf_high)):
        np.testing.assert_allclose(at[1:] * [10, 1000], again[1:], rtol=1e-8)
    np.testing.assert_allclose(limits.statistic[1:], other.statistic[1:], rtol=1e-7, atol=1e-9)


def test_coverage_of_firth_limits():
    """95% limits of a log odds ratio of 1 with 40 patients and a rare exposure; 150 data sets, seed fixed."""
    rng = np.random.default_rng(20261122)
    covered, n_sets = 0, 150
    for _ in range(n_sets):
        x = (rng.random(40) < 0.2).astype(float)
        x[0] = 1.0
        y = (rng.random(40) < 1 / (1 + np.exp(1 - x))).astype(float)
        X = np.column_stack([np.ones(40), x])
        limits = profile_limits(X, y, fit_logistic(X, y, "firth"), columns=[1])
        covered += bool(limits.conf_low[1] <= 1 <= limits.conf_high[1])
    assert abs(covered / n_sets - 0.95) < 3 * np.sqrt(0.95 * 0.05 / n_sets)
