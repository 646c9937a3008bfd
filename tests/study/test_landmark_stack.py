"""Stacked landmark data sets: by hand, against R (tests/reference/landmark_stack), and refusals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.errors import EndpointError

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "landmark_stack"
# Newton steps to convergence on both sides.
RTOL = 1e-8
FORMULAS = {
    "stratified": ("edema + age + edema:landmark + edema:I(landmark ** 2)", "landmark"),
    "smooth": ("edema + age + landmark + I(landmark ** 2) + edema:landmark", None),
}


def split() -> co.Endpoint:
    data = pd.read_csv(FOLDER / "data.csv")
    survival = co.Endpoint.from_columns(data, time="stop", event="event")
    return co.counting_process(survival, {"edema": "seen"})


@pytest.mark.parametrize("name", FORMULAS)
def test_the_supermodel_equals_r(name):
    """R survival, ``coxph(Surv(landmark, stop, event) ~ ..., cluster = row)`` on rows stacked by hand."""
    formula, strata = FORMULAS[name]
    fit = co.cox(co.landmark_stack(split(), [5, 10, 15, 20], 40), formula, strata=strata, robust=True)
    table = pd.read_csv(FOLDER / "expected.csv")
    expected = table[table["model"] == name].set_index("term")
    tidy = fit.tidy().set_index("term").loc[expected.index]
    np.testing.assert_allclose(tidy["estimate"], expected["estimate"], rtol=RTOL)
    np.testing.assert_allclose(tidy["std_error"], expected["std_error"], rtol=RTOL)


def test_who_is_at_risk_and_exposed_at_a_landmark_by_hand():
    # a: exposed from day 10, dies on day 30; b: dies on day 10, so not at risk at landmark 10.
    frame = pd.DataFrame({"days": [30, 10], "dead": [1, 1], "seen": [10, np.nan]}, index=["a", "b"])
    whole = co.counting_process(co.Endpoint.from_columns(frame, time="days", event="dead"), {"edema": "seen"})
    stack = co.landmark_stack(whole, [5, 10], 20)
    assert list(stack.index) == ["a", "b", "a"]
    assert stack.frame["edema"].tolist() == [0, 0, 1]
    assert stack.stop.tolist() == [25, 10, 30]
    assert stack.event.tolist() == [0, 1, 1]
    assert stack.n_subjects == 2


GAP = pd.DataFrame({"a": [0, 6], "b": [5, 9], "e": [0, 1], "id": [1, 1]})


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: co.landmark_stack(split(), [10, 5], 40), "ascending"),
        (lambda: co.landmark_stack(split(), [], 40), "ascending"),
        (lambda: co.landmark_stack(split(), [5], 0), "window=100"),
        (lambda: co.landmark_stack(split(), [5, 90000], 40), "Nobody is at risk.*Leave this landmark out"),
        (
            lambda: co.landmark_stack(
                co.Endpoint.from_columns(GAP, start="a", stop="b", event="e", id="id"), [2], 40
            ),
            "gaps.*End their follow-up",
        ),
    ],
)
def test_what_cannot_be_stacked_is_refused(call, pattern):
    with pytest.raises(EndpointError, match=f"(?s){pattern}"):
        call()
