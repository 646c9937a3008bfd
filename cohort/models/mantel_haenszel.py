"""One exposure and one outcome over strata: Mantel-Haenszel odds ratio, risk ratio and risk difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError
from cohort.estimators.contingency import Measure
from cohort.estimators.exact_strata import ExactStrata, exact_common_odds_ratio
from cohort.estimators.mantel_haenszel import (
    ChiSquared,
    breslow_day_test,
    check_tables,
    cmh_test,
    informative,
    pooled_odds_ratio,
    pooled_risk_difference,
    pooled_risk_ratio,
)
from cohort.format import fixed, interval, n_of_total, p_value, ratio
from cohort.models.coding import as_binary, as_categories, keep_usable
from cohort.models.design import align_columns
from cohort.models.one_row_each import check_one_row_each
from cohort.models.result import check_conf_level
from cohort.models.stratum_rows import stratum_rows
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.study.guards import acknowledged_guards, check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging, imaging_rates
from cohort.study.window_guard import check_windows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
LeftOut = tuple[tuple[str, str, int], ...]
_NAMES = {"odds_ratio": "odds ratio", "risk_ratio": "risk ratio", "risk_difference": "risk difference"}
_FIRST = {"odds_ratio": "mantel_haenszel", "risk_ratio": "mantel_haenszel", "risk_difference": "sato"}
_COLUMNS = [
    "term",
    "strata",
    "method",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "statistic",
    "df",
    "p_value",
    "n",
    "n_event",
    "reason",
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MantelHaenszel:
    """Association of an exposure with an outcome, pooled over strata.

    Attributes
    ----------
    exposure, outcome, by : str
        Names of the columns, or ``exposure``, ``outcome`` and ``strata`` for counts.
    strata : tuple of str
        Names of the strata.
    tables : array of shape (k, 2, 2)
        Per stratum exposed with and without the outcome, then unexposed with and without.
    exact : ExactStrata
        Conditional odds ratio at ``conf_level``.
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    exposure: str
    outcome: str
    by: str
    strata: tuple[str, ...]
    tables: FloatArray
    exact: ExactStrata
    conf_level: float
    left_out: LeftOut
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the pooled measures, the tests, and the measures of every stratum.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: measures are on their natural scale.

        Returns
        -------
        DataFrame
            ``term, strata, method, estimate, std_error, conf_low, conf_high, statistic, df, p_value, n, n_event,
            reason``. Pooled rows have an empty ``strata``: ``odds_ratio`` (mantel_haenszel, exact, mid_p),
            ``risk_ratio`` (mantel_haenszel), ``risk_difference`` (sato, greenland_robins), ``test`` (cmh,
            cmh_corrected, exact: conditional independence; breslow_day, breslow_day_tarone: the same odds ratio
            in all strata). Rows of a stratum have score limits. Standard errors are on the natural scale.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        n, n_event = int(self.tables.sum()), int(self.tables[:, :, 0].sum())
        rows = [
            _measure_row(term, method, m, n, n_event)
            for term, methods in self._pooled(level).items()
            for method, m in methods.items()
        ]
        rows += [
            ("test", "", name, *[np.nan] * 4, t.statistic, t.df, t.p_value, n, n_event, t.reason)
            for name, t in self._tests().items()
        ]
        pooled = pd.DataFrame(rows, columns=_COLUMNS)
        each = stratum_rows(self.tables, self.strata, level)
        return pd.concat([pooled, each.assign(statistic=np.nan, df=np.nan)[_COLUMNS]], ignore_index=True)

    def glance(self) -> pd.DataFrame:
        """Return one row about the analysis.

        Returns
        -------
        DataFrame
            ``n, n_event, n_missing, statistic, df, p_value`` (Cochran-Mantel-Haenszel, without correction),
            ``method, conf_level, acknowledged``.
        """
        test = cmh_test(self.tables, correct=False)
        return pd.DataFrame(
            {
                "n": [int(self.tables.sum())],
                "n_event": [int(self.tables[:, :, 0].sum())],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "statistic": [test.statistic],
                "df": [test.df],
                "p_value": [test.p_value],
                "method": ["Mantel-Haenszel, Cochran-Mantel-Haenszel test"],
                "conf_level": [self.conf_level],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(
        self, ax: Axes | None = None, term: str = "odds_ratio", labels: Mapping[str, str] | None = None
    ) -> Axes:
        """Draw the ratio of every stratum and the pooled one as a forest plot.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        term : {'odds_ratio', 'risk_ratio'}, default='odds_ratio'
            The ratio.
        labels : mapping, optional
            Text by stratum, by the name of the strata (``by``), and by ``Mantel-Haenszel``.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.forest import plot_forest

        if term not in ("odds_ratio", "risk_ratio"):
            raise EstimationError(
                f"{term!r} cannot be drawn on a ratio axis",
                evidence="terms: odds_ratio, risk_ratio",
                remedy='.plot(term="risk_ratio")',
            )
        rows = self.tidy()
        rows = rows[rows["term"] == term]
        each = rows[rows["strata"] != ""].assign(level=lambda f: f["strata"], term=self.by)
        pooled = rows[(rows["strata"] == "") & (rows["method"] == "mantel_haenszel")]
        pooled = pooled.assign(level="", term="Mantel-Haenszel")
        name = _NAMES[term].capitalize()
        frame = pd.concat([each, pooled], ignore_index=True)
        texts = {label: label for label in self.strata} | dict(labels or {})
        return plot_forest(frame, measure=name, ax=ax, labels=texts, conf_level=self.conf_level)

    def text(self, term: str = "odds_ratio") -> str:
        """Return the sentence fragment of one pooled measure.

        Parameters
        ----------
        term : str, default='odds_ratio'
            ``odds_ratio``, ``risk_ratio`` or ``risk_difference``.

        Returns
        -------
        str
            For example ``Mantel-Haenszel odds ratio 2.27 (95% CI 1.59–3.26; P<0.001)``.
        """
        if term not in _NAMES:
            raise EstimationError(
                f"term {term!r} is not in this result",
                evidence=f"terms: {', '.join(_NAMES)}",
                remedy="name one",
            )
        m = self._pooled(self.conf_level)[term][_FIRST[term]]
        value, limits = _print(term, m)
        p = cmh_test(self.tables, correct=False).p_value
        said = "test not possible" if np.isnan(p) else f"CMH P{p_value(p)}"
        return f"Mantel-Haenszel {_NAMES[term]} {value} ({100 * self.conf_level:g}% CI {limits}; {said})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _pooled(self, level: float) -> dict[str, dict[str, Measure]]:
        same = level == self.conf_level
        exact = self.exact if same else exact_common_odds_ratio(self.tables, level)
        return {
            "odds_ratio": {"mantel_haenszel": pooled_odds_ratio(self.tables, level), **exact.measures},
            "risk_ratio": {"mantel_haenszel": pooled_risk_ratio(self.tables, level)},
            "risk_difference": pooled_risk_difference(self.tables, level),
        }

    def _tests(self) -> dict[str, ChiSquared]:
        breslow_day, tarone = breslow_day_test(self.tables)
        return {
            "cmh": cmh_test(self.tables, correct=False),
            "cmh_corrected": cmh_test(self.tables, correct=True),
            "exact": ChiSquared(np.nan, np.nan, self.exact.p_value, self.exact.reason),
            "breslow_day": breslow_day,
            "breslow_day_tarone": tarone,
        }

    def _summary(self) -> Summary:
        measures = self._pooled(self.conf_level)
        printed = [
            (term, method, m)
            for term, methods in measures.items()
            for method, m in methods.items()
            if method != "greenland_robins"
        ]
        cells = {
            "measure": [_NAMES[term] for term, _, _ in printed],
            "method": [method.replace("_", "-") for _, method, _ in printed],
            "estimate": [_print(term, m)[0] for term, _, m in printed],
            f"{100 * self.conf_level:g}% CI": [_print(term, m)[1] for term, _, m in printed],
            "P": [p_value(m.p_value).removeprefix("=") for _, _, m in printed],
        }
        tests = self._tests()
        same = tests["breslow_day_tarone"]
        crude = self.tables.sum(axis=0)
        facts = (
            (
                "risk",
                f"exposed {n_of_total(int(crude[0, 0]), int(crude[0].sum()))}, "
                f"unexposed {n_of_total(int(crude[1, 0]), int(crude[1].sum()))}",
            ),
            ("association", f"CMH {_test_text(tests['cmh'])}, exact {_test_text(tests['exact'])}"),
            ("same odds ratio in all strata", f"Breslow-Day-Tarone {_test_text(same)}"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, (*self.notes, *_reasons(measures)))),
        )
        sentence = f"{self.outcome} by {self.exposure} over {_strata_text(len(self.strata))} of {self.by}"
        return Summary(f"{sentence}, {int(self.tables.sum())} patients", facts, pd.DataFrame(cells))


def mantel_haenszel(
    exposure: str | None = None,
    outcome: str | None = None,
    strata: str | Sequence[str] | None = None,
    data: pd.DataFrame | None = None,
    *,
    tables: ArrayLike | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> MantelHaenszel:
    """Pool the association of an exposure with an outcome over strata, such as centers or products.

    Every patient is compared with patients of the own stratum only, so that a center where the exposure and
    the outcome are both more frequent does not make an association. The pooled measure has a meaning of its
    own when the strata agree; the tests of Breslow and Day ask that of the odds ratio. No count is ever added
    to a cell: a stratum without information is said, and a measure that does not exist is missing with the
    reason.

    Parameters
    ----------
    exposure, outcome : str
        Columns of ``data``: absent/present, no/yes, boolean, 0/1, or a category of two levels (the second is
        the exposed). Patients with any other value are left out and counted by reason.
    strata : str or sequence of str
        Columns of the strata; several are crossed. Patients without one are left out and counted.
    data : DataFrame
        One row per patient.
    tables : array of shape (k, 2, 2), optional
        Counts instead of columns: per stratum ``[[a, b], [c, d]]``, exposed with and without the outcome, then
        unexposed with and without.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``, ``selective_imaging``, ``window``.

    Returns
    -------
    MantelHaenszel
        Pooled and stratum measures, on their natural scale, with ``tidy()``, ``glance()``, ``plot()`` and
        ``text()``.

    Raises
    ------
    EstimationError
        When cells are not counts or the shape is another (the message shows it), a column is unknown, used
        twice or not of two values, a patient has several rows (unless ``patient_id`` is among the strata: then
        patients are compared with themselves), or no patient is left.
    IncorporationError
        When the exposure is part of the grade that the outcome measures.

    See Also
    --------
    cohort.models.two_by_two.two_by_two : Without strata.

    Notes
    -----
    Variances: odds ratio by Robins, Breslow and Greenland [1]_, risk ratio by Greenland and Robins [2]_, risk
    difference by Sato [3]_ (fit for few large and for many small strata) and by Greenland and Robins. Limits of
    ratios are symmetrical on the log scale. ``exact`` and ``mid_p`` are conditional on all margins; their
    p-values are twice the smaller tail, that of the test ``exact`` sums tables no more probable than the
    observed one. Tarone's correction makes the test of Breslow and Day efficient. Equals R ``mantelhaen.test``,
    epiR 2.0.57 ``epi.2by2`` (``tests/reference/mantel_haenszel``). Exact limits are missing above a billion
    steps of the convolution over strata.

    References
    ----------
    .. [1] Robins J, Breslow N, Greenland S (1986). Biometrics 42:311-323. doi:10.2307/2531052
    .. [2] Greenland S, Robins JM (1985). Biometrics 41:55-68. doi:10.2307/2530643
    .. [3] Sato T (1989). On the variance estimator for the Mantel-Haenszel risk difference. Biometrics
       45:1323-1324.

    Examples
    --------
    >>> mantel_haenszel(tables=[[[8, 12], [3, 17]], [[5, 5], [4, 12]]]).text("odds_ratio")
    'Mantel-Haenszel odds ratio 3.42 (95% CI 1.11–10.5; CMH P=0.03)'
    """
    names = acknowledged_guards(acknowledge)
    level = check_conf_level(conf_level)
    left_out: LeftOut = ()
    notes: tuple[str, ...] = ()
    if tables is not None:
        if any(one is not None for one in (exposure, outcome, strata, data)):
            raise EstimationError(
                "mantel_haenszel takes columns or tables, not both",
                remedy="leave out tables=, or the columns",
            )
        counts = check_tables(tables)
        labels = tuple(f"stratum {i + 1}" for i in range(len(counts)))
    else:
        if exposure is None or outcome is None or strata is None:
            raise EstimationError(
                "mantel_haenszel needs an exposure, an outcome and strata",
                remedy='co.mantel_haenszel("flair_deep", "severe_icans", "center_id", data)',
            )
        by = (strata,) if isinstance(strata, str) else tuple(strata)
        counts, labels, left_out, notes = _from_columns(exposure, outcome, by, data, names)
    if counts.sum() == 0:
        raise EstimationError(
            "no patient is left after leaving out missing values",
            evidence=f"left out: {left_out_text(left_out)}",
            remedy="check which column is missing most",
        )
    return MantelHaenszel(
        exposure=exposure or "exposure",
        outcome=outcome or "outcome",
        by="strata" if strata is None else strata if isinstance(strata, str) else " x ".join(strata),
        strata=labels,
        tables=counts,
        exact=exact_common_odds_ratio(counts, level),
        conf_level=level,
        left_out=left_out,
        notes=(*notes, *_information(counts)),
        acknowledged=names,
    )


def _from_columns(
    exposure: str,
    outcome: str,
    strata: tuple[str, ...],
    data: pd.DataFrame | None,
    acknowledged: tuple[str, ...],
) -> tuple[FloatArray, tuple[str, ...], LeftOut, tuple[str, ...]]:
    """Count the patients of every stratum."""
    wanted = [exposure, outcome, *strata]
    if len(set(wanted)) < len(wanted):
        raise EstimationError(
            "a column is used twice",
            evidence=f"exposure {exposure}, outcome {outcome}, strata {', '.join(strata)}",
            remedy="give the exposure, the outcome and the strata each their own column",
        )
    if data is not None and "patient_id" not in strata:
        check_one_row_each(data, "mantel_haenszel")
    columns, _ = align_columns(wanted, data, None)
    facts = resolve_facts(wanted, None, data)
    notes = (
        *check_incorporation([exposure, *strata], [outcome], facts, acknowledged),
        *check_selective_imaging(wanted, data, acknowledged),
        *check_windows(wanted, facts, acknowledged),
        *imaging_rates([exposure, outcome], data),
    )
    coded = {name: as_binary(columns[name]) for name in (exposure, outcome)}
    coded |= {name: as_categories(columns[name]) for name in strata}
    keep, left_out, said = keep_usable(columns, coded)
    position, labels = np.zeros(int(keep.sum()), dtype=int), [""]
    for name in strata:
        one = coded[name]
        position = position * len(one.labels) + one.numbers[keep].astype(int)
        labels = [f"{before}, {own}" if before else own for before in labels for own in one.labels]
    x, y = (1 - coded[name].numbers[keep].astype(int) for name in (exposure, outcome))
    cells = np.bincount(4 * position + 2 * x + y, minlength=4 * len(labels)).astype(float)
    counts = cells.reshape(-1, 2, 2)
    seen = counts.sum(axis=(1, 2)) > 0
    kept = tuple(label for label, has in zip(labels, seen, strict=True) if has)
    return counts[seen], kept, left_out, (*notes, *said)


def _information(counts: FloatArray) -> tuple[str, ...]:
    """Say which strata add nothing, and to which measure."""
    n_silent = int((~informative(counts)).sum())
    alone = int((counts.sum(axis=2) == 0).any(axis=1).sum())
    if not n_silent:
        return ()
    note = (
        f"{n_silent} of {_strata_text(len(counts))} without information on the odds ratio (a margin is zero)"
    )
    return (f"{note}, {alone} of them on any measure (a group is empty)" if alone else note,)


def _strata_text(n: int) -> str:
    return f"{n} {'stratum' if n == 1 else 'strata'}"


def _measure_row(term: str, method: str, m: Measure, n: int, n_event: int) -> tuple[object, ...]:
    values = (m.estimate, m.std_error, m.conf_low, m.conf_high, np.nan, np.nan, m.p_value)
    return (term, "", method, *values, n, n_event, m.reason)


def _print(term: str, m: Measure) -> tuple[str, str]:
    if term == "risk_difference":
        return fixed(m.estimate, 2), interval(m.conf_low, m.conf_high, 2)
    return ratio(m.estimate), interval(m.conf_low, m.conf_high, None)


def _test_text(test: ChiSquared) -> str:
    return f"not computed ({test.reason})" if np.isnan(test.p_value) else f"P{p_value(test.p_value)}"


def _reasons(measures: dict[str, dict[str, Measure]]) -> list[str]:
    return list(
        dict.fromkeys(m.reason for methods in measures.values() for m in methods.values() if m.reason)
    )
