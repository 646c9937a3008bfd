"""Smooth by a natural cubic spline: least squares, linear beyond the outer knots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """A curve through points.

    Attributes
    ----------
    at : array of shape (m,)
        Where the curve is evaluated.
    estimate : array of shape (m,)
        The curve.
    leverage : array of shape (m,)
        Its variance when every point has variance one.
    """

    at: FloatArray
    estimate: FloatArray
    leverage: FloatArray


def natural_basis(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Return a basis of the natural cubic splines with these knots, the outer ones included.

    Parameters
    ----------
    x : array of shape (n,)
        Points.
    knots : array of shape (K,)
        Ascending.

    Returns
    -------
    array of shape (n, K)
        One, x, and K - 2 differences of truncated cubes (Hastie, Tibshirani and Friedman 2009, equation 5.4).
    """
    span = knots[-1] - knots[0]
    u, k = (x - knots[0]) / span, (knots - knots[0]) / span
    cubes = np.maximum(u[:, None] - k, 0.0) ** 3
    d = (cubes[:, :-1] - cubes[:, -1:]) / (k[-1] - k[:-1])
    return np.column_stack([np.ones(len(x)), u, d[:, :-1] - d[:, -1:]])


def smooth(x: FloatArray, y: FloatArray, df: int = 4, points: int = 40) -> Smooth:
    """Smooth y over x as R ``plot.cox.zph`` does.

    Parameters
    ----------
    x, y : array of shape (n,)
        Points.
    df : int, default=4
        Parameters of the spline; its inner knots are quantiles of x and of where it is evaluated.
    points : int, default=40
        Number of equally spaced points where it is evaluated.

    Returns
    -------
    Smooth
        The curve.

    Raises
    ------
    EstimationError
        When x has too few distinct values.
    """
    n = len(np.unique(x))
    if n < df:
        raise EstimationError(
            "there are too few event times to smooth over",
            evidence=f"{n} different times, {df} parameters of the curve",
            remedy="describe the curves with kaplan_meier(by=) instead",
        )
    at = np.linspace(x.min(), x.max(), points)
    both = np.concatenate([at, x])
    inner = np.quantile(both, np.arange(1, df - 1) / (df - 1))
    knots = np.concatenate([[x.min()], inner, [x.max()]])
    B, P = natural_basis(x, knots), natural_basis(at, knots)
    inverse = np.linalg.pinv(B.T @ B, hermitian=True)
    return Smooth(at, P @ (inverse @ (B.T @ y)), np.einsum("ij,jk,ik->i", P, inverse, P))
