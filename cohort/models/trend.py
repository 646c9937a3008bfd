"""Trend of a yes/no or graded outcome over an ordered exposure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from cohort.errors import EstimationError
from cohort.estimators.proportions import proportion_limits
from cohort.estimators.trend_tests import (
    Slope,
    TrendTest,
    cochran_armitage,
    jonckheere_terpstra,
    linear_by_linear,
    trend_slope,
)
from cohort.format import fixed, interval, n_of_total, p_value
from cohort.models.ordered_counts import OrderedCounts, count_ordered
from cohort.models.plan_checks import check_n
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.study.guards import acknowledged_guards

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IntArray = NDArray[np.int64]
_NAMES = {
    "cochran_armitage": "Cochran-Armitage",
    "linear_by_linear": "linear-by-linear",
    "jonckheere_terpstra": "Jonckheere-Terpstra",
}
_TOO_MANY = "too many tables with these margins: see permutation"
_DRAWN_GRADES = 6


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trend:
    """Trend of an outcome over an ordered exposure.

    Attributes
    ----------
    score, outcome : str
        Columns of the exposure and of the outcome.
    counts : OrderedCounts
        Patients by both.
    slope : Slope or None
        Change of the risk, or of the mean grade, per unit of the score; None when nothing varies.
    tests : tuple of (str, TrendTest)
        By name; the first is that of the slope.
    reason : str
        Why there is no test; empty when there is.
    permutations, seed : int
        Random tables, and their seed.
    conf_level : float
        Confidence level.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    score: str
    outcome: str
    counts: OrderedCounts
    slope: Slope
    tests: tuple[tuple[str, TrendTest], ...]
    reason: str
    permutations: int
    seed: int
    conf_level: float
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the slope, then one row per test.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: the slope is a difference of risks or grades.

        Returns
        -------
        DataFrame
            ``term`` (``slope`` of the first test, else ``test``), ``method``, ``estimate``, ``std_error``,
            ``conf_low``, ``conf_high``, ``statistic`` (z; positive when the outcome rises), ``p_value``, ``n``,
            ``n_event`` (missing for a graded outcome), ``reason``. Methods: ``cochran_armitage`` for a yes/no outcome
            and ``linear_by_linear`` for a graded one, ``jonckheere_terpstra``, and each with ``_exact`` and
            ``_permutation``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        width = float(ndtri(0.5 + level / 2)) * self.slope.std_error
        b = self.slope.estimate
        rows: list[tuple[object, ...]] = []
        nan = np.nan
        for name, test in self.tests:
            effect = (
                ("slope", name, b, self.slope.std_error, b - width, b + width)
                if not rows
                else ("test", name, nan, nan, nan, nan)
            )
            reason = self.reason or (self.slope.reason if not rows else "")
            rows.append((*effect, test.statistic, test.p_value, reason))
            for kind, p, why in (("exact", test.p_exact, _TOO_MANY), ("permutation", test.p_random, "")):
                said = (self.reason or why) if np.isnan(p) else ""
                rows.append(("test", f"{name}_{kind}", nan, nan, nan, nan, test.statistic, p, said))
        names = ["term", "method", "estimate", "std_error", "conf_low", "conf_high"]
        frame = pd.DataFrame(rows, columns=[*names, "statistic", "p_value", "reason"])
        n, n_event = self._sizes()
        frame = frame.assign(n=n, n_event=pd.array([n_event] * len(frame), dtype="Int64"))
        return frame[[*names, "statistic", "p_value", "n", "n_event", "reason"]]

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole.

        Returns
        -------
        DataFrame
            ``n, n_event`` (missing for a graded outcome), ``n_missing, statistic, p_value`` (of the first test),
            ``method, conf_level, acknowledged``.
        """
        name, test = self.tests[0]
        n, n_event = self._sizes()
        return pd.DataFrame(
            {
                "n": [n],
                "n_event": pd.array([n_event], dtype="Int64"),
                "n_missing": [sum(k for *_, k in self.counts.left_out)],
                "statistic": [test.statistic],
                "p_value": [test.p_value],
                "method": [f"{_NAMES[name]} test of trend"],
                "conf_level": [self.conf_level],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None, labels: Mapping[str, str] | None = None) -> Axes:
        """Draw the risk at every level of the exposure with Wilson limits, or the grades as stacked bars.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        labels : mapping, optional
            Text by level of the exposure.

        Returns
        -------
        Axes
            The axes.
        """
        if self.counts.binary:
            return self._plot_risks(ax, labels)
        from cohort.plots.curves import readable, wrapped
        from cohort.plots.grade_bars import plot_grade_bars

        grades = self.counts.column_labels
        numeric = all(g.isdigit() and int(g) < _DRAWN_GRADES for g in grades)
        if not numeric and len(grades) > _DRAWN_GRADES:
            raise EstimationError(
                f"{self.outcome} has more levels than a figure of grades can show",
                evidence=f"{len(grades)} levels, at most {_DRAWN_GRADES}",
                remedy="join levels for the figure",
            )
        xlabel = "Patients (%)"
        if not numeric:
            xlabel += "\n" + wrapped(", ".join(f"{i} {g}" for i, g in enumerate(grades)), 60)
        shown = grades if numeric else [str(i) for i in range(len(grades))]
        r, c = self.counts.table.shape
        frame = pd.DataFrame(
            {
                "group": np.repeat(self.counts.row_labels, c),
                "grade": np.tile(shown, r),
                "n": self.counts.table.ravel(),
            }
        )
        title = _capital(readable(self.outcome))
        return _named(plot_grade_bars(frame, ax=ax, labels=labels, title=title, xlabel=xlabel), self.score)

    def _plot_risks(self, ax: Axes | None, labels: Mapping[str, str] | None) -> Axes:
        from cohort.plots.curves import readable
        from cohort.plots.proportions import plot_proportions

        n, events = self.counts.table.sum(axis=1), self._events()
        low, high = proportion_limits(events, n, "wilson", self.conf_level)
        frame = pd.DataFrame(
            {
                "term": self.outcome,
                "strata": list(self.counts.row_labels),
                "estimate": events / n,
                "conf_low": low,
                "conf_high": high,
                "n_event": events,
                "n": n,
            }
        )
        xlabel = f"{_capital(readable(self.outcome))} (%) with {100 * self.conf_level:g}% CI"
        ax = plot_proportions(frame, ax=ax, labels=labels, conf_level=self.conf_level, xlabel=xlabel)
        return _named(ax, self.score)

    def text(self, term: str = "slope") -> str:
        """Return the sentence fragment of the slope, or of one test.

        Parameters
        ----------
        term : str, default='slope'
            ``slope``, or a method of ``tidy()``.

        Returns
        -------
        str
            For example ``risk difference per unit 0.08 (95% CI 0.02–0.14; Cochran-Armitage P=0.01)``.
        """
        frame = self.tidy()
        found = frame[(frame["term"] == "slope") if term == "slope" else (frame["method"] == term)]
        if found.empty:
            raise EstimationError(
                f"term {term!r} is not in this result",
                evidence=f"terms: slope, {', '.join(frame['method'])}",
                remedy="write one of these",
            )
        row = found.iloc[0]
        name = self._test_name(row["method"])
        p = (
            f"P{p_value(row['p_value'])}"
            if np.isfinite(row["p_value"])
            else f"not computed ({row['reason']})"
        )
        if term != "slope":
            return f"{name} test of trend z {fixed(row['statistic'], 2)}, {p}"
        return f"{self._measure()} {self._slope_text()[:-1]}; {name} {p})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _sizes(self) -> tuple[int, int | None]:
        return int(self.counts.table.sum()), int(self._events().sum()) if self.counts.binary else None

    def _events(self) -> IntArray:
        """Return those with the outcome by level."""
        return np.asarray(self.counts.table @ self.counts.column_scores.astype(np.int64))

    def _measure(self) -> str:
        return f"{'risk' if self.counts.binary else 'mean'} difference per unit"

    def _slope_text(self) -> str:
        row = self.tidy().iloc[0]
        limits = interval(row["conf_low"], row["conf_high"], 2)
        return f"{fixed(row['estimate'], 2)} ({100 * self.conf_level:g}% CI {limits})"

    def _test_name(self, method: str) -> str:
        base = method.removesuffix("_exact").removesuffix("_permutation")
        kind = method.removeprefix(base).replace("_", " ")
        return _NAMES[base] + kind

    def _summary(self) -> Summary:
        cells = {
            "test of trend": [_NAMES[name] for name, _ in self.tests],
            "z": [fixed(test.statistic, 2) for _, test in self.tests],
            "P": [p_value(test.p_value).removeprefix("=") for _, test in self.tests],
            "exact P": [p_value(test.p_exact).removeprefix("=") for _, test in self.tests],
            "permutation P": [p_value(test.p_random).removeprefix("=") for _, test in self.tests],
        }
        n, events = self.counts.table.sum(axis=1).tolist(), self._events().tolist()
        pairs = zip(self.counts.row_labels, events, n, strict=True)
        if self.counts.binary:
            seen = ", ".join(f"{label}: {n_of_total(x, k)}" for label, x, k in pairs)
        else:
            means = (self.counts.table @ self.counts.column_scores / self.counts.table.sum(axis=1)).tolist()
            by_mean = zip(self.counts.row_labels, means, n, strict=True)
            seen = ", ".join(f"{label}: mean {fixed(mean, 2)} (n={k})" for label, mean, k in by_mean)
        tests = [test for _, test in self.tests]
        why = [_TOO_MANY] if not self.reason and any(np.isnan(test.p_exact) for test in tests) else []
        said = dict.fromkeys(r for r in (self.reason, self.slope.reason) if r)
        facts = (
            ("by score", seen),
            (self._measure(), self._slope_text() + (", robust (HC3)" if not self.slope.reason else "")),
            ("permutation", f"{self.permutations:,} random tables, seed {self.seed}"),
            ("left out", left_out_text(self.counts.left_out)),
            (
                "notes",
                notes_text(self.acknowledged, [*self.notes, *said, *why]),
            ),
        )
        sentence = f"Trend of {self.outcome} over {self.score} in {self._sizes()[0]} patients"
        return Summary(sentence, facts, pd.DataFrame(cells))


def trend(
    score: str,
    outcome: str,
    data: pd.DataFrame,
    *,
    scores: Mapping[object, float] | None = None,
    permutations: int = 10_000,
    seed: int = 1,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> Trend:
    """Test whether an outcome rises or falls over an ordered exposure.

    A test of trend spends its one degree of freedom on the order, so it finds what a test of r groups misses; it
    says nothing of a risk that rises and falls again. Kinds of not known (not imaged, not assessable, missing)
    are never a level: those patients are left out and counted by reason, also those whose grade is only known
    between bounds.

    Parameters
    ----------
    score : str
        Ordered exposure: whole or other numbers, which are their own scores; an ordered category, whose numeric
        labels are the scores, or else its positions 0, 1, 2; or two values. At most 50 levels.
    outcome : str
        Yes/no (absent/present, boolean, 0/1), or an ordered grade of at most 30 levels.
    data : DataFrame
        One row per patient.
    scores : mapping, optional
        Scores of the labels of ``score`` where the steps are not equal.
    permutations : int, default=10000
        Random tables with the same margins; as many random orders of the outcome would give.
    seed : int, default=1
        Their seed.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``, ``mixed_scales``, ``selective_imaging``, ``window``.

    Returns
    -------
    Trend
        Slope and tests with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        When a column is unknown, has no order (the message shows how to give one) or too many levels, a grade is
        not whole, a patient has several rows, or nobody is left.
    IncorporationError
        When the exposure is part of the grade that the outcome measures, or the other way round.
    SelectiveImagingError
        When a finding is absent or present in patients who were not imaged.
    MixedScalesError
        When reported grades come from several grading systems.

    See Also
    --------
    cohort.models.ordinal.ordinal : A model, which also uses grades known between bounds.

    Notes
    -----
    ``cochran_armitage`` (yes/no outcome) and ``linear_by_linear`` (grades) compare the scores' covariance with its
    variance given both margins; they differ by n/(n - 1). ``jonckheere_terpstra`` uses only the order, with the
    variance for ties. ``exact``: probability of a statistic as far from its expectation among all tables with these
    margins; ``permutation``: the same from random tables. The slope is that of least squares with the robust
    standard error HC3 [1]_, so that its limits do not assume the null; with few events prefer the exact test. Equals R
    ``prop.trend.test``, ``coin`` 1.4-2, ``cor.test(method = "kendall")``, ``sandwich`` (``tests/reference/trend``).

    References
    ----------
    .. [1] MacKinnon JG, White H (1985). J Econometrics 29:305-325. doi:10.1016/0304-4076(85)90158-7
    .. [2] Armitage P (1955). Tests for linear trends in proportions and frequencies. Biometrics 11:375-386.
    .. [3] Jonckheere AR (1954). A distribution-free k-sample test against ordered alternatives. Biometrika
       41:133-145.

    Examples
    --------
    >>> import pandas as pd
    >>> severe = [0] * 9 + [1] + [0] * 7 + [1] * 3 + [0] * 5 + [1] * 5
    >>> data = pd.DataFrame({"lesions": [0] * 10 + [1] * 10 + [2] * 10, "severe": severe})
    >>> trend("lesions", "severe", data).text()
    'risk difference per unit 0.20 (95% CI 0.00–0.40; Cochran-Armitage P=0.051)'
    """
    names = acknowledged_guards(acknowledge)
    level = check_conf_level(conf_level)
    random = check_n("permutations", permutations)
    counts = count_ordered(score, outcome, data, scores, names, "a test of trend")
    reason = _nothing_varies(score, outcome, counts)
    slope, tests = _tests(counts, reason, random, seed)
    return Trend(score, outcome, counts, slope, tests, reason, random, seed, level, counts.notes, names)


def _named(ax: Axes, score: str) -> Axes:
    """Name the exposure beside its levels."""
    from cohort.plots import layout
    from cohort.plots.curves import readable

    ax.set_ylabel(_capital(readable(score)), labelpad=4)
    layout.fit(ax)
    return ax


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _nothing_varies(score: str, outcome: str, counts: OrderedCounts) -> str:
    if len(counts.row_scores) < 2:
        return f"all patients have one level of {score}"
    if len(counts.column_scores) < 2:
        return f"all patients have one level of {outcome}"
    return "fewer than three patients" if counts.table.sum() < 3 else ""


def _tests(
    counts: OrderedCounts, reason: str, random: int, seed: int
) -> tuple[Slope, tuple[tuple[str, TrendTest], ...]]:
    first = "cochran_armitage" if counts.binary else "linear_by_linear"
    if reason:
        none = TrendTest(np.nan, np.nan, np.nan, np.nan)
        return Slope(np.nan, np.nan, reason), ((first, none), ("jonckheere_terpstra", none))
    u, v, table = counts.row_scores, counts.column_scores, counts.table
    linear = (
        cochran_armitage(table, u, random, seed)
        if counts.binary
        else linear_by_linear(table, u, v, random, seed)
    )
    ranked = jonckheere_terpstra(table, random, seed)
    return trend_slope(table, u, v), ((first, linear), ("jonckheere_terpstra", ranked))
