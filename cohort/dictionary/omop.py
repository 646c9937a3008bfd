"""What is looked for in an OMOP CDM, by vocabulary and code."""

from __future__ import annotations

from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from cohort.dictionary.derived import Code, validated_file
from cohort.dictionary.location import dictionary_folder
from cohort.dictionary.strict_yaml import load_yaml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OmopMember(_Strict):
    """One thing that is looked for.

    Attributes
    ----------
    value : str
        What it becomes; empty when the code does not say (ICANS of unspecified grade, a product not coded).
    codes : tuple of Code
        Vocabulary and code, and whether it was confirmed.
    names : tuple of str
        Exact names of RxNorm ingredients.
    """

    value: str
    codes: tuple[Code, ...] = ()
    names: tuple[str, ...] = ()


class OmopSet(_Strict):
    """Things of one kind, and the tables where they are recorded."""

    set: str
    tables: tuple[str, ...]
    members: tuple[OmopMember, ...]


class _Omop(_Strict):
    name: str
    title: str
    description: str
    sets: tuple[OmopSet, ...]


@lru_cache(maxsize=1)
def omop_sets() -> dict[str, OmopSet]:
    """Return the sets of the packaged dictionary by name."""
    data, _ = load_yaml(dictionary_folder() / "omop.yaml")
    return {one.set: one for one in validated_file(_Omop, data, "omop.yaml").sets}
