"""Risk sets: split follow-up where an exposure begins, so that exposure never counts before it was known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.facts import ColumnFacts
from cohort.dictionary.states import is_three_state
from cohort.errors import EndpointError
from cohort.study.endpoints import Endpoint, require_columns

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SUBJECT = "subject"
FIRST_DAY = "_first_day"
NOT_RECORDED = "not_recorded"
MRI_STATUS, MRI_FIRST_DAY = "mri_status", "mri_first_day"
COUNTED_UNEXPOSED = {
    "not_imaged": "never imaged",
    "indeterminate": "indeterminate",
    "not_assessable": "not assessable",
}


def counting_process(endpoint: Endpoint, exposures: Mapping[str, pd.Series | str]) -> Endpoint:
    """Split each patient's follow-up into (start, stop] rows where exposures begin.

    An exposure that begins on day d counts on (d, ...]. One that began on or before entry counts from the
    start; one that begins on the last day of follow-up never counts. The event stays on the last row.

    A patient without a first day is unexposed throughout: the exposure is "seen so far", which is all that
    was known at each time. Patients never imaged therefore count as unexposed; to leave them out would use
    the future, since nobody knew on day 0 who would be imaged. Patients whose source does not record the
    exposure at all (its state is missing) are left out and counted: nothing could have been seen for them.
    To compare with those imaged and found free,
    make imaging an exposure too, ``exposures={"imaged": "mri_first_day", "cerebral_edema": ...}``, and fit
    ``"imaged + cerebral_edema"``. The endpoint's repr tells how many were never imaged.

    Parameters
    ----------
    endpoint : Endpoint
        Endpoint to split; one that was split already may be split further.
    exposures : mapping of str to Series or str
        For each exposure the first day, in the endpoint's unit since infusion: a Series aligned to the
        endpoint by index label, or a column of the endpoint's frame.

    Returns
    -------
    Endpoint
        Endpoint in (start, stop] rows. Its frame has a 0/1 column for each exposure (in place of a column of
        that name) and ``subject``; its rows keep the index labels of the patients they come from, so labels
        repeat and patients' columns can still be aligned by label.

    Raises
    ------
    EndpointError
        When first days are not numbers, no label of a Series is in the endpoint, or a column is missing.

    See Also
    --------
    endpoint : Makes the endpoint; its ``landmark_day`` is the alternative design.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [10, 10], "dead": [True, False], "seen": [4, None]}, index=["a", "b"])
    >>> survival = Endpoint.from_columns(frame, time="days", event="dead")
    >>> split = counting_process(survival, {"edema": "seen"})
    >>> split.frame.assign(start=split.start, stop=split.stop, event=split.event)[
    ...     ["subject", "start", "stop", "event", "edema"]
    ... ].reset_index(drop=True)
      subject  start  stop  event  edema
    0       a    0.0   4.0      0      0
    1       a    4.0  10.0      1      1
    2       b    0.0  10.0      0      0
    """
    if not exposures:
        raise EndpointError(
            "No exposure was given.", remedy='exposures={"cerebral_edema": "cerebral_edema_first_day"}'
        )
    labels = _patient_labels(endpoint)
    frame = endpoint.frame
    first_days, notes = {}, list(endpoint.notes)
    undated, unrecorded = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    for name, first_day in exposures.items():
        days, absent = _first_days(endpoint, labels, name, first_day)
        first_days[name] = days - endpoint.origin_day
        states = _states(frame, _finding(frame, name, first_day))
        undated |= (states == "present") & np.isnan(days)
        unrecorded |= (states == NOT_RECORDED) & np.isnan(days)
        notes.append(_note(name, first_days[name], endpoint, labels, states, absent))
    kept = _keep_rows(_Rows.of(endpoint, first_days), ~(undated | unrecorded))
    rows = kept
    for name in first_days:
        rows = _split(rows, name)
    left_out = {
        "exposure present but its first day unknown": undated,
        "source does not record the exposure": unrecorded & ~undated,
    }
    counted = tuple((reason, len(np.unique(labels.codes[gone]))) for reason, gone in left_out.items())
    made = _endpoint_of(endpoint, labels, rows, tuple(notes), counted)
    return replace(made, facts=_facts_of(endpoint, exposures))


@dataclass(frozen=True, slots=True)
class _Labels:
    """Label of the patient of each row, and its code."""

    label: pd.Index
    codes: IntArray


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows during splitting: the endpoint's row they came from, the interval, the exposures' times."""

    origin_row: IntArray
    start: FloatArray
    stop: FloatArray
    event: IntArray
    first: Mapping[str, FloatArray]

    @classmethod
    def of(cls, endpoint: Endpoint, first: Mapping[str, FloatArray]) -> _Rows:
        return cls(np.arange(len(endpoint.stop)), endpoint.start, endpoint.stop, endpoint.event, first)

    def take(self, rows: IntArray) -> _Rows:
        first = {name: values[rows] for name, values in self.first.items()}
        return _Rows(self.origin_row[rows], self.start[rows], self.stop[rows], self.event[rows], first)


def _patient_labels(endpoint: Endpoint) -> _Labels:
    """Return the patient of each row."""
    codes = np.arange(len(endpoint.index)) if endpoint.subject is None else endpoint.subject
    return _Labels(endpoint.index, codes.astype(np.int64))


def _first_days(
    endpoint: Endpoint, labels: _Labels, name: str, first_day: pd.Series | str
) -> tuple[FloatArray, int]:
    """Return the first day of each row's patient, missing as NaN, and how many patients the Series lacks."""
    absent = 0
    if isinstance(first_day, str):
        require_columns(endpoint.frame, [first_day])
        values = endpoint.frame[first_day]
    else:
        if not first_day.index.is_unique:
            raise EndpointError(
                f"The first days of {name!r} have duplicated index labels.",
                evidence=f"{int(first_day.index.duplicated(keep=False).sum())} of {len(first_day)} rows",
                remedy="Give one first day per patient: first_day.groupby(level=0).min()",
            )
        known = labels.label.isin(first_day.index)
        if len(labels.label) and not known.any():
            raise EndpointError(
                f"No index label of the first days of {name!r} is in the endpoint.",
                evidence=f"{len(first_day)} first days, {endpoint.n_subjects} patients",
                remedy='Index the Series as the frame is, or name a column: {"edema": "edema_first_day"}',
            )
        absent = len(np.unique(labels.codes[~known]))
        values = first_day.reindex(labels.label)
    numeric = pd.api.types.is_numeric_dtype(values.dtype) or values.isna().all()
    if not numeric or pd.api.types.is_bool_dtype(values.dtype):
        raise EndpointError(
            f"The first days of {name!r} are not numbers.",
            evidence=f"their dtype is {values.dtype}",
            remedy="Give days since infusion: (exam_date - infusion_date).dt.days",
        )
    return np.asarray(
        values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), np.float64
    ), absent


def _finding(frame: pd.DataFrame, name: str, first_day: pd.Series | str) -> str:
    """Return the column whose states go with the first days: the exposure itself, or x of x_first_day."""
    column = _day_column(first_day)
    if name in frame.columns or not column.endswith(FIRST_DAY):
        return name
    return MRI_STATUS if column == MRI_FIRST_DAY else column.removesuffix(FIRST_DAY)


def _day_column(first_day: pd.Series | str) -> str:
    """Return the column that the first days come from; empty when a Series has no name."""
    if isinstance(first_day, str):
        return first_day
    return "" if first_day.name is None else str(first_day.name)


def _states(frame: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """Return the three-state values of the frame's column of that name; empty texts when it has none."""
    if name == MRI_STATUS and name in frame.columns:
        recorded = frame[name].isin(["imaged", "not_imaged"]).to_numpy()
        return np.where(recorded, "", NOT_RECORDED).astype(object)
    if name in frame.columns and is_three_state(frame[name]):
        values = frame[name].astype(object)
        return values.where(values.notna(), NOT_RECORDED).to_numpy(dtype=object)
    return np.full(len(frame), "", dtype=object)


def _note(
    name: str,
    first: FloatArray,
    endpoint: Endpoint,
    labels: _Labels,
    states: NDArray[np.object_],
    absent: int,
) -> str:
    """Say how many patients were ever exposed, and who counts as unexposed without being known to be."""

    def patients(rows: NDArray[np.bool_]) -> int:
        return len(np.unique(labels.codes[rows]))

    exposed = patients(first < endpoint.stop)
    parts = [f"{name}: {exposed} of {endpoint.n_subjects} patients exposed during follow-up"]
    for state, text in COUNTED_UNEXPOSED.items():
        n = patients((states == state) & np.isnan(first))
        if n:
            parts.append(f"{n} {text} count as unexposed")
    if absent:
        parts.append(f"{absent} without a label in the Series count as unexposed")
    return "; ".join(parts)


def _keep_rows(rows: _Rows, keep: NDArray[np.bool_]) -> _Rows:
    return rows.take(np.flatnonzero(keep))


def _split(rows: _Rows, name: str) -> _Rows:
    """Cut rows in two where the exposure begins strictly inside them."""
    at = rows.first[name]
    inside = (rows.start < at) & (at < rows.stop)
    out = rows.take(np.repeat(np.arange(len(at)), inside + 1))
    second = np.cumsum(inside + 1) - 1  # the last (or only) row of each
    first = second[inside] - 1
    out.stop[first] = at[inside]
    out.event[first] = 0
    out.start[second[inside]] = at[inside]
    return out


def _subject_column(endpoint: Endpoint, labels: _Labels) -> pd.Series:
    """Return a name for each row's subject: the frame's own column, the label, or the code."""
    if SUBJECT not in endpoint.frame.columns:
        return pd.Series(labels.label if endpoint.subject is None else labels.codes)
    own = endpoint.frame[SUBJECT].reset_index(drop=True)
    if not np.array_equal(pd.factorize(own)[0], pd.factorize(labels.codes)[0]):
        raise EndpointError(
            f"The frame has a column {SUBJECT!r} that does not tell the endpoint's subjects apart.",
            evidence=f"{own.nunique()} values for {endpoint.n_subjects} subjects",
            remedy='Rename it: frame.rename(columns={"subject": "other_name"})',
        )
    return own


def _facts_of(endpoint: Endpoint, exposures: Mapping[str, pd.Series | str]) -> Mapping[str, ColumnFacts]:
    """Return the facts with those of the exposures, which stay part of the grades of their columns."""
    facts = dict(endpoint.facts)
    for name, first_day in exposures.items():
        own = facts.get(name, facts.get(_day_column(first_day), ColumnFacts()))
        facts[name] = replace(own, known="daily", known_day=None, unit="")
    return MappingProxyType(facts)


def _endpoint_of(
    endpoint: Endpoint,
    labels: _Labels,
    rows: _Rows,
    notes: tuple[str, ...],
    left_out: tuple[tuple[str, int], ...],
) -> Endpoint:
    codes = labels.codes[rows.origin_row]
    exposed = {name: (first <= rows.start).astype(np.int64) for name, first in rows.first.items()}
    frame = endpoint.frame.iloc[rows.origin_row].drop(columns=list(exposed), errors="ignore")
    frame[SUBJECT] = _subject_column(endpoint, labels).array[rows.origin_row]
    for name, values in exposed.items():
        frame[name] = values
    frame.attrs = dict(endpoint.frame.attrs)
    return replace(
        endpoint,
        start=rows.start,
        stop=rows.stop,
        event=rows.event,
        index=frame.index,
        frame=frame,
        subject=pd.factorize(codes)[0].astype(np.int64),
        counting=True,
        excluded=endpoint.excluded + tuple((reason, n) for reason, n in left_out if n),
        exposures=tuple(dict.fromkeys((*endpoint.exposures, *exposed))),
        notes=notes,
    )
