"""association_screen: rule, methods, families, guards, bad input; numbers are in tests/estimators."""

import numpy as np
import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EstimationError
from cohort.models.association_screen import association_screen
from cohort.models.screen_pairs import pair_rule
from cohort.models.two_by_two import two_by_two

FINDINGS = ["flair_deep", "microhemorrhage", "rare"]


def frame(n=120, seed=4):
    rng = np.random.default_rng(seed)
    burden = rng.normal(size=n)
    data = pd.DataFrame(
        {name: np.where(burden + rng.normal(size=n) > cut, "present", "absent") for name, cut in
         zip(FINDINGS, (0.5, 1.0, 2.6), strict=True)}
    )  # fmt: skip
    data.loc[:19, FINDINGS] = "not_imaged"
    data.loc[20:22, "flair_deep"] = "indeterminate"
    data["ldh"] = np.exp(rng.normal(5 + 0.3 * burden, 0.5))
    data["severe"] = np.where(burden + rng.normal(size=n) > 1, "yes", "no")
    data["toxicity_grade"] = pd.array(np.clip(np.round(burden + rng.normal(size=n) + 1), 0, 4), dtype="Int64")
    data.loc[115:, "toxicity_grade"] = pd.NA
    data["center"] = rng.integers(0, 3, n)
    return data


def row(screen, term, outcome):
    tidy = screen.tidy().set_index(["term", "outcome"])
    return tidy.loc[(term, outcome)]


def test_each_pair_by_its_own_function():
    data = frame()
    screen = association_screen([*FINDINGS, "ldh"], ["severe", "toxicity_grade"], data)
    flair = two_by_two("flair_deep", "severe", data=data).tidy().set_index(["term", "method"])
    found = row(screen, "flair_deep", "severe")
    for column in ("estimate", "conf_low", "conf_high", "p_value"):
        assert found[column] == flair.loc[("odds_ratio", "score"), column]
    rare = two_by_two("rare", "severe", data=data).tidy().set_index(["term", "method"])
    found = row(screen, "rare", "severe")
    assert found["method"] == "Fisher's exact test"
    assert found["conf_high"] == rare.loc[("odds_ratio", "exact"), "conf_high"]
    assert found["p_value"] == rare.loc[("test", "fisher"), "p_value"]
    assert list(screen.tidy()["method"]) == [
        "score (Miettinen-Nurminen)", "Mann-Whitney", "score (Miettinen-Nurminen)", "Mann-Whitney",
        "Fisher's exact test", "exact Mann-Whitney", "Mann-Whitney", "Spearman, t",
    ]  # fmt: skip


def test_not_imaged_is_left_out_and_never_absent():
    data = frame()
    screen = association_screen(FINDINGS, ["severe", "toxicity_grade"], data)
    assert row(screen, "flair_deep", "severe")["n"] == 97
    left = screen.left_out
    flair = left[(left["term"] == "flair_deep") & (left["outcome"] == "toxicity_grade")]
    assert flair[["column", "reason", "n"]].to_numpy().tolist() == [
        ["flair_deep", "not_imaged", 20],
        ["flair_deep", "indeterminate", 3],
        ["toxicity_grade", "missing", 5],
    ]
    assert row(screen, "flair_deep", "toxicity_grade")["n"] == 120 - 28
    same = association_screen(FINDINGS, ["severe"], data[data["flair_deep"] != "not_imaged"])
    np.testing.assert_array_equal(
        same.tidy()["estimate"], screen.tidy().query("outcome == 'severe'")["estimate"]
    )


def test_direction_of_ranked_pairs():
    # exposed 3, 4 against unexposed 1, 2: always higher; the same the other way round
    data = pd.DataFrame({"x": [1, 1, 0, 0], "g": [3, 4, 1, 2]})
    assert row(association_screen(["x"], ["g"], data), "x", "g")["estimate"] == 1.0
    assert row(association_screen(["g"], ["x"], data), "g", "x")["estimate"] == 1.0


def test_default_rule():
    assert pair_rule("binary", "binary", 5.0, 40) == "score"
    assert pair_rule("binary", "binary", 4.99, 40) == "exact"
    assert pair_rule("number", "binary", 9, 200) == "exact_rank_sum"
    assert pair_rule("number", "binary", 9, 201) == "rank_sum"
    assert pair_rule("ordered", "number", 8, 8) == "exact_spearman"
    assert pair_rule("ordered", "number", 9, 9) == "spearman"


def test_rule_can_be_overridden():
    data = frame()
    by_name = association_screen(FINDINGS, ["severe"], data, rule={"binary x binary": "mid_p"})
    assert set(by_name.tidy()["method"]) == {"conditional, mid-p"}
    by_function = association_screen(FINDINGS, ["severe"], data, rule=lambda x, y, smallest, n: "mid_p")
    pd.testing.assert_frame_equal(by_name.tidy(), by_function.tidy())


def test_families():
    data = frame()
    one = association_screen([*FINDINGS, "ldh"], ["severe"], data, adjust="bonferroni")
    two = association_screen(
        [*FINDINGS, "ldh"],
        ["severe"],
        data,
        adjust="bonferroni",
        families={"imaging": FINDINGS, "lab": ["ldh"]},
    )
    raw = one.tidy()["p_value"]
    np.testing.assert_allclose(one.tidy()["p_adjusted"], np.minimum(4 * raw, 1), rtol=1e-15)
    np.testing.assert_allclose(two.tidy()["p_adjusted"], np.minimum(raw * [3, 3, 3, 1], 1), rtol=1e-15)
    assert "2 families" in repr(two)
    by_outcome = association_screen(FINDINGS, ["severe", "toxicity_grade"], data, families="outcome")
    assert list(by_outcome.tidy()["family"]) == ["severe", "toxicity_grade"] * 3


def test_max_t_is_seeded_and_stratified():
    data = frame()
    arguments = ([*FINDINGS, "ldh"], ["severe", "toxicity_grade"], data)
    first = association_screen(*arguments, adjust="max_t", permutations=300, by="center")
    again = association_screen(*arguments, adjust="max_t", permutations=300, by="center")
    pd.testing.assert_frame_equal(first.tidy(), again.tidy())
    crude = association_screen(*arguments, adjust="max_t", permutations=300)
    assert not np.allclose(first.statistic, crude.statistic)
    np.testing.assert_array_equal(first.tidy()["estimate"], crude.tidy()["estimate"])
    assert "300 permutations within center, seed 1" in repr(first)
    assert "only P values are within center" in repr(first)
    assert (crude.p_adjusted >= crude.p_value).all()


def test_incorporation_refuses_the_pair_and_not_the_screen():
    facts = {
        "flair_deep": ColumnFacts("at_exam", 30.0, part_of=("icans_grade",)),
        "severe": ColumnFacts("daily", 30.0, measures=("icans_grade",)),
    }
    data = declare_facts(frame(), facts)
    for adjust in ("bh", "max_t"):
        screen = association_screen(FINDINGS, ["severe"], data, adjust=adjust, permutations=50)
        found = row(screen, "flair_deep", "severe")
        assert "incorporation" in found["reason"]
        assert np.isnan([found["estimate"], found["p_value"], found["p_adjusted"]]).all()
        assert row(screen, "microhemorrhage", "severe")["p_value"] > 0
    meant = association_screen(FINDINGS, ["severe"], data, acknowledge="incorporation")
    assert row(meant, "flair_deep", "severe")["p_value"] > 0
    assert "acknowledged incorporation" in repr(meant)


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("x", ["absent"] * 8, "no patient has x"),
        ("x", ["present"] * 8, "every patient has x"),
        ("x", ["not_imaged"] * 7 + ["absent"], "no patient has x"),
        ("x", ["not_imaged"] * 8, "no patient has both values"),
        ("x", [3.5] * 8, "one value only"),
        ("x", [np.inf, 1, 2, 3, 4, 5, 6, 7], "1 infinite values in x"),
        ("x", ["axi", "tisa", "liso", "axi"] * 2, "3 unordered levels"),
        ("x_grade", [0, 1, 2.5, 3, 0, 1, 2, 3], "1 grades in x_grade are not whole"),
        ("x", pd.to_datetime(["2020-01-01", "2020-01-02"] * 4), ""),
        ("x", [None] * 8, "no patient has both values"),
    ],
)  # fmt: skip
def test_what_cannot_be_tested_says_why(column, values, reason):
    data = pd.DataFrame({column: values, "y": [0, 1] * 4})
    screen = association_screen([column], ["y"], data)
    found = screen.tidy().iloc[0]
    assert reason in found["reason"]
    assert np.isnan(found["estimate"]) == bool(reason)
    assert len(repr(screen).splitlines()) <= 15
    assert "nan" not in repr(screen)


def test_zero_cells_and_separation():
    data = pd.DataFrame({"x": [1] * 6 + [0] * 10, "y": [1] * 6 + [0] * 10})
    found = row(association_screen(["x"], ["y"], data), "x", "y")
    assert found["estimate"] == np.inf
    assert 1 < found["conf_low"] < found["conf_high"] == np.inf
    assert "boundary" in found["reason"]
    assert found["p_value"] == pytest.approx(1 / 8008, rel=1e-10)  # 16 choose 6


def test_ordered_categories_and_two_levels():
    ecog = pd.Categorical(["0", "1", "2", "unknown"] * 5, ["0", "1", "2", "unknown"], ordered=True)
    data = pd.DataFrame({"ecog": ecog, "product": ["axi", "tisa"] * 10})
    screen = association_screen(["ecog"], ["product"], data)
    assert screen.left_out.iloc[0].tolist() == ["ecog", "product", "ecog", "unknown", 5]
    assert "product: tisa against axi" in repr(screen)


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda d: association_screen([], ["severe"], d), "names no column"),
        (lambda d: association_screen("rare", ["severe"], d), "not a list"),
        (lambda d: association_screen(["rare", "rare"], ["severe"], d), "twice"),
        (lambda d: association_screen(["rar"], ["severe"], d), "did you mean rare"),
        (lambda d: association_screen(["rare"], ["severe"], d[:0]), "no rows"),
        (
            lambda d: association_screen(["rare"], ["severe"], d.assign(patient_id=1)),
            "119 of 120 rows repeat",
        ),
        (lambda d: association_screen(["rare"], ["severe"], d, adjust="fdr"), 'adjust="bh"'),
        (lambda d: association_screen(["rare"], ["severe"], d, by="center"), 'adjust="max_t"'),
        (lambda d: association_screen(["rare"], ["severe"], d, families="row"), 'families="all"'),
        (
            lambda d: association_screen(FINDINGS, ["severe"], d, families={"a": ["rare"]}),
            "exactly one family",
        ),
        (lambda d: association_screen(["rare"], ["severe"], d, families={"a": ["rara"]}), "not screened"),
        (
            lambda d: association_screen(["rare"], ["severe"], d, rule={"yes x no": "exact"}),
            "binary x binary",
        ),
        (lambda d: association_screen(["ldh"], ["severe"], d, rule=lambda *a: "exact"), "rank_sum"),
        (lambda d: association_screen(["rare"], ["severe"], d, permutations=0), "permutations=10_000"),
        (lambda d: association_screen(["rare"], ["severe"], d, conf_level=95), "between 0 and 1"),
        (
            lambda d: association_screen(
                ["rare"], ["severe"], d.assign(center=d["center"].where(d.index > 3)), "max_t", by="center"
            ),
            "4 of 120 rows",
        ),
        (lambda d: association_screen(FINDINGS, ["severe"], d).text("severe"), "exposure ~ outcome"),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call(frame())


def test_the_input_is_not_changed():
    data = frame()
    before = data.copy(deep=True)
    association_screen(
        FINDINGS, ["severe", "toxicity_grade"], data, adjust="max_t", permutations=20, by="center"
    )
    pd.testing.assert_frame_equal(data, before)
