"""What a multi-state model returns: probabilities of states, hazards, lengths of stay, and how they print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError
from cohort.estimators.multistate import StateVariance
from cohort.format import fixed
from cohort.models.curve_contrasts import difference_rows
from cohort.models.curves import check_horizon, check_times, interval_text
from cohort.models.result import check_conf_level
from cohort.models.state_rows import StateGroup, hazard_rows, occupation_rows, stay_rows
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


FloatArray = NDArray[np.float64]
_METHODS = {"robust": "infinitesimal jackknife variance", "greenwood": "Greenwood variance"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Multistate:
    """State occupation probabilities of one or several groups, with what follows from them.

    Attributes
    ----------
    states : tuple of str
        All states.
    by : str
        Column of the groups, empty for none.
    groups : tuple of StateGroup
        Estimates per group.
    n : int
        Patients.
    start : float
        Time from which the process is followed.
    from_state : str
        State in which everybody is at ``start``; empty when all states are.
    variance : {'robust', 'greenwood'}
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

    states: tuple[str, ...]
    by: str
    groups: tuple[StateGroup, ...]
    n: int
    start: float
    from_state: str
    variance: StateVariance
    conf_level: float
    unit: str
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per group, state and distinct time of a transition, beginning at the start.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: probabilities are on their natural scale.

        Returns
        -------
        DataFrame
            ``strata, outcome`` (the state), ``time, n_risk`` (patients in the state and under observation just
            before the time; 0 in a state that nobody leaves), ``n_event`` (entries into the state), ``estimate,
            std_error, conf_low, conf_high, reason``.
        """
        return self._frame(None, conf_level)

    def at(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return probabilities of the states at given times.

        Parameters
        ----------
        times : array-like
            Times since the origin, in the unit of the transitions, not before ``start``; sorted in the answer.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`tidy`; entries are counted from the previous time given (excluded) to this one.
            Beyond a group's last follow-up the estimate is missing, unless everybody is in a state that nobody
            leaves.
        """
        wanted = check_times(times)
        if (wanted < self.start).any():
            raise EstimationError(
                "a time lies before the start of the process",
                evidence=f"start={self.start:g}, earliest time {wanted.min():g}",
                remedy=f"ask for times from {self.start:g} on, or fit with an earlier start=",
            )
        return self._frame(wanted, conf_level)

    def difference(self, times: ArrayLike, conf_level: float | None = None) -> pd.DataFrame:
        """Return differences in the probabilities of states from the first group at given times.

        Parameters
        ----------
        times : array-like
            Times since the origin.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``term`` (the comparison), ``outcome, time, estimate, std_error, statistic, p_value, conf_low,
            conf_high, reason``; Wald limits of independent groups, on the scale of probabilities.
        """
        return difference_rows(self.at(times), self._level(conf_level))

    def hazards(self, conf_level: float | None = None) -> pd.DataFrame:
        """Return the cumulative hazard of each transition that occurred.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``strata, term`` (state left and state entered), ``time, n_risk, n_event, estimate, std_error, conf_low,
            conf_high``: Nelson-Aalen estimates, limits symmetric on the log scale (Andersen and others 1993,
            4.1.16).
        """
        level = self._level(conf_level)
        return pd.concat([hazard_rows(g, self.states, level) for g in self.groups], ignore_index=True)

    def length_of_stay(self, tau: float, conf_level: float | None = None) -> pd.DataFrame:
        """Return the mean time spent in each state from the start to a horizon.

        Parameters
        ----------
        tau : float
            Horizon since the origin, in the unit of the transitions.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            ``strata, outcome, time`` (the horizon), ``estimate, std_error, conf_low, conf_high, reason``; the times
            of a group sum to the horizon less the start. Symmetric limits, within 0 and that sum.
        """
        tau = check_horizon(tau)
        if tau <= self.start:
            raise EstimationError(
                "the horizon lies before the start of the process",
                evidence=f"start={self.start:g}, tau={tau:g}",
                remedy="ask for a later horizon",
            )
        level = self._level(conf_level)
        return pd.concat([stay_rows(g, self.states, tau, level) for g in self.groups], ignore_index=True)

    def stay_difference(self, tau: float, conf_level: float | None = None) -> pd.DataFrame:
        """Return differences of the mean times in states from the first group.

        Parameters
        ----------
        tau : float
            Horizon since the origin.
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            Columns as in :meth:`difference`, in units of time.
        """
        return difference_rows(self.length_of_stay(tau), self._level(conf_level))

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole result.

        Returns
        -------
        DataFrame
            ``n, n_event`` (transitions), ``n_missing, method, conf_level, unit, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [sum(g.n_event for g in self.groups)],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "method": [f"Aalen-Johansen, {_METHODS[self.variance]}, log-log limits"],
                "conf_level": [self.conf_level],
                "unit": [self.unit],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None, group: str | None = None) -> Axes:
        """Draw the probabilities of the states of one group, stacked; of several groups, as lines.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        group : str, optional
            Group to stack; needed only where there are several.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.state_occupation import plot_states

        names = [g.name for g in self.groups]
        if group is not None and group not in names:
            raise EstimationError(
                f"there is no group {group!r}",
                evidence=f"groups: {', '.join(names)}",
                remedy="name one of them",
            )
        rows = self.tidy()
        return plot_states(rows if group is None else rows[rows["strata"] == group], ax=ax, unit=self.unit)

    def text(self, term: str = "", time: float | None = None, outcome: str | None = None) -> str:
        """Return a sentence fragment: the probability of a state at a time.

        Parameters
        ----------
        term : str, default=''
            Name of the group; empty when there are none.
        time : float, optional
            Time since the origin; the shortest of the groups' last follow-up times by default.
        outcome : str, optional
            State; the last by default.

        Returns
        -------
        str
            The fragment.
        """
        when = self._when() if time is None else float(time)
        what = outcome or self.states[-1]
        rows = self.at([when])
        rows = rows[(rows["strata"] == term) & (rows["outcome"] == what)]
        if rows.empty:
            raise EstimationError(
                f"there is no group {term!r} with state {what!r}",
                evidence=f"groups: {', '.join(g.name for g in self.groups)}; states: {', '.join(self.states)}",
                remedy="name one of them",
            )
        estimate, low, high = 100 * rows[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)[0]
        group = f" in {term}" if term else ""
        return (
            f"probability of being in state {what.replace('_', ' ')}{group} {fixed(estimate, 1)}% "
            f"({100 * self.conf_level:g}% CI {interval_text(low, high, 1)}) at {when:g} {self.unit}"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        when = self._when()
        rows, stays = self.at([when]), self.length_of_stay(when)
        cells = {
            self.by or "group": [name or "all" for name in rows["strata"]],
            "state": list(rows["outcome"]),
            "entries": [f"{n}" for n in rows["n_event"]],
            f"% at {when:g} {self.unit}": [fixed(100 * v, 1) for v in rows["estimate"]],
            f"{100 * self.conf_level:g}% CI": [
                interval_text(100 * low, 100 * high, 1)
                for low, high in zip(rows["conf_low"], rows["conf_high"], strict=True)
            ],
            f"mean {self.unit}": [fixed(v, 1) for v in stays["estimate"]],
        }
        begin = f"from {self.start:g} {self.unit}" + (f" in {self.from_state}" if self.from_state else "")
        facts = (
            ("method", str(self.glance()["method"].iloc[0])),
            ("patients", f"{self.n}, {sum(g.n_event for g in self.groups)} transitions, {begin}"),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        by = f", by {self.by}" if self.by else ""
        sentence = f"Probability of being in each state: {', '.join(self.states)}{by}"
        return Summary(sentence, facts, pd.DataFrame(cells))

    def _when(self) -> float:
        return min(g.occupation.last_time for g in self.groups)

    def _level(self, conf_level: float | None) -> float:
        return self.conf_level if conf_level is None else check_conf_level(conf_level)

    def _frame(self, times: FloatArray | None, conf_level: float | None) -> pd.DataFrame:
        level = self._level(conf_level)
        frames = [occupation_rows(g, self.states, times, level) for g in self.groups]
        return pd.concat(frames, ignore_index=True)
