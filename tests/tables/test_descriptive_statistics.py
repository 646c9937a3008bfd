"""Summaries of descriptive tables: by hand first, then against R 4.2.2 (tests/reference/tables/make.R)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cohort.tables.group_tests import compare_counts, compare_numbers
from cohort.tables.summaries import (
    largest_pair,
    numeric_summary,
    quantiles,
    smd_levels,
    smd_means,
    smd_ranks,
)

# direct formulas on both sides: agreement to rounding
RTOL = 1e-12
FOLDER = Path(__file__).parents[1] / "reference" / "tables"
DATA = pd.read_csv(FOLDER / "data.csv", keep_default_na=False)
EXPECTED = pd.read_csv(FOLDER / "expected.csv").set_index(["quantity", "variable"])["value"]
TWO = DATA[DATA["arm"] != "c"]
NUMBERS = ("ferritin", "age", "lines")
LEVELS = ("ecog", "sex", "rare")


def samples(name: str, arms: str) -> list[np.ndarray]:
    return [DATA.loc[DATA["arm"] == arm, name].to_numpy(float) for arm in arms]


def counts(name: str) -> np.ndarray:
    return pd.crosstab(TWO[name], TWO["arm"]).to_numpy()


def test_quantiles_average_where_the_distribution_is_flat():
    # n p = 4 * 0.25 = 1 is whole, so q1 = (1 + 2) / 2; n p = 2 -> (2 + 4) / 2; n p = 3 -> (4 + 8) / 2
    np.testing.assert_allclose(quantiles(np.array([8.0, 1.0, 4.0, 2.0])), [1.5, 3.0, 6.0], rtol=1e-15)
    # n p = 5 * 0.25 = 1.25 is not whole: the 2nd; 2.5: the 3rd; 3.75: the 4th value
    np.testing.assert_allclose(quantiles(np.array([8.0, 1.0, 4.0, 2.0, 9.0])), [2.0, 4.0, 8.0], rtol=1e-15)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("size", [150, 149, 148, 147, 5, 4])
def test_quantiles_equal_type_2_of_r(name, size):
    found = quantiles(DATA[name].to_numpy(float)[:size])
    expected = [EXPECTED[f"quantile_{stat}_{size}", name] for stat in ("q1", "median", "q3")]
    np.testing.assert_allclose(found, expected, rtol=RTOL)


def test_numeric_summary_of_two_values_and_of_none():
    # mean (1 + 3) / 2 = 2, sd sqrt((1 + 1) / 1) = sqrt 2; n p = 0.5 -> 1st value, 1 -> average, 1.5 -> 2nd
    found = numeric_summary(np.array([1.0, 3.0]))
    assert found == {
        "mean": 2.0,
        "sd": math.sqrt(2),
        "median": 2.0,
        "q1": 1.0,
        "q3": 3.0,
        "min": 1.0,
        "max": 3.0,
    }
    assert all(math.isnan(value) for value in numeric_summary(np.empty(0)).values())


def test_smd_of_means_by_hand():
    # means 2 and 4, variances 1 and 4: 2 / sqrt(2.5)
    first, second = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])
    assert smd_means(first, second) == pytest.approx(2 / math.sqrt(2.5), rel=1e-15)
    assert math.isnan(smd_means(np.array([1.0, 1.0]), np.array([1.0, 1.0])))
    assert math.isnan(smd_means(first, np.array([1.0])))


def test_smd_of_ranks_ignores_the_scale():
    first, second = np.array([1.0, 2.0, 5.0]), np.array([2.0, 40.0, 60.0])
    # ranks 1, 2.5, 4 and 2.5, 5, 6: means 2.5 and 4.5, variances 2.25 and 3.25: 2 / sqrt(2.75)
    assert smd_ranks(first, second) == pytest.approx(2 / math.sqrt(2.75), rel=1e-15)
    assert smd_ranks(np.log(first), np.log(second)) == pytest.approx(smd_ranks(first, second), rel=1e-15)


def test_smd_of_two_levels_is_the_formula_for_proportions():
    # p = 0.5 and 0.2: |0.3| / sqrt((0.25 + 0.16) / 2)
    found = smd_levels(np.array([10, 10]), np.array([40, 10]))
    assert found == pytest.approx(0.3 / math.sqrt(0.205), rel=1e-12)


def test_smd_of_three_levels_by_hand():
    # p = (.5, .3, .2), q = (.2, .3, .5); without the first: d = (0, -.3)
    # S = [[.21, -.105], [-.105, .205]], det = .0320250; S^-1[1, 1] = .21 / det; sqrt(.09 * .21 / .032025)
    found = smd_levels(np.array([5, 3, 2]), np.array([2, 3, 5]))
    assert found == pytest.approx(math.sqrt(0.09 * 0.21 / 0.032025), rel=1e-12)


def test_smd_of_levels_in_special_cases():
    assert smd_levels(np.array([4, 0, 6]), np.array([8, 0, 12])) == 0.0
    # separated groups are infinitely far apart, which is not a number to print
    assert math.isnan(smd_levels(np.array([5, 0]), np.array([0, 7])))
    assert math.isnan(smd_levels(np.array([5, 0, 0]), np.array([0, 3, 4])))
    assert math.isnan(smd_levels(np.array([0, 0]), np.array([3, 4])))


def test_largest_pair():
    groups = [np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]), np.array([5.0, 6.0, 7.0])]
    # all variances are 1, the largest difference of means is 4
    assert largest_pair(smd_means, groups) == pytest.approx(4.0, rel=1e-15)
    assert math.isnan(largest_pair(smd_means, [*groups, np.array([1.0])]))


@pytest.mark.parametrize("name", NUMBERS)
def test_differences_and_tests_of_numbers_equal_r(name):
    first, second = samples(name, "ab")
    assert smd_means(first, second) == pytest.approx(EXPECTED["smd_means", name], rel=RTOL)
    assert smd_ranks(first, second) == pytest.approx(EXPECTED["smd_ranks", name], rel=RTOL)
    wilcoxon, welch = (compare_numbers([first, second], ranks=ranks) for ranks in (True, False))
    kruskal, anova = (compare_numbers(samples(name, "abc"), ranks=ranks) for ranks in (True, False))
    assert wilcoxon == (pytest.approx(EXPECTED["wilcoxon", name], rel=1e-10), "Wilcoxon rank-sum test")
    assert welch == (pytest.approx(EXPECTED["welch", name], rel=1e-10), "Welch t test")
    assert kruskal == (pytest.approx(EXPECTED["kruskal", name], rel=1e-10), "Kruskal-Wallis test")
    assert anova == (pytest.approx(EXPECTED["anova", name], rel=1e-10), "One-way analysis of variance")


@pytest.mark.parametrize("name", LEVELS)
def test_differences_and_tests_of_levels_equal_r(name):
    table = counts(name)
    assert smd_levels(table[:, 0], table[:, 1]) == pytest.approx(EXPECTED["smd_levels", name], rel=1e-11)
    found = compare_counts(table)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    kind = "chi_squared" if expected.min() >= 5 else "fisher"
    assert found.p_value == pytest.approx(EXPECTED[kind, name], rel=1e-9)
    exact = "Fisher exact test" if len(table) == 2 else "Fisher-Freeman-Halton exact test"
    assert found.name == ("Chi-squared test" if kind == "chi_squared" else exact)


def test_exact_test_beyond_two_by_two_by_hand():
    # 3 x 2 with rows (2, 0), (0, 2), (0, 2): 2 of 6 patients exposed, all in the first row.
    # Tables with these margins: C(6, 2) = 15 choices of the exposed; the observed one has probability 1/15,
    # as has "both in row 2" and "both in row 3"; one each in two rows has 4/15. p = 3/15
    found = compare_counts(np.array([[2, 0], [0, 2], [0, 2]]))
    assert found == (pytest.approx(0.2, rel=1e-12), "Fisher-Freeman-Halton exact test")


def test_random_tables_are_the_same_every_time_and_near_the_exact_value():
    table = np.array([[3, 1, 0], [1, 4, 1], [0, 1, 5]])
    first, second = compare_counts(table), compare_counts(table)
    assert first == second
    assert first.name.startswith("Chi-squared test from")
    # 3 x 2 table both ways: Monte-Carlo error of 100,000 tables is below 0.005
    from cohort.tables.group_tests import _monte_carlo

    small = np.array([[2, 0], [0, 2], [0, 2]])
    assert abs(_monte_carlo(small).p_value - 0.2) < 0.005


def test_comparisons_that_cannot_be_made():
    one = np.array([1.0])
    assert math.isnan(compare_numbers([one, one], ranks=True).p_value)
    assert math.isnan(compare_numbers([np.ones(3), np.ones(4)], ranks=False).p_value)
    assert math.isnan(compare_numbers([np.ones(3), np.array([1.0, 2.0])], ranks=False).p_value)
    assert math.isnan(compare_counts(np.array([[3, 4], [0, 0]])).p_value)
