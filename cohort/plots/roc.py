"""ROC curves: sensitivity against one minus specificity, with areas and chosen cutoffs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from cohort import style
from cohort.plots import layout
from cohort.plots.curves import Group, annotate_free_corner, keys_in, make_groups, require_columns, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_roc(
    frame: pd.DataFrame,
    *,
    areas: Mapping[str, str] | None = None,
    marks: pd.DataFrame | None = None,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    width_mm: float = 80.0,
    height_mm: float = 80.0,
) -> Axes:
    """Draw the operating points of scores or groups.

    Parameters
    ----------
    frame : DataFrame
        Rows of ``strata`` with ``sensitivity`` and ``specificity``, in the order of the curve.
    areas : mapping, default=None
        Text of the area by curve.
    marks : DataFrame, default=None
        Points to mark: ``strata, level`` (the cutoff as text), ``sensitivity, specificity``.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    labels : mapping, default=None
        Text by curve.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Curves are the ``ax.lines`` of gid ``curve``, marked cutoffs those of gid ``cutoff``, and the line of a score
        that tells nothing that of gid ``chance``.

    Raises
    ------
    CohortError
        When a column is missing.
    """
    require_columns(frame, ["strata", "sensitivity", "specificity"], "the ROC curve")
    groups = make_groups(keys_in(frame, "strata"), labels)
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
        ax.set_aspect("equal")
        ax.plot([0, 1], [0, 1], color=style.AXIS_COLOR, linewidth=0.6, linestyle=(0, (1, 2)), gid="chance")
        for group in groups:
            rows = rows_of(frame, "strata", group.key)
            ax.plot(
                1 - rows["specificity"],
                rows["sensitivity"],
                color=group.color,
                linestyle=group.line_style,
                linewidth=1.2,
                clip_on=False,
                zorder=3,
                gid="curve",
            )
        ax.set_xlabel("1 \N{MINUS SIGN} specificity", labelpad=2)
        ax.set_ylabel("Sensitivity", labelpad=3)
        layout.fit(ax)
        lines = [(_named(group, areas or {}), group.color) for group in groups]
        annotate_free_corner(ax, [line for line in lines if line[0]])
        if marks is not None:
            _mark(ax, marks, groups)
        layout.fit(ax)
    return ax


def _named(group: Group, areas: Mapping[str, str]) -> str:
    area = areas.get(group.key, "")
    return (
        f"{group.label}: AUC {area}"
        if area and group.label
        else group.label or (f"AUC {area}" if area else "")
    )


def _mark(ax: Axes, marks: pd.DataFrame, groups: list[Group]) -> None:
    for k, group in enumerate(groups):
        rows = rows_of(marks, "strata", group.key)
        # Above the uppermost curve at the left, below the others at the right.
        side, words_at = (-5.0, "right") if k == 0 else (5.0, "left")
        x, y = 1 - rows["specificity"].to_numpy(float), rows["sensitivity"].to_numpy(float)
        ax.plot(x, y, "o", color=group.color, markersize=3.6, zorder=4, clip_on=False, gid="cutoff")
        for where, height, words in zip(x, y, rows["level"], strict=True):
            base = layout.points_from(ax, float(where), float(height), ax.transData)
            layout.put(
                ax, side, -side, str(words), base, va="center", ha=words_at, color=group.color, gid="cutoff"
            )
