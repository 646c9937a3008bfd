"""Bad files: every one is refused with its place and a remedy, or read without losing a cell."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import subprocess
import sys
import zipfile

import pandas as pd
import pytest
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from cohort.dictionary.mapping_model import Input
from cohort.errors import SourceError
from cohort.registry.cells import clock_text
from cohort.registry.files import frame_text, read_file


def read(path, content, name="a.csv", **how):
    file = path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(file, Input(**how)).frame


def zipped(members, encrypted=False):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    raw = bytearray(buffer.getvalue())
    if encrypted:  # the first bit of the flags, in the local and in the central header
        raw[raw.index(b"PK\x03\x04") + 6] |= 1
        raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


BOMB = "ID,X\n" + "1,0\n" * 2_000_000
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("name", "content", "how", "problem", "remedy"),
    [
        ("a.csv", 'ID,X\n1,"a\n2,b\n3,c\n', {}, "not closed", "close it"),
        ("a.csv", 'ID,X\n1,"a\n2,"b\n3,c\n', {}, "not closed", "close it"),
        ("a.csv", "ID,X;Y\n1,2\n", {}, "not clear from the header", "delimiter:"),
        ("a.csv", "ID,,X\n1,5,2\n", {}, "without a header holds values", "header"),
        (
            "a.csv",
            "ID,X\n1,Kö\n",
            {"encoding": "cp1252"},
            "declared as cp1252 and is utf-8",
            "encoding: utf-8",
        ),
        (
            "a.csv",
            "ID,X\n1,5\x80\n".encode("latin-1"),
            {"encoding": "latin-1"},
            "declared as latin-1 and is cp1252",
            "encoding: cp1252",
        ),
        ("a.csv", "ID,X\n1,2\n".encode("utf-16-le"), {}, "zero bytes", "utf-16"),
        ("a.csv", b"\xff\xfeI\x00D\x00\n", {}, "is not utf-16", "encoding"),
        ("a.csv", "ID,X\r1,2\r", {}, "carriage return alone", "line ends"),
        ("a.csv", "ID,X\n1,2\n", {"header_row": 9}, "empty", "header"),
        ("a.csv", "ID,X\n1,2\n", {"member": "b.csv"}, "member: is for zip", "remove"),
        ("a.csv", zipped({"a.csv": "ID\n1\n"}), {}, "zip archive or a workbook, not text", ".zip or .xlsx"),
        ("a.csv", gzip.compress(b"ID\n1\n", mtime=0), {}, "gzip, not text", ".csv.gz"),
        ("a.csv", b"PAR1" + bytes(9), {}, "Parquet, not text", ".parquet"),
        ("a.txt", b"$FL2@(#) SPSS DATA FILE", {}, "SPSS, not text", ".sav"),
        ("a.csv", OLE, {}, "old or password-protected workbook", "without a password"),
        ("a.zip", zipped({"../a.csv": "ID\n1\n"}), {}, "lead out of it", "do not unpack"),
        (
            "a.zip",
            zipped({"a.csv": "ID\n1\n", "/etc/x": ""}),
            {"member": "a.csv"},
            "lead out",
            "do not unpack",
        ),
        (
            "a.zip",
            zipped({"a.csv": "ID\n1\n", "C:\\x": ""}),
            {"member": "a.csv"},
            "lead out",
            "do not unpack",
        ),
        (
            "a.zip",
            zipped({"a.csv": "", "b\\..\\..\\c": ""}),
            {"member": "a.csv"},
            "lead out",
            "do not unpack",
        ),
        ("a.zip", zipped({"a.csv": "ID\n1\n", "b.csv": "ID\n1\n"}), {}, "holds 2 files", "member:"),
        ("a.zip", zipped({"a.csv": "ID\n1\n"}), {"member": "A.csv"}, "no such member", "member:"),
        ("a.zip", zipped({"a.csv": "ID\n1\n"}, encrypted=True), {}, "encrypted", "passwords do not belong"),
        ("a.zip", zipped({"a.csv": BOMB}), {}, "unpacks to too much", "unpack it yourself"),
        ("a.zip", b"PK no zip", {}, "damaged", "send it again"),
        ("a.zip", zipped({"a.xlsx": zipped({"x": "y"})}), {}, "workbook, not text", ".xlsx"),
        ("a.csv.gz", gzip.compress(BOMB.encode(), mtime=0), {}, "unpacks to too much", "unpack it yourself"),
        ("a.csv.gz", gzip.compress(b"ID\n1\n", mtime=0)[:-6], {}, "damaged", "send it again"),
        ("a.csv.gz", b"ID\n1\n", {}, "damaged", "send it again"),
        ("a.xls", OLE, {}, "kind .xls", ".xlsx"),
        ("a.xlsx", OLE, {}, "damaged or protected", "without a password"),
        ("a.xlsb", b"", {}, "kind .xlsb", ".xlsx"),
        ("a.RData", b"", {}, "kind .rdata", "haven::write_sav"),
        ("a.pkl", b"", {}, "kind .pkl", "could run code"),
        ("a.por", b"", {}, "kind .por", "save outfile"),
        ("a.sas7bcat", b"", {}, "kind .sas7bcat", "catalog:"),
        ("a.tar", b"", {}, "kind .tar", "unpack it"),
    ],
)
def test_refusals_name_the_file_and_the_remedy(tmp_path, name, content, how, problem, remedy):
    with pytest.raises(SourceError) as caught:
        read(tmp_path, content, name, **how)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy
    assert name.split(".")[0] in caught.value.evidence


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('ID,X\n1,a\n2,"b\n3,c\n', 3),
        ('note\nID,X\n1,a\n2,"b\n3,"c\n', 4),
        ("ID,X\n1,a\n\n2,b,c\n", 4),
        ('ID,X\n1,"a\nb"\n2\n', 4),
    ],
)
def test_the_line_of_the_damage_is_named(tmp_path, text, line):
    with pytest.raises(SourceError, match=f"line {line}(;|$|\n)"):
        read(tmp_path, text, header_row=2 if text.startswith("note") else 1)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("ID,X\n1,5'10\"\n2,b\n", [["1", "5'10\""], ["2", "b"]]),
        ('ID,X\n1,"a\nb ""c"""\n2,"d,e"\n', [["1", 'a\nb "c"'], ["2", "d,e"]]),
        ('ID,X\r\n1,"a\r\nb"\r\n2,\r\n', [["1", "a\r\nb"], ["2", ""]]),
        (",ID\n1,p1\n2,p2\n", [["p1"], ["p2"]]),
        ("ID,X,\n1,2,\n", [["1", "2"]]),
        ('"a;b";ID;X\n1;2;3\n', [["1", "2", "3"]]),
        ("ID\n1\n2\n", [["1"], ["2"]]),
        ("ID|X\n=1+1|-5\n", [["=1+1", "-5"]]),
    ],
)
def test_what_is_well_formed_is_read_as_written(tmp_path, text, rows):
    assert read(tmp_path, text).to_numpy().tolist() == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.zip"])
def test_packed_text_reads_as_the_text_itself(tmp_path, encoding, name):
    raw = "ID;ICE;Ort\np1;7,5;Köln\n".encode(encoding)
    packed = {
        "a.csv": raw,
        "a.csv.gz": gzip.compress(raw, mtime=0),
        "a.zip": zipped({"d/x.csv": raw, "__MACOSX/x": "?"}),
    }
    how = {"encoding": encoding} if encoding in ("cp1252", "latin-1") else {}
    member = {"member": "d/x.csv"} if name == "a.zip" else {}
    frame = read(tmp_path, packed[name], name, **how, **member)
    assert frame.to_dict("records") == [{"ID": "p1", "ICE": "7,5", "Ort": "Köln"}]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_line_without_end_is_refused_before_it_is_in_memory(tmp_path, name):
    """A sparse file of 1.9 GB, and 0.9 GB in 0.9 MB of gzip: the reader may use no more than 0.4 GB more."""
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(zipped_stream(900))
    else:
        with path.open("wb") as file:
            file.write(b"ID,X\n1,")
            file.truncate(1_900_000_000)
    code = (
        "import sys, resource; from pathlib import Path; from cohort.dictionary.mapping_model import Input\n"
        "from cohort.registry.files import read_file; from cohort.errors import SourceError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_file(Path(sys.argv[1]), Input())\n"
        "except SourceError as error: print(error.problem)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    problem, grown = done.stdout.splitlines()
    assert problem == "A line is longer than a million characters."
    assert int(grown) < 400_000 * (1024 if sys.platform == "darwin" else 1)


def zipped_stream(megabytes):
    """Compress an endless line piece by piece."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1) as file:
        file.write(b"ID,X\n1,")
        for _ in range(megabytes):
            file.write(b"0" * 1_000_000)
    return buffer.getvalue()


def book(path, rows, merge=""):
    workbook = Workbook()
    sheet = workbook.active
    for row in rows:
        sheet.append(row)
    if merge:
        sheet.merge_cells(merge)
    workbook.save(path)
    return path


def test_a_formula_without_a_result_is_refused_by_its_cell(tmp_path):
    path = book(tmp_path / "a.xlsx", [["ID", "X"], ["p1", 1], ["p2", "=1+1"]])
    with pytest.raises(SourceError, match="first B3") as caught:
        read_file(path, Input())
    assert "let it calculate" in caught.value.remedy
    calculated = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(calculated, "w") as new:
        for name in old.namelist():
            text = old.read(name).replace(b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>")
            new.writestr(name, text.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>"))
    frame = read(tmp_path, calculated.getvalue(), "b.xlsx")
    assert frame["X"].tolist() == ["1", "2"]


def test_a_merged_header_is_refused_and_text_that_looks_like_a_formula_is_text(tmp_path):
    merged = book(tmp_path / "a.xlsx", [["ID", "ICE", None, "X"], ["p1", 1, 2, 3]], merge="B1:C1")
    with pytest.raises(SourceError, match="without a header holds values") as caught:
        read_file(merged, Input())
    assert "unmerge" in caught.value.remedy
    workbook = Workbook()
    workbook.active.append(["ID"])
    workbook.active.append(["x"])
    workbook.active["A2"].value = "=cmd"
    workbook.active["A2"].data_type = "s"
    workbook.save(tmp_path / "b.xlsx")
    assert read_file(tmp_path / "b.xlsx", Input()).frame["ID"].tolist() == ["=cmd"]


@pytest.mark.parametrize("merge", ["A2:A3", "B2:C2", "A1:A2"])
def test_merged_cells_below_the_header_are_refused(tmp_path, merge):
    rows = [["ID", "DAY", "ICE"], ["p1", 1, 10], [None, 2, 9]]
    path = book(tmp_path / "a.xlsx", rows, merge=merge)
    with pytest.raises(SourceError, match=f"first {merge}") as caught:
        read_file(path, Input())
    assert "unmerge" in caught.value.remedy
    title = book(tmp_path / "b.xlsx", [["Visits", None], ["ID", "ICE"], ["p1", 10]], merge="A1:B1")
    assert read_file(title, Input(header_row=2)).frame.to_numpy().tolist() == [["p1", "10"]]


def test_days_of_a_workbook_that_counts_from_1904(tmp_path):
    workbook = Workbook()
    workbook.epoch = CALENDAR_MAC_1904
    workbook.active.append(["D"])
    workbook.active.append([dt.datetime(2024, 2, 29)])
    workbook.save(tmp_path / "a.xlsx")
    assert read_file(tmp_path / "a.xlsx", Input()).frame["D"].tolist() == ["2024-02-29"]


def test_clocks_and_durations_of_a_workbook(tmp_path):
    rows = [["a", "b"], [dt.time(7, 5), dt.timedelta(hours=30, minutes=1)]]
    frame = read_file(book(tmp_path / "a.xlsx", rows), Input()).frame
    assert frame.iloc[0].tolist() == ["07:05:00", "30:01:00"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00:00"), (59.5, "00:00:59.5"), (-3600, "-01:00:00"), (90_061, "25:01:01"), (1e-9, "00:00:00")],
)
def test_clock_text(seconds, text):
    assert clock_text(seconds) == text


def test_a_moment_in_a_zone_is_no_date():
    frame = pd.DataFrame({"t": pd.to_datetime(["2024-03-01"]).tz_localize("Europe/Berlin")})
    assert frame_text(frame)["t"].tolist() == ["2024-03-01 00:00:00+01:00"]
