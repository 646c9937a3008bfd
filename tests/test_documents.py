"""What README and documents show runs, and what a study file may hold is documented."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import cohort
from cohort.errors import ImmortalTimeError
from cohort.report import spec
from cohort.report.check import check_study

ROOT = Path(cohort.__file__).resolve().parents[1]


def blocks(file: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), re.DOTALL)


def test_the_block_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("README.md", "python")
    names: dict[str, object] = {}
    refused = []
    for statement in ast.parse(block).body:
        code = compile(ast.Module([statement], []), "README.md", "exec")
        try:
            exec(code, names)
        except ImmortalTimeError:
            refused.append(block.splitlines()[statement.lineno - 1])
    assert len(refused) == 1
    assert "# ImmortalTimeError" in refused[0]
    assert (tmp_path / "findings.docx").is_file()


def test_the_example_of_the_study_file_has_no_errors(tmp_path: Path) -> None:
    (example,) = blocks("docs/study-file.md", "yaml")
    for name in ("sim_redcap", "sim_cibmtr"):
        folder = tmp_path / "raw" / name
        folder.mkdir(parents=True)
        (folder / "data.csv").write_text("x\n", encoding="utf-8")
    file = tmp_path / "study.yaml"
    file.write_text(example, encoding="utf-8")
    assert len(check_study(file).spec.analyses) == 5


def keys_of_a_study() -> list[str]:
    models = [one for one in vars(spec).values() if isinstance(one, type) and issubclass(one, BaseModel)]
    return sorted({key for model in models for key in model.model_fields})


@pytest.mark.parametrize("key", keys_of_a_study())
def test_every_key_of_a_study_file_is_documented(key: str) -> None:
    text = (ROOT / "docs/study-file.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{key}\b", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def test_the_block_of_hazard_ratios_runs() -> None:
    block, *further = blocks("docs/hazard-ratios.md", "python")
    names: dict[str, object] = {}
    *before, cox, fine_gray = ast.parse(block).body
    exec(compile(ast.Module(before, []), "hazard-ratios.md", "exec"), names)
    for statement, measure in ((cox, "hazard ratio"), (fine_gray, "subdistribution hazard ratio")):
        assert isinstance(statement, ast.Expr)
        fit = eval(compile(ast.Expression(statement.value), "hazard-ratios.md", "eval"), names)
        assert measure in repr(fit)
        assert "cluster-robust" in repr(fit)
    for following in further:
        exec(compile(following, "hazard-ratios.md", "exec"), names)
    assert "both" in names
