"""Read what is to be pooled: fits, frames or numbers; and the complete cases beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from cohort.errors import EstimationError
from cohort.models.fits import Fits
from cohort.models.pooled_text import joined
from cohort.models.pooling_rows import PoolingRows, Scale, back, pooling_rows
from cohort.models.summary import left_out_text

FloatArray = NDArray[np.float64]


def read_fits(
    results: Any, scale: Scale | None, times: ArrayLike | None
) -> tuple[list[PoolingRows], int | None, tuple[tuple[str, str, int], ...]]:
    """Return the rows of each fit, the rows of its data, and whom the first of them left out."""
    if isinstance(results, tuple) and len(results) == 3 and not hasattr(results[0], "tidy"):
        return _numbers(*results), None, ()
    fits = list(results)
    if len(fits) < 2:
        raise EstimationError(
            "pooling needs the fits of at least two completed data sets",
            evidence=f"{len(fits)} given",
            remedy="co.impute(data, m=20, seed=...)",
        )
    n = results.n if isinstance(results, Fits) else None
    if n is None and hasattr(fits[0], "glance"):
        n = int(fits[0].glance()["n"].iloc[0])
    left_out = tuple(getattr(fits[0], "left_out", ()))
    return [pooling_rows(one, scale, times) for one in fits], n, left_out


def _numbers(estimates: Any, std_errors: Any, df_complete: Any) -> list[PoolingRows]:
    Q, S = np.asarray(estimates, dtype=float), np.asarray(std_errors, dtype=float)
    if Q.shape != S.shape or Q.ndim not in (1, 2) or len(Q) < 2:
        raise EstimationError(
            "estimates and standard errors are not of the same shape (m,) or (m, p) with m of at least 2",
            evidence=f"shapes {Q.shape} and {S.shape}",
            remedy="give one row of estimates and one of standard errors per completed data set",
        )
    if not (np.isfinite(Q).all() and np.isfinite(S).all() and (S >= 0).all()):
        raise EstimationError(
            "an estimate or standard error is not a finite number, or a standard error is negative",
            evidence=f"{int((~np.isfinite(Q)).sum())} estimates, {int((~(S >= 0)).sum())} standard errors",
            remedy="find the completed data set whose fit failed",
        )
    Q, S = Q.reshape(len(Q), -1), S.reshape(len(S), -1)
    keys = pd.DataFrame({"term": [f"estimate {k + 1}" for k in range(Q.shape[1])]})
    scale = ("identity",) * Q.shape[1]
    return [
        PoolingRows(keys, q, s, None, scale, False, "estimate", float(df_complete))
        for q, s in zip(Q, S, strict=True)
    ]


def check_rows(rows: Sequence[PoolingRows]) -> None:
    """Refuse fits that do not estimate the same things: a category can be absent from one of them."""
    for number, one in enumerate(rows[1:], start=2):
        if not one.keys.equals(rows[0].keys):
            differing = set(joined(one.keys.astype(str))) ^ set(joined(rows[0].keys.astype(str)))
            raise EstimationError(
                f"fit {number} does not have the rows of the first fit, so they cannot be pooled",
                evidence=f"only in one of them: {', '.join(sorted(differing)[:6])}",
                remedy="merge categories that are too rare to occur in every completed data set",
            )


def complete_case_rows(
    results: Any,
    given: Any,
    first: PoolingRows,
    scale: Scale | None,
    times: ArrayLike | None,
    conf_level: float,
) -> tuple[FloatArray | None, str]:
    """Return estimate and limits of the complete cases by row, and whom they are about."""
    case = results.complete_case if isinstance(results, Fits) and given is None else given
    if case is None:
        reason = results.complete_case_reason if isinstance(results, Fits) else ""
        return None, reason or "not given; write complete_case= or pool imputations.fit(function)"
    rows = pooling_rows(case, scale, times)
    z = float(stats.norm.isf((1 - conf_level) / 2))
    q, half = rows.estimate, z * rows.std_error
    low, high = np.sort([back(q - half, rows.scale)[0], back(q + half, rows.scale)[0]], axis=0)
    values = pd.DataFrame({"v": back(q, rows.scale)[0], "low": low, "high": high})
    own = pd.MultiIndex.from_frame(rows.keys.astype(str))
    wanted = pd.MultiIndex.from_frame(first.keys.astype(str))
    found = values.set_axis(own).reindex(wanted).to_numpy(dtype=float)
    if not hasattr(case, "glance"):
        return found, "as observed; a frame does not say who was left out; Wald limits"
    n = int(case.glance()["n"].iloc[0])
    return found, f"{n} rows, left out {left_out_text(getattr(case, 'left_out', ()))}; Wald limits"
