"""Predicted risks of odds_ratio: FLIC and FLAC against their defining equations in base R
(tests/reference/firth_prediction/make.R), by hand, calibration. Newton's estimates agree to 1e-8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from cohort.errors import EstimationError
from cohort.models.odds_ratio import odds_ratio

FOLDER = Path(__file__).parents[1] / "reference"
DATA = pd.read_csv(FOLDER / "logistic/data.csv").assign(age10=lambda d: (d["age"] - 60) / 10)
CENTERS, MATCHED = (pd.read_csv(FOLDER / f"clustered_logistic/{name}.csv") for name in ("data", "matched"))
EXPECTED = pd.read_csv(FOLDER / "firth_prediction/expected.csv").set_index(["model", "quantity", "term"])[
    "value"
]
NEW = pd.DataFrame({"age10": [-1.5, 0.0, 2.0], "flair": [0, 1, 1], "rare": [0, 0, 1]})
FORMULAS = {"firth": "severe ~ age10 + flair", "firth separated": "severe ~ age10 + flair + rare"}


@pytest.mark.parametrize("correction", ["flic", "flac"])
@pytest.mark.parametrize("model", FORMULAS)
def test_corrections_equal_their_equations(model, correction):
    fit = odds_ratio(FORMULAS[model], DATA, method="firth")
    terms = ["(Intercept)", *fit.names[1:]]
    expected = [EXPECTED[model, correction, term] for term in terms]
    np.testing.assert_allclose(fit.predictors[correction].estimate, expected, rtol=1e-8)
    found = fit.predict(NEW, correction)
    quantities = {"estimate": "risk", "std_error": "std_error", "conf_low": "low", "conf_high": "high"}
    for column, quantity in quantities.items():
        expected = [EXPECTED[model, f"{correction} {quantity}", str(k)] for k in (1, 2, 3)]
        np.testing.assert_allclose(found[column], expected, rtol=1e-8)


def test_by_hand():
    # 3 of 3 exposed and 2 of 6 unexposed have the outcome; Firth adds 1/2 to each cell: odds 3.5/0.5 and 2.5/4.5.
    # FLIC keeps the ratio 12.6 and moves the intercept until 3 p1 + 6 p0 = 5: with u the odds of the unexposed
    # 3 * 12.6 u / (1 + 12.6 u) + 6 u / (1 + u) = 5, or 50.4 u^2 - 24.2 u - 5 = 0
    data = pd.DataFrame({"y": [1] * 5 + [0] * 4, "x": [1] * 3 + [0] * 6})
    fit = odds_ratio("y ~ x", data, method="firth")
    u = (24.2 + np.sqrt(24.2**2 + 4 * 50.4 * 5)) / (2 * 50.4)
    new = pd.DataFrame({"x": [0, 1]})
    np.testing.assert_allclose(
        fit.predict(new)["estimate"], [u / (1 + u), 12.6 * u / (1 + 12.6 * u)], rtol=1e-8
    )
    np.testing.assert_allclose(fit.predict(new, "none")["estimate"], [2.5 / 7, 3.5 / 4], rtol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_risks_are_calibrated_on_average(seed):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=60).round(2), "z": rng.integers(0, 2, 60), "y": 0})
    data.loc[rng.choice(60, 4, replace=False), "y"] = 1
    fit = odds_ratio("y ~ x + z", data, method="firth")
    for correction in ("flic", "flac"):
        np.testing.assert_allclose(fit.predict(data, correction)["estimate"].mean(), 4 / 60, rtol=1e-7)
    assert fit.predict(data, "none")["estimate"].mean() > 4 / 60  # pulled towards one half
    assert fit.predict(data)["estimate"].equals(fit.predict(data, "flic")["estimate"])


def test_maximum_likelihood_predicts_the_cells_with_their_limits():
    # one binary covariate: the risk of a group, with variance 1/a + 1/b of its log odds
    data = pd.DataFrame({"y": [1] * 6 + [0] * 4 + [1] * 3 + [0] * 7, "x": ["yes"] * 10 + ["no"] * 10})
    found = odds_ratio("y ~ x", data).predict(pd.DataFrame({"x": ["no", "yes", None]}))
    np.testing.assert_allclose(found["estimate"], [0.3, 0.6, np.nan], rtol=1e-8)
    half = 1.959963984540054 * np.sqrt([1 / 3 + 1 / 7, 1 / 6 + 1 / 4])
    np.testing.assert_allclose(found["conf_low"][:2], expit(np.log([3 / 7, 6 / 4]) - half), rtol=1e-8)
    assert found["reason"].to_list() == ["", "", "a covariate is missing"]
    wide = odds_ratio("y ~ x", data).predict(pd.DataFrame({"x": ["no"]}), conf_level=0.99)
    assert wide["conf_low"][0] < found["conf_low"][0]


def test_estimating_equations_predict_with_t_limits():
    fit = odds_ratio("severe ~ age10", CENTERS, "gee", "center", variance="mancl_derouen")
    found = fit.predict(CENTERS.head(1).set_index(pd.Index(["first"])))
    x = np.array([1.0, CENTERS["age10"][0]])
    eta, error = x @ fit.estimate, np.sqrt(x @ fit.covariance @ x)
    half = 2.2281388519649385 * error  # t with 12 - 2 = 10 degrees of freedom
    np.testing.assert_allclose(
        found[["estimate", "conf_low"]].loc["first"], expit([eta, eta - half]), rtol=1e-10
    )


def test_weighted_fits_predict_with_the_robust_variance():
    fit = odds_ratio("severe ~ age10", DATA.assign(w=1.0 + DATA["flair"]), weights="w")
    found = fit.predict(NEW)
    X = np.column_stack([np.ones(3), NEW["age10"]])
    error = np.sqrt(np.einsum("ij,jk,ik->i", X, fit.covariance, X))
    np.testing.assert_allclose(found["estimate"], expit(X @ fit.estimate), rtol=1e-12)
    np.testing.assert_allclose(
        found["conf_low"], expit(X @ fit.estimate - 1.959963984540054 * error), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("call", "problem", "remedy"),
    [
        (lambda: odds_ratio("severe ~ flair", DATA, "exact").predict(DATA), "no intercept", "firth"),
        (
            lambda: odds_ratio("severe ~ flair", MATCHED, "conditional", strata="set").predict(MATCHED),
            "within matched sets",
            "firth",
        ),
        (
            lambda: odds_ratio("severe ~ flair", CENTERS, "random_intercept", "center").predict(CENTERS),
            "not known",
            "gee",
        ),
        (lambda: odds_ratio("severe ~ flair", DATA).predict(DATA, "flic"), "does not go", '"none"'),
        (lambda: odds_ratio("severe ~ product", DATA).predict(DATA.assign(product="x")), "not seen", "leave"),
        (lambda: odds_ratio("severe ~ age", DATA).predict(DATA, conf_level=95), "between 0 and 1", "0.95"),
    ],
)
def test_refuses_with_a_remedy(call, problem, remedy):
    with pytest.raises(EstimationError, match=problem) as raised:
        call()
    assert remedy in raised.value.remedy
