"""odds_ratio: against R glm, sandwich and brglm2 (tests/reference/logistic/make.R), guards, and what it returns."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EstimationError, IncorporationError
from cohort.models.odds_ratio import odds_ratio

FOLDER = Path(__file__).parents[1] / "reference/logistic"
DATA = pd.read_csv(FOLDER / "data.csv")
DATA["age10"] = (DATA["age"] - 60) / 10
EXPECTED = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False).set_index(
    ["model", "quantity", "term"]
)["value"]
R_NAMES = {"Intercept": "(Intercept)", "product[T.liso]": "productliso", "product[T.tisa]": "producttisa"}
ML = "severe ~ age + flair + product"
FIRTH = {"firth": "severe ~ age10 + flair", "firth separated": "severe ~ age10 + flair + rare"}


def reference(model, quantity, fit):
    return [EXPECTED[model, quantity, R_NAMES.get(name, name)] for name in fit.names]


def test_maximum_likelihood_equals_glm():
    fit = odds_ratio(ML, DATA)
    np.testing.assert_allclose(fit.estimate, reference("ml", "estimate", fit), rtol=1e-8)
    # glm's standard errors come from the weights of its last but one iteration
    np.testing.assert_allclose(fit.std_error, reference("ml", "std_error", fit), rtol=1e-8)
    glance = fit.glance().iloc[0]
    for name in ("log_likelihood", "log_likelihood_null", "aic"):
        np.testing.assert_allclose(glance[name], EXPECTED["ml", name, ""], rtol=1e-10)


def test_robust_variance_equals_sandwich():
    fit = odds_ratio(ML, DATA, cluster="center")
    np.testing.assert_allclose(fit.std_error, reference("ml", "robust", fit), rtol=1e-8)
    assert fit.glance()["n_cluster"].item() == 14
    assert "robust to 14 clusters" in repr(fit)
    # sandwich: the global test is Wald's with the robust variance, not the model's likelihood ratio
    b, V = fit.estimate[1:], fit.covariance[1:, 1:]
    np.testing.assert_allclose(fit.glance()["statistic"].item(), b @ np.linalg.inv(V) @ b, rtol=1e-10)
    assert "robust Wald" in fit.glance()["method"].item()


def test_profile_limits_of_maximum_likelihood_equal_r():
    fit = odds_ratio(ML, DATA, limits="profile")
    np.testing.assert_allclose(fit.conf_low, reference("ml", "profile_low", fit), rtol=1e-7)
    np.testing.assert_allclose(fit.conf_high, reference("ml", "profile_high", fit), rtol=1e-7)


@pytest.mark.parametrize("model", FIRTH)
def test_firth_equals_brglm2(model):
    """brglm2 converges to about 1e-9; the penalized profile in make.R is a general optimizer's, to about 1e-6."""
    fit = odds_ratio(FIRTH[model], DATA, method="firth")
    np.testing.assert_allclose(fit.estimate, reference(model, "estimate", fit), rtol=1e-7)
    np.testing.assert_allclose(fit.std_error, reference(model, "std_error", fit), rtol=1e-7)
    np.testing.assert_allclose(fit.log_likelihood, EXPECTED[model, "log_likelihood", ""], rtol=1e-10)
    np.testing.assert_allclose(fit.conf_low, reference(model, "profile_low", fit), rtol=2e-6)
    np.testing.assert_allclose(fit.conf_high, reference(model, "profile_high", fit), rtol=2e-6)
    np.testing.assert_allclose(fit.statistic, reference(model, "statistic", fit), rtol=1e-6)


def test_separation_is_refused_by_name():
    with pytest.raises(EstimationError, match="rare") as raised:
        odds_ratio(FIRTH["firth separated"], DATA)
    assert 'method="firth"' in raised.value.remedy
    assert "flair" not in raised.value.problem


def test_separation_by_a_category_names_its_level():
    data = DATA.assign(
        arm=np.where(DATA["rare"] == 1, "third", np.where(DATA["flair"] == 1, "second", "first"))
    )
    with pytest.raises(EstimationError, match=r"arm\[T\.third\]"):
        odds_ratio("severe ~ arm", data)


def test_tidy_is_on_the_log_scale_unless_exponentiated():
    fit = odds_ratio(ML, DATA)
    log, ratios = (
        fit.tidy().set_index(["term", "level"]),
        fit.tidy(exponentiate=True).set_index(["term", "level"]),
    )
    for column in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(np.exp(log[column]), ratios[column], rtol=1e-12)
    np.testing.assert_allclose(log["std_error"], ratios["std_error"])
    assert list(log.index)[:2] == [("Intercept", ""), ("age", "")]
    assert ("product", "tisa") in log.index
    wide = fit.tidy(conf_level=0.99).set_index(["term", "level"])
    assert (wide["conf_low"] < log["conf_low"]).all()


def test_findings_use_the_imaged_only():
    states = np.array(["absent", "present", "not_imaged"])[np.where(DATA.index % 8 == 0, 2, DATA["flair"])]
    fit = odds_ratio(
        "severe ~ flair", DATA.assign(flair=states, severe=np.where(DATA["severe"], "yes", "no"))
    )
    assert fit.left_out == (("flair", "not_imaged", 20),)
    imaged = DATA[DATA.index % 8 != 0]
    table = pd.crosstab(imaged["flair"], imaged["severe"]).to_numpy()
    expected = np.log(table[1, 1] * table[0, 0] / (table[1, 0] * table[0, 1]))
    np.testing.assert_allclose(fit.estimate[1], expected, rtol=1e-9)
    assert fit.text("flair").startswith("odds ratio")


def test_incorporation_is_refused_and_can_be_acknowledged():
    facts = {
        "flair": ColumnFacts("at_exam", 30.0, part_of=("icans_grade",)),
        "severe": ColumnFacts("daily", 30.0, measures=("icans_grade",)),
    }
    data = declare_facts(DATA, facts)
    with pytest.raises(IncorporationError, match="imaging_blind"):
        odds_ratio("severe ~ flair", data)
    fit = odds_ratio("severe ~ flair", data, acknowledge="incorporation")
    assert fit.glance()["acknowledged"].item() == "incorporation"


def test_incorporation_is_refused_whatever_the_counts():
    nobody = pd.DataFrame({"severe_icans": ["no", "yes"] * 5, "cerebral_edema": ["absent"] * 10})
    with pytest.raises(IncorporationError, match="imaging_blind"):
        odds_ratio("severe_icans ~ cerebral_edema", nobody)


def test_sparse_data_are_said():
    few = DATA.iloc[:40]
    assert "sparse data" in repr(odds_ratio("severe ~ age + flair", few))
    assert 'consider method="firth"' in repr(odds_ratio("severe ~ age + flair", few))
    assert "consider" not in repr(odds_ratio("severe ~ age + flair", few, method="firth"))
    assert "sparse" not in repr(odds_ratio("severe ~ age", DATA))


def test_reversed_exposure_inverts_the_ratio():
    data = DATA.assign(none=1 - DATA["flair"])
    for method in ("ml", "firth"):
        first, second = (odds_ratio(f"severe ~ {x} + age", data, method=method) for x in ("flair", "none"))
        np.testing.assert_allclose(np.exp(first.estimate[1] + second.estimate[1]), 1, rtol=1e-7)
        np.testing.assert_allclose(first.conf_low[1], -second.conf_high[1], rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: odds_ratio("severe ~ age", DATA.assign(severe=0)), "no patient has severe"),
        (lambda: odds_ratio("severe ~ age", DATA.assign(severe=1)), "every patient has severe"),
        (lambda: odds_ratio("severe ~ arm", DATA.assign(arm="a")), "arm is constant"),
        (
            lambda: odds_ratio("severe ~ age + again", DATA.assign(again=DATA["age"])),
            "again is collinear with age",
        ),
        (lambda: odds_ratio("age ~ severe", DATA), "not a yes/no variable"),
        (lambda: odds_ratio("severe ~ agee", DATA), "did you mean age"),
        (lambda: odds_ratio("age", DATA), "no outcome"),
        (lambda: odds_ratio("severe ~ age + flair", DATA.iloc[:2]), "."),
        (lambda: odds_ratio("severe ~ age", DATA, method="logit"), "methods: ml, firth"),
        (lambda: odds_ratio("severe ~ age", DATA, limits="exact"), "wald, profile"),
        (lambda: odds_ratio("severe ~ age", DATA, method="firth", cluster="center"), "maximum likelihood"),
        (lambda: odds_ratio("severe ~ age", DATA, conf_level=95), "between 0 and 1"),
        (lambda: odds_ratio(FIRTH["firth"], DATA, method="firth").tidy(conf_level=0.9), "conf_level=0.9"),
        (lambda: odds_ratio("severe ~ age", DATA).text("flair"), "terms: age"),
    ],
)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()


def test_concordance_by_hand():
    # outcomes 0 0 1 1 with covariate 1 3 2 4: 3 of 4 pairs in order
    data = pd.DataFrame({"y": [0, 0, 1, 1], "x": [1.0, 3.0, 2.0, 4.0]})
    assert odds_ratio("y ~ x", data).glance()["concordance"].item() == 0.75


def test_result_holds_to_the_convention():
    fit = odds_ratio(ML, DATA)
    assert len(repr(fit).splitlines()) <= 15
    assert "flair" in fit._repr_html_()
    with pytest.raises(FrozenInstanceError):
        fit.n = 3
    assert not any(isinstance(getattr(fit, f.name), pd.DataFrame) for f in fields(fit))
    assert len(fit.glance()) == 1
    assert fit.glance()["penalty"].item() == ""
    assert odds_ratio(ML, DATA, method="firth").glance()["penalty"].item() == "firth"


def test_plot_draws_the_estimates():
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "Agg"}):
        axes = odds_ratio(ML, DATA).plot()
    assert axes.get_xscale() == "log"
    plt.close(axes.figure)
