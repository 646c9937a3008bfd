"""odds_ratio for clusters, matched sets and exact inference: against R (tests/reference/clustered_logistic/make.R and
exact_logistic/make.R), by hand, and what it refuses. Estimates are Newton's, to 1e-8; see tests/estimators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EstimationError, IncorporationError, StudyError
from cohort.models.odds_ratio import odds_ratio

FOLDER = Path(__file__).parents[1] / "reference"
CENTERS, MATCHED = (pd.read_csv(FOLDER / f"clustered_logistic/{name}.csv") for name in ("data", "matched"))
FEW = pd.read_csv(FOLDER / "exact_logistic/data.csv")
EXPECTED = pd.concat(
    pd.read_csv(FOLDER / folder / "expected.csv", keep_default_na=False)
    for folder in ("clustered_logistic", "exact_logistic")
).set_index(["model", "quantity", "term"])["value"]
MODEL = "severe ~ age10 + flair + volume"


def reference(model, quantity, fit):
    return [EXPECTED[model, quantity, "(Intercept)" if name == "Intercept" else name] for name in fit.names]


def by_name(fit, **options):
    return fit.tidy(**options).set_index("term")


def test_bias_reduced_variance_equals_clubsandwich():
    fit = odds_ratio(MODEL, CENTERS, cluster="center", variance="bias_reduced")
    np.testing.assert_allclose(fit.std_error, reference("ml", "cr2", fit), rtol=1e-8)
    np.testing.assert_allclose(fit.tidy()["df"], reference("ml", "df", fit), rtol=1e-8)
    np.testing.assert_allclose(fit.p_value, reference("ml", "p_value", fit), rtol=1e-8)


@pytest.mark.parametrize("variance", ["robust", "mancl_derouen", "kauermann_carroll"])
@pytest.mark.parametrize("correlation", ["exchangeable", "independence"])
def test_estimating_equations_equal_geepack(correlation, variance):
    fit = odds_ratio(MODEL, CENTERS, "gee", "center", correlation=correlation, variance=variance)
    np.testing.assert_allclose(fit.estimate, reference(correlation, "estimate", fit), rtol=1e-8)
    np.testing.assert_allclose(fit.std_error, reference(correlation, variance, fit), rtol=1e-8)
    glance = fit.glance().iloc[0]
    np.testing.assert_allclose(glance["correlation"], EXPECTED[correlation, "correlation", ""], rtol=1e-8)
    assert (glance["n_cluster"], glance["n"]) == (12, len(CENTERS))
    assert np.isnan(glance["log_likelihood"])
    assert np.isinf(fit.df).all() if variance == "robust" else (fit.tidy()["df"] == 12 - 4).all()


def test_random_intercept_equals_glmer():
    """glmer stops at about 1e-7; the integrated likelihood of make.R is good to 1e-8."""
    fit = odds_ratio(MODEL, CENTERS, "random_intercept", "center")
    np.testing.assert_allclose(fit.estimate, reference("marginal", "estimate", fit), rtol=1e-8)
    np.testing.assert_allclose(fit.std_error, reference("marginal", "std_error", fit), rtol=3e-8)
    np.testing.assert_allclose(fit.estimate, reference("glmer", "estimate", fit), rtol=5e-7)
    np.testing.assert_allclose(fit.glance()["intercept_sd"].item(), EXPECTED["marginal", "sd", ""], rtol=1e-8)
    assert "within a cluster of center" in repr(fit)
    assert "median odds ratio between clusters 2.49" in " ".join(repr(fit).split())


def test_conditional_equals_clogit():
    fit = odds_ratio("severe ~ flair + age10", MATCHED, "conditional", strata="set")
    np.testing.assert_allclose(fit.estimate, reference("clogit", "estimate", fit), rtol=1e-9)
    np.testing.assert_allclose(fit.std_error, reference("clogit", "std_error", fit), rtol=1e-9)
    null, model = (EXPECTED["clogit", "log_likelihood", name] for name in ("null", "model"))
    np.testing.assert_allclose([fit.log_likelihood_null, fit.log_likelihood], [null, model], rtol=1e-12)
    np.testing.assert_allclose(fit.glance()["statistic"].item(), 2 * (model - null), rtol=1e-10)
    assert fit.left_out == (("set", "without both outcomes", 3),)
    assert fit.n == len(MATCHED) - 3
    assert "Intercept" not in fit.tidy()["term"].to_list()


def test_conditional_with_clusters_equals_coxph():
    first = MATCHED[MATCHED["severe"] == 1].drop_duplicates("set").index
    one = MATCHED[(MATCHED["set"] <= 45) & ((MATCHED["severe"] == 0) | MATCHED.index.isin(first))]
    fit = odds_ratio("severe ~ flair + age10", one, "conditional", "hospital", strata="set")
    np.testing.assert_allclose(fit.std_error, reference("one case", "robust", fit), rtol=1e-9)
    assert fit.n_cluster == 9


def test_sets_may_be_named_by_several_columns():
    data = MATCHED.assign(first=MATCHED["set"] % 7, second=MATCHED["set"] // 7)
    one = odds_ratio("severe ~ flair", data, "conditional", strata="set")
    two = odds_ratio("severe ~ flair", data, "conditional", strata=["first", "second"])
    np.testing.assert_allclose(one.estimate, two.estimate, rtol=1e-10)


@pytest.mark.parametrize(
    ("model", "formula", "strata"),
    [
        ("one intercept", "severe ~ flair + grade", None),
        ("sets", "severe ~ flair + grade", "set"),
        ("decimals", "severe ~ flair + volume", "set"),
        ("separated", "severe ~ rare + grade", None),
    ],
)
@pytest.mark.parametrize("limits", ["exact", "mid_p"])
def test_exact_equals_the_enumeration(model, formula, strata, limits):
    fit = odds_ratio(formula, FEW, "exact", strata=strata, limits=limits)
    for name, found in (("low", fit.conf_low), ("high", fit.conf_high), ("p_value", fit.p_value)):
        np.testing.assert_allclose(found, reference(model, f"{limits}_{name}", fit), rtol=1e-10)
    quantity = ["median_unbiased" if name == "rare" else "estimate" for name in fit.names]
    expected = [EXPECTED[model, q, name] for q, name in zip(quantity, fit.names, strict=True)]
    np.testing.assert_allclose(fit.estimate, expected, rtol=1e-10, atol=1e-12)
    assert ("median unbiased" in repr(fit)) == (model == "separated")
    assert "sparse" not in repr(fit)


def test_exact_of_one_exposure_is_the_conditional_odds_ratio_of_the_table():
    table = co.two_by_two("flair", "severe", data=FEW)
    for limits in ("exact", "mid_p"):
        row = by_name(odds_ratio("severe ~ flair", FEW, "exact", limits=limits), exponentiate=True).loc[
            "flair"
        ]
        other = table.tidy().query("term == 'odds_ratio' and method == @limits").iloc[0]
        for column in ("estimate", "conf_low", "conf_high"):
            np.testing.assert_allclose(row[column], other[column], rtol=1e-8)


def test_exact_says_what_the_data_do_not_tell():
    # one event among three patients: given the sum of b, the sum of a can be 0 or 1; given that of a, b only 0
    lone = odds_ratio("y ~ a + b", pd.DataFrame({"y": [1, 0, 0], "a": [1, 0, 0], "b": [0, 0, 1]}), "exact")
    assert lone.tidy()["estimate"].isna().to_list() == [False, True]
    assert (lone.tidy()["reason"] != "").to_list() == [False, True]
    assert "NE" in repr(lone)


def test_a_finding_of_one_center_has_no_robust_variance():
    data = CENTERS.assign(only=(CENTERS["center"] == 12).astype(int) * (CENTERS.index % 2))
    for variance in ("robust", "bias_reduced"):
        tidy = by_name(odds_ratio("severe ~ age10 + only", data, cluster="center", variance=variance))
        assert np.isnan(tidy.loc["only", "std_error"])
        assert "one cluster alone" in tidy.loc["only", "reason"]
        assert np.isfinite(tidy.loc["age10", "std_error"])
    with pytest.raises(EstimationError, match="only rests on one cluster"):
        odds_ratio("severe ~ age10 + only", data, "gee", "center")


def test_centers_as_covariates_keep_the_variance_of_the_others():
    data = CENTERS[CENTERS["center"] > 5].assign(arm=lambda f: "c" + f["center"].astype(str))
    tidy = odds_ratio("severe ~ age10 + arm", data, cluster="center").tidy().set_index(["term", "level"])
    assert np.isfinite(tidy.loc[("age10", ""), "std_error"])
    assert tidy.loc["arm", "std_error"].isna().all()


def test_three_states_and_left_out_of_clusters_and_sets():
    states = np.where(MATCHED["flair"] == 1, "present", "absent").astype(object)
    states[::10] = "not_imaged"
    data = MATCHED.assign(flair=states, hospital=MATCHED["hospital"].where(MATCHED.index != 1))
    fit = odds_ratio("severe ~ flair", data, "gee", "hospital")
    assert fit.left_out == (("flair", "not_imaged", 22), ("hospital", "missing", 1))
    fit = odds_ratio("severe ~ flair", data, "conditional", strata="set")
    assert fit.left_out[0] == ("flair", "not_imaged", 22)
    assert fit.left_out[1][1] == "without both outcomes"
    assert fit.n + sum(n for *_, n in fit.left_out) == len(data)


def test_incorporation_is_refused_also_of_strata():
    facts = {
        "flair": ColumnFacts("at_exam", 30.0, part_of=("icans_grade",)),
        "severe": ColumnFacts("daily", 30.0, measures=("icans_grade",)),
    }
    data = declare_facts(MATCHED, facts)
    with pytest.raises(IncorporationError):
        odds_ratio("severe ~ flair", data, "conditional", strata="set")
    with pytest.raises(IncorporationError):
        odds_ratio("severe ~ age10", data, "conditional", strata="flair")


def test_relabelled_exposure_inverts_every_method():
    center = CENTERS.assign(other=1 - CENTERS["flair"])
    matched, few = (frame.assign(other=1 - frame["flair"]) for frame in (MATCHED, FEW))
    for data, options in (
        (center, {"method": "gee", "cluster": "center"}),
        (center, {"method": "random_intercept", "cluster": "center"}),
        (matched, {"method": "conditional", "strata": "set"}),
        (few, {"method": "exact"}),
        (few, {"method": "exact", "limits": "mid_p", "strata": "set"}),
    ):
        first, second = (by_name(odds_ratio(f"severe ~ {x}", data, **options)) for x in ("flair", "other"))
        flair, other = first.loc["flair"], second.loc["other"]
        np.testing.assert_allclose(flair["estimate"], -other["estimate"], atol=1e-8)
        np.testing.assert_allclose(flair["conf_low"], -other["conf_high"], atol=1e-7)
        np.testing.assert_allclose(flair["p_value"], other["p_value"], rtol=1e-6)


def test_levels_of_t_limits():
    fit = odds_ratio(MODEL, CENTERS, "gee", "center")
    wide = by_name(fit, conf_level=0.99)
    again = by_name(odds_ratio(MODEL, CENTERS, "gee", "center", conf_level=0.99))
    pd.testing.assert_frame_equal(wide, again)


def test_pooling_knows_what_it_cannot_pool(tmp_path):
    exact = odds_ratio("severe ~ flair", FEW, "exact")
    matched = odds_ratio("severe ~ flair", MATCHED, "conditional", strata="set")
    for fit in (exact, matched):
        with pytest.raises(StudyError, match="cannot be pooled in two stages"):
            co.export_aggregates({"flair": fit}, tmp_path, site="north")
    with pytest.raises(EstimationError, match="exact estimates cannot be pooled"):
        co.pool([exact, exact])
    gee = odds_ratio(MODEL, CENTERS, "gee", "center")
    assert co.pool([gee, gee]).tidy()["df"].max() <= 8


def test_registries_may_export_clustered_results(tmp_path):
    gee = odds_ratio("severe ~ flair", CENTERS, "gee", "center")
    exported = co.export_aggregates({"flair": gee}, tmp_path, site="north", data={"flair": CENTERS})
    assert "exchangeable correlation" in Path(exported.path).read_text()


ONE_SET = MATCHED.assign(age10=MATCHED["set"] / 10.0)
SEPARATED = MATCHED.assign(mark=MATCHED["severe"])


@pytest.mark.parametrize(
    ("call", "problem", "remedy"),
    [
        (lambda: odds_ratio(MODEL, CENTERS, "gee"), "needs the column of the clusters", "cluster="),
        (
            lambda: odds_ratio(MODEL, CENTERS, "random_intercept"),
            "needs the column of the clusters",
            "cluster=",
        ),
        (lambda: odds_ratio("severe ~ flair", MATCHED, "conditional"), "matched sets", "strata="),
        (lambda: odds_ratio(MODEL, CENTERS, strata="center"), "strata do not go", "conditional"),
        (lambda: odds_ratio("severe ~ flair", FEW, "exact", "set"), "clusters do not go", "strata="),
        (lambda: odds_ratio(MODEL, CENTERS, variance="robust"), "without cluster=", "leave variance"),
        (
            lambda: odds_ratio(MODEL, CENTERS, "gee", "center", variance="bias_reduced"),
            "bias_reduced",
            "mancl",
        ),
        (lambda: odds_ratio(MODEL, CENTERS, correlation="independence"), "correlation", "leave correlation"),
        (lambda: odds_ratio(MODEL, CENTERS, "gee", "center", correlation="ar1"), "ar1", "exchangeable"),
        (lambda: odds_ratio(MODEL, CENTERS, "gee", "center", limits="profile"), "profile", "wald"),
        (lambda: odds_ratio(MODEL, CENTERS, cluster="center", limits="profile"), "Wald limits", "wald"),
        (lambda: odds_ratio("severe ~ flair", FEW, "exact", limits="wald"), "wald", "exact"),
        (lambda: odds_ratio(MODEL, CENTERS.assign(center=1), "gee", "center"), "one value", "leave cluster"),
        (
            lambda: odds_ratio(MODEL, CENTERS[CENTERS["center"] > 9], "gee", "center"),
            "no more clusters than coefficients",
            "random_intercept",
        ),
        (
            lambda: odds_ratio("severe ~ flair + age10", ONE_SET, "conditional", strata="set"),
            "age10 never varies within a set",
            "leave age10 out",
        ),
        (
            lambda: odds_ratio(
                "severe ~ flair + b",
                MATCHED.assign(b=MATCHED["flair"] + MATCHED["set"]),
                "exact",
                strata="set",
            ),
            "collinear",
            "leave",
        ),
        (
            lambda: odds_ratio("severe ~ mark", SEPARATED, "conditional", strata="set"),
            "separation: mark",
            '"exact"',
        ),
        (
            lambda: odds_ratio("severe ~ rare", FEW, "gee", "set"),
            "separation: rare",
            "firth",
        ),
        (
            lambda: odds_ratio(
                "severe ~ flair", MATCHED[MATCHED["severe"] == 1], "conditional", strata="set"
            ),
            "every patient has severe",
            "check the outcome",
        ),
        (
            lambda: odds_ratio(
                "severe ~ flair", MATCHED.assign(set=range(len(MATCHED))), "conditional", strata="set"
            ),
            "no set of set holds patients with and without",
            "firth",
        ),
        (
            lambda: odds_ratio("severe ~ flair", MATCHED, "conditional", "age10", strata="set"),
            "several clusters",
            "whole sets",
        ),
        (
            lambda: odds_ratio("severe ~ flair", FEW, "exact").tidy(conf_level=0.9),
            "exact limits",
            "conf_level=0.9",
        ),
        (
            lambda: odds_ratio("severe ~ flair", FEW, "exact", limits="mid_p").tidy(0.9),
            "mid-p",
            "conf_level=0.9",
        ),
        (lambda: odds_ratio("severe ~ flair", FEW.iloc[:0], "exact"), "no row is left", "leave"),
        (
            lambda: odds_ratio("severe ~ x", CENTERS.assign(x=np.pi * CENTERS.index), "exact"),
            "few decimals",
            "firth",
        ),
    ],
)
def test_refuses_with_a_remedy(call, problem, remedy):
    with pytest.raises(EstimationError, match=problem) as raised:
        call()
    assert remedy in raised.value.remedy
