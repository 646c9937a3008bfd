"""Files of aggregates of several registries: read, and refused when they do not answer the same question."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohort.errors import SourceError, StudyError
from cohort.models.aggregates import Aggregate
from cohort.models.export_aggregates import FORMAT


@dataclass(frozen=True, slots=True, eq=False)
class RegistryResults:
    """One result from every registry that has it.

    Attributes
    ----------
    name : str
        Its name.
    sites : tuple of str
        Registries, in the order of their names.
    parts : tuple of Aggregate
        What each exported.
    absent : tuple of (str, str)
        Registry and reason of those without the result.
    notes : tuple of str
        What a reader should be told.
    """

    name: str
    sites: tuple[str, ...]
    parts: tuple[Aggregate, ...]
    absent: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def read_registries(folder: Path, name: str | None) -> RegistryResults:
    """Read one result from the files of a folder.

    Parameters
    ----------
    folder : Path
        Folder with one file per registry.
    name : str or None
        Name of the result; None when there is one only.

    Returns
    -------
    RegistryResults
        The result of every registry.

    Raises
    ------
    SourceError
        When the folder has no file, or one cannot be read.
    StudyError
        When registries ran different study files, dictionaries or estimands, or the name is not there.
    """
    files = _files(folder)
    for key, what in (("study_sha256", "study file"), ("dictionary_sha256", "data dictionary")):
        _same(files, {site: str(content[key]) for site, content in files.items()}, what)
    chosen = _chosen(files, name)
    parts, absent = {}, []
    for site, content in files.items():
        if chosen not in content["results"]:
            absent.append((site, "does not have the result"))
            continue
        part = Aggregate.from_json(content["results"][chosen])
        whole = [reason for term, _, reason in part.withheld if not term]
        if whole:
            absent.append((site, whole[0]))
        else:
            parts[site] = part
    if len(parts) < 2:
        raise StudyError(
            f"{chosen} comes from {len(parts)} registries, and pooling needs two",
            evidence="; ".join(f"{site}: {reason}" for site, reason in absent)
            or f"files: {', '.join(files)}",
            remedy="add the files of more registries to the folder",
        )
    _same_question(parts)
    unhashed = any(not content["study_sha256"] for content in files.values())
    note = ("the study file was not hashed: that all ran the same one is not checked",) if unhashed else ()
    return RegistryResults(chosen, tuple(parts), tuple(parts.values()), tuple(absent), note)


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise SourceError(
                f"{path.name} is not a file of aggregates",
                evidence=f"expected format {FORMAT!r}",
                remedy="keep only files written by co.export_aggregates(...) in the folder",
            )
        if content["site"] in files:
            raise SourceError(f"two files are of the registry {content['site']}", remedy="keep one of them")
        files[content["site"]] = content
    if not files:
        raise SourceError(
            "the folder holds no file of aggregates",
            evidence=folder.name,
            remedy="co.export_aggregates(results, folder, site=...) at every registry",
        )
    return files


def _same(files: Mapping[str, object], values: Mapping[str, str], what: str) -> None:
    groups: dict[str, list[str]] = {}
    for site in files:
        groups.setdefault(values[site], []).append(site)
    if len(groups) > 1:
        raise StudyError(
            f"registries used a different {what}",
            evidence="; ".join(
                f"{value[:12] or 'none'}: {', '.join(sites)}" for value, sites in groups.items()
            ),
            remedy=f"run the same {what} at every registry, and export again",
        )


def _chosen(files: Mapping[str, Mapping[str, Any]], name: str | None) -> str:
    names = sorted({one for content in files.values() for one in content["results"]})
    if name is None and len(names) == 1:
        return str(names[0])
    if name not in names:
        raise StudyError(
            "say which result to pool" if name is None else f"no registry has a result {name!r}",
            evidence=f"results: {', '.join(names) or 'none'}",
            remedy=f'co.pool_registries(folder, "{names[0] if names else "edema"}")',
        )
    return str(name)


def _same_question(parts: Mapping[str, Aggregate]) -> None:
    """Refuse different kinds, estimands and reference categories."""
    _same(parts, {site: part.kind for site, part in parts.items()}, "kind of result")
    keys = dict.fromkeys(key for part in parts.values() for key in part.estimand)
    for key in keys:
        _same(parts, {site: str(part.estimand.get(key, "")) for site, part in parts.items()}, key)
    references = {
        site: ", ".join(f"{term}: {level}" for term, level in sorted(part.references.items()))
        for site, part in parts.items()
    }
    _same(parts, references, "reference category")


def common_terms(found: RegistryResults, terms: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    """Return the coefficients to pool, in the order of the first registry that has them.

    Parameters
    ----------
    found : RegistryResults
        One result of several registries.
    terms : sequence of str or None
        Terms, or ``term[level]``, to pool although not every registry has them; None requires that all do.

    Returns
    -------
    tuple of (str, str)
        Term and level.

    Raises
    ------
    StudyError
        When a registry lacks a coefficient that another has and it did not withhold it, or a term is unknown.
    """
    everything = list(dict.fromkeys(pair for part in found.parts for pair in _named(part)))
    if terms is None:
        for site, part in zip(found.sites, found.parts, strict=True):
            lacking = [pair for pair in everything if pair not in _named(part)]
            if lacking:
                raise StudyError(
                    "registries have different coefficients",
                    evidence=f"{site} lacks {', '.join(_text(pair) for pair in lacking)}",
                    remedy="declare the same levels in the study file; or name the terms to pool from those "
                    f'that have them: terms=["{_text(everything[0])}"]',
                )
        return tuple(everything)
    unknown = [term for term in terms if not any(term in (pair[0], _text(pair)) for pair in everything)]
    if unknown:
        raise StudyError(
            f"no registry has the term {unknown[0]!r}",
            evidence=f"terms: {', '.join(_text(pair) for pair in everything)}",
            remedy="name one of these",
        )
    return tuple(pair for pair in everything if pair[0] in terms or _text(pair) in terms)


def _named(part: Aggregate) -> list[tuple[str, str]]:
    return [*part.terms, *((term, level) for term, level, _ in part.withheld if term)]


def _text(pair: tuple[str, str]) -> str:
    return f"{pair[0]}[{pair[1]}]" if pair[1] else pair[0]
