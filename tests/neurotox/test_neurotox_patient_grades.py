"""Patient maxima in a window: three states, and what does and does not widen the bounds."""

from __future__ import annotations

import pandas as pd
import pytest

from cohort.dictionary.facts import declared_facts
from cohort.errors import StudyError
from cohort.neurotox.crs import grade_crs
from cohort.neurotox.icans import grade_icans
from cohort.neurotox.patient_grades import patient_crs, patient_icans


def summary(rows, window=(0, 30)):
    """Summarize rows of (patient, day, grade); grade "?" is sedated, None nothing assessed."""
    frame = pd.DataFrame(
        {
            "patient_id": [row[0] for row in rows],
            "assessment_day": [row[1] for row in rows],
            "reported_icans_grade": [row[2] if isinstance(row[2], int) else None for row in rows],
            "sedated": ["yes" if row[2] == "?" else "no" for row in rows],
            "grading_system": "ASTCT2019",
        }
    )
    return patient_icans(grade_icans(frame), window=window)


def test_three_states_by_hand():
    rows = [
        *[("none", day, 0) for day in (1, 2, 5)],  # assessed, never ICANS; days 3 and 4 are no assessment
        ("mild", 1, 0),
        ("mild", 2, 2),
        ("severe", 3, 3),
        ("open", 1, 0),
        ("open", 2, "?"),
        ("blank", 1, None),
        ("late", 31, 4),
    ]
    result = summary(rows).set_index("patient_id")
    expected = {
        "none": ("no", 0, 0, "no"),
        "mild": ("yes", 2, 2, "no"),
        "severe": ("yes", 3, 3, "yes"),
        "open": (None, 0, 4, None),
        "blank": (None, None, None, None),
        "late": (None, None, None, None),
    }
    columns = ["any_icans", "icans_grade_lower", "icans_grade_upper", "severe_icans"]
    seen = result[columns].astype(object).where(result[columns].notna(), None)
    assert {name: tuple(row) for name, row in seen.T.items()} == expected
    assert result["icans_grade"].isna().tolist() == [
        True,
        True,
        False,
        False,
        True,
        False,
    ]  # blank, late, mild, none, open, severe
    assert result["icans_days_assessed"].to_dict() == {
        "none": 3, "mild": 2, "severe": 1, "open": 2, "blank": 0, "late": 0
    }  # fmt: skip
    assert result.loc["open", "icans_days_determined"] == 1


def test_the_blind_grade_is_open_where_imaging_may_have_set_it():
    row = summary([("A", 1, 2), ("A", 2, 3)]).iloc[0]
    assert (row["icans_grade_lower_imaging_blind"], row["icans_grade_upper_imaging_blind"]) == (2, 3)
    assert row["any_icans_imaging_blind"] == "yes"
    assert pd.isna(row["severe_icans_imaging_blind"])


def test_the_window_is_closed_at_both_ends():
    rows = [("A", 0, 1), ("A", 30, 2), ("A", 31, 4), ("A", -1, 4)]
    assert summary(rows)["icans_grade"].tolist() == [2]
    assert summary(rows, window=(31, 100))["icans_grade"].tolist() == [4]


def period(**columns):
    row = {"patient_id": "R", "assessment_type": "period_maximum", "grading_system": "ASTCT2019", **columns}
    return patient_icans(grade_icans(pd.DataFrame([row])))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"reported_icans_grade": 3, "icans_onset_day": 8}, (3, 3)),
        ({"reported_icans_grade": 3, "icans_onset_day": 45}, (0, 0)),
        ({"reported_icans_grade": 3, "icans_onset_day": None}, (3, 3)),
        ({"icans_occurred": "no", "icans_onset_day": None}, (0, 0)),
        ({"icans_occurred": "yes", "icans_onset_day": 5}, (1, 4)),
    ],
)
def test_period_maxima_count_by_their_onset(columns, expected):
    row = period(**columns).iloc[0]
    assert (row["icans_grade_lower"], row["icans_grade_upper"]) == expected


def test_a_period_after_the_window_says_nothing():
    assert (
        period(reported_icans_grade=2, icans_onset_day=None, period_start_day=101)["any_icans"].isna().all()
    )


def test_undated_periods_are_counted():
    result = period(reported_icans_grade=2, icans_onset_day=None)
    assert result.attrs["cohort_grading"]["n_period_without_onset"] == 1


def test_facts_say_when_the_maximum_is_known():
    facts = declared_facts(summary([("A", 1, 0)], window=(0, 14)))
    assert facts["severe_icans"].known_day == 14
    assert facts["severe_icans"].measures == ("icans_grade",)
    assert facts["severe_icans_imaging_blind"].measures == ("icans_grade_imaging_blind",)


def test_open_days_may_be_ignored_and_are_counted():
    frame = pd.DataFrame(
        {
            "patient_id": ["A", "A", "B"],
            "assessment_day": [1, 2, 1],
            "reported_icans_grade": [2, None, None],
            "grading_system": "ASTCT2019",
            "sedated": ["no", "yes", "yes"],
        }
    )
    graded = grade_icans(frame)
    widened, ignored = patient_icans(graded), patient_icans(graded, open_days="ignore")
    assert widened["icans_grade_upper"].tolist() == [4, 4]
    assert ignored["icans_grade_upper"].tolist() == [2, pd.NA]
    assert widened.attrs["cohort_grading"]["n_open_days"] == 2
    with pytest.raises(StudyError, match="widen or ignore"):
        patient_icans(graded, open_days="drop")


def test_wrong_calls():
    with pytest.raises(StudyError, match="window"):
        summary([("A", 1, 0)], window=(30, 0))
    with pytest.raises(StudyError, match="icans_grade_source"):
        patient_icans(pd.DataFrame({"patient_id": ["A"]}))


def test_crs_has_the_same_rules_and_an_onset():
    frame = pd.DataFrame(
        {
            "patient_id": ["A", "A", "A", "B"],
            "assessment_day": [1, 2, 3, 4],
            "temperature_c": [37.0, 38.5, 39.0, 37.0],
            "hypotension": "no",
            "oxygen": ["room_air", "room_air", "low_flow", "room_air"],
            "antipyretic_or_anticytokine": "no",
        }
    )
    result = patient_crs(grade_crs(frame))
    assert result["crs_grade"].tolist() == [2, 0]
    assert result["any_crs"].tolist() == ["yes", "no"]
    assert result["severe_crs"].tolist() == ["no", "no"]
    assert result["crs_onset_day"].tolist() == [2, pd.NA]
    assert result["crs_days_assessed"].tolist() == [3, 1]


def test_no_rows():
    assert len(summary([("A", 1, 0)]).iloc[:0]) == 0
    empty = grade_icans(pd.DataFrame(columns=["patient_id", "assessment_day", "ice_score"]))
    assert len(patient_icans(empty)) == 0
