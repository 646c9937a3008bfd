"""Accuracy of a test: counts by hand, verification bias, three states, clusters, errors, the figure."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import cohort as co
from cohort import style
from cohort.errors import CohortError, EstimationError
from cohort.models.diagnostic_accuracy import DiagnosticAccuracy


def hepatic() -> pd.DataFrame:
    """Begg and Greenes (1983): liver scans, of which 263 of 429 positive and 81 of 221 negative were verified."""
    scan = ["present"] * 429 + ["absent"] * 221
    liver = ["yes"] * 231 + ["no"] * 32 + [None] * 166 + ["yes"] * 27 + ["no"] * 54 + [None] * 140
    return pd.DataFrame({"scan": scan, "disease": liver})


def value(result: DiagnosticAccuracy, term: str, method: str, column: str) -> float:
    rows = result.tidy()
    (found,) = rows.loc[(rows["term"] == term) & (rows["level"] == "") & (rows["method"] == method), column]
    return float(found)


def test_everyone_verified_by_hand() -> None:
    """Of 10 with the condition 8 positive; of 20 without 15 negative: 0.8, 0.75, 8/13, 15/17, LR+ 0.8/0.25."""
    frame = pd.DataFrame({"mri": [1] * 8 + [0] * 2 + [1] * 5 + [0] * 15, "death": ["yes"] * 10 + ["no"] * 20})
    result = co.diagnostic_accuracy("mri", "death", frame, prevalence=0.1)
    assert value(result, "sensitivity", "exact", "estimate") == 0.8
    assert value(result, "specificity", "exact", "estimate") == 0.75
    assert value(result, "positive_predictive_value", "exact", "estimate") == pytest.approx(8 / 13)
    assert value(result, "negative_predictive_value", "exact", "estimate") == pytest.approx(15 / 17)
    assert value(result, "positive_likelihood_ratio", "score", "estimate") == pytest.approx(3.2)
    # Bayes: 0.1 * 0.8 / (0.1 * 0.8 + 0.9 * 0.25)
    rows = result.tidy()
    at = rows[(rows["term"] == "positive_predictive_value_at_prevalence") & (rows["level"] == "0.1")]
    assert_allclose(at["estimate"], 0.08 / 0.305)
    assert result.method == "verified_only"
    said = result.text("positive_predictive_value_at_prevalence[0.1]")
    assert said.startswith("positive predictive value at a prevalence of 0.1 0.26 ")


def test_published_correction_for_verification() -> None:
    """By hand: 429 * 231/263 = 376.8 and 221 * 27/81 = 73.7 with the disease: 376.8/450.5 = .836; .738."""
    result = co.diagnostic_accuracy("scan", "disease", hepatic())
    assert value(result, "sensitivity", "begg_greenes", "estimate") == pytest.approx(0.836, abs=5e-4)
    assert value(result, "specificity", "begg_greenes", "estimate") == pytest.approx(0.738, abs=5e-4)
    with_disease = 429 * 231 / 263, 221 * 27 / 81
    exact = with_disease[0] / sum(with_disease)
    assert value(result, "sensitivity", "begg_greenes", "estimate") == pytest.approx(exact, rel=1e-12)


def test_bounds_by_hand() -> None:
    """Least: none of 166 and all of 140 have it, 231/(231 + 167); most: all of 166, none of 140, 397/424."""
    result = co.diagnostic_accuracy("scan", "disease", hepatic(), method="bounds")
    assert value(result, "sensitivity", "bounds", "bound_low") == pytest.approx(231 / 398)
    assert value(result, "sensitivity", "bounds", "bound_high") == pytest.approx(397 / 424)
    assert "between 0.58 and 0.94" in result.text()


def test_methods_agree_without_covariates() -> None:
    results = {
        m: co.diagnostic_accuracy("scan", "disease", hepatic(), method=m) for m in ("begg_greenes", "ipw")
    }
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        first, second = (value(r, "specificity", m, column) for m, r in results.items())
        assert first == pytest.approx(second, rel=1e-8)
    imputed = co.diagnostic_accuracy(
        "scan", "disease", hepatic(), method="multiple_imputation", imputations=400
    )
    # Monte Carlo error of 400 imputations is below a hundredth of a standard error of 0.025.
    assert value(imputed, "sensitivity", "multiple_imputation", "estimate") == pytest.approx(0.836, abs=0.008)


def test_imputations_follow_their_seed() -> None:
    made = [
        co.diagnostic_accuracy("scan", "disease", hepatic(), method="multiple_imputation", seed=s).text()
        for s in (1, 1)
    ]
    assert made[0] == made[1]


def test_what_is_not_known_is_never_negative() -> None:
    frame = pd.DataFrame(
        {
            "flair": ["present", "absent", "not_imaged", "not_assessable", "absent", "present"],
            "death": ["yes", "no", "yes", "yes", "yes", "no"],
        }
    )
    result = co.diagnostic_accuracy("flair", "death", frame)
    assert result.n == 4
    assert dict((reason, n) for _, reason, n in result.left_out) == {"not_imaged": 1, "not_assessable": 1}
    assert any("neither positive nor negative" in note for note in result.notes)
    assert value(result, "sensitivity", "exact", "n") == 2  # one positive, one negative; not four


def test_a_grade_that_straddles_the_threshold_is_left_out() -> None:
    frame = pd.DataFrame(
        {"low": [3, 1, 2, 0, 4], "high": [4, 2, 3, 0, 4], "death": ["yes", "no", "yes", "no", "yes"]}
    )
    result = co.diagnostic_accuracy(["low", "high"], "death", frame, threshold=3)
    assert result.n == 4
    assert result.left_out == (("low", "on either side of the threshold", 1),)


def test_clusters_widen_the_limits() -> None:
    rng = np.random.default_rng(5)
    center = np.repeat(np.arange(12), 20)
    shift = rng.normal(0, 1.2, 12)[center]
    sick = rng.random(240) < 0.4
    frame = pd.DataFrame(
        {"mri": rng.random(240) < 1 / (1 + np.exp(-(shift + 2 * sick - 1))), "sick": sick, "center": center}
    )
    alone = co.diagnostic_accuracy("mri", "sick", frame)
    together = co.diagnostic_accuracy("mri", "sick", frame, cluster="center")
    width = [
        value(r, "sensitivity", m, "conf_high") - value(r, "sensitivity", m, "conf_low")
        for r, m in ((alone, "wilson"), (together, "cluster_robust"))
    ]
    assert width[1] > 1.2 * width[0]
    assert together.n_cluster == 12


def test_correction_removes_the_bias_of_verification() -> None:
    """Se .7, Sp .8; positives verified with probability .9, negatives .2; 3000 patients, seed fixed."""
    rng = np.random.default_rng(11)
    sick = rng.random(3000) < 0.3
    test = rng.random(3000) < np.where(sick, 0.7, 0.2)
    verified = rng.random(3000) < np.where(test, 0.9, 0.2)
    frame = pd.DataFrame({"mri": test, "sick": pd.Series(sick, dtype="boolean").where(verified)})
    result = co.diagnostic_accuracy("mri", "sick", frame)
    naive, right = (value(result, "sensitivity", m, "estimate") for m in ("exact", "begg_greenes"))
    assert naive > 0.85
    assert abs(right - 0.7) < 3 * value(result, "sensitivity", "begg_greenes", "std_error")
    assert (
        value(result, "sensitivity", "bounds", "bound_low")
        < 0.7
        < value(result, "sensitivity", "bounds", "bound_high")
    )


def test_nobody_of_one_result_verified_leaves_bounds() -> None:
    frame = hepatic().assign(disease=lambda f: f["disease"].where(f["scan"] == "present"))
    result = co.diagnostic_accuracy("scan", "disease", frame)
    assert result.method == "bounds"
    assert any("bounds only" in note for note in result.notes)


def test_the_figure_is_the_table() -> None:
    result = co.diagnostic_accuracy("scan", "disease", hepatic())
    ax = result.plot()
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert style.check_layout(fig) == []
    drawn = {round(float(x), 12) for line in ax.lines for x in np.atleast_1d(line.get_xdata())}
    for method in ("exact", "begg_greenes"):
        assert round(value(result, "sensitivity", method, "estimate"), 12) in drawn


BAD = [
    (dict(test="score"), "give threshold="),
    (dict(reference="scan"), "column of the reference"),
    (dict(method="magic"), "begg_greenes"),
    (dict(prevalence=1.2), "prevalence=0.1"),
    (dict(test=["a", "b", "c"]), "threshold=3"),
    (dict(cluster="one"), "leave cluster= out"),
    (dict(method="multiple_imputation", imputations=1), "imputations=100"),
    (dict(method="begg_greenes", covariates=["score"]), "ipw"),
    (dict(reference="unknown"), "without it accuracy"),
    (dict(test="unknown"), "check the column of the test"),
    (dict(test="nowhere"), "nowhere"),
    (dict(test="score", threshold=float("nan")), "threshold=3"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_bad_input_is_refused(change: dict[str, object], words: str) -> None:
    frame = hepatic().assign(score=np.arange(650) / 7, one="a", unknown=None)
    call = {"test": "scan", "reference": "disease", "data": frame, **change}
    with pytest.raises(CohortError) as raised:
        co.diagnostic_accuracy(**call)  # type: ignore[arg-type]
    assert words in str(raised.value)


def test_repeated_patients_need_a_cluster() -> None:
    frame = hepatic().assign(patient_id=lambda f: np.arange(len(f)) // 2)
    with pytest.raises(EstimationError, match="cluster="):
        co.diagnostic_accuracy("scan", "disease", frame)
