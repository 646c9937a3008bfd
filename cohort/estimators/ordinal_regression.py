"""Maximize the likelihood of an ordinal regression; covariance, robust covariance, flat and infinite directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import linprog

from cohort.estimators.collinearity import first_dependent
from cohort.estimators.ordinal_likelihood import CumulativeLogit, Likelihood, LikelihoodState
from cohort.estimators.ordinal_rows import OrdinalRows, Piece

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
MAX_ITERATIONS = 500
MAX_HALVINGS = 40
# Squared length of the last step in standard errors.
DECREMENT = 1e-20


@dataclass(frozen=True, slots=True, eq=False)
class Maximum:
    """Where a likelihood is largest.

    Attributes
    ----------
    parameters : array of shape (P,)
        Parameters.
    state : LikelihoodState
        Log-likelihood, score and information there.
    converged : bool
        Whether the last step was negligible.
    iterations : int
        Steps taken.
    """

    parameters: FloatArray
    state: LikelihoodState
    converged: bool
    iterations: int

    @property
    def covariance(self) -> FloatArray:
        """Inverse of the information, shape (P, P); NaN when that is singular.

        Returns
        -------
        array of shape (P, P)
            Covariance.
        """
        try:
            return np.asarray(np.linalg.inv(self.state.information))
        except np.linalg.LinAlgError:
            return np.full_like(self.state.information, np.nan)


def maximize(
    likelihood: Likelihood,
    start: FloatArray,
    free: NDArray[np.bool_] | None = None,
    decrement: float = DECREMENT,
) -> Maximum | None:
    """Take Newton steps, halved while the likelihood falls or a probability would not be positive.

    Parameters
    ----------
    likelihood : Likelihood
        What to maximize.
    start : array of shape (P,)
        Starting values.
    free : array of shape (P,), optional
        Which parameters are estimated, all by default; the others stay at their starting values.
    decrement : float, default=1e-20
        Squared length of a step, in standard errors, that is negligible.

    Returns
    -------
    Maximum or None
        The maximum; None when the likelihood cannot be computed at the start.
    """
    at = start.copy()
    free = np.ones(len(start), dtype=bool) if free is None else free
    state = likelihood.state(at)
    if state is None:
        return None
    for iteration in range(MAX_ITERATIONS):
        step, length = _step(state, free)
        if step is None or length < decrement:
            return Maximum(at, state, step is not None, iteration)
        moved = _halve(likelihood, at, step, state)
        if moved is None:  # no half of the step gains anything beyond rounding
            return Maximum(at, state, length < 1e-10, iteration)
        at, state = moved
    return Maximum(at, state, False, MAX_ITERATIONS)


def _step(state: LikelihoodState, free: NDArray[np.bool_]) -> tuple[FloatArray | None, float]:
    """Return the Newton step, and its squared length in standard errors."""
    step = np.zeros(len(free))
    if not free.any():
        return step, 0.0
    try:
        factor = cho_factor(state.information[np.ix_(free, free)])
    except (np.linalg.LinAlgError, ValueError):
        return None, np.inf
    step[free] = cho_solve(factor, state.score[free])
    return step, float(step @ state.score)


def _halve(
    likelihood: Likelihood, at: FloatArray, step: FloatArray, state: LikelihoodState
) -> tuple[FloatArray, LikelihoodState] | None:
    slack = 1e-13 * (1 + abs(state.log_likelihood))
    for halving in range(MAX_HALVINGS):
        proposed = at + step / 2**halving
        new = likelihood.state(proposed)
        if new is not None and new.log_likelihood >= state.log_likelihood - slack:
            return proposed, new
    return None


def null_thresholds(rows: OrdinalRows) -> Maximum | None:
    """Fit the thresholds alone.

    Without covariates rows of equal bounds are alike, so the fit has one row per piece.

    Parameters
    ----------
    rows : OrdinalRows
        The rows.

    Returns
    -------
    Maximum or None
        Thresholds, with the log-likelihood of all rows.
    """
    counts = np.array([rows.weight[piece.rows].sum() for piece in rows.pieces])
    pieces = tuple(Piece(p.lower, p.upper, slice(i, i + 1)) for i, p in enumerate(rows.pieces))
    K = rows.n_threshold
    alone = OrdinalRows(
        Z=np.ones((len(pieces), 1)),
        N=np.zeros((len(pieces), 0)),
        weight=counts,
        pieces=pieces,
        n_threshold=K,
        order=np.arange(len(pieces)),
    )
    # each row spread evenly over its grades
    share = np.zeros(K + 1)
    for piece, count in zip(pieces, counts, strict=True):
        share[piece.lower : piece.upper + 1] += count / (piece.upper - piece.lower + 1)
    below = np.cumsum(share)[:-1] / share.sum()
    return maximize(CumulativeLogit(alone), np.log(below) - np.log1p(-below))


def robust_covariance(likelihood: Likelihood, maximum: Maximum, cluster: IntArray) -> tuple[FloatArray, int]:
    """Compute the cluster-robust covariance.

    Parameters
    ----------
    likelihood : Likelihood
        The likelihood.
    maximum : Maximum
        Its maximum.
    cluster : array of shape (n_given,)
        Cluster codes from 0 of the rows as they were given.

    Returns
    -------
    array of shape (P, P)
        Sandwich with the factor G/(G-1), as R ``sandwich::vcovCL``.
    int
        G, the number of clusters. Rows of which nothing is known count: they have score 0.
    """
    scores, order = likelihood.row_scores(maximum.parameters), likelihood.rows.order
    codes, n_cluster = cluster[order], int(cluster.max()) + 1
    sums = np.column_stack([np.bincount(codes, column) for column in scores.T])
    factor = n_cluster / (n_cluster - 1) if n_cluster > 1 else np.nan
    bread = maximum.covariance
    return np.asarray(factor * bread @ (sums.T @ sums) @ bread), n_cluster


def infinite_directions(rows: OrdinalRows, sequential: bool = False) -> IntArray:
    """Find the parameters that run to infinity because no row speaks against it.

    Parameters
    ----------
    rows : OrdinalRows
        The rows.
    sequential : bool, default=False
        Whether the model is the continuation ratio; there bounds that leave several grades open are not used.

    Returns
    -------
    array of int
        Positions among the parameters; empty without separation.

    Notes
    -----
    Linear program of Konis (2007), for bounds: along a direction of recession no upper predictor falls and no
    lower predictor rises, and at least one moves. In the continuation ratio every threshold below the lower
    bound is a lower one.
    """
    blocks = []
    for piece in rows.pieces:
        for threshold, sign in _moves(piece, sequential):
            if threshold < rows.n_threshold:
                A = np.zeros((piece.rows.stop - piece.rows.start, rows.n_parameter))
                A[:, rows.block(threshold)] = rows.Z[piece.rows]
                A[:, rows.n_threshold * rows.Z.shape[1] :] = rows.N[piece.rows]
                blocks.append(np.unique(sign * A, axis=0))
    toward = np.unique(np.vstack(blocks), axis=0)
    scale = np.max(np.abs(toward), axis=0)
    toward = toward / np.where(scale > 0, scale, 1.0)
    found = linprog(
        -toward.sum(axis=0), A_ub=-toward, b_ub=np.zeros(len(toward)), bounds=(-1, 1), method="highs"
    )
    if found.x is None or found.fun is None or found.fun > -1e-7:
        return np.array([], dtype=np.intp)
    return np.flatnonzero(np.abs(found.x) > 1e-7)


def _moves(piece: Piece, sequential: bool) -> list[tuple[int, float]]:
    """Return the thresholds that bound the grades of a piece, with the sign of their predictor."""
    if sequential:
        passed = [(j, -1.0) for j in range(piece.lower)]
        return [*passed, (piece.upper, 1.0)] if piece.lower == piece.upper else passed
    below = [(piece.lower - 1, -1.0)] if piece.lower else []
    return [(piece.upper, 1.0), *below]


def flat_parameter(maximum: Maximum) -> int | None:
    """Return the first parameter that the others explain at the maximum, None when all are identified.

    Parameters
    ----------
    maximum : Maximum
        The maximum.

    Returns
    -------
    int or None
        Position among the parameters.
    """
    information = maximum.state.information
    scale = np.sqrt(np.maximum(np.diag(information), np.finfo(float).tiny))
    found = first_dependent(information / np.outer(scale, scale), 1e-12)
    return None if found is None else found[0]
