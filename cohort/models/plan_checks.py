"""Checks and clustering that plans of studies share."""

from __future__ import annotations

import math

import numpy as np

from cohort.errors import EstimationError


def check_between(name: str, value: object, low: float, high: float, *, closed: bool = False) -> float:
    """Return a number that lies between two others.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : float
        Its value.
    low, high : float
        Ends.
    closed : bool, default=False
        Whether the lower end itself is allowed.

    Returns
    -------
    float
        The value.

    Raises
    ------
    EstimationError
        When it is no number, or lies outside.
    """
    number = math.nan
    if (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and math.isfinite(value)
    ):
        number = float(value)
    if not (low < number < high or (closed and number == low)):
        edge = "at least" if closed else "above"
        raise EstimationError(
            f"{name} is not a number {edge} {low:g}" + ("" if math.isinf(high) else f" and below {high:g}"),
            evidence=f"{name}={value!r}",
            remedy=f"give {name} as a number, a share as 0.3 and not as 30",
        )
    return number


def check_n(name: str, value: object, least: int = 1) -> int:
    """Return a number of patients, refusing what is not whole or too small.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : float
        Its value.
    least : int, default=1
        Smallest number allowed.

    Returns
    -------
    int
        The number.

    Raises
    ------
    EstimationError
        When it is not a whole number of at least ``least``.
    """
    number = check_between(name, value, least, math.inf, closed=True)
    if not number.is_integer():
        raise EstimationError(
            f"{name} is not a whole number", evidence=f"{name}={value!r}", remedy="round it up"
        )
    return int(number)


def one_of(**given: float | None) -> str:
    """Return the name of the one argument that was given.

    Parameters
    ----------
    **given : float or None
        Arguments of which exactly one is wanted.

    Returns
    -------
    str
        Its name.

    Raises
    ------
    EstimationError
        When none or several were given.
    """
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        raise EstimationError(
            f"give exactly one of {', '.join(given)}",
            evidence=f"given: {', '.join(names) or 'none'}",
            remedy=f"write {next(iter(given))}=...; the others follow",
        )
    return names[0]


def design_effect(cluster_size: float, icc: float, cv: float = 0.0) -> float:
    """Compute by how much clustering inflates a variance, and so the number of patients.

    Parameters
    ----------
    cluster_size : float
        Mean number of patients per cluster (center).
    icc : float
        Intracluster correlation, 0 to 1.
    cv : float, default=0.0
        Coefficient of variation of the cluster sizes.

    Returns
    -------
    float
        1 + ((1 + cv²) cluster_size - 1) icc; 1 without clustering.

    Raises
    ------
    EstimationError
        When an argument is out of range.

    References
    ----------
    .. [1] Eldridge SM, Ashby D, Kerry S (2006). Int J Epidemiol 35:1292-1300.

    Examples
    --------
    >>> round(design_effect(20, 0.05), 2)
    1.95
    """
    size = check_between("cluster_size", cluster_size, 1, math.inf, closed=True)
    correlation = check_between("icc", icc, 0, 1, closed=True)
    spread = check_between("cv", cv, 0, math.inf, closed=True)
    return 1 + ((1 + spread**2) * size - 1) * correlation
