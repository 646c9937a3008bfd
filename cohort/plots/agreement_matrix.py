"""Matrix of agreement: findings down, measures across, the value as a color and as a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.format import MISSING_TEXT, fixed
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, refuse_repeats, require_columns
from cohort.plots.key import Swatch, draw_key, missing_swatch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL_MM = (22.0, 5.2)
_LIGHT, _DARK = "#F7FBFF", "#08306B"
_STEPS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def plot_agreement_matrix(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    width_mm: float | None = None,
    height_mm: float | None = None,
) -> Axes:
    """Draw a cell for each finding and measure; darker is better agreement.

    Colors stand for six steps from 0 (or less) to 1, the number is printed in the cell; what cannot be
    computed is hatched. No words such as "substantial" are used: they depend on prevalence.

    Parameters
    ----------
    frame : DataFrame
        One row per cell: ``row``, ``measure``, ``estimate``. Order: categories, else order of appearance.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose size follows from the cells.
    labels : mapping, default=None
        Text by row or measure.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Cells are the ``ax.patches`` of gid ``cell``, in the order of the frame's rows.

    Raises
    ------
    CohortError
        When a column is missing, or a cell has two rows.
    """
    require_columns(frame, ["row", "measure", "estimate"], "the matrix of agreement")
    refuse_repeats(frame, ["row", "measure"], "the matrix of agreement")
    rows, measures = keys_in(frame, "row"), keys_in(frame, "measure")
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm or 174.0, height_mm)
        _axes(ax, rows, measures, labels or {})
        _cells(ax, frame, rows, measures)
        layout.fit(ax)
        if new_figure and width_mm is None:
            layout.fit_to_width(ax, _CELL_MM[0] * len(measures), 174.0)
        draw_key(ax, _key(frame))
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _CELL_MM[1] * len(rows))
    return ax


def _axes(ax: Axes, rows: Sequence[str], measures: Sequence[str], labels: Mapping[str, str]) -> None:
    ax.spines[:].set_visible(False)
    ax.set_xlim(-0.5, len(measures) - 0.5)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.xaxis.tick_top()
    heads = [labels.get(m, readable(m)).replace(" ", "\n") for m in measures]
    ax.set_xticks(range(len(measures)), heads, fontweight="bold")
    ax.set_yticks(range(len(rows)), [labels.get(r, readable(r)) for r in rows])
    ax.tick_params(length=0, pad=3)


def _cells(ax: Axes, frame: pd.DataFrame, rows: Sequence[str], measures: Sequence[str]) -> None:
    from matplotlib.patches import Rectangle

    values = frame["estimate"].to_numpy(dtype=float, na_value=np.nan)
    keys = zip(frame["row"].astype(str), frame["measure"].astype(str), values.tolist(), strict=True)
    for row, measure, value in keys:
        x, y, known = measures.index(measure), rows.index(row), np.isfinite(value)
        face = _color(value) if known else "#FFFFFF"
        cell = Rectangle(
            (x - 0.47, y - 0.45),
            0.94,
            0.90,
            facecolor=face,
            edgecolor="#C9CCD1" if known else style.HATCH_COLOR,
            hatch=None if known else style.MISSING_HATCH,
            linewidth=0.4,
            gid="cell",
        )
        ax.add_patch(cell)
        if known:
            ax.text(x, y, fixed(value, 2), ha="center", va="center_baseline", color=palette.ink_on(face))


def _color(value: float) -> str:
    """Give the color of the step at or below the value."""
    step = max(low for low in _STEPS if low <= max(value, 0.0) + 1e-9)
    return palette.blend(_LIGHT, _DARK, step * 0.85)


def _key(frame: pd.DataFrame) -> list[Swatch]:
    texts = [f"below {_STEPS[1]:g}", *(f"{low:g} to {low + 0.2:.1f}" for low in _STEPS[1:-1]), "1"]
    entries = [Swatch(text, _color(low), "#C9CCD1") for text, low in zip(texts, _STEPS, strict=True)]
    missing = frame["estimate"].isna().any()
    return [*entries, missing_swatch(f"not estimable ({MISSING_TEXT})")] if missing else entries
