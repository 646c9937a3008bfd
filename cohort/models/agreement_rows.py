"""Every coefficient of agreement of one set of ratings, as rows; limits at any level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cohort.estimators.agreement import (
    Coefficient,
    agreement_weights,
    fleiss_kappa,
    gwet_ac,
    krippendorff_alpha,
    missing_coefficient,
    percent_agreement,
    specific_agreement,
)
from cohort.estimators.agreement_bootstrap import bootstrap_agreement, draw_weights
from cohort.estimators.cohen import cohen_kappa, two_by_two_indices
from cohort.estimators.proportions import proportion_limits
from cohort.models.ratings import Ratings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
NAN = float("nan")
MEASUREMENTS = "ratings are measurements, not categories: see co.intraclass_correlation"


@dataclass(frozen=True, slots=True, eq=False)
class AgreementRow:
    """One coefficient.

    Attributes
    ----------
    term, level : str
        Name, and the category of specific agreement.
    estimate, std_error : float
        On the natural scale.
    df : float
        Degrees of freedom of the limits; infinite for the normal distribution.
    n : int
        Units used.
    reason : str
        Why the estimate is missing.
    trials : (int, int) or None
        Successes and trials where limits are Wilson's.
    draws : array of shape (n_boot,) or None
        Resampled values where limits are percentiles of the bootstrap.
    """

    term: str
    level: str
    estimate: float
    std_error: float
    df: float
    n: int
    reason: str
    trials: tuple[int, int] | None = None
    draws: FloatArray | None = None

    @property
    def method(self) -> str:
        """Return how the limits are computed.

        Returns
        -------
        str
            ``bootstrap``, ``wilson``, ``normal``, ``t``; empty without limits.
        """
        if np.isnan(self.estimate) or self.term.endswith("_index"):
            return ""
        if self.draws is not None:
            return "bootstrap"
        if self.trials is not None:
            return "wilson"
        return "normal" if np.isinf(self.df) else "t"

    def limits(self, conf_level: float, categories: int) -> tuple[float, float]:
        """Return the limits, cut at 1 and at the smallest value that the coefficient can take.

        Parameters
        ----------
        conf_level : float
            Confidence level.
        categories : int
            Possible categories.

        Returns
        -------
        low, high : float
            NaN where there is no standard error.
        """
        if np.isnan(self.estimate):
            return NAN, NAN
        if self.draws is not None:
            return _percentiles(self.draws, conf_level)
        if self.trials is not None:
            return _wilson(self.term, *self.trials, conf_level, categories)
        width = float(stats.t.isf((1 - conf_level) / 2, self.df)) * self.std_error
        floor = 0.0 if self.term.endswith("agreement") else -1.0
        return max(self.estimate - width, floor), min(self.estimate + width, 1.0)


def _percentiles(draws: FloatArray, conf_level: float) -> tuple[float, float]:
    tail = (1 - conf_level) / 2
    usable = draws[~np.isnan(draws)]
    if not len(usable):
        return NAN, NAN
    low, high = np.quantile(usable, [tail, 1 - tail])
    return float(low), float(high)


def _wilson(term: str, x: int, n: int, conf_level: float, categories: int) -> tuple[float, float]:
    """Carry Wilson's limits of a share over to the measure that is a rising function of it."""
    if n == 0:
        return NAN, NAN
    low, high = (float(v) for v in proportion_limits(x, n, "wilson", conf_level))
    if term == "pabak":
        low, high = ((categories * v - 1) / (categories - 1) for v in (low, high))
    elif term == "specific_agreement":  # 2q/(1 + q) with q = a/(a + b + c)
        low, high = (2 * v / (1 + v) for v in (low, high))
    return low, high


def agreement_rows(
    ratings: Ratings,
    weights: str | None,
    level: str,
    cluster: IntArray | None,
    n_boot: int = 0,
    rng: np.random.Generator | None = None,
    identified: bool = True,
) -> tuple[AgreementRow, ...]:
    """Compute every coefficient.

    Parameters
    ----------
    ratings : Ratings
        Coded ratings.
    weights : {None, 'linear', 'quadratic'}
        Agreement weights of kappas and AC2.
    level : str
        Krippendorff's level of measurement.
    cluster : array of shape (n,) or None
        Cluster codes.
    n_boot : int, default=0
        Resamples; 0 for analytic limits.
    rng : Generator, optional
        Source of randomness of the bootstrap.
    identified : bool, default=True
        Whether a column is a rater; False where only counts per category were given.

    Returns
    -------
    tuple of AgreementRow
        Chance-corrected coefficients, then percent and specific agreement and indices.
    """
    r = ratings.counts
    found = _coefficients(ratings, r, weights, level, identified)
    pair = _pair(ratings) if identified else None
    groups = 0 if cluster is None else len(np.unique(cluster))
    rows = [_row(key, c, groups, cluster) for key, c in found.items()]
    if n_boot and rng is not None:
        W = agreement_weights(ratings.scores, weights)
        drawn = draw_weights(len(r), cluster, n_boot, rng)
        draws = bootstrap_agreement(r, pair, W, ratings.scores, level, drawn)
        rows = [_with_draws(row, draws, ratings) for row in rows]
    elif cluster is None and pair is not None:
        rows = [_with_trials(row, pair, ratings) for row in rows]
    return (*rows, *_indices(ratings, pair))


def _coefficients(
    ratings: Ratings, r: FloatArray, weights: str | None, level: str, identified: bool
) -> dict[tuple[str, str], Coefficient]:
    W, eye = agreement_weights(ratings.scores, weights), np.eye(len(ratings.labels))
    alpha = {("krippendorff_alpha", ""): krippendorff_alpha(r, ratings.scores, level)}
    if not ratings.whole:
        gone = missing_coefficient(r, MEASUREMENTS)
        names = ("cohen_kappa", "fleiss_kappa", "gwet_ac1", "gwet_ac2", "percent_agreement")
        return alpha | {(name, ""): gone for name in names}
    no_weights = missing_coefficient(r, 'AC2 is AC1 without weights: give weights="linear" or "quadratic"')
    share = percent_agreement(r, eye)
    found = {
        ("cohen_kappa", ""): _cohen(ratings, W, r, identified),
        ("fleiss_kappa", ""): fleiss_kappa(r, W),
        **alpha,
        ("gwet_ac1", ""): gwet_ac(r, eye),
        ("gwet_ac2", ""): gwet_ac(r, W) if weights else no_weights,
        ("pabak", ""): _pabak(share, len(eye)),
        ("percent_agreement", ""): share,
    }
    specific = {
        ("specific_agreement", label): specific_agreement(r, k) for k, label in enumerate(ratings.labels)
    }
    return found | (specific if len(ratings.labels) <= 10 else {})


def _cohen(ratings: Ratings, W: FloatArray, r: FloatArray, identified: bool) -> Coefficient:
    if not identified:
        return missing_coefficient(r, "counts do not say which rater gave which rating")
    if len(ratings.raters) > 2:
        return missing_coefficient(r, "more than two raters: see pairs(), or fleiss_kappa")
    return cohen_kappa(ratings.codes[:, 0], ratings.codes[:, 1], W)


def _pabak(share: Coefficient, q: int) -> Coefficient:
    """Chance agreement of 1/q (Byrt 1993; Bennett's S and Brennan-Prediger for q categories)."""
    if q < 2:
        return Coefficient(NAN, share.influence * 0, share.n, "only one category is possible")
    scale = q / (q - 1)
    return Coefficient((q * share.estimate - 1) / (q - 1), share.influence * scale, share.n, share.reason)


def _row(key: tuple[str, str], c: Coefficient, groups: int, cluster: IntArray | None) -> AgreementRow:
    size = groups or c.n
    normal = key[0] == "cohen_kappa" and not groups  # large-sample variance of Fleiss, Cohen, Everitt
    factor = 1.0 if normal else size / (size - 1) if size > 1 else NAN
    std_error = c.std_error(factor, cluster) if not np.isnan(c.estimate) else NAN
    return AgreementRow(*key, c.estimate, std_error, np.inf if normal else size - 1.0, c.n, c.reason)


def _pair(ratings: Ratings) -> tuple[IntArray, IntArray] | None:
    return (ratings.codes[:, 0], ratings.codes[:, 1]) if len(ratings.raters) == 2 else None


def _with_draws(row: AgreementRow, draws: Mapping[str, FloatArray], ratings: Ratings) -> AgreementRow:
    suffix = f" {ratings.labels.index(row.level)}" if row.level else ""
    values = draws.get(f"{row.term}{suffix}")
    if values is None or np.isnan(row.estimate):
        return row
    usable = values[~np.isnan(values)]
    error = float(usable.std(ddof=1)) if len(usable) > 1 else NAN
    return replace(row, std_error=error, draws=values)


def _with_trials(row: AgreementRow, pair: tuple[IntArray, IntArray], ratings: Ratings) -> AgreementRow:
    """Use the binomial distribution of two raters' agreement."""
    if row.term not in ("percent_agreement", "pabak", "specific_agreement") or np.isnan(row.estimate):
        return row
    first, second = pair
    both = (first >= 0) & (second >= 0)
    same, used = both & (first == second), both
    if row.level:
        k = ratings.labels.index(row.level)
        used = both & ((first == k) | (second == k))
        same = both & (first == k) & (second == k)
    trials = (int(same.sum()), int(used.sum()))
    return replace(row, trials=trials)


def _indices(ratings: Ratings, pair: tuple[IntArray, IntArray] | None) -> list[AgreementRow]:
    """Prevalence and bias index, for two raters and two categories."""
    if pair is None or not ratings.whole:
        return []
    reason = "" if len(ratings.labels) == 2 else "defined for two categories"
    both = (pair[0] >= 0) & (pair[1] >= 0)
    prevalence = bias = NAN
    if not reason and both.any():
        cells = np.bincount(2 * pair[0][both] + pair[1][both], minlength=4).reshape(2, 2)
        prevalence, bias = two_by_two_indices(cells.astype(float))
    elif not reason:
        reason = "no unit is rated by both"
    n = int(both.sum())
    names = ("prevalence_index", prevalence), ("bias_index", bias)
    return [AgreementRow(name, "", value, NAN, NAN, n, reason) for name, value in names]
