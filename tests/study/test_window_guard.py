"""Unequal windows: peaks before a patient's own day are not compared unless the analyst says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.dictionary.facts import ColumnFacts, declare_facts, declared_facts
from cohort.errors import WindowError
from cohort.study.summaries import summarize
from cohort.study.window_guard import check_windows

N = 40


def linked(**asked):
    """40 patients, 20 with onset on day 4: 4 days before it (0 to 3), 31 days (0 to 30) in the others."""
    data = pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in range(N)],
            "icans_onset_day": np.where(np.arange(N) < 20, 4.0, np.nan),
            "severe_icans": np.repeat(["yes", "no"], N // 2),
            "center": np.tile(["a", "b"], N // 2),
            "grade": np.arange(N) * 3 % 4,
            "days": np.arange(N) + 1.0,
            "dead": np.tile([1, 0, 1, 1], N // 4),
        }
    )
    lab = pd.DataFrame(
        {
            "patient_id": np.repeat(data["patient_id"].to_numpy(), 3),
            "lab_day": np.tile([0, 2, 9], N),
            "value": np.random.default_rng(3).lognormal(3, 1, 3 * N),
        }
    )
    options = {"window": (0, 30), "before": "icans_onset_day", **asked}
    data = summarize(data, lab, name="peak_crp", **options)
    high = (data["peak_crp"] > data["peak_crp"].median()).astype(int)
    facts = {"high_crp": declared_facts(data)["peak_crp"]}
    return declare_facts(data.assign(high_crp=high), facts)


CALLS = {
    "odds_ratio": lambda data, **more: co.odds_ratio("severe_icans ~ log2(peak_crp)", data, **more),
    "two_by_two": lambda data, **more: co.two_by_two("high_crp", "severe_icans", data=data, **more),
    "mantel_haenszel": lambda data, **more: co.mantel_haenszel(
        "high_crp", "severe_icans", "center", data, **more
    ),
    "ordinal": lambda data, **more: co.ordinal("grade ~ peak_crp", data, **more),
    "trend": lambda data, **more: co.trend("peak_crp", "severe_icans", data, permutations=20, **more),
    "accuracy": lambda data, **more: co.diagnostic_accuracy("high_crp", "severe_icans", data, **more),
    "cox": lambda data, **more: co.cox(
        co.Endpoint.from_columns(data, time="days", event="dead"),
        "peak_crp",
        acknowledge=("immortal_time", *([more["acknowledge"]] if more else [])),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_peak_before_onset_is_refused_and_can_be_acknowledged(name):
    with pytest.raises(
        WindowError, match=r"median 4 days in 20 patients with icans_onset_day, 31 days in 20 without"
    ):
        CALLS[name](linked())
    assert "acknowledged window" in repr(CALLS[name](linked(), acknowledge="window"))


def test_a_screen_refuses_the_pair_alone():
    found = co.association_screen(["peak_crp", "days"], ["severe_icans"], linked(), adjust="holm").tidy()
    reasons = found.set_index("term")["reason"]
    assert reasons["peak_crp"].startswith("refused, window: peak_crp: median 4 days")
    assert reasons["days"] == ""


@pytest.mark.parametrize(
    "asked",
    [
        {"before": None},  # the same days for all
        {"take": "first"},  # not a maximum: more days do not raise it
        {"window": (0, 3)},  # onset on day 4: everyone has the days 0 to 3 in full
    ],
)
def test_equal_windows_pass(asked):
    assert declared_facts(linked(**asked))["peak_crp"].unequal_window == ""
    assert "window" not in repr(CALLS["odds_ratio"](linked(**asked)))


def test_lowest_values_and_counts_depend_on_the_window_too():
    for take in ("min", "count"):
        assert declared_facts(linked(take=take))["peak_crp"].unequal_window


def test_without_a_last_day_the_others_have_all_later_days():
    said = declared_facts(linked(window=None))["peak_crp"].unequal_window
    assert said == "median 4 days in 20 patients with icans_onset_day, all later days in those without"


def test_columns_without_facts_pass_and_a_guard_must_exist():
    assert check_windows(["age_years"], {"age_years": ColumnFacts()}) == ()
    with pytest.raises(co.errors.StudyError, match='acknowledge="window"'):
        check_windows(["x"], {}, acknowledge="windows")


def test_table_one_says_so():
    data = linked()
    table = co.table_one(data, by="severe_icans", variables=["peak_crp", "days"])
    assert "was taken over windows of unequal length (median 4 days in 20 patients" in table.to_markdown()
    assert "unequal length" not in co.table_one(data, variables=["peak_crp", "days"]).to_markdown()
