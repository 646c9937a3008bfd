"""Log-rank test of K groups and its weighted relatives, with left truncation and strata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from cohort.estimators.aalen_johansen import distinct_times
from cohort.estimators.logrank_weights import UNWEIGHTED, TimeWeights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class KSampleTest:
    """Chi-squared test that groups have the same hazard, or the same incidence.

    Attributes
    ----------
    statistic : float
        Chi-squared statistic; NaN when it cannot be computed.
    df : int
        Degrees of freedom.
    p_value : float
        Upper tail probability.
    score : array of shape (n_groups,)
        Observed minus expected events of each group.
    covariance : array of shape (n_groups, n_groups)
        Covariance of the score.
    reason : str
        Why the statistic is NaN; empty when it is not.
    """

    statistic: float
    df: int
    p_value: float
    score: FloatArray
    covariance: FloatArray
    reason: str = ""


def logrank_test(
    start: ArrayLike,
    stop: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    strata: ArrayLike | None = None,
    weights: TimeWeights = UNWEIGHTED,
) -> KSampleTest:
    """Compare the hazards of groups over the whole follow-up.

    Parameters
    ----------
    start, stop : array of shape (n_rows,)
        Intervals (start, stop] of observation.
    event : array of shape (n_rows,)
        True at an event.
    group : array of shape (n_rows,)
        Code of the group, 0 to n_groups - 1.
    strata : array of shape (n_rows,), optional
        Code of the stratum; observed and expected events are summed over strata.
    weights : TimeWeights
        How event times count; all alike by default. Weights are found within each stratum.

    Returns
    -------
    KSampleTest
        The test; the hypergeometric variance is exact with ties.

    Notes
    -----
    Equals R ``survival::survdiff`` for right-censored data, with its ``rho`` too
    (``tests/reference/kaplan_meier``, ``tests/reference/logrank``).

    Examples
    --------
    >>> test = logrank_test([0, 0, 0, 0], [1, 2, 3, 4], [1, 1, 1, 1], [0, 1, 0, 1])
    >>> round(test.statistic, 6), test.df
    (0.615385, 1)
    """
    begin, end = np.asarray(start, dtype=float), np.asarray(stop, dtype=float)
    died, who = np.asarray(event).astype(bool), np.asarray(group).astype(np.int64)
    n_groups = int(who.max()) + 1 if len(who) else 0
    score, covariance = np.zeros(n_groups), np.zeros((n_groups, n_groups))
    for rows in stratum_rows(strata, len(end)):
        n, d = events_at_risk(begin[rows], end[rows], died[rows], who[rows], n_groups)
        part = _weighted_score(n, d, weights)
        score, covariance = score + part[0], covariance + part[1]
    return quadratic_test(score, covariance)


def trend_test(test: KSampleTest, scores: ArrayLike) -> KSampleTest:
    r"""Test for a trend of the hazard over ordered groups, on one degree of freedom.

    Parameters
    ----------
    test : KSampleTest
        The (weighted) log-rank test of the groups.
    scores : array of shape (n_groups,)
        Scores of the groups, such as the ICANS grades themselves.

    Returns
    -------
    KSampleTest
        :math:`(s'U)^2 / s'Vs` (Tarone 1975); NaN with the reason when all scores are the same.

    Examples
    --------
    >>> three = logrank_test([0] * 6, [1, 2, 3, 4, 5, 6], [1] * 6, [2, 2, 1, 1, 0, 0])
    >>> round(trend_test(three, [0, 1, 2]).statistic, 4)
    6.6717
    """
    s = np.asarray(scores, dtype=float)
    U, V = float(s @ test.score), float(s @ test.covariance @ s)
    one = np.array([U]), np.array([[V]])
    if test.reason:
        return KSampleTest(np.nan, 1, np.nan, *one, test.reason)
    largest = max(1.0, float(np.max(np.diag(test.covariance), initial=0.0)))
    if V / largest <= 1e-12:
        return KSampleTest(np.nan, 1, np.nan, *one, "the groups at risk have the same score")
    return KSampleTest(U**2 / V, 1, float(chdtrc(1, U**2 / V)), *one)


def quadratic_test(score: FloatArray, covariance: FloatArray) -> KSampleTest:
    """Turn a score with its covariance into a chi-squared test.

    Parameters
    ----------
    score : array of shape (n_groups,)
        Scores that sum to zero.
    covariance : array of shape (n_groups, n_groups)
        Their covariance.

    Returns
    -------
    KSampleTest
        The test, on the rank of the covariance.
    """
    informative = np.diag(covariance) > 1e-12 * max(1.0, float(np.max(np.diag(covariance), initial=0.0)))
    df = int(informative.sum()) - 1
    if len(score) < 2:
        return KSampleTest(np.nan, 0, np.nan, score, covariance, "one group: nothing to compare")
    if df < 1:
        return KSampleTest(np.nan, 0, np.nan, score, covariance, "no event while two groups were at risk")
    used = np.flatnonzero(informative)[:-1]
    statistic = float(score[used] @ np.linalg.solve(covariance[np.ix_(used, used)], score[used]))
    return KSampleTest(statistic, df, float(chdtrc(df, statistic)), score, covariance)


def stratum_rows(strata: ArrayLike | None, n: int) -> list[IntArray]:
    """Return the row numbers of each stratum.

    Parameters
    ----------
    strata : array of shape (n,) or None
        Codes; None for one stratum.
    n : int
        Number of rows.

    Returns
    -------
    list of array
        Row numbers.
    """
    if strata is None:
        return [np.arange(n)]
    codes = np.asarray(strata)
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]


def count_by_group(position: IntArray, group: IntArray, n_times: int, n_groups: int) -> FloatArray:
    """Count rows by time and group.

    Parameters
    ----------
    position : array of shape (n,)
        Index of the time.
    group : array of shape (n,)
        Code of the group.
    n_times, n_groups : int
        Shape of the result.

    Returns
    -------
    array of shape (n_times, n_groups)
        Counts.
    """
    flat = np.bincount(position * n_groups + group, minlength=n_times * n_groups)
    return flat.reshape(n_times, n_groups).astype(float)


def events_at_risk(
    start: FloatArray, stop: FloatArray, died: NDArray[np.bool_], group: IntArray, n_groups: int
) -> tuple[FloatArray, FloatArray]:
    """Count who is at risk, and who has the event, at each distinct event time.

    Parameters
    ----------
    start, stop : array of shape (n,)
        Intervals (start, stop].
    died : array of shape (n,)
        Whether the interval ends in the event.
    group : array of shape (n,)
        Code of the group.
    n_groups : int
        Number of groups.

    Returns
    -------
    n, d : array of shape (n_event_times, n_groups)
        At risk just before, and events at, each event time.
    """
    time, position = distinct_times(stop)
    ends = count_by_group(position, group, len(time), n_groups)
    d = count_by_group(position[died], group[died], len(time), n_groups)
    n = ends[::-1].cumsum(axis=0)[::-1]
    if start.max() >= time[0]:
        # a row enters the risk set at the first end time after its start: take off who has not yet
        enters = count_by_group(np.searchsorted(time, start, side="right"), group, len(time), n_groups)
        n = n - (enters.sum(axis=0) - np.cumsum(enters, axis=0))
    keep = d.sum(axis=1) > 0
    return n[keep], d[keep]


def _weighted_score(n: FloatArray, d: FloatArray, weights: TimeWeights) -> tuple[FloatArray, FloatArray]:
    """Return the weighted sum of observed minus expected events, with its covariance."""
    total, events = n.sum(axis=1), d.sum(axis=1)
    w = weights.at(total, events)
    share = n / total[:, None]
    score = (w[:, None] * (d - events[:, None] * share)).sum(axis=0)
    factor = w**2 * events * (total - events) / np.maximum(total - 1.0, 1.0)
    covariance = np.diag((factor[:, None] * share).sum(axis=0)) - (share * factor[:, None]).T @ share
    return score, covariance
