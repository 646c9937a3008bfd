"""The sections of a report, in the order in which a reader needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pandas as pd

from cohort.format import n_of_total, percent
from cohort.report.checklist import answered
from cohort.report.manifest import versions
from cohort.report.methods import methods_paragraphs
from cohort.report.outcome import Drawing, Outcome, drawing
from cohort.report.prepare import Prepared
from cohort.tables.plain_table import plain_table, text_column
from cohort.tables.table import Table

SECTION_OF = {
    "table_one": "patients",
    "describe": "patients",
    "grades": "patients",
    "imaging_table": "imaging",
    "mri_timing": "imaging",
    "kaplan_meier": "outcomes",
    "cumulative_incidence": "outcomes",
    "cox": "models",
    "odds_ratio": "models",
    "two_by_two": "models",
}
TITLES = {
    "flow": "Who is in the study",
    "data": "The data, and what was lost on the way",
    "patients": "Patients and toxicity",
    "imaging": "MRI and ICANS",
    "outcomes": "Outcomes over time",
    "models": "Associations",
    "methods": "Methods, drafted from the study file",
    "checklist": "STROBE and RECORD",
    "provenance": "Provenance",
}
MAX_UNMAPPED = 40


@dataclass(frozen=True, eq=False)
class Block:
    """One piece of a section: what an analysis gave, or a table about the data."""

    id: str = ""
    title: str = ""
    status: str = "done"
    sentences: tuple[str, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=lambda: MappingProxyType({}))
    drawings: tuple[Drawing, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """A section of the report with its blocks."""

    id: str
    title: str
    paragraphs: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()


def report_sections(prepared: Prepared, outcomes: Mapping[str, Outcome]) -> tuple[Section, ...]:
    """Arrange everything a report shows."""
    middle = {name: tuple(_blocks(name, outcomes)) for name in ("patients", "imaging", "outcomes", "models")}
    present = ["flow", "data", *(name for name, blocks in middle.items() if blocks), "methods", "provenance"]
    made = {
        "flow": Section("flow", TITLES["flow"], blocks=(_flow_block(prepared),)),
        "data": _data_section(prepared),
        **{name: Section(name, TITLES[name], blocks=blocks) for name, blocks in middle.items() if blocks},
        "methods": Section("methods", TITLES["methods"], methods_paragraphs(prepared)),
        "checklist": Section("checklist", TITLES["checklist"], blocks=(_checklist_block(present),)),
        "provenance": Section("provenance", TITLES["provenance"], blocks=(_provenance_block(prepared),)),
    }
    return tuple(made[name] for name in TITLES if name in made)


def _blocks(section: str, outcomes: Mapping[str, Outcome]) -> Iterator[Block]:
    for outcome in outcomes.values():
        if SECTION_OF[outcome.kind] == section:
            yield Block(
                outcome.id,
                outcome.title,
                outcome.status,
                outcome.sentences,
                outcome.tables,
                outcome.drawings,
                outcome.notes,
                outcome.error,
            )


def _flow_block(prepared: Prepared) -> Block:
    axes = prepared.study.plot()
    legend = "Flow of infusions and patients. Every rule is shown, also where it left nobody out."
    return Block(drawings=(drawing("flow", axes, legend),))


def _data_section(prepared: Prepared) -> Section:
    registry = prepared.registry
    quality = registry.quality()
    blocks = [_rows_block(prepared), _quality_block(quality), _unmapped_block(registry.unmapped)]
    blocks += [_conflicts_block(registry.conflicts)]
    return Section("data", TITLES["data"], blocks=tuple(blocks))


def _rows_block(prepared: Prepared) -> Block:
    counts = [
        {"table": name, "source": str(source), "n": int(n)}
        for name, frame in prepared.registry.tables.items()
        for source, n in frame["source"].astype("string").value_counts().sort_index().items()
    ]
    frame = pd.DataFrame(counts, columns=["table", "source", "n"])
    wide = frame.pivot_table(index="table", columns="source", values="n", aggfunc="sum", observed=True)
    wide = wide.reindex(list(prepared.registry.tables)).fillna(0).astype(int).reset_index()
    stub = text_column("Table", "table")
    columns = [text_column(str(source), str(source), "right") for source in wide.columns[1:]]
    return Block(
        "rows",
        "Rows by table and source",
        tables={"rows": plain_table(wide, stub, columns, caption="Harmonised rows")},
    )


def _quality_block(quality: pd.DataFrame) -> Block:
    failed = quality[quality["result"] == "failed"]
    sentence = (
        f"{len(quality)} checks were made (Kahn's categories), {len(failed)} of them failed their threshold; "
        "all are in the harmonised data's quality report."
    )
    axes = quality.plot()
    legend = "Share of values that violate a check, by variable and center. White: not in the source."
    return Block(
        "quality",
        "Quality",
        sentences=(sentence,),
        drawings=(drawing("quality", axes, legend),),
    )


def _unmapped_block(unmapped: pd.DataFrame) -> Block:
    if unmapped.empty:
        return Block(
            "unmapped", "Values without a rule", sentences=("Every value of every source had a rule.",)
        )
    codes = unmapped.assign(value=unmapped["value"].where(unmapped["status"] == "unmapped", ""))
    names = ["source", "table", "variable", "status", "value"]
    counts = codes.groupby(names, observed=True, dropna=False)["n"].sum().reset_index()
    shown = counts.sort_values(["n", *names], ascending=[False, *[True] * len(names)]).head(MAX_UNMAPPED)
    stub = text_column("Source", "source")
    columns = [
        text_column("Table", "table"),
        text_column("Variable", "variable"),
        text_column("Status", "status"),
        text_column("Code", "value"),
        text_column("Cells", "n", "right"),
    ]
    table = plain_table(shown, stub, columns, caption="Source values without a rule, or unreadable")
    sentence = (
        f"{int(unmapped['n'].sum())} cells hold a code without a rule, or a text that is no number, date or unit. They "
        "are missing in the analysis and say so in their status; nothing was guessed. Only codes are shown."
    )
    return Block("unmapped", "Values without a rule", sentences=(sentence,), tables={"unmapped": table})


def _conflicts_block(conflicts: pd.DataFrame) -> Block:
    title = "Conflicting records"
    if conflicts.empty:
        return Block("conflicts", title, sentences=("No two records of the same key differ.",))
    counts = (
        conflicts.groupby(["table", "variable"], observed=True)
        .agg(n=("patient_id", "size"), patients=("patient_id", "nunique"))
        .reset_index()
    )
    stub = text_column("Table", "table")
    columns = [
        text_column("Variable", "variable"),
        text_column("Records", "n", "right"),
        text_column("Patients", "patients", "right"),
    ]
    sentence = (
        f"{conflicts['patient_id'].nunique()} patients have records with the same key and different values, within a "
        "source or between two. All records are kept in the harmonised tables; the population keeps the infusion of "
        "the source that stands first in the study file."
    )
    table = plain_table(counts, stub, columns, caption="Conflicting values by variable")
    return Block("conflicts", title, sentences=(sentence,), tables={"conflicts": table})


def _checklist_block(present: list[str]) -> Block:
    rows = answered(present)
    frame = pd.DataFrame(
        [
            {
                "item": f"{item.checklist} {item.number}",
                "asks": item.asks,
                "where": TITLES[item.section] if who == "report" else "for the authors",
            }
            for item, who in rows
        ]
    )
    stub = text_column("Item", "item")
    columns = [text_column("What it asks", "asks"), text_column("Where", "where")]
    done = int(sum(who == "report" for _, who in rows))
    sentence = (
        f"{n_of_total(done, len(rows))} items are answered by this report, the others need the authors."
    )
    return Block(
        sentences=(sentence,),
        tables={"checklist": plain_table(frame, stub, columns, caption="Where each item stands")},
    )


def _provenance_block(prepared: Prepared) -> Block:
    used = versions()
    frame = pd.DataFrame({"package": list(used), "version": list(used.values())})
    stub = text_column("Package", "package")
    columns = [text_column("Version", "version")]
    status = prepared.registry.audit
    sentence = (
        f"Seed {prepared.spec.study.seed}. {len(status)} rules were applied; rows in, out and by status for each "
        "are in audit.json with the SQL that was run. Hashes of the study file, the extracts and every file written "
        "are in manifest.json."
    )
    table = plain_table(frame, stub, columns, caption="Versions")
    return Block(sentences=(sentence,), tables={"versions": table})


def alerts(prepared: Prepared, sections: tuple[Section, ...]) -> tuple[str, ...]:
    """Return what a reader must see before any number."""
    found = []
    grading = prepared.graded.attrs.get("cohort_grading", {})
    resting = int(grading.get("n_rest_on_unscanned", 0))
    if resting:
        found.append(
            f"{resting} daily grades take the imaging half of the edema domain as absent because no scan was made and "
            "the clinical signs were negative (unscanned: clinical)."
        )
    undetermined = int(prepared.data["icans_grade"].isna().sum())
    if undetermined:
        share = percent(undetermined, len(prepared.data))
        found.append(
            f"The maximum ICANS grade of {undetermined} patients ({share}) cannot be determined; bounds are used."
        )
    open_blocks = [block for section in sections for block in section.blocks if block.status != "done"]
    found += [
        f"{block.title}: {block.status}; the reason stands in its place below." for block in open_blocks
    ]
    return tuple(found)
