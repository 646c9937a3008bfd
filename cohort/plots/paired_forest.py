"""Forest plot of two ratios of the same rows: one axis, two marks in each row, two columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, require_columns
from cohort.plots.forest import (
    ROW_MM,
    cell,
    forest_notes,
    limit_on_axis,
    ratio_axis,
    ratio_limits,
    stripes,
    thin_ticks,
)
from cohort.plots.forest_rows import Row, forest_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDEST_MM = 174.0
_PLOT_MM = 44.0
_GAP_PT = 9.0
_INDENT_PT = 7.0
_SHIFT = 0.17
_MARKS = ("s", "D")
_COLORS = (palette.OKABE_ITO[0], palette.OKABE_ITO[1])


def plot_paired_forest(
    frame: pd.DataFrame,
    *,
    measures: tuple[str, str],
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    conf_level: float = 0.95,
    width_mm: float | None = None,
    height_mm: float | None = None,
) -> Axes:
    """Draw two ratios of each row on one logarithmic axis, with their numbers in two columns.

    Squares and the first column are the first measure, diamonds and the second column the second. Rows stand
    under the name of their outcome; a reference category is a hollow square at 1.

    Parameters
    ----------
    frame : DataFrame
        Tidy frame on the **ratio scale**: ``outcome, measure, term, estimate, conf_low, conf_high`` and, as
        far as there are, ``level, p_value, n_event, reason, reference``. Both measures have the same rows.
    measures : tuple of str
        The two values of ``measure``.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose size follows from the rows.
    labels : mapping, default=None
        Text by ``outcome``, ``term`` or ``level``.
    conf_level : float, default=0.95
        Level of the intervals, for the heads of the columns.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Estimates are the ``ax.lines`` of gid ``estimate 1`` and ``estimate 2``.

    Raises
    ------
    CohortError
        When a column is missing, an estimate is not positive, or the labels leave no room at this width.
    """
    require_columns(
        frame, ["outcome", "measure", "term", "estimate", "conf_low", "conf_high"], "the forest plot"
    )
    pairs = _pairs(frame, measures, labels or {})
    rows = [row for pair in pairs for row in pair]
    ends = ratio_limits(rows)
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm or _WIDEST_MM, height_mm)
        ratio_axis(ax, ends, len(pairs), "Ratio", ("", ""))
        for y, pair in enumerate(pairs):
            for k, row in enumerate(pair):
                _draw(ax, row, y, k, ends)
        ax.set_ylim(len(pairs) - 0.3, -2.7)
        span = _columns(ax, pairs, measures, conf_level)
        stripes(ax, [first for first, _ in pairs], span, True)
        layout.fit(ax)
        if new_figure and width_mm is None:
            layout.fit_to_width(ax, _PLOT_MM, _WIDEST_MM)
        thin_ticks(ax, ends)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, ROW_MM * (len(pairs) + 2.4))
    reasons = frame["reason"].replace("", pd.NA).dropna().unique().tolist() if "reason" in frame else []
    style.add_notes(ax, [*forest_notes(rows, ends), *(f"{reason}." for reason in reasons)])
    return ax


def _pairs(
    frame: pd.DataFrame, measures: tuple[str, str], labels: Mapping[str, str]
) -> list[tuple[Row, Row]]:
    """Lay out both measures as lines, each outcome under its own header."""
    pairs: list[tuple[Row, Row]] = []
    for outcome in keys_in(frame, "outcome"):
        part = frame[frame["outcome"] == outcome]
        sides = [
            forest_rows(
                part[part["measure"] == one].drop(columns=["n_event", "reason"], errors="ignore"), labels
            )
            for one in measures
        ]
        words = labels.get(outcome, readable(outcome))
        if "n_event" in part:
            words = f"{words} ({int(part['n_event'].max()):,} events)"
        nan = float("nan")
        header = Row("header", words, False, "", "", "", nan, nan, nan, 0)
        pairs.append((header, header))
        pairs += zip(*sides, strict=True)
    return pairs


def _draw(ax: Axes, row: Row, y: int, k: int, ends: tuple[float, float]) -> None:
    if row.kind == "reference" and k == 0:
        ax.plot(
            [1.0], [y], "s", markersize=4, mfc="#FFFFFF", mec="#000000", mew=0.7, zorder=3, gid="reference"
        )
    if row.kind != "estimate":
        return
    at = y + (_SHIFT if k else -_SHIFT)
    low, high = limit_on_axis(row.low, ends[0]), limit_on_axis(row.high, ends[1])
    shown = [max(low, ends[0]), min(high, ends[1])]
    color = _COLORS[k]
    ax.plot(shown, [at, at], "-", color=color, linewidth=0.9, zorder=2, gid=f"interval {k + 1}")
    for cut, end, marker in ((low < ends[0], ends[0], "<"), (high > ends[1], ends[1], ">")):
        if cut:
            ax.plot([end], [at], marker, markersize=3.2, color=color, clip_on=False, zorder=3, gid="arrow")
    if ends[0] <= row.estimate <= ends[1]:
        ax.plot(
            [row.estimate], [at], _MARKS[k], markersize=3.4, color=color, zorder=4, gid=f"estimate {k + 1}"
        )


def _columns(
    ax: Axes, pairs: Sequence[tuple[Row, Row]], measures: tuple[str, str], conf_level: float
) -> tuple[float, float]:
    """Write names left and both columns of numbers right; give the points they reach to either side."""
    bold = {"fontweight": "bold"}
    left = -_GAP_PT - max(
        layout.widest(ax, [first.label for first, _ in pairs if first.kind == "header"], **bold),
        layout.widest(ax, [first.label for first, _ in pairs if first.kind != "header"]) + 2 * _INDENT_PT,
    )
    for y, (first, _) in enumerate(pairs):
        outcome = first.kind == "header" and first.label.endswith("events)")
        indent = 0.0 if outcome else _INDENT_PT * (1 + first.indent)
        weight = "bold" if outcome else "normal"
        cell(ax, 0, left + indent, y, first.label, "left", fontweight=weight)
    right = _GAP_PT
    for k, measure in enumerate(measures):
        right = _numbers(ax, [pair[k] for pair in pairs], k, measure, conf_level, right) + _GAP_PT
    return left - 2, right - _GAP_PT + 2


def _numbers(ax: Axes, rows: Sequence[Row], k: int, measure: str, conf_level: float, left: float) -> float:
    """Write one column of estimates and P from a point on; give where it ends."""
    bold = {"fontweight": "bold", "color": palette.text_color(_COLORS[k])}
    words = measure.capitalize().rsplit(" ", 2)
    head = f"{words[0]}\n{' '.join(words[1:])}\n({100 * conf_level:g}% CI)"
    mark = ax.plot([0], [0], _MARKS[k], markersize=3.4, color=_COLORS[k], clip_on=False, gid="head")[0]
    mark.set_transform(layout.points_from(ax, 1, -1, ax.get_yaxis_transform()))
    mark.set_data([left + 2], [2.15 * style.FONT_SIZE])
    texts = [row.interval for row in rows if row.kind != "reference"] + head.split("\n")[1:]
    width = max(
        layout.widest(ax, texts),
        layout.widest(ax, head.split("\n"), fontweight="bold") + _GAP_PT,
    )
    p_right = left + width + _GAP_PT + layout.widest(ax, [*(row.p for row in rows), "P"])
    base = layout.points_from(ax, 1, -1, ax.get_yaxis_transform())
    layout.put(
        ax, left + _GAP_PT, -0.36 * style.FONT_SIZE, head, base, va="baseline", linespacing=1.1, **bold
    )
    layout.put(ax, p_right, -0.36 * style.FONT_SIZE, "P", base, va="baseline", ha="right", **bold)
    for y, row in enumerate(rows):
        cell(ax, 1, left, y, row.interval, "left")
        cell(ax, 1, p_right, y, row.p, "right")
    return p_right + _GAP_PT
