"""Survival curves: what is drawn is the frame, the risk table stands under its ticks, extreme labels fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.testing import assert_array_equal
from plot_frames import LONG_NAMES, counts_at, curve, follow_up

from cohort import style
from cohort.errors import CohortError
from cohort.plots.survival import plot_survival

PATIENTS = follow_up(["axi-cel", "tisa-cel", "liso-cel"])
CURVE = curve(PATIENTS)
TIMES = [0.0, 180.0, 360.0, 540.0, 720.0]


def texts(ax: Axes, gid: str) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_gid() == gid]


def lines(ax: Axes, gid: str) -> list[Any]:
    return [line for line in ax.lines if line.get_gid() == gid]


def problems(ax: Axes) -> list[str]:
    return style.check_layout(ax.get_figure(root=True))


def test_drawn_steps_are_the_frame_with_an_origin() -> None:
    ax = plot_survival(CURVE, times=TIMES, stop_below=0)
    drawn = lines(ax, "curve")
    assert [line.get_label() for line in drawn] == ["axi-cel", "tisa-cel", "liso-cel"]
    for line, group in zip(drawn, PATIENTS["strata"].unique(), strict=True):
        rows = CURVE[(CURVE["strata"] == group) & (CURVE["time"] <= 720)]
        beyond = [720.0] * bool((CURVE.loc[CURVE["strata"] == group, "time"] > 720).any())
        assert_array_equal(line.get_xdata(), [0.0, *rows["time"], *beyond])
        assert_array_equal(
            line.get_ydata(), [1.0, *rows["estimate"], *rows["estimate"].iloc[-1:].repeat(len(beyond))]
        )
        assert line.get_drawstyle() == "steps-post"


def test_curves_stop_where_a_tenth_is_at_risk() -> None:
    ax = plot_survival(CURVE, times=TIMES)
    for line, group in zip(lines(ax, "curve"), PATIENTS["strata"].unique(), strict=True):
        rows = CURVE[CURVE["strata"] == group]
        first_with_few = rows.loc[rows["n_risk"] < 8, "time"].min()  # 80 patients per group
        assert line.get_xdata()[-1] == min(first_with_few, 720)
    assert "Curves stop where fewer than 10% of a group remain at risk." in style.figure_notes(
        ax.get_figure(root=True)
    )


def test_stop_below_a_number_of_patients() -> None:
    ax = plot_survival(CURVE, times=TIMES, stop_below=30)
    ends = [line.get_xdata()[-1] for line in lines(ax, "curve")]
    assert ends == [
        CURVE.loc[(CURVE["strata"] == g) & (CURVE["n_risk"] < 30), "time"].min()
        for g in PATIENTS["strata"].unique()
    ]


def test_censor_marks_are_the_censored_rows_drawn() -> None:
    ax = plot_survival(CURVE, times=TIMES)
    for marks, group in zip(lines(ax, "censor marks"), PATIENTS["strata"].unique(), strict=True):
        rows = CURVE[
            (CURVE["strata"] == group)
            & (CURVE["n_censor"] > 0)
            & (CURVE["n_risk"] >= 8)
            & (CURVE["time"] <= 720)
        ]
        assert_array_equal(marks.get_xdata(), rows["time"])
        assert_array_equal(marks.get_ydata(), rows["estimate"])


def test_rising_is_one_minus() -> None:
    ax = plot_survival(CURVE, times=TIMES, rising=True, stop_below=0)
    rows = CURVE[(CURVE["strata"] == "axi-cel") & (CURVE["time"] <= 720)]
    assert_array_equal(lines(ax, "curve")[0].get_ydata()[: len(rows) + 1], [0.0, *(1 - rows["estimate"])])
    assert ax.get_ylabel() == "Event probability (%)"


def test_band_reaches_from_low_to_high() -> None:
    one = CURVE[CURVE["strata"] == "axi-cel"]
    ax = plot_survival(one, times=TIMES, stop_below=0)
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    shown = one[one["time"] <= 720]
    assert corners[:, 1].min() == shown["conf_low"].min()
    assert float(band.get_alpha() or 1) <= 0.2


@pytest.mark.parametrize("risk_style", ["at_risk", "at_risk_censored", "at_risk_events", "kmunicate"])
def test_risk_table_counts_are_the_frame(risk_style: Any) -> None:
    table = counts_at(PATIENTS, TIMES)
    ax = plot_survival(CURVE, risk_table=table, risk_style=risk_style)
    rows = [table[table["strata"] == g] for g in PATIENTS["strata"].unique()]
    last = PATIENTS.groupby("strata")["time"].max()
    expected = []
    for part in rows:
        part = part[part["time"] <= last[part["strata"].iloc[0]]]
        n, d, c = (part[x].astype(str).tolist() for x in ("n_risk", "n_event", "n_censor"))
        expected += {
            "at_risk": n,
            "at_risk_censored": [f"{a} ({b})" for a, b in zip(n, c, strict=True)],
            "at_risk_events": [f"{a} ({b})" for a, b in zip(n, d, strict=True)],
            "kmunicate": [*n, *c, *d],
        }[risk_style]
    assert texts(ax, "risk count") == expected


def test_counts_stand_under_their_ticks() -> None:
    ax = plot_survival(CURVE, risk_table=counts_at(PATIENTS, TIMES))
    fig = ax.get_figure(root=True)
    assert fig is not None
    renderer = style.text_renderer(fig)
    ticks = ax.transData.transform(np.column_stack([TIMES, np.zeros(5)]))[:, 0]
    for text in (t for t in ax.texts if t.get_gid() == "risk count"):
        box = text.get_window_extent(renderer)
        assert np.abs(ticks - (box.x0 + box.x1) / 2).min() < 1.0  # a pixel


def test_names_have_the_color_and_style_of_their_curve() -> None:
    ax = plot_survival(CURVE, risk_table=counts_at(PATIENTS, TIMES))
    keys = lines(ax, "risk key")
    assert [k.get_color() for k in keys] == [c.get_color() for c in lines(ax, "curve")]
    assert [k.get_linestyle() for k in keys] == [c.get_linestyle() for c in lines(ax, "curve")]
    assert len({str(c.get_linestyle()) + str(c._dash_pattern) for c in lines(ax, "curve")}) == 3
    assert texts(ax, "risk name") == ["axi-cel", "tisa-cel", "liso-cel"]


def test_no_counts_beyond_the_last_follow_up() -> None:
    table = counts_at(PATIENTS, [0.0, 400.0, 800.0, 1200.0])
    ax = plot_survival(CURVE, risk_table=table)
    assert len(texts(ax, "risk count")) == int(
        (PATIENTS.groupby("strata")["time"].max().to_numpy()[:, None] >= [0, 400, 800, 1200]).sum()
    )


def test_hidden_counts_print_a_dash() -> None:
    table = counts_at(PATIENTS, TIMES).astype({"n_risk": "Int64"})
    table.loc[table["n_risk"] < 20, "n_risk"] = pd.NA
    ax = plot_survival(CURVE, risk_table=table)
    assert texts(ax, "risk count").count("–") == int(
        (table["n_risk"].isna() & (table["time"] <= PATIENTS["time"].max())).sum()
    )


def test_months_are_printed_while_the_data_stay_in_days() -> None:
    ax = plot_survival(CURVE, display_unit="months", stop_below=0)
    labels = [t.get_text() for t in ax.get_xticklabels()]
    assert labels == ["0", "6", "12", "18", "24"]
    np.testing.assert_allclose(ax.get_xticks(), np.arange(0, 25, 6) * 30.4375, rtol=1e-15)
    assert lines(ax, "curve")[0].get_xdata()[1] == CURVE["time"].iloc[0]


def test_annotation_says_test_and_medians_in_the_printed_unit() -> None:
    median = pd.DataFrame(
        {
            "strata": ["axi-cel", "tisa-cel"],
            "estimate": [304.375, np.nan],
            "conf_low": [243.5, 365.25],
            "conf_high": [np.nan, np.nan],
        }
    )
    ax = plot_survival(
        CURVE, times=TIMES, display_unit="months", logrank_p=0.0049, median=median, annotation="n=240"
    )
    assert texts(ax, "annotation") == [
        "Log-rank P=0.005",
        "n=240",
        "Median, months (95% CI)",
        "axi-cel 10.0 (8.0–NR)",
        "tisa-cel NR (12.0–NR)",
    ]


def test_size_is_exact_and_layout_clean() -> None:
    ax = plot_survival(CURVE, risk_table=counts_at(PATIENTS, TIMES), width_mm=85, height_mm=80)
    fig = ax.get_figure(root=True)
    assert fig is not None
    np.testing.assert_allclose(fig.get_size_inches() * 25.4, [85, 80], rtol=1e-12)
    assert problems(ax) == []
    assert min(t.get_fontsize() for t in ax.texts) >= 6


@pytest.mark.parametrize(("risk_style", "width"), [("at_risk_events", 85.0), ("kmunicate", 174.0)])
def test_extreme_labels_fit(risk_style: Any, width: float) -> None:
    patients = follow_up(LONG_NAMES, n=40)
    table = counts_at(patients, TIMES)
    table[["n_risk", "n_event", "n_censor"]] += 123456
    ax = plot_survival(curve(patients), risk_table=table, risk_style=risk_style, width_mm=width)
    assert problems(ax) == []
    assert set(texts(ax, "risk name")) == set(LONG_NAMES)


def test_long_direct_labels_fit_without_a_table() -> None:
    ax = plot_survival(curve(follow_up(LONG_NAMES, n=40)))
    assert problems(ax) == []


def test_right_to_left_and_greek_names_fit() -> None:
    patients = follow_up(["נוירוטוקסיות", "β-amyloid ≥ 3"])
    ax = plot_survival(curve(patients), risk_table=counts_at(patients, TIMES))
    assert problems(ax) == []


def test_two_panels_share_a_figure() -> None:
    fig, panels = plt.subplots(1, 2, figsize=(174 / 25.4, 80 / 25.4))
    for ax in panels:
        given = plot_survival(CURVE, risk_table=counts_at(PATIENTS, TIMES), ax=ax)
        assert given is ax
    assert style.check_layout(fig) == []
    assert len(plt.get_fignums()) == 1


def test_a_single_group_needs_no_name() -> None:
    one, table = (
        f[f["strata"] == "axi-cel"].drop(columns="strata") for f in (CURVE, counts_at(PATIENTS, TIMES))
    )
    ax = plot_survival(one, risk_table=table)
    assert texts(ax, "risk label") == ["Number at risk"]
    assert texts(ax, "risk name") == []
    assert problems(ax) == []


def test_same_frame_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        ax = plot_survival(CURVE, risk_table=counts_at(PATIENTS, TIMES), logrank_p=0.03)
        fig = ax.get_figure(root=True)
        assert fig is not None
        style.save_figure(fig, tmp_path / name / "km", formats=("pdf", "svg"), close=True)
    for extension in ("pdf", "svg"):
        assert (tmp_path / "a" / f"km.{extension}").read_bytes() == (
            tmp_path / "b" / f"km.{extension}"
        ).read_bytes()


def test_state_of_matplotlib_is_left_alone() -> None:
    before = dict(plt.rcParams)
    plot_survival(CURVE)
    assert dict(plt.rcParams) == before


def test_missing_column_is_named() -> None:
    with pytest.raises(CohortError, match="missing: estimate"):
        plot_survival(CURVE.drop(columns="estimate"))


def test_labels_that_leave_no_room_are_refused() -> None:
    with pytest.raises(CohortError, match="larger width_mm="):
        plot_survival(curve(follow_up(LONG_NAMES[:2])), width_mm=40, direct_labels=True)


def test_whole_days_print_no_decimals() -> None:
    median = pd.DataFrame(
        {"strata": ["axi-cel"], "estimate": [275.0], "conf_low": [201.0], "conf_high": [348.0]}
    )
    ax = plot_survival(CURVE, times=TIMES, median=median)
    assert texts(ax, "annotation")[-1] == "axi-cel 275 (201–348)"


def test_ticks_beyond_all_curves_are_left_out() -> None:
    times = [0.0, 180.0, 360.0, 540.0, 720.0, 900.0, 1080.0]
    ax = plot_survival(CURVE, risk_table=counts_at(PATIENTS, times))
    ends = [line.get_xdata()[-1] for line in lines(ax, "curve")]
    shown = ax.get_xticks()
    assert shown[-1] >= max(ends) > shown[-2]
    assert plot_survival(CURVE, times=times, stop_below=0).get_xticks()[-1] == 1080
