"""What one analysis of a study gives: sentences, tables, figures, numbers; or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import pandas as pd

from cohort.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure with its legend.

    Attributes
    ----------
    name : str
        Stem of its files; unique in a run.
    figure : matplotlib Figure
        The figure.
    legend : str
        The legend as printed below it.
    """

    name: str
    figure: Figure
    legend: str


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one analysis gave.

    Attributes
    ----------
    id : str
        Id of the analysis in the study file.
    kind : str
        Its kind.
    title : str
        Heading in the report.
    status : {'done', 'refused', 'failed'}
        Refused by a guard; failed for another reason.
    sentences : tuple of str
        Findings as sentences.
    tables : mapping of str to Table
        Tables by the stem of their files.
    drawings : tuple of Drawing
        Figures.
    frames : mapping of str to DataFrame
        The numbers behind, unrounded.
    notes : tuple of str
        What a reader must know to read them.
    error : str
        Why there is no result; empty when there is.
    """

    id: str
    kind: str
    title: str
    status: Literal["done", "refused", "failed"] = "done"
    sentences: tuple[str, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=lambda: MappingProxyType({}))
    drawings: tuple[Drawing, ...] = ()
    frames: Mapping[str, pd.DataFrame] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    error: str = ""
