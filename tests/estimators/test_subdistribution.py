"""Fine-Gray models by their definition, row by row and time by time, and by what must hold among them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import EstimationError
from cohort.estimators.subdistribution import fit_fine_gray

# Sums of 90 rows in another order; the estimates are iterated until Newton's step is below 1e-12.
DIRECT = 1e-9


def observed_before(t, rows, start, stop, status, weight, events_first):
    """G(t-) H(t-) of the rows of one group, by products over the distinct moments."""
    start, stop, status, weight = start[rows], stop[rows], status[rows], weight[rows]
    if t > stop.max():
        return 0.0
    product = 1.0
    for u in np.unique(stop[status == 0]):
        at_risk = (start < u) & (stop >= u) & ~(events_first & (status > 0) & (stop == u))
        if u < t:
            product *= 1 - weight[(status == 0) & (stop == u)].sum() / weight[at_risk].sum()
    for d in np.unique(start[start >= t]):
        product *= 1 - weight[start == d].sum() / weight[(start <= d) & (stop > d)].sum()
    return product


def by_definition(x, b, start, stop, status, weight, stratum, group, events_first):
    """Score, information and shares eta + psi of Fine and Gray (1999), section 5, from n x G matrices."""
    n = len(stop)
    # Efron's conventions count every row once in G and H.
    counts = np.ones(n) if events_first else weight
    pairs = sorted({(stratum[i], stop[i]) for i in range(n) if status[i] == 1})
    time, of = np.array([t for _, t in pairs]), np.array([s for s, _ in pairs])
    R, tail = np.zeros((n, len(time))), np.zeros((n, len(time)), dtype=bool)
    for i in range(n):
        rows = group == group[i]
        arguments = (rows, start, stop, status, counts, events_first)
        left = observed_before(stop[i], *arguments)
        for g in np.flatnonzero(of == stratum[i]):
            if start[i] < time[g] <= stop[i]:
                R[i, g] = 1
            elif status[i] == 2 and time[g] > stop[i]:
                R[i, g], tail[i, g] = observed_before(time[g], *arguments) / left, True
    r = weight * np.exp(x @ b)
    S0, zbar = R.T @ r, (R.T @ (r[:, None] * x)) / (R.T @ r)[:, None]
    dead = (status == 1)[:, None] & (stop[:, None] == time) & (stratum[:, None] == of)
    a = weight @ dead / S0
    away = x[:, None, :] - zbar
    share = (r[:, None] * R * a)[:, :, None] * away
    eta = ((weight[:, None] * dead)[:, :, None] * away - share).sum(axis=1)
    information = np.einsum("igj,igk->jk", share, away)
    psi = np.zeros_like(x)
    for c in np.unique(group):
        rows = group == c
        counted = rows[:, None] & tail
        for u in np.unique(stop[(status == 0) & rows]):
            q = share[counted & (stop[:, None] < u) & (time >= u)].sum(axis=0)
            at_risk, mine = rows & (start < u) & (stop >= u), rows & (status == 0) & (stop == u)
            Y, d = weight[at_risk].sum(), weight[mine].sum()
            psi += (weight * (mine / Y - at_risk * d / Y**2))[:, None] * q
        for u in np.unique(start[rows]) if (start[rows] > stop[rows].min()).any() else ():
            q = -share[counted & (stop[:, None] <= u) & (time > u)].sum(axis=0)
            at_risk, mine = rows & (start <= u) & (stop > u), rows & (start == u)
            Y, d = weight[at_risk].sum(), weight[mine].sum()
            psi += (weight * (mine / Y - at_risk * d / Y**2))[:, None] * q
    return eta, psi, information


def simulated(seed, n=90):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), np.arange(n) % 2])
    stop = np.ceil(rng.exponential(12, n)) + 1
    start = np.where(rng.random(n) < 0.4, np.floor(rng.random(n) * np.minimum(stop - 1, 6)), 0.0)
    return {
        "x": x,
        "start": start,
        "stop": stop,
        "status": rng.choice([0, 1, 2], n),
        "weight": rng.uniform(0.3, 2, n),
        "stratum": rng.integers(0, 3, n),
        "group": rng.integers(0, 2, n),
    }


@pytest.mark.parametrize("ties", ["breslow", "efron"])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("parts", ["", "weight", "stratum", "group", "stratum group", "weight stratum group"])
def test_equals_its_definition(ties, late, parts):
    d = simulated(7)
    n = len(d["stop"])
    if ties == "efron":
        # Without ties among events of one stratum Efron's approximation is Breslow's; other ties stay.
        d["stop"] = d["stop"] + np.where(d["status"] == 1, np.arange(n) / 1e4, 0)
    start = d["start"] if late else np.zeros(n)
    used = {name: d[name] for name in parts.split()}
    fit = fit_fine_gray(
        d["x"],
        d["stop"],
        d["status"] == 1,
        d["status"] == 2,
        start=start if late else None,
        weight=used.get("weight"),
        stratum=used.get("stratum"),
        censoring_group=used.get("group"),
        ties=ties,
    )
    eta, psi, information = by_definition(
        d["x"],
        fit.coefficients,
        start,
        d["stop"],
        d["status"],
        used.get("weight", np.ones(n)),
        used.get("stratum", np.zeros(n, dtype=int)),
        used.get("group", np.zeros(n, dtype=int)),
        ties == "efron",
    )
    assert np.abs(eta.sum(axis=0)).max() < 1e-9
    own = eta + psi if ties == "breslow" else eta
    V = np.linalg.inv(information)
    np.testing.assert_allclose(fit.covariance, V @ own.T @ own @ V, rtol=DIRECT)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["breslow", "efron"]))
def test_strata_with_their_own_covariates_and_censoring_are_separate_models(seed, ties):
    d = simulated(seed, 160)
    a = d["group"]
    both = np.column_stack([d["x"] * (a == 0)[:, None], d["x"] * (a == 1)[:, None]])
    start = d["start"]
    whole = fit_fine_gray(
        both,
        d["stop"],
        d["status"] == 1,
        d["status"] == 2,
        start=start,
        stratum=a,
        censoring_group=a,
        ties=ties,
    )
    for k in (0, 1):
        part, block = a == k, slice(2 * k, 2 * k + 2)
        one = fit_fine_gray(
            d["x"][part],
            d["stop"][part],
            d["status"][part] == 1,
            d["status"][part] == 2,
            start=start[part],
            ties=ties,
        )
        np.testing.assert_allclose(whole.coefficients[block], one.coefficients, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(whole.covariance[block, block], one.covariance, rtol=1e-7, atol=1e-10)
        own = whole.baseline.stratum == k
        np.testing.assert_allclose(
            whole.baseline.cumulative_hazard[own], one.baseline.cumulative_hazard, rtol=1e-7
        )
    np.testing.assert_allclose(whole.covariance[:2, 2:], 0, atol=1e-9)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_weight_of_k_is_k_patients_in_one_cluster(seed):
    d = simulated(seed)
    k = np.random.default_rng(seed).integers(0, 4, len(d["stop"]))
    rows = np.repeat(np.arange(len(k)), k)
    first = fit_fine_gray(
        d["x"], d["stop"], d["status"] == 1, d["status"] == 2, start=d["start"], weight=k.astype(float)
    )
    second = fit_fine_gray(
        d["x"][rows],
        d["stop"][rows],
        d["status"][rows] == 1,
        d["status"][rows] == 2,
        start=d["start"][rows],
        cluster=rows,
    )
    np.testing.assert_allclose(first.coefficients, second.coefficients, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(first.covariance, second.covariance, rtol=1e-8, atol=1e-10)


def test_an_offset_of_known_size_stands_for_its_term():
    d = simulated(3)
    whole = fit_fine_gray(d["x"], d["stop"], d["status"] == 1, d["status"] == 2)
    given_first = fit_fine_gray(
        d["x"][:, [1]],
        d["stop"],
        d["status"] == 1,
        d["status"] == 2,
        offset=whole.coefficients[0] * d["x"][:, 0],
    )
    np.testing.assert_allclose(given_first.coefficients, whole.coefficients[[1]], rtol=1e-9)
    np.testing.assert_allclose(
        given_first.baseline.cumulative_hazard, whole.baseline.cumulative_hazard, rtol=1e-9
    )
    np.testing.assert_allclose(given_first.log_likelihood, whole.log_likelihood, rtol=1e-12)


@pytest.mark.parametrize("ties", ["breslow", "efron"])
def test_many_rows_are_put_in_order_first(ties):
    """Above 20 000 rows the data are sorted by time: the same rows with cluster, weight and strata must move along."""
    n = 20_000
    d = simulated(11, n)
    named = {"weight": d["weight"], "stratum": d["stratum"], "censoring_group": d["group"]}
    cluster = np.arange(n) % 50
    small = fit_fine_gray(
        d["x"],
        d["stop"],
        d["status"] == 1,
        d["status"] == 2,
        start=d["start"],
        cluster=cluster,
        ties=ties,
        **named,
    )
    # One more row, of weight zero, takes no part.
    more = {name: np.append(values, values[0]) for name, values in d.items() if name != "x"}
    named = {
        "weight": np.append(d["weight"], 0.0),
        "stratum": more["stratum"],
        "censoring_group": more["group"],
    }
    large = fit_fine_gray(
        np.vstack([d["x"], d["x"][:1]]),
        more["stop"],
        more["status"] == 1,
        more["status"] == 2,
        start=more["start"],
        cluster=np.append(cluster, 0),
        ties=ties,
        **named,
    )
    np.testing.assert_allclose(large.coefficients, small.coefficients, rtol=DIRECT)
    np.testing.assert_allclose(large.covariance, small.covariance, rtol=DIRECT)


def test_a_weight_that_cannot_be_estimated_is_refused():
    # At the competing event of day 2 nobody is under observation but that patient; all others enter later.
    stop = np.array([2.0, 5, 6, 7, 8])
    start = np.array([0.0, 3, 3, 3, 3])
    status = np.array([2, 1, 1, 0, 1])
    x = np.array([[1.0], [0], [1], [0], [1]])
    with pytest.raises(EstimationError, match=r"(?s)weight of a competing event.*landmark"):
        fit_fine_gray(x, stop, status == 1, status == 2, start=start)


@pytest.mark.parametrize(
    "replications", [pytest.param(120, id="part"), pytest.param(3000, id="whole", marks=pytest.mark.slow)]
)
def test_limits_cover_with_late_entry_and_censoring_that_differs_by_group(replications):
    # Fine & Gray (1999), section 6: F1(t | x) = 1 - (1 - p (1 - exp(-t)))^exp(bx), p = 0.5, b = 0.5.
    covered = np.zeros(2)
    for k in range(replications):
        rng = np.random.default_rng([9, k])
        n = 400
        x, group = rng.normal(size=n), rng.integers(0, 2, n)
        hr = np.exp(0.5 * x)
        interest = rng.random(n) < 1 - 0.5**hr
        u = rng.random(n) * (1 - 0.5**hr)
        first = -np.log(1 - (1 - (1 - u) ** (1 / hr)) / 0.5)
        time = np.where(interest, first, rng.exponential(np.exp(-0.3 * x)))
        censoring = np.where(group == 1, rng.exponential(1.5, n), rng.uniform(0.3, 4, n))
        entry = np.where(rng.random(n) < 0.5, 0, rng.uniform(0, 0.8, n))
        stop = np.minimum(time, censoring)
        seen = entry < stop
        happened = time < censoring
        for j, ties in enumerate(("breslow", "efron")):
            fit = fit_fine_gray(
                x[seen, None],
                stop[seen],
                (happened & interest)[seen],
                (happened & ~interest)[seen],
                start=entry[seen],
                censoring_group=group[seen],
                ties=ties,
            )
            covered[j] += abs(fit.coefficients[0] - 0.5) < 1.959963984540054 * np.sqrt(fit.covariance[0, 0])
    assert (np.abs(covered / replications - 0.95) < 3.5 * np.sqrt(0.95 * 0.05 / replications)).all()
