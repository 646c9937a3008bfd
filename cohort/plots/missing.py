"""Patterns of values that are not known: a row per pattern, a column per variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import readable, require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_MM, _MOST = 5.0, 20
_COLORS = (*palette.OKABE_ITO[1:], *palette.OKABE_ITO[:1])
_FIXED = {
    "missing": palette.OKABE_ITO[1],
    "not_imaged": palette.blend("#5F6368", "#FFFFFF", 0.4),
    "not_applicable": palette.blend("#5F6368", "#FFFFFF", 0.75),
}
_KNOWN = palette.blend(palette.OKABE_ITO[0], "#FFFFFF", 0.75)


def plot_missing_patterns(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    width_mm: float = 174.0,
) -> Axes:
    """Draw patterns of not known values.

    Parameters
    ----------
    frame : DataFrame
        One row per pattern: ``n`` patients, ``estimate`` their share, then the variables with the kind of not
        known, empty where known. At most 20 patterns are drawn.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    labels : mapping, default=None
        Text by variable.
    width_mm : float
        Width of a new figure.

    Returns
    -------
    Axes
        Cells are the ``ax.patches`` of gid ``cell``, row by row.
    """
    from matplotlib.patches import Rectangle

    require_columns(frame, ["n", "estimate"], "the figure of patterns")
    shown, variables = frame.head(_MOST), [str(c) for c in frame.columns if c not in ("n", "estimate")]
    looks = _looks(shown[variables])
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_xlim(-0.5, len(variables) - 0.5)
        ax.set_ylim(len(shown) - 0.5, -0.5)
        ax.xaxis.tick_top()
        names = [(labels or {}).get(v, readable(v)) for v in variables]
        ax.set_xticks(range(len(variables)), names, rotation=40, ha="left", rotation_mode="anchor")
        counts = [f"{n} ({100 * share:.0f}%)" for n, share in zip(shown["n"], shown["estimate"], strict=True)]
        ax.set_yticks(range(len(shown)), counts)
        ax.tick_params(length=0, pad=3)
        for y, row in enumerate(shown[variables].to_numpy(dtype=object).tolist()):
            for x, state in enumerate(row):
                cell = (x - 0.46, y - 0.42), 0.92, 0.84
                ax.add_patch(Rectangle(*cell, facecolor=looks[state].face, edgecolor="none", gid="cell"))
        hidden = int(frame["n"].sum() - shown["n"].sum())
        ax.set_ylabel("Patients" if not hidden else f"Patients ({hidden} more in rarer patterns)")
        layout.fit(ax)
        draw_key(ax, list(looks.values()))
        layout.fit(ax)
        if new_figure:
            layout.fit_to_height(ax, max(_ROW_MM * len(shown), 14.0))
    return ax


def _looks(states: pd.DataFrame) -> dict[str, Swatch]:
    """Give known and each kind of not known a color."""
    kinds = sorted(set(states.to_numpy(dtype=object).ravel().tolist()) - {""})
    free = iter([c for c in _COLORS[1:] if c not in _FIXED.values()] * (len(kinds) + 1))
    looks = {"": Swatch("known", _KNOWN)}
    for kind in kinds:
        looks[kind] = Swatch(kind.replace("_", " "), _FIXED.get(kind) or next(free))
    return looks
