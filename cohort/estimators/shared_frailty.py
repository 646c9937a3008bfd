"""Cox regression with a random effect shared by the rows of a group: penalized and integrated partial likelihood.

Symbols, after Therneau, Grambsch and Pankratz (2003): u_j log frailty of group j with d_j events; theta variance of
the random effect, nu = 1/theta; PPL penalized partial log-likelihood, whose maximum over beta and u at a given theta
gives the marginal log-likelihood of theta, in closed form for gamma frailty and by Laplace's method for log-normal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from cohort.errors import EstimationError
from cohort.estimators.cox_problem import CoxProblem, Ties, build_problem
from cohort.estimators.partial_likelihood import evaluate, information, maximize, score

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Distribution = Literal["gamma", "lognormal"]

# Variances looked at before the best is refined; below the first the variance is zero.
_GRID = np.exp(np.linspace(-12.0, 4.5, 23))
_STEPS = 100
_DECREMENT = 1e-13
# Half width, in log theta, of the five points that give the slope of the Laplace likelihood.
_STENCIL = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class FrailtyFit:
    """A Cox model with a shared random effect.

    Attributes
    ----------
    coefficients : array of shape (p,)
        Log hazard ratios within a group.
    covariance : array of shape (p, p)
        Their covariance at the estimated variance of the random effect.
    theta, theta_low, theta_high : float
        Variance of the random effect (of the frailty when gamma, of its logarithm when log-normal) with profile
        likelihood limits.
    log_frailty, log_frailty_std_error : array of shape (G,)
        Predicted random effect of each group; NaN standard errors when theta is zero.
    n, n_event : array of shape (G,)
        Rows and events of each group.
    log_likelihood, log_likelihood_cox : float
        Marginal log-likelihood at the estimate, and without random effect.
    statistic : float
        Likelihood-ratio statistic of theta = 0.
    p_value : float
        Its p-value from an equal mixture of chi-squared with 0 and 1 degrees of freedom.
    """

    coefficients: FloatArray
    covariance: FloatArray
    theta: float
    theta_low: float
    theta_high: float
    log_frailty: FloatArray
    log_frailty_std_error: FloatArray
    n: IntArray
    n_event: IntArray
    log_likelihood: float
    log_likelihood_cox: float
    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True, eq=False)
class _Inner:
    """The maximum over coefficients and random effects at one variance."""

    b: FloatArray
    hessian: FloatArray
    marginal: float
    slope: float  # of the marginal log-likelihood in log theta; NaN when it has no closed form


def fit_shared_frailty(
    X: FloatArray,
    start: FloatArray | None,
    stop: FloatArray,
    event: NDArray[np.bool_],
    group: IntArray,
    *,
    distribution: Distribution = "gamma",
    stratum: IntArray | None = None,
    ties: Ties = "efron",
    conf_level: float = 0.95,
    names: tuple[str, ...] = (),
) -> FrailtyFit:
    """Fit a Cox model with a gamma or log-normal frailty shared within groups.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates, without a constant.
    start, stop : array of shape (n,)
        Each row is at risk in (start, stop]; ``start`` None for everyone from the beginning.
    event : array of shape (n,)
        Whether the row ends in the event.
    group : array of shape (n,)
        Codes from 0 of the groups, all of which occur.
    distribution : {'gamma', 'lognormal'}, default='gamma'
        Distribution of the frailty, of mean 1 (gamma) or median 1 (log-normal).
    stratum : array of shape (n,) or None
        Stratum codes from 0.
    ties : {'efron', 'breslow'}, default='efron'
        Approximation for tied event times.
    conf_level : float, default=0.95
        Confidence level of the limits of the variance.
    names : tuple of str, default=()
        Names of the columns, for messages.

    Returns
    -------
    FrailtyFit
        Estimates, variance with its test, and the predicted effects.

    Raises
    ------
    EstimationError
        With one group, no group of two rows, or when a likelihood has no maximum.
    """
    n_group = int(group.max()) + 1
    size = np.bincount(group, minlength=n_group)
    _check_groups(size)
    plain = build_problem(X, start, stop, event, stratum=stratum, ties=ties, names=names)
    cox = maximize(plain)
    deaths = np.bincount(group[event], minlength=n_group)
    problem = _with_groups(plain, group, n_group)
    p = X.shape[1]
    first = np.concatenate([cox.state.b, np.zeros(n_group)])
    profile = _Profile(problem, p, deaths, distribution, first)
    theta = _best_variance(profile, cox.log_likelihood)
    scale = np.outer(plain.scale, plain.scale)
    if theta == 0:
        covariance = np.linalg.inv(cox.information) / scale
        low, high = 0.0, _limit(profile, 0.0, cox.log_likelihood, conf_level, upper=True)
        return FrailtyFit(
            coefficients=cox.state.b / plain.scale,
            covariance=covariance,
            theta=0.0,
            theta_low=low,
            theta_high=high,
            log_frailty=np.zeros(n_group),
            log_frailty_std_error=np.full(n_group, np.nan),
            n=size,
            n_event=deaths,
            log_likelihood=cox.log_likelihood,
            log_likelihood_cox=cox.log_likelihood,
            statistic=0.0,
            p_value=1.0,
        )
    best = profile.at(theta)
    V = np.linalg.inv(best.hessian)
    statistic = max(2 * (best.marginal - cox.log_likelihood), 0.0)
    drop = best.marginal - stats.chi2.ppf(conf_level, 1) / 2
    low = 0.0 if cox.log_likelihood > drop else _limit(profile, theta, best.marginal, conf_level, upper=False)
    return FrailtyFit(
        coefficients=best.b[:p] / plain.scale,
        covariance=V[:p, :p] / scale,
        theta=theta,
        theta_low=low,
        theta_high=_limit(profile, theta, best.marginal, conf_level, upper=True),
        log_frailty=best.b[p:],
        log_frailty_std_error=np.sqrt(np.diag(V)[p:]),
        n=size,
        n_event=deaths,
        log_likelihood=best.marginal,
        log_likelihood_cox=cox.log_likelihood,
        statistic=statistic,
        p_value=float(stats.chi2.sf(statistic, 1) / 2),
    )


def _check_groups(size: IntArray) -> None:
    if len(size) < 2:
        raise EstimationError(
            "one group has no variance between groups",
            evidence=f"1 group of {int(size.sum())} rows",
            remedy="fit co.cox without a random effect",
        )
    if size.max() < 2:
        raise EstimationError(
            "no group has two rows, so nothing is shared",
            evidence=f"{len(size)} groups of one row",
            remedy="name the column of centers in frailty=, or fit co.cox",
        )


def _with_groups(plain: CoxProblem, group: IntArray, n_group: int) -> CoxProblem:
    """Append a column for each group, neither centered nor scaled, so that coefficients are log frailties."""
    own = group[plain.sets.rows]
    columns = np.zeros((len(own), n_group))
    columns[np.arange(len(own)), own] = 1.0
    death = plain.sets.death
    return replace(
        plain,
        Z=np.hstack([plain.Z, columns]),
        center=np.concatenate([plain.center, np.zeros(n_group)]),
        scale=np.concatenate([plain.scale, np.ones(n_group)]),
        observed=np.concatenate([plain.observed, plain.weight[death] @ columns[death]]),
        names=(*plain.names, *(f"group {j}" for j in range(n_group))),
    )


class _Profile:
    """The marginal likelihood as a function of theta; starts each maximum from the last one."""

    def __init__(
        self, problem: CoxProblem, p: int, deaths: IntArray, distribution: Distribution, b: FloatArray
    ) -> None:
        self.problem, self.p, self.deaths, self.b = problem, p, deaths, b
        self.gamma = distribution == "gamma"

    def at(self, theta: float) -> _Inner:
        """Maximize the penalized likelihood at theta; return the marginal likelihood and its slope."""
        nu = 1 / theta
        b, hessian, ppl = self._climb(nu)
        self.b = b
        u = b[self.p :]
        if self.gamma:
            d, k = self.deaths, _ranks(self.deaths)
            own = np.repeat(d, d)
            # Closed form of the integral over the frailties: Therneau, Grambsch and Pankratz (2003).
            term = np.log1p((own - k) / (nu + k)).sum()
            marginal = ppl + float((d - nu * np.log1p(d / nu)).sum() - term)
            slope = float((u - np.expm1(u)).sum() - np.log1p(d / nu).sum() + (1 / (nu + k)).sum())
            return _Inner(b, hessian, marginal, -nu * slope)
        # Laplace's method: Ripatti and Palmgren (2000).
        block = hessian[self.p :, self.p :]
        marginal = ppl - 0.5 * float(np.linalg.slogdet(block * theta)[1])
        return _Inner(b, hessian, marginal, np.nan)

    def slope(self, log_theta: float) -> float:
        """Return the derivative of the marginal log-likelihood in log theta."""
        if self.gamma:
            return self.at(np.exp(log_theta)).slope
        points = [self.at(np.exp(log_theta + k * _STENCIL)).marginal for k in (-2, -1, 1, 2)]
        return float(np.dot([1, -8, 8, -1], points)) / (12 * _STENCIL)

    def _penalty(self, u: FloatArray, nu: float) -> tuple[float, FloatArray, FloatArray]:
        """Return the penalty, its derivative and its second derivative."""
        if self.gamma:
            with np.errstate(over="ignore"):
                e = np.expm1(u)
            return float(nu * (e - u).sum()), nu * e, nu * (e + 1)
        return float(nu * (u @ u) / 2), nu * u, np.full(len(u), nu)

    def _climb(self, nu: float) -> tuple[FloatArray, FloatArray, float]:
        """Newton's method with step halving from where the last maximum was."""
        b, last = self.b, False
        state = evaluate(self.problem, b)
        penalty, first, second = self._penalty(b[self.p :], nu)
        value = state.log_likelihood - penalty
        for _ in range(_STEPS):
            U = score(self.problem, state)
            U[self.p :] -= first
            H = information(self.problem, state)
            H[np.arange(self.p, len(b)), np.arange(self.p, len(b))] += second
            if last:
                return b, H, value
            step = np.linalg.solve(H, U)
            last = float(U @ step) < _DECREMENT
            size = 1.0
            while True:
                trial = b + size * step
                state = evaluate(self.problem, trial)
                penalty, first, second = self._penalty(trial[self.p :], nu)
                new = state.log_likelihood - penalty
                if last or new >= value - 1e-9 * abs(value) or size < 1e-6:
                    break
                size /= 2
            b, value = trial, new
        raise EstimationError(
            "the penalized partial likelihood has no maximum",
            evidence=f"{len(self.deaths)} groups, {int(self.deaths.sum())} events, {_STEPS} steps",
            remedy="merge sparse categories or leave a covariate out",
        )


def _ranks(d: IntArray) -> FloatArray:
    """Return 0, 1, ..., d_j - 1 for every group, one after another."""
    ends = np.cumsum(d)
    return np.asarray(np.arange(int(d.sum())) - np.repeat(ends - d, d), dtype=float)


def _best_variance(profile: _Profile, without: float) -> float:
    """Find the variance of the largest marginal likelihood; 0 when nothing above it is better."""
    values = np.array([profile.at(theta).marginal for theta in _GRID.tolist()])
    top = int(np.argmax(values))
    if top == 0 or values[top] <= without:
        return 0.0
    if top == len(_GRID) - 1:
        raise EstimationError(
            "the variance between groups is infinite",
            evidence=f"{len(profile.deaths)} groups, {int((profile.deaths == 0).sum())} of them without an event",
            remedy="describe the groups, or stratify by them: co.cox(strata=)",
        )
    low, high = np.log(_GRID[[top - 1, top + 1]]).tolist()
    return float(np.exp(_root(profile.slope, low, high)))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.brentq(function, low, high, xtol=1e-12, rtol=1e-12))


def _limit(profile: _Profile, theta: float, top: float, conf_level: float, upper: bool) -> float:
    """Find where the profile likelihood has dropped by half the chi-squared quantile."""
    drop = top - stats.chi2.ppf(conf_level, 1) / 2

    def above(log_theta: float) -> float:
        return profile.at(np.exp(log_theta)).marginal - drop

    inside = np.log(theta) if theta > 0 else float(np.log(_GRID[0]))
    for step in np.linspace(0.5, 20, 40):
        outside = inside + step if upper else inside - step
        if above(outside) < 0:
            return float(np.exp(_root(above, *sorted((inside, outside)))))
        if outside > 7:
            return np.inf
    return 0.0 if not upper else np.inf
