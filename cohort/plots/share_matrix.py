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
        _axes(ax, down, across, rows, columns, labels or {})
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


def _axes(
    ax: Axes, down: Sequence[str], across: Sequence[str], rows: str, columns: str, labels: Mapping[str, str]
) -> None:
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xlim(-0.5, len(across) - 0.5)
    ax.set_ylim(len(down) - 0.5, -0.5)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_xlabel(readable(columns))
    ax.set_ylabel(readable(rows))
    ax.set_xticks(
        range(len(across)), [wrapped(labels.get(o, readable(o)), 14) for o in across], fontweight="bold"
    )
    ax.set_yticks(range(len(down)), [labels.get(t, readable(t)) for t in down])
    ax.tick_params(length=0, pad=3)


def _draw(ax: Axes, frame: pd.DataFrame, down: Sequence[str], across: Sequence[str]) -> None:
    from matplotlib.patches import Rectangle

    places = zip(frame["row"].astype(str), frame["column"].astype(str), strict=True)
    for (row, column), (x, n) in zip(
        places, frame[["n_event", "n"]].to_numpy(dtype=float).tolist(), strict=True
    ):
        look = Swatch("", shade(x / n), style.HATCH_COLOR) if n else missing_swatch("")
        at = (across.index(column), down.index(row))
        cell = Rectangle(
            (at[0] - 0.48, at[1] - 0.46),
            0.96,
            0.92,
            facecolor=look.face,
            edgecolor=look.edge,
            hatch=look.hatch or None,
            linewidth=0.5,
            gid="cell",
        )
        ax.add_patch(cell)
        if n:
            text = f"{percent(x, n, 0)}\n{x:.0f}/{n:.0f}"
            ink = palette.ink_on(look.face)
            ax.text(*at, text, ha="center", va="center", color=ink, fontsize=style.SMALL_FONT_SIZE)
