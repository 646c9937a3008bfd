"""Smooth curves of survival from a model, with bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pandas as pd

from cohort import style
from cohort.plots import curves, layout
from cohort.plots.curve_figure import PLOT_HEIGHT_MM, time_axis
from cohort.plots.time_axis import TimeUnit, readable_unit, tick_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_smooth_survival(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    unit: str = "days",
    ylabel: str = "Free of the event (%)",
    width_mm: float = 115.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw survival of one or several patients as lines.

    Parameters
    ----------
    frame : DataFrame
        ``strata, time, estimate, conf_low, conf_high``.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    unit : str, default='days'
        Unit of the times.
    ylabel : str
        Label of the vertical axis.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        With the curves as ``ax.lines`` of gid ``curve``.
    """
    curves.require_columns(frame, ["time", "estimate"], "the curves")
    groups = curves.make_groups(curves.keys_in(frame, "strata"))
    own, longest = cast("TimeUnit", unit), float(frame["time"].max())
    axis = time_axis(None, None, longest, own, readable_unit(longest, own), None)
    new_figure, drawn = ax is None, []
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        curves.percent_axis(ax, 1.0, ylabel)
        curves.follow_up_axis(ax, axis.ticks, tick_labels(axis.ticks, axis.factor), axis.end, axis.label)
        for group in groups:
            rows = curves.rows_of(frame, "strata", group.key).sort_values("time")
            points = curves.steps(rows[rows["time"] <= axis.end], 1.0, 0, None)
            drawn.append(points)
            ax.plot(points.time, points.estimate, color=group.color, linestyle=group.line_style, gid="curve")
            ax.fill_between(
                points.time, points.low, points.high, color=group.color, alpha=0.14, linewidth=0, gid="band"
            )
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, PLOT_HEIGHT_MM)
        else:
            layout.fit(ax)
        if groups[0].label:
            curves.direct_labels(ax, groups, drawn)
            layout.fit(ax)
    return ax
