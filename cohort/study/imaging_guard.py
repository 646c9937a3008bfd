"""Guard of selective imaging: the not-imaged never count as free of a finding, and unequal imaging is said."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import finding_taxonomy
from cohort.dictionary.states import binary_states
from cohort.errors import SelectiveImagingError
from cohort.study.guards import acknowledged_guards

STATUS = "mri_status"
SAID_FROM = 0.1
_MOST_GROUPS = 6


def check_selective_imaging(
    columns: Iterable[str], frame: pd.DataFrame | None, acknowledge: str | Iterable[str] = ()
) -> tuple[str, ...]:
    """Refuse findings that are given as absent or present in patients who were not imaged.

    `mri_findings` leaves such patients ``not_imaged``. Whoever fills them in (``fillna("absent")``, a merge
    that makes them False) moves the not-imaged into the denominator, and the proportion answers another
    question. Nothing can be checked in a frame without the column ``mri_status``.

    Parameters
    ----------
    columns : iterable of str
        Columns that an analysis uses; those that are findings of the dictionary are looked at.
    frame : DataFrame or None
        Data of the analysis.
    acknowledge : str or iterable of str, default=()
        Guards to override.

    Returns
    -------
    tuple of str
        Notes to print with the result.

    Raises
    ------
    SelectiveImagingError
        When a finding is known in patients who were not imaged, unless acknowledged.
    """
    overridden = acknowledged_guards(acknowledge)
    if frame is None or STATUS not in frame.columns:
        return ()
    without = np.asarray(frame[STATUS].astype("string") == "not_imaged", dtype=bool)
    filled = {name: int((without & _known(frame[name])).sum()) for name in _findings(columns, frame)}
    filled = {name: n for name, n in filled.items() if n}
    if not filled:
        return ()
    if SelectiveImagingError.guard in overridden:
        return (f"acknowledged selective_imaging: {', '.join(filled)}",)
    first = next(iter(filled))
    raise SelectiveImagingError(
        f"Selective imaging: {', '.join(repr(name) for name in filled)} is absent or present in patients who were "
        "not imaged, so they are in the denominator although nobody looked.",
        evidence="; ".join(f"{name}: {n} of {int(without.sum())} not imaged" for name, n in filled.items()),
        remedy=f"keep what co.mri_findings() gives ({first} is not_imaged there); for all patients use "
        f'co.manski_bounds("{first}", data) or weights of those imaged (co.inverse_probability_weights); or '
        'acknowledge="selective_imaging" to keep it as written; it will be printed with the result',
    )


def imaging_rates(columns: Iterable[str], frame: pd.DataFrame | None) -> tuple[str, ...]:
    """Say how many of each group were imaged when a finding is compared between groups imaged unequally.

    Parameters
    ----------
    columns : iterable of str
        The finding and what it is compared with, in any order.
    frame : DataFrame or None
        Data of the analysis.

    Returns
    -------
    tuple of str
        One note per column with groups whose imaged shares differ by 10 percentage points or more, as
        ``"imaged by severe_icans: no 20/100, yes 56/68"``; empty without a finding or ``mri_status``.
    """
    if frame is None or STATUS not in frame.columns:
        return ()
    wanted = list(dict.fromkeys(columns))
    findings = _findings(wanted, frame)
    if not findings:
        return ()
    status = frame[STATUS].astype("string")
    known = status.isin(["imaged", "not_imaged"])
    notes = []
    for name in wanted:
        if name in findings or name not in frame.columns:
            continue
        groups = frame[name].where(known).astype("string")
        if not 2 <= groups.nunique() <= _MOST_GROUPS:
            continue
        table = pd.crosstab(groups, (status == "imaged").fillna(False).astype(bool))
        n, imaged = table.sum(axis=1), table.get(True, 0 * table.sum(axis=1))
        shares = (imaged / n).to_numpy(dtype=float)
        if shares.max() - shares.min() >= SAID_FROM:
            listed = ", ".join(f"{level} {imaged[level]}/{n[level]}" for level in table.index)
            notes.append(f"imaged by {name}: {listed}")
    return tuple(notes)


def _findings(columns: Iterable[str], frame: pd.DataFrame) -> list[str]:
    """Return the columns that are findings or composites of the dictionary."""
    taxonomy = finding_taxonomy()
    names = {*taxonomy.codes, *(one.value for one in taxonomy.composites)}
    return [name for name in dict.fromkeys(columns) if name in names and name in frame.columns]


def _known(values: pd.Series) -> NDArray[np.bool_]:
    """Whether a finding is absent or present; a column that holds something else is not a finding."""
    try:
        states = binary_states(values)[0]
    except (ValueError, TypeError):
        return np.zeros(len(values), dtype=bool)
    return np.asarray(~np.isnan(states), dtype=bool)
