"""Reads csv files and workbooks as text: nothing is guessed, nothing is converted."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from cohort.dictionary.frame_functions import write_number
from cohort.dictionary.mapping_model import Input
from cohort.errors import SourceError

MAX_BYTES = 2_000_000_000
MAX_LINE = 1_000_000
MAX_UNPACKED = 1_000_000_000
MAX_RATIO = 200
WORKBOOKS = (".xlsx", ".xlsm")
_DELIMITERS = {"tab": "\t", "": ""}
_SEPARATORS = ",;\t|"
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True)
class FileRecord:
    """A file that was read.

    Attributes
    ----------
    name : str
        Name without folder.
    sha256 : str
        Of its bytes.
    n : int
        Rows below the header.
    encoding : str
        Of a csv file; ``workbook`` of a workbook.
    """

    name: str
    sha256: str
    n: int
    encoding: str


def read_table(path: Path, how: Input) -> tuple[pd.DataFrame, FileRecord]:
    """Read a csv file or a sheet as text.

    Parameters
    ----------
    path : Path
        The file.
    how : Input
        Encoding, delimiter, sheet and header row, where they are declared.

    Returns
    -------
    frame : DataFrame of shape (n, p)
        Text; an empty cell is an empty text.
    record : FileRecord
        Name, hash and number of rows.

    Raises
    ------
    SourceError
        Unreadable encoding, ragged row, duplicated header, unsafe workbook, too large.
    """
    raw = _bytes(path)
    if path.suffix.lower() in WORKBOOKS:
        frame, encoding = _read_sheet(path, raw, how), "workbook"
    else:
        text, encoding = _decode(path.name, raw, how.encoding)
        frame = _read_csv(path.name, text, how)
    return frame, FileRecord(path.name, hashlib.sha256(raw).hexdigest(), len(frame), encoding)


def _bytes(path: Path) -> bytes:
    """Read a file whose size, and the length of whose lines, is within bounds."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(
                "A source file is larger than 2 GB.", evidence=path.name, remedy="split it by table"
            )
        if path.suffix.lower() not in WORKBOOKS:
            _check_lines(path)
        return path.read_bytes()
    except OSError as error:
        raise SourceError(
            "A source file cannot be read.",
            evidence=f"{path.name[:80]}: {error.strerror}",
            remedy="check the path, and that you may read the file",
        ) from error


def _check_lines(path: Path) -> None:
    """Refuse a file with an endless line before it is in memory."""
    length = 0
    with path.open("rb") as file:
        while chunk := file.read(MAX_LINE):
            last = chunk.rfind(b"\n")
            length = length + len(chunk) if last < 0 else len(chunk) - last
            if length > 4 * MAX_LINE:  # a character has at most four bytes
                raise SourceError(
                    "A line is longer than a million characters.",
                    evidence=path.name,
                    remedy="check the quotes",
                )


def _decode(name: str, raw: bytes, declared: str) -> tuple[str, str]:
    encoding = declared or next((code for mark, code in _MARKS if raw.startswith(mark)), "utf-8")
    encoding = "utf-8-sig" if encoding == "utf-8" and raw.startswith(_MARKS[0][0]) else encoding
    try:
        text = raw.decode(encoding)
    except UnicodeError as error:
        position = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = raw[:position].count(b"\n") + 1
        raise SourceError(
            f"The file is not {encoding}.",
            evidence=f"{name}, line {line}",
            remedy="declare the encoding of the input in the mapping, for example encoding: cp1252",
        ) from error
    if "\0" in text:
        raise SourceError(
            "The file holds zero bytes.",
            evidence=name,
            remedy="declare encoding: utf-16, or export the file again as text",
        )
    return text, encoding


def _read_csv(name: str, text: str, how: Input) -> pd.DataFrame:
    lines = text.split("\n", how.header_row)
    if len(lines) > 1 or how.header_row > 1:
        text = "\n".join(lines[how.header_row - 1 :])
    if len(text) > MAX_LINE and max(map(len, text.split("\n"))) > MAX_LINE:
        raise SourceError(
            "A line is longer than a million characters.", evidence=name, remedy="check the quotes"
        )
    if "\r" in text and "\n" not in text:
        raise SourceError(
            "The lines of the file end with a carriage return alone.",
            evidence=name,
            remedy="save it again as csv with Windows or Unix line ends",
        )
    delimiter = _DELIMITERS.get(how.delimiter, how.delimiter) or _detect(text)
    header, below = _header(name, text, delimiter)
    check_header(name, header)
    if not header:
        raise SourceError("The file is empty.", evidence=name, remedy="export it with a header row")
    parse = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    convert = pa_csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False, check_utf8=False
    )
    read = pa_csv.ReadOptions(column_names=header, skip_rows=0, use_threads=True)
    body = text.split("\n", below)[-1] if text.count("\n") >= below else ""
    if not body.strip("\r\n"):
        return pd.DataFrame({column: pd.Series([], dtype="string") for column in header})
    try:
        table = pa_csv.read_csv(
            io.BytesIO(body.encode("utf-8")), read_options=read, parse_options=parse, convert_options=convert
        )
    except pa.ArrowInvalid as error:
        line = _ragged_line(name, text, delimiter, len(header), how.header_row - 1)
        raise SourceError(
            "A row has more or fewer cells than the header.",
            evidence=f"{name}, line {line}; the header has {len(header)} cells",
            remedy="quote cells that hold the delimiter, or declare delimiter: in the mapping",
        ) from error
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get)
    return frame


def _header(name: str, text: str, delimiter: str) -> tuple[list[str], int]:
    """Return the header and its number of lines, for it may span several inside quotes."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        return next(reader, []), reader.line_num
    except csv.Error as error:
        raise _open_quote(name, 1) from error


def _open_quote(name: str, line: int) -> SourceError:
    return SourceError(
        "A quote is opened and not closed.",
        evidence=f"{name}, line {line}",
        remedy="close it, or write every quote inside a text twice",
    )


def _detect(text: str) -> str:
    """Take the separator that the header line holds most often."""
    first = text.split("\n", 1)[0]
    return max(_SEPARATORS, key=first.count)


def _ragged_line(name: str, text: str, delimiter: str, n: int, above: int) -> int:
    """Return the first line of the row that has not n cells."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    line = 1
    try:
        for row in reader:
            if row and len(row) != n:
                break
            line = reader.line_num + 1
    except csv.Error as error:
        raise _open_quote(name, line + above) from error
    return line + above


def check_header(name: str, header: Sequence[str]) -> None:
    """Refuse a header that names a column twice; what stands there may be a patient's row, so it is not said."""
    first: dict[str, int] = {}
    twice = []
    for position, column in enumerate(header, start=1):
        if column and first.setdefault(column, position) != position:
            twice.append(f"{first[column]} and {position}")
    if twice:
        raise SourceError(
            "The header names a column twice.",
            evidence=f"{name}: columns {', '.join(twice[:5])}",
            remedy="rename the columns in the export; if this is not its header, declare header_row: in the mapping",
        )


def _read_sheet(path: Path, raw: bytes, how: Input) -> pd.DataFrame:
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
    from openpyxl import load_workbook

    with (
        warnings.catch_warnings()
    ):  # styles and validations that openpyxl leaves out do not concern the values
        warnings.simplefilter("ignore", UserWarning)
        book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
    try:
        sheet = book[_sheet_name(name, list(book.sheetnames), how.sheet)]
        return [
            [cell_text(value) for value in row]
            for row in sheet.iter_rows(min_row=how.header_row, values_only=True)
        ]
    finally:
        book.close()


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
        raise SourceError("The file is not a workbook.", evidence=name, remedy="save it as .xlsx") from error
    size = sum(member.file_size for member in members)
    if size > MAX_UNPACKED or size > MAX_RATIO * max(len(raw), 1):
        raise SourceError("The workbook unpacks to too much.", evidence=name, remedy="save it again as .xlsx")


def cell_text(value: object) -> str:
    """Write a cell as text: dates as ISO, whole numbers without a decimal point, empty for nothing."""
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "" if value != value else write_number(value) if abs(value) != float("inf") else str(value)
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S" if value.time() != dt.time() else "%Y-%m-%d")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)


def frame_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Write every cell of a frame as text."""
    columns = [str(column) for column in frame.columns]
    check_header("the frame", columns)
    return pd.DataFrame(
        {str(column): _column_text(frame[column]) for column in frame.columns}, columns=columns
    )


def _column_text(values: pd.Series) -> pd.Series:
    """Convert each different value once."""
    if isinstance(values.dtype, pd.StringDtype):
        return values.fillna("").reset_index(drop=True).astype("string[pyarrow]")
    plain = values.astype(object)
    codes, different = pd.factorize(plain, use_na_sentinel=True)
    texts: Iterable[str] = [cell_text(_plain(one)) for one in different]
    table = pd.array([*texts, ""], dtype=pd.StringDtype("pyarrow"))
    return pd.Series(table.take(codes), dtype="string[pyarrow]")


def _plain(value: object) -> object:
    item = getattr(value, "item", None)
    return item() if callable(item) and not isinstance(value, dt.date) else value
