"""Limits of one proportion: by hand, against R, and as properties.

References: R stats ``binom.test``, ``prop.test``, ``qbeta``, ``pbeta`` and survey 4.1.1 ``svymean``, ``svyciprop``
(tests/reference/proportion/make.R; two_by_two/make.R). Limits are direct (1e-9; R's qbeta), mid-p halves an interval
60 times and R's uniroot stops at 1e-15 (1e-9).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import EstimationError
from cohort.estimators.clustered_proportion import clustered_proportion
from cohort.estimators.proportions import effective_limits, proportion_limits

REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = pd.read_csv(REFERENCE / "two_by_two/expected.csv")
PROPORTION = pd.read_csv(REFERENCE / "proportion/expected.csv", dtype={"set": str})
CLUSTERS = pd.read_csv(REFERENCE / "proportion/data.csv")
METHODS = ["wilson", "exact", "mid_p", "jeffreys"]


def test_by_hand():
    # nobody of 10: exact upper limit 1 - 0.025^(1/10); Wilson upper z^2 / (n + z^2)
    z2 = 3.841458820694124
    np.testing.assert_allclose(proportion_limits(0, 10, "exact")[1], 1 - 0.025**0.1, rtol=1e-12)
    np.testing.assert_allclose(proportion_limits(0, 10, "wilson")[1], z2 / (10 + z2), rtol=1e-12)
    # mid-p: (1 - p)^10 / 2 = 0.025
    np.testing.assert_allclose(proportion_limits(0, 10, "mid_p")[1], 1 - 0.05**0.1, rtol=1e-12)
    for method in METHODS:
        assert proportion_limits(0, 10, method)[0] == 0
        assert proportion_limits(10, 10, method)[1] == 1


@pytest.mark.parametrize("method", ["exact", "wilson", "jeffreys"])
def test_equals_r(method):
    rows = EXPECTED[(EXPECTED["term"] == "proportion") & (EXPECTED["method"] == method)]
    assert len(rows) == 10
    for quantity, side in (("conf_low", 0), ("conf_high", 1)):
        part = rows[rows["quantity"] == quantity]
        got = proportion_limits(part["table"].to_numpy(), np.full(len(part), 30), method)[side]
        np.testing.assert_allclose(got, part["value"], rtol=1e-9, atol=1e-14)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from(METHODS))
def test_limits_bracket_and_mirror(x, n, method):
    x = min(x, n)
    low, high = proportion_limits(x, n, method)
    mirrored = proportion_limits(n - x, n, method)
    assert 0 <= low <= x / n <= high <= 1
    np.testing.assert_allclose([1 - mirrored[1], 1 - mirrored[0]], [low, high], atol=1e-12)


def test_empty_group_is_missing():
    low, high = proportion_limits([0, 3], [0, 6])
    assert np.isnan(low[0])
    assert np.isnan(high[0])
    assert low[1] < 0.5 < high[1]


@pytest.mark.parametrize("counts", [(5, 3), (-1, 3), (0.5, 3)])
def test_refuses_impossible_counts(counts):
    with pytest.raises(EstimationError, match="0 <= n_event <= n"):
        proportion_limits(*counts)


def rows_of(name: str) -> dict[tuple[str, str], float]:
    rows = PROPORTION[PROPORTION["set"] == name]
    return dict(zip(zip(rows["method"], rows["quantity"], strict=True), rows["value"], strict=True))


COUNTS = [name for name in PROPORTION["set"].unique() if "/" in name]


def test_all_references_are_used():
    assert len(COUNTS) == 23
    assert len(PROPORTION) == 8 * len(COUNTS) + 11 * CLUSTERS["set"].nunique()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", COUNTS)
def test_counts_equal_r(name, method):
    expected = rows_of(name)
    got = proportion_limits(*(int(v) for v in name.split("/")), method)
    wanted = [expected[method, side] for side in ("conf_low", "conf_high")]
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("k", CLUSTERS["set"].unique())
def test_clusters_equal_r_survey(k):
    expected, rows = rows_of(str(k)), CLUSTERS[CLUSTERS["set"] == k]
    found = clustered_proportion(rows["n_event"], rows["n"])
    np.testing.assert_allclose(found.std_error, expected["any", "std_error"], rtol=1e-10)
    np.testing.assert_allclose(found.design_effect, expected["any", "design_effect"], rtol=1e-10)
    for method in METHODS:
        wanted = [expected[method, side] for side in ("conf_low", "conf_high")]
        np.testing.assert_allclose(found.limits(method), wanted, rtol=1e-9)


def test_clusters_by_hand():
    # 3 patients, 2 of 4 exams each wholly alike: 2/4, 0/4, 4/4; p = 1/2, residuals 0, -2, 2:
    # variance 3/2 * 8 / 144 = 1/12; of 12 independent exams 1/48; design effect 4
    found = clustered_proportion([2, 0, 4], [4, 4, 4])
    np.testing.assert_allclose([found.std_error**2, found.design_effect], [1 / 12, 4], rtol=1e-14)
    # nobody: three exams of one patient and one of another count as 16 / 10 rows at most
    none = clustered_proportion([0, 0], [3, 1])
    assert none.assumed
    assert none.design_effect == 2.5
    assert none.limits("exact")[0] == 0
    assert none.limits("exact")[1] > proportion_limits(0, 4, "exact")[1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=12))
def test_clusters_never_say_more_than_independent_rows(clusters):
    x, n = (np.array(v) for v in zip(*[(min(a, b), b) for a, b in clusters], strict=True))
    if (n > 0).sum() < 2:
        return
    found = clustered_proportion(x, n)
    assert found.design_effect >= 1
    assert 0 < found.effective_n(0.95) <= found.n
    for method in METHODS:
        low, high = found.limits(method)
        assert low <= found.n_event / found.n <= high
    backward = clustered_proportion(x[::-1], n[::-1])
    np.testing.assert_allclose(backward.std_error, found.std_error, rtol=1e-10, atol=1e-12)
    whole = proportion_limits(found.n_event, found.n, "exact")
    assert found.limits("exact")[0] <= whole[0] + 1e-12
    assert found.limits("exact")[1] >= whole[1] - 1e-12


def test_whole_effective_numbers_are_counts():
    for method in METHODS:
        got = effective_limits(3.0, 20.0, method, 0.9)
        np.testing.assert_allclose(got, proportion_limits(3, 20, method, 0.9), rtol=1e-12)


def test_one_cluster_has_no_limits():
    found = clustered_proportion([2, 0], [5, 0])
    assert found.n_cluster == 1
    assert np.isnan([found.std_error, *found.limits("wilson")]).all()


@pytest.mark.parametrize("counts", [([1, 2], [1]), ([2], [1]), ([0.5], [1]), ([-1], [2]), ([np.nan], [2])])
def test_clusters_refuse_impossible_counts(counts):
    with pytest.raises(EstimationError, match="0 <= n_event <= n"):
        clustered_proportion(*counts)
