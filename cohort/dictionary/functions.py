"""The closed list of functions that expressions may call, with the arguments they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

_Kind = Literal["text", "number", "date", "boolean", "any"]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives.

    Attributes
    ----------
    usage : str
        How to write it.
    kinds : tuple of str
        Kind of each argument; the last one is repeated.
    fewest, most : int
        Number of arguments.
    result : str
        Kind of the result; ``same`` when it is that of the arguments.
    constant_from : int or None
        Arguments from this position on must be written as constants.
    """

    usage: str
    kinds: tuple[_Kind, ...]
    fewest: int
    most: int
    result: Literal["text", "number", "date", "boolean", "same"]
    constant_from: int | None = None

    def complaint(self, n: int) -> str:
        """Return what is wrong with n arguments, empty when nothing."""
        if self.usage.startswith("case") and (n < 3 or n % 2 == 0):
            return "needs pairs of condition and value, then a default"
        if self.fewest <= n <= self.most:
            return ""
        wanted = str(self.fewest) if self.fewest == self.most else f"{self.fewest} to {self.most}"
        return f"needs {wanted} arguments, not {n}"

    def kind_at(self, position: int, n: int) -> _Kind:
        """Return the kind that the argument at a position must have."""
        if self.usage.startswith("case"):
            return "boolean" if position % 2 == 0 and position < n - 1 else "any"
        return self.kinds[min(position, len(self.kinds) - 1)]


_MANY = 40

FUNCTIONS: Mapping[str, Signature] = MappingProxyType(
    {
        "case": Signature("case(condition, value, ..., default)", ("any",), 3, _MANY + 1, "same"),
        "coalesce": Signature("coalesce(a, b, ...)", ("any",), 2, _MANY, "same"),
        "is_missing": Signature("is_missing(x)", ("any",), 1, 1, "boolean"),
        "number": Signature("number(x)", ("text",), 1, 1, "number"),
        "date": Signature("date(x) or date(x, 'dd/mm/yyyy')", ("text",), 1, 2, "date", constant_from=1),
        "text": Signature("text(x)", ("number",), 1, 1, "text"),
        "abs": Signature("abs(x)", ("number",), 1, 1, "number"),
        "floor": Signature("floor(x)", ("number",), 1, 1, "number"),
        "log10": Signature("log10(x)", ("number",), 1, 1, "number"),
        "min_of": Signature("min_of(a, b, ...)", ("number",), 2, _MANY, "number"),
        "max_of": Signature("max_of(a, b, ...)", ("number",), 2, _MANY, "number"),
        "lower": Signature("lower(x)", ("text",), 1, 1, "text"),
        "trim": Signature("trim(x)", ("text",), 1, 1, "text"),
        "concat": Signature("concat(a, b, ...)", ("text",), 2, _MANY, "text"),
        "starts_with": Signature("starts_with(x, 'a')", ("text",), 2, 2, "boolean", constant_from=1),
        "contains": Signature("contains(x, 'a')", ("text",), 2, 2, "boolean", constant_from=1),
        "has_code": Signature(
            "has_code(x, 'a') or has_code(x, 'a', ';')", ("text",), 2, 3, "boolean", constant_from=1
        ),
        "days_between": Signature("days_between(from, to)", ("date",), 2, 2, "number"),
        "add_days": Signature("add_days(date, n)", ("date", "number"), 2, 2, "date"),
        "year": Signature("year(date)", ("date",), 1, 1, "number"),
        "clock": Signature("clock(x)", ("text",), 1, 1, "text"),
    }
)
