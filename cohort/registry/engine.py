"""Runs compiled SQL on an embedded DuckDB that can reach nothing but the frames it is given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlglot import exp

from cohort.dictionary.expression_sql import SPACES

STATUSES = (
    "ok",
    "partial",
    "out_of_range",
    "unmapped",
    "unparsed",
    "no_unit",
    "missing:unknown",
    "missing:not_applicable",
    "missing:not_done",
    "missing:not_reported",
    "missing:blank",
    "missing:not_collected",
)
DIALECT = "duckdb"


class Engine(Protocol):
    """Where compiled queries run; every engine gives the same rows."""

    dialect: str

    def register(self, name: str, table: pa.Table) -> None:
        """Make a table available under a name."""

    def write(self, query: exp.Expression) -> str:
        """Write a query in the engine's SQL."""

    def run(self, query: str) -> pa.Table:
        """Run a query."""


class DuckDBEngine:
    """A locked DuckDB connection; use it in a ``with`` statement."""

    dialect = DIALECT

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:", config={"enable_external_access": "false"})
        self._connection.execute("SET enable_progress_bar=false")
        self._connection.execute("SET lock_configuration=true")

    def __enter__(self) -> DuckDBEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def register(self, name: str, table: pa.Table) -> None:
        """Make a table available under a name."""
        self._connection.register(name, table)

    def write(self, query: exp.Expression) -> str:
        """Write a query as readable text in DuckDB's SQL."""
        return query.sql(dialect=DIALECT, pretty=True, copy=False)

    def run(self, query: str) -> pa.Table:
        """Run a query."""
        return self._connection.sql(query).to_arrow_table()


def cells(frame: pd.DataFrame, names: Mapping[str, str]) -> pa.Table:
    """Make a table of the needed columns under their SQL names, spaces around texts removed, and a row number.

    Parameters
    ----------
    frame : DataFrame of shape (n, p)
        Text.
    names : mapping of str to str
        Source column to SQL name.
    """
    columns: dict[str, object] = {"__row": pa.array(np.arange(len(frame)))}
    for column, name in names.items():
        values = pa.array(frame[column].array, type=pa.string(), from_pandas=True)
        trimmed = pc.utf8_trim(values, characters=SPACES)
        columns[name] = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)
    return pa.table(columns)


@lru_cache(maxsize=512)
def category_dtype(labels: tuple[str, ...], ordered: bool = False) -> pd.CategoricalDtype:
    """Return the dtype of a coded variable."""
    return pd.CategoricalDtype(list(labels), ordered)


def categories(column: pa.ChunkedArray, labels: tuple[str, ...], ordered: bool = False) -> Any:
    """Make a categorical of a text column without a Python loop over rows."""
    encoded = pc.dictionary_encode(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0))
    position = {label: code for code, label in enumerate(labels)}
    table = np.array([position[text] for text in encoded.dictionary.to_pylist()] + [-1], dtype=np.int16)
    indices = pc.fill_null(encoded.indices, len(table) - 1).to_numpy(zero_copy_only=False)
    codes: NDArray[np.int16] = table[indices]
    return pd.Categorical.from_codes(codes, dtype=category_dtype(labels, ordered))
