"""Multiplicity, rank tests and max-T against R (stats, coin, exactRankTests; tests/reference/screens/make.R).

Tolerance 1e-10: closed forms and counts; limits are roots found to 1e-14.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from cohort.errors import EstimationError
from cohort.estimators.max_t import linear_statistics, max_t
from cohort.estimators.multiplicity import adjust_p_values
from cohort.estimators.rank_association import mann_whitney, spearman

FOLDER = Path(__file__).parents[1] / "reference" / "screens"
DATA = pd.read_csv(FOLDER / "data.csv").astype(float)
EXPECTED = pd.read_csv(FOLDER / "expected.csv").set_index(["topic", "term", "quantity"])["value"].sort_index()
CLOSE = {"rtol": 1e-10, "atol": 1e-12}
P = np.array([0.0004, 0.03, 0.03, 0.2, 0.04, 0.0191, 0.7, 0.051, np.nan, 1, 0.011])
X = np.array([[1, 0, 1, 0, 1, 0, 1], [1, 0, np.nan, 0, 0, 1, 1], [2, 1, 7, 3, 6, 4, 5]], dtype=float).T
Y = np.array([[1, 0, 1, 0, 1, 0, 0], [5, 1, 6.5, np.nan, 6.5, 2, 3.5]], dtype=float).T


def groups(value, group="finding"):
    return DATA.loc[DATA[group] == 1, value].to_numpy(), DATA.loc[DATA[group] == 0, value].to_numpy()


@pytest.mark.parametrize("method", ["bonferroni", "holm", "bh", "by"])
def test_adjustment_equals_p_adjust(method):
    expected = [EXPECTED["p_adjust", method, f"p{i + 1}"] for i in range(len(P))]
    np.testing.assert_allclose(adjust_p_values(P, method), expected, **CLOSE)


def test_adjustment_by_hand():
    # three tests: Holm 3*.01, max(.03, 2*.03), max(.06, .04); BH .04*1, min(.04, .03*3/2), min(.04, .03)
    np.testing.assert_allclose(adjust_p_values([0.01, 0.04, 0.03], "holm"), [0.03, 0.06, 0.06], rtol=1e-15)
    np.testing.assert_allclose(adjust_p_values([0.01, 0.04, 0.03], "bh"), [0.03, 0.04, 0.04], rtol=1e-15)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from(["bonferroni", "holm", "bh", "by"])
)
@settings(deadline=None)
def test_adjustment_is_monotone_and_never_below_raw(p, method):
    raw = np.array(p)
    adjusted = adjust_p_values(raw, method)
    assert (adjusted >= raw).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= -1e-15).all()
    order = np.random.default_rng(1).permutation(len(raw))
    np.testing.assert_allclose(adjust_p_values(raw[order], method), adjusted[order], rtol=1e-15)


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: adjust_p_values([0.5], "fdr"), "adjust="),
        (lambda: adjust_p_values([1.5]), "outside 0 to 1"),
        (lambda: max_t(np.ones((1, 1)), np.ones((1, 1))), "at least two rows"),
        (lambda: max_t(X, Y, n_permutations=0), "permutations=10_000"),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()


def test_mann_whitney_equals_coin_and_r():
    found = mann_whitney(*groups("grade"))
    np.testing.assert_allclose(found.p_value, EXPECTED["rank_sum", "grade", "p_value"], **CLOSE)
    ldh = mann_whitney(*groups("ldh")).p_value
    np.testing.assert_allclose(ldh, EXPECTED["rank_sum", "ldh", "p_value"], **CLOSE)
    for value in ("grade", "ldh"):
        exact = mann_whitney(*groups(value, "rare"), exact=True).p_value
        np.testing.assert_allclose(exact, EXPECTED["exact_rank_sum", value, "p_value"], **CLOSE)


def test_limits_equal_newcombes_equation():
    cases = {
        "grade": mann_whitney(*groups("grade")),
        "ldh": mann_whitney(*groups("ldh")),
        "apart": mann_whitney(np.array([5.0, 6, 7]), np.array([1.0, 2, 3, 4])),
    }
    for name, found in cases.items():
        expected = [EXPECTED["newcombe", name, q] for q in ("estimate", "conf_low", "conf_high")]
        np.testing.assert_allclose([found.estimate, *found.limits(0.95)], expected, **CLOSE)


def test_mann_whitney_by_hand():
    # 3 beats 1 and 2, 1 ties with 1 and loses to 2: (1 + 1 + 0.5 + 0) / 4
    found = mann_whitney(np.array([3.0, 1.0]), np.array([1.0, 2.0]), exact=True)
    assert found.estimate == 0.625
    assert np.isnan(mann_whitney(np.ones(3), np.ones(4)).p_value)


def test_spearman_equals_r():
    found = spearman(DATA["ldh"].to_numpy(), DATA["grade"].to_numpy())
    expected = [EXPECTED["spearman", "ldh", q] for q in ("estimate", "p_value", "conf_low", "conf_high")]
    np.testing.assert_allclose([found.estimate, found.p_value, *found.limits(0.95)], expected, **CLOSE)
    x, y = np.array([3.0, 1, 4, 15, 9, 2, 6, 5]), np.array([2.0, 7, 1, 8, 28, 18, 4, 5])
    exact = spearman(x, y, exact=True).p_value
    np.testing.assert_allclose(exact, EXPECTED["exact_spearman", "eight", "p_value"], **CLOSE)
    assert spearman(x, x).p_value == 0
    assert np.isnan(spearman(x, np.ones(8)).estimate)


def test_statistics_equal_coin():
    finding, grade, ldh = (DATA[c].to_numpy()[:, None] for c in ("finding", "grade", "ldh"))
    ranks, ldh = rankdata(grade)[:, None], rankdata(ldh)[:, None]
    center = DATA["center"].to_numpy().astype(int) - 1
    found = [
        linear_statistics(finding, ranks),
        linear_statistics(ldh, ranks),
        linear_statistics(finding, ranks, center),
    ]
    names = ["finding_grade", "ldh_grade", "finding_grade_center"]
    expected = [EXPECTED["linear", name, "statistic"] for name in names]
    np.testing.assert_allclose(np.ravel(found), expected, **CLOSE)


@pytest.mark.parametrize(("topic", "stratum"), [("max_t", None), ("max_t_blocks", [0, 0, 0, 0, 1, 1, 1])])
def test_max_t_equals_brute_force_over_all_orders(topic, stratum):
    codes = None if stratum is None else np.array(stratum)
    found = max_t(X, Y, stratum=codes, n_permutations=6000)
    assert found.complete
    assert found.n_permutations == (5040 if stratum is None else 144)
    for quantity in ("statistic", "p_value", "p_adjusted"):
        expected = [[EXPECTED[topic, f"x{i}y{j}", quantity] for j in (1, 2)] for i in (1, 2, 3)]
        np.testing.assert_allclose(getattr(found, quantity), expected, **CLOSE)


def test_max_t_adjusts_within_families_and_leaves_out_pairs():
    family = np.array([[0, 0], [1, -1], [0, 0]])
    found = max_t(X, Y, family=family, n_permutations=6000)
    # A family of one pair is not adjusted; a pair that takes no part has no p-value.
    assert found.p_adjusted[1, 0] == found.p_value[1, 0]
    assert np.isnan(found.p_value[1, 1])
    whole = max_t(X, Y, n_permutations=6000)
    assert (found.p_adjusted[family == 0] <= whole.p_adjusted[family == 0] + 1e-15).all()


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=15)
def test_max_t_is_never_below_raw_and_monotone(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 2, (30, 4)).astype(float), rankdata(rng.normal(size=(30, 3)), axis=0)
    x[rng.random(x.shape) < 0.1] = np.nan
    found = max_t(x, y, n_permutations=200, seed=seed)
    known = ~np.isnan(found.p_value)
    assert (found.p_adjusted[known] >= found.p_value[known]).all()
    order = np.argsort(-np.abs(found.statistic[known]), kind="stable")
    assert (np.diff(found.p_adjusted[known][order]) >= 0).all()
    again = max_t(x, y, n_permutations=200, seed=seed)
    np.testing.assert_array_equal(found.p_adjusted, again.p_adjusted)


def test_max_t_respects_correlation():
    # Twenty copies of one finding cost nothing beyond one; Bonferroni would cost twenty-fold.
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 2, (60, 1)).astype(float), rankdata(rng.normal(size=60))[:, None]
    one, twenty = (
        max_t(x, y, n_permutations=500, seed=1),
        max_t(np.tile(x, 20), y, n_permutations=500, seed=1),
    )
    np.testing.assert_array_equal(twenty.p_adjusted, np.full((20, 1), one.p_value[0, 0]))


def family_wise_errors(n_simulations, seed):
    """Share of null screens (10 correlated findings, 3 outcomes, two centers that differ) with any P <= 0.05."""
    rng = np.random.default_rng(seed)
    wrong = 0
    for _ in range(n_simulations):
        center = np.repeat([0, 1], 40)
        latent = rng.normal(size=(80, 1)) + rng.normal(size=(80, 10))
        x = (latent > 1 - center[:, None]).astype(float)
        x[rng.random(80) < 0.2] = np.nan
        y = (rng.normal(size=(80, 3)) > 1 - center[:, None]).astype(float)
        found = max_t(x, y, stratum=center, n_permutations=199, seed=int(rng.integers(1 << 30)))
        wrong += int(np.nanmin(found.p_adjusted) <= 0.05)
    return wrong / n_simulations


def test_family_wise_error_is_kept():
    # 95 % of binomial(150, 0.05) / 150 lies below 0.087
    assert family_wise_errors(150, 11) <= 0.087


@pytest.mark.slow
def test_family_wise_error_is_kept_in_many_simulations():
    assert 0.035 <= family_wise_errors(2000, 12) <= 0.063
