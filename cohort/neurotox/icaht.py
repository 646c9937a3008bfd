"""Grade hematotoxicity after CAR-T infusion (ICAHT) from counts by day, with bounds where days are open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import StudyError, UnitsError
from cohort.neurotox.bounds import MAX_DERIVED, Bounds
from cohort.neurotox.columns import (
    KEYS,
    Numbers,
    group_codes,
    int64,
    key_columns,
    read_numbers,
    require_columns,
)
from cohort.neurotox.low_counts import interpolated, longest_episode, lowest_by_day, second_lowest
from cohort.neurotox.score_inputs import check_units

Phase = Literal["early", "late"]
Lineage = Literal["neutrophils", "platelets"]
Between = Literal["unknown", "interpolate"]

EARLY_WINDOW = (0, 30)
LATE_FROM = 31
END_GAP_DAYS = 3
# Grade by days, as (first day count of the step, grade), worst last.
EARLY_NEUTROPHILS: Mapping[int, tuple[tuple[int, int], ...]] = {
    500: ((1, 1), (7, 2), (14, 3)),
    100: ((7, 3), (14, 4)),
}
LATE_NEUTROPHILS = ((1500, 1), (1000, 2), (500, 3), (100, 4))
PLATELETS: Mapping[str, Mapping[int, tuple[tuple[int, int], ...]]] = {
    "early": {50: ((1, 1), (7, 2)), 20: ((1, 3), (14, 4))},
    "late": {100: ((1, 1),), 50: ((1, 2),), 20: ((1, 3), (14, 4))},
}
_COUNT = {"neutrophils": "anc_per_ul", "platelets": "platelets_10e9_l"}
_ANALYTE = {"neutrophils": ("anc", "/uL"), "platelets": ("platelets", "10*9/L")}
_NAME = {"neutrophils": "icaht", "platelets": "t_icaht"}


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts on the grid of patients and days, and who the patients are."""

    keys: pd.DataFrame
    grid: Numbers
    n_other_patients: int


def icaht_grade(
    counts: pd.DataFrame,
    phase: Phase = "early",
    lineage: Lineage = "neutrophils",
    *,
    patients: pd.DataFrame | None = None,
    between: Between = "unknown",
    max_gap_days: int = 7,
    until: int = 100,
    acknowledge: str | Iterable[str] = (),
) -> pd.DataFrame:
    """Grade hematotoxicity by how low the counts were and for how long, one row per patient.

    The grade is an interval: a day on which nobody took a count may have been low or not. It is missing when
    the two ends differ.

    Parameters
    ----------
    counts : DataFrame of shape (n_counts, n_columns)
        ``patient_id`` (with ``source`` and ``infusion_number`` where they exist), ``lab_day`` since infusion
        and ``anc_per_ul`` or ``platelets_10e9_l``; or ``registry.lab`` with ``analyte``, ``value``, ``unit``.
    phase : {'early', 'late'}, default='early'
        Days 0 to 30, or from day 31 to ``until``.
    lineage : {'neutrophils', 'platelets'}, default='neutrophils'
        ICAHT, or its version for platelets.
    patients : DataFrame of shape (n_patients, n_columns), optional
        One row per patient to be graded, also those without any count. With a column ``censor_day`` (relapse,
        next therapy, death or last contact) counts from that day on are not used and those days stay open.
    between : {'unknown', 'interpolate'}, default='unknown'
        What a day without a count is: open, or the straight line between the counts around it.
    max_gap_days : int, default=7
        Longest distance in days between two counts that is interpolated.
    until : int, default=100
        Last day of the late phase.
    acknowledge : str or iterable of str, default=()
        ``"units"`` to use counts that look as if they were in another unit.

    Returns
    -------
    DataFrame of shape (n_patients, n_keys + 4)
        Keys, ``icaht_early_grade_lower``, ``_upper``, ``icaht_early_grade`` (or ``icaht_late_...``,
        ``t_icaht_early_...``, ``t_icaht_late_...``), and ``..._days_measured``, the days with a count.

    Raises
    ------
    StudyError
        When a column or option does not exist, or ``patients`` has a patient twice.
    UnitsError
        When counts are implausible in their unit, or the laboratory table holds another unit; with counts.
    RangeError
        When a count is negative or infinite.

    See Also
    --------
    car_hematotox : The risk before lymphodepletion.

    Notes
    -----
    Early neutrophils: an episode at or below 500/µL of 1 to 6, 7 to 13, 14 or more days is grade 1, 2, 3, and
    grade 4 when no day from 0 to 30 was above; at or below 100/µL for 7 to 13 days grade 3, for 14 or more
    grade 4; the worse counts. An episode runs from its first to its last low day; recovery of fewer than 3
    consecutive days does not end it and its days belong to it.

    Late neutrophils: at least two days at or below 1500, 1000, 500, 100/µL are grade 1 to 4. This grade is
    defined on the counts taken, so it is known as soon as two days were measured, and open before.

    Platelets count days in total, not in a row: early below 50 × 10⁹/L 1 to 6 days grade 1, 7 or more grade 2,
    below 20 for 1 to 13 days grade 3, 14 or more grade 4; late below 100 grade 1, below 50 grade 2, below 20
    as early. Transfusions are not looked at.

    Of several counts on a day the lowest is used. Grade 5 does not exist.

    References
    ----------
    .. [1] Rejeski K et al. (2023). Blood 142:865-877. doi:10.1182/blood.2023020578

    Examples
    --------
    >>> import pandas as pd
    >>> counts = pd.DataFrame({"patient_id": "a", "lab_day": range(31),
    ...                        "anc_per_ul": [900] * 5 + [200] * 8 + [1200] * 18})
    >>> icaht_grade(counts)["icaht_early_grade"].tolist()
    [2]
    """
    _check_options(phase, lineage, between, until, max_gap_days)
    window = EARLY_WINDOW if phase == "early" else (LATE_FROM, until)
    read = _read_counts(counts, lineage, patients, window, acknowledge)
    grid = interpolated(read.grid, max_gap_days) if between == "interpolate" else read.grid
    bounds = _bounds(grid, phase, lineage)
    name = f"{_NAME[lineage]}_{phase}_grade"
    out = read.keys.assign(
        **{
            f"{name}_lower": int64(bounds.lower),
            f"{name}_upper": int64(bounds.upper),
            name: int64(bounds.lower, bounds.lower != bounds.upper),
            f"{_NAME[lineage]}_{phase}_days_measured": int64((~np.isnan(read.grid)).sum(axis=1)),
        }
    )
    out.attrs = {
        "cohort_icaht": {
            "phase": phase,
            "lineage": lineage,
            "window": window,
            "between": between,
            "n_rows_of_other_patients": read.n_other_patients,
            "n_determined": int((bounds.lower == bounds.upper).sum()),
        }
    }
    return out


def _check_options(phase: str, lineage: str, between: str, until: int, max_gap_days: int) -> None:
    """Refuse options that do not exist."""
    allowed = {
        "phase": (phase, ("early", "late")),
        "lineage": (lineage, tuple(_COUNT)),
        "between": (between, ("unknown", "interpolate")),
    }
    for name, (given, options) in allowed.items():
        if given not in options:
            raise StudyError(
                f"{name}= has no such option", evidence=repr(given), remedy=f"use one of {', '.join(options)}"
            )
    for name, value, least in (("until", until, LATE_FROM), ("max_gap_days", max_gap_days, 1)):
        if value < least or value != int(value):
            raise StudyError(
                f"{name}= is not a number of days that can be used",
                evidence=f"{name}={value}",
                remedy=f"give a whole number of at least {least}",
            )


def _read_counts(
    counts: pd.DataFrame,
    lineage: Lineage,
    patients: pd.DataFrame | None,
    window: tuple[int, int],
    acknowledge: str | Iterable[str],
) -> _Counts:
    """Read the counts of the lineage onto the grid of patients and days."""
    keys = key_columns(counts)
    require_columns(counts, ["lab_day"], "ICAHT")
    count = _of_lineage(counts, lineage)
    accepted = (acknowledge,) if isinstance(acknowledge, str) else tuple(acknowledge)
    check_units(_COUNT[lineage], count, "units" in accepted)
    day = read_numbers(counts, "lab_day", -np.inf, np.inf, step=None)
    if patients is None:
        patient, table = group_codes(counts, keys)
        return _Counts(table, lowest_by_day(patient, day, count, len(table), window), 0)
    table, patient = _number_in(patients, counts, keys)
    use = patient >= 0
    if "censor_day" in patients.columns:
        end = read_numbers(patients, "censor_day", -np.inf, np.inf, step=None)
        end = np.where(np.isnan(end), np.inf, end)
        use &= day < np.append(end, -np.inf)[patient]
    grid = lowest_by_day(patient[use], day[use], count[use], len(table), window)
    return _Counts(table, grid, int((patient < 0).sum()))


def _of_lineage(counts: pd.DataFrame, lineage: Lineage) -> Numbers:
    """Return the counts of the lineage, NaN in rows of other analytes."""
    if "analyte" not in counts.columns:
        require_columns(counts, [_COUNT[lineage]], "ICAHT")
        return read_numbers(counts, _COUNT[lineage], -np.inf, np.inf, step=None)
    require_columns(counts, ["value"], "ICAHT")
    analyte, unit = _ANALYTE[lineage]
    here = (counts["analyte"].astype("string") == analyte).fillna(False).to_numpy(dtype=bool)
    if "unit" in counts.columns:
        other = here & (counts["unit"].astype("string") != unit).fillna(False).to_numpy(dtype=bool)
        if other.any():
            raise UnitsError(
                f"{analyte} is not in {unit} throughout",
                evidence=f"{int(other.sum())} of {int(here.sum())} rows",
                remedy=f"convert the values to {unit}, as harmonize() does by the dictionary",
            )
    values = read_numbers(counts, "value", -np.inf, np.inf, step=None)
    return np.where(here, values, np.nan)


def _number_in(
    patients: pd.DataFrame, counts: pd.DataFrame, keys: list[str]
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the table of patients, and each count's row in it, -1 for patients who are not in it."""
    shared = [key for key in KEYS if key in patients.columns and key in keys]
    require_columns(patients, ["patient_id"], "patients=")
    table = patients[[key for key in KEYS if key in patients.columns]].reset_index(drop=True)
    twice = int(table.duplicated(subset=shared).sum())
    if twice:
        raise StudyError(
            "patients= has patients in several rows",
            evidence=f"{twice} rows repeat {', '.join(shared)}",
            remedy="pass one row per patient, or give source and infusion_number in both frames",
        )
    known, wanted = (pd.MultiIndex.from_frame(one[shared].astype(object)) for one in (table, counts))
    return table, known.get_indexer(wanted).astype(np.int64)


def _bounds(grid: Numbers, phase: Phase, lineage: Lineage) -> Bounds:
    """Return the bounds of the grade: open days as not low, and as low."""
    if lineage == "neutrophils" and phase == "late":
        return _late_neutrophils(grid)
    open_days = np.isnan(grid)
    high, low = np.where(open_days, np.inf, grid), np.where(open_days, -np.inf, grid)
    if lineage == "platelets":
        return Bounds(_by_total_days(high, PLATELETS[phase]), _by_total_days(low, PLATELETS[phase]))
    return Bounds(_early_neutrophils(high), _early_neutrophils(low))


def _early_neutrophils(grid: Numbers) -> NDArray[np.int8]:
    """Return the grade of completely known days."""
    grade = np.zeros(grid.shape[0], dtype=np.int8)
    for threshold, steps in EARLY_NEUTROPHILS.items():
        grade = np.maximum(grade, _by_days(longest_episode(grid <= threshold, END_GAP_DAYS), steps))
    never_above = np.asarray(np.all(grid <= max(EARLY_NEUTROPHILS), axis=1), dtype=bool)
    return np.where(never_above, MAX_DERIVED, grade).astype(np.int8)


def _late_neutrophils(grid: Numbers) -> Bounds:
    """Return the grade by the second lowest count; open with fewer than two days measured."""
    second = second_lowest(grid)
    grade = np.zeros(second.shape, dtype=np.int8)
    for threshold, step in LATE_NEUTROPHILS:
        grade[second <= threshold] = step
    few = (~np.isnan(grid)).sum(axis=1) < 2
    return Bounds(np.where(few, 0, grade).astype(np.int8), np.where(few, MAX_DERIVED, grade).astype(np.int8))


def _by_total_days(grid: Numbers, table: Mapping[int, tuple[tuple[int, int], ...]]) -> NDArray[np.int8]:
    """Return the grade by the number of days below each threshold."""
    grades = [_by_days((grid < threshold).sum(axis=1), steps) for threshold, steps in table.items()]
    return np.asarray(np.maximum.reduce(grades), dtype=np.int8)


def _by_days(days: NDArray[np.int64], steps: tuple[tuple[int, int], ...]) -> NDArray[np.int8]:
    """Return the grade of the last step that the days reach."""
    grade = np.zeros(days.shape, dtype=np.int8)
    for least, step in steps:
        grade[days >= least] = step
    return grade
