"""Refuse a frame in which a patient has several rows where every row counts as one patient."""

from __future__ import annotations

import pandas as pd

from cohort.errors import EstimationError
from cohort.study.keys import KEYS


def check_one_row_each(
    data: pd.DataFrame, what: str, remedy: str = "link to one row per patient first: study.link(...)"
) -> None:
    """Refuse repeated patients, found by ``source``, ``patient_id`` and ``infusion_number`` as far as they exist.

    Rows without a ``patient_id`` repeat nobody.

    Parameters
    ----------
    data : DataFrame
        Frame in which each row counts as one patient.
    what : str
        What counts them, for the message.
    remedy : str
        What to do.

    Raises
    ------
    EstimationError
        When a patient has several rows.
    """
    keys = [key for key in KEYS if key in data.columns]
    if "patient_id" not in keys:
        return
    repeats = int((data.duplicated(keys) & data["patient_id"].notna()).sum())
    if repeats:
        raise EstimationError(
            f"a patient has several rows, and {what} counts each row as one patient",
            evidence=f"{repeats} of {len(data)} rows repeat {', '.join(keys)}",
            remedy=remedy,
        )
