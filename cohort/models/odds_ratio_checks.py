"""What a logistic regression refuses: combinations without a meaning, empty designs, separation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError, SparseDataError
from cohort.estimators.conditional_logistic import informative_sets, separating_within
from cohort.estimators.logistic import LogisticFit, separating_columns
from cohort.models.cox_inputs import stratum_codes
from cohort.models.design import Design
from cohort.models.matrix import check_columns
from cohort.models.odds_ratio_result import METHODS, Correlation, Limits, Method, Variance
from cohort.models.summary import left_out_text

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
NO_PAIR = "without both outcomes"
# By method: kinds of limits and of variance, the default first.
_LIMITS: dict[Method, tuple[Limits, ...]] = {
    "ml": ("wald", "profile"),
    "firth": ("profile", "wald"),
    "exact": ("exact", "mid_p"),
    "conditional": ("wald",),
    "gee": ("wald",),
    "random_intercept": ("wald",),
}
_VARIANCES: dict[Method, tuple[Variance, ...]] = {
    "ml": ("robust", "bias_reduced"),
    "conditional": ("robust",),
    "gee": ("mancl_derouen", "kauermann_carroll", "robust"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A combination of method and options that has a meaning.

    Attributes
    ----------
    method : str
        Estimation method.
    limits : str
        Kind of limits.
    variance : str
        Kind of variance; empty when it is that of the model.
    correlation : str
        Working correlation; empty without one.
    """

    method: Method
    limits: Limits
    variance: Variance
    correlation: Correlation


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What is fitted.

    Attributes
    ----------
    X : array of shape (n, p)
        Design matrix, with its intercept unless the method conditions on it.
    y : array of shape (n,)
        Outcome, 0 or 1.
    names, terms, levels : tuple of str
        Of each column.
    cluster : array of shape (n,) or None
        Codes of the clusters.
    sets : array of shape (n,) or None
        Codes of the strata, from 0.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    weight : array of shape (n,) or None
        Weights.
    """

    X: FloatArray
    y: FloatArray
    names: tuple[str, ...]
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    cluster: IntArray | None
    sets: IntArray | None
    left_out: tuple[tuple[str, str, int], ...]
    weight: FloatArray | None = None


def plan_of(
    method: Method,
    limits: Limits | None,
    variance: Variance | None,
    correlation: Correlation | None,
    cluster: str | None,
    strata: Sequence[str],
) -> Plan:
    """Return the options with their defaults, refusing combinations that have no meaning.

    Parameters
    ----------
    method, limits, variance, correlation, cluster : str or None
        As given.
    strata : sequence of str
        Columns of the strata.

    Returns
    -------
    Plan
        The options.

    Raises
    ------
    EstimationError
        When they do not go together.
    """
    if method not in METHODS:
        raise EstimationError(
            f"method {method!r} is not known",
            evidence=f"methods: {', '.join(METHODS)}",
            remedy='method="firth"',
        )
    if method == "firth" and cluster is not None:
        raise EstimationError(
            "a cluster-robust variance goes with maximum likelihood, not with Firth's penalty",
            evidence=f"method={method!r}, cluster={cluster!r}",
            remedy=f'co.odds_ratio(..., method="ml", cluster="{cluster}"), or method="gee"',
        )
    kinds, variances = _LIMITS[method], _VARIANCES.get(method, ())
    if limits is not None and limits not in kinds:
        raise _unfit("limits", limits, method, kinds)
    if variance is not None and (variance not in variances or cluster is None):
        raise _unfit("variance", variance, method, variances if cluster is not None else ())
    if correlation not in (None, "exchangeable", "independence") or (correlation and method != "gee"):
        raise _unfit(
            "correlation", correlation, method, ("exchangeable", "independence") if method == "gee" else ()
        )
    _check_groups(method, cluster, strata)
    if cluster is not None and limits == "profile":
        raise EstimationError(
            "a cluster-robust variance goes with Wald limits, not with profile limits",
            evidence=f"limits={limits!r}, cluster={cluster!r}",
            remedy='limits="wald"',
        )
    robust: Variance = variance if variance is not None else variances[0] if cluster and variances else ""
    working: Correlation = "" if method != "gee" else correlation or "exchangeable"
    return Plan(method, limits or kinds[0], robust, working)


def _unfit(argument: str, value: str | None, method: str, known: Sequence[str]) -> EstimationError:
    need = "" if known or method not in _VARIANCES or argument != "variance" else " without cluster="
    return EstimationError(
        f"{argument} {value!r} does not go with method {method!r}{need}",
        evidence=f"{argument} of {method}: {', '.join(known) or 'none'}",
        remedy=f'{argument}="{known[0]}"' if known else f"leave {argument}= out",
    )


def _check_groups(method: Method, cluster: str | None, strata: Sequence[str]) -> None:
    """Ask for the clusters or strata a method needs, and refuse those it cannot use."""
    if method in ("gee", "random_intercept") and cluster is None:
        raise EstimationError(
            f'method="{method}" needs the column of the clusters',
            evidence="cluster=None",
            remedy='cluster="center_id"',
        )
    if method == "conditional" and not strata:
        raise EstimationError(
            'method="conditional" needs the column of the matched sets',
            evidence="strata=None",
            remedy='strata="matched_set"',
        )
    if strata and method not in ("conditional", "exact"):
        raise EstimationError(
            f'strata do not go with method="{method}"',
            evidence=f"strata: {', '.join(strata)}",
            remedy='method="conditional", or the column as a covariate in the formula',
        )
    if cluster is not None and method == "exact":
        raise EstimationError(
            'clusters do not go with method="exact", whose patients are independent',
            evidence=f"cluster={cluster!r}",
            remedy=f'strata="{cluster}" compares patients within a {cluster}; or method="gee"',
        )


def rows_of(design: Design, plan: Plan, cluster: str | None, strata: Sequence[str]) -> Rows:
    """Arrange the patients as a method takes them.

    Parameters
    ----------
    design : Design
        Design without intercept, with clusters and strata as extra columns.
    plan : Plan
        Method and options.
    cluster : str or None
        Column of the clusters.
    strata : sequence of str
        Columns of the strata; patients of a stratum without both outcomes are left out.

    Returns
    -------
    Rows
        What is fitted.

    Raises
    ------
    EstimationError
        When there is nothing to compare or too little to estimate.
    """
    y = outcome_of(design)
    codes = None if cluster is None else pd.factorize(design.extra[cluster])[0].astype(np.intp)
    if cluster is not None and codes is not None and codes.max() == 0:
        raise EstimationError(
            f"{cluster} has one value: clusters cannot be compared",
            evidence=f"{len(codes)} patients in one cluster",
            remedy="leave cluster= out, and use a method without clusters",
        )
    X, names, terms, levels = design.X, design.names, design.terms, design.levels
    if plan.method not in ("conditional", "exact"):
        X = np.column_stack([np.ones(len(y)), X])
        names, terms, levels = ("Intercept", *names), ("Intercept", *terms), ("", *levels)
    if X.shape[1] > len(y):
        raise EstimationError(
            "there are more parameters than patients",
            evidence=f"{X.shape[1]} parameters, {len(y)} patients",
            remedy="leave covariates out of the formula",
        )
    rows = Rows(X, y, names, terms, levels, codes, None, design.left_out)
    return _within_sets(rows, design, strata) if strata else rows


def outcome_of(design: Design) -> FloatArray:
    """Return the outcome when it has both values."""
    y = design.response
    if y is None:
        raise EstimationError("the formula has no outcome", remedy='write "outcome ~ covariates"')
    n_event = int(y.sum())
    if n_event in (0, len(y)):
        raise EstimationError(
            f"{'no patient has' if n_event == 0 else 'every patient has'} {design.response_name}: "
            "there is nothing to compare",
            evidence=f"{n_event} of {len(y)} patients used; left out: {left_out_text(design.left_out)}",
            remedy="check the outcome, and which patients are left out",
        )
    return y


def _within_sets(rows: Rows, design: Design, strata: Sequence[str]) -> Rows:
    """Keep the sets that hold both outcomes, and check that covariates vary within them."""
    sets = stratum_codes(design, strata)[0]
    assert sets is not None
    informative = informative_sets(rows.y, sets)
    keep = informative[sets]
    what = ", ".join(strata)
    if not keep.any():
        raise EstimationError(
            f"no set of {what} holds patients with and without {design.response_name}",
            evidence=f"{len(informative)} sets, {len(keep)} patients",
            remedy='compare all patients with method="firth", or give the column of the matched sets as strata=',
        )
    sets = (np.cumsum(informative) - 1)[sets[keep]]
    X, y = rows.X[keep], rows.y[keep]
    size = np.bincount(sets)
    center = np.column_stack([np.bincount(sets, column) for column in X.T]) / size[:, None]
    within = X - center[sets]
    still = np.abs(within).max(axis=0) <= 1e-12 * np.maximum(np.abs(X).max(axis=0), 1.0)
    if still.any():
        constant = [rows.names[j] for j in np.flatnonzero(still).tolist()]
        raise EstimationError(
            f"column {', '.join(constant)} never varies within a set of {what}",
            evidence=f"{len(size)} sets with both outcomes, {len(y)} patients",
            remedy=f"leave {', '.join(constant)} out of the formula: the sets are matched on it",
        )
    check_columns(within, rows.names)
    left_out = ((what, NO_PAIR, int((~keep).sum())),) if not keep.all() else ()
    cluster = None if rows.cluster is None else rows.cluster[keep]
    if cluster is not None and len(np.unique(np.column_stack([sets, cluster]), axis=0)) > len(size):
        raise EstimationError(
            "a set has patients of several clusters",
            evidence=f"{len(size)} sets of {what}",
            remedy="give clusters that hold whole sets, or leave cluster= out",
        )
    return Rows(X, y, rows.names, rows.terms, rows.levels, cluster, sets, (*rows.left_out, *left_out))


def check_fit(fit: LogisticFit, rows: Rows, outcome: str) -> None:
    """Refuse a fit that separation has driven to infinity, naming the columns.

    Parameters
    ----------
    fit : LogisticFit
        The fit.
    rows : Rows
        What was fitted.
    outcome : str
        Name of the outcome.

    Raises
    ------
    EstimationError
        Under separation, or when the fit did not converge.
    """
    if fit.converged and (fit.penalty == "firth" or np.abs(rows.X @ fit.estimate).max() < 15):
        return
    columns = separating_columns(rows.X, rows.y).tolist() if fit.penalty == "none" else []
    named = [rows.names[j] for j in columns if j > 0] or [rows.names[j] for j in columns]
    if named:
        raise _separated(named, rows, outcome, 'co.odds_ratio(..., method="firth")')
    if not fit.converged:
        raise not_converged(fit.iterations, rows)


def check_sets(rows: Rows, outcome: str) -> None:
    """Refuse separation within matched sets, naming the columns."""
    assert rows.sets is not None
    named = [rows.names[j] for j in separating_within(rows.X, rows.y, rows.sets).tolist()]
    if named:
        raise _separated(named, rows, outcome, 'co.odds_ratio(..., method="exact", strata=...)')


def _separated(named: Sequence[str], rows: Rows, outcome: str, remedy: str) -> SparseDataError:
    return SparseDataError(
        f"separation: {', '.join(named)} predicts {outcome} perfectly in some patients, so "
        "its maximum likelihood odds ratio is zero or infinite",
        evidence=f"{int(rows.y.sum())} of {len(rows.y)} patients with {outcome}",
        remedy=remedy,
    )


def not_converged(iterations: int, rows: Rows) -> EstimationError:
    """Return the error of a fit that did not converge."""
    return EstimationError(
        "the logistic regression did not converge",
        evidence=f"{iterations} iterations, {rows.X.shape[1]} parameters",
        remedy="center and scale the covariates, or leave some out",
    )
