"""Heat map of MRI findings by grade: each cell with its denominator, the not-imaged in the heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import palette, style
from cohort.errors import CohortError
from cohort.format import percent
from cohort.plots import layout
from cohort.plots.curves import keys_in, readable, refuse_repeats, require_columns, wrapped
from cohort.plots.key import Swatch, draw_key, missing_swatch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL_MM = (15.5, 6.6)
_HEAD_ROWS = 1.8
_SCALE = ("#F4F8FC", "#C6DBEF", "#7FB3D8", "#3787C0", "#0B4F96")
_IMAGED_COLOR = "#6B7075"
_NOT_KNOWN = "not_known"
_HEADS: Mapping[str, str] = {_NOT_KNOWN: "Not determinable", "overall": "All patients"}
HIDDEN = "hidden"
FloatArray = NDArray[np.float64]


def plot_finding_by_grade(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
    top: float | None = None,
    min_cell: int = 0,
    width_mm: float | None = None,
    height_mm: float | None = None,
) -> Axes:
    """Draw the proportion with each finding, by grade, among those in whom it could be assessed.

    Every cell prints the percentage and n/N. The head of a column shows how many of the grade's patients were
    imaged: the filled part of its bar; the hatched rest has no scan and enters no denominator. A cell without
    an assessable patient is hatched, never zero.

    Parameters
    ----------
    frame : DataFrame
        One row per finding and grade: ``finding``, ``grade``, ``n_present``, ``n_assessable``, ``n_imaged``,
        ``n_patients``; the last two are constant within a grade. A count that is missing was hidden. Order:
        categories, numbers ascending, else order of appearance. A missing grade, and ``not_known``, could
        not be determined; ``overall`` is all patients. ``label``, if present, names the finding.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure whose size follows from the cells.
    labels : mapping, default=None
        Text by ``finding`` or ``grade``; a grade that is a number prints "Grade n".
    top : float, default=None
        Proportion that has the darkest shade; by default the next round value above the largest.
    min_cell : int, default=0
        Counts from 1 to below this print as "<min_cell" on neutral ground.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        Cells are the ``ax.patches`` of gid ``cell``, one per row of the frame.

    Raises
    ------
    CohortError
        When a column is missing, counts contradict each other, or the imaged differ within a grade.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"finding": ["infarct"], "grade": [3], "n_present": [2], "n_assessable": [19],
    ...                       "n_imaged": [20], "n_patients": [31]})
    >>> ax = plot_finding_by_grade(frame)
    >>> [text.get_text() for text in ax.texts if text.get_gid() == "cell text"]
    ['11%', '2/19']
    """
    names = ("finding", "grade", "n_present", "n_assessable", "n_imaged", "n_patients")
    require_columns(frame, names, "findings by grade")
    frame = _named_grades(frame)
    refuse_repeats(frame, ["finding", "grade"], "findings by grade")
    _check_counts(frame)
    findings, grades, texts = keys_in(frame, "finding"), keys_in(frame, "grade"), _texts(frame, labels)
    counts = frame[["n_present", "n_assessable"]].to_numpy(dtype=float, na_value=np.nan)
    share = counts[:, 0] / np.where(counts[:, 1] > 0, counts[:, 1], np.nan)
    limit = top or _nice_top(share)
    new_figure = ax is None
    with style.theme():
        ax = layout.own_axes(ax, width_mm or 174.0, height_mm)
        _grid_axes(ax, findings, grades, texts)
        for x, grade in enumerate(grades):
            _draw_head(ax, x, grade, frame[frame["grade"] == grade], texts)
        _draw_cells(ax, frame, counts, share, limit, min_cell)
        layout.fit(ax)
        if new_figure and width_mm is None:
            layout.fit_to_width(ax, _cell_width(ax) * len(grades), 174.0)
        draw_key(ax, _key(limit))
        layout.fit(ax)
        if new_figure and height_mm is None:
            layout.fit_to_height(ax, _CELL_MM[1] * (len(findings) + _HEAD_ROWS))
    hidden = [f"{HIDDEN} = a small count is not shown."] if np.isnan(counts).any() else []
    notes = ["Percentages are of patients imaged in whom the finding could be assessed.", *hidden]
    style.add_notes(ax, notes)
    return ax


def _named_grades(frame: pd.DataFrame) -> pd.DataFrame:
    """Grades as categories of text: their own order, numbers ascending, or order of appearance."""
    grades = frame["grade"]
    if not isinstance(grades.dtype, pd.CategoricalDtype):
        present = list(grades.dropna().unique())
        order = sorted(present) if pd.api.types.is_numeric_dtype(grades.dtype) else present
        grades = grades.astype(pd.CategoricalDtype([*order]))
    grades = grades.cat.rename_categories([_grade_text(v) for v in grades.cat.categories])
    if grades.isna().any():
        if _NOT_KNOWN not in grades.cat.categories:
            grades = grades.cat.add_categories([_NOT_KNOWN])
        grades = grades.fillna(_NOT_KNOWN)
    return frame.assign(grade=grades).reset_index(drop=True)


def _grade_text(value: Any) -> str:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return f"{value:g}" if number else str(value)


def _is_grade(text: str) -> bool:
    return text.isdigit() and int(text) < len(palette.GRADE_RAMP)


def _texts(frame: pd.DataFrame, labels: Mapping[str, str] | None) -> dict[str, str]:
    """Texts of findings and grades: as given, else the frame's ``label`` column, else made from the value."""
    texts = dict(_HEADS)
    if "label" in frame.columns:
        texts |= dict(zip(frame["finding"].astype(str), frame["label"].astype(str), strict=True))
    else:
        texts |= {name: readable(name) for name in keys_in(frame, "finding")}
    texts |= {g: f"Grade {g}" for g in keys_in(frame, "grade") if _is_grade(g)}
    return texts | dict(labels or {})


def _check_counts(frame: pd.DataFrame) -> None:
    columns = ["n_present", "n_assessable", "n_imaged", "n_patients"]
    counts = frame[columns].to_numpy(dtype=float, na_value=np.nan)
    bad = int((np.diff(counts, axis=1) < 0).any(axis=1).sum())
    if bad:
        raise CohortError(
            "Counts contradict each other: present <= assessable <= imaged <= patients must hold.",
            evidence=f"{bad} of {len(frame)} rows",
        )
    varying = frame.groupby("grade", observed=True)[["n_imaged", "n_patients"]].nunique().gt(1).any(axis=1)
    if varying.any():
        raise CohortError(
            "The number imaged, or of patients, differs between the findings of a grade.",
            evidence=f"grades: {', '.join(map(str, varying.index[varying]))}",
            remedy="count n_imaged and n_patients once per grade, and what one finding lacks in n_assessable",
        )


def _nice_top(share: FloatArray) -> float:
    highest = float(np.nanmax(share)) if np.isfinite(share).any() else 1.0
    return next((t for t in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0) if highest <= t + 1e-9), 1.0)


def shade(share: float, top: float) -> str:
    """Color of a proportion: one hue, light to dark, linear up to ``top``."""
    position = min(max(share / top, 0.0), 1.0) * (len(_SCALE) - 1)
    i = min(int(position), len(_SCALE) - 2)
    return palette.blend(_SCALE[i], _SCALE[i + 1], position - i)


def _grid_axes(ax: Axes, findings: Sequence[str], grades: Sequence[str], labels: Mapping[str, str]) -> None:
    ax.set_xlim(-0.5, len(grades) - 0.5)
    ax.set_ylim(len(findings) - 0.5, -0.5 - _HEAD_ROWS)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xticks([])
    ax.set_yticks([-1.06, *range(len(findings))], ["Imaged/patients", *(labels.get(f, f) for f in findings)])
    ax.tick_params(length=0, pad=4)


def _draw_head(ax: Axes, x: int, grade: str, rows: pd.DataFrame, labels: Mapping[str, str]) -> None:
    """Name of the grade, then a bar whose filled part was imaged."""
    imaged, patients = (_number(rows[c].iloc[0]) for c in ("n_imaged", "n_patients"))
    name = wrapped(labels.get(grade, grade), 12)
    ax.text(x, -1.68, name, ha="center", va="center", fontweight="bold", linespacing=0.95, gid="head")
    ax.text(x, -1.06, f"{_count(imaged)}/{_count(patients)}", ha="center", va="center", gid="imaged")
    left, width, y, high = x - 0.46, 0.92, -0.72, 0.14
    if imaged <= patients and patients > 0:
        _box(ax, left, y, width, high, "#FFFFFF", hatch=style.MISSING_HATCH, gid="not imaged")
        _box(ax, left, y, width * imaged / patients, high, _IMAGED_COLOR, gid="imaged bar")
    if _is_grade(grade):
        _box(ax, left, -2.22, width, 0.1, palette.grade_color(int(grade)), edge="none", gid="grade color")


def _number(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)


def _count(value: float) -> str:
    return HIDDEN if np.isnan(value) else f"{value:,.0f}"


def _box(
    ax: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    face: str,
    *,
    hatch: str = "",
    edge: str = style.HATCH_COLOR,
    gid: str,
) -> None:
    from matplotlib.patches import Rectangle

    box = Rectangle(
        (x, y), width, height, facecolor=face, edgecolor=edge, hatch=hatch or None, linewidth=0.5, gid=gid
    )
    ax.add_patch(box)


def _draw_cells(
    ax: Axes,
    frame: pd.DataFrame,
    counts: FloatArray,
    share: FloatArray,
    top: float,
    min_cell: int,
) -> None:
    findings, grades = keys_in(frame, "finding"), keys_in(frame, "grade")
    columns = [frame[c].astype(str) for c in ("finding", "grade")]
    for i, (finding, grade) in enumerate(zip(*columns, strict=True)):
        x, y = grades.index(grade), findings.index(finding)
        present, assessable = counts[i]
        if not assessable > 0:
            _box(ax, x - 0.46, y - 0.44, 0.92, 0.88, "#FFFFFF", hatch=style.MISSING_HATCH, gid="cell")
        elif np.isnan(present) or 0 < present < min_cell:
            _box(ax, x - 0.46, y - 0.44, 0.92, 0.88, "#FFFFFF", gid="cell")
            first = HIDDEN if np.isnan(present) else f"<{min_cell}"
            _cell_text(ax, x, y, first, f"of {assessable:,.0f}", "#000000")
        else:
            color = shade(float(share[i]), top)
            _box(ax, x - 0.46, y - 0.44, 0.92, 0.88, color, edge="none", gid="cell")
            _cell_text(
                ax,
                x,
                y,
                percent(present, assessable),
                f"{present:,.0f}/{assessable:,.0f}",
                palette.ink_on(color),
            )


def _cell_text(ax: Axes, x: int, y: int, first: str, second: str, ink: str) -> None:
    ax.text(x, y - 0.2, first, ha="center", va="center_baseline", color=ink, gid="cell text")
    ax.text(
        x,
        y + 0.22,
        second,
        ha="center",
        va="center_baseline",
        color=ink,
        fontsize=style.SMALL_FONT_SIZE,
        gid="cell text",
    )


def _cell_width(ax: Axes) -> float:
    """Millimeters that the widest text needs, and not less than the usual width."""
    needed = layout.widest(ax, [text.get_text() for text in ax.texts]) / 72 / style.MM + 2.0
    return max(_CELL_MM[0], needed)


def _key(top: float) -> list[Swatch]:
    steps = [Swatch(f"{100 * s:g}%", shade(s, top), style.HATCH_COLOR) for s in (0.0, top / 2, top)]
    return [*steps, missing_swatch("no scan, or not assessable")]
