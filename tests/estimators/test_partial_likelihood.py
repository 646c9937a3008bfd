"""The kernel by hand, and what must hold for any data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import EstimationError
from cohort.estimators.concordance import concordance
from cohort.estimators.cox_problem import build_problem
from cohort.estimators.cox_regression import fit_cox
from cohort.estimators.partial_likelihood import evaluate, information, score

# Therneau & Grambsch (2000), appendix E.1: six patients, two tied days.
STOP = np.array([1.0, 1, 6, 6, 8, 9])
EVENT = np.array([1, 0, 1, 1, 0, 1], dtype=bool)
X = np.array([[1.0], [1], [1], [0], [0], [0]])
# Iterative fits of well-conditioned problems end within rounding of the score.
CONVERGED = 1e-10


def problem(**options):
    return build_problem(X, None, STOP, EVENT, **options)


def at(problem_, beta):
    """Value, score and information at a coefficient of the column as given."""
    state = evaluate(problem_, np.array([beta * problem_.scale[0]]))
    U, info = score(problem_, state)[0], information(problem_, state)[0, 0]
    return state.log_likelihood, U * problem_.scale[0], info * problem_.scale[0] ** 2


@pytest.mark.parametrize("beta", [0.0, 0.7, -1.2])
def test_breslow_by_hand(beta):
    # With r = exp(beta): risk sets at days 1, 6, 9 hold 3 with x = 1 and 3 with x = 0; 1 and 3; 0 and 1.
    # l = 2 beta - log(3r + 3) - 2 log(r + 3);  U = 2 - r/(r + 1) - 2r/(r + 3)
    # I = r/(r + 1)^2 + 6r/(r + 3)^2
    r = np.exp(beta)
    value, U, info = at(problem(ties="breslow"), beta)
    np.testing.assert_allclose(value, 2 * beta - np.log(3 * r + 3) - 2 * np.log(r + 3), rtol=1e-14)
    np.testing.assert_allclose(U, 2 - r / (r + 1) - 2 * r / (r + 3), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(info, r / (r + 1) ** 2 + 6 * r / (r + 3) ** 2, rtol=1e-13)


@pytest.mark.parametrize("beta", [0.0, 0.7, -1.2])
def test_efron_by_hand(beta):
    # The second of the two events on day 6 counts each of them by half: r/2 + 1/2 + 2.
    # l = 2 beta - log(3r + 3) - log(r + 3) - log((r + 5)/2);  U = 2 - r/(r + 1) - r/(r + 3) - r/(r + 5)
    # I = r/(r + 1)^2 + 3r/(r + 3)^2 + 5r/(r + 5)^2
    r = np.exp(beta)
    value, U, info = at(problem(ties="efron"), beta)
    by_hand = 2 * beta - np.log(3 * r + 3) - np.log(r + 3) - np.log((r + 5) / 2)
    np.testing.assert_allclose(value, by_hand, rtol=1e-14)
    np.testing.assert_allclose(U, 2 - r / (r + 1) - r / (r + 3) - r / (r + 5), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(
        info, r / (r + 1) ** 2 + 3 * r / (r + 3) ** 2 + 5 * r / (r + 5) ** 2, rtol=1e-13
    )


def test_breslow_estimate_in_closed_form():
    # U = 0 is r^2 - 3r - 6 = 0, so r = (3 + sqrt(33))/2.
    fit = fit_cox(X, None, STOP, EVENT, ties="breslow")
    np.testing.assert_allclose(fit.coefficients, np.log(1.5 + np.sqrt(33) / 2), rtol=1e-12)
    # Baseline hazard steps: 1/(3r + 3), 2/(r + 3), 1.
    r = 1.5 + np.sqrt(33) / 2
    steps = np.array([1 / (3 * r + 3), 2 / (r + 3), 1])
    np.testing.assert_allclose(fit.baseline.cumulative_hazard, steps.cumsum(), rtol=1e-12)
    assert fit.baseline.n_risk.tolist() == [6, 4, 1]
    assert fit.baseline.n_event.tolist() == [1, 2, 1]


def test_firth_of_two_patients_is_log_three():
    # Heinze & Schemper (2001), section 2: pi = e^b/(e^b + 1); l = 3/2 log pi + 1/2 log(1 - pi) is largest at
    # pi = 3/4, b = log 3.
    fit = fit_cox(
        np.array([[1.0], [0.0]]), None, np.array([1.0, 2.0]), np.array([True, False]), penalty="firth"
    )
    np.testing.assert_allclose(fit.coefficients, np.log(3), rtol=CONVERGED)
    np.testing.assert_allclose(fit.log_likelihood, 1.5 * np.log(0.75) + 0.5 * np.log(0.25), rtol=1e-14)


def test_concordance_by_hand():
    # Events on days 1, 2, 4 with risks 3, 1, 2; censored on day 2 (risk 2) and day 5 (risk 2).
    # Day 1 (3) against 1, 2, 2, 2: four concordant. Day 2 (1) against 2 (censored that day), 2, 2: three discordant.
    # Day 4 (2) against 2 on day 5: one tie. C = (4 + 1/2)/8.

    stop, event = np.array([1.0, 2, 2, 4, 5]), np.array([1, 1, 0, 1, 0], dtype=bool)
    found = concordance(np.array([3.0, 1, 2, 2, 2]), None, stop, event)
    assert (found.concordant, found.discordant, found.tied_risk) == (4, 3, 1)
    np.testing.assert_allclose(found.estimate, 4.5 / 8, rtol=1e-15)


@st.composite
def cohorts(draw):
    """Tied days, delayed entry, two covariates; enough of both to have a finite maximum."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = 60
    covariates = np.column_stack([rng.normal(size=n), np.arange(n) % 2])
    stop = np.ceil(rng.exponential(10, n)) + 1
    start = np.where(rng.random(n) < 0.5, 0.0, np.floor(rng.random(n) * (stop - 1)))
    event = rng.random(n) < 0.7
    return covariates, start, stop, event, rng


def same(first, second, scale=1.0):
    np.testing.assert_allclose(first.coefficients, second.coefficients, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(first.covariance, second.covariance, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(first.log_likelihood, second.log_likelihood, rtol=CONVERGED)
    np.testing.assert_allclose(first.concordance.estimate, second.concordance.estimate, rtol=1e-12)
    np.testing.assert_allclose(first.concordance.std_error, second.concordance.std_error, rtol=1e-9)
    base = first.baseline, second.baseline
    np.testing.assert_allclose(base[0].time, base[1].time * scale, rtol=1e-14)
    np.testing.assert_allclose(base[0].cumulative_hazard, base[1].cumulative_hazard, rtol=1e-8)


@settings(max_examples=12, deadline=None)
@given(cohorts(), st.sampled_from(["efron", "breslow"]))
def test_row_order_does_not_matter(cohort, ties):
    covariates, start, stop, event, rng = cohort
    p = rng.permutation(len(stop))
    first = fit_cox(covariates, start, stop, event, ties=ties, robust=True)
    same(first, fit_cox(covariates[p], start[p], stop[p], event[p], ties=ties, robust=True))


@settings(max_examples=12, deadline=None)
@given(cohorts(), st.floats(0.01, 1000))
def test_the_unit_of_time_only_scales_time(cohort, unit):
    covariates, start, stop, event, _ = cohort
    first = fit_cox(covariates, start * unit, stop * unit, event, robust=True)
    same(first, fit_cox(covariates, start, stop, event, robust=True), scale=unit)


@settings(max_examples=12, deadline=None)
@given(cohorts(), st.floats(0.05, 0.95))
def test_splitting_rows_changes_nothing(cohort, share):
    covariates, start, stop, event, _ = cohort
    n = len(stop)
    cut = start + share * (stop - start)
    ids = np.arange(n)
    whole = fit_cox(covariates, start, stop, event, cluster=ids)
    split = fit_cox(
        np.vstack([covariates, covariates]),
        np.concatenate([start, cut]),
        np.concatenate([cut, stop]),
        np.concatenate([np.zeros(n, dtype=bool), event]),
        cluster=np.concatenate([ids, ids]),
    )
    same(whole, split)
    for transform in ("identity", "log", "km"):
        np.testing.assert_allclose(
            whole.proportional_hazards[transform].statistic,
            split.proportional_hazards[transform].statistic,
            rtol=1e-7,
        )


@settings(max_examples=10, deadline=None)
@given(cohorts())
def test_one_stratum_and_unit_weights_change_nothing(cohort):
    covariates, start, stop, event, _ = cohort
    n = len(stop)
    plain = fit_cox(covariates, start, stop, event)
    same(
        plain, fit_cox(covariates, start, stop, event, stratum=np.zeros(n, dtype=np.intp), weight=np.ones(n))
    )


@settings(max_examples=10, deadline=None)
@given(cohorts())
def test_rows_of_weight_zero_and_strata_without_events_change_nothing(cohort):
    covariates, start, stop, event, rng = cohort
    n = len(stop)
    stratum = np.arange(n) % 3
    use = rng.random(n) < 0.8
    kept = fit_cox(covariates[use], start[use], stop[use], event[use], stratum=stratum[use])
    zero = fit_cox(covariates, start, stop, event, stratum=stratum, weight=use.astype(float))
    same(kept, zero)
    more = fit_cox(
        np.vstack([covariates[use], covariates]),
        np.concatenate([start[use], start]),
        np.concatenate([stop[use], stop]),
        np.concatenate([event[use], np.zeros(n, dtype=bool)]),
        stratum=np.concatenate([stratum[use], np.full(n, 3)]),
    )
    same(kept, more)


@settings(max_examples=10, deadline=None)
@given(cohorts())
def test_weights_count_rows_under_breslow(cohort):
    covariates, start, stop, event, rng = cohort
    times = rng.integers(1, 4, len(stop))
    rows = np.repeat(np.arange(len(stop)), times)
    weighted = fit_cox(covariates, start, stop, event, weight=times.astype(float), ties="breslow")
    repeated = fit_cox(covariates[rows], start[rows], stop[rows], event[rows], ties="breslow")
    np.testing.assert_allclose(weighted.coefficients, repeated.coefficients, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(weighted.covariance, repeated.covariance, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(weighted.concordance.estimate, repeated.concordance.estimate, rtol=1e-12)


@settings(max_examples=10, deadline=None)
@given(cohorts(), st.booleans())
def test_firth_score_is_the_gradient_of_the_penalized_likelihood(cohort, stratified):
    from cohort.estimators.firth import penalty_score

    covariates, start, stop, event, rng = cohort
    stratum = np.arange(len(stop)) % 3 if stratified else None
    data = build_problem(
        covariates, start, stop, event, stratum=stratum, weight=rng.uniform(0.5, 2, len(stop))
    )
    b = rng.normal(size=2) / 2

    def half_log_determinant(value):
        return np.linalg.slogdet(information(data, evaluate(data, value)))[1]

    h = 1e-4
    by_difference = [
        (half_log_determinant(b + h * e) - half_log_determinant(b - h * e)) / (2 * h) for e in np.eye(2)
    ]
    state = evaluate(data, b)
    exact = penalty_score(data, state, np.linalg.inv(information(data, state)))
    np.testing.assert_allclose(exact, by_difference, rtol=1e-5, atol=1e-6)


def test_many_strata_of_continuous_times_take_the_other_paths():
    # 3,000 matched sets: event times and strata outgrow the look-up table, concordance goes by bits.
    rng = np.random.default_rng(7)
    n = 6000
    stratum = np.repeat(np.arange(n // 2), 2)
    x = rng.normal(size=(n, 1))
    stop = rng.exponential(np.exp(-0.5 * x[:, 0]))
    event = rng.random(n) < 0.9
    fit = fit_cox(x, None, stop, event, stratum=stratum)
    # A pair in which the first to leave has the event is a conditional logistic observation of the difference.
    pair = stop.reshape(-1, 2)
    first = np.argmin(pair, axis=1)
    row = np.arange(n // 2)
    happened = event.reshape(-1, 2)[row, first]
    xs = x.reshape(-1, 2)
    d = (xs[row, first] - xs[row, 1 - first])[happened]
    beta = 0.0
    for _ in range(30):
        p = 1 / (1 + np.exp(-beta * d))
        beta += (d * (1 - p)).sum() / (d * d * p * (1 - p)).sum()
    np.testing.assert_allclose(fit.coefficients, beta, rtol=CONVERGED)
    np.testing.assert_allclose(
        fit.concordance.estimate, (d > 0).mean() if beta > 0 else (d < 0).mean(), rtol=1e-12
    )


BAD = [
    ({"event": np.zeros(6, dtype=bool)}, "no event.*0 events in 6 rows"),
    ({"X": np.column_stack([X, np.ones(6)])}, "column b carries no information"),
    ({"X": np.column_stack([X, 2 * X + 1])}, "column b is collinear with a"),
    ({"X": np.array([[1.0], [np.inf], [1], [0], [0], [0]])}, "column a has missing or infinite values"),
    ({"stop": np.array([1.0, 1, np.nan, 6, 8, 9])}, "stop has missing or infinite values"),
    ({"weight": np.zeros(6)}, "all weights are zero"),
    ({"weight": np.array([1.0, -1, 1, 1, 1, 1])}, "some weights are negative"),
    ({"start": np.array([0.0, 1, 0, 0, 8, 9])}, "some rows end before they start.*3 of 6 rows"),
    ({"ties": "exact"}, "ties are treated in an unknown way"),
    ({"penalty": "ridge"}, "penalty is unknown"),
    ({"stratum": np.array([0, 0, 0, 1, 1, 1])}, "column a carries no information"),
    ({"X": (STOP == 1)[:, None] * EVENT[:, None] * 1.0}, 'monotone likelihood: .* a .*penalty="firth"'),
]


@pytest.mark.parametrize(("change", "pattern"), BAD)
def test_bad_input_is_refused_by_name(change, pattern):
    arguments = {"X": X, "start": None, "stop": STOP, "event": EVENT, **change}
    with pytest.raises(EstimationError, match=f"(?s){pattern}"):
        fit_cox(**arguments, names=("a", "b")[: arguments["X"].shape[1]])


def test_monotone_likelihood_names_the_column_among_others():
    rng = np.random.default_rng(3)
    n = 200
    stop = np.ceil(rng.exponential(50, n)) + 1
    event = rng.random(n) < 0.6
    rare = (event & (stop <= np.sort(stop[event])[2])).astype(float)
    columns = np.column_stack([rng.normal(size=n), rare, rng.normal(size=n)])
    with pytest.raises(EstimationError, match="the estimate of rare is infinite"):
        fit_cox(columns, None, stop, event, names=("age", "rare", "ldh"))
    fit = fit_cox(columns, None, stop, event, penalty="firth", profile_level=0.95)
    assert np.isfinite(fit.coefficients).all()
    assert (fit.profile.conf_low < fit.coefficients).all()
    assert (fit.coefficients < fit.profile.conf_high).all()
    assert fit.profile.conf_low[1] > 0


def test_concordance_without_an_event_is_missing():
    found = concordance(np.arange(4.0), None, np.arange(1.0, 5), np.zeros(4, dtype=bool))
    assert np.isnan(found.estimate)
    assert np.isnan(found.std_error)
