"""Time linking three million examinations with two million ICANS episodes: ``python benchmarks/linkage.py``.

Beside `mri_timing`: the same nearest onsets by `pandas.merge_asof`, the result compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from cohort.neurotox.linkage import mri_timing

EPISODES, EXAMS, PATIENTS = 2_000_000, 3_000_000, 1_500_000


def simulate(seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw episodes and examinations of the same patients, at random days."""
    rng = np.random.default_rng(seed)
    onset = rng.integers(0, 30, EPISODES)
    episodes = pd.DataFrame(
        {
            "patient_id": rng.integers(0, PATIENTS, EPISODES),
            "icans_onset_day": onset,
            "icans_last_day": onset + 5,
        }
    ).assign(icans_grade=2, icans_grade_lower=2, icans_grade_upper=2)
    day = rng.integers(0, 60, EXAMS)
    exams = pd.DataFrame(
        {"patient_id": rng.integers(0, PATIENTS, EXAMS), "exam_id": np.arange(EXAMS), "exam_day": day}
    )
    return episodes, exams


def by_merge(episodes: pd.DataFrame, exams: pd.DataFrame) -> pd.DataFrame:
    """Return the nearest onset of each examination, sorted as `mri_timing` sorts."""
    left = exams.sort_values("exam_day", kind="stable")
    right = episodes[["patient_id", "icans_onset_day"]].sort_values("icans_onset_day", kind="stable")
    found = pd.merge_asof(
        left, right, left_on="exam_day", right_on="icans_onset_day", by="patient_id", direction="nearest"
    )
    return found.sort_values(["patient_id", "exam_day", "exam_id"], kind="stable", ignore_index=True)


def median(step: Callable[[], pd.DataFrame], repeat: int = 3) -> tuple[float, pd.DataFrame]:
    """Return the median seconds, and the last result."""
    times, found = [], pd.DataFrame()
    for _ in range(repeat):
        begin = time.perf_counter()
        found = step()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), found


def main() -> None:
    episodes, exams = simulate()
    ours, timed = median(lambda: mri_timing(exams, episodes))
    theirs, merged = median(lambda: by_merge(episodes, exams))
    wanted = (merged["exam_day"] - merged["icans_onset_day"]).abs()
    found = timed["days_from_onset"].astype("Float64").abs()
    same = np.array_equal(found.to_numpy(float, na_value=np.nan), wanted.to_numpy(float), equal_nan=True)
    print(f"{EXAMS:,} examinations, {EPISODES:,} episodes; distances equal: {same}")
    print(f"mri_timing          {ours:6.2f} s")
    print(f"pandas merge_asof   {theirs:6.2f} s   {theirs / ours:4.1f} x")


if __name__ == "__main__":
    main()
