"""Multi-state models: probability of being in each state over time, hazards of transitions, length of stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError
from cohort.estimators.multistate import StateVariance, TransitionRows, state_occupation
from cohort.format import fixed
from cohort.models.curve_contrasts import difference_rows
from cohort.models.curves import check_horizon, check_times, interval_text
from cohort.models.groups import make_groups
from cohort.models.result import check_conf_level
from cohort.models.state_rows import StateGroup, hazard_rows, occupation_rows, stay_rows
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.study.endpoints import Endpoint
from cohort.study.guards import acknowledged_guards, check_immortal_time, resolve_facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.study.transitions import Transitions

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


def multistate(
    transitions: Transitions,
    by: str | None = None,
    data: pd.DataFrame | None = None,
    start: float = 0.0,
    from_state: str | None = None,
    variance: Literal["robust", "greenwood"] = "robust",
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> Multistate:
    """Estimate the probability that a patient is in each state over time, whatever path led there.

    Recovered, relapsed and dead patients are told apart, and nobody needs to stay ill for good: a curve of a
    state that is left again rises and falls, which no cumulative incidence does.

    Parameters
    ----------
    transitions : Transitions
        Histories of the patients, from :func:`cohort.transitions` or :func:`cohort.transitions_from_rows`.
    by : str, optional
        Column whose categories are the groups; known at the origin, and the same in all rows of a patient.
    data : DataFrame, optional
        Further columns, aligned by index label (the patient).
    start : float, default=0.0
        Time from which the process is followed; only patients then under observation give the first shares.
        After 0, estimates are landmark estimates: the future of those who came so far.
    from_state : str, optional
        Follow only the patients who are in this state at ``start`` (a landmark Aalen-Johansen estimate, which
        needs no Markov property: Putter and Spitoni 2018).
    variance : {'robust', 'greenwood'}, default='robust'
        ``robust`` sums squared influences of patients, as R ``survfit``; ``greenwood`` needs the Markov
        property, as R ``etm``.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``immortal_time``.

    Returns
    -------
    Multistate
        Probabilities with ``tidy()``, ``at()``, ``hazards()``, ``length_of_stay()``, differences, ``plot()``.

    Raises
    ------
    ImmortalTimeError
        When ``by`` became known after the origin: make it a state instead.
    EstimationError
        When a column or a state is unknown, a patient changes group, or nobody is under observation at ``start``.

    See Also
    --------
    cohort.study.transitions.transitions : Build the histories.
    cohort.models.cumulative_incidence.cumulative_incidence : When states are only entered, never left.

    Notes
    -----
    Aalen-Johansen estimator [1]_; it is consistent for the occupation of states without the Markov property if
    censoring is independent [2]_. Limits are symmetric on the scale log(-log p), and missing where the estimate is 0
    or 1. Estimates, robust standard errors and lengths of stay equal R ``survival`` 3.5-3 ``survfit``, Greenwood
    standard errors ``etm`` 1.1.1 (``tests/reference/multistate``). The hazards of single transitions are modelled by
    ``co.cox(transitions.endpoint(origin, target), ...)``.

    References
    ----------
    .. [1] Aalen OO, Johansen S (1978). Scand J Stat 5:141-150.
    .. [2] Datta S, Satten GA (2001). Stat Probab Lett 55:403-411. doi:10.1016/S0167-7152(01)00155-9
    .. [3] Putter H, Spitoni C (2018). Stat Methods Med Res 27:2081-2092. doi:10.1177/0962280216674497

    Examples
    --------
    >>> import cohort as co
    >>> frame = pd.DataFrame(
    ...     {"icans_onset_day": [4, 5, None, 6], "icans_resolution_day": [9, None, None, 8],
    ...      "death_day": [None, 20, 12, None], "last_contact_day": [30, 20, 12, 25]},
    ...     index=["a", "b", "c", "d"],
    ... )
    >>> history = co.transitions(
    ...     frame, {"icans": "icans_onset_day", "resolved": "icans_resolution_day", "dead": "death_day"}
    ... )
    >>> multistate(history).at([7, 14])[["outcome", "time", "n_risk", "estimate"]]
        outcome  time  n_risk  estimate
    0   infused   7.0       1      0.25
    1   infused  14.0       0      0.00
    2     icans   7.0       3      0.75
    3     icans  14.0       1      0.25
    4  resolved   7.0       0      0.00
    5  resolved  14.0       2      0.50
    6      dead   7.0       0      0.00
    7      dead  14.0       0      0.25
    """
    names = acknowledged_guards(acknowledge)
    own = _follow_up(transitions)
    used = [] if by is None else [by]
    notes = list(check_immortal_time(used, own, resolve_facts(used, own, data), names))
    grouped = make_groups(own, by, data)
    notes += [f"no patients: {', '.join(grouped.empty)}"] if grouped.empty else []
    _check_one_group(transitions.subject[grouped.rows], grouped.codes, by)
    rows = _rows(transitions, grouped.rows)
    keep = _in_state(rows, transitions.states, start, from_state)
    groups = tuple(
        StateGroup(name, state_occupation(rows.take(keep & (grouped.codes == k)), start, variance))
        for k, name in enumerate(grouped.names)
    )
    return Multistate(
        states=transitions.states,
        by=by or "",
        groups=groups,
        n=len(np.unique(rows.subject[keep])),
        start=float(start),
        from_state=from_state or "",
        variance=variance,
        conf_level=check_conf_level(conf_level),
        unit=transitions.unit,
        left_out=(*(("", why, n) for why, n in transitions.excluded if n), *grouped.left_out),
        notes=(*notes, *transitions.notes),
        acknowledged=names,
    )


def _follow_up(transitions: Transitions) -> Endpoint:
    """Return the stays as rows of follow-up, so that columns are aligned and guarded as everywhere."""
    return Endpoint(
        name="state occupation",
        start=transitions.start,
        stop=transitions.stop,
        event=np.zeros(len(transitions.stop), dtype=np.int64),
        states=transitions.states,
        index=transitions.index,
        frame=transitions.frame,
        facts=transitions.facts,
        unit=transitions.unit,
        subject=transitions.subject,
        counting=True,
    )


def _rows(transitions: Transitions, kept: NDArray[np.intp]) -> TransitionRows:
    return TransitionRows(
        transitions.start[kept],
        transitions.stop[kept],
        transitions.origin[kept],
        transitions.target[kept],
        transitions.subject[kept],
        len(transitions.states),
    )


def _check_one_group(subject: NDArray[np.int64], codes: NDArray[np.int64], by: str | None) -> None:
    pairs = np.unique(np.column_stack([subject, codes]), axis=0)
    changed = len(pairs) - len(np.unique(subject))
    if changed:
        raise EstimationError(
            f"the column {by} changes within patients",
            evidence=f"{changed} of {len(np.unique(subject))} patients",
            remedy="make it a state of the process, or group by its value at the start",
        )


def _in_state(
    rows: TransitionRows, states: tuple[str, ...], start: float, from_state: str | None
) -> NDArray[np.bool_]:
    """Return the rows of the patients who are in one state at the start; all rows when none is named."""
    if from_state is None:
        return np.ones(len(rows.stop), dtype=bool)
    if from_state not in states:
        raise EstimationError(
            f"there is no state {from_state!r}",
            evidence=f"states: {', '.join(states)}",
            remedy="name one of them",
        )
    here = (rows.origin == states.index(from_state)) & (rows.start <= start) & (rows.stop > start)
    return np.isin(rows.subject, rows.subject[here])
