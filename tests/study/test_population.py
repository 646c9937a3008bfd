"""Study: every rule counted by hand, unknown kept apart, immutability, and counts that never rise."""

from __future__ import annotations

import dataclasses
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_registry import SmallRegistry, small_registry

from cohort.dictionary.facts import declared_facts
from cohort.errors import StudyError
from cohort.study.population import Study
from cohort.study.summaries import summarize

COUNTS = ["n_before", "n_excluded", "n_unknown", "n_after", "n_patients"]


def study(registry: SmallRegistry | None = None) -> Study:
    return Study(registry or small_registry())  # type: ignore[arg-type]


def counts(made: Study) -> list[list[int]]:
    return made.attrition[COUNTS].to_numpy().tolist()


def test_attrition_worked_by_hand() -> None:
    made = (
        study()
        .require("adult at infusion", "age_years >= 18")
        .exclude("later infusion", "infusion_number > 1")
    )
    assert counts(made) == [
        [8, 0, 0, 8, 6],  # eight infusions of six patients
        [8, 0, 0, 8, 6],  # none recorded twice by a source; shown all the same
        [8, 1, 0, 7, 6],  # p1 of beta, which alpha reports as well
        [7, 1, 1, 5, 4],  # p3 is 15; the age of p5 is missing, which is not under 18
        [5, 1, 0, 4, 4],  # the second infusion of p4
    ]
    assert made.attrition["unit"].tolist() == ["infusions"] * 4 + ["patients"]
    assert made.attrition["kind"].tolist() == ["start", "duplicate", "duplicate", "require", "exclude"]
    assert made.attrition["rule"].tolist()[2:4] == ["kept from the first of: alpha, beta", "age_years >= 18"]
    assert made.population["patient_id"].tolist() == ["p1", "p2", "p4", "p6"]
    assert made.population["source"].tolist() == ["alpha"] * 3 + ["beta"]


def test_excluding_and_requiring_the_opposite_agree() -> None:
    kept = study().require("adult", "age_years >= 18").population
    left = study().exclude("child", "age_years < 18").population
    pd.testing.assert_frame_equal(kept, left)


def test_a_study_never_changes() -> None:
    first = study()
    before = (repr(first), counts(first))
    first.require("adult", "age_years >= 18")
    taken = first.population
    taken["age_years"] = 0.0
    assert (repr(first), counts(first)) == before
    assert first.population["age_years"].max() == 70.0


def test_the_source_named_first_is_kept() -> None:
    registry = small_registry()
    made = study(dataclasses.replace(registry, sources=("beta", "alpha")))
    assert made.attrition["rule"].iloc[2] == "kept from the first of: beta, alpha"
    assert made.population.loc[made.population["patient_id"] == "p1", "source"].tolist() == ["beta"]


def test_rules_may_use_attached_columns() -> None:
    registry = small_registry()
    counted = summarize(
        study().population, registry.lab, name="n_crp", where="analyte == 'crp'", take="count"
    )
    made = study().attach(counted).require("with CRP", "n_crp > 0").require("first", "infusion_number == 1")
    assert made.population["patient_id"].tolist() == ["p1", "p2"]
    assert made.attrition["n_unknown"].tolist()[3] == 5  # no row in the table at all
    assert "n_crp" not in study().population.columns
    data = made.link()
    assert data["n_crp"].tolist() == [4, 3]
    assert declared_facts(data)["n_crp"].known_day == float("inf")
    with pytest.raises(StudyError, match="several rows per patient"):
        study().attach(registry.lab)


def test_a_second_record_of_a_source_is_counted() -> None:
    registry = small_registry()
    twice = pd.concat([registry.infusion, registry.infusion.iloc[[1]].assign(sex="male")], ignore_index=True)
    made = study(dataclasses.replace(registry, infusion=twice))
    assert counts(made)[1] == [9, 1, 0, 8, 6]
    assert made.population.loc[made.population["patient_id"] == "p2", "sex"].tolist() == [
        "female"
    ]  # the first record


def test_identifiers_that_coincide_without_naming_the_same_people_are_refused() -> None:
    registry = small_registry()
    ours = registry.infusion.iloc[[0, 1, 2]]
    theirs = ours.assign(source="gamma", age_years=[30.0, 31.0, 70.0], patient_id=ours["patient_id"])
    both = pd.concat([ours, theirs], ignore_index=True)
    two = ("alpha", "gamma")
    with pytest.raises(StudyError) as caught:
        study(dataclasses.replace(registry, infusion=both, sources=two))
    assert re.search(
        "do not name the same people.*3 shared identifiers.*in 3.*prefix", str(caught.value), re.DOTALL
    )
    # one contradiction among three is an error of a registry, not of the identifiers
    almost = theirs.assign(age_years=[61.0, 58.0, 70.0])
    made = study(dataclasses.replace(registry, infusion=pd.concat([ours, almost]), sources=two))
    assert counts(made)[2][1] == 3


def test_the_repr_tells_the_steps() -> None:
    made = study().require("adult at infusion", "age_years >= 18")
    assert repr(made).splitlines() == [
        "Study of 5 infusions",
        "  CAR-T infusions in the registries: 8 infusions",
        "  recorded again in the same source: 8 infusions (left out 0)",
        "  reported again by another source: 7 infusions (left out 1)",
        "  adult at infusion: 5 infusions (left out 1, not known 1)",
    ]


REFUSED = {
    "no label": ("", "age_years >= 18", "label of its own"),
    "label twice": ("adult", "age_years >= 18", "label of its own.*adult"),
    "unknown column": ("old", "age_yeers >= 18", "age_years"),
    "status column": ("known", "product__status == 'ok'", "product__status"),
    "no condition": ("age", "age_years + 1", "not a condition.*gives a number"),
    "not an expression": ("x", "age_years >=", "not an expression"),
    "malicious": ("x", "__import__('os').system('true')", "expression"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_rules_are_refused_with_a_remedy(case: str) -> None:
    label, rule, pattern = REFUSED[case]
    made = study().require("adult", "age_years >= 20")
    with pytest.raises(StudyError) as caught:
        made.require(label, rule)
    assert re.search(pattern, str(caught.value), flags=re.DOTALL), str(caught.value)
    assert "Remedy: " in str(caught.value)


RULES = st.sampled_from(
    [
        "age_years >= 18",
        "age_years < 60",
        "sex == 'male'",
        "product == 'axi-cel'",
        "infusion_number == 1",
        "relapsed == 'no'",
    ]
)


@given(st.lists(st.tuples(st.booleans(), RULES), max_size=5))
@settings(max_examples=25, deadline=None)
def test_attrition_never_increases_and_adds_up(steps: list[tuple[bool, str]]) -> None:
    made = study()
    for number, (require, rule) in enumerate(steps):
        made = made.require(f"step {number}", rule) if require else made.exclude(f"step {number}", rule)
    table = made.attrition
    assert (table["n_before"] - table["n_excluded"] - table["n_unknown"] == table["n_after"]).all()
    assert (table["n_before"].iloc[1:].to_numpy() == table["n_after"].iloc[:-1].to_numpy()).all()
    assert (table[["n_excluded", "n_unknown"]] >= 0).all(axis=None)
    assert len(made.population) == table["n_after"].iloc[-1]
    assert made.population["patient_id"].nunique() == table["n_patients"].iloc[-1]
