"""REDCap's branching logic: parsed, never evaluated, and decided in three states."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Column = Callable[[str, str], "pd.Series | None"]
_TOKEN = re.compile(
    r"\s*(?:(?P<field>\[[^\]\[]+\](?:\s*\[[^\]\[]+\])*)|(?P<text>\"[^\"]*\"|'[^']*')|(?P<number>-?[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<operator><>|!=|<=|>=|=|<|>)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<bracket>[()]))"
)
_FIELD = re.compile(r"\[\s*([A-Za-z0-9_\-]+)\s*(?:\(\s*([^)\s]+)\s*\))?\s*\]")
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Reference:
    """A field, as ``[field]``, ``[field(code)]`` or ``[event][field]``."""

    column: str
    event: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field compared with a text or number."""

    field: Reference
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Group:
    """Parts joined by ``and`` or ``or``."""

    operator: str
    parts: tuple[Logic, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Logic that this reader does not know, so that it decides nothing."""


Logic = Comparison | Group | Unreadable


def parse_logic(text: str) -> Logic:
    """Read branching logic; what cannot be read (functions, arithmetic, smart variables) is `Unreadable`.

    Parameters
    ----------
    text : str
        As in the data dictionary.

    Returns
    -------
    Comparison, Group or Unreadable
        The logic.

    Examples
    --------
    >>> parse_logic("[sex] = '0' and [race(2)] = '1'").parts[1].field.column
    'race___2'
    >>> parse_logic("datediff([a], 'today', 'd') > 3")
    Unreadable()
    """
    tokens: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None:
            return Unreadable()
        tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
        position = found.end()
    try:
        reader = _Reader(tokens)
        logic = reader.either()
    except _CannotReadError:
        return Unreadable()
    return logic if reader.at == len(tokens) else Unreadable()


class _CannotReadError(Exception):
    """The logic has a part that this reader does not know."""


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at = tokens, 0

    def next(self) -> tuple[str, str]:
        """Return the next token and move on."""
        if self.at >= len(self.tokens):
            raise _CannotReadError
        self.at += 1
        return self.tokens[self.at - 1]

    def word(self, wanted: str) -> bool:
        """Move over a word when it is the next."""
        here = self.at < len(self.tokens) and self.tokens[self.at][1].lower() == wanted
        self.at += here
        return here

    def either(self) -> Logic:
        """Read parts joined by ``or``."""
        parts = [self.both()]
        while self.word("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Group("or", tuple(parts))

    def both(self) -> Logic:
        """Read parts joined by ``and``."""
        parts = [self.part()]
        while self.word("and"):
            parts.append(self.part())
        return parts[0] if len(parts) == 1 else Group("and", tuple(parts))

    def part(self) -> Logic:
        """Read a comparison, or logic in brackets."""
        if self.word("("):
            logic = self.either()
            if not self.word(")"):
                raise _CannotReadError
            return logic
        kind, left = self.next()
        operator_kind, operator = self.next()
        other, right = self.next()
        if operator_kind != "operator":
            raise _CannotReadError
        operator = "<>" if operator == "!=" else operator
        if kind == "field" and other in ("text", "number"):
            return Comparison(_reference(left), operator, right.strip("'\""))
        if other == "field" and kind in ("text", "number"):
            return Comparison(_reference(right), _FLIPPED.get(operator, operator), left.strip("'\""))
        raise _CannotReadError


def _reference(text: str) -> Reference:
    found = _FIELD.findall(text)
    if not 1 <= len(found) <= 2 or (len(found) == 2 and found[0][1]):
        raise _CannotReadError
    name, code = found[-1]
    column = f"{name}___{code.lower().replace('-', '_')}" if code else name
    return Reference(column, found[0][0] if len(found) == 2 else "")


def decide(logic: Logic, column: Column, n: int) -> Floats:
    """Return whether the logic holds in each row: 1 yes, 0 no, NaN where its inputs do not tell.

    Parameters
    ----------
    logic : Comparison, Group or Unreadable
        From `parse_logic`.
    column : callable
        Gives the texts of a field (name, event), aligned with the rows, missing where blank; None when it cannot be
        found.
    n : int
        Number of rows.

    Returns
    -------
    array of shape (n,)
        Kleene's three states: a comparison with a blank field is not known, except with a blank text.
    """
    if isinstance(logic, Unreadable):
        return np.full(n, np.nan)
    if isinstance(logic, Group):
        parts = np.array([decide(part, column, n) for part in logic.parts])
        unknown = np.isnan(parts).any(axis=0)
        if logic.operator == "and":
            return np.where((parts == 0).any(axis=0), 0.0, np.where(unknown, np.nan, 1.0))
        return np.where((parts == 1).any(axis=0), 1.0, np.where(unknown, np.nan, 0.0))
    values = column(logic.field.column, logic.field.event)
    return np.full(n, np.nan) if values is None else _compared(values, logic.operator, logic.value)


def _compared(values: pd.Series, operator: str, value: str) -> Floats:
    blank = values.isna().to_numpy(dtype=bool)
    if value == "":
        held = {"=": blank, "<>": ~blank}.get(operator)
        return np.full(len(values), np.nan) if held is None else held.astype(float)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    try:
        wanted = float(value)
    except ValueError:
        wanted = np.nan
    numeric = ~np.isnan(numbers) & ~np.isnan(wanted)
    same = np.where(numeric, numbers == wanted, (values == value).fillna(False).to_numpy(dtype=bool))
    if operator in ("=", "<>"):
        held = same if operator == "=" else ~same
        return np.where(blank, np.nan, held.astype(float))
    order = {"<": np.less, ">": np.greater, "<=": np.less_equal, ">=": np.greater_equal}[operator]
    return np.where(numeric, order(numbers, wanted).astype(float), np.nan)
