"""The table of numbers at risk under curves: columns under the ticks, names in the curves' colors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import LINE_HEIGHT_PT, Group, require_columns, rows_of
from cohort.plots.time_axis import tick_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RiskStyle = Literal["at_risk", "at_risk_censored", "at_risk_events", "kmunicate"]
ROW_PT = LINE_HEIGHT_PT * 1.08
KEY_PT = 13.0
GAP_PT = 4.0
# A name wider than this share of the figure goes on a line of its own above its counts.
_NAME_SHARE = 0.24


@dataclass(frozen=True)
class RiskRow:
    """One row of counts per group.

    Attributes
    ----------
    label : str
        Text left of the counts.
    template : str
        Columns in braces, for example ``{n_risk} ({n_event})``.
    outcome : str or None
        Outcome whose rows are read; None reads the first.
    """

    label: str
    template: str
    outcome: str | None = None


_SINGLE: Mapping[str, tuple[str, str]] = {
    "at_risk": ("Number at risk", "{n_risk}"),
    "at_risk_censored": ("Number at risk (censored)", "{n_risk} ({n_censor})"),
    "at_risk_events": ("Number at risk (events)", "{n_risk} ({n_event})"),
}


def risk_rows(risk_style: RiskStyle, outcomes: Mapping[str, str]) -> tuple[str, list[RiskRow]]:
    """Title of the table and its rows per group; several outcomes get one row of events each."""
    if risk_style != "kmunicate":
        title, template = _SINGLE[risk_style]
        return title, [RiskRow("", template)]
    events = [RiskRow(label or "Events", "{n_event}", name or None) for name, label in outcomes.items()]
    return "", [RiskRow("At risk", "{n_risk}"), RiskRow("Censored", "{n_censor}"), *events]


def cell_texts(
    table: pd.DataFrame, key: str, row: RiskRow, times: NDArray[np.float64], last: float
) -> list[str]:
    """Fill one row, one text per time; empty beyond the last follow-up or where the frame has no row."""
    rows = rows_of(table, "strata", key)
    if "outcome" in rows.columns and len(rows):
        outcome = row.outcome if row.outcome is not None else str(rows["outcome"].iloc[0])
        rows = rows_of(rows, "outcome", outcome)
    at = rows["time"].to_numpy(dtype=float)
    texts = []
    for time in times:
        found = np.flatnonzero(np.isclose(at, time, rtol=1e-9, atol=1e-9))
        texts.append(
            ""
            if not len(found) or time > last * (1 + 1e-9)
            else _fill(rows.iloc[int(found[0])], row.template)
        )
    return texts


def _fill(values: pd.Series, template: str) -> str:
    counts = {
        name: "\N{EN DASH}" if pd.isna(values[name]) else f"{round(float(values[name])):,}"
        for name in ("n_risk", "n_event", "n_censor")
        if f"{{{name}}}" in template
    }
    return template.format(**counts)


def add_risk_table(
    ax: Axes,
    table: pd.DataFrame,
    groups: Sequence[Group],
    times: NDArray[np.float64],
    *,
    last: Mapping[str, float],
    risk_style: RiskStyle,
    factor: float,
    outcomes: Mapping[str, str],
) -> None:
    """Draw the table; where counts would touch, keep every second (third, ...) tick of axis and table."""
    first = {id(artist) for artist in ax.get_children()}
    _draw(ax, table, groups, times, last, risk_style, outcomes)
    layout.fit(ax)
    nth = _every_nth_that_fits(ax, table, groups, times, risk_style)
    if nth > 1:
        for artist in [a for a in ax.get_children() if id(a) not in first]:
            artist.remove()
        times = times[::nth]
        ax.set_xticks(times, tick_labels(times, factor))
        _draw(ax, table, groups, times, last, risk_style, outcomes)


def _draw(
    ax: Axes,
    table: pd.DataFrame,
    groups: Sequence[Group],
    times: NDArray[np.float64],
    last: Mapping[str, float],
    risk_style: RiskStyle,
    outcomes: Mapping[str, str],
) -> None:
    """Write the table under the x label; a column stands exactly under its tick."""
    title, rows = risk_rows(risk_style, outcomes)
    needed = {name for row in rows for name in ("n_risk", "n_event", "n_censor") if name in row.template}
    require_columns(table, ["time", *sorted(needed)], "the risk table")
    cells = [[cell_texts(table, g.key, row, times, last[g.key]) for row in rows] for g in groups]
    left = layout.widest(ax, [texts[0] for of_group in cells for texts in of_group]) / 2 + GAP_PT
    down = layout.below_axis(ax) + ROW_PT * 0.9
    name_width = layout.widest(ax, [g.label for g in groups])
    own_line = _names_need_own_line(ax, name_width)
    start = -left if own_line else -left - name_width - KEY_PT - GAP_PT
    if title:
        down = _write_title(ax, title, groups, left if name_width == 0 else -start, down)
    for group, of_group in zip(groups, cells, strict=True):
        if group.label and (own_line or rows[0].label):
            _write_name(ax, group, start, down)
            down += ROW_PT
        for row, texts in zip(rows, of_group, strict=True):
            _write_counts(ax, times, texts, down)
            if row.label:
                _write_left(ax, row.label, left, down, style.MUTED_COLOR)
            elif group.label and not own_line:
                _write_name(ax, group, start, down)
            down += ROW_PT


def _names_need_own_line(ax: Axes, name_width: float) -> bool:
    return name_width + KEY_PT > _NAME_SHARE * float(layout.figure_of(ax).get_size_inches()[0]) * 72


def _every_nth_that_fits(
    ax: Axes, table: pd.DataFrame, groups: Sequence[Group], times: NDArray[np.float64], risk_style: RiskStyle
) -> int:
    """Step between ticks at which the widest count still leaves a gap to its neighbor."""
    _, rows = risk_rows(risk_style, {})
    no_end = float("inf")
    widest = layout.widest(
        ax, [text for g in groups for row in rows for text in cell_texts(table, g.key, row, times, no_end)]
    )
    if len(times) < 2:
        return 1
    pixels = ax.transData.transform([(times[0], 0), (times[1], 0)])[:, 0]
    spacing = float(pixels[1] - pixels[0]) * 72 / layout.figure_of(ax).dpi
    return max(1, int(np.ceil((widest + GAP_PT) / spacing)))


def _write_title(ax: Axes, title: str, groups: Sequence[Group], left: float, down: float) -> float:
    """Write the title: above the rows, or beside the counts of a single group without a name."""
    if len(groups) == 1 and not groups[0].label:
        _write_left(ax, "\n".join(title.split(" (")).replace("\n", "\n("), left, down, "#000000")
        return down
    base = layout.points_from(ax, 0.0, 0.0, ax.get_xaxis_transform())
    layout.put(
        ax, -left, -down, title, base, ha="left", va="center_baseline", fontweight="bold", gid="risk title"
    )
    return down + ROW_PT


def _write_counts(ax: Axes, times: NDArray[np.float64], texts: Sequence[str], down: float) -> None:
    for time, text in zip(times, texts, strict=True):
        if text:
            base = layout.points_from(ax, float(time), 0.0, ax.get_xaxis_transform())
            layout.put(ax, 0, -down, text, base, ha="center", va="center_baseline", gid="risk count")


def _write_left(ax: Axes, words: str, left: float, down: float, color: str) -> None:
    base = layout.points_from(ax, 0.0, 0.0, ax.get_xaxis_transform())
    layout.put(ax, -left, -down, words, base, ha="right", va="center_baseline", color=color, gid="risk label")


def _write_name(ax: Axes, group: Group, start: float, down: float) -> None:
    """Write a name after a piece of its line."""
    from matplotlib.lines import Line2D

    base = layout.points_from(ax, 0.0, 0.0, ax.get_xaxis_transform())
    key = Line2D(
        [start, start + KEY_PT],
        [-down + 0.5, -down + 0.5],
        transform=base,
        color=group.color,
        linestyle=group.line_style,
        linewidth=style.LINE_WIDTH * 1.15,
        gid="risk key",
    )
    layout.add_outside(ax, key)
    layout.put(
        ax,
        start + KEY_PT + GAP_PT,
        -down,
        group.label,
        base,
        ha="left",
        va="center_baseline",
        color=palette.text_color(group.color),
        gid="risk name",
    )
