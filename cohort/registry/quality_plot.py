"""Draws the heat map of a registry's quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.format import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    if ax is None:
        size = (2.6 + 0.62 * max(shares.shape[1], 1), 1.2 + 0.24 * max(len(shares), 1))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    values = np.ma.masked_invalid(shares.to_numpy(dtype=float))
    ax.set_title("Largest share of rows that violate a check", loc="left", fontsize=9)
    if not values.size:
        ax.set_axis_off()
        ax.text(0, 0.5, "No check is violated.", transform=ax.transAxes)
        return ax
    ax.pcolormesh(values, cmap="Blues", vmin=0, vmax=100, edgecolors="white", linewidth=1)
    for (row, column), value in np.ndenumerate(shares.to_numpy(dtype=float)):
        if np.isfinite(value):
            color = "white" if value > 55 else "black"
            text = percent(value, 100, 0)
            ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7, color=color)
    ax.set_xticks(
        np.arange(shares.shape[1]) + 0.5, [str(one) for one in shares.columns], rotation=90, fontsize=7
    )
    ax.set_yticks(np.arange(len(shares)) + 0.5, [str(one) for one in shares.index], fontsize=7)
    ax.invert_yaxis()
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


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
