"""From columns to scored patients: who has a known score and outcome, in which group and cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import NOT_KNOWN
from cohort.errors import EstimationError
from cohort.models.accuracy_inputs import cluster_codes, numbers
from cohort.models.coding import Coded, as_binary, keep_usable
from cohort.models.design import align_columns
from cohort.models.groups import code_groups
from cohort.models.one_row_each import check_one_row_each

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class RocRows:
    """Rows with every score and the outcome known.

    Attributes
    ----------
    scores : array of shape (n, k)
        Higher means more likely to have the outcome (negated where a low value is positive).
    positive : array of shape (n,)
        Who has the outcome.
    group : array of shape (n,)
        Codes of groups.
    groups : tuple of str
        Their names; one empty name without ``by``.
    cluster : array of shape (n,) or None
        Codes of clusters.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out; each row once.
    notes : tuple of str
        What a reader should be told.
    """

    scores: FloatArray
    positive: BoolArray
    group: IntArray
    groups: tuple[str, ...]
    cluster: IntArray | None
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]


def roc_rows(
    names: Sequence[str],
    outcome: str,
    data: pd.DataFrame,
    by: str | None,
    cluster: str | None,
    low_is_positive: Sequence[str],
) -> RocRows:
    """Read the columns of an ROC analysis.

    Parameters
    ----------
    names : sequence of str
        Columns of the scores.
    outcome, data, by, cluster, low_is_positive : object
        As in :func:`cohort.models.roc.roc`.

    Returns
    -------
    RocRows
        The rows; scores are compared on the same rows, those with all of them.

    Raises
    ------
    EstimationError
        As there.
    """
    if data.empty:
        raise EstimationError("the frame has no rows", remedy="pass data=, one row per patient or exam")
    used = [*names, outcome, *([by] if by else []), *([cluster] if cluster else [])]
    if len(set(used[: len(names) + 1])) < len(names) + 1:
        raise EstimationError(
            "a column is named twice", evidence=f"{', '.join(used)}", remedy="name each score once"
        )
    frame, _ = align_columns(list(dict.fromkeys(used)), data, None)
    if cluster is None:
        check_one_row_each(data, "roc", 'cluster="patient_id", or link to one row per patient first')
    coded = {outcome: as_binary(frame[outcome])} | {name: Coded(numbers(frame[name])) for name in names}
    labels: tuple[str, ...] = ("",)
    if by is not None:
        codes, labels, _ = code_groups(frame[by])
        coded[by] = Coded(np.where(codes < 0, np.nan, codes))
    if cluster is not None and cluster not in coded:
        silent = frame[cluster].isna() | frame[cluster].isin(NOT_KNOWN)
        coded[cluster] = Coded(np.where(silent, np.nan, 0.0))
    keep, left_out, notes = keep_usable(frame, coded)
    notes = (*notes, *_shrunk(names, coded, keep))
    rows = np.flatnonzero(keep)
    positive = coded[outcome].numbers[rows] == 1
    _check_outcome(outcome, positive, left_out)
    sign = np.where([name in low_is_positive for name in names], -1.0, 1.0)
    scores = np.column_stack([coded[name].numbers[rows] for name in names]) * sign
    group = coded[by].numbers[rows].astype(np.intp) if by else np.zeros(len(rows), dtype=np.intp)
    present, group = np.unique(group, return_inverse=True)
    labels = tuple(labels[g] for g in present)
    if by is not None:
        _check_groups(by, labels, group, positive)
    clusters = cluster_codes(frame[cluster].iloc[rows]) if cluster else None
    return RocRows(scores, positive, group.astype(np.intp), labels, clusters, left_out, notes)


def _shrunk(names: Sequence[str], coded: Mapping[str, Coded], keep: BoolArray) -> tuple[str, ...]:
    """Say how many rows each of several scores would have alone, when they are compared on fewer."""
    others = [column.numbers for name, column in coded.items() if name not in names]
    usable = ~np.isnan(np.column_stack(others)).any(axis=1)
    alone = {name: int((usable & ~np.isnan(coded[name].numbers)).sum()) for name in names}
    n = int(keep.sum())
    if len(names) < 2 or max(alone.values()) == n:
        return ()
    said = ", ".join(f"{name} {count}" for name, count in alone.items())
    return (f"compared on the {n} rows with every score; rows with each: {said}",)


def _check_outcome(outcome: str, positive: BoolArray, left_out: tuple[tuple[str, str, int], ...]) -> None:
    if 0 < positive.sum() < len(positive):
        return
    what = "no row is left" if not len(positive) else f"{outcome} has one value in the rows used"
    gone = ", ".join(f"{n} {column} {reason}" for column, reason, n in left_out)
    raise EstimationError(
        what,
        evidence=f"{int(positive.sum())} of {len(positive)} rows have it"
        + (f"; left out: {gone}" if gone else ""),
        remedy="an area needs patients with and without the outcome: check the column and the filter",
    )


def _check_groups(by: str, labels: tuple[str, ...], group: IntArray, positive: BoolArray) -> None:
    with_, without = (np.bincount(group[mask], minlength=len(labels)) for mask in (positive, ~positive))
    bad = [label for label, a, b in zip(labels, with_, without, strict=True) if not (a and b)]
    if bad or len(labels) < 2:
        counts = ", ".join(f"{lab} {a}/{a + b}" for lab, a, b in zip(labels, with_, without, strict=True))
        raise EstimationError(
            f"groups of {by} cannot be compared: "
            + ("there is one" if len(labels) < 2 else f"{', '.join(bad)} has one value of the outcome"),
            evidence=f"with the outcome: {counts}",
            remedy="join or leave out groups without both outcomes, or leave by= out",
        )
