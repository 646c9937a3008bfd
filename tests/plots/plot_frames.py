"""Simulated tidy frames for the figures, made with a seed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

LONG_NAMES = [f"Deep gray matter β-signal ≥ {i} with δ-edema"[:40].ljust(40, "x") for i in range(8)]


def follow_up(
    groups: Sequence[str], n: int = 80, seed: int = 1, causes: Sequence[str] = ("death",)
) -> pd.DataFrame:
    """One row per patient: strata, time in whole days, cause ('' = censored)."""
    rng = np.random.default_rng(seed)
    frames = []
    for i, group in enumerate(groups):
        event = np.ceil(rng.exponential(300 + 150 * i, n))
        censor = np.ceil(rng.uniform(150, 800, n))
        cause = rng.choice(list(causes), n, p=np.arange(len(causes), 0, -1) / sum(range(1, len(causes) + 1)))
        frames.append(
            pd.DataFrame(
                {
                    "strata": group,
                    "time": np.minimum(event, censor),
                    "cause": np.where(event <= censor, cause, ""),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def curve(patients: pd.DataFrame, causes: Sequence[str] = ("death",), survival: bool = True) -> pd.DataFrame:
    """Tidy steps by group and cause: product-limit survival, or cumulative incidence of each cause."""
    rows = []
    for group, part in patients.groupby("strata", sort=False):
        time, cause = part["time"].to_numpy(), part["cause"].to_numpy()
        for name in causes:
            event_free, incidence = 1.0, 0.0
            for t in np.unique(time):
                at = time == t
                n_risk, n_event = int((time >= t).sum()), int((at & (cause == name)).sum())
                incidence += event_free * n_event / n_risk
                event_free *= 1 - int((at & (cause != "")).sum()) / n_risk
                estimate = event_free if survival else incidence
                rows.append((group, name, t, estimate, n_risk, n_event, int((at & (cause == "")).sum())))
    columns = ["strata", "outcome", "time", "estimate", "n_risk", "n_event", "n_censor"]
    frame = pd.DataFrame(rows, columns=columns)
    width = 1.2 / np.sqrt(frame["n_risk"])
    low, high = (frame["estimate"] - width).clip(0, 1), (frame["estimate"] + width).clip(0, 1)
    frame = frame.assign(conf_low=low, conf_high=high)
    return frame.drop(columns="outcome") if survival else frame


def counts_at(
    patients: pd.DataFrame, times: Sequence[float], causes: Sequence[str] = ("death",)
) -> pd.DataFrame:
    """Risk table: at risk just before each time, events and censored counted from 0 up to it."""
    rows = []
    for group, part in patients.groupby("strata", sort=False):
        time, cause = part["time"].to_numpy(), part["cause"].to_numpy()
        for name in causes:
            rows += [
                (
                    group,
                    name,
                    float(t),
                    int((time >= t).sum()),
                    int(((time <= t) & (cause == name)).sum()),
                    int(((time <= t) & (cause == "")).sum()),
                )
                for t in times
            ]
    return pd.DataFrame(rows, columns=["strata", "outcome", "time", "n_risk", "n_event", "n_censor"])


def regression() -> pd.DataFrame:
    """Rows of a regression on the ratio scale, with reference rows and one that cannot be estimated."""
    nan = np.nan
    rows = [
        ("age_years", "", 1.21, 1.02, 1.43, 0.028, 395, 201, "", False),
        ("product", "tisa-cel", 1.0, nan, nan, nan, 95, 52, "", True),
        ("product", "axi-cel", 0.74, 0.52, 1.05, 0.094, 180, 88, "", False),
        ("product", "liso-cel", 0.58, 0.38, 0.89, 0.012, 120, 61, "", False),
        ("cerebral_edema", "present", 4.90, 1.90, 312.7, 0.0004, 15, 11, "", False),
        ("infarct", "present", nan, nan, nan, nan, 395, 0, "no events", False),
    ]
    columns = [
        "term",
        "level",
        "estimate",
        "conf_low",
        "conf_high",
        "p_value",
        "n",
        "n_event",
        "reason",
        "reference",
    ]
    return pd.DataFrame(rows, columns=columns)


def findings(
    names: Sequence[str] = ("infarct", "pres", "leptomeningeal_enhancement"), seed: int = 2
) -> pd.DataFrame:
    """Counts of each finding by grade; a missing grade, and a finding nobody could assess in grade 0."""
    rng = np.random.default_rng(seed)
    patients, imaged = [210, 46, 41, 62, 24, 14], [9, 12, 18, 43, 20, 6]
    grades = [0, 1, 2, 3, 4, pd.NA]
    rows = []
    for name in names:
        for i, grade in enumerate(grades):
            assessable = (
                0 if name == "leptomeningeal_enhancement" and grade is grades[0] else imaged[i] - i % 2
            )
            rows.append(
                (
                    name,
                    grade,
                    int(rng.binomial(assessable, 0.1 * (i + 1))),
                    assessable,
                    imaged[i],
                    patients[i],
                )
            )
    columns = ["finding", "grade", "n_present", "n_assessable", "n_imaged", "n_patients"]
    return pd.DataFrame(rows, columns=columns).astype({"grade": "Int64"})
