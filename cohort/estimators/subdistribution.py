"""Fine and Gray's model: risk sets that keep competing events, and the variance for estimated censoring.

A patient with a competing event at X stays at risk of the event of interest with weight G(t-)/G(X-), G the
Kaplan-Meier estimate of remaining uncensored (Fine and Gray 1999, section 4). Because the weight factorizes,
these sums too are cumulative sums, and the kernel of the partial likelihood serves unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cohort.estimators.cox_problem import CoxProblem, check_arrays, standardize
from cohort.estimators.partial_likelihood import Maximum, hazard_sums, maximize
from cohort.estimators.risk_sets import RiskSets, incidence, require_event, total_by_group

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class SubdistributionRiskSets(RiskSets):
    """Risk sets in which rows with a competing event stay, with decreasing weight.

    Attributes
    ----------
    tail : array of shape (m,)
        Positions of the rows with a competing event, at risk at ``g >= high[tail]`` too.
    tail_weight : array of shape (m,)
        1 / G(X-) of these rows.
    uncensored : array of shape (G,)
        G(t-) at the event times.
    """

    tail: IntArray
    tail_weight: FloatArray
    uncensored: FloatArray
    _stay: sparse.csc_array

    def sums(self, v: FloatArray, Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ``R' v`` of shape (G,) and ``R' (v Z)`` of shape (G, p)."""
        zeroth, first = RiskSets.sums(self, v, Z)
        self._stay.data[:] = v[self.tail] * self.tail_weight
        stayed = np.cumsum(self._stay @ Z, axis=0)
        return zeroth, first + self.uncensored[:, None] * stayed

    def sums_of(self, v: FloatArray) -> FloatArray:
        """Return ``R' v`` of shape (G,)."""
        stayed = total_by_group(self.high[self.tail], v[self.tail] * self.tail_weight, self.n_times)
        return RiskSets.sums_of(self, v) + self.uncensored * np.cumsum(stayed)

    def spread(self, c: FloatArray) -> FloatArray:
        """Return ``R c``: for each row the weighted sum of ``c`` over the event times it is at risk at."""
        out = RiskSets.spread(self, c)
        weight = self.uncensored if c.ndim == 1 else self.uncensored[:, None]
        after = np.cumsum((weight * c)[::-1], axis=0)[::-1][self.high[self.tail]]
        out[self.tail] += after * (self.tail_weight if c.ndim == 1 else self.tail_weight[:, None])
        return out


@dataclass(frozen=True, slots=True, eq=False)
class CensoringSurvival:
    """Kaplan-Meier estimate of remaining uncensored.

    Attributes
    ----------
    time : array of shape (k,)
        Times of censoring.
    n_risk, n_censor : array of shape (k,)
        Rows followed to this time or longer, and censored at it.
    """

    time: FloatArray
    n_risk: IntArray
    n_censor: IntArray

    def before(self, times: FloatArray) -> FloatArray:
        """Return G(t-)."""
        G = np.concatenate([[1.0], np.cumprod(1 - self.n_censor / self.n_risk)])
        return np.asarray(G[np.searchsorted(self.time, times, "left")])


def censoring_survival(stop: FloatArray, censored: NDArray[np.bool_]) -> CensoringSurvival:
    """Estimate the distribution of censoring; a row with an event at u is still at risk of censoring at u."""
    time, n_censor = np.unique(stop[censored], return_counts=True)
    return CensoringSurvival(time, len(stop) - np.searchsorted(np.sort(stop), time, "left"), n_censor)


@dataclass(frozen=True, slots=True, eq=False)
class FineGrayFit:
    """A fitted Fine-Gray model.

    Attributes
    ----------
    coefficients : array of shape (p,)
        Log subdistribution hazard ratios.
    covariance : array of shape (p, p)
        Sandwich covariance that accounts for the estimated censoring distribution.
    log_likelihood, log_likelihood_null : float
        Log pseudo-likelihood at the estimate and at zero.
    wald_test : float
        Chi-squared statistic with p degrees of freedom.
    n_event, n_competing : int
        Events of interest, and competing events.
    iterations : int
        Newton steps.
    time, cumulative_hazard : array of shape (G,)
        Baseline cumulative subdistribution hazard, of a patient whose covariates are all zero.
    """

    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float
    log_likelihood_null: float
    wald_test: float
    n_event: int
    n_competing: int
    iterations: int
    time: FloatArray
    cumulative_hazard: FloatArray


def fit_fine_gray(
    X: FloatArray,
    stop: FloatArray,
    interest: NDArray[np.bool_],
    competing: NDArray[np.bool_],
    *,
    names: tuple[str, ...] = (),
) -> FineGrayFit:
    """Fit a Fine-Gray model with Breslow's approximation for ties.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates, without a constant.
    stop : array of shape (n,)
        Times of event or censoring.
    interest, competing : array of shape (n,)
        Whether the row ends in the event of interest, or in a competing event; otherwise it is censored.
    names : tuple of str, default=()
        Names of the columns, for messages.

    Returns
    -------
    FineGrayFit
        Estimates, with the variance of Fine and Gray (1999), section 5.

    Raises
    ------
    EstimationError
        When the data are not valid or the likelihood has no maximum; the column is named.
    """
    problem, G = build_subdistribution(X, stop, interest, competing, names)
    maximum = maximize(problem)
    V = np.linalg.inv(maximum.information)
    own = influence(problem, maximum, stop, ~(interest | competing), G)
    sandwich = V @ (own.T @ own) @ V
    b = maximum.state.b
    at_zero = np.exp(-(problem.center / problem.scale) @ b)
    return FineGrayFit(
        coefficients=b / problem.scale,
        covariance=sandwich / np.outer(problem.scale, problem.scale),
        log_likelihood=maximum.log_likelihood,
        log_likelihood_null=maximum.log_likelihood_null,
        wald_test=float(b @ np.linalg.solve(sandwich, b)),
        n_event=int(interest.sum()),
        n_competing=int(competing.sum()),
        iterations=maximum.iterations,
        time=problem.sets.time[1:],
        cumulative_hazard=np.cumsum(hazard_sums(problem, maximum.state, 1, 0)[0])[1:] * at_zero,
    )


def build_subdistribution(
    X: FloatArray,
    stop: FloatArray,
    interest: NDArray[np.bool_],
    competing: NDArray[np.bool_],
    names: tuple[str, ...],
) -> tuple[CoxProblem, CensoringSurvival]:
    """Make the partial-likelihood problem of a Fine-Gray model, and the censoring distribution it rests on."""
    names = names or tuple(f"x{j}" for j in range(X.shape[1]))
    check_arrays(X, None, stop, None, None, "breslow", names)
    require_event(interest)
    G = censoring_survival(stop, ~(interest | competing))
    moments, n_death = np.unique(stop[interest], return_counts=True)
    # Event time 0 has no event: it holds the rows that leave before the first.
    high = np.searchsorted(moments, stop, "right") + 1
    n, n_times = len(stop), len(moments) + 1
    death = np.flatnonzero(interest)
    tail = np.flatnonzero(competing & (high < n_times))
    sets = SubdistributionRiskSets(
        rows=np.arange(n),
        low=np.zeros(n, dtype=np.intp),
        high=high,
        end=np.full(n_times, n_times),
        time=np.concatenate([[-np.inf], moments]),
        stratum=np.zeros(n_times, dtype=np.intp),
        death=death,
        death_group=high[death] - 1,
        n_death=np.concatenate([[0], n_death]),
        truncated=False,
        n_rows=n,
        _leave=incidence(high - 1, np.arange(n), n, n_times),
        _enter=None,
        _entering=np.empty(0, dtype=np.intp),
        _die=incidence(high[death] - 1, death, n, n_times),
        tail=tail,
        tail_weight=1 / G.before(stop[tail]),
        uncensored=np.concatenate([[1.0], G.before(moments)]),
        _stay=incidence(high[tail], tail, n, n_times),
    )
    Z, center, scale = standardize(X, sets.rows, names)
    problem = CoxProblem(
        sets=sets,
        Z=Z,
        weight=np.ones(n),
        offset=np.zeros(n),
        center=center,
        scale=scale,
        dead_weight=sets.n_death.astype(float),
        observed=Z[death].sum(axis=0),
        tied=None,
        names=names,
    )
    return problem, G


def influence(
    problem: CoxProblem,
    maximum: Maximum,
    stop: FloatArray,
    censored: NDArray[np.bool_],
    G: CensoringSurvival,
) -> FloatArray:
    """Compute each row's share of the score, eta + psi of Fine and Gray (1999), section 5; shape (n, p).

    psi is the part of a row in the estimated weights: it counts through the rows with a competing event
    before u whose weight at t >= u contains the censoring at u.
    """
    sets, state, Z = problem.sets, maximum.state, problem.Z
    assert isinstance(sets, SubdistributionRiskSets)
    a = hazard_sums(problem, state, 1, 0)[0]
    zbar = state.S1 / state.S0[:, None]
    eta = sets.spread(a[:, None] * zbar) - Z * sets.spread(a)[:, None]
    eta *= state.r[:, None]
    eta[sets.death] += Z[sets.death] - zbar[sets.death_group]
    # q(u) = sum over X_i < u of r_i/G(X_i-) sum over t >= u of G(t-) a(t) (z_i - zbar(t))
    order = sets.tail[np.argsort(stop[sets.tail], kind="stable")]
    w = state.r[order] / G.before(stop[order])
    stayed = np.searchsorted(stop[order], G.time, "left")
    later = np.searchsorted(sets.time, G.time, "left")
    Ga = sets.uncensored * a
    q = _from_zero(w[:, None] * Z[order])[stayed] * _to_end(Ga[:, None])[later]
    q -= _from_zero(w[:, None])[stayed] * _to_end(Ga[:, None] * zbar)[later]
    compensator = _from_zero(q * (G.n_censor / G.n_risk.astype(float) ** 2)[:, None])
    psi = -compensator[np.searchsorted(G.time, stop, "right")]
    at = np.searchsorted(G.time, stop[censored])
    psi[censored] += q[at] / G.n_risk[at, None]
    return eta + psi


def _from_zero(values: FloatArray) -> FloatArray:
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])


def _to_end(values: FloatArray) -> FloatArray:
    return np.concatenate([np.cumsum(values[::-1], axis=0)[::-1], np.zeros((1, values.shape[1]))])
