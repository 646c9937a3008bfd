"""The example of a real workbook: on a small hand-made twin always, on the workbook itself where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cohort.registry.harmonize import harmonize
from cohort.registry.source import read_source
from cohort.report.run import Run, run

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "bwh_icans"
WORKBOOK = ROOT.parent / "shared" / "data" / "bwh_icans" / "AllBWH_5days_deID.xlsx"

COLUMNS = [
    *("SID", "Age", "Sex", "Diagnosis", "Subtype", "Aggressive", "HospitalDay"),
    *("Temp", "CRP", "Ferritin", "meanscore", "Procalcitonin", "IL_6", "WBC"),
]
CRS = ["CRS Peak Severity", "CRS Onset Day", "CRS Peak Day", "Toci doses", "From DR"]


def twin() -> pd.DataFrame:
    """Build three patients: one in each block, and one in both whose grades contradict on day 2."""
    celsius = [
        (1, 60, "m", "Lymphoma", "DL BCL", 1, day, 37.0 + day, 10.0 * (day + 1), 500, grade, None, None, 4.0)
        for day, grade in enumerate([0.0, None, 0.5, 2.5])
    ]
    both = [
        (3, 70, "F", "Lymphoma", "PML", 1, day, 38.0, 119.1, 80, 0.0, None, None, None) for day in range(3)
    ]
    fahrenheit = [
        (2, 50, "F", None, "MM", None, day, 98.6, 300.0, 400, 0.0, None, None, None) for day in range(-1, 3)
    ]
    again = [
        (3, 70, "F", None, "PML", None, day, 100.4, 1191.0, 80, 3.0 if day == 2 else 0.0, None, None, None)
        for day in range(3)
    ]
    frame = pd.DataFrame([*celsius, *both, *fahrenheit, *again], columns=COLUMNS)
    frame[CRS] = None
    first = ~frame["SID"].duplicated()
    frame.loc[first, "CRS Peak Severity"] = 2
    frame.loc[first, "Toci doses"] = 0
    return frame


def test_both_unit_blocks_meet_in_the_same_units() -> None:
    registry = harmonize([read_source(twin(), source=EXAMPLE / "mapping.yaml")])
    daily = registry.crs_assessment
    temperature = daily.loc[
        (daily["patient_id"] == "2") & (daily["assessment_type"] == "daily"), "temperature_c"
    ]
    assert temperature.tolist() == pytest.approx([37.0] * 4)
    lab = registry.lab
    crp = lab[(lab["patient_id"] == "3") & (lab["analyte"] == "crp")]
    assert crp["value"].tolist() == pytest.approx([11.91] * len(crp))


def test_conflicts_spellings_and_half_points_are_reported_and_kept() -> None:
    registry = harmonize([read_source(twin(), source=EXAMPLE / "mapping.yaml")])
    conflicts = registry.conflicts
    grades = conflicts[conflicts["variable"] == "reported_icans_grade"]
    assert grades["patient_id"].tolist() == ["3"]
    assert set(registry.unmapped["value"]) == {"PML"}
    neuro = registry.neuro_assessment
    one = neuro[neuro["patient_id"] == "1"].sort_values("assessment_day")
    assert one["reported_icans_grade_raw"].dropna().tolist() == [0.0, 0.5, 2.5]
    assert one["reported_icans_grade"].dropna().astype(int).tolist() == [0, 1, 3]
    assert one["record_number"].dropna().astype(int).tolist() == [1, 2, 3]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Run:
    if not WORKBOOK.is_file():
        pytest.skip("the workbook is not part of the repository")
    out = tmp_path_factory.mktemp("bwh")
    return run(EXAMPLE / "study.yaml", data={"bwh": WORKBOOK}, out=out)


def test_the_published_totals_come_out(published: Run) -> None:
    data = published.prepared.data
    assert published.unfinished == ()
    assert len(data) == 199
    assert (data["sex"] == "male").sum() == 133
    assert round(float(data["age_years"].mean()), 1) == 59.5
    assert round(float(data["age_years"].std()), 1) == 11.8
    assert (data["any_icans"] == "yes").sum() == 97
    assert (data["icans_as_published"] == "yes").sum() == 97
    assert (data["severe_as_published"] == "yes").sum() == 59
    assert (data["severe_icans"] == "yes").sum() == 58  # one patient's severe grades lie before the infusion


def test_day_nine_of_the_publication_is_a_row_and_day_six_is_the_day(published: Run) -> None:
    data = published.prepared.data
    assert float(data["first_icans_record"].median()) == 9
    assert float(data["icans_onset_day"].median()) == 6
