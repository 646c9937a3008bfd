"""The simulated example of docs/guards.md: a finding that does nothing, analysed in three ways.

Half of the patients develop a finding, on a day drawn without regard to their survival; the true hazard ratio is
1. Whoever dies early cannot show it any more, so "ever had the finding" seems to protect.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import ImmortalTimeError

COHORTS, PATIENTS, SEED, END = 50, 400, 7, 365.0
DOCUMENT = Path(__file__).parents[2] / "docs" / "guards.md"


def simulate(rng: np.random.Generator) -> pd.DataFrame:
    """Draw one cohort: deaths at 1/150 per day, followed for a year; the finding after 20 days on average."""
    prone = rng.random(PATIENTS) < 0.5
    death, first = np.ceil(rng.exponential(150, PATIENTS)), np.floor(rng.exponential(20, PATIENTS))
    seen = prone & (first < np.minimum(death, END))
    data = pd.DataFrame(
        {
            "death_day": np.where(death <= END, death, np.nan),
            "last_contact_day": np.minimum(death, END),
            "finding": pd.Categorical(np.where(seen, "present", "absent"), categories=["absent", "present"]),
            "finding_first_day": np.where(seen, first, np.nan),
            "finding_by_day_30": (seen & (first <= 30)).astype(int),
        }
    )
    facts = {"finding": ColumnFacts("at_exam", END), "finding_by_day_30": ColumnFacts("at_exam", 30)}
    return declare_facts(data, facts)


def three_ways(data: pd.DataFrame) -> dict[str, tuple[co.Endpoint, str]]:
    survival = co.endpoint("overall_survival", data)
    return {
        "ever had the finding": (survival, "finding"),
        "landmark at day 30": (co.endpoint("overall_survival", data, landmark_day=30), "finding_by_day_30"),
        "time-dependent": (
            co.counting_process(survival, {"finding_seen": "finding_first_day"}),
            "finding_seen",
        ),
    }


@pytest.fixture(scope="module")
def estimates() -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    rows = []
    for _ in range(COHORTS):
        for way, (end, column) in three_ways(simulate(rng)).items():
            fit = co.cox(end, column, acknowledge="immortal_time").tidy().iloc[0]
            rows.append((way, fit["estimate"], fit["conf_low"] <= 0 <= fit["conf_high"]))
    return pd.DataFrame(rows, columns=["way", "estimate", "covers"])


def test_the_naive_way_is_refused_and_the_others_are_not() -> None:
    ways = three_ways(simulate(np.random.default_rng(SEED)))
    end, column = ways["ever had the finding"]
    with pytest.raises(ImmortalTimeError, match=r"co\.counting_process.*finding_first_day"):
        co.cox(end, column)
    for way in ("landmark at day 30", "time-dependent"):
        end, column = ways[way]
        assert "acknowledged" not in repr(co.cox(end, column))


def test_a_column_of_the_data_never_replaces_the_time_dependent_one() -> None:
    data = simulate(np.random.default_rng(SEED))
    split = co.counting_process(co.endpoint("overall_survival", data), {"finding": "finding_first_day"})
    ever = data.assign(finding=(data["finding"] == "present").astype(int), age=np.arange(float(PATIENTS)))
    own = co.cox(split, "finding").tidy()["estimate"].iloc[0]
    assert co.cox(split, "finding", data=ever).tidy()["estimate"].iloc[0] == own
    assert "age" in co.cox(split, "finding + age", data=ever).tidy()["term"].tolist()  # aligned by patient


def test_only_the_guarded_ways_find_no_effect(estimates: pd.DataFrame) -> None:
    by_way = estimates.groupby("way", sort=False)["estimate"]
    error = by_way.std() / np.sqrt(COHORTS)
    z = by_way.mean() / error
    assert z["ever had the finding"] < -6
    assert abs(z["landmark at day 30"]) < 3
    assert abs(z["time-dependent"]) < 3
    covered = estimates.groupby("way", sort=False)["covers"].sum()
    assert covered["ever had the finding"] < 35
    assert (
        covered[["landmark at day 30", "time-dependent"]] >= 44
    ).all()  # 0.95 * 50 less two standard errors


def test_the_document_quotes_these_numbers(estimates: pd.DataFrame) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for way, found in estimates.groupby("way", sort=False):
        log_hr = found["estimate"]
        low, high = np.exp(log_hr.quantile([0.025, 0.975]))
        limits = f"{np.exp(log_hr.mean()):.2f} | {low:.2f} to {high:.2f}"
        line = f"| {way} | {limits} | {int(found['covers'].sum())} of {COHORTS} |"
        assert line in text, line
