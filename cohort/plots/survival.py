"""Survival curves with confidence bands, censoring marks and an aligned risk table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort import palette, style
from cohort.format import fixed, p_value
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


def plot_survival(
    curve: pd.DataFrame,
    *,
    risk_table: pd.DataFrame | None = None,
    ax: Axes | None = None,
    times: Times = None,
    unit: TimeUnit = "days",
    display_unit: TimeUnit | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    annotation: str | Sequence[str] | None = None,
    logrank_p: float | None = None,
    median: pd.DataFrame | None = None,
    labels: Mapping[str, str] | None = None,
    colors: Mapping[str, str] | None = None,
    risk_style: RiskStyle = "at_risk",
    censor_marks: bool = True,
    conf_band: bool = True,
    direct_labels: bool | None = None,
    rising: bool = False,
    stop_below: float = 0.1,
    width_mm: float = 115.0,
    height_mm: float | None = None,
) -> Axes:
    """Draw Kaplan-Meier curves with their risk table.

    The vertical axis is complete, 0 to 100 %. Each curve stops where few of its group remain at risk. Ticks
    of the axis are the columns of the risk table, each count centered under its tick; names stand left of
    time zero in the color and line style of their curve. Counts end at a group's last follow-up.

    Parameters
    ----------
    curve : DataFrame
        Tidy frame of ``kaplan_meier``: ``time``, ``estimate`` and, as far as there are, ``strata``,
        ``conf_low``, ``conf_high``, ``n_risk``, ``n_event``, ``n_censor``; one row per step. A first step
        (0, 1) is added where it is missing. Order of groups: categories, else order of appearance.
    risk_table : DataFrame, default=None
        Rows of ``at(times)``: ``strata``, ``time``, ``n_risk``, and ``n_event``, ``n_censor`` counted from
        time 0. None draws no table.
    ax : Axes, default=None
        Where to draw; its slot of the figure takes the table as well. None makes a new pyplot figure.
    times : array-like, default=None
        Ticks, in ``unit``; the times of the risk table by default. Those beyond the end of all curves are
        left out.
    unit, display_unit : {'days', 'weeks', 'months', 'years'}
        Unit of the frame, and the unit that the axis prints (the same by default).
    xlabel, ylabel : str
        Axis labels; by default the time with its unit, and the survival (or event) probability.
    annotation : str or sequence of str, default=None
        Further lines for the corner that no curve crosses.
    logrank_p : float, default=None
        P of the log-rank test, printed as it is.
    median : DataFrame, default=None
        Tidy frame of ``median()``: ``strata``, ``estimate``, ``conf_low``, ``conf_high`` in ``unit``; what is
        not reached prints NR.
    labels, colors : mapping, default=None
        Text and color by value of ``strata``.
    risk_style : {'at_risk', 'at_risk_censored', 'at_risk_events', 'kmunicate'}, default='at_risk'
        Content of the risk table; ``kmunicate`` has three rows per group (Morris et al. 2019).
    censor_marks : bool, default=True
        Short vertical marks where patients were censored.
    conf_band : bool, default=True
        Shade between the confidence limits.
    direct_labels : bool, default=None
        Names right of the curves' ends; None writes them only where no risk table names the groups.
    rising : bool, default=False
        Draw 1 minus survival.
    stop_below : float, default=0.1
        Curves stop where fewer remain at risk: below 1 a share of the group, from 1 a number; 0 never stops.
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
    curves.require_columns(curve, ["time", "estimate"], "the survival curves")
    groups = curves.make_groups(curves.keys_in(curve, "strata"), labels, colors)
    frames = [_oriented(curves.rows_of(curve, "strata", g.key), rising) for g in groups]
    last = last_follow_up(curve, groups)
    time = time_axis(times, risk_table, max(last.values()), unit, display_unit, xlabel)
    steps = [curves.steps(rows, 0.0 if rising else 1.0, stop_below, time.end) for rows in frames]
    table = None if risk_table is None else RiskTable(risk_table, groups, last, ("",), risk_style)
    named = table is None and bool(groups[0].label)
    figure = CurveFigure(
        groups,
        steps,
        frames if censor_marks else [],
        until_curves_end(time, steps) if stop_below else time,
        1.0,
        ylabel or ("Event probability (%)" if rising else "Survival probability (%)"),
        table,
        named if direct_labels is None else direct_labels,
        _lines(groups, annotation, logrank_p, median, display_unit or unit, time.factor),
        conf_band,
    )
    ax = figure.draw(ax, width_mm, height_mm)
    marks = ["Vertical marks are censored patients."] if censor_marks and "n_censor" in curve.columns else []
    style.add_notes(ax, [*curve_notes(curve, stop_below, conf_band), *marks])
    return ax


def _oriented(rows: pd.DataFrame, rising: bool) -> pd.DataFrame:
    if not rising:
        return rows
    limits = {
        new: 1 - rows[old]
        for new, old in (("conf_low", "conf_high"), ("conf_high", "conf_low"))
        if old in rows
    }
    return rows.assign(estimate=1 - rows["estimate"], **limits)


def _lines(
    groups: Sequence[curves.Group],
    annotation: str | Sequence[str] | None,
    logrank_p: float | None,
    median: pd.DataFrame | None,
    printed_unit: str,
    factor: float,
) -> list[tuple[str, str]]:
    lines = [] if logrank_p is None else [(f"Log-rank P{p_value(logrank_p)}", "#000000")]
    lines += text_lines(annotation)
    if median is None:
        return lines
    curves.require_columns(median, ["estimate", "conf_low", "conf_high"], "the medians")
    lines.append((f"Median, {printed_unit} (95% CI)", "#000000"))
    numbers = median[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)
    whole_days = printed_unit == "days" and not np.nan_to_num(numbers % 1).any()
    for group in groups:
        rows = curves.rows_of(median, "strata", group.key)
        if len(rows):
            values = [float(rows[c].iloc[0]) / factor for c in ("estimate", "conf_low", "conf_high")]
            lines.append(
                (
                    f"{group.label} {_median_text(values, 0 if whole_days else 1)}".strip(),
                    palette.text_color(group.color),
                )
            )
    return lines


def _median_text(values: Sequence[float], digits: int) -> str:
    texts = [fixed(v, digits) if np.isfinite(v) else "NR" for v in values]
    return f"{texts[0]} ({texts[1]}\N{EN DASH}{texts[2]})"
