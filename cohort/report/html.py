"""The report as one HTML file: text, tables and vector figures inside, no address outside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import count
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from cohort.format import n_of_total
from cohort.report.blocks import Block, Section
from cohort.report.prepare import Prepared
from cohort.report.sections import alerts
from cohort.tables.write_html import TABLE_CSS

LABELS = {"refused": "Refused by a guard", "failed": "Could not be estimated"}
_DECLARATION = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", re.DOTALL)


def report_html(prepared: Prepared, sections: Sequence[Section], pictures: Mapping[str, str]) -> str:
    """Write the report as one HTML document.

    Parameters
    ----------
    prepared : Prepared
        What the analyses started from.
    sections : sequence of Section
        The sections in order.
    pictures : mapping of str to str
        SVG of each figure by its name.

    Returns
    -------
    str
        The document; it needs no other file and no network.
    """
    from cohort import __version__

    folder = files("cohort.report") / "templates"
    sources = {name: (folder / name).read_text(encoding="utf-8") for name in ("report.html.j2", "report.css")}
    environment = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures, tables = count(1), count(1)
    return environment.get_template("report.html.j2").render(
        study=prepared.spec.study,
        css=sources["report.css"] + TABLE_CSS,
        card=_card(prepared),
        alerts=alerts(prepared, tuple(sections)),
        sections=[
            {
                "id": section.id,
                "title": section.title,
                "paragraphs": section.paragraphs,
                "blocks": [_block(block, pictures, figures, tables) for block in section.blocks],
            }
            for section in sections
        ],
        version=__version__,
    )


def _card(prepared: Prepared) -> list[tuple[str, str]]:
    data = prepared.data
    n = len(data)
    known = data["any_icans"].dropna()
    severe = data["severe_icans"].dropna()
    dead, vital = int((data["vital_status"] == "dead").sum()), int(data["vital_status"].notna().sum())
    imaged, recorded = (
        int(mask.sum()) for mask in (data["mri_status"] == "imaged", data["mri_status"] != "unknown")
    )
    return [
        ("Patients", f"{n:,}"),
        ("Centers", f"{data['center_id'].nunique():,}"),
        ("Any ICANS, of those known", n_of_total(int((known == "yes").sum()), len(known))),
        ("Severe ICANS, of those known", n_of_total(int((severe == "yes").sum()), len(severe))),
        *([("MRI in the window, where recorded", n_of_total(imaged, recorded))] if recorded else []),
        *([("Deaths, of those whose status is known", n_of_total(dead, vital))] if vital else []),
    ]


def _block(
    block: Block, pictures: Mapping[str, str], figures: Iterator[int], tables: Iterator[int]
) -> dict[str, Any]:
    return {
        "id": block.id,
        "title": block.title,
        "status": block.status,
        "error": block.error,
        "error_label": LABELS.get(block.status, ""),
        "sentences": block.sentences,
        "notes": block.notes,
        "figures": [
            {
                "number": next(figures),
                "svg": _inline(pictures[drawing.name], drawing.name),
                "legend": drawing.legend,
                "alt": drawing.legend,
            }
            for drawing in block.drawings
        ],
        "tables": [
            table.with_caption(f"Table {next(tables)}. {table.caption}").to_html(style=False)
            for table in block.tables.values()
        ],
    }


def _inline(svg: str, name: str) -> str:
    """Make an SVG safe to stand beside others in one document: no prologue, ids of its own, no address."""
    body = _DECLARATION.sub("", svg).strip()
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'\1="#{name}-\2"', body)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
