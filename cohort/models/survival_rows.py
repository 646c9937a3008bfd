"""Rows of survival curves: one frame per group, at its own or at given times, and its quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.estimators.aalen_johansen import RiskTable
from cohort.estimators.kaplan_meier import ConfType, KaplanMeierCurve, curve_quantile, probability_limits
from cohort.format import fixed
from cohort.models.curves import counts_at, interval_text, value_text

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SurvivalGroup:
    """Survival of one group of patients.

    Attributes
    ----------
    name : str
        Name of the group, empty without groups.
    table : RiskTable
        Counts at each distinct time.
    curve : KaplanMeierCurve
        Survival.
    """

    name: str
    table: RiskTable
    curve: KaplanMeierCurve


def survival_rows(
    group: SurvivalGroup, outcome: str, times: FloatArray | None, conf_type: ConfType, conf_level: float
) -> pd.DataFrame:
    """Return survival of a group at times, with what R ``summary(survfit, times=)`` tells.

    Parameters
    ----------
    group : SurvivalGroup
        The group.
    outcome : str
        Name of the endpoint.
    times : array of shape (n,) or None
        Ascending times; None for each distinct time of the group.
    conf_type : {'log-log', 'log', 'plain'}
        Scale of the limits.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        One row per time.
    """
    curve, table = group.curve, group.table
    counts = counts_at(table, times)
    times = table.time if times is None else times
    position = np.searchsorted(curve.time, times, side="right")
    estimate, error = (
        np.concatenate(([before], values))[position]
        for before, values in ((1.0, curve.survival), (0.0, curve.std_error))
    )
    low, high = probability_limits(estimate, error, conf_type, conf_level)
    low, high = np.where(position == 0, 1.0, low), np.where(position == 0, 1.0, high)
    states = [estimate == 0, (estimate == 1) & np.isnan(low)]
    beyond = (times > table.last_time) & (estimate > 0)
    reason = np.select([beyond, *states], [_ended(table), "survival is 0", "no event yet"], "")
    values = [np.where(beyond, np.nan, v) for v in (estimate, error, low, high)]
    return pd.DataFrame(
        {
            "strata": group.name,
            "outcome": outcome,
            "time": times,
            "n_risk": table.at_risk(times),
            "n_event": counts[:, 0],
            "n_censor": counts[:, -1],
            **dict(zip(("estimate", "std_error", "conf_low", "conf_high"), values, strict=True)),
            "reason": reason,
        }
    )


def quantile_rows(
    group: SurvivalGroup, outcome: str, p: FloatArray, conf_type: ConfType, conf_level: float
) -> pd.DataFrame:
    """Return the times by which shares of a group have had the event.

    Parameters
    ----------
    group : SurvivalGroup
        The group.
    outcome : str
        Name of the endpoint.
    p : array of shape (n,)
        Shares with the event.
    conf_type : {'log-log', 'log', 'plain'}
        Scale of the curve's limits, whose crossings are the limits.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        One row per share.
    """
    curve = group.curve
    limits = probability_limits(curve.survival, curve.std_error, conf_type, conf_level)
    estimate = curve_quantile(curve.time, 1 - curve.survival, p)
    low, high = (curve_quantile(curve.time, 1 - limit, p) for limit in limits)
    return pd.DataFrame(
        {
            "strata": group.name,
            "outcome": outcome,
            "term": [f"{value:g}" for value in p],
            "estimate": estimate,
            "conf_low": low,
            "conf_high": high,
            "n": group.table.n,
            "n_event": int(group.table.n_event.sum()),
            "reason": np.where(np.isnan(estimate), "not reached", ""),
        }
    )


def reverse_median(table: RiskTable) -> float:
    """Return the median follow-up: Kaplan-Meier with censoring as the event.

    Parameters
    ----------
    table : RiskTable
        Counts of everyone; not by group, where a patient who changes group would seem to be censored.

    Returns
    -------
    float
        The median; NaN when it is not reached.
    """
    time = np.unique(table.time)
    n_risk = table.at_risk(time).astype(float)
    n_censor = counts_at(table, time)[:, -1]
    share = np.divide(n_censor, n_risk, out=np.zeros_like(n_risk), where=n_risk > 0)
    return float(curve_quantile(time, 1 - np.cumprod(1 - share), np.array([0.5]))[0])


def curve_text(words: str, row: pd.Series, unit: str, conf_level: float, time: float | None) -> str:
    """Print a median, or survival at a time, as a sentence fragment.

    Parameters
    ----------
    words : str
        The endpoint and the group.
    row : Series
        ``estimate, conf_low, conf_high``.
    unit : str
        Unit of time.
    conf_level : float
        Confidence level.
    time : float or None
        Time of the survival; None for a median.

    Returns
    -------
    str
        The fragment.
    """
    level = f"{100 * conf_level:g}% CI"
    estimate, low, high = (float(row[name]) for name in ("estimate", "conf_low", "conf_high"))
    if time is None:
        median = f"{fixed(estimate, 1)} {unit}" if np.isfinite(estimate) else "not reached"
        return f"median {words} {median} ({level} {interval_text(low, high, 1, 'NR')})"
    limits = interval_text(100 * low, 100 * high, 1)
    return f"{words} {value_text(100 * estimate, 1, 'NE')}% ({level} {limits}) at {time:g} {unit}"


def _ended(table: RiskTable) -> str:
    return f"follow-up ends at {table.last_time:g}"
