"""Cumulative incidence with competing risks: rising curves from zero, Gray's test by the outcome's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import style
from cohort.errors import CohortError
from cohort.format import p_value
from cohort.plots import curves
from cohort.plots.curve_figure import (
    CurveFigure,
    RiskTable,
    Times,
    curve_notes,
    last_follow_up,
    text_lines,
    time_axis,
    until_curves_end,
)
from cohort.plots.risk_table import RiskStyle
from cohort.plots.time_axis import TimeUnit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NICE_TOPS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def plot_incidence(
    curve: pd.DataFrame,
    *,
    risk_table: pd.DataFrame | None = None,
    ax: Axes | None = None,
    outcomes: Sequence[str] | None = None,
    times: Times = None,
    unit: TimeUnit = "days",
    display_unit: TimeUnit | None = None,
    xlabel: str | None = None,
    ylabel: str = "Cumulative incidence (%)",
    top: float | None = None,
    annotation: str | Sequence[str] | None = None,
    gray: pd.DataFrame | None = None,
    labels: Mapping[str, str] | None = None,
    colors: Mapping[str, str] | None = None,
    risk_style: RiskStyle = "at_risk",
    conf_band: bool = True,
    direct_labels: bool | None = None,
    stop_below: float = 0.05,
    width_mm: float = 115.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw cumulative incidence curves of one or more competing outcomes with their risk table.

    Several groups, or several outcomes, have a color and line style each. Several of both: the color is the
    group, the line style the outcome. The vertical axis starts at 0; where it ends below 100 % the figure
    says so. At risk means free of every event and not censored.

    Parameters
    ----------
    curve : DataFrame
        Tidy frame of ``cumulative_incidence``: ``time``, ``estimate`` and, as far as there are, ``outcome``,
        ``strata``, ``conf_low``, ``conf_high``, ``n_risk``. A first step (0, 0) is added where it is missing.
    risk_table : DataFrame, default=None
        Rows of ``at(times)``: ``strata``, ``outcome``, ``time``, ``n_risk``, and ``n_event``, ``n_censor``
        counted from time 0. None draws no table.
    ax : Axes, default=None
        Where to draw; its slot of the figure takes the table as well. None makes a new pyplot figure.
    outcomes : sequence of str, default=None
        Outcomes to draw, in order; all by default.
    times : array-like, default=None
        Ticks, in ``unit``; the times of the risk table by default. Those beyond the end of all curves are
        left out.
    unit, display_unit : {'days', 'weeks', 'months', 'years'}
        Unit of the frame, and the unit that the axis prints (the same by default).
    xlabel, ylabel : str
        Axis labels; the x label defaults to the unit.
    top : float, default=None
        End of the vertical axis, 0 to 1; by default the next round value above every upper limit drawn.
    annotation : str or sequence of str, default=None
        Further lines for a corner that no curve crosses.
    gray : DataFrame, default=None
        Rows of ``gray_test``: ``p_value`` and ``outcome``; printed with the outcome's name.
    labels, colors : mapping, default=None
        Text and color by value of ``strata`` or ``outcome``.
    risk_style : {'at_risk', 'at_risk_censored', 'at_risk_events', 'kmunicate'}, default='at_risk'
        Content of the risk table; ``kmunicate`` has a row of events per outcome.
    conf_band : bool, default=True
        Shade between the confidence limits.
    direct_labels : bool, default=None
        Names right of the curves' ends; None writes them where the risk table does not name every curve.
    stop_below : float, default=0.05
        Curves stop where fewer remain at risk: below 1 a share of the group, from 1 a number; 0 never stops.
        The share is lower than for survival, because the event itself takes patients out of the risk set.
    width_mm, height_mm : float
        Size of a new figure; the height follows the table's rows by default.

    Returns
    -------
    Axes
        With the curves as ``ax.lines`` of gid ``curve`` (data in ``unit``, probability 0 to 1).

    Raises
    ------
    CohortError
        When a column is missing, or the labels leave no room at this width.
    """
    curves.require_columns(curve, ["time", "estimate"], "the incidence curves")
    strata, shown = curves.keys_in(curve, "strata"), list(outcomes or curves.keys_in(curve, "outcome"))
    pairs = [(stratum, outcome) for outcome in shown for stratum in strata]
    time = time_axis(times, risk_table, float(curve["time"].max()), unit, display_unit, xlabel)
    drawn = [curves.steps(_rows(curve, pair), 0.0, stop_below, time.end) for pair in pairs]
    limit = top or _top(drawn, conf_band)
    groups = _curve_groups(strata, shown, labels, colors)
    blocks = curves.make_groups(strata, labels, colors)
    if len(shown) > 1:  # the line style means the outcome
        blocks = [replace(block, line_style="-") for block in blocks]
    table = None
    if risk_table is not None:
        table = RiskTable(risk_table, blocks, last_follow_up(curve, blocks), shown, risk_style, labels or {})
    named_by_table = table is not None and len(shown) == 1
    named = bool(groups[0].label) and not named_by_table
    figure = CurveFigure(
        groups,
        drawn,
        [],
        until_curves_end(time, drawn) if stop_below else time,
        limit,
        ylabel,
        table,
        named if direct_labels is None else direct_labels,
        _gray_lines(gray, shown, labels or {}) + text_lines(annotation),
        conf_band,
    )
    ax = figure.draw(ax, width_mm, height_mm)
    cut = [] if limit >= 1 else [f"The vertical axis ends at {100 * limit:g}%."]
    style.add_notes(ax, [*curve_notes(curve, stop_below, conf_band), *cut])
    return ax


def _rows(curve: pd.DataFrame, pair: tuple[str, str]) -> pd.DataFrame:
    rows = curves.rows_of(curves.rows_of(curve, "strata", pair[0]), "outcome", pair[1])
    if rows.empty:
        raise CohortError(
            "An outcome or group has no curve.",
            evidence=f"outcome {pair[1]!r}, group {pair[0]!r}",
            remedy="give outcomes= from the frame's outcome column",
        )
    return rows


def _top(drawn: Sequence[curves.Steps], conf_band: bool) -> float:
    arrays = [values for s in drawn for values in ((s.estimate, s.high) if conf_band else (s.estimate,))]
    highest = float(np.nanmax(np.concatenate(arrays)))
    return next(top for top in _NICE_TOPS if highest <= top + 1e-9)


def _curve_groups(
    strata: Sequence[str],
    outcomes: Sequence[str],
    labels: Mapping[str, str] | None,
    colors: Mapping[str, str] | None,
) -> list[curves.Group]:
    """Identity of each curve, outcomes outer and groups inner, as the pairs are ordered."""
    if len(outcomes) == 1:
        named = curves.make_groups(strata, labels, colors)
        alone = curves.make_groups(outcomes, labels, colors)[0].label
        return named if named[0].label else [replace(named[0], label=alone)]
    if len(strata) == 1:
        return curves.make_groups(outcomes, labels, colors)
    by_stratum, by_outcome = curves.make_groups(strata, labels, colors), curves.make_groups(outcomes, labels)
    return [
        replace(g, label=f"{o.label}, {g.label}", line_style=o.line_style)
        for o in by_outcome
        for g in by_stratum
    ]


def _gray_lines(
    gray: pd.DataFrame | None, outcomes: Sequence[str], labels: Mapping[str, str]
) -> list[tuple[str, str]]:
    if gray is None:
        return []
    curves.require_columns(gray, ["p_value"], "Gray's test")
    lines = []
    for outcome in outcomes:
        rows = curves.rows_of(gray, "outcome", outcome)
        if len(rows):
            name = labels.get(outcome, curves.readable(outcome))
            lines.append(
                (f"Gray P{p_value(float(rows['p_value'].iloc[0]))}{f' ({name})' if name else ''}", "#000000")
            )
    return lines
