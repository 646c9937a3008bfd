"""Accuracy of a test, of the verified and corrected: by hand, published, against R, and as properties."""

from __future__ import annotations

from math import exp, inf, isnan, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import EstimationError
from cohort.estimators.accuracy import PROPORTIONS, AccuracyCounts, CellShares, accuracy_measures, shares_of
from cohort.estimators.imputed_reference import ImputedShares, impute_reference, pooled_wilson
from cohort.estimators.verification import VerifiedSample, begg_greenes, inverse_probability
from cohort.estimators.verification_bounds import verification_bounds

FOLDER = Path(__file__).parents[1] / "reference/accuracy"
EXPECTED, DATA = pd.read_csv(FOLDER / "expected.csv"), pd.read_csv(FOLDER / "data.csv")
TABLES = {"a": (40, 10, 5, 60), "b": (3, 1, 2, 32), "c": (231, 32, 27, 54)}
Z = 1.959963984540054
DIRECT, ITERATIVE, NUMERIC = 1e-10, 1e-8, 1e-7  # closed forms; Newton; numeric derivatives in make.R
COUNTS = st.tuples(*[st.integers(1, 30)] * 4)


def expected(part, term, quantity="estimate"):
    found = EXPECTED[
        (EXPECTED["part"] == part)
        & (EXPECTED["term"].fillna("") == term)
        & (EXPECTED["quantity"] == quantity)
    ]
    return float(found["value"].item())


def sample_of(tp, fp, fn, tn, u1=0, u0=0):
    groups = [(1, 1, 1, tp), (1, 0, 1, fp), (0, 1, 1, fn), (0, 0, 1, tn), (1, 0, 0, u1), (0, 0, 0, u0)]
    test, condition, verified = (
        np.concatenate([np.full(n, values[j], dtype=bool) for *values, n in groups]) for j in range(3)
    )
    return VerifiedSample(test, condition, verified)


def sample_of_data():
    verified = DATA["verified"].to_numpy() == 1
    return VerifiedSample(
        DATA["test"].to_numpy() == 1, (DATA["condition"].to_numpy() == 1) & verified, verified
    )


def test_table_by_hand():
    # 8 of 10 with the condition are positive, 3 of 15 without: Se .8, Sp .8, LR+ 4, LR- 1/4, DOR 16
    found = accuracy_measures(AccuracyCounts(8, 3, 2, 12), prevalence=[0.1])
    value = {term: next(iter(methods.values())).estimate for (term, _), methods in found.items()}
    np.testing.assert_allclose(
        [value[t] for t in ("sensitivity", "specificity", "youden", "accuracy")], [0.8, 0.8, 0.6, 0.8]
    )
    np.testing.assert_allclose(
        [value[f"{s}_likelihood_ratio"] for s in ("positive", "negative")], [4, 0.25], rtol=1e-14
    )
    np.testing.assert_allclose(value["diagnostic_odds_ratio"], 16, rtol=1e-14)
    # Bayes at 1 in 10: .08 / (.08 + .18), and .72 / (.72 + .02)
    after = [value[f"{s}_predictive_value_at_prevalence"] for s in ("positive", "negative")]
    np.testing.assert_allclose(after, [8 / 26, 72 / 74], rtol=1e-14)
    # log LR+: 1/8 - 1/10 + 1/3 - 1/15
    wald = found["positive_likelihood_ratio", ""]["wald"]
    np.testing.assert_allclose(
        [wald.conf_low, wald.conf_high],
        [4 * exp(side * Z * sqrt(1 / 8 - 1 / 10 + 1 / 3 - 1 / 15)) for side in (-1, 1)],
        rtol=1e-12,
    )


@pytest.mark.parametrize("name", TABLES)
def test_equals_epi_tests(name):
    """make.R: epiR::epi.tests 2.0.57 and prop.test."""
    found = accuracy_measures(AccuracyCounts(*TABLES[name]))
    for (term, _), methods in found.items():
        if term == "youden":
            continue  # epiR combines the exact limits of both
        m = methods["exact" if term in PROPORTIONS else "wald"]
        got = [m.estimate, m.conf_low, m.conf_high]
        want = [expected(f"epiR {name}", term, q) for q in ("estimate", "conf_low", "conf_high")]
        np.testing.assert_allclose(got, want, rtol=DIRECT)
    wilson = found["sensitivity", ""]["wilson"]
    np.testing.assert_allclose(
        [wilson.conf_low, wilson.conf_high],
        [expected(f"wilson {name}", "sensitivity", q) for q in ("conf_low", "conf_high")],
        rtol=DIRECT,
    )


def test_zero_cells_keep_score_limits():
    found = accuracy_measures(AccuracyCounts(6, 0, 4, 20))
    plus = found["positive_likelihood_ratio", ""]
    assert plus["score"].estimate == inf
    assert plus["score"].conf_low > 1
    assert isnan(plus["wald"].conf_low)
    assert "zero" in plus["wald"].reason
    # all 10 specific: 20/20, lower Clopper-Pearson limit .025^(1/20)
    np.testing.assert_allclose(found["specificity", ""]["exact"].conf_low, 0.025 ** (1 / 20), rtol=1e-12)


def test_nobody_with_the_condition_says_so():
    found = accuracy_measures(AccuracyCounts(0, 3, 0, 7), prevalence=[0.2])
    assert isnan(found["sensitivity", ""]["exact"].estimate)
    assert found["sensitivity", ""]["exact"].reason == "nobody with the condition was verified"
    assert found["positive_predictive_value_at_prevalence", "0.2"]["score"].reason
    assert found["specificity", ""]["exact"].estimate == 0.7


def test_hepatic_scintigraphy_is_as_published():
    """Begg and Greenes 1983: 0.836 and 0.738 where the verified alone give 0.895 and 0.628."""
    sample = sample_of(231, 32, 27, 54, 166, 140)
    found = begg_greenes(sample).measures()
    # by hand: 429 x 231/263 = 376.80 and 221 x 27/81 = 73.67 expected to have the disease
    with_positive, with_negative = 429 * 231 / 263, 221 * 27 / 81
    se = with_positive / (with_positive + with_negative)
    sp = (221 - with_negative) / (650 - with_positive - with_negative)
    np.testing.assert_allclose(
        [found["sensitivity", ""].estimate, found["specificity", ""].estimate], [se, sp], rtol=1e-13
    )
    assert round(se, 3) == 0.836
    assert round(sp, 3) == 0.738
    naive = accuracy_measures(sample.counts())
    assert round(naive["sensitivity", ""]["exact"].estimate, 3) == 0.895
    assert round(naive["specificity", ""]["exact"].estimate, 3) == 0.628


@pytest.mark.parametrize("term", ["sensitivity", "specificity"])
def test_begg_greenes_equals_its_equations(term):
    """make.R: the published variance of the logit; over strata by numeric derivatives."""
    m = begg_greenes(sample_of_data()).measures()[term, ""]
    want = [expected("begg_greenes", term, q) for q in ("estimate", "std_error", "conf_low", "conf_high")]
    np.testing.assert_allclose([m.estimate, m.std_error, m.conf_low, m.conf_high], want, rtol=DIRECT)
    m = begg_greenes(sample_of_data(), DATA["stage"].to_numpy()).measures()[term, ""]
    np.testing.assert_allclose(m.estimate, expected("begg_greenes strata", term), rtol=DIRECT)
    np.testing.assert_allclose(m.std_error, expected("begg_greenes strata", term, "std_error"), rtol=NUMERIC)


@pytest.mark.parametrize("term", ["sensitivity", "specificity"])
def test_inverse_probability_equals_stacked_equations(term):
    """make.R: glm, and the sandwich of the stacked equations, also summed within patients."""
    X = np.column_stack([np.ones(len(DATA)), DATA[["test", "burden", "stage"]]])
    found = inverse_probability(sample_of_data(), X)
    m = found.shares.measures()[term, ""]
    np.testing.assert_allclose(m.estimate, expected("ipw", term), rtol=ITERATIVE)
    np.testing.assert_allclose(m.std_error, expected("ipw", term, "std_error"), rtol=ITERATIVE)
    np.testing.assert_allclose(found.weights.max(), expected("ipw", "", "weight_max"), rtol=ITERATIVE)
    codes = pd.factorize(DATA["patient"])[0]
    m = inverse_probability(sample_of_data(), X, codes).shares.measures()[term, ""]
    np.testing.assert_allclose(m.std_error, expected("ipw cluster", term, "std_error"), rtol=ITERATIVE)


def clustered_verified():
    verified = DATA[DATA["verified"] == 1]
    t, d = verified["test"].to_numpy(), verified["condition"].to_numpy()
    cells = np.column_stack([t * d, t * (1 - d), (1 - t) * d, (1 - t) * (1 - d)])
    shares = cells.mean(axis=0)
    codes = pd.factorize(verified["patient"])[0]
    return verified, shares_of(cells - shares, shares, codes, "")


def test_clusters_equal_survey():
    """make.R: survey::svyratio 4.1.1 over patients."""
    found = clustered_verified()[1].measures()
    for term in PROPORTIONS[:4]:
        m = found[term, ""]
        np.testing.assert_allclose(m.estimate, expected("survey", term), rtol=DIRECT)
        np.testing.assert_allclose(m.std_error, expected("survey", term, "std_error"), rtol=DIRECT)


def test_clusters_equal_geepack_but_for_the_small_sample_factor():
    """make.R: geepack::geeglm under independence among those with the condition."""
    verified, shares = clustered_verified()
    m = shares.measures()["sensitivity", ""]
    clusters = verified["patient"].nunique()
    logit_error = m.std_error / (m.estimate * (1 - m.estimate)) * sqrt((clusters - 1) / clusters)
    np.testing.assert_allclose(logit_error, expected("geepack", "sensitivity", "std_error"), rtol=ITERATIVE)


def test_pooling_equals_mice_and_the_equation_of_lott_and_reiter():
    """make.R: mice::pool.scalar; the Wilson limits as roots of their equation."""
    tables = np.array(
        [[30, 12, 9, 49], [33, 9, 6, 52], [28, 14, 10, 48], [31, 11, 8, 50], [30, 12, 5, 53]], dtype=float
    )
    found = ImputedShares(tables).measures()
    terms = ["sensitivity", "positive_likelihood_ratio", "negative_likelihood_ratio", "diagnostic_odds_ratio"]
    for term in [*terms, "youden"]:
        m = found[term, ""]
        want = [expected("imputed", term, q) for q in ("estimate", "conf_low", "conf_high")]
        np.testing.assert_allclose([m.estimate, m.conf_low, m.conf_high], want, rtol=ITERATIVE)


def test_imputations_that_agree_are_one_table():
    m = pooled_wilson(np.full(4, 7.0), np.full(4, 10.0), 0.95)
    wilson = accuracy_measures(AccuracyCounts(7, 0, 3, 5))["sensitivity", ""]["wilson"]
    np.testing.assert_allclose([m.conf_low, m.conf_high], [wilson.conf_low, wilson.conf_high], rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.integers(0, 30), st.integers(0, 30))
def test_corrections_and_bounds_hold_together(counts, u1, u0):
    sample = sample_of(*counts, u1, u0)
    corrected = begg_greenes(sample)
    X = np.column_stack([np.ones(len(sample.test)), sample.test])
    if u1 > 0 and u0 > 0:  # saturated weights are the same correction, variance included
        weighted = inverse_probability(sample, X).shares
        np.testing.assert_allclose(weighted.shares, corrected.shares, rtol=1e-9)
        np.testing.assert_allclose(weighted.covariance, corrected.covariance, rtol=1e-7, atol=1e-15)
    bounds = verification_bounds(sample.counts(), sample.unverified(), prevalence=[0.1])
    for key, m in corrected.measures(prevalence=[0.1]).items():
        assert bounds[key].low - 1e-9 <= m.estimate <= bounds[key].high + 1e-9
        assert m.conf_low <= m.estimate <= m.conf_high
        if key[0] in PROPORTIONS:
            assert bounds[key].conf_low <= bounds[key].low <= bounds[key].high <= bounds[key].conf_high


@settings(deadline=None, max_examples=40)
@given(COUNTS)
def test_everyone_verified_needs_no_correction(counts):
    found = begg_greenes(sample_of(*counts)).measures(prevalence=[0.2])
    plain = accuracy_measures(AccuracyCounts(*counts), prevalence=[0.2])
    for key, m in found.items():
        np.testing.assert_allclose(
            m.estimate, next(iter(plain[key].values())).estimate, rtol=1e-11, atol=1e-12
        )
    for term in ("positive_likelihood_ratio", "diagnostic_odds_ratio"):
        wald = plain[term, ""]["wald"]
        m = found[term, ""]
        np.testing.assert_allclose([m.conf_low, m.conf_high], [wald.conf_low, wald.conf_high], rtol=1e-10)


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.integers(0, 4), st.integers(0, 4))
def test_bounds_are_those_of_all_tables(counts, u1, u0):
    c = AccuracyCounts(*counts)
    bounds = verification_bounds(c, (u1, u0))
    every = [
        AccuracyCounts(c.tp + a, c.fp + u1 - a, c.fn + b, c.tn + u0 - b)
        for a in range(u1 + 1)
        for b in range(u0 + 1)
    ]
    for term in ("sensitivity", "specificity", "accuracy", "youden", "negative_likelihood_ratio"):
        values = [next(iter(accuracy_measures(t)[term, ""].values())).estimate for t in every]
        np.testing.assert_allclose([bounds[term, ""].low, bounds[term, ""].high], [min(values), max(values)])


def test_a_zero_cell_gives_an_estimate_and_no_logit_limits():
    m = begg_greenes(sample_of(10, 3, 0, 12, 5, 20)).measures()["sensitivity", ""]
    assert m.estimate == 1
    assert isnan(m.conf_low)
    assert "zero" in m.reason
    imputed = impute_reference(sample_of(10, 3, 0, 12, 5, 20), None, 50, np.random.default_rng(1))
    m = imputed.measures()["sensitivity", ""]
    assert 0 < m.conf_low < m.estimate < 1


def test_nobody_verified_of_one_result_is_refused():
    with pytest.raises(EstimationError, match="bounds"):
        begg_greenes(sample_of(10, 3, 0, 0, 5, 20))


def test_weights_that_separate_are_refused():
    sample = sample_of(10, 3, 0, 0, 4, 20)
    X = np.column_stack([np.ones(len(sample.test)), sample.test])
    with pytest.raises(EstimationError, match="begg_greenes"):
        inverse_probability(sample, X)


@pytest.mark.parametrize(("u1", "u0"), [(0, 20), (7, 0), (0, 0)])
def test_a_result_always_verified_has_weight_one(u1, u0):
    sample = sample_of(10, 3, 4, 5, u1, u0)
    X = np.column_stack([np.ones(len(sample.test)), sample.test])
    weighted, corrected = inverse_probability(sample, X), begg_greenes(sample)
    np.testing.assert_allclose(weighted.shares.shares, corrected.shares, rtol=1e-12)
    np.testing.assert_allclose(weighted.shares.covariance, corrected.covariance, rtol=1e-9, atol=1e-16)
    assert weighted.weights.min() == pytest.approx(1, abs=1e-12)


def test_youden_at_one_has_no_limits():
    m = CellShares(np.array([0.5, 0.0, 0.0, 0.5]), np.zeros((4, 4))).measures()["youden", ""]
    assert m.estimate == 1
    assert isnan(m.conf_low)
    assert m.reason


def simulate(rng, n, se=0.7, sp=0.9, prevalence=0.3, p1=0.8, p0=0.25):
    condition = rng.random(n) < prevalence
    test = rng.random(n) < np.where(condition, se, 1 - sp)
    verified = rng.random(n) < np.where(test, p1, p0)
    return VerifiedSample(test, condition & verified, verified)


def coverage(runs, n, seed):
    """Share of 95 % limits that hold the true sensitivity .7, and mean estimates, by method."""
    rng = np.random.default_rng(seed)
    found = {"naive": [], "begg_greenes": [], "imputed": [], "bounds": []}
    for _ in range(runs):
        sample = simulate(rng, n)
        key = ("sensitivity", "")
        found["naive"].append(accuracy_measures(sample.counts())[key]["exact"])
        found["begg_greenes"].append(begg_greenes(sample).measures()[key])
        found["imputed"].append(impute_reference(sample, None, 20, rng).measures()[key])
        found["bounds"].append(verification_bounds(sample.counts(), sample.unverified())[key])
    held = {k: np.mean([m.conf_low <= 0.7 <= m.conf_high for m in ms]) for k, ms in found.items()}
    mean = {k: np.mean([m.estimate for m in ms]) for k, ms in found.items() if k != "bounds"}
    return held, mean


def test_naive_is_biased_and_corrections_are_not():
    held, mean = coverage(120, 300, 1)
    assert mean["naive"] > 0.83
    assert abs(mean["begg_greenes"] - 0.7) < 0.03
    assert held["naive"] < 0.4
    assert held["begg_greenes"] > 0.88
    assert held["imputed"] > 0.88
    assert held["bounds"] == 1


@pytest.mark.slow
def test_coverage_at_300():
    held, mean = coverage(1500, 300, 2)
    assert held["naive"] < 0.3
    assert abs(mean["begg_greenes"] - 0.7) < 0.01
    for method in ("begg_greenes", "imputed"):
        assert 0.93 < held[method] < 0.98
