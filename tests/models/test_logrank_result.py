"""logrank, Gray's rho, and differences of curves: R survival and cmprsk (tests/reference/logrank/make.R), guards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import CompetingRiskError, EstimationError, ImmortalTimeError
from cohort.models.cumulative_incidence import cumulative_incidence
from cohort.models.kaplan_meier import kaplan_meier
from cohort.models.logrank import logrank
from cohort.study.endpoints import Endpoint
from cohort.study.risk_sets import counting_process

FOLDER = Path(__file__).parents[1] / "reference/logrank"
DATA, EXPECTED = pd.read_csv(FOLDER / "data.csv"), pd.read_csv(FOLDER / "expected.csv")
DIRECT = 1e-10
KINDS = {
    "logrank": {},
    "gehan": {"weights": "gehan"},
    "tarone-ware": {"weights": "tarone-ware"},
    "peto": {"weights": "peto"},
    "fleming-harrington 0 1": {"weights": "fleming-harrington", "gamma": 1},
    "fleming-harrington 0.5 1.5": {"weights": "fleming-harrington", "rho": 0.5, "gamma": 1.5},
    "survdiff 0": {},
    "survdiff 0.5": {"weights": "fleming-harrington", "rho": 0.5},
    "survdiff 1": {"weights": "peto"},
}


def survival(data=DATA, **options):
    return Endpoint.from_columns(data, time="days", event="died", name="overall_survival", **options)


def competing(data=DATA):
    return Endpoint.from_columns(data, time="days", event="status", states={1: "relapse", 2: "death"})


def expected(analysis):
    part = EXPECTED[EXPECTED["analysis"] == analysis]
    assert len(part)
    return part.set_index(["term", "quantity"])["value"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("design", ["", " stratified", " entry"])
def test_tests_equal_r(kind, design):
    if kind.startswith("survdiff") and design == " entry":
        assert not (EXPECTED["analysis"] == kind + design).any()  # survdiff knows no left truncation
        return
    endpoint = survival(entry="entry") if design == " entry" else survival()
    fit = logrank(endpoint, "grade", strata="center" if design == " stratified" else None, **KINDS[kind])
    wanted = expected(kind + design)
    np.testing.assert_allclose(fit.test.statistic, wanted["all groups", "statistic"], rtol=DIRECT)
    np.testing.assert_allclose(fit.test.p_value, wanted["all groups", "p_value"], rtol=DIRECT)


def test_expected_events_equal_survdiff():
    groups = logrank(survival(), "grade").groups().set_index("strata")
    for (term, _), value in expected("survdiff").items():
        np.testing.assert_allclose(groups.loc[str(term), "n_event_expected"], value, rtol=DIRECT)


@pytest.mark.parametrize(("analysis", "strata"), [("trend", None), ("trend stratified", "center")])
def test_trend_is_the_score_test_of_the_exact_partial_likelihood(analysis, strata):
    rows = logrank(survival(), "grade", strata=strata, trend=True).tidy().set_index("term")
    wanted = expected(analysis)["trend", "statistic"]
    np.testing.assert_allclose(rows.loc["trend", "statistic"], wanted, rtol=DIRECT)
    moved = logrank(survival(), "grade", strata=strata, trend=[10, 30, 50]).tidy().set_index("term")
    np.testing.assert_allclose(moved.loc["trend", "statistic"], wanted, rtol=DIRECT)


def test_pairs_equal_r():
    wanted = expected("pairs")
    rows = logrank(survival(), "grade").tidy().set_index("term")
    for (term, quantity), value in wanted.items():
        if not quantity.startswith("p_adjusted"):
            np.testing.assert_allclose(rows.loc[term, quantity], value, rtol=DIRECT)
    for adjust in ("holm", "bonferroni", "bh"):
        rows = logrank(survival(), "grade", adjust=adjust).tidy().set_index("term")
        for term in rows.index[1:]:
            value = wanted[term, f"p_adjusted {adjust}"]
            np.testing.assert_allclose(rows.loc[term, "p_adjusted"], value, rtol=DIRECT)


@pytest.mark.parametrize("rho", [0.5, 1, -1])
@pytest.mark.parametrize("strata", [None, "center"])
def test_gray_test_with_rho_equals_cmprsk(rho, strata):
    fit = cumulative_incidence(competing(), by="grade", strata=strata, rho=rho)
    wanted = expected(f"gray {rho}" + (" stratified" if strata else ""))
    np.testing.assert_allclose(fit.gray_test["statistic"], wanted.to_numpy(), rtol=1e-9)


def test_differences_equal_r():
    km = kaplan_meier(survival(), by="grade")
    incidence = cumulative_incidence(competing(), by="grade", outcome="relapse")
    times = [10, 25, 40]
    for analysis, rows in (
        ("difference", km.difference(times)),
        ("cif difference", incidence.difference(times)),
        ("cif ratio", incidence.ratio(times)),
    ):
        labels = rows["term"].str[0] + " " + rows["time"].map("{:g}".format)
        got = rows.set_index(labels)
        for (term, quantity), value in expected(analysis).items():
            np.testing.assert_allclose(
                got.loc[str(term), quantity], value, rtol=1e-9, err_msg=f"{analysis} {term}"
            )
    ratio = km.rmst_ratio(45)
    got = ratio.set_index(ratio["term"].str[0])
    for (term, quantity), value in expected("rmst ratio").items():
        np.testing.assert_allclose(got.loc[str(term), quantity], value, rtol=1e-9)


def test_time_lost_to_all_causes_differs_as_survival_time_does():
    # the time lost to both events together is what survival loses
    lost = cumulative_incidence(competing(), by="grade").rmtl_difference(45)
    gained = kaplan_meier(survival(), by="grade").rmst_difference(45)
    total = lost.groupby("term", sort=False)["estimate"].sum()
    np.testing.assert_allclose(total.to_numpy(), -gained["estimate"].to_numpy(), rtol=1e-12)


def test_a_difference_without_error_says_so():
    frame = pd.DataFrame({"days": [5, 6, 7, 8], "died": [1, 0, 1, 0], "group": ["a", "a", "b", "b"]})
    row = kaplan_meier(survival(frame), by="group").difference([1]).iloc[0]
    assert row["estimate"] == 0
    assert np.isnan(row["conf_low"])
    assert row["reason"] == "an estimate has no standard error"


def test_a_weighted_test_has_no_hazard_ratio():
    fit = logrank(survival(), "grade", weights="gehan")
    assert fit.tidy()["estimate"].isna().all()
    with pytest.raises(EstimationError, match='weights="logrank"'):
        fit.plot()


def test_one_group_says_why():
    one = logrank(survival(DATA.assign(grade=1)), "grade", trend=True)
    rows = one.tidy()
    assert rows["p_value"].isna().all()
    assert set(rows["reason"]) == {"one group: nothing to compare"}
    assert "one group: nothing to compare" in repr(one)
    with pytest.raises(EstimationError, match="draw the curves"):
        one.plot()


def test_a_group_that_changes_with_time_is_a_mantel_byar_test():
    frame = DATA.assign(seen=np.where(DATA["grade"] > 0, DATA["days"] / 2, np.nan))
    process = counting_process(survival(frame), exposures={"seen": "seen"})
    fit = logrank(process, "seen")
    assert fit.n == len(frame)
    assert "Mantel-Byar" in repr(fit)
    # each patient dies once, exposed or not
    assert fit.observed.sum() == frame["died"].sum()


LATE = declare_facts(DATA.assign(late=DATA["grade"]), {"late": ColumnFacts(known="at_exam", known_day=30)})


@pytest.mark.parametrize(
    ("call", "error", "remedy"),
    [
        (lambda: logrank(competing(), "grade"), CompetingRiskError, "cumulative_incidence"),
        (lambda: logrank(survival(LATE, origin=None), "late"), ImmortalTimeError, "landmark"),
        (lambda: logrank(survival(), "grade", weights="wilcoxon"), EstimationError, "write one of logrank"),
        (lambda: logrank(survival(), "grade", rho=1), EstimationError, "fleming-harrington"),
        (
            lambda: logrank(survival(), "grade", weights="fleming-harrington", gamma=-1),
            EstimationError,
            "gamma=1 at late",
        ),
        (lambda: logrank(survival(), "grade", trend=[1, 2]), EstimationError, "one finite number per group"),
        (lambda: logrank(survival(), "grade", adjust="sidak"), EstimationError, "write one of holm"),
        (lambda: logrank(survival(), "days"), EstimationError, "cut it into groups"),
        (lambda: kaplan_meier(survival()).difference([10]), EstimationError, "write by="),
        (lambda: logrank(survival(), "grade").text("3 vs 0"), EstimationError, "write one of these terms"),
    ],
)
def test_what_is_wrong_is_refused_with_its_remedy(call, error, remedy):
    with pytest.raises(error, match=remedy):
        call()
