"""co.agreement: published values, R (tests/reference/agreement/make.R), by hand, three states, errors, the figure."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import cohort as co
from cohort import style
from cohort.errors import EstimationError

FOLDER = Path(__file__).parents[1] / "reference/agreement"
EXPECTED = (
    pd.read_csv(FOLDER / "expected.csv")
    .fillna({"weights": "none"})
    .set_index(["data", "weights", "quantity"])
)
GRADES = pd.read_csv(FOLDER / "data.csv")
WEIGHTS = {"none": None, "linear": "linear", "quadratic": "quadratic"}
# Both sides sum the same terms in another order; 1e-12 leaves room for that. Central differences: 1e-7.
DIRECT, DIFFERENCES = 1e-12, 1e-7

# Fleiss (1971), table 1: 30 patients, 6 psychiatrists, 5 diagnoses.
FLEISS = """00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"""
# Krippendorff (2011), section C: four observers, twelve units.
OBSERVERS = pd.DataFrame(
    {
        "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    }
)


def fleiss_counts() -> pd.DataFrame:
    rows = [[int(x) for x in unit] for unit in FLEISS.split()]
    return pd.DataFrame(rows, columns=["depression", "personality", "schizophrenia", "neurosis", "other"])


def table(a: int, b: int, c: int, d: int) -> pd.DataFrame:
    """Two readers: a both present, b first only, c second only, d both absent."""
    first = ["present"] * (a + b) + ["absent"] * (c + d)
    second = ["present"] * a + ["absent"] * b + ["present"] * c + ["absent"] * d
    return pd.DataFrame({"first": first, "second": second})


def row(result: co.agreement, term: str, level: str = "") -> pd.Series:
    tidy = result.tidy()
    (found,) = np.flatnonzero((tidy["term"] == term) & (tidy["level"] == level))
    return tidy.iloc[found]


def test_kappa_of_fleiss_1971():
    result = co.agreement(fleiss_counts(), counts=True)
    assert row(result, "fleiss_kappa")["estimate"] == pytest.approx(0.430, abs=5e-4)
    assert row(result, "percent_agreement")["estimate"] == pytest.approx(0.556, abs=5e-4)
    assert result.text("fleiss_kappa").startswith("Fleiss' kappa 0.43 (95% CI 0.3")


def test_counts_have_no_raters_and_no_cohen():
    """Two ratings per unit look like two raters, but nobody knows which rating is whose."""
    result = co.agreement(pd.DataFrame({"absent": [2, 1, 0, 2], "present": [0, 1, 2, 0]}), counts=True)
    cohen = row(result, "cohen_kappa")
    assert np.isnan(cohen["estimate"])
    assert cohen["reason"] == "counts do not say which rater gave which rating"
    assert result.pairs()["estimate"].isna().all()
    assert "prevalence_index" not in set(result.tidy()["term"])
    assert row(result, "percent_agreement")["method"] == "t"


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_of_krippendorff_2011(level, alpha):
    result = co.agreement(OBSERVERS, level=level)
    assert row(result, "krippendorff_alpha")["estimate"] == pytest.approx(alpha, abs=5e-4)
    assert result.left_out == (("", "one rating only", 1),)
    assert dict((name, n) for name, _, n in result.missing) == {"A": 3, "B": 1, "C": 2, "D": 1}


@pytest.mark.parametrize("weights", WEIGHTS)
def test_cohen_kappa_equals_r(weights):
    pair = GRADES[["first", "second"]]
    found = row(co.agreement(pair, WEIGHTS[weights]), "cohen_kappa")
    expected = EXPECTED.loc[("pair", weights, "vcd")]
    assert_allclose(found["estimate"], expected["estimate"], rtol=DIRECT)
    assert_allclose(found["std_error"], expected["std_error"], rtol=DIRECT)
    assert_allclose(found["conf_high"], expected["estimate"] + 1.959963984540054 * expected["std_error"])
    if weights != "linear":
        by_psych = EXPECTED.loc[("pair", weights, "psych")]
        assert_allclose(found["estimate"], by_psych["estimate"], rtol=DIRECT)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_fleiss_and_gwet_equal_the_equations_of_gwet(weights):
    result = co.agreement(GRADES[:40], WEIGHTS[weights])
    terms = {"fleiss_kappa": "fleiss", "gwet_ac2" if WEIGHTS[weights] else "gwet_ac1": "ac"}
    for term, name in terms.items():
        found, expected = row(result, term), EXPECTED.loc[("complete", weights, name)]
        assert_allclose(found["estimate"], expected["estimate"], rtol=DIRECT)
        assert_allclose(found["std_error"], expected["std_error"], rtol=DIRECT)
        assert found["n"] == 40


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
def test_alpha_and_its_standard_error_equal_r(level):
    found = row(co.agreement(GRADES, level=level), "krippendorff_alpha")
    expected = EXPECTED.loc[("all", level, "alpha")]
    assert_allclose(found["estimate"], expected["estimate"], rtol=DIRECT)
    assert_allclose(found["std_error"], expected["std_error"], rtol=DIFFERENCES)


def test_two_readers_by_hand():
    """18, 4, 3, 35: agree 53/60; chance (22 * 21 + 38 * 39)/3600; PABAK 2 * 53/60 - 1; 36/43 and 70/77."""
    result = co.agreement(table(18, 4, 3, 35))
    chance = (22 * 21 + 38 * 39) / 3600
    pi = 43 / 120
    by_hand = {
        "percent_agreement": 53 / 60,
        "cohen_kappa": (53 / 60 - chance) / (1 - chance),
        "pabak": 46 / 60,
        "gwet_ac1": (53 / 60 - 2 * pi * (1 - pi)) / (1 - 2 * pi * (1 - pi)),
        "fleiss_kappa": (53 / 60 - pi**2 - (1 - pi) ** 2) / (1 - pi**2 - (1 - pi) ** 2),
        "prevalence_index": 17 / 60,
        "bias_index": 1 / 60,
    }
    for term, value in by_hand.items():
        assert row(result, term)["estimate"] == pytest.approx(value, rel=1e-14)
    assert row(result, "specific_agreement", "present")["estimate"] == pytest.approx(36 / 43)
    assert row(result, "specific_agreement", "absent")["estimate"] == pytest.approx(70 / 77)
    # alpha of two readers: 1 - (2n - 1)/(2n) * (1 - fleiss)
    fleiss = by_hand["fleiss_kappa"]
    assert row(result, "krippendorff_alpha")["estimate"] == pytest.approx(1 - 119 / 120 * (1 - fleiss))


def test_the_paradox_of_kappa():
    """Feinstein and Cicchetti (1990): 85% agree in both tables; kappa .70 against .32, AC1 .70 against .81."""
    balanced, rare = co.agreement(table(40, 9, 6, 45)), co.agreement(table(80, 10, 5, 5))
    kappas = [row(one, "cohen_kappa")["estimate"] for one in (balanced, rare)]
    assert_allclose(kappas, [0.70, 0.32], atol=5e-3)
    assert_allclose([row(one, "gwet_ac1")["estimate"] for one in (balanced, rare)], [0.70, 0.81], atol=5e-3)
    assert "prevalence index above 0.8" not in repr(balanced)
    assert "prevalence index above 0.8" in repr(co.agreement(table(92, 3, 3, 2)))


def test_not_known_is_never_a_category():
    known = table(8, 1, 1, 10)
    more = pd.DataFrame(
        {
            "first": ["not_assessable", "indeterminate", "not_imaged", "present"],
            "second": ["not_assessable", "present", "absent", None],
        }
    )
    frame = pd.concat([known, more], ignore_index=True)
    levels = ["absent", "present", "indeterminate", "not_assessable", "not_imaged"]
    for one in (frame, frame.astype(pd.CategoricalDtype(levels))):
        result = co.agreement(one)
        assert result.categories == ("absent", "present")
        for term in ("cohen_kappa", "krippendorff_alpha", "percent_agreement", "pabak"):
            assert row(result, term)["estimate"] == row(co.agreement(known), term)["estimate"]
            assert row(result, term)["n"] == 20
        assert set(result.missing) == {
            ("first", "indeterminate", 1),
            ("first", "not_assessable", 1),
            ("first", "not_imaged", 1),
            ("second", "missing", 1),
            ("second", "not_assessable", 1),
        }
        assert result.left_out == (("", "no rating", 1), ("", "one rating only", 3))
        assert "not_assessable" in repr(result)


def test_a_grade_keeps_its_order_without_its_kinds_of_not_known():
    levels = pd.CategoricalDtype(["mild", "moderate", "severe", "not_assessable"], ordered=True)
    frame = pd.DataFrame(
        {
            "a": ["mild", "severe", "moderate", "not_assessable", "mild"],
            "b": ["mild", "moderate", "moderate", "severe", "mild"],
        }
    )
    result = co.agreement(frame.astype(levels), "linear")
    assert result.categories == ("mild", "moderate", "severe")
    plain = co.agreement(frame.drop(index=3), "linear", categories=["mild", "moderate", "severe"])
    assert row(result, "cohen_kappa")["estimate"] == row(plain, "cohen_kappa")["estimate"]
    assert result.level == "ordinal"


def test_categories_that_are_numbers_keep_their_distance():
    """Grades 0, 1 and 4: linear weights 1 - |i - j|/4, whether numbers or an ordered category of numbers."""
    numbers = pd.DataFrame({"a": [0, 1, 4, 4, 0, 1], "b": [0, 0, 4, 1, 1, 1]})
    category = numbers.astype(str).astype(pd.CategoricalDtype(["0", "1", "4"], ordered=True))
    first, second = co.agreement(numbers, "linear"), co.agreement(category, "linear", level="ordinal")
    assert_allclose(first.tidy()["estimate"], second.tidy()["estimate"], rtol=1e-14)
    # agree 0-0, 4-4, 1-1; 1-0 and 0-1 count 3/4; 4-1 counts 1/4. Margins 2, 2, 2 and 2, 3, 1 of 6.
    observed = (3 + 0.75 + 0.75 + 0.25) / 6
    W = np.array([[1, 0.75, 0], [0.75, 1, 0.25], [0, 0.25, 1]])
    chance = np.array([2, 2, 2]) @ W @ np.array([2, 3, 1]) / 36
    assert row(first, "cohen_kappa")["estimate"] == pytest.approx((observed - chance) / (1 - chance))


def test_long_form_equals_wide_form():
    rng = np.random.default_rng(4)
    wide = GRADES.assign(patient=np.arange(60) // 2, exam=np.arange(60) % 2)
    long = wide.melt(["patient", "exam"], var_name="reader", value_name="grade").dropna(subset="grade")
    long = long.sample(frac=1, random_state=rng)
    found = co.agreement(
        long, "linear", unit=["patient", "exam"], rater="reader", rating="grade", cluster="patient"
    )
    by_hand = co.agreement(wide.drop(columns="exam"), "linear", cluster="patient")
    pd.testing.assert_frame_equal(found.tidy(), by_hand.tidy(), rtol=1e-12)
    assert found.n_cluster == by_hand.n_cluster == 30


def test_clusters_widen_limits():
    frame = pd.concat([table(9, 2, 1, 12)] * 3, ignore_index=True)
    frame["patient"] = np.tile(np.arange(24), 3)
    alone, together = co.agreement(frame.drop(columns="patient")), co.agreement(frame, cluster="patient")
    ratio = row(together, "gwet_ac1")["std_error"] / row(alone, "gwet_ac1")["std_error"]
    # three copies of each: sqrt(3), with the factors 24/23 and 72/71
    assert ratio == pytest.approx(np.sqrt(3 * (24 / 23) / (72 / 71)))
    assert row(together, "percent_agreement")["method"] == "t"


def test_bootstrap_follows_its_seed_and_the_analytic_standard_error():
    rng = np.random.default_rng(2)
    grades = rng.integers(0, 3, 200)
    frame = pd.DataFrame(
        {k: np.where(rng.random(200) < 0.75, grades, rng.integers(0, 3, 200)) for k in "abc"}
    )
    made = [co.agreement(frame, "quadratic", limits="bootstrap", seed=s).tidy() for s in (1, 1, 2)]
    pd.testing.assert_frame_equal(made[0], made[1])
    assert not made[0]["conf_low"].equals(made[2]["conf_low"])
    analytic = co.agreement(frame, "quadratic").tidy()
    use = analytic["std_error"].notna()
    # Monte Carlo error of a standard error from 2000 resamples is about 1.6%
    assert_allclose(made[0].loc[use, "std_error"], analytic.loc[use, "std_error"], rtol=0.08)
    assert set(made[0].loc[use, "method"]) == {"bootstrap"}


def test_complete_agreement_has_no_large_sample_limits():
    for limits in ("analytic", "bootstrap"):
        result = co.agreement(table(6, 0, 0, 20), limits=limits, seed=1)
        kappa = row(result, "cohen_kappa")
        assert kappa["estimate"] == 1
        assert np.isnan(kappa["conf_low"])
        assert "no unit disagrees" in repr(result)
    share = row(co.agreement(table(6, 0, 0, 20)), "percent_agreement")
    assert share["conf_low"] == pytest.approx(26 / (26 + 1.959963984540054**2))  # Wilson at 26 of 26


def test_one_category_is_not_estimable():
    result = co.agreement(table(0, 0, 0, 20))
    for term in ("cohen_kappa", "fleiss_kappa", "krippendorff_alpha"):
        assert np.isnan(row(result, term)["estimate"])
        assert "one category" in row(result, term)["reason"]
    assert row(result, "gwet_ac1")["estimate"] == 1
    assert row(result, "specific_agreement", "present")["reason"]


def test_pairs_of_three_readers():
    pairs = co.agreement(GRADES, "quadratic").pairs()
    assert list(pairs["level"]) == ["first and second", "first and third", "second and third"]
    assert_allclose(pairs["estimate"][0], EXPECTED.loc[("pair", "quadratic", "vcd"), "estimate"], rtol=DIRECT)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(2, 4))
def test_order_of_units_and_raters_does_not_matter(seed, raters, q):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.integers(0, q, (12, raters)).astype(float))
    frame = frame.mask(rng.random(frame.shape) < 0.1).set_axis([f"r{k}" for k in range(raters)], axis=1)
    frame.loc[0] = 0.0
    frame.loc[1] = 1.0
    moved = frame.sample(frac=1, random_state=seed)[frame.columns[::-1]]
    first, second = (co.agreement(f, "linear", categories=range(q)).tidy() for f in (frame, moved))
    keys = ["estimate", "std_error", "conf_low", "conf_high"]
    assert_allclose(first[keys], second[keys], rtol=1e-9, atol=1e-12)
    known = first.dropna(subset="estimate")
    assert (known["estimate"] <= 1 + 1e-12).all()
    limits = known.dropna(subset="conf_low")
    assert (limits["conf_low"] <= limits["estimate"] + 1e-12).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_names_of_categories_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, (15, 2))
    codes[:3] = [[0, 0], [1, 1], [2, 2]]
    names = np.array(["x", "y", "z"])
    frames = [pd.DataFrame(order[codes], columns=["a", "b"]) for order in (names, names[::-1])]
    first, second = (co.agreement(frame).tidy().query("level == ''") for frame in frames)
    assert_allclose(first["estimate"], second["estimate"], rtol=1e-12, atol=1e-14)


GOOD = table(5, 2, 1, 8)
TEXTS = pd.DataFrame({"a": ["x", "y", "z"], "b": ["x", "z", "z"]})
LONG = pd.DataFrame(
    {"exam": [1, 1, 2, 2], "who": list("ABAB"), "grade": [0, 1, 1, 1], "patient": [1, 1, 2, 2]}
)
LONG_ARGS = {"unit": "exam", "rater": "who", "rating": "grade"}
ORDERS = [pd.CategoricalDtype(order, ordered=True) for order in (["x", "y", "z"], ["z", "y", "x"])]


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: co.agreement(GOOD[["first"]]), "one column per rater"),
        (lambda: co.agreement(GOOD[:0]), "one column per rater"),
        (lambda: co.agreement([1, 2]), "DataFrame"),
        (lambda: co.agreement(GOOD.set_axis(["a", "a"], axis=1)), "column of its own"),
        (lambda: co.agreement(pd.concat([GOOD, GOOD])), "cluster="),
        (lambda: co.agreement(GOOD.assign(first=1)), "columns of the raters only"),
        (lambda: co.agreement(GOOD.assign(first=pd.Timestamp(0))), "columns of the raters only"),
        (lambda: co.agreement(pd.DataFrame({"a": [1, 2.5], "b": [1, 2]})), "round grades"),
        (lambda: co.agreement(pd.DataFrame({"a": [1, np.inf], "b": [1, 2]})), "set them to missing"),
        (lambda: co.agreement(pd.DataFrame({"a": [None, None], "b": [None, None]})), "with ratings"),
        (lambda: co.agreement(pd.DataFrame({"a": ["unknown"] * 2, "b": ["unknown"] * 2})), "that are known"),
        (lambda: co.agreement(pd.DataFrame({"a": np.arange(300), "b": np.arange(300)})), "intraclass"),
        (lambda: co.agreement(pd.DataFrame({"a": [5, 1], "b": [1, 2]}), categories=[0, 1, 2]), "categories="),
        (lambda: co.agreement(TEXTS, categories=["x", "y"]), "categories="),
        (lambda: co.agreement(TEXTS, categories=["x", "y", "indeterminate"]), "equivocal"),
        (lambda: co.agreement(pd.DataFrame({"a": [1, 2], "b": [1, 2]}), categories=["x"]), r"\[0, 1, 2"),
        (lambda: co.agreement(TEXTS, "linear"), "in order"),
        (lambda: co.agreement(TEXTS, level="ordinal"), "in order"),
        (lambda: co.agreement(TEXTS.astype({"a": ORDERS[0], "b": ORDERS[1]})), "in order"),
        (lambda: co.agreement(GOOD, level="interval"), "ordinal"),
        (lambda: co.agreement(pd.DataFrame({"a": [-1, 2], "b": [1, 2]}), level="ratio"), "interval"),
        (lambda: co.agreement(GOOD, "cubic"), "one of"),
        (lambda: co.agreement(GOOD, level="metric"), "one of"),
        (lambda: co.agreement(GOOD, limits="exact"), "one of"),
        (lambda: co.agreement(GOOD, limits="bootstrap"), "seed=1"),
        (lambda: co.agreement(GOOD, limits="bootstrap", seed=1, n_boot=50), "seed=1"),
        (lambda: co.agreement(GOOD, conf_level=95), "0.95"),
        (lambda: co.agreement(GOOD, cluster="patient"), "columns of the frame"),
        (lambda: co.agreement(GOOD.assign(p=1), cluster="p"), "leave cluster= out"),
        (lambda: co.agreement(GOOD.assign(p=[None, *range(15)]), cluster="p"), "dropna"),
        (
            lambda: co.agreement(GOOD.replace({"absent": "no"}).replace({"second": {"no": "absent"}})),
            "replace",
        ),
        (lambda: co.agreement(pd.DataFrame({"a": [1, -1], "b": [1, 3]}), counts=True), "write 0"),
        (lambda: co.agreement(pd.DataFrame({"a": [1, 0.5], "b": [1, 3]}), counts=True), "write 0"),
        (lambda: co.agreement(pd.DataFrame({"a": [1, None], "b": [1, 3]}), counts=True), "write 0"),
        (lambda: co.agreement(pd.DataFrame({"a": [0, 0], "b": [0, 0]}), counts=True), "counts of ratings"),
        (lambda: co.agreement(GOOD, counts=True), "one column per category"),
        (lambda: co.agreement(LONG, unit="exam", rater="who"), "rating="),
        (lambda: co.agreement(LONG, **LONG_ARGS, counts=True), "rating="),
        (lambda: co.agreement(LONG, unit="exam", rater="whom", rating="grade"), "did you mean who"),
        (lambda: co.agreement(pd.concat([LONG, LONG]), **LONG_ARGS), "one rating per unit"),
        (
            lambda: co.agreement(LONG.assign(patient=[1, 2, 2, 2]), **LONG_ARGS, cluster="patient"),
            "identify a unit",
        ),
        (lambda: co.agreement(LONG[:0], **LONG_ARGS), "rater="),
        (lambda: co.agreement(GOOD).text("kappa"), "one of these terms"),
    ],
)
def test_errors_name_the_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern) as raised:
        call()
    assert raised.value.remedy


def test_input_is_not_modified():
    frame = table(4, 2, 1, 9)
    before = frame.copy()
    co.agreement(frame, limits="bootstrap", seed=1, n_boot=100)
    pd.testing.assert_frame_equal(frame, before)


def test_figure_shows_the_table():
    result = co.agreement(GRADES, "linear", categories=[0, 1, 2, 3])
    ax = result.plot()
    drawn = [float(line.get_xdata()[0]) for line in ax.lines if line.get_gid() == "estimate"]
    tidy = result.tidy()
    shown = tidy[tidy["estimate"].notna() & (tidy["level"] == "")]
    assert_allclose(drawn, shown["estimate"])
    ends = [line.get_xdata() for line in ax.lines if line.get_gid() == "interval"]
    assert_allclose(ends, shown[["conf_low", "conf_high"]])
    assert style.check_layout(ax.get_figure(root=True)) == []
    mpl.pyplot.close("all")
