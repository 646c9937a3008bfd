"""Mantel-Haenszel estimates: by hand, against R (tests/reference/mantel_haenszel/make.R), and as properties.

Direct sums agree with R to 1e-9; limits that are roots to 1e-9; R ``mantelhaen.test`` itself stops its exact
limits at about 1e-4.
"""

from __future__ import annotations

from itertools import product
from math import comb, inf, isnan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cohort.errors import EstimationError
from cohort.estimators.exact_strata import exact_common_odds_ratio
from cohort.estimators.mantel_haenszel import (
    breslow_day_test,
    check_tables,
    cmh_test,
    informative,
    pooled_odds_ratio,
    pooled_risk_difference,
    pooled_risk_ratio,
)

FOLDER = Path(__file__).parents[1] / "reference/mantel_haenszel"
EXPECTED, DATA = pd.read_csv(FOLDER / "expected.csv"), pd.read_csv(FOLDER / "data.csv")
TABLES = st.lists(st.tuples(*[st.integers(0, 6)] * 4), min_size=1, max_size=4).map(
    lambda rows: np.array(rows, dtype=float).reshape(-1, 2, 2)
)


def all_values(tables):
    breslow_day, tarone = breslow_day_test(tables)
    exact = exact_common_odds_ratio(tables)
    return {
        ("odds_ratio", "mantel_haenszel"): pooled_odds_ratio(tables),
        ("odds_ratio", "exact"): exact.measures["exact"],
        ("odds_ratio", "mantelhaen.test"): exact.measures["exact"],
        ("odds_ratio", "mid_p"): exact.measures["mid_p"],
        ("risk_ratio", "mantel_haenszel"): pooled_risk_ratio(tables),
        **{("risk_difference", name): m for name, m in pooled_risk_difference(tables).items()},
        ("test", "cmh"): cmh_test(tables, correct=False),
        ("test", "cmh_corrected"): cmh_test(tables, correct=True),
        ("test", "exact"): exact,
        ("test", "breslow_day"): breslow_day,
        ("test", "breslow_day_tarone"): tarone,
    }


def test_by_hand():
    # strata of 10 and 7 patients
    tables = np.array([[[3, 2], [2, 3]], [[1, 3], [1, 2]]], dtype=float)
    a, b, c, d = tables[:, 0, 0], tables[:, 0, 1], tables[:, 1, 0], tables[:, 1, 1]
    # n = 10, 7: (9/10 + 2/7) / (4/10 + 3/7)
    np.testing.assert_allclose(pooled_odds_ratio(tables).estimate, (9 / 10 + 2 / 7) / (4 / 10 + 3 / 7))
    # (3*5/10 + 1*3/7) / (2*5/10 + 1*4/7)
    np.testing.assert_allclose(pooled_risk_ratio(tables).estimate, (15 / 10 + 3 / 7) / (10 / 10 + 4 / 7))
    # weights 25/10 and 12/7, differences 1/5 and 1/4 - 1/3
    rd = (25 / 10 * (1 / 5) + 12 / 7 * (1 / 4 - 1 / 3)) / (25 / 10 + 12 / 7)
    np.testing.assert_allclose(pooled_risk_difference(tables)["sato"].estimate, rd)
    # CMH: E = 5*5/10, 4*2/7; V = 5*5*5*5/(100*9), 4*3*2*5/(49*6)
    np.testing.assert_allclose(
        cmh_test(tables, correct=False).statistic,
        (4 - 25 / 10 - 8 / 7) ** 2 / (625 / 900 + 120 / (49 * 6)),
    )
    assert (a + b + c + d).tolist() == [10, 7]


def test_exact_by_hand():
    # two strata with margins 1 1 1 1 (a = 0 or 1, weight 1 each) give a sum of 0, 1, 2 with weights 1, 2, 1
    tables = np.array([[[1, 0], [0, 1]], [[1, 0], [0, 1]]], dtype=float)
    got = exact_common_odds_ratio(tables)
    assert got.measures["exact"].estimate == inf
    assert got.measures["exact"].conf_high == inf
    # lower limit: psi^2 / (1 + psi)^2 = 0.025
    root = np.sqrt(0.025)
    np.testing.assert_allclose(got.measures["exact"].conf_low, root / (1 - root), rtol=1e-10)
    np.testing.assert_allclose(got.p_value, 2 / 4, rtol=1e-12)
    np.testing.assert_allclose(got.measures["mid_p"].p_value, 1 / 4, rtol=1e-12)


@pytest.mark.parametrize("number", sorted(DATA["set"].unique()))
def test_equals_r(number):
    """mantelhaen.test (stats), epi.2by2 (epiR), rma.mh (metafor); exact limits as roots in make.R."""
    tables = DATA.loc[DATA["set"] == number, ["a", "b", "c", "d"]].to_numpy(dtype=float).reshape(-1, 2, 2)
    values = all_values(tables)
    rows = EXPECTED[EXPECTED["set"] == number]
    assert len(rows) == 29
    for term, method, quantity, value in zip(
        rows["term"], rows["method"], rows["quantity"], rows["value"], strict=True
    ):
        got = getattr(values[term, method], quantity)
        np.testing.assert_allclose(got, value, rtol=5e-4 if method == "mantelhaen.test" else 1e-9)


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_symmetries(tables):
    mirrored = tables[:, ::-1]  # exposed and unexposed change places
    rare = tables[:, :, ::-1]  # the event and its absence change places
    first, second, third = (all_values(t) for t in (tables, mirrored, rare))
    for key in (("odds_ratio", "mantel_haenszel"), ("odds_ratio", "exact"), ("odds_ratio", "mid_p")):
        m, other = first[key], second[key]
        if 0 < m.estimate < inf:
            np.testing.assert_allclose(m.estimate * other.estimate, 1, rtol=1e-8)
            np.testing.assert_allclose(third[key].estimate, other.estimate, rtol=1e-8)
            assert m.conf_low <= m.estimate <= m.conf_high
            np.testing.assert_allclose(m.conf_low * other.conf_high or 1, 1, rtol=1e-7)
    rd, other = first["risk_difference", "sato"], second["risk_difference", "sato"]
    np.testing.assert_allclose(rd.estimate, -other.estimate, atol=1e-12)
    np.testing.assert_allclose(rd.std_error, other.std_error, rtol=1e-9)
    np.testing.assert_allclose(first["test", "cmh"].p_value, third["test", "cmh"].p_value, rtol=1e-9)
    np.testing.assert_allclose(first["test", "exact"].p_value, second["test", "exact"].p_value, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(TABLES, st.integers(1, 9))
def test_a_stratum_without_information_changes_no_odds_ratio(tables, n):
    more = np.concatenate([tables, [[[0, n], [0, 3]], [[n, 1], [0, 0]]]])
    before, after = all_values(tables), all_values(more)
    for key in (("odds_ratio", "mantel_haenszel"), ("odds_ratio", "exact"), ("test", "cmh")):
        if not informative(tables).any():
            assert isnan(after[key].p_value)
            continue
        np.testing.assert_allclose(after[key].p_value, before[key].p_value, rtol=1e-8)


@settings(max_examples=25, deadline=None)
@given(TABLES)
def test_exact_distribution_equals_enumeration(tables):
    """The convolution over strata, against every combination of tables."""
    kept = tables[informative(tables)]
    assume(len(kept) > 0)
    weights: dict[int, float] = {}
    ranges = []
    for (a, b), (c, d) in kept.astype(int):
        low, high = max(0, a - d), min(a + b, a + c)
        ranges.append([(x, comb(a + b, x) * comb(c + d, a + c - x)) for x in range(low, high + 1)])
    for chosen in product(*ranges):
        total = sum(x for x, _ in chosen)
        weights[total] = weights.get(total, 0) + float(np.prod([float(w) for _, w in chosen]))
    observed = int(kept[:, 0, 0].sum())
    probability = {x: w / sum(weights.values()) for x, w in weights.items()}
    expected = sum(p for p in probability.values() if p <= probability[observed] * (1 + 1e-7))
    np.testing.assert_allclose(exact_common_odds_ratio(tables).p_value, expected, rtol=1e-9)


def test_large_tables_keep_their_tails():
    # an odds ratio of 10,000 in 4,000 patients: at odds ratio 1 the observed sum has probability below 1e-300
    tables = np.array([[[990, 10], [10, 990]], [[990, 10], [10, 990]]], dtype=float)
    got = exact_common_odds_ratio(tables).measures["exact"]
    assert got.p_value == 0
    wald = pooled_odds_ratio(tables)
    np.testing.assert_allclose(
        np.log([got.estimate, got.conf_low, got.conf_high]),
        np.log([wald.estimate, wald.conf_low, wald.conf_high]),
        rtol=0.02 / 2.1,
    )


def test_what_does_not_exist():
    nothing = np.array([[[0, 5], [0, 6]]], dtype=float)
    assert isnan(pooled_odds_ratio(nothing).estimate)
    assert "no stratum" in cmh_test(nothing, correct=True).reason
    assert pooled_risk_difference(nothing)["sato"].estimate == 0
    alone = np.array([[[3, 5], [0, 0]]], dtype=float)
    assert "both exposed and unexposed" in pooled_risk_difference(alone)["sato"].reason
    assert "fewer than two strata" in breslow_day_test(alone)[1].reason
    zero = np.array([[[3, 5], [0, 6]], [[2, 5], [0, 6]]], dtype=float)
    assert pooled_odds_ratio(zero).estimate == inf
    assert "see exact" in pooled_odds_ratio(zero).reason
    assert "zero or infinite" in breslow_day_test(zero)[0].reason
    many = np.full((60, 2, 2), 2000.0)
    assert "too many" in exact_common_odds_ratio(many).reason


@pytest.mark.parametrize(
    ("tables", "pattern"),
    [
        ([[1, 2], [3, 4]], "shape"),
        (np.zeros((0, 2, 2)), "shape"),
        ([[[1, 2], [3, -4]]], "zero or more"),
        ([[[1, 2], [3, 2.5]]], "not proportions"),
        ([[[1, 2], [3, np.nan]]], "whole numbers"),
        ([[["a", 2], [3, 2]]], "not numbers"),
    ],
)
def test_refuses_what_is_not_a_table(tables, pattern):
    with pytest.raises(EstimationError, match=pattern):
        check_tables(tables)
