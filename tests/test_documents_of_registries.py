"""The blocks of the documents that start from a registry run as written, in a folder that holds what they name."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import cohort as co
from cohort.dictionary.redcap_template import template_fields

DOCS = Path(co.__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return co.simulate_registries(n=40, seed=2, folder=tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def sources(made: Any) -> list[Any]:
    return [co.read_source(path, source=name) for name, path in made.sources.items()]


@pytest.fixture(scope="module")
def registry(sources: list[Any]) -> Any:
    return co.harmonize(sources)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Link 600 simulated patients; with 200 the regressions of the documents are separated."""
    made = co.simulate_registries(n=600, seed=2)
    registry = co.harmonize([co.read_source(path, source=name) for name, path in made.sources.items()])
    episodes = co.icans_episodes(co.grade_icans(registry.neuro_assessment))
    return co.Study(registry).require("first CAR-T infusion", "infusion_number == 1").link(episodes)


@pytest.fixture(scope="module")
def scanned() -> tuple[Any, pd.DataFrame]:
    """Link 2,000 simulated patients with their scans; with fewer nobody scanned has edema."""
    made = co.simulate_registries(n=2000, seed=2)
    registry = co.harmonize([co.read_source(path, source=name) for name, path in made.sources.items()])
    episodes = co.icans_episodes(co.grade_icans(registry.neuro_assessment))
    mri = co.mri_findings(registry.mri_exam, registry.mri_finding, window=(0, 30))
    study = co.Study(registry).require("first CAR-T infusion", "infusion_number == 1")
    return registry, study.link(episodes, mri)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the working directory of a project, with the key beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "cohort.key").write_bytes(bytes(range(40)))
    monkeypatch.chdir(folder)
    return folder


def run(document: str, **names: Any) -> dict[str, Any]:
    text = (DOCS / f"{document}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    known = {"co": co, **names}
    for block in blocks:
        exec(compile(block, f"{document}.md", "exec"), known)
    return known


@pytest.mark.usefixtures("project")
def test_privacy(registry: Any) -> None:
    known = run("privacy", registry=registry)
    assert known["private"].privacy
    assert Path("out/infusion.csv").is_file()


def test_quality(registry: Any) -> None:
    known = run("quality", registry=registry)
    assert len(known["merged"].infusion) <= len(registry.infusion)


def test_redcap(made: Any, project: Path) -> None:
    """The simulated project, and one record of the template."""
    simulated = Path(made.sources["sim_redcap"])
    folder = simulated if simulated.is_dir() else simulated.parent
    (project / "project").mkdir()
    for name in ("data.csv", "dictionary.csv"):
        shutil.copy(folder / name, project / "project" / name)
    fields = template_fields(co.read_dictionary())
    (project / "export").mkdir()
    fields.to_csv(project / "export" / "dictionary.csv", index=False)
    system = ["redcap_repeat_instrument", "redcap_repeat_instance", "redcap_data_access_group"]
    columns = [fields.iloc[0, 0], *system, *fields.iloc[1:, 0]]
    record = pd.DataFrame([{"record_id": "1", "infusion_date": "2024-01-01"}]).reindex(columns=columns)
    record.to_csv(project / "export" / "data.csv", index=False)
    known = run("redcap")
    assert known["registry"].infusion["patient_id"].tolist() == ["1"]
    assert len(fields) == 154
    assert fields["Form Name"].nunique() == 9


def test_mapping(project: Path) -> None:
    """The two lines on reading, with the mapping of the document and two rows for it."""
    text = (DOCS / "mapping.md").read_text(encoding="utf-8")
    (mapping,) = re.findall(r"```yaml\n(source: site_a.*?)```", text, re.DOTALL)
    (project / "my_mapping.yaml").write_text(mapping, encoding="utf-8")
    (project / "export").mkdir()
    (project / "export" / "site.csv").write_text(
        "record_id,redcap_repeat_instrument,inf_date,age,sex,crp,crp_unit,hct,death_dt,neuro_dt,ice,ice_done\n"
        "A1,,2024-03-01,61,2,12,1,0,,,,\n"
        "A1,neuro,,,,,,,,2024-03-06,7,1\n",
        encoding="utf-8",
    )
    registry = run("mapping")["registry"]
    assert registry.infusion[["sex", "crp_mg_dl"]].to_numpy().tolist() == [["female", 1.2]]
    assert registry.neuro_assessment[["assessment_day", "ice_score"]].to_numpy().tolist() == [[5, 7]]


@pytest.mark.usefixtures("project")
def test_figures(data: pd.DataFrame) -> None:
    known = run("figures", data=data, os_=co.endpoint("overall_survival", data))
    assert known["saved"].problems == ()
    assert {path.suffix for path in Path("figures").iterdir()} == {".pdf", ".svg", ".png"}
    plt.close("all")


@pytest.mark.usefixtures("project")
def test_tables(data: pd.DataFrame) -> None:
    known = run("tables", data=data)
    assert {path.name for path in Path().iterdir()} == {
        "table_1.docx",
        "table_1.xlsx",
        "table_1.csv",
        "report.docx",
    }
    assert not known["table"].frame.empty


def test_guards(scanned: tuple[Any, pd.DataFrame]) -> None:
    """What overrides a guard says so, as the page promises; the remedies run."""
    registry, data = scanned
    survival = co.endpoint("overall_survival", data)
    names = {"registry": registry, "data": data, "survival": survival, "frame": data.assign(il6_day_3=1.0)}
    known = run("guards", **names)
    assert "acknowledged immortal_time: flair_deep" in repr(
        co.cox(survival, "flair_deep", acknowledge="immortal_time")
    )
    assert known["early"].attrs
    assert "from day 30" in repr(known["later"])
