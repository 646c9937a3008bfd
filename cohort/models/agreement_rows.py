"""Every coefficient of agreement of one set of ratings, as rows; limits at any level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cohort.estimators.agreement import (
    Coefficient,
    agreement_weights,
    fleiss_kappa,
    gwet_ac,
    missing_coefficient,
    percent_agreement,
    specific_agreement,
)
from cohort.estimators.agreement_bootstrap import bootstrap_agreement
from cohort.estimators.cohen import cohen_kappa, two_by_two_indices
from cohort.estimators.krippendorff import krippendorff_alpha
from cohort.estimators.proportions import proportion_limits
from cohort.models.ratings import Ratings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
NAN = float("nan")
MEASUREMENTS = "values are not whole numbers, so they are measurements, not categories"
MOST_SPECIFIC = 10


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
    trials : (int, int, int) or None
        Successes, trials and categories where limits are Wilson's.
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
    trials: tuple[int, int, int] | None = None
    draws: FloatArray | None = None

    @property
    def method(self) -> str:
        """Return how the limits are computed.

        Returns
        -------
        str
            ``bootstrap``, ``wilson``, ``normal``, ``t``; empty without limits.
        """
        if self.trials is not None:
            return "wilson"
        if np.isnan(self.std_error):
            return ""
        if self.draws is not None:
            return "bootstrap"
        return "normal" if np.isinf(self.df) else "t"

    def limits(self, conf_level: float) -> tuple[float, float]:
        """Return the limits, cut at 1 and at -1 (0 for shares).

        Parameters
        ----------
        conf_level : float
            Confidence level.

        Returns
        -------
        low, high : float
            NaN where there is no standard error.
        """
        if self.trials is not None:
            return _wilson(self.term, *self.trials, conf_level)
        if np.isnan(self.std_error):
            return NAN, NAN
        if self.draws is not None:
            tail = (1 - conf_level) / 2
            low, high = np.quantile(self.draws[~np.isnan(self.draws)], [tail, 1 - tail])
            return float(low), float(high)
        width = float(stats.t.isf((1 - conf_level) / 2, self.df)) * self.std_error
        floor = 0.0 if self.term.endswith("agreement") else -1.0
        return max(self.estimate - width, min(floor, self.estimate)), min(self.estimate + width, 1.0)


def _wilson(term: str, x: int, n: int, q: int, conf_level: float) -> tuple[float, float]:
    """Carry Wilson's limits of a share over to the measure that is a rising function of it."""
    low, high = (float(v) for v in proportion_limits(x, n, "wilson", conf_level))
    if term == "pabak":
        low, high = ((q * v - 1) / (q - 1) for v in (low, high))
    elif term == "specific_agreement":  # 2a/(2a + b + c) = 2p/(1 + p) with p = a/(a + b + c)
        low, high = (2 * v / (1 + v) for v in (low, high))
    return low, high


def agreement_rows(
    ratings: Ratings,
    weights: str | None,
    level: str,
    cluster: IntArray | None,
    n_boot: int = 0,
    seed: int | None = None,
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
        Cluster codes from 0.
    n_boot : int, default=0
        Resamples; 0 for analytic limits.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    tuple of AgreementRow
        Chance-corrected coefficients, then percent and specific agreement and indices.
    """
    W = agreement_weights(ratings.scores, weights)
    found = _coefficients(ratings, W, weights, level)
    groups = 0 if cluster is None else int(cluster.max()) + 1
    rows = [_row(key, c, groups, cluster) for key, c in found.items()]
    if n_boot:
        rng = np.random.default_rng(seed)
        draws = bootstrap_agreement(
            ratings.counts, ratings.pair, W, ratings.scores, level, cluster, n_boot, rng
        )
        rows = [_with_draws(row, draws, ratings) for row in rows]
    elif cluster is None and ratings.pair is not None:
        rows = [_with_trials(row, ratings.pair, ratings) for row in rows]
    return (*rows, *_indices(ratings))


def _coefficients(
    ratings: Ratings, W: FloatArray, weights: str | None, level: str
) -> dict[tuple[str, str], Coefficient]:
    r, eye = ratings.counts, np.eye(len(ratings.labels))
    alpha = krippendorff_alpha(r, ratings.scores, level)
    if not ratings.whole:
        gone = missing_coefficient(r, MEASUREMENTS)
        names = ("cohen_kappa", "fleiss_kappa", "gwet_ac1", "gwet_ac2", "pabak", "percent_agreement")
        return {("krippendorff_alpha", ""): alpha} | {(name, ""): gone for name in names}
    no_weights = missing_coefficient(r, 'AC2 is AC1 without weights: give weights="linear" or "quadratic"')
    share = percent_agreement(r, eye)
    found = {
        ("cohen_kappa", ""): _cohen(ratings, W),
        ("fleiss_kappa", ""): fleiss_kappa(r, W),
        ("krippendorff_alpha", ""): alpha,
        ("gwet_ac1", ""): gwet_ac(r, eye),
        ("gwet_ac2", ""): gwet_ac(r, W) if weights else no_weights,
        ("pabak", ""): _pabak(share, len(eye)),
        ("percent_agreement", ""): share,
    }
    if len(ratings.labels) <= MOST_SPECIFIC:
        for k, label in enumerate(ratings.labels):
            found["specific_agreement", label] = specific_agreement(r, k)
    return found


def _cohen(ratings: Ratings, W: FloatArray) -> Coefficient:
    if ratings.pair is not None:
        return cohen_kappa(*ratings.pair, W)
    reason = "counts do not say which rater gave which rating"
    if ratings.codes is not None:
        reason = "more than two raters: see pairs(), or fleiss_kappa"
    return missing_coefficient(ratings.counts, reason)


def _pabak(share: Coefficient, q: int) -> Coefficient:
    """Chance agreement of 1/q (Byrt 1993; Bennett's S and Brennan-Prediger for q categories)."""
    if q < 2:
        return Coefficient(NAN, share.influence, share.n, "only one category is possible")
    scale = q / (q - 1)
    return Coefficient((q * share.estimate - 1) / (q - 1), share.influence * scale, share.n, share.reason)


def _row(key: tuple[str, str], c: Coefficient, groups: int, cluster: IntArray | None) -> AgreementRow:
    size = groups or c.n
    normal = key[0] == "cohen_kappa" and not groups  # large-sample variance of Fleiss, Cohen, Everitt
    factor = 1.0 if normal else size / (size - 1) if size > 1 else NAN
    std_error = NAN if np.isnan(c.estimate) else c.std_error(factor, cluster)
    return AgreementRow(*key, c.estimate, std_error, np.inf if normal else size - 1.0, c.n, c.reason)


def _with_draws(row: AgreementRow, draws: Mapping[str, FloatArray], ratings: Ratings) -> AgreementRow:
    """Take standard error and limits from the resamples; none where no resample differs."""
    if np.isnan(row.estimate):
        return row
    suffix = f" {ratings.labels.index(row.level)}" if row.level else ""
    values = draws[f"{row.term}{suffix}"]
    usable = values[~np.isnan(values)]
    error = float(usable.std(ddof=1)) if len(usable) > 1 and np.ptp(usable) > 1e-12 else NAN
    return replace(row, std_error=error, draws=values)


def _with_trials(row: AgreementRow, pair: tuple[IntArray, IntArray], ratings: Ratings) -> AgreementRow:
    """Use the binomial distribution of two raters' agreement."""
    if row.term not in ("percent_agreement", "pabak", "specific_agreement") or np.isnan(row.estimate):
        return row
    first, second = pair
    used = (first >= 0) & (second >= 0)
    if row.level:
        k = ratings.labels.index(row.level)
        used &= (first == k) | (second == k)
    trials = (int((used & (first == second)).sum()), int(used.sum()), len(ratings.labels))
    return replace(row, trials=trials)


def _indices(ratings: Ratings) -> list[AgreementRow]:
    """Prevalence and bias index, for two raters and two categories."""
    if ratings.pair is None or len(ratings.labels) != 2:
        return []
    first, second = ratings.pair
    both = (first >= 0) & (second >= 0)
    n, prevalence, bias, reason = int(both.sum()), NAN, NAN, "no unit is rated by both"
    if n:
        cells = np.bincount(2 * first[both] + second[both], minlength=4).reshape(2, 2)
        prevalence, bias = two_by_two_indices(cells.astype(float))
        reason = ""
    names = ("prevalence_index", prevalence), ("bias_index", bias)
    return [AgreementRow(name, "", value, NAN, NAN, n, reason) for name, value in names]


def rows_frame(rows: Sequence[AgreementRow], conf_level: float) -> pd.DataFrame:
    """Arrange coefficients as a tidy frame.

    Parameters
    ----------
    rows : sequence of AgreementRow
        The coefficients.
    conf_level : float
        Confidence level of the limits.

    Returns
    -------
    DataFrame
        ``term, level, estimate, std_error, conf_low, conf_high, n, method, reason``.
    """
    limits = [row.limits(conf_level) for row in rows]
    return pd.DataFrame(
        {
            "term": [row.term for row in rows],
            "level": [row.level for row in rows],
            "estimate": [row.estimate for row in rows],
            "std_error": [row.std_error for row in rows],
            "conf_low": [low for low, _ in limits],
            "conf_high": [high for _, high in limits],
            "n": [row.n for row in rows],
            "method": [row.method for row in rows],
            "reason": [row.reason for row in rows],
        }
    )
