"""The convention of results, over every result type: add a builder here when a new estimand lands."""

import dataclasses
import html
import re
import tempfile
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import cohort as co
from cohort.glossary import GLANCE, TIDY
from cohort.models.fine_gray import fine_gray
from cohort.models.result import Result

N = 150


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(20261122)
    age = rng.normal(60, 10, N)
    age[:3] = np.nan
    return pd.DataFrame(
        {
            "age_years": age,
            "product": pd.Categorical(rng.choice(["axi-cel", "tisa-cel"], N)),
            "flair_deep": pd.Categorical(
                rng.choice(["absent", "present", "not_imaged"], N, p=[0.6, 0.3, 0.1])
            ),
            "severe_icans": pd.Categorical(rng.choice(["no", "yes"], N)),
            "days": np.ceil(rng.exponential(100, N)) + 1,
            "status": rng.integers(0, 3, N),
        }
    )


def survival() -> co.Endpoint:
    data = frame()
    return co.Endpoint.from_columns(data.assign(dead=data["status"] > 0), time="days", event="dead")


def competing() -> co.Endpoint:
    return co.Endpoint.from_columns(frame(), time="days", event="status", states={1: "relapse", 2: "nrm"})


def scores() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    risk = rng.uniform(0.1, 0.6, N)
    return pd.DataFrame({"score": rng.normal(size=N), "r50": risk, "r150": risk + 0.3})


def episodes() -> co.Endpoint:
    data = frame().assign(patient_id=range(N), dead=lambda f: f["days"].where(f["status"] == 2))
    onsets = data.loc[data["days"] > 4, ["patient_id", "days"]]
    onsets = pd.concat(
        [onsets.assign(onset=onsets["days"] // 3), onsets.assign(onset=onsets["days"] // 3 + 2)]
    )
    onsets = onsets[onsets["onset"] < onsets["days"]]
    return co.recurrent_endpoint(data, onsets, onset="onset", end="days", death="dead", name="icans")


def looked() -> pd.DataFrame:
    data = frame().assign(seen=lambda f: (f["days"] - 1) // 20 * 20)
    return data.assign(days=np.where(data["status"] == 0, np.nan, data["seen"] + 20))


def pooled() -> Any:
    folder = tempfile.mkdtemp()
    for site, rows in {"north": frame()[:75], "south": frame()[75:]}.items():
        co.export_aggregates({"age": co.odds_ratio("severe_icans ~ age_years", rows)}, folder, site=site)
    return co.pool_registries(folder)


def scanned() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    data = frame()
    status = rng.choice(["imaged", "not_imaged", "unknown"], N, p=[0.5, 0.4, 0.1])
    change = rng.choice(["new", "pre_existing", "worse", "no_prior"], N)
    return data.assign(
        icans_grade_imaging_blind=rng.integers(0, 4, N),
        mri_status=status,
        baseline_mri=np.where(change == "no_prior", "no", "yes"),
        flair_deep_change=pd.Series(change).where(data["flair_deep"] == "present"),
    )


def graded_icans() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = {"ice_score": rng.integers(0, 11, N), "edema_imaging": rng.choice(["none", "focal", "diffuse"], N)}
    signs = ("posturing", "abducens_palsy", "papilledema", "cushing_triad")
    rows |= {name: "no" for name in signs} | {
        "seizure": "none",
        "motor_deficit": "none",
        "consciousness": "alert",
    }
    return co.grade_icans(pd.DataFrame(rows))


# Each: how the result is made, and a term (or group) its text() is about.
RESULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "imaging_reclassification": (lambda: co.imaging_reclassification(graded_icans()), "upgraded"),
    "imaging_coverage": (
        lambda: co.imaging_coverage(scanned(), by=["product", "icans_grade_imaging_blind"]),
        "axi-cel",
    ),
    "baseline_value": (lambda: co.baseline_value(scanned()), "flair_deep"),
    "cox": (lambda: co.cox(survival(), "age_years + product"), "age_years"),
    "cox_cause_specific": (lambda: co.cox(competing(), "product", event="nrm", robust=True), "product"),
    "cox_time_effects": (
        lambda: co.cox(survival(), "age_years + product", time_effects={"product": [60]}),
        "age_years",
    ),
    "cox_firth": (lambda: co.cox(survival(), "age_years + product", penalty="firth"), "product"),
    "fine_gray": (lambda: fine_gray(competing(), "age_years + product", event="relapse"), "product"),
    "shared_frailty": (
        lambda: co.shared_frailty(
            survival(), "age_years + product", "center", frame().assign(center=np.arange(N) % 9)
        ),
        "product",
    ),
    "competing_risks_table": (
        lambda: co.competing_risks_table(competing(), "age_years + product"),
        "product",
    ),
    "kaplan_meier": (lambda: co.kaplan_meier(survival(), by="product"), "axi-cel"),
    "logrank": (lambda: co.logrank(survival(), "product", trend=True), "trend"),
    "multistate": (
        lambda: co.multistate(
            co.transitions(
                frame().assign(
                    ill=lambda f: (f["days"] // 2).where(f["status"] == 1), last=lambda f: f["days"]
                ),
                {"ill": "ill", "dead": "days"},
                end="last",
            ),
            by="product",
        ),
        "axi-cel",
    ),
    "recurrent": (lambda: co.recurrent(episodes(), "product"), "product"),
    "mean_cumulative_count": (lambda: co.mean_cumulative_count(episodes(), by="product"), "axi-cel"),
    "interval_censored": (
        lambda: co.interval_censored("seen", "days", looked(), by="product", seed=1, replicates=40),
        "axi-cel",
    ),
    "parametric_survival": (lambda: co.parametric_survival(survival(), "age_years + product"), "product"),
    "cumulative_incidence": (lambda: co.cumulative_incidence(competing(), by="product"), "axi-cel"),
    "odds_ratio": (lambda: co.odds_ratio("severe_icans ~ flair_deep + age_years", frame()), "age_years"),
    "odds_ratio_firth": (
        lambda: co.odds_ratio("severe_icans ~ flair_deep + age_years", frame(), method="firth"),
        "flair_deep",
    ),
    "standardized_risks": (
        lambda: co.standardized_risks("severe_icans ~ flair_deep + age_years", "flair_deep", frame()),
        "risk_difference",
    ),
    "standardized_curves": (lambda: co.standardized_curves(survival(), "product + age_years", "product"), ""),
    "standardized_incidence": (
        lambda: co.standardized_curves(competing(), "product + age_years", "product", event="nrm"),
        "",
    ),
    "diagnostic_accuracy": (
        lambda: co.diagnostic_accuracy("flair_deep", "severe_icans", frame(), prevalence=0.1),
        "sensitivity",
    ),
    "diagnostic_accuracy_unverified": (
        lambda: co.diagnostic_accuracy("severe_icans", "flair_deep", frame()),
        "specificity",
    ),
    "odds_ratio_exact": (
        lambda: co.odds_ratio("severe_icans ~ flair_deep", frame()[:60], method="exact", strata="product"),
        "flair_deep",
    ),
    "odds_ratio_conditional": (
        lambda: co.odds_ratio("severe_icans ~ age_years", frame(), method="conditional", strata="status"),
        "age_years",
    ),
    "odds_ratio_gee": (
        lambda: co.odds_ratio(
            "severe_icans ~ age_years", frame().assign(center=lambda f: f.index % 9), "gee", "center"
        ),
        "age_years",
    ),
    "odds_ratio_random_intercept": (
        lambda: co.odds_ratio(
            "severe_icans ~ age_years",
            frame().assign(center=lambda f: f.index % 9),
            "random_intercept",
            "center",
        ),
        "age_years",
    ),
    "ordinal": (lambda: co.ordinal("status ~ product + age_years", frame()), "product"),
    "roc": (
        lambda: co.roc(
            ["age_years", "days"],
            "severe_icans",
            frame().assign(days=lambda f: f["days"].where(f.index > 20)),
        ),
        "age_years - days",
    ),
    "roc_by": (
        lambda: co.roc(
            "age_years", "severe_icans", frame(), by="product", cutoffs=[60], seed=1, bootstraps=20
        ),
        "axi-cel",
    ),
    "proportion": (lambda: co.proportion("flair_deep", frame(), by="product"), "flair_deep[axi-cel]"),
    "proportion_counts": (lambda: co.proportion(2, 38), "proportion"),
    "trend": (lambda: co.trend("status", "flair_deep", frame()), "slope"),
    "trend_of_grades": (lambda: co.trend("flair_deep", "status", frame()), "slope"),
    "two_by_two": (lambda: co.two_by_two("flair_deep", "severe_icans", data=frame()), "odds_ratio"),
    "association_screen": (
        lambda: co.association_screen(["flair_deep", "age_years"], ["severe_icans", "status"], frame()),
        "flair_deep ~ severe_icans",
    ),
    "pool_registries": (pooled, "age_years"),
    "precision": (lambda: co.precision(0.3, n=80), "proportion"),
    "power_proportions": (lambda: co.power_proportions(0.2, 0.5, n=60), "power"),
    "power_hazard_ratio": (lambda: co.power_hazard_ratio(2.0, 0.3, events=60), "power"),
    "power_time_dependent": (
        lambda: co.power_time_dependent(
            2.0, 60, hazard=0.01, prevalence=0.4, onset=9.0, follow_up=99.0, simulations=40
        ),
        "power",
    ),
    "time_dependent_auc": (
        lambda: co.time_dependent_auc(competing(), ["age_years", "score"], [50, 150], scores(), event="nrm"),
        "age_years",
    ),
    "calibration": (
        lambda: co.calibration(survival(), "r150", 150, data=scores()),
        "calibration_slope",
    ),
    "decision_curve": (
        lambda: co.decision_curve(survival(), "r150", 150, scores(), thresholds=[0.2, 0.4]),
        "r150",
    ),
    "brier_score": (lambda: co.brier_score(survival(), {"m": ["r50", "r150"]}, [50, 150], scores()), "m"),
    "agreement": (
        lambda: co.agreement(
            pd.DataFrame(
                {"a": frame()["product"], "b": frame()["product"].sample(frac=1, random_state=1).to_numpy()}
            )
        ),
        "cohen_kappa",
    ),
    "two_by_two_counts": (lambda: co.two_by_two(12, 5, 6, 20), "risk_ratio"),
    "e_value": (lambda: co.e_value(3.9, 1.8, 8.7), "e_value"),
    "inverse_probability_weights": (
        lambda: co.inverse_probability_weights("flair_deep ~ age_years + product", frame()),
        "present",
    ),
    "balance": (
        lambda: co.balance(
            "flair_deep ~ age_years + product",
            frame(),
            co.inverse_probability_weights("flair_deep ~ age_years + product", frame()),
        ),
        "age_years",
    ),
    "manski_bounds": (lambda: co.manski_bounds("flair_deep", frame(), by="product"), "axi-cel"),
    "mantel_haenszel": (
        lambda: co.mantel_haenszel("flair_deep", "severe_icans", "product", frame()),
        "odds_ratio",
    ),
    "missing_patterns": (lambda: co.missing_patterns(frame()), "age_years"),
    "tipping_point": (
        lambda: co.tipping_point(
            frame()[["age_years", "severe_icans"]],
            lambda data: co.odds_ratio("severe_icans ~ age_years", data),
            "age_years",
            [-5, 0, 5],
            seed=1,
            m=3,
        ),
        "age_years",
    ),
    "pool": (
        lambda: co.pool(
            co.impute(frame()[["age_years", "severe_icans"]], m=4, seed=1).fit(
                lambda data: co.odds_ratio("severe_icans ~ age_years", data)
            )
        ),
        "age_years",
    ),
}
ON_NATURAL_SCALE = {
    "imaging_coverage",
    "baseline_value",
    "kaplan_meier",
    "cumulative_incidence",
    "two_by_two",
    "two_by_two_counts",
}
ON_NATURAL_SCALE |= {
    "calibration",
    "decision_curve",
    "e_value",
    "manski_bounds",
    "multistate",
    "diagnostic_accuracy",
    "diagnostic_accuracy_unverified",
}
FIXED_LEVEL = {"e_value", "odds_ratio_exact"}  # limits exist at the level they were given at only
ON_NATURAL_SCALE |= {"association_screen", "precision", "power_proportions", "power_hazard_ratio"}
ON_NATURAL_SCALE |= {"power_time_dependent"}
ON_NATURAL_SCALE |= {"mantel_haenszel"}
ON_NATURAL_SCALE |= {"missing_patterns"}
ON_NATURAL_SCALE |= {"proportion", "proportion_counts", "trend", "trend_of_grades"}
ON_NATURAL_SCALE |= {"balance"}
ON_NATURAL_SCALE |= {"standardized_risks", "standardized_curves", "standardized_incidence"}
ON_NATURAL_SCALE |= {"imaging_reclassification"}
ON_NATURAL_SCALE |= {"time_dependent_auc", "brier_score"}
ON_NATURAL_SCALE |= {"mean_cumulative_count", "interval_censored"}
ON_NATURAL_SCALE |= {"agreement"}
ON_NATURAL_SCALE |= {"roc", "roc_by"}


@pytest.fixture(scope="module", params=RESULTS)
def made(request: pytest.FixtureRequest) -> tuple[str, Any, str]:
    make, term = RESULTS[request.param]
    return request.param, make(), term


def test_it_is_a_frozen_dataclass_of_its_own(made):
    _, result, _ = made
    assert isinstance(result, Result)
    assert dataclasses.is_dataclass(result)
    assert type(result).__bases__ == (object,)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(result, dataclasses.fields(result)[0].name, None)


def test_tables_use_the_words_of_the_glossary(made):
    _, result, _ = made
    assert set(result.tidy().columns) <= set(TIDY)
    glance = result.glance()
    assert len(glance) == 1
    assert set(glance.columns) <= set(GLANCE)


def test_limits_bracket_the_estimate_and_widen_with_the_level(made):
    name, result, _ = made
    tidy = result.tidy().dropna(subset=["estimate", "conf_low", "conf_high"])
    assert len(tidy)
    assert (tidy["conf_low"] <= tidy["estimate"]).all()
    assert (tidy["estimate"] <= tidy["conf_high"]).all()
    if "firth" not in name and name not in FIXED_LEVEL:
        narrow = result.tidy(conf_level=0.5).loc[tidy.index]
        assert (narrow["conf_high"] - narrow["conf_low"] <= tidy["conf_high"] - tidy["conf_low"]).all()


def test_exponentiate_moves_estimates_not_standard_errors(made):
    name, result, _ = made
    log, ratio = result.tidy(), result.tidy(exponentiate=True)
    change = (lambda values: values) if name in ON_NATURAL_SCALE else np.exp
    for column in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(ratio[column], change(log[column]), rtol=1e-14)
    np.testing.assert_array_equal(ratio["std_error"], log["std_error"])


def test_what_is_missing_says_why(made):
    _, result, _ = made
    tidy = result.tidy()
    # Rows of a test alone (Fisher, Boschloo, Barnard) have a p-value and no estimate.
    missing = tidy["estimate"].isna() & (tidy["p_value"].isna() if "p_value" in tidy else True)
    assert not missing.any() or tidy.loc[missing, "reason"].ne("").all()


def test_repr_is_short_complete_and_the_same_every_time(made):
    name, result, _ = made
    text = repr(result)
    assert 3 <= len(text.splitlines()) <= 15
    assert "left out" in text
    assert not re.search(r"0x[0-9a-f]{6}|\d{4}-\d\d-\d\d|nan", text)
    assert text == repr(RESULTS[name][0]())


def test_html_says_the_same(made):
    _, result, _ = made
    page = result._repr_html_()
    assert "<table" in page
    assert "<script" not in page
    assert html.escape(repr(result).splitlines()[0].rstrip(".")) in page


def test_it_holds_no_patients(made):
    _, result, _ = made
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        assert not (isinstance(value, pd.DataFrame | pd.Series) and len(value) >= N - 3)


def test_plot_returns_axes_and_draws_on_those_given(made):
    _, result, _ = made
    ax = result.plot()
    assert isinstance(ax, Axes)
    plt.close(ax.figure)


def test_text_is_a_fragment_for_a_manuscript(made):
    _, result, term = made
    text = result.text(term)
    assert isinstance(text, str)
    assert re.search(r"\d", text)
    assert not text.endswith(".")
