"""Reads the data dictionary and checks it against itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

import pandas as pd
from pydantic import BaseModel

from cohort.dictionary.facts import ColumnFacts
from cohort.dictionary.location import dictionary_folder
from cohort.dictionary.strict_yaml import Locator, Problem, did_you_mean, load_yaml, problems_error, validate
from cohort.dictionary.table_model import (
    Category,
    ChecksModel,
    CodeList,
    DictionaryModel,
    FieldModel,
    ForeignKey,
    LinksModel,
    TableModel,
    UnitsModel,
    Window,
)
from cohort.dictionary.units import Units
from cohort.errors import DictionaryError

Model = TypeVar("Model", bound=BaseModel)
Kind = Literal["string", "integer", "number", "date", "coded"]


@dataclass(frozen=True)
class Variable:
    """A variable of a canonical table.

    Attributes
    ----------
    table, name, title : str
        Where it stands, its name, its label in tables and figures.
    kind : {'string', 'integer', 'number', 'date', 'coded'}
        What its values are.
    categories : tuple of Category
        Of a coded variable, in order.
    ordered : bool
        Whether the order of the categories means more and less.
    schema : FieldModel
        The field as written in the file: unit, ranges, role, timing.
    """

    table: str
    name: str
    title: str
    kind: Kind
    categories: tuple[Category, ...]
    ordered: bool
    schema: FieldModel = field(repr=False)

    @property
    def codes(self) -> tuple[str, ...]:
        """Values of the categories, in order."""
        return tuple(one.value for one in self.categories)

    @property
    def facts(self) -> ColumnFacts:
        """When the value becomes known, and which grade contains it."""
        days = {"baseline": 0.0, "follow_up": float("inf")}
        one = self.schema
        known_day = days.get(one.known or "")
        return ColumnFacts(one.known, known_day, one.part_of, one.measures, self.title, one.unit)


@dataclass(frozen=True)
class Table:
    """A canonical table.

    Attributes
    ----------
    name, title, description : str
        Words.
    primary_key : tuple of str
        Columns that name a row.
    foreign_keys : tuple of ForeignKey
        Columns that must exist in another table.
    variables : mapping of str to Variable
        In the order of the file.
    """

    name: str
    title: str
    description: str
    primary_key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    variables: Mapping[str, Variable] = field(repr=False)


@dataclass(frozen=True)
class Dictionary:
    """The data dictionary.

    Attributes
    ----------
    name, title, version : str
        Words of its head.
    tables : mapping of str to Table
        The canonical tables.
    units : Units
        Known units.
    analytes : mapping of str to Category
        Laboratory analytes with unit, range and cited conversions.
    windows : mapping of str to Window
        Named windows in days.
    checks : ChecksModel
        What `Registry.quality` checks.
    sources : mapping of str to Path
        Packaged mappings by name.
    folder : Path
        Where it was read from.
    sha256 : str
        Of all its files but the mappings.
    """

    name: str
    title: str
    version: str
    tables: Mapping[str, Table] = field(repr=False)
    units: Units = field(repr=False)
    analytes: Mapping[str, Category] = field(repr=False)
    windows: Mapping[str, Window] = field(repr=False)
    checks: ChecksModel = field(repr=False)
    sources: Mapping[str, Path] = field(repr=False)
    folder: Path = field(repr=False)
    sha256: str = field(repr=False)

    def __repr__(self) -> str:
        """Name the tables and the number of their variables."""
        lines = [f"{self.title} (version {self.version})"]
        lines += [f"  {table.name:<18}{len(table.variables):>3} variables" for table in self.tables.values()]
        return "\n".join(lines)

    @property
    def variables(self) -> pd.DataFrame:
        """One row per variable: table, variable, title, type, unit, categories, range, role, timing."""
        return pd.DataFrame([_row(one) for table in self.tables.values() for one in table.variables.values()])

    @property
    def analyte_units(self) -> dict[str, str]:
        """Unit of each laboratory analyte."""
        return {name: one.unit for name, one in self.analytes.items()}

    def facts(self, table: str) -> dict[str, ColumnFacts]:
        """Return what is known of each column of a table beside its values.

        Parameters
        ----------
        table : str
            Name of a canonical table.
        """
        return {name: one.facts for name, one in self.tables[table].variables.items()}


def _row(one: Variable) -> dict[str, object]:
    limits = one.schema.constraints
    return {
        "table": one.table,
        "variable": one.name,
        "title": one.title,
        "type": one.kind,
        "unit": one.schema.unit,
        "categories": "; ".join(one.codes),
        "minimum": limits.minimum,
        "maximum": limits.maximum,
        "role": one.schema.role,
        "known": one.schema.known or "",
        "part_of": "; ".join(one.schema.part_of),
    }


def read_dictionary(path: str | Path | None = None) -> Dictionary:
    """Read the data dictionary and check it.

    Parameters
    ----------
    path : str or Path, optional
        A folder; the packaged dictionary by default.

    Returns
    -------
    Dictionary
        Immutable; ``variables`` lists everything as a frame.

    Raises
    ------
    DictionaryError
        With every problem at once, each with file, line and column.

    Examples
    --------
    >>> read_dictionary().tables["neuro_assessment"].variables["ice_score"].title
    'ICE score'
    """
    folder = Path(path) if path is not None else dictionary_folder()
    if not (folder / "dictionary.yaml").is_file():
        raise DictionaryError(
            "This folder holds no data dictionary.",
            evidence=f"no dictionary.yaml in {folder.name}",
            remedy="give the folder that holds dictionary.yaml and tables/",
        )
    files = sorted([*folder.glob("*.yaml"), *folder.glob("tables/*.yaml"), *folder.glob("codelists/*.yaml")])
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return _read(folder.resolve(), digest.hexdigest())


@lru_cache(maxsize=4)
def _read(folder: Path, sha256: str) -> Dictionary:
    reader = _Reader(folder)
    head = reader.file("dictionary.yaml", DictionaryModel)
    units = reader.file("codelists/units.yaml", UnitsModel)
    links = reader.file("links.yaml", LinksModel)
    checks = reader.file("checks.yaml", ChecksModel)
    names = [file.name for file in sorted(folder.glob("codelists/*.yaml")) if file.name != "units.yaml"]
    lists = {one.removesuffix(".yaml"): reader.file(f"codelists/{one}", CodeList) for one in names}
    reader.stop()
    if head is None or units is None or links is None or checks is None:
        raise DictionaryError("The dictionary could not be read.", evidence=folder.name)
    known_lists = {name: one for name, one in lists.items() if one is not None}
    tables = {name: reader.table(name, known_lists, Units.from_model(units)) for name in head.tables}
    reader.stop()
    reader.references({name: table for name, table in tables.items() if table is not None})
    reader.stop()
    analytes = known_lists["analyte"].categories if "analyte" in known_lists else ()
    return Dictionary(
        name=head.name,
        title=head.title,
        version=head.version,
        tables=MappingProxyType({name: table for name, table in tables.items() if table is not None}),
        units=Units.from_model(units),
        analytes=MappingProxyType({one.value: one for one in analytes}),
        windows=MappingProxyType({one.name: one for one in links.windows}),
        checks=checks,
        sources=MappingProxyType({file.stem: file for file in sorted(folder.glob("sources/*.yaml"))}),
        folder=folder,
        sha256=sha256,
    )


class _Reader:
    """Reads the files of one dictionary and collects what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        self.locators: dict[str, Locator] = {}

    def stop(self) -> None:
        """Raise when there are problems so far."""
        if self.problems:
            raise problems_error(self.problems, DictionaryError, "The data dictionary")

    def file(self, name: str, model: type[Model]) -> Model | None:
        """Read one file."""
        data, locator = load_yaml(self.folder / name)
        self.locators[name] = locator
        found = validate(model, data, locator, name)
        if isinstance(found, list):
            self.problems += found
            return None
        return found

    def table(self, name: str, lists: Mapping[str, CodeList], units: Units) -> Table | None:
        """Read one table."""
        file = f"tables/{name}.yaml"
        model = self.file(file, TableModel)
        if model is None:
            return None
        variables: dict[str, Variable] = {}
        for position, one in enumerate(model.fields):
            place = ("fields", position, "name")
            if one.name in variables:
                self._problem(file, place, f"the variable {one.name!r} a second time", "rename one")
            for what, remedy in _field_problems(one, lists, units):
                self._problem(file, place, f"{one.name}: {what}", remedy)
            variables[one.name] = _variable(name, one, lists)
        for column in model.primary_key:
            if column not in variables:
                self._problem(
                    file, ("primaryKey",), f"unknown column {column!r}", did_you_mean(column, variables)
                )
        for position, one in enumerate(model.fields):
            for other in (one.not_before, one.not_after):
                if other and other not in variables:
                    place = ("fields", position, "name")
                    self._problem(file, place, f"unknown variable {other!r}", did_you_mean(other, variables))
        return Table(
            model.name,
            model.title,
            model.description,
            model.primary_key,
            model.foreign_keys,
            MappingProxyType(variables),
        )

    def references(self, tables: Mapping[str, Table]) -> None:
        """Check foreign keys and checks against the tables."""
        for table in tables.values():
            for key in table.foreign_keys:
                target = tables.get(key.reference.resource)
                if target is None or not set(key.reference.fields) <= set(target.variables):
                    self._problem(
                        f"tables/{table.name}.yaml", ("foreignKeys",), "the key points nowhere", "correct it"
                    )

    def _problem(self, file: str, place: tuple[str | int, ...], message: str, remedy: str) -> None:
        line, column = self.locators[file](place)
        self.problems.append(Problem(file, line, column, message, remedy))


def _field_problems(
    one: FieldModel, lists: Mapping[str, CodeList], units: Units
) -> Iterator[tuple[str, str]]:
    if one.codelist and one.codelist not in lists:
        yield f"unknown code list {one.codelist!r}", did_you_mean(one.codelist, lists)
    if one.codelist and one.categories:
        yield "a code list and categories of its own", "keep one of them"
    if (one.codelist or one.categories) and one.type != "string":
        yield "categories of a variable that is not text", "write type: string"
    if one.unit and one.unit not in units.factors:
        yield f"unknown unit {one.unit!r}", did_you_mean(one.unit, units.factors)
    low, high = one.constraints.minimum, one.constraints.maximum
    if isinstance(low, float) and isinstance(high, float) and low > high:
        yield "the minimum is above the maximum", "exchange them"
    values = [category.value for category in one.categories]
    if len(set(values)) < len(values):
        yield "a category twice", "remove one"


def _variable(table: str, one: FieldModel, lists: Mapping[str, CodeList]) -> Variable:
    shared = lists.get(one.codelist)
    categories = shared.categories if shared else one.categories
    kind: Kind = "coded" if categories else one.type
    return Variable(
        table, one.name, one.title, kind, categories, shared.ordered if shared else one.ordered, one
    )
