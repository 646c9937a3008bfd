"""Survival models with a named distribution: Weibull, exponential, log-normal, log-logistic, Gompertz, gamma."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.estimators.survival_families import FAMILIES, Distribution
from cohort.models.cox_inputs import cause, cautions, grades
from cohort.models.formula import parse_formula
from cohort.models.parametric_estimation import estimate_parametric
from cohort.models.parametric_result import ParametricSurvival
from cohort.models.result import check_conf_level
from cohort.study.guards import acknowledged_guards, check_immortal_time, check_incorporation, resolve_facts

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint


def parametric_survival(
    endpoint: Endpoint,
    formula: str | None = None,
    distribution: Distribution = "weibull",
    data: pd.DataFrame | None = None,
    *,
    event: str | None = None,
    cluster: str | None = None,
    robust: bool = False,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> ParametricSurvival:
    """Estimate how covariates change the time to an event, under a distribution that is named.

    A parametric model gives what a Cox model does not: time ratios, smooth curves, medians, and times beyond follow-up;
    all of them lean on the distribution, and those beyond follow-up on nothing else. Compare the distributions with
    ``.compare()``, and the curve with ``co.kaplan_meier``.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up and event, right-censored; delayed entry and (start, stop] rows are left truncation.
    formula : str, optional
        Covariates; None fits the distribution alone.
    distribution : {'weibull', 'exponential', 'lognormal', 'loglogistic', 'gompertz', 'gengamma'}, default='weibull'
        The distribution. All but Gompertz are accelerated failure time models; Weibull, exponential and Gompertz are
        proportional hazards models. ``gengamma`` (Prentice's generalized gamma) contains Weibull (shape 1) and
        log-normal (shape 0).
    data : DataFrame, optional
        Columns the endpoint's own frame lacks, aligned by index label.
    event : str, optional
        Which event, when the endpoint has several; the others end follow-up (cause-specific hazards).
    cluster : str, optional
        Column of the groups within which patients are alike; standard errors become cluster-robust.
    robust : bool, default=False
        Sandwich standard errors; rows of one patient count together.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override, recorded with the result.

    Returns
    -------
    ParametricSurvival
        Coefficients with ``tidy()``, ``ratios()`` on every scale, ``survival_at()``, ``quantile()``, ``compare()``.

    Raises
    ------
    ImmortalTimeError, IncorporationError
        When a covariate becomes known only after the clock has started, or is part of the event's grade.
    EndpointError
        When the endpoint has several events and none is chosen.
    EstimationError
        When the distribution is unknown or the likelihood has no maximum; the column is named.

    See Also
    --------
    cohort.models.cox.cox : Hazard ratios without a distribution.
    cohort.models.interval_censored.interval_censored : The same for times known between two looks.

    Notes
    -----
    Newton's method on the log-likelihood; variance from the observed information. log T = intercept + x'b + scale W for
    the accelerated models, hazard exp(intercept + x'b + rate t) for Gompertz. Hazard ratios of Weibull models and odds
    ratios of log-logistic ones are exp(-b / scale), with limits by the delta method. Equals R survival 3.5-3
    ``survreg`` and, with left truncation, the maximum found by ``optim`` to 1e-6 (``tests/reference/parametric``).

    References
    ----------
    .. [1] Kalbfleisch JD, Prentice RL (2002). The statistical analysis of failure time data, chapter 3. Wiley.
    .. [2] Prentice RL (1974). Biometrika 61:539-544.

    Examples
    --------
    >>> import cohort as co
    >>> frame = pd.DataFrame({"days": [3, 5, 6, 9, 12, 20, 22, 30], "dead": [1, 1, 0, 1, 1, 1, 0, 1]})
    >>> survival = co.Endpoint.from_columns(frame, time="days", event="dead", name="overall_survival")
    >>> fit = parametric_survival(survival)
    >>> fit.tidy()[["term", "estimate", "std_error"]].round(4)
             term  estimate  std_error
    0   Intercept    2.8872     0.2763
    1  log(scale)   -0.3954     0.3255
    """
    level = check_conf_level(conf_level)
    code, competing = cause(endpoint, event)
    columns = [] if formula is None else list(parse_formula(formula).columns)
    facts = resolve_facts([*columns, *grades(endpoint, event)], endpoint, data)
    notes = [
        *check_immortal_time(columns, endpoint, facts, acknowledge),
        *check_incorporation(columns, grades(endpoint, event), facts, acknowledge),
    ]
    happened = endpoint.event == code
    upper = np.where(happened, endpoint.stop, np.inf).astype(float)
    times = (endpoint.stop.astype(float), upper, endpoint.start.astype(float))
    made = estimate_parametric(endpoint, formula, data, times, distribution, cluster, robust)
    n_event = int(happened[made.rows].sum())
    width = len(made.terms) - 1 - len(FAMILIES[distribution].parameters)
    return ParametricSurvival(
        outcome=event or endpoint.name,
        formula=formula or "",
        distribution=distribution,
        estimate=made,
        n_event=n_event,
        competing=competing,
        conf_level=level,
        unit=endpoint.unit,
        notes=(*notes, *endpoint.notes, *cautions(n_event, width, False, bool(made.robust), None)),
        acknowledged=tuple(dict.fromkeys([*endpoint.acknowledged, *acknowledged_guards(acknowledge)])),
    )
