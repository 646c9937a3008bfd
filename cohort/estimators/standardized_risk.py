"""Risks standardized to a population (g-computation) after logistic regression, with their variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cohort.estimators.firth_prediction import flic
from cohort.estimators.logistic import Penalty, fit_logistic
from cohort.estimators.weighted_logistic import fit_weighted_logistic

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class StandardizedRisk:
    """Mean predicted risks of all patients, each with the exposure set to one level.

    Attributes
    ----------
    risk : array of shape (k,)
        Standardized risk at each level.
    covariance : array of shape (k, k)
        Covariance of the risks.
    """

    risk: FloatArray
    covariance: FloatArray


def robust_risks(
    settings: Sequence[FloatArray],
    X: FloatArray,
    y: FloatArray,
    beta: FloatArray,
    weight: FloatArray | None = None,
    cluster: IntArray | None = None,
) -> StandardizedRisk:
    """Standardize after (weighted) maximum likelihood, with the sandwich variance of the stacked equations.

    Parameters
    ----------
    settings : sequence of array of shape (n, p)
        Design of all patients with the exposure set to each level.
    X : array of shape (n, p)
        Design as observed, with its intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    beta : array of shape (p,)
        Maximum likelihood estimate.
    weight : array of shape (n,) or None
        Weights.
    cluster : array of shape (n,) or None
        Codes from 0 of patients who count together.

    Returns
    -------
    StandardizedRisk
        Risks and covariance, which counts that covariates vary from sample to sample.

    Notes
    -----
    The risk R of a level and the coefficients b solve sum w (p(x) - R) = 0 and sum w x (y - pi) = 0 together. With
    the mean information I and the mean gradient D of p, the influence of a patient on R is
    w (p - R) + D' I^-1 x w (y - pi) [1]_; the covariance sums outer products of clusters, with the factor G/(G-1).

    References
    ----------
    .. [1] Sjölander A (2016). Regression standardization with the R package stdReg. Eur J Epidemiol 31:563-574.
       doi:10.1007/s10654-016-0157-3

    Examples
    --------
    >>> X = np.array([[1.0, 0], [1, 0], [1, 1], [1, 1], [1, 1], [1, 0]])
    >>> y = np.array([0.0, 1, 1, 1, 0, 0])
    >>> unexposed, exposed = X * [1, 0], X * [1, 0] + [0, 1]
    >>> found = robust_risks([unexposed, exposed], X, y, np.array([-np.log(2), np.log(4)]))
    >>> found.risk.round(6)
    array([0.333333, 0.666667])
    """
    n = len(y)
    w = np.ones(n) if weight is None else weight / weight.mean()
    pi = expit(X @ beta)
    mean_information = X.T @ (X * (w * pi * (1 - pi))[:, None]) / n
    scores = X * (w * (y - pi))[:, None]
    risk, gradient, own = _mean_risks(settings, beta, w)
    influence = own + scores @ np.linalg.solve(mean_information, gradient)
    if cluster is not None:
        influence = np.column_stack([np.bincount(cluster, column) for column in influence.T])
    G = len(influence)
    factor = G / (G - 1) if G > 1 else np.nan
    return StandardizedRisk(risk, factor * (influence.T @ influence) / n**2)


def model_risks(settings: Sequence[FloatArray], beta: FloatArray, covariance: FloatArray) -> StandardizedRisk:
    """Standardize after a fit whose covariance is that of its model, such as Firth's.

    Parameters
    ----------
    settings : sequence of array of shape (n, p)
        Design of all patients with the exposure set to each level.
    beta : array of shape (p,)
        Coefficients that predict.
    covariance : array of shape (p, p)
        Their covariance.

    Returns
    -------
    StandardizedRisk
        Risks and covariance: D' V D for the coefficients, and the variance of a mean of predicted risks for the
        covariates. Under the model the two parts are independent.
    """
    n = len(settings[0])
    risk, gradient, own = _mean_risks(settings, beta, np.ones(n))
    sampled = own.T @ own / (n * (n - 1)) if n > 1 else np.full((len(risk),) * 2, np.nan)
    return StandardizedRisk(risk, gradient.T @ covariance @ gradient + sampled)


def _mean_risks(
    settings: Sequence[FloatArray], beta: FloatArray, w: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return risks (k,), their gradients (p, k), and each patient's weighted distance from them (n, k)."""
    p = np.column_stack([expit(Z @ beta) for Z in settings])
    risk = w @ p / w.sum()
    gradient = np.column_stack([(w * p[:, k] * (1 - p[:, k])) @ Z for k, Z in enumerate(settings)]) / w.sum()
    return risk, gradient, w[:, None] * (p - risk)


def bootstrap_risks(
    settings: Sequence[FloatArray],
    X: FloatArray,
    y: FloatArray,
    replicates: int,
    rng: np.random.Generator,
    penalty: Penalty = "none",
    weight: FloatArray | None = None,
    cluster: IntArray | None = None,
) -> FloatArray:
    """Refit and standardize in samples of patients, or of clusters, drawn with replacement.

    Parameters
    ----------
    settings : sequence of array of shape (n, p)
        Design of all patients with the exposure set to each level.
    X : array of shape (n, p)
        Design as observed, with its intercept.
    y : array of shape (n,)
        Outcome, 0 or 1.
    replicates : int
        Number of samples.
    rng : Generator
        Source of randomness.
    penalty : {'none', 'firth'}, default='none'
        Penalty of the fits; after Firth's the intercept is that of FLIC.
    weight : array of shape (n,) or None
        Weights, with maximum likelihood.
    cluster : array of shape (n,) or None
        Codes from 0 of what is drawn as a whole; None draws patients.

    Returns
    -------
    array of shape (replicates, k)
        Standardized risks; NaN where a sample has no estimate (separation, a level without patients).
    """
    n = len(y)
    code = np.arange(n) if cluster is None else cluster
    n_group = int(code.max()) + 1
    w = np.ones(n) if weight is None else weight
    out = np.full((replicates, len(settings)), np.nan)
    for k in range(replicates):
        count = np.bincount(rng.integers(0, n_group, n_group), minlength=n_group)[code]
        beta = _refit(X, y, count, w, penalty)
        if beta is not None:
            drawn = count * w
            out[k] = [drawn @ expit(Z @ beta) / drawn.sum() for Z in settings]
    return out


def _refit(
    X: FloatArray, y: FloatArray, count: IntArray, w: FloatArray, penalty: Penalty
) -> FloatArray | None:
    """Fit one sample; None when it has no estimate."""
    here = count > 0
    if len(np.unique(y[here])) < 2 or not np.ptp(X[here][:, 1:], axis=0).all():
        return None
    if penalty == "none":
        fit = fit_weighted_logistic(X[here], y[here], (count * w)[here])
        return fit.estimate if fit.converged and np.isfinite(fit.covariance).all() else None
    rows = np.repeat(np.arange(len(y)), count)
    try:
        firth = fit_logistic(X[rows], y[rows], "firth")
    except np.linalg.LinAlgError:
        return None
    beta = flic(X[rows], y[rows], firth).estimate if firth.converged else np.array([np.nan])
    return beta if np.isfinite(beta).all() else None
