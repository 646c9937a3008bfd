"""Causal diagrams: causes left of their effects, roles by color and outline, arrows that end at the boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import readable, require_columns, wrapped
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

FloatArray = NDArray[np.float64]
_ROW_MM, _COLUMN_MM = 14.0, 31.0
_BENDS = (0.0, 0.12, -0.12, 0.22, -0.22, 0.34, -0.34)
_LOOKS: Mapping[str, Swatch] = {
    "exposure": Swatch("exposure", palette.OKABE_ITO[1], "#000000"),
    "outcome": Swatch("outcome", palette.OKABE_ITO[0], "#000000"),
    "adjusted": Swatch("adjusted for", "#D9D9D9", "#000000"),
    "covariate": Swatch("covariate", "#FFFFFF", "#000000"),
    "mediator": Swatch("never adjust for", "#FFFFFF", palette.OKABE_ITO[1], "////"),
    "unobserved": Swatch("unobserved", "#FFFFFF", style.HATCH_COLOR),
}


def plot_causal_diagram(
    nodes: pd.DataFrame,
    edges: pd.DataFrame,
    *,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw variables in columns, each right of all its causes.

    Parameters
    ----------
    nodes : DataFrame
        ``variable``, ``role`` (exposure, outcome, covariate, mediator, consequence of the effect, unobserved),
        ``adjusted``.
    edges : DataFrame
        ``cause``, ``effect``; without cycles.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose size follows from the diagram.
    labels : mapping, default=None
        Text by variable.

    Returns
    -------
    Axes
        Names are the ``ax.texts`` of gid ``node``, arrows the ``ax.patches`` of gid ``arrow``, in order.

    Raises
    ------
    CohortError
        When a column is missing.
    """
    require_columns(nodes, ["variable", "role", "adjusted"], "the causal diagram")
    require_columns(edges, ["cause", "effect"], "the causal diagram")
    names = [str(name) for name in nodes["variable"]]
    pairs = list(zip(edges["cause"].astype(str), edges["effect"].astype(str), strict=True))
    at = places(names, pairs)
    wide = max(x for x, _ in at.values()) + 1
    tall = max(y for _, y in at.values()) - min(y for _, y in at.values()) + 1
    looks = {
        name: _look(role, adjusted)
        for name, role, adjusted in zip(names, nodes["role"], nodes["adjusted"], strict=True)
    }
    with style.theme():
        ax = layout.own_axes(ax, _COLUMN_MM * wide, _ROW_MM * tall + 10)
        ax.set_axis_off()
        ax.set_xlim(-0.55, wide - 0.45)
        ax.set_ylim(max(y for _, y in at.values()) + 0.6, min(y for _, y in at.values()) - 0.6)
        boxes = {}
        for name in names:
            swatch = _LOOKS[looks[name]]
            boxes[name] = ax.text(
                *at[name],
                wrapped((labels or {}).get(name, readable(name)), 16),
                ha="center",
                va="center",
                gid="node",
                zorder=3,
                color=palette.ink_on(swatch.face),
                bbox={
                    "boxstyle": "round,pad=0.35",
                    "facecolor": swatch.face,
                    "edgecolor": swatch.edge,
                    "linewidth": 0.7,
                    "linestyle": (0, (2, 2)) if looks[name] == "unobserved" else "solid",
                    "hatch": swatch.hatch or None,
                },
            )
        layout.fit(ax)
        draw_key(ax, [_LOOKS[look] for look in _LOOKS if look in set(looks.values())])
        layout.fit(ax)
        _arrows(ax, boxes, at, pairs)
    return ax


def _look(role: str, adjusted: bool) -> str:
    if role == "covariate":
        return "adjusted" if adjusted else "covariate"
    return "mediator" if role == "consequence of the effect" else role


def places(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Return column and row of each variable.

    The column is the length of the longest path to it. Rows of a column are ordered by the mean row of its
    neighbors in the columns before and after, swept a few times (Sugiyama, Tagawa and Toda 1981), and centered.
    """
    column = dict.fromkeys(names, 0)
    for _ in names:
        for cause, effect in pairs:
            column[effect] = max(column[effect], column[cause] + 1)
    for name in names:  # a cause of one late variable stands near it
        later = [column[effect] for cause, effect in pairs if cause == name]
        if later and not any(effect == name for _, effect in pairs):
            column[name] = min(later) - 1
    layers = [[n for n in names if column[n] == k] for k in range(max(column.values()) + 1)]
    row = {n: float(i - (len(layer) - 1) / 2) for layer in layers for i, n in enumerate(layer)}
    near = {n: [a if b == n else b for a, b in pairs if n in (a, b)] for n in names}
    for _ in range(8):
        for layer in layers:
            weight = {n: sum(row[m] for m in near[n]) / len(near[n]) if near[n] else row[n] for n in layer}
            order = sorted(layer, key=lambda n: (weight[n], names.index(n)))
            for i, n in enumerate(order):
                row[n] = i - (len(order) - 1) / 2
    shift = {n: 0.5 * (column[n] % 2) if _crowded(n, column, row, pairs) else 0.0 for n in names}
    return {n: (float(column[n]), row[n] + shift[n]) for n in names}


def _crowded(
    name: str, column: Mapping[str, int], row: Mapping[str, float], pairs: Sequence[tuple[str, str]]
) -> bool:
    """Whether an arrow that spans columns would run through this variable."""
    return any(
        column[a] < column[name] < column[b] and row[a] == row[name] == row[b] and name not in (a, b)
        for a, b in pairs
    )


def _arrows(
    ax: Axes,
    boxes: Mapping[str, Text],
    at: Mapping[str, tuple[float, float]],
    pairs: Sequence[tuple[str, str]],
) -> None:
    """Draw the arrows from border to border; those that span columns are bent around what lies between."""
    from matplotlib.patches import FancyArrowPatch

    renderer = layout.figure_of(ax).canvas.get_renderer()  # type: ignore[attr-defined]
    half = {}
    for name, box in boxes.items():
        extent = box.get_window_extent(renderer)
        pad = 0.35 * float(box.get_fontsize()) * layout.figure_of(ax).dpi / 72 + 2
        half[name] = (extent.width / 2 + pad, extent.height / 2 + pad)
    center = {name: ax.transData.transform(at[name]) for name in boxes}
    room = ax.get_window_extent(renderer)
    for cause, effect in pairs:
        way = center[effect] - center[cause]
        start = center[cause] + way * _share(way, half[cause])
        end = center[effect] - way * _share(way, half[effect])
        others = [(center[name], half[name]) for name in boxes if name not in (cause, effect)]
        low, high = ax.transData.inverted().transform([start, end])
        arrow = FancyArrowPatch(
            (low[0], low[1]),
            (high[0], high[1]),
            arrowstyle="-|>",
            mutation_scale=7,
            shrinkA=0,
            shrinkB=0,
            linewidth=0.8,
            color="#000000",
            connectionstyle=f"arc3,rad={_bend(start, end, others, room)}",
            gid="arrow",
            zorder=2,
        )
        ax.add_patch(arrow)


def _share(way: FloatArray, half: tuple[float, float]) -> float:
    """Return the share of the way at which it leaves a box of these half sides."""
    wide, tall = np.abs(way) / np.asarray(half)
    return float(1 / max(wide, tall, 1e-9))


def _bend(
    start: FloatArray, end: FloatArray, others: Sequence[tuple[FloatArray, tuple[float, float]]], room: Bbox
) -> float:
    """Return the smallest bend whose arc (matplotlib's arc3) meets the fewest boxes and stays in the Axes."""
    way = end - start
    t = np.linspace(0, 1, 41)[:, None]
    best = (len(t) * (len(others) + 1) + 1, 0.0)
    for bend in _BENDS:
        middle = (start + end) / 2 + bend * np.array([way[1], -way[0]])
        arc = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
        met = sum(int((np.abs(arc - at) < half).all(axis=1).sum()) for at, half in others)
        met += int(((arc < room.min) | (arc > room.max)).any(axis=1).sum())
        if met < best[0]:
            best = (met, bend)
    return best[1]
