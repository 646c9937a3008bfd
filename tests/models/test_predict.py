"""Predicted survival, hazards, incidence and relative risks of new patients."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.errors import CohortError, CompetingRiskError, EstimationError, ImmortalTimeError
from cohort.models.cox import CoxRegression

FOLDER = Path(__file__).parents[1] / "reference" / "cox_more"
# Sums of 260 rows on both sides, Newton's method to the last digits; 17 digits stored.
DIRECT = 1e-11
MODELS = {
    "efron": {},
    "breslow": {"ties": "breslow"},
    "counting": {},
    "counting_breslow": {"ties": "breslow"},
    "strata": {"strata": "stratum"},
    "counting_strata": {"strata": "stratum"},
    "weights": {"weights": "weight", "robust": False},
    "cluster": {"weights": "weight", "cluster": "center"},
    "offset": {"offset": "shift"},
}
DAYS = [3, 10, 25, 50, 90]
NEW = pd.DataFrame(
    {
        "age": [45, 60, 75],
        "sex": ["male", "female", "male"],
        "ldh": [150, 250, 600],
        "stratum": ["a", "b", "c"],
        "shift": [0.1, -0.2, 0.0],
    },
    index=[1, 2, 3],
)
STATES = {1: "relapse", 2: "nrm"}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data.csv")


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    frame = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False)
    return frame.assign(value=pd.to_numeric(frame["value"], errors="coerce"))


def fit_of(data: pd.DataFrame, model: str) -> CoxRegression:
    columns = {"start": "start", "stop": "stop"} if "counting" in model else {"time": "stop"}
    endpoint = co.Endpoint.from_columns(data, event="event", **columns)
    return co.cox(endpoint, "age + sex" if model == "offset" else "age + sex + ldh", **MODELS[model])


def values(expected: pd.DataFrame, model: str, quantity: str) -> pd.Series:
    found = expected[(expected["model"] == model) & (expected["quantity"] == quantity)]
    assert len(found)
    return found.set_index("term")["value"]


def labelled(curves: pd.DataFrame, column: str) -> pd.Series:
    return curves.set_index(curves["strata"] + "@" + curves["time"].astype(int).astype(str))[column]


@pytest.mark.parametrize("model", MODELS)
def test_survival_and_its_limits_are_those_of_survfit(model, data, expected):
    fit = fit_of(data, model)
    for conf_type in ("plain", "log", "log-log"):
        curves = fit.predict(NEW, DAYS, conf_type=conf_type)
        known = curves["reason"] == ""
        assert known.sum() >= 14  # R goes on beyond the end of follow-up of a stratum, this package does not
        for quantity, column in (
            ("survival", "estimate"),
            ("survival_std_error", "std_error"),
            (f"low_{conf_type}", "conf_low"),
            (f"high_{conf_type}", "conf_high"),
        ):
            ours = labelled(curves[known], column)
            theirs = values(expected, model, quantity).reindex(ours.index)
            np.testing.assert_allclose(ours, theirs, rtol=DIRECT, atol=1e-14)
    hazard = fit.predict(NEW, DAYS, kind="cumulative_hazard")
    ours = labelled(hazard[hazard["reason"] == ""], "estimate")
    theirs = values(expected, model, "cumulative_hazard").reindex(ours.index)
    np.testing.assert_allclose(ours, theirs, rtol=DIRECT)


@pytest.mark.parametrize("model", [model for model in MODELS if "strata" not in model])
def test_linear_predictors_are_those_of_predict_coxph(model, data, expected):
    predicted = fit_of(data, model).predict(NEW, kind="linear_predictor")
    theirs = values(expected, model, "linear_predictor").to_numpy()
    if model == "offset":
        theirs = (
            theirs + data["shift"].mean()
        )  # R subtracts the mean of the offsets even with reference="zero"
    np.testing.assert_allclose(predicted["estimate"], theirs, rtol=DIRECT)
    errors = values(expected, model, "linear_predictor_std_error")
    np.testing.assert_allclose(predicted["std_error"], errors, rtol=DIRECT)


def test_incidence_is_that_of_predict_crr(data, expected):
    endpoint = co.Endpoint.from_columns(data, time="stop", event="status", states=STATES)
    fit = co.fine_gray(endpoint, "age + sex + ldh", event="relapse")
    ours = labelled(fit.predict(NEW, DAYS), "estimate")
    np.testing.assert_allclose(ours, values(expected, "fine_gray", "incidence"), rtol=DIRECT)


def test_survival_by_hand():
    """Days 1 (event, x = 1), 2 (event, x = 0), 3 (censored, x = 1): h/(2h + 1) * 1/(1 + h) has its maximum at
    h = 1/sqrt(2); the hazard at x = 0 jumps by 1/(2h + 1) = sqrt(2) - 1 on day 1 and 1/(h + 1) = 2 - sqrt(2) on day 2.
    """
    frame = pd.DataFrame({"day": [1, 2, 3], "dead": [1, 1, 0], "x": [1, 0, 1]})
    fit = co.cox(co.Endpoint.from_columns(frame, time="day", event="dead"), "x")
    new = pd.DataFrame({"x": [0, 1]}, index=["none", "finding"])
    hazard = fit.predict(new, [0.5, 1, 2.5, 4], kind="cumulative_hazard")
    first = np.array([0, np.sqrt(2) - 1, 1, np.nan])
    np.testing.assert_allclose(hazard["estimate"], np.r_[first, first / np.sqrt(2)], rtol=1e-12)
    curve = fit.predict(new, [1, 2])
    np.testing.assert_allclose(
        curve["estimate"], np.exp(-hazard["estimate"].to_numpy()[[1, 2, 5, 6]]), rtol=1e-12
    )
    # var H(1 | x = 0) = (sqrt(2) - 1)^2 (1 + zbar^2 var b), zbar = 2h/(2h + 1) = 2 - sqrt(2), and the information
    # is zbar (1 - zbar) + h/(1 + h) * 1/(1 + h).
    h, zbar = 1 / np.sqrt(2), 2 - np.sqrt(2)
    variance = 1 / (zbar * (1 - zbar) + h / (1 + h) ** 2)
    np.testing.assert_allclose(
        hazard["std_error"][1], (np.sqrt(2) - 1) * np.sqrt(1 + zbar**2 * variance), rtol=1e-12
    )
    assert hazard["reason"].tolist()[3] == "follow-up ends at 3"
    assert hazard["conf_low"][0] == hazard["conf_high"][0] == 0


def test_relative_risk_to_a_patient(data):
    fit = fit_of(data, "strata")
    reference = {"age": 60, "sex": "female", "ldh": 250}
    ratio = fit.predict(NEW, kind="relative_risk", reference=reference)
    b = fit.tidy().set_index("term")
    difference = np.array([-15, 0, 15])
    male = np.array([1, 0, 1])
    ldh = np.array([-100, 0, 350])
    eta = (
        difference * b.loc["age", "estimate"]
        + male * b.loc["sex", "estimate"]
        + ldh * b.loc["ldh", "estimate"]
    )
    np.testing.assert_allclose(ratio["estimate"], np.exp(eta), rtol=1e-12)
    assert ratio["std_error"][1] == 0
    only_age = fit.predict(NEW.assign(sex="female", ldh=250), kind="linear_predictor", reference=reference)
    np.testing.assert_allclose(
        only_age["std_error"], np.abs(difference) * b.loc["age", "std_error"], rtol=1e-12
    )


@pytest.mark.parametrize(
    "formula", ["bs(age, df=4) * sex", "cr(age, df=4, constraints='center') + sex", "scale(age)"]
)
def test_splines_keep_the_knots_of_the_fit(data, formula):
    """Patients of the fit, given again in parts, get the linear predictor they had in it."""
    endpoint = co.Endpoint.from_columns(data, time="stop", event="event")
    fit = co.cox(endpoint, formula)
    whole = fit.predict(data, kind="linear_predictor")["estimate"]
    parts = [
        fit.predict(data.iloc[rows], kind="linear_predictor")["estimate"]
        for rows in (slice(7), slice(7, None))
    ]
    np.testing.assert_allclose(np.r_[parts[0], parts[1]], whole, rtol=1e-9)
    known = fit.fit.concordance.estimate
    again = co.cox(co.Endpoint.from_columns(data.assign(eta=whole), time="stop", event="event"), "eta")
    np.testing.assert_allclose(again.fit.log_likelihood, fit.fit.log_likelihood, rtol=1e-10)
    np.testing.assert_allclose(again.tidy()["estimate"], 1.0, rtol=1e-6)
    np.testing.assert_allclose(again.fit.concordance.estimate, known, rtol=1e-10)


def test_a_spline_is_not_read_outside_its_range(data):
    endpoint = co.Endpoint.from_columns(data, time="stop", event="event")
    old = pd.DataFrame({"age": [140.0]})
    with pytest.raises(EstimationError, match=r"(?s)where its B-spline ends.*cr\(\)"):
        co.cox(endpoint, "bs(age, df=4)").predict(old, [10])
    straight = co.cox(endpoint, "cr(age, df=4, constraints='center')")
    eta = straight.predict(pd.DataFrame({"age": [110, 120, 130]}), kind="linear_predictor")["estimate"]
    np.testing.assert_allclose(np.diff(eta, 2), 0, atol=1e-9)


def test_numbers_in_categories_are_found_again_and_new_ones_refused(data):
    endpoint = co.Endpoint.from_columns(data.assign(grade=data["row"] % 4), time="stop", event="event")
    fit = co.cox(endpoint, "C(grade) + age")
    eta = fit.predict(pd.DataFrame({"grade": [2.0], "age": [0]}), kind="linear_predictor")
    np.testing.assert_allclose(eta["estimate"], fit.tidy()["estimate"][1], rtol=1e-14)
    with pytest.raises(EstimationError, match="categories that the fit has not seen"):
        fit.predict(pd.DataFrame({"grade": [5], "age": [0]}), kind="linear_predictor")


def test_whoever_lacks_a_covariate_has_a_reason(data):
    fit = fit_of(data, "strata")
    new = NEW.assign(age=[np.nan, 60, 75], stratum=["a", None, "c"])
    curves = fit.predict(new, [10])
    assert curves["reason"].tolist() == ["covariate missing", "stratum or offset missing", ""]
    assert curves["strata"].tolist() == ["1", "2", "3"]
    assert curves["estimate"].isna().tolist() == [True, True, False]


def test_a_curve_needs_the_covariates_at_the_origin(data):
    endpoint = co.Endpoint.from_columns(
        data.assign(seen=np.where(data["row"] % 3, np.nan, 2)), time="stop", event="event"
    )
    changing = co.cox(co.counting_process(endpoint, {"edema": "seen"}), "edema + age")
    new = pd.DataFrame({"edema": [0, 1], "age": [60, 60]})
    with pytest.raises(ImmortalTimeError, match="changes with time"):
        changing.predict(new, [10])
    assert changing.predict(new, [10], acknowledge="immortal_time")["estimate"].notna().all()
    assert changing.predict(new, kind="relative_risk")["estimate"].notna().all()


def test_competing_events_leave_no_survival(data):
    endpoint = co.Endpoint.from_columns(data, time="stop", event="status", states=STATES)
    fit = co.cox(endpoint, "age + sex", event="relapse")
    with pytest.raises(CompetingRiskError, match="not the probability of relapse"):
        fit.predict(NEW, [10])
    assert (fit.predict(NEW, [10], kind="cumulative_hazard")["estimate"] > 0).all()


@pytest.mark.parametrize(
    ("new", "options", "pattern"),
    [
        (NEW.drop(columns="age"), {}, "unknown column age"),
        (NEW.assign(sex="other"), {}, "categories that the fit has not seen"),
        (NEW.assign(age="old"), {}, "age is not numeric"),
        (NEW.assign(age=np.inf), {}, "not a finite number"),
        (NEW.assign(stratum="z"), {}, "a stratum the fit does not have"),
        (NEW.drop(columns="stratum"), {}, "unknown column stratum"),
        (NEW[:0], {}, "there is no new patient"),
        ({"age": 60}, {}, "pd.DataFrame"),
        (NEW, {"times": ["ten"]}, "times are not numbers"),
        (NEW, {"kind": "hazard"}, "write one of survival, cumulative_hazard"),
        (NEW, {"conf_type": "logit"}, "write one of log-log, log, plain"),
        (NEW, {"conf_level": 95}, "not between 0 and 1"),
        (NEW, {"kind": "relative_risk", "reference": {"age": 60}}, "unknown column sex"),
        (
            NEW,
            {"kind": "relative_risk", "reference": {"age": np.nan, "sex": "male", "ldh": 1}},
            "lacks a covariate",
        ),
    ],
)
def test_bad_arguments_are_refused(data, new, options, pattern):
    with pytest.raises(CohortError, match=f"(?s){pattern}"):
        fit_of(data, "strata").predict(new, **({"times": [10]} | options))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_curves_fall_and_limits_bracket(seed):
    rng = np.random.default_rng(seed)
    n = 40
    frame = pd.DataFrame(
        {"day": rng.integers(1, 12, n), "dead": rng.random(n) < 0.6, "x": rng.normal(size=n)}
    )
    frame.loc[:1, "dead"] = [True, False]
    fit = co.cox(co.Endpoint.from_columns(frame, time="day", event="dead"), "x", penalty="firth")
    curves = fit.predict(pd.DataFrame({"x": [-1.0, 0.0, 2.0]}))
    for _, curve in curves.groupby("strata"):
        assert (np.diff(curve["estimate"]) <= 0).all()
    known = curves.dropna()
    assert (known["conf_low"] <= known["estimate"]).all()
    assert (known["estimate"] <= known["conf_high"]).all()
    # The origin of a covariate moves nothing.
    moved = co.cox(
        co.Endpoint.from_columns(frame.assign(x=frame["x"] + 1e4), time="day", event="dead"),
        "x",
        penalty="firth",
    )
    again = moved.predict(pd.DataFrame({"x": [1e4 - 1.0, 1e4, 1e4 + 2.0]}))
    np.testing.assert_allclose(again["estimate"], curves["estimate"], rtol=1e-6)
    np.testing.assert_allclose(again["std_error"], curves["std_error"], rtol=1e-5)


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, 1.5], [1, 2], ["a", "b"], [True, False]])
def test_a_stratum_is_found_again_however_its_values_are_stored(values):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"days": np.ceil(rng.exponential(50, 80)), "dead": rng.random(80) < 0.8})
    data["age"], data["site"] = rng.normal(60, 10, 80), values * 40
    fit = co.cox(co.Endpoint.from_columns(data, time="days", event="dead"), "age", strata="site")
    one = data.iloc[[0, 2]]  # only the first stratum
    np.testing.assert_allclose(
        fit.predict(one, [10])["estimate"], fit.predict(data.iloc[:4], [10])["estimate"].iloc[[0, 2]]
    )
