"""What a Cox-family model needs beside its design: the event, strata, clusters, weights, cautions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EndpointError, EstimationError
from cohort.estimators.baseline import BaselineHazard

if TYPE_CHECKING:
    from cohort.models.design import Design
    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

_EVENTS_PER_COEFFICIENT = 10
# Below this many clusters a sandwich variance is known to be biased downwards.
_CLUSTERS = 20


def cause(endpoint: Endpoint, event: str | None) -> tuple[int, bool]:
    """Return the code of the event to model, and whether others compete with it."""
    states = endpoint.states
    if event is None and len(states) > 1:
        raise EndpointError(
            f"{endpoint.name} has several events, and none was chosen",
            evidence=f"events: {', '.join(states)}",
            remedy=f'write event="{states[0]}", or another of them',
        )
    if event is not None and event not in states:
        raise EndpointError(
            f"{endpoint.name} has no event {event!r}",
            evidence=f"events: {', '.join(states)}",
            remedy=f'write event="{states[0]}"',
        )
    return 1 + (0 if event is None else states.index(event)), len(states) > 1


def grades(endpoint: Endpoint, event: str | None) -> list[str]:
    """Name the columns that may express the grade behind an event, as ``icans`` for ``icans_grade``."""
    return [
        column
        for name in {endpoint.name: 0, event or endpoint.states[0]: 0}
        for column in (name, f"{name}_grade")
    ]


def stratum_codes(design: Design, by: Sequence[str]) -> tuple[IntArray | None, tuple[str, ...]]:
    """Return the stratum of each row, and the labels of the strata (``stage=III, center_id=7``)."""
    if not by:
        return None, ()
    frame = pd.DataFrame({name: design.extra[name].to_numpy() for name in by})
    keys, labels = frame.drop_duplicates().sort_values(list(by), key=_order, ignore_index=True), []
    for row in zip(*(stratum_values(keys[name]) for name in by), strict=True):
        labels.append(", ".join(f"{name}={value}" for name, value in zip(by, row, strict=True)))
    codes = frame.merge(keys.assign(code=np.arange(len(keys))), on=list(by), how="left")["code"]
    return codes.to_numpy(dtype=np.intp), tuple(labels)


def stratum_values(column: pd.Series) -> list[str]:
    """Print values as in the labels of strata: whole numbers without a point, however they are stored."""
    return [
        str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        for value in column.tolist()
    ]


def _order(values: pd.Series) -> pd.Series:
    """Return the position of each value among those that occur, also where texts and numbers mix."""
    return pd.Series(pd.factorize(values, sort=True)[0], index=values.index)


def cluster_codes(
    design: Design, cluster: str | None, robust: bool, subject: NDArray[np.int64] | None
) -> tuple[IntArray | None, str]:
    """Return the groups of the sandwich variance, and what the standard errors are to be called."""
    if cluster is not None:
        codes = pd.factorize(design.extra[cluster])[0].astype(np.intp)
        return codes, f"cluster-robust standard errors ({codes.max() + 1} of {cluster})"
    if not robust:
        return None, ""
    if subject is None:
        return None, "robust standard errors"
    return pd.factorize(subject)[0].astype(np.intp), "robust standard errors, rows of one patient together"


def as_names(columns: str | Sequence[str] | None) -> list[str]:
    """Return column names given alone or in a sequence, each once."""
    return [columns] if isinstance(columns, str) else list(dict.fromkeys(columns or ()))


def case_weights(column: pd.Series) -> FloatArray:
    """Return weights as floats."""
    return numbers(column, "weights")


def numbers(column: pd.Series, what: str) -> FloatArray:
    """Return a column as floats, or say what it was meant to be."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise EstimationError(
            f"{what} column {column.name} is not numeric",
            evidence=f"dtype {column.dtype}",
            remedy="use numbers",
        )
    return column.to_numpy(dtype=float)


def term_columns(terms: Sequence[str]) -> list[list[int]]:
    """Return the columns of each term."""
    return [[j for j, other in enumerate(terms) if other == term] for term in dict.fromkeys(terms)]


def cautions(
    n_event: int, n_coefficient: int, weighted: bool, robust: bool, n_cluster: int | None = None
) -> list[str]:
    """Return what a reader should be told about the fit."""
    notes = []
    if n_event < _EVENTS_PER_COEFFICIENT * n_coefficient:
        notes.append(f"sparse data: {n_event} events for {n_coefficient} coefficients")
    if weighted and not robust:
        notes.append("model-based standard errors take weights as counts; robust=True for other weights")
    if n_cluster is not None and n_cluster < _CLUSTERS:
        notes.append(f"only {n_cluster} clusters: robust standard errors tend to be too small")
    return notes


def baseline_rows(base: BaselineHazard, strata: Sequence[str], centered: bool) -> pd.DataFrame:
    """Return a cumulative baseline hazard as ``strata, time, n_risk, n_event, estimate``."""
    names = np.array(strata or ("",), dtype=object)
    return pd.DataFrame(
        {
            "strata": names[base.stratum],
            "time": base.time,
            "n_risk": base.n_risk.astype(int),
            "n_event": base.n_event,
            "estimate": base.centered if centered else base.cumulative_hazard,
        }
    )
