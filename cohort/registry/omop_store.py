"""An OMOP CDM wherever it lies: a folder of files, a DuckDB file, or a PostgreSQL server; read only, as text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from sqlglot import exp

from cohort.dictionary.mapping_model import Input
from cohort.errors import SourceError
from cohort.registry.files import FileRecord, read_file

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".gz")
SERVERS = ("postgresql://", "postgres://")
MAX_VALUES = 50_000


class OmopStore(ABC):
    """Tables of a CDM by lower-case name, whatever the case of files, tables and columns.

    Attributes
    ----------
    tables : mapping of str to (str, mapping of str to str)
        Lower-case table name to its own name, and lower-case column names to theirs.
    records : tuple of FileRecord
        Files that were read so far.
    """

    def __init__(self, tables: Mapping[str, tuple[str, Mapping[str, str]]], dialect: str) -> None:
        self.tables = tables
        self.dialect = dialect
        self.records: list[FileRecord] = []

    def has(self, table: str) -> bool:
        """Whether the CDM has a table."""
        return table in self.tables

    def select(
        self,
        table: str,
        columns: Sequence[str],
        any_of: Mapping[str, Collection[str]] | None = None,
        persons: Collection[str] | None = None,
    ) -> pd.DataFrame:
        """Return rows as text.

        Parameters
        ----------
        table : str
            Lower-case name.
        columns : sequence of str
            Lower-case names; those that the table lacks are blank.
        any_of : mapping of str to collection of str, optional
            Keep rows where any of these columns holds one of the texts.
        persons : collection of str, optional
            Keep rows of these persons.

        Returns
        -------
        DataFrame
            Text; missing where NULL. Without rows when the CDM lacks the table.
        """
        if table not in self.tables or (any_of is not None and not any(any_of.values())):
            return pd.DataFrame({name: pd.Series(dtype="string") for name in columns})
        own = self.tables[table][1]
        made = [name for name in columns if name in own]
        query = exp.select(*(_as_text(own[name], name) for name in made)).from_(self.place(table))
        tests = [_in(own[name], values) for name, values in (any_of or {}).items() if name in own and values]
        if any_of is not None:
            query = query.where(exp.or_(*tests) if tests else exp.false())
        if persons is not None:
            query = query.where(_in(own["person_id"], persons))
        found = self.run(table, query.sql(dialect=self.dialect)).to_pandas(types_mapper=_text_type)
        text: pd.DataFrame = found.reindex(columns=list(columns)).astype("string")
        return text

    def place(self, table: str) -> exp.Table:
        """Return the table as the engine names it."""
        return exp.Table(this=exp.to_identifier(self.tables[table][0], quoted=True))

    @abstractmethod
    def run(self, table: str, query: str) -> pa.Table:
        """Run a query on one table."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""


def _text_type(kind: pa.DataType) -> Any:
    return pd.StringDtype("python") if pa.types.is_string(kind) or pa.types.is_large_string(kind) else None


def _as_text(column: str, name: str) -> exp.Expression:
    cast = exp.cast(exp.column(exp.to_identifier(column, quoted=True)), "TEXT")
    return exp.Alias(this=cast, alias=exp.to_identifier(name, quoted=True))


def _in(column: str, values: Collection[str]) -> exp.Expression:
    if len(values) > MAX_VALUES:
        raise SourceError(
            "More persons or concepts are looked for than one query can hold.",
            evidence=f"{len(values):,}, at most {MAX_VALUES:,}",
            remedy="make an extract of the CDM for the cohort first",
        )
    text = exp.cast(exp.column(exp.to_identifier(column, quoted=True)), "TEXT")
    return exp.In(this=text, expressions=[exp.Literal.string(one) for one in sorted(values)])


class _Folder(OmopStore):
    """Files of a folder, each read when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        files = [one for one in sorted(folder.iterdir()) if one.suffix.lower() in SUFFIXES]
        self._files = {one.name.split(".")[0].lower(): one for one in files}
        self._connection = duckdb.connect(":memory:", config={"enable_external_access": "false"})
        self._read: set[str] = set()
        super().__init__({name: (name, {}) for name in self._files}, "duckdb")

    def select(
        self,
        table: str,
        columns: Sequence[str],
        any_of: Mapping[str, Collection[str]] | None = None,
        persons: Collection[str] | None = None,
    ) -> pd.DataFrame:
        """Read the file, then select."""
        if table in self._files and table not in self._read:
            read = read_file(self._files[table], Input())
            blank = read.frame.astype("string").replace("", pd.NA)
            blank.columns = [str(name) for name in blank.columns]
            self._connection.register(table, pa.Table.from_pandas(blank, preserve_index=False))
            own = {name.lower(): name for name in blank.columns}
            self.tables = {**self.tables, table: (table, own)}
            self.records.append(read.record)
            self._read.add(table)
        return super().select(table, columns, any_of, persons)

    def run(self, table: str, query: str) -> pa.Table:
        """Run a query."""
        return self._connection.sql(query).to_arrow_table()

    def close(self) -> None:
        """Close."""
        self._connection.close()


class _DuckDBFile(OmopStore):
    """A DuckDB file, opened read-only and locked."""

    def __init__(self, file: Path) -> None:
        try:
            self._connection = duckdb.connect(
                str(file), read_only=True, config={"enable_external_access": "false"}
            )
            self._connection.execute("SET lock_configuration=true")
        except duckdb.Error as error:
            raise SourceError(
                "The DuckDB file cannot be opened.",
                evidence=f"{file.name}: {type(error).__name__}",
                remedy="check that it is a DuckDB file and that no other program writes to it",
            ) from None
        rows = self._connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns"
        ).fetchall()
        self._catalog = str(self._connection.execute("SELECT current_database()").fetchall()[0][0])
        self._schema, tables = _person_schema([(str(s), str(t), str(c)) for s, t, c in rows])
        super().__init__(tables, "duckdb")

    def place(self, table: str) -> exp.Table:
        """Name the table with its catalog and schema, which may have one name."""
        parts = (self.tables[table][0], self._schema, self._catalog)
        name, schema, catalog = (exp.to_identifier(one, quoted=True) for one in parts)
        return exp.Table(this=name, db=schema, catalog=catalog)

    def run(self, table: str, query: str) -> pa.Table:
        """Run a query."""
        return self._connection.sql(query).to_arrow_table()

    def close(self) -> None:
        """Close."""
        self._connection.close()


class _Postgres(OmopStore):
    """A PostgreSQL server through ADBC, in read-only transactions."""

    def __init__(self, url: str) -> None:
        try:
            import adbc_driver_postgresql.dbapi as adbc
        except ImportError:
            raise SourceError(
                "Reading from PostgreSQL needs its ADBC driver, which is not installed.",
                remedy='pip install "cart-cohort[omop]"',
            ) from None
        try:
            self._connection = adbc.connect(url)
            with self._connection.cursor() as cursor:
                cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
                cursor.execute(
                    "SELECT table_schema::text, table_name::text, column_name::text FROM information_schema.columns"
                )
                rows = cursor.fetchall()
            self._connection.commit()
        except adbc.Error as error:
            raise SourceError(
                "The PostgreSQL server cannot be read.",
                evidence=type(error).__name__,  # its message may hold the password of the address
                remedy="check the address postgresql://user@host:5432/database, the password and the rights",
            ) from None
        self._schema, tables = _person_schema([(str(s), str(t), str(c)) for s, t, c in rows])
        super().__init__(tables, "postgres")

    def place(self, table: str) -> exp.Table:
        """Name the table with its schema."""
        name, schema = (exp.to_identifier(one, quoted=True) for one in (self.tables[table][0], self._schema))
        return exp.Table(this=name, db=schema)

    def run(self, table: str, query: str) -> pa.Table:
        """Run a query."""
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()

    def close(self) -> None:
        """Close."""
        self._connection.close()


def _person_schema(rows: Sequence[tuple[str, str, str]]) -> tuple[str, dict[str, tuple[str, dict[str, str]]]]:
    """Return the schema that holds PERSON, and its tables; several such schemas are refused."""
    schemas = sorted({schema for schema, table, _ in rows if table.lower() == "person"})
    if len(schemas) > 1:
        raise SourceError(
            "Several schemas hold a table PERSON.",
            evidence=", ".join(schemas),
            remedy="connect as a user who sees one of them",
        )
    schema = schemas[0] if schemas else ""
    tables: dict[str, tuple[str, dict[str, str]]] = {}
    for own, table, column in rows:
        if own == schema:
            tables.setdefault(table.lower(), (table, {}))[1][column.lower()] = column
    return schema, tables


def open_omop(place: str | Path) -> OmopStore:
    """Open a CDM.

    Parameters
    ----------
    place : str or Path
        A folder of CSV or Parquet files named as the tables, a DuckDB file, or the address of a PostgreSQL server.

    Returns
    -------
    OmopStore
        Its tables.

    Raises
    ------
    SourceError
        When it cannot be opened, or has no table PERSON.
    """
    text = str(place)
    if text.startswith(SERVERS):
        store: OmopStore = _Postgres(text)
    elif Path(place).is_dir():
        store = _Folder(Path(place))
    elif Path(place).is_file():
        store = _DuckDBFile(Path(place))
    else:
        raise SourceError("The CDM does not exist.", evidence=Path(place).name[:80], remedy="check the path")
    if not store.has("person"):
        store.close()
        raise SourceError(
            "There is no table PERSON.",
            evidence=f"tables: {', '.join(sorted(store.tables)[:12]) or 'none'}",
            remedy="give the folder, file or schema of an OMOP CDM 5.3 or 5.4",
        )
    return store
