"""Log-rank tests of every two of K groups, with the one-step hazard ratio of each pair."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cohort.estimators.logrank import KSampleTest, logrank_test
from cohort.estimators.logrank_weights import UNWEIGHTED, TimeWeights

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairTest:
    """Comparison of two groups among themselves.

    Attributes
    ----------
    first, second : int
        Codes of the groups; the second is compared with the first.
    test : KSampleTest
        The (weighted) log-rank test of the two.
    log_hazard_ratio, std_error : float
        Peto's one-step estimate U/V with its error 1/sqrt(V); NaN for a weighted test, which has none.
    """

    first: int
    second: int
    test: KSampleTest
    log_hazard_ratio: float
    std_error: float


def pairwise_logrank(
    start: ArrayLike,
    stop: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    strata: ArrayLike | None = None,
    weights: TimeWeights = UNWEIGHTED,
) -> tuple[PairTest, ...]:
    r"""Compare every two groups, each pair on its own patients only.

    Parameters
    ----------
    start, stop : array of shape (n_rows,)
        Intervals (start, stop] of observation.
    event : array of shape (n_rows,)
        True at an event.
    group : array of shape (n_rows,)
        Code of the group, 0 to n_groups - 1.
    strata : array of shape (n_rows,), optional
        Code of the stratum.
    weights : TimeWeights
        How event times count.

    Returns
    -------
    tuple of PairTest
        Pairs in order of their codes.

    Notes
    -----
    The one-step log hazard ratio is :math:`U/V` with U the observed minus expected events of the second group
    and V its hypergeometric variance (Peto and others 1977). It is biased towards 0 for large effects; a Cox
    model is the estimate of choice.

    References
    ----------
    .. [1] Peto R, Pike MC, Armitage P, and others (1977). Br J Cancer 35:1-39. doi:10.1038/bjc.1977.1

    Examples
    --------
    >>> pair = pairwise_logrank([0, 0, 0, 0], [1, 2, 3, 4], [1, 1, 1, 1], [0, 1, 0, 1])[0]
    >>> round(pair.log_hazard_ratio, 4)  # -2/3 over 13/18
    -0.9231
    """
    begin, end, died, who = (np.asarray(v) for v in (start, stop, event, group))
    layers = None if strata is None else np.asarray(strata)
    n_groups = int(who.max()) + 1 if len(who) else 0
    pairs = []
    for first, second in combinations(range(n_groups), 2):
        rows = (who == first) | (who == second)
        inner = None if layers is None else layers[rows]
        test = logrank_test(begin[rows], end[rows], died[rows], who[rows] == second, inner, weights)
        pairs.append(_pair(first, second, test, weights))
    return tuple(pairs)


def _pair(first: int, second: int, test: KSampleTest, weights: TimeWeights) -> PairTest:
    V = float(test.covariance[-1, -1]) if len(test.score) == 2 else 0.0
    if weights.kind != "logrank" or test.reason or not V > 0:
        return PairTest(first, second, test, np.nan, np.nan)
    return PairTest(first, second, test, float(test.score[-1]) / V, float(1 / np.sqrt(V)))
