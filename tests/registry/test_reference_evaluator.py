"""A slow, obvious evaluator in plain Python must agree with the compiled SQL, row by row, on generated data."""

from __future__ import annotations

import datetime as dt
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.registry.source import Source

MAPPING = """source: site
title: Site
version: "1"
inputs: {visits: {file: "*.csv"}}
missing: {"-99": unknown}
tables:
  infusion:
    input: visits
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      infusion_date: {from: DATE, date: [yyyy-mm-dd, dd/mm/yyyy], partial: yyyy-mm}
      sex: {from: SEX, recode: {"1": male, "2": female}, missing: {"9": not_reported}}
      age_years: {from: AGE, unit: a, missing_when: {not_applicable: SEX == '2'}}
      crp_mg_dl: {from: CRP, unit: {column: UNIT, recode: {l: mg/L, d: mg/dL}}}
      prior_lines: {from: AGE, round: half_up, note: rounded}
      ecog: {coalesce: [{from: SEX}, {from: CRP}]}
      last_contact_day: {from: LAST, date: [yyyy-mm-dd, dd/mm/yyyy], partial: yyyy-mm, since: infusion_date}
      cell_dose_10e6: {derive: "case(number(CRP) > 10, number(AGE) / number(CRP), 7)", unit: "10*6"}
    impossible: {note: not asked, rest: true}
not_collected:
  note: no
  tables: [neuro_assessment, crs_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]
"""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?", re.IGNORECASE | re.ASCII)
VARIABLES = "infusion_date sex age_years crp_mg_dl prior_lines ecog last_contact_day cell_dose_10e6".split()  # noqa: SIM905


def blank_or_code(text):
    return "missing:blank" if text is None else "missing:unknown" if text == "-99" else None


def as_number(text):
    return float(text) if text is not None and NUMBER.fullmatch(text) else None


def as_day(text):
    """Return the first and last day that a text can mean, and whether it is one day."""
    for pattern in ("%Y-%m-%d", "%d/%m/%Y"):
        width = re.fullmatch(r"\d{4}-\d\d-\d\d|\d\d/\d\d/\d{4}", text or "", re.ASCII)
        if width:
            try:
                day = dt.datetime.strptime(text, pattern).date()
            except ValueError:
                continue
            return day, day
    if re.fullmatch(r"(18|19|20|21)\d\d-(0[1-9]|1[0-2])", text or "", re.ASCII):
        first = dt.date(int(text[:4]), int(text[5:]), 1)
        after = dt.date(first.year + first.month // 12, first.month % 12 + 1, 1)
        return first, after - dt.timedelta(days=1)
    return None


def number_rule(text, low, high, convert=float, whole=False):
    early = blank_or_code(text)
    if early:
        return None, early
    value = as_number(text)
    if value is None:
        return None, "unparsed"
    value = convert(value)
    if value is None:
        return None, "no_unit"
    if whole and value != math.floor(value):
        return None, "unparsed"
    return (value, "ok") if low <= value <= high else (None, "out_of_range")


def reference(row):
    """Work every rule out for one row: variable to (value, status)."""
    cell = {name: (text or "").strip(" \t") or None for name, text in row.items()}
    out = {}
    date, early = as_day(cell["DATE"]), blank_or_code(cell["DATE"])
    if early or date is None:
        out["infusion_date"] = (None, early or "unparsed")
        date = None
    elif date[0] != date[1]:
        out["infusion_date"] = (None, "partial")
    else:
        possible = dt.date(2009, 1, 1) <= date[0] <= dt.date(2049, 12, 31)
        out["infusion_date"] = (pd.Timestamp(date[0]), "ok") if possible else (None, "out_of_range")
        date = date if possible else None
    sex = cell["SEX"]
    names = {"1": "male", "2": "female"}
    early = blank_or_code(sex) or ("missing:not_reported" if sex == "9" else None)
    out["sex"] = (None, early) if early else (names[sex], "ok") if sex in names else (None, "unmapped")
    out["age_years"] = (None, "missing:not_applicable") if sex == "2" else number_rule(cell["AGE"], 0, 110)
    unit = {"l": lambda one: float(f"{one / 10:.12g}"), "d": lambda one: one}.get(
        cell["UNIT"], lambda one: None
    )
    out["crp_mg_dl"] = number_rule(cell["CRP"], 0, 80, unit)
    out["prior_lines"] = number_rule(cell["AGE"], 0, 30, lambda one: math.floor(one + 0.5))
    parts = [number_rule(cell[name], 0, 4, whole=True) for name in ("SEX", "CRP")]
    good = [one for one in parts if one[1] == "ok"] or [one for one in parts if one[1] != "missing:blank"]
    out["ecog"] = good[0] if good else (None, "missing:blank")
    out["last_contact_day"] = since(cell["LAST"], date)
    out["cell_dose_10e6"] = derived(cell)
    return out


def since(text, start):
    early, day = blank_or_code(text), as_day(text)
    if early or day is None:
        return None, early or "unparsed"
    if start is None:
        return None, "missing:unknown"
    if start[0] != start[1] or day[0] != day[1]:
        return None, "partial"
    days = (day[0] - start[0]).days
    return (days, "ok") if 0 <= days <= 12000 else (None, "out_of_range")


def derived(cell):
    crp, age = (None if cell[name] == "-99" else as_number(cell[name]) for name in ("CRP", "AGE"))
    value = None
    if crp is not None:
        value = 7.0 if not crp > 10 else None if age is None else age / crp
    if value is None:
        reasons = [blank_or_code(cell[name]) for name in ("CRP", "AGE")]
        return None, next((one for one in reasons if one), "unparsed")
    return (value, "ok") if 0 <= value <= 5000 else (None, "out_of_range")


CELLS = {
    "DATE": ["2024-02-29", "2023-02-29", "31/01/2024", "2024-03", "1/2/2024", "1999-05-05", "", "-99", "x"],
    "SEX": ["1", "2", "9", "3", " 1 ", "01", "", "-99", None],
    "AGE": ["50", "50.5", "0.5", "-1", "111", "1e1", "1e", "1,5", "+7", ".5", "5.", "", "-99", "abc", "٣"],
    "CRP": ["0", "2", "25", "80.1", "800", "1e309", "NaN", "inf", "", "-99", "12\t", "3.0"],
    "UNIT": ["l", "d", "L", "", "-99"],
    "LAST": ["2024-12-31", "30/02/2024", "2024-04", "2023-01-01", "2060-01-01", "", "-99", "y"],
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.sampled_from(texts) for name, texts in CELLS.items()}),
    min_size=1,
    max_size=25,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    file = tmp_path_factory.mktemp("reference") / "site.yaml"
    file.write_text(MAPPING, encoding="utf-8")
    columns = ["ID", *CELLS]
    return co.read_source(pd.DataFrame({name: pd.Series(dtype=object) for name in columns}), source=file)


def disagreements(template, rows):
    frame = pd.DataFrame([{"ID": f"p{number}", **row} for number, row in enumerate(rows)])
    frame = frame.astype("string").fillna("")
    made = co.harmonize(Source(template.name, template.mapping, {"visits": frame}, ())).infusion
    assert len(made) == len(rows)
    columns = {name: made[name].tolist() for one in VARIABLES for name in (one, f"{one}__status")}
    return [
        (variable, row)
        for number, row in enumerate(rows)
        for variable, (value, status) in reference(row).items()
        if columns[f"{variable}__status"][number] != status
        or not (pd.isna(columns[variable][number]) if value is None else columns[variable][number] == value)
    ]


@settings(max_examples=10, deadline=None, derandomize=True)
@given(rows=ROWS)
def test_compiled_sql_equals_plain_python_on_generated_rows(template, rows):
    assert disagreements(template, rows) == []


def test_compiled_sql_equals_plain_python_on_three_thousand_rows(template):
    rng = np.random.default_rng(20)
    drawn = {name: rng.integers(0, len(texts), 3000) for name, texts in CELLS.items()}
    rows = [{name: texts[drawn[name][number]] for name, texts in CELLS.items()} for number in range(3000)]
    assert disagreements(template, rows) == []
