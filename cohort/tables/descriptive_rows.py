"""Rows of a descriptive table: numbers first, then their print."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cohort.format import EN_DASH, fixed, grouped, p_value, percent
from cohort.tables.group_tests import GroupTest, compare_counts, compare_numbers
from cohort.tables.groups import Group, Groups, reason_text
from cohort.tables.small_cells import count_text, hidden_cells
from cohort.tables.summaries import largest_pair, numeric_summary, smd_levels, smd_means, smd_ranks
from cohort.tables.table import Cell, Row
from cohort.tables.variables import NOT_APPLICABLE, NOT_KNOWN, Variable

EMPTY = EN_DASH
Record = dict[str, object]
_QUANTILES = frozenset({"median", "q1", "q3"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What the columns of a descriptive table are.

    Attributes
    ----------
    groups : Groups
        Patients by column.
    smd : bool
        Whether a column shows standardized differences.
    p : bool
        Whether a column shows p-values.
    min_cell : int
        Smallest count that may be shown.
    """

    groups: Groups
    smd: bool
    p: bool
    min_cell: int

    @property
    def blank(self) -> tuple[Cell, ...]:
        """Empty cells for the columns behind the groups."""
        return (Cell(),) * (self.smd + self.p)


@dataclass(slots=True)
class Ledger:
    """The raw numbers of a table, in the order in which they are computed."""

    records: list[Record] = field(default_factory=list)

    def add(self, variable: str, level: str, group: str, stat: str, value: float, method: str = "") -> None:
        """Write one number down."""
        entry = {"variable": variable, "level": level, "group": group, "stat": stat}
        self.records.append({**entry, "value": float(value), "method": method})


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Patients of one variable by column, and what may be shown of them.

    Attributes
    ----------
    counts : array of shape (levels, columns)
        Patients per level; for numbers one line with those who have a value.
    hidden : array of bool of shape (levels, columns)
        Counts to hide.
    reasons : mapping of str to array of shape (columns,)
        Patients without a value, by reason, the most frequent first.
    hidden_reasons : mapping of str to array of bool of shape (columns,)
        Which of those to hide.
    """

    counts: NDArray[np.int64]
    hidden: NDArray[np.bool_]
    reasons: Mapping[str, NDArray[np.int64]]
    hidden_reasons: Mapping[str, NDArray[np.bool_]]

    def shows_total(self, position: int) -> bool:
        """Whether the number of known values of a column may be shown."""
        return not any(line[position] for line in self.hidden_reasons.values())


def variable_row(variable: Variable, plan: Plan, ledger: Ledger, *, skip: tuple[str, ...] = ()) -> Row:
    """Make the row of a variable with those below it: levels, and who is not known.

    Parameters
    ----------
    variable : Variable
        The variable.
    plan : Plan
        Columns of the table.
    ledger : Ledger
        Where the raw numbers go.
    skip : tuple of str, default=()
        Reasons that another row of the table already counts.

    Returns
    -------
    Row
        Row heading, cells and the rows below.
    """
    tally = tally_variable(variable, plan)
    make = _number_row if variable.kind == "numbers" else _count_row
    label, cells, children = make(variable, tally, plan, ledger)
    tail = _comparison(variable, plan, ledger)
    unknown = _not_known_rows(variable, tally, plan, ledger, skip)
    if not cells and tail:
        cells = (Cell(),) * len(plan.groups.columns)
    return Row(Cell(label), (*cells, *tail) if cells else (), (*children, *unknown))


def tally_variable(variable: Variable, plan: Plan) -> Tally:
    """Count the patients of a variable by column and decide what to hide.

    Parameters
    ----------
    variable : Variable
        The variable.
    plan : Plan
        Columns of the table.

    Returns
    -------
    Tally
        Counts per level and per reason for a missing value.
    """
    groups = plan.groups.columns
    if variable.kind == "numbers":
        counts = np.array([[int((group.rows & variable.known).sum()) for group in groups]], dtype=np.int64)
    else:
        counts = np.column_stack([variable.counts(group.rows) for group in groups]).astype(np.int64)
    reasons = _reason_counts(variable, groups)
    everyone_in_a_group = plan.groups.overall is not None and not plan.groups.not_known
    hidden = hidden_cells(
        np.vstack([counts, *reasons.values()]),
        plan.min_cell,
        0 if everyone_in_a_group else None,
        # of numbers the known ones are not printed, so nothing adds up to a printed total
        add_up=variable.kind != "numbers",
    )
    split = len(counts)
    return Tally(counts, hidden[:split], reasons, dict(zip(reasons, hidden[split:], strict=True)))


def _reason_counts(variable: Variable, groups: tuple[Group, ...]) -> dict[str, NDArray[np.int64]]:
    """Patients per reason for a missing value and column, the most frequent reason first."""
    found = sorted({str(reason) for reason in variable.reasons if reason})
    counts = {
        reason: np.array([int(((variable.reasons == reason) & group.rows).sum()) for group in groups])
        for reason in found
    }
    present = {reason: line for reason, line in counts.items() if line.any()}
    return dict(sorted(present.items(), key=lambda pair: (-int(pair[1].max()), pair[0])))


def _number_row(
    variable: Variable, tally: Tally, plan: Plan, ledger: Ledger
) -> tuple[str, tuple[Cell, ...], tuple[Row, ...]]:
    """Label and cells of a numeric variable."""
    what = f"median (Q1{EN_DASH}Q3)" if variable.summary == "median" else "mean (SD)"
    cells = []
    for position, group in enumerate(plan.groups.columns):
        sample = variable.sample(group.rows)
        secret = bool(tally.hidden[0, position])
        numbers = dict.fromkeys(numeric_summary(sample), math.nan) if secret else numeric_summary(sample)
        if plan.min_cell > 1:  # the extremes are single patients' values
            numbers["min"] = numbers["max"] = math.nan
        numbers["n"] = float(sample.size) if tally.shows_total(position) and not secret else math.nan
        for stat, value in numbers.items():
            method = "quantiles of type 2" if stat in _QUANTILES else ""
            ledger.add(variable.name, "", group.value, stat, value, method)
        text = f"n {count_text(sample.size, plan.min_cell)}" if secret else _number_text(variable, numbers)
        cells.append(Cell(text if sample.size else EMPTY, (), tuple(numbers.items())))
    unit = f", {variable.unit}" if variable.unit else ""
    return f"{variable.label}, {what}{unit}", tuple(cells), ()


def _number_text(variable: Variable, numbers: Mapping[str, float]) -> str:
    """Print a summary of numbers."""
    if variable.summary == "mean":
        places = 1 if variable.digits is None else variable.digits
        return f"{grouped(numbers['mean'], places)} ({grouped(numbers['sd'], places)})"
    between = " to " if numbers["q1"] < 0 or numbers["q3"] < 0 else EN_DASH
    low, middle, high = (_quantile_text(numbers[name], variable.digits) for name in ("q1", "median", "q3"))
    return f"{middle} ({low}{between}{high})"


def _quantile_text(value: float, digits: int | None) -> str:
    """Print a quantile; of whole numbers it is whole or a half."""
    return grouped(value, digits if digits is not None else 0 if value.is_integer() else 1)


def _count_row(
    variable: Variable, tally: Tally, plan: Plan, ledger: Ledger
) -> tuple[str, tuple[Cell, ...], tuple[Row, ...]]:
    """Label and cells of a variable with levels: one row, or a heading with a row per level."""
    lines = [
        tuple(
            _count_cell(variable, tally, (code, position), group, ledger, plan.min_cell)
            for position, group in enumerate(plan.groups.columns)
        )
        for code in range(len(variable.levels))
    ]
    if variable.kind == "levels":
        shown = zip(variable.level_labels, lines, strict=True)
        children = tuple(Row(Cell(label), (*cells, *plan.blank)) for label, cells in shown)
        return f"{variable.label}, n (%)", (), children
    suffix = ", n/N (%)" if variable.kind == "finding" else ", n (%)"
    return f"{variable.label}{suffix}", lines[1], ()


def _count_cell(
    variable: Variable, tally: Tally, place: tuple[int, int], group: Group, ledger: Ledger, min_cell: int
) -> Cell:
    """Cell with a count, for findings its denominator, and the percentage."""
    code, position = place
    n, total = int(tally.counts[place]), int(tally.counts[:, position].sum())
    column = tally.hidden[:, position]
    secret = bool(column.any()) if len(column) == 2 else bool(column[code])
    shares = tally.shows_total(position) and not secret
    numbers = {
        "n": math.nan if secret else float(n),
        "n_known": float(total) if shares else math.nan,
        "proportion": n / total if shares and total else math.nan,
    }
    for stat, value in numbers.items():
        ledger.add(variable.name, variable.levels[code], group.value, stat, value)
    return Cell(_count_cell_text(variable, n, total, secret, shares, min_cell), (), tuple(numbers.items()))


def _count_cell_text(
    variable: Variable, n: int, total: int, secret: bool, shares: bool, min_cell: int
) -> str:
    """Print a count, with the percentage where the number of known values may be shown."""
    if secret:
        return count_text(n, min_cell)
    if not total:
        return EMPTY
    if not shares:
        return grouped(n)
    if variable.kind == "finding":
        return f"{n}/{total} ({percent(n, total)})"
    return f"{grouped(n)} ({percent(n, total)})"


def _not_known_rows(
    variable: Variable, tally: Tally, plan: Plan, ledger: Ledger, skip: tuple[str, ...]
) -> tuple[Row, ...]:
    """Rows that count who has no value, split by reason where one is stated."""
    for reason, line in tally.reasons.items():
        for group, n, secret in zip(plan.groups.columns, line, tally.hidden_reasons[reason], strict=True):
            ledger.add(variable.name, reason, group.value, "n_not_known", math.nan if secret else n)
    lacking = [reason for reason in tally.reasons if reason not in (*skip, NOT_APPLICABLE)]
    rows = []
    if NOT_APPLICABLE in tally.reasons and NOT_APPLICABLE not in skip:
        rows.append(_reason_row("Not applicable, n", [NOT_APPLICABLE], tally, plan))
    if not lacking:
        return tuple(rows)
    if variable.kind == "finding":
        text = " or ".join(reason_text(reason) for reason in lacking).capitalize()
        return (*rows, _reason_row(f"{text}, n", lacking, tally, plan))
    if len(lacking) == 1:
        named = lacking[0] not in (NOT_KNOWN, "unknown")
        why = f" ({reason_text(lacking[0])})" if named else ""
        return (*rows, _reason_row(f"Not known{why}, n", lacking, tally, plan))
    children = tuple(
        _reason_row(reason_text(reason).capitalize(), [reason], tally, plan) for reason in lacking
    )
    total = _reason_row("Not known, n", lacking, tally, plan)
    return (*rows, Row(total.label, total.cells, children))


def _reason_row(label: str, reasons: list[str], tally: Tally, plan: Plan) -> Row:
    """Row that counts the patients without a value for these reasons."""
    line = np.sum([tally.reasons[reason] for reason in reasons], axis=0)
    hidden = np.any([tally.hidden_reasons[reason] for reason in reasons], axis=0)
    cells = tuple(
        Cell(count_text(int(n), plan.min_cell)) if secret else Cell(grouped(int(n)), (), (("n", float(n)),))
        for n, secret in zip(line, hidden, strict=True)
    )
    return Row(Cell(label), (*cells, *plan.blank))


def _comparison(variable: Variable, plan: Plan, ledger: Ledger) -> tuple[Cell, ...]:
    """Cells behind the groups: standardized difference, p-value with the name of its test."""
    cells = []
    if plan.smd:
        value, method = _smd(variable, plan.groups.compared)
        ledger.add(variable.name, "", "", "smd", value, method)
        cells.append(Cell(fixed(value, 2), (), (("smd", value),)))
    if plan.p:
        test = _test(variable, plan.groups.compared)
        ledger.add(variable.name, "", "", "p_value", test.p_value, test.name)
        text = p_value(test.p_value).removeprefix("=")
        notes = () if math.isnan(test.p_value) else (f"{test.name}.",)
        cells.append(Cell(text, notes, (("p_value", test.p_value),)))
    return tuple(cells)


def _smd(variable: Variable, groups: tuple[Group, ...]) -> tuple[float, str]:
    """Largest standardized difference between two of the groups, and its definition."""
    if variable.kind != "numbers":
        return largest_pair(smd_levels, [variable.counts(group.rows) for group in groups]), "multilevel"
    samples = [variable.sample(group.rows) for group in groups]
    if variable.summary == "mean":
        return largest_pair(smd_means, samples), "means"
    return largest_pair(smd_ranks, samples), "ranks"


def _test(variable: Variable, groups: tuple[Group, ...]) -> GroupTest:
    """Test chosen by the kind of the variable."""
    if variable.kind != "numbers":
        counts = np.column_stack([variable.counts(group.rows) for group in groups])
        return compare_counts(counts.astype(np.int64))
    return compare_numbers(
        [variable.sample(group.rows) for group in groups], ranks=variable.summary == "median"
    )
