"""Weighted hazard ratios and survival: R coxph and survfit (tests/reference/weights/make.R), by hand, coverage."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.errors import EstimationError
from cohort.estimators.aalen_johansen import risk_table
from cohort.estimators.kaplan_meier import kaplan_meier_curve
from cohort.estimators.weighted_survival import weighted_kaplan_meier

FOLDER = Path(__file__).parents[1] / "reference/weights"
DATA = pd.read_csv(FOLDER / "data.csv")
EXPECTED = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False)
# Curves are direct; weights are iterated to about 1e-10, and so is the partial likelihood.
DIRECT, ITERATIVE = 1e-9, 1e-8
FORMULA = "flair ~ age + male + product"
WEIGHTS = co.inverse_probability_weights(FORMULA, DATA, stabilized=False)


def reference(model: str, quantity: str) -> pd.Series:
    rows = EXPECTED[(EXPECTED["model"] == model) & (EXPECTED["quantity"] == quantity)]
    assert len(rows)
    return pd.to_numeric(rows.set_index("term")["value"], errors="coerce")


def death(data: pd.DataFrame = DATA, **columns: str) -> co.Endpoint:
    return co.Endpoint.from_columns(data, **({"time": "days", "event": "dead", "name": "death"} | columns))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_hazard_ratios_equal_coxph(ties):
    fit = co.cox(death(), "flair", weights=WEIGHTS, ties=ties)
    expected = {
        name: reference(f"cox {ties}", name).item() for name in ("estimate", "std_error", "model_std_error")
    }
    np.testing.assert_allclose(fit.tidy()["estimate"], expected["estimate"], rtol=ITERATIVE)
    np.testing.assert_allclose(fit.tidy()["std_error"], expected["std_error"], rtol=ITERATIVE)
    plain = co.cox(death(), "flair", weights=WEIGHTS, ties=ties, robust=False)
    np.testing.assert_allclose(plain.tidy()["std_error"], expected["model_std_error"], rtol=ITERATIVE)
    clustered = co.cox(death(), "flair", weights=WEIGHTS, ties=ties, cluster="center")
    clustered_se = reference(f"cox {ties}", "cluster_std_error").item()
    np.testing.assert_allclose(clustered.tidy()["std_error"], clustered_se, rtol=ITERATIVE)


def test_a_column_a_series_and_the_result_are_the_same_weights():
    data = DATA.assign(w=WEIGHTS.weights)
    fits = [
        co.cox(death(data), "flair", weights="w"),
        co.cox(death(), "flair", weights=WEIGHTS),
        co.cox(death(), "flair", weights=WEIGHTS.weights),
        co.cox(death(DATA[["days", "dead"]]), "flair", data, weights=WEIGHTS),
    ]
    for fit in fits:
        pd.testing.assert_frame_equal(fit.tidy(), fits[0].tidy())
        assert "robust standard errors" in repr(fit)
    assert "ate weights of flair ~ age + male + product, taken as known" in repr(fits[1])
    curves = [
        co.kaplan_meier(death(data), "flair", weights="w"),
        co.kaplan_meier(death(), "flair", weights=WEIGHTS),
        co.kaplan_meier(death(DATA[["days", "dead"]]), "flair", data, weights=WEIGHTS.weights),
    ]
    for km in curves:
        pd.testing.assert_frame_equal(km.tidy(), curves[0].tidy())
    assert "weight" not in DATA.columns


def test_counts_stay_counts_and_say_so():
    data = DATA.assign(count=np.where(DATA.index < 40, 2, 1))
    fit = co.cox(death(data), "flair", weights="count")
    assert fit.robust == ""
    assert any("robust=True for other weights" in note for note in fit.notes)
    repeated = pd.concat([DATA, DATA[:40]], ignore_index=True)
    twice = co.cox(death(repeated), "flair", ties="breslow").tidy()
    once = co.cox(death(data), "flair", weights="count", ties="breslow").tidy()
    np.testing.assert_allclose(once[["estimate", "std_error"]], twice[["estimate", "std_error"]], rtol=1e-9)


def curve_of(model: str, km: object, data: pd.DataFrame) -> None:
    tidy = km.tidy()
    keys = "flair=" + tidy["strata"] + " " + tidy["time"].map("{:g}".format)
    survival, error = reference(model, "survival"), reference(model, "std_error")
    assert keys.tolist() == survival.index.tolist()
    np.testing.assert_allclose(tidy["estimate"], survival, rtol=DIRECT, atol=1e-14)
    some = tidy["estimate"].to_numpy() > 0
    np.testing.assert_allclose(tidy["std_error"][some], error.to_numpy()[some], rtol=DIRECT, atol=1e-14)
    median = km.median()
    for ours, theirs in (("estimate", "median"), ("conf_low", "lower"), ("conf_high", "upper")):
        np.testing.assert_allclose(median[ours], reference(model, theirs), rtol=DIRECT)


def test_survival_equals_survfit():
    curve_of("survival", co.kaplan_meier(death(), "flair", weights=WEIGHTS), DATA)


def test_survival_with_late_entry_equals_survfit():
    late = DATA.assign(entry=np.minimum(DATA["days"] - 1, (DATA.index + 1) % 7))
    km = co.kaplan_meier(death(late, entry="entry"), "flair", weights=WEIGHTS)
    curve_of("survival late", km, late)


def test_rows_of_one_patient_count_together():
    first = DATA.assign(start=0, stop=DATA["days"].clip(upper=20), dead=DATA["dead"] * (DATA["days"] <= 20))
    second = DATA[DATA["days"] > 20].assign(start=20, stop=lambda f: f["days"])
    long = pd.concat([first, second]).assign(w=WEIGHTS.weights, who=lambda f: f.index).reset_index(drop=True)
    endpoint = co.Endpoint.from_columns(long, start="start", stop="stop", event="dead", id="who")
    tidy = co.kaplan_meier(endpoint, "flair", weights="w").tidy().set_index(["strata", "time"])
    whole = co.kaplan_meier(death(), "flair", weights=WEIGHTS).tidy().set_index(["strata", "time"])
    rows = tidy.loc[whole.index]
    np.testing.assert_allclose(rows["estimate"], whole["estimate"], rtol=1e-12)
    np.testing.assert_allclose(rows["std_error"], whole["std_error"], rtol=1e-11)


def test_clusters_equal_survfit():
    found = []
    for flair in (0, 1):
        rows = DATA[DATA["flair"] == flair]
        w = WEIGHTS.weights.loc[rows.index].to_numpy()
        days, dead = rows["days"].to_numpy(dtype=float), rows["dead"].to_numpy() == 1
        codes = np.unique(rows["center"], return_inverse=True)[1].astype(np.intp)
        found.append(weighted_kaplan_meier(np.zeros(len(rows)), days, dead, w, codes))
    survival = np.concatenate([curve.survival for curve in found])
    error = np.concatenate([curve.std_error for curve in found])
    np.testing.assert_allclose(survival, reference("survival clustered", "survival"), rtol=DIRECT, atol=1e-14)
    some = survival > 0
    expected = reference("survival clustered", "std_error").to_numpy()
    np.testing.assert_allclose(error[some], expected[some], rtol=DIRECT, atol=1e-14)


def test_survival_by_hand():
    # weights 2, 1, 1: at 1 half of the weight dies; at 2 one is censored; at 3 the last one dies.
    # influence on log S(1), n = 4 and d = 2: of the dead d/(n(n-d)) - 1/(n-d) = -1/4 times the weight 2,
    # of the others d/(n(n-d)) = 1/4; variance (2/4)^2 + (1/4)^2 + (1/4)^2 = 6/16
    curve = weighted_kaplan_meier(
        np.zeros(3), np.array([1.0, 2, 3]), np.array([True, False, True]), np.array([2.0, 1, 1])
    )
    np.testing.assert_allclose(curve.survival, [0.5, 0.5, 0], rtol=1e-15)
    np.testing.assert_allclose(curve.std_error[:2], 0.5 * np.sqrt(6) / 4, rtol=1e-14)
    assert np.isnan(curve.std_error[2])


@given(st.integers(0, 10_000), st.floats(0.01, 100))
@settings(deadline=None, max_examples=40)
def test_properties_of_weighted_curves(seed, factor):
    rng = np.random.default_rng(seed)
    stop = rng.integers(1, 9, 30).astype(float)
    event = rng.random(30) < 0.6
    equal = weighted_kaplan_meier(np.zeros(30), stop, event, np.full(30, factor))
    plain = kaplan_meier_curve(risk_table(np.zeros(30), stop, event.astype(int)))
    np.testing.assert_allclose(equal.survival, plain.survival, rtol=1e-12, atol=1e-15)
    w = rng.exponential(size=30) + 0.01
    one, scaled = (weighted_kaplan_meier(np.zeros(30), stop, event, k * w) for k in (1.0, factor))
    np.testing.assert_allclose(one.survival, scaled.survival, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(one.std_error, scaled.std_error, rtol=1e-8, atol=1e-12)
    assert (np.diff(one.survival) <= 1e-15).all()
    uncensored = weighted_kaplan_meier(np.zeros(30), stop, np.ones(30, dtype=bool), np.ones(30))
    greenwood = kaplan_meier_curve(risk_table(np.zeros(30), stop, np.ones(30, dtype=int)))
    np.testing.assert_allclose(uncensored.std_error, greenwood.std_error, rtol=1e-10)


def test_who_has_no_weight_is_left_out_by_reason():
    data = DATA.assign(w=WEIGHTS.weights.where(DATA.index >= 5))
    data.loc[5:7, "w"] = 0.0
    km = co.kaplan_meier(death(data), "flair", weights="w")
    assert km.left_out == (("w", "missing", 5), ("w", "zero", 3))
    assert km.n == len(DATA) - 8
    assert "patients, not weights" in repr(km)
    fit = co.cox(death(), "flair", weights=WEIGHTS.weights.iloc[10:])
    assert fit.left_out == (("inverse_probability_weight", "missing", 10),)


def test_what_weights_take_away_says_why():
    km = co.kaplan_meier(death(), "flair", weights=WEIGHTS)
    assert "co.cox" in km.logrank["reason"]
    assert np.isnan(km.logrank["p_value"])
    mean = km.rmst(50)
    assert mean["std_error"].isna().all()
    assert mean["reason"].str.contains("bootstrap").all()
    alone = co.kaplan_meier(death(DATA.assign(one=1.5)), "flair", weights="one").rmst(50)
    plain = co.kaplan_meier(death(), "flair").rmst(50)
    np.testing.assert_allclose(alone["estimate"], plain["estimate"], rtol=1e-12)
    assert km.plot() is not None
    plt.close("all")
    assert "weighted Kaplan-Meier, robust standard errors" in km.glance()["method"].item()


def test_odds_ratios_equal_svyglm():
    fit = co.odds_ratio("severe ~ flair + age", DATA, weights=WEIGHTS)
    np.testing.assert_allclose(fit.estimate, reference("odds", "estimate"), rtol=ITERATIVE)
    np.testing.assert_allclose(fit.std_error, reference("odds", "std_error"), rtol=ITERATIVE)
    clustered = co.odds_ratio("severe ~ flair + age", DATA, weights=WEIGHTS, cluster="center")
    np.testing.assert_allclose(clustered.std_error, reference("odds clustered", "std_error"), rtol=ITERATIVE)
    assert "weighted maximum likelihood, wald limits, robust" in repr(fit)
    assert "robust to 12 clusters" in repr(clustered)
    assert any("taken as known" in note for note in fit.notes)


def test_odds_ratio_by_hand():
    # weights make a table of 6 and 2 against 2 and 6: odds 3 and 1/3. Score variance of each group by its weights:
    # w (y - 3/4): 6 of weight 1 add (1/4)^2 each, one of weight 2 adds (2 * 3/4)^2; information 8 * 3/16
    data = pd.DataFrame(
        {"x": [1] * 7 + [0] * 7, "y": [1] * 6 + [0] + [0] * 6 + [1], "w": ([1] * 6 + [2]) * 2}
    )
    fit = co.odds_ratio("y ~ x", data, weights="w")
    group = (6 / 16 + 9 / 4) / 1.5**2
    np.testing.assert_allclose(fit.estimate, [-np.log(3), 2 * np.log(3)], rtol=1e-9)
    np.testing.assert_allclose(fit.std_error, np.sqrt([group * 14 / 13, 2 * group * 14 / 13]), rtol=1e-9)
    assert np.isnan(fit.glance()["log_likelihood"].item())


def test_a_weight_of_zero_is_none():
    data = DATA.assign(w=1.3)
    data.loc[:9, "w"] = 0.0
    fit = co.odds_ratio("severe ~ flair", data, weights="w")
    assert fit.left_out == (("w", "missing", 10),)
    plain = co.odds_ratio("severe ~ flair", DATA.iloc[10:])
    np.testing.assert_allclose(fit.estimate, plain.estimate, rtol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "firth"},
        {"limits": "profile"},
        {"method": "exact"},
        {"cluster": "center", "variance": "bias_reduced"},
    ],
)
def test_odds_ratios_without_weights_say_so(options):
    with pytest.raises(EstimationError, match='method="ml", limits="wald", weights='):
        co.odds_ratio("severe ~ flair", DATA, weights=WEIGHTS, **options)


def test_separation_is_named_with_weights_too():
    data = DATA.assign(rare=(DATA["severe"] == 1) & (DATA.index < 12))
    with pytest.raises(EstimationError, match="separation: rare"):
        co.odds_ratio("severe ~ flair + rare", data, weights=WEIGHTS)


def logistic(endpoint: co.Endpoint, formula: str, weights: object) -> object:
    return co.odds_ratio(f"severe ~ {formula}", DATA, weights=weights)


@pytest.mark.parametrize("estimate", [co.cox, co.kaplan_meier, logistic])
@pytest.mark.parametrize(
    ("weights", "pattern"),
    [
        (pd.Series(1.0, index=DATA.index + 9999), "same index"),
        (pd.Series(-1.0, index=DATA.index), "negative"),
        (pd.Series(1.0, index=[0, 0]), "one weight per row"),
        (2.0, "co.inverse_probability_weights"),
        ("wt", "unknown column wt"),
        ("product", "not num"),
    ],
)
def test_refusals(estimate, weights, pattern):
    with pytest.raises(EstimationError, match=pattern):
        estimate(death(), "flair", weights=weights)


def simulate(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw patients whose sickness drives exposure and death; exposure itself does nothing."""
    sick = rng.normal(size=n)
    exposed = rng.random(n) < 1 / (1 + np.exp(-sick))
    days = rng.exponential(np.exp(4 - 0.8 * sick))
    return pd.DataFrame(
        {"sick": sick, "exposed": exposed, "days": np.minimum(days, 200) + 0.5, "dead": days < 200}
    )


def coverage(n: int, repeats: int, seed: int) -> tuple[float, float, float]:
    """Return coverage of 1 by weighted limits, the mean weighted and the mean crude log hazard ratio."""
    rng = np.random.default_rng(seed)
    covered, weighted, crude = [], [], []
    for _ in range(repeats):
        data = simulate(rng, n)
        w = co.inverse_probability_weights("exposed ~ sick", data)
        row = co.cox(death(data), "exposed", weights=w).tidy().iloc[0]
        covered.append(row["conf_low"] <= 0 <= row["conf_high"])
        weighted.append(row["estimate"])
        crude.append(co.cox(death(data), "exposed").tidy()["estimate"].item())
    return float(np.mean(covered)), float(np.mean(weighted)), float(np.mean(crude))


def test_weighting_removes_confounding():
    covered, weighted, crude = coverage(300, 30, 20261126)
    assert covered >= 0.85
    assert abs(weighted) < 0.08
    assert crude > 0.45


@pytest.mark.slow
def test_robust_limits_cover():
    """1,000 samples: Monte-Carlo error of 95 % is 0.7 %; limits that take weights as known may cover more."""
    covered, weighted, crude = coverage(400, 1000, 1)
    assert 0.935 <= covered <= 0.995
    assert abs(weighted) < 0.02
    assert crude > 0.45
