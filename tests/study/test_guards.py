"""Guards: they fire on the known mistakes, name the remedy, show no patient's value, and can be overridden."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import ImmortalTimeError, IncorporationError, MixedScalesError, StudyError
from cohort.study.endpoints import Endpoint
from cohort.study.guards import (
    acknowledged_guards,
    check_immortal_time,
    check_incorporation,
    check_mixed_scales,
    resolve_facts,
)
from cohort.study.named_endpoints import endpoint
from cohort.study.risk_sets import counting_process

FACTS = {
    "age": ColumnFacts("baseline", 0),
    "edema": ColumnFacts("at_exam", 30, part_of=("icans_grade",)),
    "response": ColumnFacts("follow_up", math.inf),
    "severe_icans": ColumnFacts("daily", 30, measures=("icans_grade",)),
    "severe_icans_imaging_blind": ColumnFacts("daily", 30, measures=("icans_grade_imaging_blind",)),
}


def data() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "death_day": [12, 717, None, 29, 30],
            "last_contact_day": [12, 717, 400, 29, 30],
            "age": 60,
            "edema": "absent",
            "edema_first_day": [None, 5, None, None, 17],
            "response": "CR",
            "severe_icans": "no",
        }
    )
    return declare_facts(frame, FACTS)


def os(**arguments: int) -> Endpoint:
    return endpoint("overall_survival", data(), **arguments)


def test_a_value_known_on_day_30_is_refused_with_who_is_concerned() -> None:
    end = os()
    with pytest.raises(ImmortalTimeError) as caught:
        check_immortal_time(["age", "edema"], end, end.facts)
    message = str(caught.value)
    assert "Immortal time: 'edema' became known after the clock of overall_survival started" in message
    # patients who left before day 30: deaths on day 12 and day 29; the death on day 30 itself was classified
    assert (
        "edema is known on day 30 (at_exam); the clock starts on day 0; 2 of 5 patients left before that day"
        in message
    )
    assert 'co.counting_process(endpoint, exposures={"edema": "edema_first_day"})' in message
    assert 'co.endpoint("overall_survival", data, landmark_day=30)' in message
    assert 'acknowledge="immortal_time"' in message
    assert "717" not in message


def test_the_landmark_makes_it_valid_and_one_day_less_does_not() -> None:
    for day, valid in ((30, True), (29, False)):
        end = os(landmark_day=day)
        if valid:
            assert check_immortal_time(["edema"], end, end.facts) == ()
        else:
            with pytest.raises(ImmortalTimeError):
                check_immortal_time(["edema"], end, end.facts)


def test_the_time_dependent_exposure_is_valid_and_its_finding_is_not() -> None:
    split = counting_process(os(), {"edema_seen": "edema_first_day"})
    assert check_immortal_time(["age", "edema_seen"], split, split.facts) == ()
    with pytest.raises(ImmortalTimeError, match="2 of 5 patients left before"):
        check_immortal_time(["edema"], split, split.facts)


def test_what_is_known_only_at_the_end_has_no_landmark() -> None:
    end = os()
    with pytest.raises(ImmortalTimeError) as caught:
        check_immortal_time(["response"], end, end.facts)
    assert "response is known only at the end of follow-up (follow_up)" in str(caught.value)
    assert "landmark_day" not in str(caught.value)
    assert 'exposures={"response": first_day_of_response}' in str(caught.value)  # a Series to be made


def test_undeclared_timing_is_allowed_and_said() -> None:
    end = os()
    facts = {**FACTS, "center": ColumnFacts(label="Center")}
    assert check_immortal_time(["age", "z", "center"], end, facts) == ("timing not declared: z, center",)


def test_acknowledged_is_recorded() -> None:
    end = os()
    notes = check_immortal_time(["edema", "z"], end, end.facts, acknowledge="immortal_time")
    assert notes == ("timing not declared: z", "acknowledged immortal_time: edema")
    with pytest.raises(ImmortalTimeError):
        check_immortal_time(["edema"], end, end.facts, acknowledge=("incorporation",))


def test_edema_against_the_grade_that_contains_it_is_refused_both_ways() -> None:
    for exposure, outcome in (("edema", "severe_icans"), ("severe_icans", "edema")):
        with pytest.raises(IncorporationError) as caught:
            check_incorporation([exposure], [outcome], FACTS)
        message = str(caught.value)
        assert "'edema' is tested against 'severe_icans', which contains it" in message
        assert "'edema' is part of icans_grade, which 'severe_icans' measures" in message
        assert '"severe_icans_imaging_blind"' in message
        assert 'acknowledge="incorporation"' in message


def test_the_imaging_blind_grade_and_other_columns_pass() -> None:
    assert check_incorporation(["edema", "age"], ["severe_icans_imaging_blind"], FACTS) == ()
    assert check_incorporation(["age", "unheard_of"], ["severe_icans"], FACTS) == ()
    assert check_incorporation(["edema"], ["severe_icans"], FACTS, ["incorporation"]) == (
        "acknowledged incorporation: edema in severe_icans",
    )


def test_pooled_scales_are_refused() -> None:
    with pytest.raises(MixedScalesError, match=r"grading systems: ASTCT2019, CTCAE5\nRemedy: co.grade_icans"):
        check_mixed_scales(["reported_icans_grade"], ["CTCAE5", "ASTCT2019", "CTCAE5"])
    assert check_mixed_scales(["reported_icans_grade"], ["ASTCT2019"]) == ()
    assert check_mixed_scales([], ["ASTCT2019", "CTCAE5"]) == ()
    assert check_mixed_scales(["g"], ["A", "B"], "mixed_scales") == ("acknowledged mixed_scales: g of A, B",)


def test_facts_come_from_the_endpoint_then_the_frame_then_the_dictionary() -> None:
    end = os()
    frame = declare_facts(
        pd.DataFrame({"age": [1], "later": [2], "mri_first_day": [3]}),
        {"age": ColumnFacts("follow_up", math.inf), "later": ColumnFacts("daily", 7)},
    )
    found = resolve_facts(["age", "later", "cerebral_edema", "z"], end, frame)
    assert found["age"].known == "baseline"
    assert found["later"].known_day == 7
    assert found["cerebral_edema"].part_of == ("icans_grade",)
    assert "z" not in found


def test_merging_and_filtering_cannot_lose_the_timing() -> None:
    end = os()
    merged = data().merge(pd.DataFrame({"age": [60], "site": ["x"]}), on="age")
    merged.attrs.clear()
    with pytest.raises(ImmortalTimeError):
        check_immortal_time(["response"], end, resolve_facts(["response"], end, merged))


def test_a_misspelled_guard_is_refused() -> None:
    assert acknowledged_guards("") == ()
    assert acknowledged_guards(["window", "window"]) == ("window",)
    with pytest.raises(StudyError) as caught:
        acknowledged_guards("imortal_time")
    assert re.search('not a guard.*acknowledge="immortal_time"', str(caught.value), flags=re.DOTALL)
