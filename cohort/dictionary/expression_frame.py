"""Works expressions out on a pandas frame, vectorised, with three truth values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

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
from cohort.dictionary.frame_functions import (
    ARRAY_FUNCTIONS,
    DTYPES,
    TEXT_FUNCTIONS,
    Mask,
    Values,
    column_values,
    compare,
    finite,
    per_text,
)
from cohort.dictionary.strict_yaml import did_you_mean


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

    def node(self, node: Node) -> Values:
        if isinstance(node, Column):
            return column_values(self.frame[node.name])
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
            return Values("boolean", ~part.data.astype(bool), part.known)
        if isinstance(node, Arithmetic):
            values = self._arithmetic(node)
            return finite(values.data.astype(float), values.known)
        return self._call(node)

    def _refuse(self, what: str, remedy: str) -> Exception:
        return self.expression.error(f"{what} in the expression {self.expression.text!r}.", remedy=remedy)

    def _constant(self, node: Constant) -> Values:
        if node.value is None:
            return Values("any", np.full(self.n, "", dtype=object), np.zeros(self.n, dtype=bool))
        dtype = {"number": float, "boolean": bool}.get(node.kind, object)
        return Values(node.kind, np.full(self.n, node.value, dtype=dtype), np.ones(self.n, dtype=bool))

    def _boolean(self, node: Node) -> Values:
        values = self.node(node)
        if values.kind == "any":
            return Values("boolean", np.zeros(self.n, dtype=bool), values.known)
        if values.kind != "boolean":
            raise self._refuse(
                f"A {values.kind} stands where a condition is needed", "write for example x == 'yes'"
            )
        return values

    def _comparison(self, node: Comparison) -> Values:
        ordered = self._ordered_categories(node)
        left, right = ordered or (self.node(node.left), self.node(node.right))
        self._check_categories(node.left, [node.right])
        self._check_categories(node.right, [node.left])
        self._check_kinds(left, right)
        known = left.known & right.known
        data = np.zeros(self.n, dtype=bool)
        data[known] = compare(node.operator, left.data[known], right.data[known])
        return Values("boolean", data, known)

    def _check_kinds(self, left: Values, right: Values) -> None:
        if left.kind != right.kind and left.known.any() and right.known.any():
            remedy = (
                "put quotes around texts, leave them out for numbers, and read dates with date('2020-01-31')"
            )
            raise self._refuse(f"A {left.kind} is compared with a {right.kind}", remedy)

    def _ordered_categories(self, node: Comparison) -> tuple[Values, Values] | None:
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
            column = Values("number", codes, codes >= 0)
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

    def _membership(self, node: Membership) -> Values:
        part = self.node(node.part)
        self._check_categories(node.part, node.options)
        if part.known.any():
            self._check_kinds(part, self._constant(node.options[0]))
        options = [option.value for option in node.options]
        data = (
            np.isin(part.data, np.array(options, dtype=part.data.dtype)) if part.known.any() else part.known
        )
        return Values("boolean", ~data if node.negated else data, part.known)

    def _junction(self, node: Junction) -> Values:
        parts = [self._boolean(part) for part in node.parts]
        decides = node.operator == "or"
        decided = np.zeros(self.n, dtype=bool)
        all_known = np.ones(self.n, dtype=bool)
        for part in parts:
            decided |= part.known & (part.data.astype(bool) == decides)
            all_known &= part.known
        return Values("boolean", decided if decides else ~decided, decided | all_known)

    def _number(self, node: Node) -> Values:
        values = self.node(node)
        if values.kind == "any":
            return Values("number", np.zeros(self.n), values.known & False)
        if values.kind != "number":
            raise self._refuse(
                f"A {values.kind} stands where a number is needed", "read a text with number(...)"
            )
        return values

    def _arithmetic(self, node: Arithmetic) -> Values:
        left, right = (
            self._arithmetic(side) if isinstance(side, Arithmetic) else self._number(side)
            for side in (node.left, node.right)
        )
        known = left.known & right.known
        a, b = left.data.astype(float), right.data.astype(float)
        if node.operator == "/":
            known = known & (b != 0)
            return Values("number", np.divide(a, b, out=np.zeros(self.n), where=known), known)
        work = {"+": np.add, "-": np.subtract, "*": np.multiply}[node.operator]
        with np.errstate(all="ignore"):
            return Values("number", work(a, b), known)

    def _call(self, node: Call) -> Values:
        if node.function == "case":
            return self._case(node)
        if node.function == "coalesce":
            return self._coalesce(node)
        if node.function == "is_missing":
            part = self.node(node.arguments[0])
            return Values("boolean", ~part.known, np.ones(self.n, dtype=bool))
        constants = [one.value for one in node.arguments[1:] if isinstance(one, Constant)]
        first = self.node(node.arguments[0])
        if node.function in TEXT_FUNCTIONS:
            work = TEXT_FUNCTIONS[node.function](*[str(one) for one in constants])
            return per_text(first, work, node.kind)
        return ARRAY_FUNCTIONS[node.function](
            self.n, [first, *(self.node(one) for one in node.arguments[1:])]
        )

    def _case(self, node: Call) -> Values:
        """Decide in order; a missing condition leaves the row missing for good."""
        open_rows = np.ones(self.n, dtype=bool)
        chosen: list[tuple[Values, Mask]] = []
        for condition, value in zip(node.arguments[:-1:2], node.arguments[1:-1:2], strict=True):
            test = self._boolean(condition)
            chosen.append((self.node(value), open_rows & test.known & test.data.astype(bool)))
            open_rows = open_rows & test.known & ~test.data.astype(bool)
        chosen.append((self.node(node.arguments[-1]), open_rows))
        return self._merge(chosen)

    def _coalesce(self, node: Call) -> Values:
        open_rows = np.ones(self.n, dtype=bool)
        chosen = []
        for argument in node.arguments:
            values = self.node(argument)
            chosen.append((values, open_rows & values.known))
            open_rows = open_rows & ~values.known
        return self._merge(chosen)

    def _merge(self, chosen: Sequence[tuple[Values, Mask]]) -> Values:
        kinds: set[Kind] = {values.kind for values, _ in chosen if values.kind != "any"}
        if len(kinds) > 1:
            raise self._refuse(f"{' and '.join(sorted(kinds))} are mixed", "give values of one kind")
        kind: Kind = next(iter(kinds)) if kinds else "any"
        data = np.zeros(self.n, dtype=DTYPES[kind])
        known = np.zeros(self.n, dtype=bool)
        for values, rows in chosen:
            rows = rows & values.known
            data[rows] = values.data[rows]
            known |= rows
        return Values(kind, data, known)
