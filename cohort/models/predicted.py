"""Survival, cumulative hazard, incidence and relative risk of given patients, from a fitted model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cohort.errors import CompetingRiskError, EstimationError, ImmortalTimeError
from cohort.estimators.kaplan_meier import ConfType, probability_limits
from cohort.estimators.predicted_hazard import predicted_hazard
from cohort.models.curves import check_times
from cohort.models.new_patients import NewRows, take_new_rows
from cohort.models.result import check_conf_level
from cohort.study.guards import acknowledged_guards

if TYPE_CHECKING:
    from cohort.models.cox_result import CoxRegression
    from cohort.models.fine_gray_result import FineGray

FloatArray = NDArray[np.float64]
Prediction = Literal["survival", "cumulative_hazard", "linear_predictor", "relative_risk"]
IncidencePrediction = Literal["incidence", "linear_predictor", "relative_risk"]
_CONF_TYPES = ("log-log", "log", "plain")
_LIMITS = ("std_error", "conf_low", "conf_high")


def predict_survival(
    fit: CoxRegression,
    new_data: pd.DataFrame,
    times: ArrayLike | None,
    kind: Prediction,
    conf_type: ConfType,
    conf_level: float,
    acknowledge: str | Iterable[str],
) -> pd.DataFrame:
    """Predict survival or the cumulative hazard of new patients; see `CoxRegression.predict`."""
    _refuse(fit, kind, acknowledge)
    if conf_type not in _CONF_TYPES:
        raise EstimationError(
            f"conf_type={conf_type!r} is unknown", remedy=f"write one of {', '.join(_CONF_TYPES)}"
        )
    rows = take_new_rows(fit, new_data)
    base, wanted = fit.fit.baseline, None if times is None else check_times(times)
    blocks = []
    for code in np.unique(rows.stratum).tolist():
        at = base.time[base.stratum == code] if wanted is None else wanted
        mine = np.flatnonzero(rows.stratum == code)
        offset = None if rows.offset is None else rows.offset[mine]
        hazard, error = predicted_hazard(
            base,
            fit.fit.coefficients,
            fit.fit.covariance,
            rows.X[mine],
            at,
            offset,
            np.full(len(mine), code),
        )
        last = float(base.last_time[code])
        for k, row in enumerate(mine.tolist()):
            frame = _curve(hazard[k], error[k], at, last, kind, conf_type, conf_level)
            blocks.append((int(rows.position[row]), frame))
    return _in_order(rows, blocks, fit.outcome)


def predict_incidence(fit: FineGray, new_data: pd.DataFrame, times: ArrayLike | None) -> pd.DataFrame:
    """Predict the cumulative incidence of new patients; see `FineGray.predict`."""
    rows = take_new_rows(fit, new_data)
    base, wanted = fit.fit.baseline, None if times is None else check_times(times)
    blocks = []
    for row in range(len(rows.X)):
        code = int(rows.stratum[row])
        at = base.time[base.stratum == code] if wanted is None else wanted
        one = slice(row, row + 1)
        offset = None if rows.offset is None else rows.offset[one]
        hazard, _ = predicted_hazard(
            base, fit.fit.coefficients, fit.fit.covariance, rows.X[one], at, offset, rows.stratum[one]
        )
        beyond = at > base.last_time[code]
        estimate = np.where(beyond, np.nan, -np.expm1(-hazard[0]))
        reason = np.where(beyond, f"follow-up ends at {base.last_time[code]:g}", "")
        frame = pd.DataFrame({"time": at, "estimate": estimate, "reason": reason})
        blocks.append((int(rows.position[row]), frame))
    return _in_order(rows, blocks, fit.outcome).drop(columns=list(_LIMITS), errors="ignore")


def predict_risk(
    fit: CoxRegression | FineGray,
    new_data: pd.DataFrame,
    reference: Mapping[str, object] | None,
    conf_level: float,
    exponentiate: bool,
) -> pd.DataFrame:
    """Predict linear predictors, or ratios, against one patient; see `CoxRegression.predict`."""
    rows = take_new_rows(fit, new_data, stratified=False)
    origin = np.zeros(rows.X.shape[1])
    origin_offset = 0.0
    if reference is not None:
        other = take_new_rows(fit, pd.DataFrame([dict(reference)]), stratified=False)
        if not len(other.X):
            raise EstimationError(
                "the reference patient lacks a covariate",
                evidence=f"columns of the formula: {', '.join(fit.coding.levels)}",
                remedy="give a value for each of them in reference=",
            )
        origin = other.X[0]
        origin_offset = 0.0 if other.offset is None else float(other.offset[0])
    d = rows.X - origin
    eta = d @ fit.fit.coefficients + (0.0 if rows.offset is None else rows.offset - origin_offset)
    error = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", d, fit.fit.covariance, d), 0.0))
    z = ndtri(0.5 + conf_level / 2)
    scale = np.exp if exponentiate else np.asarray
    with np.errstate(over="ignore"):
        values = [scale(eta), error, scale(eta - z * error), scale(eta + z * error)]
    table = np.full((len(new_data), 4), np.nan)
    table[rows.position] = np.column_stack(values)
    frame = pd.DataFrame(table, columns=["estimate", *_LIMITS])
    frame.insert(0, "strata", [str(label) for label in new_data.index])
    frame.insert(1, "outcome", fit.outcome)
    return frame.assign(reason=rows.reason)


def _refuse(fit: CoxRegression, kind: str, acknowledge: str | Iterable[str]) -> None:
    acknowledged = acknowledged_guards(acknowledge)
    if fit.recipe.time_dependent and ImmortalTimeError.guard not in acknowledged:
        names = ", ".join(fit.recipe.time_dependent)
        raise ImmortalTimeError(
            f"a curve would hold {names} at one value from the origin on, though it changes with time",
            evidence=f"time-dependent covariates: {names}",
            remedy='predict from a landmark, or write acknowledge="immortal_time" for such a hypothetical curve',
        )
    competes = fit.measure != "hazard ratio"
    if competes and kind == "survival" and CompetingRiskError.guard not in acknowledged:
        raise CompetingRiskError(
            f"1 - survival is not the probability of {fit.outcome}, because other events compete with it",
            evidence="the fit is of a cause-specific hazard",
            remedy="use co.standardized_curves with the fits of all events, or fine_gray(...).predict; "
            'kind="cumulative_hazard" is what this fit can tell',
        )


def _curve(
    hazard: FloatArray,
    error: FloatArray,
    times: FloatArray,
    last: float,
    kind: str,
    conf_type: ConfType,
    conf_level: float,
) -> pd.DataFrame:
    """Arrange one patient's curve; limits of the hazard are those of survival, transformed."""
    survival = np.exp(-hazard)
    std_error = survival * error
    low, high = probability_limits(survival, std_error, conf_type, conf_level)
    none_yet = hazard == 0
    low, high = np.where(none_yet, 1.0, low), np.where(none_yet, 1.0, high)
    values = [survival, std_error, low, high]
    if kind == "cumulative_hazard":
        with np.errstate(divide="ignore"):
            values = [hazard, error, np.abs(-np.log(high)), -np.log(low)]
    beyond = times > last
    columns = {
        name: np.where(beyond, np.nan, value)
        for name, value in zip(("estimate", *_LIMITS), values, strict=True)
    }
    reason = np.where(beyond, f"follow-up ends at {last:g}", "")
    return pd.DataFrame({"time": times, **columns, "reason": reason})


def _in_order(rows: NewRows, blocks: list[tuple[int, pd.DataFrame]], outcome: str) -> pd.DataFrame:
    """Put curves in the order of the new rows; a patient who is left out has one row with the reason."""
    known = dict(blocks)
    parts = []
    for position, (label, reason) in enumerate(zip(rows.labels, rows.reason, strict=True)):
        gone = {
            "time": [np.nan],
            "estimate": [np.nan],
            **{name: [np.nan] for name in _LIMITS},
            "reason": reason,
        }
        frame = known.get(position, pd.DataFrame(gone) if reason else None)
        if frame is not None:
            parts.append(frame.assign(strata=label, outcome=outcome))
    out = pd.concat(parts, ignore_index=True)
    return out[["strata", "outcome", *(name for name in out.columns if name not in ("strata", "outcome"))]]


def check_level(conf_level: float | None, own: float) -> float:
    """Return the confidence level asked for, or that of the fit."""
    return own if conf_level is None else check_conf_level(conf_level)


def unknown_kind(kind: str, known: Sequence[str]) -> EstimationError:
    """Return the error for a kind of prediction or residual there is not."""
    return EstimationError(f"kind={kind!r} is unknown", remedy=f"write one of {', '.join(known)}")
