"""One patient in two sources: candidates, and values by a declared precedence with every decision written down."""

from __future__ import annotations

import pandas as pd
import pytest

import cohort as co
from cohort.errors import MappingError

MAPPING = """source: {name}
title: {name}
version: "1"
inputs: {{infusions: {{file: "*"}}, labs: {{file: "*"}}}}
missing: {{"-99": unknown}}
tables:
  infusion:
    input: infusions
    rules:
      patient_id: ID
      infusion_number: {{constant: 1}}
      infusion_date: {{from: DATE, date: yyyy-mm-dd}}
      sex: {{from: SEX, recode: {{m: male, f: female}}}}
      age_years: {{from: AGE, unit: a}}
      product: {{from: PRODUCT, recode: {{axi: axi-cel, tisa: tisa-cel}}}}
      ecog: ECOG
    impossible: {{note: no, rest: true}}
  lab:
    input: labs
    rules:
      patient_id: ID
      infusion_number: {{constant: 1}}
      lab_day: {{from: DAY_DATE, date: yyyy-mm-dd, since: infusion_date}}
      analyte: {{constant: crp}}
      value: {{from: CRP, unit: {{by: analyte, units: {{crp: mg/dL}}}}}}
    impossible: {{note: no, rest: true}}
not_collected:
  note: no
  tables: [neuro_assessment, crs_assessment, mri_exam, mri_finding, treatment, event, cognition]
"""
INFUSIONS = ["ID", "DATE", "SEX", "AGE", "PRODUCT", "ECOG"]
LABS = ["ID", "DAY_DATE", "CRP"]


@pytest.fixture
def registry(tmp_path):
    """Patient 1 in both: ECOG 1 and 2, age in b only, CRP of day 2 5 and 6. Patient 2 in a, 3 in b."""
    rows = {
        "a": (
            [["1", "2024-01-01", "m", "-99", "axi", "1"], ["2", "2024-02-01", "f", "50", "tisa", "0"]],
            [["1", "2024-01-03", "5"], ["1", "2024-01-04", "7"]],
        ),
        "b": (
            [["1", "2024-01-01", "m", "61", "axi", "2"], ["3", "2024-02-01", "f", "50.4", "tisa", "0"]],
            [["1", "2024-01-03", "6"], ["3", "2024-02-03", "1"]],
        ),
    }
    sources = []
    for name, (infusions, labs) in rows.items():
        file = tmp_path / f"{name}.yaml"
        file.write_text(MAPPING.format(name=name), encoding="utf-8")
        frames = {
            "infusions": pd.DataFrame(infusions, columns=INFUSIONS),
            "labs": pd.DataFrame(labs, columns=LABS),
        }
        sources.append(co.read_source(frames, source=file))
    return co.harmonize(sources)


def test_by_hand(registry):
    made = co.resolve_conflicts(registry, ["b", "a"])
    one = made.infusion.set_index("patient_id").loc["1"]
    assert (one["source"], one["ecog"], one["age_years"]) == ("b", 2, 61)
    lab = made.lab[made.lab["patient_id"] == "1"].sort_values("lab_day")
    assert lab[["source", "lab_day", "value"]].to_numpy().tolist() == [["b", 2, 6.0], ["b", 3, 7.0]]
    assert len(made.conflicts) == 0
    assert len(registry.conflicts) == 2  # the registry itself is not changed
    decided = made.decisions.set_index("variable")
    assert decided.loc["ecog", ["taken_from", "sources", "why"]].tolist() == ["b", "b; a", "sources differ"]
    assert decided.loc["value", "taken_from"] == "b"
    assert "age_years" not in decided.index  # b has it and comes first


def test_the_other_order_fills_in_what_the_first_does_not_have(registry):
    made = co.resolve_conflicts(registry, ["a", "b"])
    one = made.infusion.set_index("patient_id").loc["1"]
    assert (one["source"], one["ecog"], one["age_years"], one["age_years__status"]) == ("a", 1, 61, "ok")
    decided = made.decisions.set_index("variable")
    assert decided.loc["age_years", ["taken_from", "why"]].tolist() == ["b", "filled in"]


def test_an_order_for_one_table(registry):
    made = co.resolve_conflicts(registry, {"lab": ["b", "a"]})
    assert made.infusion.set_index("patient_id").loc["1", "ecog"] == 1
    lab = made.lab[(made.lab["patient_id"] == "1") & (made.lab["lab_day"] == 2)]
    assert lab[["source", "value"]].to_numpy().tolist() == [["a", 6.0]]  # rows follow the patient's source


def test_every_row_keeps_its_parent_and_nothing_is_lost(registry):
    made = co.resolve_conflicts(registry, ["b", "a"])
    keys = ["source", "patient_id", "infusion_number"]
    parents = set(map(tuple, made.infusion[keys].to_numpy().tolist()))
    assert set(map(tuple, made.lab[keys].to_numpy().tolist())) <= parents
    assert (len(made.infusion), len(made.lab)) == (3, 3)  # 4 and 4 rows, one pair of each made one


def test_rows_of_one_source_that_contradict_each_other_stay(registry):
    from dataclasses import replace

    lab = registry.lab
    again = lab.iloc[[0]].assign(value=99.0)
    changed = replace(registry, tables={**registry.tables, "lab": pd.concat([lab, again], ignore_index=True)})
    made = co.resolve_conflicts(changed, ["b", "a"])
    assert 99.0 in made.lab["value"].tolist()
    assert "value" in made.conflicts["variable"].tolist()


@pytest.mark.parametrize("precedence", [["a"], ["a", "c"], {"labs": ["a", "b"]}, {"lab": ["a", "a"]}])
def test_an_incomplete_order_is_refused(registry, precedence):
    with pytest.raises(MappingError):
        co.resolve_conflicts(registry, precedence)


def test_candidates_by_hand(registry):
    found = co.same_patients(registry)
    pairs = (
        found[["patient_id_first", "patient_id_second", "same_identifier", "n_candidates"]]
        .to_numpy()
        .tolist()
    )
    assert sorted(pairs) == [["1", "1", True, 1], ["2", "3", False, 1]]
    one = found[found["patient_id_first"] == "1"].iloc[0]
    assert (one["agree"], one["differ"], one["not_known"]) == (
        1,
        1,
        4,
    )  # product; ECOG; the rest is not known
    assert len(co.same_patients(registry, max_age_difference=0.1)) == 1


def test_simulated_registries_know_their_truth():
    made = co.simulate_registries(n=300, seed=1)
    registry = co.harmonize([co.read_source(path, source=name) for name, path in made.sources.items()])
    infusion = registry.infusion[["source", "patient_id"]].drop_duplicates()
    both = infusion[infusion["patient_id"].duplicated(keep=False)]["patient_id"].nunique()
    found = co.same_patients(registry)
    assert both > 5
    assert found["same_identifier"].sum() >= 0.9 * both
    resolved = co.resolve_conflicts(registry, ["sim_redcap", "sim_ebmt", "sim_cibmtr"])
    left = resolved.infusion[["source", "patient_id"]].drop_duplicates()
    assert not left["patient_id"].duplicated().any()
    between = resolved.conflicts["sources"].str.contains(";")
    assert not between.any()
