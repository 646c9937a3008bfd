"""Pieces of a Word document that python-docx has no words for: edges, fonts, breaks that may not happen."""

from __future__ import annotations

import re
from typing import Any

FONT = "Arial"
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
WORD_JOINER = "\N{WORD JOINER}"
_DASHED = re.compile(r"(?<=\S)([\u2013/])(?=\S)")


def add_paragraph(document: Any, *, size_pt: float, after_pt: float, keep: bool) -> Any:
    """Add a paragraph with single spacing."""
    from docx.shared import Pt

    paragraph = document.add_paragraph()
    shape = paragraph.paragraph_format
    shape.space_before, shape.space_after = Pt(0), Pt(after_pt)
    shape.line_spacing = 1.0
    shape.keep_with_next = keep or None
    return paragraph


def add_run(
    paragraph: Any, text: str, *, size_pt: float, bold: bool = False, superscript: bool = False
) -> Any:
    """Add text to a paragraph; line feeds become line breaks."""
    from docx.shared import Pt

    run = paragraph.add_run(text)
    run.font.size = Pt(size_pt)
    run.font.name = FONT
    set_font(run._r.get_or_add_rPr(), FONT)
    run.font.bold = bold or None
    run.font.superscript = superscript or None
    return run


def set_mark_size(paragraph: Any, size_pt: float) -> None:
    """Give the paragraph mark the size of the text, so that empty cells do not stretch their row."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    properties = OxmlElement("w:rPr")
    size = OxmlElement("w:sz")
    size.set(qn("w:val"), str(round(2 * size_pt)))
    properties.append(size)
    paragraph._p.get_or_add_pPr().append(properties)


def set_font(properties: Any, font: str) -> None:
    """Name the font for Latin, complex and East Asian scripts alike."""
    from docx.oxml.ns import qn

    fonts = properties.get_or_add_rFonts()
    for script in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
        fonts.set(qn(script), font)


def protect_row(line: Any, *, heading: bool) -> None:
    """Forbid a break inside the row; repeat headings on every page."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    properties = line._tr.get_or_add_trPr()
    for name in ("w:cantSplit", "w:tblHeader") if heading else ("w:cantSplit",):
        flag = OxmlElement(name)
        flag.set(qn("w:val"), "true")
        properties.append(flag)


def draw_edge_at(lines: Any, line: int, column: int, side: str, size: int) -> None:
    """Draw a line at the cell of a row that starts at this grid column."""
    position = 0
    for cell in lines[line].tc_lst:
        if position == column:
            draw_edge(cell, side, size)
            return
        position += cell.grid_span


def draw_edge(cell: Any, side: str, size: int) -> None:
    """Draw one edge of a cell; the size is in eighths of a point."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    properties = cell.get_or_add_tcPr()
    borders = properties.find(qn("w:tcBorders"))
    if borders is None:
        borders = OxmlElement("w:tcBorders")
        after = properties.find(qn("w:vAlign"))
        properties.append(borders) if after is None else after.addprevious(borders)
    edge = OxmlElement(f"w:{side}")
    for name, value in (("val", "single"), ("sz", str(size)), ("space", "0"), ("color", "000000")):
        edge.set(qn(f"w:{name}"), value)
    if side == "top":
        borders.insert(0, edge)
    else:
        borders.append(edge)


def join_dashes(text: str) -> str:
    """Forbid a line break beside an en dash or a slash inside a word.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The text with word joiners.
    """
    return _DASHED.sub(rf"{WORD_JOINER}\1{WORD_JOINER}", text)


def heading_text(text: str) -> str:
    """Let a heading break between words, but not a line in brackets such as ``(N = 80)``.

    Parameters
    ----------
    text : str
        Text of a heading.

    Returns
    -------
    str
        The text with no-break spaces and word joiners.
    """
    return "\n".join(
        unbroken(line) if line.startswith("(") else join_dashes(line) for line in text.split("\n")
    )


def unbroken(text: str) -> str:
    """Forbid every line break that the text does not ask for: ``12 (3–4)`` stays on one line.

    Parameters
    ----------
    text : str
        Text of a cell.

    Returns
    -------
    str
        The text with no-break spaces and word joiners.
    """
    return join_dashes(text.replace(" ", NO_BREAK_SPACE))
