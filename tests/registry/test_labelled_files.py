"""SPSS, Stata, SAS and Parquet as text: small twins written here, with every kind of missing value."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest

import cohort as co
from cohort.dictionary.mapping_model import Input
from cohort.errors import SourceError
from cohort.registry.files import frame_text, read_file, read_labels

MAPPING = """source: site
title: Site
version: "1"
inputs: {visits: {file: "visits.*"}}
recodes: {yesno: {"1": yes, "2": no}}
tables:
  infusion:
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      age_years: {from: AGE, unit: a, missing: {"-1": not_reported}}
      prior_hct: {from: HCT, recode: yesno, missing: {"9": not_done}}
      crp_mg_dl: {from: CRP, unit: mg/dL}
      bridging_therapy: {derive: "number(CRP) > 50"}
    impossible: {note: not asked, rest: true}
not_collected:
  note: no
  tables: [neuro_assessment, crs_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]
"""


def spss(path, frame, **about):
    pyreadstat.write_sav(frame, path, **about)
    return path


def cells(path, **how):
    read = read_file(path, Input(**how))
    return {name: read.frame[name].tolist() for name in read.frame}


def declared(path, **how):
    labels = read_labels(path, Input(**how))
    return {(row.column, row.value): (row.label, row.is_missing) for _, row in labels.iterrows()}


@pytest.mark.parametrize("name", ["a.sav", "a.zsav"])
def test_spss_codes_missing_ranges_and_labels(tmp_path, name):
    frame = pd.DataFrame(
        {
            "grade": [0.0, 2.5, 99.0, 95.0, np.nan, -1.0],
            "site": ["Köln", "Z", "", "a ", "b", "c"],
        }
    )
    path = spss(
        tmp_path / name,
        frame,
        compress=name.endswith(".zsav"),
        missing_ranges={"grade": [{"lo": 90, "hi": 99}, -1], "site": ["Z"]},
        variable_value_labels={"grade": {0.0: "keine", 99.0: "verweigert", -1.0: "nicht gefragt"}},
    )
    assert cells(path) == {
        "grade": ["0", "2.5", "99", "95", "", "-1"],
        "site": ["Köln", "Z", "", "a", "b", "c"],
    }
    assert declared(path) == {
        ("grade", "0"): ("keine", False),
        ("grade", "99"): ("verweigert", True),
        ("grade", "-1"): ("nicht gefragt", True),
        ("grade", "95"): ("", True),  # within the range, and occurs
        ("site", "Z"): ("", True),
    }
    shown = cells(path, values="labels")
    assert shown["grade"] == ["keine", "2.5", "verweigert", "95", "", "nicht gefragt"]
    assert declared(path, values="labels")["grade", "verweigert"] == ("verweigert", True)


def test_labels_that_could_be_mistaken_keep_their_code(tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]})
    labels = {"x": {1.0: "other", 2.0: "other", 3.0: "4"}}
    path = spss(tmp_path / "a.sav", frame, variable_value_labels=labels)
    assert cells(path, values="labels")["x"] == ["other [1]", "other [2]", "4 [3]", "4"]


def test_spss_dates_and_clocks(tmp_path):
    frame = pd.DataFrame(
        {
            "day": [dt.date(2024, 2, 29), dt.date(1890, 1, 1), None],
            "moment": [dt.datetime(2024, 2, 29, 23, 59, 58), dt.datetime(2024, 3, 1), None],
            "clock": [dt.time(7, 5), dt.time(0, 0, 1), None],
        }
    )
    path = spss(tmp_path / "a.sav", frame)
    assert cells(path) == {
        "day": ["2024-02-29", "1890-01-01", ""],
        "moment": ["2024-02-29 23:59:58", "2024-03-01 00:00:00", ""],
        "clock": ["07:05:00", "00:00:01", ""],
    }


def test_a_missing_day_of_spss_is_declared_as_the_cells_write_it(tmp_path):
    seconds = (dt.datetime(1900, 1, 1) - dt.datetime(1582, 10, 14)).total_seconds()
    frame = pd.DataFrame({"day": [seconds, seconds + 86_400 * 45_000]})
    path = spss(
        tmp_path / "a.sav",
        frame,
        variable_format={"day": "EDATE10"},
        missing_ranges={"day": [seconds]},
    )
    assert cells(path)["day"] == ["1900-01-01", "2023-03-17"]  # 45,000 days later
    assert declared(path) == {("day", "1900-01-01"): ("", True)}


def test_stata_letters_floats_and_days(tmp_path):
    path = tmp_path / "a.dta"
    frame = pd.DataFrame(
        {
            "crp": pd.Series([0.1, "a", "z", np.nan], dtype=object),
            "n": pd.Series([1, 2, 3, 4], dtype="int32"),
            "text": ["a", "", "é", "x"],
            "day": [dt.date(2024, 2, 29), dt.date(1959, 12, 31), None, dt.date(1960, 1, 1)],
            "moment": [dt.datetime(2024, 2, 29, 23, 59, 58, 500_000), None, None, dt.datetime(1960, 1, 1)],
        }
    )
    pyreadstat.write_dta(
        frame,
        path,
        missing_user_values={"crp": ["a", "z"]},
        variable_value_labels={"crp": {"a": "not done"}, "n": {1: "one"}},
    )
    assert cells(path) == {
        "crp": ["0.1", ".a", ".z", ""],
        "n": ["1", "2", "3", "4"],
        "text": ["a", "", "é", "x"],
        "day": ["2024-02-29", "1959-12-31", "", "1960-01-01"],
        "moment": ["2024-02-29 23:59:58.5", "", "", "1960-01-01 00:00:00"],
    }
    assert declared(path) == {
        ("crp", ".a"): ("not done", True),
        ("crp", ".z"): ("", True),
        ("n", "1"): ("one", False),
    }
    assert cells(path, values="labels")["crp"] == ["0.1", "not done", ".z", ""]


def test_numbers_of_32_bits_have_the_digits_that_were_meant(tmp_path):
    """In 32 bits 0.1 is 0.10000000149011612; Stata itself shows .1. Written by another library than the reader."""
    frame = pd.DataFrame({"small": np.array([0.1, 2.0, 16777216.0, np.nan], dtype="float32")})
    frame.to_stata(tmp_path / "a.dta", write_index=False)
    assert cells(tmp_path / "a.dta")["small"] == ["0.1", "2", "16777216", ""]


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        ("%tm", 770.0, "2024-03"),  # 64 years and 2 months after January 1960
        ("%tm", -1.0, "1959-12"),
        ("%td", 0.5, "0.5"),
        ("%tq", 256.0, "256"),
        ("%tC", 1000.0, "1000"),
        ("%tcDD-NN-CCYY", 1000.0, "1960-01-01 00:00:01"),
        ("%9.0g", 1e20, "1e+20"),
    ],
)
def test_stata_formats(tmp_path, form, value, text):
    path = tmp_path / "a.dta"
    pyreadstat.write_dta(pd.DataFrame({"x": [value]}), path, variable_format={"x": form})
    assert cells(path)["x"] == [text]


@pytest.mark.parametrize("version", [5, 8])
def test_transport_files_keep_the_letters_of_missing_values(tmp_path, version):
    path = tmp_path / "a.xpt"
    frame = pd.DataFrame(
        {
            "AGE": [61.5, np.nan, np.nan],
            "SITE": ["x", "yy", ""],
            "CRP": [np.nan, 8.0, np.nan],
            "DAY": [dt.date(2024, 2, 29), None, dt.date(1899, 1, 1)],
        }
    )
    pyreadstat.write_xport(frame, path, file_format_version=version)
    raw = path.read_bytes()
    nothing = b"." + bytes(7)
    first = raw.index(nothing)  # CRP of row 1
    second = raw.index(nothing, first + 1)  # AGE of row 2
    raw = raw[:first] + b"_" + raw[first + 1 : second] + b"C" + raw[second + 1 :]
    path.write_bytes(raw)
    assert cells(path) == {
        "AGE": ["61.5", ".C", ""],
        "SITE": ["x", "yy", ""],
        "CRP": ["._", "8", ""],
        "DAY": ["2024-02-29", "", "1899-01-01"],
    }
    assert declared(path) == {("AGE", ".C"): ("", True), ("CRP", "._"): ("", True)}


def test_a_transport_file_of_two_data_sets_is_refused(tmp_path):
    one, two = tmp_path / "one.xpt", tmp_path / "two.xpt"
    for path in (one, two):
        pyreadstat.write_xport(pd.DataFrame({"A": [1.0]}), path, file_format_version=5)
    both = tmp_path / "both.xpt"
    both.write_bytes(one.read_bytes() + two.read_bytes()[240:])  # without its three library records
    with pytest.raises(SourceError, match="holds 2 data sets"):
        read_file(both, Input())


@pytest.mark.parametrize("name", ["a.sav", "a.dta", "a.xpt", "a.sas7bdat", "a.parquet", "a.zsav"])
@pytest.mark.parametrize("content", [b"", b"ID,AGE\n1,2\n", b"HEADER RECORD*******LIBRARY HEADER" * 40])
def test_what_is_not_of_its_kind_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"damaged|holds 0 data sets"):
        read_file(path, Input())


def test_a_file_cut_off_is_refused(tmp_path):
    path = tmp_path / "a.xpt"
    pyreadstat.write_xport(pd.DataFrame({"A": np.arange(100.0)}), path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(SourceError, match=r"cut off"):
        read_file(path, Input())
    path = spss(tmp_path / "a.sav", pd.DataFrame({"A": np.arange(100.5)}))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(SourceError, match="damaged"):
        read_file(path, Input())


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("a.csv", {"values": "labels"}, "value labels"),
        ("a.csv", {"catalog": "f.sas7bcat"}, "value labels"),
        ("a.sav", {"catalog": "f.sas7bcat"}, "catalog: is for SAS"),
        ("a.xpt", {"values": "labels"}, "labels in a catalog"),
        ("a.xpt", {"catalog": "f.sas7bcat"}, "catalog of the SAS file is not there"),
        ("a.xpt", {"catalog": "../f.sas7bcat"}, "catalog of the SAS file is not there"),
    ],
)
def test_keys_of_another_format_are_refused(tmp_path, name, how, message):
    path = tmp_path / name
    frame = pd.DataFrame({"A": [1.0]})
    writers = {".sav": pyreadstat.write_sav, ".xpt": pyreadstat.write_xport, ".csv": pd.DataFrame.to_csv}
    writers[path.suffix](frame, path)
    with pytest.raises(SourceError, match=message):
        read_file(path, Input(**how))


def test_parquet_reads_as_the_same_frame_would(tmp_path):
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None], dtype="Int64"),
            "x": [1.0, np.nan],
            "day": pd.to_datetime(["2024-02-29", None]),
            "moment": pd.to_datetime(["2024-02-29 07:00:01", None]),
            "text": ["é", None],
            "yes": pd.array([True, None], dtype="boolean"),
            "coded": pd.Categorical(["b", None]),
        }
    )
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    read = read_file(path, Input())
    pd.testing.assert_frame_equal(read.frame, frame_text(frame), check_dtype=False)
    assert read.frame.iloc[0].tolist() == ["1", "1", "2024-02-29", "2024-02-29 07:00:01", "é", "true", "b"]
    assert (read.record.encoding, read.record.n) == ("parquet", 2)
    assert not len(read.labels)


def test_parquet_types_that_pandas_lacks(tmp_path):
    path = tmp_path / "a.parquet"
    zoned = pa.array([dt.datetime(2024, 2, 29, 23)], pa.timestamp("us", tz="UTC"))
    table = {
        "day": pa.array([dt.date(2024, 2, 29)]),
        "small": pa.array([0.1], pa.float32()),
        "money": pa.array([1], pa.int64()).cast(pa.decimal128(21, 2)),
        "zoned": zoned,
        "clock": pa.array([dt.time(7, 0, 1)]),
    }
    pq.write_table(pa.table(table), path)
    assert cells(path) == {
        "day": ["2024-02-29"],
        "small": ["0.1"],
        "money": ["1.00"],
        "zoned": ["2024-02-29 23:00:00+00:00"],  # no date: it may be another day where the patient is
        "clock": ["07:00:01"],
    }


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, b"\x00\x01"])
def test_parquet_of_nested_or_binary_columns_is_refused(tmp_path, value):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["p1"], "odd": pa.array([value])}), path)
    with pytest.raises(SourceError, match="not single values") as caught:
        read_file(path, Input())
    assert "odd" in caught.value.evidence


def test_missing_values_of_spss_become_reasons_and_none_becomes_a_value(tmp_path):
    """Seven patients; AGE -1 is named by the mapping, 999 and CRP 999 only by the file.

    AGE: 60, 61, 62, 63 are ok; -1 is not_reported; 999 (declared, not named) is unmapped; blank is blank.
    HCT: 1, 1, 2 ok; 9 is not_done twice; 8 declared and not named: unmapped; blank.
    CRP: 10, 60, 10, 10 ok; 999 twice unmapped, and missing in the expression; blank.
    """
    nothing = np.nan
    frame = pd.DataFrame(
        {
            "ID": [f"p{i}" for i in range(7)],
            "AGE": [60, 61, 62, 63, -1, 999, nothing],
            "HCT": [1, 1, 2, 9, 9, 8, nothing],
            "CRP": [10, 60, 999, 999, 10, 10, nothing],
        }
    )
    missing = {"AGE": [{"lo": 990, "hi": 999}, -1], "HCT": [8, 9], "CRP": [{"lo": 990, "hi": 999}]}
    spss(tmp_path / "visits.sav", frame, missing_ranges=missing)
    (tmp_path / "site.yaml").write_text(MAPPING)
    source = co.read_source(tmp_path, source=tmp_path / "site.yaml")
    assert set(source.labels["visits"].query("is_missing")["value"]) == {"999", "-1", "8", "9"}
    registry = co.harmonize(source)
    table = registry.infusion
    assert table["age_years__status"].tolist() == [
        *["ok"] * 4,
        "missing:not_reported",
        "unmapped",
        "missing:blank",
    ]
    assert table["age_years"].dropna().tolist() == [60, 61, 62, 63]
    assert table["prior_hct"].dropna().tolist() == ["yes", "yes", "no"]
    assert table["prior_hct__status"].tolist()[3:] == [
        "missing:not_done",
        "missing:not_done",
        "unmapped",
        "missing:blank",
    ]
    assert table["crp_mg_dl"].dropna().tolist() == [10, 60, 10, 10]
    assert table["crp_mg_dl__status"].tolist().count("unmapped") == 2
    assert table["bridging_therapy"].tolist()[:2] == ["no", "yes"]
    assert table["bridging_therapy"].isna().tolist() == [False, False, True, True, False, False, True]
    assert table["bridging_therapy__status"].tolist()[2] == "missing:unknown"
    unmapped = registry.unmapped.set_index(["variable", "value"])["n"].to_dict()
    assert unmapped == {("age_years", "999"): 1, ("prior_hct", "8"): 1, ("crp_mg_dl", "999"): 2}
    audit = registry.audit.query("item == 'status' and variable == 'prior_hct'").set_index("value")["n"]
    assert audit.to_dict() == {"ok": 3, "missing:not_done": 2, "unmapped": 1, "missing:blank": 1}


def test_letters_of_stata_become_reasons_after_unpivot(tmp_path):
    mapping = tmp_path / "site.yaml"
    mapping.write_text(
        """source: site
title: Site
version: "1"
inputs: {visits: {file: "visits.dta"}}
tables:
  infusion:
    distinct: true
    rules: {patient_id: ID, infusion_number: {constant: 1}}
    impossible: {note: not asked, rest: true}
  neuro_assessment:
    unpivot: {index: day, values: [1, 2], columns: {ICE: "ICE_{day}"}}
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      assessment_type: {constant: daily}
      assessment_day: day
      ice_score: {from: ICE, missing: {".a": not_done}}
    impossible: {note: not asked, rest: true}
not_collected:
  note: no
  tables: [crs_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]
"""
    )
    frame = pd.DataFrame(
        {
            "ID": ["p1", "p2"],
            "ICE_1": pd.Series([10, "a"], dtype=object),
            "ICE_2": pd.Series(["b", 7], dtype=object),
        }
    )
    pyreadstat.write_dta(frame, tmp_path / "visits.dta", missing_user_values={"ICE_1": ["a"], "ICE_2": ["b"]})
    table = co.harmonize(co.read_source(tmp_path, source=mapping)).neuro_assessment
    found = table.set_index(["patient_id", "assessment_day"])["ice_score__status"].astype(str).to_dict()
    assert found == {
        ("p1", 1): "ok",
        ("p2", 1): "missing:not_done",
        ("p1", 2): "unmapped",
        ("p2", 2): "ok",
    }
    assert table["ice_score"].dropna().tolist() == [10, 7]


def test_a_range_that_covers_too_much_is_refused(tmp_path):
    frame = pd.DataFrame({"ID": np.arange(10_001.0)})
    path = spss(tmp_path / "visits.sav", frame, missing_ranges={"ID": [{"lo": 0, "hi": 10_001}]})
    mapping = tmp_path / "site.yaml"
    rules = "    rules: {patient_id: ID, infusion_number: {constant: 1}}\n"
    text = MAPPING.splitlines(keepends=True)
    start, end = text.index("    rules:\n"), text.index("    impossible: {note: not asked, rest: true}\n")
    mapping.write_text("".join([*text[:start], rules, *text[end:]]))
    with pytest.raises(SourceError, match="more values than can be meant"):
        co.harmonize(co.read_source(path, source=mapping))


def test_the_example_of_the_documents_prints_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
    code, printed = re.search("```python\n(.*?)```\n\n```\n(.*?)```", text, re.DOTALL).groups()
    exec(code, {})
    assert capsys.readouterr().out.split() == printed.split()
