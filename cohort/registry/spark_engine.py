"""Runs the compiled rules on Apache Spark: a session that is given, or one made on this machine."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from cohort.errors import MappingError
from cohort.registry.spark_sql import to_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.caseSensitive": "false",
}


class SparkEngine:
    """Runs queries on a Spark session; use it in a ``with`` statement.

    Parameters
    ----------
    session : SparkSession, optional
        The session to run on; by default the active one, or a new local one, which then stays for the next call. Its
        settings are put back afterwards.

    Raises
    ------
    MappingError
        When pyspark is not installed, is too old, or no session can be started.
    """

    dialect = "spark"

    def __init__(self, session: SparkSession | None = None) -> None:
        self._session = _local() if session is None else session
        self._views: list[str] = []
        self._before = {name: self._session.conf.get(name, None) for name in _SETTINGS}
        for name, value in _SETTINGS.items():
            self._session.conf.set(name, value)

    def __enter__(self) -> SparkEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._views:
            self._session.catalog.dropTempView(name)
        for name, value in self._before.items():
            if value is None:
                self._session.conf.unset(name)
            else:
                self._session.conf.set(name, value)

    def register(self, name: str, table: pa.Table) -> None:
        """Make a table available under a name."""
        self._session.createDataFrame(table).createOrReplaceTempView(name)
        self._views.append(name)

    def write(self, query: exp.Expression) -> str:
        """Write a query in Spark SQL."""
        return to_spark(query)

    def run(self, query: str) -> pa.Table:
        """Run a query."""
        return self._session.sql(query).toArrow()


def is_session(engine: object) -> bool:
    """Tell whether an engine is a Spark session, without importing pyspark."""
    return any(one.__name__ == "SparkSession" for one in type(engine).__mro__)


def _local() -> Any:
    """Return the active session, or start one on this machine."""
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise MappingError(
            'engine="spark" needs pyspark, which is not installed.',
            remedy='pip install "cart-cohort[spark]" (and Java 17), or leave engine= out for DuckDB',
        ) from None
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    try:
        return (
            SparkSession.builder.master("local[*]")
            .appName("cohort")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "4")
            .getOrCreate()
        )
    except (PySparkException, OSError) as error:
        raise MappingError(
            "Spark could not be started.",
            evidence=type(error).__name__,
            remedy="install Java 17 and set JAVA_HOME, or pass a session: harmonize(..., engine=spark)",
        ) from None
