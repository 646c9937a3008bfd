"""What survival and incidence curves share: groups, steps, bands, direct labels, a free corner for text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort import palette, style
from cohort.errors import CohortError
from cohort.plots import layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# Words of the field that are written in capitals.
_ABBREVIATIONS = frozenset(
    {"capd", "clocc", "cns", "crp", "crs", "ct", "ecog", "eeg", "easix", "flair", "icaht", "icans", "ice"}
    | {"ldh", "mri", "nrm", "pet", "pres"}
)
LINE_HEIGHT_PT = style.FONT_SIZE * 1.28


@dataclass(frozen=True)
class Group:
    """One curve's identity.

    Attributes
    ----------
    key : str
        Value of the ``strata`` (or ``outcome``) column; empty for a single group.
    label : str
        Text shown for it.
    color : str
        Line color.
    line_style : str or tuple
        Line style, so that color never stands alone.
    """

    key: str
    label: str
    color: str
    line_style: Any


@dataclass(frozen=True)
class Steps:
    """Arrays of one drawn curve, all of shape (n_steps,), origin included.

    Attributes
    ----------
    time : array
        Times in the frame's unit.
    estimate, low, high : array
        Probability and its limits, 0 to 1; limits are NaN where they do not exist.
    last : float
        Time of the last row drawn; its value is carried on to the next one, or to the end of the axis.
    """

    time: NDArray[np.float64]
    estimate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    last: float


def require_columns(frame: pd.DataFrame, needed: Sequence[str], what: str) -> None:
    """Refuse a frame that lacks columns the figure draws."""
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise CohortError(
            f"The frame for {what} lacks columns.",
            evidence=f"missing: {', '.join(missing)}; present: {', '.join(map(str, frame.columns))}",
            remedy="pass the tidy frame of the result, or rename the columns",
        )
    if frame.empty:
        raise CohortError(f"The frame for {what} has no rows.")


def refuse_repeats(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame with more than one row for the same cell of a figure."""
    repeated = int(frame.duplicated(list(columns), keep=False).sum())
    if repeated:
        raise CohortError(
            f"The frame for {what} has several rows for one cell.",
            evidence=f"{repeated} rows share their {' and '.join(columns)}",
            remedy="give one row per pair",
        )


def keys_in(frame: pd.DataFrame, column: str) -> list[str]:
    """Values of a column in category order, else in order of appearance; one empty key when there is none."""
    if column not in frame.columns:
        return [""]
    values = frame[column]
    present = [str(v) for v in values.dropna().unique()]
    if isinstance(values.dtype, pd.CategoricalDtype):
        present = [str(v) for v in values.cat.categories if str(v) in present]
    return present or [""]


def rows_of(frame: pd.DataFrame, column: str, key: str) -> pd.DataFrame:
    """Rows of one key; all rows for a column that is absent or empty."""
    if column not in frame.columns or (key == "" and not (frame[column].astype(str) == "").any()):
        return frame
    return frame[frame[column].astype(str) == key]


def readable(key: str) -> str:
    """Print a name of the data with spaces for underscores and capitals for abbreviations of the field.

    Anything but a plain name stays as it is.

    Examples
    --------
    >>> readable("cerebral_edema"), readable("flair_deep"), readable("bs(age_years, df=3)")
    ('cerebral edema', 'FLAIR deep', 'bs(age_years, df=3)')
    """
    if not key.isidentifier():
        return key
    return " ".join(word.upper() if word in _ABBREVIATIONS else word for word in key.split("_"))


def make_groups(
    keys: Sequence[str], labels: Mapping[str, str] | None = None, colors: Mapping[str, str] | None = None
) -> list[Group]:
    """Give each key its label, color and line style; the palette starts again after seven."""
    return [
        Group(
            key,
            (labels or {}).get(key, readable(key)),
            (colors or {}).get(key, palette.OKABE_ITO[i % len(palette.OKABE_ITO)]),
            palette.LINE_STYLES[(i + i // len(palette.OKABE_ITO)) % len(palette.LINE_STYLES)],
        )
        for i, key in enumerate(keys)
    ]


def steps(rows: pd.DataFrame, at_zero: float, stop_below: float, horizon: float | None) -> Steps:
    """Turn the rows of one curve into arrays from time 0 to where few remain at risk or the axis ends."""
    rows = rows.sort_values("time", kind="stable")
    time = rows["time"].to_numpy(dtype=float)
    columns = [_column(rows, name) for name in ("estimate", "conf_low", "conf_high")]
    keep = np.ones(len(time), dtype=bool)
    if stop_below > 0 and "n_risk" in rows.columns:
        keep &= time <= _last_with_enough(rows, stop_below)
    if horizon is not None:
        keep &= time <= horizon * (1 + 1e-9)
    beyond = time[~keep]
    time, columns = time[keep], [values[keep] for values in columns]
    if not len(time) or time[0] > 0:
        time = np.concatenate([[0.0], time])
        columns = [np.concatenate([[at_zero], values]) for values in columns]
    last = float(time[-1])
    if len(beyond):  # the last value holds until the next step, which is not drawn
        end = min(beyond[0], np.inf if horizon is None else horizon)
        time = np.append(time, end)
        columns = [np.append(values, values[-1]) for values in columns]
    estimate, low, high = columns
    return Steps(time, estimate, low, high, last)


def _column(rows: pd.DataFrame, name: str) -> NDArray[np.float64]:
    if name not in rows.columns:
        return np.full(len(rows), np.nan)
    return rows[name].to_numpy(dtype=float, na_value=np.nan)


def _last_with_enough(rows: pd.DataFrame, stop_below: float) -> float:
    at_risk = rows["n_risk"].to_numpy(dtype=float, na_value=np.nan)
    limit = stop_below * np.nanmax(at_risk) if stop_below < 1 else stop_below
    enough = rows["time"].to_numpy(dtype=float)[at_risk >= limit]
    return float(enough[-1]) if len(enough) else 0.0


def draw_steps(ax: Axes, drawn: Steps, group: Group, band: bool) -> None:
    """Draw one step function with its confidence band."""
    if band and np.isfinite(drawn.low).any():
        ax.fill_between(
            drawn.time,
            drawn.low,
            drawn.high,
            step="post",
            color=group.color,
            alpha=0.14,
            linewidth=0,
            zorder=1.5,
            gid="band",
        )
    ax.plot(
        drawn.time,
        drawn.estimate,
        drawstyle="steps-post",
        color=group.color,
        linestyle=group.line_style,
        linewidth=style.LINE_WIDTH,
        solid_joinstyle="miter",
        solid_capstyle="butt",
        dash_capstyle="butt",
        label=group.label or "_curve",
        gid="curve",
        zorder=3,
    )


def draw_censor_marks(ax: Axes, rows: pd.DataFrame, drawn: Steps, group: Group) -> None:
    """Mark times with censored patients by short vertical lines on the curve, as far as it is drawn."""
    if "n_censor" not in rows.columns:
        return
    rows = rows.sort_values("time", kind="stable")
    rows = rows[(rows["n_censor"].fillna(0) > 0) & (rows["time"] <= drawn.last)]
    ax.plot(
        rows["time"].to_numpy(dtype=float),
        rows["estimate"].to_numpy(dtype=float),
        linestyle="none",
        marker="|",
        markersize=3.6,
        markeredgewidth=0.55,
        color=group.color,
        gid="censor marks",
        zorder=3.2,
    )


def percent_axis(ax: Axes, top: float, label: str) -> None:
    """Label a probability axis in percent from 0 to ``top``, with the spine exactly that long."""
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25) if top / s <= 5.0001)
    ticks = np.arange(0, round(top / step) + 1) * step
    ax.set_yticks(ticks, [f"{100 * t:g}" for t in np.round(ticks, 6)])
    ax.set_ylim(-0.02 * top, 1.02 * top)
    ax.spines["left"].set_bounds(0, top)
    ax.set_ylabel(label, fontsize=style.FONT_SIZE, labelpad=3)
    if top < 1:
        base = layout.points_from(ax, 0.0, 1.0, ax.transAxes)
        words = f"Axis ends at {100 * top:g}%"
        layout.put(
            ax, 4, 0, words, base, va="center", fontsize=style.SMALL_FONT_SIZE, color=style.MUTED_COLOR
        )


def count_axis(ax: Axes, top: float, label: str) -> None:
    """Label an axis of mean counts from 0 to ``top``, with the spine exactly that long."""
    size = 10 ** np.floor(np.log10(top))
    step = next(s for s in size * np.array([0.1, 0.2, 0.25, 0.5, 1, 2]) if top / s <= 5.0001)
    ticks = np.arange(0, round(top / step) + 1) * step
    ax.set_yticks(ticks, [f"{t:g}" for t in np.round(ticks, 6)])
    ax.set_ylim(-0.02 * top, 1.02 * top)
    ax.spines["left"].set_bounds(0, top)
    ax.set_ylabel(label, fontsize=style.FONT_SIZE, labelpad=3)


def follow_up_axis(ax: Axes, times: NDArray[np.float64], labels: list[str], end: float, label: str) -> None:
    """Set ticks and limits of the time axis; the zero of the axis stands clear of the spine."""
    ax.set_xticks(times, labels)
    ax.set_xlim(-0.015 * end, end * 1.015)
    ax.spines["bottom"].set_bounds(0, end)
    ax.set_xlabel(label, fontsize=style.FONT_SIZE, labelpad=2)


def wrapped(words: str, width: int = 22) -> str:
    """Break a label into lines at spaces, long words too."""
    return "\n".join(textwrap.wrap(words, width)) or words


def _wrapped_to_fit(labels: Sequence[str], room: float) -> tuple[list[str], list[float]]:
    """Break labels into as short lines as the height of the plot allows; give their heights in points too."""
    for width in (22, 32, 1000):
        words = [wrapped(label, width) for label in labels]
        heights = [LINE_HEIGHT_PT * (text.count("\n") + 1) for text in words]
        if sum(heights) <= room:
            break
    return words, heights


def direct_labels(ax: Axes, groups: Sequence[Group], drawn: Sequence[Steps]) -> None:
    """Name each curve at the right end of the axis, in its color, pushed apart where they would touch."""
    room = ax.bbox.height * 72 / layout.figure_of(ax).dpi
    words, heights = _wrapped_to_fit([group.label for group in groups], room)
    scale = room / (ax.get_ylim()[1] - ax.get_ylim()[0])
    wanted = [(float(s.estimate[-1]) - ax.get_ylim()[0]) * scale for s in drawn]
    right = layout.points_from(ax, 1.0, 0.0, ax.transAxes)
    for group, text, middle in zip(groups, words, spread(wanted, heights, room), strict=True):
        layout.put(
            ax,
            4,
            middle,
            text,
            right,
            va="center_baseline",
            color=palette.text_color(group.color),
            linespacing=1.15,
        )


def spread(wanted: Sequence[float], heights: Sequence[float], room: float = float("inf")) -> list[float]:
    """Move middles apart as little as needed so that boxes of the given heights do not touch.

    Boxes that collide are pooled and centered on the mean of their wishes (pool-adjacent-violators), inside
    0 to ``room`` where they fit.

    Examples
    --------
    >>> spread([10.0, 12.0, 40.0], [8.0, 8.0, 8.0])
    [7.0, 15.0, 40.0]
    >>> spread([1.0, 2.0], [8.0, 8.0], room=100.0)
    [4.0, 12.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    pools: list[tuple[list[int], float]] = []  # members from below, position of the pool's lower edge
    for i in order:
        members, low = [i], _inside(wanted[i] - heights[i] / 2, heights[i], room)
        while pools and pools[-1][1] + sum(heights[j] for j in pools[-1][0]) > low:
            members = pools.pop()[0] + members
            offsets = np.cumsum([0.0] + [heights[j] for j in members])[:-1]
            wishes = [wanted[j] - heights[j] / 2 - o for j, o in zip(members, offsets, strict=True)]
            low = _inside(float(np.mean(wishes)), sum(heights[j] for j in members), room)
        pools.append((members, low))
    middles = [0.0] * len(wanted)
    for members, low in pools:
        for j in members:
            middles[j] = float(low + heights[j] / 2)
            low += heights[j]
    return middles


def _inside(low: float, height: float, room: float) -> float:
    return max(0.0, min(low, room - height))


def annotate_free_corner(ax: Axes, lines: Sequence[tuple[str, str]]) -> None:
    """Write lines of (text, color) in the first corner that no curve crosses, else above the Axes."""
    if not lines:
        return
    width = max(layout.text_size(ax, words)[0] for words, _ in lines)
    height = LINE_HEIGHT_PT * len(lines)
    fig = layout.figure_of(ax)
    room = ax.bbox.width * 72 / fig.dpi, ax.bbox.height * 72 / fig.dpi
    pad = 4.0
    corners = [
        (pad, pad),
        (room[0] - pad - width, room[1] - pad - height),
        (room[0] - pad - width, pad),
        (pad, room[1] - pad - height),
    ]
    fitting = [c for c in corners if width + 2 * pad <= room[0] and height + 2 * pad <= room[1]]
    free = next((c for c in fitting if not _crossed(ax, c, width, height)), None)
    x, y = free if free is not None else (0.0, pad)
    base = layout.points_from(ax, 0.0, 0.0 if free is not None else 1.0, ax.transAxes)
    for i, (words, color) in enumerate(lines):
        top = y + height - i * LINE_HEIGHT_PT
        layout.put(
            ax, x, top - LINE_HEIGHT_PT / 2, words, base, va="center_baseline", color=color, gid="annotation"
        )


def _crossed(ax: Axes, corner: tuple[float, float], width: float, height: float) -> bool:
    """Whether a curve, or the band around it, runs through a box given in points from the lower left."""
    from matplotlib.transforms import Bbox

    scale = layout.figure_of(ax).dpi / 72
    gap = 3.0
    box = Bbox.from_extents(
        ax.bbox.x0 + (corner[0] - gap) * scale,
        ax.bbox.y0 + (corner[1] - gap) * scale,
        ax.bbox.x0 + (corner[0] + width + gap) * scale,
        ax.bbox.y0 + (corner[1] + height + gap) * scale,
    )
    paths = [
        line.get_transform().transform_path(_corners(line)) for line in ax.lines if line.get_gid() == "curve"
    ]
    paths += [band.get_transform().transform_path(p) for band in ax.collections for p in band.get_paths()]
    return any(path.intersects_bbox(box, filled=True) for path in paths)


def _corners(line: Line2D) -> Any:
    from matplotlib.path import Path

    x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
    points = np.column_stack([np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]])
    # Back along the same way, so that the closed path encloses nothing but itself.
    return Path(np.vstack([points, points[::-1]]))
