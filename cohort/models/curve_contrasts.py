"""Differences and ratios between the curves of independent groups, each compared with the first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from cohort.errors import EstimationError
from cohort.models.curves import normal_limits

FloatArray = NDArray[np.float64]
Contrast = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray]]


def difference_rows(rows: pd.DataFrame, conf_level: float) -> pd.DataFrame:
    """Subtract from each group's estimate that of the first group, for the same outcome and time.

    Parameters
    ----------
    rows : DataFrame
        ``strata, outcome, time, estimate, std_error, reason``; groups are independent.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        ``term, outcome, time, estimate, std_error, statistic, p_value, conf_low, conf_high, reason``; Wald limits
        on the natural scale.
    """
    return _contrast(rows, conf_level, "-", _difference)


def ratio_rows(rows: pd.DataFrame, conf_level: float) -> pd.DataFrame:
    """Divide each group's estimate by that of the first group, for the same outcome and time.

    Parameters
    ----------
    rows : DataFrame
        As in :func:`difference_rows`.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        Columns as in :func:`difference_rows`. The estimate and its limits are ratios; the limits are symmetric, and
        the standard error and the statistic are taken, on the log scale.
    """
    out = _contrast(rows, conf_level, "/", _log_ratio)
    scaled = {name: np.exp(out[name]) for name in ("estimate", "conf_low", "conf_high")}
    return out.assign(**scaled)


def _difference(
    a: FloatArray, b: FloatArray, se_a: FloatArray, se_b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    return a - b, np.hypot(se_a, se_b)


def _log_ratio(
    a: FloatArray, b: FloatArray, se_a: FloatArray, se_b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the log ratio with its error by the delta method; missing where an estimate is 0."""
    a, b = np.where(a > 0, a, np.nan), np.where(b > 0, b, np.nan)
    return np.log(a) - np.log(b), np.hypot(se_a / a, se_b / b)


def _contrast(rows: pd.DataFrame, conf_level: float, sign: str, combine: Contrast) -> pd.DataFrame:
    groups = list(dict.fromkeys(rows["strata"]))
    if len(groups) < 2:
        raise EstimationError(
            "there is one group: nothing to compare", evidence=f"groups: {len(groups)}", remedy="write by="
        )
    first = rows[rows["strata"] == groups[0]]
    pairs = rows[rows["strata"] != groups[0]].merge(
        first, on=["outcome", "time"], how="left", suffixes=("", "_first"), validate="many_to_one"
    )
    columns = ("estimate", "estimate_first", "std_error", "std_error_first")
    estimate, std_error = combine(*(pairs[name].to_numpy(dtype=float) for name in columns))
    unknown = np.isnan(estimate) | ~(std_error > 0)
    known_error = np.where(unknown, np.nan, std_error)
    low, high = normal_limits(estimate, known_error, conf_level)
    statistic = estimate / known_error
    reason = pairs["reason"].where(pairs["reason"] != "", pairs["reason_first"])
    return pd.DataFrame(
        {
            "term": pairs["strata"] + f" {sign} {groups[0]}",
            "outcome": pairs["outcome"],
            "time": pairs["time"],
            "estimate": estimate,
            "std_error": std_error,
            "statistic": statistic,
            "p_value": 2 * ndtr(-np.abs(statistic)),
            "conf_low": low,
            "conf_high": high,
            "reason": np.where((reason == "") & unknown, "an estimate has no standard error", reason),
        }
    )
