"""Groups of an endpoint: alignment by index label, order of the groups, who is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cohort.errors import EstimationError
from cohort.models.groups import code_groups, make_groups
from cohort.study.endpoints import Endpoint

FRAME = pd.DataFrame(
    {"days": [1, 2, 3, 4], "died": [1, 0, 1, 0], "arm": ["b", "a", None, "b"]}, index=["p", "q", "r", "s"]
)
OVERALL = Endpoint.from_columns(FRAME, time="days", event="died")


def test_groups_are_aligned_by_label():
    other = pd.DataFrame({"site": ["x", "y", "x"]}, index=["s", "p", "q"])
    groups = make_groups(OVERALL, "site", other)
    assert groups.names == ("x", "y")
    assert groups.rows.tolist() == [0, 1, 3]
    assert groups.codes.tolist() == [1, 0, 0]
    assert groups.left_out == (("", "no row in data", 1),)


def test_missing_groups_are_counted():
    groups = make_groups(OVERALL, "arm")
    assert groups.names == ("a", "b")
    assert groups.left_out == (("arm", "missing", 1),)


def test_duplicated_labels_are_refused():
    other = pd.DataFrame({"site": list("xyxy")}, index=["p", "p", "q", "r"])
    with pytest.raises(EstimationError, match="duplicated labels"):
        make_groups(OVERALL, "site", other)


@pytest.mark.parametrize(
    ("values", "labels", "codes"),
    [
        (pd.Series([True, False, True]), ("False", "True"), [1, 0, 1]),
        (pd.Series([3, 1, 3]), ("1", "3"), [1, 0, 1]),
        (pd.Series([1.0, 0.5, np.nan]), ("0.5", "1"), [1, 0, -1]),
        (pd.Series(["yes", "no", "unknown"]), ("no", "yes"), [1, 0, -1]),
        (pd.Series(["present", "not_imaged", "absent"]), ("absent", "present"), [1, -1, 0]),
        (pd.Series(pd.Categorical(["hi", "lo", None], ["lo", "hi"], ordered=True)), ("lo", "hi"), [1, 0, -1]),
    ],
)
def test_labels_and_order(values, labels, codes):
    got = code_groups(values)
    assert got[1] == labels
    assert got[0].tolist() == codes


def test_strata_are_kept_beside_the_groups():
    groups = make_groups(OVERALL, "arm", FRAME.assign(center=[1, 2, 3, 2])[["center"]], strata="center")
    assert groups.codes.tolist() == [1, 0, 1]
    assert groups.strata.tolist() == [0, 1, 1]
