"""Reclassification by imaging: hand counts, open grades as bounds, who was imaged, refusals, the figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort import style
from cohort.errors import CohortError, EstimationError

NAMES = [
    "icans_grade_lower",
    "icans_grade_upper",
    "icans_grade_lower_imaging_blind",
    "icans_grade_upper_imaging_blind",
]


def grades(*rows):
    return pd.DataFrame(rows, columns=NAMES).astype("Int64")


# Full and blind: 3 from 1 (upgraded, to severe), 4 from 3 (upgraded), 2 = 2, 0 = 0, open 0-4 both (open),
# at least 3 with imaging and at most 2 without (upgraded, to severe, though both are open).
SIX = grades((3, 3, 1, 1), (4, 4, 3, 3), (2, 2, 2, 2), (0, 0, 0, 0), (0, 4, 0, 4), (3, 4, 0, 2))


def test_counts_by_hand():
    result = co.imaging_reclassification(SIX)
    known = result.tidy()[lambda t: t["method"] == "known_only"].set_index("term")
    assert known.loc["upgraded", ["n_event", "n"]].tolist() == [3, 5]
    assert known.loc["upgraded_to_severe", ["n_event", "n"]].tolist() == [2, 5]
    assert known.loc["upgraded", "estimate"] == 0.6
    # Clopper-Pearson of 3/5, R 4.2: binom.test(3, 5)$conf.int
    limits = known.loc["upgraded", ["conf_low", "conf_high"]].to_numpy(float)
    np.testing.assert_allclose(limits, [0.146632799634673, 0.947255049473683], rtol=1e-12)
    bounds = result.tidy()[lambda t: t["method"] == "bounds"].set_index("term")
    assert bounds.loc["upgraded", ["bound_low", "bound_high"]].tolist() == [3 / 6, 4 / 6]
    table = result.table()
    assert table.loc["1", "3"] == 1
    assert table.loc["open", "open"] == 2
    assert table.loc["total", "total"] == 6
    assert result.text() == "3 of 5 (0.60, 95% CI 0.15–0.95)"


def test_the_not_imaged_are_left_out_by_reason():
    data = SIX.assign(status=["present", "present", "absent", "not_imaged", "present", None])
    result = co.imaging_reclassification(data, "status")
    assert sorted(result.left_out) == [
        ("status", "absent", 1),
        ("status", "missing", 1),
        ("status", "not_imaged", 1),
    ]
    row = result.tidy().iloc[0]
    assert (row["n_event"], row["n"]) == (2, 2)


def test_a_patient_without_a_grade_is_counted():
    data = pd.concat([SIX, grades((None, None, None, None))], ignore_index=True)
    result = co.imaging_reclassification(data)
    assert result.left_out == (("icans_grade", "not graded", 1),)


def test_agrees_with_the_grading_itself():
    signs = {name: "no" for name in ("posturing", "abducens_palsy", "papilledema", "cushing_triad")}
    rows = pd.DataFrame({"ice_score": [8, 2, 10], "edema_imaging": ["focal", "focal", "diffuse"]})
    rows = rows.assign(consciousness="alert", seizure="none", motor_deficit="none", **signs)
    result = co.imaging_reclassification(co.grade_icans(rows))
    # Focal edema sets 3: raises grade 1, not grade 3 by ICE 2; diffuse edema raises 0 to 4.
    assert result.tidy()["n_event"].tolist() == [2, 2, 2, 2]


def test_figure_shows_the_table():
    result = co.imaging_reclassification(SIX)
    ax = result.plot()
    flows = {band.get_gid() for band in ax.collections}
    assert flows == {f"{a} -> {b}" for a, b, _ in result.flows}
    assert style.check_layout(ax.figure) == []
    plt.close(ax.figure)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), min_size=1, max_size=12))
def test_bounds_hold_the_share_of_any_completion(patients):
    full, wide = [], []
    for blind, added, is_open in patients:
        grade = max(blind, added)
        full.append((grade, grade, blind, blind))
        wide.append(
            (
                0 if is_open else grade,
                4 if is_open else grade,
                0 if is_open else blind,
                4 if is_open else blind,
            )
        )
    complete = co.imaging_reclassification(grades(*full)).tidy()
    some = co.imaging_reclassification(grades(*wide)).tidy()
    for term in ("upgraded", "upgraded_to_severe"):
        share = complete[(complete["term"] == term) & (complete["method"] == "known_only")]["estimate"].item()
        row = some[(some["term"] == term) & (some["method"] == "bounds")].iloc[0]
        assert row["bound_low"] - 1e-12 <= share <= row["bound_high"] + 1e-12


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: co.imaging_reclassification(SIX.iloc[:0]), "grade_icans"),
        (lambda: co.imaging_reclassification(SIX.drop(columns=NAMES[0])), "icans_grade_lower"),
        (lambda: co.imaging_reclassification(grades((1, 1, 3, 3))), "same call of grade_icans"),
        (lambda: co.imaging_reclassification(SIX.assign(im="no"), "im"), "imaged="),
        (lambda: co.imaging_reclassification(SIX, conf_level=95), "conf_level"),
        (lambda: co.imaging_reclassification(SIX).text("lowered"), "upgraded_to_severe"),
    ],
)
def test_refusals(call, says):
    with pytest.raises((EstimationError, CohortError), match=says):
        call()
