"""Imaging per patient: every kind of not knowing, rules for exams and readers, and change from baseline."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.dictionary.derived import finding_taxonomy
from cohort.dictionary.facts import declared_facts
from cohort.dictionary.states import PRESENCE
from cohort.errors import RangeError, StudyError
from cohort.neurotox.mri import mri_findings

EXAM = ["patient_id", "exam_id", "exam_day"]
READING = ["patient_id", "exam_id", "finding_code", "presence"]


def exams(*rows, **columns):
    """Make examinations of patient A from (exam_id, day), or (patient, exam_id, day)."""
    return pd.DataFrame([row if len(row) == 3 else ("A", *row) for row in rows], columns=EXAM).assign(
        **columns
    )


def readings(*rows, **columns):
    """Make readings of patient A from (exam_id, finding, presence), or (patient, exam_id, finding, presence)."""
    frame = pd.DataFrame([row if len(row) == 4 else ("A", *row) for row in rows], columns=READING)
    return frame.assign(**columns)


def first(exam, reading, **options):
    return mri_findings(exam, reading, **options).iloc[0]


# --- who was imaged -----------------------------------------------------------------------------------------------


def test_status_keeps_every_kind_of_not_knowing_apart():
    table = pd.DataFrame(
        [
            ("imaged", "1", 5, "done", None),
            ("refused", "2", None, "not_done", "declined"),
            ("only_late", "3", 60, "done", None),
            ("unknown", "4", None, "unknown", None),
            ("undated", "5", None, "done", None),
            ("refused_late", "6", 60, "not_done", "unstable"),
        ],
        columns=[*EXAM, "exam_status", "not_done_reason"],
    )
    everyone = pd.Series([*table["patient_id"], "no_record"])
    result = mri_findings(
        table, readings(("1", "clocc", "absent")).assign(patient_id="imaged"), patients=everyone
    )
    result = result.set_index("patient_id")
    assert result["mri_status"].to_dict() == {
        "imaged": "imaged",
        "refused": "not_imaged",
        "only_late": "not_imaged",
        "unknown": "unknown",
        "undated": "unknown",
        "refused_late": "unknown",  # the record is about another time
        "no_record": "unknown",
    }
    assert result["mri_not_done_reason"].dropna().to_dict() == {"refused": "declined"}
    assert result["mri_n_exams"].tolist() == [1, 0, 0, pd.NA, pd.NA, pd.NA, pd.NA]
    assert result.loc["refused", "clocc"] == "not_imaged"
    assert result["clocc"].isna().tolist() == [False, False, False, True, True, True, True]
    assert result.loc["imaged", "clocc"] == "absent"


def test_patients_may_be_a_frame_with_keys_and_keep_their_order():
    exam = exams(("1", 5)).assign(infusion_number=1, source="x")
    infusions = pd.DataFrame(
        {"source": "x", "patient_id": ["B", "A", "A"], "infusion_number": [1, 2, 1], "age": 50}
    )
    result = mri_findings(exam, readings(("1", "clocc", "present")), patients=infusions)
    assert result[["patient_id", "infusion_number"]].to_numpy().tolist() == [["B", 1], ["A", 2], ["A", 1]]
    assert result["mri_status"].tolist() == ["unknown", "unknown", "imaged"]
    assert result["clocc"].tolist()[2] == "present"
    with pytest.raises(StudyError, match="several rows"):
        mri_findings(exam, readings(), patients=infusions[["patient_id"]])


# --- absent, not assessable -----------------------------------------------------------------------------------------


def test_a_finding_nobody_looked_for_is_not_absent():
    row = first(exams(("1", 5)), readings(("1", "clocc", "absent")))
    assert row["clocc"] == "absent"
    assert row["infarct"] == "not_assessable"


def test_a_normal_or_complete_reading_makes_the_rest_absent():
    assert first(exams(("1", 5), overall_result="normal"), readings())["infarct"] == "absent"
    assert first(exams(("1", 5), findings_complete="yes"), readings())["infarct"] == "absent"
    assert (
        first(exams(("1", 5), overall_result="abnormal_related"), readings())["infarct"] == "not_assessable"
    )
    # findings that need a reading of their own
    assert first(exams(("1", 5), overall_result="normal"), readings())["dti_change"] == "not_assessable"


@pytest.mark.parametrize(
    ("finding", "columns", "expected"),
    [
        ("leptomeningeal_enhancement", {"sequence_t1_post": "no", "contrast": "no"}, "not_assessable"),
        ("leptomeningeal_enhancement", {"contrast": "no"}, "not_assessable"),
        ("leptomeningeal_enhancement", {"sequence_t1_post": "yes"}, "absent"),
        (
            "leptomeningeal_enhancement",
            {"sequence_t1_post": "no", "contrast": "yes", "sequence_flair": "yes"},
            "absent",
        ),
        ("microhemorrhage", {"sequence_swi": "no"}, "not_assessable"),
        ("microhemorrhage", {"sequence_swi": None}, "absent"),  # not recorded: the reader is believed
        ("clocc", {"sequence_dwi": "no"}, "not_assessable"),
        ("flair_deep", {"sequence_flair": "no", "sequence_t2": "yes"}, "absent"),
        ("flair_deep", {"modality": "ct_brain"}, "not_assessable"),
        ("edema_diffuse", {"modality": "ct_brain"}, "absent"),
        ("flair_deep", {"modality": "mr_spine"}, "not_assessable"),
        ("myelitis_long", {"modality": "mr_brain"}, "not_assessable"),
        ("myelitis_long", {"modality": "mr_spine"}, "absent"),
        ("flair_deep", {"quality": "non_diagnostic"}, "not_assessable"),
        ("flair_deep", {"quality": "limited"}, "absent"),
    ],
)
def test_absence_needs_an_acquisition_that_can_show_the_finding(finding, columns, expected):
    assert first(exams(("1", 5), **columns), readings(("1", finding, "absent")))[finding] == expected
    if expected == "not_assessable":
        assert (
            first(exams(("1", 5), **columns), readings(("1", finding, "indeterminate")))[finding] == expected
        )


def test_what_was_seen_stays_present_and_is_counted():
    result = mri_findings(
        exams(("1", 5), contrast="no"), readings(("1", "leptomeningeal_enhancement", "present"))
    )
    assert result["leptomeningeal_enhancement"].tolist() == ["present"]
    assert result.attrs["cohort_imaging"]["n_present_without_sequence"] == 1


# --- which exams ----------------------------------------------------------------------------------------------------

SEVERAL = exams(("1", 3), ("2", 10), ("3", 20))
READ = readings(
    ("1", "clocc", "absent"),
    ("2", "clocc", "present"),
    ("2", "infarct", "present"),
    ("3", "clocc", "indeterminate"),
    ("3", "infarct", "absent"),
)


@pytest.mark.parametrize(
    ("options", "clocc", "infarct", "day"),
    [
        ({}, "present", "present", 10),
        ({"rule": "worst"}, "present", "present", 10),
        ({"rule": "first"}, "absent", "not_assessable", pd.NA),
        ({"rule": "nearest", "anchor": 19}, "indeterminate", "absent", pd.NA),
        ({"rule": "nearest", "anchor": 15}, "indeterminate", "absent", pd.NA),  # tie of 10 and 20: the later
        ({"rule": "nearest", "anchor": 0}, "absent", "not_assessable", pd.NA),
        ({"window": (15, 30)}, "indeterminate", "absent", pd.NA),
    ],
)
def test_rules(options, clocc, infarct, day):
    row = first(SEVERAL, READ, **options)
    assert (row["clocc"], row["infarct"]) == (clocc, infarct)
    assert row["clocc_first_day"] is pd.NA if day is pd.NA else row["clocc_first_day"] == day


def test_the_worst_of_equals_is_the_earliest_then_the_first_by_name():
    read = readings(("b", "clocc", "present"), ("a", "infarct", "present"), ("c", "pres", "present"))
    for table in (exams(("b", 5), ("a", 5), ("c", 9)), exams(("c", 9), ("a", 5), ("b", 5))):
        row = first(table, read, rule="worst")
        assert (row["infarct"], row["clocc"], row["pres"]) == ("present", "not_assessable", "not_assessable")


def test_exams_of_the_first_day_are_taken_together():
    row = first(
        exams(("1", 3), ("2", 3)), readings(("1", "clocc", "absent"), ("2", "clocc", "present")), rule="first"
    )
    assert row["clocc"] == "present"


def test_nearest_to_the_first_onset_of_each_patient():
    episodes = pd.DataFrame({"patient_id": ["A", "A"], "icans_onset_day": [9, 25]})
    assert first(SEVERAL, READ, rule="nearest", anchor=episodes)["clocc"] == "present"
    nobody = episodes.assign(patient_id="Z")
    assert first(SEVERAL, READ, rule="nearest", anchor=nobody)["clocc"] == "absent"  # first exam


def test_present_beats_indeterminate_beats_absent():
    states = ["not_assessable", "absent", "indeterminate", "present"]
    pairs = [(f"{earlier}{later}", earlier, later) for earlier in range(4) for later in range(4)]
    table = exams(*[(who, "1", 3) for who, *_ in pairs], *[(who, "2", 9) for who, *_ in pairs])
    read = readings(
        *[(who, "1", "clocc", states[earlier]) for who, earlier, _ in pairs],
        *[(who, "2", "clocc", states[later]) for who, _, later in pairs],
    )
    expected = [states[max(earlier, later)] for _, earlier, later in pairs]
    assert mri_findings(table, read)["clocc"].tolist() == expected


# --- readers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "by_any", "by_majority", "by_first"),
    [
        (["absent", "present", "absent"], "present", "absent", "absent"),
        (["absent", "present"], "present", "indeterminate", "absent"),
        (["not_assessable", "absent"], "absent", "absent", "not_assessable"),
        (["not_assessable", "not_assessable"], "not_assessable", "not_assessable", "not_assessable"),
    ],
)
def test_readers(states, by_any, by_majority, by_first):
    read = readings(*[("1", "clocc", state) for state in states]).assign(
        reader_id=[f"r{i}" for i in range(len(states))]
    )
    backwards = read.iloc[::-1]
    for rule, expected in {"any": by_any, "majority": by_majority, "first": by_first}.items():
        assert first(exams(("1", 5)), read, readers=rule)["clocc"] == expected
        assert first(exams(("1", 5)), backwards, readers=rule)["clocc"] == expected


# --- baseline ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("absent", "present", "new"),
        ("present", "present", "pre_existing"),
        ("present", "absent", "resolved"),
        ("absent", "absent", None),
        ("indeterminate", "present", "no_prior"),
        (None, "present", "no_prior"),
    ],
)
def test_change_from_baseline(before, after, expected):
    rows = [("2", "clocc", after)] + ([] if before is None else [("1", "clocc", before)])
    row = first(exams(("1", -10), ("2", 5)), readings(*rows))
    assert row["baseline_mri"] == "yes"
    assert pd.isna(row["clocc_change"]) if expected is None else row["clocc_change"] == expected


def test_without_a_baseline_nothing_is_new_whatever_the_reader_wrote():
    row = first(exams(("2", 5)), readings(("2", "clocc", "present"), change_from_prior="new"))
    assert row["baseline_mri"] == "no"
    assert row["clocc_change"] == "no_prior"


@pytest.mark.parametrize(
    ("said", "expected"), [("new", "new"), ("increased", "worse"), ("stable", "pre_existing")]
)
def test_the_readers_comparison_counts_where_the_baseline_does_not_tell(said, expected):
    read = readings(("2", "clocc", "present"), change_from_prior=said)
    assert first(exams(("1", -10), ("2", 5)), read)["clocc_change"] == expected


def test_larger_than_at_baseline_is_worse():
    read = readings(("1", "clocc", "present"), ("2", "clocc", "present"))
    assert (
        first(exams(("1", -10), ("2", 5)), read.assign(extent=["focal", "confluent"]))["clocc_change"]
        == "worse"
    )
    assert (
        first(exams(("1", -10), ("2", 5)), read.assign(extent=["focal", "focal"]))["clocc_change"]
        == "pre_existing"
    )
    assert (
        first(exams(("1", -10), ("2", 5)), read.assign(lesion_count=["1", "2-4"]))["clocc_change"] == "worse"
    )


@pytest.mark.parametrize(
    ("day", "columns", "baseline", "status"),
    [
        (-90, {}, "yes", "not_imaged"),
        (-91, {}, "no", "not_imaged"),
        (0, {}, "yes", "not_imaged"),
        (0, {"is_baseline": "no"}, "no", "imaged"),
        (0, {"indication": "symptom_driven"}, "no", "imaged"),
        (3, {"is_baseline": "yes"}, "no", "imaged"),
        (None, {"is_baseline": "yes"}, "yes", "not_imaged"),
        (None, {"indication": "baseline", "exam_status": "not_done"}, "no", "unknown"),
    ],
)
def test_what_a_baseline_is(day, columns, baseline, status):
    row = first(exams(("1", day), **columns), readings())
    assert (row["baseline_mri"], row["mri_status"]) == (baseline, status)


def test_the_latest_baseline_that_can_tell_is_compared():
    table = exams(("old", -60), ("recent", -5), ("now", 5))
    read = [("old", "clocc", "present"), ("recent", "clocc", "absent"), ("now", "clocc", "present")]
    assert first(table, readings(*read))["clocc_change"] == "new"
    read[1] = ("recent", "clocc", "not_assessable")
    assert first(table, readings(*read))["clocc_change"] == "pre_existing"


# --- composites, facts, errors ------------------------------------------------------------------


def test_composites():
    row = first(exams(("1", 5)), readings(("1", "edema_focal", "present"), ("1", "edema_diffuse", "absent")))
    assert (row["cerebral_edema"], row["cerebral_edema_first_day"], row["any_abnormal_finding"]) == (
        "present",
        5,
        "present",
    )
    row = first(exams(("1", 5)), readings(("1", "edema_focal", "absent"), ("1", "edema_diffuse", "absent")))
    assert (row["cerebral_edema"], row["any_abnormal_finding"]) == ("absent", "absent")
    both = exams(("A", "1", 5), ("B", "2", 5))
    read = readings(("A", "1", "edema_focal", "absent"), ("B", "2", "edema_diffuse", "present"))
    # B shows that the source records diffuse edema, so its silence about A is not a no.
    assert mri_findings(both, read)["cerebral_edema"].tolist() == ["not_assessable", "present"]
    row = first(exams(("1", 5), overall_result="abnormal_related"), readings())
    assert (row["any_abnormal_finding"], row["cerebral_edema"]) == ("present", "not_assessable")


def test_composite_change():
    read = readings(("1", "edema_focal", "present"), ("2", "edema_focal", "present"))
    more = readings(("1", "edema_diffuse", "absent"), ("2", "edema_diffuse", "present"))
    table = exams(("1", -10), ("2", 5))
    assert first(table, read)["cerebral_edema_change"] == "pre_existing"
    assert first(table, pd.concat([read, more]))["cerebral_edema_change"] == "worse"


def test_facts_feed_the_guards():
    facts = declared_facts(mri_findings(exams(("1", 5)), readings(), window=(0, 60)))
    part_of_grade = {name for name, fact in facts.items() if fact.part_of == ("icans_grade",)}
    stems = {"edema_focal", "edema_diffuse", "cerebral_edema", "any_abnormal_finding"}
    assert part_of_grade == {stem + end for stem in stems for end in ("", "_first_day", "_change")}
    assert facts["clocc"].known_day == 60
    assert facts["baseline_mri"].known_day == 0


def test_every_column_of_the_contract():
    result = mri_findings(exams(("1", 5)), readings())
    for code in [*finding_taxonomy().codes, "cerebral_edema", "hemorrhage", "any_abnormal_finding"]:
        assert result[code].cat.categories.tolist() == list(PRESENCE)
        assert str(result[f"{code}_first_day"].dtype) == "Int64"
        assert result[f"{code}_change"].cat.categories.tolist() == [
            "new",
            "pre_existing",
            "worse",
            "resolved",
            "no_prior",
        ]


def test_readings_of_unknown_exams_are_counted_not_used():
    result = mri_findings(exams(("1", 5)), readings(("9", "clocc", "present"), ("1", "clocc", "absent")))
    assert result["clocc"].tolist() == ["absent"]
    assert result.attrs["cohort_imaging"]["n_readings_without_exam"] == 1


def test_an_exam_listed_twice_is_one_exam():
    result = mri_findings(pd.concat([exams(("1", 5))] * 2), readings(("1", "clocc", "present")))
    assert result["mri_n_exams"].tolist() == [1]
    assert result["clocc"].tolist() == ["present"]


@pytest.mark.parametrize(
    ("changes", "options", "error", "pattern"),
    [
        ({"presence": "seen"}, {}, RangeError, "present"),
        ({"finding_code": "FLAIR"}, {}, RangeError, "flair_deep"),
        ({}, {"window": (30, 0)}, RangeError, "before it begins"),
        ({}, {"rule": "last"}, StudyError, "any, worst, first, nearest"),
        ({}, {"readers": "two"}, StudyError, "any, majority, first"),
        ({}, {"rule": "nearest"}, StudyError, "anchor"),
        ({}, {"anchor": 5.0}, StudyError, "nearest"),
        (
            {},
            {"rule": "nearest", "anchor": pd.DataFrame({"patient_id": ["A"]})},
            StudyError,
            "icans_onset_day",
        ),
    ],
)
def test_wrong_calls(changes, options, error, pattern):
    with pytest.raises(error, match=pattern):
        mri_findings(exams(("1", 5)), readings(("1", "clocc", "present")).assign(**changes), **options)


def test_missing_columns_are_named():
    with pytest.raises(StudyError, match="exam_id"):
        mri_findings(exams(("1", 5)).drop(columns="exam_id"), readings())
    with pytest.raises(StudyError, match="presence"):
        mri_findings(exams(("1", 5)), readings().drop(columns="presence"))


def test_an_anchor_that_mixes_infusions_is_refused():
    table = exams(("1", 5), ("2", 6)).assign(infusion_number=[1, 2])
    anchor = pd.DataFrame({"patient_id": ["A"], "icans_onset_day": [4]})
    with pytest.raises(StudyError, match="infusions"):
        mri_findings(table, readings(), rule="nearest", anchor=anchor)


def test_no_rows():
    assert len(mri_findings(exams(), readings())) == 0
    result = mri_findings(exams(), readings(), patients=pd.Series(["A"]))
    assert result["mri_status"].tolist() == ["unknown"]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C"]),
        st.integers(-100, 40),
        st.sampled_from(["clocc", "edema_focal", "edema_diffuse"]),
        st.sampled_from(["absent", "present", "indeterminate", "not_assessable"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=12, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 100), rule=st.sampled_from(["any", "worst", "first"]))
def test_row_order_is_irrelevant_and_inputs_are_kept(rows, seed, rule):
    table = pd.DataFrame([(who, str(i), day) for i, (who, day, _, _) in enumerate(rows)], columns=EXAM)
    read = pd.DataFrame(
        [(who, str(i), code, state) for i, (who, _, code, state) in enumerate(rows)], columns=READING
    )
    kept = table.copy(), read.copy()
    result = mri_findings(table, read, rule=rule)
    shuffled = mri_findings(
        table.sample(frac=1, random_state=seed), read.sample(frac=1, random_state=seed + 1), rule=rule
    )
    pd.testing.assert_frame_equal(result, shuffled)
    pd.testing.assert_frame_equal(table, kept[0])
    pd.testing.assert_frame_equal(read, kept[1])
    present = result["clocc"] == "present"
    assert (result["clocc_first_day"].notna() == present).all()
    assert ((result["clocc"] == "not_imaged") == (result["mri_status"] == "not_imaged")).all()
