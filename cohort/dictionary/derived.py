"""What is known about computed columns, from ``derived.yaml``, ``findings.yaml`` and the infusion table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cohort.dictionary.facts import ColumnFacts, Known, declare_facts
from cohort.dictionary.location import dictionary_folder
from cohort.dictionary.strict_yaml import load_yaml
from cohort.errors import DictionaryError

Model = TypeVar("Model", bound=BaseModel)
KnownDay = float | Literal["window_end", "end_of_follow_up"]
_PRINTED = {
    "a": "years",
    "d": "days",
    "Cel": "°C",
    "10*6": "×10⁶",
    "10*9/L": "×10⁹/L",
    "/uL": "/µL",
    "[degF]": "°F",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Code(_Strict):
    """A terminology code, and whether its public source was read."""

    system: str
    code: str
    confirmed: bool


class Finding(_Strict):
    """One imaging finding of the taxonomy.

    Attributes
    ----------
    value : str
        Code, as in the codelist ``finding``.
    label : str
        Name for tables and figures.
    group : str
        Group for figures.
    needs_any : tuple of tuple of str
        Sets of acquisitions (``sequence_*``, ``contrast``, ``modality:*``), one of which the finding needs;
        empty when any examination can show it.
    region : {'brain', 'spine', 'any'}
        What an examination must show for the finding to be judged.
    reported_only : bool
        Whether a normal overall result leaves the finding unjudged.
    feeds_icans : int or None
        Lowest ASTCT ICANS grade that the finding sets.
    note : str
        Rule in words.
    codes : tuple of Code
        Terminology codes.
    """

    value: str
    label: str
    group: str
    needs_any: tuple[tuple[str, ...], ...]
    region: Literal["brain", "spine", "any"] = "brain"
    reported_only: bool = False
    feeds_icans: int | None = None
    note: str = ""
    codes: tuple[Code, ...] = ()


class Group(_Strict):
    """A group of findings."""

    value: str
    label: str


class Composite(_Strict):
    """A finding that is present when any of its members is.

    Attributes
    ----------
    value, label : str
        Code, and name for tables and figures.
    any_of : tuple of str or 'all'
        Its members.
    absent_when : {'all', 'some'}
        Whether it is absent when all members are, or when some are while none is present.
    """

    value: str
    label: str
    any_of: tuple[str, ...] | Literal["all"]
    absent_when: Literal["all", "some"]


class Taxonomy(_Strict):
    """The findings, their groups and composites, in the order in which they are shown."""

    name: str
    title: str
    description: str
    groups: tuple[Group, ...]
    composites: tuple[Composite, ...]
    findings: tuple[Finding, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the findings, in order."""
        return tuple(finding.value for finding in self.findings)

    def members(self, composite: Composite) -> tuple[str, ...]:
        """Return the findings that a composite is made of."""
        return self.codes if isinstance(composite.any_of, str) else composite.any_of

    @property
    def part_of_icans(self) -> frozenset[str]:
        """Findings and composites that feed the ICANS grade."""
        feeding = {finding.value for finding in self.findings if finding.feeds_icans is not None}
        return frozenset(feeding | {one.value for one in self.composites if feeding & set(self.members(one))})


class _Column(_Strict):
    name: str
    title: str
    type: Literal["string", "integer", "number"]
    categories: tuple[str, ...] = ()
    unit: str = Field("", alias="cohort:unit")
    known: Known = Field(alias="cohort:known")
    known_day: KnownDay = Field(alias="cohort:known_day")
    part_of: tuple[str, ...] = Field((), alias="cohort:part_of")
    measures: tuple[str, ...] = Field((), alias="cohort:measures")


class _FindingColumn(_Strict):
    suffix: str
    title: str
    type: Literal["string", "integer"]
    categories: tuple[str, ...] = ()
    unit: str = Field("", alias="cohort:unit")


class _Derived(_Strict):
    name: str
    title: str
    description: str
    window_end: float
    columns: tuple[_Column, ...]
    finding_columns: tuple[_FindingColumn, ...]


def finding_taxonomy() -> Taxonomy:
    """Return the imaging findings: labels, groups, what each needs, and which feed the ICANS grade.

    Returns
    -------
    Taxonomy
        Read from ``findings.yaml`` of the packaged dictionary.

    Examples
    --------
    >>> finding_taxonomy().codes[0]
    'flair_deep'
    """
    return _taxonomy()


def derived_facts(window_end: float | None = None) -> Mapping[str, ColumnFacts]:
    """Return what is known about computed columns and about the variables of the infusion table.

    Parameters
    ----------
    window_end : float, optional
        Last day of the summary's window; 30 unless given.

    Returns
    -------
    mapping of str to ColumnFacts
        By column name. Baseline variables have ``known_day`` 0, follow-up variables infinity.

    Examples
    --------
    >>> derived_facts()["edema_focal"].part_of
    ('icans_grade',)
    """
    return _facts(window_end)


def declare_derived(frame: pd.DataFrame, window_end: float | None = None) -> pd.DataFrame:
    """Return a shallow copy of the frame that carries the facts of its computed columns.

    Parameters
    ----------
    frame : DataFrame
        Any frame; columns that the dictionary does not know are left alone.
    window_end : float, optional
        Last day of the summary's window; 30 unless given.

    Returns
    -------
    DataFrame
        The same values with ``attrs["cohort_facts"]``.
    """
    facts = _facts(window_end)
    return declare_facts(frame, {str(name): facts[name] for name in frame.columns if name in facts})


@lru_cache(maxsize=1)
def _taxonomy() -> Taxonomy:
    data, _ = load_yaml(dictionary_folder() / "findings.yaml")
    return validated_file(Taxonomy, data, "findings.yaml")


@lru_cache(maxsize=1)
def _derived() -> _Derived:
    data, _ = load_yaml(dictionary_folder() / "derived.yaml")
    return validated_file(_Derived, data, "derived.yaml")


def validated_file(model: type[Model], data: object, file: str) -> Model:
    """Check the data against the model; name the places that do not fit."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise DictionaryError(
            f"{file} does not fit its model", evidence=places, remedy="correct the places"
        ) from None


@lru_cache(maxsize=8)
def _facts(window_end: float | None) -> Mapping[str, ColumnFacts]:
    derived, taxonomy = _derived(), _taxonomy()
    end = derived.window_end if window_end is None else float(window_end)
    facts = _table_facts("infusion")
    for column in derived.columns:
        facts[column.name] = ColumnFacts(
            known=column.known,
            known_day=_day(column.known_day, end),
            part_of=column.part_of,
            measures=column.measures,
            label=column.title,
            unit=printed_unit(column.unit),
        )
    part_of_icans = taxonomy.part_of_icans
    entries: tuple[Finding | Composite, ...] = (*taxonomy.findings, *taxonomy.composites)
    for entry in entries:
        for template in derived.finding_columns:
            facts[entry.value + template.suffix] = ColumnFacts(
                known="at_exam",
                known_day=end,
                part_of=("icans_grade",) if entry.value in part_of_icans else (),
                label=template.title.format(label=entry.label),
                unit=printed_unit(template.unit),
            )
    return MappingProxyType(facts)


def _day(known_day: KnownDay, window_end: float) -> float:
    """Return the day as a number."""
    words = {"window_end": window_end, "end_of_follow_up": math.inf}
    return words[known_day] if isinstance(known_day, str) else float(known_day)


def _table_facts(table: str) -> dict[str, ColumnFacts]:
    """Return the facts of a canonical table's baseline and follow-up variables."""
    data, _ = load_yaml(dictionary_folder() / "tables" / f"{table}.yaml")
    fields = data.get("fields", []) if isinstance(data, dict) else []
    days = {"baseline": 0.0, "follow_up": math.inf}
    return {
        str(field["name"]): ColumnFacts(
            known=field["cohort:known"],
            known_day=days[field["cohort:known"]],
            part_of=tuple(field.get("cohort:part_of", ())),
            measures=tuple(field.get("cohort:measures", ())),
            label=str(field.get("title", field["name"])),
            unit=printed_unit(str(field.get("cohort:unit", ""))),
        )
        for field in fields
        if field.get("cohort:known") in days
    }


def printed_unit(ucum: str) -> str:
    """Return a UCUM unit as journals print it.

    Parameters
    ----------
    ucum : str
        Unit code; unknown codes are printed as they are.

    Returns
    -------
    str
        The printed unit.

    Examples
    --------
    >>> printed_unit("d")
    'days'
    """
    return _PRINTED.get(ucum, ucum)
