"""Find the row of each patient in another frame by its keys."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import StudyError

KEYS = ("source", "patient_id", "infusion_number")


def shared_keys(frame: pd.DataFrame) -> list[str]:
    """Return the key columns a frame has.

    Parameters
    ----------
    frame : DataFrame
        Frame to link.

    Returns
    -------
    list of str
        From ``source``, ``patient_id``, ``infusion_number``.

    Raises
    ------
    StudyError
        When there is no ``patient_id``.
    """
    keys = [key for key in KEYS if key in frame.columns]
    if "patient_id" not in keys:
        raise StudyError(
            "A frame to link has no column 'patient_id'.",
            evidence=f"columns: {', '.join(str(c) for c in frame.columns[:12])}",
            remedy='frame.reset_index() when it is the index; frame.rename(columns={"id": "patient_id"})',
        )
    return keys


def key_index(frame: pd.DataFrame, keys: list[str]) -> pd.MultiIndex:
    """Return the keys as texts, so that dtypes of different origin compare.

    Parameters
    ----------
    frame : DataFrame
        Frame with the keys.
    keys : list of str
        Key columns.

    Returns
    -------
    MultiIndex
        One entry per row.
    """
    columns = []
    for key in keys:
        values = frame[key]
        if key == "infusion_number":
            values = pd.to_numeric(values).astype("Int64")
        columns.append(values.astype("string").fillna("").to_numpy(dtype=object))
    return pd.MultiIndex.from_arrays(columns, names=keys)


def row_of(base: pd.DataFrame, frame: pd.DataFrame, keys: list[str]) -> NDArray[np.intp]:
    """Return the position in ``frame``, whose keys are unique, of each row of ``base``; -1 for none.

    Parameters
    ----------
    base, frame : DataFrame
        Frames with the keys.
    keys : list of str
        Key columns.

    Returns
    -------
    array of int of shape (n_base,)
        Positions.
    """
    return np.asarray(key_index(frame, keys).get_indexer(key_index(base, keys)), dtype=np.intp)


def take_rows(frame: pd.DataFrame, rows: NDArray[np.intp]) -> pd.DataFrame:
    """Return the given rows with a plain index; row -1 is missing throughout.

    Parameters
    ----------
    frame : DataFrame
        Frame to take from.
    rows : array of int of shape (n,)
        Positions.

    Returns
    -------
    DataFrame of shape (n, n_columns)
        The rows.
    """
    out = frame.reset_index(drop=True).reindex(rows)
    out.index = pd.RangeIndex(len(rows))
    return out


def require_unique_patients(population: pd.DataFrame) -> None:
    """Refuse to link when a patient has several infusions in the study.

    Parameters
    ----------
    population : DataFrame
        Infusions of the study.
    """
    repeated = population["patient_id"].duplicated(keep=False)
    if repeated.any():
        n = population.loc[repeated, "patient_id"].nunique()
        raise StudyError(
            "A linked frame has one row per patient, but some patients have several infusions in the study.",
            evidence=f"{n} patients with {int(repeated.sum())} infusions",
            remedy='study = study.require("first CAR-T infusion", "infusion_number == 1")',
        )
