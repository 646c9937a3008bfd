"""The frame of a matrix figure: rows down, columns across, one cell for each pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cohort.plots.key import Swatch

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def matrix_axes(ax: Axes, down: Sequence[str], across: Sequence[str]) -> None:
    """Make room for the cells, with the texts of the columns above and of the rows at the left.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    down, across : sequence of str
        Texts of the rows and of the columns.
    """
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xlim(-0.5, len(across) - 0.5)
    ax.set_ylim(len(down) - 0.5, -0.5)
    ax.xaxis.tick_top()
    ax.set_xticks(range(len(across)), list(across), fontweight="bold")
    ax.set_yticks(range(len(down)), list(down))
    ax.tick_params(length=0, pad=3)


def draw_cell(ax: Axes, x: int, y: int, look: Swatch, size: tuple[float, float] = (0.96, 0.92)) -> None:
    """Draw one cell, of gid ``cell``.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    x, y : int
        Column and row.
    look : Swatch
        Colors and hatch.
    size : tuple of float, default=(0.96, 0.92)
        Width and height, of the room of one cell.
    """
    from matplotlib.patches import Rectangle

    wide, high = size
    cell = Rectangle(
        (x - wide / 2, y - high / 2),
        wide,
        high,
        facecolor=look.face,
        edgecolor=look.edge,
        hatch=look.hatch or None,
        linewidth=0.5,
        gid="cell",
    )
    ax.add_patch(cell)
