"""Times the harmonization of daily neurotoxicity rows, and of the same rows by plain pandas.

Run as ``python benchmarks/harmonize.py [rows]``. Prints seconds, best of three.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import cohort as co

MAPPING = """
source: bench
title: Daily assessments as text
version: "1"
inputs: {infusions: {file: infusions.csv}, daily: {file: daily.csv}}
missing: {"-99": unknown}
recodes: {yesno: {"1": yes, "0": no}}
tables:
  infusion:
    input: infusions
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      infusion_date: {from: INF_DT, date: [yyyy-mm-dd, dd/mm/yyyy], partial: yyyy-mm}
      sex: {from: SEX, recode: {"1": male, "2": female}, missing: {"9": not_reported}}
      crp_mg_dl: {from: CRP, unit: {column: CRP_U, recode: {mg/l: mg/L, mg/dl: mg/dL}}}
    impossible: {note: not timed, rest: true}
  neuro_assessment:
    input: daily
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      assessment_type: {constant: daily}
      assessment_day: {from: DT, date: [yyyy-mm-dd, dd/mm/yyyy], since: infusion_date}
      ice_score: {from: ICE, missing_when: {not_done: SEDATED == '1'}}
      consciousness: {from: LOC, recode: {"0": alert, "1": spontaneous, "2": voice, "3": tactile, "4": unarousable}}
      seizure: {from: SZ, recode: {"0": none, "1": resolving, "2": prolonged_or_repetitive}}
      sedated: {from: SEDATED, recode: yesno}
      reported_icans_grade: GRADE
      grading_system: {constant: ASTCT2019}
    impossible: {note: not timed, rest: true}
not_collected: {note: not timed, tables: [crs_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]}
"""


def frames(n: int, seed: int = 1) -> dict[str, pd.DataFrame]:
    """Simulate n daily rows of n / 20 patients, as text."""
    rng = np.random.default_rng(seed)
    patients = max(n // 20, 1)
    ids = np.char.add("P", np.arange(patients).astype(str))
    start = np.datetime64("2023-01-01") + rng.integers(0, 700, patients)
    infusions = pd.DataFrame(
        {
            "ID": ids,
            "INF_DT": np.where(rng.random(patients) < 0.02, "2023-05", start.astype(str)),
            "SEX": rng.choice(["1", "2", "9"], patients),
            "CRP": np.round(rng.lognormal(3, 1, patients), 1).astype(str),
            "CRP_U": rng.choice(["mg/l", "mg/dl", ""], patients, p=[0.9, 0.08, 0.02]),
        }
    )
    who = np.repeat(np.arange(patients), 20)[:n]
    day = np.tile(np.arange(20), patients)[:n]
    daily = pd.DataFrame(
        {
            "ID": ids[who],
            "DT": (start[who] + day).astype(str),
            "ICE": rng.choice(["10", "9", "7", "4", "1", "-99", "", "11"], n),
            "LOC": rng.choice(["0", "1", "2", "3", "4", "7"], n),
            "SZ": rng.choice(["0", "1", "2", ""], n),
            "SEDATED": rng.choice(["0", "1"], n, p=[0.9, 0.1]),
            "GRADE": rng.choice(["0", "1", "2", "3", "4", ""], n),
        }
    )
    return {"infusions": infusions, "daily": daily}


def by_hand(given: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Do by hand, in pandas, what a careful script does: the values, without any status."""
    infusions, daily = given["infusions"], given["daily"].replace({"-99": "", "": None})
    start = pd.to_datetime(infusions["INF_DT"], format="%Y-%m-%d", errors="coerce")
    out = daily.merge(pd.DataFrame({"ID": infusions["ID"], "start": start}), on="ID", how="left")
    out["assessment_day"] = (
        pd.to_datetime(out["DT"], format="%Y-%m-%d", errors="coerce") - out["start"]
    ).dt.days
    ice = pd.to_numeric(out["ICE"], errors="coerce")
    out["ice_score"] = ice.where(ice.between(0, 10) & (out["SEDATED"] != "1"))
    levels = {"0": "alert", "1": "spontaneous", "2": "voice", "3": "tactile", "4": "unarousable"}
    out["consciousness"] = pd.Categorical(out["LOC"].map(levels))
    out["seizure"] = pd.Categorical(
        out["SZ"].map({"0": "none", "1": "resolving", "2": "prolonged_or_repetitive"})
    )
    out["reported_icans_grade"] = pd.to_numeric(out["GRADE"], errors="coerce")
    return out


def best(work: Callable[[], object], times: int = 3) -> float:
    """Return the best of some runs, in seconds."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        mapping = Path(folder, "bench.yaml")
        mapping.write_text(MAPPING, encoding="utf-8")
        given = frames(n)
        for name, frame in given.items():
            frame.to_csv(Path(folder, f"{name}.csv"), index=False)
        source = co.read_source(folder, source=mapping)
        registry = co.harmonize(source)
        rows = {
            "read_source (csv, as text)": best(lambda: co.read_source(folder, source=mapping)),
            "harmonize (values, status, audit)": best(lambda: co.harmonize(source)),
            "quality": best(registry.quality),
            "conflicts": best(lambda: registry.conflicts),
            "plain pandas, values only": best(lambda: by_hand(given)),
        }
    print(f"{n:,} daily rows of {n // 20:,} patients")
    for what, seconds in rows.items():
        print(f"{seconds:8.3f} s  {what}")


if __name__ == "__main__":
    main()
