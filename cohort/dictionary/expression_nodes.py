"""The tree of an expression: a closed set of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cohort.errors import CohortError, MappingError

Kind = Literal["text", "number", "date", "boolean", "any"]


@dataclass(frozen=True, slots=True)
class Column:
    """A name of the frame, or with ``harmonized`` the value of another variable of the same row."""

    name: str
    kind: Kind
    harmonized: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text, a truth value, or the missing value (None)."""

    value: str | float | bool | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values compared; missing when one of them is."""

    operator: str
    left: Node
    right: Node
    kind: Kind = "boolean"


@dataclass(frozen=True, slots=True)
class Membership:
    """Whether a value is among constants."""

    part: Node
    options: tuple[Constant, ...]
    negated: bool
    kind: Kind = "boolean"


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by ``and`` or ``or``, in three-valued logic."""

    operator: Literal["and", "or"]
    parts: tuple[Node, ...]
    kind: Kind = "boolean"


@dataclass(frozen=True, slots=True)
class Negation:
    """``not``; missing stays missing."""

    part: Node
    kind: Kind = "boolean"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two numbers and ``+ - * /``; a division by zero is missing."""

    operator: str
    left: Node
    right: Node
    kind: Kind = "number"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the closed list."""

    function: str
    arguments: tuple[Node, ...]
    kind: Kind


Node = Column | Constant | Comparison | Membership | Junction | Negation | Arithmetic | Call


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression.

    Attributes
    ----------
    text : str
        As written.
    root : Node
        The tree.
    columns : tuple of str
        Columns that it uses, in the order of first use.
    harmonized : tuple of str
        Variables that it uses through ``value(...)``.
    error : type
        Class of the error raised when it cannot be worked out.
    """

    text: str
    root: Node
    columns: tuple[str, ...]
    harmonized: tuple[str, ...]
    error: type[CohortError] = MappingError

    @property
    def kind(self) -> Kind:
        """What the expression gives: text, number, date, boolean, or any."""
        return self.root.kind
