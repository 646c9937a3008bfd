"""Endpoints from columns: codes, missing values, origins, and every refusal with its remedy."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EndpointError
from cohort.study.endpoints import Endpoint


def frame(**columns: object) -> pd.DataFrame:
    base = {"days": [5.0, 8.0, 8.0, 12.0], "status": [1, 0, 2, 1]}
    return pd.DataFrame({**base, **columns}, index=["a", "b", "c", "d"])


STATES = {1: "relapse", 2: "death"}


def test_codes_follow_the_order_of_states() -> None:
    end = Endpoint.from_columns(
        frame(), time="days", event="status", states={2: "death", 1: "relapse"}, name="efs"
    )
    assert end.states == ("death", "relapse")
    assert end.event.tolist() == [2, 0, 1, 2]
    assert end.start.tolist() == [0.0] * 4
    assert end.event_counts() == {"censored": 1, "death": 1, "relapse": 2}
    assert (end.n_subjects, end.n_event, end.counting, end.origin_day) == (4, 3, False, 0.0)
    assert end.index.tolist() == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "values",
    [
        [True, False, True, True],
        [1, 0, 1, 1],
        [1.0, 0.0, 1.0, 1.0],
        pd.array([True, False, True, True], dtype="boolean"),
        pd.array([1, 0, 1, 1], dtype="Int64"),
        np.array([True, False, True, True], dtype=object),
        pd.Categorical(["event", "censored", "event", "event"], categories=["censored", "event"]),
    ],
)
def test_one_event_needs_no_states(values: object) -> None:
    end = Endpoint.from_columns(frame(dead=values), time="days", event="dead")
    assert end.event.tolist() == [1, 0, 1, 1]
    assert end.states == ("event",)


def test_labels_with_censored_name_their_states() -> None:
    labels = pd.Categorical(
        ["relapse", "censored", "death", None], categories=["censored", "death", "relapse"]
    )
    end = Endpoint.from_columns(frame(what=labels), time="days", event="what")
    assert end.states == ("death", "relapse")
    assert end.event.tolist() == [2, 0, 1]
    assert end.excluded == (("event missing", 1),)


def test_missing_time_or_event_leaves_with_a_reason_and_is_never_censored() -> None:
    data = frame(days=[5.0, np.nan, 8.0, np.nan], status=[1.0, 1.0, np.nan, np.nan])
    end = Endpoint.from_columns(data, time="days", event="status")
    assert end.index.tolist() == ["a"]
    assert end.excluded == (("time missing", 2), ("event missing", 1))
    assert "left out: 2 (time missing)" in repr(end)


def test_delayed_entry_starts_the_rows_later() -> None:
    end = Endpoint.from_columns(
        frame(came=[1.0, 0.0, 3.0, 0.0]), time="days", event="status", states=STATES, entry="came"
    )
    assert end.start.tolist() == [1.0, 0.0, 3.0, 0.0]
    assert not end.counting


def test_origin_is_subtracted_and_cuts_off_what_came_before() -> None:
    # Origin 8: a (5) and b, c (8) ended at or before it, d goes on to 12 - 8 = 4.
    end = Endpoint.from_columns(frame(), time="days", event="status", states=STATES, origin=8)
    assert end.stop.tolist() == [4.0]
    assert end.origin_day == 8.0
    assert end.excluded == (("event or censoring at or before the origin (8)", 3),)


def test_an_origin_per_patient_guards_by_the_earliest() -> None:
    end = Endpoint.from_columns(
        frame(onset=[2, 3, None, 4]), time="days", event="status", states=STATES, origin="onset"
    )
    assert end.stop.tolist() == [3.0, 5.0, 8.0]
    assert end.origin_day == 2.0
    assert end.excluded == (("origin missing", 1),)


def test_start_and_stop_make_a_counting_process_and_gaps_are_allowed() -> None:
    rows = pd.DataFrame({"who": [1, 1, 2], "t0": [0, 6, 0], "t1": [5, 9, 4], "dead": [0, 1, 0]})
    end = Endpoint.from_columns(rows, start="t0", stop="t1", event="dead", id="who")
    assert end.counting
    assert end.n_subjects == 2
    assert end.subject is not None
    assert end.subject.tolist() == [0, 0, 1]
    assert end.event_counts() == {"censored": 1, "event": 1}


def test_facts_stay_with_the_endpoint_when_the_frame_loses_them() -> None:
    data = declare_facts(frame(edema=["present"] * 4), {"edema": ColumnFacts(known="at_exam", known_day=30)})
    end = Endpoint.from_columns(data, time="days", event="status", states=STATES)
    data.attrs.clear()
    assert end.facts["edema"].known_day == 30


def make(data: pd.DataFrame, **arguments: object) -> Callable[[], Endpoint]:
    return lambda: Endpoint.from_columns(data, **arguments)  # type: ignore[arg-type]


INTERVALS = pd.DataFrame(
    {"who": [77, 77, 77], "t0": [0.0, 3.0, 3.0], "t1": [5.0, 9.0, 9.0], "dead": [0, 0, 1]}
)
REFUSED = {
    "negative": (
        make(frame(days=[-71.0, 8, 8, 12]), time="days", event="status", states=STATES),
        "negative.*1 of 4.*origin",
    ),
    "zero": (
        make(frame(days=[0.0, 8, 8, 12]), time="days", event="status", states=STATES),
        r"zero.*1 of 4.*clip\(lower=0.5",
    ),
    "infinite": (
        make(frame(days=[np.inf, 8, 8, 12]), time="days", event="status", states=STATES),
        "infinite.*1 of 4",
    ),
    "text time": (
        make(frame(days=list("wxyz")), time="days", event="status", states=STATES),
        "not numeric.*dt.days",
    ),
    "entry after exit": (
        make(frame(came=[71.0, 0, 0, 0]), time="days", event="status", states=STATES, entry="came"),
        "end at or before they start.*1 of 4",
    ),
    "unnamed code": (
        make(frame(status=[1, 0, 71, 1]), time="days", event="status", states=STATES),
        r"codes without a name.*1 such codes in 1 of 4.*states=\{1: ",
    ),
    "R's 1 and 2": (
        make(frame(status=[1, 1, 2, 2]), time="days", event="status"),
        r"without a name.*frame\[column\] == 2",
    ),
    "text event": (
        make(frame(status=list("wxyz")), time="days", event="status"),
        "neither boolean nor 0/1.*states=",
    ),
    "zero named": (
        make(frame(), time="days", event="status", states={0: "alive", 1: "dead"}),
        "does not name events one by one.*never an event",
    ),
    "no such column": (make(frame(), time="dais", event="status"), "no column 'dais'.*did you mean 'days'"),
    "doubled column": (
        make(pd.concat([frame(), frame()[["status"]]], axis=1), time="days", event="status", states=STATES),
        "column 'status' more than once",
    ),
    "duplicated index": (
        make(frame().set_axis([71, 71, 2, 3]), time="days", event="status", states=STATES),
        r"duplicated labels.*2 of 4.*reset_index\(drop=True\)",
    ),
    "time and stop": (
        make(INTERVALS, time="t1", start="t0", stop="t1", event="dead"),
        "either time=.*given: time, start, stop",
    ),
    "neither": (make(frame(), event="status"), "either time=.*none of them"),
    "start alone": (make(INTERVALS, start="t0", event="dead"), "either time="),
    "overlap": (
        make(INTERVALS, start="t0", stop="t1", event="dead", id="who"),
        "at risk twice.*1 overlap, 1 duplicate, 0 gap.*1 subjects by 'who'",
    ),
    "missing id": (
        make(INTERVALS.assign(who=[1, None, 2]), start="t0", stop="t1", event="dead", id="who"),
        "missing values.*1 of 3.*notna",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_columns_are_refused_with_counts_and_a_remedy(case: str) -> None:
    call, pattern = REFUSED[case]
    with pytest.raises(EndpointError) as caught:
        call()
    message = str(caught.value)
    assert re.search(pattern, message, flags=re.DOTALL), message
    assert "71" not in message  # the value of the offending patient
    assert "77" not in message
    assert "Remedy: " in message


def test_an_empty_frame_gives_an_empty_endpoint() -> None:
    end = Endpoint.from_columns(frame().iloc[:0], time="days", event="status", states=STATES)
    assert len(end.stop) == 0
    assert end.n_event == 0


@pytest.mark.parametrize("again", [copy.deepcopy, lambda end: pickle.loads(pickle.dumps(end))])
def test_an_endpoint_is_saved_and_copied_with_what_it_knows(again: Callable[[Endpoint], Endpoint]) -> None:
    data = declare_facts(frame(x=[1, 2, 3, 4]), {"x": ColumnFacts(known="daily", known_day=3)})
    end = Endpoint.from_columns(data, time="days", event="status", states=STATES)
    back = again(end)
    assert repr(back) == repr(end)
    assert dict(back.facts) == dict(end.facts)
    assert back.facts["x"].known_day == 3
    pd.testing.assert_frame_equal(back.frame, end.frame)
