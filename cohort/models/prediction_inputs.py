"""Whom a published score is judged in: patients followed from the origin, with the score known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.dictionary.states import is_three_state
from cohort.errors import EstimationError
from cohort.estimators.censoring_weights import CensoringWeights, censoring_weights
from cohort.models.coding import Coded, as_scores, keep_usable
from cohort.models.cox_inputs import cause, grades
from cohort.models.curves import check_times, excluded_rows
from cohort.models.design import align_columns
from cohort.study.guards import acknowledged_guards, check_immortal_time, check_incorporation, resolve_facts

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPatients:
    """Follow-up and scores of the patients a score is judged in.

    Attributes
    ----------
    outcome : str
        The event of interest.
    stop : array of shape (n,)
        Time of event or censoring.
    event : array of shape (n,)
        0 for censored, else the code of the event.
    code : int
        Code of the event of interest.
    competing : bool
        Whether other events compete.
    scores : array of shape (n, k)
        The scores.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    outcome: str
    stop: FloatArray
    event: IntArray
    code: int
    competing: bool
    scores: FloatArray
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def weights(self, horizon: float) -> tuple[CensoringWeights, str]:
        """Return the weights at a horizon, and why nothing can be judged there, empty when it can."""
        weights = censoring_weights(self.stop, self.event, self.code, horizon)
        last = self.stop.max()
        ends_censored = bool((self.event[self.stop == last] == 0).any())
        if horizon > last or (horizon == last and ends_censored):
            return weights, f"follow-up ends at {last:g}"
        if not weights.case.any():
            return weights, "no event by this time"
        return weights, "" if weights.control.any() else "everyone has had the event"


def judged_patients(
    endpoint: Endpoint,
    columns: Sequence[str],
    data: pd.DataFrame | None,
    event: str | None,
    acknowledge: str | Iterable[str],
) -> JudgedPatients:
    """Collect follow-up and scores, leaving out and counting whose scores are not known.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up from the origin, one row per patient.
    columns : sequence of str
        Columns of the scores: numbers, ordered categories, or two values.
    data : DataFrame or None
        Columns the endpoint's own frame lacks.
    event : str or None
        The event of interest, when the endpoint has several.
    acknowledge : str or iterable of str
        Guards to override.

    Returns
    -------
    JudgedPatients
        Patients with all scores known.

    Raises
    ------
    EstimationError
        With late entry or several rows per patient, a score without an order, or when nobody is left.
    ImmortalTimeError, IncorporationError
        When a score is known only after the origin, or is part of the event's grade.
    """
    names = list(dict.fromkeys(columns))
    code, competing = cause(endpoint, event)
    if endpoint.counting or (endpoint.start > 0).any():
        raise EstimationError(
            "a score is judged in patients who are followed from the origin, one row each",
            evidence=f"{int((endpoint.start > 0).sum())} of {len(endpoint.stop)} rows enter later",
            remedy="use co.endpoint(name, data, landmark_day=d) to judge it from day d on",
        )
    outcomes = grades(endpoint, event)
    facts = resolve_facts([*names, *outcomes], endpoint, data)
    notes = [
        *check_immortal_time(names, endpoint, facts, acknowledge),
        *check_incorporation(names, outcomes, facts, acknowledge),
    ]
    frame, present = align_columns(names, data, endpoint)
    frame = frame[present]
    coded = {name: _scores(frame[name]) for name in names}
    keep, left_out, more = keep_usable(frame, coded)
    rows = np.flatnonzero(present)[keep]
    if not len(rows):
        raise EstimationError(
            f"no patient has {', '.join(names)} and follow-up",
            evidence=f"{len(endpoint.stop)} patients with follow-up",
            remedy="check the missing values of the score, and the index of data",
        )
    absent = (("", "no row in data", int((~present).sum())),) if not present.all() else ()
    return JudgedPatients(
        outcome=event or endpoint.name,
        stop=endpoint.stop[rows].astype(float),
        event=endpoint.event[rows].astype(np.int64),
        code=code,
        competing=competing,
        scores=np.column_stack([coded[name].numbers[keep] for name in columns]),
        left_out=(*excluded_rows(endpoint), *absent, *left_out),
        notes=(*notes, *more, *endpoint.notes),
        acknowledged=tuple(dict.fromkeys((*endpoint.acknowledged, *acknowledged_guards(acknowledge)))),
    )


def _scores(column: pd.Series) -> Coded:
    """Code a score; a category must say which end is the higher risk."""
    category = isinstance(column.dtype, pd.CategoricalDtype) and not is_three_state(column)
    if category and not column.cat.ordered:
        raise EstimationError(
            f"the categories of {column.name} have no order, so it is not known which means more risk",
            evidence=f"{len(column.cat.categories)} categories",
            remedy=f'pd.Categorical(data["{column.name}"], categories=[lowest, ..., highest], ordered=True)',
        )
    return as_scores(column)


def judging_times(times: ArrayLike) -> FloatArray:
    """Return the horizons at which scores are judged: positive, distinct, ascending."""
    wanted = check_times(times)
    if not len(wanted) or not (wanted > 0).all() or not np.isfinite(wanted).all():
        raise EstimationError(
            "a score is judged at positive times",
            evidence=f"{len(wanted)} times given",
            remedy="write times=[30, 100], in the endpoint's unit",
        )
    return wanted


def check_risks(values: FloatArray, columns: Sequence[str]) -> None:
    """Raise when a predicted risk is not a probability."""
    for name, risk in zip(columns, values.T, strict=True):
        n_bad = int(((risk < 0) | (risk > 1)).sum())
        if n_bad:
            raise EstimationError(
                f"column {name} does not hold predicted risks between 0 and 1",
                evidence=f"{n_bad} of {len(risk)} values are outside",
                remedy=f'data["{name}"] / 100 if they are percentages; time_dependent_auc judges a score that is '
                "not a risk",
            )
