"""From a frame of raters, or of rows of readings, to counts per category, with every missing rating accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import NOT_KNOWN, is_three_state, without_blanks
from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
MOST_CATEGORIES = 200


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Coded ratings.

    Attributes
    ----------
    counts : array of shape (n, q)
        Ratings per unit and category.
    codes : array of shape (n, n_raters) or None
        Category of each rating, -1 where there is none; None where raters are not identified.
    raters : tuple of str
        Names of the raters; empty where they are not identified.
    labels : tuple of str
        Categories in order.
    scores : array of shape (q,)
        Places of the categories: their values where they are numbers, else 0, 1, ...
    ordered, numeric, declared : bool
        Whether the categories have an order, are numbers, and were named beforehand.
    missing : tuple of (str, str, int)
        Rater, reason and number of ratings that are missing.
    """

    counts: FloatArray
    codes: IntArray | None
    raters: tuple[str, ...]
    labels: tuple[str, ...]
    scores: FloatArray
    ordered: bool
    numeric: bool
    declared: bool
    missing: tuple[tuple[str, str, int], ...]

    @property
    def pair(self) -> tuple[IntArray, IntArray] | None:
        """Codes of the two raters, when there are two.

        Returns
        -------
        (array, array) or None
            None for more raters, or raters who are not identified.
        """
        if self.codes is None or self.codes.shape[1] != 2:
            return None
        return self.codes[:, 0], self.codes[:, 1]

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers, or categories of text.

        Returns
        -------
        bool
            False for measurements.
        """
        return bool((self.scores == np.floor(self.scores)).all())


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    labels: tuple[str, ...]
    scores: FloatArray
    ordered: bool
    numeric: bool
    declared: bool


def code_ratings(frame: pd.DataFrame, categories: Sequence[object] | None = None) -> Ratings:
    """Code the columns of a frame of raters; kinds of not known are missing ratings, never a category.

    Parameters
    ----------
    frame : DataFrame of shape (n, n_raters)
        One row per unit, one column per rater.
    categories : sequence, optional
        All possible categories in order; the declared ones of a category, else those that occur.

    Returns
    -------
    Ratings
        Codes, categories, and missing ratings by reason.

    Raises
    ------
    EstimationError
        For fewer than two raters, no units, columns of different kinds, a category that is not declared.
    """
    check_frame(frame)
    _refuse_not_known(categories)
    columns = [without_blanks(frame[name]) for name in frame.columns]
    if all(_is_number(column) for column in columns):
        return _code_numbers(columns, categories)
    return _code_texts(columns, categories)


def check_frame(frame: pd.DataFrame) -> None:
    """Refuse what is not a frame of at least two raters and one unit.

    Parameters
    ----------
    frame : DataFrame
        One row per unit, one column per rater.

    Raises
    ------
    EstimationError
        Also for duplicated names or index labels.
    """
    if not isinstance(frame, pd.DataFrame):
        raise EstimationError(
            "ratings are not a frame", remedy="pass a DataFrame with one column per rater, one row per unit"
        )
    if frame.columns.has_duplicates:
        raise EstimationError("two columns have the same name", remedy="give every rater a column of its own")
    if frame.shape[1] < 2 or not len(frame):
        raise EstimationError(
            "agreement needs at least two raters and one unit",
            evidence=f"{frame.shape[1]} raters, {len(frame)} units",
            remedy="pass one column per rater, or rows of readings with unit=, rater= and rating=",
        )
    if not frame.index.is_unique:
        raise EstimationError(
            "the index of the ratings has duplicated labels, and one row per unit is assumed",
            evidence=f"{int(frame.index.duplicated().sum())} of {len(frame)} labels are repeats",
            remedy='drop the repeats, or keep them as reset_index() with cluster="patient_id"',
        )


def _refuse_not_known(categories: Sequence[object] | None) -> None:
    named = sorted({str(label) for label in categories or ()} & NOT_KNOWN)
    if named:
        raise EstimationError(
            "a kind of not known is not a category of agreement",
            evidence=f"categories= names {', '.join(named)}",
            remedy=f'leave it out, or declare a judgment of its own: ratings.replace("{named[0]}", "equivocal")',
        )


def _is_number(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    if column.isna().all():
        return True
    kinds = column.infer_objects() if column.dtype == object else column
    return bool(pd.api.types.is_numeric_dtype(kinds.dtype) and not pd.api.types.is_complex_dtype(kinds.dtype))


def _code_numbers(columns: Sequence[pd.Series], categories: Sequence[object] | None) -> Ratings:
    values = as_measurements(columns)
    given = ~np.isnan(values)
    known: FloatArray = np.unique(values[given] if categories is None else _numbers(categories))
    if not given.any():
        raise EstimationError("no unit has a rating", remedy="pass columns with ratings")
    if len(known) > MOST_CATEGORIES:
        raise EstimationError(
            "the ratings have too many different values to be categories",
            evidence=f"{len(known)} different values",
            remedy="co.intraclass_correlation(ratings), or co.bland_altman for two methods",
        )
    codes = np.minimum(np.searchsorted(known, values), len(known) - 1)
    inside = given & (known[codes] == values)
    labels = tuple(f"{v:g}" for v in known)
    _refuse_undeclared(int((given & ~inside).sum()), labels)
    scale = _Scale(labels, known, True, True, categories is not None)
    missing = [(str(c.name), "missing", int(n)) for c, n in zip(columns, (~given).sum(axis=0), strict=True)]
    return _ratings(np.where(inside, codes, -1), columns, scale, missing)


def as_measurements(columns: Sequence[pd.Series]) -> FloatArray:
    """Return columns of numbers as an array with NaN.

    Parameters
    ----------
    columns : sequence of Series
        Numbers.

    Returns
    -------
    array of shape (n, n_raters)
        The values.

    Raises
    ------
    EstimationError
        For infinite values.
    """
    values = np.column_stack([c.astype("Float64").to_numpy(float, na_value=np.nan) for c in columns])
    n_infinite = int(np.isinf(values).sum())
    if n_infinite:
        raise EstimationError(
            "ratings are infinite", evidence=f"{n_infinite} ratings", remedy="set them to missing"
        )
    return np.asarray(values, dtype=np.float64)


def _numbers(categories: Sequence[object]) -> FloatArray:
    try:
        return np.asarray(list(categories), dtype=float)
    except (TypeError, ValueError):
        raise EstimationError(
            "ratings are numbers and categories= are not", remedy="write categories=[0, 1, 2, 3, 4]"
        ) from None


def _refuse_undeclared(n: int, labels: Sequence[str]) -> None:
    if n:
        raise EstimationError(
            "ratings are not among the declared categories",
            evidence=f"{n} ratings outside {', '.join(labels)}",
            remedy="correct them, or name every category in categories=",
        )


def _ratings(
    codes: NDArray[np.integer],
    columns: Sequence[pd.Series],
    scale: _Scale,
    missing: list[tuple[str, str, int]],
) -> Ratings:
    counts = np.stack([(codes == k).sum(axis=1) for k in range(len(scale.labels))], axis=1)
    return Ratings(
        counts=counts.astype(float),
        codes=codes.astype(np.intp),
        raters=tuple(str(c.name) for c in columns),
        labels=scale.labels,
        scores=scale.scores,
        ordered=scale.ordered,
        numeric=scale.numeric,
        declared=scale.declared,
        missing=tuple(row for row in missing if row[2]),
    )


def _code_texts(columns: Sequence[pd.Series], categories: Sequence[object] | None) -> Ratings:
    texts = [_as_text(column) for column in columns]
    missing: list[tuple[str, str, int]] = []
    known = []
    for text in texts:
        gone = text.isin(NOT_KNOWN).fillna(False).to_numpy(dtype=bool)
        reasons = text[gone].value_counts()
        missing += [(str(text.name), str(reason), int(n)) for reason, n in sorted(reasons.items())]
        missing.append((str(text.name), "missing", int(text.isna().sum())))
        known.append(text.mask(gone))
    together = pd.concat(known, ignore_index=True)
    if together.isna().all():
        raise EstimationError("no unit has a rating", remedy="pass columns with ratings that are known")
    scale = _scale(columns, pd.concat(texts, ignore_index=True), together, categories)
    codes = np.column_stack([pd.Categorical(text, categories=list(scale.labels)).codes for text in known])
    _refuse_undeclared(int(together.notna().sum()) - int((codes >= 0).sum()), scale.labels)
    return _ratings(codes, columns, scale, missing)


def _as_text(column: pd.Series) -> pd.Series:
    known = column.dropna().unique()
    if not isinstance(column.dtype, pd.CategoricalDtype) and not all(isinstance(v, str) for v in known):
        raise EstimationError(
            f"column {column.name} is not a rating like the others: raters mix texts, numbers or dates",
            evidence=f"dtype {column.dtype}",
            remedy='name the columns of the raters only: co.agreement(data[["reader_1", "reader_2"]])',
        )
    return column.astype(object).where(column.notna(), None).map(_label, na_action="ignore").astype("string")


def _label(value: object) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return f"{value:g}" if whole else str(value)


def _scale(
    columns: Sequence[pd.Series],
    texts: pd.Series,
    together: pd.Series,
    categories: Sequence[object] | None,
) -> _Scale:
    """Give the categories: those named, absent and present, those declared, or those that occur."""
    if categories is not None:
        labels = list(dict.fromkeys(_label(label) for label in categories))
        return _placed(labels, ordered=True, declared=True)
    if is_three_state(texts):
        yes_no = together.isin(["no", "yes"]).any()
        if yes_no and together.isin(["absent", "present"]).any():
            raise EstimationError(
                "ratings mix absent/present with no/yes", remedy='ratings.replace({"no": "absent", ...})'
            )
        return _placed(["no", "yes"] if yes_no else ["absent", "present"], ordered=True, declared=True)
    declared = [c for c in columns if isinstance(c.dtype, pd.CategoricalDtype)]
    if not declared:
        return _placed(sorted(together.dropna().unique()), ordered=False, declared=False)
    sets = [[_label(v) for v in c.cat.categories if _label(v) not in NOT_KNOWN] for c in declared]
    ordered = [bool(c.cat.ordered) for c in declared]
    if any(set(labels) != set(sets[0]) for labels in sets) or (
        any(ordered) and any(labels != sets[0] for labels in sets)
    ):
        raise EstimationError(
            "raters have different categories, or the same in a different order",
            evidence="; ".join(f"{c.name}: {len(s)}" for c, s in zip(declared, sets, strict=True)),
            remedy="give every column the same categories, or name them in order in categories=",
        )
    return _placed(sets[0], ordered=all(ordered), declared=True)


def _placed(labels: list[str], *, ordered: bool, declared: bool) -> _Scale:
    """Place ordered labels that are increasing numbers at their values, and others at 0, 1, ..."""
    values = pd.to_numeric(pd.Series(labels, dtype=object), errors="coerce").to_numpy(dtype=float)
    numeric = ordered and bool(np.isfinite(values).all() and (np.diff(values) > 0).all())
    scores = values if numeric else np.arange(len(labels), dtype=float)
    return _Scale(tuple(labels), scores, ordered, numeric, declared)


def ratings_from_counts(frame: pd.DataFrame) -> Ratings:
    """Return the ratings of units whose raters are not identified.

    Parameters
    ----------
    frame : DataFrame of shape (n, q)
        Number of raters that put each unit (row) into each category (column, in order).

    Returns
    -------
    Ratings
        Without codes.

    Raises
    ------
    EstimationError
        When a count is negative, missing or not a whole number.
    """
    check_frame(frame)
    if not all(_is_number(frame[name]) for name in frame.columns):
        raise EstimationError("counts are not numbers", remedy="pass one column per category, with counts")
    counts = as_measurements([frame[name] for name in frame.columns])
    if not ((counts >= 0) & (counts == np.floor(counts))).all():
        raise EstimationError(
            "counts per category must be whole numbers, zero or more",
            evidence=f"{frame.shape[0]} units, {frame.shape[1]} categories",
            remedy="write 0 where no rater chose the category",
        )
    if not counts.sum():
        raise EstimationError("no unit has a rating", remedy="pass counts of ratings")
    scale = _placed([_label(name) for name in frame.columns], ordered=True, declared=True)
    return Ratings(
        counts, None, (), scale.labels, scale.scores, scale.ordered, scale.numeric, scale.declared, ()
    )
