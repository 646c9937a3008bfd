"""Nonparametric maximum likelihood of a distribution whose times are known between two looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Bound on the log-likelihood still to be gained, per unit of weight (Wang 2007: the largest gradient is one).
_TOLERANCE = 1e-11
_GOOD_ENOUGH = 1e-7
_MAX_ITERATIONS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Turnbull:
    """Masses of the only intervals that can carry any.

    Attributes
    ----------
    left, right : array of shape (m,)
        Ends of the intervals (left, right] with mass, ascending; equal for a time known exactly.
    mass : array of shape (m,)
        Probability of each, positive, summing to 1; where in the interval it lies is not estimable.
    log_likelihood : float
        At the maximum.
    gap : float
        Upper bound of the log-likelihood that is still to be gained (Kuhn-Tucker conditions: at most 0).
    iterations : int
        Steps to the maximum.
    n : float
        Total weight.
    """

    left: FloatArray
    right: FloatArray
    mass: FloatArray
    log_likelihood: float
    gap: float
    iterations: int
    n: float

    def bounds(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the lowest and highest survival that the masses allow at times; equal outside of the intervals.

        Parameters
        ----------
        times : array of shape (n,)
            Times.

        Returns
        -------
        low, high : array of shape (n,)
            Probability of no event up to and including the time.
        """
        high = 1 - _total_where(self.mass, self.right[None, :] <= times[:, None])
        exact = self.left == self.right
        begun = np.where(exact, self.right <= times[:, None], self.left < times[:, None])
        low = 1 - _total_where(self.mass, begun)
        return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _total_where(mass: FloatArray, inside: BoolArray) -> FloatArray:
    return np.asarray((inside * mass).sum(axis=1))


def turnbull(lower: FloatArray, upper: FloatArray, weight: FloatArray | None = None) -> Turnbull:
    r"""Estimate a distribution from intervals (lower, upper] that contain each time.

    Parameters
    ----------
    lower : array of shape (n,)
        Last time without the event; ``-inf`` when there was none.
    upper : array of shape (n,)
        First time with it; ``inf`` when there was none, equal to ``lower`` for a time known exactly.
    weight : array of shape (n,) or None
        Case weights, positive.

    Returns
    -------
    Turnbull
        The masses.

    Raises
    ------
    EstimationError
        When an interval ends before it begins, or the maximum is not reached.

    Notes
    -----
    Mass can lie only where a left end is followed directly by a right end (Peto 1973; Turnbull 1976). The
    log-likelihood :math:`\sum_i w_i \log (A p)_i` is concave; each step minimizes its quadratic approximation over
    the simplex by nonnegative least squares and halves the way until it rises (Wang 2007), which converges to the
    last digits where the EM algorithm creeps.
    """
    if (lower > upper).any():
        raise EstimationError(
            "Some intervals end before they begin.",
            evidence=f"{int((lower > upper).sum())} of {len(lower)} rows",
            remedy="Check which column is the last day without and which the first day with the event.",
        )
    pairs, member = np.unique(np.column_stack([lower, upper]), axis=0, return_inverse=True)
    w = np.bincount(member.ravel(), weight, minlength=len(pairs)).astype(float)
    left, right, A = _candidates(pairs[:, 0], pairs[:, 1])
    p, gap, iterations = _maximize(A, w)
    keep = p > 0
    value = float(w @ np.log(A @ p))
    return Turnbull(left[keep], right[keep], p[keep], value, gap, iterations, float(w.sum()))


def _candidates(lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the innermost intervals, and which observed interval contains which of them: shape (n, m)."""
    # At one value: [t (exact) comes before t] (end), and this before (t (open).
    begin_rank, end_rank = np.where(lower == upper, 0, 2), np.ones(len(upper))
    value = np.concatenate([lower, upper])
    rank = np.concatenate([begin_rank, end_rank])
    is_end = np.repeat([False, True], len(lower))
    order = np.lexsort((rank, value))
    value, rank, is_end = value[order], rank[order], is_end[order]
    at = np.flatnonzero(~is_end[:-1] & is_end[1:])
    left, left_rank, right = value[at], rank[at], value[at + 1]
    after = (left > lower[:, None]) | ((left == lower[:, None]) & (left_rank >= begin_rank[:, None]))
    return left, right, (after & (right <= upper[:, None])).astype(float)


def _maximize(A: FloatArray, w: FloatArray) -> tuple[FloatArray, float, int]:
    """Maximize sum w log(A p) over the simplex; return p, the bound of what is left to gain, and the steps."""
    total = w.sum()
    p = np.full(A.shape[1], 1 / A.shape[1])
    value, gap = _value(A, w, p), _gap(A, w, p)
    for iteration in range(_MAX_ITERATIONS):
        if gap <= _TOLERANCE * total:
            return p, gap, iteration
        S = A / (A @ p)[:, None]
        # Dax (1990): over the simplex, the least squares |S q - 2| is a nonnegative one without the constraint.
        rows = np.vstack([np.sqrt(w / total)[:, None] * (S - 2), np.ones(len(p))])
        q = nnls(rows, np.r_[np.zeros(len(w)), 1.0], maxiter=30 * len(p))[0]
        moved, risen = _risen(A, w, p, q / q.sum(), value)
        left = _gap(A, w, moved)
        # Near the maximum the likelihood is flat to the last digit, but its gradient still tells.
        if not (risen > value or left < gap / 2):
            if gap <= _GOOD_ENOUGH * total:
                return p, gap, iteration
            break
        p, value, gap = moved, risen, left
    raise EstimationError(
        "The likelihood of the interval-censored times has not reached its maximum.",
        evidence=f"{_MAX_ITERATIONS} steps, {len(w)} different intervals, {A.shape[1]} candidates for mass",
        remedy="Round the times to whole days, so that fewer intervals differ.",
    )


def _value(A: FloatArray, w: FloatArray, p: FloatArray) -> float:
    fitted = A @ p
    return float(w @ np.log(fitted)) if (fitted > 0).all() else -np.inf


def _gap(A: FloatArray, w: FloatArray, p: FloatArray) -> float:
    """Return the largest directional derivative: by concavity no gain can be larger."""
    return float((w @ (A / (A @ p)[:, None])).max() - w.sum())


def _risen(
    A: FloatArray, w: FloatArray, p: FloatArray, q: FloatArray, value: float
) -> tuple[FloatArray, float]:
    """Go from p towards q, half the way until the likelihood does not fall."""
    step, slack = 1.0, 1e-13 * (1 + abs(value))
    for _ in range(60):
        trial = (1 - step) * p + step * q
        reached = _value(A, w, trial)
        if reached >= value - slack:
            return trial, reached
        step /= 2
    return p, value


def bootstrap_bounds(
    lower: FloatArray, upper: FloatArray, times: FloatArray, replicates: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Estimate the survival bounds again from patients drawn with replacement.

    Parameters
    ----------
    lower, upper : array of shape (n,)
        Intervals, as for `turnbull`.
    times : array of shape (k,)
        Times.
    replicates : int
        Number of samples.
    rng : Generator
        Source of randomness.

    Returns
    -------
    low, high : array of shape (replicates, k)
        Bounds of survival at the times.
    """
    pairs, member = np.unique(np.column_stack([lower, upper]), axis=0, return_inverse=True)
    counts = np.bincount(member.ravel())
    low, high = np.empty((2, replicates, len(times)))
    for k in range(replicates):
        drawn = rng.multinomial(counts.sum(), counts / counts.sum())
        some = drawn > 0
        low[k], high[k] = turnbull(pairs[some, 0], pairs[some, 1], drawn[some].astype(float)).bounds(times)
    return low, high


def score_test(lower: FloatArray, upper: FloatArray, group: IntArray) -> tuple[float, int]:
    r"""Compare groups by the scores of a proportional hazards model, with their permutation variance.

    Parameters
    ----------
    lower, upper : array of shape (n,)
        Intervals.
    group : array of shape (n,)
        Codes from 0.

    Returns
    -------
    statistic : float
        Chi-squared; NaN when the scores do not differ.
    df : int
        Number of groups less one.

    Notes
    -----
    Scores :math:`\{S(L)\log S(L) - S(R)\log S(R)\} / \{S(L) - S(R)\}` of the pooled estimate (Finkelstein 1986), and
    the permutation variance of their sums (Fay 1999), which needs looks that do not depend on the group.
    """
    pooled = turnbull(lower, upper)
    a, b = _survival_at_ends(pooled, lower, upper)
    scores = (_entropy(a) - _entropy(b)) / (a - b)
    n, k = len(scores), int(group.max()) + 1
    size = np.bincount(group, minlength=k).astype(float)
    U = np.bincount(group, scores - scores.mean(), minlength=k)[1:]
    V = np.var(scores, ddof=1) * (np.diag(size) - np.outer(size, size) / n)[1:, 1:]
    if not np.var(scores) > 0:
        return float("nan"), k - 1
    return float(U @ np.linalg.solve(V, U)), k - 1


def _survival_at_ends(fit: Turnbull, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return survival at the last look without and the first with the event; just before an exact time."""
    exact = lower == upper
    inside = np.where(exact[:, None], fit.right < lower[:, None], fit.right <= lower[:, None])
    a = 1 - _total_where(fit.mass, inside)
    own = np.where(
        exact[:, None],
        (fit.left == lower[:, None]) & (fit.right == upper[:, None]),
        (fit.right > lower[:, None]) & (fit.right <= upper[:, None]),
    )
    return a, np.maximum(a - _total_where(fit.mass, own), 0.0)


def _entropy(s: FloatArray) -> FloatArray:
    return np.asarray(s * np.log(np.where(s > 0, s, 1.0)))
