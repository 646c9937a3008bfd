"""Likelihoods of grades known between two bounds: proportional odds and continuation ratio, with derivatives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cohort.estimators.ordinal_rows import OrdinalRows, Piece

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LikelihoodState:
    """Log-likelihood and derivatives at one value of the parameters.

    Attributes
    ----------
    log_likelihood : float
        Log-likelihood, penalized when a penalty is in use.
    score : array of shape (P,)
        Its gradient.
    information : array of shape (P, P)
        Minus the second derivatives of the log-likelihood (expected ones with a penalty).
    """

    log_likelihood: float
    score: FloatArray
    information: FloatArray


class Likelihood(Protocol):
    """What the maximizer needs."""

    rows: OrdinalRows

    def state(self, parameters: FloatArray) -> LikelihoodState | None:
        """Return the log-likelihood and its derivatives; None where a probability is not positive."""

    def row_scores(self, parameters: FloatArray) -> FloatArray:
        """Return each row's weighted share of the score, shape (n, P)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """Derivatives of the rows of one piece with respect to the m predictors they depend on.

    ``margin`` are the row sums of ``curvature`` (minus second derivatives), written without cancellation.
    """

    value: float
    thresholds: Sequence[int]
    gradient: Sequence[FloatArray]
    curvature: Sequence[Sequence[FloatArray]]
    margin: Sequence[FloatArray]


class Sums:
    """Collect the score and the information from derivatives with respect to the predictors e_j.

    Parameters
    ----------
    rows : OrdinalRows
        The rows.
    """

    def __init__(self, rows: OrdinalRows) -> None:
        self.rows = rows
        self.score = np.zeros(rows.n_parameter)
        self.information = np.zeros((rows.n_parameter, rows.n_parameter))
        self._along = np.zeros(len(rows.N))
        self._across = np.zeros(len(rows.N))
        self._common = slice(rows.n_threshold * rows.Z.shape[1], rows.n_parameter)

    def add_score(
        self, part: slice, thresholds: Sequence[int], gradient: Sequence[FloatArray] | FloatArray
    ) -> None:
        """Add first derivatives.

        Parameters
        ----------
        part : slice
            Rows.
        thresholds : sequence of int
            Thresholds whose predictors move.
        gradient : sequence of arrays of shape (n_part,)
            Derivative with respect to each.
        """
        weight, Z = self.rows.weight[part], self.rows.Z[part]
        for g, j in zip(gradient, thresholds, strict=True):
            weighted = weight * g
            self.score[self.rows.block(j)] += weighted @ Z
            self._along[part] += weighted

    def add_information(
        self,
        part: slice,
        thresholds: Sequence[int],
        curvature: Sequence[Sequence[FloatArray]],
        margin: Sequence[FloatArray],
    ) -> None:
        """Add minus second derivatives.

        Parameters
        ----------
        part : slice
            Rows.
        thresholds : sequence of int
            Thresholds whose predictors move.
        curvature : sequence of sequences of arrays of shape (n_part,)
            Lower triangle of the matrix of each row.
        margin : sequence of arrays of shape (n_part,)
            Its row sums.
        """
        weight, Z, N = self.rows.weight[part], self.rows.Z[part], self.rows.N[part]
        for a, j in enumerate(thresholds):
            at = self.rows.block(j)
            weighted = weight * margin[a]
            self.information[at, self._common] += (Z * weighted[:, None]).T @ N
            self._across[part] += weighted
            for b, k in enumerate(thresholds[: a + 1]):
                block = Z.T @ (Z * (weight * curvature[a][b])[:, None])
                self.information[at, self.rows.block(k)] += block
                if a != b:
                    self.information[self.rows.block(k), at] += block.T

    def finish(self) -> tuple[FloatArray, FloatArray]:
        """Return the score and the information, common coefficients included.

        Returns
        -------
        array of shape (P,)
            Score.
        array of shape (P, P)
            Information.
        """
        N, common = self.rows.N, self._common
        self.score[common] = self._along @ N
        self.information[common, common] = N.T @ (N * self._across[:, None])
        self.information[common, : common.start] = self.information[: common.start, common].T
        return self.score, self.information


def predictors(rows: OrdinalRows, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the thresholds' coefficients and the common part of the predictors.

    Parameters
    ----------
    rows : OrdinalRows
        The rows.
    parameters : array of shape (P,)
        Parameters.

    Returns
    -------
    array of shape (K, q)
        Coefficients a_j, so that e_j = Z a_j + shift.
    array of shape (n,)
        The shift N b.
    """
    a, b = rows.split(parameters)
    return a, rows.N @ b


class _Pieces(ABC):
    """State and row scores of a likelihood that is a sum over pieces."""

    rows: OrdinalRows

    def __init__(self, rows: OrdinalRows) -> None:
        self.rows = rows

    def state(self, parameters: FloatArray) -> LikelihoodState | None:
        """Return the log-likelihood and its derivatives; None where a probability is not positive."""
        sums, value = Sums(self.rows), 0.0
        a, shift = predictors(self.rows, parameters)
        if not self._allowed(a):
            return None
        for piece in self.rows.pieces:
            terms = self._terms(piece, a, shift)
            if terms is None:
                return None
            value += terms.value
            sums.add_score(piece.rows, terms.thresholds, terms.gradient)
            sums.add_information(piece.rows, terms.thresholds, terms.curvature, terms.margin)
        return LikelihoodState(value, *sums.finish())

    def row_scores(self, parameters: FloatArray) -> FloatArray:
        """Return each row's weighted share of the score, shape (n, P)."""
        rows = self.rows
        out = np.zeros((len(rows.N), rows.n_parameter))
        a, shift = predictors(rows, parameters)
        common = slice(rows.n_threshold * rows.Z.shape[1], None)
        for piece in rows.pieces:
            terms = self._terms(piece, a, shift)
            part = piece.rows
            for g, j in zip(terms.gradient, terms.thresholds, strict=True) if terms is not None else ():
                weighted = (rows.weight[part] * g)[:, None]
                out[part, rows.block(j)] = rows.Z[part] * weighted
                out[part, common] += rows.N[part] * weighted
        return out

    def _allowed(self, a: FloatArray) -> bool:
        return True

    @abstractmethod
    def _terms(self, piece: Piece, a: FloatArray, shift: FloatArray) -> _Terms | None:
        """Return the value and the derivatives of one piece; None where a probability is not positive."""

    def _predictor(self, piece: Piece, threshold: int, a: FloatArray, shift: FloatArray) -> FloatArray:
        if self.rows.Z.shape[1] == 1:
            return np.asarray(shift[piece.rows] + a[threshold, 0])
        return np.asarray(shift[piece.rows] + self.rows.Z[piece.rows] @ a[threshold])


class CumulativeLogit(_Pieces):
    """Proportional odds, or partial proportional odds when thresholds have coefficients of their own.

    P(grade <= j) = F(e_j) with the logistic F. With d = e_u - e_l the probability of the grades between two
    thresholds is F(e_u) (1 - F(e_l)) (1 - exp(-d)), so the log-likelihood is a sum of concave functions: it has
    one maximum, and rounding does not enter however small the probability.
    """

    def _allowed(self, a: FloatArray) -> bool:
        return self.rows.Z.shape[1] > 1 or bool((np.diff(a[:, 0]) > 0).all())

    def _terms(self, piece: Piece, a: FloatArray, shift: FloatArray) -> _Terms | None:
        weight = self.rows.weight[piece.rows]
        thresholds, gradient, margin, value = [], [], [], 0.0
        if piece.upper < self.rows.n_threshold:
            e = self._predictor(piece, piece.upper, a, shift)
            above = expit(-e)
            thresholds.append(piece.upper)
            gradient.append(above)
            margin.append(above * (1 - above))
            value -= float(weight @ np.logaddexp(0.0, -e))
        if piece.lower > 0:
            e_low = self._predictor(piece, piece.lower - 1, a, shift)
            below = expit(e_low)
            thresholds.append(piece.lower - 1)
            gradient.append(-below)
            margin.append(below * (1 - below))
            value -= float(weight @ np.logaddexp(0.0, e_low))
        if len(thresholds) < 2:
            return _Terms(value, thresholds, gradient, [margin], margin)
        d = e - e_low
        if not (d > 0).all():
            return None
        r, s = 1 / np.expm1(d), 0.25 / np.sinh(d / 2) ** 2
        value += float(weight @ np.log(-np.expm1(-d)))
        curvature = [[margin[0] + s], [-s, margin[1] + s]]
        return _Terms(value, thresholds, [gradient[0] + r, gradient[1] - r], curvature, margin)


class ContinuationRatio(_Pieces):
    """Continuation ratio: the odds of going beyond grade j among those who reach it.

    P(grade = j | grade >= j) = F(e_j), so that coefficients are log odds of going on to a higher grade. A grade
    between l and u has the probability prod_{j<l} (1 - F_j) (1 - prod_{l<=j<=u} (1 - F_j)).
    """

    def _terms(self, piece: Piece, a: FloatArray, shift: FloatArray) -> _Terms | None:
        weight, K = self.rows.weight[piece.rows], self.rows.n_threshold
        thresholds = list(range(piece.lower if piece.upper == K else piece.upper + 1))
        e = [self._predictor(piece, j, a, shift) for j in thresholds]
        F = [expit(v) for v in e]
        zero = np.zeros(len(shift[piece.rows]))
        curvature = [[zero for _ in thresholds] for _ in thresholds]
        gradient = [-F[j] for j in thresholds]
        for j in thresholds:
            curvature[j][j] = F[j] * (1 - F[j])
        value = -float(sum(weight @ np.logaddexp(0.0, e[j]) for j in range(piece.lower)))
        if piece.upper < K:
            stopping = range(piece.lower, piece.upper + 1)
            T = -np.sum([np.logaddexp(0.0, e[j]) for j in stopping], axis=0)
            if not (T < 0).all():
                return None
            value += float(weight @ np.log(-np.expm1(T)))
            # r = 1/(exp(-T) - 1), with dT/de_j = -F_j
            r = 1 / np.expm1(-T)
            for j in stopping:
                gradient[j] = r * F[j]
                for k in stopping:
                    curvature[j][k] = r * (1 + r) * F[j] * F[k]
                curvature[j][j] = r * F[j] * ((1 + r) * F[j] - (1 - F[j]))
        margin = [np.sum(curvature[j], axis=0) for j in thresholds]
        return _Terms(value, thresholds, gradient, curvature, margin)
