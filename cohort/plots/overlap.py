"""Overlap of two groups: mirrored histograms of the propensity, before and after weighting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.errors import CohortError
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_overlap(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    xlabel: str = "Propensity",
    width_mm: float = 100.0,
    height_mm: float = 62.0,
) -> Axes:
    """Draw the first group upward and the second downward; bars are patients, lines the weighted groups.

    Parameters
    ----------
    frame : DataFrame
        One row per group and bin: ``strata`` (two), ``bin_low``, ``bin_high``, ``n`` (patients) and ``weighted``
        (sum of weights).
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    xlabel : str
        Label of the axis.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Bars are the ``ax.patches`` of gid ``patients``, lines the ``ax.lines`` of gid ``weighted``.

    Raises
    ------
    CohortError
        When a column is missing, or there are not two groups.
    """
    require_columns(frame, ["strata", "bin_low", "bin_high", "n", "weighted"], "the overlap plot")
    groups = keys_in(frame, "strata")
    if len(groups) != 2:
        raise CohortError("The overlap plot needs two groups.", evidence=f"{len(groups)} given")
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        for i, group in enumerate(groups):
            _draw_group(ax, frame[frame["strata"].astype(str) == group], i)
        ax.axhline(0, color=style.AXIS_COLOR, linewidth=0.6, zorder=4)
        ax.set_xlim(frame["bin_low"].min(), frame["bin_high"].max())
        ax.margins(y=0.05)
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        ax.set_xlabel(xlabel, fontsize=style.FONT_SIZE, labelpad=2)
        ax.set_ylabel("Patients (bars), weights (lines)", fontsize=style.FONT_SIZE, labelpad=2)
        layout.fit(ax)
        names = [f"{readable(g)} ({'up' if i == 0 else 'down'})" for i, g in enumerate(groups)]
        draw_key(ax, [Swatch(n, _face(i)) for i, n in enumerate(names)], side="above")
        layout.fit(ax)
    return ax


def _face(i: int) -> str:
    return palette.blend(palette.OKABE_ITO[i], "#FFFFFF", 0.5)


def _draw_group(ax: Axes, rows: pd.DataFrame, i: int) -> None:
    sign = 1 if i == 0 else -1
    low, high = rows["bin_low"].to_numpy(dtype=float), rows["bin_high"].to_numpy(dtype=float)
    bars = ax.bar(
        low,
        sign * rows["n"].to_numpy(dtype=float),
        width=high - low,
        align="edge",
        color=_face(i),
        edgecolor="#FFFFFF",
        linewidth=0.4,
        zorder=2,
    )
    for bar in bars:
        bar.set_gid("patients")
    weighted = sign * rows["weighted"].to_numpy(dtype=float)
    ax.plot(
        np.column_stack([low, high]).ravel(),
        np.repeat(weighted, 2),
        color=palette.OKABE_ITO[i],
        linewidth=style.LINE_WIDTH,
        gid="weighted",
        zorder=3,
    )
