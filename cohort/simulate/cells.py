"""Values as the text that stands in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Text = NDArray[np.object_]
NO_DAY = -99_999


def coded(values: ArrayLike, codes: Mapping[Any, str]) -> Text:
    """Replace every value by its code."""
    return pd.Series(np.asarray(values)).map(dict(codes)).to_numpy(dtype=object)


def yes_no(values: ArrayLike, yes: str, no: str) -> Text:
    """Write booleans."""
    return np.where(np.asarray(values, dtype=bool), yes, no).astype(object)


def number(values: ArrayLike, decimals: int = 0) -> Text:
    """Write numbers with a fixed number of decimals; NaN is blank."""
    array = np.asarray(values, dtype=float)
    return np.array(["" if np.isnan(v) else f"{v:.{decimals}f}" for v in array], dtype=object)


def iso_dates(start: ArrayLike, days: ArrayLike) -> Text:
    """Write start plus days as yyyy-mm-dd; a NaN day is blank."""
    offset = np.asarray(days, dtype=float)
    known = ~np.isnan(offset)
    whole = np.where(known, offset, 0).astype(np.int64).astype("timedelta64[D]")
    dates = np.asarray(start).astype("datetime64[D]") + whole
    return np.where(known, np.datetime_as_string(dates, unit="D").astype(object), "")


def european_dates(start: ArrayLike, days: ArrayLike) -> Text:
    """Write start plus days as dd/mm/yyyy; a NaN day is blank."""
    return np.array(
        [f"{t[8:10]}/{t[5:7]}/{t[:4]}" if t else "" for t in iso_dates(start, days)], dtype=object
    )


def without_day(dates: Text) -> Text:
    """Cut dd/mm/yyyy to mm/yyyy."""
    return np.array([t[3:] if len(t) == 10 else t for t in dates], dtype=object)


def blank_where(values: Text, condition: ArrayLike, code: str = "") -> Text:
    """Put a code, or nothing, where the condition holds."""
    return np.where(np.asarray(condition, dtype=bool), code, values).astype(object)


def csv_bytes(frame: pd.DataFrame, encoding: str = "utf-8") -> bytes:
    """Return the frame as the bytes of a CSV file; the same frame gives the same bytes everywhere."""
    return frame.to_csv(index=False, lineterminator="\n").encode(encoding)
