"""Pseudo-values of a cumulative incidence: what each patient adds to the estimate, by leaving each out in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def pseudo_values(stop: FloatArray, event: IntArray, code: int, horizon: float) -> FloatArray:
    """Return n F(t) - (n - 1) F_i(t), with F_i the Aalen-Johansen estimate without patient i.

    Parameters
    ----------
    stop : array of shape (n,)
        Time of event or censoring, everybody being followed from time 0.
    event : array of shape (n,)
        0 for censored, else the code of the event.
    code : int
        The event of interest.
    horizon : float
        The time t.

    Returns
    -------
    array of shape (n,)
        Pseudo-values; without censoring 1 for those with the event by t and 0 for the others.

    Notes
    -----
    Until patient i leaves, one fewer is at risk, the same for every i; afterwards nothing changes. So each estimate
    is a prefix of one curve with Y - 1 at risk, a step at the time of leaving, and the rest of the curve of all.

    References
    ----------
    .. [1] Andersen PK, Klein JP, Rosthoej S (2003). Biometrika 90:15-27. doi:10.1093/biomet/90.1.15
    """
    n = len(stop)
    time = np.unique(stop[stop <= horizon])
    m = len(time)
    at = np.searchsorted(time, stop)  # m for those followed beyond the horizon
    Y = n - np.searchsorted(np.sort(stop), time, "left").astype(float)
    own, any_event = (
        np.bincount(at[which], minlength=m + 1)[:m].astype(float) for which in (event == code, event > 0)
    )
    S, F = _curve(Y, own, any_event)
    S1, F1 = _curve(Y - 1, own, any_event)
    leaves = at < m
    p, e = at[leaves], event[leaves]
    left = Y[p] - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(left > 0, (own[p] - (e == code)) / left, 0.0)
        factor = np.where(left > 0, 1 - (any_event[p] - (e > 0)) / left, 1.0)
        rest = np.where(S[p + 1] > 0, (F[m] - F[p + 1]) / S[p + 1], 0.0)
    without = np.full(n, F1[m])
    without[leaves] = F1[p] + S1[p] * (step + factor * rest)
    return np.asarray(n * F[m] - (n - 1) * without, dtype=float)


def _curve(at_risk: FloatArray, own: FloatArray, any_event: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return survival and incidence before the first time and after each."""
    safe = np.maximum(at_risk, 1.0)
    survival = np.append(1.0, np.cumprod(np.maximum(1 - any_event / safe, 0.0)))
    return survival, np.append(0.0, np.cumsum(survival[:-1] * own / safe))
