"""Reads every file a registry sends as text: nothing is guessed, nothing is converted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cohort.dictionary.mapping_model import Input
from cohort.errors import SourceError
from cohort.registry.cells import cell_text, check_header, frame_text
from cohort.registry.csv_file import read_delimited
from cohort.registry.file_bytes import check_size, hash_file
from cohort.registry.labelled_file import LABELLED, no_labels, read_labelled
from cohort.registry.parquet_file import read_parquet
from cohort.registry.workbook_file import WORKBOOKS, read_sheet

__all__ = [
    "SUFFIXES",
    "WORKBOOKS",
    "FileRecord",
    "ReadFile",
    "cell_text",
    "check_header",
    "frame_text",
    "read_file",
    "read_labels",
    "read_table",
]

PARQUET = (".parquet", ".pq")
SUFFIXES = (".csv", ".txt", ".tsv", ".gz", ".zip", *WORKBOOKS, *PARQUET, *LABELLED)
_TO_TEXT = "write it as csv in UTF-8, or as Parquet"
_REFUSED = {
    **dict.fromkeys(
        (".xls", ".xlsb", ".ods", ".numbers"), "open it in a spreadsheet program, save it as .xlsx"
    ),
    **dict.fromkeys(
        (".rds", ".rda", ".rdata"), "in R: haven::write_sav(data, 'data.sav') or write.csv(data, ...)"
    ),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), f"loading it could run code; {_TO_TEXT}"),
    **dict.fromkeys(
        (".mdb", ".accdb", ".sqlite", ".db", ".feather", ".h5", ".mat", ".json", ".xml"), _TO_TEXT
    ),
    **dict.fromkeys(
        (".bz2", ".xz", ".7z", ".rar", ".tar", ".tgz", ".zst"), "unpack it, or pack it as .gz or .zip"
    ),
    ".sas7bcat": "name the data file; the catalog belongs into catalog: of the input in the mapping",
    ".por": "in SPSS: save outfile='data.sav'; a portable file does not tell which values are missing",
    ".pdf": _TO_TEXT,
}


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
        Of a csv file or a labelled file; ``workbook`` or ``parquet``.
    """

    name: str
    sha256: str
    n: int
    encoding: str


@dataclass(frozen=True)
class ReadFile:
    """What a file holds.

    Attributes
    ----------
    frame : DataFrame of shape (n, p)
        Its cells as text; an empty cell is an empty text.
    record : FileRecord
        Name, hash and number of rows.
    labels : DataFrame
        Columns column, value (as the cells write it), label, is_missing; see `read_labels`.
    """

    frame: pd.DataFrame = field(repr=False)
    record: FileRecord
    labels: pd.DataFrame = field(repr=False)


def read_file(path: Path, how: Input) -> ReadFile:
    """Read a file as text, with the labels and missing declarations that it carries.

    Parameters
    ----------
    path : Path
        Delimited text (also ``.gz`` or ``.zip`` of it), workbook, Parquet, SPSS, Stata or SAS.
    how : Input
        Encoding, delimiter, sheet, catalog and so on, where they are declared.

    Returns
    -------
    ReadFile
        Cells, record and labels.

    Raises
    ------
    SourceError
        Unreadable, of a kind that is not read, damaged, ragged, unsafe or too large; with the remedy.
    """
    kind = path.suffix.lower()
    if kind in _REFUSED:
        raise SourceError(
            f"Files of the kind {kind} are not read.", evidence=path.name, remedy=_REFUSED[kind]
        )
    if kind not in LABELLED and (how.catalog or how.cells == "labels"):
        raise SourceError(
            "values: labels and catalog: are for files that carry value labels.",
            evidence=path.name,
            remedy="remove them from the input in the mapping",
        )
    check_size(path)
    labels = no_labels()
    if kind in LABELLED:
        frame, labels, encoding = read_labelled(path, how)
    elif kind in PARQUET:
        frame, encoding = read_parquet(path), "parquet"
    elif kind in WORKBOOKS:
        frame, encoding = read_sheet(path, how), "workbook"
    else:
        frame, encoding = read_delimited(path, how)
    return ReadFile(frame, FileRecord(path.name, hash_file(path), len(frame), encoding), labels)


def read_table(path: Path, how: Input) -> tuple[pd.DataFrame, FileRecord]:
    """Read the cells of a file as text; see `read_file`.

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
    """
    read = read_file(path, how)
    return read.frame, read.record


def read_labels(path: Path, how: Input) -> pd.DataFrame:
    """Read the value labels and the missing values that a file declares.

    Parameters
    ----------
    path : Path
        SPSS, Stata or SAS; any other kind declares none.
    how : Input
        ``catalog`` for SAS; ``values: labels`` when the cells are read as labels.

    Returns
    -------
    DataFrame
        One row for each labelled or declared-missing value: ``column``; ``value``, the text that stands in the
        cells; ``label``, empty when there is none; ``is_missing``, whether the file declares it missing. A range
        of missing values gives one row for each of its values that occurs.
    """
    return read_file(path, how).labels
