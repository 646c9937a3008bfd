"""More simulated examples of docs/guards.md: bad controls, units, small cells, and harm that immortal time reverses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import cohort as co
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import BadControlError, ImmortalTimeError, UnitsError
from cohort.study.disclosure import suppress

COHORTS = 50
DOCUMENT = (Path(__file__).parents[2] / "docs" / "guards.md").read_text(encoding="utf-8")


def by_product(rng, n, product=None):
    """Age makes product b and death more likely; b raises CRP of day 3, and only CRP carries its effect on death."""
    age = rng.normal(0, 1, n)
    b = rng.random(n) < expit(0.8 * age) if product is None else np.full(n, product)
    crp = 1.2 * b + rng.normal(0, 1, n)
    death = rng.random(n) < expit(-1.5 + 0.6 * age + 0.9 * crp)
    data = pd.DataFrame({"product": np.where(b, "b", "a"), "age": age, "log_crp": crp, "death": death})
    facts = {
        "product": ColumnFacts(known_day=0),
        "age": ColumnFacts(known_day=0),
        "log_crp": ColumnFacts(known_day=3),
    }
    return declare_facts(data, facts)


def test_bad_controls():
    rng = np.random.default_rng(11)
    truth = by_product(rng, 400_000, True)["death"].mean() - by_product(rng, 400_000, False)["death"].mean()
    found = {"`product ~ age`": [], "`product ~ age + log_crp`": []}
    for _ in range(COHORTS):
        data = by_product(rng, 600)
        with pytest.raises(BadControlError):
            co.inverse_probability_weights("product ~ age + log_crp", data)
        for way, differences in found.items():
            weights = co.inverse_probability_weights(way.strip("`"), data, acknowledge="bad_control").weights
            b = data["product"] == "b"
            risks = [np.average(data["death"][one], weights=weights[one]) for one in (b, ~b)]
            differences.append(risks[0] - risks[1])
    right, wrong = (np.array(one) for one in found.values())
    assert abs(right.mean() - truth) < 3 * right.std(ddof=1) / np.sqrt(COHORTS)
    assert wrong.mean() < truth / 3
    assert f"true risk difference is {100 * truth:.1f}" in DOCUMENT, truth
    for way, differences in found.items():
        line = f"| {way} | {100 * np.mean(differences):.1f} |"
        assert line in DOCUMENT, line


def with_scores(rng, n=400):
    """CRP in mg/dL, but one of two centers sends mg/L; severe ICANS by the true m-EASIX, odds ratio 1.5 of doubling."""
    labs = {"ldh_u_l": rng.lognormal(5.5, 0.4, n), "platelets_10e9_l": rng.lognormal(4.6, 0.4, n)}
    crp, second = rng.lognormal(0.4, 0.6, n), np.arange(n) % 2 == 1
    right = co.m_easix(crp_mg_dl=crp, **labs)
    severe = rng.random(n) < expit(-1.2 + np.log(1.5) * np.log2(right / np.median(right)))
    return labs, crp, np.where(second, 10 * crp, crp), np.where(severe, "yes", "no")


def test_units():
    rng = np.random.default_rng(12)
    found, refused = {"as sent": [], "unit declared": []}, 0
    for _ in range(COHORTS):
        labs, crp, sent, severe = with_scores(rng)
        try:
            co.m_easix(crp_mg_dl=sent, **labs)
        except UnitsError:
            refused += 1
        for way, values in (("as sent", sent), ("unit declared", crp)):
            score = labs["ldh_u_l"] * values / labs["platelets_10e9_l"]
            row = (
                co.odds_ratio("severe ~ log2(score)", pd.DataFrame({"severe": severe, "score": score}))
                .tidy()
                .iloc[-1]
            )
            found[way].append((row["estimate"], row["conf_low"] <= np.log(1.5) <= row["conf_high"]))
    found = {way: np.array(rows) for way, rows in found.items()}
    right = found["unit declared"][:, 0]
    assert abs(right.mean() - np.log(1.5)) < 3 * right.std(ddof=1) / np.sqrt(COHORTS)
    assert np.exp(found["as sent"][:, 0].mean()) < 1.3
    for way, rows in found.items():
        line = f"| {way} | {np.exp(rows[:, 0].mean()):.2f} | {int(rows[:, 1].sum())} of {COHORTS} |"
        assert line in DOCUMENT, line
    assert f"refuses {refused} of the {COHORTS}" in DOCUMENT, refused


def computable(hidden):
    """Tell which hidden counts follow from the totals of rows and columns: those alone, again and again."""
    left = hidden.copy()
    while True:
        alone = left & ((left.sum(axis=0) == 1)[None, :] | (left.sum(axis=1) == 1)[:, None])
        if not alone.any():
            return hidden & ~left
        left &= ~alone


def test_small_cells():
    rng = np.random.default_rng(13)
    small, followed, followed_after = 0, 0, 0
    for _ in range(200):
        counts = rng.multinomial(120, np.outer([0.4, 0.25, 0.2, 0.1, 0.05], [0.75, 0.25]).ravel()).reshape(
            5, 2
        )
        table = pd.DataFrame(counts, columns=["absent", "present"]).assign(all=counts.sum(axis=1))
        primary = (counts > 0) & (counts < 5)
        made = suppress(table, 5, ["absent", "present", "all"], total="all")
        small += int(primary.sum())
        followed += int(computable(primary).sum())
        hidden = made.hidden.to_numpy()
        followed_after += int((computable(hidden)[:, :2] & primary).sum()) - made.n_exposed
    assert followed_after == 0
    line = f"{small} small counts in 200 tables {followed} could be computed"
    assert line in DOCUMENT, line


def harmful(rng, n=400):
    """Death at 1/150 a day, and 1.5 times that once the finding is there: after 90 days on average, in half."""
    first = np.where(rng.random(n) < 0.5, np.floor(rng.exponential(90, n)), 1e6)
    spent = rng.exponential(150, n)
    death = np.ceil(np.where(spent <= first, spent, first + (spent - first) / 1.5))
    seen = first < np.minimum(death, 365)
    data = pd.DataFrame(
        {
            "death_day": np.where(death <= 365, death, np.nan),
            "last_contact_day": np.minimum(death, 365.0),
            "finding": pd.Categorical(np.where(seen, "present", "absent"), categories=["absent", "present"]),
            "finding_first_day": np.where(seen, first, np.nan),
        }
    )
    return declare_facts(data, {"finding": ColumnFacts("at_exam", 365)})


def test_immortal_time_turns_harm_into_protection():
    rng = np.random.default_rng(14)
    found = {"ever had the finding (true ratio 1.5)": [], "time-dependent (true ratio 1.5)": []}
    for _ in range(COHORTS):
        data = harmful(rng)
        survival = co.endpoint("overall_survival", data)
        with pytest.raises(ImmortalTimeError):
            co.cox(survival, "finding")
        split = co.counting_process(survival, {"finding_seen": "finding_first_day"})
        fits = (co.cox(survival, "finding", acknowledge="immortal_time"), co.cox(split, "finding_seen"))
        for rows, fit in zip(found.values(), fits, strict=True):
            row = fit.tidy().iloc[0]
            rows.append((row["estimate"], row["conf_low"] <= np.log(1.5) <= row["conf_high"]))
    naive, right = (np.array(rows) for rows in found.values())
    assert naive[:, 0].mean() < -0.1
    assert abs(right[:, 0].mean() - np.log(1.5)) < 3 * right[:, 0].std(ddof=1) / np.sqrt(COHORTS)
    for way, rows in found.items():
        rows = np.array(rows)
        low, high = np.exp(np.quantile(rows[:, 0], [0.025, 0.975]))
        spread = f"{np.exp(rows[:, 0].mean()):.2f} | {low:.2f} to {high:.2f}"
        line = f"| {way} | {spread} | {int(rows[:, 1].sum())} of {COHORTS} |"
        assert line in DOCUMENT, line
