"""Date formats as people write them (``dd/mm/yyyy``), for reading in Python and for compiling to SQL."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from cohort.errors import CohortError, MappingError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
EXCEL_ZERO = date(1899, 12, 30)
_TOKENS = re.compile(r"yyyy|mon|mm|mi|dd|hh|ss|m|d|yy")
_TOKEN_PATTERNS = {
    "yyyy": "((?:18|19|20|21)[0-9][0-9])",
    "mm": "(0[1-9]|1[0-2])",
    "m": "(0?[1-9]|1[0-2])",
    "mon": "([A-Za-z][A-Za-z][A-Za-z])",
    "dd": "(0[1-9]|[12][0-9]|3[01])",
    "d": "(0?[1-9]|[12][0-9]|3[01])",
    "hh": "(?:[01][0-9]|2[0-3])",
    "mi": "[0-5][0-9]",
    "ss": "[0-5][0-9]",
}
_PARTS = {"yyyy": "y", "mm": "m", "m": "m", "mon": "m", "dd": "d", "d": "d"}
_ISO = (
    "((?:18|19|20|21)[0-9][0-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "(?:[ T](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]+)?)?)?"
)
_EXCEL = "([2-7][0-9][0-9][0-9][0-9])(?:[.][0-9]+)?"


@dataclass(frozen=True, slots=True)
class DatePattern:
    """A date format, compiled.

    Attributes
    ----------
    text : str
        As written.
    regex : str
        Must match the whole text; one group for each part.
    parts : tuple of str
        What the groups hold: ``y``, ``m``, ``d``, or ``serial``.
    named_month : bool
        Whether the month is written as Jan, Feb, ...
    precision : {'day', 'month', 'year'}
        The finest part of the format.
    """

    text: str
    regex: str
    parts: tuple[str, ...]
    named_month: bool
    precision: Literal["day", "month", "year"]

    def group(self, part: str) -> int:
        """Return the number of the group that holds a part, 0 when none does."""
        return self.parts.index(part) + 1 if part in self.parts else 0

    def read(self, text: str) -> tuple[date, date] | None:
        """Read a text; return the first and last day that it can mean, or None when it does not fit."""
        match = re.fullmatch(self.regex, text)
        if match is None:
            return None
        if self.parts == ("serial",):
            day = EXCEL_ZERO + timedelta(days=int(match[1]))
            return day, day
        year = int(match[self.group("y")])
        month = self._month(match[self.group("m")]) if self.precision != "year" else 1
        if month is None:
            return None
        if self.precision == "day":
            number = int(match[self.group("d")])
            if number > calendar.monthrange(year, month)[1]:
                return None
            return date(year, month, number), date(year, month, number)
        last_month = month if self.precision == "month" else 12
        return date(year, month, 1), date(year, last_month, calendar.monthrange(year, last_month)[1])

    def _month(self, text: str) -> int | None:
        if not self.named_month:
            return int(text)
        return MONTHS.index(text.lower()) + 1 if text.lower() in MONTHS else None

    def write(self, day: date) -> str:
        """Write a day in this format; time parts as zeros."""
        if self.parts == ("serial",):
            return str((day - EXCEL_ZERO).days)
        if self.text == "iso":
            return day.isoformat()
        values = {
            "yyyy": f"{day.year:04d}",
            "mon": MONTHS[day.month - 1].capitalize(),
            "mm": f"{day.month:02d}",
            "m": str(day.month),
            "dd": f"{day.day:02d}",
            "d": str(day.day),
            "hh": "00",
            "mi": "00",
            "ss": "00",
        }
        return _TOKENS.sub(lambda token: values[token[0]], self.text)


def date_pattern(text: str, error: type[CohortError] = MappingError) -> DatePattern:
    """Compile a date format.

    Parameters
    ----------
    text : str
        Tokens ``yyyy mm m mon dd d hh mi ss`` with anything between them; or ``iso``, or ``excel``.
    error : type, default=MappingError
        Class of the error raised.

    Returns
    -------
    DatePattern
        For reading in Python or compiling to SQL.

    Raises
    ------
    CohortError
        A two-digit year, no year, a day without a month, or a token twice.

    Examples
    --------
    >>> date_pattern("dd/mm/yyyy").read("29/02/2024")
    (datetime.date(2024, 2, 29), datetime.date(2024, 2, 29))
    >>> date_pattern("yyyy-mm").read("2024-02")
    (datetime.date(2024, 2, 1), datetime.date(2024, 2, 29))
    """
    if text == "iso":
        return DatePattern("iso", _ISO, ("y", "m", "d"), False, "day")
    if text == "excel":
        return DatePattern("excel", _EXCEL, ("serial",), False, "day")
    tokens = _TOKENS.findall(text)
    parts = tuple(_PARTS[token] for token in tokens if token in _PARTS)
    if "yy" in tokens:
        raise error(
            f"The date format {text!r} has a two-digit year.",
            remedy="ask for four digits; the century cannot be guessed",
        )
    if "y" not in parts or len(set(parts)) != len(parts) or ("d" in parts and "m" not in parts):
        raise error(
            f"The date format {text!r} does not name a year, a month and a day.",
            remedy="write tokens such as yyyy-mm-dd, dd/mm/yyyy, dd-mon-yyyy, or iso or excel",
        )
    regex, end = "", 0
    for token in _TOKENS.finditer(text):
        regex += re.escape(text[end : token.start()]) + _TOKEN_PATTERNS[token[0]]
        end = token.end()
    regex += re.escape(text[end:])
    precision: Literal["day", "month", "year"] = (
        "day" if "d" in parts else "month" if "m" in parts else "year"
    )
    return DatePattern(text, regex, parts, "mon" in tokens, precision)


def ambiguous_pair(patterns: Sequence[DatePattern]) -> tuple[str, str] | None:
    """Return two formats that read the same text as different days, or None."""
    days = (date(2024, 3, 4), date(2011, 12, 10), date(2010, 1, 2))
    for first in patterns:
        for second in patterns:
            for day in days:
                text = first.write(day)
                one, other = first.read(text), second.read(text)
                if one is not None and other is not None and one != other:
                    return first.text, second.text
    return None
