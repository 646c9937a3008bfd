"""Area under the ROC curve of one or more scores, with the covariance of independent or clustered patients."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr
from scipy.stats import rankdata

from cohort.estimators.accuracy import critical
from cohort.estimators.contingency import Measure

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]
_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class RocAreas:
    """Areas of k scores, or of scores in groups, with their covariance.

    Attributes
    ----------
    areas : array of shape (k,)
        Probability that one with the outcome scores above one without, ties counting half.
    covariance : array of shape (k, k)
        Of the areas; NaN where it is not defined.
    n_with, n_without : array of shape (k,)
        Rows with and without the outcome.
    """

    areas: FloatArray
    covariance: FloatArray
    n_with: IntArray
    n_without: IntArray

    def area(self, j: int, conf_level: float, logit: bool) -> Measure:
        """Return one area with its limits.

        Parameters
        ----------
        j : int
            Which.
        conf_level : float
            Confidence level.
        logit : bool
            Whether limits are symmetrical on the logit scale; otherwise on the natural scale, cut at 0 and 1.

        Returns
        -------
        Measure
            Standard error on the natural scale; no limits where the variance is zero or not defined.
        """
        value, error = float(self.areas[j]), self._error(j)
        reason = self._why(j)
        if reason:
            return Measure(value, reason=reason)
        z = critical(math.inf, conf_level)
        if not logit:
            return Measure(value, error, max(value - z * error, 0.0), min(value + z * error, 1.0))
        at, width = math.log(value / (1 - value)), z * error / (value * (1 - value))
        low, high = (1 / (1 + math.exp(-(at + side * width))) for side in (-1, 1))
        return Measure(value, error, low, high)

    def difference(self, i: int, j: int, conf_level: float, df: float = math.inf) -> tuple[Measure, float]:
        """Compare two areas.

        Parameters
        ----------
        i, j : int
            Which: the area of i less that of j.
        conf_level : float
            Confidence level.
        df : float, default=inf
            Degrees of freedom of Student's t.

        Returns
        -------
        difference : Measure
            With limits on the natural scale and a two-sided p-value.
        statistic : float
            Difference over its standard error.
        """
        value = float(self.areas[i] - self.areas[j])
        variance = self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j]
        reason = next((why for k in (i, j) if (why := self._why(k))), "")
        if not reason and variance <= _TOLERANCE * (self.covariance[i, i] + self.covariance[j, j]):
            reason = "the two areas do not differ in any row, so that their difference has no variance"
        if reason:
            return Measure(value, reason=reason), math.nan
        error = math.sqrt(variance)
        statistic = value / error
        tail = ndtr(-abs(statistic)) if math.isinf(df) else stdtr(df, -abs(statistic))
        z = critical(df, conf_level)
        return Measure(value, error, value - z * error, value + z * error, float(2 * tail)), statistic

    def unpaired_df(self, i: int, j: int) -> float:
        """Return Satterthwaite's degrees of freedom of two independent areas, on rows less one of each.

        Parameters
        ----------
        i, j : int
            Which.

        Returns
        -------
        float
            Degrees of freedom.
        """
        parts = [(self.covariance[k, k], self.n_with[k] + self.n_without[k] - 1) for k in (i, j)]
        below = sum(v**2 / n for v, n in parts)
        return float(sum(v for v, _ in parts) ** 2 / below) if below > 0 else math.nan

    def _error(self, j: int) -> float:
        variance = float(self.covariance[j, j])
        return math.sqrt(max(variance, 0.0)) if not math.isnan(variance) else math.nan

    def _why(self, j: int) -> str:
        """Say why the variance of an area does not tell how uncertain it is."""
        if math.isnan(self._error(j)):
            return "fewer than two (rows or clusters) with, or without the outcome: no variance"
        if self.areas[j] in (0.0, 1.0):
            return "the score separates the two completely: variance zero; see newcombe"
        return "" if self._error(j) > _TOLERANCE else "the variance is zero in these rows; see newcombe"


def placements(score: FloatArray, positive: BoolArray) -> FloatArray:
    """Place each row among those of the other outcome.

    Parameters
    ----------
    score : array of shape (n,)
        Higher means more likely to have the outcome.
    positive : array of shape (n,)
        Who has the outcome.

    Returns
    -------
    array of shape (n,)
        Of a row with the outcome the share of those without that it exceeds, of a row without the share of those
        with that exceed it, ties counting half; by mid-ranks, in n log n steps (Sun and Xu 2014, eq 9).
    """
    m, n = int(positive.sum()), int((~positive).sum())
    overall = rankdata(score)
    placed = np.empty(len(score))
    placed[positive] = (overall[positive] - rankdata(score[positive])) / n
    placed[~positive] = 1 - (overall[~positive] - rankdata(score[~positive])) / m
    return placed


def paired_areas(scores: FloatArray, positive: BoolArray, cluster: IntArray | None = None) -> RocAreas:
    """Estimate the areas of scores of the same rows.

    Parameters
    ----------
    scores : array of shape (n, k)
        Higher means more likely to have the outcome.
    positive : array of shape (n,)
        Who has the outcome; at least one has and one has not.
    cluster : array of shape (n,) or None
        Codes of clusters from 0; None takes rows as independent.

    Returns
    -------
    RocAreas
        Covariance of DeLong, DeLong and Clarke-Pearson (1988, eq 5), or with clusters of Obuchowski (1997, eq 3).
    """
    placed = np.column_stack([placements(column, positive) for column in scores.T])
    areas = placed[positive].mean(axis=0)
    k, m, n = scores.shape[1], int(positive.sum()), int((~positive).sum())
    covariance = np.full((k, k), np.nan)
    away = placed - areas
    if cluster is None:
        if min(m, n) > 1:
            first, second = away[positive], away[~positive]
            covariance = first.T @ first / (m * (m - 1)) + second.T @ second / (n * (n - 1))
    else:
        covariance = _between(away, positive, cluster)
    return RocAreas(areas, covariance, np.full(k, m), np.full(k, n))


def _between(away: FloatArray, positive: BoolArray, cluster: IntArray) -> FloatArray:
    """Covariance between clusters: S10 / m + S01 / n + (S11 + S11') / (m n), sums of clusters in place of rows."""
    size, k = int(cluster.max()) + 1, away.shape[1]
    sums, held = np.zeros((2, size, k)), np.zeros((2, size), dtype=bool)
    for side, mask in enumerate((positive, ~positive)):
        np.add.at(sums[side], cluster[mask], away[mask])
        held[side, cluster[mask]] = True
    m, n = int(positive.sum()), int((~positive).sum())
    counts = held.sum(axis=1)
    if counts.min() < 2:
        return np.full((k, k), np.nan)
    total = sum(
        (c / (c - 1) * (s.T @ s) / rows**2 for c, s, rows in zip(counts, sums, (m, n), strict=True)),
        np.zeros((k, k)),
    )
    cross = size / (size - 1) * (sums[0].T @ sums[1]) / (m * n)
    return np.asarray(total + cross + cross.T)


def grouped_areas(
    score: FloatArray, positive: BoolArray, group: IntArray, cluster: IntArray | None = None
) -> RocAreas:
    """Estimate the area of one score in each of several groups.

    Parameters
    ----------
    score : array of shape (n,)
        Higher means more likely to have the outcome.
    positive : array of shape (n,)
        Who has the outcome; in each group at least one has and one has not.
    group : array of shape (n,)
        Codes of groups from 0, each with rows.
    cluster : array of shape (n,) or None
        Codes of clusters from 0. A cluster with rows of several groups makes their areas correlated.

    Returns
    -------
    RocAreas
        One area per group; independent ones without clusters. Covariances between groups sum the products of the
        clusters' influences, times I / (I - 1) for I clusters.
    """
    k = int(group.max()) + 1
    parts, influence = [], []
    for g in range(k):
        rows = group == g
        inner = None if cluster is None else np.unique(cluster[rows], return_inverse=True)[1]
        parts.append(paired_areas(score[rows, None], positive[rows], inner))
        if cluster is not None:
            influence.append(_cluster_influence(score[rows], positive[rows], cluster[rows], cluster))
    covariance = np.diag([part.covariance[0, 0] for part in parts])
    if cluster is not None:
        size = int(cluster.max()) + 1
        across = np.array(influence) @ np.array(influence).T * size / (size - 1)
        covariance = np.where(np.eye(k, dtype=bool), covariance, across)
    areas, m, n = (
        np.array([getattr(part, name)[0] for part in parts]) for name in ("areas", "n_with", "n_without")
    )
    return RocAreas(areas, covariance, m, n)


def _cluster_influence(
    score: FloatArray, positive: BoolArray, cluster: IntArray, all_clusters: IntArray
) -> FloatArray:
    placed = placements(score, positive)
    away = (placed - placed[positive].mean()) / np.where(positive, positive.sum(), (~positive).sum())
    total = np.zeros(int(all_clusters.max()) + 1)
    np.add.at(total, cluster, away)
    return total


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """Operating points of one score, from nobody positive to everybody.

    Attributes
    ----------
    cutoff : array of shape (q,)
        A row is positive at the cutoff or above; the first is infinite, the others are the distinct scores.
    sensitivity, specificity : array of shape (q,)
        Shares of those with the outcome who are positive, and of those without who are negative.
    """

    cutoff: FloatArray
    sensitivity: FloatArray
    specificity: FloatArray

    def youden(self) -> int:
        """Return which point has the largest sensitivity + specificity - 1; the highest cutoff of several."""
        index = self.sensitivity + self.specificity - 1
        return int(np.flatnonzero(index >= index.max() - _TOLERANCE)[0])


def roc_curve(score: FloatArray, positive: BoolArray, weight: FloatArray | None = None) -> RocCurve:
    """Trace the ROC curve of a score.

    Parameters
    ----------
    score : array of shape (n,)
        Higher means more likely to have the outcome.
    positive : array of shape (n,)
        Who has the outcome.
    weight : array of shape (n,) or None
        How often a row counts; once by default.

    Returns
    -------
    RocCurve
        One point per distinct score, and one where nobody is positive.
    """
    values, where = np.unique(-score, return_inverse=True)
    count = np.ones(len(score)) if weight is None else weight
    shares = []
    for mask in (positive, ~positive):
        above = np.bincount(where, np.where(mask, count, 0.0), len(values)).cumsum()
        shares.append(np.concatenate([[0.0], above / above[-1]]))
    return RocCurve(np.concatenate([[np.inf], -values]), shares[0], 1 - shares[1])


def youden_optimism(
    score: FloatArray,
    positive: BoolArray,
    cluster: IntArray | None,
    bootstraps: int,
    rng: np.random.Generator,
) -> float:
    """Estimate by how much the largest Youden index is too large, because its cutoff was chosen from the same rows.

    Parameters
    ----------
    score : array of shape (n,)
        Higher means more likely to have the outcome.
    positive : array of shape (n,)
        Who has the outcome.
    cluster : array of shape (n,) or None
        Codes of clusters, which are drawn whole.
    bootstraps : int
        Number of samples.
    rng : Generator
        Source of randomness.

    Returns
    -------
    float
        Mean, over bootstrap samples with both outcomes, of the index of the sample's best cutoff in the sample less
        that in the data (Harrell 1996).
    """
    codes = np.arange(len(score)) if cluster is None else cluster
    size = int(codes.max()) + 1
    original = roc_curve(score, positive)
    index = original.sensitivity + original.specificity - 1
    gains = []
    for _ in range(bootstraps):
        weight = rng.multinomial(size, np.full(size, 1 / size))[codes].astype(float)
        if not (weight[positive].any() and weight[~positive].any()):
            continue
        sample = roc_curve(score, positive, weight)
        best = sample.youden()
        gains.append(sample.sensitivity[best] + sample.specificity[best] - 1 - index[best])
    return float(np.mean(gains)) if gains else math.nan
