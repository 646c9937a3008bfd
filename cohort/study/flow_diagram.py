"""Draw the flow diagram: a box per rule, a side box with who left and why, and the imaged at the end."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from cohort.errors import StudyError
from cohort.format import EN_DASH
from cohort.style import AXIS_COLOR, FONT_SIZE, MM, MUTED_COLOR, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 150.0  # millimeters, as all lengths below
BOX_WIDTH = 66.0
SIDE_LEFT = 83.5
MARGIN = 0.5
PADDING = 1.8
GAP = 2.8
LINE = FONT_SIZE * 1.25 * 25.4 / 72
CHARACTERS = 46


@dataclass(frozen=True, slots=True)
class _Box:
    """A box with wrapped lines; the first is its heading."""

    left: float
    width: float
    lines: tuple[str, ...]

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + 2 * PADDING


def draw_flow(
    attrition: pd.DataFrame,
    imaging: pd.DataFrame | None = None,
    ax: Axes | None = None,
    *,
    window: tuple[int, int] = (0, 30),
) -> Axes:
    """Draw the flow of patients through the rules of a study.

    Parameters
    ----------
    attrition : DataFrame
        One row per step, as ``Study.attrition``; the counts are checked to add up.
    imaging : DataFrame, optional
        Columns ``group`` (``imaged``, ``not_imaged``, ``unknown``), ``reason`` (empty for none) and ``n``;
        drawn as boxes below the last rule.
    ax : Axes, optional
        Axes to draw on; a new figure of 150 mm when not given.
    window : tuple of int, default=(0, 30)
        Days of imaging, to name them.

    Returns
    -------
    Axes
        The axes, in millimeters.

    Raises
    ------
    StudyError
        When the counts do not add up.
    """
    _check_sums(attrition, imaging)
    stages = [_stage(row, first=position == 0) for position, row in enumerate(attrition.to_dict("records"))]
    ends = [] if imaging is None else _end_boxes(imaging, str(attrition["unit"].iloc[-1]), window)
    height = _height(stages, ends)
    with theme():
        ax = _axes(height) if ax is None else ax
        ax.set_xlim(0, WIDTH)
        ax.set_ylim(0, height)
        ax.set_axis_off()
        bottom = _draw_stages(ax, stages, height)
        if ends:
            _draw_ends(ax, ends, bottom)
    return ax


def _check_sums(attrition: pd.DataFrame, imaging: pd.DataFrame | None) -> None:
    """Whoever enters a rule leaves by it or reaches the next."""
    left = attrition["n_before"] - attrition["n_excluded"] - attrition["n_unknown"]
    wrong = int((left != attrition["n_after"]).sum())
    wrong += int(
        (attrition["n_before"].iloc[1:].to_numpy() != attrition["n_after"].iloc[:-1].to_numpy()).sum()
    )
    if imaging is not None:
        wrong += int(imaging["n"].sum() != attrition["n_after"].iloc[-1])
    if wrong:
        raise StudyError(
            "The counts of the flow diagram do not add up.",
            evidence=f"{wrong} boxes where those who enter are not those who leave and those who go on",
            remedy="Draw study.attrition as the study gives it, and split all of its patients.",
        )


def _stage(row: dict[Hashable, Any], *, first: bool) -> tuple[_Box, _Box | None]:
    """Return the box of a rule and the side box of those who left by it."""
    infusions, patients = int(row["n_after"]), int(row["n_patients"])
    both = row["unit"] != "patients"
    n = (
        f"n = {_of(infusions, 'infusion')}, {_of(patients, 'patient')}"
        if both
        else f"n = {_of(patients, 'patient')}"
    )
    label, kind = str(row["label"]), str(row["kind"])
    if first:
        return _box(MARGIN, [label, n]), None
    kept = _capital(label) if kind == "require" else "Remaining"
    main = _box(MARGIN, [kept, n])
    if kind == "duplicate":
        return main, _box(SIDE_LEFT, [f"{_capital(label)}: {row['n_excluded']:,}"])
    gone = f"not {label}" if kind == "require" else label
    total = int(row["n_excluded"]) + int(row["n_unknown"])
    reasons = [f"{gone}: {row['n_excluded']:,}", f"not known: {row['n_unknown']:,}"]
    return main, _box(SIDE_LEFT, [f"Left out: {total:,}", *reasons])


def _of(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _end_boxes(imaging: pd.DataFrame, unit: str, window: tuple[int, int]) -> list[_Box]:
    """Return one box for the imaged, one for the not imaged with reasons, and one when it is not known."""
    days = f"MRI on day {window[0]}{EN_DASH}{window[1]}"
    heads = {"imaged": days, "not_imaged": f"No {days}", "unknown": "MRI not recorded"}
    groups = [g for g in heads if g != "unknown" or int(imaging.loc[imaging["group"] == g, "n"].sum())]
    gap = 4.0
    width = (WIDTH - 2 * MARGIN - gap * (len(groups) - 1)) / len(groups)
    boxes = []
    for position, group in enumerate(groups):
        rows = imaging[imaging["group"] == group]
        total = int(rows["n"].sum())
        reasons = [
            f"{str(reason).replace('_', ' ')}: {n:,}"
            for reason, n in zip(rows["reason"], rows["n"], strict=True)
            if reason
        ]
        boxes.append(
            _box(
                MARGIN + position * (width + gap),
                [f"{heads[group]}: {_of(total, unit[:-1])}", *reasons],
                width,
            )
        )
    return boxes


def _box(left: float, texts: Sequence[str], width: float = BOX_WIDTH) -> _Box:
    characters = max(12, round(CHARACTERS * (width - 2 * PADDING) / (BOX_WIDTH - 2 * PADDING)))
    lines = [line for text in texts for line in textwrap.wrap(text, characters, subsequent_indent="  ")]
    return _Box(left, width, tuple(lines))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _height(stages: Sequence[tuple[_Box, _Box | None]], ends: Sequence[_Box]) -> float:
    """Add up what is drawn from top to bottom."""
    total = 2 * MARGIN
    for main, side in stages:
        total += main.height + (side.height + 2 * GAP if side is not None else 0)
    if ends:
        total += max(box.height for box in ends) + 3 * GAP
    return total


def _axes(height: float) -> Axes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH * MM, height * MM))
    return figure.add_axes((0, 0, 1, 1))


def _draw_stages(ax: Axes, stages: Sequence[tuple[_Box, _Box | None]], height: float) -> float:
    """Draw the rules from top to bottom; return where the last box ends."""
    top = height - MARGIN
    center = MARGIN + BOX_WIDTH / 2
    for main, side in stages:
        if side is not None:
            below = top - side.height - 2 * GAP
            middle = top - GAP - side.height / 2
            _arrow(ax, (center, top), (center, below))
            _arrow(ax, (center, middle), (SIDE_LEFT, middle))
            _draw_box(ax, side, top - GAP, faint=True)
            top = below
        _draw_box(ax, main, top)
        top -= main.height
    return top


def _draw_ends(ax: Axes, ends: Sequence[_Box], bottom: float) -> None:
    """Draw the split of the last box: one line down, one across, an arrow to each part."""
    center, across = MARGIN + BOX_WIDTH / 2, bottom - 1.5 * GAP
    top = bottom - 3 * GAP
    middles = [box.left + box.width / 2 for box in ends]
    ax.plot([center, center], [bottom, across], color=AXIS_COLOR, lw=0.7)
    ax.plot([min(*middles, center), max(*middles, center)], [across, across], color=AXIS_COLOR, lw=0.7)
    for position, (box, middle) in enumerate(zip(ends, middles, strict=True)):
        _arrow(ax, (middle, across), (middle, top))
        _draw_box(ax, box, top, faint=position > 0)


def _draw_box(ax: Axes, box: _Box, top: float, *, faint: bool = False) -> None:
    from matplotlib.patches import Rectangle

    color = MUTED_COLOR if faint else AXIS_COLOR
    ax.add_patch(
        Rectangle(
            (box.left, top - box.height), box.width, box.height, fill=False, edgecolor=color, linewidth=0.7
        )
    )
    for number, line in enumerate(box.lines):
        y = top - PADDING - (number + 0.5) * LINE
        ax.text(
            box.left + PADDING,
            y,
            line,
            va="center",
            ha="left",
            fontsize=FONT_SIZE,
            fontweight="bold" if number == 0 else "normal",
        )


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": AXIS_COLOR,
            "lw": 0.7,
            "shrinkA": 0,
            "shrinkB": 0,
            "mutation_scale": 6,
        },
    )
