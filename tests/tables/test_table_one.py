"""Table 1 on ten patients, with the arithmetic beside it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.dictionary.states import PRESENCE
from cohort.errors import IncorporationError, StudyError
from cohort.tables.table import Table
from cohort.tables.table_one import table_one

FINDING = pd.CategoricalDtype(list(PRESENCE))
YES_NO = pd.CategoricalDtype(["no", "yes"])


@pytest.fixture
def patients() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "patient_id": [f"p{k}" for k in range(10)],
            "age_years": [40, 50, 60, 70, 80, 45, 55, 65, 75, 85],
            "crp_mg_dl": [1.0, 2.0, 4.0, 8.0, np.nan, 3.0, np.nan, 5.0, 7.0, 9.0],
            "crp_mg_dl__status": [*["ok"] * 4, "missing:not_done", "ok", "missing:blank", *["ok"] * 3],
            "sex": pd.Categorical(["female", "male"] * 5),
            "bridging_therapy": pd.Categorical(
                ["yes", "no", None, "no", "yes", "yes", "yes", "no", "no", None], dtype=YES_NO
            ),
            "ecog": pd.array([0, 1, 1, 2, 0, 0, 1, None, 0, 1], dtype="Int64"),
            "flair_deep": pd.Categorical(
                [
                    *["present", "absent", "not_imaged", "not_imaged", "indeterminate"],
                    *["present", "present", "absent", "not_assessable", None],
                ],
                dtype=FINDING,
            ),
            "severe_icans": pd.Categorical(
                ["no", "no", "no", "no", "no", "yes", "yes", "yes", "yes", None], dtype=YES_NO
            ),
        }
    )
    return frame


def row(table: Table, label: str) -> list[str]:
    found = [line for _, line in table.lines if line.label.text == label]
    assert len(found) == 1, [line.label.text for _, line in table.lines]
    return [cell.text for cell in found[0].cells]


def number(table: Table, **where: str) -> float:
    frame = table.frame
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return float(frame["value"].iloc[0])


def test_headings_have_the_numbers_and_unknown_groups_a_footnote(patients):
    table = table_one(patients, by="severe_icans", variables=["age_years"])
    assert [leaf.text for leaf in table.leaves] == ["Overall\n(N = 10)", "No\n(N = 5)", "Yes\n(N = 4)", "SMD"]
    assert table.columns[1].notes == (
        "Severe ICANS (grade 3 or more) is not known for 1 patient; they are counted in the overall column only.",
    ) or table.columns[1].notes == (
        "Severe ICANS is not known for 1 patient; they are counted in the overall column only.",
    )


def test_without_overall_the_footnote_says_so(patients):
    table = table_one(patients, by="severe_icans", variables=["age_years"], overall=False)
    assert table.leaves[0].text == "No\n(N = 5)"
    assert table.columns[0].notes[0].endswith("they are in no column.")


def test_medians_are_of_type_2(patients):
    table = table_one(patients, by="severe_icans", variables=["age_years"])
    # no: 40 50 60 70 80: 5 p = 1.25, 2.5, 3.75 -> 2nd, 3rd, 4th; yes: 45 55 65 75: means of neighbours
    assert row(table, "Age, median (Q1–Q3), years")[1:3] == ["60 (50–70)", "60 (50–70)"]
    assert number(table, variable="age_years", group="yes", stat="q1") == 50.0
    # 10 p = 2.5, 5, 7.5: 3rd value 50; (60 + 65) / 2 = 62.5; 8th value 75
    assert row(table, "Age, median (Q1–Q3), years")[0] == "62.5 (50–75)"
    assert number(table, variable="age_years", group="overall", stat="median") == 62.5


def test_means_have_standard_deviations(patients):
    table = table_one(patients, by="severe_icans", variables=["age_years"], continuous="mean", digits=1)
    # no: mean 60, sd sqrt(1000 / 4); yes: mean 60, sd sqrt(500 / 3)
    assert row(table, "Age, mean (SD), years")[1:] == ["60.0 (15.8)", "60.0 (12.9)", "0.00"]


def test_missing_values_have_rows_by_reason_and_leave_the_summary(patients):
    table = table_one(patients, by="severe_icans", variables=["crp_mg_dl"])
    labels = [(depth, line.label.text) for depth, line in table.lines]
    assert labels[1:] == [(1, "Not known, n"), (2, "Left blank"), (2, "Not done")]
    assert row(table, "Not known, n")[:3] == ["2", "1", "1"]
    assert row(table, "Not done")[:3] == ["1", "1", "0"]
    # no: 1 2 4 8: (1 + 2) / 2, (2 + 4) / 2, (4 + 8) / 2
    assert [cell.text for cell in table.lines[0][1].cells][1] == "3 (1.5–6)"
    assert number(table, variable="crp_mg_dl", group="no", stat="n") == 4


def test_percentages_are_of_the_known(patients):
    table = table_one(patients, by="severe_icans", variables=["bridging_therapy", "sex"])
    # overall 4 of 8 known; no: 2 of 4; yes: 2 of 4
    assert row(table, "Bridging therapy, n (%)")[:3] == ["4 (50%)", "2 (50%)", "2 (50%)"]
    assert row(table, "Not known, n")[:3] == ["2", "1", "0"]
    assert row(table, "Female")[:3] == ["5 (50%)", "3 (60%)", "2 (50%)"]
    # p = 3/5 and 2/4: 0.1 / sqrt((0.24 + 0.25) / 2) = 0.202
    assert row(table, "Sex, n (%)")[3] == "0.20"
    assert number(table, variable="sex", stat="smd") == pytest.approx(0.1 / math.sqrt(0.245), rel=1e-12)


def test_grades_are_levels_unless_told_otherwise(patients):
    table = table_one(patients, by="severe_icans", variables=["ecog"])
    # yes: 0, 1, missing, 0
    assert [row(table, level)[2] for level in ("0", "1", "2")] == ["2 (67%)", "1 (33%)", "0 (0%)"]
    table = table_one(patients, variables=["ecog"], continuous={"ecog": "median"})
    assert len(table.lines) == 2


def test_the_not_imaged_are_in_no_denominator(patients):
    table = table_one(patients, by="severe_icans", variables=["flair_deep"])
    finding = next(line for depth, line in table.lines if depth == 1 and "n/N" in line.label.text)
    # no: present, absent, 2 not imaged, indeterminate -> 1 of 2; yes: 2 present, absent, not assessable -> 2 of 3
    assert [cell.text for cell in finding.cells][:3] == ["3/5 (60%)", "1/2 (50%)", "2/3 (67%)"]
    # imaged: no 3 of 5, yes 4 of 4; of the tenth patient nobody knows
    assert row(table, "Imaged, n (%)")[:3] == ["7 (78%)", "3 (60%)", "4 (100%)"]
    assert row(table, "Not known, n")[:3] == ["1", "0", "0"]
    assert row(table, "Indeterminate or not assessable, n")[:3] == ["2", "1", "1"]


def test_not_applicable_leaves_the_denominator(patients):
    frame = patients.assign(
        stage=pd.Categorical(["I", "II", "not_applicable", "II", "unknown", "I", "II", "I", "I", "I"])
    )
    table = table_one(frame, variables=["stage"])
    assert row(table, "I") == ["5 (63%)"]
    assert row(table, "II") == ["3 (38%)"]
    assert row(table, "Not applicable, n") == ["1"]
    assert row(table, "Not known, n") == ["1"]


def test_tests_are_named_in_footnotes(patients):
    table = table_one(patients, by="severe_icans", variables=["age_years", "sex"], p=True)
    notes = [line.cells[-1].notes for _, line in table.lines if line.cells and line.cells[-1].text]
    assert notes == [("Wilcoxon rank-sum test.",), ("Fisher exact test.",)]
    assert "P value" not in [leaf.text for leaf in table_one(patients, by="severe_icans").leaves]


def test_three_groups_show_the_largest_difference(patients):
    frame = patients.assign(arm=["a"] * 3 + ["b"] * 3 + ["c"] * 4)
    table = table_one(frame, by="arm", variables=["age_years"], continuous="mean")
    # a 40 50 60, b 70 80 45, c 55 65 75 85: means 50, 65, 70; variances 100, 325, 500/3
    pairs = [15 / math.sqrt(212.5), 20 / math.sqrt((100 + 500 / 3) / 2), 5 / math.sqrt((325 + 500 / 3) / 2)]
    assert number(table, variable="age_years", stat="smd") == pytest.approx(max(pairs), rel=1e-12)
    assert table.columns[-1].notes[0].endswith("The largest of all pairs of groups is shown.")


def test_small_counts_are_hidden_in_print_and_in_the_numbers():
    frame = pd.DataFrame({"stage": ["I"] * 2 + ["II"] * 9 + ["III"] * 30, "x": [1.5] * 41, "arm": ["a"] * 41})
    table = table_one(frame, variables=["stage", "x"], min_cell=5)
    assert [row(table, level) for level in ("I", "II", "III")] == [["<5"], ["≥5"], ["30 (73%)"]]
    hidden = table.frame[(table.frame["variable"] == "stage") & table.frame["level"].isin(["I", "II"])]
    assert hidden["value"].isna().all()
    extremes = table.frame[table.frame["stat"].isin(["min", "max"])]
    assert extremes["value"].isna().all()


def test_a_small_number_of_missing_values_cannot_be_computed():
    frame = pd.DataFrame({"stage": ["I"] * 20 + ["II"] * 18 + [None] * 2})
    table = table_one(frame, variables=["stage"], min_cell=5)
    # a percentage of 38 known would give 40 - 38 = 2
    assert row(table, "Not known, n") == ["<5"]
    assert row(table, "I") == ["≥5"] or row(table, "I") == ["20"]
    assert table.frame.loc[table.frame["stat"] == "n_known", "value"].isna().all()


def test_edema_is_not_tested_against_a_grade_that_contains_it(patients):
    facts = {
        "severe_icans": ColumnFacts("daily", 30.0, measures=("icans_grade",)),
        "edema_focal": ColumnFacts("at_exam", 30.0, part_of=("icans_grade",)),
    }
    frame = declare_facts(patients.rename(columns={"flair_deep": "edema_focal"}), facts)
    call = {"by": "severe_icans", "variables": ["age_years", "edema_focal"]}
    assert "Cerebral edema is part of the ICANS grade by definition." in table_one(frame, **call).source_notes
    with pytest.raises(IncorporationError, match="edema_focal"):
        table_one(frame, p=True, **call)
    notes = table_one(frame, p=True, acknowledge="incorporation", **call).source_notes
    assert any(note.startswith("Acknowledged incorporation: edema_focal") for note in notes)
    assert len(table_one(frame, p=True, by="severe_icans", variables=["age_years"]).rows) == 1


def test_labels_and_levels_can_be_named(patients):
    table = table_one(
        patients, variables=["sex"], labels={"sex": "Sex at birth", ("sex", "female"): "Women"}, caption="Who"
    )
    assert [line.label.text for _, line in table.lines] == ["Sex at birth, n (%)", "Women", "Male"]
    assert table.caption == "Who"


def test_baseline_columns_are_chosen_when_declared(patients):
    facts = {
        "age_years": ColumnFacts(known="baseline", known_day=0.0, label="Age", unit="years"),
        "sex": ColumnFacts(known="baseline", known_day=0.0),
        "flair_deep": ColumnFacts(known="at_exam", known_day=30.0),
    }
    table = table_one(
        declare_facts(patients[[*facts, "severe_icans", "patient_id"]], facts), by="severe_icans"
    )
    assert set(table.frame["variable"]) == {"", "age_years", "sex"}


def test_all_patients_have_one_column_without_groups(patients):
    table = table_one(patients, variables=["sex"])
    assert [leaf.text for leaf in table.leaves] == ["All patients\n(N = 10)"]


def test_a_group_without_values_prints_a_dash(patients):
    frame = patients.assign(x=[1.0] * 5 + [np.nan] * 5)
    table = table_one(frame, by="severe_icans", variables=["x"])
    assert row(table, "X, median (Q1–Q3)")[1:] == ["1 (1–1)", "–", "NE"]


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        ({"variables": ["nothing"]}, "'nothing' is not in the data"),
        ({"variables": ["infusion_date"]}, "is a date"),
        ({"by": "patient_id"}, "does not make groups"),
        ({"by": "severe_icans", "labels": {1: "x"}}, "name no column"),
    ],
)
def test_errors_name_the_remedy_and_no_value(patients, call, pattern):
    frame = patients.assign(
        infusion_date=pd.Timestamp("2021-05-06"), patient_id=[f"secret{k}" for k in range(5)] * 2
    )
    frame["patient_id"] = [f"secret{k}" for k in range(10)]
    frame = pd.concat([frame, frame.assign(patient_id=[f"secret{k}" for k in range(10, 20)])])
    with pytest.raises(StudyError, match=pattern) as caught:
        table_one(frame, **call)
    assert caught.value.remedy
    assert "secret" not in str(caught.value)
    assert "2021" not in str(caught.value)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_patients_does_not_matter(patients, seed):
    columns = ["age_years", "crp_mg_dl", "sex", "bridging_therapy", "ecog", "flair_deep"]
    shuffled = patients.sample(frac=1, random_state=seed)
    first, second = (
        table_one(frame, by="severe_icans", variables=columns, p=True) for frame in (patients, shuffled)
    )
    assert first == second
    pd.testing.assert_frame_equal(first.frame, second.frame, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 10, 100])
def test_more_patients_without_mri_change_no_proportion(patients, n):
    extra = patients.iloc[[2] * n]  # grade known, not imaged
    table = table_one(pd.concat([patients, extra]), by="severe_icans", variables=["flair_deep"])
    finding = next(line for depth, line in table.lines if depth == 1 and "n/N" in line.label.text)
    assert [cell.text for cell in finding.cells][:3] == ["3/5 (60%)", "1/2 (50%)", "2/3 (67%)"]


def test_the_table_shows_rounded_what_the_frame_holds(patients):
    table = table_one(patients, by="severe_icans", variables=["age_years"], continuous="mean")
    cell = table.lines[0][1].cells[1]
    assert dict(cell.numbers)["sd"] == number(table, variable="age_years", group="no", stat="sd")
    assert dict(cell.numbers)["sd"] == pytest.approx(math.sqrt(250), rel=1e-15)


def test_empty_texts_are_not_known_and_mixed_columns_are_refused() -> None:
    data = pd.DataFrame({"site": ["", "a", "b", "a"], "dose": [1, 2, "<1", 3]})
    printed = table_one(data[["site"]]).to_markdown()
    assert "2 (67%)" in printed
    assert "Not known" in printed
    with pytest.raises(StudyError, match="texts among numbers"):
        table_one(data)
