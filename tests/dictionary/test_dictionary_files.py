"""The packaged dictionary against itself, and the ways in which a dictionary can be wrong."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from cohort.dictionary.expressions import parse_expression
from cohort.dictionary.location import dictionary_folder
from cohort.dictionary.read import read_dictionary
from cohort.errors import DictionaryError
from cohort.registry.examples import check_examples

TABLES = "infusion neuro_assessment crs_assessment mri_exam mri_finding lab treatment event cognition"


def test_the_nine_tables_have_their_keys_and_facts():
    dictionary = read_dictionary()
    assert " ".join(dictionary.tables) == TABLES
    for table in dictionary.tables.values():
        assert {"source", "patient_id", "infusion_number"} <= set(table.primary_key) <= set(table.variables)
        asked = [one for one in table.variables.values() if not one.schema.set_by and one.schema.role != "id"]
        assert all(one.schema.known for one in asked), table.name
    neuro = dictionary.facts("neuro_assessment")
    assert neuro["edema_imaging"].part_of == ("icans_grade",)
    assert neuro["ice_score"].part_of == ("icans_grade", "icans_grade_imaging_blind")
    infusion = dictionary.facts("infusion")
    assert (infusion["age_years"].known_day, infusion["death_day"].known_day) == (0.0, float("inf"))


def test_units_of_analytes_and_variables_agree():
    dictionary = read_dictionary()
    for table in dictionary.tables.values():
        for one in table.variables.values():
            if one.schema.analyte:
                analyte = dictionary.analytes[one.schema.analyte]
                assert dictionary.units.conversion(analyte.unit, one.schema.unit, analyte) is not None
    for analyte in dictionary.analytes.values():
        assert analyte.unit in dictionary.units.factors
        assert analyte.minimum < analyte.maximum
        assert all(one.citation for one in analyte.conversions)


def test_conditions_of_the_checks_name_variables_that_exist():
    dictionary = read_dictionary()
    for one in dictionary.checks.contradictions:
        names = list(dictionary.tables[one.table].variables)
        assert one.variable in names
        parse_expression(one.violated, names, error=DictionaryError)


def test_variables_frame_and_repr():
    dictionary = read_dictionary()
    frame = dictionary.variables
    assert not frame.duplicated(["table", "variable"]).any()
    assert frame.set_index(["table", "variable"]).loc[("infusion", "crp_mg_dl"), "unit"] == "mg/dL"
    assert len(repr(dictionary).splitlines()) == 10
    assert re.fullmatch("[0-9a-f]{64}", dictionary.sha256)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "tables/lab.yaml",
            '"cohort:codelist": analyte',
            '"cohort:codelist": analite',
            "unknown code list 'analite'",
        ),
        ("tables/lab.yaml", "title: Day,", "titel: Day,", "unknown key 'titel' (did you mean 'title'?)"),
        ("tables/lab.yaml", "name: lab_time", "name: lab_day", "the variable 'lab_day' a second time"),
        ("tables/lab.yaml", "lab_day, lab_time, analyte]", "lab_dai, analyte]", "unknown column 'lab_dai'"),
        ("tables/infusion.yaml", '"cohort:unit": U/L', '"cohort:unit": U/l', "unknown unit 'U/l'"),
        (
            "tables/infusion.yaml",
            '"cohort:not_after": last_contact_day',
            '"cohort:not_after": last',
            "'last'",
        ),
        (
            "tables/infusion.yaml",
            "minimum: 0, maximum: 110",
            "minimum: 200, maximum: 110",
            "the minimum is above",
        ),
        ("tables/lab.yaml", "resource: infusion", "resource: infusions", "the key points nowhere"),
        ("codelists/yes_no.yaml", "title:", "label:", "unknown key 'label'"),
    ],
)
def test_a_wrong_dictionary_is_refused_with_its_place(tmp_path, file, old, new, message):
    folder = tmp_path / "dictionary"
    shutil.copytree(dictionary_folder(), folder)
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DictionaryError) as caught:
        read_dictionary(folder)
    assert message in str(caught.value)
    assert re.search(rf"{re.escape(file)}:\d+:\d+", str(caught.value))


def test_a_folder_without_a_dictionary_is_refused(tmp_path):
    with pytest.raises(DictionaryError, match=r"no dictionary\.yaml"):
        read_dictionary(tmp_path)


def test_the_example_of_the_mapping_guide_runs(tmp_path):
    guide = Path(__file__).parents[2] / "docs" / "mapping.md"
    example = re.search(r"```yaml\n(source: site_a.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "site_a.yaml"
    file.write_text(example[1], encoding="utf-8")
    assert check_examples(file) == 4
