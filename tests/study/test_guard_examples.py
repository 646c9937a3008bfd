"""The simulated examples of docs/guards.md: how wrong the refused number is, and what the remedy gives.

Each example has a known truth; the document quotes the numbers of these very simulations.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.errors import (
    CompetingRiskError,
    IncorporationError,
    MixedScalesError,
    SelectiveImagingError,
    SparseDataError,
    UnitsError,
    WindowError,
)
from cohort.study.summaries import summarize

COHORTS = 50
DOCUMENT = (Path(__file__).parents[2] / "docs" / "guards.md").read_text(encoding="utf-8")


def logit_row(fit):
    """Return log odds ratio of the last term, and whether its limits hold the truth, an odds ratio of 1."""
    row = fit.tidy().iloc[-1]
    return row["estimate"], row["conf_low"] <= 0 <= row["conf_high"]


def quoted(way, estimates, covered, n=COHORTS):
    """Return the line of the document: mean odds ratio and how many limits hold the truth."""
    return f"| {way} | {np.exp(np.mean(estimates)):.2f} | {int(np.sum(covered))} of {n} |"


def windowed(rng, n=200):
    """CRP of each day is drawn alike for all; ICANS begins on days 1 to 10 in 40 %: true odds ratio 1."""
    icans = rng.random(n) < 0.4
    data = pd.DataFrame(
        {
            "patient_id": np.arange(n).astype(str),
            "any_icans": np.where(icans, "yes", "no"),
            "icans_onset_day": np.where(icans, rng.integers(1, 11, n), np.nan),
        }
    )
    crp = pd.DataFrame(
        {
            "patient_id": np.repeat(data["patient_id"].to_numpy(), 15),
            "lab_day": np.tile(np.arange(15), n),
            "value": rng.lognormal(np.log(2), 0.8, 15 * n),
        }
    )
    data = summarize(data, crp, name="peak", window=(0, 14), before="icans_onset_day")
    return summarize(data, crp, name="early", window=(0, 2))


def test_windows():
    rng = np.random.default_rng(1)
    with pytest.raises(WindowError):
        co.odds_ratio("any_icans ~ log2(peak)", windowed(rng))
    naive, mended = [], []
    for _ in range(COHORTS):
        data = windowed(rng)
        naive.append(logit_row(co.odds_ratio("any_icans ~ log2(peak)", data, acknowledge="window")))
        later = data[~(data["icans_onset_day"] <= 2)]
        mended.append(logit_row(co.odds_ratio("any_icans ~ log2(early)", later)))
    naive, mended = np.array(naive), np.array(mended)
    assert np.exp(naive[:, 0].mean()) < 0.4
    error = mended[:, 0].std(ddof=1) / np.sqrt(COHORTS)
    assert abs(mended[:, 0].mean()) < 3 * error
    assert quoted("peak before onset, to day 14", *naive.T) in DOCUMENT, quoted("naive", *naive.T)
    assert quoted("peak of days 0–2, onset later or never", *mended.T) in DOCUMENT, quoted(
        "mended", *mended.T
    )


def edematous(rng, n=300):
    """Edema in 8 %, severe ICANS by ICE in 15 %, independent: true odds ratio 1. Edema makes the full grade severe."""
    edema, severe = rng.random(n) < 0.08, rng.random(n) < 0.15
    return pd.DataFrame(
        {
            "edema_focal": np.where(edema, "present", "absent"),
            "severe_icans": np.where(severe | edema, "yes", "no"),
            "severe_icans_imaging_blind": np.where(severe, "yes", "no"),
        }
    )


def test_incorporation():
    rng = np.random.default_rng(2)
    with pytest.raises(IncorporationError):
        co.odds_ratio("severe_icans ~ edema_focal", edematous(rng), method="firth")
    ways = {"full grade": "severe_icans", "imaging-blind grade": "severe_icans_imaging_blind"}
    found = {way: [] for way in ways}
    for _ in range(COHORTS):
        data = edematous(rng)
        for way, outcome in ways.items():
            fit = co.odds_ratio(f"{outcome} ~ edema_focal", data, method="firth", acknowledge="incorporation")
            found[way].append(logit_row(fit))
    found = {way: np.array(rows) for way, rows in found.items()}
    assert np.exp(found["full grade"][:, 0].mean()) > 100
    blind = found["imaging-blind grade"][:, 0]
    assert abs(blind.mean()) < 3 * blind.std(ddof=1) / np.sqrt(COHORTS)
    for way, rows in found.items():
        assert quoted(way, *rows.T) in DOCUMENT, quoted(way, *rows.T)


def imaged(rng, n=400):
    """A finding in 25 % of the severe (20 % of patients) and 5 % of the others: 9 % in all. Imaged: 90 % and 20 %."""
    severe = rng.random(n) < 0.2
    present = np.where(rng.random(n) < np.where(severe, 0.25, 0.05), "present", "absent")
    scanned = rng.random(n) < np.where(severe, 0.9, 0.2)
    return pd.DataFrame(
        {
            "severe": np.where(severe, "yes", "no"),
            "mri_status": np.where(scanned, "imaged", "not_imaged"),
            "flair_deep": np.where(scanned, present, "not_imaged"),
        }
    )


def test_selective_imaging():
    rng = np.random.default_rng(3)
    shares = {
        "all patients, not imaged as absent": [],
        "imaged patients": [],
        "imaged, weighted by 1 / P(imaged)": [],
    }
    bounds = []
    for _ in range(COHORTS):
        data = imaged(rng)
        filled = data.assign(flair_deep=data["flair_deep"].replace("not_imaged", "absent"))
        with pytest.raises(SelectiveImagingError):
            co.proportion("flair_deep", filled)
        weights = co.inverse_probability_weights("mri_status ~ severe", data, estimand="imaged").weights
        known = data["flair_deep"] != "not_imaged"
        present = (data["flair_deep"] == "present")[known]
        naive, among, weighted = shares.values()
        naive.append(
            co.proportion("flair_deep", filled, acknowledge="selective_imaging").tidy()["estimate"].iloc[0]
        )
        among.append(co.proportion("flair_deep", data).tidy()["estimate"].iloc[0])
        weighted.append(np.average(present, weights=weights[known]))
        bounds.append((present.sum() / len(data), (present.sum() + (~known).sum()) / len(data)))
    assert np.mean(shares["all patients, not imaged as absent"]) < 0.06
    assert np.mean(shares["imaged patients"]) > 0.14
    weighted = np.array(shares["imaged, weighted by 1 / P(imaged)"])
    assert abs(weighted.mean() - 0.09) < 3 * weighted.std(ddof=1) / np.sqrt(COHORTS)
    for way, found in shares.items():
        assert f"| {way} | {100 * np.mean(found):.1f} % |" in DOCUMENT, f"{way} {100 * np.mean(found):.1f}"
    low, high = 100 * np.mean(bounds, axis=0)
    assert f"| bounds, nothing assumed | {low:.1f} % to {high:.1f} % |" in DOCUMENT, (low, high)


def mixed(rng, n=400):
    """Grades are alike under both products: true odds ratio 1.

    CARTOX calls half of what is ASTCT grade 3 a 4 (focal edema, a generalized seizure that resolves); it graded three
    in four patients of product b, and one in four of product a.
    """
    product = np.repeat(["a", "b"], n // 2)
    grade = rng.choice(5, n, p=[0.4, 0.2, 0.15, 0.2, 0.05])
    cartox = rng.random(n) < np.where(product == "b", 0.75, 0.25)
    raised = cartox & (grade == 3) & (rng.random(n) < 0.5)
    return pd.DataFrame(
        {
            "product": product,
            "reported_icans_grade": grade + raised,
            "grading_system": np.where(cartox, "CARTOX2018", "ASTCT2019"),
        }
    )


def test_mixed_scales():
    rng = np.random.default_rng(8)
    naive, mended = [], []
    for _ in range(COHORTS):
        data = mixed(rng)
        with pytest.raises(MixedScalesError):
            co.ordinal("reported_icans_grade ~ product", data)
        fit = co.odds_ratio("four ~ product", data.assign(four=data["reported_icans_grade"] == 4))
        naive.append(logit_row(fit))
        graded = co.grade_icans(data)
        bounds = {"lower": "icans_grade_lower", "upper": "icans_grade_upper"}
        row = co.ordinal("icans_grade ~ product", graded, **bounds).tidy()
        row = row[row["term"] == "product"].iloc[0]
        mended.append((row["estimate"], row["conf_low"] <= 0 <= row["conf_high"]))
    naive, mended = np.array(naive), np.array(mended)
    assert np.exp(naive[:, 0].mean()) > 1.4
    assert abs(mended[:, 0].mean()) < 3 * mended[:, 0].std(ddof=1) / np.sqrt(COHORTS)
    for way, found in (("grade 4 as recorded", naive), ("higher grade, between bounds", mended)):
        assert quoted(way, *found.T) in DOCUMENT, quoted(way, *found.T)


def test_competing_risk():
    """Relapse and death at 1/200 per day each: by day 180 relapse in (1 - exp(-1.8)) / 2 = 41.7 % of patients."""
    rng = np.random.default_rng(4)
    truth = (1 - np.exp(-180 / 100)) / 2
    naive, mended = [], []
    for _ in range(COHORTS):
        relapse, death = np.ceil(rng.exponential(200, 400)), np.ceil(rng.exponential(200, 400))
        first = np.minimum(np.minimum(relapse, death), 365)
        event = np.where(first == 365, 0, np.where(relapse <= death, 1, 2))
        data = pd.DataFrame({"days": first, "status": event})
        end = co.Endpoint.from_columns(data, time="days", event="status", states={1: "relapse", 2: "death"})
        with pytest.raises(CompetingRiskError):
            co.kaplan_meier(end)
        alone = co.Endpoint.from_columns(data.assign(relapse=event == 1), time="days", event="relapse")
        naive.append(1 - co.kaplan_meier(alone).at([180])["estimate"].iloc[0])
        curve = co.cumulative_incidence(end).at([180])
        mended.append(curve.loc[curve["outcome"] == "relapse", "estimate"].iloc[0])
    assert (
        abs(np.mean(mended) - truth) < 0.012
    )  # 0.003 by rounding days up, and three standard errors of 0.0035
    assert np.mean(naive) > 0.57
    assert f"| 1 - Kaplan-Meier | {100 * np.mean(naive):.1f} % |" in DOCUMENT, np.mean(naive)
    assert f"| cumulative incidence | {100 * np.mean(mended):.1f} % |" in DOCUMENT, np.mean(mended)


def sparse(rng):
    """40 patients, 8 with the finding, events in 2 % and 25 %: two or three events, true odds ratio 16.3."""
    finding = np.arange(40) < 8
    return pd.DataFrame({"finding": finding, "event": rng.random(40) < np.where(finding, 0.25, 0.02)})


TRUE_LOG_ODDS_RATIO = np.log(0.25 / 0.75 / (0.02 / 0.98))


def sparse_fits(cohorts, seed):
    rng = np.random.default_rng(seed)
    rows = []
    while len(rows) < cohorts:
        data = sparse(rng)
        if not 1 <= data["event"].sum() <= 4:
            continue  # without any event there is nothing to estimate; the remedy is more patients
        one = {}
        for method in ("ml", "firth", "exact"):
            try:
                fit = co.odds_ratio("event ~ finding", data, method=method).tidy().iloc[-1]
            except SparseDataError:
                one |= {f"{method}_{what}": np.nan for what in ("estimate", "covers", "apart")}
                continue
            holds = fit["conf_low"] <= TRUE_LOG_ODDS_RATIO <= fit["conf_high"]
            one |= {f"{method}_estimate": fit["estimate"], f"{method}_covers": float(holds)}
            one |= {f"{method}_apart": float(fit["conf_low"] > 0)}
        rows.append(one)
    return pd.DataFrame(rows)


def sparse_lines(found):
    """Lines of the document: shares of cohorts with an estimate, with limits that hold the truth, that exclude 1."""
    lines = []
    for method in ("ml", "firth", "exact"):
        has, holds, apart = (found[f"{method}_{what}"] for what in ("estimate", "covers", "apart"))
        shares = (has.notna().mean(), holds.fillna(0).mean(), apart.fillna(0).mean())
        lines.append(f"| `{method}` | " + " | ".join(f"{100 * one:.1f} %" for one in shares) + " |")
    return lines


@pytest.fixture(scope="module")
def sparse_found():
    return sparse_fits(200, seed=5)


def test_sparse_data(sparse_found):
    assert sparse_found["ml_estimate"].isna().mean() > 0.4  # no event in one of the groups
    assert np.isfinite(sparse_found["firth_estimate"]).all()
    assert sparse_found["firth_covers"].mean() > 0.92
    assert sparse_found["exact_covers"].mean() > 0.95
    for line in sparse_lines(sparse_found):
        assert line in DOCUMENT, sparse_lines(sparse_found)


@pytest.mark.slow
def test_sparse_data_at_length():
    found = sparse_fits(3000, seed=6)
    assert found["firth_covers"].mean() > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 3000)
    assert found["exact_covers"].mean() > 0.95


def test_units():
    """CRP of 50 mg/L is 5 mg/dL: written as 500 mg/dL it is refused; a tenfold CRP is a tenfold m-EASIX."""
    right = co.m_easix(ldh_u_l=200, crp_mg_dl=5.0, platelets_10e9_l=100)
    wrong = co.m_easix(ldh_u_l=200, crp_mg_dl=50.0, platelets_10e9_l=100)
    assert right == 200 * 5 / 100
    assert wrong == pytest.approx(10 * right, rel=1e-12)
    with pytest.raises(UnitsError, match="crp_mg_dl"):
        co.m_easix(ldh_u_l=200, crp_mg_dl=500.0, platelets_10e9_l=100)
