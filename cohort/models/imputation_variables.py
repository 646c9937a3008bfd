"""From the columns of a frame to the variables of the chained equations: kinds, bounds, what is to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import NOT_KNOWN, binary_states, is_three_state, without_blanks
from cohort.errors import EstimationError
from cohort.estimators.chained_equations import Kind, Method, Variable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MAX_CATEGORIES = 20
METHODS: Mapping[str, Method] = {
    "number": "pmm",
    "binary": "logistic",
    "ordered": "proportional_odds",
    "unordered": "multinomial",
}
_NOT_APPLICABLE = "missing:not_applicable"


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of the frame and the variable made of it.

    Attributes
    ----------
    variable : Variable
        What the chained equations use.
    labels : tuple or None
        Value of each code; None for numbers as they are.
    states : tuple of str
        Kinds of not known that were left as they are.
    """

    variable: Variable
    labels: tuple[object, ...] | None
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller declared about single variables; see :func:`cohort.models.impute.impute`.

    Attributes
    ----------
    kinds, intervals, bounds, decimals, delta, predictors, methods : mapping
        By variable.
    states : tuple of str
        Kinds of not known that are imputed.
    """

    kinds: Mapping[str, Kind]
    intervals: Mapping[str, tuple[str, str]]
    bounds: Mapping[str, tuple[float, float]]
    decimals: Mapping[str, int]
    delta: Mapping[str, float | pd.Series]
    predictors: Mapping[str, Sequence[str]]
    methods: Mapping[str, str]
    states: tuple[str, ...]


def make_column(data: pd.DataFrame, name: str, options: Options) -> Column:
    """Code one column.

    Parameters
    ----------
    data : DataFrame
        The data.
    name : str
        Column.
    options : Options
        What was declared.

    Returns
    -------
    Column
        The variable and how to decode it.

    Raises
    ------
    EstimationError
        For a column that identifies patients, holds dates, has too many categories or infinite values; or that
        has missing values and fewer than two observed ones.
    """
    series = without_blanks(data[name])
    refuse_identifier(series)
    kind = _kind(series, name, options)
    values, labels, state, states = _coded(series, kind, options.states)
    state, states = _not_applicable(data, name, values, state, states)
    if labels is not None and name not in options.intervals and kind != "ordered":
        kind = "binary" if len(labels) <= 2 else "unordered"
    wanted = np.isnan(values) & (state == 0)
    n_level = 0 if labels is None else len(labels)
    low, high = _bounds(data, name, wanted, labels, options)
    _check_observed(name, values, wanted)
    method = _method(name, kind, options) if wanted.any() else ""
    _check_delta(name, kind, options)
    integer = pd.api.types.is_integer_dtype(series.dtype)
    decimals = options.decimals.get(name, 0 if integer and kind == "number" else None)
    predictors = options.predictors.get(name)
    variable = Variable(
        name=name,
        kind=kind,
        method=method,
        values=values,
        wanted=wanted,
        state=state,
        n_level=n_level,
        low=low,
        high=high,
        decimals=decimals,
        delta=_shift(data, name, wanted, options),
        predictors=None if predictors is None else tuple(predictors),
    )
    return Column(variable, labels, states)


def refuse_identifier(series: pd.Series) -> None:
    """Refuse a column that says who a patient is, by its name or by having a text for nearly every row."""
    name = str(series.name)
    is_text = not pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_datetime64_any_dtype(
        series.dtype
    )
    n_distinct = series.nunique()
    by_name = name.endswith("_id") and name != "center_id"
    if by_name or (is_text and n_distinct > max(MAX_CATEGORIES, len(series) / 2)):
        raise EstimationError(
            f"column {name} identifies patients and cannot be imputed or predict",
            evidence=f"{n_distinct} distinct values in {len(series)} rows",
            remedy=f'exclude=["{name}"]: it stays in the completed data as it is',
        )


def _kind(series: pd.Series, name: str, options: Options) -> Kind:
    declared = options.kinds.get(name)
    if declared is not None and declared not in METHODS:
        raise EstimationError(
            f"kind {declared!r} of {name} is not known",
            evidence=f"kinds: {', '.join(METHODS)}",
            remedy=f'kinds={{"{name}": "ordered"}}',
        )
    if declared is not None:
        return declared
    if name in options.intervals:
        return "ordered"
    if is_three_state(series) or pd.api.types.is_bool_dtype(series.dtype):
        return "binary"
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "ordered" if series.cat.ordered else "unordered"
    if pd.api.types.is_numeric_dtype(series.dtype):
        return "binary" if set(series.dropna().unique()) <= {0, 1} else "number"
    if pd.api.types.is_object_dtype(series.dtype):
        inferred = series.infer_objects().convert_dtypes()
        if not pd.api.types.is_object_dtype(inferred.dtype):
            return _kind(inferred, name, options)
    if pd.api.types.is_string_dtype(series.dtype):
        return "unordered"
    raise EstimationError(
        f"column {name} cannot be imputed or predict",
        evidence=f"dtype {series.dtype}",
        remedy=f'turn dates into days since infusion; or exclude=["{name}"]',
    )


def _coded(
    series: pd.Series, kind: Kind, impute_states: Sequence[str]
) -> tuple[FloatArray, tuple[object, ...] | None, IntArray, tuple[str, ...]]:
    """Return values or codes (NaN unknown), labels of codes, and kinds of not known that stay."""
    n = len(series)
    none: IntArray = np.zeros(n, dtype=np.int64)
    if is_three_state(series):
        coded, reasons = binary_states(series)
        state, stay = _staying(series, [r for r in reasons if r != "missing"], impute_states)
        known = set(series.dropna().unique()) | set(getattr(series.dtype, "categories", ()))
        labels = ("absent", "present") if known & {"absent", "present"} else ("no", "yes")
        return coded, labels, state, stay
    if kind == "number":
        values = pd.to_numeric(series, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        _refuse_odd_numbers(series, values)
        return values, None, none, ()
    present = series[series.notna()]
    if isinstance(series.dtype, pd.CategoricalDtype):
        used = set(present.unique())
        labels_list = [c for c in series.cat.categories if c in used]
    else:
        labels_list = _sorted(present)
    state, stay = _staying(series, [one for one in labels_list if one in NOT_KNOWN], impute_states)
    labels_list = [one for one in labels_list if one not in NOT_KNOWN]
    if len(labels_list) > MAX_CATEGORIES:
        raise EstimationError(
            f"column {series.name} has too many categories to be imputed from or with",
            evidence=f"{len(labels_list)} categories, at most {MAX_CATEGORIES}",
            remedy=f'merge categories, declare kinds={{"{series.name}": "number"}}, or exclude it',
        )
    if kind == "ordered" and pd.api.types.is_numeric_dtype(series.dtype):
        labels_list = _whole_grades(series, labels_list)
    codes = pd.Categorical(series, categories=labels_list).codes.astype(float)
    return np.where(codes < 0, np.nan, codes), tuple(labels_list), state, stay


def _staying(
    series: pd.Series, reasons: Sequence[object], impute_states: Sequence[str]
) -> tuple[IntArray, tuple[str, ...]]:
    """Give a number to each kind of not known that is not imputed; 0 is everything else."""
    stay = tuple(str(one) for one in reasons if one not in impute_states)
    texts = series.astype(object)
    state: IntArray = np.zeros(len(series), dtype=np.int64)
    for number, reason in enumerate(stay, start=1):
        state[(texts == reason).to_numpy(dtype=bool)] = number
    return state, stay


def _sorted(present: pd.Series) -> list[object]:
    try:
        return sorted(present.unique())
    except TypeError:
        raise EstimationError(
            f"column {present.name} holds texts among numbers",
            evidence=f"dtype {present.dtype}, {present.nunique()} distinct values",
            remedy=f'pd.to_numeric(data["{present.name}"], errors="coerce"), or make it a category',
        ) from None


def _refuse_odd_numbers(series: pd.Series, values: FloatArray) -> None:
    n_infinite = int(np.isinf(values).sum())
    n_text = int((np.isnan(values) & series.notna().to_numpy()).sum())
    if n_infinite or n_text:
        raise EstimationError(
            f"column {series.name} has values that are not finite numbers",
            evidence=f"{n_infinite} infinite, {n_text} texts, of {len(values)} values",
            remedy="set them to missing, or to the limit of detection",
        )


def _whole_grades(series: pd.Series, labels: list[object]) -> list[object]:
    """Return the observed grades; refuse grade 2.5."""
    grades = np.array(labels, dtype=float)
    if not (grades == np.floor(grades)).all():
        raise EstimationError(
            f"grade {series.name} has values that are not whole numbers",
            evidence=f"{int((grades != np.floor(grades)).sum())} of {len(grades)} distinct values",
            remedy="round the grade by a declared rule first",
        )
    return labels


def _not_applicable(
    data: pd.DataFrame, name: str, values: FloatArray, state: IntArray, states: tuple[str, ...]
) -> tuple[IntArray, tuple[str, ...]]:
    """Leave values alone that the harmonised status calls not applicable."""
    status = data.get(f"{name}__status")
    if status is None:
        return state, states
    at = (status.astype(object) == _NOT_APPLICABLE).to_numpy(dtype=bool) & np.isnan(values) & (state == 0)
    if not at.any():
        return state, states
    return np.where(at, len(states) + 1, state), (*states, "not_applicable")


def _bounds(
    data: pd.DataFrame,
    name: str,
    wanted: NDArray[np.bool_],
    labels: tuple[object, ...] | None,
    options: Options,
) -> tuple[FloatArray, FloatArray]:
    """Return bounds on the coded scale: of an interval-valued grade row by row, else as declared."""
    n = len(data)
    if labels is None:
        lowest, highest = options.bounds.get(name, (-np.inf, np.inf))
        return np.full(n, float(lowest)), np.full(n, float(highest))
    if name not in options.intervals:
        return np.zeros(n), np.full(n, len(labels) - 1.0)
    ends = [data[c].to_numpy(dtype=float, na_value=np.nan) for c in options.intervals[name]]
    grades = np.array(labels, dtype=float)
    reversed_ = int((wanted & (ends[0] > ends[1])).sum())
    low = np.searchsorted(grades, np.where(np.isnan(ends[0]), -np.inf, ends[0]), side="left").astype(
        np.float64
    )
    high = (
        np.searchsorted(grades, np.where(np.isnan(ends[1]), np.inf, ends[1]), side="right").astype(np.float64)
        - 1
    )
    empty = int((wanted & (low > high)).sum()) - reversed_
    if reversed_ or empty:
        raise EstimationError(
            f"bounds of {name} leave no grade to impute",
            evidence=f"{reversed_} rows with lower above upper, {empty} whose grades nobody was observed to have",
            remedy=f"check {' and '.join(options.intervals[name])}",
        )
    return low, high


def _check_observed(name: str, values: FloatArray, wanted: NDArray[np.bool_]) -> None:
    known = values[~np.isnan(values)]
    if wanted.any() and (not len(known) or known.min() == known.max()):
        what = "no observed value" if not len(known) else "one observed value only"
        raise EstimationError(
            f"column {name} has {what}, so nothing can be learned about its missing values",
            evidence=f"{int(wanted.sum())} missing, {len(known)} observed",
            remedy=f'exclude=["{name}"]',
        )


def _method(name: str, kind: Kind, options: Options) -> Method:
    chosen = options.methods.get(name)
    if chosen is None:
        return METHODS[kind]
    allowed: tuple[Method, ...] = ("pmm", "normal") if kind == "number" else (METHODS[kind],)
    for method in allowed:
        if method == chosen:
            return method
    raise EstimationError(
        f"method {chosen!r} does not impute the {kind} variable {name}",
        evidence=f"methods: {', '.join(allowed)}",
        remedy=f'methods={{"{name}": "{allowed[0]}"}}',
    )


def _check_delta(name: str, kind: Kind, options: Options) -> None:
    if name in options.delta and kind == "unordered":
        raise EstimationError(
            f"delta has no direction for the unordered categories of {name}",
            evidence="deltas exist for numbers, yes/no variables and ordered categories",
            remedy=f"make {name} an ordered category, or a yes/no variable",
        )


def _shift(data: pd.DataFrame, name: str, wanted: NDArray[np.bool_], options: Options) -> float | FloatArray:
    """Return the shift of what is drawn: one for all, or of each row, aligned by index."""
    delta = options.delta.get(name, 0.0)
    if not isinstance(delta, pd.Series):
        values: FloatArray = np.array([delta], dtype=float)
    else:
        values = delta.reindex(data.index).to_numpy(dtype=float, na_value=np.nan)[wanted]
    if not np.isfinite(values).all():
        raise EstimationError(
            f"delta of {name} is not a finite number for every row that is imputed",
            evidence=f"{int((~np.isfinite(values)).sum())} of {len(values)}",
            remedy=f'delta={{"{name}": pd.Series(0.0, index=data.index).mask(data["severe"] == 1, 0.5)}}',
        )
    return values if isinstance(delta, pd.Series) else float(values[0])


def decode(column: Column, drawn: FloatArray, series: pd.Series) -> pd.Series:
    """Return the column with its missing values filled in, of the same dtype where it can hold them.

    Parameters
    ----------
    column : Column
        How it was coded.
    drawn : array of shape (n_wanted,)
        Values or codes.
    series : Series
        The column as observed.

    Returns
    -------
    Series
        The completed column.
    """
    completed = without_blanks(series).copy()
    rows = np.flatnonzero(column.variable.wanted)
    if column.labels is None:
        values = drawn.astype(np.int64) if pd.api.types.is_integer_dtype(series.dtype) else drawn
    else:
        labels = np.empty(len(column.labels), dtype=object)
        labels[:] = column.labels
        values = labels[drawn.astype(np.int64)]
        if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
            values = values.astype(float)
            values = values.astype(np.int64) if pd.api.types.is_integer_dtype(series.dtype) else values
    if isinstance(completed.dtype, pd.CategoricalDtype):
        missing = [label for label in column.labels or () if label not in completed.cat.categories]
        completed = completed.cat.add_categories(missing) if missing else completed
    completed.iloc[rows] = values
    return completed
