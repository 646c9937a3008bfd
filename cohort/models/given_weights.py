"""Weights as callers give them: a column, a Series by row label, or the result of inverse_probability_weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.models.design import align_columns
from cohort.models.weights_result import InverseProbabilityWeights

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
