"""Parses the allowed part of Python's syntax into the nodes of an expression."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping

from cohort.dictionary.dates import date_pattern
from cohort.dictionary.expression_nodes import (
    Arithmetic,
    Call,
    Column,
    Comparison,
    Constant,
    Junction,
    Kind,
    Membership,
    Negation,
    Node,
)
from cohort.dictionary.functions import FUNCTIONS, Signature
from cohort.dictionary.strict_yaml import did_you_mean
from cohort.errors import CohortError

MAX_LENGTH = 4000
MAX_NODES = 400
MAX_WEIGHT = 5000
_LARGEST = 1e15
_COPIES = {"text": 5, "date": 4, "log10": 2, "add_days": 2, "is_missing": 2}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_OPERATIONS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_WORDS: dict[str, tuple[bool | None, Kind]] = {
    "missing": (None, "any"),
    "true": (True, "boolean"),
    "false": (False, "boolean"),
}


class Parser:
    """Turns the allowed part of Python's syntax into nodes."""

    def __init__(
        self, text: str, names: Mapping[str, Kind], harmonized: dict[str, Kind], error: type[CohortError]
    ) -> None:
        self.text = text
        self.names = names
        self.known_variables = harmonized
        self.error = error
        self.columns: dict[str, None] = {}
        self.variables: dict[str, None] = {}

    def parse(self) -> Node:
        """Return the tree, or raise with the reason and what to write instead."""
        if not self.text.strip():
            raise self.error("An expression is empty.", remedy="write a condition such as age_years >= 18")
        if len(self.text) > MAX_LENGTH:
            raise self.error("An expression is too long.", evidence=f"{len(self.text)} characters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                tree = ast.parse(self.text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            where = f" near column {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
            raise self.error(
                f"This is not an expression{where}: {self.text!r}.",
                remedy="use == for equality, quotes around text, and / or / not between conditions",
            ) from error
        if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
            raise self.error("An expression has too many parts.", remedy="split it into several")
        root = self._node(tree.body)
        if _weight(root) > MAX_WEIGHT:
            raise self.error("An expression nests too deeply.", remedy="split it into several")
        return root

    def _refuse(self, what: str, remedy: str) -> CohortError:
        return self.error(f"{what} in the expression {self.text!r}.", remedy=remedy)

    def _node(self, node: ast.expr) -> Node:
        if isinstance(node, ast.Constant):
            return self._constant(node.value)
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Compare):
            return self._chain(node)
        if isinstance(node, ast.BoolOp):
            parts = tuple(self._need(self._node(part), "boolean") for part in node.values)
            return Junction("and" if isinstance(node.op, ast.And) else "or", parts)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
            left, right = (self._need(self._node(side), "number") for side in (node.left, node.right))
            return Arithmetic(_OPERATIONS[type(node.op)], left, right)
        if isinstance(node, ast.Call):
            return self._call(node)
        what = type(node.op).__name__ if isinstance(node, ast.BinOp) else type(node).__name__
        raise self._refuse(
            f"{what} is not part of the language", "see the table of expressions in docs/mapping.md"
        )

    def _constant(self, value: object) -> Constant:
        if isinstance(value, bool):
            return Constant(value, "boolean")
        if isinstance(value, str):
            return Constant(value, "text")
        if isinstance(value, int | float) and abs(value) <= _LARGEST:
            return Constant(float(value), "number")
        if value is None:
            raise self._refuse("None is not part of the language", "write `x is missing`")
        raise self._refuse("A value of this kind is not allowed", "write numbers as 1.5 and texts in quotes")

    def _name(self, name: str) -> Node:
        if name in _WORDS and name not in self.names:
            value, kind = _WORDS[name]
            return Constant(value, kind)
        return self._column(name)

    def _column(self, name: str) -> Column:
        if name not in self.names:
            remedy = did_you_mean(name, self.names) or 'quote texts; column("...") for a name with spaces'
            raise self._refuse(f"Unknown name {name!r}", remedy)
        self.columns[name] = None
        return Column(name, self.names[name])

    def _unary(self, node: ast.UnaryOp) -> Node:
        part = self._node(node.operand)
        if isinstance(node.op, ast.Not):
            return Negation(self._need(part, "boolean"))
        if not isinstance(node.op, ast.USub | ast.UAdd):
            raise self._refuse("~ is not part of the language", "write not")
        part = self._need(part, "number")
        if isinstance(part, Constant) and isinstance(part.value, float):
            return Constant(-part.value if isinstance(node.op, ast.USub) else part.value, "number")
        return part if isinstance(node.op, ast.UAdd) else Arithmetic("-", Constant(0.0, "number"), part)

    def _chain(self, node: ast.Compare) -> Node:
        sides = [node.left, *node.comparators]
        parts = tuple(
            self._compare(left, operator, right)
            for left, operator, right in zip(sides[:-1], node.ops, sides[1:], strict=True)
        )
        return parts[0] if len(parts) == 1 else Junction("and", parts)

    def _compare(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Node:
        if isinstance(operator, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Name) and right.id == "missing"):
                raise self._refuse("`is` with anything but missing", "write == or `is missing`")
            test = Call("is_missing", (self._node(left),), "boolean")
            return test if isinstance(operator, ast.Is) else Negation(test)
        if isinstance(operator, ast.In | ast.NotIn):
            return self._membership(left, right, isinstance(operator, ast.NotIn))
        first, second = self._node(left), self._node(right)
        if _is_missing(first) or _is_missing(second):
            raise self._refuse("A comparison with missing is always missing", "write `x is missing`")
        self._same_kind(first, second)
        return Comparison(_COMPARISONS[type(operator)], first, second)

    def _membership(self, left: ast.expr, right: ast.expr, negated: bool) -> Membership:
        if not isinstance(right, ast.Tuple | ast.List) or not right.elts:
            raise self._refuse("`in` needs a list of values", "write x in ('a', 'b')")
        part = self._node(left)
        options = []
        for item in right.elts:
            option = self._node(item)
            if not isinstance(option, Constant) or option.value is None:
                raise self._refuse("`in` takes plain values only", "write x in ('a', 'b') or x is missing")
            self._same_kind(part, option)
            options.append(option)
        return Membership(part, tuple(options), negated)

    def _same_kind(self, first: Node, second: Node) -> None:
        if "any" in (first.kind, second.kind) or first.kind == second.kind:
            return
        pair = {first.kind, second.kind}
        remedy = "compare like with like"
        if pair == {"text", "number"}:
            remedy = "put quotes around the value, or read the column with number(...)"
        elif pair == {"text", "date"}:
            remedy = "read the text with date(...), for example date('2020-01-31')"
        raise self._refuse(f"A {first.kind} is compared with a {second.kind}", remedy)

    def _need(self, node: Node, kind: Kind) -> Node:
        if node.kind in (kind, "any"):
            return node
        remedies = {
            "number": "read the column with number(...)",
            "boolean": "write a condition such as x == 'yes'",
        }
        raise self._refuse(
            f"A {node.kind} stands where a {kind} is needed", remedies.get(kind, f"give a {kind}")
        )

    def _call(self, node: ast.Call) -> Node:
        if not isinstance(node.func, ast.Name):
            raise self._refuse(
                "Only functions of the list can be called", f"one of {', '.join(sorted(FUNCTIONS))}"
            )
        name = node.func.id
        if node.keywords or any(isinstance(one, ast.Starred) for one in node.args):
            raise self._refuse(f"{name} takes plain arguments", "leave out keywords and stars")
        if name == "column":
            return self._column(self._only_text(node, name))
        if name == "value":
            return self._variable(node)
        signature = FUNCTIONS.get(name)
        if signature is None:
            remedy = did_you_mean(name, FUNCTIONS) or f"one of {', '.join(sorted(FUNCTIONS))}"
            raise self._refuse(f"Unknown function {name!r}", remedy)
        return self._checked_call(name, signature, tuple(self._node(one) for one in node.args))

    def _only_text(self, node: ast.Call, name: str) -> str:
        first = node.args[0] if len(node.args) == 1 else None
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            raise self._refuse(f"{name} takes one quoted name", f"write {name}('NAME')")
        return first.value

    def _variable(self, node: ast.Call) -> Column:
        first = node.args[0] if len(node.args) == 1 else None
        name = first.id if isinstance(first, ast.Name) else self._only_text(node, "value")
        if name not in self.known_variables:
            remedy = (
                did_you_mean(name, self.known_variables)
                or "value(...) takes a variable with a rule that is not derived"
            )
            raise self._refuse(f"Unknown variable {name!r} in value(...)", remedy)
        self.variables[name] = None
        return Column(name, self.known_variables[name], harmonized=True)

    def _checked_call(self, name: str, signature: Signature, arguments: tuple[Node, ...]) -> Call:
        complaint = signature.complaint(len(arguments))
        if complaint:
            raise self._refuse(f"{name} {complaint}", signature.usage)
        for position, argument in enumerate(arguments):
            kind = signature.kind_at(position, len(arguments))
            if kind != "any" and not _is_missing(argument):
                self._need(argument, kind)
            if signature.constant_from is not None and position >= signature.constant_from:
                self._need_constant(name, argument, signature)
        return Call(name, arguments, self._result(name, signature, arguments))

    def _need_constant(self, name: str, argument: Node, signature: Signature) -> None:
        if not isinstance(argument, Constant):
            raise self._refuse(f"{name} needs a quoted text there", signature.usage)
        if name == "date":
            date_pattern(str(argument.value), self.error)

    def _result(self, name: str, signature: Signature, arguments: tuple[Node, ...]) -> Kind:
        if signature.result != "same":
            return signature.result
        values = [*arguments[1::2], arguments[-1]] if name == "case" else list(arguments)
        kinds = {value.kind for value in values if not _is_missing(value)}
        if len(kinds - {"any"}) > 1:
            raise self._refuse(f"{name} mixes {' and '.join(sorted(kinds))}", "give values of one kind")
        return next(iter(kinds)) if len(kinds) == 1 else "any"


def _is_missing(node: Node) -> bool:
    return isinstance(node, Constant) and node.value is None


def _children(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Comparison | Arithmetic):
        return (node.left, node.right)
    if isinstance(node, Membership | Negation):
        return (node.part,)
    if isinstance(node, Junction):
        return node.parts
    return node.arguments if isinstance(node, Call) else ()


def _weight(node: Node) -> int:
    """Return about how many nodes the compiled tree has: some functions copy their argument."""
    copies = _COPIES.get(node.function, 1) if isinstance(node, Call) else 1
    return 1 + copies * sum(_weight(child) for child in _children(node))
