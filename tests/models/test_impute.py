"""impute: against what R mice imputes (tests/reference/missing_data), states, bounds, endpoints, bias and coverage."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import cohort as co
from cohort import style
from cohort.errors import EstimationError
from cohort.models.impute import impute, nelson_aalen

FOLDER = Path(__file__).parents[1] / "reference/missing_data"
SEEN = ["age", "product", "crp", "flair", "grade", "severe"]
DATA = pd.read_csv(FOLDER / "incomplete.csv")
MICE = pd.read_csv(FOLDER / "expected.csv", keep_default_na=False).query("model == 'mice'")
MICE = MICE.pivot_table(index="term", columns="quantity", values="value")


def frame(n=120, seed=4):
    rng = np.random.default_rng(seed)
    age = rng.normal(60, 10, n)
    grade = np.clip(np.round((age - 55) / 8 + rng.normal(size=n)), 0, 4)
    data = pd.DataFrame(
        {
            "patient_id": [f"P{k}" for k in range(n)],
            "age_years": age,
            "crp_mg_l": np.where(rng.random(n) < 0.3, np.nan, np.exp(rng.normal(1 + age / 60, 0.5))),
            "sex": pd.Series(rng.choice(["female", "male"], n)).mask(rng.random(n) < 0.1),
            "cerebral_edema": pd.Categorical(
                rng.choice(["absent", "present", "not_imaged", None], n, p=[0.5, 0.2, 0.2, 0.1])
            ),
            "icans_grade": pd.array(grade, dtype="Int64"),
            "icans_grade_lower": pd.array(grade, dtype="Int64"),
            "icans_grade_upper": pd.array(grade, dtype="Int64"),
            "days": np.ceil(rng.exponential(200, n)) + 1,
            "dead": rng.integers(0, 2, n).astype(bool),
        }
    )
    wide = rng.choice(n, 20, replace=False)
    data.loc[wide, "icans_grade"] = pd.NA
    data.loc[wide, "icans_grade_lower"] = np.maximum(data.loc[wide, "icans_grade_lower"] - 1, 0)
    return data


def survival(data):
    return co.Endpoint.from_columns(data, time="days", event="dead")


def test_it_draws_what_mice_draws():
    """60 of ours, 200 of mice: means within 4 Monte-Carlo errors, spread between imputations within a third."""
    imputations = impute(DATA[SEEN], m=60, seed=3, kinds={"grade": "ordered"})
    frames = list(imputations)
    crp, product, flair, grade = (
        np.stack([f[name].to_numpy()[DATA[name].isna()] for f in frames])
        for name in ("crp", "product", "flair", "grade")
    )
    facts = {"crp mean": crp.mean(axis=1), "crp sd": crp.std(axis=1, ddof=1), "flair 1": flair.mean(axis=1)}
    facts |= {f"product {arm}": (product == arm).mean(axis=1) for arm in ("axi", "liso")}
    facts |= {f"grade {g}": (grade == g).mean(axis=1) for g in range(5)}
    fits = np.stack([co.odds_ratio("severe ~ age + crp + product + flair", f).estimate for f in frames])
    names = ("(Intercept)", "age", "crp", "productliso", "producttisa", "flair1")
    facts |= {f"coef {name}": fits[:, k] for k, name in enumerate(names)}
    assert set(facts) == set(MICE.index)
    for name, values in facts.items():
        error = np.sqrt(values.var(ddof=1) / 60 + MICE.loc[name, "std"] ** 2 / 200)
        assert abs(values.mean() - MICE.loc[name, "mean"]) < 4 * error, name
        assert 0.66 < values.std(ddof=1) / MICE.loc[name, "std"] < 1.5, name


def test_only_missing_values_change():
    data = frame()
    before = data.copy(deep=True)
    imputations = impute(data, m=3, seed=1, exclude=["patient_id"])
    pd.testing.assert_frame_equal(data, before)
    for completed in imputations:
        assert completed.dtypes.to_dict() == data.dtypes.to_dict()
        assert completed.index.equals(data.index)
        for name in data.columns:
            known = data[name].notna()
            pd.testing.assert_series_equal(completed.loc[known, name], data.loc[known, name])
        left = ["crp_mg_l", "sex", "cerebral_edema", "icans_grade"]
        assert completed[left].notna().all().all()


def test_the_seed_decides():
    data = frame()
    one, same, other = (impute(data, m=2, seed=s, exclude=["patient_id"]) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one[1], same[1])
    assert not one[1]["crp_mg_l"].equals(other[1]["crp_mg_l"])
    assert not one[0]["crp_mg_l"].equals(one[1]["crp_mg_l"])
    longer = impute(data, m=4, seed=1, exclude=["patient_id"])
    pd.testing.assert_frame_equal(one[1], longer[1])


def test_a_finding_not_imaged_is_not_imputed():
    data = frame()
    completed = impute(data, m=2, seed=1, exclude=["patient_id"])[0]
    not_imaged = data["cerebral_edema"] == "not_imaged"
    assert (completed.loc[not_imaged, "cerebral_edema"] == "not_imaged").all()
    assert completed.loc[data["cerebral_edema"].isna(), "cerebral_edema"].isin(["absent", "present"]).all()
    both = impute(data, m=2, seed=1, exclude=["patient_id"], states="not_imaged")[0]
    assert both["cerebral_edema"].isin(["absent", "present"]).all()


def test_not_applicable_stays_missing():
    data = frame()[["age_years", "crp_mg_l"]]
    status = pd.Series("ok", index=data.index).mask(data["crp_mg_l"].isna(), "missing:unknown")
    first = data.index[data["crp_mg_l"].isna()][:3]
    status[first] = "missing:not_applicable"
    completed = impute(data.assign(crp_mg_l__status=status), m=2, seed=1)
    assert completed[0].loc[first, "crp_mg_l"].isna().all()
    assert completed[0]["crp_mg_l"].isna().sum() == 3
    assert "3 not_applicable" in repr(completed)


def test_grades_are_drawn_within_their_bounds():
    data = frame()
    unknown = data["icans_grade"].isna()
    for completed in impute(data, m=3, seed=1, exclude=["patient_id"]):
        grades = completed.loc[unknown, "icans_grade"]
        assert (grades >= data.loc[unknown, "icans_grade_lower"]).all()
        assert (grades <= data.loc[unknown, "icans_grade_upper"]).all()


def test_numbers_keep_bounds_and_decimals():
    data = frame()[["age_years", "crp_mg_l"]]
    completed = impute(
        data,
        m=2,
        seed=1,
        methods={"crp_mg_l": "normal"},
        bounds={"crp_mg_l": (3, 9)},
        decimals={"crp_mg_l": 1},
    )[0]
    drawn = completed.loc[data["crp_mg_l"].isna(), "crp_mg_l"]
    assert drawn.between(3, 9).all()
    np.testing.assert_allclose(drawn, drawn.round(1))


def test_delta_shifts_what_is_drawn():
    data = frame()[["age_years", "crp_mg_l"]]
    plain, shifted = (impute(data, m=2, seed=1, delta={"crp_mg_l": d}) for d in (0.0, 2.5))
    unknown = data["crp_mg_l"].isna()
    np.testing.assert_allclose(
        shifted[0].loc[unknown, "crp_mg_l"], plain[0].loc[unknown, "crp_mg_l"] + 2.5, rtol=1e-12
    )
    assert "not missing at random: crp_mg_l +2.5" in repr(shifted)


def test_a_derived_column_is_unknown_where_its_part_was():
    data = frame()[["age_years", "icans_grade", "icans_grade_lower", "icans_grade_upper"]]
    passive = {"severe_icans": lambda f: f["icans_grade"] >= 3}
    imputations = impute(data, m=2, seed=1, passive=passive)
    unknown = data["icans_grade"].isna()
    assert imputations.observed.loc[unknown, "severe_icans"].isna().all()
    assert imputations.observed.loc[~unknown, "severe_icans"].notna().all()
    assert imputations[0]["severe_icans"].notna().all()
    fits = imputations.fit(lambda f: co.odds_ratio("severe_icans ~ age_years", f))
    assert fits.complete_case.n == (~unknown).sum()
    assert all(fit.n == len(data) for fit in fits)


def test_nelson_aalen_by_hand():
    """Days 1 (event), 2 (event), 2 (censored), 3 (event): H = 1/4, 1/4 + 1/3, same, + 1."""
    stop = np.array([1.0, 2, 2, 3])
    H = nelson_aalen(np.zeros(4), stop, np.array([True, True, False, True]))
    np.testing.assert_allclose(H, [1 / 4, 7 / 12, 7 / 12, 19 / 12], rtol=1e-12)
    # entry on day 1 leaves out what happened until then
    late = nelson_aalen(np.array([0.0, 0, 0, 1]), stop, np.array([True, True, False, True]))
    np.testing.assert_allclose(late, [1 / 3, 2 / 3, 2 / 3, 4 / 3], rtol=1e-12)
    assert nelson_aalen(np.zeros(2), np.ones(2), np.zeros(2, dtype=bool)).tolist() == [0, 0]


def test_an_endpoint_predicts():
    data = frame().drop(columns=["patient_id"])
    imputations = impute(data, m=2, seed=1, endpoint=survival(data), exclude=["days", "dead"])
    assert "cumulative hazard of event" in repr(imputations) or "cumulative hazard of dead" in repr(
        imputations
    )
    pooled = co.pool(imputations.fit(lambda f: co.cox(survival(f), "crp_mg_l + sex", f)))
    assert pooled.n == len(data)
    assert "left out" in pooled.complete_case_text


def test_the_data_frame_may_have_any_index_and_order():
    data = frame()[["age_years", "crp_mg_l"]].set_axis(np.arange(120)[::-1] * 3)
    assert impute(data, m=2, seed=1)[0].index.equals(data.index)


def test_chains_and_figures():
    imputations = impute(frame(), m=4, seed=1, exclude=["patient_id"])
    trace = imputations.trace()
    assert set(trace.columns) == {"term", "chain", "iteration", "mean", "std"}
    last = trace.query("term == 'crp_mg_l' and iteration == 10")["mean"]
    unknown = frame()["crp_mg_l"].isna()
    np.testing.assert_allclose(last, [f.loc[unknown, "crp_mg_l"].mean() for f in imputations], rtol=1e-12)
    assert imputations.convergence()["r_hat"].between(0.7, 2).all()
    ax = imputations.plot_chains("crp_mg_l")
    assert len([line for line in ax.lines if line.get_gid() == "chain"]) == 4
    first = next(line for line in ax.lines if line.get_gid() == "chain")
    np.testing.assert_allclose(first.get_ydata(), trace.query("term == 'crp_mg_l' and chain == 1")["mean"])
    for name in ("crp_mg_l", "sex", "icans_grade", "cerebral_edema"):
        drawn = imputations.plot_densities(name)
        assert len([line for line in drawn.lines if line.get_gid() == "imputed"]) == 4
        assert style.check_layout(drawn.get_figure(root=True)) == []
    assert style.check_layout(ax.get_figure(root=True)) == []
    plt.close("all")


def simulate(rng, n=400):
    """CRP raises the odds of severe ICANS by 0.8 per unit; CRP is missing more often in those with severe ICANS."""
    age = rng.normal(0, 1, n)
    crp = 0.5 * age + rng.normal(size=n)
    severe = (rng.random(n) < expit(-0.5 + 0.8 * crp + 0.3 * age)).astype(int)
    marker = crp + rng.normal(0, 0.7, n)
    missing = rng.random(n) < expit(-1.5 + 2.0 * severe + 1.2 * marker)
    return pd.DataFrame(
        {"age": age, "crp": np.where(missing, np.nan, crp), "marker": marker, "severe": severe}
    )


def study(seed, replicates, n, m, method="normal"):
    """Return estimates and coverage of the coefficient 0.8 and of mean CRP 0: imputed, complete cases."""
    rows = []
    for sequence in np.random.SeedSequence(seed).spawn(replicates):
        data = simulate(np.random.default_rng(sequence), n)
        imputations = impute(
            data, m=m, seed=int(sequence.generate_state(1)[0]), iterations=5, methods={"crp": method}
        )
        tidy = co.pool(imputations.fit(lambda f: co.odds_ratio("severe ~ crp + age", f))).tidy().iloc[1]
        means = [f["crp"].mean() for f in imputations], [f["crp"].sem() for f in imputations]
        mean = co.pool((*means, n - 1)).tidy().iloc[0]
        observed = data["crp"].dropna()
        rows.append(
            (
                tidy["estimate"],
                tidy["conf_low"] <= 0.8 <= tidy["conf_high"],
                tidy["complete_case"],
                tidy["complete_case_low"] <= 0.8 <= tidy["complete_case_high"],
                mean["estimate"],
                mean["conf_low"] <= 0 <= mean["conf_high"],
                observed.mean(),
                abs(observed.mean()) <= 1.96 * observed.sem(),
            )
        )
    return pd.DataFrame(
        rows, columns=["mi", "mi_in", "cc", "cc_in", "mean", "mean_in", "cc_mean", "cc_mean_in"]
    )


def test_imputation_removes_the_bias_of_complete_cases():
    found = study(1, 12, 400, 5).mean()
    assert abs(found["mi"] - 0.8) < 0.2
    assert abs(found["mean"]) < 0.08
    assert found["cc_mean"] < -0.3
    assert found["mi_in"] >= 0.75


@pytest.mark.slow
def test_bias_and_coverage_under_missingness_at_random():
    found = study(20261126, 500, 400, 10).mean()
    assert abs(found["mi"] - 0.8) < 0.03
    assert 0.925 <= found["mi_in"] <= 0.975
    assert abs(found["mean"]) < 0.01
    assert 0.925 <= found["mean_in"] <= 0.975
    assert found["cc_in"] < 0.9
    assert found["cc_mean_in"] < 0.05


BASE = frame()[["age_years", "crp_mg_l"]]
ERRORS = {
    "nothing missing": (lambda: impute(BASE[["age_years"]], seed=1), "as they are"),
    "one imputation": (lambda: impute(BASE, m=1, seed=1), "m=20"),
    "no iteration": (lambda: impute(BASE, seed=1, iterations=0), "m=20"),
    "repeated index": (lambda: impute(pd.concat([BASE, BASE]), seed=1), "reset_index"),
    "identifier": (lambda: impute(frame(), seed=1), 'exclude=\\["patient_id"\\]'),
    "dates": (lambda: impute(BASE.assign(day=pd.Timestamp("2024-01-01")), seed=1), "days since infusion"),
    "infinite": (lambda: impute(BASE.assign(ldh=np.inf), seed=1), "limit of detection"),
    "all missing": (lambda: impute(BASE.assign(ldh=np.nan), seed=1), 'exclude=\\["ldh"\\]'),
    "one value": (
        lambda: impute(BASE.assign(ldh=np.where(BASE["age_years"] > 60, 3.0, np.nan)), seed=1),
        'exclude=\\["ldh"\\]',
    ),
    "grade 2.5": (
        lambda: impute(BASE.assign(grade=np.tile([1, 2.5, 3], 40)), seed=1, kinds={"grade": "ordered"}),
        "round the grade",
    ),
    "reversed bounds": (
        lambda: impute(frame().drop(columns="patient_id").assign(icans_grade_lower=5), seed=1),
        "icans_grade_lower",
    ),
    "unknown column": (lambda: impute(BASE, seed=1, columns=["age_year"]), "age_years"),
    "unknown kind": (lambda: impute(BASE, seed=1, kinds={"crp_mg_l": "gamma"}), "ordered"),
    "wrong method": (lambda: impute(BASE, seed=1, methods={"crp_mg_l": "logistic"}), "pmm"),
    "delta of a category": (
        lambda: impute(
            BASE.assign(arm=np.tile(["a", "b", "c"], 40)).mask(BASE["age_years"] > 70),
            seed=1,
            delta={"arm": 1},
        ),
        "ordered category",
    ),
    "delta of nothing": (lambda: impute(BASE, seed=1, delta={"ldh": 1}), "correct the name"),
    "texts": (lambda: impute(BASE.assign(ldh=["<5", 7.0, None] * 40), seed=1), "to_numeric"),
    "empty": (lambda: impute(BASE.iloc[:0], seed=1), "as they are"),
    "chain of nothing": (lambda: impute(BASE, m=2, seed=1).plot_chains("age_years"), "one of these names"),
    "a fit fails": (
        lambda: impute(BASE, m=2, seed=1).fit(lambda f: co.odds_ratio("age_years ~ crp_mg_l", f)),
        "",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_refuses(case):
    call, remedy = ERRORS[case]
    with pytest.raises(EstimationError) as raised:
        call()
    assert pd.Series([raised.value.remedy]).str.contains(remedy).item(), raised.value.remedy


def test_kinds_of_not_known_of_a_grade_stay_and_are_never_drawn():
    rng = np.random.default_rng(1)
    levels = ["0", "1", "2", "not_assessable"]
    data = pd.DataFrame(
        {"x": rng.normal(size=120), "g": pd.Categorical(rng.choice(levels, 120), levels, ordered=True)}
    )
    data.loc[:20, "g"] = None
    (first, _) = impute(data, m=2, seed=3)
    assert first["g"].notna().all()
    assert (first["g"] == "not_assessable").sum() == (data["g"] == "not_assessable").sum()
    (drawn, _) = impute(data, m=2, seed=3, states="not_assessable")
    assert not (drawn["g"] == "not_assessable").any()
