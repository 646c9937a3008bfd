"""Hazard ratios within centers, by Cox regression with a random effect of centers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import Ties
from cohort.estimators.shared_frailty import Distribution, FrailtyFit, fit_shared_frailty
from cohort.models.cox_arrays import CoxRecipe, check_timing, take_arrays
from cohort.models.cox_inputs import as_names, cautions, stratum_values
from cohort.models.result import check_conf_level
from cohort.models.shared_frailty_result import SharedFrailty
from cohort.study.guards import acknowledged_guards

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

__all__ = ["SharedFrailty", "shared_frailty"]

# Fewer groups than this tell little about a variance.
_FEW_CENTERS = 10


def shared_frailty(
    endpoint: Endpoint,
    formula: str,
    frailty: str,
    data: pd.DataFrame | None = None,
    *,
    distribution: Distribution = "gamma",
    strata: str | Sequence[str] | None = None,
    ties: Ties = "efron",
    event: str | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> SharedFrailty:
    """Estimate hazard ratios within centers, and how much centers differ beyond the covariates.

    Patients of a center share an unmeasured factor (referral, supportive care, grading habits) that multiplies their
    hazard. The ratios compare two patients of the same center, so they lie further from 1 than those of ``cox`` with
    ``cluster=``, which compare patients of the population. With a column of patients, rows of one patient are held
    together instead (recurrent events).

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up and event, right-censored or in (start, stop] rows.
    formula : str
        Covariates, as ``"age_years + product"``.
    frailty : str
        Column of the centers.
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    distribution : {'gamma', 'lognormal'}, default='gamma'
        Distribution of the factor: gamma of mean 1, or log-normal of median 1.
    strata : str or sequence of str, optional
        Columns; every combination has its own baseline hazard.
    ties : {'efron', 'breslow'}, default='efron'
        Approximation for events on the same day.
    event : str, optional
        Which event, when the endpoint has several; the others end follow-up.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    SharedFrailty
        Log hazard ratios with ``tidy()``, ``heterogeneity()``, ``frailties()``, ``plot_frailties()``.

    Raises
    ------
    ImmortalTimeError, IncorporationError
        When a covariate becomes known only later, or is part of the grade that defines the event.
    EndpointError
        When the endpoint has several events and none is chosen.
    EstimationError
        With one center, with no two rows in any center, or when a likelihood has no maximum.

    See Also
    --------
    cox : With ``cluster=`` (ratios of the population, robust errors) or ``strata=`` (a baseline for every center).

    Notes
    -----
    Penalized partial likelihood with the closed-form marginal likelihood of gamma frailty [1]_, or Laplace's
    approximation for log-normal frailty [2]_. Agrees with R ``coxph(frailty(center, sparse=FALSE))`` of survival
    3.5-3 (``tests/reference/frailty``). By default R drops the covariances of more than five centers ("sparse"), and
    its standard errors were up to 2.5 % larger in our data; here all are kept. Log-normal: ``coxph`` estimates the
    variance by another criterion (REML); here it is the maximum of Laplace's likelihood.

    References
    ----------
    .. [1] Therneau TM, Grambsch PM, Pankratz VS (2003). J Comput Graph Stat 12:156-175. doi:10.1198/1061860031365
    .. [2] Ripatti S, Palmgren J (2000). Biometrics 56:1016-1022. doi:10.1111/j.0006-341X.2000.01016.x

    Examples
    --------
    >>> import cohort as co
    >>> rng = np.random.default_rng(1)
    >>> center = np.repeat(np.arange(12), 20)
    >>> age = rng.normal(60, 10, 240).round()
    >>> hazard = rng.gamma(2, 0.5, 12)[center] * np.exp(0.03 * (age - 60)) / 50
    >>> frame = pd.DataFrame({"center_id": center, "age_years": age, "days": np.ceil(rng.exponential(1 / hazard))})
    >>> frame["dead"], frame["days"] = frame["days"] <= 90, frame["days"].clip(upper=90)
    >>> survival = co.Endpoint.from_columns(frame, time="days", event="dead", name="overall_survival")
    >>> fit = co.shared_frailty(survival, "age_years", "center_id")
    >>> fit.heterogeneity()[["measure", "estimate", "conf_low", "conf_high"]].round(2)
                   measure  estimate  conf_low  conf_high
    0             variance      0.45      0.18       1.15
    1  median hazard ratio      1.98      1.52       3.33
    """
    level = check_conf_level(conf_level)
    if distribution not in ("gamma", "lognormal"):
        raise EstimationError(
            f"distribution={distribution!r} is unknown", remedy='write "gamma" or "lognormal"'
        )
    recipe = CoxRecipe(formula, event, tuple(as_names(strata)), (), frailty, None, None, False, ties)
    if frailty in recipe.covariates:
        raise EstimationError(
            f"{frailty} cannot be a covariate or stratum and a random effect at once",
            evidence=f"formula {formula!r}, strata {list(recipe.strata)}",
            remedy=f"leave {frailty} out of the formula and of strata=",
        )
    changing = tuple(name for name in recipe.covariates if name in endpoint.exposures)
    recipe = replace(recipe, time_dependent=changing)
    notes = check_timing(recipe, endpoint, data, acknowledge)
    arrays = take_arrays(recipe, endpoint, data)
    design = arrays.design
    group, labels = pd.factorize(design.extra[frailty], sort=True)
    fit = fit_shared_frailty(
        design.X,
        arrays.start,
        arrays.stop,
        arrays.event,
        group.astype(np.intp),
        distribution=distribution,
        stratum=arrays.stratum,
        ties=ties,
        conf_level=level,
        names=design.names,
    )
    return SharedFrailty(
        outcome=event or endpoint.name,
        formula=formula,
        frailty=frailty,
        distribution=distribution,
        measure="cause-specific hazard ratio" if arrays.competes else "hazard ratio",
        terms=design.terms,
        levels=design.levels,
        references=design.references,
        fit=fit,
        centers=tuple(stratum_values(pd.Series(labels))),
        n=arrays.n,
        n_rows=len(design.rows),
        n_missing=design.n_missing,
        ties=ties,
        strata=arrays.strata,
        conf_level=level,
        unit=endpoint.unit,
        left_out=(*(("", reason, n) for reason, n in endpoint.excluded), *design.left_out),
        notes=(*notes, *endpoint.notes, *_cautions(fit, frailty, len(design.names))),
        acknowledged=tuple(dict.fromkeys([*endpoint.acknowledged, *acknowledged_guards(acknowledge)])),
    )


def _cautions(fit: FrailtyFit, frailty: str, n_coefficient: int) -> list[str]:
    """Return what a reader should be told about the centers."""
    notes = cautions(int(fit.n_event.sum()), n_coefficient, False, False)
    n_center, n_empty = len(fit.n), int((fit.n_event == 0).sum())
    if n_center < _FEW_CENTERS:
        notes.append(f"the variance rests on {n_center} of {frailty}")
    if n_empty:
        notes.append(f"{n_empty} of {frailty} without an event, drawn towards the average")
    if fit.theta == 0:
        notes.append("estimated variance zero: hazard ratios are those of co.cox")
    return notes
