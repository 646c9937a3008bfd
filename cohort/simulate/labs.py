"""Daily laboratory values that rise with CRS and ICANS."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.simulate.courses import Course

ANALYTES: dict[str, tuple[str, float, float]] = {
    "crp": ("crp_mg_dl", 0.45, 0.10),
    "ferritin": ("ferritin_ng_ml", 0.55, 0.25),
    "ldh": ("ldh_u_l", 0.12, 0.08),
    "creatinine": ("creatinine_mg_dl", 0.08, 0.04),
    "platelets": ("platelets_10e9_l", -0.10, -0.08),
}
"""Baseline column, and the rise of the logarithm per CRS grade and per ICANS grade at the peak."""

_DECIMALS = {"crp": 2, "ferritin": 0, "ldh": 0, "creatinine": 2, "platelets": 0}
LAST_LAB_DAY = 30


def daily_labs(
    patients: pd.DataFrame, icans: Course, crs: Course, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Simulate laboratory values on the days 0 to 30.

    Parameters
    ----------
    patients : DataFrame of n rows
        From `simulate_population`; holds the values before lymphodepletion.
    icans, crs : Course
        The courses with which the values rise and fall.
    rng : Generator
        Source of randomness.

    Returns
    -------
    dict of str to array of shape (n, 31)
        Per analyte, in the unit of the name of its baseline column.
    """
    n = len(patients)
    day = np.arange(LAST_LAB_DAY + 1)[None, :]
    center = np.where(crs.onset >= 0, crs.onset + 3, np.where(icans.onset >= 0, icans.onset + 1, 4))[:, None]
    wave = np.exp(-(((day - center) / 4.5) ** 2))
    out = {}
    for name, (column, per_crs, per_icans) in ANALYTES.items():
        start = patients[column].to_numpy(dtype=float)[:, None]
        height = (per_crs * crs.peak + per_icans * icans.peak)[:, None]
        log_value = np.log(start) + height * wave + 0.12 * rng.standard_normal((n, LAST_LAB_DAY + 1))
        if name == "platelets":  # the nadir after lymphodepletion
            log_value -= 0.5 * np.exp(-(((day - 7) / 6.0) ** 2))
        low, high = (0.05, 60.0) if name == "crp" else (0.2, 200_000.0)
        out[name] = np.round(np.clip(np.exp(log_value), low, high), _DECIMALS[name])
    return out


def peak_labs(labs: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
    """Return the peak of CRP (mg/dL) and ferritin (ng/mL) in the first 30 days.

    Parameters
    ----------
    labs : dict of str to array of shape (n, 31)
        From `daily_labs`.

    Returns
    -------
    DataFrame of n rows
        ``peak_crp_mg_dl``, ``peak_ferritin_ng_ml``.
    """
    return pd.DataFrame({f"peak_{ANALYTES[name][0]}": labs[name].max(axis=1) for name in ("crp", "ferritin")})
