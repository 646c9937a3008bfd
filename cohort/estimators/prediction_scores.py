"""How well a marker ranks, and a predicted risk fits, who has the event by a horizon, under censoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.estimators.censoring_weights import CensoringWeights

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """An estimate with the influence of each patient.

    Attributes
    ----------
    estimate : float
        The estimate.
    influence : array of shape (n,)
        Influence of each patient; the standard error is its standard deviation over root n.
    """

    estimate: float
    influence: FloatArray

    @property
    def std_error(self) -> float:
        """Standard error.

        Returns
        -------
        float
            NaN with fewer than two patients.
        """
        n = len(self.influence)
        return float(np.std(self.influence, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")


def area_under_curve(marker: FloatArray, weights: CensoringWeights) -> Scored:
    r"""Estimate the probability that a case has the higher marker than a control, ties counting half.

    Parameters
    ----------
    marker : array of shape (n,)
        Higher means more risk.
    weights : CensoringWeights
        Cases, controls and their weights.

    Returns
    -------
    Scored
        Cumulative/dynamic area under the curve; NaN without cases or without controls.

    Notes
    -----
    With :math:`h_1(x), h_0(x)` the weighted shares of controls below and of cases above x, the area is
    :math:`\Phi / (\mu_1 \mu_0)` with :math:`\Phi = n^{-1} \sum_{cases} W_i h_1(M_i)`. It is a ratio of means,
    whose influences follow from :meth:`CensoringWeights.influence` (Blanche, Dartigues and Jacqmin-Gadda 2013).
    """
    n = len(marker)
    case, control = weights.weight * weights.case, weights.weight * weights.control
    values, at = np.unique(marker, return_inverse=True)
    cases, controls = (np.bincount(at, w, len(values)) / n for w in (case, control))
    mu1, mu0 = cases.sum(), controls.sum()
    if not (mu1 > 0 and mu0 > 0):
        return Scored(float("nan"), np.full(n, np.nan))
    below = np.cumsum(controls) - controls / 2
    above = np.cumsum(cases[::-1])[::-1] - cases / 2
    area = float(cases @ below / (mu1 * mu0))
    pull = weights.case * (below[at] - area * mu0) + weights.control * (above[at] - area * mu1)
    return Scored(area, weights.influence(pull / (mu1 * mu0)))


def brier(risk: FloatArray, weights: CensoringWeights) -> Scored:
    """Estimate the mean squared difference between event and predicted risk at a horizon.

    Parameters
    ----------
    risk : array of shape (n,)
        Predicted risk of the event of interest by the horizon.
    weights : CensoringWeights
        Cases, controls and their weights.

    Returns
    -------
    Scored
        Brier score (Graf and others 1999; Gerds and Schumacher 2006).
    """
    squared = (weights.case - risk) ** 2
    return Scored(float(np.mean(weights.weight * squared)), weights.influence(squared))


def scaled_brier(score: Scored, null: Scored) -> Scored:
    """Return one minus a Brier score over that of the null model, with its influence.

    Parameters
    ----------
    score, null : Scored
        Brier scores of the model and of one risk for everybody.

    Returns
    -------
    Scored
        Scaled Brier score, or index of prediction accuracy; 0 is useless, 1 perfect. NaN when the null model is
        perfect.

    Notes
    -----
    The null model's risk is estimated too, but its Brier score is smallest at that estimate, so that it adds no
    influence of first order.
    """
    if not null.estimate > 0:
        return Scored(float("nan"), np.full(len(null.influence), np.nan))
    share = score.estimate / null.estimate
    return Scored(1 - share, (share * null.influence - score.influence) / null.estimate)
