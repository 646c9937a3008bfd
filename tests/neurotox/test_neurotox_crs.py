"""CRS grades: every cell of the consensus table, its fine print, and bounds."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import RangeError, StudyError
from cohort.neurotox.crs import grade_crs

FEBRILE = {"temperature_c": 38.5, "hypotension": "no", "vasopressors": "none", "oxygen": "room_air"}


def grade(**changes):
    return grade_crs(pd.DataFrame([{**FEBRILE, **changes}])).iloc[0]


def bounds(row):
    return int(row["crs_grade_lower"]), int(row["crs_grade_upper"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({"temperature_c": 38.0}, 1),
        ({"temperature_c": 37.9}, 0),
        ({"hypotension": "yes"}, 2),
        ({"hypotension": "yes", "vasopressors": "one"}, 3),
        ({"hypotension": "yes", "vasopressors": "one_with_vasopressin"}, 3),
        ({"hypotension": "yes", "vasopressors": "multiple"}, 4),
        ({"vasopressors": "one"}, 3),
        ({"oxygen": "low_flow"}, 2),
        ({"oxygen": "high_flow"}, 3),
        ({"oxygen": "face_mask"}, 3),
        ({"oxygen": "non_rebreather"}, 3),
        ({"oxygen": "venturi"}, 3),
        ({"oxygen": "positive_pressure"}, 4),
        ({"hypotension": "yes", "oxygen": "venturi"}, 3),
    ],
)
def test_every_cell_of_the_table(changes, expected):
    assert bounds(grade(**changes)) == (expected, expected)


@pytest.mark.parametrize(
    ("device", "flow", "expected"),
    [
        ("low_flow", 6, 2),
        ("low_flow", 6.1, 3),
        ("high_flow", 6, 2),
        ("high_flow", 40, 3),
        ("face_mask", 5, 3),
    ],
)
def test_6_liters_are_low_flow(device, flow, expected):
    assert grade(oxygen=device, oxygen_flow_l_min=flow)["crs_grade"] == expected


def test_flow_without_a_device_is_an_interval():
    assert bounds(grade(oxygen=None, oxygen_flow_l_min=4)) == (2, 4)
    assert bounds(grade(oxygen=None, oxygen_flow_l_min=8)) == (3, 4)
    assert bounds(grade(oxygen=None, oxygen_flow_l_min=0)) == (1, 1)


def test_intubation_for_the_airway_is_not_hypoxia():
    assert grade(oxygen="positive_pressure", intubated_for_airway_only="yes")["crs_grade"] == 1
    assert grade(oxygen="venturi", intubated_for_airway_only="yes")["crs_grade"] == 3


def test_fever_with_another_cause_is_no_crs():
    assert grade(fever_other_cause="yes", vasopressors="one")["crs_grade"] == 0


@pytest.mark.parametrize(
    ("treated", "vasopressors", "expected"),
    [("yes", "one", (3, 3)), ("no", "one", (0, 0)), (None, "one", (0, 3)), ("yes", "none", (0, 0))],
)
def test_after_therapy_fever_is_not_needed(treated, vasopressors, expected):
    row = grade(temperature_c=36.8, antipyretic_or_anticytokine=treated, vasopressors=vasopressors)
    assert bounds(row) == expected


def test_fever_without_a_temperature():
    assert grade(temperature_c=None, fever="yes")["crs_grade"] == 1
    assert grade(temperature_c=38.5, fever="no")["crs_grade"] == 1  # what was measured goes first
    assert bounds(grade(temperature_c=None)) == (0, 1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"hypotension": None, "vasopressors": None}, (1, 4)),
        ({"hypotension": None}, (1, 2)),
        ({"hypotension": "yes", "vasopressors": None}, (2, 4)),
        ({"hypotension": "no", "vasopressors": None}, (1, 1)),
        ({"oxygen": None}, (1, 4)),
        ({"oxygen": None, "fio2_band": "room_air"}, (1, 1)),
        ({"oxygen": None, "fio2_band": "below_40"}, (2, 4)),
    ],
)
def test_what_was_not_assessed_stays_open(changes, expected):
    assert bounds(grade(**changes)) == expected


def test_nothing_assessed():
    row = grade_crs(pd.DataFrame({"patient_id": ["A"]})).iloc[0]
    assert bounds(row) == (0, 4)
    assert row["crs_grade_source"] == "none"


@pytest.mark.parametrize(
    ("system", "value", "expected", "source"),
    [
        ("ASTCT2019", 3, (3, 3), "reported"),
        ("LEE2014", 0, (0, 0), "crosswalk"),
        ("LEE2014", 3, (1, 4), "crosswalk"),
        ("PENN", 2, (1, 4), "crosswalk"),
        ("UNKNOWN", 2, (0, 4), "none"),
    ],
)
def test_reported_grades(system, value, expected, source):
    frame = pd.DataFrame({"reported_crs_grade": [value], "grading_system": [system]})
    row = grade_crs(frame).iloc[0]
    assert bounds(row) == expected
    assert row["crs_grade_source"] == source
    assert bounds(grade_crs(frame, reported="ignore").iloc[0]) == (0, 4)


def test_crs_occurred_without_a_grade():
    graded = grade_crs(pd.DataFrame({"crs_occurred": ["yes", "no"]}))
    assert graded["crs_grade_lower"].tolist() == [1, 0]
    assert graded["crs_grade_upper"].tolist() == [4, 0]


@pytest.mark.parametrize(
    ("column", "value"), [("temperature_c", 101.3), ("temperature_c", 3.9), ("oxygen_flow_l_min", -1)]
)
def test_impossible_values(column, value):
    with pytest.raises(RangeError, match="1 of 1 values"):
        grade(**{column: value})


def test_unknown_option_and_label():
    with pytest.raises(StudyError, match="fill, ignore"):
        grade_crs(pd.DataFrame([FEBRILE]), reported="yes")
    with pytest.raises(RangeError, match="one_with_vasopressin"):
        grade(vasopressors="two")


SIGNS = {
    "temperature_c": [37.0, 39.0],
    "antipyretic_or_anticytokine": ["no", "yes"],
    "hypotension": ["no", "yes"],
    "vasopressors": ["none", "one", "multiple"],
    "oxygen": ["room_air", "low_flow", "venturi", "positive_pressure"],
}
PARTIAL = st.fixed_dictionaries({name: st.sampled_from([None, *values]) for name, values in SIGNS.items()})
COMPLETE = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in SIGNS.items()})


@settings(max_examples=40, deadline=None)
@given(partial=PARTIAL, complete=COMPLETE)
def test_bounds_bracket_every_coherent_completion(partial, complete):
    filled = {name: complete[name] if value is None else value for name, value in partial.items()}
    if filled["vasopressors"] != "none" and filled["hypotension"] == "no":
        return  # a vasopressor without hypotension contradicts a pressure recorded as normal
    graded = grade_crs(pd.DataFrame([partial, filled]))
    truth = graded["crs_grade"].iloc[1]
    assert truth is not pd.NA
    assert graded["crs_grade_lower"].iloc[0] <= truth <= graded["crs_grade_upper"].iloc[0]
