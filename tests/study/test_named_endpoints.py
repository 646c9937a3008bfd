"""Named endpoints by hand: who has which event when, who is left out, and the landmark."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EndpointError
from cohort.study.named_endpoints import DEFINITIONS, endpoint

# day 0 death; relapse then death; death without relapse; relapse and death on one day; alive; lost on day 20
PATIENTS = pd.DataFrame(
    {
        "death_day": [0, 90, 40, 60, None, None],
        "relapse_day": [None, 50, None, 60, None, None],
        "icans_onset_day": [None, 5, 7, None, 0, None],
        "late_neurotoxicity_day": [None, 90, None, None, 70, None],
        "last_contact_day": [0, 90, 40, 60, 400, 20],
    },
    index=["zero", "relapsed", "nrm", "same", "alive", "lost"],
    dtype="Int64",
)


def as_rows(name: str, **arguments: object) -> dict[str, tuple[float, str]]:
    end = endpoint(name, PATIENTS, **arguments)  # type: ignore[arg-type]
    names = ("censored", *end.states)
    return {str(who): (float(t), names[e]) for who, t, e in zip(end.index, end.stop, end.event, strict=True)}


def test_overall_survival() -> None:
    assert as_rows("overall_survival") == {
        "zero": (0.5, "death"),
        "relapsed": (90, "death"),
        "nrm": (40, "death"),
        "same": (60, "death"),
        "alive": (400, "censored"),
        "lost": (20, "censored"),
    }


def test_progression_free_survival_takes_what_comes_first() -> None:
    found = as_rows("progression_free_survival")
    assert found["relapsed"] == (50, "relapse_or_death")
    assert found["nrm"] == (40, "relapse_or_death")
    assert found["alive"] == (400, "censored")


def test_death_on_the_day_of_relapse_is_not_non_relapse_mortality() -> None:
    found = as_rows("nrm")
    assert found["zero"] == (0.5, "nrm")
    assert found["relapsed"] == (50, "relapse")
    assert found["nrm"] == (40, "nrm")
    assert found["same"] == (60, "relapse")
    assert endpoint("nrm", PATIENTS).states == ("nrm", "relapse")
    assert endpoint("relapse", PATIENTS).states == ("relapse", "nrm")
    assert as_rows("relapse") == found


def test_icans_competes_with_death_and_relapse_when_asked() -> None:
    found = as_rows("icans")
    assert found["relapsed"] == (5, "icans")
    assert found["alive"] == (0.5, "icans")
    assert found["same"] == (60, "death")
    with_relapse = as_rows("icans", competing=("death", "relapse"))
    assert with_relapse["same"] == (60, "relapse")


def test_late_neurotoxicity_on_the_day_of_death_came_before_it() -> None:
    found = as_rows("late_neurotoxicity")
    assert found["relapsed"] == (50, "relapse")
    assert found["alive"] == (70, "late_neurotoxicity")
    assert endpoint("late_neurotoxicity", PATIENTS).states[0] == "late_neurotoxicity"


def test_landmark_worked_by_hand() -> None:
    # Landmark 40: dead on day 0 and on day 40 -> events at or before it; lost on day 20 -> censored before.
    # Left: relapsed (90 - 40 = 50), same (60 - 40 = 20), alive (400 - 40 = 360).
    end = endpoint("overall_survival", PATIENTS, landmark_day=40)
    assert end.origin_day == 40
    assert dict(zip(end.index, end.stop, strict=True)) == {"relapsed": 50, "same": 20, "alive": 360}
    assert end.event.tolist() == [1, 1, 0]
    assert end.excluded == (
        ("event at or before the landmark (day 40)", 2),
        ("censored at or before the landmark (day 40)", 1),
    )


def test_horizon_censors_what_comes_later() -> None:
    end = endpoint("overall_survival", PATIENTS, landmark_day=30, horizon_day=60)
    assert dict(zip(end.index, end.stop, strict=True)) == {"relapsed": 30, "nrm": 10, "same": 30, "alive": 30}
    assert end.event.tolist() == [0, 1, 1, 0]  # the death on day 60 itself still counts
    assert "follow-up censored at day 60" in repr(end)


def test_events_after_the_last_contact_extend_follow_up() -> None:
    data = pd.DataFrame({"death_day": [None, 50], "relapse_day": [90, None], "last_contact_day": [80, 40]})
    survival = endpoint("overall_survival", data)
    assert survival.stop.tolist() == [80, 50]
    assert endpoint("relapse", data).stop.tolist() == [90, 50]


def test_unknown_is_left_out_with_its_reason_and_never_no() -> None:
    data = pd.DataFrame(
        {
            "death_day": [None, None, None, 30],
            "vital_status": ["dead", None, "alive", "dead"],
            "relapse_day": [None, None, None, -4],
            "relapsed": ["no", "no", None, "yes"],
            "last_contact_day": [20, 20, None, 30],
        }
    )
    survival = endpoint("overall_survival", data)
    assert survival.excluded == (("death without a day", 1), ("last contact missing", 1))
    assert "vital status of 1 patient is not recorded" in repr(survival)
    relapse = endpoint("relapse", data)
    assert relapse.excluded == (
        ("not known whether relapse happened", 1),
        ("relapse before infusion", 1),
        ("death without a day", 1),
    )
    assert relapse.index.tolist() == [1]


def test_icans_is_followed_to_the_last_assessment_without_a_last_contact() -> None:
    data = pd.DataFrame(
        {
            "icans_onset_day": [None, 6, None],
            "any_icans": ["no", "yes", None],
            "death_day": [None, None, None],
            "last_contact_day": [None, None, None],
            "icans_last_assessed_day": [14, 14, None],
        }
    )
    end = endpoint("icans", data)
    assert end.stop.tolist() == [14, 6]
    assert end.excluded == (("not known whether icans happened", 1),)
    assert "follow-up of 1 patient ends at the last neurological assessment" in repr(end)


def test_facts_come_along() -> None:
    data = declare_facts(PATIENTS, {"relapse_day": ColumnFacts(known="follow_up", known_day=float("inf"))})
    assert endpoint("overall_survival", data).facts["relapse_day"].known == "follow_up"


REFUSED = {
    "unknown name": (
        lambda: endpoint("overal_survival", PATIENTS),
        r'no endpoint named.*co.endpoint\("overall_survival"',
    ),
    "no name like it": (lambda: endpoint("qol", PATIENTS), "endpoints: overall_survival.*from_columns"),
    "column missing": (
        lambda: endpoint("nrm", PATIENTS.drop(columns="relapse_day")),
        "no column 'relapse_day'",
    ),
    "duplicated index": (lambda: endpoint("nrm", PATIENTS.set_axis([0] * 6)), "duplicated labels.*6 of 6"),
    "landmark 0": (
        lambda: endpoint("nrm", PATIENTS, landmark_day=0),
        "landmark must be a day after infusion",
    ),
    "horizon first": (lambda: endpoint("nrm", PATIENTS, 30, 30), "horizon a day after the landmark"),
    "competing itself": (
        lambda: endpoint("icans", PATIENTS, competing=("icans",)),
        "competing= is not possible",
    ),
    "competing of a composite": (
        lambda: endpoint("nrm", PATIENTS, competing=("death",)),
        "competing= is not possible",
    ),
    "dates": (
        lambda: endpoint("icans", PATIENTS.assign(death_day="2020-01-31")),
        "does not hold days.*dt.days",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_requests_are_refused(case: str) -> None:
    call, pattern = REFUSED[case]
    with pytest.raises(EndpointError) as caught:
        call()
    assert re.search(pattern, str(caught.value), flags=re.DOTALL), str(caught.value)
    assert "2020" not in str(caught.value)


day = st.one_of(st.none(), st.integers(0, 60))


@settings(deadline=None)
@given(
    st.lists(st.tuples(day, day, day, st.integers(0, 90)), min_size=1, max_size=15),
    st.sampled_from(sorted(DEFINITIONS)),
)
def test_a_landmark_only_removes_and_shifts(
    rows: list[tuple[int | None, int | None, int | None, int]], name: str
) -> None:
    columns = ["death_day", "relapse_day", "icans_onset_day", "last_contact_day"]
    data = pd.DataFrame(rows, columns=columns).astype("Int64").assign(late_neurotoxicity_day=pd.NA)
    data["late_neurotoxicity_day"] = data["late_neurotoxicity_day"].astype("Int64")
    whole, late = endpoint(name, data), endpoint(name, data, landmark_day=20)
    assert len(whole.stop) == len(data)
    assert len(late.stop) + sum(n for _, n in late.excluded) == len(data)
    kept = whole.index.isin(late.index)
    assert (whole.stop[~kept] <= 20).all()
    np.testing.assert_array_equal(whole.stop[kept] - 20, late.stop)
    np.testing.assert_array_equal(whole.event[kept], late.event)


def never_recorded() -> pd.DataFrame:
    """Three patients of a source that records neither deaths nor vital status."""
    return pd.DataFrame(
        {
            "any_icans": ["yes", "no", "no"],
            "icans_onset_day": [4.0, None, None],
            "last_contact_day": [14, 14, 10],
            "death_day": [None, None, None],
            "vital_status": pd.Categorical([None, None, None], categories=["alive", "dead"]),
            "relapse_day": [None, None, None],
            "relapsed": ["no", "no", "no"],
        }
    )


@pytest.mark.parametrize("name", ["overall_survival", "progression_free_survival", "nrm"])
def test_deaths_that_nobody_recorded_are_not_survival(name: str) -> None:
    with pytest.raises(EndpointError, match="Nobody's death or vital status is recorded"):
        endpoint(name, never_recorded())


@pytest.mark.parametrize("name", ["icans", "relapse"])
def test_a_competing_death_that_nobody_recorded_is_no_state_of_zero(name: str) -> None:
    made = endpoint(name, never_recorded())
    assert made.states == (name,)
    assert any("deaths are not recorded" in note for note in made.notes)
