"""Shared frailty: by hand, against R survival::coxph(frailty()) 3.5-3, properties, simulation, errors, figures."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import cohort as co
from cohort import style
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import CohortError, EstimationError, ImmortalTimeError

REFERENCE = Path(__file__).parents[1] / "reference" / "frailty"
# The variance is a root of the score here and the top of a parabola in R; everything else moves with it.
RTOL_VARIANCE = 1e-7
RTOL = 1e-7
# Log-likelihoods are flat there.
RTOL_LIKELIHOOD = 1e-11
# Where coxph itself stops (its eps tightened).
RTOL_EM = 1e-5


def reference(name: str) -> pd.DataFrame:
    rows = pd.read_csv(REFERENCE / "data.csv", float_precision="round_trip")
    return rows[rows["set"] == name].reset_index(drop=True)


def expected(name: str, model: str) -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / "expected.csv", dtype={"term": str})
    table = table[(table["set"] == name) & (table["model"] == model)]
    assert len(table)
    return table.set_index("quantity")


def endpoint(data: pd.DataFrame) -> co.Endpoint:
    columns = {"entry": "start"} if (data["start"] > 0).any() else {}
    return co.Endpoint.from_columns(data, time="stop", event="event", **columns)


def fitted(name: str, model: str):
    strata = model.endswith("strata")
    return co.shared_frailty(
        endpoint(reference(name)),
        "x + arm",
        "center",
        distribution="lognormal" if model == "lognormal" else "gamma",
        strata="stratum" if strata else None,
        ties="breslow" if strata else "efron",
    )


CASES = [
    *(
        (name, model)
        for name in ("ties", "entry", "few")
        for model in ("gamma", "gamma_breslow_strata", "lognormal")
    ),
    *(("kidney", model) for model in ("gamma", "lognormal")),
]


@pytest.mark.parametrize(("name", "model"), CASES)
def test_it_is_that_of_coxph(name: str, model: str) -> None:
    fit, wanted = fitted(name, model), expected(name, model)
    value = wanted["value"]
    theta = fit.heterogeneity().iloc[0]
    assert_allclose(theta["estimate"], value["theta"], rtol=RTOL_VARIANCE)
    assert_allclose(theta["conf_high"], value["theta_high"], rtol=RTOL)
    assert_allclose(theta["conf_low"], value["theta_low"], rtol=RTOL)
    assert_allclose(fit.fit.log_likelihood, value["log_likelihood"], rtol=RTOL_LIKELIHOOD)
    assert_allclose(fit.fit.log_likelihood_cox, value["log_likelihood_cox"], rtol=RTOL_LIKELIHOOD)
    tidy = fit.tidy()
    assert_allclose(tidy["estimate"], value["estimate"], rtol=RTOL)
    assert_allclose(tidy["std_error"], value["std_error"], rtol=RTOL)
    centers = fit.frailties(exponentiate=False)
    assert_array_equal(centers["level"], wanted.loc["log_frailty", "term"])
    assert_allclose(centers["estimate"], value["log_frailty"], rtol=RTOL, atol=1e-7)
    assert_allclose(centers["std_error"], value["frailty_se"], rtol=RTOL)


@pytest.mark.parametrize("name", ["kidney", "ties", "entry", "few"])
def test_the_variance_is_where_coxph_stops(name: str) -> None:
    assert_allclose(
        fitted(name, "gamma").fit.theta, expected(name, "gamma")["value"]["theta_em"], rtol=RTOL_EM
    )


@pytest.mark.parametrize("model", ["gamma", "lognormal"])
def test_no_variance_is_zero_and_the_ratios_are_those_of_cox(model: str) -> None:
    assert expected("none", model)["value"]["theta"] == 0
    fit, plain = fitted("none", model), co.cox(endpoint(reference("none")), "x + arm")
    for column in ("estimate", "std_error"):
        assert_allclose(fit.tidy()[column], plain.tidy()[column], rtol=1e-12)
    spread = fit.heterogeneity()
    assert_array_equal(spread["estimate"], [0.0, 1.0])
    assert_array_equal(spread["conf_low"], [0.0, 1.0])
    assert (spread["conf_high"] > [0.0, 1.0]).all()
    assert (spread["p_value"] == 1).all()
    assert "hazard ratios are those of co.cox" in repr(fit)
    centers = fit.frailties()
    assert centers["conf_low"].isna().all()
    assert (centers["estimate"] == 1).all()
    assert (centers["reason"] != "").all()
    with pytest.raises(EstimationError, match=r"(?s)same hazard.*heterogeneity"):
        fit.plot_frailties()


def test_by_hand_predictions_are_posterior_means() -> None:
    # Breslow's hazard of the fit: dL(t) = d(t) / sum over the risk set of z exp(xb); H_j = sum of exp(xb) L(t) over
    # the rows of center j. The mean of a gamma frailty given d_j events is (1/theta + d_j) / (1/theta + H_j), and the
    # test is half the tail of a chi-squared.
    data = reference("ties")
    fit = co.shared_frailty(endpoint(data), "x + arm", "center", ties="breslow")
    z, nu = fit.frailties()["estimate"].to_numpy(), 1 / fit.fit.theta
    center = data["center"].to_numpy() - 1
    risk = np.exp(data[["x", "arm"]].to_numpy() @ fit.tidy()["estimate"].to_numpy())
    stop, event = data["stop"].to_numpy(), data["event"].to_numpy()
    days = np.unique(stop[event == 1])
    jump = [(event[stop == t]).sum() / (risk * z[center])[stop >= t].sum() for t in days]
    total = np.append(0, np.cumsum(jump))[np.searchsorted(days, stop, "right")]
    H = np.bincount(center, risk * total)
    d = np.bincount(center, event)
    assert_allclose(z, (nu + d) / (nu + H), rtol=1e-10)
    assert_allclose(z.mean(), 1, rtol=1e-12)
    assert_array_equal(fit.frailties()["n_event"], d)
    assert_array_equal(fit.frailties()["n"], np.bincount(center))
    found = fit.heterogeneity().iloc[0]
    assert_allclose(found["statistic"], 2 * (fit.fit.log_likelihood - fit.fit.log_likelihood_cox))


def test_median_hazard_ratio_is_that_of_pairs_of_centers() -> None:
    rng = np.random.default_rng(1)
    for model, draw in (
        ("gamma", lambda v: rng.gamma(1 / v, v, (2, 400_000))),
        ("lognormal", lambda v: np.exp(rng.normal(0, np.sqrt(v), (2, 400_000)))),
    ):
        fit = fitted("ties", model)
        a, b = draw(fit.fit.theta)
        assert_allclose(
            fit.heterogeneity()["estimate"].iloc[1], np.median(np.maximum(a / b, b / a)), rtol=8e-3
        )


@settings(deadline=None, max_examples=10)
@given(st.randoms(), st.floats(0.1, 10))
def test_order_names_and_units_do_not_matter(order, scale: float) -> None:
    data = reference("few")
    wanted = co.shared_frailty(endpoint(data), "x + arm", "center")
    rows = list(range(len(data)))
    order.shuffle(rows)
    moved = data.iloc[rows].reset_index(drop=True)
    names = "site " + (99 - moved["center"]).astype(str)
    moved = moved.assign(stop=moved["stop"] * scale, x=moved["x"] * 3 + 50, center=names)
    found = co.shared_frailty(endpoint(moved), "x + arm", "center")
    assert_allclose(found.fit.theta, wanted.fit.theta, rtol=1e-7)
    assert_allclose(found.tidy()["estimate"] * [3, 1], wanted.tidy()["estimate"], rtol=1e-7)
    assert_allclose(found.frailties()["estimate"][::-1], wanted.frailties()["estimate"], rtol=1e-7)


def simulated(
    rng: np.random.Generator, n_center: int, size: int, theta: float, gamma: bool = True
) -> pd.DataFrame:
    z = rng.gamma(1 / theta, theta, n_center) if gamma else np.exp(rng.normal(0, np.sqrt(theta), n_center))
    center = np.repeat(np.arange(n_center), size)
    x = rng.normal(size=len(center))
    t = rng.exponential(50 / (z[center] * np.exp(0.5 * x)))
    return pd.DataFrame(
        {"center": center, "x": x, "start": 0.0, "stop": np.minimum(t, 80), "event": (t <= 80) * 1}
    )


def coverage(runs: int, seed: int, gamma: bool) -> tuple[float, float, float]:
    """Share of limits that hold the coefficient, of those that hold the variance, and the mean coefficient."""
    rng = np.random.default_rng(seed)
    inside, spread, mean = 0, 0, 0.0
    for _ in range(runs):
        data = simulated(rng, 25, 12, 0.4, gamma)
        name = "gamma" if gamma else "lognormal"
        fit = co.shared_frailty(endpoint(data), "x", "center", distribution=name)
        row, variance = fit.tidy().iloc[0], fit.heterogeneity().iloc[0]
        inside += row["conf_low"] <= 0.5 <= row["conf_high"]
        spread += variance["conf_low"] <= 0.4 <= variance["conf_high"]
        mean += row["estimate"] / runs
    return inside / runs, spread / runs, mean


@pytest.mark.parametrize("gamma", [True, False])
def test_coverage_in_a_few_samples(gamma: bool) -> None:
    inside, spread, mean = coverage(40, 5, gamma)
    assert inside >= 0.85
    assert spread >= 0.85
    assert abs(mean - 0.5) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [True, False])
def test_coverage_in_many_samples(gamma: bool) -> None:
    inside, spread, mean = coverage(400, 6, gamma)
    # Monte-Carlo error of a share of 0.95 in 400 samples is 0.011.
    assert 0.92 <= inside <= 0.98
    assert 0.92 <= spread <= 0.985
    assert abs(mean - 0.5) < 0.015


def test_the_test_of_no_variance_keeps_its_level() -> None:
    rng = np.random.default_rng(8)
    p = []
    for _ in range(60):
        data = simulated(rng, 20, 8, 0.4).assign(center=lambda f: rng.permutation(f["center"]))
        p.append(co.shared_frailty(endpoint(data), "x", "center").fit.p_value)
    # 5% of 60 is 3; at least half of the estimates are zero.
    assert np.mean(np.array(p) < 0.05) <= 0.12
    assert 0.3 <= np.mean(np.array(p) == 1) <= 0.85


# what is not a number, and what is refused

DATA = reference("few")
REFUSED = [
    (DATA.assign(center=1), {}, r"one group has no variance.*1 group of 240 rows.*co\.cox"),
    (DATA.assign(center=np.arange(240)), {}, r"no group has two rows.*240 groups.*frailty="),
    (DATA, {"formula": "x + center"}, r"covariate or stratum and a random effect.*leave center out"),
    (DATA, {"strata": "center"}, r"covariate or stratum and a random effect"),
    (DATA, {"distribution": "normal"}, r"distribution='normal' is unknown.*lognormal"),
    (DATA, {"frailty": "centre"}, r"unknown column centre"),
    (DATA.assign(event=0), {}, r"there is no event"),
    (DATA.assign(x=1.0), {}, r"column x is constant"),
    (DATA.assign(x=np.where(DATA["center"] == 3, np.inf, 0)), {}, r"column x has infinite values"),
    (DATA.assign(event=DATA["event"] * (DATA["arm"] == 0)), {}, r"monotone likelihood.*arm"),
    (DATA.assign(center=np.nan), {}, r"no row is left"),
    (DATA, {"conf_level": 95}, r"confidence level"),
]


@pytest.mark.parametrize(("data", "arguments", "pattern"), REFUSED)
def test_refusals(data: pd.DataFrame, arguments: dict, pattern: str) -> None:
    call = {"formula": "x + arm", "frailty": "center", **arguments}
    with pytest.raises(CohortError, match=f"(?s){pattern}"):
        co.shared_frailty(endpoint(data), **call)


def test_a_center_without_events_is_drawn_towards_the_average_and_a_missing_center_is_left_out() -> None:
    data = DATA.assign(center=DATA["center"].where(DATA.index != 7))
    data["event"] = data["event"].where(data["center"] != 13, 0)
    fit = co.shared_frailty(endpoint(data), "x + arm", "center")
    row = fit.frailties().set_index("level").loc["13"]
    assert row["n_event"] == 0
    assert 0 < row["conf_low"] < row["estimate"] < 1 < row["conf_high"]
    assert "left out: 1 (center missing 1)" in repr(fit)
    assert "without an event, drawn towards the average" in " ".join(repr(fit).split())


def test_centers_who_all_left_before_the_first_event_have_no_information() -> None:
    data = DATA.copy()
    first = data.loc[data["event"] == 1, "stop"].min()
    last = data["center"] >= 15
    data.loc[last, ["stop", "event"]] = [first / 2, 0]
    fit = co.shared_frailty(endpoint(data), "x + arm", "center")
    centers = fit.frailties(exponentiate=False).tail(2)
    # Their prediction is the average, its variance that of the random effect.
    assert_allclose(centers["estimate"], 0, atol=1e-9)
    assert_allclose(centers["std_error"], np.sqrt(fit.fit.theta), rtol=1e-9)


def test_two_centers_and_all_events_in_one() -> None:
    data = DATA.assign(center=np.arange(240) % 2)
    assert "the variance rests on 2 of center" in repr(co.shared_frailty(endpoint(data), "x", "center"))
    apart = data.assign(event=data["event"] * (data["center"] == 0))
    fit = co.shared_frailty(endpoint(apart), "x", "center")
    assert np.isfinite(fit.fit.theta)
    assert fit.fit.theta > 1


def test_patients_may_be_the_groups_of_recurrent_rows() -> None:
    rng = np.random.default_rng(4)
    prone = rng.gamma(2, 0.5, 60)
    rows = [(i, 10 * k, 10 * k + 10, int(rng.random() < 0.3 * prone[i])) for i in range(60) for k in range(4)]
    data = pd.DataFrame(rows, columns=["id", "start", "stop", "event"]).assign(x=lambda f: f["id"] % 2)
    episodes = co.Endpoint.from_columns(data, start="start", stop="stop", event="event", id="id")
    fit = co.shared_frailty(episodes, "x", "id")
    assert fit.n == 60
    assert fit.n_rows == 240
    assert "60 in 240 rows" in repr(fit)


def test_a_covariate_known_later_is_refused() -> None:
    data = declare_facts(DATA, {"x": ColumnFacts(known="daily", unit="")})
    with pytest.raises(ImmortalTimeError):
        co.shared_frailty(endpoint(data), "x", "center")
    fit = co.shared_frailty(endpoint(data), "x", "center", acknowledge="immortal_time")
    assert "immortal_time" in fit.acknowledged


def test_the_caterpillar_draws_the_frailties_in_order() -> None:
    fit = fitted("ties", "gamma")
    ax = fit.plot_frailties()
    drawn = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "estimate"]
    assert_allclose(drawn, np.sort(fit.frailties()["estimate"]), rtol=1e-12)
    figure = ax.get_figure(root=True)
    assert style.check_layout(figure) == []
    plt.close(figure)
