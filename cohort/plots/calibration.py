"""Observed against predicted risk: groups with limits, a smooth curve with its band, and the spread of risks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ("predicted", "estimate", "conf_low", "conf_high")
_SPREAD = 0.12


def plot_calibration(
    groups: pd.DataFrame,
    curve: pd.DataFrame,
    bins: NDArray[np.int64],
    *,
    xlabel: str = "Predicted risk (%)",
    ylabel: str = "Observed risk (%)",
    ax: Axes | None = None,
    width_mm: float = 85.0,
    height_mm: float = 88.0,
) -> Axes:
    """Draw observed against predicted risk.

    Parameters
    ----------
    groups, curve : DataFrame
        ``predicted, estimate, conf_low, conf_high`` of groups of patients, and along the predicted risk (may be empty).
    bins : array of shape (k,)
        Patients by predicted risk in k bins from 0 to 1, drawn as bars under the diagram.
    xlabel, ylabel : str
        Labels of the axes.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Groups are the line of gid ``groups``, the curve that of gid ``curve``, the diagonal ``ideal``, bars ``bins``.

    Raises
    ------
    CohortError
        When a column is missing.
    """
    require_columns(groups, _COLUMNS, "the groups of a calibration plot")
    require_columns(curve, _COLUMNS, "the curve of a calibration plot")
    blue, orange = palette.OKABE_ITO[:2]
    end = _end(groups, curve, bins)
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        ax.plot(
            [0, end],
            [0, end],
            color=style.MUTED_COLOR,
            linewidth=0.7,
            linestyle=(0, (4, 3)),
            gid="ideal",
            zorder=1,
        )
        if len(curve):
            x, y, low, high = (curve[name].to_numpy(dtype=float) for name in _COLUMNS)
            ax.fill_between(x, low, np.minimum(high, end), color=blue, alpha=0.18, linewidth=0)
            ax.plot(x, y, color=blue, linewidth=style.LINE_WIDTH, gid="curve", zorder=3)
        known = groups[groups["estimate"].notna()]
        x, y, low, high = (known[name].to_numpy(dtype=float) for name in _COLUMNS)
        for at, bottom, top in zip(x, low, high, strict=True):
            ax.plot([at, at], [bottom, top], color=orange, linewidth=0.9, gid="limits", zorder=4)
        ax.plot(x, y, "o", color=orange, markersize=4, gid="groups", zorder=5)
        _draw_bins(ax, bins, end)
        ticks = _ticks(end)
        ax.set_xticks(ticks, [f"{100 * t:g}" for t in ticks])
        ax.set_yticks(ticks, [f"{100 * t:g}" for t in ticks])
        ax.set_xlim(0, end)
        ax.set_ylim(-_SPREAD * end, end)
        ax.spines["left"].set_bounds(0, end)
        ax.set_xlabel(xlabel, labelpad=2)
        ax.set_ylabel(ylabel, labelpad=3)
        layout.fit(ax)
        key = [Swatch("groups of risk", orange, orange, marker="o")]
        key += [Swatch("smooth curve", blue)] if len(curve) else []
        draw_key(ax, key, side="above")
        layout.fit(ax)
    style.add_notes(ax, ["Bars below the diagram: patients by predicted risk. Dashed: perfect calibration."])
    return ax


def _end(groups: pd.DataFrame, curve: pd.DataFrame, bins: NDArray[np.int64]) -> float:
    """Return where both axes end: all limits of groups and all predictions fit."""
    last = (np.flatnonzero(bins).max(initial=0) + 1) / len(bins)
    highest = [last, *groups["conf_high"].dropna(), *curve["estimate"]]
    return min(1.0, float(np.ceil(max(highest) * 10 - 1e-9)) / 10)


def _ticks(end: float) -> list[float]:
    step = 0.2 if end > 0.5 else 0.1 if end > 0.2 else 0.05
    return [round(step * k, 2) for k in range(int(np.floor(end / step + 1e-9)) + 1)]


def _draw_bins(ax: Axes, bins: NDArray[np.int64], end: float) -> None:
    from matplotlib.patches import Rectangle

    width = 1 / len(bins)
    for k in np.flatnonzero(bins).tolist():
        height = 0.75 * _SPREAD * end * bins[k] / bins.max()
        at = (k * width, -_SPREAD * end)
        ax.add_patch(Rectangle(at, 0.9 * width, height, facecolor=style.HATCH_COLOR, gid="bins", zorder=2))
