"""The endpoints of CAR-T studies by name, from the columns of the linked frame."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.facts import declared_facts
from cohort.errors import EndpointError
from cohort.study.endpoints import Endpoint, require_columns, require_unique_index

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LAST_CONTACT = "last_contact_day"
LAST_ASSESSED = "icans_last_assessed_day"
HALF_DAY = 0.5


@dataclass(frozen=True, slots=True)
class _Event:
    """Where an event is found: its day, and the column that says whether it happened, when there is one."""

    day: str
    happened: str = ""
    yes: tuple[str, ...] = ("yes",)
    no: tuple[str, ...] = ("no",)


EVENTS: Mapping[str, _Event] = MappingProxyType(
    {
        "death": _Event("death_day", "vital_status", yes=("dead",), no=("alive",)),
        "relapse": _Event("relapse_day", "relapsed"),
        "icans": _Event("icans_onset_day", "any_icans"),
        "late_neurotoxicity": _Event("late_neurotoxicity_day", "late_neurotoxicity"),
    }
)
# Events of each endpoint with the state they lead to. On a shared day the earlier in the list comes first;
# death comes last: the patient lived to have the other event.
_Definition = tuple[tuple[str, str], ...]
DEFINITIONS: Mapping[str, _Definition] = MappingProxyType(
    {
        "overall_survival": (("death", "death"),),
        "progression_free_survival": (("relapse", "relapse_or_death"), ("death", "relapse_or_death")),
        "nrm": (("relapse", "relapse"), ("death", "nrm")),
        "relapse": (("relapse", "relapse"), ("death", "nrm")),
        "icans": (("icans", "icans"), ("death", "death")),
        "late_neurotoxicity": (
            ("late_neurotoxicity", "late_neurotoxicity"),
            ("relapse", "relapse"),
            ("death", "death"),
        ),
    }
)


def endpoint(
    name: str,
    data: pd.DataFrame,
    landmark_day: float | None = None,
    horizon_day: float | None = None,
    competing: tuple[str, ...] | None = None,
) -> Endpoint:
    """Make an endpoint of CAR-T studies from the linked frame.

    ``overall_survival`` is death from any cause. ``progression_free_survival`` is relapse, progression or
    death. ``nrm`` is death without relapse, with relapse competing; ``relapse`` is the same with the roles
    exchanged. ``icans`` is the onset of ICANS, with death competing; ``late_neurotoxicity`` is the first late
    event, with death and relapse competing. The event of interest is the first state.

    Time runs from the infusion (day 0), or from the landmark. On a shared day the event of interest or
    relapse comes before death, since the patient lived to have it: death on the day of relapse is not
    non-relapse mortality. Without an event, follow-up ends at the last contact; an event dated later counts.
    Follow-up that ends on day 0 lasts half a day.

    Patients are left out, with the reason and the count, when follow-up or the day of an event that happened
    is missing, when it is not known whether an event happened, or when a day lies before the infusion. Whose
    vital status is not recorded was alive at the last contact and is censored then.

    Parameters
    ----------
    name : str
        One of the names above.
    data : DataFrame
        One row per patient with unique index labels, as :meth:`Study.link` makes it. Columns
        ``last_contact_day`` and ``death_day``, ``relapse_day``, ``icans_onset_day`` or
        ``late_neurotoxicity_day`` as the endpoint needs them; a missing day means no event unless
        ``vital_status``, ``relapsed``, ``any_icans`` or ``late_neurotoxicity`` says otherwise or is missing.
    landmark_day : float, optional
        Day since infusion at which the clock starts. Patients whose event or censoring comes at or before it
        are left out; columns known by that day become valid covariates.
    horizon_day : float, optional
        Day since infusion at which everyone still followed is censored.
    competing : tuple of str, optional
        Competing events in place of the usual ones, from ``death``, ``relapse``, ``icans`` and
        ``late_neurotoxicity``, as ``("death", "relapse")`` for ``icans``.

    Returns
    -------
    Endpoint
        The endpoint, with the timing of every column of ``data``.

    Raises
    ------
    EndpointError
        When the name is unknown, a column is missing, the horizon does not lie after the landmark, or the
        endpoint counts deaths and nobody's death or vital status is recorded.

    See Also
    --------
    counting_process : Adds exposures that begin during follow-up.
    Endpoint.from_columns : Makes any other endpoint.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"death_day": [0, 40, None], "last_contact_day": [0, 40, 400]})
    >>> endpoint("overall_survival", data)
    Endpoint overall_survival: 3 patients, time in days from day 0
      censored 1, death 2
      follow-up of 1 patient ended on day 0 and counts as half a day
    >>> endpoint("overall_survival", data, landmark_day=30)
    Endpoint overall_survival: 2 patients, time in days from day 30
      censored 1, death 1
      left out: 1 (event at or before the landmark (day 30))
    """
    definition = _definition(name, competing)
    _check_days(landmark_day, horizon_day)
    needed = [EVENTS[event].day for event, _ in definition]
    require_columns(data, [*dict.fromkeys(needed), LAST_CONTACT])
    require_unique_index(data)
    definition, unrecorded = _without_unrecorded_death(definition, data, name)
    states = _states(definition, name)
    seen = _landmark(_follow_up(data, definition, states), landmark_day)
    excluded, keep = _exclude(seen.reasons, len(data))
    origin = 0.0 if landmark_day is None else float(landmark_day)
    end = np.inf if horizon_day is None else float(horizon_day)
    time = np.minimum(seen.day, end)[keep] - origin
    event = np.where(seen.day > end, 0, seen.event)[keep]
    frame = data.loc[keep]
    return Endpoint(
        name=name,
        start=np.zeros(len(frame)),
        stop=np.where(time == 0, HALF_DAY, time),
        event=event.astype(np.int64),
        states=states,
        index=frame.index,
        frame=frame,
        facts=MappingProxyType(declared_facts(data)),
        origin_day=origin,
        excluded=excluded,
        notes=(*unrecorded, *_notes(seen, keep, time, end)),
    )


@dataclass(frozen=True, slots=True)
class _FollowUp:
    """Last day and event of each patient, who cannot be used by reason, and what to tell of whom."""

    day: FloatArray
    event: NDArray[np.int64]
    reasons: tuple[tuple[str, BoolArray], ...]
    told: tuple[tuple[str, BoolArray], ...] = ()


def _landmark(seen: _FollowUp, landmark_day: float | None) -> _FollowUp:
    """Leave out whose follow-up ends at or before the landmark."""
    if landmark_day is None:
        return seen
    gone = seen.day <= landmark_day
    event = (f"event at or before the landmark (day {landmark_day:g})", gone & (seen.event > 0))
    censored = (f"censored at or before the landmark (day {landmark_day:g})", gone & (seen.event == 0))
    return replace(seen, reasons=(*seen.reasons, event, censored))


def _notes(seen: _FollowUp, keep: BoolArray, time: FloatArray, end: float) -> tuple[str, ...]:
    """Say which conventions were applied, and to how many patients."""
    told = [(text, int((keep & whom).sum())) for text, whom in seen.told]
    notes = [text.format(patients=_patients(n)) for text, n in told if n]
    if (seen.day[keep] > end).any():
        notes.append(f"follow-up censored at day {end:g}")
    if (time == 0).any():
        notes.append(
            f"follow-up of {_patients(int((time == 0).sum()))} ended on day 0 and counts as half a day"
        )
    return tuple(notes)


def _patients(n: int) -> str:
    return f"{n} patient" if n == 1 else f"{n} patients"


def _definition(name: str, competing: tuple[str, ...] | None) -> _Definition:
    if name not in DEFINITIONS:
        close = difflib.get_close_matches(name, DEFINITIONS, n=1)
        raise EndpointError(
            f"There is no endpoint named {name!r}.",
            evidence=f"endpoints: {', '.join(DEFINITIONS)}",
            remedy=f'co.endpoint("{close[0]}", data)'
            if close
            else 'co.Endpoint.from_columns(data, time="days", event="status") for an endpoint of your own',
        )
    definition = DEFINITIONS[name]
    if competing is None:
        return definition
    unknown = [c for c in competing if c not in EVENTS]
    if unknown or name not in EVENTS or name in competing:
        raise EndpointError(
            f"competing= is not possible for {name!r} as written.",
            evidence=f"events: {', '.join(EVENTS)}; given: {', '.join(competing)}",
            remedy='co.endpoint("icans", data, competing=("death", "relapse"))',
        )
    others = sorted(dict.fromkeys(competing), key=lambda c: c == "death")
    return ((name, name), *((c, c) for c in others))


def _without_unrecorded_death(
    definition: _Definition, data: pd.DataFrame, name: str
) -> tuple[_Definition, tuple[str, ...]]:
    """Refuse an endpoint of deaths that nobody recorded; as a competing event they are left out and told."""
    death = EVENTS["death"]
    told = death.happened in data.columns and bool(len(data))
    if not told or data[death.day].notna().any() or data[death.happened].notna().any():
        return definition, ()
    if dict(definition).get("death") == _states(definition, name)[0]:
        raise EndpointError(
            f"Nobody's death or vital status is recorded, so {name} cannot be known.",
            evidence=f"{len(data)} patients; {death.day} and {death.happened} are missing for all",
            remedy="map death or vital status in the source, or leave the endpoint out",
        )
    kept = tuple((event, state) for event, state in definition if event != "death")
    return kept, ("deaths are not recorded: the incidence takes no account of them",)


def _check_days(landmark_day: float | None, horizon_day: float | None) -> None:
    low = 0.0 if landmark_day is None else landmark_day
    wrong_landmark = landmark_day is not None and not (np.isfinite(landmark_day) and landmark_day > 0)
    wrong_horizon = horizon_day is not None and not (np.isfinite(horizon_day) and horizon_day > low)
    if wrong_landmark or wrong_horizon:
        raise EndpointError(
            "The landmark must be a day after infusion, and the horizon a day after the landmark.",
            evidence=f"landmark_day={landmark_day}, horizon_day={horizon_day}",
            remedy='co.endpoint("overall_survival", data, landmark_day=30, horizon_day=365)',
        )


def _states(definition: _Definition, name: str) -> tuple[str, ...]:
    """Return the states, the event of interest first."""
    states = list(dict.fromkeys(state for _, state in definition))
    return tuple(sorted(states, key=lambda state: state != name))


def _follow_up(data: pd.DataFrame, definition: _Definition, states: tuple[str, ...]) -> _FollowUp:
    """Find each patient's first event, the earlier in the definition on a shared day."""
    last, told = _last_contact(data, icans=definition[0][0] == "icans")
    day, event = np.full(len(data), np.inf), np.zeros(len(data), dtype=np.int64)
    reasons: list[tuple[str, BoolArray]] = []
    for source, state in definition:
        when, undated, unknown = _when(data, source)
        if source == "death":  # the last of all events, and not before the last contact
            undated, unknown = undated & (event == 0), unknown & (event == 0)
            told.append(("vital status of {patients} is not recorded; censored at last contact", unknown))
            unknown = np.zeros_like(unknown)
        reasons += [
            (f"{source} without a day", undated),
            (f"not known whether {source} happened", unknown),
            (f"{source} before infusion", when < 0),
        ]
        earlier = when < day
        day = np.where(earlier, when, day)
        event = np.where(earlier, states.index(state) + 1, event)
    day = np.where(event > 0, day, last)
    reasons.append(("last contact missing", np.isnan(day)))
    reasons.append(("last contact before infusion", (event == 0) & (day < 0)))
    return _FollowUp(day, event, tuple(reasons), tuple(told))


def _last_contact(data: pd.DataFrame, *, icans: bool) -> tuple[FloatArray, list[tuple[str, BoolArray]]]:
    """Return the day until which a patient was followed; for ICANS at least to the last assessment."""
    last = _days(data, LAST_CONTACT)
    if not icans or LAST_ASSESSED not in data.columns:
        return last, []
    assessed = _days(data, LAST_ASSESSED)
    instead = np.isnan(last) & ~np.isnan(assessed) & np.isnan(_days(data, EVENTS["icans"].day))
    text = "follow-up of {patients} ends at the last neurological assessment, as no last contact is recorded"
    return np.where(np.isnan(last), assessed, last), [(text, instead)]


def _when(data: pd.DataFrame, source: str) -> tuple[FloatArray, BoolArray, BoolArray]:
    """Return the day of an event (missing when none), who had it undated, and of whom it is not known."""
    event = EVENTS[source]
    day = _days(data, event.day)
    none = np.isnan(day)
    if event.happened not in data.columns:
        return day, np.zeros(len(data), dtype=bool), np.zeros(len(data), dtype=bool)
    happened = data[event.happened].astype(object)
    yes, no = happened.isin(event.yes).to_numpy(), happened.isin(event.no).to_numpy()
    return day, none & yes, none & ~yes & ~no


def _days(data: pd.DataFrame, column: str) -> FloatArray:
    values = data[column]
    numeric = pd.api.types.is_numeric_dtype(values.dtype) or values.isna().all()
    if not numeric or pd.api.types.is_bool_dtype(values.dtype):
        raise EndpointError(
            f"The column {column!r} does not hold days.",
            evidence=f"its dtype is {values.dtype}",
            remedy="Give days since infusion as numbers: (date - infusion_date).dt.days",
        )
    return np.asarray(
        pd.to_numeric(values).astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), np.float64
    )


def _exclude(
    reasons: tuple[tuple[str, BoolArray], ...], n: int
) -> tuple[tuple[tuple[str, int], ...], BoolArray]:
    """Leave patients out under the first reason that applies, and count them by reason."""
    keep = np.ones(n, dtype=bool)
    counted: dict[str, int] = {}
    for reason, applies in reasons:
        counted[reason] = counted.get(reason, 0) + int((keep & applies).sum())
        keep &= ~applies
    return tuple((reason, count) for reason, count in counted.items() if count), keep
