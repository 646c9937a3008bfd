"""Agreement of raters: kappas, Krippendorff's alpha, Gwet's AC1 and AC2, percent and specific agreement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.agreement import agreement_weights
from cohort.estimators.cohen import cohen_kappa
from cohort.models.agreement_result import NAMES, Agreement, Limits
from cohort.models.agreement_rows import AgreementRow, agreement_rows
from cohort.models.ratings import Ratings, code_ratings, ratings_from_counts
from cohort.models.reading_rows import Wide, cluster_codes, require_columns_of, spread
from cohort.models.result import check_conf_level

IntArray = NDArray[np.intp]
Weights = Literal["linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval", "ratio"]
MOST_PAIRED = 12
LEAST_BOOT = 100


def agreement(
    ratings: pd.DataFrame,
    weights: Weights | None = None,
    level: Level | None = None,
    *,
    unit: str | Sequence[str] | None = None,
    rater: str | None = None,
    rating: str | None = None,
    cluster: str | None = None,
    categories: Sequence[object] | None = None,
    counts: bool = False,
    limits: Limits = "analytic",
    n_boot: int = 2000,
    seed: int | None = None,
    conf_level: float = 0.95,
) -> Agreement:
    """Measure how far raters agree on categories, beyond chance.

    The units (scans, patients) are taken as a sample and the raters as fixed, so limits speak about other
    units rated by these raters. Which units count: Cohen's kappa uses those rated by both raters;
    Krippendorff's alpha those with two ratings or more; Fleiss' kappa and Gwet's AC1 and AC2 take agreement
    from units with two ratings or more, and the distribution over categories from all rated units; percent
    and specific agreement use units with two ratings or more.

    A reading that says not known (not assessable, indeterminate, not imaged, unknown) is a missing rating of
    that rater, counted by reason; it is never a category, nor a disagreement, nor an agreement.

    Parameters
    ----------
    ratings : DataFrame
        One row per unit and one column per rater; ordered categories, numbers (grades), texts or booleans.
        With ``unit``, ``rater`` and ``rating``: one row per unit and rater.
    weights : {None, 'linear', 'quadratic'}, default=None
        Credit for near agreement in Cohen's and Fleiss' kappa and AC2; needs ordered categories. Distances are
        those of the values where categories are numbers, else of their places.
    level : {'nominal', 'ordinal', 'interval', 'ratio'}, optional
        Krippendorff's level of measurement; nominal without weights and ordinal with them by default.
    unit : str or sequence of str, optional
        Columns that identify a unit in rows of readings: patient and examination.
    rater, rating : str, optional
        Columns of the rater and of the rating in rows of readings.
    cluster : str, optional
        Column that groups units (the patient of several scans); limits respect it.
    categories : sequence, optional
        All possible categories in order. AC1, AC2 and the adjusted kappa depend on their number; by default
        the declared ones of a category, absent and present of a finding, else those that occur.
    counts : bool, default=False
        Whether columns are categories and cells numbers of raters, as when raters are not identified; there
        is no Cohen's kappa then.
    limits : {'analytic', 'bootstrap'}, default='analytic'
        Large-sample limits, or percentiles of resampled units (or clusters).
    n_boot : int, default=2000
        Resamples.
    seed : int, optional
        Seed of the bootstrap, which needs one.
    conf_level : float, default=0.95
        Confidence level; all limits are on the natural scale.

    Returns
    -------
    Agreement
        Terms ``cohen_kappa`` (two raters; ``pairs()`` for more), ``fleiss_kappa``, ``krippendorff_alpha``,
        ``gwet_ac1``, ``gwet_ac2`` (with weights), ``pabak``, ``percent_agreement``, ``specific_agreement`` by
        category (positive agreement is ``specific_agreement[present]``), and for two raters and two categories
        ``prevalence_index`` and ``bias_index`` (no limits).

    Raises
    ------
    EstimationError
        For unordered categories with weights or a level that needs order, values that are not whole numbers
        taken as categories (declare a rounding first), columns of different kinds, a duplicated index, or two
        ratings of a unit by one rater.

    See Also
    --------
    cohort.models.odds_ratio.odds_ratio : Association, not agreement: two readers can be associated and differ.

    Notes
    -----
    Cohen's kappa has the variance of Fleiss, Cohen and Everitt [1]_ and normal limits, as R ``vcd::Kappa``.
    Fleiss' kappa [2]_, alpha [3]_ and AC1/AC2 [4]_ have the variance by linearization, conditional on the raters,
    with t limits on n - 1 degrees of freedom; with every unit rated by every rater it is Gwet's. Where some units
    have one rating, Gwet's formula takes the number of units with two as fixed and is wider. Percent agreement,
    specific agreement and the adjusted kappa [5]_ of two raters have Wilson limits. Where no unit disagrees there
    are no limits of the others. No test of "kappa is zero" is given: it answers a question that nobody asks.

    References
    ----------
    .. [1] Fleiss JL, Cohen J, Everitt BS (1969). Psychol Bull 72:323-327, equation 8. doi:10.1037/h0028106
    .. [2] Fleiss JL (1971). Psychol Bull 76:378-382. doi:10.1037/h0031619
    .. [3] Krippendorff K (2011). Computing Krippendorff's alpha-reliability.
    .. [4] Gwet KL (2008). Br J Math Stat Psychol 61:29-48. doi:10.1348/000711006X126600
    .. [5] Byrt T, Bishop J, Carlin JB (1993). J Clin Epidemiol 46:423-429. doi:10.1016/0895-4356(93)90018-V

    Examples
    --------
    >>> import pandas as pd
    >>> first = ["present"] * 22 + ["absent"] * 38
    >>> second = ["present"] * 18 + ["absent"] * 4 + ["present"] * 3 + ["absent"] * 35
    >>> agreement(pd.DataFrame({"first": first, "second": second})).text("cohen_kappa")
    "Cohen's kappa 0.75 (95% CI 0.57–0.92; 60 units)"
    """
    _check_arguments(weights, level, limits, n_boot, seed)
    if unit is None and rater is None and rating is None:
        wide = _split_cluster(ratings, cluster)
    else:
        wide = _rows_of_readings(ratings, unit, rater, rating, cluster, counts)
    coded = ratings_from_counts(wide.frame) if counts else code_ratings(wide.frame, categories)
    return _measure(coded, wide, weights, level, limits, n_boot, seed, check_conf_level(conf_level))


def _measure(
    coded: Ratings,
    wide: Wide,
    weights: Weights | None,
    level: Level | None,
    limits: Limits,
    n_boot: int,
    seed: int | None,
    conf_level: float,
) -> Agreement:
    chosen: Level = level or ("ordinal" if weights else "nominal")
    _check_order(coded, weights, chosen)
    resamples = n_boot if limits == "bootstrap" else 0
    rows = agreement_rows(coded, weights, chosen, wide.cluster, resamples, seed)
    rated = coded.counts.sum(axis=1)
    few = (("no rating", (rated == 0).sum()), ("one rating only", (rated == 1).sum()))
    return Agreement(
        raters=coded.raters,
        categories=coded.labels,
        weights=weights or "",
        level=chosen,
        limits=limits,
        rows=rows,
        pair_rows=_pair_rows(coded, weights),
        n=int((rated >= 2).sum()),
        n_units=len(rated),
        n_cluster=0 if wide.cluster is None else int(wide.cluster.max()) + 1,
        n_boot=resamples,
        conf_level=conf_level,
        left_out=(*wide.left_out, *(("", reason, int(n)) for reason, n in few if n)),
        missing=coded.missing,
        notes=_notes(rows, coded),
    )


def _check_arguments(
    weights: str | None, level: str | None, limits: str, n_boot: int, seed: int | None
) -> None:
    for name, value, known in (
        ("weights", weights, (None, "linear", "quadratic")),
        ("level", level, (None, "nominal", "ordinal", "interval", "ratio")),
        ("limits", limits, ("analytic", "bootstrap")),
    ):
        if value not in known:
            names = ", ".join(repr(one) for one in known)
            raise EstimationError(f"{name}={value!r} is not known", remedy=f"{name}= one of {names}")
    if limits == "bootstrap" and (seed is None or n_boot < LEAST_BOOT):
        raise EstimationError(
            f"the bootstrap needs a seed and at least {LEAST_BOOT} resamples",
            evidence=f"n_boot={n_boot}, seed={seed}",
            remedy='co.agreement(..., limits="bootstrap", n_boot=2000, seed=1)',
        )


def _split_cluster(ratings: pd.DataFrame, cluster: str | None) -> Wide:
    """Take the cluster column off a frame with one column per rater."""
    if cluster is None:
        return Wide(ratings, None, ())
    require_columns_of(ratings, [cluster])
    return Wide(ratings.drop(columns=cluster), cluster_codes(ratings[cluster]), ())


def _rows_of_readings(
    data: pd.DataFrame,
    unit: str | Sequence[str] | None,
    rater: str | None,
    rating: str | None,
    cluster: str | None,
    counts: bool,
) -> Wide:
    if unit is None or rater is None or rating is None or counts:
        raise EstimationError(
            "rows of readings need unit=, rater= and rating=, and are not counts",
            evidence=f"unit={unit!r}, rater={rater!r}, rating={rating!r}, counts={counts}",
            remedy='co.agreement(data, unit=["patient_id", "exam_id"], rater="reader_id", rating="presence")',
        )
    names = (unit,) if isinstance(unit, str) else tuple(unit)
    return spread(data, names, rater, rating, cluster)


def _check_order(coded: Ratings, weights: str | None, level: str) -> None:
    if not coded.ordered and (weights is not None or level != "nominal"):
        raise EstimationError(
            "the categories have no order, which weights and this level of measurement need",
            evidence=f"weights={weights!r}, level={level!r}, {len(coded.labels)} categories of text",
            remedy='categories=["mild", "moderate", "severe"] in order, or columns of an ordered category',
        )
    if level in ("interval", "ratio") and not coded.numeric:
        raise EstimationError(
            f'level="{level}" needs ratings that are numbers',
            evidence=f"{len(coded.labels)} categories of text",
            remedy='level="ordinal"',
        )
    if level == "ratio" and coded.scores.min() < 0:
        raise EstimationError(
            'level="ratio" needs values of zero or more', remedy='level="interval", or correct the values'
        )
    if not coded.whole and level not in ("interval", "ratio"):
        raise EstimationError(
            "ratings are taken as categories and some are not whole numbers",
            evidence=f"{int((coded.scores != np.floor(coded.scores)).sum())} such values",
            remedy='round grades as declared beforehand, or level="interval" for measurements',
        )


def _pair_rows(coded: Ratings, weights: str | None) -> tuple[AgreementRow, ...]:
    """Cohen's kappa of every two of three raters or more."""
    if coded.codes is None or not 3 <= len(coded.raters) <= MOST_PAIRED or not coded.whole:
        return ()
    W = agreement_weights(coded.scores, weights)
    rows = []
    for i, j in combinations(range(len(coded.raters)), 2):
        c = cohen_kappa(coded.codes[:, i], coded.codes[:, j], W)
        error = np.nan if np.isnan(c.estimate) else c.std_error(1.0)
        name = f"{coded.raters[i]} and {coded.raters[j]}"
        rows.append(AgreementRow("cohen_kappa", name, c.estimate, error, np.inf, c.n, c.reason))
    return tuple(rows)


def _notes(rows: Sequence[AgreementRow], coded: Ratings) -> tuple[str, ...]:
    plain = {row.term: row for row in rows if not row.level}
    notes = []
    index = plain.get("prevalence_index")
    if index is not None and index.estimate > 0.8:
        notes.append("one category is rare (prevalence index above 0.8): kappa is low even at high agreement")
    if plain["krippendorff_alpha"].reason:
        notes.append(plain["krippendorff_alpha"].reason)
    bare = [NAMES[r.term] for r in plain.values() if r.estimate == 1 and not r.method]
    if bare:
        notes.append(f"no unit disagrees, so there are no limits of {', '.join(bare)}")
    if not coded.declared and coded.whole:
        notes.append(
            f"AC1 and PABAK count the {len(coded.labels)} categories that occur; name all in categories="
        )
    undefined = max((int(np.isnan(r.draws).sum()) for r in plain.values() if r.draws is not None), default=0)
    if undefined:
        notes.append(f"a coefficient is not defined in {undefined} resamples, which its limits leave out")
    return tuple(notes)
