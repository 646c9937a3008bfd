"""Data no model of time to event may turn into a number: what each is refused with, or what it says instead."""

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.errors import EndpointError, EstimationError

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
