"""standardized_risks: by hand, against R (tests/reference/standardized/make.R), bad input, coverage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import EstimationError, IncorporationError, SelectiveImagingError, SparseDataError
from cohort.estimators.standardized_risk import bootstrap_risks
from cohort.models.standardized_risks import standardized_risks

FOLDER = Path(__file__).parents[1] / "reference"
DATA = pd.read_csv(FOLDER / "logistic/data.csv")
DATA["age10"] = (DATA["age"] - 60) / 10
DATA["w"] = 0.5 + np.arange(1, len(DATA) + 1) % 7 / 4
EXPECTED = pd.read_csv(FOLDER / "standardized/expected.csv", dtype={"term": str}).set_index(
    ["model", "quantity", "term"]
)["value"]
ADJUSTED = "severe ~ age + flair + product"
FITS = {
    "ml": lambda: standardized_risks(ADJUSTED, "flair", DATA),
    "interaction": lambda: standardized_risks("severe ~ age10 * flair", "flair", DATA),
    "cluster": lambda: standardized_risks(ADJUSTED, "flair", DATA, cluster="center"),
    "weights": lambda: standardized_risks(ADJUSTED, "flair", DATA, weights="w"),
    "weights cluster": lambda: standardized_risks(
        ADJUSTED, "flair", DATA, weights=DATA["w"], cluster="center"
    ),
    "product": lambda: standardized_risks(ADJUSTED, "product", DATA),
    "age": lambda: standardized_risks(ADJUSTED, "age", DATA, values=(50, 70)),
    "firth": lambda: standardized_risks("severe ~ age10 + flair", "flair", DATA, method="firth"),
    "firth separated": lambda: standardized_risks(
        "severe ~ age10 + flair + rare", "flair", DATA, method="firth"
    ),
}


@pytest.mark.parametrize("model", FITS)
def test_equals_the_defining_equations_in_r(model):
    tidy = FITS[model]().tidy().set_index(["term", "level"])
    for (term, level), row in tidy.iterrows():
        np.testing.assert_allclose(row["estimate"], EXPECTED[model, term, level], rtol=1e-8)
        np.testing.assert_allclose(row["std_error"], EXPECTED[model, f"{term} se", level], rtol=1e-8)
        column, name = ("conf_low", "risk low") if term == "risk" else ("conf_high", f"{term} high")
        np.testing.assert_allclose(row[column], EXPECTED[model, name, level], rtol=1e-8)


def test_equals_risk_regression_up_to_the_factor_of_the_sandwich():
    tidy = FITS["ml"]().tidy().set_index(["term", "level"])
    factor = np.sqrt(len(DATA) / (len(DATA) - 1))
    for level in ("0", "1"):
        row = tidy.loc[("risk", level)]
        np.testing.assert_allclose(row["estimate"], EXPECTED["ate", "risk", level], rtol=1e-8)
        np.testing.assert_allclose(row["std_error"], factor * EXPECTED["ate", "risk se", level], rtol=1e-8)
    row = tidy.loc[("risk_difference", "1")]
    np.testing.assert_allclose(
        row["std_error"], factor * EXPECTED["ate", "risk_difference se", "1"], rtol=1e-8
    )


def test_without_covariates_it_is_the_two_by_two_table_by_hand():
    # 6 of 10 exposed, 3 of 10 unexposed: RD 0.3, RR 2, OR (6/4)/(3/7) = 3.5;
    # influences sum to the binomial variance p q / 10, times n/(n-1) = 20/19
    data = pd.DataFrame({"y": [1] * 6 + [0] * 4 + [1] * 3 + [0] * 7, "x": ["yes"] * 10 + ["no"] * 10})
    tidy = standardized_risks("y ~ x", "x", data).tidy().set_index(["term", "level"])
    np.testing.assert_allclose(tidy["estimate"], [0.3, 0.6, 0.3, 2, 3.5], rtol=1e-10)
    parts = np.array([0.3 * 0.7 / 10, 0.6 * 0.4 / 10]) * 20 / 19
    errors = [*np.sqrt(parts), np.sqrt(parts.sum()), np.sqrt(parts @ [1 / 0.3**2, 1 / 0.6**2])]
    errors.append(np.sqrt(parts @ [1 / 0.21**2, 1 / 0.24**2]))
    np.testing.assert_allclose(tidy["std_error"], errors, rtol=1e-10)
    z = 1.959963984540054
    low = expit(logit(0.3) - z * errors[0] / 0.21)
    np.testing.assert_allclose(tidy["conf_low"].iloc[0], low, rtol=1e-10)
    assert tidy["n"].to_list() == [10, 10, 10, 10, 10]
    assert tidy["n_event"].to_list() == [3, 6, 6, 6, 6]


def test_standardization_by_hand_over_two_strata():
    # saturated: old 4/8 exposed, 1/8 unexposed; young 1/2 exposed, 1/6 unexposed; 16 old, 8 young
    # exposed (16 * 4/8 + 8 * 1/2)/24 = 0.5; unexposed (16 * 1/8 + 8 * 1/6)/24 = 10/72
    cells = [("old", 1, 4, 8), ("old", 0, 1, 8), ("young", 1, 1, 2), ("young", 0, 1, 6)]
    rows = [(a, x, int(i < e)) for a, x, e, n in cells for i in range(n)]
    data = pd.DataFrame(rows, columns=["age", "x", "y"])
    found = standardized_risks("y ~ x * age", "x", data)
    np.testing.assert_allclose(found.risk, [10 / 72, 0.5], rtol=1e-8)


def test_bootstrap_agrees_with_refits_written_out():
    import statsmodels.api as sm

    X = np.column_stack([np.ones(len(DATA)), DATA["flair"], DATA["age10"]])
    y = DATA["severe"].to_numpy(float)
    sets = [np.column_stack([X[:, 0], np.full(len(X), v), X[:, 2]]) for v in (0.0, 1.0)]
    got = bootstrap_risks(sets, X, y, 5, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    for one in got:
        rows = rng.integers(0, len(y), len(y))
        b = sm.Logit(y[rows], X[rows]).fit(disp=0, tol=1e-12).params
        np.testing.assert_allclose(one, [expit(Z[rows] @ b).mean() for Z in sets], rtol=1e-7)


def test_bootstrap_limits_are_close_to_the_delta_method_and_repeat():
    call = {"limits": "bootstrap", "seed": 1, "replicates": 1000}
    one = standardized_risks("severe ~ age10 + flair", "flair", DATA, **call)
    again = standardized_risks("severe ~ age10 + flair", "flair", DATA, **call)
    pd.testing.assert_frame_equal(one.tidy(), again.tidy(), check_exact=True)
    delta = standardized_risks("severe ~ age10 + flair", "flair", DATA).tidy()
    ratio = one.tidy()["std_error"] / delta["std_error"]
    assert ratio.between(0.9, 1.15).all()
    assert "1000 bootstrap samples" in repr(one)
    kept = one.draws[~np.isnan(one.draws).any(axis=1)]
    row = one.tidy(conf_level=0.9).set_index("term").loc["risk_difference"]
    np.testing.assert_allclose(row["conf_low"], np.quantile(kept[:, 1] - kept[:, 0], 0.05), rtol=1e-12)


def test_bootstrap_draws_whole_clusters():
    data = pd.concat([DATA.iloc[:60]] * 2, ignore_index=True).assign(twin=lambda f: f.index % 60)
    apart = standardized_risks("severe ~ flair", "flair", DATA.iloc[:60], limits="bootstrap", seed=4)
    twins = standardized_risks("severe ~ flair", "flair", data, limits="bootstrap", seed=4, cluster="twin")
    np.testing.assert_allclose(twins.draws, apart.draws, rtol=1e-8)
    delta = standardized_risks("severe ~ flair", "flair", data, cluster="twin")
    np.testing.assert_allclose(
        delta.covariance,
        standardized_risks("severe ~ flair", "flair", DATA.iloc[:60]).covariance,
        rtol=1e-8,
        atol=1e-16,
    )


def test_firth_with_no_event_among_the_exposed_has_limits():
    data = pd.DataFrame({"y": [0] * 8 + [1] * 5 + [0] * 25, "x": [1] * 8 + [0] * 30})
    found = standardized_risks("y ~ x", "x", data, method="firth")
    tidy = found.tidy().set_index(["term", "level"])
    assert 0 < tidy.loc[("risk", "1"), "estimate"] < 0.15
    assert np.isfinite(tidy[["conf_low", "conf_high"]]).all(axis=None)
    with pytest.raises(SparseDataError, match="firth"):
        standardized_risks("y ~ x", "x", data)
    near = data.assign(y=[1] + [0] * 7 + [1] * 5 + [0] * 25)
    with pytest.raises(EstimationError, match="firth"):
        standardized_risks("y ~ x", "x", near, limits="bootstrap", seed=1, replicates=200)


def test_findings_use_the_imaged_only_and_say_so():
    finding = np.where(DATA["flair"] == 1, "present", "absent").astype(object)
    finding[:10] = "not_imaged"
    data = DATA.assign(flair_deep=pd.Categorical(finding), mri_status=["not_imaged"] * 10 + ["imaged"] * 150)
    found = standardized_risks("severe ~ flair_deep + age10", "flair_deep", data)
    assert found.left_out == (("flair_deep", "not_imaged", 10),)
    assert found.levels == ("absent", "present")
    assert found.n_level == (int((DATA["flair"][10:] == 0).sum()), int((DATA["flair"][10:] == 1).sum()))
    swapped = standardized_risks("severe ~ flair_deep + age10", "flair_deep", data, reference="present")
    np.testing.assert_allclose(swapped.risk, found.risk[::-1], rtol=1e-12)
    filled = data.assign(flair_deep=data["flair_deep"].astype(object).replace("not_imaged", "absent"))
    with pytest.raises(SelectiveImagingError):
        standardized_risks("severe ~ flair_deep + age10", "flair_deep", filled)


def test_incorporation_is_refused_and_can_be_acknowledged():
    data = DATA.rename(columns={"flair": "cerebral_edema"}).assign(icans_grade=lambda f: f["severe"])
    declare_facts(data, {"cerebral_edema": ColumnFacts(part_of=("icans_grade",))})
    call = {"formula": "icans_grade ~ cerebral_edema", "exposure": "cerebral_edema", "data": data}
    with pytest.raises(IncorporationError):
        standardized_risks(**call)
    found = standardized_risks(**call, acknowledge="incorporation")
    assert found.acknowledged == ("incorporation",)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), shift=st.floats(-3, 3))
def test_order_of_rows_and_units_of_covariates_do_not_matter(seed, shift):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.integers(0, 2, 80), "z": rng.normal(size=80)})
    data["y"] = (rng.uniform(size=80) < expit(0.5 * data["z"] + 0.5 * data["x"])).astype(int)
    one = standardized_risks("y ~ x + z", "x", data)
    other = standardized_risks(
        "y ~ x + z", "x", data.sample(frac=1, random_state=1).assign(z=lambda f: 2 * f["z"] + shift)
    )
    np.testing.assert_allclose(other.risk, one.risk, rtol=1e-7)
    np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-6)
    tidy = one.tidy()
    assert (tidy["conf_low"] <= tidy["estimate"]).all()
    assert (tidy["estimate"] <= tidy["conf_high"]).all()


BAD = [
    (dict(exposure="center"), "write it into the formula"),
    (dict(exposure="age"), r"values=\(low, high\)"),
    (dict(exposure="age", values=(50,)), "values="),
    (dict(exposure="age", values=(50, np.nan)), "finite"),
    (dict(exposure="product", values=("axi", "unknown")), "categories"),
    (dict(reference="9"), "reference="),
    (dict(method="exact"), "firth"),
    (dict(limits="profile"), "delta"),
    (dict(limits="bootstrap"), "seed=1"),
    (dict(limits="bootstrap", seed=1, replicates=10), "replicates=2000"),
    (dict(method="firth", cluster="center"), "maximum likelihood"),
    (dict(method="firth", weights="w"), "maximum likelihood"),
    (dict(data=DATA.assign(severe=0)), "nothing to compare"),
    (dict(data=DATA.assign(flair=1)), "constant"),
    (dict(data=DATA.assign(w=0.0), weights="w"), "weight"),
    (dict(data=DATA.iloc[:0]), "no row is left|no patient"),
    (dict(data=DATA.assign(age=np.inf)), "infinite"),
    (dict(data=DATA.assign(severe=2.5)), "yes/no"),
    (dict(data=DATA.assign(patient_id=1)), "several rows"),
    (dict(data=DATA.iloc[:3]), "more parameters|nothing to compare|constant|collinear"),
]


@pytest.mark.parametrize(("change", "pattern"), BAD)
def test_refuses_with_a_remedy(change, pattern):
    call = {"formula": ADJUSTED, "exposure": "flair", "data": DATA} | change
    formula, exposure, data = (call.pop(name) for name in ("formula", "exposure", "data"))
    with pytest.raises(EstimationError, match=pattern):
        standardized_risks(formula, exposure, data, **call)


def test_plot_draws_the_risks():
    found = FITS["product"]()
    ax = found.plot()
    drawn = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "estimate"]
    np.testing.assert_allclose(drawn, found.risk, rtol=1e-12)


def coverage(n, effect, replications, seed, method):
    """Share of 95% limits of the risk difference and ratio that hold the truth, confounded by z."""
    rng = np.random.default_rng(seed)
    grid = np.random.default_rng(0).normal(size=200_000)
    risks = [expit(-1.5 + effect * a + 0.8 * grid).mean() for a in (0, 1)]
    truth = {"risk_difference": risks[1] - risks[0], "risk_ratio": risks[1] / risks[0]}
    held = {name: 0 for name in truth}
    for _ in range(replications):
        z = rng.normal(size=n)
        x = (rng.uniform(size=n) < expit(z)).astype(int)
        y = (rng.uniform(size=n) < expit(-1.5 + effect * x + 0.8 * z)).astype(int)
        data = pd.DataFrame({"x": x, "y": y, "z": z})
        tidy = standardized_risks("y ~ x + z", "x", data, method=method).tidy().set_index("term")
        for name, value in truth.items():
            held[name] += tidy.loc[name, "conf_low"] <= value <= tidy.loc[name, "conf_high"]
    return {name: count / replications for name, count in held.items()}


def test_limits_cover_in_a_small_simulation():
    found = coverage(300, 0.7, 150, 11, "ml")
    assert all(0.9 <= share <= 0.99 for share in found.values())


@pytest.mark.slow
@pytest.mark.parametrize(("n", "method"), [(300, "ml"), (1000, "ml"), (60, "firth"), (300, "firth")])
def test_limits_cover(n, method):
    found = coverage(n, 0.7, 2000, 5, method)
    # Monte-Carlo error of 2,000 replications at 0.95 is 0.005; small samples may be a little off
    assert all(0.935 <= share <= 0.975 for share in found.values())
