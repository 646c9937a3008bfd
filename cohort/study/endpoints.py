"""Endpoints: when each patient entered and left, and with which event; and when each column became known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.closest import closest_names
from cohort.dictionary.facts import ColumnFacts, declared_facts
from cohort.errors import EndpointError
from cohort.study.event_codes import code_events
from cohort.study.intervals import check_intervals

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def _no_facts() -> Mapping[str, ColumnFacts]:
    return MappingProxyType({})


def _rebuilt(values: dict[str, Any]) -> Endpoint:
    """Return the endpoint that was pickled or copied; a read-only mapping cannot be pickled itself."""
    return Endpoint(**{**values, "facts": MappingProxyType(values["facts"])})


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """Follow-up of each row as (start, stop] with the event at its end.

    Attributes
    ----------
    name : str
        Name of the endpoint.
    start : array of shape (n_rows,)
        Time from which the row is under observation, in ``unit`` since the origin; 0 without delayed entry.
    stop : array of shape (n_rows,)
        Time of event or censoring, in ``unit`` since the origin.
    event : array of shape (n_rows,)
        0 for censored, k for ``states[k - 1]``.
    states : tuple of str
        Names of the events.
    index : Index of length n_rows
        Row labels, unique; data are aligned to the endpoint by these.
    frame : DataFrame
        The rows the endpoint was made from, in the same order.
    facts : mapping of str to ColumnFacts
        What is known about the columns of ``frame``.
    origin_day : float
        Day since infusion at which the clock starts: 0, or the landmark.
    unit : str
        Unit of time.
    subject : array of shape (n_rows,) or None
        Code of the subject of each row; None when every row is a subject.
    counting : bool
        Whether a subject may have several (start, stop] rows.
    excluded : tuple of (str, int)
        Reasons for which rows (subjects, where they have several rows) are not in the endpoint, with counts.
    exposures : tuple of str
        Columns that change with time within a subject; they hold only what was known at ``start``.
    acknowledged : tuple of str
        Guards that were overridden when the endpoint was made.
    notes : tuple of str
        What a reader should be told, such as conventions applied and how often.
    """

    name: str
    start: FloatArray
    stop: FloatArray
    event: IntArray
    states: tuple[str, ...]
    index: pd.Index
    frame: pd.DataFrame = field(repr=False)
    facts: Mapping[str, ColumnFacts] = field(default_factory=_no_facts, repr=False)
    origin_day: float = 0.0
    unit: str = "days"
    subject: IntArray | None = None
    counting: bool = False
    excluded: tuple[tuple[str, int], ...] = ()
    exposures: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_subjects(self) -> int:
        """Number of subjects.

        Returns
        -------
        int
            Subjects, however many rows they have.
        """
        return len(self.stop) if self.subject is None else len(np.unique(self.subject))

    @property
    def n_event(self) -> int:
        """Number of events of any kind.

        Returns
        -------
        int
            Rows that end with an event.
        """
        return int(np.count_nonzero(self.event))

    def event_counts(self) -> dict[str, int]:
        """Return the number of events by state, and of subjects without one as ``censored``.

        Returns
        -------
        dict of str to int
            Counts; ``censored`` comes first.
        """
        codes = np.bincount(self.event, minlength=len(self.states) + 1)
        counts = {state: int(codes[k]) for k, state in enumerate(self.states, start=1)}
        if self.subject is None:
            censored = int(codes[0])
        else:
            censored = self.n_subjects - len(np.unique(self.subject[self.event > 0]))
        return {"censored": censored, **counts}

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], Endpoint], tuple[dict[str, Any]]]:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return _rebuilt, ({**values, "facts": dict(self.facts)},)

    def __repr__(self) -> str:
        events = ", ".join(f"{name} {n}" for name, n in self.event_counts().items())
        rows = f" in {len(self.stop)} rows" if self.counting else ""
        lines = [
            f"Endpoint {self.name}: {self.n_subjects} patients{rows}, time in {self.unit} "
            f"from day {self.origin_day:g}",
            f"  {events}",
        ]
        if self.exposures:
            lines.append(f"  time-dependent: {', '.join(self.exposures)}")
        lines += [f"  left out: {n} ({reason})" for reason, n in self.excluded if n]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)

    @classmethod
    def from_columns(
        cls,
        data: pd.DataFrame,
        *,
        event: str,
        time: str | None = None,
        states: Mapping[object, str] | None = None,
        entry: str | None = None,
        id: str | None = None,
        origin: str | float | None = None,
        unit: str = "days",
        name: str | None = None,
        start: str | None = None,
        stop: str | None = None,
    ) -> Endpoint:
        """Make an endpoint from columns of any frame.

        Give either ``time`` (one row per subject, with ``entry`` for delayed entry) or ``start`` and ``stop``
        (counting process, with ``id`` naming the subject). Rows whose time or event is missing are left out,
        with the reason and the count; they are never taken as censored.

        Parameters
        ----------
        data : DataFrame
            Rows with unique index labels; the endpoint keeps them.
        event : str
            Column with the event: boolean, 0/1, or a code named in ``states``; 0 or False is censored. A
            categorical column with the level ``censored`` needs no ``states``.
        time : str, optional
            Column with the time of event or censoring; positive.
        states : mapping of code to str, optional
            Names of the event codes, as ``{1: "relapse", 2: "death"}``.
        entry : str, optional
            Column with the time at which observation begins (left truncation).
        id : str, optional
            Column that names the subject of each row.
        origin : str or float, optional
            Time, or column with it, that is subtracted from all times; observation before it is cut off.
        unit : str, default="days"
            Unit of time, for print.
        name : str, optional
            Name of the endpoint; the event column's name when not given.
        start, stop : str, optional
            Columns with the interval (start, stop].

        Returns
        -------
        Endpoint
            The endpoint; its ``excluded`` tells what was left out.

        Raises
        ------
        EndpointError
            When columns are missing, times are negative, zero or infinite, an interval ends before it starts,
            intervals of a subject overlap, an event code has no name, or an index label is duplicated.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"days": [5, 8, 8, 12], "status": [1, 0, 2, 1]})
        >>> states = {1: "relapse", 2: "death"}
        >>> Endpoint.from_columns(frame, time="days", event="status", states=states, name="efs")
        Endpoint efs: 4 patients, time in days from day 0
          censored 1, relapse 2, death 1
        """
        counting = start is not None or stop is not None
        _check_arguments(time, start, stop, entry)
        columns = [c for c in (time, event, entry, id, start, stop) if c is not None]
        _check_frame(data, [*columns, origin] if isinstance(origin, str) else columns)
        stop_name = str(stop if counting else time)
        entry_name = start if counting else entry
        codes, names = code_events(data[event], states, event)
        times = _numbers(data, stop_name)
        begins = np.zeros(len(data)) if entry_name is None else _numbers(data, entry_name)
        shift = _origin(data, origin)

        complete = ~(np.isnan(times) | (codes < 0) | np.isnan(begins) | np.isnan(shift))
        excluded = _missing_reasons(times, codes, begins, shift)
        shift = np.where(np.isnan(shift), 0.0, shift)
        begins, times = begins - shift, times - shift
        after = np.ones(len(data), dtype=bool)
        if origin is not None:
            after = ~(complete & (times <= 0))
            begins = np.maximum(begins, 0.0)
            excluded.append((f"event or censoring at or before the origin ({origin})", int((~after).sum())))
        keep = complete & after
        frame = data.loc[keep]
        subject = None if id is None else pd.factorize(frame[id])[0].astype(np.int64)
        check_intervals(begins[keep], times[keep], subject, columns=(entry_name, stop_name), id_name=id)
        return cls(
            name=name or event,
            start=begins[keep],
            stop=times[keep],
            event=codes[keep],
            states=names,
            index=frame.index,
            frame=frame,
            facts=MappingProxyType(declared_facts(data)),
            origin_day=float(shift[keep].min()) if origin is not None and keep.any() else 0.0,
            unit=unit,
            subject=subject,
            counting=counting,
            excluded=tuple((reason, n) for reason, n in excluded if n),
        )


def require_columns(data: pd.DataFrame, columns: list[str]) -> None:
    """Raise when a column is not in the frame, with the nearest name that is, or is there more than once.

    Parameters
    ----------
    data : DataFrame
        The frame.
    columns : list of str
        Columns it must have.
    """
    absent = [c for c in columns if c not in data.columns]
    doubled = [c for c in dict.fromkeys(columns) if (data.columns == c).sum() > 1]
    if doubled:
        raise EndpointError(
            f"The frame has column {', '.join(repr(c) for c in doubled)} more than once.",
            remedy="Give every column its own name.",
        )
    if not absent:
        return
    known = [str(c) for c in data.columns]
    close = {c: closest_names(c, known, n=1) for c in absent}
    hints = [f"{c}: did you mean {match[0]!r}?" for c, match in close.items() if match]
    raise EndpointError(
        f"The frame has no column {', '.join(repr(c) for c in absent)}.",
        evidence=f"{len(known)} columns: {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}",
        remedy=" ".join(hints) or "Name a column of the frame.",
    )


def require_unique_index(data: pd.DataFrame) -> None:
    """Raise when index labels repeat: data could not be aligned to the endpoint.

    Parameters
    ----------
    data : DataFrame
        The frame.
    """
    if data.index.is_unique:
        return
    n = int(data.index.duplicated(keep=False).sum())
    raise EndpointError(
        "The index of the frame has duplicated labels, so data cannot be aligned to the endpoint.",
        evidence=f"{n} of {len(data)} rows share their label with another row",
        remedy="frame = frame.reset_index(drop=True), and id= for the column that names the subject",
    )


def _check_arguments(time: str | None, start: str | None, stop: str | None, entry: str | None) -> None:
    interval = (start is not None) + (stop is not None)
    if interval == 1 or (time is None) == (interval == 0) or (interval and entry is not None):
        given = {"time": time, "start": start, "stop": stop, "entry": entry}
        raise EndpointError(
            "Give either time= (with entry= for delayed entry) or both start= and stop=.",
            evidence="given: " + (", ".join(k for k, v in given.items() if v is not None) or "none of them"),
            remedy='Endpoint.from_columns(frame, time="days", event="status"), '
            'or Endpoint.from_columns(frame, start="start", stop="stop", event="status", id="patient_id")',
        )


def _check_frame(data: pd.DataFrame, columns: list[str]) -> None:
    require_columns(data, columns)
    require_unique_index(data)


def _numbers(data: pd.DataFrame, column: str) -> FloatArray:
    """Return a time column as floats, missing as NaN."""
    values = data[column]
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        raise EndpointError(
            f"The time column {column!r} is not numeric.",
            evidence=f"its dtype is {values.dtype}",
            remedy="Give times as numbers since the origin, for example "
            '(frame["death_date"] - frame["infusion_date"]).dt.days',
        )
    plain = isinstance(values.dtype, np.dtype)
    numbers = np.asarray(
        values.to_numpy(dtype=np.float64)
        if plain
        else values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan),
        dtype=np.float64,
    )
    if np.isinf(numbers).any():
        raise EndpointError(
            f"The time column {column!r} has infinite values.",
            evidence=f"{int(np.isinf(numbers).sum())} of {len(numbers)} rows",
            remedy="Set the time to the end of observation and the event to censored.",
        )
    return numbers


def _origin(data: pd.DataFrame, origin: str | float | None) -> FloatArray:
    if isinstance(origin, str):
        return _numbers(data, origin)
    return np.full(len(data), 0.0 if origin is None else float(origin))


def _missing_reasons(
    times: FloatArray, codes: IntArray, begins: FloatArray, shift: FloatArray
) -> list[tuple[str, int]]:
    """Count each left-out row once, under the first reason that applies."""
    reasons = []
    open_ = np.ones(len(times), dtype=bool)
    for reason, missing in (
        ("time missing", np.isnan(times)),
        ("event missing", codes < 0),
        ("entry missing", np.isnan(begins)),
        ("origin missing", np.isnan(shift)),
    ):
        reasons.append((reason, int((missing & open_).sum())))
        open_ &= ~missing
    return reasons
