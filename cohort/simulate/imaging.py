"""What happens in the brain, who is scanned when, and what the reader writes down: three different things."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.simulate import calibration as cal
from cohort.simulate.calibration import FloatArray
from cohort.simulate.courses import BoolArray, Course, IntArray

ACUTE = ("flair_deep", *cal.FINDING_SHARES)
CODES = (*ACUTE, "flair_white_matter")
SEQUENCES = ("t1", "t2", "flair", "dwi", "swi", "t1_post")
NEEDS: dict[str, str] = {
    "leptomeningeal_enhancement": "t1_post",
    "microhemorrhage": "swi",
    "infarct": "dwi",
    "clocc": "dwi",
}
"""The sequence without which a finding cannot be judged; FLAIR is always acquired."""

_MEDIAN_DURATION: dict[str, float] = {
    "flair_deep": 25.0,
    "pres": 14.0,
    "clocc": 7.0,
    "leptomeningeal_enhancement": 14.0,
    "flair_cortex": 15.0,
    "cerebellum": 20.0,
}
_FOREVER = 100_000


def draw_findings(patients: pd.DataFrame, icans: Course, rng: np.random.Generator) -> pd.DataFrame:
    """Draw which lesions the patients have, scanned or not.

    The deep FLAIR pattern and "any related abnormality" follow logistic models in the highest imaging-blind grade
    whose slopes are declared; the remaining findings keep their shares among the abnormal. White matter lesions
    are older than the infusion in some patients and new in others.

    Parameters
    ----------
    patients : DataFrame of n rows
        From `simulate_population`.
    icans : Course
        Clinical course; lesions begin with it.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        One row per patient and lesion: ``row`` (position of the patient), ``finding_code``, ``start_day``,
        ``end_day``, ``pre_existing``.
    """
    n, effects, peak = len(patients), cal.EFFECTS, icans.peak
    deep_chance = cal.expit(effects.flair_deep_intercept + effects.flair_deep_per_grade * peak)
    abnormal_chance = cal.expit(effects.abnormal_intercept + effects.abnormal_per_grade * peak)
    deep = rng.random(n) < deep_chance
    otherwise = np.clip((abnormal_chance - deep_chance) / (1.0 - deep_chance), 0.0, 1.0)
    abnormal = deep | (rng.random(n) < otherwise)
    present = {"flair_deep": deep} | _companions(abnormal, deep, rng)
    for code in ("edema_focal", "edema_diffuse"):
        present[code] &= peak > 0
    begin = np.where(peak > 0, icans.onset, rng.integers(1, 4, n))
    frames = [_lesions(code, present[code], begin, icans.end, rng) for code in ACUTE]
    frames.append(_white_matter(patients, peak, begin, rng))
    return pd.concat(frames, ignore_index=True).sort_values(
        ["row", "start_day", "finding_code"], ignore_index=True
    )


def edema_per_day(lesions: pd.DataFrame, n: int) -> IntArray:
    """Return 0 none, 1 focal, 2 diffuse per patient and day from the lesions.

    Parameters
    ----------
    lesions : DataFrame
        From `draw_findings`.
    n : int
        Number of patients.

    Returns
    -------
    array of shape (n, days)
        Codes of edema.
    """
    day = np.arange(cal.LAST_DAY + 1)
    edema = np.zeros((n, len(day)), dtype=np.int64)
    for code, level in (("edema_focal", 1), ("edema_diffuse", 2)):
        some = lesions[lesions["finding_code"] == code]
        inside = (day >= some["start_day"].to_numpy()[:, None]) & (day <= some["end_day"].to_numpy()[:, None])
        rows = some["row"].to_numpy()
        edema[rows] = np.maximum(edema[rows], level * inside)
    return edema


def simulate_exams(
    patients: pd.DataFrame,
    centers: pd.DataFrame,
    icans: Course,
    lesions: pd.DataFrame,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Simulate who is scanned when, with which sequences.

    Parameters
    ----------
    patients, centers : DataFrame
        From `simulate_population` and `simulate_centers`.
    icans : Course
        Clinical course; scans prompted by symptoms depend on its peak, not on the lesions.
    lesions : DataFrame
        From `draw_findings`; those with lesions are more often scanned again.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        One row per examination: ``row``, ``exam_day``, ``indication``, ``blinded``, ``quality``, ``contrast`` and a
        boolean per sequence.
    """
    n = len(patients)
    center = patients["center_row"].to_numpy()
    before = centers["baseline_mri"].to_numpy()[center]
    chance = np.where(patients["prior_cns_disease"], np.maximum(before, 0.85), before)
    baseline = np.flatnonzero(rng.random(n) < chance)
    acute = np.flatnonzero(_scanned(icans.peak, centers["mri_effect"].to_numpy()[center], rng))
    began = np.where(icans.onset >= 0, icans.onset, rng.integers(4, 8, n))
    delay = np.minimum(rng.geometric(0.45, n) - 1, 6)
    first_day = began + np.minimum(delay, np.maximum(icans.end - icans.onset, 3))
    lesioned = np.isin(np.arange(n), lesions.loc[~lesions["pre_existing"], "row"])
    again = acute[rng.random(len(acute)) < np.where(lesioned[acute], 0.45, 0.08)]
    frames = [
        pd.DataFrame(
            {"row": baseline, "exam_day": -rng.integers(1, 45, len(baseline)), "indication": "baseline"}
        ),
        pd.DataFrame({"row": acute, "exam_day": first_day[acute], "indication": "symptom_driven"}),
        pd.DataFrame(
            {
                "row": again,
                "exam_day": first_day[again] + rng.integers(4, 18, len(again)),
                "indication": "scheduled",
            }
        ),
    ]
    exams = pd.concat(frames, ignore_index=True).sort_values(["row", "exam_day"], ignore_index=True)
    size = len(exams)
    exams["modality"] = "mr_brain"
    exams["field_strength_t"] = rng.choice(["1.5", "3"], size=size)
    exams["contrast"] = rng.random(size) < 0.75
    for name, rate in {"t1": 0.98, "t2": 0.97, "flair": 1.0, "dwi": 0.96, "swi": 0.85}.items():
        exams[name] = rng.random(size) < rate
    exams["t1_post"] = exams["contrast"]
    exams["blinded"] = rng.random(size) < 0.35
    exams["quality"] = rng.choice(["diagnostic", "limited"], size=size, p=[0.92, 0.08])
    return exams


def read_exams(exams: pd.DataFrame, lesions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return what is there and what the readers write, per examination, finding and reader.

    Parameters
    ----------
    exams, lesions : DataFrame
        From `simulate_exams` and `draw_findings`; the position in ``exams`` identifies the examination.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        ``exam`` (position), ``row``, ``exam_day``, ``finding_code``, ``reader`` (1; 2 for a fifth of the examinations),
        ``truth`` and ``new_since_infusion`` (boolean), ``presence`` as read, and ``change`` from the prior scan.
    """
    first = _true_findings(exams, lesions)
    twice = np.flatnonzero(rng.random(len(exams)) < 0.20)
    second = first[first["exam"].isin(twice)].assign(reader=2)
    reads = pd.concat([first, second], ignore_index=True)
    reads["presence"] = _as_read(reads["truth"].to_numpy(), reads["assessable"].to_numpy(), rng)
    reads["change"] = _change_from_prior(reads)
    return reads.sort_values(["exam", "reader", "code"], ignore_index=True)


def _companions(abnormal: BoolArray, deep: BoolArray, rng: np.random.Generator) -> dict[str, BoolArray]:
    """Draw the findings beside the deep pattern; whoever is abnormal without the pattern has at least one."""
    codes, shares = list(cal.FINDING_SHARES), np.array(list(cal.FINDING_SHARES.values()))
    rates = shares.copy()
    for _ in range(
        20
    ):  # about half of the abnormal lack the deep pattern; what they are given comes off the rates
        rates = shares * (1.0 - 0.5 * np.prod(1.0 - rates) / shares.sum())
    drawn = (rng.random((len(abnormal), len(codes))) < rates) & abnormal[:, None]
    only = rng.choice(len(codes), size=len(abnormal), p=shares / shares.sum())
    lacking = np.flatnonzero(abnormal & ~deep & ~drawn.any(axis=1))
    drawn[lacking, only[lacking]] = True
    return {code: drawn[:, k] for k, code in enumerate(codes)}


def _lesions(
    code: str, present: BoolArray, begin: IntArray, icans_end: IntArray, rng: np.random.Generator
) -> pd.DataFrame:
    """Give the lesions of one kind their first and last day; edema lasts as long as the episode."""
    rows = np.flatnonzero(present)
    start = begin[rows]
    if code.startswith("edema"):
        end = icans_end[rows].astype(float)
    elif code in _MEDIAN_DURATION:
        end = start + np.maximum(
            np.rint(_MEDIAN_DURATION[code] * np.exp(0.5 * rng.standard_normal(len(rows)))), 7
        )
    else:
        end = np.full(len(rows), float(_FOREVER))
    return pd.DataFrame(
        {
            "row": rows,
            "finding_code": code,
            "start_day": start,
            "end_day": end.astype(np.int64),
            "pre_existing": False,
        }
    )


def _white_matter(
    patients: pd.DataFrame, peak: IntArray, begin: IntArray, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw white matter lesions: old ones by age and prior CNS disease, new ones by grade."""
    n = len(patients)
    age = patients["age_years"].to_numpy(dtype=float)
    cns = patients["prior_cns_disease"].to_numpy(dtype=float)
    old = rng.random(n) < cal.expit(-1.6 + 0.45 * (age - 60.0) / 10.0 + 1.2 * cns)
    new = ~old & (rng.random(n) < 0.02 * (1 + peak))
    rows = np.flatnonzero(old | new)
    return pd.DataFrame(
        {
            "row": rows,
            "finding_code": "flair_white_matter",
            "start_day": np.where(old, -_FOREVER, begin)[rows],
            "end_day": _FOREVER,
            "pre_existing": old[rows],
        }
    )


def _scanned(peak: IntArray, effect: FloatArray, rng: np.random.Generator) -> BoolArray:
    """Draw who is scanned for symptoms: by grade, and by the habit of the center."""
    done = np.zeros(len(peak), dtype=bool)
    for grade, target in enumerate(cal.MRI_DONE):
        mine = peak == grade
        chance = cal.expit(effect[mine] + cal.intercept_for(effect[mine], target))
        done[mine] = rng.random(int(mine.sum())) < chance
    return done


def _true_findings(exams: pd.DataFrame, lesions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per examination and finding with the truth on that day."""
    n_exams = len(exams)
    truth = pd.DataFrame(
        {
            "exam": np.repeat(np.arange(n_exams), len(CODES)),
            "row": np.repeat(exams["row"].to_numpy(), len(CODES)),
            "exam_day": np.repeat(exams["exam_day"].to_numpy(), len(CODES)),
            "code": np.tile(np.arange(len(CODES)), n_exams),
            "finding_code": np.tile(np.array(CODES, dtype=object), n_exams),
            "reader": 1,
        }
    )
    merged = truth.merge(lesions, on=["row", "finding_code"], how="left")
    inside = (merged["exam_day"] >= merged["start_day"]) & (merged["exam_day"] <= merged["end_day"])
    truth["truth"] = inside.to_numpy()
    truth["new_since_infusion"] = (inside & merged["pre_existing"].eq(False)).to_numpy()
    assessable = np.ones((n_exams, len(CODES)), dtype=bool)
    for k, code in enumerate(CODES):
        if code in NEEDS:
            assessable[:, k] = exams[NEEDS[code]].to_numpy()
    truth["assessable"] = assessable.ravel()
    return truth


def _as_read(truth: BoolArray, assessable: BoolArray, rng: np.random.Generator) -> NDArray[np.object_]:
    """Return the presence that a reader writes down; readers miss a few lesions and invent very few."""
    u = rng.random(len(truth))
    if_present = np.select([u < 0.93, u < 0.97], ["present", "indeterminate"], "absent")
    if_absent = np.select([u < 0.994, u < 0.999], ["absent", "indeterminate"], "present")
    return np.asarray(
        np.where(assessable, np.where(truth, if_present, if_absent), "not_assessable"), dtype=object
    )


def _change_from_prior(reads: pd.DataFrame) -> NDArray[np.object_]:
    """Compare what was read with the patient's scan before it, by the same first reader."""
    first = reads[reads["reader"] == 1].sort_values(["row", "finding_code", "exam_day"])
    prior = first.groupby(["row", "finding_code"])["presence"].shift(1)
    now = first["presence"]
    change = np.select(
        [
            prior.isna().to_numpy(),
            (now.eq("present") & prior.eq("present")).to_numpy(),
            (now.eq("present") & prior.eq("absent")).to_numpy(),
            (now.eq("absent") & prior.eq("present")).to_numpy(),
        ],
        ["no_prior", "unchanged", "new", "resolved"],
        "",
    )
    by_key = pd.Series(change, index=first.index).reindex(reads.index, fill_value="")
    return by_key.where(reads["presence"].eq("present") | by_key.eq("resolved"), "").to_numpy(dtype=object)
