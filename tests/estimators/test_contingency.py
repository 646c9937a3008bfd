"""Ratio and difference measures of a two-by-two table: by hand, against R, and as properties."""

from __future__ import annotations

from math import exp, inf, isnan, log, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import EstimationError
from cohort.estimators.contingency import TwoByTwoCounts, odds_ratio_limits, risk_difference, risk_ratio

FOLDER = Path(__file__).parents[1] / "reference/two_by_two"
EXPECTED, TABLES = pd.read_csv(FOLDER / "expected.csv"), pd.read_csv(FOLDER / "data.csv")
MEASURES = {"risk_ratio": risk_ratio, "odds_ratio": odds_ratio_limits, "risk_difference": risk_difference}
CELLS = st.tuples(*[st.integers(0, 25)] * 4)
Z = 1.959963984540054


def table_number(number):
    return TwoByTwoCounts(*(int(v) for v in TABLES.iloc[number - 1]))


def test_wald_by_hand():
    # risks 10/20 and 2/17: ratio 4.25, SE(log) sqrt(1/10 - 1/20 + 1/2 - 1/17)
    table = TwoByTwoCounts(10, 10, 2, 15)
    ratio = risk_ratio(table)["wald"]
    error = sqrt(1 / 10 - 1 / 20 + 1 / 2 - 1 / 17)
    np.testing.assert_allclose(
        [ratio.estimate, ratio.conf_low, ratio.conf_high, ratio.std_error],
        [4.25, 4.25 * exp(-Z * error), 4.25 * exp(Z * error), 4.25 * error],
        rtol=1e-12,
    )
    odds = odds_ratio_limits(table)["wald"]
    assert odds.estimate == 10 * 15 / (10 * 2)
    np.testing.assert_allclose(
        log(odds.conf_high / odds.estimate), Z * sqrt(1 / 10 + 1 / 10 + 1 / 2 + 1 / 15)
    )
    difference = risk_difference(table)["wald"]
    np.testing.assert_allclose(difference.estimate, 10 / 20 - 2 / 17, rtol=1e-14)
    np.testing.assert_allclose(difference.std_error**2, 0.25 / 20 + 2 * 15 / 17**3, rtol=1e-12)


def test_score_at_no_association_by_hand():
    # all three are Pearson's chi-squared times (N-1)/N: 37 (10*15 - 10*2)^2 / (20*17*12*25) * 36/37
    from scipy.special import chdtrc

    expected = chdtrc(1, 36 * 130**2 / (20 * 17 * 12 * 25))
    table = TwoByTwoCounts(10, 10, 2, 15)
    for measure in MEASURES.values():
        np.testing.assert_allclose(measure(table)["score"].p_value, expected, rtol=1e-9)


@pytest.mark.parametrize("method", ["wald", "score", "newcombe"])
def test_equals_r(method):
    """make.R: epiR for Wald; Miettinen-Nurminen and Newcombe from their definitions (roots to 1e-7)."""
    rows = EXPECTED[(EXPECTED["method"] == method) & (EXPECTED["term"] != "proportion")]
    tolerance = 1e-6 if method == "score" else 1e-10
    assert len(rows) >= 14
    for number, part in rows.groupby("table"):
        for term, quantity, value in zip(part["term"], part["quantity"], part["value"], strict=True):
            got = getattr(MEASURES[term](table_number(number))[method], quantity)
            np.testing.assert_allclose(got, value, rtol=tolerance, err_msg=f"{number} {term} {quantity}")


@settings(max_examples=40, deadline=None)
@given(CELLS)
def test_limits_bracket(cells):
    table = TwoByTwoCounts(*cells)
    for measure in MEASURES.values():
        for m in measure(table).values():
            if not isnan(m.conf_low):
                assert m.conf_low - 1e-9 <= m.estimate <= m.conf_high + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 25)] * 4))
def test_reversing_the_exposure_inverts_ratios(cells):
    a, b, c, d = cells
    for measure in (risk_ratio, odds_ratio_limits):
        for method in ("wald", "score"):
            first, second = (measure(TwoByTwoCounts(*t))[method] for t in ((a, b, c, d), (c, d, a, b)))
            np.testing.assert_allclose(first.estimate * second.estimate, 1, rtol=1e-12)
            np.testing.assert_allclose(first.conf_low * second.conf_high, 1, rtol=1e-7)
    first, second = (risk_difference(TwoByTwoCounts(*t))["score"] for t in ((a, b, c, d), (c, d, a, b)))
    np.testing.assert_allclose(first.conf_low, -second.conf_high, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 25)] * 4))
def test_zero_is_in_the_difference_exactly_when_one_is_in_the_ratios(cells):
    """The three score tests of no association are one test."""
    table = TwoByTwoCounts(*cells)
    inside = [
        low <= null <= high
        for measure, null in ((risk_difference, 0.0), (risk_ratio, 1.0), (odds_ratio_limits, 1.0))
        for m in [measure(table)["score"]]
        for low, high in [(m.conf_low, m.conf_high)]
    ]
    assert len(set(inside)) == 1


def test_zero_cells_are_said_and_nothing_is_added():
    table = TwoByTwoCounts(0, 10, 5, 10)
    assert risk_ratio(table)["wald"].estimate == 0
    assert isnan(risk_ratio(table)["wald"].conf_high)
    assert risk_ratio(table)["wald"].reason == "a group has no events: no Wald limits, see score"
    score = odds_ratio_limits(table)["score"]
    assert score.conf_low == 0
    assert 0 < score.conf_high < inf
    infinite = odds_ratio_limits(TwoByTwoCounts(5, 0, 3, 4))["score"]
    assert infinite.estimate == infinite.conf_high == inf
    assert 1 < infinite.conf_low < inf


@pytest.mark.parametrize(
    ("cells", "measure", "reason"),
    [
        ((0, 0, 3, 4), risk_ratio, "no exposed patients"),
        ((3, 4, 0, 0), risk_difference, "no unexposed patients"),
        ((0, 4, 0, 6), risk_ratio, "no events in either group"),
        ((4, 0, 6, 0), odds_ratio_limits, "everyone has the event"),
    ],
)
def test_what_does_not_exist_is_missing_with_its_reason(cells, measure, reason):
    for m in measure(TwoByTwoCounts(*cells)).values():
        assert isnan(m.estimate)
        assert m.reason == reason


@pytest.mark.parametrize("cells", [(-1, 2, 3, 4), (0.5, 2, 3, 4), (float("nan"), 2, 3, 4), (inf, 1, 1, 1)])
def test_refuses_impossible_cells(cells):
    with pytest.raises(EstimationError, match="counts of patients"):
        TwoByTwoCounts(*cells)


def test_coverage_of_score_limits():
    """95% limits of the risk ratio with 30 and 25 patients, risks 0.4 and 0.25; 400 tables, seed fixed."""
    rng = np.random.default_rng(20261122)
    covered, n_sets = 0, 400
    for a, c in zip(rng.binomial(30, 0.4, n_sets), rng.binomial(25, 0.25, n_sets), strict=True):
        m = risk_ratio(TwoByTwoCounts(int(a), 30 - int(a), int(c), 25 - int(c)))["score"]
        covered += bool(m.conf_low <= 1.6 <= m.conf_high)
    assert abs(covered / n_sets - 0.95) < 3 * sqrt(0.95 * 0.05 / n_sets)
