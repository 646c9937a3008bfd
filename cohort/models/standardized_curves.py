"""Survival and incidence standardized over the patients' covariates: adjusted curves, and what differs between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EndpointError, EstimationError
from cohort.estimators.cox_problem import Ties
from cohort.estimators.hazard_influence import FittedHazard, fit_hazard
from cohort.estimators.standardized_curve import StandardizedCurve, standardized_incidence
from cohort.models.cox_arrays import CoxArrays, CoxRecipe, check_timing, take_arrays
from cohort.models.cox_inputs import cause, cautions
from cohort.models.design import align_columns
from cohort.models.exposure_settings import Settings, exposure_settings
from cohort.models.formula import parse_formula
from cohort.models.new_rows import coding_of
from cohort.models.result import check_conf_level
from cohort.models.standardized_curves_result import StandardizedCurves
from cohort.study.guards import acknowledged_guards

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
MOST_FAILED = 0.05


def standardized_curves(
    endpoint: Endpoint,
    formula: str,
    exposure: str,
    data: pd.DataFrame | None = None,
    *,
    event: str | None = None,
    model: Literal["cox", "fine_gray"] = "cox",
    limits: Literal["delta", "bootstrap"] = "delta",
    cluster: str | None = None,
    values: Sequence[object] | None = None,
    reference: object | None = None,
    ties: Ties = "efron",
    replicates: int = 1000,
    seed: int | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> StandardizedCurves:
    """Estimate survival or cumulative incidence standardized over the covariates of the patients.

    The curve of a level of the exposure is the mean of the curves that the model predicts for all patients used, each
    with the exposure set to that level and the other covariates as they are (the g-formula): adjusted curves, whose
    differences and ratios compare whole groups of patients. With one event the curve is survival. With competing
    events it is the cumulative incidence of one, from Cox models of the cause-specific hazards of all events, or
    from a Fine-Gray model.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up and event, one row per patient, everyone followed from the origin.
    formula : str
        Exposure and covariates, as ``"flair_deep + age_years"``; interactions and splines allowed.
    exposure : str
        Column of the formula whose levels are compared; known at the origin.
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    event : str, optional
        Which event, when the endpoint has several.
    model : {'cox', 'fine_gray'}, default='cox'
        ``cox``: with competing events the cause-specific hazards of all of them, with the same covariates.
    limits : {'delta', 'bootstrap'}, default='delta'
        ``bootstrap``: percentiles of refits to samples of patients (of clusters) drawn with replacement.
    cluster : str, optional
        Column of the clusters (center), within which patients are alike.
    values : sequence, optional
        Values of the exposure to compare; needed for a number with more than two values.
    reference : object, optional
        Level that others are compared with; the first by default.
    ties : {'efron', 'breslow'}, default='efron'
        Approximation for ties of ``cox``; ``fine_gray`` has Breslow's.
    replicates : int, default=1000
        Bootstrap samples.
    seed : int, optional
        Seed of the bootstrap, which needs one.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    StandardizedCurves
        Curves with ``tidy()``, ``at(times)``, ``difference(times)``, ``ratio(times)``, ``plot()`` and ``text()``.

    Raises
    ------
    ImmortalTimeError
        When a covariate becomes known only after the clock of the endpoint has started.
    IncorporationError
        When a covariate is part of the grade that defines the event.
    EndpointError
        When the endpoint has several events and none is chosen; patients enter late or have several rows, so that
        those observed do not have the covariates of those at the origin; ``fine_gray`` without competing events.
    EstimationError
        When a model cannot be estimated, the exposure is not in the formula, or a bootstrap has no seed.

    See Also
    --------
    cohort.models.kaplan_meier.kaplan_meier : Curves of the patients as they are.
    cohort.models.standardized_risks.standardized_risks : The same for a yes/no outcome.

    Notes
    -----
    The variance is the sum of squared influences of patients (of clusters), which count that coefficients, baseline
    hazards and covariates vary from sample to sample, and with Fine-Gray the censoring distribution [1]_ [2]_. The
    probability of being event-free before an event is the exponential of minus the sum of all hazards. Limits of a
    survival curve are symmetric on the scale log(-log S), of an incidence log(-log F); those of a difference on its
    own, those of a ratio on the log scale. Increments of several hazards at one time act as constant hazards over the
    step, so that incidences and survival sum to 1. Agrees to 1e-7 with R ``riskRegression::ate`` (survival, and
    standard errors of incidence under its own rule for increments), ``survfit`` of a multi-state ``coxph`` and
    ``cmprsk::crr`` (``tests/reference/standardized_curves``).

    References
    ----------
    .. [1] Ozenne BMH, Scheike TH, Stærk L, Gerds TA (2020). On the estimation of average treatment effects with
       right-censored time to event outcome and competing risks. Biom J 62:751-763. doi:10.1002/bimj.201800298
    .. [2] Fine JP, Gray RJ (1999). J Am Stat Assoc 94:496-509. doi:10.1080/01621459.1999.10474144

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [1, 2, 4, 5, 6, 8, 9, 9], "dead": [1, 1, 0, 1, 1, 1, 0, 1]})
    >>> frame["flair"], frame["old"] = ["yes", "yes", "no", "no"] * 2, [0, 1, 1, 0, 1, 0, 0, 1]
    >>> survival = co.Endpoint.from_columns(frame, time="days", event="dead", name="overall_survival")
    >>> standardized_curves(survival, "flair + old", "flair").at([5])[["strata", "time", "estimate"]].round(4)
      strata  time  estimate
    0     no   5.0    0.8532
    1    yes   5.0    0.4216
    """
    level = check_conf_level(conf_level)
    _check_options(model, limits, replicates, seed)
    _check_endpoint(endpoint, event, model)
    recipe = CoxRecipe(formula, event, cluster=cluster, ties=ties if model == "cox" else "breslow")
    notes = list(
        dict.fromkeys(
            note
            for state in endpoint.states
            for note in check_timing(_of(recipe, state, endpoint), endpoint, data, acknowledge)
        )
    )
    arrays = take_arrays(recipe, endpoint, data)
    design = arrays.design
    coding = coding_of(parse_formula(formula), design)
    columns = align_columns(list(coding.levels), data, endpoint)[0].iloc[design.rows]
    settings = exposure_settings(coding, columns, exposure, values, reference)
    happened = _codes(arrays, endpoint, event, model)
    causes = _fit(design.X, arrays.stop, happened, model, recipe.ties, design.names, True)
    curve = standardized_incidence(causes, settings.designs, arrays.cluster)
    draws = None
    if limits == "bootstrap":
        refit = partial(_fit, model=model, ties=recipe.ties, names=design.names, with_influence=False)
        draws = _draw(arrays, settings, happened, refit, curve, replicates, np.random.default_rng(seed))
    n_event = int((happened == 1).sum())
    n_cluster = 0 if arrays.cluster is None else int(arrays.cluster.max()) + 1
    return StandardizedCurves(
        outcome=event or endpoint.name,
        formula=formula,
        exposure=exposure,
        levels=settings.levels,
        measure="cumulative incidence" if arrays.competes else "survival",
        model=_model_words(model, arrays.competes),
        time=curve.time,
        estimate=curve.estimate if arrays.competes else 1 - curve.estimate,
        covariance=curve.covariance,
        draws=draws if draws is None or arrays.competes else 1 - draws,
        n_risk=_at_risk(arrays.stop, settings, curve.time),
        n_level=tuple(int((settings.observed == k).sum()) for k in range(len(settings.levels))),
        last_time=float(arrays.stop.max()),
        limits=limits,
        cluster=cluster or "",
        conf_level=level,
        n=len(arrays.stop),
        n_event=n_event,
        n_cluster=n_cluster,
        unit=endpoint.unit,
        left_out=(*(("", reason, n) for reason, n in endpoint.excluded), *design.left_out),
        notes=(
            *notes,
            *endpoint.notes,
            *cautions(n_event, len(design.names), False, False, n_cluster or None),
            *_failed_note(draws),
        ),
        acknowledged=tuple(dict.fromkeys([*endpoint.acknowledged, *acknowledged_guards(acknowledge)])),
    )


def _check_options(model: str, limits: str, replicates: int, seed: int | None) -> None:
    if model not in ("cox", "fine_gray"):
        raise EstimationError(f"model {model!r} is not known", remedy='model="cox" or "fine_gray"')
    if limits not in ("delta", "bootstrap"):
        raise EstimationError(f"limits {limits!r} are not known", remedy='limits="delta" or "bootstrap"')
    if limits == "bootstrap" and seed is None:
        raise EstimationError("the bootstrap needs a seed, so that it can be repeated", remedy="seed=1")
    if limits == "bootstrap" and replicates < 100:
        raise EstimationError(
            "too few bootstrap samples for limits",
            evidence=f"replicates={replicates!r}, at least 100",
            remedy="replicates=1000",
        )


def _check_endpoint(endpoint: Endpoint, event: str | None, model: str) -> None:
    competes = cause(endpoint, event)[1]
    if model == "fine_gray" and not competes:
        raise EndpointError(
            f"{endpoint.name} has no competing event",
            evidence=f"events: {', '.join(endpoint.states)}",
            remedy='model="cox"',
        )
    late = int((endpoint.start != 0).sum())
    if endpoint.counting or late:
        raise EndpointError(
            "standardized curves need one row per patient, followed from the origin: those who enter late are "
            "survivors, and their covariates are not those of all patients",
            evidence=f"{late} of {len(endpoint.stop)} rows begin after the origin",
            remedy="a landmark at which everyone is followed: co.endpoint(..., landmark_day=30)",
        )


def _of(recipe: CoxRecipe, state: str, endpoint: Endpoint) -> CoxRecipe:
    return CoxRecipe(recipe.formula, state if len(endpoint.states) > 1 else None)


def _codes(arrays: CoxArrays, endpoint: Endpoint, event: str | None, model: str) -> NDArray[np.intp]:
    """Return codes of the events: 1 the event of interest, then the others; Fine-Gray takes these together."""
    happened = endpoint.event[arrays.design.rows].astype(np.intp)
    own = cause(endpoint, event)[0]
    if model == "fine_gray":
        return np.where(happened == own, 1, np.where(happened > 0, 2, 0))
    order = [own, *(code for code in range(1, len(endpoint.states) + 1) if code != own)]
    out = np.zeros(len(happened), dtype=np.intp)
    for position, code in enumerate(order, start=1):
        out[happened == code] = position
    return out


def _fit(
    X: FloatArray,
    stop: FloatArray,
    happened: NDArray[np.intp],
    model: str,
    ties: Ties,
    names: tuple[str, ...],
    with_influence: bool,
) -> list[FittedHazard]:
    """Fit the hazards of all events that occur, that of interest first; or the subdistribution hazard."""
    if model == "fine_gray":
        competing = happened == 2
        return [
            fit_hazard(
                X,
                stop,
                happened == 1,
                competing=competing,
                ties="breslow",
                names=names,
                with_influence=with_influence,
            )
        ]
    codes = [1, *np.unique(happened[happened > 1]).tolist()]
    return [
        fit_hazard(X, stop, happened == code, ties=ties, names=names, with_influence=with_influence)
        for code in codes
    ]


def _draw(
    arrays: CoxArrays,
    settings: Settings,
    happened: NDArray[np.intp],
    refit: Callable[[FloatArray, FloatArray, NDArray[np.intp]], list[FittedHazard]],
    curve: StandardizedCurve,
    replicates: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Refit and standardize in samples; refuse when too many samples have no estimate."""
    n = len(arrays.stop)
    code = np.arange(n) if arrays.cluster is None else arrays.cluster
    n_group = int(code.max()) + 1
    out = np.full((replicates, *curve.estimate.shape), np.nan)
    for k in range(replicates):
        count = np.bincount(rng.integers(0, n_group, n_group), minlength=n_group)[code]
        rows = np.repeat(np.arange(n), count)
        try:
            causes = refit(arrays.design.X[rows], arrays.stop[rows], happened[rows])
        except (EstimationError, np.linalg.LinAlgError):
            continue
        found = standardized_incidence(causes, [Z[rows] for Z in settings.designs], with_variance=False)
        steps = np.vstack([np.zeros((1, curve.estimate.shape[1])), found.estimate])
        out[k] = steps[np.searchsorted(found.time, curve.time, "right")]
    failed = _n_failed(out)
    if failed > MOST_FAILED * replicates:
        raise EstimationError(
            "too many bootstrap samples have no estimate (a level without events or patients)",
            evidence=f"{failed} of {replicates} samples",
            remedy='limits="delta", or merge sparse categories',
        )
    return out


def _n_failed(draws: FloatArray) -> int:
    return int(np.isnan(draws).any(axis=(1, 2)).sum())


def _failed_note(draws: FloatArray | None) -> tuple[str, ...]:
    failed = 0 if draws is None else _n_failed(draws)
    return () if draws is None or not failed else (f"{failed} of {len(draws)} samples have no estimate",)


def _at_risk(stop: FloatArray, settings: Settings, time: FloatArray) -> NDArray[np.intp]:
    """Count the patients observed at each level who are at risk at each time; shape (T, k)."""
    ends = [np.sort(stop[settings.observed == k]) for k in range(len(settings.levels))]
    return np.column_stack([len(one) - np.searchsorted(one, time, "left") for one in ends])


def _model_words(model: str, competes: bool) -> str:
    if model == "fine_gray":
        return "Fine-Gray model"
    return "Cox models of all cause-specific hazards" if competes else "Cox model"
