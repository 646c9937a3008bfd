"""A proportion when rows come in clusters: several exams of a patient, or patients in centers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from cohort.errors import EstimationError
from cohort.estimators.proportions import ProportionMethod, effective_limits

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClusteredProportion:
    """Proportion of the rows of clusters, with a variance between clusters.

    Attributes
    ----------
    n_event, n, n_cluster : int
        Rows with the property, rows, and clusters with rows.
    std_error : float
        Standard error of the proportion; NaN with one cluster, 0 when all clusters are alike.
    design_effect : float
        Variance against that of as many independent rows, at least 1. Without an event (or with events only) it
        cannot be estimated and is that of rows wholly alike within clusters.
    """

    n_event: int
    n: int
    n_cluster: int
    std_error: float
    design_effect: float

    @property
    def assumed(self) -> bool:
        """Whether the design effect is the largest possible one because it cannot be estimated.

        Returns
        -------
        bool
            True without an event, and with events only.
        """
        return self.n > 0 and self.n_event in (0, self.n)

    def limits(self, method: ProportionMethod, conf_level: float = 0.95) -> tuple[float, float]:
        """Return confidence limits with the effective number of rows.

        Parameters
        ----------
        method : {'wilson', 'exact', 'mid_p', 'jeffreys'}
            Interval; ``exact`` is that of Korn and Graubard.
        conf_level : float, default=0.95
            Confidence level.

        Returns
        -------
        low, high : float
            Limits within 0 and 1; NaN with fewer than two clusters.
        """
        if self.n_cluster < 2:
            return math.nan, math.nan
        size = self.effective_n(conf_level)
        low, high = effective_limits(self.n_event / self.n * size, size, method, conf_level)
        return float(low), float(high)

    def effective_n(self, conf_level: float) -> float:
        """Return the number of independent rows that would say as much (Korn and Graubard 1998, section 2).

        Parameters
        ----------
        conf_level : float
            Confidence level, for the correction by quantiles of Student's t.

        Returns
        -------
        float
            Never above the number of rows.
        """
        tail = 0.5 - conf_level / 2
        correction = float(stdtrit(self.n - 1, tail) / stdtrit(self.n_cluster - 1, tail)) ** 2
        return self.n / self.design_effect * correction


def clustered_proportion(n_event: ArrayLike, n: ArrayLike) -> ClusteredProportion:
    r"""Estimate a proportion from its counts by cluster.

    Parameters
    ----------
    n_event, n : array of shape (k,)
        Rows with the property, and rows, of every cluster; clusters without rows are left out.

    Returns
    -------
    ClusteredProportion
        Standard error, design effect and limits.

    Raises
    ------
    EstimationError
        When a count is negative, not whole, or larger than its total.

    Notes
    -----
    The ratio estimator of survey sampling with the clusters as first stage (Cochran 1977, equation 3.34; R
    ``survey``), with m clusters of n_k rows, x_k of them with the property:

    .. math:: s^2 = \frac{m}{m - 1} \frac{\sum_k (x_k - \hat p n_k)^2}{(\sum_k n_k)^2}

    Examples
    --------
    >>> found = clustered_proportion([2, 0, 1, 4], [10, 8, 6, 12])
    >>> round(found.std_error, 4), round(found.design_effect, 2)
    (0.0733, 1.24)
    """
    x, size = (np.asarray(v, dtype=float) for v in (n_event, n))
    whole = (x == np.floor(x)) & (size == np.floor(size))
    if x.shape != size.shape or x.ndim != 1 or not ((x >= 0) & (x <= size) & whole).all():
        raise EstimationError(
            "Counts by cluster must be whole numbers with 0 <= n_event <= n.",
            evidence=f"{x.size} and {size.size} counts given",
            remedy="Give both numbers of every cluster.",
        )
    kept = size > 0
    x, size = x[kept], size[kept]
    m, total, n_event_all = len(x), float(size.sum()), float(x.sum())
    error = effect = math.nan
    if m > 1:
        p = n_event_all / total
        residual = x - p * size
        error = math.sqrt(m / (m - 1) * float(residual @ residual)) / total
        alike = float(size @ size) / total
        effect = max(error**2 * total / (p * (1 - p)), 1.0) if 0 < p < 1 else alike
    return ClusteredProportion(int(n_event_all), int(total), m, error, effect)
