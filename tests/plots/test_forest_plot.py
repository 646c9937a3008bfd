"""Forest plot: estimates on their rows, symmetrical ticks, arrows for cut intervals, NE with its reason."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.testing import assert_array_equal
from plot_frames import LONG_NAMES, regression

from cohort import style
from cohort.errors import CohortError
from cohort.plots.forest import plot_forest
from cohort.plots.forest_rows import forest_rows


def drawn(ax: Axes, gid: str) -> list[tuple[float, float]]:
    return [
        (float(np.asarray(line.get_xdata())[0]), float(np.asarray(line.get_ydata())[0]))
        for line in ax.lines
        if line.get_gid() == gid
    ]


def test_rows_have_headers_references_and_reasons() -> None:
    rows = forest_rows(regression(), {"product": "Product"})
    assert [(row.kind, row.label) for row in rows] == [
        ("estimate", "age years"),
        ("header", "Product"),
        ("reference", "tisa-cel"),
        ("estimate", "axi-cel"),
        ("estimate", "liso-cel"),
        ("header", "cerebral edema"),
        ("estimate", "present"),
        ("header", "infarct"),
        ("missing", "present"),
    ]
    assert [row.interval for row in rows if row.interval] == [
        "1.21 (1.02–1.43)",
        "1 [Reference]",
        "0.74 (0.52–1.05)",
        "0.58 (0.38–0.89)",
        "4.90 (1.90–313)",
        "NE (no events)",
    ]
    assert rows[0].count == "201/395"
    assert [row.p for row in rows if row.kind == "estimate"] == ["0.03", "0.09", "0.01", "<0.001"]


def test_squares_stand_at_their_estimates() -> None:
    ax = plot_forest(regression())
    assert drawn(ax, "estimate") == [(1.21, 0.0), (0.74, 3.0), (0.58, 4.0), (4.9, 6.0)]
    assert drawn(ax, "reference") == [(1.0, 2.0)]


def test_intervals_are_the_limits_and_the_cut_one_has_an_arrow() -> None:
    ax = plot_forest(regression(), limits=(0.25, 8.0))
    segments = [line.get_xdata() for line in ax.lines if line.get_gid() == "interval"]
    assert_array_equal(segments, [(1.02, 1.43), (0.52, 1.05), (0.38, 0.89), (1.90, 8.0)])
    assert drawn(ax, "arrow") == [(8.0, 6.0)]
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert style.figure_notes(fig) == ("Arrows mark intervals that leave the axis.", "NE = not estimable.")


def test_axis_is_symmetrical_about_one() -> None:
    ax = plot_forest(regression())
    low, high = ax.get_xlim()
    assert low * high == pytest.approx(1, abs=1e-12)
    assert np.log(ax.get_xticks()).sum() == pytest.approx(0, abs=1e-12)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.1", "0.2", "0.5", "1", "2", "5", "10"]


def test_small_effects_have_the_usual_ticks() -> None:
    frame = regression().iloc[[0, 2, 3]].assign(conf_high=3.0)
    ax = plot_forest(frame)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.25", "0.5", "1", "2", "4"]


def test_words_of_direction_follow_the_measure() -> None:
    ax = plot_forest(regression(), measure="Subdistribution hazard ratio")
    words = [t.get_text() for t in ax.texts]
    assert "← Lower incidence" in words
    assert "Subdistribution hazard ratio (95% CI)" in words
    silent = plot_forest(regression(), direction=("", ""))
    assert not any("←" in t.get_text() for t in silent.texts)


@pytest.mark.parametrize("width", [None, 174.0])
def test_long_labels_and_large_counts_fit(width: float | None) -> None:
    frame = regression().assign(n=123456, n_event=123456, term=LONG_NAMES[:6])
    ax = plot_forest(frame, measure="Subdistribution hazard ratio", width_mm=width)
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert style.check_layout(fig) == []
    assert fig.get_size_inches()[0] * 25.4 <= 174 + 1e-9


def test_narrow_column_keeps_fewer_ticks() -> None:
    ax = plot_forest(regression(), width_mm=95)
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert style.check_layout(fig) == []


def test_log_scale_estimates_are_refused() -> None:
    frame = regression()
    frame["estimate"] = np.log(frame["estimate"])
    with pytest.raises(CohortError, match="exponentiate=True"):
        plot_forest(frame)


def test_nothing_is_clipped_within_a_quarter_to_four() -> None:
    frame = regression().iloc[[0, 2, 3]].assign(conf_high=[1.43, 1.05, 3.79])
    ax = plot_forest(frame)
    assert ax.get_xlim() == (0.25, 4.0)
    assert drawn(ax, "arrow") == []
