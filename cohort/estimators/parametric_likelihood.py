"""Maximum likelihood of parametric survival models: exact, right-, left- and interval-censored, left-truncated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.survival_families import FAMILIES, Distribution, Family, Jet

FloatArray = NDArray[np.float64]
_MAX_ITERATIONS = 60
_MAX_HALVINGS = 40
_DECREMENT = 1e-18
_VANISHED = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class ParametricFit:
    """A fitted parametric survival model.

    Attributes
    ----------
    distribution : str
        The distribution.
    coefficients : array of shape (q,)
        Intercept, coefficients of the covariates, then the further parameters of the distribution.
    covariance : array of shape (q, q)
        Inverse of the observed information.
    log_likelihood : float
        At the maximum, of the times themselves (not of their logarithms).
    scores : array of shape (n, q)
        Contribution of each row to the score at the maximum, for a sandwich variance.
    iterations : int
        Newton steps.
    """

    distribution: Distribution
    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float
    scores: FloatArray
    iterations: int


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """Rows by what is known of their times, in units of ``unit``; X has standardized columns after the constant."""

    X: FloatArray
    lower: FloatArray
    upper: FloatArray
    entry: FloatArray
    weight: FloatArray
    family: Family


@dataclass(frozen=True, slots=True, eq=False)
class _Value:
    log_likelihood: float
    scores: FloatArray
    information: FloatArray


def fit_parametric(
    X: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    entry: FloatArray | None = None,
    distribution: Distribution = "weibull",
    *,
    weight: FloatArray | None = None,
    names: tuple[str, ...] = (),
) -> ParametricFit:
    """Fit a parametric survival model.

    Parameters
    ----------
    X : array of shape (n, p)
        Covariates, without a constant.
    lower, upper : array of shape (n,)
        The time lies in (lower, upper]; equal when known exactly, ``upper`` inf when right-censored, ``lower`` 0 when
        left-censored.
    entry : array of shape (n,) or None
        Time before which the row could not have been seen with an event (left truncation); 0 for none.
    distribution : str, default='weibull'
        The distribution.
    weight : array of shape (n,) or None
        Case weights.
    names : tuple of str, default=()
        Names of the columns, for messages.

    Returns
    -------
    ParametricFit
        Estimates with their covariance.

    Raises
    ------
    EstimationError
        For an unknown distribution, times that are not positive, or a likelihood without a maximum; the column is
        named.
    """
    if distribution not in FAMILIES:
        raise EstimationError(
            f"distribution={distribution!r} is unknown",
            remedy=f"write one of {', '.join(map(repr, FAMILIES))}",
        )
    family = FAMILIES[distribution]
    _check_times(lower, upper)
    n, p = X.shape
    names = ("Intercept", *(names or tuple(f"x{j}" for j in range(p))), *family.parameters)
    seen = np.where(np.isfinite(upper), upper, lower)
    unit = float(np.exp(np.mean(np.log(seen))))
    center, scale = X.mean(axis=0), X.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    start = np.zeros(n) if entry is None else entry
    data = _Data(
        np.column_stack([np.ones(n), (X - center) / scale]),
        lower / unit,
        upper / unit,
        start / unit,
        np.ones(n) if weight is None else weight,
        family,
    )
    theta, value, iterations = _newton(data, _starts(data, distribution, names), names)
    covariance = np.linalg.inv(value.information)
    back, shift = _back_transform(center, scale, unit, family)
    exact = float(data.weight[lower == upper].sum())
    return ParametricFit(
        distribution,
        back @ theta + shift,
        back @ covariance @ back.T,
        value.log_likelihood - exact * np.log(unit),
        value.scores @ np.linalg.inv(back),
        iterations,
    )


def log_survival(
    distribution: Distribution, X: FloatArray, times: FloatArray, coefficients: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return log survival of rows at times, with its gradient in the coefficients.

    Parameters
    ----------
    distribution : str
        The distribution.
    X : array of shape (n, 1 + p)
        Covariates, with the constant.
    times : array of shape (n,)
        Times, one per row; 0 gives 0.
    coefficients : array of shape (q,)
        As in :class:`ParametricFit`.

    Returns
    -------
    value : array of shape (n,)
        Log survival.
    gradient : array of shape (n, q)
        Its derivatives.
    """
    width = X.shape[1]
    jet = _survival(FAMILIES[distribution], X @ coefficients[:width], coefficients[width:], times)
    return jet.value, np.column_stack([jet.first[:, :1] * X, jet.first[:, 1:]])


def _back_transform(
    center: FloatArray, scale: FloatArray, unit: float, family: Family
) -> tuple[FloatArray, FloatArray]:
    """Return matrix and shift from coefficients of standardized columns and scaled times to those of the data."""
    p, k = len(center), len(family.parameters)
    back = np.eye(1 + p + k)
    back[1 : 1 + p, 1 : 1 + p] = np.diag(1 / scale)
    back[0, 1 : 1 + p] = -center / scale
    shift = np.zeros(1 + p + k)
    shift[0] = np.log(unit) if family.scale == "time" else -np.log(unit)
    if family.parameters == ("rate",):
        back[-1, -1] = 1 / unit
    return back, shift


def _check_times(lower: FloatArray, upper: FloatArray) -> None:
    never = (upper <= 0) | np.isnan(lower) | np.isnan(upper) | (lower < 0) | (lower > upper)
    if never.any():
        raise EstimationError(
            "times must be positive for a parametric model",
            evidence=f"{int(never.sum())} of {len(lower)} rows",
            remedy="give an event on the day of the origin half a day",
        )
    if np.isinf(upper).all():
        raise EstimationError(
            "no event: nothing can be estimated",
            evidence=f"{len(lower)} rows",
            remedy="check the event column",
        )


def _starts(data: _Data, distribution: Distribution, names: tuple[str, ...]) -> list[FloatArray]:
    """Start at the exponential rate without covariates; a generalized gamma at the models within it."""
    seen = np.where(np.isfinite(data.upper), data.upper, data.lower)
    events = max(float(data.weight[np.isfinite(data.upper)].sum()), 1.0)
    level = np.log(float(data.weight @ (seen - np.minimum(data.entry, seen))) / events)
    theta = np.zeros(data.X.shape[1] + len(data.family.parameters))
    theta[0] = level if data.family.scale == "time" else -level
    theta[data.X.shape[1] :] = data.family.start
    if distribution != "gengamma":
        return [theta]
    out = []
    within: tuple[tuple[Distribution, float], ...] = (("weibull", 0.9), ("lognormal", 0.1))
    for inner, shape in within:
        nested = _Data(data.X, data.lower, data.upper, data.entry, data.weight, FAMILIES[inner])
        out.append(np.r_[_newton(nested, [theta[:-1]], names)[0], shape])
    return out


def _newton(data: _Data, starts: list[FloatArray], names: tuple[str, ...]) -> tuple[FloatArray, _Value, int]:
    """Maximize from each start and keep the highest."""
    found = [_climb(data, start, names) for start in starts]
    return max(found, key=lambda one: one[1].log_likelihood)


def _climb(data: _Data, theta: FloatArray, names: tuple[str, ...]) -> tuple[FloatArray, _Value, int]:
    """Take Newton steps, on a ridge where the information is not positive definite, halved until they rise."""
    value = _evaluate(data, theta)
    weight = data.weight
    for iteration in range(1, _MAX_ITERATIONS + 1):
        U = weight @ value.scores
        step = _uphill(value.information, U)
        following = _halved(data, theta, step, value)
        if following is None:
            break
        theta, value = following
        if U @ step < _DECREMENT * (1 + abs(value.log_likelihood)):
            _require_maximum(data, value, names)
            return theta, value, iteration
        if np.abs(theta).max() > 60:
            break
    raise _no_maximum(theta, value, names)


def _uphill(information: FloatArray, U: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(information)
    floor = 1e-9 * max(float(np.abs(values).max()), 1e-300)
    return np.asarray(vectors @ ((vectors.T @ U) / np.maximum(np.abs(values), floor)))


def _halved(
    data: _Data, theta: FloatArray, step: FloatArray, value: _Value
) -> tuple[FloatArray, _Value] | None:
    step = step / max(1.0, float(np.abs(step).max()) / 4)
    slack = 1e-12 * (1 + abs(value.log_likelihood))
    for _ in range(_MAX_HALVINGS):
        if _log_likelihood(data, theta + step) >= value.log_likelihood - slack:
            trial = _evaluate(data, theta + step)
            if np.isfinite(trial.log_likelihood):
                return theta + step, trial
        step = step / 2
    return None


def _require_maximum(data: _Data, value: _Value, names: tuple[str, ...]) -> None:
    """Raise when a direction has next to no information left: its estimate has run off."""
    share = np.linalg.eigvalsh(value.information)[0] / data.weight.sum()
    if not share > _VANISHED:
        raise _no_maximum(np.zeros(len(names)), value, names)


def _no_maximum(theta: FloatArray, value: _Value, names: tuple[str, ...]) -> EstimationError:
    with np.errstate(invalid="ignore"):
        vector = np.linalg.eigh(np.nan_to_num(value.information))[1][:, 0]
    named = [names[j] for j in np.flatnonzero(np.abs(vector) > 0.5 * np.abs(vector).max()).tolist()]
    return EstimationError(
        f"the likelihood has no maximum: the estimate of {', '.join(named)} is infinite or not determined",
        evidence=f"{len(value.scores)} rows; the information in this direction has vanished",
        remedy="join a category without events with another, leave the covariate out, or choose a distribution "
        "with fewer parameters",
    )


def _evaluate(data: _Data, theta: FloatArray) -> _Value:
    """Compute the log-likelihood with its derivatives."""
    width = data.X.shape[1]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        jet = _contributions(data, data.X @ theta[:width], theta[width:])
        value = float(data.weight @ jet.value)
        scores = np.column_stack([jet.first[:, :1] * data.X, jet.first[:, 1:]])
        second = -data.weight[:, None, None] * jet.second
        information = np.empty((len(theta), len(theta)))
        information[:width, :width] = (data.X * second[:, 0, 0, None]).T @ data.X
        information[:width, width:] = data.X.T @ second[:, 0, 1:]
        information[width:, :width] = information[:width, width:].T
        information[width:, width:] = second[:, 1:, 1:].sum(axis=0)
    if not (np.isfinite(value) and np.isfinite(information).all() and np.isfinite(scores).all()):
        value = -np.inf
    return _Value(value, scores, information)


def _log_likelihood(data: _Data, theta: FloatArray) -> float:
    """Compute the log-likelihood alone; -inf where numbers overflow."""
    width = data.X.shape[1]
    eta, a = data.X @ theta[:width], theta[width:]
    logs = data.family.values

    def survival(t: FloatArray) -> FloatArray:
        return np.where(t > 0, logs(np.where(t > 0, t, 1.0), eta, a)[0], 0.0)

    exact, censored = data.lower == data.upper, np.isinf(data.upper)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        first = survival(data.lower)
        rows = np.where(exact, first, 0.0)
        if exact.any():
            rows += np.where(exact, logs(np.where(exact, data.lower, 1.0), eta, a)[1], 0.0)
        rows += np.where(censored, first, 0.0)
        between = ~exact & ~censored
        if between.any():
            second = survival(np.where(between, data.upper, 1.0))
            rows += np.where(between, first + np.log(-np.expm1(second - first)), 0.0)
        late = data.entry > 0
        if late.any():
            rows -= np.where(late, survival(data.entry), 0.0)
        value = float(data.weight @ rows)
    return value if np.isfinite(value) else -np.inf


def _contributions(data: _Data, eta: FloatArray, a: FloatArray) -> Jet:
    """Return each row's log-likelihood: density, survival, or a difference of survival; given entry."""
    q = 1 + len(a)
    n = len(eta)
    out = Jet(np.zeros(n), np.zeros((n, q)), np.zeros((n, q, q)))
    exact, censored = data.lower == data.upper, np.isinf(data.upper)
    between = ~exact & ~censored
    if exact.any():
        for jet in data.family.jets(data.lower[exact], eta[exact], a):
            _add(out, exact, jet, 1.0)
    if censored.any():
        _add(out, censored, _survival(data.family, eta[censored], a, data.lower[censored]), 1.0)
    if between.any():
        first, second = (
            _survival(data.family, eta[between], a, end[between]) for end in (data.lower, data.upper)
        )
        _add(out, between, _log_difference(first, second), 1.0)
    late = data.entry > 0
    if late.any():
        _add(out, late, _survival(data.family, eta[late], a, data.entry[late]), -1.0)
    return out


def _add(out: Jet, rows: NDArray[np.bool_], jet: Jet, sign: float) -> None:
    out.value[rows] += sign * jet.value
    out.first[rows] += sign * jet.first
    out.second[rows] += sign * jet.second


def _survival(family: Family, eta: FloatArray, a: FloatArray, t: FloatArray) -> Jet:
    """Return log survival; 0 at time 0."""
    positive = t > 0
    jet = family.jets(np.where(positive, t, 1.0), eta, a)[0]
    return Jet(
        np.where(positive, jet.value, 0.0),
        np.where(positive[:, None], jet.first, 0.0),
        np.where(positive[:, None, None], jet.second, 0.0),
    )


def _log_difference(a: Jet, b: Jet) -> Jet:
    """Return log(exp(a) - exp(b)) with its derivatives, a > b."""
    gap = -np.expm1(b.value - a.value)
    wa, wb = 1 / gap, np.exp(b.value - a.value) / gap
    first = wa[:, None] * a.first - wb[:, None] * b.first
    second = (
        wa[:, None, None] * (a.second + a.first[:, :, None] * a.first[:, None, :])
        - wb[:, None, None] * (b.second + b.first[:, :, None] * b.first[:, None, :])
        - first[:, :, None] * first[:, None, :]
    )
    return Jet(a.value + np.log(gap), first, second)
