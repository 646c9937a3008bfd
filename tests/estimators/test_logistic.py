"""Logistic regression: closed forms, separation and properties; R in tests/models/test_odds_ratio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.estimators.logistic import (
    fit_logistic,
    logistic_state,
    robust_covariance,
    separating_columns,
)


def expand(a, b, c, d):
    """Rows of a two-by-two table: intercept, exposure, outcome."""
    x = np.repeat([1.0, 1.0, 0.0, 0.0], [a, b, c, d])
    y = np.repeat([1.0, 0.0, 1.0, 0.0], [a, b, c, d])
    return np.column_stack([np.ones_like(x), x]), y


def test_maximum_likelihood_by_hand():
    # one binary exposure: log odds ratio log(ad/bc) with variance 1/a + 1/b + 1/c + 1/d
    fit = fit_logistic(*expand(6, 4, 3, 7))
    np.testing.assert_allclose(fit.estimate, np.log([3 / 7, 6 * 7 / (4 * 3)]), rtol=1e-12)
    np.testing.assert_allclose(fit.std_error**2, [1 / 3 + 1 / 7, 1 / 6 + 1 / 4 + 1 / 3 + 1 / 7], rtol=1e-12)
    expected = 6 * np.log(0.6) + 4 * np.log(0.4) + 3 * np.log(0.3) + 7 * np.log(0.7)
    np.testing.assert_allclose(fit.log_likelihood, expected, rtol=1e-13)


def test_firth_by_hand():
    # Jeffreys' prior of a saturated model adds 1/2 to each cell, here 0 becomes 1/2
    fit = fit_logistic(*expand(3, 0, 2, 4), penalty="firth")
    np.testing.assert_allclose(fit.estimate, np.log([2.5 / 4.5, 3.5 * 4.5 / (0.5 * 2.5)]), rtol=1e-9)
    assert fit.converged


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(0, 12)] * 4).filter(lambda t: t[0] + t[1] > 0 and t[2] + t[3] > 0))
def test_firth_adds_one_half_to_every_cell(cells):
    a, b, c, d = (v + 0.5 for v in cells)
    fit = fit_logistic(*expand(*cells), penalty="firth")
    np.testing.assert_allclose(fit.estimate[1], np.log(a * d / (b * c)), rtol=1e-7, atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["none", "firth"]))
def test_reversed_exposure_and_outcome(seed, penalty):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(60), rng.integers(0, 2, 60), rng.normal(size=60)])
    y = (rng.random(60) < 0.5).astype(float)
    flipped = X.copy()
    flipped[:, 1] = 1 - X[:, 1]
    first, second = fit_logistic(X, y, penalty), fit_logistic(flipped, y, penalty)
    np.testing.assert_allclose(first.estimate[1] + second.estimate[1], 0, atol=1e-8)
    np.testing.assert_allclose(first.estimate[2], second.estimate[2], atol=1e-8)
    np.testing.assert_allclose(fit_logistic(X, 1 - y, penalty).estimate, -first.estimate, atol=1e-8)


@pytest.mark.parametrize("penalty", ["none", "firth"])
def test_score_is_the_gradient(penalty):
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(30), rng.normal(size=(30, 2))])
    y, beta = (rng.random(30) < 0.4).astype(float), np.array([0.2, -0.5, 0.8])
    state = logistic_state(X, y, beta, penalty)
    for j, h in enumerate(np.eye(3) * 1e-5):
        up, down = (logistic_state(X, y, beta + s * h, penalty).log_likelihood for s in (1, -1))
        np.testing.assert_allclose((up - down) / 2e-5, state.score[j], rtol=1e-6)


def test_separation_names_its_columns():
    X, y = expand(3, 0, 4, 5)
    extra = np.column_stack([X, np.tile([0.0, 1.0], 6)])
    assert separating_columns(extra, y).tolist() == [1]
    complete = np.column_stack([np.ones(4), [1.0, 2.0, 3.0, 4.0]])
    assert 1 in separating_columns(complete, np.array([0.0, 0.0, 1.0, 1.0]))
    assert separating_columns(*expand(3, 1, 4, 5)).tolist() == []


def test_robust_covariance_by_hand():
    # intercept only, p = 1/2, clusters of two: scores summed to 1, -1, 0; information n/4 = 3/2
    # meat 2, bread (2/3)^2, factor 3/2: 2 * 4/9 * 3/2 = 4/3
    X, y = np.ones((6, 1)), np.array([1.0, 1, 0, 0, 1, 0])
    covariance, n_cluster = robust_covariance(X, y, fit_logistic(X, y), [1, 1, 2, 2, 3, 3])
    np.testing.assert_allclose(covariance, [[4 / 3]], rtol=1e-12)
    assert n_cluster == 3


def test_held_coefficient_stays():
    X, y = expand(6, 4, 3, 7)
    fit = fit_logistic(X, y, "none", np.array([0.0, 0.7]), np.array([True, False]))
    assert fit.estimate[1] == 0.7
    np.testing.assert_allclose(logistic_state(X, y, fit.estimate, "none").score[0], 0, atol=1e-9)
