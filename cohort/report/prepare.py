"""From sources to the analysis frame: read, harmonise, grade, link, count who left, define endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cohort.dictionary.expressions import column_kinds, evaluate, parse_expression
from cohort.dictionary.facts import ColumnFacts, declare_facts, declared_facts
from cohort.errors import EndpointError, SourceError, StudyError
from cohort.neurotox.crs import grade_crs
from cohort.neurotox.episodes import icans_episodes
from cohort.neurotox.icans import grade_icans
from cohort.neurotox.mri import mri_findings
from cohort.registry.harmonize import harmonize
from cohort.registry.recodings import recodings
from cohort.registry.registry import Registry
from cohort.registry.source import Source, read_source
from cohort.registry.unit_blocks import unit_blocks
from cohort.report.check import CheckedStudy
from cohort.report.manifest import sha256_of
from cohort.report.progress import Progress
from cohort.report.spec import EndpointSpec, StudyFile, Summary
from cohort.study.endpoints import Endpoint
from cohort.study.keys import KEYS
from cohort.study.named_endpoints import endpoint
from cohort.study.population import Study
from cohort.study.risk_sets import counting_process
from cohort.study.summaries import summarize


@dataclass(frozen=True)
class Prepared:
    """What every analysis of a run starts from.

    Attributes
    ----------
    spec : StudyFile
        The study as checked.
    registry : Registry
        The harmonised tables with their audit.
    codes : DataFrame
        Every recoded source code, its category and its count.
    units : DataFrame
        Every column with a declared unit, block by block, and the unit that its values fit.
    graded : DataFrame
        Assessments with ICANS grades.
    episodes : DataFrame
        ICANS episodes.
    study : Study
        The population with its attrition.
    data : DataFrame
        One row per patient, every column with its facts.
    endpoints : mapping of str to Endpoint or EndpointError
        Endpoints by their id in the study file, or why one cannot be made: that fails the analyses that use it.
    """

    spec: StudyFile
    registry: Registry
    codes: pd.DataFrame
    units: pd.DataFrame
    graded: pd.DataFrame
    episodes: pd.DataFrame
    study: Study
    data: pd.DataFrame
    endpoints: Mapping[str, Endpoint | EndpointError]


def prepare(checked: CheckedStudy, progress: Progress) -> Prepared:
    """Carry out all steps of a study that come before its analyses."""
    spec = checked.spec
    registry, sources = _harmonized(checked, progress)
    codes, units = recodings(sources), unit_blocks(sources, checked.dictionary)
    graded = grade_icans(
        registry.neuro_assessment,
        population=spec.grading.population,
        unscanned=spec.grading.unscanned,
        reported=spec.grading.reported,
    )
    progress("grade ICANS", len(registry.neuro_assessment), len(graded), "assessments")
    episodes = icans_episodes(graded, gap_days=spec.grading.gap_days)
    progress("find ICANS episodes", len(graded), len(episodes), "episodes")
    crs = grade_crs(registry.crs_assessment)
    progress("grade CRS", len(registry.crs_assessment), len(crs), "assessments")
    anchor = episodes if spec.imaging.rule == "nearest" else None
    mri = mri_findings(
        registry.mri_exam,
        registry.mri_finding,
        window=spec.imaging.window,
        rule=spec.imaging.rule,
        anchor=anchor,
    )
    progress("summarise MRI per patient", len(registry.mri_exam), len(mri), "patients with an MRI record")
    study = _population(registry, spec)
    _require_patients(study)
    data = _linked(study, graded, episodes, crs, mri, spec)
    progress("select and link patients", len(registry.infusion), len(data), "patients")
    endpoints = {name: _endpoint_or_reason(name, part, data) for name, part in spec.endpoints.items()}
    return Prepared(spec, registry, codes, units, graded, episodes, study, data, endpoints)


def _harmonized(checked: CheckedStudy, progress: Progress) -> tuple[Registry, list[Source]]:
    dictionary = checked.dictionary
    sources = []
    for name, path in checked.paths.items():
        source = read_source(path, source=checked.mappings[name], dictionary=dictionary)
        _check_hash(name, path, checked.spec.data.sources[name].sha256)
        progress(f"read {name}", None, source.n_rows, "rows")
        sources.append(source)
    registry = harmonize(sources, dictionary)
    rows_in = sum(source.n_rows for source in sources)
    progress(
        "harmonise", rows_in, sum(len(frame) for frame in registry.tables.values()), "rows in nine tables"
    )
    return registry, sources


def _check_hash(name: str, path: Path, wanted: str | None) -> None:
    """Refuse an extract whose bytes are not those that the study was written for."""
    found = None if wanted is None else sha256_of(path)
    if wanted == found:
        return
    raise SourceError(
        f"The extract of the source {name} is not the one that the study file names.",
        evidence=f"{path.name}: sha256 {found}, the study file has {wanted}",
        remedy=f"give the extract that was meant, or correct sha256: of {name} in the study file",
    )


def _population(registry: Registry, spec: StudyFile) -> Study:
    study = Study(registry)
    for name, part in spec.summaries.items():
        if part.before is None:  # needs no linked column, so that flow rules may name it
            summary = _summarized(study.population, registry, name, part)
            study = study.attach(summary[[*KEYS, name]])
    for rule in spec.flow.values():
        study = (
            study.require(rule.label, rule.require)
            if rule.require
            else study.exclude(rule.label, rule.expression)
        )
    return study


def _require_patients(study: Study) -> None:
    """Refuse to go on with nobody, naming the steps that left patients out."""
    if len(study.population):
        return
    attrition = study.attrition
    steps = zip(attrition["label"], attrition["n_before"], attrition["n_after"], strict=True)
    raise StudyError(
        "No patient is left to study.",
        evidence="; ".join(f"{label}: {before} → {after}" for label, before, after in steps),
        remedy="correct the rules under flow:, or the sources",
    )


def _summarized(data: pd.DataFrame, registry: Registry, name: str, part: Summary) -> pd.DataFrame:
    return summarize(
        data,
        registry.tables[part.table],
        name=name,
        variable=part.variable,
        where=part.where,
        take=part.take,
        window=part.window,
        before=part.before,
        label=part.label,
        unit=part.unit,
    )


def _linked(
    study: Study,
    graded: pd.DataFrame,
    episodes: pd.DataFrame,
    crs: pd.DataFrame,
    mri: pd.DataFrame,
    spec: StudyFile,
) -> pd.DataFrame:
    data = study.link(
        graded, episodes, crs, mri, window=spec.grading.window, open_days=spec.grading.open_days
    )
    data = _without(data, spec.summaries)
    for name, part in spec.summaries.items():
        data = _summarized(data, study.registry, name, part)
    for name, variable in spec.variables.items():
        data = _derive(data, name, variable.derive, ColumnFacts(label=variable.label, unit=variable.unit))
    return data


def _without(data: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    out = data.drop(columns=[name for name in columns if name in data.columns])
    out.attrs = data.attrs
    return out


def _derive(data: pd.DataFrame, name: str, text: str, words: ColumnFacts) -> pd.DataFrame:
    """Add a derived column that becomes known when the last of its inputs does."""
    node = parse_expression(text, column_kinds(data), error=StudyError)
    used = [declared_facts(data).get(column, ColumnFacts()) for column in node.columns]
    days = [fact.known_day for fact in used]
    latest = max(used, key=lambda fact: fact.known_day or 0.0, default=ColumnFacts())
    facts = ColumnFacts(
        known=latest.known,
        known_day=None if None in days or not days else max(day for day in days if day is not None),
        part_of=tuple(sorted({grade for fact in used for grade in fact.part_of})),
        measures=tuple(sorted({grade for fact in used for grade in fact.measures})),
        label=words.label or name,
        unit=words.unit,
    )
    attrs = data.attrs
    out = data.assign(**{name: evaluate(node, data)})
    out.attrs = attrs
    return declare_facts(out, {name: facts})


def _endpoint_or_reason(name: str, part: EndpointSpec, data: pd.DataFrame) -> Endpoint | EndpointError:
    try:
        return _endpoint(name, part, data)
    except EndpointError as error:
        return error


def _endpoint(name: str, part: EndpointSpec, data: pd.DataFrame) -> Endpoint:
    made = endpoint(part.endpoint, data, landmark_day=part.landmark_day, horizon_day=part.horizon_day)
    missing = [column for column in part.exposures.values() if column not in data.columns]
    if missing:
        raise StudyError(
            f"endpoint `{name}` takes its exposure from a column that the linked data do not have",
            evidence=f"columns: {', '.join(missing)}",
            remedy="name a column with the first day, such as `flair_deep_first_day`",
        )
    return counting_process(made, exposures=dict(part.exposures)) if part.exposures else made


def source_paths(spec: StudyFile, folder: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    """Return where each source lies: as given on the call, else relative to the study file."""
    return {name: given.get(name, folder / part.path) for name, part in spec.data.sources.items()}
