"""Net benefit of strategies at thresholds, from the incidence among those who would be treated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.aalen_johansen import aalen_johansen, risk_table
from cohort.models.coding import as_binary, as_scores, keep_usable
from cohort.models.design import align_columns
from cohort.models.prediction_inputs import JudgedPatients
from cohort.study.guards import acknowledged_guards, check_incorporation, resolve_facts

FloatArray = NDArray[np.float64]
ALL, NOBODY = "treat all", "treat none"


def known_in_everybody(
    outcome: str, names: Sequence[str], data: pd.DataFrame | None, acknowledge: str | Iterable[str]
) -> JudgedPatients:
    """Collect an outcome known in everybody as events at time 1, all others being followed beyond it."""
    columns = list(dict.fromkeys([outcome, *names]))
    facts = resolve_facts(columns, None, data)
    notes = check_incorporation(names, [outcome], facts, acknowledge)
    frame, _ = align_columns(columns, data, None)
    coded = {outcome: as_binary(frame[outcome])} | {name: as_scores(frame[name]) for name in names}
    keep, left_out, more = keep_usable(frame, coded)
    if not keep.any():
        raise EstimationError(
            "no patient has the outcome and the predicted risks",
            evidence=f"{len(frame)} rows",
            remedy="check the missing values of these columns",
        )
    happened = coded[outcome].numbers[keep] > 0
    return JudgedPatients(
        outcome=outcome,
        stop=np.where(happened, 1.0, 2.0),
        event=happened.astype(np.int64),
        code=1,
        competing=False,
        scores=np.column_stack([coded[name].numbers[keep] for name in names]),
        left_out=left_out,
        notes=(*notes, *more),
        acknowledged=acknowledged_guards(acknowledge),
    )


def net_benefit(
    patients: JudgedPatients, names: Sequence[str], horizon: float, cut: FloatArray
) -> pd.DataFrame:
    """Return the net benefit of each prediction, of treating all and of treating none at each threshold."""
    n, blocks = len(patients.stop), []
    when = 1.0 if np.isnan(horizon) else horizon
    for name, risk in zip((*names, ALL), (*patients.scores.T, np.ones(n)), strict=True):
        rows = [_positives(patients, risk >= p, when) for p in cut] if name != ALL else None
        rows = rows or [_positives(patients, risk > 0, when)] * len(cut)
        q = np.array([k for k, _, _, _ in rows]) / n
        F, se = np.array([[f, s] for _, f, s, _ in rows], dtype=float).T
        odds = cut / (1 - cut)
        gain = F * (1 + odds) - odds
        spread = np.where(q > 0, (q * (1 + odds) * se) ** 2 + gain**2 * q * (1 - q) / n, 0.0)
        blocks.append(
            pd.DataFrame(
                {
                    "term": name,
                    "threshold": cut,
                    "n": n,
                    "n_positive": [k for k, _, _, _ in rows],
                    "estimate": np.where(q > 0, q * gain, 0.0),
                    "std_error": np.sqrt(spread),
                    "reason": [reason for *_, reason in rows],
                }
            )
        )
    none = {"term": NOBODY, "threshold": cut, "n": n, "n_positive": 0, "estimate": 0.0, "std_error": 0.0}
    blocks.append(pd.DataFrame({**none, "reason": ""}))
    return pd.concat(blocks, ignore_index=True)


def _positives(
    patients: JudgedPatients, positive: NDArray[np.bool_], when: float
) -> tuple[int, float, float, str]:
    """Return number, incidence by the time, its standard error, and why there is none."""
    stop, event = patients.stop[positive], patients.event[positive]
    if not len(stop):
        return 0, 0.0, 0.0, ""
    last = stop.max()
    if last < when and (event[stop == last] == 0).any():
        return len(stop), np.nan, np.nan, f"follow-up of the positive ends at {last:g}"
    table = risk_table(np.zeros(len(stop)), stop, event, max(int(event.max()), patients.code), None)
    curve = aalen_johansen(table, "greenwood")
    at = np.searchsorted(curve.time, when, "right") - 1
    if at < 0:
        return len(stop), 0.0, 0.0, ""
    k = patients.code - 1
    return len(stop), float(curve.incidence[at, k]), float(curve.incidence_std_error[at, k]), ""
