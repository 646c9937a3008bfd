"""The bootstrap of a Cox model against refits to the samples written out."""

import numpy as np
import pytest

from cohort.estimators.bootstrap import bootstrap_coefficients
from cohort.estimators.cox_problem import build_problem
from cohort.estimators.cox_regression import fit_cox

# Both sides iterate to a Newton decrement of 1e-12 from different starts; the last step squares the error.
CONVERGED = 1e-9


def simulated(n=120, seed=4):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=n), rng.integers(0, 2, n)]).astype(float)
    stop = np.ceil(rng.exponential(20, n)) + 1
    start = np.where(rng.random(n) < 0.3, np.floor(stop * rng.random(n) * 0.8), 0.0)
    return X, start, stop, rng.random(n) < 0.6, rng.integers(0, 3, n)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("group", [None, "center"])
@pytest.mark.parametrize("late", [False, True])
def test_equals_refits_to_the_samples_written_out(ties, group, late):
    X, start, stop, event, stratum = simulated()
    n = len(stop)
    code = np.arange(n) if group is None else np.arange(n) % 30
    problem = build_problem(X, start if late else None, stop, event, stratum=stratum, ties=ties)
    found = bootstrap_coefficients(
        problem, 6, np.random.default_rng(8), None if group is None else code, ties=ties
    )
    rng = np.random.default_rng(8)
    for coefficients in found:
        drawn = rng.integers(0, code.max() + 1, code.max() + 1)
        rows = np.concatenate([np.flatnonzero(code == k) for k in drawn])
        again = fit_cox(
            X[rows],
            start[rows] if late else None,
            stop[rows],
            event[rows],
            stratum=stratum[rows],
            ties=ties,
        )
        np.testing.assert_allclose(coefficients, again.coefficients, rtol=CONVERGED)


def test_times_that_never_tie_tie_in_a_sample():
    X, _, stop, event, _ = simulated()
    stop = stop + np.arange(len(stop)) / 1000
    problem = build_problem(X, None, stop, event)
    assert problem.tied is None
    found = bootstrap_coefficients(problem, 3, np.random.default_rng(2))
    rng = np.random.default_rng(2)
    for coefficients in found:
        rows = rng.integers(0, len(stop), len(stop))
        again = fit_cox(X[rows], None, stop[rows], event[rows])
        np.testing.assert_allclose(coefficients, again.coefficients, rtol=CONVERGED)


def test_a_sample_without_an_estimate_is_missing():
    # One patient alone has x = 1; a sample that leaves her out has a constant column.
    stop = np.array([1.0, 2, 3, 4, 5, 6])
    x = np.array([[0.0], [0], [1], [0], [0], [0]])
    problem = build_problem(x, None, stop, np.array([1, 1, 1, 1, 0, 1], dtype=bool))
    found = bootstrap_coefficients(problem, 60, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    without = np.array([2 not in rng.integers(0, 6, 6) for _ in range(60)])
    assert without.any()
    assert np.isnan(found[without]).all()
