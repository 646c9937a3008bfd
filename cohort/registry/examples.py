"""Runs the examples of a mapping: given rows, expected values."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cohort.dictionary.mapping import Mapping, read_mapping
from cohort.dictionary.mapping_model import Example
from cohort.dictionary.read import Dictionary, read_dictionary
from cohort.dictionary.strict_yaml import Problem, did_you_mean, problems_error
from cohort.errors import MappingError
from cohort.registry.files import cell_text, frame_text
from cohort.registry.harmonize import harmonize_tables
from cohort.registry.plan import Place
from cohort.registry.planner import make_plan
from cohort.registry.source import Source


def check_examples(mapping: Mapping | str | Path, dictionary: Dictionary | None = None) -> int:
    """Harmonize the given rows of every example and compare with what is expected.

    Parameters
    ----------
    mapping : Mapping, str or Path
        A mapping, the name of a packaged one, or the path of its file.
    dictionary : Dictionary, optional
        The packaged one by default.

    Returns
    -------
    int
        Number of values that were compared.

    Raises
    ------
    MappingError
        With every difference at once, at the line of the expected value.
    """
    dictionary = dictionary or read_dictionary()
    known = mapping if isinstance(mapping, Mapping) else read_mapping(mapping, dictionary)
    checker = _Checker(known, dictionary)
    n = sum(checker.example(number, one) for number, one in enumerate(known.model.examples))
    if checker.problems:
        raise problems_error(checker.problems, MappingError, f"The examples of {known.file}")
    return n


class _Checker:
    """Runs examples and keeps the differences."""

    def __init__(self, mapping: Mapping, dictionary: Dictionary) -> None:
        self.mapping = mapping
        self.dictionary = dictionary
        self.plan = make_plan(mapping, dictionary)
        self.problems: list[Problem] = []

    def example(self, number: int, example: Example) -> int:
        """Run one example; return how many values were compared."""
        place: Place = ("examples", number)
        if example.table not in self.dictionary.tables:
            remedy = did_you_mean(example.table, self.dictionary.tables)
            self._problem((*place, "table"), f"unknown table {example.table!r}", remedy)
            return 0
        source = self._source(example, place)
        made = harmonize_tables(source, self.plan, self.dictionary, [example.table])
        found = made.tables[example.table]
        if len(found) != len(example.expect):
            what = f"{len(example.expect)} rows are expected, {len(found)} came out"
            self._problem((*place, "expect"), what, "list all rows, in the order of the source")
            return 0
        n = 0
        for row, expected in enumerate(example.expect):
            for name, value in expected.items():
                n += 1
                self._compare(found, row, name, value or "", (*place, "expect", row, name))
        return n

    def _source(self, example: Example, place: Place) -> Source:
        frames: dict[str, pd.DataFrame] = {}
        for name in self.mapping.model.inputs:
            needed = dict.fromkeys(column for _, one, column in self.plan.needed() if one == name)
            rows = [{key: value or "" for key, value in row.items()} for row in example.given.get(name, ())]
            columns = dict.fromkeys([*needed, *(key for row in rows for key in row)])
            frame = pd.DataFrame(rows, columns=list(columns), dtype=object).fillna("")
            frames[name] = frame_text(frame)
        for name in sorted(set(example.given) - set(frames)):
            self._problem((*place, "given", name), f"unknown input {name!r}", did_you_mean(name, frames))
        return Source(self.mapping.source, self.mapping, frames, ())

    def _compare(self, found: pd.DataFrame, row: int, name: str, expected: str, place: Place) -> None:
        if name not in found.columns:
            self._problem(place, f"unknown column {name!r}", did_you_mean(name, found.columns))
            return
        value = found[name].iloc[row]
        text = "" if pd.isna(value) else cell_text(value)
        if text != expected:
            self._problem(
                place, f"row {row + 1}: {name} is {text!r}, expected {expected!r}", "correct one of them"
            )

    def _problem(self, place: Place, message: str, remedy: str) -> None:
        line, column = self.mapping.locator(place)
        self.problems.append(Problem(self.mapping.file, line, column, message, remedy))
