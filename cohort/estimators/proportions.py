"""Confidence limits of one proportion: Clopper-Pearson, Wilson, Jeffreys, Agresti-Coull."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
ProportionMethod = Literal["exact", "wilson", "jeffreys", "agresti_coull"]


def proportion_limits(
    n_event: ArrayLike, n: ArrayLike, method: ProportionMethod = "wilson", conf_level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Return confidence limits of proportions.

    Parameters
    ----------
    n_event, n : array of any equal shape
        Counts with the property, and counts in all.
    method : {'exact', 'wilson', 'jeffreys', 'agresti_coull'}, default='wilson'
        ``exact`` is Clopper-Pearson; ``wilson`` the score interval without continuity correction;
        ``jeffreys`` equal-tailed with prior Beta(1/2, 1/2), limit 0 at no events and 1 at all events;
        ``agresti_coull`` Wald about Wilson's center, cut off at 0 and 1.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    low, high : array
        Limits within 0 and 1; NaN where n is 0.

    Raises
    ------
    EstimationError
        When a count is negative, not whole, or larger than its total.

    Examples
    --------
    >>> low, high = proportion_limits([0, 5], [10, 10], "wilson")
    >>> low.round(4), high.round(4)
    (array([0.    , 0.2366]), array([0.2775, 0.7634]))
    """
    x, total = np.broadcast_arrays(np.asarray(n_event, dtype=float), np.asarray(n, dtype=float))
    if not ((x >= 0) & (x <= total) & (x == np.floor(x)) & (total == np.floor(total))).all():
        raise EstimationError(
            "Counts must be whole numbers with 0 <= n_event <= n.",
            evidence=f"{x.size} proportions given",
            remedy="Give the number with the property and the number in all.",
        )
    empty = total == 0
    size = np.where(empty, 1.0, total)
    if method == "wilson":
        low, high = _wilson(x, size, conf_level)
    elif method == "agresti_coull":
        low, high = _agresti_coull(x, size, conf_level)
    else:
        prior = 0.5 if method == "jeffreys" else 0.0
        low, high = _beta(x, size, conf_level, prior)
    low, high = np.where(x == 0, 0.0, low), np.where(x == size, 1.0, high)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def _wilson(x: FloatArray, n: FloatArray, conf_level: float) -> tuple[FloatArray, FloatArray]:
    z = ndtri(0.5 + conf_level / 2)
    center = (x + z**2 / 2) / (n + z**2)
    width = z / (n + z**2) * np.sqrt(x * (n - x) / n + z**2 / 4)
    return center - width, center + width


def _agresti_coull(x: FloatArray, n: FloatArray, conf_level: float) -> tuple[FloatArray, FloatArray]:
    """Add z^2 / 2 to both counts (Agresti and Coull 1998, section 3)."""
    z = ndtri(0.5 + conf_level / 2)
    size = n + z**2
    center = (x + z**2 / 2) / size
    width = z * np.sqrt(center * (1 - center) / size)
    return np.maximum(center - width, 0.0), np.minimum(center + width, 1.0)


def _beta(x: FloatArray, n: FloatArray, conf_level: float, prior: float) -> tuple[FloatArray, FloatArray]:
    """Return beta quantiles; without a prior the two tails of the binomial are inverted."""
    tail = 0.5 - conf_level / 2
    shift = 1.0 if prior == 0.0 else prior
    inner = np.maximum(x, 0.5)
    outer = np.maximum(n - x, 0.5)
    low = betaincinv(inner + prior, n - x + shift, tail)
    high = betaincinv(x + shift, outer + prior, 1 - tail)
    return np.asarray(low, dtype=float), np.asarray(high, dtype=float)
