"""One kind of event of an endpoint, for methods that know no competing events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cohort.errors import CompetingRiskError, EstimationError

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint


def single_event(
    endpoint: Endpoint, outcome: str | None, acknowledged: tuple[str, ...]
) -> tuple[NDArray[np.int64], str]:
    """Return the event as 0/1 with its name, refusing an endpoint with competing events.

    Parameters
    ----------
    endpoint : Endpoint
        The endpoint.
    outcome : str or None
        The event of interest, all others being censored; None when any event counts.
    acknowledged : tuple of str
        Guards that were overridden.

    Returns
    -------
    event : array of shape (n_rows,)
        1 at the event.
    name : str
        What to call it.

    Raises
    ------
    CompetingRiskError
        When the endpoint has several events and the guard was not overridden.
    EstimationError
        When it has no event of that name.
    """
    if outcome is not None and outcome not in endpoint.states:
        raise EstimationError(
            f"the endpoint has no event {outcome!r}",
            evidence=f"events: {', '.join(endpoint.states)}",
            remedy="name one of them",
        )
    if len(endpoint.states) > 1 and CompetingRiskError.guard not in acknowledged:
        counts = ", ".join(f"{name} {n}" for name, n in endpoint.event_counts().items())
        raise CompetingRiskError(
            f"{endpoint.name} has competing events: 1 - Kaplan-Meier would overstate each of them, because "
            "it treats patients with a competing event as if they could still have the event later",
            evidence=counts,
            remedy='co.cumulative_incidence(endpoint, by=...); or acknowledge="competing_risk" to keep it as '
            "written; it will be printed with the result",
        )
    if outcome is None:
        return (endpoint.event > 0).astype(np.int64), endpoint.name
    wanted = endpoint.states.index(outcome) + 1
    return (endpoint.event == wanted).astype(np.int64), outcome
