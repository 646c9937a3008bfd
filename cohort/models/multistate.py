"""Multi-state models: probability of being in each state over time, hazards of transitions, length of stay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.multistate import TransitionRows, state_occupation
from cohort.models.groups import make_groups
from cohort.models.multistate_result import Multistate
from cohort.models.result import check_conf_level
from cohort.models.state_rows import StateGroup
from cohort.study.endpoints import Endpoint
from cohort.study.guards import acknowledged_guards, check_immortal_time, resolve_facts

if TYPE_CHECKING:
    from cohort.study.transitions import Transitions


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
