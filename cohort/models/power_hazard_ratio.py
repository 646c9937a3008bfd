"""Power for a hazard ratio of an exposure known at time zero (Schoenfeld)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.power_hazards import event_share, events_for_power, power_of_events
from cohort.format import fixed, ratio
from cohort.models.plan_checks import check_between, check_n, one_of
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PowerHazardRatio:
    """Power of a planned hazard ratio.

    Attributes
    ----------
    hazard_ratio : float
        Hazard ratio of exposed to unexposed.
    prevalence : float
        Share of the exposed.
    events : float
        Events expected, before any inflation by clustering is taken off.
    n : int
        Patients; -1 when only events were planned.
    event_probability : float
        Probability that a patient has the event; NaN when only events were planned.
    power : float
        Power.
    r_squared, design_effect : float
        Share of the exposure that covariates explain; inflation by clustering.
    conf_level : float
        One minus the two-sided level.
    """

    hazard_ratio: float
    prevalence: float
    events: float
    n: int
    event_probability: float
    power: float
    r_squared: float
    design_effect: float
    conf_level: float

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row: the power.

        Parameters
        ----------
        conf_level : float, optional
            Not used: the power is computed, not estimated, so its limits are the power itself.
        exponentiate : bool, default=False
            Without effect.

        Returns
        -------
        DataFrame
            ``term, method, estimate, std_error, conf_low, conf_high, n, n_event``.
        """
        return pd.DataFrame(
            {
                "term": ["power"],
                "method": ["schoenfeld"],
                "estimate": [self.power],
                "std_error": [0.0],
                "conf_low": [self.power],
                "conf_high": [self.power],
                "n": pd.array([self.n if self.n >= 0 else None], dtype="Int64"),
                "n_event": [self.events],
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the plan.

        Returns
        -------
        DataFrame
            ``n, n_event, method, conf_level``.
        """
        n = pd.array([self.n if self.n >= 0 else None], dtype="Int64")
        columns = {
            "n": n,
            "n_event": [self.events],
            "method": ["Schoenfeld"],
            "conf_level": [self.conf_level],
        }
        return pd.DataFrame(columns)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the power against the number of events, with this plan marked.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.plan_curve import plot_plan_curve

        events = np.linspace(self.events * 0.1, self.events * 1.8, 60)
        power = [self._power_at(float(d)) for d in events]
        frame = pd.DataFrame({"n": events, "estimate": power})
        return plot_plan_curve(frame, mark=(self.events, self.power), xlabel="Events", ax=ax)

    def text(self, term: str = "power") -> str:
        """Return the sentence fragment for a protocol.

        Parameters
        ----------
        term : str, default='power'
            The only term.

        Returns
        -------
        str
            For example ``66 events give a power of 0.80 for a hazard ratio of 2.00 ...``.
        """
        if term != "power":
            raise EstimationError(f"term {term!r} is not in this result", remedy='text("power")')
        who = f"{fixed(self.events, 0)} events" + (f" among {self.n} patients" if self.n >= 0 else "")
        what = f"a hazard ratio of {ratio(self.hazard_ratio)} with {fixed(100 * self.prevalence, 0)}% exposed"
        return (
            f"{who} give a power of {fixed(self.power, 2)} for {what} at a two-sided level of {self._level()}"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _level(self) -> str:
        return f"{1 - self.conf_level:.2g}"

    def _power_at(self, events: float) -> float:
        effective = events / self.design_effect
        return power_of_events(self.hazard_ratio, effective, self.prevalence, self.r_squared, self.conf_level)

    def _summary(self) -> Summary:
        n = f"{self.n}, event probability {self.event_probability:.3f}" if self.n >= 0 else "events only"
        clustered = f"; design effect {self.design_effect:.2f}" if self.design_effect > 1 else ""
        other = f"; covariates explain {self.r_squared:.2f} of the exposure" if self.r_squared > 0 else ""
        facts = (
            ("method", f"Schoenfeld 1983, two-sided level {self._level()}{other}"),
            ("patients", f"{n}{clustered}"),
            ("left out", "nobody: a plan has no patients; add those who will not be imaged or assessed"),
            ("notes", "for an exposure known at time zero; one that begins later: co.power_time_dependent"),
        )
        cells = {
            "hazard ratio": [ratio(self.hazard_ratio)],
            "exposed": [f"{100 * self.prevalence:.0f}%"],
            "events": [fixed(self.events, 1)],
            "power": [fixed(self.power, 3)],
        }
        return Summary("Power for a hazard ratio", facts, pd.DataFrame(cells))


def power_hazard_ratio(
    hazard_ratio: float,
    prevalence: float,
    *,
    events: float | None = None,
    n: int | None = None,
    power: float | None = None,
    event_probability: float | None = None,
    r_squared: float = 0.0,
    design_effect: float = 1.0,
    conf_level: float = 0.95,
) -> PowerHazardRatio:
    """Plan a hazard ratio of an exposure known at time zero: power of events or patients, or their number.

    Parameters
    ----------
    hazard_ratio : float
        Hazard (or cause-specific hazard) ratio of exposed to unexposed, not 1 when power is given.
    prevalence : float
        Share of the exposed.
    events, n, power : float
        Exactly one: events, patients, or the power wanted.
    event_probability : float, optional
        Probability that a patient has the event in the study, from ``co.event_probability``, which takes
        competing events into account. Needed with ``n``; with the others it adds the number of patients.
    r_squared : float, default=0.0
        Share of the exposure's variance that the other covariates explain.
    design_effect : float, default=1.0
        Inflation by clustering, from ``co.design_effect``.
    conf_level : float, default=0.95
        One minus the two-sided level.

    Returns
    -------
    PowerHazardRatio
        Plan with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        When an argument is out of range, not exactly one of three is given, or ``n`` comes without a probability.

    References
    ----------
    .. [1] Schoenfeld DA (1983). Biometrics 39:499-503.
    .. [2] Hsieh FY, Lavori PW (2000). Control Clin Trials 21:552-560.

    Examples
    --------
    >>> import cohort as co
    >>> plan = co.power_hazard_ratio(2.0, 0.5, power=0.8, event_probability=0.4)
    >>> round(plan.events, 1), plan.n
    (65.6, 164)
    """
    check_between("hazard_ratio", hazard_ratio, 0, math.inf)
    check_between("prevalence", prevalence, 0, 1)
    shared = check_between("r_squared", r_squared, 0, 1, closed=True)
    effect = check_between("design_effect", design_effect, 1, math.inf, closed=True)
    level = check_conf_level(conf_level)
    given = one_of(events=events, n=n, power=power)
    if event_probability is not None and event_probability != 1:
        check_between("event_probability", event_probability, 0, 1)
    patients = -1
    if given == "n":
        if event_probability is None:
            raise EstimationError(
                "patients without the probability of the event have no number of events",
                remedy="event_probability=co.event_probability(hazard, follow_up, ...), or events=",
            )
        patients = check_n("n", n, 2)
        total = patients * event_probability
    elif given == "events":
        total = check_between("events", events, 0, math.inf)
    else:
        if hazard_ratio == 1:
            raise EstimationError(
                "a hazard ratio of 1 has no power", remedy="give a ratio that differs from 1"
            )
        wanted = check_between("power", power, 0, 1)
        total = effect * events_for_power(hazard_ratio, wanted, prevalence, shared, level)
    if patients < 0 and event_probability is not None:
        patients = math.ceil(total / event_probability - 1e-9)
        total = patients * event_probability if given == "power" else total
    return PowerHazardRatio(
        hazard_ratio=float(hazard_ratio),
        prevalence=float(prevalence),
        events=float(total),
        n=patients,
        event_probability=math.nan if event_probability is None else float(event_probability),
        power=power_of_events(hazard_ratio, total / effect, prevalence, shared, level),
        r_squared=shared,
        design_effect=effect,
        conf_level=level,
    )


def event_probability(
    hazard: float,
    follow_up: float,
    *,
    accrual: float = 0.0,
    competing_hazard: float = 0.0,
    loss: float = 0.0,
    hazard_ratio: float = 1.0,
    prevalence: float = 0.0,
) -> float:
    """Compute the probability that a patient has the event in the study, beside competing events and loss.

    Parameters
    ----------
    hazard : float
        Cause-specific hazard of the event among the unexposed, per unit of time, constant.
    follow_up : float
        Time from the last entry to the end of the study.
    accrual : float, default=0.0
        Time over which patients enter uniformly.
    competing_hazard, loss : float, default=0.0
        Hazards of competing events and of loss to follow-up.
    hazard_ratio : float, default=1.0
        Cause-specific hazard ratio of the exposed.
    prevalence : float, default=0.0
        Share of the exposed.

    Returns
    -------
    float
        Probability, averaged over exposed and unexposed.

    Raises
    ------
    EstimationError
        When an argument is out of range.

    Notes
    -----
    The cumulative incidence under constant hazards, averaged over uniform entry. Competing events take events away
    and so cost patients, not power per event [1]_.

    References
    ----------
    .. [1] Schulgen G, Olschewski M, Krane V, et al (2005). Contemp Clin Trials 26:386-396.

    Examples
    --------
    >>> import cohort as co
    >>> round(co.event_probability(0.002, 365, competing_hazard=0.001), 3)
    0.444
    """
    check_between("hazard", hazard, 0, math.inf)
    check_between("follow_up", follow_up, 0, math.inf, closed=accrual > 0)
    for name, value in (("accrual", accrual), ("competing_hazard", competing_hazard), ("loss", loss)):
        check_between(name, value, 0, math.inf, closed=True)
    check_between("hazard_ratio", hazard_ratio, 0, math.inf)
    if prevalence != 1:
        check_between("prevalence", prevalence, 0, 1, closed=True)
    shares = [
        event_share(hazard * factor, follow_up, accrual, competing_hazard, loss)
        for factor in (1.0, hazard_ratio)
    ]
    return (1 - prevalence) * shares[0] + prevalence * shares[1]
