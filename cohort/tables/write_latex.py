"""A table as LaTeX: booktabs rules, threeparttable notes, or longtable for tables longer than a page."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cohort.tables.table import Cell, HeaderCell, Table, marks

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{MINUS SIGN}": "$-$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{INFINITY}": r"$\infty$",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{DEGREE SIGN}": r"$^{\circ}$",
    "\N{MICRO SIGN}": r"$\mu$",
    "\N{SUPERSCRIPT TWO}": r"\textsuperscript{2}",
    "\N{SUPERSCRIPT THREE}": r"\textsuperscript{3}",
    "\N{NO-BREAK SPACE}": "~",
}
_SPECIAL_PATTERN = re.compile("|".join(re.escape(character) for character in _SPECIAL))
_ALIGN = {"left": "l", "center": "c", "right": "r"}


def escape_latex(text: str) -> str:
    r"""Write text so that LaTeX prints it as it stands.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        LaTeX source.

    Examples
    --------
    >>> print(escape_latex("5% of ≥3_a–b"))
    5\% of $\geq$3\_a--b
    """
    return _SPECIAL_PATTERN.sub(lambda match: _SPECIAL[match.group()], text)


def latex_source(table: Table, *, long: bool = False, label: str = "") -> str:
    """Return a table as LaTeX.

    Parameters
    ----------
    table : Table
        The table.
    long : bool, default=False
        Whether the table may break across pages.
    label : str, default=''
        Name for cross-references.

    Returns
    -------
    str
        LaTeX source that ends in a line feed.
    """
    columns = "l" + "".join(_ALIGN[leaf.align] for leaf in table.leaves)
    head, body = _head(table), _body(table)
    title = rf"\caption{{{escape_latex(table.caption)}}}" + (rf"\label{{{label}}}" if label else "")
    return "\n".join(
        _long(table, columns, title, head, body) if long else _short(table, columns, title, head, body)
    )


def _short(table: Table, columns: str, title: str, head: list[str], body: list[str]) -> list[str]:
    """Lines of a floating table with its notes as wide as the table."""
    notes = [rf"\item[{mark}] {escape_latex(text)}" for mark, text in table.foot]
    block = [r"\begin{tablenotes}[flushleft]\footnotesize", *notes, r"\end{tablenotes}"] if notes else []
    return [
        r"% needs: booktabs, threeparttable",
        r"\begin{table}",
        r"\centering",
        r"\begin{threeparttable}",
        title,
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *block,
        r"\end{threeparttable}",
        r"\end{table}",
        "",
    ]


def _long(table: Table, columns: str, title: str, head: list[str], body: list[str]) -> list[str]:
    """Lines of a table that repeats its heading on every page."""
    width = len(table.leaves) + 1
    notes = [
        rf"\multicolumn{{{width}}}{{p{{0.95\linewidth}}}}{{\footnotesize {_sup(mark)}{escape_latex(text)}}}"
        + r" \\"
        for mark, text in table.foot
    ]
    return [
        r"% needs: booktabs, longtable",
        rf"\begin{{longtable}}{{{columns}}}",
        rf"{title} \\",
        r"\toprule",
        *head,
        r"\midrule",
        r"\endfirsthead",
        r"\toprule",
        *head,
        r"\midrule",
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        r"\bottomrule",
        *notes,
        r"\endlastfoot",
        *body,
        r"\end{longtable}",
        "",
    ]


def _head(table: Table) -> list[str]:
    """Lines of the heading, with a rule under every spanner."""
    letters = table.letters
    width = len(table.leaves) + 1
    lines = []
    for level, row in enumerate(table.header):
        cells: dict[int, str] = {}
        rules = []
        for cell in row:
            place, text = _head_cell(cell, level, len(table.header), letters)
            cells[place] = text
            if cell.is_spanner:
                rules.append(rf"\cmidrule(lr){{{cell.column + 1}-{cell.column + cell.colspan}}}")
        lines.append(_head_line(row, cells, width) + "".join(rules))
    below = {level: text for level, text in enumerate(_tall_cells(table)) if text}
    return [_fill(line, below.get(level, {})) for level, line in enumerate(lines)]


def _tall_cells(table: Table) -> list[dict[int, str]]:
    """Headings that span several rows, printed in the last of them."""
    depth = len(table.header)
    out: list[dict[int, str]] = [{} for _ in range(depth)]
    for level, row in enumerate(table.header):
        for cell in row:
            if cell.rowspan > 1:
                out[level + cell.rowspan - 1][cell.column] = _content(cell.text, cell.notes, table.letters)
    return out


def _head_cell(cell: HeaderCell, level: int, depth: int, letters: Mapping[str, str]) -> tuple[int, str]:
    """Place and source of a heading cell; cells that span rows stay empty here."""
    content = "" if cell.rowspan > 1 else _content(cell.text, cell.notes, letters)
    if cell.colspan > 1:
        return cell.column, rf"\multicolumn{{{cell.colspan}}}{{c}}{{{content}}}"
    return cell.column, content


def _head_line(row: tuple[HeaderCell, ...], cells: dict[int, str], width: int) -> str:
    """One heading line with placeholders for columns whose heading stands elsewhere."""
    covered = {cell.column + step for cell in row for step in range(1, cell.colspan)}
    parts = [
        cells.get(position, "") or f"\0{position}\0" for position in range(width) if position not in covered
    ]
    return " & ".join(parts) + r" \\"


def _fill(line: str, below: dict[int, str]) -> str:
    """Put the headings that span several rows into the line where they end."""
    return re.sub("\0(\\d+)\0", lambda match: below.get(int(match.group(1)), ""), line)


def _body(table: Table) -> list[str]:
    """Lines of the body; indentation is a horizontal space."""
    letters = table.letters
    lines = []
    for depth, row in table.lines:
        indent = rf"\hspace*{{{depth}em}}" if depth else ""
        texts = [_cell(cell, letters) for cell in (row.label, *row.cells)]
        texts += [""] * (1 + len(table.leaves) - len(texts))
        # a line break would take a bracket or star that follows for its own argument
        guard = "{}" if not indent and texts[0].startswith(("[", "*")) else ""
        lines.append(guard + indent + " & ".join(texts) + r" \\" + ("*" if row.children else ""))
    return lines


def _cell(cell: Cell, letters: Mapping[str, str]) -> str:
    """Source of a body cell."""
    return _content(cell.text, cell.notes, letters)


def _content(text: str, notes: tuple[str, ...], letters: Mapping[str, str]) -> str:
    """Text, stacked when it has several lines, with its superscript letters."""
    lines = [escape_latex(line) for line in text.split("\n")]
    lines[-1] += _sup(marks(notes, letters))
    if len(lines) == 1:
        return lines[0]
    return r"\begin{tabular}[t]{@{}c@{}}" + r"\\".join(lines) + r"\end{tabular}"


def _sup(letters: str) -> str:
    """Superscript letters, or nothing."""
    return rf"\textsuperscript{{{letters}}}" if letters else ""
