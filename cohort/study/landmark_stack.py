"""Landmark data sets stacked on each other: the rows of a dynamic landmark supermodel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cohort.dictionary.facts import ColumnFacts
from cohort.errors import EndpointError
from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
LANDMARK = "landmark"


def landmark_stack(endpoint: Endpoint, landmarks: Sequence[float], window: float) -> Endpoint:
    """Stack the patients still at risk at each landmark, followed for a window, for a landmark supermodel.

    At each landmark s the rows are the patients under observation and free of events then, with time-dependent
    exposures at their value at s (an exposure that begins on day s counts), followed until s + window. One Cox
    model of all of them, stratified by ``landmark`` and with standard errors by patient (``robust=True``), tells
    how an effect on the risk within the next window changes with the landmark.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up; with exposures from ``counting_process``.
    landmarks : sequence of float
        Ascending times since the origin, declared beforehand.
    window : float
        How long patients are followed from each landmark; later events count as censored at its end.

    Returns
    -------
    Endpoint
        One row per patient and landmark, (start, stop] since the origin, with the column ``landmark``.

    Raises
    ------
    EndpointError
        When landmarks are not ascending, the window is not positive, a patient's follow-up has a gap after a
        landmark, the frame has a column ``landmark``, or nobody is at risk at a landmark.

    See Also
    --------
    cohort.models.cox.cox : Fits ``"edema + edema:landmark"`` with ``strata="landmark", robust=True``.

    References
    ----------
    .. [1] van Houwelingen HC (2007). Dynamic prediction by landmarking in event history analysis.
       Scand J Stat 34:70-85. doi:10.1111/j.1467-9469.2006.00529.x

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [5, 12, 40], "dead": [1, 1, 1]})
    >>> stack = landmark_stack(Endpoint.from_columns(frame, time="days", event="dead"), [0, 10], 20)
    >>> stack.frame["landmark"].tolist(), stack.stop.tolist(), stack.event.tolist()
    ([0, 0, 0, 10, 10], [5.0, 12.0, 20.0, 12.0, 30.0], [1, 1, 0, 1, 0])
    """
    at = _checked(endpoint, landmarks, window)
    codes = np.arange(len(endpoint.stop)) if endpoint.subject is None else endpoint.subject
    last = _last_rows(endpoint, codes)
    blocks = [np.flatnonzero((endpoint.start <= s) & (s < endpoint.stop)) for s in at]
    sizes = [len(rows) for rows in blocks]
    if 0 in sizes:
        raise EndpointError(
            f"Nobody is at risk at landmark {at[sizes.index(0)]:g}.",
            evidence=", ".join(f"{s:g}: {n}" for s, n in zip(at, sizes, strict=True)),
            remedy="Leave this landmark out.",
        )
    rows, start = np.concatenate(blocks), np.repeat(at, sizes)
    final = last[codes[rows]]
    end, stop = start + window, endpoint.stop[final]
    frame = endpoint.frame.iloc[rows].copy()
    frame[LANDMARK] = start.astype(np.int64) if (start == np.floor(start)).all() else start
    frame.attrs = dict(endpoint.frame.attrs)
    first = endpoint.origin_day + float(at[0])
    facts = dict(endpoint.facts) | {LANDMARK: ColumnFacts(known="baseline", known_day=0)}
    for name in endpoint.exposures:
        facts[name] = replace(facts.get(name, ColumnFacts()), known="daily", known_day=first)
    note = f"stacked at {len(at)} landmarks from {at[0]:g} to {at[-1]:g}, each followed for {window:g}"
    return replace(
        endpoint,
        start=start,
        stop=np.minimum(stop, end),
        event=np.where(stop > end, 0, endpoint.event[final]),
        index=frame.index,
        frame=frame,
        facts=MappingProxyType(facts),
        origin_day=first,
        subject=codes[rows].astype(np.int64),
        counting=True,
        exposures=(),
        notes=(*endpoint.notes, note, 'fit with strata="landmark", robust=True'),
    )


def _checked(endpoint: Endpoint, landmarks: Sequence[float], window: float) -> FloatArray:
    at = np.asarray(landmarks, dtype=np.float64)
    if at.ndim != 1 or not len(at) or not np.isfinite(at).all() or (np.diff(at) <= 0).any():
        raise EndpointError("Landmarks are not ascending times.", remedy="landmarks=[10, 20, 30]")
    if not (np.isfinite(window) and window > 0):
        raise EndpointError("The window is not a positive time.", remedy="window=100")
    if LANDMARK in endpoint.frame.columns:
        raise EndpointError("The frame has a column 'landmark'.", remedy="Give that column another name.")
    return at


def _last_rows(endpoint: Endpoint, codes: NDArray[np.int64] | IntArray) -> IntArray:
    """Return the last row of each patient; refuse gaps, in which nobody knows what happened."""
    order = np.lexsort((endpoint.start, codes))
    same = np.diff(codes[order]) == 0
    gaps = int((same & (endpoint.start[order][1:] != endpoint.stop[order][:-1])).sum())
    if gaps:
        raise EndpointError(
            "Follow-up of some patients has gaps.",
            evidence=f"{gaps} gaps",
            remedy="End their follow-up at the first gap.",
        )
    out = np.zeros(int(codes.max()) + 1, dtype=np.intp)
    out[codes[order]] = order
    return out
