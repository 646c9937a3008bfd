"""One proper draw of missing values given predictors: numbers, categories, ordered grades within bounds.

Proper means that the parameters of the imputation model are drawn from their posterior before the values are
(Rubin 1987), so that the imputations carry the uncertainty of the model.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
RIDGE = 1e-5
_MAX_ITERATIONS = 50
_TOLERANCE = 1e-8


def draw_numbers(
    y: FloatArray,
    X: FloatArray,
    X_missing: FloatArray,
    rng: Generator,
    donors: int = 5,
) -> FloatArray:
    """Draw by predictive mean matching after Bayesian linear regression.

    Parameters
    ----------
    y : array of shape (n_observed,)
        Observed values.
    X, X_missing : array of shape (n_observed, p) and (n_missing, p)
        Predictors without intercept.
    rng : Generator
        Source of randomness.
    donors : int, default=5
        Observed values, of nearest prediction, among which one is drawn.

    Returns
    -------
    array of shape (n_missing,)
        Observed values of the donors: impossible values cannot arise.

    Notes
    -----
    Matching of type 1 (van Buuren 2018, section 3.4.2): predictions of the observed from the least-squares
    estimate, of the missing from a draw of the posterior.
    """
    beta, drawn, _ = _posterior_line(y, X, rng)
    observed, wanted = beta[0] + X @ beta[1:], drawn[0] + X_missing @ drawn[1:]
    shuffled = rng.permutation(len(y))  # ties among predictions fall in random order
    order = shuffled[np.argsort(observed[shuffled], kind="stable")]
    k = min(donors, len(y))
    place = np.searchsorted(observed[order], wanted)
    window = np.clip(place[:, None] + np.arange(-k, k), 0, len(y) - 1)
    distance = np.abs(observed[order][window] - wanted[:, None])
    # the ends of the window repeat when clipped: a repeat must not count twice
    distance[:, 1:][window[:, 1:] == window[:, :-1]] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :k]
    pick = nearest[np.arange(len(wanted)), rng.integers(0, k, len(wanted))]
    return np.asarray(y[order][window[np.arange(len(wanted)), pick]])


def draw_normal(
    y: FloatArray,
    X: FloatArray,
    X_missing: FloatArray,
    rng: Generator,
    low: FloatArray,
    high: FloatArray,
) -> FloatArray:
    """Draw from a Bayesian linear regression, truncated to bounds.

    Parameters
    ----------
    y : array of shape (n_observed,)
        Observed values.
    X, X_missing : array of shape (n_observed, p) and (n_missing, p)
        Predictors without intercept.
    rng : Generator
        Source of randomness.
    low, high : array of shape (n_missing,)
        Bounds of each value, infinite for none.

    Returns
    -------
    array of shape (n_missing,)
        Values within their bounds.
    """
    _, drawn, sigma = _posterior_line(y, X, rng)
    mean = drawn[0] + X_missing @ drawn[1:]
    below, above = ndtr((low - mean) / sigma), ndtr((high - mean) / sigma)
    u = below + rng.random(len(mean)) * (above - below)
    tiny = np.finfo(float).tiny
    return np.asarray(np.clip(mean + sigma * ndtri(np.clip(u, tiny, 1 - 1e-16)), low, high))


def _posterior_line(y: FloatArray, X: FloatArray, rng: Generator) -> tuple[FloatArray, FloatArray, float]:
    """Return the least-squares coefficients, a draw of them, and a draw of sigma (Rubin 1987, page 167)."""
    Z = np.column_stack([np.ones(len(y)), X])
    gram = Z.T @ Z
    gram[np.diag_indices_from(gram)] *= 1 + RIDGE * (np.arange(len(gram)) > 0)
    L = np.linalg.cholesky(gram)
    beta = np.linalg.solve(gram, Z.T @ y)
    residual = y - Z @ beta
    df = max(len(y) - Z.shape[1], 1)
    sigma = float(np.sqrt(max(residual @ residual, 1e-300) / rng.chisquare(df)))
    drawn = beta + sigma * np.linalg.solve(L.T, rng.standard_normal(len(beta)))
    return beta, drawn, sigma


def augment(X: FloatArray, n_level: int) -> tuple[FloatArray, IntArray, float]:
    """Return rows that keep categorical fits finite under perfect prediction.

    Parameters
    ----------
    X : array of shape (n, p)
        Predictors without intercept.
    n_level : int
        Categories of the variable that is imputed.

    Returns
    -------
    rows : array of shape (2 p n_level, p)
        Predictors at their means but one, at its mean plus or minus its standard deviation.
    level : array of shape (2 p n_level,)
        Category of each row.
    weight : float
        Weight of each row: p + 1 in all.

    References
    ----------
    .. [1] White IR, Daniel R, Royston P (2010). Avoiding bias due to perfect prediction in multiple imputation
       of incomplete categorical variables. Comput Stat Data Anal 54:2267-2275. doi:10.1016/j.csda.2010.04.005
    """
    p = X.shape[1]
    if p == 0:
        return np.zeros((n_level, 0)), np.arange(n_level), 1.0 / n_level
    center, spread = X.mean(axis=0), X.std(axis=0)
    shifts = np.concatenate([np.diag(spread), -np.diag(spread)])
    rows = np.repeat(center + shifts, n_level, axis=0)
    level = np.tile(np.arange(n_level), 2 * p)
    return rows, level, (p + 1) / len(rows)


def draw_categories(
    y: IntArray,
    X: FloatArray,
    X_missing: FloatArray,
    rng: Generator,
    n_level: int,
    delta: float | FloatArray = 0.0,
) -> IntArray:
    """Draw categories from a logistic (two categories) or multinomial logistic regression.

    Parameters
    ----------
    y : array of shape (n_observed,)
        Observed categories, 0 to ``n_level - 1``.
    X, X_missing : array of shape (n_observed, p) and (n_missing, p)
        Predictors without intercept.
    rng : Generator
        Source of randomness.
    n_level : int
        Categories.
    delta : float or array of shape (n_missing,), default=0.0
        Added to the log odds of category 1 (two categories only).

    Returns
    -------
    array of shape (n_missing,)
        Categories.
    """
    rows, level, weight = augment(X, n_level)
    Z = _with_intercept(np.concatenate([X, rows]))
    w = np.concatenate([np.ones(len(y)), np.full(len(rows), weight)])
    beta, H = _fit_multinomial(Z, np.concatenate([y, level]), w, n_level)
    drawn = _draw_normal_vector(beta.ravel(order="F"), H, rng).reshape(beta.shape, order="F")
    eta = _with_intercept(X_missing) @ drawn + np.reshape(delta, (-1, 1))
    cumulative = np.cumsum(_softmax(eta), axis=1)
    return np.asarray((rng.random(len(eta))[:, None] > cumulative[:, :-1]).sum(axis=1))


def _with_intercept(X: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(X)), X])


def _softmax(eta: FloatArray) -> FloatArray:
    """Return probabilities of all categories, the first being the reference."""
    full = np.column_stack([np.zeros(len(eta)), eta])
    full = np.exp(full - full.max(axis=1, keepdims=True))
    return np.asarray(full / full.sum(axis=1, keepdims=True))


def _draw_normal_vector(mean: FloatArray, information: FloatArray, rng: Generator) -> FloatArray:
    L = np.linalg.cholesky(information)
    return np.asarray(mean + np.linalg.solve(L.T, rng.standard_normal(len(mean))))


def _fit_multinomial(
    X: FloatArray, y: IntArray, w: FloatArray, n_level: int
) -> tuple[FloatArray, FloatArray]:
    """Maximize the weighted multinomial likelihood by Newton steps; return (p, K - 1) and the information."""
    p, q = X.shape[1], n_level - 1
    beta = np.zeros((p, q))
    Y = (y[:, None] == np.arange(1, n_level)).astype(float)
    value, iteration = -np.inf, 0
    while True:
        P = _softmax(X @ beta)
        H = _multinomial_information(X, P[:, 1:], w)
        score = (X.T @ (w[:, None] * (Y - P[:, 1:]))).ravel(order="F")
        value = _multinomial_value(P, y, w)
        step = np.linalg.solve(H, score)
        if step @ score < _TOLERANCE or iteration >= _MAX_ITERATIONS:
            return beta, H
        beta, iteration = _ascend(beta, step.reshape((p, q), order="F"), X, y, w, value), iteration + 1


def _multinomial_value(P: FloatArray, y: IntArray, w: FloatArray) -> float:
    with np.errstate(divide="ignore"):
        return float(w @ np.log(P[np.arange(len(y)), y]))


def _ascend(
    beta: FloatArray, step: FloatArray, X: FloatArray, y: IntArray, w: FloatArray, value: float
) -> FloatArray:
    for halving in range(20):
        proposed = np.asarray(beta + step / 2**halving)
        if _multinomial_value(_softmax(X @ proposed), y, w) >= value - 1e-10:
            return proposed
    return beta


def _multinomial_information(X: FloatArray, P: FloatArray, w: FloatArray) -> FloatArray:
    p, q = X.shape[1], P.shape[1]
    H = np.empty((p * q, p * q))
    for a in range(q):
        for b in range(a, q):
            block = X.T @ (X * (w * P[:, a] * ((a == b) - P[:, b]))[:, None])
            H[a * p : (a + 1) * p, b * p : (b + 1) * p] = block
            H[b * p : (b + 1) * p, a * p : (a + 1) * p] = block
    H[np.diag_indices_from(H)] += 1e-9
    return H


def draw_grades(
    low: IntArray,
    high: IntArray,
    X: FloatArray,
    low_missing: IntArray,
    high_missing: IntArray,
    X_missing: FloatArray,
    rng: Generator,
    n_level: int,
    delta: float | FloatArray = 0.0,
) -> IntArray:
    """Draw ordered categories from a proportional odds model, each within its own bounds.

    Parameters
    ----------
    low, high : array of shape (n_known,)
        Bounds of the category of rows about which something is known; equal where it was observed.
    X : array of shape (n_known, p)
        Predictors without intercept.
    low_missing, high_missing : array of shape (n_missing,)
        Bounds of the categories to draw.
    X_missing : array of shape (n_missing, p)
        Predictors of the rows to impute.
    rng : Generator
        Source of randomness.
    n_level : int
        Categories.
    delta : float or array of shape (n_missing,), default=0.0
        Added to the log odds of a higher category.

    Returns
    -------
    array of shape (n_missing,)
        Categories within the bounds.

    Notes
    -----
    A row whose grade lies between two bounds adds the sum of the probabilities of the grades between them to
    the likelihood, and its draw is from the same model truncated to the bounds.
    """
    rows, level, weight = augment(X, n_level)
    fit = _fit_proportional_odds(
        np.concatenate([low, level]),
        np.concatenate([high, level]),
        np.concatenate([X, rows]),
        np.concatenate([np.ones(len(low)), np.full(len(rows), weight)]),
        n_level,
    )
    q = n_level - 1
    drawn = _ordered_draw(fit, q, rng)
    eta = X_missing @ drawn[q:] + delta
    cumulative = np.column_stack([np.zeros(len(eta)), expit(drawn[:q] - eta[:, None]), np.ones(len(eta))])
    at = np.arange(len(eta))
    below, above = cumulative[at, low_missing], cumulative[at, high_missing + 1]
    u = below + rng.random(len(eta)) * (above - below)
    # rounding at the ends of the truncated range must not leave the bounds
    drawn_level = (u[:, None] > cumulative[:, 1:-1]).sum(axis=1)
    return np.asarray(np.clip(drawn_level, low_missing, high_missing))


def _ordered_draw(fit: tuple[FloatArray, FloatArray], q: int, rng: Generator) -> FloatArray:
    """Draw coefficients until the cut points are in order; sort them when that is too rare."""
    for _ in range(20):
        drawn = _draw_normal_vector(*fit, rng)
        if (np.diff(drawn[:q]) > 0).all():
            return drawn
    return np.concatenate([np.sort(drawn[:q]), drawn[q:]])


def _fit_proportional_odds(
    low: IntArray, high: IntArray, X: FloatArray, w: FloatArray, n_level: int
) -> tuple[FloatArray, FloatArray]:
    """Maximize the interval likelihood of the proportional odds model; return (cuts, slopes) and information."""
    q = n_level - 1
    share = np.cumsum(np.bincount((low + high) // 2, weights=w, minlength=n_level))[:-1] / w.sum()
    cuts = np.log(share / (1 - share))
    parameters = np.concatenate([np.maximum.accumulate(cuts + 1e-3 * np.arange(q)), np.zeros(X.shape[1])])
    A, B = _cut_rows(high, X, q), _cut_rows(low - 1, X, q)
    value, score, H = _interval_likelihood(parameters, A, B, low, high, w, q)
    for _ in range(_MAX_ITERATIONS):
        step = np.linalg.solve(H, score)
        if step @ score < _TOLERANCE:
            break
        for halving in range(20):
            proposed = parameters + step / 2**halving
            new = _interval_likelihood(proposed, A, B, low, high, w, q)
            if new[0] >= value - 1e-10:
                break
        parameters, (value, score, H) = proposed, new
    if not np.isfinite(value):
        raise EstimationError(
            "the proportional odds model of the imputation did not converge",
            evidence=f"{len(low)} rows, {n_level} categories, {X.shape[1]} predictors",
            remedy="merge rare categories, or give the variable fewer predictors",
        )
    return parameters, H


def _cut_rows(cut: IntArray, X: FloatArray, q: int) -> FloatArray:
    """Return the derivative of theta[cut] - X beta; zero for cuts beyond the ends."""
    inside = (cut >= 0) & (cut < q)
    rows = np.column_stack([(cut[:, None] == np.arange(q)).astype(float), -X])
    return rows * inside[:, None]


def _interval_likelihood(
    parameters: FloatArray,
    A: FloatArray,
    B: FloatArray,
    low: IntArray,
    high: IntArray,
    w: FloatArray,
    q: int,
) -> tuple[float, FloatArray, FloatArray]:
    """Return log-likelihood, score and observed information of P(low <= y <= high) = F(a) - F(b)."""
    Fa = np.where(high < q, expit(A @ parameters), 1.0)
    Fb = np.where(low > 0, expit(B @ parameters), 0.0)
    g = Fa - Fb
    if not (g > 0).all():
        return -np.inf, np.zeros(len(parameters)), np.eye(len(parameters))
    fa, fb = Fa * (1 - Fa), Fb * (1 - Fb)
    sa, sb = fa / g, fb / g
    score = A.T @ (w * sa) - B.T @ (w * sb)
    aa = w * (fa * (1 - 2 * Fa) / g - sa**2)
    bb = w * (-fb * (1 - 2 * Fb) / g - sb**2)
    ab = A.T @ (B * (w * sa * sb)[:, None])
    H = -(A.T @ (A * aa[:, None]) + B.T @ (B * bb[:, None]) + ab + ab.T)
    H[np.diag_indices_from(H)] += 1e-9
    return float(w @ np.log(g)), score, H
