"""Hazard ratios by Cox regression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from cohort.estimators.cox_problem import Ties
from cohort.estimators.cox_regression import Penalty, fit_cox
from cohort.models.cox_arrays import CoxRecipe, check_timing, take_arrays
from cohort.models.cox_inputs import as_names, cause, cautions, term_columns
from cohort.models.cox_result import CoxRegression, Limits
from cohort.models.formula import parse_formula
from cohort.models.given_weights import GivenWeights, weight_notes_of, whole_weights, with_weight_column
from cohort.models.new_rows import coding_of
from cohort.models.result import check_conf_level
from cohort.models.time_effects import GivenTimeEffects, read_time_effects
from cohort.study.guards import acknowledged_guards

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

__all__ = ["CoxRegression", "cox"]


def cox(
    endpoint: Endpoint,
    formula: str,
    data: pd.DataFrame | None = None,
    *,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    weights: GivenWeights | None = None,
    offset: str | None = None,
    ties: Ties = "efron",
    penalty: Penalty | None = None,
    robust: bool | None = None,
    event: str | None = None,
    limits: Limits | None = None,
    time_effects: GivenTimeEffects | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> CoxRegression:
    """Estimate hazard ratios by Cox regression.

    A patient is at risk in (start, stop]: someone who is censored on the day of an event was still at risk on
    it, someone who enters on that day was not yet. With competing events the estimate is the cause-specific
    hazard ratio of one event, and the other events end follow-up.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up and event, right-censored or in (start, stop] rows.
    formula : str
        Covariates, as ``"age_years + product"``.
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    strata : str or sequence of str, optional
        Columns; every combination has its own baseline hazard.
    cluster : str, optional
        Column of the groups within which patients are alike; standard errors become cluster-robust.
    weights : str, Series or InverseProbabilityWeights, optional
        Column of case weights, weights by row label, or the result of ``inverse_probability_weights``.
    offset : str, optional
        Column of a part of the linear predictor whose coefficient is one.
    ties : {'efron', 'breslow'}, default='efron'
        Approximation for events on the same day.
    penalty : {'firth'}, optional
        Firth's penalty, which keeps estimates finite when a covariate separates the events.
    robust : bool, optional
        Sandwich standard errors; rows of one patient count together. By default when a weight is not a whole
        number, as in R ``coxph``: such weights count nobody, and model-based standard errors would be wrong.
    event : str, optional
        Which event, when the endpoint has several.
    limits : {'wald', 'profile'}, optional
        How limits and p-values are computed; by default profile with Firth's penalty and Wald without.
    time_effects : mapping of str to str, sequence of float or mapping, optional
        Terms whose coefficients change with time, as ``{"age_years": "log"}``: ``"linear"``, ``"sqrt"`` or
        ``"log"`` adds the term times that function of time; ascending cuts such as ``[30, 100]`` give it one
        coefficient in each of (0, 30], (30, 100] and beyond; ``"spline"``, or ``{"knots": [2, 10, 40, 200]}``,
        a natural cubic spline of time (by default with knots at the first, last and tertiles of event times).
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    CoxRegression
        Log hazard ratios with ``tidy()``, ``glance()``, ``plot()``, ``check_proportional_hazards()``.

    Raises
    ------
    ImmortalTimeError
        When a covariate becomes known only after the clock of the endpoint has started.
    IncorporationError
        When a covariate is part of the grade that defines the event.
    EndpointError
        When the endpoint has several events and none is chosen.
    EstimationError
        When the model cannot be estimated; the column is named.

    See Also
    --------
    counting_process : Makes a finding after infusion a time-dependent covariate.

    Notes
    -----
    Newton's method on the partial likelihood with Efron's or Breslow's approximation; robust variance from
    grouped score residuals [1]_; Firth's penalty with profile limits as in [2]_; test of proportional hazards
    as survival 3 computes it [3]_. Agrees with R survival 3.5-3 to 1e-10 (``tests/reference/cox``). Effects that
    change with time are exact, on rows split at every event time (or cut), as R ``coxph(tt = )`` and
    ``survSplit`` [4]_; the effect at a time is ``fit.time_effect(times)``.

    References
    ----------
    .. [1] Lin DY, Wei LJ (1989). J Am Stat Assoc 84:1074-1078. doi:10.1080/01621459.1989.10478874
    .. [2] Heinze G, Schemper M (2001). Biometrics 57:114-119. doi:10.1111/j.0006-341X.2001.00114.x
    .. [3] Grambsch PM, Therneau TM (1994). Biometrika 81:515-526. doi:10.1093/biomet/81.3.515
    .. [4] Therneau T, Crowson C, Atkinson E (2024). Using time dependent covariates and time dependent
       coefficients in the Cox model. Vignette of the R package survival.

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [1, 1, 6, 6, 8, 9], "dead": [1, 0, 1, 1, 0, 1], "x": [1, 1, 1, 0, 0, 0]})
    >>> survival = co.Endpoint.from_columns(frame, time="days", event="dead", name="overall_survival")
    >>> fit = co.cox(survival, "x", ties="breslow")
    >>> fit.tidy()[["term", "estimate", "std_error"]].round(4)
      term  estimate  std_error
    0    x    1.4753     1.2557
    """
    level = check_conf_level(conf_level)
    cause(endpoint, event)
    column, data = with_weight_column(weights, data, endpoint)
    if robust is None:
        robust = penalty is None and not whole_weights(column, data, endpoint)
    recipe = CoxRecipe(
        formula, event, tuple(as_names(strata)), (), cluster, column, offset, robust, ties, penalty
    )
    changing = tuple(name for name in recipe.covariates if name in endpoint.exposures)
    recipe = replace(recipe, time_dependent=changing, time_effects=read_time_effects(time_effects))
    notes = check_timing(recipe, endpoint, data, acknowledge)
    arrays = take_arrays(recipe, endpoint, data)
    design = arrays.design
    how: Limits = limits or ("profile" if penalty else "wald")
    fit = fit_cox(
        design.X,
        arrays.start,
        arrays.stop,
        arrays.event,
        stratum=arrays.stratum,
        weight=arrays.weight,
        offset=arrays.offset,
        cluster=arrays.cluster,
        robust=robust,
        ties=ties,
        penalty=penalty,
        profile_level=level if how == "profile" else None,
        terms=term_columns(design.terms),
        names=design.names,
    )
    sandwich = bool(arrays.robust)
    return CoxRegression(
        outcome=event or endpoint.name,
        recipe=recipe,
        measure="cause-specific hazard ratio" if arrays.competes else "hazard ratio",
        terms=design.terms,
        levels=design.levels,
        references=design.references,
        coding=coding_of(parse_formula(formula), design),
        fit=fit,
        strata=arrays.strata,
        n=arrays.n,
        n_rows=len(design.rows),
        n_missing=design.n_missing,
        ties=ties,
        penalty=penalty or "",
        limits=how,
        robust=arrays.robust,
        conf_level=level,
        unit=endpoint.unit,
        left_out=(*(("", reason, n) for reason, n in endpoint.excluded), *design.left_out),
        notes=(
            *notes,
            *endpoint.notes,
            *weight_notes_of(weights),
            *cautions(fit.n_event, len(design.names), weights is not None, sandwich, fit.n_cluster),
        ),
        acknowledged=tuple(dict.fromkeys([*endpoint.acknowledged, *acknowledged_guards(acknowledge)])),
        time_effects=arrays.time_effects,
    )
