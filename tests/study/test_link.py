"""Link: one row per patient by hand, facts for every column, and frames that cannot be linked."""

from __future__ import annotations

import dataclasses
import functools
import math
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_registry import small_registry

from cohort.dictionary.facts import ColumnFacts, declare_facts, declared_facts
from cohort.errors import ImmortalTimeError, StudyError
from cohort.neurotox.crs import grade_crs
from cohort.neurotox.episodes import icans_episodes
from cohort.neurotox.icans import grade_icans
from cohort.neurotox.mri import mri_findings
from cohort.study.guards import check_immortal_time
from cohort.study.named_endpoints import endpoint
from cohort.study.population import Study

REGISTRY = small_registry()


def adults() -> Study:
    made = Study(REGISTRY)  # type: ignore[arg-type]
    return made.require("adult at infusion", "age_years >= 18").require(
        "first infusion", "infusion_number == 1"
    )


@functools.cache
def by_default() -> pd.DataFrame:
    return adults().link()


def linked(*frames: pd.DataFrame) -> pd.DataFrame:
    return (adults().link(*frames) if frames else by_default()).set_index("patient_id")


def test_one_row_per_patient_worked_by_hand() -> None:
    data = linked()
    assert data.index.tolist() == ["p1", "p2", "p4", "p6"]
    # p1: grade 3 on day 6 and only reported, so imaging may have set it: the imaging-blind grade is not known
    assert data.loc["p1", ["any_icans", "icans_grade", "severe_icans", "icans_onset_day"]].tolist() == [
        "yes",
        3,
        "yes",
        5,
    ]
    assert pd.isna(data.loc["p1", "icans_grade_imaging_blind"])
    assert pd.isna(data.loc["p1", "severe_icans_imaging_blind"])
    assert data["icans_grade"].tolist() == [3, 0, 0, 2]
    # p6 has only a maximum over a period, with its onset
    assert data["icans_onset_day"].tolist() == [5, pd.NA, pd.NA, 7]
    assert data["crs_grade"].tolist() == [2, 0, pd.NA, pd.NA]
    assert data["last_contact_day"].tolist() == [90, 400, 20, 200]
    assert not [c for c in data.columns if c.endswith("__status")]


def test_without_a_record_a_patient_is_not_imaged_only_where_imaging_is_collected() -> None:
    data = linked()
    assert data["mri_status"].tolist() == ["imaged", "not_imaged", "not_imaged", "unknown"]
    assert data["mri_not_done_reason"].astype(object).tolist()[1] == "not_indicated"
    assert data["edema_focal"].astype(object).tolist()[:3] == ["present", "not_imaged", "not_imaged"]
    assert pd.isna(data.loc["p6", "edema_focal"])
    assert data.loc["p1", "edema_focal_first_day"] == 6
    assert data.loc["p1", "edema_focal_change"] == "new"
    assert data.loc["p4", "mri_n_exams"] == 0
    assert data.loc["p4", "baseline_mri"] == "no"
    assert data.loc["p6", "baseline_mri"] == "unknown"


def test_imaging_of_named_patients_gives_the_same() -> None:
    named = mri_findings(REGISTRY.mri_exam, REGISTRY.mri_finding, patients=REGISTRY.infusion)
    pd.testing.assert_frame_equal(linked(named), linked())


def test_late_neurotoxicity_is_late_and_unknown_is_not_no() -> None:
    data = linked()
    # p1: movement disorder on day 80 (the stroke on day 6 is acute); p2: a stroke on day 30, the last acute day;
    # p4: a stroke nobody answered; p6: beta collects no events
    assert data["late_neurotoxicity"].astype(object).where(
        data["late_neurotoxicity"].notna(), None
    ).tolist() == [
        "yes",
        "no",
        None,
        None,
    ]
    assert data["late_neurotoxicity_day"].tolist() == [80, pd.NA, pd.NA, pd.NA]
    end = endpoint("late_neurotoxicity", by_default())
    assert end.excluded == (("not known whether late_neurotoxicity happened", 2),)


def test_an_undated_late_event_happened() -> None:
    children = Study(REGISTRY).require("children", "age_years < 18").link()  # type: ignore[arg-type]
    assert children["late_neurotoxicity"].tolist() == ["yes"]
    assert children["late_neurotoxicity_day"].isna().all()
    assert endpoint("late_neurotoxicity", children).excluded == (("late_neurotoxicity without a day", 1),)


def test_given_frames_are_recognised_and_change_nothing() -> None:
    graded = grade_icans(REGISTRY.neuro_assessment)
    frames = [
        graded,
        icans_episodes(graded),
        grade_crs(REGISTRY.crs_assessment),
        mri_findings(REGISTRY.mri_exam, REGISTRY.mri_finding),
    ]
    pd.testing.assert_frame_equal(linked(*frames), linked())


def test_grades_are_made_with_the_options_of_the_episodes() -> None:
    strict = icans_episodes(grade_icans(REGISTRY.neuro_assessment, reported="ignore"))
    data = linked(strict)
    assert data["icans_grade"].isna().all()
    assert adults().link(strict).attrs["cohort_grading"]["reported"] == "ignore"


def test_every_column_has_facts() -> None:
    data = by_default()
    facts = declared_facts(data)
    assert set(data.columns) - set(facts) == {"source", "patient_id"}
    assert facts["age_years"].known_day == 0
    assert facts["edema_focal"] == ColumnFacts(
        "at_exam", 30.0, part_of=("icans_grade",), label=facts["edema_focal"].label, unit=""
    )
    assert facts["severe_icans"].measures == ("icans_grade",)
    assert facts["severe_icans_imaging_blind"].measures == ("icans_grade_imaging_blind",)
    assert facts["death_day"].known_day == math.inf
    assert adults().link(window=(0, 14)).attrs["cohort_facts"]["icans_grade"]["known_day"] == 14


def test_facts_survive_merge_and_filter_through_the_endpoint() -> None:
    data = by_default()
    end = endpoint("overall_survival", data)
    other = data.merge(pd.DataFrame({"patient_id": ["p1", "p2"], "site": ["x", "y"]}), on="patient_id")
    assert other.attrs is not data.attrs
    other.attrs = {}
    with pytest.raises(ImmortalTimeError):
        check_immortal_time(["edema_focal"], end, end.facts)


def test_a_frame_with_one_row_per_patient_is_linked_by_the_keys_it_has() -> None:
    own = pd.DataFrame({"patient_id": ["p2", "p1", "p9"], "il6_pg_ml": [8.0, 5.0, 1.0]})
    own = declare_facts(own, {"il6_pg_ml": ColumnFacts("baseline", 0)})
    made = adults().link(own)
    assert made["il6_pg_ml"].tolist()[:2] == [5.0, 8.0]
    assert made["il6_pg_ml"].isna().tolist() == [False, False, True, True]
    assert declared_facts(made)["il6_pg_ml"].known == "baseline"


def test_an_empty_registry_gives_empty_frames() -> None:
    tables = ("infusion", "neuro_assessment", "crs_assessment", "mri_exam", "mri_finding", "lab", "event")
    empty = dataclasses.replace(REGISTRY, **{name: getattr(REGISTRY, name).iloc[:0] for name in tables})
    made = Study(empty).require("adult", "age_years >= 18")  # type: ignore[arg-type]
    data = made.link()
    assert len(data) == 0
    assert data.columns.tolist() == by_default().columns.tolist()
    assert endpoint("icans", data).event_counts() == {"censored": 0, "icans": 0, "death": 0}
    assert made.attrition["n_after"].tolist() == [0, 0, 0, 0]


REFUSED = {
    "two infusions": (lambda: Study(REGISTRY).link(), r"1 patients with 2 infusions.*infusion_number == 1"),  # type: ignore[arg-type]
    "many rows": (lambda: adults().link(REGISTRY.lab), "several rows per patient.*8 of 8 rows.*summarize"),
    "no key": (
        lambda: adults().link(pd.DataFrame({"id": ["p1"], "x": [1]})),
        r"no column 'patient_id'.*rename",
    ),
    "column twice": (
        lambda: adults().link(pd.DataFrame({"patient_id": ["p1"], "product": ["x"]})),
        "has already.*product.*rename",
    ),
    "two of a kind": (
        lambda: adults().link(grade_crs(REGISTRY.crs_assessment), grade_crs(REGISTRY.crs_assessment)),
        "Two frames to link hold crs",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_linked_is_refused(case: str) -> None:
    call, pattern = REFUSED[case]
    with pytest.raises(StudyError) as caught:
        call()
    message = str(caught.value)
    assert re.search(pattern, message, flags=re.DOTALL), message
    assert "Remedy: " in message
    assert "p1" not in message


@given(st.permutations(range(8)), st.permutations(range(12)))
@settings(max_examples=6, deadline=None)
def test_row_order_never_makes_or_loses_a_patient(infusions: list[int], assessments: list[int]) -> None:
    registry = small_registry()
    turned = type(registry)(
        **{
            **vars(registry),
            "infusion": registry.infusion.iloc[infusions],
            "neuro_assessment": registry.neuro_assessment.iloc[assessments],
        }
    )
    made = Study(turned).require("adult", "age_years >= 18").require("first", "infusion_number == 1")  # type: ignore[arg-type]
    data = made.link().sort_values("patient_id", ignore_index=True)
    assert data["patient_id"].tolist() == ["p1", "p2", "p4", "p6"]
    pd.testing.assert_frame_equal(data, by_default())


def test_an_open_day_widens_the_maximum_unless_it_is_left_aside() -> None:
    # p2 has grade 0 on days 1, 5 and 9, but on day 5 only the seizure domain was assessed: 0 to 4 that day
    neuro = REGISTRY.neuro_assessment
    mine = (neuro["patient_id"] == "p2") & (neuro["assessment_day"] == 5)
    neuro = neuro.assign(
        reported_icans_grade=neuro["reported_icans_grade"].mask(mine.fillna(False)),
        seizure=pd.Series("none", index=neuro.index).where(mine.fillna(False)),
    )
    open_day = grade_icans(neuro)
    columns = ["icans_grade_lower", "icans_grade_upper"]
    widened = adults().link(open_day).set_index("patient_id").loc["p2", columns].tolist()
    aside = adults().link(open_day, open_days="ignore").set_index("patient_id").loc["p2", columns].tolist()
    assert widened == [0, 4]
    assert aside == [0, 0]
