"""Export and pooling of registries: what leaves, what is refused, and agreement with the analysis of pooled rows."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort import style
from cohort.errors import EstimationError, SourceError, StudyError
from cohort.estimators.meta_analysis import fixed_effect, random_effects

FORMULA = "severe ~ edema + age_years"


def registry(n, seed, rare=0.3, effect=0.8):
    rng = np.random.default_rng(seed)
    edema, age = rng.random(n) < rare, rng.normal(60, 10, n)
    risk = 1 / (1 + np.exp(-(-1 + effect * edema + 0.02 * (age - 60))))
    days = np.ceil(rng.exponential(200 / np.exp(0.4 * edema)))
    return pd.DataFrame(
        {
            "edema": np.where(edema, "present", "absent"),
            "age_years": age,
            "severe": np.where(rng.random(n) < risk, "yes", "no"),
            "days": np.minimum(days, 365.0),
            "dead": days < 365,
        }
    )


@pytest.fixture
def three(tmp_path):
    frames = {site: registry(400, i) for i, site in enumerate(("east", "north", "south"))}
    for site, data in frames.items():
        survival = co.Endpoint.from_columns(data, time="days", event="dead")
        results = {
            "severe": co.odds_ratio(FORMULA, data),
            "survival": co.cox(survival, "edema + age_years"),
            "table": co.two_by_two("edema", "severe", data=data),
        }
        co.export_aggregates(results, tmp_path, site=site, data={"severe": data, "survival": survival})
    return tmp_path, frames


def test_pooled_estimates_are_those_of_the_estimators(three):
    folder, frames = three
    fits = [co.odds_ratio(FORMULA, data) for data in frames.values()]
    y = np.array([fit.estimate[1] for fit in fits])
    v = np.array([fit.covariance[1, 1] for fit in fits])
    pooled = co.pool_registries(folder, "severe")
    tidy = pooled.tidy()
    edema = tidy[tidy["term"] == "edema"].set_index("method")
    fixed, random = fixed_effect(y, v), random_effects(y, v)
    for column in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
        assert edema.loc["fixed", column] == getattr(fixed, column)
        assert edema.loc["random", column] == getattr(random, column)
    assert edema.loc["random", "prediction_high"] == random.prediction_high
    by = pooled.by_registry()
    np.testing.assert_array_equal(by[by["term"] == "edema"]["estimate"], y)
    np.testing.assert_allclose(by[by["term"] == "edema"]["weight_fixed"], fixed.weights, rtol=1e-14)
    alone = pooled.leave_one_out()
    first = alone[(alone["term"] == "edema") & (alone["strata"] == "east") & (alone["method"] == "fixed")]
    assert first["estimate"].item() == fixed_effect(y[1:], v[1:]).estimate


@pytest.mark.parametrize("name", ["severe", "survival"])
def test_two_stages_agree_with_pooled_rows(three, name):
    # Fixed multivariate pooling is one Newton step from the stratified analysis of all rows: a few hundredths of a
    # standard error at 400 patients per registry.
    folder, frames = three
    rows = pd.concat([data.assign(registry=site) for site, data in frames.items()], ignore_index=True)
    if name == "severe":
        whole = co.odds_ratio(f"{FORMULA} + registry", rows).tidy()
    else:
        whole = co.cox(
            co.Endpoint.from_columns(rows, time="days", event="dead"), "edema + age_years", strata="registry"
        ).tidy()
    whole = whole.set_index("term").loc[["edema", "age_years"]]
    tidy = co.pool_registries(folder, name).tidy()
    two = tidy[tidy["method"] == "multivariate"].set_index("term").loc[["edema", "age_years"]]
    assert ((two["estimate"] - whole["estimate"]).abs() < 0.06 * whole["std_error"]).all()
    np.testing.assert_allclose(two["std_error"], whole["std_error"], rtol=9e-3)


def test_files_hold_no_rows_and_no_intercept(three):
    folder, _ = three
    content = json.loads((folder / "east.json").read_text(encoding="utf-8"))
    assert set(content["results"]) == {"severe", "survival", "table"}
    severe = content["results"]["severe"]
    assert severe["terms"] == [["edema", "present"], ["age_years", ""]]
    assert np.shape(severe["covariance"]) == (2, 2)
    assert severe["n"] == 400
    longest = max(
        len(v) for part in content["results"].values() for v in part.values() if isinstance(v, list)
    )
    assert longest <= 2


def test_tables_are_pooled_by_woolf_and_peto(three):
    folder, frames = three
    pooled = co.pool_registries(folder, "table")
    tidy = pooled.tidy().set_index("method")
    tables = [co.two_by_two("edema", "severe", data=d).counts for d in frames.values()]
    y = np.array([np.log(t.a * t.d / (t.b * t.c)) for t in tables])
    v = np.array([1 / t.a + 1 / t.b + 1 / t.c + 1 / t.d for t in tables])
    assert tidy.loc["fixed", "estimate"] == pytest.approx(fixed_effect(y, v).estimate, rel=1e-12)
    assert abs(tidy.loc["peto", "estimate"] - tidy.loc["fixed", "estimate"]) < 0.1
    assert pooled.text("odds_ratio").startswith("odds ratio")


def small_registry():
    """40 patients, 3 of 10 with edema severe: cells 3, 7, 10, 20."""
    edema = np.repeat(["present", "absent"], [10, 30])
    severe = np.repeat(["yes", "no", "yes", "no"], [3, 7, 10, 20])
    return pd.DataFrame(
        {"edema": edema, "severe": severe, "age_years": np.resize([61.0, 44, 70, 55, 38], 40)}
    )


def test_small_cells_do_not_leave(tmp_path):
    data = small_registry()
    results = {
        "severe": co.odds_ratio(FORMULA, data),
        "table": co.two_by_two("edema", "severe", data=data),
    }
    out = co.export_aggregates(results, tmp_path, site="north", data={"severe": data})
    assert out.results["severe"].terms == (("age_years", ""),)
    assert out.withheld["reason"].tolist() == ["a count below the disclosure threshold"] * 2
    assert repr(out).splitlines()[1:] == ["severe: 1 coefficients, 1 withheld", "table: withheld as a whole"]
    text = (tmp_path / "north.json").read_text(encoding="utf-8")
    assert json.loads(text)["results"]["table"]["table"] is None
    # At a threshold that the smallest cell reaches, all leaves.
    assert co.export_aggregates(
        results, tmp_path, site="n2", min_cell=3, data={"severe": data}
    ).withheld.empty


def test_without_data_the_variance_must_rule_small_cells_out(tmp_path):
    data = registry(400, 1)
    small = co.odds_ratio("severe ~ edema", small_registry())
    assert small.covariance[1, 1] == pytest.approx(1 / 3 + 1 / 7 + 1 / 10 + 1 / 20, rel=1e-6)
    withheld = co.export_aggregates({"severe": small}, tmp_path, site="a").withheld
    assert "counts by level are not known" in withheld["reason"].item()
    assert co.export_aggregates({"severe": co.odds_ratio(FORMULA, data)}, tmp_path, site="b").withheld.empty


def test_without_data_hazards_and_penalized_odds_do_not_leave(tmp_path):
    data = registry(400, 1)
    survival = co.Endpoint.from_columns(data, time="days", event="dead")
    results = {
        "cox": co.cox(survival, "edema"),
        "firth": co.odds_ratio("severe ~ edema", data, method="firth"),
    }
    held = co.export_aggregates(results, tmp_path, site="a").withheld
    assert held["result"].tolist() == ["cox", "firth"]


def test_subdistribution_hazards_are_exported_and_pooled(tmp_path):
    for i, site in enumerate(("a", "b", "c")):
        data = registry(300, i)
        data["status"] = np.where(data["dead"], 1 + np.arange(300) % 2, 0)
        endpoint = co.Endpoint.from_columns(
            data, time="days", event="status", states={1: "nrm", 2: "relapse"}, name="outcome"
        )
        result = co.fine_gray(endpoint, "edema", event="nrm")
        out = co.export_aggregates({"nrm": result}, tmp_path, site=site, data={"nrm": endpoint})
        assert out.withheld.empty
    pooled = co.pool_registries(tmp_path)
    assert pooled.text("edema").startswith("subdistribution hazard ratio")


def test_few_events_withhold_the_whole_result(tmp_path):
    data = registry(300, 2)
    data["severe"] = np.where(np.arange(300) % 100 == 0, "yes", "no")
    for site in ("a", "b"):
        out = co.export_aggregates({"severe": co.odds_ratio("severe ~ age_years", data)}, tmp_path, site=site)
        assert out.results["severe"].n == -1
    with pytest.raises(StudyError, match="0 registries"):
        co.pool_registries(tmp_path)


def test_registries_that_lack_a_level_are_refused_unless_terms_are_named(tmp_path):
    for i, site in enumerate(("a", "b", "c")):
        data = registry(300, i)
        levels = ["axi", "tisa", "liso"][: 2 if site == "c" else 3]
        data["product"] = pd.Categorical(np.resize(levels, 300), levels)
        co.export_aggregates({"p": co.odds_ratio("severe ~ product", data)}, tmp_path, site=site)
    with pytest.raises(StudyError, match=r"c lacks product\[liso\]"):
        co.pool_registries(tmp_path)
    pooled = co.pool_registries(tmp_path, terms=["product"])
    tidy = pooled.tidy().set_index(["level", "method"])
    assert set(tidy.index.get_level_values(0)) == {"tisa", "liso"}
    assert tidy.loc[("liso", "random"), "reason"] == "no prediction below three registries"
    assert pooled.left_out == (("c", "product[liso] (no such coefficient)"),)
    assert "left out: c: product[liso]" in repr(pooled)


def test_zero_cells_are_left_out_of_woolf_and_kept_by_peto(tmp_path):
    for site, cells in {"a": (12, 30, 20, 90), "b": (9, 25, 14, 80), "c": (0, 12, 8, 60)}.items():
        co.export_aggregates({"t": co.two_by_two(*cells)}, tmp_path, site=site)
    pooled = co.pool_registries(tmp_path)
    assert pooled.left_out == (("c", "odds_ratio (a zero cell)"),)
    tidy = pooled.tidy().set_index("method")
    assert tidy.loc["peto", "n"] == 12 + 30 + 20 + 90 + 9 + 25 + 14 + 80 + 80
    assert tidy.loc["fixed", "n"] == tidy.loc["peto", "n"] - 80


def write(folder, site, formula="severe ~ edema", seed=1, study=None, **options):
    data = registry(300, seed)
    result = co.odds_ratio(formula, data, **options)
    return co.export_aggregates({"severe": result}, folder, site=site, study=study)


def other_reference(folder):
    data = registry(300, 3)
    data["edema"] = pd.Categorical(data["edema"], ["absent", "present"]).rename_categories(["no", "yes"])
    co.export_aggregates({"severe": co.odds_ratio("severe ~ edema", data)}, folder, site="b")


def other_study(folder):
    for site in ("a", "b"):
        file = folder / f"{site}.yaml"
        file.write_text(site, encoding="utf-8")
        write(folder, site, study=file)


def edited(folder):
    write(folder, "b")
    path = folder / "b.json"
    content = json.loads(path.read_text(encoding="utf-8")) | {"dictionary_sha256": "0" * 64}
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("second", "pattern"),
    [
        (lambda f: write(f, "b", "severe ~ edema + age_years"), "different formula"),
        (lambda f: write(f, "b", method="firth"), "different method"),
        (other_reference, "different reference category"),
        (other_study, "different study file"),
        (edited, "different data dictionary"),
        (
            lambda f: co.export_aggregates({"severe": co.two_by_two(20, 20, 20, 20)}, f, site="b"),
            "different kind",
        ),
        (lambda f: None, "1 registries, and pooling needs two"),
    ],
)
def test_different_questions_are_refused(tmp_path, second, pattern):
    write(tmp_path, "a")
    second(tmp_path)
    with pytest.raises(StudyError, match=pattern):
        co.pool_registries(tmp_path)


@pytest.mark.parametrize(
    ("call", "error", "pattern"),
    [
        (lambda f: co.pool_registries(f / "nowhere"), SourceError, "no file of aggregates"),
        (lambda f: co.pool_registries(f, "other"), StudyError, "no registry has a result 'other'"),
        (lambda f: co.pool_registries(f, "severe", terms=["sex"]), StudyError, "no registry has the term"),
        (lambda f: co.pool_registries(f, "severe", tau="ml"), EstimationError, 'tau="reml"'),
        (lambda f: co.pool_registries(f, "severe", small_sample="hk"), EstimationError, "truncated"),
        (lambda f: co.pool_registries(f, "severe", conf_level=1), EstimationError, "between 0 and 1"),
        (lambda f: co.pool_registries(f, "severe").text("sex"), EstimationError, "edema"),
        (lambda f: write(f, "my site"), StudyError, 'site="north"'),
        (lambda f: co.export_aggregates({}, f, site="x"), StudyError, "no result"),
        (lambda f: co.export_aggregates({"a": registry(50, 1)}, f, site="x"), StudyError, "is a DataFrame"),
        (lambda f: write(f, "x", study=f / "none.yaml"), StudyError, "none.yaml"),
        (
            lambda f: co.export_aggregates({"t": co.two_by_two(9, 9, 9, 9)}, f, site="x", min_cell=0),
            StudyError,
            "min_cell=5",
        ),
        (
            lambda f: co.export_aggregates(
                {"s": co.odds_ratio(FORMULA, registry(300, 1))}, f, site="x", data={"s": registry(300, 2)}
            ),
            StudyError,
            "not what it was estimated from",
        ),
        (
            lambda f: co.export_aggregates(
                {"s": co.two_by_two(9, 9, 9, 9)}, f, site="x", data={"r": registry(300, 2)}
            ),
            StudyError,
            "names of results=",
        ),
    ],
)
def test_refuses_with_a_remedy(tmp_path, call, error, pattern):
    write(tmp_path, "a")
    write(tmp_path, "b", seed=2)
    with pytest.raises(error, match=pattern):
        call(tmp_path)


def test_other_files_are_refused(tmp_path):
    write(tmp_path, "a")
    (tmp_path / "b.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SourceError, match=r"b\.json is not a file of aggregates"):
        co.pool_registries(tmp_path)


def test_forest_draws_registries_and_what_was_pooled(three):
    folder, _ = three
    pooled = co.pool_registries(folder, "severe")
    ax = pooled.plot(term="edema[present]")
    drawn = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "estimate"]
    ratios = pooled.tidy(exponentiate=True).query("term == 'edema'").set_index("method")["estimate"]
    own = pooled.by_registry(exponentiate=True).query("term == 'edema'")["estimate"]
    np.testing.assert_allclose(drawn, [*own, ratios["fixed"], ratios["random"], ratios["random"]], rtol=1e-14)
    assert style.check_layout(ax.get_figure(root=True)) == []
    plt.close("all")


def test_two_registries_are_cautioned(tmp_path):
    write(tmp_path, "a")
    write(tmp_path, "b", seed=2)
    pooled = co.pool_registries(tmp_path)
    assert "with 2 registries the variance between them is hardly known" in " ".join(repr(pooled).split())
    assert "one registry is left" in set(pooled.leave_one_out()["reason"])
    assert len(repr(pooled).splitlines()) <= 15
