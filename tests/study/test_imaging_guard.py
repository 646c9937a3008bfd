"""Selective imaging: findings filled in for the not-imaged are refused; unequal imaging is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.errors import SelectiveImagingError
from cohort.study.imaging_guard import check_selective_imaging, imaging_rates

N = 80


def linked(filled=False):
    """80 patients: 20 of 40 imaged without and 30 of 40 with severe ICANS; 10 of each imaged have the finding."""
    severe = np.repeat(["no", "yes"], 40)
    imaged = np.r_[np.arange(40) < 20, np.arange(40) < 30]
    present = np.r_[np.arange(40) < 10, np.arange(40) < 10]
    finding = np.where(present, "present", np.where(imaged, "absent", "not_imaged"))
    frame = pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in range(N)],
            "severe_icans_imaging_blind": pd.Categorical(severe),
            "mri_status": np.where(imaged, "imaged", "not_imaged"),
            "flair_deep": finding,
            "center": np.tile(["a", "b"], N // 2),
            "days": np.arange(N) + 1.0,
            "dead": np.tile([1, 0, 1, 1], N // 4),
        }
    )
    return frame.assign(flair_deep=frame["flair_deep"].replace("not_imaged", "absent")) if filled else frame


OUTCOME = "severe_icans_imaging_blind"
CALLS = {
    "proportion": lambda data, **more: co.proportion("flair_deep", data, by=OUTCOME, **more),
    "two_by_two": lambda data, **more: co.two_by_two(OUTCOME, "flair_deep", data=data, **more),
    "mantel_haenszel": lambda data, **more: co.mantel_haenszel(OUTCOME, "flair_deep", "center", data, **more),
    "ordinal": lambda data, **more: co.ordinal(
        "grade ~ flair_deep", data.assign(grade=np.arange(N) * 3 % 4), **more
    ),
    "odds_ratio": lambda data, **more: co.odds_ratio(f"{OUTCOME} ~ flair_deep", data, **more),
    "trend": lambda data, **more: co.trend("flair_deep", OUTCOME, data, permutations=20, **more),
    "screen": lambda data, **more: co.association_screen(["flair_deep"], [OUTCOME], data, **more),
    "accuracy": lambda data, **more: co.diagnostic_accuracy("flair_deep", OUTCOME, data, **more),
    "imaging_table": lambda data, **more: co.imaging_table(data, by=OUTCOME, findings=["flair_deep"], **more),
    "table_one": lambda data, **more: co.table_one(data, by=OUTCOME, variables=["flair_deep"], **more),
    "cox": lambda data, **more: co.cox(
        co.Endpoint.from_columns(data, time="days", event="dead"),
        "flair_deep",
        acknowledge=("immortal_time", *more.get("acknowledge", ())),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_findings_filled_in_for_the_not_imaged_are_refused_and_can_be_acknowledged(name):
    call = CALLS[name]
    with pytest.raises(SelectiveImagingError, match="flair_deep: 30 of 30 not imaged") as caught:
        call(linked(filled=True))
    assert "co.manski_bounds" in str(caught.value)
    call(linked(filled=True), acknowledge=("selective_imaging",))
    call(linked())


def test_the_acknowledgement_is_printed_with_the_result():
    result = CALLS["two_by_two"](linked(filled=True), acknowledge="selective_imaging")
    assert "selective_imaging: flair_deep" in repr(result)


def test_what_the_naive_denominator_costs():
    """10 of 20 and 10 of 30 imaged have it; filled in, 10 of 40 and 10 of 40: the difference is gone."""
    honest = CALLS["proportion"](linked()).tidy()
    naive = CALLS["proportion"](linked(filled=True), acknowledge="selective_imaging").tidy()
    assert honest["estimate"].unique().tolist() == pytest.approx([1 / 2, 1 / 3])
    assert naive["estimate"].unique().tolist() == [1 / 4]


def test_a_time_dependent_exposure_is_unexposed_without_imaging_by_design():
    data = linked().assign(first=np.where(linked()["flair_deep"] == "present", 0.5, np.nan))
    survival = co.Endpoint.from_columns(data, time="days", event="dead", id="patient_id")
    seen = co.counting_process(survival, exposures={"flair_deep": data["first"]})
    assert "flair_deep" in seen.exposures
    co.cox(seen, "flair_deep")


def test_unequal_imaging_is_said_and_equal_imaging_is_not():
    note = f"imaged by {OUTCOME}: no 20/40, yes 30/40"
    assert imaging_rates(["flair_deep", OUTCOME], linked()) == (note,)
    assert note in repr(CALLS["two_by_two"](linked()))
    assert imaging_rates(["flair_deep", "center"], linked()) == ()
    assert imaging_rates([OUTCOME, "center"], linked()) == ()
    assert imaging_rates(["flair_deep", OUTCOME], linked().drop(columns="mri_status")) == ()
    unknown = linked().assign(mri_status="unknown")
    assert imaging_rates(["flair_deep", OUTCOME], unknown) == ()


def test_frames_in_which_nothing_can_be_checked_pass():
    assert check_selective_imaging(["flair_deep"], None) == ()
    assert check_selective_imaging(["flair_deep"], linked(filled=True).drop(columns="mri_status")) == ()
    assert check_selective_imaging(["center"], linked(filled=True)) == ()
    assert check_selective_imaging(["flair_deep"], linked(filled=True).assign(flair_deep=3)) == ()
