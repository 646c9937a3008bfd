"""New patients as a fitted model needs them: covariates, stratum, offset, and who lacks one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.models.cox_inputs import numbers, stratum_values
from cohort.models.design import align_columns
from cohort.models.new_rows import new_matrix

if TYPE_CHECKING:
    from cohort.models.cox_result import CoxRegression
    from cohort.models.fine_gray_result import FineGray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """New patients: those with every covariate, and why the others are left out.

    Attributes
    ----------
    labels : tuple of str
        Index labels of all rows.
    reason : tuple of str
        Why a row cannot be used; empty when it can.
    position : array of shape (n,)
        Positions of the rows used.
    X : array of shape (n, p)
        Their covariates, coded as in the fit.
    stratum : array of shape (n,)
        Their strata; 0 without strata.
    offset : array of shape (n,) or None
        Their offsets.
    """

    labels: tuple[str, ...]
    reason: tuple[str, ...]
    position: IntArray
    X: FloatArray
    stratum: IntArray
    offset: FloatArray | None


def take_new_rows(fit: CoxRegression | FineGray, new_data: pd.DataFrame, stratified: bool = True) -> NewRows:
    """Code new patients as the fit coded its own.

    Parameters
    ----------
    fit : CoxRegression or FineGray
        The fit.
    new_data : DataFrame
        Patients, with the columns of the formula, of the strata and of the offset.
    stratified : bool, default=True
        Whether their strata are needed.

    Returns
    -------
    NewRows
        The patients.

    Raises
    ------
    EstimationError
        For a column that is missing, or a category or stratum the fit does not have.
    """
    if not isinstance(new_data, pd.DataFrame):
        raise EstimationError(
            "new patients are not a frame",
            evidence=f"got {type(new_data).__name__}",
            remedy="pd.DataFrame([{...}]) with a column for each covariate",
        )
    if not len(new_data):
        raise EstimationError("there is no new patient", evidence="the frame has no rows")
    recipe = fit.recipe
    X, complete = new_matrix(fit.coding, new_data)
    strata = list(recipe.strata) if stratified else []
    wanted = [*strata, *([recipe.offset] if recipe.offset else [])]
    further = align_columns(wanted, new_data, None)[0]
    known = further.notna().all(axis=1).to_numpy() if wanted else np.ones(len(new_data), dtype=bool)
    use = complete & known
    reason = np.where(use, "", np.where(complete, "stratum or offset missing", "covariate missing"))
    n = int(use.sum())
    return NewRows(
        labels=tuple(str(label) for label in new_data.index),
        reason=tuple(reason.tolist()),
        position=np.flatnonzero(use),
        X=X[use[complete]],
        stratum=_stratum(further[strata][use], strata, fit.strata) if strata else np.zeros(n, dtype=np.intp),
        offset=numbers(further[recipe.offset], "offset")[use] if recipe.offset else None,
    )


def _stratum(columns: pd.DataFrame, names: Sequence[str], known: Sequence[str]) -> IntArray:
    """Find the stratum of each row by its label."""
    texts = [stratum_values(columns[name]) for name in names]
    labels = [
        ", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True))
        for row in zip(*texts, strict=True)
    ]
    unknown = sorted(set(labels) - set(known))
    if unknown:
        raise EstimationError(
            "new patients are in a stratum the fit does not have",
            evidence=f"{len(unknown)} unknown strata; the fit has {'; '.join(known[:5])}",
            remedy=f"give {', '.join(names)} the values they had in the fit",
        )
    return np.array([known.index(label) for label in labels], dtype=np.intp)
