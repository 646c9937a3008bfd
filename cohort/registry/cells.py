"""Writes the cells of every format as the same text, and checks headers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import pandas as pd

from cohort.dictionary.frame_functions import write_number
from cohort.errors import SourceError


def check_header(name: str, header: Sequence[str]) -> None:
    """Refuse a header that names a column twice; what stands there may be a patient's row, so it is not said."""
    first: dict[str, int] = {}
    twice = []
    for position, column in enumerate(header, start=1):
        if column and first.setdefault(column, position) != position:
            twice.append(f"{first[column]} and {position}")
    if twice:
        raise SourceError(
            "The header names a column twice.",
            evidence=f"{name}: columns {', '.join(twice[:5])}",
            remedy="rename the columns in the export; if this is not its header, declare header_row: in the mapping",
        )


def cell_text(value: object) -> str:
    """Write a cell as text: dates as ISO, whole numbers without a decimal point, empty for nothing."""
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "" if value != value else write_number(value) if abs(value) != float("inf") else str(value)
    if isinstance(value, dt.datetime):
        return _moment_text(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return clock_text(value.total_seconds()) if isinstance(value, dt.timedelta) else str(value)


def _moment_text(value: dt.datetime) -> str:
    """Write a moment; a zone stays visible, so that no date is read from another zone's clock."""
    midnight = value.time() == dt.time() and value.tzinfo is None
    return value.date().isoformat() if midnight else str(value)


def clock_text(seconds: float) -> str:
    """Write seconds as ``hh:mm:ss``, with a fraction only where there is one; more than a day counts on in hours."""
    micro = round(abs(seconds) * 1_000_000)
    whole, fraction = divmod(micro, 1_000_000)
    text = f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    text += f".{fraction:06d}".rstrip("0") if fraction else ""
    return f"-{text}" if seconds < 0 and micro else text


def frame_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Write every cell of a frame as text."""
    columns = [str(column) for column in frame.columns]
    check_header("the frame", columns)
    return pd.DataFrame(
        {str(column): column_text(frame[column]) for column in frame.columns}, columns=columns
    )


def column_text(values: pd.Series) -> pd.Series:
    """Write a column as text; each different value is converted once."""
    if isinstance(values.dtype, pd.StringDtype):
        return values.fillna("").reset_index(drop=True).astype("string[pyarrow]")
    plain = values.astype(object)
    codes, different = pd.factorize(plain, use_na_sentinel=True)
    texts: Iterable[str] = [cell_text(_plain(one)) for one in different]
    table = pd.array([*texts, ""], dtype=pd.StringDtype("pyarrow"))
    return pd.Series(table.take(codes), dtype="string[pyarrow]")


def _plain(value: object) -> object:
    item = getattr(value, "item", None)
    return item() if callable(item) and not isinstance(value, dt.date) else value
