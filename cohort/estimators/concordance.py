"""Harrell's concordance of a risk score with survival, and its infinitesimal jackknife variance.

Pairs are as in R's ``survival::concordance``: a row with an event at t is compared with every row of its
stratum that is still at risk after t, those censored at t included; events at the same time are not compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.pair_counts import Pairs, compare
from cohort.estimators.risk_sets import time_codes

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Concordance:
    """Agreement between risk and the order of events.

    Attributes
    ----------
    estimate, std_error : float
        Share of comparable pairs in which the row with the earlier event has the higher risk, ties in risk
        counting one half; NaN without comparable pairs.
    concordant, discordant, tied_risk : float
        Weighted numbers of pairs.
    """

    estimate: float
    std_error: float
    concordant: float
    discordant: float
    tied_risk: float


def concordance(
    risk: FloatArray,
    start: FloatArray | None,
    stop: FloatArray,
    event: NDArray[np.bool_],
    *,
    stratum: IntArray | None = None,
    weight: FloatArray | None = None,
    group: IntArray | None = None,
) -> Concordance:
    """Count concordant pairs in O(n log G) for n rows and G event times.

    Parameters
    ----------
    risk : array of shape (n,)
        Higher means earlier event; values that differ by rounding only count as tied.
    start, stop, event : array of shape (n,)
        Follow-up (start, stop]; ``start`` None for everyone from the beginning.
    stratum, weight, group : array of shape (n,) or None
        Stratum codes, case weights, and groups for the variance.

    Returns
    -------
    Concordance
        Estimate, standard error and counts.
    """
    high, low, n_key = _keys(start, stop, event)
    rank = _dense_rank(risk)
    n = len(risk)
    w = np.ones(n) if weight is None else weight
    dying = np.where(event, w, 0.0)
    # A row is compared at event times before its end, but not at those up to its entry: entries count negatively.
    late = np.flatnonzero(low > 0) if low is not None else np.empty(0, dtype=np.intp)
    rows = np.concatenate([np.arange(n), late])
    key = high if low is None else np.concatenate([high, low[late]])
    pairs = compare(
        key,
        n_key,
        rank[rows],
        np.concatenate([dying, np.zeros(len(late))]),
        np.concatenate([w, -w[late]]),
        None if stratum is None else stratum[rows],
    )
    as_other, n_other = pairs.as_other[:n].copy(), pairs.n_other[:n].copy()
    as_other[late] -= pairs.as_other[n:]
    n_other[late] -= pairs.n_other[n:]
    whole = Pairs(pairs.as_event[:n], as_other, pairs.n_event[:n], n_other, pairs.tied)
    return _summarize(w, event, whole, group)


def _keys(
    start: FloatArray | None, stop: FloatArray, event: NDArray[np.bool_]
) -> tuple[IntArray, IntArray | None, int]:
    """Code follow-up by event times: an event by its own position, anything else by those it has reached."""
    if not event.any():
        return np.zeros(len(stop), dtype=np.intp), None, 1
    moments, reached, entered = time_codes(start, stop, event)
    happened = np.zeros(len(moments), dtype=bool)
    happened[reached[event]] = True
    before = np.concatenate([[0], np.cumsum(happened)])
    high = before[reached + 1]
    high[event] -= 1
    low = None if entered is None else before[entered + 1]
    return high, low if low is not None and low.any() else None, int(before[-1]) + 1


def _dense_rank(risk: FloatArray) -> IntArray:
    """Rank scores; those that agree to ten digits of the largest are tied."""
    size = float(np.abs(risk - risk.mean()).max())
    rounded = np.round((risk - risk.mean()) / size, 10) if size > 0 else np.zeros(len(risk))
    order = np.argsort(rounded)
    rank = np.empty(len(risk), dtype=np.intp)
    steps = np.zeros(len(risk), dtype=np.intp)
    steps[1:] = np.cumsum(np.diff(rounded[order]) > 0)
    rank[order] = steps
    return rank


def _summarize(w: FloatArray, event: NDArray[np.bool_], pairs: Pairs, group: IntArray | None) -> Concordance:
    n_pairs = float(w[event] @ pairs.n_event[event])
    if not n_pairs > 0:
        return Concordance(np.nan, np.nan, 0.0, 0.0, 0.0)
    difference = float(w[event] @ pairs.as_event[event])
    somer = difference / n_pairs
    # Infinitesimal jackknife of Somers' D; concordance is (D + 1)/2.
    sign = np.where(event, pairs.as_event, 0.0) + pairs.as_other
    number = np.where(event, pairs.n_event, 0.0) + pairs.n_other
    influence = w * (sign - somer * number) / n_pairs
    if group is not None:
        influence = np.asarray(np.bincount(group, influence), dtype=float)
    untied = n_pairs - pairs.tied
    return Concordance(
        estimate=(somer + 1) / 2,
        std_error=float(np.sqrt(influence @ influence)) / 2,
        concordant=(untied + difference) / 2,
        discordant=(untied - difference) / 2,
        tied_risk=pairs.tied,
    )
