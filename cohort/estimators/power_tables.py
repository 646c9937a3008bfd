"""Power of two-by-two tests by enumeration of all tables, and of the normal approximation by its formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, ndtr, ndtri
from scipy.stats import binom, hypergeom

from cohort.errors import EstimationError
from cohort.estimators.exact_tables import largest_probability

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
TableTest = Literal["fisher", "boschloo", "barnard", "pearson", "normal", "continuity"]
TIE = 1e-7
MAX_GROUP = 2_000
_STAY = 10  # a size is enough when the next ten are as well, because enumerated power is a saw


def power_of_table(
    p1: float, p0: float, n1: int, n0: int, test: TableTest = "fisher", conf_level: float = 0.95
) -> float:
    """Return the probability that a two-sided test of two risks rejects.

    Parameters
    ----------
    p1, p0 : float
        Risks of the exposed and the unexposed.
    n1, n0 : int
        Their numbers.
    test : {'fisher', 'boschloo', 'barnard', 'pearson', 'normal', 'continuity'}, default='fisher'
        ``normal`` and ``continuity`` by formula; the others by summing over all tables.
    conf_level : float, default=0.95
        One minus the level of the test.

    Returns
    -------
    float
        Power; the true level where p1 equals p0 (but for the formulas).

    Raises
    ------
    EstimationError
        When a group has more than 2,000 patients and tables would be enumerated.

    Examples
    --------
    >>> round(power_of_table(0.5, 0.2, 40, 40, "normal"), 3)
    0.816
    """
    if test in ("normal", "continuity"):
        return _normal_power(p1, p0, n1, n0, test == "continuity", conf_level)
    if max(n1, n0) > MAX_GROUP:
        raise EstimationError(
            "the groups are too large to enumerate all tables",
            evidence=f"{n1} and {n0} patients, at most {MAX_GROUP}",
            remedy='test="normal", which agrees with the exact power for groups of this size',
        )
    region = rejection_region(n1, n0, test, conf_level)
    first, second = binom.pmf(np.arange(n1 + 1), n1, p1), binom.pmf(np.arange(n0 + 1), n0, p0)
    return float(min(first @ region.astype(float) @ second, 1.0))


def rejection_region(n1: int, n0: int, test: TableTest, conf_level: float) -> BoolArray:
    """Return the tables that a test rejects, shape (n1 + 1, n0 + 1), by events in either group.

    Parameters
    ----------
    n1, n0 : int
        Sizes of the groups.
    test : str
        ``fisher``, ``boschloo``, ``barnard`` or ``pearson``.
    conf_level : float
        One minus the level.

    Returns
    -------
    array of bool
        Whether the two-sided p-value is at most the level.
    """
    level = 1 - conf_level
    if test == "fisher":
        return np.asarray(_fisher_p_values(n1, n0) <= level * (1 + 1e-12))
    if test == "pearson":
        return np.asarray(_pooled_chi_squared(n1, n0) >= float(chdtri(1, level)))
    order = _fisher_p_values(n1, n0) if test == "boschloo" else -_pooled_chi_squared(n1, n0)
    return _largest_region(order, level)


def enough(
    p1: float, p0: float, ratio: float, power: float, test: TableTest = "fisher", conf_level: float = 0.95
) -> tuple[int, int]:
    """Find the smallest groups whose power reaches a value, and keeps it for the next ten sizes.

    Parameters
    ----------
    p1, p0 : float
        Risks.
    ratio : float
        Exposed per unexposed.
    power : float
        Power wanted.
    test, conf_level : object
        As :func:`power_of_table`.

    Returns
    -------
    n1, n0 : int
        Sizes of the groups.
    """

    def reaches(n0: int) -> bool:
        return power_of_table(p1, p0, _other(n0, ratio), n0, test, conf_level) >= power

    low, high = 1, 2
    while not reaches(high):
        low, high = high, 2 * high
        if test in ("normal", "continuity") and high > 1e9:
            raise EstimationError("no number of patients reaches this power", remedy="give risks that differ")
    n0 = max(low, 1)
    if test in ("normal", "continuity"):
        return _bisected(reaches, low, high, ratio)
    run = 0
    for size in range(n0, 4 * high + _STAY):
        run = run + 1 if reaches(size) else 0
        if run > _STAY:
            n0 = size - _STAY
            break
    return _other(n0, ratio), n0


def _bisected(reaches: Callable[[int], bool], low: int, high: int, ratio: float) -> tuple[int, int]:
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    n0 = low if reaches(low) else high
    return _other(n0, ratio), n0


def _other(n0: int, ratio: float) -> int:
    return max(1, math.ceil(n0 * ratio - 1e-9))


def _normal_power(p1: float, p0: float, n1: int, n0: int, continuity: bool, conf_level: float) -> float:
    """Use the pooled variance under the null and the separate ones under the alternative (Fleiss 1981, eq. 3.13)."""
    z = float(ndtri(0.5 + conf_level / 2))
    pooled = (n1 * p1 + n0 * p0) / (n1 + n0)
    null = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
    other = math.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
    distance = abs(p1 - p0) - ((1 / n1 + 1 / n0) / 2 if continuity else 0.0)
    if other == 0:
        return float(distance > z * null)
    return float(ndtr((distance - z * null) / other))


def _fisher_p_values(n1: int, n0: int) -> FloatArray:
    """Return Fisher's two-sided p-value of every table: all tables of its margins that are no more probable."""
    out = np.ones((n1 + 1, n0 + 1))
    for m in range(1, n1 + n0):
        a = np.arange(max(0, m - n0), min(n1, m) + 1)
        weight = hypergeom.pmf(a, n1 + n0, n1, m)
        ordered = np.sort(weight)
        total = np.concatenate([[0.0], np.cumsum(ordered)])
        out[a, m - a] = total[np.searchsorted(ordered, weight * (1 + TIE), side="right")]
    return np.minimum(out, 1.0)


def _pooled_chi_squared(n1: int, n0: int) -> FloatArray:
    a, c = np.arange(n1 + 1.0)[:, None], np.arange(n0 + 1.0)[None, :]
    pooled = (a + c) / (n1 + n0)
    variance = pooled * (1 - pooled) * (1 / n1 + 1 / n0)
    distance = (a / n1 - c / n0) ** 2
    return np.divide(distance, variance, out=np.zeros_like(distance), where=variance > 0)


def _largest_region(order: FloatArray, level: float) -> BoolArray:
    """Take in tables from the most extreme while the largest probability over the common risk is within the level."""
    values = np.unique(order)
    distinct = values[np.append(np.diff(values) > TIE * np.maximum(np.abs(values[1:]), 1e-300), True)]
    inside, outside = -1, len(distinct) - 1  # the region of all tables has probability one
    while outside - inside > 1:
        middle = (inside + outside) // 2
        size = largest_probability(order <= distinct[middle])
        inside, outside = (middle, outside) if size <= level * (1 + 1e-12) else (inside, middle)
    if inside < 0:
        return np.zeros(order.shape, dtype=bool)
    return np.asarray(order <= distinct[inside])


EXACT: Mapping[str, str] = MappingProxyType(
    {
        "fisher": "Fisher's exact test, all tables enumerated",
        "boschloo": "Boschloo's unconditional exact test, all tables enumerated",
        "barnard": "Barnard's unconditional exact test, all tables enumerated",
        "pearson": "Pearson's chi-squared test (score), all tables enumerated",
        "normal": "normal approximation, pooled variance under the null",
        "continuity": "normal approximation with continuity correction",
    }
)
