"""manski_bounds: by hand, properties, coverage of the true proportion, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import cohort as co
from cohort.errors import EstimationError
from cohort.estimators.partial_identification import critical_value, difference_bounds, proportion_bounds
from cohort.estimators.proportions import proportion_limits
from cohort.style import check_layout

STATES = ["present"] * 2 + ["absent"] * 16 + ["not_imaged"] * 10 + ["indeterminate"] * 1 + [None] * 1


def frame() -> pd.DataFrame:
    return pd.DataFrame({"flair_deep": STATES, "product": ["axi", "liso"] * 15})


def test_by_hand():
    # 30 patients: 2 present, 16 absent, 12 not known. Bounds 2/30 and 14/30; under the assumption the ten not
    # imaged have it at most in 2/18: (2 + 10 * 2/18 + 2) / 30
    bounds = co.manski_bounds("flair_deep", frame()).tidy().iloc[1]
    np.testing.assert_allclose(bounds[["bound_low", "bound_high"]].tolist(), [2 / 30, 14 / 30], rtol=1e-14)
    assumed = co.manski_bounds("flair_deep", frame(), assume="at_most").tidy().iloc[1]
    expected = [2 / 30, (2 + 10 * 2 / 18 + 2) / 30]
    np.testing.assert_allclose(assumed[["bound_low", "bound_high"]].tolist(), expected, rtol=1e-14)
    assert np.isnan(bounds["estimate"])
    assert bounds["reason"] == "only bounds are identified"


def test_kinds_of_not_known_stay_apart():
    text = repr(co.manski_bounds("flair_deep", frame()))
    assert "not_imaged 10" in text
    assert "indeterminate 1" in text
    assert "missing 1" in text


def test_everybody_known_is_clopper_pearson():
    bounds = proportion_bounds(3, 20, 0, 0)
    low, high = proportion_limits(3, 20, "exact")
    np.testing.assert_allclose([bounds.conf_low, bounds.conf_high], [low, high], rtol=1e-9)
    assert bounds.low == bounds.high == 0.15


def test_difference_of_known_groups_squares_and_adds():
    both = difference_bounds((8, 20, 0, 0), (3, 25, 0, 0))
    (l1, u1), (l2, u2) = proportion_limits(8, 20, "exact"), proportion_limits(3, 25, "exact")
    expected = [0.28 - np.hypot(0.4 - l1, u2 - 0.12), 0.28 + np.hypot(u1 - 0.4, 0.12 - l2)]
    np.testing.assert_allclose([both.conf_low, both.conf_high], expected, rtol=1e-8)


def test_standard_error_of_the_assumed_upper_end_equals_the_delta_method():
    # upper = (x + m x/k) / n with x, k, m multinomial: numerical gradient against the influence function
    x, k, m, free = 12, 60, 30, 10
    n = k + m + free
    cells = np.array([x, k - x, m, free]) / n

    def upper(p: np.ndarray) -> float:
        return float(p[0] + p[2] * p[0] / (p[0] + p[1]) + p[3])

    step = 1e-6
    gradient = np.array([(upper(cells + step * e) - upper(cells - step * e)) / (2 * step) for e in np.eye(4)])
    variance = (np.diag(cells) - np.outer(cells, cells)) / n
    from cohort.estimators.partial_identification import _ends

    ends = _ends(x, k, m, free)
    assert ends is not None
    np.testing.assert_allclose(ends.se_high, np.sqrt(gradient @ variance @ gradient), rtol=1e-7)


@given(st.floats(0, 1), st.floats(1e-4, 1), st.floats(0.5, 0.99))
@settings(deadline=None)
def test_critical_value_solves_its_equation(width, se, level):
    c = critical_value(width, se, level)
    assert norm.ppf(level) - 1e-9 <= c <= norm.ppf((1 + level) / 2) + 1e-9
    np.testing.assert_allclose(norm.cdf(c + width / se) - norm.cdf(-c), level, atol=1e-9)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
@settings(deadline=None)
def test_bounds_nest(x, absent, unscanned, free):
    known = x + absent
    if known == 0:
        return
    wide, narrow = (
        proportion_bounds(x, known, 0, unscanned + free),
        proportion_bounds(x, known, unscanned, free),
    )
    assert wide.low == narrow.low <= x / known + 1e-12
    assert x / known - 1e-12 <= narrow.high <= wide.high + 1e-12
    assert 0 <= wide.conf_low <= wide.low <= wide.high <= wide.conf_high <= 1
    assert 0 <= narrow.conf_low <= narrow.low <= narrow.high <= narrow.conf_high <= 1


def test_limits_hold_the_true_value_at_the_end_of_the_bounds():
    # Worst place for coverage: nobody unscanned has the finding, so the truth is the lower end.
    rng = np.random.default_rng(5)
    n, p_known, p = 120, 0.6, 0.15
    cells = rng.multinomial(n, [p_known * p, p_known * (1 - p), 1 - p_known], size=1500)
    hit = [
        b.conf_low <= p_known * p <= b.conf_high
        for b in (proportion_bounds(int(x), int(x + a), 0, int(u)) for x, a, u in cells.tolist())
    ]
    # exact one-sided limits: never under the level beyond simulation error (3 standard errors = 0.017)
    assert 0.935 <= np.mean(hit) <= 0.985


def test_nobody_known_says_so():
    data = pd.DataFrame({"f": ["not_imaged"] * 3 + ["present", "absent"], "g": ["a"] * 3 + ["b"] * 2})
    tidy = co.manski_bounds("f", data, by="g", assume="at_most").tidy()
    empty = tidy[(tidy["strata"] == "a") | (tidy["term"] == "risk_difference")]
    assert empty[["bound_low", "conf_low"]].isna().all(axis=None)
    assert empty["reason"].ne("").all()
    worst = co.manski_bounds("f", data, by="g").tidy()
    row = worst[(worst["strata"] == "a") & (worst["method"] == "bounds")].iloc[0]
    assert (row["bound_low"], row["bound_high"]) == (0.0, 1.0)


def test_groups_of_unknown_membership_are_left_out_and_counted():
    data = frame().assign(product=[None, *["axi", "liso"] * 14, "axi"])
    result = co.manski_bounds("flair_deep", data, by="product")
    assert result.left_out == (("product", "missing", 1),)
    assert result.glance()["n"].item() == 29


def test_figure_shows_the_table():
    result = co.manski_bounds("flair_deep", frame(), by="product")
    ax = result.plot()
    rows = result.tidy().query("method == 'bounds' and term == 'proportion'")
    drawn = [(p.get_x(), p.get_x() + p.get_width()) for p in ax.patches if p.get_gid() == "bounds"]
    np.testing.assert_allclose(drawn, rows[["bound_low", "bound_high"]].to_numpy())
    assert check_layout(ax.figure) == []


@pytest.mark.parametrize(
    ("data", "keywords", "pattern"),
    [
        (frame(), {"finding": "flair_dep"}, "flair_deep"),
        (frame(), {"finding": "product"}, "absent/present"),
        (frame().iloc[:0], {}, "filter"),
        (frame(), {"assume": "monotone"}, "at_most"),
        (frame().assign(product="axi"), {"by": "product"}, "leave by= out"),
        (frame(), {"conf_level": 2}, "0.95"),
    ],
)
def test_refusals(data, keywords, pattern):
    with pytest.raises(EstimationError, match=pattern):
        co.manski_bounds(**{"finding": "flair_deep", "data": data, **keywords})
