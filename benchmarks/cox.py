"""Time the Cox kernel beside lifelines and statsmodels, in one run on one machine, and compare the results.

Run: OMP_NUM_THREADS=1 python benchmarks/cox.py [--rows 2000 20000] [--repeat 3] [--r]
Every comparison prints the median seconds of each package, the ratio to cohort, and the largest relative
difference of the coefficients and standard errors. Peers are given what they support (lifelines has no
Efron ties for (start, stop] rows with entry; statsmodels ignores weights). ``--r`` adds R's coxph when R is
installed. Peers that need minutes are left out above 20,000 rows unless ``--patience`` is given.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import cohort as co
from cohort.estimators.cox_problem import build_problem
from cohort.estimators.partial_likelihood import maximize
from cohort.estimators.robust_variance import grouped_variance, score_residuals

COLUMNS = [f"x{j}" for j in range(10)]
Fit = Callable[[], tuple[np.ndarray, np.ndarray]]


def simulate(n: int, seed: int = 20261122) -> pd.DataFrame:
    """Ten covariates, days that tie, about half events, delayed entry, 50 centers."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))
    time_to_event = rng.exponential(np.exp(-x @ np.linspace(-0.3, 0.3, 10))) * 300
    censoring = rng.uniform(0, 600, n)
    data = pd.DataFrame(x, columns=COLUMNS)
    data["stop"] = np.ceil(np.minimum(time_to_event, censoring))
    data["event"] = time_to_event < censoring
    data["start"] = np.floor(data["stop"] * rng.uniform(0, 0.5, n))
    data["center"] = rng.integers(0, 50, n)
    return data


def kernel(data: pd.DataFrame, entry: bool, robust: bool) -> Fit:
    """Estimate and variance alone, from arrays."""
    X, stop, event = data[COLUMNS].to_numpy(), data["stop"].to_numpy(), data["event"].to_numpy()
    start, center = data["start"].to_numpy() if entry else None, data["center"].to_numpy()

    def fit() -> tuple[np.ndarray, np.ndarray]:
        problem = build_problem(X, start, stop, event)
        maximum = maximize(problem)
        covariance = np.linalg.inv(maximum.information)
        if robust:
            residuals = score_residuals(problem, maximum.state)
            covariance, _ = grouped_variance(residuals, covariance, center[problem.sets.rows])
        return maximum.state.b / problem.scale, np.sqrt(np.diag(covariance)) / problem.scale

    return fit


def public(data: pd.DataFrame, entry: bool, robust: bool) -> Fit:
    """The whole of co.cox: formula, guards, tests, concordance, proportional hazards."""

    def fit() -> tuple[np.ndarray, np.ndarray]:
        times = {"start": "start", "stop": "stop"} if entry else {"time": "stop"}
        endpoint = co.Endpoint.from_columns(data, event="event", **times)
        tidy = co.cox(endpoint, " + ".join(COLUMNS), cluster="center" if robust else None).tidy()
        return tidy["estimate"].to_numpy(), tidy["std_error"].to_numpy()

    return fit


def with_lifelines(data: pd.DataFrame, entry: bool, robust: bool) -> Fit:
    from lifelines import CoxPHFitter

    columns = [*COLUMNS, "stop", "event", *(["start"] if entry else []), *(["center"] if robust else [])]

    def fit() -> tuple[np.ndarray, np.ndarray]:
        model = CoxPHFitter().fit(
            data[columns],
            "stop",
            "event",
            entry_col="start" if entry else None,
            cluster_col="center" if robust else None,
        )
        return model.params_.to_numpy(), model.standard_errors_.to_numpy()

    return fit


def with_statsmodels(data: pd.DataFrame, entry: bool, robust: bool) -> Fit:
    from statsmodels.duration.hazard_regression import PHReg

    X, stop, event = data[COLUMNS].to_numpy(), data["stop"].to_numpy(), data["event"].to_numpy()

    def fit() -> tuple[np.ndarray, np.ndarray]:
        start = data["start"].to_numpy() if entry else None
        model = PHReg(stop, X, status=event, entry=start, ties="efron")
        result = model.fit(groups=data["center"].to_numpy() if robust else None, disp=0)
        return result.params, result.bse

    return fit


def seconds(fit: Fit, repeat: int) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """Return the median wall time after one warm-up, and the result."""
    found = fit()
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        fit()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), found


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found / wanted - 1).max())


def with_r(data: pd.DataFrame) -> None:
    """Print what R's coxph needs for the three fits, timed inside R."""
    script = """
    suppressPackageStartupMessages(library(survival)); d <- read.csv(commandArgs(TRUE)[1])
    f <- reformulate(paste0("x", 0:9), "y")
    for (m in c("tied days", "(start, stop]", "cluster-robust")) {
      y <- if (m == "(start, stop]") Surv(d$start, d$stop, d$event) else Surv(d$stop, d$event)
      environment(f) <- environment()
      one <- function() if (m == "cluster-robust") coxph(f, d, cluster = center) else coxph(f, d)
      t <- median(sapply(1:3, function(i) system.time(one())[3]))
      cat(sprintf("  %-14s R coxph            %9.4f s\\n", m, t))
    }"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        data.assign(event=data["event"].astype(int)).to_csv(path, index=False)
        print(
            subprocess.run(
                ["Rscript", "-e", script, str(path)], capture_output=True, text=True, check=True
            ).stdout
        )


CASES = {"tied days": (False, False), "(start, stop]": (True, False), "cluster-robust": (False, True)}
PEERS = {"lifelines": with_lifelines, "statsmodels": with_statsmodels}


def compare(data: pd.DataFrame, repeat: int, patient: bool) -> None:
    for case, (entry, robust) in CASES.items():
        base, (b, se) = seconds(kernel(data, entry, robust), repeat)
        print(f"  {case:14s} cohort kernel      {base:9.4f} s")
        whole, (b_whole, se_whole) = seconds(public(data, entry, robust), repeat)
        same = max(difference(b_whole, b), difference(se_whole, se))
        print(f"  {case:14s} co.cox             {whole:9.4f} s  x{whole / base:7.1f}  differs {same:.1e}")
        for name, peer in PEERS.items():
            if len(data) > 20_000 and (entry or robust) and not patient:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                taken, (b_peer, se_peer) = seconds(
                    peer(data, entry, robust), 1 if len(data) > 20_000 else repeat
                )
            gaps = f"coefficients differ {difference(b_peer, b):.1e}, standard errors {difference(se_peer, se):.1e}"
            print(f"  {case:14s} {name:18s} {taken:9.4f} s  x{taken / base:7.1f}  {gaps}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 20_000, 100_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--r", action="store_true", help="also time R's coxph, when R is installed")
    parser.add_argument("--patience", action="store_true", help="time slow peers on large data too")
    arguments = parser.parse_args()
    for n in arguments.rows:
        print(f"{n:,} rows, 10 covariates, median of {arguments.repeat}")
        data = simulate(n)
        compare(data, arguments.repeat, arguments.patience)
        if arguments.r and shutil.which("Rscript"):
            with_r(data)


if __name__ == "__main__":
    main()
