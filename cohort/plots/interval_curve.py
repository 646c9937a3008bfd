"""Curves of times known between two looks: lines where they are determined, rectangles where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import style
from cohort.plots import curves, layout
from cohort.plots.curve_figure import PLOT_HEIGHT_MM, Times, time_axis
from cohort.plots.time_axis import TimeUnit, tick_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_interval_curve(
    curve: pd.DataFrame,
    last: Mapping[str, float],
    *,
    ax: Axes | None = None,
    times: Times = None,
    unit: TimeUnit = "days",
    display_unit: TimeUnit | None = None,
    ylabel: str = "Free of the event (%)",
    labels: Mapping[str, str] | None = None,
    colors: Mapping[str, str] | None = None,
    width_mm: float = 115.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw survival from interval-censored times.

    Parameters
    ----------
    curve : DataFrame
        Tidy frame of ``interval_censored``: ``time_low``, ``time``, ``estimate`` and, as far as there are, ``strata``,
        ``conf_low``, ``conf_high``.
    last : mapping of str to float
        Time up to which each group's curve is known.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    times : array-like, default=None
        Ticks, in ``unit``; round ones by default.
    unit, display_unit : {'days', 'weeks', 'months', 'years'}
        Unit of the frame, and the unit that the axis prints (the same by default).
    ylabel : str
        Label of the vertical axis.
    labels, colors : mapping, default=None
        Text and color by group.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Known stretches are one line per group of gid ``curve``; where the event lies between two looks, a rectangle of
        gid ``mass`` spans the values the curve may have.
    """
    curves.require_columns(curve, ["time_low", "time", "estimate"], "the curves")
    groups = curves.make_groups(curves.keys_in(curve, "strata"), labels, colors)
    axis = time_axis(times, None, max(last.values()), unit, display_unit, None)
    new_figure = ax is None
    drawn = []
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        curves.percent_axis(ax, 1.0, ylabel)
        curves.follow_up_axis(ax, axis.ticks, tick_labels(axis.ticks, axis.factor), axis.end, axis.label)
        for group in groups:
            rows = curves.rows_of(curve, "strata", group.key).sort_values("time")
            drawn.append(_draw_group(ax, rows, last[group.key], group))
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, PLOT_HEIGHT_MM)
        else:
            layout.fit(ax)
        if groups[0].label:
            curves.direct_labels(ax, groups, drawn)
            layout.fit(ax)
    style.add_notes(ax, ["Rectangles: the event lies within, but when is not known."])
    return ax


def _draw_group(ax: Axes, rows: pd.DataFrame, last: float, group: curves.Group) -> curves.Steps:
    """Draw the stretches on which the curve is known, their limits, and the rectangles between."""
    low, high, after = (rows[name].to_numpy(dtype=float) for name in ("time_low", "time", "estimate"))
    value = np.r_[1.0, after]
    begin, end = np.r_[0.0, high], np.r_[low, max(last, high[-1])]
    gap = np.full(len(value), np.nan)
    x = np.column_stack([begin, end, end]).ravel()
    y = np.column_stack([value, value, gap]).ravel()
    ax.plot(x, y, color=group.color, linestyle=group.line_style, gid="curve", zorder=3)
    ax.bar(
        low,
        value[:-1] - after,
        width=np.maximum(high - low, 0),
        bottom=after,
        align="edge",
        facecolor=group.color,
        edgecolor=group.color,
        linewidth=0.6,
        alpha=0.45,
        gid="mass",
        zorder=2.5,
    )
    limits = [
        rows[name].to_numpy(dtype=float) if name in rows.columns else np.full(len(rows), np.nan)
        for name in ("conf_low", "conf_high")
    ]
    ax.bar(
        begin[1:],
        limits[1] - limits[0],
        width=end[1:] - begin[1:],
        bottom=limits[0],
        align="edge",
        color=group.color,
        alpha=0.14,
        linewidth=0,
        gid="band",
        zorder=1.5,
    )
    return curves.Steps(end, value, np.r_[1.0, limits[0]], np.r_[1.0, limits[1]], float(end[-1]))
