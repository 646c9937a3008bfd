"""Rates and effects of the simulated world against what was declared, within Monte-Carlo error."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from cohort.estimators.cox_regression import fit_cox
from cohort.estimators.logistic import fit_logistic
from cohort.simulate import calibration as cal
from cohort.simulate.truth_tables import truth_tables
from cohort.simulate.world import World, simulate_world

Z = 4.0
"""Limits in standard errors; the seeds are fixed, so that a failure is a change of the simulator."""


@pytest.fixture(scope="module", params=[pytest.param(1500), pytest.param(4000, marks=pytest.mark.slow)])
def simulated(request: pytest.FixtureRequest) -> tuple[World, dict[str, pd.DataFrame]]:
    world = simulate_world(request.param, 21)
    return world, truth_tables(world)


def _agrees(share: float, target: float, n: int) -> bool:
    return abs(share - target) <= Z * math.sqrt(target * (1.0 - target) / n) + 1.0 / n


@pytest.mark.parametrize("product", cal.PRODUCTS, ids=lambda product: product.name)
def test_rates_by_product(simulated: tuple[World, dict[str, pd.DataFrame]], product: cal.Product) -> None:
    patients = simulated[1]["patients"]
    mine = patients[patients["product"] == product.name]
    n, sick = len(mine), mine[mine["icans_grade"] > 0]
    assert _agrees(n / len(patients), product.share, len(patients))
    assert _agrees(len(sick) / n, product.icans_any, n)
    assert _agrees((sick["icans_grade"] >= 3).mean(), product.icans_severe, len(sick))
    assert _agrees((mine["crs_grade"] > 0).mean(), product.crs_any, n)
    assert _agrees((mine["crs_grade"] >= 3).mean(), product.crs_severe, n)
    assert _agrees((mine["true_relapse_day"] <= 365).mean(), product.relapse_12m, n)
    without_relapse = mine["true_relapse_day"].isna() & (mine["true_death_day"] <= 365)
    assert _agrees(without_relapse.mean(), product.nrm_12m, n)
    # log-normal onset: the standard error of log(median) is sigma sqrt(pi / 2n); days are whole
    error = Z * cal.ONSET_SIGMA * math.sqrt(math.pi / (2 * len(sick))) + 0.5 / product.icans_onset_day
    assert abs(math.log(sick["icans_onset_day"].median() / product.icans_onset_day)) < error


def test_imaging_by_grade_and_center(simulated: tuple[World, dict[str, pd.DataFrame]]) -> None:
    world, truth = simulated
    prompted = np.isin(
        np.arange(len(world.patients)), world.exams.loc[world.exams["indication"] == "symptom_driven", "row"]
    )
    for grade, target in enumerate(cal.MRI_DONE):
        mine = world.icans.peak == grade
        assert _agrees(prompted[mine].mean(), target, int(mine.sum()))
    centers = truth["centers"]
    assert centers["baseline_mri"].between(*cal.BASELINE_MRI_RANGE).all()
    before = truth["patients"].groupby("center_id")["baseline_mri"].agg(["mean", "size"])
    expected = centers.set_index("center_id")["baseline_mri"].reindex(before.index)
    # patients with prior CNS disease (5%) are scanned more often than the habit of the center says
    assert ((before["mean"] - expected) > -Z * np.sqrt(expected * (1 - expected) / before["size"])).all()


def test_lesions_follow_their_logistic_models(simulated: tuple[World, dict[str, pd.DataFrame]]) -> None:
    world, effects = simulated[0], cal.EFFECTS
    sick = world.icans.peak > 0
    lesions = world.lesions[world.lesions["finding_code"] != "flair_white_matter"]
    design = np.column_stack([np.ones(sick.sum()), world.icans.peak[sick]]).astype(float)
    for rows, intercept, slope in (
        (
            lesions.loc[lesions["finding_code"] == "flair_deep", "row"],
            effects.flair_deep_intercept,
            effects.flair_deep_per_grade,
        ),
        (lesions["row"], effects.abnormal_intercept, effects.abnormal_per_grade),
    ):
        outcome = np.isin(np.flatnonzero(sick), rows).astype(float)
        fit = fit_logistic(design, outcome)
        assert (np.abs(fit.estimate - [intercept, slope]) < Z * fit.std_error).all()


def test_hazards_follow_the_declared_ratios(simulated: tuple[World, dict[str, pd.DataFrame]]) -> None:
    patients, effects = simulated[1]["patients"], cal.EFFECTS
    relapsed = patients["true_relapse_day"].notna().to_numpy()
    time = np.fmin(patients["true_relapse_day"].fillna(np.inf), patients["true_death_day"]).to_numpy()
    deep = patients["flair_deep_day"].fillna(np.inf).to_numpy()
    severe = patients["severe_day"].fillna(np.inf).to_numpy()
    age = (patients["age_years"].to_numpy() - 60.0) / 10.0
    cuts = np.sort(
        np.stack([np.zeros(len(time)), np.minimum(deep, time), np.minimum(severe, time), time]), axis=0
    )
    product = pd.Categorical(patients["product"]).codes.astype(np.int64)
    parts = []
    for start, stop in itertools.pairwise(cuts):
        kept = stop > start
        columns = [deep <= start, severe <= start, age, start, stop, (stop == time) & ~relapsed, product]
        parts.append(np.column_stack(columns)[kept])
    rows = np.concatenate(parts)
    fit = fit_cox(
        rows[:, :3], rows[:, 3], rows[:, 4], rows[:, 5].astype(bool), stratum=rows[:, 6].astype(np.int64)
    )
    declared = [effects.nrm_flair_deep, effects.nrm_severe_icans, effects.nrm_age_10y]
    assert (np.abs(fit.coefficients - declared) < Z * np.sqrt(np.diag(fit.covariance))).all()


def test_late_movement_disorder_is_rare_and_after_bcma_only(
    simulated: tuple[World, dict[str, pd.DataFrame]],
) -> None:
    events, patients = simulated[1]["events"], simulated[1]["patients"].set_index("patient_id")
    affected = events.loc[events["event_type"] == "movement_disorder"]
    assert set(patients.loc[affected["patient_id"], "product"]) <= {"ide-cel", "cilta-cel"}
    assert affected["event_day"].between(60, 180).all()


def test_the_effects_are_declared_once() -> None:
    effects = cal.declared_effects()
    assert effects["name"].is_unique
    assert (
        dict(zip(effects["name"], effects["value"], strict=True))["nrm_flair_deep"]
        == cal.EFFECTS.nrm_flair_deep
    )
    assert math.isclose(sum(product.share for product in cal.PRODUCTS), 1.0)


def test_the_intercept_meets_its_target() -> None:
    # expit(a) = 0.2 and expit(a + log 4) have mean 0.35 when expit(a) = 0.2: 0.25 / 1.25 and 1 / 2
    found = cal.intercept_for(np.array([0.0, math.log(4.0)]), 0.35)
    assert math.isclose(found, math.log(0.25), abs_tol=1e-12)
