"""Regression of pseudo-values on predicted risks with a complementary log-log link, and the smooth curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
MAX_STEPS = 200
TOLERANCE = 1e-12
KNOTS = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True, eq=False)
class LinkFit:
    """Coefficients on the complementary log-log scale.

    Attributes
    ----------
    estimate : array of shape (p,)
        Coefficients.
    covariance : array of shape (p, p)
        Sandwich covariance.
    """

    estimate: FloatArray
    covariance: FloatArray


def cloglog(risk: FloatArray) -> FloatArray:
    """Return log(-log(1 - risk))."""
    return np.asarray(np.log(-np.log1p(-risk)), dtype=float)


def inverse_cloglog(eta: FloatArray) -> FloatArray:
    """Return 1 - exp(-exp(eta))."""
    return np.asarray(-np.expm1(-np.exp(eta)), dtype=float)


def spline_basis(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Return the restricted cubic spline with three knots (Harrell): the value, and one cubic, linear in the tails.

    Parameters
    ----------
    x : array of shape (n,)
        Values.
    knots : array of shape (3,)
        Knots, ascending.

    Returns
    -------
    array of shape (n, 2)
        Basis.
    """
    a, b, c = knots.tolist()

    def cube(at: float) -> FloatArray:
        return np.asarray(np.maximum(x - at, 0.0) ** 3, dtype=float)

    bend = cube(a) - cube(b) * (c - a) / (c - b) + cube(c) * (b - a) / (c - b)
    return np.column_stack([x, bend / (c - a) ** 2])


def fit_cloglog(X: FloatArray, y: FloatArray, start: FloatArray, offset: FloatArray | float = 0.0) -> LinkFit:
    """Fit E(y) = 1 - exp(-exp(X b + offset)) by generalized estimating equations with constant variance.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates, with a column of ones.
    y : array of shape (n,)
        Pseudo-values.
    start : array of shape (p,)
        Where to begin.
    offset : array of shape (n,) or float, default=0.0
        Part of the linear predictor with coefficient one.

    Returns
    -------
    LinkFit
        Estimates with the sandwich covariance, as R ``geepack::geese`` with independence.

    Raises
    ------
    EstimationError
        When the equations have no solution.

    Notes
    -----
    The equations D'(y - mu) = 0, D = dmu/db, are those of nonlinear least squares. Newton's method on the sum of
    squares, Gauss-Newton where its curvature is not positive, with steps halved until the sum does not rise.
    """
    b = start.astype(float)
    for _ in range(MAX_STEPS):
        eta = X @ b + offset
        residual, slope = y - inverse_cloglog(eta), np.exp(eta - np.exp(eta))
        score = X.T @ (slope * residual)
        curvature = X.T @ (X * (slope**2 - residual * slope * (1 - np.exp(eta)))[:, None])
        if np.linalg.eigvalsh(curvature)[0] <= 0:
            curvature = X.T @ (X * (slope**2)[:, None])
        try:
            step = np.linalg.solve(curvature, score)
        except np.linalg.LinAlgError:
            break
        size = 1.0
        while size > 1e-8 and _squares(X, y, b + size * step, offset) > float(residual @ residual) * (
            1 + 1e-14
        ):
            size /= 2
        b = b + size * step
        if np.abs(size * step).max() < TOLERANCE * (1 + np.abs(b).max()):
            return LinkFit(b, _sandwich(X, y, b, offset))
    raise EstimationError(
        "the observed risks cannot be regressed on the predicted ones",
        evidence=f"{len(y)} patients, {X.shape[1]} coefficients",
        remedy="look at .by_group(); predictions that hardly differ, or events at one end only, have no slope",
    )


def _squares(X: FloatArray, y: FloatArray, b: FloatArray, offset: FloatArray | float) -> float:
    with np.errstate(over="ignore"):
        return float(((y - inverse_cloglog(X @ b + offset)) ** 2).sum())


def _sandwich(X: FloatArray, y: FloatArray, b: FloatArray, offset: FloatArray | float) -> FloatArray:
    eta = X @ b + offset
    D = X * np.exp(eta - np.exp(eta))[:, None]
    inverse = np.linalg.inv(D.T @ D)
    scores = D * (y - inverse_cloglog(eta))[:, None]
    return np.asarray(inverse @ (scores.T @ scores) @ inverse, dtype=float)
