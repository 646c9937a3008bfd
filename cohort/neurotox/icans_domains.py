"""ASTCT 2019 ICANS as tables: each domain's arrays to a lower and an upper grade.

A domain that was assessed has lower = upper; one that was not can reach grade 4. Source of the table: Lee DW
et al. (2019), Biol Blood Marrow Transplant 25:625-638, doi:10.1016/j.bbmt.2018.12.758.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cohort.neurotox.bounds import MAX_DERIVED, Bounds
from cohort.neurotox.columns import NO_YES, Flags, Levels, Numbers

CONSCIOUSNESS: Mapping[str, int] = {"alert": 0, "spontaneous": 1, "voice": 2, "tactile": 3, "unarousable": 4}
SEIZURE: Mapping[str, int] = {"none": 0, "resolving": 3, "prolonged_or_repetitive": 4}
MOTOR_DEFICIT: Mapping[str, int] = {"none": 0, "deep_focal": 4}
EDEMA_IMAGING: Mapping[str, int] = {"none": 0, "focal": 3, "diffuse": 4}
SIGN: Mapping[str, int] = {label: MAX_DERIVED * flag for label, flag in NO_YES.items()}

PRESSURE_SIGNS = ("posturing", "abducens_palsy", "papilledema", "cushing_triad")
DOMAINS: Mapping[str, Mapping[str, int]] = {
    "consciousness": CONSCIOUSNESS,
    "seizure": SEIZURE,
    "motor_deficit": MOTOR_DEFICIT,
    "edema_imaging": EDEMA_IMAGING,
    **dict.fromkeys(PRESSURE_SIGNS, SIGN),
}

ICE_ITEMS: Mapping[str, int] = {
    "ice_orientation": 4,
    "ice_naming": 3,
    "ice_command": 1,
    "ice_writing": 1,
    "ice_attention": 1,
}
ICE_MAX = 10
CAPD_MAX = 32
# Grade by ICE score 0, 1, ..., 10; a score of 0 is grade 4 when the patient is unarousable.
ICE_GRADE = np.array([3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 0], dtype=np.int8)
# Grade by consciousness (alert, spontaneous, voice, tactile, unarousable) of a CAPD score of 1 to 8.
CAPD_LOW_GRADE = np.array([1, 1, 2, 2, 2], dtype=np.int8)
CAPD_HIGH_FROM = 9
# Lowest and highest score of each CARTOX-10 band; a patient "unable" may be sedated, so it is not assessed.
CARTOX10_BANDS: Mapping[str, tuple[float, float]] = {
    "10": (10, 10),
    "7-9": (7, 9),
    "3-6": (3, 6),
    "0-2": (0, 2),
    "unable": (np.nan, np.nan),
}


def ice_interval(
    total: Numbers, items: Mapping[str, Numbers], cartox10: tuple[Numbers, Numbers]
) -> tuple[Numbers, Numbers, Flags]:
    """Return the lowest and highest ICE score that the record allows, and where total and items contradict.

    Items not asked may score anything. Where the total lies outside what the items allow, neither is believed
    and the interval spans both. CARTOX-10 is used only where ICE was not recorded: it has the head of state
    in place of the command, so ICE lies within one point of its interval.
    """
    known = [~np.isnan(values) for values in items.values()]
    any_item = np.logical_or.reduce(known) if known else np.zeros(total.shape, dtype=bool)
    low = np.zeros(total.shape)
    high = np.zeros(total.shape)
    for (name, values), here in zip(items.items(), known, strict=True):
        low += np.where(here, values, 0.0)
        high += np.where(here, values, float(ICE_ITEMS[name]))
    low, high = np.where(any_item, low, np.nan), np.where(any_item, high, np.nan)
    contradicts = (total < low) | (total > high)
    low, high = (
        np.where(contradicts, np.fmin(total, low), np.where(np.isnan(total), low, total)),
        np.where(contradicts, np.fmax(total, high), np.where(np.isnan(total), high, total)),
    )
    from_cartox = np.isnan(low)
    low = np.where(from_cartox, np.maximum(cartox10[0] - 1, 0), low)
    high = np.where(from_cartox, np.minimum(cartox10[1] + 1, ICE_MAX), high)
    return low, high, contradicts


def cartox10_interval(score: Numbers, band: Levels) -> tuple[Numbers, Numbers]:
    """Return the interval of CARTOX-10 scores from the score, or from the band where only that was kept."""
    ends = np.array([*CARTOX10_BANDS.values(), (np.nan, np.nan)])  # last row: band missing (code -1)
    no_score = np.isnan(score)
    return np.where(no_score, ends[band, 0], score), np.where(no_score, ends[band, 1], score)


def ice_bounds(low: Numbers, high: Numbers, consciousness: Levels) -> Bounds:
    """Return the bounds of the ICE domain from an interval of scores; NaN is not assessed.

    A score of 0 is grade 3 in the awake (global aphasia), grade 4 in the unarousable, and 3 to 4 where
    consciousness was not assessed.
    """
    unassessed = np.isnan(low)
    lower = ICE_GRADE[np.where(unassessed, 0, high).astype(np.intp)]
    upper = ICE_GRADE[np.where(unassessed, 0, low).astype(np.intp)]
    unarousable = consciousness == CONSCIOUSNESS["unarousable"]
    lower = np.where((high == 0) & unarousable, 4, lower)
    upper = np.where((low == 0) & (unarousable | (consciousness < 0)), 4, upper)
    return Bounds(
        np.where(unassessed, 0, lower).astype(np.int8),
        np.where(unassessed, MAX_DERIVED, upper).astype(np.int8),
    )


def capd_bounds(score: Numbers, consciousness: Levels) -> Bounds:
    """Return the bounds of the CAPD domain; NaN is not assessed.

    0 is grade 0, 9 and above grade 3. From 1 to 8 consciousness decides between grade 1 and 2, and 1 to 2
    remains where it was not assessed.
    """
    unassessed = np.isnan(score)
    low_lower = np.where(consciousness < 0, 1, CAPD_LOW_GRADE[np.maximum(consciousness, 0)])
    low_upper = np.where(consciousness < 0, 2, CAPD_LOW_GRADE[np.maximum(consciousness, 0)])
    ends = [unassessed, score == 0, score >= CAPD_HIGH_FROM]
    return Bounds(
        np.select(ends, [0, 0, 3], default=low_lower).astype(np.int8),
        np.select(ends, [MAX_DERIVED, 0, 3], default=low_upper).astype(np.int8),
    )


def driver_names(domains: Mapping[str, Bounds], grade: Levels) -> NDArray[np.object_]:
    """Name the domains that set the lower bound, joined by '+'; 'none' where it is 0."""
    names = list(domains)
    code = np.zeros(grade.shape, dtype=np.intp)
    for position, name in enumerate(names):
        code |= ((domains[name].lower == grade) & (grade > 0)).astype(np.intp) << position
    labels = np.empty(1 << len(names), dtype=object)
    for number in range(labels.size):
        labels[number] = "+".join(name for i, name in enumerate(names) if number >> i & 1) or "none"
    return labels[code]
