"""Values per patient from long tables: windows, days before onset, counts, and what is refused."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest
from small_registry import small_registry

from cohort.dictionary.derived import derived_facts
from cohort.dictionary.facts import ColumnFacts, declare_facts, declared_facts
from cohort.errors import CohortError, IncorporationError, MixedScalesError, StudyError, UnitsError
from cohort.study.biomarkers import lab_value, peak_before
from cohort.study.guards import check_incorporation
from cohort.study.summaries import summarize

LAB = small_registry().lab


def data() -> pd.DataFrame:
    frame = pd.DataFrame(
        {"patient_id": ["p2", "p1", "p3"], "icans_onset_day": [None, 5, None]}, index=[20, 10, 30]
    )
    return frame.astype({"patient_id": "string", "icans_onset_day": "Int64"})


def values(made: pd.DataFrame, name: str) -> list[float | None]:
    return [None if pd.isna(v) else float(v) for v in made[name]]


def test_peak_before_onset_by_hand() -> None:
    # p1 has onset on day 5: of 6 (day 1), 12 (day 4), 30 (day 5, not before) and 90 (day -6) the peak is 12.
    # p2 has none: of 3 (day 1), 7 (day 20) and 99 (day 31, after the window) the peak is 7. p3 has no value.
    made = peak_before(data(), LAB, "crp")
    assert values(made, "crp_peak_before_onset") == [7.0, 12.0, None]
    assert made.index.tolist() == [20, 10, 30]
    facts = declared_facts(made)["crp_peak_before_onset"]
    assert (facts.known, facts.known_day, facts.unit, facts.label) == ("daily", 30.0, "mg/dL", "peak CRP")
    told = made.attrs["cohort_summaries"]["crp_peak_before_onset"]
    # days 0-4 could be observed before an onset on day 5, days 0-30 without one
    assert (told["median_days_with_day"], told["median_days_without_day"]) == (5.0, 31.0)
    assert (told["n_values"], told["n_missing"]) == (4, 1)


@pytest.mark.parametrize(
    ("take", "expected"),
    [
        ("max", [7, 30, None]),
        ("min", [3, 6, None]),
        ("first", [3, 6, None]),
        ("last", [7, 30, None]),
        ("count", [2, 3, None]),
    ],
)
def test_each_way_to_take_a_value(take: str, expected: list[float | None]) -> None:
    made = lab_value(data(), LAB.iloc[::-1], "crp", take=take)  # type: ignore[arg-type]
    assert values(made, f"crp_{take}") == expected


def test_all_days_count_without_a_window_and_are_known_only_at_the_end() -> None:
    made = summarize(data(), LAB, name="crp", where="analyte == 'crp'")
    assert values(made, "crp") == [99.0, 90.0, None]
    assert declared_facts(made)["crp"].known_day == math.inf


def test_a_count_is_zero_with_rows_outside_the_window_and_missing_without_rows() -> None:
    made = summarize(data(), LAB, name="n", where="analyte == 'crp'", take="count", window=(2, 3))
    assert values(made, "n") == [0.0, 0.0, None]


def test_rows_of_a_rule_that_cannot_be_decided_are_not_used() -> None:
    lab = LAB.assign(value=LAB["value"].mask(LAB["value"] == 30.0))
    made = summarize(data(), lab, name="high", where="analyte == 'crp' and value > 5", window=(0, 30))
    assert values(made, "high") == [7.0, 12.0, None]


def test_keys_that_both_frames_have_must_agree() -> None:
    other = LAB.assign(infusion_number=2)
    made = summarize(data().assign(infusion_number=1), other, name="crp", where="analyte == 'crp'")
    assert made["crp"].isna().all()


def test_earlier_summaries_stay_told() -> None:
    made = peak_before(lab_value(data(), LAB, "ferritin"), LAB, "crp")
    assert list(made.attrs["cohort_summaries"]) == ["ferritin_max", "crp_peak_before_onset"]
    assert declared_facts(made)["ferritin_max"].unit == "ng/mL"


def test_a_summary_stays_part_of_the_grade_its_variable_is_part_of() -> None:
    part = ColumnFacts("daily", None, part_of=("icans_grade",), label="ICE score")
    neuro = declare_facts(NEURO.assign(ice_score=10), {"ice_score": part})
    made = summarize(data(), neuro, name="lowest_ice", variable="ice_score", take="min", window=(0, 30))
    facts = declared_facts(made)["lowest_ice"]
    assert (facts.part_of, facts.known_day, facts.label) == (("icans_grade",), 30.0, "ICE score")
    with pytest.raises(IncorporationError):
        check_incorporation(["lowest_ice"], ["severe_icans"], {**derived_facts(), "lowest_ice": facts})


def test_an_analyte_nobody_measured_is_missing_and_an_unknown_one_an_error() -> None:
    none = LAB[LAB["analyte"] == "ferritin"]  # crp stays a category
    assert peak_before(data(), none, "crp")["crp_peak_before_onset"].isna().all()


NEURO = small_registry().neuro_assessment
MIXED = NEURO.assign(grading_system=["CTCAE5", *["ASTCT2019"] * (len(NEURO) - 1)])
REFUSED = {
    "no such analyte": (lambda: lab_value(data(), LAB, "il6"), StudyError, "analyte 'il6'.*crp, ferritin"),
    "no such column": (
        lambda: summarize(data(), LAB, name="x", variable="valeu"),
        StudyError,
        "does not exist: valeu",
    ),
    "no such day": (
        lambda: summarize(data(), LAB, name="x", before="onset"),
        StudyError,
        "does not exist: onset",
    ),
    "name taken": (
        lambda: summarize(data(), LAB, name="patient_id"),
        StudyError,
        "have a column 'patient_id'",
    ),
    "window": (lambda: summarize(data(), LAB, name="x", window=(3, 1)), StudyError, "ends before it starts"),
    "no day": (
        lambda: summarize(data(), LAB.drop(columns="lab_day"), name="x"),
        StudyError,
        "no column with the day",
    ),
    "two units": (lambda: summarize(data(), LAB, name="x"), UnitsError, "mix units.*mg/dL, ng/mL"),
    "two scales": (
        lambda: summarize(data(), MIXED, name="x", variable="reported_icans_grade"),
        MixedScalesError,
        "ASTCT2019, CTCAE5.*grade_icans",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_requests_are_refused(case: str) -> None:
    call, error, pattern = REFUSED[case]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, CohortError)
    assert re.search(pattern, str(caught.value), flags=re.DOTALL), str(caught.value)
    assert "p1" not in str(caught.value)
