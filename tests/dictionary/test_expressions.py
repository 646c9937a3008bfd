"""The expression language: what it refuses, its three truth values, and the same result on frame and SQL."""

from __future__ import annotations

import math

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.dictionary.expressions import column_kinds, compile_sql, evaluate, parse_expression
from cohort.errors import MappingError, StudyError

KINDS = {"a": "text", "b": "number", "d": "text", "list of": "text"}
CONNECTION = duckdb.connect()
ATTACKS = [
    "__import__('os').system('id')",
    "().__class__.__bases__",
    "a.to_csv('x')",
    "a[0]",
    "lambda: 1",
    "[x for x in (1, 2)]",
    "{'a': 1}",
    "(b := 1)",
    "exec('1')",
    "getattr(a, 'b')",
    "b ** 9",
    "f'{a}'",
    "open('/etc/passwd')",
    "a if b else d",
    "b << 2",
    "number(*a)",
    "number(x=a)",
    "a == b'x'",
    "select('x')",
    "b @ b",
    "b; b",
    "b == 1j",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_attacks_are_refused(text):
    with pytest.raises(MappingError):
        parse_expression(text, KINDS)


@pytest.mark.parametrize(
    "text", ["(" * 300 + "b" + ")" * 300, "+".join(["b"] * 300), "b" * 5000, "", "a == 'x\0'"]
)
def test_oversized_and_broken_expressions_are_refused(text):
    with pytest.raises(MappingError):
        parse_expression(text, KINDS)


def test_deep_nesting_cannot_blow_up_the_compiled_tree():
    text = "b"
    for _ in range(12):
        text = f"number(text({text}))"
    with pytest.raises(MappingError, match="deeply"):
        parse_expression(text, KINDS)
    chain = parse_expression("+".join(["b"] * 100), KINDS)
    assert len(compile_sql(chain).sql("duckdb")) < 10_000


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("aa == 'x'", "did you mean 'a'"),
        ("a == 1", "quotes around the value, or read the column with number"),
        ("a + 1 > 2", "number(...)"),
        ("a == missing", "is missing"),
        ("a is None", "is missing"),
        ("a = 'x'", "use == for equality"),
        ("nummer(a) > 1", "did you mean 'number'"),
        ("case(a == 'x', 'y')", "case(condition, value, ..., default)"),
        ("case(a == 'x', 'y', 1)", "one kind"),
        ("date(d, 'dd/mm/yy') == d", "four digits"),
        ("a in 'x'", "x in ('a', 'b')"),
    ],
)
def test_refusals_say_what_to_write(text, remedy):
    with pytest.raises(StudyError) as caught:
        parse_expression(text, KINDS, error=StudyError)
    assert remedy in str(caught.value)


FRAME = pd.DataFrame(
    {
        "a": ["1", "2", None, "x"],
        "b": [1.0, None, 3.0, 0.0],
        "d": ["2020-01-31", "2020-02-30", None, "2021-05-06"],
        "list of": ["p; q", "q", None, "pq"],
    }
)
NA = None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a == '1'", [True, False, NA, False]),
        ("a != '1'", [False, True, NA, True]),
        ("not (a == '1')", [False, True, NA, True]),
        ("a not in ('1', 'x')", [False, True, NA, False]),
        ("a == '1' or b > 2", [True, NA, True, False]),
        ("a == '1' and b > 2", [False, False, NA, False]),
        ("0 < b <= 1", [True, NA, False, False]),
        ("a is missing", [False, False, True, False]),
        ("b is not missing", [True, False, True, True]),
        ("number(a) + b * 2", [3.0, NA, NA, NA]),
        ("b / b", [1.0, NA, 1.0, NA]),
        ("-b", [-1.0, NA, -3.0, 0.0]),
        # a missing condition gives missing, not the default
        ("case(number(a) > 1, 'big', 'small')", ["small", "big", NA, NA]),
        ("case(a is missing, 'none', b > 2, 'big', 'rest')", ["rest", NA, "none", "rest"]),
        ("coalesce(number(a), b)", [1.0, 2.0, 3.0, 0.0]),
        ("min_of(number(a), b)", [1.0, 2.0, 3.0, 0.0]),
        ("max_of(number(a), b)", [1.0, 2.0, 3.0, 0.0]),
        ("log10(b)", [0.0, NA, math.log10(3), NA]),
        ("floor(-b / 2)", [-1.0, NA, -2.0, 0.0]),
        ("text(b / 2)", ["0.5", NA, "1.5", "0"]),
        ("concat(a, '-', d)", ["1-2020-01-31", "2-2020-02-30", NA, "x-2021-05-06"]),
        ("has_code(column('list of'), 'q')", [True, True, NA, False]),
        ("contains(d, '05') or starts_with(d, '2020-02')", [False, True, NA, True]),
        # 30 February is no day
        ("days_between(date('2020-01-01'), date(d))", [30.0, NA, NA, 491.0]),
        ("year(add_days(date(d), -31))", [2019.0, NA, NA, 2021.0]),
        ("clock('2020-01-01 12:30')", ["12:30"] * 4),
        ("missing", [NA] * 4),
    ],
)
def test_hand_worked_results_on_frame_and_sql(text, expected):
    expression = parse_expression(text, KINDS)
    assert [None if pd.isna(one) else one for one in evaluate(expression, FRAME)] == expected
    assert _by_sql(text, FRAME) == expected


def _by_sql(text, frame):
    query = compile_sql(parse_expression(text, KINDS)).sql("duckdb")
    rows = [tuple(None if pd.isna(one) else one for one in row) for row in frame.to_numpy(dtype=object)]
    values = ", ".join(f"({i}, {', '.join(_literal(one) for one in row)})" for i, row in enumerate(rows))
    table = f'(VALUES {values}) AS t(i, a, b, d, "list of")'
    columns = 'i, a::TEXT AS a, b::DOUBLE AS b, d::TEXT AS d, "list of"::TEXT AS "list of"'
    found = CONNECTION.execute(f"SELECT {query} FROM (SELECT {columns} FROM {table}) ORDER BY i")
    return [row[0] for row in found.fetchall()]


def _literal(value):
    if value is None:
        return "NULL"
    return repr(float(value)) if isinstance(value, float) else "'" + value.replace("'", "''") + "'"


def test_index_and_dtypes_of_the_result():
    frame = FRAME.set_index(pd.Index([10, 20, 30, 40]))
    for text, dtype in [
        ("b > 1", "boolean"),
        ("b + 1", "Float64"),
        ("lower(a)", "string"),
        ("date(d)", "datetime64[ns]"),
    ]:
        result = evaluate(parse_expression(text, KINDS), frame)
        assert result.index.equals(frame.index)
        assert str(result.dtype) == dtype


def test_categories_are_compared_in_their_order_and_checked():
    grades = pd.Categorical(["alert", "voice", None], ["alert", "voice", "tactile"], ordered=True)
    frame = pd.DataFrame({"loc": grades, "sex": pd.Categorical(["male", "female", "male"])})
    kinds = column_kinds(frame)
    assert evaluate(parse_expression("loc >= 'voice'", kinds), frame).tolist()[:2] == [False, True]
    with pytest.raises(MappingError, match="no category 'vioce'"):
        evaluate(parse_expression("loc == 'vioce'", kinds), frame)
    with pytest.raises(MappingError, match="without an order"):
        evaluate(parse_expression("sex > 'female'", kinds), frame)


def test_every_kind_of_frame_column_is_understood():
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None], dtype="Int64"),
            "flag": pd.array([True, None], dtype="boolean"),
            "day": pd.to_datetime(["2020-01-01", None]),
            "mixed": [1, None],
        }
    )
    kinds = column_kinds(frame)
    for text in ("whole == 1", "flag", "day < date('2021-01-01')", "mixed == 1"):
        result = evaluate(parse_expression(text, kinds), frame)
        assert bool(result.iloc[0])
        assert result.isna().tolist() == [False, True]


_NUMBERS = st.sampled_from(["b", "number(a)", "1", "2.5", "0", "days_between(date(d), date('2020-03-01'))"])
_WHOLE = st.recursive(
    _NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, inner).map(lambda p: f"coalesce({p[0]}, {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"max_of({p[0]}, {p[1]})"),
    ),
    max_leaves=4,
)
_TESTS = st.recursive(
    st.one_of(
        st.tuples(_WHOLE, st.sampled_from(["<", "<=", "==", "!=", ">", ">="]), _WHOLE).map(" ".join),
        st.sampled_from(
            ["a in ('1', 'x')", "a is missing", "a == 'x'", "has_code(d, '2020-01-31')", "d > a"]
        ),
    ),
    lambda inner: st.one_of(
        inner.map(lambda one: f"(not ({one}))"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"(({p[0]}) {p[1]} ({p[2]}))"),
        st.tuples(inner, inner, inner).map(lambda p: f"case({p[0]}, {p[1]}, {p[2]})"),
    ),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=_TESTS, data=st.data())
def test_frame_and_sql_agree_on_generated_expressions(text, data):
    cells = st.tuples(
        st.sampled_from(["1", "2", "x", "-3.5", "", None]),
        st.one_of(st.none(), st.floats(-100, 100).map(lambda one: round(one, 2))),
        st.sampled_from(["2020-01-31", "2020-02-30", "x", None]),
        st.none(),
    )
    rows = data.draw(st.lists(cells, min_size=1, max_size=6))
    frame = pd.DataFrame(rows, columns=list(KINDS)).astype({"b": float})
    mine = [None if pd.isna(one) else bool(one) for one in evaluate(parse_expression(text, KINDS), frame)]
    assert mine == _by_sql(text, frame)
