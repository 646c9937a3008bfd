"""The same compiled rules on DuckDB and on Spark: row-identical, status-identical, count-identical.

Spark needs Java; where there is none only the writing of the queries is tested.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp
from test_reference_evaluator import CELLS, MAPPING, ROWS, VARIABLES, reference

import cohort as co
from cohort.dictionary.expression_sql import cast, quoted, text
from cohort.errors import MappingError
from cohort.registry.spark_sql import to_spark

NEEDED = ("infusion",)
# Every function of the expression language, over texts that are hard to read.
FUNCTIONS = MAPPING.replace(
    'cell_dose_10e6: {derive: "case(number(CRP) > 10, number(AGE) / number(CRP), 7)", unit: "10*6"}',
    """cell_dose_10e6: {derive: "case(number(CRP) > 10, number(AGE) / number(CRP), 7)", unit: "10*6"}
      center_id: {derive: "concat(lower(trim(UNIT)), text(number(AGE) / 8), text(number(CRP)))"}
      ferritin_ng_ml: {derive: "max_of(abs(number(AGE)), log10(number(CRP) + 1), floor(number(CRP)))", unit: ng/mL}
      ldh_u_l: {from: CRP, unit: ukat/L}
      death_day: {derive: "days_between(date(DATE), add_days(date(LAST), number(SEX)))"}
      race: {derive: "case(has_code(SEX, '1', ';') or starts_with(SEX, '9') or contains(SEX, '0'), 'white', 'asian')"}
      product: {derive: "coalesce(UNIT, SEX)", recode: {l: axi-cel, d: tisa-cel, '1': liso-cel}}
      bridging_therapy: {derive: "is_missing(CRP) and not (year(date(DATE)) == 2024) or SEX in ('1', '2')"}""",
)


@pytest.fixture(scope="module")
def spark():
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def mapping(tmp_path_factory):
    def write(content):
        file = tmp_path_factory.mktemp("spark") / "site.yaml"
        file.write_text(content, encoding="utf-8")
        return file

    return write


def frame_of(rows):
    frame = pd.DataFrame([{"ID": f"p{number}", **row} for number, row in enumerate(rows)])
    return frame.astype("string").fillna("")


def drawn(n, seed=7):
    rng = np.random.default_rng(seed)
    choices = {name: rng.integers(0, len(texts), n) for name, texts in CELLS.items()}
    return [{name: texts[choices[name][i]] for name, texts in CELLS.items()} for i in range(n)]


def same(one, other):
    """Compare registries: every table, and every count; the SQL differs by dialect."""
    for name in one.tables:
        pd.testing.assert_frame_equal(one.tables[name], other.tables[name], check_exact=True)
    for name in ("unmapped", "rules", "limits", "conflicts"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    audits = [r.audit[r.audit["item"] != "sql_sha256"].reset_index(drop=True) for r in (one, other)]
    pd.testing.assert_frame_equal(*audits)


def test_drawn_rows_are_the_same_and_as_the_reference_says(spark, mapping):
    rows = drawn(600)
    source = co.read_source(frame_of(rows), source=mapping(MAPPING))
    made = co.harmonize(source, engine=spark)
    same(co.harmonize(source), made)
    columns = {name: made.infusion[name].tolist() for one in VARIABLES for name in (one, f"{one}__status")}
    for number, row in enumerate(rows):
        for variable, (value, status) in reference(row).items():
            assert columns[f"{variable}__status"][number] == status, (variable, row)
            ours = columns[variable][number]
            assert pd.isna(ours) if value is None else ours == value, (variable, row)


@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_generated_rows_are_the_same(spark, mapping, rows):
    source = co.read_source(frame_of(rows), source=mapping(MAPPING))
    same(co.harmonize(source), co.harmonize(source, engine=spark))


def test_every_function_of_the_language_gives_the_same(spark, mapping):
    source = co.read_source(frame_of(drawn(500, seed=8)), source=mapping(FUNCTIONS))
    same(co.harmonize(source), co.harmonize(source, engine=spark))


def test_simulated_registries_are_the_same(spark, tmp_path):
    """Unpivoted columns, sequences, laboratory units by analyte, partial dates, several blocks of one table."""
    made = co.simulate_registries(n=40, seed=3, folder=tmp_path)
    source = co.read_source(made.sources["sim_cibmtr"], source="sim_cibmtr")
    same(co.harmonize(source), co.harmonize(source, engine=spark))


def test_settings_of_a_given_session_are_put_back(spark, mapping):
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    spark.conf.set("spark.sql.ansi.enabled", "false")
    source = co.read_source(frame_of(drawn(5)), source=mapping(MAPPING))
    same(co.harmonize(source), co.harmonize(source, engine=spark))
    assert spark.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo"
    assert spark.conf.get("spark.sql.ansi.enabled") == "false"
    assert [view.name for view in spark.catalog.listTables()] == []


def test_the_block_of_the_document_runs(spark, mapping):
    source = co.read_source(frame_of(drawn(5)), source=mapping(MAPPING))
    text = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    known = {"co": co, "sources": [source], "session": spark}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, known)
    same(co.harmonize(source), known["registry"])


def test_queries_in_spark_keep_what_could_be_lost():
    tree = exp.select(cast(quoted("a b"), "DOUBLE")).from_("t").order_by(quoted("a b"))
    layered = exp.select("*").from_("one").with_("one", as_=tree, materialized=True)
    written = to_spark(layered)
    assert "TRY_CAST(`a b` AS DOUBLE)" in written  # a plain CAST would end the job at the first text
    assert "NULLS LAST" in written
    assert "MATERIALIZED" not in written
    assert "MATERIALIZED" in layered.sql("duckdb")  # the tree itself is not changed


@given(st.text(alphabet="ab'\"\\`%_.$[]\n ", max_size=8))
def test_texts_are_escaped(value):
    """A text of a mapping is a literal of the query and nothing else; here parsed back by another reader."""
    import sqlglot

    written = to_spark(exp.select(text(value)).from_("t"))
    literal = sqlglot.parse_one(written, dialect="spark").expressions[0]
    assert isinstance(literal, exp.Literal)
    assert literal.this == value


def test_the_remedy_is_named(mapping):
    source = co.read_source(frame_of(drawn(2)), source=mapping(MAPPING))
    with pytest.raises(MappingError, match="engine='spark'"):
        co.harmonize(source, engine="dask")
