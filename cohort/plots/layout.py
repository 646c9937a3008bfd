"""Place an Axes and its outside texts inside a slot of exact size; take over or make the Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from cohort import style
from cohort.errors import CohortError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Transform

PAD_MM = 0.8
_GUTTER = 0.008


def own_axes(ax: Axes | None, width_mm: float, height_mm: float | None = None) -> Axes:
    """Return the given Axes in the theme's dress, or the Axes of a new pyplot figure of exact size.

    The new figure belongs to pyplot, so that a notebook shows it; ``save_figure(close=True)`` releases it.
    """
    if ax is None:
        from matplotlib import pyplot as plt

        _, ax = plt.subplots(figsize=(width_mm * style.MM, (height_mm or style.MAX_HEIGHT_MM) * style.MM))
    ax.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_linewidth(0.6)
        ax.spines[side].set_color(style.AXIS_COLOR)
    ax.tick_params(labelsize=style.FONT_SIZE, width=0.6, length=2.6, color=style.AXIS_COLOR, pad=2)
    for label in (ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_fontfamily(style.available_fonts())
    return ax


def figure_of(ax: Axes) -> Figure:
    """Give the root figure of an Axes."""
    fig = ax.get_figure(root=True)
    if fig is None:
        raise CohortError("The Axes belongs to no figure.", remedy="make it with plt.subplots()")
    return fig


def fit_to_width(ax: Axes, plot_mm: float, widest_mm: float) -> None:
    """Give a new figure the width at which the plot itself is ``plot_mm`` wide, up to a page's width."""
    fig, margins = figure_of(ax), _margins(ax)
    wanted = plot_mm + margins[0] + margins[2] + 2 * PAD_MM
    fig.set_size_inches(min(wanted, widest_mm) * style.MM, fig.get_size_inches()[1])
    _place(ax, margins)


def fit_to_height(ax: Axes, plot_mm: float) -> None:
    """Give a new figure the height at which the plot itself is ``plot_mm`` high, up to a page's height."""
    fig, margins = figure_of(ax), _margins(ax)
    wanted = plot_mm + margins[1] + margins[3] + 2 * PAD_MM
    fig.set_size_inches(fig.get_size_inches()[0], min(wanted, style.MAX_HEIGHT_MM) * style.MM)
    _place(ax, margins)


def fit(ax: Axes) -> None:
    """Move the Axes so that it fills its slot together with everything written around it.

    The slot is the whole figure, or, for one Axes of a grid, the space up to the middle of the gaps between
    the grid's Axes. An Axes placed by hand stays where it is, and so does one in a figure with a layout
    engine, which sees the texts and makes the room itself.
    """
    _place(ax, _margins(ax))


def _place(ax: Axes, margins: tuple[float, float, float, float]) -> None:
    fig = figure_of(ax)
    slot = _slot(ax)
    if slot is None or fig.get_layout_engine() is not None:
        return
    width, height = fig.get_size_inches() / style.MM
    left, bottom, right, top = (margin + PAD_MM for margin in margins)
    wide = (slot[2] - slot[0]) * width - left - right
    high = (slot[3] - slot[1]) * height - bottom - top
    if wide < 8 or high < 3:
        raise CohortError(
            "Labels leave no room for the plot.",
            evidence=f"figure {width:.0f} x {height:.0f} mm, plot {wide:.0f} x {high:.0f} mm",
            remedy="give a larger width_mm= or height_mm=, or shorter labels",
        )
    ax.set_position((slot[0] + left / width, slot[1] + bottom / height, wide / width, high / height))


def _slot(ax: Axes) -> tuple[float, float, float, float] | None:
    spec = ax.get_subplotspec()
    if spec is None:
        return None
    grid = spec.get_topmost_subplotspec().get_gridspec()
    spec = spec.get_topmost_subplotspec()
    bottoms, tops, lefts, rights = grid.get_grid_positions(figure_of(ax))
    rows, columns = list(spec.rowspan), list(spec.colspan)
    first, last, upper, lower = columns[0], columns[-1], rows[0], rows[-1]
    # Inner edges keep some white between neighbors; outer edges end at the figure.
    return (
        0.0 if first == 0 else (rights[first - 1] + lefts[first]) / 2 + _GUTTER,
        0.0 if lower == len(bottoms) - 1 else (bottoms[lower] + tops[lower + 1]) / 2 + _GUTTER,
        1.0 if last == len(lefts) - 1 else (rights[last] + lefts[last + 1]) / 2 - _GUTTER,
        1.0 if upper == 0 else (tops[upper] + bottoms[upper - 1]) / 2 - _GUTTER,
    )


def _margins(ax: Axes) -> tuple[float, float, float, float]:
    """Millimeters that texts need outside the Axes: left, bottom, right, top."""
    fig = figure_of(ax)
    tight, inner = ax.get_tightbbox(style.text_renderer(fig)), ax.bbox
    if tight is None:
        return (0.0, 0.0, 0.0, 0.0)
    pixels = (inner.x0 - tight.x0, inner.y0 - tight.y0, tight.x1 - inner.x1, tight.y1 - inner.y1)
    left, bottom, right, top = (max(0.0, float(p)) * 25.4 / fig.dpi for p in pixels)
    return left, bottom, right, top


def text_size(ax: Axes, words: str, **properties: Any) -> tuple[float, float]:
    """Measure a text in points: width, height."""
    fig = figure_of(ax)
    properties.setdefault("fontsize", style.FONT_SIZE)
    probe = fig.text(0, 0, words, **properties)
    box = probe.get_window_extent(style.text_renderer(fig))
    probe.remove()
    return box.width * 72 / fig.dpi, box.height * 72 / fig.dpi


def widest(ax: Axes, texts: list[str], **properties: Any) -> float:
    """Width in points of the widest of some texts; 0 for none."""
    return max((text_size(ax, words, **properties)[0] for words in set(texts) if words), default=0.0)


def below_axis(ax: Axes) -> float:
    """Distance in points from the lower edge of the Axes to the lower edge of its tick labels and x label."""
    fig = figure_of(ax)
    box = ax.xaxis.get_tightbbox(style.text_renderer(fig))
    return 0.0 if box is None else max(0.0, float(ax.bbox.y0 - box.y0) * 72 / fig.dpi)


def put(ax: Axes, x: float, y: float, words: str, transform: Transform, **properties: Any) -> Text:
    """Write a text that is never clipped by the Axes."""
    properties.setdefault("fontsize", style.FONT_SIZE)
    return ax.text(x, y, words, transform=transform, clip_on=False, **properties)


def room_around(ax: Axes) -> tuple[float, float]:
    """Points from the left edge of the Axes to the left and right edges of its slot."""
    fig = figure_of(ax)
    slot = _slot(ax) or (0.0, 0.0, 1.0, 1.0)
    width = fig.get_size_inches()[0] * 72
    start = ax.bbox.x0 * 72 / fig.dpi
    pad = PAD_MM * 72 / 25.4
    return float(start - slot[0] * width - pad), float(slot[2] * width - start - pad)


def points_from(ax: Axes, x: float, y: float, base: Transform) -> Transform:
    """Coordinates in points, counted from an anchor given in another coordinate system."""
    from matplotlib.transforms import Affine2D, ScaledTranslation

    return (
        Affine2D().scale(1 / 72) + figure_of(ax).dpi_scale_trans + ScaledTranslation(x, y, cast("Any", base))
    )


def add_outside(ax: Axes, artist: Any) -> None:
    """Add an artist that neither moves the data limits nor is clipped by the Axes."""
    ax.add_artist(artist)
    artist.set_clip_on(False)
