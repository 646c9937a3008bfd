"""tipping_point: shifts against arithmetic, patterns by group, and its figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort import style
from cohort.errors import EstimationError
from cohort.models.tipping_point import tipping_point

RNG = np.random.default_rng(20261126)
N = 200
SEVERE = RNG.integers(0, 2, N)
CRP = RNG.normal(5, 1, N) + 0.5 * SEVERE
DATA = pd.DataFrame({"crp": np.where(RNG.random(N) < 0.3, np.nan, CRP), "severe": SEVERE})
MISSING = DATA["crp"].isna()


def mean(frame):
    crp = frame["crp"].dropna()
    return pd.DataFrame({"term": ["mean"], "estimate": [crp.mean()], "std_error": [crp.sem()]})


def logistic(frame):
    return co.odds_ratio("severe ~ crp", frame)


def test_the_mean_moves_by_delta_times_the_share_that_is_missing():
    found = tipping_point(DATA, mean, "crp", [-1, 0, 2], seed=1, m=4)
    tidy = found.tidy()
    moved = tidy["estimate"] - tidy["estimate"][1]
    np.testing.assert_allclose(moved, np.array([-1, 0, 2]) * MISSING.mean(), rtol=1e-10, atol=1e-12)
    assert found.shifted == MISSING.sum()
    np.testing.assert_allclose(tidy["complete_case"], DATA["crp"].mean())


def test_at_zero_it_is_the_pooled_analysis():
    found = tipping_point(DATA, logistic, "crp", [0, 1], seed=3, m=5, term="crp").tidy()
    pooled = co.pool(co.impute(DATA, m=5, seed=3).fit(logistic)).tidy().iloc[1]
    for name in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "complete_case"):
        np.testing.assert_allclose(found.loc[0, name], pooled[name], rtol=1e-12)


def test_only_some_patients_are_shifted():
    found = tipping_point(DATA, mean, "crp", [0, 1], seed=1, m=3, within=DATA["severe"] == 1)
    share = (MISSING & (DATA["severe"] == 1)).mean()
    np.testing.assert_allclose(np.diff(found.tidy()["estimate"]), share, rtol=1e-10)
    assert found.shifted == (MISSING & (DATA["severe"] == 1)).sum()


def test_the_conclusion_tips_between_shifts():
    found = tipping_point(DATA, logistic, "crp", np.arange(-4, 2), seed=1, m=5, within=DATA["severe"] == 1)
    tidy = found.tidy()
    crossed = np.flatnonzero(np.diff((tidy["p_value"] < 0.05).astype(int)))
    assert len(crossed) == len(found.tipping) >= 1
    for k, value in zip(crossed, found.tipping, strict=True):
        assert tidy["delta"][k] < value < tidy["delta"][k + 1]
    assert "P crosses 0.05 at delta" in found.text()
    ax = found.plot()
    drawn = {line.get_gid(): line for line in ax.lines}
    np.testing.assert_allclose(drawn["estimate"].get_ydata(), found.tidy(exponentiate=True)["estimate"])
    assert style.check_layout(ax.get_figure(root=True)) == []
    plt.close("all")


def test_log_odds_of_a_finding_are_shifted():
    finding = pd.Series(np.where(DATA["severe"] == 1, "present", "absent")).mask(MISSING)
    data = pd.DataFrame({"flair": finding, "age": RNG.normal(60, 9, N)})
    frames = [co.impute(data, m=10, seed=1, delta={"flair": d}) for d in (-6.0, 0.0, 6.0)]
    shares = [np.mean([(f.loc[MISSING, "flair"] == "present").mean() for f in one]) for one in frames]
    assert shares[0] < 0.05 < shares[1] < 0.95 < shares[2]


ERRORS = {
    "one shift": (lambda: tipping_point(DATA, mean, "crp", [1, 1], seed=1), "deltas="),
    "infinite": (lambda: tipping_point(DATA, mean, "crp", [0, np.inf], seed=1), "deltas="),
    "unknown": (lambda: tipping_point(DATA, mean, "ldh", [0, 1], seed=1), "missing values"),
    "nothing missing": (lambda: tipping_point(DATA, mean, "severe", [0, 1], seed=1), "missing values"),
    "within": (
        lambda: tipping_point(DATA, mean, "crp", [0, 1], seed=1, within=DATA["crp"]),
        "within=",
    ),
    "two rows": (
        lambda: tipping_point(
            DATA,
            lambda f: co.odds_ratio("severe ~ crp + I(crp**2)", f),
            "crp",
            [0, 1],
            seed=1,
            m=2,
        ),
        "term=",
    ),
    "delta missing for a patient": (
        lambda: co.impute(DATA, m=2, seed=1, delta={"crp": pd.Series([1.0])}),
        "delta=",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_refuses(case):
    call, remedy = ERRORS[case]
    with pytest.raises(EstimationError) as raised:
        call()
    assert remedy in raised.value.remedy
