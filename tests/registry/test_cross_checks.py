"""Checks across tables by hand, and the rows behind a count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.errors import DictionaryError
from cohort.registry.cross_checks import cross_checks, unlike_centers

KEYS = {"source": "s", "infusion_number": 1}


def tables(**changed):
    """Patient a dies on day 20; b is last seen on day 40; c has no end."""
    empty = {
        "crs_assessment": ["assessment_type", "assessment_day", "reported_crs_grade"],
        "lab": ["lab_day"],
        "treatment": ["start_day"],
        "cognition": ["visit_day"],
    }
    made = {
        name: pd.DataFrame(columns=["source", "patient_id", "infusion_number", *c])
        for name, c in empty.items()
    }
    made["infusion"] = pd.DataFrame(
        {
            "patient_id": ["a", "b", "c"],
            "infusion_date": pd.to_datetime(["2024-01-01", "2024-01-02", None]),
            "death_day": [20, None, None],
            "last_contact_day": [20, 40, None],
        }
    ).assign(**KEYS)
    made["neuro_assessment"] = pd.DataFrame(
        {
            "patient_id": ["a", "a", "b", "b", "c"],
            "assessment_type": ["daily", "period_maximum", "daily", "daily", "period_maximum"],
            "assessment_day": [5, None, 41, 30, None],
            "reported_icans_grade": [3, 2, 1, 4, 2],
            "icans_occurred": [None, "yes", None, None, "yes"],
            "icans_onset_day": [None, 5, None, None, 29],
            "icans_resolved": [None, None, None, None, None],
            "icans_resolved_day": [None, None, None, None, None],
        }
    ).assign(**KEYS)
    made["mri_exam"] = pd.DataFrame(
        {
            "patient_id": ["a", "a", "a", "b"],
            "exam_day": [3, 19, 25, 5],
            "indication": ["symptom_driven", "symptom_driven", "scheduled", "symptom_driven"],
        }
    ).assign(**KEYS)
    return made | changed


def found(made=None):
    checks = list(cross_checks(made or tables()))
    return {(one.check, one.table): (one.violated.tolist(), one.among.tolist()) for one in checks}


def test_after_the_end():
    checks = found()
    # exams of a on days 3, 19, 25 (death on day 20), of b on day 5
    assert checks["nothing_after_death", "mri_exam"] == (
        [False, False, True, False],
        [True, True, True, False],
    )
    # assessments with a day: a 5, b 41 (last contact 40), b 30
    violated, among = checks["nothing_after_last_contact", "neuro_assessment"]
    assert violated == [False, False, True, False, False]
    assert among == [True, False, True, True, False]


def test_daily_grades_against_the_reported_maximum():
    """Patient a: 3 on a day, 2 reported as maximum; b has no maximum."""
    violated, among = found()["daily_not_above_maximum", "neuro_assessment"]
    assert violated == [True, False, False, False, False]
    assert among == [True, False, False, False, False]


def test_onsets_and_ends():
    checks = found()
    assert checks["onset_in_window", "neuro_assessment"] == (
        [False, False, False, False, True],  # day 29
        [False, True, False, False, True],
    )
    # a has ICANS and died; c has ICANS, no resolution, no death, no last contact
    assert checks["icans_has_an_end", "neuro_assessment"][0] == [False, False, False, False, True]


def test_scans_near_onset():
    """Onset of a on day 5: day 3 is two days before; day 19 is 14 after; a scheduled scan is not looked at."""
    assert found()["scan_near_onset", "mri_exam"] == ([False] * 4, [True, True, False, False])
    late = tables()
    late["mri_exam"].loc[1, "exam_day"] = 20
    assert found(late)["scan_near_onset", "mri_exam"][0] == [False, True, False, False]


def test_one_infusion_under_two_numbers():
    infusion = tables()["infusion"]
    again = infusion.iloc[[0]].assign(infusion_number=2)
    made = tables(infusion=pd.concat([infusion, again], ignore_index=True))
    assert found(made)["infusion_once", "infusion"] == (
        [True, False, False, True],
        [True, True, False, True],
    )


def test_no_rows_no_checks():
    made = {name: frame.iloc[:0] for name, frame in tables().items()}
    assert list(cross_checks(made)) == []


def centers(rng, shifted=0.0):
    frame = pd.DataFrame(
        {
            "source": "s",
            "center_id": np.repeat([f"c{i}" for i in range(8)], 30),
            "crp_mg_dl": rng.lognormal(0, 1, 240),
        }
    )
    frame.loc[:29, "crp_mg_dl"] += shifted
    return frame


def test_a_center_in_another_unit_is_found_and_chance_rarely_is():
    rng = np.random.default_rng(9)
    alarms = sum(int(unlike_centers(centers(rng), ["crp_mg_dl"])["far"].sum()) for _ in range(50))
    assert alarms <= 8  # of 400 centers
    hit = unlike_centers(centers(rng, shifted=9.0), ["crp_mg_dl"])
    assert hit.loc[hit["far"], "center_id"].tolist() == ["c0"]
    assert unlike_centers(centers(rng).head(60), ["crp_mg_dl"]).empty  # two centers say nothing of each other


@pytest.fixture(scope="module")
def registry():
    made = co.simulate_registries(n=60, seed=4)
    return co.harmonize([co.read_source(path, source=name) for name, path in made.sources.items()])


def test_the_rows_behind_a_count(registry):
    quality = registry.quality()
    failed = quality[(quality["violated"] > 0) & (quality["center_id"] == "all") & (quality["table"] != "")]
    failed = failed[~failed["check"].isin(["below_limit", "center_like_others", "recorded"])]
    assert len(failed)
    for row in failed.head(12).to_dict("records"):
        rows = registry.violations(row["check"], row["table"], row["variable"])
        own = rows[rows["source"] == row["source"]]
        assert len(own) == row["violated"], row
        assert list(rows.columns) == list(registry.dictionary.tables[row["table"]].primary_key)


def test_a_late_lab_value_is_found(registry):
    lab = registry.lab
    infusion = registry.infusion
    keys = ["source", "patient_id", "infusion_number"]
    mine = infusion[keys].merge(lab[keys].head(1), on=keys, how="left", indicator=True)["_merge"] == "both"
    infusion.loc[mine.to_numpy(), "death_day"] = int(lab["lab_day"].iloc[0]) - 1
    changed = replace(registry, tables={**registry.tables, "infusion": infusion})
    rows = changed.violations("nothing_after_death", "lab", "lab_day")
    assert lab["patient_id"].iloc[0] in set(rows["patient_id"])


def test_unknown_checks_are_refused(registry):
    with pytest.raises(DictionaryError, match=r"checks: .*nothing_after_death"):
        registry.violations("after_death", "lab", "lab_day")
    with pytest.raises(DictionaryError, match="no table 'labs'"):
        registry.violations("x", "labs")
