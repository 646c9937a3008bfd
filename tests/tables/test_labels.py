from __future__ import annotations

import pytest

from cohort.dictionary.facts import ColumnFacts
from cohort.tables.labels import in_sentence, level_label, used_abbreviations, variable_label


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ferritin_ng_ml", ("Ferritin", "ng/mL")),
        ("platelets_10e9_l", ("Platelets", "×10⁹/L")),
        ("age_years", ("Age", "years")),
        ("crp_mg_dl", ("CRP", "mg/dL")),
        ("severe_icans", ("Severe ICANS", "")),
        ("mri_first_day", ("MRI first day", "")),
    ],
)
def test_names_speak_for_themselves(name, expected):
    assert variable_label(name, {}, {}) == expected


def test_facts_and_the_caller_come_first():
    facts = {"age_years": ColumnFacts(label="Age at infusion", unit="years")}
    assert variable_label("age_years", {}, facts) == ("Age at infusion", "years")
    assert variable_label("age_years", {"age_years": "Age (y)"}, facts) == ("Age (y)", "")


def test_a_day_needs_no_unit():
    facts = {"icans_onset_day": ColumnFacts(label="Day of ICANS onset", unit="days")}
    assert variable_label("icans_onset_day", {}, facts) == ("Day of ICANS onset", "")


def test_levels_come_from_the_caller_the_dictionary_or_the_value():
    assert level_label("product", "axi-cel", {("product", "axi-cel"): "Axi-cel"}) == "Axi-cel"
    assert level_label("product", "axi-cel", {}) == "Axicabtagene ciloleucel"
    assert level_label("arm", "standard_care", {}) == "Standard care"
    assert level_label("score", "-1", {}) == "−1"
    assert level_label("lesion_count", "2-4", {}) == "2-4"


def test_abbreviations_are_found_in_the_texts():
    assert [short for short, _ in used_abbreviations(["Severe ICANS (95% CI)", "LDH, U/L"])] == [
        "CI",
        "ICANS",
        "LDH",
    ]


def test_labels_inside_sentences():
    assert in_sentence("Severe ICANS") == "severe ICANS"
    assert in_sentence("ICANS grade") == "ICANS grade"
