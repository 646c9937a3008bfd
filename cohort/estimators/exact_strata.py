"""Exact inference on a common odds ratio: all margins of all strata held fixed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from cohort.estimators.contingency import Measure
from cohort.estimators.exact_tables import TIE, conditional_limits

FloatArray = NDArray[np.float64]
MAX_STEPS = 1_000_000_000  # products of the convolution over strata


@dataclass(frozen=True, slots=True)
class ExactStrata:
    """Conditional odds ratio over strata.

    Attributes
    ----------
    measures : dict of str to Measure
        By method: ``exact`` and ``mid_p``.
    p_value : float
        Two-sided p-value: all sums of ``a`` no more probable than the observed one.
    reason : str
        Why it is NaN; empty otherwise.
    """

    measures: dict[str, Measure]
    p_value: float
    reason: str = ""


def exact_common_odds_ratio(tables: FloatArray, conf_level: float = 0.95) -> ExactStrata:
    """Return the conditional maximum likelihood odds ratio with exact and mid-p limits.

    Parameters
    ----------
    tables : array of shape (k, 2, 2)
        Counts by stratum, each exposed with and without the event, then unexposed.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    ExactStrata
        NaN with the reason when no stratum holds information or there are too many sums.
    """
    kept = tables[(tables.sum(axis=1) > 0).all(axis=1) & (tables.sum(axis=2) > 0).all(axis=1)]
    reason = "no stratum holds information on the odds ratio" if not len(kept) else _too_many(kept)
    if reason:
        nothing = dict.fromkeys(("exact", "mid_p"), Measure(math.nan, reason=reason))
        return ExactStrata(nothing, math.nan, reason)
    # Tilting to near the estimate keeps the terms that decide within range; it is undone in the log weights.
    cells = kept.sum(axis=0) + 0.5
    tilt = math.log(cells[0, 0] * cells[1, 1] / (cells[0, 1] * cells[1, 0]))
    observed = int(kept[:, 0, 0].sum())
    support, tilted = _distribution(kept, tilt)
    log_null = _distribution(kept, 0.0)[1]
    measures = conditional_limits(observed, support, tilted - support * tilt, conf_level, log_null)
    null = np.exp(log_null)
    seen = null[observed - support[0]]
    p = min(1.0, float(null[null <= seen * (1 + TIE)].sum() / null.sum()))
    return ExactStrata(measures, p)


def _range(table: FloatArray) -> tuple[int, int]:
    exposed, unexposed, events = table[0].sum(), table[1].sum(), table[:, 0].sum()
    return int(max(0, events - unexposed)), int(min(exposed, events))


def _too_many(tables: FloatArray) -> str:
    lengths = np.array([high - low + 1 for low, high in map(_range, tables)], dtype=float)
    steps = float((np.cumsum(lengths) * lengths).sum()) if len(lengths) > 1 else float(lengths.sum())
    return "too many possible tables for exact limits: see mantel_haenszel" if steps > MAX_STEPS else ""


def _distribution(tables: FloatArray, tilt: float) -> tuple[NDArray[np.int64], FloatArray]:
    """Convolve the strata: possible sums of a, and their log probabilities at the odds ratio exp(tilt)."""
    first, weight = 0, np.ones(1)
    for table in tables:
        low, high = _range(table)
        a = np.arange(low, high + 1)
        log_weight = _log_choose(table[0].sum(), a) + _log_choose(table[1].sum(), table[:, 0].sum() - a)
        log_weight = log_weight + a * tilt
        own = np.exp(log_weight - log_weight.max())
        weight = np.convolve(weight, own / own.sum())
        first += low
    with np.errstate(divide="ignore"):  # what underflows has probability zero
        return np.arange(first, first + len(weight)), np.log(weight)


def _log_choose(n: float, k: NDArray[np.int64]) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=float)
