"""Read an event column: boolean, 0/1, or codes with names; missing stays missing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EndpointError

MISSING = -1


def code_events(
    values: pd.Series, states: Mapping[object, str] | None, column: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Code an event column as 0 for censored, k for the k-th state, and -1 for missing.

    Parameters
    ----------
    values : Series of shape (n_rows,)
        Boolean, 0/1, codes, or labels with ``censored``.
    states : mapping of code to str or None
        Names of the codes that are events.
    column : str
        Name of the column, for messages.

    Returns
    -------
    codes : array of shape (n_rows,)
        The codes.
    names : tuple of str
        The names of states 1, 2, ...

    Raises
    ------
    EndpointError
        When a code has no name, or 0 is named as an event.
    """
    names = _states_of_labels(values, column) if states is None else _checked_states(states, column)
    position = {code: k for k, code in enumerate(names, start=1)}
    level, levels = pd.factorize(values, use_na_sentinel=True)
    code_of_level = [_position(value, position) for value in levels]
    codes = np.array([*code_of_level, MISSING], dtype=np.int64)[level]  # level -1 is missing: the last entry
    uncoded = codes == _UNNAMED
    if uncoded.any():
        n_codes = code_of_level.count(_UNNAMED)
        raise EndpointError(
            f"The event column {column!r} has codes without a name in states.",
            evidence=f"{n_codes} such codes in {int(uncoded.sum())} of {len(codes)} rows; "
            f"named: {', '.join(repr(c) for c in names)}",
            remedy='Name every event code, states={1: "relapse", 2: "death"}; 0 or False is censored. '
            "If the column is coded 1 = censored, 2 = event, make it boolean first: frame[column] == 2",
        )
    return codes, tuple(names.values())


_UNNAMED = -2


def _position(value: object, position: Mapping[object, int]) -> int:
    """Return the code of one value: 0 censored, k the k-th state."""
    if _is_censored(value):
        return 0
    return next((k for code, k in position.items() if value == code), _UNNAMED)


def _is_censored(value: object) -> bool:
    return bool(value == 0 or value == "censored")


def _checked_states(states: Mapping[object, str], column: str) -> dict[object, str]:
    named = {code: str(name) for code, name in states.items()}
    wrong = [code for code in named if _is_censored(code)]
    if wrong or not named or len(set(named.values())) < len(named) or "censored" in named.values():
        raise EndpointError(
            f"states= for the event column {column!r} does not name events one by one.",
            evidence="0, False and 'censored' are censored, never an event; each event needs its own name",
            remedy='states={1: "relapse", 2: "death"}',
        )
    return named


def _states_of_labels(values: pd.Series, column: str) -> dict[object, str]:
    """Return the states of a column that came without names: one event, or the levels beside ``censored``."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return {True: "event"}
    if isinstance(values.dtype, pd.CategoricalDtype) and "censored" in values.cat.categories:
        return {level: str(level) for level in values.cat.categories if level != "censored"}
    if pd.api.types.is_numeric_dtype(values.dtype) or values.isna().all():
        return {1: "event"}
    if values.map(lambda v: isinstance(v, bool | np.bool_), na_action="ignore").dropna().all():
        return {True: "event"}
    raise EndpointError(
        f"The event column {column!r} is neither boolean nor 0/1, and states= does not name its codes.",
        evidence=f"its dtype is {values.dtype}",
        remedy='states={"relapse": "relapse", "death": "death"}, and "censored" in the censored rows',
    )
