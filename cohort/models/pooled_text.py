"""How pooled estimates are named and printed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.format import interval, ratio
from cohort.models.pooling_rows import KEYS


def joined(texts: pd.DataFrame) -> pd.Series:
    """Join the keys of each row by colons, without the empty ones."""
    out = pd.Series("", index=texts.index)
    for name in texts.columns:
        between = np.where((out != "") & (texts[name] != ""), ": ", "")
        out = out + between + texts[name]
    return out


def with_labels(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return rows without the intercept, with the label they print under and their name as ``term[level]``."""
    keys = [key for key in KEYS if key in frame.columns]
    texts = frame[keys].astype(object).where(frame[keys].notna(), "").astype(str)
    if "time" in texts:
        texts["time"] = frame["time"].map("{:g}".format)
    level = texts["level"] if "level" in texts else pd.Series("", index=frame.index)
    shown = [key for key in keys if key != "outcome" or len(texts[key].unique()) > 1]
    labels = joined(texts[shown])
    term = texts.get("term", labels)
    bracketed = term.where(level == "", term + "[" + level + "]")
    frame = frame.assign(label=labels.where(labels != "", measure), bracketed=bracketed)
    return frame[term != "Intercept"].reset_index(drop=True)


def limits_text(low: float, high: float) -> str:
    """Print limits, or that there are none."""
    return "NE" if np.isnan(low) or np.isnan(high) else interval(low, high, None)


def complete_texts(frame: pd.DataFrame) -> list[str]:
    """Print the estimates of the complete cases with their limits."""
    values, lows, highs = (frame[f"complete_case{end}"] for end in ("", "_low", "_high"))
    return [
        "none" if np.isnan(value) else f"{ratio(value)} ({limits_text(low, high)})"
        for value, low, high in zip(values, lows, highs, strict=True)
    ]


def largest(values: NDArray[np.float64]) -> float:
    """Return the largest finite value, NaN when there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else float("nan")
