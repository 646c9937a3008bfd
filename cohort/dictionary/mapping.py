"""Reads a source mapping and finds it by name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cohort.dictionary.mapping_model import MappingModel
from cohort.dictionary.read import Dictionary
from cohort.dictionary.strict_yaml import Locator, did_you_mean, load_yaml, problems_error, validate
from cohort.errors import MappingError


@dataclass(frozen=True)
class Mapping:
    """A source mapping, read but not yet compiled.

    Attributes
    ----------
    model : MappingModel
        Its content.
    file : str
        Name of its file.
    locator : Locator
        Line and column of everything in it.
    sha256 : str
        Of the file.
    """

    model: MappingModel = field(repr=False)
    file: str
    locator: Locator = field(repr=False, compare=False)
    sha256: str = field(repr=False)

    @property
    def source(self) -> str:
        """Name of the source."""
        return self.model.source


def read_mapping(source: str | Path, dictionary: Dictionary) -> Mapping:
    """Read a mapping.

    Parameters
    ----------
    source : str or Path
        Name of a packaged mapping, or path of a mapping file.
    dictionary : Dictionary
        Whose ``sources`` are searched for the name.

    Returns
    -------
    Mapping
        For `cohort.registry`.

    Raises
    ------
    MappingError
        When there is no such mapping, or with every problem of its file at once.
    """
    path = find_mapping(source, dictionary)
    data, locator = load_yaml(path, MappingError)
    found = validate(MappingModel, data, locator, path.name)
    if isinstance(found, list):
        raise problems_error(found, MappingError, f"The mapping {path.name}")
    return Mapping(found, path.name, locator, hashlib.sha256(path.read_bytes()).hexdigest())


def find_mapping(source: str | Path, dictionary: Dictionary) -> Path:
    """Return the file of a mapping, given its name or path."""
    text = str(source)
    if text in dictionary.sources:
        return dictionary.sources[text]
    if isinstance(source, Path) or text.endswith((".yaml", ".yml")):
        if Path(source).is_file():
            return Path(source)
        raise MappingError(
            "The mapping file does not exist.", evidence=Path(source).name, remedy="check the path"
        )
    names = ", ".join(dictionary.sources) or "none is packaged"
    raise MappingError(
        f"There is no mapping named {text!r}.",
        evidence=f"packaged: {names}",
        remedy=did_you_mean(text, dictionary.sources) or "give the path of a mapping file (.yaml)",
    )
