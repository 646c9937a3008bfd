"""One column of a labelled file: its cells as text, the labels of its codes, and what is declared missing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cohort.dictionary.expression_sql import SPACES
from cohort.registry.labelled_text import Kind, writer

LabelRow = tuple[str, str, bool]
Span = Mapping[str, Any]


@dataclass(frozen=True)
class LabelledColumn:
    """A column whose different values are written once.

    Attributes
    ----------
    codes : (n,) ndarray
        Position of each cell among the texts; -1 where there is nothing.
    texts : tuple of str
        Each different value as text.
    missing : tuple of bool
        Whether the file declares it missing.
    labels : mapping of str to str
        Text of a value to its label.
    declared : tuple of str
        Values that are declared missing one by one, whether they occur or not.
    """

    codes: NDArray[np.intp]
    texts: tuple[str, ...]
    missing: tuple[bool, ...]
    labels: Mapping[str, str]
    declared: tuple[str, ...]

    @classmethod
    def of(
        cls, values: Any, program: str, kind: Kind, labels: Mapping[Any, str], ranges: Sequence[Span]
    ) -> LabelledColumn:
        """Make a column of the values of a program.

        Parameters
        ----------
        values : array of shape (n,)
            Numbers; texts; or numbers among which the letters of missing values stand as texts.
        program : {'spss', 'stata', 'sas'}
            Whose days and clocks they are.
        kind : str
            From `labelled_text`.
        labels : mapping
            Value to label.
        ranges : sequence of mapping
            ``lo`` and ``hi`` of what is declared missing.
        """
        array = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=object)
        codes, different = pd.factorize(array, use_na_sentinel=True)
        write = _write(program, kind)
        spans = [
            one if isinstance(one["lo"], str) else {side: float(one[side]) for side in one} for one in ranges
        ]
        single = tuple(write(one["lo"]) for one in spans if one["lo"] == one["hi"])
        return cls(
            codes,
            tuple(map(write, different)),
            tuple(_missing(different, kind, spans)),
            {write(value): label.strip(SPACES) for value, label in labels.items()},
            (*single, *(write(one) for one in labels if _tag(one, kind) or _within(one, spans))),
        )

    def text(self, as_labels: bool) -> pd.Series:
        """Write the cells."""
        shown = self._shown() if as_labels else {}
        table = pa.array([*(shown.get(one, one) for one in self.texts), ""], pa.string())
        taken = table.take(pa.array(np.where(self.codes < 0, len(self.texts), self.codes)))
        return pd.Series(pd.array(taken, dtype=pd.StringDtype("pyarrow")))

    def label_rows(self, as_labels: bool) -> Iterator[LabelRow]:
        """Yield text, label, and whether it is missing, of values with a label or declared missing."""
        shown = self._shown() if as_labels else {}
        found = [text for text, missing in zip(self.texts, self.missing, strict=True) if missing]
        declared = dict.fromkeys([*self.declared, *found])
        for text in dict.fromkeys([*self.labels, *declared]):
            if text:
                yield shown.get(text, text), self.labels.get(text, ""), text in declared

    def _shown(self) -> dict[str, str]:
        """Return the label of each code; one that could be mistaken for another cell keeps its code beside it."""
        named = {text: label for text, label in self.labels.items() if label}
        times: dict[str, int] = {}
        for text in [*named.values(), *(one for one in self.texts if one not in named)]:
            times[text] = times.get(text, 0) + 1
        return {text: f"{label} [{text}]" if times[label] > 1 else label for text, label in named.items()}


def _write(program: str, kind: Kind) -> Any:
    """Return the function that writes a number, a text, or the letter of a missing value."""
    number = writer(program, kind)

    def write(value: Any) -> str:
        if isinstance(value, str):
            return value if kind == "text" else f".{value}"
        return number(float(value)) if value is not None and math.isfinite(value) else ""

    return write


def _tag(value: Any, kind: Kind) -> bool:
    return isinstance(value, str) and kind != "text"


def _within(value: Any, spans: Sequence[Span]) -> bool:
    text = isinstance(value, str)
    return any(isinstance(one["lo"], str) == text and one["lo"] <= value <= one["hi"] for one in spans)


def _missing(different: Any, kind: Kind, spans: Sequence[Span]) -> Sequence[bool]:
    """Return which of the different values are declared missing."""
    if different.dtype == object:
        return [_tag(one, kind) or _within(one, spans) for one in different]
    found = np.zeros(len(different), dtype=bool)
    for one in spans:
        found |= (different >= one["lo"]) & (different <= one["hi"])
    marked: list[bool] = found.tolist()
    return marked
