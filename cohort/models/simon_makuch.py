"""Curves by an exposure that begins during follow-up (Simon and Makuch), with the Mantel-Byar test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from cohort.errors import EndpointError
from cohort.estimators.kaplan_meier import ConfType
from cohort.models.kaplan_meier import KaplanMeier, kaplan_meier

if TYPE_CHECKING:
    from cohort.study.endpoints import Endpoint

_WARNING = "not the survival of a fixed group: patients change curve when exposed"


def simon_makuch(
    endpoint: Endpoint,
    by: str,
    conf_type: ConfType = "log-log",
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> KaplanMeier:
    """Estimate extended Kaplan-Meier curves by an exposure that begins during follow-up.

    A patient is at risk in the curve of the unexposed until the exposure begins, and in that of the exposed from
    then on. The curves multiply up the hazards of those unexposed and exposed at each time; they are not survival
    probabilities of two fixed groups of patients.

    Parameters
    ----------
    endpoint : Endpoint
        Follow-up in (start, stop] rows, from ``counting_process``.
    by : str
        An exposure of the endpoint.
    conf_type : {'log-log', 'log', 'plain'}, default='log-log'
        Scale on which confidence limits are symmetric.
    conf_level : float, default=0.95
        Confidence level.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``competing_risk``.

    Returns
    -------
    KaplanMeier
        Curves; ``.logrank`` is the Mantel-Byar test.

    Raises
    ------
    EndpointError
        When ``by`` is no time-dependent exposure of the endpoint.

    See Also
    --------
    cohort.models.kaplan_meier.kaplan_meier : For groups known at the origin.

    Notes
    -----
    The test has the hypergeometric variance: the score test of R ``coxph(ties = "exact")``
    (``tests/reference/simon_makuch``).

    References
    ----------
    .. [1] Simon R, Makuch RW (1984). Stat Med 3:35-44. doi:10.1002/sim.4780030106
    .. [2] Mantel N, Byar DP (1974). J Am Stat Assoc 69:81-86. doi:10.1080/01621459.1974.10480131

    Examples
    --------
    >>> import cohort as co
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [4, 6, 8, 9], "dead": 1, "seen": [None, 2, 5, None]})
    >>> survival = co.Endpoint.from_columns(frame, time="days", event="dead")
    >>> curves = simon_makuch(co.counting_process(survival, {"edema": "seen"}), "edema")
    >>> curves.at([4])[["strata", "n_risk", "estimate"]].round(4)
      strata  n_risk  estimate
    0      0       3    0.6667
    1      1       1    1.0000
    """
    if by not in endpoint.exposures:
        raise EndpointError(
            f"{by!r} is no time-dependent exposure of the endpoint.",
            evidence=f"exposures: {', '.join(endpoint.exposures) or 'none'}",
            remedy=f'co.counting_process(endpoint, {{"{by}": "{by}_first_day"}}), '
            "or co.kaplan_meier for groups known at the origin",
        )
    result = kaplan_meier(endpoint, by, conf_type=conf_type, conf_level=conf_level, acknowledge=acknowledge)
    return replace(result, notes=(_WARNING, *result.notes))
