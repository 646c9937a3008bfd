"""Inference of a fitted ordinal regression: variance, limits, tests of proportional odds, probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc, expit

from cohort.errors import EstimationError
from cohort.estimators.ordinal_likelihood import predictors
from cohort.estimators.ordinal_penalty import profile_ordinal
from cohort.estimators.ordinal_regression import robust_covariance
from cohort.estimators.proportional_odds import (
    ProportionalityTest,
    brant_test,
    ordinal_concordance,
    score_test,
    wald_of_contrasts,
)
from cohort.models.design import Design
from cohort.models.ordinal_estimation import Fitted, Method, TableOrder, wald_test
from cohort.models.result import wald

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
PATIENTS_PER_PARAMETER = 10


@dataclass(frozen=True, slots=True, eq=False)
class Variance:
    """How the variance is computed.

    Attributes
    ----------
    cluster : array of shape (n,) or None
        Codes of the groups of a robust variance; None for the model-based one.
    n_cluster : int
        Number of clusters, 0 without.
    weight : array of shape (n,) or None
        Case weights.
    text : str
        What the standard errors account for, empty when model-based.
    """

    cluster: IntArray | None
    n_cluster: int
    weight: FloatArray | None
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Inference:
    """Estimates and inference in the order of the table.

    Attributes
    ----------
    estimate, conf_low, conf_high, statistic, p_value : array of shape (p,)
        On the log scale; thresholds are not tested.
    covariance : array of shape (p, p)
        Covariance.
    statistic_global, p_value_global : float
        Test that all coefficients are zero.
    concordance : float
        Concordance of the linear predictor with the grades.
    """

    estimate: FloatArray
    covariance: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    statistic_global: float
    p_value_global: float
    concordance: float


def variance_of(design: Design, cluster: str | None, weights: str | None) -> Variance:
    """Read the clusters and the weights.

    Parameters
    ----------
    design : Design
        Design with both as extra columns.
    cluster, weights : str or None
        Column names.

    Returns
    -------
    Variance
        Codes, weights and words.

    Raises
    ------
    EstimationError
        When there is one cluster only, or weights are not positive numbers.
    """
    weight = None if weights is None else _case_weight(design.extra[weights])
    if cluster is None:
        rows = None if weight is None else np.arange(len(design.X))
        return Variance(rows, 0, weight, "" if weight is None else "robust standard errors (weights)")
    codes = pd.factorize(design.extra[cluster])[0].astype(np.intp)
    n_cluster = int(codes.max()) + 1
    if n_cluster < 2:
        raise EstimationError(
            f"{cluster} has one value: a cluster-robust variance needs several clusters",
            evidence=f"{len(codes)} patients in one cluster",
            remedy="leave cluster= out",
        )
    return Variance(codes, n_cluster, weight, f"robust to {n_cluster} clusters of {cluster}")


def _case_weight(column: pd.Series) -> FloatArray:
    numeric = pd.api.types.is_numeric_dtype(column.dtype)
    weight = column.to_numpy(dtype=float) if numeric else np.zeros(len(column))
    broken = int((~np.isfinite(weight) | (weight <= 0)).sum())
    if broken:
        raise EstimationError(
            f"weights column {column.name} holds values that are not positive numbers",
            evidence=f"{broken} of {len(weight)} patients",
            remedy=f'leave patients of weight 0 out: data[data["{column.name}"] > 0]',
        )
    return weight


def infer(
    fitted: Fitted,
    table: TableOrder,
    variance: Variance,
    limits: Literal["wald", "profile"],
    conf_level: float,
) -> Inference:
    """Compute covariance, limits and tests of a fit.

    Parameters
    ----------
    fitted : Fitted
        The fit.
    table : TableOrder
        Order of the table.
    variance : Variance
        How the variance is computed.
    limits : {'wald', 'profile'}
        Kind of limits.
    conf_level : float
        Confidence level.

    Returns
    -------
    Inference
        In the order of the table.
    """
    maximum, k = fitted.maximum, table.n_coefficient
    V = maximum.covariance
    if variance.cluster is not None:
        V = robust_covariance(fitted.likelihood, maximum, variance.cluster)[0]
    estimate, V = maximum.parameters[table.order], V[np.ix_(table.order, table.order)]
    if limits == "profile":
        tested = table.order[:k].tolist()
        profile = profile_ordinal(fitted.likelihood, maximum, conf_level, tested)
        found = [
            v[table.order] for v in (profile.conf_low, profile.conf_high, profile.statistic, profile.p_value)
        ]
    else:
        found = list(wald(estimate, np.sqrt(np.diag(V)), conf_level))
        found[2], found[3] = (np.where(np.arange(len(estimate)) < k, v, np.nan) for v in found[2:])
    if variance.cluster is None:
        statistic = max(2 * (maximum.state.log_likelihood - fitted.null), 0.0)
        p = float(chdtrc(k, statistic))
    else:
        statistic, p = wald_test(estimate[:k], V[:k, :k])
    rows = fitted.likelihood.rows
    eta = -predictors(rows, maximum.parameters)[1]
    agreement = np.nan
    if not table.columns:
        lower, upper = fitted.grades.lower[rows.order], fitted.grades.upper[rows.order]
        agreement = ordinal_concordance(eta, lower, upper)
    low, high, z, p_value = found
    return Inference(estimate, V, low, high, z, p_value, statistic, p, agreement)


def proportionality_tests(
    design: Design,
    fitted: Fitted,
    table: TableOrder,
    inference: Inference,
    variance: Variance,
    method: Method,
) -> tuple[dict[str, ProportionalityTest], dict[str, tuple[str, ...]]]:
    """Return the tests of proportional odds that a fit allows, with the terms each is about.

    Parameters
    ----------
    design : Design
        Design without intercept.
    fitted : Fitted
        The fit.
    table : TableOrder
        Order of the table.
    inference : Inference
        Its inference.
    variance : Variance
        Weights and clusters.
    method : {'proportional_odds', 'continuation_ratio'}
        Model.

    Returns
    -------
    dict of str to ProportionalityTest
        Tests by name.
    dict of str to tuple of str
        Their terms.
    """
    grades, K = fitted.grades, len(fitted.grades.thresholds)
    if K < 2 or method != "proportional_odds":
        return {}, {}
    if table.columns:
        return _tests_by_threshold(fitted, table, inference, variance, K)
    terms = tuple(dict.fromkeys(design.terms))
    columns = [[j for j, other in enumerate(design.terms) if other == term] for term in terms]
    thresholds, beta = np.split(fitted.maximum.parameters, [K])
    tests: dict[str, ProportionalityTest] = {}
    if grades.exact and variance.weight is None:
        tests["brant"] = brant_test(grades.lower, design.X, columns, thresholds, beta, variance.cluster)
    if np.isfinite(fitted.null) and not _penalized(fitted):
        tests["score"] = score_test(
            grades.lower, grades.upper, design.X, columns, thresholds, beta, variance.weight
        )
    return tests, dict.fromkeys(tests, terms)


def _penalized(fitted: Fitted) -> bool:
    return type(fitted.likelihood).__name__.startswith("Penalized")


def _tests_by_threshold(
    fitted: Fitted, table: TableOrder, inference: Inference, variance: Variance, K: int
) -> tuple[dict[str, ProportionalityTest], dict[str, tuple[str, ...]]]:
    """Test coefficients by threshold: likelihood ratio against proportional odds, and Wald tests by term."""
    terms = tuple(table.terms[lines[0]].rpartition(" (")[0] for lines in table.columns)
    n_column = [len(lines) // K for lines in table.columns]
    flat = [i for lines in table.columns for i in lines]
    # lines go column by column; the contrasts want them threshold by threshold
    lines = np.array(flat).reshape(-1, K).T.ravel()
    ends = np.cumsum(n_column)
    columns = [list(range(end - n, end)) for end, n in zip(ends.tolist(), n_column, strict=True)]
    by_term = wald_of_contrasts(
        inference.estimate[lines], inference.covariance[np.ix_(lines, lines)], K, int(ends[-1]), columns
    )
    tests, about = {"wald": by_term}, {"wald": terms}
    if variance.cluster is None:
        statistic = max(2 * (fitted.maximum.state.log_likelihood - fitted.proportional), 0.0)
        df = float((K - 1) * ends[-1])
        ratio = ProportionalityTest(
            np.array([statistic]), np.array([df]), np.array([float(chdtrc(df, statistic))])
        )
        tests, about = {"likelihood_ratio": ratio, **tests}, {"likelihood_ratio": (), **about}
    return tests, about


def category_probabilities(
    X: FloatArray, estimate: FloatArray, n_threshold: int, varying: Sequence[int], method: Method
) -> FloatArray:
    """Return the probability of every grade.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates.
    estimate : array of shape (P,)
        Coefficients in the order of the columns (K of them for a column by threshold), then thresholds.
    n_threshold : int
        Number of thresholds K.
    varying : sequence of int
        Columns with coefficients by threshold.
    method : {'proportional_odds', 'continuation_ratio'}
        Model.

    Returns
    -------
    array of shape (n, K + 1)
        Probabilities, negative where coefficients by threshold contradict each other.
    """
    e = np.tile(estimate[-n_threshold:], (len(X), 1))
    position = 0
    for j in range(X.shape[1]):
        width = n_threshold if j in varying else 1
        e -= X[:, [j]] * estimate[position : position + width]
        position += width
    if method == "continuation_ratio":
        reached = np.cumprod(np.column_stack([np.ones(len(X)), expit(-e)]), axis=1)
        return np.asarray(reached * np.column_stack([expit(e), np.ones(len(X))]))
    above = np.column_stack([np.ones(len(X)), expit(-e), np.zeros(len(X))])
    return np.asarray(above[:, :-1] - above[:, 1:])


def sparse_notes(fitted: Fitted, n_coefficient: int, penalty: str | None) -> tuple[str, ...]:
    """Return a note when few patients stand behind each coefficient.

    Parameters
    ----------
    fitted : Fitted
        The fit.
    n_coefficient : int
        Number of coefficients.
    penalty : str or None
        Penalty.

    Returns
    -------
    tuple of str
        One note or none. For an ordered outcome Harrell's effective number is n - sum of n_j cubed / n squared.
    """
    grades = fitted.grades
    exact = grades.lower[grades.lower == grades.upper]
    counts = np.bincount(exact, minlength=len(grades.labels)).astype(float)
    n = counts.sum()
    effective = n - (counts**3).sum() / n**2 if n else 0.0
    if not n_coefficient or effective / n_coefficient >= PATIENTS_PER_PARAMETER:
        return ()
    advice = "" if penalty else '; consider penalty="firth"'
    return (
        f"sparse data: {effective / n_coefficient:.1f} effective patients with a certain grade per coefficient "
        f"(under {PATIENTS_PER_PARAMETER}){advice}",
    )


def names_of_references(references: Mapping[str, str], table: TableOrder) -> dict[str, str]:
    """Return reference categories by term, also of terms that stand once per threshold.

    Parameters
    ----------
    references : mapping of str to str
        Reference category of each categorical term.
    table : TableOrder
        Terms of the table.

    Returns
    -------
    dict of str to str
        Reference by term of the table.
    """
    found = {}
    for term in dict.fromkeys(table.terms[: table.n_coefficient]):
        plain = term if term in references else term.rpartition(" (")[0]
        if plain in references:
            found[term] = references[plain]
    return found
