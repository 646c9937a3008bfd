"""Bounds of proportions: a bar from the lowest to the highest possible value, with limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import keys_in, refuse_repeats, require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_MM = 7.0


def plot_bounds(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    xlabel: str = "Proportion with the finding",
    width_mm: float = 100.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw for each group the bounds as a bar, their limits as a line, and the known-only value as a mark.

    Parameters
    ----------
    frame : DataFrame
        Rows of ``strata`` and ``method`` (``bounds``, ``known_only``) with ``estimate``, ``bound_low``,
        ``bound_high``, ``conf_low`` and ``conf_high``.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose height follows from the groups.
    xlabel : str
        Label of the axis.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Bars are the ``ax.patches`` of gid ``bounds``, marks the ``ax.lines`` of gid ``known_only``.

    Raises
    ------
    CohortError
        When a column is missing, or a group has two rows of one method.
    """
    needed = ["strata", "method", "estimate", "bound_low", "bound_high", "conf_low", "conf_high"]
    require_columns(frame, needed, "the plot of bounds")
    refuse_repeats(frame, ["strata", "method"], "the plot of bounds")
    groups = keys_in(frame, "strata")
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        ax.set_ylim(len(groups) - 0.5, -0.5)
        ax.set_yticks(range(len(groups)), groups)
        ax.tick_params(axis="y", length=0, pad=4)
        ax.spines["left"].set_visible(False)
        ax.set_xlim(0, 1)
        ax.set_xlabel(xlabel, fontsize=style.FONT_SIZE, labelpad=2)
        for y, group in enumerate(groups):
            _draw_group(ax, frame[frame["strata"].astype(str) == group], y)
        layout.fit(ax)
        blue, orange = palette.OKABE_ITO[:2]
        key = [Swatch("bounds, all patients", palette.blend(blue, "#FFFFFF", 0.5))]
        draw_key(ax, [*key, Swatch("known only", orange, orange, marker="D")], side="above")
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _ROW_MM * len(groups))
    return ax


def _draw_group(ax: Axes, rows: pd.DataFrame, y: int) -> None:
    from matplotlib.patches import Rectangle

    blue, orange = palette.OKABE_ITO[:2]
    for method, color, at in (("bounds", blue, y - 0.12), ("known_only", orange, y + 0.26)):
        values = rows[rows["method"] == method][["conf_low", "conf_high"]].to_numpy(dtype=float)
        if len(values) and np.isfinite(values).all():
            ax.plot(values[0], [at, at], color=color, linewidth=0.9, gid="limits", zorder=2, clip_on=False)
    ends = rows[rows["method"] == "bounds"][["bound_low", "bound_high"]].to_numpy(dtype=float)
    if len(ends) and np.isfinite(ends).all():
        low, high = ends[0].tolist()
        face = palette.blend(blue, "#FFFFFF", 0.5)
        ax.add_patch(Rectangle((low, y - 0.24), high - low, 0.24, facecolor=face, gid="bounds", zorder=3))
    known = rows[rows["method"] == "known_only"]["estimate"].to_numpy(dtype=float)
    ax.plot(known, [y + 0.26] * len(known), "D", color=orange, markersize=3.4, gid="known_only", zorder=4)
