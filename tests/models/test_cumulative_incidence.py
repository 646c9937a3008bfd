"""cumulative_incidence: against R cmprsk, etm and survival (tests/reference/cumulative_incidence/make.R)."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EstimationError, ImmortalTimeError
from cohort.estimators.gray import gray_test
from cohort.models.cumulative_incidence import cumulative_incidence
from cohort.models.kaplan_meier import kaplan_meier
from cohort.study.endpoints import Endpoint
from cohort.study.risk_sets import counting_process

FOLDER = Path(__file__).parents[1] / "reference/cumulative_incidence"
DATA, EXPECTED = pd.read_csv(FOLDER / "data.csv"), pd.read_csv(FOLDER / "expected.csv")
EXPECTED["strata"] = EXPECTED["strata"].fillna("")
STATES = {1: "relapse", 2: "death", 3: "other"}
TIMES = [0, 3, 10, 20.5, 35, 50, 70]
DIRECT = 1e-10


def competing(data=DATA, **options):
    return Endpoint.from_columns(data, time="days", event="status", states=STATES, name="nrm", **options)


def compare(analysis, at, columns):
    expected = EXPECTED[(EXPECTED["analysis"] == analysis) & EXPECTED["quantity"].isin(columns)]
    assert len(expected) >= 18
    for (strata, code, quantity), part in expected.groupby(["strata", "outcome", "quantity"]):
        rows = at[(at["strata"] == strata) & (at["outcome"] == STATES[int(code)])].set_index("time")
        got, message = rows.loc[part["time"], quantity], f"{strata} {code} {quantity}"
        known = part["value"].notna().to_numpy()  # cmprsk: missing after the last follow-up
        np.testing.assert_allclose(got[known], part["value"][known], rtol=DIRECT, err_msg=message)


def test_estimates_variances_and_limits_equal_cuminc():
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    compare("cuminc", cumulative_incidence(competing()).at(TIMES), columns)
    compare("cuminc by", cumulative_incidence(competing(), by="product").at(TIMES), columns)


@pytest.mark.parametrize(("analysis", "entry"), [("no entry", None), ("entry", "entry")])
def test_greenwood_variance_equals_etm(analysis, entry):
    fit = cumulative_incidence(competing(entry=entry), variance="greenwood")
    compare(analysis, fit.at(TIMES), ["estimate", "std_error"])
    compare(f"survfit {analysis}", fit.at(TIMES), ["estimate"])


def test_gray_test_equals_cuminc():
    expected = EXPECTED[EXPECTED["analysis"] == "gray"]
    few = pd.concat(
        [DATA[(DATA["product"] == "tisa") & (DATA["days"] < 15)], DATA[DATA["product"] == "axi"].iloc[:25]]
    )
    cases = {
        "product": cumulative_incidence(competing(), by="product"),
        "product stratified": cumulative_incidence(competing(), by="product", strata="center"),
        "two products": cumulative_incidence(competing(DATA[DATA["product"] != "liso"]), by="product"),
        "few": cumulative_incidence(competing(few), by="product"),
    }
    for name, fit in cases.items():
        got = fit.gray_test.set_index("outcome")
        for code, outcome in STATES.items():
            rows = expected[(expected["strata"] == name) & (expected["outcome"] == code)].set_index(
                "quantity"
            )
            for quantity in ("statistic", "df", "p_value"):
                value = rows.loc[quantity, "value"]
                np.testing.assert_allclose(
                    got.loc[outcome, quantity], value, rtol=1e-9, err_msg=f"{name} {code}"
                )


def test_one_kind_of_event_is_one_minus_kaplan_meier():
    data = DATA.assign(died=(DATA["status"] > 0).astype(int))
    single = Endpoint.from_columns(data, time="days", event="died", entry="entry")
    incidence = cumulative_incidence(single, variance="greenwood").tidy()
    curve = kaplan_meier(single).tidy()
    np.testing.assert_allclose(incidence["estimate"], 1 - curve["estimate"], atol=1e-12)
    alive = curve["estimate"] > 0
    np.testing.assert_allclose(incidence["std_error"][alive], curve["std_error"][alive], rtol=1e-9)


def test_counts_follow_the_outcome():
    at = cumulative_incidence(competing()).at([10, 30])
    for code, outcome in STATES.items():
        days = DATA.loc[DATA["status"] == code, "days"]
        rows = at[at["outcome"] == outcome]
        assert rows["n_event"].to_list() == [int((days <= 10).sum()), int(((days > 10) & (days <= 30)).sum())]
        assert rows["n_risk"].to_list() == [int((DATA["days"] >= t).sum()) for t in (10, 30)]


def test_time_lost_and_survival_fill_the_horizon():
    fit = cumulative_incidence(competing(), by="product")
    both = kaplan_meier(competing(), by="product", acknowledge="competing_risk").rmst(60)
    lost = fit.rmtl(60).groupby("strata")["estimate"].sum()
    np.testing.assert_allclose(lost + both.set_index("strata")["estimate"], 60, rtol=1e-12)


def test_outcome_selects_rows_only():
    all_rows = cumulative_incidence(competing()).at([20]).set_index("outcome")
    one = cumulative_incidence(competing(), outcome="death")
    assert one.at([20]).set_index("outcome").loc["death"].equals(all_rows.loc["death"])
    assert one.glance()["n_event"].item() == int((DATA["status"] == 2).sum())


def test_before_and_after_events():
    data = pd.DataFrame({"days": [2, 3, 4], "status": [0, 1, 0]})
    at = cumulative_incidence(competing(data), outcome="relapse").at([1, 2, 3, 9])
    assert at["estimate"].to_list()[:3] == [0, 0, 0.5]
    assert at["conf_low"].to_list()[0] == 0
    assert at["reason"].to_list() == ["", "no event yet", "", "follow-up ends at 4"]
    everyone = cumulative_incidence(competing(data.assign(status=1)), outcome="relapse").at([9])
    assert everyone["estimate"].item() == 1
    assert everyone["reason"].item() == "everyone has had the event"


def test_gray_is_not_told_with_delayed_entry_or_one_group():
    test = cumulative_incidence(competing(entry="entry"), by="product").gray_test
    assert test["reason"].eq("not defined with delayed entry").all()
    assert test["p_value"].isna().all()
    one = cumulative_incidence(competing()).gray_test
    assert one["reason"].eq("one group: nothing to compare").all()


def test_tests_use_rows_with_a_known_group_only():
    data = DATA.assign(arm=DATA["product"].where(DATA.index % 10 != 0))
    fit = cumulative_incidence(competing(data), by="arm", outcome="relapse")
    known = data[data["arm"].notna()]
    expected = gray_test(known["days"], known["status"], pd.factorize(known["arm"], sort=True)[0])
    np.testing.assert_allclose(fit.gray_test["statistic"], expected.statistic, rtol=1e-12)
    assert fit.left_out == (("arm", "missing", 26),)


def test_late_column_is_refused():
    data = declare_facts(DATA, {"product": ColumnFacts("at_exam", 30.0)})
    with pytest.raises(ImmortalTimeError, match="landmark_day=30"):
        cumulative_incidence(competing(data), by="product")
    fit = cumulative_incidence(competing(data), by="product", acknowledge="immortal_time")
    assert "acknowledged" in repr(fit)


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: cumulative_incidence(competing(), outcome="relaps"), "events: relapse, death, other"),
        (lambda: cumulative_incidence(competing(), by="age"), "unknown column age"),
        (lambda: cumulative_incidence(competing(), conf_level=1.5), "between 0 and 1"),
        (lambda: cumulative_incidence(competing()).rmtl(0), "positive"),
        (lambda: cumulative_incidence(competing()).text("axi"), "outcomes: relapse"),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()


def test_result_holds_to_the_convention():
    fit = cumulative_incidence(competing(), by="product")
    assert len(repr(fit).splitlines()) <= 15
    assert "relapse" in fit._repr_html_()
    with pytest.raises(FrozenInstanceError):
        fit.unit = "months"
    assert not any(isinstance(getattr(fit, f.name), pd.DataFrame) for f in fields(fit))
    assert len(fit.glance()) == 1
    assert fit.text("axi", 20, "death").startswith("cumulative incidence of death in axi")


def test_plot_draws_the_tidy_curve():
    import matplotlib.pyplot as plt

    fit = cumulative_incidence(competing(), outcome=["relapse", "death"])
    with mpl.rc_context({"backend": "Agg"}):
        axes = fit.plot()
    lines = [line for line in axes.lines if line.get_gid() == "curve"]
    assert len(lines) == 2
    for line, outcome in zip(lines, ["relapse", "death"], strict=True):
        tidy = fit.tidy()
        mine = tidy.loc[tidy["outcome"] == outcome, "estimate"].to_numpy()
        assert set(np.round(line.get_ydata(), 12)) <= set(np.round(np.r_[0.0, mine], 12))
    plt.close(axes.figure)


def test_coverage_of_limits():
    """95% limits of the incidence at day 20 with two exponential events; 300 data sets of 60, seed fixed."""
    rng = np.random.default_rng(20261122)
    truth, covered, n_sets = 0.4 * (1 - np.exp(-20 / 24)), 0, 300
    for _ in range(n_sets):
        first, kind, censor = rng.exponential(24, 60), rng.random(60) < 0.4, rng.uniform(8, 60, 60)
        frame = pd.DataFrame(
            {"days": np.minimum(first, censor), "status": np.where(first > censor, 0, np.where(kind, 1, 2))}
        )
        row = cumulative_incidence(competing(frame), outcome="relapse").at([20]).iloc[0]
        covered += bool(row["conf_low"] <= truth <= row["conf_high"])
    assert abs(covered / n_sets - 0.95) < 3 * np.sqrt(0.95 * 0.05 / n_sets)


def test_who_changes_group_counts_once():
    frame = pd.DataFrame({"days": [4, 6, 8], "status": [1, 0, 2], "seen": [np.nan, np.nan, 2]})
    own = Endpoint.from_columns(frame, time="days", event="status", states={1: "relapse", 2: "death"})
    fit = cumulative_incidence(counting_process(own, {"edema": "seen"}), by="edema")
    assert fit.glance()["n"].item() == 3


def test_times_that_are_not_numbers_are_refused():
    frame = pd.DataFrame({"days": [4, 6], "status": [1, 2]})
    own = Endpoint.from_columns(frame, time="days", event="status", states={1: "relapse", 2: "death"})
    with pytest.raises(EstimationError, match="times are not numbers"):
        cumulative_incidence(own).at(["soon"])
