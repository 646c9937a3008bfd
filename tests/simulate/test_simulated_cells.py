"""Text of cells, faults set by hand, and what registries are told."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cohort.simulate import cells
from cohort.simulate.reported import tell
from cohort.simulate.traps import TRAP_COLUMNS, TrappedFile, trap_table

START = np.array(["2020-02-28", "2020-02-28", "2021-12-31"], dtype="datetime64[D]")


def test_dates_count_from_the_start() -> None:
    days = [1.0, np.nan, 1.0]  # 2020 is a leap year
    assert cells.iso_dates(START, days).tolist() == ["2020-02-29", "", "2022-01-01"]
    assert cells.european_dates(START, days).tolist() == ["29/02/2020", "", "01/01/2022"]
    assert cells.without_day(cells.european_dates(START, days)).tolist() == ["02/2020", "", "01/2022"]


def test_numbers_and_codes() -> None:
    assert cells.number([1.25, np.nan, 3.0], 2).tolist() == ["1.25", "", "3.00"]
    assert cells.yes_no([True, False], "J", "N").tolist() == ["J", "N"]
    assert cells.coded(["a", "b"], {"a": "1", "b": "2"}).tolist() == ["1", "2"]
    blanked = cells.blank_where(np.array(["1", "2"], dtype=object), [False, True], "-9")
    assert blanked.tolist() == ["1", "-9"]


def test_faults_never_meet_in_one_row() -> None:
    frame = pd.DataFrame({"id": [str(k) for k in range(40)], "code": ["1"] * 40})
    file = TrappedFile(frame, "site", "file", np.random.default_rng(0))
    first = file.write("undeclared_code", "infusion", "code", ["77", "78"], "unmapped", n=3)
    file.duplicate("infusion", "code", {"1": "2"}, n=3)
    assert file.frame["code"].isin(["77", "78"]).sum() == 3 == len(first)
    assert len(file.frame) == 40 + 3 + 3
    assert file.frame.duplicated().sum() == 3
    assert (file.frame["code"] == "2").sum() == 3
    again = file.frame[file.frame.duplicated("id", keep=False)]["id"]
    assert not set(again) & set(frame["id"].iloc[first])
    table = trap_table([file])
    assert tuple(table.columns) == TRAP_COLUMNS
    assert dict(zip(table["name"], table["n"], strict=True)) == {
        "undeclared_code": 3,
        "duplicate_exact": 3,
        "duplicate_conflicting": 3,
    }


def test_a_fault_that_finds_no_row_is_not_in_the_table() -> None:
    frame = pd.DataFrame({"code": ["", ""]})
    file = TrappedFile(frame, "site", "file", np.random.default_rng(0))
    assert len(file.write("undeclared_code", "infusion", "code", ["77"], "unmapped")) == 0
    assert trap_table([file]).empty


def test_what_a_registry_is_told() -> None:
    # 3,000 patients each without ICANS, with grade 2 on days 5-7, with grade 4 on days 3-9
    grade = np.zeros((9000, 61), dtype=np.int64)
    grade[3000:6000, 5:8] = 2
    grade[6000:, 3:10] = 4
    told = tell(grade, np.random.default_rng(3))
    lost = [float((told.grade[k : k + 3000] == 0).mean()) for k in (0, 3000, 6000)]
    # 4 standard errors of a share of 3,000: 0.010, 0.033, 0.016
    assert abs(lost[0] - 0.98) < 0.010
    assert abs(lost[1] - 0.30) < 0.033
    assert abs(lost[2] - 0.05) < 0.016
    severe = told.genuine[6000:]
    assert (told.onset[6000:][severe] == 3).all()
    assert (told.end[6000:][severe] == 9).all()
    assert not told.genuine[:3000].any()
