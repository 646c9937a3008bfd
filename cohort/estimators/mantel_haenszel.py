"""Mantel-Haenszel estimates over strata: odds ratio, risk ratio, risk difference, and their tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtr, ndtri

from cohort.errors import EstimationError
from cohort.estimators.contingency import Measure

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChiSquared:
    """A chi-squared test.

    Attributes
    ----------
    statistic, df, p_value : float
        NaN where the test cannot be made.
    reason : str
        Why; empty otherwise.
    """

    statistic: float
    df: float
    p_value: float
    reason: str = ""


def check_tables(tables: ArrayLike) -> FloatArray:
    """Return strata as an array of counts.

    Parameters
    ----------
    tables : array of shape (k, 2, 2)
        Per stratum exposed with and without the event, then unexposed with and without.

    Returns
    -------
    array of shape (k, 2, 2)
        The counts.

    Raises
    ------
    EstimationError
        When the shape is another, or a cell is negative, missing or not whole.
    """
    try:
        t = np.asarray(tables, dtype=float)
    except (TypeError, ValueError):
        raise EstimationError(
            "the tables are not numbers", remedy="give an array of counts of shape (strata, 2, 2)"
        ) from None
    if t.ndim != 3 or t.shape[1:] != (2, 2) or not len(t):
        raise EstimationError(
            "the tables do not have the shape (strata, 2, 2)",
            evidence=f"shape {t.shape}",
            remedy="give [[[a, b], [c, d]], ...]: exposed with, without, unexposed with, without the event",
        )
    if not (np.isfinite(t) & (t >= 0) & (t == np.floor(t))).all():
        raise EstimationError(
            "The cells of a table must be whole numbers, zero or more.",
            evidence=f"{len(t)} tables given",
            remedy="Give counts of patients, not proportions.",
        )
    return t


def pooled_odds_ratio(tables: FloatArray, conf_level: float = 0.95) -> Measure:
    """Return the Mantel-Haenszel odds ratio; variance of Robins, Breslow and Greenland (1986, eq. 3).

    Parameters
    ----------
    tables : array of shape (k, 2, 2)
        Counts by stratum.
    conf_level : float, default=0.95
        Confidence level; limits are symmetrical on the log scale.

    Returns
    -------
    Measure
        Natural scale; 0, infinite or NaN with the reason where a sum is zero.
    """
    a, b, c, d, n = _cells(tables)
    R, S = a * d / n, b * c / n
    P, Q = (a + d) / n, (b + c) / n
    sums = R.sum(), S.sum()
    if sums[0] == 0 or sums[1] == 0:
        zero = "a cell is zero in every stratum: no Wald limits, see exact"
        return _boundary(sums, "no stratum compares events between exposed and unexposed", zero)
    variance = (
        (P * R).sum() / (2 * sums[0] ** 2)
        + (P * S + Q * R).sum() / (2 * sums[0] * sums[1])
        + (Q * S).sum() / (2 * sums[1] ** 2)
    )
    return _log_wald(sums[0] / sums[1], float(variance), conf_level)


def pooled_risk_ratio(tables: FloatArray, conf_level: float = 0.95) -> Measure:
    """Return the Mantel-Haenszel risk ratio; variance of Greenland and Robins (1985, eq. 13).

    Parameters
    ----------
    tables : array of shape (k, 2, 2)
        Counts by stratum.
    conf_level : float, default=0.95
        Confidence level; limits are symmetrical on the log scale.

    Returns
    -------
    Measure
        Natural scale; 0, infinite or NaN with the reason where a sum is zero.
    """
    a, b, c, d, n = _cells(tables)
    n1, n0, m = a + b, c + d, a + c
    R, S = a * n0 / n, c * n1 / n
    sums = R.sum(), S.sum()
    if sums[0] == 0 or sums[1] == 0:
        nothing = "no stratum with events has both exposed and unexposed patients"
        return _boundary(sums, nothing, "a group has no events in any stratum: no Wald limits")
    variance = ((m * n1 * n0 - a * c * n) / n**2).sum() / (sums[0] * sums[1])
    return _log_wald(sums[0] / sums[1], float(variance), conf_level)


def pooled_risk_difference(tables: FloatArray, conf_level: float = 0.95) -> dict[str, Measure]:
    """Return the Mantel-Haenszel risk difference with two variances.

    Parameters
    ----------
    tables : array of shape (k, 2, 2)
        Counts by stratum.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    dict of str to Measure
        By method: ``sato`` (Sato 1989: consistent for few large and for many small strata) and
        ``greenland_robins`` (1985, eq. 17).
    """
    a, b, c, d, n = _cells(tables)
    n1, n0 = a + b, c + d
    weight = n1 * n0 / n
    total = weight.sum()
    if total == 0:
        nothing = Measure(math.nan, reason="no stratum has both exposed and unexposed patients")
        return dict.fromkeys(("sato", "greenland_robins"), nothing)
    difference = float(((a * n0 - c * n1) / n).sum() / total)
    P = (n1**2 * c - n0**2 * a + n1 * n0 * (n0 - n1) / 2) / n**2
    Q = (a * d + b * c) / (2 * n)
    sato = (difference * P.sum() + Q.sum()) / total**2
    both = (n1 > 0) & (n0 > 0)
    a, b, c, d, n, n1, n0 = (v[both] for v in (a, b, c, d, n, n1, n0))
    greenland = ((a * b * n0**3 + c * d * n1**3) / (n1 * n0 * n**2)).sum() / total**2
    z = float(ndtri(0.5 + conf_level / 2))
    out = {}
    for method, variance in (("sato", sato), ("greenland_robins", greenland)):
        if variance <= 0:
            out[method] = Measure(difference, reason="no stratum has a risk between 0 and 1: no limits")
            continue
        error = math.sqrt(variance)
        p = float(2 * ndtr(-abs(difference) / error))
        # a risk difference lies between -1 and 1, its Wald limits need not
        low, high = max(-1.0, difference - z * error), min(1.0, difference + z * error)
        out[method] = Measure(difference, error, low, high, p)
    return out


def cmh_test(tables: FloatArray, *, correct: bool) -> ChiSquared:
    """Test conditional independence by Cochran, Mantel and Haenszel.

    Parameters
    ----------
    tables : array of shape (k, 2, 2)
        Counts by stratum.
    correct : bool
        Whether to subtract 1/2 (when the distance is at least that, as R ``mantelhaen.test``).

    Returns
    -------
    ChiSquared
        On one degree of freedom.
    """
    a, b, c, d, n = _cells(tables)
    if not informative(tables).any():
        return ChiSquared(math.nan, math.nan, math.nan, "no stratum holds information")
    n1, n0, m1, m0 = a + b, c + d, a + c, b + d
    variance = (n1 * n0 * m1 * m0 / (n**2 * np.maximum(n - 1, 1))).sum()
    distance = abs(float((a - n1 * m1 / n).sum()))
    if correct and distance >= 0.5:
        distance -= 0.5
    statistic = distance**2 / float(variance)
    return _chi_squared(statistic, 1)


def breslow_day_test(tables: FloatArray) -> tuple[ChiSquared, ChiSquared]:
    """Test homogeneity of the odds ratio by Breslow and Day, without and with Tarone's correction.

    Parameters
    ----------
    tables : array of shape (k, 2, 2)
        Counts by stratum; those without information on the odds ratio are left out.

    Returns
    -------
    breslow_day, tarone : ChiSquared
        On one degree of freedom less than there are strata with information.
    """
    kept = tables[informative(tables)]
    ratio = pooled_odds_ratio(tables).estimate
    reason = ""
    if len(kept) < 2:
        reason = "fewer than two strata hold information"
    elif not 0 < ratio < math.inf:
        reason = "the pooled odds ratio is zero or infinite"
    if reason:
        nothing = ChiSquared(math.nan, math.nan, math.nan, reason)
        return nothing, nothing
    a, b, c, d, _ = _cells(kept)
    n1, n0, m = a + b, c + d, a + c
    e = _expected(n1, n0, m, ratio)
    variance = 1 / (1 / e + 1 / (n1 - e) + 1 / (m - e) + 1 / (n0 - m + e))
    plain = float(((a - e) ** 2 / variance).sum())
    tarone = plain - float((a - e).sum() ** 2 / variance.sum())
    df = len(kept) - 1
    return _chi_squared(plain, df), _chi_squared(max(tarone, 0.0), df)


def informative(tables: FloatArray) -> NDArray[np.bool_]:
    """Tell which strata speak of the odds ratio: all four margins above zero."""
    return np.asarray((tables.sum(axis=1) > 0).all(axis=1) & (tables.sum(axis=2) > 0).all(axis=1))


def _chi_squared(statistic: float, df: int) -> ChiSquared:
    return ChiSquared(statistic, float(df), float(chdtrc(df, statistic)))


def _expected(n1: FloatArray, n0: FloatArray, m: FloatArray, ratio: float) -> FloatArray:
    """Return the expected a of each stratum, margins fixed, at a common odds ratio (the root inside the margins)."""
    # (1 - psi) e^2 + (n0 - m + psi (n1 + m)) e - psi n1 m = 0, solved without cancellation
    linear = n0 - m + ratio * (n1 + m)
    root = np.sqrt(linear**2 + 4 * (1 - ratio) * ratio * n1 * m)
    return np.asarray(2 * ratio * n1 * m / (linear + root))


def _cells(tables: FloatArray) -> tuple[FloatArray, ...]:
    """Return a, b, c, d and n of the strata that have patients."""
    kept = tables[tables.sum(axis=(1, 2)) > 0]
    a, b, c, d = kept[:, 0, 0], kept[:, 0, 1], kept[:, 1, 0], kept[:, 1, 1]
    return a, b, c, d, a + b + c + d


def _boundary(sums: tuple[float, float], nothing: str, zero: str) -> Measure:
    if sums[0] == sums[1] == 0:
        return Measure(math.nan, reason=nothing)
    return Measure(math.inf if sums[1] == 0 else 0.0, reason=zero)


def _log_wald(ratio: float, variance: float, conf_level: float) -> Measure:
    """Limits symmetrical on the log scale; standard error on the natural scale by the delta method."""
    if variance <= 0:
        return Measure(ratio, reason="no variance: every risk is 1")
    error = math.sqrt(variance)
    width = math.exp(float(ndtri(0.5 + conf_level / 2)) * error)
    p = float(2 * ndtr(-abs(math.log(ratio)) / error))
    return Measure(ratio, ratio * error, ratio / width, ratio * width, p)
