"""Search for the limits of a profile likelihood, whatever the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MAX_STEPS = 60
ROOT_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Maximum with one coefficient held.

    Attributes
    ----------
    log_likelihood : float
        Profile log-likelihood at the held value.
    slope : float
        Its slope: the score of the held coefficient, because the others have score 0.
    parameters : array of shape (P,)
        All parameters, to start the next search from.
    """

    log_likelihood: float
    slope: float
    parameters: FloatArray


def find_limit(
    hold: Callable[[float, FloatArray], Held],
    top: FloatArray,
    position: int,
    std_error: float,
    floor: float,
    side: int,
    first: float = 2.0,
) -> float:
    """Solve for the value of a coefficient at which the profile has dropped to ``floor``.

    Parameters
    ----------
    hold : callable
        Gives the maximum with the coefficient at a value, searched from given parameters.
    top : array of shape (P,)
        Parameters at the maximum.
    position : int
        The coefficient.
    std_error : float
        Its standard error.
    floor : float
        Log-likelihood at the limit.
    side : {-1, 1}
        Lower or upper limit.
    first : float, default=2
        First guess of the distance, in standard errors.

    Returns
    -------
    float
        The limit; infinite when the profile never drops that far.

    Notes
    -----
    Newton steps kept inside a bracket.
    """
    center = float(top[position])
    inside, outside, start = center, side * math.inf, top
    value = center + side * std_error * first
    for _ in range(MAX_STEPS):
        held = hold(value, start)
        excess = held.log_likelihood - floor
        if excess > 0:
            inside = value
        else:
            outside = value
        proposed = value - excess / held.slope if held.slope * side < 0 else math.nan
        step = _bracketed(proposed, inside, outside, side, std_error)
        if abs(step - value) <= ROOT_TOLERANCE * max(1.0, abs(value)):
            return step
        if abs(step - center) > 1e4 * std_error:
            return side * math.inf
        value, start = step, held.parameters
    return value


def _bracketed(proposed: float, inside: float, outside: float, side: int, error: float) -> float:
    """Keep a Newton step within the bracket; without one, within ten standard errors of where it was."""
    if np.isinf(outside):
        far = inside + side * 10 * error
        return far if not (proposed - inside) * side > 0 else side * min(side * proposed, side * far)
    between = (inside - proposed) * (outside - proposed) <= 0
    return proposed if between else (inside + outside) / 2
