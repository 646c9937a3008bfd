from __future__ import annotations

import numpy as np

from cohort.tables.small_cells import count_text, hidden_cells


def test_a_lone_small_count_takes_another_with_it():
    # column total 41 is printed: with only the 2 hidden it would be 41 - 30 - 9
    assert hidden_cells(np.array([[2], [9], [30]]), 5).ravel().tolist() == [True, True, False]
    assert hidden_cells(np.array([[2], [3], [30]]), 5).ravel().tolist() == [True, True, False]
    assert hidden_cells(np.array([[0], [9], [30]]), 5).ravel().tolist() == [False, False, False]


def test_rows_are_protected_when_a_column_is_their_sum():
    # 12 = 3 + 9: the 9 must go too
    assert hidden_cells(np.array([[12, 3, 9]]), 5, 0, add_up=False).tolist() == [[False, True, True]]


def test_counts_that_do_not_add_up_protect_nothing_else():
    assert hidden_cells(np.array([[30], [2]]), 5, add_up=False).ravel().tolist() == [False, True]


def test_threshold_of_zero_hides_nothing():
    assert not hidden_cells(np.array([[1, 2], [3, 4]]), 0).any()


def test_hidden_counts_say_which_side_of_the_threshold_they_are():
    assert (count_text(4, 5), count_text(5, 5)) == ("<5", "≥5")
