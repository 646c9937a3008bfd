"""Logistic regression of clustered patients: against R geepack, lme4, sandwich and clubSandwich
(tests/reference/clustered_logistic/make.R), by hand, and properties.

Direct sums agree to 1e-10. Estimates are Newton's, to 1e-9; those of the random intercept are compared with the
integrated likelihood of make.R, whose numeric derivatives are good to 1e-8, and with glmer, which stops at 1e-7.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.estimators.clustered_logistic import bias_reduced_covariance
from cohort.estimators.logistic import fit_logistic, robust_covariance
from cohort.estimators.logistic_gee import fit_gee
from cohort.estimators.random_intercept import fit_random_intercept

FOLDER = Path(__file__).parents[1] / "reference/clustered_logistic"
DATA = pd.read_csv(FOLDER / "data.csv")
EXPECTED = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False).set_index(
    ["model", "quantity", "term"]
)["value"]
TERMS = ["(Intercept)", "age10", "flair", "volume"]
X = np.column_stack([np.ones(len(DATA)), DATA[TERMS[1:]]])
Y = DATA["severe"].to_numpy(dtype=float)
CENTER = DATA["center"].to_numpy()
VARIANCES = ("robust", "mancl_derouen", "kauermann_carroll")


def reference(model, quantity):
    return np.array([EXPECTED[model, quantity, term] for term in TERMS])


def errors(covariance):
    return np.sqrt(np.diag(covariance))


def test_sandwich_equals_vcovcl():
    covariance, n_cluster = robust_covariance(X, Y, fit_logistic(X, Y), CENTER)
    assert n_cluster == 12
    np.testing.assert_allclose(errors(covariance), reference("ml", "cr1"), rtol=1e-10)


def test_bias_reduced_variance_equals_clubsandwich():
    covariance, df, n_cluster = bias_reduced_covariance(X, Y, fit_logistic(X, Y).estimate, CENTER)
    assert n_cluster == 12
    np.testing.assert_allclose(errors(covariance), reference("ml", "cr2"), rtol=1e-10)
    np.testing.assert_allclose(df, reference("ml", "df"), rtol=1e-10)


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("correlation", ["exchangeable", "independence"])
def test_estimating_equations_equal_geepack(correlation, variance):
    fit = fit_gee(X, Y, CENTER, correlation, variance)
    assert fit.converged
    assert fit.n_cluster == 12
    np.testing.assert_allclose(fit.estimate, reference(correlation, "estimate"), rtol=1e-9)
    np.testing.assert_allclose(errors(fit.covariance), reference(correlation, variance), rtol=1e-9)
    np.testing.assert_allclose(fit.correlation, EXPECTED[correlation, "correlation", ""], rtol=1e-9)


def test_random_intercept_equals_the_integrated_likelihood_and_glmer():
    ml = fit_logistic(X, Y)
    fit = fit_random_intercept(X, Y, CENTER, ml.estimate, ml.covariance)
    assert fit.converged
    np.testing.assert_allclose(fit.estimate, reference("marginal", "estimate"), rtol=1e-8)
    np.testing.assert_allclose(errors(fit.covariance), reference("marginal", "std_error"), rtol=3e-8)
    np.testing.assert_allclose(fit.sd, EXPECTED["marginal", "sd", ""], rtol=1e-8)
    np.testing.assert_allclose(fit.sd_std_error, EXPECTED["marginal", "sd_std_error", ""], rtol=3e-8)
    np.testing.assert_allclose(fit.log_likelihood, EXPECTED["marginal", "log_likelihood", ""], rtol=1e-12)
    np.testing.assert_allclose(fit.estimate, reference("glmer", "estimate"), rtol=5e-7)
    np.testing.assert_allclose(errors(fit.covariance), reference("glmer", "std_error"), rtol=1e-6)
    np.testing.assert_allclose(fit.sd, EXPECTED["glmer", "sd", ""], rtol=1e-6)


def test_gee_by_hand():
    # 3 pairs with outcomes (1, 1), (0, 0), (1, 0) and an intercept alone: pi = 1/2 and residuals -1 or 1 in units of
    # the standard deviation; rho = mean product over mean square = (1 + 1 - 1)/3. Sums of residuals in the outcome's
    # unit are 1, -1, 0, so the sandwich of the logit is 2 / (6/4)^2 = 8/9, whatever rho.
    ones, y, pair = np.ones((6, 1)), [1, 1, 0, 0, 1, 0], [1, 1, 2, 2, 3, 3]
    fit = fit_gee(ones, y, pair, "exchangeable", "robust")
    np.testing.assert_allclose([fit.estimate[0], fit.correlation], [0, 1 / 3], atol=1e-15)
    np.testing.assert_allclose(fit.covariance, 8 / 9, rtol=1e-14)
    # leverage of a pair on its sum is 1/3: residuals are divided by 1 - 1/3, or by its root
    corrected = fit_gee(ones, y, pair, "exchangeable", "mancl_derouen").covariance
    np.testing.assert_allclose(corrected, 8 / 9 * 9 / 4, rtol=1e-14)
    corrected = fit_gee(ones, y, pair, "exchangeable", "kauermann_carroll").covariance
    np.testing.assert_allclose(corrected, 8 / 9 * 3 / 2, rtol=1e-14)


def test_random_intercept_of_pairs_by_hand():
    # no variation between clusters beyond chance: every pair has one of each, so the likelihood falls with the spread
    ones, y, pair = np.ones((8, 1)), [1, 0] * 4, np.repeat(range(4), 2)
    ml = fit_logistic(ones, y)
    fit = fit_random_intercept(ones, y, pair, ml.estimate, ml.covariance)
    assert fit.sd == 0
    assert np.isnan(fit.sd_std_error)
    np.testing.assert_allclose(fit.log_likelihood, 8 * np.log(0.5), rtol=1e-14)
    np.testing.assert_allclose(fit.covariance, 0.5, rtol=1e-12)  # 1 / (8/4)


def cohort_of(seed, clusters=8, size=9, spread=1.0):
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), size)
    x = rng.normal(size=clusters * size)
    eta = -0.3 + 0.5 * x + spread * rng.normal(size=clusters)[cluster]
    y = (rng.random(len(x)) < 1 / (1 + np.exp(-eta))).astype(float)
    return np.column_stack([np.ones_like(x), x]), y, cluster


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_independence_is_maximum_likelihood_with_a_sandwich(seed):
    design, y, cluster = cohort_of(seed)
    ml = fit_logistic(design, y)
    gee = fit_gee(design, y, cluster, "independence", "robust")
    sandwich, G = robust_covariance(design, y, ml, cluster)
    np.testing.assert_allclose(gee.estimate, ml.estimate, atol=1e-9)
    np.testing.assert_allclose(gee.covariance, sandwich * (G - 1) / G, rtol=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_order_and_names_of_clusters_do_not_matter(seed):
    design, y, cluster = cohort_of(seed)
    order = np.random.default_rng(seed).permutation(len(y))
    other = np.array(list("hgfedcba"))[cluster]
    ml = fit_logistic(design, y)
    for variance in VARIANCES:
        first = fit_gee(design, y, cluster, "exchangeable", variance)
        second = fit_gee(design[order], y[order], other[order], "exchangeable", variance)
        np.testing.assert_allclose(first.covariance, second.covariance, rtol=1e-7)
    first = fit_random_intercept(design, y, cluster, ml.estimate, ml.covariance)
    second = fit_random_intercept(design[order], y[order], other[order], ml.estimate, ml.covariance)
    np.testing.assert_allclose(first.estimate, second.estimate, atol=1e-6)
    np.testing.assert_allclose(first.log_likelihood, second.log_likelihood, rtol=1e-10)
    assert first.log_likelihood >= ml.log_likelihood - 1e-8
    first = bias_reduced_covariance(design, y, ml.estimate, cluster)
    second = bias_reduced_covariance(design[order], y[order], ml.estimate, other[order])
    np.testing.assert_allclose(first[0], second[0], rtol=1e-7)
    np.testing.assert_allclose(first[1], second[1], rtol=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_patients_who_are_their_own_cluster(seed):
    design, y, _ = cohort_of(seed)
    ml, alone = fit_logistic(design, y), np.arange(len(y))
    gee = fit_gee(design, y, alone)
    np.testing.assert_allclose(gee.estimate, ml.estimate, atol=1e-9)
    assert gee.correlation == 0
    sizes = [
        np.trace(fit_gee(design, y, alone, variance=v).covariance) for v in (*VARIANCES[::2], VARIANCES[1])
    ]
    assert sizes == sorted(sizes)  # corrections enlarge: robust, Kauermann-Carroll, Mancl-DeRouen


def test_outcome_reversed():
    ml = fit_logistic(X, Y)
    for fit, mirrored in (
        (fit_gee(X, Y, CENTER), fit_gee(X, 1 - Y, CENTER)),
        (
            fit_random_intercept(X, Y, CENTER, ml.estimate, ml.covariance),
            fit_random_intercept(X, 1 - Y, CENTER, -ml.estimate, ml.covariance),
        ),
    ):
        np.testing.assert_allclose(fit.estimate, -mirrored.estimate, atol=1e-9)
        np.testing.assert_allclose(fit.covariance, mirrored.covariance, rtol=1e-7)


def test_separation_does_not_converge():
    design = np.column_stack([np.ones(12), [0, 1] * 6])
    fit = fit_gee(design, design[:, 1], np.repeat(range(4), 3))
    assert not fit.converged
    assert np.isnan(fit.covariance).all()
