"""Bounds of a proportion that was observed in some patients only, with limits for the true value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaincinv, ndtr, ndtri

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a proportion, or of a difference of proportions.

    Attributes
    ----------
    low, high : float
        Estimated ends of the identified interval.
    conf_low, conf_high : float
        Limits that hold the true value (not the whole interval) with the confidence asked for.
    """

    low: float
    high: float
    conf_low: float
    conf_high: float


@dataclass(frozen=True, slots=True)
class _Ends:
    """Ends of one group, their standard errors, and the sizes of binomial samples that would have these."""

    low: float
    high: float
    se_low: float
    se_high: float
    size_low: float
    size_high: float


def proportion_bounds(
    n_event: int, n_known: int, n_at_most: int, n_free: int, conf_level: float = 0.95
) -> Bounds:
    r"""Bound the proportion with a finding when some patients' state is not known.

    Parameters
    ----------
    n_event, n_known : int
        Patients with the finding, and patients whose state is known.
    n_at_most : int
        Unknown patients who are assumed to have the finding at most as often as the known ones.
    n_free : int
        Unknown patients of whom nothing is assumed.
    conf_level : float, default=0.95
        Confidence level for the true proportion.

    Returns
    -------
    Bounds
        Bounds with Imbens and Manski's limits; NaN without patients, or when the assumption has no known
        patient to refer to.

    Notes
    -----
    Imbens and Manski (2004), equations 6 and 7, choose c with
    :math:`\Phi(c + \Delta / \max \sigma) - \Phi(-c) = ` the level. The limits themselves are those of
    Clopper and Pearson with the tail :math:`\Phi(-c)`, since the ends are proportions and counts are small;
    under the assumption, of the binomial sample with the same variance.

    References
    ----------
    .. [1] Imbens GW, Manski CF (2004). Confidence intervals for partially identified parameters.
       Econometrica 72:1845-1857. doi:10.1111/j.1468-0262.2004.00555.x
    """
    ends = _ends(n_event, n_known, n_at_most, n_free)
    if ends is None:
        return Bounds(np.nan, np.nan, np.nan, np.nan)
    c = critical_value(ends.high - ends.low, max(ends.se_low, ends.se_high), conf_level)
    return Bounds(
        ends.low, ends.high, _exact(ends.low, ends.size_low, -c), _exact(ends.high, ends.size_high, c)
    )


def difference_bounds(
    first: tuple[int, int, int, int], second: tuple[int, int, int, int], conf_level: float = 0.95
) -> Bounds:
    """Bound the difference of two groups' proportions, first minus second.

    Parameters
    ----------
    first, second : tuple of int
        ``n_event, n_known, n_at_most, n_free`` of each group, as in `proportion_bounds`.
    conf_level : float, default=0.95
        Confidence level for the true difference.

    Returns
    -------
    Bounds
        Bounds; each limit squares and adds the distances of the groups' exact limits, as Newcombe's method does.
    """
    a, b = _ends(*first), _ends(*second)
    if a is None or b is None:
        return Bounds(np.nan, np.nan, np.nan, np.nan)
    low, high = a.low - b.high, a.high - b.low
    se = max(np.hypot(a.se_low, b.se_high), np.hypot(a.se_high, b.se_low))
    c = critical_value(high - low, float(se), conf_level)
    below = np.hypot(a.low - _exact(a.low, a.size_low, -c), _exact(b.high, b.size_high, c) - b.high)
    above = np.hypot(_exact(a.high, a.size_high, c) - a.high, b.low - _exact(b.low, b.size_low, -c))
    return Bounds(low, high, float(max(low - below, -1.0)), float(min(high + above, 1.0)))


def critical_value(width: float, std_error: float, conf_level: float) -> float:
    """Return c of Imbens and Manski: two-sided at width 0, one-sided far from it.

    Parameters
    ----------
    width : float
        Estimated width of the identified interval.
    std_error : float
        Larger standard error of its ends.
    conf_level : float
        Confidence level.

    Returns
    -------
    float
        The number of standard errors to add at each end.
    """
    one_sided, two_sided = float(ndtri(conf_level)), float(ndtri((1 + conf_level) / 2))
    if std_error <= 0:
        return two_sided if width <= 0 else one_sided
    ratio = width / std_error

    def excess(c: float) -> float:
        return float(ndtr(c + ratio) - ndtr(-c) - conf_level)

    if excess(one_sided) >= 0:
        return one_sided
    return float(brentq(excess, one_sided, two_sided + 1e-9, xtol=1e-13))


def _ends(x: int, known: int, at_most: int, free: int) -> _Ends | None:
    n = known + at_most + free
    if n == 0 or (at_most and not known):
        return None
    p = x / known if known else 0.0
    low, high = x / n, (x + at_most * p + free) / n
    # influence of a patient on the upper end: known, assumed at most as often, free
    share = at_most / n
    weight = share / (known / n) if known else 0.0
    values = np.array([1 + weight * (1 - p), -weight * p, p, 1.0]) - high
    counts = np.array([x, known - x, at_most, free], dtype=float)
    variance = float(counts @ values**2) / n
    se_low, se_high = np.sqrt(low * (1 - low) / n), np.sqrt(variance / n)
    return _Ends(
        low, high, float(se_low), float(se_high), n, _size(high, float(se_high), n if free else known)
    )


def _size(p: float, se: float, fallback: float) -> float:
    return p * (1 - p) / se**2 if se > 0 and 0 < p < 1 else fallback


def _exact(p: float, n: float, z: float) -> float:
    """Return one Clopper-Pearson limit with the tail of z, the lower for z < 0 (exact at 0 and 1)."""
    if (p == 0 and z < 0) or (p == 1 and z > 0):
        return p
    x, tail = p * n, float(ndtr(-abs(z)))
    low = z < 0
    return float(betaincinv(x, n - x + 1, tail) if low else betaincinv(x + 1, n - x, 1 - tail))
