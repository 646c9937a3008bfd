"""ROC curves of scores, a grade or an MRI measure: area with limits, comparisons, sensitivity at cutoffs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.roc import grouped_areas, paired_areas, roc_curve, youden_optimism
from cohort.models.result import check_conf_level
from cohort.models.roc_inputs import RocRows, roc_rows
from cohort.models.roc_result import CutoffCells, Roc, ScoreCurve
from cohort.study.guards import acknowledged_guards, check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging
from cohort.study.window_guard import check_windows

FEW_CLUSTERS = 20


def roc(
    score: str | Sequence[str],
    outcome: str,
    data: pd.DataFrame,
    by: str | None = None,
    cluster: str | None = None,
    *,
    cutoffs: float | Sequence[float] = (),
    low_is_positive: str | Sequence[str] = (),
    seed: int | None = None,
    bootstraps: int = 200,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> Roc:
    r"""Estimate how well scores order patients with an outcome above those without: the area under the ROC curve.

    The area is the probability that a patient with the outcome scores above one without, ties counting half. A
    score that is not known is left out and counted; several scores are compared on the same patients, those for
    whom all are known. The direction is declared, never chosen from the data: an area below 0.5 stays below.

    Parameters
    ----------
    score : str or sequence of str
        Column of numbers or of an ordered grade; several columns are compared with each other.
    outcome : str
        Column of the outcome: absent/present, no/yes, boolean or 0/1.
    data : DataFrame
        One row per patient, or per exam with ``cluster``.
    by : str, optional
        Column of groups of patients whose areas are compared; with a single score.
    cluster : str, optional
        Column of what is independent: the patient of several exams, or the center.
    cutoffs : float or sequence of float, default=()
        Cutoffs, on the scale of the score, at which sensitivity and specificity are given: positive at the cutoff
        or beyond.
    low_is_positive : str or sequence of str, default=()
        Scores of which a low value means the outcome, such as platelets.
    seed : int, optional
        Seed of the bootstrap that corrects Youden's index for its optimism; none is done without it.
    bootstraps : int, default=200
        Bootstrap samples, of patients or of clusters.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``, ``selective_imaging``, ``window``.

    Returns
    -------
    Roc
        Areas and their comparisons with ``tidy()``, ``glance()``, ``curve()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        For an unknown column, a score that is not a number or ordered grade, an outcome with one value (also within
        a group), repeated patients without ``cluster``, or ``by`` with several scores.
    IncorporationError
        When a score is part of the grade that the outcome measures.
    SelectiveImagingError
        When a finding is known in patients who were not imaged.

    See Also
    --------
    cohort.models.diagnostic_accuracy.diagnostic_accuracy : One cutoff, and verification of some only.

    Notes
    -----
    Independent patients: covariance of DeLong [1]_ by mid-ranks [2]_. Limits ``delong_logit`` are symmetrical on the
    logit scale, ``delong`` on the natural scale and cut at 0 and 1; ``newcombe`` [3]_ exists also where a score
    separates completely and the DeLong variance is zero. Scores of the same patients are compared by z, groups by
    Student's t with Satterthwaite's degrees of freedom, as R ``pROC``; a difference has limits on the natural scale.
    Clusters: variance of Obuchowski [4]_, z for both. At a cutoff limits are those of Clopper and Pearson, with
    clusters logit limits of a robust variance with t. Youden's cutoff is the one with the largest sensitivity +
    specificity - 1, the highest score of several; its index has no limits, because the same patients chose it.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL (1988). Comparing the areas under two or more correlated receiver
       operating characteristic curves. Biometrics 44:837-845. doi:10.2307/2531595
    .. [2] Sun X, Xu W (2014). Fast implementation of DeLong's algorithm. IEEE Signal Process Lett 21:1389-1393.
       doi:10.1109/LSP.2014.2337313
    .. [3] Newcombe RG (2006). Confidence intervals for an effect size measure based on the Mann-Whitney statistic,
       part 2. Stat Med 25:559-573. doi:10.1002/sim.2324
    .. [4] Obuchowski NA (1997). Nonparametric analysis of clustered ROC curve data. Biometrics 53:567-578.
       doi:10.2307/2533958

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"easix": [1, 2, 3, 4, 5, 6, 7, 8], "severe": [0, 0, 0, 1, 0, 1, 1, 1]})
    >>> roc("easix", "severe", data).text("easix")
    'area under the curve 0.94 (95% CI 0.44–1.00; 4 with, 4 without)'
    """
    names = (score,) if isinstance(score, str) else tuple(score)
    low = (low_is_positive,) if isinstance(low_is_positive, str) else tuple(low_is_positive)
    cuts = tuple(dict.fromkeys(float(v) for v in np.atleast_1d(np.asarray(cutoffs, dtype=float))))
    _check_call(names, by, low, cuts, bootstraps)
    guards = acknowledged_guards(acknowledge)
    facts = resolve_facts([*names, outcome], None, data)
    said = (
        *check_incorporation(names, [outcome], facts, guards),
        *check_selective_imaging([*names, outcome], data, guards),
        *check_windows([*names, outcome], facts, guards),
    )
    rows = roc_rows(names, outcome, data, by, cluster, low)
    areas = (
        paired_areas(rows.scores, rows.positive, rows.cluster)
        if by is None
        else grouped_areas(rows.scores[:, 0], rows.positive, rows.group, rows.cluster)
    )
    return Roc(
        scores=names,
        outcome=outcome,
        by=by or "",
        groups=rows.groups,
        areas=areas,
        curves=_curves(rows, names, low, cuts, seed, bootstraps),
        n_cluster=None if rows.cluster is None else int(rows.cluster.max()) + 1,
        seed=seed,
        n=len(rows.positive),
        n_event=int(rows.positive.sum()),
        conf_level=check_conf_level(conf_level),
        left_out=rows.left_out,
        notes=(
            *said,
            *rows.notes,
            *_few(rows.cluster),
            *_direction_notes(areas.areas, names, low, rows.groups),
        ),
        acknowledged=guards,
    )


def _check_call(
    names: tuple[str, ...], by: str | None, low: tuple[str, ...], cuts: tuple[float, ...], bootstraps: int
) -> None:
    if not names:
        raise EstimationError("no score is named", remedy='score="easix"')
    if by is not None and len(names) > 1:
        raise EstimationError(
            "several scores and groups at once",
            evidence=f"{len(names)} scores, by={by!r}",
            remedy="one score with by=, or several scores without",
        )
    stray = [name for name in low if name not in names]
    if stray:
        raise EstimationError(
            "low_is_positive names what is not a score",
            evidence=f"{', '.join(stray)}; scores: {', '.join(names)}",
            remedy="name columns of score=",
        )
    if cuts and len(names) > 1:
        raise EstimationError(
            "cutoffs of several scores, which are on different scales",
            evidence=f"{len(names)} scores",
            remedy="ask for cutoffs of one score at a time",
        )
    if not all(np.isfinite(cuts)) or bootstraps < 1:
        raise EstimationError(
            "a cutoff is not a number, or there are no bootstrap samples",
            evidence=f"{len(cuts)} cutoffs, bootstraps={bootstraps}",
            remedy="cutoffs=[3, 5], bootstraps=200",
        )


def _curves(
    rows: RocRows,
    names: tuple[str, ...],
    low: tuple[str, ...],
    cuts: tuple[float, ...],
    seed: int | None,
    bootstraps: int,
) -> tuple[ScoreCurve, ...]:
    """Trace one curve per score, or per group of one score."""
    keys = (
        [(j, g) for j in range(len(names)) for g in (0,)]
        if len(names) > 1
        else [(0, g) for g in range(len(rows.groups))]
    )
    out = []
    for j, g in keys:
        mask = rows.group == g
        score, positive = rows.scores[mask, j], rows.positive[mask]
        cluster = None if rows.cluster is None else np.unique(rows.cluster[mask], return_inverse=True)[1]
        optimism = np.nan
        if seed is not None:
            rng = np.random.default_rng([seed, j, g])
            optimism = youden_optimism(score, positive, cluster, bootstraps, rng)
        sign = -1.0 if names[j] in low else 1.0
        curve = roc_curve(score, positive)
        at = [*cuts, sign * float(curve.cutoff[curve.youden()])]
        cells = tuple(CutoffCells.of(score, positive, cut, sign, cluster) for cut in at)
        out.append(ScoreCurve(names[j], rows.groups[g], curve, sign, cells, optimism))
    return tuple(out)


def _few(cluster: np.ndarray | None) -> tuple[str, ...]:
    """Warn of a variance between few clusters, whose normal limits are too narrow."""
    n = FEW_CLUSTERS if cluster is None else int(cluster.max()) + 1
    return (f"{n} clusters are few: limits of areas are too narrow",) if n < FEW_CLUSTERS else ()


def _direction_notes(
    areas: np.ndarray, names: tuple[str, ...], low: tuple[str, ...], groups: tuple[str, ...]
) -> tuple[str, ...]:
    keys = names if len(names) > 1 else tuple(f"{names[0]} {g}".strip() for g in groups)
    below = [key for key, area in zip(keys, areas, strict=True) if area < 0.5]
    if not below:
        return ()
    hint = (
        "declared by low_is_positive="
        if low
        else "high is taken as positive; low_is_positive= declares the other"
    )
    return (f"area below 0.5 of {', '.join(below)}: {hint}",)
