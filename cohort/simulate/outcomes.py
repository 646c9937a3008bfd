"""Relapse, death, loss to follow-up, late neurotoxicity, cognition and treatment, with declared true hazards."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import calibration as cal
from cohort.simulate.calibration import FloatArray
from cohort.simulate.courses import Course, IntArray
from cohort.simulate.truth import log2_easix

RELAPSE_SHAPE = 0.6
NRM_SHAPE = 0.75
YEAR = 365.0
LOSS_PER_YEAR = 0.04
NEVER = 10**7
CAUSES = ("infection", "neurotoxicity", "crs", "iec_hs", "organ_failure", "second_malignancy")
VISITS = (("baseline", -7), ("day_30", 30), ("day_90", 90), ("month_6", 180), ("month_12", 365))


def simulate_survival(
    patients: pd.DataFrame, severe_day: IntArray, deep_day: IntArray, rng: np.random.Generator
) -> pd.DataFrame:
    """Simulate relapse, death and the end of observation.

    Both causes have Weibull baseline hazards by product, scaled so that the cumulative incidences at 365 days are
    those of `calibration.PRODUCTS`; covariates act by the declared hazard ratios, the deep FLAIR pattern and severe
    ICANS only from the day on which they begin.

    Parameters
    ----------
    patients : DataFrame of n rows
        From `simulate_population`.
    severe_day, deep_day : array of shape (n,)
        First day of severe ICANS (grade 3 or 4) and of the deep pattern; -1 for never.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        ``relapse_day``, ``death_day`` (NaN when not observed), ``cause_of_death``, ``last_contact_day``,
        ``vital_status`` as observed, and the unobserved ``true_relapse_day``, ``true_death_day``.
    """
    effects = cal.EFFECTS
    codes = patients["product_code"].to_numpy()
    age = (patients["age_years"].to_numpy(dtype=float) - 60.0) / 10.0
    tumor = log2_easix(patients) - 1.2
    steps_nrm = ((severe_day, effects.nrm_severe_icans), (deep_day, effects.nrm_flair_deep))
    steps_relapse = ((deep_day, effects.relapse_flair_deep),)
    base_nrm = np.exp(effects.nrm_age_10y * age)
    base_relapse = np.exp(effects.relapse_log2_easix * tumor)
    scales = _scales(codes, base_relapse, base_nrm, steps_relapse, steps_nrm)
    relapse = _first_passage(scales[0] * base_relapse, RELAPSE_SHAPE, steps_relapse, rng)
    nrm = _first_passage(scales[1] * base_nrm, NRM_SHAPE, steps_nrm, rng)
    after = rng.exponential(cal.product_values(codes, "death_after_relapse_days") / np.log(2.0))
    relapsed_first = relapse < nrm
    true_relapse = np.where(relapsed_first, np.ceil(relapse), np.nan)
    true_death = np.where(relapsed_first, np.ceil(relapse + after), np.ceil(nrm))
    cause = _causes(relapsed_first, true_death, severe_day, rng)
    return _observe(patients, true_relapse, true_death, cause, rng)


def late_events(
    patients: pd.DataFrame, survival: pd.DataFrame, peak: IntArray, rng: np.random.Generator
) -> pd.DataFrame:
    """Simulate late neurotoxicity, infections and second malignancies, as far as they happen under observation.

    Parameters
    ----------
    patients : DataFrame of n rows
        From `simulate_population`.
    survival : DataFrame of n rows
        From `simulate_survival`.
    peak : array of shape (n,)
        Highest imaging-blind ICANS grade.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        ``row``, ``event_type``, ``event_day``, ``event_grade``, ``relatedness``.
    """
    n = len(patients)
    codes = patients["product_code"].to_numpy()
    bcma = cal.product_values(codes, "bcma") > 0
    movement = np.zeros(n)
    for code, product in enumerate(cal.PRODUCTS):
        mine = codes == code
        linear = cal.EFFECTS.parkinsonism_any_icans * (peak[mine] > 0)
        if product.parkinsonism > 0:
            movement[mine] = cal.expit(linear + cal.intercept_for(linear, product.parkinsonism))
    chances = {
        "movement_disorder": (movement, 60, 180, "related"),
        "cranial_nerve_palsy": (np.where(bcma, 0.05, 0.006), 18, 45, "related"),
        "stroke": (np.full(n, 0.01), 5, 400, "indeterminate"),
        "peripheral_neuropathy": (np.where(bcma, 0.02, 0.01), 30, 300, "indeterminate"),
        "infection": (np.full(n, 0.35), 3, 300, "indeterminate"),
        "second_malignancy": (np.full(n, 0.03), 120, 1200, "indeterminate"),
    }
    frames = []
    for name, (chance, first, last, related) in chances.items():
        rows = np.flatnonzero(rng.random(n) < chance)
        frame = pd.DataFrame(
            {"row": rows, "event_type": name, "event_day": rng.integers(first, last, len(rows))}
        )
        frame["event_grade"] = rng.choice([2, 3, 4], size=len(rows), p=[0.5, 0.4, 0.1])
        frames.append(frame.assign(relatedness=related))
    events = pd.concat(frames, ignore_index=True)
    last = survival["last_contact_day"].to_numpy()[events["row"].to_numpy()]
    kept: pd.DataFrame = events.iloc[np.flatnonzero(events["event_day"].to_numpy() <= last)]
    return kept.sort_values(["row", "event_day", "event_type"], ignore_index=True)


def treatments(
    patients: pd.DataFrame, centers: pd.DataFrame, icans: Course, crs: Course, rng: np.random.Generator
) -> pd.DataFrame:
    """Simulate what is given for CRS and ICANS: by grade, and levetiracetam by the habit of the center.

    Parameters
    ----------
    patients : DataFrame of n rows
        From `simulate_population`.
    centers : DataFrame
        From `simulate_centers`.
    icans : Course
        Clinical course of ICANS.
    crs : Course
        Course of CRS.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        ``row``, ``drug``, ``start_day``, ``stop_day``, ``dose_mg``, ``route``, ``intent``, ``indication``.
    """
    n = len(patients)
    prophylaxis = centers["levetiracetam"].to_numpy()[patients["center_row"].to_numpy()]
    steroid = (icans.peak > 0) & (rng.random(n) < np.array(cal.STEROID_BY_GRADE)[icans.peak])
    tocilizumab = rng.random(n) < np.array(cal.TOCILIZUMAB_BY_CRS_GRADE)[crs.peak]
    anakinra = rng.random(n) < np.array([0.0, 0.02, 0.05, 0.20, 0.35])[icans.peak]
    icans_start, icans_stop = np.maximum(icans.onset, 0) + rng.integers(0, 2, n), icans.end + 1
    crs_start = np.maximum(crs.onset, 0) + rng.integers(0, 3, n)
    zero = np.zeros(n, dtype=np.int64)
    plan = (
        ("dexamethasone", steroid, icans_start, icans_stop, 10.0, "intravenous", "therapy", "icans"),
        ("tocilizumab", tocilizumab, crs_start, crs_start, 600.0, "intravenous", "therapy", "crs"),
        ("anakinra", anakinra, icans_start, icans_stop, 100.0, "subcutaneous", "therapy", "icans"),
        ("levetiracetam", prophylaxis, zero, zero + 30, 500.0, "oral", "prophylaxis", "seizure"),
    )
    frames = []
    for drug, given, start, stop, dose, route, intent, indication in plan:
        rows = np.flatnonzero(given)
        times = {"start_day": start[rows], "stop_day": np.maximum(stop, start)[rows]}
        frame = pd.DataFrame({"row": rows, "drug": drug, **times, "dose_mg": dose})
        frames.append(frame.assign(route=route, intent=intent, indication=indication))
    return pd.concat(frames, ignore_index=True).sort_values(["row", "start_day", "drug"], ignore_index=True)


def cognition(
    patients: pd.DataFrame, survival: pd.DataFrame, peak: IntArray, rng: np.random.Generator
) -> pd.DataFrame:
    """Simulate cognitive visits: ``row``, ``visit``, ``visit_day``, ``moca_total``, ``mmse_total``, ``promis_t``.

    Parameters
    ----------
    patients : DataFrame of n rows
        From `simulate_population`.
    survival : DataFrame of n rows
        From `simulate_survival`.
    peak : array of shape (n,)
        Highest imaging-blind ICANS grade.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        One row per patient and visit.
    """
    n = len(patients)
    person = (
        26.0
        - 0.5 * (patients["age_years"].to_numpy(dtype=float) - 60.0) / 10.0
        + 1.5 * rng.standard_normal(n)
    )
    fade = {"baseline": 0.0, "day_30": 1.0, "day_90": 0.5, "month_6": 0.25, "month_12": 0.25}
    frames = []
    for visit, day in VISITS:
        rows = np.flatnonzero((survival["last_contact_day"].to_numpy() >= day) & (rng.random(n) < 0.75))
        loss = cal.EFFECTS.cognition_severe_icans_points * fade[visit] * (peak[rows] >= 3)
        moca = np.clip(np.rint(person[rows] + loss + rng.standard_normal(len(rows))), 0, 30).astype(np.int64)
        frame = pd.DataFrame({"row": rows, "visit": visit, "visit_day": day + rng.integers(-3, 4, len(rows))})
        frame["moca_total"] = moca
        frame["mmse_total"] = np.clip(moca + rng.integers(0, 3, len(rows)), 0, 30)
        frame["promis_t"] = np.round(50.0 + 1.2 * (moca - 26) + 5.0 * rng.standard_normal(len(rows)), 1)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True).sort_values(["row", "visit_day"], ignore_index=True)


Steps = tuple[tuple[IntArray, float], ...]


def _hazard_steps(times: FloatArray, steps: Steps) -> FloatArray:
    """Return the time-dependent part of the hazard ratio, of shape (n, times)."""
    log_ratio = np.zeros((len(steps[0][0]), len(times)))
    for day, effect in steps:
        log_ratio += effect * ((day[:, None] >= 0) & (times[None, :] > day[:, None]))
    return np.asarray(np.exp(log_ratio))


def _scales(
    codes: IntArray, base_relapse: FloatArray, base_nrm: FloatArray, steps_relapse: Steps, steps_nrm: Steps
) -> tuple[FloatArray, FloatArray]:
    """Find, by product, the baseline scales at which both cumulative incidences at one year meet their targets."""
    edges = YEAR * np.linspace(0.0, 1.0, 61) ** 2
    middle = (edges[1:] + edges[:-1]) / 2
    shapes = (RELAPSE_SHAPE, NRM_SHAPE)
    grids = [
        base[:, None] * np.diff((edges / YEAR) ** shape)[None, :] * _hazard_steps(middle, steps)
        for base, shape, steps in zip(
            (base_relapse, base_nrm), shapes, (steps_relapse, steps_nrm), strict=True
        )
    ]
    out = np.ones((2, len(codes)))
    for code, product in enumerate(cal.PRODUCTS):
        mine = codes == code
        if not mine.any():
            continue
        targets = np.array([product.relapse_12m, product.nrm_12m])
        scale = targets.copy()
        pair = [grid[mine] for grid in grids]
        for _ in range(25):
            total = scale[0] * pair[0] + scale[1] * pair[1]
            alive = np.exp(-(np.cumsum(total, axis=1) - total / 2))
            scale *= targets / np.array([(scale[k] * pair[k] * alive).sum(axis=1).mean() for k in (0, 1)])
        out[:, mine] = scale[:, None]
    return out[0], out[1]


def _first_passage(scale: FloatArray, shape: float, steps: Steps, rng: np.random.Generator) -> FloatArray:
    """Draw times from the hazard scale x Weibull x steps by inverting the cumulative hazard piece by piece."""
    n = len(scale)
    left = rng.exponential(size=n) / scale
    days = np.stack([np.where(day >= 0, day, NEVER).astype(float) for day, _ in steps])
    order = np.argsort(days, axis=0, kind="stable")
    days = np.take_along_axis(days, order, axis=0)
    effects = np.take_along_axis(np.repeat([[e] for _, e in steps], n, axis=1), order, axis=0)
    clock, ratio = np.zeros(n), np.ones(n)
    time = np.full(n, np.nan)
    for piece in range(len(steps) + 1):
        until = days[piece] if piece < len(steps) else np.full(n, np.inf)
        mass = ratio * ((until / YEAR) ** shape - (clock / YEAR) ** shape)
        here = np.isnan(time) & (left <= mass)
        time[here] = YEAR * ((clock[here] / YEAR) ** shape + left[here] / ratio[here]) ** (1.0 / shape)
        left = left - mass
        if piece < len(steps):
            clock, ratio = until, ratio * np.exp(effects[piece])
    return time


def _causes(
    relapsed_first: np.ndarray, death: FloatArray, severe_day: IntArray, rng: np.random.Generator
) -> np.ndarray:
    """Draw the cause of death; neurotoxicity and CRS only early, and neurotoxicity only in the severely ill."""
    n = len(death)
    late = np.array(CAUSES, dtype=object)[
        rng.choice(len(CAUSES), size=n, p=[0.65, 0.0, 0.0, 0.05, 0.15, 0.15])
    ]
    early = np.array(CAUSES, dtype=object)[
        rng.choice(len(CAUSES), size=n, p=[0.40, 0.20, 0.15, 0.10, 0.15, 0.0])
    ]
    early = np.where((early == "neurotoxicity") & (severe_day < 0), "infection", early)
    return np.asarray(np.where(relapsed_first, "disease", np.where(death <= 45, early, late)), dtype=object)


def _observe(
    patients: pd.DataFrame,
    relapse: FloatArray,
    death: FloatArray,
    cause: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """End observation at death, loss to follow-up, or the closing of the registry, whichever comes first."""
    n = len(patients)
    to_cut = (cal.DATA_CUT - patients["infusion_date"].to_numpy().astype("datetime64[D]")).astype(float)
    lost = np.maximum(np.floor(rng.exponential(YEAR / LOSS_PER_YEAR, n)), 45.0)
    last = np.minimum(np.minimum(death, to_cut), lost)
    dead = death <= last
    return pd.DataFrame(
        {
            "relapse_day": np.where(relapse <= last, relapse, np.nan),
            "death_day": np.where(dead, death, np.nan),
            "cause_of_death": np.where(dead, cause, ""),
            "last_contact_day": last.astype(np.int64),
            "vital_status": np.where(dead, "dead", "alive"),
            "true_relapse_day": relapse,
            "true_death_day": death,
        }
    )
