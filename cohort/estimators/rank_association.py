"""Association by ranks: probability of a higher value (Mann-Whitney) and Spearman's correlation, exact when few."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtr
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]
TIE = 1e-9


@dataclass(frozen=True, slots=True)
class MannWhitney:
    """Comparison of an ordered value between two groups.

    Attributes
    ----------
    estimate : float
        Probability that a value of the first group is higher than one of the second, ties counting half.
    n1, n0 : int
        Sizes of the first and the second group.
    p_value : float
        Two-sided p-value that the groups have one distribution; NaN when all values are equal.
    """

    estimate: float
    n1: int
    n0: int
    p_value: float

    def limits(self, conf_level: float) -> tuple[float, float]:
        """Return limits of the probability (Newcombe 2006, method 5), within 0 and 1.

        Parameters
        ----------
        conf_level : float
            Confidence level.

        Returns
        -------
        low, high : float
            Where the distance to the estimate is z standard errors at the limit itself, so that they exist also
            when the groups do not overlap.
        """
        z = float(ndtri(0.5 + conf_level / 2))
        low, high = 0.0, 1.0
        if self.estimate > 0:
            low = _root(lambda x: self.estimate - x - z * self.std_error(x), 0.0, self.estimate)
        if self.estimate < 1:
            high = _root(lambda x: x - self.estimate - z * self.std_error(x), 1.0, self.estimate)
        return low, high

    def std_error(self, theta: float) -> float:
        """Return the standard error at a probability (Hanley-McNeil with balanced groups, Newcombe 2006).

        Parameters
        ----------
        theta : float
            The probability.

        Returns
        -------
        float
            Standard error.
        """
        N = (self.n1 + self.n0) / 2 - 1
        inner = 1 + N * (1 - theta) / (2 - theta) + N * theta / (1 + theta)
        return math.sqrt(max(theta * (1 - theta) * inner, 0.0) / (self.n1 * self.n0))


def mann_whitney(first: FloatArray, second: FloatArray, exact: bool = False) -> MannWhitney:
    """Compare an ordered value between two groups.

    Parameters
    ----------
    first, second : array of shape (n1,) and (n0,)
        Values of either group, none missing, both groups with at least one.
    exact : bool, default=False
        Whether the p-value comes from all divisions of the mid-ranks into two groups; otherwise from the normal
        approximation with the variance corrected for ties, without continuity correction.

    Returns
    -------
    MannWhitney
        Estimate and p-value.

    Notes
    -----
    The exact distribution is that of the shift algorithm of Streitberg and Roehmel (1986); a division is as extreme
    when its rank sum is as far from the expected one, as R ``coin::wilcox_test(distribution = "exact")``.

    Examples
    --------
    >>> mann_whitney(np.array([3.0, 4.0]), np.array([1.0, 2.0]), exact=True)
    MannWhitney(estimate=1.0, n1=2, n0=2, p_value=0.3333333333333333)
    """
    n1, n0 = len(first), len(second)
    n = n1 + n0
    ranks = rankdata(np.concatenate([first, second]))
    w = float(ranks[:n1].sum())
    theta = (w - n1 * (n1 + 1) / 2) / (n1 * n0)
    distance = abs(w - n1 * (n + 1) / 2)
    variance = n1 * n0 / (n * (n - 1)) * float(((ranks - (n + 1) / 2) ** 2).sum())
    if variance <= 0:
        return MannWhitney(theta, n1, n0, math.nan)
    p = _exact_rank_sum(ranks, n1, distance) if exact else float(2 * ndtr(-distance / math.sqrt(variance)))
    return MannWhitney(theta, n1, n0, p)


def _exact_rank_sum(ranks: FloatArray, n1: int, distance: float) -> float:
    """Count the divisions of the ranks by their sum: ways[k, s] uses k of the ranks seen with doubled sum s."""
    doubled = np.rint(2 * np.sort(ranks)).astype(np.int64)
    small = min(n1, len(ranks) - n1)  # the other group's sum is as far from its mean
    top = int(doubled[-small:].sum())
    ways = np.zeros((small + 1, top + 1))
    ways[0, 0] = 1.0
    for r in doubled.tolist():
        for k in range(small, 0, -1):
            ways[k, r:] += ways[k - 1, : top + 1 - r] if r <= top else 0.0
    expected = small * (len(ranks) + 1)
    extreme = np.abs(np.arange(top + 1) - expected) >= 2 * distance - TIE
    return float(min(ways[small, extreme].sum() / ways[small].sum(), 1.0))


@dataclass(frozen=True, slots=True)
class Spearman:
    """Rank correlation of two ordered values.

    Attributes
    ----------
    estimate : float
        Spearman's correlation (of the mid-ranks); NaN when one of them does not vary.
    n : int
        Pairs of values.
    p_value : float
        Two-sided p-value that they are unrelated.
    """

    estimate: float
    n: int
    p_value: float

    @property
    def std_error(self) -> float:
        """Standard error of the correlation, by the delta method from its z transform (Bonett and Wright 2000).

        Returns
        -------
        float
            Standard error; NaN below four pairs.
        """
        if self.n < 4:
            return math.nan
        return (1 - self.estimate**2) * math.sqrt((1 + self.estimate**2 / 2) / (self.n - 3))

    def limits(self, conf_level: float) -> tuple[float, float]:
        """Return limits of the correlation on Fisher's z scale (Bonett and Wright 2000).

        Parameters
        ----------
        conf_level : float
            Confidence level.

        Returns
        -------
        low, high : float
            Limits; NaN below four pairs, or for a correlation of -1 or 1.
        """
        if self.n < 4 or not abs(self.estimate) < 1:
            return math.nan, math.nan
        width = float(ndtri(0.5 + conf_level / 2)) * math.sqrt((1 + self.estimate**2 / 2) / (self.n - 3))
        center = math.atanh(self.estimate)
        return math.tanh(center - width), math.tanh(center + width)


def spearman(x: FloatArray, y: FloatArray, exact: bool = False) -> Spearman:
    """Correlate the ranks of two values.

    Parameters
    ----------
    x, y : array of shape (n,)
        Values, none missing.
    exact : bool, default=False
        Whether the p-value comes from all orders of one of them (n up to about 9); otherwise from Student's t with
        n - 2 degrees of freedom, as R ``cor.test(method = "spearman", exact = FALSE)``.

    Returns
    -------
    Spearman
        Estimate and p-value.

    Examples
    --------
    >>> spearman(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4]), exact=True).p_value
    0.3333333333333333
    """
    n = len(x)
    a, b = (ranks - ranks.mean() for ranks in (rankdata(x), rankdata(y)))
    scale = math.sqrt(float(a @ a) * float(b @ b))
    if n < 3 or scale == 0:
        return Spearman(math.nan, n, math.nan)
    rho = min(max(float(a @ b) / scale, -1.0), 1.0)
    if exact:
        orders = np.array(list(permutations(range(n))))
        far = np.abs(b[orders] @ a) >= abs(float(a @ b)) - TIE
        return Spearman(rho, n, float(far.mean()))
    if abs(rho) == 1:
        return Spearman(rho, n, 0.0)
    t = rho * math.sqrt((n - 2) / (1 - rho**2))
    return Spearman(rho, n, float(2 * stdtr(n - 2, -abs(t))))


def _root(function: Callable[[float], float], outer: float, inner: float) -> float:
    """Find where the distance to the estimate is z standard errors; the outer end when it never is."""
    if function(outer) <= 0:
        return outer
    # At an estimate of 0 or 1 both distance and standard error vanish: the root wanted is the other one.
    inner += math.copysign(1e-12, outer - inner)
    return float(brentq(function, outer, inner, xtol=1e-14, rtol=8 * np.finfo(float).eps))
