"""trend: how columns become ordered counts, who is left out, guards and figures; numbers in tests/estimators."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EstimationError, IncorporationError, MixedScalesError
from cohort.estimators.proportions import proportion_limits
from cohort.style import check_layout

LEVELS = ["none", "focal", "diffuse", "not_imaged"]
BINARY = ["cochran_armitage", "cochran_armitage_exact", "cochran_armitage_permutation"]
RANKED = ["jonckheere_terpstra", "jonckheere_terpstra_exact", "jonckheere_terpstra_permutation"]
LINEAR = ["linear_by_linear", "linear_by_linear_exact", "linear_by_linear_permutation"]


def frame() -> pd.DataFrame:
    """34 patients: 30 imaged (10 by level; severe 1, 3, 5), 4 not imaged; one grade only between its bounds."""
    flair = ["none"] * 10 + ["focal"] * 10 + ["diffuse"] * 10 + ["not_imaged"] * 4
    severe = [0] * 9 + [1] + [0] * 7 + [1] * 3 + [0] * 5 + [1] * 5 + [0] * 4
    grade = pd.array([2 * s + i % 3 for i, s in enumerate(severe)], dtype="Int64")
    lower, upper = grade.copy(), grade.copy()
    grade[0], lower[0], upper[0] = pd.NA, 0, 3
    grade[1], lower[1], upper[1] = pd.NA, pd.NA, pd.NA
    return pd.DataFrame(
        {
            "patient_id": np.arange(34),
            "flair": pd.Categorical(flair, LEVELS, ordered=True),
            "severe": np.where(np.array(severe) == 1, "yes", "no"),
            "icans_grade": grade,
            "icans_grade_lower": lower,
            "icans_grade_upper": upper,
        }
    )


def test_rows_of_a_yes_no_outcome():
    data = frame()
    before = data.copy()
    fit = co.trend("flair", "severe", data)
    tidy = fit.tidy()
    assert tidy["method"].tolist() == [*BINARY, *RANKED]
    assert tidy["term"].tolist() == ["slope", *["test"] * 5]
    # risks 0.1, 0.3, 0.5 at scores 0, 1, 2
    np.testing.assert_allclose(tidy["estimate"].iloc[0], 0.2, rtol=1e-12)
    # p q S / n with p = 0.3, S = 20: z = 0.2 sqrt(20 / 0.21)
    np.testing.assert_allclose(tidy["statistic"].iloc[0], 0.2 * np.sqrt(20 / 0.21), rtol=1e-12)
    assert tidy["n"].eq(30).all()
    assert tidy["n_event"].eq(9).all()
    assert fit.counts.left_out == (("flair", "not_imaged", 4),)
    assert "none: 1/10 (10%), focal: 3/10 (30%), diffuse: 5/10 (50%)" in repr(fit)
    pd.testing.assert_frame_equal(data, before)


def test_rows_of_a_graded_outcome():
    fit = co.trend("flair", "icans_grade", frame())
    tidy = fit.tidy()
    assert tidy["method"].tolist() == [*LINEAR, *RANKED]
    assert tidy["n_event"].isna().all()
    known = frame().query("flair != 'not_imaged'").dropna(subset="icans_grade")
    x = known["flair"].cat.codes.to_numpy()
    slope = np.polyfit(x, known["icans_grade"].to_numpy(dtype=float), 1)[0]
    np.testing.assert_allclose(tidy["estimate"].iloc[0], slope, rtol=1e-12)
    assert fit.counts.left_out == (
        ("flair", "not_imaged", 4),
        ("icans_grade", "between bounds", 1),
        ("icans_grade", "missing", 1),
    )
    assert "co.ordinal uses the bounds" in repr(fit)


def test_kinds_of_not_known_are_never_a_level():
    data = frame()
    fit = co.trend("flair", "severe", data)
    assert fit.counts.row_labels == ("none", "focal", "diffuse")
    dropped = data[data["flair"] != "not_imaged"]
    pd.testing.assert_frame_equal(fit.tidy(), co.trend("flair", "severe", dropped).tidy())


def test_scores():
    # numeric labels are the scores, declared scores come first, positions otherwise
    data = frame()[:30]
    numbers = data.assign(flair=data["flair"].map({"none": 0, "focal": 1, "diffuse": 5}).astype(int))
    declared = co.trend("flair", "severe", data, scores={"none": 0, "focal": 1, "diffuse": 5})
    expected = co.trend("flair", "severe", numbers).tidy()
    pd.testing.assert_frame_equal(declared.tidy(), expected)
    labels = pd.Categorical(numbers["flair"].astype(str), ["0", "1", "5"], ordered=True)
    pd.testing.assert_frame_equal(co.trend("flair", "severe", numbers.assign(flair=labels)).tidy(), expected)
    assert "scores of flair: none = 0, focal = 1, diffuse = 5" in repr(declared)
    assert declared.counts.row_labels == ("none", "focal", "diffuse")


def test_seed_and_permutations():
    first, again = (co.trend("flair", "severe", frame(), permutations=199, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(first.tidy(), again.tidy())
    p = first.tidy().set_index("method")["p_value"]
    assert p["cochran_armitage_permutation"] * 200 == pytest.approx(
        round(p["cochran_armitage_permutation"] * 200)
    )
    assert "199 random tables, seed 4" in repr(first)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"severe": "no"}, "one level of severe"),
        ({"severe": "yes"}, "one level of severe"),
        ({"flair": 1}, "one level of flair"),
    ],
)
def test_nothing_varies(change, reason):
    fit = co.trend("flair", "severe", frame().assign(**change))
    tidy = fit.tidy()
    assert tidy[["estimate", "statistic", "p_value"]].isna().all(axis=None)
    assert tidy["reason"].str.contains(reason).all()
    assert reason in repr(fit)
    assert "not computed" in fit.text()


def test_too_many_tables_say_so():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"burden": rng.integers(0, 8, 900), "grade": rng.integers(0, 5, 900)})
    tidy = co.trend("burden", "grade", data, permutations=50).tidy().set_index("method")
    assert np.isnan(tidy.loc["jonckheere_terpstra_exact", "p_value"])
    assert "see permutation" in tidy.loc["jonckheere_terpstra_exact", "reason"]
    assert tidy.loc["jonckheere_terpstra_permutation", "p_value"] > 0


def test_guards():
    facts = {
        "flair": ColumnFacts("at_exam", 30.0, part_of=("icans_grade",)),
        "severe": ColumnFacts("daily", 30.0, measures=("icans_grade",)),
    }
    data = declare_facts(frame(), facts)
    with pytest.raises(IncorporationError):
        co.trend("flair", "severe", data)
    fit = co.trend("flair", "severe", data, acknowledge="incorporation")
    assert "acknowledged incorporation" in repr(fit)
    mixed = frame().assign(reported_icans_grade=1, grading_system=["ASTCT", "CTCAE"] * 17)
    with pytest.raises(MixedScalesError):
        co.trend("flair", "reported_icans_grade", mixed)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(30)))
def test_row_order_does_not_matter(order):
    data = frame()[:30]
    pd.testing.assert_frame_equal(
        co.trend("flair", "severe", data, permutations=20).tidy(),
        co.trend("flair", "severe", data.iloc[list(order)], permutations=20).tidy(),
    )


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda d: co.trend("flair", "flair", d), "used twice"),
        (lambda d: co.trend("flare", "severe", d), "unknown column flare"),
        (lambda d: co.trend("flair", "severe", pd.concat([d, d])), "several rows, and a test of trend"),
        (lambda d: co.trend("flair", "severe", d[:0]), "no rows"),
        (lambda d: co.trend("flair", "severe", d[30:]), "no patient is left"),
        (lambda d: co.trend("flair", "severe", d.assign(flair=["a", "b"] * 17)), "ordered=True"),
        (lambda d: co.trend("flair", "severe", d.assign(flair=np.arange(34.0) * 1.5), scores={}), "no score"),
        (lambda d: co.trend("ldh", "severe", d.assign(ldh=np.inf)), "infinite"),
        (lambda d: co.trend("icans_grade", "severe", d.assign(icans_grade=2.5)), "declare the rounding"),
        (lambda d: co.trend("flair", "icans_grade", d.assign(icans_grade=2.5)), "declare the rounding"),
        (lambda d: co.trend("severe", "day", d.assign(day=np.arange(34))), "more than 30 levels"),
        (lambda d: co.trend("flair", "severe", d, permutations=0), "permutations"),
        (lambda d: co.trend("flair", "severe", d, conf_level=2), "between 0 and 1"),
        (lambda d: co.trend("flair", "severe", d).text("kendall"), "write one of these"),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call(frame())


def test_too_many_levels_of_the_score():
    data = pd.DataFrame({"ldh": np.arange(60.0), "severe": [0, 1] * 30})
    with pytest.raises(EstimationError, match="more than 50 levels"):
        co.trend("ldh", "severe", data)


def test_the_figure_draws_the_risks():
    fit = co.trend("flair", "severe", frame())
    ax = fit.plot(labels={"none": "No lesion"})
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "estimate"]
    np.testing.assert_allclose(dots, [0.1, 0.3, 0.5], rtol=1e-14)
    ends = [line.get_xdata() for line in ax.lines if line.get_gid() == "interval"]
    np.testing.assert_allclose(ends, np.transpose(proportion_limits([1, 3, 5], 10)), rtol=1e-14)
    assert ax.get_yticklabels()[0].get_text() == "No lesion"
    assert check_layout(ax.figure) == []
    plt.close(ax.figure)


@pytest.mark.parametrize("words", [False, True])
def test_the_figure_draws_the_grades(words):
    data = frame()
    if words:
        names = ["mild", "moderate", "severe", "worst", "fatal"]
        data["icans_grade"] = pd.Categorical.from_codes(data["icans_grade"].fillna(-1), names, ordered=True)
    fit = co.trend("flair", "icans_grade", data.drop(columns=["icans_grade_lower", "icans_grade_upper"]))
    ax = fit.plot()
    table = fit.counts.table
    drawn = sorted(p.get_width() for p in ax.patches if str(p.get_gid()).startswith("grade"))
    shares = (table / table.sum(axis=1, keepdims=True)).ravel()
    np.testing.assert_allclose(drawn, sorted(shares[shares > 0]), rtol=1e-12)
    assert check_layout(ax.figure) == []
    plt.close(ax.figure)


def test_more_grades_than_a_figure_shows():
    data = pd.DataFrame({"x": [0, 1] * 20, "y": np.arange(40) % 9})
    with pytest.raises(EstimationError, match="join levels"):
        co.trend("x", "y", data).plot()


def test_text():
    fit = co.trend("flair", "severe", frame())
    assert fit.text() == "risk difference per unit 0.20 (95% CI 0.00–0.40; Cochran-Armitage P=0.051)"
    assert fit.text("jonckheere_terpstra_exact").startswith(
        "Jonckheere-Terpstra exact test of trend z 1.92, P=0.09"
    )
    assert co.trend("flair", "icans_grade", frame()).text().startswith("mean difference per unit")
