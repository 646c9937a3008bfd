"""time_dependent_auc and brier_score: against R riskRegression (tests/reference/prediction/make.R)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort import style
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import CohortError, EndpointError, EstimationError, ImmortalTimeError
from cohort.estimators.censoring_weights import censoring_weights
from cohort.estimators.prediction_scores import area_under_curve, brier

FOLDER = Path(__file__).parents[1] / "reference/prediction"
DATA = pd.read_csv(FOLDER / "data.csv")
DATA["dead"] = (DATA["status"] > 0).astype(int)
EXPECTED = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False, dtype={"value": float})
STATES = {1: "relapse", 2: "death"}
# Sums of 300 weights and their square root, in another order than R's.
DIRECT = 1e-10


def endpoint(when="days", kind="competing", data=DATA):
    if kind == "competing":
        return co.Endpoint.from_columns(data, time=when, event="status", states=STATES, name="relapse")
    return co.Endpoint.from_columns(data, time=when, event="dead")


def chosen(kind):
    return "relapse" if kind == "competing" else None


def expected(analysis, term):
    rows = EXPECTED[(EXPECTED["analysis"] == analysis) & (EXPECTED["term"] == term)]
    assert len(rows)
    return rows.set_index(["time", "quantity"])["value"]


@pytest.mark.parametrize("when", ["days", "day"])
@pytest.mark.parametrize("kind", ["competing", "survival"])
def test_areas_their_errors_and_differences_equal_score(when, kind):
    fit = co.time_dependent_auc(endpoint(when, kind), ["easix", "score"], [30, 60], event=chosen(kind))
    name = f"auc {kind} {when}"
    for (term, time), row in fit.tidy().set_index(["term", "time"]).iterrows():
        ours = row[["estimate", "std_error", "conf_low", "conf_high"]].to_numpy(dtype=float)
        theirs = expected(name, term).loc[time][["AUC", "se", "lower", "upper"]]
        np.testing.assert_allclose(ours, theirs, rtol=DIRECT, err_msg=f"{term} {time}")
    for time, row in fit.difference().set_index("time").iterrows():
        theirs = expected(f"{name} difference", "score-easix").loc[time]
        ours = row[["estimate", "std_error"]].to_numpy(dtype=float)
        np.testing.assert_allclose(ours, theirs[["delta.AUC", "se"]], rtol=DIRECT)


@pytest.mark.parametrize("when", ["days", "day"])
@pytest.mark.parametrize("kind", ["competing", "survival"])
def test_brier_scores_equal_score(when, kind):
    models = {"risk60": "risk60", "other60": "other60"}
    fit = co.brier_score(endpoint(when, kind), models, 60, event=chosen(kind))
    name, tidy = f"brier {kind} {when}", fit.tidy().set_index(["measure", "term"])
    for ours, term in (("risk60", "risk60"), ("other60", "other60"), ("null model", "Null model")):
        row = tidy.loc[("brier_score", ours), ["estimate", "std_error", "conf_low", "conf_high"]]
        theirs = expected(name, term).loc[60]
        np.testing.assert_allclose(
            row.to_numpy(dtype=float), theirs[["Brier", "se", "lower", "upper"]], rtol=DIRECT
        )
        if ours in models:
            scaled = tidy.loc[("scaled_brier", ours), "estimate"]
            np.testing.assert_allclose(scaled, theirs["IPA"], rtol=1e-9)
    rows = fit.difference().query("measure == 'brier_score'").set_index("term")
    for term in models:
        theirs = expected(f"{name} difference", f"{term}-Null model").loc[60, ["delta.Brier", "se"]]
        ours = rows.loc[f"{term} - null model", ["estimate", "std_error"]].to_numpy(dtype=float)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_by_hand_with_a_censored_patient():
    # One of 4 at risk is censored on day 2, so G = 3/4 from then on. Case of day 1: weight 1; case of day 3 and the two
    # controls: 4/3. The first case ranks above both controls, 1 (4/3 + 4/3) = 8/3; the second ties with one,
    # 4/3 4/3 1/2 = 8/9; over (1 + 4/3)(4/3 + 4/3) = 56/9 that is 32/56.
    frame = pd.DataFrame(
        {"days": [1, 2, 3, 4, 5], "dead": [1, 0, 1, 0, 0], "m": [3, 9, 1, 2, 1], "r": [0.5] * 5}
    )
    own = co.Endpoint.from_columns(frame, time="days", event="dead")
    assert co.time_dependent_auc(own, "m", 3).tidy()["estimate"].item() == pytest.approx(4 / 7, rel=1e-15)
    # Everybody is off by a half, and the weights sum to 5: the Brier score is 1/4. Incidence: (1 + 4/3)/5 = 7/15.
    tidy = co.brier_score(own, "r", 3).tidy().set_index(["measure", "term"])["estimate"]
    assert tidy["brier_score", "r"] == pytest.approx(0.25, rel=1e-15)
    assert tidy["brier_score", "null model"] == pytest.approx(7 / 15 * 8 / 15, rel=1e-14)
    assert tidy["scaled_brier", "r"] == pytest.approx(1 - 0.25 / (56 / 225), rel=1e-13)


def test_influence_is_the_derivative_by_case_weights():
    # Doubling a patient in a sample of n moves the estimate by about influence / n: compare in a large sample.
    rng = np.random.default_rng(1)
    n = 400
    stop, event = rng.exponential(1, n), rng.integers(0, 2, n)
    marker = rng.normal(size=n) - stop
    whole = area_under_curve(marker, censoring_weights(stop, event, 1, 0.8))
    moved = np.array(
        [
            area_under_curve(
                np.delete(marker, i),
                censoring_weights(np.delete(stop, i), np.delete(event, i), 1, 0.8),
            ).estimate
            for i in range(60)
        ]
    )
    jackknife = (n - 1) * (whole.estimate - moved)
    np.testing.assert_allclose(whole.influence[:60], jackknife, atol=0.02 * whole.influence.std())


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_order_scale_and_direction(seed, factor):
    rng = np.random.default_rng(seed)
    n = 40
    stop, event = np.ceil(rng.exponential(20, n)), rng.integers(0, 3, n)
    marker = rng.integers(0, 8, n).astype(float)
    mixed = rng.permutation(n)
    one = area_under_curve(marker, censoring_weights(stop, event, 1, 15))
    if np.isnan(one.estimate):
        return
    other = area_under_curve(
        np.exp(marker[mixed]), censoring_weights(stop[mixed] * factor, event[mixed], 1, 15 * factor)
    )
    assert one.estimate == pytest.approx(other.estimate, rel=1e-12)
    assert one.std_error == pytest.approx(other.std_error, rel=1e-9)
    back = area_under_curve(-marker, censoring_weights(stop, event, 1, 15))
    assert one.estimate + back.estimate == pytest.approx(1, rel=1e-12)
    assert abs(one.influence.mean()) < 1e-12


def test_weights_sum_to_the_number_of_patients_also_with_ties():
    for when in ("days", "day"):
        weights = censoring_weights(DATA[when].to_numpy(dtype=float), DATA["status"].to_numpy(), 1, 60.0)
        assert weights.weight.sum() == pytest.approx(len(DATA), rel=1e-12)
        null = np.mean(weights.weight * weights.case)
        incidence = co.cumulative_incidence(endpoint(when)).at([60]).set_index("outcome").loc["relapse"]
        assert null == pytest.approx(incidence["estimate"], rel=1e-12)


def simulated(rng, n):
    x = rng.normal(size=n)
    event, censor = rng.exponential(50 * np.exp(-0.9 * x)), rng.uniform(10, 120, n)
    return x, np.minimum(event, censor), (event <= censor).astype(np.int64)


def coverage(replicates, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=400_000)
    t = rng.exponential(50 * np.exp(-0.9 * x))
    rank = pd.Series(x).rank().to_numpy()
    cases = t <= 40
    truth = (rank[cases].mean() - (cases.sum() + 1) / 2) / (~cases).sum()
    risk = 1 - np.exp(-40 / 50 * np.exp(0.9 * x))
    brier_truth = np.mean((cases - risk) ** 2)
    inside = np.zeros(2)
    for _ in range(replicates):
        marker, stop, event = simulated(rng, n)
        weights = censoring_weights(stop, event, 1, 40.0)
        one = area_under_curve(marker, weights)
        inside[0] += abs(one.estimate - truth) < 1.96 * one.std_error
        two = brier(1 - np.exp(-40 / 50 * np.exp(0.9 * marker)), weights)
        inside[1] += abs(two.estimate - brier_truth) < 1.96 * two.std_error
    return inside / replicates


def test_limits_cover_the_truth():
    # Monte-Carlo standard error at 400 replicates 0.011.
    assert (np.abs(coverage(400, 200, 7) - 0.945) < 0.03).all()


@pytest.mark.slow
def test_limits_cover_the_truth_closely():
    # Monte-Carlo standard error 0.0031.
    assert (np.abs(coverage(5000, 400, 8) - 0.948) < 0.010).all()


def test_a_time_that_cannot_be_judged_says_why():
    frame = pd.DataFrame(
        {"days": [5, 6, 7, 8], "dead": [0, 1, 1, 0], "m": [1, 2, 3, 4], "r": [0.1, 0.2, 0.3, 0.4]}
    )
    own = co.Endpoint.from_columns(frame, time="days", event="dead")
    fit = co.time_dependent_auc(own, "m", [3, 6, 8, 20])
    assert fit.tidy()["reason"].to_list() == [
        "no event by this time",
        "",
        "follow-up ends at 8",
        "follow-up ends at 8",
    ]
    assert fit.tidy()["estimate"].isna().to_list() == [True, False, True, True]
    brier_fit = co.brier_score(own, {"m": ["r", "r"]}, [3, 6]).tidy()
    assert brier_fit.loc[brier_fit["time"] == 3, "estimate"].isna().all()
    everyone = co.Endpoint.from_columns(frame.assign(dead=1), time="days", event="dead")
    assert co.time_dependent_auc(everyone, "m", 8).tidy()["reason"].item() == "everyone has had the event"


def test_the_missing_are_left_out_and_counted():
    data = DATA.assign(easix=DATA["easix"].where(DATA.index >= 12))
    fit = co.time_dependent_auc(endpoint(data=data), ["easix", "score"], 30, event="relapse")
    assert fit.left_out == (("easix", "missing", 12),)
    assert fit.rows.n == 288
    part = co.time_dependent_auc(endpoint(data=data.iloc[12:]), ["easix", "score"], 30, event="relapse")
    pd.testing.assert_frame_equal(fit.tidy(), part.tidy())


def test_ordered_categories_rank_and_grades_not_known_are_left_out():
    labels = ["low", "middle", "high"]
    risk = pd.cut(DATA["score"], [-9, -0.5, 0.5, 9], labels=labels)
    fit = co.time_dependent_auc(endpoint(data=DATA.assign(risk=risk)), "risk", 30, event="relapse")
    same = co.time_dependent_auc(endpoint(data=DATA.assign(risk=risk.cat.codes)), "risk", 30, event="relapse")
    pd.testing.assert_frame_equal(fit.tidy(), same.tidy())


def test_a_score_known_later_is_refused():
    data = declare_facts(DATA, {"easix": ColumnFacts("at_exam", 14.0)})
    with pytest.raises(ImmortalTimeError, match="landmark_day=14"):
        co.time_dependent_auc(endpoint(data=data), "easix", 30, event="relapse")
    fit = co.time_dependent_auc(
        endpoint(data=data), "easix", 30, event="relapse", acknowledge="immortal_time"
    )
    assert "acknowledged" in repr(fit)


def with_late_entry():
    return co.Endpoint.from_columns(DATA.assign(entry=0.5), time="day", event="dead", entry="entry")


@pytest.mark.parametrize(
    ("call", "error", "pattern"),
    [
        (lambda: co.time_dependent_auc(endpoint(), "easix", 30), EndpointError, 'event="relapse"'),
        (lambda: co.time_dependent_auc(with_late_entry(), "easix", 30), EstimationError, "landmark_day"),
        (lambda: co.time_dependent_auc(endpoint(kind="survival"), "easyx", 30), EstimationError, "easix"),
        (lambda: co.time_dependent_auc(endpoint(kind="survival"), [], 30), EstimationError, "marker="),
        (lambda: co.time_dependent_auc(endpoint(kind="survival"), "easix", 0), EstimationError, "times="),
        (lambda: co.time_dependent_auc(endpoint(kind="survival"), "easix", []), EstimationError, "times="),
        (
            lambda: co.time_dependent_auc(endpoint(kind="survival"), "easix", np.inf),
            EstimationError,
            "times=",
        ),
        (lambda: co.brier_score(endpoint(kind="survival"), "easix", 30), EstimationError, "/ 100"),
        (
            lambda: co.brier_score(endpoint(kind="survival"), "risk30", [30, 60]),
            EstimationError,
            "for each time",
        ),
        (
            lambda: co.brier_score(endpoint(kind="survival"), ["risk60", "risk30"], [60, 30]),
            EstimationError,
            "ascending",
        ),
        (
            lambda: co.time_dependent_auc(
                endpoint(kind="survival", data=DATA.assign(group=pd.Categorical(["high"] * 299 + ["low"]))),
                "group",
                30,
            ),
            EstimationError,
            "ordered=True",
        ),
        (
            lambda: co.time_dependent_auc(
                endpoint(kind="survival", data=DATA.assign(easix=np.nan)), "easix", 30
            ),
            EstimationError,
            "missing values",
        ),
        (
            lambda: co.time_dependent_auc(endpoint(kind="survival"), "easix", 30).difference(),
            EstimationError,
            "car_hematotox",
        ),
    ],
)
def test_what_cannot_be_judged_says_what_to_do(call, error, pattern):
    with pytest.raises(error, match=pattern) as caught:
        call()
    assert isinstance(caught.value, CohortError)


def test_one_value_for_everybody_is_one_half():
    fit = co.time_dependent_auc(endpoint(kind="survival", data=DATA.assign(easix=1.0)), "easix", 30)
    assert fit.tidy()["estimate"].item() == 0.5


def test_one_patient_has_no_standard_error():
    frame = pd.DataFrame({"days": [5], "dead": [1], "m": [1]})
    own = co.Endpoint.from_columns(frame, time="days", event="dead")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tidy = co.time_dependent_auc(own, "m", [4, 5]).tidy()
    assert tidy["estimate"].isna().all()
    assert tidy["std_error"].isna().all()


def test_figures_draw_the_frame():
    fit = co.time_dependent_auc(endpoint(kind="survival"), ["easix", "score"], [30, 60])
    ax = fit.plot()
    drawn = {
        line.get_gid(): line.get_ydata() for line in ax.lines if str(line.get_gid()).startswith("estimate")
    }
    for name, rows in fit.tidy().groupby("term"):
        np.testing.assert_array_equal(drawn[f"estimate {name}"], rows["estimate"])
    assert style.check_layout(ax.figure) == []
    ax = co.brier_score(endpoint(kind="survival"), {"published": ["risk30", "risk60"]}, [30, 60]).plot()
    assert style.check_layout(ax.figure) == []


def test_text_names_score_time_and_limits():
    fit = co.time_dependent_auc(endpoint(kind="survival"), ["easix", "score"], [30, 60])
    assert fit.text("easix", 30) == "area under the ROC curve of easix at 30 days 0.67 (95% CI 0.60–0.73)"
    assert "at 60 days" in fit.text("score")
    with pytest.raises(EstimationError, match="name one of the scores"):
        fit.text("age")
