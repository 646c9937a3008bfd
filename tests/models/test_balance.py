"""balance: by hand, against R survey and cov.wt (tests/reference/weights/make.R), Love plot, refusals."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.errors import EstimationError
from cohort.estimators.balance import compare, weighted_variance
from cohort.style import check_layout

FOLDER = Path(__file__).parents[1] / "reference/weights"
DATA = pd.read_csv(FOLDER / "data.csv")
EXPECTED = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False).set_index(
    ["model", "quantity", "term"]
)["value"]
# Direct sums; the weights behind them agree to 1e-10, and differences near 0 are compared in absolute terms.
TOLERANCE = {"rtol": 1e-8, "atol": 1e-10}
FORMULA = "flair ~ age + male + product"
R_NAMES = {
    ("product", "axi"): "productaxi",
    ("product", "liso"): "productliso",
    ("product", "tisa"): "producttisa",
}


def value(result, term, measure, method="unweighted"):
    rows = result.tidy()
    return rows[(rows["term"] == term) & (rows["measure"] == measure) & (rows["method"] == method)][
        "estimate"
    ].item()


def test_by_hand():
    # ages 1, 2, 3 against 3, 5: means 2 and 4, variances 1 and 2, difference 2 / sqrt(1.5)
    data = pd.DataFrame({"flair": [0, 0, 0, 1, 1], "age": [1.0, 2, 3, 3, 5]})
    result = co.balance("flair ~ age", data, pd.Series([1.0, 1, 2, 3, 1]))
    assert value(result, "age", "standardized_difference") == pytest.approx(2 / np.sqrt(1.5), rel=1e-14)
    assert value(result, "age", "variance_ratio") == pytest.approx(2, rel=1e-14)
    assert value(result, "age", "ks") == pytest.approx(2 / 3, rel=1e-14)  # at 2: 2/3 against 0
    # weighted means (1 + 2 + 6)/4 and (9 + 5)/4, the same scale
    assert value(result, "age", "standardized_difference", "weighted") == pytest.approx(
        1.25 / np.sqrt(1.5), rel=1e-14
    )
    # standard error: 1/3 + 1/2 + d^2 / 10
    row = result.tidy().iloc[0]
    assert row["std_error"] == pytest.approx(np.sqrt(1 / 3 + 1 / 2 + (4 / 1.5) / 10), rel=1e-14)
    assert result.effective_n == pytest.approx(8**2 / 16, rel=1e-14)


@pytest.mark.parametrize("kind", ["unweighted", "ate", "att", "overlap"])
def test_measures_equal_r(kind):
    weights = None if kind == "unweighted" else co.inverse_probability_weights(FORMULA, DATA, kind)
    result = co.balance(FORMULA, DATA, weights)
    rows = result.tidy()
    rows = rows[rows["method"] == ("unweighted" if kind == "unweighted" else "weighted")]
    compared = 0
    for row in rows.to_dict("records"):
        if np.isnan(row["estimate"]):
            assert row["reason"] == "a yes/no column: its variance follows from its mean"
            continue
        expected = EXPECTED[kind, row["measure"], R_NAMES.get((row["term"], row["level"]), row["term"])]
        np.testing.assert_allclose(row["estimate"], float(expected), **TOLERANCE)
        compared += 1
    assert compared == 5 * 4 + 1


def test_the_imaged_are_compared_with_everybody():
    fit = co.inverse_probability_weights(FORMULA, DATA, "imaged")
    rows = co.balance(FORMULA, DATA, fit).tidy()
    rows = rows[(rows["measure"] == "standardized_difference") & (rows["method"] == "weighted")]
    assert rows["strata"].unique().tolist() == ["1 - everybody"]
    for row in rows.to_dict("records"):
        name = R_NAMES.get((row["term"], row["level"]), row["term"])
        expected = float(EXPECTED["imaged", "standardized_difference", name])
        np.testing.assert_allclose(row["estimate"], expected, **TOLERANCE)


def test_entropy_balancing_balances_exactly():
    fit = co.inverse_probability_weights(FORMULA, DATA, method="entropy")
    assert co.balance(FORMULA, DATA, fit).glance()["largest_difference"].item() < 1e-9


def test_overlap_weights_of_the_same_formula_balance_means_exactly():
    # Li, Morgan and Zaslavsky 2018, theorem 3
    fit = co.inverse_probability_weights(FORMULA, DATA, "overlap")
    glance = co.balance(FORMULA, DATA, fit).glance().iloc[0]
    assert glance["largest_difference"] < 1e-9
    assert glance["largest_difference_unweighted"] > 0.2


def test_three_groups_are_compared_in_pairs():
    fit = co.inverse_probability_weights("arm ~ age + product", DATA)
    result = co.balance("arm ~ age + product", DATA, fit)
    assert result.tidy()["strata"].unique().tolist() == ["b - a", "c - a", "c - b"]
    rows = result.tidy().query(
        "term == 'age' and measure == 'standardized_difference' and method == 'unweighted'"
    )
    assert result.text("age").startswith(
        f"standardized difference {rows['estimate'].abs().max():.2f} unweighted"
    )


def test_not_known_is_left_out_by_reason_and_no_weight_is_told():
    data = DATA.assign(flair=np.where(DATA["flair"] == 1, "present", "absent"))
    data.loc[:2, "flair"] = "not_imaged"
    data["age"] = data["age"].astype(float)
    data.loc[3, "age"] = np.nan
    weights = pd.Series(1.0, index=DATA.index[:200])
    result = co.balance("flair ~ age", data, weights)
    assert result.left_out == (("flair", "not_imaged", 3), ("age", "missing", 1))
    assert "40 patients used without weights have no weight" in repr(result)


def test_a_constant_column_is_balanced_and_one_that_only_differs_has_no_scale():
    data = pd.DataFrame({"flair": [0, 0, 1, 1], "same": [1.0] * 4, "split": [1.0, 1, 3, 3]})
    result = co.balance("flair ~ same + split", data)
    assert value(result, "same", "standardized_difference") == 0
    rows = result.tidy().query("term == 'split' and measure == 'standardized_difference'")
    assert rows["estimate"].isna().all()
    assert rows["reason"].tolist() == ["the column does not vary in a group"]


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_properties(seed):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=20), rng.exponential(size=20)
    first, second = w * (np.arange(20) < 8), w * (np.arange(20) >= 8)
    one, swapped = compare(x, first, second, 1.0), compare(x, second, first, 1.0)
    assert one.difference == pytest.approx(-swapped.difference, abs=1e-12)
    assert one.variance_ratio * swapped.variance_ratio == pytest.approx(1, rel=1e-10)
    assert 0 <= one.ks <= 1 + 1e-12
    moved = compare(5 * x + 3, first, second, 5.0)
    assert moved.difference == pytest.approx(one.difference, abs=1e-9)
    assert moved.ks == pytest.approx(one.ks, abs=1e-12)
    equal = np.where(first > 0, 2.0, 0.0)
    assert weighted_variance(x, equal) == pytest.approx(x[:8].var(ddof=1), rel=1e-10)


def test_the_love_plot_draws_the_tidy_differences():
    fit = co.inverse_probability_weights(FORMULA, DATA)
    result = co.balance(FORMULA, DATA, fit)
    ax = result.plot()
    rows = result.tidy().query("measure == 'standardized_difference'")
    lines = [line for line in ax.lines if line.get_gid() == "difference"]
    for line, method in zip(lines, ("unweighted", "weighted"), strict=True):
        expected = rows[rows["method"] == method]["estimate"].abs()
        np.testing.assert_allclose(line.get_xdata(), expected, rtol=1e-12)
    assert check_layout(ax.get_figure(root=True)) == []
    plt.close("all")


@pytest.mark.parametrize(
    ("formula", "weights", "options", "pattern"),
    [
        ("age + male", None, {}, "no exposure"),
        ("flair ~ age", "wt", {}, "unknown column wt"),
        ("flair ~ age", 3.0, {}, "co.inverse_probability_weights"),
        ("flair ~ age", "arm", {}, "not numbers"),
        ("flair ~ age", pd.Series(-1.0, index=DATA.index), {}, "negative or infinite"),
        ("flair ~ age", pd.Series(np.inf, index=DATA.index), {}, "negative or infinite"),
        ("flair ~ age", pd.Series(0.0, index=DATA.index), {}, "same index"),
        ("flair ~ age", pd.Series(1.0, index=DATA.index + 9999), {}, "same index"),
        ("flair ~ age", pd.Series(1.0, index=[0] * 5), {}, "one weight per row"),
        ("flair ~ age", None, {"threshold": 0}, "threshold=0.1"),
        ("flair ~ age", None, {"conf_level": 95}, "0.95"),
        ("arm ~ age", co.inverse_probability_weights(FORMULA, DATA, "att"), {}, "other groups"),
    ],
)
def test_refusals(formula, weights, options, pattern):
    with pytest.raises(EstimationError, match=pattern):
        co.balance(formula, DATA, weights, **options)
