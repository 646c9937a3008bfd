"""Real labelled files and exports, where they are at hand, counted against an independent reading of their bytes."""

from __future__ import annotations

import csv
import datetime as dt
import struct
from pathlib import Path

import pandas as pd
import pytest
from pandas.io.sas.sas7bdat import SAS7BDATReader
from pandas.io.sas.sas_xport import XportReader

from cohort.dictionary.mapping_model import Input
from cohort.registry.files import read_file, read_labels

DATA = Path(__file__).parents[2].parent / "shared" / "data"
LABELLED = DATA / "labelled"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not part of the repository")


def cells(name, **how):
    frame = read_file(LABELLED / name, Input(**how)).frame
    return {column: frame[column].tolist() for column in frame}


def missing(name, **how):
    labels = read_labels(LABELLED / name, Input(**how))
    return {(row.column, row.value): row.label for _, row in labels.iterrows() if row.is_missing}


def spss_declarations(path):
    """Read the variable records of an uncompressed-header SPSS file: name to its missing values (range as a pair).

    The record (type 2) says at byte 12 how many there are: 1 to 3 values; -2 a range; -3 a range and a value.
    """
    raw = path.read_bytes()
    at, found = 176, {}
    while struct.unpack_from("<i", raw, at)[0] == 2:
        width, labelled, n = struct.unpack_from("<3i", raw, at + 4)
        name = raw[at + 24 : at + 32].decode().strip().lower()
        at += 32
        if labelled:
            at += 4 + (struct.unpack_from("<i", raw, at)[0] + 3) // 4 * 4
        values = struct.unpack_from(f"<{abs(n)}d", raw, at)
        at += 8 * abs(n)
        if n and width == 0:
            spans = [values[:2]] if n < 0 else []
            found[name] = spans + [(one, one) for one in (values[2:] if n < 0 else values)]
    return found


def test_spss_missing_values_are_those_of_the_variable_records():
    path = LABELLED / "sample_missing.sav"
    expected = spss_declarations(path)
    assert expected["mynum"] == [(2000.0, 3000.0), (-1.0, -1.0)]
    frame = read_file(path, Input()).frame
    found = missing(path.name)
    for column, spans in expected.items():
        numbers = pd.to_numeric(frame[column].astype(object), errors="coerce")
        within = pd.Series(False, index=frame.index)
        for low, high in spans:
            within |= numbers.between(low, high)
        told = frame[column].isin([value for name, value in found if name == column])
        assert told.tolist() == within.tolist()
        single = {f"{low:g}" for low, high in spans if low == high}
        assert single <= {value for name, value in found if name == column}
    assert {name for name, _ in found} == set(expected)
    assert frame.shape == (7, 7)
    assert cells(path.name)["mynum"] == ["1.1", "1.2", "-1000.3", "-1.4", "1000.3", "-1", "2500"]
    assert cells(path.name)["myord"][-2:] == ["-1", "-3"]


def test_spss_non_ascii_labels():
    assert cells("umlauts.sav", values="labels")["var1"] == [
        *("the ä umlaut", "the ü umlaut", "the ä umlaut", "the ö umlaut")
    ]
    assert cells("missing_test.sav")["var1"] == ["1", "2"]
    assert missing("missing_test.sav") == {("var1", "1"): "missing"}


def test_stata_letters():
    """The letter is 27 steps above the largest number: Stata 13 and later write .a as 0x7fe0010000000000 (double)."""
    raw = (LABELLED / "tagged-na-double.dta").read_bytes()
    start = raw.index(b"<data>") + 6
    bits = struct.unpack("<8Q" if b"<byteorder>LSF" in raw else ">8Q", raw[start : start + 64])
    steps = [(one - 0x7FE0000000000000) >> 40 for one in bits]
    letters = [f".{chr(96 + step)}" if 0 < step <= 26 else "" for step in steps]
    assert [one for one in letters if one] == [".a", ".h", ".z"]
    assert cells("tagged-na-double.dta")["x"] == ["1", "2", "3", "4", "5", ".a", ".h", ".z"]
    assert missing("tagged-na-double.dta") == {("x", ".a"): "apple", ("x", ".h"): "", ("x", ".z"): ".zebra"}
    assert [cells("missing_test.dta")[f"var{i}"][0] for i in range(1, 10)] == [
        *(".a", ".b", ".c", ".x", ".y", ".z", "", "", "1")
    ]


def test_sas_letters_and_catalogs():
    with SAS7BDATReader(LABELLED / "tagged-na.sas7bdat") as other:
        assert other.row_count == 8
    found = cells("tagged-na.sas7bdat", catalog="tagged-na.sas7bcat")
    assert found["x"] == ["1", "2", "3", "4", "5", ".A", ".H", ".Z"]
    assert missing("tagged-na.sas7bdat", catalog="tagged-na.sas7bcat") == {
        ("x", ".A"): "Apple",
        ("x", ".H"): "",
        ("x", ".Z"): "Zebra",
    }
    shown = cells("tagged-na.sas7bdat", catalog="tagged-na.sas7bcat", values="labels")
    assert shown["x"][5:] == ["Apple", ".H", "Zebra"]
    assert [cells("missing_test.sas7bdat")[f"var{i}"][0] for i in range(1, 10)] == [
        *(".A", ".B", ".C", ".X", ".Y", ".Z", "._", "", "1")
    ]
    assert missing("missing_test.sas7bdat", catalog="missing_formats.sas7bcat")["var1", ".A"] == "missing"


def test_transport_file_against_another_reader():
    with XportReader(LABELLED / "sample.xpt") as reader:
        other = reader.read()
    found = read_file(LABELLED / "sample.xpt", Input()).frame
    assert found.shape == other.shape == (5, 7)
    for column in ("MYNUM", "MYLABL", "MYORD"):
        assert pd.to_numeric(found[column]).tolist() == pytest.approx(other[column].tolist(), rel=1e-12)
    days = pd.to_numeric(other["MYDATE"]).dropna().astype(int)
    expected = [(dt.date(1960, 1, 1) + dt.timedelta(days=one)).isoformat() for one in days.tolist()]
    assert found["MYDATE"].tolist() == [*expected, ""]
    assert found["MYTIME"].tolist() == ["10:10:10", "23:10:10", "00:00:00", "16:10:10", ""]


@pytest.mark.parametrize("folder", ["redcap", "omop_synthea"])
def test_every_csv_file_is_read_without_loss(folder):
    paths = sorted((DATA / folder).rglob("*.csv"))
    assert paths
    for path in paths:
        frame = read_file(path, Input()).frame
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row]
        assert frame.shape == (len(rows), len(header)), path.name
        assert list(frame) == header
        for position, column in enumerate(header):
            expected = [row[position] for row in rows]
            assert frame[column].tolist() == expected, (path.name, column)
