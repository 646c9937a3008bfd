"""Neurological events after infusion, per patient, beside the imaging that speaks for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.anatomy import Manifestation, all_manifestations
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import StudyError
from cohort.neurotox.columns import NO_YES, int64, no_yes, read_levels, read_numbers, require_columns
from cohort.neurotox.mri_exams import check_window
from cohort.neurotox.mri_patients import number_patients

_COUNTS = (
    "event",
    "finding",
    "n",
    "present",
    "absent",
    "indeterminate",
    "not_assessable",
    "not_imaged",
    "unknown",
)


def manifestations(
    event: pd.DataFrame,
    patients: pd.DataFrame | pd.Series,
    window: tuple[float, float] = (0, float("inf")),
    recorded: bool | Sequence[bool] | None = None,
) -> pd.DataFrame:
    """Summarize neurological events as one row per patient, each with its day and duration.

    Movement and neurocognitive disorder, cranial nerve palsy, myelopathy, Guillain-Barre syndrome, stroke,
    encephalitis and late seizure; and, as competing explanations of the same symptoms, progressive multifocal
    leukoencephalopathy, infection and relapse (``manifestations.yaml``).

    Parameters
    ----------
    event : DataFrame of shape (n_events, n_columns)
        ``patient_id, event_type`` and, where they exist, ``occurred, event_day, resolved_day``. A row with a day
        and no ``occurred`` counts as occurred.
    patients : DataFrame or Series
        Keys of the patients to have a row (``registry.infusion``, or a Series of ``patient_id``).
    window : tuple of two floats, default=(0, infinity)
        First and last day since infusion; an event without a day counts in every window.
    recorded : bool or sequence of bool, optional
        Whether the source of each patient records events at all: where it does, a patient without a row had
        none; where it does not, nothing is known. By default a source does when it lists any event; without
        a column ``source`` all do.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        Keys; per kind of event ``<event_type>`` (no/yes; missing where nobody knows), ``<event_type>_day`` of
        the first and ``<event_type>_days``, its duration until resolution (missing while it lasts).

    Raises
    ------
    StudyError
        When a key column is missing, or ``recorded`` has another length.
    RangeError
        When ``occurred`` holds other labels than no and yes.

    Examples
    --------
    >>> event = pd.DataFrame({"patient_id": ["A"], "event_type": ["myelopathy"], "event_day": [40],
    ...     "resolved_day": [61]})
    >>> found = manifestations(event, pd.Series(["A", "B"]))
    >>> found[["patient_id", "myelopathy", "myelopathy_day", "myelopathy_days", "stroke"]]
      patient_id myelopathy  myelopathy_day  myelopathy_days stroke
    0          A        yes              40               21     no
    1          B         no            <NA>             <NA>     no
    """
    require_columns(event, ["patient_id", "event_type"], "event")
    check_window(window)
    who = number_patients(event, patients)
    if recorded is None:
        recorded = _lists_events(event, who.keys)
    asked = np.broadcast_to(np.asarray(recorded, dtype=bool), (who.n,)) if _fits(recorded, who.n) else None
    if asked is None:
        raise StudyError(
            "recorded= does not have one value per patient",
            evidence=f"{np.size(recorded)} values for {who.n} patients",
            remedy="pass one value for all, or one per row of patients=",
        )
    day = read_numbers(event, "event_day", -np.inf, np.inf, step=None)
    last = read_numbers(event, "resolved_day", -np.inf, np.inf, step=None)
    said = read_levels(event, "occurred", NO_YES)
    happened = (said == 1) | ((said < 0) & ~np.isnan(day))
    outside = (day < window[0]) | (day > window[1])
    columns: dict[str, pd.Series] = {}
    for one in all_manifestations():
        kind = np.asarray((event["event_type"].astype("string") == one.event_type).fillna(False), dtype=bool)
        mine = kind & (who.of_exam >= 0)
        unsure = _flag(who.of_exam[mine & (said < 0) & np.isnan(day)], who.n)
        first, until = _first(who.of_exam, day, last, mine & happened & ~outside, who.n)
        yes = _flag(who.of_exam[mine & happened & ~outside], who.n)
        columns[one.event_type] = no_yes(yes, ~yes & ~unsure & asked)
        columns[f"{one.event_type}_day"] = int64(first)
        columns[f"{one.event_type}_days"] = int64(until - first)
    keys = {name: who.keys[name].reset_index(drop=True) for name in who.keys.columns}
    frame = pd.DataFrame({**keys, **columns})
    return declare_facts(frame, _facts(float(window[1])))


def manifestation_findings(data: pd.DataFrame) -> pd.DataFrame:
    """Count, for every neurological event, the imaging findings that correspond to it, with and without the event.

    Parameters
    ----------
    data : DataFrame of shape (n_patients, n_columns)
        One row per patient with the columns of `manifestations` and of `mri_findings` (merged by key). Take
        findings of a window that holds the days of the events.

    Returns
    -------
    DataFrame
        One row per event, finding and ``occurred`` (yes, no): ``n`` patients, and how many have the finding
        present, absent, indeterminate, not assessable (spine findings on a brain examination), were not
        imaged, or are unknown. Events or findings without a column are left out.

    Raises
    ------
    StudyError
        When no event or no finding of the dictionary is a column.

    Examples
    --------
    >>> data = pd.DataFrame({"myelopathy": ["yes", "yes", "no"],
    ...     "myelitis_long": ["present", "not_assessable", "not_imaged"]})
    >>> manifestation_findings(data)[["event", "finding", "occurred", "n", "present", "not_assessable"]]
            event        finding occurred  n  present  not_assessable
    0  myelopathy  myelitis_long      yes  2        1               1
    1  myelopathy  myelitis_long       no  1        0               0
    """
    rows = [
        (one.event_type, finding, state, *_counts(data, one, finding, state))
        for one in all_manifestations()
        if one.event_type in data.columns
        for finding in one.findings
        if finding in data.columns
        for state in ("yes", "no")
    ]
    if not rows:
        raise StudyError(
            "the frame has no neurological event beside a corresponding finding",
            evidence=f"events: {', '.join(one.event_type for one in all_manifestations())}",
            remedy="merge manifestations(registry.event, data) and mri_findings(...) by their keys first",
        )
    return pd.DataFrame(rows, columns=[*_COUNTS[:2], "occurred", *_COUNTS[2:]])


def _counts(data: pd.DataFrame, one: Manifestation, finding: str, state: str) -> tuple[int, ...]:
    here = (data[one.event_type].astype("string") == state).fillna(False)
    states = data.loc[here.to_numpy(dtype=bool), finding].astype("string").fillna("unknown")
    return (len(states), *(int((states == name).sum()) for name in _COUNTS[3:]))


def _lists_events(event: pd.DataFrame, keys: pd.DataFrame) -> list[bool]:
    """Return for each patient whether the source lists any event."""
    if "source" not in keys.columns:
        return [True] * len(keys)
    return [bool(one) for one in keys["source"].astype(str).isin(set(event["source"].astype(str)))]


def _fits(recorded: bool | Sequence[bool], n: int) -> bool:
    return np.ndim(recorded) == 0 or np.shape(recorded) == (n,)


def _flag(patient: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    out = np.zeros(n, dtype=bool)
    out[patient] = True
    return out


def _first(
    patient: NDArray[np.int64],
    day: NDArray[np.float64],
    last: NDArray[np.float64],
    use: NDArray[np.bool_],
    n: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the day of each patient's first event and of its resolution; an undated event comes last."""
    rows = np.flatnonzero(use)
    rows = rows[np.lexsort((day[rows], patient[rows]))]
    of, position = np.unique(patient[rows], return_index=True)
    first, until = np.full(n, np.nan), np.full(n, np.nan)
    first[of], until[of] = day[rows[position]], last[rows[position]]
    return first, until


def _facts(end: float) -> dict[str, ColumnFacts]:
    return {
        name: ColumnFacts(known="follow_up", known_day=end, label=label, unit=unit)
        for one in all_manifestations()
        for name, label, unit in (
            (one.event_type, one.label, ""),
            (f"{one.event_type}_day", f"Day of {one.label[0].lower()}{one.label[1:]}", "days"),
            (f"{one.event_type}_days", f"Duration of {one.label[0].lower()}{one.label[1:]}", "days"),
        )
    }
