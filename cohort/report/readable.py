"""The part of a study file that can be read although other parts cannot: so that all errors come at once."""

from __future__ import annotations

import copy

from pydantic import ValidationError

from cohort.report.spec import StudyFile

NAMED_PARTS = ("flow", "summaries", "variables", "endpoints", "analyses")
OPTIONAL_PARTS = ("grading", "imaging", "outputs", *NAMED_PARTS)
MAX_ROUNDS = 5


def readable_part(content: object) -> tuple[StudyFile | None, frozenset[str]]:
    """Take the entries with errors of form out of a study file, and read the rest.

    Parameters
    ----------
    content : object
        What the YAML file holds.

    Returns
    -------
    spec : StudyFile or None
        The rest; None when an error stands where nothing can be left out (``study``, ``data``).
    left_out : frozenset of str
        Names of the entries left out: they exist, though they cannot be read.
    """
    if not isinstance(content, dict):
        return None, frozenset()
    rest = copy.deepcopy(content)
    left_out: set[str] = set()
    for _ in range(MAX_ROUNDS):
        try:
            return StudyFile.model_validate(rest), frozenset(left_out)
        except ValidationError as error:
            places = {one["loc"][:2] for one in error.errors(include_url=False)}
        if not all(_take_out(rest, place, left_out) for place in sorted(places, key=str)):
            break
    return None, frozenset(left_out)


def _take_out(rest: dict[str, object], place: tuple[int | str, ...], left_out: set[str]) -> bool:
    """Remove what stands at a place; return whether the file can do without it."""
    part = str(place[0]) if place else ""
    entries = rest.get(part)
    if part in NAMED_PARTS and isinstance(entries, dict) and len(place) > 1:
        entries.pop(str(place[1]), None)
        left_out.add(str(place[1]))
        return True
    if part in OPTIONAL_PARTS or part not in StudyFile.model_fields:
        rest.pop(part, None)
        return True
    return False
