"""Flows between ordered strata: how patients move from one grade to another, totals conserved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.errors import CohortError
from cohort.format import percent
from cohort.plots import layout
from cohort.plots.curves import LINE_HEIGHT_PT, keys_in, require_columns, spread
from cohort.plots.key import Swatch, missing_swatch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BOX = 0.05
_GAP = 0.02
_POINTS = 40


@dataclass(frozen=True, slots=True)
class _Stage:
    """One column of strata: bottom and height of each, as shares of all patients plus gaps."""

    keys: tuple[str, ...]
    bottom: Mapping[str, float]
    height: Mapping[str, float]
    n: Mapping[str, float]


def plot_alluvial(
    frame: pd.DataFrame,
    *,
    stages: Sequence[str],
    titles: Sequence[str] | None = None,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    width_mm: float = 110.0,
    height_mm: float = 80.0,
) -> Axes:
    """Draw patients flowing between strata, in the color of where they come from.

    Grades have the colors of the grade ramp, from the lowest at the bottom; anything that is not a number
    (open, died, unknown) is a stratum of its own, hatched, at the top. Every patient of a stage is in the next.

    Parameters
    ----------
    frame : DataFrame
        One row per combination: a column for each stage, and ``n``. Order of strata: categories, else order of
        appearance.
    stages : sequence of str
        Columns from left to right, at least two.
    titles : sequence of str, optional
        Head of each stage; the column names by default.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    labels : mapping, optional
        Text by stratum.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Boxes are the ``ax.patches`` of gid ``<stage>: <stratum>``, of height n / total; flows the
        ``ax.collections`` of gid ``<from> -> <to>``.

    Raises
    ------
    CohortError
        When a column is missing, there are fewer than two stages, or nobody to draw.
    """
    require_columns(frame, [*stages, "n"], "the alluvial plot")
    total = float(frame["n"].sum())
    if len(stages) < 2 or not total > 0 or (frame["n"] < 0).any():
        raise CohortError(
            "An alluvial plot needs two stages and patients.",
            evidence=f"{len(stages)} stages, {total:g} patients",
            remedy="name at least two columns in stages=, and pass counts above 0",
        )
    made = [_stage(frame, name, total) for name in stages]
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        ax.spines[:].set_visible(False)
        ax.set_xticks([]), ax.set_yticks([])
        ax.set_xlim(-_BOX, len(stages) - 1 + _BOX)
        ax.set_ylim(0, max(one.bottom[one.keys[-1]] + one.height[one.keys[-1]] for one in made))
        for i in range(len(stages) - 1):
            _draw_flows(ax, frame, (stages[i], stages[i + 1]), (made[i], made[i + 1]), i, total)
        for i, (name, one) in enumerate(zip(stages, made, strict=True)):
            _draw_boxes(ax, name, one, float(i))
            title = (titles or stages)[i]
            layout.put(
                ax,
                0,
                6,
                title,
                layout.points_from(ax, i, 1.0, ax.get_xaxis_transform()),
                ha="center",
                fontweight="bold",
            )
        layout.fit(ax)
        for i, one in enumerate(made):
            _draw_labels(ax, one, i, len(made), total, labels or {})
        layout.fit(ax)
    return ax


def _stage(frame: pd.DataFrame, name: str, total: float) -> _Stage:
    """Stack the strata of a column: grades from below, then what is no grade."""
    text = frame[name].astype("string").fillna("missing")
    sums = frame.groupby(text, observed=True)["n"].sum()
    keys = [key for key in [*keys_in(frame, name), "missing"] if sums.get(key, 0) > 0]
    keys = list(dict.fromkeys(keys))
    keys.sort(key=lambda key: (_grade(key) is None, _grade(key) or 0.0))
    bottom, height, at = {}, {}, 0.0
    for key in keys:
        bottom[key], height[key] = at, float(sums[key]) / total
        at += height[key] + _GAP
    return _Stage(tuple(keys), bottom, height, {key: float(sums[key]) for key in keys})


def _grade(key: str) -> float | None:
    """Return the stratum as a grade, None when it is not one."""
    value = pd.to_numeric(pd.Series([key]), errors="coerce").iloc[0]
    return float(value) if 0 <= value <= 5 else None


def _look(key: str) -> Swatch:
    grade = _grade(key)
    return missing_swatch(key) if grade is None else Swatch(key, palette.grade_color(grade))


def _draw_flows(
    ax: Axes,
    frame: pd.DataFrame,
    names: tuple[str, str],
    stages: tuple[_Stage, _Stage],
    at: int,
    total: float,
) -> None:
    """Draw the ribbons between two stages; within a stratum in the order of the other side."""
    first, second = (frame[name].astype("string").fillna("missing") for name in names)
    counts = frame["n"].groupby([first, second], observed=True).sum()
    left = dict(stages[0].bottom)
    right = dict(stages[1].bottom)
    ends: dict[tuple[str, str], list[float]] = {}
    for source in stages[0].keys:
        for target in stages[1].keys:
            share = float(counts.get((source, target), 0)) / total
            ends[source, target] = [left[source], 0.0, share]
            left[source] += share
    for target in stages[1].keys:
        for source in stages[0].keys:
            ends[source, target][1] = right[target]
            right[target] += ends[source, target][2]
    x = np.linspace(0, 1, _POINTS)
    smooth = x * x * (3 - 2 * x)
    # Wide flows first, so that narrow ones that cross them stay visible.
    for (source, target), (start, end, share) in sorted(ends.items(), key=lambda item: -item[1][2]):
        if share > 0:
            low = start + (end - start) * smooth
            look = _look(source)
            face = palette.blend(look.face, "#FFFFFF", 0.3) if _grade(source) is not None else "#FFFFFF"
            band = ax.fill_between(
                at + _BOX + x * (1 - 2 * _BOX),
                low,
                low + share,
                facecolor=face,
                edgecolor=look.edge if look.hatch else "#FFFFFF",
                hatch=look.hatch or None,
                linewidth=0.4,
                zorder=1,
            )
            band.set_gid(f"{source} -> {target}")


def _draw_boxes(ax: Axes, name: str, stage: _Stage, at: float) -> None:
    from matplotlib.patches import Rectangle

    for key in stage.keys:
        look = _look(key)
        ax.add_patch(
            Rectangle(
                (at - _BOX, stage.bottom[key]),
                2 * _BOX,
                stage.height[key],
                facecolor=look.face,
                edgecolor=look.edge if look.hatch else "#FFFFFF",
                hatch=look.hatch or None,
                linewidth=0.5,
                zorder=2,
                gid=f"{name}: {key}",
            )
        )


def _draw_labels(
    ax: Axes, stage: _Stage, at: int, n_stages: int, total: float, labels: Mapping[str, str]
) -> None:
    """Name the strata with n (%): left of the first stage, right of the others, pushed apart."""
    room = ax.bbox.height * 72 / layout.figure_of(ax).dpi
    scale = room / (ax.get_ylim()[1] - ax.get_ylim()[0])
    wanted = [(stage.bottom[key] + stage.height[key] / 2) * scale for key in stage.keys]
    places = spread(wanted, [LINE_HEIGHT_PT] * len(stage.keys), room)
    is_first = at == 0
    base = layout.points_from(ax, at + (-_BOX if is_first else _BOX), 0.0, ax.transData)
    behind = None if at in (0, n_stages - 1) else {"facecolor": "#FFFFFF", "edgecolor": "none", "pad": 0.6}
    for key, place in zip(stage.keys, places, strict=True):
        words = f"{labels.get(key, key)}: {stage.n[key]:,.0f} ({percent(round(stage.n[key]), total)})"
        layout.put(
            ax,
            -4 if is_first else 4,
            place,
            words,
            base,
            ha="right" if is_first else "left",
            va="center_baseline",
            bbox=behind,
        )
