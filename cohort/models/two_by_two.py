"""One exposure and one outcome: risk ratio, odds ratio, risk difference and exact tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.contingency import (
    Measure,
    TwoByTwoCounts,
    odds_ratio_limits,
    risk_difference,
    risk_ratio,
)
from cohort.estimators.exact_tables import (
    barnard_p_value,
    boschloo_p_value,
    conditional_odds_ratio,
    fisher_p_value,
)
from cohort.format import fixed, interval, n_of_total, p_value, ratio
from cohort.models.coding import as_binary, keep_usable
from cohort.models.design import align_columns
from cohort.models.one_row_each import check_one_row_each
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.study.guards import acknowledged_guards, check_incorporation, resolve_facts
from cohort.study.imaging_guard import check_selective_imaging, imaging_rates
from cohort.study.window_guard import check_windows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
TESTS = ("fisher", "boschloo", "barnard")
_PRINTED = (
    ("risk_ratio", "score"),
    ("odds_ratio", "score"),
    ("odds_ratio", "exact"),
    ("odds_ratio", "mid_p"),
)

_NAMES = {"risk_ratio": "risk ratio", "odds_ratio": "odds ratio", "risk_difference": "risk difference"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TwoByTwo:
    """Association of an exposure with an outcome in a two-by-two table.

    Attributes
    ----------
    exposure, outcome : str
        Names of the columns, or ``exposure`` and ``outcome`` for counts.
    counts : TwoByTwoCounts
        The table.
    tests : tuple of (str, float)
        Two-sided p-values of ``fisher``, ``boschloo`` and ``barnard``.
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
    counts: TwoByTwoCounts
    tests: tuple[tuple[str, float], ...]
    conf_level: float
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per measure and method, then one per test.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: measures are on their natural scale.

        Returns
        -------
        DataFrame
            ``term, method, estimate, std_error, conf_low, conf_high, p_value, reason``. Terms ``risk_ratio``
            (wald, score), ``odds_ratio`` (wald, score: the sample ratio; exact, mid_p: the conditional one),
            ``risk_difference`` (wald, score, newcombe), and ``test`` (fisher, boschloo, barnard). A standard
            error of a ratio is on its natural scale, by the delta method.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        rows = [
            (term, method, m.estimate, m.std_error, m.conf_low, m.conf_high, m.p_value, m.reason)
            for term, methods in _measures(self.counts, level).items()
            for method, m in methods.items()
        ]
        nan = np.nan
        rows += [
            ("test", name, nan, nan, nan, nan, p, _test_reason(self.counts, p)) for name, p in self.tests
        ]
        columns = ["term", "method", "estimate", "std_error", "conf_low", "conf_high", "p_value", "reason"]
        return pd.DataFrame(rows, columns=columns)

    def glance(self) -> pd.DataFrame:
        """Return one row about the table.

        Returns
        -------
        DataFrame
            ``n, n_event, n_missing, p_value`` (Fisher), ``method, conf_level, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.counts.n],
                "n_event": [self.counts.a + self.counts.c],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "p_value": [dict(self.tests)["fisher"]],
                "method": ["two-by-two table, Fisher's exact test"],
                "conf_level": [self.conf_level],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the risk ratio and the odds ratio, by method, as a forest plot.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.forest import plot_forest

        frame = self.tidy()
        ratios = frame[frame["term"].isin(["risk_ratio", "odds_ratio"])]
        ratios = ratios.assign(
            term=ratios["term"].map(_NAMES).str.capitalize(),
            level=ratios["method"].str.replace("_", "-").str.capitalize(),
        )
        return plot_forest(ratios, measure="Ratio", ax=ax, conf_level=self.conf_level, direction=("", ""))

    def text(self, term: str = "risk_ratio") -> str:
        """Return the sentence fragment of one measure.

        Parameters
        ----------
        term : str, default='risk_ratio'
            ``risk_ratio``, ``odds_ratio`` or ``risk_difference``; score limits, Fisher's P.

        Returns
        -------
        str
            For example ``risk ratio 2.27 (95% CI 1.59–3.26; Fisher P<0.001)``.
        """
        if term not in _NAMES:
            raise EstimationError(
                f"term {term!r} is not in this result",
                evidence=f"terms: {', '.join(_NAMES)}",
                remedy="name one",
            )
        m = _measures(self.counts, self.conf_level)[term]["score"]
        value, limits = _print(term, m)
        test = f"Fisher {_p_text(dict(self.tests)['fisher'])}"
        return f"{_NAMES[term]} {value} ({100 * self.conf_level:g}% CI {limits}; {test})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        t = self.counts
        measures = _measures(t, self.conf_level)
        printed = [
            (term, method, measures[term][method])
            for term, method in (*_PRINTED, ("risk_difference", "score"))
        ]
        cells = {
            "measure": [_NAMES[term] for term, _, _ in printed],
            "method": [method.replace("_", "-") for _, method, _ in printed],
            "estimate": [_print(term, m)[0] for term, _, m in printed],
            f"{100 * self.conf_level:g}% CI": [_print(term, m)[1] for term, _, m in printed],
            "P": [p_value(m.p_value).removeprefix("=") for _, _, m in printed],
        }
        reasons = dict.fromkeys(
            m.reason for methods in measures.values() for m in methods.values() if m.reason
        )
        facts = (
            ("risk", f"exposed {n_of_total(t.a, t.exposed)}, unexposed {n_of_total(t.c, t.unexposed)}"),
            ("tests", ", ".join(f"{name.capitalize()} {_p_text(p)}" for name, p in self.tests)),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, (*self.notes, *reasons))),
        )
        return Summary(f"{self.outcome} by {self.exposure} in {t.n} patients", facts, pd.DataFrame(cells))


def two_by_two(
    a: int | str | None = None,
    b: int | str | None = None,
    c: int | None = None,
    d: int | None = None,
    *,
    exposure: str | None = None,
    outcome: str | None = None,
    data: pd.DataFrame | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> TwoByTwo:
    """Compare the risk of an outcome between exposed and unexposed patients.

    Give four counts, or two columns of ``data``. No count is ever added to a cell: where a measure or its
    limits do not exist, they are missing or infinite with the reason.

    Parameters
    ----------
    a, b : int or str
        Exposed with and without the outcome; or the names of the exposure and the outcome column.
    c, d : int
        Unexposed with and without the outcome.
    exposure, outcome : str
        Columns of ``data``: absent/present, no/yes, boolean, 0/1, or a category of two levels (the second is
        the exposed). Patients with any other value are left out and counted by reason.
    data : DataFrame
        One row per patient.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``, ``selective_imaging``, ``window``.

    Returns
    -------
    TwoByTwo
        Measures with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        When cells are missing or negative, a column is unknown or not of two values, or a patient has several rows
        (link to one row per patient first).
    IncorporationError
        When the exposure is part of the grade that the outcome measures.

    Notes
    -----
    ``score``: Miettinen and Nurminen [1]_, also for a zero cell. ``exact`` and ``mid_p``: conditional on both
    margins, the estimate being the conditional maximum likelihood one; their p-values are twice the smaller
    tail. ``fisher`` sums tables no more probable than the observed one, as R; ``boschloo`` uses that p-value
    as statistic; ``barnard`` the pooled z. Both maximize over the common risk and count ties as extreme.
    Their p-values are missing above a million possible tables.

    References
    ----------
    .. [1] Miettinen O, Nurminen M (1985). Comparative analysis of two rates. Stat Med 4:213-226.
       doi:10.1002/sim.4780040211

    Examples
    --------
    >>> two_by_two(10, 10, 2, 15).text("risk_difference")
    'risk difference 0.38 (95% CI 0.08–0.62; Fisher P=0.02)'
    """
    names = acknowledged_guards(acknowledge)
    if isinstance(a, str) and isinstance(b, str):
        exposure, outcome = a, b
    if exposure is not None and outcome is not None:
        counts, left_out, notes = _from_columns(exposure, outcome, data, names)
    else:
        if any(x is None or isinstance(x, str) for x in (a, b, c, d)):
            raise EstimationError(
                "two_by_two needs four counts, or an exposure and an outcome column",
                remedy='co.two_by_two(10, 10, 2, 15), or co.two_by_two("flair_deep", "severe", data=data)',
            )
        counts, left_out, notes = TwoByTwoCounts(*(_count(x) for x in (a, b, c, d))), (), ()
    tests = (fisher_p_value(counts), boschloo_p_value(counts), barnard_p_value(counts))
    return TwoByTwo(
        exposure=exposure or "exposure",
        outcome=outcome or "outcome",
        counts=counts,
        tests=tuple(zip(TESTS, tests, strict=True)),
        conf_level=check_conf_level(conf_level),
        left_out=left_out,
        notes=notes,
        acknowledged=names,
    )


def _measures(counts: TwoByTwoCounts, conf_level: float) -> dict[str, dict[str, Measure]]:
    return {
        "risk_ratio": risk_ratio(counts, conf_level),
        "odds_ratio": odds_ratio_limits(counts, conf_level) | conditional_odds_ratio(counts, conf_level),
        "risk_difference": risk_difference(counts, conf_level),
    }


def _print(term: str, m: Measure) -> tuple[str, str]:
    """Print an estimate and its limits."""
    if term == "risk_difference":
        return fixed(m.estimate, 2), interval(m.conf_low, m.conf_high, 2)
    return ratio(m.estimate), interval(m.conf_low, m.conf_high, None)


def _p_text(p: float) -> str:
    return "not computed" if np.isnan(p) else f"P{p_value(p)}"


def _count(value: object) -> int:
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise EstimationError("a cell is not a number", remedy="give four counts of patients")
    if not float(value).is_integer():
        raise EstimationError(
            "a cell is not a whole number", remedy="give counts of patients, not proportions"
        )
    return int(value)


def _test_reason(counts: TwoByTwoCounts, p: float) -> str:
    if not np.isnan(p):
        return ""
    if not counts.exposed or not counts.unexposed:
        return "one group is empty"
    return "more than a million possible tables"


def _from_columns(
    exposure: str, outcome: str, data: pd.DataFrame | None, acknowledged: tuple[str, ...]
) -> tuple[TwoByTwoCounts, tuple[tuple[str, str, int], ...], tuple[str, ...]]:
    if data is None:
        raise EstimationError("no data was given", remedy="pass data=, the frame with both columns")
    check_one_row_each(data, "a two-by-two table")
    columns, _ = align_columns(list(dict.fromkeys((exposure, outcome))), data, None)
    facts = resolve_facts([exposure, outcome], None, data)
    notes = (
        *check_incorporation([exposure], [outcome], facts, acknowledged),
        *check_selective_imaging([exposure, outcome], data, acknowledged),
        *check_windows([exposure, outcome], facts, acknowledged),
        *imaging_rates([exposure, outcome], data),
    )
    coded = {name: as_binary(columns[name]) for name in dict.fromkeys((exposure, outcome))}
    keep, left_out, said = keep_usable(columns, coded)
    x, y = coded[exposure].numbers[keep] == 1, coded[outcome].numbers[keep] == 1
    cells = [int(np.count_nonzero(exposed & event)) for exposed in (x, ~x) for event in (y, ~y)]
    return TwoByTwoCounts(*cells), left_out, (*notes, *said)
