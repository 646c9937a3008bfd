"""Write what a run gives: tables, figures, harmonised data, results, audit, reports, manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cohort.report.blocks import Section
from cohort.report.check import CheckedStudy
from cohort.report.html import report_html
from cohort.report.manifest import sha256_of, write_json, write_manifest
from cohort.report.outcome import Drawing, Outcome
from cohort.report.prepare import Prepared
from cohort.report.sections import report_sections
from cohort.report.spec import Outputs
from cohort.report.word import write_report_docx
from cohort.style import save_figure
from cohort.tables.table import Table

PUBLISHED = ("patients", "imaging", "outcomes", "models")


def write_run(
    folder: Path,
    checked: CheckedStudy,
    prepared: Prepared,
    outcomes: Mapping[str, Outcome],
    *,
    steps: Iterable[Mapping[str, Any]],
    seconds: Mapping[str, float],
) -> None:
    """Write the whole folder of a run."""
    sections = report_sections(prepared, outcomes)
    for name in ("tables", "figures", "data"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _write_tables(folder / "tables", sections, prepared.spec.outputs)
    pictures = _write_figures(folder / "figures", sections, prepared.spec.outputs)
    _write_data(folder / "data", prepared)
    write_json(folder / "results.json", _results(prepared, outcomes))
    write_json(folder / "audit.json", _audit(prepared))
    (folder / "report.html").write_text(report_html(prepared, sections, pictures), encoding="utf-8")
    write_report_docx(folder / "report.docx", prepared, sections, folder / "figures")
    write_manifest(
        folder,
        study={
            "id": prepared.spec.study.id,
            "seed": prepared.spec.study.seed,
            "file_sha256": sha256_of(checked.file),
            "content_sha256": hashlib.sha256(prepared.spec.model_dump_json().encode()).hexdigest(),
        },
        inputs={
            name: {"sha256": sha256_of(path), "mapping": Path(checked.mappings[name]).name}
            for name, path in checked.paths.items()
        },
        steps=steps,
        seconds=seconds,
    )


def _write_tables(folder: Path, sections: Iterable[Section], outputs: Outputs) -> None:
    writers: dict[str, Callable[[Table, Path], object]] = {
        "docx": Table.to_docx,
        "xlsx": Table.to_xlsx,
        "html": Table.to_html,
        "tex": Table.to_latex,
        "md": Table.to_markdown,
        "csv": Table.to_csv,
    }
    for section in sections:
        if section.id not in PUBLISHED:
            continue
        for block in section.blocks:
            for name, table in block.tables.items():
                for kind in outputs.tables.formats:
                    writers[kind](table, folder / f"{name}.{kind}")


def _write_figures(folder: Path, sections: Iterable[Section], outputs: Outputs) -> dict[str, str]:
    """Write every figure in every format; return the SVG of each for the report."""
    from matplotlib import pyplot as plt

    svg = {}
    formats = tuple(dict.fromkeys((*outputs.figures.formats, "svg", "png")))
    for drawing in _drawings(sections):
        save_figure(drawing.figure, folder / drawing.name, formats=formats, dpi=outputs.figures.dpi)
        svg[drawing.name] = (folder / f"{drawing.name}.svg").read_text(encoding="utf-8")
        plt.close(drawing.figure)
    return svg


def _drawings(sections: Iterable[Section]) -> Iterable[Drawing]:
    return (drawing for section in sections for block in section.blocks for drawing in block.drawings)


def _write_data(folder: Path, prepared: Prepared) -> None:
    frames = {
        **prepared.registry.tables,
        "icans_graded": prepared.graded,
        "icans_episodes": prepared.episodes,
        "analysis": prepared.data,
    }
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)


def _results(prepared: Prepared, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    return {
        "study": prepared.spec.study.id,
        "patients": len(prepared.data),
        "attrition": _records(prepared.study.attrition),
        "analyses": {
            outcome.id: {
                "kind": outcome.kind,
                "title": outcome.title,
                "status": outcome.status,
                "error": outcome.error,
                "sentences": outcome.sentences,
                "notes": outcome.notes,
                "numbers": {name: _records(frame) for name, frame in outcome.frames.items()},
            }
            for outcome in outcomes.values()
        },
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _audit(prepared: Prepared) -> dict[str, Any]:
    registry = prepared.registry
    return {
        "rules": _records(registry.audit),
        "unmapped": _records(registry.unmapped),
        "conflicts": _conflict_counts(registry.conflicts),
        "grading": dict(prepared.graded.attrs.get("cohort_grading", {})),
        "sql": registry.sql,
    }


def _conflict_counts(conflicts: pd.DataFrame) -> list[dict[str, Any]]:
    """Count conflicts by table and variable; their values stay in the registry."""
    if conflicts.empty:
        return []
    return _records(conflicts.groupby(["table", "variable"], observed=True).size().rename("n").reset_index())
