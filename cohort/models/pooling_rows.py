"""What pooling needs of any result: rows of estimates on a scale where they are about normal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError

FloatArray = NDArray[np.float64]
Scale = Literal["identity", "log", "logit", "cloglog"]
SCALES = ("identity", "log", "logit", "cloglog")
KEYS = ("term", "level", "outcome", "strata", "time", "method")
_PROPORTIONS = frozenset(
    {"proportion", "risk", "prevalence", "sensitivity", "specificity", "auc", "concordance", "kappa"}
)


@dataclass(frozen=True, slots=True, eq=False)
class PoolingRows:
    """Estimates of one fit, as pooling takes them.

    Attributes
    ----------
    keys : DataFrame of shape (p, any)
        What identifies a row: some of ``term, level, outcome, strata, time, method``.
    estimate, std_error : array of shape (p,)
        On the pooling scale.
    covariance : array of shape (p, p) or None
        Covariance of the estimates on the pooling scale, for tests of several of them.
    scale : tuple of str
        Transformation from the natural scale of each row to its pooling scale.
    log_measure : bool
        Whether estimates are logarithms of a ratio, which ``exponentiate=True`` turns into ratios.
    measure : str
        Name of what is estimated.
    df_complete : float
        Degrees of freedom of the fit if nothing were missing.
    tested : bool
        Whether a test against 0 (of a ratio, 1) has a meaning: not for points of curves and means over time.
    """

    keys: pd.DataFrame
    estimate: FloatArray
    std_error: FloatArray
    covariance: FloatArray | None
    scale: tuple[str, ...]
    log_measure: bool
    measure: str
    df_complete: float
    tested: bool = True


def pooling_rows(result: Any, scale: Scale | None = None, times: ArrayLike | None = None) -> PoolingRows:
    """Read a result, or a tidy frame with ``estimate`` and ``std_error``, as rows to pool.

    Estimates that ``exponentiate=True`` changes are logarithms already. Of the others, points of a curve (rows
    with ``time`` and ``n_risk``) are pooled as complementary log-log; ratios whose standard error is that of the
    logarithm (``statistic`` is the logarithm over it), and terms that end in ``_ratio``, as logarithms;
    proportions as log odds; the rest as is.

    Parameters
    ----------
    result : Result or DataFrame
        What one fit returned.
    scale : {'identity', 'log', 'logit', 'cloglog'}, optional
        Scale for estimates on their natural scale, instead of that rule.
    times : array-like, optional
        Times at which a curve is pooled.

    Returns
    -------
    PoolingRows
        The rows.

    Raises
    ------
    EstimationError
        For something that has no estimates with standard errors, and for a curve without ``times``.
    """
    if getattr(result, "limits", "") in ("exact", "mid_p"):
        raise EstimationError(
            "exact estimates cannot be pooled: they have no standard errors that Rubin's rules could combine",
            evidence=f"limits={result.limits!r}",
            remedy='method="firth"',
        )
    tidy = result if isinstance(result, pd.DataFrame) else _tidy(result, times)
    if not {"estimate", "std_error"} <= set(tidy.columns):
        raise EstimationError(
            "estimates without standard errors cannot be pooled",
            evidence=f"columns: {', '.join(str(c) for c in tidy.columns)}",
            remedy="return a result of this package from the function, or a frame with estimate and std_error",
        )
    log_measure = _is_log(result)
    covariance = _covariance(result, len(tidy))
    tidy = tidy if covariance is not None else tidy[_has_error(tidy)].reset_index(drop=True)
    keys = _keys(tidy)
    estimate, std_error = (tidy[name].to_numpy(dtype=float) for name in ("estimate", "std_error"))
    scales = ("identity",) * len(tidy) if log_measure else _scales(keys, scale, "n_risk" in tidy)
    if not log_measure and scale is None:
        ready = _has_log_error(tidy)
        std_error = np.where(ready, std_error * estimate, std_error)
        scales = tuple("log" if log else one for one, log in zip(scales, ready, strict=True))
    estimate, std_error = transform(estimate, std_error, scales)
    return PoolingRows(
        keys,
        estimate,
        std_error,
        covariance,
        scales,
        log_measure,
        _measure(result),
        _df(result, len(tidy)),
        tested="time" not in keys or "p_value" in tidy,
    )


def _has_error(tidy: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows to pool: not those of a test alone or of exact limits; a row that could not be estimated stays."""
    untested = tidy["p_value"].isna() if "p_value" in tidy else True
    return np.asarray(tidy["std_error"].notna() | (tidy["estimate"].isna() & untested))


def _has_log_error(tidy: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether the statistic of a row is the logarithm of its estimate, not the estimate, over its standard error."""
    if "statistic" not in tidy:
        return np.zeros(len(tidy), dtype=bool)
    value, error, z = (tidy[name].to_numpy(dtype=float) for name in ("estimate", "std_error", "statistic"))
    with np.errstate(divide="ignore", invalid="ignore"):
        of_log, of_value = np.abs(z * error - np.log(value)), np.abs(z * error - value)
        return np.asarray((of_log < 1e-8) & (of_value > 1e-8))


def _tidy(result: Any, times: ArrayLike | None) -> pd.DataFrame:
    if _is_curve(result):
        if times is None:
            raise EstimationError(
                "a curve is pooled at given times",
                evidence=f"{type(result).__name__} without times=",
                remedy="co.pool(fits, times=[30, 365])",
            )
        return pd.DataFrame(result.at(times))
    if not hasattr(result, "tidy"):
        raise EstimationError(
            f"a {type(result).__name__} cannot be pooled",
            evidence="it has no tidy()",
            remedy="return a result of this package from the function, or a frame with estimate and std_error",
        )
    return pd.DataFrame(result.tidy())


def _is_curve(result: Any) -> bool:
    """Whether estimates are had at times; a frame has ``at`` too, for its cells."""
    return hasattr(result, "at") and hasattr(result, "tidy")


def _is_log(result: Any) -> bool:
    if isinstance(result, pd.DataFrame) or _is_curve(result):
        return False
    plain, ratios = (result.tidy(exponentiate=e)["estimate"].to_numpy(dtype=float) for e in (False, True))
    return not np.array_equal(ratios, plain, equal_nan=True)


def _covariance(result: Any, p: int) -> FloatArray | None:
    """Find the covariance of a regression, in the result or in the fit it holds."""
    for holder in (result, getattr(result, "fit", None)):
        found = getattr(holder, "covariance", None)
        if isinstance(found, np.ndarray) and found.shape == (p, p):
            return found
    return None


def _keys(tidy: pd.DataFrame) -> pd.DataFrame:
    keys = tidy[[c for c in KEYS[:-1] if c in tidy.columns]]
    if keys.columns.empty:
        keys = pd.DataFrame({"term": [f"estimate {k + 1}" for k in range(len(tidy))]})
    if keys.duplicated().any() and "method" in tidy.columns:
        keys = keys.assign(method=tidy["method"])
    return keys.reset_index(drop=True)


def _scales(keys: pd.DataFrame, scale: Scale | None, is_curve: bool) -> tuple[str, ...]:
    if scale is not None and scale not in SCALES:
        raise EstimationError(
            f"scale {scale!r} is not known", evidence=f"scales: {', '.join(SCALES)}", remedy='scale="log"'
        )
    if scale is not None:
        return (scale,) * len(keys)
    if "time" in keys and is_curve:
        return ("cloglog",) * len(keys)
    terms = keys["term"].astype(str) if "term" in keys else pd.Series("", index=keys.index)
    return tuple(
        "log" if t.endswith("_ratio") else "logit" if t in _PROPORTIONS else "identity" for t in terms
    )


def _measure(result: Any) -> str:
    """Name what is estimated: the result's own word, else the words before the number of its text."""
    own = getattr(result, "measure", None)
    if isinstance(own, str):
        return own
    if _is_curve(result):
        return "survival" if hasattr(result, "rmst") else "cumulative incidence"
    terms = [] if isinstance(result, pd.DataFrame) else result.tidy().get("term", pd.Series(dtype=str))
    levels = result.tidy()["level"] if len(terms) and "level" in result.tidy() else [""] * len(terms)
    for term, level in zip(terms, levels, strict=True):
        if str(term) != "Intercept":
            found = re.match(
                r"([a-z][a-z -]*[a-z]) [\d−(]", result.text(f"{term}[{level}]" if level else term)
            )
            return found.group(1) if found else "estimate"
    return "estimate"


def _df(result: Any, p: int) -> float:
    """Return n - p; events - p for hazards; those of t limits; infinity for curves and single numbers."""
    if not hasattr(result, "glance") or _covariance(result, p) is None:
        return np.inf
    own = getattr(result, "df", np.inf)
    if isinstance(own, np.ndarray) and np.isfinite(own).any():
        return float(own[np.isfinite(own)].min())
    glance = result.glance().iloc[0]
    n = glance["n_event"] if "ties" in glance.index else glance["n"]
    return float(max(n - p, 1))


def transform(
    estimate: FloatArray, std_error: FloatArray, scales: Sequence[str]
) -> tuple[FloatArray, FloatArray]:
    """Move estimates and standard errors (delta method) to their pooling scales.

    Parameters
    ----------
    estimate, std_error : array of shape (p,)
        On the natural scale.
    scales : sequence of str
        Scale of each row.

    Returns
    -------
    estimate, std_error : array of shape (p,)
        On the pooling scale; not finite where the transformation is undefined.
    """
    q, s = estimate.copy(), std_error.copy()
    names = np.asarray(scales, dtype=object)
    with np.errstate(divide="ignore", invalid="ignore"):
        for name in set(scales) - {"identity"}:
            at = names == name
            x = estimate[at]
            if name == "log":
                q[at], slope = np.log(x), 1 / x
            elif name == "logit":
                q[at], slope = np.log(x / (1 - x)), 1 / (x * (1 - x))
            else:
                q[at], slope = np.log(-np.log(x)), 1 / (x * np.log(x))
            s[at] = np.abs(slope) * std_error[at]
    return q, s


def back(q: FloatArray, scales: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Return values on the natural scale, and the slope of the back-transformation.

    Parameters
    ----------
    q : array of shape (p,)
        On the pooling scale.
    scales : sequence of str
        Scale of each row.

    Returns
    -------
    value, slope : array of shape (p,)
        Natural scale; the slope is negative for ``cloglog``.
    """
    value, slope = q.copy(), np.ones_like(q)
    names = np.asarray(scales, dtype=object)
    for name in set(scales) - {"identity"}:
        at = names == name
        x = q[at]
        if name == "log":
            value[at] = slope[at] = np.exp(x)
        elif name == "logit":
            value[at] = 1 / (1 + np.exp(-x))
            slope[at] = value[at] * (1 - value[at])
        else:
            value[at] = np.exp(-np.exp(x))
            slope[at] = -np.exp(x) * value[at]
    return value, slope
