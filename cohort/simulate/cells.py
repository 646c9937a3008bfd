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
    """Replace every value by its code.

    Parameters
    ----------
    values : array of shape (n,)
        Values to write.
    codes : mapping
        Code of every value that occurs.

    Returns
    -------
    array of shape (n,)
        Text.
    """
    return pd.Series(np.asarray(values)).map(dict(codes)).to_numpy(dtype=object)


def yes_no(values: ArrayLike, yes: str, no: str) -> Text:
    """Write booleans.

    Parameters
    ----------
    values : array of shape (n,)
        Values to write.
    yes : str
        What stands for true.
    no : str
        What stands for false.

    Returns
    -------
    array of shape (n,)
        Text.
    """
    return np.where(np.asarray(values, dtype=bool), yes, no).astype(object)


def number(values: ArrayLike, decimals: int = 0) -> Text:
    """Write numbers with a fixed number of decimals; NaN is blank.

    Parameters
    ----------
    values : array of shape (n,)
        Values to write.
    decimals : int, default=0
        Decimals.

    Returns
    -------
    array of shape (n,)
        Text.
    """
    array = np.asarray(values, dtype=float)
    return np.array(["" if np.isnan(v) else f"{v:.{decimals}f}" for v in array], dtype=object)


def iso_dates(start: ArrayLike, days: ArrayLike) -> Text:
    """Write start plus days as yyyy-mm-dd; a NaN day is blank.

    Parameters
    ----------
    start : array of shape (n,)
        Dates from which days are counted.
    days : array of shape (n,)
        Days since then.

    Returns
    -------
    array of shape (n,)
        Text.
    """
    offset = np.asarray(days, dtype=float)
    known = ~np.isnan(offset)
    whole = np.where(known, offset, 0).astype(np.int64).astype("timedelta64[D]")
    dates = np.asarray(start).astype("datetime64[D]") + whole
    return np.where(known, np.datetime_as_string(dates, unit="D").astype(object), "")


def european_dates(start: ArrayLike, days: ArrayLike) -> Text:
    """Write start plus days as dd/mm/yyyy; a NaN day is blank.

    Parameters
    ----------
    start : array of shape (n,)
        Dates from which days are counted.
    days : array of shape (n,)
        Days since then.

    Returns
    -------
    array of shape (n,)
        Text.
    """
    return np.array(
        [f"{t[8:10]}/{t[5:7]}/{t[:4]}" if t else "" for t in iso_dates(start, days)], dtype=object
    )


def without_day(dates: Text) -> Text:
    """Cut dd/mm/yyyy to mm/yyyy.

    Parameters
    ----------
    dates : array of shape (n,)
        Dates as text.

    Returns
    -------
    array of shape (n,)
        Text.
    """
    return np.array([t[3:] if len(t) == 10 else t for t in dates], dtype=object)


def blank_where(values: Text, condition: ArrayLike, code: str = "") -> Text:
    """Put a code, or nothing, where the condition holds.

    Parameters
    ----------
    values : array of shape (n,)
        Values to write.
    condition : array of shape (n,)
        Where to overwrite.
    code : str, default=""
        What to write there.

    Returns
    -------
    array of shape (n,)
        Text.
    """
    return np.where(np.asarray(condition, dtype=bool), code, values).astype(object)


def csv_bytes(frame: pd.DataFrame, encoding: str = "utf-8") -> bytes:
    """Return the frame as the bytes of a CSV file; the same frame gives the same bytes everywhere.

    Parameters
    ----------
    frame : DataFrame
        Rows, all text or numbers.
    encoding : str, default="utf-8"
        Encoding of the file.

    Returns
    -------
    bytes
        Content of the file.
    """
    return frame.to_csv(index=False, lineterminator="\n").encode(encoding)
