"""Gray's K-sample test of equal cumulative incidence, with strata; cumulative sums, no loop over rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cohort.estimators.aalen_johansen import distinct_times
from cohort.estimators.logrank import KSampleTest, count_by_group, quadratic_test, stratum_rows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def gray_test(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    state: int = 1,
    strata: ArrayLike | None = None,
    rho: float = 0.0,
) -> KSampleTest:
    r"""Compare the cumulative incidence of one event between groups.

    Parameters
    ----------
    time : array of shape (n,)
        Time of event or censoring; the test is not defined for left-truncated data.
    event : array of shape (n,)
        0 for censored, k for state k.
    group : array of shape (n,)
        Code of the group, 0 to n_groups - 1.
    state : int, default=1
        Event whose incidence is compared; all others compete with it.
    strata : array of shape (n,), optional
        Code of the stratum; scores are summed over strata.
    rho : float, default=0.0
        Weight :math:`\{1-\hat F(t-)\}^\rho` of the events: above 0 early differences count more.

    Returns
    -------
    KSampleTest
        The test, as R ``cmprsk::cuminc`` (``tests/reference/cumulative_incidence``).

    Notes
    -----
    Without weights, with :math:`h_k = n_k/\hat S_k(t-)` and :math:`R_k = h_k\{1-\hat F_k(t-)\}` the score of group k is
    :math:`\sum_t \{d_k - d\, R_k/\sum_j R_j\}` [1]_. Its covariance sums, over groups r and times u,
    products of the coefficients
    :math:`a_{kr}(u) + \{1-(1-\hat F)/\hat S_r\}\{c_{kr}(\infty)-c_{kr}(u)\}` for events
    of interest and :math:`\{(1-\hat F)/\hat S_r\}\{c_{kr}(\infty)-c_{kr}(u)\}` for competing events, where
    :math:`a_{kr}=h_k(\delta_{kr}-h_r/h)` and :math:`dc_{kr}=a_{kr}\,d\hat F/(1-\hat F)`. The weight
    multiplies each term of the score and :math:`a_{kr}`.

    References
    ----------
    .. [1] Gray RJ (1988). A class of K-sample tests for comparing the cumulative incidence of a competing
       risk. Ann Stat 16:1141-1154. doi:10.1214/aos/1176350951
    """
    end, code = np.asarray(time, dtype=float), np.asarray(event).astype(np.int64)
    who = np.asarray(group).astype(np.int64)
    n_groups = int(who.max()) + 1 if len(who) else 0
    kind = np.where(code == 0, 0, np.where(code == state, 1, 2))
    score, covariance = np.zeros(n_groups), np.zeros((n_groups, n_groups))
    for rows in stratum_rows(strata, len(end)):
        part = _stratum(end[rows], kind[rows], who[rows], n_groups, rho)
        score, covariance = score + part[0], covariance + part[1]
    return quadratic_test(score, covariance)


def _stratum(
    end: FloatArray, kind: IntArray, group: IntArray, n_groups: int, rho: float
) -> tuple[FloatArray, FloatArray]:
    time, position = distinct_times(end)
    ends = count_by_group(position, group, len(time), n_groups)
    n = ends[::-1].cumsum(axis=0)[::-1]
    d1, d2 = (count_by_group(position[kind == k], group[kind == k], len(time), n_groups) for k in (1, 2))
    keep = (d1 + d2).sum(axis=1) > 0
    n, d1, d2 = n[keep], d1[keep], d2[keep]
    if not len(n):
        return np.zeros(n_groups), np.zeros((n_groups, n_groups))
    S, S_before = _survival(n, d1 + d2)
    steps = np.divide(S_before * d1, n, out=np.zeros_like(n), where=n > 0)
    F_before = np.cumsum(steps, axis=0) - steps
    h = np.divide(n, S_before, out=np.zeros_like(n), where=n > 0)
    R = h * (1 - F_before)
    events = d1.sum(axis=1)
    dF = events / h.sum(axis=1)
    K = np.maximum(1 - (np.cumsum(dF) - dF), 1e-12) ** rho  # the weight K(t-), as cmprsk
    score = (K[:, None] * (d1 - events[:, None] * R / R.sum(axis=1, keepdims=True))).sum(axis=0)
    return score, _covariance(n, d2, dF, h, S, S_before, K)


def _survival(n: FloatArray, d: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return event-free survival of each group, at and just before each time."""
    factor = np.divide(n - d, n, out=np.ones_like(n), where=n > 0)
    S = np.asarray(np.cumprod(factor, axis=0), dtype=float)
    return S, np.vstack([np.ones(n.shape[1]), S[:-1]])


def _covariance(
    n: FloatArray,
    d2: FloatArray,
    dF: FloatArray,
    h: FloatArray,
    S: FloatArray,
    S_before: FloatArray,
    K: FloatArray,
) -> FloatArray:
    """Return the covariance of the scores under the pooled incidence F (Gray 1988, section 3)."""
    total = h.sum(axis=1)
    F = np.cumsum(dF)
    a = -h[:, :, None] * h[:, None, :] / total[:, None, None]
    groups = np.arange(n.shape[1])
    a[:, groups, groups] += h
    a *= K[:, None, None]
    # once the pooled F has reached 1 only one group is left at risk, and a is 0
    free = 1 - (F - dF)
    dc = a * np.divide(dF, free, out=np.zeros_like(dF), where=free > 1e-12)[:, None, None]
    later = dc.sum(axis=0) - np.cumsum(dc, axis=0)  # c(infinity) - c(u)
    ratio = np.divide((1 - F)[:, None], S, out=np.zeros_like(S), where=S > 0)
    own = a + np.where(S > 0, 1 - ratio, 1.0)[:, None, :] * later
    ties = _tie_factor((dF * total)[:, None], total[:, None] * S_before)
    weight = np.divide(ties * S_before * dF[:, None], n, out=np.zeros_like(n), where=n > 0)
    covariance = np.einsum("tir,tjr,tr->ij", own, own, weight)
    other = ratio[:, None, :] * later
    spread = np.divide(S_before**2 * d2, n**2, out=np.zeros_like(n), where=(n > 0) & (S > 0))
    return np.asarray(covariance + np.einsum("tir,tjr,tr->ij", other, other, spread * _tie_factor(d2, n)))


def _tie_factor(d: FloatArray, n: FloatArray) -> FloatArray:
    """Return 1 - (d - 1)/(n - 1) where more than one event is tied, else 1."""
    tied = (d > 1) & (n > 1)
    return np.asarray(1 - np.where(tied, (d - 1) / np.where(tied, n - 1, 1.0), 0.0))
