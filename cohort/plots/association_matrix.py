"""Exposures against outcomes: the correlation of each pair by color, its p-value by mark, patients in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.format import fixed
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, refuse_repeats, require_columns, wrapped
from cohort.plots.key import Swatch, draw_key, missing_swatch
from cohort.plots.matrix import draw_cell, matrix_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL_MM = (15.0, 7.0)
_NEGATIVE, _MIDDLE, _POSITIVE = "#0072B2", "#FFFFFF", "#D55E00"
_TOPS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0)


def plot_association_matrix(
    frame: pd.DataFrame,
    *,
    threshold: float = 0.05,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    width_mm: float | None = None,
    height_mm: float | None = None,
) -> Axes:
    """Draw the pairs of a screen as a matrix of exposures by outcomes.

    Each cell shows the correlation of the scores (phi of two yes/no columns, else of ranks), which is comparable
    across measures, by color and in figures; a filled dot for an adjusted, a hollow one for an unadjusted p-value
    up to the threshold; and the patients used. A pair that was not tested is hatched.

    Parameters
    ----------
    frame : DataFrame
        One row per pair: ``term``, ``outcome``, ``correlation``, ``p_value``, ``p_adjusted``, ``n``.
    threshold : float, default=0.05
        Largest p-value that is marked.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose size follows from the cells.
    labels : mapping, default=None
        Text by exposure or outcome.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Cells are the ``ax.patches`` of gid ``cell``, in the order of the rows.

    Raises
    ------
    CohortError
        When a column is missing, or a pair has two rows.
    """
    columns = ["term", "outcome", "correlation", "p_value", "p_adjusted", "n"]
    require_columns(frame, columns, "the association matrix")
    refuse_repeats(frame, ["term", "outcome"], "the association matrix")
    terms, outcomes = keys_in(frame, "term"), keys_in(frame, "outcome")
    top = _top(frame["correlation"])
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm or 174.0, height_mm)
        named = labels or {}
        heads = [wrapped(named.get(outcome, readable(outcome)), 14) for outcome in outcomes]
        matrix_axes(ax, [named.get(term, readable(term)) for term in terms], heads)
        _draw_cells(ax, frame, terms, outcomes, top, threshold)
        layout.fit(ax)
        if new_figure and width_mm is None:
            widest = layout.widest(ax, heads, fontweight="bold")
            layout.fit_to_width(ax, max(_CELL_MM[0], widest / 72 / style.MM + 2) * len(outcomes), 174.0)
        draw_key(ax, _key(frame, top, threshold))
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _CELL_MM[1] * len(terms))
    return ax


def _top(correlation: pd.Series) -> float:
    """End the scale at the first round number that holds every correlation."""
    sizes = np.abs(correlation.to_numpy(dtype=float, na_value=np.nan))
    largest = float(np.nanmax(sizes)) if np.isfinite(sizes).any() else 0.0
    return next((top for top in _TOPS if largest <= top), 1.0)


def shade(correlation: float, top: float) -> str:
    """Color of a correlation: blue below 0, white at 0, vermilion above, linear up to ``top``."""
    end = _POSITIVE if correlation > 0 else _NEGATIVE
    return palette.blend(_MIDDLE, end, min(abs(correlation) / top, 1.0))


def mark(p_value: float, p_adjusted: float, threshold: float) -> str:
    """Mark of a pair: a filled dot when it is found after adjustment, a hollow one when only before."""
    if p_adjusted <= threshold:
        return " \N{BLACK CIRCLE}"
    return " \N{WHITE CIRCLE}" if p_value <= threshold else ""


def _draw_cells(
    ax: Axes,
    frame: pd.DataFrame,
    terms: Sequence[str],
    outcomes: Sequence[str],
    top: float,
    threshold: float,
) -> None:
    places = zip(frame["term"].astype(str), frame["outcome"].astype(str), strict=True)
    numbers = frame[["correlation", "p_value", "p_adjusted", "n"]].to_numpy(dtype=float, na_value=np.nan)
    for (term, outcome), (r, p, adjusted, n) in zip(places, numbers.tolist(), strict=True):
        x, y = outcomes.index(outcome), terms.index(term)
        look = missing_swatch("") if np.isnan(r) else Swatch("", shade(r, top), style.HATCH_COLOR)
        draw_cell(ax, x, y, look)
        if not np.isnan(r):
            ink = palette.ink_on(look.face)
            _write(ax, x, y - 0.2, fixed(r, 2) + mark(p, adjusted, threshold), ink, style.FONT_SIZE)
            _write(ax, x, y + 0.22, f"n = {n:,.0f}", ink, style.SMALL_FONT_SIZE)


def _write(ax: Axes, x: float, y: float, words: str, ink: str, size: float) -> None:
    ax.text(x, y, words, ha="center", va="center_baseline", color=ink, fontsize=size, gid="cell text")


def _key(frame: pd.DataFrame, top: float, threshold: float) -> list[Swatch]:
    steps = [Swatch(f"r = {fixed(r, 2)}", shade(r, top), style.HATCH_COLOR) for r in (-top, 0.0, top)]
    marks = [
        Swatch(f"adjusted P \N{LESS-THAN OR EQUAL TO} {threshold:g}", "#000000", "#000000", marker="o"),
        Swatch(
            f"only unadjusted P \N{LESS-THAN OR EQUAL TO} {threshold:g}", "#FFFFFF", "#000000", marker="o"
        ),
    ]
    missing = [missing_swatch("not tested")] if frame["correlation"].isna().any() else []
    return [*steps, *marks, *missing]
