"""Forest plot: the table of a regression with its estimates drawn on a log axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.format import MISSING_TEXT
from cohort.plots import layout
from cohort.plots.curves import require_columns
from cohort.plots.forest_rows import Row, count_head, forest_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_MM = 4.3
_WIDEST_MM = 174.0
_INDENT_PT = 7.0
_COLUMN_GAP_PT = 9.0
_PLOT_MM = 46.0
# Ticks by the end of the axis, dense and for narrow plots.
_TICKS: Mapping[float, tuple[tuple[float, ...], tuple[float, ...]]] = {
    2.0: ((0.5, 1, 2), (0.5, 1, 2)),
    4.0: ((0.25, 0.5, 1, 2, 4), (0.25, 1, 4)),
    10.0: ((0.1, 0.2, 0.5, 1, 2, 5, 10), (0.1, 1, 10)),
    100.0: ((0.01, 0.1, 1, 10, 100), (0.01, 1, 100)),
}
_LIMITS = tuple(_TICKS)
_DIRECTIONS: Mapping[str, tuple[str, str]] = {
    "Hazard ratio": ("Lower hazard", "Higher hazard"),
    "Subdistribution hazard ratio": ("Lower incidence", "Higher incidence"),
    "Odds ratio": ("Lower odds", "Higher odds"),
    "Odds ratio of a higher grade": ("Lower grades", "Higher grades"),
    "Odds ratio of going on to a higher grade": ("Lower grades", "Higher grades"),
    "Risk ratio": ("Lower risk", "Higher risk"),
}


def plot_forest(
    frame: pd.DataFrame,
    *,
    measure: str = "Hazard ratio",
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    limits: tuple[float, float] | None = None,
    direction: tuple[str, str] | None = None,
    conf_level: float = 0.95,
    count_label: str | None = None,
    zebra: bool = True,
    width_mm: float | None = None,
    height_mm: float | None = None,
) -> Axes:
    """Draw ratios with their intervals between the columns of a regression table.

    Columns are the variable, patients (or events/patients), the plot, the estimate with its interval, and P.
    The axis is logarithmic with ticks symmetrical about 1. Squares have one size: their area carries no
    weight. A reference category is a hollow square at 1; an interval that leaves the axis ends in an arrow
    (so does one whose estimate is zero or infinite), its numbers are printed in full; what cannot be
    estimated prints NE with the reason.

    Parameters
    ----------
    frame : DataFrame
        Tidy frame of a regression on the **ratio scale** (``exponentiate=True``): ``term``, ``estimate``,
        ``conf_low``, ``conf_high`` and, as far as there are, ``level``, ``p_value``, ``n``, ``n_event``,
        ``reason``, and ``reference`` (True for the row of a reference category). Rows stay in their order;
        consecutive rows of one ``term`` with a ``level`` stand under one header.
    measure : str, default='Hazard ratio'
        Name of the ratio, head of its column and label of the axis.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose height follows from the rows.
    labels : mapping, default=None
        Text by ``term`` or ``level``.
    limits : tuple of float, default=None
        Ends of the axis; by default symmetrical, as wide as most intervals need.
    direction : tuple of str, default=None
        What left and right of 1 mean; known measures have a default, ``("", "")`` writes none.
    conf_level : float, default=0.95
        Level of the intervals, for the head of the column.
    count_label : str, default=None
        Head of the count column; by default what the columns hold.
    zebra : bool, default=True
        Shade every second variable.
    width_mm, height_mm : float
        Size of a new figure; by default as the columns and rows need, up to 174 mm in width.

    Returns
    -------
    Axes
        Estimates are the ``ax.lines`` of gid ``estimate``, x on the ratio scale, y the row from 0 at the top.

    Raises
    ------
    CohortError
        When a column is missing, an estimate is not positive (a log scale was passed), or the labels leave no
        room at this width.
    """
    require_columns(frame, ["term", "estimate", "conf_low", "conf_high"], "the forest plot")
    rows = forest_rows(frame, labels or {})
    ends = limits or ratio_limits(rows)
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm or _WIDEST_MM, height_mm)
        ratio_axis(ax, ends, len(rows), measure, direction)
        for y, row in enumerate(rows):
            _draw_row(ax, row, y, ends)
        head = _interval_head(ax, measure, conf_level, rows, narrow=width_mm is not None)
        extra = 0.8 * head.count("\n")
        ax.set_ylim(len(rows) - 0.3, -1.5 - extra)
        span = _columns(ax, rows, head, count_label or count_head(frame))
        stripes(ax, rows, span, zebra)
        layout.fit(ax)
        if new_figure and width_mm is None:
            layout.fit_to_width(ax, _PLOT_MM, _WIDEST_MM)
        thin_ticks(ax, ends)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, ROW_MM * (len(rows) + 1.2 + extra))
    style.add_notes(ax, forest_notes(rows, ends))
    return ax


def ratio_limits(rows: Sequence[Row]) -> tuple[float, float]:
    """Smallest symmetrical axis that holds everything, or beyond 4 every estimate and four of five limits."""
    drawn = [row for row in rows if row.kind == "estimate"]
    if not drawn:
        return (0.25, 4.0)
    # an estimate of zero or infinity is an arrow, and its finite limit counts
    inside = [row.estimate for row in drawn if 0 < row.estimate < np.inf]
    farthest = max((abs(np.log(v)) for v in inside), default=0.0) * 1.05
    ends = np.abs(np.log([v for row in drawn for v in (row.low, row.high) if np.isfinite(v) and v > 0]))
    largest, most = (float(np.quantile(ends, q)) if len(ends) else 0.0 for q in (1.0, 0.8))
    needed = max(farthest, min(largest, max(most, float(np.log(4.0)))))
    end = next((limit for limit in _LIMITS if np.log(limit) >= needed), _LIMITS[-1])
    return (1 / end, end)


def ratio_axis(
    ax: Axes, ends: tuple[float, float], n_rows: int, measure: str, direction: tuple[str, str] | None
) -> None:
    """Draw the logarithmic axis with the line of no effect, and what lies to its sides."""
    ax.set_xscale("log")
    ax.set_xlim(*ends)
    _set_ticks(ax, ends, 0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.plot(
        [1.0, 1.0], [-0.5, n_rows - 0.3], color=style.AXIS_COLOR, linewidth=0.6, zorder=1, gid="no effect"
    )
    left, right = direction if direction is not None else _DIRECTIONS.get(measure, ("", ""))
    ax.set_xlabel(f"{measure} (log scale)", fontsize=style.FONT_SIZE, labelpad=2)
    if left or right:
        down = layout.below_axis(ax) + style.FONT_SIZE * 0.9
        base = layout.points_from(ax, 1.0, 0.0, ax.get_xaxis_transform())
        texts = ((f"\N{LEFTWARDS ARROW} {left}", -5, "right"), (f"{right} \N{RIGHTWARDS ARROW}", 5, "left"))
        for words, x, side in texts:
            layout.put(ax, x, -down, words, base, ha=side, va="center_baseline", color=style.MUTED_COLOR)


def _set_ticks(ax: Axes, ends: tuple[float, float], sparse: int) -> None:
    known = ends[1] in _TICKS and np.isclose(ends[0] * ends[1], 1.0)
    ticks = _TICKS[ends[1]][sparse] if known else _ticks_between(ends)[:: 1 + sparse]
    ax.set_xticks(ticks, [f"{t:.2g}" if t < 10 else f"{t:.0f}" for t in ticks])
    ax.set_xticks([], minor=True)


def thin_ticks(ax: Axes, ends: tuple[float, float]) -> None:
    """Keep fewer ticks where their labels would touch."""
    boxes = sorted((t.get_window_extent().x0, t.get_window_extent().x1) for t in ax.get_xticklabels())
    if any(right > left - 3 for (_, right), (left, _) in pairwise(boxes)):
        _set_ticks(ax, ends, 1)


def _ticks_between(ends: tuple[float, float]) -> tuple[float, ...]:
    powers = np.arange(np.ceil(np.log2(ends[0])), np.floor(np.log2(ends[1])) + 1)
    return tuple(float(2**p) for p in powers)


def _draw_row(ax: Axes, row: Row, y: int, ends: tuple[float, float]) -> None:
    if row.kind == "reference":
        ax.plot(
            [1.0], [y], "s", markersize=4, mfc="#FFFFFF", mec="#000000", mew=0.7, zorder=3, gid="reference"
        )
    if row.kind != "estimate":
        return
    low, high = limit_on_axis(row.low, ends[0]), limit_on_axis(row.high, ends[1])
    ax.plot(
        [max(low, ends[0]), min(high, ends[1])],
        [y, y],
        "-",
        color="#000000",
        linewidth=0.8,
        zorder=2,
        gid="interval",
    )
    for cut, end, marker in ((low < ends[0], ends[0], "<"), (high > ends[1], ends[1], ">")):
        if cut:
            ax.plot([end], [y], marker, markersize=3.6, color="#000000", clip_on=False, zorder=3, gid="arrow")
    if ends[0] <= row.estimate <= ends[1]:
        ax.plot(
            [row.estimate], [y], "s", markersize=4.2, color=palette.OKABE_ITO[0], zorder=4, gid="estimate"
        )


def limit_on_axis(value: float, end: float) -> float:
    """Let a limit that does not exist run off the axis."""
    return value if np.isfinite(value) and value > 0 else (0.0 if end < 1 else float("inf"))


def _interval_head(ax: Axes, measure: str, conf_level: float, rows: Sequence[Row], narrow: bool) -> str:
    """Head of the intervals; in a figure of given width on two lines if it is wider than its column."""
    level = f"({100 * conf_level:g}% CI)"
    head = f"{measure} {level}"
    column = layout.widest(ax, [row.interval for row in rows])
    wide = layout.text_size(ax, head, fontweight="bold")[0] > column
    return f"{measure}\n{level}" if narrow and wide else head


def _columns(ax: Axes, rows: Sequence[Row], head: str, counts: str) -> tuple[float, float]:
    """Write the text columns; give the points that they reach left and right of the plot."""
    has_p = any(row.p for row in rows)
    bold = {"fontweight": "bold"}
    label_width = max(
        layout.widest(ax, ["Variable"], **bold),
        layout.widest(ax, [row.label for row in rows if not row.indent and row.kind != "header"]),
        layout.widest(ax, [row.label for row in rows if row.indent]) + _INDENT_PT,
    )
    count_width = max(layout.widest(ax, [row.count for row in rows]), layout.widest(ax, [counts], **bold))
    text_width = max(layout.widest(ax, [row.interval for row in rows]), layout.widest(ax, [head], **bold))
    p_width = layout.widest(ax, [row.p for row in rows])
    headers = layout.widest(ax, [row.label for row in rows if row.kind == "header"], **bold)
    count_left = -_COLUMN_GAP_PT - count_width - (_COLUMN_GAP_PT if count_width else 0.0)
    label_left = min(count_left - label_width, -_COLUMN_GAP_PT - headers)
    p_right = _COLUMN_GAP_PT + text_width + _COLUMN_GAP_PT + p_width
    for y, row in enumerate(rows):
        weight = "bold" if row.kind == "header" else "normal"
        cell(ax, 0, label_left + _INDENT_PT * row.indent, y, row.label, "left", fontweight=weight)
        cell(ax, 0, -_COLUMN_GAP_PT, y, row.count, "right")
        cell(ax, 1, _COLUMN_GAP_PT, y, row.interval, "left")
        cell(ax, 1, p_right, y, row.p, "right")
    cell(ax, 0, label_left, -1, "Variable", "left", **bold)
    cell(ax, 0, -_COLUMN_GAP_PT, -1, counts, "right", **bold)
    cell(ax, 1, _COLUMN_GAP_PT, -1, head, "left", linespacing=1.1, **bold)
    cell(ax, 1, p_right, -1, "P" if has_p else "", "right", **bold)
    return label_left - 2, (p_right if has_p else _COLUMN_GAP_PT + text_width) + 2


def cell(ax: Axes, side: int, x: float, y: float, words: str, align: str, **properties: Any) -> None:
    """Write a text in a row, some points from the left (0) or right (1) edge of the axes."""
    if words:
        base = layout.points_from(ax, side, y, ax.get_yaxis_transform())
        # The last of two lines stands level with the other heads.
        y_pt, at = (-0.36 * style.FONT_SIZE, "baseline") if "\n" in words else (0.0, "center_baseline")
        layout.put(ax, x, y_pt, words, base, ha=align, va=at, **properties)


def _across(ax: Axes, span: tuple[float, float], low: float, high: float, **properties: Any) -> None:
    """Fill a strip over the plot and the text columns on both sides."""
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import blended_transform_factory

    for side, start, width in ((0, span[0], -span[0]), (1, 0.0, span[1])):
        across = blended_transform_factory(layout.points_from(ax, side, 0, ax.transAxes), ax.transData)
        strip = Rectangle((start, low), width, high - low, transform=across, **properties)
        layout.add_outside(ax, strip)
    layout.add_outside(
        ax, Rectangle((0, low), 1, high - low, transform=ax.get_yaxis_transform(), **properties)
    )


def stripes(ax: Axes, rows: Sequence[Row], span: tuple[float, float], zebra: bool) -> None:
    """Shade every second variable and draw the line under the heads."""
    if zebra:
        for y, row in enumerate(rows):
            if row.band % 2:
                _across(
                    ax,
                    span,
                    y - 0.5,
                    y + 0.5,
                    facecolor=style.ZEBRA_COLOR,
                    linewidth=0,
                    zorder=0,
                    gid="zebra",
                )
    _across(
        ax, span, -0.52, -0.5, facecolor=style.AXIS_COLOR, edgecolor=style.AXIS_COLOR, linewidth=0.3, zorder=1
    )


def forest_notes(rows: Sequence[Row], ends: tuple[float, float]) -> list[str]:
    """Return sentences for the legend."""
    cut = any(row.kind == "estimate" and (row.low < ends[0] or row.high > ends[1]) for row in rows)
    notes = ["Arrows mark intervals that leave the axis."] if cut else []
    if any(row.kind == "missing" for row in rows):
        notes.append(f"{MISSING_TEXT} = not estimable.")
    return notes
