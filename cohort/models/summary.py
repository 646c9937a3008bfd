"""How a result prints: the estimand as a sentence, method and counts, who was left out, then the table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from cohort.format import interval, p_value, ratio

MAX_LINES = 15
MAX_WIDTH = 110


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What a result prints, as text and as HTML.

    Attributes
    ----------
    sentence : str
        The estimand, as a sentence.
    facts : tuple of (str, str)
        Label and text: method, counts, patients left out, notes. Empty texts are not printed.
    table : DataFrame
        Cells of text, in print order.
    """

    sentence: str
    facts: tuple[tuple[str, str], ...]
    table: pd.DataFrame

    def text(self) -> str:
        """Return at most 15 lines of text; rows that do not fit are counted in the last line."""
        lines = [_clip(self.sentence)]
        for label, text in self.facts:
            lines += _wrap(f"{label}: {text}") if text else []
        room = MAX_LINES - len(lines) - 1
        table, hidden = self._first_rows(room)
        rows = _align(table)
        if hidden:
            rows.append(f"... and {hidden} more rows in tidy()")
        return "\n".join([*lines, *rows])

    def html(self) -> str:
        """Return the same content as HTML, without styles or scripts."""
        table, hidden = self._first_rows(MAX_LINES)
        facts = "<br>".join(
            f"<b>{escape(label)}</b>: {escape(text)}" if label else escape(text)
            for label, text in self.facts
            if text
        )
        more = f"<p>... and {hidden} more rows in tidy()</p>" if hidden else ""
        return f"<div><p><b>{escape(self.sentence)}</b></p><p>{facts}</p>{_html_table(table)}{more}</div>"

    def _first_rows(self, room: int) -> tuple[pd.DataFrame, int]:
        shown = len(self.table) if len(self.table) <= room else max(room - 1, 0)
        return self.table.iloc[:shown], len(self.table) - shown


def _clip(line: str) -> str:
    return line if len(line) <= MAX_WIDTH else line[: MAX_WIDTH - 3] + "..."


def _wrap(line: str) -> list[str]:
    """Break a fact into at most two lines."""
    lines = textwrap.wrap(line, MAX_WIDTH, subsequent_indent="  ", break_long_words=False)
    return (
        lines if len(lines) <= 2 else [lines[0], _clip("  " + " ".join(part.strip() for part in lines[1:]))]
    )


def _align(table: pd.DataFrame) -> list[str]:
    """Lay out cells in columns: the first left, the others right aligned."""
    if table.columns.empty:
        return []
    columns = [[str(name), *(str(cell) for cell in table[name])] for name in table.columns]
    widths = [max(len(cell) for cell in column) for column in columns]
    cells = [
        [cell.ljust(width) if j == 0 else cell.rjust(width) for cell in column]
        for j, (column, width) in enumerate(zip(columns, widths, strict=True))
    ]
    return ["  ".join(row).rstrip() for row in zip(*cells, strict=True)]


def _html_table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(str(name))}</th>" for name in table.columns)
    columns = [[f"<td>{escape(str(cell))}</td>" for cell in table[name]] for name in table.columns]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*columns, strict=True))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def estimate_table(tidy: pd.DataFrame, measure: str, conf_level: float) -> pd.DataFrame:
    """Print exponentiated regression estimates as cells.

    Parameters
    ----------
    tidy : DataFrame
        Exponentiated tidy frame with ``term, level, estimate, conf_low, conf_high, p_value``.
    measure : str
        Heading of the estimate, such as ``hazard ratio``.
    conf_level : float
        Confidence level of the limits.

    Returns
    -------
    DataFrame
        Columns of text: term, measure, limits, P.
    """
    names = [
        f"{term}: {level}" if level else str(term)
        for term, level in zip(tidy["term"], tidy["level"], strict=True)
    ]
    limits = zip(tidy["conf_low"], tidy["conf_high"], strict=True)
    return pd.DataFrame(
        {
            "term": names,
            measure: [ratio(value) for value in tidy["estimate"]],
            f"{conf_level * 100:g}% CI": [interval(low, high, None) for low, high in limits],
            "P": [p_value(value).removeprefix("=") for value in tidy["p_value"]],
        }
    )


def left_out_text(left_out: Iterable[tuple[str, str, int]], unit: str = "") -> str:
    """Print who was left out: ``"4 mri_status not_imaged, 2 age_years missing"``, or ``"none"``.

    Parameters
    ----------
    left_out : iterable of (str, str, int)
        Column, reason and number.
    unit : str, default=''
        What was counted, printed at the end.

    Examples
    --------
    >>> left_out_text([("cerebral_edema", "not_imaged", 4), ("age_years", "missing", 2)])
    '6 (cerebral_edema not_imaged 4, age_years missing 2)'
    """
    items = [(f"{column} {reason}".strip(), n) for column, reason, n in left_out if n]
    if not items:
        return "none"
    total = sum(n for _, n in items)
    return f"{total}{' ' + unit if unit else ''} ({', '.join(f'{what} {n}' for what, n in items)})"


def notes_text(acknowledged: Sequence[str], notes: Sequence[str]) -> str:
    """Print guards that were overridden, once, and other notes such as ``timing not declared: x``."""
    silent = [name for name in acknowledged if not any(f"acknowledged {name}:" in note for note in notes)]
    parts = [f"guards acknowledged: {', '.join(silent)}"] if silent else []
    return "; ".join([*parts, *notes])
