"""A table as HTML: semantic headings, a print style, no scripts, no addresses."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from cohort.tables.output_path import output_path
from cohort.tables.table import HeaderCell, Row, Table, marks

TABLE_CSS = """
.cohort-table{overflow-x:auto;margin:1em 0;color:inherit;break-inside:auto}
.cohort-table table{border-collapse:collapse;font:13px/1.35 Arial,Helvetica,"Liberation Sans",sans-serif;
background:none;border-top:1.5px solid currentColor;border-bottom:1.5px solid currentColor;
font-variant-numeric:tabular-nums;margin:0}
.cohort-table caption{caption-side:top;text-align:left;font-weight:700;padding:0 0 .5em;color:inherit}
.cohort-table th,.cohort-table td{padding:.22em .75em;border:0;vertical-align:top;background:none;
color:inherit}
.cohort-table thead th{font-weight:700;vertical-align:bottom;white-space:pre-line}
.cohort-table thead tr:last-child th,.cohort-table thead .last{border-bottom:1px solid currentColor}
.cohort-table thead th.spanner{position:relative;white-space:normal;padding-bottom:.35em}
.cohort-table thead th.spanner::after{content:"";position:absolute;left:.75em;right:.75em;bottom:0;
border-bottom:1px solid currentColor}
.cohort-table tbody th{font-weight:400;text-align:left}
.cohort-table tbody td{white-space:pre}
.cohort-table .left{text-align:left}.cohort-table .center{text-align:center}
.cohort-table .right{text-align:right}
.cohort-table .d1{padding-left:1.9em}.cohort-table .d2{padding-left:3.1em}
.cohort-table .d3{padding-left:4.3em}
.cohort-table sup{font-size:.72em;line-height:0;vertical-align:super}
.cohort-table .foot{font:11.5px/1.4 Arial,Helvetica,"Liberation Sans",sans-serif;margin:.5em 0 0;
max-width:64em}
.cohort-table .foot p{margin:.1em 0}
@media print{.cohort-table{overflow:visible}.cohort-table table{font-size:8.5pt}
.cohort-table .foot{font-size:7.5pt}
.cohort-table thead{display:table-header-group}.cohort-table tr{break-inside:avoid}
.cohort-table tbody.short{break-inside:avoid}}
""".strip()


def html_fragment(table: Table, *, style: bool = True) -> str:
    """Return a table as an HTML fragment.

    Parameters
    ----------
    table : Table
        The table.
    style : bool, default=True
        Whether the style sheet (`TABLE_CSS`) stands in front.

    Returns
    -------
    str
        A ``div`` with the table and its notes.
    """
    letters = table.letters
    parts = [f"<style>{TABLE_CSS}</style>"] if style else []
    parts.append('<div class="cohort-table"><table>')
    if table.caption:
        parts.append(f"<caption>{_text(table.caption)}</caption>")
    depth = len(table.header)
    parts.append("<thead>")
    for level, cells in enumerate(table.header):
        parts.append("<tr>" + "".join(_head(cell, level, depth, letters) for cell in cells) + "</tr>")
    parts.append("</thead>")
    aligns: list[str] = [leaf.align for leaf in table.leaves]
    for row in table.rows:
        lines = tuple(row.lines())
        parts.append('<tbody class="short">' if len(lines) <= 8 else "<tbody>")
        parts += [_line(level, line, aligns, letters) for level, line in lines]
        parts.append("</tbody>")
    parts.append("</table>")
    if table.foot:
        notes = "".join(f"<p>{_sup(mark)}{_text(text)}</p>" for mark, text in table.foot)
        parts.append(f'<div class="foot">{notes}</div>')
    parts.append("</div>")
    return "\n".join(parts) + "\n"


def write_html(table: Table, path: str | Path) -> Path:
    """Write a complete HTML page that holds one table.

    Parameters
    ----------
    table : Table
        The table.
    path : str or Path
        File to write.

    Returns
    -------
    Path
        The file written.
    """
    out = output_path(path)
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">\n'
        f"<title>{escape(table.caption or 'Table')}</title>\n"
        '<meta name="color-scheme" content="light dark">\n'
        "<style>body{margin:2em;color:CanvasText;background:Canvas}\n"
        "@media print{body{margin:0}}</style></head>\n"
        f"<body>\n{html_fragment(table)}</body>\n</html>\n"
    )
    out.write_text(page, encoding="utf-8", newline="\n")
    return out


def _head(cell: HeaderCell, level: int, depth: int, letters: Mapping[str, str]) -> str:
    """One cell of the heading."""
    classes: list[str] = ["left" if cell.column == 0 else "center" if cell.colspan > 1 else cell.align]
    classes += ["spanner"] if cell.is_spanner and level + cell.rowspan < depth else []
    classes += ["last"] if level + cell.rowspan == depth else []
    spans = (f' colspan="{cell.colspan}"' if cell.colspan > 1 else "") + (
        f' rowspan="{cell.rowspan}"' if cell.rowspan > 1 else ""
    )
    scope = "colgroup" if cell.colspan > 1 else "col"
    content = _text(cell.text) + _sup(marks(cell.notes, letters))
    if not content:
        return f'<td class="{" ".join(classes)}"{spans}></td>'
    return f'<th scope="{scope}" class="{" ".join(classes)}"{spans}>{content}</th>'


def _line(depth: int, row: Row, aligns: list[str], letters: Mapping[str, str]) -> str:
    """One row of the body."""
    indent = f' class="d{min(depth, 3)}"' if depth else ""
    scope = "rowgroup" if row.children else "row"
    label = _text(row.label.text) + _sup(marks(row.label.notes, letters))
    span = "" if row.cells else f' colspan="{1 + len(aligns)}"'
    cells = "".join(
        f'<td class="{align}">{_text(cell.text)}{_sup(marks(cell.notes, letters))}</td>'
        for cell, align in zip(row.cells, aligns, strict=False)
    )
    return f'<tr><th scope="{scope}"{indent}{span}>{label}</th>{cells}</tr>'


def _text(text: str) -> str:
    """Text with markup characters escaped."""
    return escape(text, quote=True)


def _sup(letters: str) -> str:
    """Superscript letters, or nothing."""
    return f"<sup>{letters}</sup>" if letters else ""
