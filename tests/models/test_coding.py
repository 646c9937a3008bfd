"""Columns as scores."""

import numpy as np
import pandas as pd
from numpy.testing import assert_array_equal

from cohort.models.coding import as_scores, keep_usable


def test_kinds_of_not_known_have_no_score() -> None:
    levels = ["0", "1", "2", "not_assessable"]
    grade = pd.Series(pd.Categorical(["0", "not_assessable", "2", None], levels, ordered=True), name="grade")
    coded = as_scores(grade)
    assert_array_equal(coded.numbers, [0, np.nan, 2, np.nan])
    assert coded.labels == ("0", "1", "2")
    keep, left_out, _ = keep_usable(pd.DataFrame({"grade": grade}), {"grade": coded})
    assert_array_equal(keep, [True, False, True, False])
    assert left_out == (("grade", "missing", 1), ("grade", "not_assessable", 1))
