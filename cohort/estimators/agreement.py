"""Agreement of raters beyond chance: Fleiss, Gwet, percent and specific agreement.

A unit enters through its counts: how many raters put it into each category. Every coefficient comes as the
estimate with the influence of each unit on it, so that one sum of squares gives the variance (units are the
sample; raters are fixed), by cluster where units are clustered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ONE_CATEGORY = "all ratings are in one category: agreement by chance is complete"
FEW_UNITS = "fewer than two units have two ratings"


@dataclass(frozen=True, slots=True, eq=False)
class Coefficient:
    """One coefficient with the influence of each unit.

    Attributes
    ----------
    estimate : float
        On its natural scale, 1 for complete agreement; NaN with a reason.
    influence : array of shape (n,)
        Influence of each unit divided by the number of units; sums to zero.
    n : int
        Units used.
    reason : str
        Why the estimate is NaN; empty when it is not.
    """

    estimate: float
    influence: FloatArray
    n: int
    reason: str = ""

    def std_error(self, factor: float, cluster: NDArray[np.intp] | None = None) -> float:
        """Return the standard error.

        Parameters
        ----------
        factor : float
            Small-sample factor of the variance, such as n/(n-1).
        cluster : array of shape (n,), optional
            Cluster codes; influences are added up within clusters.

        Returns
        -------
        float
            NaN where nothing varies.
        """
        parts = self.influence if cluster is None else np.bincount(cluster, weights=self.influence)
        variance = float(factor * parts @ parts)
        return float(np.sqrt(variance)) if variance > 1e-24 else float("nan")


def missing_coefficient(r: FloatArray, reason: str) -> Coefficient:
    """Return a coefficient that cannot be computed.

    Parameters
    ----------
    r : array of shape (n, q)
        Ratings per unit and category.
    reason : str
        Why.

    Returns
    -------
    Coefficient
        NaN with the reason.
    """
    return Coefficient(float("nan"), np.zeros(len(r)), int((r.sum(axis=1) >= 2).sum()), reason)


def agreement_weights(scores: FloatArray, kind: str | None) -> FloatArray:
    """Return the weight of each pair of categories: 1 on the diagonal, less with distance.

    Parameters
    ----------
    scores : array of shape (q,)
        Positions of the categories, increasing.
    kind : {None, 'linear', 'quadratic'}
        None gives the identity.

    Returns
    -------
    array of shape (q, q)
        ``1 - |i - j| / range``, or with its square (Cicchetti and Allison 1971; Fleiss and Cohen 1973).
    """
    if kind is None or len(scores) < 2:
        return np.eye(len(scores))
    distance = np.abs(scores[:, None] - scores[None, :]) / (scores.max() - scores.min())
    return np.asarray(1 - (distance if kind == "linear" else distance**2))


def unit_agreement(r: FloatArray, W: FloatArray) -> FloatArray:
    """Return the weighted share of agreeing pairs of raters per unit; 0 for units with one rating or none.

    Parameters
    ----------
    r : array of shape (n, q)
        Ratings per unit and category.
    W : array of shape (q, q)
        Weights of pairs.

    Returns
    -------
    array of shape (n,)
        Shares.
    """
    ri = r.sum(axis=1)
    pairs = ri * (ri - 1)
    agreeing = (r * (r @ W - 1)).sum(axis=1)
    return np.asarray(np.divide(agreeing, pairs, out=np.zeros(len(r)), where=pairs > 0))


def percent_agreement(r: FloatArray, W: FloatArray) -> Coefficient:
    """Return the (weighted) share of agreeing pairs, averaged over units with two ratings or more.

    Parameters
    ----------
    r : array of shape (n, q)
        Ratings per unit and category.
    W : array of shape (q, q)
        Weights of pairs.

    Returns
    -------
    Coefficient
        Gwet 2014, equation 2.1.
    """
    two = (r.sum(axis=1) >= 2).astype(float)
    n = int(two.sum())
    if n < 2:
        return missing_coefficient(r, FEW_UNITS)
    a = unit_agreement(r, W)
    p = float(a @ two) / n
    return Coefficient(p, two * (a - p) / n, n)


def specific_agreement(r: FloatArray, category: int) -> Coefficient:
    """Return the agreement on one category: of the ratings in it, the share that another rater confirms.

    Parameters
    ----------
    r : array of shape (n, q)
        Ratings per unit and category.
    category : int
        Its column; for present and absent these are positive and negative agreement.

    Returns
    -------
    Coefficient
        Uebersax 1982; a ratio of sums over units, 2a/(2a + b + c) for two raters.
    """
    ri = r.sum(axis=1)
    agreeing = r[:, category] * (r[:, category] - 1)
    possible = r[:, category] * np.maximum(ri - 1, 0)
    if possible.sum() == 0:
        return missing_coefficient(r, "no unit with two ratings has this category")
    p = float(agreeing.sum() / possible.sum())
    return Coefficient(p, (agreeing - p * possible) / possible.sum(), int((ri >= 2).sum()))


def fleiss_kappa(r: FloatArray, W: FloatArray) -> Coefficient:
    """Return Fleiss' kappa, weighted and with missing ratings as Gwet generalizes it.

    Parameters
    ----------
    r : array of shape (n, q)
        Ratings per unit and category.
    W : array of shape (q, q)
        Weights of pairs.

    Returns
    -------
    Coefficient
        Fleiss 1971; influence of Gwet 2014, section 5.3.
    """
    share, rated = _shares(r)
    pi = share.sum(axis=0) / max(rated.sum(), 1)
    expected = float(pi @ W @ pi)
    return _beyond_chance(r, W, share @ (W @ pi), expected)


def gwet_ac(r: FloatArray, W: FloatArray) -> Coefficient:
    """Return Gwet's AC1 (identity weights) or AC2.

    Parameters
    ----------
    r : array of shape (n, q)
        Ratings per unit and category; q is the number of possible categories.
    W : array of shape (q, q)
        Weights of pairs.

    Returns
    -------
    Coefficient
        Gwet 2008 and 2014, equations 4.4 and 5.3.3.
    """
    q = W.shape[0]
    if q < 2:
        return missing_coefficient(r, "only one category is possible: name all with categories=")
    share, rated = _shares(r)
    pi = share.sum(axis=0) / max(rated.sum(), 1)
    size = float(W.sum()) / (q * (q - 1))
    expected = size * float((pi * (1 - pi)).sum())
    return _beyond_chance(r, W, size * (share @ (1 - pi)), expected)


def _shares(r: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    ri = r.sum(axis=1)
    return np.divide(r, ri[:, None], out=np.zeros_like(r), where=ri[:, None] > 0), ri > 0


def _beyond_chance(r: FloatArray, W: FloatArray, e: FloatArray, expected: float) -> Coefficient:
    """Combine agreement and chance (Gwet 2014): pairs come from units rated twice, chance from all rated.

    ``e`` is each unit's chance agreement, half its derivative at the estimate.
    """
    ri = r.sum(axis=1)
    two, rated = (ri >= 2).astype(float), (ri >= 1).astype(float)
    n_two, n_rated = float(two.sum()), float(rated.sum())
    if n_two < 2:
        return missing_coefficient(r, FEW_UNITS)
    if 1 - expected < 1e-12:
        return missing_coefficient(r, ONE_CATEGORY)
    a = unit_agreement(r, W)
    observed = float(a @ two) / n_two
    kappa = (observed - expected) / (1 - expected)
    # d kappa = [d observed - (1 - kappa) d expected] / (1 - expected); d expected = 2 (e_i - expected)
    of_pairs = two * (a - observed) / n_two
    of_chance = 2 * (1 - kappa) * rated * (e - expected) / n_rated
    return Coefficient(kappa, (of_pairs - of_chance) / (1 - expected), int(n_two))
