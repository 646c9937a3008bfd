"""Analyses that describe: characteristics, grades, imaging by grade, timing, and single numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import StudyError
from cohort.format import fixed, n_of_total
from cohort.neurotox.linkage import mri_timing
from cohort.plots.finding_by_grade import plot_finding_by_grade
from cohort.plots.grade_bars import plot_grade_bars
from cohort.plots.mri_timing import plot_mri_timing
from cohort.report.outcome import Outcome, drawing
from cohort.report.prepare import Prepared
from cohort.report.spec import DescribeSpec, GradesSpec, ImagingTableSpec, MriTimingSpec, TableOneSpec
from cohort.report.words import column_with_unit, column_words
from cohort.study.disclosure import suppress
from cohort.tables.imaging_table import imaging_table
from cohort.tables.labels import in_sentence
from cohort.tables.plain_table import PlainColumn, plain_table
from cohort.tables.small_cells import hidden_cells
from cohort.tables.table_one import table_one


def characteristics(name: str, part: TableOneSpec, prepared: Prepared) -> Outcome:
    """Make Table 1."""
    min_cell = prepared.spec.study.disclosure.min_cell or None
    table = table_one(
        prepared.data,
        by=part.by,
        variables=list(part.variables),
        smd=part.smd,
        p=part.p,
        continuous=part.continuous,
        min_cell=min_cell,
    )
    title = part.title or "Characteristics of the patients"
    return Outcome(
        name, part.kind, title, tables={name: table.with_caption(title)}, frames={name: table.frame}
    )


def imaging_by_grade(name: str, part: ImagingTableSpec, prepared: Prepared) -> Outcome:
    """Make the table of findings by grade and its heat map."""
    findings = None if part.findings is None else list(part.findings)
    min_cell = prepared.spec.study.disclosure.min_cell
    table = imaging_table(
        prepared.data,
        by=part.by,
        findings=findings,
        conf_level=prepared.spec.study.conf_level,
        min_cell=min_cell or None,
        acknowledge=part.acknowledge,
    )
    axes = plot_finding_by_grade(table.frame, min_cell=min_cell)
    title = part.title or "MRI findings by ICANS grade"
    imaged = int((prepared.data["mri_status"] == "imaged").sum())
    recorded = int((prepared.data["mri_status"] != "unknown").sum())
    sentence = (
        f"MRI within days {prepared.spec.imaging.window[0]}–{prepared.spec.imaging.window[1]} was made in "
        f"{n_of_total(imaged, recorded)} of the patients whose source records MRI; "
        "each proportion is of those in whom the finding could be assessed."
    )
    legend = (
        f"{title}. Share of patients with the finding among those imaged and assessable, by "
        f"{in_sentence(column_words(prepared.data, part.by))}; n/N in each cell."
    )
    return Outcome(
        name,
        part.kind,
        title,
        sentences=(sentence,),
        tables={name: table.with_caption(title)},
        drawings=(drawing(name, axes, legend),),
        frames={name: table.frame},
    )


def timing_of_mri(name: str, part: MriTimingSpec, prepared: Prepared) -> Outcome:
    """Draw the day of each MRI relative to ICANS onset."""
    exams = prepared.registry.mri_exam
    exams = exams[exams["patient_id"].isin(prepared.data["patient_id"])]
    frame = mri_timing(exams, prepared.episodes)
    frame = frame[frame["mri_day"].between(*prepared.spec.imaging.window)]
    title = part.title or "Timing of MRI against ICANS onset"
    known = frame["days_from_onset"].dropna().astype(float)
    counts = known.value_counts().sort_index().rename_axis("days_from_onset").rename("n").reset_index()
    before = int((known < 0).sum())
    sentence = (
        f"{len(known)} examinations in patients with ICANS: {n_of_total(before, len(known))} before onset; "
        f"median {fixed(float(known.median()), 0)} days from onset."
        if len(known)
        else "No examination of a patient with ICANS has a known day."
    )
    drawings = (
        (drawing(name, plot_mri_timing(frame), f"{title}. Day 0 is the onset of ICANS."),)
        if len(known)
        else ()
    )
    return Outcome(name, part.kind, title, sentences=(sentence,), drawings=drawings, frames={name: counts})


def grades_by_group(name: str, part: GradesSpec, prepared: Prepared) -> Outcome:
    """Count maximum ICANS grades by group, the undeterminable apart."""
    data = prepared.data
    _require_columns(data, [part.by], name)
    grade = data["icans_grade"].astype("string").fillna("not determinable")
    counts = (
        pd.DataFrame({"group": data[part.by].astype("string").fillna("not known"), "grade": grade})
        .value_counts()
        .rename("n")
        .reset_index()
        .sort_values(["group", "grade"], ignore_index=True)
    )
    counts["n_patients"] = counts.groupby("group")["n"].transform("sum")
    title = part.title or f"Maximum ICANS grade by {in_sentence(column_words(data, part.by))}"
    wide = counts.pivot_table(index="group", columns="grade", values="n", aggfunc="sum", fill_value=0)
    totals = wide.sum(axis=1)
    min_cell = prepared.spec.study.disclosure.min_cell
    shown = wide if min_cell < 2 else suppress(wide, min_cell, list(wide.columns)).frame.astype(float)
    if min_cell > 1:  # a row adds up to its group, so that one hidden count hides the total of its row
        totals = totals.where(shown.notna().all(axis=1))
        known = shown.reset_index().melt(id_vars="group", var_name="grade", value_name="n")
        counts = known[known["n"] > 0].sort_values(["group", "grade"], ignore_index=True)
        counts["n_patients"] = counts["group"].map(totals)
    columns = [
        PlainColumn(
            f"Grade {grade}" if grade.isdigit() else grade.capitalize(),
            partial(_shares, grade=grade, totals=totals),
        )
        for grade in wide.columns
    ]
    stub = PlainColumn(
        column_with_unit(data, part.by), lambda frame: list(frame.index.astype(str)), align="left"
    )
    table = plain_table(shown, stub, columns, caption=title)
    secret = bool(shown.isna().to_numpy().any())
    legend = (
        f"{title}, days {prepared.spec.grading.window[0]}–{prepared.spec.grading.window[1]} after infusion."
    )
    return Outcome(
        name,
        part.kind,
        title,
        tables={name: table},
        drawings=() if secret else (drawing(name, plot_grade_bars(counts), legend),),
        frames={name: counts},
        notes=_hidden_note(min_cell, " The figure is left out.") if secret else (),
    )


def single_numbers(name: str, part: DescribeSpec, prepared: Prepared) -> Outcome:
    """Describe single variables: counts of each category, or mean, SD and quartiles."""
    data = prepared.data
    _require_columns(data, part.variables, name)
    min_cell = prepared.spec.study.disclosure.min_cell
    frame = pd.concat([_described(data, column, min_cell) for column in part.variables], ignore_index=True)
    title = part.title or "Numbers to check"
    stub = PlainColumn("Variable", lambda f: list(f["variable"]), align="left")
    columns = [
        PlainColumn("Category or statistic", lambda f: list(f["statistic"]), align="left"),
        PlainColumn("Value", lambda f: list(f["text"])),
        PlainColumn(
            "Known / all", lambda f: [_known_of(k, n) for k, n in zip(f["n_known"], f["n"], strict=True)]
        ),
    ]
    return Outcome(
        name,
        part.kind,
        title,
        tables={name: plain_table(frame, stub, columns, caption=title)},
        frames={name: frame},
        notes=_hidden_note(min_cell) if frame["text"].eq(HIDDEN).any() else (),
    )


HIDDEN = "not shown"
Rows = list[tuple[str, str, float]]


def _hidden_note(min_cell: int, more: str = "") -> tuple[str]:
    return (f"Counts below {min_cell} are not shown, nor are those from which they could be computed.{more}",)


def _known_of(known: float, n: int) -> str:
    return HIDDEN if np.isnan(known) else f"{int(known)}/{n}"


def _shares(frame: pd.DataFrame, grade: str, totals: pd.Series) -> list[str]:
    return [_share(n, total) for n, total in zip(frame[grade], totals, strict=True)]


def _share(n: float, total: float) -> str:
    """Print a count with its share; alone where the total, and not at all where the count is hidden."""
    if np.isnan(n):
        return HIDDEN
    return f"{int(n)}" if np.isnan(total) else n_of_total(int(n), int(total))


def _described(data: pd.DataFrame, column: str, min_cell: int) -> pd.DataFrame:
    values = data[column]
    known = values.dropna()
    n_missing = len(values) - len(known)
    number = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    if len(known) < (2 if number else 1):
        rows: Rows = [("too few values", "", np.nan)]
    elif number:
        rows = _moments(known.to_numpy(dtype=float))
    else:
        rows = _levels(known.astype("string").value_counts().sort_index(), n_missing, min_cell)
    few = 0 < len(known) < min_cell or 0 < n_missing < min_cell
    if 0 < len(known) < min_cell:
        rows = [(statistic, HIDDEN, np.nan) for statistic, _, _ in rows]
    return pd.DataFrame(rows, columns=["statistic", "text", "value"]).assign(
        variable=column_with_unit(data, column), n_known=np.nan if few else len(known), n=len(values)
    )


def _moments(numbers: NDArray[np.float64]) -> Rows:
    low, middle, high = np.quantile(numbers, [0.25, 0.5, 0.75], method="averaged_inverted_cdf")
    mean, sd = float(numbers.mean()), float(numbers.std(ddof=1))
    return [
        ("mean (SD)", f"{fixed(mean, 1)} ({fixed(sd, 1)})", mean),
        ("median (Q1–Q3)", f"{fixed(middle, 1)} ({fixed(low, 1)}–{fixed(high, 1)})", middle),
    ]


def _levels(counts: pd.Series, n_missing: int, min_cell: int) -> Rows:
    """Count each category; the missing are one more part of all patients where small counts are hidden."""
    secret = hidden_cells(np.array([*counts, n_missing])[:, None], min_cell)[:, 0]
    told = counts.astype(float).where(~secret[:-1])
    total = np.nan if secret[-1] else float(counts.sum())
    return [(str(level), _share(n, total), float(n)) for level, n in told.items()]


def _require_columns(data: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    missing = [column for column in columns if column not in data.columns]
    if missing:
        raise StudyError(
            f"analysis `{name}` names columns that the linked data do not have",
            evidence=f"columns: {', '.join(missing)}",
            remedy="look at `data.columns` of a run, or declare them under `variables:` or `summaries:`",
        )
