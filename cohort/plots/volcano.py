"""Volcano plot: the strength and direction of every pair of a screen against its p-value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, refuse_repeats, require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_SMALLEST_P = 1e-300
_MOST_LABELS = 15
# Where a label may stand from its point, in points: side, then steps up and down.
_STEPS = (0.0, 7.0, -7.0, 14.0, -14.0, 21.0, -21.0, 28.0, -28.0)
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


def plot_volcano(
    frame: pd.DataFrame,
    *,
    threshold: float = 0.05,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    width_mm: float = 115.0,
    height_mm: float = 90.0,
) -> Axes:
    """Draw every tested pair: effect along x, minus log10 of the unadjusted p-value along y.

    When all pairs are odds ratios x is the odds ratio on a log axis; otherwise the correlation of the scores,
    because different measures share no axis. Filled marks have an adjusted p-value up to the threshold and are
    named, as far as names do not touch; the dashed line separates them from the rest, where one line can.

    Parameters
    ----------
    frame : DataFrame
        One row per pair: ``term``, ``outcome``, ``measure``, ``estimate``, ``correlation``, ``p_value``,
        ``p_adjusted``.
    threshold : float, default=0.05
        Largest adjusted p-value of a finding.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    labels : mapping, default=None
        Text by exposure or outcome.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Marks are the ``ax.lines`` of gid ``pair``: per outcome the pairs found, then the others.

    Raises
    ------
    CohortError
        When a column is missing, or a pair has two rows.
    """
    needed = ["term", "outcome", "measure", "estimate", "correlation", "p_value", "p_adjusted"]
    require_columns(frame, needed, "the volcano plot")
    refuse_repeats(frame, ["term", "outcome"], "the volcano plot")
    rows = frame[frame["p_value"].notna()].reset_index(drop=True)
    outcomes = keys_in(rows, "outcome")
    names = {key: (labels or {}).get(key, readable(key)) for key in (*outcomes, *keys_in(rows, "term"))}
    ratios = bool(len(rows)) and set(rows["measure"]) == {"odds ratio"}
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        x, beyond = _effect_axis(ax, rows, ratios)
        y = -np.log10(np.maximum(rows["p_value"].to_numpy(dtype=float), _SMALLEST_P))
        found = rows["p_adjusted"].to_numpy(dtype=float, na_value=np.nan) <= threshold
        _significance_axis(ax, y)
        for i, outcome in enumerate(outcomes):
            _draw_pairs(ax, x, y, found, (rows["outcome"] == outcome).to_numpy(), i)
        drawn = _threshold_line(ax, y, found)
        layout.fit(ax)
        draw_key(ax, _key([names[o] for o in outcomes], threshold), side="above")
        layout.fit(ax)
        unnamed = _name_pairs(ax, x, y, found, _names(rows, names, outcomes))
    style.add_notes(ax, _notes(len(frame) - len(rows), beyond, unnamed, bool(found.any()), drawn, threshold))
    return ax


def _effect_axis(ax: Axes, rows: pd.DataFrame, ratios: bool) -> tuple[FloatArray, int]:
    """Set the x axis; give the position of each pair and how many had to be put on its end."""
    values = rows["estimate" if ratios else "correlation"].to_numpy(dtype=float, na_value=np.nan)
    if not ratios:
        end = max(float(np.max(np.abs(values), initial=0.0)) * 1.15, 0.1)
        ax.set_xlim(-end, end)
        ax.set_xlabel("Correlation of exposure and outcome (ranks; phi for yes/no)", labelpad=2)
        ax.axvline(0.0, color=style.AXIS_COLOR, linewidth=0.6, zorder=1, gid="no effect")
        return values, 0
    usable = values[(values > 0) & np.isfinite(values)]
    farthest = float(np.exp(np.abs(np.log(usable)).max(initial=np.log(2.0)))) * 1.2
    end = min(farthest, 120.0)
    ax.set_xscale("log")
    ax.set_xlim(1 / end, end)
    ticks = [t for t in _TICKS if 1 / end <= t <= end]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("Odds ratio (log scale)", labelpad=2)
    ax.axvline(1.0, color=style.AXIS_COLOR, linewidth=0.6, zorder=1, gid="no effect")
    edge = end / 1.05
    placed = np.clip(values, 1 / edge, edge)
    return placed, int((placed != values).sum())


def _significance_axis(ax: Axes, y: FloatArray) -> None:
    ax.set_ylim(0, max(float(np.max(y, initial=0.0)) * 1.15, 2.0))
    ax.set_ylabel("\N{MINUS SIGN}log\N{SUBSCRIPT ONE}\N{SUBSCRIPT ZERO} P (unadjusted)", labelpad=3)


def _draw_pairs(
    ax: Axes, x: FloatArray, y: FloatArray, found: NDArray[np.bool_], own: NDArray[np.bool_], i: int
) -> None:
    color = palette.OKABE_ITO[i % len(palette.OKABE_ITO)]
    for chosen, face, order in ((own & found, color, 4), (own & ~found, "#FFFFFF", 3)):
        if not chosen.any():
            continue
        ax.plot(
            x[chosen],
            y[chosen],
            linestyle="none",
            marker=_MARKERS[i % len(_MARKERS)],
            markersize=4.2,
            mfc=face,
            mec=color,
            mew=0.7,
            zorder=order,
            clip_on=False,
            gid="pair",
        )


def _threshold_line(ax: Axes, y: FloatArray, found: NDArray[np.bool_]) -> bool:
    """Draw the line between pairs found and not found, when one line separates them."""
    if not found.any():
        return False
    lowest, highest = float(y[found].min()), float(y[~found].max(initial=0.0))
    if lowest <= highest:
        return False
    ax.axhline(
        (lowest + highest) / 2,
        color=style.MUTED_COLOR,
        linewidth=0.7,
        linestyle=(0, (4, 2)),
        zorder=1,
        gid="threshold",
    )
    return True


def _names(rows: pd.DataFrame, names: Mapping[str, str], outcomes: Sequence[str]) -> list[str]:
    terms = [names[term] for term in rows["term"].astype(str)]
    if len(outcomes) < 2:
        return terms
    seconds = [names[outcome] for outcome in rows["outcome"].astype(str)]
    return [f"{term}, {outcome}" for term, outcome in zip(terms, seconds, strict=True)]


def _name_pairs(
    ax: Axes, x: FloatArray, y: FloatArray, found: NDArray[np.bool_], names: Sequence[str]
) -> int:
    """Name pairs from the most significant down, where a free place is left; give how many stay unnamed."""
    scale = 72 / layout.figure_of(ax).dpi
    points = np.asarray(ax.transData.transform(np.column_stack([x, y]))) * scale
    box = np.asarray(ax.bbox.extents) * scale
    taken = [(px - 3.0, py - 3.0, px + 3.0, py + 3.0) for px, py in points]
    wanted = [i for i in np.argsort(-y, kind="stable") if found[i]]
    named = 0
    for i in wanted[:_MOST_LABELS]:
        size = layout.text_size(ax, names[i], fontsize=style.SMALL_FONT_SIZE)
        place = _free_place(points[i], size, taken, box)
        if place is None:
            continue
        taken.append(place)
        _write_name(ax, names[i], (float(x[i]), float(y[i])), points[i], place)
        named += 1
    return len(wanted) - named


def _write_name(
    ax: Axes,
    words: str,
    at: tuple[float, float],
    point: FloatArray,
    place: tuple[float, float, float, float],
) -> None:
    """Write a name at its place, with a line to its mark where it does not stand beside it."""
    from matplotlib.lines import Line2D

    base = layout.points_from(ax, *at, ax.transData)
    right = place[0] > point[0]
    edge = float((place[0] if right else place[2]) - point[0])
    middle = float((place[1] + place[3]) / 2 - point[1])
    if abs(middle) > 1.0:
        ends = ([0.0, edge], [0.0, middle])
        layout.add_outside(
            ax, Line2D(*ends, transform=base, color=style.MUTED_COLOR, linewidth=0.4, zorder=2, gid="leader")
        )
    layout.put(
        ax,
        edge,
        middle,
        words,
        base,
        ha="left" if right else "right",
        va="center",
        fontsize=style.SMALL_FONT_SIZE,
        bbox={"facecolor": "#FFFFFF", "linewidth": 0, "pad": 0.4, "alpha": 0.85},
        zorder=2.5,
        gid="name",
    )


def _free_place(
    point: FloatArray,
    size: tuple[float, float],
    taken: Sequence[tuple[float, float, float, float]],
    box: FloatArray,
) -> tuple[float, float, float, float] | None:
    width, height = size[0], size[1] + 1.0
    for step in _STEPS:
        for left in (point[0] + 4.5, point[0] - 4.5 - width):
            low = point[1] + step - height / 2
            place = (left, low, left + width, low + height)
            inside = box[0] <= left and place[2] <= box[2] and box[1] <= low and place[3] <= box[3]
            if inside and not any(_touch(place, other) for other in taken):
                return place
    return None


def _touch(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _key(outcomes: Sequence[str], threshold: float) -> list[Swatch]:
    colors = palette.OKABE_ITO
    entries = [
        Swatch(name, colors[i % len(colors)], colors[i % len(colors)], marker=_MARKERS[i % len(_MARKERS)])
        for i, name in enumerate(outcomes)
    ]
    filled = f"filled: adjusted P \N{LESS-THAN OR EQUAL TO} {threshold:g}"
    return [*entries, Swatch(filled, "#FFFFFF", "#FFFFFF", marker="o")]


def _notes(
    untested: int, beyond: int, unnamed: int, any_found: bool, drawn: bool, threshold: float
) -> list[str]:
    notes = []
    if not any_found:
        notes.append(f"No pair has an adjusted P up to {threshold:g}.")
    elif drawn:
        notes.append(f"The dashed line separates pairs with an adjusted P up to {threshold:g}.")
    if untested:
        notes.append(f"{untested} pairs were not tested.")
    if beyond:
        notes.append(f"{beyond} odds ratios of 0, infinity or beyond the axis stand on its end.")
    if unnamed:
        notes.append(f"{unnamed} pairs found are not named for lack of room.")
    return notes
