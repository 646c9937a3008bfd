"""Plans against R (stats, pwr, enumeration in base R; tests/reference/sample_size/make.R) and against simulation.

Tolerance 1e-10: sums and closed forms. The number of patients of power.prop.test is a root found to 1e-10 there.
"""

import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort import style
from cohort.errors import EstimationError, ImmortalTimeError
from cohort.estimators.expected_width import expected_limits
from cohort.estimators.exposure_simulation import ExposureDesign, simulate_follow_up, simulate_studies
from cohort.estimators.power_tables import power_of_table, rejection_region
from cohort.estimators.proportions import proportion_limits

FOLDER = Path(__file__).parents[1] / "reference" / "sample_size"
DATA = pd.read_csv(FOLDER / "data.csv")
EXPECTED = pd.read_csv(FOLDER / "expected.csv").set_index(["topic", "term"])["value"].sort_index()
CLOSE = 1e-10
RATES = {"hazard": 1 / 300, "prevalence": 0.4, "onset": 20.0, "follow_up": 365.0}


@pytest.mark.parametrize("test", ["fisher", "pearson", "boschloo", "barnard"])
@pytest.mark.parametrize("row", range(4))
def test_exact_power_equals_enumeration_in_r(test, row):
    p1, p0, n1, n0 = DATA.iloc[row]
    found = power_of_table(p1, p0, int(n1), int(n0), test)
    np.testing.assert_allclose(found, EXPECTED[test, f"row{row + 1} power"], rtol=CLOSE)
    if p1 != p0:
        level = power_of_table(p0, p0, int(n1), int(n0), test)
        np.testing.assert_allclose(level, EXPECTED[test, f"row{row + 1} level"], rtol=CLOSE)


def test_normal_power_equals_power_prop_test():
    power = EXPECTED["normal", "power 40"]
    np.testing.assert_allclose(power_of_table(0.5, 0.2, 40, 40, "normal"), power, rtol=CLOSE)
    plan = co.power_proportions(0.1, 0.15, n=666, test="normal")
    # power.prop.test leaves out the other tail, as we do
    np.testing.assert_allclose(plan.power, EXPECTED["normal", "power 333"], rtol=CLOSE)
    assert co.power_proportions(0.2, 0.5, power=0.8, test="normal").n == 2 * math.ceil(
        EXPECTED["normal", "n 0.8"]
    )


def test_fisher_power_by_hand():
    # Two patients per group: no table reaches 0.05, the smallest p-value is 1 / choose(4, 2) * 2 = 1/3.
    assert not rejection_region(2, 2, "fisher", 0.95).any()
    # Four per group: only 4 of 4 against 0 of 4 does, P = 2 / 70; power .8^4 * .9^4 + .2^4 * .1^4
    expected = 0.8**4 * 0.9**4 + 0.2**4 * 0.1**4
    assert power_of_table(0.8, 0.1, 4, 4, "fisher") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("test", ["fisher", "boschloo", "barnard"])
def test_exact_tests_keep_their_level_everywhere(test):
    region = rejection_region(12, 25, test, 0.95).astype(float)
    from scipy.stats import binom

    levels = [
        binom.pmf(np.arange(13), 12, p) @ region @ binom.pmf(np.arange(26), 25, p)
        for p in np.linspace(0.001, 0.999, 500)
    ]
    assert max(levels) <= 0.05 + 1e-12


def test_the_number_of_patients_is_the_smallest_that_stays_enough():
    plan = co.power_proportions(0.1, 0.4, power=0.8)
    sizes = range(plan.n_unexposed - 1, plan.n_unexposed + 11)
    power = [power_of_table(0.4, 0.1, n, n, "fisher") for n in sizes]
    assert power[0] < 0.8
    assert min(power[1:]) >= 0.8
    assert plan.power == power[1]


def test_clustering_and_allocation():
    alone, clustered = (co.power_proportions(0.1, 0.4, power=0.8, design_effect=d) for d in (1.0, 1.5))
    assert clustered.n_exposed == math.ceil(1.5 * alone.n_exposed)
    assert clustered.power >= 0.8
    rare = co.power_proportions(0.2, odds_ratio=4, n=100, allocation=0.25)
    assert (rare.n_exposed, rare.n_unexposed) == (20, 80)
    assert rare.exposed == pytest.approx(0.5)
    assert rare.odds_ratio == pytest.approx(4)
    # Eldridge: equal clusters give the classic 1 + (m - 1) icc
    assert co.design_effect(11, 0.05) == pytest.approx(1.5)
    assert co.design_effect(11, 0.05, cv=1.0) == pytest.approx(1 + 21 * 0.05)


@pytest.mark.parametrize("method", ["exact", "wilson"])
@pytest.mark.parametrize("n", [10, 77, 200])
def test_expected_limits_equal_r(method, n):
    wanted = [EXPECTED[f"width_{method}", f"{n} {side}"] for side in ("low", "high")]
    np.testing.assert_allclose(expected_limits(0.3, n, method), wanted, rtol=CLOSE)


def test_patients_for_a_half_width():
    plan = co.precision(0.3, half_width=0.1)
    assert plan.n == EXPECTED["n_half_width", "0.1"]
    assert plan.tidy()["half_width"].item() <= 0.1
    assert co.precision(0.3, n=plan.n - 1).tidy()["half_width"].item() > 0.1
    assert co.precision(0.3, half_width=0.1, design_effect=1.5).n == math.ceil(1.5 * plan.n)


@given(st.floats(0.02, 0.98), st.integers(1, 150), st.sampled_from(["wilson", "exact", "jeffreys"]))
@settings(deadline=None, max_examples=40)
def test_expected_limits_hold_the_proportion_and_are_means(p, n, method):
    from scipy.stats import binom

    low, high = expected_limits(p, n, method)
    x = np.arange(n + 1)
    lows, highs = proportion_limits(x, np.full(n + 1, n), method)
    weight = binom.pmf(x, n, p)
    np.testing.assert_allclose([low, high], [weight @ lows, weight @ highs], rtol=1e-9, atol=1e-12)
    assert low < p < high


def test_schoenfeld_equals_its_formula():
    plan = co.power_hazard_ratio(1.8, 0.3, power=0.8)
    np.testing.assert_allclose(plan.events, EXPECTED["schoenfeld", "events"], rtol=CLOSE)
    power = co.power_hazard_ratio(1.8, 0.3, events=80).power
    np.testing.assert_allclose(power, EXPECTED["schoenfeld", "power"], rtol=CLOSE)
    rates = {"competing_hazard": 0.001, "loss": 0.0005}
    for term, accrual in (("no accrual", 0.0), ("accrual", 730.0)):
        found = co.event_probability(0.002, 365, accrual=accrual, **rates)
        np.testing.assert_allclose(found, EXPECTED["event", term], rtol=CLOSE)


def test_competing_events_cost_patients_and_not_power_per_event():
    alone = co.event_probability(0.002, 365)
    beside = co.event_probability(0.002, 365, competing_hazard=0.004)
    first, second = (co.power_hazard_ratio(2.0, 0.3, power=0.8, event_probability=p) for p in (alone, beside))
    assert second.n > first.n
    assert second.events == pytest.approx(first.events, rel=0.03)
    assert first.n == math.ceil(co.power_hazard_ratio(2.0, 0.3, power=0.8).events / alone)


def test_simulated_follow_up_has_the_hazards_asked_for():
    # Person-time and events: the rate after onset over the rate before is the hazard ratio.
    design = ExposureDesign(0.01, 2.5, 0.5, (30.0,), 200.0, 100.0, 0.002, 0.001)
    stop, event, onset = simulate_follow_up(design, 200_000, np.random.default_rng(1))
    before, after = np.minimum(stop, onset), np.maximum(stop - onset, 0)
    exposed = event & (stop > onset)
    rates = [(event & ~exposed).sum() / before.sum(), exposed.sum() / after.sum()]
    # relative Monte-Carlo standard errors: 1 / sqrt(events), below 0.5 %
    np.testing.assert_allclose(rates, [0.01, 0.025], rtol=9e-3)
    assert stop.max() <= 300


def test_time_dependent_exposure_is_estimated_without_bias_and_ever_is_not():
    right = co.power_time_dependent(1.0, 300, simulations=300, **RATES)
    wrong = co.power_time_dependent(
        1.0, 300, simulations=300, analysis="ever", acknowledge="immortal_time", **RATES
    )
    late = co.power_time_dependent(1.0, 300, simulations=300, analysis="landmark", landmark=30, **RATES)
    # Monte-Carlo standard error of the mean log hazard ratio: 0.15 / sqrt(300) = 0.009
    assert abs(right.fits.estimate.mean()) < 0.03
    assert abs(late.fits.estimate.mean()) < 0.03
    assert wrong.fits.estimate.mean() < -0.1
    for plan in (right, late):
        level = plan.tidy().iloc[0]
        assert level["conf_low"] <= 0.05 <= level["conf_high"]
    assert "guards acknowledged: immortal_time" in repr(wrong)


def test_exposure_at_once_agrees_with_schoenfeld():
    # Onset at time zero for a known share: Schoenfeld's formula at the mean number of events.
    plan = co.power_time_dependent(
        1.6, 200, hazard=1 / 300, prevalence=0.4, onset=[0.0, 0.0], follow_up=365.0, simulations=600, seed=3
    )
    formula = co.power_hazard_ratio(1.6, 0.4, events=float(plan.fits.events.mean())).power
    row = plan.tidy(conf_level=0.999).iloc[0]
    assert row["conf_low"] <= formula <= row["conf_high"]


def test_simulation_is_seeded_and_drawn_from_a_pilot():
    arguments = {**RATES, "onset": [3.0, 8.0, 40.0], "simulations": 30}
    first, again = (co.power_time_dependent(2.0, 80, **arguments) for _ in range(2))
    pd.testing.assert_frame_equal(first.tidy(), again.tidy())
    other = co.power_time_dependent(2.0, 80, seed=2, **arguments)
    assert not np.array_equal(first.fits.estimate, other.fits.estimate)


def test_studies_without_an_estimate_do_not_reject_and_are_counted():
    plan = co.power_time_dependent(
        2.0, 4, hazard=1e-4, prevalence=0.1, onset=5.0, follow_up=30.0, simulations=50
    )
    assert plan.fits.failed > 40
    assert plan.power == plan.fits.rejections(0.95) / 50
    assert "studies have no estimate" in repr(plan)


@pytest.mark.slow
def test_coverage_of_the_counting_process_analysis_in_many_studies():
    design = ExposureDesign(1 / 300, 2.0, 0.4, (20.0,), 365.0, 0.0, 1 / 1000)
    fits = simulate_studies(design, 300, "counting_process", math.nan, 4000, 9)
    # Monte-Carlo standard error 0.0034
    assert 0.94 <= fits.coverage(math.log(2), 0.95) <= 0.96


@pytest.mark.parametrize(
    "make",
    [
        lambda: co.precision(0.2, n=60),
        lambda: co.power_proportions(0.1, 0.4, n=60),
        lambda: co.power_hazard_ratio(2.0, 0.3, events=60),
        lambda: co.power_time_dependent(2.0, 60, simulations=30, **RATES),
    ],
)
def test_the_curve_passes_through_the_plan(make):
    plan = make()
    ax = plan.plot()
    (mark,) = [line for line in ax.lines if line.get_gid() == "plan"]
    tidy = plan.tidy().iloc[0]
    assert mark.get_ydata()[0] == tidy["half_width" if "half_width" in tidy else "estimate"]
    (curve,) = [line for line in ax.lines if line.get_gid() == "curve"]
    assert (np.diff(curve.get_xdata()) > 0).all()
    assert style.check_layout(ax.get_figure(root=True)) == []
    plt.close("all")


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: co.precision(0.3), "exactly one of n, half_width"),
        (lambda: co.precision(0.3, n=10, half_width=0.1), "given: n, half_width"),
        (lambda: co.precision(30, n=10), "share as 0.3"),
        (lambda: co.precision(0.3, n=10.5), "not a whole number"),
        (lambda: co.precision(0.3, n=0), "at least 1"),
        (lambda: co.precision(0.3, half_width=0.6), "below 0.5"),
        (lambda: co.precision(0.3, half_width=1e-5), "ten million"),
        (lambda: co.precision(0.3, n=10, method="wald"), 'method="wilson"'),
        (lambda: co.precision(0.3, n=10, design_effect=0.5), "at least 1"),
        (lambda: co.precision(math.nan, n=10), "proportion=nan"),
        (lambda: co.power_proportions(0.2, 0.5), "exactly one of n, power"),
        (lambda: co.power_proportions(0.2, n=50), "exactly one of exposed, odds_ratio"),
        (lambda: co.power_proportions(0.2, 0.2, power=0.8), "no power"),
        (lambda: co.power_proportions(0.2, 0.5, n=50, test="chi2"), 'test="fisher"'),
        (lambda: co.power_proportions(0.2, 0.3, n=5000), 'test="normal"'),
        (lambda: co.power_proportions(0.2, 0.5, n=1), "at least 2"),
        (lambda: co.power_proportions(0.2, 0.5, power=1.0), "below 1"),
        (lambda: co.power_hazard_ratio(2, 0.3), "exactly one of events, n, power"),
        (lambda: co.power_hazard_ratio(2, 0.3, n=100), "event_probability"),
        (lambda: co.power_hazard_ratio(1, 0.3, power=0.8), "no power"),
        (lambda: co.power_hazard_ratio(0, 0.3, events=9), "above 0"),
        (lambda: co.event_probability(0.0, 365), "hazard=0.0"),
        (lambda: co.power_time_dependent(2, 50, **{**RATES, "onset": []}), "no times"),
        (lambda: co.power_time_dependent(2, 50, **{**RATES, "onset": -1.0}), "onset"),
        (lambda: co.power_time_dependent(2, 50, **RATES, analysis="landmark"), "landmark=30"),
        (lambda: co.power_time_dependent(2, 50, **RATES, landmark=30), "landmark=30"),
        (lambda: co.power_time_dependent(2, 50, **RATES, analysis="landmark", landmark=400), "below 365"),
        (lambda: co.power_time_dependent(2, 50, **RATES, analysis="cox"), "counting_process"),
        (lambda: co.power_time_dependent(2, 50, **RATES, simulations=0), "at least 1"),
        (lambda: co.design_effect(20, 1.5), "icc"),
        (lambda: co.power_hazard_ratio(2, 0.3, events=60).text("level"), "power"),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()


def test_ever_exposed_is_refused():
    with pytest.raises(ImmortalTimeError, match="counting_process"):
        co.power_time_dependent(2, 50, **RATES, analysis="ever")
