"""Cumulative incidence: rises from zero, says where the axis ends, Gray's P goes with the outcome's name."""

import pandas as pd
import pytest
from matplotlib.axes import Axes
from numpy.testing import assert_array_equal
from plot_frames import LONG_NAMES, counts_at, curve, follow_up

from cohort import style
from cohort.errors import CohortError
from cohort.plots.incidence import plot_incidence

CAUSES = ("relapse", "nrm")
PATIENTS = follow_up(["axi-cel", "tisa-cel"], causes=CAUSES)
CURVE = curve(PATIENTS, CAUSES, survival=False)
TIMES = [0.0, 180.0, 360.0, 540.0, 720.0]
TABLE = counts_at(PATIENTS, TIMES, CAUSES)


def texts(ax: Axes, gid: str) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_gid() == gid]


def test_each_curve_is_its_rows_from_zero() -> None:
    ax = plot_incidence(CURVE, times=TIMES, stop_below=0)
    drawn = {line.get_label(): line for line in ax.lines if line.get_gid() == "curve"}
    assert list(drawn) == ["relapse, axi-cel", "relapse, tisa-cel", "NRM, axi-cel", "NRM, tisa-cel"]
    rows = CURVE[(CURVE["strata"] == "tisa-cel") & (CURVE["outcome"] == "nrm") & (CURVE["time"] <= 720)]
    n = len(rows) + 1
    assert_array_equal(drawn["NRM, tisa-cel"].get_xdata()[:n], [0.0, *rows["time"]])
    assert_array_equal(drawn["NRM, tisa-cel"].get_ydata()[:n], [0.0, *rows["estimate"]])


def test_color_is_the_group_and_line_style_the_outcome() -> None:
    ax = plot_incidence(CURVE, times=TIMES)
    looks = [(line.get_color(), line.get_linestyle()) for line in ax.lines if line.get_gid() == "curve"]
    assert looks[0][0] == looks[2][0] != looks[1][0] == looks[3][0]
    assert looks[0][1] == looks[1][1] != looks[2][1] == looks[3][1]


def test_cut_axis_says_so_and_holds_every_limit() -> None:
    ax = plot_incidence(CURVE, outcomes=["nrm"], times=TIMES)
    shown = CURVE[(CURVE["outcome"] == "nrm") & (CURVE["time"] <= 720)]
    top = ax.spines["left"].get_bounds()[1]
    assert top >= shown["conf_high"].max()
    words = [t.get_text() for t in ax.texts]
    fig = ax.get_figure(root=True)
    assert fig is not None
    if top < 1:
        assert f"Axis ends at {100 * top:g}%" in words
        assert f"The vertical axis ends at {100 * top:g}%." in style.figure_notes(fig)
    assert ax.get_yticks()[0] == 0


def test_given_top_is_kept() -> None:
    ax = plot_incidence(CURVE, outcomes=["nrm"], times=TIMES, top=0.6, conf_band=False)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "20", "40", "60"]


def test_gray_p_goes_by_name_not_by_row() -> None:
    gray = pd.DataFrame({"outcome": ["nrm", "relapse"], "p_value": [0.43, 0.0003]})
    names = {"nrm": "Non-relapse mortality", "relapse": "Relapse"}
    ax = plot_incidence(CURVE, gray=gray, labels=names, times=TIMES)
    assert texts(ax, "annotation") == ["Gray P<0.001 (Relapse)", "Gray P=0.43 (Non-relapse mortality)"]
    ax = plot_incidence(CURVE, gray=gray, labels=names, times=TIMES, outcomes=["nrm"])
    assert texts(ax, "annotation") == ["Gray P=0.43 (Non-relapse mortality)"]


def test_at_risk_does_not_repeat_by_outcome() -> None:
    ax = plot_incidence(CURVE, risk_table=TABLE)
    expected = TABLE[(TABLE["outcome"] == "relapse")]
    last = PATIENTS.groupby("strata")["time"].max()
    expected = expected[expected["time"] <= expected["strata"].map(last)]
    assert texts(ax, "risk count") == expected["n_risk"].astype(str).tolist()


def test_kmunicate_counts_the_events_of_each_outcome() -> None:
    one = "axi-cel"
    table = TABLE[TABLE["strata"] == one].drop(columns="strata")
    rows = CURVE[CURVE["strata"] == one].drop(columns="strata")
    ax = plot_incidence(rows, risk_table=table, risk_style="kmunicate", labels={"nrm": "NRM"})
    assert texts(ax, "risk label") == ["At risk", "Censored", "relapse", "NRM"]
    part = table[table["time"] <= PATIENTS.loc[PATIENTS["strata"] == one, "time"].max()]
    relapse, nrm = (part[part["outcome"] == name] for name in CAUSES)
    expected = [*relapse["n_risk"], *relapse["n_censor"], *relapse["n_event"], *nrm["n_event"]]
    assert texts(ax, "risk count") == [str(n) for n in expected]


@pytest.mark.parametrize("width", [115.0, 174.0])
def test_long_names_fit(width: float) -> None:
    patients = follow_up(LONG_NAMES[:4], n=50, causes=CAUSES)
    table = counts_at(patients, TIMES, CAUSES)
    table["n_risk"] += 123456
    ax = plot_incidence(
        curve(patients, CAUSES, survival=False), risk_table=table, outcomes=["nrm"], width_mm=width
    )
    assert style.check_layout(ax.figure) == []  # type: ignore[arg-type]


def test_eight_curves_of_two_outcomes_fit() -> None:
    patients = follow_up(["axi-cel", "tisa-cel", "liso-cel", "brexu-cel"], n=50, causes=CAUSES)
    ax = plot_incidence(
        curve(patients, CAUSES, survival=False), risk_table=counts_at(patients, TIMES, CAUSES)
    )
    assert style.check_layout(ax.figure) == []  # type: ignore[arg-type]


def test_unknown_outcome_is_named() -> None:
    with pytest.raises(CohortError, match="outcome 'death'"):
        plot_incidence(CURVE, outcomes=["death"])


def test_the_tail_of_a_few_patients_is_not_drawn() -> None:
    ax = plot_incidence(CURVE, outcomes=["relapse"], times=TIMES)
    for line, group in zip(
        (a for a in ax.lines if a.get_gid() == "curve"), ["axi-cel", "tisa-cel"], strict=True
    ):
        rows = CURVE[(CURVE["strata"] == group) & (CURVE["outcome"] == "relapse")]
        assert line.get_xdata()[-1] == min(720, rows.loc[rows["n_risk"] < 4, "time"].min())  # 5% of 80
