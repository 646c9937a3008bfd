"""Rubin's rules: one estimate, variance and test out of the fits of several completed data sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RubinPool:
    """Estimates pooled over m completed data sets.

    Attributes
    ----------
    estimate : array of shape (p,)
        Mean of the m estimates.
    within, between, total : array of shape (p,)
        Mean variance within a data set, variance between them, and ``within + (1 + 1/m) between``.
    df : array of shape (p,)
        Degrees of freedom of Barnard and Rubin 1999.
    relative_increase : array of shape (p,)
        r, the relative increase in variance due to nonresponse; infinite where ``within`` is 0.
    missing_share : array of shape (p,)
        lambda, the share of the total variance that is due to the missing values.
    fmi : array of shape (p,)
        Fraction of missing information, ``(r + 2/(df + 3)) / (r + 1)``.
    m : int
        Data sets.
    """

    estimate: FloatArray
    within: FloatArray
    between: FloatArray
    total: FloatArray
    df: FloatArray
    relative_increase: FloatArray
    missing_share: FloatArray
    fmi: FloatArray
    m: int


@dataclass(frozen=True, slots=True)
class PooledTest:
    """Pooled test of several parameters.

    Attributes
    ----------
    statistic : float
        F statistic.
    df : float
        Numerator degrees of freedom.
    df_residual : float
        Denominator degrees of freedom.
    p_value : float
        P-value.
    relative_increase : float
        Average relative increase in variance.
    """

    statistic: float
    df: float
    df_residual: float
    p_value: float
    relative_increase: float


def pool_estimates(estimates: ArrayLike, variances: ArrayLike, df_complete: ArrayLike = np.inf) -> RubinPool:
    """Pool estimates by Rubin's rules with the small-sample degrees of freedom of Barnard and Rubin.

    Parameters
    ----------
    estimates, variances : array of shape (m, p)
        Of each completed data set, on a scale where they are about normal.
    df_complete : float or array of shape (p,), default=inf
        Degrees of freedom if nothing were missing.

    Returns
    -------
    RubinPool
        The pooled estimates.

    Notes
    -----
    Equal to R ``mice::pool.scalar`` 3.15 except that mice raises lambda to at least 1e-4: without a difference
    between the data sets the degrees of freedom are here those of the complete data, as their limit is.

    References
    ----------
    .. [1] Rubin DB (1987). Multiple Imputation for Nonresponse in Surveys, equations 3.1.2 to 3.1.10.
    .. [2] Barnard J, Rubin DB (1999). Small-sample degrees of freedom with multiple imputation. Biometrika
       86:948-955, equation 3.

    Examples
    --------
    >>> pool = pool_estimates([[1.0], [2.0], [3.0]], [[0.5], [0.5], [0.5]])
    >>> pool.estimate.item(), round(pool.total.item(), 6), round(pool.df.item(), 6)
    (2.0, 1.833333, 3.78125)
    """
    Q, U = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    m = len(Q)
    within, between = U.mean(axis=0), Q.var(axis=0, ddof=1)
    total = within + (1 + 1 / m) * between
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (1 + 1 / m) * between / within
        share = np.where(total > 0, (1 + 1 / m) * between / total, 0.0)
    df = barnard_rubin(m, share, df_complete)
    with np.errstate(invalid="ignore"):
        fmi = np.where(np.isinf(r), 1.0, (r + 2 / (df + 3)) / (r + 1))
    return RubinPool(Q.mean(axis=0), within, between, total, df, r, share, fmi, m)


def barnard_rubin(m: int, missing_share: ArrayLike, df_complete: ArrayLike = np.inf) -> FloatArray:
    """Return the degrees of freedom of Barnard and Rubin 1999, equation 3.

    Parameters
    ----------
    m : int
        Completed data sets.
    missing_share : array of shape (p,)
        Share of the variance that is due to the missing values.
    df_complete : float or array of shape (p,), default=inf
        Degrees of freedom if nothing were missing.

    Returns
    -------
    array of shape (p,)
        Never above ``df_complete``; infinite when nothing limits them.
    """
    share, complete = np.broadcast_arrays(
        np.asarray(missing_share, dtype=float), np.asarray(df_complete, dtype=float)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        old = (m - 1) / share**2
        finite = np.where(np.isinf(complete), 1.0, complete)
        observed = (finite + 1) / (finite + 3) * finite * (1 - share)
        inverse = 1 / old + np.where(np.isinf(complete), 0.0, 1 / observed)
        return np.asarray(1 / inverse)


def d1_test(estimates: ArrayLike, covariances: ArrayLike) -> PooledTest:
    """Test that several parameters are all 0 by the pooled Wald statistic D1.

    Parameters
    ----------
    estimates : array of shape (m, k)
        Parameters of each completed data set.
    covariances : array of shape (m, k, k)
        Their covariances.

    Returns
    -------
    PooledTest
        F statistic with k and the residual degrees of freedom of Li, Raghunathan and Rubin.

    References
    ----------
    .. [1] Li KH, Raghunathan TE, Rubin DB (1991). Large-sample significance levels from multiply imputed data.
       J Am Stat Assoc 86:1065-1073, equations 1.17 to 1.20.
    """
    Q, U = np.asarray(estimates, dtype=float), np.asarray(covariances, dtype=float).mean(axis=0)
    m, k = Q.shape
    mean, B = Q.mean(axis=0), np.atleast_2d(np.cov(Q, rowvar=False))
    r = float((1 + 1 / m) * np.trace(np.linalg.solve(U, B)) / k)
    statistic = float(mean @ np.linalg.solve(U, mean) / (k * (1 + r)))
    t = k * (m - 1)
    with np.errstate(divide="ignore"):
        inverse = float(np.divide(1.0, r))
    df = 4 + (t - 4) * (1 + (1 - 2 / t) * inverse) ** 2 if t > 4 else t * (1 + 1 / k) * (1 + inverse) ** 2 / 2
    return PooledTest(statistic, float(k), df, _f_tail(statistic, k, df), r)


def d2_test(statistics: ArrayLike, k: int) -> PooledTest:
    """Pool chi-squared statistics by D2, when neither estimates nor likelihoods are at hand.

    Parameters
    ----------
    statistics : array of shape (m,)
        Chi-squared statistics (Wald, score or likelihood ratio), each on ``k`` degrees of freedom.
    k : int
        Their degrees of freedom.

    Returns
    -------
    PooledTest
        F statistic; less powerful than D1, and at times too liberal or too strict.

    References
    ----------
    .. [1] Li KH, Meng XL, Raghunathan TE, Rubin DB (1991). Significance levels from repeated p-values with
       multiply-imputed data. Stat Sin 1:65-92, equations 2.1 to 2.4.
    """
    d = np.asarray(statistics, dtype=float)
    m = len(d)
    r = float((1 + 1 / m) * np.var(np.sqrt(d), ddof=1))
    statistic = max(float((d.mean() / k - (m + 1) / (m - 1) * r) / (1 + r)), 0.0)
    with np.errstate(divide="ignore"):
        df = float(k ** (-3 / m) * (m - 1) * (1 + np.divide(1.0, r)) ** 2)
    return PooledTest(statistic, float(k), df, _f_tail(statistic, k, df), r)


def _f_tail(statistic: float, k: float, df: float) -> float:
    """Return the upper tail of F; that of chi-squared over k at infinite residual degrees of freedom."""
    return float(stats.chi2.sf(k * statistic, k) if np.isinf(df) else stats.f.sf(statistic, k, df))


def t_quantile(p: float, df: FloatArray) -> FloatArray:
    """Return quantiles of Student's t, normal where the degrees of freedom are infinite.

    Parameters
    ----------
    p : float
        Probability.
    df : array of shape (p,)
        Degrees of freedom.

    Returns
    -------
    array of shape (p,)
        The quantiles.
    """
    finite = np.where(np.isinf(df), 1.0, df)
    return np.where(np.isinf(df), stats.norm.ppf(p), stats.t.ppf(p, finite))


def t_tail(statistic: FloatArray, df: FloatArray) -> FloatArray:
    """Return two-sided p-values of t statistics, normal where the degrees of freedom are infinite.

    Parameters
    ----------
    statistic, df : array of shape (p,)
        Statistics and their degrees of freedom.

    Returns
    -------
    array of shape (p,)
        The p-values.
    """
    size = np.abs(statistic)
    finite = np.where(np.isinf(df), 1.0, df)
    return np.where(np.isinf(df), 2 * stats.norm.sf(size), 2 * stats.t.sf(size, finite))
