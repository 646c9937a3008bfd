"""Estimates on their natural scale with their intervals: kappas, sensitivities, intraclass correlations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import palette, style
from cohort.format import MISSING_TEXT, fixed, interval
from cohort.plots import layout
from cohort.plots.curves import readable, require_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_MM = 4.6
_GAP_PT = 6.0


def plot_coefficients(
    frame: pd.DataFrame,
    *,
    xlabel: str,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    limits: tuple[float, float] | None = None,
    reference: float | None = None,
    conf_level: float = 0.95,
    width_mm: float = 150.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw one row per estimate: its name, the estimate with its interval, and both as text.

    Parameters
    ----------
    frame : DataFrame
        Tidy frame: ``term``, ``estimate``, ``conf_low``, ``conf_high``, and if known ``level``. Rows stay in
        their order. An estimate without limits is drawn alone; one that is missing prints NE.
    xlabel : str
        Label of the axis.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose height follows from the rows.
    labels : mapping, default=None
        Text by term.
    limits : tuple of float, default=None
        Ends of the axis; by default 0 to 1, or lower where an interval goes below 0.
    reference : float, default=None
        Value of a dashed line.
    conf_level : float, default=0.95
        Level of the intervals, for the head of the column.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Estimates are the ``ax.lines`` of gid ``estimate``, intervals those of gid ``interval``.

    Raises
    ------
    CohortError
        When a column is missing.
    """
    require_columns(frame, ["term", "estimate", "conf_low", "conf_high"], "the plot of coefficients")
    values = frame[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float, na_value=np.nan)
    low, high = limits or _ends(values)
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        ax.set_xlim(low, high)
        ax.set_ylim(len(frame) - 0.5, -1.2)
        ax.set_yticks(range(len(frame)), _names(frame, labels or {}))
        ax.tick_params(axis="y", length=0, pad=4)
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(xlabel, fontsize=style.FONT_SIZE, labelpad=2)
        for y, (estimate, lower, upper) in enumerate(values.tolist()):
            _draw_row(ax, y, estimate, lower, upper)
        _line(ax, reference)
        _text_column(ax, f"Estimate ({100 * conf_level:g}% CI)", [_text(*row) for row in values.tolist()])
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _ROW_MM * (len(frame) + 0.7))
    return ax


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    """Take 0 to 1, and wider steps of 0.2 where something lies outside."""
    finite = values[np.isfinite(values)]
    low = min(0.0, float(finite.min())) if len(finite) else 0.0
    high = max(1.0, float(finite.max())) if len(finite) else 1.0
    return float(np.floor(low * 5) / 5), float(np.ceil(high * 5) / 5)


def _names(frame: pd.DataFrame, labels: Mapping[str, str]) -> list[str]:
    names = [labels.get(str(term), readable(str(term))) for term in frame["term"]]
    if "level" not in frame:
        return names
    levels = frame["level"].fillna("").astype(str)
    return [f"{name}: {level}" if level else name for name, level in zip(names, levels, strict=True)]


def _draw_row(ax: Axes, y: int, estimate: float, low: float, high: float) -> None:
    if y % 2:
        ax.axhspan(y - 0.5, y + 0.5, color=style.ZEBRA_COLOR, linewidth=0, zorder=0)
    if np.isfinite(low) and np.isfinite(high):
        ax.plot([low, high], [y, y], "-", color="#000000", linewidth=0.8, zorder=2, gid="interval")
    if np.isfinite(estimate):
        color = palette.OKABE_ITO[0]
        ax.plot([estimate], [y], "s", markersize=4.2, color=color, zorder=3, gid="estimate", clip_on=False)


def _line(ax: Axes, reference: float | None) -> None:
    if reference is not None:
        dashes = (0, (4, 2))
        ax.axvline(
            reference, color=style.MUTED_COLOR, linewidth=0.6, linestyle=dashes, zorder=1, gid="reference"
        )


def _text(estimate: float, low: float, high: float) -> str:
    if not np.isfinite(estimate):
        return MISSING_TEXT
    if not (np.isfinite(low) and np.isfinite(high)):
        return fixed(estimate, 2)
    return f"{fixed(estimate, 2)} ({interval(low, high)})"


def _text_column(ax: Axes, head: str, texts: list[str]) -> None:
    for y, words in enumerate(texts):
        base = layout.points_from(ax, 1, y, ax.get_yaxis_transform())
        layout.put(ax, _GAP_PT, 0, words, base, ha="left", va="center_baseline")
    base = layout.points_from(ax, 1, -0.9, ax.get_yaxis_transform())
    layout.put(ax, _GAP_PT, 0, head, base, ha="left", va="center_baseline", fontweight="bold")
