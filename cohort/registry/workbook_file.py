"""Reads a sheet of a workbook as text; formulas are never computed, macros never run."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from cohort.dictionary.mapping_model import Input
from cohort.errors import SourceError
from cohort.registry.cells import cell_text, check_header
from cohort.registry.file_bytes import MAX_RATIO, MAX_UNPACKED, check_size

WORKBOOKS = (".xlsx", ".xlsm")
_Rows = list[list[tuple[Any, str]]]


def read_sheet(path: Path, how: Input) -> pd.DataFrame:
    """Read a sheet as text.

    Parameters
    ----------
    path : Path
        ``.xlsx`` or ``.xlsm``.
    how : Input
        Sheet and header row, where they are declared.

    Returns
    -------
    DataFrame of shape (n, p)
        Text; dates as ISO; rows without a value are left out.

    Raises
    ------
    SourceError
        Damaged, protected, unpacks to too much, no such sheet, duplicated or missing header, or a formula whose
        result was never saved.
    """
    check_size(path)
    raw = path.read_bytes()
    _check_workbook(path.name, raw)
    try:
        rows = _sheet_rows(path.name, raw, how)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, EOFError) as error:
        raise _damaged(path.name) from error
    except (SyntaxError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _damaged(path.name) from error  # malformed XML, a damaged, unsupported or encrypted member
    return _framed(path.name, rows)


def _damaged(name: str) -> SourceError:
    return SourceError(
        "The workbook is damaged or protected.",
        evidence=name,
        remedy="open it in a spreadsheet program and save it again as .xlsx, without a password",
    )


def _sheet_rows(name: str, raw: bytes, how: Input) -> list[list[str]]:
    sheets = _sheet_texts(raw)
    if any(b"<mergeCell " in text for text in sheets):
        _check_merged(name, raw, how)
    values = _cells(name, raw, how, results=True)
    if any(b"<f>" in text or b"<f " in text for text in sheets):
        _check_formulas(name, values, _cells(name, raw, how, results=False), how.header_row)
    return [[cell_text(value) for value, _ in row] for row in values]


def _cells(name: str, raw: bytes, how: Input, results: bool) -> _Rows:
    """Return value and type of each cell from the header on; of a formula its saved result, or its text."""
    with _opened(raw, results=results, quick=True) as book:
        sheet = book[_sheet_name(name, list(book.sheetnames), how.sheet)]
        rows = sheet.iter_rows(min_row=how.header_row)
        return [[(cell.value, cell.data_type) for cell in row] for row in rows]


@contextmanager
def _opened(raw: bytes, results: bool, quick: bool) -> Iterator[Any]:
    from openpyxl import load_workbook

    with warnings.catch_warnings():  # styles and validations that are left out do not concern the values
        warnings.simplefilter("ignore", UserWarning)
        book = load_workbook(io.BytesIO(raw), read_only=quick, data_only=results, keep_links=False)
    try:
        yield book
    finally:
        book.close()


def _sheet_texts(raw: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return [archive.read(one) for one in archive.namelist() if one.startswith("xl/worksheets/")]


def _check_merged(name: str, raw: bytes, how: Input) -> None:
    """Refuse cells that are merged below the header: only the first of them holds the value."""
    with _opened(raw, results=True, quick=False) as book:
        ranges = book[_sheet_name(name, list(book.sheetnames), how.sheet)].merged_cells.ranges
        below = sorted(str(one) for one in ranges if one.max_row > how.header_row)
    if below:
        raise SourceError(
            "Cells below the header are merged.",
            evidence=f"{name}: {len(below)} ranges, first {', '.join(below[:3])}",
            remedy="unmerge them and write the value into every cell it is meant for",
        )


def _check_formulas(name: str, values: _Rows, formulas: _Rows, first: int) -> None:
    """Refuse a formula without a saved result: it would be read as an empty cell."""
    from openpyxl.utils import get_column_letter

    unsaved = [
        f"{get_column_letter(at)}{number}"
        for number, (row, written) in enumerate(zip(values, formulas, strict=True), start=first)
        for at, ((value, result), (_, kind)) in enumerate(zip(row, written, strict=True), start=1)
        if kind == "f" and value is None and result == "n"  # a saved empty text has the type str
    ]
    if unsaved:
        raise SourceError(
            "The sheet holds formulas whose result was never saved.",
            evidence=f"{name}: {len(unsaved)} cells, first {', '.join(unsaved[:3])}",
            remedy="open the workbook in a spreadsheet program, let it calculate, and save it; or paste values",
        )


def _framed(name: str, rows: list[list[str]]) -> pd.DataFrame:
    header = [one.strip() for one in rows[0]] if rows else []
    while header and not header[-1]:
        header.pop()
    if not header:
        raise SourceError(
            "The sheet is empty.", evidence=name, remedy="name the sheet and header_row in the mapping"
        )
    check_header(name, header)
    wide = [number for number, row in enumerate(rows[1:], start=2) if any(row[len(header) :])]
    if wide:
        raise SourceError(
            "A row has cells beyond the header.",
            evidence=f"{name}, row {wide[0]} below the header row",
            remedy="give every column a header",
        )
    filled = [row for row in rows[1:] if any(row)]
    nameless = [
        at
        for at, column in enumerate(header)
        if not column and any("".join(row[at : at + 1]) for row in filled)
    ]
    if nameless:
        raise SourceError(
            "A column without a header holds values.",
            evidence=f"{name}: column {', '.join(str(at + 1) for at in nameless[:5])}",
            remedy="give every column a header of one cell (unmerge it), or declare header_row: in the mapping",
        )
    columns = {
        column: pd.array([row[i] if i < len(row) else "" for row in filled], dtype=pd.StringDtype("pyarrow"))
        for i, column in enumerate(header)
        if column
    }
    return pd.DataFrame(columns)


def _sheet_name(name: str, sheets: list[str], wanted: str) -> str:
    if wanted in sheets:
        return wanted
    if not wanted and len(sheets) == 1:
        return sheets[0]
    raise SourceError(
        f"The workbook has no sheet {wanted!r}." if wanted else "The workbook has several sheets.",
        evidence=f"{name}: {', '.join(sheets)}",
        remedy="write sheet: in the input of the mapping",
    )


def _check_workbook(name: str, raw: bytes) -> None:
    """Refuse archives that unpack to far more than they hold."""
    try:
        members = zipfile.ZipFile(io.BytesIO(raw)).infolist()
    except zipfile.BadZipFile as error:
        if raw.startswith(b"\xd0\xcf\x11\xe0"):  # the old format, and the envelope of an encrypted workbook
            raise _damaged(name) from error
        raise SourceError("The file is not a workbook.", evidence=name, remedy="save it as .xlsx") from error
    size = sum(member.file_size for member in members)
    if size > MAX_UNPACKED or size > MAX_RATIO * max(len(raw), 1):
        raise SourceError("The workbook unpacks to too much.", evidence=name, remedy="save it again as .xlsx")
