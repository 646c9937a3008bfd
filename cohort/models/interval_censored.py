"""Times known between two looks: the curve that is most likely, or a parametric regression."""

from __future__ import annotations

from collections.abc import Iterable
from typing import overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.survival_families import FAMILIES, Distribution
from cohort.estimators.turnbull import bootstrap_bounds, score_test, turnbull
from cohort.models.cox_inputs import cautions
from cohort.models.curves import excluded_rows
from cohort.models.formula import parse_formula
from cohort.models.groups import make_groups
from cohort.models.interval_inputs import Intervals, read_intervals
from cohort.models.interval_result import IntervalCensored
from cohort.models.interval_rows import IntervalGroup
from cohort.models.parametric_estimation import estimate_parametric
from cohort.models.parametric_result import ParametricSurvival
from cohort.models.result import check_conf_level
from cohort.study.guards import acknowledged_guards, check_immortal_time, check_incorporation, resolve_facts


@overload
def interval_censored(
    lower: str,
    upper: str,
    data: pd.DataFrame,
    by: str | None = ...,
    conf_level: float = ...,
    *,
    formula: None = ...,
    distribution: Distribution = ...,
    seed: int | None = ...,
    replicates: int = ...,
    name: str | None = ...,
    unit: str = ...,
    acknowledge: str | Iterable[str] = ...,
) -> IntervalCensored: ...


@overload
def interval_censored(
    lower: str,
    upper: str,
    data: pd.DataFrame,
    by: None = ...,
    conf_level: float = ...,
    *,
    formula: str,
    distribution: Distribution = ...,
    name: str | None = ...,
    unit: str = ...,
    acknowledge: str | Iterable[str] = ...,
) -> ParametricSurvival: ...


def interval_censored(
    lower: str,
    upper: str,
    data: pd.DataFrame,
    by: str | None = None,
    conf_level: float = 0.95,
    *,
    formula: str | None = None,
    distribution: Distribution = "weibull",
    seed: int | None = None,
    replicates: int = 500,
    name: str | None = None,
    unit: str = "days",
    acknowledge: str | Iterable[str] = (),
) -> IntervalCensored | ParametricSurvival:
    """Estimate when an event happens that is only known to lie between two looks at the patient.

    Onset of ICANS lies after the last assessment without and up to the first one with it. To take the first day with
    it as the onset shifts every curve to the right, by more where patients are seen less often. How often a patient was
    looked at must not depend on the event itself, nor on the group.

    Parameters
    ----------
    lower : str
        Column with the last day known without the event; missing when the first look already showed it.
    upper : str
        Column with the first day known with the event; missing or infinite when it was never seen (right-censored).
        Equal to ``lower`` for a day known exactly.
    data : DataFrame
        One row per patient.
    by : str, optional
        Column whose categories are the groups; known at the origin.
    conf_level : float, default=0.95
        Confidence level.
    formula : str, optional
        Covariates of a parametric regression, in place of curves.
    distribution : str, default='weibull'
        Its distribution, as for :func:`cohort.parametric_survival`.
    seed : int, optional
        Seed of the bootstrap; without it there are no limits.
    replicates : int, default=500
        Bootstrap samples.
    name : str, optional
        Name of the event; that of ``upper`` without ``_upper`` by default.
    unit : str, default='days'
        Unit of time.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``immortal_time``, ``incorporation``.

    Returns
    -------
    IntervalCensored or ParametricSurvival
        Probabilities with ``tidy()``, ``at()``, ``quantile()``, ``plot()``; with ``formula`` a parametric model.

    Raises
    ------
    EndpointError
        When an interval ends before it begins, a day is negative, or a column is missing.
    ImmortalTimeError, IncorporationError
        When ``by`` becomes known later, or is part of the event's grade.
    EstimationError
        When nobody has the event.

    See Also
    --------
    cohort.models.kaplan_meier.kaplan_meier : When days are known exactly.

    Notes
    -----
    Maximum likelihood over all distributions [1]_ [2]_. Mass can lie only in certain intervals, and where in them is
    not estimable: there the result has bounds and the plot a rectangle. The maximum is found by constrained Newton
    steps [3]_ until the Kuhn-Tucker conditions hold (at most 1e-11 per patient of the log-likelihood left to gain).
    Limits are percentiles of the bootstrap, from the lowest to the highest curve each sample allows; they are sound
    when patients are looked at on whole days, and rough when looks lie on a continuum, where convergence is slower than
    the root of n. The test of groups uses scores of proportional hazards [4]_. Patients who die without the event count
    as not having it at their last look: with many early deaths this is no cumulative incidence.

    References
    ----------
    .. [1] Peto R (1973). Appl Stat 22:86-91.
    .. [2] Turnbull BW (1976). J R Stat Soc B 38:290-295.
    .. [3] Wang Y (2007). J R Stat Soc B 69:185-198. doi:10.1111/j.1467-9868.2007.00583.x
    .. [4] Finkelstein DM (1986). Biometrics 42:845-854.

    Examples
    --------
    >>> frame = pd.DataFrame({"without_day": [2, 1, 4, None, 3, 7], "with_day": [4, 3, 6, 2, None, None]})
    >>> onset = interval_censored("without_day", "with_day", frame, name="icans")
    >>> onset.tidy()[["time_low", "time", "estimate"]].round(3)
       time_low  time  estimate
    0       1.0   2.0      0.75
    1       2.0   3.0      0.50
    2       4.0   6.0      0.25
    """
    level = check_conf_level(conf_level)
    names = acknowledged_guards(acknowledge)
    read = read_intervals(lower, upper, data, name, unit)
    if formula is not None and (by is not None or seed is not None):
        raise EstimationError(
            "by= and seed= are for curves, formula= is for a regression",
            evidence=f"by={by!r}, seed={seed!r}, formula={formula!r}",
            remedy="leave by= and seed= out, or formula=",
        )
    used = [by] if by is not None else [] if formula is None else list(parse_formula(formula).columns)
    about = [lower, upper, read.endpoint.name, f"{read.endpoint.name}_grade"]
    facts = resolve_facts([*used, *about], read.endpoint, None)
    notes = (
        *check_immortal_time(used, read.endpoint, facts, names),
        *check_incorporation(used, about, facts, names),
    )
    if formula is not None:
        return _regression(read, formula, distribution, notes, level, names)
    return _curves(read, by, seed, replicates, notes, level, names)


def _curves(
    read: Intervals,
    by: str | None,
    seed: int | None,
    replicates: int,
    notes: tuple[str, ...],
    level: float,
    names: tuple[str, ...],
) -> IntervalCensored:
    own = read.endpoint
    grouped = make_groups(own, by)
    empty = (f"no patients: {', '.join(grouped.empty)}",) if grouped.empty else ()
    if seed is not None and replicates < 2:
        raise EstimationError(
            "a bootstrap needs samples", evidence=f"replicates={replicates}", remedy="write replicates=500"
        )
    rng = None if seed is None else np.random.default_rng(seed)
    groups = tuple(
        _group(read, label, grouped.rows[grouped.codes == k], replicates, rng)
        for k, label in enumerate(grouped.names)
    )
    statistic, df = np.nan, 0
    if len(groups) > 1:
        statistic, df = score_test(read.lower[grouped.rows], read.upper[grouped.rows], grouped.codes)
    return IntervalCensored(
        outcome=own.name,
        by=by or "",
        groups=groups,
        n=len(grouped.rows),
        statistic=statistic,
        df=df,
        replicates=0 if seed is None else replicates,
        conf_level=level,
        unit=own.unit,
        left_out=(*excluded_rows(own), *grouped.left_out),
        notes=(*notes, *empty),
        acknowledged=names,
    )


def _regression(
    read: Intervals,
    formula: str,
    distribution: Distribution,
    notes: tuple[str, ...],
    level: float,
    names: tuple[str, ...],
) -> ParametricSurvival:
    own = read.endpoint
    times = (np.maximum(read.lower, 0.0), read.upper, None)
    made = estimate_parametric(own, formula, None, times, distribution, None, False)
    exact, between, early, late = read.counts(made.rows)
    width = len(made.terms) - 1 - len(FAMILIES[distribution].parameters)
    known = f"known exactly {exact}, between two looks {between}, before the first {early}, not yet {late}"
    return ParametricSurvival(
        outcome=own.name,
        formula=formula,
        distribution=distribution,
        estimate=made,
        n_event=exact + between + early,
        competing=False,
        conf_level=level,
        unit=own.unit,
        notes=(known, *notes, *cautions(exact + between + early, width, False, False)),
        acknowledged=names,
    )


def _group(
    read: Intervals, name: str, rows: NDArray[np.intp], replicates: int, rng: np.random.Generator | None
) -> IntervalGroup:
    lower, upper = read.lower[rows], read.upper[rows]
    if np.isinf(upper).all():
        raise EstimationError(
            f"nobody has the event{f' in {name}' if name else ''}",
            evidence=f"{len(rows)} patients, all without it at their last look",
            remedy="leave this group out; its curve stays at 1",
        )
    ends = np.unique(np.concatenate([lower, upper]))
    grid = ends[np.isfinite(ends)]
    low = high = np.empty((0, len(grid)))
    if rng is not None:
        low, high = bootstrap_bounds(lower, upper, grid, replicates, rng)
    return IntervalGroup(name, turnbull(lower, upper), read.counts(rows), grid, low, high)
