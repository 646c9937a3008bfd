"""Rows that tell how good scores are: one per score and time, with what differences between scores need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from cohort.estimators.prediction_scores import Scored
from cohort.models.coding import LeftOut
from cohort.models.prediction_inputs import JudgedPatients
from cohort.models.result import wald

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreRows:
    """Estimates of scores at times, and their covariance.

    Attributes
    ----------
    term, measure : tuple of str
        Score and what is estimated, of each row.
    time, estimate : array of shape (k,)
        Time and estimate.
    covariance : array of shape (k, k)
        Covariance of the estimates; NaN where there is none.
    n : int
        Patients.
    counts : array of shape (k, 3)
        Followed up to the time or longer, with the event by it, censored before or at it.
    reason : tuple of str
        Why an estimate is missing.
    """

    term: tuple[str, ...]
    measure: tuple[str, ...]
    time: FloatArray
    estimate: FloatArray
    covariance: FloatArray
    n: int
    counts: NDArray[np.int64]
    reason: tuple[str, ...]

    def tidy(self, conf_level: float, low: float, high: float) -> pd.DataFrame:
        """Return one row per score and time, with Wald limits cut at ``low`` and ``high``."""
        se = np.sqrt(np.diag(self.covariance))
        z = ndtri(0.5 + conf_level / 2)
        return pd.DataFrame(
            {
                "term": list(self.term),
                "measure": list(self.measure),
                "time": self.time,
                "n": self.n,
                "n_risk": self.counts[:, 0],
                "n_event": self.counts[:, 1],
                "n_censor": self.counts[:, 2],
                "estimate": self.estimate,
                "std_error": se,
                "conf_low": np.maximum(self.estimate - z * se, low),
                "conf_high": np.minimum(self.estimate + z * se, high),
                "reason": list(self.reason),
            }
        )

    def glance(
        self, method: str, left_out: LeftOut, conf_level: float, unit: str, acknowledged: Sequence[str]
    ) -> pd.DataFrame:
        """Return one row about the whole: patients, events by the last time, and how it was estimated."""
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [int(self.counts[:, 1].max())],
                "n_missing": [sum(n for _, _, n in left_out)],
                "method": [method],
                "conf_level": [conf_level],
                "unit": [unit],
                "acknowledged": [", ".join(acknowledged)],
            }
        )

    def differences(self, reference: str, conf_level: float) -> pd.DataFrame:
        """Return every score minus the reference, for each measure and time."""
        frame = pd.DataFrame({"term": self.term, "measure": self.measure, "time": self.time})
        frame["row"] = np.arange(len(frame))
        other, own = frame[frame["term"] != reference], frame[frame["term"] == reference]
        pairs = other.merge(own, on=["measure", "time"], suffixes=("", "_reference"))
        i, j = pairs["row"].to_numpy(), pairs["row_reference"].to_numpy()
        V = self.covariance
        se = np.sqrt(np.maximum(V[i, i] + V[j, j] - V[i, j] - V[j, i], 0.0))
        estimate = self.estimate[i] - self.estimate[j]
        low, high, statistic, p = wald(estimate, se, conf_level)
        reasons = np.array(self.reason, dtype=object)
        same = np.where((se > 0) | np.isnan(se), "", "the scores rank and predict alike")
        return pd.DataFrame(
            {
                "term": pairs["term"] + " - " + reference,
                "measure": pairs["measure"],
                "time": pairs["time"],
                "estimate": estimate,
                "std_error": se,
                "statistic": statistic,
                "p_value": p,
                "conf_low": low,
                "conf_high": high,
                "reason": np.where(
                    reasons[i] != "", reasons[i], np.where(reasons[j] != "", reasons[j], same)
                ),
            }
        )


def score_rows(patients: JudgedPatients, labels: Sequence[tuple[str, str, float, Scored, str]]) -> ScoreRows:
    """Collect estimates with their influences into rows.

    Parameters
    ----------
    patients : JudgedPatients
        The patients.
    labels : sequence of (term, measure, time, Scored, reason)
        One per row; the estimate is missing where there is a reason.

    Returns
    -------
    ScoreRows
        Rows with their covariance, that of R ``Score``: influences' sample covariance over n.
    """
    n = len(patients.stop)
    missing = np.array([bool(reason) for *_, reason in labels])
    influence = np.column_stack([scored.influence for _, _, _, scored, _ in labels])
    influence[:, missing] = np.nan
    k = len(labels)
    covariance = np.full((k, k), np.nan)
    if n > 1:
        covariance = np.cov(influence, rowvar=False, ddof=1).reshape(k, k) / n
    time = np.array([when for _, _, when, _, _ in labels], dtype=float)
    counts = [
        (
            int((patients.stop >= when).sum()),
            int(((patients.stop <= when) & (patients.event == patients.code)).sum()),
            int(((patients.stop <= when) & (patients.event == 0)).sum()),
        )
        for when in time.tolist()
    ]
    return ScoreRows(
        term=tuple(term for term, *_ in labels),
        measure=tuple(measure for _, measure, *_ in labels),
        time=time,
        estimate=np.where(missing, np.nan, [scored.estimate for _, _, _, scored, _ in labels]),
        covariance=covariance,
        n=n,
        counts=np.array(counts, dtype=np.int64),
        reason=tuple(reason for *_, reason in labels),
    )
