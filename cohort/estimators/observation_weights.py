"""How likely a patient was to be still, and already, under observation: the weights of Fine and Gray's model.

G(t) is the Kaplan-Meier estimate of remaining uncensored. With late entry, H(t) is the product-limit estimate, in
reversed time, of having entered by t (Geskus 2011, section 3). A patient with a competing event at X stays in the
risk set of a later event time t with weight G(t-) H(t-) / {G(X-) H(X-)}.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ProductLimit:
    """Product over moments of one minus the share of those at risk who leave (or, in reversed time, enter).

    Attributes
    ----------
    time : array of shape (k,)
        Moments, ascending.
    n_risk, n_event : array of shape (k,)
        Weight at risk, and of those who leave or enter, at each moment.
    covered : array of shape (n, 2)
        Row i is at risk at the moments ``covered[i, 0] <= k < covered[i, 1]``.
    own : array of shape (n,)
        Position of the moment at which row i leaves or enters, -1 for none.
    reversed : bool
        Whether the product runs from the last moment backwards.
    """

    time: FloatArray
    n_risk: FloatArray
    n_event: FloatArray
    covered: IntArray
    own: IntArray
    reversed: bool

    def before(self, times: FloatArray) -> FloatArray:
        """Return the product over moments before each time, or in reversed time at or after it."""
        factor = 1 - self.n_event / self.n_risk
        at = np.searchsorted(self.time, times, "left")
        if self.reversed:
            return np.asarray(np.concatenate([np.cumprod(factor[::-1])[::-1], [1.0]])[at])
        return np.asarray(np.concatenate([[1.0], np.cumprod(factor)])[at])


def remaining_uncensored(
    start: FloatArray | None,
    stop: FloatArray,
    censored: BoolArray,
    weight: FloatArray,
    events_first: bool,
) -> ProductLimit:
    """Estimate the distribution of censoring.

    Parameters
    ----------
    start, stop : array of shape (n,)
        Follow-up (start, stop]; ``start`` None for everyone from the beginning.
    censored : array of shape (n,)
        Whether the row ends without an event.
    weight : array of shape (n,)
        Case weights.
    events_first : bool
        Whether a row with an event at u has left before censoring at u (R's ``finegray``), or is still at risk
        of it (``crr``).

    Returns
    -------
    ProductLimit
        G.
    """
    time, code = np.unique(stop[censored], return_inverse=True)
    last = np.searchsorted(time, stop, "right")
    if events_first:
        last = np.where(censored, last, np.searchsorted(time, stop, "left"))
    first = np.zeros(len(stop), dtype=np.intp) if start is None else np.searchsorted(time, start, "right")
    own = np.full(len(stop), -1, dtype=np.intp)
    own[censored] = code
    return _product_limit(time, first, np.maximum(last, first), own, weight, reversed_time=False)


def already_entered(start: FloatArray, stop: FloatArray, weight: FloatArray) -> ProductLimit:
    """Estimate, in reversed time, the distribution of entry; at entry d those with start <= d < stop are at risk.

    Parameters
    ----------
    start, stop, weight : array of shape (n,)
        Follow-up (start, stop], and case weights.

    Returns
    -------
    ProductLimit
        H.
    """
    time, own = np.unique(start, return_inverse=True)
    return _product_limit(time, own, np.searchsorted(time, stop, "left"), own, weight, reversed_time=True)


def _product_limit(
    time: FloatArray,
    first: IntArray,
    last: IntArray,
    own: IntArray,
    weight: FloatArray,
    reversed_time: bool,
) -> ProductLimit:
    k, leaves = len(time), own >= 0
    # Sums from the last moment backwards: those who reach it, minus those who begin after it.
    change = np.bincount(last, weight, k + 1)[1:] - np.bincount(first, weight, k + 1)[1:]
    n_risk = np.cumsum(change[::-1])[::-1]
    n_event = np.asarray(np.bincount(own[leaves], weight[leaves], k), dtype=np.float64)
    # Nobody is left but those who leave: exactly zero, whatever the rounding of weights.
    n_risk = np.where(np.abs(n_risk - n_event) <= 1e-12 * weight.sum(), n_event, n_risk)
    return ProductLimit(time, n_risk, n_event, np.column_stack([first, last]), own, reversed_time)
