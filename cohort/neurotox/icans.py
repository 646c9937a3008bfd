"""Grade ICANS by the ASTCT consensus, with bounds where the record leaves the grade open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from cohort.errors import StudyError
from cohort.neurotox.bounds import Bounds, choose, domain_bounds, hull, worst
from cohort.neurotox.columns import (
    NO_YES,
    UNASSESSED,
    Flags,
    Levels,
    category,
    int64,
    read_levels,
    read_numbers,
)
from cohort.neurotox.days import BLIND
from cohort.neurotox.icans_domains import (
    CAPD_MAX,
    CARTOX10_BANDS,
    DOMAINS,
    EDEMA_IMAGING,
    ICE_ITEMS,
    ICE_MAX,
    PRESSURE_SIGNS,
    capd_bounds,
    cartox10_interval,
    driver_names,
    ice_bounds,
    ice_interval,
)
from cohort.neurotox.reported import (
    ICANS_CROSSWALK,
    Reported,
    narrow,
    narrow_imaging_blind,
    nothing_reported,
    read_reported,
)

Population = Literal["adult", "pediatric", "by_age"]
GRADING_KEY = "cohort_grading"
SOURCES = ("derived", "derived_bounds", "reported", "crosswalk", "none")


@dataclass(frozen=True, slots=True)
class _Domains:
    """Every domain's bounds by name, what the drivers are called after, and what was assessed at all."""

    bounds: Mapping[str, Bounds]
    edema: Levels
    assumed_unscanned: Flags
    any_assessed: Flags
    counts: Mapping[str, int]


def grade_icans(
    frame: pd.DataFrame,
    population: Population = "adult",
    age_boundary: float = 12,
    unscanned: Literal["clinical", "unknown"] = "clinical",
    reported: Literal["fill", "ignore"] = "fill",
    pres: Literal["ignore", "focal"] = "ignore",
) -> pd.DataFrame:
    """Grade every assessment by the ASTCT consensus, as bounds where the record leaves the grade open.

    The grade is the most severe domain. A domain nobody assessed could reach grade 4 and is never taken as
    negative; a column that does not exist is a domain not assessed. Tremor, headache, facial palsy and
    hemorrhage never count, nor does edema that accompanies hemorrhage. Grade 5 is never inferred.

    Parameters
    ----------
    frame : DataFrame of shape (n_assessments, n_columns)
        Rows of ``neuro_assessment``; any of its columns, missing where not assessed.
    population : {'adult', 'pediatric', 'by_age'}, default='adult'
        ICE for adults, CAPD for children; by age needs ``age_years``. Where the age is missing the bounds
        span both.
    age_boundary : float, default=12
        Age in years from which ICE applies.
    unscanned : {'clinical', 'unknown'}, default='clinical'
        No scan made: ``clinical`` takes edema on imaging as absent when posturing, abducens palsy,
        papilledema and the Cushing triad were all assessed and negative; ``unknown`` leaves the bound at 4.
    reported : {'fill', 'ignore'}, default='fill'
        Whether a reported grade narrows what the domains leave open. Grades of other systems give an
        interval.
    pres : {'ignore', 'focal'}, default='ignore'
        Posterior reversible encephalopathy, which the consensus does not address: ``ignore`` counts it only
        where the reader also recorded focal edema; ``focal`` reads a column ``pres`` (no, yes) and takes yes as
        focal edema. Report the grade under both readings.

    Returns
    -------
    DataFrame of shape (n_assessments, n_columns + 9)
        The input's rows in order with ``icans_grade_lower``, ``icans_grade_upper``, ``icans_grade`` (missing
        when the bounds differ), ``icans_driver``, the same four with the suffix ``_imaging_blind``, and
        ``icans_grade_source``. ``attrs["cohort_grading"]`` holds the options and counts.

    Raises
    ------
    RangeError
        When a score is impossible (ICE 11) or a label unknown; names the column, the count and what is
        allowed.
    StudyError
        When an option is unknown, ``population="by_age"`` without ``age_years``, or ``pres="focal"`` without
        ``pres``.

    See Also
    --------
    icans_episodes : Onset, peak, resolution and recurrence from these grades.

    Notes
    -----
    The driver names the domains that set the lower bound, joined by ``+`` in the order of the table (``ice``
    or ``capd``, ``consciousness``, ``seizure``, ``motor_deficit``, ``edema_imaging``, ``posturing``,
    ``abducens_palsy``, ``papilledema``, ``cushing_triad``); ``reported`` when a reported grade set it;
    ``none`` when nothing raises it above 0; missing when nothing is known.

    ICE of which only some items were asked, ICE whose total contradicts its items (counted), and ICE known
    only through CARTOX-10 (within one point) are intervals of scores. A missing ``edema_with_hemorrhage`` or
    ``sedated`` counts as no.

    The imaging-blind grade leaves edema on imaging out. From a reported grade alone it is known up to grade
    2; from 3 on it is an interval from 0, because imaging may have set the grade.

    References
    ----------
    .. [1] Lee DW et al. (2019). Biol Blood Marrow Transplant 25:625-638. doi:10.1016/j.bbmt.2018.12.758
    .. [2] Pennisi M et al. (2020). Blood Adv 4:676-686.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.DataFrame({"ice_score": [10, 0], "seizure": ["none", "resolving"]})
    >>> grade_icans(days)[["icans_grade_lower", "icans_grade_upper", "icans_driver"]]
       icans_grade_lower  icans_grade_upper icans_driver
    0                  0                  4         none
    1                  3                  4  ice+seizure
    """
    _check_options(frame, population, unscanned, reported, pres)
    domains = _read_domains(frame, population, age_boundary, unscanned, pres)
    n = len(frame)
    said = (
        read_reported(frame, "reported_icans_grade", "icans_occurred", ICANS_CROSSWALK)
        if reported == "fill"
        else nothing_reported(n)
    )
    blind_domains = {name: bounds for name, bounds in domains.bounds.items() if name != "edema_imaging"}
    derived, derived_blind = _grade(domains.bounds, n), _grade(blind_domains, n)
    full, used, excluded = narrow(derived, said)
    used |= said.known & ~domains.any_assessed
    blind = narrow_imaging_blind(derived_blind, said, used, domains.edema)
    known = domains.any_assessed | used

    out = frame.assign(
        **_columns("", full, _drivers(domains.bounds, derived, full, used, known), frame.index),
        **_columns(BLIND, blind, _drivers(blind_domains, derived_blind, blind, used, known), frame.index),
        icans_grade_source=_source(full, domains.any_assessed, used, said, frame.index),
    )
    out.attrs = {
        **frame.attrs,
        GRADING_KEY: {
            "population": population,
            "age_boundary": float(age_boundary),
            "unscanned": unscanned,
            "reported": reported,
            "pres": pres,
            **_counts(domains, full, blind, used, excluded, said),
            "n_grade_4_by_motor_only": int((out["icans_driver"] == "motor_deficit").fillna(False).sum()),
        },
    }
    return out


def _check_options(frame: pd.DataFrame, population: str, unscanned: str, reported: str, pres: str) -> None:
    """Refuse options that do not exist, and options without the column they read."""
    allowed = {
        "population": (population, ("adult", "pediatric", "by_age")),
        "unscanned": (unscanned, ("clinical", "unknown")),
        "reported": (reported, ("fill", "ignore")),
        "pres": (pres, ("ignore", "focal")),
    }
    for name, (given, options) in allowed.items():
        if given not in options:
            raise StudyError(
                f"{name}= has no such option", evidence=repr(given), remedy=f"use one of {', '.join(options)}"
            )
    if population == "by_age" and "age_years" not in frame.columns:
        raise StudyError(
            'population="by_age" needs the age at infusion',
            evidence="column age_years is absent",
            remedy='merge age_years from registry.infusion, or say population="adult" or "pediatric"',
        )
    if pres == "focal" and "pres" not in frame.columns:
        raise StudyError(
            'pres="focal" needs to know who had posterior reversible encephalopathy',
            evidence="column pres is absent",
            remedy="add a column pres of no and yes, from the MRI finding of that name on the day of the assessment",
        )


def _read_domains(
    frame: pd.DataFrame, population: Population, age_boundary: float, unscanned: str, pres: str
) -> _Domains:
    """Read every domain, and apply the rules that make a value not assessed or not count."""
    levels = {name: read_levels(frame, name, labels) for name, labels in DOMAINS.items()}
    sedated = read_levels(frame, "sedated", NO_YES) == 1
    levels["consciousness"] = np.where(sedated, UNASSESSED, levels["consciousness"]).astype(np.int8)
    edema = levels["edema_imaging"]
    with_hemorrhage = read_levels(frame, "edema_with_hemorrhage", NO_YES) == 1
    edema = np.where(with_hemorrhage & (edema > 0), 0, edema).astype(np.int8)
    if pres == "focal":
        seen = read_levels(frame, "pres", NO_YES) == 1
        edema = np.where(seen, np.maximum(edema, EDEMA_IMAGING["focal"]), edema).astype(np.int8)
    signs_negative = np.logical_and.reduce([levels[sign] == 0 for sign in PRESSURE_SIGNS])
    assumed = (edema < 0) & signs_negative & (unscanned == "clinical")

    cognition, tested, contradicts, n_ignored = _cognition(frame, population, age_boundary, levels, sedated)
    levels["edema_imaging"] = np.where(assumed, 0, edema).astype(np.int8)
    any_assessed = tested | (edema >= 0)
    for name in DOMAINS:
        if name != "edema_imaging":
            any_assessed = any_assessed | (levels[name] >= 0)
    return _Domains(
        bounds={**cognition, **{name: domain_bounds(levels[name]) for name in DOMAINS}},
        edema=edema,
        assumed_unscanned=assumed,
        any_assessed=any_assessed,
        counts={
            "n_sedated": int(sedated.sum()),
            "n_ice_contradicts_items": int(contradicts.sum()),
            "n_test_of_other_age_ignored": n_ignored,
            "n_edema_with_hemorrhage": int(
                (with_hemorrhage & (levels["edema_imaging"] == 0) & (edema == 0)).sum()
            ),
        },
    )


def _cognition(
    frame: pd.DataFrame,
    population: Population,
    age_boundary: float,
    levels: Mapping[str, Levels],
    sedated: Flags,
) -> tuple[dict[str, Bounds], Flags, Flags, int]:
    """Return the ICE and CAPD domains, where assessed, where contradictory, and the tests ignored."""
    n = len(frame)
    items = {
        name: read_numbers(frame, name, 0, top) for name, top in ICE_ITEMS.items() if name in frame.columns
    }
    bands = {band: position for position, band in enumerate(CARTOX10_BANDS)}
    cartox10 = cartox10_interval(
        read_numbers(frame, "cartox10_score", 0, ICE_MAX), read_levels(frame, "cartox10_band", bands)
    )
    low, high, contradicts = ice_interval(read_numbers(frame, "ice_score", 0, ICE_MAX), items, cartox10)
    capd_score = read_numbers(frame, "capd_score", 0, CAPD_MAX)
    low, capd_score = np.where(sedated, np.nan, low), np.where(sedated, np.nan, capd_score)
    ice = ice_bounds(low, high, levels["consciousness"])
    capd = capd_bounds(capd_score, levels["consciousness"])
    has_ice, has_capd = ~np.isnan(low), ~np.isnan(capd_score)
    if population == "adult":
        return {"ice": ice}, has_ice, contradicts, int((has_capd & ~has_ice).sum())
    if population == "pediatric":
        return {"capd": capd}, has_capd, contradicts, int((has_ice & ~has_capd).sum())
    age = read_numbers(frame, "age_years", 0, 120, step=None)
    adult, child = age >= age_boundary, age < age_boundary
    either = hull(ice, capd)
    silent = Bounds(np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.int8))
    cognition = {
        "ice": choose(adult, ice, choose(child, silent, either)),
        "capd": choose(child, capd, choose(adult, silent, either)),
    }
    tested = np.where(adult, has_ice, np.where(child, has_capd, has_ice | has_capd))
    ignored = (adult & has_capd & ~has_ice) | (child & has_ice & ~has_capd)
    return cognition, tested, contradicts, int(ignored.sum())


def _grade(domains: Mapping[str, Bounds], n: int) -> Bounds:
    """Return the worst of the domains."""
    return worst(list(domains.values()), n)


def _drivers(
    domains: Mapping[str, Bounds], derived: Bounds, final: Bounds, used: Flags, known: Flags
) -> pd.Series:
    """Name what set the lower bound: domains, or the report where it raised the bound or stands alone."""
    names = driver_names(domains, derived.lower)
    by_report = used & ((final.lower > derived.lower) | (derived.lower == 0))
    names[by_report] = "reported"
    names[~known] = pd.NA
    return pd.Series(names, dtype="string")


def _columns(suffix: str, bounds: Bounds, driver: pd.Series, index: pd.Index) -> dict[str, pd.Series]:
    """Return the four columns of one variant of the grade."""
    columns = {
        f"icans_grade_lower{suffix}": int64(bounds.lower),
        f"icans_grade_upper{suffix}": int64(bounds.upper),
        f"icans_grade{suffix}": int64(bounds.lower, bounds.lower != bounds.upper),
        f"icans_driver{suffix}": driver,
    }
    return {name: values.set_axis(index) for name, values in columns.items()}


def _source(full: Bounds, any_assessed: Flags, used: Flags, said: Reported, index: pd.Index) -> pd.Series:
    """Say where each grade comes from."""
    determined = full.lower == full.upper
    codes = np.select(
        [used & said.crosswalk, used, any_assessed & determined, any_assessed], [3, 2, 0, 1], default=4
    ).astype(np.int8)
    return category(codes, SOURCES).set_axis(index)


def _counts(
    domains: _Domains, full: Bounds, blind: Bounds, used: Flags, excluded: Flags, said: Reported
) -> dict[str, int]:
    """Count what the report has to disclose about the grades."""
    determined = full.lower == full.upper
    rests = domains.assumed_unscanned & determined & (full.upper < 4) & ~used
    return {
        "n_assessments": int(full.lower.size),
        "n_determined": int(determined.sum()),
        "n_determined_imaging_blind": int((blind.lower == blind.upper).sum()),
        "n_rest_on_unscanned": int(rests.sum()),
        "n_reported_used": int((used & ~said.crosswalk).sum()),
        "n_crosswalk_used": int((used & said.crosswalk).sum()),
        "n_reported_without_rule": said.n_unusable,
        "n_reported_contradictory": said.n_contradictory,
        "n_reported_excluded_by_domains": int(excluded.sum()),
        **domains.counts,
    }
