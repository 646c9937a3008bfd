"""Jeffreys' penalty for proportional odds, and profile (penalized) likelihood limits of ordinal regressions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, expit

from cohort.errors import EstimationError
from cohort.estimators.ordinal_likelihood import (
    CumulativeLogit,
    Likelihood,
    LikelihoodState,
    Sums,
    predictors,
)
from cohort.estimators.ordinal_regression import Maximum, maximize
from cohort.estimators.ordinal_rows import OrdinalRows, Piece
from cohort.estimators.profile_search import Held, find_limit

FloatArray = NDArray[np.float64]
# An error of a step in the other parameters enters the profile squared.
HELD_DECREMENT = 1e-15


@dataclass(frozen=True, slots=True, eq=False)
class _Expected:
    """Expected information of the rows of a piece, about the predictors of the thresholds they could show.

    ``F`` are the cumulative probabilities, ``f`` their derivatives, ``p`` the probabilities of the categories
    between neighboring thresholds, ``link`` = f_{c-1} f_c / p_c.
    """

    thresholds: Sequence[int]
    F: list[FloatArray]
    f: list[FloatArray]
    p: list[FloatArray]
    link: list[FloatArray]

    @property
    def margin(self) -> list[FloatArray]:
        """Row sums f_a (F_{a+1} - F_{a-1}) of the information."""
        edges = [np.zeros_like(self.F[0]), *self.F, np.ones_like(self.F[0])]
        return [f * (edges[a + 2] - edges[a]) for a, f in enumerate(self.f)]

    @property
    def curvature(self) -> list[list[FloatArray]]:
        """Lower triangle of the tridiagonal information of each row."""
        m, zero = len(self.f), np.zeros_like(self.f[0])
        out = [[zero for _ in range(a + 1)] for a in range(m)]
        for a, margin in enumerate(self.margin):
            out[a][a] = margin + (self.link[a - 1] if a else 0.0) + (self.link[a] if a < m - 1 else 0.0)
            if a:
                out[a][a - 1] = -self.link[a - 1]
        return out


class PenalizedCumulativeLogit:
    """Proportional odds with half the log determinant of the expected information added (Jeffreys' prior).

    A row contributes the information of the scale on which the grades between its bounds are one, so that exact
    grades contribute all of it and undeterminable ones nothing.

    Parameters
    ----------
    rows : OrdinalRows
        The rows.
    """

    def __init__(self, rows: OrdinalRows) -> None:
        self.rows = rows
        self._plain = CumulativeLogit(rows)

    def row_scores(self, parameters: FloatArray) -> FloatArray:
        """Return each row's share of the unpenalized score, shape (n, P)."""
        return self._plain.row_scores(parameters)

    def state(self, parameters: FloatArray) -> LikelihoodState | None:
        """Return the penalized log-likelihood, its gradient, and the expected information; None where undefined."""
        plain = self._plain.state(parameters)
        a, shift = predictors(self.rows, parameters)
        expected = [self._expected(piece, a, shift) for piece in self.rows.pieces]
        if plain is None or any(one is None for one in expected):
            return None
        pairs = [(piece, one) for piece, one in zip(self.rows.pieces, expected, strict=True) if one]
        sums = Sums(self.rows)
        for piece, one in pairs:
            sums.add_information(piece.rows, one.thresholds, one.curvature, one.margin)
        information = sums.finish()[1]
        try:
            L = np.linalg.cholesky(information)
        except np.linalg.LinAlgError:
            return None
        V: FloatArray = np.asarray(np.linalg.inv(information))
        slope = Sums(self.rows)
        for piece, one in pairs:
            slope.add_score(piece.rows, one.thresholds, self._slope(piece, one, V))
        value = plain.log_likelihood + float(np.log(np.diag(L)).sum())
        return LikelihoodState(value, plain.score + slope.finish()[0], information)

    def _expected(self, piece: Piece, a: FloatArray, shift: FloatArray) -> _Expected | None:
        thresholds = [j for j in range(self.rows.n_threshold) if j < piece.lower or j >= piece.upper]
        Z = self.rows.Z[piece.rows]
        e = [shift[piece.rows] + Z @ a[j] for j in thresholds]
        F = [expit(v) for v in e]
        f = [expit(v) * expit(-v) for v in e]
        inner = [
            F[c] * expit(-e[c - 1]) * -np.expm1(np.minimum(e[c - 1] - e[c], 0.0)) for c in range(1, len(e))
        ]
        if any((one <= 0).any() for one in inner):
            return None
        p = [F[0], *inner, expit(-e[-1])]
        return _Expected(thresholds, F, f, p, [f[c - 1] * f[c] / p[c] for c in range(1, len(e))])

    def _slope(self, piece: Piece, one: _Expected, V: FloatArray) -> list[FloatArray]:
        """Differentiate half the log determinant: half the trace of V dI, by predictor.

        The trace is the sum over thresholds of Q_aa margin_a plus the sum over inner categories of D_c link_c,
        where Q is the covariance of a row's predictors and D_c the variance of the difference of two neighbors.
        """
        Q, D = self._variances(piece, one.thresholds, V)
        F, f, p, link, m = one.F, one.f, one.p, one.link, len(one.f)
        edges = [np.zeros_like(F[0]), *F, np.ones_like(F[0])]
        slope = [Q[a] * f[a] * (1 - 2 * F[a]) * (edges[a + 2] - edges[a]) for a in range(m)]
        for c in range(1, m):
            slope[c] += Q[c - 1] * f[c - 1] * f[c]
            slope[c - 1] -= Q[c] * f[c] * f[c - 1]
            slope[c] += D[c - 1] * link[c - 1] * ((1 - 2 * F[c]) - f[c] / p[c])
            slope[c - 1] += D[c - 1] * link[c - 1] * ((1 - 2 * F[c - 1]) + f[c - 1] / p[c])
        return [one_slope / 2 for one_slope in slope]

    def _variances(
        self, piece: Piece, thresholds: Sequence[int], V: FloatArray
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return the variances of a row's predictors, and of the differences of neighboring ones."""
        Z, N = self.rows.Z[piece.rows], self.rows.N[piece.rows]
        common = slice(self.rows.n_threshold * Z.shape[1], None)
        blocks = [self.rows.block(j) for j in thresholds]
        spread = [Z @ V[at] + N @ V[common] for at in blocks]
        Q = [
            ((s[:, at] * Z).sum(1) + (s[:, common] * N).sum(1)) for s, at in zip(spread, blocks, strict=True)
        ]
        D = []
        for c in range(1, len(blocks)):
            difference = spread[c] - spread[c - 1]
            D.append(((difference[:, blocks[c]] - difference[:, blocks[c - 1]]) * Z).sum(1))
        return Q, D


@dataclass(frozen=True, slots=True, eq=False)
class OrdinalProfile:
    """Likelihood-based inference on each parameter.

    Attributes
    ----------
    conf_low, conf_high : array of shape (P,)
        Limits: where twice the drop of the profile log-likelihood is the chi-squared quantile.
    statistic, p_value : array of shape (P,)
        Likelihood-ratio chi-squared of a parameter of 0, 1 degree of freedom; NaN where not asked for.
    """

    conf_low: FloatArray
    conf_high: FloatArray
    statistic: FloatArray
    p_value: FloatArray


def profile_ordinal(
    likelihood: Likelihood, maximum: Maximum, conf_level: float, tested: Sequence[int]
) -> OrdinalProfile:
    """Invert the likelihood-ratio test of every parameter.

    Parameters
    ----------
    likelihood : Likelihood
        The (penalized) likelihood.
    maximum : Maximum
        Its maximum.
    conf_level : float
        Confidence level.
    tested : sequence of int
        Parameters whose value 0 is tested (not thresholds).

    Returns
    -------
    OrdinalProfile
        Limits and tests; a limit that is not reached is infinite.

    Raises
    ------
    EstimationError
        When the likelihood of the other parameters has no maximum that can be found.
    """
    top, V = maximum.parameters, maximum.covariance
    P, value = len(top), maximum.state.log_likelihood
    low, high, statistic = (np.full(P, np.nan) for _ in range(3))
    quantile = float(chdtri(1, 1 - conf_level))
    for j in range(P):
        free = np.arange(P) != j

        def hold(at: float, start: FloatArray, j: int = j, free: NDArray[np.bool_] = free) -> Held:
            tangent = top + (at - top[j]) * V[:, j] / V[j, j]
            for near in (start, tangent):
                found = maximize(likelihood, np.where(free, near, at), free, HELD_DECREMENT)
                if found is not None and found.converged:
                    return Held(found.state.log_likelihood, float(found.state.score[j]), found.parameters)
            return _near(likelihood, maximum, j, at, free)

        error = float(np.sqrt(V[j, j]))
        low[j], high[j] = (
            find_limit(hold, top, j, error, value - quantile / 2, side, math.sqrt(quantile))
            for side in (-1, 1)
        )
        if j in tested:
            statistic[j] = max(2 * (value - hold(0.0, top).log_likelihood), 0.0)
    return OrdinalProfile(low, high, statistic, np.asarray(chdtrc(1, statistic)))


def _near(likelihood: Likelihood, maximum: Maximum, j: int, at: float, free: NDArray[np.bool_]) -> Held:
    """Reach a distant value of a parameter in short steps, each started where the last two point to."""
    here, held = maximum.parameters, Held(np.nan, np.nan, maximum.parameters)
    V = maximum.covariance
    slope = V[:, j] / V[j, j]
    for value in np.linspace(here[j], at, 21)[1:]:
        # Along the path: thresholds that are held must not overtake their neighbors at the start.
        start = np.where(free, here + slope * (value - here[j]), value)
        found = maximize(likelihood, start, free, HELD_DECREMENT)
        if found is None:
            found = maximize(likelihood, np.where(free, here, value), free, HELD_DECREMENT)
        if found is None or not found.converged:
            raise EstimationError(
                "the profile of the likelihood cannot be followed",
                evidence=f"{len(here)} parameters from {len(likelihood.rows.N)} rows",
                remedy="leave covariates out of the formula, or center and scale them",
            )
        slope = (found.parameters - here) / (value - here[j])
        here = found.parameters
        held = Held(found.state.log_likelihood, float(found.state.score[j]), here)
    return held
