"""The data of a partial likelihood: checked, ordered by risk set, centered and scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.risk_sets import RiskSets, build_risk_sets, total_by_group

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Ties = Literal["efron", "breslow"]

# Rows handled at once where a pass would otherwise leave the processor's cache.
BLOCK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class TiedEvents:
    """One entry per event that shares its time, in order of event time, for Efron's approximation.

    Attributes
    ----------
    shared : array of shape (H,)
        Event times of more than one event.
    group : array of shape (T,)
        Event time of each of their events.
    first : array of shape (H,)
        Entry at which each of these times begins.
    fraction : array of shape (T,)
        f = l/d.
    weight : array of shape (T,)
        Mean weight of the tied events.
    """

    shared: IntArray
    group: IntArray
    first: IntArray
    fraction: FloatArray
    weight: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class CoxProblem:
    """Sorted, centered and scaled data of one partial likelihood.

    Attributes
    ----------
    sets : RiskSets
        Who is at risk when.
    Z : array of shape (n, p)
        Covariates of ``sets.rows``, each column with mean 0 and root mean square 1.
    weight, offset : array of shape (n,)
        Case weights and offsets of the same rows.
    center, scale : array of shape (p,)
        What was subtracted from, and divided out of, the columns.
    dead_weight : array of shape (G,)
        Weight of the events at each event time.
    observed : array of shape (p,)
        Sum of w z over the events.
    tied : TiedEvents or None
        None for Breslow's approximation, or when no event time is shared.
    names : tuple of str
        Names of the columns, for messages.
    """

    sets: RiskSets
    Z: FloatArray
    weight: FloatArray
    offset: FloatArray
    center: FloatArray
    scale: FloatArray
    dead_weight: FloatArray
    observed: FloatArray
    tied: TiedEvents | None
    names: tuple[str, ...]


def build_problem(
    X: FloatArray,
    start: FloatArray | None,
    stop: FloatArray,
    event: NDArray[np.bool_],
    *,
    stratum: IntArray | None = None,
    weight: FloatArray | None = None,
    offset: FloatArray | None = None,
    ties: Ties = "efron",
    names: tuple[str, ...] = (),
) -> CoxProblem:
    """Check, order, center and scale the data of a partial likelihood.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates, without a constant.
    start, stop : array of shape (n,)
        Each row is at risk in (start, stop]; ``start`` None for everyone from the beginning.
    event : array of shape (n,)
        Whether the row ends in the event.
    stratum : array of shape (n,) or None
        Codes from 0; every stratum has its own baseline hazard.
    weight, offset : array of shape (n,) or None
        Case weights (not negative) and a part of the linear predictor with coefficient one. Rows of weight
        zero take no part, not even in the count of tied events.
    ties : {'efron', 'breslow'}, default='efron'
        Approximation for tied event times.
    names : tuple of str, default=()
        Names of the columns, for messages.

    Returns
    -------
    CoxProblem
        Input of `maximize`.

    Raises
    ------
    EstimationError
        For infinite or missing numbers, intervals that end before they start, negative weights, no weight, no
        event, or an unknown way to treat ties.
    """
    names = names or tuple(f"x{j}" for j in range(X.shape[1]))
    check_arrays(X, start, stop, weight, offset, ties, names)
    sets = build_risk_sets(start, stop, event, stratum, None if weight is None else weight > 0)
    return assemble(sets, X, weight, offset, ties, names)


def assemble(
    sets: RiskSets,
    X: FloatArray,
    weight: FloatArray | None,
    offset: FloatArray | None,
    ties: Ties,
    names: tuple[str, ...],
) -> CoxProblem:
    """Put the rows of risk sets in order, centered and scaled."""
    rows = sets.rows
    w = np.ones(len(rows)) if weight is None else weight[rows]
    Z, center, scale = standardize(X, rows, names)
    dead_weight = total_by_group(sets.death_group, w[sets.death], sets.n_times)
    return CoxProblem(
        sets=sets,
        Z=Z,
        weight=w,
        offset=np.zeros(len(rows)) if offset is None else offset[rows] - offset[rows].mean(),
        center=center,
        scale=scale,
        dead_weight=dead_weight,
        observed=w[sets.death] @ Z[sets.death],
        tied=tied_events(sets.n_death, dead_weight) if ties == "efron" else None,
        names=names,
    )


def standardize(
    X: FloatArray, rows: IntArray, names: tuple[str, ...]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Copy rows to columns of mean 0 and root mean square 1, block by block; refuse a constant column."""
    n, p = len(rows), X.shape[1]
    Z, center, squares = np.empty((n, p)), np.zeros(p), np.zeros(p)
    blocks = [slice(begin, begin + BLOCK) for begin in range(0, n, BLOCK)]
    ones = np.ones(min(n, BLOCK))
    everyone = n == len(X) and np.array_equal(rows, np.arange(n))
    if not everyone and not X.flags.c_contiguous:
        X = np.ascontiguousarray(X)
    for block in blocks:
        Z[block] = X[block] if everyone else np.take(X, rows[block], axis=0)
        center += ones[: len(Z[block])] @ Z[block]
    center /= n
    for block in blocks:
        Z[block] -= center
        squares += np.einsum("ij,ij->j", Z[block], Z[block])
    scale = np.sqrt(squares / n)
    flat = scale <= 1e-14 * (np.abs(center) + 1e-300)
    if flat.any():
        raise no_information(names[int(np.argmax(flat))])
    Z *= 1 / scale
    return Z, center, scale


def check_arrays(
    X: FloatArray,
    start: FloatArray | None,
    stop: FloatArray,
    weight: FloatArray | None,
    offset: FloatArray | None,
    ties: Ties,
    names: tuple[str, ...],
) -> None:
    """Raise, naming the column, when arrays are not finite, intervals not positive, or weights negative."""
    if ties not in ("efron", "breslow"):
        raise EstimationError(
            "ties are treated in an unknown way",
            evidence=f"ties={ties!r}",
            remedy='write "efron" or "breslow"',
        )
    finite = np.isfinite(np.ones(len(X)) @ X)
    if not finite.all():
        worst = int(np.argmin(finite))
        raise EstimationError(
            f"column {names[worst]} has missing or infinite values",
            evidence=f"{int((~np.isfinite(X[:, worst])).sum())} of {len(X)} rows",
            remedy="leave these rows out, or correct them",
        )
    for name, values in (("start", start), ("stop", stop), ("weights", weight), ("offset", offset)):
        if values is not None and not np.isfinite(values).all():
            n_bad = int((~np.isfinite(values)).sum())
            raise EstimationError(
                f"{name} has missing or infinite values",
                evidence=f"{n_bad} of {len(stop)} rows",
                remedy="leave these rows out, or correct them",
            )
    if start is not None and (start >= stop).any():
        raise EstimationError(
            "some rows end before they start",
            evidence=f"start >= stop in {int((start >= stop).sum())} of {len(stop)} rows",
            remedy="a row is at risk in (start, stop]; correct the times or leave these rows out",
        )
    if weight is not None:
        _check_weights(weight)


def _check_weights(weight: FloatArray) -> None:
    if (weight < 0).any():
        raise EstimationError(
            "some weights are negative",
            evidence=f"{int((weight < 0).sum())} of {len(weight)} rows",
            remedy="weights are zero or positive",
        )
    if not (weight > 0).any():
        raise EstimationError(
            "all weights are zero", evidence=f"{len(weight)} rows", remedy="check the weights column"
        )


def no_information(name: str) -> EstimationError:
    """Return the error for a column that does not vary within any risk set."""
    return EstimationError(
        f"column {name} carries no information",
        evidence="it does not vary among the patients at risk at any event",
        remedy=f"leave {name} out of the formula, or stratify differently",
    )


def tied_events(n_death: IntArray, dead_weight: FloatArray) -> TiedEvents | None:
    """Give every event its place among those of its time; None when no time is shared.

    Parameters
    ----------
    n_death, dead_weight : array of shape (G,)
        Number and weight of the events at each event time.

    Returns
    -------
    TiedEvents or None
        Entries of the events at times of more than one.
    """
    shared = np.flatnonzero(n_death > 1)
    if not len(shared):
        return None
    d = n_death[shared]
    first = np.cumsum(d) - d
    place = np.repeat(np.arange(len(d)), d)
    fraction = (np.arange(len(place)) - first[place]) / d[place]
    return TiedEvents(shared, shared[place], first, fraction, (dead_weight[shared] / d)[place])
