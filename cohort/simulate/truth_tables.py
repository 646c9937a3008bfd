"""The truth as tables: what an analysis of the simulated registries has to find."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import calibration as cal
from cohort.simulate.courses import CONSCIOUSNESS, SEIZURE, SIGNS
from cohort.simulate.labs import peak_labs
from cohort.simulate.world import World

EDEMA = np.array(["none", "focal", "diffuse"], dtype=object)
NO_YES = np.array(["no", "yes"], dtype=object)
ACUTE_WINDOW = 30


def truth_tables(world: World) -> dict[str, pd.DataFrame]:
    """Return the truth tables by name (without ``traps``, which the files add).

    Parameters
    ----------
    world : World
        From `simulate_world`.

    Returns
    -------
    dict of str to DataFrame
        ``patients``, ``daily``, ``exams``, ``findings``, ``lesions``, ``events``, ``treatments``, ``centers``,
        ``effects``.
    """
    identifiers = world.patients[["patient_id", "source"]]
    return {
        "patients": _patients(world),
        "daily": _daily(world),
        "exams": _with_ids(_numbered(world.exams), identifiers).drop(columns=["row"]),
        "findings": _findings(world, identifiers),
        "lesions": _with_ids(world.lesions, identifiers).drop(columns=["row"]),
        "events": _with_ids(world.events, identifiers).drop(columns=["row"]),
        "treatments": _with_ids(world.treatments, identifiers).drop(columns=["row"]),
        "centers": world.centers,
        "effects": pd.concat([cal.declared_effects(), _derived_effects(world)], ignore_index=True),
    }


def exam_numbers(exams: pd.DataFrame) -> pd.Series:
    """Return the number of each examination within its patient, from 1.

    Parameters
    ----------
    exams : DataFrame
        From `simulate_exams`.

    Returns
    -------
    Series
        Numbers, with the index of the examinations.
    """
    return exams.groupby("row").cumcount() + 1


def _numbered(exams: pd.DataFrame) -> pd.DataFrame:
    """Put the number of the examination first."""
    out = exams.copy()
    out.insert(1, "exam_number", exam_numbers(exams))
    return out


def _with_ids(frame: pd.DataFrame, identifiers: pd.DataFrame) -> pd.DataFrame:
    """Put the patient and the source in front of rows that point at patients."""
    keys = identifiers.iloc[frame["row"].to_numpy()].reset_index(drop=True)
    return pd.concat([keys, frame.reset_index(drop=True)], axis=1)


def _patients(world: World) -> pd.DataFrame:
    """One row per patient: baseline, true maxima and onset in days 0 to 30, outcome."""
    window = slice(0, ACUTE_WINDOW + 1)
    full, blind = world.grade(world.edema), world.grade()
    out = world.patients.drop(columns=["center_row", "product_code"]).copy()
    out["icans_grade"] = full[:, window].max(axis=1)
    out["icans_grade_imaging_blind"] = blind[:, window].max(axis=1)
    out["icans_grade_noted"] = world.noted_grade()[:, window].max(axis=1)
    for name, sick in {
        "icans_onset_day": full > 0,
        "severe_day": full >= 3,
        "crs_onset_day": world.crs.grade > 0,
    }.items():
        out[name] = np.where(sick.any(axis=1), sick.argmax(axis=1), np.nan)
    last = full.shape[1] - 1 - (full[:, ::-1] > 0).argmax(axis=1)
    out["icans_last_day"] = np.where((full > 0).any(axis=1), last, np.nan)
    out["crs_grade"] = world.crs.grade[:, window].max(axis=1)
    deep = world.lesions[world.lesions["finding_code"] == "flair_deep"].set_index("row")["start_day"]
    out["flair_deep_day"] = deep.reindex(range(len(out))).to_numpy(dtype=float)
    acute = world.exams[(world.exams["exam_day"] >= 0) & (world.exams["exam_day"] <= ACUTE_WINDOW)]
    out["imaged"] = np.isin(np.arange(len(out)), acute["row"])
    before = world.exams.loc[world.exams["indication"] == "baseline", "row"]
    out["baseline_mri"] = np.isin(np.arange(len(out)), before)
    return pd.concat([out, peak_labs(world.labs)], axis=1)


def _daily(world: World) -> pd.DataFrame:
    """One row per patient and day up to day 30, or to two days after the last of neurotoxicity and CRS."""
    full, blind = world.grade(world.edema), world.grade()
    day = np.arange(full.shape[1])
    active = (full > 0) | (world.crs.grade > 0)
    last = np.where(active.any(axis=1), day[-1] - active[:, ::-1].argmax(axis=1), 0)
    keep = world.alive & (day[None, :] <= np.maximum(last + 2, ACUTE_WINDOW)[:, None])
    rows, days = np.nonzero(keep)
    out = world.patients[["patient_id", "source"]].iloc[rows].reset_index(drop=True)
    out["day"] = days
    out["icans_grade"] = full[keep]
    out["icans_grade_imaging_blind"] = blind[keep]
    out["ice_score"] = world.signs["ice_score"][keep]
    out["consciousness"] = np.array(CONSCIOUSNESS, dtype=object)[world.signs["consciousness"][keep]]
    out["seizure"] = np.array(SEIZURE, dtype=object)[world.signs["seizure"][keep]]
    out["motor_deficit"] = np.array(["none", "deep_focal"], dtype=object)[world.signs["motor_deficit"][keep]]
    for name in SIGNS:
        out[name] = NO_YES[world.signs[name][keep]]
    out["edema_imaging"] = EDEMA[world.edema[keep]]
    out["edema_known"] = world.edema_known[keep]
    out["sedated"] = world.sedated[keep]
    out["ice_done"] = world.ice_done[keep]
    out["crs_grade"] = world.crs.grade[keep]
    return out


def _findings(world: World, identifiers: pd.DataFrame) -> pd.DataFrame:
    """One row per examination, finding and reader: what is there, what can be judged, what was read."""
    reads = world.reads.copy()
    reads["exam_number"] = exam_numbers(world.exams).to_numpy()[reads["exam"].to_numpy()]
    columns = [
        "exam_number",
        "exam_day",
        "finding_code",
        "reader",
        "truth",
        "new_since_infusion",
        "presence",
        "change",
    ]
    return _with_ids(reads, identifiers)[["patient_id", "source", *columns]]


def _derived_effects(world: World) -> pd.DataFrame:
    """Marginal odds ratios that follow from the declared ones and the patients at hand."""
    peak = world.icans.peak
    chance = cal.expit(cal.EFFECTS.flair_deep_intercept + cal.EFFECTS.flair_deep_per_grade * peak)
    scanned = np.array(cal.MRI_DONE)[peak]
    rows = []
    for name, weight in {"all": np.ones(len(peak)), "imaged": scanned}.items():
        cells = [
            (weight * part * side).sum() for side in (peak >= 3, peak < 3) for part in (chance, 1.0 - chance)
        ]
        value = float(np.log(cells[0] * cells[3] / (cells[1] * cells[2]))) if min(cells) > 0 else float("nan")
        rows.append((f"severe_icans_imaging_blind_flair_deep_{name}", value, "log odds ratio"))
    return pd.DataFrame(rows, columns=["name", "value", "scale"])
