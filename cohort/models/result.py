"""The convention every result follows, and the tidy table that regressions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cohort.errors import EstimationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]


@runtime_checkable
class Result(Protocol):
    """What every estimand returns: a frozen dataclass with these methods, and never the patients' frame."""

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per estimate; columns only from the glossary."""

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole fit; columns only from the glossary."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the estimates."""

    def text(self, term: str) -> str:
        """Return the sentence fragment for a manuscript."""

    def _repr_html_(self) -> str:
        """Return what notebooks show."""


def check_conf_level(conf_level: float) -> float:
    """Return the confidence level when it lies strictly between 0 and 1."""
    if not 0 < conf_level < 1:
        raise EstimationError(
            "the confidence level is not between 0 and 1",
            evidence=f"conf_level={conf_level!r}",
            remedy="write 0.95",
        )
    return float(conf_level)


def tidy_regression(
    terms: Sequence[str],
    levels: Sequence[str],
    estimate: FloatArray,
    std_error: FloatArray,
    conf_low: FloatArray,
    conf_high: FloatArray,
    p_value: FloatArray,
    statistic: FloatArray,
    *,
    exponentiate: bool = False,
) -> pd.DataFrame:
    """Arrange regression estimates as a tidy frame.

    Parameters
    ----------
    terms, levels : sequence of str
        Term as written, and category, of each coefficient.
    estimate, std_error, conf_low, conf_high, p_value, statistic : array of shape (p,)
        On the log scale.
    exponentiate : bool, default=False
        Whether the estimate and its limits are exponentiated (the standard error stays on the log scale).

    Returns
    -------
    DataFrame
        Columns ``term, level, estimate, std_error, statistic, p_value, conf_low, conf_high``.
    """
    # An unbounded limit (monotone likelihood) becomes infinite, as it should.
    with np.errstate(over="ignore"):
        scaled = [np.exp(v) if exponentiate else np.asarray(v) for v in (estimate, conf_low, conf_high)]
    return pd.DataFrame(
        {
            "term": list(terms),
            "level": list(levels),
            "estimate": scaled[0],
            "std_error": std_error,
            "statistic": statistic,
            "p_value": p_value,
            "conf_low": scaled[1],
            "conf_high": scaled[2],
        }
    )


def wald(
    estimate: FloatArray, std_error: FloatArray, conf_level: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Compute Wald limits, statistics (z) and two-sided p-values.

    Parameters
    ----------
    estimate, std_error : array of shape (p,)
        Estimates, with standard errors on the same scale.
    conf_level : float
        Confidence level of the limits.

    Returns
    -------
    conf_low, conf_high, statistic, p_value : array of shape (p,)
        NaN where the standard error is zero or missing.
    """
    z = stats.norm.isf((1 - check_conf_level(conf_level)) / 2)
    se = np.where(std_error > 0, std_error, np.nan)
    statistic = np.asarray(estimate / se)
    return estimate - z * se, estimate + z * se, statistic, np.asarray(2 * stats.norm.sf(np.abs(statistic)))


def row_of_term(tidy: pd.DataFrame, term: str) -> pd.Series:
    """Find the one row of a tidy frame that a term, or ``term[level]``, names."""
    level = tidy["level"] if "level" in tidy else pd.Series("", index=tidy.index)
    full = tidy["term"].where(level == "", tidy["term"] + "[" + level.astype(str) + "]")
    found = tidy[(tidy["term"] == term) | (full == term)]
    if len(found) == 1:
        return found.iloc[0]
    problem = f"term {term!r} is not in this result" if found.empty else f"term {term!r} has several levels"
    raise EstimationError(problem, evidence=f"terms: {', '.join(full)}", remedy="write one of these terms")
