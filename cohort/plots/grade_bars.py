"""Stacked bars of toxicity grades by group, the not-determinable hatched and inside the denominator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import palette, style
from cohort.errors import CohortError
from cohort.format import percent
from cohort.plots import layout
from cohort.plots.curves import keys_in, require_columns, wrapped
from cohort.plots.key import Swatch, draw_key, missing_swatch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

_ROW_MM = 6.4
_BAR = 0.74


def plot_grade_bars(
    frame: pd.DataFrame,
    *,
    group: str = "group",
    grade: str = "grade",
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    title: str = "ICANS grade",
    xlabel: str = "Patients (%)",
    totals: bool = True,
    width_mm: float = 115.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw the grades of each group as one bar of 100 %, from grade 0 to the highest.

    Grades that could not be determined are a hatched piece at the end: they stay in the denominator and never
    get the color of a grade. A piece prints its percentage where there is room for it.

    Parameters
    ----------
    frame : DataFrame
        One row per group and grade: the group, the grade, and ``n``. Grades are numbers from 0 to 5 or their
        text; anything else, a missing value too, is not determinable. Order of groups: categories, else
        order of appearance.
    group, grade : str, default='group', 'grade'
        Names of the two columns.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose height follows from the groups.
    labels : mapping, default=None
        Text by group.
    title : str, default='ICANS grade'
        Head of the key.
    xlabel : str, default='Patients (%)'
        Label of the axis.
    totals : bool, default=True
        Whether the number of patients stands behind each bar.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Pieces are the ``ax.patches`` of gid ``grade 0`` ... or ``not determinable``; widths are proportions.

    Raises
    ------
    CohortError
        When a column is missing, a grade is outside 0 to 5, or a group has no patients.
    """
    require_columns(frame, [group, grade, "n"], "the grade bars")
    groups = keys_in(frame, group)
    grades, counts = _counts(frame, group, grade, groups)
    if any(g is not None and not 0 <= g <= 5 for g in grades):
        raise CohortError("A grade is outside 0 to 5.", evidence=f"column {grade!r}")
    n_group = counts.sum(axis=1)
    if (n_group <= 0).any():
        raise CohortError(
            "A group has no patients.", evidence=f"{int((n_group <= 0).sum())} of {len(groups)} groups"
        )
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        _bar_axes(ax, [(labels or {}).get(g, g) for g in groups], n_group if totals else n_group[:0], xlabel)
        layout.fit(ax)
        texts = [
            text
            for y in range(len(groups))
            for text in _draw_bar(ax, y, counts[y] / n_group[y], n_group[y], grades)
        ]
        _hide_crowded(ax, texts)
        draw_key(
            ax,
            [_swatch(g) for g, n in zip(grades, counts.sum(axis=0), strict=True) if n > 0],
            side="above",
            title=title,
        )
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _ROW_MM * len(groups))
    return ax


def _counts(
    frame: pd.DataFrame, group: str, grade: str, groups: Sequence[str]
) -> tuple[list[float | None], NDArray[np.float64]]:
    """Patients by group and grade; the last column is the grade that could not be determined."""
    keys = frame[group].astype(str)
    values = pd.to_numeric(frame[grade].astype("string"), errors="coerce").to_numpy(float, na_value=np.nan)
    n = frame["n"].to_numpy(dtype=float, na_value=0.0)
    known = {float(v) for v in values[np.isfinite(values)]}
    grades: list[float | None] = [*sorted(known), None]
    counts = [
        [n[(keys == g) & (np.isnan(values) if k is None else values == k)].sum() for k in grades]
        for g in groups
    ]
    return grades, np.array(counts, dtype=float)


def _bar_axes(ax: Axes, names: Sequence[str], totals: NDArray[np.float64], xlabel: str) -> None:
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), [wrapped(name, 30) for name in names], linespacing=1.0)
    ax.tick_params(axis="y", length=0, pad=4)
    ax.spines["left"].set_visible(False)
    ax.set_xlim(0, 1)
    ax.set_xticks(np.linspace(0, 1, 6), ["0", "20", "40", "60", "80", "100"])
    ax.set_xlabel(xlabel, fontsize=style.FONT_SIZE, labelpad=2)
    for y, total in enumerate(totals.tolist()):
        base = layout.points_from(ax, 1.0, y, ax.get_yaxis_transform())
        layout.put(ax, 5, 0, f"n={total:,.0f}", base, va="center_baseline", gid="total")


def _draw_bar(
    ax: Axes, y: int, shares: NDArray[np.float64], total: float, grades: Sequence[float | None]
) -> list[tuple[Text, float]]:
    from matplotlib.patches import Rectangle

    texts, left = [], 0.0
    for share, grade in zip(shares.tolist(), grades, strict=True):
        if share > 0:
            look = _swatch(grade)
            piece = Rectangle(
                (left, y - _BAR / 2),
                share,
                _BAR,
                facecolor=look.face,
                edgecolor=look.edge if grade is None else "#FFFFFF",
                hatch=look.hatch or None,
                linewidth=0.5,
                gid="not determinable" if grade is None else f"grade {grade:g}",
            )
            ax.add_patch(piece)
            words = percent(round(share * total), total)
            ink = "#000000" if grade is None else palette.ink_on(look.face)
            behind = {"facecolor": "#FFFFFF", "edgecolor": "none", "pad": 0.8} if grade is None else None
            text = ax.text(
                left + share / 2, y, words, ha="center", va="center_baseline", color=ink, bbox=behind
            )
            texts.append((text, share))
        left += share
    return texts


def _hide_crowded(ax: Axes, texts: Sequence[tuple[Text, float]]) -> None:
    """Remove percentages that are wider than their piece."""
    room = ax.bbox.width * 72 / layout.figure_of(ax).dpi
    for text, share in texts:
        if layout.text_size(ax, text.get_text())[0] + 3 > share * room:
            text.remove()


def _swatch(grade: float | None) -> Swatch:
    return (
        missing_swatch("not determinable")
        if grade is None
        else Swatch(f"{grade:g}", palette.grade_color(grade))
    )
