"""Multi-state models: by hand, against R survfit and etm, properties, errors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import cohort as co
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import CohortError, EndpointError, EstimationError, ImmortalTimeError
from cohort.models.multistate import Multistate
from cohort.study.transitions import Transitions

REFERENCE = Path(__file__).parents[1] / "reference" / "multistate"
STATES = ["well", "icans", "resolved", "dead"]
# Products and sums of the same fractions in another order.
RTOL = 1e-10


def reference_rows() -> pd.DataFrame:
    rows = pd.read_csv(REFERENCE / "data.csv")
    return rows.assign(state=pd.Categorical(rows["state"], STATES))


def history(rows: pd.DataFrame) -> Transitions:
    return co.transitions_from_rows(rows, id="id", start="start", stop="stop", origin="state", target="to")


def prompt() -> pd.DataFrame:
    rows = reference_rows()
    return rows[rows["id"] % 8 != 0]


def expected(what: str, group: str = "") -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / "expected.csv").fillna({"group": ""})
    rows = table[(table["what"] == what) & (table["group"] == group)]
    assert len(rows)
    return rows


def against_r(result: Multistate, group: str = "", what: str = "") -> None:
    for column in ("estimate", "std_error"):
        wanted = expected(what + column, group)
        times = sorted(set(wanted["time"]))
        rows = result.at(times)
        rows = rows[rows["strata"] == group].set_index(["outcome", "time"])
        found = rows.loc[[tuple(pair) for pair in wanted[["state", "time"]].to_numpy()], column]
        assert_allclose(found.to_numpy(dtype=float), wanted["value"], rtol=RTOL, atol=1e-14)


# by hand


def four() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "icans_onset_day": [4, 5, None, 6],
            "icans_resolution_day": [9, None, None, 8],
            "death_day": [None, 20, 12, None],
            "last_contact_day": [30, 20, 12, 25],
        },
        index=["a", "b", "c", "d"],
    )


def four_states() -> Transitions:
    return co.transitions(
        four(), {"icans": "icans_onset_day", "resolved": "icans_resolution_day", "dead": "death_day"}
    )


def test_probabilities_of_four_patients() -> None:
    """Nobody is censored before day 25, so probabilities are shares of four patients: at 10 days b is in ICANS,
    a and d have resolved, c has had none."""
    rows = co.multistate(four_states()).at([10]).set_index("outcome")
    assert_allclose(rows["estimate"], [0.25, 0.25, 0.5, 0.0])
    # A share of 1/4 of four patients: sqrt(p (1 - p) / n).
    assert_allclose(rows["std_error"][:3], np.sqrt([3 / 64, 3 / 64, 1 / 16]))
    assert list(rows["n_event"]) == [0, 3, 2, 0]


def test_length_of_stay_of_four_patients() -> None:
    """Days in ICANS until day 10: a 5, b 5, d 2, c none, mean 3; days before it: 4 + 5 + 10 + 6 = 25, mean 6.25."""
    rows = co.multistate(four_states()).length_of_stay(10).set_index("outcome")
    assert_allclose(rows.loc[["infused", "icans", "resolved"], "estimate"], [6.25, 3.0, 0.75])
    days = np.array([5, 5, 0, 2])
    assert rows.loc["icans", "std_error"] == pytest.approx(np.sqrt(((days - 3) ** 2).sum()) / 4)


def test_cumulative_hazard_of_a_transition() -> None:
    """Into ICANS on days 4, 5, 6 with 4, 3, 2 at risk: 1/4 + 1/3 + 1/2."""
    rows = co.multistate(four_states()).hazards()
    rows = rows[rows["term"] == "infused to icans"]
    assert_allclose(rows["estimate"], np.cumsum([1 / 4, 1 / 3, 1 / 2]))
    assert_allclose(rows["std_error"], np.sqrt(np.cumsum([1 / 16, 1 / 9, 1 / 4])))


# R


def test_probabilities_equal_survfit() -> None:
    against_r(co.multistate(history(prompt())))


def test_groups_equal_survfit() -> None:
    result = co.multistate(history(prompt()), by="arm")
    against_r(result, "a")
    against_r(result, "b")


def test_landmark_equals_survfit() -> None:
    against_r(co.multistate(history(prompt()), start=10, from_state="icans"), what="landmark_")


def test_lengths_of_stay_equal_survfit() -> None:
    rows = co.multistate(history(prompt())).length_of_stay(50).set_index("outcome")
    for what, column in (("stay", "estimate"), ("stay_std_error", "std_error")):
        wanted = expected(what).set_index("state")["value"]
        assert_allclose(rows.loc[wanted.index, column], wanted, rtol=RTOL)


def test_greenwood_with_late_entry_equals_etm() -> None:
    against_r(co.multistate(history(reference_rows()), variance="greenwood"), what="greenwood_")


def test_hazard_with_late_entry_equals_survfit() -> None:
    rows = co.multistate(history(reference_rows())).hazards()
    rows = rows[rows["term"] == "icans to resolved"]
    wanted = expected("hazard")
    position = np.searchsorted(rows["time"], wanted["time"], side="right")
    assert_allclose(np.r_[0.0, rows["estimate"]][position], wanted["value"], rtol=RTOL)


# special cases


def test_one_transition_is_kaplan_meier() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"days": rng.integers(1, 30, 80), "dead": rng.integers(0, 2, 80)})
    curve = co.kaplan_meier(co.Endpoint.from_columns(frame, time="days", event="dead"))
    frame["death_day"] = frame["days"].where(frame["dead"] == 1)
    states = co.multistate(co.transitions(frame, {"dead": "death_day"}, end="days"), variance="greenwood")
    times = [3, 8, 15, 22]
    alive = states.at(times).query("outcome == 'infused'")
    assert_allclose(alive["estimate"], curve.at(times)["estimate"], rtol=1e-12)
    assert_allclose(alive["std_error"], curve.at(times)["std_error"], rtol=1e-12)
    assert_allclose(
        states.length_of_stay(20)["estimate"].iloc[0], curve.rmst(20)["estimate"].iloc[0], rtol=1e-12
    )


def test_states_that_are_never_left_are_cumulative_incidence() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"days": rng.integers(1, 30, 90), "status": rng.integers(0, 3, 90)})
    own = co.Endpoint.from_columns(frame, time="days", event="status", states={1: "relapse", 2: "dead"})
    wanted = co.cumulative_incidence(own, variance="greenwood").at([5, 12, 20])
    frame = frame.assign(
        relapse_day=frame["days"].where(frame["status"] == 1),
        death_day=frame["days"].where(frame["status"] == 2),
    )
    made = co.transitions(
        frame, {"relapse": "relapse_day", "dead": "death_day"}, end="days", terminal=("relapse", "dead")
    )
    found = co.multistate(made, variance="greenwood").at([5, 12, 20])
    found = found[found["outcome"] != "infused"]
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        assert_allclose(found[column], wanted[column], rtol=1e-12)


def test_probabilities_sum_to_one_and_stays_to_the_horizon() -> None:
    result = co.multistate(history(reference_rows()), by="arm")
    total = result.tidy().groupby(["strata", "time"])["estimate"].sum()
    assert_allclose(total, 1.0, rtol=1e-12)
    assert_allclose(result.length_of_stay(40).groupby("strata")["estimate"].sum(), 40.0, rtol=1e-12)


def test_row_order_and_names_of_patients_do_not_matter() -> None:
    rows = reference_rows()
    mixed = rows.sample(frac=1, random_state=5).assign(id=lambda f: "p" + f["id"].astype(str))
    first, second = co.multistate(history(rows)).tidy(), co.multistate(history(mixed)).tidy()
    assert_allclose(first["std_error"], second["std_error"], rtol=1e-9, atol=1e-15)


def test_cutting_a_stay_in_two_changes_nothing() -> None:
    rows = reference_rows()
    cut = rows["stop"] - rows["start"] > 4
    head = rows[cut].assign(stop=rows["start"] + 2, to=None)
    tail = rows[cut].assign(start=rows["start"] + 2)
    pieces = pd.concat([rows[~cut], head, tail], ignore_index=True)
    whole, parts = (co.multistate(history(r)).tidy() for r in (rows, pieces))
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-9)


def test_difference_is_that_of_the_groups() -> None:
    result = co.multistate(history(prompt()), by="arm")
    rows = result.at([20]).set_index(["strata", "outcome"])
    gap = result.difference([20]).set_index("outcome").loc["icans"]
    a, b = rows.loc[("a", "icans")], rows.loc[("b", "icans")]
    assert gap["estimate"] == pytest.approx(b["estimate"] - a["estimate"])
    assert gap["std_error"] == pytest.approx(np.hypot(a["std_error"], b["std_error"]))
    stay = result.stay_difference(40).set_index("outcome").loc["icans", "estimate"]
    days = result.length_of_stay(40).set_index(["strata", "outcome"])["estimate"]
    assert stay == pytest.approx(days["b", "icans"] - days["a", "icans"])


def test_beyond_follow_up_there_is_no_estimate() -> None:
    result = co.multistate(history(prompt()))
    rows = result.at([91])
    assert rows["estimate"].isna().all()
    assert set(rows["reason"]) == {f"follow-up ends at {prompt()['stop'].max()}"}
    assert result.length_of_stay(91)["estimate"].isna().all()


def test_everybody_dead_has_an_estimate_for_ever() -> None:
    frame = pd.DataFrame({"death_day": [3.0, 5.0], "last_contact_day": [3, 5]})
    rows = co.multistate(co.transitions(frame, {"dead": "death_day"})).at([99])
    assert_allclose(rows["estimate"], [0.0, 1.0])


# transitions


def test_states_of_one_day_are_visited_in_the_order_of_their_names() -> None:
    frame = pd.DataFrame({"icans_onset_day": [6], "death_day": [6], "last_contact_day": [6]})
    made = co.transitions(frame, {"icans": "icans_onset_day", "dead": "death_day"})
    assert made.counts().loc["infused", "icans"] == 1
    assert made.counts().loc["icans", "dead"] == 1
    assert any("1" in note for note in made.notes)


def test_endpoint_of_a_transition_gives_the_rates_of_its_rows() -> None:
    own = four_states().endpoint("icans", "resolved")
    assert own.n_event == 2
    assert_allclose(np.sort(own.start), [4, 5, 6])
    reset = four_states().endpoint("icans", "resolved", clock="reset")
    assert_allclose(np.sort(reset.stop), [2, 5, 15])


BAD = [
    (lambda: co.multistate(four_states(), start=99), EstimationError, "choose start= within follow-up"),
    (lambda: co.multistate(four_states(), from_state="coma"), EstimationError, "name one of them"),
    (lambda: co.multistate(four_states()).at([-1]), EstimationError, "from 0 on"),
    (lambda: co.multistate(four_states(), start=5).length_of_stay(4), EstimationError, "later horizon"),
    (lambda: co.multistate(four_states()).plot(group="z"), EstimationError, "name one of them"),
    (lambda: co.multistate(four_states()).text("z"), EstimationError, "name one of them"),
    (lambda: co.multistate(four_states(), by="center"), CohortError, "center"),
    (
        lambda: co.multistate(history(prompt().assign(arm=np.arange(len(prompt())) % 2)), by="arm"),
        EstimationError,
        "make it a state",
    ),
    (lambda: history(prompt().assign(state="well")), EndpointError, "origin of the next one"),
    (lambda: four_states().endpoint("coma"), EndpointError, "Name one of them"),
    (lambda: co.transitions(four(), {"dead": "day_of_death"}), EndpointError, "day_of_death"),
    (lambda: co.transitions(four(), {"icans": "icans_onset_day"}), EndpointError, "terminal="),
    (
        lambda: co.transitions(four().assign(death_day=1), {"icans": "icans_onset_day", "dead": "death_day"}),
        EndpointError,
        "after",
    ),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_input_is_refused(call, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as raised:
        call()
    assert words in str(raised.value)


def test_groups_that_become_known_later_are_refused() -> None:
    data = four().assign(icans_max_grade=pd.Categorical(["2", "3", "0", "1"]))
    facts = {"icans_max_grade": ColumnFacts(known="daily", known_day=30)}
    made = co.transitions(declare_facts(data, facts), {"icans": "icans_onset_day", "dead": "death_day"})
    with pytest.raises(ImmortalTimeError):
        co.multistate(made, by="icans_max_grade")
