"""States over time: the probabilities of one group stacked to 100 %, of several groups as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import style
from cohort.plots import curves, layout
from cohort.plots.curve_figure import PLOT_HEIGHT_MM, TimeAxis, Times, time_axis
from cohort.plots.incidence import plot_incidence
from cohort.plots.time_axis import TimeUnit, tick_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The first state is where everybody begins: pale, as the background of what happens.
_COLORS = ("#E8E8E8", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00")
_LAST_COLOR = "#595959"


def plot_states(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    times: Times = None,
    unit: str = "days",
    display_unit: TimeUnit | None = None,
    xlabel: str | None = None,
    labels: Mapping[str, str] | None = None,
    colors: Mapping[str, str] | None = None,
    width_mm: float = 115.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw the probability of each state over time.

    One group is stacked: the height of a band is the probability of its state, the first state at the bottom, and
    names stand at the right end. Several groups are drawn as lines: the color is the group, the line style the state.

    Parameters
    ----------
    frame : DataFrame
        Tidy frame of ``multistate``: ``outcome`` (the state), ``time``, ``estimate`` and, for groups, ``strata``.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    times : array-like, default=None
        Ticks, in ``unit``; round ones by default.
    unit, display_unit : {'days', 'weeks', 'months', 'years'}
        Unit of the frame, and the unit that the axis prints (the same by default).
    xlabel : str
        Label of the time axis; by default the unit.
    labels, colors : mapping, default=None
        Text and color by state (or group, where there are several).
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Bands are the ``ax.collections`` of gid ``state NAME`` (lower and upper edge as steps, 0 to 1).

    Raises
    ------
    CohortError
        When a column is missing, or the labels leave no room at this width.
    """
    curves.require_columns(frame, ["outcome", "time", "estimate"], "the states")
    own = cast("TimeUnit", unit)
    if len(curves.keys_in(frame, "strata")) > 1:
        return plot_incidence(
            frame.drop(columns=["n_risk"], errors="ignore"),
            ax=ax,
            times=times,
            unit=own,
            display_unit=display_unit,
            xlabel=xlabel,
            ylabel="Probability of the state (%)",
            labels=labels,
            colors=colors,
            conf_band=False,
            width_mm=width_mm,
            height_mm=height_mm,
        )
    states = curves.keys_in(frame, "outcome")
    time, edges = _edges(frame, states)
    axis = time_axis(times, None, float(time[-1]), own, display_unit, xlabel)
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        _draw_bands(ax, time, edges, states, axis, dict(zip(states, _colors(states, colors), strict=True)))
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, PLOT_HEIGHT_MM)
        else:
            layout.fit(ax)
        _name_bands(ax, edges[:, -1], [(labels or {}).get(s, curves.readable(s)) for s in states])
        layout.fit(ax)
    style.add_notes(ax, ["The height of a band is the probability of being in the state."])
    return ax


def _edges(frame: pd.DataFrame, states: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the times, and the edges between the bands from below: shape (n_states + 1, n_times)."""
    known = frame[frame["estimate"].notna()]
    wide = known.pivot_table(index="time", columns="outcome", values="estimate", observed=True)[list(states)]
    heights = np.cumsum(wide.to_numpy(dtype=float), axis=1).T
    return wide.index.to_numpy(dtype=float), np.vstack([np.zeros(len(wide)), heights])


def _colors(states: Sequence[str], colors: Mapping[str, str] | None) -> list[str]:
    own = [_COLORS[i % len(_COLORS)] for i in range(len(states))]
    if len(states) > 1:
        own[-1] = _LAST_COLOR
    return [(colors or {}).get(state, color) for state, color in zip(states, own, strict=True)]


def _draw_bands(
    ax: Axes,
    time: NDArray[np.float64],
    edges: NDArray[np.float64],
    states: Sequence[str],
    axis: TimeAxis,
    colors: Mapping[str, str],
) -> None:
    curves.percent_axis(ax, 1.0, "Probability of the state (%)")
    curves.follow_up_axis(ax, axis.ticks, tick_labels(axis.ticks, axis.factor), axis.end, axis.label)
    inside = time <= axis.end
    end = min(axis.end, float(time[-1])) if inside.all() else axis.end
    drawn = np.append(time[inside], end)
    for k, state in enumerate(states):
        low, high = (np.append(edge[inside], edge[inside][-1]) for edge in (edges[k], edges[k + 1]))
        ax.fill_between(
            drawn,
            low,
            high,
            step="post",
            facecolor=colors[state],
            edgecolor="#FFFFFF",
            linewidth=0.4,
            gid=f"state {state}",
        )


def _name_bands(ax: Axes, last: NDArray[np.float64], names: Sequence[str]) -> None:
    """Write each state right of its band, in black, pushed apart where bands are thin."""
    room = ax.bbox.height * 72 / layout.figure_of(ax).dpi
    low, high = ax.get_ylim()
    wanted = [((a + b) / 2 - low) / (high - low) * room for a, b in pairwise(last.tolist())]
    texts = [curves.wrapped(name) for name in names]
    heights = [curves.LINE_HEIGHT_PT * (text.count("\n") + 1) for text in texts]
    base = layout.points_from(ax, 1.0, 0.0, ax.transAxes)
    for text, middle in zip(texts, curves.spread(wanted, heights, room), strict=True):
        layout.put(ax, 4, middle, text, base, va="center_baseline", linespacing=1.15)
