"""MRI findings by ICANS grade: of those imaged in whom the finding could be assessed, never of all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cohort.errors import StudyError
from cohort.format import EN_DASH, fixed, percent
from cohort.study.guards import check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging
from cohort.tables.descriptive_rows import Plan
from cohort.tables.groups import Group, Groups, make_groups
from cohort.tables.labels import Labels, in_sentence, level_label, used_abbreviations
from cohort.tables.small_cells import count_text, hidden_cells
from cohort.tables.table import Cell, Column, Row, Table
from cohort.tables.variables import NOT_KNOWN, Variable, imaged_states, is_finding, make_variable

States = NDArray[np.float64]
_DENOMINATOR_NOTE = (
    "n/N: N are the patients imaged in whom the finding could be assessed. Patients without MRI are in no "
    "denominator: imaging follows symptoms, so these are not proportions of all patients."
)


def imaging_table(
    data: pd.DataFrame,
    by: str | None = "icans_grade_imaging_blind",
    findings: Sequence[str] | None = None,
    *,
    overall: bool = True,
    intervals: bool = True,
    conf_level: float = 0.95,
    labels: Labels | None = None,
    min_cell: int | None = None,
    acknowledge: str | Iterable[str] = (),
    caption: str | None = None,
) -> Table:
    """Show how often each MRI finding was seen, by grade, among those imaged and assessable.

    The heading of every column says how many of its patients were imaged; rows below say why the others were
    not. The default grade is the imaging-blind one: cerebral edema is part of the ordinary ICANS grade, so
    relating the two is refused unless it is acknowledged.

    Parameters
    ----------
    data : DataFrame of shape (n_patients, n_columns)
        One row per patient, as `Study.link` returns with `mri_findings`.
    by : str or None, default='icans_grade_imaging_blind'
        Grouping column; None shows all patients in one column.
    findings : sequence of str, optional
        Findings to show, in order; by default those seen at least once, and a footnote names the others.
    overall : bool, default=True
        Whether all patients have a column beside the groups.
    intervals : bool, default=True
        Whether exact (Clopper-Pearson) limits stand below each proportion.
    conf_level : float, default=0.95
        Confidence level.
    labels : mapping, optional
        Printed names by column, and of levels by ``(column, level)``.
    min_cell : int, optional
        Counts of patients with or without a finding below it are hidden, and so are those they could be
        computed from; the numbers imaged and assessable stay.
    acknowledge : str or iterable of str, default=()
        Guards to override; ``"incorporation"`` allows edema against the full grade and is printed.
    caption : str, optional
        Title; by default one is made.

    Returns
    -------
    Table
        ``frame`` has one row per finding and group: ``finding, label, grade, n_present, n_assessable,
        n_imaged, n_patients, estimate, conf_low, conf_high`` with ``grade`` as text, ``overall`` for all
        patients and ``not_known`` for those whose grade is not known.

    Raises
    ------
    IncorporationError
        When a finding is part of the grade, unless acknowledged.
    StudyError
        When a column does not exist or the data hold no finding.

    See Also
    --------
    table_one : Characteristics of the patients by group.
    """
    names = labels or {}
    columns = list(findings) if findings is not None else finding_columns(data)
    if not columns:
        raise StudyError(
            "the data hold no MRI finding",
            evidence=f"none of {data.shape[1]} columns has the states absent, present and not_imaged",
            remedy="data = study.link(co.mri_findings(registry.mri_exam, registry.mri_finding))",
        )
    used = [*columns, *([by] if by else [])]
    facts = resolve_facts(used, None, data)
    guard_notes = check_incorporation(columns, [by], facts, acknowledge) if by else ()
    guard_notes += check_selective_imaging(columns, data, acknowledge)
    groups = _with_not_known(make_groups(data, by, overall=overall, labels=names, facts=facts), len(data))
    variables = [
        make_variable(data, name, continuous="median", labels=names, facts=facts) for name in columns
    ]
    plan = Plan(groups, smd=False, p=False, min_cell=min_cell or 0)
    imaged = _imaged(data, variables[0])
    shown, never = _seen(variables) if findings is None else (variables, [])
    records: list[dict[str, object]] = []
    finding_rows = tuple(_finding_row(one, plan, imaged, records, conf_level, intervals) for one in shown)
    limits = f", exact {conf_level:.0%} CI" if intervals else ""
    heading = Row(Cell(f"Findings, n/N (%){limits}", notes=(_DENOMINATOR_NOTE,)), (), finding_rows)
    rows = (*_imaging_rows(data, imaged, plan, names), heading)
    title = caption if caption is not None else _title(groups)
    notes = _notes(groups, never, guard_notes, plan)
    heads = _heads(groups, imaged, plan)
    return Table(
        columns=heads,
        rows=rows,
        stub="",
        caption=title,
        source_notes=notes,
        abbreviations=used_abbreviations(
            [
                title,
                groups.label,
                "MRI",
                heading.label.text,
                *notes,
                *(row.label.text for row in finding_rows),
            ]
        ),
        data=_frame(records),
    )


def finding_columns(data: pd.DataFrame) -> list[str]:
    """Columns of the data that hold the states of an MRI finding."""
    return [str(name) for name in data.columns if is_finding_column(data[name])]


def is_finding_column(column: pd.Series) -> bool:
    """Whether a column holds absent, present and kinds of not known of an MRI finding."""
    text = isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(column.dtype)
    return text and is_finding(column)


def _with_not_known(groups: Groups, n: int) -> Groups:
    """Give the patients whose group is not known a column of their own."""
    if not groups.not_known:
        return groups
    inside = np.zeros(n, dtype=bool)
    for group in groups.compared:
        inside |= group.rows
    extra = Group("not_known", "Not known", ~inside)
    return Groups(groups.label, (*groups.compared, extra), groups.overall, {})


def _imaged(data: pd.DataFrame, finding: Variable) -> States:
    """Who was imaged in the window: 1 yes, 0 no, NaN where nobody knows."""
    if "mri_status" not in data.columns:
        return imaged_states(finding)
    codes = data["mri_status"].astype(object).map({"imaged": 1.0, "not_imaged": 0.0})
    return np.asarray(codes.astype("Float64").to_numpy(dtype=float, na_value=np.nan), dtype=np.float64)


def _seen(variables: Sequence[Variable]) -> tuple[list[Variable], list[Variable]]:
    """Split findings into those seen in a patient and those never seen."""
    seen = [one for one in variables if _present(one)]
    never = [one for one in variables if not _present(one)]
    return (seen, never) if seen else (list(variables), [])


def _present(finding: Variable) -> bool:
    """Whether any patient has the finding."""
    return int(finding.counts(finding.known)[1]) > 0


def _finding_row(
    finding: Variable,
    plan: Plan,
    imaged: States,
    records: list[dict[str, object]],
    conf_level: float,
    intervals: bool,
) -> Row:
    """Row of a finding; its numbers go to the records."""
    groups = plan.groups.columns
    counts = np.column_stack([finding.counts(group.rows) for group in groups]).astype(np.int64)
    hidden = _hidden(counts, plan)
    cells = []
    for position, group in enumerate(groups):
        absent, present = (int(n) for n in counts[:, position])
        numbers = _numbers(present, absent + present, bool(hidden[position]), conf_level)
        people = {"n_imaged": int((group.rows & (imaged == 1)).sum()), "n_patients": group.n}
        records.append(
            {"finding": finding.name, "label": finding.label, "grade": group.value, **people, **numbers}
        )
        text = _text(present, absent + present, numbers, plan.min_cell, intervals)
        cells.append(Cell(text, (), tuple(numbers.items())))
    return Row(Cell(finding.label), tuple(cells))


def _hidden(counts: NDArray[np.int64], plan: Plan) -> NDArray[np.bool_]:
    """Columns in which patients with the finding, or without it, are too few to be shown."""
    total = 0 if plan.groups.overall is not None else None
    either = [hidden_cells(line[None, :], plan.min_cell, total, add_up=False)[0] for line in counts]
    return np.asarray(either[0] | either[1])


def _numbers(present: int, total: int, secret: bool, conf_level: float) -> dict[str, float]:
    """Compute proportion and exact limits of one column; NaN where they may not be shown."""
    low = high = share = math.nan
    if total and not secret:
        limits = stats.binomtest(present, total).proportion_ci(conf_level, method="exact")
        share, low, high = present / total, float(limits.low), float(limits.high)
    return {
        "n_present": math.nan if secret else float(present),
        "n_assessable": float(total),
        "estimate": share,
        "conf_low": low,
        "conf_high": high,
    }


def _text(present: int, total: int, numbers: dict[str, float], min_cell: int, intervals: bool) -> str:
    """Print a count with its denominator and percentage, and the limits on a second line."""
    if not total:
        return EN_DASH
    if math.isnan(numbers["n_present"]):
        few_without = total - present < min_cell <= present
        return (
            f"≥{max(total - min_cell + 1, 0)}/{total}"
            if few_without
            else f"{count_text(present, min_cell)}/{total}"
        )
    first = f"{present}/{total} ({percent(present, total)})"
    if not intervals:
        return first
    places = 1 if total >= 200 else 0
    low, high = (fixed(100 * numbers[limit], places) for limit in ("conf_low", "conf_high"))
    return f"{first}\n{low}{EN_DASH}{high}%"


def _imaging_rows(
    data: pd.DataFrame,
    imaged: States,
    plan: Plan,
    labels: Labels,
) -> tuple[Row, ...]:
    """Rows that count who was not imaged, by reason, and of whom nobody knows."""
    rows = []
    missed = imaged == 0
    if missed.any():
        reasons = _not_done_reasons(data, missed)
        found = sorted(
            set(reasons[missed]) - {NOT_KNOWN}, key=lambda reason: (-(reasons == reason).sum(), reason)
        )
        order = [*found, *([NOT_KNOWN] if (reasons == NOT_KNOWN).any() and found else [])]
        texts = {reason: level_label("mri_not_done_reason", reason, labels) for reason in order}
        texts[NOT_KNOWN] = "Reason not stated"
        lines = np.array(
            [
                [int((group.rows & (reasons == reason)).sum()) for group in plan.groups.columns]
                for reason in order
            ],
            dtype=np.int64,
        ).reshape(len(order), len(plan.groups.columns))
        total = np.array([int((group.rows & missed).sum()) for group in plan.groups.columns], dtype=np.int64)
        hidden = hidden_cells(lines, plan.min_cell, 0 if plan.groups.overall is not None else None)
        children = tuple(
            Row(Cell(texts[reason]), _count_cells(line, secret, plan))
            for reason, line, secret in zip(order, lines, hidden, strict=True)
        )
        rows.append(Row(Cell("Not imaged, n (%)"), _share_cells(total, plan), children))
    if np.isnan(imaged).any():
        unknown = np.array([int((group.rows & np.isnan(imaged)).sum()) for group in plan.groups.columns])
        rows.append(Row(Cell("Not known whether imaged, n (%)"), _share_cells(unknown, plan)))
    return tuple(rows)


def _not_done_reasons(data: pd.DataFrame, missed: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Reason of every patient without MRI; empty for the others."""
    reasons = np.full(len(data), "", dtype=object)
    reasons[missed] = NOT_KNOWN
    if "mri_not_done_reason" in data.columns:
        stated = data["mri_not_done_reason"].astype(object)
        known = missed & stated.notna().to_numpy(dtype=bool)
        reasons[known] = stated.to_numpy(dtype=object)[known]
    return reasons


def _count_cells(
    line: NDArray[np.int64],
    hidden: NDArray[np.bool_],
    plan: Plan,
) -> tuple[Cell, ...]:
    """Cells with counts only."""
    return tuple(
        Cell(count_text(int(n), plan.min_cell)) if secret else Cell(str(n), (), (("n", float(n)),))
        for n, secret in zip(line, hidden, strict=True)
    )


def _share_cells(line: NDArray[np.int64], plan: Plan) -> tuple[Cell, ...]:
    """Cells with counts and their share of all patients of the column."""
    cells = []
    for n, group in zip(line, plan.groups.columns, strict=True):
        secret = 0 < n < plan.min_cell
        text = count_text(int(n), plan.min_cell) if secret else f"{n} ({percent(int(n), group.n)})"
        cells.append(Cell(text if group.n else EN_DASH, (), () if secret else (("n", float(n)),)))
    return tuple(cells)


def _heads(groups: Groups, imaged: States, plan: Plan) -> tuple[Column, ...]:
    """Headings with the number imaged of all patients."""

    def head(group: Group) -> Column:
        n = int((group.rows & (imaged == 1)).sum())
        secret = 0 < n < plan.min_cell or 0 < group.n - n < plan.min_cell
        count = f"{count_text(n, plan.min_cell) if secret else n} of {group.n}"
        return Column(f"{group.label}\n{count}\nimaged")

    first = (head(groups.overall),) if groups.overall is not None else ()
    if not groups.compared:
        return first
    return (*first, Column(groups.label, tuple(head(group) for group in groups.compared)))


def _notes(
    groups: Groups, never: Sequence[Variable], guard_notes: tuple[str, ...], plan: Plan
) -> tuple[str, ...]:
    """Sentences below the table."""
    notes = []
    if never:
        looked = [one for one in never if one.known.any()]
        parts = [f"{in_sentence(one.label)} (0/{int(one.known.sum())})" for one in looked]
        notes += [f"Looked for and never seen: {'; '.join(parts)}."] if parts else []
        names = [in_sentence(one.label) for one in never if not one.known.any()]
        notes += [f"Not assessed in any patient: {'; '.join(names)}."] if names else []
    if plan.min_cell > 1:
        notes.append(
            f"Counts below {plan.min_cell} are not shown, nor are those from which they could be computed."
        )
    notes += [f"{note[0].upper()}{note[1:]}." for note in guard_notes]
    return tuple(notes)


def _title(groups: Groups) -> str:
    """Caption from the grouping."""
    return f"MRI findings by {in_sentence(groups.label)}" if groups.label else "MRI findings"


def _frame(records: list[dict[str, object]]) -> pd.DataFrame:
    """Return the records as a frame, counts as integers."""
    names = ["finding", "label", "grade", "n_present", "n_assessable", "n_imaged", "n_patients"]
    frame = pd.DataFrame(records, columns=[*names, "estimate", "conf_low", "conf_high"])
    return frame.astype(dict.fromkeys(names[3:], "Int64"))
