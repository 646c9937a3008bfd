"""Faults of (start, stop] rows, patient by patient, as R's survcheck names them: a report before anything refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EndpointError
from cohort.study.endpoints import require_columns, require_unique_index
from cohort.study.event_codes import code_events
from cohort.study.intervals import FAULTS, flag_intervals

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_MISSING, _EMPTY = "missing", "empty"
_MEANING = {
    _MISSING: "patient, time, event or state is not known",
    _EMPTY: "ends at or before it starts",
    "overlap": "starts before the patient's previous interval ended: at risk twice",
    "gap": "starts after the previous interval ended: not observed between, allowed",
    "jump": "begins in another state than expected, after a gap",
    "teleport": "begins in another state than expected, without a gap",
    "duplicate": "the same interval as the patient's previous one",
}
_ALLOWED = ("gap",)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IntervalFaults:
    """Which (start, stop] rows cannot be, and why.

    Attributes
    ----------
    n_rows, n_patients : int
        Rows, and patients whose name is known.
    flags : Series of shape (n_rows,)
        Fault of each row by its index label; empty when there is none.
    patient : array of shape (n_rows,)
        Code of the patient of each row, -1 when missing.
    """

    n_rows: int
    n_patients: int
    flags: pd.Series = field(repr=False)
    patient: IntArray = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether no row has a fault; gaps are none."""
        return bool(self.flags.isin(["", *_ALLOWED]).all())

    def table(self) -> pd.DataFrame:
        """Count rows and patients by fault.

        Returns
        -------
        DataFrame
            One row per fault: ``fault, n_rows, n_patients, allowed, meaning``.
        """
        rows = [self.flags.to_numpy() == fault for fault in _MEANING]
        return pd.DataFrame(
            {
                "fault": list(_MEANING),
                "n_rows": [int(found.sum()) for found in rows],
                "n_patients": [len(np.unique(self.patient[found & (self.patient >= 0)])) for found in rows],
                "allowed": [fault in _ALLOWED for fault in _MEANING],
                "meaning": list(_MEANING.values()),
            }
        )

    def labels(self, fault: str) -> pd.Index:
        """Return the index labels of the rows with one fault.

        Parameters
        ----------
        fault : str
            One of the faults of ``table()``.

        Returns
        -------
        Index
            Labels, for ``frame.loc[...]``.

        Raises
        ------
        EndpointError
            For an unknown fault.
        """
        if fault not in _MEANING:
            raise EndpointError(f"There is no fault {fault!r}.", remedy=f"Name one of {', '.join(_MEANING)}.")
        return self.flags[self.flags == fault].index

    def __repr__(self) -> str:
        table = self.table()
        found = table[table["n_rows"] > 0]
        head = f"Intervals of {self.n_patients} patients in {self.n_rows} rows: "
        counts = zip(found["fault"], found["n_rows"], found["n_patients"], found["meaning"], strict=True)
        lines = [f"  {fault}: {n} rows of {who} patients ({meaning})" for fault, n, who, meaning in counts]
        return "\n".join([head + ("no fault" if self.ok else "not usable as they are"), *lines])


def interval_faults(
    data: pd.DataFrame,
    *,
    id: str,
    start: str,
    stop: str,
    event: str | None = None,
    state: str | None = None,
    states: Mapping[object, str] | None = None,
) -> IntervalFaults:
    """Find the (start, stop] rows that cannot be, patient by patient.

    Rows of a patient are looked at in order of their end. A patient is expected to stay in the state of the first row
    until an event; whatever later rows say is compared with that. ``Endpoint.from_columns`` refuses overlaps,
    duplicates and empty intervals; this names them all at once, before.

    Parameters
    ----------
    data : DataFrame
        One row per interval, unique index labels.
    id, start, stop : str
        Columns with the patient and the interval (start, stop].
    event : str, optional
        Column with the state entered at ``stop``, or censored, as for ``Endpoint.from_columns``.
    state : str, optional
        Column with the state in which the interval begins; with ``event``, changes of state without an event are
        found.
    states : mapping of code to str, optional
        Names of the event codes, as ``{1: "icans", 2: "dead"}``.

    Returns
    -------
    IntervalFaults
        ``table()`` counts, ``flags`` and ``labels(fault)`` say which rows.

    Raises
    ------
    EndpointError
        When a column is missing or not numeric, an event code has no name, index labels repeat, or ``state`` is given
        without ``event``.

    Notes
    -----
    Equal to R ``survival::survcheck`` 3.5-3, row by row (``tests/reference/interval_faults``), but that two rows with
    the same interval are a duplicate here and an overlap there.

    Examples
    --------
    >>> rows = pd.DataFrame({"patient_id": ["a", "a", "b", "b"], "start": [0, 4, 0, 9], "stop": [5, 8, 7, 12]})
    >>> found = interval_faults(rows, id="patient_id", start="start", stop="stop")
    >>> found
    Intervals of 2 patients in 4 rows: not usable as they are
      overlap: 1 rows of 1 patients (starts before the patient's previous interval ended: at risk twice)
      gap: 1 rows of 1 patients (starts after the previous interval ended: not observed between, allowed)
    >>> list(found.labels("overlap"))
    [1]
    """
    if state is not None and event is None:
        raise EndpointError(
            "state= tells nothing without the events that lead from state to state.",
            evidence=f"state={state!r}, event=None",
            remedy='write event="next_state"',
        )
    require_columns(data, [c for c in (id, start, stop, event, state) if c is not None])
    require_unique_index(data)
    begin, end = _times(data[start]), _times(data[stop])
    patient = pd.factorize(data[id], use_na_sentinel=True)[0].astype(np.int64)
    missing = np.isnan(begin) | np.isnan(end) | (patient < 0)
    here, code = None, None
    if event is not None:
        code, names = code_events(data[event], states, event)
        missing |= code < 0
        if state is not None:
            here = _state_codes(data[state], names)
            missing |= here < 0
    empty = ~missing & (begin >= end)
    use = np.flatnonzero(~(missing | empty))
    flags = np.full(len(data), "", dtype=object)
    flags[missing], flags[empty] = _MISSING, _EMPTY
    found = flag_intervals(
        begin[use],
        end[use],
        patient[use],
        None if here is None else here[use],
        None if code is None else code[use],
    )
    flags[use] = np.array(FAULTS, dtype=object)[found]
    return IntervalFaults(
        n_rows=len(data),
        n_patients=int(patient.max(initial=-1)) + 1,
        flags=pd.Series(flags, index=data.index, name="fault"),
        patient=patient,
    )


def _times(column: pd.Series) -> FloatArray:
    """Return times as floats, missing as NaN."""
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        raise EndpointError(
            f"The time column {column.name!r} is not numeric.",
            evidence=f"its dtype is {column.dtype}",
            remedy="Give times as numbers since the origin, for example "
            '(frame["exam_date"] - frame["infusion_date"]).dt.days',
        )
    return np.asarray(column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def _state_codes(column: pd.Series, names: tuple[str, ...]) -> IntArray:
    """Code states as the events that lead to them, and others after these; -1 when missing."""
    text = column.astype(object).where(column.notna(), None)
    level, levels = pd.factorize(text, use_na_sentinel=True)
    others = [str(value) for value in levels if str(value) not in names]
    position = {name: k for k, name in enumerate([*names, *dict.fromkeys(others)], start=1)}
    return np.array([*(position[str(value)] for value in levels), -1], dtype=np.int64)[level]
