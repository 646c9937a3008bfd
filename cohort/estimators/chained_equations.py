"""Multiple imputation by chained equations on arrays: each incomplete variable in turn, given all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.imputation_models import draw_categories, draw_grades, draw_normal, draw_numbers

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Kind = Literal["number", "binary", "ordered", "unordered"]
Method = Literal["pmm", "normal", "logistic", "proportional_odds", "multinomial", ""]


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """One variable of the chained equations.

    Attributes
    ----------
    name : str
        Its name, for messages.
    kind : {'number', 'binary', 'ordered', 'unordered'}
        Kind; categories are coded 0 to ``n_level - 1``.
    method : str
        How it is imputed; empty when nothing is missing.
    values : array of shape (n,)
        Values; NaN where they are to be imputed or in another state.
    wanted : array of shape (n,)
        Rows to impute.
    state : array of shape (n,)
        0 where there is a value or one is to be imputed, else the number of another state (not imaged, not
        applicable): such rows are neither imputed nor used to fit the variable.
    n_level : int
        Categories; 0 for a number.
    low, high : array of shape (n,)
        Bounds of the value.
    decimals : int or None
        Decimals to which drawn numbers are rounded.
    delta : float or array of shape (n_wanted,)
        Added to drawn numbers, or to the log odds of a drawn category.
    predictors : tuple of str or None
        Names of the variables it is imputed from; None for all.
    """

    name: str
    kind: Kind
    method: Method
    values: FloatArray
    wanted: BoolArray
    state: IntArray
    n_level: int
    low: FloatArray
    high: FloatArray
    decimals: int | None = None
    delta: float | FloatArray = 0.0
    predictors: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """One completed data set.

    Attributes
    ----------
    imputed : tuple of array
        Drawn values (or codes) of each incomplete variable, in the order of the variables.
    mean, spread : array of shape (iterations, n_incomplete)
        Mean and standard deviation of the drawn values (or codes) after each iteration.
    """

    imputed: tuple[FloatArray, ...]
    mean: FloatArray
    spread: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Columns of the predictor matrix that code one variable."""

    start: int
    stop: int
    n_state: int
    center: float
    scale: float


def run_chain(
    variables: Sequence[Variable], fixed: FloatArray, rng: Generator, iterations: int = 10, donors: int = 5
) -> Chain:
    """Run one chain.

    Parameters
    ----------
    variables : sequence of Variable
        All variables, complete ones included.
    fixed : array of shape (n, q)
        Further complete predictors, such as event indicator and cumulative hazard.
    rng : Generator
        Source of randomness.
    iterations : int, default=10
        Sweeps over the incomplete variables, from the one with fewest missing values to that with most.
    donors : int, default=5
        Donors of predictive mean matching.

    Returns
    -------
    Chain
        Drawn values and their course.

    Raises
    ------
    EstimationError
        When a variable has no more observed values than predictors.

    References
    ----------
    .. [1] van Buuren S (2018). Flexible Imputation of Missing Data, second edition, sections 3.2, 3.6 and 4.5.
    """
    n = len(variables[0].values)
    values = [variable.values.copy() for variable in variables]
    incomplete = [j for j, v in enumerate(variables) if v.wanted.any()]
    order = sorted(incomplete, key=lambda j: (int(variables[j].wanted.sum()), j))
    for j in order:
        values[j][variables[j].wanted] = _first_draw(variables[j], rng)
    blocks = _blocks(variables, fixed.shape[1])
    X = np.empty((n, blocks[-1].stop))
    X[:, : fixed.shape[1]] = _standard(fixed)
    for variable, block, column in zip(variables, blocks, values, strict=True):
        _fill(X, variable, block, column)
    mean, spread = (np.full((iterations, len(incomplete)), np.nan) for _ in range(2))
    for iteration in range(iterations):
        for j in order:
            variable = variables[j]
            used = _predictor_columns(variables, blocks, fixed.shape[1], j)
            values[j][variable.wanted] = _draw(variable, X, used, rng, donors)
            _fill(X, variable, blocks[j], values[j])
        for k, j in enumerate(incomplete):
            drawn = values[j][variables[j].wanted]
            mean[iteration, k], spread[iteration, k] = drawn.mean(), drawn.std()
    return Chain(tuple(values[j][variables[j].wanted] for j in incomplete), mean, spread)


def _standard(fixed: FloatArray) -> FloatArray:
    spread = fixed.std(axis=0)
    return np.asarray((fixed - fixed.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _first_draw(variable: Variable, rng: Generator) -> FloatArray:
    """Draw from the observed values; of a category, from those within the bounds."""
    known = variable.values[~np.isnan(variable.values)]
    drawn = rng.choice(known, int(variable.wanted.sum()))
    return np.asarray(np.clip(drawn, variable.low[variable.wanted], variable.high[variable.wanted]))


def _blocks(variables: Sequence[Variable], start: int) -> list[_Block]:
    blocks = []
    for variable in variables:
        n_state = int(variable.state.max(initial=0))
        width = (1 if variable.kind == "number" else variable.n_level - 1) + n_state
        known = variable.values[~np.isnan(variable.values)]
        spread = float(known.std()) if len(known) else 0.0
        center = float(known.mean()) if len(known) else 0.0
        blocks.append(_Block(start, start + width, n_state, center, spread if spread > 0 else 1.0))
        start += width
    return blocks


def _fill(X: FloatArray, variable: Variable, block: _Block, values: FloatArray) -> None:
    """Code a variable: a number standardized, a category as indicators, other states as indicators too."""
    end = block.stop - block.n_state
    known = variable.state == 0
    if variable.kind == "number":
        X[:, block.start] = np.where(known, (np.where(known, values, 0.0) - block.center) / block.scale, 0.0)
    else:
        X[:, block.start : end] = values[:, None] == np.arange(1, variable.n_level)
    X[:, end : block.stop] = variable.state[:, None] == np.arange(1, block.n_state + 1)


def _predictor_columns(
    variables: Sequence[Variable], blocks: Sequence[_Block], n_fixed: int, j: int
) -> IntArray:
    allowed = variables[j].predictors
    used = list(range(n_fixed))
    for k, (variable, block) in enumerate(zip(variables, blocks, strict=True)):
        if k != j and (allowed is None or variable.name in allowed):
            used.extend(range(block.start, block.stop))
    return np.array(used, dtype=np.int64)


def independent_columns(X: FloatArray) -> IntArray:
    """Return the columns that are neither constant nor sums of earlier ones.

    Parameters
    ----------
    X : array of shape (n, p)
        Predictors without intercept.

    Returns
    -------
    array of int
        Positions of the columns to keep.
    """
    Z = X - X.mean(axis=0)
    scale = np.sqrt(np.einsum("ij,ij->j", Z, Z))
    varies = np.flatnonzero(scale > 1e-9 * np.sqrt(len(X)))
    R = (Z[:, varies] / scale[varies]).T @ (Z[:, varies] / scale[varies])
    kept: list[int] = []
    for k in range(len(varies)):
        if kept:
            residual = R[k, k] - R[k, kept] @ np.linalg.solve(R[np.ix_(kept, kept)], R[kept, k])
            if residual < 1e-8:
                continue
        kept.append(k)
    return varies[kept]


def _draw(variable: Variable, X: FloatArray, used: IntArray, rng: Generator, donors: int) -> FloatArray:
    """Draw the missing values of one variable given the current values of all others."""
    wanted, observed = variable.wanted, ~np.isnan(variable.values)
    if variable.kind == "ordered":
        observed = observed | (wanted & (variable.high - variable.low < variable.n_level - 1))
    known = X[np.ix_(observed, used)]
    keep = independent_columns(known)
    known, missing = known[:, keep], X[np.ix_(wanted, used[keep])]
    if len(known) <= len(keep) + 2:
        raise EstimationError(
            f"{variable.name} has too few observed values to be imputed from this many predictors",
            evidence=f"{len(known)} observed, {len(keep)} columns of predictors",
            remedy=f'predictors={{"{variable.name}": ["age_years", ...]}}, or exclude variables',
        )
    low, high = variable.low[wanted], variable.high[wanted]
    if variable.kind == "ordered":
        bounds = (variable.low, variable.high)
        lows, highs = (
            np.where(np.isnan(variable.values), end, variable.values)[observed].astype(np.int64)
            for end in bounds
        )
        drawn_low, drawn_high = low.astype(np.int64), high.astype(np.int64)
        return draw_grades(
            lows, highs, known, drawn_low, drawn_high, missing, rng, variable.n_level, variable.delta
        ).astype(float)
    y = variable.values[observed]
    if variable.kind != "number":
        codes = y.astype(np.int64)
        return draw_categories(codes, known, missing, rng, variable.n_level, variable.delta).astype(float)
    if variable.method == "normal":
        drawn = draw_normal(y, known, missing, rng, low, high)
    else:
        drawn = draw_numbers(y, known, missing, rng, donors)
    drawn = drawn + variable.delta
    if variable.decimals is not None:
        drawn = np.round(drawn, variable.decimals)
    return np.clip(drawn, low, high)
