"""What a mapping means: every rule checked against the dictionary, nothing left open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cohort.dictionary.dates import DatePattern
from cohort.dictionary.expression_nodes import Expression
from cohort.dictionary.mapping_model import Detail, Limit, Merge, Status, Unpivot
from cohort.dictionary.read import Table, Variable
from cohort.dictionary.units import Linear

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class UnitPlan:
    """The conversions of a rule.

    Attributes
    ----------
    column : str
        Column that holds the unit; empty when it is constant.
    choices : mapping of str to mapping of str to Linear
        By code in the column (empty for constant), then by analyte (empty when the variable has one unit).
    blank : str
        Code that a blank cell stands for; empty when a blank cell is no unit.
    """

    column: str
    choices: Mapping[str, Mapping[str, Linear]]
    blank: str = ""

    @property
    def by_analyte(self) -> bool:
        """Whether the conversion depends on the analyte of the row."""
        return any(set(one) != {""} for one in self.choices.values())


@dataclass(frozen=True)
class Leaf:
    """One way to make a variable: a rule, or a part of ``coalesce``.

    Attributes
    ----------
    variable : Variable
        What is made.
    source, constant : str or None
        Column, or the same text for every row.
    sequence : tuple of str
        Columns of the group in which rows are numbered; empty for any other rule.
    counting : Expression or None
        Rows that are counted; all when None.
    derive : Expression or None
        Checked expression.
    recode : mapping of str to str, or None
        Code to category (or to number, as text).
    missing : mapping of str to str
        Code to reason, with the source's codes.
    when : tuple of (reason, Expression)
        Conditions that come before everything else.
    dates, partial : tuple of DatePattern
        Formats with and without a day.
    since : bool
        Whether the date becomes days since infusion.
    unit : UnitPlan or None
        Conversion.
    rounding : str
        half_up, down, up, or empty.
    comma : bool
        Whether decimals are written with a comma.
    limit : Limit or None
        Where the assay or the export stops.
    """

    variable: Variable
    source: str | None = None
    constant: str | None = None
    sequence: tuple[str, ...] = ()
    counting: Expression | None = None
    derive: Expression | None = None
    recode: Mapping[str, str] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    when: tuple[tuple[str, Expression], ...] = ()
    dates: tuple[DatePattern, ...] = ()
    partial: tuple[DatePattern, ...] = ()
    since: bool = False
    unit: UnitPlan | None = None
    rounding: str = ""
    comma: bool = False
    limit: Limit | None = None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All expressions of the leaf."""
        conditions = tuple(one for _, one in self.when)
        return tuple(one for one in (*conditions, self.derive, self.counting) if one is not None)

    @property
    def columns(self) -> tuple[str, ...]:
        """Source columns that it reads."""
        names = [self.source] if self.source is not None else list(self.sequence)
        names += [name for one in self.expressions for name in one.columns]
        names += [self.unit.column] if self.unit and self.unit.column else []
        return tuple(dict.fromkeys(names))

    @property
    def label(self) -> str:
        """How tables of results name where the value comes from."""
        if self.source is not None:
            return self.source
        return "; ".join(self.derive.columns) if self.derive else ""

    @property
    def late(self) -> bool:
        """Whether it needs other harmonized values: the infusion, the analyte, or ``value(...)``."""
        by_analyte = bool(self.variable.schema.unit_by)
        return self.since or by_analyte or any(one.harmonized for one in self.expressions)


@dataclass(frozen=True)
class RulePlan:
    """How a variable is made in one block.

    Attributes
    ----------
    variable : Variable
        What is made.
    leaves : tuple of Leaf
        One, several for ``coalesce``, none when the source cannot give it.
    status : {'complete', 'partial', 'impossible', 'undetermined'}
        Of the rule.
    detail, note : str
        As written.
    confirmed : bool
        Whether somebody has checked it against the source's own documentation.
    """

    variable: Variable
    leaves: tuple[Leaf, ...]
    status: Status
    detail: Detail = ""
    note: str = ""
    confirmed: bool = True

    @property
    def late(self) -> bool:
        """Whether one of its ways needs other harmonized values."""
        return any(leaf.late for leaf in self.leaves)


@dataclass(frozen=True)
class BlockPlan:
    """One input that makes rows of one table.

    Attributes
    ----------
    table : Table
        What is made.
    input : str
        What it is made from.
    number : int
        Position among the blocks of the table.
    where : Expression or None
        Rows to keep.
    distinct : bool
        Whether equal rows are one on purpose.
    unpivot : Unpivot or None
        Columns to rows.
    rules : mapping of str to RulePlan
        One for every variable of the table that a mapping makes.
    declared : mapping of str to tuple of str
        Values that the file itself declares missing, by column; see `with_declared`.
    """

    table: Table
    input: str
    number: int
    where: Expression | None
    distinct: bool
    unpivot: Unpivot | None
    rules: Mapping[str, RulePlan] = field(repr=False)
    declared: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def new_columns(self) -> tuple[str, ...]:
        """Columns that unpivot adds."""
        return (self.unpivot.index, *self.unpivot.names()) if self.unpivot else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the input that it needs."""
        names = list(self.where.columns) if self.where else []
        names += [name for rule in self.rules.values() for leaf in rule.leaves for name in leaf.columns]
        names = [name for name in names if name not in self.new_columns]
        if self.unpivot:
            names += [column for one in self.unpivot.sources() for column in one.values()]
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Plan:
    """A whole mapping, ready to run.

    Attributes
    ----------
    source : str
        Name of the source.
    blocks : tuple of BlockPlan
        ``infusion`` first, because days since infusion need it.
    not_collected : mapping of str to str
        Table to note.
    missing : mapping of str to str
        Codes that mean missing everywhere in the source.
    merges : mapping of str to Merge
        Tables whose rows of one key become one row, and how.
    """

    source: str
    blocks: tuple[BlockPlan, ...]
    not_collected: Mapping[str, str]
    missing: Mapping[str, str]
    merges: Mapping[str, Merge] = field(default_factory=dict)

    def needed(self) -> Iterator[tuple[str, str, str]]:
        """Yield table, input and column for every column that is read."""
        for block in self.blocks:
            for column in block.columns:
                yield block.table.name, block.input, column
