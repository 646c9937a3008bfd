"""From an endpoint or intervals to a fitted parametric model: design, fits of every distribution, robust variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.parametric_likelihood import ParametricFit, fit_parametric
from cohort.estimators.robust_variance import grouped_variance
from cohort.estimators.survival_families import FAMILIES, Distribution
from cohort.models.cox_inputs import cluster_codes
from cohort.models.curves import count_patients, excluded_rows
from cohort.models.design import Design, build_design
from cohort.models.formula import parse_formula
from cohort.models.new_rows import Coding, coding_of

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ParametricEstimate:
    """A fitted parametric model with everything its result tells.

    Attributes
    ----------
    fit : ParametricFit
        Estimates; the covariance is the reported one, the rows' scores are gone.
    log_likelihood_null : float
        Of the same distribution without covariates.
    comparison : tuple of (str, float, int, str)
        Distribution, log-likelihood, parameters, and why it could not be fitted.
    terms, levels : tuple of str
        Of every parameter: intercept, covariates, parameters of the distribution.
    references : dict of str to str
        Reference category of each categorical term.
    coding : Coding or None
        How covariates are coded; None without covariates.
    n, n_rows, n_missing : int
        Patients, their rows, rows left out.
    robust : str
        What the standard errors account for, empty when model-based.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out.
    rows : array of shape (n_rows,)
        Positions of the rows used.
    """

    fit: ParametricFit
    log_likelihood_null: float
    comparison: tuple[tuple[str, float, int, str], ...]
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    references: dict[str, str]
    coding: Coding | None
    n: int
    n_rows: int
    n_missing: int
    robust: str
    left_out: tuple[tuple[str, str, int], ...]
    rows: NDArray[np.intp]


def estimate_parametric(
    endpoint: Endpoint,
    formula: str | None,
    data: pd.DataFrame | None,
    times: tuple[FloatArray, FloatArray, FloatArray | None],
    distribution: Distribution,
    cluster: str | None,
    robust: bool,
) -> ParametricEstimate:
    """Fit a parametric model to rows of an endpoint.

    Parameters
    ----------
    endpoint : Endpoint
        The rows.
    formula : str or None
        Covariates; None for a distribution without any.
    data : DataFrame or None
        Columns the endpoint's own frame lacks.
    times : tuple of array of shape (n_rows,)
        Lower and upper ends of the times, and entry (None for nobody late).
    distribution : str
        The distribution.
    cluster : str or None
        Column of the groups of a robust variance.
    robust : bool
        Whether the variance is a sandwich, rows of one patient together.

    Returns
    -------
    ParametricEstimate
        The fit.
    """
    if distribution not in FAMILIES:
        raise EstimationError(
            f"distribution={distribution!r} is unknown",
            remedy=f"write one of {', '.join(map(repr, FAMILIES))}",
        )
    design = _design(endpoint, formula, data, [cluster] if cluster else [])
    lower, upper = times[0][design.rows], times[1][design.rows]
    entry = None if times[2] is None else times[2][design.rows]
    fit = fit_parametric(design.X, lower, upper, entry, distribution, names=design.names)
    empty = np.empty((len(lower), 0))
    null = fit.log_likelihood
    if design.X.shape[1]:
        null = fit_parametric(empty, lower, upper, entry, distribution).log_likelihood
    subject = None if endpoint.subject is None else endpoint.subject[design.rows]
    several = endpoint.counting and subject is not None and len(np.unique(subject)) < len(subject)
    groups, words = cluster_codes(design, cluster, robust or cluster is not None, subject)
    covariance = fit.covariance
    if words:
        covariance = grouped_variance(fit.scores, fit.covariance, groups)[0]
    parameters = FAMILIES[distribution].parameters
    parsed = None if formula is None else parse_formula(formula)
    return ParametricEstimate(
        fit=replace(fit, covariance=covariance, scores=np.empty((0, len(fit.coefficients)))),
        log_likelihood_null=null,
        comparison=_compare(fit, design, lower, upper, entry),
        terms=("Intercept", *design.terms, *parameters),
        levels=("", *design.levels, *("" for _ in parameters)),
        references=dict(design.references),
        coding=None if parsed is None else coding_of(parsed, design),
        n=count_patients(endpoint, design.rows) if several else len(design.rows),
        n_rows=len(design.rows),
        n_missing=design.n_missing,
        robust=words,
        left_out=(*excluded_rows(endpoint), *design.left_out),
        rows=design.rows,
    )


def _design(
    endpoint: Endpoint, formula: str | None, data: pd.DataFrame | None, extra: Sequence[str]
) -> Design:
    if formula is not None:
        return build_design(formula, data, endpoint, intercept=False, extra=extra)
    n = len(endpoint.stop)
    if not n:
        raise EstimationError(
            f"no patient is left to estimate {endpoint.name} from",
            evidence="0 rows",
            remedy="check the endpoint's excluded rows",
        )
    if extra:
        raise EstimationError(
            "clusters need a formula",
            evidence="formula=None",
            remedy="leave cluster= out, or name covariates",
        )
    return Design(
        X=np.empty((n, 0)),
        names=(),
        terms=(),
        levels=(),
        references={},
        categories={},
        spec=None,
        rows=np.arange(n),
        index=endpoint.index,
        columns=(),
        response=None,
        response_name="",
        extra={},
        left_out=(),
        n_total=n,
    )


def _compare(
    fit: ParametricFit, design: Design, lower: FloatArray, upper: FloatArray, entry: FloatArray | None
) -> tuple[tuple[str, float, int, str], ...]:
    """Fit every distribution to the same rows, since a result does not keep them."""
    rows: list[tuple[str, float, int, str]] = []
    for name, family in FAMILIES.items():
        df = 1 + design.X.shape[1] + len(family.parameters)
        if name == fit.distribution:
            rows.append((name, fit.log_likelihood, df, ""))
            continue
        try:
            other = fit_parametric(design.X, lower, upper, entry, name, names=design.names)
            rows.append((name, other.log_likelihood, df, ""))
        except EstimationError as error:
            rows.append((name, np.nan, df, error.problem))
    return tuple(rows)
