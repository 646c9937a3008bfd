"""standardized_curves: by hand, against R (tests/reference/standardized_curves/make.R), by differences, coverage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import cohort as co
from cohort.errors import EndpointError, EstimationError, ImmortalTimeError
from cohort.estimators.hazard_influence import fit_hazard, hazard_integrals
from cohort.estimators.standardized_curve import standardized_incidence
from cohort.models.standardized_curves import standardized_curves

FOLDER = Path(__file__).parents[1] / "reference"
DATA = pd.read_csv(FOLDER / "cox_more/data.csv").assign(age10=lambda f: f["age"] / 10)
EXPECTED = (
    pd.read_csv(FOLDER / "standardized_curves/expected.csv")
    .set_index(["model", "quantity", "level", "time"])["value"]
    .sort_index()
)
TIMES = [10, 30, 60]
# Newton's method on both sides; crr stops at a gradient of 1e-12 of its own scale
RTOL = 1e-7


def single(time="exact", data=DATA):
    return co.Endpoint.from_columns(data, time=time, event="event", name="death")


def several(time="exact", data=DATA):
    return co.Endpoint.from_columns(
        data, time=time, event="status", states={1: "relapse", 2: "nrm"}, name="pfs"
    )


FITS = {
    "cox sex": lambda: standardized_curves(single(), "sex + age10 + stratum", "sex"),
    "cox stratum": lambda: standardized_curves(single(), "sex + age10 + stratum", "stratum"),
    "cox interaction": lambda: standardized_curves(single(), "sex * age10", "sex"),
    "cox efron": lambda: standardized_curves(single("stop"), "sex + age10", "sex"),
    "cox breslow": lambda: standardized_curves(single("stop"), "sex + age10", "sex", ties="breslow"),
    "multi-state 1 exact": lambda: standardized_curves(several(), "sex + age10", "sex", event="relapse"),
    "multi-state 2 exact": lambda: standardized_curves(several(), "sex + age10", "sex", event="nrm"),
    "multi-state 1 stop": lambda: standardized_curves(
        several("stop"), "sex + age10", "sex", event="relapse", ties="breslow"
    ),
    "multi-state 2 stop": lambda: standardized_curves(
        several("stop"), "sex + age10", "sex", event="nrm", ties="breslow"
    ),
    "fine_gray": lambda: standardized_curves(
        several("stop"), "sex + age10", "sex", event="relapse", model="fine_gray"
    ),
}


@pytest.mark.parametrize("model", FITS)
def test_equals_r(model):
    found = FITS[model]()
    survival = found.measure == "survival"
    at = found.at(TIMES).set_index(["strata", "time"])
    for (level, time), row in at.iterrows():
        risk = 1 - row["estimate"] if survival else row["estimate"]
        np.testing.assert_allclose(risk, EXPECTED[model, "risk", level, time], rtol=RTOL)
        if (model, "risk se", level, time) in EXPECTED.index:
            np.testing.assert_allclose(row["std_error"], EXPECTED[model, "risk se", level, time], rtol=RTOL)
    if (model, "difference") not in EXPECTED.index.droplevel(["level", "time"]):
        return
    sign = -1 if survival else 1
    for row in found.difference(TIMES).to_dict("records"):
        key = (row["term"].split(" - ")[0], row["time"])
        np.testing.assert_allclose(sign * row["estimate"], EXPECTED[model, "difference", *key], rtol=RTOL)
        np.testing.assert_allclose(row["std_error"], EXPECTED[model, "difference se", *key], rtol=RTOL)


@pytest.mark.parametrize("cause", [1, 2])
def test_increments_from_the_left_equal_risk_regression(cause):
    """riskRegression multiplies increments by the survival before them; what is public takes steps as exponential."""
    X = np.column_stack([DATA["sex"] == "male", DATA["age10"]]).astype(float)
    time, status = DATA["exact"].to_numpy(float), DATA["status"].to_numpy()
    causes = [fit_hazard(X, time, status == code, ties="efron") for code in (cause, 3 - cause)]
    settings = [np.column_stack([np.full(len(X), value), X[:, 1]]) for value in (0.0, 1.0)]
    found = standardized_incidence(causes, settings, within="left")
    wanted = EXPECTED.loc[f"cause-specific {cause}"]
    for at in TIMES:
        k = np.searchsorted(found.time, at, "right") - 1
        (low, high), V = found.estimate[k], found.covariance[k]
        risks = [wanted["risk", level, at] for level in ("female", "male")]
        errors = [wanted["risk se", level, at] for level in ("female", "male")]
        np.testing.assert_allclose(found.estimate[k], risks, rtol=RTOL)
        np.testing.assert_allclose(np.sqrt(np.diag(V)), errors, rtol=RTOL)
        of_difference, of_ratio = np.array([-1, 1]), np.array([-high / low**2, 1 / low])
        for name, value, slope in (
            ("difference", high - low, of_difference),
            ("ratio", high / low, of_ratio),
        ):
            np.testing.assert_allclose(value, wanted[name, "male", at], rtol=RTOL)
            np.testing.assert_allclose(
                np.sqrt(slope @ V @ slope), wanted[f"{name} se", "male", at], rtol=RTOL
            )


def test_by_hand():
    # x = 1, 0, 1, 0 with events at 1, 2, 3: risk sets {1,0,1,0}, {0,1,0}, {1,0}; h = exp(b)
    # Breslow: dL = 1/(2h+2), 1/(h+2), 1/(h+1); S(3|x=0) = exp(-sum), S(3|x=1) = exp(-h sum); no other covariate
    data = pd.DataFrame({"days": [1, 2, 3, 4], "dead": [1, 1, 1, 0], "x": [1, 0, 1, 0]})
    survival = co.Endpoint.from_columns(data, time="days", event="dead")
    found = standardized_curves(survival, "x", "x")
    h = np.exp(co.cox(survival, "x").fit.coefficients[0])
    total = 1 / (2 * h + 2) + 1 / (h + 2) + 1 / (h + 1)
    np.testing.assert_allclose(found.at([3])["estimate"], np.exp([-total, -h * total]), rtol=1e-12)
    assert found.at([0.5])["estimate"].to_list() == [1, 1]
    assert found.at([1])["n_risk"].to_list() == [2, 2]
    assert found.at([4])["n_risk"].to_list() == [0, 0]  # no event time after 3 where anyone could be counted
    beyond = found.at([5]).iloc[0]
    assert np.isnan(beyond["estimate"])
    assert beyond["reason"] == "follow-up ends at 4"


def numeric(make, n, value):
    """Differentiate a function of the case weights."""
    out = []
    for i in range(n):
        pair = []
        for step in (1e-5, -1e-5):
            weight = np.ones(n)
            weight[i] += step
            pair.append(value(make(weight), weight))
        out.append((pair[0] - pair[1]) / 2e-5)
    return np.array(out)


def arrays(n, tied, seed=1):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.integers(0, 2, n), rng.normal(size=n)]).astype(float)
    time = rng.exponential(12, n)
    return X, np.ceil(time) if tied else time, rng.integers(0, 3, n)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_influence_on_the_hazard_is_its_derivative_by_the_weights(ties):
    X, time, status = arrays(40, tied=True)
    fit = fit_hazard(X, time, status == 1, ties=ties)
    g = np.column_stack([(fit.time <= 5) * 1.0, fit.time])

    def value(other, _):
        return (other.increments * np.exp((fit.center - other.center) @ other.coefficients)) @ g

    found = numeric(lambda w: fit_hazard(X, time, status == 1, ties=ties, weight=w), 40, value)
    np.testing.assert_allclose(hazard_integrals(fit, g), found, atol=1e-8)


def test_influence_on_the_subdistribution_hazard_counts_the_censoring_distribution():
    X, time, status = arrays(200, tied=False)
    fit = fit_hazard(X, time, status == 1, competing=status == 2)
    g = ((fit.time <= 12) * 1.0)[:, None]

    def value(other, _):
        return (other.increments * np.exp((fit.center - other.center) @ other.coefficients)) @ g

    found = numeric(lambda w: fit_hazard(X, time, status == 1, competing=status == 2, weight=w), 200, value)
    own = hazard_integrals(fit, g)
    # the martingale of censoring stands for the product limit: they differ by 1/n of the influence
    assert np.abs(own - found).max() < 1e-3 * np.abs(found).max()


@pytest.mark.parametrize("competing", [False, True])
def test_variance_is_the_sum_of_squared_derivatives_by_the_weights(competing):
    n = 40
    X, time, status = arrays(n, tied=True)
    settings = [np.column_stack([np.full(n, a), X[:, 1]]) for a in (0.0, 1.0)]
    codes = (1, 2) if competing else (1,)

    def make(weight=None):
        return [fit_hazard(X, time, status == code, weight=weight) for code in codes]

    def value(causes, weight):
        # the mean over weighted patients is that of each patient's own curve
        alone = [
            standardized_incidence(causes, [Z[[i]] for Z in settings], with_variance=False).estimate
            for i in range(n)
        ]
        return np.tensordot(weight, np.array(alone), axes=1) / weight.sum()

    found = numeric(make, n, value)
    expected = np.einsum("itk,itl->tkl", found, found)
    np.testing.assert_allclose(standardized_incidence(make(), settings).covariance, expected, atol=1e-8)


def test_blocks_of_time_do_not_change_anything():
    X = np.column_stack([DATA["sex"] == "male", DATA["age10"]]).astype(float)
    time, status = DATA["exact"].to_numpy(float), DATA["status"].to_numpy()
    causes = [fit_hazard(X, time, status == code, ties="efron") for code in (1, 2)]
    whole = standardized_incidence(causes, [X])
    parts = standardized_incidence(causes, [X], entries=7 * len(X))
    np.testing.assert_allclose(parts.estimate, whole.estimate, rtol=1e-12)
    np.testing.assert_allclose(parts.covariance, whole.covariance, rtol=1e-9, atol=1e-15)


def test_incidences_of_all_events_and_survival_sum_to_one_nearly():
    # a proportional hazard of any event is another model than proportional hazards of each
    both = [
        standardized_curves(several(), "sex + age10", "sex", event=e).at(TIMES) for e in ("relapse", "nrm")
    ]
    any_event = DATA.assign(event=(DATA["status"] > 0).astype(int))
    survival = standardized_curves(single(data=any_event), "sex + age10", "sex").at(TIMES)
    total = both[0]["estimate"] + both[1]["estimate"] + survival["estimate"]
    assert (total - 1).abs().max() < 0.02


@pytest.mark.parametrize("model", ["cox", "fine_gray"])
def test_bootstrap_is_close_to_the_influence_functions_and_repeats(model):
    call = {"event": "relapse", "model": model}
    delta = standardized_curves(several("stop"), "sex + age10", "sex", **call)
    boot = standardized_curves(
        several("stop"), "sex + age10", "sex", limits="bootstrap", seed=2, replicates=200, **call
    )
    ratio = boot.at(TIMES)["std_error"] / delta.at(TIMES)["std_error"]
    assert ratio.between(0.85, 1.18).all()
    ratio = boot.difference(TIMES)["std_error"] / delta.difference(TIMES)["std_error"]
    assert ratio.between(0.85, 1.18).all()
    kept = boot.draws[~np.isnan(boot.draws).any(axis=(1, 2))]
    j = np.searchsorted(boot.time, 30, "right") - 1
    low = np.quantile(kept[:, j, 1] - kept[:, j, 0], 0.025)
    np.testing.assert_allclose(boot.difference([30])["conf_low"].iloc[0], low, rtol=1e-12)


def test_bootstrap_repeats_and_draws_clusters():
    call = {"limits": "bootstrap", "seed": 3, "replicates": 100, "cluster": "center"}
    one = standardized_curves(single("stop"), "sex + age10", "sex", **call)
    two = standardized_curves(single("stop"), "sex + age10", "sex", **call)
    np.testing.assert_array_equal(one.draws, two.draws)
    assert one.n_cluster == 20


def test_clusters_of_twins_have_the_variance_of_one_of_them():
    half = DATA.iloc[:130]
    twins = pd.concat([half, half], ignore_index=True).assign(twin=lambda f: f.index % 130)
    apart = standardized_curves(single(data=half), "sex + age10", "sex", ties="breslow")
    pairs = standardized_curves(single(data=twins), "sex + age10", "sex", ties="breslow", cluster="twin")
    np.testing.assert_allclose(pairs.estimate, apart.estimate, rtol=1e-9)
    np.testing.assert_allclose(pairs.covariance, apart.covariance, rtol=1e-7, atol=1e-14)


def test_order_of_rows_and_reference_do_not_matter():
    one = FITS["multi-state 1 exact"]()
    shuffled = DATA.sample(frac=1, random_state=3)
    other = standardized_curves(
        several(data=shuffled), "sex + age10", "sex", event="relapse", reference="male"
    )
    np.testing.assert_allclose(other.estimate, one.estimate[:, ::-1], rtol=1e-9)
    np.testing.assert_allclose(other.covariance, one.covariance[:, ::-1, ::-1], rtol=1e-8, atol=1e-14)
    assert other.levels == ("male", "female")
    np.testing.assert_allclose(
        other.difference([30])["estimate"], -one.difference([30])["estimate"], rtol=1e-9
    )


def test_missing_and_not_imaged_are_left_out_and_counted():
    finding = np.where(DATA["sex"] == "male", "present", "absent").astype(object)
    finding[:12] = "not_imaged"
    data = DATA.assign(seen=finding)
    found = standardized_curves(single(data=data), "seen + age10", "seen")
    assert ("seen", "not_imaged", 12) in found.left_out
    assert found.n == len(DATA) - 12
    assert found.levels == ("absent", "present")
    assert "12" in repr(found)


def test_late_entry_and_time_dependent_exposures_are_refused():
    late = co.Endpoint.from_columns(DATA, time="stop", event="event", entry="start")
    with pytest.raises(EndpointError, match="landmark"):
        standardized_curves(late, "sex + age10", "sex")
    onset = pd.Series(np.where(DATA["sex"] == "male", 3.0, np.nan), index=DATA.index)
    rows = co.counting_process(single("stop"), exposures={"edema": onset})
    with pytest.raises(EndpointError, match="landmark"):
        standardized_curves(rows, "edema + age10", "edema")


def test_immortal_time_is_refused():
    from cohort.dictionary.facts import ColumnFacts, declare_facts

    data = declare_facts(DATA.copy(), {"sex": ColumnFacts(known="at_exam")})
    with pytest.raises(ImmortalTimeError):
        standardized_curves(single("stop", data), "sex + age10", "sex")


BAD = [
    (lambda: standardized_curves(several(), "sex", "sex"), "event="),
    (lambda: standardized_curves(single(), "sex", "sex", model="fine_gray"), 'model="cox"'),
    (lambda: standardized_curves(single(), "sex", "sex", model="weibull"), "fine_gray"),
    (lambda: standardized_curves(single(), "sex", "age10"), "write it into the formula"),
    (lambda: standardized_curves(single(), "sex + age10", "age10"), r"values=\(low, high\)"),
    (lambda: standardized_curves(single(), "sex", "sex", limits="profile"), "bootstrap"),
    (lambda: standardized_curves(single(), "sex", "sex", limits="bootstrap"), "seed=1"),
    (lambda: standardized_curves(single(), "sex", "sex", limits="bootstrap", seed=1, replicates=9), "1000"),
    (lambda: standardized_curves(single(data=DATA.assign(event=0)), "sex", "sex"), "no event"),
    (lambda: standardized_curves(single(data=DATA.assign(sex="male")), "sex", "sex"), "constant"),
    (lambda: standardized_curves(single(data=DATA.assign(age10=np.inf)), "sex + age10", "sex"), "infinite"),
    (
        lambda: standardized_curves(
            single(data=DATA.assign(event=((DATA["sex"] == "male") & (DATA["event"] == 1)).astype(int))),
            "sex",
            "sex",
        ),
        "monotone",
    ),
]


@pytest.mark.parametrize(("call", "pattern"), BAD)
def test_refuses_with_a_remedy(call, pattern):
    with pytest.raises((EstimationError, EndpointError), match=pattern):
        call()


@pytest.mark.parametrize("model", ["cox sex", "multi-state 1 exact"])
def test_plot_draws_the_curves(model):
    found = FITS[model]()
    ax = found.plot()
    lines = [line for line in ax.lines if line.get_gid() == "curve"]
    tidy = found.tidy()
    for line, (_, rows) in zip(lines, tidy.groupby("strata", sort=False), strict=True):
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        kept = rows[rows["time"].isin(x[:-1])]  # the last point prolongs the step before it
        assert len(kept) > 50
        np.testing.assert_allclose(y[np.searchsorted(x, kept["time"])], kept["estimate"], rtol=1e-12)


def simulate(rng, n):
    z = rng.normal(size=n)
    x = (rng.uniform(size=n) < expit(z)).astype(int)
    rate = 0.02 * np.exp(0.5 * x + 0.5 * z), 0.01 * np.exp(0.3 * z)
    first, second, censored = (
        rng.exponential(1 / rate[0]),
        rng.exponential(1 / rate[1]),
        rng.uniform(5, 80, n),
    )
    time = np.minimum(np.minimum(first, second), censored)
    status = np.where(time == censored, 0, np.where(first < second, 1, 2))
    return pd.DataFrame({"x": x, "z": z, "days": np.ceil(time), "status": status})


def coverage(n, replications, seed):
    """Share of 95% limits of the incidence difference at 30 days that hold the truth."""
    rng = np.random.default_rng(seed)
    z = np.random.default_rng(0).normal(size=200_000)
    risks = []
    for a in (0, 1):
        one, other = 0.02 * np.exp(0.5 * a + 0.5 * z), 0.01 * np.exp(0.3 * z)
        risks.append((one / (one + other) * -np.expm1(-30 * (one + other))).mean())
    truth, held = risks[1] - risks[0], 0
    for _ in range(replications):
        data = simulate(rng, n)
        relapse = co.Endpoint.from_columns(
            data, time="days", event="status", states={1: "relapse", 2: "nrm"}, name="pfs"
        )
        row = standardized_curves(relapse, "x + z", "x", event="relapse").difference([30]).iloc[0]
        held += row["conf_low"] <= truth <= row["conf_high"]
    return held / replications


def test_limits_cover_in_a_small_simulation():
    assert 0.9 <= coverage(200, 120, 4) <= 0.995


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 400])
def test_limits_cover(n):
    # Monte-Carlo error of 2,000 replications at 0.95 is 0.005
    assert 0.935 <= coverage(n, 2000, 6) <= 0.965
