"""Volcano and matrix of a screen: what is drawn is what the tidy frame holds."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from plot_frames import LONG_NAMES

from cohort import style
from cohort.errors import CohortError
from cohort.plots.association_matrix import mark, plot_association_matrix, shade
from cohort.plots.volcano import plot_volcano


def pairs(terms: list[str], measure: str = "odds ratio", seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    outcomes = ["severe_icans", "late_neurotoxicity"]
    frame = pd.DataFrame([(t, o) for t in terms for o in outcomes], columns=["term", "outcome"])
    frame["measure"] = measure
    frame["correlation"] = rng.uniform(-0.4, 0.4, len(frame))
    frame["estimate"] = np.exp(4 * frame["correlation"])
    frame["p_value"] = np.exp(-40 * frame["correlation"].abs())
    frame["p_adjusted"] = np.minimum(frame["p_value"] * len(frame), 1)
    frame["n"] = 120
    return frame


def drawn(ax):
    lines = [line for line in ax.lines if line.get_gid() == "pair"]
    return np.concatenate([line.get_xydata() for line in lines])


def sorted_points(x, y):
    points = np.column_stack([x, y])
    return points[np.lexsort(points.T)]


@pytest.mark.parametrize(("measure", "column"), [("odds ratio", "estimate"), ("mixed", "correlation")])
def test_volcano_draws_every_pair(measure, column):
    frame = pairs(LONG_NAMES, measure)
    ax = plot_volcano(frame)
    found = drawn(ax)
    wanted = sorted_points(frame[column], -np.log10(frame["p_value"]))
    assert_allclose(found[np.lexsort(found.T)], wanted, rtol=1e-12)
    assert style.check_layout(ax.get_figure(root=True)) == []
    (line,) = [one for one in ax.lines if one.get_gid() == "threshold"]
    height = line.get_ydata()[0]
    above = -np.log10(frame["p_value"]) > height
    np.testing.assert_array_equal(above, frame["p_adjusted"] <= 0.05)


def test_volcano_puts_infinite_ratios_on_the_end_and_says_so():
    frame = pairs(["a", "b"])
    frame.loc[0, "estimate"], frame.loc[1, "p_value"] = np.inf, np.nan
    ax = plot_volcano(frame)
    assert len(drawn(ax)) == 3
    notes = " ".join(style.figure_notes(ax.get_figure(root=True)))
    assert "1 odds ratios of 0, infinity" in notes
    assert "1 pairs were not tested" in notes


def test_volcano_without_any_pair():
    frame = pairs(["a"])
    frame["p_value"] = np.nan
    ax = plot_volcano(frame)
    assert not [line for line in ax.lines if line.get_gid() == "pair"]


def test_matrix_colors_and_marks():
    frame = pairs(LONG_NAMES)
    frame.loc[2, ["correlation", "p_value", "p_adjusted"]] = np.nan
    ax = plot_association_matrix(frame)
    cells = [patch for patch in ax.patches if patch.get_gid() == "cell"]
    assert len(cells) == len(frame)
    from matplotlib.colors import to_hex

    for cell, r in zip(cells, frame["correlation"], strict=True):
        expected = "#ffffff" if np.isnan(r) else shade(r, 0.5).lower()
        assert to_hex(cell.get_facecolor()) == expected
        assert bool(cell.get_hatch()) == bool(np.isnan(r))
    assert style.check_layout(ax.get_figure(root=True)) == []


def test_marks():
    assert mark(0.001, 0.01, 0.05).strip() == "\N{BLACK CIRCLE}"
    assert mark(0.001, 0.2, 0.05).strip() == "\N{WHITE CIRCLE}"
    assert mark(0.2, 0.6, 0.05) == ""


@pytest.mark.parametrize("plot", [plot_volcano, plot_association_matrix])
def test_refuses_repeated_pairs_and_missing_columns(plot):
    frame = pairs(["a"])
    with pytest.raises(CohortError, match="rows"):
        plot(pd.concat([frame, frame]))
    with pytest.raises(CohortError, match="p_adjusted"):
        plot(frame.drop(columns="p_adjusted"))
