"""Groups of patients that stand side by side in a table, and who belongs to none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.facts import ColumnFacts
from cohort.errors import StudyError
from cohort.tables.labels import Labels
from cohort.tables.variables import NOT_KNOWN, make_variable

OVERALL = "overall"
REASON_TEXTS = {
    NOT_KNOWN: "no value",
    "unknown": "unknown",
    "blank": "left blank",
    "not_done": "not done",
    "not_reported": "not reported",
    "not_collected": "not collected by the source",
    "not_applicable": "not applicable",
    "not_imaged": "not imaged",
    "not_assessable": "not assessable",
    "indeterminate": "indeterminate",
    "unmapped": "source value without a rule",
    "unparsed": "unreadable",
    "out_of_range": "out of range",
    "no_unit": "unit not given",
    "partial": "partly known",
}


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Patients of one column.

    Attributes
    ----------
    value : str
        Value of the grouping column, ``overall`` for all patients.
    label : str
        As printed.
    rows : array of bool of shape (n,)
        Who belongs to it.
    """

    value: str
    label: str
    rows: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of patients."""
        return int(self.rows.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The groups of a table.

    Attributes
    ----------
    label : str
        Name of the grouping variable; empty without one.
    compared : tuple of Group
        The groups, in order.
    overall : Group or None
        All patients, when they have a column.
    not_known : dict of str to int
        Patients whose group is not known, by reason.
    """

    label: str
    compared: tuple[Group, ...]
    overall: Group | None
    not_known: Mapping[str, int]

    @property
    def columns(self) -> tuple[Group, ...]:
        """Groups in the order of their columns: overall first."""
        return (self.overall, *self.compared) if self.overall is not None else self.compared

    @property
    def note(self) -> str:
        """Sentence about the patients whose group is not known; empty when there is none."""
        n = sum(self.not_known.values())
        if not n:
            return ""
        where = "they are counted in the overall column only" if self.overall else "they are in no column"
        reasons = {reason: count for reason, count in self.not_known.items() if reason != NOT_KNOWN}
        why = f" ({reason_list(reasons)})" if reasons else ""
        patients = "patient" if n == 1 else "patients"
        return f"{self.label} is not known for {n} {patients}{why}; {where}."


def reason_list(reasons: Mapping[str, int]) -> str:
    """Print reasons with their counts, the most frequent first.

    Examples
    --------
    >>> reason_list({"not_done": 2, "unknown": 5})
    'unknown 5, not done 2'
    """
    ordered = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{reason_text(reason)} {count}" for reason, count in ordered)


def reason_text(reason: str) -> str:
    """Print a reason for a missing value."""
    return REASON_TEXTS.get(reason, reason.replace("_", " "))


def make_groups(
    data: pd.DataFrame, by: str | None, *, overall: bool, labels: Labels, facts: Mapping[str, ColumnFacts]
) -> Groups:
    """Split patients by a column; those without a value are counted, not dropped.

    Parameters
    ----------
    data : DataFrame
        One row per patient.
    by : str or None
        Grouping column; None puts all patients in one column.
    overall : bool
        Whether all patients have a column of their own.
    labels : mapping
        The caller's labels.
    facts : mapping of str to ColumnFacts
        What is known about the columns.

    Returns
    -------
    Groups
        The groups.

    Raises
    ------
    StudyError
        When the column has no value, or more than twelve.
    """
    everyone = np.ones(len(data), dtype=bool)
    if by is None:
        return Groups("", (), Group(OVERALL, "All patients", everyone), {})
    shown = Group(OVERALL, "Overall", everyone) if overall else None
    variable = make_variable(data, by, continuous={by: "levels"}, labels=labels, facts=facts)
    codes = np.asarray(variable.values)
    n_levels = len(variable.levels)
    if not 0 < n_levels <= 12:
        raise StudyError(
            f"column {by!r} does not make groups",
            evidence=f"{n_levels} different values among {len(data)} patients",
            remedy="group by a column with 1 to 12 values; cut numbers into classes first",
        )
    compared = tuple(
        Group(level, label, codes == code)
        for code, (level, label) in enumerate(zip(variable.levels, variable.level_labels, strict=True))
        if variable.kind == "levels" or bool((codes == code).any())
    )
    reasons = pd.Series(variable.reasons[~variable.known], dtype=object).value_counts()
    return Groups(variable.label, compared, shown, {str(key): int(n) for key, n in reasons.items()})
