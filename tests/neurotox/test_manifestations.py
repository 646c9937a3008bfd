"""Neurological events per patient, and the imaging that corresponds to them, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

import cohort as co
from cohort.dictionary.anatomy import all_manifestations
from cohort.dictionary.derived import finding_taxonomy
from cohort.dictionary.facts import declared_facts
from cohort.dictionary.read import read_dictionary
from cohort.errors import RangeError, StudyError

EVENT = pd.DataFrame(
    [
        ("A", "myelopathy", "yes", 60, 90),
        ("A", "myelopathy", "yes", 40, 61),  # the first: 21 days
        ("A", "stroke", "no", None, None),
        ("B", "cranial_nerve_palsy", None, 12, None),  # a day says that it happened; still lasting
        ("B", "infection", None, None, None),  # neither: nobody knows
        ("C", "gbs", "yes", None, None),
        ("Z", "stroke", "yes", 3, None),  # not among the patients
    ],
    columns=["patient_id", "event_type", "occurred", "event_day", "resolved_day"],
)
PATIENTS = pd.Series(["A", "B", "C"])


def test_by_hand():
    found = co.manifestations(EVENT, PATIENTS).set_index("patient_id")
    assert found["myelopathy"].tolist() == ["yes", "no", "no"]
    assert found.loc["A", ["myelopathy_day", "myelopathy_days"]].tolist() == [40, 21]
    assert found["stroke"].tolist() == ["no", "no", "no"]
    assert found.loc["B", "cranial_nerve_palsy_day"] == 12
    assert pd.isna(found.loc["B", "cranial_nerve_palsy_days"])
    assert pd.isna(found.loc["B", "infection"])
    assert found.loc["C", "gbs"] == "yes"
    assert pd.isna(found.loc["C", "gbs_day"])
    assert declared_facts(found)["myelopathy"].known_day == float("inf")


def test_a_source_that_does_not_record_events_says_nothing():
    found = co.manifestations(EVENT, PATIENTS, recorded=[True, False, False]).set_index("patient_id")
    assert found["stroke"].isna().tolist() == [False, True, True]
    assert found.loc["C", "gbs"] == "yes"  # what is recorded counts all the same


def test_a_source_without_any_event_says_nothing_unless_it_is_said():
    """Of two sources only the first lists events: whether anybody of the second had one is not known."""
    event = EVENT.assign(source="one")
    patients = pd.DataFrame({"source": ["one", "two"], "patient_id": ["A", "A"]})
    assert co.manifestations(event, patients)["stroke"].isna().tolist() == [False, True]
    assert co.manifestations(event, patients, recorded=True)["stroke"].tolist() == ["no", "no"]


def test_a_window_keeps_undated_events():
    found = co.manifestations(EVENT, PATIENTS, window=(0, 30)).set_index("patient_id")
    assert found["myelopathy"].tolist() == ["no", "no", "no"]
    assert found.loc["C", "gbs"] == "yes"


def test_imaging_beside_events():
    data = pd.DataFrame(
        {
            "myelopathy": ["yes", "yes", "yes", "no", "no", None],
            "myelitis_long": ["present", "absent", "not_assessable", "absent", "not_imaged", "present"],
        }
    )
    table = co.manifestation_findings(data).set_index("occurred")
    assert table.loc["yes", ["n", "present", "absent", "not_assessable", "not_imaged"]].tolist() == [
        3,
        1,
        1,
        1,
        0,
    ]
    assert table.loc["no", ["n", "present", "absent", "not_assessable", "not_imaged"]].tolist() == [
        2,
        0,
        1,
        0,
        1,
    ]


def test_the_dictionary_names_what_exists():
    types = {one.value for one in read_dictionary().tables["event"].variables["event_type"].categories}
    for one in all_manifestations():
        assert one.event_type in types
        assert set(one.findings) <= set(finding_taxonomy().codes)


@pytest.mark.parametrize(
    ("call", "error", "pattern"),
    [
        (lambda: co.manifestations(EVENT.drop(columns="event_type"), PATIENTS), StudyError, "event_type"),
        (lambda: co.manifestations(EVENT, PATIENTS, recorded=[True]), StudyError, "1 values for 3 patients"),
        (lambda: co.manifestations(EVENT.assign(occurred="maybe"), PATIENTS), RangeError, "occurred"),
        (lambda: co.manifestation_findings(pd.DataFrame({"x": [1]})), StudyError, "mri_findings"),
    ],
)
def test_errors(call, error, pattern):
    with pytest.raises(error, match=pattern):
        call()


def test_a_spine_examination_decides_and_a_brain_examination_does_not():
    exams = pd.DataFrame(
        {
            "patient_id": ["A", "B"],
            "exam_id": ["1", "2"],
            "exam_day": [41, 41],
            "modality": ["mr_spine", "mr_brain"],
            "overall_result": ["abnormal_related", "normal"],
        }
    )
    reading = pd.DataFrame(
        {"patient_id": ["A"], "exam_id": ["1"], "finding_code": ["myelitis_long"], "presence": ["present"]}
    )
    mri = co.mri_findings(exams, reading, window=(31, 100), patients=PATIENTS)
    data = co.manifestations(EVENT, PATIENTS).merge(mri, on="patient_id")
    table = co.manifestation_findings(data)
    row = table[(table["finding"] == "myelitis_long") & (table["occurred"] == "yes")].iloc[0]
    assert (row["n"], row["present"]) == (1, 1)
    row = table[(table["finding"] == "myelitis_long") & (table["occurred"] == "no")].iloc[0]
    assert (row["n"], row["not_assessable"], row["unknown"]) == (2, 1, 1)
