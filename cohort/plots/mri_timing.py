"""When the MRI was made: day of the first scan counted from ICANS onset, one mark per patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import palette, style
from cohort.errors import CohortError
from cohort.format import MINUS, fixed, interval
from cohort.plots import layout
from cohort.plots.curves import require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNKNOWN_COLOR = "#FFFFFF"
_PITCH_MM = 1.75
_PITCH_PT = _PITCH_MM / 25.4 * 72
# Result -> (text, marker, filled)
_RESULTS = {
    "present": ("abnormal", "o", True),
    "absent": ("no abnormal finding", "o", False),
    "other": ("indeterminate or not assessable", "^", False),
}


@dataclass(frozen=True)
class Lane:
    """Marks of one grade.

    Attributes
    ----------
    label : str
        Name of the grade.
    color : str
        Color of its marks.
    days : array of shape (n,)
        Days from onset to MRI, ascending.
    results : list of str
        ``present``, ``absent`` or ``other``, by mark.
    levels : array of shape (n,)
        Height of each mark in its stack, from 0.
    """

    label: str
    color: str
    days: NDArray[np.float64]
    results: list[str]
    levels: NDArray[np.int64]

    @property
    def height(self) -> int:
        """Marks in the highest stack."""
        return int(self.levels.max()) + 1 if len(self.levels) else 1


def plot_mri_timing(
    frame: pd.DataFrame,
    *,
    delay: str = "days_from_onset",
    grade: str = "icans_grade",
    result: str | None = None,
    window: tuple[float, float] | None = None,
    ax: Axes | None = None,
    xlabel: str = "Days from ICANS onset to MRI",
    width_mm: float = 115.0,
    height_mm: float | None = None,
) -> Axes:
    """Stack one mark per MRI on its day, counted from the onset of ICANS.

    Lanes are grades; with a result, a filled mark is an abnormal scan, a hollow one a scan without the
    finding, a triangle a scan that does not decide. Marks of one day are stacked, abnormal first, so that the
    picture is the same each time. Rows without a day are counted in the notes.

    Parameters
    ----------
    frame : DataFrame
        One row per mark: an examination (as ``mri_timing`` of the neurotox room gives it) or a patient.
    delay : str, default='days_from_onset'
        Column with the integer day of the MRI minus the day of ICANS onset; negative before onset.
    grade : str, default='icans_grade'
        Column with the grade; a missing grade has a lane of its own.
    result : str, default=None
        Column with ``absent``, ``present``, ``indeterminate``, ``not_assessable`` (or no/yes), for example
        ``any_abnormal_finding``; None draws all marks filled.
    window : tuple of float, default=None
        Days from onset to draw, both ends included, for example to leave out baseline scans; the notes count
        the rows outside.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose height follows from the stacks.
    xlabel : str
        Label of the axis.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Marks are the ``ax.lines`` of gid ``marks``; x is in days from onset.

    Raises
    ------
    CohortError
        When a column is missing, or no row has a day (inside the window).
    """
    require_columns(frame, [delay, grade, *([result] if result else [])], "the MRI timing")
    days = frame[delay].to_numpy(dtype=float, na_value=np.nan)
    low, high = window if window is not None else (-np.inf, np.inf)
    known = np.isfinite(days)
    timed = known & (days >= low) & (days <= high)
    if not timed.any():
        raise CohortError("No MRI has a day relative to ICANS onset.", evidence=f"{len(frame)} rows")
    states = _states(frame[result]) if result else np.full(len(frame), "present")
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        apart = _PITCH_PT * _span(days[timed]) / _room(ax)
        lanes = _lanes(days[timed], frame[grade][timed], states[timed], apart)
        bottoms = _lane_axes(ax, lanes, days[timed], xlabel)
        for lane, bottom in zip(lanes, bottoms, strict=True):
            _draw_lane(ax, lane, bottom)
        layout.fit(ax)
        _write_sides(ax, lanes, bottoms)
        layout.fit(ax)
        if result:
            draw_key(ax, _key(lanes), side="above")
            layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _PITCH_MM * (bottoms[-1] + lanes[-1].height + 1))
    outside = int((known & ~timed).sum())
    beyond = [f"Not drawn: {outside:,} outside days {interval(low, high, 0)} from onset."] if outside else []
    style.add_notes(ax, [*_notes(int((~known).sum()), bool(result)), *beyond])
    return ax


def _states(results: pd.Series) -> NDArray[np.str_]:
    """``present``, ``absent`` or ``other``, by row."""
    decided = [results.isin(["present", "yes"]), results.isin(["absent", "no"])]
    return np.select(decided, ["present", "absent"], "other")


def _lanes(
    delay: NDArray[np.float64], grades: pd.Series, states: NDArray[np.str_], apart: float
) -> list[Lane]:
    known = grades.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    lanes = [
        _lane(f"Grade {g:g}", palette.grade_color(g), delay[known == g], states[known == g], apart)
        for g in np.unique(known[np.isfinite(known)]).tolist()
    ]
    if np.isnan(known).any():
        gone = np.isnan(known)
        lanes.append(_lane("Grade not\ndeterminable", _UNKNOWN_COLOR, delay[gone], states[gone], apart))
    return lanes


def _lane(label: str, color: str, delay: NDArray[np.float64], states: NDArray[np.str_], apart: float) -> Lane:
    rank = np.array([list(_RESULTS).index(s) for s in states.tolist()], dtype=float)
    order = np.lexsort((rank, delay))
    return Lane(label, color, delay[order], states[order].tolist(), stack_levels(delay[order], apart))


def stack_levels(days: NDArray[np.float64], apart: float) -> NDArray[np.int64]:
    """Lift each mark to the lowest level on which the mark before it is at least ``apart`` days away.

    Examples
    --------
    >>> stack_levels(np.array([0.0, 0.0, 1.0, 2.0]), apart=1.5).tolist()
    [0, 1, 2, 0]
    """
    ends: list[float] = []  # day of the last mark on each level
    levels = []
    for day in days.tolist():
        level = next((k for k, end in enumerate(ends) if end < day and day - end >= apart), len(ends))
        ends[level : level + 1] = [day]
        levels.append(level)
    return np.array(levels, dtype=np.int64)


def _span(days: NDArray[np.float64]) -> float:
    """Days that the axis covers."""
    return max(0.0, float(days.max())) - min(0.0, float(days.min())) + 2


def _room(ax: Axes) -> float:
    """Points that the texts on both sides leave for the axis."""
    texts = layout.widest(ax, ["determinable"], fontweight="bold") + layout.widest(
        ax, ["n=99; median 99 (-99 to 99)"]
    )
    return max(40.0, sum(layout.room_around(ax)) - texts - 12)


def _lane_axes(ax: Axes, lanes: Sequence[Lane], delay: NDArray[np.float64], xlabel: str) -> list[float]:
    """Set the axes; give the lower end of each lane, lowest grade at the bottom, in marks."""
    gap = 1.6
    bottoms = np.cumsum([0.8] + [max(lane.height, 1.5) + gap for lane in lanes]).tolist()[:-1]
    ax.set_ylim(0, bottoms[-1] + lanes[-1].height + 1)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    low, high = min(0.0, float(delay.min())), max(0.0, float(delay.max()))
    ax.set_xlim(low - 1, high + 1)
    step = next((s for s in (1, 2, 5, 10, 20, 50, 100) if (high - low) / s <= 10), 200)
    ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    ax.set_xticks(ticks, [f"{t:+g}".replace("-", MINUS) if t else "0" for t in ticks])
    ax.set_xlabel(xlabel, fontsize=style.FONT_SIZE, labelpad=2)
    ax.axvline(0, color=style.AXIS_COLOR, linewidth=0.7, zorder=1, gid="onset")
    for bottom in bottoms:
        ax.axhline(bottom - 0.5, color="#D5D7DA", linewidth=0.5, zorder=0.5)
    return [float(b) for b in bottoms]


def _draw_lane(ax: Axes, lane: Lane, bottom: float) -> None:
    edge = palette.text_color(lane.color, 3.0) if lane.color != _UNKNOWN_COLOR else style.MUTED_COLOR
    for state, (_, marker, filled) in _RESULTS.items():
        chosen = np.array([s == state for s in lane.results])
        face = edge if filled and lane.color == _UNKNOWN_COLOR else lane.color if filled else "#FFFFFF"
        ax.plot(
            lane.days[chosen],
            bottom + lane.levels[chosen] + 0.1,
            linestyle="none",
            marker=marker,
            markersize=_PITCH_PT * 0.74,
            mfc=face,
            mec=edge,
            mew=0.7,
            gid="marks",
            label=f"_{lane.label} {state}",
            zorder=3,
        )


def _write_sides(ax: Axes, lanes: Sequence[Lane], bottoms: Sequence[float]) -> None:
    """Grade left; number and median delay right."""
    for lane, bottom in zip(lanes, bottoms, strict=True):
        left = layout.points_from(ax, 0.0, bottom, ax.get_yaxis_transform())
        right = layout.points_from(ax, 1.0, bottom, ax.get_yaxis_transform())
        layout.put(ax, -6, 0, lane.label, left, ha="right", va="center", fontweight="bold", linespacing=1.0)
        low, middle, high = np.quantile(lane.days, [0.25, 0.5, 0.75])
        words = f"n={len(lane.days):,}; median {_days(middle)} ({interval(low, high, 0)})"
        layout.put(ax, 6, 0, words, right, ha="left", va="center_baseline", gid="lane text")


def _days(value: float) -> str:
    return fixed(value, 0 if float(value).is_integer() else 1)


def _key(lanes: Sequence[Lane]) -> list[Swatch]:
    seen = {state for lane in lanes for state in lane.results}
    gray = style.MUTED_COLOR
    return [
        Swatch(text, gray if filled else "#FFFFFF", gray, marker=marker)
        for state, (text, marker, filled) in _RESULTS.items()
        if state in seen
    ]


def _notes(n_without: int, with_result: bool) -> list[str]:
    gone = [f"Not drawn: {n_without:,} without a day relative to onset."] if n_without else []
    marks = [] if with_result else ["One mark per MRI."]
    return [*gone, *marks, "Medians with quartiles, in days."]
