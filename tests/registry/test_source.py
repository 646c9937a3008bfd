"""Reading files as text: what is refused, and that nothing is converted."""

from __future__ import annotations

import datetime as dt
import io
import zipfile

import pandas as pd
import pytest
from openpyxl import Workbook

import cohort as co
from cohort.dictionary.mapping_model import Input
from cohort.errors import SourceError
from cohort.registry.files import frame_text, read_table

MAPPING = """source: site
title: Site
version: "1"
inputs: {visits: {file: "*.csv"}}
tables:
  infusion:
    rules: {patient_id: ID, infusion_number: NR}
    impossible: {note: not asked, rest: true}
not_collected:
  note: no
  tables: [neuro_assessment, crs_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]
"""


def read(path, content, name="a.csv", **how):
    file = path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(file, Input(**how))


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        ("ID,Name\n1,Kö\n".encode(), "utf-8"),
        ("ID,Name\n1,Kö\n".encode("utf-8-sig"), "utf-8-sig"),
        ("ID,Name\n1,Kö\n".encode("utf-16"), "utf-16"),
    ],
)
def test_encodings_with_a_mark_are_recognized(tmp_path, raw, encoding):
    frame, record = read(tmp_path, raw)
    assert frame["Name"].tolist() == ["Kö"]
    assert (record.encoding, record.n, len(record.sha256)) == (encoding, 1, 64)


def test_other_encodings_must_be_declared(tmp_path):
    raw = "ID,Name\n1,a\n2,Kö\n".encode("cp1252")
    with pytest.raises(SourceError, match="line 3") as caught:
        read(tmp_path, raw)
    assert "encoding: cp1252" in str(caught.value)
    assert "K" not in caught.value.evidence.removeprefix("a.csv")
    frame, _ = read(tmp_path, raw, encoding="cp1252")
    assert frame["Name"].tolist() == ["a", "Kö"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,X\n1,2\n3,4,5\n6,7\n", "line 3"),
        ("ID,X\n1,2\n3\n", "line 3"),
        ("ID,X,ID\n1,2,3\n", "names a column twice"),
        ("", "empty"),
        ("ID,X\n1,\0\n", "zero bytes"),
        ("ID,X\n1," + "a" * 1_000_001 + "\n", "longer than a million"),
    ],
)
def test_damaged_files_are_refused_without_a_value(tmp_path, text, message):
    with pytest.raises(SourceError, match=message):
        read(tmp_path, text)


def test_text_stays_text(tmp_path):
    frame, _ = read(tmp_path, 'ID;A;B\n"00;1";01;NA\n"two\nlines";1e5;\n')
    assert frame.to_numpy().tolist() == [["00;1", "01", "NA"], ["two\nlines", "1e5", ""]]
    tabbed, _ = read(tmp_path, "note\nID\tA\n1\t2\n", header_row=2)
    assert tabbed.to_numpy().tolist() == [["1", "2"]]
    empty, record = read(tmp_path, "ID,A\n")
    assert list(empty.columns) == ["ID", "A"]
    assert record.n == 0


def workbook(path, rows, sheets=("Data",)):
    book = Workbook()
    book.remove(book.active)
    for name in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_workbook_cells_become_canonical_text(tmp_path):
    day = dt.datetime(2024, 3, 1)
    rows = [
        ["ID", "D", "T", "X", "B"],
        [1, day, day.replace(hour=7), 2.50, True],
        [2.0, None, "a", "01", None],
    ]
    frame, record = read_table(workbook(tmp_path / "a.xlsx", rows), Input())
    assert frame.to_numpy().tolist() == [
        ["1", "2024-03-01", "2024-03-01 07:00:00", "2.5", "true"],
        ["2", "", "a", "01", ""],
    ]
    assert record.encoding == "workbook"


def test_workbooks_are_checked(tmp_path):
    several = workbook(tmp_path / "b.xlsx", [["ID"], [1]], sheets=("One", "Two"))
    with pytest.raises(SourceError, match="several sheets"):
        read_table(several, Input())
    with pytest.raises(SourceError, match="no sheet 'Three'"):
        read_table(several, Input(sheet="Three"))
    assert len(read_table(several, Input(sheet="Two"))[0]) == 1
    with pytest.raises(SourceError, match="not a workbook"):
        read(tmp_path, b"no zip", name="c.xlsx")
    with pytest.raises(SourceError, match="twice"):
        read_table(workbook(tmp_path / "d.xlsx", [["ID", "ID"], [1, 2]]), Input())
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "0" * 3_000_000)
    with pytest.raises(SourceError, match="unpacks to too much"):
        read(tmp_path, bomb.getvalue(), name="e.xlsx")


def test_frames_become_text():
    frame = pd.DataFrame(
        {
            "a": [1.0, None],
            "b": pd.array([1, None], dtype="Int64"),
            "c": pd.to_datetime(["2024-03-01", None]),
            "d": ["x", 2],
        }
    )
    assert frame_text(frame).to_numpy().tolist() == [["1", "1", "2024-03-01", "x"], ["", "", "", "2"]]


def test_folders_files_and_frames_give_the_same_source(tmp_path):
    mapping = tmp_path / "site.yaml"
    mapping.write_text(MAPPING)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "visits.csv").write_text("ID,NR\np1,1\n")
    by_folder = co.read_source(folder, source=mapping)
    by_file = co.read_source(folder / "visits.csv", source=str(mapping))
    by_frame = co.read_source(pd.DataFrame({"ID": ["p1"], "NR": [1]}), source=mapping)
    for source in (by_folder, by_file, by_frame):
        assert source.name == "site"
        assert source.frames["visits"].to_numpy().tolist() == [["p1", "1"]]
    (folder / "more.csv").write_text("ID,NR\np2,1\n")
    with pytest.raises(SourceError, match="several files match"):
        co.read_source(folder, source=mapping)
    with pytest.raises(SourceError, match="no file matches"):
        co.read_source(tmp_path / "in" / "..", source=mapping)
    with pytest.raises(SourceError, match="does not exist"):
        co.read_source(tmp_path / "nowhere", source=mapping)
    with pytest.raises(SourceError, match="A frame is missing"):
        co.read_source({"other": pd.DataFrame()}, source=mapping)
