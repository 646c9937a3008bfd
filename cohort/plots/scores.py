"""How good scores are over time: estimates with limits, one color per score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, require_columns, rows_of
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = ("o", "s", "D", "^", "v", "P")


def plot_scores(
    frame: pd.DataFrame,
    *,
    ylabel: str,
    unit: str = "days",
    reference: float | None = None,
    top: float | None = None,
    ax: Axes | None = None,
    width_mm: float = 85.0,
    height_mm: float = 65.0,
) -> Axes:
    """Draw each score's estimate with its limits at every time, side by side.

    Parameters
    ----------
    frame : DataFrame
        ``term, time, estimate, conf_low, conf_high``.
    ylabel : str
        What the estimate is.
    unit : str
        Unit of time.
    reference : float, default=None
        Value of a useless score, drawn as a dashed line.
    top : float, default=None
        Upper end of the axis.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Estimates are the ``ax.lines`` of gid ``estimate TERM``, limits those of gid ``limits``.

    Raises
    ------
    CohortError
        When a column is missing.
    """
    require_columns(frame, ["term", "time", "estimate", "conf_low", "conf_high"], "the plot of scores")
    names, times = keys_in(frame, "term"), np.unique(frame["time"].to_numpy(dtype=float))
    colors = [palette.OKABE_ITO[i % len(palette.OKABE_ITO)] for i in range(len(names))]
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        if reference is not None:
            dashed = (0, (4, 3))
            ax.axhline(
                reference,
                color=style.MUTED_COLOR,
                linewidth=0.7,
                linestyle=dashed,
                gid="reference",
                zorder=1,
            )
        for i, name in enumerate(names):
            shift = 0.16 * (i - (len(names) - 1) / 2)
            _draw_score(
                ax, rows_of(frame, "term", name), times, shift, colors[i], _MARKERS[i % len(_MARKERS)]
            )
        ax.set_xlim(-0.6, len(times) - 0.4)
        ax.set_xticks(range(len(times)), [f"{time:g}" for time in times])
        if top is not None:
            ax.set_ylim(top=top)
        low, high = ax.get_ylim()
        if reference is not None and reference < low:
            ax.set_ylim(reference - 0.05 * (high - reference), high)
        ax.set_xlabel(unit[:1].upper() + unit[1:], labelpad=2)
        ax.set_ylabel(ylabel, labelpad=3)
        layout.fit(ax)
        key = [
            Swatch(readable(name), color, color, marker=_MARKERS[i % len(_MARKERS)])
            for i, (name, color) in enumerate(zip(names, colors, strict=True))
        ]
        draw_key(ax, key, side="above")
        layout.fit(ax)
    return ax


def _draw_score(
    ax: Axes, rows: pd.DataFrame, times: np.ndarray, shift: float, color: str, marker: str
) -> None:
    x = np.searchsorted(times, rows["time"].to_numpy(dtype=float)) + shift
    values = rows[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)
    for at, (_, low, high) in zip(x.tolist(), values.tolist(), strict=True):
        ax.plot([at, at], [low, high], color=color, linewidth=0.9, gid="limits", zorder=2)
    ax.plot(
        x, values[:, 0], marker, color=color, markersize=4, gid=f"estimate {rows['term'].iloc[0]}", zorder=3
    )
