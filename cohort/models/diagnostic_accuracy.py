"""Accuracy of an MRI finding, a grade or a score against a reference, also when only some were verified."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.accuracy import CellShares, shares_of
from cohort.estimators.imputed_reference import ImputedShares, impute_reference
from cohort.estimators.verification import begg_greenes, inverse_probability
from cohort.models.accuracy_inputs import (
    AccuracyRows,
    accuracy_rows,
    cluster_codes,
    covariate_design,
    covariate_strata,
)
from cohort.models.accuracy_result import METHODS, DiagnosticAccuracy, Method
from cohort.models.result import check_conf_level
from cohort.study.guards import acknowledged_guards


def diagnostic_accuracy(
    test: str | Sequence[str],
    reference: str,
    data: pd.DataFrame,
    verified: str | None = None,
    method: Method | None = None,
    *,
    threshold: float | None = None,
    covariates: Sequence[str] = (),
    prevalence: float | Sequence[float] = (),
    cluster: str | None = None,
    imputations: int = 100,
    seed: int = 0,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> DiagnosticAccuracy:
    r"""Estimate how well a test tells who has a condition that a reference shows.

    Patients whose reference is not known were not verified. When the test decided who was verified, sensitivity
    among the verified is too high and specificity too low, whatever their number. Then the verified, an estimate
    corrected for verification, and bounds that assume nothing stand side by side. A test that is not known (not
    imaged, not assessable, indeterminate) is left out and counted; it is never negative.

    Parameters
    ----------
    test : str or pair of str
        Column of the test: absent/present, no/yes, boolean or 0/1; with ``threshold`` a number or a grade, or the
        lower and upper end of a grade that is not fully known (used where both are on one side).
    reference : str
        Column of the reference: absent/present, no/yes, boolean or 0/1, anything else being not verified.
    data : DataFrame
        One row per patient, or per exam with ``cluster``.
    verified : str, optional
        Column of no/yes: who was verified. By default whoever has a known reference; a reference known in someone
        who was not verified is not used.
    method : {'verified_only', 'begg_greenes', 'ipw', 'multiple_imputation', 'bounds'}, optional
        By default ``begg_greenes`` when some were not verified, ``bounds`` where that is not identified.
        ``verified_only`` corrects nothing.
    threshold : float, optional
        The test is positive at this value or above.
    covariates : sequence of str, default=()
        What else decided who was verified: strata for ``begg_greenes``; terms of a logistic model, beside the test
        result, for ``ipw`` (of verification) and ``multiple_imputation`` (of the condition).
    prevalence : float or sequence of float, default=()
        Prevalences at which predictive values are computed by Bayes' theorem, when the sample's is not that of
        the patients of interest (always so when patients were chosen by their reference).
    cluster : str, optional
        Column of what is independent: the patient of several exams, or the center.
    imputations, seed : int
        Number of imputations, and seed of their randomness.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``, ``selective_imaging``, ``window``.

    Returns
    -------
    DiagnosticAccuracy
        Measures with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        For an unknown column or method, a test that is a number without ``threshold``, repeated patients without
        ``cluster``, nobody verified, or a correction that is not identified.
    IncorporationError
        When the test is part of the grade that the reference measures.

    Notes
    -----
    All corrections assume that verification depends on the test result and ``covariates`` only, not on the
    condition itself. ``begg_greenes`` [1]_: limits on the logit scale with its variance. ``ipw``: logistic model,
    variance by stacked estimating equations; without covariates it equals ``begg_greenes``.
    ``multiple_imputation``: Wilson limits [2]_. Clusters: between-cluster variance of the shares, times
    m / (m - 1), Student's t with m - 1 degrees of freedom. Predictive values at a prevalence are monotone in a
    likelihood ratio, so they take its limits [3]_.

    References
    ----------
    .. [1] Begg CB, Greenes RA (1983). Assessment of diagnostic tests when disease verification is subject to
       selection bias. Biometrics 39:207-215. doi:10.2307/2530820
    .. [2] Lott A, Reiter JP (2020). Wilson confidence intervals for binomial proportions with multiple imputation
       for missing data. Am Stat 74:109-115. doi:10.1080/00031305.2018.1473796
    .. [3] Mercaldo ND, Lau KF, Zhou XH (2007). Confidence intervals for predictive values with an emphasis to
       case-control studies. Stat Med 26:2170-2183. doi:10.1002/sim.2677

    Examples
    --------
    The hepatic scintigraphy of [1]_: 344 of 650 scanned had a reference.

    >>> import pandas as pd
    >>> scan = ["present"] * 429 + ["absent"] * 221
    >>> liver = ["yes"] * 231 + ["no"] * 32 + [None] * 166 + ["yes"] * 27 + ["no"] * 54 + [None] * 140
    >>> data = pd.DataFrame({"scan": scan, "liver_disease": liver})
    >>> diagnostic_accuracy("scan", "liver_disease", data).text("sensitivity")
    'sensitivity 0.84 (95% CI 0.78–0.88; Begg-Greenes, 344/650 (52.9%) verified)'
    """
    if method is not None and method not in METHODS:
        raise EstimationError(
            f"method {method!r} is not known",
            evidence=f"methods: {', '.join(METHODS)}",
            remedy='method="begg_greenes"',
        )
    covariates = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    names = acknowledged_guards(acknowledge)
    read = accuracy_rows(
        test,
        reference,
        data,
        threshold=threshold,
        verified=verified,
        cluster=cluster,
        covariates=covariates,
        acknowledged=names,
    )
    sample = read.sample
    if not sample.verified.any():
        raise EstimationError(
            "nobody was verified",
            evidence=f"0 of {len(sample.test)} with a known test have a known {reference}",
            remedy="check the column of the reference; without it accuracy cannot be estimated",
        )
    frame = data.iloc[read.rows]
    chosen, corrected, said, weights = _correct(read, method, frame, covariates, imputations, seed)
    return DiagnosticAccuracy(
        test=read.label,
        reference=reference,
        method=chosen,
        counts=sample.counts(),
        unverified=sample.unverified(),
        unverified_reasons=read.unverified,
        corrected=corrected,
        clustered=_clustered(read, frame, cluster),
        n_cluster=None if read.cluster is None else int(read.cluster.max()) + 1,
        weight_max=float(weights.max()) if len(weights) else np.nan,
        effective_n=float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else np.nan,
        prevalence=check_prevalence(prevalence),
        conf_level=check_conf_level(conf_level),
        left_out=read.left_out,
        notes=(*read.notes, *said),
        acknowledged=names,
    )


def check_prevalence(prevalence: float | Sequence[float]) -> tuple[float, ...]:
    """Return prevalences as a tuple, each strictly between 0 and 1."""
    values = tuple(float(v) for v in np.atleast_1d(np.asarray(prevalence, dtype=float)))
    if not all(0 < v < 1 for v in values):
        raise EstimationError(
            "a prevalence is not between 0 and 1",
            evidence=f"{len(values)} given",
            remedy="prevalence=0.1 for 10 %",
        )
    return tuple(dict.fromkeys(values))


def _clustered(read: AccuracyRows, frame: pd.DataFrame, cluster: str | None) -> CellShares | None:
    if cluster is None:
        return None
    who = np.flatnonzero(read.sample.verified)
    test, condition = read.sample.test[who], read.sample.condition[who]
    cells = np.column_stack([test & condition, test & ~condition, ~test & condition, ~test & ~condition])
    shares = cells.mean(axis=0)
    codes = cluster_codes(frame[cluster].iloc[who])
    return shares_of(
        cells - shares, shares, codes, "a cell of the table is zero: no limits on the logit scale"
    )


def _correct(
    read: AccuracyRows,
    method: Method | None,
    frame: pd.DataFrame,
    covariates: tuple[str, ...],
    imputations: int,
    seed: int,
) -> tuple[Method, CellShares | ImputedShares | None, tuple[str, ...], np.ndarray]:
    """Return the method used, the corrected shares, notes, and weights."""
    sample, none = read.sample, np.array([])
    if sample.verified.all():
        said = ("everyone was verified: nothing to correct",) if method not in (None, "verified_only") else ()
        return "verified_only", None, said, none
    if method in ("verified_only", "bounds"):
        return method, None, (), none
    if method == "ipw":
        X = covariate_design(frame, covariates, sample.test)
        weighted = inverse_probability(sample, X, read.cluster)
        return "ipw", weighted.shares, (), weighted.weights
    if method == "multiple_imputation":
        if read.cluster is not None or imputations < 2:
            raise EstimationError(
                "multiple imputation does not account for clusters, and needs at least two imputations",
                evidence=f"imputations={imputations}",
                remedy='method="ipw" with cluster=, or imputations=100',
            )
        Z = covariate_design(frame, covariates, sample.test) if covariates else None
        rng = np.random.default_rng(seed)
        return "multiple_imputation", impute_reference(sample, Z, imputations, rng), (), none
    stratum = covariate_strata(frame, covariates) if covariates else None
    try:
        return "begg_greenes", begg_greenes(sample, stratum, read.cluster), (), none
    except EstimationError as error:
        if method is not None:
            raise
        return (
            "bounds",
            None,
            (f"bounds only: {error.evidence} of one test result without a verified one",),
            none,
        )
