"""A mapping is checked as a whole: every problem with file, line, column and remedy, all at once."""

from __future__ import annotations

import pytest

from cohort.dictionary.mapping import read_mapping
from cohort.dictionary.read import read_dictionary
from cohort.errors import MappingError
from cohort.registry.planner import make_plan

GOOD = """source: site
title: Site
version: "1"
inputs: {visits: {file: "*.csv"}}
missing: {"-99": unknown}
recodes: {yesno: {"1": yes, "0": no}}
tables:
  infusion:
    rules:
      patient_id: ID
      infusion_number: {constant: 1}
      infusion_date: {from: DATE, date: yyyy-mm-dd}
      @
    impossible: {note: not asked, rest: true}
not_collected:
  note: no
  tables: [neuro_assessment, crs_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]
"""
LINE = 13


def plan(path, text):
    file = path / "site.yaml"
    file.write_text(text, encoding="utf-8")
    dictionary = read_dictionary()
    return make_plan(read_mapping(file, dictionary), dictionary)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("sex: {form: SEX}", "unknown key 'form' (did you mean 'from'?)"),
        ("sexx: SEX", "infusion has no variable 'sexx' (did you mean 'sex'?)"),
        ("source: SEX", "infusion has no variable 'source'"),
        ('sex: {from: SEX, recode: {"1": mal}}', "'mal' is not a category (did you mean 'male'"),
        ("prior_hct: {from: HCT, recode: yesnoo}", "unknown recoding 'yesnoo' (did you mean 'yesno'?)"),
        ('sex: {from: SEX, recode: {"9": male}, missing: {"9": unknown}}', "the code '9' is also in recode"),
        ('sex: {from: SEX, missing: {"9": unknwon}}', "'unknwon' is not allowed (did you mean 'unknown'?)"),
        ("crp_mg_dl: CRP", "the unit of the source is not said"),
        ("crp_mg_dl: {from: CRP, unit: mg/l}", "unknown unit 'mg/l' (did you mean 'mg/L'"),
        ("crp_mg_dl: {from: CRP, unit: U/L}", "'U/L' cannot become 'mg/dL'"),
        ("crp_mg_dl: {from: CRP, unit: mmol/L}", "'mmol/L' cannot become 'mg/dL'"),
        ("crp_mg_dl: {from: CRP, unit: {column: U}}", "a unit column needs a recode to units"),
        ("ecog: {from: ECOG, unit: d}", "the variable has no unit"),
        ("infusion_year: {from: Y, date: yyyy}", "is not a date"),
        ("death_day: {from: D, date: dd/mm/yy, since: infusion_date}", "two-digit year"),
        ("death_day: {from: D, date: [dd/mm/yyyy, mm/dd/yyyy], since: infusion_date}", "as different days"),
        ("death_day: {from: D, since: infusion_date}", "partial: and since: need date:"),
        ("death_day: {from: D, date: yyyy-mm, since: infusion_date}", "'yyyy-mm' belongs to partial:"),
        ("sex: {from: SEX, derive: SEX}", "exactly one of from, derive, coalesce, constant, sequence"),
        ("sex: {status: impossible}", "status impossible needs a note"),
        ("sex: {from: SEX, status: partial}", "status partial needs a note"),
        ("sex: {from: SEX, status: impossible, note: x}", "takes nothing"),
        ("sex: {constant: man}", "'man' is not a category"),
        ("ecog: {constant: one}", "the constant is not a number"),
        ("ecog: {from: E, round: half_up}", "round needs a note"),
        ("age_years: {from: A, unit: a, round: up, note: x}", "only whole-number variables are rounded"),
        ("age_years: {derive: AGE, unit: a}", "gives a text, not a number (wrap it in number(...))"),
        ("age_years: {derive: AGE.real, unit: a}", "Attribute is not part of the language"),
        ("age_years: {derive: \"__import__('os').getcwd()\", unit: a}", "Only functions of the list"),
        ("age_years: {derive: value(weight), unit: a}", "Unknown variable 'weight' in value(...)"),
        ("sex: {from: SEX, missing_when: {unknown: SEX = 1}}", "use == for equality"),
        ("sex: {sequence: {by: ID}}", "only whole-number variables number rows"),
    ],
)
def test_problems_of_a_rule(tmp_path, rule, message):
    with pytest.raises(MappingError) as caught:
        plan(tmp_path, GOOD.replace("@", rule))
    assert message in str(caught.value)
    assert f"site.yaml:{LINE}:" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "rest: true",
            "variables: [center_id]",
            "infusion: no rule and no status for infusion_year, product",
        ),
        ("rest: true", "variables: [centre_id]", "has no variable 'centre_id' (did you mean 'center_id'"),
        ("crs_assessment, ", "", "site.yaml:8:3: no word about crs_assessment"),
        ("[neuro_assessment", "[infusion, neuro_assessment", "infusion is mapped and also not_collected"),
        (
            "[neuro_assessment",
            "[neuro_assesment, neuro_assessment",
            "unknown table 'neuro_assesment' (did you mean",
        ),
        ("patient_id: ID", "patient_id: {status: impossible, note: x}", "patient_id cannot be impossible"),
        ("    rules:", "    input: visit\n    rules:", "unknown input 'visit' (did you mean 'visits'?)"),
        ("    rules:", "    where: KIND = 'x'\n    rules:", "use == for equality"),
        ("    rules:", "    where: KIND\n    rules:", "where: is not a condition"),
        ("    rules:", "    unpivot: {index: i, columns: {A: B}}\n    rules:", "give values: with columns:"),
        ("recodes:", "not_used: {note: x, columns: [DATE]}\nrecodes:", "'DATE' is read by a rule"),
        (
            "recodes:",
            "not_used: {note: x, columns: [B, B]}\nrecodes:",
            "'B' stands in not_used a second time",
        ),
        ("recodes:", "not_used: {note: x, columns: [B], input: vist}\nrecodes:", "unknown input 'vist'"),
        ("recodes:", "not_used: {columns: [B]}\nrecodes:", "the key 'note' is missing"),
        ('"-99": unknown', '"-99": lost', "'lost' is not allowed"),
        ("title: Site\n", "", "the key 'title' is missing in the file"),
    ],
)
def test_problems_of_the_whole(tmp_path, old, new, message):
    with pytest.raises(MappingError) as caught:
        plan(tmp_path, GOOD.replace("      @\n", "").replace(old, new, 1))
    assert message in str(caught.value)


def test_all_problems_are_reported_at_once(tmp_path):
    rules = "sexx: SEX\n      crp_mg_dl: CRP\n      ecog: {constant: one}"
    with pytest.raises(MappingError, match="has 3 problems") as caught:
        plan(tmp_path, GOOD.replace("@", rules))
    assert len(caught.value.problems) == 3


def test_a_good_mapping_answers_every_variable(tmp_path):
    made = plan(tmp_path, GOOD.replace("      @\n", ""))
    (block,) = made.blocks
    asked = [name for name, one in block.table.variables.items() if not one.schema.set_by]
    assert sorted(block.rules) == sorted(asked)
    assert block.columns == ("ID", "DATE")


def test_unknown_mappings_are_answered_with_the_packaged_names(tmp_path):
    dictionary = read_dictionary()
    with pytest.raises(MappingError, match="did you mean 'sim_ebmt'"):
        read_mapping("sim_embt", dictionary)
    with pytest.raises(MappingError, match="does not exist"):
        read_mapping(tmp_path / "nothing.yaml", dictionary)
