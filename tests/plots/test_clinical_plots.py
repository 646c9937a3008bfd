"""Findings by grade, MRI timing, grades by group, status matrix: artists read back against the frame."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from numpy.testing import assert_array_equal
from plot_frames import LONG_NAMES, findings

from cohort import palette, style
from cohort.errors import CohortError
from cohort.plots.finding_by_grade import plot_finding_by_grade, shade
from cohort.plots.grade_bars import plot_grade_bars
from cohort.plots.mri_timing import plot_mri_timing
from cohort.plots.status_matrix import plot_status_matrix


def texts(ax: Axes, gid: str) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_gid() == gid]


def boxes(ax: Axes, gid: str) -> list[Rectangle]:
    return [p for p in ax.patches if p.get_gid() == gid and isinstance(p, Rectangle)]


def clean(ax: Axes) -> bool:
    fig = ax.get_figure(root=True)
    assert fig is not None
    return style.check_layout(fig) == []


# findings by grade


def test_every_cell_prints_its_own_denominator() -> None:
    frame = findings()
    ax = plot_finding_by_grade(frame)
    assessable = frame[frame["n_assessable"] > 0]
    expected = [f"{k}/{n}" for k, n in zip(assessable["n_present"], assessable["n_assessable"], strict=True)]
    assert texts(ax, "cell text")[1::2] == expected
    assert len(boxes(ax, "cell")) == len(frame)


def test_cells_are_shaded_by_their_proportion_and_hatched_without_denominator() -> None:
    frame = findings()
    ax = plot_finding_by_grade(frame, top=0.8)
    for cell, present, n in zip(boxes(ax, "cell"), frame["n_present"], frame["n_assessable"], strict=True):
        if n:
            assert to_hex(cell.get_facecolor()).upper() == shade(present / n, 0.8)
            assert cell.get_hatch() is None
        else:
            assert cell.get_hatch() == style.MISSING_HATCH
            assert to_hex(cell.get_facecolor()) == "#ffffff"


def test_head_shows_imaged_of_patients() -> None:
    ax = plot_finding_by_grade(findings())
    assert texts(ax, "imaged") == ["9/210", "12/46", "18/41", "43/62", "20/24", "6/14"]
    shares = [
        bar.get_width() / rest.get_width()
        for bar, rest in zip(boxes(ax, "imaged bar"), boxes(ax, "not imaged"), strict=True)
    ]
    np.testing.assert_allclose(shares, [9 / 210, 12 / 46, 18 / 41, 43 / 62, 20 / 24, 6 / 14], rtol=1e-12)
    assert texts(ax, "head")[-1] == "Not\ndeterminable"


def test_small_and_hidden_counts_show_neither_number_nor_shade() -> None:
    frame = findings().astype({"n_present": "Int64"})
    frame.loc[0, "n_present"] = pd.NA
    frame.loc[1, ["n_present", "n_assessable"]] = [3, 12]
    ax = plot_finding_by_grade(frame, min_cell=5)
    assert texts(ax, "cell text")[:4] == ["hidden", "of 9", "<5", "of 12"]
    assert {to_hex(cell.get_facecolor()) for cell in boxes(ax, "cell")[:2]} == {"#ffffff"}


def test_text_grades_and_labels_of_the_imaging_table() -> None:
    frame = findings().assign(label="A finding", grade=["overall", "0", "1", "2", "3", "not_known"] * 3)
    ax = plot_finding_by_grade(frame)
    assert texts(ax, "head") == [
        "All patients",
        "Grade 0",
        "Grade 1",
        "Grade 2",
        "Grade 3",
        "Not\ndeterminable",
    ]
    assert [t.get_text() for t in ax.get_yticklabels()][1:] == ["A finding"] * 3


@pytest.mark.parametrize("n", [0, 123456])
def test_long_findings_and_large_counts_fit(n: int) -> None:
    frame = findings(LONG_NAMES[:8])
    frame = frame[frame["grade"].isin([0, 1, 2])]
    frame[["n_present", "n_assessable", "n_imaged", "n_patients"]] += n
    assert clean(plot_finding_by_grade(frame))


def test_contradicting_counts_are_refused() -> None:
    frame = findings().assign(n_present=1000)
    with pytest.raises(CohortError, match="present <= assessable <= imaged <= patients"):
        plot_finding_by_grade(frame)
    frame = findings()
    frame.loc[0, "n_patients"] = 300
    with pytest.raises(CohortError, match="grades: 0"):
        plot_finding_by_grade(frame)


# MRI timing


def timing(n: int = 120, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "days_from_onset": pd.array(np.round(rng.normal(2, 2.5, n)), dtype="Int64"),
            "icans_grade": pd.array(rng.choice([1, 2, 3, 4], n), dtype="Int64"),
            "any_abnormal_finding": rng.choice(["absent", "present", "indeterminate"], n, p=[0.6, 0.3, 0.1]),
        }
    )
    frame.loc[:4, "days_from_onset"] = pd.NA
    frame.loc[5:9, "icans_grade"] = pd.NA
    return frame


def test_each_row_with_a_day_has_one_mark_in_the_lane_of_its_grade() -> None:
    frame = timing()
    ax = plot_mri_timing(frame, result="any_abnormal_finding")
    drawn = {
        line.get_label(): sorted(np.asarray(line.get_xdata()).tolist())
        for line in ax.lines
        if line.get_gid() == "marks"
    }
    for grade in (1, 2, 3, 4):
        for state in ("present", "absent"):
            rows = frame[(frame["icans_grade"] == grade) & (frame["any_abnormal_finding"] == state)]
            assert drawn[f"_Grade {grade} {state}"] == sorted(rows["days_from_onset"].dropna().astype(float))
    assert sum(len(days) for days in drawn.values()) == int(frame["days_from_onset"].notna().sum())
    assert clean(ax)


def test_stacks_never_put_two_marks_on_one_place() -> None:
    ax = plot_mri_timing(timing(), result="any_abnormal_finding")
    places = [
        (x, round(float(y), 6))
        for line in ax.lines
        if line.get_gid() == "marks"
        for x, y in zip(np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), strict=True)
    ]
    assert len(places) == len(set(places))


def test_order_of_rows_does_not_matter() -> None:
    frame = timing()
    shuffled = frame.sample(frac=1, random_state=np.random.default_rng(1))
    first, second = (plot_mri_timing(f, result="any_abnormal_finding") for f in (frame, shuffled))
    for a, b in zip(first.lines, second.lines, strict=True):
        assert_array_equal(a.get_xydata(), b.get_xydata())


def test_lane_prints_number_and_median() -> None:
    frame = pd.DataFrame({"days_from_onset": [-1, 0, 2, 3, 10, None], "icans_grade": [3, 3, 3, 3, 3, 3]})
    ax = plot_mri_timing(frame)
    assert texts(ax, "lane text") == ["n=5; median 2 (0–3)"]
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert "Not drawn: 1 without a day relative to onset." in style.figure_notes(fig)


def test_zero_line_is_the_onset_even_when_all_scans_are_later() -> None:
    ax = plot_mri_timing(pd.DataFrame({"days_from_onset": [4, 6], "icans_grade": [2, 3]}))
    (onset,) = [line for line in ax.lines if line.get_gid() == "onset"]
    assert_array_equal(onset.get_xdata(), [0, 0])
    assert ax.get_xlim()[0] < 0


def test_no_day_at_all_is_an_error() -> None:
    with pytest.raises(CohortError, match="No MRI has a day"):
        plot_mri_timing(pd.DataFrame({"days_from_onset": [None], "icans_grade": [2]}))


# grades by group


def grades() -> pd.DataFrame:
    rows = [("axi-cel", g, n) for g, n in zip([0, 1, 2, 3, 4, None], [62, 22, 23, 43, 16, 14], strict=True)]
    rows += [("tisa-cel", g, n) for g, n in zip([0, 1, 3, None], [86, 6, 2, 1], strict=True)]
    return pd.DataFrame(rows, columns=["group", "grade", "n"]).astype({"grade": "Int64"})


def test_bars_add_up_to_all_patients_of_the_group() -> None:
    frame = grades()
    ax = plot_grade_bars(frame)
    totals = frame.groupby("group")["n"].sum()
    widths = {
        (round(p.get_y() + p.get_height() / 2), p.get_gid()): p.get_width()
        for p in ax.patches
        if isinstance(p, Rectangle) and p.get_gid()
    }
    assert widths[0, "grade 3"] == pytest.approx(43 / 180, abs=1e-12)
    assert widths[0, "not determinable"] == pytest.approx(14 / 180, abs=1e-12)
    for y in (0, 1):
        assert sum(w for (row, _), w in widths.items() if row == y) == pytest.approx(1, abs=1e-12)
    assert texts(ax, "total") == [f"n={n}" for n in totals]
    assert clean(ax)


def test_grades_have_the_ramp_and_the_unknown_a_hatch() -> None:
    ax = plot_grade_bars(grades())
    faces = {p.get_gid(): to_hex(p.get_facecolor()).upper() for p in ax.patches if p.get_gid()}
    assert [faces[f"grade {g}"] for g in range(5)] == list(palette.GRADE_RAMP[:5])
    (first, _) = boxes(ax, "not determinable")
    assert first.get_hatch() == style.MISSING_HATCH
    assert faces["not determinable"] == "#FFFFFF"


def test_text_and_half_point_grades_count() -> None:
    frame = pd.DataFrame({"group": "BWH", "grade": ["0", "2.5", "not determinable"], "n": [10, 6, 4]})
    ax = plot_grade_bars(frame)
    widths = {p.get_gid(): p.get_width() for p in ax.patches if p.get_gid()}
    assert {k: round(w, 12) for k, w in widths.items()} == {
        "grade 0": 0.5,
        "grade 2.5": 0.3,
        "not determinable": 0.2,
    }


@pytest.mark.parametrize("width", [85.0, 174.0])
def test_long_group_names_fit(width: float) -> None:
    frame = pd.concat([grades().assign(group=name, n=lambda f: f["n"] + 123456) for name in LONG_NAMES])
    assert clean(plot_grade_bars(frame, width_mm=width))


def test_impossible_grades_and_empty_groups_are_refused() -> None:
    with pytest.raises(CohortError, match="outside 0 to 5"):
        plot_grade_bars(pd.DataFrame({"group": ["a"], "grade": [7], "n": [3]}))
    with pytest.raises(CohortError, match="1 of 2 groups"):
        plot_grade_bars(pd.DataFrame({"group": ["a", "b"], "grade": [1, 1], "n": [3, 0]}))


# status matrix


def statuses() -> pd.DataFrame:
    rows = [
        ("ice_score", "sim_cibmtr", "impossible", 0, 100),
        ("ice_score", "sim_redcap", "complete", 93, 100),
        ("mri_day", "sim_cibmtr", "partial", 40, 100),
        ("mri_day", "sim_redcap", "undetermined", 10, 100),
    ]
    return pd.DataFrame(rows, columns=["variable", "source", "status", "n_ok", "n"])


def test_cells_follow_the_status() -> None:
    ax = plot_status_matrix(statuses())
    hatches = [cell.get_hatch() for cell in boxes(ax, "cell")]
    assert hatches == [style.MISSING_HATCH, None, None, None]
    words = [t.get_text() for t in ax.texts]
    assert [w for w in words if w.endswith("%")] == ["93%", "40%", "10%"]
    assert clean(ax)


def test_many_long_names_fit() -> None:
    frame = pd.concat(
        [statuses().assign(variable=lambda f, i=i: f["variable"] + LONG_NAMES[i][:31]) for i in range(8)]
    )
    assert clean(plot_status_matrix(frame.assign(source=frame["source"] + "_of_a_long_name")))


def test_repeated_pairs_are_refused() -> None:
    with pytest.raises(CohortError, match="2 rows"):
        plot_status_matrix(pd.concat([statuses(), statuses().iloc[:1]]))
    with pytest.raises(CohortError, match="2 rows"):
        plot_finding_by_grade(pd.concat([findings(), findings().iloc[:1]]))


def test_unknown_status_is_named() -> None:
    with pytest.raises(CohortError, match="finished"):
        plot_status_matrix(statuses().assign(status="finished"))


def test_marks_of_neighboring_days_do_not_touch_on_a_long_axis() -> None:
    rng = np.random.default_rng(8)
    days = np.concatenate([rng.integers(-50, 0, 30), rng.integers(0, 8, 60)])
    ax = plot_mri_timing(pd.DataFrame({"days_from_onset": days, "icans_grade": 3}))
    (marks,) = [line for line in ax.lines if line.get_gid() == "marks" and len(line.get_xdata())]
    pixels = ax.transData.transform(np.column_stack([marks.get_xdata(), marks.get_ydata()]))
    distance = np.hypot(*np.moveaxis(pixels[:, None] - pixels[None], -1, 0))
    size = marks.get_markersize() / 72 * ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    assert distance[~np.eye(len(pixels), dtype=bool)].min() >= size


def test_scans_outside_the_window_are_counted_not_drawn() -> None:
    frame = pd.DataFrame({"days_from_onset": [-40, -7, 0, 3, 30, 31, None], "icans_grade": 3})
    ax = plot_mri_timing(frame, window=(-7, 30))
    (marks,) = [line for line in ax.lines if line.get_gid() == "marks" and len(line.get_xdata())]
    assert_array_equal(marks.get_xdata(), [-7, 0, 3, 30])
    fig = ax.get_figure(root=True)
    assert fig is not None
    notes = style.figure_notes(fig)
    assert "Not drawn: 2 outside days −7 to 30 from onset." in notes
    assert "Not drawn: 1 without a day relative to onset." in notes
