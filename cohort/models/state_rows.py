"""Rows of multi-state results: occupation probabilities, transition hazards and lengths of stay of a group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from cohort.estimators.kaplan_meier import probability_limits
from cohort.estimators.multistate import StateOccupation, cumulative_hazards
from cohort.models.curves import normal_limits

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class StateGroup:
    """State occupation of one group of patients.

    Attributes
    ----------
    name : str
        Name of the group, empty without groups.
    occupation : StateOccupation
        The estimates.
    """

    name: str
    occupation: StateOccupation

    @property
    def n_event(self) -> int:
        """Number of transitions.

        Returns
        -------
        int
            Transitions of any kind.
        """
        return int(self.occupation.n_transition.sum())

    def ends_before(self, times: FloatArray) -> NDArray[np.bool_]:
        """Tell which times lie beyond follow-up while somebody may still move.

        Parameters
        ----------
        times : array of shape (n,)
            Times.

        Returns
        -------
        array of shape (n,)
            Whether the estimate does not exist.
        """
        left = self.occupation.n_transition.sum(axis=(0, 2)) > 0
        may_move = self.occupation.at(times)[0][:, left].sum(axis=1) > 0
        return np.asarray((times > self.occupation.last_time) & may_move)


def occupation_rows(
    group: StateGroup, states: tuple[str, ...], times: FloatArray | None, conf_level: float
) -> pd.DataFrame:
    """Return the probability of each state of a group at times.

    Parameters
    ----------
    group : StateGroup
        The group.
    states : tuple of str
        Names of the states.
    times : array of shape (n,) or None
        Ascending times; None for the start and each distinct time of a transition.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        One row per state and time, states outer.
    """
    own = group.occupation
    times = np.r_[own.origin_time, own.time] if times is None else times
    probability, variance = own.at(times)
    error = np.sqrt(variance)
    entered = np.vstack([np.zeros(len(states), dtype=np.int64), own.n_transition.sum(axis=1)]).cumsum(axis=0)
    entries = np.diff(entered[np.searchsorted(own.time, times, side="right")], axis=0, prepend=0)
    beyond, at_risk = group.ends_before(times), own.in_state(times)
    low, high = probability_limits(probability.ravel(), error.ravel(), "log-log", conf_level)
    shape = probability.shape
    low, high = low.reshape(shape), high.reshape(shape)
    undefined, far = np.isnan(low), np.broadcast_to(beyond[:, None], shape)
    reason = np.select(
        [far, undefined & (probability <= 0), undefined],
        [f"follow-up ends at {own.last_time:g}", "nobody is in the state", "everybody is in the state"],
        "",
    )
    values = {"estimate": probability, "std_error": error, "conf_low": low, "conf_high": high}
    return pd.DataFrame(
        {
            "strata": group.name,
            "outcome": np.repeat(np.array(states, dtype=object), len(times)),
            "time": np.tile(times, len(states)),
            "n_risk": at_risk.T.ravel(),
            "n_event": entries.T.ravel(),
            **{name: np.where(far, np.nan, array).T.ravel() for name, array in values.items()},
            "reason": reason.T.ravel(),
        }
    )


def hazard_rows(group: StateGroup, states: tuple[str, ...], conf_level: float) -> pd.DataFrame:
    """Return the Nelson-Aalen cumulative hazards of a group, at the times of each transition.

    Parameters
    ----------
    group : StateGroup
        The group.
    states : tuple of str
        Names of the states.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        One row per transition and time; none when there was no transition.
    """
    own, frames = group.occupation, []
    for origin, target in np.argwhere(own.n_transition.sum(axis=0) > 0):
        moved = own.n_transition[:, origin, target] > 0
        hazard, variance = (v[moved] for v in cumulative_hazards(own, int(origin), int(target)))
        error = np.sqrt(variance)
        spread = np.exp(ndtri(0.5 + conf_level / 2) * error / hazard)
        frames.append(
            pd.DataFrame(
                {
                    "strata": group.name,
                    "term": f"{states[origin]} to {states[target]}",
                    "time": own.time[moved],
                    "n_risk": own.n_risk[moved, origin],
                    "n_event": own.n_transition[moved, origin, target],
                    "estimate": hazard,
                    "std_error": error,
                    "conf_low": hazard / spread,
                    "conf_high": hazard * spread,
                }
            )
        )
    if not frames:
        names = ["strata", "term", "time", "n_risk", "n_event", "estimate", "std_error"]
        return pd.DataFrame(columns=[*names, "conf_low", "conf_high"])
    return pd.concat(frames, ignore_index=True)


def stay_rows(group: StateGroup, states: tuple[str, ...], tau: float, conf_level: float) -> pd.DataFrame:
    """Return the mean time in each state of a group up to a horizon.

    Parameters
    ----------
    group : StateGroup
        The group.
    states : tuple of str
        Names of the states.
    tau : float
        Horizon.
    conf_level : float
        Confidence level.

    Returns
    -------
    DataFrame
        One row per state.
    """
    own = group.occupation
    mean, variance = own.stay_until(tau)
    beyond = bool(group.ends_before(np.array([tau]))[0])
    error = np.sqrt(variance)
    low, high = normal_limits(mean, error, conf_level)
    values = {
        "estimate": mean,
        "std_error": error,
        "conf_low": np.maximum(low, 0.0),
        "conf_high": np.minimum(high, tau - own.origin_time),
    }
    return pd.DataFrame(
        {
            "strata": group.name,
            "outcome": list(states),
            "time": tau,
            **{name: np.full(len(states), np.nan) if beyond else array for name, array in values.items()},
            "reason": f"follow-up ends at {own.last_time:g}" if beyond else "",
        }
    )
