"""The tools of who writes a mapping: scan, propose, check, review; in Python and on the command line."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import cohort as co
from cohort.cli import app
from cohort.dictionary.mapping import read_mapping
from cohort.errors import MappingError, SourceError
from cohort.registry.examples import check_examples
from cohort.registry.planner import make_plan

RUN = CliRunner()


def extract(folder, **changed):
    """Write an extract of 40 patients: sex in words, dates with days over 12, CRP, ECOG with missing codes."""
    n = 40
    frame = pd.DataFrame(
        {
            "PatientID": [f"C{i:05d}X" for i in range(n)],
            "Sex": ["Male", "Female"] * (n // 2),
            "infusion_date": [f"{1 + i % 28:02d}/03/2021" for i in range(n)],
            "age_years": [str(40 + i) for i in range(n)],
            "crp_mg_dl": [f"{i / 7:.2f}" for i in range(n)],
            "ECOG": ["0", "1", "2", "-99"] * (n // 4),
            "note": ["seen by the doctor on the ward in the evening"] * n,
            "empty": [""] * n,
            **changed,
        }
    )
    file = folder / "extract.csv"
    frame.to_csv(file, index=False)
    return file


def test_a_scan_says_what_columns_look_like_and_may_be(tmp_path):
    found = co.scan_source(extract(tmp_path)).set_index("column")
    looks = {"PatientID": "identifier", "Sex": "code", "infusion_date": "date", "crp_mg_dl": "number"}
    looks |= {"ECOG": "code", "note": "text", "empty": "blank"}
    assert found["looks"].to_dict() == looks | {"age_years": "number"}
    assert found.loc["infusion_date", "dates"] == "dd/mm/yyyy"
    assert found.loc["Sex", ["table", "variable"]].tolist() == ["infusion", "sex"]
    assert found.loc["ECOG", "variable"] == "ecog"
    assert found.loc["ECOG", "values"] == "-99 10; 0 10; 1 10; 2 10"
    assert found.loc["PatientID", "values"] == ""  # identifiers are not shown
    assert found.loc["infusion_date", "values"] == ""
    assert found.loc["empty", ["n", "n_blank", "n_distinct"]].tolist() == [40, 40, 0]


def test_days_and_months_that_cannot_be_told_apart_are_both_proposed(tmp_path):
    file = extract(tmp_path, infusion_date=[f"{1 + i % 12:02d}/03/2021" for i in range(40)])
    assert co.scan_source(file).set_index("column").loc["infusion_date", "dates"] == "dd/mm/yyyy; mm/dd/yyyy"


def test_a_proposal_compiles_decides_nothing_and_shows_its_reasons(tmp_path):
    file = extract(tmp_path)
    text = co.propose_mapping(file, source="clinic")
    assert '#   sex: {from: "Sex", recode: {"Female": "female", "Male": "male"}}' in text
    assert '#   infusion_date: {from: "infusion_date", date: dd/mm/yyyy}' in text
    assert '# missing: {"-99": unknown}' in text
    (tmp_path / "clinic.yaml").write_text(text, encoding="utf-8")
    registry = co.harmonize(co.read_source(file, source=tmp_path / "clinic.yaml"))
    assert registry.infusion["patient_id"].tolist()[:2] == ["C00000X", "C00001X"]
    decided = registry.rules[~registry.rules["status"].isin(["undetermined", "impossible"])]
    assert decided["variable"].tolist() == ["patient_id", "infusion_number"]


def test_an_uncommented_proposal_works(tmp_path):
    file = extract(tmp_path)
    lines = []
    for line in co.propose_mapping(file, source="clinic").splitlines():
        wanted = any(f"#   {name}: " in line for name in ("sex", "infusion_date", "age_years", "ecog"))
        lines.append(f"      {line.split('#   ')[1]}" if wanted else line.replace("# missing:", "missing:"))
    (tmp_path / "clinic.yaml").write_text("\n".join(lines), encoding="utf-8")
    registry = co.harmonize(co.read_source(file, source=tmp_path / "clinic.yaml"))
    assert registry.infusion["sex"].tolist()[:2] == ["male", "female"]
    assert registry.infusion["infusion_date"].notna().all()
    assert registry.infusion["ecog__status"].value_counts()["missing:unknown"] == 10
    assert len(registry.unmapped) == 0


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.text(alphabet="abAB_ :{}#'\"é-1", min_size=1, max_size=10).filter(lambda t: t.strip() == t and t),
        st.lists(st.text(alphabet="ab:{}#'\"1,.-/ é\n\r\u2028", max_size=6), min_size=2, max_size=2),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_the_file_holds_the_proposal_is_a_mapping(tmp_path_factory, columns):
    """Names and texts with YAML's own marks stay texts."""
    folder = tmp_path_factory.mktemp("any")
    frame = pd.DataFrame(columns)
    frame.columns = [str(name) for name in frame.columns]
    frame.to_csv(folder / "any.csv", index=False)
    try:
        text = co.propose_mapping(folder / "any.csv")
    except SourceError:
        return  # a file that is no table is refused when it is read
    (folder / "any.yaml").write_text(text, encoding="utf-8")
    dictionary = co.read_dictionary()
    assert make_plan(read_mapping(folder / "any.yaml", dictionary), dictionary).blocks


def test_a_line_break_in_a_cell_does_not_leave_its_comment(tmp_path):
    file = extract(tmp_path, Sex=["Male\nsource: other", "Female"] * 20)
    text = co.propose_mapping(file, source="clinic")
    assert [line for line in text.splitlines() if line.startswith("source:")] == ["source: clinic"]


def test_refusals(tmp_path):
    with pytest.raises(MappingError, match="no table 'labs'"):
        co.propose_mapping(extract(tmp_path), table="labs")
    with pytest.raises(SourceError):
        co.scan_source(tmp_path / "none.csv")


# --- review


def test_a_review_lists_rules_codes_and_counts(tmp_path):
    made = co.simulate_registries(n=60, seed=2, folder=tmp_path)
    assert co.review_mapping("sim_ebmt", "sim_ebmt", made.sources["sim_ebmt"]).empty
    code = next(iter(read_mapping("sim_ebmt", co.read_dictionary()).model.missing))
    old = co.read_dictionary().sources["sim_ebmt"].read_text(encoding="utf-8")
    written = f'"{code}"' if f'"{code}"' in old else code
    (tmp_path / "without.yaml").write_text(old.replace(written, '"-12345"', 1), encoding="utf-8")
    found = co.review_mapping("sim_ebmt", tmp_path / "without.yaml", made.sources["sim_ebmt"])
    assert {"missing code", "count"} <= set(found["what"])
    codes = found[found["what"] == "missing code"].set_index("detail")
    assert codes.loc[code, "new"] == ""
    assert codes.loc["-12345", "old"] == ""


def test_shared_recodes_are_compared_where_they_are_used(tmp_path):
    base = """source: s
title: s
version: "1"
inputs: {{data: {{file: "*.csv"}}}}
recodes: {{sex: {{"1": male, "2": {two}}}}}
tables:
  infusion:
    input: data
    rules: {{patient_id: ID, infusion_number: {{constant: 1}}, sex: {{from: SEX, recode: sex}}}}
    impossible: {{note: no, rest: true}}
not_collected:
  note: no
  tables: [neuro_assessment, crs_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]
"""
    for name, two in (("old", "female"), ("new", "male")):
        (tmp_path / f"{name}.yaml").write_text(base.format(two=two), encoding="utf-8")
    found = co.review_mapping(tmp_path / "old.yaml", tmp_path / "new.yaml")
    assert found[["what", "table", "variable"]].to_numpy().tolist() == [["rule", "infusion", "sex"]]
    assert '"2": "female"' in found["old"].item()
    assert '"2": "male"' in found["new"].item()


# --- the command line


def test_commands(tmp_path):
    file = extract(tmp_path)
    out = tmp_path / "clinic.yaml"
    made = RUN.invoke(app, ["mapping", "new", str(file), "--source", "clinic", "--out", str(out)])
    assert made.exit_code == 0
    assert "cohort mapping check" in made.output
    again = RUN.invoke(app, ["mapping", "new", str(file), "--out", str(out)])
    assert again.exit_code == 2  # never overwrites what a person may have edited
    checked = RUN.invoke(app, ["mapping", "check", str(out), "--data", str(file)])
    assert checked.exit_code == 0
    assert "no errors" in checked.output
    assert "40 rows" in checked.output
    same = RUN.invoke(app, ["mapping", "review", str(out), str(out)])
    assert (same.exit_code, same.output.strip()) == (0, "no difference")
    out.write_text(out.read_text(encoding="utf-8").replace("PatientID", "Patient"), encoding="utf-8")
    wrong = RUN.invoke(app, ["mapping", "check", str(out), "--data", str(file)])
    assert wrong.exit_code == 3
    out.write_text("source: [", encoding="utf-8")
    assert RUN.invoke(app, ["mapping", "check", str(out)]).exit_code == 2
    printed = RUN.invoke(app, ["mapping", "new", str(file)])
    assert "undetermined: {note: nobody has decided yet, rest: true}" in printed.output


def test_review_writes_its_differences(tmp_path):
    out = tmp_path / "review.csv"
    found = RUN.invoke(app, ["mapping", "review", "sim_ebmt", "sim_redcap", "--out", str(out)])
    assert found.exit_code == 0
    assert len(pd.read_csv(out)) == len(co.review_mapping("sim_ebmt", "sim_redcap"))


@pytest.mark.parametrize("name", sorted(co.read_dictionary().sources))
def test_every_packaged_mapping_compiles_and_its_examples_hold(name):
    assert check_examples(name) > 0
