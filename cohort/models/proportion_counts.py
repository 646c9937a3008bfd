"""Counts behind proportions: the event, the known and the unknown of every finding and group, by cluster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.clustered_proportion import ClusteredProportion, clustered_proportion
from cohort.estimators.proportions import ProportionMethod, proportion_limits
from cohort.models.coding import Coded, as_binary, as_categories, binary_reasons, keep_usable
from cohort.models.design import align_columns
from cohort.models.summary import left_out_text

LeftOut = tuple[tuple[str, str, int], ...]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ProportionCounts:
    """Counts of one finding in one group.

    Attributes
    ----------
    term, group : str
        The finding, and the group (empty for all patients).
    n_event, n : int
        With the finding, and with a known state.
    unknown : tuple of (str, int)
        State not known, by reason.
    clustered : ClusteredProportion or None
        The same counts with a variance between clusters.
    """

    term: str
    group: str
    n_event: int
    n: int
    unknown: tuple[tuple[str, int], ...] = ()
    clustered: ClusteredProportion | None = None

    @property
    def n_missing(self) -> int:
        """Number whose state is not known.

        Returns
        -------
        int
            Over all reasons.
        """
        return sum(n for _, n in self.unknown)

    @property
    def reason(self) -> str:
        """Say why there is no proportion, or no limits.

        Returns
        -------
        str
            Empty when there are.
        """
        if not self.n:
            return "nobody has a known state"
        if self.clustered and self.clustered.n_cluster < 2:
            return "one cluster: its rows say nothing of the variance between clusters"
        return ""

    def row(self, method: ProportionMethod, conf_level: float) -> dict[str, object]:
        """Return the estimate, its limits and its counts as cells of a tidy frame."""
        p = self.n_event / self.n if self.n else math.nan
        if self.clustered:
            error, (low, high) = self.clustered.std_error, self.clustered.limits(method, conf_level)
        else:
            error = math.sqrt(p * (1 - p) / self.n) if self.n else math.nan
            low, high = (float(v) for v in proportion_limits(self.n_event, self.n, method, conf_level))
        return {
            "term": self.term,
            "strata": self.group,
            "method": method,
            "estimate": p,
            "std_error": error,
            "conf_low": low,
            "conf_high": high,
            "n_event": self.n_event,
            "n": self.n,
            "n_missing": self.n_missing,
            "reason": self.reason,
        }


def count_columns(
    findings: Sequence[str], data: pd.DataFrame, by: str | None, cluster: str | None
) -> tuple[tuple[ProportionCounts, ...], LeftOut, tuple[str, ...]]:
    """Count every finding in every group.

    Parameters
    ----------
    findings : sequence of str
        Columns of absent/present, no/yes, boolean, 0/1, or two levels.
    data : DataFrame
        One row per patient, or per exam when there are clusters.
    by, cluster : str, optional
        Columns of the groups and of the clusters.

    Returns
    -------
    counts : tuple of ProportionCounts
        By finding, then group.
    left_out : tuple of (str, str, int)
        Rows without a group or a cluster.
    notes : tuple of str
        What a reader should be told.
    """
    wanted = [*findings, *(name for name in (by, cluster) if name)]
    if len(set(wanted)) < len(wanted):
        raise EstimationError(
            "a column is used twice",
            evidence=", ".join(wanted),
            remedy="give the findings, the groups and the clusters each their own column",
        )
    columns, _ = align_columns(wanted, data, None)
    if columns.empty:
        raise EstimationError("the frame has no rows", remedy="check the filter that made this frame")
    coded = {by: as_categories(columns[by])} if by else {}
    unit: IntArray | None = None
    if cluster:
        unit = np.asarray(pd.factorize(columns[cluster])[0], dtype=np.intp)
        coded[cluster] = Coded(np.where(unit < 0, np.nan, 0.0))
    keep, left_out, _ = keep_usable(columns, coded)
    if not keep.any():
        raise EstimationError(
            f"no row has a known {' and '.join(coded)}",
            evidence=f"left out: {left_out_text(left_out)}",
            remedy="leave out the column with the missing values",
        )
    group, labels = (coded[by].numbers, coded[by].labels) if by else (np.zeros(len(columns)), ("",))
    notes: tuple[str, ...] = ()
    counts = []
    for name in findings:
        one = as_binary(columns[name])
        notes = (*notes, *one.notes)
        for position, label in enumerate(labels):
            rows = np.flatnonzero(keep & (group == position))
            counts.append(_count(name, label, columns[name].iloc[rows], one.numbers[rows], unit, rows))
    return tuple(counts), left_out, (*notes, *_assumed(counts), *_unequal(counts))


def _count(
    term: str,
    group: str,
    values: pd.Series,
    numbers: NDArray[np.float64],
    unit: IntArray | None,
    rows: IntArray,
) -> ProportionCounts:
    known = ~np.isnan(numbers)
    unknown = tuple(binary_reasons(values[~known]).items())
    counts = ProportionCounts(term, group, int(numbers[known].sum()), int(known.sum()), unknown)
    if unit is None:
        return counts
    codes = unit[rows][known]
    x, n = np.bincount(codes, numbers[known]), np.bincount(codes)
    return replace(counts, clustered=clustered_proportion(x, n))


def _assumed(counts: Sequence[ProportionCounts]) -> tuple[str, ...]:
    """Say where the design effect could not be estimated."""
    if not any(c.clustered and c.clustered.assumed and c.clustered.n_cluster > 1 for c in counts):
        return ()
    return ("without an event (or with events only) the rows of a cluster are taken as wholly alike",)


def _unequal(counts: Sequence[ProportionCounts]) -> tuple[str, ...]:
    """Say which findings are known in unequal shares of the groups, by 10 points or more."""
    said = []
    for term in dict.fromkeys(c.term for c in counts):
        shares = [c.n / (c.n + c.n_missing) for c in counts if c.term == term and c.n + c.n_missing]
        if len(shares) > 1 and max(shares) - min(shares) >= 0.1:
            said.append(f"{term} known in {100 * min(shares):.0f} to {100 * max(shares):.0f}% of a group")
    return (f"{'; '.join(said)}: the known may differ from the rest, see co.manski_bounds",) if said else ()
