"""Accuracy of a test: proportions of the verified and corrected with their limits, over bars of their bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, refuse_repeats, require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_MM = 8.0
_PLACES = {"verified": 0.2, "corrected": -0.08, "bounds": -0.08}
_MARKERS = {"verified": "D", "corrected": "o"}


def plot_accuracy(
    frame: pd.DataFrame,
    *,
    corrected: str = "corrected",
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    width_mm: float = 110.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw for each measure the proportion of the verified, the corrected one, and the bounds.

    Parameters
    ----------
    frame : DataFrame
        Rows of ``term`` and ``method`` (``verified``, ``corrected``, ``bounds``) with ``estimate``, ``conf_low``,
        ``conf_high``, ``bound_low`` and ``bound_high``.
    corrected : str, default='corrected'
        Name of the correction for the key.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose height follows from the measures.
    labels : mapping, default=None
        Text by measure.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Bars are the ``ax.patches`` of gid ``bounds``, marks the ``ax.lines`` of gid ``verified`` and
        ``corrected``, limits those of gid ``limits``.

    Raises
    ------
    CohortError
        When a column is missing, or a measure has two rows of one method.
    """
    needed = ["term", "method", "estimate", "conf_low", "conf_high", "bound_low", "bound_high"]
    require_columns(frame, needed, "the plot of accuracy")
    refuse_repeats(frame, ["term", "method"], "the plot of accuracy")
    terms = keys_in(frame, "term")
    several = len(keys_in(frame, "method")) > 1
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        ax.set_ylim(len(terms) - 0.5, -0.5)
        ax.set_yticks(range(len(terms)), [(labels or {}).get(t, readable(t).capitalize()) for t in terms])
        ax.tick_params(axis="y", length=0, pad=4)
        ax.spines["left"].set_visible(False)
        ax.set_xlim(0, 1)
        ax.set_xlabel("Proportion", fontsize=style.FONT_SIZE, labelpad=2)
        for y, term in enumerate(terms):
            for method in ("bounds", "verified", "corrected"):
                rows = frame[(frame["term"].astype(str) == term) & (frame["method"] == method)]
                if len(rows):
                    _draw(
                        ax,
                        rows.iloc[0],
                        method,
                        y + (_PLACES[method] if several else 0),
                    )
        layout.fit(ax)
        draw_key(ax, _key(frame, corrected), side="above")
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _ROW_MM * len(terms))
    return ax


def _colors() -> dict[str, str]:
    blue, orange = palette.OKABE_ITO[:2]
    return {"verified": orange, "corrected": blue, "bounds": palette.blend(blue, "#FFFFFF", 0.65)}


def _draw(ax: Axes, row: pd.Series, method: str, y: float) -> None:
    from matplotlib.patches import Rectangle

    color = _colors()[method]
    if method == "bounds":
        low, high = float(row["bound_low"]), float(row["bound_high"])
        if np.isfinite([low, high]).all():
            bar = Rectangle((low, y - 0.13), high - low, 0.26, facecolor=color, gid="bounds", zorder=1)
            ax.add_patch(bar)
        return
    limits = [float(row["conf_low"]), float(row["conf_high"])]
    if np.isfinite(limits).all():
        ax.plot(limits, [y, y], color=color, linewidth=1.0, gid="limits", zorder=3, clip_on=False)
    if np.isfinite(row["estimate"]):
        ax.plot(
            [row["estimate"]],
            [y],
            _MARKERS[method],
            color=color,
            markersize=4.0,
            gid=method,
            zorder=4,
            clip_on=False,
        )


def _key(frame: pd.DataFrame, corrected: str) -> list[Swatch]:
    colors, methods = _colors(), set(frame["method"])
    names = {"verified": "verified only" if len(methods) > 1 else "everyone verified", "corrected": corrected}
    key = [
        Swatch(names[m], colors[m], colors[m], marker=_MARKERS[m])
        for m in ("verified", "corrected")
        if m in methods
    ]
    if "bounds" in methods:
        key.append(Swatch("bounds, whatever the unverified have", colors["bounds"]))
    return key
