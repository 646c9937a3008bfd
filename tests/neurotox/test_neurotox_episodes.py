"""Episodes by hand, and against a slow evaluator that walks through the days."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.dictionary.facts import declared_facts
from cohort.errors import RangeError, StudyError
from cohort.neurotox.episodes import icans_episodes
from cohort.neurotox.icans import grade_icans


def course(grades, patient="A", first_day=0):
    """Make one patient's days from grades: a number, None (nothing assessed) or "?" (grade open)."""
    return pd.DataFrame(
        {
            "patient_id": patient,
            "infusion_number": 1,
            "assessment_day": range(first_day, first_day + len(grades)),
            "reported_icans_grade": pd.array(
                [one if isinstance(one, int) else None for one in grades], dtype="Int64"
            ),
            "grading_system": "ASTCT2019",
            "sedated": ["yes" if grade == "?" else "no" for grade in grades],
        }
    )


def episodes(grades, gap_days=3):
    return icans_episodes(grade_icans(course(grades)), gap_days=gap_days)


def test_one_episode_by_hand():
    # day      0  1  2  3  4  5  6
    result = episodes([0, 0, 1, 3, 2, 0, 0])
    row = result.iloc[0]
    assert len(result) == 1
    assert (row["icans_onset_day_lower"], row["icans_onset_day"], row["icans_onset_day_upper"]) == (2, 2, 2)
    assert (row["icans_grade"], row["icans_peak_day"]) == (3, 3)
    assert (row["icans_last_day"], row["icans_resolved_day"], row["icans_duration_days"]) == (4, 4, 3)
    assert (row["icans_ongoing"], row["icans_recurrent"], row["icans_episode_source"]) == (
        "no",
        "no",
        "daily",
    )


def test_onset_is_an_interval_after_days_without_a_grade():
    # Known without ICANS on day 1; days 2 and 3 not assessed and open; first known with ICANS on day 4.
    row = episodes([0, 0, None, "?", 1, 0]).iloc[0]
    assert (row["icans_onset_day_lower"], row["icans_onset_day"]) == (2, 4)


def test_onset_without_an_earlier_known_day_goes_back_to_the_infusion():
    row = icans_episodes(grade_icans(course([1, 0], first_day=5))).iloc[0]
    assert (row["icans_onset_day_lower"], row["icans_onset_day_upper"]) == (0, 5)


@pytest.mark.parametrize(
    ("grades", "onsets"),
    [
        ([1, 0, 0, 1], [0]),  # two days at grade 0 do not separate
        ([1, 0, 0, 0, 1], [0, 4]),  # three do
        ([1, 0, "?", 0, 1], [0]),  # an open day does not count towards the gap
        ([1, 0, "?", 0, 0, 1], [0, 5]),  # nor does it undo it
        ([1, None, None, None, 1], [0]),  # days not assessed do not end an episode
        ([0, 0, 0], []),
        (["?", "?"], []),
    ],
)
def test_the_gap_rule(grades, onsets):
    result = episodes(grades)
    assert result["icans_onset_day"].tolist() == onsets
    assert result["episode_number"].tolist() == list(range(1, len(onsets) + 1))
    assert result["icans_recurrent"].tolist() == ["no", "yes"][: len(onsets)]


def test_another_gap():
    assert len(episodes([1, 0, 1], gap_days=1)) == 2
    assert len(episodes([1, 0, 0, 0, 1], gap_days=4)) == 1


def test_ongoing_at_the_last_assessment_has_no_duration():
    row = episodes([0, 2, 3]).iloc[0]
    assert row["icans_ongoing"] == "yes"
    assert row["icans_last_day"] == 2
    assert row["icans_resolved_day"] is pd.NA
    assert row["icans_duration_days"] is pd.NA


def test_open_days_beside_an_episode_open_its_peak():
    row = episodes([0, 2, "?", 0]).iloc[0]
    assert (row["icans_grade_lower"], row["icans_grade_upper"]) == (2, 4)
    assert row["icans_grade"] is pd.NA
    assert episodes([0, "?", 0, 2, 0]).iloc[0]["icans_grade"] == 2  # separated by a day known to be 0


def test_the_day_is_the_worst_of_its_assessments():
    twice = pd.concat([course([0, 1, 0]), course([0, 3, 0])], ignore_index=True)
    row = icans_episodes(grade_icans(twice)).iloc[0]
    assert (row["icans_grade"], row["icans_duration_days"]) == (3, 1)


def test_imaging_blind_peak():
    row = episodes([0, 3, 0]).iloc[0]
    assert (row["icans_grade_lower_imaging_blind"], row["icans_grade_upper_imaging_blind"]) == (0, 3)


def test_patients_infusions_and_sources_stay_apart():
    frame = pd.concat(
        [
            course([1, 0], "B").assign(source="x"),
            course([2, 0], "A").assign(source="x"),
            course([3, 0], "A").assign(source="y"),
            course([4, 0], "A").assign(source="x", infusion_number=2),
        ],
        ignore_index=True,
    )
    result = icans_episodes(grade_icans(frame))
    keys = result[["source", "patient_id", "infusion_number"]].to_numpy().tolist()
    assert keys == [["x", "A", 1], ["x", "A", 2], ["x", "B", 1], ["y", "A", 1]]
    assert result["icans_grade"].tolist() == [2, 4, 1, 3]
    assert result["episode_number"].tolist() == [1, 1, 1, 1]


def period(**columns):
    return {
        "patient_id": "R",
        "assessment_type": "period_maximum",
        "grading_system": "ASTCT2019",
        "reported_icans_grade": 2,
        "icans_onset_day": 4,
        "icans_resolved_day": 9,
        **columns,
    }


def test_a_period_maximum_gives_its_reported_episode():
    row = icans_episodes(grade_icans(pd.DataFrame([period()]))).iloc[0]
    assert (row["icans_onset_day"], row["icans_resolved_day"], row["icans_duration_days"]) == (4, 9, 6)
    assert (row["icans_grade"], row["icans_episode_source"], row["icans_ongoing"]) == (
        2,
        "period_maximum",
        "no",
    )
    assert row["icans_peak_day"] is pd.NA


def test_periods_that_repeat_an_episode_are_one():
    frame = pd.DataFrame(
        [period(), period(reported_icans_grade=3), period(icans_onset_day=120, icans_resolved_day=None)]
    )
    result = icans_episodes(grade_icans(frame))
    assert result["icans_onset_day"].tolist() == [4, 120]
    assert result["icans_grade"].tolist() == [3, 2]
    assert result["icans_ongoing"].tolist() == ["no", "yes"]


def test_a_period_without_days_is_an_episode_of_unknown_onset():
    frame = pd.DataFrame([period(icans_onset_day=None, icans_resolved_day=None, icans_resolved="yes")])
    row = icans_episodes(grade_icans(frame)).iloc[0]
    assert row["icans_onset_day"] is pd.NA
    assert row["icans_ongoing"] == "no"
    assert row["icans_duration_days"] is pd.NA


def test_a_partly_known_onset_is_an_interval():
    partial = {
        "icans_onset_day": None,
        "icans_resolved_day": None,
        "period_start_day": 0,
        "period_end_day": 100,
    }
    row = icans_episodes(grade_icans(pd.DataFrame([period(**partial)]))).iloc[0]
    assert (row["icans_onset_day_lower"], row["icans_onset_day_upper"]) == (0, 100)
    partial |= {
        "icans_onset_day__from": -3,
        "icans_onset_day__to": 27,
    }  # the month, but not before the infusion
    row = icans_episodes(grade_icans(pd.DataFrame([period(**partial)]))).iloc[0]
    assert (row["icans_onset_day_lower"], row["icans_onset_day_upper"]) == (0, 27)
    assert row["icans_onset_day"] is pd.NA


def test_daily_rows_go_before_a_period_maximum():
    daily = course([0, 1, 0], "R").assign(assessment_type="daily")
    both = pd.DataFrame([*daily.to_dict("records"), period(infusion_number=1)])
    assert icans_episodes(grade_icans(both))["icans_onset_day"].tolist() == [1]
    quiet = pd.DataFrame(
        [*daily.assign(reported_icans_grade=0).to_dict("records"), period(infusion_number=1)]
    )
    assert icans_episodes(grade_icans(quiet))["icans_onset_day"].tolist() == [4]


@pytest.mark.parametrize("wrong", [{"icans_onset_day": -1}, {"icans_resolved_day": 3}])
def test_reported_days_out_of_order_are_refused(wrong):
    with pytest.raises(RangeError, match="1 rows"):
        icans_episodes(grade_icans(pd.DataFrame([period(**wrong)])))


def test_wrong_calls():
    with pytest.raises(StudyError, match="icans_grade_lower"):
        icans_episodes(course([1]))
    with pytest.raises(StudyError, match="gap_days"):
        episodes([1], gap_days=0)


def test_facts_and_options_travel():
    result = episodes([0, 1, 0])
    assert declared_facts(result)["icans_onset_day"].measures == ("icans_grade",)
    assert result.attrs["cohort_grading"]["gap_days"] == 3
    assert result.attrs["cohort_grading"]["unscanned"] == "clinical"
    late = icans_episodes(grade_icans(course([0, 1, 0], first_day=60)))
    assert declared_facts(late)["icans_grade"].known_day == 61


def test_no_rows_and_rows_without_a_day():
    empty = icans_episodes(grade_icans(course([0, 0])))
    assert len(empty) == 0
    assert list(empty.columns) == list(episodes([0, 1, 0]).columns)
    undated = icans_episodes(grade_icans(course([1, 2]).assign(assessment_day=[None, 3])))
    assert undated["icans_onset_day"].tolist() == [3]
    assert undated.attrs["cohort_grading"]["n_assessments_without_day"] == 1


def walk(grades, gap_days):
    """Walk through the days as a reader would: (onset, last day, peak lower) of each episode."""
    found, zeros = [], gap_days
    for day, grade in enumerate(grades):
        if isinstance(grade, int) and grade >= 1:
            if not found or zeros >= gap_days:
                found.append([day, day, grade])
            found[-1] = [found[-1][0], day, max(found[-1][2], grade)]
            zeros = 0
        elif grade == 0:
            zeros += 1
    return found


DAY = st.sampled_from([0, 0, 0, 1, 2, 4, None, "?"])


@settings(max_examples=25, deadline=None)
@given(
    courses=st.lists(st.lists(DAY, min_size=1, max_size=14), min_size=1, max_size=4),
    gap_days=st.integers(1, 4),
)
def test_agrees_with_walking_through_the_days(courses, gap_days):
    frame = pd.concat([course(one, f"P{i}") for i, one in enumerate(courses)], ignore_index=True)
    shuffled = frame.sample(frac=1, random_state=np.random.default_rng(0))
    result = icans_episodes(grade_icans(shuffled), gap_days=gap_days)
    for i, one in enumerate(courses):
        mine = result[result["patient_id"] == f"P{i}"]
        seen = mine[["icans_onset_day", "icans_last_day", "icans_grade_lower"]].to_numpy().tolist()
        assert seen == walk(one, gap_days)
        assert (mine["icans_onset_day_lower"] <= mine["icans_onset_day"]).all()
        assert (mine["icans_grade_upper"] >= mine["icans_grade_lower"]).all()
