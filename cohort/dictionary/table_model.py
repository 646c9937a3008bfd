"""The dictionary files as pydantic models: Frictionless Table Schema v2 words and ``cohort:`` properties."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Reason = Literal["unknown", "not_applicable", "not_done", "not_reported", "blank", "not_collected"]


class Strict(BaseModel):
    """Forbids unknown keys, takes numbers as text where text is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True, populate_by_name=False)


def as_list(value: object) -> object:
    """Take one entry for a list of one."""
    return value if isinstance(value, list) or value is None else [value]


class Concept(Strict):
    """A code of a terminology, and whether somebody has checked it."""

    system: str
    code: str
    confirmed: bool


class Conversion(Strict):
    """Factor from a unit that only the analyte's identity connects."""

    source: str = Field(alias="from")
    factor: float
    citation: str


class Category(Strict):
    """A value of a coded variable; of an analyte also its unit and what is possible in it."""

    value: str
    label: str
    concept: tuple[Concept, ...] = Field(default=(), alias="cohort:concept")
    unit: str = Field(default="", alias="cohort:unit")
    minimum: float | None = Field(default=None, alias="cohort:minimum")
    maximum: float | None = Field(default=None, alias="cohort:maximum")
    conversions: tuple[Conversion, ...] = Field(default=(), alias="cohort:conversions")


class CodeList(Strict):
    """A list of categories that several variables share."""

    name: str
    title: str
    ordered: bool = Field(default=False, alias="categoriesOrdered")
    categories: tuple[Category, ...]


class Constraints(Strict):
    """What a value must fulfil."""

    required: bool = False
    minimum: float | str | None = None
    maximum: float | str | None = None
    pattern: str = ""


class FieldModel(Strict):
    """A variable."""

    name: str
    type: Literal["string", "integer", "number", "date"]
    title: str
    description: str = ""
    constraints: Constraints = Constraints()
    categories: tuple[Category, ...] = ()
    ordered: bool = Field(default=False, alias="categoriesOrdered")
    codelist: str = Field(default="", alias="cohort:codelist")
    unit: str = Field(default="", alias="cohort:unit")
    unit_by: str = Field(default="", alias="cohort:unit_by")
    analyte: str = Field(default="", alias="cohort:analyte")
    role: Literal["", "id", "quasi", "free_text", "order"] = Field(default="", alias="cohort:role")
    known: Literal["baseline", "daily", "at_exam", "follow_up"] | None = Field(
        default=None, alias="cohort:known"
    )
    part_of: tuple[str, ...] = Field(default=(), alias="cohort:part_of")
    measures: tuple[str, ...] = Field(default=(), alias="cohort:measures")
    interval: bool = Field(default=False, alias="cohort:interval")
    not_before: str = Field(default="", alias="cohort:not_before")
    not_after: str = Field(default="", alias="cohort:not_after")
    set_by: str = Field(default="", alias="cohort:set_by")
    concept: tuple[Concept, ...] = Field(default=(), alias="cohort:concept")


class Reference(Strict):
    """The table that a foreign key points to."""

    resource: str
    fields: tuple[str, ...]


class ForeignKey(Strict):
    """Columns that must exist in another table."""

    fields: tuple[str, ...]
    reference: Reference


class TableModel(Strict):
    """A canonical table."""

    name: str
    title: str
    description: str = ""
    primary_key: Annotated[tuple[str, ...], BeforeValidator(as_list)] = Field(alias="primaryKey")
    foreign_keys: tuple[ForeignKey, ...] = Field(default=(), alias="foreignKeys")
    fields: tuple[FieldModel, ...]


class LabeledReason(Strict):
    """A missing reason and its label."""

    value: Reason
    label: str


class DictionaryModel(Strict):
    """The head of the dictionary."""

    name: str
    title: str
    version: str
    licenses: tuple[str, ...] = ()
    tables: tuple[str, ...]
    missing_reasons: tuple[LabeledReason, ...]


class UnitModel(Strict):
    """A unit with an offset: (value + shift) times factor gives the first unit of the dimension."""

    factor: str
    shift: str = "0"


def as_unit(value: object) -> object:
    """Take a plain factor for a unit without shift."""
    return value if isinstance(value, dict) else {"factor": value}


class UnitsModel(Strict):
    """Units by dimension."""

    name: str
    title: str
    dimensions: dict[str, dict[str, Annotated[UnitModel, BeforeValidator(as_unit)]]]


class Window(Strict):
    """A window in days, closed at both ends."""

    name: str
    start: int = Field(alias="from")
    stop: int = Field(alias="to")
    relative_to: str
    note: str = ""


class LinksModel(Strict):
    """Windows by name."""

    name: str
    title: str
    windows: tuple[Window, ...]


class CheckDefault(Strict):
    """A kind of check that runs over every variable it applies to."""

    check: str
    category: Literal["conformance", "completeness", "plausibility"]
    subcategory: Literal[
        "value", "relational", "computational", "atemporal", "temporal", "uniqueness", "record"
    ]
    severity: Literal["fatal", "convention", "characterization"]
    threshold: float = Field(ge=0, le=1)
    title: str


class Contradiction(Strict):
    """A condition over one row that should never be true."""

    check: str
    table: str
    variable: str
    violated: str
    category: Literal["conformance", "completeness", "plausibility"]
    subcategory: Literal[
        "value", "relational", "computational", "atemporal", "temporal", "uniqueness", "record"
    ]
    severity: Literal["fatal", "convention", "characterization"]
    threshold: float = Field(ge=0, le=1)
    title: str


class Threshold(Strict):
    """A threshold for one variable and check that differs from the default."""

    check: str
    table: str
    variable: str
    threshold: float = Field(ge=0, le=1)
    note: str


class ChecksModel(Strict):
    """The checks of `Registry.quality`."""

    name: str
    title: str
    checks: tuple[CheckDefault, ...]
    contradictions: tuple[Contradiction, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
