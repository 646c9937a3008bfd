"""Faults of (start, stop] rows: by hand, row by row as R survival::survcheck 3.5-3, properties, errors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.errors import CohortError, EndpointError

REFERENCE = Path(__file__).parents[1] / "reference" / "interval_faults"
# Counts and rows: equal, no tolerance.


def reference() -> pd.DataFrame:
    return (
        pd.read_csv(REFERENCE / "data.csv").rename_axis(index="row").pipe(lambda f: f.set_axis(f.index + 1))
    )


def faults(data: pd.DataFrame, model: str) -> co.interval_faults:
    named = {"states": {"event": "event", "state": "state"}, "plain": {"event": "event"}}[model]
    events = pd.Categorical(data["event"], ["censored", "icans", "dead"])
    return co.interval_faults(data.assign(event=events), id="id", start="start", stop="stop", **named)


@pytest.mark.parametrize("model", ["plain", "states"])
@pytest.mark.parametrize("fault", ["overlap", "gap", "jump", "teleport"])
def test_rows_are_those_of_survcheck(model: str, fault: str) -> None:
    wanted = pd.read_csv(REFERENCE / "expected.csv")
    wanted = wanted[(wanted["model"] == model) & (wanted["fault"] == fault)]
    found = faults(reference(), model)
    labels = set(found.labels(fault))
    # survcheck calls a repeated interval an overlap.
    labels |= set(found.labels("duplicate")) if fault == "overlap" else set()
    assert labels == set(wanted.loc[wanted["row"] > 0, "row"])
    assert len(labels) == wanted.loc[wanted["row"] == 0, "n"].item()


def test_the_reference_has_every_fault_and_empty_rows_are_told_apart() -> None:
    found = faults(reference(), "states")
    table = found.table().set_index("fault")
    assert (table.loc[["empty", "overlap", "gap", "jump", "teleport", "duplicate"], "n_rows"] > 0).all()
    data = reference()
    assert table.loc["empty", "n_rows"] == (data["start"] >= data["stop"]).sum()
    assert not found.ok


def test_by_hand() -> None:
    # a: fine. b: icans at 5, but goes on as well at 5 (teleport) and, still not in icans, at 9 (teleport again).
    # c: begins dead after a gap (jump). d: (0, 5] twice, then a gap. e: no end known. f: ends before it starts.
    rows = pd.DataFrame(
        [
            ("a", 0, 5, "icans", "well"),
            ("a", 5, 9, "censored", "icans"),
            ("b", 0, 5, "icans", "well"),
            ("b", 5, 9, "censored", "well"),
            ("b", 9, 12, "censored", "well"),
            ("c", 0, 3, "censored", "well"),
            ("c", 4, 6, "censored", "dead"),
            ("d", 0, 5, "censored", "well"),
            ("d", 0, 5, "censored", "well"),
            ("d", 6, 7, "censored", "well"),
            ("e", 0, np.nan, "censored", "well"),
            ("f", 4, 4, "censored", "well"),
        ],
        columns=["id", "start", "stop", "event", "state"],
    )
    found = faults(rows, "states")
    assert found.flags.tolist() == [
        *("", "", "", "teleport", "teleport", "", "jump"),
        *("", "duplicate", "gap", "missing", "empty"),
    ]
    assert found.table().set_index("fault")["n_patients"].to_dict() == {
        **{"missing": 1, "empty": 1, "overlap": 0},
        **{"gap": 1, "jump": 1, "teleport": 1, "duplicate": 1},
    }
    assert "teleport: 2 rows of 1 patients" in repr(found)
    clean = faults(rows[:2], "states")
    assert clean.ok
    assert repr(clean) == "Intervals of 1 patients in 2 rows: no fault"


def test_a_gap_alone_is_allowed_by_the_report_and_by_the_endpoint() -> None:
    rows = pd.DataFrame({"id": 1, "start": [0, 6], "stop": [5, 9], "event": [0, 1]})
    assert co.interval_faults(rows, id="id", start="start", stop="stop").ok
    assert co.Endpoint.from_columns(rows, id="id", start="start", stop="stop", event="event").n_event == 1


ROW = st.tuples(st.integers(0, 2), st.integers(0, 8), st.integers(1, 4))


@settings(deadline=None)
@given(st.lists(ROW, min_size=1, max_size=12), st.randoms())
def test_the_endpoint_refuses_just_what_the_report_names(rows: list[tuple[int, int, int]], order) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)
    frames = [
        pd.DataFrame(these, columns=["id", "start", "length"]).assign(
            stop=lambda f: f["start"] + f["length"], event=0
        )
        for these in (rows, shuffled)
    ]
    reports = [co.interval_faults(frame, id="id", start="start", stop="stop") for frame in frames]
    assert reports[0].table().equals(reports[1].table())
    columns = {"id": "id", "start": "start", "stop": "stop", "event": "event"}
    if reports[0].ok:
        assert len(co.Endpoint.from_columns(frames[0], **columns).stop) == len(rows)
    else:
        with pytest.raises(EndpointError, match=r"co\.interval_faults\("):
            co.Endpoint.from_columns(frames[0], **columns)


FRAME = pd.DataFrame({"id": [1, 1], "start": [0, 5], "stop": [5, 9], "event": [0, 3], "state": ["a", "b"]})
CALLS = [
    ({"state": "state"}, FRAME, r"state= tells nothing.*event="),
    ({"event": "event"}, FRAME, r"codes without a name.*Name every event code"),
    ({}, FRAME.assign(start="2024"), r"time column 'start' is not numeric.*dt\.days"),
    ({}, FRAME.drop(columns="stop"), r"no column 'stop'.*did you mean 'start'|no column 'stop'"),
    ({}, FRAME.set_axis([0, 0]), r"duplicated labels.*reset_index"),
]


@pytest.mark.parametrize(("arguments", "frame", "pattern"), CALLS)
def test_refusals(arguments: dict[str, str], frame: pd.DataFrame, pattern: str) -> None:
    with pytest.raises(CohortError, match=f"(?s){pattern}"):
        co.interval_faults(frame, id="id", start="start", stop="stop", **arguments)


def test_an_unknown_fault_and_an_empty_frame() -> None:
    found = co.interval_faults(FRAME.head(0), id="id", start="start", stop="stop")
    assert found.ok
    assert found.n_patients == 0
    with pytest.raises(EndpointError, match=r"(?s)no fault 'lap'.*overlap"):
        found.labels("lap")
