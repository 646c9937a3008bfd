"""Areas under ROC curves: pairs by hand, pROC and Obuchowski's definition, three states, errors, the figure."""

import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import cohort as co
from cohort import style
from cohort.errors import EstimationError, IncorporationError, SelectiveImagingError
from cohort.estimators.roc import grouped_areas, paired_areas, placements
from cohort.models.roc_result import Roc

REFERENCE = Path(__file__).parents[1] / "reference" / "roc"
# Sums of ranks: no iteration, so that only rounding remains.
RTOL = 1e-11


def reference() -> tuple[pd.DataFrame, dict[tuple[str, str], float]]:
    expected = pd.read_csv(REFERENCE / "expected.csv")
    values = zip(expected["part"], expected["quantity"], expected["value"], strict=True)
    return pd.read_csv(REFERENCE / "data.csv").rename(columns={"patient": "place"}), {
        (part, quantity): value for part, quantity, value in values
    }


def row(result: Roc, **where: str) -> pd.Series:
    rows = result.tidy()
    for column, value in where.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1, where
    return rows.iloc[0]


def test_pairs_and_variance_by_hand() -> None:
    """With the outcome 2, 3, 5; without 1, 2, 4.

    Pairs won: 2 beats 1 and ties 2 (1.5 of 3), 3 beats two, 5 beats three: 6.5/9. Placements with (1.5, 2, 3)/3,
    without: 1 is beaten by three, 2 by two and tied by one, 4 by one: (3, 2.5, 1)/3.
    Their variances are 7/108 and 13/108 with n - 1, so the variance of the area is (7/108 + 13/108)/3.
    """
    data = pd.DataFrame({"score": [2, 3, 5, 1, 2, 4], "severe": [1, 1, 1, 0, 0, 0]})
    found = row(co.roc("score", "severe", data), measure="auc", method="delong")
    assert found["estimate"] == pytest.approx(6.5 / 9, rel=1e-15)
    # Placements in thirds: (1.5, 2, 3) have mean 13/6 and sum of squares 7/6; (3, 2.5, 1) 13/6 again and 13/6.
    variance = (7 / 6 / 9 / 2 + 13 / 6 / 9 / 2) / 3
    assert found["std_error"] == pytest.approx(math.sqrt(variance), rel=1e-14)


def test_cutoffs_and_youden_by_hand() -> None:
    """At 3 or above 2 of 3 with and 1 of 3 without; best at 5: 1/3 + 1 - 1, at 2 1 + 1/3 - 1, at 3 1/3: the highest."""
    data = pd.DataFrame({"score": [2, 3, 5, 1, 2, 4], "severe": [1, 1, 1, 0, 0, 0]})
    result = co.roc("score", "severe", data, cutoffs=3)
    assert row(result, measure="sensitivity", method="exact")["estimate"] == pytest.approx(2 / 3)
    assert row(result, measure="specificity", method="exact")["estimate"] == pytest.approx(2 / 3)
    best = row(result, measure="youden")
    assert best["estimate"] == pytest.approx(1 / 3)
    assert best["level"] == "≥5 (youden)"
    assert "chosen from the same patients" in best["reason"]
    curve = result.curve()
    assert curve["cutoff"].tolist() == [np.inf, 5, 4, 3, 2, 1]
    assert_allclose(curve["sensitivity"], [0, 1 / 3, 1 / 3, 2 / 3, 1, 1])
    assert_allclose(curve["specificity"], [1, 1, 2 / 3, 2 / 3, 1 / 3, 0], atol=1e-15)


@pytest.mark.parametrize("score", ["first", "second", "platelets"])
def test_areas_as_proc(score: str) -> None:
    """``pROC::auc``, ``ci.auc`` and ``var`` 1.18.0 (tests/reference/roc)."""
    data, expected = reference()
    low = score if score == "platelets" else ()
    result = co.roc(score, "outcome", data, low_is_positive=low)
    plain = row(result, measure="auc", method="delong")
    logit = row(result, measure="auc", method="delong_logit")
    assert_allclose(plain["estimate"], expected[score, "estimate"], rtol=RTOL)
    assert_allclose(plain["std_error"], expected[score, "std_error"], rtol=RTOL)
    ends = ("conf_low", "conf_high")
    assert_allclose([plain[e] for e in ends], [expected[score, f"delong_{e[5:]}"] for e in ends], rtol=RTOL)
    assert_allclose([logit[e] for e in ends], [expected[score, f"logit_{e[5:]}"] for e in ends], rtol=RTOL)


def test_comparisons_as_proc() -> None:
    """``pROC::roc.test``, paired by z and unpaired by t."""
    data, expected = reference()
    paired = row(co.roc(["first", "second"], "outcome", data), measure="auc_difference")
    for column in ("statistic", "p_value", "conf_low", "conf_high"):
        assert_allclose(paired[column], expected["paired", column], rtol=1e-10, err_msg=column)
    assert math.isnan(paired["df"])
    unpaired = row(co.roc("first", "outcome", data, by="group"), measure="auc_difference")
    for column in ("statistic", "df", "p_value"):
        assert_allclose(unpaired[column], expected["unpaired", column], rtol=1e-10, err_msg=column)


def test_cutoffs_as_proc() -> None:
    data, expected = reference()
    result = co.roc("first", "outcome", data, cutoffs=0.5)
    for term in ("sensitivity", "specificity"):
        assert_allclose(
            row(result, measure=term, method="exact")["estimate"], expected["cutoff", term], rtol=RTOL
        )
    assert_allclose(row(result, measure="youden")["estimate"], expected["cutoff", "youden"], rtol=RTOL)


def test_clusters_as_the_definition_of_obuchowski() -> None:
    """The matrix of all pairs, summed by cluster (make.R), and its cluster bootstrap within 10 %."""
    data, expected = reference()
    scores, positive = data[["first", "second"]].to_numpy(float), data["outcome"].to_numpy() == 1
    cluster = pd.factorize(data["place"])[0]
    found = paired_areas(scores, positive, cluster)
    assert_allclose(found.covariance[0, 0] ** 0.5, expected["clustered", "std_error_first"], rtol=RTOL)
    assert_allclose(found.covariance[1, 1] ** 0.5, expected["clustered", "std_error_second"], rtol=RTOL)
    assert_allclose(found.covariance[0, 1], expected["clustered", "covariance"], rtol=RTOL)
    result = co.roc(["first", "second"], "outcome", data, cluster="place")
    difference = row(result, measure="auc_difference")
    assert abs(difference["std_error"] / expected["bootstrap", "std_error_difference"] - 1) < 0.1
    groups = grouped_areas(scores[:, 0], positive, pd.factorize(data["group"], sort=True)[0], cluster)
    assert_allclose(groups.covariance[0, 1], expected["clustered", "covariance_of_groups"], rtol=RTOL)
    of_groups = row(co.roc("first", "outcome", data, by="group", cluster="place"), measure="auc_difference")
    assert abs(of_groups["std_error"] / expected["bootstrap", "std_error_difference_of_groups"] - 1) < 0.1


def test_one_row_per_cluster_is_delong() -> None:
    data, _ = reference()
    data = data.assign(row=range(len(data)))
    alone = row(co.roc("first", "outcome", data), measure="auc", method="delong")
    clustered = row(co.roc("first", "outcome", data, cluster="row"), measure="auc", method="obuchowski")
    assert_allclose(clustered["std_error"], alone["std_error"], rtol=RTOL)


outcomes = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=4, max_size=30).filter(
    lambda rows: 1 < sum(b for _, b in rows) < len(rows) - 1
)


@settings(deadline=None, max_examples=60)
@given(outcomes)
def test_area_does_not_depend_on_order_scale_or_direction(rows: list[tuple[int, bool]]) -> None:
    score, positive = np.array([s for s, _ in rows], dtype=float), np.array([b for _, b in rows])
    found = paired_areas(score[:, None], positive)
    naive = np.mean([(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]])
    assert_allclose(found.areas[0], naive, atol=1e-14)
    changed = paired_areas(np.exp(score)[::-1, None], positive[::-1])
    assert_allclose(changed.areas, found.areas, atol=1e-14)
    assert_allclose(changed.covariance, found.covariance, atol=1e-14)
    turned = paired_areas(-score[:, None], positive)
    assert_allclose(turned.areas, 1 - found.areas, atol=1e-14)
    assert_allclose(turned.covariance, found.covariance, atol=1e-14)
    placed = placements(score, positive)
    assert_allclose(placed[positive].mean(), placed[~positive].mean(), atol=1e-14)


def test_complete_separation_has_newcombe_limits_only() -> None:
    data = pd.DataFrame({"score": range(8), "severe": [0] * 4 + [1] * 4})
    result = co.roc("score", "severe", data)
    assert math.isnan(row(result, measure="auc", method="delong_logit")["conf_low"])
    assert "newcombe" in row(result, measure="auc", method="delong")["reason"]
    last = row(result, measure="auc", method="newcombe")
    assert last["estimate"] == last["conf_high"] == 1
    assert 0.3 < last["conf_low"] < 0.9
    assert "Newcombe limits" in repr(result)


def test_one_with_the_outcome_has_no_delong_variance() -> None:
    result = co.roc("score", "severe", pd.DataFrame({"score": [1, 2, 3, 4], "severe": [0, 1, 0, 0]}))
    found = row(result, measure="auc", method="delong")
    assert math.isnan(found["std_error"])
    assert "fewer than two" in found["reason"]


def test_scores_that_never_differ_have_no_test() -> None:
    data = pd.DataFrame({"a": [1, 2, 3, 4, 5, 6], "severe": [0, 1, 0, 1, 0, 1]}).assign(
        b=lambda f: 2 * f["a"]
    )
    found = row(co.roc(["a", "b"], "severe", data), measure="auc_difference")
    assert found["estimate"] == 0
    assert math.isnan(found["p_value"])
    assert "do not differ" in found["reason"]


def test_not_known_is_left_out_and_shrinks_comparisons() -> None:
    data = pd.DataFrame(
        {
            "a": [1.0, 2, 3, 4, 5, 6, 7, 8],
            "b": [2.0, 1, 4, 3, None, None, 8, 7],
            "flair": ["absent", "present", "absent", "present", "absent", "present", "not_imaged", "present"],
        }
    )
    result = co.roc(["a", "b"], "flair", data)
    assert result.n == 5
    assert dict(((c, r), n) for c, r, n in result.left_out) == {
        ("flair", "not_imaged"): 1,
        ("b", "missing"): 2,
    }
    assert "compared on the 5 rows with every score; rows with each: a 7, b 5" in repr(result)


def test_a_cluster_that_is_not_known_is_no_cluster() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"a": rng.normal(size=60), "severe": rng.random(60) < 0.5})
    data["center"] = np.where(np.arange(60) < 5, "unknown", (np.arange(60) % 11).astype(str))
    result = co.roc("a", "severe", data, cluster="center")
    assert result.n_cluster == 11
    assert result.left_out == (("center", "unknown", 5),)
    assert "11 clusters are few" in repr(result)


def test_a_group_within_one_cluster_has_no_limits() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"a": rng.normal(size=60), "severe": rng.random(60) < 0.5})
    data["product"] = np.where(np.arange(60) < 20, "axi-cel", "tisa-cel")
    data["center"] = np.where(np.arange(60) < 20, 0, np.arange(60) % 5 + 1)
    rows = co.roc("a", "severe", data, by="product", cluster="center", cutoffs=0).tidy()
    lone = rows[(rows["strata"] == "axi-cel") & (rows["method"] != "chosen_cutoff")]
    assert lone["conf_low"].isna().all()
    assert lone["reason"].ne("").all()
    assert "one cluster" in lone.loc[lone["measure"] == "sensitivity", "reason"].iloc[0]


def test_declared_direction_is_kept() -> None:
    data = pd.DataFrame({"platelets": [10, 20, 30, 90, 40, 95], "severe": [1, 1, 1, 1, 0, 0]})
    low = co.roc("platelets", "severe", data, low_is_positive="platelets", cutoffs=30)
    high = co.roc("platelets", "severe", data)
    assert row(low, measure="auc", method="delong")["estimate"] == pytest.approx(7 / 8)
    assert row(high, measure="auc", method="delong")["estimate"] == pytest.approx(1 / 8)
    assert "low_is_positive=" in repr(high)
    assert row(low, measure="sensitivity", level="≤30")["estimate"] == 0.75


def test_optimism_follows_its_seed_and_is_positive_without_signal() -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"a": rng.normal(size=60), "severe": np.arange(60) % 2})
    results = [co.roc("a", "severe", data, seed=7) for _ in range(2)]
    first, second = (row(r, measure="youden", method="optimism_corrected")["estimate"] for r in results)
    assert first == second
    assert first < row(results[0], measure="youden", method="chosen_cutoff")["estimate"]


def test_rows_of_the_printed_table_are_all_there() -> None:
    data, _ = reference()
    text = repr(co.roc("first", "outcome", data, by="group", cutoffs=[0, 1], seed=1, bootstraps=20))
    assert "more rows" not in text
    assert text.count("Youden") == 2
    assert text.count("sens.") == 4


FRAME = pd.DataFrame(
    {
        "a": [1, 2, 3, 4],
        "b": [1, 1, 2, 2],
        "severe": [0, 1, 0, 1],
        "all": 1,
        "text": list("wxyz"),
        "g": list("xxyy"),
    }
)


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (lambda: co.roc([], "severe", FRAME), 'score="easix"'),
        (lambda: co.roc("a", "severe", FRAME[:0]), "pass data="),
        (lambda: co.roc("nope", "severe", FRAME), "nope"),
        (lambda: co.roc("text", "severe", FRAME), "pd.to_numeric"),
        (lambda: co.roc("a", "all", FRAME), "with and without the outcome"),
        (lambda: co.roc("a", "a", FRAME), "name each score once"),
        (lambda: co.roc(["a", "b"], "severe", FRAME, by="g"), "one score with by="),
        (lambda: co.roc(["a", "b"], "severe", FRAME, cutoffs=1), "one score at a time"),
        (lambda: co.roc("a", "severe", FRAME, low_is_positive="b"), "name columns of score="),
        (lambda: co.roc("a", "severe", FRAME, cutoffs=np.nan), "cutoffs="),
        (lambda: co.roc("a", "severe", FRAME, seed=1, bootstraps=0), "bootstraps=200"),
        (lambda: co.roc("a", "severe", FRAME, cluster="all"), "leave cluster= out"),
        (lambda: co.roc("a", "severe", FRAME, by="all"), "leave by= out"),
        (lambda: co.roc("a", "severe", FRAME.assign(a=[1, 2, np.inf, 4])), "limit of detection"),
        (lambda: co.roc("grade", "severe", FRAME.assign(grade=[0, 1, 2.5, 4])), "declare the rounding"),
        (lambda: co.roc("a", "severe", FRAME.assign(patient_id=[1, 1, 2, 3])), "cluster="),
        (lambda: co.roc("a", "severe", FRAME, conf_level=95), "0.95"),
        (lambda: co.roc("a", "severe", FRAME).text("b"), "name one of these"),
    ],
)
def test_errors_name_the_remedy(call, remedy: str) -> None:
    with pytest.raises(EstimationError, match=remedy):
        call()


def test_guards_apply() -> None:
    data = FRAME.assign(cerebral_edema=["present", "absent"] * 2, icans_grade=[0, 1, 2, 3])
    with pytest.raises(IncorporationError, match="imaging_blind"):
        co.roc("icans_grade", "cerebral_edema", data)
    assert co.roc("icans_grade", "cerebral_edema", data, acknowledge="incorporation").acknowledged == (
        "incorporation",
    )
    filled = FRAME.assign(flair_deep=["present", "absent"] * 2, mri_status="not_imaged")
    with pytest.raises(SelectiveImagingError):
        co.roc("a", "flair_deep", filled)


def test_the_figure_draws_the_curve() -> None:
    data, _ = reference()
    result = co.roc("first", "outcome", data, by="group", cutoffs=0.5)
    ax = result.plot()
    drawn = [line for line in ax.lines if line.get_gid() == "curve"]
    for line, name in zip(drawn, result.groups, strict=True):
        curve = result.curve()[lambda f, name=name: f["strata"] == name]
        assert_allclose(line.get_xdata(), 1 - curve["specificity"])
        assert_allclose(line.get_ydata(), curve["sensitivity"])
    marks = [line for line in ax.lines if line.get_gid() == "cutoff"]
    tidy = result.tidy()
    at = tidy[(tidy["level"] == "≥0.5") & (tidy["strata"] == "axi")].set_index("measure")["estimate"]
    assert_allclose(marks[0].get_xydata()[0], [1 - at["specificity"], at["sensitivity"]])
    assert style.check_layout(ax.figure) == []
    plt.close(ax.figure)


@pytest.mark.parametrize("clustered", [False, True])
def test_limits_cover_the_area(clustered: bool) -> None:
    """N(1, 1) against N(0, 1): area Phi(1 / sqrt(2)) = 0.7602; 95 % within four Monte-Carlo errors (400 samples)."""
    rng = np.random.default_rng(20261126)
    truth, hits = 0.7602499389065233, 0
    for _ in range(400):
        cluster = np.repeat(np.arange(30), 3)
        shared = rng.normal(size=30)[cluster] * (0.7 if clustered else 0.0)
        positive = rng.random(90) < 0.4
        score = shared + rng.normal(size=90) * (np.sqrt(0.51) if clustered else 1.0) + positive
        found = paired_areas(score[:, None], positive, cluster if clustered else None)
        m = found.area(0, 0.95, logit=True)
        hits += m.conf_low <= truth <= m.conf_high
    assert abs(hits / 400 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 400)
