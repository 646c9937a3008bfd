"""Findings by grade on twelve patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.dictionary.states import PRESENCE
from cohort.errors import IncorporationError, StudyError
from cohort.tables.imaging_table import finding_columns, imaging_table

EXPECTED = pd.read_csv(Path(__file__).parents[1] / "reference" / "tables" / "expected.csv").set_index(
    ["quantity", "variable"]
)["value"]


@pytest.fixture
def patients() -> pd.DataFrame:
    # grade 0: 4 patients, 1 imaged; grade 3: 5 patients, 4 imaged; unknown grade: 3 patients, 1 imaged
    finding = pd.CategoricalDtype(list(PRESENCE))
    status = ["imaged", "not_imaged", "not_imaged", "unknown"]
    status += ["imaged"] * 4 + ["not_imaged"] + ["imaged", "not_imaged", "not_imaged"]
    seen = ["absent", "not_imaged", "not_imaged", None]
    seen += [
        "present",
        "present",
        "absent",
        "not_assessable",
        "not_imaged",
        "present",
        "not_imaged",
        "not_imaged",
    ]
    edema = [{"present": "absent"}.get(value, value) for value in seen]
    frame = pd.DataFrame(
        {
            "patient_id": [f"p{k}" for k in range(12)],
            "icans_grade": pd.array([0] * 4 + [3] * 5 + [0, 3, 4], dtype="Int64"),
            "icans_grade_imaging_blind": pd.array([0] * 4 + [3] * 5 + [pd.NA] * 3, dtype="Int64"),
            "mri_status": pd.Categorical(status),
            "mri_not_done_reason": pd.Categorical(
                [None, "unstable", "declined", None] + [None] * 4 + ["unstable", None, None, None]
            ),
            "flair_deep": pd.Categorical(seen, dtype=finding),
            "edema_focal": pd.Categorical(edema, dtype=finding),
        }
    )
    facts = {
        "icans_grade": ColumnFacts("daily", 30.0, measures=("icans_grade",)),
        "icans_grade_imaging_blind": ColumnFacts("daily", 30.0, measures=("icans_grade_imaging_blind",)),
        "flair_deep": ColumnFacts("at_exam", 30.0, label="Deep change"),
        "edema_focal": ColumnFacts("at_exam", 30.0, part_of=("icans_grade",), label="Focal edema"),
    }
    return declare_facts(frame, facts)


def cells(table, label):
    (found,) = [line for _, line in table.lines if line.label.text == label]
    return [cell.text for cell in found.cells]


def test_headings_say_how_many_were_imaged(patients):
    table = imaging_table(patients)
    assert [leaf.text for leaf in table.leaves] == [
        "Overall\n6 of 12\nimaged",
        "0\n1 of 4\nimaged",
        "3\n4 of 5\nimaged",
        "Not known\n1 of 3\nimaged",
    ]


def test_denominators_are_imaged_and_assessable(patients):
    table = imaging_table(patients, intervals=False)
    # grade 3: 2 present, 1 absent, 1 not assessable, 1 not imaged -> 2 of 3
    assert cells(table, "Deep change") == ["3/5 (60%)", "0/1 (0%)", "2/3 (67%)", "1/1 (100%)"]


def test_frame_is_what_the_heat_map_draws(patients):
    frame = imaging_table(patients).frame
    columns = ["finding", "label", "grade", "n_present", "n_assessable", "n_imaged", "n_patients"]
    assert list(frame.columns) == [*columns, "estimate", "conf_low", "conf_high"]
    row = frame[(frame["finding"] == "flair_deep") & (frame["grade"] == "3")].iloc[0]
    assert row[["n_present", "n_assessable", "n_imaged", "n_patients"]].tolist() == [2, 3, 4, 5]
    assert row["estimate"] == 2 / 3
    assert frame["grade"].unique().tolist() == ["overall", "0", "3", "not_known"]


def test_who_was_not_imaged_has_rows_by_reason(patients):
    table = imaging_table(patients)
    assert cells(table, "Not imaged, n (%)") == ["5 (42%)", "2 (50%)", "1 (20%)", "2 (67%)"]
    assert cells(table, "Patient unstable") == ["2", "1", "1", "0"]
    assert cells(table, "Patient declined") == ["1", "1", "0", "0"]
    assert cells(table, "Reason not stated") == ["2", "0", "0", "2"]
    assert cells(table, "Not known whether imaged, n (%)") == ["1 (8%)", "1 (25%)", "0 (0%)", "0 (0%)"]


def test_findings_never_seen_are_named_with_their_denominator(patients):
    table = imaging_table(patients)
    assert "Looked for and never seen: focal edema (0/5)." in table.source_notes
    assert cells(imaging_table(patients, findings=["edema_focal"]), "Focal edema")[0].startswith("0/5 (0%)")


@pytest.mark.parametrize("k", [0, 1, 2, 14, 38])
def test_limits_are_exact(k):
    # R binom.test(k, 38), tests/reference/tables/make.R
    states = ["present"] * k + ["absent"] * (38 - k) + ["not_imaged"] * 3
    frame = pd.DataFrame({"clocc": pd.Categorical(states, categories=list(PRESENCE))})
    row = imaging_table(frame, by=None).frame.iloc[0]
    limits = row[["conf_low", "conf_high"]].to_numpy(float)
    expected = [EXPECTED["exact_low", str(k)], EXPECTED["exact_high", str(k)]]
    np.testing.assert_allclose(limits, expected, rtol=1e-10)


def test_findings_that_nobody_assessed_are_not_called_absent(patients):
    states = pd.Categorical(["not_imaged"] * 6 + ["not_assessable"] * 6, categories=list(PRESENCE))
    table = imaging_table(patients.assign(clocc=states))
    assert "Not assessed in any patient: cytotoxic lesion of the corpus callosum." in table.source_notes
    assert not any("corpus callosum (0" in note for note in table.source_notes)


def test_limits_are_printed_below(patients):
    # Clopper-Pearson for 0 of 1: upper limit 1 - 0.025 = 0.975
    assert cells(imaging_table(patients), "Deep change")[1] == "0/1 (0%)\n0–98%"


def test_edema_against_the_full_grade_is_refused(patients):
    with pytest.raises(IncorporationError, match="edema_focal") as caught:
        imaging_table(patients, by="icans_grade")
    assert "icans_grade_imaging_blind" in caught.value.remedy
    table = imaging_table(patients, by="icans_grade", acknowledge="incorporation")
    assert any("cknowledged incorporation: edema_focal" in note for note in table.source_notes)
    imaging_table(patients, by="icans_grade", findings=["flair_deep"])


def test_small_counts_are_hidden_on_both_sides():
    states = (
        ["present"] * 2
        + ["absent"] * 20
        + ["present"] * 18
        + ["absent"] * 3
        + ["present"] * 9
        + ["absent"] * 9
    )
    frame = pd.DataFrame(
        {
            "arm": ["a"] * 22 + ["b"] * 21 + ["c"] * 18,
            "clocc": pd.Categorical(states, categories=list(PRESENCE)),
        }
    )
    table = imaging_table(frame, by="arm", min_cell=5, intervals=False)
    line = cells(table, "Cytotoxic lesion of the corpus callosum")
    # a: 2 with; b: 3 without; c goes too, or 29 - 18 - 9 = 2 and 32 - 20 - 9 = 3 would follow from the total
    assert line[0] == "29/61 (48%)"
    assert line[1:3] == ["<5/22", "≥17/21"]
    assert line[3] == "≥5/18"
    hidden = table.frame[table.frame["grade"].isin(["a", "b", "c"])]
    assert hidden[["n_present", "estimate", "conf_low", "conf_high"]].isna().all().all()


def test_without_findings_there_is_nothing_to_show(patients):
    with pytest.raises(StudyError, match="no MRI finding") as caught:
        imaging_table(patients[["patient_id", "icans_grade_imaging_blind"]])
    assert "mri_findings" in caught.value.remedy


def test_finding_columns_are_told_by_their_states(patients):
    assert finding_columns(patients) == ["flair_deep", "edema_focal"]
