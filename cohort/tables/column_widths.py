"""How wide the columns of a printed table are, and whether the page must be turned."""

from __future__ import annotations

from dataclasses import dataclass

from cohort.tables.table import Table
from cohort.tables.text_metrics import longest_word_width, text_width

PADDING_PT = 4.0
INDENT_PT = 9.0
SIZES_PT = (9.0, 8.0, 7.0)
_SUPERSCRIPT = 0.65
_MIN_STUB_SHARE = 0.24


@dataclass(frozen=True, slots=True)
class Layout:
    """Column widths of a printed table.

    Attributes
    ----------
    widths_pt : tuple of float
        Width of every column in points, row headings first.
    size_pt : float
        Font size.
    landscape : bool
        Whether the page is turned.
    """

    widths_pt: tuple[float, ...]
    size_pt: float
    landscape: bool


def choose_layout(table: Table, upright_pt: float, flat_pt: float) -> Layout:
    """Choose font size, orientation and column widths so that no cell breaks.

    Cells and headings keep their lines; only row headings wrap. The largest size that fits is taken, upright
    down to 8 points, then on a turned page.

    Parameters
    ----------
    table : Table
        The table.
    upright_pt : float
        Width between the margins in points.
    flat_pt : float
        The same on the turned page.

    Returns
    -------
    Layout
        Widths that add up to at most the page.
    """
    tries = [(size, False) for size in SIZES_PT[:2]] + [(size, True) for size in SIZES_PT]
    page = upright_pt
    for size, landscape in tries:
        page = max(upright_pt, flat_pt) if landscape else upright_pt
        widths = _fit(table, page, size)
        if widths is not None:
            return Layout(widths, size, landscape and flat_pt > upright_pt)
    return Layout(_squeezed(table, page, SIZES_PT[-1]), SIZES_PT[-1], flat_pt > upright_pt)


def _fit(table: Table, page: float, size: float) -> tuple[float, ...] | None:
    """Widths at this size, or None when the row headings would get too narrow."""
    cells = _cell_widths(table, size)
    wish, least = _stub_widths(table, size)
    left = page - sum(cells)
    stub = min(wish, left)
    if stub < max(least, min(wish, _MIN_STUB_SHARE * page)):
        return None
    return (stub, *cells)


def _squeezed(table: Table, page: float, size: float) -> tuple[float, ...]:
    """Widths shrunk in proportion, for a table that fits no page."""
    widths = (_stub_widths(table, size)[0], *_cell_widths(table, size))
    return tuple(width * page / sum(widths) for width in widths)


def _cell_widths(table: Table, size: float) -> list[float]:
    """Widths of the columns from their cells, headings and spanners."""
    letters = table.letters
    widths = []
    for position, leaf in enumerate(table.leaves):
        head = longest_word_width(leaf.text.replace("\n", " "), size, bold=True)
        natural = text_width(leaf.text, size, bold=True)
        cells = [row.cells[position] for _, row in table.lines if row.cells]
        raised = _SUPERSCRIPT * size
        body = max((text_width(cell.text, size) + raised * len(cell.notes) for cell in cells), default=0.0)
        heading = min(natural, max(head, 1.25 * body, 60.0)) + raised * len(leaf.notes)
        widths.append(max(body, heading) + 2 * PADDING_PT + 1.5)
    for cell in (cell for row in table.header for cell in row if cell.is_spanner):
        inside = slice(cell.column - 1, cell.column - 1 + cell.colspan)
        note = _SUPERSCRIPT * size * sum(len(letters[text]) for text in cell.notes)
        need = (
            min(text_width(cell.text, size, bold=True), 150.0) + note + 2 * PADDING_PT - sum(widths[inside])
        )
        if need > 0:
            widths[inside] = [width + need / cell.colspan for width in widths[inside]]
    return widths


def _stub_widths(table: Table, size: float) -> tuple[float, float]:
    """Width at which no row heading wraps, and the least that breaks no word."""
    wish = [text_width(table.stub, size, bold=True)]
    least = [longest_word_width(table.stub, size, bold=True)]
    for depth, row in table.lines:
        extra = INDENT_PT * (depth + 1) + _SUPERSCRIPT * size * len(row.label.notes)
        least.append(longest_word_width(row.label.text, size) + extra)
        if row.cells:
            wish.append(text_width(row.label.text, size) + extra)
    pad = 2 * PADDING_PT + 1.5
    return max(wish) + pad, max(least) + pad
