"""Blocks of a source in different units: as declared, and as the values themselves suggest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.expressions import evaluate, parse_expression
from cohort.dictionary.mapping_model import Block, Rule
from cohort.dictionary.read import Dictionary, Variable, read_dictionary
from cohort.dictionary.table_model import Category
from cohort.registry.source import Source

FloatArray = NDArray[np.float64]
COLUMNS = [
    *(
        "source",
        "table",
        "variable",
        "source_column",
        "where",
        "unit",
        "first_row",
        "last_row",
        "n",
        "median",
    ),
    *("n_implausible", "fits_unit", "n_fits"),
]
MIN_SUSPECTS = 3
MIN_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class _Measured:
    """A source column under one declared unit, with what is possible in the dictionary's unit."""

    variable: str
    column: str
    unit: str
    target: str
    low: float
    high: float
    analyte: Category | None


def unit_blocks(sources: Source | Iterable[Source], dictionary: Dictionary | None = None) -> pd.DataFrame:
    """Describe every column with a declared unit, block by block, and ask whether another unit fits better.

    Values that are impossible in the declared unit are tried in every other unit of its dimension. Where at
    least nine in ten of them (and three or more) are possible in one of these, that unit is named. Nothing is
    converted by it: a person declares the unit in the mapping.

    Parameters
    ----------
    sources : Source or iterable of Source
        Sources as read.
    dictionary : Dictionary, optional
        Gives units and ranges; the packaged one by default.

    Returns
    -------
    DataFrame
        One row per block and column: ``source, table, variable, source_column, where, unit``; first and last
        row of the block in the file (from 1), number and median of its values in the declared unit; how many are
        impossible in it, the unit they fit (empty for none), and how many of them it makes possible.

    Examples
    --------
    >>> unit_blocks([]).columns[-3:].tolist()
    ['n_implausible', 'fits_unit', 'n_fits']
    """
    known = dictionary or read_dictionary()
    given = [sources] if isinstance(sources, Source) else sources
    rows = [row for source in given for row in _of_source(source, known)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_source(source: Source, dictionary: Dictionary) -> Iterator[tuple[object, ...]]:
    missing = tuple(source.mapping.model.missing_codes)
    for table, mapping in source.mapping.model.tables.items():
        for block in mapping.blocks or (mapping,):
            frame = source.frames[block.input or mapping.input or next(iter(source.frames))]
            where = block.where or mapping.where
            rules = {**mapping.rules, **block.rules}
            for name, rule in rules.items():
                for one in _measured(name, rule, block, dictionary.tables[table].variables[name], dictionary):
                    if one.column in frame.columns:
                        yield (source.name, table, *_described(one, frame, where, missing, dictionary))


def _measured(
    name: str, rule: Rule, block: Block, variable: Variable, dictionary: Dictionary
) -> Iterator[_Measured]:
    """Yield the columns of a rule whose unit does not change from row to row."""
    if rule.unit is None or rule.source is None:
        return
    if rule.unit.constant and not variable.schema.unit_by:
        limits = variable.schema.constraints
        analyte = dictionary.analytes.get(variable.schema.analyte)
        low, high = _limit(limits.minimum, -np.inf), _limit(limits.maximum, np.inf)
        yield _Measured(name, rule.source, rule.unit.constant, variable.schema.unit, low, high, analyte)
    if rule.unit.units and block.unpivot is not None:
        for row in block.unpivot.rows:
            analyte = dictionary.analytes.get(row["is"])
            if analyte is not None and row["is"] in rule.unit.units and rule.source in row:
                low, high = _limit(analyte.minimum, -np.inf), _limit(analyte.maximum, np.inf)
                unit = rule.unit.units[row["is"]]
                yield _Measured(analyte.value, row[rule.source], unit, analyte.unit, low, high, analyte)


def _limit(value: float | str | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)


def _described(
    one: _Measured, frame: pd.DataFrame, where: str, missing: Collection[str], dictionary: Dictionary
) -> tuple[object, ...]:
    text = frame[one.column].astype("string").str.strip()
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    kept = ~np.isnan(values)
    if where:
        kept &= _holds(where, frame, missing)
    positions = np.flatnonzero(kept)
    first, last = (int(positions[0]) + 1, int(positions[-1]) + 1) if len(positions) else (None, None)
    median = float(np.median(values[kept])) if len(positions) else float("nan")
    wrong = values[kept][~_possible(one, one.unit, values[kept], dictionary)]
    unit, fits = _better_unit(one, wrong, dictionary)
    return (
        *(one.variable, one.column, where, one.unit, first, last, len(positions), median),
        *(len(wrong), unit, fits),
    )


def _holds(where: str, frame: pd.DataFrame, missing: Collection[str]) -> NDArray[np.bool_]:
    """Whether a row filter holds; blank cells and missing codes are missing in it, as in harmonisation."""
    expression = parse_expression(where, frame.columns)
    texts = {name: frame[name].astype("string").str.strip() for name in expression.columns}
    known = {name: text.mask(text.isin(["", *missing])) for name, text in texts.items()}
    told = evaluate(expression, pd.DataFrame(known, index=frame.index)).astype("boolean")
    return told.fillna(False).to_numpy(dtype=bool)


def _possible(one: _Measured, unit: str, values: FloatArray, dictionary: Dictionary) -> NDArray[np.bool_]:
    """Whether values, read in a unit, are possible."""
    conversion = dictionary.units.conversion(unit, one.target, one.analyte)
    if conversion is None:
        return np.zeros(len(values), dtype=bool)
    converted = (values + conversion.shift) * conversion.numerator / conversion.denominator
    return np.asarray((converted >= one.low) & (converted <= one.high))


def _better_unit(one: _Measured, wrong: FloatArray, dictionary: Dictionary) -> tuple[str, int]:
    """Return the unit that makes most of the impossible values possible, when it makes nearly all of them so."""
    if len(wrong) < MIN_SUSPECTS:
        return "", 0
    known = dictionary.units.factors
    same = [unit for unit in known if unit != one.unit and known[unit][0] == known[one.unit][0]]
    counts = {unit: int(_possible(one, unit, wrong, dictionary).sum()) for unit in same}
    best = max(counts, key=lambda unit: counts[unit], default="")
    return (best, counts[best]) if best and counts[best] >= MIN_SHARE * len(wrong) else ("", 0)
