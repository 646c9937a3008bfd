"""Cox's partial likelihood: value, score, information and maximum, linear in the number of rows.

Symbols, after Therneau and Grambsch (2000), chapter 3: z_i covariates, w_i case weights, r_i = w_i exp(z_i b);
at event time g, S0, S1 are the sums of r and r z over the risk set, D0, D1 the same over the d rows with an event.
Efron's approximation takes the l-th of d tied events, l = 0..d-1, from a risk set in which each of the d counts
as 1 - f, f = l/d: phi = S0 - f D0. Breslow's is f = 0. Each tied event has the mean weight of the d.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError, SparseDataError
from cohort.estimators.collinearity import first_dependent
from cohort.estimators.cox_problem import BLOCK, CoxProblem, no_information

FloatArray = NDArray[np.float64]

_MAX_ITERATIONS = 50
_MAX_HALVINGS = 25
# Newton's decrement U'I^-1 U (squared standard errors) after which one more step is the last: it squares the error.
_DECREMENT = 1e-12
# The decrement expected of the next step below which none is taken: 1e-10 standard errors from the maximum.
_NEGLIGIBLE = 1e-20
# Share of the information at b = 0 below which a direction has run off to infinity.
_VANISHED = 1e-7
# Share of a column's variance, over the events, that is rounding of sums over many strata.
_NOTHING = 1e-11
_FIRTH = 'write penalty="firth", which has a finite estimate and profile-likelihood limits'


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
    phi : array of shape (T,)
        What each event that shares its time is divided by; any other event is divided by S0.
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
    phi: FloatArray
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
        if (problem.dead_weight <= 0).any():
            # A resample without events at a time: nothing is divided by its risk set, which may be empty.
            S0[problem.dead_weight <= 0] = 1.0
        if problem.tied is None:
            D0, D1, phi = np.zeros(0), np.zeros((0, Z.shape[1])), np.zeros(0)
            logs = problem.dead_weight @ np.log(S0)
        else:
            tied = problem.tied
            D0, D1 = sets.death_sums(r, Z)
            phi = S0[tied.group] - tied.fraction * D0[tied.group]
            log_S0 = np.log(S0)
            log_S0[tied.shared] = 0
            logs = problem.dead_weight @ log_S0 + tied.weight @ np.log(phi)
        value = float(problem.weight[sets.death] @ eta[sets.death] - logs)
    return RiskState(b, eta, r, S0, S1, D0, D1, phi, value if np.isfinite(value) else -np.inf)


def hazard_sums(problem: CoxProblem, state: RiskState, power: int, degrees: int) -> list[FloatArray]:
    """Sum w f^k / phi^power over the events at each event time, for k = 0..degrees (f is 0 for an event alone).

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the coefficients.
    power, degrees : int
        Power of phi, and largest power of f.

    Returns
    -------
    list of array of shape (G,)
        The sums; only the first without tied events.
    """
    tied = problem.tied
    sums = [problem.dead_weight / state.S0**power]
    if tied is None:
        return sums
    sums.extend(np.zeros_like(state.S0) for _ in range(degrees))
    term = tied.weight / state.phi**power
    for k, total in enumerate(sums):
        if k:
            term *= tied.fraction
        total[tied.shared] = np.add.reduceat(term, tied.first)
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


def information(problem: CoxProblem, state: RiskState) -> FloatArray:
    """Return the observed information of shape (p, p)."""
    return weighted_information(problem, state, [np.ones(1)])[0]


def weighted_information(
    problem: CoxProblem, state: RiskState, time_weights: Sequence[FloatArray]
) -> list[FloatArray]:
    """Return the observed information under each of several weights of the event times.

    The first term sum_g w S2/phi is one weighted cross-product of the rows, because each row's
    weight is its cumulative hazard; S2 itself is never formed.
    """
    a, q = hazard_sums(problem, state, 1, 1), hazard_sums(problem, state, 2, 2)
    rows = [state.r * cumulative_hazard(problem, [g * sums for sums in a]) for g in time_weights]
    out = []
    means = weighted_grams(state.S1, [g * q[0] for g in time_weights])
    # Terms of f vanish but where events share their time.
    shared = np.empty(0, dtype=np.intp) if problem.tied is None else problem.tied.shared
    S1, D1 = state.S1[shared], state.D1[shared] if len(shared) else state.D1
    for g, first, second in zip(time_weights, weighted_grams(problem.Z, rows), means, strict=True):
        total = first - second
        if len(shared):
            at = np.broadcast_to(g, q[0].shape)[shared]
            cross = S1.T @ ((at * q[1][shared])[:, None] * D1)
            total += cross + cross.T - D1.T @ ((at * q[2][shared])[:, None] * D1)
        out.append((total + total.T) / 2)
    return out


def weighted_grams(Z: FloatArray, weights: Sequence[FloatArray]) -> list[FloatArray]:
    """Return Z' diag(c) Z for each c, block by block, so that weighted copies stay in the processor's cache."""
    p = Z.shape[1]
    out = [np.zeros((p, p)) for _ in weights]
    for begin in range(0, len(Z), BLOCK):
        block = np.ascontiguousarray(Z[begin : begin + BLOCK].T)
        for gram, c in zip(out, weights, strict=True):
            gram += (block * c[begin : begin + BLOCK]) @ block.T
    return out


def maximize(problem: CoxProblem, monotone_remedy: str = _FIRTH) -> Maximum:
    """Maximize the partial likelihood by Newton's method with step halving.

    Parameters
    ----------
    problem : CoxProblem
        Data.
    monotone_remedy : str, optional
        What to do when the likelihood has no maximum, for the message.

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
    null = evaluate(problem, np.zeros(problem.Z.shape[1]))
    U, info = score(problem, null), information(problem, null)
    require_information(problem, info)
    score_test = float(U @ np.linalg.solve(info, U))
    state, final, iterations = climb(problem, null, info, info, monotone_remedy)
    return Maximum(state, final, state.log_likelihood, null.log_likelihood, score_test, iterations)


def climb(
    problem: CoxProblem,
    state: RiskState,
    info: FloatArray,
    reference: FloatArray,
    monotone_remedy: str = _FIRTH,
) -> tuple[RiskState, FloatArray, int]:
    """Take Newton steps, halved where the likelihood would fall, from one state to the maximum.

    Parameters
    ----------
    problem, state : CoxProblem, RiskState
        Data, and sums at the coefficients to begin with.
    info : array of shape (p, p)
        Information there.
    reference : array of shape (p, p)
        Information against which it is judged whether a direction has run off to infinity.
    monotone_remedy : str, optional
        What to do when there is no maximum, for the message.

    Returns
    -------
    state : RiskState
        Sums at the maximum.
    info : array of shape (p, p)
        Information at the maximum.
    iterations : int
        Newton steps.

    Raises
    ------
    EstimationError
        When the likelihood has no maximum; the column is named.
    """
    U, before = score(problem, state), np.nan
    for iteration in range(1, _MAX_ITERATIONS + 1):
        if _vanished(info, reference):
            break
        step = np.asarray(np.linalg.solve(info, U), dtype=float)
        following = _halved(problem, state, step)
        if following is None:
            break
        state = following
        info = information(problem, state)
        decrement = float(U @ step)
        # Near the maximum the decrement goes as C d^2: two steps tell C (one does not: NaN), and so the next decrement.
        if decrement < _DECREMENT or decrement * (decrement / before) ** 2 < _NEGLIGIBLE:
            return state, info, iteration
        U, before = score(problem, state), decrement
    raise _monotone(problem, info, reference, monotone_remedy)


def _halved(problem: CoxProblem, state: RiskState, step: FloatArray) -> RiskState | None:
    """Return the state after the step, halved until the likelihood does not fall; None when it cannot rise."""
    slack = 1e-12 * (1 + abs(state.log_likelihood))
    for _ in range(_MAX_HALVINGS):
        following = evaluate(problem, state.b + step)
        if following.log_likelihood >= state.log_likelihood - slack:
            return following
        step = step / 2
    return None


def _vanished(info: FloatArray, reference: FloatArray) -> bool:
    """Tell whether some direction has next to none of its information left."""
    try:
        inverse = np.linalg.inv(np.linalg.cholesky(reference))
        share = np.linalg.eigvalsh(inverse @ info @ inverse.T)[0]
    except np.linalg.LinAlgError:
        return True
    return not share > _VANISHED


def require_information(problem: CoxProblem, info: FloatArray) -> None:
    """Raise, naming the column, when the information at zero is singular."""
    own = np.diag(info) / _total_information(problem)
    if (own <= _NOTHING).any():
        raise no_information(problem.names[int(np.argmin(own))])
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


def _monotone(
    problem: CoxProblem, info: FloatArray, null_information: FloatArray, remedy: str
) -> SparseDataError:
    """Name the columns along which the likelihood keeps rising: where least information is left."""
    root = np.sqrt(np.diag(null_information))
    _, vectors = np.linalg.eigh(info / np.outer(root, root))
    loading = np.abs(vectors[:, 0])
    columns = [problem.names[j] for j in np.flatnonzero(loading > 0.3 * loading.max()).tolist()]
    return SparseDataError(
        f"monotone likelihood: the estimate of {', '.join(columns)} is infinite",
        evidence=f"{len(problem.sets.death)} events; at each the patient has the extreme value among those at risk",
        remedy=remedy,
    )
