"""One table model for every table of the package: what is printed, and the raw numbers behind it."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from cohort.errors import CohortError
from cohort.tables.output_path import output_path

Align = Literal["left", "center", "right"]
MAX_REPR_LINES = 40
MAX_REPR_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Cell:
    r"""What stands in one place of a table.

    Attributes
    ----------
    text : str
        Text as printed; ``\n`` breaks the line, empty prints nothing.
    notes : tuple of str
        Footnotes of this cell, as full sentences; the table gives them letters.
    numbers : tuple of (str, float)
        Raw numbers behind the text, by name of the statistic, unrounded.
    """

    text: str = ""
    notes: tuple[str, ...] = ()
    numbers: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table, or a spanner over several.

    Attributes
    ----------
    text : str
        Heading; an empty spanner draws no rule.
    children : tuple of Column
        Columns below; empty for a column that holds cells.
    notes : tuple of str
        Footnotes of the heading.
    align : {'left', 'center', 'right'}
        Where the cells stand.
    """

    text: str
    children: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()
    align: Align = "center"

    @property
    def leaves(self) -> tuple[Column, ...]:
        """Columns below that hold cells, or the column itself."""
        if not self.children:
            return (self,)
        return tuple(leaf for child in self.children for leaf in child.leaves)

    @property
    def depth(self) -> int:
        """Number of heading rows that the column needs."""
        return 1 + max((child.depth for child in self.children), default=0)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table with the rows indented below it.

    Attributes
    ----------
    label : Cell
        Row heading.
    cells : tuple of Cell
        One cell per column; empty for a row that is only a heading.
    children : tuple of Row
        Rows one step further in.
    """

    label: Cell
    cells: tuple[Cell, ...] = ()
    children: tuple[Row, ...] = ()

    def lines(self, depth: int = 0) -> Iterator[tuple[int, Row]]:
        """Go through this row and those below it in printing order.

        Parameters
        ----------
        depth : int, default=0
            Indentation of this row.

        Yields
        ------
        depth, row : tuple of int and Row
            Indentation and row.
        """
        yield depth, self
        for child in self.children:
            yield from child.lines(depth + 1)


@dataclass(frozen=True, slots=True)
class HeaderCell:
    """One cell of the heading, placed on the grid (column 0 is the row headings')."""

    text: str
    notes: tuple[str, ...]
    column: int
    colspan: int
    rowspan: int
    align: Align

    @property
    def is_spanner(self) -> bool:
        """Whether the cell stands over several columns and has a text."""
        return self.colspan > 1 and bool(self.text)


@dataclass(frozen=True)
class Table:
    """A table: immutable, printed by six writers, with its raw numbers in `frame`.

    Attributes
    ----------
    columns : tuple of Column
        Headings; a tree when columns stand below spanners.
    rows : tuple of Row
        Body; a tree by indentation.
    stub : str
        Heading over the row headings.
    caption : str
        Title without its number.
    source_notes : tuple of str
        Sentences below the table that concern all of it.
    abbreviations : tuple of (str, str)
        Short form and what it stands for; printed in alphabetical order.
    data : DataFrame
        The numbers, one row per statistic (or per estimate), never rounded. Read them through `frame`.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    stub: str = ""
    caption: str = ""
    source_notes: tuple[str, ...] = ()
    abbreviations: tuple[tuple[str, str], ...] = ()
    data: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False, compare=False)

    def __post_init__(self) -> None:
        width = len(self.leaves)
        wrong = [row.label.text for _, row in self.lines if row.cells and len(row.cells) != width]
        if wrong:
            raise CohortError(
                f"rows of a table must have {width} cells, one per column, or none",
                evidence=f"rows {', '.join(wrong[:5])}",
                remedy="Row(label, cells=(...)) with one Cell per leaf column",
            )

    @property
    def frame(self) -> pd.DataFrame:
        """The raw numbers as a tidy frame (a copy)."""
        return self.data.copy()

    @property
    def leaves(self) -> tuple[Column, ...]:
        """Columns that hold cells, left to right."""
        return tuple(leaf for column in self.columns for leaf in column.leaves)

    @property
    def lines(self) -> tuple[tuple[int, Row], ...]:
        """Rows in printing order, each with its indentation."""
        return tuple(line for row in self.rows for line in row.lines())

    @property
    def header(self) -> tuple[tuple[HeaderCell, ...], ...]:
        """The heading as rows of placed cells."""
        depth = max((column.depth for column in self.columns), default=1)
        grid: list[list[HeaderCell]] = [[] for _ in range(depth)]
        grid[0].append(HeaderCell(self.stub, (), 0, 1, depth, "left"))
        position = 1
        for column in self.columns:
            _place(column, position, 0, depth, grid)
            position += len(column.leaves)
        return tuple(tuple(sorted(row, key=lambda cell: cell.column)) for row in grid)

    @property
    def letters(self) -> Mapping[str, str]:
        """Letter of every footnote, in reading order."""
        ordered: dict[str, str] = {}
        notes = [note for row in self.header for cell in row for note in cell.notes]
        for _, row in self.lines:
            notes += [note for cell in (row.label, *row.cells) for note in cell.notes]
        for note in notes:
            ordered.setdefault(note, _letter(len(ordered)))
        return ordered

    @property
    def foot(self) -> tuple[tuple[str, str], ...]:
        """What stands below the table: (letter or empty, sentence)."""
        lines = [("", note) for note in self.source_notes]
        if self.abbreviations:
            pairs = sorted(dict(self.abbreviations).items(), key=lambda pair: pair[0].casefold())
            lines.append(
                ("", "Abbreviations: " + "; ".join(f"{short}, {long}" for short, long in pairs) + ".")
            )
        return (*lines, *((letter, note) for note, letter in self.letters.items()))

    def with_caption(self, caption: str) -> Table:
        """Return the table with another caption.

        Parameters
        ----------
        caption : str
            Title without its number.

        Returns
        -------
        Table
            A new table; this one is unchanged.
        """
        return replace(self, caption=caption)

    def with_note(self, note: str) -> Table:
        """Return the table with one more sentence below it.

        Parameters
        ----------
        note : str
            Sentence that concerns the whole table.

        Returns
        -------
        Table
            A new table; this one is unchanged.
        """
        return replace(self, source_notes=(*self.source_notes, note))

    def to_docx(self, path: str | Path, *, number: int = 1, template: str | Path | None = None) -> Path:
        """Write a Word document that holds this table.

        Parameters
        ----------
        path : str or Path
            File to write.
        number : int, default=1
            Number shown in the caption until Word renews its fields.
        template : str or Path, optional
            A .docx whose styles and page are used.

        Returns
        -------
        Path
            The file written.
        """
        from cohort.tables.write_docx import write_docx

        return write_docx(self, path, number=number, template=template)

    def to_html(self, path: str | Path | None = None, *, style: bool = True) -> str:
        """Return the table as HTML without scripts or addresses, and write it when a path is given.

        Parameters
        ----------
        path : str or Path, optional
            File to write as a complete page.
        style : bool, default=True
            Whether the style sheet stands in front of the table; a page that has it passes False.

        Returns
        -------
        str
            The fragment.
        """
        from cohort.tables.write_html import html_fragment, write_html

        if path is not None:
            write_html(self, path)
        return html_fragment(self, style=style)

    def to_latex(self, path: str | Path | None = None, *, long: bool = False, label: str = "") -> str:
        r"""Return the table as LaTeX (booktabs with threeparttable), and write it when a path is given.

        Parameters
        ----------
        path : str or Path, optional
            File to write.
        long : bool, default=False
            Whether the table may break across pages (longtable).
        label : str, default=''
            Name for ``\ref``.

        Returns
        -------
        str
            LaTeX source; the first comment names the packages that it needs.
        """
        from cohort.tables.write_latex import latex_source

        source = latex_source(self, long=long, label=label)
        if path is not None:
            output_path(path).write_text(source, encoding="utf-8", newline="\n")
        return source

    def to_markdown(self, path: str | Path | None = None) -> str:
        """Return the table as a Markdown pipe table, and write it when a path is given.

        Parameters
        ----------
        path : str or Path, optional
            File to write.

        Returns
        -------
        str
            Caption, pipe table, and the notes as a list.
        """
        from cohort.tables.write_markdown import markdown_text

        text = markdown_text(self)
        if path is not None:
            output_path(path).write_text(text, encoding="utf-8", newline="\n")
        return text

    def to_xlsx(self, path: str | Path) -> Path:
        """Write a workbook: one sheet as printed (text), one with the raw numbers.

        Parameters
        ----------
        path : str or Path
            File to write.

        Returns
        -------
        Path
            The file written.
        """
        from cohort.tables.write_xlsx import write_xlsx

        return write_xlsx(self, path)

    def to_csv(self, path: str | Path | None = None, *, printed: bool = False) -> str:
        """Return the raw numbers as CSV, and write them when a path is given.

        Parameters
        ----------
        path : str or Path, optional
            File to write.
        printed : bool, default=False
            Whether to give the cells as printed instead of the raw numbers.

        Returns
        -------
        str
            CSV text. Text that a spreadsheet would run as a formula starts with an apostrophe.
        """
        from cohort.tables.write_csv import csv_text

        text = csv_text(self, printed=printed)
        if path is not None:
            output_path(path).write_text(text, encoding="utf-8", newline="")
        return text

    def __repr__(self) -> str:
        from cohort.tables.write_markdown import plain_text

        return plain_text(self, max_lines=MAX_REPR_LINES, max_width=MAX_REPR_WIDTH)

    def _repr_html_(self) -> str:
        return self.to_html()


def marks(notes: tuple[str, ...], letters: Mapping[str, str]) -> str:
    """Return the letters of these footnotes, in order, separated by commas."""
    return ",".join(sorted((letters[note] for note in notes), key=lambda letter: (len(letter), letter)))


def _place(column: Column, position: int, level: int, depth: int, grid: list[list[HeaderCell]]) -> None:
    """Put a heading and those below it on the grid."""
    rowspan = 1 if column.children else depth - level
    cell = HeaderCell(column.text, column.notes, position, len(column.leaves), rowspan, column.align)
    grid[level].append(cell)
    for child in column.children:
        _place(child, position, level + 1, depth, grid)
        position += len(child.leaves)


def _letter(index: int) -> str:
    """Letter of a footnote: a, ..., z, aa, ab, ..."""
    letters = string.ascii_lowercase
    return letters[index] if index < 26 else letters[index // 26 - 1] + letters[index % 26]
