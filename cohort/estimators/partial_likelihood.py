"""Cox's partial likelihood: value, score, information and maximum, linear in the number of rows.

Symbols, after Therneau and Grambsch (2000), chapter 3: z_i covariates, w_i case weights, r_i = w_i exp(z_i b);
at event time g, S0, S1 are the sums of r and r z over the risk set, D0, D1 the same over the d rows with an event.
Efron's approximation takes the l-th of d tied events, l = 0..d-1, from a risk set in which each of the d counts
as 1 - f, f = l/d: phi = S0 - f D0. Breslow's is f = 0. Each tied event has the mean weight of the d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from cohort.errors import EstimationError
from cohort.estimators.collinearity import first_dependent
from cohort.estimators.cox_problem import BLOCK, CoxProblem, TiedEvents, no_information

FloatArray = NDArray[np.float64]

_MAX_ITERATIONS = 50
_MAX_HALVINGS = 25
# Newton's decrement U'I^-1 U (squared standard errors) after which one more step is the last: it squares the error.
_DECREMENT = 1e-12
# Share of the information at b = 0 below which a direction has run off to infinity.
_VANISHED = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class RiskState:
    """Risk-set sums at one value of the coefficients.

    Attributes
    ----------
    b : array of shape (p,)
        Coefficients of the scaled columns.
    eta, r : array of shape (n,)
        Linear predictor and weighted risk of each row.
    S0, S1, D0, D1 : array of shape (G,) or (G, p)
        Sums over the risk set, and over the events, at each event time.
    log_likelihood : float
        Log partial likelihood.
    """

    b: FloatArray
    eta: FloatArray
    r: FloatArray
    S0: FloatArray
    S1: FloatArray
    D0: FloatArray
    D1: FloatArray
    log_likelihood: float


@dataclass(frozen=True, slots=True, eq=False)
class Maximum:
    """Where a partial likelihood is largest.

    Attributes
    ----------
    state : RiskState
        Sums at the maximum.
    information : array of shape (p, p)
        Observed information at the maximum, scaled columns.
    log_likelihood, log_likelihood_null : float
        At the maximum and at zero (with the penalty, where there is one).
    score_test : float
        U(0)' I(0)^-1 U(0).
    iterations : int
        Newton steps.
    """

    state: RiskState
    information: FloatArray
    log_likelihood: float
    log_likelihood_null: float
    score_test: float
    iterations: int


def evaluate(problem: CoxProblem, b: FloatArray) -> RiskState:
    """Compute risk-set sums and the log partial likelihood at coefficients of the scaled columns.

    Parameters
    ----------
    problem : CoxProblem
        Data.
    b : array of shape (p,)
        Coefficients of the scaled columns.

    Returns
    -------
    RiskState
        Sums; the log-likelihood is -inf where numbers overflow.
    """
    sets, Z = problem.sets, problem.Z
    eta = Z @ b + problem.offset
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        r = np.exp(eta)
        r *= problem.weight
        S0, S1 = sets.sums(r, Z)
        if problem.tied is None:
            D0, D1 = np.zeros(0), np.zeros((0, Z.shape[1]))
            logs = problem.dead_weight @ np.log(S0)
        else:
            D0, D1 = sets.death_sums(r, Z)
            logs = problem.tied.weight @ np.log(_phi(problem.tied, S0, D0))
        value = float(problem.weight[sets.death] @ eta[sets.death] - logs)
    return RiskState(b, eta, r, S0, S1, D0, D1, value if np.isfinite(value) else -np.inf)


def _phi(tied: TiedEvents, S0: FloatArray, D0: FloatArray) -> FloatArray:
    return S0[tied.group] - tied.fraction * D0[tied.group]


def hazard_sums(
    problem: CoxProblem, state: RiskState, power: int, degrees: int, time_weight: FloatArray | None = None
) -> list[FloatArray]:
    """Sum w f^k / phi^power over the events tied at each event time, for k = 0..degrees.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the coefficients.
    power, degrees : int
        Power of phi, and largest power of f.
    time_weight : array of shape (G,) or None
        Multiplies each event time.

    Returns
    -------
    list of array of shape (G,)
        The sums; only the first without tied events.
    """
    tied = problem.tied
    g = np.ones(1) if time_weight is None else time_weight
    if tied is None:
        return [g * problem.dead_weight / state.S0**power]
    term = tied.weight / _phi(tied, state.S0, state.D0) ** power
    sums = []
    for k in range(degrees + 1):
        sums.append(g * np.add.reduceat(term, tied.first))
        if k < degrees:
            term = term * tied.fraction
    return sums


def cumulative_hazard(problem: CoxProblem, sums: list[FloatArray]) -> FloatArray:
    """Spread hazard increments (their sums for k = 0, 1) over the rows at risk; shape (n,)."""
    A = problem.sets.spread(sums[0])
    if len(sums) > 1:
        A[problem.sets.death] -= sums[1][problem.sets.death_group]
    return A


def score(problem: CoxProblem, state: RiskState) -> FloatArray:
    """Return the score U of shape (p,): events' covariates minus those expected."""
    a = hazard_sums(problem, state, 1, 1)
    expected = a[0] @ state.S1
    if len(a) > 1:
        expected = expected - a[1] @ state.D1
    return np.asarray(problem.observed - expected)


def information(problem: CoxProblem, state: RiskState, time_weight: FloatArray | None = None) -> FloatArray:
    """Return the observed information of shape (p, p), optionally with a weight for each event time.

    The first term sum_g w S2/phi is one weighted cross-product of the rows, because each row's
    weight is its cumulative hazard; S2 itself is never formed.
    """
    A = cumulative_hazard(problem, hazard_sums(problem, state, 1, 1, time_weight))
    q = hazard_sums(problem, state, 2, 2, time_weight)
    out = weighted_gram(problem.Z, state.r * A)
    out -= state.S1.T @ (q[0][:, None] * state.S1)
    if len(q) > 1:
        cross = state.S1.T @ (q[1][:, None] * state.D1)
        out += cross + cross.T - state.D1.T @ (q[2][:, None] * state.D1)
    return (out + out.T) / 2


def weighted_gram(Z: FloatArray, c: FloatArray) -> FloatArray:
    """Return Z' diag(c) Z block by block, so that the weighted copy stays in the processor's cache."""
    p = Z.shape[1]
    out = np.zeros((p, p))
    for begin in range(0, len(Z), BLOCK):
        block = Z[begin : begin + BLOCK]
        out += block.T @ (block * c[begin : begin + BLOCK, None])
    return out


def maximize(problem: CoxProblem) -> Maximum:
    """Maximize the partial likelihood by Newton's method with step halving.

    Parameters
    ----------
    problem : CoxProblem
        Data.

    Returns
    -------
    Maximum
        Coefficients of the scaled columns, information and tests.

    Raises
    ------
    EstimationError
        When a column carries no information, or the likelihood has no maximum because a column separates the
        events (monotone likelihood); the column is named.
    """
    state = null = evaluate(problem, np.zeros(problem.Z.shape[1]))
    U, info = score(problem, state), information(problem, state)
    null_information = info
    require_information(problem, info)
    score_test = float(U @ linalg.solve(info, U, assume_a="pos"))
    for iteration in range(1, _MAX_ITERATIONS + 1):
        step = _newton_step(problem, info, null_information, U)
        following = _halved(problem, state, step)
        if following is None:
            break
        state = following
        info = information(problem, state)
        if U @ step < _DECREMENT:
            return Maximum(state, info, state.log_likelihood, null.log_likelihood, score_test, iteration)
        U = score(problem, state)
    raise _monotone(problem, info, null_information)


def _halved(problem: CoxProblem, state: RiskState, step: FloatArray) -> RiskState | None:
    """Return the state after the step, halved until the likelihood does not fall; None when it cannot rise."""
    slack = 1e-12 * (1 + abs(state.log_likelihood))
    for _ in range(_MAX_HALVINGS):
        following = evaluate(problem, state.b + step)
        if following.log_likelihood >= state.log_likelihood - slack:
            return following
        step = step / 2
    return None


def _newton_step(
    problem: CoxProblem, info: FloatArray, null_information: FloatArray, U: FloatArray
) -> FloatArray:
    try:
        share = linalg.eigh(info, null_information, eigvals_only=True)[0]
    except linalg.LinAlgError:
        share = 0.0
    if not share > _VANISHED:
        raise _monotone(problem, info, null_information)
    return np.asarray(linalg.solve(info, U, assume_a="pos"))


def require_information(problem: CoxProblem, info: FloatArray) -> None:
    """Raise, naming the column, when the information at zero is singular."""
    dependent = first_dependent(info / _total_information(problem))
    if dependent is None:
        return
    position, weights = dependent
    others = [problem.names[k] for k in np.flatnonzero(np.abs(weights) > 1e-6).tolist()]
    if not others:
        raise no_information(problem.names[position])
    raise EstimationError(
        f"column {problem.names[position]} is collinear with {', '.join(others)}",
        evidence="among the patients at risk at the events they cannot be told apart",
        remedy=f"leave {problem.names[position]} out of the formula, or one of the others",
    )


def _total_information(problem: CoxProblem) -> float:
    """Return the scale of the information: the weight of the events (columns have unit variance)."""
    return float(problem.dead_weight.sum())


def _monotone(problem: CoxProblem, info: FloatArray, null_information: FloatArray) -> EstimationError:
    """Name the columns along which the likelihood keeps rising: where least information is left."""
    root = np.sqrt(np.diag(null_information))
    _, vectors = np.linalg.eigh(info / np.outer(root, root))
    loading = np.abs(vectors[:, 0])
    columns = [problem.names[j] for j in np.flatnonzero(loading > 0.3 * loading.max()).tolist()]
    return EstimationError(
        f"monotone likelihood: the estimate of {', '.join(columns)} is infinite",
        evidence=f"{len(problem.sets.death)} events; at each the patient has the extreme value among those at risk",
        remedy='write penalty="firth", which has a finite estimate and profile-likelihood limits',
    )
