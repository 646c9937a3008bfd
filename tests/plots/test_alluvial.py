"""Alluvial plot: boxes and flows are the counts, totals conserved, what is no grade hatched, layout clean."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cohort import style
from cohort.errors import CohortError
from cohort.plots.alluvial import plot_alluvial

FLOWS = pd.DataFrame(
    [("0", "0", 30), ("0", "3", 2), ("1", "1", 8), ("3", "4", 3), ("4", "died", 1), ("open", "open", 4)],
    columns=["before", "after", "n"],
)


def test_boxes_and_flows_are_the_counts():
    ax = plot_alluvial(FLOWS, stages=["before", "after"], titles=["Before", "After"])
    heights = {patch.get_gid(): patch.get_height() * 48 for patch in ax.patches}
    expected = {
        **{f"before: {key}": n for key, n in FLOWS.groupby("before")["n"].sum().items()},
        **{f"after: {key}": n for key, n in FLOWS.groupby("after")["n"].sum().items()},
    }
    assert heights == pytest.approx(expected, rel=1e-12)
    flows = {}
    for band in ax.collections:
        vertices = band.get_paths()[0].vertices
        start = vertices[np.isclose(vertices[:, 0], vertices[:, 0].min()), 1]
        flows[band.get_gid()] = (start.max() - start.min()) * 48
    assert flows == pytest.approx({f"{a} -> {b}": n for a, b, n in FLOWS.itertuples(index=False)}, rel=1e-9)
    assert style.check_layout(ax.figure) == []
    plt.close(ax.figure)


def test_grades_from_below_and_what_is_no_grade_on_top_and_hatched():
    ax = plot_alluvial(FLOWS.iloc[::-1], stages=["before", "after"])
    boxes = sorted((p for p in ax.patches if p.get_gid().startswith("after")), key=lambda p: p.get_y())
    assert [p.get_gid() for p in boxes] == [f"after: {key}" for key in ("0", "1", "3", "4", "open", "died")]
    assert [p.get_hatch() is not None for p in boxes] == [False] * 4 + [True] * 2
    texts = {text.get_text() for text in ax.texts}
    assert "0: 32 (67%)" in texts
    plt.close(ax.figure)


def test_missing_strata_and_three_stages():
    frame = pd.DataFrame({"a": ["0", None], "b": ["1", "1"], "c": ["2", "3"], "n": [5, 5]})
    ax = plot_alluvial(frame, stages=["a", "b", "c"], labels={"1": "Grade 1"})
    gids = {patch.get_gid() for patch in ax.patches}
    assert gids == {"a: 0", "a: missing", "b: 1", "c: 2", "c: 3"}
    assert style.check_layout(ax.figure) == []
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("frame", "stages", "says"),
    [
        (FLOWS, ["before"], "two columns"),
        (FLOWS.assign(n=0), ["before", "after"], "0 patients"),
        (FLOWS, ["before", "later"], "later"),
    ],
)
def test_refusals(frame, stages, says):
    with pytest.raises(CohortError, match=says):
        plot_alluvial(frame, stages=stages)
