"""Risk table and Aalen-Johansen estimator: exact with ties and left truncation; no loop over rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Variance = Literal["aalen", "greenwood"]


@dataclass(frozen=True, slots=True)
class RiskTable:
    """Counts at each distinct time at which a row ends.

    Attributes
    ----------
    time : array of shape (n_times,)
        Distinct times of event or censoring, ascending.
    n_risk : array of shape (n_times,)
        Rows under observation just before the time: start < time <= stop.
    n_event : array of shape (n_times, n_states)
        Events of each state at the time.
    n_censor : array of shape (n_times,)
        Rows censored at the time, after the events of that time.
    n_end : array of shape (n_times,)
        Rows that end at the time, for whatever reason.
    entry_time, n_entry : array of shape (n_entries,)
        Distinct times at which rows come under observation, with the number of rows.
    n : int
        Subjects.
    """

    time: FloatArray
    n_risk: IntArray
    n_event: IntArray
    n_censor: IntArray
    n_end: IntArray
    entry_time: FloatArray
    n_entry: IntArray
    n: int

    @property
    def last_time(self) -> float:
        """Last time under observation; NaN for an empty table.

        Returns
        -------
        float
            The time.
        """
        return float(self.time[-1]) if len(self.time) else np.nan

    def at_risk(self, times: FloatArray) -> IntArray:
        """Count rows at risk just before each time; up to the first entry, the rows that enter then.

        Parameters
        ----------
        times : array of shape (n,)
            Times.

        Returns
        -------
        array of shape (n,)
            Counts.
        """
        if not self.n:
            return np.zeros(len(times), dtype=np.int64)
        opened = np.maximum(np.searchsorted(self.entry_time, times, side="left"), 1)
        closed = np.searchsorted(self.time, times, side="left")
        left = np.concatenate(([0], np.cumsum(self.n_end)))[closed]
        return np.asarray(np.cumsum(self.n_entry)[opened - 1] - left, dtype=np.int64)

    def reversed(self) -> RiskTable:
        """Return the table in which censoring is the event, for the distribution of follow-up.

        Returns
        -------
        RiskTable
            One state: censoring.
        """
        events = self.n_event.sum(axis=1)
        return replace(self, n_event=self.n_censor[:, None], n_censor=events)

    def pooled(self) -> RiskTable:
        """Return the table in which all states are one event.

        Returns
        -------
        RiskTable
            One state: any event.
        """
        return replace(self, n_event=self.n_event.sum(axis=1, keepdims=True))

    def up_to(self, n_times: int) -> RiskTable:
        """Return the first times only.

        Parameters
        ----------
        n_times : int
            How many times are kept.

        Returns
        -------
        RiskTable
            The first rows.
        """
        columns = {
            name: getattr(self, name)[:n_times] for name in ("time", "n_risk", "n_event", "n_censor", "n_end")
        }
        return replace(self, **columns)


@dataclass(frozen=True, slots=True)
class AalenJohansen:
    """Event-free survival and cumulative incidence as right-continuous steps.

    Attributes
    ----------
    time : array of shape (n_times,)
        Distinct times of event or censoring, ascending.
    survival : array of shape (n_times,)
        Probability of no event up to and including the time.
    incidence : array of shape (n_times, n_states)
        Probability of each event up to and including the time.
    incidence_std_error : array of shape (n_times, n_states)
        Its standard error.
    """

    time: FloatArray
    survival: FloatArray
    incidence: FloatArray
    incidence_std_error: FloatArray


def risk_table(
    start: ArrayLike,
    stop: ArrayLike,
    event: ArrayLike,
    n_states: int = 1,
    subject: ArrayLike | None = None,
) -> RiskTable:
    """Count rows at risk, events and censorings at each distinct end time.

    Ties: at equal times events come before censorings, and both before entries; so a row is at risk at
    its own end and not at its own start.

    Parameters
    ----------
    start, stop : array of shape (n_rows,)
        Intervals (start, stop] of observation; start 0 without left truncation.
    event : array of shape (n_rows,)
        0 for censored, k for state k.
    n_states : int, default=1
        Number of states.
    subject : array of shape (n_rows,), optional
        Subject of each row when a subject may have several; an end that the subject's next row continues
        is not counted as a censoring.

    Returns
    -------
    RiskTable
        The counts.

    Raises
    ------
    EstimationError
        When intervals are empty or not finite, or an event code is outside 0..n_states.

    Examples
    --------
    >>> table = risk_table([0, 0, 0, 0], [2, 2, 3, 5], [1, 0, 1, 0])
    >>> table.time, table.n_risk, table.n_event[:, 0], table.n_censor
    (array([2., 3., 5.]), array([4, 2, 1]), array([1, 1, 0]), array([1, 0, 1]))
    """
    begin, end, code = _check_rows(start, stop, event, n_states)
    time, position = distinct_times(end)
    width = n_states + 1
    counts = np.bincount(position * width + code, minlength=len(time) * width).reshape(len(time), width)
    n_censor, n = counts[:, 0], len(end)
    if subject is not None:
        who = np.asarray(subject)
        n = len(np.unique(who))
        continued = _continued(begin, end, who) & (code == 0)
        n_censor = n_censor - np.bincount(position[continued], minlength=len(time))
    ends = counts.sum(axis=1)
    left = np.cumsum(ends) - ends
    if len(begin) and begin.min() == begin.max():  # everyone enters together: nothing to sort
        entry_time, n_entry = begin[:1], np.array([len(begin)])
    else:
        entry_time, which = distinct_times(begin)
        n_entry = np.bincount(which, minlength=len(entry_time))
    entered = np.concatenate(([0], np.cumsum(n_entry)))[np.searchsorted(entry_time, time, side="left")]
    return RiskTable(time, entered - left, counts[:, 1:], n_censor, ends, entry_time, n_entry, n)


def aalen_johansen(table: RiskTable, variance: Variance = "aalen") -> AalenJohansen:
    r"""Estimate the cumulative incidence of each event in the presence of the others.

    Parameters
    ----------
    table : RiskTable
        Counts at each distinct time.
    variance : {'aalen', 'greenwood'}, default='aalen'
        ``aalen``: equals R ``cmprsk::cuminc``; ``greenwood``: the delta-method estimator of R ``etm``, which
        is Greenwood's formula when there is one event, and better under heavy left truncation [1]_.

    Returns
    -------
    AalenJohansen
        Survival, incidence and standard errors.

    Notes
    -----
    With :math:`\Delta \hat F_k(u) = \hat S(u-)\, d_k(u)/n(u)`, and :math:`M_j` the residual process of state
    j, the error of :math:`\hat F_k(t)` is the sum over :math:`u \le t` of :math:`\hat S(u-)/n(u)` times

    .. math:: \sum_j \Big[1\{j=k\} - \frac{\hat F_k(t)-\hat F_k(u)}{\hat S(u)}\Big] dM_j(u).

    ``aalen`` takes :math:`dM_k` and the sum of the others as independent, with variances of the form
    :math:`d (n-d)/(n-1)`; ``greenwood`` takes them as multinomial.

    References
    ----------
    .. [1] Allignol A, Schumacher M, Beyersmann J (2010). A note on variance estimation of the Aalen-Johansen
       estimator. Biom J 52:126-137. doi:10.1002/bimj.200900039
    """
    n, d = table.n_risk.astype(float), table.n_event.astype(float)
    before, after = survival_steps(n, d.sum(axis=1))
    incidence = np.cumsum(before[:, None] * d / n[:, None], axis=0)
    inverse = np.divide(1.0, after, out=np.zeros_like(after), where=after > 0)
    weight = (before / n) ** 2
    errors = np.empty_like(incidence)
    for k in range(d.shape[1]):
        F = incidence[:, k]
        # coefficient at u of dM_k and of the other states, as a(u) + F(t) b(u): see the docstring
        other = F * inverse
        a, b = (other + 1.0, other), (-inverse, -inverse)
        V = [
            np.cumsum(weight * residual_moment(table, k, x, y, variance)) for x, y in ((a, a), (a, b), (b, b))
        ]
        errors[:, k] = np.sqrt(np.maximum(V[0] + 2 * F * V[1] + F**2 * V[2], 0.0))
    return AalenJohansen(table.time, after, incidence, errors)


def distinct_times(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the distinct values in ascending order, and the position of each value among them.

    Whole days within a range comparable to their number are counted instead of sorted.

    Parameters
    ----------
    values : array of shape (n,)
        Finite values.

    Returns
    -------
    distinct : array of shape (m,)
        Distinct values, ascending.
    position : array of shape (n,)
        Index into ``distinct``.
    """
    if len(values) and np.ptp(values) <= 4 * len(values) + 1000:
        whole = values.astype(np.int64)
        if (whole == values).all():
            low = whole.min()
            present = np.bincount(whole - low) > 0
            lookup = np.cumsum(present) - 1
            return (np.flatnonzero(present) + low).astype(float), lookup[whole - low]
    ordered = np.sort(values)
    distinct = ordered[np.r_[True, ordered[1:] > ordered[:-1]]] if len(ordered) else ordered
    return distinct, np.searchsorted(distinct, values)


def residual_moment(
    table: RiskTable,
    state: int,
    x: tuple[FloatArray, FloatArray],
    y: tuple[FloatArray, FloatArray],
    variance: Variance,
) -> FloatArray:
    """Return the covariance at each time of two linear forms in the residuals of a state and of all others.

    Parameters
    ----------
    table : RiskTable
        Counts.
    state : int
        Column of ``table.n_event``.
    x, y : tuple of two arrays of shape (n_times,)
        Coefficients of the state's residual and of the others', of either form.
    variance : {'aalen', 'greenwood'}
        Estimator.

    Returns
    -------
    array of shape (n_times,)
        Covariances, not divided by the squared number at risk.
    """
    n = table.n_risk.astype(float)
    own = table.n_event[:, state].astype(float)
    other = table.n_event.sum(axis=1) - own
    if variance == "greenwood":
        mean_x, mean_y = x[0] * own + x[1] * other, y[0] * own + y[1] * other
        return np.asarray(x[0] * y[0] * own + x[1] * y[1] * other - mean_x * mean_y / n)
    spread = [np.where(n > 1, d * (n - d) / np.maximum(n - 1, 1.0), d) for d in (own, other)]
    return np.asarray(x[0] * y[0] * spread[0] + x[1] * y[1] * spread[1])


def step_values(time: FloatArray, values: FloatArray, times: FloatArray, before: float) -> FloatArray:
    """Evaluate a right-continuous step function.

    Parameters
    ----------
    time : array of shape (m,)
        Times of the steps, ascending.
    values : array of shape (m,)
        Value from each step on.
    times : array of shape (n,)
        Where to evaluate.
    before : float
        Value before the first step.

    Returns
    -------
    array of shape (n,)
        The values.
    """
    return np.asarray(np.r_[before, values][np.searchsorted(time, times, side="right")], dtype=float)


def survival_steps(n_risk: FloatArray, n_event: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return survival just before each time, and at it.

    Parameters
    ----------
    n_risk : array of shape (n_times,)
        Number at risk.
    n_event : array of shape (n_times,)
        Events of any kind.

    Returns
    -------
    before, after : array of shape (n_times,)
        S(t-) and S(t).
    """
    after = np.asarray(np.cumprod((n_risk - n_event) / n_risk), dtype=float)
    before = np.concatenate((np.ones(min(1, len(after))), after[:-1]))
    return before, after


def _continued(start: FloatArray, stop: FloatArray, subject: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Say for each row whether the same subject has a row that starts where it stops."""
    order = np.lexsort((start, subject))
    follows = (subject[order][1:] == subject[order][:-1]) & (start[order][1:] == stop[order][:-1])
    continued = np.zeros(len(start), dtype=bool)
    continued[order[:-1]] = follows
    return continued


def _check_rows(
    start: ArrayLike, stop: ArrayLike, event: ArrayLike, n_states: int
) -> tuple[FloatArray, FloatArray, IntArray]:
    begin = np.asarray(start, dtype=float)
    end = np.asarray(stop, dtype=float)
    code = np.asarray(event).astype(np.int64)
    n_bad = int(np.count_nonzero(~(np.isfinite(begin) & np.isfinite(end) & (begin < end))))
    if n_bad:
        raise EstimationError(
            "Follow-up must be finite and end after it starts.",
            evidence=f"{n_bad} of {len(end)} rows do not",
            remedy="Leave these rows out by a named rule, or correct their times.",
        )
    if len(code) and (code.min() < 0 or code.max() > n_states):
        n_bad = int(np.count_nonzero((code < 0) | (code > n_states)))
        raise EstimationError(
            f"Event codes must be 0 (censored) to {n_states}.",
            evidence=f"{n_bad} of {len(code)} rows are outside",
            remedy="Recode the events, 0 for censored.",
        )
    return begin, end, code
