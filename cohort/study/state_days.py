"""Days on which patients entered states, checked, with the conventions for days that are shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.facts import ColumnFacts, declared_facts
from cohort.errors import EndpointError
from cohort.study.endpoints import require_columns, require_unique_index

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
HALF_DAY = 0.5
YES, NO = ("yes", "dead", "true", "present"), ("no", "alive", "false", "absent")


@dataclass(frozen=True, slots=True, eq=False)
class EntryDays:
    """Checked days of entry.

    Attributes
    ----------
    days : array of shape (n_kept, n_states)
        Day of entry to each state; infinite when it was never entered.
    end : array of shape (n_kept,)
        Last day under observation.
    keep : array of shape (n_rows,)
        Which rows of the frame are kept.
    facts : mapping of str to ColumnFacts
        What is known about the frame's columns.
    excluded : tuple of (str, int)
        Reasons and counts of those left out.
    notes : tuple of str
        Conventions that were applied.
    """

    days: FloatArray
    end: FloatArray
    keep: BoolArray
    facts: Mapping[str, ColumnFacts]
    excluded: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]


def entry_days(
    data: pd.DataFrame,
    states: Mapping[str, str | tuple[str, str]],
    end: str,
    terminal: Sequence[str],
) -> EntryDays:
    """Read the days of entry to states.

    Parameters
    ----------
    data : DataFrame
        One row per patient.
    states : mapping of str to str, or to (str, str)
        Column of the first day, or that column with the one that says whether the state was entered.
    end : str
        Column of the last day under observation.
    terminal : sequence of str
        States that nobody leaves.

    Returns
    -------
    EntryDays
        The days.

    Raises
    ------
    EndpointError
        When columns are missing or not numeric, or a state is entered after a terminal one.
    """
    if not states:
        raise EndpointError(
            "No state was given.", remedy='states={"icans": "icans_onset_day", "dead": "death_day"}'
        )
    columns = {name: ((value, "") if isinstance(value, str) else value) for name, value in states.items()}
    require_unique_index(data)
    require_columns(data, [c for pair in columns.values() for c in pair if c] + [end])
    raw = np.column_stack([_numbers(data, day) for day, _ in columns.values()])
    last = _numbers(data, end)
    reasons: list[tuple[str, BoolArray]] = []
    for k, (name, (_, happened)) in enumerate(columns.items()):
        reasons += _unknown(data, happened, name, raw[:, k])
    reasons += [
        ("a day lies before the origin", np.asarray((raw < 0).any(axis=1))),
        (
            f"{end} missing or before the origin",
            ~(last >= 0) & np.isnan(raw[:, _positions(states, terminal)]).all(axis=1),
        ),
    ]
    keep, excluded = _leave_out(reasons, len(data))
    entered = np.where(np.isnan(raw), np.inf, raw)[keep]
    finite = np.where(np.isfinite(entered), entered, -np.inf)
    until = np.fmax(last[keep], finite.max(axis=1))
    _check_after_terminal(entered, _positions(states, terminal), tuple(states))
    shifted, notes = _apart(entered, tuple(states), terminal)
    until = np.where(until <= 0, HALF_DAY, until)
    return EntryDays(shifted, until, keep, MappingProxyType(declared_facts(data)), excluded, notes)


def _numbers(data: pd.DataFrame, column: str) -> FloatArray:
    values = data[column]
    numeric = pd.api.types.is_numeric_dtype(values.dtype) or values.isna().all()
    if not numeric or pd.api.types.is_bool_dtype(values.dtype):
        raise EndpointError(
            f"The column {column!r} is not a day.",
            evidence=f"its dtype is {values.dtype}",
            remedy='Give days since infusion: (frame["date"] - frame["infusion_date"]).dt.days',
        )
    numbers = np.asarray(
        values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64
    )
    if np.isinf(numbers).any():
        raise EndpointError(
            f"The column {column!r} has infinite values.",
            evidence=f"{int(np.isinf(numbers).sum())} of {len(numbers)} rows",
            remedy="A state that was never entered has a missing day.",
        )
    return numbers


def _unknown(data: pd.DataFrame, happened: str, name: str, day: FloatArray) -> list[tuple[str, BoolArray]]:
    """Find patients of whom it is not known whether, or when, they entered a state."""
    if not happened:
        return []
    text = data[happened].astype(object).where(data[happened].notna(), "").astype(str).str.lower()
    yes, no = text.isin(YES).to_numpy(), text.isin(NO).to_numpy()
    return [
        (f"not known whether {name}", ~yes & ~no & np.isnan(day)),
        (f"{name} on an unknown day", yes & np.isnan(day)),
        (f"{name} has a day but did not happen", no & ~np.isnan(day)),
    ]


def _positions(states: Mapping[str, object], terminal: Sequence[str]) -> list[int]:
    return [list(states).index(name) for name in terminal]


def _leave_out(reasons: list[tuple[str, BoolArray]], n: int) -> tuple[BoolArray, tuple[tuple[str, int], ...]]:
    """Count everyone left out once, under the first reason that applies."""
    keep, excluded = np.ones(n, dtype=bool), []
    for reason, bad in reasons:
        excluded.append((reason, int((bad & keep).sum())))
        keep &= ~bad
    return keep, tuple((reason, count) for reason, count in excluded if count)


def _check_after_terminal(entered: FloatArray, terminal: list[int], names: tuple[str, ...]) -> None:
    if not terminal:
        return
    over = entered[:, terminal].min(axis=1, initial=np.inf)
    late = np.isfinite(entered) & (entered > over[:, None])
    if late.any():
        counts = [f"{name} {int(late[:, k].sum())}" for k, name in enumerate(names) if late[:, k].any()]
        raise EndpointError(
            "A state is entered after one that nobody leaves.",
            evidence=f"{int(late.any(axis=1).sum())} patients: {', '.join(counts)}",
            remedy="Correct the days, or leave these patients out.",
        )


def _apart(
    entered: FloatArray, names: tuple[str, ...], terminal: Sequence[str]
) -> tuple[FloatArray, tuple[str, ...]]:
    """Move entries that share a day apart, the last of them staying; terminal states come last."""
    rank = np.array(
        [(name in terminal, k) for k, name in enumerate(names)], dtype=[("end", bool), ("k", int)]
    )
    order = np.argsort(rank)
    columns = entered[:, order].copy()
    on_zero = columns == 0
    columns[on_zero] = HALF_DAY
    tied_after = np.zeros(columns.shape)
    for k in range(columns.shape[1]):
        later = (columns[:, k + 1 :] == columns[:, [k]]) & np.isfinite(columns[:, [k]])
        tied_after[:, k] = later.sum(axis=1)
    shift = tied_after * HALF_DAY / columns.shape[1]
    shifted = np.empty_like(columns)
    shifted[:, order] = columns - shift
    notes = [
        ("{n} entries on day 0 count as half a day", int(on_zero.sum())),
        (
            "{n} entries that share a day with a later state come up to half a day earlier",
            int((shift > 0).sum()),
        ),
    ]
    return shifted, tuple(text.format(n=n) for text, n in notes if n)
