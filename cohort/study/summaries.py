"""One value per patient from a long table: peak, first, last or count in a window, with when it is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import printed_unit
from cohort.dictionary.facts import ColumnFacts, declare_facts, declared_facts
from cohort.errors import StudyError, UnitsError
from cohort.study.guards import check_mixed_scales
from cohort.study.keys import row_of, shared_keys, take_rows
from cohort.study.rules import evaluate_rule

FloatArray = NDArray[np.float64]
Take = Literal["max", "min", "first", "last", "count"]
DAY_COLUMNS = ("lab_day", "assessment_day", "exam_day", "event_day", "start_day", "visit_day")
SUMMARIES_KEY = "cohort_summaries"


def summarize(
    data: pd.DataFrame,
    table: pd.DataFrame,
    *,
    name: str,
    variable: str = "value",
    where: str | None = None,
    take: Take = "max",
    window: tuple[float, float] | None = None,
    before: str | None = None,
    label: str = "",
    unit: str = "",
) -> pd.DataFrame:
    """Add one value per patient, taken from a long table in a window of days.

    Values are taken from the window's days, both ends included, and with ``before`` only from days before
    the patient's own day, so that a peak before onset holds nothing that came after. A patient without such a
    day has the whole window. Windows of unequal length make peaks unequal; the summary tells how long they
    were, and a window that all patients have in full (leaving out whose day falls in it) avoids the problem.

    Parameters
    ----------
    data : DataFrame of shape (n_patients, n_columns)
        One row per patient with ``patient_id``.
    table : DataFrame of shape (n_rows, n_columns)
        Long table with a day column, such as ``registry.lab``.
    name : str
        Name of the new column.
    variable : str, default="value"
        Column of the table to summarise; not used by ``take="count"``.
    where : str, optional
        Rule over the table's columns, as ``"analyte == 'crp'"``; rows it cannot decide are not used.
    take : {'max', 'min', 'first', 'last', 'count'}, default='max'
        What to take.
    window : tuple of float, optional
        First and last day since infusion; all days when not given.
    before : str, optional
        Column of ``data`` with a day; only earlier days count.
    label : str, default=''
        Name for tables and figures.
    unit : str, default=''
        Unit as printed; the table's own ``unit`` column when it has one.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns + 1)
        The data with the new column, known from the end of the window; missing without a value. ``count`` is
        0 for patients with rows in the table, none of which count. ``attrs["cohort_summaries"]`` tells the
        number of values, of patients without one, and the median days that could be observed.

    Raises
    ------
    StudyError
        When a column is missing, the name is taken, or the window ends before it starts.
    UnitsError
        When the rows used are in several units.
    MixedScalesError
        When grades as recorded come from several grading systems.

    Examples
    --------
    >>> data = pd.DataFrame({"patient_id": ["a", "b"], "icans_onset_day": [3, None]})
    >>> lab = pd.DataFrame({"patient_id": ["a", "a", "b"], "lab_day": [1, 4, 9], "value": [5.0, 80.0, 12.0]})
    >>> peak = summarize(data, lab, name="peak_crp", window=(0, 30), before="icans_onset_day")
    >>> peak["peak_crp"].tolist()
    [5.0, 12.0]
    """
    _check_request(data, table, name, variable if take != "count" else None, window, before)
    keys = [key for key in shared_keys(data) if key in table.columns]
    day_column = _day_column(table)
    low, high = (-np.inf, np.inf) if window is None else window
    patient = row_of(table, data, keys)
    usable = patient >= 0
    if where is not None:
        usable &= evaluate_rule(where, table)[0]
    day = _numbers(table[day_column])
    limit = np.full(len(data), np.inf) if before is None else _numbers(data[before])
    limit = np.where(np.isnan(limit), np.inf, limit)
    in_table = np.zeros(len(data), dtype=bool)
    in_table[patient[usable]] = True
    if window is not None or before is not None:  # an undated value counts only where no day matters
        usable &= (day >= low) & (day <= high)
        usable[usable] = day[usable] < limit[patient[usable]]
    if take != "count":
        usable &= table[variable].notna().to_numpy(dtype=bool)
    printed = unit or _one_unit(table.loc[usable], name)
    _check_scales(table.loc[usable], variable)
    rows = np.flatnonzero(usable)
    rows = rows[np.lexsort((day[rows], patient[rows]))]
    values = _take(table, variable, patient[rows], rows, take, len(data), in_table)
    out = data.assign(**{name: values.set_axis(data.index)})
    observed = np.minimum(limit, high + 1) - max(low, 0.0)
    out.attrs = {
        **data.attrs,
        SUMMARIES_KEY: {
            **data.attrs.get(SUMMARIES_KEY, {}),
            name: {
                "n_values": len(rows),
                "n_missing": int(values.isna().sum()),
                "take": take,
                "window": None if window is None else [float(low), float(high)],
                "before": before or "",
                "median_days_with_day": _median(observed[np.isfinite(limit)]),
                "median_days_without_day": _median(observed[~np.isfinite(limit)]),
            },
        },
    }
    facts = ColumnFacts("daily", float(high), label=label)
    if take != "count":
        facts = _facts(table, variable, float(high), label, printed)
    unequal = _unequal(before, observed, limit) if take in ("max", "min", "count") else ""
    return declare_facts(out, {name: replace(facts, unequal_window=unequal)})


def _check_request(
    data: pd.DataFrame,
    table: pd.DataFrame,
    name: str,
    variable: str | None,
    window: tuple[float, float] | None,
    before: str | None,
) -> None:
    absent = [c for c in (variable,) if c is not None and c not in table.columns]
    absent += [c for c in (before,) if c is not None and c not in data.columns]
    if absent:
        raise StudyError(
            f"The summary {name!r} uses a column that does not exist: {', '.join(absent)}.",
            evidence=f"columns of the table: {', '.join(str(c) for c in table.columns[:15])}",
            remedy='summarize(data, registry.lab, name="peak_crp", variable="value")',
        )
    if name in data.columns:
        raise StudyError(f"The data have a column {name!r} already.", remedy="Give the summary another name.")
    if window is not None and window[1] < window[0]:
        raise StudyError(
            f"The window of {name!r} ends before it starts.",
            evidence=f"window={window}",
            remedy="window=(0, 30)",
        )


def _day_column(table: pd.DataFrame) -> str:
    found = [c for c in DAY_COLUMNS if c in table.columns]
    if not found:
        raise StudyError(
            "The table has no column with the day of each row.",
            evidence=f"looked for {', '.join(DAY_COLUMNS)}",
            remedy='Rename it: table.rename(columns={"day": "lab_day"})',
        )
    return found[0]


def _numbers(values: pd.Series) -> FloatArray:
    return np.asarray(values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def _one_unit(rows: pd.DataFrame, name: str) -> str:
    """Return the unit of the rows when they have one; refuse several."""
    if "unit" not in rows.columns:
        return ""
    units = sorted(str(u) for u in rows["unit"].dropna().unique())
    if len(units) > 1:
        raise UnitsError(
            f"The summary {name!r} would mix units.",
            evidence=f"units: {', '.join(units)}",
            remedy="Choose one analyte with where=, or harmonise the units in the source's mapping.",
        )
    return printed_unit(units[0]) if units else ""


def _check_scales(rows: pd.DataFrame, variable: str) -> None:
    """Refuse to compare grades as recorded under different systems."""
    if variable.startswith("reported_") and "grading_system" in rows.columns:
        check_mixed_scales([variable], (str(system) for system in rows["grading_system"].dropna().unique()))


def _take(
    table: pd.DataFrame,
    variable: str,
    patient: NDArray[np.intp],
    rows: NDArray[np.intp],
    take: Take,
    n: int,
    in_table: NDArray[np.bool_],
) -> pd.Series:
    """Reduce sorted rows to one value per patient."""
    if take == "count":
        counts = pd.Series(np.bincount(patient, minlength=n), dtype="Int64")
        return counts.mask(~in_table)
    values = table[variable].iloc[rows].reset_index(drop=True)
    grouped = values.groupby(patient, sort=True)
    reduced = {"max": grouped.max, "min": grouped.min, "first": grouped.first, "last": grouped.last}[take]()
    position = np.full(n, -1, dtype=np.intp)
    position[reduced.index.to_numpy(dtype=np.intp)] = np.arange(len(reduced))
    return take_rows(reduced.to_frame(variable), position)[variable]


def _median(days: FloatArray) -> float | None:
    """Return the median length of observation; None when nobody or endless."""
    return float(np.median(days)) if len(days) and np.isfinite(days).all() else None


def _unequal(before: str | None, observed: FloatArray, limit: FloatArray) -> str:
    """Tell how windows that end on the patient's own day differ; empty when all have the same days."""
    days = np.maximum(observed, 0.0)
    if before is None or not len(days) or days.min() == days.max():
        return ""
    with_day, without = _median(days[np.isfinite(limit)]), _median(days[~np.isfinite(limit)])
    said = f"median {with_day:g} days in {int(np.isfinite(limit).sum())} patients with {before}"
    if without is None:
        return said + ("" if np.isfinite(limit).all() else ", all later days in those without")
    return f"{said}, {without:g} days in {int((~np.isfinite(limit)).sum())} without"


def _facts(table: pd.DataFrame, variable: str, known_day: float, label: str, unit: str) -> ColumnFacts:
    """Return the facts of the summary: it stays part of, and measures, the grades its variable does."""
    own = declared_facts(table).get(variable, ColumnFacts())
    return replace(
        own,
        known="daily",
        known_day=known_day,
        label=label or ("" if variable == "value" else own.label),
        unit=unit or printed_unit(own.unit),
    )
