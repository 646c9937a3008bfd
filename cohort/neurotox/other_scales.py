"""Grade by another scale than the ASTCT consensus, from the table of that scale in the dictionary."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pandas as pd

from cohort.dictionary.scales import Scale, ScaleColumn, ScaleDomain, find_scale
from cohort.errors import StudyError, UnconfirmedRuleWarning
from cohort.neurotox.bounds import Bounds, worst
from cohort.neurotox.columns import Flags, Levels, category, int64, read_levels, read_numbers
from cohort.neurotox.icans import GRADING_KEY
from cohort.neurotox.icans_domains import driver_names

_SOURCES = ("derived", "derived_bounds", "none")


def grade_by_scale(frame: pd.DataFrame, scale: str, toxicity: str = "neurotoxicity") -> pd.DataFrame:
    """Grade every assessment by a scale that trials and registries used beside or before the ASTCT consensus.

    The grade is the most severe domain of that scale's own table, as bounds where a domain was not assessed
    or its column says less than the scale asks. It is never an ASTCT grade: pool it as bounds through
    `grade_icans`, or analyze it by itself.

    Parameters
    ----------
    frame : DataFrame of shape (n_assessments, n_columns)
        Assessments; the columns that a scale reads are in its table (``data_dictionary/scales.yaml``), and
        those that exist are used.
    scale : str
        ``CARTOX2018``, ``MSKCC``, ``CTCAE4.03``, ``CTCAE5`` for neurotoxicity; ``LEE2014``, ``CARTOX2018``,
        ``MSKCC``, ``PENN`` for CRS; ``TIAN``; ``IEC-HS``.
    toxicity : {'neurotoxicity', 'crs', 'tian', 'iec_hs'}, default='neurotoxicity'
        What to grade.

    Returns
    -------
    DataFrame of shape (n_assessments, n_columns + 5)
        The input's rows in order with ``<toxicity>_grade_lower``, ``_upper``, ``<toxicity>_grade`` (missing
        when the bounds differ), ``<toxicity>_driver`` and ``<toxicity>_grade_source`` (derived,
        derived_bounds, none).

    Raises
    ------
    StudyError
        When the scale does not exist, or the frame has none of its columns.
    RangeError
        When a value is impossible or a label unknown; names the column, the count and what is allowed.

    Warns
    -----
    UnconfirmedRuleWarning
        Once per session and scale, for tables that were not read in their publication.

    See Also
    --------
    grade_icans : The ASTCT grade; takes grades reported on these scales as intervals.
    grade_crs : The same for CRS.

    Notes
    -----
    Of several columns of one domain the first that is recorded counts. Cells that a table repeats over two
    grades (dysgraphia "present" in MSKCC grades 1 and 2) are intervals. Grade 5 is never inferred.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.DataFrame({"fever": ["yes"], "hypotension": ["yes"], "vasopressor_dose": ["one_low"],
    ...     "fio2_band": ["room_air"], "ventilated": ["no"], "organ_toxicity_grade": [1], "transaminase_grade": [0],
    ...     "creatinine_grade": [0], "coagulopathy_needing_products": ["no"],
    ...     "hypotension_treatment": ["multiple_boluses_or_low_dose_vasopressor"], "penn_care": ["none"]})
    >>> [int(grade_by_scale(days, scale, "crs")["crs_grade"].iloc[0]) for scale in ("LEE2014", "PENN")]
    [2, 3]
    """
    found = find_scale(scale, toxicity)
    _require_any_column(frame, found)
    if not found.confirmed:
        _warn_once(found.scale, found.toxicity, found.citation)
    read = {domain.domain: _read(frame, domain) for domain in found.domains}
    bounds = {name: domain for name, (domain, _) in read.items()}
    full = worst(list(bounds.values()), len(frame))
    assessed = np.logical_or.reduce([known for _, known in read.values()])
    return _with_columns(frame, found, bounds, full, assessed)


def _require_any_column(frame: pd.DataFrame, scale: Scale) -> None:
    """Refuse a frame in which the scale finds nothing to read."""
    columns = [column.column for domain in scale.domains for column in domain.columns]
    if not set(columns) & set(frame.columns):
        raise StudyError(
            f"the frame has none of the columns that {scale.title} reads",
            evidence=f"it reads {', '.join(dict.fromkeys(columns))}",
            remedy="name the columns so; leave missing what was not assessed",
        )


@lru_cache(maxsize=32)
def _warn_once(scale: str, toxicity: str, citation: str) -> None:
    """Warn that a table is unconfirmed, the first time it is used."""
    warnings.warn(
        f"the table of {scale} for {toxicity} is not confirmed against its publication (confirmed: false): {citation}",
        UnconfirmedRuleWarning,
        stacklevel=4,
    )


def _read(frame: pd.DataFrame, domain: ScaleDomain) -> tuple[Bounds, Flags]:
    """Return the bounds of a domain from the first of its columns that is recorded, and where one is."""
    n = len(frame)
    known = np.zeros(n, dtype=bool)
    lower, upper = np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.int8)
    for column in domain.columns:
        position = _positions(frame, column)
        ends = np.array([*column.grades, (0, 0)], dtype=np.int8)
        use = ~known & (position >= 0)
        lower, upper = np.where(use, ends[position, 0], lower), np.where(use, ends[position, 1], upper)
        known |= use
    ceiling = np.where(known, upper, 0 if domain.optional else domain.highest)
    return Bounds(lower.astype(np.int8), ceiling.astype(np.int8)), known


def _positions(frame: pd.DataFrame, column: ScaleColumn) -> Levels:
    """Return the position of each value among the labels or steps, -1 where missing."""
    if column.labels:
        return read_levels(frame, column.column, {label: i for i, label in enumerate(column.labels)})
    whole = 1.0 if column.step == "whole" else None
    values = read_numbers(frame, column.column, column.minimum, column.maximum, whole, column.unit)
    starts = [start for start, _ in column.steps] or list(
        np.arange(column.minimum, column.maximum + 1, dtype=float)
    )
    missing = np.isnan(values)
    position = np.searchsorted(starts, np.where(missing, column.minimum, values), side="right") - 1
    return np.where(missing, -1, position).astype(np.int8)


def _with_columns(
    frame: pd.DataFrame, scale: Scale, domains: Mapping[str, Bounds], full: Bounds, assessed: Flags
) -> pd.DataFrame:
    """Return the frame with the grade's columns and what was done."""
    name = f"{scale.toxicity}_grade"
    is_open = full.lower != full.upper
    driver = pd.Series(driver_names(domains, full.lower), dtype="string").mask(~pd.Series(assessed))
    columns = {
        f"{name}_lower": int64(full.lower),
        f"{name}_upper": int64(full.upper),
        name: int64(full.lower, is_open),
        f"{scale.toxicity}_driver": driver,
        f"{name}_source": category(np.where(assessed, is_open, 2), _SOURCES),
    }
    out = frame.assign(**{key: values.set_axis(frame.index) for key, values in columns.items()})
    out.attrs = {
        **frame.attrs,
        GRADING_KEY: {
            "system": scale.scale,
            "toxicity": scale.toxicity,
            "confirmed": scale.confirmed,
            "n_assessments": len(frame),
            "n_determined": int((~is_open).sum()),
        },
    }
    return out
