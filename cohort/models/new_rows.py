"""The design matrix of new patients, coded as the fit coded its own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import binary_states
from cohort.errors import EstimationError
from cohort.models.design import Design, align_columns
from cohort.models.formula import ParsedFormula
from cohort.models.matrix import whole_levels

FloatArray = NDArray[np.float64]
_PAIRS = (("absent", "present"), ("no", "yes"))


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """How a fit codes covariates.

    Attributes
    ----------
    right : str
        Right side of the formula.
    plain : bool
        Whether it is a sum of columns and nothing else.
    levels : Mapping of str to tuple of str
        Categories by column, the reference first; empty for a number.
    names : tuple of str
        Names of the columns of the matrix.
    spec : object
        Record of formulaic (knots, means, categories); None for a sum of columns.
    """

    right: str
    plain: bool
    levels: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...]
    spec: Any = None


def coding_of(parsed: ParsedFormula, design: Design) -> Coding:
    """Record how a fit codes its covariates.

    Parameters
    ----------
    parsed : ParsedFormula
        The formula.
    design : Design
        Its design without intercept.

    Returns
    -------
    Coding
        Names, categories, and of splines the knots.
    """
    return Coding(parsed.right, parsed.plain, design.categories, design.names, design.spec)


def new_matrix(coding: Coding, frame: pd.DataFrame) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Build the design matrix of new patients.

    Parameters
    ----------
    coding : Coding
        How the fit coded its covariates.
    frame : DataFrame
        New patients, with the columns of the formula.

    Returns
    -------
    X : array of shape (n_complete, p)
        Design of the patients whose covariates are all known.
    complete : array of shape (n,)
        Who they are.

    Raises
    ------
    EstimationError
        For a category the fit has not seen, or a number outside the range of a B-spline of the fit.
    """
    columns = align_columns(list(coding.levels), frame, None)[0]
    coded = {name: code_column(columns[name], levels) for name, levels in coding.levels.items()}
    complete = np.all([series.notna().to_numpy() for series in coded.values()], axis=0)
    kept = {name: series[complete] for name, series in coded.items()}
    X = _plain(kept) if coding.plain else _evaluated(coding, kept)
    if not np.isfinite(X).all():
        raise EstimationError(
            f"a term of {coding.right!r} is not a finite number for every patient",
            evidence=f"{int((~np.isfinite(X)).any(axis=1).sum())} of {len(X)} rows",
            remedy="set infinite values to missing; no zeros or negative numbers under a logarithm or a root",
        )
    return X, complete


def code_column(column: pd.Series, levels: tuple[str, ...]) -> pd.Series:
    """Code one column as the fit did.

    Parameters
    ----------
    column : Series of shape (n,)
        Values of new patients.
    levels : tuple of str
        Categories of the fit; empty for a number.

    Returns
    -------
    Series of shape (n,)
        Numbers, or a category of these levels; missing where not known.

    Raises
    ------
    EstimationError
        For a category the fit has not seen, or what is no number where the fit had one.
    """
    if not levels:
        if not pd.api.types.is_numeric_dtype(column.dtype):
            column = column.infer_objects().convert_dtypes()
        if not pd.api.types.is_numeric_dtype(column.dtype):
            raise EstimationError(
                f"column {column.name} is not numeric, but was when the model was fitted",
                evidence=f"dtype {column.dtype}",
                remedy=f'pd.to_numeric(frame["{column.name}"])',
            )
        return pd.Series(column.to_numpy(dtype=float, na_value=np.nan), index=column.index)
    if levels in _PAIRS:
        return _code_pair(column, levels)
    texts = column.astype(object).where(column.notna()).map(str, na_action="ignore")
    unseen = sorted(set(texts.dropna().unique()) - set(levels))
    if unseen:
        raise EstimationError(
            f"column {column.name} has categories that the fit has not seen",
            evidence=f"the fit has {', '.join(levels)}; {len(unseen)} others",
            remedy="leave these patients out, or join their category with one of the fit's before fitting",
        )
    return pd.Series(pd.Categorical(texts, categories=list(levels)), index=column.index)


def _code_pair(column: pd.Series, levels: tuple[str, ...]) -> pd.Series:
    """Code a finding: kinds of not known are missing; booleans and 0/1 are read as well."""
    try:
        states = binary_states(column)[0]
    except (ValueError, TypeError):
        raise EstimationError(
            f"column {column.name} is not a yes/no variable",
            evidence=f"dtype {column.dtype}; the fit has {' and '.join(levels)}",
            remedy="use absent/present, no/yes, boolean or 0/1",
        ) from None
    labels = pd.Series(states, index=column.index).map(dict(enumerate(levels)))
    return pd.Series(pd.Categorical(labels, categories=list(levels)), index=column.index)


def _plain(columns: Mapping[str, pd.Series]) -> FloatArray:
    blocks: list[FloatArray] = []
    for series in columns.values():
        if isinstance(series.dtype, pd.CategoricalDtype):
            codes = series.cat.codes.to_numpy()
            blocks += [(codes == k).astype(float) for k in range(1, len(series.cat.categories))]
        else:
            blocks.append(series.to_numpy(dtype=float))
    return np.column_stack(blocks)


def _evaluated(coding: Coding, columns: Mapping[str, pd.Series]) -> FloatArray:
    """Evaluate a formula with the knots, means and categories of the fit."""
    from formulaic.errors import DataMismatchWarning, FormulaicError

    frame = pd.DataFrame({name: whole_levels(name, one, coding.right) for name, one in columns.items()})
    if not len(frame):
        return np.empty((0, len(coding.names)))
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", DataMismatchWarning)
            matrix = coding.spec.get_model_matrix(frame, context={"sqrt": np.sqrt})
    except DataMismatchWarning:
        raise EstimationError(
            f"a column in C() of {coding.right!r} has categories that the fit has not seen",
            remedy="leave these patients out, or join their category with one of the fit's before fitting",
        ) from None
    except (FormulaicError, ValueError, TypeError) as error:
        beyond = "extrapolation" in str(error)
        raise EstimationError(
            f"the formula {coding.right!r} cannot be evaluated for these patients",
            evidence="a number lies outside the range of the patients of the fit, where its B-spline ends"
            if beyond
            else type(error).__name__,
            remedy="stay within the range, or fit cr(), which goes on as a straight line"
            if beyond
            else "check that the columns are of the kind they were in the fit",
        ) from None
    return np.asarray(matrix[list(coding.names)].to_numpy(dtype=float))
