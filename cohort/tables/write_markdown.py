"""A table as Markdown, and as plain text for the console."""

from __future__ import annotations

from collections.abc import Mapping

from cohort.tables.table import Table, marks
from cohort.tables.write_csv import leaf_headings

_INDENT = "&nbsp;&nbsp;&nbsp;"
_ALIGN = {"left": ":---", "center": ":---:", "right": "---:"}


def markdown_text(table: Table) -> str:
    """Return a table as a Markdown pipe table with its notes as a list.

    Parameters
    ----------
    table : Table
        The table.

    Returns
    -------
    str
        Markdown that ends in a line feed.
    """
    letters = table.letters
    header = [_escape(text) for text in (table.stub, *leaf_headings(table))]
    for head in (cell for level in table.header for cell in level):
        if head.notes:
            header[head.column] += _sup(marks(head.notes, letters))
    lines = [f"**{_escape(table.caption)}**", ""] if table.caption else []
    lines.append(_pipe(header))
    lines.append(_pipe([":---", *(_ALIGN[leaf.align] for leaf in table.leaves)]))
    for depth, row in table.lines:
        texts = [_escape(cell.text) + _sup(marks(cell.notes, letters)) for cell in (row.label, *row.cells)]
        texts += [""] * (1 + len(table.leaves) - len(texts))
        lines.append(_pipe([_INDENT * depth + texts[0], *texts[1:]]))
    foot = [f"- {_sup(mark)}{' ' if mark else ''}{_escape(text)}" for mark, text in table.foot]
    return "\n".join([*lines, *([""] if foot else []), *foot]) + "\n"


def plain_text(table: Table, *, max_lines: int = 40, max_width: int = 160) -> str:
    """Return a table as aligned plain text, cut to a number of lines and a width.

    Parameters
    ----------
    table : Table
        The table.
    max_lines : int, default=40
        Rows printed at most; the last line says how many are left out.
    max_width : int, default=160
        Characters per line at most.

    Returns
    -------
    str
        The text.
    """
    letters = table.letters
    body = [
        ["  " * depth + _plain(row.label.text, marks(row.label.notes, letters))]
        + [_plain(cell.text, marks(cell.notes, letters)) for cell in row.cells]
        + [""] * (0 if row.cells else len(table.leaves))
        for depth, row in table.lines[:max_lines]
    ]
    heads = _leaf_lines(table, letters)
    filled = [line for line in [*heads, *body] if any(line[1:])] or [[""] * (1 + len(table.leaves))]
    widths = [max(len(line[position]) for line in filled) for position in range(len(filled[0]))]
    widths[0] = max(len(line[0]) for line in [*heads, *body])
    lines = [*_spanner_lines(table, widths, letters), *(_join(line, widths) for line in heads)]
    rule = "-" * min(max_width, sum(widths) + 2 * (len(widths) - 1))
    shown = [_cut(_join(line, widths), max_width) for line in body]
    left_out = len(table.lines) - len(body)
    tail = [f"... and {left_out} more rows"] if left_out else []
    foot = [f"{mark + ': ' if mark else ''}{text}" for mark, text in table.foot]
    title = [_cut(table.caption, max_width)] if table.caption else []
    head = [_cut(line, max_width) for line in lines]
    return "\n".join([*title, *head, rule, *shown, *tail, *([rule] if foot else []), *foot])


def _leaf_lines(table: Table, letters: Mapping[str, str]) -> list[list[str]]:
    """Headings of the columns, one list per line of text, the last line at the bottom."""
    texts = [[table.stub]]
    for leaf in table.leaves:
        texts.append(_plain(leaf.text, marks(leaf.notes, letters), split="\n").split("\n"))
    depth = max(map(len, texts))
    padded = [[""] * (depth - len(lines)) + lines for lines in texts]
    return [list(line) for line in zip(*padded, strict=True)]


def _spanner_lines(table: Table, widths: list[int], letters: Mapping[str, str]) -> list[str]:
    """Lines with the headings over several columns, each starting over its first column."""
    lines = []
    for level in table.header[:-1]:
        line = ""
        for head in level:
            if not head.is_spanner:
                continue
            start = sum(widths[: head.column]) + 2 * head.column
            room = sum(widths[head.column : head.column + head.colspan]) + 2 * (head.colspan - 1)
            line = line.ljust(start) + _cut(_plain(head.text, marks(head.notes, letters)), room)
        lines.append(line)
    return lines


def _join(line: list[str], widths: list[int]) -> str:
    """One line of text with its columns aligned."""
    return "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()


def _plain(text: str, letters: str, *, split: str = "; ") -> str:
    """Text with its footnote letters in brackets, lines joined."""
    flat = text.replace("\n", split)
    return f"{flat} [{letters}]" if letters else flat


def _cut(text: str, width: int) -> str:
    """Text of at most this many characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _sup(letters: str) -> str:
    """Superscript letters, or nothing."""
    return f"<sup>{letters}</sup>" if letters else ""


def _pipe(texts: list[str]) -> str:
    """One line of a pipe table."""
    return "| " + " | ".join(texts) + " |"


def _escape(text: str) -> str:
    """Text with the characters that Markdown would read as markup kept as they are."""
    escaped = text.replace("\\", "\\\\")
    for mark in "|*_<>`":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped.replace("\n", "; ")
