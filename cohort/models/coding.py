"""Columns as tables of counts need them: two values, categories, or declared scores; the rest is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import binary_states, is_three_state, without_not_known
from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
LeftOut = tuple[tuple[str, str, int], ...]
MAX_LEVELS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A column as numbers.

    Attributes
    ----------
    numbers : array of shape (n,)
        0 and 1, the position of the category, or the score; NaN where the value is not usable.
    labels : tuple of str
        Names of the categories in order; of a number, empty.
    notes : tuple of str
        What a reader should be told.
    """

    numbers: FloatArray
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def keep_usable(
    columns: pd.DataFrame, coded: Mapping[str, Coded]
) -> tuple[NDArray[np.bool_], LeftOut, tuple[str, ...]]:
    """Find the rows in which every column is usable.

    Parameters
    ----------
    columns : DataFrame of shape (n, k)
        The columns as they came.
    coded : mapping of str to Coded
        The same columns as numbers.

    Returns
    -------
    keep : array of shape (n,)
        Rows to use.
    left_out : tuple of (str, str, int)
        Column, reason and number of the others; every row is counted once, at its first column.
    notes : tuple of str
        Notes of the columns.
    """
    keep = np.ones(len(columns), dtype=bool)
    left_out: list[tuple[str, str, int]] = []
    notes: tuple[str, ...] = ()
    for name, column in coded.items():
        notes = (*notes, *column.notes)
        bad = np.isnan(column.numbers) & keep
        reasons = binary_reasons(columns[name].iloc[np.flatnonzero(bad)])
        left_out += [(name, reason, n) for reason, n in reasons.items()]
        keep &= ~bad
    return keep, tuple(left_out), notes


def binary_reasons(values: pd.Series) -> dict[str, int]:
    """Count unusable values by their label (not_imaged, ...), or as missing.

    Parameters
    ----------
    values : Series of shape (n,)
        Values that cannot be used.

    Returns
    -------
    dict of str to int
        Numbers by reason, most frequent first.
    """
    labels = values.astype(object).where(values.notna(), "missing").astype(str).value_counts()
    ordered = sorted(labels.items(), key=lambda item: (-int(item[1]), str(item[0])))
    return {str(reason): int(n) for reason, n in ordered}


def as_binary(values: pd.Series) -> Coded:
    """Code a column as 1, 0 and NaN; a category of two levels says which is 1, a kind of not known is none."""
    try:
        return Coded(binary_states(values)[0])
    except (ValueError, TypeError):
        pass
    category = values if isinstance(values.dtype, pd.CategoricalDtype) else values.astype("category")
    category = without_not_known(category)
    levels = list(category.cat.remove_unused_categories().cat.categories)
    if len(levels) != 2:
        raise EstimationError(
            f"column {values.name} does not have two values",
            evidence=f"{len(levels)} distinct values, dtype {values.dtype}",
            remedy="use absent/present, no/yes, boolean, 0/1, or a category of two levels",
        )
    coded = np.where(category.isna(), np.nan, np.where(category == levels[1], 1.0, 0.0))
    note = f"{values.name}: {levels[1]} against {levels[0]}"
    return Coded(np.asarray(coded, dtype=float), (str(levels[0]), str(levels[1])), (note,))


def as_categories(values: pd.Series) -> Coded:
    """Code a column as positions of its categories; kinds of not known are NaN.

    Parameters
    ----------
    values : Series of shape (n,)
        Category in its order; anything else in sorted order.

    Returns
    -------
    Coded
        Positions of the categories that occur.

    Raises
    ------
    EstimationError
        When there are more than 50 categories.
    """
    if is_three_state(values):
        pair = ("absent", "present") if values.isin(["absent", "present"]).any() else ("no", "yes")
        return Coded(binary_states(values)[0], pair)
    category = values if isinstance(values.dtype, pd.CategoricalDtype) else _sorted_category(values)
    category = without_not_known(category).cat.remove_unused_categories()
    labels = tuple(_label(one) for one in category.cat.categories)
    if len(labels) > MAX_LEVELS:
        raise EstimationError(
            f"column {values.name} has more than {MAX_LEVELS} categories",
            evidence=f"{len(labels)} distinct values, dtype {values.dtype}",
            remedy=f'cut it into groups first: pd.cut(data["{values.name}"], [...])',
        )
    codes = category.cat.codes.to_numpy(dtype=float)
    return Coded(np.where(codes < 0, np.nan, codes), labels)


def as_scores(values: pd.Series, scores: Mapping[object, float] | None = None) -> Coded:
    """Code an ordered column as scores.

    Parameters
    ----------
    values : Series of shape (n,)
        Numbers, which are their own scores; an ordered category, whose numeric labels are the scores, or else
        its positions 0, 1, 2 (kinds of not known are missing, never a position); or two values.
    scores : mapping, optional
        Score of every label.

    Returns
    -------
    Coded
        Scores; ``labels`` of the categories in order when the column has any.

    Raises
    ------
    EstimationError
        For a text without an order, a label without a score, an infinite value, or a fraction in a grade.
    """
    if scores is not None:
        return _declared(values, scores)
    if is_three_state(values) or pd.api.types.is_bool_dtype(values.dtype):
        return Coded(binary_states(values)[0])
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _ordered(without_not_known(values))
    numbers = values.convert_dtypes() if pd.api.types.is_object_dtype(values.dtype) else values
    if not pd.api.types.is_numeric_dtype(numbers.dtype):
        raise _no_order(values)
    found = numbers.to_numpy(dtype=float, na_value=np.nan)
    _check_numbers(found, str(values.name))
    return Coded(np.asarray(found))


def interval_grades(name: str, data: pd.DataFrame, values: FloatArray) -> NDArray[np.bool_]:
    """Tell where a grade is missing because only its bounds are known.

    Parameters
    ----------
    name : str
        Column of the grade; its bounds are ``<name>_lower`` and ``<name>_upper``.
    data : DataFrame of shape (n, k)
        The data.
    values : array of shape (n,)
        The grade as scores.

    Returns
    -------
    array of shape (n,)
        True where both bounds are known and differ.
    """
    low, high = f"{name}_lower", f"{name}_upper"
    if low not in data.columns or high not in data.columns:
        return np.zeros(len(data), dtype=bool)
    bounds = [
        pd.to_numeric(data[c], errors="coerce").to_numpy(dtype=float, na_value=np.nan) for c in (low, high)
    ]
    return np.asarray(np.isnan(values) & (bounds[0] < bounds[1]))


def _sorted_category(values: pd.Series) -> pd.Series:
    known = values.dropna().unique().tolist()
    try:
        levels = sorted(known)
    except TypeError:
        levels = sorted(known, key=str)
    return pd.Series(pd.Categorical(values, categories=levels), index=values.index, name=values.name)


def _label(value: object) -> str:
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(float(value))) if whole else str(value)  # type: ignore[arg-type]


def _ordered(values: pd.Series) -> Coded:
    labels = list(values.cat.categories)
    if not values.cat.ordered and len(labels) > 2:
        raise _no_order(values)
    numeric = pd.to_numeric(pd.Series(labels, dtype=object), errors="coerce").to_numpy(dtype=float)
    if np.isnan(numeric).any() or (np.diff(numeric) <= 0).any():
        numeric = np.arange(len(labels), dtype=float)
    _check_numbers(numeric, str(values.name))
    codes = values.cat.codes.to_numpy()
    found = np.where(codes < 0, np.nan, numeric[np.maximum(codes, 0)]) if len(labels) else codes * np.nan
    return Coded(np.asarray(found, dtype=float), tuple(_label(one) for one in labels))


def _declared(values: pd.Series, scores: Mapping[object, float]) -> Coded:
    known = values.dropna().unique().tolist()
    missing = [str(one) for one in known if one not in scores]
    if missing:
        raise EstimationError(
            f"scores= has no score for {len(missing)} labels of {values.name}",
            evidence=f"labels without a score: {', '.join(sorted(missing)[:10])}",
            remedy="give every label a score, or set those labels to missing first",
        )
    table = pd.Series(dict(scores), dtype=float)
    _check_numbers(np.array(list(scores.values()), dtype=float), "scores=", fractions=True)
    found = values.astype(object).map(table).to_numpy(dtype=float, na_value=np.nan)
    said = ", ".join(f"{label} = {value:g}" for label, value in table.items())
    return Coded(np.asarray(found), (), (f"scores of {values.name}: {said}",))


def _check_numbers(found: FloatArray, name: str, *, fractions: bool = False) -> None:
    n_infinite = int(np.isinf(found).sum())
    if n_infinite:
        raise EstimationError(
            f"column {name} has infinite values",
            evidence=f"{n_infinite} of {len(found)} values are infinite",
            remedy="set them to missing, or to the limit of detection",
        )
    known = found[~np.isnan(found)]
    n_fraction = int((known != np.floor(known)).sum())
    if n_fraction and not fractions and "grade" in name:
        raise EstimationError(
            f"column {name} is a grade and holds values between two grades",
            evidence=f"{n_fraction} of {len(known)} values are not whole",
            remedy=f'declare the rounding: data["{name}"].round(), or pass scores=',
        )


def _no_order(values: pd.Series) -> EstimationError:
    return EstimationError(
        f"column {values.name} has no order",
        evidence=f"dtype {values.dtype}, {values.nunique()} distinct values",
        remedy=f'pd.Categorical(data["{values.name}"], categories=[...], ordered=True), or pass scores={{...}}',
    )
