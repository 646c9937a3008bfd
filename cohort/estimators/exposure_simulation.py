"""Simulated follow-up with an exposure that begins after time zero, analyzed with the Cox kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import build_problem
from cohort.estimators.partial_likelihood import maximize

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Analysis = Literal["counting_process", "landmark", "ever"]


@dataclass(frozen=True, slots=True)
class ExposureDesign:
    """Rates of a study with an exposure that begins during follow-up; all times in one unit.

    Attributes
    ----------
    hazard : float
        Hazard of the event while unexposed.
    hazard_ratio : float
        Hazard while exposed over that while unexposed.
    prevalence : float
        Share of patients who would become exposed if they stayed long enough.
    onset : tuple of float
        Times from which those patients' onset is drawn; a single one is the mean of an exponential.
    follow_up, accrual : float
        Follow-up of the last patient to enter, and time over which they enter uniformly.
    competing_hazard, loss : float
        Hazards of competing events and of loss to follow-up.
    """

    hazard: float
    hazard_ratio: float
    prevalence: float
    onset: tuple[float, ...]
    follow_up: float
    accrual: float = 0.0
    competing_hazard: float = 0.0
    loss: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedFits:
    """Estimates of simulated studies.

    Attributes
    ----------
    estimate, std_error : array of shape (m,)
        Log hazard ratios; NaN where a study had no estimate.
    events, exposed : array of shape (m,)
        Events analyzed, and patients seen exposed.
    failed : int
        Studies without an estimate: nobody exposed, no event, or all events on one side.
    """

    estimate: FloatArray
    std_error: FloatArray
    events: FloatArray
    exposed: FloatArray
    failed: int

    def rejections(self, conf_level: float) -> int:
        """Count the studies whose two-sided Wald test rejects; one without an estimate does not.

        Parameters
        ----------
        conf_level : float
            One minus the level.

        Returns
        -------
        int
            Number of studies.
        """
        known = np.isfinite(self.estimate)
        p = 2 * ndtr(-np.abs(self.estimate[known] / self.std_error[known]))
        return int((p <= 1 - conf_level).sum())

    def coverage(self, log_ratio: float, conf_level: float) -> float:
        """Return the share of studies with an estimate whose limits hold a log hazard ratio.

        Parameters
        ----------
        log_ratio : float
            The truth.
        conf_level : float
            Confidence level.

        Returns
        -------
        float
            Share; NaN when no study has an estimate.
        """
        known = np.isfinite(self.estimate)
        if not known.any():
            return math.nan
        z = float(ndtri(0.5 + conf_level / 2))
        return float((np.abs(self.estimate[known] - log_ratio) <= z * self.std_error[known]).mean())


def simulate_studies(
    design: ExposureDesign,
    n: int,
    analysis: Analysis,
    landmark: float,
    simulations: int,
    seed: int,
) -> SimulatedFits:
    """Simulate studies and estimate the hazard ratio of each.

    Parameters
    ----------
    design : ExposureDesign
        Rates.
    n : int
        Patients per study.
    analysis : {'counting_process', 'landmark', 'ever'}
        The exposure as it begins; by the landmark, among those still followed then; or ever, as if known at time
        zero (the immortal time error).
    landmark : float
        Time of the landmark.
    simulations : int
        Studies.
    seed : int
        Seed.

    Returns
    -------
    SimulatedFits
        Estimates.
    """
    rng = np.random.default_rng(seed)
    found = [_one_study(design, n, analysis, landmark, rng) for _ in range(simulations)]
    estimate, std_error, events, exposed = (np.array(column) for column in zip(*found, strict=True))
    return SimulatedFits(estimate, std_error, events, exposed, int(np.isnan(estimate).sum()))


def simulate_follow_up(
    design: ExposureDesign, n: int, rng: np.random.Generator
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Simulate one study.

    Parameters
    ----------
    design : ExposureDesign
        Rates.
    n : int
        Patients.
    rng : Generator
        Source of randomness.

    Returns
    -------
    stop : array of shape (n,)
        Time of the event, a competing event, loss, or the end.
    event : array of shape (n,)
        Whether it is the event.
    onset : array of shape (n,)
        Time at which the exposure begins; infinite for never.
    """
    onset = np.where(rng.random(n) < design.prevalence, _onsets(design, n, rng), np.inf)
    # Inverse of the cumulative hazard: slope `hazard` to the onset, hazard times the ratio after it.
    needed = rng.exponential(size=n)
    ever = np.isfinite(onset)
    before = design.hazard * onset[ever]
    late = onset[ever] + (needed[ever] - before) / (design.hazard * design.hazard_ratio)
    time = needed / design.hazard
    time[ever] = np.where(needed[ever] <= before, time[ever], late)
    end = design.follow_up + design.accrual * rng.random(n)
    for rate in (design.competing_hazard, design.loss):
        other = rng.exponential(size=n)
        end = np.minimum(end, other / rate) if rate > 0 else end
    return np.minimum(time, end), time <= end, onset


def _onsets(design: ExposureDesign, n: int, rng: np.random.Generator) -> FloatArray:
    if len(design.onset) == 1:
        return rng.exponential(design.onset[0], n)
    return rng.choice(np.array(design.onset, dtype=float), n)


def _one_study(
    design: ExposureDesign, n: int, analysis: Analysis, landmark: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    stop, event, onset = simulate_follow_up(design, n, rng)
    if analysis == "counting_process":
        start, stop, event, x = _intervals(stop, event, onset)
        exposed = float(x.sum())
    elif analysis == "landmark":
        there = stop > landmark
        start, stop, event = np.full(int(there.sum()), landmark), stop[there], event[there]
        x = (onset[there] <= landmark).astype(float)
        exposed = float(x.sum())
    else:
        start, x = np.zeros(n), (onset < stop).astype(float)
        exposed = float(x.sum())
    b, se = _fit(start, stop, event, x)
    return b, se, float(event.sum()), exposed


def _intervals(
    stop: FloatArray, event: BoolArray, onset: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray, FloatArray]:
    """Split follow-up at the onset: unexposed in (0, onset], exposed in (onset, stop]."""
    split = onset < stop
    first = np.where(split, onset, stop)
    positive = first > 0
    start = np.concatenate([np.zeros(int(positive.sum())), np.maximum(onset[split], 0.0)])
    end = np.concatenate([first[positive], stop[split]])
    dies = np.concatenate([(event & ~split)[positive], event[split]])
    x = np.concatenate([np.zeros(int(positive.sum())), np.ones(int(split.sum()))])
    return start, end, dies, x


def _fit(start: FloatArray, stop: FloatArray, event: BoolArray, x: FloatArray) -> tuple[float, float]:
    """Return the log hazard ratio with its standard error; NaN where there is none."""
    if not event.any() or x.min(initial=1.0) == x.max(initial=0.0):
        return math.nan, math.nan
    try:
        problem = build_problem(x[:, None], start, stop, event, names=("exposure",))
        maximum = maximize(problem)
    except EstimationError:
        return math.nan, math.nan
    scale = float(problem.scale[0])
    return float(maximum.state.b[0]) / scale, 1 / math.sqrt(float(maximum.information[0, 0])) / scale
