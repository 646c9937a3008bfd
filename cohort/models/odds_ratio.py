"""Odds ratios by logistic regression, by the method that fits how the patients were sampled and how few they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from cohort.models.cox_inputs import as_names
from cohort.models.design import build_design
from cohort.models.formula import parse_formula
from cohort.models.given_weights import GivenWeights, weight_notes_of
from cohort.models.new_rows import coding_of
from cohort.models.odds_ratio_checks import plan_of, rows_of
from cohort.models.odds_ratio_methods import estimate_by
from cohort.models.odds_ratio_result import Correlation, Limits, Method, OddsRatio, Variance
from cohort.models.odds_ratio_weights import data_with_weights
from cohort.models.result import check_conf_level
from cohort.study.guards import acknowledged_guards, check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging
from cohort.study.window_guard import check_windows


def odds_ratio(
    formula: str,
    data: pd.DataFrame,
    method: Method = "ml",
    cluster: str | None = None,
    limits: Limits | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
    *,
    strata: str | Sequence[str] | None = None,
    correlation: Correlation | None = None,
    variance: Variance | None = None,
    weights: GivenWeights | None = None,
) -> OddsRatio:
    """Estimate odds ratios of a yes/no outcome by logistic regression.

    Patients with a missing outcome or covariate are left out and counted by reason; of a finding, present is
    compared with absent, and not imaged or indeterminate are left out.

    Parameters
    ----------
    formula : str
        ``outcome ~ covariates``; the outcome is absent/present, no/yes, boolean or 0/1.
    data : DataFrame
        One row per patient.
    method : {'ml', 'firth', 'exact', 'conditional', 'gee', 'random_intercept'}, default='ml'
        ``firth`` for few events or separation: estimates stay finite and less biased. ``exact`` for the fewest:
        each coefficient from the exact distribution of its sufficient statistic, given the others. ``conditional``
        for matched sets: patients are compared within their set. ``gee`` for clusters (centers, or several rows of
        a patient): odds ratios averaged over the population. ``random_intercept`` for clusters: odds ratios of two
        patients of the same cluster.
    cluster : str, optional
        Column of the cluster (center, patient): required by ``gee`` and ``random_intercept``; with ``ml`` and
        ``conditional`` the variance becomes cluster-robust.
    limits : {'wald', 'profile', 'exact', 'mid_p'}, optional
        Kind of limits: profile (penalized) likelihood for ``firth`` by default; ``exact`` or ``mid_p`` (shorter, not
        strictly conservative) for ``exact``; Wald otherwise, also profile for ``ml``.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``, ``selective_imaging``, ``window``.
    strata : str or sequence of str, optional
        Columns of the matched set (``conditional``) or of the strata (``exact``). Sets without both outcomes tell
        nothing; their patients are left out and counted.
    correlation : {'exchangeable', 'independence'}, optional
        Working correlation of ``gee``; exchangeable by default.
    variance : {'robust', 'bias_reduced', 'mancl_derouen', 'kauermann_carroll'}, optional
        Variance with clusters. ``ml``: ``robust`` (default), or ``bias_reduced`` (CR2) with t limits for fewer than
        about 40 clusters. ``gee``: ``mancl_derouen`` (default) or ``kauermann_carroll`` with t limits, or ``robust``
        with normal limits.
    weights : str, Series or InverseProbabilityWeights, optional
        Column of weights, weights by row label, or the result of ``inverse_probability_weights``, with ``ml``; the
        variance is then robust. Patients without a weight, or of weight 0, are left out.

    Returns
    -------
    OddsRatio
        Estimates with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        With separation, save under ``firth`` and ``exact`` (the message names the column); for an outcome without
        both values; a column that is unknown, constant (also within every set) or collinear; more parameters than
        patients; too few clusters; an exact distribution too large to compute; options that do not go together.
    IncorporationError
        When a covariate is part of the grade that the outcome measures.
    SelectiveImagingError
        When a finding is absent or present in patients who were not imaged.

    See Also
    --------
    cohort.models.two_by_two.two_by_two : One exposure, without a model.

    Notes
    -----
    Equals R ``glm``, ``sandwich::vcovCL`` 3.0-2, ``clubSandwich`` (CR2), ``brglm2`` 0.9 (``type = "AS_mean"``),
    ``survival::clogit(method = "exact")``, ``geepack::geeglm`` and ``lme4::glmer(nAGQ = 25)``; profile limits and exact
    inference solve their defining equations (``tests/reference/logistic``, ``clustered_logistic``,
    ``exact_logistic``). The cluster-robust variance of ``ml`` has the factor G/(G-1); that of ``conditional`` has none,
    as in ``survival``. Degrees of freedom of t limits are those of Satterthwaite for ``bias_reduced``, and clusters
    less coefficients for ``gee`` [4]_. The exact p-value is twice the smaller tail. Where the statistic is at the end
    of its range the exact estimate is the median unbiased one [3]_, and one limit is infinite. With clusters the global
    test of ``glance()`` is a Wald test with the robust variance.

    References
    ----------
    .. [1] Heinze G, Schemper M (2002). A solution to the problem of separation in logistic regression.
       Stat Med 21:2409-2419. doi:10.1002/sim.1047
    .. [2] Breslow NE, Day NE, Halvorsen KT, Prentice RL, Sabai C (1978). Estimation of multiple relative risk
       functions in matched case-control studies. Am J Epidemiol 108:299-307.
    .. [3] Hirji KF, Tsiatis AA, Mehta CR (1989). Median unbiased estimation for binary data. Am Stat 43:7-11.
    .. [4] Li P, Redden DT (2015). Small sample performance of bias-corrected sandwich estimators for
       cluster-randomized trials with binary outcomes. Stat Med 34:281-296. doi:10.1002/sim.6344

    Examples
    --------
    >>> import pandas as pd
    >>> flair = ["no", "no", "no", "yes", "yes", "yes"] * 4
    >>> data = pd.DataFrame({"severe": [0, 0, 1, 0, 1, 1] * 4, "flair": flair})
    >>> odds_ratio("severe ~ flair", data).text("flair[yes]")
    'odds ratio 4.00 (95% CI 0.73–21.8; P=0.11)'

    Two findings, both exposed patients with the outcome: maximum likelihood has no estimate, exact inference has.

    >>> few = pd.DataFrame({"severe": [1, 1, 1, 0, 0, 0, 0, 0], "flair": [1, 1, 0, 0, 0, 0, 0, 0]})
    >>> odds_ratio("severe ~ flair", few, method="exact").text("flair")
    'odds ratio 5.60 (95% CI 0.36–∞; P=0.21)'
    """
    guards = acknowledged_guards(acknowledge)
    by = as_names(strata)
    plan = plan_of(method, limits, variance, correlation, cluster, by)
    level = check_conf_level(conf_level)
    parsed = parse_formula(formula)
    facts = resolve_facts([*parsed.columns, *by, parsed.response], None, data)
    used = [*parsed.columns, *by, parsed.response]
    notes = (
        *check_incorporation([*parsed.columns, *by], [parsed.response], facts, guards),
        *check_selective_imaging(used, data, guards),
        *check_windows(used, facts, guards),
    )
    extra = [*by, *([] if cluster is None else [cluster])]
    if weights is not None:
        column, data = data_with_weights(weights, data, plan)
        extra.append(column)
    design = build_design(formula, data, intercept=False, extra=list(dict.fromkeys(extra)))
    rows = rows_of(design, plan, cluster, by)
    if weights is not None:
        rows = replace(rows, weight=design.extra[column].to_numpy(dtype=float))
    found = estimate_by(plan, rows, design.response_name, level)
    return OddsRatio(
        formula=formula,
        outcome=design.response_name,
        method=plan.method,
        limits=plan.limits,
        variance=plan.variance,
        correlation=plan.correlation,
        cluster=cluster or "",
        strata=tuple(by),
        names=rows.names,
        terms=rows.terms,
        levels=rows.levels,
        estimate=found.estimate,
        covariance=found.covariance,
        conf_low=found.conf_low,
        conf_high=found.conf_high,
        statistic=found.statistic,
        p_value=found.p_value,
        df=found.df,
        reasons=found.reasons,
        conf_level=level,
        n=len(rows.y),
        n_event=int(rows.y.sum()),
        n_cluster=0 if rows.cluster is None else len(set(rows.cluster.tolist())),
        how=found.how,
        test=found.test,
        statistic_global=found.statistic_global,
        p_value_global=found.p_value_global,
        log_likelihood=found.log_likelihood,
        log_likelihood_null=found.log_likelihood_null,
        aic=found.aic,
        concordance=found.concordance,
        working_correlation=found.correlation,
        intercept_sd=found.intercept_sd,
        iterations=found.iterations,
        references=design.references,
        predictors=found.predictors,
        coding=coding_of(parsed, design),
        left_out=rows.left_out,
        notes=(*notes, *weight_notes_of(weights), *found.notes),
        acknowledged=guards,
    )
