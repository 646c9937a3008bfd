"""What of a result may leave its registry: coefficients, their covariance, counts; never rows, never small cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import StudyError
from cohort.models.cox import CoxRegression
from cohort.models.design import build_design
from cohort.models.fine_gray import FineGray
from cohort.models.odds_ratio_result import OddsRatio
from cohort.models.two_by_two import TwoByTwo
from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
Pooled = OddsRatio | CoxRegression | FineGray | TwoByTwo
Origin = pd.DataFrame | Endpoint
SMALL = "a count below the disclosure threshold"
_NOT_POOLED = {
    "exact": "exact estimates have no common covariance, and near an extreme no standard error",
    "conditional": "the sets that decide it are small, and their counts cannot be checked for disclosure",
}
UNKNOWN = "counts by level are not known, and the variance allows a small one"


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """One result of one registry, as it is exported.

    Attributes
    ----------
    kind : str
        ``odds_ratio``, ``hazard_ratio``, ``subdistribution_hazard_ratio`` or ``two_by_two``.
    estimand : mapping of str to str
        What must be equal between registries: formula, outcome, method, unit.
    references : mapping of str to str
        Reference category of each term.
    terms : tuple of (str, str)
        Term and level of each coefficient exported.
    estimate : array of shape (p,)
        Log ratios.
    covariance : array of shape (p, p)
        Their covariance, without the intercept; NaN beside the diagonal when it is not known.
    table : array of shape (2, 2) or None
        Cells of a two-by-two table: exposed with and without the outcome, unexposed with and without.
    n, n_event : int
        Patients and events; -1 when withheld.
    withheld : tuple of (str, str, str)
        Term, level and reason of what is not exported; an empty term for the whole result.
    """

    kind: str
    estimand: Mapping[str, str]
    references: Mapping[str, str]
    terms: tuple[tuple[str, str], ...]
    estimate: FloatArray
    covariance: FloatArray
    table: FloatArray | None
    n: int
    n_event: int
    withheld: tuple[tuple[str, str, str], ...]

    def as_json(self) -> dict[str, Any]:
        """Return what a file holds; unknown numbers as null."""
        return {
            "kind": self.kind,
            "estimand": dict(self.estimand),
            "references": dict(self.references),
            "terms": [list(term) for term in self.terms],
            "estimate": _numbers(self.estimate),
            "covariance": [_numbers(row) for row in self.covariance],
            "table": None if self.table is None else [_numbers(row) for row in self.table],
            "n": None if self.n < 0 else self.n,
            "n_event": None if self.n_event < 0 else self.n_event,
            "withheld": [list(one) for one in self.withheld],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Aggregate:
        """Read what a file holds.

        Parameters
        ----------
        content : mapping
            As :meth:`as_json` gives it.

        Returns
        -------
        Aggregate
            The same.
        """
        p = len(content["terms"])
        return cls(
            kind=content["kind"],
            estimand=content["estimand"],
            references=content["references"],
            terms=tuple((term, level) for term, level in content["terms"]),
            estimate=np.array(content["estimate"], dtype=float).reshape(p),
            covariance=np.array(content["covariance"], dtype=float).reshape(p, p),
            table=None if content["table"] is None else np.array(content["table"], dtype=float),
            n=-1 if content["n"] is None else int(content["n"]),
            n_event=-1 if content["n_event"] is None else int(content["n_event"]),
            withheld=tuple((term, level, reason) for term, level, reason in content["withheld"]),
        )


def _numbers(values: FloatArray) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]


def aggregate_of(name: str, result: object, origin: Origin | None, min_cell: int) -> Aggregate:
    """Reduce a result to what may leave.

    Parameters
    ----------
    name : str
        Name of the result, for messages.
    result : object
        Result of ``odds_ratio``, ``cox``, ``fine_gray`` or ``two_by_two``.
    origin : DataFrame or Endpoint or None
        What it was estimated from, to count patients and events by level.
    min_cell : int
        Smallest count that may leave, or be computed from what leaves.

    Returns
    -------
    Aggregate
        With everything withheld that rests on a count from 1 to ``min_cell - 1``.

    Raises
    ------
    StudyError
        When the result is of another kind, or ``origin`` is not what it was estimated from.
    """
    if isinstance(result, TwoByTwo):
        return _table(result, min_cell)
    if not isinstance(result, OddsRatio | CoxRegression | FineGray):
        raise StudyError(
            f"result {name!r} cannot be pooled in two stages",
            evidence=f"it is a {type(result).__name__}; known: odds_ratio, cox, fine_gray, two_by_two",
            remedy="leave it out of the export",
        )
    if isinstance(result, OddsRatio) and result.method in _NOT_POOLED:
        raise StudyError(
            f"result {name!r} cannot be pooled in two stages: {_NOT_POOLED[result.method]}",
            evidence=f"method={result.method!r}",
            remedy='estimate it with method="firth", or leave it out of the export',
        )
    return _coefficients(name, result, origin, min_cell)


def _table(result: TwoByTwo, min_cell: int) -> Aggregate:
    t = result.counts
    cells = np.array([[t.a, t.b], [t.c, t.d]], dtype=float)
    small = bool(((cells > 0) & (cells < min_cell)).any())
    estimand = {"exposure": result.exposure, "outcome": result.outcome}
    return Aggregate(
        "two_by_two",
        estimand,
        {},
        (),
        np.empty(0),
        np.empty((0, 0)),
        None if small else cells,
        -1 if small else t.n,
        -1 if small else t.a + t.c,
        (("", "", SMALL),) if small else (),
    )


def _coefficients(
    name: str, result: OddsRatio | CoxRegression | FineGray, origin: Origin | None, min_cell: int
) -> Aggregate:
    kind, estimand, b, V = _described(result)
    n, n_event = result.n, int(result.glance()["n_event"].iloc[0])
    named = list(zip(result.terms, result.levels, strict=True))
    keep = [j for j, (term, _) in enumerate(named) if term != "Intercept"]
    if any(0 < count < min_cell for count in (n, n_event, n - n_event)):
        whole = (("", "", SMALL),)
        return Aggregate(
            kind, estimand, result.references, (), np.empty(0), np.empty((0, 0)), None, -1, -1, whole
        )
    if origin is None:
        # With one yes/no covariate the maximum likelihood variance is the sum of the reciprocals of the cells: at
        # most 1 / min_cell leaves room for no smaller cell. Other covariates add to it (Robinson and Jewell 1991);
        # no such bound holds for penalized or robust variances, or for hazards.
        plain = isinstance(result, OddsRatio) and result.method == "ml" and not result.n_cluster
        bad = {j: UNKNOWN for j in keep if not (plain and V[j, j] * min_cell <= 1)}
    else:
        bad = {j: SMALL for j in _small_levels(name, result, origin, min_cell)}
    kept = [j for j in keep if j not in bad and np.isfinite(b[j]) and np.isfinite(V[j, j])]
    withheld = [(*named[j], bad.get(j, "the estimate is not finite")) for j in keep if j not in kept]
    return Aggregate(
        kind,
        estimand,
        result.references,
        tuple(named[j] for j in kept),
        b[kept],
        V[np.ix_(kept, kept)],
        None,
        n,
        n_event,
        tuple(withheld),
    )


def _described(
    result: OddsRatio | CoxRegression | FineGray,
) -> tuple[str, dict[str, str], FloatArray, FloatArray]:
    """Return kind, what must be equal between registries, coefficients and covariance."""
    if isinstance(result, OddsRatio):
        method = f"{result.method}{', cluster-robust' if result.variance else ''}"
        method += f", {result.correlation} correlation" if result.correlation else ""
        estimand = {"formula": result.formula, "outcome": result.outcome, "method": method}
        return "odds_ratio", estimand, result.estimate, result.covariance
    estimand = {"formula": result.formula, "outcome": result.outcome, "unit": result.unit}
    if isinstance(result, FineGray):
        variance = result.robust or "Fine-Gray"
        estimand |= {"method": f"{result.ties} ties, {variance} variance", "strata": ", ".join(result.strata)}
        return "subdistribution_hazard_ratio", estimand, result.fit.coefficients, result.fit.covariance
    method = (
        f"{result.ties} ties, penalty {result.penalty or 'none'}, {result.robust or 'model-based'} variance"
    )
    estimand |= {"method": method, "strata": ", ".join(result.strata), "measure": result.measure}
    return "hazard_ratio", estimand, result.fit.coefficients, result.fit.covariance


def _small_levels(
    name: str, result: OddsRatio | CoxRegression | FineGray, origin: Origin, min_cell: int
) -> list[int]:
    """Find coefficients whose level, or whose reference, has a small number of patients with or without the event."""
    X, event, subject = _rows(name, result, origin)
    coded = [bool(np.isin(column, (0.0, 1.0)).all()) for column in X.T]
    small: list[int] = []
    for term in dict.fromkeys(result.terms):
        columns = [j for j, other in enumerate(result.terms) if other == term and coded[j]]
        if term == "Intercept" or not columns:
            continue
        levels: NDArray[np.bool_] = np.equal(X[:, columns], 1.0)
        if _is_small(np.equal(X[:, columns].sum(axis=1), 0.0), event, subject, min_cell):
            small += columns
        else:
            tests = [_is_small(levels[:, k], event, subject, min_cell) for k in range(len(columns))]
            small += [j for j, found in zip(columns, tests, strict=True) if found]
    return small


def _is_small(
    group: NDArray[np.bool_], event: NDArray[np.bool_], subject: NDArray[np.intp], min_cell: int
) -> bool:
    with_event = int((group & event).sum())
    counts = (with_event, len(np.unique(subject[group])) - with_event)
    return any(0 < count < min_cell for count in counts)


def _rows(
    name: str, result: OddsRatio | CoxRegression | FineGray, origin: Origin
) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.intp]]:
    """Return the design of the result again, who had the event, and whose rows they are."""
    if isinstance(result, OddsRatio) != isinstance(origin, pd.DataFrame):
        raise StudyError(
            f"data for result {name!r} is not what it was estimated from",
            evidence=f"{type(result).__name__} from {type(origin).__name__}",
            remedy="give the frame for odds_ratio, and the endpoint for cox and fine_gray",
        )
    if isinstance(origin, Endpoint):
        right = result.formula.partition("~")[2] or result.formula
        extra = () if isinstance(result, OddsRatio) else result.strata
        design = build_design(right, None, origin, intercept=False, extra=extra)
        codes = origin.event[design.rows]
        wanted = [i + 1 for i, state in enumerate(origin.states) if state == result.outcome]
        event = np.isin(codes, wanted) if wanted else codes > 0
    else:
        assert isinstance(result, OddsRatio)
        design = build_design(result.formula, origin, extra=(result.cluster,) if result.cluster else ())
        assert design.response is not None
        event = design.response == 1
    expected = int(result.glance()["n_event"].iloc[0])
    if len(design.names) != len(result.terms) or int(event.sum()) != expected:
        raise StudyError(
            f"data for result {name!r} is not what it was estimated from",
            evidence=f"{int(event.sum())} events there, {expected} in the result",
            remedy="give the same frame or endpoint that the result was estimated from",
        )
    subject = np.arange(len(event))
    if isinstance(origin, Endpoint) and origin.subject is not None:
        subject = np.asarray(origin.subject)[design.rows]
    return design.X, np.asarray(event, dtype=bool), subject
