"""Columns of a screen: what kind each is, its scores, and why values are not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.facts import ColumnFacts
from cohort.dictionary.states import NOT_KNOWN, binary_states

FloatArray = NDArray[np.float64]
Kind = Literal["binary", "ordered", "number", "unusable"]


@dataclass(frozen=True, slots=True, eq=False)
class ScreenColumn:
    """One column of a screen.

    Attributes
    ----------
    name : str
        Its name.
    kind : {'binary', 'ordered', 'number', 'unusable'}
        Two values, ordered grades, numbers; or nothing that can be tested.
    scores : array of shape (n,)
        0/1 for two values, codes of ordered grades, numbers; NaN for not known.
    why_unknown : array of shape (n,)
        Reason where the score is NaN (``not_imaged``, ``missing``, ...), empty elsewhere.
    reason : str
        Why the column cannot be tested; empty when it can.
    note : str
        Which of two levels counts as exposed, where the column does not say so itself.
    """

    name: str
    kind: Kind
    scores: FloatArray
    why_unknown: NDArray[np.object_]
    reason: str = ""
    note: str = ""


def screen_column(values: pd.Series, facts: ColumnFacts | None = None) -> ScreenColumn:
    """Find the kind of a column, and score it.

    Parameters
    ----------
    values : Series of shape (n,)
        Values of the column, empty texts already missing.
    facts : ColumnFacts, optional
        What is known of it: a column that measures a grade must hold whole numbers.

    Returns
    -------
    ScreenColumn
        Never an error: what cannot be tested is ``unusable`` and says why.
    """
    name = str(values.name)
    why = values.astype(object).where(values.notna(), "missing").astype(str).to_numpy(dtype=object)
    try:
        return _known(name, "binary", binary_states(values)[0], why)
    except (ValueError, TypeError):
        pass
    if isinstance(values.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(values.dtype):
        return _labels(name, values, why)
    if pd.api.types.is_complex_dtype(values.dtype):
        return _unusable(name, len(values), "complex numbers")
    return _numbers(name, values, why, facts)


def _numbers(
    name: str, values: pd.Series, why: NDArray[np.object_], facts: ColumnFacts | None
) -> ScreenColumn:
    scores = values.to_numpy(dtype=float, na_value=np.nan)
    if np.isinf(scores).any():
        return _unusable(name, len(values), f"{int(np.isinf(scores).sum())} infinite values in {name}")
    grade = name.endswith("_grade") or (facts is not None and bool(facts.measures))
    if grade and (np.mod(scores[~np.isnan(scores)], 1) != 0).any():
        broken = int((np.mod(scores[~np.isnan(scores)], 1) != 0).sum())
        return _unusable(name, len(values), f"{broken} grades in {name} are not whole: round them first")
    return _known(name, "ordered" if grade else "number", scores, why)


def _labels(name: str, values: pd.Series, why: NDArray[np.object_]) -> ScreenColumn:
    ordered = isinstance(values.dtype, pd.CategoricalDtype) and bool(values.cat.ordered)
    seen = {str(value) for value in values.dropna().unique()} - NOT_KNOWN
    levels = [str(c) for c in values.cat.categories if str(c) in seen] if ordered else sorted(seen)
    if len(levels) > 2 and not ordered:
        return _unusable(
            name,
            len(values),
            f"{name} has {len(levels)} unordered levels: order them, or ask for one of them",
        )
    text = values.astype(object).astype(str).to_numpy(dtype=object)
    scores = np.full(len(values), np.nan)
    for code, level in enumerate(levels):
        scores[text == level] = code
    if len(levels) > 2:
        return _known(name, "ordered", scores, why)
    note = f"{name}: {levels[1]} against {levels[0]}" if len(levels) == 2 else ""
    return _known(name, "binary", scores, why, note)


def _known(
    name: str, kind: Kind, scores: FloatArray, why: NDArray[np.object_], note: str = ""
) -> ScreenColumn:
    missing = np.isnan(scores)
    return ScreenColumn(name, kind, scores, np.where(missing, why, ""), "", note)


def _unusable(name: str, n: int, reason: str) -> ScreenColumn:
    return ScreenColumn(name, "unusable", np.full(n, np.nan), np.full(n, "", dtype=object), reason)
