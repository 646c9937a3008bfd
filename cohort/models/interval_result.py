"""What interval-censored times give: survival with bounds, quantiles, a test of groups, and how they print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from cohort.errors import EstimationError
from cohort.format import fixed, p_value
from cohort.models.curves import check_times, interval_text
from cohort.models.interval_rows import IntervalGroup, quantile_row, survival_rows
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.plots.time_axis import TimeUnit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IntervalCensored:
    """Survival from interval-censored times, of one or several groups.

    Attributes
    ----------
    outcome : str
        The event.
    by : str
        Column of the groups, empty for none.
    groups : tuple of IntervalGroup
        Estimates per group.
    n : int
        Patients.
    statistic, df : float, int
        Score test that the groups do not differ; NaN without groups.
    replicates : int
        Bootstrap samples behind the limits; 0 for none.
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

    outcome: str
    by: str
    groups: tuple[IntervalGroup, ...]
    n: int
    statistic: float
    df: int
    replicates: int
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per group and interval that carries mass.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: probabilities are on their natural scale.

        Returns
        -------
        DataFrame
            ``strata, outcome, time_low, time`` (the event lies in (time_low, time]), ``estimate`` (probability of no
            event by ``time``), ``std_error, conf_low, conf_high`` (bootstrap, missing without ``seed``), ``bound_low,
            bound_high, reason``.
        """
        return self._frame(None, conf_level)

    def at(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return the probability of no event by given times.

        Parameters
        ----------
        times : array-like
            Times since the origin; sorted in the answer.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`tidy` but ``time_low``. Within an interval that carries mass the estimate is missing
            and lies between ``bound_low`` and ``bound_high``.
        """
        return self._frame(check_times(times), conf_level)

    def quantile(self, p: float = 0.5) -> pd.DataFrame:
        """Return the interval in which a share of the patients has had the event.

        Parameters
        ----------
        p : float, default=0.5
            Share with the event; 0.5 for the median.

        Returns
        -------
        DataFrame
            ``strata, outcome, term`` (the share), ``bound_low, bound_high``, ``reason``.
        """
        if not 0 < p < 1:
            raise EstimationError("p is no share", evidence=f"p={p!r}", remedy="write quantile(0.5)")
        found = np.array([quantile_row(g, p) for g in self.groups])
        return pd.DataFrame(
            {
                "strata": [g.name for g in self.groups],
                "outcome": self.outcome,
                "term": f"{p:g}",
                "bound_low": found[:, 0],
                "bound_high": found[:, 1],
                "reason": np.where(np.isnan(found[:, 0]), "not reached", ""),
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole result.

        Returns
        -------
        DataFrame
            ``n, n_event, n_missing, log_likelihood, statistic, df, p_value`` (score test of the groups), ``method,
            conf_level, unit, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [self._events()],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "log_likelihood": [sum(g.fit.log_likelihood for g in self.groups)],
                "statistic": [self.statistic],
                "df": [self.df],
                "p_value": [chi2.sf(self.statistic, self.df) if self.df else np.nan],
                "method": [self._method()],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curves; rectangles where the event lies between two looks.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.curves import readable
        from cohort.plots.interval_curve import plot_interval_curve

        return plot_interval_curve(
            self.tidy(),
            {g.name: g.last_time for g in self.groups},
            ax=ax,
            unit=cast("TimeUnit", self.unit),
            ylabel=f"Free of {readable(self.outcome)} (%)",
        )

    def text(self, term: str = "", time: float | None = None) -> str:
        """Return a sentence fragment: the probability of no event by a time.

        Parameters
        ----------
        term : str, default=''
            Name of the group; empty when there are none.
        time : float, optional
            Time since the origin; the end of the group's last interval by default.

        Returns
        -------
        str
            The fragment; with bounds in place of an estimate where the time lies within an interval.
        """
        named = [g for g in self.groups if g.name == term]
        if not named:
            raise EstimationError(
                f"there is no group {term!r}",
                evidence=f"groups: {', '.join(g.name for g in self.groups)}",
                remedy="name one of them",
            )
        right = named[0].fit.right
        when = float(right[np.isfinite(right)][-1]) if time is None else float(time)
        row = survival_rows(named[0], self.outcome, np.array([when]), self.conf_level).iloc[0]
        low, high = 100 * float(row["conf_low"]), 100 * float(row["conf_high"])
        limits = f" ({100 * self.conf_level:g}% CI {interval_text(low, high, 1)})" if self.replicates else ""
        value = f"{fixed(100 * float(row['estimate']), 1)}%"
        if np.isnan(row["estimate"]):
            ends = (fixed(100 * float(row[name]), 1) for name in ("bound_low", "bound_high"))
            value = "between {}% and {}%".format(*ends)
        group = f" in {term}" if term else ""
        return f"free of {self.outcome.replace('_', ' ')}{group} {value}{limits} at {when:g} {self.unit}"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        medians = self.quantile()
        spans = zip(medians["bound_low"], medians["bound_high"], strict=True)
        kinds = ("exact", "between two looks", "before the first", "not yet")
        cells = {
            self.by or "group": [g.name or "all" for g in self.groups],
            "n": [f"{g.fit.n:g}" for g in self.groups],
            **{kind: [f"{g.counts[k]}" for g in self.groups] for k, kind in enumerate(kinds)},
            f"median ({self.unit})": [
                "not reached" if np.isnan(a) else f"{b:g}" if a == b else f"({a:g}, {b:g}]" for a, b in spans
            ],
        }
        test = ""
        if self.df:
            test = f"score test P{p_value(float(chi2.sf(self.statistic, self.df)))} ({self.df} df)"
        facts = (
            ("method", self._method()),
            ("groups", test),
            ("patients", f"{self.n}, {self._events()} with the event"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        by = f", by {self.by}" if self.by else ""
        sentence = (
            f"Probability of no {self.outcome.replace('_', ' ')} yet, times known between two looks{by}"
        )
        return Summary(sentence, facts, pd.DataFrame(cells))

    def _method(self) -> str:
        limits = f"{self.replicates} bootstrap samples" if self.replicates else "no limits (give seed=)"
        return f"nonparametric maximum likelihood (Turnbull), {limits}"

    def _events(self) -> int:
        return sum(sum(g.counts[:3]) for g in self.groups)

    def _frame(self, times: FloatArray | None, conf_level: float | None) -> pd.DataFrame:
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        frames = [survival_rows(g, self.outcome, times, level) for g in self.groups]
        return pd.concat(frames, ignore_index=True)
