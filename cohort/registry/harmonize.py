"""Harmonizes sources: every block compiled once to SQL, every row counted, every value with a status."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from cohort.dictionary.facts import declare_facts
from cohort.dictionary.read import Dictionary, Table, Variable, read_dictionary
from cohort.errors import MappingError, SourceError
from cohort.registry.column_use import planned_use
from cohort.registry.declared_missing import with_declared
from cohort.registry.engine import (
    DIALECT,
    STATUSES,
    DuckDBEngine,
    Engine,
    categories,
    category_dtype,
    cells,
)
from cohort.registry.limits import LIMIT_COLUMNS, at_limits
from cohort.registry.merge_rows import merge_rows
from cohort.registry.plan import BlockPlan, Plan, RulePlan
from cohort.registry.planner import make_plan
from cohort.registry.registry import Registry
from cohort.registry.source import Source
from cohort.registry.spark_engine import SparkEngine, is_session
from cohort.registry.sql_block import UNREAD, BlockSql, output_columns, sql_names

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

AUDIT_COLUMNS = ("source", "table", "block", "item", "variable", "value", "n")
UNMAPPED_COLUMNS = ("source", "table", "variable", "source_column", "status", "value", "n")
RULE_COLUMNS = (
    "source",
    "table",
    "block",
    "variable",
    "source_column",
    "status",
    "detail",
    "note",
    "confirmed",
)
_HIDDEN = ("id", "free_text")


def harmonize(
    sources: Source | Iterable[Source],
    dictionary: Dictionary | None = None,
    engine: Literal["duckdb", "spark"] | SparkSession = "duckdb",
) -> Registry:
    """Make one registry of several sources.

    Nothing is dropped or guessed: a value without a rule, unreadable, impossible or without a unit is missing with
    a status that says so, and every row left out is counted in ``audit``. Rows of a source that agree in every
    mapped value are one row (counted as ``identical``); rows with one key and different values are all kept and
    listed in ``conflicts``.

    Parameters
    ----------
    sources : Source or iterable of Source
        From `read_source`; the order is the precedence when a patient is in several.
    dictionary : Dictionary, optional
        The packaged one by default.
    engine : {'duckdb', 'spark'} or SparkSession, default='duckdb'
        What runs the compiled rules: embedded DuckDB, or Apache Spark, on the session given, the active one, or a
        local one. The rows are the same.

    Returns
    -------
    Registry
        Nine canonical tables, always all of them, with audit, unmapped values, conflicts and quality.

    Raises
    ------
    MappingError
        A mapping does not fit the dictionary, two sources have one name, the engine is unknown, or Spark is not
        installed.
    """
    given = [sources] if isinstance(sources, Source) else list(sources)
    names = [one.name for one in given]
    if not given or len(set(names)) < len(names):
        raise MappingError(
            "No source was given." if not given else "Two sources have one name.",
            evidence=", ".join(names),
            remedy="give sources from read_source, each with its own source: in the mapping",
        )
    dictionary = dictionary or read_dictionary()
    plans = [with_declared(make_plan(one.mapping, dictionary), one.labels) for one in given]
    runs = [_Run(source, plan, dictionary) for source, plan in zip(given, plans, strict=True)]
    with _engine(engine) as connection:
        for run in runs:
            run.all(connection)
    return _gather(runs, dictionary)


def _engine(engine: object) -> DuckDBEngine | SparkEngine:
    """Open the engine that was asked for."""
    if engine == DIALECT:
        return DuckDBEngine()
    if engine == "spark" or is_session(engine):
        return SparkEngine(None if engine == "spark" else cast("SparkSession", engine))
    raise MappingError(
        f"There is no engine {str(engine)[:40]!r}.",
        remedy="leave engine= out for DuckDB, or write engine='spark', or pass a SparkSession",
    )


def harmonize_tables(source: Source, plan: Plan, dictionary: Dictionary, tables: Collection[str]) -> Registry:
    """Make some tables of one source, and the infusions that their days need; the others stay empty."""
    run = _Run(source, plan, dictionary, only=frozenset({"infusion", *tables}))
    with DuckDBEngine() as connection:
        run.all(connection)
    return _gather([run], dictionary)


def _gather(runs: Sequence[_Run], dictionary: Dictionary) -> Registry:
    tables = {}
    for name, table in dictionary.tables.items():
        parts = [frame for run in runs for frame in run.frames.get(name, [])] or [_empty(table, dictionary)]
        frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        tables[name] = declare_facts(frame, dictionary.facts(name))
    return Registry(
        tables=MappingProxyType(tables),
        dictionary=dictionary,
        sources=tuple(run.source.name for run in runs),
        unmapped=pd.DataFrame([row for run in runs for row in run.unmapped], columns=list(UNMAPPED_COLUMNS)),
        audit=pd.DataFrame([row for run in runs for row in run.audit], columns=list(AUDIT_COLUMNS)),
        rules=pd.DataFrame([row for run in runs for row in run.rules], columns=list(RULE_COLUMNS)),
        sql=MappingProxyType({key: text for run in runs for key, text in run.sql.items()}),
        limits=pd.DataFrame([row for run in runs for row in run.limits], columns=list(LIMIT_COLUMNS)),
    )


@dataclass
class _Run:
    """Harmonizes one source."""

    source: Source
    plan: Plan
    dictionary: Dictionary
    frames: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    audit: list[tuple[object, ...]] = field(default_factory=list)
    unmapped: list[tuple[object, ...]] = field(default_factory=list)
    rules: list[tuple[object, ...]] = field(default_factory=list)
    limits: list[tuple[object, ...]] = field(default_factory=list)
    sql: dict[tuple[str, str, int], str] = field(default_factory=dict)
    only: frozenset[str] = frozenset()

    @property
    def blocks(self) -> list[BlockPlan]:
        """The blocks to run; all, unless some tables alone are wanted."""
        return [block for block in self.plan.blocks if not self.only or block.table.name in self.only]

    def all(self, engine: Engine) -> None:
        """Run every block, infusions first."""
        self._hashes()
        engine.register("infusions", _infusions([]))
        for block in self.blocks:
            if block.table.name != "infusion" and "infusions_done" not in self.frames:
                self.frames["infusions_done"] = []
                engine.register("infusions", _infusions(self.frames.get("infusion", [])))
            self._block(engine, block)
        self.frames.pop("infusions_done", None)
        for name in dict.fromkeys(block.table.name for block in self.blocks):
            self._collapse(name)
        for table, note in self.plan.not_collected.items():
            for variable in self.dictionary.tables[table].variables.values():
                if not variable.schema.set_by:
                    row = (self.source.name, table, 0, variable.name, "")
                    self.rules.append((*row, "impossible", "unavailable", note, True))

    def _note(self, table: str, block: int | str, item: str, variable: str, value: str, n: int) -> None:
        self.audit.append((self.source.name, table, str(block), item, variable, value, n))

    def _hashes(self) -> None:
        for file in self.source.files:
            self._note("", "", "input_sha256", file.name, file.sha256, file.n)
        for use, n in planned_use(self.source, self.plan)["use"].value_counts().sort_index().items():
            self._note("", "", "columns", "", str(use), int(n))
        for note in self.source.notes:
            self._note("", "", "note", "", note, 1)
        self._note("", "", "mapping_sha256", self.source.mapping.file, self.source.mapping.sha256, 1)
        self._note("", "", "dictionary_sha256", self.dictionary.version, self.dictionary.sha256, 1)

    def _block(self, engine: Engine, block: BlockPlan) -> None:
        frame = self.source.frames[block.input]
        absent = [column for column in block.columns if column not in frame.columns]
        if absent:
            raise SourceError(
                f"The source {self.source.name} lacks columns that its mapping needs.",
                evidence=", ".join(absent),
            )
        names = sql_names([*block.columns, *block.new_columns])
        name = f"{block.input}_{block.table.name}_{block.number}"
        engine.register(name, cells(frame, {column: names[column] for column in block.columns}))
        compiled = BlockSql(block, self.plan, self.dictionary, name, "infusions")
        key = (self.source.name, block.table.name, block.number)
        self.sql[key] = engine.write(compiled.rows())
        result = engine.run(self.sql[key])
        made = _to_frame(result, block, self.source.name, self.dictionary.analyte_units)
        self._count(engine, compiled, len(frame), len(made))
        digest = hashlib.sha256(self.sql[key].encode()).hexdigest()
        self._note(block.table.name, block.number, "sql_sha256", "", digest, 1)
        self._statuses(engine, compiled, made)
        self.limits += at_limits(self.source.name, block, made)
        self.frames.setdefault(block.table.name, []).append(made)

    def _count(self, engine: Engine, compiled: BlockSql, n_in: int, n_out: int) -> None:
        block = compiled.block
        row = engine.run(engine.write(compiled.counts())).to_pylist()[0]
        table = block.table.name
        self._note(table, block.number, "rows", "", "in the input", n_in)
        if block.unpivot is not None:
            self._note(table, block.number, "rows", "", "after unpivot", row["rows"])
        if block.where is not None:
            self._note(table, block.number, "rows", "", "left out: where is false", row["where_false"])
            self._note(table, block.number, "rows", "", "left out: where is missing", row["where_missing"])
        self._note(table, block.number, "rows", "", "left out: no patient_id", row["kept"] - n_out)

    def _statuses(self, engine: Engine, compiled: BlockSql, made: pd.DataFrame) -> None:
        block = compiled.block
        unread: list[RulePlan] = []
        for name, rule in block.rules.items():
            label = "; ".join(dict.fromkeys(leaf.label for leaf in rule.leaves if leaf.label))
            row = (self.source.name, block.table.name, block.number, name, label)
            self.rules.append((*row, rule.status, rule.detail, rule.note, rule.confirmed))
            codes = made[f"{name}__status"].cat.codes.to_numpy()
            for code, n in enumerate(np.bincount(codes, minlength=len(STATUSES))):
                if n:
                    self._note(block.table.name, block.number, "status", name, STATUSES[code], int(n))
                    if STATUSES[code] in UNREAD and rule not in unread:
                        unread.append(rule)
        if unread:
            self._texts(engine, compiled, unread)

    def _texts(self, engine: Engine, compiled: BlockSql, rules: Sequence[RulePlan]) -> None:
        """List the texts without a rule; of identifiers, free text and dates only how many there are."""
        hidden = {
            rule.variable.name
            for rule in rules
            if rule.variable.schema.role in _HIDDEN
            or rule.variable.kind == "date"
            or any(leaf.since for leaf in rule.leaves)
        }
        counts: dict[tuple[str, str, str, str], int] = {}
        for row in engine.run(engine.write(compiled.texts(rules))).to_pylist():
            shown = row["variable"] not in hidden and row["value"] is not None
            value = str(row["value"])[:60] if shown else ""
            key = (row["variable"], row["source_column"], row["status"], value)
            counts[key] = counts.get(key, 0) + row["n"]
        for key, n in counts.items():
            self.unmapped.append((self.source.name, compiled.block.table.name, *key, n))

    def _collapse(self, name: str) -> None:
        """Make one row of rows that agree in every mapped value."""
        frames = self.frames[name]
        whole = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        table = self.dictionary.tables[name]
        meant = all(block.distinct for block in self.plan.blocks if block.table.name == name)
        again = _repeated(whole, table)
        if again.any():
            whole = whole[~again].reset_index(drop=True)
        what = "left out: repeated on purpose (distinct)" if meant else "left out: identical to another row"
        self._note(name, "", "rows", "", what, int(again.sum()))
        if name in self.plan.merges:
            whole, merged, apart = merge_rows(whole, table, self.plan.merges[name])
            self._note(name, "", "rows", "", "left out: merged with a row of its key", merged)
            self._note(name, "", "rows", "", "kept apart: rows of one key disagree", apart)
        self._note(name, "", "rows", "", "out", len(whole))
        self.frames[name] = [whole]


def _repeated(frame: pd.DataFrame, table: Table) -> pd.Series:
    """Mark rows that repeat an earlier row in every column; only rows that share a key are looked at closely."""
    order = [name for name, one in table.variables.items() if one.schema.role == "order"]
    same_key = frame.duplicated(list(table.primary_key), keep=False)
    again = pd.Series(False, index=frame.index)
    if same_key.any():
        close = frame[same_key]
        told = [name for name in frame.columns if name.split("__")[0] not in order]
        again[close.index] = close.duplicated(told)
    return again


def _infusions(frames: Sequence[pd.DataFrame]) -> pa.Table:
    """Return the first and last day that each infusion can have taken place."""
    columns = ["patient_id", "infusion_number", "infusion_date__from", "infusion_date__to"]
    whole = pd.concat([frame[columns] for frame in frames]) if frames else pd.DataFrame(columns=columns)
    grouped = whole.dropna(subset=columns).groupby(["patient_id", "infusion_number"], sort=True)
    spans = grouped.agg(start=("infusion_date__from", "min"), stop=("infusion_date__to", "max")).reset_index()
    return pa.table(
        {
            "__patient_id": pa.array(spans["patient_id"].astype(object), pa.string()),
            "__infusion_number": pa.array(spans["infusion_number"].astype(object), pa.int64()),
            "__infusion_from": pa.array(pd.to_datetime(spans["start"]).dt.date, pa.date32()),
            "__infusion_to": pa.array(pd.to_datetime(spans["stop"]).dt.date, pa.date32()),
        }
    )


def _to_frame(result: pa.Table, block: BlockPlan, source: str, units: Mapping[str, str]) -> pd.DataFrame:
    """Give the result the column order and dtypes of the dictionary; add what the source cannot give."""
    n = result.num_rows
    columns: dict[str, Any] = {}
    for variable in block.table.variables.values():
        if variable.schema.set_by == "harmonize":
            columns[variable.name] = pd.array([source] * n, dtype=pd.StringDtype("python"))
            continue
        if variable.schema.set_by:
            columns[variable.name] = _unit_of(columns[variable.schema.set_by], units)
            continue
        given = bool(block.rules[variable.name].leaves)
        for name in output_columns(variable):
            column = result.column(name) if given else None
            columns[name] = _typed(column, variable, n, name.endswith("__status"))
    return pd.DataFrame(columns)


def _unit_of(codes: pd.Categorical, units: Mapping[str, str]) -> Any:
    """Return the unit of each row's analyte."""
    table = np.array([*(units.get(str(one), "") for one in codes.categories), None], dtype=object)
    return pd.array(table[codes.codes], dtype=pd.StringDtype("python"))


def _typed(column: pa.ChunkedArray | None, variable: Variable, n: int, is_status: bool) -> Any:
    """Return a column in the dtype of the dictionary; None for a column that the source cannot give."""
    if is_status or variable.kind == "coded":
        labels = STATUSES if is_status else variable.codes
        ordered = variable.ordered and not is_status
        if column is not None:
            return categories(column, labels, ordered)
        codes = np.full(n, STATUSES.index("missing:not_collected") if is_status else -1, dtype=np.int8)
        return pd.Categorical.from_codes(codes, dtype=category_dtype(labels, ordered))
    if column is None:
        return _nothing(variable, n)
    if variable.kind == "integer":
        return column.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get).array
    if variable.kind == "date":
        return column.cast(pa.timestamp("ns")).to_pandas().array
    if variable.kind == "string":
        return column.to_pandas(types_mapper={pa.string(): pd.StringDtype("python")}.get).array
    return column.to_pandas().to_numpy(dtype=float)


def _nothing(variable: Variable, n: int) -> Any:
    if variable.kind == "integer":
        return pd.arrays.IntegerArray(np.zeros(n, dtype=np.int64), np.ones(n, dtype=bool))
    if variable.kind == "date":
        return np.full(n, np.datetime64("NaT", "ns"))
    if variable.kind == "string":
        return pd.array(np.full(n, None, dtype=object), dtype=pd.StringDtype("python"))
    return np.full(n, np.nan)


def _empty(table: Table, dictionary: Dictionary) -> pd.DataFrame:
    """Return the table without rows."""
    rules = {one.name: RulePlan(one, (), "impossible") for one in table.variables.values()}
    block = BlockPlan(table, "", 0, None, False, None, rules)
    return _to_frame(pa.table({"__row": pa.array([], pa.int64())}), block, "", dictionary.analyte_units)
