"""Expected width of the interval of a proportion, summed over all numbers of events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from cohort.errors import EstimationError
from cohort.estimators.proportions import ProportionMethod, proportion_limits

FloatArray = NDArray[np.float64]
_MOST = 10_000_000


def expected_limits(
    proportion: float, n: int, method: ProportionMethod = "wilson", conf_level: float = 0.95
) -> tuple[float, float]:
    """Return the mean lower and upper limit over the binomial distribution of events.

    Parameters
    ----------
    proportion : float
        True proportion.
    n : int
        Patients.
    method : {'wilson', 'exact', 'jeffreys'}, default='wilson'
        Interval.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    low, high : float
        Expected limits.

    Examples
    --------
    >>> [round(limit, 3) for limit in expected_limits(0.5, 1, "exact")]  # (0 to .975, .025 to 1) / 2
    [0.013, 0.988]
    """
    # Events beyond a probability of 1e-15 on either side change no digit.
    first, last = (float(binom.ppf(tail, n, proportion)) for tail in (1e-16, 1 - 1e-15))
    x = np.arange(max(first, 0.0), min(last, n) + 1)
    weight = binom.pmf(x, n, proportion)
    low, high = proportion_limits(x, np.full(len(x), float(n)), method, conf_level)
    return float(weight @ low / weight.sum()), float(weight @ high / weight.sum())


def n_for_half_width(
    proportion: float, half_width: float, method: ProportionMethod = "wilson", conf_level: float = 0.95
) -> int:
    """Find the smallest number of patients whose expected half width is at most a value.

    Parameters
    ----------
    proportion : float
        True proportion.
    half_width : float
        Half width wanted, between 0 and 0.5.
    method, conf_level : object
        As :func:`expected_limits`.

    Returns
    -------
    int
        Patients.

    Raises
    ------
    EstimationError
        When more than ten million would be needed.
    """

    def narrow(n: int) -> bool:
        low, high = expected_limits(proportion, n, method, conf_level)
        return (high - low) / 2 <= half_width

    low, high = 0, 1
    while not narrow(high):
        low, high = high, 2 * high
        if high > _MOST:
            raise EstimationError(
                "this half width needs more than ten million patients",
                evidence=f"half_width={half_width:g}",
                remedy="ask for a wider interval",
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if narrow(middle) else (middle, high)
    return high
