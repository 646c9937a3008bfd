"""The measures of calibration: ratio, intercept, slope, smooth curve, and the observed risk of groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.aalen_johansen import aalen_johansen, risk_table
from cohort.estimators.calibration_fit import (
    KNOTS,
    LinkFit,
    cloglog,
    fit_cloglog,
    inverse_cloglog,
    spline_basis,
)
from cohort.estimators.pseudo_values import pseudo_values
from cohort.models.incidence_rows import IncidenceGroup
from cohort.models.prediction_inputs import JudgedPatients

FloatArray = NDArray[np.float64]
RATIO, INTERCEPT, SLOPE = "observed_expected_ratio", "calibration_intercept", "calibration_slope"
_NO_FIT = "the regression on the predicted risks has no solution"
DISTANCES = ("mean_absolute_error", "median_absolute_error", "p90_absolute_error")


def risk_groups(predicted: FloatArray, groups: int) -> tuple[NDArray[np.int64], list[str]]:
    """Cut predictions at their quantiles, as R ``cut(quantile())`` closed on the right."""
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, groups + 1)))
    if len(edges) < 2:
        return np.zeros(len(predicted), dtype=np.int64), [f"{predicted[0]:.3g}"]
    codes = np.searchsorted(edges[1:-1], predicted, "left")
    used, compact = np.unique(codes, return_inverse=True)
    return compact.astype(np.int64), [f"{edges[k]:.3g}-{edges[k + 1]:.3g}" for k in used]


def group_incidence(
    name: str, patients: JudgedPatients, mine: NDArray[np.bool_], n_states: int
) -> IncidenceGroup:
    """Return the observed incidence of some patients."""
    stop = patients.stop[mine]
    table = risk_table(np.zeros(len(stop)), stop, patients.event[mine], n_states, None)
    return IncidenceGroup(name, table, aalen_johansen(table, "greenwood"))


def smooth_columns(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Return the columns of the smooth curve: ones, and the spline."""
    return np.column_stack([np.ones(len(x)), spline_basis(x, knots)])


def calibration_measures(
    patients: JudgedPatients, predicted: FloatArray, horizon: float, everyone: IncidenceGroup, mean: float
) -> tuple[pd.DataFrame, FloatArray, LinkFit | None]:
    """Return the measures, and the smooth curve with its knots.

    Parameters
    ----------
    patients : JudgedPatients
        Follow-up.
    predicted : array of shape (n,)
        Predicted risks.
    horizon : float
        The time.
    everyone : IncidenceGroup
        Incidence of all patients.
    mean : float
        Mean predicted risk.

    Returns
    -------
    frame : DataFrame
        ``term, estimate, std_error, reason``.
    knots : array of shape (3,)
        Knots of the smooth curve.
    smooth : LinkFit or None
        The smooth curve; None where it cannot be fitted.
    """
    position = np.searchsorted(everyone.curve.time, horizon, "right") - 1
    state = patients.code - 1
    share = everyone.curve.incidence[position, state]
    error = everyone.curve.incidence_std_error[position, state]
    rows = (
        [(RATIO, share / mean, error / share, "")]
        if mean > 0
        else [(RATIO, np.nan, np.nan, "all risks are 0")]
    )
    knots, why = np.full(len(KNOTS), np.nan), ""
    if ((predicted <= 0) | (predicted >= 1)).any():
        why = "a predicted risk of 0 or 1 has no complementary log-log"
    elif np.ptp(predicted) == 0:
        why = "all predicted risks are the same"
    if why:
        return _frame([*rows, *_missing((INTERCEPT, SLOPE, *DISTANCES), why)]), knots, None
    pseudo, x = pseudo_values(patients.stop, patients.event, patients.code, horizon), cloglog(predicted)
    ones = np.ones((len(x), 1))
    shift = _fit(ones, pseudo, np.zeros(1), x)
    rows += _row(INTERCEPT, shift, 0)
    line = _fit(np.column_stack([ones, x]), pseudo, np.array([0.0, 1.0]))
    rows += _row(SLOPE, line, 1)
    knots = np.quantile(x, KNOTS)
    if line is None or (np.diff(knots) <= 0).any() or len(np.unique(predicted)) < 4:
        return (
            _frame([*rows, *_missing(DISTANCES, "too few different predicted risks for a smooth curve")]),
            knots,
            None,
        )
    X = smooth_columns(x, knots)
    smooth = _fit(X, pseudo, np.append(line.estimate, 0.0))
    if smooth is None:
        return _frame([*rows, *_missing(DISTANCES, _NO_FIT)]), knots, None
    off = np.abs(inverse_cloglog(X @ smooth.estimate) - predicted)
    sizes = (float(off.mean()), *np.quantile(off, [0.5, 0.9]).tolist())
    rows += [(term, size, np.nan, "") for term, size in zip(DISTANCES, sizes, strict=True)]
    return _frame(rows), knots, smooth


def _fit(
    X: FloatArray, pseudo: FloatArray, start: FloatArray, offset: FloatArray | float = 0.0
) -> LinkFit | None:
    try:
        return fit_cloglog(X, pseudo, start, offset)
    except EstimationError:
        return None


def _row(term: str, fit: LinkFit | None, column: int) -> list[tuple[str, float, float, str]]:
    if fit is None:
        return _missing((term,), _NO_FIT)
    return [(term, float(fit.estimate[column]), float(np.sqrt(fit.covariance[column, column])), "")]


def _missing(terms: Sequence[str], why: str) -> list[tuple[str, float, float, str]]:
    return [(term, np.nan, np.nan, why) for term in terms]


def _frame(rows: list[tuple[str, float, float, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["term", "estimate", "std_error", "reason"])
