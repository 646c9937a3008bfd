"""Recurrent events: by hand, against R survival and mets, properties, simulation, errors."""

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
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import CohortError, EndpointError, EstimationError, ImmortalTimeError
from cohort.estimators.mean_count import mean_count

REFERENCE = Path(__file__).parents[1] / "reference" / "recurrent"
# Newton's method to the last digits against R's (eps 1e-13); sums in another order for mean counts.
RTOL = 1e-8


def reference(name: str) -> pd.DataFrame:
    rows = pd.read_csv(REFERENCE / "data.csv", float_precision="round_trip")
    return rows[rows["set"] == name].reset_index(drop=True)


def expected(name: str, model: str) -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / "expected.csv", dtype={"term": str})
    table = table[(table["set"] == name) & (table["model"] == model)]
    assert len(table)
    return table


def endpoint(name: str) -> co.Endpoint:
    return co.Endpoint.from_columns(
        reference(name),
        start="start",
        stop="stop",
        event="event",
        id="id",
        states={1: "relapse", 2: "dead"} if name in ("simulated", "tied") else {1: "relapse"},
    )


# against R


@pytest.mark.parametrize("name", ["bladder", "cgd", "tied"])
@pytest.mark.parametrize("model", ["andersen_gill", "andersen_gill_breslow", "pwp_total", "pwp_gap"])
def test_ratios_are_those_of_coxph(name: str, model: str) -> None:
    ties = "breslow" if model.endswith("breslow") else "efron"
    fit = co.recurrent(
        endpoint(name),
        "arm + x",
        model.removesuffix("_breslow"),
        ties=ties,
        last_event=4 if model.startswith("pwp") else None,
    )
    wanted = expected(name, model).pivot_table(index="term", columns="quantity", values="value")
    found = fit.tidy().set_index("term")
    for column in ("estimate", "std_error"):
        assert_allclose(found.loc[wanted.index, column], wanted[column], rtol=RTOL)


@pytest.mark.parametrize("name", ["bladder", "cgd", "simulated"])
def test_mean_counts_are_those_of_survfit_and_mets(name: str) -> None:
    result = co.mean_cumulative_count(endpoint(name), by="arm")
    table = expected(name, "mean_count")
    for quantity in ("estimate", "std_error"):
        for group in result.groups:
            wanted = table[table["quantity"] == quantity + group[0]]
            times = wanted["term"].astype(float).to_numpy()
            found = result.at(times)
            found = found[found["strata"] == group[0]]
            assert_allclose(found[quantity], wanted["value"], rtol=RTOL, atol=1e-14)


def test_mean_counts_with_ties_and_late_entry_are_the_published_sums() -> None:
    table = expected("tied", "mean_count")
    result = co.mean_cumulative_count(endpoint("tied"))
    for quantity in ("estimate", "std_error"):
        wanted = table[table["quantity"] == quantity]
        assert_allclose(result.at(wanted["term"].astype(float))[quantity], wanted["value"], rtol=RTOL)


# by hand


def by_hand() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient_id": list("aabccc"),
            "start": [0, 5, 0, 0, 3, 6],
            "stop": [5, 9, 7, 3, 6, 10],
            "event": pd.Categorical(
                ["relapse", "dead", "dead", "relapse", "relapse", "censored"], ["censored", "relapse", "dead"]
            ),
        }
    )


def test_mean_count_by_hand() -> None:
    # 3 patients at risk at 3, 5, 6: 1/3 each. b dies on day 7 (S = 2/3), a on day 9 (S = 1/3); no relapse after.
    result = co.mean_cumulative_count(by_hand(), id="patient_id")
    rows = result.tidy().set_index("time")
    assert_allclose(rows.loc[[3, 5, 6, 7, 9, 10], "estimate"], [1 / 3, 2 / 3, 1, 1, 1, 1], rtol=1e-15)
    # Day 3: residuals 2/3 (c), -1/3, -1/3, divided by 3: sum of squares 6/81.
    assert_allclose(rows.loc[3, "std_error"], np.sqrt(6) / 9, rtol=1e-14)
    assert_allclose(result.groups[0][1].survival, [1, 1, 1, 2 / 3, 1 / 3, 1 / 3], rtol=1e-15)
    assert rows["n_risk"].tolist() == [3, 3, 3, 3, 2, 1]


def test_death_is_no_censoring() -> None:
    """Patient b dies on day 2 and a relapses on day 4: 0.5 per patient, not the 1 of those who survive."""
    rows = pd.DataFrame({"id": ["a", "b"], "start": [0, 0], "stop": [4, 2], "event": [1, 2]})
    states = {1: "relapse", 2: "dead"}
    both = co.Endpoint.from_columns(rows, start="start", stop="stop", event="event", id="id", states=states)
    assert co.mean_cumulative_count(both).at([4])["estimate"].item() == pytest.approx(0.5)
    alone = rows.assign(event=[1, 0])
    assert co.mean_cumulative_count(alone, id="id").at([4])["estimate"].item() == pytest.approx(1.0)


def test_one_event_each_at_most_is_a_cox_model_and_a_cumulative_incidence() -> None:
    rows = reference("tied")
    first = rows.groupby("id").head(1).assign(start=0.0)
    own = co.Endpoint.from_columns(
        first, start="start", stop="stop", event="event", id="id", states={1: "relapse", 2: "dead"}
    )
    plain = co.Endpoint.from_columns(first, time="stop", event="event", states={1: "relapse", 2: "dead"})
    for model in ("andersen_gill", "pwp_total", "pwp_gap"):
        fit = co.recurrent(own, "arm + x", model)
        wanted = co.cox(plain, "arm + x", event="relapse", robust=True).tidy()
        assert_allclose(fit.tidy()["estimate"], wanted["estimate"], rtol=1e-12)
        assert_allclose(fit.tidy()["std_error"], wanted["std_error"], rtol=1e-12)
    # Only the first event of each patient counted, followed by nothing: everybody leaves with it, as if censored.
    deaths_too = co.kaplan_meier(plain, acknowledge="competing_risk")
    hazard = co.mean_cumulative_count(own).tidy()
    assert hazard["n_risk"].tolist() == deaths_too.tidy()["n_risk"].tolist()


# rows from patients and events


def patients() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient_id": ["a", "b", "c", "d", "e"],
            "last_contact_day": [30, 20, 15, 9, np.nan],
            "death_day": [np.nan, 20, 12, np.nan, np.nan],
            "arm": [0, 1, 0, 1, 0],
        }
    )


def episodes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient_id": ["a", "a", "b", "c", "d"],
            "icans_onset_day": [15, 4, 0, 12, 3],
            "icans_resolved_day": [18, 6, 2, np.nan, np.nan],
        }
    )


def test_rows_from_patients_and_episodes() -> None:
    made = co.recurrent_endpoint(
        patients(), episodes(), onset="icans_onset_day", death="death_day", name="icans"
    )
    rows = pd.DataFrame(
        {"id": made.frame["patient_id"], "start": made.start, "stop": made.stop, "event": made.event}
    )
    wanted = pd.DataFrame(
        [
            *(("a", 0, 4, 1), ("a", 4, 15, 1), ("a", 15, 30, 0), ("b", 0, 0.5, 1), ("b", 0.5, 20, 2)),
            *(("c", 0, 12, 1), ("c", 12, 12.5, 2), ("d", 0, 3, 1), ("d", 3, 9, 0)),
        ],
        columns=["id", "start", "stop", "event"],
    )
    assert rows.reset_index(drop=True).to_numpy().tolist() == wanted.to_numpy().tolist()
    assert made.excluded == (("end of follow-up missing", 1),)
    assert "1 deaths on the day of an event put half a day after it" in made.notes
    assert "1 events on the day of the origin given half a day" in made.notes


def test_nobody_is_at_risk_within_an_episode() -> None:
    made = co.recurrent_endpoint(
        patients(),
        episodes(),
        onset="icans_onset_day",
        resolved="icans_resolved_day",
        death="death_day",
    )
    of_a = made.frame["patient_id"].to_numpy() == "a"
    assert made.start[of_a].tolist() == [0, 6, 18]
    assert made.stop[of_a].tolist() == [4, 15, 30]
    assert any("1 deaths within an episode" in note for note in made.notes)
    assert "gaps in which a patient counts as not observed" in repr(co.mean_cumulative_count(made))
    assert "gaps in which a patient is not at risk" in repr(co.recurrent(made, "arm"))


# properties


@st.composite
def histories(draw: st.DrawFn) -> pd.DataFrame:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows: list[tuple[int, float, float, int]] = []
    for patient in range(draw(st.integers(3, 12))):
        now, end = float(rng.integers(0, 3)), float(rng.integers(4, 15))
        while now < end:
            stop = min(now + float(rng.integers(1, 6)), end)
            rows.append((patient, now, stop, 1 if stop < end else int(rng.integers(0, 3))))
            now = stop + float(rng.integers(0, 2))
    return pd.DataFrame(rows, columns=["id", "start", "stop", "event"])


def counted(rows: pd.DataFrame) -> co.Endpoint:
    states = {1: "relapse", 2: "dead"}
    return co.Endpoint.from_columns(rows, start="start", stop="stop", event="event", id="id", states=states)


@settings(deadline=None, max_examples=40)
@given(histories())
def test_fast_sums_of_squares_are_the_slow_ones(rows: pd.DataFrame) -> None:
    start, stop = rows["start"].to_numpy(float), rows["stop"].to_numpy(float)
    event, death = (rows["event"].to_numpy() == k for k in (1, 2))
    subject = rows["id"].to_numpy()
    fast = mean_count(start, stop, event, death, subject)
    t = np.unique(stop)
    at_risk, ends = (start[:, None] < t) & (stop[:, None] >= t), stop[:, None] == t
    Y, N, D = at_risk.sum(0), (ends & event[:, None]).sum(0), (ends & death[:, None]).sum(0)
    S = np.r_[1.0, np.cumprod(1 - D / Y)[:-1]]
    mu, V = np.cumsum(S * N / Y), np.zeros(len(t))
    for one in np.unique(subject):
        r = subject == one
        dM = (ends & event[:, None])[r].sum(0) - at_risk[r].sum(0) * N / Y
        dD = (ends & death[:, None])[r].sum(0) - at_risk[r].sum(0) * D / Y
        V += (np.cumsum(S * dM / Y) - mu * np.cumsum(dD / Y) + np.cumsum(mu * dD / Y)) ** 2
    assert_allclose(fast.estimate, mu, rtol=1e-12)
    assert_allclose(fast.std_error, np.sqrt(V), rtol=1e-7, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(histories(), st.integers(0, 10**6))
def test_order_cuts_and_units_do_not_matter(rows: pd.DataFrame, seed: int) -> None:
    whole = co.mean_cumulative_count(counted(rows)).tidy()
    shuffled = rows.sample(frac=1, random_state=seed).assign(id=lambda f: "p" + f["id"].astype(str))
    again = co.mean_cumulative_count(counted(shuffled)).tidy()
    assert_allclose(again["estimate"], whole["estimate"], rtol=1e-12)
    assert_allclose(again["std_error"], whole["std_error"], rtol=1e-6, atol=1e-6)
    middle = rows.assign(stop=(rows["start"] + rows["stop"]) / 2, event=0)
    cut = pd.concat([middle, rows.assign(start=middle["stop"])], ignore_index=True)
    pieces = co.mean_cumulative_count(counted(cut)).at(whole["time"])
    assert_allclose(pieces["estimate"], whole["estimate"], rtol=1e-12)
    scaled = co.mean_cumulative_count(counted(rows.assign(start=rows["start"] * 7, stop=rows["stop"] * 7)))
    assert_allclose(scaled.tidy()["std_error"], whole["std_error"], rtol=1e-6, atol=1e-6)


def test_cutting_rows_does_not_change_the_ratios() -> None:
    rows = reference("tied")
    middle = rows.assign(stop=(rows["start"] + rows["stop"]) / 2, event=0)
    cut = pd.concat([middle, rows.assign(start=middle["stop"])], ignore_index=True)
    for model in ("andersen_gill", "pwp_total", "pwp_gap"):
        first, second = (co.recurrent(counted(r), "arm + x", model, last_event=3) for r in (rows, cut))
        assert_allclose(first.tidy()["estimate"], second.tidy()["estimate"], rtol=1e-9)
        assert_allclose(first.tidy()["std_error"], second.tidy()["std_error"], rtol=1e-9)
        assert first.events_by_number == second.events_by_number


def test_difference_and_ratio_are_those_of_the_groups() -> None:
    result = co.mean_cumulative_count(endpoint("tied"), by="arm")
    a, b = (result.at([30])[result.at([30])["strata"] == g].iloc[0] for g in ("0", "1"))
    gap, ratio = result.difference([30]).iloc[0], result.ratio([30]).iloc[0]
    assert gap["estimate"] == pytest.approx(b["estimate"] - a["estimate"])
    assert gap["std_error"] == pytest.approx(np.hypot(a["std_error"], b["std_error"]))
    assert ratio["estimate"] == pytest.approx(b["estimate"] / a["estimate"])


def coverage(replicates: int, n: int, seed: int) -> tuple[float, float]:
    """Share of intervals that hold the truth: the mean count by day 30, and the log rate ratio."""
    rng = np.random.default_rng(seed)
    # Rate 0.05 * frailty while alive, death rate 0.02 independent of it: mean 0.05 (1 - exp(-0.6)) / 0.02.
    truth = 0.05 * (1 - np.exp(-0.6)) / 0.02
    hits = np.zeros(2)
    for _ in range(replicates):
        arm = np.arange(n) % 2
        frailty, death, last = rng.gamma(2, 0.5, n), rng.exponential(50, n), rng.uniform(20, 60, n)
        end = np.minimum(death, last)
        count = rng.poisson(0.05 * frailty * np.exp(0.5 * arm) * end)
        patient = np.repeat(np.arange(n), count)
        events = pd.DataFrame({"patient_id": patient, "day": rng.uniform(0, 1, len(patient)) * end[patient]})
        data = pd.DataFrame({"patient_id": np.arange(n), "end": end, "arm": arm})
        data["died"] = np.where(death <= last, death, np.nan)
        own = co.recurrent_endpoint(data, events, onset="day", end="end", death="died")
        row = co.mean_cumulative_count(own, by="arm").at([30]).iloc[0]
        hits[0] += row["conf_low"] <= truth <= row["conf_high"]
        ratio = co.recurrent(own, "arm").tidy().iloc[0]
        hits[1] += ratio["conf_low"] <= 0.5 <= ratio["conf_high"]
    return hits[0] / replicates, hits[1] / replicates


def test_limits_hold_the_truth() -> None:
    assert min(coverage(120, 100, 5)) > 0.89  # Monte-Carlo error 0.02


@pytest.mark.slow
def test_limits_hold_the_truth_in_19_of_20() -> None:
    for share in coverage(1500, 200, 6):
        assert abs(share - 0.95) < 0.018


# results and figures


@pytest.mark.parametrize("width", [85.0, 170.0])
def test_the_figure_draws_the_tidy_frame(width: float) -> None:
    from cohort.plots.mean_count import plot_mean_count

    result = co.mean_cumulative_count(endpoint("tied"), by="arm")
    ax = plot_mean_count(result.tidy(), risk_table=result.at([0, 50, 100]), width_mm=width, stop_below=0)
    lines = [line for line in ax.lines if line.get_gid() == "curve"]
    first = result.tidy()
    first = first[first["strata"] == "0"]
    assert_allclose(np.asarray(lines[0].get_ydata())[1:60], first["estimate"].iloc[:59])
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert style.check_layout(fig) == []
    plt.close("all")


def test_beyond_follow_up_and_before_the_first_event_there_are_no_limits() -> None:
    rows = co.mean_cumulative_count(endpoint("bladder")).at([0.5, 999])
    assert rows["reason"].tolist() == [
        "no event yet",
        f"follow-up ends at {reference('bladder')['stop'].max():g}",
    ]
    assert rows["estimate"].isna().tolist() == [False, True]


def test_what_is_printed() -> None:
    fit = co.recurrent(endpoint("tied"), "arm", "pwp_gap", last_event=2)
    text = repr(fit)
    assert "dead ends follow-up as censored" in text
    assert "rows after event 2 left out" in text
    assert fit.text("arm").startswith("hazard ratio ")
    assert co.recurrent(endpoint("tied"), "arm").text("arm").startswith("rate ratio ")
    assert len(fit.events_by_number) == 2


BAD = [
    (lambda d: co.recurrent(d, "arm"), EndpointError, 'write id="patient_id"'),
    (lambda d: co.recurrent(d, "arm", "wlw", id="id"), EstimationError, "'pwp_gap'"),
    (lambda d: co.recurrent(d, "arm", id="id", last_event=0), EstimationError, "last_event=2"),
    (lambda d: co.recurrent(d.assign(event=0), "arm", id="id"), CohortError, "event"),
    (lambda d: co.recurrent(d.assign(arm=1), "arm", id="id"), EstimationError, "leave arm out"),
    (lambda d: co.recurrent(d.assign(start=0), "arm", id="id"), EndpointError, "overlap, 0 duplicate"),
    (
        lambda d: co.recurrent(pd.concat([d, d], ignore_index=True), "arm", id="id"),
        EndpointError,
        "duplicate",
    ),
    (lambda d: co.recurrent(counted(d), "arm", outcome="dead"), EndpointError, "outcome="),
    (lambda d: co.recurrent(counted(d), "arm", outcome="crs"), EstimationError, "name one of them"),
    (lambda d: co.mean_cumulative_count(d), EndpointError, 'write id="patient_id"'),
    (lambda d: co.mean_cumulative_count(counted(d), by="x"), CohortError, "pd.cut"),
    (lambda d: co.mean_cumulative_count(counted(d), by="stop_day"), CohortError, "stop_day"),
    (
        lambda d: co.mean_cumulative_count(counted(d.assign(late=(d["start"] > 10) * 1)), by="late"),
        EstimationError,
        "group by its value at the origin",
    ),
    (lambda d: co.mean_cumulative_count(counted(d)).text("z"), EstimationError, "name one of them"),
    (lambda d: co.mean_cumulative_count(counted(d.iloc[:0])), CohortError, "no patient is left"),
    (
        lambda d: co.recurrent_endpoint(
            patients(), episodes().assign(icans_onset_day=40), onset="icans_onset_day"
        ),
        EndpointError,
        "after the end of follow-up",
    ),
    (
        lambda d: co.recurrent_endpoint(
            patients(), pd.concat([episodes(), episodes()]), onset="icans_onset_day"
        ),
        EndpointError,
        "drop_duplicates",
    ),
    (
        lambda d: co.recurrent_endpoint(
            pd.concat([patients(), patients()], ignore_index=True), episodes(), onset="icans_onset_day"
        ),
        EndpointError,
        "one row per 'patient_id'",
    ),
    (
        lambda d: co.recurrent_endpoint(
            patients(),
            episodes().assign(icans_resolved_day=[18, 16, 2, np.nan, np.nan]),
            onset="icans_onset_day",
            resolved="icans_resolved_day",
        ),
        EndpointError,
        "correct resolved=",
    ),
    (
        lambda d: co.recurrent_endpoint(
            patients(), episodes().assign(icans_onset_day=-1), onset="icans_onset_day"
        ),
        EndpointError,
        "negative or infinite",
    ),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_input_is_refused(call, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as raised:
        call(reference("tied").assign(event=lambda f: f["event"].where(f["event"] < 2, 0)))
    assert words in str(raised.value)


def test_a_patient_cannot_go_on_after_death() -> None:
    rows = reference("tied")
    rows.loc[rows.index[rows["id"].duplicated(keep="last")][0], "event"] = 2
    with pytest.raises(EndpointError, match="1 patients"):
        co.recurrent(counted(rows), "arm")


def test_groups_that_become_known_later_are_refused() -> None:
    facts = {"arm": ColumnFacts(known="daily", known_day=30)}
    own = counted(declare_facts(reference("tied"), facts))
    with pytest.raises(ImmortalTimeError):
        co.mean_cumulative_count(own, by="arm")
    with pytest.raises(ImmortalTimeError):
        co.recurrent(own, "arm")
    assert "immortal_time" in repr(co.mean_cumulative_count(own, by="arm", acknowledge="immortal_time"))
