"""Rows of curves from interval-censored times: masses, survival at times with its bounds, quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.estimators.turnbull import Turnbull

FloatArray = NDArray[np.float64]
_SAME = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class IntervalGroup:
    """Estimate of one group, with its bootstrap.

    Attributes
    ----------
    name : str
        Name of the group, empty without groups.
    fit : Turnbull
        The masses.
    counts : tuple of int
        Patients known exactly, between two looks, before the first look, not yet.
    grid : array of shape (k,)
        Times at which the bootstrap was evaluated: every look.
    low, high : array of shape (replicates, k)
        Bounds of survival in each replicate; no rows without a bootstrap.
    """

    name: str
    fit: Turnbull
    counts: tuple[int, int, int, int]
    grid: FloatArray
    low: FloatArray
    high: FloatArray

    @property
    def last_time(self) -> float:
        """Time up to which the curve is known.

        Returns
        -------
        float
            Beginning of the interval without an end, or the end of the last interval.
        """
        fit = self.fit
        return float(fit.left[-1] if np.isinf(fit.right[-1]) else fit.right[-1])

    def limits(self, times: FloatArray, level: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return percentile limits and the bootstrap's standard deviation; NaN without a bootstrap.

        Parameters
        ----------
        times : array of shape (n,)
            Times.
        level : float
            Confidence level.

        Returns
        -------
        low, high, std_error : array of shape (n,)
            From the lowest survival the replicates allow to the highest.
        """
        if not len(self.low):
            return tuple(np.full(len(times), np.nan) for _ in range(3))  # type: ignore[return-value]
        # The upper bound falls at the end of an interval, the lower one already after its beginning.
        before = np.searchsorted(self.grid, times, side="right")
        high = np.column_stack([np.ones(len(self.high)), self.high])[:, before]
        following = np.searchsorted(self.grid, times, side="left")
        low = np.column_stack([self.low, self.low[:, -1]])[:, following]
        share = (1 - level) / 2
        spread = np.std((low + high) / 2, axis=0, ddof=1)
        return np.quantile(low, share, axis=0), np.quantile(high, 1 - share, axis=0), spread


def survival_rows(
    group: IntervalGroup, outcome: str, times: FloatArray | None, conf_level: float
) -> pd.DataFrame:
    """Return survival of a group at times, or at the ends of the intervals with mass.

    Parameters
    ----------
    group : IntervalGroup
        The group.
    outcome : str
        Name of the event.
    times : array of shape (n,) or None
        Ascending times; None for the ends of the intervals.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        ``strata, outcome, time_low`` (ends of intervals only), ``time, estimate, std_error, conf_low, conf_high,
        bound_low, bound_high, reason``.
    """
    fit = group.fit
    finite = np.isfinite(fit.right)
    when = fit.right[finite] if times is None else times
    bottom, top = fit.bounds(when)
    known = top - bottom <= _SAME
    low, high, error = group.limits(when, conf_level)
    within = np.searchsorted(fit.right, when, side="left").clip(max=len(fit.right) - 1)
    beyond = ~known & np.isinf(fit.right[within])
    spans = [
        f"within ({max(a, 0):g}, {b:g}]: when is not known" for a, b in zip(fit.left, fit.right, strict=True)
    ]
    reason = np.where(known, "", np.array(spans, dtype=object)[within])
    reason = np.where(beyond, f"follow-up ends at {group.last_time:g}", reason)
    no_limits = "no bootstrap: give seed=" if not len(group.low) else ""
    estimate = np.where(known, top, np.nan)
    columns: dict[str, object] = {"strata": group.name, "outcome": outcome}
    if times is None:
        columns["time_low"] = np.maximum(fit.left[finite], 0.0)
    return pd.DataFrame(
        {
            **columns,
            "time": when,
            "estimate": estimate,
            "std_error": np.where(beyond, np.nan, error),
            "conf_low": np.where(beyond, np.nan, np.minimum(low, bottom)),
            "conf_high": np.where(beyond, np.nan, np.maximum(high, top)),
            "bound_low": bottom,
            "bound_high": top,
            "reason": np.where(reason == "", no_limits, reason),
        }
    )


def quantile_row(group: IntervalGroup, p: float) -> tuple[float, float]:
    """Return the interval by which a share of the group has had the event; NaN when it is not reached.

    Parameters
    ----------
    group : IntervalGroup
        The group.
    p : float
        Share with the event.

    Returns
    -------
    low, high : float
        The interval.
    """
    fit = group.fit
    k = int(np.searchsorted(np.cumsum(fit.mass), p - _SAME))
    if k >= len(fit.mass) or np.isinf(fit.right[k]):
        return np.nan, np.nan
    return float(max(fit.left[k], 0.0)), float(fit.right[k])
