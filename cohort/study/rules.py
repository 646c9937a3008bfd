"""Rules of a study: expressions that hold, do not hold, or cannot be decided."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.expressions import column_kinds, evaluate, parse_expression
from cohort.errors import StudyError

BoolArray = NDArray[np.bool_]


def evaluate_rule(rule: str, frame: pd.DataFrame) -> tuple[BoolArray, BoolArray]:
    """Evaluate a rule for each row.

    Parameters
    ----------
    rule : str
        Condition in the closed expression language, over the columns of the frame.
    frame : DataFrame of shape (n_rows, n_columns)
        The rows.

    Returns
    -------
    holds : array of shape (n_rows,)
        Whether the rule holds; False where it cannot be decided.
    known : array of shape (n_rows,)
        Whether it can be decided.

    Raises
    ------
    StudyError
        When the expression is not allowed, names no column, or is no condition.

    Examples
    --------
    >>> frame = pd.DataFrame({"age_years": [17.0, 40.0, None]})
    >>> holds, known = evaluate_rule("age_years >= 18", frame)
    >>> holds.tolist(), known.tolist()
    ([False, True, False], [True, True, False])
    """
    names = {name: kind for name, kind in column_kinds(frame).items() if "__" not in name}
    expression = parse_expression(rule, names, error=StudyError)
    if expression.kind not in ("boolean", "any"):
        raise StudyError(
            f"The rule {rule!r} is not a condition.",
            evidence=f"it gives a {expression.kind}",
            remedy='Compare it with something: "age_years >= 18"',
        )
    value = evaluate(expression, frame).astype("boolean")
    known = value.notna().to_numpy(dtype=bool)
    return value.fillna(False).to_numpy(dtype=bool), known
