"""Dot plot of proportions with their limits, n/N and the number not known beside each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import readable, refuse_repeats, require_columns, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_MM = 4.6
_GAP_PT = 8.0
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)


def plot_proportions(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    conf_level: float = 0.95,
    xlabel: str | None = None,
    width_mm: float = 115.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw proportions as dots with their limits, one row each; groups stand below the name of their finding.

    Parameters
    ----------
    frame : DataFrame
        One row per finding and group: ``term``, ``strata`` (empty for all), ``estimate``, ``conf_low``,
        ``conf_high``, ``n_event``, ``n``, and, if present, ``n_missing``. A row without an estimate has no dot and says
        that nobody is known.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose height follows from the rows.
    labels : mapping, default=None
        Text by ``term`` or ``strata``.
    conf_level : float, default=0.95
        Level of the intervals, for the label of the axis.
    xlabel : str, default=None
        Label of the axis.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Dots are the ``ax.lines`` of gid ``estimate``, limits those of gid ``interval``, both in the order of the rows.

    Raises
    ------
    CohortError
        When a column is missing, or a finding has two rows for one group.
    """
    needed = ["term", "strata", "estimate", "conf_low", "conf_high", "n_event", "n"]
    require_columns(frame, needed, "the plot of proportions")
    refuse_repeats(frame, ["term", "strata"], "the plot of proportions")
    new_figure = ax is None
    at, names, heads = _lines(frame, labels or {})
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        _axis(ax, frame, names, xlabel or f"Proportion (%) with {100 * conf_level:g}% CI")
        for tick, name in zip(ax.get_yticklabels(), range(len(names)), strict=True):
            tick.set_fontweight("bold" if name in heads else "normal")
        values = frame[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float).tolist()
        for y, (estimate, low, high) in zip(at, values, strict=True):
            _draw(ax, y, estimate, low, high)
        _counts(ax, frame, at)
        layout.fit(ax)
        if new_figure and height_mm is None:
            tallest = max(name.count("\n") for name in names) + 1
            layout.fit_to_height(ax, _ROW_MM * (len(names) + 0.9) * (1 + 0.6 * (tallest - 1)))
    return ax


def _lines(frame: pd.DataFrame, labels: Mapping[str, str]) -> tuple[list[int], list[str], set[int]]:
    """Return the line of every row, the text of every line, and which lines are headings."""
    terms, groups = frame["term"].astype(str).tolist(), frame["strata"].astype(str).tolist()
    one = len(set(terms)) == 1
    at: list[int] = []
    names: list[str] = []
    heads: set[int] = set()
    for i, (term, group) in enumerate(zip(terms, groups, strict=True)):
        finding = labels.get(term, _capital(readable(term)))
        if group and not one and (i == 0 or terms[i - 1] != term):
            heads.add(len(names))
            names.append(wrapped(finding, 34))
        at.append(len(names))
        names.append(wrapped(labels.get(group, readable(group)) if group else finding, 34))
    return at, names, heads


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _axis(ax: Axes, frame: pd.DataFrame, names: list[str], xlabel: str) -> None:
    highest = np.nanmax([0.0, *frame["conf_high"], *frame["estimate"]])
    step = next((s for s in _STEPS if highest <= 5.5 * s), 0.2)
    end = min(1.0, float(np.ceil(highest / step - 1e-9) * step)) or 1.0
    ticks = np.arange(0, end + step / 2, step)
    ax.set_xlim(0, end)
    ax.set_xticks(ticks, [f"{100 * t:g}" for t in ticks.round(4)])
    ax.set_xlabel(xlabel, fontsize=style.FONT_SIZE, labelpad=2)
    ax.set_ylim(len(names) - 0.4, -1.3)
    ax.set_yticks(range(len(names)), names, linespacing=1.0)
    ax.tick_params(axis="y", length=0, pad=5)
    ax.spines["left"].set_color("#B0B3B8")
    for y in range(1, len(names), 2):
        ax.axhspan(y - 0.5, y + 0.5, color=style.ZEBRA_COLOR, linewidth=0, zorder=0)


def _draw(ax: Axes, y: int, estimate: float, low: float, high: float) -> None:
    if np.isfinite(low) and np.isfinite(high):
        ax.plot(
            [low, high], [y, y], "-", color="#000000", linewidth=0.8, zorder=2, gid="interval", clip_on=False
        )
    if np.isfinite(estimate):
        blue = palette.OKABE_ITO[0]
        ax.plot([estimate], [y], "o", markersize=4.4, color=blue, zorder=3, gid="estimate", clip_on=False)


def _counts(ax: Axes, frame: pd.DataFrame, at: list[int]) -> None:
    """Write n/N, and how many are not known, right of the plot."""
    known = [f"{int(x)}/{int(n)}" for x, n in zip(frame["n_event"], frame["n"], strict=True)]
    columns = [("n/N", known)]
    if "n_missing" in frame and (frame["n_missing"] > 0).any():
        columns.append(("Not known", [f"{int(n)}" for n in frame["n_missing"]]))
    right = 0.0
    for head, cells in columns:
        width = max(layout.widest(ax, cells), layout.widest(ax, [head], fontweight="bold"))
        right += _GAP_PT + width
        for y, words in zip([-1, *at], [head, *cells], strict=True):
            base = layout.points_from(ax, 1.0, y, ax.get_yaxis_transform())
            weight = "bold" if y < 0 else "normal"
            layout.put(ax, right, 0, words, base, ha="right", va="center_baseline", fontweight=weight)
