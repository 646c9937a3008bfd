"""Risk sets of Fine and Gray's model, in which patients with a competing event stay, with decreasing weight.

The weight of a patient with a competing event at X, G(t-) H(t-) / {G(X-) H(X-)}, factorizes into a part of the event
time and a part of the patient, so that these sums too are cumulative sums and the kernel of the partial likelihood
serves unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cohort.errors import EstimationError
from cohort.estimators.observation_weights import ProductLimit, already_entered, remaining_uncensored
from cohort.estimators.risk_sets import RiskSets, incidence, total_by_group

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Stayers:
    """Rows with a competing event whose weights come from one censoring distribution.

    Attributes
    ----------
    rows : array of shape (m,)
        Positions among the rows of the risk sets; at risk at ``g >= since`` too, until the end of their stratum.
    since : array of shape (m,)
        First event time after the competing event.
    end : array of shape (m,)
        Time X of the competing event.
    weight : array of shape (m,)
        1 / {G(X-) H(X-)}.
    observed : array of shape (G,)
        G(t-) H(t-) at the event times.
    """

    rows: IntArray
    since: IntArray
    end: FloatArray
    weight: FloatArray
    observed: FloatArray
    _stay: sparse.csc_array


@dataclass(frozen=True, slots=True, eq=False)
class SubdistributionRiskSets(RiskSets):
    """Risk sets in which rows with a competing event stay.

    Attributes
    ----------
    stayers : tuple of Stayers
        Those rows, by censoring distribution.
    begin : array of shape (G,)
        First event time of the stratum of g.
    """

    stayers: tuple[Stayers, ...]
    begin: IntArray

    def sums(self, v: FloatArray, Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ``R' v`` of shape (G,) and ``R' (v Z)`` of shape (G, p)."""
        zeroth, first = RiskSets.sums(self, v, Z)
        for some in self.stayers:
            some._stay.data[:] = v[some.rows] * some.weight
            stayed = self._since_begin(some._stay @ Z)
            stayed *= some.observed[:, None]
            first += stayed
        return zeroth, first

    def sums_of(self, v: FloatArray) -> FloatArray:
        """Return ``R' v`` of shape (G,)."""
        out = RiskSets.sums_of(self, v)
        for some in self.stayers:
            entered = total_by_group(some.since, v[some.rows] * some.weight, self.n_times)
            out += some.observed * self._since_begin(entered)
        return out

    def spread(self, c: FloatArray) -> FloatArray:
        """Return ``R c``: for each row the weighted sum of ``c`` over the event times it is at risk at."""
        out = RiskSets.spread(self, c)
        for some in self.stayers:
            factor, weight = (
                (some.observed, some.weight)
                if c.ndim == 1
                else (some.observed[:, None], some.weight[:, None])
            )
            out[some.rows] += weight * self.to_end(factor * c)[some.since]
        return out

    def to_end(self, c: FloatArray) -> FloatArray:
        """Sum ``c`` from each event time to the last of its stratum."""
        return self._accumulate(c)

    def _since_begin(self, values: FloatArray) -> FloatArray:
        """Sum from the first event time of each stratum."""
        total = np.cumsum(values, axis=0)
        if self.end[0] == self.n_times:
            return np.asarray(total)
        return np.asarray(total - (total - values)[self.begin])


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """The estimated distributions of censoring and of entry of one group of rows.

    Attributes
    ----------
    rows : array of shape (m,)
        The caller's rows of the group.
    censoring : ProductLimit
        G.
    entry : ProductLimit or None
        H; None when nobody enters late.
    last : float
        Last time of follow-up in the group; nothing is known, and the weight is zero, after it.
    """

    rows: IntArray
    censoring: ProductLimit
    entry: ProductLimit | None
    last: float

    def before(self, times: FloatArray) -> FloatArray:
        """Return G(t-) H(t-)."""
        G = np.where(times > self.last, 0.0, self.censoring.before(times))
        return G if self.entry is None else G * self.entry.before(times)


def observation_by_group(
    start: FloatArray | None,
    stop: FloatArray,
    censored: BoolArray,
    weight: FloatArray,
    group: IntArray | None,
    events_first: bool,
) -> tuple[Observation, ...]:
    """Estimate the distributions of censoring and of entry in each group.

    Parameters
    ----------
    start, stop : array of shape (n,)
        Follow-up (start, stop]; ``start`` None for everyone from the beginning.
    censored : array of shape (n,)
        Whether the row ends without an event.
    weight : array of shape (n,)
        Weight of each row in the estimates; rows of weight zero take no part.
    group : array of shape (n,) or None
        Group codes from 0.
    events_first : bool
        Whether a row with an event at u has left before censoring at u.

    Returns
    -------
    tuple of Observation
        One for each group.
    """
    used = weight > 0
    codes = range(1) if group is None else range(int(group.max()) + 1)
    out = []
    for code in codes:
        rows = np.flatnonzero(used if group is None else used & (group == code))
        begins = None if start is None else start[rows]
        late = begins is not None and len(rows) > 0 and bool((begins > stop[rows].min()).any())
        out.append(
            Observation(
                rows,
                remaining_uncensored(begins, stop[rows], censored[rows], weight[rows], events_first),
                already_entered(begins, stop[rows], weight[rows]) if late and begins is not None else None,
                float(stop[rows].max(initial=-np.inf)),
            )
        )
    return tuple(out)


def with_stayers(
    sets: RiskSets,
    stop: FloatArray,
    competing: BoolArray,
    stratum: IntArray | None,
    observations: Sequence[Observation],
) -> SubdistributionRiskSets:
    """Let the rows with a competing event stay in the risk sets.

    Parameters
    ----------
    sets : RiskSets
        Risk sets of the event of interest, which keep the rows with a competing event.
    stop, competing : array of shape (n,)
        Ends of the caller's rows, and whether it is a competing event.
    stratum : array of shape (n,) or None
        Stratum codes from 0.
    observations : sequence of Observation
        Distributions of censoring and entry by group.

    Returns
    -------
    SubdistributionRiskSets
        Risk sets.

    Raises
    ------
    EstimationError
        When a weight cannot be estimated, because all who were under observation at a competing event
        entered after it.
    """
    position = np.full(sets.n_rows, -1, dtype=np.intp)
    position[sets.rows] = np.arange(len(sets.rows))
    # One past the last event time of each row's stratum, also where the stratum has none.
    codes = np.zeros(len(sets.rows), dtype=np.intp) if stratum is None else stratum[sets.rows]
    last = np.searchsorted(sets.stratum, codes, "right")
    stayers = []
    for one in observations:
        rows = position[one.rows[competing[one.rows]]]
        rows = rows[rows >= 0]
        rows = np.sort(rows[sets.high[rows] < last[rows]])
        end = stop[sets.rows[rows]]
        left = one.before(end)
        if (left <= 0).any():
            raise _no_weight(int((left <= 0).sum()))
        since = sets.high[rows]
        stay = incidence(since, rows, len(sets.rows), sets.n_times)
        stayers.append(Stayers(rows, since, end, 1 / left, one.before(sets.time), stay))
    shared = {field.name: getattr(sets, field.name) for field in fields(sets)}
    begin = np.searchsorted(sets.stratum, sets.stratum, "left")
    return SubdistributionRiskSets(**shared, stayers=tuple(stayers), begin=begin)


def _no_weight(n: int) -> EstimationError:
    return EstimationError(
        "the weight of a competing event cannot be estimated",
        evidence=f"at {n} competing events everyone else under observation later had not yet entered",
        remedy="start follow-up at a landmark by which more patients have entered",
    )
