"""Check a study file: every error at once, each with file, line, column and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cohort.dictionary.derived import derived_facts
from cohort.dictionary.expression_nodes import Kind
from cohort.dictionary.expressions import parse_expression
from cohort.dictionary.read import Dictionary, read_dictionary
from cohort.dictionary.strict_yaml import Problem, did_you_mean, load_yaml, problems_error, validate
from cohort.errors import CohortError, StudyError
from cohort.models.formula import parse_formula
from cohort.registry.source import is_there
from cohort.report.readable import readable_part
from cohort.report.spec import (
    AnalysisSpec,
    CoxSpec,
    DescribeSpec,
    IncidenceSpec,
    KaplanMeierSpec,
    MantelHaenszelSpec,
    OddsRatioSpec,
    StudyFile,
    TableOneSpec,
    TwoByTwoSpec,
)

Place = tuple[str | int, ...]
PRINTED = ("by", "exposure", "outcome")
NO_COLUMN = (
    "declare it under variables: or summaries:, or look at the columns of data/analysis.parquet of a run"
)


@dataclass(frozen=True)
class CheckedStudy:
    """A study file without errors.

    Attributes
    ----------
    file : Path
        The study file.
    spec : StudyFile
        Its content.
    paths : mapping of str to Path
        Where each source lies.
    mappings : mapping of str to str
        Name of a packaged mapping, or path of a mapping file, for each source.
    dictionary : Dictionary
        The data dictionary.
    """

    file: Path
    spec: StudyFile
    paths: Mapping[str, Path]
    mappings: Mapping[str, str]
    dictionary: Dictionary


def check_study(file: Path, data: Mapping[str, Path] | None = None) -> CheckedStudy:
    """Read and check a study file.

    Parameters
    ----------
    file : Path
        The study file.
    data : mapping of str to Path, optional
        Where sources lie, by id; instead of the paths in the file.

    Returns
    -------
    CheckedStudy
        The study, ready to be carried out.

    Raises
    ------
    StudyError
        With every problem of the file, each with file, line, column and remedy.
    """
    given = dict(data or {})
    content, locator = load_yaml(file, StudyError)
    read = validate(StudyFile, content, locator, file.name)
    problems = read if isinstance(read, list) else []
    spec, left_out = readable_part(content) if isinstance(read, list) else (read, frozenset[str]())
    if spec is None:
        raise problems_error(problems, StudyError, "The study file")
    folder = file.parent
    dictionary = read_dictionary(folder / spec.data.dictionary) if spec.data.dictionary else read_dictionary()
    paths = {name: given.get(name, folder / part.path) for name, part in spec.data.sources.items()}
    mappings = {name: _mapping(part.mapping, folder) for name, part in spec.data.sources.items()}
    found = [
        *_source_problems(spec, paths, mappings, given, dictionary),
        *_expression_problems(spec, dictionary),
        *_analysis_problems(spec, dictionary),
    ]
    problems += [
        Problem(file.name, *locator(place), message, remedy)
        for place, message, remedy in found
        if not any(re.search(rf"\b{name}\b", message) for name in left_out)
    ]
    if problems:
        ordered = sorted(problems, key=lambda one: (one.line, one.column, one.message))
        raise problems_error(ordered, StudyError, "The study file")
    return CheckedStudy(file, spec, paths, mappings, dictionary)


Found = tuple[Place, str, str]


def _mapping(mapping: str, folder: Path) -> str:
    """Return a path for a mapping file beside the study, else the name of a packaged mapping."""
    return str(folder / mapping) if mapping.endswith((".yaml", ".yml")) else mapping


def _source_problems(
    spec: StudyFile,
    paths: Mapping[str, Path],
    mappings: Mapping[str, str],
    given: Mapping[str, Path],
    dictionary: Dictionary,
) -> Iterator[Found]:
    for name in given:
        if name not in paths:
            yield (
                ("data", "sources"),
                f"--data names {name!r}, which is not a source",
                did_you_mean(name, paths),
            )
    for name, path in paths.items():
        if not is_there(path):
            where = "given with --data" if name in given else "as written"
            remedy = f"correct the path, or give it: --data {name}=PATH"
            yield ("data", "sources", name, "path"), f"the source does not exist {where}", remedy
    for name, mapping in mappings.items():
        place = ("data", "sources", name, "mapping")
        if mapping.endswith((".yaml", ".yml")):
            if not Path(mapping).is_file():
                yield place, "the mapping file does not exist", "give its path relative to the study file"
        elif mapping not in dictionary.sources:
            remedy = did_you_mean(mapping, dictionary.sources)
            yield place, f"no packaged mapping is called {mapping!r}", remedy


def linked_columns(spec: StudyFile, dictionary: Dictionary) -> set[str]:
    """Return the names of all columns that the linked data of a study can have."""
    known = set(derived_facts()) | set(dictionary.tables["infusion"].variables)
    return known | set(spec.summaries) | set(spec.variables)


def _expression_problems(spec: StudyFile, dictionary: Dictionary) -> Iterator[Found]:
    infusion = {**_kinds(dictionary, "infusion"), **_early_summaries(spec)}
    for name, rule in spec.flow.items():
        place = ("flow", name, "require" if rule.require is not None else "exclude")
        yield from _parsed(place, rule.expression, infusion)
    for name, part in spec.summaries.items():
        columns = _kinds(dictionary, part.table)
        if part.where is not None:
            yield from _parsed(("summaries", name, "where"), part.where, columns)
        if part.variable not in columns:
            remedy = did_you_mean(part.variable, columns)
            yield ("summaries", name, "variable"), f"{part.table} has no variable {part.variable!r}", remedy
    known = linked_columns(spec, dictionary)
    for name, variable in spec.variables.items():
        yield from _parsed(("variables", name, "derive"), variable.derive, known)


def _kinds(dictionary: Dictionary, table: str) -> dict[str, Kind]:
    words: dict[str, Kind] = {"integer": "number", "number": "number", "date": "date"}
    return {name: words.get(one.kind, "text") for name, one in dictionary.tables[table].variables.items()}


def _early_summaries(spec: StudyFile) -> dict[str, Kind]:
    """Return the summaries that flow rules may name: those that need no linked column."""
    return {name: "number" for name, part in spec.summaries.items() if part.before is None}


def _parsed(place: Place, text: str, names: Iterable[str] | Mapping[str, Kind]) -> Iterator[Found]:
    try:
        parse_expression(text, names)
    except CohortError as error:
        yield place, error.problem, error.remedy or error.evidence


def _analysis_problems(spec: StudyFile, dictionary: Dictionary) -> Iterator[Found]:
    known = linked_columns(spec, dictionary)
    for name, endpoint in spec.endpoints.items():
        for exposure, column in endpoint.exposures.items():
            yield from _column(("endpoints", name, "exposures", exposure), column, known)
    for name, part in spec.analyses.items():
        place = ("analyses", name)
        if (
            isinstance(part, KaplanMeierSpec | IncidenceSpec | CoxSpec)
            and part.endpoint not in spec.endpoints
        ):
            remedy = did_you_mean(part.endpoint, spec.endpoints)
            yield (*place, "endpoint"), f"no endpoint is called {part.endpoint!r}", remedy
        if isinstance(part, CoxSpec | OddsRatioSpec):
            yield from _formula((*place, "formula"), part, known | _exposures(part, spec))
        yield from _columns_of(place, part, known)
        yield from _identifying(place, part, dictionary)


def _identifying(place: Place, part: AnalysisSpec, dictionary: Dictionary) -> Iterator[Found]:
    """Find columns whose single values would be printed as categories and tell who a patient is."""
    printed = [*getattr(part, "variables", ()), *(getattr(part, name, None) for name in PRINTED)]
    printed += part.strata if isinstance(part, MantelHaenszelSpec) else ()
    infusion = dictionary.tables["infusion"].variables
    for column in printed:
        one = infusion.get(column) if column is not None else None
        if one is not None and (one.schema.role in ("id", "free_text") or one.kind == "date"):
            remedy = "use what is not a patient's alone: infusion_year, center_id, a class of it"
            yield place, f"{column!r} tells who a patient is, and would be printed", remedy


def _exposures(part: CoxSpec | OddsRatioSpec, spec: StudyFile) -> set[str]:
    endpoint = spec.endpoints.get(part.endpoint) if isinstance(part, CoxSpec) else None
    return set(endpoint.exposures) if endpoint else set()


def _formula(place: Place, part: CoxSpec | OddsRatioSpec, known: set[str]) -> Iterator[Found]:
    try:
        parsed = parse_formula(part.formula)
    except CohortError as error:
        yield place, f"{error.problem}: {error.evidence}", error.remedy
        return
    if isinstance(part, OddsRatioSpec) and not parsed.response:
        yield place, "the formula names no outcome", 'write "outcome ~ exposure + age_years"'
    for column in (*parsed.columns, *filter(None, [parsed.response])):
        yield from _column(place, column, known)


def _columns_of(place: Place, part: object, known: set[str]) -> Iterator[Found]:
    if isinstance(part, TableOneSpec | DescribeSpec):
        for position, column in enumerate(part.variables):
            yield from _column((*place, "variables", position), column, known)
    if isinstance(part, MantelHaenszelSpec):
        for position, column in enumerate(part.strata):
            yield from _column((*place, "strata", position), column, known)
    if isinstance(part, TwoByTwoSpec | MantelHaenszelSpec):
        yield from _column((*place, "exposure"), part.exposure, known)
        yield from _column((*place, "outcome"), part.outcome, known)
    by = getattr(part, "by", None)
    if by is not None:
        yield from _column((*place, "by"), by, known)


def _column(place: Place, column: str, known: set[str]) -> Iterator[Found]:
    if column not in known:
        yield place, f"no column is called {column!r}", did_you_mean(column, known) or NO_COLUMN
