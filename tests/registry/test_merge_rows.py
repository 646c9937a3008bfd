"""Rows of one key become one row as declared; a plain Python reference decides every case on generated rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cohort as co
from cohort.errors import MappingError

MAPPING = """source: site
title: Site
version: "1"
inputs: {visits: {file: "*.csv"}}
missing: {"?": unknown}
tables:
  infusion:
    merge: {latest: [last_contact_day], earliest: [relapse_day], highest: [relapsed]}
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      infusion_date: {from: DATE, date: yyyy-mm-dd, partial: yyyy-mm}
      sex: {from: SEX, recode: {"1": male, "2": female}}
      last_contact_day: LAST
      relapsed: {from: RELAPSED, recode: {"1": yes, "0": no}}
      relapse_day:
        from: RELDT
        date: yyyy-mm-dd
        partial: yyyy-mm
        since: infusion_date
        missing_when: {not_applicable: RELAPSED == '0'}
    impossible: {note: not asked, rest: true}
not_collected:
  note: no
  tables: [neuro_assessment, crs_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]
"""
COLUMNS = ("ID", "DATE", "SEX", "LAST", "RELAPSED", "RELDT")


@pytest.fixture(scope="module")
def mapping(tmp_path_factory):
    file = tmp_path_factory.mktemp("merge") / "site.yaml"
    file.write_text(MAPPING, encoding="utf-8")
    return file


def merged(mapping, *rows):
    frame = pd.DataFrame(
        [{**dict.fromkeys(COLUMNS, ""), "ID": "A", "DATE": "2020-01-01", **row} for row in rows]
    )
    registry = co.harmonize(co.read_source(frame, source=mapping))
    return registry, registry.infusion


def counted(registry):
    audit = registry.audit
    return audit[(audit["item"] == "rows")].set_index("value")["n"].to_dict()


def test_what_forms_say_in_turn_becomes_one_row(mapping):
    registry, found = merged(
        mapping,
        {"SEX": "1", "LAST": "98", "RELAPSED": "0"},
        {"LAST": "182", "RELAPSED": "1", "RELDT": "2020-05-31"},  # day 151
        {"ID": "B", "SEX": "2", "LAST": "30", "RELAPSED": "0"},
        {"LAST": "", "RELAPSED": "1", "RELDT": "2020-06-10"},
    )
    assert found["patient_id"].tolist() == ["A", "B"]
    assert found["sex"].tolist() == ["male", "female"]
    assert found["last_contact_day"].tolist() == [182, 30]
    assert found["relapsed"].tolist() == ["yes", "no"]
    assert found["relapse_day"].tolist() == [151, pd.NA]
    assert found["relapse_day__status"].tolist() == ["ok", "missing:not_applicable"]
    counts = counted(registry)
    assert counts["left out: merged with a row of its key"] == 2
    assert counts["kept apart: rows of one key disagree"] == 0
    assert counts["out"] == 2
    assert registry.conflicts.empty


def test_a_relapse_without_a_day_leaves_the_earliest_open(mapping):
    _, found = merged(mapping, {"RELAPSED": "1"}, {"RELAPSED": "1", "RELDT": "2020-05-31"})
    assert found["relapse_day__status"].tolist() == ["missing:blank"]
    assert found["relapse_day"].isna().all()
    assert found["relapsed"].tolist() == ["yes"]


def test_an_incomplete_day_bounds_the_earliest(mapping):
    # May 2020 is day 121 to 151; 15 May is day 135: the earliest lies between 121 and 135.
    _, found = merged(
        mapping, {"RELAPSED": "1", "RELDT": "2020-05"}, {"RELAPSED": "1", "RELDT": "2020-05-15"}
    )
    assert found["relapse_day__status"].tolist() == ["partial"]
    assert found.loc[0, ["relapse_day__from", "relapse_day__to"]].tolist() == [121, 135]
    _, found = merged(
        mapping, {"RELAPSED": "1", "RELDT": "2020-05"}, {"RELAPSED": "1", "RELDT": "2020-04-30"}
    )
    assert found["relapse_day"].tolist() == [120]


@pytest.mark.parametrize("later", ["", "?", "7"])
def test_no_then_silence_is_not_no(mapping, later):
    _, found = merged(mapping, {"RELAPSED": "0", "LAST": "9"}, {"RELAPSED": later, "LAST": "20"})
    assert found["relapsed"].isna().tolist() == [True]
    expected = {"": "missing:blank", "?": "missing:unknown", "7": "unmapped"}[later]
    assert found["relapsed__status"].tolist() == [expected]
    assert found["last_contact_day"].tolist() == [20]


def test_rows_that_disagree_stay_apart_and_are_conflicts(mapping):
    registry, found = merged(
        mapping, {"SEX": "1", "LAST": "9"}, {"SEX": "2", "LAST": "20"}, {"ID": "B", "SEX": "2"}
    )
    assert found["patient_id"].tolist() == ["A", "A", "B"]
    assert found["last_contact_day"].tolist() == [9, 20, pd.NA]
    assert registry.conflicts["variable"].tolist() == ["sex", "last_contact_day"]
    assert counted(registry)["kept apart: rows of one key disagree"] == 2


def test_a_complete_date_within_an_incomplete_one_agrees(mapping):
    _, found = merged(mapping, {"DATE": "2020-01"}, {"DATE": "2020-01-17"})
    assert found["infusion_date"].dt.strftime("%Y-%m-%d").tolist() == ["2020-01-17"]
    _, found = merged(mapping, {"DATE": "2020-02"}, {"DATE": "2020-01-17"})
    assert len(found) == 2
    _, found = merged(mapping, {"DATE": "2020-02", "LAST": "1"}, {"DATE": "2020-02", "LAST": "2"})
    assert found["infusion_date__status"].tolist() == ["partial"]
    assert found["last_contact_day"].tolist() == [2]


OPEN = ("unmapped", "unparsed", "out_of_range", "no_unit", "missing:unknown", "missing:blank")


def attention(statuses):
    order = (*OPEN, "missing:not_applicable", "missing:not_collected")
    return min(statuses, key=order.index)


def reference(rows):
    """Merge the rows of one key, one rule after the other; None when they disagree."""
    sexes = {row.sex for row in rows if row.sex__status == "ok"}
    if len(sexes) > 1:
        return None
    days = [row.last_contact_day for row in rows if row.last_contact_day__status == "ok"]
    last = max(days) if days else attention([row.last_contact_day__status for row in rows])
    said = [row.relapsed for row in rows if row.relapsed__status == "ok"]
    silent = [row.relapsed__status for row in rows if row.relapsed__status != "ok"]
    relapsed = "yes" if "yes" in said else attention(silent) if set(silent) & set(OPEN) or not said else "no"
    undated = [row.relapse_day__status for row in rows if row.relapse_day__status in OPEN]
    spans = [
        (row.relapse_day__from, row.relapse_day__to) for row in rows if not pd.isna(row.relapse_day__from)
    ]
    if undated or not spans:
        relapse = attention(undated or [row.relapse_day__status for row in rows])
    else:
        relapse = (min(a for a, _ in spans), min(b for _, b in spans))
    sex = sexes.pop() if sexes else attention([row.sex__status for row in rows])
    return sex, last, relapsed, relapse


CELLS = {
    "SEX": ["1", "1", "1", "1", "1", "", "?", "5", "2"],
    "LAST": ["5", "80", "", "?", "x", "-4"],
    "RELAPSED": ["0", "0", "1", "", "?", "8"],
    "RELDT": ["2020-03-02", "2020-03", "2020-02", "2020-04-30", "", "?", "soon", "2019-12-01"],
}


@settings(deadline=None, max_examples=3)
@given(st.integers(0, 10_000))
def test_the_merge_equals_the_reference(mapping, seed):
    rng = np.random.default_rng(seed)
    n = 360
    frame = pd.DataFrame({"ID": rng.integers(0, 120, n).astype(str), "DATE": "2020-01-01"})
    frame = frame.assign(**{name: rng.choice(cells, n) for name, cells in CELLS.items()})
    plain = mapping.with_name("plain.yaml")
    plain.write_text(
        "\n".join(line for line in MAPPING.splitlines() if "merge:" not in line), encoding="utf-8"
    )
    apart = co.harmonize(co.read_source(frame, source=plain)).infusion
    found = co.harmonize(co.read_source(frame, source=mapping)).infusion
    for patient, group in apart.groupby("patient_id"):
        own = found[found["patient_id"] == patient]
        expected = reference(list(group.itertuples()))
        if expected is None:
            assert len(own) == len(group)
            continue
        (row,) = own.itertuples()
        for name, value in zip(("sex", "last_contact_day", "relapsed"), expected, strict=False):
            assert str(value) in (str(getattr(row, name)), getattr(row, f"{name}__status"))
        if isinstance(expected[3], str):
            assert row.relapse_day__status == expected[3]
            assert pd.isna(row.relapse_day)
        else:
            assert (row.relapse_day__from, row.relapse_day__to) == expected[3]
            assert row.relapse_day__status == ("ok" if len(set(expected[3])) == 1 else "partial")


@pytest.mark.parametrize(
    ("merge", "message"),
    [
        ("{latest: [last_day]}", "infusion has no variable 'last_day' to merge"),
        ("{latest: [patient_id]}", "infusion has no variable 'patient_id' to merge"),
        ("{latest: [sex]}", "latest is for days and whole numbers, not for sex"),
        ("{highest: [age_years]}", "highest is for coded variables, not for age_years"),
        ("{latest: [death_day], earliest: [death_day]}", "death_day stands in merge twice"),
        ("{first: [death_day]}", "unknown key 'first'"),
    ],
)
def test_refusals(mapping, merge, message):
    text = "\n".join(f"    merge: {merge}" if "merge:" in line else line for line in MAPPING.splitlines())
    file = mapping.with_name("wrong.yaml")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        co.read_source(pd.DataFrame(columns=COLUMNS), source=file)
    assert message in str(caught.value)
