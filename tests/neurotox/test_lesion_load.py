"""Lesion load by hand: regions, lesions as bounds, extent, and what is not known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.dictionary.anatomy import regions
from cohort.errors import RangeError, StudyError


def exams(*rows):
    return pd.DataFrame(rows, columns=["patient_id", "exam_id", "exam_day", "overall_result"])


def readings(*rows):
    columns = [
        "patient_id",
        "exam_id",
        "finding_code",
        "presence",
        "sites",
        "lesion_count",
        "extent",
        "reader_id",
    ]
    return pd.DataFrame(rows, columns=columns)


EXAMS = exams(
    ("A", "1", 5, "abnormal_related"),
    ("A", "2", 9, "abnormal_related"),
    ("B", "3", 6, "normal"),
    ("C", "4", 45, "normal"),
    ("D", "5", 4, None),
)
READINGS = readings(
    # exam 1: thalamus (deep gray), pons (brainstem): 2 regions; 2-4 and "10 or more" lesions
    ("A", "1", "flair_deep", "present", "thalamus; pons", "2-4", "focal", "r1"),
    ("A", "1", "microhemorrhage", "present", "deep_wm", "10_or_more", "multifocal", "r1"),
    # exam 2: two readers of one finding; sites joined, the larger count and extent taken: 1 + 1 regions
    ("A", "2", "flair_deep", "present", "thalamus", "1", "punctate", "r1"),
    ("A", "2", "flair_deep", "present", "putamen;midbrain", "2-4", "confluent", "r2"),
    ("D", "5", "infarct", "indeterminate", "territory_mca", None, None, "r1"),
)


def test_by_hand():
    load = co.lesion_load(EXAMS, READINGS).set_index("patient_id")
    a = load.loc["A"]  # exam 1 has three regions, exam 2 two
    assert (a["load_n_regions"], a["load_deep_gray"], a["load_brainstem"], a["load_white_matter"]) == (
        3,
        1,
        1,
        1,
    )
    assert a["load_cortex"] == 0
    assert (a["load_n_findings"], a["load_n_lesions_lower"]) == (2, 2 + 10)
    assert pd.isna(a["load_n_lesions_upper"])
    assert (a["load_extent"], a["load_sites_missing"]) == ("multifocal", 0)
    assert load.loc["B", "load_n_regions"] == 0
    assert load.loc["B", "load_n_lesions_upper"] == 0
    assert pd.isna(load.loc["B", "load_extent"])
    assert load.loc["C", "mri_status"] == "not_imaged"
    assert pd.isna(load.loc["C", "load_n_regions"])


def test_nothing_recorded_is_not_nothing_found():
    load = co.lesion_load(EXAMS, READINGS).set_index("patient_id").loc["D"]
    assert load["mri_status"] == "imaged"
    assert load.filter(like="load_").isna().all()
    absent = readings(("D", "5", "flair_deep", "absent", None, None, None, "r1"))
    looked = co.lesion_load(EXAMS, pd.concat([READINGS, absent])).set_index("patient_id").loc["D"]
    assert looked["load_n_regions"] == 0


def test_chosen_findings_and_window():
    deep = (
        co.lesion_load(EXAMS, READINGS, window=(6, 30), findings=["flair_deep"])
        .set_index("patient_id")
        .loc["A"]
    )
    assert (deep["load_n_regions"], deep["load_n_findings"]) == (
        2,
        1,
    )  # both readers: deep gray matter, brainstem
    assert (deep["load_n_lesions_lower"], deep["load_n_lesions_upper"], deep["load_extent"]) == (
        2,
        4,
        "confluent",
    )


def test_present_without_a_site_is_a_lower_bound():
    found = readings(("A", "1", "flair_deep", "present", " ", None, None, "r1"))
    load = co.lesion_load(EXAMS, found).set_index("patient_id").loc["A"]
    assert (load["load_n_regions"], load["load_sites_missing"], load["load_n_lesions_lower"]) == (0, 1, 1)
    assert pd.isna(load["load_n_lesions_upper"])


def test_sites_that_no_source_gives():
    found = READINGS.assign(sites=pd.array([None] * len(READINGS), dtype=pd.StringDtype("python")))
    load = co.lesion_load(EXAMS, found).set_index("patient_id").loc["A"]
    assert (load["load_n_regions"], load["load_sites_missing"]) == (0, 2)


@pytest.mark.parametrize(
    ("changed", "error", "pattern"),
    [
        ({"sites": "thalmus"}, RangeError, "sites: 1 of 1 words"),
        ({"lesion_count": "many"}, RangeError, "lesion_count"),
        ({"extent": "huge"}, RangeError, "extent"),
    ],
)
def test_unknown_words_are_refused(changed, error, pattern):
    row = readings(("A", "1", "flair_deep", "present", "thalamus", "1", "focal", "r1")).assign(**changed)
    with pytest.raises(error, match=pattern):
        co.lesion_load(EXAMS, row)


def test_unknown_findings_and_missing_columns_are_refused():
    with pytest.raises(StudyError, match="flair_deep"):
        co.lesion_load(EXAMS, READINGS, findings=["flair"])
    with pytest.raises(StudyError, match="presence"):
        co.lesion_load(EXAMS, READINGS.drop(columns="presence"))


def test_empty_frames():
    load = co.lesion_load(EXAMS.iloc[:0], READINGS.iloc[:0], patients=pd.Series(["A"]))
    assert load["mri_status"].tolist() == ["unknown"]
    assert load["load_n_regions"].isna().all()


WORDS = [site for region in regions() for site in region.sites]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=6), min_size=1, max_size=6), st.randoms())
def test_regions_are_counted_once_whatever_the_order(sites, shuffle):
    rows = [
        ("A", "1", "flair_deep", "present", "; ".join(one), "1", "focal", f"r{i}")
        for i, one in enumerate(sites)
    ]
    shuffle.shuffle(rows)
    load = co.lesion_load(EXAMS.iloc[:1], readings(*rows))
    region = {site: one.value for one in regions() for site in one.sites}
    assert load["load_n_regions"].item() == len({region[site] for one in sites for site in one})
    columns = [f"load_{one.value}" for one in regions()]
    assert load[columns].sum(axis=1).item() == load["load_n_regions"].item()
    assert np.all(load["load_n_lesions_lower"] == 1)
