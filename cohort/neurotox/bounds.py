"""Grades as intervals: a lower and an upper bound, and what the worst of several parts allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cohort.neurotox.columns import Flags, Levels

MAX_DERIVED = 4


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower and upper grade of one domain, or of the whole, shape (n,) each."""

    lower: Levels
    upper: Levels


def domain_bounds(levels: Levels) -> Bounds:
    """Return the bounds of a domain coded -1 where it was not assessed."""
    unassessed = levels < 0
    return Bounds(
        np.where(unassessed, 0, levels).astype(np.int8),
        np.where(unassessed, MAX_DERIVED, levels).astype(np.int8),
    )


def worst(domains: Sequence[Bounds], n: int) -> Bounds:
    """Return the grade as the most severe domain: the maximum of the lower and of the upper bounds."""
    lower, upper = np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.int8)
    for domain in domains:
        np.maximum(lower, domain.lower, out=lower)
        np.maximum(upper, domain.upper, out=upper)
    return Bounds(lower, upper)


def hull(first: Bounds, second: Bounds) -> Bounds:
    """Return bounds that hold whichever of the two applies."""
    return Bounds(np.minimum(first.lower, second.lower), np.maximum(first.upper, second.upper))


def choose(condition: Flags, first: Bounds, second: Bounds) -> Bounds:
    """Return the first bounds where the condition holds, else the second."""
    return Bounds(
        np.where(condition, first.lower, second.lower), np.where(condition, first.upper, second.upper)
    )
