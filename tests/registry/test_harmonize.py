"""Harmonization, rule by rule: the value, its status, and what is counted."""

from __future__ import annotations

import matplotlib
import pandas as pd
import pytest

import cohort as co
from cohort.errors import MappingError, SourceError
from cohort.registry.examples import check_examples

matplotlib.use("Agg")
HEAD = """
source: site
title: Site
version: "1"
missing: {"-99": unknown, "-88": not_done}
recodes: {yesno: {"1": yes, "0": no}}
"""
REST = """
not_collected: {note: no, tables: [crs_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]}
"""
INFUSION = """
  infusion:
    input: visits
    where: KIND == 'base'
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      center_id: CENTER
      infusion_date: {from: DATE, date: [yyyy-mm-dd, dd/mm/yyyy, excel], partial: [yyyy-mm, yyyy]}
      age_years: {from: AGE, unit: a}
      sex: {from: SEX, recode: {"1": male, "2": female}, missing: {"9": not_reported}}
      crp_mg_dl: {from: CRP, unit: {column: CRP_U, recode: {mg/l: mg/L, mg/dl: mg/dL}}}
      creatinine_mg_dl: {from: CREAT, unit: umol/L, decimal: ","}
      prior_hct: {from: HCT, recode: yesno, missing_when: {not_applicable: SEX == '2'}}
      prior_lines: {from: LINES, round: half_up, note: halves are rounded up}
      ferritin_ng_ml: {from: FERR, unit: ug/L, limit: {upper: 1000, signs: true}, note: stops at 1000}
      death_day: {from: DEATH, date: yyyy-mm-dd, partial: yyyy-mm, since: infusion_date}
    impossible: {note: not asked, rest: true}
"""
NEURO = """
  neuro_assessment:
    input: visits
    where: KIND == 'daily'
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      assessment_type: {constant: daily}
      assessment_day: {from: DATE, date: yyyy-mm-dd, since: infusion_date}
      ice_score: {coalesce: [ICE, ICE2]}
      seizure: {from: SZ, recode: {"0": none, "1": resolving}}
      icans_occurred: {derive: value(ice_score) < 10}
    impossible: {note: not asked, rest: true}
"""
COLUMNS = [*"ID KIND CENTER DATE AGE SEX CRP CRP_U CREAT HCT LINES FERR DEATH ICE ICE2 SZ".split()]  # noqa: SIM905


def mapping(path, tables=INFUSION + NEURO, inputs='inputs: {visits: {file: "*.csv"}}\n', rest=REST, extra=""):
    file = path / "site.yaml"
    file.write_text(HEAD + inputs + "tables:" + tables + rest + extra, encoding="utf-8")
    return file


def frame(*rows):
    return pd.DataFrame(list(rows), columns=COLUMNS).fillna("")


def base(**cells):
    return {"ID": "p1", "KIND": "base", "CENTER": "c1", "DATE": "2024-03-01", **cells}


def daily(**cells):
    return {"ID": "p1", "KIND": "daily", "DATE": "2024-03-06", **cells}


def harmonized(path, *rows, **keywords):
    return co.harmonize(co.read_source(frame(*rows), source=mapping(path, **keywords)))


CASES = [
    ({"AGE": " 61 "}, "age_years", 61.0, "ok"),
    ({"AGE": ""}, "age_years", None, "missing:blank"),
    ({"AGE": "-99"}, "age_years", None, "missing:unknown"),
    ({"AGE": "sixty"}, "age_years", None, "unparsed"),
    ({"AGE": "161"}, "age_years", None, "out_of_range"),
    ({"SEX": "1"}, "sex", "male", "ok"),
    ({"SEX": "9"}, "sex", None, "missing:not_reported"),
    ({"SEX": "3"}, "sex", None, "unmapped"),
    ({"SEX": "01"}, "sex", None, "unmapped"),  # codes are exact text
    ({"HCT": "1", "SEX": "2"}, "prior_hct", None, "missing:not_applicable"),
    ({"HCT": "0", "SEX": "1"}, "prior_hct", "no", "ok"),
    ({"CRP": "25", "CRP_U": "mg/l"}, "crp_mg_dl", 2.5, "ok"),  # 25 mg/L = 2.5 mg/dL
    ({"CRP": "25", "CRP_U": "mg/dl"}, "crp_mg_dl", 25.0, "ok"),
    ({"CRP": "25", "CRP_U": ""}, "crp_mg_dl", None, "no_unit"),
    ({"CRP": "25", "CRP_U": "g"}, "crp_mg_dl", None, "no_unit"),
    ({"CRP": "990", "CRP_U": "mg/dl"}, "crp_mg_dl", None, "out_of_range"),
    ({"CREAT": "88,4"}, "creatinine_mg_dl", 0.99999848, "ok"),
    ({"CREAT": "88.4"}, "creatinine_mg_dl", None, "unparsed"),  # a point where commas are declared
    ({"LINES": "2.5"}, "prior_lines", 3, "ok"),
    ({"LINES": "-88"}, "prior_lines", None, "missing:not_done"),
    ({"FERR": ">1000"}, "ferritin_ng_ml", 1000.0, "partial"),
    ({"FERR": "1000"}, "ferritin_ng_ml", 1000.0, "ok"),
    ({"DATE": "01/03/2024"}, "infusion_date", pd.Timestamp("2024-03-01"), "ok"),
    ({"DATE": "45352"}, "infusion_date", pd.Timestamp("2024-03-01"), "ok"),
    ({"DATE": "2024-02-30"}, "infusion_date", None, "unparsed"),
    ({"DATE": "2024-02"}, "infusion_date", None, "partial"),
    ({"DATE": "1999-01-01"}, "infusion_date", None, "out_of_range"),
    ({"DEATH": "2024-03-31"}, "death_day", 30, "ok"),
    ({"DEATH": "2024-02-28"}, "death_day", None, "out_of_range"),
    ({"DEATH": "2024-04-31"}, "death_day", None, "unparsed"),
    ({"DEATH": "2024-04"}, "death_day", None, "partial"),
    ({"DEATH": "2024-03-31", "DATE": ""}, "death_day", None, "missing:unknown"),
    ({}, "ecog", None, "missing:not_collected"),
]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """One patient for each case, harmonized together."""
    rows = [base(**{"ID": f"case{number}", **cells}) for number, (cells, *_) in enumerate(CASES)]
    return harmonized(tmp_path_factory.mktemp("cases"), *rows).infusion


@pytest.mark.parametrize("number", range(len(CASES)))
def test_value_and_status(cases, number):
    _, variable, value, status = CASES[number]
    row = cases[cases["patient_id"] == f"case{number}"].iloc[0]
    assert row[f"{variable}__status"] == status
    assert pd.isna(row[variable]) if value is None else row[variable] == value


def test_partial_dates_are_intervals_also_against_a_partial_infusion(tmp_path):
    infusion = harmonized(
        tmp_path,
        base(DEATH="2024-04"),
        base(ID="p2", DATE="2024-02", DEATH="2024-03-10"),
        base(ID="p3", DATE="2024"),
    ).infusion
    # 2024-04 is 31 to 60 days after 1 March; 10 March is 10 to 38 days after a day of February 2024
    assert infusion["death_day__from"].tolist()[:2] == [31, 10]
    assert infusion["death_day__to"].tolist()[:2] == [60, 38]
    assert infusion["infusion_date__from"].tolist() == list(
        pd.to_datetime(["2024-03-01", "2024-02-01", "2024-01-01"])
    )
    assert infusion["infusion_date__to"].tolist() == list(
        pd.to_datetime(["2024-03-01", "2024-02-29", "2024-12-31"])
    )


def test_days_since_infusion_derived_values_and_coalesce(tmp_path):
    registry = harmonized(
        tmp_path,
        base(),
        daily(ICE="8", SZ="1"),
        daily(ICE="", ICE2="10", DATE="2024-03-07"),
        daily(ICE="11", DATE="2024-03-08"),
        daily(ICE="", ICE2="x", DATE="2024-03-09"),
        daily(ID="p9", ICE="-88"),
    )
    neuro = registry.neuro_assessment
    assert neuro["assessment_day"].tolist() == [5, 6, 7, 8, pd.NA]
    assert neuro["assessment_day__status"].tolist() == ["ok"] * 4 + ["missing:unknown"]
    assert neuro["ice_score"].tolist() == [8, 10, pd.NA, pd.NA, pd.NA]
    assert neuro["ice_score__status"].tolist() == ["ok", "ok", "out_of_range", "unparsed", "missing:not_done"]
    assert neuro["icans_occurred"].tolist()[:2] == ["yes", "no"]
    # what is derived from a missing value takes its reason
    assert neuro["icans_occurred__status"].tolist()[2:] == ["out_of_range", "unparsed", "missing:not_done"]
    assert str(neuro["seizure"].dtype) == "category"
    assert neuro["seizure"].cat.ordered


def test_unmapped_lists_codes_and_units_but_neither_dates_nor_identifiers(tmp_path):
    registry = harmonized(
        tmp_path, base(SEX="3", CRP="1", CRP_U="g"), base(ID="p2", SEX="3", DATE="30.02.2024", AGE="old")
    )
    rows = registry.unmapped.set_index("variable")
    assert rows.loc["sex", ["source_column", "status", "value", "n"]].tolist() == ["SEX", "unmapped", "3", 2]
    assert rows.loc["crp_mg_dl", ["source_column", "status", "value"]].tolist() == ["CRP_U", "no_unit", "g"]
    assert rows.loc["age_years", "value"] == "old"
    assert rows.loc["infusion_date", ["value", "n"]].tolist() == ["", 1]


def test_audit_counts_every_row(tmp_path):
    registry = harmonized(
        tmp_path, base(), base(), base(ID=""), base(KIND=""), daily(ICE="9"), daily(ICE="9")
    )
    rows = registry.audit.query("item == 'rows' and table == 'infusion'").set_index("value")["n"].to_dict()
    assert rows == {
        "in the input": 6,
        "left out: where is false": 2,
        "left out: where is missing": 1,
        "left out: no patient_id": 1,
        "left out: identical to another row": 1,
        "out": 1,
    }
    assert len(registry.neuro_assessment) == 1
    hashes = registry.audit.loc[registry.audit["item"].str.endswith("sha256"), "value"]
    assert hashes.str.fullmatch("[0-9a-f]{64}").all()
    status = registry.audit.query("item == 'status' and variable == 'sex'")
    assert status[["value", "n"]].to_numpy().tolist() == [["missing:blank", 2]]


def test_conflicts_keep_both_rows_within_and_between_sources(tmp_path):
    first = harmonized(tmp_path, base(), daily(ICE="7"), daily(ICE="3"))
    assert len(first.neuro_assessment) == 2
    conflict = first.conflicts.query("variable == 'ice_score'").iloc[0]
    assert (conflict["patient_id"], conflict["values"], conflict["n_rows"]) == ("p1", "7; 3", 2)
    assert conflict["key"] == "assessment_type=daily, assessment_day=5"
    one = co.read_source(frame(base(AGE="60")), source=mapping(tmp_path))
    other_file = tmp_path / "other.yaml"
    other_file.write_text(mapping(tmp_path).read_text().replace("source: site", "source: other"))
    other = co.read_source(frame(base(AGE="61")), source=other_file)
    both = co.harmonize([one, other])
    assert both.conflicts[["variable", "sources", "values"]].to_numpy().tolist() == [
        ["age_years", "site; other", "60.0; 61.0"]
    ]
    assert both.sources == ("site", "other")


def test_registry_is_complete_typed_and_immutable(tmp_path):
    registry = harmonized(tmp_path, base(AGE="60"))
    assert list(registry.tables) == list(registry.dictionary.tables)
    infusion = registry.infusion
    infusion["age_years"] = 1.0
    assert registry.infusion["age_years"].tolist() == [60.0]
    assert str(registry.mri_finding["presence"].dtype) == "category"
    assert str(registry.infusion["prior_lines"].dtype) == "Int64"
    assert registry.collected("infusion", "site")
    assert not registry.collected("lab", "site")
    assert registry.infusion.attrs["cohort_facts"]["age_years"]["known_day"] == 0.0
    assert registry.neuro_assessment.attrs["cohort_facts"]["edema_imaging"]["part_of"] == ("icans_grade",)
    with pytest.raises(AttributeError, match="no table"):
        _ = registry.infusions
    assert len(repr(registry).splitlines()) <= 15
    assert "SELECT" in registry.sql[("site", "infusion", 0)]


def test_no_rows_make_an_empty_registry(tmp_path):
    registry = harmonized(tmp_path)
    assert all(frame.empty for frame in registry.tables.values())
    assert len(registry.conflicts) == 0
    assert set(registry.quality()["result"]) == {"not applicable"}


def test_unpivot_stacks_columns_and_counts_blank_rows(tmp_path):
    tables = (
        INFUSION
        + """
  neuro_assessment:
    input: visits
    unpivot: {index: day, values: [0, 2], columns: {SCORE: "D{day}"}}
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      assessment_type: {constant: daily}
      assessment_day: day
      ice_score: SCORE
      record_number: {sequence: {by: ID, counting: number(SCORE) < 10}}
    impossible: {note: not asked, rest: true}
"""
    )
    given = frame(base()).assign(D0="10", D1="", D2="4")
    registry = co.harmonize(co.read_source(given, source=mapping(tmp_path, tables=tables)))
    neuro = registry.neuro_assessment
    assert neuro[["assessment_day", "ice_score"]].to_numpy().tolist() == [[0, 10], [2, 4]]
    assert neuro["record_number"].tolist() == [pd.NA, 1]
    audit = registry.audit.query("table == 'neuro_assessment' and value == 'after unpivot'")
    assert audit["n"].tolist() == [2]


LAB = """
  lab:
    input: visits
    unpivot: {index: code, rows: [{is: crp, VALUE: CRP, UNIT: CRP_U}, {is: ferritin, VALUE: FERR}]}
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      lab_day: {constant: 0}
      analyte: code
      value: {from: VALUE, unit: {column: UNIT, by: analyte, recode: {mg/l: mg/L, u: U/L}, blank: mg/l}}
    impossible: {note: not asked, rest: true}
"""


def test_laboratory_values_take_the_unit_of_their_analyte(tmp_path):
    rest = REST.replace("lab, ", "neuro_assessment, ")
    registry = harmonized(
        tmp_path,
        base(CRP="25", CRP_U="mg/l", FERR="2"),
        base(ID="p2", CRP="5", CRP_U="u"),
        base(ID="p3", CRP="9000", CRP_U="mg/l"),
        tables=INFUSION + LAB,
        rest=rest,
    )
    lab = registry.lab
    # 25 mg/L CRP is 2.5 mg/dL; 2 mg/L ferritin is 2000 ng/mL; U/L is no unit of CRP; 900 mg/dL is impossible
    assert lab["value"].tolist()[:2] == [2.5, 2000.0]
    assert lab["value__status"].tolist() == ["ok", "ok", "no_unit", "out_of_range"]
    assert lab["unit"].tolist() == ["mg/dL", "ng/mL", "mg/dL", "mg/dL"]


def test_blocks_differ_in_their_units(tmp_path):
    tables = (
        INFUSION
        + """
  crs_assessment:
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      assessment_type: {constant: daily}
      assessment_day: {constant: 1}
    impossible: {note: not asked, rest: true}
    blocks:
      - {where: CENTER == 'c1', rules: {temperature_c: {from: AGE, unit: Cel}}}
      - {where: CENTER == 'c2', rules: {temperature_c: {from: AGE, unit: "[degF]"}}}
"""
    )
    rest = REST.replace("crs_assessment", "neuro_assessment")
    registry = harmonized(
        tmp_path, base(AGE="37"), base(ID="p2", CENTER="c2", AGE="98.6"), tables=tables, rest=rest
    )
    assert registry.crs_assessment["temperature_c"].tolist() == [37.0, 37.0]


def test_engine_and_sources_are_checked(tmp_path):
    source = co.read_source(frame(base()), source=mapping(tmp_path))
    with pytest.raises(MappingError, match="There is no engine 'sqlite'"):
        co.harmonize(source, engine="sqlite")
    with pytest.raises(MappingError, match="one name"):
        co.harmonize([source, source])
    with pytest.raises(MappingError, match="No source"):
        co.harmonize([])


def test_missing_columns_are_named_with_the_closest_name(tmp_path):
    with pytest.raises(SourceError, match=r"'AGE' \(did you mean 'AGES'"):
        co.read_source(frame(base()).rename(columns={"AGE": "AGES"}), source=mapping(tmp_path))


EXAMPLES = """
examples:
  - table: infusion
    given: {visits: [{ID: a, KIND: base, DATE: 2024-03-01, CRP: 25, CRP_U: mg/l}]}
    expect: [{patient_id: a, crp_mg_dl: 2.5, infusion_date: 2024-03-01, sex: "", sex__status: "missing:blank"}]
"""


def test_examples_run_and_differences_are_named(tmp_path):
    assert check_examples(mapping(tmp_path, extra=EXAMPLES)) == 5
    wrong = EXAMPLES.replace("crp_mg_dl: 2.5", "crp_mg_dl: 25")
    with pytest.raises(MappingError, match=r"site.yaml:\d+:\d+: row 1: crp_mg_dl is '2.5', expected '25'"):
        check_examples(mapping(tmp_path, extra=wrong))


def test_quality_has_a_row_for_each_check_variable_and_center(tmp_path):
    registry = harmonized(
        tmp_path,
        base(SEX="3", DEATH="2024-03-31", FERR="1000"),
        base(ID="p2", CENTER="c2", SEX="1", FERR="7"),
        daily(ICE="7"),
        daily(ICE="3"),
        daily(ID="p7", ICE="3"),
    )
    quality = registry.quality()

    def one(check, variable, center="all"):
        rows = quality.query("check == @check and variable == @variable and center_id == @center")
        return rows[["violated", "denominator", "result"]].to_numpy().tolist()[0]

    assert one("code_known", "sex") == [1, 2, "failed"]
    assert one("code_known", "sex", "c1") == [1, 1, "failed"]
    assert one("code_known", "sex", "c2") == [0, 1, "passed"]
    assert one("below_limit", "ferritin_ng_ml") == [1, 2, "failed"]
    assert one("parent_exists", "infusion") == [1, 3, "failed"]
    unique = quality.query("check == 'key_unique' and table == 'neuro_assessment' and center_id == 'all'")
    assert unique["violated"].tolist() == [1]
    absent = quality.query("variable == 'ecog'")
    assert absent[["result", "reason"]].to_numpy().tolist() == [["not applicable", "impossible: not asked"]]
    labels = [label.get_text() for label in quality.plot().get_yticklabels()]
    assert "infusion · sex" in labels
    assert "infusion · age years" in labels  # never recorded
    assert "infusion · infusion_date" not in labels
    assert type(quality.head(1)).__name__ == "QualityFrame"
