"""Compiles expressions to sqlglot trees; NULL is missing, as on the frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from cohort.dictionary.dates import MONTHS, DatePattern, date_pattern
from cohort.dictionary.expression_nodes import (
    Arithmetic,
    Call,
    Column,
    Comparison,
    Constant,
    Junction,
    Membership,
    Negation,
    Node,
)

Tree = exp.Expression
Scope = Callable[[str], Tree]
SPACES = " \t\r\n\u00a0"
NUMBER = "^[+-]?(?:[0-9]+(?:[.][0-9]*)?|[.][0-9]+)(?:[eE][+-]?[0-9]{1,2})?$"
CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_LARGEST_STEP = 50_000
DOUBLE_AS_TEXT = "double_as_text"  # mark of a cast whose digits engines write in different ways


def quoted(name: str) -> Tree:
    """Return a quoted column."""
    return exp.column(exp.to_identifier(name, quoted=True))


def text(value: str) -> Tree:
    """Return an escaped text literal."""
    return exp.Literal.string(value)


def number(value: float) -> Tree:
    """Return a number literal of type DOUBLE."""
    return exp.Cast(this=text(repr(float(value))), to=exp.DataType.build("DOUBLE"))


def cast(tree: Tree, kind: str) -> Tree:
    """Cast; NULL when it does not work."""
    return exp.TryCast(this=tree, to=exp.DataType.build(kind), safe=True)


def matches(tree: Tree, pattern: str) -> Tree:
    """Whether a pattern is found in the text."""
    return exp.RegexpLike(this=tree, expression=text(pattern))


def extract(tree: Tree, pattern: str, group: int) -> Tree:
    """Return a group of a pattern; an empty text when it does not match."""
    return exp.Anonymous(this="regexp_extract", expressions=[tree, text(pattern), exp.Literal.number(group)])


def trimmed(tree: Tree) -> Tree:
    """Strip the spaces around a text."""
    return exp.Anonymous(this="trim", expressions=[tree, text(SPACES)])


def both(*tests: Tree) -> Tree:
    """Join tests by AND."""
    joined: Tree = exp.paren(tests[0])
    for test in tests[1:]:
        joined = exp.And(this=joined, expression=exp.paren(test))
    return joined


def either(*tests: Tree) -> Tree:
    """Join tests by OR."""
    joined: Tree = exp.paren(tests[0])
    for test in tests[1:]:
        joined = exp.Or(this=joined, expression=exp.paren(test))
    return joined


def named(tree: Tree, name: str) -> Tree:
    """Give a column its quoted name."""
    return exp.Alias(this=tree, alias=exp.to_identifier(name, quoted=True))


def is_null(tree: Tree) -> Tree:
    """Whether a value is NULL."""
    return exp.Is(this=exp.paren(tree), expression=exp.null())


def case(branches: Sequence[tuple[Tree, Tree]], default: Tree | None = None) -> Tree:
    """Return CASE WHEN ... END."""
    ifs = [exp.If(this=condition, true=value) for condition, value in branches]
    return exp.Case(ifs=ifs, default=default or exp.null())


def read_number(tree: Tree) -> Tree:
    """Read a text as DOUBLE; NULL when it is not plainly a number."""
    return cast(extract(trimmed(tree), NUMBER, 0), "DOUBLE")


def read_date(tree: Tree, pattern: DatePattern) -> Tree:
    """Read a text as the first day that it can mean; NULL when it does not fit or is no calendar day."""
    regex = f"^(?:{pattern.regex})$"
    if pattern.parts == ("serial",):
        days = cast(extract(tree, regex, 1), "INTEGER")
        return exp.Cast(
            this=exp.Add(this=exp.cast(text("1899-12-30"), "DATE"), expression=days),
            to=exp.DataType.build("DATE"),
        )
    if pattern.text in ("iso", "yyyy-mm-dd"):
        return case(
            [
                (
                    matches(tree, regex),
                    cast(exp.Left(this=tree.copy(), expression=exp.Literal.number(10)), "DATE"),
                )
            ]
        )
    year = extract(tree, regex, pattern.group("y"))
    month: Tree = text("01")
    day: Tree = text("01")
    if pattern.precision != "year":
        month = _month(extract(tree.copy(), regex, pattern.group("m")), pattern.named_month)
    if pattern.precision == "day":
        day = _two_digits(extract(tree.copy(), regex, pattern.group("d")))
    joined = _join([year, text("-"), month, text("-"), day])
    return cast(joined, "DATE")


def _month(tree: Tree, named: bool) -> Tree:
    if not named:
        return _two_digits(tree)
    lower = exp.Lower(this=tree)
    branches = [
        (exp.EQ(this=lower.copy(), expression=text(name)), text(f"{position:02d}"))
        for position, name in enumerate(MONTHS, start=1)
    ]
    return case(branches)


def _two_digits(tree: Tree) -> Tree:
    return exp.Anonymous(this="lpad", expressions=[tree, exp.Literal.number(2), text("0")])


def _join(parts: Sequence[Tree]) -> Tree:
    """Concatenate; NULL when a part is NULL."""
    joined = parts[0]
    for part in parts[1:]:
        joined = exp.DPipe(this=joined, expression=part)
    return exp.paren(joined)


def compile_node(node: Node, column: Scope, harmonized: Scope) -> Tree:
    """Compile a node; `column` and `harmonized` give the trees of names."""
    return _Compiler(column, harmonized).node(node)


class _Compiler:
    """Compiles the nodes of one expression."""

    def __init__(self, column: Scope, harmonized: Scope) -> None:
        self.column = column
        self.harmonized = harmonized

    def node(self, node: Node) -> Tree:
        if isinstance(node, Column):
            return (self.harmonized if node.harmonized else self.column)(node.name).copy()
        if isinstance(node, Constant):
            return _constant(node)
        if isinstance(node, Comparison):
            kind = _COMPARISONS[node.operator]
            return exp.paren(kind(this=self.node(node.left), expression=self.node(node.right)))
        if isinstance(node, Membership):
            test = exp.In(this=self.node(node.part), expressions=[_constant(one) for one in node.options])
            return exp.paren(exp.Not(this=exp.paren(test)) if node.negated else test)
        if isinstance(node, Junction):
            parts = [self.node(part) for part in node.parts]
            return exp.paren(exp.and_(*parts) if node.operator == "and" else exp.or_(*parts))
        if isinstance(node, Negation):
            return exp.paren(exp.Not(this=exp.paren(self.node(node.part))))
        if isinstance(node, Arithmetic):
            return _finite(self._arithmetic(node))
        return self._call(node)

    def _arithmetic(self, node: Arithmetic) -> Tree:
        """Compile with the test for overflow outside only, so that the tree does not grow with depth."""
        left, right = (
            self._arithmetic(side) if isinstance(side, Arithmetic) else exp.paren(self.node(side))
            for side in (node.left, node.right)
        )
        if node.operator == "/":
            right = exp.Nullif(this=right, expression=number(0))
        kinds = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul, "/": exp.Div}
        return exp.paren(kinds[node.operator](this=left, expression=right))

    def _call(self, node: Call) -> Tree:
        arguments = [self.node(one) for one in node.arguments]
        constants = [str(one.value) for one in node.arguments[1:] if isinstance(one, Constant)]
        if node.function == "case":
            return _case(arguments)
        if node.function in _WITH_CONSTANTS:
            return _WITH_CONSTANTS[node.function](arguments[0], *constants)
        return _PLAIN[node.function](*arguments)


_COMPARISONS = {"==": exp.EQ, "!=": exp.NEQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE}


def _constant(node: Constant) -> Tree:
    if node.value is None:
        return exp.null()
    if isinstance(node.value, bool):
        return exp.Boolean(this=node.value)
    return number(node.value) if isinstance(node.value, float) else text(str(node.value))


def _finite(tree: Tree) -> Tree:
    test = exp.Anonymous(this="isfinite", expressions=[tree])
    return case([(test, tree.copy())])


def _case(arguments: Sequence[Tree]) -> Tree:
    """Decide in order; a missing condition gives missing, never the default."""
    result = arguments[-1]
    pairs = list(zip(arguments[:-1:2], arguments[1:-1:2], strict=True))
    for condition, value in reversed(pairs):
        ifs = [
            exp.If(this=exp.Boolean(this=True), true=value),
            exp.If(this=exp.Boolean(this=False), true=result),
        ]
        result = exp.Case(this=exp.paren(condition), ifs=ifs, default=exp.null())
    return result


def _date(tree: Tree, pattern: str = "iso") -> Tree:
    compiled = date_pattern(pattern)
    return read_date(trimmed(tree), compiled) if compiled.precision == "day" else exp.cast(exp.null(), "DATE")


def _clock(tree: Tree) -> Tree:
    return exp.Nullif(this=extract(tree, CLOCK, 0), expression=text(""))


def _has_code(tree: Tree, code: str, separator: str = ";") -> Tree:
    """Look for a whole element of a separated list, spaces around elements left aside."""
    split = exp.Anonymous(this="string_split", expressions=[tree, text(separator)])
    element = exp.to_identifier("element")
    clean = exp.Lambda(this=trimmed(exp.column(element.copy())), expressions=[element])
    parts = exp.Anonymous(this="list_transform", expressions=[split, clean])
    return exp.Anonymous(this="list_contains", expressions=[parts, text(code)])


def _written(tree: Tree) -> Tree:
    """Write a number as text; whole numbers without a decimal point."""
    whole = exp.And(
        this=exp.EQ(this=tree, expression=exp.Floor(this=tree.copy())),
        expression=exp.LT(this=exp.Abs(this=tree.copy()), expression=number(1e15)),
    )
    integer: Tree = exp.cast(exp.cast(tree.copy(), "BIGINT"), "TEXT")
    digits = exp.cast(tree.copy(), "TEXT")
    digits.meta[DOUBLE_AS_TEXT] = True
    return case([(is_null(tree.copy()), exp.null()), (whole, integer)], digits)


def _add_days(day: Tree, n: Tree) -> Tree:
    possible = exp.LTE(this=exp.Abs(this=n), expression=number(_LARGEST_STEP))
    step = exp.cast(exp.Floor(this=n.copy()), "INTEGER")
    moved = exp.Cast(this=exp.Add(this=day, expression=step), to=exp.DataType.build("DATE"))
    return case([(possible, moved)])


def days_from(first: Tree, last: Tree) -> Tree:
    """Return the days from one date to another as DOUBLE."""
    return exp.cast(exp.DateDiff(this=last, expression=first, unit=exp.var("DAY")), "DOUBLE")


def _days_between(first: Tree, last: Tree) -> Tree:
    return days_from(exp.cast(first, "DATE"), exp.cast(last, "DATE"))


def _log10(tree: Tree) -> Tree:
    positive = exp.GT(this=tree, expression=number(0))
    return case([(positive, exp.Anonymous(this="log10", expressions=[tree.copy()]))])


_WITH_CONSTANTS: dict[str, Callable[..., Tree]] = {
    "date": _date,
    "starts_with": lambda tree, start: exp.Anonymous(this="starts_with", expressions=[tree, text(start)]),
    "contains": lambda tree, inner: exp.Anonymous(this="contains", expressions=[tree, text(inner)]),
    "has_code": _has_code,
}
_PLAIN: dict[str, Callable[..., Tree]] = {
    "coalesce": lambda first, *rest: exp.Coalesce(this=first, expressions=list(rest)),
    "is_missing": lambda tree: exp.paren(is_null(tree)),
    "number": read_number,
    "text": _written,
    "abs": lambda tree: exp.Abs(this=tree),
    "floor": lambda tree: exp.Floor(this=tree),
    "log10": _log10,
    "min_of": lambda first, *rest: exp.Anonymous(this="least", expressions=[first, *rest]),
    "max_of": lambda first, *rest: exp.Anonymous(this="greatest", expressions=[first, *rest]),
    "lower": lambda tree: exp.Lower(this=tree),
    "trim": trimmed,
    "concat": lambda *parts: _join(parts),
    "days_between": _days_between,
    "add_days": _add_days,
    "year": lambda tree: exp.cast(
        exp.Extract(this=exp.var("YEAR"), expression=exp.cast(tree, "DATE")), "DOUBLE"
    ),
    "clock": _clock,
}
