"""Parametric survival: by hand, against R survreg and optim, scales, predictions, properties, errors."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import cohort as co
from cohort import style
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import (
    CohortError,
    CompetingRiskError,
    EndpointError,
    EstimationError,
    ImmortalTimeError,
)
from cohort.estimators.survival_families import FAMILIES

REFERENCE = Path(__file__).parents[1] / "reference"
# Newton's method to the last digits against survreg (rel.tolerance 1e-14); without survreg, Newton steps with
# differences of order four in R.
RTOL, DIFFERENCES = 1e-7, 1e-5


def reference() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "parametric" / "data.csv")


def expected(what: str, topic: str = "parametric") -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / topic / "expected.csv")
    rows = table[table["what"] == what]
    assert len(rows)
    return rows


def endpoint(frame: pd.DataFrame, truncated: bool = False) -> co.Endpoint:
    entry = "entry" if truncated else None
    return co.Endpoint.from_columns(frame, time="time", event="event", entry=entry)


# against R


@pytest.mark.parametrize("what", [*FAMILIES, *(f"{d}_truncated" for d in FAMILIES)])
def test_estimates_are_those_of_r(what: str) -> None:
    distribution = what.removesuffix("_truncated")
    fit = co.parametric_survival(endpoint(reference(), what.endswith("truncated")), "arm + age", distribution)
    rows = expected(what)
    found = fit.tidy().set_index("term")
    survreg = rows["quantity"].eq("log_likelihood_null").any()
    for quantity in ("estimate", "std_error"):
        wanted = rows[rows["quantity"] == quantity].set_index("term")["value"]
        assert set(wanted.index) == set(found.index)
        assert_allclose(found.loc[wanted.index, quantity], wanted, rtol=RTOL if survreg else DIFFERENCES)
    likelihood = rows[rows["quantity"] == "log_likelihood"]["value"].item()
    assert_allclose(fit.glance()["log_likelihood"].item(), likelihood, rtol=1e-10)
    if survreg:
        null = rows[rows["quantity"] == "log_likelihood_null"]["value"].item()
        assert_allclose(fit.glance()["log_likelihood_null"].item(), null, rtol=1e-10)


@pytest.mark.parametrize("distribution", ["weibull", "exponential", "lognormal", "loglogistic"])
def test_clusters_and_quantiles_are_those_of_survreg(distribution: str) -> None:
    robust = co.parametric_survival(endpoint(reference()), "arm + age", distribution, cluster="center")
    wanted = expected(f"{distribution}_cluster").set_index("term")["value"]
    assert_allclose(robust.tidy().set_index("term").loc[wanted.index, "std_error"], wanted, rtol=RTOL)
    fit = co.parametric_survival(endpoint(reference()), "arm + age", distribution)
    rows = expected(distribution).set_index(["quantity", "term"])["value"]
    patient = pd.DataFrame({"arm": [1], "age": [65]})
    for p in (0.25, 0.5, 0.9):
        row = fit.quantile(p, patient).iloc[0]
        assert_allclose(row["estimate"], rows["quantile", f"{p:g}"], rtol=RTOL)
        assert_allclose(row["std_error"], rows["quantile_std_error", f"{p:g}"], rtol=1e-6)
        assert_allclose(fit.survival_at([row["estimate"]], patient)["estimate"].item(), 1 - p, rtol=1e-9)


@pytest.mark.parametrize("distribution", ["weibull", "exponential", "lognormal", "loglogistic"])
def test_intervals_are_those_of_survreg(distribution: str) -> None:
    data = pd.read_csv(REFERENCE / "interval_censored" / "data.csv")
    fit = co.interval_censored("lower", "upper", data, formula="arm + age", distribution=distribution)
    rows = expected(distribution, "interval_censored")
    found = fit.tidy().set_index("term")
    for quantity in ("estimate", "std_error"):
        wanted = rows[rows["group"] == quantity].set_index("term")["value"]
        wanted = wanted.rename({"(Intercept)": "Intercept"})
        assert_allclose(found.loc[wanted.index, quantity], wanted, rtol=RTOL)
    assert_allclose(
        fit.glance()["log_likelihood"], rows[rows["group"] == "log_likelihood"]["value"], rtol=1e-11
    )
    if distribution != "exponential":
        assert_allclose(
            found.loc["log(scale)", "estimate"], rows[rows["group"] == "log_scale"]["value"].item(), rtol=RTOL
        )
    assert "between two looks 114" in repr(fit)


# by hand


def test_exponential_by_hand() -> None:
    # 4 events in 3 + 5 + 6 + 9 + 7 = 30 days: the mean is 7.5 days, and the log rate has variance 1/4.
    frame = pd.DataFrame({"time": [3, 5, 6, 9, 7], "event": [1, 1, 1, 1, 0]})
    fit = co.parametric_survival(endpoint(frame), distribution="exponential")
    row = fit.tidy().iloc[0]
    assert_allclose(row["estimate"], np.log(7.5), rtol=1e-12)
    assert_allclose(row["std_error"], 0.5, rtol=1e-12)
    assert_allclose(fit.glance()["log_likelihood"], -4 * np.log(7.5) - 4, rtol=1e-12)
    assert_allclose(fit.survival_at([10])["estimate"], np.exp(-10 / 7.5), rtol=1e-12)
    assert_allclose(fit.quantile()["estimate"], 7.5 * np.log(2), rtol=1e-12)
    # Entering on day 2 takes 2 days of observation from each: 20 days for 4 events.
    late = co.parametric_survival(endpoint(frame.assign(entry=2), truncated=True), distribution="exponential")
    assert_allclose(late.tidy()["estimate"], np.log(5), rtol=1e-12)


def test_exponential_ratio_by_hand() -> None:
    # 2 events in 10 days against 3 in 30: rate ratio (3/30)/(2/10) = 1/2, variance of its log 1/2 + 1/3.
    frame = pd.DataFrame({"time": [4, 6, 5, 15, 10], "event": 1, "arm": [0, 0, 1, 1, 1]})
    fit = co.parametric_survival(endpoint(frame), "arm", "exponential")
    hazard = fit.ratios("hazard_ratio").iloc[0]
    assert_allclose(hazard["estimate"], 0.5, rtol=1e-12)
    assert_allclose(hazard["std_error"], np.sqrt(1 / 2 + 1 / 3), rtol=1e-12)
    assert_allclose(fit.ratios().iloc[0]["estimate"], 2.0, rtol=1e-12)


def test_lognormal_of_complete_data_is_least_squares() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=40)
    log_t = 2 + 0.5 * x + rng.normal(size=40)
    frame = pd.DataFrame({"time": np.exp(log_t), "event": 1, "x": x})
    fit = co.parametric_survival(endpoint(frame), "x", "lognormal")
    slope, intercept = np.polyfit(x, log_t, 1)
    spread = np.sqrt(np.mean((log_t - intercept - slope * x) ** 2))
    assert_allclose(fit.tidy()["estimate"], [intercept, slope, np.log(spread)], rtol=1e-10)


# scales and comparison


def test_weibull_ratios_of_hazards_and_times() -> None:
    fit = co.parametric_survival(endpoint(reference()), "arm + age")
    b = fit.tidy().set_index("term")["estimate"]
    hazard = fit.ratios("hazard_ratio").set_index("term")
    assert_allclose(hazard.loc["arm", "estimate"], np.exp(-b["arm"] / np.exp(b["log(scale)"])), rtol=1e-12)
    assert (hazard["conf_low"] < hazard["estimate"]).all()
    # The hazard ratio of a Weibull model is near Cox's, where the distribution is right.
    cox = co.cox(endpoint(reference()), "arm + age").tidy()
    assert_allclose(np.log(hazard["estimate"]), cox["estimate"], atol=0.05)
    assert_allclose(hazard["std_error"], cox["std_error"], rtol=0.05)
    assert "time ratio" in repr(fit)
    assert "hazard ratio" in repr(fit)
    odds = co.parametric_survival(endpoint(reference()), "arm", "loglogistic").ratios("odds_ratio")
    assert odds["estimate"].item() > 1


def test_the_distributions_are_compared() -> None:
    table = co.parametric_survival(endpoint(reference()), "arm + age").compare()
    assert set(table["distribution"]) == set(FAMILIES)
    assert_allclose(table["aic"], 2 * table["df"] - 2 * table["log_likelihood"])
    one = co.parametric_survival(endpoint(reference()), "arm + age", "lognormal")
    row = table.set_index("distribution").loc["lognormal"]
    assert_allclose(row["aic"], one.glance()["aic"].item(), rtol=1e-10)
    # The gamma contains Weibull and log-normal.
    likelihood = table.set_index("distribution")["log_likelihood"]
    assert likelihood["gengamma"] >= max(likelihood["weibull"], likelihood["lognormal"])


# properties


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from(list(FAMILIES)), st.floats(0.01, 400))
def test_units_shifts_and_order_do_not_matter(seed: int, distribution: str, c: float) -> None:
    rng = np.random.default_rng(seed)
    n = 80
    x = rng.normal(size=n)
    time = np.exp(1 + 0.4 * x) * rng.weibull(1.2, n) + 0.01
    frame = pd.DataFrame({"time": time, "event": rng.integers(0, 2, n), "x": x})
    try:
        fit = co.parametric_survival(endpoint(frame), "x", distribution)
    except EstimationError:
        assume(
            distribution != "gengamma"
        )  # its shape may run to infinity: refused, and another sample is drawn
        raise
    scaled = co.parametric_survival(endpoint(frame.assign(time=c * time)), "x", distribution)
    b, again = (r.tidy().set_index("term")["estimate"] for r in (fit, scaled))
    tolerance = 1e-4 if distribution == "gengamma" else 1e-6
    assert_allclose(again["x"], b["x"], rtol=tolerance, atol=tolerance)
    moved = np.log(c) if distribution != "gompertz" else -np.log(c)
    assert_allclose(again["Intercept"], b["Intercept"] + moved, rtol=tolerance, atol=tolerance)
    shifted = frame.assign(x=frame["x"] * 10 + 1000).sample(frac=1, random_state=1)
    other = co.parametric_survival(endpoint(shifted), "x", distribution).tidy().set_index("term")["estimate"]
    assert_allclose(10 * other["x"], b["x"], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("distribution", list(FAMILIES))
def test_derivatives_are_those_of_differences(distribution: str) -> None:
    family = FAMILIES[distribution]
    rng = np.random.default_rng(5)
    t, eta = rng.exponential(1, 9) + 0.1, rng.normal(0, 0.3, 9)
    a = np.array([0.2, -0.7])[: len(family.parameters)]
    for k in (0, 1):
        jet = family.jets(t, eta, a)[k]
        for i in range(1 + len(a)):
            step = 1e-5 * np.eye(1 + len(a))[i]
            up, down = (family.jets(t, eta + s * step[0], a + s * step[1:])[k] for s in (1, -1))
            assert_allclose((up.value - down.value) / 2e-5, jet.first[:, i], rtol=1e-6, atol=1e-8)
            assert_allclose((up.first - down.first) / 2e-5, jet.second[:, i], rtol=1e-5, atol=1e-6)


def test_splitting_follow_up_changes_nothing() -> None:
    frame = reference()[["arm", "age", "time", "event"]]
    middle = frame["time"] / 2
    rows = pd.concat(
        [
            frame.assign(id=frame.index, start=0.0, stop=middle, event=0),
            frame.assign(id=frame.index, start=middle, stop=frame["time"]),
        ],
        ignore_index=True,
    )
    split = co.Endpoint.from_columns(rows, start="start", stop="stop", event="event", id="id")
    for distribution in ("weibull", "gompertz"):
        first = co.parametric_survival(endpoint(frame), "arm + age", distribution)
        second = co.parametric_survival(split, "arm + age", distribution)
        assert_allclose(second.tidy()["estimate"], first.tidy()["estimate"], rtol=1e-8)
        assert second.estimate.n == first.estimate.n
    robust = co.parametric_survival(split, "arm", robust=True).tidy()["std_error"]
    assert_allclose(
        robust, co.parametric_survival(endpoint(frame), "arm", robust=True).tidy()["std_error"], rtol=1e-7
    )


def covered(replicates: int, n: int) -> tuple[float, float]:
    rng, hits = np.random.default_rng(21), np.zeros(2)
    truth = np.exp(-((20 / np.exp(3.2)) ** 1.5))
    for _ in range(replicates):
        arm = np.arange(n) % 2
        time = np.exp(3.2 + 0.5 * arm) * rng.weibull(1.5, n)
        entry, last = rng.uniform(0, 8, n), rng.uniform(10, 60, n)
        frame = pd.DataFrame(
            {"time": np.minimum(time, last), "event": time <= last, "entry": entry, "arm": arm}
        )
        fit = co.parametric_survival(endpoint(frame[time > entry], truncated=True), "arm")
        row = fit.tidy().set_index("term").loc["arm"]
        hits[0] += row["conf_low"] <= 0.5 <= row["conf_high"]
        curve = fit.survival_at([20], pd.DataFrame({"arm": [0]})).iloc[0]
        hits[1] += curve["conf_low"] <= truth <= curve["conf_high"]
    return hits[0] / replicates, hits[1] / replicates


def test_limits_hold_the_truth() -> None:
    assert min(covered(40, 120)) > 0.86


@pytest.mark.slow
def test_limits_hold_the_truth_in_19_of_20() -> None:
    for share in covered(1000, 200):
        assert abs(share - 0.95) < 0.022


# result, figure, errors


@pytest.mark.parametrize("width", [85.0, 170.0])
def test_the_figure_draws_the_curve(width: float) -> None:
    from cohort.plots.smooth_survival import plot_smooth_survival

    fit = co.parametric_survival(endpoint(reference()), "arm")
    patients = pd.DataFrame({"arm": [0, 1]}, index=["axi-cel", "tisa-cel"])
    rows = fit.survival_at(np.linspace(0, 100, 101), patients)
    ax = plot_smooth_survival(rows, width_mm=width)
    lines = [line for line in ax.lines if line.get_gid() == "curve"]
    assert len(lines) == 2
    assert_allclose(np.asarray(lines[0].get_ydata())[:80], rows["estimate"].iloc[:80])
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert style.check_layout(fig) == []
    plt.close("all")


def test_without_covariates_there_is_a_median() -> None:
    fit = co.parametric_survival(endpoint(reference()))
    assert fit.text("median").startswith("median ")
    assert "median (days)" in repr(fit)
    ax = fit.plot()
    assert any(line.get_gid() == "curve" for line in ax.lines)
    plt.close("all")
    assert fit.survival_at([0])[["estimate", "conf_low", "conf_high"]].to_numpy().tolist() == [[1, 1, 1]]


def test_a_falling_hazard_never_reaches_everybody() -> None:
    rng = np.random.default_rng(2)
    cured = rng.random(200) < 0.7
    time = np.where(cured, 100, np.minimum(rng.exponential(5, 200) + 0.01, 100))
    frame = pd.DataFrame({"time": time, "event": time < 100})
    fit = co.parametric_survival(endpoint(frame), distribution="gompertz")
    assert fit.tidy()["estimate"].iloc[1] < 0
    assert fit.quantile(0.9)["reason"].item() == "never reached"


def competing() -> co.Endpoint:
    data = reference().assign(event=lambda f: np.where(f.index % 5 == 0, 2 * f["event"], f["event"]))
    return co.Endpoint.from_columns(data, time="time", event="event", states={1: "relapse", 2: "nrm"})


BAD = [
    (lambda e: co.parametric_survival(e, "arm", "weibul"), EstimationError, "'weibull'"),
    (lambda e: co.parametric_survival(competing(), "arm"), EndpointError, 'event="relapse"'),
    (
        lambda e: co.parametric_survival(competing(), "arm", event="nrm").survival_at([3]),
        CompetingRiskError,
        "co.cumulative_incidence",
    ),
    (lambda e: co.parametric_survival(e, "arm").survival_at([3]), EstimationError, "give data="),
    (
        lambda e: co.parametric_survival(e, "arm").survival_at([3], pd.DataFrame({"arm": [1, None]})),
        EstimationError,
        "1 of 2 rows",
    ),
    (
        lambda e: co.parametric_survival(e, "arm", "lognormal").ratios("hazard_ratio"),
        EstimationError,
        "time_ratio",
    ),
    (lambda e: co.parametric_survival(e).quantile(50), EstimationError, "quantile(0.5)"),
    (lambda e: co.parametric_survival(e, cluster="arm"), EstimationError, "name covariates"),
    (lambda e: co.parametric_survival(e, "sex"), CohortError, "sex"),
    (lambda e: co.parametric_survival(e, "arm", conf_level=95), EstimationError, "0.95"),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_calls_are_refused(call, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as raised:
        call(endpoint(reference()))
    assert words in str(raised.value)


@pytest.mark.parametrize("distribution", list(FAMILIES))
def test_a_group_without_events_has_no_estimate(distribution: str) -> None:
    frame = reference().assign(event=lambda f: f["event"] * (f["arm"] == 0))
    with pytest.raises(EstimationError, match="arm"):
        co.parametric_survival(endpoint(frame), "arm + age", distribution)


@pytest.mark.parametrize("distribution", list(FAMILIES))
def test_without_events_there_is_no_estimate(distribution: str) -> None:
    with pytest.raises(CohortError, match="no event"):
        co.parametric_survival(endpoint(reference().assign(event=0)), None, distribution)


def test_regression_and_curves_exclude_each_other() -> None:
    data = pd.read_csv(REFERENCE / "interval_censored" / "data.csv")
    with pytest.raises(EstimationError, match="leave by= and seed= out"):
        co.interval_censored("lower", "upper", data, by="arm", formula="age")
    with pytest.raises(EstimationError, match="half a day"):
        co.interval_censored("lower", "upper", data.assign(lower=0, upper=0), formula="age")


def test_covariates_that_become_known_later_are_refused() -> None:
    facts = {"arm": ColumnFacts(known="daily", known_day=30)}
    with pytest.raises(ImmortalTimeError):
        co.parametric_survival(endpoint(declare_facts(reference(), facts)), "arm")
