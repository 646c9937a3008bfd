"""STROBE and RECORD: which item of the checklists is answered where in the report."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Answer = Literal["report", "authors"]


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item: its number, what it asks, the section of the report that answers it, if any.

    Attributes
    ----------
    checklist : str
        STROBE (von Elm 2007) or RECORD (Benchimol 2015).
    number : str
        Number of the item.
    asks : str
        What the item asks, in our words.
    section : str
        Section of the report that answers it; empty when only the authors can.
    """

    checklist: str
    number: str
    asks: str
    section: str = ""


ITEMS = (
    ChecklistItem("STROBE", "1", "Design named in title or abstract; balanced summary"),
    ChecklistItem("STROBE", "2", "Background and rationale"),
    ChecklistItem("STROBE", "3", "Objectives"),
    ChecklistItem("STROBE", "4", "Study design", "methods"),
    ChecklistItem("STROBE", "5", "Setting, locations, dates"),
    ChecklistItem("STROBE", "6", "Eligibility, sources and methods of selection", "flow"),
    ChecklistItem("STROBE", "7", "Outcomes, exposures, confounders defined", "methods"),
    ChecklistItem("STROBE", "8", "Data sources and measurement per variable", "data"),
    ChecklistItem("STROBE", "9", "Efforts to address bias", "methods"),
    ChecklistItem("STROBE", "10", "Study size", "flow"),
    ChecklistItem("STROBE", "11", "Handling of quantitative variables", "methods"),
    ChecklistItem("STROBE", "12", "Statistical methods, missing data, sensitivity analyses", "methods"),
    ChecklistItem("STROBE", "13", "Numbers at each stage, reasons, flow diagram", "flow"),
    ChecklistItem("STROBE", "14", "Characteristics; missing per variable; follow-up", "patients"),
    ChecklistItem("STROBE", "15", "Outcome events or summary measures", "outcomes"),
    ChecklistItem(
        "STROBE", "16", "Estimates with intervals; adjusted and unadjusted; absolute risks", "models"
    ),
    ChecklistItem("STROBE", "17", "Other analyses", "models"),
    ChecklistItem("STROBE", "18–21", "Key results, limitations, interpretation, generalisability"),
    ChecklistItem("STROBE", "22", "Funding"),
    ChecklistItem("RECORD", "1.1–1.3", "Type of data, region and time frame, linkage in title or abstract"),
    ChecklistItem("RECORD", "6.1", "Selection by codes or algorithms", "flow"),
    ChecklistItem("RECORD", "6.2", "Validation of codes or algorithms"),
    ChecklistItem("RECORD", "6.3", "Linkage shown in a flow diagram", "flow"),
    ChecklistItem("RECORD", "7.1", "Complete list of codes and algorithms", "provenance"),
    ChecklistItem("RECORD", "12.1", "Access to the database population"),
    ChecklistItem("RECORD", "12.2", "Data cleaning methods", "data"),
    ChecklistItem("RECORD", "12.3", "Linkage methods and their quality", "data"),
    ChecklistItem(
        "RECORD", "13.1", "Selection of persons, with filtering on quality and availability", "flow"
    ),
    ChecklistItem("RECORD", "19.1", "Implications of data not made for the question"),
    ChecklistItem("RECORD", "22.1", "Access to protocol, data and code", "provenance"),
)


def answered(sections: Collection[str]) -> list[tuple[ChecklistItem, Answer]]:
    """Return each item with who answers it, given the sections that the report has."""
    return [(item, "report" if item.section in sections else "authors") for item in ITEMS]
