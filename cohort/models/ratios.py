"""What regressions of ratios share: the forest plot and the sentence fragment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from cohort.format import interval, p_value, ratio
from cohort.models.result import row_of_term

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_ratios(
    tidy: pd.DataFrame,
    references: Mapping[str, str],
    measure: str,
    conf_level: float,
    ax: Axes | None = None,
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Draw exponentiated estimates as a forest plot, with a row for each reference category.

    Parameters
    ----------
    tidy : DataFrame
        Exponentiated tidy frame.
    references : Mapping of str to str
        Reference category of each categorical term.
    measure : str
        Name of the ratio.
    conf_level : float
        Confidence level of the limits.
    ax : Axes, optional
        Where to draw; a new figure by default.
    labels : Mapping of str to str, optional
        Printed text of terms and levels.

    Returns
    -------
    Axes
        The axes drawn on.
    """
    from cohort.plots.forest import plot_forest

    blocks = []
    for term in tidy["term"].unique():
        block = tidy[tidy["term"] == term].assign(reference=False)
        if term in references:
            first = {"term": term, "level": references[term], "reference": True, "estimate": 1.0}
            block = pd.concat([pd.DataFrame([first]), block])
        blocks.append(block)
    table = pd.concat(blocks, ignore_index=True)
    return plot_forest(table, measure=measure.capitalize(), ax=ax, labels=labels, conf_level=conf_level)


def ratio_text(tidy: pd.DataFrame, term: str, measure: str, conf_level: float) -> str:
    """Return ``hazard ratio 1.52 (95% CI 1.10–2.09; P=0.01)`` for one term of an exponentiated frame."""
    row = row_of_term(tidy, term)
    limits = interval(row["conf_low"], row["conf_high"], None)
    p = p_value(row["p_value"])
    return f"{measure} {ratio(row['estimate'])} ({conf_level * 100:g}% CI {limits}; P{p})"
