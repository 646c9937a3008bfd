"""Daily courses of ICANS and CRS: a grade per day first, then the signs that make that grade by the ASTCT tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.simulate import calibration as cal
from cohort.simulate.calibration import FloatArray
from cohort.simulate.truth import log2_m_easix

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

CONSCIOUSNESS = ("alert", "spontaneous", "voice", "tactile", "unarousable")
SEIZURE = ("none", "resolving", "prolonged_or_repetitive")
SIGNS = ("posturing", "abducens_palsy", "papilledema", "cushing_triad")
VASOPRESSORS = ("none", "one", "one_with_vasopressin", "multiple")
OXYGEN = (
    "room_air",
    "low_flow",
    "high_flow",
    "face_mask",
    "non_rebreather",
    "venturi",
    "positive_pressure",
)


@dataclass(frozen=True, slots=True)
class Course:
    """One toxicity of all patients; -1 stands for a day that never comes.

    Attributes
    ----------
    peak : array of shape (n,)
        Highest grade.
    onset, end : array of shape (n,)
        First and last day of the first episode.
    grade : array of shape (n, days)
        Grade per day since infusion.
    """

    peak: IntArray
    onset: IntArray
    end: IntArray
    grade: IntArray


def simulate_icans(patients: pd.DataFrame, center_effect: FloatArray, rng: np.random.Generator) -> Course:
    """Simulate the clinical (imaging-blind) course of ICANS.

    Parameters
    ----------
    patients : DataFrame of n rows
        From `simulate_population`.
    center_effect : array of shape (n,)
        Log odds that the patient's center adds.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Course
        Grades without the imaging half of the edema domain.
    """
    n = len(patients)
    codes = patients["product_code"].to_numpy()
    peak = _icans_peak(patients, center_effect, rng)
    sick = peak > 0
    low, high = cal.ONSET_RANGE
    onset = _log_normal_days(cal.product_values(codes, "icans_onset_day"), cal.ONSET_SIGMA, low, high, rng)
    median = np.asarray(cal.DURATION_MEDIAN_DAYS * cal.DURATION_PER_GRADE ** (peak - 2.0), dtype=float)
    duration = _log_normal_days(median, cal.DURATION_SIGMA, 1, 24, rng)
    grade = _hill(onset, duration, peak, rng)
    again = sick & (rng.random(n) < cal.SECOND_EPISODE)
    second_onset = onset + duration + rng.integers(4, 8, n)
    second_peak = np.where(again, np.minimum(peak, rng.integers(1, 3, n)), 0)
    grade = np.maximum(grade, _hill(second_onset, rng.integers(1, 5, n), second_peak, rng))
    return Course(peak, np.where(sick, onset, -1), np.where(sick, onset + duration - 1, -1), grade)


def simulate_crs(patients: pd.DataFrame, icans: Course, rng: np.random.Generator) -> Course:
    """Simulate the course of CRS, which mostly begins one to three days before ICANS.

    Parameters
    ----------
    patients : DataFrame of n rows
        From `simulate_population`.
    icans : Course
        Clinical course of ICANS.
    rng : Generator
        Source of randomness.

    Returns
    -------
    Course
        Grades per day.
    """
    n = len(patients)
    codes = patients["product_code"].to_numpy()
    sick = icans.peak > 0
    target, icans_rate = cal.product_values(codes, "crs_any"), cal.product_values(codes, "icans_any")
    without_icans = (target - cal.CRS_BEFORE_ICANS * icans_rate) / (1.0 - icans_rate)
    has = rng.random(n) < np.where(sick, cal.CRS_BEFORE_ICANS, without_icans)
    severe = _severe(has, 1.1 * (icans.peak >= 3).astype(float), codes, "crs_severe", rng, share_of="crs_any")
    peak = np.where(severe, 3 + (rng.random(n) < 0.25), 1 + (rng.random(n) < 0.40)) * has
    alone = _log_normal_days(cal.product_values(codes, "crs_onset_day"), 0.45, 0, 14, rng)
    onset = np.where(sick, np.maximum(icans.onset - rng.integers(1, 4, n), 0), alone)
    duration = _log_normal_days(np.where(peak >= 3, 7.0, 5.0), 0.40, 1, 20, rng)
    return Course(
        peak,
        np.where(has, onset, -1),
        np.where(has, onset + duration - 1, -1),
        _hill(onset, duration, peak, rng),
    )


def icans_signs(course: Course, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """Return the daily signs that make the clinical grade.

    Parameters
    ----------
    course : Course
        Clinical grades of shape (n, days).
    rng : Generator
        Source of randomness.

    Returns
    -------
    dict of str to array of shape (n, days)
        ``ice_score``; ``consciousness``, ``seizure`` and ``motor_deficit`` as positions in their vocabularies;
        0/1 for each of `SIGNS`, ``tremor``, ``headache``, ``facial_palsy`` and ``hallucinations`` (which never grade).
    """
    grade = course.grade
    n, days = grade.shape
    # one pattern per patient and grade, so that a course looks like one illness
    first, second, third, fourth = (rng.random((n, 1)) for _ in range(4))
    by_loc_1, by_loc_2 = first > 0.85, second > 0.85
    by_seizure_3, by_loc_3 = (third > 0.65) & (third <= 0.85), third > 0.85
    coma, by_seizure_4 = fourth <= 0.60, (fourth > 0.60) & (fourth <= 0.80)
    by_motor, by_sign = (fourth > 0.80) & (fourth <= 0.90), fourth > 0.90
    band = np.select(
        [grade == 0, grade == 1, grade == 2, grade == 3],
        [0, np.where(by_loc_1, 0, 1), np.where(by_loc_2, 1, 2), np.where(by_seizure_3, 2, 3)],
        3,
    )
    ice = np.select(
        [band == 0, band == 1, band == 2], [10, rng.integers(7, 10, (n, days)), rng.integers(3, 7, (n, days))],
        rng.integers(0, 3, (n, days)),
    )  # fmt: skip
    ice = np.where((grade == 4) & coma, 0, ice)
    drowsy = np.minimum((rng.random((n, days)) * grade).astype(np.int64), 3)
    loc = np.select(
        [grade == 0, grade == 1, grade == 2, grade == 3],
        [0, np.where(by_loc_1, 1, drowsy), np.where(by_loc_2, 2, drowsy), np.where(by_loc_3, 3, drowsy)],
        np.where(coma, 4, drowsy),
    )
    sign = rng.integers(0, len(SIGNS), (n, 1))
    out = {
        "ice_score": ice,
        "consciousness": loc,
        "seizure": np.where(by_seizure_3 & (grade == 3), 1, np.where(by_seizure_4 & (grade == 4), 2, 0)),
        "motor_deficit": (by_motor & (grade == 4)).astype(np.int64),
    }
    for k, name in enumerate(SIGNS):
        out[name] = (by_sign & (grade == 4) & (sign == k)).astype(np.int64)
    for name, rate in {
        "tremor": 0.35,
        "headache": 0.40,
        "facial_palsy": 0.01,
        "hallucinations": 0.10,
    }.items():
        out[name] = ((grade > 0) & (rng.random((n, 1)) < rate)).astype(np.int64)
    return out


def astct_grade(signs: dict[str, NDArray[np.int64]], edema: NDArray[np.int64] | None = None) -> IntArray:
    """Grade by the ASTCT table from the simulator's codes; without edema the grade is imaging-blind.

    Parameters
    ----------
    signs : dict of str to array of shape (n, days)
        From `icans_signs`.
    edema : array of shape (n, days) or None, default=None
        0 none, 1 focal, 2 diffuse.

    Returns
    -------
    array of shape (n, days)
        Grades 0 to 4.
    """
    ice = signs["ice_score"]
    by_ice = np.select([ice == 10, ice >= 7, ice >= 3], [0, 1, 2], 3)
    by_seizure = np.select([signs["seizure"] == 1, signs["seizure"] == 2], [3, 4], 0)
    grade = np.maximum(
        np.maximum(by_ice, signs["consciousness"]), np.maximum(by_seizure, 4 * signs["motor_deficit"])
    )
    for name in SIGNS:
        grade = np.maximum(grade, 4 * signs[name])
    if edema is not None:
        grade = np.maximum(grade, np.select([edema == 1, edema == 2], [3, 4], 0))
    return np.asarray(grade)


def crs_signs(course: Course, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Return the daily signs that make the CRS grade: temperature, vasopressors, hypotension, oxygen and its flow.

    Parameters
    ----------
    course : Course
        Grades per day.
    rng : Generator
        Source of randomness.

    Returns
    -------
    dict of str to array of shape (n, days)
        Temperature in degrees Celsius, oxygen flow in L/min (-1 for none), positions in `VASOPRESSORS` and `OXYGEN`,
        0/1 for the others.
    """
    grade = course.grade
    n, days = grade.shape
    by_pressure = rng.random((n, 1)) < 0.6
    treated = (grade >= 2) & (rng.random((n, days)) < 0.30)
    fever = 38.0 + np.minimum(rng.gamma(2.0, 0.45, (n, days)), 3.0)
    normal = 36.3 + 1.3 * rng.beta(2.0, 2.0, (n, days))
    pressor = np.select(
        [by_pressure & (grade == 3), by_pressure & (grade == 4)], [rng.integers(1, 3, (n, days)), 3], 0
    )
    oxygen = np.select(
        [~by_pressure & (grade == 2), ~by_pressure & (grade == 3), ~by_pressure & (grade == 4)],
        [1, rng.integers(2, 6, (n, days)), 6],
        0,
    )
    flow = np.select([oxygen == 1, (oxygen >= 2) & (oxygen < 6)], [rng.integers(1, 7, (n, days)), 15], -1)
    return {
        "temperature_c": np.round(np.where((grade > 0) & ~treated, fever, normal), 1),
        "antipyretic_or_anticytokine": treated.astype(float),
        "hypotension": (by_pressure & (grade >= 2)).astype(float),
        "vasopressors": pressor.astype(float),
        "oxygen": oxygen.astype(float),
        "oxygen_flow_l_min": flow.astype(float),
    }


def _icans_peak(patients: pd.DataFrame, center_effect: FloatArray, rng: np.random.Generator) -> IntArray:
    """Draw the highest clinical grade; any and severe by logistic models whose margins hold by product."""
    n, effects, codes = len(patients), cal.EFFECTS, patients["product_code"].to_numpy()
    m_easix = log2_m_easix(patients) - 2.0
    linear = (
        effects.icans_age_10y * (patients["age_years"].to_numpy(dtype=float) - 60.0) / 10.0
        + effects.icans_log2_m_easix * m_easix
        + effects.icans_prior_cns * patients["prior_cns_disease"].to_numpy(dtype=float)
        + center_effect
    )
    any_grade = np.zeros(n, dtype=bool)
    for code, product in enumerate(cal.PRODUCTS):
        mine = codes == code
        chance = cal.expit(linear[mine] + cal.intercept_for(linear[mine], product.icans_any))
        any_grade[mine] = rng.random(int(mine.sum())) < chance
    burden = np.asarray(effects.severe_log2_m_easix * m_easix, dtype=float)
    severe = _severe(any_grade, burden, codes, "icans_severe", rng)
    mild = 1 + (rng.random(n) < cal.GRADE_TWO_SHARE)
    return np.asarray(np.where(severe, 3 + (rng.random(n) < cal.GRADE_FOUR_SHARE), mild) * any_grade)


def _severe(
    has: BoolArray,
    linear: FloatArray,
    codes: NDArray[np.intp],
    attribute: str,
    rng: np.random.Generator,
    share_of: str | None = None,
) -> BoolArray:
    """Draw which of the affected are severe, with the product's share as the mean."""
    severe = np.zeros(len(has), dtype=bool)
    for code, product in enumerate(cal.PRODUCTS):
        mine = has & (codes == code)
        target = getattr(product, attribute) / (getattr(product, share_of) if share_of else 1.0)
        if share_of is None:  # edema on imaging will lift some grades of 1 and 2: leave room for them
            lifted = _lifted_by_edema()
            target = (target - lifted) / (1.0 - lifted)
        chance = cal.expit(linear[mine] + cal.intercept_for(linear[mine], target))
        severe[mine] = rng.random(int(mine.sum())) < chance
    return severe


def _lifted_by_edema() -> float:
    """Return the probability that edema on imaging lifts a clinical grade of 1 or 2 to 3 or 4."""
    effects = cal.EFFECTS
    abnormal = cal.expit(effects.abnormal_intercept + effects.abnormal_per_grade * np.array([1.0, 2.0]))
    weights = np.array([1.0 - cal.GRADE_TWO_SHARE, cal.GRADE_TWO_SHARE])
    focal, diffuse = cal.FINDING_SHARES["edema_focal"], cal.FINDING_SHARES["edema_diffuse"]
    return float(weights @ abnormal) * (1.0 - (1.0 - focal) * (1.0 - diffuse))


def _log_normal_days(
    median: FloatArray, sigma: float, low: int, high: int, rng: np.random.Generator
) -> IntArray:
    """Draw whole days from a log-normal distribution, clipped to a range."""
    days = np.rint(median * np.exp(sigma * rng.standard_normal(len(median))))
    return np.asarray(np.clip(days, low, high).astype(np.int64))


def _hill(onset: IntArray, duration: IntArray, peak: IntArray, rng: np.random.Generator) -> IntArray:
    """Return daily grades that rise from 1 to the peak, stay, and fall back to 1 before the episode ends."""
    day = np.arange(cal.LAST_DAY + 1)[None, :]
    since, length, top = day - onset[:, None], duration[:, None], peak[:, None]
    summit = np.floor(rng.uniform(0.1, 0.5, len(onset)) * duration).astype(np.int64)[:, None]
    rising = 1 + np.floor((top - 1) * since / np.maximum(summit, 1))
    falling = np.ceil(
        top - (top - 1) * np.maximum(since - summit - 1, 0) / np.maximum(length - summit - 1, 1)
    )
    level = np.where(since < summit, rising, np.where(since == summit, top, falling))
    inside = (since >= 0) & (since < length) & (top > 0)
    return np.asarray(np.where(inside, np.clip(level, 1, np.maximum(top, 1)), 0).astype(np.int64))
