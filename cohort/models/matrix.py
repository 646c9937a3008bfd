"""The columns of a design matrix: their values, their names, and whether they can be told apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.collinearity import first_dependent
from cohort.models.formula import ParsedFormula

FloatArray = NDArray[np.float64]
Names = tuple[str, ...]
_LARGEST = 1e100


def build_matrix(
    parsed: ParsedFormula, columns: Mapping[str, pd.Series]
) -> tuple[FloatArray, Names, Names, Names, Any]:
    """Evaluate the right side of a formula on complete columns, without its intercept.

    Parameters
    ----------
    parsed : ParsedFormula
        Checked formula.
    columns : Mapping of str to Series
        Complete float or category columns, all with the same rows.

    Returns
    -------
    X : array of shape (n, p)
        Values.
    names, terms, levels : tuple of str
        Name given by formulaic, the term as written, and the category of every column.
    spec : object
        Record of formulaic (knots, means, categories); None for a sum of columns.
    """
    used = {name: _without_empty_levels(column) for name, column in columns.items()}
    for name, column in used.items():
        if isinstance(column.dtype, pd.CategoricalDtype) and len(column.cat.categories) < 2:
            raise EstimationError(
                f"column {name} is constant",
                evidence=f"one category in the {len(column)} rows used",
                remedy=f"leave {name} out of the formula",
            )
    spec = None
    if parsed.plain:
        X, names, terms, levels = _sum_of_columns(used)
    else:
        X, names, terms, levels, spec = _formulaic(parsed, used)
    finite = np.isfinite(np.ones(len(X)) @ X)
    if not finite.all():
        worst = int(np.argmin(finite))
        raise EstimationError(
            f"term {names[worst]} is not a finite number for every row",
            evidence=f"{int((~np.isfinite(X[:, worst])).sum())} of {len(X)} rows",
            remedy="check for zeros or negative numbers under a logarithm or a root",
        )
    return X, names, terms, levels, spec


def _without_empty_levels(column: pd.Series) -> pd.Series:
    return column.cat.remove_unused_categories() if isinstance(column.dtype, pd.CategoricalDtype) else column


def _sum_of_columns(columns: Mapping[str, pd.Series]) -> tuple[FloatArray, Names, Names, Names]:
    """Fill the matrix of a plain sum directly (formulaic's overhead is several fits of a small cohort)."""
    blocks: list[tuple[str, str, FloatArray]] = []
    for name, column in columns.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes = column.cat.codes.to_numpy()
            for k, level in enumerate(column.cat.categories[1:], start=1):
                blocks.append((name, str(level), (codes == k).astype(float)))
        else:
            blocks.append((name, "", column.to_numpy(dtype=float)))
    X = np.empty((len(blocks[0][2]), len(blocks)), order="F")
    for j, (_, _, values) in enumerate(blocks):
        X[:, j] = values
    names = tuple(f"{term}[T.{level}]" if level else term for term, level, _ in blocks)
    return X, names, tuple(term for term, _, _ in blocks), tuple(level for _, level, _ in blocks)


def _formulaic(
    parsed: ParsedFormula, columns: Mapping[str, pd.Series]
) -> tuple[FloatArray, Names, Names, Names, Any]:
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    frame = pd.DataFrame({name: whole_levels(name, column, parsed.right) for name, column in columns.items()})
    try:
        with np.errstate(all="ignore"):
            matrix = Formula(parsed.right).get_model_matrix(frame, context={"sqrt": np.sqrt})
    except (FormulaicError, ValueError, TypeError, ZeroDivisionError) as error:
        raise EstimationError(
            f"the formula {parsed.text!r} cannot be evaluated",
            evidence=type(error).__name__,
            remedy="check the arguments of its transformations, and that they get numbers",
        ) from None
    names: list[str] = [str(name) for name in matrix.columns]
    terms, levels = list(names), [""] * len(names)
    for term, positions in matrix.model_spec.term_indices.items():
        factors = [factor.expr for factor in term.factors]
        for position in positions:
            terms[position] = ":".join(factors)
            levels[position] = _level(names[position], factors)
    keep = [j for j, name in enumerate(names) if name != "Intercept"]
    X = np.asfortranarray(matrix.to_numpy(dtype=float)[:, keep])
    kept = [tuple(texts[j] for j in keep) for texts in (names, terms, levels)]
    return X, kept[0], kept[1], kept[2], matrix.model_spec


def whole_levels(name: str, column: pd.Series, right: str) -> pd.Series:
    """Return whole numbers that become categories as integers, so that their levels read 1 and not 1.0."""
    if column.dtype != np.float64 or not re.search(rf"\bC\(\s*`?{re.escape(name)}`?\s*[,)]", right):
        return column
    return column.astype(np.int64) if (column == np.floor(column)).all() else column


def _level(name: str, factors: Sequence[str]) -> str:
    """Read the categories out of a column name such as ``sex[T.male]:age_years``."""
    levels: list[str] = []
    rest = name
    for position, factor in enumerate(factors):
        rest = rest[len(factor) :]
        following = f":{factors[position + 1]}" if position + 1 < len(factors) else ""
        end = rest.find("]" + following) if following else len(rest) - 1
        if rest.startswith("["):
            levels.append(rest[1:end].removeprefix("T."))
            rest = rest[end + 1 :]
        rest = rest[1:]
    return ":".join(levels)


def reference_levels(columns: Mapping[str, pd.Series], terms: Sequence[str]) -> dict[str, str]:
    """Return the reference category of each term that is a categorical column, plain or as ``C(column)``."""
    found: dict[str, str] = {}
    for name, column in columns.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            first = str(_without_empty_levels(column).cat.categories[0])
            found |= {term: first for term in (name, f"C({name})") if term in terms}
    return found


def categories_of(columns: Mapping[str, pd.Series]) -> dict[str, tuple[str, ...]]:
    """Return the categories of each column that is one, the reference first; empty for a number."""
    return {
        name: tuple(str(level) for level in _without_empty_levels(column).cat.categories)
        if isinstance(column.dtype, pd.CategoricalDtype)
        else ()
        for name, column in columns.items()
    }


def check_columns(X: FloatArray, names: Sequence[str]) -> None:
    """Refuse constant columns and columns that are sums of others (beside the intercept), by name.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix without intercept.
    names : sequence of str
        Names of the columns.

    Raises
    ------
    EstimationError
        Naming the constant column, or the aliased column and those it is made of.
    """
    lowest, highest = X.min(axis=0), X.max(axis=0)
    for j in np.flatnonzero(lowest == highest).tolist():
        raise EstimationError(
            f"column {names[j]} is constant",
            evidence=f"one value in the {len(X)} rows used",
            remedy=f"leave {names[j]} out of the formula",
        )
    extreme = (np.maximum(np.abs(lowest), np.abs(highest)) > _LARGEST) | (highest - lowest < 1 / _LARGEST)
    for j in np.flatnonzero(extreme).tolist():
        raise EstimationError(
            f"column {names[j]} has numbers too large or too small to square",
            evidence=f"largest beyond {_LARGEST:.0e} or range below {1 / _LARGEST:.0e}",
            remedy=f"check the unit of {names[j]}",
        )
    Z = X - X.mean(axis=0)
    scale = np.sqrt(np.einsum("ij,ij->j", Z, Z))
    gram = (Z.T @ Z) / np.outer(scale, scale)
    aliased = first_dependent(gram)
    if aliased is not None:
        position, weights = aliased
        others = [names[k] for k in np.flatnonzero(np.abs(weights) > 1e-6).tolist()]
        raise EstimationError(
            f"column {names[position]} is collinear with {', '.join(others) or 'the others'}",
            evidence=f"rank below the {len(names)} columns, {len(X)} rows",
            remedy=f"leave {names[position]} out of the formula, or one of the others",
        )
