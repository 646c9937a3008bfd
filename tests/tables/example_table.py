"""A small table with everything a writer must handle."""

from __future__ import annotations

import pandas as pd

from cohort.tables.table import Cell, Column, Row, Table


def example() -> Table:
    columns = (
        Column("Overall\n(N = 120)"),
        Column("Severe ICANS", (Column("No\n(N = 80)"), Column("Yes\n(N = 40)")), ("Not known for 3.",)),
        Column("SMD", notes=("Standardized mean difference.",)),
    )
    rows = (
        Row(Cell("Age, years"), (Cell("61 (52–68)"), Cell("60 (50–66)"), Cell("63 (55–70)"), Cell("0.21"))),
        Row(
            Cell("Band, n (%)", ("As reported.",)),
            (),
            (
                Row(Cell("3-4"), (Cell("60 (50%)"), Cell("40 (50%)"), Cell("20 (50%)"), Cell("0.00"))),
                Row(
                    Cell("=SUM(A1)|<b> & 5_%"),
                    (Cell("+1"), Cell("-2"), Cell("@x", ("As reported.", "Odd.")), Cell()),
                ),
            ),
        ),
    )
    frame = pd.DataFrame(
        {
            "variable": ["age", "=band", None],
            "n": pd.array([120, None, 3], dtype="Int64"),
            "value": [1 / 3, -2.5, None],
        }
    )
    return Table(
        columns=columns,
        rows=rows,
        stub="Characteristic",
        caption="Patients by severe ICANS",
        source_notes=("Values are n (%).",),
        abbreviations=(("SMD", "standardized mean difference"), ("ICANS", "a syndrome")),
        data=frame,
    )
