"""Risks standardized over the patients' covariates, and their difference and ratio, after logistic regression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.standardized_risk import bootstrap_risks, model_risks, robust_risks
from cohort.models.design import align_columns, build_design
from cohort.models.exposure_settings import exposure_settings
from cohort.models.formula import parse_formula
from cohort.models.given_weights import GivenWeights, weight_notes_of
from cohort.models.new_rows import coding_of
from cohort.models.odds_ratio_checks import Plan, Rows, plan_of, rows_of
from cohort.models.odds_ratio_methods import estimate_by
from cohort.models.odds_ratio_weights import data_with_weights
from cohort.models.one_row_each import check_one_row_each
from cohort.models.result import check_conf_level
from cohort.models.standardized_risks_result import StandardizedRisks
from cohort.study.guards import acknowledged_guards, check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging, imaging_rates
from cohort.study.window_guard import check_windows

FloatArray = NDArray[np.float64]
MOST_FAILED = 0.05


def standardized_risks(
    formula: str,
    exposure: str,
    data: pd.DataFrame,
    *,
    method: Literal["ml", "firth"] = "ml",
    limits: Literal["delta", "bootstrap"] = "delta",
    cluster: str | None = None,
    weights: GivenWeights | None = None,
    values: Sequence[object] | None = None,
    reference: object | None = None,
    replicates: int = 2000,
    seed: int | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> StandardizedRisks:
    """Estimate risks, risk differences and risk ratios standardized over the covariates of the patients.

    The risk of a level of the exposure is the mean risk that the logistic regression predicts for all patients
    used, each with the exposure set to that level and the other covariates as they are. These marginal effects
    compare whole groups of patients and, unlike an odds ratio, do not change when a covariate that is unrelated to
    the exposure is added. Patients with a missing outcome or covariate are left out and counted by reason; of a
    finding, present is compared with absent, and not imaged or indeterminate are left out.

    Parameters
    ----------
    formula : str
        ``outcome ~ exposure + covariates``, interactions and splines allowed; the outcome is absent/present,
        no/yes, boolean or 0/1.
    exposure : str
        Column of the formula whose levels are compared.
    data : DataFrame
        One row per patient.
    method : {'ml', 'firth'}, default='ml'
        ``firth`` for few events or separation; its predictions are those of FLIC, whose mean is the observed share.
    limits : {'delta', 'bootstrap'}, default='delta'
        ``bootstrap``: percentiles of refits to samples of patients (of clusters) drawn with replacement.
    cluster : str, optional
        Column of the clusters (center), within which patients are alike; with ``ml``.
    weights : str, Series or InverseProbabilityWeights, optional
        Weights, with ``ml``: the model is fitted with them, and risks are standardized to the weighted patients.
    values : sequence, optional
        Values of the exposure to compare; needed for a number with more than two values.
    reference : object, optional
        Level that others are compared with; the first by default.
    replicates : int, default=2000
        Bootstrap samples.
    seed : int, optional
        Seed of the bootstrap, which needs one.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``, ``selective_imaging``, ``window``.

    Returns
    -------
    StandardizedRisks
        Risks and contrasts with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        With separation under ``ml`` (the message names the column); for an exposure that is not in the formula or a
        number without ``values``; a bootstrap without a seed; options that do not go together; a patient with
        several rows and no ``cluster``.
    IncorporationError
        When a covariate is part of the grade that the outcome measures.
    SelectiveImagingError
        When a finding is absent or present in patients who were not imaged.

    See Also
    --------
    cohort.models.odds_ratio.odds_ratio : The conditional odds ratios of the same model.

    Notes
    -----
    ``delta`` after ``ml``: sandwich variance of the stacked estimating equations of coefficients and risks, which
    counts that covariates vary from sample to sample, with the factor G/(G-1) (n/(n-1) without clusters) [1]_.
    After ``firth``, where few events make a sandwich too small: the model's covariance of the coefficients and the
    variance of the mean prediction, which are independent if the model holds. Limits of a risk are symmetric on
    the logit scale, those of a difference on its own, and those of a ratio on the log scale. Standard errors and
    statistics of ratios are those of logarithms. Bootstrap p-values are Wald's with the bootstrap's standard error.
    Agrees with base R (``tests/reference/standardized/make.R``) to 1e-8, and up to the factor with
    ``riskRegression::ate`` 2022.11.28. A causal reading needs no unmeasured confounding, and patients at every level
    over the whole range of the covariates.

    References
    ----------
    .. [1] Sjölander A (2016). Regression standardization with the R package stdReg. Eur J Epidemiol 31:563-574.
       doi:10.1007/s10654-016-0157-3

    Examples
    --------
    >>> import pandas as pd
    >>> flair = ["no", "no", "no", "yes", "yes", "yes"] * 4
    >>> data = pd.DataFrame({"severe": [0, 0, 1, 0, 1, 1] * 4, "flair": flair, "old": [0] * 9 + [1] * 15})
    >>> standardized_risks("severe ~ flair + old", "flair", data).text("risk_difference")
    'risk difference of severe, yes against no: 0.33 (95% CI −0.07 to 0.73; P=0.10)'
    """
    guards = acknowledged_guards(acknowledge)
    level = check_conf_level(conf_level)
    plan = _plan(method, limits, cluster, replicates, seed)
    parsed = parse_formula(formula)
    facts = resolve_facts([*parsed.columns, parsed.response], None, data)
    used = [*parsed.columns, parsed.response]
    notes = (
        *check_incorporation(parsed.columns, [parsed.response], facts, guards),
        *check_selective_imaging(used, data, guards),
        *check_windows(used, facts, guards),
        *imaging_rates([exposure, parsed.response], data),
    )
    if cluster is None:
        check_one_row_each(
            data, "a standardized risk", 'cluster="patient_id", or link to one row per patient'
        )
    extra = [] if cluster is None else [cluster]
    if weights is not None:
        column, data = data_with_weights(weights, data, plan)
        extra.append(column)
    design = build_design(formula, data, intercept=False, extra=extra)
    rows = rows_of(design, plan, cluster, ())
    if weights is not None:
        rows = replace(rows, weight=design.extra[column].to_numpy(dtype=float))
    coding = coding_of(parsed, design)
    frame = align_columns(list(coding.levels), data, None)[0].iloc[design.rows]
    settings = exposure_settings(coding, frame, exposure, values, reference)
    found = estimate_by(plan, rows, design.response_name, level)
    predictor = next(iter(found.predictors.values()))
    designs = [np.column_stack([np.ones(len(Z)), Z]) for Z in settings.designs]
    if method == "firth":
        risks = model_risks(designs, predictor.estimate, predictor.covariance)
    else:
        risks = robust_risks(designs, rows.X, rows.y, predictor.estimate, rows.weight, rows.cluster)
    draws = _draws(designs, rows, method, replicates, seed) if limits == "bootstrap" else None
    at = [settings.observed == k for k in range(len(settings.levels))]
    return StandardizedRisks(
        formula=formula,
        outcome=design.response_name,
        exposure=exposure,
        levels=settings.levels,
        risk=risks.risk,
        covariance=risks.covariance,
        draws=draws,
        n_level=tuple(int(one.sum()) for one in at),
        n_event_level=tuple(int(rows.y[one].sum()) for one in at),
        method=method,
        limits=limits,
        cluster=cluster or "",
        weighted=weights is not None,
        conf_level=level,
        n=len(rows.y),
        n_event=int(rows.y.sum()),
        n_cluster=0 if rows.cluster is None else len(set(rows.cluster.tolist())),
        left_out=rows.left_out,
        notes=(*notes, *weight_notes_of(weights), *found.notes, *_failed_note(draws)),
        acknowledged=guards,
    )


def _plan(method: str, limits: str, cluster: str | None, replicates: int, seed: int | None) -> Plan:
    if method not in ("ml", "firth"):
        raise EstimationError(
            f"standardized risks have no method {method!r}",
            evidence="methods: ml, firth",
            remedy='method="firth" for few events or separation',
        )
    if limits not in ("delta", "bootstrap"):
        raise EstimationError(f"limits {limits!r} are not known", remedy='limits="delta" or "bootstrap"')
    if limits == "bootstrap" and seed is None:
        raise EstimationError("the bootstrap needs a seed, so that it can be repeated", remedy="seed=1")
    if limits == "bootstrap" and replicates < 100:
        raise EstimationError(
            "too few bootstrap samples for limits",
            evidence=f"replicates={replicates!r}, at least 100",
            remedy="replicates=2000",
        )
    return plan_of("firth" if method == "firth" else "ml", "wald", None, None, cluster, ())


def _draws(
    designs: Sequence[FloatArray], rows: Rows, method: str, replicates: int, seed: int | None
) -> FloatArray:
    """Draw the bootstrap; refuse when too many samples have no estimate."""
    draws = bootstrap_risks(
        designs,
        rows.X,
        rows.y,
        replicates,
        np.random.default_rng(seed),
        "firth" if method == "firth" else "none",
        rows.weight,
        rows.cluster,
    )
    failed = _n_failed(draws)
    if failed > MOST_FAILED * replicates:
        raise EstimationError(
            "too many bootstrap samples have no estimate (separation, or a level without patients)",
            evidence=f"{failed} of {replicates} samples",
            remedy='limits="delta"' if method == "firth" else 'method="firth"',
        )
    return draws


def _n_failed(draws: FloatArray) -> int:
    return int(np.isnan(draws).any(axis=1).sum())


def _failed_note(draws: FloatArray | None) -> tuple[str, ...]:
    failed = 0 if draws is None else _n_failed(draws)
    return () if draws is None or not failed else (f"{failed} of {len(draws)} samples have no estimate",)
