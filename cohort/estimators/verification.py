"""Accuracy when only some tested patients were verified: Begg-Greenes, inverse probability, imputation, bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from cohort.errors import EstimationError
from cohort.estimators.accuracy import (
    AT_PREVALENCE,
    PROPORTIONS,
    RATIOS,
    AccuracyCounts,
    CellShares,
    accuracy_measures,
    critical,
    shares_of,
)
from cohort.estimators.contingency import Measure
from cohort.estimators.logistic import fit_logistic
from cohort.estimators.partial_identification import critical_value
from cohort.estimators.proportions import proportion_limits

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class VerifiedSample:
    """Tested patients, of whom some were verified.

    Attributes
    ----------
    test : array of shape (n,)
        Whether the test was positive.
    condition : array of shape (n,)
        Whether the reference found the condition; False where not verified.
    verified : array of shape (n,)
        Whether the reference is known.
    """

    test: BoolArray
    condition: BoolArray
    verified: BoolArray

    def counts(self) -> AccuracyCounts:
        """Count the verified.

        Returns
        -------
        AccuracyCounts
            The table of the verified.
        """
        return AccuracyCounts(
            *(
                int(np.count_nonzero(self.verified & (self.test == t) & (self.condition == d)))
                for t in (True, False)
                for d in (True, False)
            )
        )

    def unverified(self) -> tuple[int, int]:
        """Count the unverified with a positive and with a negative test.

        Returns
        -------
        tuple of int
            The two numbers.
        """
        return int((~self.verified & self.test).sum()), int((~self.verified & ~self.test).sum())


def _cells_of(test: BoolArray, positive: FloatArray) -> FloatArray:
    """Spread each patient over the four cells by test and probability of the condition; shape (n, 4)."""
    t = test.astype(float)
    return np.column_stack([t * positive, t * (1 - positive), (1 - t) * positive, (1 - t) * (1 - positive)])


def begg_greenes(
    sample: VerifiedSample, stratum: IntArray | None = None, cluster: IntArray | None = None
) -> CellShares:
    r"""Correct accuracy for verification that depends on the test result, and on a stratum, only.

    Parameters
    ----------
    sample : VerifiedSample
        Tested patients.
    stratum : array of shape (n,), optional
        Codes from 0 of a covariate that verification depended on too.
    cluster : array of shape (n,), optional
        Codes from 0 of clusters for the variance.

    Returns
    -------
    CellShares
        Shares among all tested.

    Raises
    ------
    EstimationError
        When nobody was verified in a cell of test result and stratum.

    Notes
    -----
    With :math:`\phi_j` the share of cell j of test and stratum among all tested and :math:`\theta_j` the share
    with the condition among its verified, sensitivity is :math:`\sum_{j: T=1} \phi_j\theta_j / \sum_j
    \phi_j\theta_j`. The influence of a patient gives, for one stratum, exactly the variance of the logit in [1]_.

    References
    ----------
    .. [1] Begg CB, Greenes RA (1983). Assessment of diagnostic tests when disease verification is subject to
       selection bias. Biometrics 39:207-215. doi:10.2307/2530820
    """
    code = sample.test.astype(np.intp)
    if stratum is not None:
        code = np.unique(code + 2 * stratum, return_inverse=True)[1].reshape(-1)
    size = np.bincount(code).astype(float)
    known = np.bincount(code, weights=sample.verified, minlength=len(size))
    empty = (size > 0) & (known == 0)
    if empty.any():
        raise EstimationError(
            "in a group of the same test result nobody was verified: what they have is not identified",
            evidence=f"{int(empty.sum())} of {int((size > 0).sum())} groups, {int(size[empty].sum())} patients",
            remedy='use fewer covariates=, or method="bounds"',
        )
    theta = np.bincount(code, weights=sample.condition, minlength=len(size)) / np.maximum(known, 1)
    mean = theta[code]
    expected = _cells_of(sample.test, mean)
    shares = expected.mean(axis=0)
    residual = sample.verified * (size / np.maximum(known, 1))[code] * (sample.condition - mean)
    influence = expected - shares + (_cells_of(sample.test, mean + residual) - expected)
    return shares_of(
        influence, shares, cluster, "a cell of the verified is zero: no limits on the logit scale"
    )


@dataclass(frozen=True, slots=True, eq=False)
class WeightedShares:
    """Shares by inverse probability of verification.

    Attributes
    ----------
    shares : CellShares
        The shares.
    weights : array of shape (n_verified,)
        Weights of the verified.
    """

    shares: CellShares
    weights: FloatArray


def inverse_probability(
    sample: VerifiedSample, X: FloatArray, cluster: IntArray | None = None, test_column: int = 1
) -> WeightedShares:
    """Weight the verified by the inverse of their probability of verification.

    Parameters
    ----------
    sample : VerifiedSample
        Tested patients.
    X : array of shape (n, p)
        Design matrix of the logistic model of verification, with intercept and test result.
    cluster : array of shape (n,), optional
        Codes from 0 of clusters for the variance.
    test_column : int, default=1
        Column of the test result in the design matrix.

    Returns
    -------
    WeightedShares
        The variance accounts for the estimated weights (stacked estimating equations).

    Raises
    ------
    EstimationError
        When the model of verification separates verified from not verified.

    Notes
    -----
    With a saturated model of the test result alone, estimate and variance equal those of :func:`begg_greenes`.
    """
    V = sample.verified.astype(float)
    # a test result of which everyone was verified has weight 1, and no part in the model
    modelled = np.array([not sample.verified[sample.test == t].all() for t in (False, True)])[
        sample.test.astype(int)
    ]
    part = X if modelled.all() or not modelled.any() else np.delete(X, test_column, axis=1)
    rho = np.ones(len(V))
    if modelled.any():
        rho[modelled] = _probabilities(part[modelled], V[modelled])
    w = V / rho
    cells = _cells_of(sample.test, sample.condition.astype(float))
    shares = (w[:, None] * cells).sum(axis=0) / w.sum()
    deviation = w[:, None] * (cells - shares)
    # d(weighted deviation)/d(gamma) = -w (1 - rho) x; gamma's influence is I^-1 x (V - rho)
    influence = deviation
    if modelled.any():
        slope = -(deviation * (1 - rho)[:, None]).T @ part
        information = (part * (rho * (1 - rho))[:, None]).T @ part
        influence = deviation + (part * (V - rho)[:, None]) @ np.linalg.solve(information, slope.T)
    zero = "a cell of the verified is zero: no limits on the logit scale"
    found = shares_of(influence * len(V) / w.sum(), shares, cluster, zero)
    return WeightedShares(found, w[sample.verified])


def _probabilities(X: FloatArray, V: FloatArray) -> FloatArray:
    """Fit the model of verification, refusing one that separates."""
    fit = fit_logistic(X, V)
    eta = X @ fit.estimate
    if not fit.converged or np.abs(eta).max() > 15:
        raise EstimationError(
            "the model of verification separates: some kinds of patients were never, or always, verified",
            evidence=f"{int(V.sum())} of {len(V)} patients verified, {X.shape[1]} parameters",
            remedy='leave the covariate that decides out, or use method="begg_greenes" or method="bounds"',
        )
    return np.asarray(expit(eta))


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


@dataclass(frozen=True, slots=True)
class MeasureBounds:
    """Bounds of a measure whatever the unverified have.

    Attributes
    ----------
    low, high : float
        Ends of the identified interval.
    conf_low, conf_high : float
        Limits that hold the true value with the confidence asked for; NaN for ratios.
    reason : str
        Why there are no limits.
    """

    low: float
    high: float
    conf_low: float = math.nan
    conf_high: float = math.nan
    reason: str = ""


def verification_bounds(
    counts: AccuracyCounts,
    unverified: tuple[int, int],
    conf_level: float = 0.95,
    prevalence: Sequence[float] = (),
) -> dict[tuple[str, str], MeasureBounds]:
    """Bound every measure by giving the unverified the condition, or not, in the least and most favorable way.

    Parameters
    ----------
    counts : AccuracyCounts
        The verified.
    unverified : tuple of int
        Unverified with a positive and with a negative test.
    conf_level : float, default=0.95
        Confidence level for the true value.
    prevalence : sequence of float, default=()
        Prevalences at which predictive values are computed.

    Returns
    -------
    dict
        By measure and prevalence. Sharp: every measure is monotone in both numbers, so its ends are at corners.
        Proportions with Clopper-Pearson limits at Imbens and Manski's (2004) quantile.
    """
    u1, u0 = unverified
    corners = [
        AccuracyCounts(counts.tp + k1, counts.fp + u1 - k1, counts.fn + k0, counts.tn + u0 - k0)
        for k1 in {0, u1}
        for k0 in {0, u0}
    ]
    fractions = [one.fractions() for one in corners]
    found: dict[tuple[str, str], MeasureBounds] = {
        (term, ""): _proportion_bounds([one[term] for one in fractions], conf_level) for term in PROPORTIONS
    }
    per = [accuracy_measures(one, conf_level, prevalence) for one in corners]
    for key in (key for key in per[0] if key not in found):
        values = np.array([next(iter(one[key].values())).estimate for one in per])
        missing = bool(np.isnan(values).any())
        low, high = (np.nan, np.nan) if missing else (float(values.min()), float(values.max()))
        reason = "not defined for some tables" if missing else "bounds without limits"
        found[key] = MeasureBounds(low, high, reason=reason)
    return found


def _proportion_bounds(pairs: list[tuple[int, int]], conf_level: float) -> MeasureBounds:
    if not any(n for _, n in pairs):
        return MeasureBounds(math.nan, math.nan, reason="nobody can be counted")
    if not all(n for _, n in pairs):  # the table in which nobody is counted says nothing
        return MeasureBounds(0.0, 1.0, 0.0, 1.0)
    ends = sorted(pairs, key=lambda pair: (pair[0] / pair[1], pair[1]))
    (x0, n0), (x1, n1) = ends[0], ends[-1]
    p0, p1 = x0 / n0, x1 / n1
    error = max(math.sqrt(p * (1 - p) / n) for p, n in ((p0, n0), (p1, n1)))
    tail = float(ndtr(-critical_value(p1 - p0, error, conf_level)))
    low = float(proportion_limits(x0, n0, "exact", 1 - 2 * tail)[0])
    high = float(proportion_limits(x1, n1, "exact", 1 - 2 * tail)[1])
    return MeasureBounds(p0, p1, low, high)
