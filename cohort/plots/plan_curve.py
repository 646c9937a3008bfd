"""Curve of a plan: what more patients buy, with the plan itself marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cohort import palette, style
from cohort.plots import layout
from cohort.plots.curves import require_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_plan_curve(
    frame: pd.DataFrame,
    *,
    mark: tuple[float, float],
    ylabel: str = "Power",
    xlabel: str = "Patients",
    ax: Axes | None = None,
    width_mm: float = 86.0,
    height_mm: float = 64.0,
) -> Axes:
    """Draw an estimate against the number of patients.

    Parameters
    ----------
    frame : DataFrame
        One row per number: ``n``, ``estimate`` and, if known, ``conf_low`` and ``conf_high`` as a band.
    mark : tuple of float
        Patients and estimate of the plan.
    ylabel, xlabel : str
        Labels of the axes.
    ax : Axes, default=None
        Where to draw; None makes a new pyplot figure.
    width_mm, height_mm : float
        Size of a new figure.

    Returns
    -------
    Axes
        The curve is the line of gid ``curve``, the plan the mark of gid ``plan``.

    Raises
    ------
    CohortError
        When a column is missing.
    """
    require_columns(frame, ["n", "estimate"], "the curve of a plan")
    color = palette.OKABE_ITO[0]
    with style.theme():
        ax = layout.own_axes(ax, width_mm, height_mm)
        if {"conf_low", "conf_high"} <= set(frame.columns):
            ax.fill_between(
                frame["n"], frame["conf_low"], frame["conf_high"], color=color, alpha=0.18, linewidth=0
            )
        ax.plot(frame["n"], frame["estimate"], color=color, linewidth=1.2, gid="curve")
        ax.plot(*([value] for value in mark), "o", color="#000000", markersize=4.5, zorder=4, gid="plan")
        highest = float(frame["estimate"].max())
        ax.set_ylim(0, 1.0 if highest > 0.5 else highest * 1.1)
        ax.set_xlim(0, float(frame["n"].max()) * 1.03)
        ax.set_xlabel(xlabel, labelpad=2)
        ax.set_ylabel(ylabel, labelpad=3)
        layout.fit(ax)
    return ax
