"""A table as CSV: the raw numbers, or the cells as printed."""

from __future__ import annotations

import csv
import io

import pandas as pd

from cohort.format import formula_safe
from cohort.tables.table import Table


def csv_text(table: Table, *, printed: bool = False) -> str:
    """Return a table as CSV.

    Parameters
    ----------
    table : Table
        The table.
    printed : bool, default=False
        Whether to give the cells as printed instead of the raw numbers.

    Returns
    -------
    str
        CSV with a heading line, lines ending in a line feed.
    """
    frame = printed_frame(table) if printed else table.frame
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([formula_safe(str(name)) for name in frame.columns])
    columns = [_texts(frame[name]) for name in frame.columns]
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue()


def printed_frame(table: Table) -> pd.DataFrame:
    """Return the cells as printed, one column per printed column, row headings indented by two spaces."""
    names = [table.stub, *leaf_headings(table)]
    body = [
        ["  " * depth + row.label.text, *([cell.text for cell in row.cells] or [""] * len(table.leaves))]
        for depth, row in table.lines
    ]
    flat = [[text.replace("\n", "; ") for text in line] for line in body]
    return pd.DataFrame(flat, columns=names)


def leaf_headings(table: Table) -> list[str]:
    """Headings of the columns, each with its spanners in front, on one line."""
    headings = [""] * len(table.leaves)
    for row in table.header:
        for cell in row:
            if cell.column == 0 or not cell.text:
                continue
            for position in range(cell.column - 1, cell.column - 1 + cell.colspan):
                text = cell.text.replace("\n", " ")
                headings[position] = f"{headings[position]}: {text}" if headings[position] else text
    return headings


def _texts(values: pd.Series) -> list[str]:
    """Texts of a column: numbers at full precision, missing values empty."""
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return ["" if pd.isna(value) else repr(value) for value in values.tolist()]
    return ["" if pd.isna(value) else formula_safe(str(value)) for value in values.tolist()]
