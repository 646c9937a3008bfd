"""Estimate an ordinal regression from a design and grades: fit, refuse what has no estimate, infer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from cohort.errors import EstimationError, SparseDataError
from cohort.estimators.ordinal_likelihood import (
    ContinuationRatio,
    CumulativeLogit,
    Likelihood,
    predictors,
)
from cohort.estimators.ordinal_penalty import PenalizedCumulativeLogit
from cohort.estimators.ordinal_regression import (
    Maximum,
    flat_parameter,
    infinite_directions,
    maximize,
    null_thresholds,
)
from cohort.estimators.ordinal_rows import OrdinalRows, arrange_rows
from cohort.models.design import Design
from cohort.models.matrix import check_columns
from cohort.models.ordinal_grades import Grades, without_grade

FloatArray = NDArray[np.float64]
Method = Literal["proportional_odds", "continuation_ratio"]
Penalty = Literal["firth"]
# Range of the linear predictor above which separation is looked for.
SUSPICIOUS_RANGE = 20.0
# Distance of two thresholds, in log odds, below which the grade between them has no probability.
SAME_THRESHOLD = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class TableOrder:
    """Where the parameters of the likelihood stand in a table: coefficients first, then thresholds.

    Attributes
    ----------
    order : array of shape (P,)
        Position in the likelihood of each line of the table.
    terms, levels, names : tuple of str
        Term, category and full name of each line; a coefficient of one threshold is ``term (1|2)``.
    n_coefficient : int
        Lines that are not thresholds.
    columns : tuple of tuple of int
        Lines of each term that has coefficients of its own at every threshold.
    """

    order: NDArray[np.intp]
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    names: tuple[str, ...]
    n_coefficient: int
    columns: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A fitted likelihood.

    Attributes
    ----------
    likelihood : Likelihood
        The likelihood with its rows.
    maximum : Maximum
        Its maximum.
    null : float
        (Penalized) log-likelihood without covariates.
    grades : Grades
        Grades, those without probability left out.
    proportional : float
        Log-likelihood with the same odds ratios at every threshold; NaN when that is the model.
    """

    likelihood: Likelihood
    maximum: Maximum
    null: float
    grades: Grades
    proportional: float


def varying_columns(design: Design, nonproportional: Sequence[str]) -> list[int]:
    """Return the columns whose coefficients differ by threshold.

    Parameters
    ----------
    design : Design
        Design without intercept.
    nonproportional : sequence of str
        Terms as written in the formula.

    Returns
    -------
    list of int
        Positions of the columns.
    """
    unknown = [term for term in nonproportional if term not in design.terms]
    if unknown:
        raise EstimationError(
            f"nonproportional= names {', '.join(unknown)}, which the formula does not have",
            evidence=f"terms: {', '.join(dict.fromkeys(design.terms))}",
            remedy="name terms as they are written in the formula",
        )
    return [j for j, term in enumerate(design.terms) if term in nonproportional]


def fit_ordinal(
    design: Design,
    grades: Grades,
    weight: FloatArray | None,
    varying: Sequence[int],
    method: Method,
    penalty: Penalty | None,
) -> Fitted:
    """Maximize the likelihood; refuse columns that are flat, separated, or give negative probabilities.

    Parameters
    ----------
    design : Design
        Design without intercept.
    grades : Grades
        Grades of its rows.
    weight : array of shape (n,) or None
        Case weights.
    varying : sequence of int
        Columns with coefficients by threshold.
    method : {'proportional_odds', 'continuation_ratio'}
        Model.
    penalty : {'firth'} or None
        Penalty.

    Returns
    -------
    Fitted
        The fit.

    Raises
    ------
    EstimationError
        When there is no estimate; the column is named.
    """
    _check_enough(design, grades, len(varying))
    if method == "continuation_ratio":
        rows = arrange_rows(grades.lower, grades.upper, design.X, None, weight)
        sequential = ContinuationRatio(rows)
        start = np.zeros(rows.n_parameter)
        alone = np.arange(rows.n_parameter) < rows.n_threshold
        null = maximize(sequential, start, alone)
        top = maximize(sequential, start if null is None else null.parameters)
        found = _checked(top, rows, design, [], sequential=True)
        return Fitted(sequential, found, null.state.log_likelihood if null else np.nan, grades, np.nan)
    plain, grades, bottom = _proportional(design, grades, weight)
    if penalty == "firth":
        penalized = PenalizedCumulativeLogit(plain.rows)
        start = np.concatenate([bottom.parameters, np.zeros(design.X.shape[1])])
        alone = np.arange(len(start)) < plain.rows.n_threshold
        null = maximize(penalized, start, alone)
        found = _checked(maximize(penalized, start if null is None else null.parameters), None, design, [])
        return Fitted(penalized, found, null.state.log_likelihood if null else np.nan, grades, np.nan)
    start = np.concatenate([bottom.parameters, np.zeros(design.X.shape[1])])
    found = _checked(maximize(plain, start), plain.rows, design, [])
    value = bottom.state.log_likelihood
    if not varying:
        return Fitted(plain, found, value, grades, np.nan)
    partial, top = _partial(design, grades, weight, list(varying), found)
    return Fitted(partial, top, value, grades, found.state.log_likelihood)


def _check_enough(design: Design, grades: Grades, n_varying: int) -> None:
    known = (grades.lower > 0) | (grades.upper < len(grades.labels) - 1)
    K = len(grades.labels) - 1
    n_parameter = K + design.X.shape[1] + n_varying * (K - 1)
    n = int(known.sum())
    if n_parameter > n:
        raise EstimationError(
            "there are more parameters than patients of whose grade something is known",
            evidence=f"{n_parameter} parameters, {n} patients",
            remedy="leave covariates out of the formula",
        )
    if grades.n_unknown:
        check_columns(design.X[known], design.names)


def _proportional(
    design: Design, grades: Grades, weight: FloatArray | None
) -> tuple[CumulativeLogit, Grades, Maximum]:
    """Return the proportional odds likelihood on a scale whose grades all have a probability, and its null fit."""
    while True:
        rows = arrange_rows(grades.lower, grades.upper, design.X, None, weight)
        plain, bottom = CumulativeLogit(rows), null_thresholds(rows)
        if bottom is None:
            raise EstimationError(
                "the thresholds alone cannot be fitted",
                evidence=f"{len(grades.labels)} grades",
                remedy="join grades that are rarely certain",
            )
        start = np.concatenate([bottom.parameters, np.zeros(design.X.shape[1])])
        found = bottom if not bottom.converged else maximize(plain, start)
        gone = _without_probability(grades, bottom if found is None else found)
        if gone is None:
            return plain, grades, bottom
        grades = without_grade(grades, gone)


def _without_probability(grades: Grades, maximum: Maximum) -> int | None:
    """Return the category between two thresholds that met, when nobody is certain to have it."""
    thresholds = maximum.parameters[: len(grades.labels) - 1]
    distance = np.diff(thresholds)
    if not len(distance) or distance.min() > SAME_THRESHOLD:
        return None
    category = int(np.argmin(distance)) + 1
    certain = ((grades.lower == category) & (grades.upper == category)).any()
    return None if certain else category


def _partial(
    design: Design, grades: Grades, weight: FloatArray | None, varying: list[int], proportional: Maximum
) -> tuple[CumulativeLogit, Maximum]:
    """Let coefficients differ by threshold, from the proportional fit; refuse negative probabilities."""
    X = design.X
    common = [j for j in range(X.shape[1]) if j not in varying]
    rows = arrange_rows(grades.lower, grades.upper, X[:, common], X[:, varying], weight)
    K = rows.n_threshold
    thresholds, beta = proportional.parameters[:K], proportional.parameters[K:]
    a = np.column_stack([thresholds, np.tile(beta[varying], (K, 1))])
    partial = CumulativeLogit(rows)
    start = np.concatenate([a.ravel(), beta[common]])
    found = _checked(maximize(partial, start), rows, design, varying)
    a, shift = predictors(rows, found.parameters)
    crossed = np.any(np.diff(rows.Z @ a.T + shift[:, None], axis=1) < 0, axis=1)
    if crossed.any():
        raise EstimationError(
            "coefficients that differ by threshold give some patients a negative probability of a grade",
            evidence=f"{int(crossed.sum())} of {len(shift)} patients",
            remedy='let fewer terms be nonproportional, join grades, or use method="continuation_ratio"',
        )
    return partial, found


def _checked(
    found: Maximum | None,
    rows: OrdinalRows | None,
    design: Design,
    varying: Sequence[int],
    sequential: bool = False,
) -> Maximum:
    """Refuse a fit that ran to infinity (naming the columns), is flat, or did not converge."""
    if found is not None and rows is not None and (not found.converged or _far(found, rows)):
        positions = infinite_directions(rows, sequential).tolist()
        names = _column_names(positions, rows, design, varying)
        if names:
            raise SparseDataError(
                f"separation: {', '.join(names)} predicts the grade perfectly in some patients, so its maximum "
                "likelihood odds ratio is zero or infinite",
                evidence=f"{len(design.X)} patients",
                remedy="join grades, or let fewer terms be nonproportional"
                if varying
                else 'co.ordinal(..., penalty="firth"), with proportional odds',
            )
    if found is None or not found.converged:
        raise EstimationError(
            "the ordinal regression did not converge",
            evidence=f"{0 if found is None else found.iterations} iterations, {design.X.shape[1]} columns",
            remedy="center and scale the covariates, leave some out, or join rare grades",
        )
    flat = flat_parameter(found)
    if flat is not None:
        raise EstimationError(
            "the grades known do not determine every coefficient",
            evidence=f"parameter {flat + 1} of {len(found.parameters)} is explained by the others",
            remedy="leave a covariate out of the formula, or join grades",
        )
    return found


def _far(found: Maximum, rows: OrdinalRows) -> bool:
    a, shift = predictors(rows, found.parameters)
    spread = np.ptp(shift) if len(shift) else 0.0
    own = np.ptp(rows.Z[:, 1:] @ a[:, 1:].T, axis=0).max() if rows.Z.shape[1] > 1 else 0.0
    return bool(max(spread, own) > SUSPICIOUS_RANGE)


def _column_names(
    positions: Sequence[int], rows: OrdinalRows, design: Design, varying: Sequence[int]
) -> list[str]:
    """Name the columns behind parameters; thresholds move along with them and are not named."""
    q, cut = rows.Z.shape[1], rows.n_threshold * rows.Z.shape[1]
    common = [j for j in range(design.X.shape[1]) if j not in varying]
    found = []
    for position in positions:
        if position >= cut:
            found.append(design.names[common[position - cut]])
        elif position % q:
            found.append(design.names[varying[position % q - 1]])
    return list(dict.fromkeys(found))


def table_of_parameters(design: Design, thresholds: Sequence[str], varying: Sequence[int]) -> TableOrder:
    """Arrange the parameters of the likelihood for a table.

    Parameters
    ----------
    design : Design
        Design without intercept.
    thresholds : sequence of str
        Names of the thresholds.
    varying : sequence of int
        Columns with coefficients by threshold.

    Returns
    -------
    TableOrder
        Order and names.
    """
    K, q = len(thresholds), 1 + len(varying)
    common = [j for j in range(design.X.shape[1]) if j not in varying]
    order, terms, levels, names = [], [], [], []
    for j, name in enumerate(design.names):
        if j in common:
            order.append(K * q + common.index(j))
            lines = [""]
        else:
            order += [k * q + 1 + list(varying).index(j) for k in range(K)]
            lines = [f" ({threshold})" for threshold in thresholds]
        terms += [design.terms[j] + line for line in lines]
        names += [name + line for line in lines]
        levels += [design.levels[j]] * len(lines)
    n_coefficient = len(order)
    order += [k * q for k in range(K)]
    columns = tuple(
        tuple(i for i, term in enumerate(terms) if term.startswith(f"{name} ("))
        for name in dict.fromkeys(design.terms[j] for j in varying)
    )
    return TableOrder(
        order=np.array(order, dtype=np.intp),
        terms=(*terms, *thresholds),
        levels=(*levels, *[""] * K),
        names=(*names, *thresholds),
        n_coefficient=n_coefficient,
        columns=columns,
    )


def wald_test(estimate: FloatArray, covariance: FloatArray) -> tuple[float, float]:
    """Return the Wald chi-squared of all estimates being zero, and its p-value.

    Parameters
    ----------
    estimate, covariance : array of shape (k,), (k, k)
        Estimates.

    Returns
    -------
    tuple of (float, float)
        Statistic and p-value, NaN when the covariance is singular.
    """
    try:
        statistic = float(estimate @ np.linalg.solve(covariance, estimate))
    except np.linalg.LinAlgError:
        return np.nan, np.nan
    return statistic, float(chdtrc(len(estimate), statistic))
