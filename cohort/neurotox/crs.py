"""Grade cytokine release syndrome by the ASTCT consensus, with bounds where the record leaves it open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from cohort.errors import StudyError
from cohort.neurotox.bounds import MAX_DERIVED, Bounds, worst
from cohort.neurotox.columns import NO_YES, Flags, Levels, category, int64, read_levels, read_numbers
from cohort.neurotox.icans import GRADING_KEY, SOURCES
from cohort.neurotox.reported import CRS_CROSSWALK, narrow, nothing_reported, read_reported

FEVER_C = 38.0
LOW_FLOW_L_MIN = 6.0
TEMPERATURE_RANGE_C = (25.0, 45.0)
FLOW_RANGE_L_MIN = (0.0, 80.0)
VASOPRESSORS: Mapping[str, int] = {"none": 0, "one": 3, "one_with_vasopressin": 3, "multiple": 4}
OXYGEN: Mapping[str, int] = {
    "room_air": 0,
    "low_flow": 2,
    "high_flow": 3,
    "face_mask": 4,
    "non_rebreather": 5,
    "venturi": 6,
    "positive_pressure": 7,
}
_OXYGEN_GRADE = np.array([0, 2, 3, 3, 3, 3, 4], dtype=np.int8)
_OXYGEN_CODE = {name: position for position, name in enumerate(OXYGEN)}
_CANNULA = (_OXYGEN_CODE["low_flow"], _OXYGEN_CODE["high_flow"])
FIO2_BANDS: Mapping[str, int] = {"room_air": 0, "below_40": 1, "40_or_more": 1}


def grade_crs(frame: pd.DataFrame, reported: Literal["fill", "ignore"] = "fill") -> pd.DataFrame:
    """Grade every assessment by the ASTCT consensus, as bounds where the record leaves the grade open.

    CRS needs fever (38.0 C or more, without another cause); once antipyretic or anticytokine therapy was
    given it does not. With it, the grade is the worse of hypotension and hypoxia, at least 1. What was not
    assessed is never taken as normal. Grade 5 is never inferred.

    Parameters
    ----------
    frame : DataFrame of shape (n_assessments, n_columns)
        Rows of ``crs_assessment``; any of its columns, missing where not assessed.
    reported : {'fill', 'ignore'}, default='fill'
        Whether a reported grade narrows what the signs leave open. Other systems agree with ASTCT on whether
        there was CRS, not on the grade: their grade 1 or more gives 1 to 4.

    Returns
    -------
    DataFrame of shape (n_assessments, n_columns + 4)
        The input's rows in order with ``crs_grade_lower``, ``crs_grade_upper``, ``crs_grade`` (missing when
        the bounds differ) and ``crs_grade_source`` (derived, derived_bounds, reported, crosswalk, none).

    Raises
    ------
    RangeError
        When a temperature or flow is impossible, or a label unknown.
    StudyError
        When an option is unknown.

    See Also
    --------
    grade_icans : The same for neurotoxicity.

    Notes
    -----
    6 L/min is low flow, more is high flow, whatever the cannula was called. One vasopressor with vasopressin
    is one. Intubation only to protect the airway is not hypoxia. A missing ``fever_other_cause`` counts as
    no; a missing ``antipyretic_or_anticytokine`` leaves open whether the afebrile still have CRS. Without
    fever, but treated, neither hypotension nor hypoxia is grade 0.

    References
    ----------
    .. [1] Lee DW et al. (2019). Biol Blood Marrow Transplant 25:625-638. doi:10.1016/j.bbmt.2018.12.758

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.DataFrame({"temperature_c": [38.6, 39.0], "vasopressors": "none", "hypotension": "no",
    ...                      "oxygen": ["room_air", "low_flow"], "oxygen_flow_l_min": [0, 6]})
    >>> grade_crs(days)["crs_grade"].tolist()
    [1, 2]
    """
    if reported not in ("fill", "ignore"):
        raise StudyError(
            "reported= has no such option", evidence=repr(reported), remedy="use one of fill, ignore"
        )
    n = len(frame)
    fever, treated, fever_known = _fever(frame)
    pressure, pressure_known = _hypotension(frame)
    oxygen, oxygen_known = _hypoxia(frame)
    derived = _combine(fever, treated, worst([pressure, oxygen], n))
    assessed = fever_known | pressure_known | oxygen_known
    said = (
        read_reported(frame, "reported_crs_grade", "crs_occurred", CRS_CROSSWALK)
        if reported == "fill"
        else nothing_reported(n)
    )
    full, used, excluded = narrow(derived, said)
    determined = full.lower == full.upper
    codes = np.select([used & said.crosswalk, used, assessed & determined, assessed], [3, 2, 0, 1], default=4)
    out = frame.assign(
        crs_grade_lower=int64(full.lower).set_axis(frame.index),
        crs_grade_upper=int64(full.upper).set_axis(frame.index),
        crs_grade=int64(full.lower, ~determined).set_axis(frame.index),
        crs_grade_source=category(codes, SOURCES).set_axis(frame.index),
    )
    counts = {
        "n_assessments": n,
        "n_determined": int(determined.sum()),
        "n_reported_used": int((used & ~said.crosswalk).sum()),
        "n_crosswalk_used": int((used & said.crosswalk).sum()),
        "n_reported_without_rule": said.n_unusable,
        "n_reported_contradictory": said.n_contradictory,
        "n_reported_excluded_by_signs": int(excluded.sum()),
    }
    out.attrs = {**frame.attrs, GRADING_KEY: {"reported": reported, **counts}}
    return out


def _fever(frame: pd.DataFrame) -> tuple[Levels, Levels, Flags]:
    """Return fever and therapy as 1, 0 or -1 unknown, and where fever was assessed."""
    temperature = read_numbers(frame, "temperature_c", *TEMPERATURE_RANGE_C, step=None, unit="C")
    said = read_levels(frame, "fever", NO_YES)
    measured = np.where(np.isnan(temperature), -1, temperature >= FEVER_C)
    fever = np.where(measured >= 0, measured, said)
    other_cause = read_levels(frame, "fever_other_cause", NO_YES) == 1
    fever = np.where(other_cause, 0, fever)
    treated = read_levels(frame, "antipyretic_or_anticytokine", NO_YES)
    return fever.astype(np.int8), np.where(other_cause, 0, treated).astype(np.int8), fever >= 0


def _hypotension(frame: pd.DataFrame) -> tuple[Bounds, Flags]:
    """Return the bounds of hypotension: by vasopressors, else by whether the pressure was low."""
    drugs = read_levels(frame, "vasopressors", VASOPRESSORS)
    low = read_levels(frame, "hypotension", NO_YES)
    conditions = [drugs > 0, low == 0, (low == 1) & (drugs == 0), low == 1, drugs == 0]
    lower = np.select(conditions, [drugs, 0, 2, 2, 0], default=0)
    upper = np.select(conditions, [drugs, 0, 2, MAX_DERIVED, 2], default=MAX_DERIVED)
    return Bounds(lower.astype(np.int8), upper.astype(np.int8)), (drugs >= 0) | (low >= 0)


def _hypoxia(frame: pd.DataFrame) -> tuple[Bounds, Flags]:
    """Return the bounds of hypoxia: by device and flow, else by flow, else by the inspired fraction."""
    device = read_levels(frame, "oxygen", _OXYGEN_CODE)
    flow = read_numbers(frame, "oxygen_flow_l_min", *FLOW_RANGE_L_MIN, step=None, unit="L/min")
    band = read_levels(frame, "fio2_band", FIO2_BANDS)
    airway_only = read_levels(frame, "intubated_for_airway_only", NO_YES) == 1
    grade = _OXYGEN_GRADE[np.maximum(device, 0)]
    by_flow = np.isin(device, _CANNULA) & (flow > 0)
    high = flow > LOW_FLOW_L_MIN
    conditions = [
        airway_only & ((device < 0) | (device == _OXYGEN_CODE["positive_pressure"])),
        by_flow,
        device >= 0,
        flow == 0,
        flow > 0,
        band == 0,
        band == 1,
    ]
    lower = np.select(conditions, [0, np.where(high, 3, 2), grade, 0, np.where(high, 3, 2), 0, 2], default=0)
    upper = np.select(
        conditions, [0, np.where(high, 3, 2), grade, 0, MAX_DERIVED, 0, MAX_DERIVED], default=MAX_DERIVED
    )
    return Bounds(lower.astype(np.int8), upper.astype(np.int8)), np.logical_or.reduce(conditions)


def _combine(fever: Levels, treated: Levels, severity: Bounds) -> Bounds:
    """Return the grade from fever and the worse of hypotension and hypoxia."""
    febrile, afebrile = fever == 1, fever == 0
    # What the signs alone set: the afebrile have CRS by their signs only under therapy.
    lower = np.where(febrile, np.maximum(severity.lower, 1), np.where(treated == 1, severity.lower, 0))
    upper = np.where(
        febrile | ~afebrile,
        np.maximum(severity.upper, 1),
        np.where(treated == 0, 0, severity.upper),
    )
    return Bounds(lower.astype(np.int8), upper.astype(np.int8))
