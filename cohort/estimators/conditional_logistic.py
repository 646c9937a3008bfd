"""Conditional logistic regression of matched sets, by the recursion of Gail, Lubin and Rubinstein."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
MAX_ITERATIONS = 100
MAX_HALVINGS = 30
STEP_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class MatchedSets:
    """Informative sets of equal numbers of cases, padded to the size of the largest.

    Attributes
    ----------
    x : array of shape (n_set, size, p)
        Covariates, about the mean of the set.
    real : array of shape (n_set, size)
        Which members exist.
    observed : array of shape (n_set, p)
        Sum of the covariates over the cases.
    n_case : int
        Cases per set.
    position : array of shape (n_set,)
        Number of each set among the informative ones.
    """

    x: FloatArray
    real: NDArray[np.bool_]
    observed: FloatArray
    n_case: int
    position: IntArray


@dataclass(frozen=True, slots=True)
class ConditionalFit:
    """Fitted conditional logistic regression.

    Attributes
    ----------
    estimate : array of shape (p,)
        Log odds ratios.
    covariance : array of shape (p, p)
        Inverse of the observed information.
    log_likelihood, log_likelihood_null : float
        Conditional log-likelihoods at the estimate and at zero.
    residuals : array of shape (n_set, p)
        Score of each informative set.
    sets : array of shape (n_set,)
        Codes of the informative sets.
    converged : bool
        Whether the last Newton step was negligible.
    iterations : int
        Newton steps taken.
    """

    estimate: FloatArray
    covariance: FloatArray
    log_likelihood: float
    log_likelihood_null: float
    residuals: FloatArray
    sets: IntArray
    converged: bool
    iterations: int


def informative_sets(y: ArrayLike, sets: ArrayLike) -> NDArray[np.bool_]:
    """Tell which sets hold both cases and controls.

    Parameters
    ----------
    y : array of shape (n,)
        Outcome, 0 or 1.
    sets : array of shape (n,)
        Codes of the sets, from 0.

    Returns
    -------
    array of shape (n_set,)
        By code.
    """
    codes = np.asarray(sets, dtype=np.intp)
    cases = np.bincount(codes, weights=np.asarray(y, dtype=float))
    return np.asarray((cases > 0) & (cases < np.bincount(codes)))


def arrange_sets(X: FloatArray, y: FloatArray, sets: IntArray) -> tuple[list[MatchedSets], IntArray]:
    """Arrange informative sets by their number of cases.

    A set with more cases than controls enters with both reversed (and the covariates' signs), which leaves
    its likelihood as it is and shortens the recursion.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates without intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    sets : array of shape (n,)
        Codes of the sets, from 0.

    Returns
    -------
    blocks : list of MatchedSets
        The sets, one block per number of cases.
    codes : array of shape (n_set,)
        Codes of the informative sets.
    """
    codes = np.flatnonzero(informative_sets(y, sets))
    position = np.full(int(sets.max()) + 1, -1)
    position[codes] = np.arange(len(codes))
    rows = np.flatnonzero(position[sets] >= 0)
    rows = rows[np.argsort(position[sets[rows]], kind="stable")]
    group = position[sets[rows]]
    size = np.bincount(group)
    center = np.column_stack([np.bincount(group, column) for column in X[rows].T]) / size[:, None]
    cases = np.bincount(group, y[rows]).astype(int)
    flip = 2 * cases > size
    sign = np.where(flip, -1.0, 1.0)
    x = (X[rows] - center[group]) * sign[group, None]
    case = np.where(flip[group], y[rows] == 0, y[rows] == 1)
    fewer = np.where(flip, size - cases, cases)
    slot = np.arange(len(rows)) - np.repeat(np.cumsum(size) - size, size)
    return [_block(x, case, group, slot, fewer, m) for m in np.unique(fewer).tolist()], codes


def _block(
    x: FloatArray, case: NDArray[np.bool_], group: IntArray, slot: IntArray, n_case: IntArray, m: int
) -> MatchedSets:
    wanted = np.flatnonzero(n_case == m)
    inside = np.flatnonzero(n_case[group] == m)
    index = np.searchsorted(wanted, group[inside])
    padded = np.zeros((len(wanted), int(slot[inside].max()) + 1, x.shape[1]))
    real = np.zeros(padded.shape[:2], dtype=bool)
    padded[index, slot[inside]] = x[inside]
    real[index, slot[inside]] = True
    observed = np.zeros((len(wanted), x.shape[1]))
    np.add.at(observed, index[case[inside]], x[inside][case[inside]])
    return MatchedSets(padded, real, observed, int(m), wanted)


def _moments(block: MatchedSets, beta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log denominators, and mean and covariance of the cases' sum, given their number.

    The recursion over members (Gail et al. 1981, equation 4) on log weights: the sum over subsets of size k
    either leaves the member out or takes it with those of size k - 1, so mean and covariance mix likewise.
    """
    n_set, size, p = block.x.shape
    m = block.n_case
    eta = np.where(block.real, block.x @ beta, -np.inf)
    log_b = np.full((n_set, m + 1), -np.inf)
    log_b[:, 0] = 0.0
    mean = np.zeros((n_set, m + 1, p))
    spread = np.zeros((n_set, m + 1, p, p))
    for j in range(size):
        taken = log_b[:, :-1] + eta[:, j, None]
        new = np.logaddexp(log_b[:, 1:], taken)
        with np.errstate(invalid="ignore"):
            share = np.where(np.isfinite(new), np.exp(taken - new), 0.0)[:, :, None]
        ahead = mean[:, :-1] + block.x[:, j, None, :]
        gap = ahead - mean[:, 1:]
        between = (share * (1 - share) * gap)[..., None] * gap[:, :, None, :]
        within = (1 - share[..., None]) * spread[:, 1:] + share[..., None] * spread[:, :-1]
        mean[:, 1:] = (1 - share) * mean[:, 1:] + share * ahead
        spread[:, 1:] = within + between
        log_b[:, 1:] = new
    return log_b[:, m], mean[:, m], spread[:, m]


def _state(blocks: list[MatchedSets], beta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Return the log-likelihood, the score of each set, and the information."""
    n_set = sum(len(block.position) for block in blocks)
    log_likelihood, scores = 0.0, np.zeros((n_set, len(beta)))
    information = np.zeros((len(beta), len(beta)))
    for block in blocks:
        log_b, mean, spread = _moments(block, beta)
        log_likelihood += float((block.observed @ beta - log_b).sum())
        scores[block.position] = block.observed - mean
        information += spread.sum(axis=0)
    return log_likelihood, scores, information


def fit_conditional(X: ArrayLike, y: ArrayLike, sets: ArrayLike) -> ConditionalFit:
    """Fit a conditional logistic regression by Newton steps.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates without intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    sets : array of shape (n,)
        Codes of the matched sets, from 0; at least one holds cases and controls.

    Returns
    -------
    ConditionalFit
        The fit; ``converged`` is False under separation, or when a covariate never varies within a set.

    References
    ----------
    .. [1] Gail MH, Lubin JH, Rubinstein LV (1981). Likelihood calculations for matched case-control studies
       and survival studies with tied death times. Biometrika 68:703-707. doi:10.1093/biomet/68.3.703

    Examples
    --------
    One case and one control per set: the odds ratio is the ratio of the discordant pairs.

    >>> x, y = [[1], [0], [1], [0], [1], [0], [0], [1]], [1, 0, 1, 0, 1, 0, 1, 0]
    >>> fit_conditional(x, y, [0, 0, 1, 1, 2, 2, 3, 3]).estimate.round(6)
    array([1.098612])
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    blocks, codes = arrange_sets(X, y, np.asarray(sets, dtype=np.intp))
    beta = np.zeros(X.shape[1])
    scale = X.std(axis=0)
    log_likelihood, scores, information = _state(blocks, beta)
    null, converged, iteration = log_likelihood, False, 0
    while not converged and iteration < MAX_ITERATIONS:
        iteration += 1
        try:
            step = np.linalg.solve(information, scores.sum(axis=0))
        except np.linalg.LinAlgError:
            break
        for halving in range(MAX_HALVINGS):
            proposed = beta + step / 2**halving
            state = _state(blocks, proposed)
            if state[0] >= log_likelihood - 1e-12 * (1 + abs(log_likelihood)):
                beta, (log_likelihood, scores, information) = proposed, state
                break
        converged = bool(np.max(np.abs(step) * scale) < STEP_TOLERANCE)
    try:
        covariance = np.asarray(np.linalg.inv(information), dtype=float)
    except np.linalg.LinAlgError:
        covariance, converged = np.full_like(information, np.nan), False
    return ConditionalFit(beta, covariance, log_likelihood, null, scores, codes, converged, iteration)


def separating_within(X: ArrayLike, y: ArrayLike, sets: ArrayLike) -> IntArray:
    """Find the columns that order cases before controls, or after, within every informative set.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates without intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    sets : array of shape (n,)
        Codes of the sets, from 0.

    Returns
    -------
    array of int
        Columns whose conditional estimate is infinite; empty without separation.

    Notes
    -----
    The linear program of Konis (2007) with a threshold of its own for every set.
    """
    X, y, codes = np.asarray(X, dtype=float), np.asarray(y, dtype=float), np.asarray(sets, dtype=np.intp)
    rows = np.flatnonzero(informative_sets(y, codes)[codes])
    group = np.unique(codes[rows], return_inverse=True)[1]
    n_set, p = int(group.max()) + 1, X.shape[1]
    center = np.column_stack([np.bincount(group, column) for column in X[rows].T])
    x = X[rows] - (center / np.bincount(group)[:, None])[group]
    scale = np.max(np.abs(x), axis=0)
    sign = np.where(y[rows] > 0, 1.0, -1.0)
    toward = (x / np.where(scale > 0, scale, 1.0)) * sign[:, None]
    line = np.arange(len(rows))
    entries = np.concatenate([toward.ravel(), -sign])
    at = (
        np.concatenate([np.repeat(line, p), line]),
        np.concatenate([np.tile(np.arange(p), len(rows)), p + group]),
    )
    A: Any = coo_array((entries, at), shape=(len(rows), p + n_set)).tocsr()
    bounds = [(-1.0, 1.0)] * p + [(-float(p), float(p))] * n_set
    found = linprog(
        -np.asarray(A.sum(axis=0)).ravel(), A_ub=-A, b_ub=np.zeros(len(rows)), bounds=bounds, method="highs"
    )
    if found.x is None or found.fun is None or found.fun > -1e-7:
        return np.array([], dtype=np.intp)
    return np.flatnonzero((np.abs(found.x[:p]) > 1e-7) & (scale > 0))
