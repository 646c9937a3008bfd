"""Survival by the Kaplan-Meier estimator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError
from cohort.estimators.aalen_johansen import risk_table
from cohort.estimators.kaplan_meier import ConfType, kaplan_meier_curve
from cohort.estimators.logrank import KSampleTest, logrank_test
from cohort.estimators.restricted_mean import restricted_mean_survival
from cohort.estimators.weighted_survival import weighted_kaplan_meier
from cohort.format import p_value
from cohort.models.curve_contrasts import difference_rows, ratio_rows
from cohort.models.curves import (
    as_series,
    check_horizon,
    check_times,
    counts_since_start,
    draw_survival,
    excluded_rows,
    interval_text,
    restricted_mean_rows,
    value_text,
)
from cohort.models.given_weights import GivenWeights, weight_notes_of
from cohort.models.groups import Groups, make_groups
from cohort.models.result import check_conf_level
from cohort.models.single_event import single_event
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.models.survival_rows import (
    SurvivalGroup,
    curve_text,
    quantile_rows,
    reverse_median,
    survival_rows,
)
from cohort.models.weighted_groups import no_weighted_test, subject_codes, weighted_groups, weighted_mean
from cohort.study.guards import acknowledged_guards, check_immortal_time, resolve_facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KaplanMeier:
    """Survival curves with their risk tables and the log-rank test.

    Attributes
    ----------
    outcome : str
        The endpoint.
    by : str
        Column of the groups, empty for none.
    groups : tuple of SurvivalGroup
        One curve per group.
    n : int
        Patients; one who changes group in a counting process counts once.
    follow_up_median : float
        Median follow-up by the reverse Kaplan-Meier estimator, of all patients together.
    test : KSampleTest
        Log-rank test.
    conf_type : {'log-log', 'log', 'plain'}
        Scale of the limits.
    conf_level : float
        Confidence level.
    unit : str
        Unit of time.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    weighted : bool
        Whether patients are weighted; standard errors are robust then.
    """

    outcome: str
    by: str
    groups: tuple[SurvivalGroup, ...]
    n: int
    follow_up_median: float
    test: KSampleTest
    conf_type: ConfType
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]
    weighted: bool = False

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per group and distinct time.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: probabilities are on their natural scale.

        Returns
        -------
        DataFrame
            ``strata, outcome, time, n_risk, n_event, n_censor, estimate, std_error, conf_low, conf_high,
            reason``.
        """
        return self._rows(None, conf_level)

    def at(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return survival at given times, as R ``summary(survfit, times=)``.

        Parameters
        ----------
        times : array-like
            Times since the origin, in the endpoint's unit; sorted in the answer.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`tidy`. ``n_risk`` is the number at risk just before the time; ``n_event`` and
            ``n_censor`` count from the previous time given (excluded) to this one (included). Beyond a
            group's last follow-up the estimate is missing, with the reason, unless survival has reached 0.
        """
        return self._rows(check_times(times), conf_level)

    def median(self, conf_level: float | None = None) -> pd.DataFrame:
        """Return median survival times; see :meth:`quantile`.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            One row per group, as in :meth:`quantile`.
        """
        return self.quantile((0.5,), conf_level)

    def quantile(
        self, probs: Sequence[float] = (0.25, 0.5, 0.75), conf_level: float | None = None
    ) -> pd.DataFrame:
        """Return times by which given shares of patients have had the event, as R ``quantile(survfit)``.

        Parameters
        ----------
        probs : sequence of float, default=(0.25, 0.5, 0.75)
            Shares with the event.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``strata, outcome, term`` (the share), ``estimate, conf_low, conf_high, n, n_event, reason``.
            Where the curve is exactly at the share over an interval, the estimate is its midpoint. Limits are
            where the limits of the curve cross; NaN where they do not.
        """
        p = np.asarray(probs, dtype=float)
        if not ((p > 0) & (p < 1)).all():
            raise EstimationError(
                "probabilities must lie between 0 and 1", remedy="write quantile((0.25, 0.5))"
            )
        level = self._level(conf_level)
        frames = [quantile_rows(g, self.outcome, p, self.conf_type, level) for g in self.groups]
        return pd.concat(frames, ignore_index=True)

    def rmst(self, tau: float, conf_level: float | None = None) -> pd.DataFrame:
        """Return the restricted mean survival time up to a horizon.

        Parameters
        ----------
        tau : float
            Horizon since the origin, in the endpoint's unit.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``strata, outcome, time`` (the horizon), ``estimate, std_error, conf_low, conf_high, reason``.
        """
        tau = check_horizon(tau)
        means = [restricted_mean_survival(g.table, tau) for g in self.groups]
        if self.weighted:
            means = [weighted_mean(g, mean, tau) for g, mean in zip(self.groups, means, strict=True)]
        names = [g.name for g in self.groups]
        return restricted_mean_rows(names, [self.outcome] * len(names), tau, means, self._level(conf_level))

    def rmst_difference(self, tau: float, conf_level: float | None = None) -> pd.DataFrame:
        """Return differences of restricted mean survival times from the first group.

        Parameters
        ----------
        tau : float
            Horizon since the origin, in the endpoint's unit.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``term`` (the comparison), ``outcome, time, estimate, std_error, statistic, p_value, conf_low,
            conf_high``.
        """
        return difference_rows(self.rmst(tau), self._level(conf_level))

    def rmst_ratio(self, tau: float, conf_level: float | None = None) -> pd.DataFrame:
        """Return ratios of restricted mean survival times to that of the first group.

        Parameters
        ----------
        tau : float
            Horizon since the origin, in the endpoint's unit.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`rmst_difference`; limits are symmetric, and ``std_error`` is, on the log scale.
        """
        return ratio_rows(self.rmst(tau), self._level(conf_level))

    def difference(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return differences in survival from the first group at given times.

        Parameters
        ----------
        times : array-like
            Times since the origin, in the endpoint's unit; better one chosen beforehand than the one that shows most.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``term`` (the comparison), ``outcome, time, estimate, std_error, statistic, p_value, conf_low,
            conf_high, reason``; Wald limits of independent groups, on the scale of probabilities.
        """
        return difference_rows(self.at(times), self._level(conf_level))

    @property
    def logrank(self) -> pd.Series:
        """Log-rank test: ``statistic, df, p_value, reason``; NaN with the reason for one group.

        Returns
        -------
        Series
            The test.
        """
        return as_series(self.test)

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole result.

        Returns
        -------
        DataFrame
            ``n, n_event, n_missing``, the log-rank ``statistic, df, p_value``, ``method, conf_level, unit,
            follow_up_median`` (reverse Kaplan-Meier) and ``acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [self.n_event],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "statistic": [self.test.statistic],
                "df": [self.test.df],
                "p_value": [self.test.p_value],
                "method": [f"{self._method()}, {self.conf_type} limits"],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "follow_up_median": [self.follow_up_median],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    @property
    def n_event(self) -> int:
        """Number of events.

        Returns
        -------
        int
            Over all groups.
        """
        return sum(int(g.table.n_event.sum()) for g in self.groups)

    def plot(self, ax: Axes | None = None, risk_table: bool = True, times: ArrayLike | None = None) -> Axes:
        """Draw the curves over their risk table.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        risk_table : bool, default=True
            Whether numbers at risk stand below the curves.
        times : array-like, optional
            Ticks of the axis and columns of the risk table.

        Returns
        -------
        Axes
            The axes.
        """
        return draw_survival(self, ax, risk_table, times)

    def counts(self, times: ArrayLike) -> pd.DataFrame:
        """Return the risk table: as :meth:`at`, with events and censorings counted from time 0.

        Parameters
        ----------
        times : array-like
            Times since the origin.

        Returns
        -------
        DataFrame
            ``strata, outcome, time, n_risk, n_event, n_censor``.
        """
        return counts_since_start(self.at(times))

    def text(self, term: str = "", time: float | None = None) -> str:
        """Return a sentence fragment: the median, or survival at a time.

        Parameters
        ----------
        term : str, default=''
            Name of the group; empty when there are none.
        time : float, optional
            Time at which survival is told instead of the median.

        Returns
        -------
        str
            The fragment.
        """
        frame = self.median() if time is None else self.at([time])
        rows = frame[frame["strata"] == term]
        if rows.empty:
            names = ", ".join(g.name for g in self.groups)
            raise EstimationError(
                f"there is no group {term!r}", evidence=f"groups: {names}", remedy="name one of them"
            )
        words = f"{self.outcome.replace('_', ' ')}{f' in {term}' if term else ''}"
        return curve_text(words, rows.iloc[0], self.unit, self.conf_level, time)

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        medians = self.median()
        cells = {
            self.by or "group": [g.name or "all" for g in self.groups],
            "n": [f"{g.table.n}" for g in self.groups],
            "events": [f"{int(g.table.n_event.sum())}" for g in self.groups],
            f"median, {self.unit}": [value_text(v, 1, "NR") for v in medians["estimate"]],
            f"{100 * self.conf_level:g}% CI": [
                interval_text(low, high, 1, "NR")
                for low, high in zip(medians["conf_low"], medians["conf_high"], strict=True)
            ],
        }
        test = self.test.reason or f"P{p_value(self.test.p_value)}"
        facts = (
            ("method", f"{self._method()}, {self.conf_type} {100 * self.conf_level:g}% limits"),
            ("log-rank test", test if self.by else ""),
            ("patients", f"{self.n}, events {self.n_event}"),
            (
                "median follow-up",
                f"{value_text(self.follow_up_median, 1, 'NR')} {self.unit} (reverse Kaplan-Meier)",
            ),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        by = f", by {self.by}" if self.by else ""
        return Summary(f"Event-free probability over time: {self.outcome}{by}", facts, pd.DataFrame(cells))

    def _method(self) -> str:
        return "weighted Kaplan-Meier, robust standard errors" if self.weighted else "Kaplan-Meier"

    def _level(self, conf_level: float | None) -> float:
        return self.conf_level if conf_level is None else check_conf_level(conf_level)

    def _rows(self, times: FloatArray | None, conf_level: float | None) -> pd.DataFrame:
        level = self._level(conf_level)
        frames = [survival_rows(g, self.outcome, times, self.conf_type, level) for g in self.groups]
        return pd.concat(frames, ignore_index=True)


def kaplan_meier(
    endpoint: Endpoint,
    by: str | None = None,
    data: pd.DataFrame | None = None,
    conf_type: ConfType = "log-log",
    conf_level: float = 0.95,
    strata: str | None = None,
    outcome: str | None = None,
    weights: GivenWeights | None = None,
    acknowledge: str | Iterable[str] = (),
) -> KaplanMeier:
    """Estimate the probability of staying free of an event over time.

    Left truncation is taken into account through the endpoint's entry times. At equal times events come
    before censorings. A time-dependent ``by`` (from ``counting_process``) gives Simon-Makuch curves and the
    Mantel-Byar test.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up with one kind of event.
    by : str, optional
        Column whose categories are the groups; it must be known at the endpoint's origin.
    data : DataFrame, optional
        Further columns, aligned to the endpoint by index label.
    conf_type : {'log-log', 'log', 'plain'}, default='log-log'
        Scale on which confidence limits are symmetric.
    conf_level : float, default=0.95
        Confidence level.
    strata : str, optional
        Column over which the log-rank test is stratified; curves are not.
    outcome : str, optional
        With ``acknowledge="competing_risk"``: the event of interest, all others being censored; any event
        counts by default.
    weights : str, Series or InverseProbabilityWeights, optional
        Column of weights, weights by row label, or the result of ``inverse_probability_weights``; standard errors
        are then robust (rows of one patient count together), and there is no log-rank test: take ``cox`` with
        the same weights. Patients without a weight are left out. Numbers at risk and of events stay patients.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``immortal_time``, ``competing_risk``.

    Returns
    -------
    KaplanMeier
        Curves with ``tidy()``, ``glance()``, ``at()``, ``median()``, ``quantile()``, ``rmst()``, ``logrank``,
        ``plot()`` and ``text()``.

    Raises
    ------
    CompetingRiskError
        When the endpoint has competing events: use :func:`cumulative_incidence`.
    ImmortalTimeError
        When ``by`` became known after the origin: use a landmark or ``counting_process``.
    EstimationError
        When a column is unknown or nobody is left.

    See Also
    --------
    cohort.models.cumulative_incidence.cumulative_incidence : With competing events.

    Notes
    -----
    Greenwood's standard error; with weights the infinitesimal jackknife, R's ``survfit(robust = TRUE)``
    (``tests/reference/weights``), which takes the weights as known. Equals R ``survival`` 3.5-3 ``survfit``,
    ``survdiff`` and ``quantile`` to 1e-10 (``tests/reference/kaplan_meier``).

    Examples
    --------
    >>> import pandas as pd
    >>> from cohort.study.endpoints import Endpoint
    >>> frame = pd.DataFrame({"days": [5, 5, 10, 10, 12, 20, 20, 25], "died": [1, 0, 1, 1, 0, 1, 0, 1]})
    >>> km = kaplan_meier(Endpoint.from_columns(frame, time="days", event="died"))
    >>> km.at([10, 20])[["time", "n_risk", "n_event", "estimate"]].round(4)
       time  n_risk  n_event  estimate
    0  10.0       6        3    0.5833
    1  20.0       3        1    0.3889
    """
    names = acknowledged_guards(acknowledge)
    if conf_type not in get_args(ConfType):
        raise EstimationError(
            f"conf_type={conf_type!r} is unknown", remedy=f"write one of {', '.join(get_args(ConfType))}"
        )
    event, label = single_event(endpoint, outcome, names)
    used = [name for name in (by, strata) if name is not None]
    facts = resolve_facts(used, endpoint, data)
    notes = list(check_immortal_time(used, endpoint, facts, names))
    groups = make_groups(endpoint, by, data, strata)
    weight = None
    if weights is not None:
        groups, weight = weighted_groups(groups, weights, data, endpoint)
        notes += [*weight_notes_of(weights), "numbers at risk and of events are patients, not weights"]
    notes += [f"no patients: {', '.join(groups.empty)}"] if groups.empty else []
    if by is not None and by in endpoint.exposures:
        notes.append(f"{by} changes with time: Simon-Makuch curves, Mantel-Byar test")
    rows = groups.rows
    start, stop, event = endpoint.start[rows], endpoint.stop[rows], event[rows]
    subject = None if endpoint.subject is None else endpoint.subject[rows]
    everyone = risk_table(start, stop, event, 1, subject)
    return KaplanMeier(
        outcome=label,
        by=by or "",
        n=everyone.n,
        follow_up_median=reverse_median(everyone),
        groups=tuple(
            _group(endpoint, groups, start, stop, event, k, weight) for k in range(len(groups.names))
        ),
        test=logrank_test(start, stop, event > 0, groups.codes, groups.strata)
        if weight is None
        else no_weighted_test(len(groups.names)),
        weighted=weight is not None,
        conf_type=conf_type,
        conf_level=check_conf_level(conf_level),
        unit=endpoint.unit,
        left_out=(*excluded_rows(endpoint), *groups.left_out),
        notes=(*notes, *endpoint.notes),
        acknowledged=tuple(dict.fromkeys((*endpoint.acknowledged, *names))),
    )


def _group(
    endpoint: Endpoint,
    groups: Groups,
    start: FloatArray,
    stop: FloatArray,
    event: NDArray[np.int64],
    k: int,
    weight: FloatArray | None,
) -> SurvivalGroup:
    mine = groups.codes == k
    subject = None if endpoint.subject is None else endpoint.subject[groups.rows][mine]
    table = risk_table(start[mine], stop[mine], event[mine], 1, subject)
    if weight is None:
        return SurvivalGroup(groups.names[k], table, kaplan_meier_curve(table))
    rows = start[mine], stop[mine], event[mine] > 0, weight[mine]
    return SurvivalGroup(groups.names[k], table, weighted_kaplan_meier(*rows, subject_codes(subject)))
