"""The pieces a report is made of: sections, and blocks in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cohort.report.outcome import Drawing
from cohort.tables.table import Table


@dataclass(frozen=True, eq=False)
class Block:
    """One piece of a section: what an analysis gave, or a table about the data."""

    id: str = ""
    title: str = ""
    status: str = "done"
    sentences: tuple[str, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=lambda: MappingProxyType({}))
    drawings: tuple[Drawing, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """A section of the report with its blocks."""

    id: str
    title: str
    paragraphs: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
