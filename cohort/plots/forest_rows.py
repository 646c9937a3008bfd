"""A tidy regression frame laid out as the lines of a forest plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import CohortError
from cohort.format import MISSING_TEXT, interval, p_value, ratio
from cohort.plots.curves import readable


@dataclass(frozen=True)
class Row:
    """One line of the forest plot.

    Attributes
    ----------
    kind : str
        ``header``, ``reference``, ``estimate`` or ``missing``.
    label : str
        Text of the first column.
    indent : bool
        Whether the label stands under a header.
    count, interval, p : str
        Texts of the other columns.
    estimate, low, high : float
        On the ratio scale; NaN where there is none.
    band : int
        Number of the variable, for the zebra.
    """

    kind: str
    label: str
    indent: bool
    count: str
    interval: str
    p: str
    estimate: float
    low: float
    high: float
    band: int


def forest_rows(frame: pd.DataFrame, labels: Mapping[str, str]) -> list[Row]:
    """Lay out a tidy frame as the lines of a forest plot, headers included."""
    rows: list[Row] = []
    texts = {c: _texts(frame, c) for c in ("term", "level", "reason")}
    numbers = {
        c: _numbers(frame, c) for c in ("estimate", "conf_low", "conf_high", "p_value", "n", "n_event")
    }
    reference = (
        frame["reference"].fillna(False).to_numpy(bool)
        if "reference" in frame
        else np.zeros(len(frame), bool)
    )
    band, before = -1, None
    for i in range(len(frame)):
        term, level = texts["term"][i], texts["level"][i]
        if term != before or not level:
            band += 1
            if level:
                rows.append(_header(labels.get(term, readable(term)), band))
        before = term
        label = labels.get(level, readable(level)) if level else labels.get(term, readable(term))
        values = {name: float(column[i]) for name, column in numbers.items()}
        rows.append(_line(label, bool(level), values, bool(reference[i]), texts["reason"][i], band))
    return rows


def _texts(frame: pd.DataFrame, column: str) -> list[str]:
    if column not in frame.columns:
        return [""] * len(frame)
    return ["" if pd.isna(v) else str(v) for v in frame[column]]


def _numbers(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    return frame[column].to_numpy(dtype=float, na_value=np.nan)


def _header(label: str, band: int) -> Row:
    nan = float("nan")
    return Row("header", label, False, "", "", "", nan, nan, nan, band)


def _line(
    label: str, indent: bool, values: Mapping[str, float], reference: bool, reason: str, band: int
) -> Row:
    estimate, low, high = values["estimate"], values["conf_low"], values["conf_high"]
    count = _count_text(values["n"], values["n_event"])
    if reference:
        return Row("reference", label, indent, count, "1 [Reference]", "", 1.0, np.nan, np.nan, band)
    if np.isnan(estimate) or (estimate in (0.0, np.inf) and not (np.isfinite([low, high]).any())):
        text = f"{MISSING_TEXT}{f' ({reason})' if reason else ''}"
        return Row("missing", label, indent, count, text, "", np.nan, np.nan, np.nan, band)
    if estimate < 0:
        raise CohortError(
            "A forest plot needs ratios, and an estimate is not positive.",
            evidence=f"row {label!r}",
            remedy="pass tidy(exponentiate=True)",
        )
    p = "" if np.isnan(values["p_value"]) else p_value(values["p_value"]).removeprefix("=")
    text = f"{ratio(estimate)} ({interval(low, high, None)})"
    return Row("estimate", label, indent, count, text, p, estimate, low, high, band)


def _count_text(n: float, events: float) -> str:
    counts = [f"{round(v):,}" for v in (events, n) if np.isfinite(v)]
    return "/".join(counts)


def count_head(frame: pd.DataFrame) -> str:
    """Say what the counts are: events, patients, or events/patients."""
    names = [text for name, text in (("n_event", "Events"), ("n", "Patients")) if name in frame.columns]
    return "/".join(names).replace("/P", "/p")
