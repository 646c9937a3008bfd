"""Data no model of time to event may turn into a number: what each is refused with, or what it says instead."""

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.errors import CohortError, EndpointError, EstimationError

STATES = {1: "relapse", 2: "nrm"}


def frame(**changes) -> pd.DataFrame:
    """Sixty patients, two competing events, two centers."""
    rng = np.random.default_rng(1)
    n = 60
    data = pd.DataFrame(
        {
            "day": np.ceil(rng.exponential(30, n)) + 1,
            "status": rng.choice([0, 1, 2], n),
            "age": rng.normal(60, 10, n),
            "arm": np.arange(n) % 2,
            "weight": 1.0,
            "center": np.arange(n) % 7,
            "patient": np.arange(n),
        }
    )
    return data.assign(**changes)


def at(values, row, value):
    """Return the values with one of them replaced."""
    return values.where(np.arange(len(values)) != row, value)


def endpoint(data: pd.DataFrame) -> co.Endpoint:
    return co.Endpoint.from_columns(data, time="day", event="status", states=STATES)


BASE = frame()
TIMES = [
    ({"day": at(BASE["day"], 3, -1.0)}, {}, r"Times in day are negative.*1 of 60 rows.*origin="),
    ({"day": at(BASE["day"], 3, 0.0)}, {}, r"(?i)times in 'day' are zero.*half a day"),
    ({"day": at(BASE["day"], 3, np.inf)}, {}, r"infinite values.*end of observation"),
    ({"status": at(BASE["status"], 3, 7)}, {}, r"codes without a name in states.*Name every event code"),
    ({"entry": BASE["day"]}, {"entry": "entry"}, r"end at or before they start.*60 of 60 rows"),
    (
        {"entry": at(BASE["day"] * 0, 3, 1e9)},
        {"entry": "entry"},
        r"end at or before they start.*1 of 60 rows",
    ),
    ({"entry": at(BASE["day"] * 0, 3, -5.0)}, {"entry": "entry"}, r"negative.*1 of 60 rows"),
    (
        {"patient": BASE["patient"] // 2},
        {"id": "patient"},
        r"would be at risk twice.*30 subjects.*one row per time",
    ),
]


@pytest.mark.parametrize(("changes", "arguments", "pattern"), TIMES)
def test_times_and_events_are_refused_when_the_endpoint_is_made(changes, arguments, pattern):
    with pytest.raises(EndpointError, match=f"(?s){pattern}"):
        co.Endpoint.from_columns(frame(**changes), time="day", event="status", states=STATES, **arguments)


@pytest.mark.parametrize(
    ("intervals", "pattern"),
    [
        ([(0, 5), (4, 9)], r"1 overlap, 0 duplicate, 0 gap \(allowed\); 1 subjects"),
        ([(0, 5), (0, 5)], r"0 overlap, 1 duplicate, 0 gap"),
        ([(0, 5), (6, 9), (8, 12)], r"1 overlap, 0 duplicate, 1 gap"),
        ([(0, 5), (5, 5)], r"end at or before they start.*1 of 2 rows"),
    ],
)
def test_intervals_of_one_patient_are_classified(intervals, pattern):
    data = pd.DataFrame(intervals, columns=["start", "stop"]).assign(id=1, event=0)
    with pytest.raises(EndpointError, match=f"(?s){pattern}"):
        co.Endpoint.from_columns(data, start="start", stop="stop", event="event", id="id")


NO_NRM = BASE["status"].where(BASE["status"] != 2, 0)
ARM_EVENT_FREE = BASE["status"].where(BASE["arm"] == 0, 0)
# changes of the data, formula, further arguments, pattern of both models' errors
REFUSED = [
    (
        {"status": BASE["status"] * 0},
        "age",
        {},
        r"there is no event.*0 events in 60 rows.*how events are coded",
    ),
    ({"status": NO_NRM}, "age", {}, r"there is no event"),
    (
        {"status": ARM_EVENT_FREE},
        "arm",
        {},
        r"monotone likelihood: the estimate of arm is infinite.*(firth|merge)",
    ),
    ({"arm": 1}, "arm", {}, r"column arm is constant.*leave arm out"),
    ({"arm": "one"}, "arm", {}, r"column arm is constant.*one category"),
    ({"age": at(BASE["age"], 3, np.inf)}, "age", {}, r"column age has infinite values.*1 of 60"),
    ({"age": BASE["age"] * 1e200}, "age", {}, r"column age has numbers too large or too small.*unit of age"),
    ({"age": BASE["age"] * 1e-200}, "age", {}, r"column age has numbers too large or too small"),
    (
        {"months": BASE["age"] * 12 + 1},
        "age + months",
        {},
        r"column months is collinear with age.*leave months out",
    ),
    ({"weight": 0.0}, "age", {"weights": "weight"}, r"all weights are zero"),
    ({"weight": -1.0}, "age", {"weights": "weight"}, r"some weights are negative.*60 of 60"),
    (
        {"weight": at(BASE["weight"], 3, np.inf)},
        "age",
        {"weights": "weight"},
        r"weights has missing or infinite",
    ),
    ({"weight": (BASE["status"] != 2) * 1.0}, "age", {"weights": "weight"}, r"there is no event"),
    ({"weight": "a"}, "age", {"weights": "weight"}, r"weights column weight is not numeric"),
    ({"shift": "a"}, "age", {"offset": "shift"}, r"offset column shift is not numeric"),
    (
        {"shift": at(BASE["weight"], 3, -np.inf)},
        "age",
        {"offset": "shift"},
        r"offset has missing or infinite",
    ),
    ({}, "age", {"offset": "shft"}, r"unknown column shft"),
    ({}, "age", {"strata": "patient"}, r"column age carries no information.*stratify differently"),
    (
        {"center": 1},
        "age",
        {"cluster": "center"},
        r"need several clusters.*1 cluster of .. rows.*leave cluster= out",
    ),
    ({}, "age", {"ties": "exact"}, r"unknown way.*efron"),
    ({"age": np.nan}, "age", {}, r"no row is left"),
]


@pytest.mark.parametrize("model", [co.cox, co.fine_gray])
@pytest.mark.parametrize(("changes", "formula", "arguments", "pattern"), REFUSED)
def test_models_refuse_by_name(changes, formula, arguments, pattern, model):
    with pytest.raises(EstimationError, match=f"(?s){pattern}"):
        model(endpoint(frame(**changes)), formula, event="nrm", **arguments)


def test_fewer_rows_than_columns_and_empty_frames():
    rng = np.random.default_rng(2)
    wide = frame().head(4).assign(**{f"z{k}": rng.normal(size=4) for k in range(5)})
    with pytest.raises(EstimationError, match="column z3 is collinear with z0, z1, z2"):
        co.cox(endpoint(wide), "z0 + z1 + z2 + z3 + z4", event="nrm")
    with pytest.raises(EstimationError, match="no row is left"):
        co.fine_gray(endpoint(frame().head(0)), "age", event="nrm")


@pytest.mark.parametrize("penalty", [None, "firth"])
def test_one_event_and_one_event_time_say_what_cannot_be_tested(penalty):
    """The estimate exists; a test of proportional hazards from one event time does not."""
    one = endpoint(frame(status=(BASE["patient"] == 5) * 1))
    together = endpoint(frame(day=5.0))
    for fit in (
        co.cox(one, "age", event="relapse", penalty=penalty),
        co.cox(together, "age", event="nrm", penalty=penalty),
    ):
        assert np.isfinite(fit.tidy()[["estimate", "std_error"]]).all(axis=None)
        with pytest.raises(EstimationError, match="proportional hazards cannot be tested"):
            fit.check_proportional_hazards()
    assert "sparse data: 1 events" in repr(co.cox(one, "age", event="relapse", penalty=penalty))


def test_all_events_at_one_time_by_hand():
    # d of n die on the one day. Breslow: n exponential weights, x binary: U = D - d n1 r/(n1 r + n0) = 0.
    data = pd.DataFrame({"day": 5.0, "dead": [1, 1, 1, 0, 1, 0, 0, 0], "x": [1, 1, 1, 1, 0, 0, 0, 0]})
    survival = co.Endpoint.from_columns(data, time="day", event="dead")
    fit = co.cox(survival, "x", ties="breslow")
    # 3 - 4 r/(r + 1) = 0: r = 3
    np.testing.assert_allclose(fit.tidy()["estimate"], np.log(3), rtol=1e-10)


def test_no_more_clusters_than_coefficients_have_no_global_wald_test():
    fit = co.cox(
        endpoint(frame()), "age + arm + weight2", frame(weight2=np.arange(60) % 3), event="nrm", cluster="arm"
    )
    assert np.isnan(fit.glance()["statistic"].item())
    assert np.isnan(fit.glance()["p_value"].item())
    assert "only 2 clusters" in repr(fit)


def test_competing_events_of_a_short_censoring_stratum_are_counted():
    # Every patient a stratum of its own: nothing is known of its censoring after its own end.
    fit = co.fine_gray(endpoint(frame()), "age", event="nrm", censoring_strata="patient")
    assert fit.fit.n_curtailed > 0
    assert f"{fit.fit.n_curtailed} competing events leave the risk sets" in " ".join(repr(fit).split())
    assert co.fine_gray(endpoint(frame()), "age", event="nrm").fit.n_curtailed == 0


# Every function of time to event, against every kind of bad input.


def one_event(data):
    return co.Endpoint.from_columns(data.assign(dead=data["status"] > 0), time="day", event="dead")


def rows_of(data):
    return co.Endpoint.from_columns(
        data.assign(zero=0.0), start="zero", stop="day", event="status", id="patient", states=STATES
    )


def history(data):
    days = {name: data["day"].where(data["status"] == code) for code, name in ((1, "icans"), (2, "dead"))}
    return co.transitions(data.assign(**days), {"icans": "icans", "dead": "dead"}, end="day")


def looked_at(data):
    return data.assign(up=(data["day"] + 5).where(data["status"] > 0))


CURVES = {
    "kaplan_meier": lambda d: co.kaplan_meier(one_event(d), by="arm"),
    "logrank": lambda d: co.logrank(one_event(d), by="arm"),
    "cumulative_incidence": lambda d: co.cumulative_incidence(endpoint(d), by="arm"),
    "mean_cumulative_count": lambda d: co.mean_cumulative_count(rows_of(d), by="arm"),
    "multistate": lambda d: co.multistate(history(d), by="arm"),
    "interval_censored": lambda d: co.interval_censored("day", "up", looked_at(d), by="arm"),
}
REGRESSIONS = {
    "cox": lambda d: co.cox(one_event(d), "age + arm"),
    "fine_gray": lambda d: co.fine_gray(endpoint(d), "age + arm", event="nrm"),
    "competing_risks_table": lambda d: co.competing_risks_table(endpoint(d), "age + arm"),
    "parametric_survival": lambda d: co.parametric_survival(one_event(d), "age + arm"),
    "recurrent": lambda d: co.recurrent(rows_of(d), "age + arm", event="relapse"),
    "interval_regression": lambda d: co.interval_censored("day", "up", looked_at(d), formula="age + arm"),
}
SCORES = {
    "time_dependent_auc": lambda d: co.time_dependent_auc(one_event(d), "risk", times=[20.0]),
    "brier_score": lambda d: co.brier_score(one_event(d), ["risk"], times=[20.0]),
    "calibration": lambda d: co.calibration(one_event(d), "risk", time=20.0),
    "decision_curve": lambda d: co.decision_curve(one_event(d), ["risk"], time=20.0),
}
RISK = {"risk": (BASE["age"] / 100).clip(0.01, 0.99)}
BY_DAY = {**CURVES, **REGRESSIONS, **SCORES}
ONE_GROUP = {"arm": 1}
CONSTANT = r"column (arm|age) is constant.*leave (arm|age) out"
NO_EVENT = r"(there is no event|no event: nothing|nobody has the event|no event by this time).*Remedy"
# functions, changes of the data, pattern of the error; None: no error, and no number without a reason
TABLE = [
    (REGRESSIONS, {"status": 0}, NO_EVENT),
    (
        {"interval": CURVES["interval_censored"], "calibration": SCORES["calibration"]},
        {"status": 0},
        NO_EVENT,
    ),
    (REGRESSIONS, ONE_GROUP, CONSTANT),
    (REGRESSIONS, {"age": 60.0}, CONSTANT),
    (REGRESSIONS, {"status": ARM_EVENT_FREE}, r"is infinite.*Remedy"),
    (REGRESSIONS, {"age": at(BASE["age"], 3, np.inf)}, r"column age has infinite values.*1 of 60"),
    (SCORES, {"risk": at(RISK["risk"], 3, np.inf)}, r"column risk has infinite values.*1 of 60"),
    ({**REGRESSIONS, **SCORES}, {"age": np.nan, "risk": np.nan}, r"no (row is left|patient has risk)"),
    (CURVES, {"arm": np.nan}, r"no patient is left.*missing values of by="),
    (BY_DAY, {"day": at(BASE["day"], 3, np.inf)}, r"infinite.*Remedy"),
    (
        {name: make for name, make in BY_DAY.items() if name != "multistate"},
        {"day": at(BASE["day"], 3, -1.0)},
        r"negative.*1 of 60 rows",
    ),
]
CASES = [
    pytest.param(make, changes, pattern, id=f"{name}-{number}")
    for number, (functions, changes, pattern) in enumerate(TABLE)
    for name, make in functions.items()
]


@pytest.mark.parametrize(("make", "changes", "pattern"), CASES)
def test_every_function_refuses_bad_input(make, changes, pattern):
    with pytest.raises(CohortError, match=f"(?s){pattern}"):
        make(frame(**{**RISK, **changes}))


SILENT = [
    *((name, {"status": 0}) for name in [*list(CURVES)[:-1], "time_dependent_auc", "brier_score"]),
    *((name, ONE_GROUP) for name in CURVES),
    *((name, {"status": (BASE["patient"] == 5) * 2}) for name in [*list(CURVES)[:-1], "brier_score"]),
    *((name, {"day": 5.0}) for name in [*CURVES, "brier_score", "time_dependent_auc", "decision_curve"]),
    ("calibration", {"risk": 0.3}),
]


@pytest.mark.parametrize(("name", "changes"), SILENT)
def test_what_is_not_refused_has_no_number_without_a_reason(name, changes):
    table = BY_DAY[name](frame(**{**RISK, **changes})).tidy()
    missing = table["estimate"].isna() & table.get("p_value", table["estimate"]).isna()
    assert not missing.any() or table.loc[missing, "reason"].ne("").all()
    known = table.loc[~table["estimate"].isna(), "estimate"]
    assert np.isfinite(known).all()
    if "std_error" in table:
        assert (table.loc[~table["std_error"].isna(), "std_error"] >= 0).all()


def test_without_events_curves_stay_where_they_began():
    nobody = frame(status=0)
    assert (co.kaplan_meier(one_event(nobody)).tidy()["estimate"] == 1).all()
    for result in (co.cumulative_incidence(endpoint(nobody)), co.mean_cumulative_count(rows_of(nobody))):
        assert (result.tidy()["estimate"] == 0).all()


def test_a_day_before_the_origin_is_left_out_of_states_and_counted():
    result = co.multistate(history(frame(day=at(BASE["day"], 3, -1.0))))
    assert "left out: 1 (a day lies before the origin 1)" in repr(result)
    assert "59" in repr(result)


def test_nobody_is_known_without_the_event_for_ever():
    data = looked_at(frame()).assign(day=at(BASE["day"], 3, np.inf))
    with pytest.raises(
        EndpointError, match=r"(?s)'day' are infinite.*1 of 60.*missing when it was never seen"
    ):
        co.interval_censored("day", "up", data)
