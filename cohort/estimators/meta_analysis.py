"""Two-stage pooling of estimates of several registries: fixed effect, random effects, heterogeneity, prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import chdtrc, chdtri, ndtr, ndtri, stdtr, stdtrit

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
TauMethod = Literal["reml", "dl", "pm"]
SmallSample = Literal["truncated", "hartung_knapp", "none"]
_GRID = 400


@dataclass(frozen=True, slots=True, eq=False)
class PooledEstimate:
    """One pooled estimate.

    Attributes
    ----------
    estimate, std_error : float
        On the scale of the estimates.
    statistic, df, p_value : float
        Estimate over standard error; degrees of freedom of Student's t (NaN for the normal); two-sided p-value.
    conf_low, conf_high : float
        Confidence limits of the average effect.
    prediction_low, prediction_high : float
        Limits for the effect in a new registry; NaN for a fixed effect and below three registries.
    weights : array of shape (k,)
        Share of each registry, summing to 1.
    tau_squared : float
        Variance between registries; 0 for a fixed effect.
    ratio : float
        Hartung-Knapp's q: spread observed over spread expected; NaN without that correction.
    """

    estimate: float
    std_error: float
    statistic: float
    df: float
    p_value: float
    conf_low: float
    conf_high: float
    prediction_low: float
    prediction_high: float
    weights: FloatArray
    tau_squared: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """How much registries differ beyond chance.

    Attributes
    ----------
    statistic, df, p_value : float
        Cochran's Q and its chi-squared test.
    i_squared : float
        Share of the variation that is not chance, max(0, (Q - df) / Q).
    tau_squared : float
        Variance between registries.
    conf_low, conf_high : float
        Limits of tau squared by the Q profile; NaN when no value fits the data.
    """

    statistic: float
    df: float
    p_value: float
    i_squared: float
    tau_squared: float
    conf_low: float
    conf_high: float


def fixed_effect(y: FloatArray, v: FloatArray, conf_level: float = 0.95) -> PooledEstimate:
    """Pool by inverse variances, as if every registry had one common effect.

    Parameters
    ----------
    y, v : array of shape (k,)
        Estimates and their variances.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    PooledEstimate
        Normal limits; as R ``metafor::rma(method = "FE")``.

    Examples
    --------
    >>> fixed_effect(np.array([0.0, 1.0]), np.array([1.0, 1.0])).estimate
    0.5
    """
    y, v = _checked(y, v)
    mu, se, share = _weighted(y, v, 0.0)
    return _normal(mu, se, share, 0.0, conf_level, math.nan)


def random_effects(
    y: FloatArray,
    v: FloatArray,
    method: TauMethod = "reml",
    small_sample: SmallSample = "truncated",
    conf_level: float = 0.95,
) -> PooledEstimate:
    """Pool with a variance between registries.

    Parameters
    ----------
    y, v : array of shape (k,)
        Estimates and their variances.
    method : {'reml', 'dl', 'pm'}, default='reml'
        Estimator of that variance: restricted maximum likelihood, DerSimonian-Laird, Paule-Mandel.
    small_sample : {'truncated', 'hartung_knapp', 'none'}, default='truncated'
        ``hartung_knapp`` scales the variance by the spread observed over that expected (q) and uses Student's t with
        k - 1 degrees of freedom; ``truncated`` the same with q of at least 1, so that limits are never narrower for
        registries that happen to agree; ``none`` normal limits.
    conf_level : float, default=0.95
        Confidence level of limits and prediction.

    Returns
    -------
    PooledEstimate
        As R ``metafor::rma`` with ``test = "adhoc"``, ``"knha"`` or ``"z"``; prediction limits by Student's t with
        k - 2 degrees of freedom (Higgins, Thompson and Spiegelhalter 2009).

    References
    ----------
    .. [1] Hartung J, Knapp G (2001). Stat Med 20:3875-3889.
    .. [2] Roever C, Knapp G, Friede T (2015). BMC Med Res Methodol 15:99.
    .. [3] Higgins JPT, Thompson SG, Spiegelhalter DJ (2009). J R Stat Soc A 172:137-159, equation 12.
    """
    y, v = _checked(y, v)
    tau2 = between_variance(y, v, method)
    mu, se, share = _weighted(y, v, tau2)
    k = len(y)
    if small_sample == "none":
        plain = _normal(mu, se, share, tau2, conf_level, math.nan)
        low, high = _prediction(mu, se, tau2, k, conf_level)
        return replace(plain, prediction_low=low, prediction_high=high)
    # Hartung and Knapp 2001: q = sum w (y - mu)^2 / (k - 1); variance q / sum w.
    q = float((share * (y - mu) ** 2).sum()) / se**2 / (k - 1)
    scale = max(q, 1.0) if small_sample == "truncated" else q
    se *= math.sqrt(scale)
    t = float(stdtrit(k - 1, 0.5 + conf_level / 2))
    statistic = mu / se if se > 0 else math.nan
    p = float(2 * stdtr(k - 1, -abs(statistic)))
    low, high = _prediction(mu, se, tau2, k, conf_level)
    return PooledEstimate(mu, se, statistic, k - 1, p, mu - t * se, mu + t * se, low, high, share, tau2, q)


def between_variance(y: FloatArray, v: FloatArray, method: TauMethod = "reml") -> float:
    """Estimate the variance between registries, tau squared.

    Parameters
    ----------
    y, v : array of shape (k,)
        Estimates and their variances.
    method : {'reml', 'dl', 'pm'}, default='reml'
        Estimator.

    Returns
    -------
    float
        Tau squared, zero or more.

    Raises
    ------
    EstimationError
        For an unknown method, fewer than two estimates, or variances that are not positive.
    """
    y, v = _checked(y, v)
    if method not in _TAU:
        raise EstimationError(
            f"method {method!r} of tau squared is not known",
            evidence=f"methods: {', '.join(_TAU)}",
            remedy='tau="reml"',
        )
    return _TAU[method](y, v)


def heterogeneity(
    y: FloatArray, v: FloatArray, method: TauMethod = "reml", conf_level: float = 0.95
) -> Heterogeneity:
    """Test and describe how much registries differ beyond chance.

    Parameters
    ----------
    y, v : array of shape (k,)
        Estimates and their variances.
    method : {'reml', 'dl', 'pm'}, default='reml'
        Estimator of tau squared.
    conf_level : float, default=0.95
        Confidence level of the limits of tau squared.

    Returns
    -------
    Heterogeneity
        Q, I squared, tau squared; limits by the Q profile (Viechtbauer 2007), as ``metafor::confint``.
    """
    y, v = _checked(y, v)
    df = len(y) - 1
    Q = _generalized_q(y, v, 0.0)
    tail = (1 - conf_level) / 2
    low, high = (_q_root(y, v, float(chdtri(df, share))) for share in (tail, 1 - tail))
    if float(chdtri(df, 1 - tail)) > Q:
        low = high = math.nan  # even no variance between registries makes them agree too well
    return Heterogeneity(
        Q,
        df,
        float(chdtrc(df, Q)),
        max(0.0, (Q - df) / Q) if Q > 0 else 0.0,
        between_variance(y, v, method),
        low,
        high,
    )


def pool_vectors(
    estimates: Sequence[FloatArray], covariances: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Pool coefficient vectors with their covariances, as if registries had one common vector.

    Parameters
    ----------
    estimates : sequence of array of shape (p,)
        Coefficients of each registry, in one order.
    covariances : sequence of array of shape (p, p)
        Their covariances.

    Returns
    -------
    estimate : array of shape (p,)
        Generalized least squares estimate.
    covariance : array of shape (p, p)
        Its covariance.

    Raises
    ------
    EstimationError
        When a covariance is singular.
    """
    try:
        precision = [np.linalg.inv(V) for V in covariances]
        covariance = np.linalg.inv(np.sum(precision, axis=0))
    except np.linalg.LinAlgError:
        raise EstimationError(
            "a covariance cannot be inverted",
            evidence=f"{len(covariances)} registries, {len(estimates[0])} coefficients",
            remedy="leave collinear terms out of the study file",
        ) from None
    total = np.sum([P @ b for P, b in zip(precision, estimates, strict=True)], axis=0)
    return np.asarray(covariance @ total), np.asarray(covariance)


def peto_log_odds_ratio(tables: FloatArray) -> tuple[float, float]:
    """Pool two-by-two tables by Peto's one-step method, which needs no correction for zero cells.

    Parameters
    ----------
    tables : array of shape (k, 2, 2)
        Cells [[a, b], [c, d]] of each registry: exposed with and without the event, unexposed with and without.

    Returns
    -------
    estimate, std_error : float
        Log odds ratio; NaN when no table has both groups and both outcomes.

    Notes
    -----
    Sum of observed minus expected events over the sum of hypergeometric variances (Yusuf et al. 1985); biased for
    strong effects and groups of unequal size.
    """
    a, n1 = tables[:, 0, 0], tables[:, 0].sum(axis=1)
    n, m = tables.sum(axis=(1, 2)), tables[:, :, 0].sum(axis=1)
    used = n > 1
    a, n1, n, m = a[used], n1[used], n[used], m[used]
    variance = float((n1 * (n - n1) * m * (n - m) / (n**2 * (n - 1))).sum())
    if not variance > 0:
        return math.nan, math.nan
    return float((a - n1 * m / n).sum()) / variance, 1 / math.sqrt(variance)


def _checked(y: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    y, v = np.asarray(y, dtype=float), np.asarray(v, dtype=float)
    if len(y) < 2:
        raise EstimationError(
            "pooling needs at least two estimates", evidence=f"{len(y)} given", remedy="add a registry"
        )
    if len(y) != len(v) or not (np.isfinite(y).all() and np.isfinite(v).all() and (v > 0).all()):
        raise EstimationError(
            "pooling needs finite estimates and positive variances",
            evidence=f"{len(y)} estimates, {int((~(v > 0)).sum())} variances not positive",
            remedy="leave out registries whose estimate is infinite or missing",
        )
    return y, v


def _weighted(y: FloatArray, v: FloatArray, tau2: float) -> tuple[float, float, FloatArray]:
    w = 1 / (v + tau2)
    share = w / w.sum()
    return float(share @ y), 1 / math.sqrt(float(w.sum())), share


def _normal(
    mu: float, se: float, share: FloatArray, tau2: float, conf_level: float, ratio: float
) -> PooledEstimate:
    z = float(ndtri(0.5 + conf_level / 2))
    p = float(2 * ndtr(-abs(mu / se)))
    nan = math.nan
    return PooledEstimate(mu, se, mu / se, nan, p, mu - z * se, mu + z * se, nan, nan, share, tau2, ratio)


def _prediction(mu: float, se: float, tau2: float, k: int, conf_level: float) -> tuple[float, float]:
    if k < 3:
        return math.nan, math.nan
    width = float(stdtrit(k - 2, 0.5 + conf_level / 2)) * math.sqrt(tau2 + se**2)
    return mu - width, mu + width


def _generalized_q(y: FloatArray, v: FloatArray, tau2: float) -> float:
    mu, _, _ = _weighted(y, v, tau2)
    return float(((y - mu) ** 2 / (v + tau2)).sum())


def _q_root(y: FloatArray, v: FloatArray, target: float) -> float:
    """Solve for the tau squared at which the generalized Q, which falls in it, has a value; 0 when it starts below."""
    if _generalized_q(y, v, 0.0) <= target:
        return 0.0
    high = float(v.max() + np.var(y))
    while _generalized_q(y, v, high) > target:
        high *= 2
    return float(brentq(lambda t: _generalized_q(y, v, t) - target, 0.0, high, xtol=1e-16, rtol=1e-15))


def _der_simonian_laird(y: FloatArray, v: FloatArray) -> float:
    w = 1 / v
    excess = _generalized_q(y, v, 0.0) - (len(y) - 1)
    return max(0.0, excess / float(w.sum() - (w**2).sum() / w.sum()))


def _paule_mandel(y: FloatArray, v: FloatArray) -> float:
    return _q_root(y, v, len(y) - 1.0)


def _reml(y: FloatArray, v: FloatArray) -> float:
    """Maximize the restricted likelihood: the best point of a grid, then the root of the score beside it."""
    top = 10 * float(np.var(y, ddof=1) + v.max())
    grid = np.concatenate([[0.0], np.geomspace(1e-8 * top, top, _GRID)])
    best = int(np.argmax([_restricted(y, v, t) for t in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID)])
    if not _restricted_score(y, v, low) > 0 > _restricted_score(y, v, high):
        return float(grid[best])  # at 0, where the likelihood falls from the start
    return float(brentq(lambda t: _restricted_score(y, v, t), low, high, xtol=1e-16, rtol=1e-14))


def _restricted(y: FloatArray, v: FloatArray, tau2: float) -> float:
    w = 1 / (v + tau2)
    return float(0.5 * np.log(w).sum() - 0.5 * math.log(w.sum()) - 0.5 * _generalized_q(y, v, tau2))


def _restricted_score(y: FloatArray, v: FloatArray, tau2: float) -> float:
    """Return the derivative of the restricted log-likelihood, (y'PPy - tr P) / 2."""
    mu, _, _ = _weighted(y, v, tau2)
    w = 1 / (v + tau2)
    trace = float(w.sum() - (w**2).sum() / w.sum())
    return 0.5 * (float((w**2 * (y - mu) ** 2).sum()) - trace)


_TAU: Mapping[str, Callable[[FloatArray, FloatArray], float]] = MappingProxyType(
    {"reml": _reml, "dl": _der_simonian_laird, "pm": _paule_mandel}
)
