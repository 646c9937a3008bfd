"""proportion: who is counted, who is not, groups and clusters; the limits are tested in tests/estimators."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

import cohort as co
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EstimationError, IncorporationError
from cohort.estimators.clustered_proportion import clustered_proportion
from cohort.estimators.proportions import proportion_limits
from cohort.plots.proportions import plot_proportions
from cohort.style import check_layout


def frame() -> pd.DataFrame:
    """20 patients: FLAIR 2 present, 12 absent, 4 not imaged, 1 indeterminate, 1 missing; edema 1 of 20."""
    flair = ["present"] * 2 + ["absent"] * 12 + ["not_imaged"] * 4 + ["indeterminate", None]
    return pd.DataFrame(
        {
            "patient_id": np.arange(20),
            "flair_deep": flair,
            "cerebral_edema": ["present"] + ["absent"] * 19,
            "product": ["axi-cel", "tisa-cel"] * 9 + ["not_reported", None],
        }
    )


def test_unknown_is_in_no_denominator():
    data = frame()
    before = data.copy()
    fit = co.proportion("flair_deep", data)
    row = fit.tidy().iloc[0]
    # 2 of the 14 in whom it is known, not of 20
    assert row[["n_event", "n", "n_missing"]].tolist() == [2, 14, 6]
    np.testing.assert_allclose(row["estimate"], 2 / 14, rtol=1e-15)
    np.testing.assert_allclose(row["std_error"], np.sqrt(2 * 12 / 14**3), rtol=1e-15)
    assert "not known: 6 (flair_deep not_imaged 4, flair_deep indeterminate 1, flair_deep missing 1)" in repr(
        fit
    )
    pd.testing.assert_frame_equal(data, before)


def test_every_method_and_the_chosen_one_first():
    fit = co.proportion("flair_deep", frame(), method="exact", conf_level=0.9)
    tidy = fit.tidy()
    assert tidy["method"].tolist() == ["exact", "wilson", "mid_p", "jeffreys"]
    for method, low, high in tidy[["method", "conf_low", "conf_high"]].to_numpy().tolist():
        np.testing.assert_allclose([low, high], proportion_limits(2, 14, method, 0.9), rtol=1e-14)
    assert "Clopper-Pearson" in repr(fit)
    assert "90% CI" in repr(fit)


def test_groups_sum_to_all_and_those_without_a_group_are_counted():
    fit = co.proportion(["flair_deep", "cerebral_edema"], frame(), by="product")
    tidy = fit.tidy()
    tidy = tidy[tidy["method"] == "wilson"]
    assert tidy["strata"].tolist() == ["axi-cel", "tisa-cel"] * 2
    assert fit.left_out == (("product", "missing", 1), ("product", "not_reported", 1))
    assert tidy.loc[tidy["term"] == "flair_deep", ["n_event", "n", "n_missing"]].sum().tolist() == [2, 14, 4]
    assert fit.glance()["n_missing"].item() == 4 + 2


def test_unequal_imaging_is_said():
    data = frame().assign(product=["axi-cel"] * 10 + ["tisa-cel"] * 10)
    assert "flair_deep known in 40 to 100% of a group" in repr(
        co.proportion("flair_deep", data, by="product")
    )


def test_a_group_in_which_nobody_is_known():
    data = frame().assign(product=["axi-cel"] * 14 + ["tisa-cel"] * 6)
    row = co.proportion("flair_deep", data, by="product").tidy().set_index(["strata", "method"])
    row = row.loc[("tisa-cel", "wilson")]
    assert row[["n_event", "n", "n_missing"]].tolist() == [0, 0, 6]
    assert np.isnan(row["estimate"])
    assert row["reason"] == "nobody has a known state"


def test_clusters():
    exams = pd.concat([frame(), frame().iloc[:14], frame().iloc[:1]], ignore_index=True)
    exams.loc[15, "patient_id"] = pd.NA
    fit = co.proportion("flair_deep", exams, cluster="patient_id")
    by_patient = clustered_proportion([3, 2, *[0] * 12], [3, 2, *[2] * 12])
    row = fit.tidy().iloc[0]
    np.testing.assert_allclose(row["std_error"], by_patient.std_error, rtol=1e-14)
    np.testing.assert_allclose(
        row[["conf_low", "conf_high"]].tolist(), by_patient.limits("wilson"), rtol=1e-14
    )
    assert fit.glance()["n_cluster"].item() == 14
    assert fit.left_out == (("patient_id", "missing", 1),)
    assert "design effect" in repr(fit)
    one = co.proportion("flair_deep", exams.assign(center="A"), cluster="center").tidy()
    assert one["conf_low"].isna().all()
    assert one["reason"].str.startswith("one cluster").all()
    none = co.proportion("flair_deep", exams.replace("present", "absent"), cluster="patient_id")
    assert "wholly alike" in repr(none)


def test_incorporation():
    facts = {
        "cerebral_edema": ColumnFacts("at_exam", 30.0, part_of=("icans_grade",)),
        "product": ColumnFacts("daily", 30.0, measures=("icans_grade",)),
    }
    data = declare_facts(frame(), facts)
    with pytest.raises(IncorporationError):
        co.proportion("cerebral_edema", data, by="product")
    fit = co.proportion("cerebral_edema", data, by="product", acknowledge="incorporation")
    assert "acknowledged incorporation" in repr(fit)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["absent", "present", "not_imaged", None]), min_size=1, max_size=30))
def test_counts_add_up(states):
    data = pd.DataFrame({"f": pd.Series([*states, "absent"], dtype=object)})
    row = co.proportion("f", data).tidy().iloc[0]
    assert row["n"] + row["n_missing"] == len(data)
    assert row["n_event"] == states.count("present")


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: co.proportion("flair_deep", frame(), method="wald"), "Wald limits .* are refused"),
        (lambda: co.proportion("flair_deep", frame(), method="blyth"), "wilson, exact, mid_p, jeffreys"),
        (lambda: co.proportion("flair_deep", pd.concat([frame(), frame()])), 'cluster="patient_id"'),
        (lambda: co.proportion("flair", frame()), "unknown column flair"),
        (lambda: co.proportion("flair_deep", frame(), by="flair_deep"), "used twice"),
        (lambda: co.proportion(["flair_deep"] * 2, frame()), "used twice"),
        (lambda: co.proportion([], frame()), "no finding"),
        (lambda: co.proportion("flair_deep", frame().iloc[:0]), "no rows"),
        (lambda: co.proportion("product", frame().assign(product=range(20))), "two values"),
        (lambda: co.proportion("flair_deep", frame(), by="patient_id", conf_level=95), "0.95"),
        (lambda: co.proportion("flair_deep", frame().assign(product="not_reported"), by="product"), "no row"),
        (lambda: co.proportion("flair_deep"), "no data"),
        (lambda: co.proportion(5, 3), "0 <= n_event <= n"),
        (lambda: co.proportion(2), "two counts"),
        (lambda: co.proportion(2.0, 38.0), "two counts"),
        (lambda: co.proportion(True, 38), "two counts"),
        (lambda: co.proportion(2, 38, by="product"), "two counts"),
        (lambda: co.proportion(2, frame()), "two counts"),
        (
            lambda: co.proportion(["flair_deep", "cerebral_edema"], frame()).text("product"),
            "write one of these",
        ),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()


def test_text():
    fit = co.proportion(["flair_deep", "cerebral_edema"], frame(), by="product")
    assert fit.text("flair_deep[tisa-cel]").startswith("1/7 (14%; 95% CI 2.6–51.3%; ")
    assert co.proportion(2, 38).text() == "2/38 (5%; 95% CI 1.5–17.3%)"
    with pytest.raises(EstimationError, match="names several"):
        fit.text("axi-cel")


@pytest.mark.parametrize("findings", ["flair_deep", ["flair_deep", "cerebral_edema"]])
@pytest.mark.parametrize("by", [None, "product"])
def test_the_figure_draws_the_table(findings, by):
    fit = co.proportion(findings, frame(), by=by)
    ax = fit.plot()
    rows = fit.tidy()
    rows = rows[rows["method"] == "wilson"]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "estimate"]
    np.testing.assert_allclose(dots, rows["estimate"], rtol=1e-14)
    ends = [line.get_xdata() for line in ax.lines if line.get_gid() == "interval"]
    np.testing.assert_allclose(ends, rows[["conf_low", "conf_high"]], rtol=1e-14)
    words = [text.get_text() for text in ax.texts]
    for x, n in rows[["n_event", "n"]].to_numpy().tolist():
        assert f"{x}/{n}" in words
    assert "Not known" in words
    assert check_layout(ax.figure) == []
    plt.close(ax.figure)


def test_a_row_without_an_estimate_has_no_dot():
    data = frame().assign(product=["axi-cel"] * 14 + ["tisa-cel"] * 6)
    fit = co.proportion("flair_deep", data, by="product")
    tidy = fit.tidy()
    ax = plot_proportions(tidy[tidy["method"] == "wilson"], labels={"axi-cel": "First product"})
    assert len([line for line in ax.lines if line.get_gid() == "estimate"]) == 1
    assert "0/0" in [text.get_text() for text in ax.texts]
    assert ax.get_yticklabels()[0].get_text() == "First product"
    assert to_hex(ax.lines[-1].get_color()) == "#0072b2"
    plt.close(ax.figure)
