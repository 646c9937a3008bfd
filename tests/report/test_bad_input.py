"""Input that is wrong in every way that a hurried or hostile user finds: refused with evidence and remedy."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cohort.cli import app
from cohort.errors import SourceError, StudyError
from cohort.registry.source import read_source
from cohort.report.demo import write_demo
from cohort.report.manifest import sha256_of
from cohort.report.run import run

Change = Callable[[bytes], bytes]
DICTIONARY = Path(__file__).parents[2] / "data_dictionary"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small demonstration, read only by the tests of this file."""
    return write_demo(tmp_path_factory.mktemp("demo"), n=40, seed=1).parent


def members(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as book:
        return {one: book.read(one) for one in book.namelist()}


def packed(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return buffer.getvalue()


def cut_sheets(raw: bytes) -> bytes:
    parts = members(raw)
    return packed({n: c[: len(c) // 2] if "worksheets" in n else c for n, c in parts.items()})


def entities(raw: bytes) -> bytes:
    nested = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(8))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "aaaaaaaaaa">{nested}]><worksheet'.encode()
    cell = b'<row r="9000"><c r="A9000" t="inlineStr"><is><t>&e8;</t></is></c></row></sheetData>'
    parts = members(raw)
    return packed(
        {
            n: c.replace(b"<worksheet", bomb, 1).replace(b"</sheetData>", cell) if "worksheets" in n else c
            for n, c in parts.items()
        }
    )


CSV: dict[str, tuple[Change, str]] = {
    "no bytes": (lambda raw: b"", "empty"),
    "blank lines": (lambda raw: b"\n\n\n", "empty"),
    "latin-1": (lambda raw: raw + "é".encode("latin-1"), "encoding: cp1252"),
    "utf-16": (lambda raw: raw.decode().encode("utf-16-le"), "encoding: utf-16"),
    "zero byte": (lambda raw: raw[:2000] + b"\0" + raw[2000:], "zero bytes"),
    "short row": (lambda raw: raw + b"a,b\n", "more or fewer cells"),
    "open quote": (lambda raw: raw.replace(b"\n", b'\n"', 1) + raw * 2, "data.csv, line 2"),
    "open quote in header": (lambda raw: b'"' + raw * 2, "data.csv, line 1"),
    "old Mac": (lambda raw: raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r"), "carriage return"),
    "column twice": (lambda raw: raw.replace(b"nd_ice_ori", b"nd_ice_nam", 1), "a column twice"),
    "column absent": (lambda raw: raw.replace(b"nd_ice_total", b"nd_ice_totl", 1), "did you mean"),
}
WORKBOOK: dict[str, tuple[Change, str]] = {
    "no bytes": (lambda raw: b"", "not a workbook"),
    "half": (lambda raw: raw[: len(raw) // 2], "not a workbook"),
    "an archive of another kind": (lambda raw: packed({"../../evil.txt": b"x"}), "damaged"),
    "sheets cut": (cut_sheets, "damaged"),
    "entities in entities": (entities, "damaged"),
    "unpacks to much": (lambda raw: packed({"xl/workbook.xml": b"0" * 30_000_000}), "unpacks to too much"),
}


@pytest.mark.parametrize("fault", CSV)
def test_a_csv_file_is_refused(demo: Path, tmp_path: Path, fault: str) -> None:
    change, message = CSV[fault]
    raw = (demo / "raw" / "sim_redcap" / "data.csv").read_bytes()
    (tmp_path / "data.csv").write_bytes(change(raw))
    with pytest.raises(SourceError, match=message) as caught:
        read_source(tmp_path, source="sim_redcap")
    assert caught.value.remedy
    assert "719-1" not in str(caught.value)


@pytest.mark.parametrize("fault", WORKBOOK)
def test_a_workbook_is_refused(demo: Path, tmp_path: Path, fault: str) -> None:
    change, message = WORKBOOK[fault]
    (tmp_path / "book.xlsx").write_bytes(change((demo / "raw" / "sim_ebmt.xlsx").read_bytes()))
    with pytest.raises(SourceError, match=message) as caught:
        read_source(tmp_path / "book.xlsx", source="sim_ebmt")
    assert caught.value.remedy


def test_an_endless_line_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    with file.open("wb") as opened:
        opened.truncate(1_500_000_000)  # takes no room on the disk, and would take 1.5 GB in memory
    with pytest.raises(SourceError, match="longer than a million"):
        read_source(file, source="sim_redcap")


def study_of(demo: Path, tmp_path: Path, *changes: tuple[str, str], sources: str = "redcap") -> Path:
    """Write the study of the demonstration with changes, its paths absolute, on one source."""
    text = (demo / "study.yaml").read_text(encoding="utf-8").replace("path: raw", f"path: {demo}/raw")
    lines = [line for line in text.split("\n") if not line.startswith(("    cibmtr:", "    ebmt:"))]
    text = "\n".join(lines) if sources == "redcap" else text
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "study.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def ends(*arguments: object) -> tuple[int, str]:
    """Call the command; return its exit code and what it printed."""
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result.exit_code, result.output


def test_a_hash_that_the_extract_does_not_have_is_refused(demo: Path, tmp_path: Path) -> None:
    wrong = ("mapping: sim_redcap", f"mapping: sim_redcap, sha256: {'0' * 64}")
    code, said = ends("run", study_of(demo, tmp_path, wrong), "--out", tmp_path / "out")
    assert code == 3
    assert sha256_of(demo / "raw" / "sim_redcap") in said
    short = ("mapping: sim_redcap", "mapping: sim_redcap, sha256: abc")
    code, said = ends("check", study_of(demo, tmp_path, short))
    assert code == 2
    assert "sha256" in said


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(demo: Path, tmp_path: Path) -> None:
    study = study_of(demo, tmp_path)
    for out in (study, study / "below", tmp_path / ("x" * 300)):
        code, said = ends("run", study, "--out", out)
        assert code == 2
        assert "read redcap" not in said
        assert ends("demo", "--n", "20", "--out", out)[0] == 2


def test_names_that_do_not_exist_are_errors_of_the_call(demo: Path, tmp_path: Path) -> None:
    study = study_of(demo, tmp_path)
    assert ends("run", study, "--only", "nothing", "--out", tmp_path / "out")[0] == 2
    assert ends("run", study, "--data", "nobody=x.csv", "--out", tmp_path / "out")[0] == 2
    assert ends("run", study, "--data", f"redcap={'x' * 300}", "--out", tmp_path / "out")[0] == 2
    assert ends("check", tmp_path / "not_here.yaml")[0] == 2
    assert ends("check", tmp_path)[0] == 2


def test_a_flow_that_leaves_nobody_says_which_rule_did(demo: Path, tmp_path: Path) -> None:
    found = sha256_of(demo / "raw" / "sim_redcap")  # as a manifest prints it: this extract is accepted
    right = ("mapping: sim_redcap", f"mapping: sim_redcap, sha256: {found}")
    study = study_of(demo, tmp_path, right, ("age_years >= 18", "age_years >= 180"))
    with pytest.raises(StudyError, match="No patient is left") as caught:
        run(study, out=tmp_path / "out")
    assert "Aged 18 years or over: " in caught.value.evidence


def test_a_registry_in_which_nothing_happens_gives_reasons_and_no_traceback(
    demo: Path, tmp_path: Path
) -> None:
    raw = pd.read_csv(demo / "raw" / "sim_redcap" / "data.csv", dtype=str, keep_default_na=False)
    raw = raw[raw["redcap_repeat_instrument"] == ""]
    raw = raw.assign(fu_date="", fu_death_date="", fu_cod="", fu_relapse="", fu_relapse_date="")
    raw.to_csv(tmp_path / "data.csv", index=False)
    shown = ("formats: [pdf, svg, png], dpi: 300", "formats: [svg], dpi: 72")
    study = study_of(demo, tmp_path, shown, ("formats: [docx, html, xlsx]", "formats: [csv]"))
    finished = run(study, data={"redcap": tmp_path}, out=tmp_path / "out")
    assert finished.outcomes["characteristics"].status == "done"
    for outcome in finished.unfinished:
        assert "Evidence: " in outcome.error, outcome.id
        assert "Remedy: " in outcome.error, outcome.id
    assert "no patient has a usable time" in finished.outcomes["survival"].error


def test_small_counts_leave_no_table_of_counts(demo: Path, tmp_path: Path) -> None:
    numbers = "analyses:\n  numbers: {kind: describe, variables: [product, sex, disease, race, wbc_10e9_l]}"
    study = study_of(
        demo,
        tmp_path,
        ("min_cell: 0", "min_cell: 5"),
        ("analyses:", numbers),
        ("formats: [docx, html, xlsx]", "formats: [csv]"),
        ("formats: [pdf, svg, png], dpi: 300", "formats: [svg], dpi: 72"),
    )
    finished = run(study, out=tmp_path / "out", only=["numbers", "grades", "characteristics"])
    assert finished.unfinished == ()
    tables = tmp_path / "out" / "tables"
    grades = pd.read_csv(tables / "grades.csv")
    described = pd.read_csv(tables / "numbers.csv")["value"]
    characteristics = pd.read_csv(tables / "characteristics.csv")
    listed = characteristics.loc[characteristics["stat"] == "n", "value"]
    drawn = finished.outcomes["grades"].frames["grades"]["n"]
    for counts in (grades.melt()["value"], described, listed, drawn):
        assert not counts.between(1, 4).any()
    assert described.notna().any()
    assert (finished.outcomes["numbers"].frames["numbers"]["statistic"] == "too few values").sum() == 2
    assert grades.isna().any(axis=None)
    assert described.isna().any()
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Counts below 5 are not shown" in report


@pytest.mark.parametrize(
    "analysis",
    [
        "{kind: describe, variables: [sex, patient_id]}",
        "{kind: table_one, variables: [infusion_date]}",
        "{kind: grades, by: patient_id}",
        "{kind: two_by_two, exposure: patient_id, outcome: sex}",
    ],
)
def test_columns_that_tell_who_a_patient_is_are_not_printed(
    demo: Path, tmp_path: Path, analysis: str
) -> None:
    code, said = ends("check", study_of(demo, tmp_path, ("analyses:", f"analyses:\n  bad: {analysis}")))
    assert code == 2
    assert "tells who a patient is" in said


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../sim_cibmtr/infusion.csv"])
def test_a_mapping_reads_nothing_outside_the_folder_it_is_given(
    demo: Path, tmp_path: Path, pattern: str
) -> None:
    text = DICTIONARY.joinpath("sources", "sim_redcap.yaml").read_text(encoding="utf-8")
    mapping = tmp_path / "mine.yaml"
    mapping.write_text(text.replace("data.csv", pattern), encoding="utf-8")
    with pytest.raises(SourceError, match="outside the folder"):
        read_source(demo / "raw" / "sim_redcap", source=mapping)


def test_a_row_taken_for_the_header_is_not_repeated_in_the_message(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("Maria,1931-03-04,Maria\n", encoding="utf-8")
    with pytest.raises(SourceError, match="columns 1 and 3") as caught:
        read_source(tmp_path, source="sim_redcap")
    assert "Maria" not in str(caught.value)


def test_an_outcome_that_the_endpoint_does_not_have_is_named(demo: Path, tmp_path: Path) -> None:
    study = study_of(demo, tmp_path, ("endpoint: nrm, at:", "endpoint: nrm, outcome: nmr, at:"))
    finished = run(study, out=tmp_path / "out", only=["nrm_incidence"])
    assert "events: nrm, relapse" in finished.outcomes["nrm_incidence"].error
