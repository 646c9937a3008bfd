"""Follow-up time: ticks at whole months or years, printed in another unit than the data when wished."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cohort.errors import CohortError

TimeUnit = Literal["days", "weeks", "months", "years"]
DAYS_IN: dict[str, float] = {"days": 1.0, "weeks": 7.0, "months": 30.4375, "years": 365.25}
# Steps that readers of a follow-up axis expect, by printed unit.
_STEPS: dict[str, tuple[float, ...]] = {
    "days": (1, 2, 5, 7, 10, 30, 60, 90, 180, 360, 720, 1800),
    "weeks": (1, 2, 4, 8, 12, 26, 52, 104),
    "months": (1, 2, 3, 6, 12, 24, 36, 60, 120),
    "years": (0.5, 1, 2, 5, 10),
}


def units_ratio(unit: str, display_unit: str | None) -> float:
    """How many of the data's units make one printed unit."""
    for name in (unit, display_unit or unit):
        if name not in DAYS_IN:
            raise CohortError(
                "A unit of time is not known.", evidence=name, remedy="use days, weeks, months or years"
            )
    return DAYS_IN[display_unit or unit] / DAYS_IN[unit]


def readable_unit(horizon: float, unit: TimeUnit = "days") -> TimeUnit:
    """Choose the unit that an axis should print: days up to 13 weeks, months up to 6 years, then years.

    Parameters
    ----------
    horizon : float
        Last time to show, in ``unit``.
    unit : {'days', 'weeks', 'months', 'years'}, default='days'
        Unit of the data; only days and weeks are replaced by a longer unit.

    Returns
    -------
    str
        Unit for ``display_unit=``.

    Examples
    --------
    >>> readable_unit(30), readable_unit(730), readable_unit(24, "months")
    ('days', 'months', 'months')
    """
    days = horizon * DAYS_IN[unit]
    if unit not in ("days", "weeks") or days <= 91:
        return unit
    return "months" if days <= 6 * DAYS_IN["years"] else "years"


def follow_up_ticks(
    horizon: float, *, unit: TimeUnit = "days", display_unit: TimeUnit | None = None, most: int = 8
) -> NDArray[np.float64]:
    """Choose the ticks of a follow-up axis, which are also the columns of its risk table.

    Ticks start at 0 and stop at or before the horizon, in steps of whole days, weeks, months (1, 2, 3, 6,
    12, ...) or years.

    Parameters
    ----------
    horizon : float
        Last time to show, in ``unit``.
    unit : {'days', 'weeks', 'months', 'years'}, default='days'
        Unit of the data.
    display_unit : {'days', 'weeks', 'months', 'years'}, default=None
        Unit that the axis prints; the data's unit by default.
    most : int, default=8
        Largest number of ticks.

    Returns
    -------
    array of shape (n_ticks,)
        Times in ``unit``.

    Raises
    ------
    CohortError
        When the unit is not known or the horizon is not positive.

    Examples
    --------
    >>> follow_up_ticks(24, unit="months")
    array([ 0.,  6., 12., 18., 24.])
    >>> follow_up_ticks(400, display_unit="months") / 30.4375
    array([ 0.,  2.,  4.,  6.,  8., 10., 12.])
    """
    factor = units_ratio(unit, display_unit)
    shown = float(horizon) / factor
    if not shown > 0:
        raise CohortError("The time axis has no length.", evidence=f"horizon {horizon:g}")
    steps = _STEPS[display_unit or unit]
    step = next((s for s in steps if shown / s <= most - 1), shown / (most - 1))
    return np.arange(0, np.floor(shown / step + 1e-9) + 1) * step * factor


def tick_labels(times: Sequence[float] | NDArray[np.float64], factor: float) -> list[str]:
    """Print ticks in the displayed unit, with one decimal only where one is needed."""
    shown = np.round(np.asarray(times, dtype=float) / factor, 1)
    return [f"{value:g}".replace("-", "\N{MINUS SIGN}") for value in shown]
