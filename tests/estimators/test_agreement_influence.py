"""Agreement: influences are derivatives of the weighted coefficients, and limits cover what they should."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from cohort.estimators.agreement import (
    agreement_weights,
    fleiss_kappa,
    gwet_ac,
    percent_agreement,
    specific_agreement,
)
from cohort.estimators.agreement_bootstrap import bootstrap_agreement, weighted_agreement
from cohort.estimators.cohen import cohen_kappa
from cohort.estimators.krippendorff import krippendorff_alpha

# Prevalence, sensitivity and specificity of the readers, share of ratings that are missing.
PREVALENCE, SENSITIVITY, SPECIFICITY = 0.3, 0.85, 0.9


def counts(codes, q):
    return np.stack([(codes == k).sum(axis=1) for k in range(q)], axis=1).astype(float)


def draw(n, raters, missing, rng):
    """Readings of absent (0) and present (1); -1 where there is none."""
    sick = rng.random(n) < PREVALENCE
    chance = np.where(sick, SENSITIVITY, 1 - SPECIFICITY)
    codes = (rng.random((n, raters)) < chance[:, None]).astype(int)
    return np.where(rng.random((n, raters)) < missing, -1, codes)


def truth():
    """Agreement of two of these readers and the share of readings as present give every coefficient."""
    p, se, sp = PREVALENCE, SENSITIVITY, SPECIFICITY
    observed = p * (se**2 + (1 - se) ** 2) + (1 - p) * (sp**2 + (1 - sp) ** 2)
    present = p * se + (1 - p) * (1 - sp)
    kappa = (observed - present**2 - (1 - present) ** 2) / (1 - present**2 - (1 - present) ** 2)
    chance = 2 * present * (1 - present)
    return {"kappa": kappa, "ac1": (observed - chance) / (1 - chance)}


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
def test_influences_are_derivatives(level):
    """Central differences of the weights, step 1e-5: errors near 1e-10 against influences near 1e-2."""
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, (30, 3))
    codes[:, 1] = np.where(rng.random(30) < 0.6, codes[:, 0], codes[:, 1])
    codes[rng.random(codes.shape) < 0.2] = -1
    r, pair, scores = counts(codes, 4), (codes[:, 0], codes[:, 1]), np.array([0.0, 1.0, 2.0, 4.0])
    W = agreement_weights(scores, "linear")
    found = {
        "krippendorff_alpha": krippendorff_alpha(r, scores, level),
        "fleiss_kappa": fleiss_kappa(r, W),
        "gwet_ac2": gwet_ac(r, W),
        "gwet_ac1": gwet_ac(r, np.eye(4)),
        "percent_agreement": percent_agreement(r, np.eye(4)),
        "cohen_kappa": cohen_kappa(*pair, W),
        "specific_agreement 2": specific_agreement(r, 2),
    }
    h, ones = 1e-5, np.ones((1, 30))
    up, down, at = (
        weighted_agreement(r, pair, W, scores, level, w)
        for w in (ones + h * np.eye(30), ones - h * np.eye(30), ones)
    )
    for term, coefficient in found.items():
        slope = (up[term] - down[term]) / (2 * h)
        if term == "krippendorff_alpha":  # its factor of small samples leaves a sum, which is taken off
            two = r.sum(axis=1) >= 2
            slope = np.where(two, slope - slope[two].mean(), 0)
        assert_allclose(at[term][0], coefficient.estimate, rtol=1e-12)
        assert_allclose(slope, coefficient.influence, atol=1e-9)
        assert abs(coefficient.influence.sum()) < 1e-12


def coverage(n, missing, repeats, seed):
    """Share of intervals that hold the truth, by coefficient."""
    rng = np.random.default_rng(seed)
    true, eye = truth(), np.eye(2)
    hits: dict[str, list[bool]] = {"cohen": [], "fleiss": [], "alpha": [], "ac1": []}
    for _ in range(repeats):
        codes = draw(n, 3, missing, rng)
        r = counts(codes, 2)
        found = {
            "cohen": (cohen_kappa(codes[:, 0], codes[:, 1], eye), true["kappa"]),
            "fleiss": (fleiss_kappa(r, eye), true["kappa"]),
            "alpha": (krippendorff_alpha(r, np.arange(2.0), "nominal"), true["kappa"]),
            "ac1": (gwet_ac(r, eye), true["ac1"]),
        }
        for name, (c, value) in found.items():
            large = name == "cohen"
            width = stats.norm.isf(0.025) if large else stats.t.isf(0.025, c.n - 1)
            error = c.std_error(1.0 if large else c.n / (c.n - 1))
            hits[name].append(abs(c.estimate - value) <= width * error)
    return {name: float(np.mean(values)) for name, values in hits.items()}


def test_limits_cover_with_a_few_repeats():
    """Two standard errors of a share of .95 in 300 repeats are .025; large-sample limits lose a little at n = 80."""
    for share in coverage(80, 0.2, 300, 3).values():
        assert 0.905 <= share <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "missing", "low"), [(40, 0.0, 0.92), (40, 0.3, 0.88), (200, 0.0, 0.935), (200, 0.3, 0.93)]
)
def test_limits_cover(n, missing, low):
    """4000 repeats: two standard errors are .007. Cohen's kappa of 20 pairs (40 units, 30% missing) covers .89."""
    shares = coverage(n, missing, 4000, n)
    assert min(shares.values()) >= low
    assert max(shares.values()) <= 0.965
    assert min(share for name, share in shares.items() if name != "cohen") >= 0.925


def test_bootstrap_of_clusters_draws_whole_clusters():
    """Two clusters whose units agree, or disagree, throughout: agreement of a draw is 0, 1/2 or 1."""
    codes = np.array([[0, 0], [1, 1], [0, 1], [1, 0]])
    draws = bootstrap_agreement(
        counts(codes, 2),
        (codes[:, 0], codes[:, 1]),
        np.eye(2),
        np.arange(2.0),
        "nominal",
        np.array([0, 0, 1, 1]),
        500,
        np.random.default_rng(0),
    )
    assert set(draws["percent_agreement"]) == {0.0, 0.5, 1.0}
