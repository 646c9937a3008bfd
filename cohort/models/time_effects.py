"""Coefficients that change with time: how they are declared, and the rows and columns they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.natural_spline import natural_basis
from cohort.estimators.time_splitting import Pieces, count_pieces, cut_intervals

if TYPE_CHECKING:
    from cohort.models.cox_arrays import CoxArrays
    from cohort.models.design import Design

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
GivenTimeEffects = Mapping[str, str | Sequence[float] | Mapping[str, Sequence[float]]]

_SMOOTH = ("linear", "sqrt", "log")
_KINDS = 'one of "linear", "sqrt", "log", "spline", cuts as [30, 100], or {"knots": [2, 10, 40, 200]}'
# Quantiles of the event times at which a spline has its knots when none are given (three coefficients).
_KNOTS = (0.0, 1 / 3, 2 / 3, 1.0)
# Numbers of the expanded design, beyond which it would not fit into memory.
_LARGEST = 60_000_000


@dataclass(frozen=True, slots=True)
class TimeEffect:
    """How the coefficients of one term change with time.

    Attributes
    ----------
    term : str
        The term, as written in the formula.
    kind : {'linear', 'sqrt', 'log', 'spline', 'piecewise'}
        Function of time.
    points : tuple of float
        Cuts, or knots of the spline (empty until they are taken from the event times).
    """

    term: str
    kind: str
    points: tuple[float, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What is written behind a term for each function of time."""
        if self.kind == "piecewise":
            ends = [0.0, *self.points]
            inner = [f"time({low:g},{high:g}]" for low, high in pairwise(ends)]
            return (*inner, f"time({ends[-1]:g},inf)")
        if self.kind == "spline":
            return tuple(f"spline(time)[{knot:g}]" for knot in self.points[1:])
        return ("time",) if self.kind == "linear" else (f"{self.kind}(time)",)

    def functions(self, time: FloatArray) -> FloatArray:
        """Evaluate the functions of time; shape (n, number of labels)."""
        if self.kind == "piecewise":
            interval = np.searchsorted(np.array(self.points), time, side="left")
            return np.asarray(interval[:, None] == np.arange(len(self.points) + 1), dtype=float)
        if self.kind == "spline":
            knots = np.array(self.points)
            # One function per knot, one there and zero at the others; without the first, at whose time the
            # coefficient of the term itself is the effect.
            cardinal = natural_basis(time, knots) @ np.linalg.inv(natural_basis(knots, knots))
            return np.asarray(cardinal[:, 1:], dtype=np.float64)
        values = {"sqrt": np.sqrt, "log": np.log}[self.kind](time) if self.kind != "linear" else time
        return np.asarray(values, dtype=np.float64)[:, None]


def read_time_effects(given: GivenTimeEffects | None) -> tuple[TimeEffect, ...]:
    """Read declared changes with time.

    Parameters
    ----------
    given : mapping or None
        Term, and how its coefficients change.

    Returns
    -------
    tuple of TimeEffect
        The changes declared.

    Raises
    ------
    EstimationError
        For an unknown function, or cuts and knots that are not ascending positive numbers.

    Examples
    --------
    >>> read_time_effects({"age_years": [30, 100]})[0].labels
    ('time(0,30]', 'time(30,100]', 'time(100,inf)')
    """
    if given is None:
        return ()
    if not hasattr(given, "items") or not given:
        raise EstimationError(
            "time_effects= does not say which term changes with time",
            evidence=f"got {type(given).__name__}",
            remedy='write time_effects={"age_years": "log"}',
        )
    return tuple(_read(str(term), how) for term, how in given.items())


def _read(term: str, how: object) -> TimeEffect:
    if isinstance(how, str) and how in (*_SMOOTH, "spline"):
        return TimeEffect(term, how)
    if isinstance(how, Mapping) and set(how) == {"knots"}:
        return TimeEffect(term, "spline", _points(term, how["knots"], "knots", 3))
    if isinstance(how, Sequence) and not isinstance(how, str):
        return TimeEffect(term, "piecewise", _points(term, how, "cuts", 1))
    raise EstimationError(
        f"it is not known how the effect of {term} changes with time",
        evidence=f"got {how!r}" if isinstance(how, str) else f"got {type(how).__name__}",
        remedy=f"write {_KINDS}",
    )


def _points(term: str, values: object, what: str, least: int) -> tuple[float, ...]:
    """Return cuts or knots as ascending positive numbers."""
    given = list(values) if isinstance(values, Sequence) and not isinstance(values, str) else []
    points = [float(v) for v in given if isinstance(v, int | float) and not isinstance(v, bool)]
    good = len(points) == len(given) >= least and bool(np.isfinite(points).all())
    if not good or (np.diff([0.0, *points]) <= 0).any():
        raise EstimationError(
            f"the {what} of {term} are not ascending positive times",
            evidence=f"{len(given)} given, at least {least} needed",
            remedy="write times since the origin in ascending order, such as [30, 100]",
        )
    return tuple(points)


def with_time_effects(arrays: CoxArrays, effects: tuple[TimeEffect, ...]) -> CoxArrays:
    """Split rows where coefficients change, and multiply the columns of terms with functions of time.

    Parameters
    ----------
    arrays : CoxArrays
        Rows and columns as they are.
    effects : tuple of TimeEffect
        Which terms change, and how.

    Returns
    -------
    CoxArrays
        Split rows, with the functions evaluated at the end of each piece, where its event is. A term with
        cuts has a coefficient in each interval in place of its own; the others gain coefficients.

    Raises
    ------
    EstimationError
        For a term that is not in the formula, an interval without events, a logarithm of zero, or too many
        rows.
    """
    if not effects:
        return arrays
    _check_terms(arrays, effects)
    times = np.unique(arrays.stop[arrays.event])
    effects = tuple(_with_knots(effect, arrays.stop[arrays.event]) for effect in effects)
    start = np.zeros(len(arrays.stop)) if arrays.start is None else arrays.start
    for effect in effects:
        _check_times(effect, arrays, times)
    pieces = _pieces(effects, start, arrays, times)
    origin = pieces.origin
    subject = np.arange(len(arrays.stop)) if arrays.subject is None else arrays.subject
    cluster = arrays.cluster
    if cluster is None and arrays.robust:
        cluster = subject.astype(np.intp)
    return replace(
        arrays,
        design=_columns(arrays, effects, pieces),
        start=pieces.start,
        stop=pieces.stop,
        event=arrays.event[origin] & pieces.last,
        competing=arrays.competing[origin] & pieces.last,
        subject=subject[origin].astype(np.int64),
        stratum=None if arrays.stratum is None else arrays.stratum[origin],
        cluster=None if cluster is None else cluster[origin],
        weight=None if arrays.weight is None else arrays.weight[origin],
        offset=None if arrays.offset is None else arrays.offset[origin],
        time_effects=effects,
    )


def _check_terms(arrays: CoxArrays, effects: Sequence[TimeEffect]) -> None:
    known = list(dict.fromkeys(arrays.design.terms))
    unknown = [effect.term for effect in effects if effect.term not in known]
    if unknown:
        raise EstimationError(
            f"time_effects= names {', '.join(unknown)}, which is no term of the formula",
            evidence=f"terms: {', '.join(known)}",
            remedy="write the term as in the formula, and in the formula too",
        )


def _with_knots(effect: TimeEffect, times: FloatArray) -> TimeEffect:
    if effect.kind != "spline" or effect.points:
        return effect
    knots = np.unique(np.quantile(times, _KNOTS)) if len(times) else np.empty(0)
    if len(knots) < len(_KNOTS):
        raise EstimationError(
            "there are too few different event times for a spline",
            evidence=f"{len(np.unique(times))} different event times",
            remedy=f'write time_effects={{"{effect.term}": "log"}}, or cuts',
        )
    return replace(effect, points=tuple(knots.tolist()))


def _check_times(effect: TimeEffect, arrays: CoxArrays, times: FloatArray) -> None:
    if effect.kind in ("log", "sqrt") and len(times) and times[0] < (0 if effect.kind == "sqrt" else 1e-300):
        raise EstimationError(
            f"an event at time {'zero or before' if effect.kind == 'log' else 'below zero'} has no {effect.kind}",
            evidence=f"time_effects of {effect.term}",
            remedy='write "linear", or cuts',
        )
    if effect.kind != "piecewise":
        return
    counts = effect.functions(arrays.stop[arrays.event]).sum(axis=0).astype(int)
    if (counts == 0).any():
        raise EstimationError(
            f"the effect of {effect.term} cannot be estimated in an interval without events",
            evidence=", ".join(
                f"{label.removeprefix('time')} {n}" for label, n in zip(effect.labels, counts, strict=True)
            ),
            remedy="leave out a cut, so that every interval has events",
        )


def _pieces(effects: Sequence[TimeEffect], start: FloatArray, arrays: CoxArrays, times: FloatArray) -> Pieces:
    """Cut at the cuts alone when all effects are piecewise constant, and at every event time otherwise."""
    cuts = {point for effect in effects if effect.kind == "piecewise" for point in effect.points}
    if any(effect.kind != "piecewise" for effect in effects):
        cuts |= set(times.tolist())
    at = np.array(sorted(cuts))
    n = int(count_pieces(start, arrays.stop, at).sum())
    p = arrays.design.X.shape[1] + sum(len(effect.labels) for effect in effects)
    if n * p > _LARGEST:
        raise EstimationError(
            "the rows split at every event time would not fit into memory",
            evidence=f"{len(arrays.stop)} rows, {len(times)} different event times: {n} rows of {p} columns",
            remedy="write cuts, as [30, 100], which split each row a few times only; or round times to days",
        )
    return cut_intervals(start, arrays.stop, at)


def _columns(arrays: CoxArrays, effects: Sequence[TimeEffect], pieces: Pieces) -> Design:
    design, by_term = arrays.design, {effect.term: effect for effect in effects}
    X, names, terms, levels = [], [], [], []
    for j, term in enumerate(design.terms):
        column = design.X[pieces.origin, j]
        effect = by_term.get(term)
        if effect is None or effect.kind != "piecewise":
            X.append(column)
            names.append(design.names[j])
            terms.append(term)
            levels.append(design.levels[j])
        if effect is None:
            continue
        for label, values in zip(effect.labels, effect.functions(pieces.stop).T, strict=True):
            X.append(column * values)
            names.append(f"{design.names[j]}:{label}")
            terms.append(f"{term}:{label}")
            levels.append(design.levels[j])
    references = dict(design.references)
    for effect in effects:
        if effect.term in references:
            references |= {f"{effect.term}:{label}": references[effect.term] for label in effect.labels}
    return replace(
        design,
        X=np.column_stack(X),
        names=tuple(names),
        terms=tuple(terms),
        levels=tuple(levels),
        references=references,
        rows=design.rows[pieces.origin],
        index=design.index[pieces.origin],
    )
