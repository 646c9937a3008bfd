"""Rows of recurrent events: from one row per patient and one per event to (start, stop] intervals."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.facts import declared_facts
from cohort.errors import EndpointError
from cohort.study.endpoints import Endpoint, require_columns, require_unique_index
from cohort.study.intervals import check_intervals

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
_HALF_DAY = 0.5
_EVENT, _DEATH = 1, 2


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows sorted by patient and time."""

    patient: NDArray[np.intp]
    start: FloatArray
    stop: FloatArray
    event: IntArray


def recurrent_endpoint(
    data: pd.DataFrame,
    events: pd.DataFrame,
    *,
    onset: str,
    end: str = "last_contact_day",
    death: str | None = None,
    resolved: str | None = None,
    id: str = "patient_id",
    name: str = "event",
    terminal: str = "dead",
    unit: str = "days",
) -> Endpoint:
    """Make the (start, stop] rows of recurrent events, such as episodes of ICANS.

    An event on the day of the origin gets half a day; a death on the day of an event comes half a day after it; the
    number of either is noted.

    Parameters
    ----------
    data : DataFrame
        One row per patient, those without an event too.
    events : DataFrame
        One row per event, as from :func:`cohort.icans_episodes`.
    onset : str
        Column of ``events`` with the day of the event.
    end : str, default='last_contact_day'
        Column of ``data`` with the last day under observation.
    death : str, optional
        Column of ``data`` with the day of death, missing for the living; death is then the terminal event.
    resolved : str, optional
        Column of ``events`` with the last day of the episode. Patients are not at risk of the next one before it:
        right for hazards of the next onset; for mean counts leave it out, because in an episode a patient is still
        observed. Missing: the episode never ended.
    id : str, default='patient_id'
        Column of both frames (of ``data``, or the name of its index) that names the patient.
    name, terminal : str, optional
        Names of the recurrent and of the terminal event.
    unit : str, default='days'
        Unit of time.

    Returns
    -------
    Endpoint
        Several rows per patient, for ``co.recurrent`` and ``co.mean_cumulative_count``.

    Raises
    ------
    EndpointError
        When a column is missing, a patient has two events on one day, or an event lies outside follow-up or within
        another episode.

    Examples
    --------
    >>> patients = pd.DataFrame({"patient_id": ["a", "b"], "last_contact_day": [30, 20], "death_day": [None, 20]})
    >>> episodes = pd.DataFrame({"patient_id": ["a", "a"], "icans_onset_day": [4, 15]})
    >>> recurrent_endpoint(patients, episodes, onset="icans_onset_day", death="death_day", name="icans")
    Endpoint icans: 2 patients in 4 rows, time in days from day 0
      censored 0, icans 2, dead 1
    """
    data = data.reset_index() if id == data.index.name and id not in data.columns else data
    require_columns(data, [id, end, *([death] if death else [])])
    require_columns(events, [id, onset, *([resolved] if resolved else [])])
    require_unique_index(data)
    _check_patients(data[id], id)
    last = _days(data[end])
    died = np.zeros(len(data), dtype=bool) if death is None else data[death].notna().to_numpy()
    last = last if death is None else np.where(died, _days(data[death]), last)
    who = pd.Index(data[id]).get_indexer(pd.Index(events[id]))
    day = _days(events[onset])
    excluded, keep = _left_out(last, who, day, len(data))
    used = (who >= 0) & keep[who]
    who, day = who[used].astype(np.int64), day[used]
    back = day if resolved is None else _days(events[resolved])[used]
    early = int((day == 0).sum())
    day = np.where(day == 0, _HALF_DAY, day)
    back = np.where(np.isnan(back), np.inf, np.maximum(back, day))
    order = np.lexsort((day, who))
    who, day, back = who[order], day[order], back[order]
    same_day = _check_events(who, day, back, last, died)
    last = np.where(same_day, last + _HALF_DAY, last)
    rows = _rows(who, day, back, last, np.flatnonzero(keep), died)
    lost = int((died & keep).sum() - (rows.event == _DEATH).sum())
    frame = data.iloc[rows.patient]
    notes = [f"{early} events on the day of the origin given half a day"] if early else []
    notes += (
        [f"{same_day.sum()} deaths on the day of an event put half a day after it"] if same_day.any() else []
    )
    notes += [f"{lost} deaths within an episode, when nobody is at risk, end no row"] if lost else []
    subject = pd.factorize(rows.patient)[0].astype(np.int64)
    check_intervals(rows.start, rows.stop, subject, columns=("start", "stop"), id_name=id)
    return Endpoint(
        name=name,
        start=rows.start,
        stop=rows.stop,
        event=rows.event,
        states=(name,) if death is None else (name, terminal),
        index=frame.index,
        frame=frame,
        facts=MappingProxyType(declared_facts(data)),
        unit=unit,
        subject=subject,
        counting=True,
        excluded=excluded,
        notes=tuple(notes),
    )


def _rows(
    who: IntArray,
    day: FloatArray,
    back: FloatArray,
    last: FloatArray,
    kept: NDArray[np.intp],
    died: BoolArray,
) -> _Rows:
    """Put a row before each event, and one from the last event (or the origin) to the end of follow-up."""
    patient = np.concatenate([who, kept])
    stop = np.concatenate([day, last[kept]])
    event = np.concatenate([np.full(len(who), _EVENT), np.where(died[kept], _DEATH, 0)])
    resumes = np.concatenate([back, np.full(len(kept), np.inf)])
    final = np.repeat([0, 1], [len(who), len(kept)])
    order = np.lexsort((final, stop, patient))
    patient, stop, event, resumes = patient[order], stop[order], event[order], resumes[order]
    first = np.r_[True, patient[1:] != patient[:-1]]
    start = np.where(first, 0.0, np.r_[0.0, resumes[:-1]])
    real = start < stop
    return _Rows(patient[real], start[real], stop[real], event[real])


def _check_patients(ids: pd.Series, id: str) -> None:
    doubled = int(ids.duplicated().sum() + ids.isna().sum())
    if doubled:
        raise EndpointError(
            f"data does not have one row per {id!r}.",
            evidence=f"{doubled} of {len(ids)} rows repeat or lack it",
            remedy=f'data.drop_duplicates("{id}") once you know which row is right',
        )


def _days(column: pd.Series) -> FloatArray:
    if pd.api.types.is_bool_dtype(column.dtype) or not (
        pd.api.types.is_numeric_dtype(column.dtype) or column.isna().all()
    ):
        raise EndpointError(
            f"The column {column.name!r} is not numeric.",
            evidence=f"its dtype is {column.dtype}",
            remedy="Give days since the origin as numbers.",
        )
    days = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(days).any() or (days < 0).any():
        raise EndpointError(
            f"The column {column.name!r} has negative or infinite days.",
            evidence=f"{int((np.isinf(days) | (days < 0)).sum())} of {len(days)} rows",
            remedy="Check the dates against the origin.",
        )
    return np.asarray(days)


def _left_out(
    last: FloatArray, who: NDArray[np.intp], day: FloatArray, n: int
) -> tuple[tuple[tuple[str, int], ...], BoolArray]:
    """Leave out patients whose end or one of whose events is not known, and say how many."""
    no_end = np.isnan(last)
    never = ~no_end & (last <= 0)
    undated = np.zeros(n, dtype=bool)
    undated[who[(who >= 0) & np.isnan(day)]] = True
    undated &= ~no_end & ~never
    reasons = (
        ("end of follow-up missing", int(no_end.sum())),
        ("followed up for no day", int(never.sum())),
        ("day of an event missing", int(undated.sum())),
        ("events of patients not in data", int((who < 0).sum())),
    )
    return tuple((reason, count) for reason, count in reasons if count), ~(no_end | never | undated)


def _check_events(
    who: IntArray, day: FloatArray, back: FloatArray, last: FloatArray, died: BoolArray
) -> BoolArray:
    """Refuse events that cannot be; return which patients died on the day of their last event."""
    late = day > last[who]
    same = who[1:] == who[:-1]
    repeated, inside = same & (day[1:] == day[:-1]), same & (day[1:] < back[:-1]) & (day[1:] > day[:-1])
    for count, problem, remedy in (
        (late, "Events are dated after the end of follow-up.", "Correct the days, or extend the follow-up."),
        (repeated, "Patients have two events on one day.", "Keep one: events.drop_duplicates([id, onset])."),
        (inside, "An event begins within the patient's previous one.", "Join them, or correct resolved=."),
    ):
        if count.any():
            raise EndpointError(problem, evidence=f"{int(count.sum())} of {len(who)} events", remedy=remedy)
    tied = np.zeros(len(last), dtype=bool)
    tied[who[day == last[who]]] = True
    return tied & died
