"""Love plot: standardized mean differences before and after weighting or matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, refuse_repeats, require_columns
from cohort.plots.key import Swatch, draw_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_MM = 4.0
_MARKERS = ("o", "s", "^", "D")


def plot_love(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    threshold: float = 0.1,
    xlabel: str = "Absolute standardized difference",
    width_mm: float = 115.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw the absolute standardized difference of each variable, one mark per sample.

    Parameters
    ----------
    frame : DataFrame
        One row per variable and sample: ``variable``, ``sample`` (for example before and after weighting) and
        ``estimate``, the standardized difference. Order: categories, else order of appearance. A missing
        difference draws no mark.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose height follows from the rows.
    labels : mapping, default=None
        Text by variable or sample.
    threshold : float, default=0.1
        Difference that is still called balance; a dashed line.
    xlabel : str
        Label of the axis.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Marks are the ``ax.lines`` of gid ``difference``, one line per sample, y the row from 0 at the top.

    Raises
    ------
    CohortError
        When a column is missing, or a variable has two rows for one sample.
    """
    require_columns(frame, ["variable", "sample", "estimate"], "the Love plot")
    refuse_repeats(frame, ["variable", "sample"], "the Love plot")
    variables, samples = keys_in(frame, "variable"), keys_in(frame, "sample")
    names = {key: (labels or {}).get(key, readable(key)) for key in (*variables, *samples)}
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        _rows_axes(ax, [names[v] for v in variables], threshold, xlabel)
        for i, sample in enumerate(samples):
            _draw_sample(ax, frame[frame["sample"].astype(str) == sample], variables, i)
        ax.set_xlim(0, _end(frame["estimate"], threshold))
        layout.fit(ax)
        draw_key(ax, _key([names[s] for s in samples]), side="above")
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _ROW_MM * len(variables))
    return ax


def _end(differences: pd.Series, threshold: float) -> float:
    """End the axis a little beyond the largest difference and the threshold."""
    sizes = np.abs(differences.to_numpy(dtype=float, na_value=np.nan))
    return 1.08 * max(threshold * 1.5, float(np.nanmax(sizes)) if np.isfinite(sizes).any() else 0.0)


def _rows_axes(ax: Axes, names: Sequence[str], threshold: float, xlabel: str) -> None:
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0, pad=4)
    ax.spines["left"].set_color("#B0B3B8")
    ax.set_xlabel(xlabel, fontsize=style.FONT_SIZE, labelpad=2)
    for y in range(1, len(names), 2):
        ax.axhspan(y - 0.5, y + 0.5, color=style.ZEBRA_COLOR, linewidth=0, zorder=0)
    ax.axvline(
        threshold, color=style.MUTED_COLOR, linewidth=0.6, linestyle=(0, (4, 2)), zorder=1, gid="threshold"
    )


def _draw_sample(ax: Axes, rows: pd.DataFrame, variables: Sequence[str], i: int) -> None:
    face, color = _look(i)
    ax.plot(
        np.abs(rows["estimate"].to_numpy(dtype=float, na_value=np.nan)),
        [variables.index(v) for v in rows["variable"].astype(str)],
        linestyle="none",
        marker=_MARKERS[i % len(_MARKERS)],
        markersize=4.2,
        mfc=face,
        mec=color,
        mew=0.8,
        gid="difference",
        zorder=3 + i,
        clip_on=False,
    )


def _look(i: int) -> tuple[str, str]:
    """Give face and edge: the first sample is hollow, later ones are filled."""
    color = palette.OKABE_ITO[i % len(palette.OKABE_ITO)]
    return ("#FFFFFF" if i == 0 else color), color


def _key(names: Sequence[str]) -> list[Swatch]:
    return [Swatch(name, *_look(i), marker=_MARKERS[i % len(_MARKERS)]) for i, name in enumerate(names)]
