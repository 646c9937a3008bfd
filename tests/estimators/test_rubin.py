"""Rubin's rules: by hand, against mice (tests/reference/missing_data/make.R), and properties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cohort.estimators.rubin import barnard_rubin, d1_test, d2_test, pool_estimates, t_quantile, t_tail

FOLDER = Path(__file__).parents[1] / "reference/missing_data"
EXPECTED = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False).set_index(
    ["model", "quantity", "term"]
)["value"]
RTOL = 1e-12  # direct formulas
NUMBERS = st.floats(-5, 5, allow_nan=False)
SIZES = st.floats(0.01, 5, allow_nan=False)


def test_by_hand():
    """Estimates 1, 2, 3 with variance 1/2: W = 1/2, B = 1, T = 1/2 + 4/3; df_complete 10."""
    pool = pool_estimates([1.0, 2.0, 3.0], [0.5, 0.5, 0.5], 10)
    share = (4 / 3) / (11 / 6)
    old, observed = 2 / share**2, 11 / 13 * 10 * (1 - share)
    df = 1 / (1 / old + 1 / observed)
    assert pool.estimate == 2.0
    assert (pool.within, pool.between) == (0.5, 1.0)
    np.testing.assert_allclose(pool.total, 11 / 6, rtol=RTOL)
    np.testing.assert_allclose(pool.relative_increase, 8 / 3, rtol=RTOL)
    np.testing.assert_allclose(pool.missing_share, share, rtol=RTOL)
    np.testing.assert_allclose(pool.df, df, rtol=RTOL)
    np.testing.assert_allclose(pool.fmi, (8 / 3 + 2 / (df + 3)) / (1 + 8 / 3), rtol=RTOL)


def test_large_samples_have_rubins_degrees_of_freedom():
    """With infinite df_complete, (m - 1)(1 + 1/r)^2."""
    pool = pool_estimates([[1.0], [2.0], [3.0]], [[0.5], [0.5], [0.5]])
    np.testing.assert_allclose(pool.df, 2 * (1 + 3 / 8) ** 2, rtol=RTOL)


def test_without_variation_the_complete_data_remain():
    pool = pool_estimates([1.0, 1.0, 1.0], [0.5, 0.5, 0.5], 10)
    np.testing.assert_allclose(pool.total, 0.5, rtol=RTOL)
    np.testing.assert_allclose(pool.df, 11 / 13 * 10, rtol=RTOL)
    infinite = pool_estimates([1.0, 1.0], [0.5, 0.5])
    assert np.isinf(infinite.df)
    assert infinite.fmi == 0


def test_without_variance_within_all_is_missing():
    pool = pool_estimates([1.0, 2.0], [0.0, 0.0])
    assert np.isinf(pool.relative_increase)
    assert (pool.fmi, pool.missing_share) == (1.0, 1.0)


@given(st.lists(st.tuples(NUMBERS, SIZES), min_size=2, max_size=12), st.floats(1, 1e4))
@settings(deadline=None)
def test_the_total_variance_and_degrees_of_freedom_keep_their_bounds(pairs, df_complete):
    estimates, variances = np.array(pairs).T
    pool = pool_estimates(estimates, variances, df_complete)
    assert pool.total >= pool.within
    assert 0 <= pool.missing_share <= 1
    assert 0 < pool.df <= df_complete * (1 + 1e-12)
    assert pool.df <= pool_estimates(estimates, variances).df * (1 + 1e-12)
    again = pool_estimates(estimates[::-1] * 2 + 1, variances[::-1] * 4, df_complete)
    np.testing.assert_allclose(again.estimate, pool.estimate * 2 + 1, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(again.df, pool.df, rtol=1e-6)


def test_barnard_rubin_falls_with_missing_information():
    df = barnard_rubin(20, np.linspace(0, 0.9, 10), 50.0)
    assert (np.diff(df) < 0).all()


def test_d1_of_one_parameter_is_the_square_of_t():
    """k = 1: D1 = Q^2 / T, as the pooled t statistic squared."""
    rng = np.random.default_rng(1)
    estimates, variances = rng.normal(1, 0.3, (8, 1)), rng.uniform(0.1, 0.2, (8, 1))
    pool = pool_estimates(estimates, variances)
    test = d1_test(estimates, variances[:, :, None])
    np.testing.assert_allclose(test.statistic, (pool.estimate**2 / pool.total)[0], rtol=RTOL)


def test_tests_without_variation_are_those_of_the_complete_data():
    estimates, covariance = np.tile([1.0, 2.0], (5, 1)), np.diag([0.5, 1.0])
    test = d1_test(estimates, np.tile(covariance, (5, 1, 1)))
    np.testing.assert_allclose(test.statistic, (1 / 0.5 + 4 / 1) / 2, rtol=RTOL)
    np.testing.assert_allclose(test.p_value, stats.chi2.sf(6, 2), rtol=RTOL)
    same = d2_test([6.0] * 5, 2)
    np.testing.assert_allclose(same.p_value, stats.chi2.sf(6, 2), rtol=RTOL)


def test_d2_is_never_negative():
    assert d2_test([0.0, 25.0, 0.1], 1).statistic == 0
    assert d2_test([0.0, 25.0, 0.1], 1).p_value == 1


@pytest.mark.parametrize("df", [3.0, 40.0, np.inf])
def test_quantiles_and_tails_are_inverse(df):
    q = t_quantile(0.975, np.array([df]))
    np.testing.assert_allclose(t_tail(q, np.array([df])), 0.05, rtol=1e-9)
