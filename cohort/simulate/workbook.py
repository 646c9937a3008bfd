"""Write a workbook whose bytes depend on its cells only."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import pandas as pd
from openpyxl import Workbook

_EPOCH = (1980, 1, 1, 0, 0, 0)
_PROPERTIES = "docProps/core.xml"
_PROPERTIES_XML = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>'
)


def workbook_bytes(sheets: Mapping[str, pd.DataFrame], numbers: frozenset[str]) -> bytes:
    """Return a workbook with one sheet per frame.

    Parameters
    ----------
    sheets : mapping of str to DataFrame
        Frames of text by sheet name.
    numbers : frozenset of str
        Columns whose cells become numbers where they look like one; all others stay text.

    Returns
    -------
    bytes
        The xlsx file, without the times that the writer would put into it.
    """
    book = Workbook(write_only=True)
    for name, frame in sheets.items():
        sheet = book.create_sheet(name)
        sheet.append(list(frame.columns))
        columns = [_cells(sheet, frame[column], column in numbers) for column in frame.columns]
        for row in zip(*columns, strict=True):
            sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return _without_times(buffer.getvalue())


def _cells(sheet: object, column: pd.Series, numeric: bool) -> list[object]:
    """Return the values of a column: None for blank, numbers where asked for and possible."""
    if not numeric:
        return [text or None for text in column]
    as_number = pd.to_numeric(column, errors="coerce")
    return [
        None if not text else text if pd.isna(value) else float(value)
        for text, value in zip(column, as_number, strict=True)
    ]


def _without_times(data: bytes) -> bytes:
    """Repack a zip archive with a fixed date on every member, and without the document's properties."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in sorted(old.namelist()):
            content = _PROPERTIES_XML.encode() if member == _PROPERTIES else old.read(member)
            info = zipfile.ZipInfo(member, date_time=_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            new.writestr(info, content)
    return out.getvalue()
