"""Time curves, tests and logistic regression beside their peers, in one run on one machine, and compare results.

Run: OMP_NUM_THREADS=1 python benchmarks/curves.py [--rows 2000 100000] [--repeat 5] [--r]
Prints, per comparison, the median seconds of each package, the ratio to cohort, and the largest absolute
difference of the estimates (and of the standard errors where a peer has them). Days tie, as they do in
follow-up. lifelines' Kaplan-Meier is the peer of the one-cause case; statsmodels' CumIncidenceRight of the
incidence, its survdiff of the log-rank test, its Logit of logistic regression. ``--r`` adds R's survfit,
cuminc and glm when R is installed.
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
from cohort.estimators.aalen_johansen import aalen_johansen, risk_table, step_values
from cohort.estimators.gray import gray_test
from cohort.estimators.kaplan_meier import kaplan_meier_curve, probability_limits
from cohort.estimators.logistic import fit_logistic
from cohort.estimators.logrank import logrank_test

AT = np.array([10.0, 50.0, 200.0])
Answer = np.ndarray
R_SCRIPT = """
suppressMessages({library(survival); library(cmprsk)})
d <- read.csv("data.csv"); d$event <- d$status > 0; x <- as.matrix(d[, grep("^x", names(d))]); at <- c(10, 50, 200)
run <- function(name, f) { s <- numeric(REPEAT); for (i in seq_len(REPEAT)) s[i] <- system.time(v <- f())[["elapsed"]]
  cat(name, median(s), sprintf("%.15g", v), "\n") }
run("kaplan_meier", function() summary(survfit(Surv(stop, event) ~ 1, d), times = at)$surv)
run("incidence", function() timepoints(cuminc(d$stop, d$status), at)$est["1 1", ])
run("logrank", function() survdiff(Surv(stop, event) ~ group, d)$chisq)
run("gray", function() cuminc(d$stop, d$status, d$group)$Tests["1", "stat"])
run("logistic", function() coef(glm.fit(cbind(1, x), d$y, family = binomial(), control = list(epsilon = 1e-12))))
"""


def simulate(n: int, seed: int = 20261122) -> pd.DataFrame:
    """Tied days with two competing events and censoring, three groups, ten covariates of a yes/no outcome."""
    rng = np.random.default_rng(seed)
    times = np.ceil(np.column_stack([rng.exponential(s, n) for s in (200, 300)] + [rng.uniform(0, 700, n)]))
    x = rng.normal(size=(n, 10))
    data = pd.DataFrame(x, columns=[f"x{j}" for j in range(10)])
    data["stop"] = times.min(axis=1)
    data["status"] = np.array([1, 2, 0])[times.argmin(axis=1)]
    data["group"] = rng.integers(0, 3, n)
    data["y"] = (rng.random(n) < 1 / (1 + np.exp(1 - x @ np.linspace(-0.4, 0.4, 10)))).astype(int)
    return data


def ours(data: pd.DataFrame) -> dict[str, Callable[[], Answer]]:
    """Estimators on arrays, and the public functions on frames."""
    start, stop, status = np.zeros(len(data)), data["stop"].to_numpy(), data["status"].to_numpy()
    group, y = data["group"].to_numpy(), data["y"].to_numpy(dtype=float)
    X = np.column_stack([np.ones(len(data)), data.filter(regex="^x").to_numpy()])

    def survival() -> Answer:
        curve = kaplan_meier_curve(risk_table(start, stop, status > 0))
        probability_limits(curve.survival, curve.std_error, "log-log", 0.95)
        return step_values(curve.time, curve.survival, AT, 1.0)

    def incidence() -> Answer:
        curve = aalen_johansen(risk_table(start, stop, status, 2))
        probability_limits(curve.incidence, curve.incidence_std_error, "log-log", 0.95)
        return step_values(curve.time, curve.incidence[:, 0], AT, 0.0)

    return {
        "kaplan_meier": survival,
        "incidence": incidence,
        "logrank": lambda: np.array([logrank_test(start, stop, status > 0, group).statistic]),
        "gray": lambda: np.array([gray_test(stop, status, group).statistic]),
        "logistic": lambda: fit_logistic(X, y).estimate,
    }


def public(data: pd.DataFrame) -> dict[str, Callable[[], Answer]]:
    """The same through ``co``: endpoints, guards, groups and results included."""
    frame = data.assign(event=data["status"] > 0)
    overall = co.Endpoint.from_columns(frame, time="stop", event="event")
    own = co.Endpoint.from_columns(frame, time="stop", event="status", states={1: "relapse", 2: "death"})
    formula = "y ~ " + " + ".join(f"x{j}" for j in range(10))
    return {
        "kaplan_meier": lambda: co.kaplan_meier(overall).at(AT)["estimate"].to_numpy(),
        "incidence": lambda: co.cumulative_incidence(own, outcome="relapse").at(AT)["estimate"].to_numpy(),
        "logrank": lambda: np.array([co.kaplan_meier(overall, by="group").logrank.statistic]),
        "gray": lambda: co.cumulative_incidence(own, by="group").gray_test["statistic"].to_numpy()[:1],
        "logistic": lambda: co.odds_ratio(formula, frame).estimate,
    }


def peers(data: pd.DataFrame) -> dict[str, dict[str, Callable[[], Answer]]]:
    """What lifelines and statsmodels have for each question."""
    import statsmodels.api as sm
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test
    from statsmodels.duration.survfunc import CumIncidenceRight

    stop, status, group = data["stop"], data["status"], data["group"]
    died, X = status > 0, sm.add_constant(data.filter(regex="^x").to_numpy())

    def statsmodels_incidence() -> Answer:
        fit = CumIncidenceRight(stop.to_numpy(), status.to_numpy())
        return step_values(np.asarray(fit.times), np.asarray(fit.cinc[0]), AT, 0.0)

    return {
        "kaplan_meier": {
            "lifelines": lambda: (
                KaplanMeierFitter().fit(stop, died).survival_function_at_times(AT).to_numpy()
            ),
            "statsmodels": lambda: np.array(
                [
                    sf.surv_prob[np.searchsorted(sf.surv_times, t, "right") - 1]
                    for sf in [sm.SurvfuncRight(stop, died)]
                    for t in AT
                ]
            ),
        },
        "incidence": {"statsmodels": statsmodels_incidence},
        "logrank": {
            "lifelines": lambda: np.array([multivariate_logrank_test(stop, group, died).test_statistic]),
            "statsmodels": lambda: np.array([sm.duration.survdiff(stop, died, group)[0]]),
        },
        "gray": {},
        "logistic": {
            "statsmodels": lambda: np.asarray(sm.Logit(data["y"].to_numpy(), X).fit(disp=0, tol=1e-12).params)
        },
    }


def in_r(data: pd.DataFrame, repeat: int) -> dict[str, tuple[float, Answer]]:
    """Seconds and answers of R, by question."""
    with tempfile.TemporaryDirectory() as folder:
        data.to_csv(Path(folder) / "data.csv", index=False)
        (Path(folder) / "run.R").write_text(R_SCRIPT.replace("REPEAT", str(repeat)))
        done = subprocess.run(["Rscript", "run.R"], cwd=folder, capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {name: (float(seconds), np.array(values, dtype=float)) for name, seconds, *values in rows}


def median_seconds(run: Callable[[], Answer], repeat: int) -> tuple[float, Answer]:
    """Median seconds of several runs, and the last answer."""
    seconds = []
    for _ in range(repeat):
        begin = time.perf_counter()
        answer = run()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds), answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[2000, 100_000])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--r", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'rows':>8} {'question':<13} {'package':<16} {'seconds':>10} {'ratio':>8} {'difference':>11}")
    for n in options.rows:
        data = simulate(n)
        kernel, frames, others = ours(data), public(data), peers(data)
        from_r = in_r(data, options.repeat) if options.r and shutil.which("Rscript") else {}
        for question, run in kernel.items():
            seconds, answer = median_seconds(run, options.repeat)
            rows = {
                "cohort (arrays)": (seconds, answer),
                "cohort": median_seconds(frames[question], options.repeat),
            }
            rows |= {name: median_seconds(peer, options.repeat) for name, peer in others[question].items()}
            rows |= {"R": from_r[question]} if question in from_r else {}
            for name, (taken, found) in rows.items():
                gap = np.max(np.abs(found - answer))
                print(f"{n:>8} {question:<13} {name:<16} {taken:>10.5f} {taken / seconds:>8.1f} {gap:>11.1e}")


if __name__ == "__main__":
    main()
