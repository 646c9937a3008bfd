"""A row of swatches with their meaning, under or over an Axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cohort import style
from cohort.plots import layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

_SWATCH_PT = 8.0
_GAP_PT = 3.0
_BETWEEN_PT = 10.0
ROW_PT = style.FONT_SIZE * 1.5


@dataclass(frozen=True)
class Swatch:
    """One entry of a key.

    Attributes
    ----------
    label : str
        Meaning.
    face, edge : str
        Colors.
    hatch : str
        Hatch pattern; empty for none.
    marker : str
        Marker; empty draws a rectangle.
    """

    label: str
    face: str
    edge: str = "none"
    hatch: str = ""
    marker: str = ""


def missing_swatch(label: str) -> Swatch:
    """White and hatched: what is not known never has a color of the scale."""
    return Swatch(label, "#FFFFFF", style.HATCH_COLOR, style.MISSING_HATCH)


def draw_key(
    ax: Axes, entries: Sequence[Swatch], *, side: Literal["above", "below"] = "below", title: str = ""
) -> None:
    """Write the entries from the left edge of the Axes, in as many rows as they need.

    An Axes that is narrower than half of its slot, or than the widest entry beside the title, gets a key from
    the left edge of the slot. Below, the key stands under the tick labels and the x label; above, on the upper
    edge. Draw it after the Axes has its width.
    """
    before, room = layout.room_around(ax)
    widths = [_SWATCH_PT + _GAP_PT + layout.text_size(ax, entry.label)[0] for entry in entries]
    start = layout.text_size(ax, title, fontweight="bold")[0] + _GAP_PT * 2 if title else 0.0
    left = -before if before > room or start + max(widths, default=0.0) > room else 0.0
    places = [(row, x + left) for row, x in _places(widths, start, room - left)]
    below = side == "below"
    base = layout.points_from(ax, 0.0, 0.0 if below else 1.0, ax.transAxes)
    first = -layout.below_axis(ax) - ROW_PT * 0.9 if below else ROW_PT * (0.8 + max(row for row, _ in places))
    if title:
        layout.put(ax, left, first, title, base, va="center_baseline", fontweight="bold", gid="key")
    for entry, (row, x) in zip(entries, places, strict=True):
        y = first - row * ROW_PT
        _swatch(ax, entry, x, y, base)
        layout.put(ax, x + _SWATCH_PT + _GAP_PT, y, entry.label, base, va="center_baseline", gid="key")


def _places(widths: Sequence[float], start: float, room: float) -> list[tuple[int, float]]:
    """Row and left end of each entry; an entry that does not fit begins the next row."""
    places: list[tuple[int, float]] = []
    row, x = 0, start
    for width in widths:
        if x > start and x + width > room:
            row, x = row + 1, start
        places.append((row, x))
        x += width + _BETWEEN_PT
    return places


def _swatch(ax: Axes, entry: Swatch, x: float, y: float, base: Transform) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    if entry.marker:
        middle = Line2D(
            [x + _SWATCH_PT / 2],
            [y + 0.6],
            transform=base,
            linestyle="none",
            marker=entry.marker,
            markersize=4.2,
            mfc=entry.face,
            mec=entry.edge,
            mew=0.7,
        )
        layout.add_outside(ax, middle)
        return
    box = Rectangle(
        (x, y - 1.9),
        _SWATCH_PT,
        5.4,
        transform=base,
        facecolor=entry.face,
        edgecolor=entry.edge,
        hatch=entry.hatch or None,
        linewidth=0.5,
    )
    layout.add_outside(ax, box)
