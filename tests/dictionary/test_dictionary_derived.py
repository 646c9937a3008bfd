"""The facts of computed columns and the taxonomy of findings."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from cohort.dictionary.derived import declare_derived, derived_facts, finding_taxonomy, printed_unit
from cohort.dictionary.facts import declared_facts
from cohort.dictionary.strict_yaml import load_yaml
from cohort.neurotox.episodes import icans_episodes
from cohort.neurotox.icans import grade_icans
from cohort.neurotox.mri_exams import MODALITIES
from cohort.neurotox.patient_grades import patient_crs, patient_icans
from cohort.neurotox.reported import SYSTEMS

KEYS = {"source", "patient_id", "infusion_number", "exam_id"}


@pytest.fixture(scope="module")
def folder(request):
    return request.config.rootpath / "data_dictionary"


def values(folder, codelist):
    data, _ = load_yaml(folder / "codelists" / f"{codelist}.yaml")
    return [entry["value"] for entry in data["categories"]]


def test_the_taxonomy_has_the_codes_of_the_codelist_in_order(folder):
    assert list(finding_taxonomy().codes) == values(folder, "finding")


def test_groups_members_and_acquisitions_exist(folder):
    taxonomy = finding_taxonomy()
    groups = {group.value for group in taxonomy.groups}
    table, _ = load_yaml(folder / "tables" / "mri_exam.yaml")
    columns = {field["name"] for field in table["fields"]}
    for finding in taxonomy.findings:
        assert finding.group in groups
        for name in (name for needed in finding.needs_any for name in needed):
            known = name.removeprefix("modality:") in MODALITIES if ":" in name else name in columns
            assert known, f"{finding.value} needs {name}"
    for composite in taxonomy.composites:
        assert set(taxonomy.members(composite)) <= set(taxonomy.codes)


def test_only_edema_feeds_the_grade():
    feeding = {
        finding.value: finding.feeds_icans for finding in finding_taxonomy().findings if finding.feeds_icans
    }
    assert feeding == {"edema_focal": 3, "edema_diffuse": 4}


def test_vocabularies_agree_with_the_codelists(folder):
    assert set(SYSTEMS) == set(values(folder, "grading_system"))
    assert list(MODALITIES) == values(folder, "modality")


def test_baseline_and_follow_up_variables_of_the_infusion():
    facts = derived_facts()
    assert (facts["age_years"].known_day, facts["age_years"].unit) == (0, "years")
    assert facts["death_day"].known_day == math.inf
    assert facts["product"].label == "Product"


def test_the_window_moves_what_it_should():
    facts = derived_facts(window_end=14)
    assert facts["severe_icans"].known_day == 14
    assert facts["clocc_first_day"].known_day == 14
    assert facts["age_years"].known_day == 0
    assert facts["icans_duration_days"].known_day == math.inf


def test_every_computed_column_is_known():
    days = pd.DataFrame({"patient_id": ["A"], "assessment_day": [1], "ice_score": [3]})
    graded = grade_icans(days)
    crs = days.assign(crs_grade_lower=1, crs_grade_upper=1, crs_grade=1, crs_grade_source="derived")
    for frame in (graded, icans_episodes(graded), patient_icans(graded), patient_crs(crs)):
        assert set(frame.columns) - set(days.columns) - KEYS <= set(derived_facts())


def test_declaring_leaves_unknown_columns_alone():
    frame = declare_derived(pd.DataFrame({"mine": [1], "severe_icans": ["no"]}))
    assert set(declared_facts(frame)) == {"severe_icans"}


def test_units_are_printed_as_journals_do():
    assert printed_unit("10*9/L") == "×10⁹/L"
    assert printed_unit("mg/dL") == "mg/dL"
