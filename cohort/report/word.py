"""The report as a Word document: headings, sentences, pictures and real tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from docx.shared import Mm, Pt

from cohort.report.blocks import Block, Section
from cohort.report.html import LABELS
from cohort.report.prepare import Prepared
from cohort.report.sections import alerts
from cohort.tables.write_docx import append_table, new_document, save_document

MAX_WIDTH_MM = 165.0
FONT = "Arial"


def write_report_docx(path: Path, prepared: Prepared, sections: Sequence[Section], figures: Path) -> None:
    """Write the report as a Word document.

    Parameters
    ----------
    path : Path
        File to write.
    prepared : Prepared
        What the analyses started from.
    sections : sequence of Section
        The sections in order.
    figures : Path
        Folder with a PNG of each figure.
    """
    document = new_document()
    _heading(document, prepared.spec.study.title, 0)
    if prepared.spec.study.question:
        _paragraph(document, prepared.spec.study.question)
    for alert in alerts(prepared, tuple(sections)):
        _paragraph(document, f"Read first: {alert}")
    figure_numbers, table_numbers = count(1), count(1)
    for section in sections:
        _heading(document, section.title, 1)
        for text in section.paragraphs:
            _paragraph(document, text)
        for block in section.blocks:
            _block(document, block, figures, figure_numbers, table_numbers)
    save_document(document, path)


def _block(document: Any, block: Block, figures: Path, figure_numbers: Any, table_numbers: Any) -> None:
    if block.title:
        _heading(document, block.title, 2)
    if block.error:
        _paragraph(document, f"{LABELS[block.status]}. {block.error}")
    for text in (*block.sentences, *block.notes):
        _paragraph(document, text)
    for drawing in block.drawings:
        width = min(drawing.figure.get_size_inches()[0] * 25.4, MAX_WIDTH_MM)
        document.add_picture(str(figures / f"{drawing.name}.png"), width=Mm(width))
        document.paragraphs[-1].paragraph_format.keep_with_next = True
        _paragraph(document, f"Figure {next(figure_numbers)}. {drawing.legend}", size=9)
    for table in block.tables.values():
        append_table(document, table, number=next(table_numbers))


def _heading(document: Any, text: str, level: int) -> None:
    paragraph = document.add_heading(text, level)
    for run in paragraph.runs:
        run.font.name = FONT


def _paragraph(document: Any, text: str, size: float = 10.5) -> None:
    run = document.add_paragraph().add_run(text)
    run.font.name = FONT
    run.font.size = Pt(size)
