"""Events that a hazard ratio needs (Schoenfeld), and the probability of an event beside competing ones."""

from __future__ import annotations

import math

from scipy.special import ndtr, ndtri


def power_of_events(
    hazard_ratio: float,
    events: float,
    prevalence: float,
    r_squared: float = 0.0,
    conf_level: float = 0.95,
) -> float:
    """Return the power of the two-sided test of a hazard ratio.

    Parameters
    ----------
    hazard_ratio : float
        Hazard ratio of exposed to unexposed.
    events : float
        Number of events.
    prevalence : float
        Share of the exposed.
    r_squared : float, default=0.0
        Share of the exposure's variance that other covariates explain.
    conf_level : float, default=0.95
        One minus the level.

    Returns
    -------
    float
        Power; Schoenfeld (1983), with the other covariates as Hsieh and Lavori (2000).

    Examples
    --------
    >>> round(power_of_events(2.0, 66, 0.5), 3)  # Schoenfeld: 65.3 events for 0.8
    0.804
    """
    information = events * prevalence * (1 - prevalence) * (1 - r_squared)
    z = float(ndtri(0.5 + conf_level / 2))
    return float(ndtr(abs(math.log(hazard_ratio)) * math.sqrt(information) - z))


def events_for_power(
    hazard_ratio: float,
    power: float,
    prevalence: float,
    r_squared: float = 0.0,
    conf_level: float = 0.95,
) -> float:
    """Return the number of events at which the power is reached, not rounded.

    Parameters
    ----------
    hazard_ratio : float
        Hazard ratio of exposed to unexposed.
    power : float
        Power wanted.
    prevalence, r_squared, conf_level : float
        As :func:`power_of_events`.

    Returns
    -------
    float
        Number of events.
    """
    z = float(ndtri(0.5 + conf_level / 2)) + float(ndtri(power))
    return (z / math.log(hazard_ratio)) ** 2 / (prevalence * (1 - prevalence) * (1 - r_squared))


def event_share(
    hazard: float, follow_up: float, accrual: float = 0.0, competing_hazard: float = 0.0, loss: float = 0.0
) -> float:
    """Return the probability of the event before a competing one, loss, and the end of the study.

    Parameters
    ----------
    hazard : float
        Hazard of the event per unit of time, constant.
    follow_up : float
        Time from the last entry to the end.
    accrual : float, default=0.0
        Time over which patients enter uniformly.
    competing_hazard, loss : float, default=0.0
        Hazards of competing events and of loss to follow-up.

    Returns
    -------
    float
        Probability.

    Examples
    --------
    >>> round(event_share(0.01, 100.0), 4)  # 1 - exp(-1)
    0.6321
    """
    total = hazard + competing_hazard + loss
    if total == 0:
        return 0.0
    if accrual > 0:
        still = (math.exp(-total * follow_up) - math.exp(-total * (follow_up + accrual))) / (total * accrual)
    else:
        still = math.exp(-total * follow_up)
    return hazard / total * (1 - still)
