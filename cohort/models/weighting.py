"""The steps between a formula and weights: check what is asked for, build the design, fit, weigh, warn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from cohort.errors import EstimationError
from cohort.estimators.balancing_weights import (
    Target,
    balancing_weights,
    stabilize,
    truncate_weights,
)
from cohort.estimators.entropy_balancing import entropy_balance
from cohort.estimators.logistic import separating_columns
from cohort.estimators.propensity import PropensityFit, fit_propensity
from cohort.models.design import Design, build_design
from cohort.models.exposure_groups import Groups
from cohort.models.formula import ParsedFormula
from cohort.models.summary import left_out_text

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
ESTIMANDS = {
    "ate": "all patients",
    "att": "the patients of group {}",
    "overlap": "patients in the overlap of the groups",
    "matching": "patients that matching would choose",
    "imaged": "everybody whose imaging status is known",
}
METHODS = {
    "ml": "propensity by maximum likelihood",
    "firth": "propensity by Firth's penalized likelihood",
    "entropy": "entropy balancing",
}
EXTREME_WEIGHT = 10.0
RARE_PROBABILITY = 0.01
# Range of a patient's linear predictors from which on separation is looked for.
WIDE_PREDICTOR = 15.0


@dataclass(frozen=True, slots=True)
class Weighting:
    """What weights are asked for.

    Attributes
    ----------
    estimand : {'ate', 'att', 'overlap', 'matching', 'imaged'}
        Target population.
    method : str
        ``ml``, ``firth`` or ``entropy``.
    stabilized : bool
        Whether to multiply by the share of the own group.
    truncation : tuple of float or None
        Quantiles.
    n_group, focal : int
        Groups, and the position of the focal one.
    """

    estimand: Target
    method: str
    stabilized: bool
    truncation: tuple[float, float] | None
    n_group: int
    focal: int


@dataclass(frozen=True, slots=True)
class Weighed:
    """Weights found.

    Attributes
    ----------
    weight : array of shape (n,)
        Weights, 0 for none.
    truncated : array of shape (n,)
        Whose weight was truncated.
    model : PropensityFit or None
        Model of the exposure; None for entropy balancing.
    concordance : float
        c-statistic; NaN for more than two groups and entropy balancing.
    iterations : int
        Newton steps.
    """

    weight: FloatArray
    truncated: NDArray[np.bool_]
    model: PropensityFit | None
    concordance: float
    iterations: int


def check_plan(estimand: str, method: str, focal: str | None) -> None:
    """Refuse kinds of weights that do not exist.

    Parameters
    ----------
    estimand, method : str
        As given.
    focal : str or None
        As given.
    """
    if estimand not in ESTIMANDS:
        raise EstimationError(
            f"estimand {estimand!r} is not known",
            evidence=f"estimands: {', '.join(ESTIMANDS)}",
            remedy='estimand="ate"',
        )
    if focal is not None and estimand != "att":
        raise EstimationError(
            f"estimand {estimand!r} has no focal group",
            evidence=f"focal={focal!r}",
            remedy='leave focal= out, or estimand="att"',
        )
    if method not in METHODS:
        raise EstimationError(
            f"method {method!r} is not known", evidence=f"methods: {', '.join(METHODS)}", remedy='method="ml"'
        )
    if method == "entropy" and estimand in ("overlap", "matching"):
        raise EstimationError(
            f"entropy balancing has no {estimand} weights",
            evidence="it balances to all patients, or to one group",
            remedy='estimand="ate" or estimand="att"; or method="ml"',
        )


def truncation_quantiles(truncate: object) -> tuple[float, float] | None:
    """Return the quantiles of truncation: 0.01 and 0.99 both mean (0.01, 0.99).

    Parameters
    ----------
    truncate : float, pair of float, or None
        As given.

    Returns
    -------
    tuple of float or None
        Lower and upper quantile.

    Raises
    ------
    EstimationError
        For anything else, such as True, which does not say where, or 99, which is not a share.
    """
    if truncate is None:
        return None
    given = truncate if isinstance(truncate, tuple | list) else (truncate,)
    numbers = [float(q) for q in given if isinstance(q, float | int) and not isinstance(q, bool)]
    if len(numbers) == len(given) == 1:
        numbers = sorted((numbers[0], 1 - numbers[0]))
    if len(numbers) != 2 or not 0 <= numbers[0] < numbers[1] <= 1:
        raise EstimationError(
            f"truncate={truncate!r} does not name quantiles between 0 and 1",
            remedy="truncate=0.01 for the quantiles 0.01 and 0.99, or truncate=(0, 0.95)",
        )
    return numbers[0], numbers[1]


def prepare(
    parsed: ParsedFormula, data: pd.DataFrame, groups: Groups, check: bool = True
) -> tuple[Design, IntArray, tuple[tuple[str, str, int], ...]]:
    """Build the design of the patients whose group is known.

    Parameters
    ----------
    parsed : ParsedFormula
        The formula; its left side is the exposure.
    data : DataFrame
        One row per patient.
    groups : Groups
        Groups of the rows of data.
    check : bool, default=True
        Whether constant and collinear columns are refused.

    Returns
    -------
    design : Design
        Rows used, with positions in ``data``.
    code : array of shape (n,)
        Their groups.
    left_out : tuple of (str, str, int)
        Who was left out, the exposure first.
    """
    if parsed.response in parsed.columns:
        raise EstimationError(
            f"{parsed.response} is on both sides of the formula", remedy="leave it out on the right side"
        )
    known = np.flatnonzero(groups.code >= 0)
    design = build_design(parsed.right, data.iloc[known], check=check)
    code = groups.code[known][design.rows]
    sizes = np.bincount(code, minlength=len(groups.levels))
    if (sizes == 0).any():
        missing = [name for name, n in zip(groups.levels, sizes.tolist(), strict=True) if not n]
        raise EstimationError(
            f"nobody of group {', '.join(missing)} has all covariates",
            evidence=f"{len(code)} patients used; left out: {left_out_text(design.left_out)}",
            remedy="leave the covariate with the most missing values out",
        )
    return design, code, (*groups.left_out, *design.left_out)


def weigh(
    plan: Weighting, X: FloatArray, code: IntArray, names: tuple[str, ...], levels: tuple[str, ...]
) -> Weighed:
    """Find the weights.

    Parameters
    ----------
    plan : Weighting
        What is asked for.
    X : array of shape (n, p)
        Design matrix with its intercept.
    code : array of shape (n,)
        Groups.
    names, levels : tuple of str
        Of the columns and of the groups, for messages.

    Returns
    -------
    Weighed
        The weights.
    """
    if plan.method == "entropy":
        return _entropy(plan, X, code, levels)
    if plan.method == "firth" and plan.n_group > 2:
        raise EstimationError(
            "Firth's penalty is for two groups", evidence=f"{plan.n_group} groups", remedy='method="ml"'
        )
    if X.shape[1] * (plan.n_group - 1) >= len(code):
        raise EstimationError(
            "there are as many parameters as patients, or more",
            evidence=f"{X.shape[1]} columns, {plan.n_group} groups, {len(code)} patients",
            remedy="leave covariates out of the formula",
        )
    model = fit_propensity(X, code, plan.n_group, "firth" if plan.method == "firth" else "none")
    _check_model(model, X, code, names, levels, plan.method)
    weight = balancing_weights(model.probability, code, plan.estimand, plan.focal)
    if plan.stabilized:
        weight = stabilize(weight, code, plan.n_group)
    concordance = _concordance(model.probability[:, 1], code) if plan.n_group == 2 else np.nan
    return _truncated(plan, weight, model, concordance, model.iterations)


def _truncated(
    plan: Weighting,
    weight: FloatArray,
    model: PropensityFit | None,
    concordance: float,
    iterations: int,
) -> Weighed:
    changed = np.zeros(len(weight), dtype=bool)
    if plan.truncation is not None:
        weight, changed = truncate_weights(weight, plan.truncation)
    return Weighed(weight, changed, model, concordance, iterations)


def _entropy(plan: Weighting, X: FloatArray, code: IntArray, levels: tuple[str, ...]) -> Weighed:
    Z = X[:, 1:]
    att, imaged = plan.estimand == "att", plan.estimand == "imaged"
    target = Z[code == plan.focal].mean(axis=0) if att else Z.mean(axis=0)
    weight, iterations = np.ones(len(X)), 0
    for k, name in enumerate(levels):
        if att and k == plan.focal:
            continue
        if imaged and k != plan.focal:
            weight[code == k] = 0.0
            continue
        found = entropy_balance(Z[code == k], target)
        if not found.converged:
            raise EstimationError(
                f"no weights of group {name} can match the means of the target population",
                evidence=f"{int((code == k).sum())} patients, {Z.shape[1]} means to match",
                remedy="leave covariates out, join rare categories, or restrict to patients who could have been "
                "in either group",
            )
        weight[code == k] = found.weight
        iterations = max(iterations, found.iterations)
    return _truncated(plan, weight, None, np.nan, iterations)


def _check_model(
    model: PropensityFit,
    X: FloatArray,
    code: IntArray,
    names: tuple[str, ...],
    levels: tuple[str, ...],
    method: str,
) -> None:
    """Refuse a model in which some patients could only have been in one group.

    Strong prediction without separation has a maximum and is kept; notes tell of its rare probabilities.
    """
    eta = np.log(np.maximum(model.probability, 1e-300))
    if model.converged and (method == "firth" or (eta.max(axis=1) - eta.min(axis=1)).max() < WIDE_PREDICTOR):
        return
    for k in range(1 if len(levels) == 2 else 0, len(levels)):
        columns = separating_columns(X, (code == k).astype(float)).tolist()
        if columns:
            named = [names[j] for j in columns if j > 0] or [names[j] for j in columns]
            remedy = "restrict to patients who could have been in either group, or join rare categories"
            raise EstimationError(
                f"positivity: {', '.join(named)} predicts group {levels[k]} perfectly in some patients, who could "
                "never have been in another group",
                evidence=f"{int((code == k).sum())} of {len(code)} patients are in group {levels[k]}",
                remedy=remedy + ('; or method="firth"' if len(levels) == 2 else ""),
            )
    if not model.converged:
        raise EstimationError(
            "the model of the exposure did not converge",
            evidence=f"{model.iterations} iterations, {X.shape[1]} columns",
            remedy="center and scale the covariates, or leave some out",
        )


def _concordance(probability: FloatArray, code: IntArray) -> float:
    n1 = float((code == 1).sum())
    n0 = len(code) - n1
    return float((rankdata(probability)[code == 1].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def weight_notes(plan: Weighting, found: Weighed) -> tuple[str, ...]:
    """Tell extreme weights and rare probabilities.

    Parameters
    ----------
    plan : Weighting
        What was asked for.
    found : Weighed
        The weights.

    Returns
    -------
    tuple of str
        Notes.
    """
    used = found.weight[found.weight > 0]
    relative = used / used.mean()
    extreme = int((relative > EXTREME_WEIGHT).sum())
    notes = [f"{extreme} weights above {EXTREME_WEIGHT:g} times the mean"] if extreme else []
    if found.model is not None and plan.estimand in ("ate", "att", "imaged"):
        least = found.model.probability
        least = least[:, [plan.focal]] if plan.estimand == "imaged" else least
        rare = int((least.min(axis=1) < RARE_PROBABILITY).sum())
        if rare:
            notes.append(
                f"{rare} patients with a probability of a group under {RARE_PROBABILITY:g} (positivity)"
            )
    return tuple(notes)
