"""Who is infused, where, with what, and with which laboratory values: the population of the synthetic registries."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import calibration as cal
from cohort.simulate.calibration import FloatArray

CENTERS_PER_SOURCE = {"sim_cibmtr": 8, "sim_ebmt": 6, "sim_redcap": 4}
_FIRST_CENTER_CODE = {"sim_cibmtr": 117, "sim_ebmt": 208, "sim_redcap": 719}
_CENTER_STEP = {"sim_cibmtr": 131, "sim_ebmt": 57, "sim_redcap": 6}
_CENTER_DIGITS = {"sim_cibmtr": 5, "sim_ebmt": 4, "sim_redcap": 5}


def simulate_centers(rng: np.random.Generator) -> pd.DataFrame:
    """Simulate the centers with their habits.

    Parameters
    ----------
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        One row per center: ``center_id`` (text with leading zeros), ``source``, ``icans_effect`` and ``mri_effect``
        (log odds), ``baseline_mri`` (probability of a scan before infusion), ``levetiracetam`` (gives prophylaxis).
    """
    sources = np.repeat(list(CENTERS_PER_SOURCE), list(CENTERS_PER_SOURCE.values()))
    codes = [
        f"{_FIRST_CENTER_CODE[source] + _CENTER_STEP[source] * k:0{_CENTER_DIGITS[source]}d}"
        for source, count in CENTERS_PER_SOURCE.items()
        for k in range(count)
    ]
    size = len(sources)
    low, high = cal.BASELINE_MRI_RANGE
    habit = rng.normal(0.0, 1.2, size)
    baseline = cal.expit(habit + cal.intercept_for(habit, cal.BASELINE_MRI))
    return pd.DataFrame(
        {
            "center_id": codes,
            "source": sources,
            "icans_effect": rng.normal(0.0, cal.EFFECTS.sd_center_icans, size),
            "mri_effect": rng.normal(0.0, cal.EFFECTS.sd_center_mri, size),
            "baseline_mri": np.clip(baseline, low, high),
            "levetiracetam": rng.random(size) < 0.5,
        }
    )


def simulate_population(n: int, centers: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Simulate the patients as they are on the day of infusion.

    Parameters
    ----------
    n : int
        Number of patients.
    centers : DataFrame
        From `simulate_centers`.
    rng : Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        One row per patient, in no particular order, with identifiers, product, disease, baseline covariates and
        laboratory values before lymphodepletion (units in the names).
    """
    frame = _place(n, centers, rng)
    codes = rng.choice(len(cal.PRODUCTS), size=n, p=[product.share for product in cal.PRODUCTS])
    frame["product"] = np.array(cal.PRODUCT_NAMES, dtype=object)[codes]
    frame["product_code"] = codes
    frame["disease"] = _diseases(frame["product"], rng)
    frame["age_years"] = _ages(frame, rng)
    frame["sex"] = np.where(rng.random(n) < 0.62, "male", "female")
    frame["ecog"] = rng.choice(4, size=n, p=[0.36, 0.47, 0.13, 0.04])
    frame["lines_prior"] = np.clip(
        rng.poisson(np.where(cal.product_values(codes, "bcma") > 0, 4.0, 1.8)) + 1, 1, 12
    )
    frame["prior_hct"] = rng.random(n) < np.where(frame["disease"] == "MM", 0.80, 0.28)
    frame["prior_cns_disease"] = rng.random(n) < 0.05
    frame["bridging"] = rng.choice(["none", "systemic", "radiation"], size=n, p=[0.38, 0.52, 0.10])
    frame["ld_regimen"] = rng.choice(["flu_cy", "bendamustine"], size=n, p=[0.91, 0.09])
    frame["dose_10e6_cells"] = np.round(rng.lognormal(np.log(180.0), 0.5, n), 1)
    frame["infusion_date"] = np.datetime64("2018-01-08", "D") + rng.integers(0, 2365, n).astype(
        "timedelta64[D]"
    )
    return _with_labs(frame, rng)


def log2_m_easix(patients: pd.DataFrame) -> FloatArray:
    """Return log2 of LDH (U/L) x CRP (mg/dL) / platelets (10^9/L).

    Parameters
    ----------
    patients : DataFrame of n rows
        From `simulate_population`.

    Returns
    -------
    array of shape (n,)
        Unitless.
    """
    values = patients["ldh_u_l"] * patients["crp_mg_dl"] / patients["platelets_10e9_l"]
    return np.asarray(np.log2(values.to_numpy(dtype=float)))


def log2_easix(patients: pd.DataFrame) -> FloatArray:
    """Return log2 of LDH (U/L) x creatinine (mg/dL) / platelets (10^9/L).

    Parameters
    ----------
    patients : DataFrame of n rows
        From `simulate_population`.

    Returns
    -------
    array of shape (n,)
        Unitless.
    """
    values = patients["ldh_u_l"] * patients["creatinine_mg_dl"] / patients["platelets_10e9_l"]
    return np.asarray(np.log2(values.to_numpy(dtype=float)))


def _place(n: int, centers: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Give every patient a source, a center, and the identifiers of the registries that know the patient."""
    names = [name for name, _ in cal.SOURCE_SHARES]
    source = rng.choice(names, size=n, p=[share for _, share in cal.SOURCE_SHARES])
    row = np.zeros(n, dtype=np.intp)
    for name in names:
        mine = source == name
        rows = np.flatnonzero(centers["source"] == name)
        row[mine] = rng.choice(rows, size=int(mine.sum()), p=_sizes(len(rows)))
    center = centers["center_id"].to_numpy()[row]
    order = pd.Series(range(n))
    number = order.groupby(center).cumcount().to_numpy() + 1
    crid = np.array([str(10_400_000 + 37 * k) for k in range(n)], dtype=object)
    also = (source == "sim_redcap") & (rng.random(n) < cal.ALSO_IN_CIBMTR)
    record = np.array([f"{c.lstrip('0')}-{k}" for c, k in zip(center, number, strict=True)], dtype=object)
    european = np.array([f"{c}/{k:04d}" for c, k in zip(center, number, strict=True)], dtype=object)
    patient = np.select([source == "sim_ebmt", (source == "sim_redcap") & ~also], [european, record], crid)
    return pd.DataFrame(
        {
            "patient_id": patient,
            "source": source,
            "also_in": np.where(also, "sim_cibmtr", ""),
            "record_id": np.where(source == "sim_redcap", record, ""),
            "center_id": center,
            "center_row": row,
        }
    )


def _sizes(count: int) -> FloatArray:
    """Return unequal shares of the patients for the centers of a source."""
    weights = np.arange(count + 2, 2, -1, dtype=float)
    return np.asarray(weights / weights.sum())


def _diseases(product: pd.Series, rng: np.random.Generator) -> pd.Series:
    """Draw the disease that the product was given for."""
    out = pd.Series("", index=product.index, dtype=object)
    for name, shares in cal.DISEASE_SHARES.items():
        mine = (product == name).to_numpy()
        out[mine] = rng.choice([s[0] for s in shares], size=int(mine.sum()), p=[s[1] for s in shares])
    return out


def _ages(frame: pd.DataFrame, rng: np.random.Generator) -> FloatArray:
    """Draw ages in years; leukemia treated with tisagenlecleucel is a disease of the young."""
    codes = frame["product_code"].to_numpy()
    mean, sd = cal.product_values(codes, "age_mean"), cal.product_values(codes, "age_sd")
    adult = np.clip(rng.normal(mean, sd), 19.0, 86.0)
    young = np.clip(rng.normal(18.0, 4.0, len(frame)), 13.0, 25.9)
    leukemia = ((frame["disease"] == "B-ALL") & (frame["product"] == "tisa-cel")).to_numpy()
    return np.asarray(np.round(np.where(leukemia, young, adult), 1))


def _with_labs(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Add laboratory values before lymphodepletion; a latent tumor burden makes them agree."""
    n = len(frame)
    burden = rng.standard_normal(n)
    noise = rng.standard_normal((n, 7))
    frame["ldh_u_l"] = np.round(270.0 * np.exp(0.30 * burden + 0.30 * noise[:, 0]))
    frame["creatinine_mg_dl"] = np.round(0.90 * np.exp(0.28 * noise[:, 1]), 2)
    frame["platelets_10e9_l"] = np.round(150.0 * np.exp(-0.15 * burden + 0.42 * noise[:, 2]))
    frame["crp_mg_dl"] = np.round(2.2 * np.exp(0.50 * burden + 0.75 * noise[:, 3]), 2).clip(0.05)
    frame["ferritin_ng_ml"] = np.round(600.0 * np.exp(0.45 * burden + 0.75 * noise[:, 4]))
    frame["anc_per_ul"] = np.round(2600.0 * np.exp(0.55 * noise[:, 5]), -1)
    frame["hemoglobin_g_dl"] = np.round(np.clip(10.6 + 1.6 * noise[:, 6], 6.5, 16.5), 1)
    return frame
