"""mantel_haenszel: both ways to give strata, who is left out, guards and figures; numbers in tests/estimators."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EstimationError, IncorporationError
from cohort.models.mantel_haenszel import mantel_haenszel
from cohort.style import check_layout

TABLES = np.array([[[8, 12], [3, 17]], [[5, 5], [4, 12]], [[0, 4], [2, 9]]])


def frame():
    rows = []
    for center, table in zip("ABC", TABLES, strict=True):
        for finding, cells in zip(("present", "absent"), table, strict=True):
            for severe, n in zip(("yes", "no"), cells, strict=True):
                rows += [(finding, severe, center)] * int(n)
    rows += [("not_imaged", "no", "A")] * 3 + [("present", "yes", None), ("absent", None, "B")]
    return pd.DataFrame(rows, columns=["finding", "severe", "center_id"])


def test_columns_and_tables_agree():
    data = frame()
    before = data.copy()
    fit, counts = mantel_haenszel("finding", "severe", "center_id", data), mantel_haenszel(tables=TABLES)
    np.testing.assert_array_equal(fit.tables, TABLES)
    assert fit.strata == ("A", "B", "C")
    pd.testing.assert_frame_equal(fit.tidy().drop(columns="strata"), counts.tidy().drop(columns="strata"))
    assert fit.left_out == (
        ("finding", "not_imaged", 3),
        ("severe", "missing", 1),
        ("center_id", "missing", 1),
    )
    assert "left out: 5" in repr(fit)
    pd.testing.assert_frame_equal(data, before)


def test_row_order_does_not_matter():
    data = frame()
    shuffled = data.sample(frac=1, random_state=np.random.default_rng(1))
    pd.testing.assert_frame_equal(
        mantel_haenszel("finding", "severe", "center_id", data).tidy(),
        mantel_haenszel("finding", "severe", "center_id", shuffled).tidy(),
    )


def test_rows():
    tidy = mantel_haenszel("finding", "severe", "center_id", frame()).tidy()
    pooled = tidy[tidy["strata"] == ""]
    assert pooled.groupby("term", sort=False)["method"].agg(list).to_dict() == {
        "odds_ratio": ["mantel_haenszel", "exact", "mid_p"],
        "risk_ratio": ["mantel_haenszel"],
        "risk_difference": ["sato", "greenland_robins"],
        "test": ["cmh", "cmh_corrected", "exact", "breslow_day", "breslow_day_tarone"],
    }
    each = tidy[tidy["strata"] != ""]
    assert each.groupby("strata")["term"].agg(list).map(len).to_dict() == {"A": 3, "B": 3, "C": 3}
    assert each.loc[each["strata"] == "A", "n"].eq(40).all()


def test_several_columns_of_strata_are_crossed():
    data = frame().assign(product=lambda f: np.where(np.arange(len(f)) % 2, "axi-cel", "tisa-cel"))
    fit = mantel_haenszel("finding", "severe", ["center_id", "product"], data)
    assert fit.by == "center_id x product"
    assert fit.strata[0] == "A, axi-cel"
    assert len(fit.strata) == 6
    assert fit.tables.sum() == TABLES.sum()


def test_a_confounder_is_taken_out():
    # within centers no association; the crude odds ratio is 5.06
    tables = [[[40, 10], [8, 2]], [[2, 8], [10, 40]]]
    fit = mantel_haenszel(tables=tables)
    np.testing.assert_allclose(fit.tidy()["estimate"][0], 1, rtol=1e-12)
    assert fit.tables.sum(axis=0).tolist() == [[42, 18], [18, 42]]


def test_strata_without_information_are_said():
    fit = mantel_haenszel(tables=[*TABLES.tolist(), [[0, 3], [0, 5]], [[2, 3], [0, 0]]])
    assert "2 of 5 strata without information on the odds ratio (a margin is zero), 1 of them on any" in repr(
        fit
    )
    one = mantel_haenszel(tables=[[[0, 3], [0, 5]]])
    assert "over 1 stratum" in repr(one)
    assert len(repr(one).splitlines()) <= 15


def test_incorporation_is_refused_and_can_be_acknowledged():
    facts = {
        "finding": ColumnFacts("at_exam", 30.0, part_of=("icans_grade",)),
        "severe": ColumnFacts("daily", 30.0, measures=("icans_grade",)),
    }
    data = declare_facts(frame(), facts)
    with pytest.raises(IncorporationError):
        mantel_haenszel("finding", "severe", "center_id", data)
    fit = mantel_haenszel("finding", "severe", "center_id", data, acknowledge="incorporation")
    assert fit.glance()["acknowledged"].item() == "incorporation"


def test_a_patient_with_several_rows_is_refused_unless_patients_are_the_strata():
    data = frame().assign(patient_id=lambda f: np.arange(len(f)) // 3)
    with pytest.raises(EstimationError, match="several rows, and mantel_haenszel counts each row"):
        mantel_haenszel("finding", "severe", "center_id", data)
    within = mantel_haenszel("finding", "severe", "patient_id", data)
    assert within.tables.sum() == TABLES.sum() + 1
    once = data.assign(patient_id=np.arange(len(data)))
    assert mantel_haenszel("finding", "severe", "center_id", once).tables.sum() == TABLES.sum()


def test_a_center_that_is_not_reported_is_no_stratum():
    data = frame().assign(center_id=lambda f: f["center_id"].fillna("not_reported"))
    fit = mantel_haenszel("finding", "severe", "center_id", data)
    assert fit.strata == ("A", "B", "C")
    assert ("center_id", "not_reported", 1) in fit.left_out


def test_the_figure_takes_labels():
    fit = mantel_haenszel("finding", "severe", "center_id", frame())

    def words(ax):
        return {text.get_text() for text in ax.texts} | {t.get_text() for t in ax.get_yticklabels()}

    assert "center id" in words(fit.plot())
    named = words(
        fit.plot(labels={"center_id": "Center", "A": "First hospital", "Mantel-Haenszel": "Pooled"})
    )
    assert {"Center", "First hospital", "B", "Pooled"} <= named
    plt.close("all")


@pytest.mark.parametrize("term", ["odds_ratio", "risk_ratio"])
def test_forest_plot_shows_strata_and_pooled(term):
    fit = mantel_haenszel("finding", "severe", "center_id", frame())
    ax = fit.plot(term=term)
    tidy = fit.tidy()
    rows = tidy[(tidy["term"] == term) & ((tidy["strata"] != "") | (tidy["method"] == "mantel_haenszel"))]
    drawn = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "estimate"]
    pooled, strata = rows[rows["strata"] == ""]["estimate"], rows[rows["strata"] != ""]["estimate"]
    # the stratum without exposed events (ratio 0) is an arrow
    np.testing.assert_allclose(drawn, [*strata[strata > 0], *pooled], rtol=1e-12)
    assert sum(line.get_gid() == "arrow" for line in ax.lines) >= 1
    assert check_layout(ax.figure) == []
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (
            lambda: mantel_haenszel("finding", "severe", data=frame()),
            "needs an exposure, an outcome and strata",
        ),
        (lambda: mantel_haenszel("finding", "severe", "finding", frame()), "used twice"),
        (lambda: mantel_haenszel("finding", "severe", "centre", frame()), "unknown column centre"),
        (lambda: mantel_haenszel("center_id", "severe", "finding", frame()), "3 distinct values"),
        (
            lambda: mantel_haenszel("finding", "severe", "center_id", frame().iloc[:0]),
            "two values|no patient",
        ),
        (lambda: mantel_haenszel("finding", "severe", "center_id", tables=TABLES), "not both"),
        (lambda: mantel_haenszel(tables=np.zeros((2, 2, 2))), "no patient is left"),
        (lambda: mantel_haenszel(tables=TABLES, conf_level=1.5), "between 0 and 1"),
        (lambda: mantel_haenszel(tables=TABLES).text("hazard_ratio"), "risk_ratio"),
        (lambda: mantel_haenszel(tables=TABLES).plot(term="risk_difference"), "odds_ratio, risk_ratio"),
        (
            lambda: mantel_haenszel("finding", "severe", "age", frame().assign(age=np.arange(len(frame())))),
            "more than 50 categories",
        ),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()
