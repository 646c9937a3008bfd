"""Two-stage pooling against R metafor (tests/reference/registries/make.R).

Tolerances: 1e-10 where the estimate has a closed form or is a root found to 1e-14 on both sides; 1e-7 where metafor
iterates (REML by Fisher scoring, Paule-Mandel and Q profile by uniroot).
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import EstimationError
from cohort.estimators.meta_analysis import (
    between_variance,
    fixed_effect,
    heterogeneity,
    peto_log_odds_ratio,
    pool_vectors,
    random_effects,
)

FOLDER = Path(__file__).parents[1] / "reference" / "registries"
DATA = pd.read_csv(FOLDER / "data.csv", skipinitialspace=True)
EXPECTED = pd.read_csv(FOLDER / "expected.csv").set_index(["set", "method", "quantity"])["value"].sort_index()
SETS = ["seven", "three", "two", "agree"]
MAIN = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
TESTS = {"none": "z", "hartung_knapp": "knha", "truncated": "adhoc"}
CLOSE = {"fixed": 1e-10, "dl": 1e-10, "reml": 1e-7, "pm": 1e-7}


def of(name):
    rows = DATA[DATA["set"].str.strip() == name]
    return rows["y"].to_numpy(), rows["v"].to_numpy()


@pytest.mark.parametrize("name", SETS)
def test_fixed_effect_equals_metafor(name):
    found = fixed_effect(*of(name))
    expected = [EXPECTED[name, "fixed", q] for q in MAIN]
    np.testing.assert_allclose([getattr(found, q) for q in MAIN], expected, rtol=1e-10)
    spread = heterogeneity(*of(name), "dl")
    wanted = [
        EXPECTED[name, "fixed", "Q"],
        EXPECTED[name, "fixed", "Q_p"],
        EXPECTED[name, "dl z", "i_squared"],
    ]
    np.testing.assert_allclose(
        [spread.statistic, spread.p_value, spread.i_squared], wanted, rtol=1e-10, atol=1e-14
    )


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("tau", ["reml", "dl", "pm"])
@pytest.mark.parametrize("small", TESTS)
def test_random_effects_equal_metafor(name, tau, small):
    found = random_effects(*of(name), tau, small)
    method = f"{tau} {TESTS[small]}"
    expected = [EXPECTED[name, method, q] for q in [*MAIN, "tau_squared"]]
    np.testing.assert_allclose(
        [getattr(found, q) for q in [*MAIN, "tau_squared"]], expected, rtol=CLOSE[tau], atol=1e-9
    )
    limits = [found.prediction_low, found.prediction_high]
    if name == "two":
        assert np.isnan(limits).all()
    else:
        wanted = [EXPECTED[name, method, q] for q in ("prediction_low", "prediction_high")]
        np.testing.assert_allclose(limits, wanted, rtol=CLOSE[tau])


@pytest.mark.parametrize("name", ["seven", "three", "two"])
def test_q_profile_equals_metafor(name):
    found = heterogeneity(*of(name))
    wanted = [EXPECTED[name, "q_profile", q] for q in ("conf_low", "conf_high")]
    np.testing.assert_allclose([found.conf_low, found.conf_high], wanted, rtol=1e-7, atol=1e-9)


def test_registries_that_agree_too_well_have_no_limits_of_tau_squared():
    found = heterogeneity(*of("agree"))
    assert np.isnan([found.conf_low, found.conf_high]).all()
    assert found.tau_squared == 0


def test_by_hand():
    # y = 0, 2 with v = 1: mean 1, Q = 2, DL tau2 = (2 - 1) / (2 - 1) = 1, se = sqrt(2 / 2) = 1
    y, v = np.array([0.0, 2.0]), np.ones(2)
    found = random_effects(y, v, "dl", "none")
    assert (found.estimate, found.tau_squared, found.std_error) == (1.0, 1.0, 1.0)
    # Hartung-Knapp: q = (1 + 1) / 2 / 1 = 1
    assert random_effects(y, v, "dl", "hartung_knapp").ratio == pytest.approx(1.0, rel=1e-15)


def test_truncation_never_narrows_limits():
    plain, classic = (
        random_effects(*of("agree"), "dl", "truncated"),
        random_effects(*of("agree"), "dl", "hartung_knapp"),
    )
    assert classic.ratio < 1
    assert classic.std_error < plain.std_error


def test_peto_and_vectors_equal_metafor():
    tables = np.array([[[12, 30], [20, 90]], [[5, 22], [6, 80]], [[0, 14], [5, 60]]], dtype=float)
    expected = [EXPECTED["tables", "peto", q] for q in ("estimate", "std_error")]
    np.testing.assert_allclose(peto_log_odds_ratio(tables), expected, rtol=1e-10)
    b = [np.array([0.5, -0.2]), np.array([0.8, 0.1]), np.array([0.3, 0.0])]
    V = [[[0.04, 0.01], [0.01, 0.09]], [[0.1, -0.03], [-0.03, 0.05]], [[0.02, 0.005], [0.005, 0.03]]]
    estimate, covariance = pool_vectors(b, [np.array(v) for v in V])
    found = [*estimate, covariance[0, 0], covariance[0, 1], covariance[1, 1]]
    wanted = [EXPECTED["vectors", "gls", q] for q in ("b1", "b2", "v11", "v12", "v22")]
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    assert np.isnan(peto_log_odds_ratio(np.zeros((2, 2, 2)))).all()


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=2, max_size=8))
@settings(deadline=None, max_examples=60)
def test_properties(pairs):
    y, v = np.array(pairs).T
    for tau in ("reml", "dl", "pm"):
        found, wide = random_effects(y, v, tau), fixed_effect(y, v)
        assert found.tau_squared >= 0
        assert y.min() - 1e-9 <= found.estimate <= y.max() + 1e-9
        assert found.std_error >= wide.std_error - 1e-12
        assert found.weights.sum() == pytest.approx(1)
        moved = random_effects(y + 5, v, tau)
        np.testing.assert_allclose(
            [moved.estimate - 5, moved.std_error], [found.estimate, found.std_error], atol=1e-6
        )
    spread = heterogeneity(y, v)
    assert np.isnan(spread.conf_low) or spread.conf_low <= spread.conf_high


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2)), min_size=2, max_size=6))
@settings(deadline=None, max_examples=60)
def test_reml_is_the_highest_point(pairs):
    from cohort.estimators.meta_analysis import _restricted

    y, v = np.array(pairs).T
    best = between_variance(y, v, "reml")
    height = _restricted(y, v, best)
    assert all(_restricted(y, v, t) <= height + 1e-9 for t in np.linspace(0, 20, 200))


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: fixed_effect(np.ones(1), np.ones(1)), "at least two"),
        (lambda: fixed_effect(np.array([1.0, np.inf]), np.ones(2)), "finite"),
        (lambda: fixed_effect(np.ones(2), np.array([1.0, 0.0])), "1 variances not positive"),
        (lambda: between_variance(np.ones(2), np.ones(2), "ml"), 'tau="reml"'),
        (lambda: pool_vectors([np.ones(2)] * 2, [np.ones((2, 2))] * 2), "cannot be inverted"),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()


def coverage(small, n_simulations, seed, k=3, tau=0.3):
    """Share of 95 % limits that hold the true mean of 3 registries that differ."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(n_simulations):
        v = rng.uniform(0.02, 0.1, k)
        y = rng.normal(0.5, np.sqrt(v + tau**2))
        found = random_effects(y, v, "dl", small)
        hits += found.conf_low <= 0.5 <= found.conf_high
    return hits / n_simulations


def test_hartung_knapp_keeps_its_level_with_three_registries_and_wald_does_not():
    # Monte-Carlo standard error at 0.95 and 1,500 simulations: 0.0056
    assert coverage("truncated", 1500, 1) > 0.94
    assert coverage("none", 1500, 1) < 0.93
