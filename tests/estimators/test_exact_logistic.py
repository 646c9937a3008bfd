"""Exact conditional logistic regression: against the enumeration in R (tests/reference/exact_logistic/make.R), by hand,
and against all outcomes. Distributions are exact; limits are roots, in R to 1e-13: 1e-10 here."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import EstimationError
from cohort.estimators.exact_logistic import exact_distribution, exact_inference

FOLDER = Path(__file__).parents[1] / "reference/exact_logistic"
DATA = pd.read_csv(FOLDER / "data.csv")
EXPECTED = pd.read_csv(FOLDER / "expected.csv").set_index(["model", "quantity", "term"])["value"]
MODELS = {
    "one intercept": (["flair", "grade"], False),
    "sets": (["flair", "grade"], True),
    "decimals": (["flair", "volume"], True),
    "separated": (["rare", "grade"], False),
}


def distribution(terms, column, sets):
    codes = DATA["set"] - 1 if sets else np.zeros(len(DATA), dtype=int)
    return exact_distribution(DATA[terms], DATA["severe"], codes, column)


@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("model", MODELS)
def test_it_equals_the_enumeration(model, column):
    terms, sets = MODELS[model]
    found, expected = distribution(terms, column, sets), EXPECTED[model]
    term = terms[column]
    assert len(found.support) == expected["n_support", term]
    for kind, mid_p in (("exact", False), ("mid_p", True)):
        one = exact_inference(found, 0.95, mid_p)
        np.testing.assert_allclose(
            [one.conf_low, one.conf_high, one.p_value],
            [expected[f"{kind}_{what}", term] for what in ("low", "high", "p_value")],
            rtol=1e-10,
        )
        if one.median_unbiased:
            np.testing.assert_allclose(one.estimate, expected["median_unbiased", term], rtol=1e-10)
            assert np.isnan(one.std_error)
        else:
            np.testing.assert_allclose(one.estimate, expected["estimate", term], rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(one.std_error, expected["std_error", term], rtol=1e-10)


@pytest.mark.parametrize(("model", "sets"), [("fisher", False), ("mantelhaen", True)])
def test_one_exposure_has_the_limits_of_fisher_test_and_mantelhaen_test(model, sets):
    """R's uniroot stops there at 1.2e-4 of the (reciprocal) odds ratio, hence 2e-3."""
    one = exact_inference(distribution(["flair"], 0, sets), 0.95)
    expected = [EXPECTED[model, "limits", side] for side in ("low", "high")]
    np.testing.assert_allclose([one.conf_low, one.conf_high], expected, rtol=2e-3)


def test_by_hand():
    # 2 exposed with the outcome, 2 unexposed without: given 2 events, 0, 1 or 2 exposed have it in 1, 4, 1 ways
    found = exact_distribution([[1], [1], [0], [0]], [1, 1, 0, 0], [0] * 4, 0)
    np.testing.assert_allclose(np.exp(found.log_count), [1, 4, 1], rtol=1e-14)
    one = exact_inference(found, 0.9)
    # at the extreme: P(T = 2) = r^2 / (1 + 4 r + r^2); 1/2 at r = 2 + sqrt(5), 1/20 at r = (2 + sqrt(23)) / 19
    np.testing.assert_allclose(one.estimate, np.log(2 + np.sqrt(5)), rtol=1e-12)
    np.testing.assert_allclose(one.conf_low, np.log((2 + np.sqrt(23)) / 19), rtol=1e-12)
    assert one.conf_high == np.inf
    assert one.median_unbiased
    np.testing.assert_allclose(one.p_value, 2 / 6, rtol=1e-12)
    np.testing.assert_allclose(exact_inference(found, 0.9, mid_p=True).p_value, 1 / 6, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_counts_equal_those_of_all_outcomes(seed):
    rng = np.random.default_rng(seed)
    n, X = 11, np.column_stack([rng.integers(0, 2, 11), rng.integers(-1, 3, 11), rng.integers(0, 2, 11)])
    sets = np.sort(rng.integers(0, 2, n))
    y = rng.integers(0, 2, n).astype(float)
    column = int(rng.integers(0, 3))
    others = [j for j in range(3) if j != column]
    every = np.array(
        [[i in chosen for i in range(n)] for chosen in combinations(range(n), int(y.sum()))], dtype=float
    )
    per_set = np.array([sets == 0, sets == 1], dtype=float).T
    kept = ((every @ per_set == y @ per_set).all(axis=1)) & (every @ X[:, others] == y @ X[:, others]).all(
        axis=1
    )
    support, counts = np.unique(every[kept] @ X[:, column], return_counts=True)
    found = exact_distribution(X, y, sets, column)
    np.testing.assert_array_equal(found.support, support)
    np.testing.assert_allclose(found.log_count - found.log_count[0], np.log(counts / counts[0]), atol=1e-10)
    assert found.observed == y @ X[:, column]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_units_order_and_sign(seed):
    rng = np.random.default_rng(seed)
    X, y = np.column_stack([rng.integers(0, 5, 14), rng.integers(0, 2, 14)]) / 10, rng.integers(0, 2, 14)
    zero, order = np.zeros(14, dtype=int), rng.permutation(14)
    first = exact_inference(exact_distribution(X, y, zero, 0), 0.95)
    second = exact_inference(exact_distribution(X[order] * 100, y[order], zero, 0), 0.95)
    third = exact_inference(exact_distribution(-X, y, zero, 0), 0.95)
    np.testing.assert_allclose(first.estimate, 100 * second.estimate, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(first.conf_low, 100 * second.conf_low, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(first.conf_low, -third.conf_high, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(first.p_value, third.p_value, rtol=1e-9)


def test_a_statistic_of_one_value_tells_nothing():
    # one exposed, and the other covariate fixes who has the outcome
    one = exact_inference(exact_distribution([[1, 1], [0, 0]], [1, 0], [0, 0], 0), 0.95)
    assert np.isnan(one.estimate)
    assert (one.conf_low, one.conf_high, one.p_value) == (-np.inf, np.inf, 1.0)


@pytest.mark.parametrize(
    ("X", "pattern"),
    [
        (np.random.default_rng(1).normal(size=(60, 2)), "few decimals"),
        (np.random.default_rng(1).normal(size=(400, 5)).round(2), "too large"),
    ],
)
def test_it_refuses_what_it_cannot_compute(X, pattern):
    y = np.arange(len(X)) % 2
    with pytest.raises(EstimationError, match=pattern) as raised:
        exact_distribution(X, y, np.zeros(len(X), dtype=int), 0)
    assert 'method="firth"' in raised.value.remedy


def test_decimals_that_a_computer_cannot_hold_are_whole():
    x = np.array([0.1, 0.2, 0.3, 0.1 + 0.2])  # 0.30000000000000004 is 0.3
    found = exact_distribution(x[:, None], [1, 0, 0, 1], [0] * 4, 0)
    np.testing.assert_allclose(found.support, [0.3, 0.4, 0.5, 0.6], rtol=1e-12)
