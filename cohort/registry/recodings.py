"""What each code of a source became: one row per code, with how often it stands in the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from cohort.dictionary.mapping_model import Block, Rule
from cohort.registry.source import Source

COLUMNS = ["source", "table", "variable", "source_column", "code", "category", "n"]


def recodings(sources: Iterable[Source]) -> pd.DataFrame:
    """List every code that a mapping recodes, and how often the source writes it.

    Parameters
    ----------
    sources : iterable of Source
        Sources as read.

    Returns
    -------
    DataFrame
        Columns ``source, table, variable, source_column, code, category, n``; the number counts cells of the
        source's column before any row is left out. Several spellings of one category stand below each other.
    """
    rows = [row for source in sources for row in _of_source(source)]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    order = ["source", "table", "variable", "category", "code"]
    return frame.drop_duplicates().sort_values(order, ignore_index=True)


def _of_source(source: Source) -> Iterator[tuple[str, str, str, str, str, str, int]]:
    model = source.mapping.model
    for table, mapping in model.tables.items():
        for block in mapping.blocks or (mapping,):
            frame = source.frames[_input_of(source, block, mapping)]
            for variable, rule in {**mapping.rules, **block.rules}.items():
                for column, recode in _recodes(rule, model.recodes):
                    if column in frame.columns:
                        counts = frame[column].astype("string").str.strip().value_counts()
                        for code, category in recode.items():
                            n = int(counts.get(code, 0))
                            yield source.name, table, variable, column, code, category, n


def _input_of(source: Source, block: Block, mapping: Block) -> str:
    return block.input or mapping.input or next(iter(source.frames))


def _recodes(rule: Rule, named: dict[str, dict[str, str]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the source column and the recoding of a rule, and of the parts of its ``coalesce``."""
    for one in (rule, *rule.coalesce):
        recode = named.get(one.recode, {}) if isinstance(one.recode, str) else one.recode
        if one.source is not None and recode:
            yield one.source, recode


def spellings(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the categories that a source writes in more than one way, in words.

    Codes without letters, and codes that the source never writes, are left out.

    Parameters
    ----------
    frame : DataFrame
        From `recodings`.

    Returns
    -------
    DataFrame
        The rows of those categories.
    """
    written = frame[(frame["n"] > 0) & frame["code"].str.contains("[A-Za-z]", regex=True)]
    groups = written.groupby(["source", "table", "variable", "category"], observed=True)["code"]
    return written[groups.transform("nunique") > 1].reset_index(drop=True)
