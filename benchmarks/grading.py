"""Time grade_icans on one million assessments: ``python benchmarks/grading.py [n]``."""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

from cohort.neurotox.episodes import icans_episodes
from cohort.neurotox.icans import grade_icans
from cohort.neurotox.icans_domains import DOMAINS
from cohort.neurotox.patient_grades import patient_icans
from cohort.neurotox.reported import SYSTEMS

LIMIT_SECONDS = 2.0


def assessments(n: int, seed: int = 1) -> pd.DataFrame:
    """Draw n daily assessments, thirty per patient, each value missing in one row of ten."""
    rng = np.random.default_rng(seed)

    def labels(names: list[str], first: float) -> pd.Categorical:
        rest = (1 - first - 0.1) / (len(names) - 1)
        codes = rng.choice(len(names) + 1, n, p=[first, *[rest] * (len(names) - 1), 0.1])
        return pd.Categorical.from_codes(np.where(codes == len(names), -1, codes), categories=names)

    ice = rng.choice(np.append(np.arange(11.0), np.nan), n, p=[*[0.01] * 10, 0.8, 0.1])
    columns: dict[str, object] = {
        "patient_id": np.arange(n) // 30,
        "assessment_day": np.arange(n) % 30,
        "ice_score": pd.array(ice, dtype="Int64"),
        "reported_icans_grade": pd.array(rng.choice([0, 1, 2, 3, np.nan], n), dtype="Int64"),
        "grading_system": labels(list(SYSTEMS), 0.6),
        "sedated": labels(["no", "yes"], 0.88),
    }
    columns |= {name: labels(list(levels), 0.88) for name, levels in DOMAINS.items()}
    return pd.DataFrame(columns)


def main() -> int:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    frame = assessments(n)
    plain = frame.astype({name: object for name in [*DOMAINS, "grading_system", "sedated"]})
    graded = grade_icans(frame)
    steps = {
        "grade_icans, categories": lambda: grade_icans(frame),
        "grade_icans, plain strings": lambda: grade_icans(plain),
        "icans_episodes": lambda: icans_episodes(graded),
        "patient_icans": lambda: patient_icans(graded),
    }
    seconds = {}
    for name, step in steps.items():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        seconds[name] = sorted(times)[1]
        print(f"{name:<28}{n:>10,} rows  {seconds[name]:6.3f} s")
    return int(seconds["grade_icans, categories"] > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
