"""two_by_two: both ways to give a table, guards, zero cells, and what it returns; numbers in tests/estimators."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EstimationError, IncorporationError
from cohort.models.two_by_two import two_by_two

ROWS = {
    "risk_ratio": ["wald", "score"],
    "odds_ratio": ["wald", "score", "exact", "mid_p"],
    "risk_difference": ["wald", "score", "newcombe"],
    "test": ["fisher", "boschloo", "barnard"],
}


def frame(cells=(10, 10, 2, 15)):
    a, b, c, d = cells
    finding = np.repeat(["present", "absent"], [a + b, c + d])
    severe = np.repeat(["yes", "no", "yes", "no"], [a, b, c, d])
    extra = pd.DataFrame({"finding": ["not_imaged"] * 6 + ["present"], "severe": ["no"] * 6 + [None]})
    return pd.concat([pd.DataFrame({"finding": finding, "severe": severe}), extra], ignore_index=True)


def test_rows_and_scales():
    tidy = two_by_two(10, 10, 2, 15).tidy()
    assert tidy.groupby("term", sort=False)["method"].agg(list).to_dict() == ROWS
    by = tidy.set_index(["term", "method"])
    # natural scale: 0.5 / (2/17), 10*15 / (10*2), 0.5 - 2/17
    np.testing.assert_allclose(by.loc[("risk_ratio", "wald"), "estimate"], 4.25)
    np.testing.assert_allclose(by.loc[("odds_ratio", "score"), "estimate"], 7.5)
    np.testing.assert_allclose(by.loc[("risk_difference", "newcombe"), "estimate"], 0.5 - 2 / 17)
    assert by.loc[("test", "fisher"), "p_value"] > 0
    assert (tidy["reason"] == "").all()


def test_columns_and_counts_agree():
    counts, columns = two_by_two(10, 10, 2, 15), two_by_two("finding", "severe", data=frame())
    named = two_by_two(exposure="finding", outcome="severe", data=frame())
    pd.testing.assert_frame_equal(counts.tidy(), columns.tidy())
    pd.testing.assert_frame_equal(counts.tidy(), named.tidy())
    assert columns.left_out == (("finding", "not_imaged", 6), ("severe", "missing", 1))
    assert "left out: 7 (finding not_imaged 6, severe missing 1)" in repr(columns)


def test_a_category_of_two_levels_says_which_is_exposed():
    data = frame().assign(product=lambda f: np.where(f["finding"] == "present", "tisa", "axi"))
    fit = two_by_two("product", "severe", data=data)
    assert "product: tisa against axi" in repr(fit)
    assert fit.counts.a == 10


def test_row_order_does_not_matter():
    data = frame()
    shuffled = data.sample(frac=1, random_state=np.random.default_rng(1))
    pd.testing.assert_frame_equal(
        two_by_two("finding", "severe", data=data).tidy(),
        two_by_two("finding", "severe", data=shuffled).tidy(),
    )


def test_zero_cells_are_said():
    fit = two_by_two(0, 10, 5, 10)
    by = fit.tidy().set_index(["term", "method"])
    assert by.loc[("risk_ratio", "wald"), "estimate"] == 0
    assert np.isnan(by.loc[("risk_ratio", "wald"), "conf_high"])
    assert "no Wald limits" in by.loc[("odds_ratio", "wald"), "reason"]
    assert by.loc[("odds_ratio", "exact"), "conf_low"] == 0
    assert "a group has no events" in repr(fit)


@pytest.mark.parametrize("cells", [(0, 10, 0, 12), (10, 0, 12, 0), (0, 0, 3, 9), (4, 9, 0, 0), (0, 0, 0, 0)])
def test_empty_margins_never_fail(cells):
    fit = two_by_two(*cells)
    tidy = fit.tidy()
    missing = tidy["estimate"].isna() & (tidy["term"] != "test")
    assert (tidy.loc[missing, "reason"] != "").all()
    assert len(repr(fit).splitlines()) <= 15


def test_many_tables_say_why():
    tests = two_by_two(600, 700, 500, 800).tidy().set_index("method")
    assert tests.loc["fisher", "p_value"] < 0.001
    assert tests.loc["barnard", "reason"] == "more than a million possible tables"


def test_incorporation_is_refused_and_can_be_acknowledged():
    facts = {
        "finding": ColumnFacts("at_exam", 30.0, part_of=("icans_grade",)),
        "severe": ColumnFacts("daily", 30.0, measures=("icans_grade",)),
    }
    data = declare_facts(frame(), facts)
    with pytest.raises(IncorporationError):
        two_by_two("finding", "severe", data=data)
    fit = two_by_two("finding", "severe", data=data, acknowledge="incorporation")
    assert fit.glance()["acknowledged"].item() == "incorporation"
    assert "acknowledged" in repr(fit)


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: two_by_two(1, 2, 3), "four counts"),
        (lambda: two_by_two(-1, 2, 3, 4), "zero or more"),
        (lambda: two_by_two(0.5, 2, 3, 4), "whole number"),
        (lambda: two_by_two(1, 2, 3, float("nan")), "whole number"),
        (lambda: two_by_two(1, 2, 3, float("inf")), "whole number"),
        (lambda: two_by_two("finding", "severe"), "pass data="),
        (
            lambda: two_by_two("finding", "severe", data=pd.concat([frame(), frame()[["severe"]]], axis=1)),
            "severe twice",
        ),
        (lambda: two_by_two("findng", "severe", data=frame()), "unknown column findng"),
        (lambda: two_by_two("age", "severe", data=frame().assign(age=np.arange(44.0))), "44 distinct values"),
        (lambda: two_by_two(1, 2, 3, 4, conf_level=0), "between 0 and 1"),
        (lambda: two_by_two(1, 2, 3, 4).text("hazard_ratio"), "risk_ratio"),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()


def test_result_holds_to_the_convention():
    fit = two_by_two(10, 10, 2, 15)
    assert len(repr(fit).splitlines()) <= 15
    assert "risk ratio" in fit._repr_html_()
    with pytest.raises(FrozenInstanceError):
        fit.exposure = "other"
    assert fit.glance()["n"].item() == 37
    assert fit.text().startswith("risk ratio 4.25 (95% CI 1.27–16.3; Fisher P=0.02")
    wide, narrow = fit.tidy(conf_level=0.99), fit.tidy()
    inside = narrow["conf_low"].notna()
    assert (wide.loc[inside, "conf_low"] < narrow.loc[inside, "conf_low"]).all()


def test_plot_draws_the_ratios():
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "Agg"}):
        axes = two_by_two(10, 10, 2, 15).plot()
    assert axes.get_xscale() == "log"
    plt.close(axes.figure)


@pytest.mark.parametrize(("cells", "n_arrows"), [((2, 17, 0, 19), 4), ((0, 10, 5, 10), 4)])
def test_ratios_of_zero_and_infinity_are_drawn_as_arrows(cells, n_arrows):
    import matplotlib.pyplot as plt

    axes = two_by_two(*cells).plot()
    assert sum(line.get_gid() == "arrow" for line in axes.lines) == n_arrows
    assert not any(line.get_gid() == "estimate" for line in axes.lines)
    plt.close(axes.figure)


def test_a_patient_with_several_rows_is_refused():
    data = frame().assign(patient_id=lambda f: np.arange(len(f)))
    assert two_by_two("finding", "severe", data=data).counts.n == 37
    twice = pd.concat([data, data.iloc[:3]])
    with pytest.raises(
        EstimationError, match="several rows, and a two-by-two table counts each row"
    ) as caught:
        two_by_two("finding", "severe", data=twice)
    assert "3 of 47 rows repeat patient_id" in str(caught.value)
    # two infusions of one patient, or one number in two sources, are different keys
    keyed = twice.assign(infusion_number=np.repeat([1, 2], [len(data), 3]))
    assert two_by_two("finding", "severe", data=keyed).counts.n == 40
    # without an identifier nothing can be said of repeats
    unnamed = twice.assign(patient_id=pd.Series([None] * len(twice), dtype="string", index=twice.index))
    assert two_by_two("finding", "severe", data=unnamed).counts.n == 40
