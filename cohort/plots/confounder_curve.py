"""Curves of the confounders that would explain an association away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.errors import CohortError
from cohort.plots import layout
from cohort.plots.curves import require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_confounder_curve(
    frame: pd.DataFrame, *, ax: Axes | None = None, width_mm: float = 85.0, height_mm: float = 75.0
) -> Axes:
    """Draw, for each bias factor B, the pairs (x, y) of risk ratios with x y / (x + y - 1) = B.

    A confounder on or above a curve could explain the association away, one below could not. The mark is the
    E-value, where both associations are equal.

    Parameters
    ----------
    frame : DataFrame
        ``strata``, the name of the curve, and ``estimate``, its bias factor, above 1;
        without rows only the axes are drawn.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Curves are the ``ax.lines`` of gid ``curve``, the E-values those of gid ``e_value``.

    Raises
    ------
    CohortError
        When a column is missing, or a factor is not above 1.
    """
    if len(frame):
        require_columns(frame, ["strata", "estimate"], "the curve of confounders")
    factors = frame["estimate"].to_numpy(dtype=float)
    if not ((factors > 1) & np.isfinite(factors)).all():
        raise CohortError("A bias factor is not above 1.", evidence=f"{len(factors)} factors")
    e_values = factors + np.sqrt(factors * (factors - 1))
    end = 2.2 * float(e_values.max()) if len(factors) else 3.0
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        for i, (factor, e) in enumerate(zip(factors.tolist(), e_values.tolist(), strict=True)):
            _draw_curve(ax, factor, e, end, i)
        ax.set_xlim(1, end)
        ax.set_ylim(1, end)
        ax.set_xlabel("Risk ratio of confounder with exposure", fontsize=style.FONT_SIZE, labelpad=2)
        ax.set_ylabel("Risk ratio of confounder with outcome", fontsize=style.FONT_SIZE, labelpad=2)
        layout.fit(ax)
        names = [
            f"{name}: E-value {e:.2f}" for name, e in zip(frame["strata"].astype(str), e_values, strict=True)
        ] or ["nothing to explain away"]
        colors = palette.OKABE_ITO[: len(names)] if len(factors) else ("#FFFFFF",)
        draw_key(ax, [Swatch(n, c) for n, c in zip(names, colors, strict=True)], side="above")
        layout.fit(ax)
    return ax


def _draw_curve(ax: Axes, factor: float, e: float, end: float, i: int) -> None:
    color = palette.OKABE_ITO[i % len(palette.OKABE_ITO)]
    # y = B (x - 1) / (x - B), from where it enters the axes to their end
    start = factor * (end - 1) / (end - factor)
    x = np.geomspace(start, end, 200)
    y = factor * (x - 1) / (x - factor)
    look = palette.LINE_STYLES[i % len(palette.LINE_STYLES)]
    ax.plot(x, y, color=color, linewidth=style.LINE_WIDTH, linestyle=look, gid="curve", zorder=2)
    ax.plot([e], [e], "o", color=color, markersize=4, gid="e_value", zorder=3, clip_on=False)
