"""The public Cox function: endpoints, guards, who is left out, and what a result says."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.dictionary.facts import ColumnFacts, declare_facts
from cohort.errors import CohortError, EndpointError, EstimationError, ImmortalTimeError, IncorporationError


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 120
    age = rng.normal(60, 10, n).round()
    days = np.ceil(rng.exponential(200 * np.exp(-0.03 * (age - 60)))) + 1
    data = pd.DataFrame(
        {
            "age_years": age,
            "product": pd.Categorical(rng.choice(["axi-cel", "tisa-cel"], n)),
            "edema": pd.Categorical(rng.choice(["absent", "present", "not_imaged"], n)),
            "edema_first_day": np.where(rng.random(n) < 0.3, 5.0, np.nan),
            "days": days,
            "status": rng.choice([0, 1, 2], n),
            "center_id": rng.integers(0, 8, n),
            "weight": rng.uniform(0.5, 2, n),
        }
    )
    facts = {
        "age_years": ColumnFacts(known="baseline", known_day=0),
        "product": ColumnFacts(known="baseline", known_day=0),
        "edema": ColumnFacts(known="at_exam", known_day=30, part_of=("icans_grade",)),
    }
    return declare_facts(data, facts)


def death(frame: pd.DataFrame) -> co.Endpoint:
    data = declare_facts(frame.assign(dead=frame["status"] == 2), {})
    return co.Endpoint.from_columns(data, time="days", event="dead", name="overall_survival")


def competing(frame: pd.DataFrame) -> co.Endpoint:
    return co.Endpoint.from_columns(frame, time="days", event="status", states={1: "relapse", 2: "nrm"})


def test_events_of_several_kinds_need_a_choice(frame):
    with pytest.raises(EndpointError, match=r'(?s)several events.*relapse, nrm.*event="relapse"'):
        co.cox(competing(frame), "age_years")
    with pytest.raises(EndpointError, match="no event 'death'"):
        co.cox(competing(frame), "age_years", event="death")
    fit = co.cox(competing(frame), "age_years", event="nrm")
    # The cause-specific hazard takes other events as censored.
    np.testing.assert_array_equal(
        fit.tidy()["estimate"], co.cox(death(frame), "age_years").tidy()["estimate"]
    )
    assert "cause-specific hazard ratio" in repr(fit).lower()
    assert fit.text("age_years").startswith("cause-specific hazard ratio 1.0")


def test_a_finding_after_infusion_is_refused_and_can_be_acknowledged(frame):
    with pytest.raises(ImmortalTimeError, match="edema"):
        co.cox(death(frame), "edema + age_years")
    fit = co.cox(death(frame), "edema + age_years", acknowledge="immortal_time")
    assert fit.glance()["acknowledged"].item() == "immortal_time"
    assert "immortal_time" in repr(fit)


def test_a_finding_as_time_dependent_exposure_is_valid(frame):
    frame = frame.drop(columns="edema")
    split = co.counting_process(death(frame), {"edema_seen": "edema_first_day"})
    fit = co.cox(split, "edema_seen + age_years", robust=True)
    assert fit.n == frame.shape[0]
    assert fit.n_rows > fit.n
    assert fit.glance()["n_cluster"].item() == fit.n
    assert f"{fit.n} in {fit.n_rows} rows" in repr(fit)
    # data= is aligned by the patients' labels, which repeat in the rows.
    again = co.cox(split, "edema_seen + age", data=frame[["age_years"]].rename(columns={"age_years": "age"}))
    np.testing.assert_allclose(again.tidy()["estimate"], fit.tidy()["estimate"], rtol=1e-12)


def test_a_finding_against_the_grade_that_contains_it_is_refused(frame):
    data = declare_facts(
        frame.assign(icans_grade=1, happened=True),
        {"icans_grade": ColumnFacts(known_day=30, measures=("icans_grade",))},
    )
    icans = co.Endpoint.from_columns(data, time="days", event="happened", name="icans")
    with pytest.raises(IncorporationError, match="edema"):
        co.cox(icans, "edema", acknowledge="immortal_time")


def test_strata_of_any_kind_and_named_twice(frame):
    mixed = frame.assign(arm=np.array([1, "a"], dtype=object)[np.arange(len(frame)) % 2])
    plain = co.cox(death(mixed.assign(arm=np.arange(len(frame)) % 2)), "age_years", strata="arm")
    fit = co.cox(death(mixed), "age_years", strata=["arm", "arm"])
    assert fit.strata == ("arm=1", "arm=a")
    np.testing.assert_allclose(fit.tidy()["estimate"], plain.tidy()["estimate"], rtol=1e-12)


def test_guards_fire_before_the_data_are_looked_at(frame):
    """A finding that nobody has is no reason to leave it out of the formula: the design is what is wrong."""
    nobody = frame.assign(edema=pd.Categorical(["absent"] * len(frame), categories=["absent", "present"]))
    nobody.attrs = dict(frame.attrs)
    with pytest.raises(ImmortalTimeError, match="edema"):
        co.cox(death(nobody), "edema + age_years")


def test_who_is_left_out_is_counted_by_reason(frame):
    frame.loc[[0, 1, 2], "age_years"] = np.nan
    n_not_imaged = int((frame["edema"] == "not_imaged").sum())
    fit = co.cox(death(frame), "edema + age_years", acknowledge="immortal_time")
    assert ("edema", "not_imaged", n_not_imaged) in fit.left_out
    assert fit.glance()["n_missing"].item() == frame.shape[0] - fit.n
    assert f"edema not_imaged {n_not_imaged}" in repr(fit)


def test_columns_without_declared_timing_are_named(frame):
    assert "timing not declared: weight" in repr(co.cox(death(frame), "age_years + weight"))


def test_scales_and_confidence_levels(frame):
    fit = co.cox(death(frame), "age_years + product")
    log, hr = fit.tidy(), fit.tidy(exponentiate=True)
    for column in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(hr[column], np.exp(log[column]), rtol=1e-14)
    np.testing.assert_array_equal(hr["std_error"], log["std_error"])
    narrow = fit.tidy(conf_level=0.5)
    assert (narrow["conf_low"] > log["conf_low"]).all()
    np.testing.assert_allclose(
        log["conf_high"] - log["estimate"], 1.959963984540054 * log["std_error"], rtol=1e-13
    )


def test_profile_limits_have_one_level(frame):
    fit = co.cox(death(frame), "age_years", penalty="firth", conf_level=0.9)
    assert fit.tidy(conf_level=0.9).equals(fit.tidy())
    with pytest.raises(EstimationError, match=r"fit again with conf_level=0\.95"):
        fit.tidy(conf_level=0.95)
    with pytest.raises(EstimationError, match="fit without penalty"):
        fit.check_proportional_hazards()
    assert (
        co.cox(death(frame), "age_years", penalty="firth", limits="wald").tidy(0.95)["conf_low"].notna().all()
    )


def test_several_strata_columns_are_crossed(frame):
    joined = frame.assign(both=frame["product"].astype(str) + frame["center_id"].astype(str))
    crossed = co.cox(death(frame), "age_years", strata=["product", "center_id"])
    single = co.cox(death(joined), "age_years", strata="both")
    np.testing.assert_allclose(crossed.tidy()["estimate"], single.tidy()["estimate"], rtol=1e-12)
    assert crossed.strata[0] == "product=axi-cel, center_id=0"


def test_results_hold_no_patients(frame):
    fit = co.cox(death(frame), "age_years + product", robust=True)
    held = [getattr(fit, field.name) for field in dataclasses.fields(fit)]
    held += [getattr(fit.fit, field.name) for field in dataclasses.fields(fit.fit)]
    assert not any(isinstance(value, pd.DataFrame | pd.Series) for value in held)
    assert not any(isinstance(value, np.ndarray) and len(value) == len(frame) for value in held)


def test_the_plot_draws_the_tidy_frame(frame):
    import matplotlib.pyplot as plt

    fit = co.cox(death(frame), "age_years + product")
    ax = fit.plot()
    drawn = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "estimate"]
    assert set(fit.tidy(exponentiate=True)["estimate"]) <= {float(x) for x in drawn}
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"formula": "age_yaers"}, "did you mean age_years"),
        ({"formula": "age_years", "strata": "centre_id"}, "did you mean center_id"),
        ({"formula": "dead ~ age_years"}, "left side"),
        ({"formula": "age_years", "conf_level": 95}, "not between 0 and 1"),
        ({"formula": "age_years", "weights": "product"}, "weights column product is not numeric"),
        ({"formula": "age_years", "weights": "zero"}, "all weights are zero"),
        ({"formula": "age_years", "penalty": "lasso"}, "penalty is unknown"),
        ({"formula": "age_years", "acknowledge": "immortal"}, "not a guard"),
        ({"formula": "zero"}, "column zero is constant"),
        ({"formula": "product", "strata": "product"}, "carries no information"),
        ({"formula": "__import__('os').getcwd()"}, "formula"),
    ],
)
def test_bad_arguments_are_refused(frame, arguments, pattern):
    with pytest.raises(CohortError, match=f"(?s){pattern}"):
        co.cox(death(frame.assign(zero=0.0)), **arguments)


def test_unknown_transform_and_term_are_refused(frame):
    fit = co.cox(death(frame), "age_years + product")
    with pytest.raises(EstimationError, match="write one of km, identity, rank, log"):
        fit.check_proportional_hazards("sqrt")
    with pytest.raises(EstimationError, match=r"terms: age_years, product\[tisa-cel\]"):
        fit.text("edema")


def test_a_penalized_likelihood_has_no_information_criterion(frame):
    glance = co.cox(death(frame), "age_years", penalty="firth").glance()
    assert glance["penalty"].item() == "firth"
    assert np.isnan(glance["aic"].item())
