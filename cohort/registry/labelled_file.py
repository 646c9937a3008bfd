"""Reads SPSS, Stata and SAS files as text, with their value labels and what they declare missing."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohort.dictionary.mapping_model import Input
from cohort.errors import SourceError
from cohort.registry.cells import check_header
from cohort.registry.labelled_column import LabelledColumn
from cohort.registry.labelled_text import Kind, sas_kind, spss_kind, stata_kind
from cohort.registry.xport_tags import check_members, xport_tags

MAX_ROWS = 50_000_000
MAX_CELLS = 1_000_000_000
LABEL_COLUMNS = ("column", "value", "label", "is_missing")
_PROGRAMS = {
    **dict.fromkeys((".sav", ".zsav"), "spss"),
    ".dta": "stata",
    **dict.fromkeys((".sas7bdat", ".xpt"), "sas"),
}
LABELLED = tuple(_PROGRAMS)
_NAMES = {"spss": "SPSS", "stata": "Stata", "sas": "SAS"}
_ENCODINGS = {"": None, "latin-1": "ISO-8859-1", "cp1252": "WINDOWS-1252", "utf-8-sig": "UTF-8"}
_READERS = {
    ".sav": "read_sav",
    ".zsav": "read_sav",
    ".dta": "read_dta",
    ".sas7bdat": "read_sas7bdat",
    ".xpt": "read_xport",
}
_WITH_MISSING = (".sav", ".zsav", ".dta", ".sas7bdat")


def no_labels() -> pd.DataFrame:
    """Return the labels of a file that has none."""
    return _label_frame([])


def read_labelled(path: Path, how: Input) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Read a labelled file as text.

    Parameters
    ----------
    path : Path
        ``.sav``, ``.zsav``, ``.dta``, ``.sas7bdat`` or ``.xpt``.
    how : Input
        ``encoding``, ``catalog`` and ``values``.

    Returns
    -------
    frame : DataFrame of shape (n, p)
        Text: codes, or labels when ``values: labels``; missing values with a letter as ``.a``; nothing for a
        missing value without a reason.
    labels : DataFrame
        Columns column, value, label, is_missing.
    encoding : str
        Of the texts, as declared or as the file says.

    Raises
    ------
    SourceError
        Damaged, of another kind than its ending says, wrong encoding, too large, several data sets in one file,
        or a catalog that is missing.
    """
    cells, about = _read(path, how)
    check_header(path.name, list(about.column_names))
    catalog = _catalog(path, how, cells, about)
    program, as_labels = _PROGRAMS[path.suffix.lower()], how.cells == "labels"
    texts: dict[str, pd.Series] = {}
    labels: list[tuple[str, str, str, bool]] = []
    for name in about.column_names:
        kind = _kind(path, about, name)
        ranges = about.missing_ranges.get(name, [])
        column = LabelledColumn.of(cells.pop(name), program, kind, catalog.get(name, {}), ranges)
        texts[name] = column.text(as_labels)
        labels += [(name, *row) for row in column.label_rows(as_labels)]
    frame = pd.DataFrame(texts, columns=list(about.column_names))
    return frame, _label_frame(labels), how.encoding or str(about.file_encoding or "")


def _read(path: Path, how: Input) -> tuple[dict[str, Any], Any]:
    """Return the columns as arrays and what the file says about them."""
    import pyreadstat

    suffix = path.suffix.lower()
    read = getattr(pyreadstat, _READERS[suffix])
    options: dict[str, Any] = {"output_format": "dict", "disable_datetime_conversion": True}
    options["encoding"] = _ENCODINGS.get(how.encoding, how.encoding)
    if suffix in _WITH_MISSING:
        options["user_missing"] = True
    try:
        raw = path.read_bytes() if suffix == ".xpt" else b""
        if raw:
            check_members(path.name, raw)
        _, about = read(path, metadataonly=True, **options)
        _check_size(path.name, about)
        announced = about.number_rows
        cells, about = read(path, row_limit=MAX_ROWS, **options)
        _check_rows(path.name, announced, cells)
        if raw:
            _put_letters(path.name, raw, cells, about)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeError) as error:
        raise _unreadable(path, how, str(error)) from error
    except (struct.error, ValueError, IndexError, StopIteration, OverflowError, MemoryError) as error:
        raise _unreadable(path, how, "") from error
    return cells, about


def _unreadable(path: Path, how: Input, said: str) -> SourceError:
    program = _NAMES[_PROGRAMS[path.suffix.lower()]]
    if "convert string" in said or "codec" in said:
        return SourceError(
            "The texts of the file are not in the encoding that it says.",
            evidence=path.name,
            remedy="declare the encoding of the input in the mapping, for example encoding: cp1252",
        )
    return SourceError(
        f"The file is damaged or not of {program}.",
        evidence=path.name,
        remedy=f"open it in {program}, and save it again",
    )


def _check_size(name: str, about: Any) -> None:
    rows, columns = about.number_rows or 0, len(about.column_names)
    if rows >= MAX_ROWS or rows * columns > MAX_CELLS:
        raise SourceError(
            "The file unpacks to too much.",
            evidence=f"{name}: {rows:,} rows of {columns:,} columns",
            remedy="keep the columns that the mapping needs, or split it by year",
        )


def _check_rows(name: str, announced: int | None, cells: Mapping[str, Any]) -> None:
    """Refuse a file with other rows than it announces; transport files announce none."""
    n = len(next(iter(cells.values()), ()))
    if n >= MAX_ROWS or (announced is not None and announced > 0 and n != announced):
        raise SourceError(
            "The file has other rows than it announces.",
            evidence=f"{name}: {n:,} read, {announced or 0:,} announced",
            remedy="send it again",
        )


def _put_letters(name: str, raw: bytes, cells: dict[str, Any], about: Any) -> None:
    """Write the letters of missing numbers, which the reader of transport files leaves out, into the cells."""
    n_rows = len(next(iter(cells.values()), ()))
    tags = xport_tags(name, raw, len(cells), n_rows)
    for column, codes in zip(about.column_names, tags.codes, strict=True):
        if codes is not None and codes.any():
            values = np.asarray(cells[column]).astype(object)
            values[codes > 0] = [chr(code) for code in codes[codes > 0]]
            cells[column] = values


def _kind(path: Path, about: Any, name: str) -> Kind:
    storage = about.readstat_variable_types[name]
    if storage == "string":
        return "text"
    form = about.original_variable_types.get(name) or ""
    program = _PROGRAMS[path.suffix.lower()]
    kind = {"spss": spss_kind, "stata": stata_kind, "sas": sas_kind}[program](form)
    return "float" if kind == "number" and program == "stata" and storage == "float" else kind


def _catalog(path: Path, how: Input, cells: Mapping[str, Any], about: Any) -> dict[str, dict[Any, str]]:
    """Return the value labels of each column: in the file itself, or of SAS in the catalog."""
    if path.suffix.lower() not in (".sas7bdat", ".xpt"):
        if how.catalog:
            raise SourceError(
                "catalog: is for SAS.", evidence=path.name, remedy="remove it from the input in the mapping"
            )
        return dict(about.variable_value_labels)
    if not how.catalog:
        if how.cells == "labels":
            raise SourceError(
                "A SAS file has its labels in a catalog.",
                evidence=path.name,
                remedy="add catalog: formats.sas7bcat to the input, or leave values: labels out",
            )
        return {}
    formats = {name.lstrip("$").upper(): labels for name, labels in _formats(path, how).items()}
    named = {
        name: str(form or "").lstrip("$").upper() for name, form in about.original_variable_types.items()
    }
    return {
        name: formats.get(form) or formats.get(form.rstrip("0123456789."), {}) for name, form in named.items()
    }


def _formats(path: Path, how: Input) -> dict[str, dict[Any, str]]:
    import pyreadstat

    relative = Path(how.catalog)
    place = path.parent / relative
    if relative.is_absolute() or ".." in relative.parts or not place.is_file():
        raise SourceError(
            "The catalog of the SAS file is not there.",
            evidence=f"catalog: {how.catalog}, beside {path.name}",
            remedy="put it beside the data, below the same folder",
        )
    try:
        _, about = pyreadstat.read_sas7bcat(place, encoding=_ENCODINGS.get(how.encoding, how.encoding))
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeError, ValueError) as error:
        raise SourceError(
            "The catalog cannot be read.",
            evidence=place.name,
            remedy="in SAS: proc format cntlout=work.formats; and write the recodes into the mapping",
        ) from error
    return dict(about.value_labels)


def _label_frame(rows: list[tuple[str, str, str, bool]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(LABEL_COLUMNS))
    return frame.astype({"column": "string", "value": "string", "label": "string", "is_missing": "bool"})
