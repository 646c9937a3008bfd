"""Table 1: who the patients are, by group, with honest denominators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from cohort.dictionary.facts import ColumnFacts
from cohort.errors import IncorporationError, StudyError
from cohort.format import grouped
from cohort.study.guards import check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging
from cohort.tables.descriptive_rows import Ledger, Plan, variable_row
from cohort.tables.groups import Group, Groups, make_groups
from cohort.tables.labels import Labels, in_sentence, used_abbreviations
from cohort.tables.small_cells import count_text
from cohort.tables.table import Cell, Column, Row, Table
from cohort.tables.variables import (
    NOT_KNOWN,
    Summary,
    Variable,
    default_variables,
    imaged_states,
    make_variable,
)

_IMAGED_NOTE = (
    "Denominators are the patients imaged in whom the finding could be assessed; patients without MRI are "
    "never counted as negative."
)


def table_one(
    data: pd.DataFrame,
    by: str | None = None,
    variables: Sequence[str] | None = None,
    *,
    overall: bool = True,
    smd: bool = True,
    p: bool = False,
    continuous: Literal["median", "mean"] | Mapping[str, Summary] = "median",
    labels: Labels | None = None,
    digits: int | Mapping[str, int] | None = None,
    min_cell: int | None = None,
    acknowledge: str | Iterable[str] = (),
    caption: str | None = None,
) -> Table:
    """Describe patients by group, as the first table of a paper does.

    Percentages are of the patients whose value is known and to whom the variable applies; those not known
    have rows of their own, by reason where the data state one. MRI findings are printed n/N among those
    imaged in whom the finding could be assessed. Patients whose group is not known are counted in a footnote
    and in the overall column.

    Parameters
    ----------
    data : DataFrame of shape (n_patients, n_columns)
        One row per patient, as `Study.link` returns.
    by : str, optional
        Grouping column; without it one column shows all patients.
    variables : sequence of str, optional
        Columns to describe, in order; by default those known at infusion (all, when nobody declared when).
    overall : bool, default=True
        Whether all patients have a column beside the groups.
    smd : bool, default=True
        Whether a column shows the standardized mean difference between the groups: of means where means are
        printed, of ranks where medians are, and Yang and Dalton's multilevel measure for categories. With
        more than two groups it is the largest of all pairs.
    p : bool, default=False
        Whether a column shows p-values, each with its test in a footnote: Wilcoxon or Kruskal-Wallis where
        medians are printed, Welch or analysis of variance where means are, chi-squared for categories, or
        Fisher's exact test when an expected count is under 5.
    continuous : {'median', 'mean'} or mapping, default='median'
        Summary of numbers, or by column; ``'levels'`` shows a column's values as categories.
    labels : mapping, optional
        Printed names by column, and of levels by ``(column, level)``.
    digits : int or mapping, optional
        Decimals of numbers, or by column.
    min_cell : int, optional
        Counts below it are hidden, and so are those they could be computed from.
    acknowledge : str or iterable of str, default=()
        Guards to override; ``"incorporation"`` allows p-values of edema against the full ICANS grade.
    caption : str, optional
        Title; by default one is made.

    Returns
    -------
    Table
        With writers for Word, HTML, LaTeX, Excel, Markdown and CSV; the raw numbers are in ``frame`` with the
        columns ``variable, level, group, stat, value, method``.

    Raises
    ------
    IncorporationError
        When p-values are asked of a variable that is part of the grade that makes the groups, unless
        acknowledged.
    StudyError
        When a column does not exist, is a date, or the grouping column makes no groups.

    Notes
    -----
    Quantiles are of type 2 of Hyndman and Fan (the default of SAS; ``quantile(type = 2)`` in R). Percentages
    have one decimal from 200 patients in the denominator upwards, and none below.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"age_years": [50.0, 60.0, 70.0, 80.0], "sex": ["female", "male", "male", None]})
    >>> table_one(frame, caption="Patients")
    Patients
                                All patients
    Characteristic              (N = 4)
    ----------------------------------------
    Age, median (Q1–Q3), years  65 (55–75)
    Sex, n (%)
      Female                    1 (33%)
      Male                      2 (67%)
      Not known, n              1
    ----------------------------------------
    Percentages are of patients with a known value.
    Abbreviations: Q1, first quartile; Q3, third quartile.
    """
    names = _check_labels(labels)
    facts = resolve_facts(map(str, data.columns), None, data)
    groups = make_groups(data, by, overall=overall, labels=names, facts=facts)
    chosen = list(variables) if variables is not None else default_variables(data, facts)
    described = [
        make_variable(data, name, continuous=continuous, labels=names, facts=facts, digits=digits)
        for name in chosen
        if name != by
    ]
    several = len(groups.compared) > 1
    plan = Plan(groups, smd and several, p and several, min_cell or 0)
    ledger = Ledger()
    for group in groups.columns:
        shown = float("nan") if 0 < group.n < plan.min_cell else float(group.n)
        ledger.add("", "", group.value, "n_patients", shown)
    rows = tuple(_rows(described, plan, ledger))
    title = caption if caption is not None else _title(groups)
    columns = _columns(plan)
    guard_notes = _incorporation([one.name for one in described], by, facts, acknowledge, plan)
    guard_notes += check_selective_imaging([one.name for one in described], data, acknowledge)
    guard_notes += _windows([one.name for one in described], facts) if by else ()
    notes = (*_notes(described, plan), *guard_notes)
    texts = [title, *notes, *_texts(columns), *(row.label.text for top in rows for _, row in top.lines())]
    return Table(
        columns=columns,
        rows=rows,
        stub="Characteristic",
        caption=title,
        source_notes=notes,
        abbreviations=used_abbreviations(texts),
        data=pd.DataFrame(ledger.records),
    )


def _check_labels(labels: Labels | None) -> Labels:
    """Return the labels, or refuse keys that are neither a column nor a column and level."""
    wrong = [key for key in labels or {} if not isinstance(key, str | tuple)]
    if wrong:
        raise StudyError(
            "labels have keys that name no column",
            evidence=f"{len(wrong)} keys are neither text nor (column, level)",
            remedy='labels={"sex": "Sex", ("sex", "female"): "Women"}',
        )
    return labels or {}


def _rows(variables: Iterable[Variable], plan: Plan, ledger: Ledger) -> Iterable[Row]:
    """Yield the rows; findings that stand together share a heading that counts who was imaged."""
    block: list[Variable] = []
    for variable in variables:
        if block and (variable.kind != "finding" or not _same_imaged(block[0], variable)):
            yield _finding_block(block, plan, ledger)
            block = []
        if variable.kind == "finding":
            block.append(variable)
        else:
            yield variable_row(variable, plan, ledger)
    if block:
        yield _finding_block(block, plan, ledger)


def _same_imaged(first: Variable, second: Variable) -> bool:
    """Whether the same patients were imaged for both findings."""
    return bool(np.array_equal(imaged_states(first), imaged_states(second), equal_nan=True))


def _finding_block(block: Sequence[Variable], plan: Plan, ledger: Ledger) -> Row:
    """Heading over findings, the patients imaged, and a row per finding."""
    status = Variable(
        name="imaged",
        label="Imaged",
        unit="",
        kind="binary",
        summary="levels",
        values=imaged_states(block[0]),
        levels=("no", "yes"),
        level_labels=("No", "Yes"),
        reasons=np.where(np.isnan(imaged_states(block[0])), NOT_KNOWN, "").astype(object),
        digits=0,
    )
    first = variable_row(status, plan, ledger)
    rest = tuple(variable_row(variable, plan, ledger, skip=("not_imaged", NOT_KNOWN)) for variable in block)
    return Row(Cell("MRI findings", notes=(_IMAGED_NOTE,)), (), (first, *rest))


def group_columns(plan: Plan) -> tuple[Column, ...]:
    """Headings: overall, then the groups below the name of the grouping variable."""
    groups = plan.groups
    columns = []
    if groups.overall is not None:
        columns.append(_group_column(groups.overall, plan))
    if groups.compared:
        notes = (groups.note,) if groups.note else ()
        children = tuple(_group_column(group, plan) for group in groups.compared)
        columns.append(Column(groups.label, children, notes))
    return tuple(columns)


def _incorporation(
    names: Sequence[str],
    by: str | None,
    facts: Mapping[str, ColumnFacts],
    acknowledge: str | Iterable[str],
    plan: Plan,
) -> tuple[str, ...]:
    """Refuse p-values of what is part of the grade that makes the groups; say so where none are asked."""
    if by is None:
        return ()
    allowed = acknowledge if plan.p else IncorporationError.guard
    notes = check_incorporation(names, [by], facts, allowed)
    if plan.p:
        return tuple(f"{note[0].upper()}{note[1:]}." for note in notes)
    return ("Cerebral edema is part of the ICANS grade by definition.",) if notes else ()


def _windows(names: Sequence[str], facts: Mapping[str, ColumnFacts]) -> tuple[str, ...]:
    """Say which variables are not comparable between groups, because they were taken over unequal windows."""
    unequal = ((facts[name].label or name, facts[name].unequal_window) for name in names if name in facts)
    return tuple(
        f"{label} was taken over windows of unequal length ({text})." for label, text in unequal if text
    )


def _columns(plan: Plan) -> tuple[Column, ...]:
    """Headings of the groups and of the comparisons."""
    columns = list(group_columns(plan))
    if plan.smd:
        columns.append(Column("SMD", notes=(_smd_note(plan.groups),)))
    if plan.p:
        columns.append(Column("P value"))
    return tuple(columns)


def _group_column(group: Group, plan: Plan) -> Column:
    """Heading of a group with its number of patients."""
    secret = 0 < group.n < plan.min_cell
    n = f"N {count_text(group.n, plan.min_cell)}" if secret else f"N = {grouped(group.n)}"
    return Column(f"{group.label}\n({n})")


def _smd_note(groups: Groups) -> str:
    """Say what the standardized difference is."""
    pairs = " The largest of all pairs of groups is shown." if len(groups.compared) > 2 else ""
    return (
        "Standardized mean difference among patients with a known value: of means where means are shown, of "
        f"ranks where medians are shown, and over all categories otherwise (Yang and Dalton 2012).{pairs}"
    )


def _notes(variables: Sequence[Variable], plan: Plan) -> tuple[str, ...]:
    """Sentences below the table."""
    notes = []
    if any(variable.kind in ("levels", "binary") for variable in variables):
        notes.append("Percentages are of patients with a known value.")
    if plan.min_cell > 1:
        notes.append(
            f"Counts below {plan.min_cell} are not shown, nor are those from which they could be computed."
        )
    return tuple(notes)


def _title(groups: Groups) -> str:
    """Caption from the grouping."""
    return (
        f"Characteristics of the patients by {in_sentence(groups.label)}"
        if groups.label
        else "Characteristics of the patients"
    )


def _texts(columns: Iterable[Column]) -> list[str]:
    """All texts of the headings."""
    return [text for column in columns for text in (column.text, *column.notes, *_texts(column.children))]
