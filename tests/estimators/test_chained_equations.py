"""Draws of the chained equations: proper, within bounds, and from the right distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from cohort.errors import EstimationError
from cohort.estimators.chained_equations import Variable, independent_columns, run_chain
from cohort.estimators.imputation_models import (
    augment,
    draw_categories,
    draw_grades,
    draw_normal,
    draw_numbers,
)


def generator(seed=1):
    return np.random.Generator(np.random.PCG64(seed))


def test_normal_draws_carry_the_uncertainty_of_the_model():
    """Posterior predictive of a mean: t with n - 1 degrees of freedom, variance s^2 (1 + 1/n) (n-1)/(n-3)."""
    rng = generator()
    y = rng.normal(5, 2, 12)
    draws = np.array(
        [
            draw_normal(y, np.empty((12, 0)), np.empty((1, 0)), rng, np.full(1, -np.inf), np.full(1, np.inf))[
                0
            ]
            for _ in range(20_000)
        ]
    )
    variance = y.var(ddof=1) * (1 + 1 / 12) * 11 / 9
    np.testing.assert_allclose(draws.mean(), y.mean(), atol=4 * np.sqrt(variance / 20_000))
    # Four standard errors of a variance of 20,000 draws of t with 11 df, whose excess kurtosis is 6/7: 4.8 %.
    np.testing.assert_allclose(draws.var(), variance, rtol=4 * np.sqrt((2 + 6 / 7) / 20_000))


def test_normal_draws_stay_within_their_bounds_far_from_the_mean():
    rng = generator()
    y, X = rng.normal(size=30), rng.normal(size=(30, 1))
    low, high = np.array([20.0, -30.0]), np.array([21.0, -29.0])
    drawn = draw_normal(y, X, np.zeros((2, 1)), rng, low, high)
    assert ((low <= drawn) & (drawn <= high)).all()


def test_matching_draws_observed_values_of_the_nearest():
    """With y = x exactly, the value drawn for x = 50 is one of the five nearest observed."""
    x = np.arange(101.0)
    observed = np.delete(x, 50)
    drawn = draw_numbers(observed, observed[:, None], np.full((2000, 1), 50.0), generator(), donors=5)
    values, counts = np.unique(drawn, return_counts=True)
    assert set(values) <= {47.0, 48.0, 49.0, 51.0, 52.0, 53.0}
    assert counts.min() > 200


@given(st.integers(1, 12), st.integers(2, 12), st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_matching_never_leaves_the_observed_values(donors, n, seed):
    rng = generator(seed)
    y = rng.integers(0, 3, n).astype(float)
    drawn = draw_numbers(y, rng.normal(size=(n, 1)), rng.normal(0, 10, (20, 1)), rng, donors)
    assert set(drawn) <= set(y)


def test_matching_at_the_ends_takes_as_many_donors():
    """Beyond the largest prediction the donors are the k largest, each as often."""
    x = np.arange(30.0)
    drawn = draw_numbers(x, x[:, None], np.full((5000, 1), 500.0), generator(), donors=5)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [25, 26, 27, 28, 29]
    assert counts.min() > 850


def test_augmentation_by_hand():
    """One predictor 0, 2: mean 1, standard deviation 1; two categories: rows 2, 2, 0, 0 of total weight 2."""
    rows, level, weight = augment(np.array([[0.0], [2.0]]), 2)
    assert rows.ravel().tolist() == [2, 2, 0, 0]
    assert level.tolist() == [0, 1, 0, 1]
    assert weight * len(rows) == 2


def test_category_draws_have_the_probabilities_of_the_model():
    rng = generator()
    x = rng.normal(size=4000)
    y = (rng.random(4000) < expit(-0.5 + x)).astype(np.int64)
    drawn = draw_categories(y, x[:, None], np.full((20_000, 1), 1.0), rng, 2)
    np.testing.assert_allclose(drawn.mean(), expit(0.5), atol=0.04)
    shifted = draw_categories(y, x[:, None], np.full((20_000, 1), 1.0), rng, 2, delta=-1.0)
    np.testing.assert_allclose(shifted.mean(), expit(-0.5), atol=0.04)


def test_three_categories():
    rng = generator()
    x = rng.normal(size=(6000, 1))
    eta = np.column_stack([np.zeros(6000), 0.5 + x[:, 0], -0.5 - x[:, 0]])
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    drawn = draw_categories(y, x, np.zeros((20_000, 1)), rng, 3)
    expected = np.exp([0, 0.5, -0.5]) / np.exp([0, 0.5, -0.5]).sum()
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, expected, atol=0.04)


def test_separation_stays_finite():
    """x > 0 predicts y perfectly: augmentation keeps draws from both categories possible."""
    x = np.linspace(-1, 1, 20)
    y = (x > 0).astype(np.int64)
    drawn = draw_categories(y, x[:, None], np.array([[-1.0], [1.0]]), generator(), 2)
    assert set(drawn) <= {0, 1}


def test_grades_follow_the_proportional_odds_model_and_their_bounds():
    rng = generator()
    x = rng.normal(size=4000)
    y = np.searchsorted([-1.0, 0.5, 1.5], x + rng.logistic(size=4000))
    n = 20_000
    low, high = np.zeros(n, dtype=np.int64), np.full(n, 3)
    drawn = draw_grades(y, y, x[:, None], low, high, np.zeros((n, 1)), rng, 4)
    expected = np.diff(np.concatenate([[0], expit([-1.0, 0.5, 1.5]), [1]]))
    np.testing.assert_allclose(np.bincount(drawn) / n, expected, atol=0.04)
    within = draw_grades(y, y, x[:, None], low + 1, high - 1, np.zeros((n, 1)), rng, 4)
    share = expected[1] / expected[1:3].sum()
    assert set(within) == {1, 2}
    np.testing.assert_allclose((within == 1).mean(), share, atol=0.04)


def test_bounded_grades_help_to_fit_the_model():
    """Of two grades, half known within 1-2 of 0-2 only: their share enters the cut point of 0."""
    rng = generator()
    y = np.repeat([0, 1, 2], [200, 50, 50])
    low, high = np.concatenate([y, np.full(300, 1)]), np.concatenate([y, np.full(300, 2)])
    n = 20_000
    bounds = np.zeros(n, dtype=np.int64), np.full(n, 2)
    drawn = draw_grades(low, high, np.empty((600, 0)), *bounds, np.empty((n, 0)), rng, 3)
    np.testing.assert_allclose(np.bincount(drawn) / n, [1 / 3, 1 / 3, 1 / 3], atol=0.06)


def test_independent_columns():
    rng = generator()
    a, b = rng.normal(size=(2, 50))
    X = np.column_stack([a, np.ones(50), b, a + b, a - 2 * b + 3])
    assert independent_columns(X).tolist() == [0, 2]


def number(name, values):
    missing = np.isnan(values)
    n = len(values)
    return Variable(
        name=name,
        kind="number",
        method="pmm" if missing.any() else "",
        values=values,
        wanted=missing,
        state=np.zeros(n, dtype=np.int64),
        n_level=0,
        low=np.full(n, -np.inf),
        high=np.full(n, np.inf),
    )


def test_a_chain_recovers_a_correlation():
    rng = generator()
    a = rng.normal(size=500)
    b = a + 0.3 * rng.normal(size=500)
    holes = rng.random(500) < 0.5
    missing = np.where(holes, np.nan, b)
    chain = run_chain([number("a", a), number("b", missing)], np.zeros((500, 0)), rng, iterations=3)
    assert np.corrcoef(a[holes], chain.imputed[0])[0, 1] > 0.9
    assert chain.mean.shape == (3, 1)


def test_too_few_observed_values_are_named():
    rng = generator()
    full = [number(f"x{k}", rng.normal(size=10)) for k in range(8)]
    holes = np.where(np.arange(10) < 3, np.nan, rng.normal(size=10))
    with pytest.raises(EstimationError, match="crp_mg_l") as raised:
        run_chain([*full, number("crp_mg_l", holes)], np.zeros((10, 0)), rng)
    assert "predictors" in raised.value.remedy
