"""REDCap projects: every shape, branching logic in three states, nothing lost; the template of this package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import cohort as co
from cohort.cli import app
from cohort.dictionary.mapping_model import HIDDEN
from cohort.dictionary.redcap_template import COLUMNS, template_fields, template_mapping
from cohort.errors import MappingError, SourceError
from cohort.registry.examples import check_examples
from cohort.registry.redcap_branching import Unreadable, decide, parse_logic

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "redcap"
PROJECTS = ("checkboxes-1", "dag", "longitudinal", "nonnumeric-record-id", "potentially-problematic-values")
PROJECTS = (*PROJECTS, "repeating-instruments", "simple", "validation-types-1")


def fields(*rows):
    """Fields as (name, form, type, choices, logic)."""
    frame = pd.DataFrame("", index=range(len(rows)), columns=list(COLUMNS))
    for i, (name, form, kind, choices, logic) in enumerate(rows):
        frame.loc[i, [COLUMNS[0], COLUMNS[1], COLUMNS[3], COLUMNS[5], COLUMNS[11]]] = [
            name,
            form,
            kind,
            choices,
            logic,
        ]
    return frame


# --- a hand-made twin: longitudinal, with a repeating instrument, checkboxes, groups and a missing-data code

TWIN = fields(
    ("record_id", "base", "text", "", ""),
    ("sex", "base", "radio", "0, Female | 1, Male", ""),
    ("births", "base", "text", "", "[sex] = '0'"),
    ("race", "base", "checkbox", "1, White | 2, Other | -99, Unknown", ""),
    ("other", "base", "text", "", "[race(2)] = '1'"),
    ("seen", "visit", "yesno", "", ""),
    ("ice", "visit", "text", "", "[seen] = '1' and [enrollment_arm_1][sex] <> ''"),
    ("why", "visit", "text", "", "datediff([x], 'today', 'd') > 3"),
    ("pressor", "drugs", "text", "", "[seen] = '1'"),
)
HEAD = (
    "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,redcap_data_access_group,sex,births,"
    "race___1,race___2,race____99,other,base_complete,seen,ice,why,visit_complete,pressor,drugs_complete"
)
ROWS = """
a,enrollment_arm_1,,,north,0,,1,0,0,,2,,,,,,
a,day_1_arm_1,,,north,,,0,0,0,,,1,,,2,,
a,day_1_arm_1,drugs,1,north,,,0,0,0,,,,,,,"=cmd|' /C'!A0",2
a,day_1_arm_1,drugs,2,north,,,0,0,0,,,,,,,,0
b,enrollment_arm_1,,,south,1,,0,1,0,,2,,,,,,
b,day_1_arm_1,,,south,,,0,0,0,,,0,,,2,,
c,enrollment_arm_1,,,south,,,0,0,0,,0,,,,,,
c,day_1_arm_1,,,south,,,0,0,0,,,-99,,,2,,
"""


@pytest.fixture
def twin(tmp_path):
    (tmp_path / "data.csv").write_text(HEAD + ROWS, encoding="utf-8")
    TWIN.to_csv(tmp_path / "dictionary.csv", index=False)
    return co.read_redcap(tmp_path / "data.csv", tmp_path / "dictionary.csv", missing=["-99"])


def cells(frame, *names):
    return frame[list(names)].fillna("").to_numpy().tolist()


def test_rows_and_groups_of_every_instrument(twin):
    assert {form: len(frame) for form, frame in twin.instruments.items()} == {
        "base": 3,
        "visit": 3,
        "drugs": 2,
    }
    assert cells(twin.instruments["base"], "record_id", "redcap_data_access_group") == [
        ["a", "north"],
        ["b", "south"],
        ["c", "south"],
    ]
    drugs = twin.instruments["drugs"]
    assert cells(drugs, "record_id", "redcap_repeat_instance", "drugs_complete") == [
        ["a", "1", "2"],
        ["a", "2", "0"],
    ]
    assert drugs["pressor"].iloc[0] == "=cmd|' /C'!A0"


def test_hidden_and_blank_are_told_apart(twin):
    base = twin.instruments["base"]
    # a is female: births was asked and left blank; b is male: never shown; c's sex is blank: nobody can tell
    assert base["births"].fillna("").tolist() == ["", HIDDEN, ""]
    # other is shown to b only; nobody opened c's form, whose boxes REDCap exports as 0 all the same
    assert base["other"].fillna("").tolist() == [HIDDEN, "", ""]
    assert base["race___1"].fillna("").tolist() == ["1", "0", ""]  # nor are they answers
    visit = twin.instruments["visit"]
    # a: seen; b: not seen; c: a missing-data code decides nothing, but the blank sex does
    assert visit["ice"].fillna("").tolist() == ["", HIDDEN, HIDDEN]
    assert visit["why"].fillna("").tolist() == ["", "", ""]  # logic that cannot be read decides nothing
    # the repeating instrument looks at the plain row of the same event
    assert twin.instruments["drugs"]["pressor"].fillna("").tolist()[1] == ""
    counted = twin.fields.set_index("field")
    assert counted.loc["births", ["n_filled", "n_blank", "n_hidden"]].tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("logic", "row", "holds"),
    [
        ("[a] = '1'", {"a": "1"}, 1),
        ("[a] = 1", {"a": "1.0"}, 1),
        ("[a] <> '1'", {"a": "2"}, 1),
        ("[a] != '1'", {"a": None}, np.nan),
        ("[a] = ''", {"a": None}, 1),
        ('[a] <> ""', {"a": "x"}, 1),
        ("[a] >= 3 and [b] = 'x'", {"a": "3", "b": "x"}, 1),
        ("[a] >= 3 and [b] = 'x'", {"a": "2", "b": None}, 0),  # one false part decides
        ("[a] >= 3 or [b] = 'x'", {"a": "3", "b": None}, 1),
        ("[a] >= 3 or [b] = 'x'", {"a": None, "b": "y"}, np.nan),
        ("([a] = '1' or [a] = '2') and [b] = '1'", {"a": "2", "b": "1"}, 1),
        ("3 < [a]", {"a": "4"}, 1),
        ("[a] > 3", {"a": "many"}, np.nan),
        ("[c(2)] = '1'", {"c___2": "1"}, 1),
        ("[c(-9)] = '1'", {"c____9": "0"}, 0),
        ("[gone] = '1'", {"a": "1"}, np.nan),
        ("round([a], 1) = 2", {"a": "2"}, np.nan),
        ("[a] = '1' and", {"a": "1"}, np.nan),
        ("[a] + 1 = 2", {"a": "1"}, np.nan),
        ("__import__('os').system('x') = '1'", {"a": "1"}, np.nan),
    ],
)
def test_logic_in_three_states(logic, row, holds):
    found = decide(
        parse_logic(logic), lambda name, _: pd.Series([row[name]], dtype="string") if name in row else None, 1
    )
    np.testing.assert_equal(found, [holds])


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="[]()ab12'\"<>=! andor", max_size=40))
def test_no_logic_ends_the_reading(text):
    parsed = parse_logic(text)
    assert isinstance(parsed, Unreadable) or len(decide(parsed, lambda *_: None, 2)) == 2


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["0", "1", None]), min_size=3, max_size=3))
def test_more_answers_never_turn_a_decision(values):
    """Filling in what is blank may decide open logic but never reverses a decision."""
    logic = parse_logic("([a] = '1' or [b] = '1') and [c] <> '0'")

    def held(answers):
        named = dict(zip("abc", answers, strict=True))
        return decide(logic, lambda name, _: pd.Series([named[name]], dtype="string"), 1)[0]

    before = held(values)
    for i, value in enumerate(values):
        if value is None:
            for answer in ("0", "1"):
                after = held([*values[:i], answer, *values[i + 1 :]])
                assert np.isnan(before) or after == before


@pytest.mark.parametrize(
    ("data", "dictionary", "pattern"),
    [
        (pd.DataFrame({"x": ["1"]}), TWIN, "record_id"),
        (pd.DataFrame({"record_id": ["1"], "stray": [""]}), TWIN, "stray"),
        (pd.DataFrame({"record_id": ["1"]}), TWIN.iloc[:0], "has no fields"),
        (pd.DataFrame({"record_id": ["1"]}), TWIN.iloc[:, :2], "Field Type"),
        (pd.DataFrame({"record_id": ["1"]}), pd.concat([TWIN, TWIN]), "names a field twice"),
    ],
)
def test_what_is_no_project_is_refused(data, dictionary, pattern):
    with pytest.raises(SourceError, match=pattern):
        co.read_redcap(data, dictionary)


MAPPING = """source: site
title: Site
version: "1"
inputs:
  base: {file: data.csv, instrument: base}
  visit: {file: data.csv, instrument: visit}
missing: {"-99": unknown}
tables:
  infusion:
    input: base
    rules:
      patient_id: record_id
      infusion_number: {constant: 1}
      center_id: redcap_data_access_group
      sex: {from: sex, recode: {"0": female, "1": male}}
      prior_lines: births
    impossible: {note: not asked, rest: true}
not_collected:
  note: no
  tables: [neuro_assessment, crs_assessment, mri_exam, mri_finding, lab, treatment, event, cognition]
"""


def test_a_mapping_names_instruments_and_statuses_follow(twin, tmp_path):
    (tmp_path / "site.yaml").write_text(MAPPING, encoding="utf-8")
    source = co.read_source(tmp_path, source=tmp_path / "site.yaml")
    infusion = co.harmonize(source).infusion
    assert infusion["center_id"].tolist() == ["north", "south", "south"]
    assert infusion["prior_lines__status"].tolist() == [
        "missing:blank",
        "missing:not_applicable",
        "missing:blank",
    ]
    assert sorted(file.name for file in source.files) == ["data.csv", "dictionary.csv"]
    wrong = MAPPING.replace("instrument: visit", "instrument: visits")
    (tmp_path / "wrong.yaml").write_text(wrong, encoding="utf-8")
    with pytest.raises(SourceError, match="instruments: base, visit, drugs"):
        co.read_source(tmp_path, source=tmp_path / "wrong.yaml")


# --- the template


def test_the_committed_template_is_what_the_dictionary_makes():
    dictionary = co.read_dictionary()
    folder = ROOT / "data_dictionary"
    written = (folder / "redcap" / "cohort_template.csv").read_text(encoding="utf-8")
    assert written == template_fields(dictionary).to_csv(index=False, lineterminator="\n")
    assert (folder / "sources" / "redcap_template.yaml").read_text(encoding="utf-8") == template_mapping(
        dictionary
    )


def test_the_template_is_a_valid_project():
    made = template_fields(co.read_dictionary())
    names = made[COLUMNS[0]]
    assert made.shape[1] == 18
    assert not names.duplicated().any()
    assert names.str.fullmatch(r"[a-z][a-z0-9_]*").all()  # REDCap allows nothing else
    assert names.str.len().max() <= 100
    project = co.read_redcap(pd.DataFrame({"record_id": ["1"]}), made)
    unreadable = [one.name for one in project.dictionary.fields if isinstance(one.logic, Unreadable)]
    assert unreadable == []
    for one in project.dictionary.fields:
        assert len({code for code, _ in one.choices}) == len(one.choices)


def test_its_examples_hold():
    assert check_examples("redcap_template") > 10


def test_a_center_collects_harmonizes_and_grades(tmp_path):
    """Three patients as a center would export them: 10, 7 and 4 points of ICE; one scan with a finding."""
    runner = CliRunner()
    assert (
        runner.invoke(app, ["dictionary", "to-redcap", "--out", str(tmp_path / "dictionary.csv")]).exit_code
        == 0
    )
    made = pd.read_csv(tmp_path / "dictionary.csv", dtype=str).fillna("")
    codes = made.set_index(COLUMNS[0])[COLUMNS[5]]

    def code(field, label):
        return next(part.split(",")[0].strip() for part in codes[field].split("|") if label in part)

    rows = []
    for record, ice in (("p1", "10"), ("p2", "7"), ("p3", "4")):
        rows.append(
            {
                "record_id": record,
                "infusion_date": "2024-03-05",
                "product": code("product", "Axicabtagene"),
                "age_years": "61",
                "sex": code("sex", "Female"),
                "vital_status": code("vital_status", "Alive"),
                "last_contact_date": "2024-09-05",
                "infusion_complete": "2",
            }
        )
        daily = {
            "na_assessment_date": "2024-03-09",
            "na_ice_score": ice,
            "na_consciousness": code("na_consciousness", "Alert"),
            "na_seizure": code("na_seizure", "None"),
            "na_motor_deficit": code("na_motor_deficit", "None"),
            "na_edema_imaging": code("na_edema_imaging", "None"),
        }
        signs = ("posturing", "abducens_palsy", "papilledema", "cushing_triad")
        daily |= {f"na_{sign}": code(f"na_{sign}", "No") for sign in signs}
        rows.append(repeated(record, "neuro_assessment", daily))
    exam = {
        "ex_exam_id": "e1",
        "ex_exam_date": "2024-03-10",
        "ex_exam_status": code("ex_exam_status", "Made"),
    }
    exam |= {
        "ex_modality": code("ex_modality", "MR brain"),
        "ex_sequence_flair": code("ex_sequence_flair", "Yes"),
    }
    rows.append(repeated("p3", "mri_exam", exam))
    found = {
        "fi_exam_id": "e1",
        "fi_finding_code": code("fi_finding_code", "Deep gray"),
        "fi_presence": code("fi_presence", "Present"),
    }
    rows.append(repeated("p3", "mri_finding", found | {"fi_sites": "thalamus; pons"}))
    value = {"lb_lab_date": "2024-03-08", "lb_analyte": code("lb_analyte", "C-reactive"), "lb_value": "12.5"}
    rows.append(repeated("p3", "lab", value))
    pd.DataFrame(rows).reindex(columns=export_columns(made)).to_csv(tmp_path / "data.csv", index=False)

    registry = co.harmonize(co.read_source(tmp_path, source="redcap_template"))
    assert len(registry.unmapped) == 0
    infusion = registry.infusion.set_index("patient_id")
    assert infusion["death_day__status"].unique().tolist() == ["missing:not_applicable"]
    assert infusion["last_contact_day"].tolist() == [184] * 3
    graded = co.grade_icans(registry.neuro_assessment)
    assert graded["icans_grade"].tolist() == [0, 1, 2]
    assert graded["assessment_day"].tolist() == [4, 4, 4]
    mri = co.mri_findings(registry.mri_exam, registry.mri_finding, patients=registry.infusion)
    assert mri["flair_deep"].tolist()[2] == "present"
    assert co.lesion_load(registry.mri_exam, registry.mri_finding)["load_n_regions"].tolist() == [2]
    assert registry.lab["value"].tolist() == [12.5]
    assert registry.lab["unit"].tolist() == ["mg/dL"]


def repeated(record, form, values):
    return {
        "record_id": record,
        "redcap_repeat_instrument": form,
        "redcap_repeat_instance": "1",
        f"{form}_complete": "2",
        **values,
    }


def export_columns(made):
    forms = list(dict.fromkeys(made[COLUMNS[1]]))
    own = [name for name in made[COLUMNS[0]] if name != "record_id"]
    system = ["record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "redcap_data_access_group"]
    return [*system, *own, *(f"{form}_complete" for form in forms)]


def test_an_export_without_a_variable_the_mapping_needs_is_refused(tmp_path):
    template_fields(co.read_dictionary()).to_csv(tmp_path / "dictionary.csv", index=False)
    pd.DataFrame({"record_id": ["1"]}).to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises((SourceError, MappingError), match="lacks columns"):
        co.read_source(tmp_path, source="redcap_template")


# --- projects that nobody of this package wrote


@pytest.fixture(params=PROJECTS)
def real(request):
    folder = REAL / request.param
    if not folder.is_dir():
        pytest.skip("the real projects are not part of the repository")
    return folder


def test_no_cell_of_a_real_project_is_lost(real):
    raw = pd.read_csv(real / "data.csv", dtype=str, keep_default_na=False, encoding="utf-8")
    project = co.read_redcap(real / "data.csv", real / "dictionary.csv")
    system = [c for c in raw.columns if c.startswith("redcap_") or c == project.dictionary.record_id]
    said = (raw != "") & ~((raw == "0") & [("___" in c or c.endswith("_complete")) for c in raw.columns])
    wanted = int(said.drop(columns=system).to_numpy().sum())
    kept = 0
    for frame in project.instruments.values():
        own = frame.drop(columns=[c for c in system if c in frame.columns]).fillna("")
        zero = (own == "0") & [("___" in c or c.endswith("_complete")) for c in own.columns]
        kept += int(((own != "") & (own != HIDDEN) & ~zero).to_numpy().sum())
    assert kept == wanted
    assert set(raw[project.dictionary.record_id]) == set(
        project.instruments[project.dictionary.forms[0]][project.dictionary.record_id]
    )
