"""Rows of cumulative incidence curves: one frame per group and outcome, at its own or at given times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.estimators.aalen_johansen import AalenJohansen, RiskTable
from cohort.estimators.kaplan_meier import probability_limits
from cohort.models.curves import counts_at

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class IncidenceGroup:
    """Cumulative incidence of one group of patients.

    Attributes
    ----------
    name : str
        Name of the group, empty without groups.
    table : RiskTable
        Counts at each distinct time, all events.
    curve : AalenJohansen
        Event-free survival and the incidence of every event.
    """

    name: str
    table: RiskTable
    curve: AalenJohansen


def incidence_rows(
    group: IncidenceGroup, outcome: str, state: int, times: FloatArray | None, conf_level: float
) -> pd.DataFrame:
    """Return the cumulative incidence of one outcome in a group at times.

    Parameters
    ----------
    group : IncidenceGroup
        The group.
    outcome : str
        Name of the event.
    state : int
        Its column in the curve.
    times : array of shape (n,) or None
        Ascending times; None for each distinct time of the group.
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
    steps = (
        (0.0, curve.incidence[:, state]),
        (0.0, curve.incidence_std_error[:, state]),
        (1.0, curve.survival),
    )
    estimate, error, free = (np.concatenate(([before], values))[position] for before, values in steps)
    low, high = probability_limits(estimate, error, "log-log", conf_level)
    low, high = np.where(position == 0, 0.0, low), np.where(position == 0, 0.0, high)
    beyond = (times > table.last_time) & (free > 0)
    undefined = np.isnan(low)
    reason = np.select(
        [beyond, undefined & (estimate == 0), undefined],
        [f"follow-up ends at {table.last_time:g}", "no event yet", "everyone has had the event"],
        "",
    )
    values = [np.where(beyond, np.nan, v) for v in (estimate, error, low, high)]
    return pd.DataFrame(
        {
            "strata": group.name,
            "outcome": outcome,
            "time": times,
            "n_risk": table.at_risk(times),
            "n_event": counts[:, state],
            "n_censor": counts[:, -1],
            **dict(zip(("estimate", "std_error", "conf_low", "conf_high"), values, strict=True)),
            "reason": reason,
        }
    )
