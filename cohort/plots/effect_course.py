"""A hazard ratio that changes: over time since the origin, or over the landmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from cohort import style
from cohort.plots import layout
from cohort.plots.curves import Group, keys_in, make_groups, require_columns, rows_of, wrapped
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NEEDED = ["time", "estimate", "conf_low", "conf_high"]
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_FINE = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0)


def plot_effect_course(
    frame: pd.DataFrame,
    *,
    ylabel: str,
    xlabel: str,
    notes: Sequence[str] = (),
    ax: Axes | None = None,
    width_mm: float = 115.0,
    height_mm: float = 75.0,
) -> Axes:
    """Draw a ratio over time with its band, on a logarithmic axis with a line at one.

    Parameters
    ----------
    frame : DataFrame
        ``time, estimate, conf_low, conf_high`` (exponentiated) and, as far as there are, ``strata`` (the curve)
        and ``time_low``: the ratio then holds from there to ``time``, and is drawn in steps.
    ylabel, xlabel : str
        Labels of the axes.
    notes : sequence of str, default=()
        Notes beside the standard one.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Curves are the ``ax.lines`` of gid ``curve``.

    Raises
    ------
    CohortError
        When a column is missing.
    """
    require_columns(frame, _NEEDED, "the course of a ratio")
    groups = make_groups(keys_in(frame, "strata"))
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        ax.set_yscale("log")
        for group in groups:
            _draw(ax, rows_of(frame, "strata", group.key).sort_values("time"), group)
        ax.axhline(1.0, color=style.AXIS_COLOR, linewidth=0.6, linestyle=(0, (4, 3)), gid="one", zorder=0)
        _ticks(ax, frame)
        ax.margins(x=0.02)
        ax.set_xlabel(xlabel, fontsize=style.FONT_SIZE, labelpad=2)
        ax.set_ylabel(wrapped(ylabel, 40), fontsize=style.FONT_SIZE, labelpad=2)
        layout.fit(ax)
        if groups[0].label:
            draw_key(ax, [Swatch(group.label, group.color) for group in groups], side="above")
            layout.fit(ax)
    style.add_notes(ax, ["Bands are pointwise confidence limits; the ratio axis is logarithmic.", *notes])
    return ax


def _draw(ax: Axes, rows: pd.DataFrame, group: Group) -> None:
    time, estimate, low, high = (rows[name].to_numpy(dtype=float) for name in _NEEDED)
    if "time_low" in rows.columns and rows["time_low"].notna().all():
        time = np.column_stack([rows["time_low"].to_numpy(dtype=float), time]).ravel()
        estimate, low, high = (np.repeat(values, 2) for values in (estimate, low, high))
    ax.fill_between(time, low, high, color=group.color, alpha=0.16, linewidth=0, gid="band", zorder=1)
    ax.plot(
        time,
        estimate,
        color=group.color,
        linestyle=group.line_style,
        linewidth=style.LINE_WIDTH,
        gid="curve",
        zorder=3,
    )


def _ticks(ax: Axes, frame: pd.DataFrame) -> None:
    """Mark ratios a reader knows; limits without bound do not stretch the axis."""
    estimate = frame["estimate"].to_numpy(dtype=float)
    low = max(float(frame["conf_low"].min()), float(estimate.min()) / 20)
    high = min(float(frame["conf_high"].max()), float(estimate.max()) * 20)
    low, high = min(low, 0.9), max(high, 1.1)
    ax.set_ylim(low / 1.05, high * 1.05)
    ticks = [t for t in (_FINE if high / low < 4 else _TICKS) if low / 1.05 <= t <= high * 1.05]
    ax.set_yticks(ticks)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
