"""Logistic regression: maximum likelihood, Firth's penalty, separation, robust variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve, qr, solve_triangular
from scipy.optimize import linprog
from scipy.special import expit

FloatArray = NDArray[np.float64]
Penalty = Literal["none", "firth"]
MAX_ITERATIONS = 100
MAX_HALVINGS = 30
STEP_TOLERANCE = 1e-10
# Most that one step may change any row's linear predictor.
LONGEST_STEP = 8.0
# Hat values under which their change with the coefficients is left out of the step, and the least share of the
# weights' curvature that a step divides by.
IDLE_LEVERAGE = 0.05
LEAST_CURVATURE = 0.02


@dataclass(frozen=True, slots=True)
class LogisticFit:
    """Fitted logistic regression.

    Attributes
    ----------
    estimate : array of shape (p,)
        Log odds ratios.
    covariance : array of shape (p, p)
        Inverse of the Fisher information at the estimate.
    log_likelihood : float
        Maximized log-likelihood, with half the log determinant of the information added under ``firth``.
    converged : bool
        Whether the last Newton step was negligible.
    iterations : int
        Newton steps taken.
    penalty : {'none', 'firth'}
        Penalty of the likelihood.
    """

    estimate: FloatArray
    covariance: FloatArray
    log_likelihood: float
    converged: bool
    iterations: int
    penalty: Penalty

    @property
    def std_error(self) -> FloatArray:
        """Model-based standard errors, shape (p,).

        Returns
        -------
        array of shape (p,)
            Square roots of the diagonal of the covariance.
        """
        return np.asarray(np.sqrt(np.diag(self.covariance)))


@dataclass(frozen=True, slots=True)
class LogisticState:
    """Log-likelihood and its derivatives at one value of the coefficients.

    Attributes
    ----------
    log_likelihood : float
        Log-likelihood, penalized under Firth.
    score : array of shape (p,)
        Its gradient (Firth's modified score).
    information : array of shape (p, p)
        Fisher information of the unpenalized likelihood.
    residual : array of shape (n,)
        What each row adds to the score, per unit of its covariates.
    weight : array of shape (n,)
        What each row adds to the matrix of the Newton step: its weight in the information, under Firth
        augmented by its hat value.
    slant : array of shape (n,)
        1 - 2 pi.
    hat_root : array of shape (n, p)
        Under Firth Q with hat matrix Q Q'; otherwise empty.
    """

    log_likelihood: float
    score: FloatArray
    information: FloatArray
    residual: FloatArray
    weight: FloatArray
    slant: FloatArray
    hat_root: FloatArray


def logistic_state(X: FloatArray, y: FloatArray, beta: FloatArray, penalty: Penalty) -> LogisticState:
    """Evaluate the log-likelihood, the score and the information.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix with its intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    beta : array of shape (p,)
        Coefficients.
    penalty : {'none', 'firth'}
        Whether Jeffreys' prior is added.

    Returns
    -------
    LogisticState
        The values.
    """
    eta = X @ beta
    pi = expit(eta)
    W = pi * expit(-eta)
    information = X.T @ (X * W[:, None])
    log_likelihood = float(y @ eta - np.logaddexp(0.0, eta).sum())
    residual, weight, Q = y - pi, W, np.empty((len(y), 0))
    if penalty == "firth":
        Q, R, _ = _sorted_qr(X, W)
        # h: diagonal of the hat matrix; score of Heinze and Schemper 2002, equation 2
        h = (Q**2).sum(axis=1)
        residual = residual + h * (0.5 - pi)
        # derivative of that score with the hat values held (each row also counts h/2 as event and non-event)
        weight = W * (1 + h)
        log_likelihood += float(np.log(np.abs(np.diag(R))).sum())
    return LogisticState(log_likelihood, X.T @ residual, information, residual, weight, 1 - 2 * pi, Q)


def _sorted_qr(X: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Decompose sqrt(weight) X, heavy rows first and columns pivoted.

    In this order every row keeps its own relative accuracy (Cox and Higham 1998), so the hat values and the
    determinant stay right where the weights differ by more than the digits of a number, as they do far out on
    a profile; the information itself is singular to rounding there.
    """
    A = X * np.sqrt(weight)[:, None]
    order = np.argsort(-np.abs(A).max(axis=1), kind="stable")
    if not np.isfinite(A).all():
        raise np.linalg.LinAlgError("weights that are not finite")
    sorted_Q, R, pivot = qr(A[order], mode="economic", pivoting=True, check_finite=False)
    if len(R) < X.shape[1] or not np.diag(R).all():
        raise np.linalg.LinAlgError("singular information")
    Q = np.empty(A.shape)
    Q[order] = sorted_Q
    return Q, np.asarray(R, dtype=float), np.asarray(pivot, dtype=np.intp)


def fit_logistic(
    X: ArrayLike,
    y: ArrayLike,
    penalty: Penalty = "none",
    initial: FloatArray | None = None,
    free: NDArray[np.bool_] | None = None,
) -> LogisticFit:
    """Fit a logistic regression by Newton steps, halved while the (penalized) likelihood falls.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix with its intercept, of full rank.
    y : array of shape (n,)
        Outcome, 0 or 1.
    penalty : {'none', 'firth'}, default='none'
        ``firth`` adds half the log determinant of the information: estimates stay finite under separation.
    initial : array of shape (p,), optional
        Starting values; zeros by default.
    free : array of shape (p,), optional
        Which coefficients are estimated, all by default; the others stay at their starting values. The
        penalty keeps the information of all coefficients, as a penalized profile likelihood needs.

    Returns
    -------
    LogisticFit
        The fit; ``converged`` is False under separation without a penalty.

    References
    ----------
    .. [1] Heinze G, Schemper M (2002). A solution to the problem of separation in logistic regression.
       Stat Med 21:2409-2419. doi:10.1002/sim.1047

    Examples
    --------
    >>> fit = fit_logistic([[1, 0], [1, 0], [1, 0], [1, 1], [1, 1], [1, 1]], [0, 0, 1, 0, 1, 1])
    >>> np.exp(fit.estimate).round(6)
    array([0.5, 4. ])
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    beta = np.zeros(X.shape[1]) if initial is None else initial.copy()
    free = np.ones(len(beta), dtype=bool) if free is None else free
    scale = np.sqrt(np.mean(X**2, axis=0))
    state = logistic_state(X, y, beta, penalty)
    converged, iteration = not free.any(), 0
    while not converged and iteration < MAX_ITERATIONS:
        iteration += 1
        step = _newton_step(X, state, free, penalty)
        if step is None:
            break
        beta, state = _halve(X, y, beta, step, state, penalty)
        converged = bool(np.max(np.abs(step) * scale) < STEP_TOLERANCE)
    covariance = _inverse(state.information)
    return LogisticFit(beta, covariance, state.log_likelihood, converged, iteration, penalty)


def _newton_step(
    X: FloatArray, state: LogisticState, free: NDArray[np.bool_], penalty: Penalty
) -> FloatArray | None:
    """Return the Newton step of the free coefficients, zero for the others; None at singular information."""
    step, Z = np.zeros(len(free)), X[:, free]
    try:
        if penalty == "firth":
            Q, R, pivot = _sorted_qr(Z, state.weight)
            root = np.sqrt(state.weight)
            per_root = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
            pull = _uncurved(Q * (state.slant * per_root)[:, None], state, Q.T @ (state.residual * per_root))
            step[np.flatnonzero(free)[pivot]] = solve_triangular(R, pull)
        else:
            step[free] = cho_solve(cho_factor(Z.T @ (Z * state.weight[:, None])), state.score[free])
    except np.linalg.LinAlgError:
        return None
    longest = float(np.abs(X @ step).max())
    return step * min(1.0, LONGEST_STEP / longest) if longest > 0 else step


def _uncurved(B: FloatArray, state: LogisticState, pull: FloatArray) -> FloatArray:
    """Divide by the whole curvature of Firth's likelihood, in coordinates where the weights' share is 1.

    The hat values change with the coefficients too. Without that term, B'(diag(h) - H o H)B/2 of the negative
    Hessian, steps fall short by a constant factor when few rows carry the fit. Eigenvalues are bounded from
    below, so that the step leads uphill.
    """
    Q = state.hat_root
    h = (Q**2).sum(axis=1)
    if h.max() < IDLE_LEVERAGE:
        return pull
    pairs = (Q[:, :, None] * Q[:, None, :]).reshape(len(Q), -1).T @ B
    values, vectors = np.linalg.eigh(np.eye(len(pull)) - (B.T @ (B * h[:, None]) - pairs.T @ pairs) / 2)
    return np.asarray(vectors @ (vectors.T @ pull / np.maximum(values, LEAST_CURVATURE)))


def _halve(
    X: FloatArray, y: FloatArray, beta: FloatArray, step: FloatArray, state: LogisticState, penalty: Penalty
) -> tuple[FloatArray, LogisticState]:
    """Take the step, or the first of its halves that does not lower the likelihood beyond rounding."""
    slack = 1e-12 * (1 + abs(state.log_likelihood))
    for halving in range(MAX_HALVINGS):
        proposed = beta + step / 2**halving
        try:
            new = logistic_state(X, y, proposed, penalty)
        except np.linalg.LinAlgError:  # too long a step: the information is singular there
            continue
        if new.log_likelihood >= state.log_likelihood - slack:
            return proposed, new
    return beta, state


def _inverse(information: FloatArray) -> FloatArray:
    try:
        return np.asarray(np.linalg.inv(information))
    except np.linalg.LinAlgError:
        return np.full_like(information, np.nan)


def separating_columns(X: ArrayLike, y: ArrayLike) -> NDArray[np.intp]:
    """Find the columns along which the outcome is separated, completely or quasi-completely.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix with its intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.

    Returns
    -------
    array of int
        Columns whose maximum likelihood estimate is infinite; empty without separation.

    Notes
    -----
    Linear program of Konis (2007): a direction that no observation speaks against and at least one for.
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    scale = np.max(np.abs(X), axis=0)
    toward = (X / scale) * np.where(y > 0, 1.0, -1.0)[:, None]
    rows = np.unique(toward, axis=0)
    found = linprog(-rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1), method="highs")
    if found.x is None or found.fun is None or found.fun > -1e-7:
        return np.array([], dtype=np.intp)
    return np.flatnonzero(np.abs(found.x) > 1e-7)


def robust_covariance(
    X: FloatArray, y: FloatArray, fit: LogisticFit, cluster: ArrayLike
) -> tuple[FloatArray, int]:
    """Return the cluster-robust covariance of the coefficients.

    Parameters
    ----------
    X : array of shape (n, p)
        Design matrix.
    y : array of shape (n,)
        Outcome, 0 or 1.
    fit : LogisticFit
        Maximum likelihood fit.
    cluster : array of shape (n,)
        Cluster codes.

    Returns
    -------
    covariance : array of shape (p, p)
        Sandwich with the factor G/(G-1), as R ``sandwich::vcovCL`` and Stata.
    n_cluster : int
        G, the number of clusters.
    """
    codes, position = np.unique(np.asarray(cluster), return_inverse=True)
    n_cluster = len(codes)
    scores = X * (y - expit(X @ fit.estimate))[:, None]
    sums = np.column_stack(
        [np.bincount(position, weights=column, minlength=n_cluster) for column in scores.T]
    )
    factor = n_cluster / (n_cluster - 1) if n_cluster > 1 else np.nan
    return np.asarray(factor * fit.covariance @ (sums.T @ sums) @ fit.covariance), n_cluster
