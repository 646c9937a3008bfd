"""Mean number of events per patient by a time, when patients can have several and may die."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cohort.errors import EstimationError
from cohort.estimators.aalen_johansen import step_values
from cohort.estimators.mean_count import MeanCount, mean_count
from cohort.format import fixed
from cohort.models.curve_contrasts import difference_rows, ratio_rows
from cohort.models.curves import check_times, excluded_rows, interval_text
from cohort.models.groups import make_groups
from cohort.models.recurrent_inputs import RecurrentRows, recurrent_rows
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.study.guards import acknowledged_guards, check_immortal_time, resolve_facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.plots.time_axis import TimeUnit
    from cohort.study.endpoints import Endpoint

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MeanCumulativeCount:
    """Mean cumulative counts of one or several groups.

    Attributes
    ----------
    outcome : str
        The event that recurs.
    terminal : tuple of str
        Events after which it cannot.
    by : str
        Column of the groups, empty for none.
    groups : tuple of (str, MeanCount)
        Name and estimates of each group.
    n : int
        Patients.
    conf_level : float
        Confidence level.
    unit : str
        Unit of time.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    outcome: str
    terminal: tuple[str, ...]
    by: str
    groups: tuple[tuple[str, MeanCount], ...]
    n: int
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per group and distinct time.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: counts are on their natural scale.

        Returns
        -------
        DataFrame
            ``strata, outcome, time, n_risk`` (patients under observation just before the time), ``n_event, n_censor,
            estimate, std_error, conf_low, conf_high`` (symmetric on the log scale), ``reason``.
        """
        return self._frame(None, conf_level)

    def at(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return mean counts by given times.

        Parameters
        ----------
        times : array-like
            Times since the origin; sorted in the answer.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`tidy`; ``n_event`` and ``n_censor`` count from the previous time given (excluded) to
            this one. Beyond a group's last follow-up the estimate is missing, unless everybody has died.
        """
        return self._frame(check_times(times), conf_level)

    def difference(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return differences in mean counts from the first group at given times.

        Parameters
        ----------
        times : array-like
            Times since the origin.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``term`` (the comparison), ``outcome, time, estimate, std_error, statistic, p_value, conf_low, conf_high,
            reason``; Wald limits of independent groups.
        """
        return difference_rows(self.at(times), self._level(conf_level))

    def ratio(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return ratios of mean counts to that of the first group at given times.

        Parameters
        ----------
        times : array-like
            Times since the origin.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`difference`; limits are symmetric, and ``std_error`` is, on the log scale.
        """
        return ratio_rows(self.at(times), self._level(conf_level))

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole result.

        Returns
        -------
        DataFrame
            ``n, n_event`` (of the recurrent event), ``n_missing, method, conf_level, unit, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [self._events()],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "method": [self._method()],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None, risk_table: bool = True) -> Axes:
        """Draw the mean counts with their bands.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        risk_table : bool, default=True
            Whether numbers under observation stand below.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.curves import readable
        from cohort.plots.mean_count import plot_mean_count
        from cohort.plots.time_axis import follow_up_ticks, readable_unit

        own = cast("TimeUnit", self.unit)
        longest = max(g.last_time for _, g in self.groups)
        printed = readable_unit(longest, own)
        ticks = follow_up_ticks(longest, unit=own, display_unit=printed)
        return plot_mean_count(
            self.tidy(),
            risk_table=self.at(ticks)[["strata", "time", "n_risk"]] if risk_table else None,
            ax=ax,
            times=ticks,
            unit=own,
            display_unit=printed,
            ylabel=f"Mean number per patient: {readable(self.outcome)}",
        )

    def text(self, term: str = "", time: float | None = None) -> str:
        """Return a sentence fragment: the mean count by a time.

        Parameters
        ----------
        term : str, default=''
            Name of the group; empty when there are none.
        time : float, optional
            Time since the origin; the shortest of the groups' last follow-up times by default.

        Returns
        -------
        str
            The fragment.
        """
        when = self._when() if time is None else float(time)
        rows = self.at([when])
        rows = rows[rows["strata"] == term]
        if rows.empty:
            raise EstimationError(
                f"there is no group {term!r}",
                evidence=f"groups: {', '.join(name for name, _ in self.groups)}",
                remedy="name one of them",
            )
        estimate, low, high = rows[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)[0]
        group = f" in {term}" if term else ""
        return (
            f"mean number of {self.outcome.replace('_', ' ')} events per patient{group} {fixed(estimate, 2)} "
            f"({100 * self.conf_level:g}% CI {interval_text(low, high, 2)}) by {when:g} {self.unit}"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        when = self._when()
        rows = self.at([when])
        limits = zip(rows["conf_low"], rows["conf_high"], strict=True)
        cells = {
            self.by or "group": [name or "all" for name in rows["strata"]],
            "n": [f"{g.n}" for _, g in self.groups],
            "events": [f"{g.n_event.sum()}" for _, g in self.groups],
            f"mean by {when:g} {self.unit}": [fixed(v, 2) for v in rows["estimate"]],
            f"{100 * self.conf_level:g}% CI": [interval_text(low, high, 2) for low, high in limits],
        }
        deaths = sum(int(g.n_death.sum()) for _, g in self.groups)
        ended = f", {deaths} ended by {' or '.join(self.terminal)}" if self.terminal else ""
        facts = (
            ("method", self._method()),
            ("patients", f"{self.n}, {self._events()} events{ended}"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        by = f", by {self.by}" if self.by else ""
        words = self.outcome.replace("_", " ")
        return Summary(f"Mean number of events per patient: {words}{by}", facts, pd.DataFrame(cells))

    def _method(self) -> str:
        how = "Cook-Lawless, Ghosh-Lin variance" if self.terminal else "Nelson-Aalen, Lawless-Nadeau variance"
        return f"{how}, log limits"

    def _events(self) -> int:
        return sum(int(g.n_event.sum()) for _, g in self.groups)

    def _when(self) -> float:
        return min(g.last_time for _, g in self.groups)

    def _level(self, conf_level: float | None) -> float:
        return self.conf_level if conf_level is None else check_conf_level(conf_level)

    def _frame(self, times: FloatArray | None, conf_level: float | None) -> pd.DataFrame:
        level = self._level(conf_level)
        frames = [_group_rows(name, group, self.outcome, times, level) for name, group in self.groups]
        return pd.concat(frames, ignore_index=True)


def mean_cumulative_count(
    rows: Endpoint | pd.DataFrame,
    by: str | None = None,
    data: pd.DataFrame | None = None,
    conf_level: float = 0.95,
    *,
    id: str | None = None,
    start: str = "start",
    stop: str = "stop",
    event: str = "event",
    outcome: str | None = None,
    acknowledge: str | Iterable[str] = (),
) -> MeanCumulativeCount:
    """Estimate how many events a patient has had, on average, by each time.

    Patients who die have no more events but stay in the denominator of the mean, as with cumulative incidence; to treat
    death as censoring would tell how many they had if nobody died. A death is known as such only when the endpoint has
    it as a second event. Everybody under observation is in the denominator: rows must not leave out the time within an
    episode.

    Parameters
    ----------
    rows : Endpoint or DataFrame
        Several rows (start, stop] per patient, from :func:`cohort.recurrent_endpoint` or
        ``Endpoint.from_columns(..., id=)``; or a frame with the columns ``id``, ``start``, ``stop``, ``event``.
    by : str, optional
        Column whose categories are the groups; known at the origin, the same in all rows of a patient.
    data : DataFrame, optional
        Further columns, aligned by index label.
    conf_level : float, default=0.95
        Confidence level.
    id, start, stop, event : str, optional
        Columns of a frame; ``event`` is 0/1 or has the level ``censored``.
    outcome : str, optional
        The event that recurs; the first of the endpoint by default. All others are terminal.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``immortal_time``.

    Returns
    -------
    MeanCumulativeCount
        Means with ``tidy()``, ``at()``, ``difference()``, ``ratio()``, ``plot()``.

    Raises
    ------
    EndpointError
        When rows name no patient, intervals of a patient overlap, or a patient goes on after a terminal event.
    ImmortalTimeError
        When ``by`` becomes known only after the origin.
    EstimationError
        When a patient changes group, or nobody is left.

    See Also
    --------
    cohort.models.recurrent.recurrent : Rate ratios of covariates.

    Notes
    -----
    Estimator of Cook and Lawless [1]_ with the variance of Ghosh and Lin [2]_; without a terminal event Nelson-Aalen
    with the robust variance of Lawless and Nadeau [3]_. A patient's events need not be independent. Equals R survival
    3.5-3 ``survfit(..., id=)`` (cumulative hazard) and mets 1.3.2 ``recurrentMarginal`` to 1e-8
    (``tests/reference/recurrent``).

    References
    ----------
    .. [1] Cook RJ, Lawless JF (1997). Stat Med 16:911-924.
    .. [2] Ghosh D, Lin DY (2000). Biometrics 56:554-562. doi:10.1111/j.0006-341X.2000.00554.x
    .. [3] Lawless JF, Nadeau C (1995). Technometrics 37:158-168. doi:10.1080/00401706.1995.10484300

    Examples
    --------
    >>> rows = pd.DataFrame({
    ...     "patient_id": list("aabccc"), "start": [0, 5, 0, 0, 3, 6], "stop": [5, 9, 7, 3, 6, 10],
    ...     "event": pd.Categorical(["relapse", "dead", "censored", "relapse", "relapse", "censored"],
    ...                             ["censored", "relapse", "dead"]),
    ... })
    >>> mean_cumulative_count(rows, id="patient_id").at([4, 9])[["time", "n_risk", "estimate", "std_error"]].round(3)
       time  n_risk  estimate  std_error
    0   4.0       3     0.333      0.272
    1   9.0       2     1.000      0.471
    """
    names = acknowledged_guards(acknowledge)
    read = recurrent_rows(rows, id, start, stop, event, outcome)
    own = read.endpoint
    used = [] if by is None else [by]
    notes = list(check_immortal_time(used, own, resolve_facts(used, own, data), names))
    grouped = make_groups(own, by, data)
    notes += [f"no patients: {', '.join(grouped.empty)}"] if grouped.empty else []
    notes += [f"{read.gaps} gaps in which a patient counts as not observed"] if read.gaps else []
    notes += own.notes
    subject = np.asarray(own.subject)[grouped.rows]
    _check_one_group(subject, grouped.codes, by)
    groups = tuple(
        (name, _count(read, grouped.rows[grouped.codes == k])) for k, name in enumerate(grouped.names)
    )
    return MeanCumulativeCount(
        outcome=read.outcome,
        terminal=read.terminal,
        by=by or "",
        groups=groups,
        n=len(np.unique(subject)),
        conf_level=check_conf_level(conf_level),
        unit=own.unit,
        left_out=(*excluded_rows(own), *grouped.left_out),
        notes=tuple(notes),
        acknowledged=names,
    )


def _count(read: RecurrentRows, rows: NDArray[np.intp]) -> MeanCount:
    own = read.endpoint
    event = own.event[rows]
    return mean_count(
        own.start[rows].astype(float),
        own.stop[rows].astype(float),
        event == read.code,
        (event > 0) & (event != read.code),
        np.unique(np.asarray(own.subject)[rows], return_inverse=True)[1].astype(np.int64),
    )


def _check_one_group(subject: NDArray[np.int64], codes: NDArray[np.int64], by: str | None) -> None:
    changed = len(np.unique(np.column_stack([subject, codes]), axis=0)) - len(np.unique(subject))
    if changed:
        raise EstimationError(
            f"the column {by} changes within patients",
            evidence=f"{changed} of {len(np.unique(subject))} patients",
            remedy="group by its value at the origin",
        )


def _group_rows(
    name: str, group: MeanCount, outcome: str, times: FloatArray | None, conf_level: float
) -> pd.DataFrame:
    when = group.time if times is None else times
    estimate = step_values(group.time, group.estimate, when, 0.0)
    error = step_values(group.time, group.std_error, when, 0.0)
    counts = np.vstack([[0, 0], np.cumsum(np.column_stack([group.n_event, group.n_censor]), axis=0)])
    counts = np.diff(counts[np.searchsorted(group.time, when, side="right")], axis=0, prepend=0)
    beyond = (when > group.last_time) & (group.survival[-1] > 0)
    z = ndtri(0.5 + conf_level / 2)
    positive = np.where(estimate > 0, estimate, np.nan)
    factor = np.exp(z * np.where(error > 0, error, np.nan) / positive)
    reason = np.select(
        [beyond, estimate == 0, error == 0],
        [f"follow-up ends at {group.last_time:g}", "no event yet", "patients do not differ"],
        "",
    )
    values = {
        "estimate": estimate,
        "std_error": error,
        "conf_low": positive / factor,
        "conf_high": positive * factor,
    }
    return pd.DataFrame(
        {
            "strata": name,
            "outcome": outcome,
            "time": when,
            "n_risk": group.at_risk(when),
            "n_event": counts[:, 0],
            "n_censor": counts[:, 1],
            **{column: np.where(beyond, np.nan, array) for column, array in values.items()},
            "reason": reason,
        }
    )
