"""Inverse probability of censoring weights at one horizon, and what estimating them adds to an influence function.

Symbols: T follow-up, G(u) the Kaplan-Meier estimate of not yet being censored, W_i the weight of patient i: 1/G(T_i-)
when an event came by the horizon t, 1/G(t) when followed beyond it, 0 when censored before. Events come before
censorings of the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class CensoringWeights:
    """Weights of the patients at one horizon.

    Attributes
    ----------
    weight : array of shape (n,)
        W_i.
    case, control : array of shape (n,)
        Whether the event of interest came by the horizon, and whether it is known that it did not: followed
        beyond the horizon, or a competing event by it.
    """

    weight: FloatArray
    case: BoolArray
    control: BoolArray
    _stop: FloatArray
    _censored: BoolArray
    _moment: FloatArray
    _at_risk: FloatArray
    _n_censor: FloatArray

    def influence(self, value: FloatArray) -> FloatArray:
        """Return the influence of each patient on the weighted mean (1/n) sum W_i value_i.

        The first part holds the weights fixed; the second is the martingale of censoring, integrated over what
        the weights of those still followed contribute.

        Parameters
        ----------
        value : array of shape (n,)
            What is averaged.

        Returns
        -------
        array of shape (n,)
            Influences; their mean is zero.
        """
        own = self.weight * value
        order = np.argsort(self._stop, kind="stable")
        beyond = np.append(np.cumsum(own[order][::-1])[::-1], 0.0)
        A = beyond[np.searchsorted(self._stop[order], self._moment, "right")] / self._at_risk
        compensator = np.append(0.0, np.cumsum(A * self._n_censor / self._at_risk))
        last = np.searchsorted(self._moment, self._stop, "right")
        jump = np.zeros(len(own))
        mine = self._censored & (last > 0)
        mine[mine] = self._moment[last[mine] - 1] == self._stop[mine]
        jump[mine] = A[last[mine] - 1]
        return np.asarray(own - own.mean() + jump - compensator[last], dtype=float)


def censoring_weights(stop: FloatArray, event: IntArray, code: int, horizon: float) -> CensoringWeights:
    """Weigh patients at a horizon by the inverse probability of being uncensored.

    Parameters
    ----------
    stop : array of shape (n,)
        Time of event or censoring.
    event : array of shape (n,)
        0 for censored, else the code of the event.
    code : int
        The event of interest.
    horizon : float
        Time at which patients are judged.

    Returns
    -------
    CensoringWeights
        The weights.

    Notes
    -----
    As R ``riskRegression::Score`` with ``cens.model="km"``; like it, the part of the influence that comes from
    estimating G counts events tied with a censoring among those at risk.
    """
    censored = event == 0
    moments, n_censor = np.unique(stop[censored], return_counts=True)
    ordered = np.sort(stop)
    at_risk = len(stop) - np.searchsorted(ordered, moments, "left")
    uncensored = np.sort(stop[~censored])
    tied = np.searchsorted(uncensored, moments, "right") - np.searchsorted(uncensored, moments, "left")
    G = np.append(1.0, np.cumprod(1 - n_censor / (at_risk - tied)))
    before = G[np.searchsorted(moments, stop, "left")]
    weight = np.zeros(len(stop))
    happened, later = (stop <= horizon) & ~censored, stop > horizon
    weight[happened] = 1 / before[happened]
    if later.any():  # somebody followed beyond the horizon was not censored by it: G is not 0
        weight[later] = 1 / G[np.searchsorted(moments, horizon, "right")]
    used = moments <= horizon
    return CensoringWeights(
        weight=weight,
        case=happened & (event == code),
        control=later | (happened & (event != code)),
        _stop=stop,
        _censored=censored,
        _moment=moments[used],
        _at_risk=at_risk[used].astype(float),
        _n_censor=n_censor[used].astype(float),
    )
