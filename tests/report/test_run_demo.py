"""The whole corridor on simulated registries: what a user gets, and that it recovers the truth."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cohort.cli import app
from cohort.models.mantel_haenszel import mantel_haenszel
from cohort.report.demo import write_demo
from cohort.report.run import Run, run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("demo")
    return run(write_demo(folder, n=240, seed=3), out=folder)


def truth_of(finished: Run) -> pd.DataFrame:
    return pd.read_csv(finished.folder / "raw" / "truth" / "patients.csv", dtype={"patient_id": str})


def test_every_promised_file_is_there_and_no_analysis_is_left_out(finished: Run) -> None:
    assert finished.unfinished == ()
    names = {path.name for path in finished.folder.iterdir()}
    assert names >= {"report.html", "report.docx", "results.json", "audit.json", "manifest.json"}
    assert names >= {"tables", "figures", "data", "raw", "study.yaml"}
    assert {path.suffix for path in (finished.folder / "figures").iterdir()} == {".pdf", ".svg", ".png"}
    tables = {path.stem for path in (finished.folder / "data").glob("*.parquet")}
    assert tables >= {"infusion", "neuro_assessment", "mri_exam", "mri_finding", "lab", "analysis"}


def test_the_report_needs_nothing_from_outside(finished: Run) -> None:
    text = (finished.folder / "report.html").read_text(encoding="utf-8")
    loads = re.findall(r"""(?:src|href)\s*=\s*["']([^"'#][^"']*)""", text) + re.findall(
        r"url\(([^#)][^)]*)\)", text
    )
    assert loads == []
    assert "<script" not in text
    assert "@import" not in text


def test_no_patient_identifier_leaves_in_report_audit_or_results(finished: Run) -> None:
    identifiers = set(truth_of(finished)["patient_id"])
    for name in ("report.html", "audit.json", "results.json", "manifest.json"):
        text = (finished.folder / name).read_text(encoding="utf-8")
        words = set(re.findall(r"[A-Za-z0-9_-]{5,}", text))
        assert not words & identifiers, name


def test_the_same_study_writes_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    same = []
    for hash_seed in ("1", "2"):
        out = tmp_path / hash_seed
        command = [sys.executable, "-c", "from cohort.cli import main; main()", "demo", "--n", "60"]
        subprocess.run(
            [*command, "--out", str(out), "--quiet"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
        )
        same.append(json.loads((out / "manifest.json").read_text(encoding="utf-8"))["same_in_every_run"])
    assert same[0] == same[1]


def test_grades_and_findings_recover_the_truth(finished: Run) -> None:
    data = finished.prepared.data
    known = data[(data["source"] == "sim_redcap") & data["icans_grade"].notna()]
    both = known.merge(truth_of(finished), on="patient_id", suffixes=("", "_true"))
    agree = (both["icans_grade"].astype(int) == both["icans_grade_true"]).mean()
    assert len(both) > 20
    assert agree > 0.95


def test_bounds_hold_the_true_grade_of_everybody_without_contradicting_records(finished: Run) -> None:
    data = finished.prepared.data
    both = data[data["source"] == "sim_redcap"].merge(
        truth_of(finished), on="patient_id", suffixes=("", "_true")
    )
    contradicted = set(finished.prepared.registry.conflicts["patient_id"])
    both = both[both["icans_grade_lower"].notna() & ~both["patient_id"].isin(contradicted)]
    lower, upper = (both[f"icans_grade_{end}"].to_numpy(dtype=float) for end in ("lower", "upper"))
    true = both["icans_grade_true"].to_numpy(dtype=float)
    assert len(both) > 50
    assert np.all((lower <= true) & (true <= upper))


def test_nobody_leaves_uncounted(finished: Run) -> None:
    attrition = finished.prepared.study.attrition
    change = attrition["n_before"] - attrition["n_excluded"] - attrition["n_unknown"]
    assert (change == attrition["n_after"]).all()
    assert attrition["n_after"].iloc[-1] == len(finished.prepared.data)


def test_only_one_analysis_when_asked(finished: Run, tmp_path: Path) -> None:
    again = run(finished.folder / "study.yaml", out=tmp_path / "one", only=["survival"])
    assert list(again.outcomes) == ["survival"]


def test_the_command_line_names_places_and_ends_with_the_right_code(tmp_path: Path) -> None:
    study = write_demo(tmp_path, n=60, seed=1)
    runner = CliRunner()
    assert runner.invoke(app, ["check", str(study)]).exit_code == 0
    study.write_text(study.read_text().replace("kind: mri_timing", "kind: mri_timming"))
    wrong = runner.invoke(app, ["check", str(study)])
    assert wrong.exit_code == 2
    assert "study.yaml:" in wrong.output
    assert "mri_timing" in wrong.output
    assert "Traceback" not in wrong.output
    assert runner.invoke(app, ["run", str(study), "--data", "nonsense"]).exit_code == 2


def test_an_unreadable_extract_ends_with_code_three(tmp_path: Path) -> None:
    study = write_demo(tmp_path, n=60, seed=1)
    extract = tmp_path / "raw" / "sim_redcap" / "data.csv"
    extract.write_bytes(extract.read_bytes() + b"\nragged,row\n")
    result = CliRunner().invoke(app, ["run", str(study), "--out", str(tmp_path / "out")])
    assert result.exit_code == 3
    assert "Traceback" not in result.output


def test_a_refused_analysis_is_reported_and_does_not_stop_the_others(tmp_path: Path) -> None:
    study = write_demo(tmp_path, n=120, seed=2)
    naive = "  naive: {kind: cox, endpoint: os, formula: flair_deep + age_years}\n\noutputs:"
    study.write_text(study.read_text().replace("\noutputs:", naive))
    finished = run(study, out=tmp_path / "out", only=["survival", "naive"])
    assert [outcome.id for outcome in finished.unfinished] == ["naive"]
    assert finished.outcomes["naive"].status == "refused"
    assert "Immortal time" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_run_exports_what_registries_may_pool(finished: Run, tmp_path: Path) -> None:
    exported = finished.export_aggregates(tmp_path, site="north")
    content = json.loads(exported.path.read_text(encoding="utf-8"))
    fits = {name for name, one in finished.outcomes.items() if one.fit is not None}
    assert set(content["results"]) == fits
    assert {finished.outcomes[name].kind for name in fits} <= {"cox", "odds_ratio", "two_by_two"}
    assert content["min_cell"] >= 5
    assert len(content["study_sha256"]) == 64
    for part in content["results"].values():
        assert part["n"] is None or part["n"] <= len(finished.prepared.data)


def test_strata_of_a_study_file_are_pooled_as_in_python(finished: Run) -> None:
    outcome = finished.outcomes["finding_by_severity_over_costimulation"]
    direct = mantel_haenszel(
        "flair_deep", "severe_icans_imaging_blind", ["costimulation"], data=finished.prepared.data
    )
    pd.testing.assert_frame_equal(outcome.frames[outcome.id], direct.tidy())
    assert len(outcome.drawings) == 1
    report = (finished.folder / "report.html").read_text(encoding="utf-8")
    assert "Robins" in report
    assert direct.text("odds_ratio") in report
