"""Times known between two looks: by hand, against R, properties, bootstrap, errors, figure."""

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
from cohort.errors import CohortError, EndpointError, EstimationError, ImmortalTimeError, IncorporationError
from cohort.estimators.turnbull import score_test, turnbull

REFERENCE = Path(__file__).parents[1] / "reference" / "interval_censored"
# The EM algorithm in R ends when no mass changes by 1e-15; it creeps, so that this is not its error.
RTOL = 1e-7
# R's survfit stops when its curve changes by 5e-5 in a step.
SURVFIT = 2e-3


def reference() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "data.csv")


def expected(what: str) -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / "expected.csv", dtype={"group": str}).fillna({"group": ""})
    rows = table[table["what"] == what]
    assert len(rows)
    return rows


# against R


@pytest.mark.parametrize("by", [None, "arm"])
def test_curves_are_those_of_the_em_algorithm(by: str | None) -> None:
    result = co.interval_censored("lower", "upper", reference(), by=by)
    for group in result.groups:
        wanted = expected("survival")
        wanted = wanted[wanted["group"] == group.name]
        rows = result.at(wanted["term"].astype(float))
        rows = rows[rows["strata"] == group.name].reset_index(drop=True)
        known = rows["estimate"].notna().to_numpy()
        assert known.sum() >= 4
        assert_allclose(rows["estimate"][known], wanted["value"].to_numpy()[known], rtol=RTOL)
        assert (wanted["value"].to_numpy() <= rows["bound_high"] + RTOL).all()
        assert (wanted["value"].to_numpy() >= rows["bound_low"] - RTOL).all()
        r = expected("survfit")
        assert_allclose(
            rows["estimate"][known], r[r["group"] == group.name]["value"].to_numpy()[known], atol=SURVFIT
        )
        likelihood = expected("log_likelihood").set_index("group")["value"][group.name]
        assert_allclose(group.fit.log_likelihood, likelihood, rtol=1e-11)


def test_the_test_of_groups_is_finkelsteins() -> None:
    result = co.interval_censored("lower", "upper", reference(), by="arm")
    assert_allclose(result.statistic, expected("score_test")["value"].item(), rtol=1e-6)
    assert result.df == 1


# by hand


def test_by_hand() -> None:
    # Each of the masses in (1, 2], (2, 3], (4, 6], (7, inf) is 1/4: p_a (p_a + p_b) p_b p_c (p_c + p_d) p_d is
    # symmetric in a, b and in c, d, and the two halves have three patients each.
    frame = pd.DataFrame({"a": [2, 1, 4, None, 3, 7], "b": [4, 3, 6, 2, None, None]})
    result = co.interval_censored("a", "b", frame)
    assert result.tidy()["time_low"].tolist() == [1, 2, 4]
    assert result.tidy()["time"].tolist() == [2, 3, 6]
    assert_allclose(result.tidy()["estimate"], [0.75, 0.5, 0.25], rtol=1e-10)
    rows = result.at([0.5, 1, 1.5, 2, 3.5, 5, 6.5, 8])
    assert_allclose(rows["estimate"], [1, 1, np.nan, 0.75, 0.5, np.nan, 0.25, np.nan], rtol=1e-10)
    assert rows["reason"].iloc[2] == "within (1, 2]: when is not known"
    assert rows["reason"].iloc[7] == "follow-up ends at 7"
    assert_allclose(rows[["bound_low", "bound_high"]].iloc[5], [0.25, 0.5], rtol=1e-10)
    assert result.quantile().loc[0, ["bound_low", "bound_high"]].tolist() == [2, 3]
    assert result.quantile(0.9)["reason"].item() == "not reached"
    assert result.groups[0].counts == (0, 3, 1, 2)


def test_days_known_exactly_give_kaplan_meier() -> None:
    rng = np.random.default_rng(4)
    days, dead = rng.integers(1, 15, 60).astype(float), rng.random(60) < 0.6
    frame = pd.DataFrame({"lower": days, "upper": np.where(dead, days, np.inf), "days": days, "dead": dead})
    wanted = co.kaplan_meier(co.Endpoint.from_columns(frame, time="days", event="dead")).at([3, 7, 10])
    assert_allclose(
        co.interval_censored("lower", "upper", frame).at([3, 7, 10])["estimate"],
        wanted["estimate"],
        rtol=1e-9,
    )


def test_one_look_is_isotonic_regression() -> None:
    """Current status data: the shares with the event by day of the look, made monotone by pooling neighbours."""
    look = np.repeat([2.0, 4.0, 6.0], 4)
    found = np.array(
        [0, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0], dtype=bool
    )  # 1/4, 3/4, 2/4: the last two pool to 5/8
    frame = pd.DataFrame({"a": np.where(found, np.nan, look), "b": np.where(found, look, np.nan)})
    rows = co.interval_censored("a", "b", frame).at([2, 4, 6])
    assert_allclose(rows["estimate"], [3 / 4, 3 / 8, 3 / 8], rtol=1e-9)


# properties


@st.composite
def looks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(2, 40))
    time = rng.weibull(1.3, n) * 8
    lower, upper = np.floor(time), np.ceil(time + rng.exponential(2, n))
    lower = np.where(rng.random(n) < 0.2, -np.inf, lower)
    upper = np.where(rng.random(n) < 0.2, np.inf, upper)
    exact = (rng.random(n) < 0.2) & np.isfinite(upper)
    return np.where(exact, upper, lower), upper


@settings(deadline=None, max_examples=60)
@given(looks(), st.integers(0, 10**6))
def test_it_is_a_maximum_and_nothing_else_matters(data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    lower, upper = data
    fit = turnbull(lower, upper)
    assert fit.gap <= 1e-7 * len(lower)  # Kuhn-Tucker: by concavity no distribution gains more
    assert_allclose(fit.mass.sum(), 1, rtol=1e-12)
    order = np.random.default_rng(seed).permutation(len(lower))
    again = turnbull(lower[order], upper[order])
    assert_allclose(again.log_likelihood, fit.log_likelihood, rtol=1e-10, atol=1e-10)
    scaled = turnbull(7 * lower, 7 * upper)
    assert_allclose(scaled.mass, fit.mass, rtol=1e-6, atol=1e-9)
    doubled = turnbull(lower, upper, np.full(len(lower), 2.0))
    assert_allclose(doubled.log_likelihood, 2 * fit.log_likelihood, rtol=1e-9, atol=1e-9)
    low, high = fit.bounds(np.linspace(0, 30, 50))
    assert (low <= high + 1e-12).all()
    assert (np.diff(low) <= 1e-12).all()
    assert (np.diff(high) <= 1e-12).all()


def test_the_permutation_variance_is_that_of_permutations() -> None:
    data = reference()
    lower = data["lower"].fillna(-np.inf).to_numpy()
    upper = data["upper"].fillna(np.inf).to_numpy()
    rng = np.random.default_rng(8)
    group = data["arm"].to_numpy()
    drawn = [score_test(lower, upper, rng.permutation(group))[0] for _ in range(400)]
    assert abs(np.mean(drawn) - 1) < 0.2  # a chi-squared with one degree of freedom has mean 1


def test_the_bootstrap_is_the_same_with_the_same_seed_and_covers() -> None:
    first = co.interval_censored("lower", "upper", reference(), seed=3, replicates=60)
    again = co.interval_censored("lower", "upper", reference(), seed=3, replicates=60)
    pd.testing.assert_frame_equal(first.tidy(), again.tidy())
    rows = first.at([2, 6, 12])
    # 180 patients: a binomial proportion near 0.45 has a standard error of 0.037; censoring can only widen it.
    assert 0.033 < rows["std_error"].iloc[1] < 0.09
    assert (rows["conf_low"] < rows["bound_low"]).all()
    assert (rows["conf_high"] > rows["bound_high"]).all()
    assert (
        co.interval_censored("lower", "upper", reference())
        .tidy()["reason"]
        .eq("no bootstrap: give seed=")
        .all()
    )


def covered(replicates: int, n: int, samples: int) -> float:
    rng, hits = np.random.default_rng(12), 0
    truth = np.exp(-5 / 8)
    for k in range(replicates):
        time = rng.exponential(8, n)
        start = rng.integers(0, 3, n)
        lower = np.floor((time - start) / 2) * 2 + start  # looked at every second day
        frame = pd.DataFrame(
            {"a": np.where(lower < 0, np.nan, lower), "b": np.where(lower > 14, np.nan, lower + 2)}
        )
        row = co.interval_censored("a", "b", frame, seed=k, replicates=samples).at([5]).iloc[0]
        hits += row["conf_low"] <= truth <= row["conf_high"]
    return hits / replicates


def test_limits_hold_the_truth() -> None:
    assert covered(60, 80, 100) > 0.85


@pytest.mark.slow
def test_limits_hold_the_truth_often_enough() -> None:
    assert 0.93 < covered(400, 150, 300) < 0.985


# figure, text, errors


@pytest.mark.parametrize("by", [None, "arm"])
def test_the_figure_draws_the_tidy_frame(by: str | None) -> None:
    data = reference().assign(arm=lambda f: f["arm"].map({0: "axi-cel", 1: "tisa-cel"}))
    result = co.interval_censored("lower", "upper", data, by=by, seed=1, replicates=30, name="icans")
    ax = result.plot()
    line = next(line for line in ax.lines if line.get_gid() == "curve")
    drawn = np.asarray(line.get_ydata())[::3]
    first = result.tidy()[result.tidy()["strata"] == result.groups[0].name]
    assert_allclose(drawn, np.r_[1, first["estimate"]])
    fig = ax.get_figure(root=True)
    assert fig is not None
    assert style.check_layout(fig) == []
    plt.close("all")


def test_text_gives_bounds_where_the_time_is_not_known() -> None:
    frame = pd.DataFrame({"a": [2, 1, 4, None, 3, 7], "b": [4, 3, 6, 2, None, None]})
    result = co.interval_censored("a", "b", frame, name="icans")
    assert result.text(time=3) == "free of icans 50.0% at 3 days"
    assert result.text(time=5) == "free of icans between 25.0% and 50.0% at 5 days"
    assert "2 between" not in repr(result)
    assert "no limits (give seed=)" in repr(result)


def test_rows_that_say_nothing_are_left_out_and_counted() -> None:
    frame = pd.DataFrame({"a": [2, 0, np.nan, 3], "b": [4, np.nan, np.nan, np.inf]})
    result = co.interval_censored("a", "b", frame)
    assert result.left_out == (("", "neither looked at nor with the event", 2),)
    assert result.n == 2


BAD = [
    (lambda d: d.assign(lower=9, upper=3), None, EndpointError, "first day known with the event"),
    (lambda d: d.assign(lower=-1), None, EndpointError, "where the first look"),
    (lambda d: d.assign(lower="day 1"), None, EndpointError, "as numbers"),
    (lambda d: d.drop(columns="upper"), None, EndpointError, "has no column 'upper'"),
    (lambda d: d.assign(upper=np.nan), None, EstimationError, "its curve stays at 1"),
    (lambda d: d.iloc[:0], None, CohortError, "no patient is left"),
    (lambda d: pd.concat([d, d]), None, EndpointError, "reset_index"),
    (lambda d: d, "age", CohortError, "pd.cut"),
    (lambda d: d, "center", CohortError, "center"),
]


@pytest.mark.parametrize(("change", "by", "error", "words"), BAD)
def test_bad_input_is_refused(change, by, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as raised:
        co.interval_censored("lower", "upper", change(reference()), by=by)
    assert words in str(raised.value)


def test_other_bad_calls() -> None:
    result = co.interval_censored("lower", "upper", reference())
    with pytest.raises(EstimationError, match="name one of them"):
        result.text("z")
    with pytest.raises(EstimationError, match=r"quantile\(0.5\)"):
        result.quantile(50)
    with pytest.raises(EstimationError, match="replicates=500"):
        co.interval_censored("lower", "upper", reference(), seed=1, replicates=0)


def test_groups_that_are_known_later_or_part_of_the_grade_are_refused() -> None:
    late = declare_facts(reference(), {"arm": ColumnFacts(known="daily", known_day=30)})
    with pytest.raises(ImmortalTimeError):
        co.interval_censored("lower", "upper", late, by="arm")
    part = {
        "arm": ColumnFacts(known="baseline", known_day=0, part_of=("icans_grade",)),
        "upper": ColumnFacts(known_day=30, measures=("icans_grade",)),
    }
    with pytest.raises(IncorporationError):
        co.interval_censored("lower", "upper", declare_facts(reference(), part), by="arm")
