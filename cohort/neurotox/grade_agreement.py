"""Reported grades against derived ones, as a table of counts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.neurotox.columns import read_levels, read_numbers
from cohort.neurotox.icans import Population, grade_icans
from cohort.neurotox.reported import GRADE_MAX, SYSTEMS


def reported_against_derived(frame: pd.DataFrame, population: Population = "adult") -> pd.DataFrame:
    """Count how reported ICANS grades compare with the grades that the domains of the same rows give.

    Parameters
    ----------
    frame : DataFrame of shape (n_assessments, n_columns)
        Rows of ``neuro_assessment``, graded or not.
    population : {'adult', 'pediatric', 'by_age'}, default='adult'
        As in `grade_icans`.

    Returns
    -------
    DataFrame of shape (n_combinations, 6)
        One row per ``grading_system`` (``missing`` where not given), ``reported_icans_grade`` and derived bounds
        (``icans_grade_lower``, ``icans_grade_upper``) that occur, with ``agreement`` and ``n`` assessments.
        ``agreement`` is ``equal``, ``possible`` (inside open bounds), ``lower`` or ``higher`` (reported outside
        the derived bounds). Rows without a reported grade, or without any assessed domain, are left out.

    Raises
    ------
    RangeError
        When a value is impossible; see `grade_icans`.

    See Also
    --------
    grade_icans : Uses a reported grade only where the domains leave the grade open.

    Notes
    -----
    Grades of another system than ASTCT need not agree; they are tabulated by system, not pooled.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"seizure": ["resolving", "resolving"], "reported_icans_grade": [2, 3],
    ...                      "grading_system": "ASTCT2019"})
    >>> reported_against_derived(rows)[["reported_icans_grade", "agreement", "n"]]
       reported_icans_grade agreement  n
    0                   2.0     lower  1
    1                   3.0  possible  1
    """
    derived = grade_icans(frame, population=population, reported="ignore")
    reported = read_numbers(frame, "reported_icans_grade", 0, GRADE_MAX, step=0.5)
    system = read_levels(frame, "grading_system", SYSTEMS)
    lower = derived["icans_grade_lower"].to_numpy(dtype=float)
    upper = derived["icans_grade_upper"].to_numpy(dtype=float)
    conditions = [
        reported < lower,
        (reported > upper) & ~((upper == 4) & (reported == GRADE_MAX)),
        lower == upper,
    ]
    agreement = np.select(conditions, ["lower", "higher", "equal"], default="possible")
    use = ~np.isnan(reported) & (derived["icans_grade_source"] != "none").to_numpy(dtype=bool)
    names = np.array([*SYSTEMS, "missing"], dtype=object)
    table = pd.DataFrame(
        {
            "grading_system": names[system],
            "reported_icans_grade": reported,
            "icans_grade_lower": derived["icans_grade_lower"].to_numpy(),
            "icans_grade_upper": derived["icans_grade_upper"].to_numpy(),
            "agreement": agreement,
        }
    )[use]
    return table.value_counts().rename("n").reset_index().sort_values(list(table.columns), ignore_index=True)
