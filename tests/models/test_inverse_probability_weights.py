"""inverse_probability_weights: by hand, against R (tests/reference/weights/make.R), properties, refusals, figure."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import BadControlError, EstimationError
from cohort.estimators.balancing_weights import balancing_weights, effective_sample_size
from cohort.estimators.entropy_balancing import entropy_balance
from cohort.style import check_layout

FOLDER = Path(__file__).parents[1] / "reference/weights"
DATA = pd.read_csv(FOLDER / "data.csv")
EXPECTED = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False)
# Newton's method to a negligible step on both sides: coefficients agree to about 1e-10, weights inherit it.
RTOL = 1e-8
FLAIR = "flair ~ age + male + product"


def reference(model: str, quantity: str) -> np.ndarray:
    rows = EXPECTED[(EXPECTED["model"] == model) & (EXPECTED["quantity"] == quantity)]
    assert len(rows)
    return rows["value"].to_numpy(dtype=float)


def small() -> pd.DataFrame:
    """Make six patients: of three young one, of three old two have the finding."""
    return pd.DataFrame({"flair": ["no", "no", "yes", "no", "yes", "yes"], "old": [0, 0, 0, 1, 1, 1]})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # P(flair) = 1/3 among the young, 2/3 among the old
        ({"stabilized": False}, [1.5, 1.5, 3, 3, 1.5, 1.5]),
        ({"stabilized": True}, [0.75, 0.75, 1.5, 1.5, 0.75, 0.75]),  # half have it
        ({"estimand": "att"}, [0.5, 0.5, 1, 2, 1, 1]),  # e / (1 - e) for those without
        ({"estimand": "att", "focal": "no"}, [1, 1, 2, 1, 0.5, 0.5]),
        (
            {"estimand": "overlap"},
            [1 / 3, 1 / 3, 2 / 3, 2 / 3, 1 / 3, 1 / 3],
        ),  # probability of the other group
        ({"estimand": "matching"}, [0.5, 0.5, 1, 1, 0.5, 0.5]),  # the smaller probability over one's own
        # entropy: means of old equal 1/2 in both groups; of three, the odd one out weighs as much as the two
        ({"method": "entropy"}, [0.75, 0.75, 1.5, 1.5, 0.75, 0.75]),
    ],
)
def test_by_hand(arguments, expected):
    fit = co.inverse_probability_weights("flair ~ old", small(), **arguments)
    np.testing.assert_allclose(fit.weights, expected, rtol=1e-9)


def test_imaging_by_hand():
    # of four young two, of four old three were imaged; one nobody knows about, one age is missing
    data = pd.DataFrame(
        {
            "mri_status": [
                *["imaged"] * 2,
                *["not_imaged"] * 2,
                *["imaged"] * 3,
                "not_imaged",
                "unknown",
                "imaged",
            ],
            "old": [0, 0, 0, 0, 1, 1, 1, 1, 1, np.nan],
        }
    )
    fit = co.inverse_probability_weights("mri_status ~ old", data, "imaged", stabilized=False)
    np.testing.assert_allclose(fit.weights, [2, 2, 4 / 3, 4 / 3, 4 / 3], rtol=1e-9)
    assert fit.weights.index.tolist() == [0, 1, 4, 5, 6]
    assert fit.weights.sum() == pytest.approx(8, rel=1e-9)  # they stand for the eight whose status is known
    assert fit.left_out == (("mri_status", "unknown", 1), ("old", "missing", 1))
    assert "mri_status unknown 1" in repr(fit)
    assert fit.by(data["mri_status"])["level"].tolist() == ["imaged", "not_imaged"]


@pytest.mark.parametrize("kind", ["ate", "stabilized", "att", "overlap", "matching", "imaged", "truncated"])
def test_weights_equal_those_from_glm(kind):
    options = {
        "ate": {"stabilized": False},
        "stabilized": {},
        "imaged": {"estimand": "imaged", "stabilized": False},
        "truncated": {"stabilized": False, "truncate": 0.05},
    }
    fit = co.inverse_probability_weights(FLAIR, DATA, **options.get(kind, {"estimand": kind}))
    expected = reference(kind, "weight")
    np.testing.assert_allclose(fit.values, expected, rtol=RTOL)
    assert fit.weights.index.tolist() == np.flatnonzero(expected > 0).tolist()
    found = fit.glance()["effective_n"].item()
    np.testing.assert_allclose(found, reference(kind, "effective_n").item(), rtol=RTOL)
    if kind == "truncated":
        assert fit.n_truncated == 24  # a tenth of 240 patients


def test_the_model_of_the_exposure_equals_glm():
    fit = co.inverse_probability_weights(FLAIR, DATA)
    for quantity, found in (("estimate", fit.tidy()["estimate"]), ("std_error", fit.tidy()["std_error"])):
        expected = reference("propensity", quantity)
        np.testing.assert_allclose(found, expected, rtol=1e-7)


@pytest.mark.parametrize("kind", ["ate", "overlap", "matching", "att"])
def test_three_groups_equal_multinom(kind):
    options = {"estimand": kind, "stabilized": False} | ({"focal": "b"} if kind == "att" else {})
    fit = co.inverse_probability_weights("arm ~ age + male + product", DATA, **options)
    np.testing.assert_allclose(fit.values, reference(f"multinomial {kind}", "weight"), rtol=RTOL)
    expected = reference("multinomial", "probability").reshape(3, -1).T
    np.testing.assert_allclose(fit.probability, expected, rtol=RTOL)
    assert fit.tidy()["outcome"].drop_duplicates().tolist() == ["b", "c"]


@pytest.mark.parametrize("kind", ["ate", "att"])
def test_entropy_balancing_equals_the_dual_solved_in_r(kind):
    fit = co.inverse_probability_weights(FLAIR, DATA, kind, method="entropy")
    np.testing.assert_allclose(fit.values, reference(f"entropy {kind}", "weight"), rtol=RTOL)
    assert fit.tidy()["reason"].ne("").all()


def test_firth_keeps_a_separating_covariate():
    data = DATA.assign(rare=(DATA["flair"] == 1) & (DATA.index < 12))
    with pytest.raises(EstimationError, match=r"positivity: rare.*predicts group 1 perfectly"):
        co.inverse_probability_weights(FLAIR + " + rare", data)
    fit = co.inverse_probability_weights(FLAIR + " + rare", data, method="firth")
    assert np.isfinite(fit.weights).all()


def test_strong_prediction_without_separation_is_kept_and_told():
    # the exposure follows the score but for two patients on the wrong side: the maximum exists, odds 1e9 apart
    x = np.r_[np.linspace(-30, -1, 60), -0.5, 0.5, np.linspace(1, 30, 60)]
    data = pd.DataFrame({"x": x, "flair": np.r_[np.zeros(60), 1, 0, np.ones(60)].astype(int)})
    fit = co.inverse_probability_weights("flair ~ x", data)
    assert np.ptp(np.log(fit.probability[:, 1])) > 15
    assert "patients with a probability of a group under 0.01 (positivity)" in repr(fit)


@pytest.mark.parametrize("unknown", ["unknown", "not_reported", "indeterminate", None])
def test_a_kind_of_not_known_is_no_group(unknown):
    arm = pd.Categorical(
        ["a", "b", "b", "a", "c", "c"] * 3 + [unknown], categories=["a", "b", "c", "unknown"]
    )
    arm = arm if unknown in (None, "unknown") else pd.Series([*["a", "b", "b", "a", "c", "c"] * 3, unknown])
    data = pd.DataFrame({"arm": arm, "old": [0, 0, 1, 1, 0, 1] * 3 + [1]})
    fit = co.inverse_probability_weights("arm ~ old", data)
    assert fit.groups == ("a", "b", "c")
    assert fit.left_out == (("arm", unknown or "missing", 1),)
    assert 18 not in fit.weights.index


@given(st.integers(2, 4), st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_properties_of_weights(k, seed):
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.ones(k), 30)
    group = np.r_[np.arange(k), rng.integers(0, k, 30 - k)]
    own = probability[np.arange(30), group]
    np.testing.assert_allclose(balancing_weights(probability, group, "ate") * own, 1, rtol=1e-12)
    for target in ("overlap", "matching"):
        weight = balancing_weights(probability, group, target)
        assert ((weight > 0) & (weight <= 1 + 1e-12)).all()
    assert (balancing_weights(probability, group, "att", 1)[group == 1] == 1).all()
    weight = balancing_weights(probability, group, "ate")
    assert 1 <= effective_sample_size(weight) <= 30
    assert effective_sample_size(weight) == pytest.approx(effective_sample_size(7 * weight), rel=1e-12)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_entropy_balancing_matches_means_and_stays_positive(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3))
    inside = rng.dirichlet(np.ones(40)) @ X  # a target within the hull
    found = entropy_balance(X, inside)
    if found.converged:
        np.testing.assert_allclose(found.weight @ X / found.weight.sum(), inside, atol=1e-9)
        assert (found.weight > 0).all()
        assert found.weight.mean() == pytest.approx(1, rel=1e-12)
    outside = entropy_balance(X, X.max(axis=0) + 1)
    assert not outside.converged


def test_the_order_of_rows_is_irrelevant_and_the_input_untouched():
    before = DATA.copy()
    shuffled = DATA.sample(frac=1, random_state=1)
    one = co.inverse_probability_weights(FLAIR, DATA).weights
    two = co.inverse_probability_weights(FLAIR, shuffled).weights
    np.testing.assert_allclose(two.reindex(one.index), one, rtol=1e-9)
    pd.testing.assert_frame_equal(DATA, before)


def bad(**columns: object) -> pd.DataFrame:
    return DATA.assign(**columns)


@pytest.mark.parametrize(
    ("formula", "data", "options", "pattern"),
    [
        ("age + male", DATA, {}, "no exposure"),
        ("flare ~ age", DATA, {}, "did you mean flair"),
        ("flair ~ age", DATA, {"estimand": "ato"}, 'estimand="ate"'),
        ("flair ~ age", DATA, {"method": "gbm"}, 'method="ml"'),
        ("flair ~ age", DATA, {"focal": "0"}, "leave focal= out"),
        ("flair ~ age", DATA, {"estimand": "imaged", "focal": "0"}, "leave focal= out"),
        ("flair ~ age", DATA, {"estimand": "att", "focal": "yes"}, 'focal="1"'),
        ("flair ~ age", DATA, {"truncate": True}, "truncate=0.01"),
        ("flair ~ age", DATA, {"truncate": 99}, "truncate=0.01"),
        ("flair ~ age", DATA, {"truncate": (0.9, 0.1)}, "truncate=0.01"),
        ("flair ~ age", DATA, {"truncate": (0.01, True)}, "truncate=0.01"),
        ("flair ~ age", DATA, {"truncate": float("nan")}, "truncate=0.01"),
        ("flair ~ age", DATA, {"truncate": "1%"}, "truncate=0.01"),
        ("flair ~ age", DATA, {"method": "entropy", "estimand": "overlap"}, 'method="ml"'),
        ("arm ~ age", DATA, {"method": "firth"}, "Firth's penalty is for two groups"),
        ("flair ~ flair + age", DATA, {}, "both sides"),
        ("days ~ age", DATA, {}, "make groups of it first"),
        ("flair ~ age", bad(flair=1), {}, "nothing to compare"),
        ("flair ~ age", bad(flair=0), {}, "nothing to compare"),
        ("arm ~ age", bad(arm="a"), {}, "nothing to compare"),
        ("flair ~ age", bad(age=DATA["age"].where(DATA["flair"] == 0)), {}, "nobody of group 1"),
        ("flair ~ age", DATA.iloc[:0], {}, "filter that made this frame"),
        ("flair ~ age", bad(age=np.where(DATA.index == 0, np.inf, DATA["age"])), {}, "infinite"),
        ("flair ~ age", pd.concat([DATA, DATA]), {}, "reset_index"),
        ("flair ~ age", bad(patient_id=1), {}, "drop_duplicates"),
        ("arm ~ age + male + days", DATA.iloc[:8], {}, "leave covariates out"),
        ("flair ~ age", bad(age=DATA["flair"] * 1.0), {"method": "entropy"}, "no weights of group"),
        (
            "mri ~ age",
            bad(mri=np.where(DATA["flair"] == 1, "imaged", "abroad")),
            {"estimand": "imaged"},
            "levels beside",
        ),
    ],
)
def test_refusals(formula, data, options, pattern):
    with pytest.raises(EstimationError, match=pattern):
        co.inverse_probability_weights(formula, data, **options)


def test_a_consequence_of_the_exposure_is_refused():
    facts = {"age": ColumnFacts(known_day=30), "flair": ColumnFacts(known_day=5)}
    data = declare_facts(DATA.copy(), facts)
    with pytest.raises(BadControlError):
        co.inverse_probability_weights("flair ~ age", data)
    fit = co.inverse_probability_weights("flair ~ age", data, acknowledge="bad_control")
    assert "bad_control" in repr(fit)
    assert co.inverse_probability_weights("flair ~ age", data, "imaged").acknowledged == ()


def test_the_figure_draws_what_the_result_says():
    fit = co.inverse_probability_weights(FLAIR, DATA)
    ax = fit.plot()
    up = [bar.get_height() for bar in ax.patches if bar.get_gid() == "patients"]
    assert sum(h for h in up if h > 0) == (DATA["flair"] == 1).sum()
    assert -sum(h for h in up if h < 0) == (DATA["flair"] == 0).sum()
    first = next(line for line in ax.lines if line.get_gid() == "weighted")
    assert np.sum(first.get_ydata()[::2]) == pytest.approx(fit.weights[DATA["flair"] == 1].sum())
    assert check_layout(ax.get_figure(root=True)) == []
    plt.close("all")
    for fit in (
        co.inverse_probability_weights("arm ~ age", DATA),
        co.inverse_probability_weights(FLAIR, DATA, method="entropy"),
    ):
        ax = fit.plot(group=fit.groups[0])
        assert check_layout(ax.get_figure(root=True)) == []
        plt.close("all")
    with pytest.raises(EstimationError, match="groups: 0, 1"):
        co.inverse_probability_weights(FLAIR, DATA).plot(group="yes")
