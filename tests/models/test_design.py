"""Design matrices: names, missing rows with their reason, alignment, and formulas that are refused."""

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.errors import EstimationError
from cohort.models.design import build_design
from cohort.models.formula import parse_formula


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age_years": pd.array([61, 45, None, 70, 38, 52, 66, 59], dtype="Int64"),
            "ferritin": [200.0, 900.0, 300.0, np.nan, 150.0, 800.0, 410.0, 95.0],
            "product": pd.Categorical(
                ["axi-cel", "tisa-cel", "axi-cel", "liso-cel", "axi-cel", "tisa-cel", "liso-cel", "axi-cel"],
                categories=["tisa-cel", "axi-cel", "liso-cel", "ide-cel"],
            ),
            "edema": pd.Categorical(
                [
                    "absent",
                    "present",
                    "absent",
                    "present",
                    "not_imaged",
                    "indeterminate",
                    "absent",
                    "not_imaged",
                ],
                categories=["absent", "present", "indeterminate", "not_assessable", "not_imaged"],
            ),
            "severe": pd.Categorical(
                ["no", "yes", "no", "yes", "no", None, "yes", "no"], categories=["no", "yes"]
            ),
            "center": ["b", "a", "a", "b", "c", "c", "a", None],
            "bridging": pd.array([True, False, True, False, True, None, False, True], dtype="boolean"),
            "the age": [61.0, 45, 50, 70, 38, 52, 66, 59],
        }
    )


def test_terms_levels_and_names(frame):
    design = build_design("product + `the age`", frame, intercept=False)
    assert design.names == ("product[T.axi-cel]", "product[T.liso-cel]", "the age")
    assert design.terms == ("product", "product", "the age")
    assert design.levels == ("axi-cel", "liso-cel", "")
    assert design.references == {"product": "tisa-cel"}
    np.testing.assert_array_equal(design.X[:3], [[1, 0, 61], [0, 0, 45], [1, 0, 50]])


@pytest.mark.parametrize(
    ("formula", "terms", "levels"),
    [
        ("C(product)", ["C(product)"] * 2, ["axi-cel", "liso-cel"]),
        ("C(center, contr.treatment('b'))", ["C(center, contr.treatment('b'))"] * 2, ["a", "c"]),
        ("log2(ferritin)", ["log2(ferritin)"], [""]),
        ("sqrt(ferritin) + 1", ["sqrt(ferritin)"], [""]),
        ("I(ferritin ** 2 / 100)", ["I(ferritin ** 2 / 100)"], [""]),
        ("bs(ferritin, df=4)", ["bs(ferritin, df=4)"] * 4, ["1", "2", "3", "4"]),
        ("bridging * `the age`", ["bridging", "the age", "bridging:the age"], ["", "", ""]),
        ("severe:`the age` + severe", ["severe", "severe:the age", "severe:the age"], ["yes", "no", "yes"]),
    ],
)
def test_transformed_terms(frame, formula, terms, levels):
    design = build_design(formula, frame, intercept=False, check=False)
    assert list(design.terms) == terms
    assert list(design.levels) == levels


def test_plain_sums_equal_formulaic(frame):
    plain = build_design("product + ferritin + severe", frame, check=False)
    through = build_design("product + ferritin + severe + 1", frame, check=False)
    assert parse_formula("product + ferritin").plain
    assert plain.names == through.names
    np.testing.assert_array_equal(plain.X, through.X)


def test_every_row_left_out_is_counted_once_at_its_first_reason(frame):
    # Rows 4, 5, 7 have no decided edema; row 2 no age; row 3 no ferritin.
    design = build_design("edema + age_years + ferritin", frame, check=False)
    assert design.left_out == (
        ("edema", "not_imaged", 2),
        ("edema", "indeterminate", 1),
        ("age_years", "missing", 1),
        ("ferritin", "missing", 1),
    )
    assert design.rows.tolist() == [0, 1, 6]
    assert design.n_missing + len(design.rows) == design.n_total == 8
    assert design.levels[:2] == ("", "present")


def test_two_sided_formula_and_extra_columns(frame):
    design = build_design("severe ~ `the age`", frame, extra=["center"])
    assert design.response.tolist() == [0, 1, 0, 1, 0, 1]
    assert design.names[0] == "Intercept"
    assert design.extra["center"].tolist() == ["b", "a", "a", "b", "c", "a"]
    assert design.left_out == (("severe", "missing", 1), ("center", "missing", 1))


def endpoint(frame: pd.DataFrame) -> co.Endpoint:
    times = frame.assign(days=range(1, len(frame) + 1), dead=1)
    return co.Endpoint.from_columns(times, time="days", event="dead")


def test_data_is_aligned_by_label(frame):
    frame.index = list("abcdefgh")
    more = pd.DataFrame({"ldh": [5.0, 3.0, 1.0, 9.0]}, index=list("gcaz"))
    design = build_design("ldh + `the age`", more, endpoint(frame), intercept=False)
    assert list(design.index) == ["a", "c", "g"]
    np.testing.assert_array_equal(design.X, [[1, 61], [3, 50], [5, 66]])
    assert design.left_out == (("", "no row in data", 5),)


def test_duplicated_labels_are_refused(frame):
    more = pd.DataFrame({"ldh": [5.0, 3.0]}, index=[0, 0])
    with pytest.raises(EstimationError, match=r"(?s)duplicated labels.*1 of 2.*reset_index"):
        build_design("ldh", more, endpoint(frame))


@pytest.mark.parametrize(
    ("formula", "pattern"),
    [
        ("age_year", "unknown column age_year.*did you mean age_years"),
        ("age", "unknown column age.*did you mean age_years"),
        ("product + age_years + age_years2", "unknown column age_years2"),
        ("`the age` + I(2 * `the age`)", r"I\(2 \* `?the age`?\) is collinear with the age"),
        ("constant", "column constant is constant"),
        ("one_level", "column one_level is constant"),
        ("infinite", "column infinite has infinite values.*1 of 8"),
        ("log(zero)", r"term log\(zero\) is not a finite number"),
        ("date", "column date cannot be a covariate.*days since infusion"),
        ("empty", "no row is left.*8 empty missing"),
        ("product ~ ferritin", "outcome product is not a yes/no variable"),
        ("log(product)", "cannot be evaluated"),
    ],
)
def test_unusable_columns_are_named(frame, formula, pattern):
    frame["constant"] = 1.5
    frame["one_level"] = "a"
    frame["infinite"] = [np.inf, *range(7)]
    frame["zero"] = range(8)
    frame["date"] = pd.Timestamp("2020-01-01")
    frame["empty"] = np.nan
    with pytest.raises(EstimationError, match=f"(?s){pattern}"):
        build_design(formula, frame)


REFUSED = [
    "__import__('os').system('touch pwned')",
    "age + __import__('os')",
    "().__class__.__bases__[0].__subclasses__()",
    "{age}",
    "I((lambda: 1)())",
    "I(age if age else 1)",
    "I([x for x in age])",
    "np.log(age)",
    "age.max()",
    "age[0]",
    "eval('1')",
    "Q('age')",
    "hashed(age)",
    "C(age, contr.treatment(open('x')))",
    "C(age, levels=open)()",
    "C(age, **options)",
    "log(*age)",
    "log(age := 1)",
    "I(age ** 99 ** 99)",
    "I(9 ** 9 ** 9)",
    "bs(age, df=print(1))",
    "`age`.real",
    "f'{age}'",
    "'age'",
    "age; import os",
    "age # comment",
    "age \\",
    "__builtins__",
    "age - 1",
    "0 + age",
    "age ~ sex ~ stage",
    "age +",
    "(" * 300 + "age" + ")" * 300,
    "",
    "~",
    "1",
    None,
    3,
]


@pytest.mark.parametrize("formula", REFUSED)
def test_formulas_never_evaluate_python(formula):
    with pytest.raises(EstimationError, match="formula"):
        parse_formula(formula)


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float64"])
def test_levels_of_whole_numbers_are_written_without_a_point(dtype):
    grade = pd.Series([0, 1, 2, 2, 1, 0], dtype=dtype)
    made = build_design("C(grade) + age", pd.DataFrame({"grade": grade, "age": [5.0, 6, 8, 9, 7, 5]}))
    assert made.names[1:] == ("C(grade)[T.1]", "C(grade)[T.2]", "age")
    assert made.levels[1:] == ("1", "2", "")
    half = build_design("C(grade)", pd.DataFrame({"grade": [0, 0.5, 1, 0.5]}))
    assert half.levels[1:] == ("0.5", "1.0")


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_an_empty_text_is_missing_and_never_the_reference(dtype):
    edema = pd.Series(["", "no", "yes", " ", "yes", "no"], dtype=dtype)
    data = pd.DataFrame({"edema": edema, "dead": [0, 1, 0, 1, 1, 0]})
    made = build_design("dead ~ edema", data)
    assert made.left_out == (("edema", "missing", 2),)
    assert made.levels == ("", "yes")
    assert made.X[:, 1].tolist() == [0, 1, 1, 0]


def test_texts_among_numbers_are_refused():
    data = pd.DataFrame({"dose": [1, 2, "<1", 3], "dead": [0, 1, 0, 1]})
    with pytest.raises(EstimationError, match="dose holds texts among numbers"):
        build_design("dead ~ dose", data)
