"""Draws the heat map of a registry's quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import style
from cohort.format import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MAX_ROWS = 32
WIDTH_MM, ROW_MM, CELL_MM, LABEL_MM = 174.0, 4.2, 9.0, 34.0


def plot_quality(quality: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw variables by center: the largest share of violated rows of any check.

    Parameters
    ----------
    quality : DataFrame
        From `Registry.quality`.
    ax : Axes, optional
        A new figure by default.

    Returns
    -------
    Axes
        The axes drawn on; cells without rows are left white.
    """
    import matplotlib.pyplot as plt

    shares = quality_matrix(quality)
    hidden = max(len(shares) - MAX_ROWS, 0)
    if hidden:
        worst = shares.max(axis=1).sort_values(ascending=False, kind="stable").index[:MAX_ROWS]
        shares = shares.loc[[name for name in shares.index if name in set(worst)]]
    if ax is None:
        height = (ROW_MM * max(len(shares), 2) + LABEL_MM) * style.MM
        figure = plt.figure(figsize=(WIDTH_MM * style.MM, height))
        left, bottom = 58 / WIDTH_MM, (LABEL_MM - 4) * style.MM / height
        width = min(len(shares.columns) * CELL_MM, WIDTH_MM - 62) / WIDTH_MM
        ax = figure.add_axes((left, bottom, width, 1 - bottom - 3 * style.MM / height))
    notes = ["Cells without a number are 0%."]
    if hidden:
        notes.append(f"{hidden} variables with smaller shares are not shown.")
    style.add_notes(ax, notes)
    with style.theme():
        _draw(ax, shares)
    return ax


def _draw(ax: Axes, shares: pd.DataFrame) -> None:
    values = np.ma.masked_invalid(shares.to_numpy(dtype=float))
    ax.tick_params(length=0, labelsize=style.SMALL_FONT_SIZE)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if not values.size:
        ax.set_axis_off()
        ax.text(0, 0.5, "No check is violated.", transform=ax.transAxes, fontsize=style.FONT_SIZE)
        return
    fonts = style.available_fonts()
    ax.pcolormesh(values, cmap="Blues", vmin=0, vmax=100, edgecolors="white", linewidth=0.6)
    for (row, column), value in np.ndenumerate(shares.to_numpy(dtype=float)):
        if np.isfinite(value) and value > 0:
            ax.text(
                column + 0.5,
                row + 0.5,
                percent(value, 100, 0).removesuffix("%") if value >= 1 else "<1",
                ha="center",
                va="center",
                fontsize=style.SMALL_FONT_SIZE,
                fontfamily=fonts,
                color="white" if value > 55 else "black",
            )
    labels = [str(one) for one in shares.columns]
    ax.set_xticks(np.arange(len(labels)) + 0.5, labels, rotation=90, fontfamily=fonts)
    names = [str(one).replace("_", " ") for one in shares.index]
    ax.set_yticks(np.arange(len(names)) + 0.5, names, fontfamily=fonts)
    ax.invert_yaxis()


def quality_matrix(quality: pd.DataFrame) -> pd.DataFrame:
    """Return the largest share violated, in percent, by variable and center, for variables that violate any check.

    Parameters
    ----------
    quality : DataFrame
        From `Registry.quality`.
    """
    rows = quality[(quality["center_id"] != "all") & (quality["denominator"] > 0)]
    label = rows["table"] + " · " + rows["variable"].where(rows["variable"] != "", "key")
    center = rows["source"].astype(str) + " · " + rows["center_id"].astype(str)
    long = pd.DataFrame({"variable": label, "center": center, "percent": rows["percent"].astype(float)})
    order = long["variable"].drop_duplicates()
    wide = long.pivot_table(index="variable", columns="center", values="percent", aggfunc="max")
    wide = wide.reindex(order)
    return wide[(wide > 0).any(axis=1)]
