"""Columns as scores."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from cohort.errors import EstimationError
from cohort.models.coding import as_binary, as_categories, as_scores, keep_usable


def test_kinds_of_not_known_have_no_score() -> None:
    levels = ["0", "1", "2", "not_assessable"]
    grade = pd.Series(pd.Categorical(["0", "not_assessable", "2", None], levels, ordered=True), name="grade")
    coded = as_scores(grade)
    assert_array_equal(coded.numbers, [0, np.nan, 2, np.nan])
    assert coded.labels == ("0", "1", "2")
    keep, left_out, _ = keep_usable(pd.DataFrame({"grade": grade}), {"grade": coded})
    assert_array_equal(keep, [True, False, True, False])
    assert left_out == (("grade", "missing", 1), ("grade", "not_assessable", 1))


def test_a_kind_of_not_known_is_no_second_level() -> None:
    values = pd.Series(["high", "low", "not_assessable", None], name="signal")
    coded = as_binary(values)
    assert_array_equal(coded.numbers, [0, 1, np.nan, np.nan])
    assert coded.notes == ("signal: low against high",)
    with pytest.raises(EstimationError, match="does not have two values"):
        as_binary(values.replace("low", "not_imaged"))


def test_a_kind_of_not_known_is_no_category() -> None:
    center = pd.Series(["north", "not_reported", "south", "unknown"], name="center_id")
    for values in (center, center.astype("category")):
        coded = as_categories(values)
        assert coded.labels == ("north", "south")
        assert_array_equal(coded.numbers, [0, np.nan, 1, np.nan])
    _, left_out, _ = keep_usable(pd.DataFrame({"center_id": center}), {"center_id": coded})
    assert left_out == (("center_id", "not_reported", 1), ("center_id", "unknown", 1))
