"""Reported ICANS and CRS grades as intervals of ASTCT grades, and how they narrow open bounds.

There is no valid grade-to-grade map between the scales (Pennisi M et al. 2020, Blood Adv 4:676-686: the same
grade in every system in 25 % for CRS and 54 % for ICANS), so another scale gives an interval, never a grade.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cohort.neurotox.bounds import MAX_DERIVED, Bounds
from cohort.neurotox.columns import NO_YES, Flags, Levels, Numbers, read_levels, read_numbers

GRADE_MAX = 5
Crosswalk = Mapping[str, Mapping[int, tuple[int, int]]]
_EXACT = {grade: (grade, grade) for grade in range(GRADE_MAX + 1)}
_CTCAE = {0: (0, 0), 1: (0, 1), 2: (0, 2), 3: (1, 3), 4: (2, 4)}
_NO_RULE: Mapping[int, tuple[int, int]] = {}
# ASTCT ICANS grades that a grade of each system allows. CARTOX 4 holds what ASTCT calls 3 (a generalized
# seizure that resolves, focal edema); MSKCC and CTCAE count tremor, headache and more. Grade 5 of another
# system has no rule.
ICANS_CROSSWALK: Crosswalk = {
    "ASTCT2019": _EXACT,
    "ASTCT2019_PED": _EXACT,
    "CARTOX2018": {0: (0, 0), 1: (1, 1), 2: (2, 2), 3: (3, 3), 4: (3, 4)},
    "MSKCC": {0: (0, 0), 1: (0, 1), 2: (0, 2), 3: (2, 3), 4: (3, 4)},
    "CTCAE4.03": _CTCAE,
    "CTCAE5": _CTCAE,
    "LEE2014": _NO_RULE,
    "PENN": _NO_RULE,
    "OTHER": _NO_RULE,
    "UNKNOWN": _NO_RULE,
}
# The systems agree on whether there was CRS (99 % of patients), not on how severe it was.
_PRESENCE = {0: (0, 0), **dict.fromkeys(range(1, MAX_DERIVED + 1), (1, MAX_DERIVED))}
CRS_CROSSWALK: Crosswalk = {
    **{name: _PRESENCE for name in ICANS_CROSSWALK},
    "ASTCT2019": _EXACT,
    "ASTCT2019_PED": _EXACT,
    "OTHER": _NO_RULE,
    "UNKNOWN": _NO_RULE,
}
SYSTEMS: Mapping[str, int] = {name: position for position, name in enumerate(ICANS_CROSSWALK)}
_ASTCT = (SYSTEMS["ASTCT2019"], SYSTEMS["ASTCT2019_PED"])


@dataclass(frozen=True, slots=True)
class Reported:
    """What was reported, as ASTCT grades.

    Attributes
    ----------
    lower, upper : array of int8 of shape (n,)
        Interval of ASTCT grades; -1 where nothing usable was reported.
    crosswalk : array of bool of shape (n,)
        Whether the interval comes from another grading system.
    n_unusable : int
        Grades without a rule: system unknown, missing, or one that has no crosswalk.
    n_contradictory : int
        Rows whose grade and ``icans_occurred`` exclude each other; neither is used.
    """

    lower: Levels
    upper: Levels
    crosswalk: Flags
    n_unusable: int
    n_contradictory: int

    @property
    def known(self) -> Flags:
        """Whether anything usable was reported."""
        return self.lower >= 0


def read_reported(frame: pd.DataFrame, grade: str, occurred: str, crosswalk: Crosswalk) -> Reported:
    """Read a reported grade with its ``grading_system``, and whether the toxicity occurred at all.

    Half-point grades (a site that averages raters) are kept as the interval of the two whole grades around
    them.
    """
    value = read_numbers(frame, grade, 0, GRADE_MAX, step=0.5)
    system = read_levels(frame, "grading_system", SYSTEMS)
    happened = read_levels(frame, occurred, NO_YES)
    lower, upper = _look_up(value, system, crosswalk)
    n_unusable = int((~np.isnan(value) & (lower < 0)).sum())

    # "Yes" raises an interval from 0 only where the system means the same toxicity; "no" is 0 in every
    # system.
    from_grade = lower >= 0
    same = np.isin(system, [SYSTEMS[name] for name, rules in crosswalk.items() if rules and rules[1][0] >= 1])
    speaks = (happened == 0) | ((happened == 1) & (same | ~from_grade))
    low = np.where(speaks, np.maximum(lower, happened), lower)
    high = np.where(from_grade, upper, MAX_DERIVED)
    high = np.where(speaks, np.where(happened == 0, 0, high), upper)
    contradictory = (low >= 0) & (low > high)
    low, high = np.where(contradictory, -1, low), np.where(contradictory, -1, high)
    return Reported(
        lower=low.astype(np.int8),
        upper=high.astype(np.int8),
        crosswalk=from_grade & ~np.isin(system, _ASTCT) & (low >= 0),
        n_unusable=n_unusable,
        n_contradictory=int(contradictory.sum()),
    )


def nothing_reported(n: int) -> Reported:
    """Return the record in which nothing was reported."""
    none = np.full(n, -1, dtype=np.int8)
    return Reported(none, none, np.zeros(n, dtype=bool), 0, 0)


def _look_up(grade: Numbers, system: Levels, crosswalk: Crosswalk) -> tuple[Levels, Levels]:
    """Look up the interval of each grade and system; -1 where there is no rule."""
    table = np.full((len(SYSTEMS) + 1, GRADE_MAX + 2, 2), -1, dtype=np.int8)  # last row and column: missing
    for name, rules in crosswalk.items():
        for whole, interval in rules.items():
            table[SYSTEMS[name], whole] = interval
    missing = np.isnan(grade)
    below = np.where(missing, GRADE_MAX + 1, np.floor(np.where(missing, 0, grade))).astype(np.intp)
    above = np.where(missing, GRADE_MAX + 1, np.ceil(np.where(missing, 0, grade))).astype(np.intp)
    lower, upper = table[system, below, 0], table[system, above, 1]
    no_rule = (lower < 0) | (upper < 0)
    return np.where(no_rule, -1, lower).astype(np.int8), np.where(no_rule, -1, upper).astype(np.int8)


def narrow(derived: Bounds, reported: Reported) -> tuple[Bounds, Flags, Flags]:
    """Intersect open derived bounds with what was reported.

    Domains go first: a grade they determine is left alone. Where they leave it open, the part of the interval
    that the report allows remains. A report that the domains exclude is not used.

    Returns
    -------
    bounds : Bounds
        The narrowed bounds.
    used : array of bool of shape (n,)
        Where the report narrowed them.
    excluded : array of bool of shape (n,)
        Where domains and report exclude each other.
    """
    # Grade 5 cannot be derived, so an open upper bound of 4 does not exclude a reported death from ICANS.
    ceiling = np.where(
        (derived.upper == MAX_DERIVED) & (derived.lower < derived.upper), GRADE_MAX, derived.upper
    )
    lower = np.maximum(derived.lower, reported.lower)
    upper = np.minimum(ceiling, reported.upper)
    excluded = reported.known & (lower > upper)
    is_open = derived.lower < derived.upper
    used = reported.known & is_open & ~excluded & ((lower != derived.lower) | (upper != derived.upper))
    return (
        Bounds(
            np.where(used, lower, derived.lower).astype(np.int8),
            np.where(used, upper, derived.upper).astype(np.int8),
        ),
        used,
        excluded,
    )


def narrow_imaging_blind(blind: Bounds, reported: Reported, used: Flags, edema: Levels) -> Bounds:
    """Narrow the imaging-blind bounds by a reported grade that may contain imaging.

    The blind grade never exceeds the reported one. It reaches the reported one unless edema on imaging may
    have set it: edema known to be below the grade cannot have, edema not recorded can from grade 3 on.
    """
    may_be_imaging = np.where(edema < 0, reported.upper >= 3, (edema > 0) & (edema >= reported.lower))
    floor = np.where(may_be_imaging, blind.lower, np.maximum(blind.lower, reported.lower))
    is_open = blind.lower < blind.upper
    ceiling = np.where((blind.upper == MAX_DERIVED) & is_open, GRADE_MAX, blind.upper)
    top = np.minimum(ceiling, reported.upper)
    use = used & is_open & (floor <= top)
    return Bounds(
        np.where(use, floor, blind.lower).astype(np.int8), np.where(use, top, blind.upper).astype(np.int8)
    )
