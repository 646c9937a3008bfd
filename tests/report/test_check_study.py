"""A study file is checked as a whole: every error at once, each with its place and its remedy."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from cohort.errors import StudyError
from cohort.report.check import check_study

GOOD = """\
cohort_spec: 1
study: {id: small, title: A small study}
data:
  sources:
    a: {path: a.csv, mapping: sim_redcap}
flow:
  adult: {label: Adult, require: age_years >= 18}
endpoints:
  os: {endpoint: overall_survival}
analyses:
  survival: {kind: kaplan_meier, endpoint: os, by: product}
  model: {kind: cox, endpoint: os, formula: age_years + product}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "a.csv").write_text("x\n1\n", encoding="utf-8")
    file = folder / "study.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_good_file_gives_its_paths_and_mappings(tmp_path: Path) -> None:
    checked = check_study(write(tmp_path, GOOD))
    assert checked.paths == {"a": tmp_path / "a.csv"}
    assert checked.mappings == {"a": "sim_redcap"}
    assert list(checked.spec.analyses) == ["survival", "model"]


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("formula: age_years + product", "formula: age_yeers + product", ":12:", "age_years"),
        ("endpoint: os, by", "endpoint: oss, by", ":11:", "os"),
        ("by: product", "by: prodct", ":11:", "product"),
        ("age_years >= 18", "age_yeers >= 18", ":7:", "age_years"),
        ("age_years >= 18", "__import__('os')", ":7:", "__import__"),
        ("formula: age_years + product", "formula: \"__import__('os').system('true')\"", ":12:", "formula"),
        ("kind: cox", "kind: coxx", ":12:", "cox"),
        (
            "kind: cox, endpoint: os, formula: age_years + product",
            "kind: mantel_haenszel, exposure: flair_deep, outcome: severe_icans, strata: [prodct]",
            ":12:",
            "product",
        ),
        (
            "kind: cox, endpoint: os, formula: age_years + product",
            "kind: mantel_haenszel, exposure: flair_deep, outcome: severe_icans, strata: [patient_id]",
            ":12:",
            "tells who a patient is",
        ),
        ("title: A small study", "titel: A small study", ":2:", "title"),
        ("path: a.csv", "path: b.csv", ":5:", "--data a=PATH"),
        ("mapping: sim_redcap", "mapping: sim_redcpa", ":5:", "sim_redcap"),
        ("mapping: sim_redcap", "mapping: mine.yaml", ":5:", "mapping file"),
        ("cohort_spec: 1", "cohort_spec: 2", ":1:", "cohort_spec"),
    ],
)
def test_each_error_names_its_place_and_remedy(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    with pytest.raises(StudyError) as caught:
        check_study(write(tmp_path, GOOD.replace(old, new)))
    assert f"study.yaml{place}" in str(caught.value)
    assert message in str(caught.value)


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    broken = GOOD.replace("age_years >= 18", "age_yeers >= 18").replace(
        "endpoint: os, by", "endpoint: oss, by"
    )
    with pytest.raises(StudyError) as caught:
        check_study(write(tmp_path, broken.replace("path: a.csv", "path: b.csv")))
    assert "3 problems" in str(caught.value)


def test_errors_of_form_and_unknown_names_come_at_once(tmp_path: Path) -> None:
    broken = (
        GOOD.replace("endpoint: overall_survival", "endpoint: overal_survival")  # form: not an endpoint
        .replace("by: product", "by: prodct")  # a name nobody knows, in an analysis of that endpoint
        .replace("kind: cox", "kind: coxx")  # form
        .replace("age_years >= 18", "age_yeers >= 18")  # a name
    )
    with pytest.raises(StudyError) as caught:
        check_study(write(tmp_path, broken))
    places = [(one.line, one.message) for one in caught.value.problems]
    assert [line for line, _ in places] == [7, 9, 11, 12]
    assert "prodct" in places[2][1]


def test_a_key_given_twice_and_a_tab_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="a second time"):
        check_study(write(tmp_path, GOOD + "endpoints: {}\n"))
    with pytest.raises(StudyError, match="a tab"):
        check_study(write(tmp_path, GOOD + "\toutputs: {}\n"))


def test_a_path_of_the_call_replaces_the_written_one(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace("path: a.csv", "path: not_here.csv"))
    assert check_study(file, {"a": tmp_path / "a.csv"}).paths["a"] == tmp_path / "a.csv"
    with pytest.raises(StudyError, match="not a source"):
        check_study(file, {"a": tmp_path / "a.csv", "b": tmp_path / "a.csv"})


def test_the_packaged_study_has_no_errors_but_its_missing_files(tmp_path: Path) -> None:
    text = files("cohort.report").joinpath("demo_study.yaml").read_text(encoding="utf-8")
    for name in ("sim_redcap", "sim_cibmtr"):
        (tmp_path / "raw" / name).mkdir(parents=True)
    (tmp_path / "raw" / "sim_ebmt.xlsx").touch()
    assert len(check_study(write(tmp_path, text)).spec.analyses) == 12
