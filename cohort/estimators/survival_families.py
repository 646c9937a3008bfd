"""Distributions of survival times: log survival and log hazard with first and second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammainc, gammaincc, gammaln, log_ndtr

FloatArray = NDArray[np.float64]
Distribution = Literal["weibull", "exponential", "lognormal", "loglogistic", "gompertz", "gengamma"]

_STEP = 2e-3
_SMALL_X = 0.5
_LOG_2PI = float(np.log(2 * np.pi))
_NO_SHAPE = 1e-4  # below this shape a generalized gamma is lognormal to the last digits
_SMALL_SHAPE = 0.05


@dataclass(frozen=True, slots=True)
class Jet:
    """A function of q parameters for n rows, with derivatives.

    Attributes
    ----------
    value : array of shape (n,)
        Values.
    first : array of shape (n, q)
        Gradients; the first parameter is the linear predictor.
    second : array of shape (n, q, q)
        Hessians.
    """

    value: FloatArray
    first: FloatArray
    second: FloatArray


@dataclass(frozen=True, slots=True)
class Family:
    """One distribution.

    Attributes
    ----------
    jets : callable
        From time (n,), linear predictor (n,) and the further parameters to log survival and log hazard.
    parameters : tuple of str
        Names of the further parameters.
    start : tuple of float
        Where they start.
    scale : {'time', 'hazard'}
        Whether the linear predictor moves log time, or the log hazard.
    logs : callable or None
        The same functions without derivatives, where those are dear; shape (2, n).
    """

    jets: Callable[[FloatArray, FloatArray, FloatArray], tuple[Jet, Jet]]
    parameters: tuple[str, ...]
    start: tuple[float, ...]
    scale: Literal["time", "hazard"]
    logs: Callable[[FloatArray, FloatArray, FloatArray], FloatArray] | None = None

    def values(self, t: FloatArray, eta: FloatArray, a: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log survival and log hazard, shape (n,) each."""
        if self.logs is not None:
            survival, hazard = self.logs(t, eta, a)
            return survival, hazard
        first, second = self.jets(t, eta, a)
        return first.value, second.value


@dataclass(frozen=True, slots=True)
class _Standard:
    """A standard distribution of z: log survival, hazard, and the log hazard with two derivatives."""

    log_survival: FloatArray
    hazard: FloatArray
    log_hazard: FloatArray
    first: FloatArray
    second: FloatArray


def _extreme_value(z: FloatArray) -> _Standard:
    h = np.exp(z)
    return _Standard(-h, h, z, np.ones_like(z), np.zeros_like(z))


def _normal(z: FloatArray) -> _Standard:
    log_survival = log_ndtr(-z)
    log_hazard = -0.5 * z**2 - 0.5 * _LOG_2PI - log_survival
    h = np.exp(log_hazard)
    first = h - z
    return _Standard(log_survival, h, log_hazard, first, h * first - 1)


def _logistic(z: FloatArray) -> _Standard:
    h, rest = expit(z), expit(-z)
    return _Standard(-np.logaddexp(0, z), h, -np.logaddexp(0, -z), rest, -h * rest)


def _location_scale(
    standard: Callable[[FloatArray], _Standard],
) -> Callable[[FloatArray, FloatArray, FloatArray], tuple[Jet, Jet]]:
    """Return the jets of log T = eta + sigma W, with parameters eta and tau = log sigma."""

    def jets(t: FloatArray, eta: FloatArray, a: FloatArray) -> tuple[Jet, Jet]:
        sigma = np.exp(a[0])
        log_t = np.log(t)
        z = (log_t - eta) / sigma
        s = standard(z)
        dz = np.column_stack([np.full(len(z), -1 / sigma), -z])
        ddz = np.empty((len(z), 2, 2))
        ddz[:, 0, 0], ddz[:, 0, 1], ddz[:, 1, 0], ddz[:, 1, 1] = 0, 1 / sigma, 1 / sigma, z
        outer = dz[:, :, None] * dz[:, None, :]

        def chained(value: FloatArray, first: FloatArray, second: FloatArray) -> Jet:
            hessian = second[:, None, None] * outer + first[:, None, None] * ddz
            return Jet(value, first[:, None] * dz, hessian)

        survival = chained(s.log_survival, -s.hazard, -s.hazard * s.first)
        hazard = chained(s.log_hazard - a[0] - log_t, s.first, s.second)
        hazard.first[:, 1] -= 1
        return survival, hazard

    return jets


def _exponential(t: FloatArray, eta: FloatArray, a: FloatArray) -> tuple[Jet, Jet]:
    both = _location_scale(_extreme_value)(t, eta, np.zeros(1))
    survival, hazard = (Jet(j.value, j.first[:, :1], j.second[:, :1, :1]) for j in both)
    return survival, hazard


def _gompertz(t: FloatArray, eta: FloatArray, a: FloatArray) -> tuple[Jet, Jet]:
    """Hazard exp(eta + gamma t): log survival is -exp(eta) t E(gamma t), with E(x) = (exp(x) - 1) / x."""
    E = _exponential_mean(a[0] * t)
    level = -np.exp(eta)
    value, slope, curve = (level * t ** (k + 1) * E[k] for k in range(3))
    second = np.stack([np.stack([value, slope], -1), np.stack([slope, curve], -1)], -1)
    survival = Jet(value, np.column_stack([value, slope]), second)
    hazard = Jet(eta + a[0] * t, np.column_stack([np.ones_like(t), t]), np.zeros((len(t), 2, 2)))
    return survival, hazard


def _exponential_mean(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (exp(x) - 1) / x with two derivatives; by their series near 0."""
    small = np.abs(x) < _SMALL_X
    series = np.zeros((3, len(x)))
    term = 1.0
    for k in range(18):
        term /= k + 1
        for d, factor in enumerate((1, k, k * (k - 1))):
            if k >= d:
                series[d] += factor * term * np.where(small, x, 0.0) ** (k - d)
    y = np.where(small, 1.0, x)
    e = np.exp(y)
    closed = (np.expm1(y) / y, (y * e - np.expm1(y)) / y**2, (y**2 * e - 2 * y * e + 2 * np.expm1(y)) / y**3)
    first, second, third = (np.where(small, series[d], closed[d]) for d in range(3))
    return first, second, third


def _generalized_gamma(t: FloatArray, eta: FloatArray, a: FloatArray) -> tuple[Jet, Jet]:
    """Prentice's log T = eta + sigma W with shape Q (1: Weibull, 0: lognormal); derivatives by differences."""

    def both(u: FloatArray) -> FloatArray:
        return _gamma_logs(t, eta + u[0], a + u[1:])

    center = both(np.zeros(3))
    steps = (-2, -1, 1, 2)
    weights = np.array([1, -8, 8, -1]) / 12
    unit = np.eye(3) * _STEP
    first, second = np.empty((2, len(t), 3)), np.empty((2, len(t), 3, 3))
    for i in range(3):
        along = np.array([both(k * unit[i]) for k in steps])
        first[:, :, i] = np.tensordot(weights, along, 1) / _STEP
        curve = np.tensordot(np.array([-1, 16, 16, -1]), along, 1) - 30 * center
        second[:, :, i, i] = curve / (12 * _STEP**2)
        for j in range(i):
            grid = np.array([[both(k * unit[i] + m * unit[j]) for m in steps] for k in steps])
            mixed = np.einsum("k,m,km...->...", weights, weights, grid) / _STEP**2
            second[:, :, i, j] = second[:, :, j, i] = mixed
    return Jet(center[0], first[0], second[0]), Jet(center[1], first[1], second[1])


def _gamma_logs(t: FloatArray, mu: FloatArray, a: FloatArray) -> FloatArray:
    """Return log survival and log hazard; shape (2, n)."""
    tau, Q = float(a[0]), float(a[1])
    sigma, log_t = np.exp(tau), np.log(t)
    w = (log_t - mu) / sigma
    if abs(Q) < _NO_SHAPE:
        s = _normal(w)
        return np.stack([s.log_survival, s.log_hazard - tau - log_t])
    k, x = Q**-2.0, Q * w
    # log f of W: k (x - expm1(x)) plus a constant, which tends to that of the normal.
    constant = np.log(abs(Q)) + k * np.log(k) - k - gammaln(k)
    if abs(Q) < _SMALL_SHAPE:
        constant = -0.5 * _LOG_2PI - Q**2 / 12 + Q**6 / 360
    series = -(x**2) * (1 / 2 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x / 720))))
    log_density = k * np.where(np.abs(x) < 1e-2, series, x - np.expm1(x)) + constant
    tail = gammaincc if Q > 0 else gammainc
    with np.errstate(divide="ignore"):
        log_survival = np.log(tail(k, k * np.exp(x)))
    return np.stack([log_survival, log_density - log_survival - tau - log_t])


FAMILIES: Mapping[Distribution, Family] = {
    "weibull": Family(_location_scale(_extreme_value), ("log(scale)",), (0.0,), "time"),
    "exponential": Family(_exponential, (), (), "time"),
    "lognormal": Family(_location_scale(_normal), ("log(scale)",), (0.0,), "time"),
    "loglogistic": Family(_location_scale(_logistic), ("log(scale)",), (0.0,), "time"),
    "gompertz": Family(_gompertz, ("rate",), (0.0,), "hazard"),
    "gengamma": Family(_generalized_gamma, ("log(scale)", "shape"), (0.0, 0.5), "time", _gamma_logs),
}
