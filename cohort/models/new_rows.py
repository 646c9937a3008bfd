"""The design matrix of new patients, coded as the fit coded its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import binary_states, is_three_state
from cohort.errors import EstimationError
from cohort.models.design import Design, align_columns
from cohort.models.formula import ParsedFormula

FloatArray = NDArray[np.float64]
_STATEFUL = re.compile(r"\b(bs|center|cr|poly|scale)\(")
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
    """

    right: str
    plain: bool
    levels: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...]


def coding_of(parsed: ParsedFormula, design: Design, data: pd.DataFrame) -> Coding:
    """Record how a fit codes its covariates.

    Parameters
    ----------
    parsed : ParsedFormula
        The formula.
    design : Design
        Its design without intercept.
    data : DataFrame
        The patients; only the names of categories are kept.

    Returns
    -------
    Coding
        Names and categories.
    """
    levels = {name: _levels(data[name].iloc[design.rows]) for name in parsed.columns}
    return Coding(parsed.right, parsed.plain, levels, design.names)


def _levels(column: pd.Series) -> tuple[str, ...]:
    if is_three_state(column):
        known = {str(value) for value in column.dropna().unique()}
        return _PAIRS[0] if known & set(_PAIRS[0]) else _PAIRS[1]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return tuple(str(level) for level in column.cat.remove_unused_categories().cat.categories)
    if pd.api.types.is_object_dtype(column.dtype):
        column = column.infer_objects().convert_dtypes()
    return (
        ()
        if pd.api.types.is_numeric_dtype(column.dtype)
        else tuple(sorted(str(value) for value in column.dropna().unique()))
    )


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
        For a category the fit has not seen, or a transformation that depends on the patients of the fit.
    """
    stateful = _STATEFUL.search(coding.right)
    if stateful:
        raise EstimationError(
            f"{stateful.group(1)}() depends on the patients of the fit, whom a result does not keep",
            remedy="compute the transformed column yourself, and name it in the formula",
        )
    columns = align_columns(list(coding.levels), frame, None)[0]
    coded = {name: _code(columns[name], levels) for name, levels in coding.levels.items()}
    complete = np.all([series.notna().to_numpy() for series in coded.values()], axis=0)
    kept = {name: series[complete] for name, series in coded.items()}
    return _plain(kept) if coding.plain else _evaluated(coding, kept), complete


def _code(column: pd.Series, levels: tuple[str, ...]) -> pd.Series:
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
    from formulaic import Formula

    with np.errstate(all="ignore"):
        matrix = Formula(coding.right).get_model_matrix(pd.DataFrame(columns), context={"sqrt": np.sqrt})
    names = [str(name) for name in matrix.columns if name != "Intercept"]
    if set(names) != set(coding.names):
        raise EstimationError(
            "the frame does not give the columns of the fit",
            evidence=f"{len(names)} columns, the fit has {len(coding.names)}",
            remedy="make numbers that stand in C() a category column before fitting",
        )
    return np.asarray(matrix[list(coding.names)].to_numpy(dtype=float))
