"""Kaplan-Meier estimator of weighted patients, with the robust (infinitesimal jackknife) standard error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.aalen_johansen import distinct_times
from cohort.estimators.kaplan_meier import KaplanMeierCurve

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
# Numbers held at once: rows times event times.
BLOCK = 4_000_000


def weighted_kaplan_meier(
    start: FloatArray,
    stop: FloatArray,
    event: NDArray[np.bool_],
    weight: FloatArray,
    cluster: IntArray | None = None,
) -> KaplanMeierCurve:
    r"""Estimate survival of weighted rows.

    Parameters
    ----------
    start, stop : array of shape (n,)
        Intervals (start, stop] of observation.
    event : array of shape (n,)
        Whether the row ends in the event.
    weight : array of shape (n,)
        Weights, above 0.
    cluster : array of shape (n,) or None
        Codes from 0 of rows that count together (of a patient, of a center); None for each on its own.

    Returns
    -------
    KaplanMeierCurve
        Survival at each distinct time, with robust standard errors; NaN once survival is 0.

    Notes
    -----
    With weighted numbers at risk n and of events d, the influence of row i on :math:`\log \hat S(t)` is

    .. math:: w_i \Big\{\sum_{u \le t} \frac{Y_i(u)\, d(u)}{n(u)(n(u)-d(u))} - \frac{dN_i}{n-d}\Big\},

    its variance the sum over clusters of their squared sums [1]_, as R ``survfit(robust = TRUE)``. It treats the
    weights as known.

    References
    ----------
    .. [1] Therneau TM, Grambsch PM (2000). Modeling Survival Data. Springer, section 7.1.

    Examples
    --------
    >>> stop, event, weight = np.array([1.0, 2, 3]), np.array([True, False, True]), np.array([2.0, 1, 1])
    >>> weighted_kaplan_meier(np.zeros(3), stop, event, weight).survival
    array([0.5, 0.5, 0. ])
    """
    time, last = distinct_times(stop)
    first = np.searchsorted(time, start, side="right")
    m = len(time)
    n_risk = _reached(weight, last, first, m)
    n_event = np.bincount(last[event], weight[event], m)
    left = n_risk - n_event
    # Where all who are at risk have the event nobody is left, whatever the rounding of weights.
    ones = np.ones(len(stop))
    nobody = _reached(ones, last, first, m) == np.bincount(last[event], minlength=m)
    left[nobody] = 0.0
    survival = np.asarray(np.cumprod(left / n_risk), dtype=np.float64)
    alive = survival > 0
    per_left = np.divide(1.0, left, out=np.zeros(m), where=left > 0)
    hazard = np.concatenate(([0.0], np.cumsum(n_event * per_left / n_risk)))
    variance = _squares(hazard, per_left, first, last, event, weight, cluster)
    return KaplanMeierCurve(time, survival, np.where(alive, survival * np.sqrt(variance), np.nan))


def _reached(amount: FloatArray, last: IntArray, first: IntArray, m: int) -> FloatArray:
    """Sum an amount over the rows at risk at each time."""
    ended = np.cumsum(np.bincount(last, amount, m)[::-1])[::-1]
    not_yet = np.cumsum(np.bincount(first, amount, m + 1)[::-1])[::-1][1:]
    return np.asarray(ended - not_yet, dtype=np.float64)


def _squares(
    hazard: FloatArray,
    per_left: FloatArray,
    first: IntArray,
    last: IntArray,
    event: NDArray[np.bool_],
    weight: FloatArray,
    cluster: IntArray | None,
) -> FloatArray:
    """Sum over clusters the squared influence on log survival, at each time."""
    order = np.arange(len(last)) if cluster is None else np.argsort(cluster, kind="stable")
    first, last, event, weight = first[order], last[order], event[order], weight[order]
    begins = None if cluster is None else np.flatnonzero(np.r_[True, np.diff(cluster[order]) > 0])
    m, width = len(per_left), max(1, BLOCK // max(1, len(last)))
    out = np.empty(m)
    for begin in range(0, m, width):
        k = np.arange(begin, min(begin + width, m))
        until = np.maximum(np.minimum(k[None, :], last[:, None]) + 1, first[:, None])
        influence = hazard[until] - hazard[first][:, None]
        influence -= np.where(event[:, None] & (last[:, None] <= k[None, :]), per_left[last][:, None], 0.0)
        influence *= weight[:, None]
        if begins is not None:
            influence = np.add.reduceat(influence, begins, axis=0)
        out[k] = np.einsum("ij,ij->j", influence, influence)
    return out


def area_under(curve: KaplanMeierCurve, tau: float) -> float:
    """Return the area under the curve up to a horizon.

    Parameters
    ----------
    curve : KaplanMeierCurve
        Survival.
    tau : float
        Horizon, from 0.

    Returns
    -------
    float
        Mean time without the event, up to the horizon.
    """
    inside = curve.time < tau
    edges = np.r_[0.0, curve.time[inside], tau]
    return float(np.diff(edges) @ np.r_[1.0, curve.survival[inside]])
