"""What a column is for a descriptive table: numbers, levels, yes/no, MRI finding; and why values lack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.closest import closest_names
from cohort.dictionary.facts import ColumnFacts
from cohort.dictionary.states import MISSING_REASONS, PRESENCE, binary_states, is_three_state, without_blanks
from cohort.errors import StudyError
from cohort.tables.labels import Labels, level_label, variable_label

Kind = Literal["numbers", "levels", "binary", "finding"]
Summary = Literal["median", "mean", "levels"]

NOT_KNOWN = "missing"
NOT_APPLICABLE = "not_applicable"
_KEYS = frozenset({"patient_id", "infusion_number", "center_id", "source", "exam_id", "reader_id"})
_ORDINAL_NAMES = frozenset({"ecog", "disease_stage"})
_ORDINAL_SUFFIXES = ("_grade", "_grade_lower", "_grade_upper", "_imaging_blind", "_stage")
_BINARY_WORDS = frozenset({"no", "yes", "absent", "present"})


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """One column as a descriptive table shows it.

    Attributes
    ----------
    name : str
        Column name.
    label, unit : str
        As printed.
    kind : {'numbers', 'levels', 'binary', 'finding'}
        How it is summarized.
    summary : {'median', 'mean', 'levels'}
        For numbers, what is printed.
    values : array of shape (n,)
        Numbers in the variable's unit, or codes of the levels; NaN where not known.
    levels : tuple of str
        Values of the levels, in order (``no, yes`` for binary and finding).
    level_labels : tuple of str
        As printed.
    reasons : array of str of shape (n,)
        Why the value is not known; empty where it is.
    digits : int or None
        Decimals of the printed numbers; None for whole numbers, of which halves keep their decimal.
    """

    name: str
    label: str
    unit: str
    kind: Kind
    summary: Summary
    values: NDArray[np.float64]
    levels: tuple[str, ...]
    level_labels: tuple[str, ...]
    reasons: NDArray[np.object_]
    digits: int | None

    @property
    def known(self) -> NDArray[np.bool_]:
        """Rows whose value is known, shape (n,)."""
        return ~np.isnan(self.values)

    def counts(self, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Patients per level among these rows, shape (levels,)."""
        codes = self.values[rows & self.known].astype(np.int64)
        return np.bincount(codes, minlength=len(self.levels)).astype(np.int64)

    def sample(self, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Known numbers among these rows."""
        return self.values[rows & self.known]


def make_variable(
    data: pd.DataFrame,
    name: str,
    *,
    continuous: Summary | Mapping[str, Summary],
    labels: Labels,
    facts: Mapping[str, ColumnFacts],
    digits: Mapping[str, int] | int | None = None,
) -> Variable:
    """Decide how a column is summarized and why its missing values lack.

    Text and categories are levels; absent/present, no/yes and booleans are one row; numbers are continuous
    but for grades, stages and ECOG, and where ``continuous`` says ``'levels'``.

    Parameters
    ----------
    data : DataFrame
        One row per patient.
    name : str
        Column.
    continuous : {'median', 'mean'} or mapping
        Summary of numbers, or by column (``'levels'`` shows each value as a level).
    labels : mapping
        The caller's labels by column name, or by ``(column, level)``.
    facts : mapping of str to ColumnFacts
        What is known about the columns.
    digits : int, mapping or None
        Decimals, or by column; None chooses them by the size of the values.

    Returns
    -------
    Variable
        The column.

    Raises
    ------
    StudyError
        When the column does not exist or is a date.
    """
    if name not in data.columns:
        close = closest_names(name, map(str, data.columns))
        raise StudyError(
            f"column {name!r} is not in the data",
            evidence=f"{data.shape[1]} columns: {', '.join(map(str, data.columns[:12]))}",
            remedy=f"did you mean {' or '.join(close)}?" if close else "name columns of the data",
        )
    column = without_blanks(data[name])
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise StudyError(
            f"column {name!r} is a date, which a table cannot summarize",
            remedy="use the day since infusion (a column that ends in _day)",
        )
    label, unit = variable_label(name, labels, facts)
    wish = continuous if isinstance(continuous, str) else continuous.get(name, "median")
    explicit = not isinstance(continuous, str) and name in continuous
    reasons = _reasons(data, name)
    if _is_finding_or_binary(column):
        coded, _ = binary_states(column)
        kind: Kind = "finding" if is_finding(column) else "binary"
        texts = ("absent", "present") if kind == "finding" else ("no", "yes")
        printed = tuple(level_label(name, text, labels) for text in texts)
        return Variable(name, label, unit, kind, "levels", coded, texts, printed, _explain(reasons, coded), 0)
    numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    if numeric and not (wish == "levels" or (not explicit and _is_ordinal(name))):
        values = _floats(column)
        places = _digits(values, name, digits)
        blank = _explain(reasons, values)
        return Variable(name, label, unit, "numbers", wish, values, (), (), blank, places)
    codes, levels = _codes(column)
    printed = tuple(level_label(name, level, labels) for level in levels)
    return Variable(
        name, label, unit, "levels", "levels", codes, levels, printed, _explain(reasons, codes), 0
    )


def default_variables(data: pd.DataFrame, facts: Mapping[str, ColumnFacts]) -> list[str]:
    """Choose the columns of a baseline table: those known at infusion, or all when nobody declared when.

    Keys, dates, years, days, statuses and text with more than twelve different values are left out.
    """
    baseline = {name for name, fact in facts.items() if fact.known == "baseline" or fact.known_day == 0}
    chosen = []
    for name in map(str, data.columns):
        if name in _KEYS or name.endswith(("__status", "_date", "_year", "_day", "_change")):
            continue
        if baseline and name not in baseline:
            continue
        column = data[name]
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            continue
        if pd.api.types.is_string_dtype(column.dtype) and column.nunique() > 12:
            continue
        if column.notna().any():
            chosen.append(name)
    return chosen


def imaged_states(finding: Variable) -> NDArray[np.float64]:
    """Code from a finding who was imaged: 1 yes, 0 no, NaN where nobody knows, shape (n,)."""
    states = np.ones(len(finding.reasons))
    states[finding.reasons == "not_imaged"] = 0.0
    states[finding.reasons == NOT_KNOWN] = np.nan
    return states


def is_finding(column: pd.Series) -> bool:
    """Whether the column has the states of an MRI finding."""
    labels = (
        set(column.cat.categories) if isinstance(column.dtype, pd.CategoricalDtype) else set(column.dropna())
    )
    return "present" in labels and bool(labels & set(PRESENCE[2:]))


def _is_finding_or_binary(column: pd.Series) -> bool:
    """Whether the column is absent/present, no/yes or boolean."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return True
    if not is_three_state(column):
        return False
    labels = (
        set(column.cat.categories) if isinstance(column.dtype, pd.CategoricalDtype) else set(column.dropna())
    )
    return bool(labels & _BINARY_WORDS)


def _is_ordinal(name: str) -> bool:
    """Whether a numeric column holds grades or stages."""
    return name in _ORDINAL_NAMES or name.endswith(_ORDINAL_SUFFIXES)


def _codes(column: pd.Series) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Codes of the levels (NaN where not known) and the levels in order."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        seen = set(column.dropna().unique())
        levels = [value for value in column.cat.categories if value in seen]
    else:
        known = column.dropna().unique().tolist()
        if len({isinstance(value, str) for value in known}) > 1:
            raise StudyError(
                f"column {column.name!r} holds texts among numbers",
                evidence=f"dtype {column.dtype}, {len(known)} distinct values",
                remedy=f'pd.to_numeric(data["{column.name}"], errors="coerce"), or make it a category',
            )
        levels = sorted(known)
    levels = [value for value in levels if value not in MISSING_REASONS]
    place = {value: position for position, value in enumerate(levels)}
    return _floats(column.map(place)), tuple(_text(value) for value in levels)


def _floats(column: pd.Series) -> NDArray[np.float64]:
    """Values as floats, NaN where missing."""
    return np.asarray(column.astype("Float64").to_numpy(dtype=float, na_value=np.nan), dtype=np.float64)


def _text(value: object) -> str:
    """Text of a level; whole numbers without decimals."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _reasons(data: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """Why a value may lack: the status beside it, or the label that stands for a reason."""
    column = data[name]
    reasons = np.full(len(data), "", dtype=object)
    if not pd.api.types.is_numeric_dtype(column.dtype):
        texts = column.astype(object)
        stands = texts.isin([*MISSING_REASONS, *PRESENCE[2:]]).to_numpy(dtype=bool)
        reasons[stands] = texts.to_numpy(dtype=object)[stands]
    status = f"{name}__status"
    if status in data.columns:
        stated = data[status].astype(object).where(data[status].notna(), "")
        told = np.array([str(text).removeprefix("missing:") for text in stated.tolist()], dtype=object)
        use = (reasons == "") & (told != "ok")
        reasons[use] = told[use]
    return reasons


def _explain(reasons: NDArray[np.object_], values: NDArray[np.float64]) -> NDArray[np.object_]:
    """Reasons where the value lacks, empty where it does not."""
    lacks = np.isnan(values)
    out = np.where(lacks, np.where(reasons == "", NOT_KNOWN, reasons), "")
    return out.astype(object)


def _digits(values: NDArray[np.float64], name: str, digits: Mapping[str, int] | int | None) -> int | None:
    """Decimals to print: the caller's, None for whole numbers, else by the size of the median."""
    if isinstance(digits, int):
        return digits
    if digits is not None and name in digits:
        return digits[name]
    known = values[~np.isnan(values)]
    if known.size == 0 or np.all(known == np.round(known)):
        return None
    size = float(np.median(np.abs(known)))
    return 0 if size >= 100 else 1 if size >= 1 else 2
