"""Ordinal regression: by hand, against R, grades between bounds, properties, separation and bad input."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import cohort as co
from cohort import style
from cohort.errors import CohortError, EstimationError, IncorporationError
from cohort.models.ordinal_result import Ordinal

REFERENCE = Path(__file__).parents[1] / "reference" / "ordinal"
# Newton to a negligible step, against clm and glm with the same; sandwich and likelihoods likewise.
RTOL = 1e-7
# Standard errors of clm come from a Hessian at its gradient tolerance; of "between" from finite differences.
RTOL_NUMERICAL = 1e-6


def data() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "data.csv")


def expected(model: str, quantity: str) -> pd.Series:
    table = pd.read_csv(REFERENCE / "expected.csv", dtype={"term": "string"}).fillna({"term": ""})
    rows = table[(table["model"] == model) & (table["quantity"] == quantity)]
    assert len(rows)
    return rows.set_index("term")["value"]


def against_r(result: Ordinal, model: str, rtol: float = RTOL) -> None:
    rows = result.tidy().set_index("term")
    for column in ("estimate", "std_error"):
        wanted = expected(model, column)
        assert_allclose(rows.loc[list(wanted.index), column], wanted, rtol=rtol)


# by hand


def test_two_groups_of_two_grades_are_the_odds_ratio_of_the_table() -> None:
    """Worse in 6 of 10 with the finding and 3 of 10 without: (6/4)/(3/7) = 3.5; SE sqrt(1/6 + 1/4 + 1/3 + 1/7)."""
    frame = pd.DataFrame(
        {"flair": ["yes"] * 10 + ["no"] * 10, "grade": [1] * 6 + [0] * 4 + [1] * 3 + [0] * 7}
    )
    row = co.ordinal("grade ~ flair", frame).tidy(exponentiate=True).iloc[0]
    assert row["estimate"] == pytest.approx(3.5, rel=1e-9)
    assert row["std_error"] == pytest.approx(np.sqrt(1 / 6 + 1 / 4 + 1 / 3 + 1 / 7), rel=1e-9)


def test_a_saturated_scale_without_covariates_is_the_shares() -> None:
    frame = pd.DataFrame({"grade": [0] * 5 + [1] * 3 + [2] * 2, "x": [0, 1] * 5})
    result = co.ordinal("grade ~ x", frame)
    shares = result.predict(pd.DataFrame({"x": [0, 1]})).mean()
    assert shares.sum() == pytest.approx(1.0)
    null = 5 * np.log(0.5) + 3 * np.log(0.3) + 2 * np.log(0.2)
    assert result.log_likelihood_null == pytest.approx(null, rel=1e-10)


# R


def test_proportional_odds_equal_clm() -> None:
    result = co.ordinal("grade ~ flair + age", data())
    against_r(result, "proportional_odds", RTOL_NUMERICAL)
    for quantity in ("log_likelihood", "log_likelihood_null", "concordance"):
        (wanted,) = expected("proportional_odds", quantity)
        assert getattr(result, quantity) == pytest.approx(wanted, rel=1e-10)


def test_probabilities_equal_clm() -> None:
    found = co.ordinal("grade ~ flair + age", data()).predict(
        pd.DataFrame({"flair": ["absent", "present"], "age": [50, 70]})
    )
    assert_allclose(found.to_numpy().ravel(), expected("predict", "estimate"), rtol=RTOL)


def test_cluster_robust_variance_equals_sandwich() -> None:
    result = co.ordinal("grade ~ flair + age", data(), cluster="center")
    against_r(result, "cluster", RTOL_NUMERICAL)
    assert result.n_cluster == 12


def test_partial_proportional_odds_equal_clm_nominal() -> None:
    result = co.ordinal("grade ~ flair + age", data(), nonproportional="flair")
    against_r(result, "partial", RTOL_NUMERICAL)
    (wanted,) = expected("partial", "log_likelihood")
    assert result.log_likelihood == pytest.approx(wanted, rel=1e-10)
    test = result.check_proportional_odds("likelihood_ratio").set_index("term")
    (proportional,) = expected("proportional_odds", "log_likelihood")
    assert test.loc["GLOBAL", "statistic"] == pytest.approx(2 * (wanted - proportional), rel=1e-7)
    assert test.loc["GLOBAL", "df"] == 3


def test_continuation_ratio_equals_binary_regressions() -> None:
    result = co.ordinal("grade ~ flair + age", data(), method="continuation_ratio")
    against_r(result, "continuation_ratio")
    (wanted,) = expected("continuation_ratio", "log_likelihood")
    assert result.log_likelihood == pytest.approx(wanted, rel=1e-10)


def test_grades_between_bounds_equal_their_likelihood() -> None:
    result = co.ordinal("icans ~ flair + age", data(), lower="lower", upper="upper")
    against_r(result, "between", RTOL_NUMERICAL)
    (wanted,) = expected("between", "log_likelihood")
    assert result.log_likelihood == pytest.approx(wanted, rel=1e-10)
    bounds = data()
    assert result.n_between == int((bounds["lower"] < bounds["upper"]).sum())
    assert result.n_unknown == 3


def test_penalty_equals_jeffreys_prior_of_its_definition() -> None:
    result = co.ordinal("grade ~ flair + age", data().iloc[::5], penalty="firth")
    against_r(result, "firth", RTOL_NUMERICAL)
    row = result.tidy().set_index("term").loc["flair"]
    for column in ("conf_low", "conf_high"):
        (wanted,) = expected("firth", column)
        assert row[column] == pytest.approx(wanted, rel=RTOL_NUMERICAL)


def test_brant_equals_its_equation() -> None:
    test = co.ordinal("grade ~ flair + age", data()).check_proportional_odds("brant").set_index("term")
    wanted = expected("brant", "statistic")
    assert_allclose(test.loc[list(wanted.index), "statistic"], wanted, rtol=1e-6)
    assert list(test["df"]) == [3, 3, 6]


@pytest.mark.parametrize("bounds", [False, True])
def test_score_test_equals_its_definition(bounds: bool) -> None:
    options = {"lower": "lower", "upper": "upper"} if bounds else {}
    result = co.ordinal(f"{'' if bounds else 'grade'} ~ flair + age", data(), **options)  # type: ignore[arg-type]
    test = result.check_proportional_odds("score").set_index("term")
    wanted = expected("score_between" if bounds else "score", "statistic")
    assert_allclose(test.loc[list(wanted.index), "statistic"], wanted, rtol=RTOL_NUMERICAL)


# relations


def test_whole_weights_are_repeated_rows() -> None:
    """The variance of weighted rows is that of the repeated rows clustered by the patient they repeat."""
    frame = data().assign(copies=lambda f: 1 + f.index % 3, row=lambda f: f.index)
    weighted = co.ordinal("grade ~ flair + age", frame, weights="copies")
    repeated = frame.loc[np.repeat(frame.index, frame["copies"])].reset_index(drop=True)
    rows = co.ordinal("grade ~ flair + age", repeated, cluster="row")
    assert_allclose(weighted.estimate, rows.estimate, rtol=1e-8)
    assert_allclose(weighted.std_error, rows.std_error, rtol=1e-8)


def test_penalty_with_two_grades_is_firths_logistic_regression() -> None:
    frame = data().assign(severe=lambda f: (f["grade"] > 1).astype(int))
    ordinal = co.ordinal("severe ~ flair + age", frame, penalty="firth").tidy().iloc[:2]
    binary = co.odds_ratio("severe ~ flair + age", frame, method="firth").tidy().iloc[1:]
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        assert_allclose(ordinal[column], binary[column], rtol=1e-6)


def test_exact_bounds_are_the_grade_itself() -> None:
    frame = data()
    first = co.ordinal("grade ~ flair + age", frame)
    second = co.ordinal(
        "~ flair + age", frame.assign(a=frame["grade"], b=frame["grade"]), lower="a", upper="b"
    )
    assert_allclose(first.tidy()["estimate"], second.tidy()["estimate"], rtol=1e-12)
    assert_allclose(first.std_error, second.std_error, rtol=1e-9)


def test_a_patient_of_any_grade_adds_nothing() -> None:
    frame = data()
    known = frame.iloc[3:]
    first = co.ordinal("~ flair + age", frame, lower="lower", upper="upper")
    second = co.ordinal("~ flair + age", known, lower="lower", upper="upper")
    assert first.n == second.n + 3
    assert_allclose(first.estimate, second.estimate, rtol=1e-9)


@given(st.integers(0, 2**31), st.integers(-3, 3))
@settings(deadline=None, max_examples=20)
def test_row_order_units_and_reversal(seed: int, shift: int) -> None:
    """Order of rows and origin of a covariate do not matter; a reversed scale turns the signs."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.normal(60, 9, 60), "grade": rng.integers(0, 4, 60)})
    frame.loc[:3, "grade"] = [0, 1, 2, 3]
    first = co.ordinal("grade ~ age", frame).tidy().iloc[0]
    mixed = frame.sample(frac=1, random_state=1).assign(age=lambda f: f["age"] + 10 * shift)
    second = co.ordinal("grade ~ age", mixed).tidy().iloc[0]
    turned = co.ordinal("grade ~ age", frame.assign(grade=3 - frame["grade"])).tidy().iloc[0]
    assert second["estimate"] == pytest.approx(first["estimate"], rel=1e-6, abs=1e-9)
    assert turned["estimate"] == pytest.approx(-first["estimate"], rel=1e-6, abs=1e-9)
    assert turned["std_error"] == pytest.approx(first["std_error"], rel=1e-6)


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=15)
def test_more_knowledge_of_grades_never_raises_the_maximum(seed: int) -> None:
    """The likelihood of bounds is that of a coarser observation: at least as large at its maximum."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=70), "grade": rng.integers(0, 4, 70)})
    frame.loc[:3, "grade"] = [0, 1, 2, 3]
    wide = (rng.random(70) < 0.3) & (np.arange(70) > 3)
    frame["a"] = np.where(wide, np.maximum(frame["grade"] - 1, 0), frame["grade"])
    frame["b"] = np.where(wide, np.minimum(frame["grade"] + 1, 3), frame["grade"])
    exact = co.ordinal("grade ~ x", frame)
    bounds = co.ordinal("~ x", frame, lower="a", upper="b")
    assert bounds.log_likelihood >= exact.log_likelihood - 1e-9


def simulated(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Log odds ratio 1; the grade of half the patients with the finding is open upward or downward by one."""
    x = rng.integers(0, 2, n)
    grade = np.digitize(x + rng.logistic(size=n), [0, 1.0, 2.0, 3.0])
    open_ = rng.random(n) < np.where(x == 1, 0.6, 0.1)
    block = grade // 2 * 2  # grades 0-1 and 2-3 are not told apart; why has nothing to do with the grade
    low, high = np.where(open_, block, grade), np.where(open_, np.minimum(block + 1, 4), grade)
    return pd.DataFrame({"x": x, "grade": grade, "low": low, "high": high})


def test_likelihood_of_bounds_is_unbiased_where_the_lower_bound_is_not() -> None:
    """60 data sets of 300, seed fixed; the Monte Carlo error of the mean is 0.22/sqrt(60) = 0.03."""
    rng = np.random.default_rng(7)
    found, low = [], []
    for _ in range(60):
        frame = simulated(rng, 300)
        found.append(co.ordinal("~ x", frame, lower="low", upper="high").estimate[0])
        low.append(co.ordinal("low ~ x", frame).estimate[0])
    assert abs(np.mean(found) - 1) < 0.09
    assert np.mean(low) < 0.85


@pytest.mark.slow
def test_limits_of_bounds_cover() -> None:
    """800 data sets of 300: coverage of 95% limits within three Monte Carlo errors."""
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(800):
        row = co.ordinal("~ x", simulated(rng, 300), lower="low", upper="high").tidy().iloc[0]
        covered += bool(row["conf_low"] <= 1 <= row["conf_high"])
    assert abs(covered / 800 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 800)


# printing and drawing


def test_figures_are_the_table() -> None:
    result = co.ordinal("grade ~ flair + age", data())
    ax = result.plot()
    drawn = sorted(float(line.get_xdata()[0]) for line in ax.lines if line.get_gid() == "estimate")
    assert_allclose(drawn, sorted(np.exp(result.estimate[:2])), rtol=1e-12)
    frame = pd.DataFrame({"flair": ["absent", "present"], "age": [60, 60]}, index=["no FLAIR", "FLAIR"])
    bars = result.plot_probabilities(frame)
    widths = [p.get_width() for p in bars.patches if p.get_gid() == "grade 4"]
    assert_allclose(sorted(widths), sorted(result.predict(frame)["4"]), rtol=1e-9)
    for one in (ax, bars):
        fig = one.get_figure(root=True)
        assert fig is not None
        assert style.check_layout(fig) == []


# bad input


def test_separation_names_the_column_and_firth_stays_finite() -> None:
    frame = pd.DataFrame({"flair": ["no"] * 12 + ["yes"] * 3, "grade": [0, 1] * 6 + [2, 3, 3]})
    with pytest.raises(EstimationError, match="flair") as raised:
        co.ordinal("grade ~ flair", frame)
    assert 'penalty="firth"' in str(raised.value)
    row = co.ordinal("grade ~ flair", frame, penalty="firth").tidy().iloc[0]
    assert np.isfinite([row["estimate"], row["std_error"], row["conf_low"]]).all()
    assert row["conf_low"] > 0


def test_a_grade_that_nobody_has_gets_no_threshold() -> None:
    frame = pd.DataFrame({"x": np.arange(12) % 5, "grade": [0, 1, 3] * 4})
    result = co.ordinal("grade ~ x", frame)
    assert result.thresholds == ("0|1", "1|3")


def test_a_part_of_the_grade_is_refused() -> None:
    frame = data().rename(columns={"grade": "icans_grade"}).assign(edema_diffuse=lambda f: f["flair"])
    with pytest.raises(IncorporationError):
        co.ordinal("icans_grade ~ edema_diffuse", frame)


BAD = [
    ("grade ~ flair", {"grade": 2.5}, {}, EstimationError, "whole"),
    ("grade ~ flair", {"grade": -1}, {}, EstimationError, ""),
    ("grade ~ flair", {"grade": 1}, {}, EstimationError, ""),
    ("grade ~ flair", {"flair": "absent"}, {}, EstimationError, "flair"),
    ("grade ~ flair", {"grade": "mild"}, {}, EstimationError, ""),
    ("~ flair", {}, {"lower": "lower"}, EstimationError, "upper="),
    ("~ flair", {}, {}, EstimationError, "lower="),
    ("~ flair", {}, {"lower": "upper", "upper": "lower"}, EstimationError, ""),
    ("grade ~ flair", {}, {"method": "probit"}, EstimationError, "proportional_odds"),
    ("grade ~ flair", {}, {"penalty": "firth", "cluster": "center"}, EstimationError, "without penalty="),
    ("grade ~ flair", {}, {"penalty": "firth", "method": "continuation_ratio"}, EstimationError, "without"),
    ("grade ~ flair", {}, {"nonproportional": "sex"}, EstimationError, "sex"),
    ("grade ~ flair", {"center": 1}, {"cluster": "center"}, CohortError, "cluster"),
    ("grade ~ nowhere", {}, {}, CohortError, "nowhere"),
    ("grade ~ flair", {"weight": 0.0}, {"weights": "weight"}, CohortError, ""),
    ("grade ~ age + I", {}, {}, CohortError, ""),
]


@pytest.mark.parametrize(("formula", "change", "options", "error", "words"), BAD)
def test_bad_input_is_refused(formula, change, options, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as raised:
        co.ordinal(formula, data().assign(**change), **options)
    assert words in str(raised.value)


def test_more_parameters_than_patients_are_refused() -> None:
    frame = pd.DataFrame({"grade": [0, 1, 2, 3], "x": [1, 4, 2, 3], "z": [0, 1, 1, 0]})
    with pytest.raises(EstimationError):
        co.ordinal("grade ~ x + z", frame)


def test_kinds_of_not_known_are_no_grade() -> None:
    """An ordered category that ends in not_assessable: those patients are left out, not the worst."""
    levels = ["0", "1", "2", "not_assessable", "unknown"]
    frame = data().assign(
        grade=lambda f: pd.Categorical(f["grade"].clip(0, 2).astype(str), levels, ordered=True)
    )
    frame.loc[:4, "grade"] = "not_assessable"
    result = co.ordinal("grade ~ flair + age", frame)
    assert result.grades == ("0", "1", "2")
    assert result.left_out == (("grade", "not_assessable", 5),)
    without = co.ordinal("grade ~ flair + age", data().assign(grade=data()["grade"].clip(0, 2)).iloc[5:])
    assert_allclose(result.estimate, without.estimate, rtol=1e-9)
    bounds = co.ordinal(
        "grade ~ flair + age", frame.assign(a=frame["grade"], b=frame["grade"]), lower="a", upper="b"
    )
    assert_allclose(bounds.estimate, without.estimate, rtol=1e-9)


def test_missing_and_not_assessed_are_left_out_by_reason() -> None:
    frame = data().astype({"grade": "float"})
    frame.loc[0, "grade"] = np.nan
    frame.loc[[1, 2], "flair"] = "not_imaged"
    result = co.ordinal("grade ~ flair + age", frame)
    assert {(column, n) for column, _, n in result.left_out} == {("grade", 1), ("flair", 2)}
    assert result.n == len(frame) - 3
