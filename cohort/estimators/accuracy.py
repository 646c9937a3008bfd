"""Accuracy of a test against a reference: from four counts, and from four estimated shares with a covariance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from cohort.estimators.contingency import (
    Measure,
    TwoByTwoCounts,
    odds_ratio_limits,
    risk_difference,
    risk_ratio,
)
from cohort.estimators.proportions import ProportionMethod, proportion_limits

FloatArray = NDArray[np.float64]
PROPORTIONS = (
    "sensitivity",
    "specificity",
    "positive_predictive_value",
    "negative_predictive_value",
    "accuracy",
    "prevalence",
)
RATIOS = ("positive_likelihood_ratio", "negative_likelihood_ratio", "diagnostic_odds_ratio")
AT_PREVALENCE = (
    "positive_predictive_value_at_prevalence",
    "negative_predictive_value_at_prevalence",
)
# Each measure is exp, or expit, of sums of logarithms of shares: those added, and those subtracted. Shares stand
# in the order test+ with and without the condition, test- with and without.
_POSITIVE, _NEGATIVE, _WITH, _WITHOUT = (1, 1, 0, 0), (0, 0, 1, 1), (1, 0, 1, 0), (0, 1, 0, 1)
_TP, _FP, _FN, _TN = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)
_LOGS = {
    "sensitivity": ((_TP,), (_FN,)),
    "specificity": ((_TN,), (_FP,)),
    "positive_predictive_value": ((_TP,), (_FP,)),
    "negative_predictive_value": ((_TN,), (_FN,)),
    "accuracy": (((1, 0, 0, 1),), ((0, 1, 1, 0),)),
    "prevalence": ((_WITH,), (_WITHOUT,)),
    "positive_likelihood_ratio": ((_TP, _WITHOUT), (_WITH, _FP)),
    "negative_likelihood_ratio": ((_FN, _WITHOUT), (_WITH, _TN)),
    "diagnostic_odds_ratio": ((_TP, _TN), (_FP, _FN)),
}


@dataclass(frozen=True, slots=True)
class AccuracyCounts:
    """Patients by test and reference.

    Attributes
    ----------
    tp, fp : int
        Test positive, with and without the condition.
    fn, tn : int
        Test negative, with and without the condition.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def n(self) -> int:
        """All patients.

        Returns
        -------
        int
            Sum of the four.
        """
        return self.tp + self.fp + self.fn + self.tn

    def fractions(self) -> dict[str, tuple[int, int]]:
        """Return numerator and denominator of every proportion.

        Returns
        -------
        dict of str to (int, int)
            By measure.
        """
        values = (
            (self.tp, self.tp + self.fn),
            (self.tn, self.tn + self.fp),
            (self.tp, self.tp + self.fp),
            (self.tn, self.tn + self.fn),
            (self.tp + self.tn, self.n),
            (self.tp + self.fn, self.n),
        )
        return dict(zip(PROPORTIONS, values, strict=True))


def accuracy_measures(
    counts: AccuracyCounts, conf_level: float = 0.95, prevalence: Sequence[float] = ()
) -> dict[tuple[str, str], dict[str, Measure]]:
    """Return every measure of accuracy of patients counted as independent.

    Parameters
    ----------
    counts : AccuracyCounts
        The table.
    conf_level : float, default=0.95
        Confidence level.
    prevalence : sequence of float, default=()
        Prevalences, strictly between 0 and 1, at which predictive values are computed by Bayes' theorem.

    Returns
    -------
    dict
        By measure and prevalence (empty text, or ``"0.1"``), then by method. Proportions: ``exact``
        (Clopper-Pearson) and ``wilson``. Likelihood ratios, and predictive values at a prevalence, which are
        monotone functions of them: ``score`` (Miettinen and Nurminen 1985) and ``wald`` on the log scale (Simel
        1991). Youden's index: ``newcombe``, ``score`` and ``wald``. Diagnostic odds ratio: ``score`` and ``wald``.
    """
    found: dict[tuple[str, str], dict[str, Measure]] = {
        (term, ""): _proportion(term, *pair, conf_level) for term, pair in counts.fractions().items()
    }
    table = TwoByTwoCounts(counts.tp, counts.fn, counts.fp, counts.tn)
    turned = TwoByTwoCounts(counts.fn, counts.tp, counts.tn, counts.fp)
    ratios = dict(
        zip(
            RATIOS,
            (
                risk_ratio(table, conf_level),
                risk_ratio(turned, conf_level),
                odds_ratio_limits(table, conf_level),
            ),
            strict=True,
        )
    )
    found |= {
        (term, ""): {k: _explained(methods[k], counts) for k in ("score", "wald")}
        for term, methods in ratios.items()
    }
    youden = risk_difference(table, conf_level)
    found["youden", ""] = {k: _explained(youden[k], counts) for k in ("newcombe", "score", "wald")}
    for value in prevalence:
        for term, like, sign in zip(AT_PREVALENCE, RATIOS[:2], (1, -1), strict=True):
            found[term, f"{value:g}"] = {k: _by_bayes(m, value, sign) for k, m in found[like, ""].items()}
    return found


def _proportion(term: str, x: int, n: int, conf_level: float) -> dict[str, Measure]:
    if not n:
        reason = _NOBODY[term]
        return dict.fromkeys(("exact", "wilson"), Measure(math.nan, reason=reason))
    p = x / n
    methods: tuple[ProportionMethod, ...] = ("exact", "wilson")
    limits = {k: proportion_limits(x, n, k, conf_level) for k in methods}
    error = math.sqrt(p * (1 - p) / n)
    return {k: Measure(p, error, float(low), float(high)) for k, (low, high) in limits.items()}


_NOBODY = {
    "sensitivity": "nobody with the condition was verified",
    "specificity": "nobody without the condition was verified",
    "positive_predictive_value": "nobody with a positive test was verified",
    "negative_predictive_value": "nobody with a negative test was verified",
    "accuracy": "nobody was verified",
    "prevalence": "nobody was verified",
}


def _explained(m: Measure, counts: AccuracyCounts) -> Measure:
    """Say in words of test and condition why a ratio is missing (the tests' cells are a difference of groups)."""
    if not m.reason:
        return m
    fractions = counts.fractions()
    reason = "a cell of the table is zero: no Wald limits, see score"
    for term in ("sensitivity", "specificity"):
        if not fractions[term][1]:
            reason = _NOBODY[term]
    if math.isnan(m.estimate) and fractions["sensitivity"][1] and fractions["specificity"][1]:
        reason = "every test has the same result"
    return Measure(m.estimate, m.std_error, m.conf_low, m.conf_high, m.p_value, reason)


def _by_bayes(m: Measure, prevalence: float, sign: int) -> Measure:
    """Turn a likelihood ratio into a predictive value: odds after = ratio x odds before (1 - that for negative)."""
    odds = prevalence / (1 - prevalence)

    def after(ratio: float) -> float:
        p = 1.0 if math.isinf(ratio) else ratio * odds / (1 + ratio * odds)
        return p if sign > 0 else 1 - p

    value = after(m.estimate)
    # delta method: d p / d log(ratio) = p (1 - p)
    error = value * (1 - value) * m.std_error / m.estimate if m.estimate > 0 else math.nan
    low, high = sorted((after(m.conf_low), after(m.conf_high)))
    return Measure(value, error if math.isfinite(error) else math.nan, low, high, math.nan, m.reason)


@dataclass(frozen=True, slots=True, eq=False)
class CellShares:
    """Shares of test and condition among all patients, with their covariance.

    Attributes
    ----------
    shares : array of shape (4,)
        Test positive with and without the condition, test negative with and without; they sum to 1.
    covariance : array of shape (4, 4)
        Of the shares.
    df : float
        Degrees of freedom of the limits; infinite for the normal distribution.
    zero : str
        Why a limit is missing where a share is zero.
    """

    shares: FloatArray
    covariance: FloatArray
    df: float = math.inf
    zero: str = "a cell of the table is zero"

    def measures(
        self, conf_level: float = 0.95, prevalence: Sequence[float] = ()
    ) -> dict[tuple[str, str], Measure]:
        """Return every measure of accuracy with delta-method limits.

        Parameters
        ----------
        conf_level : float, default=0.95
            Confidence level.
        prevalence : sequence of float, default=()
            Prevalences at which predictive values are computed.

        Returns
        -------
        dict
            By measure and prevalence. Limits are symmetrical on the logit scale for proportions, the log scale
            for ratios, and Fisher's z scale for Youden's index; standard errors are on the natural scale.
        """
        z = critical(self.df, conf_level)
        found = {(term, ""): self._by_logs(term, z) for term in (*PROPORTIONS, *RATIOS)}
        found["youden", ""] = self._youden(z)
        for value in prevalence:
            odds = math.log(value / (1 - value))
            found[AT_PREVALENCE[0], f"{value:g}"] = self._by_logs(RATIOS[0], z, odds)
            negative = self._by_logs(RATIOS[1], z, odds)
            found[AT_PREVALENCE[1], f"{value:g}"] = Measure(
                1 - negative.estimate,
                negative.std_error,
                1 - negative.conf_high,
                1 - negative.conf_low,
                math.nan,
                negative.reason,
            )
        return found

    def _by_logs(self, term: str, z: float, odds: float | None = None) -> Measure:
        """Compute a measure on the scale where it is a sum of logarithms; ``odds`` makes a ratio a probability."""
        plus, minus = (np.array(part, dtype=float) for part in _LOGS[term])
        bounded = term in PROPORTIONS or odds is not None
        above, below = float(np.prod(plus @ self.shares)), float(np.prod(minus @ self.shares))
        if above <= 0 and below <= 0:
            return Measure(math.nan, reason=self.zero)
        if above <= 0 or below <= 0:
            value = (1.0 if bounded else math.inf) if above > 0 else 0.0
            return Measure(value, reason=self.zero)
        gradient = (plus.T / (plus @ self.shares)).sum(axis=1) - (minus.T / (minus @ self.shares)).sum(axis=1)
        at = math.log(above) - math.log(below) + (odds or 0.0)
        error = math.sqrt(max(float(gradient @ self.covariance @ gradient), 0.0))
        ends = [_expit(x) if bounded else math.exp(x) for x in (at, at - z * error, at + z * error)]
        if error == 0:
            return Measure(ends[0], reason="the variance between clusters is zero: no limits")
        slope = ends[0] * (1 - ends[0]) if bounded else ends[0]
        return Measure(ends[0], slope * error, ends[1], ends[2])

    def _youden(self, z: float) -> Measure:
        tp, fp, fn, tn = self.shares.tolist()
        diseased, free = tp + fn, fp + tn
        if diseased <= 0 or free <= 0:
            return Measure(math.nan, reason=self.zero)
        value = tp / diseased + tn / free - 1
        gradient = np.array([fn / diseased**2, -tn / free**2, -tp / diseased**2, fp / free**2])
        error = math.sqrt(max(float(gradient @ self.covariance @ gradient), 0.0))
        if abs(value) >= 1 or error == 0:
            return Measure(value, reason=self.zero)
        width = z * error / (1 - value**2)
        ends = [math.tanh(math.atanh(value) + side * width) for side in (-1, 1)]
        return Measure(value, error, ends[0], ends[1])


def critical(df: float, conf_level: float) -> float:
    """Return the two-sided quantile of Student's t, or of the normal distribution when df is infinite.

    Parameters
    ----------
    df : float
        Degrees of freedom.
    conf_level : float
        Confidence level.

    Returns
    -------
    float
        Number of standard errors.
    """
    p = 0.5 + conf_level / 2
    return float(ndtri(p) if math.isinf(df) else stdtrit(df, p))


def shares_of(
    influence: FloatArray, shares: FloatArray, cluster: NDArray[np.intp] | None, zero: str
) -> CellShares:
    """Estimate the covariance of shares from each patient's influence, summed within clusters.

    Parameters
    ----------
    influence : array of shape (n, 4)
        Influence of every patient on the shares (their mean is zero).
    shares : array of shape (4,)
        The shares.
    cluster : array of shape (n,) or None
        Codes of clusters from 0; None takes patients as independent.
    zero : str
        Why a limit is missing where a share is zero.

    Returns
    -------
    CellShares
        Without clusters the variance divides by n squared, as Begg and Greenes; with m clusters it is multiplied
        by m / (m - 1) and the limits use Student's t with m - 1 degrees of freedom.
    """
    n = len(influence)
    if cluster is None:
        return CellShares(shares, influence.T @ influence / n**2, math.inf, zero)
    m = int(cluster.max()) + 1
    total = np.zeros((m, 4))
    np.add.at(total, cluster, influence)
    return CellShares(shares, total.T @ total / n**2 * m / (m - 1), float(m - 1), zero)


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
