from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from example_table import example

from cohort.errors import CohortError
from cohort.tables.table import Cell, Column, Row, Table, marks


def test_footnotes_get_letters_in_reading_order_and_once():
    table = example()
    assert list(table.letters.items()) == [
        ("Not known for 3.", "a"),
        ("Standardized mean difference.", "b"),
        ("As reported.", "c"),
        ("Odd.", "d"),
    ]
    assert marks(("Odd.", "As reported."), table.letters) == "c,d"


def test_letters_go_on_after_z():
    rows = tuple(Row(Cell(str(k), (f"note {k}",)), (Cell(),)) for k in range(28))
    letters = list(Table((Column("x"),), rows).letters.values())
    assert letters[25:] == ["z", "aa", "ab"]


def test_foot_has_notes_then_abbreviations_then_letters():
    assert example().foot == (
        ("", "Values are n (%)."),
        ("", "Abbreviations: ICANS, a syndrome; SMD, standardized mean difference."),
        ("a", "Not known for 3."),
        ("b", "Standardized mean difference."),
        ("c", "As reported."),
        ("d", "Odd."),
    )


def test_header_is_placed_on_a_grid():
    places = [
        [(c.text.split("\n")[0], c.column, c.colspan, c.rowspan) for c in row] for row in example().header
    ]
    assert places == [
        [("Characteristic", 0, 1, 2), ("Overall", 1, 1, 2), ("Severe ICANS", 2, 2, 1), ("SMD", 4, 1, 2)],
        [("No", 2, 1, 1), ("Yes", 3, 1, 1)],
    ]


def test_rows_are_indented_by_their_depth():
    assert [(depth, row.label.text) for depth, row in example().lines] == [
        (0, "Age, years"),
        (0, "Band, n (%)"),
        (1, "3-4"),
        (1, "=SUM(A1)|<b> & 5_%"),
    ]


def test_tables_cannot_be_changed():
    table = example()
    with pytest.raises(FrozenInstanceError):
        table.caption = "x"  # type: ignore[misc]
    copy = table.frame
    copy.loc[0, "value"] = 7.0
    assert table.frame.loc[0, "value"] == 1 / 3
    changed = table.with_caption("New").with_note("More.")
    assert (changed.caption, changed.source_notes[-1], table.caption) == (
        "New",
        "More.",
        "Patients by severe ICANS",
    )


def test_rows_that_do_not_fit_the_columns_are_refused():
    with pytest.raises(CohortError, match="must have 1 cells") as caught:
        Table((Column("x"),), (Row(Cell("row"), (Cell(), Cell())),))
    assert "rows row" in caught.value.evidence


def test_repr_is_aligned_and_bounded():
    text = repr(example())
    assert text.splitlines()[:6] == [
        "Patients by severe ICANS",
        "                                  Severe ICANS [a]",
        "                      Overall     No          Yes",
        "Characteristic        (N = 120)   (N = 80)    (N = 40)    SMD [b]",
        "-----------------------------------------------------------------",
        "Age, years            61 (52–68)  60 (50–66)  63 (55–70)  0.21",
    ]
    many = Table((Column("x"),), tuple(Row(Cell(f"row {k}"), (Cell("1"),)) for k in range(100)))
    assert "... and 60 more rows" in repr(many)
    wide = Table((Column("y" * 400),), (Row(Cell("r"), (Cell("1"),)),))
    assert max(map(len, repr(wide).splitlines())) <= 160


def test_an_empty_table_prints():
    assert repr(Table((), ())).strip("- \n") == ""
