"""A source as it came: its frames of text, its mapping, and where they were read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as Names
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from cohort.dictionary.mapping import Mapping, read_mapping
from cohort.dictionary.mapping_model import Input
from cohort.dictionary.read import Dictionary, read_dictionary
from cohort.dictionary.strict_yaml import did_you_mean
from cohort.errors import SourceError
from cohort.registry.files import SUFFIXES, FileRecord, frame_text, read_file
from cohort.registry.omop import read_omop
from cohort.registry.planner import make_plan
from cohort.registry.redcap_project import read_redcap


@dataclass(frozen=True)
class Source:
    """A source that was read but not yet harmonized.

    Attributes
    ----------
    name : str
        Name of the source.
    mapping : Mapping
        How it becomes the canonical tables.
    frames : mapping of str to DataFrame
        Text, by name of the input.
    files : tuple of FileRecord
        What was read, with hashes.
    labels : mapping of str to DataFrame
        Value labels and declared missing values, by name of the input; see `cohort.registry.files.read_labels`.
    notes : tuple of str
        What a reader should be told about the source; also in the audit.
    """

    name: str
    mapping: Mapping = field(repr=False)
    frames: Names[str, pd.DataFrame] = field(repr=False)
    files: tuple[FileRecord, ...] = field(repr=False)
    labels: Names[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows of all inputs."""
        return sum(len(frame) for frame in self.frames.values())

    def __repr__(self) -> str:
        """Name the inputs and their rows."""
        lines = [f"Source {self.name}: {self.mapping.model.title}"]
        lines += [
            f"  {name}: {len(frame):,} rows, {frame.shape[1]} columns" for name, frame in self.frames.items()
        ]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def read_source(
    path: str | Path | pd.DataFrame | Names[str, pd.DataFrame],
    source: str | Path,
    dictionary: Dictionary | None = None,
) -> Source:
    """Read the files of a source as text.

    Parameters
    ----------
    path : str, Path, DataFrame or mapping of str to DataFrame
        A file, or a folder that holds the files that the mapping names; or frames, by name of the input. For
        ``source="omop"`` a folder, a DuckDB file, or the address of a PostgreSQL server.
    source : str or Path
        Name of a packaged mapping, or path of a mapping file.
    dictionary : Dictionary, optional
        The packaged one by default.

    Returns
    -------
    Source
        For `harmonize`.

    Raises
    ------
    SourceError
        A file is missing, unreadable, ragged, or lacks a column that the mapping needs.
    MappingError
        The mapping cannot be used; every problem at once.

    Examples
    --------
    >>> read_source("extract.csv", source="no_such_mapping")
    Traceback (most recent call last):
    ...
    cohort.errors.MappingError: There is no mapping named 'no_such_mapping'...
    """
    dictionary = dictionary or read_dictionary()
    mapping = read_mapping(source, dictionary)
    plan = make_plan(mapping, dictionary)
    notes: tuple[str, ...] = ()
    labels: dict[str, pd.DataFrame] = {}
    if mapping.model.omop and not isinstance(path, pd.DataFrame | Names):
        found = read_omop(path)
        frames = {name: frame_text(found.frames[name]) for name in mapping.model.inputs}
        files, notes = found.records, found.notes
    else:
        frames, files, labels = _read(path, mapping)
    if not mapping.model.confirmed:
        notes = (*notes, f"not confirmed: {mapping.model.note}")
    problems: dict[str, list[str]] = {}
    for _, name, column in plan.needed():
        if column not in frames[name].columns:
            known = did_you_mean(column, [str(one) for one in frames[name].columns])
            text = f"{column!r}" + (f" ({known})" if known.startswith("did") else "")
            problems.setdefault(name, []).append(text)
    if problems:
        missing = {name: list(dict.fromkeys(texts)) for name, texts in problems.items()}
        raise SourceError(
            f"The source {mapping.source} lacks columns that its mapping needs.",
            evidence="; ".join(f"input {name}: {', '.join(texts)}" for name, texts in missing.items()),
            remedy=f"give the complete export, or correct the names in {mapping.file}",
        )
    return Source(mapping.source, mapping, MappingProxyType(frames), files, MappingProxyType(labels), notes)


def is_there(path: Path) -> bool:
    """Tell whether a path leads to a file or folder that may be looked at; no path is too strange to ask."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _read(
    path: str | Path | pd.DataFrame | Names[str, pd.DataFrame], mapping: Mapping
) -> tuple[dict[str, pd.DataFrame], tuple[FileRecord, ...], dict[str, pd.DataFrame]]:
    inputs = mapping.model.inputs
    if isinstance(path, pd.DataFrame):
        if len(inputs) > 1:
            raise SourceError(
                "One frame was given for a source of several.",
                evidence=f"inputs: {', '.join(inputs)}",
                remedy="give a dict of frames by name of the input",
            )
        path = dict.fromkeys(inputs, path)
    if isinstance(path, Names):
        return (*_frames(path, inputs), {})
    place = Path(path)
    if not is_there(place):
        raise SourceError("The source does not exist.", evidence=place.name[:80], remedy="check the path")
    read = {name: read_file(_file(place, name, how), how) for name, how in inputs.items()}
    frames = {name: one.frame for name, one in read.items()}
    labels = {name: one.labels for name, one in read.items()}
    records = [one.record for one in read.values()]
    for name, how in inputs.items():
        if how.instrument:
            listed = read_file(
                _file(_folder(place), name, how.model_copy(update={"file": how.dictionary})), Input()
            )
            records.append(listed.record)
            frames[name] = _instrument(frames[name], listed.frame, name, how, mapping)
    return frames, tuple(dict.fromkeys(records)), labels


def _folder(place: Path) -> Path:
    return place.parent if place.is_file() else place


def _instrument(
    export: pd.DataFrame, fields: pd.DataFrame, name: str, how: Input, mapping: Mapping
) -> pd.DataFrame:
    """Return the rows of one instrument of a REDCap export."""
    project = read_redcap(export, fields, mapping.model.missing)
    if how.instrument not in project.instruments:
        raise SourceError(
            f"The REDCap project has no instrument {how.instrument!r}, which the input {name} names.",
            evidence=f"instruments: {', '.join(project.instruments)}",
            remedy="correct instrument: in the mapping",
        )
    return project.instruments[how.instrument].fillna("")


def _frames(
    given: Names[str, pd.DataFrame], inputs: Names[str, Input]
) -> tuple[dict[str, pd.DataFrame], tuple[FileRecord, ...]]:
    absent = [name for name in inputs if name not in given]
    if absent:
        raise SourceError(
            "A frame is missing.",
            evidence=", ".join(absent),
            remedy="give one frame for each input of the mapping",
        )
    frames = {name: frame_text(given[name]) for name in inputs}
    records = tuple(FileRecord(name, _hash(frame), len(frame), "frame") for name, frame in frames.items())
    return frames, records


def _hash(frame: pd.DataFrame) -> str:
    """Hash a frame of text: its header, then its cells by column."""
    digest = hashlib.sha256("\x1f".join(str(one) for one in frame.columns).encode())
    for column in frame.columns:
        digest.update(
            pd.util.hash_pandas_object(frame[column].astype(object), index=False).to_numpy().tobytes()
        )
    return digest.hexdigest()


def _file(place: Path, name: str, how: Input) -> Path:
    if place.is_file():
        return place
    if Path(how.file).is_absolute() or ".." in Path(how.file).parts:
        raise SourceError(
            f"The input {name} names a file outside the folder of the source.",
            evidence=f"file: {how.file}",
            remedy="name a file below the folder, or a pattern such as data*.csv",
        )
    found = sorted(one for one in place.glob(how.file) if one.is_file())
    if len(found) > 1:
        found = [one for one in found if one.suffix.lower() in SUFFIXES and not one.name.startswith("~$")]
    if len(found) == 1:
        return found[0]
    what = "several files match" if found else "no file matches"
    raise SourceError(
        f"For the input {name}, {what} {how.file!r}.",
        evidence=", ".join(one.name for one in found[:5]) or f"folder {place.name}",
        remedy="correct the folder, or inputs: file: in the mapping",
    )
