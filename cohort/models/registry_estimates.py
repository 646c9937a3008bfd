"""Estimates of several registries side by side: coefficients or tables, and which of them are missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.format import percent
from cohort.models.registry_files import RegistryResults

FloatArray = NDArray[np.float64]


def named(pair: tuple[str, str]) -> str:
    """Print a term and its level as ``term[level]``."""
    return f"{pair[0]}[{pair[1]}]" if pair[1] else pair[0]


def table_estimates(tables: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Woolf's log odds ratios and variances; NaN with a zero cell."""
    cells = tables.reshape(len(tables), 4)
    whole = np.asarray((cells > 0).all(axis=1)).reshape(-1, 1)
    a, b, c, d = np.where(whole, cells, np.nan).T
    return np.log(a * d / (b * c))[:, None], (1 / a + 1 / b + 1 / c + 1 / d)[:, None]


def coefficient_estimates(
    found: RegistryResults, pairs: Sequence[tuple[str, str]]
) -> tuple[FloatArray, FloatArray, tuple[FloatArray, ...]]:
    """Return estimates and variances, NaN where a registry has none, and covariances where all have all."""
    k, p = len(found.parts), len(pairs)
    estimates, variances = np.full((k, p), np.nan), np.full((k, p), np.nan)
    covariances = []
    for i, part in enumerate(found.parts):
        at = {pair: position for position, pair in enumerate(part.terms)}
        held = [j for j, pair in enumerate(pairs) if pair in at]
        rows = [at[pairs[j]] for j in held]
        estimates[i, held], variances[i, held] = part.estimate[rows], np.diag(part.covariance)[rows]
        if len(held) == p:
            covariances.append(part.covariance[np.ix_(rows, rows)])
    complete = len(covariances) == k and all(np.isfinite(V).all() for V in covariances)
    return estimates, variances, tuple(covariances) if complete else ()


def not_pooled(
    found: RegistryResults, pairs: Sequence[tuple[str, str]], estimates: FloatArray
) -> tuple[tuple[str, str], ...]:
    """Say which coefficients of which registries are not pooled."""
    out = []
    for i, (site, part) in enumerate(zip(found.sites, found.parts, strict=True)):
        reasons = {(term, level): reason for term, level, reason in part.withheld}
        for j, pair in enumerate(pairs):
            if np.isnan(estimates[i, j]):
                why = "a zero cell" if part.table is not None else "no such coefficient"
                out.append((site, f"{named(pair)} ({reasons.get(pair, why)})"))
    return tuple(out)


def forest_frame(own: pd.DataFrame, pooled: pd.DataFrame) -> pd.DataFrame:
    """Arrange one coefficient for a forest plot: registries with their weights, then what was pooled.

    Parameters
    ----------
    own : DataFrame
        Rows of the coefficient by registry, exponentiated.
    pooled : DataFrame
        Its tidy rows, exponentiated.

    Returns
    -------
    DataFrame
        ``term, n, estimate, conf_low, conf_high, p_value, reason``; the last row holds the prediction, where there
        is one.
    """
    shares = [f" (weight {percent(w, 1, 0)})" if w == w else "" for w in own["weight_random"]]
    rows = [own.assign(term=own["strata"] + pd.Series(shares, index=own.index), p_value=np.nan)]
    methods = pooled.set_index("method")
    for method, label in (("fixed", "Fixed effect"), ("random", "Random effects")):
        rows.append(methods.loc[[method]].assign(term=label, reason=""))
    new = methods.loc[["random"]].assign(term="Prediction, a new registry", p_value=np.nan, n=np.nan)
    new[["conf_low", "conf_high"]] = new[["prediction_low", "prediction_high"]].to_numpy()
    if np.isfinite(new["conf_low"]).all():
        rows.append(new)
    columns = ["term", "n", "estimate", "conf_low", "conf_high", "p_value", "reason"]
    return pd.concat([block[columns] for block in rows], ignore_index=True)
