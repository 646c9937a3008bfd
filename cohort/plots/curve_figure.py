"""One figure of step curves over follow-up: axes, curves, risk table, names, annotation, in that order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import style
from cohort.plots import curves, layout
from cohort.plots.risk_table import RiskStyle, add_risk_table
from cohort.plots.time_axis import TimeUnit, follow_up_ticks, tick_labels, units_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOT_HEIGHT_MM = 50.0
Times = Sequence[float] | NDArray[np.float64] | None


@dataclass(frozen=True)
class TimeAxis:
    """The axis of follow-up.

    Attributes
    ----------
    ticks : array of shape (n_ticks,)
        Times in the unit of the data.
    factor : float
        Units of the data in one printed unit.
    label : str
        Axis label.
    """

    ticks: NDArray[np.float64]
    factor: float
    label: str

    @property
    def end(self) -> float:
        """Last tick, where the axis ends."""
        return float(self.ticks[-1])


@dataclass(frozen=True)
class RiskTable:
    """The table under the curves.

    Attributes
    ----------
    frame : DataFrame
        Rows of ``at(times)``.
    groups : sequence of Group
        One block of rows each.
    last : mapping of str to float
        Last follow-up by group key.
    outcomes : sequence of str
        Outcomes whose events are counted in rows of their own.
    style : str
        Content of the rows.
    labels : mapping of str to str
        Texts of the outcomes.
    """

    frame: pd.DataFrame
    groups: Sequence[curves.Group]
    last: Mapping[str, float]
    outcomes: Sequence[str]
    style: RiskStyle
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CurveFigure:
    """Everything that is decided before the first line is drawn.

    Attributes
    ----------
    groups, drawn : sequences of the same length
        Identity and arrays of each curve.
    marks : sequence of DataFrame
        Rows whose censored patients are marked; empty for no marks.
    time : TimeAxis
        Horizontal axis.
    top, ylabel
        End and label of the vertical axis.
    risk_table : RiskTable or None
        Table under the curves.
    name_curves : bool
        Whether names stand at the ends of the curves.
    lines : sequence of (text, color)
        Annotation.
    conf_band : bool
        Whether bands are shaded.
    counts : bool
        Whether the vertical axis has counts instead of percent.
    """

    groups: Sequence[curves.Group]
    drawn: Sequence[curves.Steps]
    marks: Sequence[pd.DataFrame]
    time: TimeAxis
    top: float
    ylabel: str
    risk_table: RiskTable | None
    name_curves: bool
    lines: Sequence[tuple[str, str]]
    conf_band: bool
    counts: bool = False

    def draw(self, ax: Axes | None, width_mm: float, height_mm: float | None) -> Axes:
        """Draw on the given Axes, or on a new figure whose height follows from the table."""
        new_figure = ax is None
        with style.theme():
            ax = layout.own_axes(ax, width_mm, height_mm)
            self._draw_curves(ax)
            if self.risk_table is not None:
                self._draw_table(ax, self.risk_table)
            if new_figure and height_mm is None:
                layout.fit_to_height(ax, PLOT_HEIGHT_MM)
            else:
                layout.fit(ax)
            if self.name_curves:
                curves.direct_labels(ax, self.groups, self.drawn)
                layout.fit(ax)
            if self.lines:
                curves.annotate_free_corner(ax, self.lines)
                layout.fit(ax)
        return ax

    def _draw_curves(self, ax: Axes) -> None:
        time = self.time
        axis = curves.count_axis if self.counts else curves.percent_axis
        axis(ax, self.top, self.ylabel)
        curves.follow_up_axis(ax, time.ticks, tick_labels(time.ticks, time.factor), time.end, time.label)
        for group, points in zip(self.groups, self.drawn, strict=True):
            curves.draw_steps(ax, points, group, self.conf_band)
        for rows, group, points in zip(self.marks, self.groups, self.drawn, strict=False):
            curves.draw_censor_marks(ax, rows, points, group)

    def _draw_table(self, ax: Axes, table: RiskTable) -> None:
        add_risk_table(
            ax,
            table.frame,
            table.groups,
            self.time.ticks,
            last=table.last,
            risk_style=table.style,
            factor=self.time.factor,
            outcomes={name: table.labels.get(name, curves.readable(name)) for name in table.outcomes},
        )


def time_axis(
    times: Times,
    table: pd.DataFrame | None,
    longest: float,
    unit: TimeUnit,
    display_unit: TimeUnit | None,
    label: str | None,
) -> TimeAxis:
    """Decide the ticks: as given, else the times of the risk table, else round ones to the longest time."""
    if times is not None:
        ticks = np.unique(np.asarray(times, dtype=float))
    elif table is not None:
        curves.require_columns(table, ["time"], "the risk table")
        ticks = np.unique(table["time"].to_numpy(dtype=float))
    else:
        ticks = follow_up_ticks(longest, unit=unit, display_unit=display_unit)
    printed = display_unit or unit
    return TimeAxis(ticks, units_ratio(unit, display_unit), label or f"Time ({printed})")


def until_curves_end(time: TimeAxis, drawn: Sequence[curves.Steps]) -> TimeAxis:
    """Leave out ticks beyond the first one that no curve passes."""
    longest = max(float(points.time[-1]) for points in drawn)
    enough = int(np.searchsorted(time.ticks, longest * (1 - 1e-9)))
    return replace(time, ticks=time.ticks[: max(2, enough + 1)])


def last_follow_up(curve: pd.DataFrame, groups: Sequence[curves.Group]) -> dict[str, float]:
    """Last time of each group, by key."""
    return {g.key: float(curves.rows_of(curve, "strata", g.key)["time"].max()) for g in groups}


def text_lines(annotation: str | Sequence[str] | None) -> list[tuple[str, str]]:
    """Annotation as lines of (text, color)."""
    texts = [] if annotation is None else [annotation] if isinstance(annotation, str) else annotation
    return [(text, "#000000") for text in texts]


def curve_notes(curve: pd.DataFrame, stop_below: float, conf_band: bool) -> list[str]:
    """Sentences for the legend that hold for all step curves."""
    notes = []
    if 0 < stop_below < 1:
        notes.append(f"Curves stop where fewer than {100 * stop_below:g}% of a group remain at risk.")
    elif stop_below >= 1:
        notes.append(f"Curves stop where fewer than {stop_below:g} patients remain at risk.")
    if conf_band and "conf_low" in curve.columns:
        notes.append("Shaded bands are pointwise confidence intervals.")
    return notes
