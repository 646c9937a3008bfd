"""Which source holds which variable: completeness of a mapping at one glance, without color alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.errors import CohortError
from cohort.format import percent
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, refuse_repeats, require_columns
from cohort.plots.key import Swatch, draw_key, missing_swatch
from cohort.plots.matrix import draw_cell, matrix_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL_MM = (13.0, 4.4)
_CELL = (0.94, 0.88)
_LOOKS: Mapping[str, Swatch] = {
    "complete": Swatch("complete", "#2F6F9F"),
    "partial": Swatch("partial", "#A9CBE4"),
    "undetermined": Swatch("undetermined", "#FFFFFF", style.HATCH_COLOR),
    "impossible": missing_swatch("not in the source"),
}


def plot_status_matrix(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    width_mm: float | None = None,
    height_mm: float | None = None,
) -> Axes:
    """Draw variables against sources, each cell by the status of its mapping rule.

    Parameters
    ----------
    frame : DataFrame
        One row per variable and source: ``variable``, ``source``, ``status`` (``complete``, ``partial``,
        ``undetermined``, ``impossible``) and, if known, ``n_ok`` and ``n``: rows with a usable value, and all
        rows; their percentage is printed. A pair without a row stays blank. Order: categories, else order of
        appearance.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose size follows from the cells.
    labels : mapping, default=None
        Text by variable or source.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Cells are the ``ax.patches`` of gid ``cell``, in the order of the rows.

    Raises
    ------
    CohortError
        When a column is missing, or a status is not one of the four.
    """
    require_columns(frame, ["variable", "source", "status"], "the status matrix")
    refuse_repeats(frame, ["variable", "source"], "the status matrix")
    unknown = sorted(set(frame["status"].astype(str)) - set(_LOOKS))
    if unknown:
        raise CohortError(
            "A status is not known.", evidence=", ".join(unknown), remedy=f"use {', '.join(_LOOKS)}"
        )
    variables, sources = keys_in(frame, "variable"), keys_in(frame, "source")
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm or 174.0, height_mm)
        named = labels or {}
        down = [named.get(variable, readable(variable)) for variable in variables]
        matrix_axes(ax, down, [named.get(source, source) for source in sources])
        _draw_cells(ax, frame, variables, sources)
        layout.fit(ax)
        if new_figure and width_mm is None:
            names = [t.get_text() for t in ax.get_xticklabels()]
            heads = layout.widest(ax, names, fontweight="bold") / 72 / style.MM + 2
            layout.fit_to_width(ax, max(_CELL_MM[0], heads) * len(sources), 174.0)
        seen = set(frame["status"].astype(str))
        draw_key(ax, [look for status, look in _LOOKS.items() if status in seen])
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _CELL_MM[1] * len(variables))
    return ax


def _draw_cells(ax: Axes, frame: pd.DataFrame, variables: Sequence[str], sources: Sequence[str]) -> None:
    columns = [frame[c].astype(str) for c in ("variable", "source", "status")]
    counted = {"n_ok", "n"} <= set(frame.columns)
    counts = (
        frame[["n_ok", "n"]].to_numpy(dtype=float, na_value=np.nan)
        if counted
        else np.full((len(frame), 2), np.nan)
    )
    for (variable, source, status), (n_ok, n) in zip(
        zip(*columns, strict=True), counts.tolist(), strict=True
    ):
        x, y, look = sources.index(source), variables.index(variable), _LOOKS[status]
        draw_cell(ax, x, y, look, _CELL)
        if n > 0 and status != "impossible":
            ax.text(
                x, y, percent(n_ok, n, 0), ha="center", va="center_baseline", color=palette.ink_on(look.face)
            )
