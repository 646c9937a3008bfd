"""Daily courses: signs that make the grade, worked by hand and as a property of the simulated world."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.simulate import courses
from cohort.simulate.world import World, simulate_world


@pytest.fixture(scope="module")
def world() -> World:
    return simulate_world(400, 11)


def _signs(**changes: int) -> dict[str, np.ndarray]:
    names = ("consciousness", "seizure", "motor_deficit", *courses.SIGNS)
    signs = {"ice_score": 10} | dict.fromkeys(names, 0) | changes
    return {name: np.array([[value]]) for name, value in signs.items()}


@pytest.mark.parametrize(
    ("changes", "edema", "expected"),
    [
        ({}, 0, 0),
        ({"ice_score": 8}, 0, 1),
        ({"ice_score": 3, "seizure": 1}, 0, 3),  # the worked example of the consensus
        ({"ice_score": 0}, 0, 3),
        ({"ice_score": 0, "consciousness": 4}, 0, 4),
        ({"consciousness": 2}, 0, 2),
        ({"motor_deficit": 1}, 0, 4),
        ({"abducens_palsy": 1}, 0, 4),
        ({"seizure": 2}, 0, 4),
        ({}, 1, 3),
        ({"ice_score": 5}, 2, 4),
    ],
)
def test_grade_by_the_table(changes: dict[str, int], edema: int, expected: int) -> None:
    assert courses.astct_grade(_signs(**changes), np.array([[edema]]))[0, 0] == expected


def test_the_signs_of_every_day_make_the_grade_of_that_day(world: World) -> None:
    np.testing.assert_array_equal(world.grade(), world.icans.grade)
    assert (world.grade(world.edema) >= world.grade()).all()
    lifted = world.grade(world.edema) > world.grade()
    assert (world.edema[lifted] > 0).all()


def test_a_course_begins_with_its_onset_and_reaches_its_peak(world: World) -> None:
    for course in (world.icans, world.crs):
        sick = course.peak > 0
        rows = np.flatnonzero(sick)
        assert (course.grade[rows, course.onset[rows]] >= 1).all()
        before = np.arange(course.grade.shape[1])[None, :] < course.onset[rows][:, None]
        assert (course.grade[rows][before] == 0).all()
        np.testing.assert_array_equal(course.grade.max(axis=1), course.peak)
        assert (course.grade[~sick] == 0).all()


def test_crs_signs_make_the_grade_by_the_table(world: World) -> None:
    signs = world.crs_signs
    pressor = np.select(
        [signs["vasopressors"] == 3, signs["vasopressors"] >= 1, signs["hypotension"] == 1], [4, 3, 2], 0
    )
    oxygen = np.select([signs["oxygen"] == 6, signs["oxygen"] >= 2, signs["oxygen"] == 1], [4, 3, 2], 0)
    grade = np.maximum(np.maximum(pressor, oxygen), (world.crs.grade > 0).astype(int))
    np.testing.assert_array_equal(grade, world.crs.grade)
    fever = (signs["temperature_c"] >= 38.0) | (signs["antipyretic_or_anticytokine"] == 1)
    np.testing.assert_array_equal(fever, world.crs.grade > 0)


def test_nothing_happens_after_death(world: World) -> None:
    assert (world.icans.grade[~world.alive] == 0).all()
    last = world.patients["last_contact_day"].to_numpy()
    for frame, day in (
        (world.exams, "exam_day"),
        (world.events, "event_day"),
        (world.treatments, "stop_day"),
    ):
        assert (frame[day].to_numpy() <= last[frame["row"].to_numpy()]).all()
