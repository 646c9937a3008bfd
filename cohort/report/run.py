"""Carry out a study file: prepare, analyse, write report, tables, figures, data, audit and manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cohort.errors import CohortError, EndpointError, GuardError, StudyError
from cohort.models.aggregates import Origin
from cohort.models.export_aggregates import ExportedAggregates, export_aggregates
from cohort.models.odds_ratio_result import OddsRatio
from cohort.report.check import CheckedStudy, check_study
from cohort.report.describing import (
    characteristics,
    grades_by_group,
    imaging_by_grade,
    single_numbers,
    timing_of_mri,
)
from cohort.report.estimating import (
    fourfold,
    hazards,
    incidence_curves,
    odds,
    pooled_over_strata,
    survival_curves,
)
from cohort.report.folder import made_folder
from cohort.report.outcome import Outcome
from cohort.report.prepare import Prepared, prepare
from cohort.report.progress import Progress, silent
from cohort.report.spec import AnalysisSpec, CoxSpec
from cohort.report.write import write_run

KINDS: Mapping[str, Callable[[str, Any, Prepared], Outcome]] = {
    "table_one": characteristics,
    "imaging_table": imaging_by_grade,
    "mri_timing": timing_of_mri,
    "grades": grades_by_group,
    "describe": single_numbers,
    "kaplan_meier": survival_curves,
    "cumulative_incidence": incidence_curves,
    "cox": hazards,
    "odds_ratio": odds,
    "two_by_two": fourfold,
    "mantel_haenszel": pooled_over_strata,
}


@dataclass(frozen=True, eq=False)
class Run:
    """A study that was carried out.

    Attributes
    ----------
    folder : Path
        Where its files lie.
    prepared : Prepared
        The registry, the population, the analysis frame and the endpoints.
    outcomes : mapping of str to Outcome
        What each analysis gave, by its id.
    checked : CheckedStudy
        The study file and its mappings.
    """

    folder: Path
    prepared: Prepared
    outcomes: Mapping[str, Outcome]
    checked: CheckedStudy

    @property
    def unfinished(self) -> tuple[Outcome, ...]:
        """Analyses that were refused by a guard or failed."""
        return tuple(outcome for outcome in self.outcomes.values() if outcome.status != "done")

    def export_aggregates(
        self, folder: str | Path, *, site: str, min_cell: int | None = None
    ) -> ExportedAggregates:
        """Write what registries may pool of this run: its Cox and logistic models and fourfold tables.

        Parameters
        ----------
        folder : str or Path
            Folder to write to.
        site : str
            Name of the registry.
        min_cell : int, optional
            Smallest count that may leave; that of the study file, and at least 5, by default.

        Returns
        -------
        ExportedAggregates
            The path, and what was withheld.
        """
        fits = {name: one.fit for name, one in self.outcomes.items() if one.fit is not None}
        parts = self.prepared.spec.analyses
        origins: dict[str, Origin] = {}
        for name, fit in fits.items():
            part = parts[name]
            if isinstance(part, CoxSpec):
                endpoint = self.prepared.endpoints[part.endpoint]
                if not isinstance(endpoint, EndpointError):
                    origins[name] = endpoint
            elif isinstance(fit, OddsRatio):
                origins[name] = self.prepared.data
        return export_aggregates(
            fits,
            folder,
            site=site,
            min_cell=max(5, self.prepared.spec.study.disclosure.min_cell) if min_cell is None else min_cell,
            study=self.checked.file,
            mappings=[path for path in self.checked.mappings.values() if Path(path).is_file()],
            data=origins,
        )

    def __repr__(self) -> str:
        done = len(self.outcomes) - len(self.unfinished)
        return (
            f"Run of {self.prepared.spec.study.id}: {len(self.prepared.data)} patients, "
            f"{done} of {len(self.outcomes)} analyses done; report in {self.folder / 'report.html'}"
        )


def run(
    study: str | Path,
    *,
    data: Mapping[str, str | Path] | None = None,
    out: str | Path | None = None,
    only: Iterable[str] | None = None,
    progress: Progress = silent,
) -> Run:
    """Carry out a study file from its sources to its report.

    The same steps as in a notebook, in the same order: read, harmonise, grade, link, define endpoints, estimate.
    An analysis that a guard refuses, or that cannot be estimated, is reported with its reason and does not stop
    the others. The same study file on the same data writes the same bytes, but for the part of the manifest
    that says so.

    Parameters
    ----------
    study : str or Path
        The study file.
    data : mapping of str to path, optional
        Where sources lie, by their id in the study file; instead of the path written there.
    out : str or Path, optional
        Folder to write; by default one named after the study's id in the working folder.
    only : iterable of str, optional
        Ids of the analyses to carry out; by default all.
    progress : callable, optional
        Called after each step with its name, rows in, rows out and their unit.

    Returns
    -------
    Run
        The run, with ``folder``, ``prepared``, ``outcomes`` and ``unfinished``.

    Raises
    ------
    StudyError
        When the study file is wrong (all errors at once, each with its place), or ``only`` names no analysis of it.
    SourceError
        When an extract cannot be read.
    MappingError
        When a mapping cannot be compiled.
    """
    paths = {name: Path(path) for name, path in (data or {}).items()}
    checked = check_study(Path(study), paths)
    wanted = _wanted(checked.spec.analyses, only)
    folder = made_folder(Path(out) if out is not None else Path(checked.spec.study.id))
    clock = time.perf_counter
    started = clock()
    counted: list[dict[str, object]] = []

    def step(name: str, rows_in: int | None, rows_out: int | None, unit: str) -> None:
        counted.append({"step": name, "rows_in": rows_in, "rows_out": rows_out, "unit": unit})
        progress(name, rows_in, rows_out, unit)

    prepared = prepare(checked, step)
    ready = clock()
    outcomes = {}
    for name, part in wanted.items():
        outcomes[name] = _carry_out(name, part, prepared)
        step(f"analyse {name}", len(prepared.data), None, outcomes[name].status)
    analysed = clock()
    finished = Run(folder, prepared, outcomes, checked)
    seconds = {"prepare": ready - started, "analyse": analysed - ready}
    write_run(folder, checked, prepared, outcomes, steps=counted, seconds=seconds)
    return finished


def _wanted(analyses: Mapping[str, AnalysisSpec], only: Iterable[str] | None) -> dict[str, AnalysisSpec]:
    if only is None:
        return dict(analyses)
    names = list(only)
    unknown = [name for name in names if name not in analyses]
    if unknown:
        raise StudyError(
            "no such analysis in the study file",
            evidence=f"asked for {', '.join(unknown)}; there are {', '.join(analyses) or 'none'}",
            remedy="name one of these",
        )
    return {name: analyses[name] for name in analyses if name in names}


def _carry_out(name: str, part: AnalysisSpec, prepared: Prepared) -> Outcome:
    """Carry out one analysis; a refusal or a failure becomes an outcome that says why."""
    try:
        outcome = KINDS[part.kind](name, part, prepared)
        return replace(outcome, notes=(part.note, *outcome.notes)) if part.note else outcome
    except GuardError as error:
        return _unfinished(name, part, "refused", error)
    except CohortError as error:
        return _unfinished(name, part, "failed", error)


def _unfinished(
    name: str, part: AnalysisSpec, status: Literal["refused", "failed"], error: CohortError
) -> Outcome:
    title = part.title or name.replace("_", " ")
    return Outcome(name, part.kind, title, status=status, error=str(error))
