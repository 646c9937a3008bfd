"""calibration and decision_curve: against R prodlim, geepack and survival (tests/reference/prediction/make.R)."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort import style
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EstimationError, ImmortalTimeError, IncorporationError
from cohort.estimators.calibration_fit import cloglog, inverse_cloglog
from cohort.estimators.pseudo_values import pseudo_values
from cohort.models.calibration_measures import smooth_columns

FOLDER = Path(__file__).parents[1] / "reference/prediction"
DATA = pd.read_csv(FOLDER / "data.csv")
DATA["dead"] = (DATA["status"] > 0).astype(int)
EXPECTED = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False, dtype={"value": float, "term": str})
STATES = {1: "relapse", 2: "death"}
DIRECT = 1e-10  # sums of 300 terms in another order than R's
ITERATIVE = 1e-8  # geese stops when coefficients move by less than 1e-13, from Fisher scoring
WAYS = [(when, kind) for when in ("days", "day") for kind in ("competing", "survival")]


def endpoint(when="days", kind="competing", data=DATA):
    if kind == "competing":
        return co.Endpoint.from_columns(data, time=when, event="status", states=STATES, name="relapse")
    return co.Endpoint.from_columns(data, time=when, event="dead")


def chosen(kind):
    return "relapse" if kind == "competing" else None


def expected(analysis, term=None, time=None):
    rows = EXPECTED[EXPECTED["analysis"] == analysis]
    rows = rows if term is None else rows[rows["term"] == term]
    rows = rows if time is None else rows[rows["time"] == time]
    assert len(rows)
    return rows


def value(analysis, term, quantity, time=60):
    rows = expected(analysis, term, time)
    return rows.loc[rows["quantity"] == quantity, "value"].item()


@pytest.mark.parametrize(("when", "kind"), WAYS)
def test_pseudo_values_equal_those_by_leaving_each_out(when, kind):
    event = (DATA["status"] if kind == "competing" else DATA["dead"]).to_numpy()
    ours = pseudo_values(DATA[when].to_numpy(float), event, 1, 60.0)
    theirs = expected(f"pseudo {kind} {when}").set_index("time")["value"]
    np.testing.assert_allclose(ours[theirs.index.to_numpy(int) - 1], theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("when", "kind"), WAYS)
def test_calibration_equals_geese_on_pseudo_values(when, kind):
    fit = co.calibration(endpoint(when, kind), "risk60", 60, event=chosen(kind))
    name, tidy = f"calibration {kind} {when}", fit.tidy().set_index("term")
    for term in ("intercept", "slope"):
        row = tidy.loc[f"calibration_{term}"]
        assert row["estimate"] == pytest.approx(value(name, term, "estimate"), rel=ITERATIVE, abs=ITERATIVE)
        assert row["std_error"] == pytest.approx(value(name, term, "se"), rel=1e-7)
    for term, theirs in (
        ("mean_absolute_error", "ici"),
        ("median_absolute_error", "e50"),
        ("p90_absolute_error", "e90"),
    ):
        assert tidy.loc[term, "estimate"] == pytest.approx(value(name, theirs, "estimate"), rel=1e-6)


@pytest.mark.parametrize(("when", "kind"), WAYS)
def test_observed_of_everybody_and_of_groups_equal_survfit(when, kind):
    fit = co.calibration(endpoint(when, kind), "risk60", 60, event=chosen(kind))
    groups, name = fit.by_group(), f"observed {kind} {when}"
    for k, row in enumerate(groups.to_dict("records"), start=1):
        assert row["estimate"] == pytest.approx(value(name, str(k), "estimate"), rel=DIRECT)
        assert row["std_error"] == pytest.approx(value(name, str(k), "se"), rel=1e-8)
        assert row["predicted"] == pytest.approx(value(name, str(k), "predicted"), rel=DIRECT)
    ratio = fit.tidy().set_index("term").loc["observed_expected_ratio"]
    observed, predicted = value(name, "0", "estimate"), value(name, "0", "predicted")
    assert ratio["estimate"] == pytest.approx(observed / predicted, rel=DIRECT)
    assert ratio["std_error"] == pytest.approx(value(name, "0", "se") / observed, rel=1e-8)


def test_the_curve_passes_through_the_fitted_values():
    fit = co.calibration(endpoint(), "risk60", 60, event="relapse")
    theirs = expected("smooth competing days").pivot_table(index="time", columns="quantity", values="value")
    patient = theirs.index.to_numpy(int) - 1
    X = smooth_columns(cloglog(DATA["risk60"].to_numpy()[patient]), fit.knots)
    np.testing.assert_allclose(inverse_cloglog(X @ fit.smooth.estimate), theirs["estimate"], rtol=1e-6)
    error = np.sqrt(np.einsum("ij,jk,ik->i", X, fit.smooth.covariance, X))
    np.testing.assert_allclose(error, theirs["se"], rtol=1e-5)
    drawn = fit.curve()
    assert drawn["predicted"].iloc[[0, -1]].tolist() == [DATA["risk60"].min(), DATA["risk60"].max()]


@pytest.mark.parametrize(("when", "kind"), WAYS)
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.45])
def test_net_benefit_equals_the_definition_on_survfit(when, kind, threshold):
    fit = co.decision_curve(
        endpoint(when, kind), ["risk60", "other60"], 60, thresholds=[threshold], event=chosen(kind)
    )
    tidy = fit.tidy().set_index("term")["estimate"]
    for ours, theirs in (("risk60", "risk60"), ("other60", "other60"), ("treat all", "all")):
        assert tidy[ours] == pytest.approx(
            value(f"benefit {kind} {when}", theirs, "estimate", threshold), rel=1e-9
        )
    assert tidy["treat none"] == 0


def test_net_benefit_by_hand():
    """At 0.5 those with 0.8 and 0.6 are treated: one of 4 with, one without the event: 1/4 - 1/4 x 1 = 0."""
    frame = pd.DataFrame({"severe": ["yes", "no", "yes", "no"], "risk": [0.8, 0.6, 0.4, 0.1]})
    fit = co.decision_curve("severe", "risk", data=frame, thresholds=[0.2, 0.5])
    tidy = fit.tidy().set_index(["term", "threshold"])["estimate"]
    assert tidy["risk", 0.5] == 0
    assert tidy["risk", 0.2] == pytest.approx(2 / 4 - 1 / 4 * 0.25, rel=1e-15)  # 3 treated, 2 with the event
    assert tidy["treat all", 0.2] == pytest.approx(2 / 4 - 2 / 4 * 0.25, rel=1e-15)
    avoided = fit.interventions_avoided().set_index("threshold")["estimate"]
    assert avoided[0.2] == pytest.approx((1 / 4 * 0.25) / 0.25, rel=1e-12)  # one of 4 needs no treatment


def test_pseudo_values_without_censoring_are_the_event():
    stop, event = np.array([1.0, 2.0, 2.0, 3.0, 5.0]), np.array([1, 2, 1, 1, 2])
    np.testing.assert_allclose(pseudo_values(stop, event, 1, 3.0), [1, 0, 1, 1, 0], atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(5, 40))
def test_pseudo_values_equal_leaving_out_one_by_one(seed, n):
    rng = np.random.default_rng(seed)
    stop, event = rng.integers(1, 8, n).astype(float), rng.integers(0, 3, n)

    def incidence(keep):
        at_risk, survival, total = 0, 1.0, 0.0
        for t in range(1, 6):
            at_risk = ((stop >= t) & keep).sum()
            if not at_risk:
                break
            own = ((stop == t) & (event == 1) & keep).sum()
            total += survival * own / at_risk
            survival *= 1 - ((stop == t) & (event > 0) & keep).sum() / at_risk
        return total

    everybody = np.ones(n, dtype=bool)
    by_hand = [n * incidence(everybody) - (n - 1) * incidence(np.arange(n) != i) for i in range(n)]
    np.testing.assert_allclose(pseudo_values(stop, event, 1, 5.0), by_hand, atol=1e-10)


def perfect(rng, n=2000):
    """Risks that are right by construction: exponential times with the hazard that gives each its risk by day 30."""
    risk = rng.uniform(0.05, 0.6, n)
    time = rng.exponential(-30 / np.log1p(-risk))
    last = rng.uniform(20, 90, n)
    return pd.DataFrame(
        {"days": np.minimum(time, last), "dead": (time <= last).astype(int), "risk": risk, "twice": risk / 2}
    )


def test_right_risks_are_calibrated_and_halved_ones_are_not():
    rng, held, ratio = np.random.default_rng(11), [], []
    for _ in range(40):
        own = perfect(rng, 400)
        fit = co.calibration(co.Endpoint.from_columns(own, time="days", event="dead"), "risk", 30)
        tidy = fit.tidy().set_index("term")
        ideal = {"observed_expected_ratio": 1, "calibration_intercept": 0, "calibration_slope": 1}
        held.append([tidy.loc[t, "conf_low"] <= v <= tidy.loc[t, "conf_high"] for t, v in ideal.items()])
        halved = co.calibration(co.Endpoint.from_columns(own, time="days", event="dead"), "twice", 30)
        ratio.append(halved.tidy()["estimate"].iloc[0])
    assert (np.mean(held, axis=0) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 40)).all()
    assert abs(np.mean(ratio) - 2) < 3 * np.std(ratio) / np.sqrt(40)


@pytest.mark.slow
def test_limits_hold_the_truth_in_95_of_100():
    rng, held = np.random.default_rng(12), []
    for _ in range(1000):
        own = perfect(rng, 400)
        tidy = co.calibration(co.Endpoint.from_columns(own, time="days", event="dead"), "risk", 30).tidy()
        low, high = (tidy[c].to_numpy(float)[:3] for c in ("conf_low", "conf_high"))
        held.append((low <= [1, 0, 1]) & (high >= [1, 0, 1]))
    np.testing.assert_allclose(np.mean(held, axis=0), 0.95, atol=3 * np.sqrt(0.05 * 0.95 / 1000) + 0.01)


def test_figures_draw_what_tidy_says():
    fit = co.calibration(endpoint(), "risk60", 60, event="relapse")
    ax = fit.plot()
    lines = {line.get_gid(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["groups"].get_xdata(), fit.by_group()["predicted"])
    np.testing.assert_array_equal(lines["groups"].get_ydata(), fit.by_group()["estimate"])
    np.testing.assert_array_equal(lines["curve"].get_ydata(), fit.curve()["estimate"])
    assert style.check_layout(ax.figure) == []
    curve = co.decision_curve(endpoint(), ["risk60", "other60"], 60, event="relapse")
    ax = curve.plot()
    drawn = next(line for line in ax.lines if line.get_gid() == "curve other60")
    own = curve.tidy()
    np.testing.assert_array_equal(drawn.get_ydata(), own.loc[own["term"] == "other60", "estimate"])
    assert style.check_layout(ax.figure) == []
    plt.close("all")


def test_what_cannot_be_estimated_says_why():
    frame = DATA.assign(zero=0.0, same=0.3, some=DATA["risk60"].where(DATA.index > 0, 0.0))
    own = endpoint(data=frame)
    tidy = {
        r: co.calibration(own, r, 60, event="relapse").tidy().set_index("term")
        for r in ("zero", "same", "some")
    }
    assert tidy["zero"].loc["observed_expected_ratio", "reason"] == "all risks are 0"
    assert "same" in tidy["same"].loc["calibration_slope", "reason"]
    assert "0 or 1" in tidy["some"].loc["calibration_slope", "reason"]
    assert np.isnan(tidy["some"].loc["calibration_slope", "estimate"])
    few = pd.DataFrame({"days": [2, 4, 5, 6, 9], "dead": [1, 1, 0, 1, 0], "risk": [0.7, 0.5, 0.3, 0.2, 0.3]})
    small = co.calibration(
        co.Endpoint.from_columns(few, time="days", event="dead"), "risk", 4, groups=2
    ).tidy()
    assert small["estimate"].iloc[0] == pytest.approx(0.4 / 0.4, rel=1e-14)
    assert small.set_index("term").loc["calibration_slope", "reason"]


@pytest.mark.parametrize(
    ("call", "error", "pattern"),
    [
        (
            lambda: co.calibration(endpoint(), "easix", 60, event="relapse"),
            EstimationError,
            "between 0 and 1",
        ),
        (
            lambda: co.calibration(endpoint(), "risk60", [30, 60], event="relapse"),
            EstimationError,
            "one time",
        ),
        (
            lambda: co.calibration(endpoint(), "risk60", 60, event="relapse", groups=0),
            EstimationError,
            "groups=0",
        ),
        (lambda: co.calibration(endpoint(), "risk60", 900, event="relapse"), EstimationError, "900"),
        (
            lambda: co.calibration(
                endpoint(data=declare_facts(DATA, {"risk60": ColumnFacts("daily", 7)})),
                "risk60",
                60,
                event="relapse",
            ),
            ImmortalTimeError,
            "landmark_day",
        ),
        (lambda: co.decision_curve(endpoint(), "risk60", event="relapse"), EstimationError, "time=30"),
        (lambda: co.decision_curve("dead", "risk60", 60, DATA), EstimationError, "pass an endpoint"),
        (
            lambda: co.decision_curve("dead", "risk60", data=DATA, thresholds=[0, 0.2]),
            EstimationError,
            "1 of 2",
        ),
        (lambda: co.decision_curve("dead", [], data=DATA), EstimationError, "no predicted risk"),
        (
            lambda: co.decision_curve(
                "severe_icans",
                "edema_risk",
                data=declare_facts(
                    DATA.assign(severe_icans=DATA["dead"], edema_risk=DATA["risk60"]),
                    {
                        "severe_icans": ColumnFacts(measures=("icans_grade",)),
                        "edema_risk": ColumnFacts(part_of=("icans_grade",)),
                    },
                ),
            ),
            IncorporationError,
            "edema_risk",
        ),
    ],
)
def test_errors(call, error, pattern):
    with pytest.raises(error, match=pattern):
        call()
