"""Reported against derived grades, counted by hand."""

from __future__ import annotations

import pandas as pd

from cohort.neurotox.grade_agreement import reported_against_derived

NORMAL = {
    "ice_score": 8, "consciousness": "alert", "seizure": "none", "motor_deficit": "none", "edema_imaging": "none",
    "posturing": "no", "abducens_palsy": "no", "papilledema": "no", "cushing_triad": "no",
}  # fmt: skip


def test_counts_by_hand():
    rows = pd.DataFrame(
        [
            {**NORMAL, "reported_icans_grade": 1, "grading_system": "ASTCT2019"},  # derived 1: equal
            {**NORMAL, "reported_icans_grade": 1, "grading_system": "ASTCT2019"},
            {**NORMAL, "reported_icans_grade": 2, "grading_system": "ASTCT2019"},  # higher
            {**NORMAL, "reported_icans_grade": 0, "grading_system": "CTCAE5"},  # lower
            {
                **NORMAL,
                "ice_score": None,
                "reported_icans_grade": 3,
                "grading_system": None,
            },  # 0 to 4: possible
            {
                "ice_score": 0,
                "reported_icans_grade": 5,
                "grading_system": "ASTCT2019",
            },  # 3 to 4, died: possible
            {"reported_icans_grade": 3, "grading_system": "ASTCT2019"},  # nothing assessed
            {**NORMAL, "reported_icans_grade": None, "grading_system": "ASTCT2019"},  # nothing reported
        ]
    )
    table = reported_against_derived(rows)
    assert table[["grading_system", "reported_icans_grade", "agreement", "n"]].to_numpy().tolist() == [
        ["ASTCT2019", 1.0, "equal", 2],
        ["ASTCT2019", 2.0, "higher", 1],
        ["ASTCT2019", 5.0, "possible", 1],
        ["CTCAE5", 0.0, "lower", 1],
        ["missing", 3.0, "possible", 1],
    ]


def test_no_rows():
    assert len(reported_against_derived(pd.DataFrame({"ice_score": [3]}))) == 0
