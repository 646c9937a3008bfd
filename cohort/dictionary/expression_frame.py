"""Works expressions out on a pandas frame, vectorised, with three truth values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.dates import date_pattern
from cohort.dictionary.expression_nodes import (
    Arithmetic,
    Call,
    Column,
    Comparison,
    Constant,
    Expression,
    Junction,
    Kind,
    Membership,
    Negation,
    Node,
)
from cohort.dictionary.strict_yaml import did_you_mean

NUMBER = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?")
CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
SPACES = " \t\r\n\u00a0"
_Array = NDArray[Any]
_Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Values:
    """Values with a mask of what is known; what is not known holds a filler."""

    kind: Kind
    data: _Array
    known: _Mask


def evaluate_frame(expression: Expression, frame: pd.DataFrame) -> pd.Series:
    """Work an expression out; see `cohort.dictionary.expressions.evaluate`."""
    values = _Evaluator(expression, frame).node(expression.root)
    if values.kind == "boolean":
        array: object = pd.arrays.BooleanArray(values.data.astype(bool), ~values.known)
    elif values.kind == "number":
        array = pd.arrays.FloatingArray(values.data.astype(float), ~values.known)
    elif values.kind == "date":
        array = np.where(values.known, values.data, np.datetime64("NaT", "ns"))
    else:
        texts = values.data.astype(object)
        texts[~values.known] = None
        array = pd.array(texts, dtype="string")
    return pd.Series(array, index=frame.index)


class _Evaluator:
    """Evaluates the nodes of one expression on one frame."""

    def __init__(self, expression: Expression, frame: pd.DataFrame) -> None:
        self.expression = expression
        self.frame = frame
        self.n = len(frame)

    def node(self, node: Node) -> _Values:
        if isinstance(node, Column):
            return _column(self.frame[node.name])
        if isinstance(node, Constant):
            return self._constant(node)
        if isinstance(node, Comparison):
            return self._comparison(node)
        if isinstance(node, Membership):
            return self._membership(node)
        if isinstance(node, Junction):
            return self._junction(node)
        if isinstance(node, Negation):
            part = self._boolean(node.part)
            return _Values("boolean", ~part.data.astype(bool), part.known)
        if isinstance(node, Arithmetic):
            values = self._arithmetic(node)
            return _finite(values.data.astype(float), values.known)
        return self._call(node)

    def _refuse(self, what: str, remedy: str) -> Exception:
        return self.expression.error(f"{what} in the expression {self.expression.text!r}.", remedy=remedy)

    def _constant(self, node: Constant) -> _Values:
        if node.value is None:
            return _Values("any", np.full(self.n, "", dtype=object), np.zeros(self.n, dtype=bool))
        dtype = {"number": float, "boolean": bool}.get(node.kind, object)
        return _Values(node.kind, np.full(self.n, node.value, dtype=dtype), np.ones(self.n, dtype=bool))

    def _boolean(self, node: Node) -> _Values:
        values = self.node(node)
        if values.kind == "any":
            return _Values("boolean", np.zeros(self.n, dtype=bool), values.known)
        if values.kind != "boolean":
            raise self._refuse(
                f"A {values.kind} stands where a condition is needed", "write for example x == 'yes'"
            )
        return values

    def _comparison(self, node: Comparison) -> _Values:
        ordered = self._ordered_categories(node)
        left, right = ordered or (self.node(node.left), self.node(node.right))
        self._check_categories(node.left, [node.right])
        self._check_categories(node.right, [node.left])
        self._check_kinds(left, right)
        known = left.known & right.known
        data = np.zeros(self.n, dtype=bool)
        data[known] = _compare(node.operator, left.data[known], right.data[known])
        return _Values("boolean", data, known)

    def _check_kinds(self, left: _Values, right: _Values) -> None:
        if left.kind != right.kind and left.known.any() and right.known.any():
            remedy = (
                "put quotes around texts, leave them out for numbers, and read dates with date('2020-01-31')"
            )
            raise self._refuse(f"A {left.kind} is compared with a {right.kind}", remedy)

    def _ordered_categories(self, node: Comparison) -> tuple[_Values, _Values] | None:
        """Compare an ordered category with one of its labels by position, not by alphabet."""
        if node.operator in ("==", "!="):
            return None
        for side, other in ((node.left, node.right), (node.right, node.left)):
            if not isinstance(side, Column) or not isinstance(other, Constant) or other.kind != "text":
                continue
            values = self.frame[side.name]
            dtype = values.dtype
            if not isinstance(dtype, pd.CategoricalDtype):
                continue
            if not dtype.ordered:
                raise self._refuse(
                    "Categories without an order are compared by size", "write x in ('a', 'b')"
                )
            self._check_categories(side, [other])
            codes = values.cat.codes.to_numpy(dtype=float)
            column = _Values("number", codes, codes >= 0)
            label = self._constant(Constant(float(list(dtype.categories).index(other.value)), "number"))
            return (column, label) if side is node.left else (label, column)
        return None

    def _check_categories(self, side: Node, others: Sequence[Node]) -> None:
        """Refuse a label that the categories do not have: it would be false for every row."""
        if not isinstance(side, Column) or not isinstance(self.frame[side.name].dtype, pd.CategoricalDtype):
            return
        categories = [str(one) for one in self.frame[side.name].cat.categories]
        for other in others:
            if isinstance(other, Constant) and other.kind == "text" and other.value not in categories:
                remedy = did_you_mean(str(other.value), categories) or "see the dictionary"
                raise self._refuse(f"{side.name!r} has no category {other.value!r}", remedy)

    def _membership(self, node: Membership) -> _Values:
        part = self.node(node.part)
        self._check_categories(node.part, node.options)
        if part.known.any():
            self._check_kinds(part, self._constant(node.options[0]))
        options = [option.value for option in node.options]
        data = (
            np.isin(part.data, np.array(options, dtype=part.data.dtype)) if part.known.any() else part.known
        )
        return _Values("boolean", ~data if node.negated else data, part.known)

    def _junction(self, node: Junction) -> _Values:
        parts = [self._boolean(part) for part in node.parts]
        decides = node.operator == "or"
        decided = np.zeros(self.n, dtype=bool)
        all_known = np.ones(self.n, dtype=bool)
        for part in parts:
            decided |= part.known & (part.data.astype(bool) == decides)
            all_known &= part.known
        return _Values("boolean", decided if decides else ~decided, decided | all_known)

    def _number(self, node: Node) -> _Values:
        values = self.node(node)
        if values.kind == "any":
            return _Values("number", np.zeros(self.n), values.known & False)
        if values.kind != "number":
            raise self._refuse(
                f"A {values.kind} stands where a number is needed", "read a text with number(...)"
            )
        return values

    def _arithmetic(self, node: Arithmetic) -> _Values:
        left, right = (
            self._arithmetic(side) if isinstance(side, Arithmetic) else self._number(side)
            for side in (node.left, node.right)
        )
        known = left.known & right.known
        a, b = left.data.astype(float), right.data.astype(float)
        if node.operator == "/":
            known = known & (b != 0)
            return _Values("number", np.divide(a, b, out=np.zeros(self.n), where=known), known)
        work = {"+": np.add, "-": np.subtract, "*": np.multiply}[node.operator]
        with np.errstate(all="ignore"):
            return _Values("number", work(a, b), known)

    def _call(self, node: Call) -> _Values:
        if node.function == "case":
            return self._case(node)
        if node.function == "coalesce":
            return self._coalesce(node)
        if node.function == "is_missing":
            part = self.node(node.arguments[0])
            return _Values("boolean", ~part.known, np.ones(self.n, dtype=bool))
        constants = [one.value for one in node.arguments[1:] if isinstance(one, Constant)]
        first = self.node(node.arguments[0])
        if node.function in _TEXT_FUNCTIONS:
            work = _TEXT_FUNCTIONS[node.function](*[str(one) for one in constants])
            return _per_text(first, work, node.kind)
        return _FUNCTIONS[node.function](self, [first, *(self.node(one) for one in node.arguments[1:])])

    def _case(self, node: Call) -> _Values:
        """Decide in order; a missing condition leaves the row missing for good."""
        open_rows = np.ones(self.n, dtype=bool)
        chosen: list[tuple[_Values, _Mask]] = []
        for condition, value in zip(node.arguments[:-1:2], node.arguments[1:-1:2], strict=True):
            test = self._boolean(condition)
            chosen.append((self.node(value), open_rows & test.known & test.data.astype(bool)))
            open_rows = open_rows & test.known & ~test.data.astype(bool)
        chosen.append((self.node(node.arguments[-1]), open_rows))
        return self._merge(chosen)

    def _coalesce(self, node: Call) -> _Values:
        open_rows = np.ones(self.n, dtype=bool)
        chosen = []
        for argument in node.arguments:
            values = self.node(argument)
            chosen.append((values, open_rows & values.known))
            open_rows = open_rows & ~values.known
        return self._merge(chosen)

    def _merge(self, chosen: Sequence[tuple[_Values, _Mask]]) -> _Values:
        kinds: set[Kind] = {values.kind for values, _ in chosen if values.kind != "any"}
        if len(kinds) > 1:
            raise self._refuse(f"{' and '.join(sorted(kinds))} are mixed", "give values of one kind")
        kind: Kind = next(iter(kinds)) if kinds else "any"
        data = np.zeros(self.n, dtype=_DTYPES[kind])
        known = np.zeros(self.n, dtype=bool)
        for values, rows in chosen:
            rows = rows & values.known
            data[rows] = values.data[rows]
            known |= rows
        return _Values(kind, data, known)


_DTYPES: dict[Kind, Any] = {
    "number": float,
    "boolean": bool,
    "date": "datetime64[ns]",
    "text": object,
    "any": object,
}


def _column(values: pd.Series) -> _Values:
    known = values.notna().to_numpy()
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        values, dtype = values.astype(dtype.categories.dtype), dtype.categories.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return _Values("boolean", values.fillna(False).to_numpy(dtype=bool), known)
    if pd.api.types.is_numeric_dtype(dtype):
        return _Values("number", values.to_numpy(dtype=float, na_value=np.nan), known)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _Values("date", values.to_numpy(dtype="datetime64[ns]"), known)
    if not known.any():
        return _Values("any", np.full(len(values), "", dtype=object), known)
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "boolean":
        return _Values("boolean", values.where(known, False).to_numpy(dtype=bool), known)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return _Values("number", pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan), known)
    return _Values("text", np.where(known, values.to_numpy(dtype=object), ""), known)


def _compare(operator: str, left: _Array, right: _Array) -> _Mask:
    work: dict[str, Callable[[_Array, _Array], object]] = {
        "==": np.equal,
        "!=": np.not_equal,
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
    }
    return np.asarray(work[operator](left, right), dtype=bool)


def _finite(data: NDArray[np.float64], known: _Mask) -> _Values:
    """Arithmetic that overflows gives a missing value, as a division by zero does."""
    return _Values("number", data, known & np.isfinite(data))


def _per_text(values: _Values, work: Callable[[str], object], kind: Kind) -> _Values:
    """Apply a function to each different text once."""
    codes, texts = pd.factorize(np.where(values.known, values.data, "").astype(object))
    results = [work(str(text)) for text in texts]
    found = np.array([result is not None for result in results], dtype=bool)
    data = np.zeros(len(results), dtype=_DTYPES[kind])
    for position, result in enumerate(results):
        if result is not None:
            data[position] = result
    return _Values(kind, data[codes], values.known & found[codes])


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


_TEXT_FUNCTIONS: dict[str, Callable[..., Callable[[str], object]]] = {
    "number": lambda: read_number,
    "date": _date_reader,
    "lower": lambda: str.lower,
    "trim": lambda: lambda value: value.strip(SPACES),
    "clock": lambda: _clock,
    "starts_with": lambda start: lambda value: value.startswith(start),
    "contains": lambda inner: lambda value: inner in value,
    "has_code": _has_code,
}


def _elementwise(work: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Callable[..., _Values]:
    def apply(_: _Evaluator, arguments: list[_Values]) -> _Values:
        with np.errstate(all="ignore"):
            return _finite(work(arguments[0].data.astype(float)), arguments[0].known)

    return apply


def _extreme(work: Callable[..., NDArray[np.float64]]) -> Callable[..., _Values]:
    def apply(_: _Evaluator, arguments: list[_Values]) -> _Values:
        stacked = np.array([np.where(one.known, one.data, np.nan) for one in arguments], dtype=float)
        known = np.any([one.known for one in arguments], axis=0)
        return _Values("number", np.where(known, work(stacked), 0.0), known)

    return apply


def _concat(evaluator: _Evaluator, arguments: list[_Values]) -> _Values:
    known = np.all([one.known for one in arguments], axis=0)
    data = np.full(evaluator.n, "", dtype=object)
    for one in arguments:
        data = data + np.where(known, one.data, "")
    return _Values("text", data, known)


def _days_between(evaluator: _Evaluator, arguments: list[_Values]) -> _Values:
    first, last = arguments
    known = first.known & last.known
    data = np.zeros(evaluator.n)
    data[known] = (last.data[known] - first.data[known]) / np.timedelta64(1, "D")
    return _Values("number", np.floor(data), known)


def _add_days(evaluator: _Evaluator, arguments: list[_Values]) -> _Values:
    day, n = arguments
    known = day.known & n.known & (np.abs(n.data.astype(float)) <= 50_000)
    data = np.zeros(evaluator.n, dtype="datetime64[ns]")
    steps = np.floor(n.data[known].astype(float)).astype(int) * np.timedelta64(1, "D")
    data[known] = day.data[known].astype("datetime64[D]") + steps
    return _Values("date", data, known)


def _year(evaluator: _Evaluator, arguments: list[_Values]) -> _Values:
    data = np.zeros(evaluator.n)
    known = arguments[0].known
    data[known] = arguments[0].data[known].astype("datetime64[Y]").astype(int) + 1970
    return _Values("number", data, known)


def _text(_: _Evaluator, arguments: list[_Values]) -> _Values:
    data = np.array(
        [write_number(float(one)) for one in np.where(arguments[0].known, arguments[0].data, 0)], dtype=object
    )
    return _Values("text", data, arguments[0].known)


_FUNCTIONS: dict[str, Callable[[_Evaluator, list[_Values]], _Values]] = {
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
