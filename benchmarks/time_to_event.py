"""Time the time-to-event models beside their peers: same data, one thread, results compared.

Run: python benchmarks/time_to_event.py [--rows 2000 100000] [--times day exact] [--only cox ...] [--repeat 3] [--no-r]
     python benchmarks/time_to_event.py --growth      (ours alone from 1,000 to 1,000,000 rows, with peak memory)

A line gives the median CPU seconds (of the process; R's from `proc.time`), the ratio to cohort, and the largest
difference of the coefficients and of the standard errors in units of the standard error. "kernel" is the estimator
from arrays, "co.…" the whole public function with formula, guards, tests and concordance. A peer that needs minutes
is timed on fewer rows, and the line says on how many; its ratio is then to cohort on those rows. Peers that are not
installed are left out (``pip install "cart-cohort[bench]"``; R with survival and cmprsk).
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import cohort as co
from cohort.estimators.aalen_johansen import aalen_johansen, risk_table, step_values
from cohort.estimators.bootstrap import bootstrap_coefficients
from cohort.estimators.cox_problem import build_problem
from cohort.estimators.firth import maximize_penalized
from cohort.estimators.partial_likelihood import maximize
from cohort.estimators.robust_variance import grouped_variance, score_residuals
from cohort.estimators.subdistribution import fit_fine_gray

COLUMNS = [f"x{j}" for j in range(10)]
FORMULA = " + ".join(COLUMNS)
AT = np.arange(50, 401, 50)
Answer = tuple[np.ndarray, np.ndarray]
Fit = Callable[[], Answer]
CASES = ("cox", "start_stop", "cluster", "fine_gray", "aalen_johansen", "firth", "bootstrap")


def simulate(n: int, times: str, seed: int = 20261125) -> pd.DataFrame:
    """Ten covariates, two competing events, late entry, 50 centers; whole days that tie, or times that rarely do."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))
    relapse = rng.exponential(np.exp(-x @ np.linspace(-0.3, 0.3, 10))) * 300
    death, censoring = rng.exponential(500, n), rng.uniform(0, 600, n)
    first = np.minimum(np.minimum(relapse, death), censoring)
    data = pd.DataFrame(x, columns=COLUMNS)
    data["stop"] = np.ceil(first) if times == "day" else np.round(first, 6) + 1e-6
    data["status"] = np.where(first == censoring, 0, np.where(first == relapse, 1, 2))
    data["event"] = data["status"] == 1
    begin = data["stop"] * rng.uniform(0, 0.5, n)
    data["start"] = np.floor(begin) if times == "day" else np.round(begin, 6)
    data["center"] = rng.integers(0, 50, n)
    return data


def arrays(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    columns = (data[COLUMNS], data["start"], data["stop"], data["event"])
    return tuple(c.to_numpy() for c in columns)  # type: ignore[return-value]


def kernel(case: str, data: pd.DataFrame) -> Fit:
    """Estimate and variance alone, from arrays."""
    X, start, stop, event = arrays(data)
    center, status = data["center"].to_numpy(), data["status"].to_numpy()

    def cox() -> Answer:
        problem = build_problem(X, start if case == "start_stop" else None, stop, event)
        maximum = maximize_penalized(problem) if case == "firth" else maximize(problem)
        covariance = np.linalg.inv(maximum.information)
        if case == "cluster":
            residuals = score_residuals(problem, maximum.state)
            covariance, _ = grouped_variance(residuals, covariance, center[problem.sets.rows])
        return maximum.state.b / problem.scale, np.sqrt(np.diag(covariance)) / problem.scale

    def fine_gray() -> Answer:
        fit = fit_fine_gray(X, stop, status == 1, status == 2)
        return fit.coefficients, np.sqrt(np.diag(fit.covariance))

    def incidence() -> Answer:
        fit = aalen_johansen(risk_table(np.zeros(len(stop)), stop, status, 2))
        steps = (fit.incidence[:, 0], fit.incidence_std_error[:, 0])
        return step_values(fit.time, steps[0], AT, 0.0), step_values(fit.time, steps[1], AT, 0.0)

    def bootstrap() -> Answer:
        problem = build_problem(X, None, stop, event)
        b = bootstrap_coefficients(problem, 2000, np.random.default_rng(1))
        return b.mean(axis=0), b.std(axis=0)

    return {"fine_gray": fine_gray, "aalen_johansen": incidence, "bootstrap": bootstrap}.get(case, cox)


def public(case: str, data: pd.DataFrame) -> Fit | None:
    """The whole public function."""
    times = {"start": "start", "stop": "stop"} if case == "start_stop" else {"time": "stop"}

    def cox() -> Answer:
        endpoint = co.Endpoint.from_columns(data, event="event", **times)
        fit = co.cox(
            endpoint,
            FORMULA,
            cluster="center" if case == "cluster" else None,
            penalty="firth" if case == "firth" else None,
            limits="wald",
        )
        tidy = fit.tidy()
        return tidy["estimate"].to_numpy(), tidy["std_error"].to_numpy()

    def competing() -> Answer:
        endpoint = co.Endpoint.from_columns(
            data, time="stop", event="status", states={1: "relapse", 2: "death"}
        )
        if case == "fine_gray":
            tidy = co.fine_gray(endpoint, FORMULA, event="relapse").tidy()
        else:
            tidy = co.cumulative_incidence(endpoint).at(AT).query("outcome == 'relapse'")
        return tidy["estimate"].to_numpy(), tidy["std_error"].to_numpy()

    if case == "bootstrap":
        return None
    return competing if case in ("fine_gray", "aalen_johansen") else cox


def with_lifelines(case: str, data: pd.DataFrame) -> Fit | None:
    from lifelines import CoxPHFitter, CoxTimeVaryingFitter

    def plain() -> Answer:
        extra = ["center"] if case == "cluster" else []
        model = CoxPHFitter().fit(
            data[[*COLUMNS, "stop", "event", *extra]],
            "stop",
            "event",
            cluster_col=extra[0] if extra else None,
        )
        return model.params_.to_numpy(), model.standard_errors_.to_numpy()

    def varying() -> Answer:
        frame = data[[*COLUMNS, "start", "stop", "event"]].assign(id=np.arange(len(data)))
        model = CoxTimeVaryingFitter().fit(frame, "event", "start", "stop", id_col="id")
        return model.params_.to_numpy(), model.standard_errors_.to_numpy()

    return {"cox": plain, "cluster": plain, "start_stop": varying}.get(case)


def with_statsmodels(case: str, data: pd.DataFrame) -> Fit | None:
    from statsmodels.duration.hazard_regression import PHReg
    from statsmodels.duration.survfunc import CumIncidenceRight

    X, start, stop, event = arrays(data)

    def regression() -> Answer:
        model = PHReg(stop, X, status=event, entry=start if case == "start_stop" else None, ties="efron")
        result = model.fit(groups=data["center"].to_numpy() if case == "cluster" else None, disp=0)
        return result.params, result.bse

    def incidence() -> Answer:
        fit = CumIncidenceRight(stop, data["status"].to_numpy())
        times = np.asarray(fit.times)
        return tuple(step_values(times, np.asarray(v[0]), AT, 0.0) for v in (fit.cinc, fit.cinc_se))

    found = {"cox": regression, "cluster": regression, "start_stop": regression, "aalen_johansen": incidence}
    return found.get(case)


def with_sksurv(case: str, data: pd.DataFrame) -> Fit | None:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.nonparametric import cumulative_incidence_competing_risks
    from sksurv.util import Surv

    X, _, stop, event = arrays(data)

    def regression() -> Answer:
        fit = CoxPHSurvivalAnalysis(ties="efron").fit(X, Surv.from_arrays(event, stop))
        return fit.coef_, np.full(len(COLUMNS), np.nan)

    def incidence() -> Answer:
        times, curve, _ = cumulative_incidence_competing_risks(
            data["status"].to_numpy(), stop, conf_type="log-log"
        )
        return step_values(times, curve[1], AT, 0.0), np.full(len(AT), np.nan)

    return {"cox": regression, "aalen_johansen": incidence}.get(case)


def with_firthmodels(case: str, data: pd.DataFrame) -> Fit | None:
    from firthmodels import FirthCoxPH

    X, _, stop, event = arrays(data)

    def fit() -> Answer:
        model = FirthCoxPH().fit(X, (event, stop))
        return model.coef_, model.bse_

    return fit if case == "firth" else None


def with_comprisk(case: str, data: pd.DataFrame) -> Fit | None:
    from comprisk import CumulativeIncidence, FineGrayRegression

    X, _, stop, _ = arrays(data)
    status = data["status"].to_numpy()

    def regression() -> Answer:
        fit = FineGrayRegression(cause=1, robust_se=True).fit(X, time=stop, event=status)
        return np.asarray(fit.coef_), np.asarray(fit.se_)

    def incidence() -> Answer:
        curve = CumulativeIncidence(cause_codes=[1]).fit(stop, status).curves_[(None, 1)]
        times = np.asarray(curve.times)
        se = np.sqrt(np.asarray(curve.var))
        return step_values(times, np.asarray(curve.cif), AT, 0.0), step_values(times, se, AT, 0.0)

    return {"fine_gray": regression, "aalen_johansen": incidence}.get(case)


def with_survival(case: str, data: pd.DataFrame) -> Fit | None:
    import survival

    frame = {name: data[name].tolist() for name in (*COLUMNS, "start", "stop", "center")}
    frame["event"] = data["event"].astype(int).tolist()
    left = "Surv(start, stop, event)" if case == "start_stop" else "Surv(stop, event)"

    def fit() -> Answer:
        extra = {"cluster": frame["center"]} if case == "cluster" else {}
        model = survival.coxph(f"{left} ~ {FORMULA}", frame, **extra)
        return np.asarray(survival.coef(model)), np.sqrt(np.diag(np.asarray(survival.vcov(model))))

    return fit if case in ("cox", "start_stop", "cluster") else None


PEERS = {
    "lifelines": with_lifelines,
    "statsmodels": with_statsmodels,
    "sksurv": with_sksurv,
    "firthmodels": with_firthmodels,
    "comprisk": with_comprisk,
    "survival": with_survival,
}
# Rows above which a peer needs minutes or gigabytes: it is timed on this many.
LIMIT = {
    ("lifelines", "start_stop", "day"): 20_000,
    ("lifelines", "start_stop", "exact"): 5_000,
    ("lifelines", "cluster", "day"): 10_000,
    ("lifelines", "cluster", "exact"): 10_000,
    ("statsmodels", "start_stop", "exact"): 5_000,
    ("statsmodels", "cluster", "day"): 20_000,
    ("statsmodels", "cluster", "exact"): 5_000,
    ("statsmodels", "cox", "exact"): 20_000,
    ("sksurv", "aalen_johansen", "exact"): 5_000,
    ("R", "cluster", "day"): 20_000,
    ("R", "cluster", "exact"): 20_000,
    ("R", "fine_gray", "day"): 5_000,
    ("R", "fine_gray", "exact"): 5_000,
}

R_SCRIPT = r"""
suppressPackageStartupMessages({library(survival); library(cmprsk)})
a <- commandArgs(TRUE); case <- a[2]; repeats <- as.integer(a[3])
d <- read.csv(a[1]); x <- paste0("x", 0:9); X <- as.matrix(d[x])
f <- reformulate(x, "y")
y <- if (case == "start_stop") Surv(d$start, d$stop, d$event) else Surv(d$stop, d$event)
environment(f) <- environment()
cpu <- function(g) { p <- proc.time(); v <- g(); q <- proc.time() - p; list(s = sum(q[1:2]), v = v) }
show <- function(name, g, b, se) {
  runs <- lapply(seq_len(repeats), function(i) cpu(g)); fit <- runs[[1]]$v
  cat(name, median(sapply(runs, function(r) r$s)), b(fit), se(fit), sep = ","); cat("\n")
}
se <- function(fit) sqrt(diag(vcov(fit))); none <- function(fit) rep(NA, 10)
if (case %in% c("cox", "start_stop", "cluster")) show("R coxph", function()
  if (case == "cluster") coxph(f, d, cluster = center) else coxph(f, d), coef, se)
if (case == "cox") {
  k <- coxph.control()
  show("R coxph.fit", function() coxph.fit(X, y, NULL, NULL, NULL, k, NULL, "efron", NULL), function(v) v$coefficients,
       function(v) sqrt(diag(v$var)))
}
if (case == "fine_gray")
  show("R crr", function() crr(d$stop, d$status, X), function(v) v$coef, function(v) sqrt(diag(v$var)))
at <- seq(50, 400, 50)
if (case == "aalen_johansen") {
  show("R cuminc", function() cuminc(d$stop, d$status), function(v) timepoints(v, at)$est[1, ],
       function(v) sqrt(timepoints(v, at)$var[1, ]))
  s <- factor(d$status, 0:2)
  show("R survfit", function() survfit(Surv(d$stop, s) ~ 1), function(v) summary(v, at)$pstate[, 2],
       function(v) summary(v, at)$std.err[, 2])
}
if (case == "bootstrap") show("R coxph", function() {
  set.seed(1); b <- replicate(100, { i <- sample(nrow(d), replace = TRUE); yi <- y[i]; coef(coxph(yi ~ X[i, ])) })
  rbind(rowMeans(b), apply(b, 1, sd)) }, function(v) v[1, ], function(v) v[2, ])
"""


def with_r(case: str, data: pd.DataFrame, repeat: int) -> list[tuple[str, float, Answer]]:
    """Run R's functions on the data; seconds are CPU seconds inside R."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        data.assign(event=data["event"].astype(int)).to_csv(path, index=False)
        done = subprocess.run(
            ["Rscript", "-e", R_SCRIPT, str(path), case, str(repeat)],
            capture_output=True,
            text=True,
            check=True,
        )
    out = []
    for line in done.stdout.splitlines():
        name, taken, *numbers = line.split(",")
        values = np.array([float("nan") if v == "NA" else float(v) for v in numbers])
        half = len(values) // 2
        out.append((name, float(taken), (values[:half], values[half:])))
    return out


def seconds(fit: Fit, repeat: int, warm: bool = True) -> tuple[float, Answer]:
    """Return the median CPU time and the result."""
    found = fit() if warm else None
    times = []
    for _ in range(repeat):
        begin = time.process_time()
        found = fit()
        times.append(time.process_time() - begin)
    assert found is not None
    return statistics.median(times), found


def line(name: str, n: int, taken: float, base: float, found: Answer, ours: Answer) -> None:
    """Print one peer beside ours."""
    se = ours[1]
    with np.errstate(all="ignore"):
        b_gap = np.nanmax(np.abs(found[0] - ours[0]) / se) if np.isfinite(found[0]).any() else np.nan
        se_gap = np.nanmax(np.abs(found[1] / se - 1)) if np.isfinite(found[1]).any() else np.nan
    print(
        f"  {name:22s} {n:>9,d} rows {taken:11.4f} s {taken / base:9.1f} x   estimate {b_gap:.0e} SE, SE {se_gap:.0e}"
    )


def compare(case: str, data: pd.DataFrame, times: str, repeat: int, use_r: bool) -> None:
    """Print the table of one model."""
    whole = len(data)
    print(f"{case}, {'whole days' if times == 'day' else 'times that rarely tie'}")
    measured: dict[int, tuple[float, Answer]] = {}

    def ours(n: int) -> tuple[float, Answer]:
        if n not in measured:
            measured[n] = seconds(kernel(case, data.head(n)), repeat)
        return measured[n]

    base, answer = ours(whole)
    line("cohort kernel", whole, base, base, answer, answer)
    function = public(case, data)
    if function is not None:
        taken, found = seconds(function, repeat)
        line("cohort public function", whole, taken, base, found, answer)
    for name, peer in PEERS.items():
        if importlib.util.find_spec(name) is None:
            continue
        n = min(whole, LIMIT.get((name, case, times), whole))
        fit = peer(case, data.head(n))
        if fit is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            taken, found = seconds(
                fit, 1 if n >= 20_000 else repeat, warm=name in ("firthmodels", "comprisk")
            )
        line(name, n, taken, ours(n)[0], found, ours(n)[1])
    if use_r and case != "firth":
        n = min(whole, LIMIT.get(("R", case, times), whole))
        for name, taken, found in with_r(case, data.head(n), 1 if n > 200_000 else repeat):
            line(
                name + (" (100 x 20)" if case == "bootstrap" else ""),
                n,
                taken * (20 if case == "bootstrap" else 1),
                ours(n)[0],
                found,
                ours(n)[1],
            )


def growth(case: str, times: str) -> None:
    """Print ours from 1,000 to 1,000,000 rows, each in a process of its own for its peak memory."""
    for n in (1_000, 10_000, 100_000, 1_000_000):
        done = subprocess.run(
            [sys.executable, __file__, "--one", case, times, str(n)],
            capture_output=True,
            text=True,
            check=True,
        )
        print(f"  {case:15s} {times:6s} {n:>9,d} rows  {done.stdout.strip()}")


def one(case: str, times: str, n: int) -> None:
    data = simulate(n, times)
    fit = kernel(case, data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    taken, _ = seconds(fit, 3, warm=n < 100_000)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{taken:9.4f} s  {1e6 * taken / n:7.2f} µs a row  peak {peak:.2f} GB ({before:.2f} GB before)")


def one_thread() -> None:
    """Start again with one thread for every library, unless the caller has said how many."""
    wanted = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    if any(variable not in os.environ for variable in wanted):
        environment = {**{variable: "1" for variable in wanted}, **os.environ}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def main() -> None:
    one_thread()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 100_000])
    parser.add_argument("--times", nargs="+", default=["day", "exact"], choices=["day", "exact"])
    parser.add_argument("--only", nargs="+", default=CASES, choices=CASES)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-r", action="store_true", help="leave R out")
    parser.add_argument("--growth", action="store_true", help="ours alone, 1,000 to 1,000,000 rows")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    if arguments.one:
        one(arguments.one[0], arguments.one[1], int(arguments.one[2]))
        return
    cases = [case for case in CASES if case in arguments.only]
    if arguments.growth:
        print_growth(cases, arguments.times)
    else:
        print_tables(cases, arguments)


def print_growth(cases: list[str], times: list[str]) -> None:
    for case in cases:
        for kind in times:
            if case != "bootstrap":
                growth(case, kind)


def print_tables(cases: list[str], arguments: argparse.Namespace) -> None:
    use_r = not arguments.no_r and shutil.which("Rscript") is not None
    for n in arguments.rows:
        print(f"{n:,} rows, 10 covariates, median of {arguments.repeat}, CPU seconds")
        for times in arguments.times:
            data = simulate(n, times)
            for case in cases:
                if case != "bootstrap":
                    compare(case, data, times, arguments.repeat, use_r)
    if "bootstrap" in cases:
        compare("bootstrap", simulate(500, "day"), "day", arguments.repeat, use_r)


if __name__ == "__main__":
    main()
