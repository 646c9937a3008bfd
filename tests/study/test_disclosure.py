"""Small cells: none below the threshold leaves, and none can be computed from what remains."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import SmallCellError, StudyError
from cohort.study.disclosure import require_no_small_cells, suppress


def test_one_small_count_takes_the_next_smallest_with_it() -> None:
    table = pd.DataFrame({"grade": [0, 1, 2, 3], "n": [40, 12, 9, 2]})
    made = suppress(table, 5, ["n"])
    assert made.frame["n"].tolist() == [40, 12, pd.NA, pd.NA]
    assert (made.n_primary, made.n_complementary, made.n_exposed) == (1, 1, 0)
    assert made.note == "1 small counts and 1 from which they could be computed are not shown."
    assert table["n"].tolist() == [40, 12, 9, 2]


def test_zero_is_not_small_and_two_small_counts_protect_each_other() -> None:
    made = suppress(pd.DataFrame({"n": [0, 4, 1, 30]}), 5, ["n"])
    assert made.frame["n"].tolist() == [0, pd.NA, pd.NA, 30]
    assert made.n_complementary == 0


def test_groups_of_rows_are_protected_apart() -> None:
    table = pd.DataFrame({"variable": ["sex", "sex", "ecog", "ecog"], "n": [3, 30, 11, 22]})
    assert suppress(table, 5, ["n"], by=["variable"]).frame["n"].tolist() == [pd.NA, pd.NA, 11, 22]


def test_a_total_column_is_protected_along_the_row_until_nothing_follows() -> None:
    # a/row 0 is small; its column hides row 1; then each row has one hidden beside its total, so b goes too
    table = pd.DataFrame({"a": [2, 20, 30], "b": [8, 25, 35], "all": [10, 45, 65]})
    made = suppress(table, 5, ["a", "b", "all"], total="all")
    assert made.hidden.to_numpy().tolist() == [
        [True, True, False],
        [True, True, False],
        [False, False, False],
    ]
    assert made.n_exposed == 0


def test_a_small_count_alone_in_its_table_is_reported_as_exposed() -> None:
    made = suppress(pd.DataFrame({"n": [3, 0, 0]}), 5, ["n"])
    assert made.frame["n"].tolist() == [pd.NA, 0, 0]
    assert made.n_exposed == 1


def test_nothing_is_suppressed_without_a_threshold() -> None:
    table = pd.DataFrame({"n": [1, 2]})
    made = suppress(table, 0, ["n"])
    assert made.frame["n"].tolist() == [1, 2]
    assert made.note == ""


def test_small_counts_may_not_leave() -> None:
    table = pd.DataFrame({"n": [12, 3, 30]})
    with pytest.raises(
        SmallCellError, match=r"table 2 holds counts below.*\nEvidence: 1 counts from 1 to 4 in n"
    ):
        require_no_small_cells(table, 5, ["n"], "table 2")
    require_no_small_cells(suppress(table, 5, ["n"]).frame, 5, ["n"], "table 2")


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"count_columns": ["m"]}, "not in the frame: m"),
        ({"count_columns": []}, "needs the columns"),
        ({"count_columns": ["n"], "total": "all"}, "total="),
        ({"count_columns": ["n"], "by": ["g"]}, "not in the frame: g"),
        ({"count_columns": ["x"]}, "not counts.*1 values"),
    ],
)
def test_what_is_no_table_of_counts_is_refused(arguments: dict[str, object], pattern: str) -> None:
    with pytest.raises(StudyError, match=f"(?s){pattern}"):
        suppress(pd.DataFrame({"n": [1], "x": [0.5]}), 5, **arguments)  # type: ignore[arg-type]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 40), min_size=2, max_size=2), min_size=2, max_size=6), st.integers(2, 11)
)
def test_no_small_count_remains_or_stands_alone(counts: list[list[int]], min_cell: int) -> None:
    table = pd.DataFrame(counts, columns=["a", "b"]).assign(all=lambda t: t["a"] + t["b"])
    made = suppress(table, min_cell, ["a", "b", "all"], total="all")
    shown = made.frame[["a", "b", "all"]].to_numpy(dtype=float, na_value=np.nan)
    assert not ((shown > 0) & (shown < min_cell)).any()
    hidden = made.hidden.to_numpy()
    small = (table.to_numpy() > 0) & (table.to_numpy() < min_cell)
    alone = (hidden & (hidden.sum(axis=0) == 1)) | (hidden & (hidden.sum(axis=1, keepdims=True) == 1))
    assert int((alone & small).sum()) == made.n_exposed
    for column, row in zip(
        *np.nonzero(alone.T), strict=True
    ):  # alone only where nothing but zeros is left to hide
        rest = table.to_numpy()[:, column][~hidden[:, column]]
        along = table.to_numpy()[row][~hidden[row]]
        assert (rest == 0).all() or (along == 0).all()


def test_no_hidden_count_follows_from_the_totals() -> None:
    """Enumerate: with all totals printed, every hidden count can be at least two numbers, unless it is said."""
    rng = np.random.default_rng(6)
    tried = 0
    for _ in range(120):
        counts = rng.integers(0, 4, (3, 2))
        frame = pd.DataFrame(counts, columns=["a", "b"]).assign(n=counts.sum(axis=1))
        found = suppress(frame, min_cell=3, count_columns=["a", "b", "n"], total="n")
        cells = np.argwhere(found.hidden.to_numpy())
        if not 0 < len(cells) <= 4 or found.n_exposed:
            continue
        tried += 1
        printed = frame[["a", "b", "n"]].to_numpy()
        totals = printed.sum(axis=0)
        solutions = []
        for values in itertools.product(range(int(totals.max()) + 1), repeat=len(cells)):
            trial = printed.copy()
            trial[cells[:, 0], cells[:, 1]] = values
            if (trial.sum(axis=0) == totals).all() and (trial[:, 0] + trial[:, 1] == trial[:, 2]).all():
                solutions.append(values)
        assert all(len(set(one)) > 1 for one in zip(*solutions, strict=True)), (frame, found.frame)
    assert tried > 10
