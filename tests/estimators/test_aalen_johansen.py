"""Aalen-Johansen: by hand, against brute force, and as properties; R in tests/models/test_cumulative_incidence."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.errors import EstimationError
from cohort.estimators.aalen_johansen import aalen_johansen, distinct_times, risk_table, step_values

EXACT = 1e-15
ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 8), st.integers(0, 2)), min_size=1, max_size=25)


def table_of(rows, n_states=2):
    start, length, event = np.array(rows).T
    return risk_table(start, start + length, event, n_states)


def test_tied_times_by_hand():
    # days 1 2 2 3 4 4, events 1 2 1 0 1 2, six patients
    # day 1: 6 at risk, F1 = 1/6, S = 5/6
    # day 2: 5 at risk, F1 += 5/6 * 1/5 = 1/3, F2 = 1/6, S = 5/6 * 3/5 = 1/2
    # day 3: censored; day 4: 2 at risk, F1 += 1/2 * 1/2 = 7/12, F2 = 1/6 + 1/4 = 5/12, S = 0
    table = risk_table(np.zeros(6), [1, 2, 2, 3, 4, 4], [1, 2, 1, 0, 1, 2], 2)
    curve = aalen_johansen(table)
    assert table.time.tolist() == [1, 2, 3, 4]
    assert table.n_risk.tolist() == [6, 5, 3, 2]
    assert table.n_event.tolist() == [[1, 0], [1, 1], [0, 0], [1, 1]]
    assert table.n_censor.tolist() == [0, 0, 1, 0]
    np.testing.assert_allclose(curve.incidence[:, 0], [1 / 6, 1 / 3, 1 / 3, 7 / 12], rtol=EXACT)
    np.testing.assert_allclose(curve.incidence[:, 1], [0, 1 / 6, 1 / 6, 5 / 12], rtol=EXACT)
    np.testing.assert_allclose(curve.survival, [5 / 6, 1 / 2, 1 / 2, 0], rtol=EXACT)


def test_left_truncation_by_hand():
    # (start, stop, event): (0,2,1) (0,4,0) (1,3,2) (2,5,1) (3,5,0); who enters on a day is not at risk on it
    # day 2: 3 at risk, F1 = 1/3, S = 2/3; day 3: 3 at risk, F2 = 2/9, S = 4/9; day 4: 3 at risk
    # day 5: 2 at risk, F1 = 1/3 + 4/9 * 1/2 = 5/9, S = 2/9
    table = risk_table([0, 0, 1, 2, 3], [2, 4, 3, 5, 5], [1, 0, 2, 1, 0], 2)
    curve = aalen_johansen(table)
    assert table.n_risk.tolist() == [3, 3, 3, 2]
    np.testing.assert_allclose(curve.incidence[-1], [5 / 9, 2 / 9], rtol=EXACT)
    np.testing.assert_allclose(curve.survival, [2 / 3, 4 / 9, 4 / 9, 2 / 9], rtol=EXACT)
    # between times: just before 2.5 those with start < 2.5 <= stop, patients 2, 3 and 4
    assert table.at_risk(np.array([0.0, 2.5, 3.5, 6.0])).tolist() == [2, 3, 3, 0]


def test_variance_by_hand():
    # days 1 2 3, events 1 2 0; weights S(u-)^2/n(u)^2: 1/9 and (2/3)^2/2^2 = 1/9
    # aalen, F2(2): day 1 coefficient -(1/3)/(2/3) = -1/2 gives 1/36, day 2 coefficient 1 gives 1/9
    # greenwood, F2(2): 1/4 * (1 - 1/3)/9 + (1 - 1/2)/9 = 1/54 + 3/54 = 2/27, the binomial 1/3 * 2/3 / 3
    table = risk_table(np.zeros(3), [1, 2, 3], [1, 2, 0], 2)
    aalen = aalen_johansen(table, "aalen").incidence_std_error ** 2
    greenwood = aalen_johansen(table, "greenwood").incidence_std_error ** 2
    np.testing.assert_allclose(aalen[1], [1 / 9, 5 / 36], rtol=1e-14)
    np.testing.assert_allclose(greenwood[1], [2 / 27, 2 / 27], rtol=1e-14)


def test_rows_of_a_subject_count_once():
    # one subject in rows (0,2] and (2,5], censored at 5; another with an event at 4
    table = risk_table([0, 2, 0], [2, 5, 4], [0, 0, 1], 1, subject=[7, 7, 8])
    assert table.n == 2
    assert table.n_censor.tolist() == [0, 0, 1]
    assert table.n_risk.tolist() == [2, 2, 1]


def exact_incidence(rows):
    """Obvious reference: loop over days with exact fractions."""
    survival, incidence = Fraction(1), [Fraction(0), Fraction(0)]
    out = []
    for day in sorted({start + length for start, length, _ in rows}):
        at_risk = [(s + n, e) for s, n, e in rows if s < day <= s + n]
        dead = [sum(1 for stop, e in at_risk if stop == day and e == k) for k in (1, 2)]
        incidence = [F + survival * Fraction(d, len(at_risk)) for F, d in zip(incidence, dead, strict=True)]
        survival *= 1 - Fraction(sum(dead), len(at_risk))
        out.append([survival, *incidence])
    return np.array(out, dtype=float)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_equals_exact_fractions(rows):
    curve = aalen_johansen(table_of(rows))
    got = np.column_stack([curve.survival, curve.incidence])
    np.testing.assert_allclose(got, exact_incidence(rows), rtol=1e-12, atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_incidences_sum_to_one_minus_survival(rows):
    curve = aalen_johansen(table_of(rows))
    np.testing.assert_allclose(curve.incidence.sum(axis=1), 1 - curve.survival, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.sampled_from([7.0, 1 / 30.4375, 1000.0]))
def test_row_order_and_unit_of_time_do_not_matter(rows, random, factor):
    shuffled = rows.copy()
    random.shuffle(shuffled)
    start, length, event = np.array(shuffled).T
    scaled = risk_table(start * factor, (start + length) * factor, event, 2)
    for variance in ("aalen", "greenwood"):
        first, second = aalen_johansen(table_of(rows), variance), aalen_johansen(scaled, variance)
        np.testing.assert_allclose(second.time, first.time * factor, rtol=1e-12)
        np.testing.assert_allclose(second.incidence, first.incidence, rtol=1e-12)
        np.testing.assert_allclose(
            second.incidence_std_error, first.incidence_std_error, rtol=1e-9, atol=1e-12
        )


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_variance_equals_double_sum(rows):
    """The cumulative sums equal the defining sum over u <= t."""
    table = table_of(rows)
    for variance in ("aalen", "greenwood"):
        curve = aalen_johansen(table, variance)
        expected = [double_sum(table, curve, k, len(table.time) - 1, variance) for k in (0, 1)]
        np.testing.assert_allclose(curve.incidence_std_error[-1] ** 2, expected, rtol=1e-7, atol=1e-12)


def double_sum(table, curve, k, t, variance):
    total, before = 0.0, 1.0
    for u in range(t + 1):
        n, S, F = table.n_risk[u], curve.survival[u], curve.incidence[:, k]
        beyond = (F[t] - F[u]) / S if S > 0 else 0.0
        coefficient = np.array([float(j == k) - beyond for j in (0, 1)])
        d = table.n_event[u].astype(float)
        if variance == "aalen":
            spread = (coefficient**2 * d * ((n - d) / (n - 1) if n > 1 else 1.0)).sum()
        else:
            spread = (coefficient**2 * d).sum() - (coefficient * d).sum() ** 2 / n
        total += (before / n) ** 2 * spread
        before = S
    return total


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.integers(-50, 50), st.floats(-5, 5)), min_size=1, max_size=40))
def test_distinct_times_inverts(values):
    array = np.array(values, dtype=float)
    distinct, position = distinct_times(array)
    assert distinct.tolist() == sorted(set(array.tolist()))
    np.testing.assert_array_equal(distinct[position], array)


def test_step_values_are_right_continuous():
    steps = step_values(np.array([1.0, 2.0]), np.array([0.5, 0.25]), np.array([0.5, 1.0, 1.5, 9.0]), 1.0)
    assert steps.tolist() == [1.0, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("start", "stop", "event", "pattern"),
    [
        ([0, 0], [0, 3], [1, 0], "1 of 2 rows"),
        ([0, 5], [2, 3], [1, 0], "end after it starts"),
        ([0, 0], [2, np.nan], [1, 0], "finite"),
        ([0, -4], [2, -6], [1, 0], "1 of 2 rows"),
        ([0, 0], [2, 3], [1, 3], "0 \\(censored\\) to 2"),
        ([0, 0], [2, 3], [1, -1], "1 of 2 rows are outside"),
    ],
)
def test_refuses_impossible_rows(start, stop, event, pattern):
    with pytest.raises(EstimationError, match=pattern):
        risk_table(start, stop, event, 2)


def test_no_events_and_no_rows():
    curve = aalen_johansen(risk_table([0, 0], [2, 3], [0, 0], 2))
    assert curve.survival.tolist() == [1, 1]
    assert curve.incidence_std_error.tolist() == [[0, 0], [0, 0]]
    empty = risk_table([], [], [], 1)
    assert aalen_johansen(empty).survival.tolist() == []
    assert empty.at_risk(np.array([1.0])).tolist() == [0]
    assert np.isnan(empty.last_time)
