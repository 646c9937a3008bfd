"""Adjustment of a family of p-values for their number: Bonferroni, Holm, Benjamini-Hochberg, Benjamini-Yekutieli."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
Adjustment = Literal["bonferroni", "holm", "bh", "by", "none"]


def adjust_p_values(p_values: ArrayLike, method: Adjustment = "bh") -> FloatArray:
    """Adjust one family of p-values.

    ``bonferroni`` and ``holm`` bound the probability of any false finding under any dependence; ``bh`` the
    expected share of false findings when tests are independent or positively dependent, ``by`` under any
    dependence. A missing p-value stays missing and is not counted: nothing was tested.

    Parameters
    ----------
    p_values : array of shape (m,)
        P-values of the family.
    method : {'bonferroni', 'holm', 'bh', 'by', 'none'}, default='bh'
        Adjustment.

    Returns
    -------
    array of shape (m,)
        Adjusted p-values, in the order given; as R ``p.adjust``.

    Raises
    ------
    EstimationError
        When a p-value lies outside 0 to 1, or the method is not known.

    References
    ----------
    .. [1] Holm S (1979). Scand J Stat 6:65-70.
    .. [2] Benjamini Y, Hochberg Y (1995). J R Stat Soc B 57:289-300.
    .. [3] Benjamini Y, Yekutieli D (2001). Ann Stat 29:1165-1188, theorem 1.3.

    Examples
    --------
    >>> adjust_p_values([0.01, 0.04, 0.03], "holm").tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    if method not in _METHODS:
        raise EstimationError(
            f"adjustment {method!r} is not known",
            evidence=f"adjustments: {', '.join(get_args(Adjustment))}",
            remedy='adjust="bh"',
        )
    known = ~np.isnan(p)
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise EstimationError("a p-value lies outside 0 to 1", remedy="pass p-values, not statistics")
    out = np.full(p.shape, np.nan)
    out[known] = np.minimum(_METHODS[method](p[known]), 1.0)
    return out


def _bonferroni(p: FloatArray) -> FloatArray:
    return p * len(p)


def _holm(p: FloatArray) -> FloatArray:
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _back(stepped, order)


def _step_up(p: FloatArray, factor: float) -> FloatArray:
    order = np.argsort(p, kind="stable")[::-1]
    m = len(p)
    stepped = np.minimum.accumulate(p[order] * (factor * m / np.arange(m, 0, -1)))
    return _back(stepped, order)


def _by(p: FloatArray) -> FloatArray:
    return _step_up(p, float((1 / np.arange(1, len(p) + 1)).sum()))


def _back(stepped: FloatArray, order: NDArray[np.intp]) -> FloatArray:
    out = np.empty_like(stepped)
    out[order] = stepped
    return out


_METHODS: Mapping[str, Callable[[FloatArray], FloatArray]] = MappingProxyType(
    {
        "bonferroni": _bonferroni,
        "holm": _holm,
        "bh": lambda p: _step_up(p, 1.0),
        "by": _by,
        "none": lambda p: p,
    }
)
