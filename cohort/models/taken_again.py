"""The patients of a fit, taken again from its endpoint: a result keeps none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.baseline import baseline_hazard
from cohort.estimators.cox_problem import CoxProblem, build_problem
from cohort.estimators.partial_likelihood import RiskState, evaluate
from cohort.models.cox_arrays import CoxArrays, take_arrays

if TYPE_CHECKING:
    from cohort.models.cox_result import CoxRegression
    from cohort.study.endpoints import Endpoint

# The same sums in the same order, up to the rounding of a coefficient divided and multiplied by its scale.
_SAME = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class TakenAgain:
    """The data of a fit at its estimate.

    Attributes
    ----------
    arrays : CoxArrays
        Rows used, as the fit had them.
    problem : CoxProblem
        The same, by risk set.
    state : RiskState
        Sums at the estimate.
    """

    arrays: CoxArrays
    problem: CoxProblem
    state: RiskState


def take_again(fit: CoxRegression, endpoint: Endpoint, data: pd.DataFrame | None) -> TakenAgain:
    """Take the patients of a fit again, and make sure that they are the same.

    Parameters
    ----------
    fit : CoxRegression
        The fit.
    endpoint : Endpoint
        The endpoint it was made from.
    data : DataFrame or None
        The ``data`` it was made from.

    Returns
    -------
    TakenAgain
        Data and sums.

    Raises
    ------
    EstimationError
        When these are not the patients of the fit: their baseline hazard at its estimate is another.
    """
    arrays = take_arrays(fit.recipe, endpoint, data)
    names = arrays.design.names
    if names != fit.coding.names or len(arrays.stop) != fit.n_rows:
        raise _others(fit, len(arrays.stop))
    problem = build_problem(
        arrays.design.X,
        arrays.start,
        arrays.stop,
        arrays.event,
        stratum=arrays.stratum,
        weight=arrays.weight,
        offset=arrays.offset,
        ties=fit.recipe.ties,
        names=names,
    )
    state = evaluate(problem, fit.fit.coefficients * problem.scale)
    again, known = baseline_hazard(problem, state, fit.fit.baseline.last_time), fit.fit.baseline
    same = again.centered.shape == known.centered.shape and all(
        np.allclose(one, other, rtol=_SAME, atol=1e-12)
        for one, other in (
            (again.time, known.time),
            (again.centered, known.centered),
            (again.mean_hazard, known.mean_hazard),
            (again.center, known.center),
        )
    )
    if not same:
        raise _others(fit, len(arrays.stop))
    return TakenAgain(arrays, problem, state)


def _others(fit: CoxRegression, n_rows: int) -> EstimationError:
    return EstimationError(
        "these are not the patients of the fit",
        evidence=f"the fit has {fit.n_rows} rows with {fit.n_event} events; {n_rows} rows were given, "
        "and they give another hazard",
        remedy="pass the endpoint and the data that the fit was made from",
    )
