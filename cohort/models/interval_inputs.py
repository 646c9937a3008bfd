"""Times known between two looks: the last day without and the first day with the event, checked and counted."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.facts import declared_facts
from cohort.errors import EndpointError
from cohort.study.endpoints import Endpoint, require_columns, require_unique_index

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Intervals (lower, upper] that contain the event.

    Attributes
    ----------
    lower, upper : array of shape (n,)
        ``-inf`` where nobody looked before the event was there, ``inf`` where it was not there at the last look; equal
        for a day known exactly.
    endpoint : Endpoint
        The same rows for alignment and guards: the first day with the event, or the last look.
    """

    lower: FloatArray
    upper: FloatArray
    endpoint: Endpoint

    def counts(self, rows: NDArray[np.intp]) -> tuple[int, int, int, int]:
        """Count rows known exactly, between two looks, before the first look, and not yet.

        Parameters
        ----------
        rows : array of shape (k,)
            Positions of rows.

        Returns
        -------
        tuple of int
            The four counts.
        """
        a, b = self.lower[rows], self.upper[rows]
        exact, late, early = a == b, np.isinf(b), np.isneginf(a)
        between = ~(exact | late | early)
        return int(exact.sum()), int(between.sum()), int(early.sum()), int(late.sum())


def read_intervals(lower: str, upper: str, data: pd.DataFrame, name: str | None, unit: str) -> Intervals:
    """Read the two columns.

    Parameters
    ----------
    lower, upper : str
        Columns with the last day without and the first day with the event.
    data : DataFrame
        One row per patient.
    name : str or None
        Name of the event; that of ``upper`` without ``_upper`` by default.
    unit : str
        Unit of time.

    Returns
    -------
    Intervals
        The intervals; rows that say nothing are left out and counted.

    Raises
    ------
    EndpointError
        When a column is missing or not numeric, a day is negative, ``lower`` is infinite, or an interval ends before it
        begins.
    """
    require_columns(data, [lower, upper])
    require_unique_index(data)
    a, b = _days(data[lower]), _days(data[upper])
    if np.isinf(a).any():
        raise EndpointError(
            f"Days in {lower!r} are infinite, but nobody is known without the event for ever.",
            evidence=f"{int(np.isinf(a).sum())} of {len(data)} rows",
            remedy=f"Give the last day known without the event; {upper!r} is missing when it was never seen.",
        )
    a, b = np.where(np.isnan(a), -np.inf, a), np.where(np.isnan(b), np.inf, b)
    if ((a < 0) & (a > -np.inf)).any() or (b < 0).any():
        raise EndpointError(
            f"Days in {lower!r} or {upper!r} are negative.",
            evidence=f"{int((((a < 0) & (a > -np.inf)) | (b < 0)).sum())} of {len(data)} rows",
            remedy=f"Leave {lower!r} missing where the first look already showed the event.",
        )
    if (a > b).any():
        raise EndpointError(
            f"Intervals end before they begin: {lower!r} is later than {upper!r}.",
            evidence=f"{int((a > b).sum())} of {len(data)} rows",
            remedy=f"{lower!r} is the last day known without, {upper!r} the first day known with the event.",
        )
    nothing = np.isinf(b) & (a <= 0)
    keep = ~nothing
    a, b = a[keep], b[keep]
    frame = data.loc[keep]
    endpoint = Endpoint(
        name=name or upper.removesuffix("_upper"),
        start=np.zeros(len(a)),
        stop=np.where(np.isfinite(b), b, a),
        event=np.isfinite(b).astype(np.int64),
        states=(name or upper.removesuffix("_upper"),),
        index=frame.index,
        frame=frame,
        facts=MappingProxyType(declared_facts(data)),
        unit=unit,
        excluded=(("neither looked at nor with the event", int(nothing.sum())),) if nothing.any() else (),
    )
    return Intervals(a, b, endpoint)


def _days(column: pd.Series) -> FloatArray:
    numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    if not (numeric or column.isna().all()):
        raise EndpointError(
            f"The column {column.name!r} is not numeric.",
            evidence=f"its dtype is {column.dtype}",
            remedy="Give days since the origin as numbers.",
        )
    return np.asarray(column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan))
