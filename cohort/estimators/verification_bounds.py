"""Bounds of accuracy whatever the unverified have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from cohort.estimators.accuracy import (
    PROPORTIONS,
    AccuracyCounts,
    accuracy_measures,
)
from cohort.estimators.partial_identification import critical_value
from cohort.estimators.proportions import proportion_limits


@dataclass(frozen=True, slots=True)
class MeasureBounds:
    """Bounds of a measure whatever the unverified have.

    Attributes
    ----------
    low, high : float
        Ends of the identified interval.
    conf_low, conf_high : float
        Limits that hold the true value with the confidence asked for; NaN for ratios.
    reason : str
        Why there are no limits.
    """

    low: float
    high: float
    conf_low: float = math.nan
    conf_high: float = math.nan
    reason: str = ""


def verification_bounds(
    counts: AccuracyCounts,
    unverified: tuple[int, int],
    conf_level: float = 0.95,
    prevalence: Sequence[float] = (),
) -> dict[tuple[str, str], MeasureBounds]:
    """Bound every measure by giving the unverified the condition, or not, in the least and most favorable way.

    Parameters
    ----------
    counts : AccuracyCounts
        The verified.
    unverified : tuple of int
        Unverified with a positive and with a negative test.
    conf_level : float, default=0.95
        Confidence level for the true value.
    prevalence : sequence of float, default=()
        Prevalences at which predictive values are computed.

    Returns
    -------
    dict
        By measure and prevalence. Sharp: every measure is monotone in both numbers, so its ends are at corners.
        Proportions with Clopper-Pearson limits at Imbens and Manski's (2004) quantile.
    """
    u1, u0 = unverified
    corners = [
        AccuracyCounts(counts.tp + k1, counts.fp + u1 - k1, counts.fn + k0, counts.tn + u0 - k0)
        for k1 in {0, u1}
        for k0 in {0, u0}
    ]
    fractions = [one.fractions() for one in corners]
    found: dict[tuple[str, str], MeasureBounds] = {
        (term, ""): _proportion_bounds([one[term] for one in fractions], conf_level) for term in PROPORTIONS
    }
    per = [accuracy_measures(one, conf_level, prevalence) for one in corners]
    for key in (key for key in per[0] if key not in found):
        values = np.array([next(iter(one[key].values())).estimate for one in per])
        missing = bool(np.isnan(values).any())
        low, high = (np.nan, np.nan) if missing else (float(values.min()), float(values.max()))
        reason = "not defined for some tables" if missing else "bounds without limits"
        found[key] = MeasureBounds(low, high, reason=reason)
    return found


def _proportion_bounds(pairs: list[tuple[int, int]], conf_level: float) -> MeasureBounds:
    if not any(n for _, n in pairs):
        return MeasureBounds(math.nan, math.nan, reason="nobody can be counted")
    if not all(n for _, n in pairs):  # the table in which nobody is counted says nothing
        return MeasureBounds(0.0, 1.0, 0.0, 1.0)
    ends = sorted(pairs, key=lambda pair: (pair[0] / pair[1], pair[1]))
    (x0, n0), (x1, n1) = ends[0], ends[-1]
    p0, p1 = x0 / n0, x1 / n1
    error = max(math.sqrt(p * (1 - p) / n) for p, n in ((p0, n0), (p1, n1)))
    tail = float(ndtr(-critical_value(p1 - p0, error, conf_level)))
    low = float(proportion_limits(x0, n0, "exact", 1 - 2 * tail)[0])
    high = float(proportion_limits(x1, n1, "exact", 1 - 2 * tail)[1])
    return MeasureBounds(p0, p1, low, high)
