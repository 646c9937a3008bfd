"""Sites of imaging findings and their regions; neurological events and the findings that speak for them."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cohort.dictionary.derived import validated_file
from cohort.dictionary.location import dictionary_folder
from cohort.dictionary.strict_yaml import load_yaml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Region(_Strict):
    """A region of the nervous system and the sites in it."""

    value: str
    label: str
    sites: tuple[str, ...]


class _Anatomy(_Strict):
    name: str
    title: str
    description: str
    regions: tuple[Region, ...]


class Manifestation(_Strict):
    """A kind of neurological event.

    Attributes
    ----------
    event_type, label : str
        Code in the event table, and name for tables.
    findings : tuple of str
        Imaging findings that correspond to it.
    imaging : {'brain', 'spine', 'any'}
        Where they are looked for.
    explains : bool
        Whether the event is a competing explanation of symptoms, not neurotoxicity.
    note : str
        What to know.
    """

    event_type: str
    label: str
    findings: tuple[str, ...]
    imaging: Literal["brain", "spine", "any"]
    explains: bool = False
    note: str = ""


class _Manifestations(_Strict):
    name: str
    title: str
    description: str
    manifestations: tuple[Manifestation, ...]


@lru_cache(maxsize=1)
def regions() -> tuple[Region, ...]:
    """Return the regions of the packaged dictionary, in the order of the file."""
    data, _ = load_yaml(dictionary_folder() / "anatomy.yaml")
    return validated_file(_Anatomy, data, "anatomy.yaml").regions


@lru_cache(maxsize=1)
def all_manifestations() -> tuple[Manifestation, ...]:
    """Return the neurological events of the packaged dictionary, in the order of the file."""
    data, _ = load_yaml(dictionary_folder() / "manifestations.yaml")
    return validated_file(_Manifestations, data, "manifestations.yaml").manifestations
