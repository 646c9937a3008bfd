"""Simon-Makuch curves and the Mantel-Byar test against R survival (tests/reference/simon_makuch)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cohort as co
from cohort.errors import EndpointError

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "simon_makuch"
RTOL = 1e-10  # direct sums
DATA = pd.read_csv(FOLDER / "data.csv")
EXPECTED = pd.read_csv(FOLDER / "expected.csv")


def survival() -> co.Endpoint:
    return co.Endpoint.from_columns(DATA, time="stop", event="event")


def test_curves_and_test_equal_r():
    """R ``survfit(Surv(start, stop, event) ~ edema)``, and the score test of ``coxph(ties = "exact")``."""
    curves = co.simon_makuch(co.counting_process(survival(), {"edema": "seen"}), "edema")
    at = curves.at([10, 20, 40])
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(at[column], EXPECTED[column][:6], rtol=RTOL)
    np.testing.assert_allclose(curves.logrank["statistic"], EXPECTED["estimate"][6], rtol=RTOL)
    assert "not the survival of a fixed group" in repr(curves)


def test_a_group_of_the_origin_is_refused():
    with pytest.raises(EndpointError, match=r"(?s)no time-dependent exposure.*co\.counting_process"):
        co.simon_makuch(survival(), "seen")
