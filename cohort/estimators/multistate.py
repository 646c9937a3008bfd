"""State occupation by the Aalen-Johansen estimator of a general multi-state process, with length of stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
StateVariance = Literal["robust", "greenwood"]


@dataclass(frozen=True, slots=True, eq=False)
class TransitionRows:
    """Stays of subjects in states, each over (start, stop].

    Attributes
    ----------
    start, stop : array of shape (n_rows,)
        Begin and end of the stay under observation.
    origin : array of shape (n_rows,)
        State of the stay, 0 to n_states - 1.
    target : array of shape (n_rows,)
        State entered at ``stop``; -1 when observation ends or goes on in the same state.
    subject : array of shape (n_rows,)
        Code of the subject, 0 to n_subjects - 1; a subject is in one state at a time.
    n_states : int
        Number of states.
    """

    start: FloatArray
    stop: FloatArray
    origin: IntArray
    target: IntArray
    subject: IntArray
    n_states: int

    def take(self, rows: NDArray[np.bool_]) -> TransitionRows:
        """Return some rows, with subjects coded anew.

        Parameters
        ----------
        rows : array of shape (n_rows,)
            Which rows to keep.

        Returns
        -------
        TransitionRows
            The rows.
        """
        codes = np.unique(self.subject[rows], return_inverse=True)[1].astype(np.int64)
        return TransitionRows(
            self.start[rows], self.stop[rows], self.origin[rows], self.target[rows], codes, self.n_states
        )


@dataclass(frozen=True, slots=True, eq=False)
class StateOccupation:
    """Probability of being in each state, as right-continuous steps, and the time spent there.

    Attributes
    ----------
    origin_time : float
        Time at which the process is looked at first.
    initial, initial_variance : array of shape (n_states,)
        Shares of the subjects by state at ``origin_time``, with their variances.
    time : array of shape (n_times,)
        Distinct times of transitions, ascending.
    n_risk : array of shape (n_times, n_states)
        Subjects in each state just before each time.
    n_transition : array of shape (n_times, n_states, n_states)
        Transitions from row state to column state.
    probability, variance : array of shape (n_times, n_states)
        Probability of each state from each time on, with its variance.
    stay, stay_variance, stay_covariance : array of shape (n_times, n_states)
        Mean time spent in each state from ``origin_time`` to each time; its variance; its covariance with the
        probability from that time on.
    began, ended : tuple of arrays
        Begins and ends of the stays in each state, ascending.
    """

    origin_time: float
    initial: FloatArray
    initial_variance: FloatArray
    time: FloatArray
    n_risk: IntArray
    n_transition: IntArray
    probability: FloatArray
    variance: FloatArray
    stay: FloatArray
    stay_variance: FloatArray
    stay_covariance: FloatArray
    began: tuple[FloatArray, ...]
    ended: tuple[FloatArray, ...]

    @property
    def last_time(self) -> float:
        """End of the longest observation.

        Returns
        -------
        float
            Time since the origin.
        """
        return float(max(stops[-1] for stops in self.ended if len(stops)))

    def in_state(self, times: FloatArray) -> IntArray:
        """Count the subjects in each state and under observation just before times.

        Parameters
        ----------
        times : array of shape (n,)
            Times.

        Returns
        -------
        array of shape (n, n_states)
            Subjects.
        """
        return _at_risk(self.began, self.ended, times)

    def at(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return probabilities and variances at times.

        Parameters
        ----------
        times : array of shape (n,)
            Times, not before ``origin_time``.

        Returns
        -------
        probability, variance : array of shape (n, n_states)
            Of each state.
        """
        position = np.searchsorted(self.time, times, side="right")
        values = (
            np.vstack([self.initial, self.probability]),
            np.vstack([self.initial_variance, self.variance]),
        )
        return values[0][position], values[1][position]

    def stay_until(self, tau: float) -> tuple[FloatArray, FloatArray]:
        """Return the mean time in each state from the origin to a horizon, with its variance.

        Parameters
        ----------
        tau : float
            The horizon.

        Returns
        -------
        mean, variance : array of shape (n_states,)
            In the unit of the times.
        """
        last = int(np.searchsorted(self.time, tau, side="right")) - 1
        if last < 0:
            step = tau - self.origin_time
            return self.initial * step, self.initial_variance * step**2
        step = tau - self.time[last]
        mean = self.stay[last] + step * self.probability[last]
        spread = (
            self.stay_variance[last] + 2 * step * self.stay_covariance[last] + step**2 * self.variance[last]
        )
        return mean, np.maximum(spread, 0.0)


def state_occupation(
    rows: TransitionRows, origin_time: float = 0.0, variance: StateVariance = "robust"
) -> StateOccupation:
    r"""Estimate the probability of being in each state over time.

    Parameters
    ----------
    rows : TransitionRows
        Stays of subjects in states.
    origin_time : float, default=0
        Time from which the process is followed; the shares by state at this time are those of the subjects
        then under observation, and earlier transitions do not count.
    variance : {'robust', 'greenwood'}, default='robust'
        ``robust`` sums squared influences of the subjects (infinitesimal jackknife; valid without the Markov
        property); ``greenwood`` is the recursion with multinomial increments, given the shares at the origin.

    Returns
    -------
    StateOccupation
        Probabilities, variances, lengths of stay.

    Raises
    ------
    EstimationError
        When nobody is under observation at the origin time.

    Notes
    -----
    :math:`\hat p(t) = \hat p(s) \prod_{s<u\le t} \{I + d\hat A(u)\}` with
    :math:`d\hat A_{jk}(u) = dN_{jk}(u)/Y_j(u)` (Aalen and Johansen 1978) [1]_; consistent for state occupation
    without the Markov property when censoring is independent (Datta and Satten 2001) [2]_. At equal times a
    stay is at risk at its own end and not at its own start.

    References
    ----------
    .. [1] Aalen OO, Johansen S (1978). Scand J Stat 5:141-150.
    .. [2] Datta S, Satten GA (2001). Stat Probab Lett 55:403-411. doi:10.1016/S0167-7152(01)00155-9

    Examples
    --------
    >>> stays = TransitionRows(
    ...     np.array([0.0, 2, 0, 0]), np.array([2.0, 4, 3, 5]), np.array([0, 1, 0, 0]),
    ...     np.array([1, 2, 2, -1]), np.array([0, 0, 1, 2]), 3,
    ... )
    >>> state_occupation(stays).probability.round(4)  # well, ill, dead on days 2, 3, 4
    array([[0.6667, 0.3333, 0.    ],
           [0.3333, 0.3333, 0.3333],
           [0.3333, 0.    , 0.6667]])
    """
    initial, present = _initial(rows, origin_time)
    moves = (rows.target >= 0) & (rows.target != rows.origin) & (rows.stop > origin_time)
    time = np.unique(rows.stop[moves])
    n_transition = _count_transitions(rows, moves, time)
    began, ended = (_by_state(values, rows) for values in (rows.start, rows.stop))
    n_risk = _at_risk(began, ended, time)
    dA = np.divide(
        n_transition, n_risk[:, :, None], out=np.zeros(n_transition.shape), where=n_risk[:, :, None] > 0
    )
    diagonal = np.arange(rows.n_states)
    dA[:, diagonal, diagonal] = -dA.sum(axis=2)
    probability = _product(initial, dA)
    before = np.vstack([initial, probability[:-1]]) if len(time) else probability
    widths = np.diff(np.r_[origin_time, time])
    stay = np.cumsum(before * widths[:, None], axis=0)
    if variance == "robust":
        start_spread, spreads = _robust(rows, origin_time, present, initial, time, n_risk, dA, before)
    else:
        start_spread, spreads = _greenwood(n_risk, n_transition, dA, before, widths, initial)
    return StateOccupation(
        origin_time,
        initial,
        start_spread,
        time,
        n_risk,
        n_transition,
        probability,
        spreads[0],
        stay,
        spreads[1],
        spreads[2],
        began,
        ended,
    )


def cumulative_hazards(
    occupation: StateOccupation, origin: int, target: int
) -> tuple[FloatArray, FloatArray]:
    """Return the Nelson-Aalen cumulative hazard of one transition.

    Parameters
    ----------
    occupation : StateOccupation
        Counts of transitions and of those at risk.
    origin, target : int
        The transition.

    Returns
    -------
    hazard, variance : array of shape (n_times,)
        Cumulative hazard with its variance, the sum of d/n^2 (Aalen 1978).
    """
    d = occupation.n_transition[:, origin, target].astype(float)
    n = np.maximum(occupation.n_risk[:, origin], 1).astype(float)
    return np.cumsum(d / n), np.cumsum(d / n**2)


def _initial(rows: TransitionRows, origin_time: float) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the shares by state at the origin, and the rows that are then under observation."""
    present = (rows.start <= origin_time) & (rows.stop > origin_time)
    if not present.any():
        raise EstimationError(
            f"nobody is under observation at time {origin_time:g}",
            evidence=f"0 of {len(np.unique(rows.subject))} patients",
            remedy="choose start= within follow-up, at or after the entry of some patients",
        )
    counts = np.bincount(rows.origin[present], minlength=rows.n_states)
    return counts / counts.sum(), present


def _count_transitions(rows: TransitionRows, moves: NDArray[np.bool_], time: FloatArray) -> IntArray:
    K = rows.n_states
    position = np.searchsorted(time, rows.stop[moves])
    flat = (position * K + rows.origin[moves]) * K + rows.target[moves]
    return np.bincount(flat, minlength=len(time) * K * K).reshape(len(time), K, K)


def _by_state(values: FloatArray, rows: TransitionRows) -> tuple[FloatArray, ...]:
    return tuple(np.sort(values[rows.origin == state]) for state in range(rows.n_states))


def _at_risk(began: tuple[FloatArray, ...], ended: tuple[FloatArray, ...], times: FloatArray) -> IntArray:
    counts = [
        np.searchsorted(first, times, side="left") - np.searchsorted(last, times, side="left")
        for first, last in zip(began, ended, strict=True)
    ]
    return np.column_stack(counts).astype(np.int64)


def _product(initial: FloatArray, dA: FloatArray) -> FloatArray:
    out = np.empty(dA.shape[:2])
    p = initial
    for i, step in enumerate(dA):
        p = p + p @ step
        out[i] = p
    return out


def _robust(
    rows: TransitionRows,
    origin_time: float,
    present: NDArray[np.bool_],
    initial: FloatArray,
    time: FloatArray,
    n_risk: IntArray,
    dA: FloatArray,
    before: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return variances from the subjects' influences on p(t), on the length of stay, and their covariance."""
    K, n = rows.n_states, int(rows.subject.max()) + 1
    influence, stayed = np.zeros((n, K)), np.zeros((n, K))
    who, state = rows.subject[present], rows.origin[present]
    influence[who] -= initial
    influence[who, state] += 1.0
    influence /= len(who)
    start_spread = (influence**2).sum(axis=0)
    spreads = np.zeros((3, len(time), K))
    last = origin_time
    for i, t in enumerate(time):
        stayed += influence * (t - last)
        last = t
        influence = influence + influence @ dA[i]
        at = np.flatnonzero((rows.start < t) & (t <= rows.stop))
        share = np.divide(before[i], n_risk[i], out=np.zeros(K), where=n_risk[i] > 0)
        origin = rows.origin[at]
        influence[rows.subject[at]] -= share[origin, None] * dA[i, origin]
        moving = at[(rows.stop[at] == t) & (rows.target[at] >= 0)]
        who, left, entered = rows.subject[moving], rows.origin[moving], rows.target[moving]
        influence[who, left] -= share[left]
        influence[who, entered] += share[left]
        spreads[0, i] = (influence**2).sum(axis=0)
        spreads[1, i] = (stayed**2).sum(axis=0)
        spreads[2, i] = (stayed * influence).sum(axis=0)
    return start_spread, spreads


def _greenwood(
    n_risk: IntArray,
    n_transition: IntArray,
    dA: FloatArray,
    before: FloatArray,
    widths: FloatArray,
    initial: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the same by the recursion of Andersen and others (1993), equation 4.4.19, for the vector p."""
    K = len(initial)
    cov, cross, stayed = np.zeros((K, K)), np.zeros((K, K)), np.zeros((K, K))
    spreads = np.zeros((3, len(widths), K))
    for i, width in enumerate(widths):
        stayed = stayed + width * (cross + cross.T) + width**2 * cov
        cross = cross + width * cov  # Cov(L, p)
        step = np.eye(K) + dA[i]
        cov = step.T @ cov @ step + _increment(before[i], n_risk[i], n_transition[i])
        cross = cross @ step
        spreads[0, i], spreads[1, i], spreads[2, i] = np.diag(cov), np.diag(stayed), np.diag(cross)
    return np.zeros(K), spreads


def _increment(p: FloatArray, n: IntArray, d: IntArray) -> FloatArray:
    """Return the covariance that the transitions of one time add."""
    K = len(p)
    out = np.zeros((K, K))
    for j in np.flatnonzero((d.sum(axis=1) > 0) & (n > 0)):
        q = d[j] / n[j]
        q[j] = 1 - q.sum()
        out += p[j] ** 2 / n[j] * (np.diag(q) - np.outer(q, q))
    return out
