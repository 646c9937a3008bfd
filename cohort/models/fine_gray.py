"""Subdistribution hazard ratios by the Fine-Gray model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from cohort.errors import EndpointError
from cohort.estimators.cox_problem import Ties
from cohort.estimators.subdistribution import fit_fine_gray
from cohort.models.cox_arrays import CoxRecipe, check_timing, take_arrays
from cohort.models.cox_inputs import as_names, cause, cautions
from cohort.models.fine_gray_result import MEASURE, FineGray
from cohort.models.formula import parse_formula
from cohort.models.new_rows import coding_of
from cohort.models.result import check_conf_level
from cohort.study.guards import acknowledged_guards

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

__all__ = ["MEASURE", "FineGray", "fine_gray"]


def fine_gray(
    endpoint: Endpoint,
    formula: str,
    data: pd.DataFrame | None = None,
    *,
    event: str | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    offset: str | None = None,
    censoring_strata: str | Sequence[str] | None = None,
    ties: Ties = "breslow",
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> FineGray:
    """Estimate subdistribution hazard ratios by the Fine-Gray model.

    The ratio tells how covariates relate to the cumulative incidence of one event when others compete with
    it. It is not a hazard ratio among those still event-free: patients with a competing event stay at risk,
    with the weight of still being uncensored.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up with at least two kinds of event, one row per patient; patients may enter late.
    formula : str
        Covariates, as ``"age_years + product"``.
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    event : str, optional
        The event of interest; needed when the endpoint has several.
    strata : str or sequence of str, optional
        Columns; every combination has its own baseline.
    cluster : str, optional
        Column of the groups within which patients are alike; standard errors become cluster-robust.
    weights : str, optional
        Column of case weights.
    offset : str, optional
        Column of a part of the linear predictor whose coefficient is one.
    censoring_strata : str or sequence of str, optional
        Columns; every combination has its own censoring (and entry) distribution. By default it is one for
        everyone, also with ``strata``.
    ties : {'breslow', 'efron'}, default='breslow'
        ``breslow`` is R's ``crr``, whose variance accounts for the estimated weights; ``efron`` is R's
        ``finegray`` followed by ``coxph``, which takes them as known.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    FineGray
        Log subdistribution hazard ratios with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    ImmortalTimeError
        When a covariate becomes known only after the clock of the endpoint has started.
    IncorporationError
        When a covariate is part of the grade that defines the event.
    EndpointError
        When no event is chosen, none competes, or patients have several rows.
    EstimationError
        When the model cannot be estimated; the column is named.

    See Also
    --------
    cohort.models.cox.cox : Cause-specific hazard ratios, for questions of etiology.

    Notes
    -----
    A patient with a competing event at X stays at risk with weight G(t-)H(t-)/{G(X-)H(X-)}: G the Kaplan-Meier
    estimate of remaining uncensored, H (with late entry) the product-limit estimate of having entered [2]_.
    The two values of ``ties`` bring the conventions of the two programs with them. With ``breslow`` a patient with
    an event on a day still counts as at risk of censoring on it, case weights count patients in G and H too, and
    the variance accounts for G and H being estimated ([1]_, section 5; the term of H is its mirror in reversed
    time). With ``efron`` events precede censoring on the same day, G and H count every row once, and the sandwich
    variance takes them as known. Agrees with R cmprsk 2.2-11 ``crr`` and survival 3.5-3 ``finegray`` with
    ``coxph(cluster = id)`` to 1e-10 (``tests/reference/fine_gray``).

    References
    ----------
    .. [1] Fine JP, Gray RJ (1999). J Am Stat Assoc 94:496-509. doi:10.1080/01621459.1999.10474144
    .. [2] Geskus RB (2011). Biometrics 67:39-49. doi:10.1111/j.1541-0420.2010.01420.x

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame(
    ...     {"days": [2, 3, 3, 5, 6, 8, 9, 9], "status": [1, 2, 1, 0, 1, 2, 1, 0], "x": [1, 0, 1, 1, 0, 0, 1, 0]}
    ... )
    >>> relapse = co.Endpoint.from_columns(
    ...     frame, time="days", event="status", states={1: "relapse", 2: "death"}
    ... )
    >>> fine_gray(relapse, "x", event="relapse").tidy()[["term", "estimate", "std_error"]].round(4)
      term  estimate  std_error
    0    x    1.8343     0.8964
    """
    level = check_conf_level(conf_level)
    _require_competing(endpoint, cause(endpoint, event)[1])
    recipe = CoxRecipe(
        formula,
        event,
        tuple(as_names(strata)),
        tuple(as_names(censoring_strata)),
        cluster,
        weights,
        offset,
        ties=ties,
    )
    notes = check_timing(recipe, endpoint, data, acknowledge)
    arrays = take_arrays(recipe, endpoint, data)
    design = arrays.design
    fit = fit_fine_gray(
        design.X,
        arrays.stop,
        arrays.event,
        arrays.competing,
        start=arrays.start,
        stratum=arrays.stratum,
        weight=arrays.weight,
        offset=arrays.offset,
        cluster=arrays.cluster,
        censoring_group=arrays.censoring_group,
        ties=ties,
        names=design.names,
    )
    counted = ["censoring weights count every row once, as R finegray"] if weights and ties == "efron" else []
    return FineGray(
        outcome=event or endpoint.name,
        recipe=recipe,
        terms=design.terms,
        levels=design.levels,
        references=design.references,
        coding=coding_of(parse_formula(formula), design),
        fit=fit,
        strata=arrays.strata,
        censoring_strata=arrays.censoring_strata,
        n=len(design.rows),
        n_missing=design.n_missing,
        ties=ties,
        robust=arrays.robust,
        conf_level=level,
        unit=endpoint.unit,
        left_out=(*(("", reason, n) for reason, n in endpoint.excluded), *design.left_out),
        notes=(
            *notes,
            *endpoint.notes,
            *cautions(fit.n_event, len(design.names), False, False, fit.n_cluster),
            *_curtailed(fit.n_curtailed),
            *counted,
        ),
        acknowledged=tuple(dict.fromkeys([*endpoint.acknowledged, *acknowledged_guards(acknowledge)])),
    )


def _curtailed(n: int) -> list[str]:
    if not n:
        return []
    return [f"{n} competing events leave the risk sets where the follow-up of their censoring stratum ends"]


def _require_competing(endpoint: Endpoint, competes: bool) -> None:
    if not competes:
        raise EndpointError(
            f"{endpoint.name} has no competing event",
            evidence=f"events: {', '.join(endpoint.states)}",
            remedy="use cox, or make an endpoint that names the competing events",
        )
    if endpoint.counting:
        raise EndpointError(
            "the Fine-Gray model needs one row per patient",
            evidence=f"{endpoint.n_subjects} patients in {len(endpoint.stop)} (start, stop] rows",
            remedy="use cox with event= for cause-specific hazards, or a landmark; late entry is entry= of "
            "Endpoint.from_columns",
        )
