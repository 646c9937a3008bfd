"""Counts behind proportions: the event, the known and the unknown of every finding and group, by cluster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.clustered_proportion import (
    ClusteredProportion,
    ClusterMethod,
    clustered_proportion,
    effective_limits,
)
from cohort.estimators.proportions import ProportionMethod, proportion_limits
from cohort.models.coding import as_binary, as_categories, binary_reasons
from cohort.models.design import align_columns

LeftOut = tuple[tuple[str, str, int], ...]
IntArray = NDArray[np.intp]
Method = ProportionMethod | ClusterMethod


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

    def row(self, method: str, conf_level: float, design_effect: float) -> dict[str, object]:
        """Return the estimate, its limits and its counts as cells of a tidy frame."""
        p = self.n_event / self.n if self.n else math.nan
        error = self.clustered.std_error if self.clustered else self._std_error(p, design_effect)
        low, high = self._limits(method, conf_level, design_effect)
        return {
            "estimate": p,
            "std_error": error,
            "conf_low": low,
            "conf_high": high,
            "n_event": self.n_event,
            "n": self.n,
            "n_missing": self.n_missing,
            "reason": self._reason(),
        }

    def _limits(self, method: str, conf_level: float, design_effect: float) -> tuple[float, float]:
        if self.clustered:
            return self.clustered.limits(method, conf_level)  # type: ignore[arg-type]
        if not self.n:
            return math.nan, math.nan
        if design_effect > 1:
            size = self.n / design_effect
            return effective_limits(self.n_event / self.n, size, conf_level, exact=method == "exact")
        low, high = proportion_limits(self.n_event, self.n, method, conf_level)  # type: ignore[arg-type]
        return float(low), float(high)

    def _std_error(self, p: float, design_effect: float) -> float:
        effect = design_effect if design_effect > 1 else 1.0
        return math.sqrt(p * (1 - p) * effect / self.n) if self.n else math.nan

    def _reason(self) -> str:
        if self.clustered:
            return self.clustered.reason
        return "" if self.n else "nobody has a known state"


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
    keep = np.ones(len(columns), dtype=bool)
    left_out: list[tuple[str, str, int]] = []
    group, labels = np.zeros(len(columns), dtype=np.intp), ("",)
    if by:
        coded = as_categories(columns[by])
        bad = np.isnan(coded.numbers)
        left_out += [(by, reason, n) for reason, n in binary_reasons(columns[by][bad]).items()]
        group, labels = np.where(bad, 0, coded.numbers).astype(np.intp), coded.labels
        keep &= ~bad
    unit: IntArray | None = None
    if cluster:
        unit = np.asarray(pd.factorize(columns[cluster])[0], dtype=np.intp)
        bad = (unit < 0) & keep
        left_out += [(cluster, "missing", int(bad.sum()))] if bad.any() else []
        keep &= unit >= 0
    if not keep.any():
        raise EstimationError(
            "no row has a group and a cluster",
            evidence=", ".join(f"{n} {column} {reason}" for column, reason, n in left_out),
            remedy="leave out the column with the missing values",
        )
    notes: tuple[str, ...] = ()
    counts = []
    for name in findings:
        one = as_binary(columns[name])
        notes = (*notes, *one.notes)
        for position, label in enumerate(labels):
            rows = np.flatnonzero(keep & (group == position))
            counts.append(_count(name, label, columns[name].iloc[rows], one.numbers[rows], unit, rows))
    return tuple(counts), tuple(left_out), (*notes, *_unequal(counts))


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


def _unequal(counts: Sequence[ProportionCounts]) -> tuple[str, ...]:
    """Say which findings are known in unequal shares of the groups, by 10 points or more."""
    said = []
    for term in dict.fromkeys(c.term for c in counts):
        shares = [c.n / (c.n + c.n_missing) for c in counts if c.term == term and c.n + c.n_missing]
        if len(shares) > 1 and max(shares) - min(shares) >= 0.1:
            said.append(f"{term} known in {100 * min(shares):.0f} to {100 * max(shares):.0f}% of a group")
    return (f"{'; '.join(said)}: the known may differ from the rest, see co.manski_bounds",) if said else ()
