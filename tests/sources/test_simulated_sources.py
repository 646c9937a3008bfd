"""The packaged mappings: their examples run, and harmonized simulated registries equal the truth where they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.registry.examples import check_examples

if TYPE_CHECKING:
    from .conftest import Harmonized

PACKAGED = (
    "sim_cibmtr",
    "sim_ebmt",
    "sim_redcap",
    "cibmtr_form_4100_r4",
    "cibmtr_baseline",
    "ebmt_cell_therapy",
)
DOMAINS = (
    "ice_score",
    "consciousness",
    "seizure",
    "motor_deficit",
    "posturing",
    "abducens_palsy",
    "papilledema",
    "cushing_triad",
)


@pytest.mark.parametrize("source", PACKAGED)
def test_the_examples_of_the_mapping_hold(source: str) -> None:
    assert check_examples(source) >= 10


@pytest.fixture(scope="module")
def daily(harmonized: Harmonized) -> pd.DataFrame:
    """Daily assessments of REDCap, graded, beside the truth of the day; duplicated days are left out."""
    assessments = harmonized.registry.neuro_assessment
    graded = co.grade_icans(assessments[assessments["source"] == "sim_redcap"])
    key = ["patient_id", "assessment_day"]
    single = graded[~graded.duplicated(key, keep=False)]
    truth = harmonized.truth["daily"].rename(columns={"day": "assessment_day"})
    return single.merge(truth, on=key, suffixes=("", "_true"), validate="1:1")


def test_every_assessment_has_its_day_in_the_truth(harmonized: Harmonized, daily: pd.DataFrame) -> None:
    assessments = harmonized.registry.neuro_assessment
    mine = assessments[assessments["source"] == "sim_redcap"]
    duplicated = mine.duplicated(["patient_id", "assessment_day"], keep=False).sum()
    assert len(daily) + duplicated == len(mine)


@pytest.mark.parametrize("domain", DOMAINS)
def test_daily_domains_equal_the_truth(daily: pd.DataFrame, domain: str) -> None:
    seen = daily[daily[domain].notna()]
    assert len(seen) > 0.8 * len(daily)
    assert (seen[domain].astype(str) == seen[f"{domain}_true"].astype(str)).all()


def test_ice_items_add_up_to_the_score(daily: pd.DataFrame) -> None:
    items = daily[["ice_orientation", "ice_naming", "ice_command", "ice_writing", "ice_attention"]]
    both = daily["ice_score"].notna()
    assert (items.sum(axis=1)[both] == daily["ice_score"][both]).all()


def test_what_was_not_assessed_says_why(daily: pd.DataFrame) -> None:
    unasked = ~daily["ice_done"] | daily["sedated_true"]
    assert unasked.any()
    assert (daily.loc[unasked, "ice_score__status"] == "missing:not_done").all()
    assert (daily.loc[daily["sedated_true"], "consciousness__status"] == "missing:not_done").all()
    assert (daily["edema_imaging"].notna() == daily["edema_known"]).all()


def test_determinable_imaging_blind_grades_equal_the_truth(daily: pd.DataFrame) -> None:
    known = daily[daily["icans_grade_imaging_blind"].notna()]
    assert len(known) > 0.9 * len(daily)
    assert (known["icans_grade_imaging_blind"] == known["icans_grade_imaging_blind_true"]).all()


def test_determinable_grades_equal_the_truth_where_a_scan_tells_of_edema(daily: pd.DataFrame) -> None:
    known = daily[daily["icans_grade"].notna()]
    told = known[known["edema_known"]]
    assert len(told) > 0
    assert (told["icans_grade"] == told["icans_grade_true"]).all()
    untold = known[~known["edema_known"]]
    assert (untold["icans_grade"] <= untold["icans_grade_true"]).all()


def test_bounds_hold_the_truth_on_every_day(daily: pd.DataFrame) -> None:
    truth = daily["icans_grade_imaging_blind_true"]
    assert (daily["icans_grade_lower_imaging_blind"] <= truth).all()
    assert (truth <= daily["icans_grade_upper_imaging_blind"]).all()


def test_daily_crs_grades_equal_the_truth(harmonized: Harmonized) -> None:
    assessments = harmonized.registry.crs_assessment
    graded = co.grade_crs(assessments[assessments["source"] == "sim_redcap"])
    truth = harmonized.truth["daily"].rename(columns={"day": "assessment_day"})
    both = graded.merge(truth, on=["patient_id", "assessment_day"], suffixes=("", "_true"), validate="1:1")
    assert len(both) == len(graded)
    known = both[both["crs_grade"].notna()]
    assert len(known) > 0.95 * len(both)
    assert (known["crs_grade"] == known["crs_grade_true"]).all()


def test_outcomes_of_all_sources_equal_the_truth(harmonized: Harmonized) -> None:
    infusion = harmonized.registry.infusion
    first = infusion[infusion["infusion_number"] == 1].merge(
        harmonized.truth["patients"], on="patient_id", suffixes=("", "_true")
    )
    assert set(first["source"]) == {"sim_cibmtr", "sim_ebmt", "sim_redcap"}
    for day in ("last_contact_day", "death_day", "relapse_day"):
        known = first[first[f"{day}__status"] == "ok"]
        assert (known[day] == known[f"{day}_true"]).all()
        absent = first[first[f"{day}__status"] == "missing:not_applicable"]
        assert absent[f"{day}_true"].isna().all()
    assert (first["center_id"] == first["center_id_true"]).all()
    known = first[first["product"].notna()]
    assert (known["product"].astype(str) == known["product_true"]).all()


@pytest.mark.parametrize(
    ("variable", "tolerance"),
    # EBMT writes creatinine in umol/L and CRP in mg/L with one decimal, neutrophils in 10^9/L with two
    [
        ("creatinine_mg_dl", 0.05 / 88.4017 + 1e-4),
        ("crp_mg_dl", 0.005),
        ("anc_per_ul", 5.0),
        ("hemoglobin_g_dl", 0.05),
    ],
)
def test_values_in_other_units_equal_the_truth(
    harmonized: Harmonized, variable: str, tolerance: float
) -> None:
    infusion = harmonized.registry.infusion
    known = infusion[(infusion[f"{variable}__status"] == "ok") & (infusion["infusion_number"] == 1)]
    both = known.merge(harmonized.truth["patients"], on="patient_id", suffixes=("", "_true"))
    assert set(both["source"]) >= {"sim_ebmt", "sim_redcap"}
    assert np.abs(both[variable] - both[f"{variable}_true"]).max() <= tolerance * (1.0 + 1e-9)


def test_exams_and_findings_are_what_the_readers_wrote(harmonized: Harmonized) -> None:
    registry, truth = harmonized.registry, harmonized.truth
    exams = registry.mri_exam
    done = exams[(exams["source"] == "sim_redcap") & (exams["exam_status"] == "done")]
    mine = truth["exams"][truth["exams"]["source"] == "sim_redcap"]
    assert sorted(zip(done["patient_id"], done["exam_day"], strict=True)) == sorted(
        zip(mine["patient_id"], mine["exam_day"], strict=True)
    )
    found = registry.mri_finding
    found = found[(found["source"] == "sim_redcap") & found["presence"].notna()]
    read = truth["findings"][truth["findings"]["source"] == "sim_redcap"]
    for presence in ("present", "absent", "indeterminate", "not_assessable"):
        assert (found["presence"] == presence).sum() == (read["presence"] == presence).sum()


def test_registries_report_what_they_were_told(harmonized: Harmonized) -> None:
    """Grades told to a registry are the grades noted at the bedside, when the episode was told at all."""
    assessments = harmonized.registry.neuro_assessment
    told = assessments[
        (assessments["source"] != "sim_redcap")
        & (assessments["reporting_period"] == "day_100")
        & (assessments["reported_icans_grade"].fillna(0) > 0)
    ]
    both = told.merge(harmonized.truth["patients"], on="patient_id")
    really = both[both["icans_grade_noted"] > 0]
    assert len(really) > 0.9 * len(both)
    assert (really["reported_icans_grade"] == really["icans_grade_noted"]).all()
    assert (both.loc[both["icans_grade_noted"] == 0, "reported_icans_grade"] == 1).all()
    # derived from the items of the form, with bounds, the truth stays inside
    graded = co.grade_icans(
        really[really["source_x"] == "sim_cibmtr"].rename(columns={"source_x": "source"}), reported="ignore"
    )
    assert (graded["icans_grade_lower"] <= graded["icans_grade_noted"]).all()
    assert (graded["icans_grade_noted"] <= graded["icans_grade_upper"]).all()


def test_patients_of_two_registries_are_one_patient(harmonized: Harmonized) -> None:
    infusion = harmonized.registry.infusion
    shared = infusion.groupby("patient_id")["source"].nunique()
    both = harmonized.truth["patients"].loc[lambda p: p["also_in"] != "", "patient_id"]
    assert set(shared.index[shared == 2]) == set(both)


def test_tables_that_a_source_does_not_collect(harmonized: Harmonized) -> None:
    registry = harmonized.registry
    assert not registry.collected("mri_exam", "sim_cibmtr")
    assert registry.collected("mri_exam", "sim_ebmt")
    assert not registry.collected("cognition", "sim_ebmt")
    assert set(registry.mri_exam["source"]) == {"sim_ebmt", "sim_redcap"}
