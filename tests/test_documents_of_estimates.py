"""The blocks of the documents on estimates run as written, in order."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import cohort

DOCS = Path(cohort.__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize(
    "name",
    [
        "centers",
        "confounding",
        "curves-and-states",
        "designs",
        "diagnostic-accuracy",
        "grading",
        "imaging",
        "missing-data",
        "odds-ratios",
        "ordinal-grades",
        "parametric-models",
        "prediction",
        "recurrent-and-interval",
        "sample-size",
        "screens",
        "several-registries",
        "tables-of-counts",
    ],
)
def test_the_blocks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, f"{name}.md", "exec"), names)
    plt.close("all")
