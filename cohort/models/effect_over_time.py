"""What a Cox model with time effects says: the hazard ratio at given times, its test, and its figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from cohort.errors import EstimationError
from cohort.models.curves import check_times
from cohort.models.predicted import check_level
from cohort.models.result import wald
from cohort.models.time_effects import TimeEffect

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.models.cox_result import CoxRegression

FloatArray = NDArray[np.float64]
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
_POINTS = 60


def effect_rows(
    fit: CoxRegression,
    times: ArrayLike | None,
    term: str | None,
    conf_level: float | None,
    exponentiate: bool,
) -> pd.DataFrame:
    """Return hazard ratios at times; see `CoxRegression.time_effect`."""
    level = check_level(conf_level, fit.conf_level)
    event_times = _event_times(fit)
    blocks = []
    for effect in _chosen(fit, term):
        steps = effect.kind == "piecewise" and times is None
        if steps:
            low = np.array([0.0, *effect.points])
            at = np.array([*effect.points, event_times[-1]])
        else:
            low, at = None, _given_times(fit, times)
        for category in _categories(fit, effect):
            frame = _rows(fit, effect, category, at, level, exponentiate)
            if low is not None:
                frame.insert(2, "time_low", low)
            blocks.append(frame)
    return pd.concat(blocks, ignore_index=True)


def effect_tests(fit: CoxRegression) -> pd.DataFrame:
    """Test that coefficients do not change with time; see `CoxRegression.time_effect_tests`."""
    rows = []
    for effect in _chosen(fit, None):
        L = _contrasts(fit, effect)
        estimate, covariance = L @ fit.fit.coefficients, L @ fit.fit.covariance @ L.T
        statistic = float(estimate @ np.linalg.pinv(covariance, hermitian=True) @ estimate)
        df = len(L)
        rows.append((effect.term, statistic, df, float(stats.chi2.sf(statistic, df))))
    return pd.DataFrame(rows, columns=["term", "statistic", "df", "p_value"])


def draw_effect(fit: CoxRegression, term: str | None, ax: Axes | None) -> Axes:
    """Draw the hazard ratio over time; see `CoxRegression.plot_time_effect`."""
    from cohort.plots.effect_course import plot_effect_course

    times = _event_times(fit)
    chosen = _chosen(fit, term)
    if len(chosen) > 1:
        raise EstimationError(
            "one term has to be chosen",
            evidence=f"terms with time effects: {', '.join(effect.term for effect in chosen)}",
            remedy=f'write term="{chosen[0].term}"',
        )
    effect = chosen[0]
    if effect.kind == "piecewise":
        frame = fit.time_effect(term=effect.term, exponentiate=True)
    else:
        first, last = float(times[0]), float(times[-1])
        grid = np.geomspace(first, last, _POINTS) if first > 0 else np.linspace(first, last, _POINTS)
        grid[0], grid[-1] = first, last
        frame = fit.time_effect(grid, effect.term, exponentiate=True)
    names = [f"{effect.term}: {level}" if level else "" for level in frame["level"]]
    ratio = fit.measure.capitalize()
    return plot_effect_course(
        frame.assign(strata=names),
        ylabel=f"{ratio} of {effect.term.replace('_', ' ')}",
        xlabel=f"Time ({fit.unit})",
        ax=ax,
    )


def _event_times(fit: CoxRegression) -> FloatArray:
    base = fit.fit.baseline
    return np.unique(base.time[base.n_event > 0])


def _given_times(fit: CoxRegression, times: ArrayLike | None) -> FloatArray:
    """Return the times asked for, or those by which a tenth to nine tenths of the events had happened."""
    if times is not None:
        return check_times(times)
    base = fit.fit.baseline
    order = np.argsort(base.time, kind="stable")
    share = np.cumsum(base.n_event[order]) / base.n_event.sum()
    return np.unique(base.time[order][np.searchsorted(share, np.array(_SHARES) - 1e-12)])


def _chosen(fit: CoxRegression, term: str | None) -> list[TimeEffect]:
    known = [effect.term for effect in fit.time_effects]
    found = [effect for effect in fit.time_effects if term in (None, effect.term)]
    if found:
        return found
    raise EstimationError(
        "no coefficient of this model changes with time"
        if not known
        else f"the coefficients of {term} do not change with time",
        evidence=f"terms with time effects: {', '.join(known) or 'none'}",
        remedy='fit with time_effects={"age_years": "log"}' if not known else f'write term="{known[0]}"',
    )


def _categories(fit: CoxRegression, effect: TimeEffect) -> list[str]:
    """Return the categories of a term, ``[""]`` for a number."""
    first = f"{effect.term}:{effect.labels[0]}"
    return [level for own, level in zip(fit.terms, fit.levels, strict=True) if own == first]


def _position(fit: CoxRegression, term: str, category: str) -> int:
    return next(j for j, own in enumerate(zip(fit.terms, fit.levels, strict=True)) if own == (term, category))


def _rows(
    fit: CoxRegression,
    effect: TimeEffect,
    category: str,
    at: FloatArray,
    conf_level: float,
    exponentiate: bool,
) -> pd.DataFrame:
    """Evaluate beta(t) = beta + sum of theta_k g_k(t), or the coefficient of its interval."""
    C = np.zeros((len(at), len(fit.terms)))
    if effect.kind != "piecewise":
        C[:, _position(fit, effect.term, category)] = 1.0
    columns = [_position(fit, f"{effect.term}:{label}", category) for label in effect.labels]
    with np.errstate(divide="ignore", invalid="ignore"):
        C[:, columns] = effect.functions(at)
    if not np.isfinite(C).all():
        raise EstimationError(
            f"the effect of {effect.term} has no value at time zero or before",
            evidence=f"it changes with the {effect.kind} of time",
            remedy="write times above zero",
        )
    estimate = C @ fit.fit.coefficients
    error = np.sqrt(np.einsum("ij,jk,ik->i", C, fit.fit.covariance, C))
    low, high, statistic, p = wald(estimate, error, conf_level)
    scale = np.exp if exponentiate else np.asarray
    return pd.DataFrame(
        {
            "term": effect.term,
            "level": category,
            "time": at,
            "estimate": scale(estimate),
            "std_error": error,
            "statistic": statistic,
            "p_value": p,
            "conf_low": scale(low),
            "conf_high": scale(high),
        }
    )


def _contrasts(fit: CoxRegression, effect: TimeEffect) -> FloatArray:
    """Return the contrasts that are zero when an effect is constant."""
    rows = []
    for category in _categories(fit, effect):
        columns = [_position(fit, f"{effect.term}:{label}", category) for label in effect.labels]
        L = np.eye(len(fit.terms))[columns]
        rows.append(L[1:] - L[0] if effect.kind == "piecewise" else L)
    return np.concatenate(rows)
