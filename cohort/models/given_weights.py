"""Weights as callers give them: a column, a Series by row label, or the result of inverse_probability_weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.models.design import align_columns
from cohort.models.weights_result import InverseProbabilityWeights

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
GivenWeights = str | pd.Series | InverseProbabilityWeights


def weights_of_rows(weights: GivenWeights, data: pd.DataFrame) -> FloatArray:
    """Return the weight of each row, NaN for those without one.

    Parameters
    ----------
    weights : str, Series or InverseProbabilityWeights
        Column of data, or weights by the labels of its index.
    data : DataFrame
        One row per patient.

    Returns
    -------
    array of shape (n,)
        The weights.

    Raises
    ------
    EstimationError
        When a weight is not a number, negative or infinite, or no row has a weight above zero.
    """
    if isinstance(weights, str):
        return checked_weights(align_columns([weights], data, None)[0][weights])
    return checked_weights(weights_by_label(weights).reindex(data.index))


def weights_by_label(weights: pd.Series | InverseProbabilityWeights) -> pd.Series:
    """Return weights that are not a column as a Series with one row per label.

    Parameters
    ----------
    weights : Series or InverseProbabilityWeights
        The weights.

    Returns
    -------
    Series of shape (n,)
        Weights by row label.

    Raises
    ------
    EstimationError
        When they are something else, or a label stands twice.
    """
    if isinstance(weights, InverseProbabilityWeights):
        return weights.weights
    if not isinstance(weights, pd.Series):
        raise EstimationError(
            "weights are not something that belongs to rows",
            evidence=f"got {type(weights).__name__}",
            remedy="weights= takes the name of a column, a Series with the index of data, or the result of "
            "co.inverse_probability_weights",
        )
    if not weights.index.is_unique:
        raise EstimationError(
            "the weights have repeated row labels",
            evidence=f"{int(weights.index.duplicated().sum())} of {len(weights)} labels are repeats",
            remedy="give one weight per row of data",
        )
    return weights


def checked_weights(weights: pd.Series) -> FloatArray:
    """Return weights as floats, NaN for none.

    Parameters
    ----------
    weights : Series of shape (n,)
        Weights.

    Returns
    -------
    array of shape (n,)
        The weights.

    Raises
    ------
    EstimationError
        When a weight is not a number, negative or infinite, or no row has a weight above zero.
    """
    if not pd.api.types.is_numeric_dtype(weights.dtype) or pd.api.types.is_bool_dtype(weights.dtype):
        raise EstimationError(
            "the weights are not numbers", evidence=f"dtype {weights.dtype}", remedy="use numbers"
        )
    values = weights.to_numpy(dtype=float, na_value=np.nan)
    wrong = int(np.count_nonzero((values < 0) | np.isinf(values)))
    if wrong:
        raise EstimationError(
            "a weight is negative or infinite",
            evidence=f"{wrong} of {len(values)} weights",
            remedy="check the weights",
        )
    if not np.nansum(values) > 0:
        raise EstimationError(
            "no patient has a weight above zero",
            evidence=f"{len(values)} weights, {int(np.isnan(values).sum())} missing",
            remedy="check that data and weights have the same index",
        )
    return values


def with_weight_column(
    weights: GivenWeights | None, data: pd.DataFrame | None, endpoint: Endpoint
) -> tuple[str | None, pd.DataFrame | None]:
    """Return the name of a column of weights, and the frame that has it.

    Parameters
    ----------
    weights : str, Series, InverseProbabilityWeights or None
        A column, or weights by the row labels of the endpoint.
    data : DataFrame or None
        Columns the endpoint's own frame lacks.
    endpoint : Endpoint
        The endpoint.

    Returns
    -------
    name : str or None
        The column; None without weights.
    data : DataFrame or None
        The same frame where weights are a column already; otherwise with the weights added.

    Raises
    ------
    EstimationError
        When no patient of the endpoint has a weight.
    """
    if weights is None or isinstance(weights, str):
        return weights, data
    by_label = weights_by_label(weights)
    name = "inverse_probability_weight" if by_label.name in (None, "weight") else str(by_label.name)
    while name in endpoint.frame.columns or (data is not None and name in data.columns):
        name += "_"
    labels = endpoint.index.unique() if data is None else data.index
    values = pd.Series(checked_weights(by_label.reindex(labels)), index=labels)
    return name, values.to_frame(name) if data is None else data.assign(**{name: values.to_numpy()})


def weights_of_endpoint(
    weights: GivenWeights, data: pd.DataFrame | None, endpoint: Endpoint
) -> tuple[FloatArray, str]:
    """Return the weight of each row of an endpoint, NaN for none, and the name of its column.

    Parameters
    ----------
    weights : str, Series or InverseProbabilityWeights
        A column, or weights by the row labels of the endpoint.
    data : DataFrame or None
        Columns the endpoint's own frame lacks.
    endpoint : Endpoint
        The endpoint.

    Returns
    -------
    weight : array of shape (n,)
        The weights.
    name : str
        The column.
    """
    name, frame = with_weight_column(weights, data, endpoint)
    return checked_weights(align_columns([str(name)], frame, endpoint)[0][str(name)]), str(name)


def whole_weights(column: str | None, data: pd.DataFrame | None, endpoint: Endpoint) -> bool:
    """Return whether all weights are whole numbers, as counts of patients are.

    Parameters
    ----------
    column : str or None
        Column of weights; None for none.
    data : DataFrame or None
        Columns the endpoint's own frame lacks.
    endpoint : Endpoint
        The endpoint.

    Returns
    -------
    bool
        False for sampling and inverse-probability weights, apart from accidents; True for what is not a
        number, which is refused elsewhere.
    """
    if column is None:
        return True
    values = align_columns([column], data, endpoint)[0][column]
    if not pd.api.types.is_numeric_dtype(values.dtype):
        return True
    known = values.dropna().to_numpy(dtype=float)
    return bool((known == np.floor(known)).all())


def weight_notes_of(weights: GivenWeights | None) -> tuple[str, ...]:
    """Tell where weights come from, and that they are taken as known.

    Parameters
    ----------
    weights : str, Series, InverseProbabilityWeights or None
        The weights.

    Returns
    -------
    tuple of str
        Notes.
    """
    if not isinstance(weights, InverseProbabilityWeights):
        return ()
    return (f"{weights.estimand} weights of {weights.formula}, taken as known by the standard errors",)
