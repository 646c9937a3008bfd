"""What a Cox-family model was asked to fit, and the arrays it gets from an endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.estimators.cox_problem import Ties
from cohort.estimators.cox_regression import Penalty
from cohort.models.cox_inputs import case_weights, cause, cluster_codes, grades, numbers, stratum_codes
from cohort.models.design import Design, build_design
from cohort.models.formula import parse_formula
from cohort.models.time_effects import TimeEffect, with_time_effects
from cohort.study.guards import check_immortal_time, check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging
from cohort.study.window_guard import check_windows

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CoxRecipe:
    """A model in names of columns: enough to take the patients again, without any of them.

    Attributes
    ----------
    formula : str
        Covariates.
    event : str or None
        The event, None when the endpoint has one.
    strata, censoring_strata : tuple of str
        Columns with their own baseline, and with their own censoring distribution (Fine-Gray).
    cluster, weights, offset : str or None
        Columns.
    robust : bool
        Whether rows of one patient count together in a sandwich variance.
    ties : {'efron', 'breslow'}
        Approximation for ties.
    penalty : {'firth'} or None
        Penalty.
    time_dependent : tuple of str
        Covariates that change with time within a patient.
    time_effects : tuple of TimeEffect
        Terms whose coefficients change with time.
    """

    formula: str
    event: str | None = None
    strata: tuple[str, ...] = ()
    censoring_strata: tuple[str, ...] = ()
    cluster: str | None = None
    weights: str | None = None
    offset: str | None = None
    robust: bool = False
    ties: Ties = "efron"
    penalty: Penalty | None = None
    time_dependent: tuple[str, ...] = ()
    time_effects: tuple[TimeEffect, ...] = ()

    @property
    def covariates(self) -> list[str]:
        """Columns that enter the hazard: those of the formula, the strata and the offset."""
        offset = [self.offset] if self.offset else []
        return list(dict.fromkeys([*parse_formula(self.formula).columns, *self.strata, *offset]))

    @property
    def extra(self) -> list[str]:
        """Columns beside those of the formula."""
        named = (self.cluster, self.weights, self.offset)
        return [*self.strata, *self.censoring_strata, *(name for name in named if name is not None)]


@dataclass(frozen=True, slots=True, eq=False)
class CoxArrays:
    """The rows of an endpoint that a model uses, as arrays.

    Attributes
    ----------
    design : Design
        Covariates, names, and who is left out.
    start : array of shape (n,) or None
        Entry; None when everyone is at risk from the beginning.
    stop : array of shape (n,)
        Time of event or censoring.
    event, competing : array of shape (n,)
        Whether the row ends in the event of the model, or in another.
    competes : bool
        Whether the endpoint has other events.
    subject : array of shape (n,) or None
        Patients, when they may have several rows.
    stratum, censoring_group, cluster : array of shape (n,) or None
        Codes from 0.
    strata, censoring_strata : tuple of str
        Labels of the codes.
    weight, offset : array of shape (n,) or None
        Case weights and offsets.
    robust : str
        What the standard errors account for, empty when model-based.
    time_effects : tuple of TimeEffect
        Terms whose coefficients change with time, with the knots used; rows are split where they change.
    """

    design: Design
    start: FloatArray | None
    stop: FloatArray
    event: BoolArray
    competing: BoolArray
    competes: bool
    subject: NDArray[np.int64] | None
    stratum: IntArray | None
    strata: tuple[str, ...]
    censoring_group: IntArray | None
    censoring_strata: tuple[str, ...]
    cluster: IntArray | None
    robust: str
    weight: FloatArray | None
    offset: FloatArray | None
    time_effects: tuple[TimeEffect, ...] = ()

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.stop) if self.subject is None else len(np.unique(self.subject))


def check_timing(
    recipe: CoxRecipe, endpoint: Endpoint, data: pd.DataFrame | None, acknowledge: str | Iterable[str]
) -> list[str]:
    """Apply the guards of timing and incorporation; return what a reader should be told."""
    expressed = grades(endpoint, recipe.event)
    facts = resolve_facts([*recipe.covariates, *expressed], endpoint, data)
    return [
        *check_immortal_time(recipe.covariates, endpoint, facts, acknowledge),
        *check_incorporation(recipe.covariates, expressed, facts, acknowledge),
        *check_selective_imaging(
            [name for name in recipe.covariates if name not in endpoint.exposures],
            endpoint.frame if data is None else data,
            acknowledge,
        ),
        *check_windows(recipe.covariates, facts, acknowledge),
    ]


def take_arrays(recipe: CoxRecipe, endpoint: Endpoint, data: pd.DataFrame | None) -> CoxArrays:
    """Take from an endpoint the rows and columns that a model uses.

    Parameters
    ----------
    recipe : CoxRecipe
        The model.
    endpoint : Endpoint
        Follow-up and events.
    data : DataFrame or None
        Columns the endpoint's own frame lacks.

    Returns
    -------
    CoxArrays
        The arrays; rows with a missing value are left out and counted in ``design``.
    """
    code, competes = cause(endpoint, recipe.event)
    design = build_design(recipe.formula, data, endpoint, intercept=False, extra=recipe.extra)
    rows = design.rows
    happened = endpoint.event[rows]
    subject = None if endpoint.subject is None else endpoint.subject[rows]
    stratum, strata = stratum_codes(design, recipe.strata)
    censoring_group, censoring_strata = stratum_codes(design, recipe.censoring_strata)
    cluster, robust = cluster_codes(design, recipe.cluster, recipe.robust, subject)
    weights, offset = recipe.weights, recipe.offset
    arrays = CoxArrays(
        design=design,
        start=endpoint.start[rows] if (endpoint.start != 0).any() else None,
        stop=endpoint.stop[rows].astype(float),
        event=happened == code,
        competing=(happened > 0) & (happened != code),
        competes=competes,
        subject=subject,
        stratum=stratum,
        strata=strata,
        censoring_group=censoring_group,
        censoring_strata=censoring_strata,
        cluster=cluster,
        robust=robust,
        weight=None if weights is None else case_weights(design.extra[weights]),
        offset=None if offset is None else numbers(design.extra[offset], "offset"),
    )
    return with_time_effects(arrays, recipe.time_effects)
