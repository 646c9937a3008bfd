"""The simulated world before anyone writes it down, and the truth tables made from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.simulate import calibration as cal
from cohort.simulate import courses, imaging, labs, outcomes, truth
from cohort.simulate.courses import BoolArray, Course, IntArray

STEPS = (
    "centers",
    "population",
    "icans",
    "icans_signs",
    "crs",
    "crs_signs",
    "lesions",
    "exams",
    "reads",
    "survival",
    "late",
    "treatments",
    "cognition",
    "labs",
    "sedation",
    "sim_cibmtr",
    "sim_ebmt",
    "sim_redcap",
)
_SEEN_FOR_DAYS = 3
"""A scan tells about edema on its day and the two days after."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that happened, by patient (rows of ``patients``) and day (columns of the arrays).

    Attributes
    ----------
    centers, patients : DataFrame
        Centers with their habits; patients at infusion with their observed outcome.
    icans, crs : Course
        Clinical courses, ended by death.
    signs, crs_signs : dict of str to array of shape (n, days)
        Daily signs, as coded in `courses`.
    edema : array of shape (n, days)
        0 none, 1 focal, 2 diffuse.
    edema_known : array of shape (n, days)
        Whether a scan of that day or the two days before tells about edema.
    sedated, ice_done : array of shape (n, days)
        Whether the patient was sedated, and whether ICE was asked.
    alive : array of shape (n, days)
        Days up to the day of death.
    lesions, exams, reads : DataFrame
        Lesions; examinations; what is there and what was read.
    events, treatments, cognition : DataFrame
        As in `outcomes`.
    labs : dict of str to array of shape (n, 31)
        Daily laboratory values.
    rng : dict of str to Generator
        One independent stream per step, so that a change of one step leaves the others alone.
    """

    centers: pd.DataFrame
    patients: pd.DataFrame
    icans: Course
    crs: Course
    signs: dict[str, IntArray]
    crs_signs: dict[str, NDArray[np.float64]]
    edema: IntArray
    edema_known: BoolArray
    sedated: BoolArray
    ice_done: BoolArray
    alive: BoolArray
    lesions: pd.DataFrame
    exams: pd.DataFrame
    reads: pd.DataFrame
    events: pd.DataFrame
    treatments: pd.DataFrame
    cognition: pd.DataFrame
    labs: dict[str, NDArray[np.float64]]
    rng: dict[str, np.random.Generator]

    def grade(self, edema: IntArray | None = None) -> IntArray:
        """Return the daily grade from the signs, with the given edema or imaging-blind, 0 after death.

        Parameters
        ----------
        edema : array of shape (n, days) or None, default=None
            0 none, 1 focal, 2 diffuse; None for the imaging-blind grade.

        Returns
        -------
        array of shape (n, days)
            Grades 0 to 4.
        """
        return np.where(self.alive, courses.astct_grade(self.signs, edema), 0)

    def noted_grade(self) -> IntArray:
        """Return the daily grade as the bedside knows it: with edema once a scan has shown it.

        Returns
        -------
        array of shape (n, days)
            Grades 0 to 4.
        """
        shown = np.maximum.accumulate(self.edema_known, axis=1)
        return self.grade(np.where(shown, self.edema, 0))


def simulate_world(n: int, seed: int) -> World:
    """Simulate patients, courses, lesions, scans and outcomes.

    Parameters
    ----------
    n : int
        Number of patients.
    seed : int
        Seed; the same seed and n give the same world on every machine.

    Returns
    -------
    World
        The world before anyone writes it down.
    """
    streams = np.random.SeedSequence(seed).spawn(len(STEPS))
    rng = {step: np.random.default_rng(stream) for step, stream in zip(STEPS, streams, strict=True)}
    centers = truth.simulate_centers(rng["centers"])
    patients = truth.simulate_population(n, centers, rng["population"])
    effect = centers["icans_effect"].to_numpy()[patients["center_row"].to_numpy()]
    icans = courses.simulate_icans(patients, effect, rng["icans"])
    crs = courses.simulate_crs(patients, icans, rng["crs"])
    signs = courses.icans_signs(icans, rng["icans_signs"])
    lesions = imaging.draw_findings(patients, icans, rng["lesions"])
    edema = imaging.edema_per_day(lesions, n)
    severe_day = _first_day(courses.astct_grade(signs, edema) >= 3)
    survival = outcomes.simulate_survival(patients, severe_day, _deep_day(lesions, n), rng["survival"])
    patients = pd.concat([patients, survival], axis=1)
    alive = _alive(survival)
    icans, crs = _ended_by_death(icans, alive), _ended_by_death(crs, alive)
    exams = imaging.simulate_exams(patients, centers, icans, lesions, rng["exams"])
    seen = exams["exam_day"].to_numpy() <= survival["last_contact_day"].to_numpy()[exams["row"].to_numpy()]
    exams = exams[seen].reset_index(drop=True)
    sedated, ice_done = _sedation(icans.grade, rng["sedation"])
    return World(
        centers=centers,
        patients=patients,
        icans=icans,
        crs=crs,
        signs=signs,
        crs_signs=courses.crs_signs(crs, rng["crs_signs"]),
        edema=np.where(alive, edema, 0),
        edema_known=_edema_known(exams, n),
        sedated=sedated,
        ice_done=ice_done,
        alive=alive,
        lesions=lesions,
        exams=exams,
        reads=imaging.read_exams(exams, lesions, rng["reads"]),
        events=outcomes.late_events(patients, survival, icans.peak, rng["late"]),
        treatments=_while_followed(
            outcomes.treatments(patients, centers, icans, crs, rng["treatments"]), survival
        ),
        cognition=outcomes.cognition(patients, survival, icans.peak, rng["cognition"]),
        labs=labs.daily_labs(patients, icans, crs, rng["labs"]),
        rng=rng,
    )


def _first_day(condition: BoolArray) -> IntArray:
    """Return the first day on which the condition holds, -1 for never."""
    return np.where(condition.any(axis=1), condition.argmax(axis=1), -1)


def _deep_day(lesions: pd.DataFrame, n: int) -> IntArray:
    """Return the day on which the deep FLAIR pattern begins, -1 for never."""
    day = np.full(n, -1)
    deep = lesions[lesions["finding_code"] == "flair_deep"]
    day[deep["row"].to_numpy()] = deep["start_day"].to_numpy()
    return day


def _alive(survival: pd.DataFrame) -> BoolArray:
    """Return which days are lived, the day of death included."""
    last = survival["last_contact_day"].to_numpy()[:, None]
    return np.asarray(np.arange(cal.LAST_DAY + 1)[None, :] <= last)


def _ended_by_death(course: Course, alive: BoolArray) -> Course:
    """Cut a course at death; who dies before the onset never had it."""
    grade = np.where(alive, course.grade, 0)
    ever = grade.max(axis=1) > 0
    last = np.where(alive.all(axis=1), cal.LAST_DAY, alive.sum(axis=1) - 1)
    end = np.where(ever, np.minimum(course.end, last), -1)
    return Course(grade.max(axis=1), np.where(ever, course.onset, -1), end, grade)


def _sedation(grade: IntArray, rng: np.random.Generator) -> tuple[BoolArray, BoolArray]:
    """Draw days of sedation, and days on which ICE was asked."""
    u = rng.random(grade.shape)
    sedated = u < np.array(cal.SEDATED_BY_GRADE)[grade]
    return sedated, u >= np.array(cal.ICE_MISSING_BY_GRADE)[grade]


def _edema_known(exams: pd.DataFrame, n: int) -> BoolArray:
    """Return the days about which a scan tells."""
    known = np.zeros((n, cal.LAST_DAY + 1), dtype=bool)
    rows, days = exams["row"].to_numpy(), exams["exam_day"].to_numpy()
    for later in range(_SEEN_FOR_DAYS):
        inside = (days >= 0) & (days + later <= cal.LAST_DAY)
        known[rows[inside], days[inside] + later] = True
    return known


def _while_followed(given: pd.DataFrame, survival: pd.DataFrame) -> pd.DataFrame:
    """Keep treatments that begin under observation, and end them with it."""
    last = survival["last_contact_day"].to_numpy()[given["row"].to_numpy()]
    ended = given.assign(stop_day=np.minimum(given["stop_day"].to_numpy(), last))
    kept: pd.DataFrame = ended.loc[(ended["start_day"] <= last).to_numpy()]
    return kept.reset_index(drop=True)
