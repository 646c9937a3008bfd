"""Tests of proportional odds (Brant's and the score test), and concordance of a score with ordered grades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, expit

from cohort.estimators.logistic import LogisticFit, fit_logistic
from cohort.estimators.ordinal_likelihood import CumulativeLogit
from cohort.estimators.ordinal_rows import arrange_rows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class ProportionalityTest:
    """Tests that odds ratios are the same at every threshold.

    Attributes
    ----------
    statistic, df, p_value : array of shape (n_terms + 1,)
        Chi-squared tests of each term, and of all together.
    reason : str
        Why they are missing; empty when they are not.
    """

    statistic: FloatArray
    df: FloatArray
    p_value: FloatArray
    reason: str = ""


def missing_test(n_terms: int, reason: str) -> ProportionalityTest:
    """Return tests that could not be computed.

    Parameters
    ----------
    n_terms : int
        Number of terms.
    reason : str
        Why.

    Returns
    -------
    ProportionalityTest
        Missing values.
    """
    nan = np.full(n_terms + 1, np.nan)
    return ProportionalityTest(nan, nan, nan, reason)


def brant_test(
    grade: IntArray,
    X: FloatArray,
    terms: Sequence[Sequence[int]],
    thresholds: FloatArray,
    beta: FloatArray,
    cluster: IntArray | None = None,
) -> ProportionalityTest:
    """Compare the logistic regressions of "higher than j" over the thresholds j.

    Parameters
    ----------
    grade : array of shape (n,)
        Exact grades from 0 to K.
    X : array of shape (n, p)
        Covariates.
    terms : sequence of sequences of int
        Columns of each term.
    thresholds, beta : array of shape (K,), (p,)
        Proportional odds estimates, where the fits start.
    cluster : array of shape (n,), optional
        Cluster codes from 0: the covariance is then the sandwich with factor G/(G-1).

    Returns
    -------
    ProportionalityTest
        Wald tests; missing when one of the logistic regressions has no estimate.

    Notes
    -----
    Covariance of the coefficients at thresholds j < l: (X'W_jj X)^-1 X'W_jl X (X'W_ll X)^-1, where W_jl has the
    elements pi_l (1 - pi_j) and pi_j is the fitted probability of a grade above j. Brant [1]_ takes the same
    fits.

    References
    ----------
    .. [1] Brant R (1990). Assessing proportionality in the proportional odds model for ordinal logistic
       regression. Biometrics 46:1171-1178. doi:10.2307/2532457
    """
    K, p = len(thresholds), X.shape[1]
    design = np.column_stack([np.ones(len(X)), X])
    fits = []
    for j in range(K):
        fit = fit_logistic(design, grade > j, initial=np.concatenate([[-thresholds[j]], beta]))
        if not fit.converged or np.abs(design @ fit.estimate).max() > 25:
            return missing_test(len(terms), "a covariate separates the grades at one of the thresholds")
        fits.append(fit)
    V = _joint_covariance(design, grade, fits, cluster)
    slopes = np.concatenate([fit.estimate[1:] for fit in fits])
    keep = np.arange(K * (p + 1)).reshape(K, p + 1)[:, 1:].ravel()
    return wald_of_contrasts(slopes, V[np.ix_(keep, keep)], K, p, terms)


def _joint_covariance(
    design: FloatArray, grade: IntArray, fits: Sequence[LogisticFit], cluster: IntArray | None
) -> FloatArray:
    K, width = len(fits), design.shape[1]
    pi = [expit(design @ fit.estimate) for fit in fits]
    if cluster is not None:
        influence = np.hstack(
            [(design * ((grade > j) - pi[j])[:, None]) @ fit.covariance for j, fit in enumerate(fits)]
        )
        n_cluster = int(cluster.max()) + 1
        sums = np.column_stack([np.bincount(cluster, column, minlength=n_cluster) for column in influence.T])
        return np.asarray(n_cluster / (n_cluster - 1) * (sums.T @ sums))
    V = np.empty((K * width, K * width))
    for j in range(K):
        for m in range(j, K):
            middle = design.T @ (design * (pi[m] * (1 - pi[j]))[:, None])
            block = fits[j].covariance @ middle @ fits[m].covariance
            rows, columns = slice(j * width, (j + 1) * width), slice(m * width, (m + 1) * width)
            V[rows, columns], V[columns, rows] = block, block.T
    return V


def wald_of_contrasts(
    slopes: FloatArray, V: FloatArray, K: int, p: int, terms: Sequence[Sequence[int]]
) -> ProportionalityTest:
    """Test that the slopes at the other thresholds equal those at the first.

    Parameters
    ----------
    slopes : array of shape (K p,)
        Slopes, threshold by threshold.
    V : array of shape (K p, K p)
        Their covariance.
    K, p : int
        Number of thresholds, and of slopes at each.
    terms : sequence of sequences of int
        Slopes of each term.

    Returns
    -------
    ProportionalityTest
        Wald tests.
    """
    statistic, df = [], []
    for columns in [*terms, range(p)]:
        at = np.arange(K * p).reshape(K, p)[:, list(columns)]
        D = np.kron(np.column_stack([-np.ones(K - 1), np.eye(K - 1)]), np.eye(at.shape[1]))
        difference = D @ slopes[at.ravel()]
        spread = D @ V[np.ix_(at.ravel(), at.ravel())] @ D.T
        try:
            statistic.append(float(difference @ np.linalg.solve(spread, difference)))
        except np.linalg.LinAlgError:
            return missing_test(len(terms), "the covariance over the thresholds is singular")
        df.append(float(len(difference)))
    return ProportionalityTest(
        np.array(statistic), np.array(df), np.asarray(chdtrc(np.array(df), np.array(statistic)))
    )


def score_test(
    lower: IntArray,
    upper: IntArray,
    X: FloatArray,
    terms: Sequence[Sequence[int]],
    thresholds: FloatArray,
    beta: FloatArray,
    weight: FloatArray | None = None,
) -> ProportionalityTest:
    """Test proportional odds against coefficients that differ by threshold, from the proportional fit alone.

    Parameters
    ----------
    lower, upper : array of shape (n,)
        Bounds of the grades, from 0 to K.
    X : array of shape (n, p)
        Covariates.
    terms : sequence of sequences of int
        Columns of each term.
    thresholds, beta : array of shape (K,), (p,)
        Maximum likelihood estimates under proportional odds.
    weight : array of shape (n,), optional
        Case weights.

    Returns
    -------
    ProportionalityTest
        Rao's score tests with the observed information; also for grades known between bounds.
    """
    K, p = len(thresholds), X.shape[1]
    likelihood = CumulativeLogit(arrange_rows(lower, upper, X[:, :0], X, weight, K))
    state = likelihood.state(np.column_stack([thresholds, np.tile(beta, (K, 1))]).ravel())
    if state is None:
        return missing_test(len(terms), "the likelihood is not defined")
    at = np.arange(K * (p + 1)).reshape(K, p + 1)
    # columns: thresholds, common coefficients, then deviations from them at the second and later thresholds
    T = np.zeros((K * (p + 1), K + p + (K - 1) * p))
    T[at[:, 0], np.arange(K)] = 1
    for k in range(p):
        T[at[:, k + 1], K + k] = 1
        T[at[1:, k + 1], K + p + k * (K - 1) + np.arange(K - 1)] = 1
    U, J = state.score @ T, T.T @ state.information @ T
    null = np.arange(K + p)
    statistic, df = [], []
    for columns in [*terms, range(p)]:
        extra = (K + p + np.array(list(columns))[:, None] * (K - 1) + np.arange(K - 1)).ravel()
        try:
            inner = np.linalg.solve(J[np.ix_(null, null)], J[np.ix_(null, extra)])
            spread = J[np.ix_(extra, extra)] - J[np.ix_(extra, null)] @ inner
            statistic.append(float(U[extra] @ np.linalg.solve(spread, U[extra])))
        except np.linalg.LinAlgError:
            return missing_test(len(terms), "the information about the thresholds is singular")
        df.append(float(len(extra)))
    return ProportionalityTest(
        np.array(statistic), np.array(df), np.asarray(chdtrc(np.array(df), np.array(statistic)))
    )


def ordinal_concordance(eta: FloatArray, lower: IntArray, upper: IntArray) -> float:
    """Return the share of pairs, one certainly worse than the other, whose worse row has the higher score.

    Parameters
    ----------
    eta : array of shape (n,)
        Score; values that agree to ten digits of the largest are tied and count one half.
    lower, upper : array of shape (n,)
        Bounds of the grades.

    Returns
    -------
    float
        Concordance; NaN without such pairs.

    Examples
    --------
    >>> ordinal_concordance(np.array([1.0, 2.0, 3.0]), np.array([0, 2, 1]), np.array([0, 2, 1]))
    0.6666666666666666
    """
    size = float(np.abs(eta).max(initial=0.0))
    rank = np.round(eta / size, 10) if size > 0 else np.zeros(len(eta))
    concordant = pairs = 0.0
    for grade in np.unique(lower):
        worse, better = rank[lower == grade], np.sort(rank[upper < grade])
        below = np.searchsorted(better, worse, "left") + np.searchsorted(better, worse, "right")
        concordant += float(below.sum()) / 2
        pairs += float(len(worse)) * len(better)
    return concordant / pairs if pairs else np.nan
