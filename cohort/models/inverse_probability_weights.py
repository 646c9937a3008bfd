"""Weights that make groups alike in what was measured: inverse probability, overlap, matching, entropy."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.balancing_weights import Target
from cohort.models.design import align_columns
from cohort.models.exposure_groups import exposure_groups, require_one_row_each
from cohort.models.formula import parse_formula
from cohort.models.result import check_conf_level
from cohort.models.weighting import Weighting, check_plan, prepare, truncation_quantiles, weigh, weight_notes
from cohort.models.weights_result import InverseProbabilityWeights, WeightMethod
from cohort.study.guards import (
    acknowledged_guards,
    check_bad_control,
    check_incorporation,
    resolve_facts,
)


def inverse_probability_weights(
    formula: str,
    data: pd.DataFrame,
    estimand: Target = "ate",
    stabilized: bool = True,
    truncate: float | tuple[float, float] | None = None,
    method: WeightMethod = "ml",
    *,
    focal: str | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> InverseProbabilityWeights:
    """Weight patients so that groups of an exposure are alike in the covariates of a model.

    The weighted comparison answers: what if everybody of the target population had been in one group, or in
    another. It needs that all common causes of exposure and outcome are in the formula, and that each kind of
    patient could have been in each group. Patients whose exposure or covariate is missing are left out and
    counted by reason; they get no weight.

    Parameters
    ----------
    formula : str
        ``exposure ~ covariates``. The exposure is absent/present, no/yes, boolean, 0/1, or a category of up to
        ten groups (multinomial model).
    data : DataFrame
        One row per patient, unique index.
    estimand : {'ate', 'att', 'overlap', 'matching', 'imaged'}, default='ate'
        Target population: all patients; those of the focal group; those who could as well have been in another
        group (overlap: weights are the probability of the other group, between 0 and 1 and never extreme;
        matching: as one-to-one matching would choose). ``imaged``: the exposure says who was imaged
        (``imaged``, ``not_imaged``, ``unknown``; or no/yes); the imaged are weighted to stand for everybody
        whose imaging status is known, and nobody else gets a weight.
    stabilized : bool, default=True
        Multiply ``ate`` and ``imaged`` weights by the share of the own group; no effect on the other kinds.
    truncate : float or tuple of float, optional
        Quantiles of the weights to which more extreme ones are set: 0.01 and 0.99 both mean (0.01, 0.99),
        (0, 0.95) only cuts at the top; True is refused, since it does not say where. Buys precision with bias.
    method : {'ml', 'firth', 'entropy'}, default='ml'
        Logistic regression by maximum likelihood or Firth's penalty (few exposed; two groups only), or entropy
        balancing, which has no model and makes means of all columns of the formula exactly equal (``ate``,
        ``att`` and ``imaged``; add squares with ``I(age_years ** 2)`` to balance variances).
    focal : str, optional
        Group of ``att``, and of no other estimand; the last by default.
    conf_level : float, default=0.95
        Confidence level of the coefficients.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``bad_control``, ``incorporation``.

    Returns
    -------
    InverseProbabilityWeights
        ``.weights`` is a Series keyed by the index of the data; with ``tidy()`` (model), ``glance()``,
        ``plot()`` (overlap), ``by()`` and ``text()``.

    Raises
    ------
    EstimationError
        With separation (a kind of patient is always or never exposed; the message names the column), a single
        group, repeated rows, more parameters than patients, or means that no weights can balance.
    BadControlError
        When a covariate becomes known only after the exposure. Not for ``imaged``, where whatever predicts
        imaging may be used.
    IncorporationError
        When a covariate is part of the grade that is the exposure.

    See Also
    --------
    cohort.models.balance.balance : Whether the weighted groups are alike.

    Notes
    -----
    Weights are h(x) / P(own group | x), with h of Li and Li [1]_. Entropy balancing solves Hainmueller's dual
    [2]_. Weights of ``ml`` equal those from R ``glm`` and ``nnet::multinom``, those of ``method="entropy"`` the
    solution of the dual by Newton steps in R (``tests/reference/weights``).

    References
    ----------
    .. [1] Li F, Li F (2019). Propensity score weighting for causal inference with multiple treatments.
       Ann Appl Stat 13:2389-2415. doi:10.1214/19-AOAS1282
    .. [2] Hainmueller J (2012). Entropy balancing for causal effects. Polit Anal 20:25-46.
       doi:10.1093/pan/mpr025

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"flair": ["no", "no", "yes", "no", "yes", "yes"], "old": [0, 0, 0, 1, 1, 1]})
    >>> fit = inverse_probability_weights("flair ~ old", data, stabilized=False)
    >>> fit.weights.round(2).tolist()
    [1.5, 1.5, 3.0, 3.0, 1.5, 1.5]
    """
    names = acknowledged_guards(acknowledge)
    check_plan(estimand, method, focal)
    quantiles = truncation_quantiles(truncate)
    parsed = parse_formula(formula)
    if not parsed.response:
        raise EstimationError("the formula has no exposure", remedy='write "exposure ~ covariates"')
    exposure = align_columns([parsed.response], data, None)[0][parsed.response]
    require_one_row_each(data)
    notes: tuple[str, ...] = ()
    if estimand != "imaged":
        facts = resolve_facts([*parsed.columns, parsed.response], None, data)
        notes = check_bad_control(parsed.columns, parsed.response, facts, names)
        notes += check_incorporation(parsed.columns, [parsed.response], facts, names)
    groups = exposure_groups(exposure, estimand == "imaged")
    design, code, left_out = prepare(parsed, data, groups)
    plan = Weighting(
        estimand=estimand,
        method=method,
        stabilized=stabilized and estimand in ("ate", "imaged"),
        truncation=quantiles,
        n_group=len(groups.levels),
        focal=_focal(focal, groups.levels),
    )
    found = weigh(plan, design.X, code, design.names, groups.levels)
    model = found.model
    p = design.X.shape[1]
    empty = np.full((1, p), np.nan)
    return InverseProbabilityWeights(
        formula=formula,
        exposure=parsed.response,
        groups=groups.levels,
        focal=plan.focal,
        estimand=estimand,
        method=method,
        stabilized=plan.stabilized,
        truncation=quantiles,
        names=design.names,
        terms=design.terms,
        levels=design.levels,
        references=design.references,
        estimate=empty if model is None else model.estimate,
        covariance=np.full((p, p), np.nan) if model is None else model.covariance,
        index=design.index,
        code=code,
        values=found.weight,
        probability=np.full((len(code), plan.n_group), np.nan) if model is None else model.probability,
        n_truncated=int(found.truncated.sum()),
        concordance=found.concordance,
        log_likelihood=np.nan if model is None else model.log_likelihood,
        iterations=found.iterations,
        conf_level=check_conf_level(conf_level),
        left_out=left_out,
        notes=(*notes, *weight_notes(plan, found)),
        acknowledged=names,
    )


def _focal(focal: str | None, levels: tuple[str, ...]) -> int:
    if focal is None:
        return len(levels) - 1
    if focal not in levels:
        raise EstimationError(
            f"focal group {focal!r} is not a group of the exposure",
            evidence=f"groups: {', '.join(levels)}",
            remedy=f'focal="{levels[-1]}"',
        )
    return levels.index(focal)
