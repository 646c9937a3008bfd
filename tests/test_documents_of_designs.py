"""The blocks of the documents on designs beyond one right-censored event run as written, in order."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import cohort

DOCS = Path(cohort.__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize("name", ["recurrent-and-interval", "parametric-models"])
def test_the_blocks_run(name: str) -> None:
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, f"{name}.md", "exec"), names)
    plt.close("all")
