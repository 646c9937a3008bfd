"""Toxicity of six patients by product."""

from __future__ import annotations

import pandas as pd
import pytest

from cohort.errors import StudyError
from cohort.tables.toxicity_table import toxicity_table


@pytest.fixture
def patients() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "product": ["a", "a", "a", "b", "b", "b"],
            "icans_grade": pd.array([0, 2, 3, 0, None, 4], dtype="Int64"),
            "any_icans": pd.Categorical(["no", "yes", "yes", "no", "yes", "yes"]),
            "icans_onset_day": pd.array([None, 5, 7, None, 6, 9], dtype="Int64"),
            "crs_grade": pd.array([1, 0, 2, 3, 1, 0], dtype="Int64"),
        }
    )


def cells(table, label, heading):
    (top,) = [row for row in table.rows if row.label.text == heading]
    (found,) = [line for _, line in top.lines() if line.label.text == label]
    return [cell.text for cell in found.cells]


def test_grades_are_of_the_determined_and_bounds_may_decide_more(patients):
    table = toxicity_table(patients)
    # b: grades 0, open, 4; but that the open one is not 0 is known
    assert cells(table, "Any grade, n (%)", "ICANS") == ["4 (67%)", "2 (67%)", "2 (67%)"]
    assert cells(table, "Grade 4", "ICANS") == ["1 (20%)", "0 (0%)", "1 (50%)"]
    assert cells(table, "Grade 3 or more, n (%)", "ICANS") == ["2 (40%)", "1 (33%)", "1 (50%)"]
    assert cells(table, "Any grade, n (%)", "CRS") == ["4 (67%)", "2 (67%)", "2 (67%)"]


def test_onset_is_of_those_with_the_toxicity(patients):
    # any ICANS: days 5 6 7 9, 4 p = 1, 2, 3: means of neighbours; a: 5 and 7, 2 p = 0.5, 1, 1.5; b: 6 and 9
    found = cells(toxicity_table(patients), "Day of onset, median (Q1–Q3)", "ICANS")
    assert found == ["6.5 (5.5–8)", "6 (5–7)", "7.5 (6–9)"]


def test_toxicities_without_grades_are_left_out(patients):
    table = toxicity_table(patients.drop(columns="crs_grade"))
    assert [row.label.text for row in table.rows] == ["ICANS"]
    with pytest.raises(StudyError, match="no toxicity grade"):
        toxicity_table(patients[["product"]])
