"""The course of a log hazard ratio over time: scaled Schoenfeld residuals and their smooth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import require_columns, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS = 6


def plot_hazard_course(
    points: pd.DataFrame,
    line: pd.DataFrame,
    *,
    constant: float,
    ylabel: str,
    xlabel: str,
    ax: Axes | None = None,
    width_mm: float = 115.0,
    height_mm: float = 75.0,
) -> Axes:
    """Draw residuals of events over (transformed) time with their smooth.

    Proportional hazards are a level line; the dashed one is the estimate of the model. The axis is spaced by
    the transformation of time, its ticks are times.

    Parameters
    ----------
    points : DataFrame
        One row per event: ``time``, its ``position`` on the axis, and ``estimate``, the residual.
    line : DataFrame
        The smooth: ``position, estimate, conf_low, conf_high``.
    constant : float
        The estimate of the model.
    ylabel, xlabel : str
        Labels of the axes.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        The points are the line of gid ``residual``, the smooth that of gid ``smooth``.
    """
    require_columns(points, ["time", "position", "estimate"], "the course of a hazard ratio")
    require_columns(line, ["position", "estimate", "conf_low", "conf_high"], "the course of a hazard ratio")
    color = palette.OKABE_ITO[0]
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        ax.plot(
            points["position"],
            points["estimate"],
            "o",
            markersize=2.4,
            mfc="none",
            mec=style.MUTED_COLOR,
            mew=0.6,
            gid="residual",
            zorder=2,
        )
        ax.fill_between(
            line["position"],
            line["conf_low"],
            line["conf_high"],
            color=color,
            alpha=0.18,
            linewidth=0,
            zorder=1,
        )
        ax.plot(
            line["position"],
            line["estimate"],
            color=color,
            linewidth=style.LINE_WIDTH,
            gid="smooth",
            zorder=4,
        )
        ax.axhline(0.0, color=style.AXIS_COLOR, linewidth=0.5, zorder=0)
        ax.axhline(constant, color="#000000", linewidth=0.9, linestyle=(0, (4, 3)), gid="constant", zorder=3)
        _time_ticks(ax, points)
        ax.set_xlabel(xlabel, fontsize=style.FONT_SIZE, labelpad=2)
        ax.set_ylabel(wrapped(ylabel, 44), fontsize=style.FONT_SIZE, labelpad=2)
        layout.fit(ax)
    style.add_notes(
        ax,
        [
            "Points are scaled Schoenfeld residuals of events, the curve a natural cubic spline with pointwise "
            "confidence band, the dashed line the constant log hazard ratio of the model.",
        ],
    )
    return ax


def _time_ticks(ax: Axes, points: pd.DataFrame) -> None:
    """Mark times about equally far apart on the axis."""
    known = points.drop_duplicates("time").sort_values("time")
    position, time = known["position"].to_numpy(dtype=float), known["time"].to_numpy(dtype=float)
    wanted = np.linspace(position[0], position[-1], _TICKS)
    nearest = np.unique(np.abs(position[:, None] - wanted).argmin(axis=0))
    ax.set_xticks(position[nearest], [f"{t:g}" for t in time[nearest]])
