"""What the synthetic registries are calibrated to: published rates by product, and the declared true effects.

Rates are read off the registry papers named in ``source``; where several papers disagree a middle value was
taken. Numbers without a source (shares of findings, reader error, missing days) are choices of the simulator.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LAST_DAY = 60
"""Last day of the daily courses; every course of neurotoxicity has ended by then."""

DATA_CUT = np.datetime64("2025-06-30", "D")
"""Day on which the registries were closed."""


@dataclass(frozen=True, slots=True)
class Product:
    """What is known of one product.

    Attributes
    ----------
    name : str
        Name of the product.
    share : float
        Share of the infusions.
    icans_any, icans_severe : float
        Proportion of patients with ICANS of any grade, and of those with ICANS the share of grade 3 or higher.
    icans_onset_day : float
        Median day of onset.
    crs_any, crs_severe : float
        Proportion with CRS of any grade, and of grade 3 or higher.
    crs_onset_day : float
        Median day of onset of CRS in patients without ICANS.
    relapse_12m, nrm_12m : float
        Cumulative incidence at 365 days of relapse or progression, and of death without it.
    death_after_relapse_days : float
        Median survival after relapse or progression, in days.
    age_mean, age_sd : float
        Age at infusion in years.
    bcma : bool
        Whether the target is BCMA (otherwise CD19).
    parkinsonism : float
        Probability of movement and neurocognitive toxicity within 180 days.
    source : str
        Where the rates come from.
    """

    name: str
    share: float
    icans_any: float
    icans_severe: float
    icans_onset_day: float
    crs_any: float
    crs_severe: float
    crs_onset_day: float
    relapse_12m: float
    nrm_12m: float
    death_after_relapse_days: float
    age_mean: float
    age_sd: float
    bcma: bool
    parkinsonism: float
    source: str


PRODUCTS = (
    Product(
        "axi-cel", 0.30, 0.60, 0.50, 5.5, 0.84, 0.08, 3.0, 0.46, 0.07, 150.0, 61.0, 11.0, False, 0.0,
        "Strati 2020 (Blood Adv 4:3943); DESCAR-T 2022; CIBMTR 1297 patients",
    ),
    Product(
        "tisa-cel", 0.15, 0.17, 0.30, 7.0, 0.74, 0.12, 4.5, 0.60, 0.05, 150.0, 64.0, 10.0, False, 0.0,
        "Pasquini 2020 (Blood Adv 4:5414); DESCAR-T 2022; Pennisi 2020",
    ),
    Product(
        "liso-cel", 0.15, 0.28, 0.35, 9.0, 0.49, 0.03, 5.0, 0.46, 0.05, 180.0, 69.0, 9.0, False, 0.0,
        "CIBMTR 323 patients; TRANSCEND",
    ),
    Product(
        "brexu-cel", 0.10, 0.60, 0.50, 6.5, 0.88, 0.08, 4.0, 0.32, 0.09, 160.0, 66.0, 8.0, False, 0.0,
        "US lymphoma consortium 2023 (J Clin Oncol 41:2594)",
    ),
    Product(
        "ide-cel", 0.15, 0.22, 0.20, 4.0, 0.80, 0.03, 1.5, 0.54, 0.06, 540.0, 65.0, 9.0, True, 0.005,
        "CIBMTR 821 patients; Graham 2025",
    ),
    Product(
        "cilta-cel", 0.15, 0.18, 0.25, 8.5, 0.75, 0.05, 7.0, 0.22, 0.10, 540.0, 64.0, 9.0, True, 0.04,
        "US standard of care, 236 patients (Blood 145:85); Cohen 2022",
    ),
)  # fmt: skip

PRODUCT_NAMES = tuple(product.name for product in PRODUCTS)

DISEASE_SHARES: dict[str, tuple[tuple[str, float], ...]] = {
    "axi-cel": (("LBCL", 0.86), ("FL", 0.14)),
    "tisa-cel": (("LBCL", 0.70), ("B-ALL", 0.30)),
    "liso-cel": (("LBCL", 0.92), ("CLL", 0.08)),
    "brexu-cel": (("MCL", 0.85), ("B-ALL", 0.15)),
    "ide-cel": (("MM", 1.0),),
    "cilta-cel": (("MM", 1.0),),
}

ONSET_SIGMA = 0.42
ONSET_RANGE = (1, 28)
GRADE_TWO_SHARE = 0.5
"""Of grades 1 and 2, the share of grade 2."""
GRADE_FOUR_SHARE = 0.3
"""Of grades 3 and 4, the share of grade 4."""
DURATION_MEDIAN_DAYS = 6.0
DURATION_PER_GRADE = 1.3
DURATION_SIGMA = 0.45
SECOND_EPISODE = 0.04
CRS_BEFORE_ICANS = 0.9

MRI_DONE = (0.04, 0.25, 0.40, 0.65, 0.80)
"""Probability of a scan prompted by symptoms, by imaging-blind grade 0 to 4."""
BASELINE_MRI = 0.30
BASELINE_MRI_RANGE = (0.05, 0.90)
FINDING_SHARES: dict[str, float] = {
    "infarct": 0.20,
    "leptomeningeal_enhancement": 0.15,
    "pres": 0.15,
    "flair_cortex": 0.15,
    "clocc": 0.05,
    "cerebellum": 0.05,
    "microhemorrhage": 0.07,
    "hemorrhage_macro": 0.03,
    "edema_focal": 0.08,
    "edema_diffuse": 0.05,
}
"""Share of each finding among abnormal scans, beside the deep pattern, which has a model of its own."""

STEROID_BY_GRADE = (0.03, 0.10, 0.60, 0.95, 0.99)
TOCILIZUMAB_BY_CRS_GRADE = (0.0, 0.30, 0.80, 0.95, 0.99)
ICE_MISSING_BY_GRADE = (0.02, 0.05, 0.10, 0.25, 0.60)
SEDATED_BY_GRADE = (0.0, 0.0, 0.0, 0.12, 0.45)
REGISTRY_SENSITIVITY_LOW = 0.70
REGISTRY_SENSITIVITY_SEVERE = 0.95
REGISTRY_SPECIFICITY = 0.98

SOURCE_SHARES = (("sim_cibmtr", 0.40), ("sim_ebmt", 0.30), ("sim_redcap", 0.30))
ALSO_IN_CIBMTR = 0.25
"""Share of the REDCap patients whom the hospital reported to the CIBMTR as well."""


@dataclass(frozen=True, slots=True)
class Effects:
    """The true effects; every attribute is on the log scale unless its name says otherwise.

    Attributes
    ----------
    icans_age_10y, icans_log2_m_easix, icans_prior_cns : float
        Log odds ratios of any ICANS: per 10 years of age, per doubling of m-EASIX, prior CNS disease.
    severe_log2_m_easix : float
        Log odds ratio of grade 3 or higher among patients with ICANS, per doubling of m-EASIX.
    abnormal_per_grade, flair_deep_per_grade : float
        Log odds ratios of a CAR-T-related abnormal scan, and of the deep FLAIR pattern, per imaging-blind grade.
    abnormal_intercept, flair_deep_intercept : float
        Log odds of the same at imaging-blind grade 0.
    nrm_flair_deep, nrm_severe_icans, nrm_age_10y : float
        Log cause-specific hazard ratios of death without relapse; the first two from the day of onset on.
    relapse_flair_deep, relapse_log2_easix : float
        Log cause-specific hazard ratios of relapse or progression.
    parkinsonism_any_icans : float
        Log odds ratio of late movement toxicity (BCMA products).
    cognition_severe_icans_points : float
        Difference in MoCA points at day 30 (not a log).
    sd_center_icans, sd_center_mri : float
        Standard deviations of the center effects on the log-odds scale.
    """

    icans_age_10y: float = 0.15
    icans_log2_m_easix: float = 0.30
    icans_prior_cns: float = 0.50
    severe_log2_m_easix: float = 0.25
    abnormal_per_grade: float = 0.875
    abnormal_intercept: float = -3.05
    flair_deep_per_grade: float = 0.70
    flair_deep_intercept: float = -3.60
    nrm_flair_deep: float = 0.50
    nrm_severe_icans: float = 0.60
    nrm_age_10y: float = 0.30
    relapse_flair_deep: float = 0.0
    relapse_log2_easix: float = 0.15
    parkinsonism_any_icans: float = 0.80
    cognition_severe_icans_points: float = -3.0
    sd_center_icans: float = 0.40
    sd_center_mri: float = 0.80


EFFECTS = Effects()


def declared_effects() -> pd.DataFrame:
    """Return the declared true effects as a table.

    Returns
    -------
    DataFrame
        Columns ``name``, ``value`` and ``scale`` (log odds ratio, log hazard ratio, points, ...).

    Examples
    --------
    >>> effects = declared_effects().set_index("name")["value"]
    >>> float(effects["nrm_flair_deep"])
    0.5
    """
    rows = [
        (field.name, float(getattr(EFFECTS, field.name)), _scale(field.name)) for field in fields(EFFECTS)
    ]
    return pd.DataFrame(rows, columns=["name", "value", "scale"])


def _scale(name: str) -> str:
    if name.startswith(("nrm", "relapse")):
        return "log cause-specific hazard ratio"
    if name.startswith("sd_"):
        return "standard deviation of log odds"
    if name.endswith("intercept"):
        return "log odds"
    return "points" if name.endswith("points") else "log odds ratio"


def expit(values: NDArray[np.floating[Any]]) -> FloatArray:
    """Return the inverse logit.

    Parameters
    ----------
    values : array
        Log odds.

    Returns
    -------
    array
        Same shape.
    """
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


def intercept_for(linear: FloatArray, target: float) -> float:
    """Find the intercept at which the mean of ``expit(intercept + linear)`` is the target.

    Parameters
    ----------
    linear : array of shape (n,)
        Linear predictor without intercept.
    target : float
        Wanted mean probability, between 0 and 1 (exclusive).

    Returns
    -------
    float
        Intercept on the log-odds scale; 0 when there are no rows.

    Examples
    --------
    >>> round(intercept_for(np.zeros(3), 0.8), 6)  # log 4
    1.386294
    """
    if len(linear) == 0:
        return 0.0
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        if expit(middle + linear).mean() < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def product_values(codes: NDArray[np.intp], attribute: str) -> FloatArray:
    """Look an attribute of the products up for every patient.

    Parameters
    ----------
    codes : array of shape (n,)
        Positions in `PRODUCTS`.
    attribute : str
        Name of an attribute of `Product`.

    Returns
    -------
    array
        Same shape.
    """
    values = np.array([float(getattr(product, attribute)) for product in PRODUCTS])
    return np.asarray(values[codes])
