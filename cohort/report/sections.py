"""The sections of a report, in the order in which a reader needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from cohort.format import n_of_total, percent
from cohort.report.blocks import Block, Section
from cohort.report.checklist import answered
from cohort.report.data_section import TITLE as DATA_TITLE
from cohort.report.data_section import data_section
from cohort.report.manifest import versions
from cohort.report.methods import methods_paragraphs
from cohort.report.outcome import Outcome, drawing
from cohort.report.prepare import Prepared
from cohort.tables.plain_table import plain_table, text_column

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
    "mantel_haenszel": "models",
}
TITLES = {
    "flow": "Who is in the study",
    "data": DATA_TITLE,
    "patients": "Patients and toxicity",
    "imaging": "MRI and ICANS",
    "outcomes": "Outcomes over time",
    "models": "Associations",
    "methods": "Methods, drafted from the study file",
    "checklist": "STROBE and RECORD",
    "provenance": "Provenance",
}


def report_sections(prepared: Prepared, outcomes: Mapping[str, Outcome]) -> tuple[Section, ...]:
    """Arrange everything a report shows."""
    middle = {name: tuple(_blocks(name, outcomes)) for name in ("patients", "imaging", "outcomes", "models")}
    present = ["flow", "data", *(name for name, blocks in middle.items() if blocks), "methods", "provenance"]
    made = {
        "flow": Section("flow", TITLES["flow"], blocks=(_flow_block(prepared),)),
        "data": data_section(prepared),
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
    suspected = prepared.units[prepared.units["fits_unit"] != ""]
    found = [
        f"{n} values of {column} ({source}) are impossible in {unit} and fit {other}: look at the mapping."
        for n, column, source, unit, other in zip(
            *(suspected[name] for name in ("n_implausible", "source_column", "source", "unit", "fits_unit")),
            strict=True,
        )
    ]
    infused = set(prepared.registry.infusion["source"].astype(str))
    found += [f"{name} sent no infusion." for name in prepared.registry.sources if name not in infused]
    if not prepared.spec.analyses:
        found.append("The study file asks for no analysis.")
    grading = prepared.graded.attrs.get("cohort_grading", {})
    resting = int(grading.get("n_rest_on_unscanned", 0))
    if resting:
        found.append(
            f"{resting} daily grades take the imaging half of the edema domain as absent because no scan was made and "
            "the clinical signs were negative (unscanned: clinical)."
        )
    by_motor = int(grading.get("n_grade_4_by_motor_only", 0))
    if by_motor:
        found.append(
            f"{by_motor} daily grades are 4 by a deep focal motor deficit alone: look at these patients, since "
            "a spinal cord event reads the same."
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
