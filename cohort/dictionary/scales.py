"""Grading scales as tables: which columns a domain reads, and the grade of each label or number."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from cohort.dictionary.derived import validated_file
from cohort.dictionary.location import dictionary_folder
from cohort.dictionary.strict_yaml import load_yaml
from cohort.errors import StudyError

Grade = int | tuple[int, int]
Toxicity = Literal["neurotoxicity", "crs", "tian", "iec_hs"]
HIGHEST = 4


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScaleColumn(_Strict):
    """One column that a domain can be read from.

    Attributes
    ----------
    column : str
        Name.
    labels : mapping of str to grade
        Grade of each label, or its lowest and highest grade; empty for a column of numbers.
    steps : tuple of (number, grade)
        Grade of the values from each number on, ascending; empty when the number is the grade.
    minimum, maximum : float
        Possible values of a column of numbers.
    step : {'whole', 'any'}
        Whether values between whole numbers exist.
    unit : str
        Unit of a column of numbers.
    """

    column: str
    labels: dict[str, Grade] = {}
    steps: tuple[tuple[float, Grade], ...] = ()
    minimum: float = 0
    maximum: float = HIGHEST
    step: Literal["whole", "any"] = "whole"
    unit: str = ""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        starts = [start for start, _ in self.steps]
        if starts != sorted(set(starts)) or (starts and starts[0] != self.minimum):
            msg = "steps ascend from the minimum"
            raise ValueError(msg)
        return self

    @property
    def grades(self) -> tuple[tuple[int, int], ...]:
        """Lowest and highest grade of every label or step, in order."""
        given = tuple(self.labels.values()) or tuple(grade for _, grade in self.steps)
        whole = tuple(range(int(self.minimum), int(self.maximum) + 1))
        return tuple((one, one) if isinstance(one, int) else one for one in (given or whole))


class ScaleDomain(_Strict):
    """One domain of a scale.

    Attributes
    ----------
    domain : str
        Name, as in the driver.
    columns : tuple of ScaleColumn
        The first that is recorded counts.
    highest : int
        Highest grade that the domain can reach.
    optional : bool
        Whether a domain that was not recorded says nothing, because the test is made only in some.
    """

    domain: str
    columns: tuple[ScaleColumn, ...]
    highest: int = HIGHEST
    optional: bool = False

    @model_validator(mode="after")
    def _reaches(self) -> Self:
        if max(high for column in self.columns for _, high in column.grades) > self.highest:
            msg = "a grade exceeds the highest of the domain"
            raise ValueError(msg)
        return self


class Scale(_Strict):
    """A grading scale.

    Attributes
    ----------
    scale : str
        Name, as in ``grading_system``.
    toxicity : {'neurotoxicity', 'crs', 'tian', 'iec_hs'}
        What it grades.
    title, citation, note : str
        Words, publication, and what to know.
    confirmed : bool
        Whether its table was read in the publication or a secondary source.
    domains : tuple of ScaleDomain
        The grade is the worst of them.
    """

    scale: str
    toxicity: Toxicity
    title: str
    citation: str
    confirmed: bool
    note: str = ""
    domains: tuple[ScaleDomain, ...]


class _Scales(_Strict):
    name: str
    title: str
    description: str
    scales: tuple[Scale, ...]


@lru_cache(maxsize=1)
def all_scales() -> tuple[Scale, ...]:
    """Return the scales of the packaged dictionary, in the order of the file."""
    data, _ = load_yaml(dictionary_folder() / "scales.yaml")
    return validated_file(_Scales, data, "scales.yaml").scales


def find_scale(name: str, toxicity: str) -> Scale:
    """Return the scale of this name for a toxicity.

    Parameters
    ----------
    name : str
        Name, as in ``grading_system``.
    toxicity : str
        What is graded.

    Returns
    -------
    Scale
        Its domains and source.

    Raises
    ------
    StudyError
        When there is no such scale; names those there are.

    Examples
    --------
    >>> [domain.domain for domain in find_scale("TIAN", "tian").domains]
    ['signs', 'intracranial_pressure', 'cord', 'airway']
    """
    known = [one for one in all_scales() if one.toxicity == toxicity]
    for one in known:
        if one.scale == name:
            return one
    if not known:
        raise StudyError(
            "toxicity= has no such option",
            evidence=repr(toxicity),
            remedy=f"use one of {', '.join(dict.fromkeys(one.toxicity for one in all_scales()))}",
        )
    raise StudyError(
        f"no scale of this name grades {toxicity}",
        evidence=repr(name),
        remedy=f"use one of {', '.join(one.scale for one in known)}; for ASTCT use grade_icans or grade_crs",
    )
