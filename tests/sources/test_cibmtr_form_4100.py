"""CIBMTR form 4100 revision 4: the mapping has a word for every question, and a rule for every answer."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import cohort as co
from cohort.dictionary.mapping import read_mapping
from cohort.registry.planner import make_plan

FORM = Path(__file__).parents[2].parent / "shared" / "data" / "cibmtr_form_4100" / "form_4100r4.json"
SOURCE = "cibmtr_form_4100_r4"
KEYS = {"CRID", "CCN", "INFSEQ", "INFDT", "VISIT"}
# By hand from the form: section, first and last question.
SECTIONS = (
    ("Product", 1, 1),
    ("Survival", 2, 3),
    ("Subsequent Cellular Infusions", 4, 8),
    ("Best Response to Cellular Therapy", 9, 11),
    ("Disease Relapse or Progression", 12, 13),
    ("Peripheral Blood Count Recovery", 14, 17),
    ("Current Hematologic Findings", 18, 32),
    ("New Malignancy, Lymphoproliferative or Myeloproliferative Disease / Disorder", 33, 33),
    ("Persistence of Cells", 34, 55),
    ("Graft vs. Host Disease", 56, 75),
    ("Toxicities", 76, 187),
    ("Infection", 188, 192),
    ("Functional Status", 193, 193),
)
YES_NO, THREE = ("yes", "no"), ("yes", "no", "unknown")
# Answers of the coded questions that rules read.
ANSWERS = {
    1: ("tisagenlecleucel_kymriah", "axicabtagene_ciloleucel_yescarta", "other_product"),
    3: ("alive", "dead"),
    9: (
        "complete_response",
        "normalization_of_organ_function",
        "partial_response",
        "partial_normalization_of_organ_function",
        "no_response",
        "disease_progression_or_worsening_of_organ_function",
        "not_applicable_eg_infection_prophylaxis",
        "unknown",
    ),
    33: ("yes", "no", "previously_reported"),
    87: ("1", ">=2", "unknown"),
    102: ("10", "7-9", "3--6", "0--2", "unable_to_be_assessed"),
    105: ("1", "2", "3_aphasia"),
    109: ("grade_3", "grade_4"),
    112: ("3", "4"),
    117: ("hemorrhagic", "ischemic"),
    123: ("anti-epileptics", "corticosteroids", "other_therapy"),
    **dict.fromkeys((4, 7, 12, 76, 97, 121), YES_NO),
    **dict.fromkeys((81, 83, 86, 91, 93, 95, 99, 101, 103, 104, 106, 110, 111, 113, 114, 115, 118), THREE),
    **dict.fromkeys((150, 168), THREE),
    **dict.fromkeys((173, 182, 185), ("known", "unknown")),
}
with_form = pytest.mark.skipif(not FORM.is_file(), reason="the form is not part of the repository")


@pytest.fixture(scope="module")
def uses():
    dictionary = co.read_dictionary()
    mapping = read_mapping(SOURCE, dictionary)
    read = {column for _, _, column in make_plan(mapping, dictionary).needed()}
    aside = [column for one in mapping.model.not_used for column in one.columns]
    return read, aside


@pytest.fixture(scope="module")
def questions():
    return json.loads(FORM.read_text(encoding="utf-8"))["questions"]


def test_every_question_is_read_or_set_aside_with_a_note(uses):
    read, aside = uses
    asked = [f"Q{n}" for _, first, last in SECTIONS for n in range(first, last + 1)]
    assert len(asked) == len(set(asked)) == 193
    assert sorted([*(read - KEYS), *aside]) == sorted(asked)  # each once
    assert (len(read - KEYS), len(aside)) == (61, 132)
    assert read >= KEYS


def test_every_coded_question_that_a_rule_reads_is_in_the_list_of_answers(uses):
    dates = {2, 6, 8, 13, 77, 98, 100, 116, 122, 151, 169, 175, 184, 187, 192}
    texts_and_numbers = {79, 174, 183, 186, 188, 189, 190}
    assert {f"Q{n}" for n in (*ANSWERS, *dates, *texts_and_numbers)} == uses[0] - KEYS


def one_answer_at_a_time():
    """Return a row per answer; in all of them the questions that open the others say yes."""
    base = {
        "CRID": "1",
        "CCN": "1",
        "INFSEQ": "1",
        "INFDT": "2019-05-06",
        "VISIT": "100_day",
        "Q2": "2019-08-01",
    }
    base |= {f"Q{n}": "yes" for n in (76, 83, 86, 99, 101, 104, 106, 111, 115)}
    base |= {"Q87": "1", "Q102": "10", "Q105": "1", "Q109": "grade_3", "Q112": "3", "Q117": "ischemic"}
    rows = [{f"Q{n}": answer} for n, answers in ANSWERS.items() for answer in answers]
    visits = [{"VISIT": visit} for visit in ("100_day", "6_months", "1_year", "2_years", "later")]
    rows = [{**base, **row, "CRID": str(number)} for number, row in enumerate([*rows, *visits])]
    columns = [*sorted(KEYS), *(f"Q{n}" for n in range(1, 194))]
    return pd.DataFrame(rows, columns=columns).fillna("")


def test_every_answer_of_the_form_has_a_rule():
    frame = one_answer_at_a_time()
    registry = co.harmonize(co.read_source(frame, source=SOURCE))
    assert registry.unmapped.empty
    assert len(registry.neuro_assessment) == len(frame)
    odd = registry.neuro_assessment["cartox10_band"].value_counts()
    assert odd[["7-9", "3-6", "0-2", "unable"]].tolist() == [1, 1, 1, 1]


def test_an_answer_of_another_revision_is_listed_and_not_guessed():
    frame = one_answer_at_a_time().head(1).assign(Q102="7--9", Q117="embolic", Q1="lisocabtagene")
    registry = co.harmonize(co.read_source(frame, source=SOURCE))
    found = registry.unmapped.set_index("source_column")["value"].to_dict()
    assert found.items() >= {("Q102", "7--9"), ("Q1", "lisocabtagene")}
    assert registry.neuro_assessment["hemorrhage__status"].tolist() != ["ok"]


def test_the_use_of_columns_says_what_became_of_each():
    frame = one_answer_at_a_time().assign(Q194="x")
    source = co.read_source(frame, source=SOURCE)
    use = co.column_use(source).set_index("column")
    audit = co.harmonize(source).audit
    counted = audit[audit["item"] == "columns"].set_index("value")["n"].to_dict()
    assert counted == {"not_mentioned": 1, "not_used": 132, "read": 66}
    assert use["use"].value_counts().to_dict() == {"not_used": 132, "read": 66, "not_mentioned": 1}
    assert use.loc["Q194", "use"] == "not_mentioned"
    assert use.loc["Q102", "variables"] == "neuro_assessment.cartox10_band"
    assert use.loc["Q183", "variables"] == "lab.value"
    assert "unit" in use.loc["Q20", "note"]
    assert (use.loc[use["use"] == "not_used", "note"].str.len() > 10).all()


@with_form
def test_the_list_by_hand_is_the_form(questions):
    sections = {one["question_number"]: one["group"] for one in questions}
    assert sections == {str(n): name for name, first, last in SECTIONS for n in range(first, last + 1)}
    answers = {int(one["question_number"]): tuple(a["value"] for a in one["answers"]) for one in questions}
    assert {n: answers[n] for n in ANSWERS} == ANSWERS


@with_form
def test_no_question_of_the_form_is_without_a_word(questions, uses):
    read, aside = uses
    asked = {f"Q{one['question_number']}" for one in questions}
    assert asked == (read - KEYS) | set(aside)
    assert len(questions) == 193
