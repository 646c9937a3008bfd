"""How figures look: one theme, journal widths as data, byte-stable saving, a layout check.

It stands at ground level so that every room that draws uses the same theme. matplotlib is imported on use.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from weakref import WeakKeyDictionary

from cohort.errors import CohortError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

MISSING_HATCH = "//////"
HATCH_COLOR = "#8C8C8C"
ZEBRA_COLOR = "#F3F4F6"
AXIS_COLOR = "#333333"
MUTED_COLOR = "#5F6368"

FONT_SIZE = 7.0
SMALL_FONT_SIZE = 6.2
LINE_WIDTH = 1.1
MM = 1 / 25.4
FONT_ORDER = ("Arial", "Helvetica", "Liberation Sans", "Nimbus Sans", "DejaVu Sans")
_LAST_FONT = "DejaVu Sans"


class JournalWidth(NamedTuple):
    """Width of a figure in a journal, as far as we know it.

    Attributes
    ----------
    journal : str
        Journal or family.
    columns : str
        ``1``, ``1.5`` or ``2`` columns.
    width_mm : float
        Width in millimeters.
    source : str
        Where the number was read.
    read_on : str
        ISO date on which it was read.
    unverified : bool
        True when the journal's own current instructions were not seen.
    """

    journal: str
    columns: str
    width_mm: float
    source: str
    read_on: str
    unverified: bool


JOURNAL_WIDTHS = (
    JournalWidth("blood", "1", 80, "Blood style guide (former site)", "2026-11-22", False),
    JournalWidth("blood", "1.5", 115, "Blood style guide (former site)", "2026-11-22", False),
    JournalWidth("blood", "2", 170, "Blood style guide (former site)", "2026-11-22", False),
    JournalWidth("lancet", "1", 75, "common usage", "2026-11-22", True),
    JournalWidth("lancet", "1.5", 107, "copy of Lancet artwork guidelines (>= 107)", "2026-11-22", True),
    JournalWidth("lancet", "2", 154, "common usage", "2026-11-22", True),
    JournalWidth("generic", "1", 85, "several publishers: 84-90 mm", "2026-11-22", False),
    JournalWidth("generic", "1.5", 114, "several publishers", "2026-11-22", False),
    JournalWidth("generic", "2", 174, "several publishers: 170-180 mm", "2026-11-22", False),
)
MAX_HEIGHT_MM = 225.0


def journal_width(journal: str = "generic", columns: str = "1.5") -> float:
    """Look up the width of a figure in a journal.

    Parameters
    ----------
    journal : str, default='generic'
        Journal or family in ``JOURNAL_WIDTHS``.
    columns : str, default='1.5'
        ``1``, ``1.5`` or ``2``.

    Returns
    -------
    float
        Width in millimeters.

    Raises
    ------
    CohortError
        When the pair is not in the list; the message names the pairs that are.

    Examples
    --------
    >>> journal_width("blood", "2")
    170
    """
    for row in JOURNAL_WIDTHS:
        if (row.journal, row.columns) == (journal, columns):
            return row.width_mm
    known = ", ".join(f"{row.journal} {row.columns}" for row in JOURNAL_WIDTHS)
    raise CohortError(
        f"No figure width is known for journal {journal!r} with {columns!r} columns.",
        evidence=f"known: {known}",
        remedy="give width_mm= in millimeters instead",
    )


def available_fonts() -> list[str]:
    """First family of ``FONT_ORDER`` that this machine has, then DejaVu Sans for glyphs that it lacks.

    DejaVu Sans travels with matplotlib, so the list is never empty.
    """
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    first = next((name for name in FONT_ORDER if name in installed), _LAST_FONT)
    return [first] if first == _LAST_FONT else [first, _LAST_FONT]


def rc_params() -> dict[str, Any]:
    """Give the settings of the theme for ``matplotlib.rc_context``; fonts by their concrete names."""
    return {
        "font.family": available_fonts(),
        "font.size": FONT_SIZE,
        "axes.labelsize": FONT_SIZE,
        "axes.titlesize": FONT_SIZE,
        "xtick.labelsize": FONT_SIZE,
        "ytick.labelsize": FONT_SIZE,
        "legend.fontsize": FONT_SIZE,
        "axes.linewidth": 0.6,
        "axes.edgecolor": AXIS_COLOR,
        "axes.labelcolor": "#000000",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "axes.unicode_minus": True,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.6,
        "ytick.major.size": 2.6,
        "xtick.color": AXIS_COLOR,
        "ytick.color": AXIS_COLOR,
        "xtick.labelcolor": "#000000",
        "ytick.labelcolor": "#000000",
        "hatch.linewidth": 0.5,
        "lines.linewidth": LINE_WIDTH,
        "figure.dpi": 100,
        "figure.facecolor": "#FFFFFF",
        "legend.frameon": False,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "text.usetex": False,
    }


@contextmanager
def theme() -> Iterator[None]:
    """Use the theme inside a ``with`` block; settings are restored afterwards.

    Examples
    --------
    >>> import matplotlib
    >>> with theme():
    ...     float(matplotlib.rcParams["font.size"])
    7.0
    """
    import matplotlib

    # The chain of fonts is asked for on purpose; a family that is absent is no news.
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with matplotlib.rc_context(cast("Any", rc_params())):
            yield
    finally:
        logger.setLevel(level)


_NOTES: WeakKeyDictionary[Axes, tuple[str, ...]] = WeakKeyDictionary()


def add_notes(ax: Axes, notes: Sequence[str]) -> None:
    """Attach sentences that the legend of the figure should say."""
    _NOTES[ax] = (*_NOTES.get(ax, ()), *notes)


def figure_notes(fig: Figure) -> tuple[str, ...]:
    """Collect the sentences that the figure's legend should say, each once, in the order of the panels."""
    return tuple(dict.fromkeys(note for ax in fig.axes for note in _NOTES.get(ax, ())))


class SavedFigure(NamedTuple):
    """What ``save_figure`` wrote, and what it saw.

    Attributes
    ----------
    paths : tuple of Path
        One file per format, in the order asked for.
    problems : tuple of str
        Findings of ``check_layout``; empty when the layout is clean.
    """

    paths: tuple[Path, ...]
    problems: tuple[str, ...]


def save_figure(
    fig: Figure,
    stem: str | Path,
    formats: Sequence[str] = ("pdf", "svg", "png"),
    dpi: int = 300,
    *,
    alt: str = "",
    close: bool = False,
) -> SavedFigure:
    """Save a figure at its exact size, with the same bytes each time.

    PDF embeds TrueType fonts (type 42) and carries no date; SVG keeps text as text, with ids that depend on
    the file's name only, so that several can stand in one HTML page; PNG names no software; TIFF is flat RGB
    with LZW compression. Nothing is cropped: the file has the millimeters of the figure.

    Parameters
    ----------
    fig : Figure
        Figure to save.
    stem : str or Path
        Path without the extension; its folder is made if it is not there.
    formats : sequence of {'pdf', 'svg', 'png', 'tiff'}, default=('pdf', 'svg', 'png')
        Files to write.
    dpi : int, default=300
        Dots per inch of the raster formats.
    alt : str, default=''
        Alternative text, written to the file's description.
    close : bool, default=False
        Close the figure in pyplot afterwards, for scripts that make many.

    Returns
    -------
    SavedFigure
        ``paths`` and the ``problems`` that ``check_layout`` found.

    Raises
    ------
    CohortError
        When a format is not known.
    """
    stem = Path(stem)
    unknown = [name for name in formats if name not in ("pdf", "svg", "png", "tiff")]
    if unknown:
        raise CohortError(
            "A figure format is not known.", evidence=", ".join(unknown), remedy="use pdf, svg, png or tiff"
        )
    problems = tuple(check_layout(fig))
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = tuple(_save_one(fig, stem, name, dpi, alt) for name in formats)
    if close:
        from matplotlib import pyplot as plt

        plt.close(fig)
    return SavedFigure(paths, problems)


def _save_one(fig: Figure, stem: Path, name: str, dpi: int, alt: str) -> Path:
    import matplotlib

    path = stem.with_name(f"{stem.name}.{name}")
    metadata: dict[str, dict[str, str | None]] = {
        "pdf": {"CreationDate": None, "Subject": alt or None},
        "svg": {"Date": None, "Description": alt or None},
        "png": {"Software": None, **({"Description": alt} if alt else {})},
    }
    settings: dict[str, Any] = {
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": f"cohort-{stem.name}",
        "savefig.bbox": None,
        "savefig.facecolor": "#FFFFFF",
    }
    with theme(), matplotlib.rc_context(cast("Any", settings)):
        if name == "tiff":
            _save_tiff(fig, path, dpi)
        else:
            fig.savefig(path, format=name, dpi=dpi, metadata=metadata[name])
    return path


def _save_tiff(fig: Figure, path: Path, dpi: int) -> None:
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    with Image.open(buffer) as image:
        image.convert("RGB").save(path, compression="tiff_lzw", dpi=(dpi, dpi))


def check_layout(fig: Figure, tolerance_pt: float = 0.6) -> list[str]:
    """Find visible texts that are cut by the edge of the figure or lie on each other.

    Parameters
    ----------
    fig : Figure
        Figure as it will be saved.
    tolerance_pt : float, default=0.6
        Points by which text boxes may touch; boxes include the room for ascenders and descenders.

    Returns
    -------
    list of str
        One sentence per problem; empty when the layout is clean.
    """
    import numpy as np

    fig.draw_without_rendering()
    renderer = text_renderer(fig)
    slack = tolerance_pt * fig.dpi / 72
    texts = _visible_texts(fig)
    if not texts:
        return []
    boxes = np.array([text.get_window_extent(renderer).extents for text in texts])
    canvas = np.asarray(fig.bbox.extents, dtype=float)
    outside = (boxes[:, :2] < canvas[:2] - slack).any(axis=1) | (boxes[:, 2:] > canvas[2:] + slack).any(
        axis=1
    )
    problems = [f"clipped at the edge: {_words(texts[i])!r}" for i in np.flatnonzero(outside)]
    pairs = np.argwhere(np.triu(_overlaps(boxes, slack), k=1)).tolist()
    return problems + [f"overlap: {_words(texts[i])!r} and {_words(texts[j])!r}" for i, j in pairs]


def text_renderer(fig: Figure) -> Any:
    """Give a renderer that measures texts of a figure, whatever its canvas is."""
    return _renderer(fig.dpi)


@lru_cache(maxsize=4)
def _renderer(dpi: float) -> Any:
    # One per resolution: matplotlib keeps the sizes of texts by renderer, and measuring is the slow part.
    from matplotlib.backends import backend_agg

    return cast("Any", backend_agg).RendererAgg(16, 16, dpi)


def _words(text: Text) -> str:
    return text.get_text().replace("\n", " / ")


def _visible_texts(fig: Figure) -> list[Text]:
    from matplotlib.text import Text

    hidden = {id(text) for ax in fig.axes for text in _texts_not_drawn(ax)}
    texts = cast("list[Text]", fig.findobj(Text))
    return [t for t in texts if t.get_visible() and t.get_text().strip() and id(t) not in hidden]


def _texts_not_drawn(ax: Axes) -> Iterator[Text]:
    """Tick labels beyond the view, second labels that are switched off, and everything of a hidden Axes."""
    from matplotlib.text import Text

    if not ax.get_visible():
        yield from cast("list[Text]", ax.findobj(Text))
        return
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        margin = 1e-9 * max(abs(low), abs(high), 1.0)
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            drawn = ax.axison and axis.get_visible() and low - margin <= tick.get_loc() <= high + margin
            yield from () if drawn else (tick.label1, tick.label2)
        if not ax.axison:
            yield axis.get_offset_text()
            yield axis.label


def _overlaps(boxes: Any, slack: float) -> Any:
    """Which boxes (x0, y0, x1, y1) share more than their edges, as a square array of bool."""
    import numpy as np

    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    width, height = np.moveaxis(high - low, -1, 0)
    # Lines of a text block may share the empty part of their boxes: a fifth of the lower one's height.
    heights = boxes[:, 3] - boxes[:, 1]
    allowed = np.maximum(slack, 0.2 * np.minimum(heights[:, None], heights[None, :]))
    return (width > slack) & (height > allowed)
