"""From a frame of raters to category codes, with every missing rating accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import is_three_state, without_blanks
from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Indeterminate = Literal["category", "missing", "present", "absent"]
NotAssessable = Literal["missing", "category"]
_ORDERED_STATES = ("not_assessable", "absent", "no", "indeterminate", "present", "yes")
_POSITIVE = ("present", "yes")
_NEGATIVE = ("absent", "no")
MOST_CATEGORIES = 500


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Coded ratings.

    Attributes
    ----------
    codes : array of shape (n, n_raters)
        Category of each rating; -1 where there is none.
    raters : tuple of str
        Columns.
    labels : tuple of str
        Categories in order.
    scores : array of shape (q,)
        Positions of the categories: the values of numbers, 0, 1, ... of ordered texts.
    ordered : bool
        Whether the categories have an order.
    numeric : bool
        Whether the scores are values.
    whole : bool
        Whether all values are whole numbers (or texts).
    missing : tuple of (str, str, int)
        Rater, reason and number of missing ratings.
    notes : tuple of str
        How states were treated, with counts.
    """

    codes: IntArray
    raters: tuple[str, ...]
    labels: tuple[str, ...]
    scores: FloatArray
    ordered: bool
    numeric: bool
    whole: bool
    missing: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]

    @property
    def counts(self) -> FloatArray:
        """Ratings per unit and category, shape (n, q).

        Returns
        -------
        array of shape (n, q)
            Counts as floats.
        """
        columns = [(self.codes == k).sum(axis=1) for k in range(len(self.labels))]
        return np.stack(columns, axis=1).astype(float)

    @property
    def states(self) -> tuple[int, int] | None:
        """Codes of absent and present where the ratings are yes/no, else None.

        Returns
        -------
        (int, int) or None
            Positions among the labels.
        """
        for negative, positive in zip((*_NEGATIVE, "0", "False"), (*_POSITIVE, "1", "True"), strict=True):
            inside = negative in self.labels and positive in self.labels
            text = inside and set(self.labels) <= {*_ORDERED_STATES, negative, positive}
            if text:
                return self.labels.index(negative), self.labels.index(positive)
        return None


def code_ratings(
    frame: pd.DataFrame,
    categories: Sequence[object] | None = None,
    indeterminate: Indeterminate = "category",
    not_assessable: NotAssessable = "missing",
) -> Ratings:
    """Code the columns of a frame of raters.

    Parameters
    ----------
    frame : DataFrame of shape (n, n_raters)
        One row per unit, one column per rater.
    categories : sequence, optional
        All possible categories in order; the declared ones of a category, else those that occur.
    indeterminate : {'category', 'missing', 'present', 'absent'}, default='category'
        What an indeterminate reading of a finding counts as.
    not_assessable : {'missing', 'category'}, default='missing'
        What a reading as not assessable counts as.

    Returns
    -------
    Ratings
        Codes, categories and missing ratings by reason.

    Raises
    ------
    EstimationError
        For fewer than two raters, no units, columns of different kinds, a category that is not declared.
    """
    _check_shape(frame)
    _check_choices(indeterminate, not_assessable)
    columns = [without_blanks(frame[name]) for name in frame.columns]
    if categories is None and all(_is_number(column) for column in columns):
        return _code_numbers(columns, None)
    if categories is not None and all(_is_number(column) for column in columns):
        return _code_numbers(columns, categories)
    return _code_texts(columns, categories, indeterminate, not_assessable)


def _check_shape(frame: pd.DataFrame) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise EstimationError(
            "ratings are not a frame", remedy="pass a DataFrame with one column per rater, one row per unit"
        )
    if frame.columns.has_duplicates:
        raise EstimationError("two columns have the same name", remedy="give every rater a column of its own")
    if frame.shape[1] < 2 or not len(frame):
        raise EstimationError(
            "agreement needs at least two raters and one unit",
            evidence=f"{frame.shape[1]} columns of ratings, {len(frame)} rows",
            remedy="pass one column per rater and one row per unit that was rated",
        )
    if not frame.index.is_unique:
        raise EstimationError(
            "the index of the ratings has duplicated labels, and one row per unit is assumed",
            evidence=f"{int(frame.index.duplicated().sum())} of {len(frame)} labels are repeats",
            remedy='drop the repeats, or keep them as reset_index() with cluster="patient_id"',
        )


def _check_choices(indeterminate: str, not_assessable: str) -> None:
    if indeterminate not in ("category", "missing", "present", "absent"):
        raise EstimationError(
            f"indeterminate={indeterminate!r} is not known",
            remedy='indeterminate="category", "missing", "present" or "absent"',
        )
    if not_assessable not in ("missing", "category"):
        raise EstimationError(
            f"not_assessable={not_assessable!r} is not known",
            remedy='not_assessable="missing" or "category"',
        )


def _is_number(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    if column.isna().all():
        return True
    kinds = column.infer_objects() if column.dtype == object else column
    return bool(pd.api.types.is_numeric_dtype(kinds.dtype) and not pd.api.types.is_complex_dtype(kinds.dtype))


def _code_numbers(columns: Sequence[pd.Series], categories: Sequence[object] | None) -> Ratings:
    values = np.column_stack([c.astype("Float64").to_numpy(float, na_value=np.nan) for c in columns])
    n_infinite = int(np.isinf(values).sum())
    if n_infinite:
        raise EstimationError(
            "ratings are infinite", evidence=f"{n_infinite} ratings", remedy="set them to missing"
        )
    given = ~np.isnan(values)
    named = values[given] if categories is None else _numbers(categories)
    known: FloatArray = np.unique(named).astype(np.float64)
    if not len(known):
        raise EstimationError("no unit has a rating", remedy="pass columns with ratings")
    if len(known) > MOST_CATEGORIES:
        raise EstimationError(
            "the ratings have too many different values to be categories",
            evidence=f"{len(known)} different values",
            remedy="co.intraclass_correlation(ratings), or co.bland_altman for two methods",
        )
    codes = np.searchsorted(known, values)
    inside = given & (known[np.minimum(codes, len(known) - 1)] == values)
    _refuse_undeclared(int((given & ~inside).sum()), [f"{v:g}" for v in known])
    return Ratings(
        codes=np.where(inside, codes, -1).astype(np.intp),
        raters=tuple(str(c.name) for c in columns),
        labels=tuple(f"{v:g}" for v in known),
        scores=known,
        ordered=True,
        numeric=True,
        whole=bool((known == np.floor(known)).all()),
        missing=tuple(
            (str(c.name), "missing", int(n)) for c, n in zip(columns, (~given).sum(axis=0), strict=True) if n
        ),
        notes=(),
    )


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


def _code_texts(
    columns: Sequence[pd.Series],
    categories: Sequence[object] | None,
    indeterminate: Indeterminate,
    not_assessable: NotAssessable,
) -> Ratings:
    texts = [_as_text(column) for column in columns]
    together = pd.concat(texts, ignore_index=True)
    three_state = categories is None and is_three_state(together)
    missing = [(str(c.name), "missing", int(t.isna().sum())) for c, t in zip(columns, texts, strict=True)]
    notes: tuple[str, ...] = ()
    if three_state:
        texts, left, notes = _treat_states(texts, indeterminate, not_assessable)
        missing += left
        labels, ordered = _state_labels(pd.concat(texts, ignore_index=True)), True
    else:
        labels, ordered = _labels(columns, together, categories)
    if not labels:
        raise EstimationError("no unit has a rating", remedy="pass columns with ratings")
    codes = np.column_stack([pd.Categorical(text, categories=labels).codes for text in texts])
    undeclared = sum(int(text.notna().sum()) for text in texts) - int((codes >= 0).sum())
    _refuse_undeclared(undeclared, labels)
    return Ratings(
        codes=codes.astype(np.intp),
        raters=tuple(str(c.name) for c in columns),
        labels=tuple(labels),
        scores=np.arange(len(labels), dtype=float),
        ordered=ordered,
        numeric=False,
        whole=True,
        missing=tuple(row for row in missing if row[2]),
        notes=notes,
    )


def _as_text(column: pd.Series) -> pd.Series:
    known = column.dropna().unique()
    if not isinstance(column.dtype, pd.CategoricalDtype) and not all(isinstance(v, str) for v in known):
        raise EstimationError(
            f"column {column.name} is not a rating like the others: raters mix texts, numbers or dates",
            evidence=f"dtype {column.dtype}",
            remedy='name the columns of the raters only: co.agreement(data[["reader_1", "reader_2"]])',
        )
    return column.astype(object).where(column.notna(), None).map(str, na_action="ignore").astype("string")


def _labels(
    columns: Sequence[pd.Series], together: pd.Series, categories: Sequence[object] | None
) -> tuple[list[str], bool]:
    """Give the categories and whether they are ordered: named, or declared by every column, or occurring."""
    if categories is not None:
        return [str(label) for label in categories], True
    if all(isinstance(c.dtype, pd.CategoricalDtype) for c in columns):
        sets = [[str(label) for label in c.cat.categories] for c in columns]
        if any(set(labels) != set(sets[0]) for labels in sets):
            raise EstimationError(
                "raters have different categories",
                evidence="; ".join(f"{c.name}: {len(s)}" for c, s in zip(columns, sets, strict=True)),
                remedy="give every column the same categories, or name them in categories=",
            )
        ordered = all(c.cat.ordered for c in columns) and all(labels == sets[0] for labels in sets)
        return sets[0], ordered
    return sorted(together.dropna().unique()), False


def _treat_states(
    texts: Sequence[pd.Series], indeterminate: Indeterminate, not_assessable: NotAssessable
) -> tuple[list[pd.Series], list[tuple[str, str, int]], tuple[str, ...]]:
    """Turn kinds of not known into missing ratings, except those that were asked to stay."""
    out, left, n_indeterminate = [], [], 0
    for text in texts:
        known = set(text.dropna().unique()) - {*_NEGATIVE, *_POSITIVE}
        open_ = (text == "indeterminate").fillna(False)
        n_indeterminate += int(open_.sum())
        if indeterminate in ("present", "absent"):
            pair = {"present": _POSITIVE, "absent": _NEGATIVE}[indeterminate]
            word = pair[0] if not (text.isin(["yes", "no"])).any() else pair[1]
            text = text.mask(open_, word)
        keep = {"indeterminate"} if indeterminate != "missing" else set()
        keep |= {"not_assessable"} if not_assessable == "category" else set()
        for state in sorted(known - keep):
            gone = (text == state).fillna(False)
            left.append((str(text.name), state, int(gone.sum())))
            text = text.mask(gone)
        out.append(text)
    said = {
        "category": "a category of its own",
        "missing": "missing",
        "present": "present",
        "absent": "absent",
    }
    notes = (
        (f"{n_indeterminate} indeterminate readings count as {said[indeterminate]}",)
        if n_indeterminate
        else ()
    )
    return out, left, notes


def _state_labels(together: pd.Series) -> list[str]:
    """Order the states that occur; both decided ones are always possible."""
    found = set(together.dropna().unique())
    pair = {"no", "yes"} if found & {"no", "yes"} else {"absent", "present"}
    return [state for state in _ORDERED_STATES if state in found | pair]


def ratings_from_counts(frame: pd.DataFrame) -> Ratings:
    """Return the ratings of units whose raters are not identified.

    Parameters
    ----------
    frame : DataFrame of shape (n, q)
        Number of raters that put each unit (row) into each category (column).

    Returns
    -------
    Ratings
        With as many columns of ratings as the unit with the most ratings has.

    Raises
    ------
    EstimationError
        When a count is negative, missing or not a whole number.
    """
    _check_shape(frame)
    if not all(_is_number(frame[name]) for name in frame.columns):
        raise EstimationError("counts are not numbers", remedy="pass one column per category, with counts")
    r = frame.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    if np.isnan(r).any() or (r < 0).any() or (r != np.floor(r)).any() or np.isinf(r).any():
        raise EstimationError(
            "counts per category must be whole numbers, zero or more",
            evidence=f"{frame.shape[0]} units, {frame.shape[1]} categories",
            remedy="write 0 where no rater chose the category",
        )
    if not r.sum():
        raise EstimationError("no unit has a rating", remedy="pass counts of ratings")
    counts = r.astype(np.intp)
    q, most = counts.shape[1], int(counts.sum(axis=1).max())
    codes = np.full((len(counts), most), -1, dtype=np.intp)
    filled = np.arange(most) < counts.sum(axis=1)[:, None]
    codes[filled] = np.repeat(np.tile(np.arange(q), len(counts)), counts.ravel())
    labels = tuple(str(name) for name in frame.columns)
    return Ratings(
        codes=codes,
        raters=tuple(str(i + 1) for i in range(most)),
        labels=labels,
        scores=np.arange(q, dtype=float),
        ordered=True,
        numeric=False,
        whole=True,
        missing=(),
        notes=(),
    )
