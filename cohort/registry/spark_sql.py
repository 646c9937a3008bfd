"""Writes the compiled tree in Spark SQL: the same rules, in the functions that Spark has for them."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from cohort.dictionary.expression_sql import DOUBLE_AS_TEXT, both, case, is_null, number, text

Tree = exp.Expression
DIALECT = "spark"


def to_spark(query: exp.Expression) -> str:
    r"""Write a query in Spark SQL.

    Parameters
    ----------
    query : sqlglot expression
        As compiled for DuckDB; not changed.

    Returns
    -------
    str
        The same query. Casts that may fail stay TRY_CAST, missing values sort last, and layers are not
        materialized, which Spark decides itself.

    Examples
    --------
    >>> from cohort.dictionary.expression_sql import cast, quoted
    >>> to_spark(exp.select(cast(quoted("a"), "DOUBLE")).from_("t"))
    'SELECT\n  TRY_CAST(`a` AS DOUBLE)\nFROM t'
    """
    tree = query.copy()
    for order in list(tree.find_all(exp.Order)):
        keys = [one.this if isinstance(one, exp.Ordered) else one for one in order.expressions]
        order.set("expressions", [exp.Ordered(this=one, nulls_first=False) for one in keys])
    for step in tree.find_all(exp.CTE):
        step.set("materialized", None)
    found: list[Tree] = [one for one in tree.walk(bfs=False) if isinstance(one, exp.Anonymous | exp.Cast)]
    for node in reversed(found):  # the innermost first
        translated = _translated(node)
        if translated is not node:
            node.replace(translated)
    return tree.sql(dialect=DIALECT, pretty=True)


def _translated(node: Tree) -> Tree:
    if isinstance(node, exp.Anonymous):
        translate = _FUNCTIONS.get(str(node.this).lower())
        return translate(*(one.copy() for one in node.expressions)) if translate else node
    if isinstance(node, exp.Cast) and node.meta.get(DOUBLE_AS_TEXT):
        return _double_as_text(node.copy())
    return node


def _function(name: str) -> Callable[..., Tree]:
    return lambda *arguments: exp.Anonymous(this=name, expressions=list(arguments))


def _is_finite(tree: Tree) -> Tree:
    """Tell whether a number is finite; missing when it is missing."""
    nan = exp.Not(this=exp.Anonymous(this="isnan", expressions=[tree.copy()]))
    infinite = exp.LT(this=exp.Abs(this=tree.copy()), expression=exp.cast(text("Infinity"), "DOUBLE"))
    return case([(is_null(tree), exp.null())], exp.paren(both(nan, infinite)))


def _split(tree: Tree, separator: Tree) -> Tree:
    """Split at a text, which Spark takes for a pattern."""
    return exp.Anonymous(this="split", expressions=[tree, text(re.escape(separator.name))])


def _double_as_text(node: exp.Cast) -> Tree:
    """Write a number without an exponent between 1e-18 and 1e15; Spark itself begins with exponents at 1e7."""
    value = node.this
    size = exp.Abs(this=value.copy())
    plain = both(
        exp.GTE(this=size, expression=number(1e-18)), exp.LT(this=size.copy(), expression=number(1e15))
    )
    decimal = exp.cast(exp.cast(value.copy(), "DECIMAL(38, 18)"), "TEXT")
    digits = exp.Anonymous(this="regexp_replace", expressions=[decimal, text("[.]?0+$"), text("")])
    return case([(plain, digits)], exp.cast(value.copy(), "TEXT"))


_FUNCTIONS: dict[str, Callable[..., Tree]] = {
    "trim": _function("btrim"),
    "starts_with": _function("startswith"),
    "list_contains": _function("array_contains"),
    "list_transform": _function("transform"),
    "isfinite": _is_finite,
    "string_split": _split,
}
