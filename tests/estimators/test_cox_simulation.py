"""Coverage of 95 % limits in simulated cohorts: days that tie, censoring, delayed entry, clusters."""

import numpy as np
import pytest

from cohort.estimators.cox_problem import build_problem
from cohort.estimators.cox_regression import fit_cox
from cohort.estimators.partial_likelihood import maximize
from cohort.estimators.robust_variance import grouped_variance, score_residuals

TRUE = np.array([0.5, -0.4])
Z95 = 1.959963984540054
# By default a seeded part that can find gross errors; all of it with -m slow.
REPLICATIONS = [pytest.param(150, id="part"), pytest.param(4000, id="whole", marks=pytest.mark.slow)]


def cohort(rng, n, frailty_of=None):
    x = np.column_stack([rng.normal(size=n), rng.random(n) < 0.4]).astype(float)
    rate = np.exp(x @ TRUE) / 100
    if frailty_of is not None:
        rate = rate * rng.gamma(1.0, 1.0, frailty_of.max() + 1)[frailty_of]
    event_time = rng.exponential(1 / rate)
    censoring = rng.uniform(30, 250, n)
    return x, np.ceil(np.minimum(event_time, censoring)), event_time < censoring


def within_monte_carlo_error(covered, n, nominal=0.95):
    return abs(covered / n - nominal) < 3.5 * np.sqrt(nominal * (1 - nominal) / n)


@pytest.mark.parametrize("replications", REPLICATIONS)
def test_wald_limits_cover_and_estimates_are_unbiased(replications):
    covered, estimates = np.zeros(2), np.empty((replications, 2))
    for k in range(replications):
        rng = np.random.default_rng([1, k])
        x, stop, event = cohort(rng, 250)
        entry = np.floor(rng.uniform(-40, 40, 250)).clip(0)
        seen = stop > entry
        problem = build_problem(x[seen], entry[seen], stop[seen], event[seen])
        found = maximize(problem)
        b = found.state.b / problem.scale
        se = np.sqrt(np.diag(np.linalg.inv(found.information))) / problem.scale
        covered += np.abs(b - TRUE) < Z95 * se
        estimates[k] = b
    assert all(within_monte_carlo_error(c, replications) for c in covered)
    # The bias of a maximum likelihood estimate of this size (180 events) is below 0.02.
    error = estimates.std(axis=0) / np.sqrt(replications)
    assert (np.abs(estimates.mean(axis=0) - TRUE) < 0.02 + 3.5 * error).all()


@pytest.mark.parametrize("replications", REPLICATIONS)
def test_patients_alike_within_centers_need_cluster_robust_limits(replications):
    # A covariate of the center, unrelated to the outcome, with centers that differ in their hazard.
    center = np.repeat(np.arange(60), 5)
    naive, robust = 0, 0
    for k in range(replications):
        rng = np.random.default_rng([2, k])
        _, stop, event = cohort(rng, 300, frailty_of=center)
        x = rng.normal(size=60)[center][:, None]
        problem = build_problem(x, None, stop, event)
        found = maximize(problem)
        V = np.linalg.inv(found.information)
        R, _ = grouped_variance(score_residuals(problem, found.state), V, center[problem.sets.rows])
        naive += abs(found.state.b[0]) < Z95 * np.sqrt(V[0, 0])
        robust += abs(found.state.b[0]) < Z95 * np.sqrt(R[0, 0])
    assert naive / replications < 0.85
    # Sixty centers: the sandwich is known to be a little small.
    assert 0.90 < robust / replications < 0.985


@pytest.mark.parametrize(
    "replications", [pytest.param(100, id="part"), pytest.param(2000, id="whole", marks=pytest.mark.slow)]
)
def test_firth_profile_limits_cover_a_rare_finding(replications):
    # 25 patients, a finding in every sixth: maximum likelihood often has no finite estimate here.
    covered = 0
    for k in range(replications):
        rng = np.random.default_rng([3, k])
        x = np.zeros((25, 1))
        x[rng.permutation(25)[:4]] = 1
        time = rng.exponential(np.exp(-1.0 * x[:, 0]))
        censoring = rng.uniform(0.3, 2, 25)
        fit = fit_cox(
            x, None, np.minimum(time, censoring), time < censoring, penalty="firth", profile_level=0.95
        )
        covered += fit.profile.conf_low[0] < 1.0 < fit.profile.conf_high[0]
    assert within_monte_carlo_error(covered, replications)
