"""Conditional logistic regression: against R survival::clogit (tests/reference/clustered_logistic/make.R), by hand, by
enumeration, and separation. Newton's estimates agree to 1e-10."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.estimators.conditional_logistic import fit_conditional, informative_sets, separating_within

FOLDER = Path(__file__).parents[1] / "reference/clustered_logistic"
DATA = pd.read_csv(FOLDER / "matched.csv")
EXPECTED = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False).set_index(
    ["model", "quantity", "term"]
)["value"]
TERMS = ["flair", "age10"]


def reference(model, quantity, terms=TERMS):
    return [EXPECTED[model, quantity, term] for term in terms]


def test_it_equals_clogit():
    fit = fit_conditional(DATA[TERMS], DATA["severe"], DATA["set"] - 1)
    assert fit.converged
    np.testing.assert_allclose(fit.estimate, reference("clogit", "estimate"), rtol=1e-10)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), reference("clogit", "std_error"), rtol=1e-10)
    likelihoods = [fit.log_likelihood_null, fit.log_likelihood]
    np.testing.assert_allclose(
        likelihoods, reference("clogit", "log_likelihood", ["null", "model"]), rtol=1e-12
    )
    assert len(fit.sets) == 45  # three patients alone in their set tell nothing


def test_scores_give_the_robust_variance_of_coxph():
    first = DATA[DATA["severe"] == 1].drop_duplicates("set").index
    one = DATA[(DATA["set"] <= 45) & ((DATA["severe"] == 0) | DATA.index.isin(first))]
    fit = fit_conditional(one[TERMS], one["severe"], one["set"] - 1)
    np.testing.assert_allclose(fit.estimate, reference("one case", "estimate"), rtol=1e-10)
    hospital = one.drop_duplicates("set")["hospital"].to_numpy()
    U = pd.DataFrame(fit.residuals).groupby(hospital).sum().to_numpy()
    robust = fit.covariance @ U.T @ U @ fit.covariance
    np.testing.assert_allclose(np.sqrt(np.diag(robust)), reference("one case", "robust"), rtol=1e-9)


def test_pairs_by_hand():
    # 5 pairs with only the case exposed, 2 with only the control, 3 concordant: 5/2 with variance 1/5 + 1/2
    x = [1, 0] * 5 + [0, 1] * 2 + [1, 1, 0, 0, 1, 1]
    fit = fit_conditional(np.reshape(x, (-1, 1)), [1, 0] * 10, np.repeat(range(10), 2))
    np.testing.assert_allclose(fit.estimate, np.log(5 / 2), rtol=1e-12)
    np.testing.assert_allclose(fit.covariance, 1 / 5 + 1 / 2, rtol=1e-12)
    np.testing.assert_allclose(fit.log_likelihood_null, 10 * np.log(0.5), rtol=1e-14)


def log_likelihood(x, y, sets, beta):
    """Sum over all choices of as many members of each set as there are cases."""
    total = 0.0
    for s in np.unique(sets):
        eta, cases = x[sets == s] @ beta, int(y[sets == s].sum())
        choices = [eta[list(chosen)].sum() for chosen in combinations(range(len(eta)), cases)]
        total += eta[y[sets == s] == 1].sum() - np.log(np.exp(choices).sum())
    return total


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_maximizes_the_enumerated_likelihood(seed):
    rng = np.random.default_rng(seed)
    sets = np.repeat(np.arange(9), rng.integers(2, 7, 9))
    x, y = rng.normal(size=(len(sets), 2)), rng.integers(0, 2, len(sets)).astype(float)
    if not informative_sets(y, sets).any() or len(separating_within(x, y, sets)):
        return
    fit = fit_conditional(x, y, sets)
    assert fit.converged
    np.testing.assert_allclose(fit.log_likelihood, log_likelihood(x, y, sets, fit.estimate), rtol=1e-9)
    h = 1e-5 * np.eye(2)
    slope = [
        log_likelihood(x, y, sets, fit.estimate + d) - log_likelihood(x, y, sets, fit.estimate - d) for d in h
    ]
    np.testing.assert_allclose(np.array(slope) / 2e-5, 0, atol=1e-5)
    again = fit_conditional(x + rng.normal(size=(9, 2))[sets], 1 - y, sets)  # constants of a set cancel
    np.testing.assert_allclose(again.estimate, -fit.estimate, atol=1e-7)


@pytest.mark.parametrize(
    ("x", "y", "found"),
    [
        ([1, 0, 1, 0], [1, 0, 1, 0], [0]),  # every case exposed, no control
        ([1, 0, 1, 1], [1, 0, 1, 0], [0]),  # one pair orders, the other ties
        ([1, 0, 0, 1], [1, 0, 1, 0], []),
        ([3, 2, 9, 8], [1, 0, 1, 0], [0]),  # ordered within sets, though not across them
        ([5, 5, 9, 9], [1, 0, 1, 0], []),  # no variation within a set
    ],
)
def test_separation_within_sets(x, y, found):
    sets = np.array([0, 0, 1, 1])
    assert separating_within(np.reshape(x, (-1, 1)), y, sets).tolist() == found


def test_separation_has_no_finite_estimate():
    fit = fit_conditional(np.reshape([1, 0, 1, 0], (-1, 1)), [1, 0, 1, 0], [0, 0, 1, 1])
    assert not fit.converged or fit.estimate[0] > 10


def test_a_column_constant_within_sets_does_not_converge():
    fit = fit_conditional(np.reshape([5, 5, 9, 9], (-1, 1)), [1, 0, 1, 0], [0, 0, 1, 1])
    assert not fit.converged
    assert np.isnan(fit.covariance).all()
