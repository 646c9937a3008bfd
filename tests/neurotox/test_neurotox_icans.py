"""ICANS grades against the consensus table, every trap of it, and the properties that bounds must have."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import RangeError, StudyError
from cohort.neurotox.icans import grade_icans
from cohort.neurotox.icans_domains import DOMAINS, PRESSURE_SIGNS

CONSCIOUSNESS = ["alert", "spontaneous", "voice", "tactile", "unarousable"]
NORMAL = {
    "ice_score": 10,
    "consciousness": "alert",
    "seizure": "none",
    "motor_deficit": "none",
    "edema_imaging": "none",
    **dict.fromkeys(PRESSURE_SIGNS, "no"),
}


def grade(population="adult", unscanned="clinical", reported="fill", **changes):
    """Grade one assessment that is normal but for the changes; None is not assessed."""
    graded = grade_icans(
        pd.DataFrame([{**NORMAL, **changes}]), population=population, unscanned=unscanned, reported=reported
    )
    return graded.iloc[0]


def bounds(row, suffix=""):
    return int(row[f"icans_grade_lower{suffix}"]), int(row[f"icans_grade_upper{suffix}"])


# ice, consciousness, seizure, edema on imaging (None: no part of raised pressure assessed) -> lower, upper
VECTORS = [
    (10, "alert", "none", "none", 0, 0),
    (8, "alert", "none", "none", 1, 1),
    (3, "alert", "resolving", "none", 3, 3),
    (0, "alert", "none", "none", 3, 3),
    (0, "unarousable", "none", "none", 4, 4),
    (0, None, "none", "none", 3, 4),
    (10, "alert", "none", "focal", 3, 3),
    (10, "alert", "none", None, 0, 4),
]


@pytest.mark.parametrize(("ice", "consciousness", "seizure", "edema", "lower", "upper"), VECTORS)
def test_published_vectors(ice, consciousness, seizure, edema, lower, upper):
    signs = dict.fromkeys(PRESSURE_SIGNS, None if edema is None else "no")
    row = grade(ice_score=ice, consciousness=consciousness, seizure=seizure, edema_imaging=edema, **signs)
    assert bounds(row) == (lower, upper)
    assert (row["icans_grade"] is pd.NA) == (lower != upper)


@pytest.mark.parametrize(
    ("score", "expected"),
    [(10, 0), (9, 1), (8, 1), (7, 1), (6, 2), (5, 2), (4, 2), (3, 2), (2, 3), (1, 3), (0, 3)],
)
def test_every_ice_score(score, expected):
    row = grade(ice_score=score)
    assert row["icans_grade"] == expected
    assert row["icans_driver"] == ("ice" if expected else "none")


@pytest.mark.parametrize(
    ("column", "label", "expected"),
    [
        *[("consciousness", label, level) for level, label in enumerate(CONSCIOUSNESS)],
        ("seizure", "resolving", 3),
        ("seizure", "prolonged_or_repetitive", 4),
        ("motor_deficit", "deep_focal", 4),
        ("edema_imaging", "focal", 3),
        ("edema_imaging", "diffuse", 4),
        *[(sign, "yes", 4) for sign in PRESSURE_SIGNS],
    ],
)
def test_every_cell_of_the_table(column, label, expected):
    row = grade(**{column: label})
    assert row["icans_grade"] == expected
    assert row["icans_driver"] == (column if expected else "none")
    blind = 0 if column == "edema_imaging" else expected
    assert row["icans_grade_imaging_blind"] == blind
    assert row["icans_driver_imaging_blind"] == (column if blind else "none")


def test_drivers_are_joined_in_the_order_of_the_table():
    row = grade(ice_score=1, seizure="resolving", edema_imaging="focal")
    assert row["icans_driver"] == "ice+seizure+edema_imaging"
    assert row["icans_driver_imaging_blind"] == "ice+seizure"


def test_ice_0_of_the_unarousable_is_the_ice_row_of_grade_4():
    assert grade(ice_score=0, consciousness="unarousable")["icans_driver"] == "ice+consciousness"


@pytest.mark.parametrize("column", ["facial_palsy", "tremor", "headache", "hemorrhage"])
def test_what_never_grades(column):
    assert grade(**{column: "yes"})["icans_grade"] == 0


def test_edema_with_hemorrhage_does_not_count():
    assert grade(edema_imaging="diffuse", edema_with_hemorrhage="yes")["icans_grade"] == 0
    assert grade(edema_imaging="diffuse", edema_with_hemorrhage="no")["icans_grade"] == 4


def test_sedation_makes_ice_and_consciousness_not_assessed():
    row = grade(ice_score=0, consciousness="unarousable", sedated="yes")
    assert bounds(row) == (0, 4)
    assert bounds(grade(ice_score=0, seizure="resolving", sedated="yes")) == (3, 4)
    assert grade(ice_score=0, consciousness="unarousable", sedated=True)["icans_grade"] is pd.NA


def test_unscanned_clinical_takes_imaging_as_absent_only_when_every_sign_is_negative():
    frame = pd.DataFrame(
        [{**NORMAL, "edema_imaging": None}, {**NORMAL, "edema_imaging": None, "papilledema": None}]
    )
    clinical = grade_icans(frame)
    assert clinical["icans_grade"].tolist() == [0, pd.NA]
    assert clinical.attrs["cohort_grading"]["n_rest_on_unscanned"] == 1
    strict = grade_icans(frame, unscanned="unknown")
    assert strict["icans_grade_upper"].tolist() == [4, 4]
    assert strict["icans_grade_imaging_blind"].tolist() == [0, pd.NA]
    assert strict.attrs["cohort_grading"]["n_rest_on_unscanned"] == 0


def test_nothing_assessed():
    row = grade_icans(pd.DataFrame({"patient_id": ["A"]})).iloc[0]
    assert bounds(row) == (0, 4)
    assert row["icans_grade"] is pd.NA
    assert row["icans_driver"] is pd.NA
    assert row["icans_grade_source"] == "none"


@pytest.mark.parametrize(
    ("score", "consciousness", "expected"),
    [
        (0, "alert", (0, 0)),
        (1, "alert", (1, 1)),
        (8, "spontaneous", (1, 1)),
        (1, "voice", (2, 2)),
        (8, "voice", (2, 2)),
        (8, "tactile", (3, 3)),
        (8, "unarousable", (4, 4)),
        (9, "alert", (3, 3)),
        (32, "alert", (3, 3)),
        (32, "unarousable", (4, 4)),
        (None, "alert", (0, 4)),
    ],
)
def test_capd_table(score, consciousness, expected):
    row = grade("pediatric", ice_score=None, capd_score=score, consciousness=consciousness)
    assert bounds(row) == expected


def test_capd_1_to_8_without_consciousness_is_1_to_2_in_its_own_domain():
    # The consciousness domain itself is open, so the whole is 1 to 4; the CAPD domain sets the lower bound.
    row = grade("pediatric", ice_score=None, capd_score=5, consciousness=None)
    assert bounds(row) == (1, 4)
    assert row["icans_driver"] == "capd"


def test_by_age_uses_the_boundary_and_spans_both_without_an_age():
    frame = pd.DataFrame([{**NORMAL, "ice_score": 8, "capd_score": 9}] * 3).assign(
        age_years=[11.9, 12.0, np.nan]
    )
    graded = grade_icans(frame, population="by_age")
    assert graded["icans_grade_lower"].tolist() == [3, 1, 1]
    assert graded["icans_grade_upper"].tolist() == [3, 1, 3]
    assert graded["icans_driver"].tolist()[:2] == ["capd", "ice"]
    older = grade_icans(frame, population="by_age", age_boundary=13)
    assert older["icans_grade"].tolist()[1] == 3
    with pytest.raises(StudyError, match="age_years"):
        grade_icans(frame.drop(columns="age_years"), population="by_age")


def test_a_test_for_the_other_age_is_ignored_and_counted():
    graded = grade_icans(pd.DataFrame([NORMAL]), population="pediatric")
    assert graded["icans_grade_upper"].tolist() == [4]
    assert graded.attrs["cohort_grading"]["n_test_of_other_age_ignored"] == 1


def items(**given):
    complete = {"ice_orientation": 4, "ice_naming": 3, "ice_command": 1, "ice_writing": 1, "ice_attention": 1}
    return {**complete, **given}


def test_ice_from_items():
    assert (
        grade(ice_score=None, **items(ice_orientation=2, ice_writing=0))["icans_grade"] == 1
    )  # 2+3+1+0+1 = 7
    # orientation 2 missing of 4: 0 to 4 points more than 6 -> ICE 6 to 10, grade 0 to 2
    assert bounds(grade(ice_score=None, **items(ice_orientation=None))) == (0, 2)
    # a total within what the items allow is exact
    assert bounds(grade(ice_score=8, **items(ice_orientation=None))) == (1, 1)


def test_ice_total_that_contradicts_its_items_is_an_interval_and_counted():
    frame = pd.DataFrame([{**NORMAL, **items(ice_orientation=2), "ice_score": 5}])  # items say 8
    graded = grade_icans(frame)
    assert bounds(graded.iloc[0]) == (1, 2)  # ICE 5 to 8
    assert graded.attrs["cohort_grading"]["n_ice_contradicts_items"] == 1


@pytest.mark.parametrize(
    ("cartox", "expected"),
    [(10, (0, 1)), (9, (0, 1)), (8, (1, 1)), (7, (1, 2)), (3, (2, 3)), (1, (3, 3)), (0, (3, 3))],
)
def test_cartox10_is_ice_within_one_point(cartox, expected):
    assert bounds(grade(ice_score=None, cartox10_score=cartox)) == expected
    assert bounds(grade(ice_score=10, cartox10_score=cartox)) == (0, 0)  # ICE goes first


@pytest.mark.parametrize(
    ("band", "expected"),
    [("10", (0, 1)), ("7-9", (0, 2)), ("3-6", (1, 3)), ("0-2", (2, 3)), ("unable", (0, 4))],
)
def test_cartox10_band(band, expected):
    assert bounds(grade(ice_score=None, cartox10_band=band)) == expected


@pytest.mark.parametrize(
    ("column", "value", "allowed"),
    [
        ("ice_score", 11, "0 to 10"),
        ("ice_score", -1, "0 to 10"),
        ("ice_score", 7.5, "whole numbers"),
        ("ice_score", np.inf, "0 to 10"),
        ("ice_orientation", 5, "0 to 4"),
        ("capd_score", 33, "0 to 32"),
        ("cartox10_score", 11, "0 to 10"),
        ("reported_icans_grade", 6, "0 to 5"),
        ("reported_icans_grade", 1.3, "half points"),
    ],
)
def test_impossible_values_are_refused_with_counts(column, value, allowed):
    frame = pd.DataFrame([{**NORMAL, column: value}, {**NORMAL, column: None}])
    with pytest.raises(RangeError, match=allowed) as caught:
        grade_icans(frame)
    assert column in str(caught.value)
    assert "1 of 1 values" in str(caught.value)


def test_unknown_labels_are_refused_without_printing_them():
    frame = pd.DataFrame([{**NORMAL, "consciousness": "Smith, drowsy"}])
    with pytest.raises(RangeError, match="alert, spontaneous, voice, tactile, unarousable") as caught:
        grade_icans(frame)
    assert "Smith" not in str(caught.value)
    assert "1 of 1 rows" in str(caught.value)


def test_text_in_a_score_is_refused():
    with pytest.raises(RangeError, match="not numeric"):
        grade_icans(pd.DataFrame({"ice_score": ["eight"]}))


@pytest.mark.parametrize("option", [{"population": "adults"}, {"unscanned": "yes"}, {"reported": "only"}])
def test_unknown_options_are_refused(option):
    with pytest.raises(StudyError, match="use one of"):
        grade_icans(pd.DataFrame([NORMAL]), **option)


def test_input_is_kept_and_order_and_index_are_the_inputs():
    frame = pd.DataFrame([{**NORMAL, "ice_score": 3}, NORMAL], index=["second", "first"])
    frame.attrs["note"] = "kept"
    before = frame.copy(deep=True)
    graded = grade_icans(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert graded.index.tolist() == ["second", "first"]
    assert graded["icans_grade"].tolist() == [2, 0]
    assert graded.attrs["note"] == "kept"
    assert list(graded.columns[: len(before.columns)]) == list(before.columns)
    assert str(graded["icans_grade"].dtype) == "Int64"
    assert str(graded["icans_driver"].dtype) == "string"


def test_duplicated_index_is_no_obstacle():
    frame = pd.DataFrame([NORMAL, {**NORMAL, "ice_score": 3}], index=[7, 7])
    assert grade_icans(frame)["icans_grade"].tolist() == [0, 2]


def test_categories_strings_and_nullable_types_agree():
    rows = pd.DataFrame(
        [NORMAL, {**NORMAL, "consciousness": "voice", "papilledema": "yes"}, {**NORMAL, "seizure": None}]
    )
    plain = grade_icans(rows)
    labels = list(DOMAINS)
    for dtype in ("category", "string"):
        other = grade_icans(rows.astype({**dict.fromkeys(labels, dtype), "ice_score": "Int64"}))
        names = [name for name in plain.columns if name.startswith("icans")]
        pd.testing.assert_frame_equal(other[names], plain[names])


def test_no_rows():
    graded = grade_icans(pd.DataFrame(columns=["patient_id", "ice_score", "seizure"]))
    assert len(graded) == 0
    assert "icans_driver_imaging_blind" in graded.columns


# --- properties -------------------------------------------------------------------------------------------------

ASSESSED = {
    "ice_score": list(range(11)),
    "capd_score": [0, 1, 8, 9, 32],
    **{name: list(levels) for name, levels in DOMAINS.items()},
}
PARTIAL = st.fixed_dictionaries({name: st.sampled_from([None, *values]) for name, values in ASSESSED.items()})
COMPLETE = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in ASSESSED.items()})
POPULATION = st.sampled_from(["adult", "pediatric"])


@settings(max_examples=40, deadline=None)
@given(partial=PARTIAL, complete=COMPLETE, population=POPULATION)
def test_bounds_bracket_every_completion(partial, complete, population):
    """Whatever the missing domains would have shown, the grade lies within the bounds (also the blind one)."""
    filled = {name: complete[name] if value is None else value for name, value in partial.items()}
    graded = grade_icans(pd.DataFrame([partial, filled]), population=population, unscanned="unknown")
    for suffix in ("", "_imaging_blind"):
        truth = graded[f"icans_grade{suffix}"].iloc[1]
        assert truth is not pd.NA
        assert (
            graded[f"icans_grade_lower{suffix}"].iloc[0]
            <= truth
            <= graded[f"icans_grade_upper{suffix}"].iloc[0]
        )


@settings(max_examples=40, deadline=None)
@given(
    partial=PARTIAL,
    complete=COMPLETE,
    population=POPULATION,
    name=st.sampled_from(list(ASSESSED)),
    unscanned=st.sampled_from(["unknown", "clinical"]),
)
def test_more_information_never_widens(partial, complete, population, name, unscanned):
    """One domain more never moves a bound outwards; under 'clinical' only a scan that shows edema may raise it."""
    more = {**partial, name: complete[name] if partial[name] is None else partial[name]}
    graded = grade_icans(pd.DataFrame([partial, more]), population=population, unscanned=unscanned)
    lower, upper = graded["icans_grade_lower"], graded["icans_grade_upper"]
    assert lower.iloc[1] >= lower.iloc[0]
    if not (unscanned == "clinical" and name == "edema_imaging"):
        assert upper.iloc[1] <= upper.iloc[0]


@settings(max_examples=15, deadline=None)
@given(rows=st.lists(PARTIAL, min_size=2, max_size=8), seed=st.randoms(use_true_random=False))
def test_rows_do_not_influence_each_other(rows, seed):
    frame = pd.DataFrame(rows)
    order = list(range(len(rows)))
    seed.shuffle(order)
    graded, shuffled = grade_icans(frame), grade_icans(frame.iloc[order])
    pd.testing.assert_frame_equal(shuffled, graded.iloc[order])


@settings(max_examples=40, deadline=None)
@given(partial=PARTIAL, population=POPULATION)
def test_imaging_blind_never_exceeds_the_grade(partial, population):
    graded = grade_icans(pd.DataFrame([partial]), population=population).iloc[0]
    assert graded["icans_grade_lower_imaging_blind"] <= graded["icans_grade_lower"]
    if graded["icans_grade_source"] != "none":
        assert bounds(graded, "_imaging_blind")[1] <= 4


def test_every_complete_adult_assessment_is_the_worst_domain():
    """Against a slow, obvious evaluator: every combination of ICE, consciousness, seizure and edema."""
    combinations = list(
        itertools.product(range(11), CONSCIOUSNESS, DOMAINS["seizure"], DOMAINS["edema_imaging"])
    )
    frame = pd.DataFrame(
        [
            {**NORMAL, "ice_score": ice, "consciousness": loc, "seizure": seizure, "edema_imaging": edema}
            for ice, loc, seizure, edema in combinations
        ]
    )
    expected = []
    for ice, loc, seizure, edema in combinations:
        by_ice = 0 if ice == 10 else 1 if ice >= 7 else 2 if ice >= 3 else 3
        if ice == 0 and loc == "unarousable":
            by_ice = 4
        expected.append(
            max(
                by_ice,
                CONSCIOUSNESS.index(loc),
                {"none": 0, "resolving": 3, "prolonged_or_repetitive": 4}[seizure],
                {"none": 0, "focal": 3, "diffuse": 4}[edema],
            )
        )
    assert grade_icans(frame)["icans_grade"].tolist() == expected


def test_pres_counts_under_one_reading_and_not_under_the_other():
    """PRES alone: grade 0 by default, 3 as focal edema; diffuse edema stays 4; the imaging-blind grade never moves."""
    negative = dict.fromkeys(("posturing", "abducens_palsy", "papilledema", "cushing_triad"), "no")
    rows = pd.DataFrame(
        {
            "ice_score": [10, 10, 10, 10],
            "consciousness": "alert",
            "seizure": "none",
            "motor_deficit": "none",
            "edema_imaging": ["none", None, "diffuse", "none"],
            "pres": ["yes", "yes", "yes", None],
            **negative,
        }
    )
    assert grade_icans(rows)["icans_grade"].tolist() == [0, 0, 4, 0]
    focal = grade_icans(rows, pres="focal")
    assert focal["icans_grade"].tolist() == [3, 3, 4, 0]
    assert focal["icans_driver"].tolist()[:2] == ["edema_imaging", "edema_imaging"]
    assert focal["icans_grade_imaging_blind"].tolist() == [0, 0, 0, 0]
    assert focal.attrs["cohort_grading"]["pres"] == "focal"
    with pytest.raises(StudyError, match="column pres is absent"):
        grade_icans(rows.drop(columns="pres"), pres="focal")
    with pytest.raises(StudyError, match="pres= has no such option"):
        grade_icans(rows, pres="yes")


def test_grade_4_by_motor_deficit_alone_is_counted():
    """A spinal event makes paraparesis, and paraparesis grade 4: such grades are counted for a second look."""
    rows = pd.DataFrame(
        {"motor_deficit": ["deep_focal", "deep_focal", "none"], "seizure": [None, "resolving", None]}
    )
    graded = grade_icans(rows.assign(consciousness=["alert", "unarousable", "alert"]))
    assert graded.attrs["cohort_grading"]["n_grade_4_by_motor_only"] == 1
