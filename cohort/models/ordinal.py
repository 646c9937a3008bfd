"""Odds ratios of a higher grade: proportional odds and its relatives, with grades known exactly or between bounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from cohort.errors import EstimationError
from cohort.models.design import Design, build_design
from cohort.models.formula import ParsedFormula, parse_formula
from cohort.models.new_rows import coding_of
from cohort.models.ordinal_estimation import (
    Method,
    Penalty,
    fit_ordinal,
    table_of_parameters,
    varying_columns,
)
from cohort.models.ordinal_grades import (
    Grades,
    check_between,
    check_systems,
    grade_columns,
    outcome_name,
    read_grades,
)
from cohort.models.ordinal_inference import (
    infer,
    names_of_references,
    proportionality_tests,
    sparse_notes,
    variance_of,
)
from cohort.models.ordinal_result import METHODS, Limits, Ordinal
from cohort.models.result import check_conf_level
from cohort.study.guards import acknowledged_guards, check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging
from cohort.study.window_guard import check_windows

_MEASURES = {
    "proportional_odds": "odds ratio of a higher grade",
    "continuation_ratio": "odds ratio of going on to a higher grade",
}


def ordinal(
    formula: str,
    data: pd.DataFrame | None = None,
    lower: str | None = None,
    upper: str | None = None,
    cluster: str | None = None,
    *,
    weights: str | None = None,
    method: Method = "proportional_odds",
    nonproportional: str | Sequence[str] = (),
    penalty: Penalty | None = None,
    limits: Limits | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> Ordinal:
    """Estimate odds ratios of a higher grade.

    The grade may be exact or known only between two bounds: the likelihood of a patient is the probability of
    the grades between them, so an undeterminable grade contributes what it knows. This takes the reason why a
    grade is open to be unrelated to the grade itself, given the bounds and the covariates. A patient of any grade
    is counted and contributes nothing. Patients with a missing bound or covariate are left out and counted by
    reason; of a finding, present is compared with absent.

    Parameters
    ----------
    formula : str
        ``grade ~ covariates``; with bounds the left side is the name of the grade, or empty. Grades are whole
        numbers from 0, or an ordered category.
    data : DataFrame
        One row per patient.
    lower, upper : str, optional
        Columns of the lowest and the highest grade that the patient may have.
    cluster : str, optional
        Column of the cluster (center, patient) for a robust variance.
    weights : str, optional
        Column of case weights; the variance is then robust.
    method : {'proportional_odds', 'continuation_ratio'}, default='proportional_odds'
        ``proportional_odds``: the odds of a grade above any threshold. ``continuation_ratio``: the odds of going
        on to a higher grade among those who reached a grade.
    nonproportional : str or sequence of str, default=()
        Terms whose odds ratio may differ by threshold; their coefficients are called ``term (1|2)``.
    penalty : {'firth'}, optional
        Jeffreys' prior, for few patients in a grade or separation: estimates stay finite.
    limits : {'wald', 'profile'}, optional
        Kind of limits; profile (penalized) likelihood with ``penalty``, Wald otherwise.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``, ``mixed_scales``, ``selective_imaging``, ``window``.

    Returns
    -------
    Ordinal
        Log odds ratios of a **higher** grade, then thresholds ``0|1``, ``1|2``, with ``tidy()``, ``glance()``,
        ``predict()``, ``plot()``, ``plot_probabilities()`` and ``check_proportional_odds()``.

    Raises
    ------
    EstimationError
        For a grade without an order, that is negative or not whole, bounds that cross, a single grade, separation
        (the column is named; ``penalty="firth"``), fitted probabilities below zero, or more parameters than
        patients.
    IncorporationError
        When a covariate is part of the grade; use the imaging-blind bounds.
    MixedScalesError
        When grades as recorded come from several grading systems; use the bounds of ``co.grade_icans``.

    Notes
    -----
    log odds of a grade at or below threshold j = theta_j - x'beta [1]_; the log-likelihood with bounds is concave.
    A grade that no patient is known to have gets no threshold of its own (``1|3``). The robust variance has the
    factor G/(G-1), as R ``sandwich::vcovCL``. The penalty is half the log determinant of the expected
    information, for two grades Firth's logistic regression; a patient between bounds adds to it the information
    of the scale on which those grades are one. Agrees with R ``ordinal::clm``, ``VGAM::cratio`` and
    ``sandwich`` (``tests/reference/ordinal``).

    References
    ----------
    .. [1] McCullagh P (1980). Regression models for ordinal data. J R Stat Soc B 42:109-142.

    Examples
    --------
    >>> import pandas as pd
    >>> flair = ["no", "no", "no", "no", "yes", "yes", "yes", "yes"] * 5
    >>> low, high = [0, 0, 1, 2, 0, 1, 2, 0] * 5, [0, 1, 1, 2, 0, 2, 2, 2] * 5
    >>> data = pd.DataFrame({"flair": flair, "low": low, "high": high})
    >>> ordinal("~ flair", data, lower="low", upper="high").text("flair[yes]")
    'odds ratio of a higher grade 2.42 (95% CI 0.61–9.65; P=0.21)'
    """
    names = acknowledged_guards(acknowledge)
    parsed = parse_formula(formula)
    bounds = grade_columns(parsed.response, lower, upper)
    by_threshold = (nonproportional,) if isinstance(nonproportional, str) else tuple(nonproportional)
    kind = _check_arguments(method, penalty, limits, by_threshold, cluster or weights)
    check_conf_level(conf_level)
    if data is None:
        raise EstimationError(
            "no data was given", remedy="pass data=, the frame with the columns of the formula"
        )
    facts = resolve_facts([*parsed.columns, *bounds], None, data)
    notes = check_incorporation(parsed.columns, bounds, facts, names) + check_systems(bounds, data, names)
    notes += check_selective_imaging(parsed.columns, data, names)
    notes += check_windows(parsed.columns, facts, names)
    extra = [name for name in (cluster, weights) if name is not None]
    design = build_design(parsed.right, data, intercept=False, extra=[*bounds, *extra])
    variance = variance_of(design, cluster, weights)
    varying = varying_columns(design, by_threshold)
    fitted = fit_ordinal(
        design, _read(parsed, design, bounds, data), variance.weight, varying, method, penalty
    )
    grades = fitted.grades
    table = table_of_parameters(design, grades.thresholds, varying)
    found = infer(fitted, table, variance, kind, conf_level)
    tests, test_terms = proportionality_tests(design, fitted, table, found, variance, method)
    return Ordinal(
        formula=formula,
        outcome=outcome_name(parsed.response, lower),
        measure=_MEASURES[method],
        method=method,
        penalty=penalty or "",
        limits=kind,
        grades=grades.labels,
        thresholds=grades.thresholds,
        terms=table.terms,
        levels=table.levels,
        nonproportional=by_threshold,
        varying=tuple(varying),
        estimate=found.estimate,
        covariance=found.covariance,
        conf_low=found.conf_low,
        conf_high=found.conf_high,
        statistic=found.statistic,
        p_value=found.p_value,
        conf_level=conf_level,
        n=len(design.X),
        n_between=grades.n_between,
        n_unknown=grades.n_unknown,
        n_cluster=variance.n_cluster,
        robust=variance.text,
        log_likelihood=fitted.maximum.state.log_likelihood,
        log_likelihood_null=fitted.null,
        statistic_global=found.statistic_global,
        p_value_global=found.p_value_global,
        concordance=found.concordance,
        iterations=fitted.maximum.iterations,
        references=names_of_references(design.references, table),
        tests=tests,
        test_terms=test_terms,
        coding=coding_of(parsed, design),
        left_out=design.left_out,
        notes=(*notes, *grades.notes, *sparse_notes(fitted, table.n_coefficient, penalty)),
        acknowledged=names,
    )


def _check_arguments(
    method: str, penalty: str | None, limits: str | None, by_threshold: Sequence[str], robust: str | None
) -> Limits:
    """Return the kind of limits, refusing combinations that have no meaning."""
    for name, value, known in (
        ("method", method, tuple(METHODS)),
        ("penalty", penalty, (None, "firth")),
        ("limits", limits, (None, "wald", "profile")),
    ):
        if value not in known:
            said = ", ".join(str(one) for one in known)
            raise EstimationError(
                f"{name}={value!r} is not known", evidence=f"known: {said}", remedy="write one"
            )
    if penalty and (method != "proportional_odds" or by_threshold):
        raise EstimationError(
            "the penalty is for proportional odds with one odds ratio per term",
            evidence=f"method={method!r}, nonproportional={list(by_threshold)}",
            remedy='co.ordinal(..., penalty="firth") without method= and nonproportional=',
        )
    if by_threshold and method != "proportional_odds":
        raise EstimationError(
            "coefficients by threshold are for proportional odds",
            evidence=f"method={method!r}",
            remedy="leave method= or nonproportional= out",
        )
    if robust and (penalty or limits == "profile"):
        raise EstimationError(
            "a robust variance goes with maximum likelihood and Wald limits",
            evidence=f"penalty={penalty!r}, limits={limits!r}, cluster= or weights= {robust!r}",
            remedy=f'co.ordinal(..., cluster="{robust}") without penalty= and limits=',
        )
    return "profile" if limits == "profile" or (penalty and limits is None) else "wald"


def _read(parsed: ParsedFormula, design: Design, bounds: Sequence[str], data: pd.DataFrame) -> Grades:
    """Read the grades of the rows kept; a grade on the left must lie within its bounds."""
    columns = [design.extra[name] for name in bounds]
    grades = read_grades(columns)
    if parsed.response in data.columns and parsed.response not in bounds:
        check_between(data[parsed.response].iloc[design.rows], columns)
    return grades
