"""kaplan_meier: against R survival 3.5-3 (tests/reference/kaplan_meier/make.R), guards, and what it returns."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import CohortError, CompetingRiskError, EstimationError, ImmortalTimeError
from cohort.models.kaplan_meier import kaplan_meier
from cohort.study.endpoints import Endpoint
from cohort.study.risk_sets import counting_process

FOLDER = Path(__file__).parents[1] / "reference/kaplan_meier"
DATA, EXPECTED = pd.read_csv(FOLDER / "data.csv"), pd.read_csv(FOLDER / "expected.csv")
EXPECTED["strata"] = EXPECTED["strata"].fillna("")
DIRECT = 1e-10
NAMES = {
    "n.risk": "n_risk",
    "n.event": "n_event",
    "n.censor": "n_censor",
    "surv": "estimate",
    "std.err": "std_error",
    "lower": "conf_low",
    "upper": "conf_high",
}


def survival(data=DATA, **options):
    return Endpoint.from_columns(data, time="days", event="died", name="overall_survival", **options)


def compare(analysis, at):
    expected = EXPECTED[EXPECTED["analysis"] == analysis]
    expected = expected[expected["quantity"].isin(NAMES)]
    assert len(expected) >= 40
    for (strata, quantity), part in expected.groupby(["strata", "quantity"]):
        got = at[at["strata"] == strata].set_index("time").loc[part["time"], NAMES[quantity]]
        np.testing.assert_allclose(got, part["value"], rtol=DIRECT, err_msg=f"{strata} {quantity}")


@pytest.mark.parametrize("conf_type", ["log-log", "log", "plain"])
def test_curve_equals_r(conf_type):
    expected = EXPECTED[EXPECTED["analysis"] == conf_type]
    times = expected.loc[expected["quantity"] == "surv", "time"].unique()
    compare(conf_type, kaplan_meier(survival(), by="product", conf_type=conf_type).at(times))


@pytest.mark.parametrize("conf_type", ["log-log", "plain"])
def test_left_truncated_curve_equals_r(conf_type):
    analysis = f"entry {conf_type}"
    times = EXPECTED.loc[EXPECTED["analysis"] == analysis, "time"].unique()
    fit = kaplan_meier(survival(entry="entry"), by="product", conf_type=conf_type)
    compare(analysis, fit.at(times))


def test_other_level_equals_r():
    times = EXPECTED.loc[EXPECTED["analysis"] == "level 0.9", "time"].unique()
    compare("level 0.9", kaplan_meier(survival(), conf_level=0.9).at(times))
    compare("level 0.9", kaplan_meier(survival()).at(times, conf_level=0.9))


@pytest.mark.parametrize("conf_type", ["log-log", "log", "plain"])
def test_quantiles_equal_r(conf_type):
    expected = EXPECTED[EXPECTED["analysis"] == f"quantile {conf_type}"]
    got = kaplan_meier(survival(), by="product", conf_type=conf_type).quantile((0.1, 0.25, 0.5, 0.75))
    for quantity, column in (("quantile", "estimate"), ("lower", "conf_low"), ("upper", "conf_high")):
        part = expected[expected["quantity"] == quantity]
        assert len(part) == 12
        for strata, p, value in zip(part["strata"], part["time"], part["value"], strict=True):
            row = got[(got["strata"] == strata) & (got["term"] == f"{p:g}")]
            np.testing.assert_allclose(row[column], value, rtol=DIRECT, err_msg=f"{strata} {p} {quantity}")


def test_restricted_means_equal_r():
    expected = EXPECTED[EXPECTED["analysis"] == "rmst"]
    fit = kaplan_meier(survival(), by="product")
    for tau in (20, 45):
        got = fit.rmst(tau).set_index("strata")
        for quantity, column in (("rmean", "estimate"), ("se", "std_error")):
            part = expected[(expected["time"] == tau) & (expected["quantity"] == quantity)]
            np.testing.assert_allclose(got.loc[part["strata"], column], part["value"], rtol=DIRECT)


def test_logrank_equals_r():
    expected = EXPECTED[EXPECTED["analysis"] == "logrank"].set_index(["strata", "quantity"])["value"]
    for name, strata in (("product", None), ("product stratified", "center")):
        test = kaplan_meier(survival(), by="product", strata=strata).logrank
        for quantity in ("statistic", "df", "p_value"):
            np.testing.assert_allclose(test[quantity], expected[name, quantity], rtol=DIRECT)
    untied = DATA.assign(days=DATA["days"] + (np.arange(len(DATA)) + 1) / 1000)
    test = kaplan_meier(survival(untied, entry="entry"), by="product").logrank
    np.testing.assert_allclose(test.statistic, expected["entry", "statistic"], rtol=1e-8)


def test_follow_up_equals_r():
    expected = EXPECTED.loc[EXPECTED["analysis"] == "follow-up", "value"].item()
    assert kaplan_meier(survival(), by="product").glance()["follow_up_median"].item() == expected


def test_rmst_difference_is_that_of_independent_groups():
    fit = kaplan_meier(survival(), by="product")
    means, difference = fit.rmst(40).set_index("strata"), fit.rmst_difference(40)
    assert list(difference["term"]) == ["liso - axi", "tisa - axi"]
    expected = means.loc["tisa", "estimate"] - means.loc["axi", "estimate"]
    np.testing.assert_allclose(difference["estimate"][1], expected, rtol=1e-12)
    error = np.hypot(means.loc["tisa", "std_error"], means.loc["axi", "std_error"])
    np.testing.assert_allclose(difference["std_error"][1], error, rtol=1e-12)


def test_a_finding_groups_the_imaged_only():
    finding = np.array(["absent", "present", "not_imaged", "indeterminate"])[np.arange(len(DATA)) % 4]
    data = declare_facts(DATA.assign(flair=finding), {"flair": ColumnFacts("baseline", 0.0)})
    fit = kaplan_meier(survival(data), by="flair")
    assert [g.name for g in fit.groups] == ["absent", "present"]
    assert set(fit.left_out) == {("flair", "not_imaged", 60), ("flair", "indeterminate", 60)}
    assert "left out: 120 (flair indeterminate 60, flair not_imaged 60)" in repr(fit)
    assert "timing not declared" not in repr(fit)


def test_unknown_limits_are_refused():
    with pytest.raises(EstimationError, match="log-log"):
        kaplan_meier(survival(DATA), conf_type="arcsin")


def test_undeclared_timing_is_said():
    fit = kaplan_meier(survival(DATA.assign(arm=DATA["product"])), by="arm")
    assert "timing not declared: arm" in repr(fit)


def test_late_column_is_refused_and_can_be_acknowledged():
    data = declare_facts(DATA, {"product": ColumnFacts("at_exam", 30.0)})
    with pytest.raises(ImmortalTimeError, match="product"):
        kaplan_meier(survival(data), by="product")
    fit = kaplan_meier(survival(data), by="product", acknowledge="immortal_time")
    assert fit.glance()["acknowledged"].item() == "immortal_time"


def test_competing_events_are_refused():
    data = DATA.assign(kind=DATA["died"] * (1 + DATA.index % 2))
    own = Endpoint.from_columns(data, time="days", event="kind", states={1: "relapse", 2: "death"})
    with pytest.raises(CompetingRiskError, match="cumulative_incidence"):
        kaplan_meier(own)
    naive = kaplan_meier(own, acknowledge="competing_risk", outcome="relapse")
    assert naive.n_event == int((data["kind"] == 1).sum())
    assert naive.glance()["acknowledged"].item() == "competing_risk"
    assert kaplan_meier(own, acknowledge="competing_risk").n_event == int(DATA["died"].sum())


def test_beyond_follow_up_is_missing_with_its_reason():
    data = pd.DataFrame({"days": [3, 5, 6], "died": [1, 1, 0]})
    row = kaplan_meier(survival(data)).at([9]).iloc[0]
    assert np.isnan(row["estimate"])
    assert row["reason"] == "follow-up ends at 6"
    assert row["n_risk"] == 0
    dead = kaplan_meier(survival(data.assign(died=1))).at([9]).iloc[0]
    assert dead["estimate"] == 0
    assert dead["reason"] == "survival is 0"


def test_without_events():
    fit = kaplan_meier(survival(DATA.assign(died=0)), by="product")
    assert fit.n_event == 0
    assert fit.median()["reason"].eq("not reached").all()
    assert np.isnan(fit.logrank.p_value)
    assert fit.logrank.reason == "no event while two groups were at risk"
    assert fit.text("axi") == "median overall survival in axi not reached (95% CI NR to NR)"


def test_one_group_and_empty_groups():
    one = kaplan_meier(survival(DATA.assign(arm="a")), by="arm")
    assert one.logrank.reason == "one group: nothing to compare"
    category = pd.Categorical(DATA["product"], categories=["axi", "liso", "tisa", "brexu"])
    fit = kaplan_meier(survival(DATA.assign(product=category)), by="product")
    assert [g.name for g in fit.groups] == ["axi", "liso", "tisa"]
    assert "no patients: brexu" in repr(fit)


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: kaplan_meier(survival(), by="prodct"), "did you mean product"),
        (lambda: kaplan_meier(survival(DATA.assign(age=np.arange(240.0))), by="age"), "pd.cut"),
        (lambda: kaplan_meier(survival(DATA.assign(arm=None)), by="arm"), "no patient is left"),
        (lambda: kaplan_meier(survival(), conf_level=95), "between 0 and 1"),
        (lambda: kaplan_meier(survival(), outcome="relapse"), "no event 'relapse'"),
        (lambda: kaplan_meier(survival()).rmst(-5), "positive"),
        (lambda: kaplan_meier(survival()).quantile((0, 1)), "between 0 and 1"),
        (lambda: kaplan_meier(survival(), by="product").text("brexu"), "groups: axi, liso, tisa"),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()


def test_time_dependent_groups_are_simon_makuch():
    # patient a changes group on day 2 and dies on day 5; b never changes and dies on day 4
    rows = pd.DataFrame(
        {"who": ["a", "a", "b"], "start": [0, 2, 0], "stop": [2, 5, 4], "died": [0, 1, 1], "edema": [0, 1, 0]}
    )
    tv = Endpoint.from_columns(rows, start="start", stop="stop", event="died", id="who")
    curve = kaplan_meier(tv, by="edema").tidy().set_index(["strata", "time"])
    assert curve.loc[("0", 4.0), "n_risk"] == 1
    assert curve.loc[("1", 5.0), "estimate"] == 0


def test_result_holds_to_the_convention():
    fit = kaplan_meier(survival(), by="product")
    assert len(repr(fit).splitlines()) <= 15
    assert "product" in fit._repr_html_()
    assert repr(fit) == repr(kaplan_meier(survival(), by="product"))
    with pytest.raises(FrozenInstanceError):
        fit.unit = "months"
    assert not any(isinstance(getattr(fit, f.name), pd.DataFrame) for f in fields(fit))
    assert len(fit.glance()) == 1
    assert fit.text("axi", time=20).startswith("overall survival in axi")


def test_plot_draws_the_tidy_curve():
    fit = kaplan_meier(survival(), by="product")
    with mpl.rc_context({"backend": "Agg"}):
        axes = fit.plot()
    lines = [line for line in axes.lines if line.get_gid() == "curve"]
    assert len(lines) == 3
    tidy = fit.tidy()
    for line, name in zip(lines, ["axi", "liso", "tisa"], strict=True):
        mine = tidy.loc[tidy["strata"] == name, "estimate"].to_numpy()
        assert set(np.round(line.get_ydata(), 12)) <= set(np.round(np.r_[1.0, mine], 12))
    import matplotlib.pyplot as plt

    plt.close(axes.figure)


def test_short_and_tiny_follow_up_can_be_drawn():
    import matplotlib.pyplot as plt

    tiny = pd.DataFrame({"days": [0.1, 0.4], "died": [1, 0]})
    single = Endpoint.from_columns(tiny, time="days", event="died", unit="months")
    with mpl.rc_context({"backend": "Agg"}):
        axes = kaplan_meier(single).plot()
    assert axes.get_xlim()[1] >= 0.4
    plt.close(axes.figure)


def test_counts_run_from_the_start():
    counts = kaplan_meier(survival()).counts([0, 10, 30])
    assert counts["n_event"].to_list() == [
        0,
        *(int(DATA.loc[DATA["days"] <= t, "died"].sum()) for t in (10, 30)),
    ]


def test_an_unknown_unit_cannot_be_drawn():
    cycles = Endpoint.from_columns(DATA, time="days", event="died", unit="cycles")
    with pytest.raises(CohortError, match="days, weeks, months or years"):
        kaplan_meier(cycles).plot()


def test_who_changes_group_counts_once_and_stays_in_follow_up():
    """Three patients; the one exposed on day 2 is in both groups, and is not censored on that day.

    Follow-up ends by censoring on days 4, 6 and 8: reverse Kaplan-Meier 2/3, 1/3, 0, the median day 6.
    """
    frame = pd.DataFrame({"days": [4, 6, 8], "died": [0, 0, 0], "seen": [np.nan, np.nan, 2]})
    split = counting_process(Endpoint.from_columns(frame, time="days", event="died"), {"edema": "seen"})
    glance = kaplan_meier(split, by="edema").glance()
    assert glance["n"].item() == 3
    assert glance["follow_up_median"].item() == 6


@pytest.mark.parametrize("times", [[1, np.nan], ["soon"], None])
def test_times_that_are_not_numbers_are_refused(times):
    with pytest.raises(EstimationError, match="times are not numbers"):
        kaplan_meier(survival(DATA)).at(times)
