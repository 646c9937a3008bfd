"""missing_patterns: states kept apart, by hand, and its figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort import style
from cohort.errors import EstimationError
from cohort.models.missing_patterns import missing_patterns

DATA = pd.DataFrame(
    {
        "crp_mg_l": [1.0, None, 3.0, None, 5.0, 6.0],
        "crp_mg_l__status": ["ok", "missing:not_done", "ok", "missing:not_applicable", "ok", "ok"],
        "flair": ["absent", "not_imaged", "present", None, "not_assessable", ""],
        "icans_grade": pd.array([0, None, None, 3, 1, 2], dtype="Int64"),
        "icans_grade_lower": pd.array([0, 1, 0, 3, 1, 2], dtype="Int64"),
        "icans_grade_upper": pd.array([0, 4, 4, 3, 1, 2], dtype="Int64"),
    }
)


def test_kinds_of_not_known_stay_apart():
    """Row 1: grade 1 to 4 says something; row 2: 0 to 4 nothing."""
    found = missing_patterns(DATA)
    tidy = found.tidy().set_index(["term", "level"])
    assert tidy["n"].to_dict() == {
        ("complete cases", ""): 1,
        ("crp_mg_l", "not_applicable"): 1,
        ("crp_mg_l", "not_done"): 1,
        ("flair", "missing"): 2,
        ("flair", "not_assessable"): 1,
        ("flair", "not_imaged"): 1,
        ("icans_grade", "bounds only"): 1,
        ("icans_grade", "missing"): 1,
    }
    np.testing.assert_allclose(tidy["estimate"], tidy["n"] / 6)
    assert found.patterns()["n"].sum() == 6
    assert found.text("flair") == "flair: missing 2/6 (33%), not_assessable 1/6 (17%), not_imaged 1/6 (17%)"
    assert "leaves not applicable, not assessable, not imaged as they are" in repr(found)


@given(st.lists(st.tuples(*[st.booleans()] * 3), min_size=1, max_size=30))
@settings(deadline=None)
def test_patterns_partition_the_patients(rows):
    known = np.array(rows)
    data = pd.DataFrame(np.where(known, 1.0, np.nan), columns=["a", "b", "c"])
    found = missing_patterns(data)
    patterns = found.patterns()
    assert patterns["n"].sum() == len(data)
    assert patterns["n"].is_monotonic_decreasing
    assert found.n_complete == known.all(axis=1).sum()
    for name in "abc":
        assert patterns.loc[patterns[name] == "missing", "n"].sum() == data[name].isna().sum()


def test_nothing_missing():
    found = missing_patterns(DATA[["icans_grade_lower"]].rename(columns={"icans_grade_lower": "x"}))
    assert found.n_complete == 6
    assert found.text("x") == "x: known in all 6"
    assert found.glance()["n_missing"].item() == 0


def test_the_figure_has_a_cell_for_every_pattern_and_column():
    found = missing_patterns(DATA)
    ax = found.plot()
    cells = [patch for patch in ax.patches if patch.get_gid() == "cell"]
    states = found.patterns()[list(found.columns)].to_numpy().ravel()
    assert len(cells) == len(states)
    colors = {}
    for cell, state in zip(cells, states, strict=True):
        assert colors.setdefault(state, cell.get_facecolor()) == cell.get_facecolor()
    assert len(set(colors.values())) == len(colors)
    assert style.check_layout(ax.get_figure(root=True)) == []
    plt.close("all")


ERRORS = {
    "unknown column": (lambda: missing_patterns(DATA, ["ldh"]), "correct the name"),
    "no rows": (lambda: missing_patterns(DATA.iloc[:0]), "rows and columns"),
    "no columns": (lambda: missing_patterns(DATA[[]]), "rows and columns"),
    "text": (lambda: missing_patterns(DATA).text("ldh"), "one of these"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_refuses(case):
    call, remedy = ERRORS[case]
    with pytest.raises(EstimationError) as raised:
        call()
    assert remedy in raised.value.remedy
