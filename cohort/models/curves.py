"""What survival and incidence curves share: counts between times, tests as series, text, drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cohort.errors import EstimationError
from cohort.estimators.aalen_johansen import RiskTable
from cohort.estimators.logrank import KSampleTest
from cohort.estimators.restricted_mean import RestrictedMean
from cohort.format import fixed, interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.models.cumulative_incidence import CumulativeIncidence
    from cohort.models.kaplan_meier import KaplanMeier
    from cohort.plots.time_axis import TimeUnit
    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def counts_at(table: RiskTable, times: FloatArray | None) -> IntArray:
    """Count events of each state, and censorings, from one time (excluded) to the next (included).

    Parameters
    ----------
    table : RiskTable
        Counts at each distinct time.
    times : array of shape (n,) or None
        Times, ascending; None for those of the table.

    Returns
    -------
    array of shape (n, n_states + 1)
        Events by state, then censorings.
    """
    counts = np.column_stack([table.n_event, table.n_censor]).astype(np.int64)
    if times is None:
        return counts
    zero = np.zeros((1, counts.shape[1]), dtype=np.int64)
    total = np.vstack([zero, np.cumsum(counts, axis=0)])
    return np.asarray(np.diff(total[np.searchsorted(table.time, times, side="right")], axis=0, prepend=zero))


def counts_since_start(at: pd.DataFrame) -> pd.DataFrame:
    """Turn rows of ``at()`` into a risk table: events and censorings counted from time 0.

    Parameters
    ----------
    at : DataFrame
        Rows of ``at(times)``.

    Returns
    -------
    DataFrame
        ``strata, outcome, time, n_risk, n_event, n_censor``.
    """
    table = at[["strata", "outcome", "time", "n_risk", "n_event", "n_censor"]].copy()
    counts = ["n_event", "n_censor"]
    table[counts] = table.groupby(["strata", "outcome"], sort=False, observed=True)[counts].cumsum()
    return table


def excluded_rows(endpoint: Endpoint) -> tuple[tuple[str, str, int], ...]:
    """Return whom the endpoint left out, as (column, reason, number).

    Parameters
    ----------
    endpoint : Endpoint
        The endpoint.

    Returns
    -------
    tuple of (str, str, int)
        Reasons with a number above 0.
    """
    return tuple(("", reason, n) for reason, n in endpoint.excluded if n)


def count_patients(endpoint: Endpoint, rows: NDArray[np.intp]) -> int:
    """Count the patients behind rows of an endpoint; one with several rows counts once.

    Parameters
    ----------
    endpoint : Endpoint
        The endpoint.
    rows : array of shape (n,)
        Positions of rows.

    Returns
    -------
    int
        Patients.
    """
    return len(rows) if endpoint.subject is None else len(np.unique(endpoint.subject[rows]))


def normal_limits(
    estimate: FloatArray, std_error: FloatArray, conf_level: float
) -> tuple[FloatArray, FloatArray]:
    """Return limits estimate -/+ z standard errors.

    Parameters
    ----------
    estimate, std_error : array of shape (n,)
        Estimates with standard errors.
    conf_level : float
        Confidence level.

    Returns
    -------
    low, high : array of shape (n,)
        Limits.
    """
    z = ndtri(0.5 + conf_level / 2)
    return estimate - z * std_error, estimate + z * std_error


def check_times(times: ArrayLike) -> FloatArray:
    """Return times as distinct sorted numbers.

    Parameters
    ----------
    times : array-like
        Times.

    Returns
    -------
    array of shape (n_times,)
        The times.

    Raises
    ------
    EstimationError
        When a time is missing or not a number.
    """
    try:
        wanted = np.unique(np.atleast_1d(np.asarray(times, dtype=float)))
    except (TypeError, ValueError):
        wanted = np.array([np.nan])
    if np.isnan(wanted).any():
        raise EstimationError("times are not numbers", remedy="write at([100, 365]), in the endpoint's unit")
    return wanted


def check_horizon(tau: float) -> float:
    """Return a horizon when it is positive.

    Parameters
    ----------
    tau : float
        Horizon.

    Returns
    -------
    float
        The horizon.
    """
    if not tau > 0:
        raise EstimationError(
            "the horizon must be positive", evidence=f"tau={tau:g}", remedy="write it in the endpoint's unit"
        )
    return float(tau)


def restricted_mean_rows(
    strata: Sequence[str],
    outcome: Sequence[str],
    tau: float,
    means: Sequence[RestrictedMean],
    conf_level: float,
) -> pd.DataFrame:
    """Arrange restricted means as a tidy frame.

    Parameters
    ----------
    strata, outcome : sequence of str
        Group and event of each mean.
    tau : float
        Horizon.
    means : sequence of RestrictedMean
        Estimates with standard errors.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        ``strata, outcome, time, estimate, std_error, conf_low, conf_high, reason``; limits within 0 and tau.
    """
    estimate = np.array([m.estimate for m in means], dtype=float)
    std_error = np.array([m.std_error for m in means], dtype=float)
    low, high = normal_limits(estimate, std_error, conf_level)
    return pd.DataFrame(
        {
            "strata": list(strata),
            "outcome": list(outcome),
            "time": tau,
            "estimate": estimate,
            "std_error": std_error,
            "conf_low": np.maximum(low, 0.0),
            "conf_high": np.minimum(high, tau),
            "reason": [m.reason for m in means],
        }
    )


def as_series(test: KSampleTest) -> pd.Series:
    """Return a test as a series of ``statistic, df, p_value, reason``.

    Parameters
    ----------
    test : KSampleTest
        The test.

    Returns
    -------
    Series
        The four values.
    """
    return pd.Series(
        {"statistic": test.statistic, "df": test.df, "p_value": test.p_value, "reason": test.reason},
        dtype=object,
    )


def value_text(value: float, digits: int, missing: str) -> str:
    """Print a number, or a word where it is missing.

    Parameters
    ----------
    value : float
        The number.
    digits : int
        Decimals.
    missing : str
        What a missing value prints.

    Returns
    -------
    str
        The text.
    """
    return fixed(float(value), digits) if np.isfinite(value) else missing


def interval_text(low: float, high: float, digits: int, missing: str = "NE") -> str:
    """Print an interval; a missing limit prints as a word.

    Parameters
    ----------
    low, high : float
        Limits.
    digits : int
        Decimals.
    missing : str, default='NE'
        What a missing limit prints.

    Returns
    -------
    str
        The text.
    """
    if np.isfinite(low) and np.isfinite(high):
        return interval(float(low), float(high), digits)
    return f"{value_text(low, digits, missing)} to {value_text(high, digits, missing)}"


def draw_survival(result: KaplanMeier, ax: Axes | None, risk_table: bool, times: ArrayLike | None) -> Axes:
    """Draw survival curves from their tidy frame.

    Parameters
    ----------
    result : KaplanMeier
        The result.
    ax : Axes or None
        Where to draw; None makes a figure.
    risk_table : bool
        Whether numbers at risk stand below.
    times : array-like or None
        Ticks of the axis.

    Returns
    -------
    Axes
        The axes.
    """
    from cohort.plots.survival import plot_survival

    ticks, printed = axis_ticks(times, max(g.table.last_time for g in result.groups), result.unit)
    return plot_survival(
        result.tidy(),
        risk_table=result.counts(ticks) if risk_table else None,
        ax=ax,
        times=ticks,
        unit=cast("TimeUnit", result.unit),
        display_unit=printed,
        logrank_p=None if result.test.reason else result.test.p_value,
        median=result.median(),
    )


def draw_incidence(
    result: CumulativeIncidence, ax: Axes | None, risk_table: bool, times: ArrayLike | None
) -> Axes:
    """Draw cumulative incidence curves from their tidy frame.

    Parameters
    ----------
    result : CumulativeIncidence
        The result.
    ax : Axes or None
        Where to draw; None makes a figure.
    risk_table : bool
        Whether numbers at risk stand below.
    times : array-like or None
        Ticks of the axis.

    Returns
    -------
    Axes
        The axes.
    """
    from cohort.plots.incidence import plot_incidence

    ticks, printed = axis_ticks(times, max(g.table.last_time for g in result.groups), result.unit)
    gray = result.gray_test
    return plot_incidence(
        result.tidy(),
        risk_table=result.counts(ticks) if risk_table else None,
        ax=ax,
        times=ticks,
        unit=cast("TimeUnit", result.unit),
        display_unit=printed,
        gray=gray[gray["reason"] == ""] if len(result.groups) > 1 else None,
    )


def axis_ticks(times: ArrayLike | None, last: float, unit: str) -> tuple[FloatArray, TimeUnit]:
    """Return ticks in the unit of the data, and the unit to print: a long follow-up in days prints months.

    Parameters
    ----------
    times : array-like or None
        Ticks asked for.
    last : float
        End of follow-up.
    unit : str
        Unit of the data.

    Returns
    -------
    ticks : array of shape (n,)
        Ticks.
    unit : str
        Unit to print.
    """
    from cohort.plots.time_axis import follow_up_ticks, readable_unit, units_ratio

    own = cast("TimeUnit", unit)
    units_ratio(own, None)  # refuses a unit that no axis can print
    if times is not None:
        return np.unique(np.asarray(times, dtype=float)), own
    printed = readable_unit(last, own)
    ticks = follow_up_ticks(last, unit=own, display_unit=printed)
    return (ticks if len(ticks) > 1 else np.array([0.0, last])), printed
