"""Restricted mean survival time and restricted mean time lost to each event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.aalen_johansen import (
    RiskTable,
    Variance,
    aalen_johansen,
    residual_moment,
    survival_steps,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RestrictedMean:
    """Mean time up to a horizon.

    Attributes
    ----------
    estimate : float
        Mean time, in the unit of the times; NaN when it cannot be computed.
    std_error : float
        Its standard error.
    reason : str
        Why it is NaN; empty when it is not.
    """

    estimate: float
    std_error: float
    reason: str = ""


def restricted_mean_survival(table: RiskTable, tau: float) -> RestrictedMean:
    r"""Return the area under the Kaplan-Meier curve up to tau.

    Parameters
    ----------
    table : RiskTable
        Counts; any event ends survival.
    tau : float
        Horizon, in the unit of the times, from 0.

    Returns
    -------
    RestrictedMean
        Mean survival time up to tau.

    Notes
    -----
    Variance :math:`\sum_{u \le \tau} A(u)^2\, d(u) / \{n(u)(n(u)-d(u))\}` with :math:`A(u)` the area from u
    to tau; equals R ``print(survfit(...), rmean = tau)``.
    """
    reason = _beyond(table, tau)
    if reason:
        return RestrictedMean(np.nan, np.nan, reason)
    lost = restricted_mean_lost(table.pooled(), tau, 0, "greenwood")
    return RestrictedMean(tau - lost.estimate, lost.std_error)


def restricted_mean_lost(
    table: RiskTable, tau: float, state: int = 0, variance: Variance = "aalen"
) -> RestrictedMean:
    r"""Return the area under the cumulative incidence of one event up to tau.

    Parameters
    ----------
    table : RiskTable
        Counts.
    tau : float
        Horizon, in the unit of the times, from 0.
    state : int, default=0
        Column of ``table.n_event``.
    variance : {'aalen', 'greenwood'}, default='aalen'
        Estimator of the variance, as in :func:`aalen_johansen`.

    Returns
    -------
    RestrictedMean
        Mean time lost to the event before tau.

    Notes
    -----
    The error is the integral to tau of the error of the cumulative incidence: the coefficient of
    :math:`dM_j(u)` is :math:`1\{j=k\}(\tau-u) - \int_u^\tau \{F_k(t)-F_k(u)\}\,dt / S(u)`, times
    :math:`S(u-)/n(u)`.
    """
    reason = _beyond(table, tau)
    if reason:
        return RestrictedMean(np.nan, np.nan, reason)
    curve = aalen_johansen(table, variance)
    within = int(np.searchsorted(table.time, tau, side="right"))
    u, F, S = curve.time[:within], curve.incidence[:within, state], curve.survival[:within]
    if not within:
        return RestrictedMean(0.0, 0.0)
    pieces = F * np.diff(np.r_[u, tau])
    remaining = np.cumsum(pieces[::-1])[::-1]  # area under F from u to tau
    excess = remaining - F * (tau - u)
    other = np.divide(-excess, S, out=np.zeros_like(S), where=S > 0)
    form = (other + tau - u, other)
    part = table.up_to(within)
    n = part.n_risk.astype(float)
    before = survival_steps(n, part.n_event.sum(axis=1).astype(float))[0]
    spread = float(np.sum((before / n) ** 2 * residual_moment(part, state, form, form, variance)))
    return RestrictedMean(float(pieces.sum()), float(np.sqrt(max(spread, 0.0))))


def _beyond(table: RiskTable, tau: float) -> str:
    """Say why the curve is not known up to tau; empty when it is."""
    if not len(table.time):
        return "no patients"
    ended = table.n_risk[-1] == table.n_event[-1].sum()
    if tau <= table.last_time or ended:
        return ""
    return f"follow-up ends at {table.last_time:g}, before {tau:g}"
