"""What is known about a column beside its values: when it becomes known, and which grade contains it.

Facts travel in ``frame.attrs["cohort_facts"]`` as plain dictionaries (so that Parquet can store them). pandas
loses ``attrs`` in ``merge`` and ``concat``; endpoints therefore copy the facts of the frame they are made from,
and names the dictionary knows are looked up there as a last resort.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

Known = Literal["baseline", "daily", "at_exam", "follow_up"]
FACTS_KEY = "cohort_facts"


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What is known about one column.

    Attributes
    ----------
    known : {'baseline', 'daily', 'at_exam', 'follow_up'} or None
        When the value becomes known; None when nobody declared it.
    known_day : float or None
        Day since infusion by which the value is known for every patient: 0 for baseline, the end of the
        window for a windowed summary, infinity for values that need the whole follow-up.
    part_of : tuple of str
        Grades that contain this column (``edema_focal`` is part of ``icans_grade``).
    measures : tuple of str
        Grades that this column expresses (``severe_icans`` measures ``icans_grade``).
    label : str
        Name for tables and figures.
    unit : str
        Unit as printed, empty for unitless.
    unequal_window : str
        How the windows differ over which a peak, lowest value or count was taken; empty when they do not.
    """

    known: Known | None = None
    known_day: float | None = None
    part_of: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    label: str = ""
    unit: str = ""
    unequal_window: str = ""


class _Stored(dict[str, dict[str, object]]):
    """Facts as stored in ``attrs``: never changed in place, so that pandas need not copy them.

    pandas deep-copies ``attrs`` whenever it takes a column; without this each access to a frame of 140 columns
    takes 7 ms.
    """

    def __deepcopy__(self, memo: dict[int, object]) -> _Stored:
        return self


def declare_facts(frame: pd.DataFrame, facts: Mapping[str, ColumnFacts]) -> pd.DataFrame:
    """Return a shallow copy of the frame that carries these facts beside those it has."""
    out = frame.copy(deep=False)
    merged = _Stored(frame.attrs.get(FACTS_KEY, {}))
    merged.update({name: asdict(fact) for name, fact in facts.items() if name in frame.columns})
    out.attrs = {**frame.attrs, FACTS_KEY: merged}
    return out


def declared_facts(frame: pd.DataFrame) -> dict[str, ColumnFacts]:
    """Return the facts that the frame carries for the columns it has."""
    stored = frame.attrs.get(FACTS_KEY, {})
    return {
        str(name): ColumnFacts(
            **{**raw, "part_of": tuple(raw["part_of"]), "measures": tuple(raw["measures"])}
        )
        for name, raw in stored.items()
        if name in frame.columns
    }
