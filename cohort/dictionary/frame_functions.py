"""What expressions compute: values with a mask of what is known, and the functions on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.dates import date_pattern
from cohort.dictionary.expression_nodes import Kind

NUMBER = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?")
CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
SPACES = " \t\r\n\u00a0"
Array = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Values:
    """Values with a mask of what is known; what is not known holds a filler."""

    kind: Kind
    data: Array
    known: Mask


DTYPES: dict[Kind, Any] = {
    "number": float,
    "boolean": bool,
    "date": "datetime64[ns]",
    "text": object,
    "any": object,
}


def column_values(values: pd.Series) -> Values:
    """Return a column of a frame as values of a kind."""
    known = values.notna().to_numpy()
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        values, dtype = values.astype(dtype.categories.dtype), dtype.categories.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return Values("boolean", values.fillna(False).to_numpy(dtype=bool), known)
    if pd.api.types.is_numeric_dtype(dtype):
        return Values("number", values.to_numpy(dtype=float, na_value=np.nan), known)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return Values("date", values.to_numpy(dtype="datetime64[ns]"), known)
    if not known.any():
        return Values("any", np.full(len(values), "", dtype=object), known)
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "boolean":
        return Values("boolean", values.where(known, False).to_numpy(dtype=bool), known)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return Values("number", pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan), known)
    return Values("text", np.where(known, values.to_numpy(dtype=object), ""), known)


def compare(operator: str, left: Array, right: Array) -> Mask:
    """Compare known values."""
    work: dict[str, Callable[[Array, Array], object]] = {
        "==": np.equal,
        "!=": np.not_equal,
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
    }
    return np.asarray(work[operator](left, right), dtype=bool)


def finite(data: NDArray[np.float64], known: Mask) -> Values:
    """Arithmetic that overflows gives a missing value, as a division by zero does."""
    return Values("number", data, known & np.isfinite(data))


def per_text(values: Values, work: Callable[[str], object], kind: Kind) -> Values:
    """Apply a function to each different text once."""
    codes, texts = pd.factorize(np.where(values.known, values.data, "").astype(object))
    results = [work(str(text)) for text in texts]
    found = np.array([result is not None for result in results], dtype=bool)
    data = np.zeros(len(results), dtype=DTYPES[kind])
    for position, result in enumerate(results):
        if result is not None:
            data[position] = result
    return Values(kind, data[codes], values.known & found[codes])


def read_number(text: str) -> float | None:
    """Read a text as a number; None when it is not plainly one."""
    return float(text) if NUMBER.fullmatch(text.strip(SPACES)) else None


def write_number(value: float) -> str:
    """Write a number as text; whole numbers without a decimal point."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _date_reader(text: str = "iso") -> Callable[[str], object]:
    pattern = date_pattern(text)

    def read(value: str) -> object:
        span = pattern.read(value.strip(SPACES))
        return np.datetime64(span[0], "ns") if span and pattern.precision == "day" else None

    return read


def _clock(value: str) -> str | None:
    match = CLOCK.search(value)
    return match[0] if match else None


def _has_code(code: str, separator: str = ";") -> Callable[[str], object]:
    return lambda value: code in [one.strip(SPACES) for one in value.split(separator)]


TEXT_FUNCTIONS: dict[str, Callable[..., Callable[[str], object]]] = {
    "number": lambda: read_number,
    "date": _date_reader,
    "lower": lambda: str.lower,
    "trim": lambda: lambda value: value.strip(SPACES),
    "clock": lambda: _clock,
    "starts_with": lambda start: lambda value: value.startswith(start),
    "contains": lambda inner: lambda value: inner in value,
    "has_code": _has_code,
}


def _elementwise(work: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Callable[..., Values]:
    def apply(_: int, arguments: list[Values]) -> Values:
        with np.errstate(all="ignore"):
            return finite(work(arguments[0].data.astype(float)), arguments[0].known)

    return apply


def _extreme(work: Callable[..., NDArray[np.float64]]) -> Callable[..., Values]:
    def apply(_: int, arguments: list[Values]) -> Values:
        stacked = np.array([np.where(one.known, one.data, np.nan) for one in arguments], dtype=float)
        known = np.any([one.known for one in arguments], axis=0)
        return Values("number", np.where(known, work(stacked), 0.0), known)

    return apply


def _concat(n: int, arguments: list[Values]) -> Values:
    known = np.all([one.known for one in arguments], axis=0)
    data = np.full(n, "", dtype=object)
    for one in arguments:
        data = data + np.where(known, one.data, "")
    return Values("text", data, known)


def _days_between(n: int, arguments: list[Values]) -> Values:
    first, last = arguments
    known = first.known & last.known
    data = np.zeros(n)
    data[known] = (last.data[known] - first.data[known]) / np.timedelta64(1, "D")
    return Values("number", np.floor(data), known)


def _add_days(n: int, arguments: list[Values]) -> Values:
    day, step = arguments
    known = day.known & step.known & (np.abs(step.data.astype(float)) <= 50_000)
    data = np.zeros(n, dtype="datetime64[ns]")
    steps = np.floor(step.data[known].astype(float)).astype(int) * np.timedelta64(1, "D")
    data[known] = day.data[known].astype("datetime64[D]") + steps
    return Values("date", data, known)


def _year(n: int, arguments: list[Values]) -> Values:
    data = np.zeros(n)
    known = arguments[0].known
    data[known] = arguments[0].data[known].astype("datetime64[Y]").astype(int) + 1970
    return Values("number", data, known)


def _text(_: int, arguments: list[Values]) -> Values:
    data = np.array(
        [write_number(float(one)) for one in np.where(arguments[0].known, arguments[0].data, 0)], dtype=object
    )
    return Values("text", data, arguments[0].known)


ARRAY_FUNCTIONS: dict[str, Callable[[int, list[Values]], Values]] = {
    "abs": _elementwise(np.abs),
    "floor": _elementwise(np.floor),
    "log10": _elementwise(np.log10),
    "min_of": _extreme(lambda stacked: np.fmin.reduce(stacked, axis=0)),
    "max_of": _extreme(lambda stacked: np.fmax.reduce(stacked, axis=0)),
    "concat": _concat,
    "days_between": _days_between,
    "add_days": _add_days,
    "year": _year,
    "text": _text,
}
