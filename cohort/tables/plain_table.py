"""A table straight from a tidy frame: one row per row, one column per column that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from cohort.tables.table import Align, Cell, Column, Row, Table


@dataclass(frozen=True)
class PlainColumn:
    """One printed column.

    Attributes
    ----------
    heading : str
        Text of the heading.
    text : callable
        Takes the frame and gives one text per row.
    align : {'left', 'center', 'right'}
        Where the cells stand.
    """

    heading: str
    text: Callable[[pd.DataFrame], Sequence[str]]
    align: Align = "center"


def text_column(heading: str, name: str, align: Align = "left") -> PlainColumn:
    """Print a column as its text.

    Parameters
    ----------
    heading : str
        Text of the heading.
    name : str
        Column of the frame.
    align : {'left', 'center', 'right'}, default='left'
        Where the cells stand.

    Returns
    -------
    PlainColumn
        The column; whole numbers have thousands separators, missing values print nothing.
    """

    def text(frame: pd.DataFrame) -> list[str]:
        values = frame[name]
        whole = pd.api.types.is_integer_dtype(values.dtype)
        return ["" if value is pd.NA else f"{value:,}" if whole else str(value) for value in values]

    return PlainColumn(heading, text, align)


def plain_table(
    frame: pd.DataFrame,
    stub: PlainColumn,
    columns: Sequence[PlainColumn],
    *,
    caption: str = "",
    source_notes: Sequence[str] = (),
) -> Table:
    """Print a tidy frame as a table.

    Parameters
    ----------
    frame : DataFrame
        The numbers; kept unrounded behind the table.
    stub : PlainColumn
        Row headings.
    columns : sequence of PlainColumn
        Columns, left to right.
    caption : str, default=''
        Title without its number.
    source_notes : sequence of str, default=()
        Sentences below the table.

    Returns
    -------
    Table
        The table.
    """
    labels = stub.text(frame)
    texts = [column.text(frame) for column in columns]
    rows = tuple(
        Row(Cell(label), tuple(Cell(cell) for cell in cells))
        for label, *cells in zip(labels, *texts, strict=True)
    )
    return Table(
        columns=tuple(Column(column.heading, align=column.align) for column in columns),
        rows=rows,
        stub=stub.heading,
        caption=caption,
        source_notes=tuple(source_notes),
        data=frame.reset_index(drop=True),
    )
