"""A proportion when rows come in clusters: patients in centers, or several exams of a patient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, expit, logit, ndtri, stdtrit

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
ClusterMethod = Literal["cluster_logit", "cluster_exact", "cluster_wilson"]


@dataclass(frozen=True, slots=True)
class ClusteredProportion:
    """Proportion of the rows of clusters, with a variance between clusters.

    Attributes
    ----------
    n_event, n, n_cluster : int
        Rows with the property, rows, and clusters with rows.
    std_error : float
        Standard error of the proportion; NaN with one cluster.
    """

    n_event: int
    n: int
    n_cluster: int
    std_error: float

    @property
    def estimate(self) -> float:
        """Proportion of the rows.

        Returns
        -------
        float
            NaN without rows.
        """
        return self.n_event / self.n if self.n else math.nan

    @property
    def design_effect(self) -> float:
        """Variance against that of as many independent rows.

        Returns
        -------
        float
            NaN when it cannot be estimated: one cluster, or a proportion of 0 or 1.
        """
        if not 0 < self.n_event < self.n:
            return math.nan
        return self.std_error**2 * self.n / (self.estimate * (1 - self.estimate))

    @property
    def reason(self) -> str:
        """Say why there are no limits.

        Returns
        -------
        str
            Empty when there are.
        """
        if not self.n:
            return "nobody has a known state"
        if self.n_cluster < 2:
            return "one cluster: its rows say nothing of the variance between clusters"
        if not 0 < self.n_event < self.n:
            what = "no event" if self.n_event == 0 else "only events"
            return f"{what}: the design effect cannot be estimated, pass design_effect="
        return "" if self.std_error > 0 else "every cluster has the same proportion: no variance between them"

    def limits(self, method: ClusterMethod, conf_level: float = 0.95) -> tuple[float, float]:
        """Return confidence limits.

        Parameters
        ----------
        method : {'cluster_logit', 'cluster_exact', 'cluster_wilson'}
            ``cluster_logit``: on the logit scale with Student's t, one degree of freedom less than there are
            clusters; ``cluster_exact``: Clopper-Pearson with the effective number of rows (Korn and Graubard
            1998, which t corrects too); ``cluster_wilson``: Wilson with that number.
        conf_level : float, default=0.95
            Confidence level.

        Returns
        -------
        low, high : float
            Limits within 0 and 1; NaN with a ``reason``.
        """
        if self.reason:
            return math.nan, math.nan
        tail = 0.5 - conf_level / 2
        t = -float(stdtrit(self.n_cluster - 1, tail))
        p = self.estimate
        if method == "cluster_logit":
            width = t * self.std_error / (p * (1 - p))
            return float(expit(logit(p) - width)), float(expit(logit(p) + width))
        return effective_limits(p, self._effective(tail), conf_level, exact=method == "cluster_exact")

    def _effective(self, tail: float) -> float:
        """Return the effective number of rows with Korn and Graubard's factor for degrees of freedom; at most n."""
        size = self.n / self.design_effect
        return min(size * float((stdtrit(self.n - 1, tail) / stdtrit(self.n_cluster - 1, tail)) ** 2), self.n)


def clustered_proportion(n_event: ArrayLike, n: ArrayLike) -> ClusteredProportion:
    r"""Estimate a proportion from its counts by cluster.

    Parameters
    ----------
    n_event, n : array of shape (k,)
        Rows with the property, and rows, of every cluster; clusters without rows are left out.

    Returns
    -------
    ClusteredProportion
        Estimate, standard error and limits.

    Raises
    ------
    EstimationError
        When a count is negative, not whole, or larger than its total.

    Notes
    -----
    The ratio estimator of survey sampling with the clusters as first stage (Cochran 1977, equation 3.34; R ``survey``):

    .. math:: s^2 = \\frac{m}{m - 1} \\frac{\\sum_k (x_k - \\hat p n_k)^2}{(\\sum_k n_k)^2}

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
    m, total = len(x), float(size.sum())
    error = math.nan
    if m > 1:
        residual = x - x.sum() / total * size
        error = math.sqrt(m / (m - 1) * float(residual @ residual)) / total
    return ClusteredProportion(int(x.sum()), int(total), m, error)


def effective_limits(p: float, size: float, conf_level: float, *, exact: bool) -> tuple[float, float]:
    """Return limits of a proportion that weighs as much as a number of independent rows, not necessarily whole.

    Parameters
    ----------
    p : float
        Proportion.
    size : float
        Effective number of rows.
    conf_level : float
        Confidence level.
    exact : bool
        Clopper-Pearson; otherwise Wilson.

    Returns
    -------
    low, high : float
        Limits within 0 and 1.
    """
    tail = 0.5 - conf_level / 2
    x = p * size
    if exact:
        low = float(betaincinv(x, size - x + 1, tail)) if p > 0 else 0.0
        high = float(betaincinv(x + 1, size - x, 1 - tail)) if p < 1 else 1.0
        return low, high
    z2 = float(ndtri(tail)) ** 2
    center = (x + z2 / 2) / (size + z2)
    width = math.sqrt(z2 * (x * (1 - p) + z2 / 4)) / (size + z2)
    return (max(center - width, 0.0) if p > 0 else 0.0), (min(center + width, 1.0) if p < 1 else 1.0)
