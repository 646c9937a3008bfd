"""A table as a workbook: one sheet as printed, one sheet with the raw numbers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cohort.tables.archive import write_fixed
from cohort.tables.table import HeaderCell, Table, marks
from cohort.tables.text_metrics import text_width

FONT = "Arial"
SIZE = 10
_POINTS_PER_UNIT = 5.6  # width of one character of the default font
_MAX_UNITS = 60.0
_LINE_PT = 13.5


def write_xlsx(table: Table, path: str | Path) -> Path:
    """Write a table as a workbook with the sheets ``Table`` and ``Numbers``.

    Every cell of ``Table`` is text, so that ``3-4`` stays what it is and nothing runs as a formula;
    ``Numbers`` holds `Table.frame` with numbers as numbers, unrounded.

    Parameters
    ----------
    table : Table
        The table.
    path : str or Path
        File to write.

    Returns
    -------
    Path
        The file written.
    """
    from openpyxl import Workbook

    book = Workbook()
    book.properties.creator = ""
    sheet = book.active
    sheet.title = "Table"
    _print_sheet(sheet, table)
    _number_sheet(book.create_sheet("Numbers"), table.frame)
    buffer = io.BytesIO()
    book.save(buffer)
    return write_fixed(buffer.getvalue(), path)


def _print_sheet(sheet: Any, table: Table) -> None:
    """Fill the sheet that looks like the printed table."""
    letters = table.letters
    first = 3 if table.caption else 1
    if table.caption:
        _put(sheet, 1, 1, table.caption, "", bold=True)
    for level, cells in enumerate(table.header):
        for head in cells:
            _put_head(sheet, first + level, head, letters)
    body = first + len(table.header)
    aligns = ["left", *(leaf.align for leaf in table.leaves)]
    for offset, (depth, row) in enumerate(table.lines):
        for position, cell in enumerate((row.label, *row.cells)):
            indent = depth if position == 0 else 0
            content = (cell.text, marks(cell.notes, letters))
            _put(sheet, body + offset, position + 1, *content, align=aligns[position], indent=indent)
    last = body + len(table.lines) - 1
    for offset, (mark, text) in enumerate(table.foot):
        _put(sheet, last + 1 + offset, 1, text, mark, before=True, wrap=False)
    _rules(sheet, first, body, last, len(aligns), table)
    _column_widths(sheet, table)
    _row_heights(sheet, table, first, body)
    sheet.freeze_panes = sheet.cell(row=body, column=2)
    sheet.sheet_view.showGridLines = False
    sheet.page_setup.orientation = "landscape" if len(aligns) > 6 else "portrait"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.print_title_rows = f"{first}:{body - 1}"


def _put_head(sheet: Any, line: int, cell: HeaderCell, letters: Mapping[str, str]) -> None:
    """Write a heading cell and merge what it spans."""
    align = "left" if cell.column == 0 else "center" if cell.colspan > 1 else cell.align
    content = (cell.text, marks(cell.notes, letters))
    _put(sheet, line, cell.column + 1, *content, bold=True, align=align, vertical="bottom")
    if cell.colspan > 1 or cell.rowspan > 1:
        end = {"end_row": line + cell.rowspan - 1, "end_column": cell.column + cell.colspan}
        sheet.merge_cells(start_row=line, start_column=cell.column + 1, **end)


def _put(
    sheet: Any,
    line: int,
    column: int,
    text: str,
    letters: str,
    *,
    bold: bool = False,
    align: str = "left",
    indent: int = 0,
    vertical: str = "top",
    wrap: bool = True,
    before: bool = False,
) -> None:
    """Write text, with superscript letters, as text whatever it looks like."""
    from openpyxl.cell.rich_text import CellRichText, TextBlock
    from openpyxl.cell.text import InlineFont
    from openpyxl.styles import Alignment, Font

    cell = sheet.cell(row=line, column=column)
    cell.font = Font(name=FONT, size=SIZE, bold=bold)
    cell.alignment = Alignment(
        horizontal=align, vertical=vertical, indent=indent, wrap_text=wrap and column > 1
    )
    if letters:
        plain = TextBlock(InlineFont(rFont=FONT, sz=SIZE, b=bold), text)
        raised = TextBlock(InlineFont(rFont=FONT, sz=SIZE, b=bold, vertAlign="superscript"), letters)
        cell.value = CellRichText(raised, plain) if before else CellRichText(plain, raised)
    elif text:
        cell.value = text
        cell.data_type = "s"
        cell.number_format = "@"


def _rules(sheet: Any, first: int, body: int, last: int, width: int, table: Table) -> None:
    """Draw the three lines of the table and a line under every spanner."""
    from openpyxl.styles import Border, Side

    medium, thin = Side(style="medium"), Side(style="thin")
    for column in range(1, width + 1):
        sheet.cell(row=first, column=column).border = Border(top=medium)
        under = sheet.cell(row=body - 1, column=column)
        under.border = Border(top=medium if body - 1 == first else None, bottom=thin)
        sheet.cell(row=last, column=column).border = Border(bottom=medium)
    for level, row in enumerate(table.header[:-1]):
        for cell in row:
            if not cell.is_spanner:
                continue
            for column in range(cell.column + 1, cell.column + 1 + cell.colspan):
                edge = sheet.cell(row=first + level, column=column)
                edge.border = Border(top=medium if level == 0 else None, bottom=thin)


def _column_widths(sheet: Any, table: Table) -> None:
    """Make every column as wide as its longest line."""
    from openpyxl.utils import get_column_letter

    texts: list[list[str]] = [[table.stub], *([leaf.text] for leaf in table.leaves)]
    for depth, row in table.lines:
        for position, cell in enumerate((row.label, *row.cells)):
            texts[position].append("   " * depth * (position == 0) + cell.text if row.cells or depth else "")
    for position, column in enumerate(texts):
        width = max(text_width(text, SIZE, bold=place == 0) for place, text in enumerate(column))
        sheet.column_dimensions[get_column_letter(position + 1)].width = round(
            min(_MAX_UNITS, width / _POINTS_PER_UNIT + 2), 2
        )


def _row_heights(sheet: Any, table: Table, first: int, body: int) -> None:
    """Make every row as high as its lines; headings over several rows need their height in the last."""
    heights = [1] * len(table.header)
    for level, cells in enumerate(table.header):
        for head in cells:
            last = level + head.rowspan - 1
            heights[last] = max(heights[last], head.text.count("\n") + 1)
    for level, lines in enumerate(heights):
        sheet.row_dimensions[first + level].height = lines * _LINE_PT
    for offset, (_, row) in enumerate(table.lines):
        lines = max(cell.text.count("\n") + 1 for cell in (row.label, *row.cells))
        sheet.row_dimensions[body + offset].height = lines * _LINE_PT


def _number_sheet(sheet: Any, frame: pd.DataFrame) -> None:
    """Fill the sheet of raw numbers."""
    from openpyxl.styles import Font

    for position, name in enumerate(frame.columns, start=1):
        head = sheet.cell(row=1, column=position, value=str(name))
        head.font = Font(name=FONT, size=SIZE, bold=True)
        head.data_type = "s"
        numeric = pd.api.types.is_numeric_dtype(frame[name].dtype)
        for line, value in enumerate(frame[name].tolist(), start=2):
            if pd.isna(value):
                continue
            cell = sheet.cell(row=line, column=position)
            cell.value = value if numeric else str(value)
            if not numeric:
                cell.data_type = "s"
    sheet.freeze_panes = "A2"
