"""An ordered exposure against an ordered or yes/no outcome, as a table of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.models.coding import MAX_LEVELS, Coded, LeftOut, as_scores, interval_grades, keep_usable
from cohort.models.design import align_columns
from cohort.models.one_row_each import check_one_row_each
from cohort.models.ordinal_grades import MAX_GRADES, check_systems
from cohort.models.summary import left_out_text
from cohort.study.guards import check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging
from cohort.study.window_guard import check_windows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Scores = Mapping[object, float]


@dataclass(frozen=True, slots=True, eq=False)
class OrderedCounts:
    """Patients by the levels of an exposure and of an outcome that occur, in their order.

    Attributes
    ----------
    table : array of shape (r, c)
        Counts.
    row_scores, column_scores : array of shape (r,) and (c,)
        Scores of the levels.
    row_labels, column_labels : tuple of str
        Their names.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes : tuple of str
        What a reader should be told.
    """

    table: IntArray
    row_scores: FloatArray
    column_scores: FloatArray
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    left_out: LeftOut
    notes: tuple[str, ...]

    @property
    def binary(self) -> bool:
        """Whether the outcome is yes/no, coded 0 and 1.

        Returns
        -------
        bool
            Also when only one of the two occurs.
        """
        return set(self.column_scores.tolist()) <= {0.0, 1.0}


def count_ordered(
    score: str,
    outcome: str,
    data: pd.DataFrame,
    scores: Scores | None,
    acknowledged: Sequence[str],
    what: str,
) -> OrderedCounts:
    """Count patients by score and outcome.

    Parameters
    ----------
    score, outcome : str
        Columns.
    data : DataFrame
        One row per patient.
    scores : mapping, optional
        Scores of the levels of ``score``.
    acknowledged : sequence of str
        Guards to override.
    what : str
        What counts patients, for messages.

    Returns
    -------
    OrderedCounts
        The table.

    Raises
    ------
    EstimationError
        When a column is unknown or has no order or too many levels, a patient has several rows, or nobody is left.
    """
    if score == outcome:
        raise EstimationError("a column is used twice", evidence=score, remedy="compare two columns")
    columns, _ = align_columns([score, outcome], data, None)
    if columns.empty:
        raise EstimationError("the frame has no rows", remedy="check the filter that made this frame")
    check_one_row_each(data, what)
    facts = resolve_facts([score, outcome], None, data)
    said = check_incorporation([score], [outcome], facts, acknowledged)
    said = (*said, *check_selective_imaging([score, outcome], data, acknowledged))
    said = (*said, *check_windows([score, outcome], facts, acknowledged))
    said = (*said, *check_systems([score], data, acknowledged), *check_systems([outcome], data, acknowledged))
    coded = {score: as_scores(columns[score], scores), outcome: as_scores(columns[outcome])}
    columns, between = _with_intervals(columns, data, coded)
    keep, left_out, notes = keep_usable(columns, coded)
    if not keep.any():
        raise EstimationError(
            "no patient is left after leaving out missing values",
            evidence=f"left out: {left_out_text(left_out)}",
            remedy="check which column is missing most",
        )
    row_scores, x = np.unique(coded[score].numbers[keep], return_inverse=True)
    column_scores, y = np.unique(coded[outcome].numbers[keep], return_inverse=True)
    _check_levels(score, row_scores, MAX_LEVELS)
    _check_levels(outcome, column_scores, MAX_GRADES)
    table = np.bincount(x * len(column_scores) + y, minlength=len(row_scores) * len(column_scores))
    return OrderedCounts(
        table=table.reshape(len(row_scores), -1).astype(np.int64),
        row_scores=row_scores,
        column_scores=column_scores,
        row_labels=_labels(columns[score][keep], coded[score].numbers[keep], row_scores),
        column_labels=_labels(columns[outcome][keep], coded[outcome].numbers[keep], column_scores),
        left_out=left_out,
        notes=(*said, *notes, *between),
    )


def _with_intervals(
    columns: pd.DataFrame, data: pd.DataFrame, coded: Mapping[str, Coded]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Give grades of which only the bounds are known a reason of their own."""
    notes: tuple[str, ...] = ()
    for name, one in coded.items():
        between = interval_grades(name, data, one.numbers)
        if between.any():
            labeled = columns[name].astype(object).to_numpy(copy=True)
            labeled[between] = "between bounds"
            columns = columns.assign(**{name: pd.Series(labeled, index=columns.index, dtype=object)})
            notes = (*notes, f"co.ordinal uses the bounds of {name} that are left out here")
    return columns, notes


def _check_levels(name: str, levels: FloatArray, most: int) -> None:
    if len(levels) > most:
        raise EstimationError(
            f"column {name} has more than {most} levels",
            evidence=f"{len(levels)} distinct values",
            remedy=f'cut it into ordered groups: pd.qcut(data["{name}"], 4), or model it: co.odds_ratio, co.ordinal',
        )


def _labels(values: pd.Series, numbers: FloatArray, levels: FloatArray) -> tuple[str, ...]:
    """Name each score by the labels that have it."""
    texts = []
    for level in levels.tolist():
        own = values[numbers == level].astype(object).unique().tolist()
        numeric = all(isinstance(one, (bool, int, float, np.number)) for one in own)
        texts.append(f"{level:g}" if numeric else "/".join(sorted(str(one) for one in own)))
    return tuple(texts)
