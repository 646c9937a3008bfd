"""Counting process: worked by hand, then properties that hold for any follow-up and any exposure."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.dictionary.states import PRESENCE
from cohort.errors import EndpointError
from cohort.study.endpoints import Endpoint
from cohort.study.named_endpoints import endpoint
from cohort.study.risk_sets import counting_process


def survival(**columns: object) -> Endpoint:
    data = pd.DataFrame(
        {"days": [10.0, 10.0, 10.0, 10.0], "dead": [1, 0, 1, 1], **columns}, index=list("abcd")
    )
    return Endpoint.from_columns(data, time="days", event="dead", name="os")


def rows(end: Endpoint, *columns: str) -> list[tuple[object, ...]]:
    shown = end.frame[["subject", *columns]].assign(start=end.start, stop=end.stop, event=end.event)
    return list(map(tuple, shown[["subject", "start", "stop", "event", *columns]].to_numpy().tolist()))


def test_worked_by_hand() -> None:
    # a: seen on day 4 -> free on (0, 4], exposed on (4, 10]; the death stays on the second row
    # b: seen on day 0, at entry -> exposed from the start, one row
    # c: seen on day 10, the last day -> never exposed
    # d: never seen -> never exposed
    split = counting_process(survival(), {"edema": pd.Series([4, 0, 10, None], index=list("abcd"))})
    assert rows(split, "edema") == [
        ("a", 0.0, 4.0, 0, 0),
        ("a", 4.0, 10.0, 1, 1),
        ("b", 0.0, 10.0, 0, 1),
        ("c", 0.0, 10.0, 1, 0),
        ("d", 0.0, 10.0, 1, 0),
    ]
    assert split.index.tolist() == ["a", "a", "b", "c", "d"]
    assert split.exposures == ("edema",)
    assert split.counting
    assert (split.n_subjects, split.n_event) == (4, 3)
    assert "edema: 2 of 4 patients exposed during follow-up" in repr(split)


def test_an_exposure_before_infusion_counts_from_the_start() -> None:
    split = counting_process(survival(), {"edema": pd.Series([-20, None, None, None], index=list("abcd"))})
    assert rows(split, "edema")[0] == ("a", 0.0, 10.0, 1, 1)


def test_two_exposures_cut_a_patient_in_three() -> None:
    end = survival(seen=[4, None, None, None], imaged=[2, 2, None, None])
    split = counting_process(end, {"edema": "seen", "mri": "imaged"})
    assert rows(split, "edema", "mri")[:5] == [
        ("a", 0.0, 2.0, 0, 0, 0),
        ("a", 2.0, 4.0, 0, 0, 1),
        ("a", 4.0, 10.0, 1, 1, 1),
        ("b", 0.0, 2.0, 0, 0, 0),
        ("b", 2.0, 10.0, 0, 0, 1),
    ]


def test_splitting_twice_equals_splitting_once() -> None:
    end = survival(seen=[4, None, 3, None], imaged=[2, 2, 3, None])
    once = counting_process(end, {"edema": "seen", "mri": "imaged"})
    seen = pd.Series([2, 2, 3, None], index=list("abcd"))
    twice = counting_process(counting_process(end, {"edema": "seen"}), {"mri": seen})
    assert rows(once, "edema", "mri") == rows(twice, "edema", "mri")
    assert twice.exposures == ("edema", "mri")


def test_after_a_landmark_days_count_from_infusion() -> None:
    data = pd.DataFrame({"death_day": [40, 50], "last_contact_day": [40, 50], "seen": [35, 20]})
    split = counting_process(endpoint("overall_survival", data, landmark_day=30), {"edema": "seen"})
    assert rows(split, "edema") == [(0, 0.0, 5.0, 0, 0), (0, 5.0, 10.0, 1, 1), (1, 0.0, 20.0, 1, 1)]


def test_delayed_entry_is_kept() -> None:
    data = pd.DataFrame({"days": [10.0, 10.0], "came": [3.0, 3.0], "dead": [1, 1], "seen": [5, 2]})
    end = Endpoint.from_columns(data, time="days", event="dead", entry="came")
    split = counting_process(end, {"edema": "seen"})
    assert rows(split, "edema") == [(0, 3.0, 5.0, 0, 0), (0, 5.0, 10.0, 1, 1), (1, 3.0, 10.0, 1, 1)]


def test_unknown_exposure_is_told_and_an_undated_one_leaves() -> None:
    finding = pd.Categorical(["present", "not_imaged", "indeterminate", "present"], categories=list(PRESENCE))
    end = survival(edema=finding, edema_first_day=[4, None, None, None])
    split = counting_process(end, {"edema_seen": "edema_first_day"})
    assert split.excluded == (("exposure present but its first day unknown", 1),)
    assert set(split.frame["subject"]) == {"a", "b", "c"}
    assert "1 never imaged count as unexposed; 1 indeterminate count as unexposed" in repr(split)
    # the state column is time-fixed and known only later: it keeps its values beside the exposure
    assert split.frame["edema"].tolist()[:2] == ["present", "present"]


def test_imaging_that_nobody_recorded_is_told_apart_from_none() -> None:
    finding = pd.Categorical(["absent", None, None, "not_imaged"], categories=list(PRESENCE))
    split = counting_process(
        survival(edema=finding, edema_first_day=[None] * 4), {"edema": "edema_first_day"}
    )
    assert "1 never imaged count as unexposed" in repr(split)
    assert ("source does not record the exposure", 2) in split.excluded
    assert split.n_subjects == 2


def test_a_series_means_what_its_column_means() -> None:
    finding = pd.Categorical(["present", None, "absent", "not_imaged"], categories=list(PRESENCE))
    data = declare_facts(
        survival(edema=finding, edema_first_day=[4, None, None, None]).frame,
        {"edema_first_day": ColumnFacts(known="at_exam", known_day=30, part_of=("icans_grade",))},
    )
    end = Endpoint.from_columns(data, time="days", event="dead")
    by_name = counting_process(end, {"seen": "edema_first_day"})
    by_series = counting_process(end, {"seen": data["edema_first_day"]})
    assert by_series.excluded == by_name.excluded == (("source does not record the exposure", 1),)
    assert by_series.facts["seen"].part_of == by_name.facts["seen"].part_of == ("icans_grade",)


def test_imaging_itself_is_not_recorded_by_every_source() -> None:
    status = pd.Categorical(["imaged", "not_imaged", "unknown", None], ["imaged", "not_imaged", "unknown"])
    split = counting_process(
        survival(mri_status=status, mri_first_day=[4, None, None, None]), {"imaged": "mri_first_day"}
    )
    assert split.excluded == (("source does not record the exposure", 2),)
    assert set(split.frame["subject"]) == {"a", "b"}


def test_the_exposure_replaces_the_finding_of_its_name_and_stays_part_of_the_grade() -> None:
    finding = pd.Categorical(["present", "absent", "absent", "absent"], categories=list(PRESENCE))
    data = survival(edema=finding, edema_first_day=[4, None, None, None]).frame
    data = declare_facts(
        data, {"edema": ColumnFacts(known="at_exam", known_day=30, part_of=("icans_grade",), label="Edema")}
    )
    end = Endpoint.from_columns(data, time="days", event="dead")
    split = counting_process(end, {"edema": "edema_first_day"})
    assert split.frame["edema"].tolist() == [0, 1, 0, 0, 0]
    assert split.facts["edema"].part_of == ("icans_grade",)
    assert split.facts["edema"].known_day is None


def test_patients_the_series_lacks_are_unexposed_and_counted() -> None:
    split = counting_process(survival(), {"edema": pd.Series([4.0], index=["a"])})
    assert "3 without a label in the Series count as unexposed" in repr(split)
    assert split.frame["edema"].sum() == 1


def test_subjects_of_a_counting_process_keep_their_column() -> None:
    data = pd.DataFrame(
        {"subject": ["x", "x", "y"], "t0": [0, 5, 0], "t1": [5, 9, 9], "dead": [0, 1, 0], "seen": [7, 7, 2]}
    )
    end = Endpoint.from_columns(data, start="t0", stop="t1", event="dead", id="subject")
    split = counting_process(end, {"edema": "seen"})
    assert rows(split, "edema") == [
        ("x", 0.0, 5.0, 0, 0),
        ("x", 5.0, 7.0, 0, 0),
        ("x", 7.0, 9.0, 1, 1),
        ("y", 0.0, 2.0, 0, 0),
        ("y", 2.0, 9.0, 0, 1),
    ]


REFUSED = {
    "no exposure": ({}, "No exposure"),
    "no such column": ({"edema": "sene"}, "no column 'sene'"),
    "dates": (
        {"edema": pd.Series(pd.to_datetime(["2020-01-31"] * 4), index=list("abcd"))},
        "not numbers.*dt.days",
    ),
    "other labels": (
        {"edema": pd.Series([4, 5], index=[710, 711])},
        "No index label.*2 first days, 4 patients",
    ),
    "two per patient": (
        {"edema": pd.Series([4, 5], index=["a", "a"])},
        r"duplicated.*groupby\(level=0\).min",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_exposures_are_refused(case: str) -> None:
    exposures, pattern = REFUSED[case]
    with pytest.raises(EndpointError) as caught:
        counting_process(survival(), exposures)  # type: ignore[arg-type]
    assert re.search(pattern, str(caught.value), flags=re.DOTALL)
    assert "Remedy: " in str(caught.value) or case == "no such column"
    assert "2020" not in str(caught.value)
    assert "710" not in str(caught.value)


def test_a_subject_column_of_something_else_is_refused() -> None:
    with pytest.raises(EndpointError, match="does not tell the endpoint's subjects apart"):
        counting_process(survival(subject=["x", "x", "y", "y"], seen=[1, 2, 3, 4]), {"edema": "seen"})


@st.composite
def follow_up(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    n = draw(st.integers(1, 12))
    days = draw(st.lists(st.integers(1, 30), min_size=n, max_size=n))
    dead = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    first = st.lists(st.one_of(st.none(), st.integers(-3, 33)), min_size=n, max_size=n)
    seen = {name: pd.Series(draw(first), dtype="Int64") for name in ("edema", "mri")}
    return pd.DataFrame({"days": days, "dead": dead}), seen


@settings(deadline=None)
@given(follow_up())
def test_splitting_keeps_time_events_and_subjects_and_exposes_the_right_days(
    drawn: tuple[pd.DataFrame, dict[str, pd.Series]],
) -> None:
    data, seen = drawn
    end = Endpoint.from_columns(data, time="days", event="dead", states={1: "relapse", 2: "death"})
    split = counting_process(end, seen)
    assert (split.stop - split.start).sum() == (end.stop - end.start).sum()
    assert split.event_counts() == end.event_counts()
    assert split.n_subjects == end.n_subjects
    assert (split.start < split.stop).all()
    first, last = pd.Series(split.start).groupby(split.subject), pd.Series(split.stop).groupby(split.subject)
    np.testing.assert_array_equal(first.min().to_numpy(), end.start)
    np.testing.assert_array_equal(last.max().to_numpy(), end.stop)
    for name, days in seen.items():
        exposed_time = ((split.stop - split.start) * split.frame[name]).groupby(split.index).sum()
        d = days.astype("Float64").to_numpy(dtype=float, na_value=np.inf)
        by_hand = np.clip(end.stop - np.maximum(d, 0), 0, None)  # (d, stop], from the start when d <= 0
        np.testing.assert_array_equal(exposed_time.to_numpy(), by_hand)
