"""A small closed expression language: Python's syntax, parsed by ``ast`` and never evaluated as Python.

`parse_expression` checks a text against an allow-list and the names in scope, `compile_sql` turns the
result into a sqlglot tree, `evaluate` works it out on a pandas frame. Both know three truth values: a
comparison with a missing value is missing, and the default of ``case`` never swallows a missing condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from cohort.dictionary.expression_nodes import Expression, Kind
from cohort.dictionary.expression_parser import Parser
from cohort.errors import CohortError, MappingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlglot import exp


def parse_expression(
    text: str,
    names: Iterable[str] | Mapping[str, Kind],
    *,
    harmonized: Mapping[str, Kind] | None = None,
    error: type[CohortError] = MappingError,
) -> Expression:
    """Check an expression and return its tree.

    Parameters
    ----------
    text : str
        For example ``age_years >= 18 and product in ('axi-cel', 'brexu-cel')``.
    names : iterable of str, or mapping of str to str
        Names in scope; a mapping also gives their kind (``text, number, date, boolean``), so that a
        comparison of text with a number is refused.
    harmonized : mapping of str to str, optional
        Names that ``value(...)`` may use, with their kind.
    error : type, default=MappingError
        Class of the error raised.

    Returns
    -------
    Expression
        For `compile_sql` and `evaluate`.

    Raises
    ------
    CohortError
        Of class ``error``: not an expression, a construct or function outside the language, an unknown name.

    Examples
    --------
    >>> parse_expression("0 < x <= 5 or x is missing", ["x"]).columns
    ('x',)
    """
    kinds: Mapping[str, Kind] = names if isinstance(names, Mapping) else dict.fromkeys(names, "any")
    parser = Parser(text, kinds, dict(harmonized or {}), error)
    root = parser.parse()
    return Expression(text, root, tuple(parser.columns), tuple(parser.variables), error)


def column_kinds(frame: pd.DataFrame) -> dict[str, Kind]:
    """Return the kind of each column of a frame, for `parse_expression`."""
    return {str(name): _kind_of(frame[name]) for name in frame.columns}


def evaluate(expression: Expression, frame: pd.DataFrame) -> pd.Series:
    """Work an expression out on a frame, all rows at once.

    Parameters
    ----------
    expression : Expression
        From `parse_expression`.
    frame : DataFrame of shape (n, p)
        Has the columns that the expression uses.

    Returns
    -------
    Series of shape (n,)
        ``boolean``, ``Float64``, ``string`` or ``datetime64[ns]``; missing where it cannot be known.
        The index is the frame's.

    Raises
    ------
    CohortError
        When a category that a column does not have is compared with it, or categories without an order are
        ordered.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [17, 40, None]})
    >>> evaluate(parse_expression("age >= 18", ["age"]), frame).tolist()
    [False, True, <NA>]
    """
    from cohort.dictionary.expression_frame import evaluate_frame

    return evaluate_frame(expression, frame)


def compile_sql(
    expression: Expression,
    column: Callable[[str], exp.Expression] | None = None,
    harmonized: Callable[[str], exp.Expression] | None = None,
) -> exp.Expression:
    """Compile an expression to a sqlglot tree.

    Parameters
    ----------
    expression : Expression
        From `parse_expression`.
    column, harmonized : callable, optional
        Give the tree for a column, and for a variable in ``value(...)``; quoted column names by default.

    Returns
    -------
    sqlglot.exp.Expression
        NULL where the expression is missing.
    """
    from cohort.dictionary.expression_sql import compile_node, quoted

    return compile_node(expression.root, column or quoted, harmonized or quoted)


def _kind_of(values: pd.Series) -> Kind:
    dtype = values.cat.categories.dtype if isinstance(values.dtype, pd.CategoricalDtype) else values.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if pd.api.types.is_numeric_dtype(dtype):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date"
    return "text" if isinstance(values.dtype, pd.CategoricalDtype | pd.StringDtype) else "any"
