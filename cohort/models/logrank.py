"""Tests of equal survival in groups: log-rank, weighted, for trend, and of each pair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.aalen_johansen import risk_table
from cohort.estimators.logrank import KSampleTest, logrank_test, trend_test
from cohort.estimators.logrank_weights import TimeWeights, WeightKind
from cohort.estimators.pairwise_logrank import PairTest, pairwise_logrank
from cohort.format import fixed, p_value
from cohort.models.curves import excluded_rows
from cohort.models.groups import make_groups
from cohort.models.ratios import draw_ratios, ratio_text
from cohort.models.result import check_conf_level, tidy_regression, wald
from cohort.models.single_event import single_event
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.study.guards import acknowledged_guards, check_immortal_time, resolve_facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]
Adjust = Literal["holm", "bonferroni", "bh", "none"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LogRank:
    """Tests of equal survival in groups.

    Attributes
    ----------
    outcome, by : str
        The event, and the column of the groups.
    names : tuple of str
        Names of the groups.
    n_group, observed, expected : array of shape (n_groups,)
        Rows, events, and events expected if all groups had the same hazard (unweighted).
    test : KSampleTest
        All groups at once.
    trend : KSampleTest or None
        Trend over the scores, when asked.
    scores : tuple of float
        Scores of the groups for the trend; empty without.
    pairs : tuple of PairTest
        Every two groups.
    weights : TimeWeights
        How event times count.
    adjust : {'holm', 'bonferroni', 'bh', 'none'}
        Adjustment of the p-values of the pairs.
    conf_level : float
        Confidence level of the hazard ratios.
    n : int
        Patients; one who changes group in a counting process counts once.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    outcome: str
    by: str
    names: tuple[str, ...]
    n_group: NDArray[np.int64]
    observed: FloatArray
    expected: FloatArray
    test: KSampleTest
    trend: KSampleTest | None
    scores: tuple[float, ...]
    pairs: tuple[PairTest, ...]
    weights: TimeWeights
    adjust: Adjust
    conf_level: float
    n: int
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the test of all groups, the trend, and every pair.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Whether the one-step estimates and their limits are hazard ratios instead of their logarithms.

        Returns
        -------
        DataFrame
            ``term`` (``all groups``, ``trend``, or ``B vs A``), ``level, estimate, std_error`` (log scale),
            ``statistic`` (chi-squared), ``df, p_value, p_adjusted`` (pairs), ``conf_low, conf_high, method, reason``.
        """
        level = self.conf_level if conf_level is None else conf_level
        tests = [("all groups", self.test)] + ([("trend", self.trend)] if self.trend is not None else [])
        tests += [(self._pair_name(pair), pair.test) for pair in self.pairs]
        head = len(tests) - len(self.pairs)
        estimate = np.r_[np.full(head, np.nan), [pair.log_hazard_ratio for pair in self.pairs]]
        error = np.r_[np.full(head, np.nan), [pair.std_error for pair in self.pairs]]
        low, high, _, _ = wald(estimate, error, level)
        p = np.array([test.p_value for _, test in tests])
        statistic = np.array([test.statistic for _, test in tests])
        rows = tidy_regression(
            [name for name, _ in tests],
            [""] * len(tests),
            estimate,
            error,
            low,
            high,
            p,
            statistic,
            exponentiate=exponentiate,
        )
        adjusted = np.r_[np.full(head, np.nan), _adjusted(p[head:], self.adjust)]
        return rows.assign(
            df=[test.df for _, test in tests],
            p_adjusted=adjusted,
            method=self.weights.label,
            reason=[test.reason for _, test in tests],
        )

    def groups(self) -> pd.DataFrame:
        """Return observed and expected events of each group.

        Returns
        -------
        DataFrame
            ``strata, n, n_event, n_event_expected``; expected under equal hazards, unweighted, as R ``survdiff``.
        """
        return pd.DataFrame(
            {
                "strata": list(self.names),
                "n": self.n_group,
                "n_event": self.observed.astype(int),
                "n_event_expected": self.expected,
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the test of all groups.

        Returns
        -------
        DataFrame
            ``n, n_event, n_missing, statistic, df, p_value, method, conf_level, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [int(self.observed.sum())],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "statistic": [self.test.statistic],
                "df": [self.test.df],
                "p_value": [self.test.p_value],
                "method": [self.weights.label],
                "conf_level": [self.conf_level],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the one-step hazard ratios of the pairs as a forest.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        rows = self.tidy(exponentiate=True).tail(len(self.pairs)).dropna(subset=["estimate"])
        if rows.empty:
            raise EstimationError(
                "there is no hazard ratio to draw",
                evidence=f"{self.weights.label} test, {len(self.pairs)} pairs",
                remedy='write weights="logrank", or draw the curves: co.kaplan_meier(...).plot()',
            )
        return draw_ratios(rows, {}, "one-step hazard ratio", self.conf_level, ax)

    def text(self, term: str = "all groups") -> str:
        """Return a sentence fragment: a test, or the hazard ratio of a pair.

        Parameters
        ----------
        term : str, default='all groups'
            A term of :meth:`tidy`.

        Returns
        -------
        str
            The fragment.
        """
        rows = self.tidy(exponentiate=True)
        row = rows[rows["term"] == term]
        if len(row) and np.isfinite(float(row["estimate"].iloc[0])):
            return ratio_text(rows, term, "one-step hazard ratio", self.conf_level)
        if row.empty:
            raise EstimationError(
                f"term {term!r} is not in this result",
                evidence=f"terms: {', '.join(rows['term'])}",
                remedy="write one of these terms",
            )
        one = row.iloc[0]
        if one["reason"]:
            return f"{self.weights.label} test not possible: {one['reason']}"
        return (
            f"{self.weights.label} test{' for trend' if term == 'trend' else ''}: chi-squared "
            f"{fixed(float(one['statistic']), 2)} on {int(one['df'])} df, P{p_value(float(one['p_value']))}"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        rows = self.tidy(exponentiate=True)
        cells = pd.DataFrame(
            {
                self.by: [name or "all" for name in self.names],
                "n": [str(n) for n in self.n_group],
                "events": [f"{d:.0f}" for d in self.observed],
                "expected": [fixed(float(e), 1) for e in self.expected],
            }
        )
        pairs = rows.tail(len(self.pairs)) if len(self.names) > 2 else rows.iloc[:0]
        adjusted = [
            f"{t} P{p_value(float(p))}" for t, p in zip(pairs["term"], pairs["p_adjusted"], strict=True)
        ]
        facts = (
            ("test", self.text()),
            ("trend", "" if self.trend is None else self.text("trend")),
            (f"pairs ({self.adjust})", ", ".join(text for text in adjusted if "nan" not in text.lower())),
            ("patients", f"{self.n}, events {self.observed.sum():.0f}"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        return Summary(f"Test of equal hazards: {self.outcome}, by {self.by}", facts, cells)

    def _pair_name(self, pair: PairTest) -> str:
        return f"{self.names[pair.second]} vs {self.names[pair.first]}"


def logrank(
    endpoint: Endpoint,
    by: str,
    data: pd.DataFrame | None = None,
    *,
    strata: str | None = None,
    weights: WeightKind = "logrank",
    rho: float = 0.0,
    gamma: float = 0.0,
    trend: bool | Sequence[float] = False,
    adjust: Adjust = "holm",
    outcome: str | None = None,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> LogRank:
    """Test whether groups of patients have the same hazard over time.

    The log-rank test is the most powerful when hazards are proportional; a weighted test, chosen before the curves
    were seen, looks at early or late differences. Pairs are compared on their own patients only. Ties and left
    truncation are exact (hypergeometric variance). A patient whose group is not known is left out and counted.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up with one kind of event.
    by : str
        Column whose categories are the groups; it must be known at the endpoint's origin. From ``counting_process``
        it may change with time (Mantel-Byar test).
    data : DataFrame, optional
        Further columns, aligned to the endpoint by index label.
    strata : str, optional
        Column over which all tests are stratified.
    weights : {'logrank', 'gehan', 'tarone-ware', 'peto', 'fleming-harrington'}, default='logrank'
        How event times count: alike, by the number at risk, by its square root, by survival just before, or by
        ``S^rho (1 - S)^gamma``.
    rho, gamma : float, default=0
        Powers of ``fleming-harrington``.
    trend : bool or sequence of float, default=False
        True: scores 0, 1, 2, ... in order of the categories; or one score per group, such as the grade itself.
    adjust : {'holm', 'bonferroni', 'bh', 'none'}, default='holm'
        Adjustment of the p-values of the pairs for their number.
    outcome : str, optional
        With ``acknowledge="competing_risk"``: the event of interest, all others being censored.
    conf_level : float, default=0.95
        Confidence level of the one-step hazard ratios.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``immortal_time``, ``competing_risk``.

    Returns
    -------
    LogRank
        Tests with ``tidy()``, ``groups()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    CompetingRiskError
        When the endpoint has competing events: use Gray's test of :func:`cumulative_incidence`, or a cause-specific
        comparison with ``outcome=`` and ``acknowledge="competing_risk"``.
    ImmortalTimeError
        When ``by`` became known after the origin: use a landmark or ``counting_process``.
    EstimationError
        When a column is unknown, scores do not fit the groups, or nobody is left.

    See Also
    --------
    cohort.models.kaplan_meier.kaplan_meier : The curves.

    Notes
    -----
    Equals R ``survdiff`` (with ``rho``), the score test of ``coxph(ties="exact")`` for trend, and the defining sums
    for the other weights, to 1e-10 (``tests/reference/logrank``). The one-step
    (Peto) hazard ratio of a pair is U/V; a Cox model is the estimate of choice.

    Examples
    --------
    >>> import pandas as pd
    >>> from cohort.study.endpoints import Endpoint
    >>> frame = pd.DataFrame({"days": [1, 2, 3, 4], "died": [1, 1, 1, 1], "group": ["a", "b", "a", "b"]})
    >>> logrank(Endpoint.from_columns(frame, time="days", event="died"), "group").text()
    'log-rank test: chi-squared 0.62 on 1 df, P=0.43'
    """
    names = acknowledged_guards(acknowledge)
    how = TimeWeights(weights, rho, gamma)
    if adjust not in get_args(Adjust):
        raise EstimationError(
            f"adjust={adjust!r} is unknown", remedy=f"write one of {', '.join(get_args(Adjust))}"
        )
    event, label = single_event(endpoint, outcome, names)
    used = [name for name in (by, strata) if name is not None]
    notes = list(check_immortal_time(used, endpoint, resolve_facts(used, endpoint, data), names))
    groups = make_groups(endpoint, by, data, strata)
    notes += [f"no patients: {', '.join(groups.empty)}"] if groups.empty else []
    notes += [f"{by} changes with time: Mantel-Byar test"] if by in endpoint.exposures else []
    rows = groups.rows
    start, stop, died = endpoint.start[rows], endpoint.stop[rows], event[rows]
    scores = _scores(trend, groups.names)
    test = logrank_test(start, stop, died, groups.codes, groups.strata, how)
    plain = logrank_test(start, stop, died, groups.codes, groups.strata)
    observed = np.bincount(groups.codes[died > 0], minlength=len(groups.names)).astype(float)
    subject = None if endpoint.subject is None else endpoint.subject[rows]
    everyone = risk_table(start, stop, died, 1, subject)
    return LogRank(
        outcome=label,
        by=by,
        names=groups.names,
        n_group=np.bincount(groups.codes, minlength=len(groups.names)),
        observed=observed,
        expected=observed - plain.score,
        test=test,
        trend=trend_test(test, scores) if scores else None,
        scores=scores,
        pairs=pairwise_logrank(start, stop, died, groups.codes, groups.strata, how),
        weights=how,
        adjust=adjust,
        conf_level=check_conf_level(conf_level),
        n=everyone.n,
        left_out=(*excluded_rows(endpoint), *groups.left_out),
        notes=(*notes, *endpoint.notes),
        acknowledged=tuple(dict.fromkeys((*endpoint.acknowledged, *names))),
    )


def _scores(trend: bool | Sequence[float], names: Sequence[str]) -> tuple[float, ...]:
    """Return one score per group that has patients; nothing when no trend is asked."""
    if isinstance(trend, bool):
        return tuple(float(k) for k in range(len(names))) if trend else ()
    scores = tuple(float(value) for value in trend)
    if len(scores) != len(names) or not np.isfinite(scores).all():
        raise EstimationError(
            "scores of the trend do not fit the groups",
            evidence=f"{len(scores)} scores for {len(names)} groups: {', '.join(names)}",
            remedy="give one finite number per group that has patients, in this order",
        )
    return scores


def _adjusted(p: FloatArray, adjust: Adjust) -> FloatArray:
    """Adjust p-values for their number; tests that could not be made do not count."""
    known = ~np.isnan(p)
    out = np.full(len(p), np.nan)
    if not known.any():
        return out
    if adjust == "none":
        return p
    from statsmodels.stats.multitest import multipletests

    out[known] = multipletests(p[known], method={"bh": "fdr_bh"}.get(adjust, adjust))[1]
    return out
