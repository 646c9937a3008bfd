"""Mean number of recurrent events per subject over time, death possible, with its robust variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.aalen_johansen import distinct_times

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class MeanCount:
    """Mean cumulative count as right-continuous steps.

    Attributes
    ----------
    time : array of shape (n_times,)
        Distinct times at which a row ends, ascending.
    n_risk : array of shape (n_times,)
        Subjects under observation just before the time.
    n_event, n_death : array of shape (n_times,)
        Recurrent and terminal events at the time.
    n_censor : array of shape (n_times,)
        Subjects whose observation ends at the time without a terminal event.
    survival : array of shape (n_times,)
        Kaplan-Meier probability of no terminal event up to and including the time.
    estimate, std_error : array of shape (n_times,)
        Mean number of events per subject up to and including the time, and its standard error.
    n : int
        Subjects.
    entry_time, n_entry : array of shape (n_entries,)
        Distinct times at which rows begin, with their number.
    n_end : array of shape (n_times,)
        Rows that end at the time.
    """

    time: FloatArray
    n_risk: IntArray
    n_event: IntArray
    n_death: IntArray
    n_censor: IntArray
    survival: FloatArray
    estimate: FloatArray
    std_error: FloatArray
    n: int
    entry_time: FloatArray
    n_entry: IntArray
    n_end: IntArray

    @property
    def last_time(self) -> float:
        """Last time under observation."""
        return float(self.time[-1])

    def at_risk(self, times: FloatArray) -> IntArray:
        """Count subjects under observation just before each time; up to the first entry, those who enter then.

        Parameters
        ----------
        times : array of shape (n,)
            Times.

        Returns
        -------
        array of shape (n,)
            Counts.
        """
        opened = np.maximum(np.searchsorted(self.entry_time, times, side="left"), 1)
        closed = np.searchsorted(self.time, times, side="left")
        return np.asarray(np.cumsum(self.n_entry)[opened - 1] - np.r_[0, np.cumsum(self.n_end)][closed])


def mean_count(
    start: FloatArray, stop: FloatArray, event: BoolArray, terminal: BoolArray, subject: IntArray
) -> MeanCount:
    r"""Estimate the mean number of recurrent events per subject.

    Ties: at equal times recurrent events come before terminal ones, these before censorings, and all before
    entries.

    Parameters
    ----------
    start, stop : array of shape (n_rows,)
        Rows under observation, (start, stop], not overlapping within a subject.
    event, terminal : array of shape (n_rows,)
        Whether the row ends in a recurrent, or in a terminal, event.
    subject : array of shape (n_rows,)
        Codes from 0.

    Returns
    -------
    MeanCount
        Estimates and standard errors.

    Notes
    -----
    :math:`\hat\mu(t) = \sum_{u \le t} \hat S(u-)\, dN(u)/Y(u)`, with :math:`\hat S` the Kaplan-Meier estimate for
    the terminal event (Cook and Lawless 1997; Ghosh and Lin 2000, equation 2.1). Its variance is the sum over
    subjects of the squares of (Ghosh and Lin 2000, theorem 1)

    .. math:: \int_0^t \frac{\hat S(u-)}{Y(u)} dM_i(u)
              - \int_0^t \frac{\hat\mu(t) - \hat\mu(u)}{Y(u)} dM_i^D(u).

    Without terminal events it is the robust variance of Lawless and Nadeau (1995), and equals R
    ``survfit(..., id=)$std.chaz``. The sums of squares are kept up to date from time to time by the moments of
    those at risk and those not, so that the cost is that of sorting.
    """
    time, at = distinct_times(stop)
    m = len(time)
    n_event, n_death, n_end = (
        np.bincount(at, weights=w, minlength=m) for w in (event.astype(float), terminal.astype(float), None)
    )
    # Rows at risk at time k: those with start < time_k <= stop.
    opens = np.searchsorted(time, start, side="right")
    Y = np.cumsum(np.bincount(opens, minlength=m + 1)[:m]) - np.r_[0, np.cumsum(n_end)[:-1]]
    survival = np.cumprod(1 - n_death / Y)
    before = np.r_[1.0, survival[:-1]]
    mu = np.cumsum(before * n_event / Y)
    # Three integrals per subject: of S(u-)/Y dM, of 1/Y dM^D and of mu/Y dM^D.
    jump = np.column_stack([before / Y, 1 / Y, mu / Y])
    own = np.column_stack([event, terminal, terminal]) * jump[at]
    drift = np.cumsum(jump * np.column_stack([n_event, n_death, n_death]) / Y[:, None], axis=0)
    variance = _sum_of_squares(own, drift, mu, opens, at, subject)
    entry_time, which = distinct_times(start)
    return MeanCount(
        time,
        Y.astype(np.int64),
        n_event.astype(np.int64),
        n_death.astype(np.int64),
        np.bincount(at[_final(stop, subject) & ~terminal], minlength=m).astype(np.int64),
        survival,
        mu,
        np.sqrt(variance),
        len(np.unique(subject)),
        entry_time,
        np.bincount(which),
        n_end.astype(np.int64),
    )


def _sum_of_squares(
    own: FloatArray, drift: FloatArray, mu: FloatArray, opens: IntArray, at: IntArray, subject: IntArray
) -> FloatArray:
    """Sum over subjects, at each time, the square of A - mu B + C.

    A subject's integrals are, while at risk in a row, ``base - drift(t)``, and between rows a constant; so the second
    moments over subjects change only where rows begin and end.
    """
    m, width = drift.shape
    lagged = np.vstack([np.zeros(width), drift])
    order = np.lexsort((at, subject))
    first = np.r_[True, subject[order][1:] != subject[order][:-1]]
    inside = (own - lagged[at + 1] + lagged[opens])[order]
    total = np.cumsum(inside, axis=0)
    begin = np.flatnonzero(first)
    offset = np.repeat(
        np.vstack([np.zeros(width), total[begin[1:] - 1]]), np.diff(np.r_[begin, len(at)]), axis=0
    )
    after = total - offset
    earlier = after - inside
    base = earlier + lagged[opens][order]  # integrals in the row: base - drift(t), until the own jump
    following = np.r_[opens[order][1:], m]
    following[np.r_[first[1:], True]] = m
    begins, ends = opens[order], at[order]
    # At its own end the row's integral already has its jump: it counts as frozen from there on.
    moving = _moments(base, begins, ends, m)
    frozen = _moments(after, ends, following, m)
    c = np.column_stack([np.ones(m), -mu, np.ones(m)])
    d = (c * drift).sum(axis=1)
    second = np.einsum("ta,tab,tb->t", c, moving[2] + frozen[2], c)
    first_moment = (c * moving[1]).sum(axis=1)
    squares = second - 2 * d * first_moment + d**2 * moving[0]
    # What is left of differences of equal numbers: all subjects have the same count.
    return np.where(squares > 1e-13 * second, squares, 0.0)


def _moments(x: FloatArray, begins: IntArray, ends: IntArray, m: int) -> tuple[FloatArray, ...]:
    """Return number, sum and sum of outer products of x over the entries with begins <= k < ends, for each k."""

    def over_time(values: FloatArray) -> FloatArray:
        change = np.bincount(begins, values, m + 1) - np.bincount(ends, values, m + 1)
        return np.cumsum(change)[:m]

    width = x.shape[1]
    outer = np.empty((m, width, width))
    for a in range(width):
        for b in range(a, width):
            outer[:, a, b] = outer[:, b, a] = over_time(x[:, a] * x[:, b])
    return over_time(np.ones(len(x))), np.column_stack([over_time(column) for column in x.T]), outer


def _final(stop: FloatArray, subject: IntArray) -> BoolArray:
    """Tell for each row whether it is the subject's last."""
    order = np.lexsort((stop, subject))
    last = np.zeros(len(stop), dtype=bool)
    last[order[np.r_[subject[order][1:] != subject[order][:-1], True]]] = True
    return last
