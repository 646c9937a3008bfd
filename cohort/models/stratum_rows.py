"""The measures of every stratum of a stratified analysis, with score limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.estimators.contingency import (
    TwoByTwoCounts,
    odds_ratio_limits,
    risk_difference,
    risk_ratio,
)

_MEASURES = {
    "odds_ratio": odds_ratio_limits,
    "risk_ratio": risk_ratio,
    "risk_difference": risk_difference,
}


def stratum_rows(tables: NDArray[np.float64], strata: Sequence[str], conf_level: float) -> pd.DataFrame:
    """Estimate each measure in each stratum.

    Parameters
    ----------
    tables : array of shape (k, 2, 2)
        Per stratum exposed with and without the event, then unexposed.
    strata : sequence of str
        Their names.
    conf_level : float
        Confidence level of the score limits (Miettinen and Nurminen).

    Returns
    -------
    DataFrame
        ``term, strata, method, estimate, std_error, conf_low, conf_high, p_value, n, n_event, reason``.
    """
    rows = []
    for term, measure in _MEASURES.items():
        for name, table in zip(strata, tables, strict=True):
            counts = TwoByTwoCounts(*(int(x) for x in table.ravel()))
            m = measure(counts, conf_level)["score"]
            values = (m.estimate, m.std_error, m.conf_low, m.conf_high, m.p_value)
            rows.append((term, name, "score", *values, counts.n, counts.a + counts.c, m.reason))
    columns = ["term", "strata", "method", "estimate", "std_error", "conf_low", "conf_high", "p_value"]
    return pd.DataFrame(rows, columns=[*columns, "n", "n_event", "reason"])
