"""Checks that look across tables: after death, above the reported maximum, far from onset, unlike the other centers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
KEYS = ["source", "patient_id", "infusion_number"]
DAYS: Mapping[str, str] = {
    "neuro_assessment": "assessment_day",
    "crs_assessment": "assessment_day",
    "mri_exam": "exam_day",
    "lab": "lab_day",
    "treatment": "start_day",
    "cognition": "visit_day",
}
MRI_FROM_ONSET = (-2, 14)
ONSET_LAST_DAY = 28
MIN_CENTER, MIN_CENTERS, FAR = 10, 3, 4.0
_SCALE = 1.4826


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """Rows of a table looked at, and which of them are violated.

    Attributes
    ----------
    check, table, variable : str
        Name of the check in ``checks.yaml``, and what it is about.
    violated, among : array of bool
        One entry per row of the table.
    """

    check: str
    table: str
    variable: str
    violated: Flags
    among: Flags


def cross_checks(tables: Mapping[str, pd.DataFrame]) -> Iterator[CrossCheck]:
    """Yield the result of every check across tables.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Harmonized tables.

    Yields
    ------
    CrossCheck
        Only for tables with rows.
    """
    infusion = tables["infusion"]
    if not len(infusion):
        return
    for table, day in DAYS.items():
        if len(tables[table]):
            yield from _after_the_end(tables[table], table, day, infusion)
    for table, grade in (
        ("neuro_assessment", "reported_icans_grade"),
        ("crs_assessment", "reported_crs_grade"),
    ):
        if len(tables[table]):
            yield _above_maximum(tables[table], table, grade)
    if len(tables["neuro_assessment"]):
        yield from _onsets(tables["neuro_assessment"], infusion)
    if len(tables["mri_exam"]):
        yield _scans_of_icans(tables["mri_exam"], tables["neuro_assessment"])
    yield _infused_twice(infusion)


def _numbers(values: pd.Series) -> NDArray[np.float64]:
    return np.asarray(values.astype("Float64").to_numpy(dtype=float, na_value=np.nan), dtype=float)


def _of_infusion(frame: pd.DataFrame, infusion: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Return a column of the infusion for every row of another table."""
    own = infusion[[*KEYS, column]].drop_duplicates(KEYS)
    return _numbers(frame[KEYS].merge(own, on=KEYS, how="left")[column])


def _after_the_end(frame: pd.DataFrame, table: str, day: str, infusion: pd.DataFrame) -> Iterator[CrossCheck]:
    days = _numbers(frame[day])
    for check, end in (
        ("nothing_after_death", "death_day"),
        ("nothing_after_last_contact", "last_contact_day"),
    ):
        last = _of_infusion(frame, infusion, end)
        known = ~np.isnan(days) & ~np.isnan(last)
        yield CrossCheck(check, table, day, known & (days > last), known)


def _above_maximum(frame: pd.DataFrame, table: str, grade: str) -> CrossCheck:
    """Look at daily grades of patients whose maximum was reported as well."""
    kind, grades = frame["assessment_type"].astype("string"), _numbers(frame[grade])
    maximum = frame.assign(_grade=grades)[(kind == "period_maximum").fillna(False).to_numpy(dtype=bool)]
    most = maximum.groupby(KEYS, observed=True, as_index=False)["_grade"].max()
    reported = _numbers(frame[KEYS].merge(most, on=KEYS, how="left")["_grade"])
    among = (kind == "daily").fillna(False).to_numpy(dtype=bool) & ~np.isnan(grades) & ~np.isnan(reported)
    return CrossCheck("daily_not_above_maximum", table, grade, among & (grades > reported), among)


def _onsets(frame: pd.DataFrame, infusion: pd.DataFrame) -> Iterator[CrossCheck]:
    onset = _numbers(frame["icans_onset_day"])
    known = ~np.isnan(onset)
    yield CrossCheck(
        "onset_in_window", "neuro_assessment", "icans_onset_day", known & (onset > ONSET_LAST_DAY), known
    )
    occurred = (frame["icans_occurred"].astype("string") == "yes").fillna(False).to_numpy(dtype=bool)
    ended = ~np.isnan(_numbers(frame["icans_resolved_day"])) | frame["icans_resolved"].notna().to_numpy(
        dtype=bool
    )
    for end in ("death_day", "last_contact_day"):
        ended |= ~np.isnan(_of_infusion(frame, infusion, end))
    yield CrossCheck(
        "icans_has_an_end", "neuro_assessment", "icans_resolved_day", occurred & ~ended, occurred
    )


def _scans_of_icans(exams: pd.DataFrame, neuro: pd.DataFrame) -> CrossCheck:
    """Look at symptom-driven examinations of patients with a known onset: near it, or not."""
    first = neuro.assign(_onset=_numbers(neuro["icans_onset_day"])).groupby(
        KEYS, observed=True, as_index=False
    )["_onset"]
    onset = _numbers(exams[KEYS].merge(first.min(), on=KEYS, how="left")["_onset"])
    day = _numbers(exams["exam_day"])
    driven = (exams["indication"].astype("string") == "symptom_driven").fillna(False).to_numpy(dtype=bool)
    among = driven & ~np.isnan(day) & ~np.isnan(onset)
    away = (day - onset < MRI_FROM_ONSET[0]) | (day - onset > MRI_FROM_ONSET[1])
    return CrossCheck("scan_near_onset", "mri_exam", "exam_day", among & away, among)


def _infused_twice(infusion: pd.DataFrame) -> CrossCheck:
    """Look for one infusion under two numbers: the same patient, source and date."""
    known = infusion["infusion_date"].notna().to_numpy(dtype=bool)
    keys = ["source", "patient_id", "infusion_date"]
    numbers = (
        infusion.groupby(keys, observed=True)["infusion_number"].transform("nunique").to_numpy(dtype=float)
    )
    return CrossCheck("infusion_once", "infusion", "infusion_number", known & (numbers > 1), known)


def unlike_centers(infusion: pd.DataFrame, variables: list[str]) -> pd.DataFrame:
    """Return centers whose median of a number is far from that of the others.

    Parameters
    ----------
    infusion : DataFrame
        Harmonized infusions.
    variables : list of str
        Numbers to look at.

    Returns
    -------
    DataFrame
        ``variable, source, center_id, n, median, others, far``: far when the median lies more than four standard errors
        from the median of the other centers' medians; the error has a part of their spread and a part of the center's
        own sample. Centers with at least 10 values, where there are three or more such.
    """
    rows = []
    for name in variables:
        known = infusion.loc[infusion[name].notna(), ["source", "center_id", name]]
        groups = known.groupby(["source", "center_id"], observed=True)[name].agg(["size", "median", _spread])
        groups = groups[groups["size"] >= MIN_CENTER].reset_index()
        if len(groups) < MIN_CENTERS:
            continue
        medians = groups["median"].to_numpy(dtype=float)
        for i, (source, center, n, median, spread) in enumerate(groups.to_numpy().tolist()):
            others = np.delete(medians, i)
            middle = float(np.median(others))
            between = _SCALE * float(np.median(np.abs(others - middle)))
            error = np.hypot(
                between, 1.2533 * float(spread) / np.sqrt(n)
            )  # of a median: 1.2533 sigma / root n
            far = bool(abs(float(median) - middle) > FAR * max(error, 1e-9))
            rows.append((name, source, center, int(n), float(median), middle, far))
    return pd.DataFrame(rows, columns=["variable", "source", "center_id", "n", "median", "others", "far"])


def _spread(values: pd.Series) -> float:
    """Return the scaled median absolute deviation."""
    return float(_SCALE * (values - values.median()).abs().median())
