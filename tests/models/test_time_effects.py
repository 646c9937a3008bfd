"""Coefficients that change with time: by hand, against R survival (tests/reference/time_effects), and refusals."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort import style
from cohort.errors import EstimationError
from cohort.estimators.time_splitting import cut_intervals

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "time_effects"
# Newton steps to convergence on both sides.
RTOL = 1e-8
DATA = pd.read_csv(FOLDER / "data.csv")
EXPECTED = pd.read_csv(FOLDER / "expected.csv")
CUTS = [15, 40]


def right() -> co.Endpoint:
    return co.Endpoint.from_columns(DATA, time="stop", event="event")


def late() -> co.Endpoint:
    return co.Endpoint.from_columns(DATA, time="stop", entry="start", event="event")


MODELS = {
    "log": lambda: co.cox(right(), "age + sex", time_effects={"age": "log"}),
    "sqrt": lambda: co.cox(right(), "age + sex", time_effects={"age": "sqrt"}),
    "linear": lambda: co.cox(right(), "age + sex", time_effects={"age": "linear"}),
    "counting_breslow": lambda: co.cox(
        late(), "age + sex", strata="stratum", ties="breslow", time_effects={"sex": "log"}
    ),
    "counting": lambda: co.cox(late(), "age + sex", time_effects={"sex": "log"}),
    "piecewise": lambda: co.cox(late(), "age + sex", time_effects={"age": CUTS}),
    "piecewise_weights": lambda: co.cox(
        late(), "age + sex", weights="weight", cluster="row", time_effects={"age": CUTS}
    ),
    "log_robust": lambda: co.cox(late(), "age + sex", robust=True, time_effects={"age": "log"}),
    "spline": lambda: co.cox(late(), "age + sex", time_effects={"age": {"knots": [2, 15, 50, 140]}}),
}


@pytest.mark.parametrize("name", MODELS)
def test_it_equals_r(name):
    """R survival, ``coxph(tt = )`` and ``survSplit``; see make.R."""
    expected = EXPECTED[EXPECTED["model"] == name].set_index("term")
    fit = MODELS[name]()
    tidy = fit.tidy().set_index("term").loc[expected.index]
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(tidy[column], expected[column], rtol=RTOL, atol=1e-11)
    np.testing.assert_allclose(fit.fit.log_likelihood, expected["log_likelihood"].iloc[0], rtol=1e-12)


def test_a_cut_belongs_to_the_interval_it_ends():
    # (0, 5] and (2, 3] cut at 2 and 3: the second has no cut strictly inside.
    pieces = cut_intervals(np.array([0.0, 2.0]), np.array([5.0, 3.0]), np.array([2.0, 3.0]))
    assert pieces.origin.tolist() == [0, 0, 0, 1]
    assert pieces.stop.tolist() == [2, 3, 5, 3]
    assert pieces.last.tolist() == [False, False, True, True]


def test_intervals_are_separate_models_by_hand():
    """With one covariate, a piecewise effect is a fit to each interval's events alone."""
    fit = MODELS["piecewise"]()
    only = co.cox(late(), "age", time_effects={"age": CUTS}).tidy()
    ends = [0, *CUTS, np.inf]
    for k in range(3):
        inside = DATA.assign(
            event=DATA["event"] * (DATA["stop"] <= ends[k + 1]),
            stop=np.minimum(DATA["stop"], ends[k + 1]),
            start=np.maximum(DATA["start"], ends[k]),
        )
        inside = inside[inside["start"] < inside["stop"]]
        own = co.cox(
            co.Endpoint.from_columns(inside, time="stop", entry="start", event="event"), "age"
        ).tidy()
        np.testing.assert_allclose(only["estimate"][k], own["estimate"][0], rtol=RTOL)
        np.testing.assert_allclose(only["std_error"][k], own["std_error"][0], rtol=RTOL)
    rows = fit.time_effect()
    assert rows["time_low"].tolist() == [0, 15, 40]
    np.testing.assert_array_equal(rows["estimate"], fit.tidy()["estimate"][:3])


def test_the_effect_at_a_time_is_the_sum_of_its_parts():
    fit = MODELS["log"]()
    b = fit.tidy().set_index("term")["estimate"]
    V = fit.fit.covariance
    one = fit.time_effect([20.0], "age").iloc[0]
    np.testing.assert_allclose(one["estimate"], b["age"] + np.log(20) * b["age:log(time)"], rtol=1e-12)
    c = np.array([1.0, np.log(20), 0.0])
    np.testing.assert_allclose(one["std_error"], np.sqrt(c @ V @ c), rtol=1e-12)
    ratio = fit.time_effect([20.0], exponentiate=True).iloc[0]
    np.testing.assert_allclose(ratio["conf_high"], np.exp(one["conf_high"]), rtol=1e-12)
    test = fit.time_effect_tests().iloc[0]
    wald = fit.tidy().set_index("term").loc["age:log(time)"]
    np.testing.assert_allclose(test["statistic"], wald["statistic"] ** 2, rtol=1e-10)
    np.testing.assert_allclose(test["p_value"], wald["p_value"], rtol=1e-8)


def test_a_spline_passes_through_its_coefficients_at_the_knots():
    fit = MODELS["spline"]()
    b = fit.tidy()["estimate"].to_numpy()
    at = fit.time_effect([2, 15, 50, 140])["estimate"].to_numpy()
    np.testing.assert_allclose(at, b[0] + np.r_[0, b[1:4]], rtol=1e-9)


def test_martingale_residuals_of_a_patient_sum_over_the_pieces():
    fit = MODELS["piecewise"]()
    sums = fit.residuals(late(), "martingale").groupby(level=0).sum()
    assert len(sums) == len(DATA)
    np.testing.assert_allclose(sums["martingale"].sum(), 0, atol=1e-9)
    assert fit.n == len(DATA)


REFUSED = {
    "unknown term": ({"ages": "log"}, "no term of the formula.*write the term"),
    "unknown kind": ({"age": "cubic"}, 'write one of "linear"'),
    "descending": ({"age": [40, 15]}, "ascending"),
    "no cut": ({"age": []}, "ascending"),
    "zero": ({"age": [0, 15]}, "ascending"),
    "infinite": ({"age": [15, np.inf]}, "ascending"),
    "empty interval": ({"age": [15, 5000]}, "interval without events.*leave out a cut"),
    "few knots": ({"age": {"knots": [1, 2]}}, "ascending"),
    "nothing": ({}, "does not say which term"),
}


@pytest.mark.parametrize("given", REFUSED)
def test_what_cannot_be_is_refused(given):
    effects, pattern = REFUSED[given]
    with pytest.raises(EstimationError, match=f"(?s){pattern}"):
        co.cox(right(), "age + sex", time_effects=effects)


def test_what_a_model_without_time_effects_cannot_say():
    plain = co.cox(right(), "age")
    with pytest.raises(EstimationError, match="fit with time_effects="):
        plain.time_effect([10])
    fit = MODELS["log"]()
    with pytest.raises(EstimationError, match="hold coefficients at one time"):
        fit.predict(pd.DataFrame({"age": [60], "sex": ["male"]}), [10])
    with pytest.raises(EstimationError, match="above zero"):
        fit.time_effect([0.0])
    with pytest.raises(EstimationError, match="not the patients of the fit"):
        fit.residuals(late())


@pytest.mark.parametrize("name", ["log", "piecewise", "spline"])
def test_the_figure_draws_the_table(name):
    fit = MODELS[name]()
    ax = fit.plot_time_effect()
    curve = next(line for line in ax.lines if line.get_gid() == "curve")
    if name == "piecewise":
        np.testing.assert_allclose(curve.get_ydata()[::2], fit.time_effect(exponentiate=True)["estimate"])
    else:
        drawn = fit.time_effect(curve.get_xdata(), exponentiate=True)
        np.testing.assert_allclose(curve.get_ydata(), drawn["estimate"], rtol=1e-12)
    assert style.check_layout(ax.figure) == []
    plt.close(ax.figure)
