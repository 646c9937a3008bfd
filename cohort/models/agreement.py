"""Agreement of raters: kappas, Krippendorff's alpha, Gwet's AC1 and AC2, percent and specific agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.agreement import agreement_weights
from cohort.estimators.cohen import cohen_kappa
from cohort.format import MISSING_TEXT, fixed, interval
from cohort.models.agreement_rows import AgreementRow, agreement_rows
from cohort.models.ratings import (
    Indeterminate,
    NotAssessable,
    Ratings,
    code_ratings,
    ratings_from_counts,
)
from cohort.models.result import check_conf_level, row_of_term
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Weights = Literal["linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval", "ratio"]
Limits = Literal["analytic", "bootstrap"]
NAMES: Mapping[str, str] = {
    "cohen_kappa": "Cohen's kappa",
    "fleiss_kappa": "Fleiss' kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2": "Gwet's AC2",
    "pabak": "Prevalence- and bias-adjusted kappa",
    "percent_agreement": "Percent agreement",
    "specific_agreement": "Specific agreement",
    "prevalence_index": "Prevalence index",
    "bias_index": "Bias index",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Agreement:
    """Agreement of raters on categories.

    Attributes
    ----------
    raters : tuple of str
        Columns; empty where only counts per category were given.
    categories : tuple of str
        Possible categories, in order.
    weights : str
        Agreement weights of kappas and AC2, empty for none.
    level : str
        Krippendorff's level of measurement.
    limits : {'analytic', 'bootstrap'}
        Kind of limits.
    rows : tuple of AgreementRow
        The coefficients.
    pair_rows : tuple of AgreementRow
        Cohen's kappa of every two raters, where there are three to twelve.
    n : int
        Units with two ratings or more.
    n_units, n_cluster, n_boot : int
        Units in all, clusters (0 without), resamples (0 without).
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Units without two ratings.
    missing : tuple of (str, str, int)
        Rater, reason and number of missing ratings.
    notes : tuple of str
        What a reader should be told.
    """

    raters: tuple[str, ...]
    categories: tuple[str, ...]
    weights: str
    level: str
    limits: Limits
    rows: tuple[AgreementRow, ...]
    pair_rows: tuple[AgreementRow, ...]
    n: int
    n_units: int
    n_cluster: int
    n_boot: int
    conf_level: float
    left_out: tuple[tuple[str, str, int], ...]
    missing: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per coefficient.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: coefficients are on their natural scale.

        Returns
        -------
        DataFrame
            ``term, level, estimate, std_error, conf_low, conf_high, n, method, reason``. ``level`` is the
            category of ``specific_agreement``; ``method`` says how limits are computed; ``n`` counts units
            that the coefficient uses.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        return rows_frame(self.rows, level, len(self.categories))

    def pairs(self, conf_level: float | None = None) -> pd.DataFrame:
        """Return Cohen's kappa of every two raters.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            As ``tidy()``, with ``level`` the two raters; normal limits.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        rows = self.pair_rows or tuple(row for row in self.rows if row.term == "cohen_kappa")
        return rows_frame(rows, level, len(self.categories))

    def glance(self) -> pd.DataFrame:
        """Return one row about the ratings.

        Returns
        -------
        DataFrame
            ``n`` (units with two ratings or more), ``n_missing`` (units without), ``n_cluster, method,
            conf_level``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "n_cluster": [self.n_cluster],
                "method": [self._method()],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the coefficients with their limits.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.coefficients import plot_coefficients

        frame = self._shown()
        return plot_coefficients(frame, xlabel="Agreement", conf_level=self.conf_level, ax=ax)

    def text(self, term: str) -> str:
        """Return the sentence fragment of one coefficient.

        Parameters
        ----------
        term : str
            Such as ``cohen_kappa`` or ``specific_agreement[present]``.

        Returns
        -------
        str
            For example ``Cohen's kappa 0.43 (95% CI 0.39–0.47; 30 units)``.
        """
        row = row_of_term(self.tidy(), term)
        name = f"{_name(row['term'])}{f' on {row.level}' if row['level'] else ''}"
        if np.isnan(row["estimate"]):
            return f"{name} not estimable with {row['n']} units ({row['reason']})"
        limits = limits_text(row["conf_low"], row["conf_high"])
        return (
            f"{name} {fixed(row['estimate'], 2)} ({100 * self.conf_level:g}% CI {limits}; {row['n']} units)"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        shown = self._shown()
        who = f"{len(self.raters)} raters" if self.raters else "raters"
        low, high = shown["conf_low"], shown["conf_high"]
        table = pd.DataFrame(
            {
                "coefficient": shown["term"],
                "estimate": [fixed(v, 2) for v in shown["estimate"]],
                f"{100 * self.conf_level:g}% CI": [limits_text(a, b) for a, b in zip(low, high, strict=True)],
                "units": [str(n) for n in shown["n"]],
            }
        )
        facts = (
            ("method", self._method()),
            (
                "units",
                f"{self.n} with two ratings or more, of {self.n_units}; categories {self._categories()}",
            ),
            ("left out", left_out_text(self.left_out, "units")),
            ("not rated", left_out_text(self.missing) if self.missing else ""),
            ("notes", notes_text((), self.notes)),
        )
        return Summary(f"Agreement of {who} on {self.n_units} units", facts, table)

    def _shown(self) -> pd.DataFrame:
        """Return printable rows: without indices, and without what was not asked for."""
        frame = self.tidy()
        frame = frame[~frame["term"].str.endswith("_index") & frame["estimate"].notna()]
        many = frame["term"].eq("specific_agreement") & (len(self.categories) > 3)
        frame = frame[~many]
        names = frame["term"].map(_name).where(frame["level"] == "", "Agreement on " + frame["level"])
        return frame.assign(term=names, level="").reset_index(drop=True)

    def _categories(self) -> str:
        shown = ", ".join(self.categories[:6])
        return shown if len(self.categories) <= 6 else f"{shown}, ... ({len(self.categories)})"

    def _method(self) -> str:
        weights = f"{self.weights} weights" if self.weights else "no weights"
        limits = f"bootstrap of {self.n_boot}" if self.n_boot else "analytic limits"
        clusters = f", {self.n_cluster} clusters" if self.n_cluster else ""
        return f"agreement, {weights}, alpha {self.level}; {limits}{clusters}"


def rows_frame(rows: Sequence[AgreementRow], conf_level: float, categories: int) -> pd.DataFrame:
    """Arrange coefficients as a tidy frame.

    Parameters
    ----------
    rows : sequence of AgreementRow
        The coefficients.
    conf_level : float
        Confidence level of the limits.
    categories : int
        Possible categories.

    Returns
    -------
    DataFrame
        Columns of ``Agreement.tidy``.
    """
    limits = [row.limits(conf_level, categories) for row in rows]
    return pd.DataFrame(
        {
            "term": [row.term for row in rows],
            "level": [row.level for row in rows],
            "estimate": [row.estimate for row in rows],
            "std_error": [row.std_error for row in rows],
            "conf_low": [low for low, _ in limits],
            "conf_high": [high for _, high in limits],
            "n": [row.n for row in rows],
            "method": [row.method for row in rows],
            "reason": [row.reason for row in rows],
        }
    )


def limits_text(low: float, high: float) -> str:
    """Print limits, or NE where there is no standard error.

    Parameters
    ----------
    low, high : float
        Limits.

    Returns
    -------
    str
        The text.
    """
    return MISSING_TEXT if np.isnan(low) or np.isnan(high) else interval(low, high)


def _name(term: str) -> str:
    return NAMES.get(term, term)


def agreement(
    ratings: pd.DataFrame,
    weights: Weights | None = None,
    level: Level | None = None,
    cluster: str | None = None,
    categories: Sequence[object] | None = None,
    counts: bool = False,
    indeterminate: Indeterminate = "category",
    not_assessable: NotAssessable = "missing",
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

    Parameters
    ----------
    ratings : DataFrame of shape (n, n_raters)
        One row per unit and one column per rater; ordered categories, numbers (grades), texts or booleans.
        Missing where a rater did not rate.
    weights : {None, 'linear', 'quadratic'}, default=None
        Credit for near agreement in Cohen's and Fleiss' kappa and AC2; needs ordered categories.
    level : {'nominal', 'ordinal', 'interval', 'ratio'}, optional
        Krippendorff's level of measurement; nominal without weights and ordinal with them by default.
    cluster : str, optional
        Column of ``ratings`` that groups units (the patient of several scans); limits respect it.
    categories : sequence, optional
        All possible categories in order. AC1, AC2 and the adjusted kappa depend on their number; by default
        the declared ones of a category, else those that occur.
    counts : bool, default=False
        Whether columns are categories and cells numbers of raters, as when raters are not identified.
    indeterminate : {'category', 'missing', 'present', 'absent'}, default='category'
        What an indeterminate reading of a finding counts as: a judgment of its own, between absent and
        present, or a rating that is missing.
    not_assessable : {'missing', 'category'}, default='missing'
        A reading as not assessable is a missing rating of that rater unless asked otherwise.
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
        category (positive agreement is ``specific_agreement[present]``), ``prevalence_index`` and
        ``bias_index`` (no limits).

    Raises
    ------
    EstimationError
        For unordered categories with weights or a level that needs order, values that are not whole numbers
        taken as categories (declare a rounding first), columns of different kinds, a duplicated index.

    See Also
    --------
    cohort.models.agreement_by_finding.agreement_by_finding : The same for each imaging finding.
    cohort.models.intraclass_correlation.intraclass_correlation : For measurements.

    Notes
    -----
    Cohen's kappa has the variance of Fleiss, Cohen and Everitt (1969) and normal limits, as R ``vcd::Kappa``
    1.4-11. Fleiss' kappa, alpha and AC1/AC2 have the variance of Gwet (2014), conditional on the raters, with
    t limits on n - 1 degrees of freedom; units with a single rating enter it through the distribution over
    categories only (Gwet's published formula counts the number of units with two ratings as if it were
    exact, which is too wide when many units have one rating; see ``docs/agreement.md``). Percent
    agreement, specific agreement and the adjusted kappa of two raters have Wilson limits. No test of "kappa is
    zero" is given: it answers a question that nobody asks.

    References
    ----------
    .. [1] Fleiss JL, Cohen J, Everitt BS (1969). Psychol Bull 72:323-327. doi:10.1037/h0028106
    .. [2] Fleiss JL (1971). Psychol Bull 76:378-382. doi:10.1037/h0031619
    .. [3] Krippendorff K (2011). Computing Krippendorff's alpha-reliability.
    .. [4] Gwet KL (2008). Br J Math Stat Psychol 61:29-48. doi:10.1348/000711006X126600
    .. [5] Byrt T, Bishop J, Carlin JB (1993). J Clin Epidemiol 46:423-429.

    Examples
    --------
    >>> import pandas as pd
    >>> first = ["present"] * 22 + ["absent"] * 38
    >>> second = ["present"] * 18 + ["absent"] * 4 + ["present"] * 3 + ["absent"] * 35
    >>> agreement(pd.DataFrame({"first": first, "second": second})).text("cohen_kappa")
    "Cohen's kappa 0.75 (95% CI 0.57–0.92; 60 units)"
    """
    _check_arguments(weights, level, limits, n_boot, seed)
    frame, groups = _split_cluster(ratings, cluster)
    states = (indeterminate, not_assessable)
    coded = ratings_from_counts(frame) if counts else code_ratings(frame, categories, *states)
    chosen: Level = level or ("ordinal" if weights else "nominal")
    _check_order(coded, weights, chosen)
    resamples = n_boot if limits == "bootstrap" else 0
    rng = np.random.default_rng(seed) if resamples else None
    rows = agreement_rows(coded, weights, chosen, groups, resamples, rng, identified=not counts)
    rated = (coded.codes >= 0).sum(axis=1)
    left_out = tuple(
        ("", reason, int(n))
        for reason, n in (("no rating", (rated == 0).sum()), ("one rating", (rated == 1).sum()))
    )
    return Agreement(
        raters=() if counts else coded.raters,
        categories=coded.labels,
        weights=weights or "",
        level=chosen,
        limits=limits,
        rows=rows,
        pair_rows=() if counts else _pair_rows(coded, weights),
        n=int((rated >= 2).sum()),
        n_units=len(rated),
        n_cluster=0 if groups is None else len(np.unique(groups)),
        n_boot=resamples,
        conf_level=check_conf_level(conf_level),
        left_out=tuple(row for row in left_out if row[2]),
        missing=coded.missing,
        notes=(*coded.notes, *_notes(rows)),
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
            names = ", ".join(str(one) for one in known)
            raise EstimationError(f"{name}={value!r} is not known", remedy=f"{name}= one of {names}")
    if limits == "bootstrap" and (seed is None or n_boot < 100):
        raise EstimationError(
            "the bootstrap needs a seed and at least 100 resamples",
            evidence=f"n_boot={n_boot}, seed={seed}",
            remedy='co.agreement(..., limits="bootstrap", n_boot=2000, seed=1)',
        )


def _split_cluster(ratings: pd.DataFrame, cluster: str | None) -> tuple[pd.DataFrame, IntArray | None]:
    """Take the cluster column off the ratings; units without a cluster are refused."""
    if cluster is None:
        return ratings, None
    if list(ratings.columns).count(cluster) != 1:
        raise EstimationError(
            f"cluster column {cluster!r} is not in the ratings once",
            remedy="ratings.assign(patient_id=...), with one row per unit",
        )
    codes = pd.factorize(ratings[cluster])[0]
    if (codes < 0).any():
        raise EstimationError(
            f"cluster column {cluster!r} is missing for some units",
            evidence=f"{int((codes < 0).sum())} of {len(codes)} units",
            remedy=f'leave them out: ratings.dropna(subset=["{cluster}"])',
        )
    return ratings.drop(columns=cluster), codes.astype(np.intp)


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
    if not 3 <= len(coded.raters) <= 12 or not coded.whole:
        return ()
    W = agreement_weights(coded.scores, weights)
    rows = []
    for i, j in combinations(range(len(coded.raters)), 2):
        c = cohen_kappa(coded.codes[:, i], coded.codes[:, j], W)
        error = c.std_error(1.0) if not np.isnan(c.estimate) else np.nan
        name = f"{coded.raters[i]} and {coded.raters[j]}"
        rows.append(AgreementRow("cohen_kappa", name, c.estimate, error, np.inf, c.n, c.reason))
    return tuple(rows)


def _notes(rows: Sequence[AgreementRow]) -> tuple[str, ...]:
    notes = []
    undefined = max(
        (int(np.isnan(r.draws).sum()) for r in rows if r.draws is not None and not r.level), default=0
    )
    if undefined:
        notes.append(f"some coefficient is not defined in {undefined} resamples, which its limits leave out")
    by = {row.term: row for row in rows if not row.level}
    index = by.get("prevalence_index")
    if index is not None and index.estimate > 0.8:
        notes.append("one category is rare (prevalence index above 0.8): kappa is low even at high agreement")
    if by["fleiss_kappa"].reason:
        notes.append(f"kappa: {by['fleiss_kappa'].reason}")
    return tuple(notes)
