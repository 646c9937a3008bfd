"""What one analysis of a study gives: sentences, tables, figures, numbers; or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

import pandas as pd

from cohort.models.cox import CoxRegression
from cohort.models.odds_ratio_result import OddsRatio
from cohort.models.two_by_two import TwoByTwo
from cohort.style import figure_notes
from cohort.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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


def drawing(name: str, axes: Axes, legend: str) -> Drawing:
    """Take the figure of an Axes, and end its legend with what the plot says must be told.

    Parameters
    ----------
    name : str
        Stem of its files.
    axes : Axes
        What a plotting function returned.
    legend : str
        The legend.

    Returns
    -------
    Drawing
        The figure with its full legend.
    """
    figure = cast("Figure", axes.get_figure(root=True))
    notes = [note if note.endswith(".") else f"{note}." for note in figure_notes(figure)]
    return Drawing(name, figure, " ".join([legend, *notes]))


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
    fit : object
        The result itself, where registries can pool it; None otherwise.
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
    fit: OddsRatio | CoxRegression | TwoByTwo | None = None
