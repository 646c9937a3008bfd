"""The package as a whole: light to import, every public name there, layers as drawn, versions pinned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cohort

ROOT = Path(__file__).parents[1]


def test_every_public_name_can_be_loaded() -> None:
    for name in cohort.__all__:
        assert getattr(cohort, name) is not None


def test_import_is_light() -> None:
    heavy = "{'pandas', 'numpy', 'matplotlib', 'scipy', 'duckdb', 'statsmodels'}"
    code = f"import sys, cohort; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all("==" in line and "/" not in line and "@" not in line for line in lines if line)


def test_notebooks_run_from_top_to_bottom() -> None:
    for notebook in sorted((ROOT / "notebooks").glob("*.py")):
        done = subprocess.run([sys.executable, str(notebook)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
