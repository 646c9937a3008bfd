"""Time the association screen: 20 findings, 5 outcomes, 10,000 permutations, 2,000 patients.

Run: OMP_NUM_THREADS=1 python benchmarks/screen.py [--rows 2000] [--permutations 10000] [--r]
``--r`` adds R's coin, which permutes one pair at a time and so gives raw p-values only, when it is installed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import cohort as co

FINDINGS, OUTCOMES = [f"finding_{j}" for j in range(20)], [f"outcome_{j}" for j in range(5)]


def simulate(n: int, seed: int = 20261125) -> pd.DataFrame:
    """Correlated findings of whom a quarter has no scan and some are not assessable; two outcomes and three grades."""
    rng = np.random.default_rng(seed)
    burden = rng.normal(size=(n, 1))
    present = burden + rng.normal(size=(n, 20)) > np.linspace(0.5, 2.5, 20)
    data = pd.DataFrame(np.where(present, "present", "absent"), columns=FINDINGS)
    data = data.mask(rng.random((n, 20)) < 0.03, "not_assessable")
    data[rng.random(n) < 0.25] = "not_imaged"
    severity = burden + rng.normal(size=(n, 5))
    outcomes = pd.DataFrame(np.clip(np.round(severity), 0, 4), columns=OUTCOMES)
    outcomes = outcomes.assign(**{name: (outcomes[name] > 1).astype(float) for name in OUTCOMES[:2]})
    outcomes = outcomes.mask(rng.random((n, 5)) < 0.05)
    return pd.concat([data, outcomes.astype("Int64")], axis=1).assign(center=rng.integers(0, 10, n))


def with_r(data: pd.DataFrame, permutations: int) -> None:
    script = f"""
    suppressPackageStartupMessages(library(coin)); d <- read.csv(commandArgs(TRUE)[1]); set.seed(1)
    t <- system.time(for (i in 0:1) for (j in 0:4) {{
      x <- d[[paste0("finding_", i)]]; y <- d[[paste0("outcome_", j)]]; k <- x %in% c("absent", "present") & !is.na(y)
      pvalue(independence_test(y[k] ~ factor(x[k]), distribution = approximate(nresample = {permutations})))
    }})[3]
    cat(sprintf("R coin, 10 pairs one by one   %8.2f s (100 pairs: about %.0f s)\\n", t, 10 * t))"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        data.to_csv(path, index=False)
        done = subprocess.run(
            ["Rscript", "-e", script, str(path)], capture_output=True, text=True, check=True
        )
        print(done.stdout, end="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--permutations", type=int, default=10_000)
    parser.add_argument("--r", action="store_true", help="also time R's coin, when R is installed")
    arguments = parser.parse_args()
    data = simulate(arguments.rows)
    for label, adjust, by in (
        ("bh", "bh", None),
        ("max_t", "max_t", None),
        ("max_t within 10 centers", "max_t", "center"),
    ):
        begin = time.perf_counter()
        screen = co.association_screen(
            FINDINGS, OUTCOMES, data, adjust, by=by, permutations=arguments.permutations
        )
        seconds = time.perf_counter() - begin
        print(f"{label:28s} {seconds:8.2f} s, {len(screen.pairs)} pairs")
    if arguments.r and shutil.which("Rscript"):
        with_r(data, arguments.permutations)


if __name__ == "__main__":
    main()
