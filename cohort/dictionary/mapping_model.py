"""A source mapping as pydantic models; docs/mapping.md is its description."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from cohort.dictionary.table_model import Reason, Strict, as_list

Status = Literal["complete", "partial", "impossible", "undetermined"]
Detail = Literal["", "identical", "compatible", "proximate", "incompatible", "unavailable"]
Texts = Annotated[tuple[str, ...], BeforeValidator(as_list)]


HIDDEN = "[hidden by branching logic]"


def _as_unit(value: object) -> object:
    return value if isinstance(value, dict) or value is None else {"constant": value}


def _as_rule(value: object) -> object:
    return value if isinstance(value, dict) or value is None else {"from": value}


class UnitRule(Strict):
    """Where the unit of the source comes from."""

    constant: str = ""
    column: str = ""
    recode: dict[str, str] = Field(default_factory=dict)
    blank: str = ""
    by: str = ""
    units: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way(self) -> UnitRule:
        if bool(self.constant) + bool(self.column) + bool(self.units) != 1:
            raise ValueError("say the unit once | one of: a unit, column: with recode:, by: with units:")
        if self.column and not self.recode:
            raise ValueError("a unit column needs a recode to units | recode: {mg/l: mg/L}")
        if self.units and not self.by:
            raise ValueError("units: needs by: | by: analyte")
        return self


class Limit(Strict):
    """Where the assay or the export stops."""

    lower: float | None = None
    upper: float | None = None
    signs: bool = False


class Sequence(Strict):
    """Numbers the rows of a group in the order of the file."""

    by: Annotated[tuple[str, ...], BeforeValidator(as_list)] = Field(min_length=1)
    counting: str = ""


class Rule(Strict):
    """How one variable is made."""

    source: str | None = Field(default=None, alias="from")
    recode: dict[str, str] | str | None = None
    missing: dict[str, Reason] = Field(default_factory=dict)
    missing_when: dict[Reason, str] = Field(default_factory=dict)
    unit: Annotated[UnitRule | None, BeforeValidator(_as_unit)] = None
    date: Texts = ()
    partial: Texts = ()
    since: Literal["", "infusion_date"] = ""
    derive: str | None = None
    coalesce: tuple[Annotated[Rule, BeforeValidator(_as_rule)], ...] = ()
    constant: str | None = None
    sequence: Sequence | None = None
    round: Literal["", "half_up", "down", "up"] = ""
    decimal: Literal["", ".", ","] = ""
    limit: Limit | None = None
    status: Status = "complete"
    detail: Detail = ""
    confirmed: bool = True
    note: str = ""

    @property
    def ways(self) -> int:
        """Number of ways in which the rule takes its text."""
        texts = (self.source, self.derive, self.constant)
        return sum(one is not None for one in texts) + bool(self.coalesce) + (self.sequence is not None)

    @model_validator(mode="after")
    def _one_way(self) -> Rule:
        nothing = self.status in ("impossible", "undetermined")
        if nothing and self.ways:
            raise ValueError(
                f"a rule that is {self.status} takes nothing | remove from:, derive:, coalesce:, constant:"
            )
        if not nothing and self.ways != 1:
            raise ValueError(
                "a rule needs exactly one of from, derive, coalesce, constant, sequence | keep one of them"
            )
        if not self.note and (self.status != "complete" or self.limit or self.round or not self.confirmed):
            named = {"round": self.round, "limit": self.limit, "confirmed: false": not self.confirmed}
            what = next((word for word, said in named.items() if said), f"status {self.status}")
            raise ValueError(f"{what} needs a note | add note: why")
        if (self.partial or self.since) and not self.date:
            raise ValueError("partial: and since: need date: | date: yyyy-mm-dd")
        return self


class Absent(Strict):
    """Variables that the source cannot give, and why."""

    note: str = Field(min_length=1)
    variables: tuple[str, ...] = ()
    rest: bool = False

    @model_validator(mode="after")
    def _names_something(self) -> Absent:
        if bool(self.variables) == self.rest:
            raise ValueError("name variables: or say rest: true | variables: [a, b]")
        return self


class NotCollected(Strict):
    """Tables that the source does not collect, and why."""

    note: str = Field(min_length=1)
    tables: tuple[str, ...] = Field(min_length=1)


class NotUsed(Strict):
    """Columns of the source that no rule reads on purpose, and why."""

    note: str = Field(min_length=1)
    columns: tuple[str, ...] = Field(min_length=1)
    input: str = ""


class Unpivot(Strict):
    """Repeated columns to rows."""

    index: str
    values: tuple[int | str, ...] = ()
    columns: dict[str, str] = Field(default_factory=dict)
    rows: tuple[dict[str, str], ...] = ()
    keep_blank: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Unpivot:
        if bool(self.rows) == bool(self.columns and self.values):
            raise ValueError("give values: with columns:, or rows: | see docs/mapping.md, Unpivot")
        if any("is" not in row for row in self.rows):
            raise ValueError("a row of unpivot lacks is: | {is: crp, VALUE: CRP}")
        return self

    def index_texts(self) -> tuple[str, ...]:
        """Return the texts of the index column, one for each new row."""
        if self.rows:
            return tuple(row["is"] for row in self.rows)
        if len(self.values) == 2 and all(isinstance(one, int) for one in self.values):
            first, last = int(self.values[0]), int(self.values[1])
            return tuple(str(one) for one in range(first, last + 1))
        return tuple(str(one) for one in self.values)

    def names(self) -> tuple[str, ...]:
        """Return the names of the new columns."""
        if self.columns:
            return tuple(self.columns)
        return tuple(dict.fromkeys(name for row in self.rows for name in row if name != "is"))

    def sources(self) -> tuple[dict[str, str], ...]:
        """Return, for each index text, new column to source column."""
        if self.rows:
            return tuple({name: column for name, column in row.items() if name != "is"} for row in self.rows)
        place = "{" + self.index + "}"
        return tuple(
            {name: pattern.replace(place, text) for name, pattern in self.columns.items()}
            for text in self.index_texts()
        )


class Block(Strict):
    """Rows of one input that make rows of one table."""

    input: str = ""
    where: str = ""
    distinct: bool = False
    unpivot: Unpivot | None = None
    rules: dict[str, Annotated[Rule, BeforeValidator(_as_rule)]] = Field(default_factory=dict)
    impossible: Annotated[tuple[Absent, ...], BeforeValidator(as_list)] = ()
    undetermined: Annotated[tuple[Absent, ...], BeforeValidator(as_list)] = ()


class Merge(Strict):
    """How rows of one key from several forms or visits become one row; variables not named must agree."""

    earliest: tuple[str, ...] = ()
    latest: tuple[str, ...] = ()
    highest: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return all variables that are named."""
        return (*self.earliest, *self.latest, *self.highest)


class TableMapping(Block):
    """A canonical table: one block, or several that are stacked."""

    blocks: tuple[Block, ...] = ()
    merge: Merge | None = None


class Input(Strict):
    """A frame of the source."""

    file: str = "*"
    encoding: Literal["", "utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"] = ""
    delimiter: Literal["", ",", ";", "tab", "|"] = ""
    decimal: Literal[".", ","] = "."
    sheet: str = ""
    header_row: int = Field(default=1, ge=1)
    member: str = ""
    cells: Literal["codes", "labels"] = Field(default="codes", alias="values")
    catalog: str = ""
    instrument: str = ""
    dictionary: str = "dictionary.csv"


class Review(Strict):
    """Who looked at the mapping, and when."""

    by: str
    on: str


class Example(Strict):
    """Given rows and expected values."""

    table: str
    given: dict[str, tuple[dict[str, str | None], ...]]
    expect: tuple[dict[str, str | None], ...]
    note: str = ""


class MappingModel(Strict):
    """A whole mapping."""

    source: str = Field(pattern="^[A-Za-z][A-Za-z0-9_]*$")
    title: str
    version: str
    form: str = ""
    note: str = ""
    confirmed: bool = True
    reviewed: Review | None = None
    omop: bool = False
    inputs: dict[str, Input] = Field(min_length=1)
    missing: dict[str, Reason] = Field(default_factory=dict)
    recodes: dict[str, dict[str, str]] = Field(default_factory=dict)
    not_collected: Annotated[tuple[NotCollected, ...], BeforeValidator(as_list)] = ()
    not_used: Annotated[tuple[NotUsed, ...], BeforeValidator(as_list)] = ()
    tables: dict[str, TableMapping]
    examples: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _says_what_is_not_confirmed(self) -> MappingModel:
        if not self.confirmed and not self.note:
            raise ValueError(
                "confirmed: false needs a note | add note: what is not confirmed, and against what to check it"
            )
        return self

    @property
    def missing_codes(self) -> dict[str, Reason]:
        """Codes that mean missing everywhere, and what the reader of REDCap writes for fields never shown."""
        redcap = any(one.instrument for one in self.inputs.values())
        return {**self.missing, **({HIDDEN: "not_applicable"} if redcap else {})}
