"""The embedded database reaches nothing but the frames it is given."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from cohort.registry.engine import DuckDBEngine


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT content FROM read_text('{file}')",
        "SELECT content FROM read_blob('{file}')",
        "SELECT * FROM read_json('{file}')",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT (SELECT content FROM read_text('{file}')) AS stolen FROM cells",
        "COPY cells TO '{folder}/out.csv'",
        "COPY (SELECT 1) TO '{folder}/out.parquet' (FORMAT parquet)",
        "EXPORT DATABASE '{folder}/out'",
        "IMPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/out.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "INSTALL postgres",
        "SELECT * FROM read_csv('https://example.org/a.csv')",
        "CREATE SECRET (TYPE s3)",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET allowed_directories = ['{folder}']",
        "RESET lock_configuration",
        "SET memory_limit = '1MB'",
        "SELECT getenv('HOME')",
        "SELECT * FROM outside",
    ],
)
def test_the_engine_reaches_no_file_network_or_variable(tmp_path, query):
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    outside = pa.table({"a": [1]})
    before = sorted(tmp_path.iterdir())
    with DuckDBEngine() as engine:
        engine.register("cells", outside)
        assert engine.run("SELECT count(*) AS n FROM cells").to_pylist() == [{"n": 1}]
        written = query.format(file=file, folder=tmp_path)
        with pytest.raises(duckdb.Error):
            engine.run(written)
    assert sorted(tmp_path.iterdir()) == before
