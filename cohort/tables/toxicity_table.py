"""ICANS and CRS by product: how often, how severe, when and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.facts import ColumnFacts
from cohort.errors import StudyError
from cohort.study.guards import resolve_facts
from cohort.tables.descriptive_rows import Ledger, Plan, variable_row
from cohort.tables.groups import make_groups
from cohort.tables.labels import Labels, in_sentence, level_label, used_abbreviations
from cohort.tables.table import Cell, Row, Table
from cohort.tables.table_one import group_columns
from cohort.tables.variables import NOT_KNOWN, Variable, make_variable

SEVERE_FROM = 3


def toxicity_table(
    data: pd.DataFrame,
    by: str | None = "product",
    toxicities: Sequence[str] = ("icans", "crs"),
    *,
    overall: bool = True,
    labels: Labels | None = None,
    min_cell: int | None = None,
    caption: str | None = None,
) -> Table:
    """Show the maximum grade of each toxicity by group, with onset and duration in those who had it.

    Percentages are of the patients whose grade could be determined; the others have a row. ``any_<toxicity>``
    and ``severe_<toxicity>`` are used where the data have them: bounds may decide them although the grade
    itself is open.

    Parameters
    ----------
    data : DataFrame of shape (n_patients, n_columns)
        One row per patient, as `Study.link` returns: ``<toxicity>_grade`` and, if there,
        ``<toxicity>_onset_day`` and ``<toxicity>_duration_days``.
    by : str or None, default='product'
        Grouping column.
    toxicities : sequence of str, default=('icans', 'crs')
        Toxicities; those without a grade column are left out.
    overall : bool, default=True
        Whether all patients have a column beside the groups.
    labels : mapping, optional
        Printed names by column, and of levels by ``(column, level)``.
    min_cell : int, optional
        Counts below it are hidden, and so are those they could be computed from.
    caption : str, optional
        Title; by default one is made.

    Returns
    -------
    Table
        ``frame`` has the raw numbers as in `table_one`.

    Raises
    ------
    StudyError
        When the data have none of the grades.
    """
    names = labels or {}
    present = [one for one in toxicities if f"{one}_grade" in data.columns]
    if not present:
        raise StudyError(
            "the data have no toxicity grade",
            evidence=f"none of {', '.join(f'{one}_grade' for one in toxicities)} is a column",
            remedy="data = study.link(episodes, mri)",
        )
    facts = resolve_facts(map(str, data.columns), None, data)
    groups = make_groups(data, by, overall=overall, labels=names, facts=facts)
    plan = Plan(groups, smd=False, p=False, min_cell=min_cell or 0)
    ledger = Ledger()
    rows = tuple(_toxicity_rows(data, one, plan, ledger, names, facts) for one in present)
    title = caption
    if title is None:
        title = f"Toxicity by {in_sentence(groups.label)}" if groups.label else "Toxicity"
    columns = group_columns(plan)
    return Table(
        columns=columns,
        rows=rows,
        stub="Maximum grade",
        caption=title,
        source_notes=("Percentages are of patients whose grade is known.",),
        abbreviations=used_abbreviations(
            [title, *(row.label.text for top in rows for _, row in top.lines())]
        ),
        data=pd.DataFrame(ledger.records),
    )


def _toxicity_rows(
    data: pd.DataFrame,
    toxicity: str,
    plan: Plan,
    ledger: Ledger,
    labels: Labels,
    facts: Mapping[str, ColumnFacts],
) -> Row:
    """Heading of a toxicity with its rows."""
    heading = labels.get(toxicity, level_label("toxicity", toxicity, {}))

    def read(name: str) -> Variable:
        return make_variable(data, name, continuous="median", labels=labels, facts=facts)

    grade = read(f"{toxicity}_grade")

    def yes_no(name: str, least: int, label: str) -> Variable:
        return (
            replace(read(name), label=label)
            if name in data.columns
            else _from_grade(grade, name, least, label)
        )

    grades = replace(grade, label="Grade", level_labels=tuple(f"Grade {level}" for level in grade.levels))
    body = variable_row(grades, plan, ledger)
    anyone = yes_no(f"any_{toxicity}", 1, "Any grade")
    children = [
        variable_row(anyone, plan, ledger),
        *body.children,
        variable_row(yes_no(f"severe_{toxicity}", SEVERE_FROM, "Grade 3 or more"), plan, ledger),
    ]
    affected = np.asarray(anyone.values) == 1
    for name, label in ((f"{toxicity}_onset_day", "Day of onset"), (f"{toxicity}_duration_days", "Duration")):
        if name in data.columns:
            among = _among(replace(read(name), label=label), affected)
            children.append(variable_row(among, plan, ledger))
    return Row(Cell(heading), (), tuple(children))


def _from_grade(grade: Variable, name: str, least: int, label: str) -> Variable:
    """Make a yes/no variable from the grade."""
    coded = _at_least(grade, least)
    return replace(
        grade,
        name=name,
        label=label,
        kind="binary",
        values=coded,
        levels=("no", "yes"),
        level_labels=("No", "Yes"),
        reasons=np.where(np.isnan(coded), NOT_KNOWN, "").astype(object),
    )


def _at_least(grade: Variable, least: int) -> NDArray[np.float64]:
    """Whether the grade is at least this: 1, 0, or NaN where it is not known."""
    steps = np.array([*(float(float(level) >= least) for level in grade.levels), np.nan])
    codes = np.where(grade.known, np.nan_to_num(grade.values), len(grade.levels)).astype(np.int64)
    return steps[codes]


def _among(variable: Variable, affected: NDArray[np.bool_]) -> Variable:
    """Keep the values of those affected; nobody else lacks one."""
    values = np.where(affected, variable.values, np.nan)
    reasons = np.where(affected, variable.reasons, "").astype(object)
    return replace(variable, values=values, reasons=reasons)
