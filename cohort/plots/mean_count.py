"""Mean number of recurrent events over follow-up: rising steps from zero with bands and a risk table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import style
from cohort.plots import curves
from cohort.plots.curve_figure import (
    CurveFigure,
    RiskTable,
    Times,
    curve_notes,
    last_follow_up,
    time_axis,
    until_curves_end,
)
from cohort.plots.time_axis import TimeUnit

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_mean_count(
    curve: pd.DataFrame,
    *,
    risk_table: pd.DataFrame | None = None,
    ax: Axes | None = None,
    times: Times = None,
    unit: TimeUnit = "days",
    display_unit: TimeUnit | None = None,
    ylabel: str = "Mean number of events per patient",
    labels: Mapping[str, str] | None = None,
    colors: Mapping[str, str] | None = None,
    stop_below: float = 0.05,
    width_mm: float = 115.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw mean cumulative counts with their bands, one curve per group.

    Parameters
    ----------
    curve : DataFrame
        Tidy frame of ``mean_cumulative_count``: ``time``, ``estimate`` and, as far as there are, ``strata``,
        ``conf_low``, ``conf_high``, ``n_risk``.
    risk_table : DataFrame, default=None
        Rows of ``at(times)`` with ``strata, time, n_risk``; None draws no table.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    times : array-like, default=None
        Ticks, in ``unit``.
    unit, display_unit : {'days', 'weeks', 'months', 'years'}
        Unit of the frame, and the unit that the axis prints (the same by default).
    ylabel : str
        Label of the vertical axis.
    labels, colors : mapping, default=None
        Text and color by group.
    stop_below : float, default=0.05
        Curves stop where fewer remain under observation: below 1 a share of the group, from 1 a number.
    width_mm, height_mm : float
        Size of a new figure; the height follows the table's rows by default.

    Returns
    -------
    Axes
        With the curves as ``ax.lines`` of gid ``curve``.
    """
    curves.require_columns(curve, ["time", "estimate"], "the mean counts")
    groups = curves.make_groups(curves.keys_in(curve, "strata"), labels, colors)
    time = time_axis(times, risk_table, float(curve["time"].max()), unit, display_unit, None)
    drawn = [curves.steps(curves.rows_of(curve, "strata", g.key), 0.0, stop_below, time.end) for g in groups]
    table = None
    if risk_table is not None:
        table = RiskTable(risk_table, groups, last_follow_up(curve, groups), [""], "at_risk")
    figure = CurveFigure(
        groups,
        drawn,
        [],
        until_curves_end(time, drawn),
        _top(max(float(np.nanmax(np.r_[s.estimate, s.high])) for s in drawn)),
        ylabel,
        table,
        bool(groups[0].label) and table is None,
        [],
        True,
        counts=True,
    )
    ax = figure.draw(ax, width_mm, height_mm)
    style.add_notes(ax, curve_notes(curve, stop_below, True))
    return ax


def _top(highest: float) -> float:
    """Return the next round number."""
    if not highest > 0:
        return 1.0
    size = 10 ** np.floor(np.log10(highest))
    return float(
        next(size * k for k in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if highest <= size * k * (1 + 1e-9))
    )
