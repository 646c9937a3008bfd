"""Who was imaged, by hand; drawn cells equal the counts."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.errors import CohortError, EstimationError
from cohort.plots.share_matrix import plot_share_matrix, shade
from cohort.style import check_layout


def data():
    """Center a: 3 of 4 imaged, one unknown; b: 1 of 4; grade 0: 1 of 4, grade 3: 3 of 4."""
    return pd.DataFrame(
        {
            "center_id": ["a"] * 5 + ["b"] * 4,
            "grade": [3, 3, 0, 0, 3, 3, 3, 0, 0],
            "mri_status": [*"iiin", "unknown", *"innn"],
        }
    ).replace({"mri_status": {"i": "imaged", "n": "not_imaged"}})


def test_by_hand():
    fit = co.imaging_coverage(data(), by=["center_id", "grade"])
    tidy = fit.tidy().set_index(["term", "strata"])
    counts = tidy[["n_event", "n", "n_missing"]]
    assert counts.loc[("all", "")].tolist() == [4, 8, 1]
    assert counts.loc[("center_id", "a")].tolist() == [3, 4, 1]
    assert counts.loc[("center_id", "b")].tolist() == [1, 4, 0]
    assert counts.loc[("grade", "0")].tolist() == [1, 4, 0]
    assert counts.loc[("grade", "3")].tolist() == [3, 4, 1]
    assert tidy.loc[("center_id", "a"), "estimate"] == 0.75
    assert fit.table().loc["a"].tolist() == ["1/2 (50%)", "2/2 (100%)"]
    assert fit.table().loc["b"].tolist() == ["0/2 (0%)", "1/2 (50%)"]
    assert fit.left_out == (("mri_status", "not known whether imaged", 1),)


def test_the_model_is_the_odds_ratio_of_being_imaged():
    fit = co.imaging_coverage(data(), by=["center_id", "grade"])
    frame = data().assign(imaged=data()["mri_status"].map({"imaged": 1.0, "not_imaged": 0.0}))
    own = co.odds_ratio("imaged ~ center_id + grade", frame, method="firth").tidy()
    assert fit.model is not None
    pd.testing.assert_frame_equal(fit.model.tidy(), own)
    assert co.imaging_coverage(data(), by="grade", model=False).model is None
    assert co.imaging_coverage(data()).model is None


def test_a_model_that_cannot_be_fitted_is_said():
    same = data().assign(center_id="a")
    assert "no model of being imaged" in repr(co.imaging_coverage(same, by="center_id"))


def test_drawn_cells_equal_the_counts():
    fit = co.imaging_coverage(data(), by=["center_id", "grade"])
    ax = fit.plot_matrix()
    cells = [patch for patch in ax.patches if patch.get_gid() == "cell"]
    shares = [one.n_event / one.n for one in fit.cells]
    assert [patch.get_facecolor() for patch in cells] == [
        plt.matplotlib.colors.to_rgba(shade(share)) for share in shares
    ]
    assert [t.get_text() for t in ax.texts][:4] == ["50%\n1/2", "100%\n2/2", "0%\n0/2", "50%\n1/2"]
    check_layout(ax.figure)
    plt.close(ax.figure)


def test_an_empty_cell_is_hatched():
    frame = pd.DataFrame({"row": ["a", "a"], "column": ["0", "3"], "n_event": [1, 0], "n": [2, 0]})
    ax = plot_share_matrix(frame, rows="center_id", columns="grade", what="imaged")
    hatches = [patch.get_hatch() for patch in ax.patches if patch.get_gid() == "cell"]
    assert hatches[0] is None
    assert hatches[1]
    plt.close(ax.figure)
    with pytest.raises(CohortError, match="n_event"):
        plot_share_matrix(frame.drop(columns="n_event"), rows="r", columns="c", what="imaged")


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: co.imaging_coverage(data().drop(columns="mri_status")), "co.mri_findings"),
        (lambda: co.imaging_coverage(data().assign(mri_status="maybe")), "9 of 9 rows"),
        (lambda: co.imaging_coverage(data(), by="site"), "site"),
        (lambda: co.imaging_coverage(data().assign(patient_id="x")), "8 of 9 rows repeat"),
        (lambda: co.imaging_coverage(data(), by="grade").table(), "two columns"),
        (lambda: co.imaging_coverage(data(), by="grade").plot_matrix(), "two columns"),
        (lambda: co.imaging_coverage(data()).text("z"), "terms: all"),
        (lambda: co.imaging_coverage(data().iloc[:0]), "no rows"),
    ],
)
def test_errors(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()


def test_unknown_only():
    fit = co.imaging_coverage(data().assign(mri_status="unknown"))
    row = fit.tidy().iloc[0]
    assert np.isnan(row["estimate"])
    assert row["n_missing"] == 9
    assert row["reason"]
