"""Shares as a matrix of two groupings: percentage by shade and in figures, n/N below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from cohort import palette, style
from cohort.format import percent
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, refuse_repeats, require_columns, wrapped
from cohort.plots.key import Swatch, draw_key, missing_swatch
from cohort.plots.matrix import draw_cell, matrix_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL_MM = (15.0, 9.0)
_FULL = "#0072B2"


def plot_share_matrix(
    frame: pd.DataFrame,
    *,
    rows: str,
    columns: str,
    what: str,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    width_mm: float | None = None,
    height_mm: float | None = None,
) -> Axes:
    """Draw the share of each cell of a two-way grouping, with its counts.

    Parameters
    ----------
    frame : DataFrame
        One row per cell: ``row``, ``column``, ``n_event``, ``n``. A cell without patients is hatched.
    rows, columns : str
        What the rows and the columns are.
    what : str
        What the share is of, for the key, as ``imaged``.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose size follows from the cells.
    labels : mapping, default=None
        Text by row or column.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Cells are the ``ax.patches`` of gid ``cell``, in the order of the rows of the frame.

    Raises
    ------
    CohortError
        When a column is missing, or a cell stands twice.
    """
    require_columns(frame, ["row", "column", "n_event", "n"], "the matrix of shares")
    refuse_repeats(frame, ["row", "column"], "the matrix of shares")
    down, across = keys_in(frame, "row"), keys_in(frame, "column")
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm or 174.0, height_mm)
        named = labels or {}
        heads = [wrapped(named.get(column, readable(column)), 14) for column in across]
        matrix_axes(ax, [named.get(row, readable(row)) for row in down], heads)
        ax.xaxis.set_label_position("top")
        ax.set_xlabel(readable(columns))
        ax.set_ylabel(readable(rows))
        _draw(ax, frame, down, across)
        layout.fit(ax)
        if new_figure and width_mm is None:
            layout.fit_to_width(ax, _CELL_MM[0] * len(across), 174.0)
        shown = [Swatch(f"0% {what}", shade(0.0), style.HATCH_COLOR), Swatch(f"100% {what}", shade(1.0))]
        if (frame["n"] == 0).any():
            shown.append(missing_swatch("no patient"))
        draw_key(ax, shown)
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _CELL_MM[1] * len(down))
    return ax


def shade(share: float) -> str:
    """Color of a share: white at 0, blue at 1."""
    return palette.blend("#FFFFFF", _FULL, share)


def _draw(ax: Axes, frame: pd.DataFrame, down: Sequence[str], across: Sequence[str]) -> None:
    places = zip(frame["row"].astype(str), frame["column"].astype(str), strict=True)
    counts = frame[["n_event", "n"]].to_numpy(dtype=float).tolist()
    for (row, column), (n_event, n) in zip(places, counts, strict=True):
        look = Swatch("", shade(n_event / n), style.HATCH_COLOR) if n else missing_swatch("")
        x, y = across.index(column), down.index(row)
        draw_cell(ax, x, y, look)
        if n:
            text = f"{percent(n_event, n, 0)}\n{n_event:.0f}/{n:.0f}"
            ink = palette.ink_on(look.face)
            ax.text(x, y, text, ha="center", va="center", color=ink, fontsize=style.SMALL_FONT_SIZE)
