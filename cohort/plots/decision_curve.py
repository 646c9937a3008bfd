"""Net benefit against the threshold, beside treating all and treating none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import keys_in, require_columns, rows_of
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ALL, _NONE = "treat all", "treat none"


def plot_decision_curve(
    frame: pd.DataFrame, *, ax: Axes | None = None, width_mm: float = 95.0, height_mm: float = 75.0
) -> Axes:
    """Draw net benefit of each strategy; below a little under zero the axis is cut.

    Parameters
    ----------
    frame : DataFrame
        ``term, threshold, estimate``; ``treat all`` and ``treat none`` are drawn in gray and black.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Curves are the ``ax.lines`` of gid ``curve TERM``.

    Raises
    ------
    CohortError
        When a column is missing.
    """
    require_columns(frame, ["term", "threshold", "estimate"], "the decision curve")
    names = keys_in(frame, "term")
    own = [name for name in names if name not in (_ALL, _NONE)]
    colors = {name: palette.OKABE_ITO[i % len(palette.OKABE_ITO)] for i, name in enumerate(own)}
    colors |= {_ALL: style.HATCH_COLOR, _NONE: "#000000"}
    top = float(np.nanmax(frame["estimate"].to_numpy(dtype=float), initial=0.02)) * 1.08
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        for i, name in enumerate([n for n in (_ALL, _NONE) if n in names] + own):
            rows = rows_of(frame, "term", name)
            look = palette.LINE_STYLES[own.index(name) % len(palette.LINE_STYLES)] if name in own else "solid"
            ax.plot(
                rows["threshold"],
                rows["estimate"],
                color=colors[name],
                linewidth=0.9 if name not in own else style.LINE_WIDTH,
                linestyle=look,
                gid=f"curve {name}",
                zorder=2 + i,
            )
        thresholds = frame["threshold"].to_numpy(dtype=float)
        ax.set_ylim(-0.25 * top, top)
        ax.set_xlim(0, min(1.0, float(thresholds.max()) * 1.02))
        ticks = [t for t in (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1) if t <= ax.get_xlim()[1]]
        ax.set_xticks(ticks, [f"{100 * t:g}" for t in ticks])
        ax.set_xlabel("Threshold of predicted risk (%)", labelpad=2)
        ax.set_ylabel("Net benefit", labelpad=3)
        layout.fit(ax)
        draw_key(
            ax, [Swatch(name, colors[name]) for name in [*own, _ALL, _NONE] if name in names], side="above"
        )
        layout.fit(ax)
    return ax
