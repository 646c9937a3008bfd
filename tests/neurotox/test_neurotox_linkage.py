"""Examinations against onset."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import StudyError
from cohort.neurotox.linkage import mri_timing

EPISODES = pd.DataFrame(
    {
        "patient_id": ["A", "A", "B"],
        "icans_onset_day": pd.array([5, 20, None], dtype="Int64"),
        "icans_last_day": pd.array([8, 22, None], dtype="Int64"),
        "icans_grade": pd.array([2, None, 1], dtype="Int64"),
        "icans_grade_lower": [2, 3, 1],
        "icans_grade_upper": [2, 4, 1],
    }
)


def timing(days, status=None):
    exams = pd.DataFrame(
        {"patient_id": "A", "exam_id": [f"e{i}" for i in range(len(days))], "exam_day": days}
    )
    return mri_timing(exams if status is None else exams.assign(exam_status=status), EPISODES)


def test_the_nearest_onset_by_hand():
    #               day:  -3  6   12  13  21  -> onset 5, 5, 5 (7 and 8 away), 20 (8 and 7), 20
    result = timing([21, 6, 12, 13, -3])
    assert result["mri_day"].tolist() == [-3, 6, 12, 13, 21]
    assert result["icans_onset_day"].tolist() == [5, 5, 5, 20, 20]
    assert result["days_from_onset"].tolist() == [-8, 1, 7, -7, 1]
    assert result["during_icans"].tolist() == ["no", "yes", "no", "no", "yes"]
    assert result["icans_grade_lower"].tolist() == [2, 2, 2, 3, 3]
    assert result["icans_grade"].tolist() == [2, 2, 2, pd.NA, pd.NA]


def test_exams_of_patients_without_a_dated_episode_stay_with_missing_values():
    exams = pd.DataFrame({"patient_id": ["B", "C"], "exam_id": ["1", "2"], "exam_day": [3, 4]})
    result = mri_timing(exams, EPISODES)
    assert result["days_from_onset"].isna().all()
    assert result["during_icans"].isna().all()
    assert result["mri_day"].tolist() == [3, 4]


def test_exams_not_made_or_undated_are_left_out():
    result = timing([5, None, 7], status=["not_done", "done", "done"])
    assert result["mri_day"].tolist() == [7]


def test_no_exams_and_missing_columns():
    assert len(timing([])) == 0
    with pytest.raises(StudyError, match="exam_day"):
        mri_timing(pd.DataFrame({"patient_id": ["A"], "exam_id": ["1"]}), EPISODES)


def test_before_and_after_the_first_corticosteroid():
    exams = pd.DataFrame(
        {
            "patient_id": list("AAABCDEF"),
            "exam_id": [str(k) for k in range(8)],
            "exam_day": [3, 5, 9, 4, 4, 4, 8, 2],
        }
    )
    treatment = pd.DataFrame(
        [
            ("A", "dexamethasone", 5, "intravenous"),  # 3 before, 5 the same day, 9 after
            ("A", "prednisone", 7, "oral"),
            ("A", "prednisone", -3, "oral"),  # before the infusion
            ("B", "tocilizumab", 2, "intravenous"),  # no steroid
            ("C", "corticosteroid", None, None),  # nobody knows when
            ("D", "dexamethasone", 2, "intrathecal"),  # not systemic: no steroid
            ("E", "dexamethasone", 6, None),  # the first known day is enough: day 8 is after some course
            ("E", "dexamethasone", None, None),
            ("F", "dexamethasone", 6, None),  # the other course may have begun before day 2
            ("F", "dexamethasone", None, None),
        ],
        columns=["patient_id", "drug", "start_day", "route"],
    )
    found = mri_timing(exams, EPISODES, treatment)
    relation = found.set_index("exam_id")["mri_to_steroid"].astype(object)
    wanted = ["before", "same_day", "after", "no_steroid", None, "no_steroid", "after", None]
    assert [None if pd.isna(one) else one for one in relation.loc[[str(k) for k in range(8)]]] == wanted
    first = found.set_index("exam_id")["steroid_first_day"]
    assert first["0"] == 5
    assert first[["3", "4", "6", "7"]].isna().all()


def test_a_source_that_lists_no_treatments_does_not_say_that_there_was_no_steroid():
    exams = pd.DataFrame(
        {"source": ["x", "y"], "patient_id": ["A", "A"], "exam_id": ["1", "2"], "exam_day": [4, 4]}
    )
    treatment = pd.DataFrame(
        {"source": ["y"], "patient_id": ["B"], "drug": ["tocilizumab"], "start_day": [1]}
    )
    found = mri_timing(exams, EPISODES.assign(source="x"), treatment)
    assert found["mri_to_steroid"].isna().tolist() == [True, False]
    assert found["mri_to_steroid"].iloc[1] == "no_steroid"
    nobody = mri_timing(exams.drop(columns="source"), EPISODES, treatment.drop(columns="source").iloc[:0])
    assert nobody["mri_to_steroid"].isna().all()
    assert "mri_to_steroid" not in mri_timing(exams, EPISODES.assign(source="x"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_nearest_onset_equals_a_search_through_all_pairs(seed):
    rng = np.random.default_rng(seed)
    n_episodes, n_exams = rng.integers(0, 12), rng.integers(0, 12)
    onset = np.where(rng.random(n_episodes) < 0.2, np.nan, rng.integers(-2, 9, n_episodes))
    episodes = pd.DataFrame(
        {
            "patient_id": rng.choice(list("ABC"), n_episodes),
            "icans_onset_day": pd.array(onset, dtype="Float64").astype("Int64"),
            "icans_last_day": pd.array(onset + 2, dtype="Float64").astype("Int64"),
            **{
                name: np.arange(n_episodes)
                for name in ("icans_grade", "icans_grade_lower", "icans_grade_upper")
            },
        }
    ).astype({"patient_id": "string"})
    episodes[["icans_grade", "icans_grade_lower", "icans_grade_upper"]] %= 5
    exams = pd.DataFrame(
        {
            "patient_id": pd.array(rng.choice(list("ABCD"), n_exams), dtype="string"),
            "exam_id": np.arange(n_exams).astype(str),
            "exam_day": rng.integers(-4, 12, n_exams),
        }
    )
    found = mri_timing(exams, episodes).set_index("exam_id")
    for exam in exams.to_dict("records"):
        mine = episodes[(episodes["patient_id"] == exam["patient_id"]) & episodes["icans_onset_day"].notna()]
        row = found.loc[exam["exam_id"]]
        if mine.empty:
            assert pd.isna(row["icans_onset_day"])
            continue
        distance = (mine["icans_onset_day"] - exam["exam_day"]).abs()
        best = mine[distance == distance.min()].sort_values("icans_onset_day", kind="stable").iloc[0]
        assert row["icans_onset_day"] == best["icans_onset_day"]
        assert row["icans_grade"] == best["icans_grade"]
