"""Times known between two looks: the curve that is most likely, without assumptions on its shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from cohort.errors import EstimationError
from cohort.estimators.turnbull import bootstrap_bounds, score_test, turnbull
from cohort.format import fixed, p_value
from cohort.models.curves import check_times, excluded_rows, interval_text
from cohort.models.groups import make_groups
from cohort.models.interval_inputs import Intervals, read_intervals
from cohort.models.interval_rows import IntervalGroup, quantile_row, survival_rows
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.study.guards import acknowledged_guards, check_immortal_time, check_incorporation, resolve_facts

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


def interval_censored(
    lower: str,
    upper: str,
    data: pd.DataFrame,
    by: str | None = None,
    conf_level: float = 0.95,
    *,
    seed: int | None = None,
    replicates: int = 500,
    name: str | None = None,
    unit: str = "days",
    acknowledge: str | Iterable[str] = (),
) -> IntervalCensored:
    """Estimate when an event happens that is only known to lie between two looks at the patient.

    Onset of ICANS lies after the last assessment without and up to the first one with it. To take the first day with
    it as the onset shifts every curve to the right, by more where patients are seen less often. How often a patient was
    looked at must not depend on the event itself, nor on the group.

    Parameters
    ----------
    lower : str
        Column with the last day known without the event; missing when the first look already showed it.
    upper : str
        Column with the first day known with the event; missing or infinite when it was never seen (right-censored).
        Equal to ``lower`` for a day known exactly.
    data : DataFrame
        One row per patient.
    by : str, optional
        Column whose categories are the groups; known at the origin.
    conf_level : float, default=0.95
        Confidence level.
    seed : int, optional
        Seed of the bootstrap; without it there are no limits.
    replicates : int, default=500
        Bootstrap samples.
    name : str, optional
        Name of the event; that of ``upper`` without ``_upper`` by default.
    unit : str, default='days'
        Unit of time.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``immortal_time``, ``incorporation``.

    Returns
    -------
    IntervalCensored
        Probabilities with ``tidy()``, ``at()``, ``quantile()``, ``plot()``.

    Raises
    ------
    EndpointError
        When an interval ends before it begins, a day is negative, or a column is missing.
    ImmortalTimeError, IncorporationError
        When ``by`` becomes known later, or is part of the event's grade.
    EstimationError
        When nobody has the event.

    See Also
    --------
    cohort.models.kaplan_meier.kaplan_meier : When days are known exactly.

    Notes
    -----
    Maximum likelihood over all distributions [1]_ [2]_. Mass can lie only in certain intervals, and where in them is
    not estimable: there the result has bounds and the plot a rectangle. The maximum is found by constrained Newton
    steps [3]_ until the Kuhn-Tucker conditions hold (at most 1e-11 per patient of the log-likelihood left to gain).
    Limits are percentiles of the bootstrap, from the lowest to the highest curve each sample allows; they are sound
    when patients are looked at on whole days, and rough when looks lie on a continuum, where convergence is slower than
    the root of n. The test of groups uses scores of proportional hazards [4]_. Patients who die without the event count
    as not having it at their last look: with many early deaths this is no cumulative incidence.

    References
    ----------
    .. [1] Peto R (1973). Appl Stat 22:86-91.
    .. [2] Turnbull BW (1976). J R Stat Soc B 38:290-295.
    .. [3] Wang Y (2007). J R Stat Soc B 69:185-198. doi:10.1111/j.1467-9868.2007.00583.x
    .. [4] Finkelstein DM (1986). Biometrics 42:845-854.

    Examples
    --------
    >>> frame = pd.DataFrame({"without_day": [2, 1, 4, None, 3, 7], "with_day": [4, 3, 6, 2, None, None]})
    >>> onset = interval_censored("without_day", "with_day", frame, name="icans")
    >>> onset.tidy()[["time_low", "time", "estimate"]].round(3)
       time_low  time  estimate
    0       1.0   2.0      0.75
    1       2.0   3.0      0.50
    2       4.0   6.0      0.25
    """
    level = check_conf_level(conf_level)
    names = acknowledged_guards(acknowledge)
    read = read_intervals(lower, upper, data, name, unit)
    own = read.endpoint
    used = [] if by is None else [by]
    about = [lower, upper, own.name, f"{own.name}_grade"]
    facts = resolve_facts([*used, *about], own, None)
    notes = [
        *check_immortal_time(used, own, facts, names),
        *check_incorporation(used, about, facts, names),
    ]
    grouped = make_groups(own, by)
    notes += [f"no patients: {', '.join(grouped.empty)}"] if grouped.empty else []
    if seed is not None and replicates < 2:
        raise EstimationError(
            "a bootstrap needs samples", evidence=f"replicates={replicates}", remedy="write replicates=500"
        )
    rng = None if seed is None else np.random.default_rng(seed)
    groups = tuple(
        _group(read, label, grouped.rows[grouped.codes == k], replicates, rng)
        for k, label in enumerate(grouped.names)
    )
    statistic, df = np.nan, 0
    if len(groups) > 1:
        statistic, df = score_test(read.lower[grouped.rows], read.upper[grouped.rows], grouped.codes)
    return IntervalCensored(
        outcome=own.name,
        by=by or "",
        groups=groups,
        n=len(grouped.rows),
        statistic=statistic,
        df=df,
        replicates=0 if seed is None else replicates,
        conf_level=level,
        unit=unit,
        left_out=(*excluded_rows(own), *grouped.left_out),
        notes=tuple(notes),
        acknowledged=names,
    )


def _group(
    read: Intervals, name: str, rows: NDArray[np.intp], replicates: int, rng: np.random.Generator | None
) -> IntervalGroup:
    lower, upper = read.lower[rows], read.upper[rows]
    if np.isinf(upper).all():
        raise EstimationError(
            f"nobody has the event{f' in {name}' if name else ''}",
            evidence=f"{len(rows)} patients, all without it at their last look",
            remedy="leave this group out; its curve stays at 1",
        )
    ends = np.unique(np.concatenate([lower, upper]))
    grid = ends[np.isfinite(ends)]
    low = high = np.empty((0, len(grid)))
    if rng is not None:
        low, high = bootstrap_bounds(lower, upper, grid, replicates, rng)
    return IntervalGroup(name, turnbull(lower, upper), read.counts(rows), grid, low, high)
