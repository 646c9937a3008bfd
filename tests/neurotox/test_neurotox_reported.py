"""Reported grades: which grading system gives what, and how they fill what the domains leave open."""

from __future__ import annotations

import pandas as pd
import pytest

from cohort.errors import RangeError
from cohort.neurotox.icans import grade_icans

SIGNS = dict.fromkeys(["posturing", "abducens_palsy", "papilledema", "cushing_triad"], "no")


def grade(reported="fill", **columns):
    return grade_icans(pd.DataFrame([columns]), reported=reported).iloc[0]


def bounds(row, suffix=""):
    return int(row[f"icans_grade_lower{suffix}"]), int(row[f"icans_grade_upper{suffix}"])


@pytest.mark.parametrize("system", ["ASTCT2019", "ASTCT2019_PED"])
@pytest.mark.parametrize("value", [0, 1, 2, 3, 4, 5])
def test_a_reported_consensus_grade_is_used_where_no_domain_was_assessed(system, value):
    row = grade(reported_icans_grade=value, grading_system=system)
    assert bounds(row) == (value, value)
    assert row["icans_driver"] == "reported"
    assert row["icans_grade_source"] == "reported"
    # From grade 3 on imaging may have set it, so the blind grade is anything up to it.
    assert bounds(row, "_imaging_blind") == ((0, value) if value >= 3 else (value, value))


CROSSWALK = [
    ("CARTOX2018", {0: (0, 0), 1: (1, 1), 2: (2, 2), 3: (3, 3), 4: (3, 4)}),
    ("MSKCC", {0: (0, 0), 1: (0, 1), 2: (0, 2), 3: (2, 3), 4: (3, 4)}),
    ("CTCAE4.03", {0: (0, 0), 1: (0, 1), 2: (0, 2), 3: (1, 3), 4: (2, 4)}),
    ("CTCAE5", {0: (0, 0), 1: (0, 1), 2: (0, 2), 3: (1, 3), 4: (2, 4)}),
]


@pytest.mark.parametrize(
    ("system", "value", "expected"),
    [(system, value, expected) for system, rules in CROSSWALK for value, expected in rules.items()],
)
def test_other_systems_give_intervals(system, value, expected):
    row = grade(reported_icans_grade=value, grading_system=system)
    assert bounds(row) == expected
    assert row["icans_grade_source"] == "crosswalk"


@pytest.mark.parametrize("system", ["UNKNOWN", "OTHER", "LEE2014", "PENN", None])
def test_a_grade_without_a_rule_is_not_used_and_counted(system):
    graded = grade_icans(pd.DataFrame({"reported_icans_grade": [3], "grading_system": [system]}))
    assert bounds(graded.iloc[0]) == (0, 4)
    assert graded["icans_grade_source"].tolist() == ["none"]
    assert graded.attrs["cohort_grading"]["n_reported_without_rule"] == 1


def test_an_unknown_system_is_refused_with_the_list():
    with pytest.raises(RangeError, match="ASTCT2019, ASTCT2019_PED, CARTOX2018"):
        grade(reported_icans_grade=3, grading_system="ASTCT")


def test_domains_go_first():
    row = grade(
        ice_score=8,
        consciousness="alert",
        seizure="none",
        motor_deficit="none",
        edema_imaging="none",
        reported_icans_grade=3,
        grading_system="ASTCT2019",
        **SIGNS,
    )
    assert row["icans_grade"] == 1
    assert row["icans_grade_source"] == "derived"


def test_a_report_narrows_what_the_domains_leave_open():
    # A registry that records seizures and a maximum grade: seizure none leaves 0 to 4, the report says 2.
    row = grade(seizure="none", reported_icans_grade=2, grading_system="ASTCT2019")
    assert bounds(row) == (2, 2)
    assert row["icans_grade_source"] == "reported"
    assert row["icans_driver"] == "reported"
    # A resolving seizure already is grade 3: the report closes the interval, the domain stays the driver.
    row = grade(seizure="resolving", reported_icans_grade=3, grading_system="ASTCT2019")
    assert bounds(row) == (3, 3)
    assert row["icans_driver"] == "seizure"
    assert bounds(row, "_imaging_blind") == (3, 3)


def test_a_report_the_domains_exclude_is_not_used_and_counted():
    frame = pd.DataFrame(
        {"seizure": ["resolving"], "reported_icans_grade": [1], "grading_system": ["ASTCT2019"]}
    )
    graded = grade_icans(frame)
    assert bounds(graded.iloc[0]) == (3, 4)
    assert graded.attrs["cohort_grading"]["n_reported_excluded_by_domains"] == 1


@pytest.mark.parametrize(
    ("edema", "grade_reported", "blind"),
    [
        ("none", 3, (3, 3)),
        ("focal", 3, (0, 3)),
        ("focal", 4, (4, 4)),
        (None, 4, (0, 4)),
        ("diffuse", 4, (0, 4)),
    ],
)
def test_blind_grade_of_a_report_depends_on_whether_imaging_can_have_set_it(edema, grade_reported, blind):
    row = grade(edema_imaging=edema, reported_icans_grade=grade_reported, grading_system="ASTCT2019")
    assert bounds(row, "_imaging_blind") == blind
    assert row["icans_grade"] == grade_reported


def test_half_points_are_the_two_grades_around_them():
    row = grade(reported_icans_grade=1.5, grading_system="ASTCT2019")
    assert bounds(row) == (1, 2)
    assert row["icans_grade"] is pd.NA
    assert row["icans_grade_source"] == "reported"


@pytest.mark.parametrize(
    ("occurred", "value", "expected"),
    [
        ("no", None, (0, 0)),
        ("yes", None, (1, 4)),
        ("yes", 2, (2, 2)),
        ("no", 0, (0, 0)),
        ("yes", 0.5, (1, 1)),
    ],
)
def test_whether_icans_occurred(occurred, value, expected):
    row = grade(icans_occurred=occurred, reported_icans_grade=value, grading_system="ASTCT2019")
    assert bounds(row) == expected
    assert row["icans_grade_source"] == "reported"


@pytest.mark.parametrize(("occurred", "value"), [("no", 2), ("yes", 0)])
def test_a_report_that_contradicts_itself_is_not_used(occurred, value):
    frame = pd.DataFrame(
        {"icans_occurred": [occurred], "reported_icans_grade": [value], "grading_system": ["ASTCT2019"]}
    )
    graded = grade_icans(frame)
    assert bounds(graded.iloc[0]) == (0, 4)
    assert graded.attrs["cohort_grading"]["n_reported_contradictory"] == 1


def test_a_ctcae_event_need_not_be_icans():
    row = grade(icans_occurred="yes", reported_icans_grade=1, grading_system="CTCAE5")
    assert bounds(row) == (0, 1)


def test_ignore_switches_reports_off():
    row = grade(reported="ignore", reported_icans_grade=2, grading_system="ASTCT2019")
    assert bounds(row) == (0, 4)
    assert row["icans_grade_source"] == "none"


def test_grade_5_is_reported_never_derived():
    assert grade(reported_icans_grade=5, grading_system="ASTCT2019")["icans_grade"] == 5
    assert bounds(grade(ice_score=0, reported_icans_grade=5, grading_system="ASTCT2019")) == (5, 5)
    assert bounds(grade(consciousness="unarousable")) == (4, 4)
