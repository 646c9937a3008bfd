"""Two-by-two tables: ratio and difference measures with Wald and score limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from cohort.errors import EstimationError


@dataclass(frozen=True, slots=True)
class TwoByTwoCounts:
    """Counts of exposed and unexposed with and without the event.

    Attributes
    ----------
    a, b : int
        Exposed with and without the event.
    c, d : int
        Unexposed with and without the event.
    """

    a: int
    b: int
    c: int
    d: int

    def __post_init__(self) -> None:
        cells = (self.a, self.b, self.c, self.d)
        if any(not math.isfinite(x) or x < 0 or x != int(x) for x in cells):
            raise EstimationError(
                "The cells of a two-by-two table must be whole numbers, zero or more.",
                evidence="cells are a, b (exposed with, without the event), c, d (unexposed)",
                remedy="Give counts of patients, not proportions.",
            )

    @property
    def exposed(self) -> int:
        """Number of exposed.

        Returns
        -------
        int
            Exposed with and without the event.
        """
        return self.a + self.b

    @property
    def unexposed(self) -> int:
        """Number of unexposed.

        Returns
        -------
        int
            Unexposed with and without the event.
        """
        return self.c + self.d

    @property
    def n(self) -> int:
        """Number in all.

        Returns
        -------
        int
            Sum of the cells.
        """
        return self.exposed + self.unexposed


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of association on its natural scale.

    Attributes
    ----------
    estimate : float
        Point estimate; 0 or infinite where a cell is zero.
    std_error : float
        Standard error on the natural scale, by the delta method for ratios.
    conf_low, conf_high : float
        Confidence limits.
    p_value : float
        Two-sided p-value by the same method.
    reason : str
        Why a value is NaN or infinite; empty when none is.
    """

    estimate: float
    std_error: float = math.nan
    conf_low: float = math.nan
    conf_high: float = math.nan
    p_value: float = math.nan
    reason: str = ""


def risk_difference(table: TwoByTwoCounts, conf_level: float = 0.95) -> dict[str, Measure]:
    """Return the risk difference with Wald, score and Newcombe limits.

    Parameters
    ----------
    table : TwoByTwoCounts
        The counts.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    dict of str to Measure
        By method: ``wald``; ``score`` (Miettinen and Nurminen 1985); ``newcombe`` (hybrid of Wilson limits,
        Newcombe 1998, method 10).
    """
    n1, n0 = table.exposed, table.unexposed
    if not n1 or not n0:
        return dict.fromkeys(("wald", "score", "newcombe"), Measure(math.nan, reason=_no_group(table)))
    p1, p0 = table.a / n1, table.c / n0
    difference = p1 - p0
    error = math.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
    z = float(ndtri(0.5 + conf_level / 2))
    if error > 0:
        wald = Measure(
            difference, error, difference - z * error, difference + z * error, _p(difference / error)
        )
    else:
        wald = Measure(difference, reason="both risks are 0 or 1: no Wald standard error")
    low = _root(lambda x: _score_difference(table, x) - z, -1.0, difference) if difference > -1 else -1.0
    high = _root(lambda x: _score_difference(table, x) + z, difference, 1.0) if difference < 1 else 1.0
    score = Measure(difference, math.nan, low, high, _p(_score_difference(table, 0.0)))
    return {"wald": wald, "score": score, "newcombe": _newcombe(table, z)}


def risk_ratio(table: TwoByTwoCounts, conf_level: float = 0.95) -> dict[str, Measure]:
    """Return the risk ratio with Wald and score limits.

    Parameters
    ----------
    table : TwoByTwoCounts
        The counts.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    dict of str to Measure
        By method: ``wald`` (on the log scale) and ``score`` (Miettinen and Nurminen 1985).
    """
    n1, n0 = table.exposed, table.unexposed
    if not n1 or not n0 or table.a + table.c == 0:
        reason = _no_group(table) if not n1 or not n0 else "no events in either group"
        return dict.fromkeys(("wald", "score"), Measure(math.nan, reason=reason))
    ratio = math.inf if table.c == 0 else (table.a / n1) / (table.c / n0)
    if table.a and table.c:
        wald = _log_wald(ratio, math.sqrt(1 / table.a - 1 / n1 + 1 / table.c - 1 / n0), conf_level)
    else:
        wald = Measure(ratio, reason="a group has no events: no Wald limits, see score")
    z = float(ndtri(0.5 + conf_level / 2))
    low, high = _log_scale_limits(lambda x: _score_ratio(table, x), ratio, z)
    said = _at_boundary(ratio, "a group has no events")
    score = Measure(ratio, math.nan, low, high, _p(_score_ratio(table, 1.0)), said)
    return {"wald": wald, "score": score}


def odds_ratio_limits(table: TwoByTwoCounts, conf_level: float = 0.95) -> dict[str, Measure]:
    """Return the sample odds ratio with Wald and score limits.

    Parameters
    ----------
    table : TwoByTwoCounts
        The counts.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    dict of str to Measure
        By method: ``wald`` (Woolf, on the log scale) and ``score`` (Miettinen and Nurminen 1985).
    """
    a, b, c, d = table.a, table.b, table.c, table.d
    reason = _no_odds_ratio(table)
    if reason:
        return dict.fromkeys(("wald", "score"), Measure(math.nan, reason=reason))
    ratio = math.inf if b * c == 0 else a * d / (b * c)
    if a and b and c and d:
        wald = _log_wald(ratio, math.sqrt(1 / a + 1 / b + 1 / c + 1 / d), conf_level)
    else:
        wald = Measure(ratio, reason="a cell is zero: no Wald limits, see score or exact")
    z = float(ndtri(0.5 + conf_level / 2))
    low, high = _log_scale_limits(lambda x: _score_odds(table, x), ratio, z)
    said = _at_boundary(ratio, "a cell is zero")
    score = Measure(ratio, math.nan, low, high, _p(_score_odds(table, 1.0)), said)
    return {"wald": wald, "score": score}


def _no_group(table: TwoByTwoCounts) -> str:
    return "no exposed patients" if not table.exposed else "no unexposed patients"


def _no_odds_ratio(table: TwoByTwoCounts) -> str:
    """Say why the table has no odds ratio; empty when it has one."""
    if not table.exposed or not table.unexposed:
        return _no_group(table)
    if table.a + table.c == 0:
        return "no events in either group"
    return "everyone has the event" if table.b + table.d == 0 else ""


def _at_boundary(ratio: float, why: str) -> str:
    return "" if 0 < ratio < math.inf else f"{why}: the estimate is at its boundary"


def _p(z: float) -> float:
    return float(2 * ndtr(-abs(z)))


def _log_wald(ratio: float, log_error: float, conf_level: float) -> Measure:
    z = float(ndtri(0.5 + conf_level / 2))
    if log_error == 0:
        return Measure(ratio, reason="both risks are 1: no Wald standard error, see score")
    width = math.exp(z * log_error)
    p = _p(math.log(ratio) / log_error)
    return Measure(ratio, ratio * log_error, ratio / width, ratio * width, p)


def _newcombe(table: TwoByTwoCounts, z: float) -> Measure:
    """Combine the Wilson limits of the two risks (Newcombe 1998, method 10)."""
    p, low, high = [], [], []
    for x, n in ((table.a, table.exposed), (table.c, table.unexposed)):
        center, width = (
            (x + z * z / 2) / (n + z * z),
            z / (n + z * z) * math.sqrt(x * (n - x) / n + z * z / 4),
        )
        p.append(x / n)
        low.append(center - width)
        high.append(center + width)
    difference = p[0] - p[1]
    down = math.hypot(p[0] - low[0], high[1] - p[1])
    up = math.hypot(high[0] - p[0], p[1] - low[1])
    return Measure(difference, math.nan, difference - down, difference + up)


def _correction(table: TwoByTwoCounts) -> float:
    """Miettinen and Nurminen's N / (N - 1)."""
    return table.n / (table.n - 1)


def _score_difference(table: TwoByTwoCounts, delta: float) -> float:
    """Return the score z for a risk difference; risks restricted to it (Farrington and Manning 1990)."""
    n1, n0, N = table.exposed, table.unexposed, table.n
    l3, l2 = N, (n1 + 2 * n0) * delta - N - (table.a + table.c)
    l1 = (n0 * delta - N - 2 * table.c) * delta + table.a + table.c
    l0 = table.c * delta * (1 - delta)
    q = l2**3 / (3 * l3) ** 3 - l1 * l2 / (6 * l3**2) + l0 / (2 * l3)
    root = math.sqrt(max(l2**2 / (3 * l3) ** 2 - l1 / (3 * l3), 0.0))
    p = math.copysign(root, q)
    cosine = 0.0 if p == 0 else min(max(q / p**3, -1.0), 1.0)
    angle = (math.pi + math.acos(cosine)) / 3
    r0 = min(max(2 * p * math.cos(angle) - l2 / (3 * l3), 0.0), 1.0)
    r1 = min(max(r0 + delta, 0.0), 1.0)
    variance = (r1 * (1 - r1) / n1 + r0 * (1 - r0) / n0) * _correction(table)
    return _standardize(table.a / n1 - table.c / n0 - delta, variance)


def _score_ratio(table: TwoByTwoCounts, theta: float) -> float:
    """Return the score z for a risk ratio; risks restricted to it."""
    n1, n0, N = table.exposed, table.unexposed, table.n
    A, B, C = N * theta, -(n1 * theta + table.a + n0 + table.c * theta), table.a + table.c
    r0 = 2 * C / (-B + math.sqrt(max(B * B - 4 * A * C, 0.0)))
    r1 = min(r0 * theta, 1.0)
    variance = (r1 * (1 - r1) / n1 + theta**2 * r0 * (1 - r0) / n0) * _correction(table)
    return _standardize(table.a / n1 - theta * table.c / n0, variance)


def _score_odds(table: TwoByTwoCounts, psi: float) -> float:
    """Return the score z for an odds ratio; risks restricted to it."""
    n1, n0, m = table.exposed, table.unexposed, table.a + table.c
    A, B = n0 * (psi - 1), n1 * psi + n0 - m * (psi - 1)
    r0 = 2 * m / (B + math.sqrt(B * B + 4 * A * m))
    r1 = r0 * psi / (1 - r0 + r0 * psi)
    spread = (n1 * r1 * (1 - r1), n0 * r0 * (1 - r0))
    variance = spread[0] * spread[1] / sum(spread) if sum(spread) > 0 else 0.0
    return _standardize(table.a - n1 * r1, variance * _correction(table))


def _standardize(distance: float, variance: float) -> float:
    """Return distance in standard errors; a large finite number without variance, so that roots are found."""
    if distance == 0:
        return 0.0
    return distance / math.sqrt(variance) if variance > 0 else math.copysign(1e9, distance)


def _log_scale_limits(score: Callable[[float], float], ratio: float, z: float) -> tuple[float, float]:
    """Solve score = z and score = -z for a ratio; the score falls in the ratio."""
    log_score = lambda x: score(math.exp(x))  # noqa: E731
    low = 0.0 if ratio == 0 else math.exp(_crossing(log_score, z))
    high = math.inf if math.isinf(ratio) else math.exp(_crossing(log_score, -z))
    return low, high


def _crossing(score: Callable[[float], float], level: float) -> float:
    """Find where a falling function of a log ratio takes a value; infinite when it does not within e^40."""
    low = high = 0.0
    while score(high) > level:
        low, high = high, high + 1.0
        if high > 40:
            return math.inf
    while score(low) < level:
        low, high = low - 1.0, low
        if low < -40:
            return -math.inf
    return _root(lambda x: score(x) - level, low, high)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    if low == high or function(low) == 0:
        return low
    return float(brentq(function, low, high, xtol=1e-14, rtol=8 * np.finfo(float).eps, maxiter=500))
