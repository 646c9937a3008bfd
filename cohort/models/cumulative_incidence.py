"""Cumulative incidence of an event in the presence of competing events, by the Aalen-Johansen estimator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError
from cohort.estimators.aalen_johansen import Variance, aalen_johansen, risk_table
from cohort.estimators.gray import gray_test
from cohort.estimators.logrank import KSampleTest
from cohort.estimators.restricted_mean import restricted_mean_lost
from cohort.format import fixed, p_value
from cohort.models.curve_contrasts import difference_rows, ratio_rows
from cohort.models.curves import (
    check_horizon,
    check_times,
    count_patients,
    counts_since_start,
    draw_incidence,
    excluded_rows,
    interval_text,
    restricted_mean_rows,
)
from cohort.models.groups import Groups, make_groups
from cohort.models.incidence_rows import IncidenceGroup, incidence_rows
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.study.guards import acknowledged_guards, check_immortal_time, resolve_facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CumulativeIncidence:
    """Cumulative incidence curves with their risk tables and Gray's tests.

    Attributes
    ----------
    endpoint : str
        Name of the endpoint.
    states : tuple of str
        All events of the endpoint.
    outcomes : tuple of str
        Events that are told.
    by : str
        Column of the groups, empty for none.
    groups : tuple of IncidenceGroup
        Curves per group.
    n : int
        Patients; one who changes group in a counting process counts once.
    tests : tuple of KSampleTest
        Gray's test of each outcome.
    variance : {'aalen', 'greenwood'}
        Estimator of the variance.
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
    """

    endpoint: str
    states: tuple[str, ...]
    outcomes: tuple[str, ...]
    by: str
    groups: tuple[IncidenceGroup, ...]
    n: int
    tests: tuple[KSampleTest, ...]
    variance: Variance
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per group, outcome and distinct time.

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
        return self._frame(None, conf_level)

    def at(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return cumulative incidence at given times.

        Parameters
        ----------
        times : array-like
            Times since the origin, in the endpoint's unit; sorted in the answer.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`tidy`. ``n_risk`` is the number event-free and under observation just before
            the time; ``n_event`` (of the row's outcome) and ``n_censor`` count from the previous time given
            (excluded) to this one (included). Beyond a group's last follow-up the estimate is missing, with
            the reason, unless nobody is left without an event.
        """
        return self._frame(check_times(times), conf_level)

    def rmtl(self, tau: float, conf_level: float | None = None) -> pd.DataFrame:
        """Return the restricted mean time lost to each outcome up to a horizon.

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
        where = [(g, o, self.states.index(o)) for g in self.groups for o in self.outcomes]
        means = [restricted_mean_lost(g.table, tau, k, self.variance) for g, _, k in where]
        names, outcomes = [g.name for g, _, _ in where], [o for _, o, _ in where]
        return restricted_mean_rows(names, outcomes, tau, means, self._level(conf_level))

    def rmtl_difference(self, tau: float, conf_level: float | None = None) -> pd.DataFrame:
        """Return differences of restricted mean times lost from the first group.

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
            conf_high, reason``.
        """
        return difference_rows(self.rmtl(tau), self._level(conf_level))

    def difference(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return differences in cumulative incidence from the first group at given times.

        Parameters
        ----------
        times : array-like
            Times since the origin, in the endpoint's unit.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`rmtl_difference`; Wald limits of independent groups, on the scale of probabilities.
        """
        return difference_rows(self.at(times), self._level(conf_level))

    def ratio(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return ratios of cumulative incidence to that of the first group at given times: risk ratios.

        Parameters
        ----------
        times : array-like
            Times since the origin, in the endpoint's unit.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`difference`; limits are symmetric, and ``std_error`` is, on the log scale.
        """
        return ratio_rows(self.at(times), self._level(conf_level))

    @property
    def gray_test(self) -> pd.DataFrame:
        """Gray's test per outcome: ``outcome, statistic, df, p_value, reason``; NaN says why.

        Returns
        -------
        DataFrame
            One row per outcome.
        """
        return pd.DataFrame(
            {
                "outcome": list(self.outcomes),
                "statistic": [t.statistic for t in self.tests],
                "df": [t.df for t in self.tests],
                "p_value": [t.p_value for t in self.tests],
                "reason": [t.reason for t in self.tests],
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole result.

        Returns
        -------
        DataFrame
            ``n, n_event`` (of the outcomes told), ``n_missing, method, conf_level, unit, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [sum(self._events(outcome) for outcome in self.outcomes)],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "method": [f"Aalen-Johansen, {self.variance} variance, log-log limits"],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

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
        return draw_incidence(self, ax, risk_table, times)

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

    def text(self, term: str = "", time: float | None = None, outcome: str | None = None) -> str:
        """Return a sentence fragment: the incidence at a time.

        Parameters
        ----------
        term : str, default=''
            Name of the group; empty when there are none.
        time : float, optional
            Time since the origin; the shortest of the groups' last follow-up times by default.
        outcome : str, optional
            Event; the first by default.

        Returns
        -------
        str
            The fragment.
        """
        when = min(g.table.last_time for g in self.groups) if time is None else float(time)
        what = outcome or self.outcomes[0]
        rows = self.at([when])
        rows = rows[(rows["strata"] == term) & (rows["outcome"] == what)]
        if rows.empty:
            names = ", ".join(g.name for g in self.groups)
            raise EstimationError(
                f"there is no group {term!r} with outcome {what!r}",
                evidence=f"groups: {names}; outcomes: {', '.join(self.outcomes)}",
                remedy="name one of them",
            )
        estimate, low, high = 100 * rows[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)[0]
        group = f" in {term}" if term else ""
        return (
            f"cumulative incidence of {what.replace('_', ' ')}{group} {fixed(estimate, 1)}% "
            f"({100 * self.conf_level:g}% CI {interval_text(low, high, 1)}) at {when:g} {self.unit}"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        when = min(g.table.last_time for g in self.groups)
        rows = self.at([when])
        events = [
            int(g.table.n_event[:, self.states.index(o)].sum()) for g in self.groups for o in self.outcomes
        ]
        cells = {
            self.by or "group": [name or "all" for name in rows["strata"]],
            "outcome": list(rows["outcome"]),
            "n": [f"{g.table.n}" for g in self.groups for _ in self.outcomes],
            "events": [f"{n}" for n in events],
            f"% at {when:g} {self.unit}": [fixed(100 * v, 1) for v in rows["estimate"]],
            f"{100 * self.conf_level:g}% CI": [
                interval_text(100 * low, 100 * high, 1)
                for low, high in zip(rows["conf_low"], rows["conf_high"], strict=True)
            ],
        }
        facts = (
            (
                "method",
                f"Aalen-Johansen, log-log {100 * self.conf_level:g}% limits, {self.variance} variance",
            ),
            ("Gray's test", self._test_text()),
            ("patients", f"{self.n}, {', '.join(f'{s} {self._events(s)}' for s in self.states)}"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        by = f", by {self.by}" if self.by else ""
        return Summary(f"Cumulative incidence: {' and '.join(self.outcomes)}{by}", facts, pd.DataFrame(cells))

    def _test_text(self) -> str:
        pairs = zip(self.outcomes, self.tests, strict=True)
        texts = [f"{o} " + (t.reason or f"P{p_value(t.p_value)}") for o, t in pairs]
        return "" if len(self.groups) == 1 else ", ".join(texts)

    def _events(self, state: str) -> int:
        return sum(int(g.table.n_event[:, self.states.index(state)].sum()) for g in self.groups)

    def _level(self, conf_level: float | None) -> float:
        return self.conf_level if conf_level is None else check_conf_level(conf_level)

    def _frame(self, times: FloatArray | None, level: float | None) -> pd.DataFrame:
        where = [(g, o, self.states.index(o)) for g in self.groups for o in self.outcomes]
        frames = [incidence_rows(g, o, k, times, self._level(level)) for g, o, k in where]
        return pd.concat(frames, ignore_index=True)


def cumulative_incidence(
    endpoint: Endpoint,
    by: str | None = None,
    data: pd.DataFrame | None = None,
    conf_level: float = 0.95,
    outcome: str | Sequence[str] | None = None,
    strata: str | None = None,
    variance: Variance = "aalen",
    rho: float = 0.0,
    acknowledge: str | Iterable[str] = (),
) -> CumulativeIncidence:
    """Estimate the probability that an event has occurred by each time, other events being possible.

    The estimate is exact with ties and left truncation (the endpoint's entry times).

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up with one or several kinds of event.
    by : str, optional
        Column whose categories are the groups; it must be known at the endpoint's origin.
    data : DataFrame, optional
        Further columns, aligned to the endpoint by index label.
    conf_level : float, default=0.95
        Confidence level.
    outcome : str or sequence of str, optional
        Events to tell; all by default.
    strata : str, optional
        Column over which Gray's test is stratified; curves are not.
    variance : {'aalen', 'greenwood'}, default='aalen'
        ``aalen`` as R ``cmprsk::cuminc``; ``greenwood`` as R ``etm``, which is Greenwood's formula for a
        single event and preferable when entry is much delayed.
    rho : float, default=0.0
        Power of Gray's test: above 0 early differences count more (R ``cuminc(rho=)``).
    acknowledge : str or iterable of str, default=()
        Guards to override: ``immortal_time``.

    Returns
    -------
    CumulativeIncidence
        Curves with ``tidy()``, ``glance()``, ``at()``, ``rmtl()``, ``gray_test``, ``plot()`` and ``text()``.

    Raises
    ------
    ImmortalTimeError
        When ``by`` became known after the origin: use a landmark or ``counting_process``.
    EstimationError
        When a column or an outcome is unknown, or nobody is left.

    See Also
    --------
    cohort.models.kaplan_meier.kaplan_meier : With one kind of event.

    Notes
    -----
    Limits are symmetric on the scale log(-log F), as those of ``tidycmprsk::cuminc``. Estimates, ``aalen``
    variances and tests equal R ``cmprsk`` 2.2-11, ``greenwood`` ones ``etm`` 1.1.1, to 1e-10
    (``tests/reference/cumulative_incidence``; with ``rho``, ``tests/reference/logrank``).

    Examples
    --------
    >>> import pandas as pd
    >>> from cohort.study.endpoints import Endpoint
    >>> frame = pd.DataFrame({"days": [1, 2, 2, 3, 4], "status": [1, 2, 1, 0, 1]})
    >>> states = {1: "relapse", 2: "death"}
    >>> own = Endpoint.from_columns(frame, time="days", event="status", states=states)
    >>> cumulative_incidence(own).at([2])[["outcome", "n_risk", "estimate"]]
       outcome  n_risk  estimate
    0  relapse       4       0.4
    1    death       4       0.2
    """
    names = acknowledged_guards(acknowledge)
    outcomes = _outcomes(endpoint, outcome)
    used = [name for name in (by, strata) if name is not None]
    facts = resolve_facts(used, endpoint, data)
    notes = list(check_immortal_time(used, endpoint, facts, names))
    groups = make_groups(endpoint, by, data, strata)
    notes += [f"no patients: {', '.join(groups.empty)}"] if groups.empty else []
    return CumulativeIncidence(
        endpoint=endpoint.name,
        states=endpoint.states,
        outcomes=outcomes,
        by=by or "",
        groups=tuple(_group(endpoint, groups, k, variance) for k in range(len(groups.names))),
        n=count_patients(endpoint, groups.rows),
        tests=tuple(_test(endpoint, groups, outcome, rho) for outcome in outcomes),
        variance=variance,
        conf_level=check_conf_level(conf_level),
        unit=endpoint.unit,
        left_out=(*excluded_rows(endpoint), *groups.left_out),
        notes=(*notes, *endpoint.notes),
        acknowledged=tuple(dict.fromkeys((*endpoint.acknowledged, *names))),
    )


def _outcomes(endpoint: Endpoint, outcome: str | Sequence[str] | None) -> tuple[str, ...]:
    wanted = (
        endpoint.states if outcome is None else (outcome,) if isinstance(outcome, str) else tuple(outcome)
    )
    unknown = [name for name in wanted if name not in endpoint.states]
    if unknown or not wanted:
        raise EstimationError(
            f"the endpoint has no event {', '.join(map(repr, unknown))}",
            evidence=f"events: {', '.join(endpoint.states)}",
            remedy="name one of them",
        )
    return wanted


def _group(endpoint: Endpoint, groups: Groups, k: int, variance: Variance) -> IncidenceGroup:
    rows = groups.rows[groups.codes == k]
    subject = None if endpoint.subject is None else endpoint.subject[rows]
    table = risk_table(
        endpoint.start[rows], endpoint.stop[rows], endpoint.event[rows], len(endpoint.states), subject
    )
    return IncidenceGroup(groups.names[k], table, aalen_johansen(table, variance))


def _test(endpoint: Endpoint, groups: Groups, outcome: str, rho: float) -> KSampleTest:
    """Return Gray's test, or why there is none."""
    rows = groups.rows
    empty = np.zeros(0), np.zeros((0, 0))
    if len(groups.names) < 2:
        return KSampleTest(np.nan, 0, np.nan, *empty, "one group: nothing to compare")
    if endpoint.counting or (endpoint.start[rows] > 0).any():
        return KSampleTest(np.nan, 0, np.nan, *empty, "not defined with delayed entry")
    state = endpoint.states.index(outcome) + 1
    return gray_test(endpoint.stop[rows], endpoint.event[rows], groups.codes, state, groups.strata, rho)
