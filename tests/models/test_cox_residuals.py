"""Residuals of Cox models and the figure of proportional hazards, against R and by hand."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort import style
from cohort.errors import CohortError, EstimationError
from cohort.models.cox_diagnostics import RESIDUALS

FOLDER = Path(__file__).parents[1] / "reference" / "cox_more"
# Sums of 260 rows on both sides, Newton's method to the last digits; 17 digits stored. Relative to the largest.
DIRECT = 1e-12
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


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data.csv").set_index("row", drop=False)


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    frame = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False)
    return frame.assign(value=pd.to_numeric(frame["value"], errors="coerce"))


def endpoint(data: pd.DataFrame, model: str = "efron") -> co.Endpoint:
    columns = {"start": "start", "stop": "stop"} if "counting" in model else {"time": "stop"}
    return co.Endpoint.from_columns(data, event="event", **columns)


def formula(model: str) -> str:
    return "age + sex" if model == "offset" else "age + sex + ldh"


@pytest.mark.parametrize("model", MODELS)
def test_residuals_are_those_of_residuals_coxph(model, data, expected):
    fit = co.cox(endpoint(data, model), formula(model), **MODELS[model])
    for kind in RESIDUALS:
        quantity = "scaledsch" if kind == "scaled_schoenfeld" else kind
        theirs = expected[(expected["model"] == model) & (expected["quantity"] == quantity)]
        found = fit.residuals(endpoint(data, model), kind)
        if kind in ("martingale", "deviance"):
            ours = found.loc[theirs["term"].astype(int), kind].to_numpy()
        else:
            place = theirs["term"].str.split("@", expand=True)
            names = place[0].replace("sexmale", "sex[male]")
            ours = found.to_numpy()[
                found.index.get_indexer(place[1].astype(int)), found.columns.get_indexer(names)
            ]
        assert len(theirs) >= 20
        np.testing.assert_allclose(ours, theirs["value"], atol=DIRECT * theirs["value"].abs().max())


@pytest.mark.parametrize("transform", ["km", "identity", "log"])
def test_the_smooth_is_that_of_plot_cox_zph(transform, data, expected):
    fit = co.cox(endpoint(data), formula("efron"))
    ax = fit.plot_proportional_hazards(endpoint(data), "sex", transform=transform)
    (line,) = [line for line in ax.lines if line.get_gid() == "smooth"]
    band = ax.collections[0].get_paths()[0].vertices
    theirs = expected[expected["quantity"] == f"course_{transform}"]
    errors = expected[expected["quantity"] == f"course_{transform}_std_error"]["value"].to_numpy()
    at = theirs["term"].astype(int).to_numpy() - 1
    np.testing.assert_allclose(line.get_ydata()[at], theirs["value"], rtol=1e-9)
    lower = band[1:41, 1] if band[1, 1] < band[45, 1] else band[42:82, 1][::-1]
    np.testing.assert_allclose(line.get_ydata()[at] - lower[at], 1.959963984540054 * errors, rtol=1e-9)
    assert style.check_layout(ax.figure) == []
    points = next(line for line in ax.lines if line.get_gid() == "residual")
    scaled = fit.residuals(endpoint(data), "scaled_schoenfeld")
    np.testing.assert_array_equal(points.get_ydata(), scaled["sex[male]"])
    plt.close(ax.figure)


def test_martingale_residuals_by_hand():
    """Days 1 (event, x = 1), 2 (event, x = 0), 3 (censored, x = 1): h = 1/sqrt(2), hazards at x = 0 of
    sqrt(2) - 1 on day 1 and 2 - sqrt(2) on day 2, together 1.
    """
    frame = pd.DataFrame({"day": [1, 2, 3], "dead": [1, 1, 0], "x": [1, 0, 1]}, index=["a", "b", "c"])
    death = co.Endpoint.from_columns(frame, time="day", event="dead")
    fit = co.cox(death, "x")
    h = 1 / np.sqrt(2)
    residuals = fit.residuals(death)
    assert residuals.index.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(residuals["martingale"], [1 - h * (np.sqrt(2) - 1), 0, -h], atol=1e-12)
    # Schoenfeld: x minus the mean at risk, 2h/(2h + 1) = 2 - sqrt(2) on day 1 and h/(1 + h) = sqrt(2) - 1 on day 2.
    schoenfeld = fit.residuals(death, "schoenfeld")
    assert schoenfeld["time"].tolist() == [1, 2]
    np.testing.assert_allclose(schoenfeld["x"], [np.sqrt(2) - 1, 1 - np.sqrt(2)], atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_sums_vanish_at_the_estimate(model, data):
    fit = co.cox(endpoint(data, model), formula(model), **MODELS[model])
    weight = data["weight"] if "weights" in MODELS[model] else pd.Series(1.0, index=data.index)
    martingale = fit.residuals(endpoint(data, model))["martingale"]
    assert abs((martingale * weight).sum()) < 1e-10
    for kind in ("score", "schoenfeld"):
        found = fit.residuals(endpoint(data, model), kind).drop(columns="time", errors="ignore")
        np.testing.assert_allclose(
            (found.mul(weight.loc[found.index], axis=0)).sum() / data["ldh"].sum(), 0, atol=1e-12
        )
    dfbeta = fit.residuals(endpoint(data, model), "dfbeta")
    if not fit.robust:
        return
    grouped = dfbeta.groupby(data["center"]).sum().to_numpy()
    np.testing.assert_allclose(grouped.T @ grouped, fit.fit.covariance, rtol=1e-10)


def test_dfbeta_is_about_what_leaving_a_patient_out_does(data):
    fit = co.cox(endpoint(data), "age + sex")
    moved = fit.residuals(endpoint(data), "dfbeta")
    row = moved["age"].abs().idxmax()
    without = co.cox(endpoint(data.drop(index=row)), "age + sex")
    change = fit.tidy()["estimate"][0] - without.tidy()["estimate"][0]
    np.testing.assert_allclose(change, moved.loc[row, "age"], rtol=0.1)


def test_rows_left_out_and_rows_of_weight_zero(data):
    gap = data.assign(
        age=data["age"].where(data["row"] > 3), weight=data["weight"].where(data["row"] != 9, 0.0)
    )
    fit = co.cox(endpoint(gap), "age", weights="weight")
    found = fit.residuals(endpoint(gap))
    assert found.index.tolist() == data.index[3:].tolist()
    assert found["martingale"].isna().pipe(lambda gone: found.index[gone].tolist()) == [9]


def test_rows_of_one_patient_are_summed_by_label(data):
    dead = co.Endpoint.from_columns(
        data.assign(seen=np.where(data["row"] % 3, np.nan, 4)), time="stop", event="event"
    )
    split = co.counting_process(dead, {"edema": "seen"})
    rows = co.cox(split, "age")
    found = rows.residuals(split)["martingale"]
    assert len(found) == rows.n_rows > rows.n
    whole = co.cox(dead, "age").residuals(dead)["martingale"]
    patients = found.groupby(level=0).sum() if not found.index.is_unique else None
    if patients is not None:
        np.testing.assert_allclose(patients.loc[whole.index], whole, atol=1e-10)
    np.testing.assert_allclose(found.sum(), whole.sum(), atol=1e-10)


def test_other_patients_are_refused(data):
    fit = co.cox(endpoint(data), "age + sex", data=data.assign(age=data["age"] + 1))
    for other in (
        None,
        data.assign(age=data["age"] + 1).iloc[5:],
        data.assign(age=data["age"][::-1].to_numpy()),
    ):
        with pytest.raises(EstimationError, match="not the patients of the fit"):
            fit.residuals(endpoint(data), data=other)
    assert len(fit.residuals(endpoint(data), data=data.assign(age=data["age"] + 1))) == len(data)
    with pytest.raises(EstimationError, match="not the patients of the fit"):
        fit.residuals(endpoint(data.iloc[:200]))


def test_penalized_fits_have_residuals_too(data):
    fit = co.cox(endpoint(data), "age + sex", penalty="firth")
    assert abs(fit.residuals(endpoint(data))["martingale"].sum()) < 1e-10


def test_a_course_needs_one_coefficient_and_some_event_times(data):
    fit = co.cox(endpoint(data), "age + sex")
    with pytest.raises(EstimationError, match=r"one coefficient has to be chosen"):
        fit.plot_proportional_hazards(endpoint(data))
    with pytest.raises(EstimationError, match=r"terms: age, sex\[male\]"):
        fit.plot_proportional_hazards(endpoint(data), "edema")
    few = pd.DataFrame({"day": [1, 1, 2, 2, 2, 3], "dead": [1, 0, 1, 0, 1, 0], "x": [1, 2, 3, 5, 1, 2]})
    short = co.Endpoint.from_columns(few, time="day", event="dead")
    with pytest.raises(EstimationError, match=r"(?s)too few event times.*2 different times"):
        co.cox(short, "x").plot_proportional_hazards(short)


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"kind": "pearson"}, "write one of martingale, deviance"),
        ({"data": pd.DataFrame({"age": [1.0]}, index=[-5])}, "shares no index label"),
    ],
)
def test_bad_arguments_are_refused(data, options, pattern):
    with pytest.raises(CohortError, match=f"(?s){pattern}"):
        co.cox(endpoint(data), "age").residuals(endpoint(data), **options)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(["efron", "breslow"]))
def test_expected_events_add_up_to_the_events(seed, ties):
    rng = np.random.default_rng(seed)
    n = 30
    frame = pd.DataFrame({"day": rng.integers(1, 8, n), "dead": rng.random(n) < 0.5, "x": rng.normal(size=n)})
    frame.loc[:1, "dead"] = [True, False]
    death = co.Endpoint.from_columns(frame, time="day", event="dead")
    fit = co.cox(death, "x", penalty="firth", ties=ties)
    residuals = fit.residuals(death)["martingale"]
    assert abs(residuals.sum()) < 1e-9
    assert (residuals <= 1).all()
    shuffled = frame.sample(frac=1, random_state=seed)
    again = co.Endpoint.from_columns(shuffled, time="day", event="dead")
    np.testing.assert_allclose(fit.residuals(again)["martingale"].sort_index(), residuals, atol=1e-10)
