"""ICAHT: every cell of the tables, the recovery rule, open days, censoring, units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.errors import RangeError, StudyError, UnitsError
from cohort.neurotox.low_counts import interpolated, longest_episode, lowest_by_day

DAYS = 31


def daily(counts, column="anc_per_ul", first=0, patient="a"):
    """One patient's counts from a first day on; None is a day without a count."""
    frame = pd.DataFrame(
        {"patient_id": patient, "lab_day": range(first, first + len(counts)), column: counts}
    )
    return frame.dropna(subset=[column]).astype({column: float})


def early(low_days, low, otherwise=2000, start=3):
    """Counts of days 0 to 30 that are low on the given number of days from the start day on."""
    return [low if start <= day < start + low_days else otherwise for day in range(DAYS)]


# Rejeski 2023, early: longest episode at or below 500 and 100 per microliter.
@pytest.mark.parametrize(
    ("low_days", "low", "grade"),
    [
        (0, 500, 0),
        (1, 500, 1),
        (6, 500, 1),
        (7, 500, 2),
        (13, 500, 2),
        (14, 500, 3),
        (28, 500, 3),  # from day 3 to day 30, but above on days 0 to 2
        (1, 501, 0),
        (6, 100, 1),
        (7, 100, 3),
        (13, 100, 3),
        (14, 100, 4),
        (7, 101, 2),
    ],
)
def test_every_cell_of_the_early_table(low_days, low, grade):
    out = co.icaht_grade(daily(early(low_days, low)))
    assert out["icaht_early_grade"].tolist() == [grade]
    assert out["icaht_early_days_measured"].tolist() == [DAYS]


def test_never_above_500_is_grade_4():
    assert co.icaht_grade(daily([500.0] * DAYS))["icaht_early_grade"].tolist() == [4]
    assert co.icaht_grade(daily([501.0] + [500.0] * 30))["icaht_early_grade"].tolist() == [3]


def test_recovery_of_fewer_than_three_days_does_not_end_an_episode():
    # Low on days 0-3, recovered on 4 and 5, low on 6-8: one episode of 9 days (grade 2).
    two = [400] * 4 + [900] * 2 + [400] * 3 + [900] * 22
    assert co.icaht_grade(daily(two))["icaht_early_grade"].tolist() == [2]
    # Recovered on three days: episodes of 4 and 3 days (grade 1).
    three = [400] * 4 + [900] * 3 + [400] * 3 + [900] * 21
    assert co.icaht_grade(daily(three))["icaht_early_grade"].tolist() == [1]


# Late: two days at or below the threshold; one is transient.
@pytest.mark.parametrize(
    ("counts", "lower", "upper"),
    [
        ([1501, 1501], 0, 0),
        ([1500, 1500], 1, 1),
        ([1000, 1000], 2, 2),
        ([500, 500], 3, 3),
        ([100, 100], 4, 4),
        ([50, 2000, 2000], 0, 0),
        ([50, 900, 2000], 2, 2),
        ([50], 0, 4),
    ],
)
def test_every_cell_of_the_late_table(counts, lower, upper):
    out = co.icaht_grade(daily(counts, first=40), phase="late")
    assert out["icaht_late_grade_lower"].tolist() == [lower]
    assert out["icaht_late_grade_upper"].tolist() == [upper]
    assert out["icaht_late_grade"].isna().tolist() == [lower != upper]


@pytest.mark.parametrize(
    ("phase", "low_days", "low", "grade"),
    [
        ("early", 1, 49, 1),
        ("early", 6, 49, 1),
        ("early", 7, 49, 2),
        ("early", 31, 50, 0),
        ("early", 1, 19, 3),
        ("early", 13, 19, 3),
        ("early", 14, 19, 4),
        ("early", 7, 20, 2),
        ("late", 1, 99, 1),
        ("late", 1, 100, 0),
        ("late", 1, 49, 2),
        ("late", 1, 19, 3),
        ("late", 13, 19, 3),
        ("late", 14, 19, 4),
    ],
)
def test_every_cell_of_the_platelet_tables(phase, low_days, low, grade):
    width, first = (DAYS, 0) if phase == "early" else (70, 31)
    counts = [low] * low_days + [250] * (width - low_days)
    out = co.icaht_grade(daily(counts, "platelets_10e9_l", first), phase, "platelets")
    assert out[f"t_icaht_{phase}_grade"].tolist() == [grade]


def test_platelet_days_count_in_total_not_in_a_row():
    apart = ([40] + [200] * 4) * 6 + [40]  # 7 days below 50, five days apart
    assert co.icaht_grade(daily(apart, "platelets_10e9_l"), lineage="platelets")[
        "t_icaht_early_grade"
    ].tolist() == [2]


def test_days_without_a_count_leave_the_grade_open():
    # Measured every third day, low on days 3, 6, 9, 12: gaps of two days never end the episode, so at least
    # 10 days. The days between may all have been at 0, and one day of recovery ends nothing: day 1 to 29.
    counts = [None] * DAYS
    for day in range(0, DAYS, 3):
        counts[day] = 300 if 3 <= day <= 12 else 900
    out = co.icaht_grade(daily(counts))
    assert out[["icaht_early_grade_lower", "icaht_early_grade_upper"]].to_numpy().tolist() == [[2, 4]]
    assert out["icaht_early_grade"].isna().all()
    # Interpolated from 900 to 300: 700, 500 on days 1, 2; 500, 700 on days 13, 14: low from day 2 to 13.
    straight = co.icaht_grade(daily(counts), between="interpolate")
    assert straight["icaht_early_grade"].tolist() == [2]


def test_patients_without_counts_and_after_the_end_of_follow_up():
    counts = pd.concat([daily([300] * DAYS, patient="a"), daily([300] * DAYS, patient="z")])
    patients = pd.DataFrame({"patient_id": ["b", "a"], "censor_day": [np.nan, 10]})
    out = co.icaht_grade(counts, patients=patients)
    assert out["patient_id"].tolist() == ["b", "a"]
    # b has no count: anything. a was observed low on days 0-9: at least grade 2, and open from day 10.
    assert out["icaht_early_grade_lower"].tolist() == [0, 2]
    assert out["icaht_early_grade_upper"].tolist() == [4, 4]
    assert out["icaht_early_days_measured"].tolist() == [0, 10]
    assert out.attrs["cohort_icaht"]["n_rows_of_other_patients"] == DAYS


def test_laboratory_table_and_the_lowest_of_a_day():
    lab = daily(early(7, 400), "value").assign(analyte="anc", unit="/uL")
    again = lab.assign(value=lab["value"] + 300)
    crp = lab.assign(analyte="crp", unit="mg/dL", value=5.0)
    out = co.icaht_grade(pd.concat([again, lab, crp]))
    assert out["icaht_early_grade"].tolist() == [2]
    with pytest.raises(UnitsError, match="31 of 31 rows"):
        co.icaht_grade(lab.assign(unit="10*9/L"))


def test_input_is_not_changed_and_keys_are_kept():
    counts = daily(early(7, 400)).assign(source="x", infusion_number=1)
    before = counts.copy(deep=True)
    out = co.icaht_grade(counts)
    pd.testing.assert_frame_equal(counts, before)
    assert out.columns[:3].tolist() == ["source", "patient_id", "infusion_number"]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: co.icaht_grade(daily([0.4, 0.9])), UnitsError, "10⁹/L × 1000"),
        (lambda: co.icaht_grade(daily([-1.0])), RangeError, "negative or infinite"),
        (lambda: co.icaht_grade(daily([500]), "middle"), StudyError, "early, late"),
        (lambda: co.icaht_grade(daily([500]), lineage="red"), StudyError, "neutrophils, platelets"),
        (lambda: co.icaht_grade(daily([500]), between="guess"), StudyError, "unknown, interpolate"),
        (lambda: co.icaht_grade(daily([500]), "late", until=20), StudyError, "at least 31"),
        (lambda: co.icaht_grade(daily([500], "wbc")), StudyError, "missing: anc_per_ul"),
        (lambda: co.icaht_grade(daily([500]).drop(columns="lab_day")), StudyError, "missing: lab_day"),
        (
            lambda: co.icaht_grade(daily([500]), patients=pd.DataFrame({"patient_id": ["a", "a"]})),
            StudyError,
            "1 rows repeat patient_id",
        ),
    ],
)
def test_errors_name_the_remedy(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_empty_table():
    out = co.icaht_grade(daily([500.0]).iloc[:0])
    assert out.empty
    assert "icaht_early_grade" in out


completed = st.lists(st.sampled_from([50, 300, 900]), min_size=DAYS, max_size=DAYS)


@settings(deadline=None, max_examples=60)
@given(completed, st.sets(st.integers(0, DAYS - 1)), st.sets(st.integers(0, DAYS - 1)))
def test_bounds_hold_every_completion_and_more_counts_never_widen_them(counts, hidden, more):
    full = co.icaht_grade(daily(counts))["icaht_early_grade"].iloc[0]
    few = daily([None if day in hidden | more else count for day, count in enumerate(counts)])
    many = daily([None if day in hidden else count for day, count in enumerate(counts)])
    patients = pd.DataFrame({"patient_id": ["a"]})
    wide, narrow = (co.icaht_grade(frame, patients=patients) for frame in (few, many))
    low, high = "icaht_early_grade_lower", "icaht_early_grade_upper"
    assert wide[low].iloc[0] <= narrow[low].iloc[0] <= full <= narrow[high].iloc[0] <= wide[high].iloc[0]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 5))
def test_longest_episode_equals_a_walk_over_the_days(low, end_gap):
    longest = start = 0
    last = None
    for day, here in enumerate(low):
        if here:
            if last is None or day - last - 1 >= end_gap:
                start = day
            last = day
            longest = max(longest, day - start + 1)
    assert longest_episode(np.array([low]), end_gap).tolist() == [longest]


def test_grid_and_interpolation_by_hand():
    grid = lowest_by_day(
        np.array([0, 0, 0, 1]), np.array([0.0, 0.5, 3.0, 9.0]), np.array([8.0, 6.0, 3.0, 1.0]), 2, (0, 4)
    )
    np.testing.assert_array_equal(grid[0], [6.0, np.nan, np.nan, 3.0, np.nan])
    assert np.isnan(grid[1]).all()
    np.testing.assert_allclose(interpolated(grid, 3)[0], [6.0, 5.0, 4.0, 3.0, np.nan], rtol=1e-15)
    np.testing.assert_array_equal(interpolated(grid, 2)[0], grid[0])
