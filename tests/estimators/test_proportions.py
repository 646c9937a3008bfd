"""Limits of one proportion: by hand, against R (tests/reference/two_by_two/make.R), and as properties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import EstimationError
from cohort.estimators.proportions import proportion_limits

EXPECTED = pd.read_csv(Path(__file__).parents[1] / "reference/two_by_two/expected.csv")


def test_by_hand():
    # nobody of 10: exact upper limit 1 - 0.025^(1/10); Wilson upper z^2 / (n + z^2)
    z2 = 3.841458820694124
    np.testing.assert_allclose(proportion_limits(0, 10, "exact")[1], 1 - 0.025**0.1, rtol=1e-12)
    np.testing.assert_allclose(proportion_limits(0, 10, "wilson")[1], z2 / (10 + z2), rtol=1e-12)
    for method in ("exact", "wilson", "jeffreys"):
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
@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from(["exact", "wilson", "jeffreys"]))
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
