from __future__ import annotations

import pytest

from cohort.tables.column_widths import choose_layout
from cohort.tables.table import Cell, Column, Row, Table
from cohort.tables.text_metrics import longest_word_width, text_width


def test_width_is_the_sum_of_helvetica_advances():
    # W 944 + i 222 + l 222 = 1388 thousandths of 10 points
    assert text_width("Wil", 10) == pytest.approx(13.88, rel=1e-12)
    # bold: W 944 + i 278 + l 278
    assert text_width("Wil", 10, bold=True) == pytest.approx(15.0, rel=1e-12)


def test_widest_line_and_longest_word():
    assert text_width("1\n100", 10) == text_width("100", 10)
    assert longest_word_width("a Wil bb", 10) == text_width("Wil", 10)
    assert text_width("12 (3\u2060–\u20604)", 9) == text_width("12 (3–4)", 9)


def table(columns: int, text: str = "123 (45.6%)") -> Table:
    heads = tuple(Column(f"Group {k}\n(N = 100)") for k in range(columns))
    return Table(heads, (Row(Cell("Characteristic of the patients"), (Cell(text),) * columns),), stub="What")


@pytest.mark.parametrize("columns", [1, 3, 5, 8, 12, 20])
def test_layout_never_exceeds_the_page(columns):
    layout = choose_layout(table(columns), 480, 730)
    assert sum(layout.widths_pt) <= (730 if layout.landscape else 480) + 1e-9
    assert len(layout.widths_pt) == columns + 1


def test_wide_tables_turn_the_page_and_narrow_ones_keep_the_size():
    assert not choose_layout(table(3), 480, 730).landscape
    assert choose_layout(table(3), 480, 730).size_pt == 9.0
    assert choose_layout(table(8), 480, 730).landscape


def test_columns_hold_their_longest_cell():
    layout = choose_layout(table(4), 480, 730)
    assert min(layout.widths_pt[1:]) >= text_width("123 (45.6%)", layout.size_pt)
