"""Reads delimited text: the encoding and the delimiter declared or seen, every cell as it is written."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from cohort.dictionary.mapping_model import Input
from cohort.errors import SourceError
from cohort.registry.cells import check_header
from cohort.registry.file_bytes import MAX_LINE, endless_line, text_bytes

_DELIMITERS = {"tab": "\t", "": ""}
_SEPARATORS = ",;\t|"
_QUOTED = re.compile('"[^"]*"')
_CONTROLS = re.compile("[\x80-\x9f]")
_BLOCK = 8 << 20
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_delimited(path: Path, how: Input) -> tuple[pd.DataFrame, str]:
    """Read a text file, packed or not; return its cells and its encoding.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.txt`` or another ending; ``.gz`` or ``.zip`` of one.
    how : Input
        Encoding, delimiter, member and header row, where they are declared.

    Returns
    -------
    frame : DataFrame of shape (n, p)
        Text; an empty cell is an empty text.
    encoding : str
        As declared or seen.

    Raises
    ------
    SourceError
        Unreadable encoding, ragged row, duplicated header, open quote, too large.
    """
    text, encoding = _decode(path.name, text_bytes(path, how.member), how.encoding)
    return _parse(path.name, text, how), encoding


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
    _check_declared(name, raw, text, declared)
    if "\0" in text:
        raise SourceError(
            "The file holds zero bytes.",
            evidence=name,
            remedy="declare encoding: utf-16, or export the file again as text",
        )
    return text, encoding


def _check_declared(name: str, raw: bytes, text: str, declared: str) -> None:
    """Refuse a one-byte encoding, which reads everything, for a file that is plainly another."""
    if declared not in ("cp1252", "latin-1") or raw.isascii():
        return
    real = "utf-8" if _is_utf8(raw) else "cp1252" if declared == "latin-1" and _CONTROLS.search(text) else ""
    if real:
        raise SourceError(
            f"The file is declared as {declared} and is {real}.",
            evidence=name,
            remedy=f"write encoding: {real} in the input of the mapping",
        )


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parse(name: str, text: str, how: Input) -> pd.DataFrame:
    text = _from_header(name, text, how.header_row)
    delimiter = _DELIMITERS.get(how.delimiter, how.delimiter) or _detect(name, text)
    header, below = _header(name, text, delimiter)
    check_header(name, header)
    if not any(header):
        raise SourceError("The file is empty.", evidence=name, remedy="export it with a header row")
    body = text.split("\n", below)[-1] if text.count("\n") >= below else ""
    if not body.strip("\r\n"):
        return pd.DataFrame({column: pd.Series([], dtype="string") for column in header if column})
    try:
        table = _table(body, header, delimiter)
    except pa.ArrowInvalid as error:
        raise _ragged(name, text, delimiter, len(header), how.header_row - 1) from error
    if '"' in body and body.count("\n") + (not body.endswith("\n")) > table.num_rows:
        _check_quotes(name, text, delimiter, how.header_row - 1)
    kept = _with_header(name, table, header)
    frame: pd.DataFrame = kept.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get)
    return frame


def _from_header(name: str, text: str, header_row: int) -> str:
    """Return the text from its header on; refuse lines that end in no way that is known, or never."""
    if header_row > 1:
        text = "\n".join(text.split("\n", header_row - 1)[header_row - 1 :])
    if "\r" in text and "\n" not in text:
        raise SourceError(
            "The lines of the file end with a carriage return alone.",
            evidence=name,
            remedy="save it again as csv with Windows or Unix line ends",
        )
    if len(text) > MAX_LINE and max(map(len, text.split("\n"))) > MAX_LINE:
        raise endless_line(name)
    return text


def _table(body: str, header: list[str], delimiter: str) -> pa.Table:
    names = [str(position) for position in range(len(header))]  # a header may leave columns without a name
    return pa_csv.read_csv(
        io.BytesIO(body.encode("utf-8")),
        read_options=pa_csv.ReadOptions(column_names=names, block_size=_BLOCK),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )


def _with_header(name: str, table: pa.Table, header: list[str]) -> pa.Table:
    """Name the columns; a first column without a name numbers the rows, any other must be empty."""
    nameless = [position for position, column in enumerate(header) if not column]
    filled = [at for at in nameless if at and pc.any(pc.not_equal(table.column(at), "")).as_py()]
    if filled:
        raise SourceError(
            "A column without a header holds values.",
            evidence=f"{name}: column {', '.join(str(at + 1) for at in filled[:5])}",
            remedy="give every column a header",
        )
    kept = [at for at, column in enumerate(header) if column]
    return table.select(kept).rename_columns([header[at] for at in kept])


def _check_quotes(name: str, text: str, delimiter: str, above: int) -> None:
    """Refuse a quote that is closed wrongly or never: the rows below it would become part of its cell."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    line = 1
    try:
        for _ in reader:
            line = reader.line_num + 1
    except csv.Error as error:
        raise _open_quote(name, line + above) from error


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


def _detect(name: str, text: str) -> str:
    """Take the separator that the header line holds most often outside its quotes."""
    first = _QUOTED.sub("", text.split("\n", 1)[0])
    counts = {one: first.count(one) for one in _SEPARATORS}
    best = [one for one, n in counts.items() if n and n == max(counts.values())]
    if len(best) > 1:
        raise SourceError(
            "The delimiter is not clear from the header.",
            evidence=f"{name}: {' and '.join(repr(one) for one in best)} stand there equally often",
            remedy='declare delimiter: in the input of the mapping, for example delimiter: ";"',
        )
    return best[0] if best else ","


def _ragged(name: str, text: str, delimiter: str, n: int, above: int) -> SourceError:
    """Return the error of the first row that has not n cells."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    line, found = 1, False
    try:
        for row in reader:
            found = bool(row) and len(row) != n
            if found:
                break
            line = reader.line_num + 1
    except csv.Error:
        return _open_quote(name, line + above)
    return SourceError(
        "A row has more or fewer cells than the header."
        if found
        else "The rows cannot be told from each other.",
        evidence=f"{name}, line {line + above}; the header has {n} cells" if found else name,
        remedy="quote cells that hold the delimiter, or declare delimiter: in the mapping",
    )
