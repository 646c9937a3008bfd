"""Cox models against R survival 3.5-3 (tests/reference/cox/make.R), through the public function."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.models.cox import CoxRegression

FOLDER = Path(__file__).parents[1] / "reference" / "cox"
# R iterates to eps = 1e-13 and stores 17 digits; both sides round sums of 400 rows.
DIRECT = 1e-10
# Firth: R's side maximizes coxph's log-likelihood by differences, good to 9 digits (8 for limits by uniroot).
NUMERIC = 1e-8

FOUR = "age + sex + stage + ldh"
MODELS = {
    "efron": {},
    "breslow": {"ties": "breslow"},
    "counting": {},
    "counting_breslow": {"ties": "breslow"},
    "strata": {"strata": "stratum"},
    "counting_strata": {"strata": "stratum"},
    "weights": {"weights": "weight", "robust": False},
    "weights_breslow": {"weights": "weight", "ties": "breslow", "robust": False},
    "counting_weights": {"weights": "weight", "robust": False},
    "robust": {"robust": True},
    "weights_robust": {"weights": "weight", "robust": True},
    "cluster": {"cluster": "patient"},
    "cluster_breslow": {"cluster": "patient", "ties": "breslow"},
    "counting_cluster": {"cluster": "patient"},
    "counting_strata_weights_cluster": {"strata": "stratum", "weights": "weight", "cluster": "center"},
    "interaction": {},
}
FIRTH = {
    "firth": ("rare + age", {}),
    "firth_breslow": ("rare + age", {"ties": "breslow"}),
    "firth_counting": ("rare + sex", {}),
    "firth_counting_strata": ("rare + sex", {"strata": "stratum"}),
}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data.csv")


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "expected.csv", keep_default_na=False).astype({"value": float})


def endpoint(data: pd.DataFrame, model: str) -> co.Endpoint:
    if "counting" in model:
        return co.Endpoint.from_columns(data, start="start", stop="stop", event="event")
    return co.Endpoint.from_columns(data, time="stop", event="event")


@pytest.fixture(scope="module")
def fits(data: pd.DataFrame) -> dict[str, CoxRegression]:
    return {
        model: co.cox(endpoint(data, model), "age * sex" if model == "interaction" else FOUR, **options)
        for model, options in MODELS.items()
    }


def values(expected: pd.DataFrame, model: str, quantity: str) -> np.ndarray:
    found = expected[(expected["model"] == model) & (expected["quantity"] == quantity)]["value"].to_numpy()
    assert len(found)
    return found


@pytest.mark.parametrize("model", MODELS)
def test_estimates_and_standard_errors(model, fits, expected):
    tidy = fits[model].tidy()
    np.testing.assert_allclose(tidy["estimate"], values(expected, model, "estimate"), rtol=DIRECT)
    np.testing.assert_allclose(tidy["std_error"], values(expected, model, "std_error"), rtol=DIRECT)


def test_offset(data, expected):
    fit = co.cox(endpoint(data, "offset"), "age + sex", offset="shift")
    tidy, glance = fit.tidy(), fit.glance().iloc[0]
    np.testing.assert_allclose(tidy["estimate"], values(expected, "offset", "estimate"), rtol=DIRECT)
    np.testing.assert_allclose(tidy["std_error"], values(expected, "offset", "std_error"), rtol=DIRECT)
    for quantity in ("log_likelihood", "log_likelihood_null", "concordance", "concordance_std_error"):
        np.testing.assert_allclose(glance[quantity], values(expected, "offset", quantity), rtol=DIRECT)


def test_baseline_far_from_zero_is_given_at_the_means(data):
    # exp(-1 000 000 b) is zero; the hazard at the means is that of the same covariate before it was moved.
    near, far = (
        co.cox(endpoint(frame, ""), "age") for frame in (data, data.assign(age=data["age"] + 1_000_000))
    )
    assert (far.baseline_hazard()["estimate"] == 0).all()
    np.testing.assert_allclose(
        far.baseline_hazard(centered=True)["estimate"],
        near.baseline_hazard(centered=True)["estimate"],
        rtol=1e-9,
    )
    shift = near.fit.coefficients[0] * near.fit.baseline.center[0]
    np.testing.assert_allclose(
        near.baseline_hazard(centered=True)["estimate"],
        near.baseline_hazard()["estimate"] * np.exp(shift),
        rtol=1e-12,
    )


@pytest.mark.parametrize("model", MODELS)
def test_likelihood_tests_and_concordance(model, fits, expected):
    glance, tests = fits[model].glance().iloc[0], fits[model].global_tests().set_index("method")["statistic"]
    for quantity in ("log_likelihood", "log_likelihood_null", "aic", "concordance", "concordance_std_error"):
        np.testing.assert_allclose(glance[quantity], values(expected, model, quantity), rtol=DIRECT)
    np.testing.assert_allclose(tests["score"], values(expected, model, "score_test"), rtol=DIRECT)
    np.testing.assert_allclose(tests["wald"], values(expected, model, "wald_test"), rtol=DIRECT)
    agreement = fits[model].fit.concordance
    pairs = {
        "concordant": agreement.concordant,
        "discordant": agreement.discordant,
        "tied.x": agreement.tied_risk,
    }
    for name, count in pairs.items():
        np.testing.assert_allclose(count, values(expected, model, name), rtol=DIRECT, atol=1e-9)


@pytest.mark.parametrize("transform", ["km", "identity", "rank", "log"])
@pytest.mark.parametrize("model", MODELS)
def test_proportional_hazards(model, transform, fits, expected):
    test = fits[model].check_proportional_hazards(transform)
    assert test["term"].iloc[-1] == "GLOBAL"
    for column, suffix in (("statistic", ""), ("df", "_df"), ("p_value", "_p")):
        reference = values(expected, model, f"zph_{transform}{suffix}")
        np.testing.assert_allclose(test[column], reference, rtol=DIRECT)


@pytest.mark.parametrize("model", MODELS)
def test_baseline_hazard(model, fits, expected):
    base = fits[model].baseline_hazard()
    base["label"] = base["strata"] + "@" + base["time"].map("{:g}".format)
    wanted = expected[(expected["model"] == model) & (expected["quantity"] == "baseline_hazard")]
    found = wanted.merge(base, left_on="term", right_on="label")
    # basehaz also lists times without an event; where both have the time they agree.
    assert len(found) >= 3
    np.testing.assert_allclose(found["estimate"], found["value"], rtol=DIRECT)


@pytest.mark.parametrize("model", FIRTH)
def test_firth(model, data, expected):
    formula, options = FIRTH[model]
    fit = co.cox(endpoint(data, model), formula, penalty="firth", **options)
    tidy, glance = fit.tidy(), fit.glance().iloc[0]
    for column in ("estimate", "std_error", "conf_low", "conf_high", "statistic"):
        np.testing.assert_allclose(
            tidy[column], values(expected, model, column), rtol=NUMERIC, err_msg=column
        )
    for quantity in ("log_likelihood", "log_likelihood_null"):
        np.testing.assert_allclose(glance[quantity], values(expected, model, quantity), rtol=DIRECT)
    assert glance["penalty"] == "firth"


def test_terms_and_levels_follow_the_formula(fits):
    tidy = fits["interaction"].tidy()
    assert list(zip(tidy["term"], tidy["level"], strict=True)) == [
        ("age", ""),
        ("sex", "male"),
        ("age:sex", "male"),
    ]
