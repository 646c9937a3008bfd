"""Histories of patients through states: stays (start, stop] with the state they are in and the one they enter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.facts import ColumnFacts
from cohort.errors import EndpointError
from cohort.study.endpoints import Endpoint
from cohort.study.intervals import check_intervals

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transitions:
    """Stays of patients in states.

    Attributes
    ----------
    states : tuple of str
        Names of the states; the first is the one everybody starts in, unless the rows say otherwise.
    start, stop : array of shape (n_rows,)
        Each stay under observation is (start, stop].
    origin : array of shape (n_rows,)
        State of the stay, as position in ``states``.
    target : array of shape (n_rows,)
        State entered at ``stop``; -1 when observation ends or goes on in the same state.
    subject : array of shape (n_rows,)
        Code of the patient.
    index : Index of length n_rows
        Label of the patient of each row; data are aligned by it.
    frame : DataFrame
        The patients' columns, one row per stay.
    facts : mapping of str to ColumnFacts
        When each column of ``frame`` becomes known.
    unit : str
        Unit of time.
    excluded : tuple of (str, int)
        Reasons for which patients are left out, with counts.
    notes : tuple of str
        Conventions that were applied, and how often.
    """

    states: tuple[str, ...]
    start: FloatArray
    stop: FloatArray
    origin: IntArray
    target: IntArray
    subject: IntArray
    index: pd.Index
    frame: pd.DataFrame = field(repr=False)
    facts: Mapping[str, ColumnFacts] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    unit: str = "days"
    excluded: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_subjects(self) -> int:
        """Number of patients.

        Returns
        -------
        int
            Patients, however many stays they have.
        """
        return len(np.unique(self.subject))

    def counts(self) -> pd.DataFrame:
        """Count transitions.

        Returns
        -------
        DataFrame
            One row per state left and one column per state entered, and ``still there``: patients whose
            observation ended in the state (also those in a state that nobody leaves).
        """
        K = len(self.states)
        moves = self.target >= 0
        flat = np.bincount(self.origin[moves] * K + self.target[moves], minlength=K * K)
        table = pd.DataFrame(flat.reshape(K, K), index=list(self.states), columns=list(self.states))
        order = np.lexsort((self.stop, self.subject))
        last = order[np.r_[self.subject[order][1:] != self.subject[order][:-1], True]]
        final = np.where(self.target[last] >= 0, self.target[last], self.origin[last])
        return table.assign(**{"still there": np.bincount(final, minlength=K)})

    def endpoint(
        self,
        origin: str,
        target: str | Sequence[str] | None = None,
        clock: Literal["forward", "reset"] = "forward",
    ) -> Endpoint:
        """Make the endpoint of leaving one state, for Cox and Fine-Gray models of its transitions.

        Parameters
        ----------
        origin : str
            State that patients are in.
        target : str or sequence of str, optional
            States whose entry counts; all that are entered from ``origin`` by default. Entering another one ends
            follow-up as censored (cause-specific hazards).
        clock : {'forward', 'reset'}, default='forward'
            Time since the origin of the process, with late entry at entry to the state; or time since entry to
            the state.

        Returns
        -------
        Endpoint
            One row per stay in the state.

        Raises
        ------
        EndpointError
            When a state is unknown or nobody was ever in it.
        """
        here = self._code(origin)
        stays = self.origin == here
        if not stays.any():
            raise EndpointError(f"Nobody was under observation in {origin!r}.", remedy="Look at counts().")
        entered = np.unique(self.target[stays & (self.target >= 0)])
        wanted = entered if target is None else np.array([self._code(s) for s in _as_list(target)])
        code = np.zeros(len(self.states) + 1, dtype=np.int64)
        code[wanted] = np.arange(1, len(wanted) + 1)
        start, stop = self.start[stays], self.stop[stays]
        if clock == "reset":
            start, stop = np.zeros(len(start)), stop - start
        names = tuple(self.states[k] for k in wanted)
        return Endpoint(
            name=f"{origin}_to_{'_or_'.join(names)}" if names else f"leaving_{origin}",
            start=start,
            stop=stop,
            event=code[self.target[stays]],
            states=names,
            index=self.index[stays],
            frame=self.frame.loc[stays],
            facts=self.facts,
            unit=self.unit,
            subject=pd.factorize(self.subject[stays])[0].astype(np.int64),
            counting=clock == "forward",
            notes=self.notes,
        )

    def __repr__(self) -> str:
        moves = int((self.target >= 0).sum())
        lines = [
            f"Transitions of {self.n_subjects} patients through {', '.join(self.states)}, time in {self.unit}",
            f"  {moves} transitions in {len(self.stop)} stays",
        ]
        lines += [f"  left out: {n} ({reason})" for reason, n in self.excluded if n]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def _code(self, state: str) -> int:
        if state not in self.states:
            raise EndpointError(
                f"There is no state {state!r}.",
                evidence=f"states: {', '.join(self.states)}",
                remedy="Name one of them.",
            )
        return self.states.index(state)


def transitions_from_rows(
    data: pd.DataFrame, *, id: str, start: str, stop: str, origin: str, target: str, unit: str = "days"
) -> Transitions:
    """Read stays that are rows already: one per patient and state, as for R ``survfit`` with ``istate``.

    Parameters
    ----------
    data : DataFrame
        One row per stay; a patient may come back to a state.
    id, start, stop : str
        Columns with the patient and the interval (start, stop].
    origin : str
        Column with the state of the stay.
    target : str
        Column with the state entered at ``stop``; missing, or ``censored``, when none was.
    unit : str, default='days'
        Unit of time.

    Returns
    -------
    Transitions
        The stays. States are in order of the categories of ``origin``, or as they appear in time.

    Raises
    ------
    EndpointError
        When a column is missing, an interval is empty or overlaps another of the patient, or a stay does not
        begin in the state that the patient's previous stay entered.

    Examples
    --------
    >>> rows = pd.DataFrame({
    ...     "patient_id": ["a", "a", "b"], "start": [0, 4, 0], "stop": [4, 9, 7],
    ...     "state": ["well", "icans", "well"], "next": ["icans", "dead", None],
    ... })
    >>> transitions_from_rows(rows, id="patient_id", start="start", stop="stop", origin="state", target="next")
    Transitions of 2 patients through well, icans, dead, time in days
      2 transitions in 3 stays
    """
    own = Endpoint.from_columns(
        data.assign(_censored=0),
        start=start,
        stop=stop,
        event="_censored",
        id=id,
        unit=unit,
        states={1: "any"},
    )
    frame = own.frame.drop(columns="_censored")
    from_, to = frame[origin], frame[target].where(frame[target] != "censored")
    if from_.isna().any():
        raise EndpointError(
            f"The column {origin!r} has missing values: in which state was the patient?",
            evidence=f"{int(from_.isna().sum())} of {len(frame)} rows",
            remedy=f'frame = frame[frame["{origin}"].notna()]',
        )
    states = _state_names(from_, to, own.start)
    position = {state: k for k, state in enumerate(states)}
    made = Transitions(
        states=states,
        start=own.start,
        stop=own.stop,
        origin=_codes(from_, position),
        target=_codes(to, position),
        subject=np.asarray(own.subject, dtype=np.int64),
        index=pd.Index(frame[id]),
        frame=frame.set_index(id, drop=False),
        facts=own.facts,
        unit=unit,
        excluded=own.excluded,
    )
    _check_history(made)
    return made


def transitions(
    data: pd.DataFrame,
    states: Mapping[str, str | tuple[str, str]],
    end: str = "last_contact_day",
    initial: str = "infused",
    terminal: str | Sequence[str] = ("dead",),
    unit: str = "days",
) -> Transitions:
    """Build each patient's history from one row per patient with the day of entry to each state.

    Everybody begins in ``initial`` at time 0 and moves from state to state in order of the days. States entered on
    one day are entered half a day apart at most, in the order in which ``states`` names them, so that each is
    visited; entry on day 0 counts as half a day. Without a terminal state observation ends at ``end``; an event
    dated later counts.

    Parameters
    ----------
    data : DataFrame
        One row per patient, unique index labels.
    states : mapping of str to str, or to (str, str)
        For each state the column with its first day (missing: never entered), or that column with the one that says
        whether it was (``yes``/``no``, ``dead``/``alive``, true/false; missing: nobody knows, left out).
    end : str, default='last_contact_day'
        Column with the last day under observation.
    initial : str, default='infused'
        Name of the state at time 0.
    terminal : str or sequence of str, default=('dead',)
        States that nobody leaves.
    unit : str, default='days'
        Unit of time.

    Returns
    -------
    Transitions
        The stays; ``excluded`` and ``notes`` say who was left out and which conventions were applied.

    Raises
    ------
    EndpointError
        When a column is missing or not numeric, or a state is entered after a terminal one.

    Examples
    --------
    >>> frame = pd.DataFrame(
    ...     {"icans_onset_day": [4, None, 6], "death_day": [None, 9, 6], "last_contact_day": [30, 9, 6]},
    ...     index=["a", "b", "c"],
    ... )
    >>> history = transitions(frame, {"icans": "icans_onset_day", "dead": "death_day"})
    >>> history.counts()
              infused  icans  dead  still there
    infused         0      2     1            0
    icans           0      0     1            1
    dead            0      0     0            2
    """
    from cohort.study.state_days import entry_days

    last_states = tuple(_as_list(terminal))
    unknown = [state for state in last_states if state not in states]
    if unknown or initial in states:
        raise EndpointError(
            f"{', '.join(map(repr, unknown)) or repr(initial)} is named wrongly.",
            evidence=f"states: {', '.join(states)}; initial: {initial}; terminal: {', '.join(last_states)}",
            remedy="terminal= names states of states=; initial= is another name.",
        )
    found = entry_days(data, states, end, last_states)
    names = (initial, *states)
    days, keep = found.days, found.keep
    order = np.argsort(days, axis=1, kind="stable")
    entered = np.take_along_axis(days, order, axis=1)
    n_rows = len(entered)
    start = np.hstack([np.zeros((n_rows, 1)), entered])
    final = np.full((n_rows, 1), -1)
    target = np.hstack([np.where(np.isfinite(entered), order + 1, -1), final])
    origin = np.hstack([np.zeros((n_rows, 1), dtype=np.int64), order + 1])
    stop = np.hstack([entered, np.full((n_rows, 1), np.inf)])
    stop = np.where(np.isfinite(stop), stop, found.end[:, None])
    absorbed = np.isin(origin, [names.index(state) for state in last_states])
    real = np.isfinite(start) & (start < stop) & ~absorbed
    row, column = np.nonzero(real)
    frame = data.loc[keep].iloc[row]
    made = Transitions(
        states=names,
        start=start[row, column],
        stop=stop[row, column],
        origin=origin[row, column].astype(np.int64),
        target=target[row, column].astype(np.int64),
        subject=row.astype(np.int64),
        index=frame.index,
        frame=frame,
        facts=found.facts,
        unit=unit,
        excluded=found.excluded,
        notes=found.notes,
    )
    check_intervals(made.start, made.stop, made.subject, columns=("start", "stop"), id_name="patient")
    return replace(made, subject=pd.factorize(made.subject)[0].astype(np.int64))


def _as_list(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _state_names(origin: pd.Series, target: pd.Series, start: FloatArray) -> tuple[str, ...]:
    if isinstance(origin.dtype, pd.CategoricalDtype):
        named = [str(c) for c in origin.cat.categories if c != "censored"]
    else:
        named = []
    seen = [str(v) for v in origin.iloc[np.argsort(start, kind="stable")]]
    return tuple(dict.fromkeys([*named, *seen, *sorted(str(v) for v in target.dropna().unique())]))


def _codes(names: pd.Series, position: Mapping[str, int]) -> IntArray:
    """Code states by their position; -1 where there is none."""
    found = names.astype(object).astype(str).map(position)
    return found.where(names.notna(), -1).to_numpy().astype(np.int64)


def _check_history(rows: Transitions) -> None:
    """Raise when a stay does not begin where the patient's previous one ended ("teleport")."""
    order = np.lexsort((rows.start, rows.subject))
    who, origin, target = rows.subject[order], rows.origin[order], rows.target[order]
    reached = np.where(target >= 0, target, origin)
    jumped = (
        (who[1:] == who[:-1])
        & (rows.start[order][1:] == rows.stop[order][:-1])
        & (reached[:-1] != origin[1:])
    )
    if jumped.any():
        raise EndpointError(
            "A stay begins in another state than the patient's previous stay entered.",
            evidence=f"{int(jumped.sum())} stays of {len(np.unique(who[1:][jumped]))} patients",
            remedy="Let the target of each stay be the origin of the next one.",
        )
