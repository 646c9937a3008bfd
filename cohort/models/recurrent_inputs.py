"""Rows of recurrent events for a model: which event recurs, how many came before, and where each wait began."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EndpointError, EstimationError
from cohort.study.endpoints import Endpoint
from cohort.study.intervals import classify_intervals

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
EVENT_NUMBER = "event_number"


@dataclass(frozen=True, slots=True, eq=False)
class RecurrentRows:
    """Rows (start, stop] of recurrent events.

    Attributes
    ----------
    endpoint : Endpoint
        The rows.
    outcome : str
        The event that recurs.
    code : int
        Its code in ``endpoint.event``.
    number : array of shape (n_rows,)
        Number of the event each row waits for: one more than the patient's events before.
    wait : array of shape (n_rows,)
        Time at which the wait for that event began.
    gaps : int
        Rows that begin after the patient's previous one ended.
    """

    endpoint: Endpoint
    outcome: str
    code: int
    number: IntArray
    wait: FloatArray
    gaps: int

    @property
    def terminal(self) -> tuple[str, ...]:
        """Events that end follow-up."""
        return tuple(state for state in self.endpoint.states if state != self.outcome)


def recurrent_rows(
    rows: Endpoint | pd.DataFrame,
    id: str | None,
    start: str,
    stop: str,
    event: str,
    outcome: str | None,
) -> RecurrentRows:
    """Read rows of recurrent events.

    Parameters
    ----------
    rows : Endpoint or DataFrame
        An endpoint with several rows per patient, or a frame with the columns named next.
    id, start, stop, event : str
        Columns of a frame.
    outcome : str or None
        The event that recurs; the first of the endpoint by default.

    Returns
    -------
    RecurrentRows
        The rows with the number of the event each one waits for.

    Raises
    ------
    EndpointError
        When no patient is named, intervals of a patient overlap, or a patient goes on after a terminal event.
    EstimationError
        When there is no such event.
    """
    endpoint = rows if isinstance(rows, Endpoint) else _from_frame(rows, id, start, stop, event)
    if endpoint.subject is None:
        raise EndpointError(
            "Rows of recurrent events need the patient they belong to.",
            evidence=f"{len(endpoint.stop)} rows without a subject",
            remedy='Endpoint.from_columns(frame, start=, stop=, event=, id="patient_id"), '
            "or co.recurrent_endpoint(data, events, onset=)",
        )
    chosen = outcome or endpoint.states[0]
    if chosen not in endpoint.states:
        raise EstimationError(
            f"the endpoint has no event {chosen!r}",
            evidence=f"events: {', '.join(endpoint.states)}",
            remedy="name one of them",
        )
    code = endpoint.states.index(chosen) + 1
    _check_terminal(endpoint, code)
    number, wait = _waits(endpoint, code)
    gaps = classify_intervals(endpoint.start, endpoint.stop, endpoint.subject).gap
    return RecurrentRows(endpoint, chosen, code, number, wait, gaps)


def _from_frame(rows: pd.DataFrame, id: str | None, start: str, stop: str, event: str) -> Endpoint:
    if id is None:
        raise EndpointError(
            "Rows of recurrent events need the patient they belong to.",
            evidence=f"{len(rows)} rows, id=None",
            remedy='write id="patient_id"',
        )
    return Endpoint.from_columns(rows, start=start, stop=stop, event=event, id=id)


def _check_terminal(endpoint: Endpoint, code: int) -> None:
    subject = np.asarray(endpoint.subject)
    ended = (endpoint.event > 0) & (endpoint.event != code)
    last = np.full(int(subject.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(last, subject, endpoint.stop)
    on = ended & (endpoint.stop < last[subject])
    if on.any():
        raise EndpointError(
            "Patients go on after a terminal event.",
            evidence=f"{len(np.unique(subject[on]))} patients; terminal: every event but "
            f"{endpoint.states[code - 1]!r}",
            remedy="name the event that recurs, outcome=, or correct the rows",
        )


def _waits(endpoint: Endpoint, code: int) -> tuple[IntArray, FloatArray]:
    """Count the events before each row, and give the start of the first row with that count."""
    subject = np.asarray(endpoint.subject)
    order = np.lexsort((endpoint.start, subject))
    who = subject[order]
    happened = (endpoint.event[order] == code).astype(np.int64)
    earlier = np.cumsum(happened) - happened
    first = np.r_[True, who[1:] != who[:-1]]
    number = earlier - np.maximum.accumulate(np.where(first, earlier, 0)) + 1
    begins = first | np.r_[True, number[1:] != number[:-1]]
    position = np.maximum.accumulate(np.where(begins, np.arange(len(who)), 0))
    wait = endpoint.start[order][position]
    back = np.empty(len(order), dtype=np.intp)
    back[order] = np.arange(len(order))
    return number[back], wait[back]


def with_event_number(rows: RecurrentRows, last: int | None, gap: bool) -> Endpoint:
    """Return the endpoint with a column of event numbers, cut after the last one, on the gap-time clock if asked.

    Parameters
    ----------
    rows : RecurrentRows
        The rows.
    last : int or None
        Number of the last event that is modelled; None for all.
    gap : bool
        Whether time restarts with each wait.

    Returns
    -------
    Endpoint
        Rows with the frame's column ``event_number``.
    """
    own = rows.endpoint
    keep = np.ones(len(rows.number), dtype=bool) if last is None else rows.number <= last
    shift = rows.wait if gap else np.zeros(len(rows.number))
    subject = np.asarray(own.subject)
    cut = len(subject) - int(keep.sum())
    notes = (f"{cut} rows after event {last} left out",) if cut else ()
    return replace(
        own,
        start=(own.start - shift)[keep],
        stop=(own.stop - shift)[keep],
        event=own.event[keep],
        index=own.index[keep],
        frame=own.frame.assign(**{EVENT_NUMBER: rows.number}).loc[keep],
        subject=pd.factorize(subject[keep])[0].astype(np.int64),
        exposures=(*own.exposures, EVENT_NUMBER),
        notes=(*own.notes, *notes),
    )
