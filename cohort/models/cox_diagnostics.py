"""Residuals of a Cox model as frames, and the figure of proportional hazards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cohort.errors import EstimationError
from cohort.estimators.cox_residuals import (
    deviance_residuals,
    martingale_residuals,
    schoenfeld_residuals,
    score_rows,
)
from cohort.estimators.natural_spline import smooth
from cohort.estimators.proportional_hazards import TRANSFORMS, Transform, transformed_times
from cohort.models.predicted import unknown_kind
from cohort.models.taken_again import TakenAgain, take_again

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.models.cox_result import CoxRegression
    from cohort.study.endpoints import Endpoint

Residual = Literal["martingale", "deviance", "score", "dfbeta", "schoenfeld", "scaled_schoenfeld"]
RESIDUALS: tuple[Residual, ...] = (
    "martingale",
    "deviance",
    "score",
    "dfbeta",
    "schoenfeld",
    "scaled_schoenfeld",
)


def residual_frame(
    fit: CoxRegression, endpoint: Endpoint, kind: Residual, data: pd.DataFrame | None
) -> pd.DataFrame:
    """Compute residuals; see `CoxRegression.residuals`."""
    if kind not in RESIDUALS:
        raise unknown_kind(kind, RESIDUALS)
    again = take_again(fit, endpoint, data)
    index, weight = again.arrays.design.index, again.arrays.weight
    columns = coefficient_names(fit.terms, fit.levels)
    if kind in ("schoenfeld", "scaled_schoenfeld"):
        rows, values = _schoenfeld(fit, again, kind)
        frame = pd.DataFrame(values, index=index[rows], columns=columns)
        frame.insert(0, "time", again.arrays.stop[rows])
        return frame
    if kind in ("martingale", "deviance"):
        values = martingale_residuals(again.problem, again.state)
        values = values if kind == "martingale" else deviance_residuals(values, again.arrays.event)
        frame = pd.DataFrame({kind: values}, index=index)
    else:
        values = score_rows(again.problem, again.state, weighted=kind == "dfbeta")
        values = values @ fit.fit.model_covariance if kind == "dfbeta" else values
        frame = pd.DataFrame(values, index=index, columns=columns)
    return frame if weight is None else frame.where(pd.Series(weight > 0, index=index), axis=0)


def proportional_hazards_frame(fit: CoxRegression, transform: Transform) -> pd.DataFrame:
    """Test proportional hazards; see `CoxRegression.check_proportional_hazards`."""
    tests = fit.fit.proportional_hazards
    if transform not in TRANSFORMS:
        raise EstimationError(
            f"transform={transform!r} is unknown", remedy=f"write one of {', '.join(TRANSFORMS)}"
        )
    if transform not in tests:
        raise EstimationError(
            f"proportional hazards cannot be tested with transform={transform!r}",
            evidence=f"penalty {fit.penalty}" if fit.penalty else "an event at time zero or before",
            remedy="fit without penalty to test" if fit.penalty else 'write transform="km"',
        )
    test = tests[transform]
    if np.isnan(test.statistic[-1]):
        raise EstimationError(
            "proportional hazards cannot be tested: too little is left beside the estimates",
            evidence=f"{fit.fit.n_event} events at {len(np.unique(fit.fit.baseline.time))} different times, "
            f"{len(fit.terms)} coefficients",
            remedy="describe the curves with kaplan_meier(by=) instead",
        )
    return pd.DataFrame(
        {
            "term": [*dict.fromkeys(fit.terms), "GLOBAL"],
            "statistic": test.statistic,
            "df": test.df.astype(int),
            "p_value": test.p_value,
        }
    )


def _schoenfeld(fit: CoxRegression, again: TakenAgain, kind: str) -> tuple[np.ndarray, np.ndarray]:
    rows, values = schoenfeld_residuals(again.problem, again.state)
    if kind == "schoenfeld":
        return rows, values
    # Grambsch and Therneau (1994): the mean over time of b + E V r is the estimate, its course that of b(t).
    return rows, values @ fit.fit.model_covariance * len(rows) + fit.fit.coefficients


def coefficient_names(terms: Sequence[str], levels: Sequence[str]) -> list[str]:
    """Name coefficients as ``text`` does: the term, or ``term[level]``."""
    return [f"{term}[{level}]" if level else term for term, level in zip(terms, levels, strict=True)]


def position_of(fit: CoxRegression, term: str | None) -> int:
    """Find the coefficient that a term, or ``term[level]``, names."""
    names = coefficient_names(fit.terms, fit.levels)
    found = [
        j
        for j, name in enumerate(names)
        if term in (name, fit.terms[j]) or (term is None and len(names) == 1)
    ]
    if len(found) == 1:
        return found[0]
    raise EstimationError(
        "one coefficient has to be chosen"
        if term is None or found
        else f"term {term!r} is not in this result",
        evidence=f"terms: {', '.join(names)}",
        remedy=f'write term="{names[0]}", or another of them',
    )


def draw_proportional_hazards(
    fit: CoxRegression,
    endpoint: Endpoint,
    term: str | None,
    data: pd.DataFrame | None,
    transform: Transform,
    ax: Axes | None,
) -> Axes:
    """Draw scaled Schoenfeld residuals over time; see `CoxRegression.plot_proportional_hazards`."""
    from cohort.plots.hazard_course import plot_hazard_course

    if transform not in TRANSFORMS:
        raise EstimationError(
            f"transform={transform!r} is unknown", remedy=f"write one of {', '.join(TRANSFORMS)}"
        )
    j = position_of(fit, term)
    again = take_again(fit, endpoint, data)
    arrays, problem = again.arrays, again.problem
    if transform == "log" and problem.sets.time.min() <= 0:
        raise EstimationError("an event at time zero has no logarithm", remedy='write transform="km"')
    rows, values = _schoenfeld(fit, again, "scaled_schoenfeld")
    g = transformed_times(transform, problem, arrays.start, arrays.stop, arrays.event)
    order = np.argsort(problem.sets.time, kind="stable")
    time = arrays.stop[rows]
    x = np.interp(time, problem.sets.time[order], g[order])
    curve = smooth(x, values[:, j])
    variance = float(fit.fit.model_covariance[j, j]) * len(rows)
    half = ndtri(0.5 + fit.conf_level / 2) * np.sqrt(variance * curve.leverage)
    points = pd.DataFrame({"time": time, "position": x, "estimate": values[:, j]})
    line = pd.DataFrame(
        {
            "position": curve.at,
            "estimate": curve.estimate,
            "conf_low": curve.estimate - half,
            "conf_high": curve.estimate + half,
        }
    )
    name = coefficient_names(fit.terms, fit.levels)[j]
    return plot_hazard_course(
        points,
        line,
        constant=float(fit.fit.coefficients[j]),
        ylabel=f"Log {fit.measure} of {name} at time t",
        xlabel=f"Time ({fit.unit})",
        ax=ax,
    )
