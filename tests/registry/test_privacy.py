"""What leaves names nobody: pseudonyms, shifts, ages, free text, exports; and what the key must be."""

from __future__ import annotations

import hashlib
import hmac
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

import cohort as co
from cohort.errors import PrivacyError
from cohort.registry.privacy import pseudonyms, read_key, shift_days, top_coded

KEY = bytes(range(40))
OTHER = bytes(range(1, 41))


@pytest.fixture(scope="module")
def registry():
    made = co.simulate_registries(n=60, seed=4)
    return co.harmonize([co.read_source(path, source=name) for name, path in made.sources.items()])


def test_a_pseudonym_is_the_hmac_of_purpose_and_identifier():
    expected = hmac.new(KEY, b"patient\x1fp1", hashlib.sha256).hexdigest()[:16]
    assert pseudonyms(["p1", "p1", "p2"], KEY, "patient")["p1"] == expected
    assert pseudonyms(["p1"], KEY, "exam")["p1"] != expected
    assert pseudonyms(["p1"], OTHER, "patient")["p1"] != expected


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=30, unique=True))
def test_shifts_are_whole_weeks_never_zero_and_always_the_same(patients):
    shifts = shift_days(patients, KEY)
    assert shifts == shift_days(list(reversed(patients)), KEY)
    assert all(days % 7 == 0 and days != 0 and -182 <= days <= 182 for days in shifts.values())


def test_all_weeks_are_used_about_equally_often():
    counts = pd.Series(shift_days([str(i) for i in range(5200)], KEY)).value_counts()
    assert len(counts) == 52
    assert counts.between(60, 145).all()  # 100 each; 4.5 standard deviations are 45


def test_no_identifier_date_or_free_text_remains(registry):
    private = co.deidentify(registry, KEY)
    known = {str(value) for value in registry.infusion["patient_id"].dropna()}
    known |= {str(value) for value in registry.mri_exam["exam_id"].dropna()}
    for name in registry.tables:
        frame = private.tables[name]
        assert list(frame.columns) == list(registry.tables[name].columns)
        for column in frame.columns:
            if column.endswith("__status") or column == "source":
                continue
            assert not pd.api.types.is_datetime64_any_dtype(frame[column]) or frame[column].isna().all()
            if isinstance(frame[column].dtype, pd.StringDtype):
                assert not known & set(frame[column].dropna()), (name, column)
    centers = set(registry.infusion["center_id"].dropna())
    for frame in (private.limits, private.quality(), private.conflicts):
        texts = {str(value) for column in frame.columns for value in frame[column]}
        assert not (known | centers) & texts
    assert private.event["detail"].isna().all()
    assert (private.unmapped["value"] == "").all()
    assert private.infusion["infusion_year"].equals(registry.infusion["infusion_year"])
    assert not (private.infusion["infusion_date__status"] == "ok").any()
    assert registry.infusion["infusion_date"].notna().any()  # the registry itself is not changed


def test_patients_are_the_same_in_every_table_and_grades_do_not_change(registry):
    private = co.deidentify(registry, KEY)
    names = pseudonyms(registry.infusion["patient_id"], KEY, "patient")
    for name in registry.tables:
        own = registry.tables[name]["patient_id"].map(names)
        known = own.notna().to_numpy()
        assert (own[known] == private.tables[name]["patient_id"][known]).all()
    grades = co.grade_icans(registry.neuro_assessment)["icans_grade"]
    assert grades.equals(co.grade_icans(private.neuro_assessment)["icans_grade"])


def test_shifted_dates_keep_weekday_and_interval(registry):
    private = co.deidentify(registry, KEY, dates="shift").infusion
    before, after = registry.infusion["infusion_date"], private["infusion_date"]
    moved = (after - before).dt.days
    known = moved.notna()
    assert known.any()
    assert (moved[known] % 7 == 0).all()
    assert (moved[known] != 0).all()
    assert (before.dt.weekday[known] == after.dt.weekday[known]).all()
    width = (registry.infusion["infusion_date__to"] - registry.infusion["infusion_date__from"]).dt.days
    assert width.equals((private["infusion_date__to"] - private["infusion_date__from"]).dt.days)
    assert (private["infusion_year"][known] == after.dt.year[known]).all()


def test_ages_of_90_and_over_are_90_and_say_so():
    ages, old = top_coded(np.array([89.9, 90.0, 101.0, np.nan]))
    np.testing.assert_array_equal(ages, [89.9, 90, 90, np.nan])
    np.testing.assert_array_equal(old, [False, True, True, False])


def test_old_ages_of_a_registry(registry):
    from dataclasses import replace

    infusion = registry.infusion
    infusion.loc[0, "age_years"] = 93.0
    changed = replace(registry, tables={**registry.tables, "infusion": infusion})
    private = co.deidentify(changed, KEY).infusion
    assert private.loc[0, "age_years"] == 90
    assert private.loc[0, "age_years__status"] == "partial"


@pytest.mark.parametrize("file_format", ["parquet", "csv", "xlsx"])
def test_exports_hold_what_the_registry_holds_and_are_the_same_every_time(registry, tmp_path, file_format):
    private = co.deidentify(registry, KEY)
    written = co.export_registry(private, tmp_path / "one", file_format)
    again = co.export_registry(private, tmp_path / "two", file_format)
    pd.testing.assert_frame_equal(written, again)
    assert written["rows"].tolist() == [len(frame) for frame in private.tables.values()]
    said = json.loads((tmp_path / "one" / "privacy.json").read_text(encoding="utf-8"))
    assert said["privacy"]["free_text"] == "removed"
    assert KEY.hex() not in json.dumps(said)
    assert repr(KEY) not in repr(private.privacy)
    if file_format == "parquet":
        back = pd.read_parquet(tmp_path / "one" / "infusion.parquet")
        assert back["patient_id"].tolist() == private.infusion["patient_id"].tolist()


def test_no_text_runs_as_a_formula(registry, tmp_path):
    from dataclasses import replace

    event = registry.event
    infusion = registry.infusion
    infusion["center_id"] = infusion["center_id"].where(infusion.index > 0, "=1+1")
    changed = replace(
        registry,
        tables={**registry.tables, "infusion": infusion, "event": event},
        privacy={"pseudonyms": "made elsewhere"},
    )
    co.export_registry(changed, tmp_path, "csv")
    assert "'=1+1" in (tmp_path / "infusion.csv").read_text(encoding="utf-8")
    co.export_registry(changed, tmp_path, "xlsx")
    sheet = load_workbook(tmp_path / "infusion.xlsx").active
    header = [cell.value for cell in sheet[1]]
    cell = sheet.cell(row=2, column=header.index("center_id") + 1)
    assert (cell.value, cell.data_type) == ("'=1+1", "s")


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda r, _: co.export_registry(r, "out"), "patient_id.*deidentify"),
        (lambda r, _: co.deidentify(r, b"x" * 64), "1 different"),
        (lambda r, _: co.deidentify(r, KEY, dates="keep"), "dates="),
        (lambda r, path: co.deidentify(r, path / "none.key"), "cannot be read"),
        (lambda r, path: co.export_registry(co.deidentify(r, KEY), path, "sas"), "sas"),
    ],
)
def test_refusals(registry, tmp_path, call, pattern):
    with pytest.raises(PrivacyError, match=f"(?s){pattern}"):
        call(registry, tmp_path)


def test_the_key_lies_outside_the_project(registry, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    inside, outside = tmp_path / "project" / "a.key", tmp_path / "a.key"
    for file in (inside, outside):
        file.write_bytes(KEY.hex().encode() + b"\n")
    with pytest.raises(PrivacyError, match="lies in the project"):
        read_key(inside)
    assert read_key(outside) == KEY.hex().encode()
    private = co.deidentify(registry, outside)
    assert private.infusion["patient_id"].str.fullmatch("[0-9a-f]{16}").all()
