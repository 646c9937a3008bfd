"""e_value: published values of VanderWeele and Ding (2017), identities, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.errors import EstimationError
from cohort.plots.confounder_curve import plot_confounder_curve


def test_published_value():
    # 3.9 + sqrt(3.9 * 2.9) = 7.263...; limit 1.8 + sqrt(1.8 * 0.8) = 1.8 + 1.2 = 3
    result = co.e_value(3.9, 1.8, 8.7)
    np.testing.assert_allclose(result.estimate, 3.9 + np.sqrt(3.9 * 2.9), rtol=1e-15)
    assert round(result.estimate, 2) == 7.26
    np.testing.assert_allclose(result.limit, 3.0, rtol=1e-14)


@pytest.mark.parametrize(
    ("given_", "keywords", "estimate", "limit"),
    [
        # protective: 1/0.8 = 1.25, 1.25 + sqrt(1.25 * 0.25) = 1.809; nearest limit 0.95
        ((0.8, 0.7, 0.95), {}, 1.25 + np.sqrt(1.25 * 0.25), 1 / 0.95 + np.sqrt(1 / 0.95 * (1 / 0.95 - 1))),
        ((1.2, 0.9, 1.6), {}, 1.2 + np.sqrt(1.2 * 0.2), 1.0),
        ((4.0, 2.25, 9.0), {"measure": "odds_ratio"}, 2 + np.sqrt(2), 1.5 + np.sqrt(1.5 * 0.5)),
        ((4.0, None, None), {"measure": "odds_ratio", "rare": True}, 4 + np.sqrt(12), np.nan),
        ((4.0, None, None), {"measure": "hazard_ratio", "rare": True}, 4 + np.sqrt(12), np.nan),
        # away from a true risk ratio of 2: 4 / 2 = 2, nearest limit 1.5 < 2 so 1
        ((4.0, 1.5, 9.0), {"true_value": 2.0}, 2 + np.sqrt(2), 1.0),
        ((1.0, 0.5, 2.0), {}, 1.0, 1.0),
    ],
)
def test_by_hand(given_, keywords, estimate, limit):
    result = co.e_value(*given_, **keywords)
    np.testing.assert_allclose([result.estimate, result.limit], [estimate, limit], rtol=1e-12)


def test_common_hazard_ratio_and_standardized_difference():
    hazard = co.e_value(0.56, 0.46, 0.69, measure="hazard_ratio")
    b = (1 - 0.5 ** np.sqrt(0.56)) / (1 - 0.5 ** np.sqrt(1 / 0.56))
    np.testing.assert_allclose(hazard.estimate, 1 / b + np.sqrt(1 / b * (1 / b - 1)), rtol=1e-12)
    shift = co.e_value(0.5, 0.1, 0.9, measure="standardized_mean_difference")
    np.testing.assert_allclose(shift.risk_ratio, np.exp(0.91 * np.array([0.5, 0.1, 0.9])), rtol=1e-14)
    below = co.e_value(-0.5, -0.9, -0.1, measure="standardized_mean_difference", true_value=0)
    np.testing.assert_allclose([below.estimate, below.limit], [shift.estimate, shift.limit], rtol=1e-12)


@given(st.floats(1e-3, 1e3), st.sampled_from(["risk_ratio", "odds_ratio", "hazard_ratio"]))
@settings(deadline=None)
def test_inverse_has_the_same_e_value_and_it_solves_the_bound(value, measure):
    result, inverse = co.e_value(value, measure=measure), co.e_value(1 / value, measure=measure)
    np.testing.assert_allclose(result.estimate, inverse.estimate, rtol=1e-9)
    # bounding factor of Ding and VanderWeele at equal associations: E^2 / (2 E - 1)
    factor = max(result.risk_ratio[0], 1 / result.risk_ratio[0])
    np.testing.assert_allclose(result.estimate**2 / (2 * result.estimate - 1), factor, rtol=1e-9)


def test_the_curve_holds_pairs_that_explain_the_estimate_away():
    ax = co.e_value(3.9, 1.8, 8.7).plot()
    first, second = [line for line in ax.lines if line.get_gid() == "curve"]
    for line, factor in ((first, 3.9), (second, 1.8)):
        x, y = line.get_xdata(), line.get_ydata()
        np.testing.assert_allclose(x * y / (x + y - 1), factor, rtol=1e-9)
    marks = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "e_value"]
    np.testing.assert_allclose(
        marks, co.e_value(3.9, 1.8, 8.7).tidy().loc[0, ["estimate", "conf_low"]].tolist()
    )


def test_nothing_to_explain_draws_no_curve():
    ax = co.e_value(1.0, 0.8, 1.2).plot()
    assert not [line for line in ax.lines if line.get_gid() == "curve"]


@pytest.mark.parametrize(
    ("arguments", "keywords", "pattern"),
    [
        ((-0.5,), {}, r"exp\(\)"),
        ((0.0,), {}, r"exp\(\)"),
        ((np.nan,), {}, r"exp\(\)"),
        ((np.inf,), {}, "one scale"),
        ((2.0, 3.0, 4.0), {}, "one scale"),
        ((2.0, 1.0), {}, "conf_low and conf_high"),
        ((0.1,), {"measure": "risk_difference"}, "give the risk ratio"),
        ((2.0,), {"measure": "beta"}, "risk_ratio"),
        ((2.0,), {"true_value": -1.0}, "no effect"),
        ((2.0,), {"conf_level": 95}, "0.95"),
    ],
)
def test_refusals(arguments, keywords, pattern):
    with pytest.raises(EstimationError, match=pattern):
        co.e_value(*arguments, **keywords)


def test_another_level_is_refused():
    with pytest.raises(EstimationError, match="limits at that level"):
        co.e_value(2.0, 1.5, 3.0).tidy(conf_level=0.9)


def test_a_factor_of_one_has_no_curve():
    with pytest.raises(co.errors.CohortError, match="not above 1"):
        plot_confounder_curve(co.e_value(2.0).tidy().assign(strata="x", estimate=1.0))
