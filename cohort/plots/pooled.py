"""Pooled estimates beside those of the complete cases, one pair of marks per row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import readable, require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_MM = 6.0
_PAIRS = (
    ("estimate", "conf_low", "conf_high", -0.16, "o", palette.OKABE_ITO[0], palette.OKABE_ITO[0]),
    ("complete_case", "complete_case_low", "complete_case_high", 0.16, "s", "#FFFFFF", style.MUTED_COLOR),
)


def plot_pooled(
    frame: pd.DataFrame,
    *,
    measure: str = "estimate",
    ratio: bool = False,
    null: bool = True,
    conf_level: float = 0.95,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    width_mm: float = 120.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw each pooled estimate with its interval, and below it that of the complete cases.

    Parameters
    ----------
    frame : DataFrame
        ``label``, ``estimate, conf_low, conf_high`` and ``complete_case, complete_case_low,
        complete_case_high``; a missing estimate draws nothing.
    measure : str, default='estimate'
        Name of the estimate, for the axis.
    ratio : bool, default=False
        Whether the axis is logarithmic about 1.
    null : bool, default=True
        Whether the value without effect (1 of a ratio, else 0) is a line.
    conf_level : float, default=0.95
        Level of the intervals.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    labels : mapping, default=None
        Text by label.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Marks are the ``ax.lines`` of gid ``estimate`` and ``complete_case``, y the row from 0 at the top.
    """
    require_columns(
        frame, ["label", *(name for pair in _PAIRS for name in pair[:3])], "the figure of pooled estimates"
    )
    names = [(labels or {}).get(str(v), readable(str(v))) for v in frame["label"]]
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_yticks(range(len(names)), names)
        ax.tick_params(axis="y", length=0, pad=4)
        if ratio:
            ax.set_xscale("log")
        for y in range(1, len(names), 2):
            ax.axhspan(y - 0.5, y + 0.5, color=style.ZEBRA_COLOR, linewidth=0, zorder=0)
        if null:
            ax.axvline(1 if ratio else 0, color=style.AXIS_COLOR, linewidth=0.6, zorder=1, gid="null")
        for pair in _PAIRS:
            _draw(ax, frame, pair)
        _axis(ax, frame, ratio)
        ax.set_xlabel(f"{measure[:1].upper()}{measure[1:]} ({100 * conf_level:g}% CI)", labelpad=2)
        layout.fit(ax)
        key = [
            Swatch("Multiple imputation", _PAIRS[0][5], _PAIRS[0][6], marker="o"),
            Swatch("Complete cases", _PAIRS[1][5], _PAIRS[1][6], marker="s"),
        ]
        draw_key(ax, key, side="above")
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, max(_ROW_MM * len(names), 14.0))
    return ax


def _draw(ax: Axes, frame: pd.DataFrame, pair: tuple[str, str, str, float, str, str, str]) -> None:
    value, low, high, shift, marker, face, edge = pair
    x, lows, highs = (frame[name].to_numpy(dtype=float, na_value=np.nan) for name in (value, low, high))
    y = np.arange(len(frame)) + shift
    ax.hlines(y, lows, highs, color=edge, linewidth=style.LINE_WIDTH, zorder=2)
    ax.plot(x, y, linestyle="none", marker=marker, markersize=4.0, mfc=face, mec=edge, mew=0.9, gid=value)


def _axis(ax: Axes, frame: pd.DataFrame, ratio: bool) -> None:
    """End the axis at the widest finite limit, and write ratios as numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ends = np.concatenate([frame[n].to_numpy(dtype=float, na_value=np.nan) for p in _PAIRS for n in p[1:3]])
    ends = ends[np.isfinite(ends) & ((ends > 0) | (not ratio))]
    if not ratio:
        return
    far = float(np.clip(np.exp(np.abs(np.log(ends)).max()) if len(ends) else 2.0, 1.5, 200.0)) * 1.1
    ax.set_xlim(1 / far, far)
    ax.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if far < 20 else (1.0,)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
