"""Confidence limits of one proportion: Clopper-Pearson, Wilson, mid-p, Jeffreys."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, ndtri

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
ProportionMethod = Literal["wilson", "exact", "mid_p", "jeffreys"]
_HALVINGS = 60


def proportion_limits(
    n_event: ArrayLike, n: ArrayLike, method: ProportionMethod = "wilson", conf_level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Return confidence limits of proportions.

    Parameters
    ----------
    n_event, n : array of any equal shape
        Counts with the property, and counts in all.
    method : {'wilson', 'exact', 'mid_p', 'jeffreys'}, default='wilson'
        ``exact`` is Clopper-Pearson; ``wilson`` the score interval without continuity correction; ``mid_p`` as
        ``exact`` with half the probability of the observed count; ``jeffreys`` equal-tailed with prior
        Beta(1/2, 1/2), limit 0 at no events and 1 at all events.
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
    return effective_limits(x, total, method, conf_level)


def effective_limits(
    n_event: ArrayLike, n: ArrayLike, method: ProportionMethod, conf_level: float
) -> tuple[FloatArray, FloatArray]:
    """Return limits of proportions that weigh as much as numbers of rows, not necessarily whole.

    Parameters
    ----------
    n_event, n : array of any equal shape
        Effective numbers with the property, and in all.
    method : {'wilson', 'exact', 'mid_p', 'jeffreys'}
        As :func:`proportion_limits`; binomial tails become incomplete beta functions.
    conf_level : float
        Confidence level.

    Returns
    -------
    low, high : array
        Limits within 0 and 1; NaN where n is 0.
    """
    x, total = np.broadcast_arrays(np.asarray(n_event, dtype=float), np.asarray(n, dtype=float))
    empty = total == 0
    size = np.where(empty, 1.0, total)
    if method == "wilson":
        low, high = _wilson(x, size, conf_level)
    elif method == "mid_p":
        tail = 0.5 - conf_level / 2
        low, high = _mid_p_low(x, size, tail), 1 - _mid_p_low(size - x, size, tail)
    else:
        low, high = _beta(x, size, conf_level, 0.5 if method == "jeffreys" else 0.0)
    low, high = np.where(x == 0, 0.0, low), np.where(x == size, 1.0, high)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def _wilson(x: FloatArray, n: FloatArray, conf_level: float) -> tuple[FloatArray, FloatArray]:
    z = ndtri(0.5 + conf_level / 2)
    center = (x + z**2 / 2) / (n + z**2)
    width = z / (n + z**2) * np.sqrt(x * (n - x) / n + z**2 / 4)
    return center - width, center + width


def _beta(x: FloatArray, n: FloatArray, conf_level: float, prior: float) -> tuple[FloatArray, FloatArray]:
    """Return beta quantiles; without a prior the two tails of the binomial are inverted."""
    tail = 0.5 - conf_level / 2
    shift = 1.0 if prior == 0.0 else prior
    inner = np.where(x == 0, 0.5, x)  # the limit at no (or all) events is set by the caller
    outer = np.where(x == n, 0.5, n - x)
    low = betaincinv(inner + prior, n - x + shift, tail)
    high = betaincinv(x + shift, outer + prior, 1 - tail)
    return np.asarray(low, dtype=float), np.asarray(high, dtype=float)


def _mid_p_low(x: FloatArray, n: FloatArray, tail: float) -> FloatArray:
    """Halve the interval in which P(X > x) + P(X = x) / 2 reaches the tail; it rises in the proportion."""
    inner = np.where(x == 0, 0.5, x)
    low, high = np.zeros(np.shape(x)), np.ones(np.shape(x))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        with_observed = betainc(inner, n - x + 1, middle)
        above = np.where(x >= n, 0.0, betainc(inner + 1, np.where(x >= n, 1.0, n - x), middle))
        reached = with_observed + above > 2 * tail
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return (low + high) / 2
