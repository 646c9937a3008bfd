"""Both hazard ratios of every event side by side."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort import style
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import CohortError, EndpointError, EstimationError, ImmortalTimeError

STATES = {1: "relapse", 2: "nrm", 3: "second_cancer"}
CAUSE, SUB = "cause-specific hazard ratio", "subdistribution hazard ratio"


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 200
    age = rng.normal(60, 10, n).round()
    times = np.ceil(
        rng.exponential([[90], [140], [500]] * np.exp([[-0.03], [0.02], [0.0]] * (age - 60)), (3, n))
    )
    censored = np.ceil(rng.uniform(20, 300, n))
    first = times.argmin(axis=0)
    days = np.minimum(times.min(axis=0), censored)
    return pd.DataFrame(
        {
            "age_years": age,
            "product": pd.Categorical(rng.choice(["axi-cel", "tisa-cel"], n)),
            "era": rng.choice(["early", "late"], n),
            "center_id": rng.integers(0, 25, n),
            "weight": rng.uniform(0.5, 2, n),
            "days": days,
            "status": np.where(times.min(axis=0) <= censored, first + 1, 0),
        }
    )


def endpoint(frame: pd.DataFrame) -> co.Endpoint:
    return co.Endpoint.from_columns(frame, time="days", event="status", states=STATES, name="first_event")


def test_the_two_ratios_by_hand():
    """Breslow ties, 4 patients, x = 1, 0, 1, 0 at days 1 (relapse), 2 (death), 3 (relapse), 4 (death).

    Cause-specific hazard of relapse, h = exp(b): risk sets {1, 0, 1, 0} at day 1 and {1, 0} at day 3, so the
    likelihood is h/(2h + 2) * h/(h + 1): no maximum, x = 1 always has the event. The subdistribution keeps the
    patient who died on day 2 at risk at day 3 (weight 1, nobody is censored): h/(2h + 2) * h/(h + 2): none either.
    """
    frame = pd.DataFrame({"days": [1, 2, 3, 4], "status": [1, 2, 1, 2], "x": [1, 0, 1, 0]})
    with pytest.raises(EstimationError, match="monotone likelihood"):
        co.competing_risks_table(endpoint(frame), "x", events=["relapse"])
    # With x = 1, 0, 0, 1 the cause-specific likelihood of relapse is h/(2h + 2) * 1/(1 + h): score 1/h = 2/(h + 1),
    # h = 1. Of the subdistribution, with the death at day 2 (x = 0) still at risk: h/(2h + 2) * 1/(h + 2):
    # 1/h = 1/(h + 1) + 1/(h + 2), h^2 = 2.
    frame["x"] = [1, 0, 0, 1]
    tidy = co.competing_risks_table(endpoint(frame), "x", events=["relapse"], ties="breslow").tidy()
    assert tidy["measure"].tolist() == [CAUSE, SUB]
    np.testing.assert_allclose(tidy["estimate"], [0.0, np.log(2) / 2], atol=1e-10)


@pytest.mark.parametrize(
    "options",
    [{}, {"strata": "era"}, {"cluster": "center_id"}, {"weights": "weight"}, {"conf_level": 0.9}],
)
def test_each_row_is_that_of_its_own_model(frame, options):
    table = co.competing_risks_table(endpoint(frame), "age_years + product", **options)
    tidy = table.tidy()
    assert tidy["outcome"].unique().tolist() == list(STATES.values())
    assert len(tidy) == 3 * 2 * 2
    for outcome in STATES.values():
        for measure, function in ((CAUSE, co.cox), (SUB, co.fine_gray)):
            rows = tidy[(tidy["outcome"] == outcome) & (tidy["measure"] == measure)]
            alone = function(endpoint(frame), "age_years + product", event=outcome, **options)
            for column in ("estimate", "std_error", "p_value", "conf_low", "conf_high"):
                np.testing.assert_array_equal(rows[column], alone.tidy()[column])
            assert rows["n_event"].unique().tolist() == [alone.n_event]


def test_options_of_one_model_reach_it(frame):
    table = co.competing_risks_table(
        endpoint(frame), "age_years", censoring_strata="era", robust=True, ties="efron"
    )
    alone = co.fine_gray(endpoint(frame), "age_years", event="nrm", censoring_strata="era", ties="efron")
    np.testing.assert_array_equal(table.subdistribution["nrm"].tidy()["std_error"], alone.tidy()["std_error"])
    assert table.cause_specific["nrm"].robust == "robust standard errors"


def test_a_model_that_has_no_estimate_leaves_its_reason(frame):
    """No early patient has a second cancer: both models of it are monotone, those of the others stand."""
    frame["rare"] = ((frame["status"] != 3) & (frame["era"] == "early")).astype(int)
    table = co.competing_risks_table(endpoint(frame), "rare", events=["nrm", "second_cancer"])
    tidy = table.tidy()
    gone = tidy["outcome"] == "second_cancer"
    assert tidy.loc[gone, "estimate"].isna().all()
    assert tidy.loc[~gone, "estimate"].notna().all()
    assert tidy.loc[gone, "reason"].str.contains("monotone likelihood").all()
    assert "not estimable" in table.text("rare")
    assert "monotone likelihood" in repr(table)
    ax = table.plot()
    assert "NE" in " ".join(text.get_text() for text in ax.texts)


def test_never_both_called_hazard_ratio_alone(frame):
    table = co.competing_risks_table(endpoint(frame), "age_years")
    assert set(table.tidy()["measure"]) == {CAUSE, SUB}
    text = table.text("age_years")
    assert text.count("hazard ratio") == text.count(CAUSE) + text.count(SUB) == 6
    assert repr(table).startswith("Cause-specific and subdistribution hazard ratios of first event")


def test_the_plot_draws_the_tidy_frame(frame):
    table = co.competing_risks_table(endpoint(frame), "age_years + product")
    ax = table.plot()
    tidy = table.tidy(exponentiate=True)
    for k, measure in enumerate((CAUSE, SUB), start=1):
        drawn = [float(line.get_xdata()[0]) for line in ax.lines if line.get_gid() == f"estimate {k}"]
        assert drawn == tidy.loc[tidy["measure"] == measure, "estimate"].tolist()
        spans = [tuple(line.get_xdata()) for line in ax.lines if line.get_gid() == f"interval {k}"]
        limits = tidy.loc[tidy["measure"] == measure, ["conf_low", "conf_high"]].clip(*ax.get_xlim())
        assert spans == [tuple(pair) for pair in limits.to_numpy().tolist()]
    assert style.check_layout(ax.figure) == []
    plt.close(ax.figure)


def test_findings_after_infusion_are_refused(frame):
    facts = {"edema": ColumnFacts(known="at_exam", known_day=30)}
    data = declare_facts(frame.assign(edema=frame["era"]), facts)
    with pytest.raises(ImmortalTimeError, match="edema"):
        co.competing_risks_table(endpoint(data), "edema")
    table = co.competing_risks_table(endpoint(data), "edema", acknowledge="immortal_time")
    assert table.glance()["acknowledged"].item() == "immortal_time"


@pytest.mark.parametrize(
    ("arguments", "exception", "pattern"),
    [
        ({"events": ["death"]}, EndpointError, 'no event .death.*event="relapse"'),
        ({"events": []}, EndpointError, "leave events= out"),
        ({"formula": "age"}, EstimationError, "did you mean age_years"),
        ({"conf_level": 95}, EstimationError, "not between 0 and 1"),
        ({"formula": "zero"}, EstimationError, "column zero is constant"),
    ],
)
def test_bad_arguments_are_refused(frame, arguments, exception, pattern):
    call = {"formula": "age_years"} | arguments
    with pytest.raises(exception, match=f"(?s){pattern}"):
        co.competing_risks_table(endpoint(frame.assign(zero=0.0)), **call)


def test_one_event_or_several_rows_are_refused(frame):
    single = co.Endpoint.from_columns(frame.assign(dead=frame["status"] > 0), time="days", event="dead")
    with pytest.raises(EndpointError, match="use cox"):
        co.competing_risks_table(single, "age_years")
    rows = frame.assign(start=0.0, id=frame.index)
    split = co.Endpoint.from_columns(
        rows, start="start", stop="days", event="status", states=STATES, id="id", name="first"
    )
    with pytest.raises(CohortError, match="one row per patient"):
        co.competing_risks_table(split, "age_years")
