"""pool: against R mice, mitools and the pooled scalars of make.R, on the completed data sets stored there."""

from __future__ import annotations

import json
from hashlib import md5
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cohort as co
from cohort import style
from cohort.errors import EstimationError
from cohort.models.pool import pool

FOLDER = Path(__file__).parents[1] / "reference/missing_data"
COMPLETED = [
    frame.reset_index(drop=True) for _, frame in pd.read_csv(FOLDER / "completed.csv").groupby("imputation")
]
EXPECTED = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False).set_index(
    ["model", "quantity", "term"]
)["value"]
# Rubin's rules are direct; the fits themselves are iterative, here and in R
RTOL = 1e-8
R_NAMES = {
    ("Intercept", ""): "(Intercept)",
    ("product", "liso"): "productliso",
    ("product", "tisa"): "producttisa",
}


def logistic(frame):
    return co.odds_ratio("severe ~ age + crp + product", frame)


def death(frame):
    return co.Endpoint.from_columns(frame.assign(event=frame["status"] == 1), time="days", event="event")


def competing(frame):
    return co.Endpoint.from_columns(frame, time="days", event="status", states={1: "nrm", 2: "relapse"})


def expected(model, quantity, names):
    return EXPECTED.loc[[(model, quantity, name) for name in names]].to_numpy()


def check(pooled, model, names, rtol=RTOL):
    tidy = pooled.tidy()
    np.testing.assert_allclose(pooled.pool.estimate, expected(model, "qbar", names), rtol=rtol)
    np.testing.assert_allclose(pooled.pool.total, expected(model, "t", names), rtol=rtol)
    # an error of the fits comes back multiplied where imputations hardly differ
    np.testing.assert_allclose(tidy["df"], expected(model, "df", names), rtol=100 * rtol)
    np.testing.assert_allclose(tidy["fmi"], expected(model, "fmi", names), rtol=100 * rtol)
    np.testing.assert_allclose(tidy["missing_share"], expected(model, "lambda", names), rtol=100 * rtol)


def r_names(pooled):
    tidy = pooled.tidy()
    return [R_NAMES.get(pair, pair[0]) for pair in zip(tidy["term"], tidy["level"], strict=True)]


def test_the_stored_files_are_those_r_made():
    provenance = json.loads((FOLDER / "provenance.json").read_text())
    for name in ("incomplete.csv", "completed.csv", "expected.csv", "make.R"):
        assert md5((FOLDER / name).read_bytes()).hexdigest() == provenance[f"md5 {name}"]


def test_logistic_regression_equals_mice():
    pooled = pool([logistic(frame) for frame in COMPLETED])
    names = r_names(pooled)
    check(pooled, "glm", names)
    np.testing.assert_allclose(pooled.pool.within, expected("glm", "ubar", names), rtol=RTOL)
    np.testing.assert_allclose(pooled.pool.between, expected("glm", "b", names), rtol=1e-7)
    # mitools 2.4 takes B without 1 + 1/m into the complete-data part of its degrees of freedom, so only these
    np.testing.assert_allclose(pooled.pool.estimate, expected("mitools", "qbar", names), rtol=RTOL)
    np.testing.assert_allclose(pooled.pool.total, expected("mitools", "t", names), rtol=RTOL)


def test_cox_regression_equals_mice():
    pooled = pool([co.cox(death(frame), "crp + product", frame) for frame in COMPLETED])
    check(pooled, "cox", r_names(pooled))
    assert EXPECTED["cox", "dfcom", ""] == death(COMPLETED[0]).event.sum() - 3


def test_fine_gray_equals_crr():
    """crr stops at a relative change of 1e-6."""
    pooled = pool([co.fine_gray(competing(f), "crp + flair", f, event="nrm") for f in COMPLETED])
    check(pooled, "crr", ["crp", "flair"], rtol=1e-6)


def test_kaplan_meier_is_pooled_as_complementary_log_log():
    curves = [co.kaplan_meier(death(frame), by="product", data=frame) for frame in COMPLETED]
    pooled = pool(curves, times=[100, 300])
    names = [f"{arm} {day}" for arm in ("axi", "liso", "tisa") for day in (100, 300)]
    check(pooled, "km", names)
    tidy = pooled.tidy()
    q, se, df = pooled.pool.estimate, np.sqrt(pooled.pool.total), pooled.pool.df
    np.testing.assert_allclose(tidy["estimate"], np.exp(-np.exp(q)), rtol=1e-12)
    np.testing.assert_allclose(tidy["conf_low"], np.exp(-np.exp(q + stats.t.ppf(0.975, df) * se)), rtol=1e-12)
    assert tidy["p_value"].isna().all()
    pd.testing.assert_frame_equal(pool(curves, times=[100, 300]).tidy(exponentiate=True), tidy)
    assert pooled.text("liso: 300").startswith("survival 0.4")


def test_two_by_two_pools_logarithms_of_ratios():
    pooled = pool([co.two_by_two("flair", "severe", data=frame) for frame in COMPLETED])
    assert pooled.scale == ("log", "log", "identity")
    check(pooled, "two_by_two", ["risk_ratio", "odds_ratio", "risk_difference"])
    low = pooled.tidy().loc[0, "conf_low"]
    half = stats.t.ppf(0.975, pooled.pool.df[0]) * np.sqrt(pooled.pool.total[0])
    np.testing.assert_allclose(low, np.exp(pooled.pool.estimate[0] - half), rtol=1e-12)


@pytest.mark.parametrize("method", ["D1", "D2"])
def test_tests_of_several_terms_follow_their_equations(method):
    test = pool([logistic(frame) for frame in COMPLETED]).test("product", method=method).iloc[0]
    np.testing.assert_allclose(test["statistic"], EXPECTED[method, "statistic", ""], rtol=RTOL)
    np.testing.assert_allclose(test["df_residual"], EXPECTED[method, "df", ""], rtol=1e-6)
    np.testing.assert_allclose(test["p_value"], EXPECTED[method, "p", ""], rtol=RTOL)
    assert test["df"] == 2


def test_ratios_of_restricted_means_have_the_error_of_their_logarithm():
    """rmst_ratio states its standard error on the log scale: it must not be divided by the ratio."""
    frames = [
        co.kaplan_meier(death(f), by="product", data=f).rmst_ratio(300)[
            ["term", "estimate", "std_error", "statistic"]
        ]
        for f in COMPLETED
    ]
    pooled = pool(frames)
    logs = np.log(np.stack([frame["estimate"] for frame in frames]))
    errors = np.stack([frame["std_error"] for frame in frames])
    assert pooled.scale == ("log", "log")
    np.testing.assert_allclose(pooled.pool.estimate, logs.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(pooled.pool.within, (errors**2).mean(axis=0), rtol=1e-10)


def test_restricted_means_are_pooled_as_they_are():
    frames = [co.kaplan_meier(death(f), data=f).rmst(300) for f in COMPLETED]
    pooled = pool(frames)
    assert pooled.scale == ("identity",)
    np.testing.assert_allclose(
        pooled.tidy()["estimate"], np.mean([frame["estimate"] for frame in frames]), rtol=1e-12
    )
    assert pooled.tidy()["p_value"].isna().all()


def test_more_results_that_have_standard_errors():
    for function in (
        lambda f: co.odds_ratio("severe ~ crp", f, method="firth"),
        lambda f: co.cox(death(f), "crp + product", f, penalty="firth"),
        lambda f: co.cox(competing(f), "crp", f, event="nrm", robust=True),
        lambda f: co.mantel_haenszel("flair", "severe", "product", f),
        lambda f: co.kaplan_meier(death(f), by="product", data=f).difference([200]),
        lambda f: co.cumulative_incidence(competing(f), by="product", data=f).at([200]),
    ):
        fits = [function(frame) for frame in COMPLETED]
        pooled = pool(fits, complete_case=fits[0])
        tidy = pooled.tidy()
        assert (tidy["conf_low"] < tidy["estimate"]).all()
        assert (tidy["estimate"] < tidy["conf_high"]).all()
        first = fits[0] if isinstance(fits[0], pd.DataFrame) else fits[0].tidy()
        first = first[first["std_error"].notna()]
        np.testing.assert_allclose(tidy["complete_case"], first["estimate"], rtol=1e-12)
        assert tidy["std_error"].between(0.9 * first["std_error"].min(), 2 * first["std_error"].max()).all()


def test_complete_cases_of_a_two_by_two_have_its_own_wald_limits():
    fits = [co.two_by_two("flair", "severe", data=frame) for frame in COMPLETED]
    tidy = pool(fits, complete_case=fits[0]).tidy()
    own = fits[0].tidy().query("method == 'wald'")
    np.testing.assert_allclose(tidy["complete_case_low"], own["conf_low"], rtol=1e-10)
    np.testing.assert_allclose(tidy["complete_case_high"], own["conf_high"], rtol=1e-10)


def test_the_same_fit_several_times_is_that_fit():
    fit = logistic(COMPLETED[0])
    tidy, own = pool([fit] * 4, df_complete=np.inf).tidy(), fit.tidy()
    for column in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
        np.testing.assert_allclose(tidy[column], own[column], rtol=1e-10)
    assert tidy["fmi"].eq(0).all()


def test_numbers_by_hand():
    """0.9, 1.1, 1.0 with standard error 0.2: B = 0.01, T = 0.04 + 4/3 x 0.01."""
    tidy = pool(([0.9, 1.1, 1.0], [0.2, 0.2, 0.2], 50)).tidy()
    np.testing.assert_allclose(tidy["std_error"], np.sqrt(0.04 + 0.04 / 3), rtol=1e-12)


def test_a_point_of_a_curve_that_nobody_can_estimate_says_so():
    frames = [
        pd.DataFrame({"time": [1.0], "n_risk": [5], "estimate": [s], "std_error": [0.1]}) for s in (1.0, 0.9)
    ]
    tidy = pool(frames).tidy()
    assert tidy["estimate"].isna().all()
    assert tidy["reason"].tolist() == ["not estimable in every completed data set"]


def test_it_prints_the_complete_cases_beside():
    fits = [logistic(frame) for frame in COMPLETED]
    pooled = pool(fits, complete_case=fits[0])
    assert "complete cases: 240 rows, left out none" in repr(pooled)
    assert "take m=35" in repr(pooled)
    assert len(repr(pooled).splitlines()) <= 15
    assert "complete cases" in pooled.text("crp")
    assert pooled.text("product[liso]") == pooled.text("product: liso")
    without = pool(fits)
    assert "complete cases: not given" in repr(without)
    assert without.tidy()["complete_case"].isna().all()


def test_the_figure_draws_both():
    fits = [logistic(frame) for frame in COMPLETED]
    pooled = pool(fits, complete_case=fits[0])
    ax = pooled.plot()
    tidy = pooled.tidy(exponentiate=True).query("term != 'Intercept'")
    drawn = {line.get_gid(): line.get_xdata() for line in ax.lines}
    np.testing.assert_allclose(drawn["estimate"], tidy["estimate"])
    np.testing.assert_allclose(drawn["complete_case"], tidy["complete_case"])
    assert style.check_layout(ax.get_figure(root=True)) == []
    plt.close("all")


CURVE = co.kaplan_meier(death(COMPLETED[0]), data=COMPLETED[0])
FIT = logistic(COMPLETED[0])
ERRORS = {
    "one fit": (lambda: pool([FIT]), "m=20"),
    "a curve without times": (lambda: pool([CURVE, CURVE]), r"times=\[30, 365\]"),
    "different rows": (lambda: pool([FIT, co.odds_ratio("severe ~ age", COMPLETED[0])]), "merge categories"),
    "no standard errors": (lambda: pool([pd.DataFrame({"estimate": [1.0]})] * 2), "std_error"),
    "no result": (lambda: pool([3.0, 4.0]), "return a result"),
    "shapes": (lambda: pool(([1.0, 2.0], [1.0], 10)), "one row of estimates"),
    "missing": (lambda: pool(([1.0, np.nan], [1.0, 1.0], 10)), "whose fit failed"),
    "negative error": (lambda: pool(([1.0, 2.0], [1.0, -1.0], 10)), "whose fit failed"),
    "unknown scale": (
        lambda: pool([pd.DataFrame({"estimate": [1.0], "std_error": [1.0]})] * 2, scale="probit"),
        'scale="log"',
    ),
    "unknown term": (lambda: pool([FIT, FIT]).test("weight"), "one of these terms"),
    "no covariance": (lambda: pool([CURVE, CURVE], times=[100]).test(), "p_value"),
    "text of nothing": (lambda: pool([FIT, FIT]).text("weight"), "one of these"),
    "level": (lambda: pool([FIT, FIT], conf_level=95), "0.95"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_refuses(case):
    call, remedy = ERRORS[case]
    with pytest.raises(EstimationError) as raised:
        call()
    assert pd.Series([raised.value.remedy]).str.contains(remedy).item(), raised.value.remedy
