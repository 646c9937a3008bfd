"""Accuracy when the reference of the unverified is imputed, pooled by Rubin's rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cohort.estimators.accuracy import AT_PREVALENCE, PROPORTIONS, RATIOS, critical
from cohort.estimators.contingency import Measure
from cohort.estimators.logistic import fit_logistic
from cohort.estimators.verification import VerifiedSample

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ImputedShares:
    """Measures of imputed tables, pooled by Rubin's rules.

    Attributes
    ----------
    tables : array of shape (m, 4)
        Counts of each imputation: test positive with and without the condition, test negative with and without.
    """

    tables: FloatArray

    def measures(
        self, conf_level: float = 0.95, prevalence: Sequence[float] = ()
    ) -> dict[tuple[str, str], Measure]:
        """Pool every measure over the imputations.

        Parameters
        ----------
        conf_level : float, default=0.95
            Confidence level.
        prevalence : sequence of float, default=()
            Prevalences at which predictive values are computed.

        Returns
        -------
        dict
            By measure and prevalence. Proportions with Wilson limits for multiple imputation (Lott and Reiter
            2020), ratios on the log scale, predictive values at a prevalence on the logit scale, Youden's index
            on its own.
        """
        fractions = _fractions(self.tables)
        found = {(term, ""): pooled_wilson(*fractions[term], conf_level) for term in PROPORTIONS}
        n = float(self.tables[0].sum())
        logs = _log_ratios(self.tables)
        for term, (value, variance) in logs.items():
            found[term, ""] = _pooled(value, variance, n, conf_level, "log")
        found["youden", ""] = _pooled(*_youden(self.tables), n, conf_level, "identity")
        for share in prevalence:
            odds = math.log(share / (1 - share))
            for term, like, sign in zip(AT_PREVALENCE, RATIOS[:2], (1, -1), strict=True):
                value, variance = logs[like]
                found[term, f"{share:g}"] = _pooled(sign * (value + odds), variance, n, conf_level, "logit")
        return found


def _fractions(tables: FloatArray) -> dict[str, tuple[FloatArray, FloatArray]]:
    tp, fp, fn, tn = tables.T
    n = tables.sum(axis=1)
    pairs = ((tp, tp + fn), (tn, tn + fp), (tp, tp + fp), (tn, tn + fn), (tp + tn, n), (tp + fn, n))
    return dict(zip(PROPORTIONS, pairs, strict=True))


def impute_reference(
    sample: VerifiedSample, X: FloatArray | None, imputations: int, rng: np.random.Generator
) -> ImputedShares:
    """Impute what the reference would have shown, given the test result and covariates.

    Parameters
    ----------
    sample : VerifiedSample
        Tested patients.
    X : array of shape (n, p) or None
        Design matrix of the logistic model of the condition; None imputes by test result alone, from Jeffreys'
        posterior of the share with the condition.
    imputations : int
        Number of imputations.
    rng : Generator
        Source of randomness.

    Returns
    -------
    ImputedShares
        Imputed tables.

    Notes
    -----
    With covariates, coefficients are drawn from the normal approximation about Firth's estimate, which exists
    also where a cell of the verified is empty.
    """
    c = sample.counts()
    known = np.array([c.tp, c.fp, c.fn, c.tn], dtype=float)
    missing = sample.unverified()
    if X is None:
        theta = np.column_stack([rng.beta(known[k] + 0.5, known[k + 1] + 0.5, imputations) for k in (0, 2)])
        drawn = rng.binomial(np.array(missing), theta)
    else:
        fit = fit_logistic(X[sample.verified], sample.condition[sample.verified].astype(float), "firth")
        gamma = rng.multivariate_normal(fit.estimate, fit.covariance, imputations)
        open_ = ~sample.verified
        has = rng.random((imputations, int(open_.sum()))) < expit(gamma @ X[open_].T)
        positive = sample.test[open_]
        drawn = np.column_stack([has[:, positive].sum(axis=1), has[:, ~positive].sum(axis=1)])
    other = np.array(missing) - drawn
    return ImputedShares(known + np.column_stack([drawn[:, 0], other[:, 0], drawn[:, 1], other[:, 1]]))


def pooled_wilson(x: FloatArray, n: FloatArray, conf_level: float) -> Measure:
    r"""Pool a proportion over imputations with Wilson limits.

    Parameters
    ----------
    x, n : array of shape (m,)
        Numerators and denominators of the imputations.
    conf_level : float
        Confidence level.

    Returns
    -------
    Measure
        The limits solve :math:`(\bar q - p)^2 = t^2 (1 + r)\, p (1 - p) / \bar n` with r the relative increase
        in variance and t with Rubin's degrees of freedom.

    References
    ----------
    .. [1] Lott A, Reiter JP (2020). Wilson confidence intervals for binomial proportions with multiple imputation
       for missing data. Am Stat 74:109-115. doi:10.1080/00031305.2018.1473796
    """
    if (n == 0).any():
        return Measure(math.nan, reason="the denominator of an imputed table is zero")
    m = len(x)
    q = x / n
    size = float(n.mean())
    mean, within, between = float(q.mean()), float((q * (1 - q) / n).mean()), float(q.var(ddof=1))
    r = (1 + 1 / m) * between / within if within > 0 else 0.0
    t = critical((m - 1) * (1 + 1 / r) ** 2 if r > 0 else math.inf, conf_level)
    a = t**2 * (1 + r) / size
    center = (mean + a / 2) / (1 + a)
    width = math.sqrt(a * mean * (1 - mean) + a**2 / 4) / (1 + a)
    low, high = max(center - width, 0.0), min(center + width, 1.0)
    return Measure(mean, math.sqrt(within + (1 + 1 / m) * between), min(low, mean), max(high, mean))


def _log_ratios(tables: FloatArray) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return the logarithm and its variance of each ratio, by imputation; not finite where a cell is zero."""
    tp, fp, fn, tn = tables.T
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / tables.T
        ends = 1 / (tp + fn) + 1 / (fp + tn)
        values = (
            (np.log(tp / (tp + fn)) - np.log(fp / (fp + tn)), inverse[0] + inverse[1] - ends),
            (np.log(fn / (tp + fn)) - np.log(tn / (fp + tn)), inverse[2] + inverse[3] - ends),
            (np.log(tp * tn) - np.log(fp * fn), inverse.sum(axis=0)),
        )
    return dict(zip(RATIOS, values, strict=True))


def _youden(tables: FloatArray) -> tuple[FloatArray, FloatArray]:
    tp, fp, fn, tn = tables.T
    with np.errstate(divide="ignore", invalid="ignore"):
        se, sp = tp / (tp + fn), tn / (fp + tn)
        return se + sp - 1, se * (1 - se) / (tp + fn) + sp * (1 - sp) / (fp + tn)


def _pooled(
    values: FloatArray,
    variances: FloatArray,
    n: float,
    conf_level: float,
    scale: Literal["log", "logit", "identity"],
) -> Measure:
    """Pool by Rubin's rules with the degrees of freedom of Barnard and Rubin (1999)."""
    if not (np.isfinite(values).all() and np.isfinite(variances).all()):
        return Measure(math.nan, reason="a cell of an imputed table is zero")
    m = len(values)
    within, between = float(variances.mean()), float(values.var(ddof=1))
    total = within + (1 + 1 / m) * between
    share = (1 + 1 / m) * between / total if total > 0 else 0.0
    observed = n / (n + 2) * (n - 1) * (1 - share)
    df = 1 / (share**2 / (m - 1) + 1 / observed) if share > 0 else observed
    at, width = float(values.mean()), critical(df, conf_level) * math.sqrt(total)
    if scale == "identity":
        return Measure(at, math.sqrt(total), max(at - width, -1.0), min(at + width, 1.0))
    back = math.exp if scale == "log" else expit
    value, low, high = (float(back(v)) for v in (at, at - width, at + width))
    slope = value if scale == "log" else value * (1 - value)
    return Measure(value, slope * math.sqrt(total), low, high)
